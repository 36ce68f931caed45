"""Databases: SQL through SQLAlchemy, and the document stores of TinyDB; read, never written to."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa

from helpers.etl.extract.files import USUAL, FileLimits, read_whole
from helpers.etl.extract.records import whole_json
from helpers.etl.extract.result import CannotExtract, Extract, Tray, object_table

CONNECT_S = 5
STATEMENT_S = 120
_TABLE = "_default"  # of TinyDB


def reader_of(kind: sa.types.TypeEngine) -> tuple[Callable, str]:
    """Return what reads a value of a column's type, and the type's name.

    A value is read as it stands, or not at all (ValueError, TypeError): nothing is rounded, nothing
    guessed.

    Examples
    --------
    >>> read, kind = reader_of(sa.Date())
    >>> read("2024-09-01"), kind
    (datetime.date(2024, 9, 1), 'a date')
    """
    fits, read, name = next(found[1:] for found in [
        (sa.Boolean, lambda v: v in (0, 1) and not isinstance(v, str), bool, "a yes or no"),
        (sa.DateTime, lambda v: isinstance(v, datetime | str), _from_iso(datetime), "a moment"),
        (sa.Date, lambda v: isinstance(v, date | str), _from_iso(date), "a date"),
        (sa.Integer, lambda v: type(v) is int, int, "a whole number"),
        ((sa.Numeric, sa.Float), lambda v: not isinstance(v, str | bytes | bool), _number, "a number"),
        (sa.String, lambda v: isinstance(v, str), str, "a text"),
        (object, lambda v: True, lambda v: v, ""),
    ] if isinstance(kind, found[0]))  # fmt: skip

    def reader(value):
        if not fits(value):
            raise ValueError(value)
        return read(value)

    return reader, name


def _number(value):
    """Return a number as a float, or as a whole number where a float would round it."""
    number = float(value)
    return int(value) if number != value and value == value // 1 else number


def _from_iso(kind):
    return lambda value: value if isinstance(value, kind) else kind.fromisoformat(value)


def read_sql(
    url: str,
    table: str,
    *,
    key: str = "",
    after: object = None,
    when: str = "",
    rows: int = 20_000,
    most: int = 50_000_000,
) -> Extract:
    """Read a table of a database in the order of its key, in parts, so that no statement runs long.

    Parameters
    ----------
    url : an SQLAlchemy URL; no message shows its password.
    table : a table or view that is there.
    key : the column to go by, unique; the table's own key unless told.
    after : the last key of an earlier reading: only rows behind it come, for tables that only grow.
        The provenance's cursor gives it as text; a key of whole numbers may be passed so.
    when : the moment of reading, for the provenance.
    rows : rows that one statement asks for.
    most : rows of the table, at most.

    Returns
    -------
    The rows as Python values: whole numbers, floats, texts, True or False, dates, moments, None; the
    same from SQLite and PostgreSQL. A row is set aside when one of its values does not fit its
    column's type, which SQLite allows; `line` counts rows from 1. Provenance (its cursor is the last
    key), books.

    Raises
    ------
    CannotExtract
        If the database cannot be had, the table or its key is not there, two rows share a key or
        one has none, or the table ends before `after`: it was emptied, and keys begin anew.

    Examples
    --------
    >>> import sqlite3, tempfile
    >>> path = f"{tempfile.mkdtemp()}/shop.sqlite"
    >>> with contextlib.closing(sqlite3.connect(path)) as made:
    ...     _ = made.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, joined_on DATE)")
    ...     _ = made.execute("INSERT INTO customers VALUES (1, '2024-09-01'), (2, 'soon')")
    ...     made.commit()
    >>> raw, odd, provenance, books = read_sql(f"sqlite:///{path}", "customers")
    >>> raw.to_dict("records"), odd["reason"].tolist(), provenance.cursor
    ([{'id': 1, 'joined_on': datetime.date(2024, 9, 1)}], ["joined_on 'soon' is not a date"], '2')
    """
    if rows < 1:
        raise CannotExtract(f"rows of a part were expected to be at least 1; got {rows}.")
    tray = Tray(f"{_shown(url)}, table {table}")
    with _connected(url) as connection:
        found = _described(connection, table, url)
        names, readers = list(map(str, found.c.keys())), [reader_of(one.type) for one in found.c]
        column = found.c[_key(found, key)]
        last = _typed(column, after)
        _refuse_reset(connection, column, last)
        part = _part(connection, found, column, last, rows)
        while part:
            for row in part[:rows]:
                made, fault = _made(names, readers, row)
                text = str(dict(zip(names, row, strict=True))) if fault else ""
                tray.put(made, tray.seen + 1, fault, text)
            if tray.seen > most:
                raise CannotExtract(
                    f"{table} has more than {most:,} rows: read parts with after=..."
                )
            last = part[:rows][-1][names.index(column.name)]
            if _count_of(connection, column, last) > 1:
                raise _repeated(column, last)
            part = _part(connection, found, column, last, rows) if len(part) > rows else []
        read_as = f"{connection.dialect.name}, by {column.name}"
    cursor = "" if last is None else str(last)
    return tray.extract(object_table(tray.rows, names), read_as, when, cursor=cursor)


def _part(connection, found, column, last, rows):
    """Return the next rows behind a key, and one more, whose key is compared with the one before."""
    asked = [_as_stored(connection, one).label(one.name) for one in found.c]
    query = sa.select(*asked).order_by(column).limit(rows + 1)
    query = query if last is None else query.where(_as_stored(connection, column) > last)
    part = connection.execute(query).all()
    keys = [row[found.c.keys().index(column.name)] for row in part]
    if None in keys:
        raise CannotExtract(
            f"{found.name} has rows without a {column.name}, so there is no order to read it in: name "
            "a column that is always filled with key=..."
        )
    for one, following in itertools.pairwise(keys):
        if one == following:
            raise _repeated(column, one)
    return part


def _count_of(connection, column, key):
    """Return how often a key is there as the database compares: "a" may equal "A"."""
    same = sa.select(sa.func.count()).where(_as_stored(connection, column) == key)
    return connection.execute(same).scalar_one()


def _repeated(column, key):
    return CannotExtract(
        f"{column.table.name} has more than one row with the {column.name} {str(key)[:60]!r}, so a part "
        "could end between them and lose one: name a unique column with key=..."
    )


def _made(names, readers, row):
    """Return a row as Python values, and what is wrong with it or ""."""
    made, fault = {}, ""
    for name, (read, kind), value in zip(names, readers, row, strict=True):
        try:
            made[name] = None if value is None else read(value)
        except (ValueError, TypeError):
            fault = fault or f"{name} {str(value)[:60]!r} is not {kind}"
    return made, fault


def _as_stored(connection, column):
    """Return a column whose values come as they stand there: SQLite keeps any kind in any column."""
    plain = connection.dialect.name == "sqlite"
    return sa.type_coerce(column, sa.types.NullType()) if plain else column


def _refuse_reset(connection, column, last):
    """Stop if no row has the last key of an earlier reading or a later one."""
    if last is None:
        return
    there = sa.select(sa.literal(1)).where(_as_stored(connection, column) >= last).limit(1)
    if connection.execute(there).first() is None:
        raise _begun_anew(column.table.name, f"{column.name} {str(last)[:60]!r}")


def _begun_anew(name, place):
    return CannotExtract(
        f"{name} ends before the {place}, where the last reading ended: something was removed, or it "
        "was made anew, so that what is new may have old keys. Read it from the start, without after=..."
    )


def _no_cursor(after):
    return CannotExtract(
        f"after is the cursor of an earlier reading, a whole number here; got {after[:60]!r}: pass "
        "provenance.cursor, or nothing to read all."
    )


@contextlib.contextmanager
def _connected(url: str) -> Iterator[sa.Connection]:
    """Yield a connection that can only read; trouble becomes one sentence."""
    try:
        with _engine(url).connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(
                    sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                )
                connection.execute(sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_S}s'"))
            yield connection
    except (sa.exc.SQLAlchemyError, ImportError, OverflowError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise CannotExtract(
            f"the database {_shown(url)} was expected to be there and whole, but it said: {cause}. "
            "Check the URL and that it runs."
        ) from error


def _engine(url):
    """Return an engine for a URL; an SQLite file is opened for reading, never made."""
    try:
        made = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError, AttributeError) as error:
        raise CannotExtract(
            "an SQLAlchemy URL such as sqlite:///shop.sqlite was expected: check it."
        ) from error
    if made.get_backend_name() == "sqlite":
        path = Path(made.database or "")
        if len(path.name) > 255 or "\0" in str(path) or not path.is_file():
            raise CannotExtract(
                f"an SQLite file was expected at {str(path)[:200]}, and there is none: check the path."
            )
        made = f"sqlite:///{path.absolute().as_uri()}?mode=ro&uri=true"
        return sa.create_engine(made, poolclass=sa.NullPool, connect_args={"timeout": CONNECT_S})
    waiting = {"connect_timeout": CONNECT_S}
    return sa.create_engine(made, poolclass=sa.NullPool, connect_args=waiting)


def _described(connection, table, url):
    """Return the table's columns as the database tells them."""
    inspected = sa.inspect(connection)
    there = sorted({*inspected.get_table_names(), *inspected.get_view_names()})
    if table not in there:
        raise CannotExtract(
            f"the database {_shown(url)} has no table {str(table)[:60]!r}; it has "
            f"{', '.join(there)[:300] or 'none'}: name one of them."
        )
    # By hand: reflecting a table reflects those that it points to as well.
    named = inspected.get_columns(table)
    keys = set(inspected.get_pk_constraint(table)["constrained_columns"])
    columns = [sa.Column(c["name"], c["type"], primary_key=c["name"] in keys) for c in named]
    return sa.Table(table, sa.MetaData(), *columns)


def _key(found, key):
    """Return the column to go by."""
    own = [column.name for column in found.primary_key]
    if key and key not in found.c:
        names = ", ".join(found.c.keys())
        raise CannotExtract(f"{found.name} has no column {key!r}; name one of {names}.")
    if not key and len(own) != 1:
        raise CannotExtract(
            f"{found.name} has a key of {len(own)} columns, so the order of reading is unknown: name a "
            "unique column with key=..."
        )
    return key or own[0]


def _typed(column, after):
    """Return the last key of an earlier reading in the column's kind."""
    if after is None or after == "":
        return None
    if isinstance(column.type, sa.Integer) and isinstance(after, str):
        try:
            return int(after)
        except ValueError as error:
            raise _no_cursor(after) from error
    return after


def _shown(url):
    try:
        # What stands behind a question mark may be a password as well.
        return sa.make_url(url).set(query={}).render_as_string(hide_password=True)
    except (sa.exc.ArgumentError, ValueError, AttributeError):
        return "of the URL"


def read_documents(
    path: str | Path,
    *,
    after: str = "",
    when: str = "",
    limits: FileLimits = USUAL,
) -> Extract:
    """Read the documents of a TinyDB file; they stay as they are, nested and in any schema.

    Parameters
    ----------
    path : the store's file; the documents stand in TinyDB's own table.
    after : the cursor of an earlier reading: only documents with a higher number come.
    when : the moment of reading, for the provenance.

    Returns
    -------
    One row a document, one column a key of its top level, None where it lacks it; nested values
    stay lists and dicts. The provenance's cursor is the highest number met. `line` of what is set
    aside (no object, a number that is none) is its place in the store, from 1.

    Raises
    ------
    CannotExtract
        If the file is missing, damaged, larger than 200 MB or no store, or if it ends before
        `after`: it was emptied, and its numbers begin anew.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "store.json", '{"_default": {"1": {"id": 7}, "2": {"id": 8}}}')
    >>> raw, _, provenance, _ = read_documents(path, after="1")
    >>> raw.to_dict("records"), provenance.cursor
    ([{'id': 8}], '2')
    """
    content = read_whole(path, limits)
    stored = _documents_in(whole_json(content), content.name)
    tray = Tray(f"{content.name}, table {_TABLE}", limits.rows)
    last = _place(stored, after, tray.source)
    good = {}
    for place, (number, document) in enumerate(stored.items(), 1):
        known = _is_number(number)
        if known and int(number) <= last:
            continue
        name, fault = str(int(number)) if known else "", ""
        if not known:
            fault = f"its number {number[:40]!r} is none"
        elif not isinstance(document, dict):
            fault = f"it is a {type(document).__name__} and no document"
        elif name in good:
            fault = f"its number {number} was met before"
        else:
            good[name] = document
        tray.put(document, place, fault, str(document) if fault else "")
    cursor = str(max([*map(int, good), int(after or 0)]))
    found = object_table(tray.rows)
    return tray.extract(found, "TinyDB", when, content.sha256, cursor)


def _documents_in(content, name):
    """Return the numbered documents of a store."""
    tables = content if isinstance(content, dict) else {}
    if not isinstance(tables.get(_TABLE), dict):
        raise CannotExtract(
            f"{name} was expected to be a TinyDB file with the table {_TABLE}, numbered documents in "
            f"it; it has {', '.join(tables)[:200] or 'no tables'}. Check that it is the right file."
        )
    return tables[_TABLE]


def _is_number(text):
    return text.isascii() and text.isdigit() and len(text) < 19


def _place(stored, after, source):
    """Return the number behind which to begin; -1 for the start."""
    if not after:
        return -1
    if not _is_number(after):
        raise _no_cursor(after)
    if not any(_is_number(number) and int(number) >= int(after) for number in stored):
        raise _begun_anew(source, f"number {after}")
    return int(after)
