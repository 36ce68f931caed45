"""Stage 3: rows that were delivered more than once: one row a key stays, by a rule."""

from __future__ import annotations

from collections.abc import Hashable

from pandas import DataFrame

from helpers.checks import require_columns


def merge_deliveries(
    table: DataFrame, key: str | list[str], newest: str | None = None
) -> DataFrame:
    """Merge rows that were delivered more than once: one row a key stays.

    The rule: the copy with the latest `newest` wins, for a system sends a row again after it was
    edited; without such a column, or when it is equal, the copy that arrived last wins. The row
    stays where its first copy stood, so the order of the table is kept. A row without a key is
    nobody's copy and stays.

    Parameters
    ----------
    table : rows in the order in which they arrived.
    key : the column or columns that name a row.
    newest : a column that tells which copy is younger; a gap counts as the oldest.

    Examples
    --------
    >>> table = DataFrame({"order_id": [1, 2, 1], "price_eur": [9.0, 5.0, 8.0], "sent": [2, 1, 1]})
    >>> merge_deliveries(table, "order_id")["price_eur"].tolist()
    [8.0, 5.0]
    >>> merge_deliveries(table, "order_id", newest="sent")["price_eur"].tolist()
    [9.0, 5.0]
    """
    keys = [key] if isinstance(key, str) else list(key)
    require_columns(table, "the deliveries", [*keys, *([newest] if newest else [])])
    numbered = table.reset_index(drop=True)
    names = numbered[keys].apply(_comparable)
    nameless = names.isna().any(axis=1)
    if not names.duplicated().any():
        return numbered
    ranked = numbered.sort_values(newest, kind="stable", na_position="first") if newest else numbered  # fmt: skip
    rows = ranked.index
    kept = rows[~names.loc[rows].duplicated(keep="last") | nameless.loc[rows]]
    number = numbered.index.to_series()
    first = number.groupby([names[one] for one in keys], sort=False, dropna=False).transform("min")
    place = first.where(~nameless, number)
    return numbered.loc[place.loc[kept].sort_values(kind="stable").index].reset_index(drop=True)


def _comparable(values):
    """Return a column in which lists and the like, which a careless system sends, stand as texts."""
    if values.dtype != object:
        return values
    return values.map(lambda one: one if isinstance(one, Hashable) else repr(one))


def differing_copies(table: DataFrame, key: str | list[str]) -> DataFrame:
    """Return the rows whose key comes again with other values: copies that contradict each other.

    Examples
    --------
    >>> table = DataFrame({"order_id": [1, 1, 2, 2], "price_eur": [9.0, 9.0, 5.0, 4.0]})
    >>> differing_copies(table, "order_id")["price_eur"].tolist()
    [5.0, 4.0]
    """
    keys = [key] if isinstance(key, str) else list(key)
    different = table.drop_duplicates()
    again = different.duplicated(keys, keep=False) & different[keys].notna().all(axis=1)
    return different[again]
