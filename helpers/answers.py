"""Answers of a learner: compared by content, quoted in one short line, sealed against a glance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Real

from helpers.files import sha256_of

_LONGEST = 80  # characters of a value that a hint quotes
_SEAL = "sealed:"


def seal(answer: object, item: str = "") -> str:
    """Return a fingerprint of a text answer, so that a check need not show it.

    A check can be opened and read. Where the wanted value *is* the answer (which stage, which
    letter), give its seal instead: `Check.items`, `Check.order` and `Check.choice` take both.

    Parameters
    ----------
    answer : the text, or what has a `title`, such as a `helpers.lifecycle.Stage`.
    item : what the answer belongs to, so that equal answers have different seals.

    Examples
    --------
    >>> seal("Data Collection", "B")
    'sealed:9158b2a20a'
    >>> from helpers.lifecycle import Stage
    >>> seal("data  collection", "B") == seal(Stage.DATA_COLLECTION, "B")
    True
    """
    return _SEAL + sha256_of(f"{item}|{words(answer)}")[:10]


def show_value(value: object) -> str:
    """Return a value as a hint quotes it: one short line, a table by its size and columns.

    Examples
    --------
    >>> show_value([0.5, "a"]), show_value(None)
    ("[0.5, 'a']", 'nothing (None)')
    """
    if value is None:
        return "nothing (None)"
    if hasattr(value, "columns") and hasattr(value, "shape"):
        names = ", ".join(map(str, value.columns))
        return shorten(f"a table with {len(value)} row(s) and the columns {names}")
    try:
        return shorten(one_line(repr(plain(value))))
    except Exception:  # a learner's class may not be printable
        return f"an object of {type(value).__name__}"


def one_line(text):
    """Join lines and runs of spaces."""
    return " ".join(str(text).split())


def shorten(text):
    """Shorten a text that is too long to be read at a glance."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def words(answer):
    """Return a text answer by its words: no capitals, single spaces, `and` for `&`."""
    if answer is None:
        return show_value(answer)  # which is not the text "None"
    # Not isinstance(answer, Stage): importing it brings pandas, and the first check would wait.
    title = getattr(answer, "title", None)
    text = title if isinstance(title, str) else str(answer)
    return " ".join(text.replace("&", " and ").casefold().split())


def is_right(answer, right, item):
    """Whether an answer is the right one, one of the right ones, or has the right seal."""
    if isinstance(right, (set, frozenset)):
        return any(is_right(answer, one, item) for one in right)
    if isinstance(right, str) and right.startswith(_SEAL):
        return seal(answer, item) == right
    if isinstance(right, str):
        return words(answer) == words(right)
    return same(answer, right)


def same(got, want):
    """Whether two values are equal, whatever container they come in."""
    if got is None or want is None:
        return got is want  # an answer of its own, and what a forgotten return gives
    return _same_inside(got, want)


def _same_inside(got, want):
    """Whether two values in a container are equal; there, None is a gap like any other."""
    got, want = plain(got), plain(want)
    if is_gap(got) or is_gap(want):
        return is_gap(got) and is_gap(want)
    if isinstance(want, Mapping):
        alike = isinstance(got, Mapping) and set(got) == set(want)
        return alike and all(_same_inside(got[key], value) for key, value in want.items())
    if isinstance(want, (set, frozenset, list, tuple)):
        if isinstance(got, (str, Mapping)) or hasattr(got, "columns"):
            return False
        return isinstance(got, Iterable) and _same_items(got, want)
    if isinstance(got, bool) or isinstance(want, bool):
        return got is want
    if is_number(got) and is_number(want):
        return same_number(got, want, share=1e-12, least=1e-9)
    alike = isinstance(got, type(want)) or isinstance(want, type(got))
    return alike and bool(got == want)


def _same_items(got, want):
    """Whether what is in two containers is equal: of a set in any order and any number of times."""
    if isinstance(want, (set, frozenset)):
        ours, theirs = (
            [(one,) for one in {_key(one): one for one in side}.values()] for side in (got, want)
        )
        return len(ours) == len(theirs) and first_stray(ours, theirs) is None
    got = list(got)
    return len(got) == len(want) and all(map(_same_inside, got, want))


def plain(value):
    """Return what NumPy and pandas hold as Python writes it: a number, a moment, a list."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind in ("m", "M") and type(value).__module__ == "numpy":
        import pandas as pd  # here, for NumPy itself would give a number of nanoseconds

        return plain(pd.Series(value)) if value.ndim else pd.Series([value]).tolist()[0]
    return value.tolist() if hasattr(value, "tolist") else value


def is_gap(value):
    """Whether a value is a gap as pandas has them: None, NaN, NaT or NA."""
    nan = isinstance(value, (Real, Decimal)) and value != value
    return value is None or nan or type(value).__name__ in ("NaTType", "NAType")


def is_number(value):
    """Whether a value is a number; a flag is none."""
    return isinstance(value, (Real, Decimal)) and not isinstance(value, bool)


def same_number(got, want, share, least):
    """Whether two numbers are equal: whole ones exactly, others up to `share`, or to `least`.

    A whole number may be an id, where the last digit counts. From 2**64 on no id is that long, and
    every float is whole.
    """
    if _is_whole(got) and _is_whole(want):
        # A float holds an id of more than 16 digits only roughly: it can ask for no more.
        return float(got) == want if isinstance(want, float) else got == want
    return math.isclose(got, want, rel_tol=share, abs_tol=least)


def _is_whole(number):
    """Whether a number is whole, and not only because it is large."""
    return isinstance(number, int) or (abs(number) < 2**64 and number == number // 1)


def first_stray(rows, others):
    """Return the first of the rows that has no equal of its own among the others; None if none is."""
    open_keys = Counter(tuple(map(_key, other)) for other in others)
    doubtful, free = [], []
    for side, kept in ((rows, doubtful), (others, free)):
        for row in side:
            key = tuple(map(_key, row))
            taken = open_keys[key] > 0
            open_keys[key] -= taken
            if taken == (kept is free):
                kept.append(row)
    for row in doubtful:
        partner = next((n for n, one in enumerate(free) if all(map(_same_inside, row, one))), None)
        if partner is None:
            return row
        del free[partner]
    return None


def _key(value):
    """Return what is equal for equal values, but for a last digit that is rounded the other way."""
    value = plain(value)
    if is_gap(value):
        return None
    if isinstance(value, bool):
        return "flag", value
    if is_number(value):
        if _is_whole(value):
            return value
        return float(f"{value:.12g}") if abs(value) > 1e-9 else 0
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value
