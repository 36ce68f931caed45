"""Stage 4: classifiers of churn, as scikit-learn pipelines that take the customer table."""

from __future__ import annotations

import re
import warnings
from math import comb

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from helpers.checks import require_columns, require_rows, require_single
from helpers.etl.parsing import (
    blanks_to_gaps,
    number_style,
    parse_dates,
    parse_flags,
    parse_numbers,
)

AMOUNTS = ["tenure", "MonthlyCharges", "TotalCharges"]
LEVELS = [
    "gender", "SeniorCitizen", "Partner", "Dependents", "PhoneService", "MultipleLines",
    "InternetService", "OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport",
    "StreamingTV", "StreamingMovies", "Contract", "PaperlessBilling", "PaymentMethod",
]  # fmt: skip

# What a customer is rather than does. The charter keeps it out of decisions.
PERSONAL = ["gender", "SeniorCitizen", "Partner", "Dependents"]
CHOSEN_LEVELS = [level for level in LEVELS if level not in PERSONAL]

MISSING, OTHER = "(missing)", "(other)"
_NEARLY, _SOME = 0.9, 20  # share of numbers from which on words among them are slips; of so many
_MANY = 50  # different levels, beyond which the rarest are one
_CURVES = 500  # columns of curves at most
_AS_TRAINED = "Bring it to the type and the words of training, or train again."
_ID = re.compile(r"(^|[ _.-])(id|uuid|guid|key|msisdn|phone|no|nr|number)$", re.IGNORECASE)
_MONTH = re.compile(r"(19|20)\d\d[-/]?(0[1-9]|1[0-2])")
_ROW = re.compile(r"(id|num|nr|number|index|unnamed.*)$", re.IGNORECASE)
_SURE = ("id", "uuid", "guid")  # even where they come again, as in a table of months


def logistic(amounts: list[str] | None = None, levels: list[str] | None = None) -> Pipeline:
    """Return a logistic regression of the cleaned table, with its preparation inside.

    Amounts are standardized, levels one-hot encoded (a new one is none of the known); others passed over.

    Parameters
    ----------
    amounts : numeric columns to use; by default `AMOUNTS`.
    levels : columns of categories to use; by default `LEVELS`.

    Examples
    --------
    >>> import pandas as pd
    >>> customers = pd.DataFrame({"tenure": [1, 2, 60, 70]})
    >>> model = logistic(amounts=["tenure"], levels=[]).fit(customers, [1, 1, 0, 0])
    >>> model.predict(pd.DataFrame({"tenure": [3]})).item()
    1
    """
    preparation = make_column_transformer(
        (StandardScaler(), AMOUNTS if amounts is None else amounts),
        (OneHotEncoder(handle_unknown="ignore"), LEVELS if levels is None else levels),
        remainder="drop",
    )
    return make_pipeline(preparation, LogisticRegression(max_iter=1000))


def is_positive(column: pd.Series, positive: object = "Yes") -> pd.Series:
    """Return for each customer whether the answer is the positive one, which is named.

    Blanks around a word and capitals do not matter. Where the column holds yes and no, however
    written, "Yes", 1 and True mean the same.

    Parameters
    ----------
    column : the target, one answer a customer.
    positive : the answer of who leaves, such as "Churned".

    Raises
    ------
    ValueError
        If an answer is missing, nobody or everybody has the positive one, or there is no customer.

    Warns
    -----
    UserWarning
        If there are more than two answers: all but the positive one count as staying.

    Examples
    --------
    >>> is_positive(pd.Series(["Churned", "Stayed"]), "Churned").tolist()
    [True, False]
    """
    name = column.name or "the target"
    require_single(column, name)
    filled = blanks_to_gaps(column)
    if filled.isna().any() or not len(column):
        raise ValueError(
            f"{name} of {int(filled.isna().sum()):,} of {len(column):,} customer(s) is missing, and who "
            "left is what a model learns from. Leave them out, or find out."
        )
    words = _as_words(filled).str.casefold()
    wanted = _as_words(pd.Series([positive], dtype=object)).iloc[0].casefold()
    flags, means = parse_flags(column), parse_flags(pd.Series([positive])).iloc[0]
    if flags.notna().all() and not pd.isna(means):
        found = flags.eq(means).astype(bool)
    else:
        found = words.eq(wanted) | column.eq(positive)
    shown = ", ".join(repr(one) for one in column.drop_duplicates().head(5).tolist())
    if not found.any() or found.all():
        how_many = "no customer" if not found.any() else f"all {len(found):,} customers"
        raise ValueError(
            f"{name} is {positive!r} for {how_many}; it holds {shown}. A model needs customers who left "
            'and some who stayed. Name the answer of who leaves, as in positive="Churned", or take '
            "more rows."
        )
    if words.nunique() > 2 and not flags.notna().all():
        warnings.warn(
            f"{name} holds {words.nunique()} answers, the first being {shown}: all but {positive!r} count "
            "as staying. Leave out who should not count.",
            stacklevel=2,
        )
    return found


def _as_words(values):
    """Return values as texts without blanks around them; 2.0 is the 2 of a column with gaps."""
    values = values.astype(object)
    whole = values.map(lambda one: isinstance(one, float) and one.is_integer()).astype(bool)
    return values.mask(whole, values[whole].astype("int64")).astype("str").str.strip()


def column_kinds(table: pd.DataFrame) -> pd.Series:
    """Return what each column of an operator's table is, found from its values.

    Returns
    -------
    One kind a column:

    - used: "number" (numbers, or texts that all are numbers but for blanks), "flag" (yes and no,
      however written), "level" (words of which some come again);
    - left out: "id" (words that most customers have for themselves, or named like an id),
      "date" (also months, as 2024-01 or 202401: a model would learn the calendar of the training;
      derive a duration in days instead), "constant", "empty".

    Raises
    ------
    ValueError
        If two columns have one name, a name is no text, a row holds several values in one, or a column
        of numbers holds a few words.

    Examples
    --------
    >>> table = pd.DataFrame({"customerID": ["a", "b", "c"], "charges": ["29.85", " ", "5"],
    ...                       "paperless": ["Yes", "No", "Yes"], "since": ["2024-01-05"] * 2 + ["2024-02-01"]})
    >>> column_kinds(table).to_dict()
    {'customerID': 'id', 'charges': 'number', 'paperless': 'flag', 'since': 'date'}
    """
    _require_readable(table)
    return pd.Series({name: _kind(name, table[name]) for name in table}, dtype="str", name="kind")


def _require_readable(table):
    """Stop if two columns have one name, a name is no text, or a column holds lists."""
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise ValueError(
            f"The table has two columns {twice!r}, so which one is meant is unknown. Rename or drop one."
        )
    for name in table:
        if not isinstance(name, str):
            raise ValueError(
                f"Names of columns are texts; got {name!r}, which scikit-learn would take for a place. Name "
                "them: table.columns = table.columns.map(str)."
            )
        require_single(table[name], name)


def _kind(name, values):
    """Return the kind of one column."""
    if values.dtype.kind in "mM":
        return "date"
    there = values.dropna()
    filled = blanks_to_gaps(pd.Series(values.unique(), dtype=object, name=name))
    with_gaps, filled = filled.isna().any(), filled.dropna()
    different = len(filled)
    if different < 2:
        return "empty" if not different else "level" if with_gaps else "constant"
    if parse_flags(filled).notna().all():
        return "flag"
    if all(_MONTH.fullmatch(str(one).strip().removesuffix(".0")) for one in filled):
        return "date"
    named = _id_in(name)
    if named and (named[2].casefold() in _SURE or different > len(there) / 2):
        return "id"
    numbers = parse_numbers(filled)
    if numbers.notna().all():
        return "id" if _counts_rows(name, numbers, len(values)) else "number"
    if numbers.notna().sum() >= _NEARLY * different and different >= _SOME:
        word = filled[numbers.isna()].iloc[0]
        row = int(values.eq(word).fillna(False).to_numpy(dtype=bool).argmax()) + 1
        raise ValueError(
            f"{name} holds numbers and {int(numbers.isna().sum()):,} word(s), the first being {word!r} (row "
            f"{row:,}). Make the words gaps or numbers, or drop the column."
        )
    if parse_dates(filled).notna().all():
        return "date"
    return "id" if different > max(_MANY, len(there) / 2) else "level"


def _id_in(name):
    """Return the word in a name that tells an id, its words taken apart: customerID as customer_ID."""
    return _ID.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(name)))


def _counts_rows(name, numbers, rows):
    """Return whether whole numbers, one a row, only tell the rows apart: by their name, or 0, 1, 2 ..."""
    if len(numbers) < max(rows, _SOME) or (numbers % 1).any():
        return False
    return bool(_ROW.search(str(name))) or np.ptp(numbers) == rows - 1


class ReadTable(TransformerMixin, BaseEstimator):
    """The first step of each candidate: reads the raw columns, and says what is not as in training.

    Parameters
    ----------
    numbers : the columns of numbers, and the decimal and the thousands sign of each.
    flags, levels : the columns of yes and no, and of words. What is in none of the three is passed over.

    Examples
    --------
    >>> table = pd.DataFrame({"charges": ["29.85", " "], "partner": [1, 0]})
    >>> ReadTable({"charges": (".", ",")}, ["partner"], []).fit_transform(table).to_numpy().tolist()
    [[29.85, 'Yes'], [nan, 'No']]
    """

    def __init__(self, numbers: dict[str, tuple[str, str]], flags: list, levels: list):
        self.numbers, self.flags, self.levels = numbers, flags, levels

    def fit(self, X: pd.DataFrame, y=None) -> ReadTable:
        """Learn which numbers have gaps and which levels there are."""
        if y is not None and len(outcomes := pd.unique(np.asarray(y))) < 2:
            raise ValueError(
                f"All {len(X):,} customers have the outcome {outcomes.tolist()}: a model needs some who "
                "left and some who stayed. Take more rows, or folds that keep the shares (stratified)."
            )
        self.feature_names_in_ = np.asarray([*self.numbers, *self.flags, *self.levels], dtype=object)  # fmt: skip
        self.n_features_in_ = len(self.feature_names_in_)
        self._require(X)
        self.with_gaps_ = []
        for name in self.numbers:
            gaps = self._number(X[name]).isna()
            if gaps.any():
                self.with_gaps_.append(name)
                _require_read(X[name], gaps, "Make each a number or a gap, or drop the column.")
        self.known_, self.kept_ = {}, {}
        for name in [*self.flags, *self.levels]:
            codes, words = self._words(X[name])
            count = pd.Series(np.bincount(codes)).groupby(words).sum()
            count = count.sort_values(ascending=False, kind="stable")
            self.known_[name] = sorted(count.index)
            # A level of a handful of customers teaches nothing, and boosting takes 255 at most.
            kept = sorted(count.index[:_MANY])
            rest = [OTHER] if len(count) > _MANY else []
            self.kept_[name] = [*(one for one in kept if one not in rest), *rest]
        return self

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return numbers as floats and levels as categories; what training never saw is told.

        A column that is missing, holds no number or no known value at all is refused.
        """
        check_is_fitted(self)
        self._require(X)
        read = {}
        for name in self.numbers:
            read[name] = self._number(X[name])
            gaps = read[name].isna()
            if not gaps.any():
                continue
            _require_read(X[name], gaps, _AS_TRAINED)
            if name not in self.with_gaps_:
                _tell(X[name], gaps, "a gap, of which training had none", "its median is taken.")
        for name in [*self.flags, *self.levels]:
            codes, words = self._words(X[name])
            strange = ~np.isin(words, self.known_[name])[codes]
            if strange.any():
                known = ", ".join(map(repr, self.known_[name][:5]))
                said = f"a value never seen in training (known are {known})"
                hopeless = strange.all() and len(X) > 1
                _tell(X[name], strange, said, stop=_AS_TRAINED if hopeless else "")
            kept = self.kept_[name]
            other = kept.index(OTHER) if len(self.known_[name]) > _MANY else -1
            places = np.array([kept.index(word) if word in kept else other for word in words])
            read[name] = pd.Categorical.from_codes(places[codes], categories=kept)
        return pd.DataFrame(read, index=X.index)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns that `transform` gives."""
        check_is_fitted(self)
        return self.feature_names_in_

    def _require(self, X):
        """Stop unless it is a table with the columns to use, once each."""
        if not isinstance(X, pd.DataFrame):
            raise ValueError(
                f"A table with named columns was expected; got {type(X).__name__}. Hand over the DataFrame."
            )
        require_rows(X, "customers")
        require_columns(X, "customers", self.feature_names_in_)
        _require_readable(X[[name for name in X.columns if name in set(self.feature_names_in_)]])

    def _number(self, values):
        """Return a column as numbers, gaps where there is none or none can be read."""
        if not is_numeric_dtype(values):
            values = parse_numbers(values.astype(object), style=self.numbers[values.name])
        read = values.astype("float64")
        return read.where(np.isfinite(read))

    def _words(self, values):
        """Return of a column of flags or levels which row holds which word; a gap is one, too."""
        codes, different = pd.factorize(values, use_na_sentinel=False)  # a gap is one, not -1
        different = pd.Series(different, dtype=object)
        words = _as_words(different).astype(object)
        if values.name in self.flags:
            words = parse_flags(different).map({True: "Yes", False: "No"}).astype(object).fillna(words)  # fmt: skip
        return codes, words.mask(blanks_to_gaps(different).isna(), MISSING).to_numpy(dtype=object)


def _style(values):
    """Return the decimal and the thousands sign of a whole column: a part of it may be ambiguous."""
    if is_numeric_dtype(values):
        return (".", ",")
    return number_style(blanks_to_gaps(values.astype(object)).dropna().astype("str"))


def _require_read(values, gaps, stop):
    """Stop where something stands that could not be read as a number."""
    unread = gaps & blanks_to_gaps(values.astype(object)).notna()
    if unread.any():
        _tell(values, unread, "no number", stop=stop)


def _tell(values, rows, what, then="the model takes it for none of these.", stop=""):
    """Refuse values that cannot be used, saying what to do, or warn of them where the others can."""
    first = int(np.argmax(rows))
    value = values.iloc[first]
    shown = "a gap" if pd.isna(value) else repr(value.item() if hasattr(value, "item") else value)
    said = (
        f"{values.name} of {int(rows.sum()):,} of {len(rows):,} customer(s) holds {what}, the first being "
        f"{shown} (row {first + 1:,}); "
    )
    if stop:
        raise ValueError(f"{said}the model cannot use the column. {stop}")
    warnings.warn(said + then, stacklevel=3)


def candidates(
    table: pd.DataFrame, target: str = "Churn", positive: object = "Yes"
) -> dict[str, Pipeline]:
    """Return models for the raw table of any operator, from the simplest on, none of them fitted.

    They pass over the target and the columns that `column_kinds` leaves out; `is_positive` tells who left.

    Parameters
    ----------
    table : one row a customer (or a customer and month), from which the kinds of columns are found.
    target : the column that says who left.
    positive : the answer of who left, see `is_positive`.

    Returns
    -------
    By name: "majority" (the churn share for everybody), "rule" (one question), "logistic regression",
    "logistic regression, curved" (numbers may act in curves and together), "random forest", "gradient
    boosting, default" (scikit-learn's own settings), "gradient boosting, small" (slower, simpler
    trees), "mean of two" (0.7 x the probability of the curved one + 0.3 x that of the small boosting).

    Raises
    ------
    ValueError
        If the target is missing, has gaps or one outcome only, or no column can be used.

    Warns
    -----
    UserWarning
        If a column is empty, or rows are copies of others: one customer would be learnt from and
        tested on.

    Examples
    --------
    >>> table = pd.DataFrame({"tenure": [1, 2, 60, 70] * 10, "Churn": ["Yes", "Yes", "No", "No"] * 10})
    >>> models = candidates(table)
    >>> model = models["logistic regression"].fit(table, is_positive(table["Churn"]))
    >>> model.predict(pd.DataFrame({"tenure": [3]})).item()
    True
    """
    require_columns(table, "the table", [target])
    is_positive(table[target], positive)
    kinds = column_kinds(table.drop(columns=target))
    if empty := list(kinds.index[kinds == "empty"]):
        warnings.warn(
            f"No customer has a value in {', '.join(map(str, empty))}: left out. Was it to be filled?",
            stacklevel=2,
        )
    ids = kinds.index[kinds == "id"]
    alone = [one for one in ids if not _id_in(one) and not _ROW.search(one)]
    if alone:
        warnings.warn(
            f"Taken for ids and left out, as nearly every customer has a value of their own: {', '.join(alone)}. "
            "If it is an amount, write it as a number.",
            stacklevel=2,
        )
    copies = int(table.duplicated().sum()) if len(ids) else 0
    if copies:
        warnings.warn(
            f"{copies:,} row(s) are copies of other rows: one customer would be learnt from and tested on. "
            "Drop them with drop_duplicates().",
            stacklevel=2,
        )
    by_kind = {kind: list(kinds.index[kinds == kind]) for kind in ("number", "flag", "level")}
    numbers, levels = by_kind["number"], [*by_kind["flag"], *by_kind["level"]]
    styles = {name: _style(table[name]) for name in numbers}
    if not [*numbers, *levels]:
        raise ValueError(
            f"No column can be used: {', '.join(f'{name} ({kind})' for name, kind in kinds.items())}. A "
            "model needs numbers or levels of which some come again."
        )

    def pipeline(*steps):
        return make_pipeline(ReadTable(styles, by_kind["flag"], by_kind["level"]), *steps)

    def prepared(*of_numbers):
        filled = SimpleImputer(strategy="median", keep_empty_features=True)
        return make_column_transformer(
            (make_pipeline(filled, *of_numbers), numbers),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), levels),
            verbose_feature_names_out=False,
        )

    # Chosen on IBM's Telco by cross-validation. A plain logistic regression lacks curves; those of
    # quantiles go nowhere beyond what training has seen.
    quantiles = QuantileTransformer(n_quantiles=max(2, min(100, len(table) // 2)), random_state=0)
    # Of many numbers only the products of fewer at a time, or a table of 30 would have 46,375 columns.
    degree = max(
        one for one in (1, 2, 3, 4) if one == 1 or comb(len(numbers) + one, one) <= _CURVES
    )
    curves = (quantiles, PolynomialFeatures(degree, include_bias=False))
    curved = make_pipeline(prepared(*curves), LogisticRegression(C=30, max_iter=3000))
    small = HistGradientBoostingClassifier(
        learning_rate=0.03, max_iter=300, max_leaf_nodes=6, max_features=0.3, random_state=0
    )
    mean = VotingClassifier(
        [("curved", curved), ("small", make_pipeline(prepared(), small))],
        voting="soft",
        weights=[0.7, 0.3],
    )
    forest = RandomForestClassifier(200, min_samples_leaf=10, random_state=0)  # calibrated as it is
    return {
        "majority": pipeline(DummyClassifier(strategy="prior")),
        "rule": pipeline(prepared(), DecisionTreeClassifier(max_depth=1, random_state=0)),
        "logistic regression": pipeline(prepared(StandardScaler()), LogisticRegression(max_iter=1000)),
        "logistic regression, curved": pipeline(clone(curved)),
        "random forest": pipeline(prepared(), forest),
        "gradient boosting, default": pipeline(prepared(), HistGradientBoostingClassifier(random_state=0)),
        "gradient boosting, small": pipeline(prepared(), clone(small)),
        "mean of two": pipeline(mean),
    }  # fmt: skip
