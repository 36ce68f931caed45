"""Monitoring: data drift by the population stability index (PSI), and shifts of a level."""

from __future__ import annotations

import warnings
from numbers import Number

import numpy as np
import pandas as pd

from helpers.checks import kinds_of, require_columns, require_rows, require_same_kind

LEAST_SHARE = 0.0001  # stands for an empty level, so that the logarithm stays finite
ALARM = 0.25  # the usual alarm of the population stability index
MISSING = "(missing)"


def level_shift(reference: pd.DataFrame, current: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the share of each level of `column` then and now.

    Parameters
    ----------
    reference, current : one row a customer, with `column`.
    column : a column of categories, be they texts, numbers or flags.

    Returns
    -------
    One row a level, in order, missing values being the level "(missing)", the last: `reference`
    and `current` shares (each column adds up to 1.0).

    Raises
    ------
    ValueError
        If a table has no row or lacks the column, or no level could be on both sides, as the text
        "1" and the number 1.

    Examples
    --------
    >>> then, now = pd.DataFrame({"pay": ["check"]}), pd.DataFrame({"pay": ["card", "card"]})
    >>> level_shift(then, now, "pay").loc["card"].tolist()
    [0.0, 1.0]
    """
    for name, table in [("reference", reference), ("current", current)]:
        require_columns(table, name, [column])
        require_rows(table, name)
    before, after = reference[column], current[column]
    if not kinds_of(before) & kinds_of(after):
        require_same_kind(after, "current", before, "reference", column)
    then, now = _shares(before), _shares(after)
    levels = sorted({**then, **now}, key=_place)
    shares = {"reference": [then.get(level, 0.0) for level in levels]}
    shares["current"] = [now.get(level, 0.0) for level in levels]
    return pd.DataFrame(shares, index=pd.Index(levels, name=column))


def _shares(levels):
    """Return the share of each level; a field left empty is a level too, or it would not be seen."""
    named = levels.astype(object).where(levels.notna(), MISSING)
    return named.value_counts(normalize=True).to_dict()


def _place(level):
    """Return by what the levels are sorted: each kind for itself, for 1 and "a" have no order."""
    kind = "" if isinstance(level, Number) else type(level).__name__
    return level == MISSING, kind, level


def stability_index(
    reference: pd.DataFrame, current: pd.DataFrame, columns: list[str]
) -> pd.Series:
    """Return the population stability index of each column; the usual alarm is at 0.25.

    The sum over levels of (now - then) x ln(now / then): 0 when nothing moved. A level that is
    absent on one side counts as a share of 0.0001. With few rows chance alone moves the index:
    where one draw in twenty from *unchanged* customers would ring the alarm, a warning names the
    column and the value that chance reaches.

    Parameters
    ----------
    reference, current : one row a customer.
    columns : columns of categories.

    Returns
    -------
    One value a column, the largest first.

    Raises
    ------
    ValueError
        As in `level_shift`.

    Examples
    --------
    >>> then = pd.DataFrame({"pay": ["check", "card"] * 50})
    >>> stability_index(then, then, ["pay"])["pay"].item()
    0.0
    """
    values, chance = {}, {}
    rows = np.array([len(reference), len(current)])
    for column in columns:
        shares = level_shift(reference, current, column).to_numpy()
        values[column] = float(_index(*shares.T))
        chance[column] = _by_chance(shares @ rows / rows.sum(), rows)
    few = [f"{column} {value:.2f}" for column, value in chance.items() if value >= ALARM]
    if few:
        warnings.warn(
            f"With {rows[0]:,} and {rows[1]:,} rows at least one sample in twenty would ring the alarm "
            f"of {ALARM} by chance, though nothing has changed. Only an index above these values says "
            f"more: {', '.join(few)}. Take more rows, or a longer time.",
            stacklevel=2,
        )
    return pd.Series(values, name="psi").sort_values(ascending=False)


def _index(then, now):
    """Return the index of the shares on the last axis."""
    then, now = np.maximum(then, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return ((now - then) * np.log(now / then)).sum(axis=-1)


def _by_chance(shares, rows):
    """Return the index that one of twenty pairs of samples exceeds when both have these shares.

    It is drawn, not taken from the chi-squared distribution: that knows nothing of the levels
    which a small sample misses, and those make up most of the index.
    """
    rng = np.random.default_rng(0)  # the same tables always give the same warning
    then, now = (rng.multinomial(count, shares / shares.sum(), 1000) / count for count in rows)
    return np.quantile(_index(then, now), 0.95)
