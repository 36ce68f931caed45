"""Stage 5: score a whole table at once, as a nightly run does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from helpers.checks import (
    kinds_of,
    require_columns,
    require_filled,
    require_rows,
    require_share,
    require_unique,
)
from helpers.deployment.package import place_of_leaving
from helpers.files import write_whole

_CHAINS = ("steps", "transformer_list")  # of a pipeline, of a union
_WRAPPED = ("best_estimator_", "estimator_", "model_")  # what a search, a threshold, a sampler fits


def score_batch(model: Pipeline, customers: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return each customer's churn probability and whether to call, the likeliest first.

    Parameters
    ----------
    model : a fitted pipeline that takes the customer table. It was trained on flags, 0 and 1, "No"
        and "Yes" or "Stayed" and "Churned", in any order.
    customers : one row per `customerID`.
    threshold : call from this probability on, 0.0 to 1.0.

    Returns
    -------
    As many rows as `customers`: `customerID`, `churn_probability` (four digits), `call` (flag, as
    the probability with all its digits decides); those to call first, then by falling
    probability, then by id. A warning names a column in which some values were never seen in
    training.

    Raises
    ------
    ValueError
        If an id is missing or repeats, there is no row, `threshold` is no share, the model's labels
        do not tell who leaves, it lacks a column, knows no value of one, or cannot score a customer.

    Examples
    --------
    >>> from helpers.training.churn import logistic
    >>> known = pd.DataFrame({"customerID": list("abcd"), "tenure": [1, 2, 60, 70]})
    >>> model = logistic(amounts=["tenure"], levels=[]).fit(known, [1, 1, 0, 0])
    >>> score_batch(model, known, threshold=0.5)["call"].tolist()
    [True, True, False, False]
    """
    require_share(threshold, "threshold")
    require_rows(customers, "customers")
    require_filled(customers, "customers", "customerID")
    require_unique(customers, "customers", "customerID")
    if len(kinds_of(customers["customerID"])) > 1:
        raise ValueError(
            "customerID holds texts and other values, so one customer could stand there twice, as 1 "
            "and as '1'. Bring all to one type first."
        )
    leaves = place_of_leaving(model)
    amounts = _check_inputs(model, customers)
    try:
        probability = np.asarray(model.predict_proba(customers), dtype=float)[:, leaves]
    except Exception as error:
        raise ValueError(_why_not(error, customers, amounts)) from error
    scored = pd.DataFrame(
        {
            "customerID": customers["customerID"].to_numpy(),
            "churn_probability": probability.round(4),
            "call": probability >= threshold,
        }
    )
    require_filled(scored, "the scored batch", "churn_probability")
    order = ["call", "churn_probability", "customerID"]
    return scored.sort_values(order, ascending=[False, False, True]).reset_index(drop=True)


def _parts(model) -> Iterator[BaseEstimator]:
    """Yield the parts of a model that read columns of the table by their names."""
    for part in list(_split(model)) or [model]:
        if hasattr(part, "feature_names_in_"):
            yield part


def _split(model) -> Iterator[BaseEstimator]:
    """Yield what a model does to some columns each, however deep it is wrapped."""
    first = getattr(model, "steps", [("", None)])[0][1]
    if getattr(first, "checks_input", False):  # the steps behind it never see the raw columns
        yield first
        return
    yield from (part for _, part, _ in getattr(model, "transformers_", []))
    inner = [step for name in _CHAINS for _, step in getattr(model, name, [])]
    inner += [getattr(model, name) for name in _WRAPPED if hasattr(model, name)]
    inner += [one.estimator for one in getattr(model, "calibrated_classifiers_", [])]
    for one in [*inner, *getattr(model, "estimators_", [])]:
        yield from _split(one)


def _check_inputs(model, customers):
    """Stop or warn where the table is not as in training; return the columns of amounts."""
    if customers.columns.has_duplicates:
        twice = customers.columns[customers.columns.duplicated()][0]
        raise ValueError(
            f"customers has two columns {twice!r}, so which one is meant is unknown. Rename or drop one."
        )
    amounts = []
    for part in _parts(model):
        columns = list(part.feature_names_in_)
        require_columns(customers, "customers", columns)
        if getattr(part, "checks_input", False):  # it tells itself what it does not know
            continue
        encoder = getattr(part, "steps", [("", part)])[-1][1]
        known = getattr(encoder, "categories_", None)
        if known is None:
            amounts += columns
            continue
        fills_gaps = encoder is not part
        for column, levels in zip(columns, known, strict=True):
            strange = ~customers[column].isin(levels.tolist())
            if fills_gaps and customers[column].notna().any():
                strange &= customers[column].notna()
            if strange.any():
                stop = strange.all() or getattr(encoder, "handle_unknown", "") == "error"
                _tell_strange(column, customers[strange], len(customers), levels, stop)
    return amounts


def _tell_strange(column, strange, rows, levels, stop):
    """Refuse values that training has not seen, or warn of them where the others are known."""
    said = (
        f"{column} of {len(strange):,} of {rows:,} customer(s) holds a value never seen in training, "
        f"the first being {_value(strange[column])} of {_value(strange['customerID'])}; known are "
        f"{', '.join(map(repr, levels.tolist()[:5]))}. "
    )
    if stop:
        raise ValueError(
            f"{said}The model cannot use the column. Bring it to the type and the words of training, or "
            "train again."
        )
    warnings.warn(f"{said}The model takes it for none of these.", stacklevel=4)


def _why_not(error, customers, amounts):
    """Return why the model could not score: the first column of amounts with no number, if any."""
    for column in amounts:
        numbers = pd.to_numeric(customers[column], errors="coerce").astype(float)
        wrong = customers[~np.isfinite(numbers)]
        if len(wrong):
            return (
                f"{column} of {len(wrong):,} of {len(customers):,} customer(s) holds no number, the "
                f"first being {_value(wrong[column])} of {_value(wrong['customerID'])}; the model "
                "cannot score them. Fill it in as for training, or leave them out and say so."
            )
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return (
        f"the model cannot score these customers: {said}. Prepare the table as it was prepared for "
        "training."
    )


def _value(column):
    """Return the first value of a column as a message shows it."""
    return "a gap" if pd.isna(column.iloc[0]) else repr(_plain(column.iloc[0]))


def _plain(value):
    """Return a NumPy value as plain Python writes it."""
    return value.tolist() if hasattr(value, "tolist") else value


def write_batch(scored: pd.DataFrame, path: str | Path) -> Path:
    """Write a scored batch as CSV, whole or not at all; a repeated run replaces the file.

    Examples
    --------
    >>> import tempfile
    >>> batch = pd.DataFrame({"customerID": ["a"], "churn_probability": [0.5], "call": [True]})
    >>> write_batch(batch, Path(tempfile.mkdtemp()) / "calls.csv").read_text().splitlines()[1]
    'a,0.5,True'
    """
    return write_whole(path, scored.to_csv(index=False, lineterminator="\n"))
