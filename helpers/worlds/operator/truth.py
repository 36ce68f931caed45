"""What nobody in the operator's business can know; for graders, tests and the reveal."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.problem import Offer
from helpers.worlds.incidents import operator as operator_incidents
from helpers.worlds.incidents.effects import touched_rows
from helpers.worlds.incidents.kinds import truth_table
from helpers.worlds.operator import people as crowd
from helpers.worlds.operator.decisions import places
from helpers.worlds.operator.world import Operator
from helpers.worlds.play import MONTHS, CannotPlay, plainly, require_month, require_world

OFFER = Offer(worth_eur=500, success_share=0.30, cost_eur=20)
_TOLD = ["churn_probability", "churn_when_called", "would_leave", "reachable", "segment"]


class OperatorTruth:
    """The truth behind an `Operator`: why customers leave, and what the best policy earns.

    Nothing is changed by asking. Each answer about a month holds for the customers that the world
    has in that month, so months played and the next one can be asked about.

    Parameters
    ----------
    operator : the world.

    Raises
    ------
    CannotPlay
        If it is no `Operator`; and by every method, when it is asked about a month of which it
        cannot know or about a table that does not fit.

    Examples
    --------
    >>> world = Operator(subscribers=200, seed=7)
    >>> truth = OperatorTruth(world)
    >>> truth.drift().loc[4, "cause"]
    'competitor'
    >>> truth.expected_profit(1, truth.oracle(1)) >= truth.expected_profit(1, truth.oracle(1).assign(call=True))
    True
    """

    def __init__(self, operator: Operator):
        require_world(operator, Operator)
        self._world = operator

    def customers(self, month: int) -> pd.DataFrame:
        """Return what each customer is about to do in `month`.

        Returns
        -------
        One row a customer, in the order in which they are scored: `customerID`, `churn_probability`
        (in the 30 days after, without a call), `churn_when_called`, `uplift` (what a call takes off
        it; negative for who leaves because of it), `would_leave` (what happens without a call; missing
        for the month not yet played), `reachable` (a number is on file), `segment`.

        Raises
        ------
        CannotPlay
            If the month lies beyond the next one to play, or is none.
        """
        require_month(month)
        hidden = self._world.hidden
        if month < self._world.next_month:
            found = hidden.played[month - 1]
        elif month == self._world.next_month:
            people = hidden.scored(month)
            chance = crowd.churn_probability(people, month, hidden.schedule)
            found = {
                **people,
                "ids": people["id"],
                "churn_probability": chance,
                "churn_when_called": crowd.churn_when_called(people, chance),
                "would_leave": pd.array([pd.NA] * len(chance), dtype="boolean"),
            }
        else:
            raise CannotPlay(
                f"The truth is there for months 1 to {self._world.next_month}; got {plainly(month)}. "
                "Play the months before it first."
            )
        table = pd.DataFrame(
            {
                "customerID": pd.array(found["ids"], dtype="str"),
                **{name: found[name] for name in _TOLD},
            }
        )
        segments = pd.array(np.array(crowd.SEGMENTS, dtype=object), dtype="str")
        table["segment"] = segments[table["segment"].to_numpy()]
        return table.assign(uplift=table["churn_probability"] - table["churn_when_called"])

    def drift(self) -> pd.DataFrame:
        """Return the drift schedule: one row a month, with what is added to the logit of leaving.

        Returns
        -------
        `cause`, `kind` and the change against the history: `monthly_logit` (month-to-month
        contracts), and for longer contracts `bound_dsl_logit`,
        `bound_fiber_logit`, `bound_offline_logit`. Where prices rise, `fiber_logit` is added for
        fibre customers of every contract.
        """
        months = pd.RangeIndex(1, MONTHS + 1, name="month")
        sizes = {
            name: np.array([self._world.hidden.schedule.size(name, month) for month in months])
            for name in ["competitor", "price_rise"]
        }
        moved, rise = sizes["competitor"], sizes["price_rise"]
        dsl, fiber, offline = crowd.BOUGHT_OUT
        causes = np.array(["none", "competitor", "price rise", "competitor and price rise"])
        table = pd.DataFrame(
            {
                "cause": causes[(moved > 0) + 2 * (rise > 0)],
                "kind": np.where((moved > 0) | (rise > 0), "concept drift", "none"),
                "monthly_logit": crowd.LEFT_ALONE * moved,
                "bound_dsl_logit": dsl * moved,
                "bound_fiber_logit": fiber * moved,
                "bound_offline_logit": offline * moved,
            },
            index=months,
        )
        return table.assign(fiber_logit=crowd.RISE_PUSH * rise) if rise.any() else table

    def incidents(self) -> pd.DataFrame:
        """Return what goes wrong in this world, in the order in which it was given.

        Returns
        -------
        One row an incident: `name`, `month`, `until`, `size`, `onset` (from when it shows),
        `affected`, `what`, `cause`, `reopen` (title of the stage).
        """
        schedule, seed = self._world.hidden.schedule, self._world.seed
        onsets = operator_incidents.onsets(schedule, seed)
        affected = operator_incidents.affected(schedule, seed, self._world.hidden.towers)
        return truth_table(schedule, onsets, affected)

    def touched(self, month: int) -> dict[str, pd.DataFrame]:
        """Return the rows of a played month's tables that an incident changed, lost or added.

        Returns
        -------
        Table -> its key columns, `incident`, `column` (empty for a whole row), `change` ("changed",
        "removed" or "added") and `true_value` as text. "given.customers" tells where a `decide` was
        given something else than was stored. What customers do otherwise touches no row.

        Raises
        ------
        CannotPlay
            If the month has not been played, or is none.
        """
        require_month(month)
        if month >= self._world.next_month:
            raise CannotPlay(
                f"Touched rows are known of months played; got {plainly(month)}: play it first."
            )
        return touched_rows(self._world.hidden.played[month - 1]["touches"])

    def expected_accuracy(self, month: int, predicted: pd.DataFrame) -> float:
        """Return the accuracy to expect of `predicted` (`customerID`, `churn_probability`).

        Returns
        -------
        Share from 0.0 to 1.0 of the customers of the month, were nobody called.
        """
        leaves, truth = self._predicted(month, predicted)
        chance = truth["churn_probability"].to_numpy()
        return float(np.where(leaves, chance, 1 - chance).mean())

    def accuracy(self, month: int, predicted: pd.DataFrame) -> float:
        """Return the accuracy of `predicted` against what a month played would have brought.

        Returns
        -------
        Share from 0.0 to 1.0: what the customers would have done, had nobody called.
        """
        leaves, truth = self._predicted(month, predicted)
        if truth["would_leave"].isna().any():
            raise CannotPlay(
                f"accuracy is known of months already played; got {month}: play it first, or ask "
                "expected_accuracy."
            )
        return float((leaves == truth["would_leave"].to_numpy(dtype=bool)).mean())

    def best_accuracy(self, month: int) -> float:
        """Return the accuracy to expect of who knows every probability: no model beats it."""
        chance = self.customers(month)["churn_probability"].to_numpy()
        return float(np.maximum(chance, 1 - chance).mean())

    def expected_profit(self, month: int, decisions: pd.DataFrame) -> float:
        """Return the profit to expect of `decisions` (`customerID`, `call`) in that month.

        Returns
        -------
        Euro per 1,000 customers, of that month alone.
        """
        truth = self.customers(month)
        called = _aligned(truth, decisions, "call").astype(bool)
        return float(np.where(called, _gains(truth), 0.0).mean() * 1000)

    def oracle(self, month: int) -> pd.DataFrame:
        """Return the decisions that nobody can beat in that month: call where it pays.

        Returns
        -------
        `customerID`, `churn_probability`, `call`, as `decide` returns them.
        """
        truth = self.customers(month)
        return truth[["customerID", "churn_probability"]].assign(call=_gains(truth) > 0)

    def _predicted(self, month, predicted):
        """Return who is predicted to leave, at threshold 0.5, and the truth, in the same order."""
        truth = self.customers(month)
        return _aligned(truth, predicted, "churn_probability") >= 0.5, truth


def _aligned(truth, table, column):
    """Return `column` of `table` in the order of the customers of `truth`."""
    if not isinstance(table, pd.DataFrame) or not {"customerID", column} <= set(table.columns):
        found = list(table.columns) if isinstance(table, pd.DataFrame) else type(table).__name__
        raise CannotPlay(
            f"A table with customerID and {column} was expected; got {found}. Pass one, as decide "
            "returns it."
        )
    place = places(table["customerID"], truth["customerID"].to_numpy(dtype=object))
    without = len(truth) - len(np.unique(place[place >= 0]))
    if without or len(table) != len(truth):
        raise CannotPlay(
            f"One row for each of the {len(truth):,} customers of the month was expected; got "
            f"{len(table):,} rows, and {without:,} customers are without one. "
            "Pass a row for everybody and nobody else."
        )
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = np.isnan(values) & (table[column].notna().to_numpy() | (column == "call"))
    if bad.any():
        raise CannotPlay(
            f"{column} was expected to be a number, or True or False, in each row; {bad.sum():,} "
            f"row(s) are not, the first with {plainly(table[column].iloc[bad.argmax()])}. Mend them."
        )
    return values[np.argsort(place)]


def _gains(truth):
    """Return what calling each customer brings on average, in euro."""
    return truth["uplift"].to_numpy() * OFFER.worth_eur - OFFER.cost_eur
