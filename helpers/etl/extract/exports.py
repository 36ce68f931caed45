"""What leaves for a spreadsheet: cells that would run as formulas there are made harmless."""

from __future__ import annotations

import re

import pandas as pd
from pandas import DataFrame

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?%?")


def neutralized(table: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Put an apostrophe before cells and names that a spreadsheet would take for formulas.

    Readers keep `=cmd()` as the text it is, which harms nobody here. A spreadsheet runs it: so
    neutralize a table on its way out, and nowhere else. Numbers such as -3.5 are left alone.

    Returns
    -------
    The table to export, and what was changed: `row` (counted from 0; -1 for a column's name),
    `column`, `was`.

    Source
    ------
    OWASP, "CSV Injection", owasp.org/www-community/attacks/CSV_Injection.

    Examples
    --------
    >>> safe, changed = neutralized(DataFrame({"note": ["=1+1", "-3.5", "fine"]}))
    >>> safe["note"].tolist(), changed["was"].tolist()
    (["'=1+1", '-3.5', 'fine'], ['=1+1'])
    """
    changed = [(-1, name, name) for name in table.columns if _risky(name)]
    safe = {}
    for place, name in enumerate(table.columns):
        column = table.iloc[:, place]
        risky = [_risky(value) for value in column.tolist()]
        changed += [(row, name, column.iloc[row]) for row, is_one in enumerate(risky) if is_one]
        safe[place] = _guarded(column, risky) if any(risky) else column
    out = pd.DataFrame(safe, index=table.index)
    out.columns = [f"'{name}" if _risky(name) else name for name in table.columns]
    return out, DataFrame(changed, columns=["row", "column", "was"])


def _guarded(column, risky):
    values = [f"'{v}" if is_one else v for v, is_one in zip(column.tolist(), risky, strict=True)]
    kind = None if isinstance(column.dtype, pd.CategoricalDtype) else column.dtype
    return pd.Series(values, index=column.index, dtype=kind)


def _risky(value):
    """Return whether a spreadsheet would run a value."""
    if not isinstance(value, str):
        return False
    start = value.lstrip(" \u00a0")
    return start.startswith(_STARTS) and not _NUMBER.fullmatch(start.strip())
