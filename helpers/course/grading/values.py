"""Plain values as text and back: what may cross from a submission to its examiner.

Numbers, text, dates, containers, arrays and tables travel by value; an `Enum` or a dataclass of
`helpers` by its name and fields. Anything else stays where it is and is only named. Reading never
runs code of the writer: every form is listed here, and the classes are our own.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import importlib
import re
import sys
from collections.abc import Callable
from enum import Enum
from typing import Any

_SCALARS = (bool, str, float)
_CONTAINERS = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
_MAKERS = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_NUMPY_TYPE = re.compile(r"[<>|=]?[biufcmMSU]\d+(\[\d*[a-zA-Zμ]+\])?")
_TABLE_TYPE = re.compile(
    r"str|string|boolean|U?Int\d+|Float\d+|(datetime64|timedelta64|period)\[[\w, /+:-]+\]"
)
_SAFE_INT = 2**63


class NotPlain(ValueError):
    """A text does not describe a plain value."""


def encode(value: Any, keep: Callable[[Any], list]) -> Any:
    """Return `value` as a tree that JSON can hold.

    Parameters
    ----------
    value : anything.
    keep : called with what cannot travel; returns the list that stands for it.

    Examples
    --------
    >>> encode((1, "a"), keep=lambda value: ["kept"])
    ['tuple', [1, 'a']]
    >>> encode([len], keep=lambda value: ["kept"])
    ['list', [['kept']]]
    """
    kind = type(value)
    if value is None or kind in _SCALARS:
        return value
    if kind is int:
        return value if -_SAFE_INT < value < _SAFE_INT else ["int", hex(value)]
    if kind in _CONTAINERS:
        return [_CONTAINERS[kind], [encode(one, keep) for one in value]]
    if isinstance(value, dict) and kind.__module__ in {"builtins", "collections"}:
        return ["dict", [[encode(key, keep), encode(one, keep)] for key, one in value.items()]]
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return ["tuple", [encode(one, keep) for one in value]]
    found = _encode_standard(value, kind, keep) or _encode_array(value, keep)
    return found or _encode_table(value, keep) or keep(value)


def _encode_standard(value, kind, keep):
    """Encode a value of the standard library, or one of ours."""
    if value is ...:
        return ["ellipsis"]
    if kind is range:
        return ["list", list(value)] if len(value) < 10_000_000 else None
    if kind in (bytes, bytearray):
        return ["bytes", _text_of(value)]
    if kind is complex:
        return ["complex", value.real, value.imag]
    if kind in (datetime.datetime, datetime.date, datetime.time):
        return [kind.__name__, value.isoformat()]
    if kind is datetime.timedelta:
        return ["timedelta", value.days, value.seconds, value.microseconds]
    if kind is decimal.Decimal:
        return ["decimal", str(value)]
    if kind.__module__.startswith("helpers."):
        if isinstance(value, Enum):
            return ["enum", kind.__module__, kind.__qualname__, value.name]
        if dataclasses.is_dataclass(value):
            fields = [field.name for field in dataclasses.fields(value) if field.init]
            pairs = [[name, encode(getattr(value, name), keep)] for name in fields]
            return ["record", kind.__module__, kind.__qualname__, pairs]
    return None


def _encode_array(value, keep):
    """Encode a NumPy scalar or array."""
    np = sys.modules.get("numpy")
    if np is None or not isinstance(value, np.ndarray | np.generic):
        return None
    array = np.asarray(value)
    if array.dtype.kind == "O":
        return ["objects", list(array.shape), [encode(one, keep) for one in array.ravel()]]
    if not _NUMPY_TYPE.fullmatch(array.dtype.str):
        return None
    tag = "number" if isinstance(value, np.generic) else "array"
    return [tag, array.dtype.str, list(array.shape), _text_of(np.ascontiguousarray(array))]


def _encode_table(value, keep):
    """Encode what pandas holds: tables, columns, indexes and moments."""
    pd = sys.modules.get("pandas")
    if pd is None:
        return None
    if value is pd.NaT or value is pd.NA:
        return ["NaT" if value is pd.NaT else "NA"]
    if isinstance(value, pd.Timestamp | pd.Timedelta):
        return ["stamp" if isinstance(value, pd.Timestamp) else "span", value.isoformat()]
    if isinstance(value, pd.MultiIndex):
        names = [encode(name, keep) for name in value.names]
        levels = [_column(value.get_level_values(i), keep) for i in range(value.nlevels)]
        return ["multi", names, levels]
    if isinstance(value, pd.Index):
        return ["index", encode(value.name, keep), _column(value, keep)]
    if isinstance(value, pd.Series):
        return ["series", encode(value.name, keep), encode(value.index, keep), _column(value, keep)]
    if isinstance(value, pd.DataFrame):
        columns = [_column(value.iloc[:, i], keep) for i in range(value.shape[1])]
        return ["frame", encode(value.columns, keep), encode(value.index, keep), columns]
    return None


def _column(values, keep):
    """Encode the values of a column or index with their type."""
    pd = sys.modules["pandas"]
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = pd.Categorical(values)
        ends = [encode(codes.categories, keep), encode(codes.codes, keep)]
        return ["category", *ends, bool(codes.ordered)]
    plain = _encode_array(values.to_numpy(), keep) if values.dtype.kind in "biufcmM" else None
    if plain and _NUMPY_TYPE.fullmatch(getattr(values.dtype, "str", "")):
        return plain
    listed = [encode(one, keep) for one in values]
    name = str(values.dtype)
    return ["column", name if _TABLE_TYPE.fullmatch(name) else "object", listed]


def _text_of(buffer):
    """Return bytes as text."""
    return base64.b64encode(buffer).decode("ascii")


def decode(tree: Any, fetch: Callable[[list], Any]) -> Any:
    """Return the value that `tree` describes.

    Parameters
    ----------
    tree : from `encode`, or from somebody who only claims so.
    fetch : called with a list of an unknown form; returns what it stands for or raises.

    Raises
    ------
    NotPlain
        If the tree is none of the known forms.

    Examples
    --------
    >>> decode(["tuple", [1, ["bytes", "YQ=="]]], fetch=lambda form: None)
    (1, b'a')
    """
    if tree is None or isinstance(tree, bool | str | int | float):
        return tree
    if not (isinstance(tree, list) and tree and isinstance(tree[0], str)):
        raise NotPlain(f"a plain value was expected, but got {str(tree)[:60]}.")
    tag, rest = tree[0], tree[1:]
    try:
        if tag in _MAKERS:
            return _MAKERS[tag](decode(one, fetch) for one in rest[0])
        if tag in _PARTS:
            return _PARTS[tag](*rest)
        if tag in _TREES:
            return _TREES[tag](*rest, fetch=fetch)
    except NotPlain:
        raise
    except Exception as error:  # whatever a forged text does to a reader
        raise NotPlain(f"a {tag} was expected, but it cannot be read: {error}") from error
    return fetch(tree)


def _ours(module, name):
    """Return a class of `helpers` by its name."""
    if not re.fullmatch(r"helpers(\.\w+)+", module) or module.startswith("helpers.course"):
        raise NotPlain(f"{module} is no module of helpers.")
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, type):
        raise NotPlain(f"{module} has no class {name}.")
    return found


def _read_enum(module, name, member):
    kind = _ours(module, name)
    if not issubclass(kind, Enum):
        raise NotPlain(f"{name} is no Enum.")
    return kind[member]


def _read_record(module, name, pairs, fetch):
    kind = _ours(module, name)
    if not dataclasses.is_dataclass(kind):
        raise NotPlain(f"{name} is no dataclass.")
    return kind(**{field: decode(one, fetch) for field, one in pairs})


def _read_array(kind, shape, text):
    import numpy as np

    if not _NUMPY_TYPE.fullmatch(kind):
        raise NotPlain(f"{kind!r} is no type of numbers.")
    return np.frombuffer(base64.b64decode(text), dtype=np.dtype(kind)).reshape(shape).copy()


def _read_objects(shape, items, fetch):
    import numpy as np

    array = np.empty(len(items), dtype=object)
    for place, one in enumerate(items):
        array[place] = decode(one, fetch)
    return array.reshape(shape)


def _read_column(kind, items, fetch):
    if kind == "object":
        return _read_objects([len(items)], items, fetch)
    if not _TABLE_TYPE.fullmatch(kind):
        raise NotPlain(f"{kind!r} is no type of a column.")
    return _pandas().array([decode(one, fetch) for one in items], dtype=kind)


def _pandas():
    """Return pandas, which is loaded by the first table that comes."""
    import pandas

    return pandas


def _read_frame(names, index, columns, fetch):
    pd, index = _pandas(), decode(index, fetch)
    made = {i: pd.Series(decode(one, fetch), index=index) for i, one in enumerate(columns)}
    table = pd.DataFrame(made, index=index)
    table.columns = decode(names, fetch)
    return table


# Of each form: what its parts are, and how to read them; forms with other trees inside fetch.
_PARTS: dict[str, Callable] = {
    "int": lambda text: int(text, 16),
    "ellipsis": lambda: ...,
    "bytes": base64.b64decode,
    "complex": complex,
    "datetime": datetime.datetime.fromisoformat,
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": datetime.timedelta,
    "decimal": decimal.Decimal,
    "enum": _read_enum,
    "number": lambda kind, shape, text: _read_array(kind, shape, text)[()],
    "array": _read_array,
    "stamp": lambda text: _pandas().Timestamp(text),
    "span": lambda text: _pandas().Timedelta(text),
    "NaT": lambda: _pandas().NaT,
    "NA": lambda: _pandas().NA,
}
_TREES: dict[str, Callable] = {
    "dict": lambda pairs, fetch: {decode(k, fetch): decode(one, fetch) for k, one in pairs},
    "record": _read_record,
    "objects": _read_objects,
    "column": _read_column,
    "category": lambda levels, codes, ordered, fetch: _pandas().Categorical.from_codes(
        decode(codes, fetch), decode(levels, fetch), ordered=bool(ordered)
    ),
    "index": lambda name, values, fetch: _pandas().Index(
        decode(values, fetch), name=decode(name, fetch)
    ),
    "multi": lambda names, levels, fetch: _pandas().MultiIndex.from_arrays(
        [decode(one, fetch) for one in levels], names=[decode(name, fetch) for name in names]
    ),
    "series": lambda name, index, values, fetch: _pandas().Series(
        decode(values, fetch), index=decode(index, fetch), name=decode(name, fetch)
    ),
    "frame": _read_frame,
}
