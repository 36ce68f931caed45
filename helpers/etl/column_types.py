"""Stage 3: the type that a column of plain values has, and what reading it changed."""

from __future__ import annotations

import json
from datetime import date, datetime

import pandas as pd
from pandas import DataFrame, Series


def typed(table: DataFrame) -> DataFrame:
    """Give columns of plain Python values the type that holds them; no value changes.

    A reader leaves a number a number and a text a text, in columns of any objects. A column that
    mixes them stays as it is: what the texts mean is for its cleaning to say. A list or an object
    of JSON in a cell becomes its text, which no rule takes for a number or a known word.

    Examples
    --------
    >>> table = DataFrame({"age": [31, None], "rating": [5, "4"], "on": [True, False]}, dtype=object)
    >>> typed(table).dtypes.astype(str).tolist()
    ['Int64', 'object', 'bool']
    """
    columns = [name for name in table.columns if table[name].dtype == object]
    return table.assign(**{name: _typed(table[name]) for name in columns})


def _typed(values):
    """Return a column of objects in the type of its values, if they are of one."""
    nested = values.map(lambda one: isinstance(one, (list, dict, tuple, set)))
    if nested.any():
        values = values.mask(nested, values[nested].map(lambda one: json.dumps(one, default=str)))
    kinds = {type(one) for one in values[values.notna()]}
    gaps = values.isna().any()
    if kinds and kinds <= {date, datetime}:
        return pd.to_datetime(values)
    if kinds == {int, float}:
        return values.astype("float64")
    dtypes = {bool: "boolean" if gaps else "bool", int: "Int64" if gaps else "int64",
              float: "float64", str: "str"}  # fmt: skip
    found = dtypes.get(kinds.pop()) if len(kinds) == 1 else None
    try:
        return values.astype(found) if found else values
    except OverflowError:  # a whole number beyond 64 bits: no id and no amount
        return values


def rewritten(written: Series, values: Series) -> Series:
    """Return where reading a column did more than to give all of it a type.

    Examples
    --------
    >>> rewritten(Series(["12", "1.058,5"]), Series([12.0, 1058.5])).tolist()
    [False, True]
    >>> rewritten(Series([4, "5"], dtype=object), Series([4.0, 5.0])).tolist()
    [False, True]
    """
    if values.dtype.kind == "M":
        read = pd.to_datetime(written, format="ISO8601", errors="coerce", utc=True)
        return read.dt.tz_localize(None) != values
    if values.dtype.kind not in "iuf":
        return written.astype("str").ne(values.astype("str"))
    if written.dtype == object:  # a text among numbers was mended, a number was none
        written = written.mask(written.map(lambda one: isinstance(one, str)), None)
    return pd.to_numeric(written, errors="coerce") != values
