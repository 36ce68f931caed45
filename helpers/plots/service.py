"""Pictures of a service: how long its answers take, and when its alerts ring."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from helpers.plots.look import BLUE, GREY, ORANGE


def plot_latency(latencies: Mapping[str, pd.Series]) -> Axes:
    """Draw which share of the answers takes longer than so many ms; where a line meets the dashes is its p99.

    Parameters
    ----------
    latencies : how it was asked -> ms, above 0; two at most.

    Returns
    -------
    The axes drawn on; both count in steps of ten times.

    Examples
    --------
    >>> ax = plot_latency({"one by one": pd.Series([1.0, 2.0]), "at random": pd.Series([1.0, 9.0])})
    >>> [line.get_label() for line in ax.lines[:2]]
    ['one by one', 'at random']
    """
    ax = plt.figure(figsize=(8, 3.2)).gca()
    looks = (GREY, "right", 0.05), (ORANGE, "left", 0.1)
    for (name, ms), (color, side, height) in zip(latencies.items(), looks, strict=False):
        longer = np.arange(len(ms), 0, -1) / len(ms)
        ax.step(np.sort(ms), longer, where="pre", color=color, marker="", label=name)
        place = (ms.quantile(1 - height), height)
        ax.annotate(
            f"  {name}  ", place, color=color, ha=side, va="bottom" if side == "left" else "top"
        )
    ax.axhline(0.01, color="black", linestyle="--", linewidth=1.2)
    ax.annotate(" one in a hundred", (0, 0.01), xycoords=("axes fraction", "data"), va="bottom")
    ax.set(xscale="log", yscale="log", xlabel="latency, ms", ylabel="share that takes longer")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    tails = [f"~{ms.quantile(0.99):.1f} ms {name}" for name, ms in latencies.items()]
    ax.set_title("p99: " + ", ".join(tails))
    return ax


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
