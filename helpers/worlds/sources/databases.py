"""The databases of a business: SQL tables with keys and indexes, and a store of documents."""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa
from tinydb import JSONStorage, TinyDB

from helpers.worlds.play import CannotPlay

BATCH = 20_000  # rows a statement


class Database:
    """The SQL database: a file in the folder, or whatever server a URL names.

    Parameters
    ----------
    url : an SQLAlchemy URL, or None for an SQLite file.
    file : where that file goes.
    """

    def __init__(self, url: str | None, file: Path):
        self._file = file if url is None else None
        self.url = _checked_url(url) if url is not None else _sqlite(file)
        _engine(self.url)

    def lay_down(self, tables: dict[str, tuple]) -> None:
        """Make the tables (name -> (source, clean, written values)) and fill them, all or none."""
        if self._file is None:
            self._fill(self.url, tables, create=True)
            return
        handle, temporary = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}-")
        os.close(handle)
        try:
            self._fill(_sqlite(Path(temporary)), tables, create=True)
            os.chmod(temporary, 0o644)
            os.replace(temporary, self._file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def add(self, tables: dict[str, tuple]) -> None:
        """Append rows to the tables, all or none."""
        self._fill(self.url, tables, create=False)

    def _fill(self, url, tables, create):
        """Write within one transaction, so that a failure leaves nothing behind."""
        described = describe({name: entry[:2] for name, entry in tables.items()})
        engine = _engine(url)
        try:
            with engine.begin() as connection:
                if create:
                    _refuse_existing(connection, described, url)
                    described.create_all(connection)
                for name, (_, clean, values) in tables.items():
                    _insert(connection, described.tables[name], clean, values)
        except sa.exc.SQLAlchemyError as error:
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise CannotPlay(
                f"the database {_shown(url)} was expected to take the tables, but it said: {cause} "
                "Nothing was written to it. Check that it runs and that it is empty."
            ) from error
        finally:
            engine.dispose()


def describe(tables: dict[str, tuple]) -> sa.MetaData:
    """Return the tables' columns, keys, foreign keys and indexes (name -> (source, clean)).

    A key and its foreign keys have one type; a moment has no time zone.
    """
    described = sa.MetaData()
    for name, (source, clean) in tables.items():
        links = dict(source.links)
        columns = [
            sa.Column(
                column,
                _kind(clean[column]),
                *([sa.ForeignKey(f"{links[column]}.{column}")] if column in links else []),
                primary_key=column == source.key,
                autoincrement=False,
                index=column in links,
            )
            for column in clean.columns
        ]
        sa.Table(name, described, *columns)
    return described


def documents_file(documents: list[dict]) -> bytes:
    """Return the bytes of a TinyDB store that holds the documents.

    Examples
    --------
    >>> documents_file([{"schema": 1}])
    b'{"_default": {"1": {"schema": 1}}}'
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.json"
        with TinyDB(path, storage=JSONStorage, encoding="utf-8") as store:
            store.insert_multiple(documents)
        return path.read_bytes()


def _kind(column):
    """Return the type of a column in SQL."""
    if column.dtype.kind == "M":
        return sa.Date() if column.name.endswith("_on") else sa.DateTime()
    kinds = {"i": sa.BigInteger(), "b": sa.Boolean(), "f": sa.Float(53)}
    return kinds.get(column.dtype.kind, sa.String(200))


def _insert(connection, table, clean, values):
    """Insert rows of plain values; ISO text of a moment becomes a moment."""
    names = list(clean.columns)
    columns = [_moments(clean[name], values[name]) for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for start in range(0, len(rows), BATCH):
        connection.execute(sa.insert(table), rows[start : start + BATCH])


def _moments(clean, values):
    if clean.dtype.kind != "M":
        return values.tolist()
    read = date.fromisoformat if clean.name.endswith("_on") else datetime.fromisoformat
    return [None if value is None else read(value) for value in values.tolist()]


def _refuse_existing(connection, described, url):
    """Stop when a table of the same name is there: it may be somebody's."""
    found = sorted(set(sa.inspect(connection).get_table_names()) & set(described.tables))
    if found:
        raise CannotPlay(
            f"the database {_shown(url)} was expected to have none of the sources' tables, but it "
            f"has {', '.join(found)}: name an empty database."
        )


def _checked_url(url):
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, AttributeError, TypeError) as error:
        raise CannotPlay(
            "database is None (an SQLite file in the folder) or an SQLAlchemy URL such as "
            f"postgresql+psycopg://user@127.0.0.1:5432/shop; got a {type(url).__name__} that is "
            "no such URL: leave it out or mend it."
        ) from error


def _engine(url):
    """Return an engine that keeps no connection open, or say which driver is missing."""
    try:
        return sa.create_engine(url, poolclass=sa.NullPool)
    except (ModuleNotFoundError, sa.exc.NoSuchModuleError) as error:
        raise CannotPlay(
            f"the driver for {_shown(url)} is not installed ({error}): install it, or leave "
            "database out."
        ) from error


def _sqlite(path):
    return sa.URL.create("sqlite", database=str(path))


def _shown(url):
    return url.render_as_string(hide_password=True)
