"""Pictures only: each function takes a table, draws it and returns the axes; none computes."""

from __future__ import annotations

import base64
import html
import io
import textwrap
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.ticker import MultipleLocator

from helpers.checks import require_columns
from helpers.lifecycle import Stage
from helpers.prose import show_output

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#767676"


def use_style() -> None:
    """Give every later picture and table the course's look; a second call changes nothing."""
    plt.style.use("helpers.figures")
    pd.set_option("display.max_colwidth", None)  # a sentence in a table is not cut off


def show(picture: Figure | Axes, alt: str, caption: str = "") -> None:
    """Display a picture with a text alternative, then close it.

    Parameters
    ----------
    picture : a figure, or axes of it.
    alt : one sentence on what is seen, for readers who cannot see it; at least 20 characters.
    caption : what to take from it; shown below the picture.

    Raises
    ------
    ValueError
        If `alt` says too little.

    Examples
    --------
    >>> show(plt.figure(), alt="An empty sheet, to show the form.")
    An empty sheet, to show the form.
    """
    if len(alt.strip()) < 20:
        raise ValueError(
            f"alt is one sentence on what the picture shows, at least 20 characters; got {alt!r}. "
            "Write what a reader who cannot see it would miss."
        )
    figure = picture if isinstance(picture, Figure) else picture.figure
    stored = io.BytesIO()
    figure.savefig(stored, format="png", bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    encoded = base64.b64encode(stored.getvalue()).decode()
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    image = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{encoded}">'
    show_output(alt, {"text/html": f"<figure>{image}{below}</figure>"})


def plot_loop(now: Stage | None = None, ax: Axes | None = None) -> Axes:
    """Draw the five stages and production as a loop, with `now` filled in."""
    ax = ax or plt.figure(figsize=(8.4, 3.6)).gca()
    names = ["\n".join([str(stage.value), *textwrap.wrap(stage.title, 13)]) for stage in Stage]
    places = [(2.1 * position, 2.2) for position in range(5)]
    for stage, name, place in zip(Stage, names, places, strict=True):
        _box(ax, place, name, filled=stage is now)
    production = (8.4, 0.2)
    _box(ax, production, "Production\nand monitoring", filled=False, colour=GREEN)
    for start, end in pairwise(places):
        _arrow(ax, (start[0] + 0.85, start[1]), (end[0] - 0.85, end[1]))
    _arrow(ax, (8.1, 1.6), (8.1, 0.75))
    _arrow(ax, (8.75, 0.75), (8.75, 1.6), colour=ORANGE, style="--")
    for place in places[:-1]:
        _arrow(ax, (production[0] - 0.85, 0.2), (place[0], 1.55), colour=ORANGE, style="--")
    ax.text(2.2, 0.05, "back to any stage, when a finding says so", color="#8a5f00", ha="center")
    ax.set(xlim=(-1, 9.4), ylim=(-0.5, 3.0))
    ax.axis("off")
    return ax


def _box(ax, centre, text, filled, colour=BLUE):
    """Draw one rounded box with its text in the middle."""
    x, y = centre
    ax.add_patch(
        FancyBboxPatch(
            (x - 0.78, y - 0.5),
            1.56,
            1.0,
            boxstyle="round,pad=0.06",
            facecolor=colour if filled else "white",
            edgecolor=colour,
            linewidth=2,
        )
    )
    ink = "white" if filled else "black"
    ax.text(x, y, text, ha="center", va="center", fontsize=9, color=ink)


def _arrow(ax, start, end, colour="black", style="-"):
    """Draw one arrow from `start` to `end`."""
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=14, color=colour, linestyle=style, lw=1.4
        )
    )


def plot_shares(
    shares: pd.Series,
    xlabel: str,
    reference: float | None = None,
    reference_label: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw one horizontal bar per entry of `shares` (0.0 to 1.0), each labelled with its value.

    Parameters
    ----------
    shares : index = what each bar is called, top to bottom.
    xlabel : what the share is a share of.
    reference : where to draw a dashed line, such as the agreed floor or the overall share.
    reference_label : what that line is.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(7.2, 0.9 + 0.42 * len(shares))).gca()
    bars = ax.barh([str(name) for name in shares.index], shares.to_numpy(), color=BLUE)
    if reference is not None:
        ax.axvline(reference, color="black", linestyle="--", linewidth=1.2, zorder=2)
        ax.annotate(
            f" {reference_label} {reference:.1%}",
            (reference, 1.0),
            xycoords=("data", "axes fraction"),
            va="bottom",
            ha="center",
        )
    longest = max(shares.max(), reference or 0)
    # A label in front of the line stays legible where the two meet.
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.bar_label(bars, fmt="{:.1%}", padding=4, bbox=white, zorder=3)
    ax.set(xlabel=xlabel, xlim=(0, min(1.12, 1.18 * longest) or 1))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.grid(visible=False, axis="y")
    ax.invert_yaxis()
    return ax


def plot_profit(
    curve: pd.DataFrame,
    thresholds: dict[str, float],
    rules: dict[str, float],
    ax: Axes | None = None,
) -> Axes:
    """Draw the profit of a campaign by the threshold from which a customer is called.

    Parameters
    ----------
    curve : one row per threshold: `threshold` (0.0 to 1.0), `profit_eur` per 1,000 customers.
    thresholds : what each threshold to compare is called -> its value; drawn upright.
    rules : what each rule without a model is called -> its profit, EUR per 1,000; drawn dashed.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    require_columns(curve, "curve", ["threshold", "profit_eur"])
    ax = ax or plt.figure(figsize=(7.2, 4.2)).gca()
    ax.plot(curve["threshold"], curve["profit_eur"], marker="", color=BLUE)
    for name, profit in rules.items():
        ax.axhline(profit, color="black", linestyle="--", linewidth=1.2)
        ax.annotate(
            f"{name} ", (1.0, profit), xycoords=("axes fraction", "data"), ha="right", va="bottom"
        )
    for name, threshold in thresholds.items():
        ax.axvline(threshold, color=ORANGE, linewidth=2)
        ax.annotate(
            f" {name} ({threshold:.3g})", (threshold, 0.03), xycoords=("data", "axes fraction")
        )
    ax.set(
        xlabel="Call customers whose churn probability is at least ...",
        ylabel="Profit per 1,000 customers, EUR",
    )
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return ax


def plot_dots(
    table: pd.DataFrame, xlabel: str, floor: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a row of dots per row of `table`, one kind of dot per column, joined by a thin line.

    Parameters
    ----------
    table : index = what each row is called, top to bottom; columns = what the dots mean.
    xlabel : what the values are.
    floor : an agreed floor, drawn as a dashed line.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(7.2, 1.6 + 0.5 * len(table))).gca()
    rows = range(len(table))
    ax.hlines(rows, table.min(axis=1), table.max(axis=1), color=GREY, linewidth=1, zorder=1)
    for name in table.columns:
        ax.plot(table[name], rows, linestyle="none", markersize=8, label=name)
    if floor is not None:
        ax.axvline(floor, color="black", linestyle="--", linewidth=1.2, label=f"floor {floor:.2f}")
    ax.set(xlabel=xlabel, yticks=list(rows), yticklabels=list(table.index))
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def plot_months(
    table: pd.DataFrame,
    ylabel: str,
    events: dict[int, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw shares over the months, one line a column, each named at its end.

    Parameters
    ----------
    table : index = months, in order; values 0.0 to 1.0.
    ylabel : what the values are shares of.
    events : month -> what happens from then on; drawn as an upright dashed line.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(7.2, 3.6)).gca()
    ax.plot(table.index, table.to_numpy())
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


def _kept_apart(heights, gap):
    """Return heights for labels, in the same order from below, none nearer than `gap`."""
    order = np.argsort(heights, kind="stable")
    steps = gap * np.arange(len(heights))
    apart = np.maximum.accumulate(heights[order] - steps) + steps
    result = np.empty(len(heights))
    result[order] = apart
    return result


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
