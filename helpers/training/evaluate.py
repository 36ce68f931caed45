"""Stage 4: metrics with their uncertainty; production is judged by these very functions."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from sklearn import metrics

from helpers.checks import (
    require_columns,
    require_flags,
    require_rows,
    require_same_order,
    require_share,
    require_single,
)

BINS = 10  # of equal width, in which probabilities are held against what happened
FEW = 30  # customers of the rarer outcome, below which a bootstrap says too little


def _calibration_error(truth, probability):
    """Return the mean distance of predicted and true share over bins, weighed by their customers."""
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    return float(np.abs(np.bincount(bins, probability - truth)).sum() / len(truth))


# Each takes the truth (flags), the churn probabilities and the threshold of a yes.
METRICS = {
    "accuracy": lambda t, p, limit: metrics.accuracy_score(t, p >= limit),
    "precision": lambda t, p, limit: metrics.precision_score(t, p >= limit, zero_division=0.0),
    "recall": lambda t, p, limit: metrics.recall_score(t, p >= limit, zero_division=0.0),
    "f1": lambda t, p, limit: metrics.f1_score(t, p >= limit, zero_division=0.0),
    "roc_auc": lambda t, p, limit: (
        metrics.roc_auc_score(t, p) if t.any() and not t.all() else np.nan
    ),
    "pr_auc": lambda t, p, limit: metrics.average_precision_score(t, p) if t.any() else np.nan,
    "log_loss": lambda t, p, limit: metrics.log_loss(t, p, labels=[False, True]),
    "brier": lambda t, p, limit: float(np.mean((p - t) ** 2)),
    "calibration_error": lambda t, p, limit: _calibration_error(t, p),
}


def scores(churned: pd.Series, probability: np.ndarray, threshold: float = 0.5) -> pd.Series:
    """Return the metrics of one set of predictions.

    Parameters
    ----------
    churned : the truth, one flag a customer.
    probability : predicted churn probability, 0.0 to 1.0, in the same order.
    threshold : a customer at or above it counts as predicted to leave.

    Returns
    -------
    `accuracy`, `precision`, `recall`, `f1`, `roc_auc`, `pr_auc` (average precision; the churn share
    is what chance reaches), `log_loss`, `brier` (mean squared error of the probabilities) and
    `calibration_error` (how far the mean probability lies from the true share, in ten bins of equal
    width, 0.0-0.1 to 0.9-1.0, weighed by their customers). `precision` is 0.0 where nobody is
    predicted to leave; `roc_auc` is missing where only one outcome is present, `pr_auc` where nobody
    left.

    Raises
    ------
    ValueError
        If the two differ in length or in the order of one index, are empty, `churned` holds no flags, `probability` is not one
        number from 0.0 to 1.0 a customer, or `threshold` is no share.

    Source
    ------
    Naeini, Cooper & Hauskrecht (2015), AAAI 29, for the calibration error.

    Examples
    --------
    >>> found = scores(pd.Series([True, False, False]), np.array([0.9, 0.6, 0.1])).round(3)
    >>> found[["accuracy", "precision", "roc_auc", "log_loss"]].to_dict()
    {'accuracy': 0.667, 'precision': 0.5, 'roc_auc': 1.0, 'log_loss': 0.376}
    >>> found[["pr_auc", "brier", "calibration_error"]].to_dict()
    {'pr_auc': 1.0, 'brier': 0.127, 'calibration_error': 0.267}
    """
    require_share(threshold, "threshold")
    require_same_order(churned, "churned", probability, "probability")
    churned, probability = np.asarray(churned), np.asarray(probability, dtype=float)
    if len(churned) != len(probability) or len(churned) == 0:
        raise ValueError(
            f"churned and probability need one entry a customer; got {len(churned)} and "
            f"{len(probability)}. Take both from the same table."
        )
    if probability.ndim > 1:
        raise ValueError(
            "probability holds one number a customer; got a table of "
            f"{' x '.join(map(str, probability.shape))}. Take the column of the class that leaves: "
            "predict_proba(customers)[:, list(model.classes_).index(True)]."
        )
    outside = ~((probability >= 0) & (probability <= 1))
    if outside.any():
        raise ValueError(
            f"probability has {int(outside.sum()):,} value(s) that are not from 0.0 to 1.0, the first "
            f"being {probability[outside][0]}. Score these customers, or leave them out of both."
        )
    require_flags(churned, "churned")
    churned = churned.astype(bool)
    return pd.Series({name: one(churned, probability, threshold) for name, one in METRICS.items()})


def interval(
    churned: pd.Series,
    probability: np.ndarray,
    metric: str,
    seed: int,
    draws: int = 400,
    threshold: float = 0.5,
) -> tuple[float, float]:
    """Return the range in which 95 % of the resampled values of `metric` lie.

    Parameters
    ----------
    churned, probability, threshold : as in `scores`.
    metric : one of the names that `scores` returns.
    seed : the same seed gives the same range.
    draws : bootstrap samples; 400 fix the second digit.

    Returns
    -------
    Lower and upper end.

    Raises
    ------
    ValueError
        As in `scores`, or if `metric` is none of its names or needs both outcomes and there is one.

    Warns
    -----
    UserWarning
        If one outcome has fewer than thirty customers: drawing the same few again shows less than
        chance does, and nothing at all where all are right.

    Notes
    -----
    How often the range held the true value, of 4,000 samples in which one in four leaves: a recall of
    0.9 in 66 % with ten leavers, 79 % with 15, and 93 to 95 % from 30 on. The range of
    `calibration_error` says how the samples differ and not where the truth lies, for chance alone
    makes an error: of a model 30 % too high it held the truth in 45 % with 15 leavers, 72 % with 30,
    84 % with 50 and 90 % with 100, and the 0 of a calibrated model never.

    Source
    ------
    Efron (1979), The Annals of Statistics 7(1), the percentile bootstrap.

    Examples
    --------
    >>> truth = pd.Series([True, False] * 50)
    >>> low, high = interval(truth, np.tile([0.9, 0.1], 50), "accuracy", seed=7)
    >>> low, high
    (1.0, 1.0)
    """
    if metric not in METRICS:
        names = ", ".join(METRICS)
        raise ValueError(f"metric is one of {names}; got {metric!r}. Take one of them.")
    scores(churned, probability, threshold)  # refuses what cannot be judged
    truth, probability = np.asarray(churned, dtype=bool), np.asarray(probability, dtype=float)
    rarer = int(min(truth.sum(), (~truth).sum()))
    if metric in ("roc_auc", "pr_auc") and not rarer:
        raise ValueError(
            f"{metric} compares those who left with those who stayed; all {len(truth):,} are of one kind. "
            "Take more rows, or another metric."
        )
    if rarer < FEW:
        warnings.warn(
            f"Of {len(truth):,} customers only {rarer:,} are of the rarer outcome: the range is "
            f"narrower than chance makes it, for it is drawn from so few. Take {FEW} at least.",
            stacklevel=2,
        )
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        rows = rng.integers(0, len(truth), len(truth))
        values.append(METRICS[metric](truth[rows], probability[rows], threshold))
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def scores_by(scored: pd.DataFrame, group: str, threshold: float = 0.5) -> pd.DataFrame:
    """Return the metrics of each group, to see where a model is weak.

    Parameters
    ----------
    scored : one row a customer: `churned` (flag), `churn_probability` and the column `group`.
    group : column that names the group.
    threshold : as in `scores`.

    Returns
    -------
    One row a group (a missing value is a group of its own): `customers`, `churn_share`, then the metrics of `scores`.

    Examples
    --------
    >>> scored = pd.DataFrame({"churned": [True, False], "churn_probability": [0.9, 0.2],
    ...                        "Contract": ["Month-to-month", "Month-to-month"]})
    >>> scores_by(scored, "Contract").loc["Month-to-month", "accuracy"].item()
    1.0
    """
    require_columns(scored, "scored", [group, "churned", "churn_probability"])
    require_rows(scored, "scored")
    require_single(scored[group], group)
    require_flags(scored["churned"], "churned")
    rows = {
        name: pd.concat(
            [
                pd.Series({"customers": len(part), "churn_share": part["churned"].mean()}),
                scores(part["churned"], part["churn_probability"], threshold),
            ]
        )
        for name, part in scored.groupby(group, dropna=False)
    }
    return pd.DataFrame(rows).T.astype({"customers": int}).rename_axis(group)
