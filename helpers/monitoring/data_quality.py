"""Monitoring: does what arrived look like what used to arrive? Asked before any model is judged.

The checks of this room return *signals*: one row a finding, with the columns that `signals` names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from pandas.api import types
from scipy.stats import binomtest, hypergeom, norm, t

from helpers.checks import kinds_of, require_columns, require_rows, require_single

EVERYBODY = "everybody"
SURE = 1e-6  # a chance so small that no number of columns and months makes it likely
MANY = 100  # different words, beyond which a column is free text
_COLUMNS = {
    "signal": "str", "table": "str", "column": "str", "where": "str", "since": "datetime64[us]",
    "value": "float", "expected": "float", "effect": "float", "p": "float", "because": "str",
}  # fmt: skip
_BLANK = {"table": "", "column": "", "where": EVERYBODY, "since": pd.NaT, "because": ""}
_ID = re.compile(r"(^|[ _.-])(id|uuid|guid|ID|Id)$|[a-z]I[Dd]$")
_MANY_VALUES = "several values in one"
MISSING = "(missing)"
_LEAST = 0.005  # a share of rows that matters


def signals(rows: Iterable[Mapping]) -> DataFrame:
    """Return findings as the table that all checks share.

    Parameters
    ----------
    rows : one a finding; what it leaves out is empty, "everybody" or missing.

    Returns
    -------
    `signal` (schema, rows, twice, missing, range, drift, relation, given, labels, performance, system or
    business), `table`, `column` ("" for the whole table), `where` (a segment, or "everybody"), `since`
    (the first moment of the evidence), `value` and `expected` (now, and before), `effect` (how large),
    `p` (the chance of as much where nothing changed; missing where nothing was tested), `because`.

    Examples
    --------
    >>> signals([{"signal": "rows", "table": "orders", "because": "orders is empty"}])[["table", "where"]]
        table      where
    0  orders  everybody
    >>> len(signals([]))
    0
    """
    table = DataFrame([{**_BLANK, **row} for row in rows], columns=list(_COLUMNS))
    since = pd.to_datetime(table["since"], utc=True).dt.tz_localize(None)
    return table.assign(since=since).astype(_COLUMNS)


@dataclass(frozen=True)
class Column:
    """What a column holds, counted once.

    Attributes
    ----------
    kind : "numbers", "texts", "moments", "spans" or whatever else it holds; mixed kinds are named
        together, and where all is missing it is "nothing".
    rows, missing : all rows, and those without a value; a text of blanks only is none.
    numbers : those it holds, be they written as texts; moments and spans in seconds.
    levels : level -> rows, the most frequent first; None for columns of numbers, moments and spans.
    words : rows that hold something which is no number.
    """

    kind: str
    rows: int
    missing: int
    numbers: np.ndarray
    levels: Series | None = None
    words: int = 0

    @cached_property
    def ascending(self) -> np.ndarray:
        """The numbers in their order."""
        return np.sort(self.numbers)

    @cached_property
    def counts(self) -> Series:
        """Level -> rows, for numbers, too; what is missing is none."""
        if self.levels is not None:
            return self.levels
        values, rows = np.unique(self.numbers, return_counts=True)
        return Series(rows, index=values)

    @cached_property
    def measures(self) -> bool:
        """Whether it measures something: more than ten different numbers, and hardly a word."""
        few_words = 20 * self.words <= self.rows - self.missing
        if self.timed or not few_words or len(self.numbers) <= 10:
            return False
        return len(np.unique(self.numbers[:1_000])) > 10 or len(self.counts) > 10

    @property
    def timed(self) -> bool:
        """Whether it holds moments."""
        return self.kind.startswith("moments")

    @cached_property
    def names(self) -> bool:
        """Whether it only names rows: running numbers, or texts that hardly come again."""
        filled = self.rows - self.missing
        if self.timed or filled < 50:
            return False
        if not self.measures:
            return len(self.counts) > max(MANY, filled / 5)
        with np.errstate(invalid="ignore"):
            broken = (self.numbers[:1_000] % 1).any()
        if broken or not np.isfinite(self.numbers).all():
            return False
        running = np.ptp(self.numbers) < 20 * filled and not (self.numbers % 1).any()
        return bool(running and len(self.counts) == filled)

    def comparable(self, later: Column) -> bool:
        """Return whether both hold one kind at least, other than nothing and several values in one."""
        kinds = set(self.kind.split(" and ")) & set(later.kind.split(" and "))
        return bool(kinds - {"nothing", _MANY_VALUES})


def profile(values: Series) -> Column:
    """Count a column of any kind.

    Examples
    --------
    >>> found = profile(Series(["20.5", "7", " ", None, "n/a"]))
    >>> found.kind, found.rows, found.missing, found.words, found.numbers.tolist()
    ('texts', 5, 2, 1, [20.5, 7.0])
    """
    rows, none = len(values), np.empty(0)
    if types.is_datetime64_any_dtype(values) or types.is_timedelta64_dtype(values):
        filled, kind = values.dropna(), "spans"
        if types.is_datetime64_any_dtype(values):
            kind = "moments" if filled.dt.tz is None else "moments with a time zone"
            filled = filled - pd.Timestamp(0, tz=filled.dt.tz and "UTC")
        return Column(kind, rows, rows - len(filled), filled.dt.total_seconds().to_numpy())
    if (
        types.is_numeric_dtype(values)
        and not types.is_bool_dtype(values)
        and not types.is_complex_dtype(values)
    ):
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        gaps = np.isnan(numbers)
        filled = numbers[~gaps] if gaps.any() else numbers
        return Column("numbers" if len(filled) else "nothing", rows, rows - len(filled), filled)
    try:
        counts = values.value_counts()
        kind = " and ".join(sorted(kinds_of(counts.index))) or "nothing"
    except TypeError:  # a list or a dict cannot be counted
        return Column(_MANY_VALUES, rows, int(values.isna().sum()), none)
    counts.index = counts.index.astype(object)
    kept = [not (isinstance(one, str) and not one.strip()) for one in counts.index]
    counts = counts[np.array(kept, dtype=bool) & (counts > 0).to_numpy()]
    read, times = numbers_of(counts.index.to_series()), counts.to_numpy()
    number = ~np.isnan(read)
    kind = kind if len(counts) else "nothing"
    numbers, words = np.repeat(read[number], times[number]), int(times[~number].sum())
    return Column(kind, rows, int(rows - times.sum()), numbers, counts, words)


def numbers_of(values: Series) -> np.ndarray:
    """Return a column as numbers; what is none is missing.

    Examples
    --------
    >>> numbers_of(Series(["20.5", " 7", "", "n/a", None])).tolist()
    [20.5, 7.0, nan, nan, nan]
    """
    read = pd.to_numeric(values, errors="coerce")
    if types.is_complex_dtype(read):
        return np.full(len(values), np.nan)
    return read.to_numpy(dtype=float, na_value=np.nan)


def is_id(name: object, column: Column) -> bool:
    """Return whether a column only names something, by its name or by what it holds.

    Examples
    --------
    >>> is_id("customerID", profile(Series([1, 1]))), is_id("paid", profile(Series([1, 1])))
    (True, False)
    """
    return bool(_ID.search(str(name))) or column.names


def chance_of_shares(hits: int, rows: int, hits_then: int, rows_then: int) -> float:
    """Return the chance that two shares of the same population differ as much, or more.

    Source
    ------
    Fisher (1922), Journal of the Royal Statistical Society 85; the normal limit from ten hits on.

    Examples
    --------
    >>> round(chance_of_shares(5, 100, 0, 100), 3), chance_of_shares(0, 10, 0, 10)
    (0.059, 1.0)
    """
    together, all_rows = hits + hits_then, rows + rows_then
    if min(together, all_rows - together) == 0:
        return 1.0
    share = together / all_rows
    if min(rows, rows_then) * min(share, 1 - share) >= 10:
        spread = np.sqrt(share * (1 - share) * (1 / rows + 1 / rows_then))
        return float(2 * norm.sf(abs(hits / rows - hits_then / rows_then) / spread))
    drawn = hypergeom(all_rows, together, rows)
    return float(min(1.0, 2 * min(drawn.sf(hits - 1), drawn.cdf(hits))))


def check_table(
    reference: DataFrame,
    current: DataFrame,
    name: str,
    key: str | Sequence[str] = (),
    moment: str = "",
    by: str = "",
    since: object = None,
    until: object = None,
) -> DataFrame:
    """Find what is wrong with a table that arrived, as far as it can be told without a model.

    Columns that came, went or hold another kind; rows that are fewer, more or repeated; days and senders
    that fell silent; values that are missing, beyond what was, or of levels that nobody knew. A finding is
    sure: chance makes one in a million tables look so.

    Parameters
    ----------
    reference : the table as it used to be, at least one row.
    current : the table that arrived; any rows.
    name : what it is called.
    key : column or columns that name a row, which should not come twice.
    moment : the column that tells when a row was written; "" for none. Rates a day and `since` need it.
    by : the column that tells senders apart, each of which has to send as it did; needs `moment`.
    since, until : the time that `current` is about; by default from its first to its last moment.

    Returns
    -------
    `signals`; empty where nothing is found.

    Raises
    ------
    ValueError
        If one of the two is no table with one row of column names, the reference has no row or lacks
        `key`, `moment` or `by`, or `moment` holds no moments there.

    Examples
    --------
    >>> then = DataFrame({"contract": ["month", "year"] * 50, "fee": [20.0, 30.0] * 50})
    >>> check_table(then, then, "customers").empty
    True
    >>> check_table(then, then.rename(columns={"fee": "price"}), "customers")["because"].tolist()
    ['customers lacks the column fee; price is new and holds the like: it seems to be renamed']
    """
    key = [key] if isinstance(key, str) else list(key)
    require_table(reference, f"the reference of {name}")
    require_table(current, name)
    require_rows(reference, f"the reference of {name}")
    require_columns(reference, f"the reference of {name}", [*key, *filter(None, [moment, by])])
    if moment and not types.is_datetime64_any_dtype(reference[moment]):
        raise ValueError(
            f"{moment} of the reference of {name} tells when a row was written, and holds "
            f"{profile(reference[moment]).kind}. Convert it with pd.to_datetime."
        )
    repeated = current.columns[current.columns.duplicated()].unique()
    reference, current = _first_of_name(reference), _first_of_name(current)
    then = {column: profile(reference[column]) for column in reference}
    now = {column: profile(current[column]) for column in current}
    timed = moment if moment in now and types.is_datetime64_any_dtype(current[moment]) else ""
    if since is None and timed:
        since = current[timed].min()
    about = _About(name, reference, current, timed, since, until)
    found = [
        *(about.told("schema", f"has {column} more than once", column) for column in repeated),
        *_schema(about, then, now),
        *_rows(about),
        *(_senders(about, by) if by in now and timed else []),
        *_twice(about, [], then, now),
        *(_twice(about, key, then, now) if key else []),
    ]
    if len(current):
        for column in then.keys() & now.keys():
            found += [*_missing(about, column, then[column], now[column])]
            found += [*_range(about, column, then[column], now[column])]
    order = {column: place for place, column in enumerate([*then, *now])}
    return signals(sorted(found, key=lambda one: order.get(one["column"], -1)))


def _first_of_name(table):
    """Return a table without the columns whose name was there before; a large one is not copied."""
    return table if table.columns.is_unique else table.loc[:, ~table.columns.duplicated()]


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


class _About(NamedTuple):
    """The two tables, and what is known about when."""

    name: str
    reference: DataFrame
    current: DataFrame
    moment: str
    since: object
    until: object

    def told(self, signal, what, column="", rows=None, **figures):
        """Return a finding; `rows` are those that show it, the first of which tells since when."""
        since = self.since
        if rows is not None and self.moment and rows.any():
            since = self.current[self.moment][rows].min()
        because = f"{self.name} {what}"
        return {"signal": signal, "table": self.name, "column": str(column), "since": since, "because": because, **figures}  # fmt: skip


def _schema(about, then, now):
    """Yield columns that went, came, or hold something else."""
    new = [column for column in now if column not in then]
    for column in [one for one in then if one not in now]:
        like = [one for one in new if now[one].kind == then[column].kind and moved(then[column], now[one]) < 0.1]  # fmt: skip
        hint = f"; {like[0]} is new and holds the like: it seems to be renamed" if like else ""
        new = [one for one in new if one not in like[:1]]
        yield about.told("schema", f"lacks the column {column}{hint}", column)
    for column in new:
        yield about.told("schema", f"has a column {column} that was not there before", column)
    for column in then.keys() & now.keys():
        before, after = then[column].kind, now[column].kind
        if before != after and "nothing" not in (before, after):
            yield about.told("schema", f"holds {after} in {column}, {before} before", column)


def _rows(about):
    """Yield what is to be said of how many rows came, and on which days."""
    before, after = len(about.reference), len(about.current)
    if not after:
        yield about.told(
            "rows", f"is empty, {before:,} rows before", value=0, expected=before, effect=-1
        )
        return
    then = now = None
    if about.moment:
        then = _a_day(about.reference[about.moment])
        now = _a_day(about.current[about.moment], about.since, about.until)
    if then is None or min(len(then), len(now)) < 7:
        chance = float(binomtest(after, before + after).pvalue)
        if chance < SURE and not 0.8 <= after / before <= 1.25:
            yield about.told("rows", f"has {after:,} rows, {before:,} before", value=after, expected=before, effect=after / before - 1, p=chance)  # fmt: skip
        return
    rate, (days, first), usual = then.mean(), _longest_gap(now), _longest_gap(then)[0]
    if days > usual and days * rate > -np.log(SURE):  # as many are to be expected in that time
        what = f"has no row on {days} day(s) from {first:%Y-%m-%d} on; the longest such time was {usual} day(s)"
        yield {**about.told("rows", what, value=0, expected=rate, effect=-1), "since": first}
        now = now[now > 0]
    spread = np.sqrt(sum(one.var() / len(one) for one in (then, now)))
    apart = abs(now.mean() - rate)
    chance = 2 * t.sf(apart / spread, min(len(then), len(now)) - 1) if spread else float(not apart)
    if chance < SURE and apart >= 0.2 * rate:
        what = f"has {now.mean():,.4g} rows a day, {rate:,.4g} before"
        yield about.told(
            "rows", what, value=now.mean(), expected=rate, effect=now.mean() / rate - 1, p=chance
        )


def _a_day(moments, since=None, until=None):
    """Return how many rows each day has, without the days that are there only in part."""
    days = moments.dropna().dt.tz_localize(None).dt.floor("D")
    if days.empty:
        return days.value_counts()
    first = days.min() if since is None else min(days.min(), _naive(since).floor("D"))
    last = days.max() if until is None else _naive(until).ceil("D") - pd.Timedelta(days=1)
    every = pd.date_range(first, max(first, last), freq="D")
    counts = days.value_counts().reindex(every, fill_value=0)
    return counts.iloc[1:-1] if until is None and len(counts) > 9 else counts


def _naive(moment):
    """Return a moment without its time zone."""
    return pd.Timestamp(moment).tz_localize(None)


def _longest_gap(counts):
    """Return the most days in a row without a row, and the first of them."""
    empty = counts.eq(0)
    lengths = empty.groupby((~empty).cumsum()).cumsum()
    most = int(lengths.max())
    return most, lengths.idxmax() - pd.Timedelta(days=max(0, most - 1))


def _senders(about, by):
    """Yield the senders that fell silent, by their own longest silence before."""
    sent = about.reference[[by, about.moment]].dropna().sort_values(about.moment)
    waits = sent.groupby(by)[about.moment].diff().groupby(sent[by]).max()
    moments = about.current[about.moment].dt.tz_localize(None)
    start, end = moments.min(), moments.max() if about.until is None else _naive(about.until)
    last = moments.groupby(about.current[by]).max().reindex(waits.index).fillna(start)
    silent = end - last > np.maximum(3 * waits.fillna(pd.Timedelta(0)), pd.Timedelta(days=1))
    if silent.any():
        names = ", ".join(map(str, silent.index[silent][:3])) + ("..." if silent.sum() > 3 else "")
        since = last[silent].min()
        what = f"has nothing more of {silent.sum()} of {len(silent)} {by} ({names}) since {since:%Y-%m-%d}"
        share = float(silent.mean())
        yield {**about.told("rows", what, by, value=share, expected=0, effect=share), "where": names, "since": since}  # fmt: skip


def _twice(about, key, then, now):
    """Yield rows that come again, whole or by their key."""
    whole = [one for one in key or then if one in now]
    able = [one for one in whole if _MANY_VALUES not in (then[one].kind, now[one].kind)]
    if len(able) < (len(key) or 2):
        return
    before, after = (
        repeats(table if able == list(table) else table[able])
        for table in (about.reference, about.current)
    )
    shares = after.mean() if len(after) else 0.0, before.mean()
    chance = chance_of_shares(int(after.sum()), max(1, len(after)), int(before.sum()), len(before))
    if chance < SURE and shares[0] - shares[1] >= 0.001:
        of = (
            f"rows whose {', '.join(map(str, key))} was there already"
            if key
            else "rows that are there already"
        )
        what = f"has {after.sum():,} {of} ({shares[0]:.1%}; {shares[1]:.1%} before)"
        yield about.told("twice", what, ", ".join(map(str, key)), after, value=shares[0], expected=shares[1], effect=shares[0] - shares[1], p=chance)  # fmt: skip


def repeats(table: DataFrame) -> np.ndarray:
    """Return which rows equal an earlier one; where there are numbers they alone rule out most.

    Examples
    --------
    >>> repeats(DataFrame({"a": [1.0, 2.0, 1.0], "b": ["x", "y", "x"]})).tolist()
    [False, False, True]
    """
    mixed, found = np.zeros(len(table), dtype=np.uint64), np.zeros(len(table), dtype=bool)
    for _, values in table.items():
        if values.dtype in (np.dtype("float64"), np.dtype("int64")):
            mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + values.to_numpy().view(np.uint64)
    maybe = Series(mixed).duplicated(keep=False).to_numpy()
    found[maybe] = table[maybe].duplicated().to_numpy()
    return found


def _missing(about, column, before, after):
    """Yield a share of missing values that rose or fell."""
    shares = after.missing / after.rows, before.missing / before.rows
    chance = chance_of_shares(after.missing, after.rows, before.missing, before.rows)
    if abs(shares[0] - shares[1]) >= _LEAST and chance < SURE:
        gaps = about.current[column].isna().to_numpy() if shares[0] > 10 * shares[1] else None
        what = f"has no value in {column} in {shares[0]:.1%} of the rows, {shares[1]:.1%} before"
        yield about.told("missing", what, column, gaps, value=shares[0], expected=shares[1], effect=shares[0] - shares[1], p=chance)  # fmt: skip


def _range(about, column, before, after):
    """Yield values beyond what was, words among numbers, and levels that nobody knew."""
    if is_id(column, before) or not before.comparable(after):
        return
    if before.measures or before.timed:
        if before.measures and after.words:
            chance = chance_of_shares(after.words, after.rows, before.words, before.rows)
            if chance < SURE or not before.words:
                words = after.levels.index[np.isnan(numbers_of(after.levels.index.to_series()))]
                yield _beyond(about, column, about.current[column].isin(list(words)).to_numpy(), f"are no numbers, the first being {words[0]!r}")  # fmt: skip
        yield from _outside(about, column, before, after)
    elif before.levels is not None and after.levels is not None and len(before.levels) <= MANY:
        new = after.levels[~after.levels.index.isin(before.levels.index)]
        if chance_of_shares(int(new.sum()), after.rows, 0, before.rows) < SURE:
            known = {str(one).strip().casefold() for one in before.levels.index}
            spelled = " and differ in their spelling only" if all(str(one).strip().casefold() in known for one in new.index) else ""  # fmt: skip
            names = ", ".join(repr(one) for one in new.index[:3]) + ("..." if len(new) > 3 else "")
            rows = about.current[column].isin(list(new.index)).to_numpy()
            yield _beyond(about, column, rows, f"are of levels that nobody knew{spelled}: {names}")


def _beyond(about, column, rows, what):
    """Return a finding about some rows of a column."""
    share = float(rows.mean())
    told = f"has {int(rows.sum()):,} value(s) of {column} ({share:.1%}) that {what}"
    return about.told("range", told, column, rows, value=share, expected=0, effect=share)


def _outside(about, column, before, after):
    """Yield numbers, or moments, that lie far from all that was seen before."""
    finite = before.numbers[np.isfinite(before.numbers)]
    if not len(finite) or not len(after.numbers):
        return
    first, last = finite.min(), finite.max()
    values, numbers = about.current[column], after.numbers
    if before.timed:  # time goes on, but not by leaps
        span = 2 * max(last - first, 86_400)
        low, high = first - span, np.quantile(numbers, 0.05) + span
        if low <= numbers.min() and numbers.max() <= high:
            return
        there = (values - pd.Timestamp(0, tz=values.dt.tz and "UTC")).dt.total_seconds().to_numpy()
        rows = (there < low) | (there > high)
        yield _beyond(
            about, column, rows, f"are of another time, the first being {values[rows].iloc[0]}"
        )
        return
    span = (last - first) or abs(last)
    for room in (
        10 * span,
        span / 2,
    ):  # a single one far away, or so many beyond that it is no chance
        low, high = first - room, last + room
        if first >= 0 and room < span:
            low = max(low, 0.0)
        beyond = int(((numbers < low) | (numbers > high)).sum())
        if beyond and (room > span or chance_of_shares(beyond, after.rows, 0, before.rows) < SURE):
            there = numbers_of(values)
            rows = (there < low) | (there > high)
            fits = first <= np.median(np.abs(there[rows])) / 100 <= last
            hint = "; a hundredth of it would fit, as of euro in cents" if fits else ""
            yield _beyond(about, column, rows, f"lie beyond {first:,.6g} to {last:,.6g}, the first being {values[rows].iloc[0]}{hint}")  # fmt: skip
            return


def moved(before: Column, after: Column) -> float:
    """Return which share of the rows would have to change to make one column of the other, at least.

    For numbers the largest difference between the shares below any value (Kolmogorov-Smirnov), for
    levels half the sum of the differences of their shares. 0.0 is the same, 1.0 has nothing in common.

    Examples
    --------
    >>> moved(profile(Series(["a", "a", "b", "b"])), profile(Series(["a", "b", "b", "b"])))
    0.25
    """
    if before.measures and len(after.numbers):
        return largest_gap(before.ascending, after.ascending)
    counts = side_by_side(before, after)[1]
    return float(np.abs(np.subtract(*(counts / np.maximum(1, counts.sum(axis=0))).T)).sum() / 2)


def side_by_side(before: Column, after: Column) -> tuple[list, np.ndarray]:
    """Return the levels of two columns, and how many rows each has before and after.

    Examples
    --------
    >>> levels, counts = side_by_side(profile(Series(["a", "a", None])), profile(Series(["b"])))
    >>> levels, counts.tolist()
    (['a', 'b', '(missing)'], [[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    """
    sides = [
        dict(zip(one.counts.index, one.counts.to_numpy(), strict=True)) for one in (before, after)
    ]
    levels = list({**sides[0], **sides[1]})
    counts = [[side.get(level, 0) for side in sides] for level in levels]
    return [*levels, MISSING], np.array([*counts, [before.missing, after.missing]], dtype=float)


def largest_gap(then: np.ndarray, now: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of two ascending arrays.

    Examples
    --------
    >>> largest_gap(np.array([1, 2, 3, 4]), np.array([3, 4, 5, 6]))
    0.5
    """
    below = until = np.searchsorted(then, now, "right")
    if (then[np.maximum(until, 1) - 1] == now).any():  # equal numbers count on both sides
        below = np.searchsorted(then, now, "left")
    steps = np.arange(len(now) + 1) / len(now)
    return float(max((steps[1:] - until / len(then)).max(), (below / len(then) - steps[:-1]).max()))


def check_given(
    given: DataFrame, stored: DataFrame, key: str, name: str, since: object = None
) -> DataFrame:
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
    given = given.dropna(subset=key).drop_duplicates(key).set_index(key)
    stored = stored.dropna(subset=key).drop_duplicates(key).set_index(key)
    known = given.index.intersection(stored.index)
    row = {"signal": "given", "table": name, "since": since, "expected": 0.0}
    found = []
    if len(known) < len(given):
        strangers = 1 - len(known) / len(given)
        because = f"{name} has {len(given) - len(known):,} of {len(given):,} rows whose {key} is not stored"
        found.append({**row, "value": strangers, "effect": strangers, "because": because})
    for column in [one for one in given if one in stored.columns]:
        ours, theirs = given.loc[known, column], stored.loc[known, column]
        numbers = [numbers_of(one) for one in (ours, theirs)]
        plain = [one.astype(object).where(one.notna(), None).to_numpy() for one in (ours, theirs)]
        same = (plain[0] == plain[1]) | np.isclose(*numbers)
        differ = ~same.astype(bool)
        if differ.any():
            share, first = float(differ.mean()), int(differ.argmax())
            because = f"{name} has another {column} than is stored in {share:.1%} of the rows, {plain[0][first]!r} for {plain[1][first]!r} in the first"
            found.append(
                {**row, "column": str(column), "value": share, "effect": share, "because": because}
            )
    return signals(found)
