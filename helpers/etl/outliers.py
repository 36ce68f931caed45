"""Stage 3: values far from the others: found by quartiles or by a robust score; flagged, capped, removed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from helpers.checks import require_columns

ACTIONS = ("flag", "cap", "gap")


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


def limits(values: Series, rule: str = "iqr", width: float | None = None) -> tuple[float, float]:
    """Return the least and the greatest value that is no outlier.

    Parameters
    ----------
    values : numbers; gaps are left out.
    rule : "iqr" (`width`, 1.5, quartile distances beyond the quartiles) or "robust z" (`width`,
        3.5, robust standard deviations from the median).

    Raises
    ------
    ValueError
        If the rule is unknown.

    Examples
    --------
    >>> limits(Series([1.0, 2.0, 3.0, 4.0, 5.0]))
    (-1.0, 7.0)
    """
    values = values.dropna().astype("float64")
    if rule == "iqr":
        low, high = values.quantile([0.25, 0.75])
        reach = (1.5 if width is None else width) * (high - low)
    elif rule == "robust z":
        low = high = values.median()
        reach = (3.5 if width is None else width) * robust_scale(values)
    else:
        raise ValueError(f"rule is 'iqr' or 'robust z'; got {rule!r}. Take 'iqr'.")
    return float(low - reach), float(high + reach)


def remove_outliers(
    table: DataFrame, column: str, rule: str = "iqr", width: float | None = None
) -> tuple[DataFrame, DataFrame]:
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
    low, high = limits(table[column], rule, width)
    out = table[column].notna() & ~table[column].between(low, high)
    return table[~out], table[out].assign(reason=f"{column} outside {low:.4g} to {high:.4g}")


class OutlierTreatment(TransformerMixin, BaseEstimator):
    """Flag, cap or blank outliers; the limits are those of the training table.

    Parameters
    ----------
    columns : numeric columns to treat.
    rule, width : see `limits`.
    action : "flag" adds a column `<name>_outlier` (0 or 1), "cap" moves the value to the limit,
        "gap" takes it out, to be imputed. Rows are never dropped: see `remove_outliers` for that.

    Examples
    --------
    >>> train = DataFrame({"price_eur": [1.0, 2.0, 3.0, 4.0, 5.0]})
    >>> cap = OutlierTreatment(["price_eur"], action="cap").fit(train)
    >>> cap.transform(DataFrame({"price_eur": [99.0]}))["price_eur"].tolist()
    [7.0]
    """

    def __init__(self, columns, rule="iqr", width=None, action="flag"):
        self.columns, self.rule, self.width, self.action = columns, rule, width, action

    def fit(self, X: DataFrame, y=None):
        """Learn the limits of each column."""
        require_columns(X, "the table", self.columns)
        if self.action not in ACTIONS:
            raise ValueError(f"action is one of {', '.join(ACTIONS)}; got {self.action!r}.")
        self.limits_ = {name: limits(X[name], self.rule, self.width) for name in self.columns}
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: DataFrame) -> DataFrame:
        """Return the treated table: same rows, same order, same index."""
        check_is_fitted(self)
        require_columns(X, "the table", self.columns)
        treated = X.copy()
        for name, (low, high) in self.limits_.items():
            out = X[name].notna() & ~X[name].between(low, high)
            if self.action == "flag":
                treated[f"{name}_outlier"] = out.astype("int64")
            elif self.action == "cap":
                treated[name] = X[name].astype("float64").clip(low, high)
            else:
                treated[name] = X[name].astype("float64").mask(out)
        return treated

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` gives."""
        flags = [f"{n}_outlier" for n in self.columns] if self.action == "flag" else []
        return np.asarray([*self.feature_names_in_, *flags], dtype=object)


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
            out = table[name].notna() & ~table[name].between(low, high)
            rows.append((name, rule, low, high, int(out.sum()), float(out.mean())))
    return pd.DataFrame(rows, columns=["column", "rule", "low", "high", "rows", "share"])
