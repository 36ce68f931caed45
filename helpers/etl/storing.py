"""Stage 3: what every load shares: one writer, names that fit SQL, columns that hold what comes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd
from pandas import DataFrame, Series

from helpers.checks import require_columns, require_rows

WAIT_S = 0.2  # how long the second writer waits before it is told
WITH_ZONE = " with a time zone"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
# What a column holds: by the name of its SQL type, and by what pandas finds in it.
_TYPES = {
    "numbers": r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?\b|FLOAT|DOUBLE|REAL|DECIMAL|NUMERIC",
    "texts": "VARCHAR|TEXT|CHAR|ENUM",
    "flags": "BOOL",
    f"moments{WITH_ZONE}": "TIMESTAMP WITH TIME ZONE",
    "moments": "TIMESTAMP|DATE",
}
_FOUND = {
    **dict.fromkeys(["integer", "floating", "mixed-integer-float", "decimal"], "numbers"),
    **dict.fromkeys(["string", "mixed", "mixed-integer"], "texts"),
    **dict.fromkeys(["datetime64", "datetime", "date"], "moments"),
    "boolean": "flags",
}


@contextlib.contextmanager
def one_writer(place: str | Path, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold a warehouse, a lake or a database file for writing; a second writer is refused.

    The lock is the operating system's: it goes with the process, so a kill leaves none behind.

    Parameters
    ----------
    place : the file or folder that is written; the lock lies beside it as `.<name>.lock`.
    wait_s : seconds to wait for another writer.

    Raises
    ------
    ValueError
        If another process, or another part of this one, is writing.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "shop.duckdb"
    >>> with one_writer(place), one_writer(place, wait_s=0):
    ...     pass
    Traceback (most recent call last):
    ValueError: shop.duckdb is being written by somebody else; one writer at a time. Wait until it is \
done, then run this again.
    """
    from filelock import FileLock, Timeout

    place = Path(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place.parent / f".{place.name}.lock")
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        raise ValueError(
            f"{place.name} is being written by somebody else; one writer at a time. "
            "Wait until it is done, then run this again."
        ) from error
    try:
        yield
    finally:
        lock.release()


def checked_name(name: str) -> str:
    """Return a table's name, or say what is wrong with it: it goes into SQL and into paths.

    Raises
    ------
    ValueError
        If it has anything but letters, digits and underscores.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"A table's name has letters, digits and underscores only, 63 at most; got {name!r}."
        )
    return name


def checked_keys(table: DataFrame, key: str | list[str] | None) -> list[str]:
    """Return the columns that name a row, or say why the table cannot be stored under them.

    Raises
    ------
    ValueError
        If there is no row, a column is missing or comes twice, or a row has no key: it would be
        added again by each delivery.

    Examples
    --------
    >>> checked_keys(DataFrame({"order_id": [1.0, None]}), "order_id")
    Traceback (most recent call last):
    ValueError: 1 row(s) have no order_id, the first in row 2; without it, the same delivery twice \
would make them double. Quarantine them first, or replace the whole table (key=None).
    """
    keys = [key] if isinstance(key, str) else list(key or [])
    require_columns(table, "the table", keys)
    require_rows(table, "the table")
    names = Series([str(name).casefold() for name in table.columns])
    if names.duplicated().any():
        raise ValueError(
            f"The table has two columns {names[names.duplicated()].iloc[0]!r}; SQL does not tell "
            "names apart that differ in capitals only. Rename or drop one."
        )
    nameless = table[keys].isna().any(axis=1).to_numpy()
    if nameless.any():
        raise ValueError(
            f"{int(nameless.sum()):,} row(s) have no {', '.join(keys)}, the first in row "
            f"{int(nameless.argmax()) + 1:,}; without it, the same delivery twice would make them "
            "double. Quarantine them first, or replace the whole table (key=None)."
        )
    return keys


def require_unrepeated(table: DataFrame, keys: list[str]) -> None:
    """Stop if a key comes twice within a delivery.

    Raises
    ------
    ValueError
        With the number of rows too many.
    """
    again = int(table.duplicated(keys).sum()) if keys else 0
    if again:
        raise ValueError(
            f"The table repeats {again:,} key(s) of {', '.join(keys)}, so which row counts is "
            "unknown. Merge the deliveries first."
        )


def require_same_columns(name: str, stored: Iterable[str], table: DataFrame) -> None:
    """Stop unless a table has the columns that are stored, in whatever order.

    Raises
    ------
    ValueError
        With both lists.
    """
    there, coming = list(stored), list(map(str, table.columns))
    if sorted(there) != sorted(coming):
        raise ValueError(
            f"{name} holds the columns {', '.join(there)}; the table has {', '.join(coming)}. Rename "
            "them, or replace the whole table (key=None)."
        )


def require_same_kinds(name: str, stored: Mapping[str, str], coming: Mapping[str, str]) -> None:
    """Stop if a column would have to change the values that come, or those that are stored.

    Parameters
    ----------
    name : of the stored table.
    stored, coming : column -> kind, see `kind_of`; "" for nothing but gaps, which fit anywhere.

    Raises
    ------
    ValueError
        With the first such column.

    Examples
    --------
    >>> require_same_kinds("sales", {"price_eur": "numbers"}, {"price_eur": "texts"})
    Traceback (most recent call last):
    ValueError: price_eur of sales holds numbers, the table has texts; what was there is unchanged. \
Bring the column to numbers first, or replace the whole table (key=None).
    """
    for column, kind in stored.items():
        if kind and coming[column] and kind != coming[column]:
            raise ValueError(
                f"{column} of {name} holds {kind}, the table has {coming[column]}; what was there is "
                f"unchanged. Bring the column to {kind} first, or replace the whole table (key=None)."
            )


def kind_of_type(sql_type: str) -> str:
    """Return what a column of an SQL type holds, such as "numbers" or "texts".

    Examples
    --------
    >>> kind_of_type("BIGINT"), kind_of_type("ENUM('a')"), kind_of_type("TIMESTAMP WITH TIME ZONE")
    ('numbers', 'texts', 'moments with a time zone')
    """
    return next((kind for kind, types in _TYPES.items() if re.match(types, sql_type)), sql_type)


def kind_of(values: Series) -> str:
    """Return what a column holds, in the words of `kind_of_type`; "" if nothing but gaps.

    Examples
    --------
    >>> kind_of(Series([5, None])), kind_of(Series(["a", 5], dtype=object)), kind_of(Series([None]))
    ('numbers', 'texts', '')
    """
    if values.isna().all():
        return ""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return kind_of(values.cat.categories.to_series())
    found = pd.api.types.infer_dtype(values, skipna=True)
    kind = _FOUND.get(found, found)
    return kind + WITH_ZONE if isinstance(values.dtype, pd.DatetimeTZDtype) else kind
