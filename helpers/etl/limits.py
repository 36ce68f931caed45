"""Stage 3: the range in which the values of a column usually lie, which a few wild ones do not move."""

from __future__ import annotations

import numpy as np
from pandas import Series


def robust_scale(values: Series) -> float:
    """Return the standard deviation as the middle half of the values shows it.

    It is 1.4826 times the median distance from the median; for values of a bell curve that is the
    standard deviation, and up to half of the values may be wild.

    Examples
    --------
    >>> round(robust_scale(Series([1.0, 2.0, 3.0, 4.0, 900.0])), 4)
    1.4826
    """
    values = values.dropna()
    if not len(values):
        return 0.0
    return float(1.4826 * (values - values.median()).abs().median())


def limits(values: Series, rule: str = "iqr", width: float | None = None) -> tuple[float, float]:
    """Return the least and the greatest value that is no outlier.

    Parameters
    ----------
    values : numbers; gaps are left out.
    rule : "iqr" (`width`, 1.5, quartile distances beyond the quartiles) or "robust z" (`width`,
        3.5, robust standard deviations from the median).

    Returns
    -------
    The limits; a value that is infinite has no say in them, and lies beyond them.

    Raises
    ------
    ValueError
        If the rule is unknown, or there is no number to learn from.

    Examples
    --------
    >>> limits(Series([1.0, 2.0, 3.0, 4.0, 5.0]))
    (-1.0, 7.0)
    """
    numbers = values.dropna().astype("float64")
    values = numbers[np.isfinite(numbers)].rename(values.name)
    if values.empty:
        raise ValueError(f"{values.name or 'The column'} holds no number, so no limits can be learned from it. Drop it.")  # fmt: skip
    if rule == "iqr":
        low, high = values.quantile([0.25, 0.75])
        reach = (1.5 if width is None else width) * (high - low)
    elif rule == "robust z":
        low = high = values.median()
        reach = (3.5 if width is None else width) * robust_scale(values)
    else:
        raise ValueError(f"rule is 'iqr' or 'robust z'; got {rule!r}. Take 'iqr'.")
    return float(low - reach), float(high + reach)
