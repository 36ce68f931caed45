"""Stages 2 and 3: what a row must look like, and where the rows go that do not.

The clean tables of both businesses have their schemas in `helpers.etl.schemas`; the books of a load
(rows in = loaded + quarantined + merged) are in `helpers.etl.accounting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from helpers.checks import require_columns
from helpers.etl.accounting import with_reason

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

YES_NO = ["Yes", "No"]
YES_NO_OFFLINE = [*YES_NO, "No internet service"]
TELCO_LEVELS = {
    "gender": ["Female", "Male"],
    "SeniorCitizen": ["0", "1"],
    "Partner": YES_NO,
    "Dependents": YES_NO,
    "PhoneService": YES_NO,
    "MultipleLines": [*YES_NO, "No phone service"],
    "InternetService": ["DSL", "Fiber optic", "No"],
    "OnlineSecurity": YES_NO_OFFLINE,
    "OnlineBackup": YES_NO_OFFLINE,
    "DeviceProtection": YES_NO_OFFLINE,
    "TechSupport": YES_NO_OFFLINE,
    "StreamingTV": YES_NO_OFFLINE,
    "StreamingMovies": YES_NO_OFFLINE,
    "Contract": ["Month-to-month", "One year", "Two year"],
    "PaperlessBilling": YES_NO,
    "PaymentMethod": [
        "Electronic check",
        "Mailed check",
        "Bank transfer (automatic)",
        "Credit card (automatic)",
    ],
    "Churn": YES_NO,
}


def telco_schema() -> DataFrameSchema:
    """Return the schema of the raw Telco table: the text that each field may hold.

    Examples
    --------
    >>> sorted(telco_schema().columns)[:3]
    ['Churn', 'Contract', 'Dependents']
    """
    import pandera.pandas as pa

    def written(pattern, error):
        # The whole text, in ASCII digits: str_matches would let "12\n" and "١٢" pass.
        return pa.Column(str, pa.Check(lambda texts: texts.str.fullmatch(pattern), error=error))

    columns = {
        name: pa.Column(str, pa.Check.isin(levels, error=f"{name} is a known level"))
        for name, levels in TELCO_LEVELS.items()
    }
    amount = r"[0-9]{1,6}(\.[0-9]{1,4})?"
    columns["customerID"] = written(r"\S.*", "customerID is given")
    columns["tenure"] = written("[0-9]{1,3}", "tenure is a whole number of months")
    columns["MonthlyCharges"] = written(amount, "MonthlyCharges is an amount")
    columns["TotalCharges"] = written(rf"{amount}|\s*", "TotalCharges is an amount or blank")
    unbilled = pa.Check(
        lambda table: table["TotalCharges"].str.strip().ne("") | table["tenure"].eq("0"),
        error="TotalCharges is blank only in the first month",
    )
    return pa.DataFrameSchema(columns, checks=unbilled)


def quarantine(raw: pd.DataFrame, schema: DataFrameSchema) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split `raw` into the rows that keep the schema and the rows that break it.

    Every row goes to exactly one side: rows in = rows accepted + rows quarantined.

    Parameters
    ----------
    raw : any table with the schema's columns.
    schema : a pandera schema.

    Returns
    -------
    The accepted rows as they were, and the quarantined rows with one more column, `reason`, that
    names every broken rule; a `reason` of their own becomes `own_reason`.

    Raises
    ------
    ValueError
        If a column of the schema is missing altogether.

    Examples
    --------
    >>> import pandera.pandas as pa
    >>> rule = pa.Check.isin(["Yes", "No"], error="Churn is a known level")
    >>> table = pd.DataFrame({"Churn": ["Yes", "Maybe"]})
    >>> accepted, refused = quarantine(table, pa.DataFrameSchema({"Churn": pa.Column(str, rule)}))
    >>> len(accepted), refused["reason"].tolist()
    (1, ['Churn is a known level'])
    """
    from pandera.errors import SchemaErrors

    require_columns(raw, "the raw table", schema.columns)
    numbered = raw.reset_index(drop=True)
    try:
        schema.validate(numbered, lazy=True)
    except SchemaErrors as errors:
        broken = errors.failure_cases.dropna(subset="index")
        if len(broken) < len(errors.failure_cases):
            unplaced = errors.failure_cases[errors.failure_cases["index"].isna()].iloc[0]
            raise ValueError(
                f"The raw table breaks a rule as a whole: {unplaced['check']} "
                f"(column {unplaced['column']}). Read every column as text first."
            ) from errors
        reasons = (
            broken.assign(index=broken["index"].astype(int))
            .drop_duplicates(["index", "check"])
            .groupby("index")["check"]
            .agg(lambda checks: "; ".join(sorted(map(str, checks))))
        )
        accepted = numbered.drop(index=reasons.index).reset_index(drop=True)
        refused = with_reason(numbered.loc[reasons.index], reasons).reset_index(drop=True)
        return accepted, refused
    return numbered, with_reason(numbered.head(0), pd.Series(dtype=str))
