"""Pictures of what is watched: many figures on one time axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.plots.look import BLUE, GREY, ORANGE


def plot_wall(
    values: pd.DataFrame,
    fired: pd.DataFrame,
    wall: Mapping[str, Sequence],
    events: Mapping[object, str],
) -> Figure:
    """Draw one thin strip a figure, all on one time axis, so that they can be read across.

    Parameters
    ----------
    values : index = when, rising; a column a figure.
    fired : of the same form; where an alert fired. Its days are orange.
    wall : the heading of some strips -> the rules of their figures, from above: records with `name`,
        `at_least` and `at_most`. Two limits are a grey band, one a grey line.
    events : when -> what happened then; an upright dashed line through all strips.

    Returns
    -------
    The figure, with one axes a strip; the last value stands at its end.

    Examples
    --------
    >>> from helpers.monitoring.alerts import Rule
    >>> values = pd.DataFrame({"visits": [40.0, 38.0], "errors": [0.0, 0.5]}, [1, 2])
    >>> visits, errors = Rule("visits", "a_total", at_least=36, at_most=39), Rule("errors", "b_total")
    >>> figure = plot_wall(values, values > 39, {"business": [visits], "system": [errors]}, {2: "dead"})
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['visits', 'errors']
    """
    rules = [rule for group in wall.values() for rule in group]
    figure, axes = plt.subplots(len(rules), 1, figsize=(9, 0.46 * len(rules)), sharex=True, squeeze=False, layout="none")  # fmt: skip
    heads = {group[0].name: row for row, group in wall.items()}
    for ax, rule in zip(axes.flat, rules, strict=True):
        name = rule.name
        line, rang = values[name], fired[name].to_numpy(dtype=bool)
        allowed = [limit for limit in (rule.at_least, rule.at_most) if np.isfinite(limit)]
        if len(allowed) == 2:
            ax.axhspan(*allowed, color=GREY, alpha=0.2, linewidth=0)
        elif allowed:
            ax.axhline(allowed[0], color=GREY, alpha=0.5, linewidth=1)
        ax.plot(line.index, line, color=BLUE, marker="", linewidth=1.6)
        ax.plot(line.index[rang], line[rang], color=ORANGE, marker="o", markersize=4, linestyle="none")  # fmt: skip
        for when in events:
            ax.axvline(when, color=GREY, linestyle="--", linewidth=1)
        told = line.dropna()
        ax.annotate(f" {told.iloc[-1]:.3g}" if len(told) else " none", (1, 0.5), xycoords="axes fraction", va="center")  # fmt: skip
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.set(yticks=[])
        ax.margins(x=0.01, y=0.25)
        ax.tick_params(length=0)
        ax.spines[["left", "right", "top"]].set_visible(False)
        if name in heads:
            ax.annotate(heads[name], (-0.2, 0.5), xycoords="axes fraction", weight="bold", ha="right", va="center")  # fmt: skip
    for when, text in events.items():
        axes[0, 0].annotate(text, (when, 1.15), xycoords=("data", "axes fraction"), ha="center")
    if np.issubdtype(values.index.dtype, np.datetime64):
        figure.autofmt_xdate(rotation=0, ha="center")
    figure.subplots_adjust(hspace=0.15)
    return figure
