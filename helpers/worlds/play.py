"""What the worlds share: the error for a month that cannot be played, what they refuse alike, and
SHA-256 of tables."""

from __future__ import annotations

import hashlib

import numpy as np
from pandas import DataFrame

MONTHS = 12


class CannotPlay(ValueError):
    """A month cannot be played: what was expected, what came, what to do.

    Examples
    --------
    >>> raise CannotPlay("month counts from 1 to 12; got 13: play months 1 to 12, in order.")
    Traceback (most recent call last):
    helpers.worlds.play.CannotPlay: month counts from 1 to 12; got 13: play months 1 to 12, in order.
    """


def plainly(value: object) -> str:
    """Return a value as a message shows it: a NumPy number as the plain number that it is.

    Examples
    --------
    >>> plainly(np.int64(2)), plainly(np.float64("nan")), plainly("2")
    ('2', 'nan', "'2'")
    """
    return repr(value.item() if isinstance(value, np.generic) else value)


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number and no flag.

    Examples
    --------
    >>> is_whole(np.int64(2)), is_whole(2.0), is_whole(True)
    (True, False, False)
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def require_month(month: object) -> None:
    """Stop unless `month` is a whole number from 1 to 12.

    Raises
    ------
    CannotPlay
        If it is not.

    Examples
    --------
    >>> require_month(12)
    """
    if not is_whole(month) or not 1 <= month <= MONTHS:
        raise CannotPlay(
            f"month has to be a whole number from 1 to {MONTHS}; got {plainly(month)}: "
            f"play months 1 to {MONTHS}, in order."
        )


def require_function(found: object, name: str, example: str) -> None:
    """Stop unless `found`, the argument `name`, can be called; `example` is one that can.

    Raises
    ------
    CannotPlay
        If it cannot be called.

    Examples
    --------
    >>> require_function(len, "decide", "at_random")
    """
    if not callable(found):
        raise CannotPlay(
            f"{name} has to be a function, which the world calls; got a "
            f"{type(found).__name__}: pass one, for instance {example}."
        )


def require_world(world: object, kind: type) -> None:
    """Stop unless `world` is of the kind whose truth is asked for.

    Raises
    ------
    CannotPlay
        If it is something else.

    Examples
    --------
    >>> require_world("a world", str)
    """
    if not isinstance(world, kind):
        raise CannotPlay(
            f"{kind.__name__}Truth tells of a world of type {kind.__name__}; got one of type "
            f"{type(world).__name__}: pass such a world, or take the other truth."
        )


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
