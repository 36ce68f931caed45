"""JSON and XML: strict, bounded, one row a record."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from helpers.etl.extract.files import Examined, FileLimits, examine, lines_of, opened
from helpers.etl.extract.result import (
    CannotExtract,
    Extract,
    Origin,
    Tray,
    object_table,
    require_rows_of_a_part,
    together,
)

LARGEST_LIST_BYTES = 200_000_000  # a list is read whole
_LARGEST_ELEMENT = 10_000  # inner elements of one row
_LONGEST_TEXT = 2_000_000  # bytes without a beginning or an end of an element


class BadJson(ValueError):
    """A text is no JSON; the message says why."""


def parsed(text: str, depth: int = 40) -> Any:
    """Return the value of a JSON text, or say why it has none.

    Parameters
    ----------
    text : one JSON value.
    depth : levels of lists and objects, at most.

    Raises
    ------
    BadJson
        For what the standard refuses (NaN, Infinity, a comma too many) and for what cannot be
        kept faithfully: a key twice in an object, a number beyond any float, half a character.

    Examples
    --------
    >>> parsed('{"id": 1, "tags": ["new"]}')
    {'id': 1, 'tags': ['new']}
    >>> parsed('{"id": 1, "id": 2}')
    Traceback (most recent call last):
    helpers.etl.extract.records.BadJson: the key 'id' comes twice
    """
    try:
        value = json.loads(
            text, parse_constant=_constant, parse_float=_number, object_pairs_hook=_object
        )
    except RecursionError:
        raise BadJson(f"it is nested deeper than {depth} levels") from None
    except BadJson:
        raise
    except ValueError as error:  # also a whole number of thousands of digits
        raise BadJson(str(error)) from None
    if text.count("[") + text.count("{") > depth and _deeper_than(value, depth):
        raise BadJson(f"it is nested deeper than {depth} levels")
    if "\\u" in text and _half_a_character(value):
        raise BadJson("it holds half a character, such as \\ud800")
    return value


def parsed_object(text: str, depth: int = 40) -> dict:
    """Return the object of a JSON text; see `parsed`.

    Examples
    --------
    >>> parsed_object('[1]')
    Traceback (most recent call last):
    helpers.etl.extract.records.BadJson: it is a list and no object
    """
    value = parsed(text, depth)
    if not isinstance(value, dict):
        kind = "list" if isinstance(value, list) else type(value).__name__
        raise BadJson(f"it is a {kind} and no object")
    return value


def _constant(word):
    raise BadJson(f"{word} is no JSON number")


def _number(text):
    number = float(text)
    if not math.isfinite(number):
        raise BadJson(f"the number {text[:40]} is too large")
    return number


def _object(pairs):
    made = dict(pairs)
    if len(made) != len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise BadJson(f"the key {twice[:40]!r} comes twice")
    return made


def _inner(value):
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _deeper_than(value, depth):
    """Return whether lists and objects are nested more than `depth` levels."""
    level = [value]
    for _ in range(depth):
        level = [one for outer in level for one in _inner(outer) if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _half_a_character(value):
    """Return whether a text in the value cannot be written."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


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


def read_xml(
    path: str | Path, row: str, *, when: str = "", limits: FileLimits | None = None
) -> Extract:
    """Read the elements named `row` of an XML file as rows of text.

    Parameters
    ----------
    path : an XML file, packed with gzip or not. It may not define a document type: entities are
        how an XML file fills a memory or reads other files.
    row : the name of the element that is a row, without its namespace.
    when : the moment of reading, for the provenance.

    Returns
    -------
    One row an element: its attributes, then the text of each inner element and, as `price.unit`,
    its attributes. Names lose their namespaces. A cell that a row lacks is None; an element without
    text gives "". A row is set aside when a name comes twice in it, or when it holds deeper
    elements, or text beside its elements; its `line` counts the rows from 1.

    Raises
    ------
    CannotExtract
        If the file is missing, too large, not well-formed, nested too deep or defines entities.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> text = '<batch><item id="1"><price unit="cent">990</price></item><item id="2"/></batch>'
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "prices.xml", text)
    >>> read_xml(path, "item").table.to_dict("records")
    [{'id': '1', 'price': '990', 'price.unit': 'cent'}, {'id': '2', 'price': None, 'price.unit': None}]
    """
    limits = limits or FileLimits()
    examined = examine(path, ["utf-8"], limits)
    tray = Tray(examined.path.name)
    try:
        _collect(examined, row, tray, limits)
    except DefusedXmlException as error:
        raise CannotExtract(
            f"{tray.source} defines a document type or entities ({type(error).__name__}), which are "
            "not read: they can fill a memory or open other files. Ask for plain XML."
        ) from error
    except (ParseError, UnicodeError, LookupError) as error:
        raise CannotExtract(
            f"{tray.source} is no well-formed XML: {error}. It is damaged or cut off: fetch it again."
        ) from error
    examined.refuse_change()
    table = object_table(tray.rows)
    origin = Origin(tray.source, *table.shape, examined.sha256, when, f"XML, one row a {row}")
    return tray.extract(table, origin)


def _collect(examined: Examined, row: str, tray: Tray, limits: FileLimits) -> None:
    """Walk through the file; let go of each element once it is read."""
    above, inside, inner = [], 0, 0
    with opened(examined.path, limits) as file:
        checked = _Checked(file, tray.source)
        for event, element in iterparse(checked, events=("start", "end"), forbid_dtd=True):
            checked.since = 0
            own = _local(element.tag) == row
            if event == "start":
                above.append(element)
                inside, inner = inside + own, (inner + 1) * (inside > 0)
                _refuse_depth(tray.source, len(above), limits.depth, inner)
                continue
            above.pop()
            inside -= own
            if own:
                within = inside > 0 or any(_local(one.tag) == row for one in element)
                _xml_files_sort_in(tray, element, within, limits.rows)
            if not inside:
                inner = 0
                element.clear()
                for parent in above[-1:]:  # an element that was emptied would stay there
                    del parent[:]


class _Checked:
    """A file as the parser wants it, which keeps in memory what has no end yet.

    `since` counts the bytes read since the last element began or ended.
    """

    def __init__(self, file, name):
        self._file, self._name, self.since = file, name, 0

    def read(self, size=-1):
        block = self._file.read1(65_536 if size < 0 else size)
        self.since += len(block)
        if self.since > _LONGEST_TEXT:
            raise CannotExtract(
                f"{self._name} holds a text, a comment or a tag of more than {_LONGEST_TEXT:,} bytes: "
                "check that it is the right file."
            )
        return block


def _refuse_depth(name, depth, most, inner):
    if depth > most or inner > _LARGEST_ELEMENT:
        raise CannotExtract(
            f"{name} nests its elements deeper than {most} levels, or puts more than "
            f"{_LARGEST_ELEMENT:,} into one row: check that it is the right file."
        )


def _local(tag):
    """Return a name without its namespace."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _says(text):
    """Return whether there is more than blanks in a text."""
    return bool(text and text.strip())


def _xml_files_sort_in(tray: Tray, element: Element, nested: bool, most: int) -> None:
    """Put one row element into the rows, or aside."""
    tray.seen += 1
    if tray.seen > most:
        raise CannotExtract(f"{tray.source} has more than {most:,} rows: split it.")
    cells = [(_local(name), value) for name, value in element.attrib.items()]
    for one in element:
        name = _local(one.tag)
        cells.append((name, one.text or ""))
        cells += [(f"{name}.{_local(key)}", value) for key, value in one.attrib.items()]
    names = [name for name, _ in cells]
    twice = [] if len(set(names)) == len(names) else Counter(names).most_common(1)[0]
    deeper = any(len(one) for one in element)
    loose = [element.text, *(one.tail for one in element)]
    fault = "a row stands within a row" if nested else ""
    fault = fault or ("an element within its elements" if deeper else "")
    fault = fault or ("text beside its elements" if any(map(_says, loose)) else "")
    fault = fault or (f"{twice[0]!r} comes twice" if twice else "")
    if fault:
        tray.put_aside(tray.seen, f"it holds too much: {fault}", str(cells))
    else:
        tray.rows.append(dict(cells))
