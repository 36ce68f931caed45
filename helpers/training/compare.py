"""Stage 4: which of two models is better beyond chance, where one fails, whom it treats otherwise."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy.stats import binomtest, norm, t

from helpers.checks import (
    require_columns,
    require_each,
    require_filled,
    require_flags,
    require_rows,
    require_same_order,
    require_share,
    require_single,
)
from helpers.training.evaluate import METRICS

CONFIDENCE = 0.95
LOSSES = ("log_loss", "brier")  # the smaller the better


class Difference(NamedTuple):
    """How much better one is than another, and the range that chance leaves open (95 %)."""

    mean: float
    low: float
    high: float


def paired(scores_a: Sequence[float], scores_b: Sequence[float], test_share: float) -> Difference:
    """Return by how much `a` beats `b`, fold by fold.

    The training parts of folds overlap, so a plain t-test is too sure of itself: the variance is
    multiplied by 1/folds + test/train rows in place of 1/folds.

    Parameters
    ----------
    scores_a, scores_b : one score a fold, of the same folds in the same order, repeats included.
    test_share : the share of rows that a fold tests on: 0.2 for five folds.

    Raises
    ------
    ValueError
        If the two do not fit together, a score is no number, or `test_share` not between 0 and 1.

    Source
    ------
    Nadeau & Bengio (2003), Machine Learning 52, the corrected resampled t-test.

    Examples
    --------
    >>> found = paired([0.84, 0.86, 0.85, 0.87, 0.85], [0.83, 0.84, 0.84, 0.85, 0.84], test_share=0.2)
    >>> round(found.mean, 3), round(found.low, 3), round(found.high, 3)
    (0.014, 0.004, 0.024)
    """
    require_share(test_share, "test_share")
    require_same_order(scores_a, "scores_a", scores_b, "scores_b")
    a, b = (np.asarray(scores, dtype=float).ravel() for scores in (scores_a, scores_b))
    if len(a) != len(b) or len(a) < 2 or not np.isfinite([*a, *b]).all():
        raise ValueError(
            f"scores_a and scores_b need one number a fold, of at least two folds that both share; got "
            f"{len(a)} and {len(b)}, of which {np.isfinite([*a, *b]).sum()} are numbers. Judge both "
            "with the same cv."
        )
    if test_share in (0, 1):
        raise ValueError(f"test_share is between 0 and 1, 0.2 for five folds; got {test_share}.")
    gain = a - b
    spread = np.sqrt((1 / len(gain) + test_share / (1 - test_share)) * gain.var(ddof=1))
    half = t.ppf((1 + CONFIDENCE) / 2, len(gain) - 1) * spread
    return Difference(float(gain.mean()), float(gain.mean() - half), float(gain.mean() + half))


def paired_bootstrap(
    table: DataFrame,
    metric_of: Callable[[DataFrame], float],
    seed: int,
    by: str = "customerID",
    draws: int = 400,
) -> Difference:
    """Return a figure of a table with its range on customers drawn anew, each with all of their rows.

    When `metric_of` subtracts the figures of two models, what is common to both cancels.

    Parameters
    ----------
    table : any number of rows a customer, with what `metric_of` reads and `by`.
    metric_of : takes such a table and returns one number, such as the gain of one model on another.
    seed : the same seed gives the same range.
    draws : bootstrap samples; 400 fix the second digit.

    Raises
    ------
    ValueError
        If a row is nobody's, there are fewer than two customers, or the figure is no number.

    Source
    ------
    Efron (1979), The Annals of Statistics 7(1), the percentile bootstrap. Too narrow with fewer than
    thirty leavers; for a calibration error it tells how samples differ, not where the truth lies.

    Examples
    --------
    >>> table = DataFrame({"customerID": range(100), "a": [30, 50] * 50, "b": [20, 25] * 50})
    >>> gain = paired_bootstrap(table, lambda rows: (rows["a"] - rows["b"]).mean(), seed=7)
    >>> gain.mean, gain.low < 17.5 < gain.high
    (17.5, True)
    """
    require_filled(table, "the table", by)
    require_rows(table, "the table", at_least=2)
    require_single(table[by], by)
    places = list(table.groupby(by, sort=False).indices.values())
    value = float(metric_of(table))
    if len(places) < 2 or not np.isfinite(value):
        raise ValueError(
            f"A range needs at least two customers and a figure that is a number; got {len(places)} "
            f"different {by} and {value}. Take more rows, or another metric."
        )
    rng = np.random.default_rng(seed)
    values, single = [], np.concatenate(places) if len(places) == len(table) else None
    for _ in range(draws):
        drawn = rng.integers(0, len(places), len(places))
        rows = np.concatenate([places[one] for one in drawn]) if single is None else single[drawn]
        values.append(metric_of(table.iloc[rows]))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(np.asarray(values, dtype=float), [tail, 1 - tail])
    return Difference(value, float(low), float(high))


def worst_slices(
    scored: DataFrame,
    columns: Sequence[str | tuple[str, ...]],
    metric: str,
    seed: int,
    threshold: float = 0.5,
    at_least: int = 50,
) -> DataFrame:
    """Return the groups of customers in which a model is weakest, with ranges that hold together.

    Of forty groups two are bad by chance; the ranges are so wide that with 95 % confidence *all* hold
    (Bonferroni): a group whose range does not reach the figure of all customers is weak.

    Parameters
    ----------
    scored : one row a customer: `churned` (flag), `churn_probability` and the columns.
    columns : by which to group; a tuple of several groups by all of them at once. One of numbers with
        more than ten values is cut into quarters of the customers.
    metric : a name that `helpers.training.evaluate.scores` returns, but for the calibration error.
    seed : of the bootstrap; accuracy, precision and recall are shares and need none.
    threshold : a customer at or above it counts as predicted to leave.
    at_least : customers that a group needs; smaller ones are listed last, without a figure.

    Returns
    -------
    One row a group, the worst first: `column`, `level` (a gap is one), `customers`, `churned` (how
    many), the metric, `low`, `high`, `overall` (the metric of all customers). What so few customers
    cannot tell is missing.

    Raises
    ------
    ValueError
        If a column is missing, `churned` no flag, a probability none, or the metric unknown.

    Source
    ------
    Wilson (1927), Journal of the American Statistical Association 22(158), for the shares.

    Examples
    --------
    >>> scored = DataFrame({"contract": ["month", "year"] * 100, "churned": [True, False] * 100,
    ...                     "churn_probability": [0.3, 0.1] * 100})
    >>> worst_slices(scored, ["contract"], "accuracy", seed=7)[["level", "accuracy", "overall"]].values.tolist()
    [['month', 0.0, 0.5], ['year', 1.0, 0.5]]
    """
    together = [list(one) if isinstance(one, (tuple, list)) else [one] for one in columns]
    names = dict.fromkeys(name for one in together for name in one)
    _require_scored(scored, names, threshold)
    known = [one for one in METRICS if one != "calibration_error"]
    if metric not in known:
        raise ValueError(
            f"metric is one of {', '.join(known)}; got {metric!r}. (The calibration error of a few customers "
            "is large by chance, so a group is not held against all; brier can be.)"
        )
    truth = scored["churned"].to_numpy(dtype=bool)
    chance = scored["churn_probability"].to_numpy(dtype=float)
    levels = DataFrame({name: _levels(scored[name]) for name in names})
    groups = [
        (" & ".join(map(str, one)), level, rows)
        for one in together
        for level, rows in levels.groupby(levels[one].agg(" & ".join, axis=1)).indices.items()
    ]
    judged = sum(len(rows) >= at_least for _, _, rows in groups)
    deviations = norm.ppf(1 - (1 - CONFIDENCE) / 2 / max(judged, 1))
    found = []
    for column, level, rows in groups:
        figures = (np.nan,) * 3
        if len(rows) >= at_least:
            figures = _figure(truth[rows], chance[rows], metric, threshold, deviations, seed)
        found.append((column, level, len(rows), int(truth[rows].sum()), *figures))
    table = DataFrame(
        found, columns=["column", "level", "customers", "churned", metric, "low", "high"]
    )
    table["overall"] = METRICS[metric](truth, chance, threshold)
    return table.sort_values(metric, ascending=metric not in LOSSES, ignore_index=True, kind="stable")  # fmt: skip


def _require_scored(scored, columns, threshold):
    """Stop unless a table holds the truth, probabilities and columns."""
    require_share(threshold, "threshold")
    require_columns(scored, "scored", ["churned", "churn_probability", *columns])
    require_rows(scored, "scored")
    for column in columns:
        require_single(scored[column], str(column))
    require_flags(scored["churned"], "churned")
    chance = scored["churn_probability"].to_numpy(float, na_value=np.nan)
    require_each(
        (chance >= 0) & (chance <= 1), scored, "scored", "churn_probability", "from 0.0 to 1.0",
        "Score these customers, or leave them out.",
    )  # fmt: skip


def _levels(values):
    """Return the level of each row as a text: many numbers as their quarter, a gap as one more."""
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 10:
        values = pd.qcut(values, 4, duplicates="drop").astype("str").where(values.notna())
    return values.astype(object).where(values.notna(), "(missing)").astype("str").to_numpy()


def _figure(truth, chance, metric, threshold, deviations, seed):
    """Return a metric of some customers with a range of so many standard deviations."""
    value = METRICS[metric](truth, chance, threshold)
    counted = {
        "accuracy": np.ones(len(truth), dtype=bool), "recall": truth, "precision": chance >= threshold,
    }.get(metric)  # fmt: skip
    if counted is not None:  # a share of so many
        rows = int(counted.sum())
        return _share(round(value * rows), rows, 2 * norm.cdf(deviations) - 1)
    if not np.isfinite(value):
        return (np.nan,) * 3
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(0, len(truth), len(truth)) for _ in range(200))
    spread = np.nanstd([METRICS[metric](truth[rows], chance[rows], threshold) for rows in drawn])
    half = deviations * spread if spread else np.nan  # of so few no draw told another figure
    most = np.inf if metric == "log_loss" else 1.0
    return value, *np.clip([value - half, value + half], 0.0, most)


def _share(hits, rows, confidence=CONFIDENCE):
    """Return a share and the ends of its Wilson interval; all open where there are no rows."""
    if not rows:
        return np.nan, np.nan, np.nan
    found = binomtest(int(hits), int(rows)).proportion_ci(confidence, method="wilson")
    return hits / rows, float(found.low), float(found.high)


def _gap(high, low):
    """Return the first share less the second, with the range of Newcombe's hybrid score method."""
    (p, p_low, p_high), (q, q_low, q_high) = high, low
    return Difference(
        float(p - q),
        float(p - q - np.hypot(p - p_low, q_high - q)),
        float(p - q + np.hypot(p_high - p, q - q_low)),
    )


class Fairness(NamedTuple):
    """How a model treats groups: the shares of each, and how far the extremes lie apart."""

    by_group: DataFrame
    gaps: DataFrame


def fairness_gaps(scored: DataFrame, group: str, threshold: float) -> Fairness:
    """Return how differently a model treats groups at a threshold.

    A model can seldom equal all three: `selection_share` (demographic parity), `recall` (of those who
    leave; equal opportunity), `false_positive_share` (of those who stay; with recall equalized odds).

    Parameters
    ----------
    scored : one row a customer: `churned` (flag), `churn_probability` and `group`; a gap is a group.
    group : column that names the group.
    threshold : a customer at or above it is selected.

    Returns
    -------
    `by_group`: one row a group, `customers`, `churned` (how many), and the three shares, missing where
    there is no customer. `gaps`: one row a measure, `highest` and `lowest` (the groups), `gap`
    (difference of their shares), `low`, `high` (95 %; with more than two groups too narrow, as the
    extremes were picked), `ratio` (lowest / highest share; below 0.8 fails the four-fifths rule).

    Raises
    ------
    ValueError
        As in `worst_slices`, or if there is one group only.

    Source
    ------
    Hardt, Price & Srebro (2016), NeurIPS, for equal opportunity; Newcombe (1998), Statistics in
    Medicine 17, method 10, for the range; the four-fifths rule is from the Uniform Guidelines on
    Employee Selection Procedures (1978), 29 CFR 1607.4.

    Examples
    --------
    >>> scored = DataFrame({"senior": [0] * 10 + [1] * 10, "churned": [True, False] * 10,
    ...                     "churn_probability": [0.9, 0.1] * 5 + [0.9, 0.8] * 5})
    >>> found = fairness_gaps(scored, "senior", threshold=0.5)
    >>> found.by_group["selection_share"].tolist(), found.gaps.loc["selection_share", "ratio"].item()
    ([0.5, 1.0], 0.5)
    """
    _require_scored(scored, [group], threshold)
    parts = scored.groupby(scored[group].astype(object).where(scored[group].notna(), "(missing)"))
    if parts.ngroups < 2:
        raise ValueError(
            f"{group} holds one group only, {next(iter(parts.groups))!r}; two are needed for a gap. Take "
            "another column."
        )
    shares, rows = {}, {}
    for name, part in parts:
        picked, left = part["churn_probability"] >= threshold, part["churned"].astype(bool)
        shares[name] = {
            "selection_share": _share(picked.sum(), len(part)),
            "recall": _share((picked & left).sum(), left.sum()),
            "false_positive_share": _share((picked & ~left).sum(), (~left).sum()),
        }
        said = {measure: share[0] for measure, share in shares[name].items()}
        rows[name] = {"customers": len(part), "churned": int(left.sum()), **said}
    by_group = DataFrame.from_dict(rows, orient="index").rename_axis(group)
    gaps = {}
    for measure in ("selection_share", "recall", "false_positive_share"):
        known = by_group[measure].dropna()
        if len(known) < 2:
            continue
        most, least = known.idxmax(), known.idxmin()
        gap = _gap(shares[most][measure], shares[least][measure])
        ratio = known[least] / known[most] if known[most] else np.nan
        gaps[measure] = (most, least, *gap, ratio)
    columns = ["highest", "lowest", "gap", "low", "high", "ratio"]
    return Fairness(by_group, DataFrame.from_dict(gaps, orient="index", columns=columns))


def uplift_by_band(table: DataFrame, score: Hashable, called: str, bands: int = 5) -> DataFrame:
    """Return, from the highest scores to the lowest, what calling changed: called against not called.

    Only where chance decided who is called (a control group) is the difference the calls' doing.

    Parameters
    ----------
    table : one row a customer: the columns `score` (a number), `called` and "churned" (flags).
    bands : groups of equal size by falling score; equal scores may make them fewer.

    Returns
    -------
    One row a band, 1 being the highest scores: `customers`, `called` (how many), `left_called` and
    `left_alone` (shares), `uplift` (`left_alone` - `left_called`; negative where calls drive
    customers away), `low`, `high` (95 %, Newcombe). Missing where a band lacks one of the two.

    Raises
    ------
    ValueError
        If a column is missing or holds gaps, a flag is none, all or none were called, or `bands` < 1.

    Source
    ------
    Radcliffe (2007), Direct Marketing Analytics Journal 1; Newcombe (1998), Statistics in Medicine 17.

    Examples
    --------
    >>> table = DataFrame({"score": [0.9] * 4 + [0.1] * 4, "called": [True, True, False, False] * 2,
    ...                    "churned": [False, False, True, True, True, False, True, False]})
    >>> uplift_by_band(table, "score", "called", bands=2)["uplift"].tolist()
    [1.0, 0.0]
    """
    require_columns(table, "the table", [score, called, "churned"])
    require_filled(table, "the table", score)
    for column in (called, "churned"):
        require_flags(table[column], column)
    if not 0 < table[called].sum() < len(table):
        raise ValueError(
            f"{called} is true for {int(table[called].sum()):,} of {len(table):,} customers; some called and "
            "some left alone are needed, or nothing tells what a call changed. Keep a control group."
        )
    if bands < 1:
        raise ValueError(f"bands counts the groups, so 1 or more; got {bands}.")
    cut = pd.qcut(-table[score].astype(float), bands, labels=False, duplicates="drop")
    rows = []
    for _, part in table.groupby(pd.factorize(cut, sort=True)[0] + 1):
        treated, left = part[called].astype(bool), part["churned"].astype(bool)
        with_call = _share((left & treated).sum(), treated.sum())
        without = _share((left & ~treated).sum(), (~treated).sum())
        rows.append((len(part), int(treated.sum()), with_call[0], without[0], *_gap(without, with_call)))  # fmt: skip
    columns = ["customers", "called", "left_called", "left_alone", "uplift", "low", "high"]
    return DataFrame(rows, columns=columns, index=pd.RangeIndex(1, len(rows) + 1, name="band"))
