"""Stage 3: load a table into a database: SQLite, or PostgreSQL when a URL names one."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from pandas import DataFrame

from helpers.etl.storing import (
    WITH_ZONE,
    checked_keys,
    checked_name,
    kind_of,
    kind_of_type,
    one_writer,
    require_same_columns,
    require_same_kinds,
    require_unrepeated,
)

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
        If the name is none, a key is missing or repeats within `table`, the columns differ from
        those stored or hold something else, or the database refuses. The stored table is then as
        it was.

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
    require_unrepeated(table, keys)
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
        require_same_columns(name, stored.c.keys(), table)
        _require_fit(name, stored, table)
        same = sa.and_(*(stored.c[one] == sa.bindparam(f"old_{one}") for one in keys))
        old = table[keys].astype(object).rename(columns={one: f"old_{one}" for one in keys})
        connection.execute(sa.delete(stored).where(same), old.to_dict("records"))
    table.to_sql(name, connection, index=False, chunksize=BATCH, if_exists="append" if keys else "replace")  # fmt: skip
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
