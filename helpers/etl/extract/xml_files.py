"""XML files of suppliers, read element by element, safe against what XML can be made to do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from helpers.etl.extract.accounts import CannotExtract, Extract, Tray
from helpers.etl.extract.content import Examined, FileLimits, examine, opened
from helpers.etl.extract.provenance import Origin, object_table

_LARGEST_ELEMENT = 10_000  # inner elements of one row
_LONGEST_TEXT = 2_000_000  # bytes without a beginning or an end of an element


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
                _sort_in(tray, element, within, limits.rows)
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


def _sort_in(tray: Tray, element: Element, nested: bool, most: int) -> None:
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
