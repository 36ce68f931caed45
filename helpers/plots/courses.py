"""Pictures of a course: over the months, or by how much went in."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, MonthLocator
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from helpers.checks import require_columns
from helpers.plots.look import BLUE, GREEN, GREY, ORANGE


def plot_months(
    table: pd.DataFrame,
    ylabel: str,
    events: dict[int, str] | None = None,
    grey: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw shares over the months, one line a column, each named at its end.

    Parameters
    ----------
    table : index = months, in order; values 0.0 to 1.0.
    ylabel : what the values are shares of.
    events : month -> what happens from then on; drawn as an upright dashed line.
    grey : the column whose line is grey: what the others are held against.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(7.2, 3.6)).gca()
    ax.plot(table.index, table.to_numpy())
    for line, name in zip(ax.lines, table.columns, strict=True):
        if name == grey:
            line.set(color=GREY, zorder=1)
    ax.yaxis.set_major_locator(MultipleLocator(0.05))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    heights = _kept_apart(table.ffill().iloc[-1].to_numpy(), 0.07 * np.ptp(ax.get_ylim()))
    for line, name, height in zip(ax.lines, table.columns, heights, strict=True):
        ax.annotate(f"  {name}", (table.index[-1], height), color=line.get_color(), va="center")
    for month, text in (events or {}).items():
        ax.axvline(month, color=GREY, linestyle="--", linewidth=1.2, zorder=1)
        ax.annotate(f" {text}", (month, 0.03), xycoords=("data", "axes fraction"))
    ax.set(xlabel="Month", ylabel=ylabel, xticks=list(table.index))
    ax.set_xlim(table.index[0] - 0.3, table.index[-1] + 0.28 * len(table))
    return ax


def plot_curves(
    table: pd.DataFrame,
    xlabel: str,
    ylabel: str,
    reference: float | None = None,
    reference_label: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw one line a column over the numbers of the index, each named at its end.

    Parameters
    ----------
    table : index = where the points lie, rising; a column a line.
    xlabel, ylabel : what the axes count, with their units.
    reference : where to draw a dashed line, such as what the simplest rule reaches.
    reference_label : what that line is.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(7.2, 3.8)).gca()
    ax.plot(table.index, table.to_numpy())
    names, ends = list(table.columns), list(table.iloc[-1])
    first, last = table.index[0], table.index[-1]
    if reference is not None:
        ax.plot([first, last], [reference] * 2, color="black", linestyle="--", marker="", lw=1.2)
        names, ends = [*names, reference_label], [*ends, reference]
    ax.set(xlabel=xlabel, ylabel=ylabel, xticks=list(table.index), ylim=(0, None))
    heights = _kept_apart(np.array(ends, dtype=float), 0.07 * np.ptp(ax.get_ylim()))
    for line, name, height in zip(ax.lines, names, heights, strict=True):
        ax.annotate(f"  {name}", (last, height), color=line.get_color(), va="center")
    ax.set_xlim(first, last + 0.28 * (last - first))
    return ax


def _kept_apart(heights, gap):
    """Return heights for labels, in the same order from below, none nearer than `gap`."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    apart = np.maximum.accumulate(heights[order] - steps) + steps
    result = np.empty(len(heights))
    result[order] = apart
    return result


def plot_marked(
    table: pd.DataFrame,
    x: str,
    y: str,
    mark: str,
    xlabel: str,
    ylabel: str,
    limits: dict[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a point a row; rows with a mark get a colour and a shape of their own.

    Parameters
    ----------
    table : in the order in which the points are joined; a gap in `y` interrupts the line.
    mark : a column of names; "" for a row without a mark.
    limits : what a line across is called -> its height.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    require_columns(table, "table", [x, y, mark])
    ax = ax or plt.figure(figsize=(7.2, 3.6)).gca()
    ax.plot(table[x], table[y], color=GREY, linewidth=0.8, marker="", zorder=1)
    plain = table[table[mark].eq("")]
    ax.plot(plain[x], plain[y], color=GREY, linestyle="none", marker=".", markersize=3, zorder=2)
    for name, rows in table[table[mark].ne("")].groupby(mark):
        ax.plot(rows[x], rows[y], linestyle="none", label=name, zorder=3)
    for name, height in (limits or {}).items():
        ax.axhline(height, color="black", linestyle="--", linewidth=1.2, zorder=2)
        ax.annotate(f" {name}", (0, height), xycoords=("axes fraction", "data"), va="bottom")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
    return ax


def plot_learning_curve(
    curve: pd.DataFrame, x: str, xlabel: str, ylabel: str, ax: Axes | None = None
) -> Axes:
    """Draw a share by how much went in, each step twice the one before, with its range.

    Parameters
    ----------
    curve : one row a step: `x` (a count), `share`, `low`, `high` (0.0 to 1.0).
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    require_columns(curve, "curve", [x, "share", "low", "high"])
    ax = ax or plt.figure(figsize=(7.2, 3.6)).gca()
    ax.fill_between(curve[x], curve["low"], curve["high"], color=BLUE, alpha=0.15)
    ax.plot(curve[x], curve["share"], color=BLUE)
    ax.set_xscale("log", base=2)
    ax.set_xticks(curve[x], [f"{count:,}" for count in curve[x]])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def plot_parts(splits: dict[str, pd.DataFrame], ylabel: str) -> Figure:
    """Draw how the parts of each split lie in time: a panel a split, a stacked bar a month.

    Parameters
    ----------
    splits : what each split is called -> table with index = months in order, a column a part, and
        rows as values; a gap is none.
    ylabel : what is counted.

    Returns
    -------
    The figure, with one axes a split.
    """
    figure, panels = plt.subplots(1, len(splits), figsize=(8.4, 3.4), sharey=True, squeeze=False)
    for ax, (name, table) in zip(panels[0], splits.items(), strict=True):
        below = np.zeros(len(table))
        for part, colour in zip(table.columns, [BLUE, ORANGE, GREEN], strict=False):
            heights = table[part].fillna(0).to_numpy(dtype=float)
            ax.bar(range(len(table)), heights, bottom=below, color=colour, label=part, width=0.85)
            below += heights
        ax.set_title(name)
        ax.set_xticks(range(len(table)), [str(month) for month in table.index], rotation=90)
        ax.grid(visible=False, axis="x")
        ax.set_xlabel("Month")
    panels[0][0].set_ylim(0, 1.06 * max(table.sum(axis=1).max() for table in splits.values()))
    panels[0][0].set_ylabel(ylabel)
    bars, names = panels[0][0].get_legend_handles_labels()
    figure.legend(bars, names, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(bars))
    return figure


def plot_threads(panels: dict[str, pd.DataFrame], ylabel: str) -> Figure:
    """Draw a thread a column, a panel a kind of test; those that ever leave the band from -1 to 1 are orange.

    Parameters
    ----------
    panels : what the tests are called -> index = when, rising; a column a test; its difference as a
        share of what is allowed.
    ylabel : what is drawn.

    Returns
    -------
    The figure; the title of each panel counts those that leave the band.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(10, 4), sharey=True, squeeze=False)
    for ax, (name, threads) in zip(axes[0], panels.items(), strict=True):
        crossed = (threads.abs() > 1).any()
        for column in [*crossed.index[~crossed], *crossed.index[crossed]]:  # the orange ones on top
            color = ORANGE if crossed[column] else "lightgrey"
            ax.plot(threads[column], color=color, marker="", linewidth=1.2)
        ends = threads.index[[0, -1]]
        ax.hlines([-1, 1], *ends, color="black", linestyle="--", linewidth=1.2)
        ax.set_title(f"{name}: {crossed.sum()} of {len(crossed)} are called different")
        ax.set_xlabel("Evening")
    axes[0][0].set_ylabel(ylabel)
    return figure


def plot_beside(panels: dict[str, pd.DataFrame], ylabel: str) -> Figure:
    """Draw small pictures side by side on one scale: a line a column, each named once.

    Parameters
    ----------
    panels : the title of each picture -> index = dates, rising; a column a line, the same columns
        in each.
    ylabel : what is drawn.

    Returns
    -------
    The figure.
    """
    size = (2.6 * len(panels), 3)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (name, lines) in zip(axes[0], panels.items(), strict=True):
        for column, style in zip(lines, ("-", "--", ":"), strict=False):
            ax.plot(lines[column], label=column, marker="", linestyle=style)
        ax.set_title(name, fontsize=10)
        ax.xaxis.set_major_locator(MonthLocator())
        ax.xaxis.set_major_formatter(DateFormatter("%b"))
    axes[0][0].set_ylabel(ylabel)
    axes[0][0].legend(loc="upper left")
    return figure


def plot_looks(looks: pd.DataFrame, ylabel: str, ax: Axes | None = None) -> Axes:
    """Draw a difference as known on each evening, with its ranges, and mark the evening that told.

    Parameters
    ----------
    looks : from `helpers.deployment.experiment.always_valid`; `day` counts from 1. Evenings before
        both ranges are known are not drawn.
    ylabel : what the difference counts, with its unit.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(8, 4)).gca()
    told = looks[looks["told"]].head(1)
    looks = looks[looks["difference"].notna()]
    days = looks["day"]
    for low, high, shade, name in [
        ("low", "high", 0.18, "valid at every look"),
        ("low_once", "high_once", 0.35, "valid at one look"),
    ]:
        ax.fill_between(days, looks[low], looks[high], color=BLUE, alpha=shade, lw=0, label=name)
    ax.plot(days, looks["difference"], color=BLUE, marker="")
    ax.axhline(0, color="black", linewidth=1)
    ax.plot(told["day"], told["difference"], "o", color=ORANGE, label="told")
    ax.legend(ncols=3, loc="upper right")
    ax.set(xlabel="Evening", ylabel=ylabel)
    return ax


def plot_leads(leads: pd.DataFrame, ylabel: str, ax: Axes | None = None) -> Axes:
    """Draw how leads develop, each with its range and named at its end.

    Parameters
    ----------
    leads : one row a `line` and time: `at` (what stands below the axis), `lead`, `low`, `high`;
        each line has the same times in the same order. Up to four lines.
    ylabel : what a lead counts, with its unit.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(8, 4)).gca()
    ends = leads.groupby("line", sort=False)["lead"].last()
    heights = _kept_apart(ends.to_numpy(), 0.07 * (leads["high"].max() - leads["low"].min()))
    for shift, (name, height) in enumerate(zip(ends.index, heights, strict=True)):
        line, color = leads[leads["line"] == name], [GREY, BLUE, ORANGE, GREEN][shift]
        spots = np.arange(len(line)) + shift / 12
        reach = [line["lead"] - line["low"], line["high"] - line["lead"]]
        ax.errorbar(spots, line["lead"], reach, color=color, marker="o")
        ax.annotate(f"  {name}", (spots[-1] + 0.1, height), color=color, va="center")
    ax.axhline(0, color="black", linewidth=1)
    ax.set_xticks(np.arange(len(line)), line["at"])
    ax.set(xlim=(-0.3, len(line) + 0.4), ylabel=ylabel)
    return ax


def plot_canary(log: pd.DataFrame, title: str) -> Figure:
    """Draw a canary by evenings: its share of the customers, and how bad it looked beside its bar.

    Parameters
    ----------
    log : the rows of one guard rail of `Canary.log`.
    title : what is found.

    Returns
    -------
    A figure with two axes, the share above.
    """
    require_columns(log, "log", ["evening", "share", "deviations", "bar", "verdict"])
    size = {"figsize": (7.2, 4.4), "sharex": True, "height_ratios": [1, 2]}
    figure, (above, below) = plt.subplots(2, 1, **size)
    above.bar(log["evening"], log["share"], color=BLUE)
    above.set(ylabel="share of\ncustomers", ylim=(0, 1), title=title)
    above.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    bar, looks = log["bar"].ffill(), log["deviations"]
    below.step(log["evening"], bar, where="mid", color="black", linestyle="--", marker="")
    below.plot(log["evening"], looks, color=BLUE, marker=".")
    below.axhline(0, color=GREY, linewidth=1)
    first, last, verdict = log["evening"].iloc[0], log["evening"].iloc[-1], log["verdict"].iloc[-1]
    color = ORANGE if verdict == "roll back" else GREEN
    below.plot(last, looks.iloc[-1], "o", color=color, markersize=9)
    ends = _kept_apart(np.array([looks.iloc[-1], bar.iloc[-1]]), 0.08 * np.ptp(below.get_ylim()))
    for text, height, shade in zip([verdict, "the bar"], ends, [color, "black"], strict=True):
        below.annotate(f"   {text}", (last, height), color=shade, va="center")
    below.set(xlabel="evening", ylabel="standard errors worse")
    below.set_xlim(first - 0.6, last + 0.6 + 0.2 * max(last - first, 4))
    below.xaxis.set_major_locator(MultipleLocator(1 if last < 16 else 5))
    return figure


def plot_lanes(requests: pd.DataFrame, title: str) -> Axes:
    """Draw two places that answer in turn, one lane each, over the days.

    Parameters
    ----------
    requests : index = days, a column a place, values = requests answered on that day.
    title : what is found.

    Returns
    -------
    The axes drawn on.
    """
    ax = plt.figure(figsize=(7.2, 2.2)).gca()
    heights = 0.8 * requests / requests.to_numpy().max()
    for lane, (name, color) in enumerate(zip(requests, (BLUE, GREEN), strict=True)):
        ax.bar(requests.index, heights[name], bottom=-lane, color=color)
        ax.axhline(-lane, color=GREY, linewidth=1)
    ax.set_yticks([0.4 - lane for lane in range(len(requests.columns))], list(requests))
    ax.set(xlabel="day", xticks=list(requests.index), title=title)
    return ax


def plot_discoveries(p_values: pd.Series | pd.DataFrame, share: float, title: str) -> Axes:
    """Draw sorted p-values, with the usual bar and the line of Benjamini and Hochberg.

    Parameters
    ----------
    p_values : one a test, 0.0 to 1.0, in any shape.
    share : of the alarms, that may be false.
    title : what is found.

    Returns
    -------
    The axes drawn on, both in powers of ten; dots below the usual bar are orange.
    """
    ax = plt.figure(figsize=(7.2, 3.2)).gca()
    p = np.sort(p_values, axis=None)
    rank = np.arange(1, len(p) + 1)
    color = np.where(p < 0.05, ORANGE, GREY)
    ax.scatter(rank, np.maximum(p, 1e-9), s=14, color=color)  # a logarithm has no place for 0
    ax.plot([1, len(p)], [0.05, 0.05], color=ORANGE, linestyle="--", marker="")
    ax.plot(rank, share * rank / len(p), color=BLUE, marker="")
    for text, height, color in [
        ("p below 0.05", 0.05, ORANGE),
        ("rank x share / tests", share, BLUE),
    ]:
        ax.annotate(f"  {text}", (len(p), height), color=color, va="bottom" if color == BLUE else "top")  # fmt: skip
    ax.set(xlabel="tests, the smallest p-value first", ylabel="p-value", title=title)
    ax.set(xscale="log", yscale="log", xlim=(0.8, 5 * len(p)))
    return ax


def plot_known(dots: pd.DataFrame, at: pd.Timestamp, names: pd.Series, title: str) -> Axes:
    """Draw what happened as dots in time, a lane each: orange what was not yet known at a moment.

    Parameters
    ----------
    dots : one row an event: its lane `row` (an index of `names`) and its moment `at`.
    at : the moment of the question, an upright line.
    names : lane -> what is written beside it.
    title : what is found.

    Returns
    -------
    The axes drawn on.
    """
    require_columns(dots, "dots", ["row", "at"])
    ax = plt.figure(figsize=(8.4, 0.32 * len(names) + 0.9)).gca()
    later = dots["at"] >= at
    for some, color in [(dots[~later], BLUE), (dots[later], ORANGE)]:
        ax.plot(some["at"], some["row"], "o", color=color)
    ax.axvline(at, color="black", linewidth=1.2)
    for text, side in [("known ", "right"), (" not yet known", "left")]:
        ax.annotate(text, (at, 1.01), xycoords=("data", "axes fraction"), ha=side)
    ax.xaxis.set_major_locator(MonthLocator())
    ax.xaxis.set_major_formatter(DateFormatter("%b %Y"))
    ax.set_yticks(names.index, names)
    ax.set_title(title, pad=20)
    return ax


def plot_timeline(bars: pd.DataFrame, title: str) -> Axes:
    """Draw in which month each thing happened as a bar, a dot where it was heard of.

    Parameters
    ----------
    bars : index = what happened; `month` in which it began, `heard` (a month; missing for never) and
        `reopen`, which is written beside the bar.
    title : what is found.

    Returns
    -------
    The axes drawn on, a lane a bar.
    """
    require_columns(bars, "bars", ["month", "heard", "reopen"])
    ax = plt.figure(figsize=(9, 0.55 * len(bars) + 1.2)).gca()
    lanes, last = -np.arange(len(bars)), bars[["month", "heard"]].max(axis=None) + 1
    ax.barh(lanes, 1, left=bars["month"], height=0.4, color=ORANGE)
    ax.plot(bars["heard"] + 0.5, lanes, "o", color="black")
    for lane, stage in zip(lanes, bars["reopen"], strict=True):
        ax.annotate(f"reopen {stage}", (last + 0.2, lane), va="center", color=BLUE)
    months = np.arange(1, last)
    ax.set_xticks(months + 0.5, [f"{month:.0f}" for month in months])
    ax.set_yticks(lanes, bars.index)
    ax.set(xlim=(1, last + 5.4), xlabel="month", title=title)
    return ax
