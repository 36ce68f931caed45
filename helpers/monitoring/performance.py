"""Monitoring: how good the model is in production, from labels as they come, and before they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy.special import expit, logit
from scipy.stats import binomtest, norm, rankdata
from sklearn.linear_model import LogisticRegression

from helpers.checks import (
    require_columns,
    require_flags,
    require_moments,
    require_rows,
    require_share,
)
from helpers.monitoring.data_quality import EVERYBODY, require_table, signals
from helpers.training.evaluate import METRICS

SCORED = ["churned", "churn_probability"]
FEW = 30  # labelled rows, below which nothing is judged
DRAWS = 50  # of labelled rows and of labels to come, for the range of an estimate
REACH = float(
    norm.isf(0.0025)
)  # standard errors; with two questions one pass in a hundred withdraws wrongly
JUDGED = ("accuracy", "precision", "recall", "roc_auc", "brier", "log_loss")


def _parts(truth, chance, metric, limit):
    """Return what a metric is the mean of: one value a row that it counts, or two such arrays."""
    if metric == "roc_auc":
        ranks, left = rankdata(chance), truth
        ones, zeros = int(left.sum()), int((~left).sum())
        if not ones or not zeros:
            return [np.empty(0)]
        return [(ranks[left] - rankdata(chance[left])) / zeros, 1 - (ranks[~left] - rankdata(chance[~left])) / ones]  # fmt: skip
    said = chance >= limit
    if metric == "brier":
        return [(chance - truth) ** 2]
    if metric == "log_loss":
        sure = np.clip(np.where(truth, chance, 1 - chance), np.finfo(float).eps, 1)
        return [-np.log(sure)]
    counted = {"accuracy": np.ones(len(truth), dtype=bool), "precision": said, "recall": truth}[
        metric
    ]
    return [(said == truth)[counted].astype(float)]


def measured(
    truth: np.ndarray, chance: np.ndarray, metric: str, threshold: float = 0.5
) -> tuple[float, float]:
    """Return a metric of `helpers.training.evaluate` with its standard error; missing where rows are too few.

    Source
    ------
    DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44, for the ROC-AUC.

    Examples
    --------
    >>> truth, chance = np.array([True, False] * 50), np.tile([0.9, 0.1, 0.4, 0.6], 25)
    >>> value, error = measured(truth, chance, "accuracy")
    >>> value, round(error, 3)
    (0.5, 0.05)
    """
    parts = _parts(truth, chance, metric, threshold)
    if min(map(len, parts)) < 2:
        return np.nan, np.nan
    value = METRICS[metric](truth, chance, threshold)
    return float(value), float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)))


def labelled(
    predictions: DataFrame, labels: DataFrame, key: str, name: str, since: object = None
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
    found = [
        {"signal": signal, "table": name, "column": key, "since": since, "value": rows / of, "expected": 0, "effect": rows / of, "because": because.format(f"{rows:,}")}
        for signal, rows, of, because in counts
        if rows
    ]  # fmt: skip
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
    metric : accuracy, precision, recall, roc_auc, brier or log_loss.
    every : a period as pandas writes it: "MS" months, "W" weeks, "30D".
    threshold : as in `helpers.training.evaluate.scores`.

    Returns
    -------
    One row a period: `rows`, `labelled` (how many have their label), `value`, `low`, `high` (95 %); the
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
        known = part[part["churned"].notna()]
        value, low, high = _ranged(known, metric, threshold)
        found[period] = {
            "rows": len(part),
            "labelled": len(known),
            "value": value,
            "low": low,
            "high": high,
        }
    return DataFrame.from_dict(found, orient="index").rename_axis("period")


def _ranged(known, metric, threshold):
    """Return a metric of labelled rows with its 95 % range: Wilson's for shares."""
    if len(known) < FEW:
        return np.nan, np.nan, np.nan
    truth, chance = _arrays(known)
    value, error = measured(truth, chance, metric, threshold)
    if metric in ("accuracy", "precision", "recall") and np.isfinite(value):
        counted = len(_parts(truth, chance, metric, threshold)[0])
        ends = binomtest(round(value * counted), counted).proportion_ci(method="wilson")
        return value, float(ends.low), float(ends.high)
    return value, value - 1.96 * error, value + 1.96 * error


def check_performance(
    reference: DataFrame,
    current: DataFrame,
    name: str,
    metric: str = "accuracy",
    threshold: float = 0.5,
    segments: Sequence[str] = (),
    since: object = None,
) -> DataFrame:
    """Hold the quality of labelled predictions against what it was, for everybody and by segment.

    Parameters
    ----------
    reference, current : one row a prediction: `churned`, `churn_probability` and the `segments`; rows
        without a label are left out.
    name : of the table.
    segments : columns of levels, each of which is judged for itself.
    since : the first moment of `current`.

    Returns
    -------
    `signals`: one row for everybody and each segment with thirty labels on both sides, whether the
    quality moved or not; `effect` is now less before, `p` the chance of as much without a change. Several
    are to be corrected together.

    Raises
    ------
    ValueError
        As in `over_time`.

    Examples
    --------
    >>> then = DataFrame({"churned": [True, False] * 50, "churn_probability": [0.9, 0.1] * 50})
    >>> check_performance(then, then.assign(churned=True), "scores")["because"].item()
    'accuracy of scores is 0.500, 1.000 before'
    """
    for what, table in [("reference", reference), ("current", current)]:
        _require_scored(table, f"the {what} of {name}", metric, threshold, segments)
    reference, current = (table[table["churned"].notna()] for table in (reference, current))
    groups = [("", EVERYBODY, reference, current)]
    for column in segments:
        levels = dict(iter(current.groupby(column)))
        groups += [(column, f"{column}: {level}", part, levels[level]) for level, part in reference.groupby(column) if level in levels]  # fmt: skip
    found = []
    for column, where, then, now in groups:
        if min(len(then), len(now)) < FEW:
            continue
        (before, error), (after, later) = (
            measured(*_arrays(part), metric, threshold) for part in (then, now)
        )
        spread = np.hypot(error, later)
        if not np.isfinite(spread):
            continue
        apart = abs(after - before)
        chance = 2 * norm.sf(apart / spread) if spread else float(not apart)
        because = f"{metric} of {name}{'' if where == EVERYBODY else f' for {where}'} is {after:.3f}, {before:.3f} before"
        found.append({"signal": "performance", "table": name, "column": column, "where": where, "since": since, "value": after, "expected": before, "effect": after - before, "p": chance, "because": because})  # fmt: skip
    return signals(found)


def check_labels(
    reference: DataFrame, current: DataFrame, name: str, made: str, known: str, since: object = None
) -> DataFrame:
    """Find out whether labels take longer to arrive than they did.

    Parameters
    ----------
    reference, current : one row a label, with the moments when the prediction was `made` and the label
        became `known`. What never arrived is not there, so an empty `current` is a finding, too.
    name : of the table.

    Returns
    -------
    `signals`, at most one row: `value` and `expected` are the days that half of the labels took.

    Examples
    --------
    >>> made = pd.Series(pd.date_range("2025-01-01", periods=60, freq="h"))
    >>> then = DataFrame({"made": made, "known": made + pd.Timedelta(days=30)})
    >>> now = then.assign(known=then["known"] + pd.Timedelta(days=3))
    >>> check_labels(then, now, "labels", "made", "known")["because"].item()
    'labels came after 33 days, 30 before'
    """
    lags = []
    for what, table in [("reference", reference), ("current", current)]:
        require_columns(table, f"the {what} of {name}", [made, known])
        for column in (made, known):
            require_moments(table, f"the {what} of {name}", column)
        days = (
            pd.to_datetime(table[known]) - pd.to_datetime(table[made])
        ).dt.total_seconds() / 86_400
        lags.append(days.dropna())
    require_rows(lags[0].to_frame(), f"the reference of {name}")
    then, now = (lag.median() for lag in lags)
    row = {"signal": "labels", "table": name, "column": known, "since": since, "expected": then}
    if lags[1].empty:
        return signals(
            [
                {
                    **row,
                    "effect": np.inf,
                    "because": f"{name} did not come; {then:.3g} days were usual",
                }
            ]
        )
    spread = max(
        1.0, 3 * (lags[0].quantile(0.9) - lags[0].quantile(0.1)) / np.sqrt(min(map(len, lags)))
    )
    if abs(now - then) < spread:
        return signals([])
    because = f"{name} came after {now:.3g} days, {then:.3g} before"
    return signals([{**row, "value": now, "effect": now - then, "because": because}])


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
    seed: int = 0,
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
    metric : accuracy, precision, recall or brier.
    seen : the newest labelled rows, later than the reference; None where none came.
    seed : of the draws that make the range.

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
    if metric not in ("accuracy", "precision", "recall", "brier"):
        raise ValueError(f"estimate knows accuracy, precision, recall and brier; got {metric!r}. Take one of them.")  # fmt: skip
    _require_scored(reference, "the reference", metric, threshold)
    _require_scored(current.assign(churned=None), "current", metric, threshold)
    require_rows(current, "current")
    reference = reference[reference["churned"].notna()]
    truth, chance = _arrays(reference)
    rarer = int(min(truth.sum(), (~truth).sum()))
    if len(truth) < 200 or rarer < FEW:
        raise ValueError(
            f"the reference has {len(truth):,} labelled row(s), {rarer:,} of the rarer outcome; 200 and {FEW} "
            "are needed, or the probabilities cannot be calibrated. Wait for more labels."
        )
    rng = np.random.default_rng(seed)
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
    if metric == "brier":
        return float((happened * (1 - chance) ** 2 + (1 - happened) * chance**2).mean())
    if metric == "accuracy":
        return float(np.where(said, happened, 1 - happened).mean())
    if metric == "left":
        return float(happened.mean())
    whole = said.sum() if metric == "precision" else happened.sum()
    return float(happened[said].sum() / whole) if whole else np.nan


def _contradicted(fits, seen, metric, threshold, rng):
    """Return what the newest labels say against the estimate; nothing where they agree."""
    _require_scored(seen, "seen", metric, threshold)
    truth, chance = _arrays(seen[seen["churned"].notna()])
    if len(truth) < FEW:
        return ""
    for what, name in [(metric, f"{metric} is"), ("left", "the share that left is")]:
        value, spread = _to_expect(fits, chance, what, threshold, rng)
        came = _realized(truth.astype(float), chance, what, threshold)
        if abs(came - value) > REACH * spread:
            return f"on the {len(truth):,} newest labels {name} {came:.3f}, {value:.3f} was to be expected"
    return ""


def _arrays(known):
    """Return the truth and the probabilities of labelled rows."""
    return known["churned"].to_numpy(dtype=bool), known["churn_probability"].to_numpy(dtype=float)


def _require_scored(table, name, metric, threshold, more=()):
    """Stop unless a table holds labels, which may be missing, and probabilities."""
    require_share(threshold, "threshold")
    if metric not in JUDGED:
        raise ValueError(f"metric is one of {', '.join(JUDGED)}; got {metric!r}. Take one of them.")
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
