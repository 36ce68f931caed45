"""Stage 1: what is to be decided, what success means, and what a decision is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.checks import require_columns, require_share


@dataclass(frozen=True)
class SuccessCriterion:
    """A promise that can be kept or broken: one metric, one floor, one population, one window.

    Attributes
    ----------
    metric : name of the metric, as `helpers.training.evaluate` calls it.
    at_least : the agreed floor, in the metric's own unit.
    population : on whom it is measured.
    window : when it is measured.

    Examples
    --------
    >>> floor = SuccessCriterion("roc_auc", 0.8, population="all customers", window="next month")
    >>> floor.met(0.845)
    True
    """

    metric: str
    at_least: float
    population: str
    window: str

    def met(self, value: float) -> bool:
        """Return whether `value` keeps the promise; equality keeps it."""
        return bool(value >= self.at_least)

    def __str__(self) -> str:
        """Say the promise in one line."""
        return f"{self.metric} at least {self.at_least:g} on {self.population}, {self.window}"


@dataclass(frozen=True)
class Charter:
    """The page that business and engineers sign before any data are collected.

    Attributes
    ----------
    situation : the business problem, without a word about models.
    decision : what will be done differently with a prediction.
    target : what exactly is predicted, for whom and for when.
    criterion : when the project is a success.
    constraints : what limits it; one entry each for time, budget, resources, regulations.
    """

    situation: str
    decision: str
    target: str
    criterion: SuccessCriterion
    constraints: dict[str, str]

    def table(self) -> pd.DataFrame:
        """Return the charter as a table of two columns: question, answer."""
        answers = {
            "What is the situation?": self.situation,
            "What will be decided?": self.decision,
            "What is predicted?": self.target,
            "What is success?": str(self.criterion),
            **{f"Constraint: {name}": text for name, text in self.constraints.items()},
        }
        return pd.DataFrame({"question": answers.keys(), "answer": answers.values()})


@dataclass(frozen=True)
class Offer:
    """A retention offer: what a call costs and what it brings when it works.

    Attributes
    ----------
    worth_eur : value of a customer who stays.
    success_share : share of the churners called who then stay, from 0.0 to 1.0.
    cost_eur : cost of one call, whoever is called.

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
        if self.worth_eur <= 0 or self.cost_eur < 0 or self.success_share == 0:
            raise ValueError(
                "An offer needs worth_eur above 0, cost_eur from 0 and success_share above 0; got "
                f"{self.worth_eur}, {self.cost_eur} and {self.success_share}."
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
            If the two differ in length, or there is no customer.

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

    Examples
    --------
    >>> scored = pd.DataFrame({"churned": [True, False], "churn_probability": [0.9, 0.1]})
    >>> profit_by_threshold(scored, Offer(500, 0.3, 20), [0.5])["profit_eur"].tolist()
    [65000.0]
    """
    require_columns(scored, "scored", ["churned", "churn_probability"])
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
