"""Monitoring: how good the model is in production, from labels as they come, and before they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from scipy.special import expit, logit
from scipy.stats import binomtest, norm
from sklearn.linear_model import LogisticRegression

from helpers.checks import (
    require_columns,
    require_flags,
    require_moments,
    require_rows,
    require_share,
)
from helpers.monitoring.data_quality import ENOUGH, finding, require_table, signals

SCORED = ["churned", "churn_probability"]
METRICS = ("accuracy", "precision", "recall")
FEW = 30  # labelled rows, below which nothing is judged
DRAWS = 50  # of labelled rows and of labels to come, for the range of an estimate
REACH = float(norm.isf(0.0025))  # standard errors: of two questions in a hundred passes one errs


def labelled(
    predictions: DataFrame, labels: DataFrame, key: str, name: str
) -> tuple[DataFrame, DataFrame]:
    """Put the labels that came beside the predictions, and say which of the two do not fit.

    Parameters
    ----------
    predictions : one row a prediction: `key`, `churn_probability` and whatever else is wanted.
    labels : one row a label: `key` and `churned`.
    name : of the predictions.

    Returns
    -------
    The predictions, the first of each key, with `churned` (missing where no label came, or several that
    differ), and `signals`: predictions that came twice, labels without a prediction, labels that contradict
    each other.

    Raises
    ------
    ValueError
        If one of the two is no table or lacks a column.

    Examples
    --------
    >>> predictions = DataFrame({"id": ["a", "b", "b"], "churn_probability": [0.9, 0.2, 0.2]})
    >>> scored, found = labelled(predictions, DataFrame({"id": ["a", "z"], "churned": [True, False]}), "id", "scores")
    >>> scored["churned"].tolist(), found["because"].tolist()
    ([True, None], ['scores has 1 prediction(s) more than id', '1 of 2 labels have no prediction in scores'])
    """
    for what, table, column in [
        (name, predictions, "churn_probability"),
        ("the labels", labels, "churned"),
    ]:
        require_table(table, what)
        require_columns(table, what, [key, column])
    known = labels.dropna(subset=[key, "churned"])
    require_flags(known["churned"], "churned of the labels")
    once = predictions.dropna(subset=key).drop_duplicates(key)
    told = known.astype({"churned": bool}).drop_duplicates([key, "churned"])
    differ = told[key].duplicated(keep=False)
    strangers = int((~known[key].isin(once[key])).sum())
    counts = [
        ("twice", len(predictions) - len(once), len(predictions), f"{name} has {{}} prediction(s) more than {key}"),
        ("labels", strangers, len(known), f"{{}} of {len(known):,} labels have no prediction in {name}"),
        ("labels", told.loc[differ, key].nunique(), len(known), f"labels of {{}} {key} contradict each other"),
    ]  # fmt: skip
    found = [finding(signal, f"{name}.{key}", rows / of, 0, because.format(f"{rows:,}")) for signal, rows, of, because in counts if rows]  # fmt: skip
    truth = told[~differ].set_index(key)["churned"].astype(object)
    happened = once[key].map(truth).astype(object)
    return once.assign(churned=happened.where(happened.notna(), None)), signals(found)


def over_time(
    scored: DataFrame, at: str, metric: str = "accuracy", every: str = "MS", threshold: float = 0.5
) -> DataFrame:
    """Return a metric period by period, with its range, from the labels that are known.

    Parameters
    ----------
    scored : one row a prediction: `churned` (a flag; missing as long as nobody knows),
        `churn_probability` and the moment `at` which it was made.
    metric : accuracy, precision or recall.
    every : a period as pandas writes it: "MS" months, "W" weeks, "30D".
    threshold : a probability from it on says that the customer leaves.

    Returns
    -------
    One row a period: `rows`, `labelled` (how many have their label), `value`, `low`, `high` (95 %, Wilson's); the
    last three missing where fewer than thirty labels are known.

    Raises
    ------
    ValueError
        If a column is missing, `at` holds no moments, a label is no flag, a probability is none or missing,
        or the metric is unknown.

    Examples
    --------
    >>> days = pd.date_range("2025-01-01", periods=120, freq="12h")
    >>> scored = DataFrame({"at": days, "churned": [True, False] * 30 + [None] * 60, "churn_probability": 0.4})
    >>> over_time(scored, "at")[["rows", "labelled", "value"]].values.tolist()
    [[62.0, 60.0, 0.5], [56.0, 0.0, nan], [2.0, 0.0, nan]]
    """
    _require_scored(scored, "scored", metric, threshold, [at])
    require_moments(scored, "scored", at)
    scored = scored.dropna(subset=at)
    require_rows(scored, "scored")
    found = {}
    for period, part in scored.set_index(at)[SCORED].resample(every):
        truth, chance = _known(part)
        right = _counted(truth, chance >= threshold, metric)
        told = (np.nan, np.nan, np.nan)
        if len(truth) >= FEW and len(right):
            range_ = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
            told = (right.mean(), range_.low, range_.high)
        found[period] = (len(part), len(truth), *told)
    columns = ["rows", "labelled", "value", "low", "high"]
    return DataFrame.from_dict(found, orient="index", columns=columns).rename_axis("period")


def _known(scored):
    """Return the truth and the probabilities of the rows that have a label."""
    known = scored[scored["churned"].notna()]
    return known["churned"].to_numpy(dtype=bool), known["churn_probability"].to_numpy(dtype=float)


def _counted(truth, said, metric):
    """Return of the rows that a metric counts whether the model was right."""
    return (truth == said)[
        {"accuracy": np.ones_like(said), "precision": said, "recall": truth}[metric]
    ]


def check_labels(name: str, days: Series, usual: Series, came: Sequence[int]) -> Iterator[dict]:
    """Tell of labels that come later than they used to, or hardly at all.

    Parameters
    ----------
    days, usual : how many days each label took, now and before.
    came : how many labels came in each month before.

    Yields
    ------
    At most one signal. Two days have to be later: the third soonest, since how many are late says nothing of
    it, and the middle one, since three alone are late by luck.

    Examples
    --------
    >>> usual = Series([30.0, 31.0, 32.0, 33.0] * 20)
    >>> next(check_labels("labels", usual + 3, usual, [80]))["because"]
    'labels come 3.0 days later than they used to: the soonest after 33.0 days, not 30.0'
    """
    expected = np.mean(came) if len(came) else 0.0
    if len(days) < 0.3 * expected:
        yield finding(
            "labels", f"{name}.known_at", len(days), expected,
            f"{len(days):,} rows of {name} came; {expected:,.0f} were to be expected",
            effect=1 - len(days) / expected,
        )  # fmt: skip
    elif min(len(days), len(usual)) > ENOUGH:
        soonest, before = days.nsmallest(3).max(), usual.quantile(3 / len(days))
        if min(soonest - before, days.median() - usual.median()) > 1.2:
            yield finding(
                "labels", f"{name}.known_at", soonest, before,
                f"{name} come {soonest - before:.1f} days later than they used to: the soonest after "
                f"{soonest:.1f} days, not {before:.1f}", effect=1 - before / soonest,
            )  # fmt: skip


class Estimate(NamedTuple):
    """What a metric should be where no label is known yet.

    Attributes
    ----------
    value, low, high : the figure to expect, and the range in which the labels should lie when they
        come (99.5 %); missing where it is withdrawn.
    valid : whether it may be used.
    because : what speaks for or against it.
    """

    value: float
    low: float
    high: float
    valid: bool
    because: str


def estimate(
    reference: DataFrame,
    current: DataFrame,
    metric: str = "accuracy",
    threshold: float = 0.5,
    seen: DataFrame | None = None,
) -> Estimate:
    """Estimate a metric from the probabilities alone, as long as no label contradicts it.

    The probabilities are calibrated on labelled rows; then each says how often the model should be right.
    It holds while only the customers change (input drift). Where the same customers act otherwise
    (concept drift) it sees nothing: so it is withdrawn when the newest labels contradict it, or where
    the model says what it never said before.

    Parameters
    ----------
    reference : labelled rows: `churned`, `churn_probability`; not those that the model learned from.
    current : rows without labels: `churn_probability`.
    metric : accuracy, precision or recall.
    seen : the newest labelled rows, later than the reference; None where none came.

    Raises
    ------
    ValueError
        As in `over_time`; or if the reference has fewer than 200 labels, or thirty of one outcome.

    Source
    ------
    Confidence-based performance estimation; Platt (1999) for the calibration; Efron (1979) for the range.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> chance = rng.uniform(0.1, 0.9, 5_000)
    >>> then = DataFrame({"churned": rng.random(5_000) < chance, "churn_probability": chance})
    >>> now = DataFrame({"churn_probability": np.repeat([0.1, 0.3], 500)})
    >>> found = estimate(then, now)
    >>> round(found.value, 1), found.valid
    (0.8, True)
    """
    _require_scored(reference, "the reference", metric, threshold)
    _require_scored(current.assign(churned=None), "current", metric, threshold)
    require_rows(current, "current")
    truth, chance = _known(reference)
    rarer = int(min(truth.sum(), (~truth).sum()))
    if len(truth) < 200 or rarer < FEW:
        raise ValueError(
            f"the reference has {len(truth):,} labelled row(s), {rarer:,} of the rarer outcome; 200 and {FEW} "
            "are needed, or the probabilities cannot be calibrated. Wait for more labels."
        )
    rng = np.random.default_rng(0)  # the same tables always have the same range
    draws = [slice(None), *rng.integers(0, len(truth), (DRAWS, len(truth)))]
    fits = [_calibrated(truth[rows], chance[rows]) for rows in draws]
    now = current["churn_probability"].to_numpy(dtype=float)
    value, spread = _to_expect(fits, now, metric, threshold, rng)
    told = f"{metric} should be {value:.3f} on {len(now):,} rows"
    strange = float(((now < chance.min() - 0.01) | (now > chance.max() + 0.01)).mean())
    against = "" if np.isfinite(value) else "nobody is predicted to leave"
    if strange > 0.05:
        against = f"{strange:.0%} of the rows have probabilities that the reference never had"
    if seen is not None and not against:
        against = _contradicted(fits, seen, metric, threshold, rng)
    if against:
        return Estimate(np.nan, np.nan, np.nan, False, f"withdrawn ({told}): {against}")
    return Estimate(value, value - REACH * spread, value + REACH * spread, True, told)


def _calibrated(truth, chance):
    """Return a function from what a model says to how often it happened: a logistic curve that may bend."""
    curve = LogisticRegression(C=1e3, solver="newton-cholesky").fit(_bent(chance), truth)
    return lambda new: expit(_bent(new) @ curve.coef_[0] + curve.intercept_[0])


def _bent(chance):
    """Return the logit of probabilities and its square."""
    said = logit(np.clip(chance, 1e-4, 1 - 1e-4))
    return np.column_stack([said, said**2 / 4])


def _to_expect(fits, chance, metric, limit, rng):
    """Return the metric to expect of rows without labels, and how far their labels may lie from it."""
    drawn = [
        _realized(rng.random(len(chance)) < fit(chance), chance, metric, limit) for fit in fits[1:]
    ]
    return _realized(fits[0](chance), chance, metric, limit), float(np.nanstd(drawn))


def _realized(happened, chance, metric, limit):
    """Return a metric of outcomes that are flags, or how often each is to be expected."""
    said = chance >= limit
    if metric == "accuracy":
        return float(np.where(said, happened, 1 - happened).mean())
    if metric == "left":
        return float(happened.mean())
    whole = said.sum() if metric == "precision" else happened.sum()
    return float(happened[said].sum() / whole) if whole else np.nan


def _contradicted(fits, seen, metric, threshold, rng):
    """Return what the newest labels say against the estimate; nothing where they agree."""
    _require_scored(seen, "seen", metric, threshold)
    truth, chance = _known(seen)
    if len(truth) < FEW:
        return ""
    for what, name in [(metric, f"{metric} is"), ("left", "the share that left is")]:
        value, spread = _to_expect(fits, chance, what, threshold, rng)
        came = _realized(truth.astype(float), chance, what, threshold)
        if abs(came - value) > REACH * spread:
            return f"on the {len(truth):,} newest labels {name} {came:.3f}, {value:.3f} was to be expected"
    return ""


def _require_scored(table, name, metric, threshold, more=()):
    """Stop unless a table holds labels, which may be missing, and probabilities."""
    require_share(threshold, "threshold")
    if metric not in METRICS:
        raise ValueError(
            f"metric is one of {', '.join(METRICS)}; got {metric!r}. Take one of them."
        )
    require_columns(table, name, [*SCORED, *more])
    require_flags(table["churned"].dropna(), f"churned of {name}")
    chance = pd.to_numeric(table["churn_probability"], errors="coerce").to_numpy(
        dtype=float, na_value=np.nan
    )
    wrong = ~((chance >= 0) & (chance <= 1))
    if wrong.any():
        raise ValueError(
            f"{name} has {int(wrong.sum()):,} row(s) without a churn_probability from 0.0 to 1.0, the first being "
            f"row {int(wrong.argmax()) + 1:,}. Score them, or leave them out."
        )
