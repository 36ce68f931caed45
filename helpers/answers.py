"""Answers of a learner: compared by content, quoted in one short line, sealed against a glance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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
    if hasattr(value, "tolist"):
        value = value.tolist()  # a NumPy number or a column, as plain Python writes it
    try:
        return shorten(one_line(repr(value)))
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
    want = want.tolist() if hasattr(want, "tolist") else want
    if isinstance(want, Mapping):
        alike = isinstance(got, Mapping) and set(got) == set(want)
        return alike and all(same(got[key], value) for key, value in want.items())
    if isinstance(want, (set, frozenset)):
        return isinstance(got, Iterable) and not isinstance(got, str) and set(got) == set(want)
    if isinstance(want, (list, tuple)):
        if isinstance(got, (str, Mapping)) or not isinstance(got, Iterable):
            return False
        got = list(got)
        return len(got) == len(want) and all(map(same, got, want))
    got = got.item() if hasattr(got, "item") and not getattr(got, "ndim", 0) else got
    if isinstance(want, bool) or isinstance(got, bool):
        return got is want
    if isinstance(want, float) and isinstance(got, Real):
        return math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-9)
    return isinstance(got, (type(want), Real)) and got == want


def row_contents(table, columns):
    """Return the rows of a table as tuples that compare by content."""
    return [tuple(map(_plain, row)) for row in table[columns].itertuples(index=False, name=None)]


def _plain(value):
    """Return a table's value so that 1, 1.0 and NumPy's 1 are the same, and so are all gaps."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, Real):
        return None if math.isnan(value) else float(f"{value:.9g}")
    return None if value is None or value != value else value
