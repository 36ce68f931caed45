"""Monitoring: how far the inputs have moved, each column for itself and all together."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from pandas.api import types
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, kstwo, mannwhitneyu, wasserstein_distance
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from helpers.checks import kinds_of, require_columns, require_rows, require_same_kind
from helpers.monitoring.data_quality import (
    ENOUGH,
    NESTED,
    finding,
    kind,
    require_table,
    signals,
)

LEAST_SHARE = 0.0001  # stands for an empty level, so that the logarithm stays finite
ALARM = 0.25  # the usual alarm of the population stability index
MANY = 100  # levels, beyond which a column is free text
MISSING = "(missing)"
_ID = re.compile(r"(^|[ _.-])(id|ID|Id)$|[a-z]I[Dd]$")


class _Pair(NamedTuple):
    """A column as it was and as it is.

    What measures something has the numbers of both, in order, and is counted in ten bins of the reference;
    anything else is counted by its levels. The last count is of what is missing, a level of its own.
    """

    column: str
    numbers: list[np.ndarray]
    levels: list
    counts: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        return self.counts / self.counts.sum(axis=0)

    @property
    def moved(self) -> float:
        """Which share of the rows would have to change, at least, to make one of the other."""
        return (
            _largest_gap(*self.numbers) if self.numbers else np.abs(np.diff(self.shares)).sum() / 2
        )


def _pairs(reference: DataFrame, current: DataFrame) -> Iterator[_Pair]:
    """Yield the columns that can be compared: no ids, no free texts, nothing that holds another kind now."""
    for what, table in [("the reference", reference), ("the table", current)]:
        require_table(table, what)
        require_rows(table, what)
    for column in reference.columns.intersection(current.columns, sort=False):
        both = [_readable(table[column]) for table in (reference, current)]
        kinds = [set(kind(one).split(" and ")) for one in both]
        meet = kinds[0] & kinds[1] or {"nothing"} in kinds
        if not meet or {NESTED} in kinds or _ID.search(str(column)):
            continue
        numbers = [_ascending(one) for one in both] if kinds == [{"numbers"}] * 2 else []
        if numbers and len(numbers[1]) and np.count_nonzero(np.diff(numbers[0])) >= 10:
            cuts = np.unique(np.quantile(numbers[0], np.arange(1, 10) / 10))
            binned = [
                np.bincount(np.searchsorted(cuts, one), minlength=len(cuts) + 1) for one in numbers
            ]
            missing = [len(one) - len(side) for one, side in zip(both, numbers, strict=True)]
            yield _Pair(column, numbers, [], np.vstack([np.transpose(binned), missing]))
            continue
        counted = [one.value_counts().to_dict() for one in both]
        levels = list(counted[0] | counted[1])
        if len(counted[0]) <= MANY:
            counts = [[side.get(level, 0) for side in counted] for level in levels]
            missing = [int(one.isna().sum()) for one in both]
            yield _Pair(column, [], [*levels, MISSING], np.array([*counts, missing]))


def _readable(values: Series) -> Series:
    """Return a column as it is compared: moments by their hours, numbers that are written as texts as numbers."""
    if types.is_datetime64_any_dtype(values):
        return values.dt.hour
    if types.is_timedelta64_dtype(values):
        return values.dt.total_seconds()
    if types.is_string_dtype(values.dropna()):
        some = pd.to_numeric(values.dropna().head(1_000), errors="coerce")
        if some.notna().mean() > 0.95 and some.nunique() > 10:
            return pd.to_numeric(values, errors="coerce")
    return values


def _ascending(values: Series) -> np.ndarray:
    """Return the finite numbers of a column in order."""
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    return np.sort(numbers[np.isfinite(numbers)])


def _largest_gap(then: np.ndarray, now: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of two ascending arrays; scipy's sorts them again, which takes long."""
    below, until = (np.searchsorted(then, now, side) for side in ("left", "right"))
    steps = np.arange(len(now) + 1) / len(now)
    return float(max((steps[1:] - until / len(then)).max(), (below / len(then) - steps[:-1]).max()))


def _index(then, now):
    """Return the population stability index of the shares on the last axis."""
    then, now = np.maximum(then, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return ((now - then) * np.log(now / then)).sum(axis=-1)


def _by_chance(counts):
    """Return the index that one of twenty pairs of samples exceeds where nothing moved.

    It is drawn, not taken from the chi-squared distribution: that knows nothing of the levels
    which a small sample misses, and those make up most of the index.
    """
    rng = np.random.default_rng(0)  # the same tables always give the same figure
    shares = counts.sum(axis=1) / counts.sum()
    then, now = (rng.multinomial(rows, shares, 1000) / rows for rows in counts.sum(axis=0))
    return float(np.quantile(_index(then, now), 0.95))


def distances(reference: DataFrame, current: DataFrame) -> DataFrame:
    """Return how far each column has moved, by the measures that are in use.

    Numbers are counted in ten bins of equal size in the reference; what is missing is a level of its own.

    Parameters
    ----------
    reference, current : as for `drift`.

    Returns
    -------
    One row a column that can be compared: `psi` (population stability index; a level that is absent on one side
    counts as a share of 0.0001), `psi_by_chance` (what one in twenty such tables exceeds where nothing
    moved: few rows have a large one), `jensen_shannon` (0.0 to 1.0, base 2), `moved` (share of the rows; for
    numbers the Kolmogorov-Smirnov distance), `wasserstein` (numbers only, in the unit of the column: how far
    the values moved on average).

    Raises
    ------
    ValueError
        As in `drift`.

    Source
    ------
    Lin (1991), IEEE Transactions on Information Theory 37, for the Jensen-Shannon divergence.

    Examples
    --------
    >>> then = DataFrame({"pay": ["card", "check"] * 50, "fee": np.arange(100) / 4})
    >>> distances(then, then.assign(fee=then["fee"] + 5)).round(2).loc["fee"].tolist()
    [1.6, 0.37, 0.37, 0.2, 5.0]
    """
    found = {}
    for pair in _pairs(reference, current):
        then, now = pair.shares.T
        far = wasserstein_distance(*pair.numbers) if pair.numbers else np.nan
        found[pair.column] = _index(then, now), _by_chance(pair.counts), jensenshannon(then, now, base=2), pair.moved, far  # fmt: skip
    columns = ["psi", "psi_by_chance", "jensen_shannon", "moved", "wasserstein"]
    return DataFrame.from_dict(found, orient="index", columns=columns)


def stability_index(reference: DataFrame, current: DataFrame, columns: list[str]) -> Series:
    """Return the population stability index of these columns, the largest first; the usual alarm is at 0.25.

    The sum over levels of (now - then) x ln(now / then): 0 when nothing moved. With few rows chance alone moves
    it: where one draw in twenty from *unchanged* customers would ring the alarm, a warning names the
    column and the value that chance reaches.

    Parameters
    ----------
    reference, current : one row a customer.
    columns : what is compared.

    Raises
    ------
    ValueError
        If a table has no row or lacks a column, or no value could be on both sides, as the text "1" and the number 1.

    Examples
    --------
    >>> then = DataFrame({"pay": ["check", "card"] * 50})
    >>> stability_index(then, then, ["pay"])["pay"].item()
    0.0
    """
    for name, table in [("reference", reference), ("current", current)]:
        require_columns(table, name, columns)
        require_rows(table, name)
    for column in columns:
        if not kinds_of(reference[column]) & kinds_of(current[column]):
            require_same_kind(current[column], "current", reference[column], "reference", column)
    table = distances(reference[columns], current[columns])
    few = [f"{one} {value:.2f}" for one, value in table["psi_by_chance"].items() if value >= ALARM]
    if few:
        warnings.warn(
            f"With {len(reference):,} and {len(current):,} rows at least one sample in twenty would ring the alarm "
            f"of {ALARM} by chance, though nothing has changed. Only an index above these values says "
            f"more: {', '.join(few)}. Take more rows, or a longer time.",
            stacklevel=2,
        )
    return table["psi"].sort_values(ascending=False)


def drift(reference: DataFrame, current: DataFrame, name: str) -> DataFrame:
    """Measure how far each column moved.

    Numbers (also written as texts) are compared by the Kolmogorov-Smirnov test, levels by the
    chi-squared test, rare levels taken together; moments by their hours of the day. Ids, free texts and
    columns that hold another kind now are left out: `data_quality.check_table` speaks of them.

    Parameters
    ----------
    reference, current : any rows; both at least one.
    name : what the table is called.

    Returns
    -------
    `signals`: one row for every column that could be compared, the most moved first, whether it moved or
    not. `effect` is the share of the rows that moved, `value` and `expected` the
    medians, or the shares of the level that moved most, `p` the chance of as much without a change.
    Several columns are to be corrected together, as by `scipy.stats.false_discovery_control`.

    Raises
    ------
    ValueError
        If one of the two is no table, or has no row.

    Source
    ------
    Kolmogorov (1933), Smirnov (1948); Pearson (1900).

    Examples
    --------
    >>> then = DataFrame({"pay": ["card", "check"] * 50, "fee": np.arange(100) / 4})
    >>> found = drift(then, then.assign(fee=then["fee"] + 5), "customers")
    >>> found[["column", "effect"]].round(6).values.tolist()
    [['fee', 0.2], ['pay', 0.0]]
    """
    found = []
    for pair in _pairs(reference, current):
        moved = pair.moved
        if pair.numbers:
            rows = [len(side) for side in pair.numbers]
            p = kstwo.sf(moved, max(1, round(rows[0] * rows[1] / sum(rows))))
            expected, value = (side[len(side) // 2] for side in pair.numbers)
            what = f"half of {pair.column} lie below {value:,.4g}, {expected:,.4g} before"
        else:
            p, most = _chance_of_levels(pair.counts), np.abs(np.diff(pair.shares)).argmax()
            expected, value = pair.shares[most]
            what = f"{pair.column} is {pair.levels[most]!r} in {value:.1%} of the rows, {expected:.1%} before"
        because = f"{what}; {moved:.1%} of the rows moved"
        found.append(finding("drift", f"{name}.{pair.column}", value, expected, because, effect=moved, p=p))  # fmt: skip
    return signals(sorted(found, key=lambda row: -row["effect"]))


def _chance_of_levels(counts):
    """Return the chance of counts so different; levels of which fewer than five are expected are one."""
    rows = counts.sum(axis=0)
    rare = counts.sum(axis=1) * rows.min() / rows.sum() < 5
    kept = np.vstack([counts[~rare], counts[rare].sum(axis=0)])
    kept = kept[kept.sum(axis=1) > 0]
    return float(chi2_contingency(kept, correction=False).pvalue) if len(kept) > 1 else 1.0


def told_apart(reference: DataFrame, current: DataFrame, name: str) -> DataFrame:
    """Measure how well a model tells the rows of now from those of before, all columns together.

    It sees what no column shows alone. Half right by chance; the better it is, the more has moved.

    Parameters
    ----------
    reference, current : as for `drift`; of each 20,000 rows at most are read.

    Returns
    -------
    `signals`, one row: `value` is the ROC-AUC on rows that the model did not learn from, `expected` 0.5,
    `p` the chance of as much where nothing moved. No row where no column can be compared,
    or a table has fewer than fifty rows.

    Raises
    ------
    ValueError
        As in `drift`.

    Source
    ------
    Mann & Whitney (1947), whose U is the ROC-AUC.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> a = rng.normal(size=2_000)
    >>> then, now = DataFrame({"a": a, "b": a}), DataFrame({"a": a, "b": -a})
    >>> found = told_apart(then, now, "pairs")
    >>> found["value"].item() > 0.9, drift(then, now, "pairs")["effect"].lt(0.1).all().item()
    (True, True)
    """
    columns = [pair.column for pair in _pairs(reference, current)]
    then, now = (table.iloc[:: -(-len(table) // 20_000)] for table in (reference, current))
    if min(len(then), len(now)) < ENOUGH or not columns:
        return signals([])
    rows = pd.concat([then[columns], now[columns]], ignore_index=True).apply(_readable)
    words = [column for column in columns if not types.is_numeric_dtype(rows[column])]
    rows = rows.assign(**{column: pd.factorize(rows[column])[0] for column in words})
    side = np.repeat([False, True], [len(then), len(now)])
    model = HistGradientBoostingClassifier(max_iter=40, random_state=0)
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    chance = cross_val_predict(model, rows.astype(float), side, cv=folds, method="predict_proba")[:, 1]  # fmt: skip
    test = mannwhitneyu(chance[side], chance[~side], alternative="greater")
    auc = test.statistic / (len(then) * len(now))
    because = f"a model tells rows of {name} from those before with an AUC of {auc:.3f}; 0.5 is a coin"  # fmt: skip
    return signals([finding("relation", name, auc, 0.5, because, effect=max(0.0, 2 * auc - 1), p=test.pvalue)])  # fmt: skip
