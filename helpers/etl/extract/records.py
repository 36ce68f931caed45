"""JSON and XML: strict, bounded, one row a record."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from helpers.etl.extract.files import USUAL, Content, FileLimits, each, lines_of, read_whole
from helpers.etl.extract.result import CannotExtract, Extract, Tray, object_table, together

_DEEPEST = 40  # levels of nesting of a JSON value or an XML element
_LARGEST_ELEMENT = 10_000  # inner elements of one row
_LONGEST_TEXT = 2_000_000  # bytes without a beginning or an end of an element


class BadJson(ValueError):
    """A text is no JSON; the message says why."""


def parsed(text: str) -> Any:
    """Return the value of a JSON text, or say why it has none.

    Refused is what the standard refuses (NaN, Infinity, a comma too many), and what cannot be kept
    faithfully: a key twice in an object, a number beyond any float, half a character; and more than
    40 levels.

    Examples
    --------
    >>> parsed('{"id": 1, "id": 2}')
    Traceback (most recent call last):
    helpers.etl.extract.records.BadJson: the key 'id' comes twice
    """
    try:
        value = json.loads(
            text, parse_constant=_constant, parse_float=_number, object_pairs_hook=_object
        )
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
        if text.count("[") + text.count("{") > _DEEPEST and _deeper_than(value, _DEEPEST):
            raise RecursionError
    except RecursionError:
        raise BadJson(f"it is nested deeper than {_DEEPEST} levels") from None
    except UnicodeEncodeError:
        raise BadJson("it holds half a character, such as \\ud800") from None
    except ValueError as error:  # also a whole number of thousands of digits
        raise BadJson(str(error)) from None
    return value


def parsed_object(text: str) -> dict:
    """Return the object of a JSON text; see `parsed`."""
    value = parsed(text)
    if not isinstance(value, dict):
        raise BadJson(f"it is a {type(value).__name__} and no object")
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


def _deeper_than(value, depth):
    """Return whether lists and objects are nested more than `depth` levels."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_deeper_than(one, depth - 1) for one in inner)


def read_json_lines(path: str | Path, *, when: str = "", limits: FileLimits = USUAL) -> Extract:
    """Read a file of JSON lines; values keep the types they have in JSON.

    A line is set aside when it is no JSON object, or holds NaN, Infinity, a key twice, a NUL, more
    than 40 levels or bytes that are no UTF-8. Blank lines are no rows.

    Parameters
    ----------
    path : UTF-8, one object a line; packed with gzip or not.
    when : the moment of reading, for the provenance.
    limits : how much is read before the file is refused.

    Returns
    -------
    The raw table: one row an object, one column a key met (in the order met), None where an object
    lacks it; nested values stay lists and dicts. Rows set aside, provenance, books.

    Raises
    ------
    CannotExtract
        If the file is missing, damaged or too large.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "events.jsonl", '{"id": 1}\\n{"id": "2"},\\n{"id"')
    >>> raw, odd, _, books = read_json_lines(path)
    >>> raw.to_dict("records"), odd["reason"].tolist()
    ([{'id': 1}], ['Extra data: line 1 column 12 (char 11)', "Expecting ':' delimiter: line 1 column 6 (char 5)"])
    """
    content = read_whole(path, limits)
    tray = Tray(content.name, limits.rows)
    for line in lines_of(content, limits):
        if text := line.text.strip(" \t\r\n"):
            row, fault = object_in(text)
            tray.put(row, line.number, line.fault or fault, text)
    return tray.extract(object_table(tray.rows), content.encoding, when, content.sha256)


def object_in(text: str) -> tuple[dict, str]:
    """Return the object of a JSON text and "", or an empty one and why the text has none."""
    try:
        return parsed_object(text), ""
    except BadJson as error:
        return {}, str(error)


def read_forms(
    paths: str | Path | Iterable[Path], *, when: str = "", limits: FileLimits = USUAL
) -> Extract:
    """Read forms: files that are one JSON list each, with one object a form; types as in JSON.

    Returns
    -------
    As `read_json_lines`; `line` of what is set aside is the place in the list, from 1.

    Raises
    ------
    CannotExtract
        If a file is missing, damaged, too large or no JSON list: half a list is no list.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "forms.json", '[{"age": "29y"}, 7]')
    >>> print(read_forms(path).books.line())
    2 in = 1 loaded + 1 set aside + 0 merged
    """
    return together(_read_list(path, when, limits) for path in each(paths))


def _read_list(path, when, limits):
    """Read one file."""
    content = read_whole(path, limits)
    entries = whole_json(content)
    if not isinstance(entries, list):
        raise CannotExtract(
            f"{content.name} was expected to be one JSON list of objects, and it is a "
            f"{type(entries).__name__}: check that it is the right file."
        )
    tray = Tray(content.name, limits.rows)
    put_objects(tray, entries)
    return tray.extract(object_table(tray.rows), content.encoding, when, content.sha256)


def put_objects(tray: Tray, entries: list) -> None:
    """Put each entry of a list into the tray: objects into its rows, anything else aside."""
    for place, entry in enumerate(entries, 1):
        kind = type(entry).__name__
        fault = "" if isinstance(entry, dict) else f"it is a {kind} and no object"
        tray.put(entry, place, fault, str(entry) if fault else "")


def whole_json(content: Content) -> Any:
    """Return the value of a JSON file, or say why it has none."""
    try:
        return parsed(content.data.decode(content.encoding))
    except ValueError as error:
        raise CannotExtract(
            f"{content.name} was expected to be JSON in UTF-8, but: {error}. It is damaged or cut "
            "off: fetch it again."
        ) from error


def read_xml(path: str | Path, row: str, *, when: str = "", limits: FileLimits = USUAL) -> Extract:
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
    content = read_whole(path, limits)
    tray = Tray(content.name, limits.rows)
    try:
        _collect(_Checked(content), row, tray)
    except DefusedXmlException as error:
        raise CannotExtract(
            f"{tray.source} defines a document type or entities ({type(error).__name__}), which are "
            "not read: they can fill a memory or open other files. Ask for plain XML."
        ) from error
    except (ParseError, UnicodeError, LookupError) as error:
        raise CannotExtract(
            f"{tray.source} is no well-formed XML: {error}. It is damaged or cut off: fetch it again."
        ) from error
    table = object_table(tray.rows)
    return tray.extract(table, f"XML, one row a {row}", when, content.sha256)


def _collect(file: _Checked, row: str, tray: Tray) -> None:
    """Walk through the file; let go of each element once it is read."""
    above, inside, inner = [], 0, 0
    for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
        file.since = 0
        own = _local(element.tag) == row
        if event == "start":
            above.append(element)
            inside, inner = inside + own, (inner + 1) * (inside > 0)
            if len(above) > _DEEPEST or inner > _LARGEST_ELEMENT:
                raise CannotExtract(
                    f"{tray.source} nests its elements deeper than {_DEEPEST} levels, or puts more than "
                    f"{_LARGEST_ELEMENT:,} into one row: check that it is the right file."
                )
            continue
        above.pop()
        inside -= own
        if own:
            within = inside > 0 or any(_local(one.tag) == row for one in element)
            _put_element(tray, element, within)
        if not inside:
            inner = 0
            element.clear()
            for parent in above[-1:]:  # an element that was emptied would stay there
                del parent[:]


class _Checked:
    """A file as the parser wants it, which keeps in memory what has no end yet.

    `since` counts the bytes read since the last element began or ended.
    """

    def __init__(self, content: Content):
        self._content, self._place, self.since = content, 0, 0

    def read(self, size):
        block = bytes(self._content.data[self._place : self._place + size])
        self._place += size
        self.since += len(block)
        if self.since > _LONGEST_TEXT:
            raise CannotExtract(
                f"{self._content.name} holds a text, a comment or a tag of more than {_LONGEST_TEXT:,} bytes: "
                "check that it is the right file."
            )
        return block


def _local(tag):
    """Return a name without its namespace."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _put_element(tray: Tray, element: Element, nested: bool) -> None:
    """Put one row element into the rows, or aside."""
    cells = [(_local(name), value) for name, value in element.attrib.items()]
    for one in element:
        name = _local(one.tag)
        cells.append((name, one.text or ""))
        cells += [(f"{name}.{_local(key)}", value) for key, value in one.attrib.items()]
    row = dict(cells)
    loose = [element.text, *(one.tail for one in element)]
    fault = ""
    if nested:
        fault = "a row stands within a row"
    elif any(len(one) for one in element):
        fault = "an element within its elements"
    elif any(text and text.strip() for text in loose):
        fault = "text beside its elements"
    elif len(row) < len(cells):
        fault = f"{Counter(name for name, _ in cells).most_common(1)[0][0]!r} comes twice"
    fault = fault and f"it holds too much: {fault}"
    tray.put(row, tray.seen + 1, fault, str(cells) if fault else "")
