"""The values of a database's columns: each is of its column's kind, or it is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import sqlalchemy as sa


def reader_of(kind: sa.types.TypeEngine) -> tuple[Callable, str]:
    """Return what reads a value of a column's kind, or raises when it is none, and the kind's name.

    Examples
    --------
    >>> read, kind = reader_of(sa.Date())
    >>> read("2024-09-01"), kind
    (datetime.date(2024, 9, 1), 'a date')
    """
    return next((found[1:] for found in _KINDS if isinstance(kind, found[0])), (_as_it_is, ""))


def _as_it_is(value):
    return value


def _flag(value):
    return _one_of(value in (0, 1) and not isinstance(value, str), bool, value)


def _moment(value):
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _day(value):
    return value if isinstance(value, date) else date.fromisoformat(value)


def _whole(value):
    return _one_of(type(value) is int, int, value)


def _number(value):
    return _one_of(not isinstance(value, str | bytes | bool), float, value)


def _text(value):
    return _one_of(isinstance(value, str), str, value)


def _one_of(fits, make, value):
    """Return a value as it should be; nothing is rounded and nothing guessed."""
    if not fits:
        raise ValueError(value)
    return make(value)


_KINDS = (
    (sa.Boolean, _flag, "a yes or no"), (sa.DateTime, _moment, "a moment"), (sa.Date, _day, "a date"),
    (sa.Integer, _whole, "a whole number"), ((sa.Numeric, sa.Float), _number, "a number"),
    (sa.String, _text, "a text"),
)  # fmt: skip
