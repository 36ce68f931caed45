"""Guards for inputs: each says what was expected, what was found and where, and what to do next."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from datetime import date, datetime
from numbers import Number, Real

import numpy as np
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
            f"{name} lacks the column(s) {', '.join(map(str, missing))}; it has {found}. "
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
One row a customerID is needed, or something is counted twice. Drop or merge the repeats.
    """
    require_columns(table, name, [column])
    repeated = table[column].duplicated(keep=False).to_numpy()
    if repeated.any():
        repeats = table[repeated]
        first = repeats[column].iloc[0]
        row = int(repeated.argmax()) + 1
        raise ValueError(
            f"{name} repeats {repeats[column].nunique(dropna=False):,} {column} value(s) over "
            f"{len(repeats):,} rows, the first being {first!r} (row {row:,}). One row a "
            f"{column} is needed, or something is counted twice. Drop or merge the repeats."
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


def require_filled(table: pd.DataFrame, name: str, column: str, why: str = "") -> None:
    """Stop unless every row has a value in `column`; the message says `why` it matters.

    Raises
    ------
    ValueError
        If one is empty; with how many, and the first.

    Examples
    --------
    >>> require_filled(pd.DataFrame({"customerID": ["a", None]}), "customers", "customerID")
    Traceback (most recent call last):
    ValueError: customers has 1 row(s) without customerID, the first being row 2. Find the missing \
values, or leave these rows out.
    """
    require_columns(table, name, [column])
    empty = table[column].isna().to_numpy()
    if empty.any():
        raise ValueError(
            f"{name} has {int(empty.sum()):,} row(s) without {column}, the first being row "
            f"{int(empty.argmax()) + 1:,}{why and f': {why}'}. Find the missing values, or leave "
            "these rows out."
        )


def require_each(
    right: Iterable, table: pd.DataFrame, name: str, column: str, expected: str, advice: str
) -> None:
    """Stop unless each value of `column` is `right` (one flag a row); else say what was `expected`.

    Raises
    ------
    ValueError
        If one is wrong; with how many, the first and its row, and the `advice`.

    Examples
    --------
    >>> orders = pd.DataFrame({"rating": [5, 9]})
    >>> require_each(orders["rating"] <= 5, orders, "orders", "rating", "from 1 to 5", "Mend it.")
    Traceback (most recent call last):
    ValueError: rating of 1 row(s) of orders is not from 1 to 5, the first being 9 (row 2). Mend it.
    """
    wrong = ~np.asarray(right, dtype=bool)
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"{column} of {int(wrong.sum()):,} row(s) of {name} is not {expected}, the first being "
            f"{table[column].tolist()[first]!r} (row {first + 1:,}). {advice}"
        )


def require_flags(values: Iterable, name: str) -> None:
    """Stop unless every value is True or False, or 1 or 0; Python takes the text "No" for a yes.

    Raises
    ------
    ValueError
        If a value is a gap or something else; with how many and the first.

    Examples
    --------
    >>> require_flags(pd.Series(["Yes", "No"]), "churned")
    Traceback (most recent call last):
    ValueError: churned has 2 value(s) that are no flags, the first being 'Yes'; True and False were \
expected. Compare first, as in column == "Yes", and leave gaps out.
    """
    values = pd.Series(values)
    wrong = ~values.isin([True, False]).to_numpy()
    if wrong.any():
        raise ValueError(
            f"{name} has {int(wrong.sum()):,} value(s) that are no flags, the first being "
            f"{values[wrong].iloc[0]!r}; True and False were expected. Compare first, as in "
            'column == "Yes", and leave gaps out.'
        )


def require_single(values: Iterable, name: str) -> None:
    """Stop unless each row holds one value, not several as a list, a dict or an array does.

    Raises
    ------
    ValueError
        If one holds several; with how many and the first.

    Examples
    --------
    >>> require_single(pd.Series(["mask", ["mask", "oil"]]), "category of products")
    Traceback (most recent call last):
    ValueError: category of products holds several values in 1 row(s), the first being ['mask', 'oil'] \
(row 2), so rows cannot be compared by it. Give each value a row (explode) or a column, or drop the column.
    """
    values = pd.Series(values)
    if values.dtype != object:
        return
    several = values.map(pd.api.types.is_list_like).to_numpy(dtype=bool)
    if several.any():
        first = " ".join(reprlib.repr(values[several].iloc[0]).split())  # a table has lines
        raise ValueError(
            f"{name} holds several values in {int(several.sum()):,} row(s), the first being {first} "
            f"(row {int(several.argmax()) + 1:,}), so rows cannot be "
            "compared by it. Give each value a row (explode) or a column, or drop the column."
        )


def require_moments(table: pd.DataFrame, name: str, column: str) -> None:
    """Stop unless `column` holds moments and not their texts; gaps are harmless.

    Raises
    ------
    ValueError
        If it holds something else; with the first.

    Examples
    --------
    >>> require_moments(pd.DataFrame({"ordered_at": ["2024-09-01"]}), "orders", "ordered_at")
    Traceback (most recent call last):
    ValueError: ordered_at of orders holds moments; got '2024-09-01' first. Convert the column with \
pd.to_datetime(..., utc=True).
    """
    there = table[column].dropna()
    if len(there) and not pd.api.types.is_datetime64_any_dtype(there):
        raise ValueError(
            f"{column} of {name} holds moments; got {there.tolist()[0]!r} first. Convert the column with "
            "pd.to_datetime(..., utc=True)."
        )


def moment_in(day: object, zone: object) -> pd.Timestamp:
    """Return a day as the moment it begins; one without a time zone is of the `zone` of a table.

    Raises
    ------
    ValueError
        If it is no day, or in a time zone while the table has none (`zone` None).

    Examples
    --------
    >>> moment_in("2024-09-01", "Europe/Berlin")
    Timestamp('2024-09-01 00:00:00+0200', tz='Europe/Berlin')
    """
    try:
        moment = pd.Timestamp(day)
    except (ValueError, TypeError):
        moment = pd.NaT
    if pd.isna(moment):
        raise ValueError(f"A day such as '2024-09-01' was expected; got {day!r}. Write one.")
    if zone is None and moment.tz is not None:
        raise ValueError(
            f"{moment} is in a time zone, and the dates of the table are in none, so which came first "
            "is unknown. Bring both to one, as with .dt.tz_localize."
        )
    return moment.tz_localize(zone) if zone is not None and moment.tz is None else moment


def kinds_of(values: Iterable) -> set[str]:
    """Return of what kinds the values are that can never be equal; gaps are of none.

    Examples
    --------
    >>> sorted(kinds_of([1, 2.5, True, "1", None])), kinds_of([None])
    (['numbers', 'texts'], set())
    """
    values = pd.Series(values).dropna()
    if pd.api.types.is_numeric_dtype(values):
        return {"numbers"} if len(values) else set()
    return {_kind(value) for value in values.unique().tolist()}


def _kind(value):
    """Return the kind of one value; `True == 1`, so flags are numbers."""
    if isinstance(value, (Number, np.bool_)):
        return "numbers"
    if isinstance(value, str):
        return "texts"
    if isinstance(value, datetime):
        return "dates with a time zone" if value.tzinfo else "dates"
    return "days" if isinstance(value, date) else type(value).__name__  # equal to no moment


def require_same_order(values: object, name: str, others: object, others_name: str) -> None:
    """Stop if two columns have the same labels in another order: they are taken place by place.

    Raises
    ------
    ValueError
        If so; columns without an index, or of other labels, are left to their lengths.

    Examples
    --------
    >>> left, chance = pd.Series([True, False]), pd.Series([0.2, 0.9], index=[1, 0])
    >>> require_same_order(left, "churned", chance, "probability")
    Traceback (most recent call last):
    ValueError: churned and probability stand in different orders: their index has the same labels, in \
other rows. Bring them into one, as with probability.loc[churned.index].
    """
    both = isinstance(values, pd.Series) and isinstance(others, pd.Series)
    if both and not values.index.equals(others.index) and set(values.index) == set(others.index):
        raise ValueError(
            f"{name} and {others_name} stand in different orders: their index has the same labels, in "
            f"other rows. Bring them into one, as with {others_name}.loc[{name}.index]."
        )


def require_same_kind(
    values: Iterable, name: str, known: Iterable, known_name: str, column: str
) -> None:
    """Stop if some of the `values` are of a kind that no `known` one is of, as "1" and 1.

    Parameters
    ----------
    values, known : two columns that are to meet; a column without a value meets any.
    name, known_name : where they stand, for the message.
    column : what they hold.

    Raises
    ------
    ValueError
        If they could not meet; with the kinds on both sides.

    Examples
    --------
    >>> require_same_kind(["1"], "customer_ids", [1, 2], "the orders", "customer_id")
    Traceback (most recent call last):
    ValueError: customer_id holds texts in customer_ids and numbers in the orders, so they would \
never be equal. Bring both to one type first.
    """
    require_single(values, f"{column} of {name}")
    require_single(known, f"{column} of {known_name}")
    ours, theirs = kinds_of(values), kinds_of(known)
    if ours and theirs and ours - theirs:
        said = [" and ".join(sorted(kinds)) for kinds in (ours, theirs)]
        raise ValueError(
            f"{column} holds {said[0]} in {name} and {said[1]} in {known_name}, so they would never "
            "be equal. Bring both to one type first."
        )
