"""Stage 3: preparations that learn from the training table: gaps, scales, encodings.

Each takes a DataFrame and gives one, with the same rows in the same order under the same index, and
uses nothing but what `fit` saw. Fit on the training part only, or inside a scikit-learn pipeline,
which does so by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas import DataFrame
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from helpers.checks import require_columns, require_rows
from helpers.etl.accounting import with_reason

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

HOW = ("median", "mean", "most frequent", "constant")
SCALES = ("standardize", "normalize")


class Imputer(TransformerMixin, BaseEstimator):
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
            If `how` is unknown or needs numbers, a column is missing or holds nothing but gaps, or an
            indicator would overwrite a column.
        """
        if self.how not in HOW:
            raise ValueError(f"how is one of {', '.join(HOW)}; got {self.how!r}. Take 'median'.")
        if self.how == "constant" and pd.isna(self.value):
            raise ValueError("how='constant' needs the value to write, such as value='unknown'.")
        require_columns(X, "the table", [*self.columns, *([self.by] if self.by else [])])
        require_rows(X, "the table")
        require_free(X, self._marks())
        self.fill_ = {name: self._value(X[name], name) for name in self.columns}
        self.fill_by_ = {}
        if self.by and self.how != "constant":
            for name in self.columns:
                known = X[[self.by, name]].dropna()
                groups = known.groupby(self.by, sort=True)[name]
                self.fill_by_[name] = {key: self._value(own, name) for key, own in groups}
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def _value(self, values, name):
        """Return what stands for a gap among these values."""
        if self.how == "constant":
            return self.value
        known = values.dropna()
        if not len(known):
            raise ValueError(f"{name} holds nothing but gaps, so nothing can be learned from it. Drop it, or take how='constant'.")  # fmt: skip
        if self.how == "most frequent":
            counts = known.value_counts()
            return sorted(counts[counts == counts.max()].index, key=str)[0]
        if not pd.api.types.is_numeric_dtype(known) or pd.api.types.is_bool_dtype(known):
            raise ValueError(f"how={self.how!r} needs numbers; {name} holds {known.dtype}, such as {known.iloc[0]!r}. Take how='most frequent' or 'constant'.")  # fmt: skip
        numbers = known.astype("float64")
        return float(numbers.median() if self.how == "median" else numbers.mean())

    def transform(self, X: DataFrame) -> DataFrame:
        """Return the table with the gaps filled: same rows, same order, same index; others pass."""
        check_is_fitted(self)
        require_columns(X, "the table", [*self.columns, *([self.by] if self.by else [])])
        filled = X.copy()
        for name in self.columns:
            values = X[name]
            if isinstance(values.dtype, pd.CategoricalDtype):
                values = values.cat.set_categories(values.cat.categories.union([self.fill_[name]], sort=False))  # fmt: skip
            if name in self.fill_by_:
                values = values.where(values.notna(), X[self.by].map(self.fill_by_[name]))
            filled[name] = values.where(values.notna(), self.fill_[name])
            if self.how in ("median", "mean"):
                filled[name] = filled[name].astype("float64")
        if self.indicator:
            gaps = {f"{name}_missing": X[name].isna().astype("int64") for name in self.columns}
            filled = filled.assign(**gaps)
        return filled

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` gives."""
        check_is_fitted(self)
        return np.asarray([*self.feature_names_in_, *self._marks()], dtype=object)

    def _marks(self):
        """Return the names of the columns that are added."""
        return [f"{name}_missing" for name in self.columns] if self.indicator else []


def require_free(table: DataFrame, names: Sequence[str]) -> None:
    """Stop if a column that is to be added is there already.

    Raises
    ------
    ValueError
        With the first such name.
    """
    taken = [name for name in names if name in table.columns]
    if taken:
        raise ValueError(f"The table has a column {taken[0]} already, which would be overwritten. Rename it.")  # fmt: skip


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
    return _beside(columns, StandardScaler() if how == "standardize" else MinMaxScaler())


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

    return _beside(columns, OneHotEncoder(sparse_output=False, handle_unknown="ignore"))


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
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1,
    )  # fmt: skip
    return _beside(list(orders), encoder)


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

    if labels.isna().any():
        raise ValueError(f"{int(labels.isna().sum()):,} label(s) are missing. Drop those rows first.")  # fmt: skip
    encoder = LabelEncoder().fit(labels)
    return encoder.transform(labels), encoder.classes_.tolist()


def _beside(columns, transformer):
    """Return a transformer of some columns; the others pass, frames go in and out."""
    from sklearn.compose import ColumnTransformer

    return ColumnTransformer(
        [("changed", transformer, list(columns))],
        remainder="passthrough", verbose_feature_names_out=False,
    ).set_output(transform="pandas")  # fmt: skip
