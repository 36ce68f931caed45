"""Stage 3: parts to train, to choose and to judge by: split by time or by customer, and what leaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import (
    kinds_of,
    moment_in,
    require_columns,
    require_filled,
    require_share,
)


def check_shares(train_share: float, validation_share: float, test_share: float) -> None:
    """Stop unless three shares add up to 1; say so where one is outside what is usual.

    Usual are 60-80 % to train, 10-20 % to validate and 10-20 % to test; not every choice within
    them adds up (80/20/20 does not).

    Examples
    --------
    >>> check_shares(0.8, 0.2, 0.2)
    Traceback (most recent call last):
    ValueError: The shares 0.8, 0.2 and 0.2 add up to 1.2; 1 was expected, or rows are used twice or \
never. Take 0.6, 0.2 and 0.2.
    """
    require_share(train_share, "train_share")
    require_share(validation_share, "validation_share")
    require_share(test_share, "test_share")
    total = train_share + validation_share + test_share
    if abs(total - 1) > 1e-9 or train_share == 0:
        raise ValueError(
            f"The shares {train_share:g}, {validation_share:g} and {test_share:g} add up to "
            f"{total:g}; 1 was expected, or rows are used twice or never. Take 0.6, 0.2 and 0.2."
        )


def split_by_time(
    table: DataFrame, at: str, validation_from: str | pd.Timestamp, test_from: str | pd.Timestamp
) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Split rows by two dates: the model learns from the past and is judged on what came after.

    Parameters
    ----------
    table : one row an event, with the date `at`; order and index are kept.
    validation_from, test_from : the first day of each part, in the time zone of the dates if they
        have one.

    Returns
    -------
    Training, validation and test rows; together they hold every row once.

    Raises
    ------
    ValueError
        If a date is missing in a row or is none, the days are in the wrong order, or a part would be
        empty.

    Examples
    --------
    >>> orders = DataFrame({"ordered_at": pd.to_datetime(["2024-01-05", "2024-02-05", "2024-03-05"])})
    >>> [len(part) for part in split_by_time(orders, "ordered_at", "2024-02-01", "2024-03-01")]
    [1, 1, 1]
    """
    require_columns(table, "the table", [at])
    _require_dates(table[at], at)
    first, second = (moment_in(day, table[at].dt.tz) for day in (validation_from, test_from))
    if not first < second:
        raise ValueError(
            f"validation_from {first:%Y-%m-%d} has to lie before test_from {second:%Y-%m-%d}: the "
            "test is the latest part. Swap them."
        )
    require_filled(table, "the table", at, "nobody knows whether they are past or future")
    parts = (
        table[table[at] < first],
        table[table[at].between(first, second, inclusive="left")],
        table[table[at] >= second],
    )
    for name, part in zip(["train", "validate", "test"], parts, strict=True):
        if part.empty:
            raise ValueError(
                f"No row is left to {name} with: {at} runs from {table[at].min():%Y-%m-%d} to "
                f"{table[at].max():%Y-%m-%d}, the cuts are {first:%Y-%m-%d} and "
                f"{second:%Y-%m-%d}. Move a cut."
            )
    return parts


def _require_dates(dates, name):
    """Stop unless a column holds dates."""
    if not pd.api.types.is_datetime64_any_dtype(dates):
        raise ValueError(
            f"{name} holds {dates.dtype}; dates were expected, or days are compared as texts. Read "
            "them first, as pd.to_datetime does."
        )


def split_by_customer(
    table: DataFrame,
    seed: int,
    validation_share: float = 0.2,
    test_share: float = 0.2,
    customer: str = "customer_id",
) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Split so that all rows of a customer are in one part: a model must not know the examinee.

    Customers are drawn at random and the shares are those of customers; the shares of rows follow.

    Parameters
    ----------
    table : any number of rows a customer; order and index are kept.
    seed : the same seed gives the same customers, in whatever order the rows stand.

    Raises
    ------
    ValueError
        If a row has no customer, or there are so few that a part would have none.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2, 2, 3, 4, 5]})
    >>> parts = split_by_customer(orders, seed=7)
    >>> [part["customer_id"].nunique() for part in parts]
    [3, 1, 1]
    """
    check_shares(1 - validation_share - test_share, validation_share, test_share)
    why = "nobody knows whether they are of one customer or of many"
    require_filled(table, "the table", customer, why)
    if len(kinds := sorted(kinds_of(table[customer]))) > 1:
        raise ValueError(
            f"{customer} holds {' and '.join(kinds)}, so one customer could be in two parts, as 1 and as "
            "'1'. Bring all to one type first."
        )
    people = np.sort(table[customer].unique())
    drawn = np.random.default_rng([seed, *b"split by customer"]).permutation(people)
    tested = round(len(people) * test_share)
    held_out = round(len(people) * (validation_share + test_share))
    trained, validated = len(people) - held_out, held_out - tested
    if not trained or (validation_share and not validated) or (test_share and not tested):
        raise ValueError(
            f"{len(people)} customer(s) are too few to split: a part would have none. Collect more."
        )
    parts = drawn[held_out:], drawn[tested:held_out], drawn[:tested]
    return tuple(table[table[customer].isin(part)] for part in parts)
