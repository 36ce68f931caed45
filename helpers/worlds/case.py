"""A case to diagnose: an operator to which one unknown thing happens, and what an act is worth.

A seed draws what happens and when. The learner sees the months as the operator does, says what,
since when, where and which stage to reopen, and acts. The two months after are lived with that act,
with nothing done and with each other act. Marks are given on cases of a seed that nobody is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from functools import cache

import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from helpers.worlds.incidents import Incident
from helpers.worlds.operator.truth import OFFER, OperatorTruth
from helpers.worlds.operator.world import Operator
from helpers.worlds.play import CannotPlay, plainly, require_number

SEEN = 5  # months that the learner sees; the two after them are judged
# What can happen -> the tables where it shows, of which one is to be named.
WHERE = {
    "renamed_column": ("customers",),
    "dead_feed": ("usage", "sensors"),
    "training_serving_skew": ("given",),
    "bad_release": ("requests",),
    "competitor": ("labels",),
    "holiday": ("",),
}
REPAIRS = ("customers", "usage", "sensors", "given", "requests", "invoices")
ACTS = ("nothing", "redeploy", "retrain", *(f"repair {table}" for table in REPAIRS))
# Of the team's work, in EUR. A repair costs what the world asks: nothing where there is a fault.
WORK = {"redeploy": 300.0, "retrain": 3_000.0}
_NUMBERS = ["tenure", "MonthlyCharges"]
_LEVELS = ["Contract", "InternetService", "PaymentMethod", "OnlineSecurity", "TechSupport", "PaperlessBilling"]  # fmt: skip


@cache
def case(seed: int, subscribers: int = 1_500) -> Case:
    """Return the case of a seed: so many seeds in a row as there are things to happen have each once.

    Examples
    --------
    >>> sorted(case(7, subscribers=200).seen)
    [1, 2, 3, 4, 5]
    """
    return Case(seed, subscribers)


class Case:
    """An operator with an unknown incident, five months of which are over.

    Parameters
    ----------
    seed : a whole number from 0.
    subscribers : customers at any time, at least 200.

    Raises
    ------
    CannotPlay
        If one of them is no such number; by the methods, if an act or an answer is none.
    """

    def __init__(self, seed: int, subscribers: int = 1_500):
        require_number("seed", seed, 0, np.inf, 7)
        require_number("subscribers", subscribers, 200, np.inf, 1_500)
        self._incident = _drawn(int(seed))
        self._world = Operator(subscribers, seed=int(seed), incidents=[self._incident])
        past = self._world.history()["snapshots"]
        self._model = _model().fit(_prepared(past), past["churned"])
        self._seen = {
            month: self._world.play(month, _served(self._model, "1"))
            for month in range(1, SEEN + 1)
        }
        self._worth: dict[str, float] = {}

    @property
    def seen(self) -> dict[int, dict[str, DataFrame]]:
        """The months that are over: the tables of `Operator.play`, by month."""
        return {month: {name: table.copy() for name, table in tables.items()} for month, tables in self._seen.items()}  # fmt: skip

    def right(self, said: Mapping[str, object]) -> dict[str, bool]:
        """Return which parts of a diagnosis are right.

        Parameters
        ----------
        said : `what` (one of `WHERE`; any variation that harms nobody is "holiday"), `since` (the
            month), `where` (a table, "" for none) and `reopen` (a `Stage`, None for none).
        """
        one = self._incident
        cause = one.kind.cause
        true = {
            "what": {one.name},
            "since": {one.month},
            "where": set(WHERE[one.name]),
            "reopen": {cause.reopens if cause else None},
        }
        if missing := [name for name in true if name not in said]:
            raise CannotPlay(
                f"a diagnosis has what, since, where and reopen; {missing[0]} is missing: add it."
            )
        return {name: said[name] in values for name, values in true.items()}

    def eur(self, act: str) -> float:
        """Return what the two months after bring with an act: expected profit less its cost, in EUR."""
        if act not in ACTS:
            raise CannotPlay(f"an act is one of {', '.join(ACTS)}; got {plainly(act)}: take one.")
        if act not in self._worth:
            self._worth[act] = self._lived(act) - WORK.get(act, 0.0)
        return self._worth[act]

    def beside(self, act: str) -> Series:
        """Return what an act brings beside doing nothing and the best possible, in EUR."""
        best = max(map(self.eur, self._possible))
        rows = {"yours": self.eur(act), "doing nothing": self.eur("nothing"), "best possible": best}
        return Series(rows, name="EUR").round(2)

    def share(self, act: str) -> float:
        """Return how much of what could be won an act wins: 1.0 for the best one, 0.0 for the worst."""
        worths = [self.eur(one) for one in (*self._possible, act)]
        return float((self.eur(act) - min(worths)) / (max(worths) - min(worths)))

    @property
    def _possible(self):
        repaired = [f"repair {name}" for name in REPAIRS if name in WHERE[self._incident.name]]
        return ["nothing", "redeploy", "retrain", *repaired, "repair invoices"]

    def _lived(self, act):
        """Return the profit of the two months after an act, in EUR."""
        world, model, version = copy(self._world), self._model, "1"
        if act.startswith("repair "):
            world.repair(act.removeprefix("repair "))
        elif act != "nothing":
            model, version = (self._retrained() if act == "retrain" else model), "2"
        profit = 0.0
        for month in (SEEN + 1, SEEN + 2):
            tables = world.play(month, _served(model, version))
            truth = OperatorTruth(world)
            decided = truth.customers(month)[["customerID"]]
            decided["call"] = decided["customerID"].isin(tables["calls"]["customerID"])
            profit += truth.expected_profit(month, decided) * len(decided) / 1_000
            profit -= tables["costs"]["cost_eur"].sum()
        return profit

    def _retrained(self):
        """Return a model of those scored in the last two months whose outcome is known.

        Where the stored tables lack a column that it needs nothing can be trained: the old one stays.
        """
        parts = []
        for month in (SEEN - 2, SEEN - 1):
            outcome = self._seen[month + 1]["labels"][["customerID", "churned"]]
            parts.append(self._seen[month]["customers"].merge(outcome, on="customerID"))
        rows = pd.concat(parts)
        if _lacking(rows):
            return self._model
        return _model().fit(_prepared(rows), rows["churned"])


def _drawn(seed: int) -> Incident:
    """Return what happens: each of `WHERE` once in so many seeds, from month 2 or 3 on."""
    names = list(WHERE)
    block, place = divmod(seed, len(names))
    name = names[np.random.default_rng([block, *b"cases"]).permutation(len(names))[place]]
    month = int(np.random.default_rng([seed, *b"case"]).integers(2, 4))
    return Incident(name, month)


def _model() -> Pipeline:
    """Return a model that is not fitted yet."""
    columns = make_column_transformer(
        (StandardScaler(), _NUMBERS), (OneHotEncoder(handle_unknown="ignore"), _LEVELS)
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1_000))


def _lacking(customers: DataFrame) -> set[str]:
    return {*_NUMBERS, *_LEVELS} - {*customers}


def _prepared(customers: DataFrame) -> DataFrame:
    return customers.astype(dict.fromkeys(_NUMBERS, float))


def _served(model: Pipeline, version: str) -> Callable[[DataFrame], DataFrame]:
    """Return a decide that calls where it pays by what the model says, and fails without a column."""

    def decide(customers):
        asked = customers[["customerID"]].assign(model_version=version)
        if lacking := _lacking(customers):
            reason = f"no column {min(lacking)}"
            return asked.assign(churn_probability=np.nan, call=False, status=500, reason=reason)
        chance = model.predict_proba(_prepared(customers))[:, 1]
        return asked.assign(churn_probability=chance, call=chance >= OFFER.break_even)

    return decide
