"""Stage 1: by how much does an idea raise a share, and how far could chance have moved that figure?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.checks import (
    require_columns,
    require_filled,
    require_flags,
    require_rows,
    require_same_kind,
)
from helpers.problem.charter import SuccessCriterion

FEW = 10  # customers, below which drawing them again says too little


@dataclass(frozen=True)
class Lift:
    """The relative rise of a share: 0.2 when it rose from 0.5 to 0.6.

    Attributes
    ----------
    before, after : the two shares, 0.0 to 1.0.
    low, high : the ends of the interval in which 95 % of the resampled rises lie; `high` is infinite
        where so few were true before that by chance none might have been.
    """

    before: float
    after: float
    low: float
    high: float

    @property
    def value(self) -> float:
        """The rise relative to `before`; -1.0 when nothing is left."""
        return self.after / self.before - 1

    def meets(self, criterion: SuccessCriterion) -> bool:
        """Return whether even the lower end of the interval keeps the promise."""
        return criterion.met(self.low)


def lift(
    before: pd.DataFrame, after: pd.DataFrame, of: str, by: str, seed: int, draws: int = 400
) -> Lift:
    """Return the rise of the share of rows in which `of` is true, with its interval.

    Those named in `by` are drawn again and again with replacement, each with all of their rows, and
    the same ones from both tables: rows of one customer resemble each other, and the same customer
    before and after does, too.

    Parameters
    ----------
    before, after : one row a case; `of` holds flags, or gaps where nobody asked, and `by` whose it is.
    of : the column whose share of true values counts.
    by : the column that names the customer.
    seed : the same seed gives the same interval.
    draws : how often to draw; 400 fix the second digit.

    Raises
    ------
    ValueError
        If a column is missing, nothing was asked, a row is nobody's or is no flag, or the share
        before is zero: nothing rises by a share of nothing.

    Source
    ------
    Efron (1979), The Annals of Statistics 7(1), the percentile bootstrap, here over clusters.

    Examples
    --------
    >>> before = pd.DataFrame({"customer_id": range(100), "bought": [True, False] * 50})
    >>> found = lift(before, before.assign(bought=True), "bought", "customer_id", seed=7)
    >>> found.before, found.value, found.low < 1.0 < found.high
    (0.5, 1.0, True)
    """
    hits_before, rows_before = _counted(before, "before", of, by)
    hits_after, rows_after = _counted(after, "after", of, by)
    require_same_kind(hits_after.index, "after", hits_before.index, "before", by)
    people = hits_before.index.union(hits_after.index)
    if len(people) < FEW:
        warnings.warn(
            f"There are {len(people):,} different {by}; with fewer than {FEW} the interval is narrower than "
            "chance makes it. Ask more of them.",
            stacklevel=2,
        )
    counts = [hits_before, rows_before, hits_after, rows_after]
    counted = np.stack([one.reindex(people, fill_value=0) for one in counts], axis=1)
    shares = counted.sum(axis=0)
    if shares[0] == 0:
        raise ValueError(
            f"before has no row in which {of} is true: the share is 0, and a rise is a share of what was "
            "before. Compare the two shares themselves, or take more rows."
        )
    with np.errstate(invalid="ignore"):  # between two infinite rises lies no number
        low, high = np.nanquantile(_rises(counted, seed, draws), [0.025, 0.975])
    high = np.inf if np.isnan(high) else high
    before_share, after_share = shares[0] / shares[1], shares[2] / shares[3]
    return Lift(float(before_share), float(after_share), float(low), float(high))


def _rises(counted, seed, draws):
    """Return the rise of each draw of customers; a row of `counted` is what one of them adds."""
    people, rng = len(counted), np.random.default_rng(seed)
    drawn = rng.multinomial(people, np.full(people, 1 / people), draws) @ counted
    with np.errstate(divide="ignore", invalid="ignore"):
        return (drawn[:, 2] / drawn[:, 3]) / (drawn[:, 0] / drawn[:, 1]) - 1


def _counted(table, name, of, by):
    """Return how many rows of each customer are true, and how many were asked."""
    require_columns(table, name, [of, by])
    asked = table.loc[table[of].notna(), [by, of]]
    require_rows(asked, f"{name}, where {of} was asked,")
    require_filled(asked, name, by)  # or it is unknown which rows belong to one customer
    require_flags(asked[of], f"{of} of {name}")
    grouped = asked[of].astype(float).groupby(asked[by])
    return grouped.sum(), grouped.size()
