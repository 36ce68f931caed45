"""What a reader returns: the rows, what was set aside with its reason, where it is from, the books."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple

import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl.books import Books
from helpers.files import sha256_of

ASIDE_COLUMNS = ["source", "line", "reason", "text"]
KEPT_CHARACTERS = 10_000  # of the text of a row set aside; the rest stays in the source
_WRITER = json.JSONEncoder(default=str, sort_keys=True)
_EMPTY_CELLS = 5_000_000  # that any table may have
_EMPTY_A_FILLED = 20  # and beyond those, for each cell that is filled


class CannotExtract(ValueError):
    """A source cannot be read; the message says what was expected, what was found, what to do."""


class Extract(NamedTuple):
    """What a reader returns.

    Attributes
    ----------
    table : the raw rows; nothing in them is repaired.
    set_aside : one row each that could not go on: `source`, `line` (counted from 1: the line of a
        file, the place in a list; 0 for none), `reason`, `text` (as it stood there, at most its
        first 10,000 characters).
    provenance : where the rows came from.
    books : what became of each.
    """

    table: DataFrame
    set_aside: DataFrame
    provenance: Provenance
    books: Books


@dataclass
class Tray:
    """Holds the rows of a source while it is read; each is counted as it is met.

    Examples
    --------
    >>> tray = Tray("sales.csv")
    >>> tray.put(["1", "Bern"], 2)
    >>> tray.put(None, 3, "it has 1 field", "oops")
    >>> tray.seen, tray.rows, tray.aside
    (2, [['1', 'Bern']], [('sales.csv', 3, 'it has 1 field', 'oops')])
    """

    source: str
    most: int | None = None
    seen: int = 0
    rows: list = field(default_factory=list)
    aside: list[tuple] = field(default_factory=list)

    def put(self, row: Any, line: int, fault: str = "", text: str = "") -> None:
        """Count a row and keep it; with a fault, set its text aside with its line and the reason.

        Raises
        ------
        CannotExtract
            If there are more than `most` rows.
        """
        self.seen += 1
        if self.most is not None and self.seen > self.most:
            raise CannotExtract(
                f"{self.source} has more than {self.most:,} rows: split it, or allow more with "
                "FileLimits(rows=...)."
            )
        if not fault:
            self.rows.append(row)
            return
        if len(text) > KEPT_CHARACTERS:
            fault += f" (the first {KEPT_CHARACTERS:,} of its characters are kept here)"
        self.aside.append((self.source, line, fault, text[:KEPT_CHARACTERS]))

    def extract(
        self, table: DataFrame, read_as: str, when: str, sha256: str = "", cursor: str = ""
    ) -> Extract:
        """Return the table of `rows` with what was set aside, its provenance and the books.

        See `Provenance` for the others; without a fingerprint, that of the rows is taken.
        """
        sha256 = sha256 or sha256_of_rows(self.rows)
        origin = Provenance(self.source, *table.shape, sha256, when, read_as, cursor)
        books = Books(self.source, self.seen, len(table), set_aside=len(self.aside))
        return Extract(table, aside_table(self.aside), origin, books)


def aside_table(rows: list[tuple]) -> DataFrame:
    """Return rows set aside as a table, see `Extract`."""
    table = DataFrame(rows, columns=ASIDE_COLUMNS)
    return table.astype({"source": "str", "line": "int64", "reason": "str", "text": "str"})


def together(extracts: Iterable[Extract]) -> Extract:
    """Put what several readings brought into one, such as the months of an export.

    Returns
    -------
    The tables one below the other (columns are united, a missing cell is None), what was set
    aside, a provenance that names the sources and hashes their fingerprints, and the summed books.
    The cursor is that of the last part, if all are of one source, and else "".

    Raises
    ------
    CannotExtract
        If there is nothing to put together, or the parts have hardly a column in common.
    """
    parts = list(extracts)
    if not parts:
        raise CannotExtract(
            "at least one extract was expected, and none came: check the file names."
        )
    table = _stacked([part.table for part in parts])
    aside = pd.concat([part.set_aside for part in parts], ignore_index=True)
    books = sum((part.books for part in parts[1:]), parts[0].books)
    return Extract(table, aside, _common([part.provenance for part in parts], table), books)


def _common(origins, table):
    """Return the provenance of a table that was put together from several readings."""
    sources = dict.fromkeys(one.source for one in origins)
    prints = dict.fromkeys((one.source, one.sha256) for one in origins)
    whole = {} if len(prints) == 1 else {
        "source": ", ".join(sources),
        "sha256": sha256_of_rows({name: sha256} for name, sha256 in prints),
        "when": ", ".join(dict.fromkeys(one.when for one in origins)),
        "read_as": "; ".join(dict.fromkeys(one.read_as for one in origins)),
        "etag": "",
    }  # fmt: skip
    cursor = origins[-1].cursor if len(sources) == 1 else ""
    return replace(origins[0], rows=len(table), columns=table.shape[1], cursor=cursor, **whole)


def _stacked(tables):
    """Return tables one below the other; texts stay text, a cell that a table lacks is None."""
    if len({tuple(table.columns) for table in tables}) == 1:
        return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    refuse_scattered(sum(map(len, tables)), len(names), sum(table.size for table in tables))
    wide = []
    for table in tables:
        table = table.astype(object)
        wide.append(table.assign(**{name: None for name in names if name not in table})[names])
    return pd.concat(wide, ignore_index=True)


def merge_copies(extract: Extract, key: str) -> Extract:
    """Merge rows that repeat an earlier one in every column; `key` names a row.

    Two rows with one key and other values are no copies: both stay, for stage 3 to decide.

    Raises
    ------
    ValueError
        If the table lacks the column `key`.

    Examples
    --------
    >>> from helpers.etl.extract.result import object_table
    >>> table = object_table([{"id": 1}, {"id": 1}, {"id": 2}])
    >>> twice = Extract(table, aside_table([]), Provenance("x", 3, 1, ""), Books("x", 3, 3))
    >>> print(merge_copies(twice, "id").books.line())
    3 in = 2 loaded + 0 set aside + 1 merged
    """
    table, books = extract.table, extract.books
    require_columns(table, extract.provenance.source, [key])
    again = table[key].map(repr).duplicated()
    if again.any():
        again &= table.map(repr).duplicated()
    kept = table[~again].reset_index(drop=True)
    merged = int(again.sum())
    books = replace(books, loaded=len(kept), merged=books.merged + merged)
    return Extract(kept, extract.set_aside, replace(extract.provenance, rows=len(kept)), books)


@dataclass(frozen=True)
class Provenance:
    """Where a table came from: enough to fetch it again, to notice a change, and to go on behind it.

    Attributes
    ----------
    source : the file's name, the database's table or the address, without keys and passwords.
    rows, columns : the size of the table that was read.
    sha256 : of the file's bytes, 64 hex digits; of the rows in their order where there is no file.
    when : the moment of reading as the caller gave it, ISO text; "" when not given.
    read_as : the choices made on the way, such as "cp1252, separator ';'".
    cursor : where the next reading goes on: the last key, event or moment; "" when it starts anew.
    etag : the service's own fingerprint of its first page; "" when it gave none.
    """

    source: str
    rows: int
    columns: int
    sha256: str
    when: str = ""
    read_as: str = ""
    cursor: str = ""
    etag: str = ""


def sha256_of_rows(rows: Iterable[dict]) -> str:
    """Return the SHA-256 of rows in their order, whatever they were read from."""
    return sha256_of("\n".join(map(_WRITER.encode, rows)))


def object_table(rows: list[dict], columns: Iterable[str] = ()) -> pd.DataFrame:
    """Return rows as a table of plain Python values; nothing is cast, a missing key becomes None.

    Parameters
    ----------
    rows : one dict a row.
    columns : columns that come first, and that are there when `rows` is empty.

    Raises
    ------
    CannotExtract
        If the rows have so few keys in common that the table would be nearly empty and huge.

    Examples
    --------
    >>> object_table([{"id": 1}, {"id": "2", "name": "Dew"}]).to_dict("records")
    [{'id': 1, 'name': None}, {'id': '2', 'name': 'Dew'}]
    """
    shapes = dict.fromkeys(map(tuple, rows))
    names = list(dict.fromkeys(chain(columns, *shapes)))
    refuse_scattered(len(rows), len(names), sum(map(len, rows)))
    if list(shapes) == [tuple(names)]:
        cells = dict(zip(names, map(list, zip(*map(dict.values, rows), strict=True)), strict=True))
    else:
        cells = {name: [row.get(name) for row in rows] for name in names}
    return pd.DataFrame(cells, columns=names, index=pd.RangeIndex(len(rows)), dtype=object)


def refuse_scattered(rows: int, columns: int, filled: int) -> None:
    """Stop before rows that each have keys of their own become a table: it would fill the memory."""
    if rows * columns > _EMPTY_CELLS + _EMPTY_A_FILLED * filled:
        raise CannotExtract(
            f"rows with the same keys were expected; {rows:,} rows have {columns:,} different keys "
            f"between them, which would be a table of {rows * columns:,} cells for {filled:,} values. "
            "Their keys seem to be values: check that it is the right source."
        )
