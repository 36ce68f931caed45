"""Stage 3: bring tables together: checked joins, names matched, one schema, a rule for contradictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import (
    kinds_of,
    require_columns,
    require_filled,
    require_unique,
)
from helpers.etl.load import kind_of
from helpers.etl.parsing import LARGEST_EXACT, spelling_key

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
        If a key that should come once comes again (several gaps, too), with counts and the first; or
        if keys could not meet, being texts on one side and numbers on the other.

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
    for key in keys:
        _require_meeting(left[key], right[key], key)
    before, _, after = cardinality.partition("-to-")
    for side, table, many in [("left", left, before), ("right", right, after)]:
        counts = table.groupby(keys, dropna=False, sort=False).size()
        again = counts[counts > 1]
        if many == "one" and len(again):
            ours, theirs = left[keys].astype(object), right[keys].astype(object)
            rows = len(ours.merge(theirs, on=keys, how="left"))
            raise ValueError(
                f"{cardinality} was expected, so each {', '.join(keys)} comes once in the {side} "
                f"table; but {len(again):,} of its {len(counts):,} key(s) come(s) again, the first "
                f"being {again.index[0]} ({again.iloc[0]:,} times). The join would make {rows:,} "
                f"rows of {len(left):,}. Merge the repeats first, or join on more columns."
            )


def _require_meeting(left, right, key):
    """Stop if some keys are of a kind that is not on the other side, or have lost digits."""
    ours, theirs = kind_of(left), kind_of(right)
    if ours == theirs and object in (left.dtype, right.dtype):  # "texts" may be texts and numbers
        ours, theirs = (" and ".join(sorted(kinds_of(side))) for side in (left, right))
        if ours == theirs == "dates" and left.dtype != right.dtype:
            ours, theirs = (f"dates as {side.dtype}" for side in (left, right))
    if ours and theirs and ours != theirs:
        raise ValueError(
            f"{key} holds {ours} in the left table and {theirs} in the right one, so nothing would "
            "meet. Bring both to one type first."
        )
    for side, values in [("left", left), ("right", right)]:
        rounded = values.dtype.kind == "f" and values.abs().ge(LARGEST_EXACT)
        if np.any(rounded):
            raise ValueError(
                f"{key} of the {side} table holds {int(rounded.sum()):,} decimal number(s) so large that "
                f"whole ones are rounded, the first being {values[rounded].iloc[0]:.0f}: two keys may "
                "have become one. Read the column as whole numbers (Int64) or as texts."
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
    named = right.loc[right[keys].notna().all(axis=1)]  # a gap names nothing, so it joins nothing
    for key in keys:
        if not (kind_of(left[key]) and kind_of(right[key])):  # nothing but gaps meets nothing
            named = named.head(0).astype({key: left[key].dtype})
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
    taken = [new for new in names.values() if new in table.columns and new not in names]
    if taken:
        raise ValueError(
            f"{of} has {', '.join(taken)} already; a rename would make it twice. Drop one."
        )
    return table.rename(columns=dict(names))


def unify_versions(rows: Sequence[Mapping], versions: Mapping[int, Mapping[str, str]]) -> DataFrame:
    """Return records that were written under several versions of a schema under one.

    Parameters
    ----------
    rows : records; the key `v` tells each one's version, 1 where it is missing.
    versions : for each version, the new names of its keys; a key without one keeps its name.

    Raises
    ------
    ValueError
        If a record is of a version without an entry, or two of its keys would have one name.

    Examples
    --------
    >>> rows = [{"event_id": 1, "at": "09:00"}, {"v": 2, "id": 2, "ts": "10:00"}]
    >>> unify_versions(rows, {1: {}, 2: {"id": "event_id", "ts": "at"}}).to_numpy().tolist()
    [[1, '09:00'], [2, '10:00']]
    """
    require_known((row.get("v", 1) for row in rows), versions, "Records of version(s)")
    unified = []
    for row in rows:
        names = versions[row.get("v", 1)]
        own = {key: value for key, value in row.items() if key != "v"}
        unified.append({names.get(key, key): value for key, value in own.items()})
        if len(unified[-1]) < len(own):
            raise ValueError(
                f"A record of version {row.get('v', 1)} would have two values under one name; its "
                f"keys are {', '.join(own)}. Correct the names of this version."
            )
    return DataFrame(unified)


def require_known(found: Iterable, known: Iterable, what: str, where: str = "") -> None:
    """Stop if some of the versions `found` are none of the `known` ones."""
    unknown = sorted({str(one) for one in found if one not in list(known)})
    if unknown:
        raise ValueError(
            f"{what} {', '.join(unknown)} were found{where}; known are {', '.join(map(str, known))}. "
            "Add the names of the new version."
        )


@dataclass(frozen=True)
class WinningRule:
    """Which source is believed about a column when sources contradict each other.

    Attributes
    ----------
    column : what they speak about.
    sources : their names, the most trusted first; a gap leaves the word to the next.
    because : the reason, for whoever reads the table later.
    tolerance : how far numbers may differ and still agree.
    """

    column: str
    sources: tuple[str, ...]
    because: str
    tolerance: float = 0.0


def resolve_conflicts(
    tables: Mapping[str, DataFrame], key: str, rules: Sequence[WinningRule]
) -> tuple[DataFrame, DataFrame]:
    """Return one row a key with the winning value of each column, and every contradiction.

    Parameters
    ----------
    tables : source -> table with one row a `key`.
    rules : one a column.

    Returns
    -------
    The table, and `key`, `column`, `source`, `value`, `winner`, `winning_value`, `because` for each
    value that lost against another one. A gap contradicts nobody.

    Raises
    ------
    ValueError
        If a table repeats or lacks a key, the keys are of several kinds (texts, numbers), or a rule
        names a source or a column that is not there.

    Examples
    --------
    >>> shop = DataFrame({"product_id": [1, 2], "price_eur": [12.0, None]})
    >>> page = DataFrame({"product_id": [1, 2], "price_eur": [14.0, 9.0]})
    >>> rule = WinningRule("price_eur", ("shop", "page"), "a page may be old")
    >>> table, lost = resolve_conflicts({"shop": shop, "page": page}, "product_id", [rule])
    >>> table["price_eur"].tolist(), lost["value"].tolist()
    ([12.0, 9.0], [14.0])
    """
    indexed = {}
    for source, table in tables.items():
        require_filled(table, source, key, "whom they describe is unknown")
        require_unique(table, source, key)
        indexed[source] = table.set_index(key)
    kinds = sorted(set().union(*(kinds_of(table[key]) for table in tables.values())))
    if len(kinds) > 1:
        raise ValueError(
            f"{key} holds {' and '.join(kinds)} in {', '.join(tables)}, so one {key} could stand there "
            "twice, as 1 and as '1'. Bring all to one type first."
        )
    keys = sorted(set().union(*(table.index for table in indexed.values())))
    result, lost = DataFrame({key: keys}), []
    for rule in rules:
        if unknown := [source for source in rule.sources if source not in tables]:
            raise ValueError(
                f"The rule on {rule.column} believes {', '.join(unknown)}; the tables are {', '.join(tables)}. Name a source as its table is named."
            )
        for source in rule.sources:
            require_columns(tables[source], source, [rule.column])
        values, conflicts = _winning(indexed, keys, rule)
        result[rule.column] = values.array
        lost += conflicts
    columns = ["key", "column", "source", "value", "winner", "winning_value", "because"]
    return result, DataFrame(lost, columns=columns)


def _winning(indexed, keys, rule):
    """Return the winning values of one column, and the values that lost."""
    columns = {source: _settled(indexed[source][rule.column]) for source in rule.sources}
    whole = all(column.dtype.kind in "iu" for column in columns.values())
    if whole and any(column.abs().ge(LARGEST_EXACT).any() for column in columns.values()):
        # As floats, which a gap would make of them, they were rounded.
        columns = {source: column.astype("Int64") for source, column in columns.items()}
    given = {source: column.reindex(keys) for source, column in columns.items()}
    values, winner = None, pd.Series("", index=keys, dtype="str")
    for source, column in given.items():
        winner = winner.mask(winner.eq("") & column.notna(), source)
        values = column if values is None else values.where(values.notna(), column)
    conflicts = []
    for source, column in given.items():
        spoken = (column.notna() & ~winner.isin(["", source])).to_numpy()
        said, won, by = column[spoken], values[spoken], winner[spoken]
        lost = _differ(said, won, rule.tolerance)
        rows = zip(said.index[lost], said[lost].tolist(), by[lost], won[lost].tolist(), strict=True)
        for one, value, whose, better in rows:
            conflicts.append((one, rule.column, source, value, whose, better, rule.because))
    return values, conflicts


def _settled(values: pd.Series) -> pd.Series:
    """Return a column with the type of its values: each source has categories of its own."""
    categories = isinstance(values.dtype, pd.CategoricalDtype)
    return values.astype(values.cat.categories.dtype) if categories else values


def _differ(said: pd.Series, won: pd.Series, tolerance: float) -> np.ndarray:
    """Return where two columns without gaps contradict each other: a flag a row."""
    differ = (said != won).to_numpy(bool, copy=True)
    if tolerance:
        apart = (_numbers(said[differ]) - _numbers(won[differ])).abs()
        differ[differ] = ~(apart <= tolerance).to_numpy(bool)
    return differ


def _numbers(values: pd.Series) -> pd.Series:
    """Return the numbers of a column as floats; a text, even "5.0", is none and becomes a gap."""
    if not pd.api.types.is_numeric_dtype(values):
        values = values.astype("object").where([isinstance(one, Real) for one in values])
    return values.astype("float64")


def _compared(table, columns):
    """Return the columns as they are compared: texts without case and blanks, numbers as numbers."""
    parts = {}
    for name in columns:
        values = table[name].reset_index(drop=True)
        if pd.api.types.is_numeric_dtype(values):
            parts[name] = values.astype("float64")
        else:
            spelled = values.map(lambda one: spelling_key(str(one)), na_action="ignore")
            parts[name] = spelled.where(spelled.ne(""))
    return DataFrame(parts)
