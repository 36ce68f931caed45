"""Pictures of what a service was asked, and of the time that it took."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes

from helpers.plots.look import BLUE, ORANGE


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


def plot_times(milliseconds: Mapping[str, float], marked: str) -> Axes:
    """Draw how long each step took, on a scale in which each line is ten times the one before.

    Parameters
    ----------
    milliseconds : step -> time, above 0.
    marked : the step in another color.

    Examples
    --------
    >>> ax = plot_times({"read": 0.01, "score": 1.0}, marked="score")
    >>> [text.get_text().strip() for text in ax.texts]
    ['0.010 ms', '1.000 ms']
    """
    _, ax = plt.subplots(figsize=(9, 0.8 + 0.4 * len(milliseconds)))
    colors = [ORANGE if name == marked else BLUE for name in milliseconds]
    bars = ax.barh(list(milliseconds), list(milliseconds.values()), color=colors)
    ax.bar_label(bars, fmt=" %.3f ms")
    ax.set(xscale="log", xlabel="milliseconds; each line is ten times the one before")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.margins(x=0.15)
    ax.invert_yaxis()
    return ax
