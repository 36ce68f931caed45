"""Tables in files: CSV as businesses write it, readings of sensors, surveys and forms."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl.extract.files import Examined, FileLimits, Line, examine, lines_of
from helpers.etl.extract.records import read_json_list
from helpers.etl.extract.result import (
    CannotExtract,
    Extract,
    Origin,
    RowAccount,
    Tray,
    aside_table,
    require_rows_of_a_part,
    together,
)

SEPARATORS = ",;\t|"
TOTALS = {"total", "totals", "sum", "grand total", "summe", "gesamt"}
_LINES_A_ROW = 50  # lines that a quoted field may span before its quote counts as left open
EARLIEST, LATEST = "1990-01-01", "2100-01-01"


def read_csv(path: str | Path, **options) -> Extract:
    """Read a CSV file, every value as text; nothing is guessed silently and nothing repaired.

    Decimal commas, blanks, dates and cells such as `=1+1` stay as they stand there.

    Parameters
    ----------
    path, options : as in `csv_chunks`.

    Returns
    -------
    The raw table (text columns in the file's order), rows set aside, provenance, row account.

    Raises
    ------
    CannotExtract
        As `csv_chunks` does.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "sales.csv", "id;price\\n1;9,90\\n2\\nTotal;9,90\\n3;\\n")
    >>> raw, odd, provenance, account = read_csv(path, when="2025-03-01")
    >>> raw.to_dict("list"), provenance.read_as
    ({'id': ['1', '3'], 'price': ['9,90', '']}, "utf-8, separator ';'")
    >>> odd[["line", "reason"]].to_dict("split")["data"]
    [[3, 'it has 1 field(s), the header 2'], [4, 'it is a row of totals']]
    >>> print(account)
    4 in = 2 returned + 2 set aside + 0 merged
    """
    return together(csv_chunks(path, **options))


def csv_chunks(
    path: str | Path,
    *,
    when: str = "",
    encodings: Sequence[str] = ("utf-8",),
    separator: str | None = None,
    columns: Sequence[str] | None = None,
    totals: bool = True,
    rows: int = 100_000,
    limits: FileLimits | None = None,
) -> Iterator[Extract]:
    """Read a CSV file of any length in parts, see `read_csv`.

    A row is set aside when it has too few or too many fields, repeats the header, sums up the
    others (`totals`), leaves a quote open, holds a NUL, a field that no cell holds (131,072
    characters) or bytes that the encoding has not. After an open quote the next line is a row
    again. Blank lines are no rows.

    Parameters
    ----------
    path : a text file with a header, or one packed with gzip.
    when : the moment of reading, for the provenance.
    encodings : tried in order: the first that reads every byte, or else the first. A byte order
        mark decides before them. Name "cp1252" behind "utf-8" for files from old spreadsheets.
    separator : one character; None takes from comma, semicolon, tab and bar what the header has.
    columns : the names expected, each once, in any order; None takes any.
    totals : set rows aside whose first field says Total; False keeps them.
    rows : rows of a part at most, those set aside included; of long rows it has fewer.
    limits : how much is read before the file is refused.

    Yields
    ------
    One extract a part, at least one; all have the provenance of the whole file.

    Raises
    ------
    CannotExtract
        If the file is missing, empty, damaged, too large, or its header cannot be used.
    """
    require_rows_of_a_part(rows)
    if separator is not None and (len(separator) != 1 or separator in '"\r\n'):
        raise CannotExtract(
            f"separator was expected to be one character, no quote and no line end; got {separator!r}: "
            "leave it out to have it found."
        )
    limits = limits or FileLimits()
    examined = examine(path, encodings, limits)
    lines = _Lines(lines_of(examined, limits, newline=""))
    separator = separator or _separator(lines, examined.path.name)
    records = _records(lines, separator)
    header = _header(records, examined.path.name, columns)
    yield from _parts(records, header, totals, rows, limits, examined, separator, when)


def _parts(records, header, totals, rows, limits, examined, separator, when):
    """Yield an extract for each part of the rows."""
    tray, whole = Tray(examined.path.name), False
    for total, (line, fields, text, fault) in enumerate(records, 1):
        full = tray.meet(text, rows)
        if total > limits.rows:
            raise CannotExtract(
                f"{examined.path.name} has more than {limits.rows:,} rows: split it, or allow more "
                "with FileLimits(rows=...)."
            )
        fault = fault or _oddness(fields, text, header, totals)
        if fault:
            tray.put_aside(line, fault, text.rstrip("\r\n"))
        else:
            tray.rows.append(fields)
        if full:
            yield _part(tray, header, examined, separator, when)
            tray, whole = Tray(examined.path.name), True
    if tray.seen or not whole:
        yield _part(tray, header, examined, separator, when)


def _part(tray: Tray, header: list[str], examined: Examined, separator: str, when: str) -> Extract:
    table = pd.DataFrame(tray.rows, columns=header, dtype="str")
    read_as = f"{examined.encoding}, separator {separator!r}"
    origin = Origin(examined.path.name, *table.shape, examined.sha256, when, read_as)
    return tray.extract(table, origin)


def _oddness(fields, text, header, totals):
    """Return why a row of fields is none of the table, or ""."""
    if len(fields) != len(header):
        return f"it has {len(fields)} field(s), the header {len(header)}"
    if fields == header:
        return "it repeats the header"
    if totals and fields[0][:1].isalpha() and fields[0].strip().casefold() in TOTALS:
        return "it is a row of totals"
    if "\0" in text:
        return "it holds a NUL"
    return ""


class _Lines:
    """The lines of a file with a way back: what a bad record took can be read again."""

    def __init__(self, lines: Iterator[Line]):
        self._lines, self._back, self.taken = lines, deque(), []

    def __iter__(self):
        return self

    def __next__(self):
        if len(self.taken) >= _LINES_A_ROW:
            raise csv.Error(f"a quote is left open over {_LINES_A_ROW} lines")
        line = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(line)
        return line.text

    def give_back(self, keep: int) -> None:
        """Give back all lines taken but the first `keep`."""
        self._back.extendleft(reversed(self.taken[keep:]))
        del self.taken[keep:]


def _records(lines, separator):
    """Yield (line, fields, text, fault) of each row; a bad one gives back all but its first line."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    width = 0
    while True:
        lines.taken.clear()
        fields, fault = [], ""
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fault = f"it is no CSV: {error}"
        several = len(lines.taken) > 1
        if several:
            fault = next((line.fault for line in lines.taken if line.fault), fault)
        else:
            fault = lines.taken[0].fault or fault
        if several and (fault or (width and len(fields) != width)):
            lines.give_back(1)
            fault = lines.taken[0].fault or "it leaves a quote open"
        if fields or fault:
            width = width or len(fields)
            first = lines.taken[0]
            text = "".join(line.text for line in lines.taken) if several else first.text
            yield first.number, fields, text, fault


def _separator(lines, name):
    """Return what separates the fields of the header, and give its lines back."""
    widths = {}
    for separator in SEPARATORS:
        first = next(_records(lines, separator), (0, [], "", ""))
        widths[separator] = len(first[1])
        lines.give_back(0)
        # blank lines before the header are no rows, and a generator left early holds none of them
    best = max(widths.values())
    found = [separator for separator, width in widths.items() if width == best]
    if best > 1 and len(found) > 1:
        raise CannotExtract(
            f"{name} may be separated by {' or '.join(map(repr, found))}: its header has {best} "
            "fields either way. Say which with separator=..."
        )
    return found[0]


def _header(records, name, columns):
    """Return the header, or say why it cannot be used."""
    line, header, text, fault = next(records, (0, [], "", "the file is empty"))
    twice = sorted(column for column, times in Counter(header).items() if times > 1)
    if not fault and any(not column.strip() for column in header):
        fault = "a column has no name"
    if not fault and twice:
        fault = f"the column {twice[0]!r} comes more than once"
    if not fault and "\0" in text:
        fault = "it holds NULs, as UTF-16 without a mark does"
    if not fault and columns is not None and sorted(header) != sorted(columns):
        odd = sorted({*header} ^ {*columns})
        fault = f"the columns {', '.join(columns)} were expected, and {odd[0]!r} differs"
    if fault:
        raise CannotExtract(
            f"{name} needs a header with one name a column in its first line; {fault} (line {line}: "
            f"{text[:60]!r}). Check that it is the right file, and export it again."
        )
    return header


def read_sensors(
    paths: str | Path | Iterable[Path], moment: str, *, when: str = "", **options
) -> Extract:
    """Read the files of sensors: CSV with one reading a row, every value as text.

    Parameters
    ----------
    paths : one file or several, the oldest first.
    moment : the column that says when a reading was taken; ISO text.
    options : as in `csv_chunks`.

    Returns
    -------
    The readings. A row whose moment is none, or that lies before 1990 or after 2099 (a clock that
    was never set), is set aside: no reading can be placed without its time.

    Raises
    ------
    ValueError
        If a file cannot be read or lacks the column `moment`.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> text = "read_at,temperature_c\\n2024-09-01T10:00:00,5.1\\n-1,5.2\\nNaN,5.3\\n"
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "room.csv", text)
    >>> print(read_sensors(path, "read_at").account)
    3 in = 1 returned + 2 set aside + 0 merged
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    return together(timed(read_csv(path, when=when, **options), moment) for path in files)


def read_survey(paths: str | Path | Iterable[Path], *, when: str = "", **options) -> Extract:
    """Read the answers of a survey: CSV with one person a row, every value as text.

    A formula that somebody typed (`=1+1`) stays text; see `helpers.etl.extract.neutralized` before
    a table goes to a spreadsheet. Parameters and errors are those of `csv_chunks`.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    return together(read_csv(path, when=when, totals=False, **options) for path in files)


def read_forms(paths: str | Path | Iterable[Path], *, when: str = "", **options) -> Extract:
    """Read forms: JSON lists with one entry a form, values as typed; see `read_json_list`."""
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    return together(read_json_list(path, when=when, **options) for path in files)


def timed(extract: Extract, column: str, earliest: str = EARLIEST, latest: str = LATEST) -> Extract:
    """Set rows aside whose moment in `column` cannot be: no ISO date, or not within the limits.

    Parameters
    ----------
    column : ISO text, or date and moment objects.
    earliest, latest : ISO dates; the first is within, the last is not.

    Raises
    ------
    ValueError
        If the column is missing.
    """
    require_columns(extract.table, extract.provenance.source, [column])
    values = extract.table[column].tolist()
    ends = datetime.fromisoformat(earliest), datetime.fromisoformat(latest)
    within = [_within(value, *ends) for value in values]
    kept = extract.table[within].reset_index(drop=True)
    tray = Tray(extract.provenance.source)
    odd = [place for place, fine in enumerate(within) if not fine]
    for place, row in zip(odd, extract.table.iloc[odd].to_dict("records"), strict=True):
        why = f"{column} {str(values[place])[:60]!r} is no moment from {earliest} to {latest}"
        tray.put_aside(place + 1, f"{why} (row {place + 1} of those that could be read)", str(row))
    return _moved(extract, kept, aside_table(tray.aside))


def _moved(extract: Extract, kept: DataFrame, aside: DataFrame) -> Extract:
    """Return the extract with some of its rows among those set aside."""
    account = extract.account
    both = pd.concat([extract.set_aside, aside], ignore_index=True)
    if account.returned != len(kept) + len(aside):
        raise CannotExtract("rows were lost on their way aside: report the source that shows it.")
    account = RowAccount(account.rows_in, len(kept), account.set_aside + len(aside), account.merged)
    return Extract(kept, both, replace(extract.provenance, rows=len(kept)), account)


def _within(value, earliest, latest):
    """Return whether a value is a moment within the limits."""
    text = value.strip() if isinstance(value, str) else str(value)
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return False
    return earliest <= moment < latest
