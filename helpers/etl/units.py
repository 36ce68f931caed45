"""Stage 3: one unit for each quantity: degrees Celsius, euro."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pandas import Series


def fahrenheit_to_celsius(values: Series) -> Series:
    """Return degrees Celsius, to a tenth.

    Examples
    --------
    >>> fahrenheit_to_celsius(Series([41.0, 32.0])).tolist()
    [5.0, 0.0]
    """
    return ((values - 32) * 5 / 9).round(1)


def to_eur(
    amounts: Series, currency: Series, unit: Series, per_euro: Mapping[str, float]
) -> Series:
    """Return amounts in euro, to a cent; a currency without a rate gives a gap.

    Parameters
    ----------
    amounts, currency : numbers, and the currency of each; EUR needs no rate.
    unit : "cent" for hundredths, anything else for whole units.
    per_euro : what one euro costs in each currency.

    Examples
    --------
    >>> to_eur(Series([10.8, 1250.0]), Series(["USD", "EUR"]), Series(["whole", "cent"]), {"USD": 1.08}).tolist()
    [10.0, 12.5]
    """
    rates = currency.map({"EUR": 1.0, **per_euro}).astype("float64")
    return (amounts / rates / np.where(unit.eq("cent"), 100, 1)).round(2)


def hundredfold(values: Series, reference: Series, factor: float = 8.0) -> Series:
    """Return where an amount is a hundred times too large: it was written in cents.

    Parameters
    ----------
    values : amounts that should be in euro.
    reference : what the same thing costs by another source, in euro; a gap decides nothing.
    factor : how many times the reference a true amount never reaches.

    Examples
    --------
    >>> hundredfold(Series([12.5, 1250.0]), Series([12.5, 12.5])).tolist()
    [False, True]
    """
    return values.gt(factor * reference) & reference.gt(0)
