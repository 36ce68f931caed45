"""Stage 4: classifiers of churn, as scikit-learn pipelines that take the customer table."""

from __future__ import annotations

from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

AMOUNTS = ["tenure", "MonthlyCharges", "TotalCharges"]
LEVELS = [
    "gender", "SeniorCitizen", "Partner", "Dependents", "PhoneService", "MultipleLines",
    "InternetService", "OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport",
    "StreamingTV", "StreamingMovies", "Contract", "PaperlessBilling", "PaymentMethod",
]  # fmt: skip

# What a customer is rather than does. The charter keeps it out of decisions.
PERSONAL = ["gender", "SeniorCitizen", "Partner", "Dependents"]
CHOSEN_LEVELS = [level for level in LEVELS if level not in PERSONAL]


def majority() -> DummyClassifier:
    """Return the baseline to beat: it gives every customer the churn rate it was trained on.

    Examples
    --------
    >>> majority().fit([[0], [0], [0], [0]], [0, 0, 0, 1]).predict_proba([[9]])[0, 1].item()
    0.25
    """
    return DummyClassifier(strategy="prior")


def logistic(amounts: list[str] | None = None, levels: list[str] | None = None) -> Pipeline:
    """Return a logistic regression with its preparation inside, so that the two travel together.

    Amounts are standardized, levels one-hot encoded; both are fitted on the training rows only. A
    level never seen in training counts as none of the known ones; `score_batch` says so.

    Parameters
    ----------
    amounts : numeric columns to use; by default `AMOUNTS`.
    levels : columns of categories to use; by default `LEVELS`.

    Returns
    -------
    A pipeline to `fit(customers, churned)` and `predict_proba(customers)`; columns it was not
    told to use are ignored, so an id or a date may stay in the table.

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
