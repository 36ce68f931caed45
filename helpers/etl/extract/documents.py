"""Document stores: TinyDB files, read strictly and never written to."""

from __future__ import annotations

from pathlib import Path

from tinydb import Storage, TinyDB

from helpers.etl.extract.accounts import CannotExtract, Extract, Tray
from helpers.etl.extract.content import FileLimits, examine
from helpers.etl.extract.json_files import LARGEST_LIST_BYTES, whole_json
from helpers.etl.extract.provenance import Origin, object_table


class _Kept(Storage):
    """A store's content as it was read; nothing is ever written."""

    def __init__(self, content):
        self._content = content

    def read(self):
        return self._content

    def write(self, data):
        raise CannotExtract("a source is read and never written to: copy the store first.")


def read_documents(
    path: str | Path,
    *,
    table: str = "_default",
    after: str = "",
    when: str = "",
    limits: FileLimits | None = None,
) -> Extract:
    """Read the documents of a TinyDB file; they stay as they are, nested and in any schema.

    Parameters
    ----------
    path : the store's file.
    table : the store's table; TinyDB's own default unless told.
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
        If the file is missing, damaged, larger than 200 MB or no store with this table, or if the
        table ends before `after`: it was emptied, and its numbers begin anew.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "store.json", '{"_default": {"1": {"id": 7}, "2": {"id": 8}}}')
    >>> raw, _, provenance, _ = read_documents(path, after="1")
    >>> raw.to_dict("records"), provenance.cursor
    ([{'id': 8}], '2')
    """
    limits = limits or FileLimits(size=LARGEST_LIST_BYTES)
    examined = examine(path, ["utf-8"], limits)
    stored = _table_of(whole_json(examined, limits), table, examined.path.name)
    tray = Tray(f"{examined.path.name}, table {table}")
    good = _good(stored, tray, _place(stored, after, tray.source))
    with TinyDB(storage=lambda: _Kept({table: good})) as store:
        tray.rows.extend(dict(document) for document in store.table(table).all())
    found = object_table(tray.rows)
    last = max([*map(int, good), int(after or 0)])
    origin = Origin(tray.source, *found.shape, examined.sha256, when, "TinyDB", str(last))
    return tray.extract(found, origin)


def _table_of(content, table, name):
    """Return the numbered documents of a table."""
    tables = sorted(content) if isinstance(content, dict) else []
    stored = content[table] if table in tables else None
    if not isinstance(stored, dict):
        raise CannotExtract(
            f"{name} was expected to be a TinyDB file with the table {table}, numbered documents in "
            f"it; it has {', '.join(tables)[:200] or 'no tables'}. Name one of its tables."
        )
    return stored


def _good(stored, tray, after):
    """Return the documents after a number; what is none is set aside."""
    good = {}
    for place, (number, document) in enumerate(stored.items(), 1):
        known = _is_number(number)
        if known and int(number) <= after:
            continue
        tray.seen += 1
        if not known:
            tray.put_aside(place, f"its number {number[:40]!r} is none", str(document))
        elif not isinstance(document, dict):
            tray.put_aside(
                place, f"it is a {type(document).__name__} and no document", str(document)
            )
        elif str(int(number)) in good:
            tray.put_aside(place, f"its number {number} was met before", str(document))
        else:
            good[str(int(number))] = document
    return good


def _is_number(text):
    return text.isascii() and text.isdigit() and len(text) < 19


def _place(stored, after, source):
    """Return the number behind which to begin; -1 for the start."""
    if not after:
        return -1
    if not _is_number(after):
        raise CannotExtract(
            f"after is the cursor of an earlier reading, a whole number; got {after[:60]!r}: pass "
            "provenance.cursor, or nothing to read all."
        )
    if not any(_is_number(number) and int(number) >= int(after) for number in stored):
        raise CannotExtract(
            f"{source} ends before the number {after}, where the last reading ended: documents were "
            "removed or the store was made anew, so that new ones may have old numbers. Read it from "
            "the start, without after=..."
        )
    return int(after)
