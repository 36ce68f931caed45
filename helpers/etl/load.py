"""Stage 3: load tables where others find them: a warehouse (DuckDB) or a database."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pandas import DataFrame, Series

from helpers.checks import kinds_of, require_columns, require_filled, require_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

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
BATCH = 5_000  # rows a statement


@contextlib.contextmanager
def connected(
    database: str | Path = ":memory:", read_only: bool = False
) -> Iterator[DuckDBPyConnection]:
    """Open DuckDB and close it in all cases; nothing is fetched from the network.

    Examples
    --------
    >>> with connected() as connection:
    ...     connection.execute("SELECT 1").fetchone()
    (1,)
    """
    import duckdb

    offline = {"autoinstall_known_extensions": "false"}
    with duckdb.connect(str(database), read_only=read_only, config=offline) as connection:
        # In a notebook that cannot draw the bar, it is off and may not be touched.
        if one_value(connection, "SELECT current_setting('enable_progress_bar')"):
            connection.execute("SET enable_progress_bar = false")
        yield connection


def one_value(connection: DuckDBPyConnection, query: str, values: list | None = None) -> object:
    """Return the one value that a query finds, and leave nothing open behind it."""
    ((found,),) = connection.execute(query, values or []).fetchall()
    return found


def identifier(name: object) -> str:
    """Return the name of a table or a column as SQL takes it, whatever stands in it.

    Examples
    --------
    >>> identifier('a "b')
    '"a ""b"'
    """
    return '"' + str(name).replace('"', '""') + '"'


@contextlib.contextmanager
def one_writer(place: str | Path) -> Iterator[None]:
    """Hold a warehouse, a lake or a database file for writing; a second writer is refused.

    The lock is the operating system's: it goes with the process, so a kill leaves none behind.

    Parameters
    ----------
    place : the file or folder that is written; the lock lies beside it as `.<name>.lock`.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "shop.duckdb"
    >>> with one_writer(place), one_writer(place):
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
        held = lock.acquire(timeout=WAIT_S)
    except Timeout as error:
        raise ValueError(
            f"{place.name} is being written by somebody else; one writer at a time. "
            "Wait until it is done, then run this again."
        ) from error
    with held:
        yield


def checked_name(name: str) -> str:
    """Return a table's name; one that neither SQL nor a path could take is refused.

    Raises
    ------
    ValueError
        If it is no such name.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"A table's name has letters, digits and underscores only, 63 at most; got {name!r}."
        )
    return name


def checked_keys(table: DataFrame, key: str | list[str] | None) -> list[str]:
    """Return the columns that name a row.

    Raises
    ------
    ValueError
        If there is no row, a column is missing or comes twice, a key mixes texts and numbers, or a
        row has no key: it would be added again by each delivery.

    Examples
    --------
    >>> checked_keys(DataFrame({"order_id": [1.0, None]}), "order_id")
    Traceback (most recent call last):
    ValueError: the table has 1 row(s) without order_id, the first being row 2: the same delivery \
twice would make them double. Find the missing values, or leave these rows out.
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
    for one in keys:
        if table[one].dtype == object and len(kinds := sorted(kinds_of(table[one]))) > 1:
            raise ValueError(
                f"{one} holds {' and '.join(kinds)}; a database keeps one kind in a column, so 1 and "
                "'1' would become one key of two rows. Bring all to one type first."
            )
        require_filled(table, "the table", one, "the same delivery twice would make them double")
    return keys


def _require_unrepeated(table, keys):
    """Stop if a key comes twice within a delivery."""
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
    name : letters, digits and underscores.
    key : the column or columns that name a row, or None to replace the whole table.

    Raises
    ------
    ValueError
        If the name is none, a key is missing or repeats within `table`, the columns differ from
        those stored or hold something else, or somebody else is writing; what was stored stays.

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
    tables, keys : name -> table, name -> its key; for errors too see `load_warehouse`.
    """
    import duckdb

    if not tables:
        return {}
    named: dict[str, list[str]] = {}
    for name, table in tables.items():
        if str(name).casefold() in map(str.casefold, named):
            raise ValueError(
                f"Two tables are called {name!r} but for capitals, which SQL does not tell apart: one "
                "would replace the other. Rename one."
            )
        named[checked_name(name)] = checked_keys(table, keys.get(name))
        _require_unrepeated(table, named[name])
    stored = {}
    with one_writer(database):
        try:
            with connected(database) as connection:
                connection.begin()  # what is not committed, closing the connection takes back
                for name, table in tables.items():
                    connection.register("incoming", table)
                    stored[name] = _replace_or_add(connection, name, table, named[name])
                connection.commit()
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
    there = one_value(
        connection,  # DuckDB takes Orders and orders for one name
        "SELECT count(*) FROM information_schema.tables WHERE lower(table_name) = lower(?)",
        [name],
    )
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
    empty = {
        (source, column)
        for source in (place, "incoming")
        for column in changed
        if not one_value(connection, f"SELECT count({identifier(column)}) FROM {source}")
    }
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
    lost = one_value(
        connection,
        f"SELECT count(*) FROM {source} WHERE TRY_CAST({one}::{wide} AS {narrow}) IS DISTINCT FROM {one}",
    )
    if lost:
        raise ValueError(
            f"{column} has {lost:,} value(s) of the type {narrow} that {wide} would round; what was "
            f"there is unchanged. Bring the column to {narrow} first."
        )


def _types(connection, place):
    """Return column -> type of a table or a query."""
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE {place}").fetchall()}


def read_warehouse(database: str | Path, query: str) -> DataFrame:
    """Return what a query finds in a warehouse; see `opened`."""
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


def load_database(
    table: DataFrame, url: str | Path, name: str, key: str | list[str] | None = None
) -> int:
    """Put a table into a database, in one transaction; return the rows stored.

    Without a `key` the stored table is replaced; with one, rows are added and those whose key is
    there already are replaced. A failure or a kill leaves what was there.

    Parameters
    ----------
    table, name, key : see `load_warehouse`.
    url : an SQLAlchemy URL, or the path of an SQLite file. A file has one writer at a time; a
        server holds a lock of its own on the table. SQLite knows no time zones: there, moments
        with one are stored in UTC.

    Raises
    ------
    ValueError
        As `load_warehouse`, or if the database refuses. The stored table is then as it was.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "shop.sqlite"
    >>> load_database(DataFrame({"customer_id": [1, 2], "spent_eur": [5.0, 7.0]}), file, "features", "customer_id")
    2
    >>> load_database(DataFrame({"customer_id": [2, 3], "spent_eur": [8.0, 1.0]}), file, "features", "customer_id")
    3
    """
    import sqlalchemy as sa
    from pandas.errors import DatabaseError

    checked_name(name)
    keys = checked_keys(table, key)
    _require_unrepeated(table, keys)
    with _engine(url) as engine:
        try:
            with engine.begin() as connection:
                return _store(connection, table, name, keys)
        except (sa.exc.SQLAlchemyError, DatabaseError, OverflowError, UnicodeError) as error:
            original = error.__cause__ if isinstance(error, DatabaseError) else error
            cause = str(getattr(original, "orig", None) or error).strip().splitlines()[0]
            raise ValueError(
                f"{name} could not be stored: {cause}. What was there is unchanged. Check that "
                "nobody else is writing and that the columns are those stored."
            ) from error


def _store(connection, table, name, keys):
    """Write within one transaction; return the rows stored."""
    import sqlalchemy as sa

    if connection.dialect.name == "sqlite":  # which keeps what a clock shows, and no zone
        zoned = table.select_dtypes("datetimetz").columns
        in_utc = {one: table[one].dt.tz_convert("UTC").dt.tz_localize(None) for one in zoned}
        table = table.assign(**in_utc) if in_utc else table
    there = sa.inspect(connection).has_table(name)
    if there and keys:
        stored = sa.Table(name, sa.MetaData(), autoload_with=connection)
        require_same_columns(name, stored.c.keys(), table)
        _require_fit(name, stored, table)
        same = sa.and_(*(stored.c[one] == sa.bindparam(f"old_{one}") for one in keys))
        old = table[keys].astype(object).rename(columns={one: f"old_{one}" for one in keys})
        connection.execute(sa.delete(stored).where(same), old.to_dict("records"))
    table.to_sql(
        name, connection, index=False, chunksize=BATCH, if_exists="append" if keys else "replace"
    )
    return connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one()


def _require_fit(name, stored, table):
    """Stop if the types of the stored columns cannot hold what comes; a database widens none."""
    there = {one.name: kind_of_type(str(one.type)) for one in stored.c}
    coming = {str(one): kind_of(table[one]).removesuffix(WITH_ZONE) for one in table.columns}
    require_same_kinds(name, there, coming)
    for column in [one for one in table.columns if coming[str(one)] == "numbers"]:
        whole = issubclass(stored.c[str(column)].type.python_type, int)
        if whole and (table[column].dropna() % 1).ne(0).any():
            raise ValueError(
                f"{column} of {name} holds whole numbers, the table has decimals that it would round; "
                "what was there is unchanged. Replace the whole table (key=None)."
            )


@contextlib.contextmanager
def _engine(url):
    """Open a database and close it in all cases; an SQLite file is held for writing meanwhile."""
    import sqlalchemy as sa

    in_file = isinstance(url, Path) or "://" not in str(url)
    known = sa.URL.create("sqlite", database=str(url)) if in_file else sa.make_url(str(url))
    alone, how = contextlib.nullcontext(), {}
    if known.get_backend_name() == "sqlite":
        # Left to itself, Python's sqlite3 commits before every CREATE and DROP.
        how = {"connect_args": {"isolation_level": None}}
        alone = one_writer(known.database) if known.database else alone
    engine = sa.create_engine(known, poolclass=sa.NullPool, **how)
    if how:
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with alone:
        yield engine
