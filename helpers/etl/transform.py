"""Stage 3: raw text to typed, explained columns, shown on the Telco table.

The parts of a transformation are each in a file of their own: `parsing` and `units` (texts into
values), `transformers` (gaps, scales, encodings, fitted on training rows), `outliers`, `features`
(derived, aggregated, bought together), `balance` (few of one class), and `clean_*` (each source).
"""

from __future__ import annotations

import pandas as pd

from helpers.checks import require_columns


def clean_telco(raw: pd.DataFrame) -> pd.DataFrame:
    """Give the raw Telco table its types, and the first-month customers the total they have paid.

    A blank `TotalCharges` is no gap: those customers are in month 0 and have not been billed, so
    the true total is 0.00. Nothing else is changed or dropped.

    Parameters
    ----------
    raw : rows that keep `helpers.etl.quality.telco_schema`, all text.

    Returns
    -------
    The same rows and columns; `SeniorCitizen` and `tenure` (months) whole numbers,
    `MonthlyCharges` and `TotalCharges` amounts.

    Raises
    ------
    ValueError
        If a column is missing, a number cannot be read, or a total is blank after month 0.

    Examples
    --------
    >>> raw = pd.DataFrame({"SeniorCitizen": ["0"], "tenure": ["0"], "MonthlyCharges": ["52.55"],
    ...                     "TotalCharges": [" "]})
    >>> clean_telco(raw).loc[0, "TotalCharges"].item()
    0.0
    """
    require_columns(raw, "raw", ["SeniorCitizen", "tenure", "MonthlyCharges", "TotalCharges"])
    blank = raw["TotalCharges"].str.strip().eq("")
    unexplained = blank & raw["tenure"].ne("0")
    if unexplained.any():
        row = int(unexplained.to_numpy().argmax())
        raise ValueError(
            f"raw has {int(unexplained.sum()):,} blank TotalCharges after the first month, the "
            f"first in row {row + 1:,} (tenure {raw['tenure'].iloc[row]}). That is a gap, not a "
            "customer who has not been billed. Quarantine those rows first."
        )
    return raw.assign(
        SeniorCitizen=_whole_numbers(raw, "SeniorCitizen"),
        tenure=_whole_numbers(raw, "tenure"),
        MonthlyCharges=_amounts(raw["MonthlyCharges"]),
        TotalCharges=_amounts(raw["TotalCharges"].mask(blank, "0")),
    )


def _whole_numbers(raw, column):
    """Read a text column as whole numbers, or name the first that is none."""
    numbers = _amounts(raw[column])
    broken = (numbers % 1).ne(0).to_numpy()
    if broken.any():
        row = int(broken.argmax())
        raise ValueError(
            f"{column} in row {row + 1:,} is {raw[column].iloc[row]!r}, which is no whole number. "
            "Quarantine such rows first, so that they are counted."
        )
    return numbers.astype("int64")


def _amounts(texts):
    """Read text as numbers, or name the first that is none."""
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.isna().any():
        row = int(numbers.isna().to_numpy().argmax())
        raise ValueError(
            f"{texts.name} in row {row + 1:,} is {texts.iloc[row]!r}, which is no number. "
            "Quarantine such rows first, so that they are counted."
        )
    return numbers.astype("float64")
