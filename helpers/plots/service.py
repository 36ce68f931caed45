"""Pictures of a service: how long its answers take, and when its alerts ring."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots.look import BLUE, GREY, ORANGE


def plot_latency(latency: pd.Series, parts: dict[str, float], instead: str) -> Figure:
    """Draw latencies with their p50 and p99, and beside them where the time of one goes.

    Parameters
    ----------
    latency : ms, above 0.
    parts : what takes time -> ms, above 0.
    instead : the part that is no part of the way, only held against the others.

    Returns
    -------
    The figure, with two axes; both count in steps of ten times.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.2), width_ratios=[3, 2])
    left.hist(latency, bins=np.geomspace(latency.min(), latency.max(), 40), color=BLUE)
    p50, p99 = latency.quantile([0.5, 0.99])
    for name, place in {"p50": p50, "p99": p99}.items():
        left.axvline(place, color=ORANGE)
        left.annotate(f" {name}", (place, 0.92), xycoords=("data", "axes fraction"))
    left.set(xscale="log", xlabel="latency, ms", ylabel="answers")
    left.set_title(f"One in a hundred takes {p99 / p50:.1f} times the usual")
    colors = [ORANGE if name == instead else GREY for name in parts]
    bars = right.barh(list(parts), list(parts.values()), color=colors)
    right.bar_label(bars, fmt=" %.3f ms")
    right.set(xscale="log", xlabel="ms", xmargin=0.5)
    right.set_title("Where the time goes")
    right.invert_yaxis()
    return figure


def plot_alerts(share: pd.Series, bad: np.ndarray, limits: dict[str, float], ylabel: str) -> Axes:
    """Draw a share day by day, the days of a fault in orange, with the limits of the rules about it.

    Parameters
    ----------
    share : day -> share, 0.0 to 1.0.
    bad : for each day whether the fault was there.
    limits : what a rule is called -> its limit.
    ylabel : what the share is of.

    Returns
    -------
    The axes drawn on.
    """
    ax = plt.figure(figsize=(8, 3.4)).gca()
    ax.bar(share.index, share, color=np.where(bad, ORANGE, BLUE))
    for name, limit in limits.items():
        ax.axhline(limit, color=GREY, linestyle="--", linewidth=1.2)
        ax.annotate(f" {name}: {limit:.0%}", (share.index[-1] + 0.5, limit), va="bottom")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set(xlabel="day", ylabel=ylabel, xticks=list(share.index))
    ax.set_xlim(share.index[0] - 0.6, share.index[-1] + 0.36 * len(share))
    return ax
