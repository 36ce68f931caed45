"""Stage 5: score a whole table at once, as a nightly run does."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from sklearn.pipeline import Pipeline

from helpers.checks import require_columns, require_rows, require_share, require_unique
from helpers.files import write_whole


def score_batch(model: Pipeline, customers: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return each customer's churn probability and whether to call, the likeliest first.

    Parameters
    ----------
    model : a fitted pipeline that takes the customer table.
    customers : one row per `customerID`.
    threshold : call from this probability on, 0.0 to 1.0.

    Returns
    -------
    As many rows as `customers`: `customerID`, `churn_probability` (four digits), `call` (flag);
    sorted by falling probability, then by id.

    Raises
    ------
    ValueError
        If an id repeats, there is no row, or `threshold` is no share.

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
    require_columns(customers, "customers", ["customerID"])
    require_unique(customers, "customers", "customerID")
    probability = model.predict_proba(customers)[:, 1].round(4)
    return (
        pd.DataFrame(
            {
                "customerID": customers["customerID"].to_numpy(),
                "churn_probability": probability,
                "call": probability >= threshold,
            }
        )
        .sort_values(["churn_probability", "customerID"], ascending=[False, True])
        .reset_index(drop=True)
    )


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
