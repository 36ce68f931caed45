"""Stage 3: bring tables together: checked joins, renamed columns, one schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl.storing import kind_of

CARDINALITIES = ("one-to-one", "many-to-one", "one-to-many")


def check_cardinality(
    left: DataFrame, right: DataFrame, on: str | Sequence[str], cardinality: str
) -> None:
    """Stop unless the keys of two tables meet as expected.

    Parameters
    ----------
    on : the key column or columns, under the same name in both tables.
    cardinality : "one-to-one", "many-to-one" (orders to customers) or "one-to-many".

    Raises
    ------
    ValueError
        If a key that should come once comes again (several gaps, too); with counts and the first.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1]})
    >>> customers = DataFrame({"customer_id": [1, 1]})
    >>> check_cardinality(orders, customers, "customer_id", "many-to-one")
    Traceback (most recent call last):
    ValueError: many-to-one was expected, so each customer_id comes once in the right table; but 1 of \
its 1 key(s) come(s) again, the first being 1 (2 times). The join would make 4 rows of 2. Merge the \
repeats first, or join on more columns.
    """
    if cardinality not in CARDINALITIES:
        raise ValueError(f"cardinality is one of {', '.join(CARDINALITIES)}; got {cardinality!r}.")
    keys = [on] if isinstance(on, str) else list(on)
    require_columns(left, "the left table", keys)
    require_columns(right, "the right table", keys)
    before, _, after = cardinality.partition("-to-")
    for side, table, many in [("left", left, before), ("right", right, after)]:
        counts = table.groupby(keys, dropna=False, sort=False).size()
        again = counts[counts > 1]
        if many == "one" and len(again):
            rows = len(left[keys].merge(right[keys], on=keys, how="left"))
            raise ValueError(
                f"{cardinality} was expected, so each {', '.join(keys)} comes once in the {side} "
                f"table; but {len(again):,} of its {len(counts):,} key(s) come(s) again, the first "
                f"being {again.index[0]} ({again.iloc[0]:,} times). The join would make {rows:,} "
                f"rows of {len(left):,}. Merge the repeats first, or join on more columns."
            )


def join(
    left: DataFrame,
    right: DataFrame,
    on: str | Sequence[str],
    cardinality: str = "many-to-one",
    unmatched: str = "keep",
) -> DataFrame:
    """Join two tables on a key that is checked first; the rows of `left` keep their order.

    Parameters
    ----------
    cardinality : see `check_cardinality`.
    unmatched : "keep" leaves gaps where the right table knows nothing, "refuse" stops.

    Returns
    -------
    Every row of `left` (once, but for "one-to-many"), with the columns of `right`.

    Raises
    ------
    ValueError
        If the cardinality is broken, the keys are texts on one side and numbers on the other, a
        column would come twice, or rows have no match and `unmatched` is "refuse" (or neither of the
        two).

    Examples
    --------
    >>> orders = DataFrame({"order_id": [7, 8], "customer_id": [2, 1]})
    >>> join(orders, DataFrame({"customer_id": [1, 2], "age": [31, 40]}), "customer_id")["age"].tolist()
    [40, 31]
    """
    if unmatched not in ("keep", "refuse"):
        raise ValueError(f"unmatched is 'keep' or 'refuse'; got {unmatched!r}.")
    check_cardinality(left, right, on, cardinality)
    keys = [on] if isinstance(on, str) else list(on)
    both = [name for name in right.columns if name in left.columns and name not in keys]
    if both:
        raise ValueError(
            f"Both tables have the column(s) {', '.join(map(str, both))}, so which one is meant is "
            "unknown. Rename or drop one, or settle it with resolve_conflicts."
        )
    for key in keys:
        ours, theirs = kind_of(left[key]), kind_of(right[key])
        if ours and theirs and ours != theirs:
            raise ValueError(
                f"{key} holds {ours} in the left table and {theirs} in the right one, so nothing would "
                "meet. Bring both to one type first."
            )
    named = right.loc[right[keys].notna().all(axis=1)]  # a gap names nothing, so it joins nothing
    joined = left.merge(named, on=keys, how="left", indicator="_found")
    lost = joined["_found"].eq("left_only")
    if unmatched == "refuse" and lost.any():
        first = joined.loc[lost, keys].iloc[0].tolist()
        raise ValueError(
            f"{int(lost.sum()):,} of {len(left):,} row(s) find no match on {', '.join(keys)}, the "
            f"first being {first}. Load the missing rows, or join with unmatched='keep'."
        )
    joined = joined.drop(columns="_found")
    return joined.set_axis(left.index) if len(joined) == len(left) else joined


def rename(table: DataFrame, names: Mapping[str, str], of: str = "the table") -> DataFrame:
    """Return the table under our names; a name that is not there, or there twice, stops it.

    Examples
    --------
    >>> rename(DataFrame({"maker": ["Dew"]}), {"maker": "brand"}).columns.tolist()
    ['brand']
    """
    require_columns(table, of, names)
    taken = [new for old, new in names.items() if new in table.columns and new not in names and new != old]  # fmt: skip
    if taken:
        raise ValueError(f"{of} has {', '.join(taken)} already; a rename would make it twice. Drop one.")  # fmt: skip
    return table.rename(columns=dict(names))


def unify_versions(
    rows: Sequence[Mapping], versions: Mapping[int, Mapping[str, str]], version: str = "v"
) -> DataFrame:
    """Return records that were written under several versions of a schema under one.

    Parameters
    ----------
    rows : records; the key `version` tells each one's version, 1 where it is missing.
    versions : for each version, the new names of its keys; a key without one keeps its name.

    Raises
    ------
    ValueError
        If a record is of a version without an entry.

    Examples
    --------
    >>> rows = [{"event_id": 1, "at": "09:00"}, {"v": 2, "id": 2, "ts": "10:00"}]
    >>> unify_versions(rows, {1: {}, 2: {"id": "event_id", "ts": "at"}}).to_numpy().tolist()
    [[1, '09:00'], [2, '10:00']]
    """
    unknown = sorted({str(row.get(version, 1)) for row in rows if row.get(version, 1) not in list(versions)})  # fmt: skip
    if unknown:
        raise ValueError(
            f"Records of version(s) {', '.join(unknown)} were found; known are "
            f"{', '.join(map(str, versions))}. Add the names of the new version."
        )
    return DataFrame([{versions[row.get(version, 1)].get(key, key): value for key, value in row.items() if key != version} for row in rows])  # fmt: skip


def one_schema(
    tables: Mapping[str, DataFrame],
    names: Mapping[str, Mapping[str, str]],
    units: Mapping[str, Mapping[str, Callable]] | None = None,
    columns: Sequence[str] | None = None,
) -> DataFrame:
    """Stack tables of several sources under one schema, with a column `source`.

    Parameters
    ----------
    tables : source -> table.
    names : source -> its renames, theirs to ours.
    units : source -> our column -> a function of the column, such as cents to euro.
    columns : our columns; each source must have all of them after the renames.

    Examples
    --------
    >>> till = DataFrame({"price_eur": [5.0]})
    >>> web = DataFrame({"amount": [1250]})
    >>> one_schema({"till": till, "web": web}, {"web": {"amount": "price_eur"}},
    ...            {"web": {"price_eur": lambda cents: cents / 100}}, ["price_eur"]).to_numpy().tolist()
    [['till', 5.0], ['web', 12.5]]
    """
    parts = []
    for source, table in tables.items():
        part = rename(table, names.get(source, {}), source)
        wanted = list(columns) if columns is not None else list(part.columns)
        require_columns(part, source, wanted)
        part = part[wanted].assign(
            **{name: change(part[name]) for name, change in (units or {}).get(source, {}).items()}
        )
        part.insert(0, "source", source)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
