"""JSON as the standard has it: no NaN, no key twice, no endless nesting."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any


class BadJson(ValueError):
    """A text is no JSON; the message says why."""


def parsed(text: str, depth: int = 40) -> Any:
    """Return the value of a JSON text, or say why it has none.

    Parameters
    ----------
    text : one JSON value.
    depth : levels of lists and objects, at most.

    Raises
    ------
    BadJson
        For what the standard refuses (NaN, Infinity, a comma too many) and for what cannot be
        kept faithfully: a key twice in an object, a number beyond any float, half a character.

    Examples
    --------
    >>> parsed('{"id": 1, "tags": ["new"]}')
    {'id': 1, 'tags': ['new']}
    >>> parsed('{"id": 1, "id": 2}')
    Traceback (most recent call last):
    helpers.etl.extract.strict_json.BadJson: the key 'id' comes twice
    """
    try:
        value = json.loads(
            text, parse_constant=_constant, parse_float=_number, object_pairs_hook=_object
        )
    except RecursionError:
        raise BadJson(f"it is nested deeper than {depth} levels") from None
    except BadJson:
        raise
    except ValueError as error:  # also a whole number of thousands of digits
        raise BadJson(str(error)) from None
    if text.count("[") + text.count("{") > depth and _deeper_than(value, depth):
        raise BadJson(f"it is nested deeper than {depth} levels")
    if "\\u" in text and _half_a_character(value):
        raise BadJson("it holds half a character, such as \\ud800")
    return value


def parsed_object(text: str, depth: int = 40) -> dict:
    """Return the object of a JSON text; see `parsed`.

    Examples
    --------
    >>> parsed_object('[1]')
    Traceback (most recent call last):
    helpers.etl.extract.strict_json.BadJson: it is a list and no object
    """
    value = parsed(text, depth)
    if not isinstance(value, dict):
        kind = "list" if isinstance(value, list) else type(value).__name__
        raise BadJson(f"it is a {kind} and no object")
    return value


def _constant(word):
    raise BadJson(f"{word} is no JSON number")


def _number(text):
    number = float(text)
    if not math.isfinite(number):
        raise BadJson(f"the number {text[:40]} is too large")
    return number


def _object(pairs):
    made = dict(pairs)
    if len(made) != len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise BadJson(f"the key {twice[:40]!r} comes twice")
    return made


def _inner(value):
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _deeper_than(value, depth):
    """Return whether lists and objects are nested more than `depth` levels."""
    level = [value]
    for _ in range(depth):
        level = [one for outer in level for one in _inner(outer) if isinstance(one, dict | list)]
        if not level:
            return False
    return True


def _half_a_character(value):
    """Return whether a text in the value cannot be written."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
