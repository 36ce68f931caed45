"""Stage 3: few of one class. Rows are drawn again inside the training part only, and here is why."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from helpers.checks import require_rows

METHODS = ("oversample", "undersample")


def resample(
    X: DataFrame, y: Series, seed: int, method: str = "oversample"
) -> tuple[DataFrame, Series]:
    """Return a table in which every class has as many rows.

    Parameters
    ----------
    X, y : a training part, and never a test part: nobody draws the future again. Numbers without
        names (an array, as another step of a pipeline returns them) become a table.
    seed : the same seed draws the same rows.
    method : "oversample" draws the rarer classes again, "undersample" leaves rows of the commoner
        classes out.

    Raises
    ------
    ValueError
        If the lengths differ, a label is missing, there is one class only, or the method is unknown.

    Examples
    --------
    >>> X, y = resample(DataFrame({"tenure": [1, 2, 3]}), Series(["No", "No", "Yes"]), seed=7)
    >>> y.value_counts().to_dict(), sorted(X["tenure"])
    ({'No': 2, 'Yes': 2}, [1, 2, 3, 3])
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}; got {method!r}.")
    X = X if isinstance(X, DataFrame) else DataFrame(X)
    require_rows(X, "X")
    if pd.isna(y).any():
        raise ValueError(f"{int(pd.isna(y).sum()):,} label(s) of y are missing. Drop those rows first.")  # fmt: skip
    labels = np.asarray(y)
    if len(labels) != len(X):
        raise ValueError(f"X has {len(X):,} rows and y {len(labels):,} labels; one each was expected.")  # fmt: skip
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes[0]!r}; two were expected. Collect the other."
        )
    size = counts.max() if method == "oversample" else counts.min()
    rng = np.random.default_rng([seed, *b"resample"])
    places = [_drawn(np.flatnonzero(labels == one), size, rng) for one in classes]
    order = np.sort(np.concatenate(places))
    return X.iloc[order], Series(labels[order], index=X.index[order], name=getattr(y, "name", None))


def _drawn(places, size, rng):
    """Return `size` places: all and some again, or some."""
    if size <= len(places):
        return rng.permutation(places)[:size]
    return np.concatenate([places, rng.choice(places, size - len(places))])


def _has(method):
    """Return the check whether a model, fitted or not, has a method."""
    return lambda self: hasattr(getattr(self, "model_", self.model), method)


class Resampled(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):
    """A classifier whose training rows are resampled; what it judges never is.

    In cross-validation each fold is resampled by itself, so no copy of a test row is ever learned.

    Parameters
    ----------
    model : a classifier or a pipeline that takes the raw table.
    method, seed : see `resample`.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> X, y = DataFrame({"x": range(10)}), Series(["No"] * 9 + ["Yes"])
    >>> Resampled(DummyClassifier(), seed=7).fit(X, y).predict_proba(X)[0].tolist()
    [0.5, 0.5]
    """

    def __init__(self, model, method="oversample", seed=0):
        self.model, self.method, self.seed = model, method, seed

    def fit(self, X, y):
        """Resample these rows and fit a copy of the model on them."""
        self.model_ = clone(self.model).fit(*resample(X, y, self.seed, self.method))
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        """Return the class of each row."""
        check_is_fitted(self)
        return self.model_.predict(X)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X):
        """Return the probability of each class; resampling has shifted them: see calibration."""
        check_is_fitted(self)
        return self.model_.predict_proba(X)

    @available_if(_has("decision_function"))
    def decision_function(self, X):
        """Return the score of each row, where the model gives one."""
        check_is_fitted(self)
        return self.model_.decision_function(X)

    def __sklearn_is_fitted__(self):
        """Return whether there is a fitted copy of the model."""
        return hasattr(self, "model_")

    @property
    def n_features_in_(self):
        """Return how many columns the model has seen."""
        return self.model_.n_features_in_

    @property
    def feature_names_in_(self):
        """Return the names of the columns that the model has seen."""
        return self.model_.feature_names_in_


def leak_of_resampling(X: DataFrame, y: Series, seed: int, model=None, folds: int = 5) -> DataFrame:
    """Show what happens when rows are resampled before the split: the exam is in the textbook.

    Copies of a row land in training and in test, a forest remembers them, and the figure is far too
    good. On the real Telco file a forest of 100 trees has 0.965 instead of 0.82; a linear model cannot
    remember rows, and has 0.84 either way.

    Parameters
    ----------
    X : features as numbers, without gaps (see `telco_numbers`).
    y : two classes; the second by name is the one to find.
    model : a classifier; a forest of 100 trees without one.
    folds : of the cross-validation.

    Returns
    -------
    By `resampled` ("before the split", "inside the training folds", "not at all"): `roc_auc`,
    `accuracy`, the mean over the folds.

    Examples
    --------
    >>> rng = np.random.default_rng(7)
    >>> X, y = DataFrame({"noise": rng.random(150)}), Series(rng.random(150) < 0.1)
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> leak = leak_of_resampling(X, y, seed=7, model=DecisionTreeClassifier(random_state=7))["roc_auc"]
    >>> bool(leak["before the split"] > 0.9), bool(leak["inside the training folds"] < 0.65)
    (True, True)
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_validate

    model = RandomForestClassifier(100, random_state=seed) if model is None else model
    cut = StratifiedKFold(folds, shuffle=True, random_state=seed)
    ways = {
        "before the split": (model, *resample(X, y, seed)),
        "inside the training folds": (Resampled(model, seed=seed), X, y),
        "not at all": (model, X, y),
    }
    rows = {}
    for way, (one, rows_of, labels) in ways.items():
        scores = cross_validate(one, rows_of, labels, cv=cut, scoring=["roc_auc", "accuracy"])
        rows[way] = {"roc_auc": scores["test_roc_auc"].mean(), "accuracy": scores["test_accuracy"].mean()}  # fmt: skip
    return pd.DataFrame(rows).T.rename_axis("resampled")


def telco_numbers(customers: DataFrame) -> tuple[DataFrame, Series]:
    """Return the clean Telco table as numbers (levels one-hot) and whether each customer churned.

    Examples
    --------
    >>> table = DataFrame({"customerID": ["a", "b"], "tenure": [1, 2], "Churn": ["Yes", "No"]})
    >>> X, y = telco_numbers(table)
    >>> X.columns.tolist(), y.tolist()
    (['tenure'], [True, False])
    """
    features = customers.drop(columns=["customerID", "Churn"])
    return pd.get_dummies(features).astype("float64"), customers["Churn"].eq("Yes")
