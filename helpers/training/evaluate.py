"""Stage 4: the metrics of a classifier; production is judged by these very functions."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn import metrics

from helpers.checks import require_flags, require_same_order, require_share

BINS = 10  # of equal width, in which probabilities are held against what happened


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
    `accuracy`, `precision` (0.0 where nobody is predicted to leave), `recall`, `f1`, `roc_auc`
    (missing where one outcome is), `pr_auc` (average precision; missing where nobody left),
    `log_loss`, `brier` (mean squared error of the probabilities) and `calibration_error` (how far
    the mean probability lies from the true share, over ten bins of equal width, by their customers).

    Raises
    ------
    ValueError
        If the two differ in length or in the order of one index, are empty, `churned` holds no flags,
        `probability` is not one number from 0.0 to 1.0 a customer, or `threshold` is no share.

    Source
    ------
    Naeini, Cooper & Hauskrecht (2015), AAAI 29, for the calibration error.

    Examples
    --------
    >>> found = scores(pd.Series([True, False, False]), np.array([0.9, 0.6, 0.1])).round(3)
    >>> found[["accuracy", "precision", "roc_auc", "calibration_error"]].to_dict()
    {'accuracy': 0.667, 'precision': 0.5, 'roc_auc': 1.0, 'calibration_error': 0.267}
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
