"""Stage 3: gaps, scales, encodings, outliers and class imbalance, learned from training rows only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, TransformerMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from helpers.checks import require_columns, require_rows, require_same_kind
from helpers.etl.books import with_reason

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

HOW = ("median", "mean", "most frequent", "constant")
SCALES = ("standardize", "normalize")
ACTIONS = ("flag", "cap", "gap")
METHODS = ("oversample", "undersample")


class _Beside(TransformerMixin, BaseEstimator):
    """A step that may add columns, `_added`, to the tables it meets."""

    def _meet(self, X):
        """Take the names of the columns, and stop where one that is added is there already."""
        for name in self._added():
            if name in X.columns:
                raise ValueError(
                    f"The table has a column {name} already, which would be overwritten. Rename it."
                )
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` gives."""
        check_is_fitted(self)
        return np.asarray([*self.feature_names_in_, *self._added()], dtype=object)


class Imputer(_Beside):
    """Fill gaps with what the training table knows, and tell where they were.

    Parameters
    ----------
    columns : the columns to fill.
    how : "median", "mean" (numbers), "most frequent" (anything) or "constant".
    value : what "constant" writes.
    by : a column that makes groups, such as "category": each gap gets the value of its group; a
        group that the training table does not know, or knows nothing about, gets that of all.
    indicator : True adds `<name>_missing` (0 or 1) for each column: that a value is missing may
        itself be news.

    Examples
    --------
    >>> train = DataFrame({"category": ["mask", "mask", "cream"], "size_ml": [50.0, 70.0, 200.0]})
    >>> imputer = Imputer(["size_ml"], by="category", indicator=True).fit(train)
    >>> new = DataFrame({"category": ["mask", "serum"], "size_ml": [None, 30.0]})
    >>> imputer.transform(new).to_numpy().tolist()
    [['mask', 60.0, 1], ['serum', 30.0, 0]]
    """

    def __init__(self, columns, how="median", value=None, by=None, indicator=False):
        self.columns, self.how, self.value = columns, how, value
        self.by, self.indicator = by, indicator

    def fit(self, X: DataFrame, y=None):
        """Learn what goes into the gaps.

        Raises
        ------
        ValueError
            If `how` needs numbers, a column is missing or only gaps, or would be overwritten.
        """
        if self.how not in HOW:
            raise ValueError(f"how is one of {', '.join(HOW)}; got {self.how!r}. Take 'median'.")
        if self.how == "constant" and pd.isna(self.value):
            raise ValueError("how='constant' needs the value to write, such as value='unknown'.")
        require_columns(X, "the table", [*self.columns, *([self.by] if self.by else [])])
        require_rows(X, "the table")
        self._meet(X)
        self.fill_ = {name: self._value(X[name], name) for name in self.columns}
        self.fill_by_ = {}
        if self.by and self.how != "constant":
            for name in self.columns:
                known = X[[self.by, name]].dropna()
                groups = known.groupby(self.by, sort=True)[name]
                self.fill_by_[name] = {key: self._value(own, name) for key, own in groups}
        return self

    def _value(self, values, name):
        """Return what stands for a gap among these values."""
        if self.how == "constant":
            return self.value
        known = values.dropna()
        if not len(known):
            raise ValueError(
                f"{name} holds nothing but gaps, so nothing can be learned from it. Drop it, or take how='constant'."
            )
        if self.how == "most frequent":
            counts = known.value_counts()
            return sorted(counts[counts == counts.max()].index, key=str)[0]
        if not pd.api.types.is_numeric_dtype(known) or pd.api.types.is_bool_dtype(known):
            raise ValueError(
                f"how={self.how!r} needs numbers; {name} holds {known.dtype}, such as {known.iloc[0]!r}. Take how='most frequent' or 'constant'."
            )
        numbers = known.astype("float64")
        return float(numbers.median() if self.how == "median" else numbers.mean())

    def transform(self, X: DataFrame) -> DataFrame:
        """Return the table with the gaps filled: same rows, same order, same index; others pass."""
        check_is_fitted(self)
        require_columns(X, "the table", [*self.columns, *([self.by] if self.by else [])])
        filled = X.copy()
        for name in self.columns:
            values = X[name]
            if values.isna().any() and self.fill_by_.get(name):
                groups = list(self.fill_by_[name])
                require_same_kind(X[self.by], "the table", groups, "training", self.by)
            if isinstance(values.dtype, pd.CategoricalDtype):
                values = values.cat.set_categories(
                    values.cat.categories.union([self.fill_[name]], sort=False)
                )
            if self.how in ("median", "mean"):  # a column of whole numbers takes no half one
                values = values.astype("float64")
            elif pd.api.types.is_numeric_dtype(values) and isinstance(self.fill_[name], str):
                values = values.astype(object)
            if name in self.fill_by_:
                values = values.where(values.notna(), X[self.by].map(self.fill_by_[name]))
            filled[name] = values.where(values.notna(), self.fill_[name])
        if self.indicator:
            gaps = {f"{name}_missing": X[name].isna().astype("int64") for name in self.columns}
            filled = filled.assign(**gaps)
        return filled

    def _added(self):
        """Return the names of the columns that are added."""
        return [f"{name}_missing" for name in self.columns] if self.indicator else []


def remove_gaps(table: DataFrame, columns: Sequence[str]) -> tuple[DataFrame, DataFrame]:
    """Split a table into rows without gaps in `columns` and the others, with a `reason`.

    Removal is honest only if the gaps are no news: look at both parts before you drop one.

    Examples
    --------
    >>> kept, removed = remove_gaps(DataFrame({"age": [31, None], "city": ["Basel", None]}), ["age", "city"])
    >>> len(kept), removed["reason"].tolist()
    (1, ['no age, city'])
    """
    require_columns(table, "the table", columns)
    gaps = table[list(columns)].isna()
    out = gaps.any(axis=1)
    reasons = ["no " + ", ".join(np.asarray(columns)[row]) for row in gaps[out].to_numpy()]
    return table[~out], with_reason(table[out], reasons)


def scaler(columns: Sequence[str], how: str = "standardize") -> ColumnTransformer:
    """Return a transformer that brings numbers to one scale and passes the other columns on.

    Parameters
    ----------
    how : "standardize" (mean 0, standard deviation 1 in training) or "normalize" (0 to 1 in
        training; a later value beyond it goes beyond 0 or 1).

    Examples
    --------
    >>> train = DataFrame({"tenure": [0.0, 10.0], "Churn": ["Yes", "No"]})
    >>> scaler(["tenure"], "normalize").fit(train).transform(train).to_numpy().tolist()
    [[0.0, 'Yes'], [1.0, 'No']]
    """
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    if how not in SCALES:
        raise ValueError(f"how is one of {', '.join(SCALES)}; got {how!r}. Take 'standardize'.")
    return _of_columns(columns, StandardScaler() if how == "standardize" else MinMaxScaler())


def one_hot(columns: Sequence[str]) -> ColumnTransformer:
    """Return a transformer that makes a column of 0 and 1 of each level seen in training.

    A level that training did not know gives 0 everywhere; a gap is a level of its own. For words
    without an order.

    Examples
    --------
    >>> train = DataFrame({"skin_type": ["dry", "oily"]})
    >>> one_hot(["skin_type"]).fit(train).transform(DataFrame({"skin_type": ["oily", "new"]})).to_numpy().tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    from sklearn.preprocessing import OneHotEncoder

    return _of_columns(columns, OneHotEncoder(sparse_output=False, handle_unknown="ignore"))


def ordinal(orders: Mapping[str, Sequence[str]]) -> ColumnTransformer:
    """Return a transformer that numbers the levels of each column from 0 in the order given.

    A level that is not listed, and a gap, become -1. For words with an order, such as the length of
    a contract; trees can also use any other order, a linear model would read a meaning into it.

    Parameters
    ----------
    orders : column -> its levels, lowest first.

    Examples
    --------
    >>> contract = ordinal({"Contract": ["Month-to-month", "One year", "Two year"]})
    >>> contract.fit_transform(DataFrame({"Contract": ["Two year", "Weekly"]}))["Contract"].tolist()
    [2.0, -1.0]
    """
    from sklearn.preprocessing import OrdinalEncoder

    encoder = OrdinalEncoder(
        categories=[list(levels) for levels in orders.values()],
        handle_unknown="use_encoded_value",
        unknown_value=-1,
        encoded_missing_value=-1,
    )
    return _of_columns(list(orders), encoder)


def label_codes(labels: pd.Series) -> tuple[np.ndarray, list]:
    """Return the target as whole numbers from 0, and the classes in the order of the numbers.

    For the target only: as a feature such numbers have an order that means nothing.

    Examples
    --------
    >>> codes, classes = label_codes(pd.Series(["Yes", "No", "Yes"]))
    >>> codes.tolist(), classes
    ([1, 0, 1], ['No', 'Yes'])
    """
    from sklearn.preprocessing import LabelEncoder

    _require_labels(labels)
    encoder = LabelEncoder().fit(labels)
    return encoder.transform(labels), encoder.classes_.tolist()


def _require_labels(y):
    """Stop if a label is missing."""
    if pd.isna(y).any():
        raise ValueError(f"{int(pd.isna(y).sum()):,} label(s) are missing. Drop those rows first.")


def _of_columns(columns, transformer):
    """Return a transformer of some columns; the others pass, frames go in and out."""
    from sklearn.compose import ColumnTransformer

    return ColumnTransformer(
        [("changed", transformer, list(columns))],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")


def robust_scale(values: Series) -> float:
    """Return the standard deviation as the middle half of the values shows it.

    It is 1.4826 times the median distance from the median; for values of a bell curve that is the
    standard deviation, and up to half of the values may be wild.

    Examples
    --------
    >>> round(robust_scale(Series([1.0, 2.0, 3.0, 4.0, 900.0])), 4)
    1.4826
    """
    values = values.dropna()
    if not len(values):
        return 0.0
    return float(1.4826 * (values - values.median()).abs().median())


def limits(values: Series, rule: str = "iqr") -> tuple[float, float]:
    """Return the least and the greatest value that is no outlier.

    Parameters
    ----------
    values : numbers; gaps are left out.
    rule : "iqr" (1.5 quartile distances beyond the quartiles) or "robust z" (3.5 robust standard
        deviations from the median).

    Returns
    -------
    The limits; a value that is infinite has no say in them, and lies beyond them.

    Raises
    ------
    ValueError
        If the rule is unknown, or there is no number to learn from.

    Examples
    --------
    >>> limits(Series([1.0, 2.0, 3.0, 4.0, 5.0]))
    (-1.0, 7.0)
    """
    numbers = _as_numbers(values).dropna()
    values = numbers[np.isfinite(numbers)].rename(values.name)
    if values.empty:
        raise ValueError(
            f"{values.name or 'The column'} holds no number, so no limits can be learned from it. Drop it."
        )
    if rule == "iqr":
        low, high = values.quantile([0.25, 0.75])
        reach = 1.5 * (high - low)
    elif rule == "robust z":
        low = high = values.median()
        reach = 3.5 * robust_scale(values)
    else:
        raise ValueError(f"rule is 'iqr' or 'robust z'; got {rule!r}. Take 'iqr'.")
    return float(low - reach), float(high + reach)


def _beyond(values, low, high):
    """Return which values are outliers; a gap is none."""
    return values.notna() & ~values.between(low, high)


def _as_numbers(values):
    """Return a column as floats, or say that it holds none."""
    try:
        return values.astype("float64")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{values.name or 'The column'} holds {values.dtype}, such as {values.dropna().iloc[0]!r}; "
            "numbers were expected. Read it with parse_numbers first."
        ) from error


def remove_outliers(table: DataFrame, column: str) -> tuple[DataFrame, DataFrame]:
    """Split a table into the rows kept and the outliers removed, with a column `reason`.

    Removing rows is for training tables only: in production every customer wants an answer. A gap
    is no outlier and is kept.

    Examples
    --------
    >>> kept, removed = remove_outliers(DataFrame({"price_eur": [1.0, 2.0, 3.0, 4.0, 99.0]}), "price_eur")
    >>> len(kept), removed["reason"].tolist()
    (4, ['price_eur outside -1 to 7'])
    """
    require_columns(table, "the table", [column])
    low, high = limits(table[column])
    out = _beyond(table[column], low, high)
    return table[~out], with_reason(table[out], f"{column} outside {low:.4g} to {high:.4g}")


class OutlierTreatment(_Beside):
    """Flag, cap or blank outliers; the limits are those of the training table.

    Parameters
    ----------
    columns : numeric columns to treat.
    action : "flag" adds a column `<name>_outlier` (0 or 1), "cap" moves the value to the limit,
        "gap" takes it out, to be imputed. Rows are never dropped: see `remove_outliers` for that.

    Examples
    --------
    >>> train = DataFrame({"price_eur": [1.0, 2.0, 3.0, 4.0, 5.0]})
    >>> cap = OutlierTreatment(["price_eur"], action="cap").fit(train)
    >>> cap.transform(DataFrame({"price_eur": [99.0]}))["price_eur"].tolist()
    [7.0]
    """

    def __init__(self, columns, action="flag"):
        self.columns, self.action = columns, action

    def fit(self, X: DataFrame, y=None):
        """Learn the limits of each column.

        Raises
        ------
        ValueError
            If a column is missing or holds no number, or would be overwritten.
        """
        require_columns(X, "the table", self.columns)
        if self.action not in ACTIONS:
            raise ValueError(f"action is one of {', '.join(ACTIONS)}; got {self.action!r}.")
        self._meet(X)
        self.limits_ = {name: limits(X[name]) for name in self.columns}
        return self

    def transform(self, X: DataFrame) -> DataFrame:
        """Return the treated table: same rows, same order, same index; other columns pass."""
        check_is_fitted(self)
        require_columns(X, "the table", self.columns)
        treated = X.copy()
        for name, (low, high) in self.limits_.items():
            numbers = _as_numbers(X[name])
            out = _beyond(numbers, low, high)
            if self.action == "flag":
                treated[f"{name}_outlier"] = out.astype("int64")
            elif self.action == "cap":
                treated[name] = numbers.clip(low, high)
            else:
                treated[name] = numbers.mask(out)
        return treated

    def _added(self):
        """Return the names of the columns that are added."""
        return [f"{name}_outlier" for name in self.columns] if self.action == "flag" else []


def outlier_report(table: DataFrame, columns: list[str]) -> DataFrame:
    """Return how many rows each rule would touch, before anything is touched.

    Examples
    --------
    >>> outlier_report(DataFrame({"x": [1.0, 2.0, 3.0, 4.0, 99.0]}), ["x"])["rows"].tolist()
    [1, 1]
    """
    rows = []
    for name in columns:
        for rule in ("iqr", "robust z"):
            low, high = limits(table[name], rule)
            out = _beyond(table[name], low, high)
            rows.append((name, rule, low, high, int(out.sum()), float(out.mean())))
    return pd.DataFrame(rows, columns=["column", "rule", "low", "high", "rows", "share"])


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
        If the lengths differ, a label is missing or there is one class only.

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
    _require_labels(y)
    labels = np.asarray(y)
    if len(labels) != len(X):
        raise ValueError(
            f"X has {len(X):,} rows and y {len(labels):,} labels; one each was expected."
        )
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
    seed : see `resample`.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> X, y = DataFrame({"x": range(10)}), Series(["No"] * 9 + ["Yes"])
    >>> Resampled(DummyClassifier(), seed=7).fit(X, y).predict_proba(X)[0].tolist()
    [0.5, 0.5]
    """

    def __init__(self, model, seed=0):
        self.model, self.seed = model, seed

    def fit(self, X, y):
        """Resample these rows and fit a copy of the model on them."""
        self.model_ = clone(self.model).fit(*resample(X, y, self.seed))
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

    @property
    def n_features_in_(self):
        """Return how many columns the model has seen."""
        return self.model_.n_features_in_

    @property
    def feature_names_in_(self):
        """Return the names of the columns that the model has seen."""
        return self.model_.feature_names_in_


def leak_of_resampling(X: DataFrame, y: Series, seed: int, model=None) -> DataFrame:
    """Show what happens when rows are resampled before the split: the exam is in the textbook.

    Copies of a row land in training and in test, a forest remembers them, and the figure is far too
    good. On the real Telco file a forest of 100 trees has 0.965 instead of 0.82; a linear model cannot
    remember rows, and has 0.84 either way.

    Parameters
    ----------
    X : features as numbers, without gaps (see `telco_numbers`).
    y : two classes; the second by name is the one to find.
    model : a classifier; a forest of 100 trees without one.

    Returns
    -------
    By `resampled` ("before the split", "inside the training folds", "not at all"): `roc_auc`,
    `accuracy`, the mean over five folds.

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
    cut = StratifiedKFold(5, shuffle=True, random_state=seed)
    ways = {
        "before the split": (model, *resample(X, y, seed)),
        "inside the training folds": (Resampled(model, seed=seed), X, y),
        "not at all": (model, X, y),
    }
    rows = {}
    for way, (one, rows_of, labels) in ways.items():
        scores = cross_validate(one, rows_of, labels, cv=cut, scoring=["roc_auc", "accuracy"])
        rows[way] = {
            "roc_auc": scores["test_roc_auc"].mean(),
            "accuracy": scores["test_accuracy"].mean(),
        }
    return pd.DataFrame(rows).T.rename_axis("resampled")
