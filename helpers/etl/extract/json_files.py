"""JSON files: event logs with one object a line, and lists of entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from helpers.etl.extract.accounts import (
    CannotExtract,
    Extract,
    Tray,
    require_rows_of_a_part,
    together,
)
from helpers.etl.extract.content import Examined, FileLimits, examine, lines_of, opened
from helpers.etl.extract.provenance import Origin, object_table
from helpers.etl.extract.strict_json import BadJson, parsed, parsed_object

LARGEST_LIST_BYTES = 200_000_000  # a list is read whole


def read_json_lines(path: str | Path, **options) -> Extract:
    """Read a file of JSON lines; values keep the types they have in JSON.

    Parameters
    ----------
    path, options : as in `json_line_chunks`.

    Returns
    -------
    The raw table: one row an object, one column a key met (in the order met), None where an object
    lacks it; nested values stay lists and dicts. Rows set aside, provenance, row account.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "events.jsonl", '{"id": 1}\\n{"id": "2"},\\n{"id"')
    >>> raw, odd, _, account = read_json_lines(path)
    >>> raw.to_dict("records"), odd["reason"].tolist()
    ([{'id': 1}], ['Extra data: line 1 column 12 (char 11)', "Expecting ':' delimiter: line 1 column 6 (char 5)"])
    """
    return together(json_line_chunks(path, **options))


def json_line_chunks(
    path: str | Path, *, when: str = "", rows: int = 100_000, limits: FileLimits | None = None
) -> Iterator[Extract]:
    """Read JSON lines of any length in parts, see `read_json_lines`.

    A line is set aside when it is no JSON object, or holds NaN, Infinity, a key twice, a NUL, more
    than `limits.depth` levels or bytes that are no UTF-8. Blank lines are no rows.

    Parameters
    ----------
    path : UTF-8, one object a line; packed with gzip or not.
    when : the moment of reading, for the provenance.
    rows : rows of a part at most, those set aside included; of long rows it has fewer.
    limits : how much is read before the file is refused.

    Yields
    ------
    One extract a part, at least one.

    Raises
    ------
    CannotExtract
        If the file is missing, damaged or too large.
    """
    require_rows_of_a_part(rows)
    limits = limits or FileLimits()
    examined = examine(path, ["utf-8"], limits)
    tray, met, whole, total = Tray(examined.path.name), {}, False, 0
    for line in lines_of(examined, limits):
        text = line.text.strip(" \t\r\n")
        if not text:
            continue
        full = tray.meet(text, rows)
        total += 1
        if total > limits.rows:
            raise CannotExtract(
                f"{examined.path.name} has more than {limits.rows:,} rows: split it, or allow more "
                "with FileLimits(rows=...)."
            )
        _sort_in(tray, met, line, text, limits)
        if full:
            yield _part(tray, met, examined, when)
            tray, whole = Tray(examined.path.name), True
    if tray.seen or not whole:
        yield _part(tray, met, examined, when)


def _sort_in(tray, met, line, text, limits):
    """Put one line into the rows, or aside."""
    try:
        if line.fault:
            raise BadJson(line.fault)
        row = parsed_object(text, limits.depth)
    except BadJson as error:
        tray.put_aside(line.number, str(error), text)
        return
    tray.rows.append(row)
    met.update(dict.fromkeys(row))


def _part(tray: Tray, met: dict, examined: Examined, when: str) -> Extract:
    table = object_table(tray.rows, met)
    origin = Origin(examined.path.name, *table.shape, examined.sha256, when, examined.encoding)
    return tray.extract(table, origin)


def read_json_list(
    path: str | Path, *, when: str = "", limits: FileLimits | None = None
) -> Extract:
    """Read a file that is one JSON list of objects, such as forms; types as in JSON.

    Returns
    -------
    As `read_json_lines`; `line` of what is set aside is the place in the list, from 1.

    Raises
    ------
    CannotExtract
        If the file is missing, damaged, larger than 200 MB or no JSON list: half a list is no list.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "forms.json", '[{"age": "29y"}, 7]')
    >>> print(read_json_list(path).account)
    2 in = 1 returned + 1 set aside + 0 merged
    """
    limits = limits or FileLimits(size=LARGEST_LIST_BYTES)
    examined = examine(path, ["utf-8"], limits)
    entries = whole_json(examined, limits)
    if not isinstance(entries, list):
        raise CannotExtract(
            f"{examined.path.name} was expected to be one JSON list of objects, and it is a "
            f"{type(entries).__name__}: check that it is the right file."
        )
    tray = Tray(examined.path.name)
    sort_objects(tray, entries)
    return _part(tray, {}, examined, when)


def sort_objects(tray: Tray, entries: list) -> None:
    """Put each entry of a list into the tray: objects into its rows, anything else aside."""
    for place, entry in enumerate(entries, 1):
        tray.seen += 1
        if isinstance(entry, dict):
            tray.rows.append(entry)
        else:
            tray.put_aside(place, f"it is a {type(entry).__name__} and no object", str(entry))


def whole_json(examined: Examined, limits: FileLimits):
    """Return the value of a JSON file that is read whole.

    Raises
    ------
    CannotExtract
        If it is no UTF-8 or no JSON.
    """
    name = examined.path.name
    try:
        with opened(examined.path, limits) as file:
            text = file.read().decode(examined.encoding)
        value = parsed(text, limits.depth)
    except ValueError as error:
        if isinstance(error, CannotExtract):
            raise
        raise CannotExtract(
            f"{name} was expected to be JSON in UTF-8, but: {error}. It is damaged or cut off: fetch "
            "it again."
        ) from error
    examined.refuse_change()
    return value
