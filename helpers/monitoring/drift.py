"""Monitoring: have the inputs moved away from those the model was trained on?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.checks import require_columns, require_rows

LEAST_SHARE = 0.0001  # stands for an empty level, so that the logarithm stays finite


def level_shift(reference: pd.DataFrame, current: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the share of each level of `column` then and now.

    Parameters
    ----------
    reference, current : one row a customer, with `column`.
    column : a column of categories.

    Returns
    -------
    One row a level, missing values being the level "(missing)": `reference` and `current` shares (each column adds up to 1.0).

    Examples
    --------
    >>> then, now = pd.DataFrame({"pay": ["check"]}), pd.DataFrame({"pay": ["card", "card"]})
    >>> level_shift(then, now, "pay").loc["card"].tolist()
    [0.0, 1.0]
    """
    for name, table in [("reference", reference), ("current", current)]:
        require_columns(table, name, [column])
        require_rows(table, name)
    return pd.DataFrame(
        {"reference": _shares(reference[column]), "current": _shares(current[column])}
    ).fillna(0.0)


def _shares(levels):
    """Return the share of each level; a field left empty is a level too, or it would not be seen."""
    named = levels.astype(object).where(levels.notna(), "(missing)")
    return named.value_counts(normalize=True)


def stability_index(
    reference: pd.DataFrame, current: pd.DataFrame, columns: list[str]
) -> pd.Series:
    """Return the population stability index of each column; the usual alarm is at 0.25.

    The sum over levels of (now - then) x ln(now / then): 0 when nothing moved. A level that is
    absent on one side counts as a share of 0.0001.

    Parameters
    ----------
    reference, current : one row a customer.
    columns : columns of categories.

    Returns
    -------
    One value a column, the largest first.

    Examples
    --------
    >>> then = pd.DataFrame({"pay": ["check", "card"]})
    >>> stability_index(then, then, ["pay"])["pay"].item()
    0.0
    """
    values = {}
    for column in columns:
        shares = level_shift(reference, current, column).clip(lower=LEAST_SHARE)
        moved = shares["current"] - shares["reference"]
        values[column] = float((moved * np.log(shares["current"] / shares["reference"])).sum())
    return pd.Series(values, name="psi").sort_values(ascending=False)
