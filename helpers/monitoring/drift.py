"""Monitoring: how far the inputs have moved, each column for itself and all together."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from numbers import Number

import numpy as np
import pandas as pd
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, kstwo, norm, wasserstein_distance
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from helpers.checks import kinds_of, require_columns, require_rows, require_same_kind
from helpers.monitoring.data_quality import (
    EVERYBODY,
    MANY,
    MISSING,
    is_id,
    largest_gap,
    moved,
    numbers_of,
    profile,
    require_table,
    side_by_side,
    signals,
)
from helpers.monitoring.performance import measured

LEAST_SHARE = 0.0001  # stands for an empty level, so that the logarithm stays finite
ALARM = 0.25  # the usual alarm of the population stability index


def level_shift(reference: pd.DataFrame, current: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the share of each level of `column` then and now.

    Parameters
    ----------
    reference, current : one row a customer, with `column`.
    column : a column of categories, be they texts, numbers or flags.

    Returns
    -------
    One row a level, in order, missing values being the level "(missing)", the last: `reference`
    and `current` shares (each column adds up to 1.0).

    Raises
    ------
    ValueError
        If a table has no row or lacks the column, or no level could be on both sides, as the text
        "1" and the number 1.

    Examples
    --------
    >>> then, now = pd.DataFrame({"pay": ["check"]}), pd.DataFrame({"pay": ["card", "card"]})
    >>> level_shift(then, now, "pay").loc["card"].tolist()
    [0.0, 1.0]
    """
    for name, table in [("reference", reference), ("current", current)]:
        require_columns(table, name, [column])
        require_rows(table, name)
    before, after = reference[column], current[column]
    if not kinds_of(before) & kinds_of(after):
        require_same_kind(after, "current", before, "reference", column)
    then, now = _shares(before), _shares(after)
    levels = sorted({**then, **now}, key=_place)
    shares = {"reference": [then.get(level, 0.0) for level in levels]}
    shares["current"] = [now.get(level, 0.0) for level in levels]
    return pd.DataFrame(shares, index=pd.Index(levels, name=column))


def _shares(levels):
    """Return the share of each level; a field left empty is a level too, or it would not be seen."""
    named = levels.astype(object).where(levels.notna(), MISSING)
    return named.value_counts(normalize=True).to_dict()


def _place(level):
    """Return by what the levels are sorted: each kind for itself, for 1 and "a" have no order."""
    kind = "" if isinstance(level, Number) else type(level).__name__
    return level == MISSING, kind, level


def stability_index(
    reference: pd.DataFrame, current: pd.DataFrame, columns: list[str]
) -> pd.Series:
    """Return the population stability index of each column; the usual alarm is at 0.25.

    The sum over levels of (now - then) x ln(now / then): 0 when nothing moved. A level that is
    absent on one side counts as a share of 0.0001. With few rows chance alone moves the index:
    where one draw in twenty from *unchanged* customers would ring the alarm, a warning names the
    column and the value that chance reaches.

    Parameters
    ----------
    reference, current : one row a customer.
    columns : columns of categories.

    Returns
    -------
    One value a column, the largest first.

    Raises
    ------
    ValueError
        As in `level_shift`.

    Examples
    --------
    >>> then = pd.DataFrame({"pay": ["check", "card"] * 50})
    >>> stability_index(then, then, ["pay"])["pay"].item()
    0.0
    """
    values, chance = {}, {}
    rows = np.array([len(reference), len(current)])
    for column in columns:
        shares = level_shift(reference, current, column).to_numpy()
        values[column] = float(_index(*shares.T))
        chance[column] = _by_chance(shares @ rows / rows.sum(), rows)
    few = [f"{column} {value:.2f}" for column, value in chance.items() if value >= ALARM]
    if few:
        warnings.warn(
            f"With {rows[0]:,} and {rows[1]:,} rows at least one sample in twenty would ring the alarm "
            f"of {ALARM} by chance, though nothing has changed. Only an index above these values says "
            f"more: {', '.join(few)}. Take more rows, or a longer time.",
            stacklevel=2,
        )
    return pd.Series(values, name="psi").sort_values(ascending=False)


def _index(then, now):
    """Return the index of the shares on the last axis."""
    then, now = np.maximum(then, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return ((now - then) * np.log(now / then)).sum(axis=-1)


def _by_chance(shares, rows):
    """Return the index that one of twenty pairs of samples exceeds when both have these shares.

    It is drawn, not taken from the chi-squared distribution: that knows nothing of the levels
    which a small sample misses, and those make up most of the index.
    """
    rng = np.random.default_rng(0)  # the same tables always give the same warning
    then, now = (rng.multinomial(count, shares / shares.sum(), 1000) / count for count in rows)
    return np.quantile(_index(then, now), 0.95)


def distances(reference: pd.DataFrame, current: pd.DataFrame) -> pd.DataFrame:
    """Return how far each column has moved, by the measures that are in use.

    Numbers are counted in ten bins of the reference, which are of equal size there; what is missing is a
    level of its own.

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
    >>> then = pd.DataFrame({"pay": ["card", "check"] * 50, "fee": np.arange(100) / 4})
    >>> distances(then, then.assign(fee=then["fee"] + 5)).round(2).loc["fee"].tolist()
    [1.6, 0.37, 0.37, 0.2, 5.0]
    """
    found = {}
    for column, then, now in _pairs(reference, current, "the table"):
        far, counts = np.nan, side_by_side(then, now)[1]
        if then.measures and len(now.numbers):
            sides = [one.ascending[np.isfinite(one.ascending)] for one in (then, now)]
            cuts = np.unique(np.quantile(sides[0], np.arange(1, 10) / 10))
            binned = [
                np.bincount(np.searchsorted(cuts, one), minlength=len(cuts) + 1) for one in sides
            ]
            counts = np.column_stack(
                [[*bins, one.missing] for bins, one in zip(binned, (then, now), strict=True)]
            )
            far = float(wasserstein_distance(*sides)) if len(sides[1]) else np.nan
        shares = counts / counts.sum(axis=0)
        rows = counts.sum(axis=0).astype(int)
        found[column] = {"psi": float(_index(*shares.T)), "psi_by_chance": float(_by_chance(counts.sum(axis=1) / counts.sum(), rows)), "jensen_shannon": float(jensenshannon(*shares.T, base=2)), "moved": moved(then, now), "wasserstein": far}  # fmt: skip
    columns = ["psi", "psi_by_chance", "jensen_shannon", "moved", "wasserstein"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns)


def _pairs(reference, current, name):
    """Yield the columns that can be compared, as they were and as they are."""
    for what, table in [("the reference of ", reference), ("", current)]:
        require_table(table, f"{what}{name}")
        require_rows(table, f"{what}{name}")
    shared = [one for one in dict.fromkeys(reference) if one in current.columns]
    with ThreadPoolExecutor(2) as workers:  # sorting leaves the interpreter to others
        for column, pair in zip(
            shared, workers.map(lambda one: _pair(reference, current, one), shared), strict=True
        ):
            if pair:
                yield column, *pair


def _pair(reference, current, column):
    """Return a column then and now, moments as their hours; None where they cannot be compared."""
    values = [
        one if one.ndim == 1 else one.iloc[:, 0] for one in (reference[column], current[column])
    ]
    if all(pd.api.types.is_datetime64_any_dtype(one) for one in values):
        values = [one.dt.hour for one in values]
        if not any(one.any() for one in values):
            return None
    then, now = (profile(one) for one in values)
    if is_id(column, then) or not then.comparable(now):
        return None
    if then.measures and len(now.numbers):
        _ = then.ascending, now.ascending  # sorted here, in the worker
    return then, now


def drift(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    name: str,
    since: object = None,
    where: str = EVERYBODY,
) -> pd.DataFrame:
    """Measure how far each column moved.

    Numbers (also written as texts) are compared by the Kolmogorov-Smirnov test, levels by the
    chi-squared test, rare levels taken together; moments by their hours of the day. Ids, free texts and
    columns that hold another kind now are left out: `data_quality.check_table` speaks of them.

    Parameters
    ----------
    reference, current : any rows; both at least one.
    name : what the table is called.
    since : the first moment of `current`.
    where : the segment that both are.

    Returns
    -------
    `signals`: one row for every column that could be compared, the most moved first, whether it moved or
    not. `effect` is the share of the rows that moved (`data_quality.moved`), `value` and `expected` the
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
    >>> then = pd.DataFrame({"pay": ["card", "check"] * 50, "fee": np.arange(100) / 4})
    >>> found = drift(then, then.assign(fee=then["fee"] + 5), "customers")
    >>> found[["column", "effect"]].round(6).values.tolist()
    [['fee', 0.2], ['pay', 0.0]]
    """
    rows = [
        {"signal": "drift", "table": name, "column": str(column), "where": where, "since": since, **_told(column, then, now)}
        for column, then, now in _pairs(reference, current, name)
    ]  # fmt: skip
    return signals(sorted(rows, key=lambda row: -row["effect"]))


def _told(column, then, now):
    """Return the figures of one column."""
    if then.measures and len(now.numbers):
        effect, chance = _of_numbers(then.ascending, now.ascending)
        value, expected = (float(one.ascending[len(one.numbers) // 2]) for one in (now, then))
        what = f"half of {column} lie below {value:,.4g}, {expected:,.4g} before"
    else:
        effect, (levels, counts) = moved(then, now), side_by_side(then, now)
        chance = _chance_of_levels(counts)
        shares = counts / counts.sum(axis=0)
        most = int(np.abs(shares[:, 1] - shares[:, 0]).argmax())
        expected, value = shares[most].tolist()
        what = f"{column} is {levels[most]!r} in {value:.1%} of the rows, {expected:.1%} before"
    because = f"{what}; {effect:.1%} of the rows moved"
    return {"value": value, "expected": expected, "effect": effect, "p": chance, "because": because}


def _of_numbers(then, now):
    """Return the Kolmogorov-Smirnov distance of two ascending arrays, and the chance of as much."""
    effect, sizes = largest_gap(then, now), (len(then), len(now))
    return effect, float(kstwo.sf(effect, max(1, round(sizes[0] * sizes[1] / sum(sizes)))))


def _chance_of_levels(counts):
    """Return the chance of counts so different; levels of which fewer than five are expected are one."""
    rows = counts.sum(axis=0)
    rare = counts.sum(axis=1) * rows.min() / rows.sum() < 5
    kept = np.vstack([counts[~rare], counts[rare].sum(axis=0)])
    kept = kept[kept.sum(axis=1) > 0]
    return float(chi2_contingency(kept, correction=False).pvalue) if len(kept) > 1 else 1.0


def _some(table, most=20_000):
    """Return some rows of a table, evenly spread."""
    return table.iloc[:: max(1, -(-len(table) // most))]


def told_apart(
    reference: pd.DataFrame, current: pd.DataFrame, name: str, since: object = None, seed: int = 0
) -> pd.DataFrame:
    """Measure how well a model tells the rows of now from those of before, all columns together.

    It sees what no column shows alone. Half right by chance; the better it is, the more has moved.

    Parameters
    ----------
    reference, current : as for `drift`; of each 20,000 rows at most are read.
    seed : of the folds.

    Returns
    -------
    `signals`, one row: `value` is the ROC-AUC on rows that the model did not learn from, `expected` 0.5,
    `p` the chance of as much where nothing moved. No row where no column can be compared,
    or a table has fewer than fifty rows.

    Raises
    ------
    ValueError
        As in `drift`.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> a = rng.normal(size=2_000)
    >>> then, now = pd.DataFrame({"a": a, "b": a}), pd.DataFrame({"a": a, "b": -a})
    >>> found = told_apart(then, now, "pairs")
    >>> found["value"].item() > 0.9, drift(then, now, "pairs")["effect"].lt(0.1).all().item()
    (True, True)
    """
    then, now = (_some(table) for table in (reference, current))
    if min(len(then), len(now)) < 50:
        return signals([])
    parts = []
    for column in [one for one in dict.fromkeys(then) if one in now.columns]:
        told = profile(then[column])
        if (
            is_id(column, told)
            or told.timed
            or not (told.measures or 2 <= len(told.counts) <= MANY)
        ):
            continue
        both = pd.concat([then[column], now[column]])
        codes = numbers_of(both) if told.measures else pd.factorize(both)[0]
        parts.append(np.asarray(codes, dtype=float))
    if not parts:
        return signals([])
    rows, side = np.column_stack(parts), np.repeat([False, True], [len(then), len(now)])
    model = HistGradientBoostingClassifier(max_iter=40, random_state=seed)
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    chance = cross_val_predict(model, rows, side, cv=folds, method="predict_proba")[:, 1]
    auc, error = measured(side, chance, "roc_auc")
    because = (
        f"a model tells rows of {name} from those before with an AUC of {auc:.3f}; 0.5 is a coin"
    )
    return signals([{"signal": "relation", "table": name, "since": since, "value": auc, "expected": 0.5, "effect": max(0.0, 2 * auc - 1), "p": float(norm.sf((auc - 0.5) / error)), "because": because}])  # fmt: skip
