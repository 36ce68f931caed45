"""Stage 3: bring tables together and split them for an honest exam."""

from __future__ import annotations

import pandas as pd

from helpers.checks import require_columns, require_rows, require_share, require_unique


def split_customers(
    customers: pd.DataFrame,
    seed: int,
    validation_share: float = 0.2,
    test_share: float = 0.2,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Split customers at random into training, validation and test tables, alike in churn.

    The Telco table has no dates, so a random split is the only honest one; with dates, split by
    time.

    Parameters
    ----------
    customers : one row per `customerID`, with `Churn` ("Yes" or "No").
    seed : the same seed gives the same split.
    validation_share, test_share : shares of the rows, from 0.0 to 1.0; their sum stays below 1. A
        share of 0.0 gives an empty table.

    Returns
    -------
    Training, validation and test tables; together they hold every row once, in file order.

    Raises
    ------
    ValueError
        If a part would have fewer than 2 rows, an id repeats, `Churn` holds a third outcome, or
        one of the two has fewer than 10 customers.

    Examples
    --------
    >>> customers = pd.DataFrame({"customerID": range(100), "Churn": ["Yes", "No"] * 50})
    >>> [len(part) for part in split_customers(customers, seed=7)]
    [60, 20, 20]
    """
    require_columns(customers, "customers", ["customerID", "Churn"])
    require_unique(customers, "customers", "customerID")
    for name, share in [("validation_share", validation_share), ("test_share", test_share)]:
        require_share(share, name)
    if not 0 < validation_share + test_share < 1:
        raise ValueError(
            f"validation_share {validation_share} and test_share {test_share} leave "
            f"{1 - validation_share - test_share:.2f} to train on; their sum must be above 0 and "
            "below 1. Take 0.2 and 0.2."
        )
    require_rows(customers, "customers", at_least=50)
    smallest = min(share for share in [validation_share, test_share] if share)
    train_share = 1 - validation_share - test_share
    if min(smallest, train_share) * len(customers) < 2:
        raise ValueError(
            f"customers has {len(customers):,} rows; validation_share {validation_share:g} and "
            f"test_share {test_share:g} make a part of fewer than 2. Take 0.2 and 0.2, or collect "
            "more rows."
        )
    unknown = customers.loc[~customers["Churn"].isin(["Yes", "No"]), "Churn"]
    if len(unknown):
        raise ValueError(
            f"customers has {len(unknown):,} row(s) whose Churn is neither 'Yes' nor 'No', the "
            f"first being {unknown.iloc[0]!r}. Quarantine them first."
        )
    counts = customers["Churn"].value_counts()
    for outcome in ["Yes", "No"]:
        if counts.get(outcome, 0) < 10:
            raise ValueError(
                f"customers has {counts.get(outcome, 0)} row(s) with Churn {outcome!r} of "
                f"{len(customers):,}; a split needs at least 10 of each outcome to learn and to "
                "judge. Collect more rows."
            )
    rest, test = _hold_out(customers, test_share, seed)
    train, validation = _hold_out(rest, validation_share / (1 - test_share), seed)
    return train.sort_index(), validation.sort_index(), test.sort_index()


def _hold_out(customers, share, seed):
    """Return the customers kept and the `share` held out, alike in churn."""
    from sklearn.model_selection import train_test_split

    if share == 0:
        return customers, customers.head(0)
    return train_test_split(
        customers, test_size=share, random_state=seed, stratify=customers["Churn"]
    )
