"""Stage 3: sources that contradict each other: which one wins, why, and every value that lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns


@dataclass(frozen=True)
class WinningRule:
    """Which source is believed about a column when sources contradict each other.

    Attributes
    ----------
    column : what they speak about.
    sources : their names, the most trusted first; a gap leaves the word to the next.
    because : the reason, for whoever reads the table later.
    tolerance : how far numbers may differ and still agree.
    """

    column: str
    sources: tuple[str, ...]
    because: str
    tolerance: float = 0.0


def resolve_conflicts(
    tables: Mapping[str, DataFrame], key: str, rules: Sequence[WinningRule]
) -> tuple[DataFrame, DataFrame]:
    """Return one row a key with the winning value of each column, and every contradiction.

    Parameters
    ----------
    tables : source -> table with one row a `key`.
    rules : one a column.

    Returns
    -------
    The table, and `key`, `column`, `source`, `value`, `winner`, `winning_value`, `because` for each
    value that lost against another one. A gap contradicts nobody.

    Raises
    ------
    ValueError
        If a table repeats or lacks a key, or a rule names a source or a column that is not there.

    Examples
    --------
    >>> shop = DataFrame({"product_id": [1, 2], "price_eur": [12.0, None]})
    >>> page = DataFrame({"product_id": [1, 2], "price_eur": [14.0, 9.0]})
    >>> rule = WinningRule("price_eur", ("shop", "page"), "a page may be old")
    >>> table, lost = resolve_conflicts({"shop": shop, "page": page}, "product_id", [rule])
    >>> table["price_eur"].tolist(), lost["value"].tolist()
    ([12.0, 9.0], [14.0])
    """
    indexed = {}
    for source, table in tables.items():
        require_columns(table, source, [key])
        if table[key].isna().any():
            raise ValueError(f"{source} has {int(table[key].isna().sum()):,} row(s) without {key}: whom they describe is unknown. Quarantine them first.")  # fmt: skip
        again = table[key].duplicated()
        if again.any():
            raise ValueError(f"{source} repeats {int(again.sum()):,} {key}(s), the first being {table.loc[again, key].iloc[0]!r}. Merge them first.")  # fmt: skip
        indexed[source] = table.set_index(key)
    keys = sorted(set().union(*(table.index for table in indexed.values())))
    result, lost = DataFrame({key: keys}), []
    for rule in rules:
        if unknown := [source for source in rule.sources if source not in tables]:
            raise ValueError(f"The rule on {rule.column} believes {', '.join(unknown)}; the tables are {', '.join(tables)}. Name a source as its table is named.")  # fmt: skip
        for source in rule.sources:
            require_columns(tables[source], source, [rule.column])
        values, conflicts = _winning(indexed, keys, rule)
        result[rule.column] = values.array
        lost += conflicts
    columns = ["key", "column", "source", "value", "winner", "winning_value", "because"]
    return result, DataFrame(lost, columns=columns)


def _winning(indexed, keys, rule):
    """Return the winning values of one column, and the values that lost."""
    given = {source: indexed[source][rule.column].reindex(keys) for source in rule.sources}
    values, winner = None, pd.Series("", index=keys, dtype="str")
    for source, column in given.items():
        winner = winner.mask(winner.eq("") & column.notna(), source)
        values = column if values is None else values.where(values.notna(), column)
    conflicts = []
    for source, column in given.items():
        spoken = (column.notna() & ~winner.isin(["", source])).to_numpy()
        said, won, by = column[spoken], values[spoken], winner[spoken]
        lost = _differ(said, won, rule.tolerance)
        rows = zip(said.index[lost], said[lost].tolist(), by[lost], won[lost].tolist(), strict=True)
        conflicts += [(one, rule.column, source, value, whose, better, rule.because) for one, value, whose, better in rows]  # fmt: skip
    return values, conflicts


def _differ(said: pd.Series, won: pd.Series, tolerance: float) -> np.ndarray:
    """Return where two columns without gaps contradict each other: a flag a row."""
    differ = (said != won).to_numpy(bool, copy=True)
    if tolerance:
        apart = (_numbers(said[differ]) - _numbers(won[differ])).abs()
        differ[differ] = ~(apart <= tolerance).to_numpy(bool)
    return differ


def _numbers(values: pd.Series) -> pd.Series:
    """Return the numbers of a column as floats; a text, even "5.0", is none and becomes a gap."""
    if not pd.api.types.is_numeric_dtype(values):
        values = values.astype("object").where([isinstance(one, Real) for one in values])
    return values.astype("float64")
