"""The picture of the lifecycle: five stages, production, and the ways back."""

from __future__ import annotations

import textwrap
from itertools import pairwise

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from helpers.lifecycle import Stage
from helpers.plots.look import BLUE, GREEN, ORANGE


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


def plot_path(returns: pd.DataFrame) -> Axes:
    """Draw the loop with the returns that were really made, each above its stage.

    Parameters
    ----------
    returns : one row a stage that was walked again: `month` (0 before production), `cause`, `stage`
        (1 to 5), `rang` (how it was noticed), `eur`. An arrow leads to the first stage of a month.
    """
    reopened = set(returns[returns["month"] > 0].groupby("month")["stage"].min())
    ax = plt.figure(figsize=(8.4, 3.9)).gca()
    places = [(2.1 * position, 1.9) for position in range(5)]
    for stage, place in zip(Stage, places, strict=True):
        there = returns[returns["stage"] == stage.value]
        _box(
            ax,
            place,
            "\n".join([str(stage.value), *textwrap.wrap(stage.title, 13)]),
            len(there) > 0,
        )
        texts = [
            f"month {row.month}: {row.cause}\n{row.rang}, {row.eur:,.0f} EUR"
            for row in there.itertuples()
        ]
        ax.text(
            place[0], 2.6, "\n".join(texts), ha="center", va="bottom", fontsize=8.5, color="#8a5f00"
        )
        if stage.value in reopened:
            _arrow(ax, (7.5, 0.2), (place[0], 1.25), colour=ORANGE, style="--")
    for start, end in pairwise(places):
        _arrow(ax, (start[0] + 0.85, start[1]), (end[0] - 0.85, end[1]))
    _box(ax, (8.4, 0.0), "Production\nand monitoring", filled=False, colour=GREEN)
    _arrow(ax, (8.75, 1.3), (8.75, 0.6))
    ax.set(xlim=(-1.1, 9.5), ylim=(-0.6, 4.1))
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
