"""Tables in files: CSV with its separator and quotes, readings of sensors, surveys and forms."""

from __future__ import annotations

import bisect
import contextlib
import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from helpers.checks import require_columns
from helpers.etl.extract.files import USUAL, FileLimits, Line, each, lines_of, read_whole
from helpers.etl.extract.result import CannotExtract, Extract, Tray, aside_table, together

SEPARATORS = ",;\t|"
TOTALS = {"total", "totals", "sum", "grand total", "summe", "gesamt"}
_FIRST_LINES = 200  # that show what separates the fields
_LOOK_AHEAD = 100  # lines that are looked at below a quote that does not fit
_EXCEL_LINE = re.compile(r'"?sep=(\\t|[^"\r\n])"?\s*', re.IGNORECASE)
_NO_CSV = re.compile(r"\s*(<[!?a-z]|[\[{]\s*[\"{\[])", re.IGNORECASE)  # HTML, XML, JSON
_WRONG_QUOTES = {
    "expected after": "text stands behind a closing quote",
    "unexpected end": "it leaves a quote open",
    "field larger": "a field has more than 131,072 characters",
}
_EARLIEST, _LATEST = datetime(1990, 1, 1), datetime(2100, 1, 1)


def read_csv(
    path: str | Path,
    *,
    when: str = "",
    encodings: Sequence[str] = ("utf-8",),
    separator: str | None = None,
    columns: Sequence[str] | None = None,
    totals: bool = True,
    limits: FileLimits = USUAL,
) -> Extract:
    """Read a CSV file, every value as text; nothing is guessed silently and nothing repaired.

    Decimal commas, blanks, dates and cells such as `=1+1` stay as they stand there. A row is set
    aside when it has too few or too many fields, repeats the header, sums up the others (`totals`),
    holds a NUL, a field of more than 131,072 characters or bytes that the encoding has not, or when
    its quotes do not fit. Such a row is set aside with all lines that its quote holds; only where
    most lines below look like rows themselves is it the one line, whose quote was left open. Blank
    lines are no rows, and neither are Excel's first line `sep=;` and empty cells behind the last
    name.

    Parameters
    ----------
    path : a text file with a header, or one packed with gzip.
    when : the moment of reading, for the provenance.
    encodings : tried in order: the first that reads every byte, or else the first. A byte order
        mark decides before them. Name "cp1252" behind "utf-8" for files from old spreadsheets.
    separator : one character; None takes from comma, semicolon, tab and bar what header and rows
        have.
    columns : the names expected, each once, in any order; None takes any.
    totals : set rows aside whose first field says Total; False keeps them.
    limits : how much is read before the file is refused.

    Returns
    -------
    The raw table (text columns in the file's order), rows set aside, provenance, books.

    Raises
    ------
    CannotExtract
        If the file is missing, empty, damaged or too large, if its header cannot be used or is none
        (a title, a page of HTML), or if two separators fit.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "sales.csv", "id;price\\n1;9,90\\n2\\nTotal;9,90\\n3;\\n")
    >>> raw, odd, provenance, books = read_csv(path, when="2025-03-01")
    >>> raw.to_dict("list"), provenance.read_as
    ({'id': ['1', '3'], 'price': ['9,90', '']}, "utf-8, separator ';'")
    >>> odd[["line", "reason"]].to_dict("split")["data"]
    [[3, 'it has 1 field(s), the header 2'], [4, 'it is a row of totals']]
    >>> print(books.line())
    4 in = 2 loaded + 2 set aside + 0 merged
    """
    if separator is not None and (len(separator) != 1 or separator in '"\r\n'):
        raise CannotExtract(
            f"separator was expected to be one character, no quote and no line end; got {separator!r}: "
            "leave it out to have it found."
        )
    content = read_whole(path, limits, encodings)
    lines = list(lines_of(content, limits, newline=""))
    if lines and (told := _EXCEL_LINE.fullmatch(lines[0].text)):
        separator, lines = separator or told[1].replace("\\t", "\t"), lines[1:]
    separator = separator or _separator([one.text for one in lines[:_FIRST_LINES]], content.name)
    rows = list(_records(lines, separator))
    header, spare = _header(rows, content.name, columns)
    tray = Tray(content.name, limits.rows)
    for number, fields, text, fault in rows[1:]:
        if spare and not any(map(str.strip, fields[len(header) :])):
            fields = fields[: len(header)]
        fault = fault or _oddness(fields, text, header, totals)
        tray.put(fields, number, fault, text.rstrip("\r\n") if fault else "")
    table = pd.DataFrame(tray.rows, columns=header, dtype="str")
    return tray.extract(table, f"{content.encoding}, separator {separator!r}", when, content.sha256)


def _oddness(fields, text, header, totals):
    """Return why a row of fields is none of the table, or ""."""
    if len(fields) != len(header):
        return f"it has {len(fields)} field(s), the header {len(header)}"
    if fields == header:
        return "it repeats the header"
    if totals and fields[0][:1].isalpha() and fields[0].strip().casefold() in TOTALS:
        return "it is a row of totals"
    return "it holds a NUL" if "\0" in text else ""


def _separator(lines, name):
    """Return what separates the fields of the header, and of the most rows below it."""
    fits, heads, more = {}, {}, {}
    for separator in SEPARATORS:
        head, *below = _first_rows(lines, separator) or [[]]
        more[separator] = sum(len(row) > 1 for row in below)
        if len(head) > 1 and '"' not in "".join(head):  # it would part a name in quotes
            heads[separator] = len(head)
            fits[separator] = sum(len(row) == len(head) for row in below) / max(1, len(below))
    if not any(fits.values()) and any(more.values()):
        return max(more, key=more.get)  # the first line is a title, or each row is damaged
    best = max(heads, key=lambda one: (fits[one], heads[one]), default=SEPARATORS[0])
    alike = [one for one in heads if heads[one] == heads[best] or fits[one] == fits[best] > 0]
    if len(alike) > 1:
        raise CannotExtract(
            f"{name} may be separated by {' or '.join(map(repr, alike))}: header and rows allow "
            "both. Say which with separator=..."
        )
    return best


def _first_rows(lines, separator):
    """Return the rows above the first that cannot be read."""
    rows = []
    with contextlib.suppress(csv.Error):
        rows.extend(row for row in csv.reader(lines, delimiter=separator) if row)
    return rows


def _header(rows, name, columns):
    """Return the names of the columns, and whether empty cells behind the last one are left out."""
    line, header, text, fault = rows[0] if rows else (0, [], "", "the file is empty")
    below = [fields for _, fields, _, odd in rows[1:] if not odd and fields != header]
    names = list(header)
    while len(names) > 1 and not names[-1].strip():
        names.pop()
    widths = Counter(map(len, below))
    usual = max(widths, key=widths.get, default=0)
    mostly_more = usual > len(header) and 2 * widths[usual] > len(below)
    mostly_more = mostly_more and (len(names) == 1 or not widths[len(names)])
    spare = len(names) < len(header) or mostly_more
    more = [fields[len(names) :] for fields in below if len(fields) > len(names)]
    filled = sum(any(map(str.strip, cells)) for cells in more)
    fault = fault or _fault_of(names, text, columns)
    few = len(names) == 1 or len(names) < len(header) or (mostly_more and len(below) > 1)
    if not fault and few and spare and 2 * filled > len(below):
        fault = f"it has {len(names)} name(s) and most lines below {usual}, so it may be a title, or the values hold the separator"
    if fault:
        raise CannotExtract(
            f"{name} needs a header with one name a column in its first line; {fault} (line {line}: "
            f"{text[:60]!r}). Check that it is the right file, and export it again."
        )
    return names, spare


def _fault_of(names, text, columns):
    """Return why names cannot be those of the columns, or ""."""
    twice = [column for column, times in Counter(names).items() if times > 1]
    odd = sorted({*names} ^ {*(columns or names)})
    if _NO_CSV.match(text):
        return "it looks like a page of HTML or like JSON"
    if "\0" in text:
        return "it holds NULs, as UTF-16 without a mark does"
    if not all(map(str.strip, names[1:])) or not "".join(names).strip():
        return "a column has no name"
    if twice:
        return f"the column {twice[0]!r} comes more than once"
    return f"the columns {', '.join(columns)} were expected, and {odd[0]!r} differs" if odd else ""


def _records(lines: list[Line], separator: str) -> Iterator[tuple[int, list[str], str, str]]:
    """Yield (line, fields, text, fault) of each row, which may have several lines."""

    def reader_from(place):
        texts = (lines[at].text for at in range(place, len(lines)))
        return csv.reader(texts, delimiter=separator, strict=True)

    reader, begun, end, width, quotes = reader_from(0), 0, 0, 0, None
    while end < len(lines):
        start, fields, fault = end, [], ""
        try:
            fields = next(reader)
        except csv.Error as error:
            known = (why for said, why in _WRONG_QUOTES.items() if said in str(error))
            fault = next(known, f"it is no CSV: {error}")
        end = read = begun + reader.line_num
        if width and (fault or (end > start + 1 and len(fields) != width)):
            if '"' in lines[start].text:
                quotes = quotes or _Quotes(lines, separator, width)
                end = quotes.end(start, read, bool(fault))
                fault = "it leaves a quote open" if end < read else fault
        elif fault:
            end = start + 1
        if end != read:
            reader, begun = reader_from(end), end
        number, text, damage = lines[start]
        if end > start + 1:
            own = lines[start:end]
            text = "".join(line.text for line in own)
            damage = next((line.fault for line in own if line.fault), "")
            fault = fault and f"{fault}, in a row of {len(own):,} lines"
        if fields or fault:
            width = width or len(fields)
            yield number, fields, text, damage or fault


class _Quotes:
    """Finds the end of rows whose quotes do not fit."""

    def __init__(self, lines, separator, width):
        self._lines, self._separator, self._width = lines, separator, width
        closing = re.compile(rf'"[ ]*({re.escape(separator)}[^"]*)?[\r\n]*')
        quoted = [(at, line.text) for at, line in enumerate(lines) if '"' in line.text]
        self._closing = [at for at, text in quoted if closing.fullmatch(text, text.rindex('"'))]
        self._shapes: dict[int, tuple] = {}

    def end(self, start: int, place: int, open_yet: bool) -> int:
        """Return the place behind the row that begins at `start` and was read up to `place`.

        That is behind its first line where most lines below look like rows of their own, and else
        behind the line that closes its quote with a row, or nothing, below.
        """
        kind = self._shape(start)[2]
        end = self._closed(place - 1, kind) if open_yet else place
        below = range(start + 1, min(end, start + 1 + _LOOK_AHEAD))
        below = [one for one in below if self._lines[one].text.strip()]
        alike = sum(self._is_row(one, kind) for one in below)
        return start + 1 if self._width > 1 and below and 2 * alike >= len(below) else end

    def _closed(self, place, kind):
        first = bisect.bisect_left(self._closing, place)
        end = len(self._lines)
        for one in self._closing[first : first + _LOOK_AHEAD]:
            end = following = one + 1
            while following < len(self._lines) and not self._lines[following].text.strip():
                following += 1
            if following == len(self._lines) or self._is_row(following, kind):
                return end
        return end if len(self._closing) > first + _LOOK_AHEAD else len(self._lines)

    def _is_row(self, place, kind):
        """Return whether a line has the fields of a row, and one of this kind in front."""
        fields, opens, own = self._shape(place)
        return (fields == self._width or (opens and 1 < fields < self._width)) and (
            None in (kind, own) or kind == own
        )

    def _shape(self, place):
        """Return of a line how many fields it has, whether it opens a quote, what it starts with."""
        if place not in self._shapes:
            text, fields = self._lines[place].text, [""]
            with contextlib.suppress(csv.Error):
                fields = next(csv.reader([text], delimiter=self._separator), fields)
            opens, first = text.count('"') % 2 == 1, fields[0].strip()
            kind = (first[:1].isalpha(), first[:1].isdigit(), any(map(str.isdigit, first)))
            within = '"' in "".join(fields) and '""' not in text  # in the middle of a field
            count = 0 if within else len(fields)
            self._shapes[place] = (count, opens, None if opens and len(fields) == 1 else kind)
        return self._shapes[place]


def read_sensors(paths: str | Path | Iterable[Path], moment: str = "", **options) -> Extract:
    """Read the files of sensors: CSV with one reading a row, every value as text.

    Parameters
    ----------
    paths : one file or several, the oldest first.
    moment : the column that says when a reading was taken, ISO text; "" takes the one column that
        is named so: "..._at" or "..._on".
    options : as in `read_csv`.

    Returns
    -------
    The readings. A row whose moment cannot be read, or lies before 1990 or after 2099 (a clock that
    was never set), is set aside: no reading can be placed without its time.

    Raises
    ------
    ValueError
        If a file cannot be read, lacks the column `moment`, or has not one such column.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> text = "read_at,temperature_c\\n2024-09-01T10:00:00,5.1\\n-1,5.2\\nNaN,5.3\\n"
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "room.csv", text)
    >>> print(read_sensors(path).books.line())
    3 in = 1 loaded + 2 set aside + 0 merged
    """
    return together(_timed(read_csv(path, **options), moment) for path in each(paths))


def _timed(extract, column):
    """Set the readings aside that have no possible moment."""
    table, name = extract.table, extract.provenance.source
    named = [column] if column else [one for one in table if one.endswith(("_at", "_on"))]
    if len(named) != 1:
        raise CannotExtract(
            f"{name} needs one column of moments, named such as read_at or read_on, and has "
            f"{', '.join(named) or 'none'}: no reading can be placed without its time."
        )
    require_columns(table, name, named)
    tray = Tray(name)
    faults = [_no_moment(value) for value in table[named[0]]]
    odd = [place for place, fault in enumerate(faults) if fault]
    for place, row in zip(odd, table.iloc[odd].to_dict("records"), strict=True):
        fault = f"{named[0]} {faults[place]} (row {place + 1} of those that could be read)"
        tray.put(None, place + 1, fault, str(row))
    kept = table.drop(index=odd).reset_index(drop=True)
    aside = pd.concat([extract.set_aside, aside_table(tray.aside)], ignore_index=True)
    books = replace(extract.books, loaded=len(kept), set_aside=len(aside))
    return Extract(kept, aside, replace(extract.provenance, rows=len(kept)), books)


def _no_moment(value):
    """Return why a text is no moment within the limits, or ""."""
    text = value.strip()
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return f"{text[:60]!r} cannot be read as a moment, such as '2024-09-01T10:00:00'"
    return "" if _EARLIEST <= moment < _LATEST else f"{text[:60]!r} is not from 1990 to 2099"


def read_survey(paths: str | Path | Iterable[Path], **options) -> Extract:
    """Read the answers of a survey: CSV with one person a row, every value as text.

    A formula that somebody typed (`=1+1`) stays text; see `helpers.etl.load.neutralized` before a
    table goes to a spreadsheet. Parameters and errors are those of `read_csv`.
    """
    return together(read_csv(one, totals=False, **options) for one in each(paths))
