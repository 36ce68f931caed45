"""Stage 1: what a decision is worth, and when a project has paid for itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.checks import require_columns, require_flags, require_share


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


def profit_by_threshold(
    scored: pd.DataFrame, offer: Offer, thresholds: list[float]
) -> pd.DataFrame:
    """Return what calling everybody at or above each threshold would have earned.

    Parameters
    ----------
    scored : one row a customer, with `churned` (flag) and `churn_probability` (0.0 to 1.0).
    offer : the retention offer.
    thresholds : probabilities, from 0.0 to 1.0.

    Returns
    -------
    One row a threshold: `threshold`, `called_share` (0.0 to 1.0), `profit_eur` per 1,000
    customers.

    Raises
    ------
    ValueError
        If a column is missing, there is no customer, a customer has no probability, `churned` is
        no flag, or a threshold is no share.

    Examples
    --------
    >>> scored = pd.DataFrame({"churned": [True, False], "churn_probability": [0.9, 0.1]})
    >>> profit_by_threshold(scored, Offer(500, 0.3, 20), [0.5])["profit_eur"].tolist()
    [65000.0]
    """
    require_columns(scored, "scored", ["churned", "churn_probability"])
    unscored = ~scored["churn_probability"].between(0, 1)
    if unscored.any():
        raise ValueError(
            f"scored has {int(unscored.sum()):,} row(s) without a churn_probability from 0.0 to 1.0: they "
            "would count as not called. Score them, or leave them out."
        )
    rows = []
    for threshold in thresholds:
        require_share(threshold, "threshold")
        called = scored["churn_probability"] >= threshold
        rows.append(
            {
                "threshold": threshold,
                "called_share": called.mean(),
                "profit_eur": offer.profit_per_1000(scored["churned"], called),
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class CostBenefit:
    """What a project costs and what it brings, month by month.

    Attributes
    ----------
    build_eur : paid once, before the first month.
    run_eur_a_month : paid every month from then on.
    benefit_eur_a_month : what it brings every month, above what would come without it.

    Raises
    ------
    ValueError
        If a cost is negative, or one of the three is no finite number.

    Examples
    --------
    >>> project = CostBenefit(build_eur=30_000, run_eur_a_month=2_000, benefit_eur_a_month=10_000)
    >>> project.break_even_month, project.first_year_eur
    (4, 66000)
    """

    build_eur: float
    run_eur_a_month: float
    benefit_eur_a_month: float

    def __post_init__(self):
        """Stop money that makes no sense."""
        money = (self.build_eur, self.run_eur_a_month, self.benefit_eur_a_month)
        if not all(map(math.isfinite, money)) or self.build_eur < 0 or self.run_eur_a_month < 0:
            raise ValueError(
                "A project needs build_eur and run_eur_a_month from 0 and a finite benefit; got "
                f"{money[0]}, {money[1]} and {money[2]}. Write costs without a minus sign."
            )

    @property
    def net_eur_a_month(self) -> float:
        """What is left of a month's benefit when the running is paid."""
        return self.benefit_eur_a_month - self.run_eur_a_month

    @property
    def break_even_month(self) -> int | None:
        """The first month at whose end the building is paid for; None when it never is."""
        if self.build_eur == 0 and self.net_eur_a_month >= 0:
            return 0
        if self.net_eur_a_month <= 0:
            return None
        # Rounded, for 2.1 / 0.7 is a little more than 3 in a computer.
        return math.ceil(round(self.build_eur / self.net_eur_a_month, 9))

    @property
    def first_year_eur(self) -> float:
        """What is left after twelve months; negative when the year has not paid for it."""
        return 12 * self.net_eur_a_month - self.build_eur

    def needed_eur_a_month(self, within_months: int) -> float:
        """Return the benefit a month with which the project is paid for after so many months.

        Raises
        ------
        ValueError
            If `within_months` is less than 1.

        Examples
        --------
        >>> CostBenefit(30_000, 2_000, 10_000).needed_eur_a_month(within_months=12)
        4500.0
        """
        if within_months < 1:
            raise ValueError(
                f"within_months counts months, from 1; got {within_months}. Write 12 for a year."
            )
        return self.build_eur / within_months + self.run_eur_a_month

    def balance(self, months: int = 12) -> pd.Series:
        """Return what has come in less what has gone out: index 0 (the start) to `months`, in EUR.

        Examples
        --------
        >>> CostBenefit(30_000, 2_000, 10_000).balance(2).tolist()
        [-30000, -22000, -14000]
        """
        steps = pd.RangeIndex(months + 1, name="month")
        return pd.Series([self.net_eur_a_month * n - self.build_eur for n in steps], steps)
