"""Where a table came from: enough to fetch it again, to go on from there, and to notice a change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import pandas as pd

from helpers.files import sha256_of

_WRITER = json.JSONEncoder(default=str, sort_keys=True)
_EMPTY_CELLS = 5_000_000  # that any table may have
_EMPTY_A_FILLED = 20  # and beyond those, for each cell that is filled


@dataclass(frozen=True)
class Provenance:
    """Where a table came from: enough to fetch it again and to notice that it changed.

    Attributes
    ----------
    source : the file's name.
    rows, columns : the size of the table that was read.
    sha256 : fingerprint of the bytes read, 64 hex digits.
    """

    source: str
    rows: int
    columns: int
    sha256: str


@dataclass(frozen=True)
class Origin(Provenance):
    """A provenance that also tells when the source was read, how, and where to go on.

    Attributes
    ----------
    source : the file's name, the database's table or the address, without keys and passwords.
    sha256 : of the file's bytes; of the rows in their order where there is no file.
    when : the moment of reading as the caller gave it, ISO text; "" when not given.
    read_as : the choices made on the way, such as "cp1252, separator ';'".
    cursor : where the next reading goes on: the last key, event or moment; "" when it starts anew.
    etag : the service's own fingerprint of its first page; "" when it gave none.
    """

    when: str = ""
    read_as: str = ""
    cursor: str = ""
    etag: str = ""


def sha256_of_rows(rows: Iterable[dict]) -> str:
    """Return the SHA-256 of rows in their order, whatever they were read from.

    Examples
    --------
    >>> sha256_of_rows([{"id": 1}]) == sha256_of_rows([{"id": 1}])
    True
    >>> sha256_of_rows([{"id": 1}]) == sha256_of_rows([{"id": "1"}])
    False
    """
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
    """Stop before a table is made of rows that each have keys of their own: it would fill the memory.

    Parameters
    ----------
    filled : the values that there are for all cells.

    Raises
    ------
    CannotExtract
        If cells without a value outnumber the others by far.

    Examples
    --------
    >>> refuse_scattered(20_000, 20_000, filled=20_000)
    Traceback (most recent call last):
    helpers.etl.extract.accounts.CannotExtract: rows with the same keys were expected; 20,000 rows have 20,000 \
different keys between them, which would be a table of 400,000,000 cells for 20,000 values. Their keys seem to be \
values: check that it is the right source.
    """
    if rows * columns > _EMPTY_CELLS + _EMPTY_A_FILLED * filled:
        from helpers.etl.extract.accounts import CannotExtract  # which is built on this module

        raise CannotExtract(
            f"rows with the same keys were expected; {rows:,} rows have {columns:,} different keys "
            f"between them, which would be a table of {rows * columns:,} cells for {filled:,} values. "
            "Their keys seem to be values: check that it is the right source."
        )
