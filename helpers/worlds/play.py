"""What the worlds share: the error for a month that cannot be played, and SHA-256 of tables."""

from __future__ import annotations

import hashlib

from pandas import DataFrame


class CannotPlay(ValueError):
    """A month cannot be played: what was expected, what came, what to do.

    Examples
    --------
    >>> raise CannotPlay("month counts from 1 to 12; got 13: play months 1 to 12, in order.")
    Traceback (most recent call last):
    helpers.worlds.play.CannotPlay: month counts from 1 to 12; got 13: play months 1 to 12, in order.
    """


def table_hashes(tables: dict[str, DataFrame]) -> dict[str, str]:
    r"""Return the SHA-256 of each table, so that two runs can be compared byte by byte.

    Hashed is the CSV text (UTF-8, `\n`, numbers as Python writes them) under a line of column
    names and types; the index is left out.

    Examples
    --------
    >>> table_hashes({"one": DataFrame({"month": [1]})})["one"][:8]
    '96576669'
    """
    return {name: _hash(table) for name, table in tables.items()}


def _hash(table):
    types = ",".join(f"{column}:{kind}" for column, kind in table.dtypes.items())
    text = types + "\n" + table.to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
