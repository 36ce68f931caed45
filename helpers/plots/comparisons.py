"""Pictures that compare: groups, models, thresholds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import repeat

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.checks import require_columns
from helpers.plots.look import BLUE, GREY, ORANGE

# What a yes-or-no decision makes of a customer: colour, called (a ring), leaves (a full dot).
KINDS = {
    "hit": (BLUE, True, True),
    "miss": ("#D55E00", False, True),
    "wasted call": (GREY, True, False),
    "left in peace": (GREY, False, False),
}


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


def plot_waterfall(steps: pd.Series, whole: str) -> Axes:
    """Draw how a whole is taken apart step by step: each bar ends where the one above it began.

    Parameters
    ----------
    steps : how many each step takes away, top to bottom; the last is what remains.
    whole : what is taken apart; the bar at the top.

    Returns
    -------
    The axes drawn on; the whole is light, what was taken away grey, what remains blue.

    Examples
    --------
    >>> ax = plot_waterfall(pd.Series({"said no": 2, "called": 6}), "risky")
    >>> [(int(bar.get_x()), int(bar.get_width())) for bar in ax.patches]
    [(0, 8), (6, 2), (0, 6)]
    """
    ax = plt.figure(figsize=(8, 0.9 + 0.42 * (len(steps) + 1))).gca()
    bars = pd.concat([pd.Series({whole: steps.sum()}), steps])
    starts = [0, *(steps.sum() - steps.cumsum())]
    colours = ["lightgrey", *[GREY] * (len(steps) - 1), BLUE]
    drawn = ax.barh([str(name) for name in bars.index], bars, left=starts, color=colours)
    ax.bar_label(drawn, [f"{count:,}" for count in bars], padding=4)
    ax.set(xlabel="customers", xlim=(0, 1.1 * steps.sum()))
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


def plot_roc(curve: pd.DataFrame, thresholds: dict[str, float], ax: Axes | None = None) -> Axes:
    """Draw the ROC curve, with a dot where each threshold stands on it.

    Parameters
    ----------
    curve : one row per threshold, falling (scikit-learn's `roc_curve` with `drop_intermediate`
        off): `threshold`, and of who stays and of who leaves the share called, `stayers_called`
        and `leavers_called` (0.0 to 1.0).
    thresholds : what each threshold to mark is called -> its value.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    require_columns(curve, "curve", ["threshold", "stayers_called", "leavers_called"])
    ax = ax or plt.figure(figsize=(4.8, 4.2)).gca()
    ax.plot(curve["stayers_called"], curve["leavers_called"], marker="", color=BLUE)
    ax.plot([0, 1], [0, 1], "--", color="black", marker="", linewidth=1)
    for name, threshold in thresholds.items():
        row = curve[curve["threshold"] >= threshold].iloc[-1]
        place = row["stayers_called"], row["leavers_called"]
        ax.plot(*place, "o", color=ORANGE)
        ax.annotate(name, place, (7, -16), textcoords="offset points")
    ax.set(xlabel="Stayers called, share", ylabel="Leavers called, share")
    return ax


def plot_hundred(
    shares: pd.Series, looks_at: Collection[str] = tuple(KINDS), ax: Axes | None = None
) -> Axes:
    """Draw a hundred little customers: who leaves is a full dot, who is called has a ring.

    Parameters
    ----------
    shares : index among `KINDS`, adding up to 1.0; a kind that is not there has nobody.
    looks_at : the kinds that a metric counts; the others are drawn pale.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.

    Raises
    ------
    ValueError
        If a kind is unknown, or the shares do not add up to 1.
    """
    unknown = [kind for kind in [*shares.index, *looks_at] if kind not in KINDS]
    if unknown:
        raise ValueError(
            f"A customer is one of {', '.join(KINDS)}; got {unknown[0]!r}. Write it as it stands there."
        )
    if abs(shares.sum() - 1) > 1e-6:
        raise ValueError(
            f"shares adds up to 1 (all customers); got {shares.sum():.3g}. Take "
            "value_counts(normalize=True) of the kinds."
        )
    ax = ax or plt.figure(figsize=(4.6, 3.4)).gca()
    ends = (100 * shares.reindex(list(KINDS), fill_value=0).cumsum()).round().astype(int)
    start, lowest = 0, -1.0
    for kind, end in ends.items():
        colour, ring, full = KINDS[kind]
        alpha = 1.0 if kind in looks_at else 0.15
        places = range(start, end)
        x, y = [place % 10 for place in places], [place // 10 for place in places]
        if ring:
            ax.scatter(x, y, s=130, facecolors="none", edgecolors=colour, alpha=alpha)
        ax.scatter(x, y, s=55 if full else 12, color=colour, alpha=alpha)
        if places:
            lowest = max((start + end - 1) / 20 - 0.45, lowest + 1)
            ax.text(
                9.9,
                lowest,
                f"{len(places)} {kind}",
                color=colour,
                alpha=max(alpha, 0.4),
                va="center",
            )
        start = end
    ax.set(xlim=(-0.7, 16.5), ylim=(9.7, -0.7), aspect="equal")
    ax.axis("off")
    return ax


def plot_hundreds(
    panels: dict[str, pd.Series],
    looks_at: Sequence[Collection[str]] | None = None,
    columns: int = 3,
) -> Figure:
    """Draw `plot_hundred` several times, a panel each.

    Parameters
    ----------
    panels : the title of each panel -> its shares.
    looks_at : for each panel in turn, the kinds that are not drawn pale; by default all of them.
    columns : how many panels stand side by side.

    Returns
    -------
    The figure.
    """
    rows = -(-len(panels) // columns)
    size = (4 * columns, 3 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    kinds = looks_at or repeat(tuple(KINDS))
    for ax, (title, shares), counted in zip(axes.flat, panels.items(), kinds, strict=False):
        plot_hundred(shares, counted, ax).set_title(title)
    for ax in axes.flat[len(panels) :]:
        ax.axis("off")
    return figure


def plot_dots(
    table: pd.DataFrame,
    xlabel: str,
    floor: float | None = None,
    zero: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a row of dots per row of `table`, one kind of dot per column, joined by a thin line.

    Parameters
    ----------
    table : index = what each row is called, top to bottom; columns = what the dots mean.
    xlabel : what the values are.
    floor : an agreed floor, drawn as a dashed line.
    zero : whether a line stands at 0.0, for differences.
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
    if zero:
        ax.axvline(0, color="black", linewidth=1, zorder=1)
        ax.locator_params(axis="x", nbins=6)  # small differences have long figures
    ax.set(xlabel=xlabel, yticks=list(rows), yticklabels=list(table.index))
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return ax


def plot_fit(x: pd.Series, y: pd.Series, ax: Axes | None = None) -> Axes:
    """Draw a dot for each pair of `x` and `y`, and the straight line nearest to them.

    Parameters
    ----------
    x, y : as many numbers, in the same order.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(4.6, 3)).gca()
    ax.plot(x, y, linestyle="none", color=BLUE)
    ends = np.array([x.min(), x.max()])
    ax.plot(ends, np.polyval(np.polyfit(x, y, 1), ends), color="black", marker="", linewidth=1)
    return ax


def plot_folds(folds: pd.DataFrame, metric: str) -> Figure:
    """Draw two models on the same folds: left a line a fold, right the differences.

    Parameters
    ----------
    folds : one row a fold, two columns: the model before and the model after.
    metric : what the values are.

    Returns
    -------
    The figure; its second axes hold the differences, after minus before.
    """
    figure, (lines, dots) = plt.subplots(1, 2, figsize=(9, 3.4))
    lines.plot([0, 1], folds.T, color=GREY, linewidth=1, marker="o", markersize=4)
    lines.set(xticks=[0, 1], xticklabels=list(folds), ylabel=metric)
    lines.margins(x=0.3)
    lines.set_title("Each line is a fold")
    difference = folds.iloc[:, 1] - folds.iloc[:, 0]
    dots.axvline(0, color="black", linewidth=1)
    dots.plot(difference, range(len(folds)), linestyle="none", color=BLUE)
    dots.set(xlabel=f"difference of {metric}", yticks=[])
    dots.locator_params(axis="x", nbins=5)
    return figure


def plot_steps(differences: dict[str, np.ndarray], intervals: pd.DataFrame, xlabel: str) -> Figure:
    """Draw what each step changes, a row with its own scale: a dot a fold, the interval as a bar.

    Parameters
    ----------
    differences : what each step is called -> its differences, fold by fold.
    intervals : index = the steps; `low`, `high`, and whether it was `taken`.
    xlabel : what the differences are.

    Returns
    -------
    The figure, with one axes a step.
    """
    require_columns(intervals, "intervals", ["low", "high", "taken"])
    count = len(differences)
    figure, rows = plt.subplots(count, 1, figsize=(7.2, 0.2 + 1.2 * count), squeeze=False)
    for ax, (name, folds) in zip(rows.flat, differences.items(), strict=True):
        step = intervals.loc[name]
        ax.plot(folds, [0.5] * len(folds), linestyle="none", color=BLUE, alpha=0.5)
        ax.plot(step[["low", "high"]], [-0.5, -0.5], marker="|", color=ORANGE, linewidth=4)
        ax.axvline(0, color="black", linewidth=1)
        ax.set(yticks=[], ylim=(-1, 1))
        ax.set_title(f"{name}: {'taken' if step['taken'] else 'not taken'}")
    rows[-1, 0].set_xlabel(xlabel)
    return figure


def plot_rungs(
    figures: pd.Series, sizes: pd.Series, chosen: str, xlabel: str, ax: Axes | None = None
) -> Axes:
    """Draw a ladder of models, one dot a rung with its figure; the chosen one has a large dot.

    Parameters
    ----------
    figures : index = what each model is called, from the lowest rung up; what it reached.
    sizes : of the same models, how many numbers each holds.
    chosen : the model that was chosen, one of the index.
    xlabel : what the figures are.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(7.5, 0.4 + 0.5 * len(figures))).gca()
    rungs = [f"{name} ({sizes[name]:,})" for name in figures.index]
    ax.plot(figures, rungs, linestyle="none", color=BLUE, markersize=8)
    ax.plot(figures[chosen], figures.index.get_loc(chosen), "o", color=ORANGE, markersize=14)
    for figure, rung in zip(figures, rungs, strict=True):
        ax.annotate(
            f"{figure:.3f}", (figure, rung), (0, 9), textcoords="offset points", ha="center"
        )
    ax.set(xlabel=xlabel, ylabel="model (numbers it holds)")
    ax.margins(0.1, 0.15)
    return ax


def plot_draws(drawn: Sequence[float], floor: float, xlabel: str, ax: Axes | None = None) -> Axes:
    """Draw how often each figure came out of a bootstrap, with the agreed floor as a dashed line.

    Parameters
    ----------
    drawn : one figure a draw.
    floor : the agreed floor.
    xlabel : what the figures are.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(7.2, 3)).gca()
    ax.hist(drawn, bins=25, color=BLUE)
    ax.axvline(floor, color="black", linestyle="--")
    ax.annotate(" the floor", (floor, 0.91), xycoords=("data", "axes fraction"))
    ax.margins(y=0.2)
    ax.set(xlabel=xlabel, ylabel="Draws")
    return ax


def plot_intervals(
    table: pd.DataFrame, figure: str, xlabel: str, reference: float, ax: Axes | None = None
) -> Axes:
    """Draw a forest plot: a row a group, its figure as a dot, its interval as a bar.

    Parameters
    ----------
    table : index = what each group is called, top to bottom; the column `figure`, `low`, `high`.
    figure : the column that the dots show.
    xlabel : what it is.
    reference : what the groups are held against, drawn as a dashed line.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    require_columns(table, "table", [figure, "low", "high"])
    ax = ax or plt.figure(figsize=(7.2, 1 + 0.3 * len(table))).gca()
    names = [str(name) for name in table.index]
    ax.hlines(names, table["low"], table["high"], color=BLUE, linewidth=2)
    ax.plot(table[figure], names, linestyle="none", color=BLUE, markersize=7)
    ax.axvline(reference, color="black", linestyle="--", linewidth=1)
    ax.set_xlabel(xlabel)
    ax.set_ylim(len(table) - 0.5, -0.5)
    return ax


def plot_calibration(
    curve: pd.DataFrame, probability: pd.Series, left: pd.Series, ax: Axes | None = None
) -> Axes:
    """Draw what was promised against what happened, with the customers as ticks.

    Parameters
    ----------
    curve : one row a group of customers: `predicted`, `happened` (0.0 to 1.0).
    probability : of each customer, to leave.
    left : who left: ticks above; the others stand below.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    require_columns(curve, "curve", ["predicted", "happened"])
    ax = ax or plt.figure(figsize=(5.6, 4.6)).gca()
    ax.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=1)
    ax.plot(curve["predicted"], curve["happened"], "o-", color=BLUE)
    for ticks, height in [(probability[left], 1.05), (probability[~left], -0.05)]:
        ax.plot(ticks, [height] * len(ticks), "|", color="black", alpha=0.15, markersize=12)
    ax.set(xlabel="predicted probability", ylabel="share that left", xlim=(-0.02, 1.02))
    return ax


def plot_errors(
    guess: Sequence[float],
    error: Sequence[float],
    marked: pd.Series,
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw the error of each guess over the guess; some customers are orange.

    Parameters
    ----------
    guess, error : one of each a customer, in the same order; an error of 0.0 lies on the line.
    marked : a flag a customer: whether the dot is orange.
    xlabel, ylabel : what is guessed and what the error is, with their units.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(8, 4)).gca()
    ax.scatter(guess, error, s=9, marker="o", c=np.where(marked, ORANGE, BLUE))
    ax.axhline(0, color=GREY, linewidth=1)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


def plot_lowest(curves: pd.DataFrame, xlabel: str, unit: str, ax: Axes | None = None) -> Axes:
    """Draw losses over what is decided, each with its lowest point as a dot, named below it.

    Parameters
    ----------
    curves : index = what is decided, rising; a column a loss, above 0. Each is drawn as so many
        times its lowest, up to twice.
    xlabel : what is decided.
    unit : of the index, said with each lowest point.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(8, 3.6)).gca()
    lowest = curves.idxmin().sort_values()
    for step, (name, place) in enumerate(lowest.items(), start=1):
        (line,) = ax.plot(curves[name] / curves[name].min(), marker="")
        ax.plot(place, 1, "o", color=line.get_color())
        text = f"{name}: {place:.0f} {unit}"
        ax.text(place, 1 - 0.07 * step, text, color=line.get_color(), ha="center", va="center")
    ax.set(xlabel=xlabel, ylabel="loss, its best is 1", ylim=(0.93 - 0.07 * len(lowest), 2))
    return ax


def plot_groups(points: pd.DataFrame, groups: dict[str, Sequence[int]]) -> Figure:
    """Draw the same points several times, a panel each, coloured by the group that they are in.

    Parameters
    ----------
    points : two columns: what lies across and what upright.
    groups : the title of each panel -> the number of each point's group.

    Returns
    -------
    The figure.
    """
    count = len(groups)
    figure, panels = plt.subplots(1, count, figsize=(4 * count, 3.4), sharey=True, squeeze=False)
    for ax, (title, numbers) in zip(panels.flat, groups.items(), strict=True):
        ax.scatter(*points.to_numpy().T, c=numbers, cmap="viridis", s=5)
        ax.set(xlabel=points.columns[0], title=title)
    panels[0, 0].set_ylabel(points.columns[1])
    return figure


def plot_panels(table: pd.DataFrame, form: str, xlabel: str = "", title: str = "") -> Figure:
    """Draw a panel of bars a column, all on one scale: blue above 0, orange below.

    Parameters
    ----------
    table : index = what each bar is called, top to bottom; columns = the titles of the panels.
    form : how a value is written beside its bar, such as "{:.0%}".
    xlabel : what the values are.
    title : what they show, over all panels.

    Returns
    -------
    The figure.
    """
    count, names = table.shape[1], [str(name) for name in table.index]
    size = (2.3 * count + 0.8, 1.3 + 0.35 * len(table))
    figure, panels = plt.subplots(1, count, figsize=size, sharex=True, sharey=True, squeeze=False)
    for ax, (column, values) in zip(panels.flat, table.items(), strict=True):
        colours = np.where(values > 0, BLUE, ORANGE)
        ax.bar_label(ax.barh(names, values, color=colours), fmt=form, padding=3)
        ax.axvline(0, color=GREY, linewidth=1)
        ax.set_title(column, fontsize=10)
        ax.grid(visible=False, axis="y")
    panels[0, 0].margins(x=0.3)
    panels[0, 0].invert_yaxis()
    if xlabel:
        figure.supxlabel(xlabel, fontsize=9)
    if title:
        figure.suptitle(title)
    return figure


def plot_boards(boards: pd.DataFrame, hits: pd.DataFrame) -> Axes:
    """Draw lists beside each other as words; a hit is blue and has a tick.

    Parameters
    ----------
    boards : a column a list, its best on top; "" where a list is shorter. Long names are cut.
    hits : flags of the same shape.

    Returns
    -------
    The axes drawn on.
    """
    ax = plt.figure(figsize=(1.68 * boards.shape[1], 0.46 * len(boards))).gca()
    for across, name in enumerate(boards):
        ax.text(across, -1, name, weight="bold")
        for down, (product, hit) in enumerate(zip(boards[name], hits[name], strict=True)):
            text = f"✓ {product[:24]}" if hit else product[:24]
            ax.text(across, down, text, color=BLUE if hit else GREY, size=8)
    ax.set(xlim=(0, boards.shape[1]), ylim=(len(boards), -1.5))
    ax.axis("off")
    return ax


def plot_ranks(figures: pd.DataFrame, colours: dict[str, str], ax: Axes | None = None) -> Axes:
    """Draw the rank of each model by each figure, the best on top; the title says who moves most.

    Parameters
    ----------
    figures : index = the models; a column a way to judge (0.0 to 1.0), more is better. The last is
        written at the right end.
    colours : a model -> its color; the others are grey.
    ax : where to draw; by default a new figure.

    Returns
    -------
    The axes drawn on.
    """
    ax = ax or plt.figure(figsize=(8, 4)).gca()
    ranks = figures.rank(ascending=False, method="first").astype(int)
    for model, row in ranks.iterrows():
        style = {"color": colours.get(model, GREY), "va": "center"}
        ax.plot(ranks.columns, row, color=style["color"], marker="o")
        ax.text(-0.05, row.iloc[0], model, ha="right", **style)
        ax.text(
            len(row) - 0.95, row.iloc[-1], f"{model}, {figures.loc[model].iloc[-1]:.0%}", **style
        )
    mover = (ranks.iloc[:, 0] - ranks.iloc[:, -1]).abs().idxmax()
    places = [f"{place} ({judge})" for judge, place in ranks.loc[mover].items()]
    ax.set(xlim=(-0.9, ranks.shape[1] - 0.1), ylim=(len(ranks) + 0.5, 0.5), yticks=[])
    ax.set_title(f"{mover}: place {', '.join(places)}")
    return ax
