"""Pictures only: each function takes a table, draws it and returns the axes; none computes."""

from helpers.plots.comparisons import (
    plot_calibration,
    plot_dots,
    plot_draws,
    plot_fit,
    plot_folds,
    plot_hundred,
    plot_hundreds,
    plot_intervals,
    plot_profit,
    plot_roc,
    plot_rungs,
    plot_shares,
    plot_steps,
)
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
    "plot_calibration",
    "plot_curves",
    "plot_dots",
    "plot_draws",
    "plot_fit",
    "plot_folds",
    "plot_hundred",
    "plot_hundreds",
    "plot_intervals",
    "plot_latency",
    "plot_learning_curve",
    "plot_loop",
    "plot_marked",
    "plot_months",
    "plot_parts",
    "plot_profit",
    "plot_roc",
    "plot_rungs",
    "plot_shares",
    "plot_steps",
    "show",
    "use_style",
]
