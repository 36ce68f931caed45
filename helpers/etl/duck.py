"""Stage 3: DuckDB opened and closed, its transactions, and names written so that SQL takes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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
def transaction(connection: DuckDBPyConnection) -> Iterator[None]:
    """Commit all of a block or none of it."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def one_value(connection: DuckDBPyConnection, query: str, values: list | None = None) -> object:
    """Return the one value that a query finds, and leave nothing open behind it.

    Examples
    --------
    >>> with connected() as connection:
    ...     one_value(connection, "SELECT 40 + ?", [2])
    42
    """
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


def literal(text: object) -> str:
    """Return a text, such as a path, as SQL takes it.

    Examples
    --------
    >>> literal("it's")
    "'it''s'"
    """
    return "'" + str(text).replace("'", "''") + "'"
