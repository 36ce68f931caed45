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
    require_rows,
    require_same_kind,
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


def dates_of_shares(
    dates: pd.Series, validation_share: float = 0.2, test_share: float = 0.2
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the two days that cut a table by time into about these shares of its rows.

    Examples
    --------
    >>> days = pd.Series(pd.date_range("2024-01-01", periods=10))
    >>> [str(day.date()) for day in dates_of_shares(days, 0.2, 0.2)]
    ['2024-01-07', '2024-01-09']
    """
    check_shares(1 - validation_share - test_share, validation_share, test_share)
    _require_dates(dates, "dates")
    ordered = dates.dropna().sort_values(ignore_index=True)
    require_rows(ordered, "dates")

    def day_behind(share):
        return ordered.iloc[min(round(len(ordered) * share), len(ordered) - 1)].normalize()

    return day_behind(1 - validation_share - test_share), day_behind(1 - test_share)


def split_shares(parts: tuple[DataFrame, DataFrame, DataFrame]) -> DataFrame:
    """Return the share of rows of each part beside what is usual.

    Examples
    --------
    >>> parts = tuple(DataFrame({"x": range(n)}) for n in (60, 20, 20))
    >>> split_shares(parts)["usual"].tolist()
    [True, True, True]
    """
    total = sum(len(part) for part in parts)
    usual = [(0.6, 0.8), (0.1, 0.2), (0.1, 0.2)]
    rows = []
    for name, part, (low, high) in zip(["train", "validation", "test"], parts, usual, strict=True):
        share = len(part) / total if total else 0.0
        rows.append((name, len(part), share, low - 0.005 <= share <= high + 0.005))
    return DataFrame(rows, columns=["part", "rows", "share", "usual"])


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


def what_leaks(
    train: DataFrame,
    test: DataFrame,
    at: str,
    customer: str = "customer_id",
    product: str | None = None,
) -> pd.Series:
    """Return what a test part gives away: the marks of a random split where time matters.

    Parameters
    ----------
    at : the date of a row.
    product : a column whose new values the future brings, such as products launched later.

    Returns
    -------
    `trained_on_the_future` (share of training rows that are younger than the first test row),
    `tested_on_known_customers` (share of test rows whose customer is in training), and with
    `product` `tested_on_new_products` (share of test rows whose product is not in training: the
    random split hides these).

    Examples
    --------
    >>> rows = DataFrame({"customer_id": [1, 2, 1, 3], "at": pd.date_range("2024-01-01", periods=4)})
    >>> what_leaks(rows.iloc[[0, 3]], rows.iloc[[1, 2]], "at").to_dict()
    {'trained_on_the_future': 0.5, 'tested_on_known_customers': 0.5}
    """
    known = {}
    for column in [customer, *([product] if product else [])]:
        for name, part in [("train", train), ("test", test)]:
            require_columns(part, name, [at, column])
        require_same_kind(test[column], "test", train[column], "train", column)
        known[column] = test[column].isin(train[column].dropna())  # a gap is nobody
    found = {
        "trained_on_the_future": float((train[at] >= test[at].min()).mean()),
        "tested_on_known_customers": float(known[customer].mean()),
    }
    if product:
        found["tested_on_new_products"] = float((~known[product]).mean())
    return pd.Series(found)
