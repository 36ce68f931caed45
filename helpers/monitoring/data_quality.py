"""Monitoring: does what arrived look like what used to arrive? Asked before any model is judged.

The checks of this room return *signals*: one row a finding, with the columns that `signals` names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from scipy.stats import fisher_exact

from helpers.checks import kinds_of, require_columns, require_rows, require_single

ENOUGH = 50  # rows, below which a table says little
NESTED = "several values in one"
ANOTHER_KIND = "another kind"
_COLUMNS = {
    "signal": "str", "table": "str", "column": "str", "where": "str", "since": "datetime64[us]",
    "value": "float", "expected": "float", "effect": "float", "p": "float", "because": "str",
}  # fmt: skip


def finding(
    signal: str,
    place: str,
    value: float,
    expected: float,
    because: str,
    *,
    effect: float = np.nan,
    where: str = "everybody",
    since: pd.Timestamp | None = None,
    p: float = np.nan,
) -> dict:
    """Return one row of a table of `signals`.

    Parameters
    ----------
    place : "table.column", or "table" for the whole of it.
    effect : how large, as a share of what is concerned; by default value - expected.
    since : the first moment of the evidence; None where only the month is known.

    Examples
    --------
    >>> row = finding("twice", "orders", 0.2, 0.0, "one row in five came twice")
    >>> row["table"], row["column"], row["effect"]
    ('orders', '', 0.2)
    """
    table, _, column = place.partition(".")
    effect = value - expected if np.isnan(effect) else effect
    return {
        "signal": signal, "table": table, "column": column, "where": where, "since": since, "value": value,
        "expected": expected, "effect": effect, "p": p, "because": because,
    }  # fmt: skip


def signals(rows: Iterable[Mapping]) -> DataFrame:
    """Return findings as the table that all checks share.

    Parameters
    ----------
    rows : of `finding`.

    Returns
    -------
    `signal` (schema, rows, twice, missing, range, drift, relation, given, labels, performance, system or
    business), `table`, `column` ("" for the whole table), `where` (a segment, or "everybody"), `since`
    (the first moment of the evidence), `value` and `expected` (now, and before), `effect` (how large),
    `p` (the chance of as much where nothing changed; missing where nothing was tested), `because`.

    Examples
    --------
    >>> signals([finding("rows", "orders", 0, 90, "no row of orders came")])[["table", "where"]]
        table      where
    0  orders  everybody
    >>> len(signals([]))
    0
    """
    table = DataFrame(list(rows), columns=list(_COLUMNS))
    since = pd.to_datetime(table["since"], utc=True).dt.tz_localize(None)
    return table.assign(since=since).astype(_COLUMNS)


def chance_of_more(now: Series, before: Series, least: float) -> float:
    """Return the chance of so many more flags where nothing changed; 1.0 where the share rose by less than `least`.

    Source
    ------
    Fisher (1922), Journal of the Royal Statistical Society 85.

    Examples
    --------
    >>> usual, worse = Series([True] * 5 + [False] * 95), Series([True] * 20 + [False] * 80)
    >>> round(chance_of_more(worse, usual, 0.1), 4), chance_of_more(worse, usual, 0.2)
    (0.0011, 1.0)
    """
    if not len(now) or not len(before) or now.mean() - before.mean() <= least:
        return 1.0
    counts = [[one.sum(), len(one) - one.sum()] for one in (now, before)]
    return float(fisher_exact(counts, alternative="greater").pvalue)


def kind(values: Series) -> str:
    """Return what a column holds: "numbers" (flags are), "texts", "dates", ...; "nothing" where all is missing.

    Examples
    --------
    >>> kind(Series([1, None])), kind(Series(["1", 1])), kind(Series([None])), kind(Series([[1, 2]]))
    ('numbers', 'numbers and texts', 'nothing', 'several values in one')
    """
    if values.dtype != object and values.head(1).notna().all():
        values = values.head(1)  # all are alike
    try:
        return " and ".join(sorted(kinds_of(values))) or "nothing"
    except TypeError:  # a list cannot be counted
        return NESTED


def require_table(table: object, name: str) -> None:
    """Stop unless something is a pandas table with one row of column names.

    Examples
    --------
    >>> require_table([1], "orders")
    Traceback (most recent call last):
    ValueError: orders should be a pandas DataFrame with one row of column names; got list. Load it first.
    """
    if not isinstance(table, DataFrame) or table.columns.nlevels > 1:
        found = "several rows of them" if isinstance(table, DataFrame) else type(table).__name__
        raise ValueError(
            f"{name} should be a pandas DataFrame with one row of column names; got {found}. Load it first."
        )
    if not table.columns.is_unique:
        again = table.columns[table.columns.duplicated()][0]
        raise ValueError(
            f"{name} has the column {again} more than once: nobody knows which is meant. Name them apart."
        )


def check_table(reference: DataFrame, current: DataFrame, name: str) -> DataFrame:
    """Find what is wrong with a table that arrived, as far as it can be told without knowing what it is about.

    Columns that came, went, have another name or hold another kind; values that are missing; rows that come
    again.

    Parameters
    ----------
    reference : the table as it used to be, at least one row.
    current : the table that arrived; any rows.
    name : what it is called.

    Returns
    -------
    `signals`; empty where nothing is found.

    Raises
    ------
    ValueError
        If one of the two is no table with one row of column names, or the reference has no row.

    Examples
    --------
    >>> then = DataFrame({"contract": ["month", "year"] * 50, "fee": [20.0, 30.0] * 50})
    >>> check_table(then, then, "customers").empty
    True
    >>> check_table(then, then.rename(columns={"fee": "price"}), "customers")["because"].tolist()
    ['customers.fee is called price now']
    """
    require_table(reference, f"the reference of {name}")
    require_table(current, name)
    require_rows(reference, f"the reference of {name}")
    return signals([*changed_columns(reference, current, name), *_gaps(reference, current, name), *_twice(reference, current, name)])  # fmt: skip


def renamed(reference: DataFrame, current: DataFrame) -> dict[str, str]:
    """Return new name -> old name of the columns that only have another name.

    Examples
    --------
    >>> then = DataFrame({"fee": [20, 30], "line": ["DSL", "fiber"]})
    >>> renamed(then, then.rename(columns={"fee": "price"}).assign(line=["a", "b"]))
    {'price': 'fee'}
    """
    new, names = [column for column in current if column not in reference], {}
    for old in [column for column in reference if column not in current] if new else ():
        heir = next((one for one in new if _alike(current[one], reference[old])), None)
        if heir is not None:
            new.remove(heir)
            names[heir] = old
    return names


def _alike(new, old):
    """Return whether two columns hold the same values, or mostly."""
    if NESTED in (kind(new), kind(old)):
        return False
    values, before = set(new.dropna()), set(old.dropna())
    return len(values & before) > 0.3 * min(len(values), len(before)) > 0


def changed_columns(reference: DataFrame, current: DataFrame, name: str) -> list[dict]:
    """Return findings about columns that went, came, have another name, or hold something else; as `check_table`.

    Examples
    --------
    >>> then = DataFrame({"fee": [20.0, 30.0]})
    >>> [row["because"] for row in changed_columns(then, then.astype("str"), "bills")]
    ['bills.fee holds texts, numbers before']
    """
    heirs, found = {old: new for new, old in renamed(reference, current).items()}, []
    for old in [column for column in reference if column not in current]:
        if old in heirs:
            found.append(finding("schema", f"{name}.{old}", 1, 1, f"{name}.{old} is called {heirs[old]} now", effect=1, where=f"now {heirs[old]}"))  # fmt: skip
        else:
            found.append(finding("schema", f"{name}.{old}", 0, 1, f"{name} has no column {old} any more", where="gone"))  # fmt: skip
    for new in [one for one in current if one not in reference and one not in heirs.values()]:
        found.append(finding("schema", f"{name}.{new}", 1, 0, f"{name} has a new column {new}", where="new"))  # fmt: skip
    for column in [column for column in reference if column in current]:
        if reference[column].dtype == current[column].dtype != object:
            continue
        then, now = kind(reference[column]), kind(current[column])
        if then != now and "nothing" not in (then, now):
            found.append(finding("schema", f"{name}.{column}", 1, 1, f"{name}.{column} holds {now}, {then} before", effect=1, where=ANOTHER_KIND))  # fmt: skip
    return found


def _gaps(reference, current, name):
    """Yield columns with more gaps than they had."""
    for column in reference.columns.intersection(current.columns) if len(current) > ENOUGH else ():
        now, then = current[column].isna(), reference[column].isna()
        if now.mean() - then.mean() <= 0.05:
            continue
        share = "all rows" if now.all() else f"{now.mean():.1%} of the rows; {then.mean():.1%} were"
        yield finding(
            "missing", f"{name}.{column}", now.mean(), then.mean(), f"{name}.{column} is empty in {share}",
            p=chance_of_more(now, then, 0.05),
        )  # fmt: skip


def _twice(reference, current, name):
    """Yield rows that are there already."""
    again = repeats(current)
    share = again.mean() if len(again) else 0.0
    if share > 0.003 and again.sum() > 5 and share > repeats(reference).mean() + 0.003:
        yield finding("twice", name, share, 0, f"{share:.1%} of the {len(again):,} rows of {name} came before, word for word", where=f"{share:.1%} of the rows")  # fmt: skip


def repeats(table: DataFrame) -> np.ndarray:
    """Return which rows equal an earlier one; columns of lists do not count.

    Examples
    --------
    >>> repeats(DataFrame({"a": [1.0, 2.0, 1.0], "b": ["x", "y", "x"]})).tolist()
    [False, False, True]
    """
    found, maybe = np.zeros(len(table), dtype=bool), np.arange(len(table))
    able = [
        column for column in table if table[column].dtype != object or kind(table[column]) != NESTED
    ]
    for column in able:  # who is alone in one column need not be looked at again
        maybe = maybe[table[column].iloc[maybe].duplicated(keep=False).to_numpy()]
    if able:
        found[maybe] = table[able].iloc[maybe].duplicated().to_numpy()
    return found


def check_given(given: DataFrame, stored: DataFrame, key: str, name: str) -> DataFrame:
    """Hold what the model was given against what is stored about the same, row by row.

    Parameters
    ----------
    given : what it was given, as logged.
    stored : the same rows as the business has them.
    key : names a row on both sides; of rows that come again the first counts.
    name : of the log.

    Returns
    -------
    `signals`, one row for each column that differs somewhere: `value` is the share of the rows that do. Rows
    that are not stored are a finding of their own.

    Raises
    ------
    ValueError
        If one of the two is no table or lacks the key.

    Examples
    --------
    >>> stored = DataFrame({"id": [1, 2], "tenure": ["12", "30"]})
    >>> check_given(stored.assign(tenure=["1", "30"]), stored, "id", "given")["because"].item()
    "given has another tenure than is stored in 50.0% of the rows, '1' for '12' in the first"
    """
    for what, table in [(name, given), ("stored", stored)]:
        require_table(table, what)
        require_columns(table, what, [key])
        require_single(table[key], f"{key} of {what}")
    given, stored = (
        one.dropna(subset=key).drop_duplicates(key).set_index(key) for one in (given, stored)
    )
    known = given.index.intersection(stored.index)
    found = []
    if len(known) < len(given):
        because = f"{name} has {len(given) - len(known):,} of {len(given):,} rows whose {key} is not stored"
        found.append(finding("given", name, 1 - len(known) / len(given), 0, because))
    for column in given.columns.intersection(stored.columns):
        both = given.loc[known, column], stored.loc[known, column]
        plain = [one.astype(object).where(one.notna(), None).to_numpy() for one in both]
        numbers = [pd.to_numeric(one, errors="coerce").to_numpy(dtype=float, na_value=np.nan) for one in both]  # fmt: skip
        differ = ~((plain[0] == plain[1]).astype(bool) | np.isclose(*numbers, rtol=1e-9))
        if differ.any():
            share, first = differ.mean(), int(differ.argmax())
            because = f"{name} has another {column} than is stored in {share:.1%} of the rows, {plain[0][first]!r} for {plain[1][first]!r} in the first"
            found.append(finding("given", f"{name}.{column}", share, 0, because))
    return signals(found)
