"""Where a table came from: enough to fetch it again, to go on from there, and to notice a change."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from helpers.files import sha256_of


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
    return sha256_of("\n".join(json.dumps(row, default=str, sort_keys=True) for row in rows))


def object_table(rows: list[dict], columns: Iterable[str] = ()) -> pd.DataFrame:
    """Return rows as a table of plain Python values; nothing is cast, a missing key becomes None.

    Parameters
    ----------
    rows : one dict a row.
    columns : columns that come first, and that are there when `rows` is empty.

    Examples
    --------
    >>> object_table([{"id": 1}, {"id": "2", "name": "Dew"}]).to_dict("records")
    [{'id': 1, 'name': None}, {'id': '2', 'name': 'Dew'}]
    """
    names = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    cells = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names}
    return pd.DataFrame(cells, columns=names, index=pd.RangeIndex(len(rows)))
