"""Monitoring: streams, row by row: when did the level of a figure change? The detectors are river's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from pandas import DataFrame, Series


def adwin(values: Series, delta: float = 0.002) -> DataFrame:
    """Return when the mean of a stream changed, by ADWIN: windows that fit the data.

    Parameters
    ----------
    values : numbers or flags in the order in which they came, such as whether each answer was wrong;
        the index tells when.
    delta : the smaller, the fewer false alarms and the later the true ones.

    Returns
    -------
    One row an alarm: `noticed` (the index when it rang), `since` (where the stream broke, most
    likely), `before` and `after` (the means on both sides of it). After an alarm the detector
    begins anew.

    Raises
    ------
    ValueError
        If a value is missing, infinite or no number.

    Source
    ------
    Bifet & Gavalda (2007), SIAM International Conference on Data Mining.

    Examples
    --------
    >>> wrong = Series([False] * 500 + [True] * 500)
    >>> adwin(wrong)[["since", "before", "after"]].to_dict("records")
    [{'since': 500, 'before': 0.0, 'after': 1.0}]
    """
    from river.drift import ADWIN

    return _alarms(values, lambda: ADWIN(delta=delta))


def page_hinkley(values: Series, delta: float = 0.005, threshold: float = 50.0) -> DataFrame:
    """Return when the mean of a stream changed, by the Page-Hinkley test: quick, and to be tuned.

    Parameters
    ----------
    values : as for `adwin`.
    delta : changes of the mean below it do not count.
    threshold : the sum of deviations that rings.

    Returns
    -------
    As `adwin`.

    Source
    ------
    Page (1954), Biometrika 41.

    Examples
    --------
    >>> page_hinkley(Series([0.0] * 500 + [1.0] * 500))["since"].tolist()
    [500]
    """
    from river.drift import PageHinkley

    return _alarms(values, lambda: PageHinkley(delta=delta, threshold=threshold))


def _alarms(values, detector: Callable):
    """Return the alarms of a detector that begins anew after each."""
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if (wrong := ~np.isfinite(numbers)).any():
        raise ValueError(
            f"{values.name or 'the stream'} has {int(wrong.sum()):,} value(s) that are no numbers, the first being "
            f"{values.iloc[int(wrong.argmax())]!r} (row {int(wrong.argmax()) + 1:,}): no mean is known after it. "
            "Leave these rows out."
        )
    found, begun, watch = [], 0, detector()
    for place, value in enumerate(numbers.tolist()):
        watch.update(value)
        if watch.drift_detected:
            part = numbers[begun : place + 1]
            # The break splits the part into two whose means differ most, for their sizes.
            sums, places = part.cumsum()[:-1], np.arange(1, len(part))
            apart = (sums - part.mean() * places) ** 2 / (places * (len(part) - places))
            broke = int(apart.argmax()) + 1
            found.append((values.index[place], values.index[begun + broke], part[:broke].mean(), part[broke:].mean()))  # fmt: skip
            begun, watch = place + 1, detector()
    return DataFrame(found, columns=["noticed", "since", "before", "after"])
