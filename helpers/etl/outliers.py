"""Stage 3: values far from the others: found by quartiles or by a robust score; flagged, capped, removed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from helpers.checks import require_columns
from helpers.etl.accounting import with_reason
from helpers.etl.limits import limits
from helpers.etl.transformers import require_free

ACTIONS = ("flag", "cap", "gap")


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
    return table[~out], with_reason(table[out], f"{column} outside {low:.4g} to {high:.4g}")


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
        """Learn the limits of each column.

        Raises
        ------
        ValueError
            If the rule or the action is unknown, a column is missing or holds no number, or a flag
            would overwrite a column.
        """
        require_columns(X, "the table", self.columns)
        if self.action not in ACTIONS:
            raise ValueError(f"action is one of {', '.join(ACTIONS)}; got {self.action!r}.")
        require_free(X, self._flags())
        self.limits_ = {name: limits(X[name], self.rule, self.width) for name in self.columns}
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: DataFrame) -> DataFrame:
        """Return the treated table: same rows, same order, same index; other columns pass."""
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
        check_is_fitted(self)
        return np.asarray([*self.feature_names_in_, *self._flags()], dtype=object)

    def _flags(self):
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
            out = table[name].notna() & ~table[name].between(low, high)
            rows.append((name, rule, low, high, int(out.sum()), float(out.mean())))
    return pd.DataFrame(rows, columns=["column", "rule", "low", "high", "rows", "share"])
