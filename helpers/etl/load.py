"""Stage 3: load tables where others find them: a warehouse (DuckDB); the lake is in `helpers.etl.lake`.

Every load is atomic (a reader, or a restart after a kill, sees the old table or the new one),
repeatable (the same input twice is the same table) and alone (one writer at a time).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pandas import DataFrame

from helpers.etl.duck import connected, identifier, one_value, transaction
from helpers.etl.storing import (
    checked_keys,
    checked_name,
    kind_of_type,
    one_writer,
    require_same_columns,
    require_same_kinds,
    require_unrepeated,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def load_warehouse(
    table: DataFrame, database: str | Path, name: str, key: str | list[str] | None = None
) -> int:
    """Put a table into a DuckDB file, in place of one of the same name; return its rows.

    With a `key`, rows are added instead: a row whose key is there already replaces it, so that the
    same delivery twice makes no row double. A stored column is widened (whole numbers to decimal
    ones) where it could not hold what comes; no value is rounded.

    Parameters
    ----------
    table : any rows; the index is not stored.
    database : the DuckDB file, made if it is not there.
    name : the table's name: letters, digits and underscores.
    key : the column or columns that name a row, or None to replace the whole table.

    Raises
    ------
    ValueError
        If the name is none, a key is missing or repeats within `table`, the columns differ from
        those stored or hold something else, or somebody else is writing. The stored table is then
        as it was.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "shop.duckdb"
    >>> orders = DataFrame({"order_id": [1, 2], "price_eur": [5.0, 7.0]})
    >>> load_warehouse(orders, file, "orders", key="order_id")
    2
    >>> load_warehouse(orders.assign(price_eur=9.0).head(1), file, "orders", key="order_id")
    2
    >>> read_warehouse(file, "SELECT sum(price_eur) AS total FROM orders")["total"].item()
    16.0
    """
    return load_tables({name: table}, database, {name: key})[name]


def load_tables(
    tables: Mapping[str, DataFrame],
    database: str | Path,
    keys: Mapping[str, str | list[str] | None],
) -> dict[str, int]:
    """Put several tables into a DuckDB file, all of them or none; return the rows of each.

    Parameters
    ----------
    tables : name -> table.
    database : the DuckDB file, made if it is not there.
    keys : name -> its key, see `load_warehouse`.

    Raises
    ------
    ValueError
        As `load_warehouse`; then every stored table is as it was.
    """
    import duckdb

    if not tables:
        return {}
    named = {}
    for name, table in tables.items():
        named[checked_name(name)] = checked_keys(table, keys.get(name))
        require_unrepeated(table, named[name])
    stored = {}
    with one_writer(database):
        try:
            with connected(database) as connection, transaction(connection):
                for name, table in tables.items():
                    connection.register("incoming", table)
                    stored[name] = _replace_or_add(connection, name, table, named[name])
        except duckdb.Error as error:
            cause = str(error).splitlines()[0].rstrip(".!")
            raise ValueError(
                f"{name} could not be stored in {Path(database).name}: {cause}. What was there is "
                "unchanged. Check the file and the values."
            ) from error
    return stored


def _replace_or_add(connection, name, table, keys):
    """Write `incoming` under its name within an open transaction; return the rows stored."""
    place = identifier(name)
    there = one_value(connection, "SELECT count(*) FROM information_schema.tables WHERE table_name = ?", [name])  # fmt: skip
    if keys and there:
        stored, coming = _types(connection, place), _types(connection, "incoming")
        require_same_columns(name, stored, table)
        if stored != coming:
            _widen(connection, name, stored, coming)
        columns = map(identifier, keys)
        same = " AND ".join(f"{place}.{one} = incoming.{one}" for one in columns)
        connection.execute(f"DELETE FROM {place} USING incoming WHERE {same}")
        connection.execute(f"INSERT INTO {place} BY NAME SELECT * FROM incoming")
    else:
        connection.execute(f"CREATE OR REPLACE TABLE {place} AS SELECT * FROM incoming")
    return one_value(connection, f"SELECT count(*) FROM {place}")


def _widen(connection, name, stored, coming):
    """Give each stored column the type that holds what is there and what comes, or refuse."""
    place = identifier(name)
    both = _types(connection, f"(FROM {place} UNION ALL BY NAME FROM incoming)")
    changed = [column for column in stored if stored[column] != coming[column]]
    empty = {(source, column) for source in (place, "incoming") for column in changed
             if not one_value(connection, f"SELECT count({identifier(column)}) FROM {source}")}  # fmt: skip
    there, comes = (
        {c: "" if (source, c) in empty else kind_of_type(types[c]) for c in changed}
        for source, types in ((place, stored), ("incoming", coming))
    )
    require_same_kinds(name, there, comes)
    for column in changed:
        wide = both[column] if there[column] and comes[column] else coming[column]
        if comes[column]:
            for source, types in ((place, stored), ("incoming", coming)):
                _require_exact(connection, source, column, types[column], wide)
            if wide != stored[column]:
                connection.execute(f"ALTER TABLE {place} ALTER {identifier(column)} TYPE {wide}")


def _require_exact(connection, source, column, narrow, wide):
    """Stop if a wider type would round a value, as a decimal number does a huge whole one."""
    one = identifier(column)
    lost = one_value(connection, f"SELECT count(*) FROM {source} WHERE TRY_CAST({one}::{wide} AS {narrow}) IS DISTINCT FROM {one}")  # fmt: skip
    if lost:
        raise ValueError(
            f"{column} has {lost:,} value(s) of the type {narrow} that {wide} would round; what was "
            f"there is unchanged. Bring the column to {narrow} first."
        )


def _types(connection, place):
    """Return column -> type of a table or a query."""
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {place}").fetchall()}


def read_warehouse(database: str | Path, query: str) -> DataFrame:
    """Return what a query finds in a warehouse, which is opened for reading only.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    with opened(database) as connection:
        return connection.execute(query).df()


@contextlib.contextmanager
def opened(database: str | Path) -> Iterator[DuckDBPyConnection]:
    """Open a warehouse for reading only, for several queries in a row.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    if not Path(database).is_file():
        raise ValueError(f"A warehouse was expected at {Path(database).name}; load a table first.")
    with connected(database, read_only=True) as connection:
        yield connection
