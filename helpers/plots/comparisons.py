"""Pictures that compare: groups, models, thresholds."""

from __future__ import annotations

from collections.abc import Collection

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

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


def plot_steps(steps: pd.Series, xlabel: str) -> Axes:
    """Draw how a whole is taken apart step by step: each bar ends where the one above it began.

    Parameters
    ----------
    steps : how many each step takes away, top to bottom; the last is what remains.
    xlabel : what is counted.

    Returns
    -------
    The axes drawn on; what remains is blue, what was taken away grey.
    """
    ax = plt.figure(figsize=(8, 0.9 + 0.42 * len(steps))).gca()
    remains = steps.sum() - steps.cumsum()
    colours = [GREY] * (len(steps) - 1) + [BLUE]
    bars = ax.barh([str(name) for name in steps.index], steps, left=remains, color=colours)
    labels = [f"{taken:,}" for taken in steps]
    ax.bar_label(bars, labels, padding=4)
    ax.set(xlabel=xlabel, xlim=(0, 1.1 * steps.sum()))
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
