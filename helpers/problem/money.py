"""Stage 1: what a decision is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.checks import require_flags, require_share


@dataclass(frozen=True)
class Offer:
    """A retention offer: what a call costs and what it brings when it works.

    Attributes
    ----------
    worth_eur : value of a customer who stays.
    success_share : share of the churners called who then stay, from 0.0 to 1.0.
    cost_eur : cost of one call, whoever is called.

    Raises
    ------
    ValueError
        If a figure is no finite number or cannot be, such as a share of 30.

    Examples
    --------
    >>> Offer(worth_eur=500, success_share=0.3, cost_eur=20).break_even
    0.13333333333333333
    """

    worth_eur: float
    success_share: float
    cost_eur: float

    def __post_init__(self):
        """Stop a share given in per cent, or money that makes no sense."""
        require_share(self.success_share, "success_share")
        finite = math.isfinite(self.worth_eur) and math.isfinite(self.cost_eur)
        if not finite or self.worth_eur <= 0 or self.cost_eur < 0 or self.success_share == 0:
            raise ValueError(
                "An offer needs worth_eur above 0, cost_eur from 0 and success_share above 0; got "
                f"{self.worth_eur}, {self.cost_eur} and {self.success_share}. Otherwise no call "
                "could pay. Ask the business for the three figures."
            )

    @property
    def break_even(self) -> float:
        """The churn probability from which a call pays for itself."""
        return self.cost_eur / (self.worth_eur * self.success_share)

    def profit_per_1000(self, churned: pd.Series, called: pd.Series) -> float:
        """Return the profit in euro per 1,000 customers when `called` are offered to stay.

        Parameters
        ----------
        churned : one flag a customer: would leave without a call.
        called : one flag a customer, in the same order.

        Returns
        -------
        Euro per 1,000 customers (of all of them, called or not).

        Raises
        ------
        ValueError
            If the two differ in length, there is no customer, or a value is no flag.

        Examples
        --------
        >>> offer = Offer(worth_eur=500, success_share=0.3, cost_eur=20)
        >>> offer.profit_per_1000(pd.Series([True, False]), pd.Series([True, True]))
        55000.0
        """
        if len(churned) != len(called) or len(churned) == 0:
            raise ValueError(
                f"churned and called need one flag a customer; got {len(churned)} and "
                f"{len(called)}. Take both from the same table."
            )
        require_flags(churned, "churned")
        require_flags(called, "called")
        churned, called = np.asarray(churned, dtype=bool), np.asarray(called, dtype=bool)
        saved = (churned & called).sum() * self.success_share
        spent = called.sum() * self.cost_eur
        return float((saved * self.worth_eur - spent) / len(churned) * 1000)
