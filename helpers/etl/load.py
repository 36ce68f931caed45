"""Stage 3: load tables where others find them: a warehouse (DuckDB) and a lake (Parquet).

Every load is atomic (a reader, or a restart after a kill, sees the old table or the new one),
repeatable (the same input twice is the same table) and alone (one writer at a time).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pandas import DataFrame

from helpers.checks import require_columns, require_rows
from helpers.etl.accounting import merge_deliveries

WAIT_S = 0.2  # how long the second writer waits before it is told
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


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


def load_warehouse(
    table: DataFrame, database: str | Path, name: str, key: str | list[str] | None = None
) -> int:
    """Put a table into a DuckDB file, in place of one of the same name; return its rows.

    With a `key`, rows are added instead: a row whose key is there already replaces it, so that the
    same delivery twice makes no row double.

    Parameters
    ----------
    table : any rows; the index is not stored.
    database : the DuckDB file, made if it is not there.
    name : the table's name: letters, digits and underscores.
    key : the column or columns that name a row, or None to replace the whole table.

    Raises
    ------
    ValueError
        If the name is none, the key repeats within `table`, the columns differ from those stored,
        or somebody else is writing. The stored table is then as it was.

    Examples
    --------
    >>> file = Path(tempfile.mkdtemp()) / "shop.duckdb"
    >>> orders = DataFrame({"order_id": [1, 2], "price_eur": [5.0, 7.0]})
    >>> load_warehouse(orders, file, "orders", key="order_id")
    2
    >>> load_warehouse(orders.assign(price_eur=9.0).head(1), file, "orders", key="order_id")
    2
    >>> read_warehouse(file, "SELECT sum(price_eur) AS total FROM orders")["total"].item()
    16.0
    """
    checked_name(name)
    keys = [key] if isinstance(key, str) else list(key or [])
    require_columns(table, "the table", keys)
    require_rows(table, "the table")
    if keys and table.duplicated(keys).any():
        again = int(table.duplicated(keys).sum())
        raise ValueError(
            f"The table repeats {again:,} key(s) of {', '.join(keys)}, so which row counts is "
            "unknown. Merge the deliveries first."
        )
    with one_writer(database), _connected(database) as connection, _transaction(connection):
        connection.register("incoming", table)
        return _replace_or_add(connection, name, table, keys)


def _replace_or_add(connection, name, table, keys):
    """Write `incoming` under its name within an open transaction; return the rows stored."""
    there = connection.execute("SELECT count(*) FROM information_schema.tables WHERE table_name = ?", [name]).fetchone()[0]  # fmt: skip
    if keys and there:
        stored = [row[0] for row in connection.execute(f'DESCRIBE "{name}"').fetchall()]
        if stored != list(map(str, table.columns)):
            raise ValueError(
                f"{name} holds the columns {', '.join(stored)}; the table has "
                f"{', '.join(map(str, table.columns))}. Rename or reorder them, or replace the "
                "whole table (key=None)."
            )
        same = " AND ".join(f'"{name}"."{one}" = incoming."{one}"' for one in keys)
        connection.execute(f'DELETE FROM "{name}" USING incoming WHERE {same}')
        connection.execute(f'INSERT INTO "{name}" SELECT * FROM incoming')
    else:
        connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM incoming')
    return connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]


def read_warehouse(database: str | Path, query: str) -> DataFrame:
    """Return what a query finds in a warehouse; nothing can be written on this way.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    if not Path(database).is_file():
        raise ValueError(f"A warehouse was expected at {Path(database).name}; load a table first.")
    with _connected(database, read_only=True) as connection:
        return connection.execute(query).df()


def load_lake(
    table: DataFrame,
    lake: str | Path,
    name: str,
    by: list[str],
    key: str | list[str] | None = None,
    newest: str | None = None,
) -> Path:
    """Write a table into a lake: Parquet files in folders `name/by=value/`, in place of the old ones.

    With a `key`, what is stored is read first and merged, so that a delivery twice makes no row
    double. The new table is written beside the old one and moved into place when it is whole; the
    order of rows and the files are the same for the same input.

    Parameters
    ----------
    lake : the folder of all tables.
    by : the columns that make the folders, such as ["month"]; few values each.
    newest : with `key`, the column that tells which copy is younger, see `merge_deliveries`.

    Returns
    -------
    The folder of the table.

    Examples
    --------
    >>> lake = tempfile.mkdtemp()
    >>> sales = DataFrame({"line_id": [1, 2], "month": ["2024-08", "2024-09"], "price_eur": [5.0, 7.0]})
    >>> folder = load_lake(sales, lake, "sales", by=["month"])
    >>> sorted(path.name for path in folder.iterdir())
    ['month=2024-08', 'month=2024-09']
    >>> len(read_lake(lake, "sales", "month = '2024-09'"))
    1
    """
    checked_name(name)
    require_columns(table, "the table", [*by, *([key] if isinstance(key, str) else key or [])])
    require_rows(table, "the table")
    lake = Path(lake)
    with one_writer(lake / name):
        _finish_move(lake, name)
        if key and (lake / name).is_dir():
            import pandas as pd

            stored = read_lake(lake, name)[list(table.columns)]
            table = merge_deliveries(pd.concat([stored.astype(table.dtypes), table]), key, newest)
        new = Path(tempfile.mkdtemp(dir=lake, prefix=f".{name}-new-"))
        try:
            _write_parquet(table, new, by)
            _move_into_place(new, lake, name)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return lake / name


def _write_parquet(table, folder, by):
    """Write the partitions with DuckDB, on one thread so that the files are the same each time."""
    with _connected(":memory:") as connection:
        connection.execute("SET threads = 1")
        connection.register("incoming", table)
        columns = ", ".join(f'"{one}"' for one in by)
        target = str(folder).replace("'", "''")
        connection.execute(
            f"COPY (SELECT * FROM incoming) TO '{target}' (FORMAT parquet, PARTITION_BY ({columns}), "
            "OVERWRITE_OR_IGNORE true, FILENAME_PATTERN 'part-{i}')"
        )


def _move_into_place(new, lake, name):
    """Replace the folder of a table: the old one steps aside, the new one in, the old one goes."""
    os.chmod(new, 0o755)
    aside = lake / f".{name}-old"
    if (lake / name).exists():
        os.rename(lake / name, aside)
    os.rename(new, lake / name)
    shutil.rmtree(aside, ignore_errors=True)


def _finish_move(lake, name):
    """Tidy up after a kill: bring the old table back if the new one did not come."""
    aside = lake / f".{name}-old"
    if aside.exists() and not (lake / name).exists():
        os.rename(aside, lake / name)
    shutil.rmtree(aside, ignore_errors=True)
    for left in lake.glob(f".{name}-new-*"):
        shutil.rmtree(left, ignore_errors=True)


def read_lake(lake: str | Path, name: str, where: str = "") -> DataFrame:
    """Return a table of a lake; a condition on the folders' columns leaves the other files unread.

    The names of the columns are looked up in the first file, whichever month is asked for.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    checked_name(name)
    folder = Path(lake) / name
    if not folder.is_dir():
        folder = Path(lake) / f".{name}-old"  # a writer was killed between its two moves
    if not folder.is_dir():
        raise ValueError(f"The lake holds no table {name}. Load it first.")
    with _connected(":memory:") as connection:
        files = str(folder / "**" / "*.parquet").replace("'", "''")
        condition = f"WHERE {where}" if where else ""
        return connection.execute(
            f"SELECT * FROM read_parquet('{files}', hive_partitioning = true, hive_types_autocast = false) {condition}"
        ).df()  # fmt: skip


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


@contextlib.contextmanager
def _connected(database, read_only=False):
    """Open DuckDB and close it in all cases; nothing is fetched from the network."""
    import duckdb

    connection = duckdb.connect(str(database), read_only=read_only, config={"autoinstall_known_extensions": "false"})  # fmt: skip
    try:
        _without_progress_bar(connection)
        yield connection
    finally:
        connection.close()


def _without_progress_bar(connection):
    """Turn the bar off where it is on; in a notebook that cannot draw one it may not be touched."""
    ((is_on,),) = connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()
    if is_on:
        connection.execute("SET enable_progress_bar = false")


@contextlib.contextmanager
def _transaction(connection):
    """Commit all of a block or none of it."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
