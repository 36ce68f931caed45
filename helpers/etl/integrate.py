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
    validation_share, test_share : shares of the rows, from 0.0 to 1.0; their sum stays below 1.

    Returns
    -------
    Training, validation and test tables; together they hold every row once, in file order.

    Raises
    ------
    ValueError
        If the shares leave nothing to train on, an id repeats, or one of the two outcomes has
        fewer than 10 customers.

    Examples
    --------
    >>> customers = pd.DataFrame({"customerID": range(100), "Churn": ["Yes", "No"] * 50})
    >>> [len(part) for part in split_customers(customers, seed=7)]
    [60, 20, 20]
    """
    from sklearn.model_selection import train_test_split

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
    counts = customers["Churn"].value_counts()
    for outcome in ["Yes", "No"]:
        if counts.get(outcome, 0) < 10:
            raise ValueError(
                f"customers has {counts.get(outcome, 0)} row(s) with Churn {outcome!r} of "
                f"{len(customers):,}; a split needs at least 10 of each outcome to learn and to "
                "judge. Collect more rows."
            )
    rest, test = train_test_split(
        customers, test_size=test_share, random_state=seed, stratify=customers["Churn"]
    )
    train, validation = train_test_split(
        rest,
        test_size=validation_share / (1 - test_share),
        random_state=seed,
        stratify=rest["Churn"],
    )
    return train.sort_index(), validation.sort_index(), test.sort_index()
