"""Pictures only: each function takes a table, draws it and returns the axes; none computes."""

from helpers.plots.comparisons import plot_dots, plot_hundred, plot_profit, plot_shares
from helpers.plots.courses import (
    plot_curves,
    plot_leads,
    plot_learning_curve,
    plot_looks,
    plot_marked,
    plot_months,
    plot_parts,
    plot_threads,
)
from helpers.plots.look import BLUE, GREEN, GREY, ORANGE, show, use_style
from helpers.plots.loop import plot_loop

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "plot_curves",
    "plot_dots",
    "plot_hundred",
    "plot_leads",
    "plot_learning_curve",
    "plot_looks",
    "plot_loop",
    "plot_marked",
    "plot_months",
    "plot_parts",
    "plot_profit",
    "plot_shares",
    "plot_threads",
    "show",
    "use_style",
]
