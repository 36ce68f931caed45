"""Guards for inputs: each says what was expected, what was found and where, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Real

import pandas as pd


def require_columns(table: pd.DataFrame, name: str, columns: Iterable[str]) -> None:
    """Stop unless `table` has every one of `columns`.

    Parameters
    ----------
    table : any rows; only the column names are read.
    name : what the caller calls the table, for the message.
    columns : the names that the next step reads.

    Raises
    ------
    ValueError
        If a column is missing; the message names it and what is there instead.

    Examples
    --------
    >>> require_columns(pd.DataFrame({"tenure": [1]}), "customers", ["tenure", "Contract"])
    Traceback (most recent call last):
    ValueError: customers lacks the column(s) Contract; it has tenure. Rename a column or add it.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        found = ", ".join(map(str, table.columns)) or "no columns at all"
        raise ValueError(
            f"{name} lacks the column(s) {', '.join(missing)}; it has {found}. "
            "Rename a column or add it."
        )


def require_rows(table: pd.DataFrame, name: str, at_least: int = 1) -> None:
    """Stop unless `table` has `at_least` rows.

    Raises
    ------
    ValueError
        If it has fewer; the message gives both counts.

    Examples
    --------
    >>> require_rows(pd.DataFrame({"tenure": [1]}), "customers", at_least=2)
    Traceback (most recent call last):
    ValueError: customers has 1 row(s); this step needs at least 2. Collect more rows first.
    """
    if len(table) < at_least:
        raise ValueError(
            f"{name} has {len(table):,} row(s); this step needs at least {at_least:,}. "
            "Collect more rows first."
        )


def require_unique(table: pd.DataFrame, name: str, column: str) -> None:
    """Stop unless `column` holds each value once.

    Raises
    ------
    ValueError
        If a value repeats; the message shows the first one and counts the rows concerned.

    Examples
    --------
    >>> require_unique(pd.DataFrame({"customerID": ["a", "b", "a"]}), "customers", "customerID")
    Traceback (most recent call last):
    ValueError: customers repeats 1 customerID value(s) over 2 rows, the first being 'a' (row 1). \
One row a customer is needed, or somebody is counted twice. Drop or merge the repeats.
    """
    require_columns(table, name, [column])
    repeated = table[column].duplicated(keep=False).to_numpy()
    if repeated.any():
        repeats = table[repeated]
        first = repeats[column].iloc[0]
        row = int(repeated.argmax()) + 1
        raise ValueError(
            f"{name} repeats {repeats[column].nunique(dropna=False):,} {column} value(s) over "
            f"{len(repeats):,} rows, the first being {first!r} (row {row:,}). One row a customer "
            "is needed, or somebody is counted twice. Drop or merge the repeats."
        )


def require_share(value: float, name: str) -> None:
    """Stop unless `value` is a share, from 0.0 to 1.0.

    Raises
    ------
    ValueError
        If it is outside, or not a number.

    Examples
    --------
    >>> require_share(20, "test_share")
    Traceback (most recent call last):
    ValueError: test_share is a share from 0.0 to 1.0; got 20. For 20 per cent write 0.2.
    """
    number = isinstance(value, Real)
    if not (number and 0.0 <= value <= 1.0):
        per_cent = number and 1 < value <= 100
        hint = f" For {value:g} per cent write {value / 100:g}." if per_cent else ""
        raise ValueError(f"{name} is a share from 0.0 to 1.0; got {value!r}.{hint}")
