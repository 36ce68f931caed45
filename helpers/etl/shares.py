"""Stage 3: the shares of a split: whether they add up, which days give them, what they came to."""

from __future__ import annotations

import pandas as pd
from pandas import DataFrame

from helpers.checks import require_rows, require_share


def check_shares(train_share: float, validation_share: float, test_share: float) -> None:
    """Stop unless three shares add up to 1; say so where one is outside what is usual.

    Usual are 60-80 % to train, 10-20 % to validate and 10-20 % to test; not every choice within
    them adds up (80/20/20 does not).

    Raises
    ------
    ValueError
        If a share is none, is zero for training, or the sum is not 1.

    Examples
    --------
    >>> check_shares(0.8, 0.2, 0.2)
    Traceback (most recent call last):
    ValueError: The shares 0.8, 0.2 and 0.2 add up to 1.2; 1 was expected, or rows are used twice or \
never. Take 0.6, 0.2 and 0.2.
    """
    shares = {"train_share": train_share, "validation_share": validation_share}
    for name, share in {**shares, "test_share": test_share}.items():
        require_share(share, name)
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
    ordered = dates.dropna().sort_values(ignore_index=True)
    require_rows(ordered, "dates")
    cuts = [round(len(ordered) * share) for share in (1 - validation_share - test_share, 1 - test_share)]  # fmt: skip
    first, second = (ordered.iloc[min(cut, len(ordered) - 1)].normalize() for cut in cuts)
    return first, second


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
