"""Pictures of a service: how long its answers take, and when its alerts ring."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots.look import BLUE, GREY, ORANGE


def plot_latency(latency: pd.Series, parts: dict[str, float], instead: str) -> Figure:
    """Draw latencies with their p50, mean and p99, and beside them of what the mean is made.

    Parameters
    ----------
    latency : ms, above 0.
    parts : what takes time -> mean ms, above 0.
    instead : the part that is no part of the way, only held against the others.

    Returns
    -------
    The figure, with two axes; the left one counts in steps of ten times.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 3.2), width_ratios=[3, 2])
    left.hist(latency, bins=np.geomspace(latency.min(), latency.max(), 40), color=BLUE)
    p50, p99 = latency.quantile([0.5, 0.99])
    lines = {"p50": (p50, 0.92), "mean": (latency.mean(), 0.82), "p99": (p99, 0.72)}
    for name, (place, height) in lines.items():
        left.axvline(place, color=ORANGE)
        left.annotate(f" {name}", (place, height), xycoords=("data", "axes fraction"))
    left.set(xscale="log", xlabel="latency, ms", ylabel="answers")
    left.set_title(f"One in a hundred takes {p99 / p50:.1f} times the usual")
    colors = [ORANGE if name == instead else GREY for name in parts]
    bars = right.barh(list(parts), list(parts.values()), color=colors)
    right.bar_label(bars, fmt=" %.3f ms")
    right.set(xlabel="ms", xmargin=0.4)
    right.set_title("Where the mean time goes")
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


def plot_answered(at: pd.Series, answered: Mapping[str, pd.Series]) -> Axes:
    """Draw a day's requests by their hour, one lane a service: blue if answered, orange if not.

    Parameters
    ----------
    at : when each request came.
    answered : name of the service -> whether it answered, request by request as in `at`.

    Examples
    --------
    >>> at = pd.Series(pd.to_datetime(["2025-01-01 06:30", "2025-01-01 18:00"]))
    >>> ax = plot_answered(at, {"strict": pd.Series([True, False])})
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['strict\\n1 of 2 answered']
    """
    hour = at.dt.hour + at.dt.minute / 60
    _, ax = plt.subplots(figsize=(9, 0.6 + 0.8 * len(answered)))
    names = []
    for lane, (name, good) in enumerate(answered.items()):
        ax.scatter(hour, [lane] * len(hour), c=good.map({True: BLUE, False: ORANGE}), marker="|", s=600)  # fmt: skip
        names.append(f"{name}\n{int(good.sum())} of {len(good)} answered")
    ax.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    ax.set(xlabel="hour of the day")
    return ax


def plot_doors(opened: pd.DataFrame) -> Axes:
    """Draw which caller gets through which door: blue where it opens, with the status that was given.

    Parameters
    ----------
    opened : one row a caller, one column a door; the status, 200 where it opened.

    Examples
    --------
    >>> ax = plot_doors(pd.DataFrame({"/predict": [401, 200]}, ["nobody", "call center"]))
    >>> [text.get_text() for text in ax.texts]
    ['401', '200']
    """
    _, ax = plt.subplots(figsize=(1.6 + 1.5 * opened.shape[1], 0.8 + 0.5 * len(opened)))
    for down, (_, statuses) in enumerate(opened.iterrows()):
        for right, status in enumerate(statuses):
            face, ink = (BLUE, "white") if status == 200 else ("#EEEEEE", "black")
            ax.barh(down, 0.94, left=right - 0.47, height=0.9, color=face)
            ax.text(right, down, status, ha="center", va="center", color=ink)
    ax.set(xticks=range(opened.shape[1]), xticklabels=opened.columns)
    ax.set(yticks=range(len(opened)), yticklabels=opened.index, xlim=(-0.5, opened.shape[1] - 0.5))
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    ax.invert_yaxis()
    return ax
