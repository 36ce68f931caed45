"""Pictures only: each function takes a table, draws it and returns the axes; none computes."""

from helpers.plots.comparisons import plot_dots, plot_hundred, plot_profit, plot_shares
from helpers.plots.courses import (
    plot_curves,
    plot_learning_curve,
    plot_marked,
    plot_months,
    plot_parts,
)
from helpers.plots.look import BLUE, GREEN, GREY, ORANGE, show, use_style
from helpers.plots.loop import plot_loop
from helpers.plots.service import plot_alerts, plot_latency

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "plot_alerts",
    "plot_curves",
    "plot_dots",
    "plot_hundred",
    "plot_latency",
    "plot_learning_curve",
    "plot_loop",
    "plot_marked",
    "plot_months",
    "plot_parts",
    "plot_profit",
    "plot_shares",
    "show",
    "use_style",
]
