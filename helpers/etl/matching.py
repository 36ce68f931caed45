"""Stage 3: rows that share no key with ours: matched by names, and never guessed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns, require_unique
from helpers.etl.parsing import spelling_key


def match_by_name(theirs: DataFrame, ours: DataFrame, on: Sequence[str], our_key: str) -> DataFrame:
    """Find for each row of another party the one row of ours that has the same names.

    Case, blanks and punctuation of a text do not count. A name that fits several of our rows, or
    that several of theirs claim, fits none: a guess would hang a score on the wrong product.

    Parameters
    ----------
    theirs : one row a thing that they describe; kept whole, in order, under its index.
    ours : one row a `our_key`, with the columns `on`.
    on : the columns to compare, under the same names in both, such as brand, line and size.
    our_key : the column that names our row.

    Returns
    -------
    `theirs` with `our_key` (a gap where there is no match) and `match`: "one", "several" or "none".
    A row with a gap in a column to compare matches none; so does a text without letters or digits.

    Raises
    ------
    ValueError
        If a column is missing, or `our_key` repeats.

    Examples
    --------
    >>> ours = DataFrame({"product_id": [7, 8, 9], "brand": ["Dew", "Dew", "Mist"], "line": ["Balm", "Balm", "Oil"]})
    >>> theirs = DataFrame({"brand": ["DEW", "MIST", "Fog"], "line": ["balm", "oil", "oil"]})
    >>> match_by_name(theirs, ours, ["brand", "line"], "product_id")[["product_id", "match"]].values.tolist()
    [[<NA>, 'several'], [9, 'one'], [<NA>, 'none']]
    """
    columns = list(on)
    require_columns(theirs, "their table", columns)
    require_columns(ours, "our table", [our_key, *columns])
    require_unique(ours, "our table", our_key)
    left, right = _compared(theirs, columns), _compared(ours, columns)
    right[our_key] = ours[our_key].to_numpy()
    counts = right.dropna(subset=columns).groupby(columns)[our_key].agg(["first", "size"])
    found = left.merge(counts, left_on=columns, right_index=True, how="left")
    size = found["size"].fillna(0).to_numpy()
    claimed = left.duplicated(columns, keep=False).to_numpy()
    match = np.select([size == 0, (size > 1) | claimed], ["none", "several"], "one")
    ids = found["first"].convert_dtypes().where(match == "one").set_axis(theirs.index)
    return theirs.assign(**{our_key: ids, "match": pd.array(match, dtype="str")})


def _compared(table, columns):
    """Return the columns as they are compared: texts without case and blanks, numbers as numbers."""
    parts = {}
    for name in columns:
        values = table[name].reset_index(drop=True)
        if pd.api.types.is_numeric_dtype(values):
            parts[name] = values.astype("float64")
        else:
            spelled = values.map(spelling_key, na_action="ignore")
            parts[name] = spelled.where(spelled.ne(""))
    return DataFrame(parts)
