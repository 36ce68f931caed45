"""Stage 3: load a table into a database: SQLite, or PostgreSQL when a URL names one."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from pandas import DataFrame

from helpers.checks import require_columns, require_rows
from helpers.etl.load import checked_name, one_writer

if TYPE_CHECKING:
    from sqlalchemy import Engine

BATCH = 5_000  # rows a statement


def load_database(
    table: DataFrame, url: str | Path, name: str, key: str | list[str] | None = None
) -> int:
    """Put a table into a database, in one transaction; return the rows stored.

    Without a `key` the stored table is replaced; with one, rows are added and those whose key is
    there already are replaced. A failure or a kill leaves what was there.

    Parameters
    ----------
    table : any rows; the index is not stored.
    url : an SQLAlchemy URL, or the path of an SQLite file. A file has one writer at a time; a
        server holds a lock of its own on the table.
    name : the table's name: letters, digits and underscores.
    key : the column or columns that name a row.

    Raises
    ------
    ValueError
        If the name is none, the key repeats within `table`, or the database refuses.

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
    keys = [key] if isinstance(key, str) else list(key or [])
    require_columns(table, "the table", keys)
    require_rows(table, "the table")
    if keys and table.duplicated(keys).any():
        raise ValueError(
            f"The table repeats {int(table.duplicated(keys).sum()):,} key(s) of {', '.join(keys)}. "
            "Merge the deliveries first."
        )
    with _alone(url), _engine(url) as engine:
        try:
            with engine.begin() as connection:
                return _store(connection, table, name, keys)
        except (sa.exc.SQLAlchemyError, DatabaseError) as error:
            original = error.__cause__ if isinstance(error, DatabaseError) else error
            cause = str(getattr(original, "orig", None) or error).strip().splitlines()[0]
            raise ValueError(
                f"{name} could not be stored: {cause}. What was there is unchanged. Check that "
                "nobody else is writing and that the columns are those stored."
            ) from error


def _store(connection, table, name, keys):
    """Write within one transaction; return the rows stored."""
    import sqlalchemy as sa

    there = sa.inspect(connection).has_table(name)
    if there and keys:
        stored = sa.Table(name, sa.MetaData(), autoload_with=connection)
        if sorted(stored.c.keys()) != sorted(map(str, table.columns)):
            raise ValueError(
                f"{name} holds the columns {', '.join(stored.c.keys())}; the table has "
                f"{', '.join(map(str, table.columns))}. Rename them, or replace the whole table "
                "(key=None)."
            )
        same = sa.and_(*(stored.c[one] == sa.bindparam(f"old_{one}") for one in keys))
        old = table[keys].astype(object).rename(columns={one: f"old_{one}" for one in keys})
        connection.execute(sa.delete(stored).where(same), old.to_dict("records"))
    table.to_sql(name, connection, index=False, chunksize=BATCH, if_exists="append" if keys else "replace")  # fmt: skip
    return connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one()


def read_database(url: str | Path, name: str) -> DataFrame:
    """Return a stored table.

    Raises
    ------
    ValueError
        If the database has none of that name.

    Examples
    --------
    >>> import tempfile
    >>> read_database(Path(tempfile.mkdtemp()) / "shop.sqlite", "features")
    Traceback (most recent call last):
    ValueError: The database holds no table features. Load it first.
    """
    import pandas as pd
    import sqlalchemy as sa

    checked_name(name)
    with _engine(url) as engine, engine.connect() as connection:
        if not sa.inspect(connection).has_table(name):
            raise ValueError(f"The database holds no table {name}. Load it first.")
        return pd.read_sql_table(name, connection)


@contextlib.contextmanager
def _engine(url):
    """Open an engine and close its connections in all cases."""
    import sqlalchemy as sa

    engine: Engine = sa.create_engine(_url(url), poolclass=sa.NullPool)
    if engine.dialect.name == "sqlite":  # else Python commits before every CREATE and DROP
        sa.event.listen(engine, "connect", _leave_transactions_to_us)
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        yield engine
    finally:
        engine.dispose()


def _leave_transactions_to_us(connection, record):
    """Stop Python's sqlite3 from opening and closing transactions by its own rules."""
    connection.isolation_level = None


def _url(url):
    """Return an SQLAlchemy URL; a path, or a text without a scheme, is an SQLite file."""
    import sqlalchemy as sa

    if isinstance(url, Path) or "://" not in str(url):
        return sa.URL.create("sqlite", database=str(url))
    return sa.make_url(str(url))


def _alone(url):
    """Hold the file of an SQLite database; a server minds its writers itself."""
    known = _url(url)
    in_file = known.get_backend_name() == "sqlite" and known.database
    return one_writer(known.database) if in_file else contextlib.nullcontext()
