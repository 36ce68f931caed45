"""The telecom operator: a past to learn from, and a future that answers to what is decided.

Each customer is scored once a month, on his own day and at his own moment. What he does in the 30 days
after that, his window, is known when they are over. One hazard rules the past and a quiet year
(`people.churn_probability`): IBM's file counts who left within two windows, the snapshots of the
history count one.

The story. A logistic model trained on the snapshots is right about 0.85 of the customers of month 1,
at threshold 0.5; "nobody leaves" is right about 0.84. In month 4 a competitor moves (`STORY`; other
incidents make other years): it stops courting customers who are free to leave and buys others out
of their contracts. Who the customers are does not change on that day, what they do does: concept
drift without input drift. The model falls to about 0.70; one trained on the labels since then is
better again. The figures of a month count the windows that begin in it.

Three things go on all the time. A troubled tower makes tickets, and tickets make customers leave who
use much: IBM's columns do not show it. A call moves most customers to stay, leaves others cold, and a
few leave because of it. And sales put a customer of the same contract and line in the place of each
who leaves, so tenure renews and little else.

Accuracy here means: against what customers would do if nobody called them. No real operator loses so
many in a month; the ratio is what the lessons need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.days import World
from helpers.worlds.incidents.kinds import Incident, Schedule
from helpers.worlds.operator import behaviour as behaviour
from helpers.worlds.operator import people as crowd
from helpers.worlds.operator import records as records
from helpers.worlds.operator.behaviour import Network
from helpers.worlds.operator.month import OperatorMonth, OperatorRecord, customer_table, first_day
from helpers.worlds.operator.people import HISTORY, MONTH_DAYS, month_start
from helpers.worlds.operator.telco import telco_rows
from helpers.worlds.play import luck, planned, require_number

STORY = (Incident("competitor", month=4),)
# By the lesson in which they are told; their first cells need not give them away.
STORIES = {
    "00": STORY,
    "quiet": (),
    "03a": (Incident("remapped_code", month=2, size=0.3), Incident("price_in_cents", month=3)),
    "06b": (Incident("competitor", month=5), Incident("holiday", month=3)),
    "06c": (Incident("dead_feed", month=2), Incident("competitor", month=4)),
    "07b": (Incident("competitor", month=2),),
}


class Operator(World):
    """A telecom operator with its history and twelve months to come.

    Months have 30 days; month 1 begins on 2025-01-01. Churn of a customer means: within 30 days from
    the moment when he is scored the contract is cancelled, or the line is not used in any of them.

    Parameters
    ----------
    subscribers : customers at any time, at least 1.
    seed : a whole number from 0; the same seed and the same decisions give the same bytes.
    incidents : what happens in the year to come, see `helpers.worlds.incidents.kinds`; an empty list for
        a quiet year. The history is the same whatever is planned.
    story : in their place the name of a story, one of `STORIES`.

    Raises
    ------
    CannotPlay
        If `subscribers` or `seed` is no such number, an incident is not one of an operator, there is
        no such story, or both incidents and a story are given.

    Examples
    --------
    >>> world = Operator(subscribers=50, seed=7)
    >>> world.history()["customers"].shape
    (50, 21)
    >>> [len(world.play(month, call_nobody)["labels"]) for month in [1, 2]]
    [50, 50]
    >>> world.next_month
    3
    """

    def __init__(
        self,
        subscribers: int = 4000,
        seed: int = 1,
        incidents: Sequence[Incident] = STORY,
        story: str | None = None,
    ):
        require_number("subscribers", subscribers, 1, math.inf, 4000)
        require_number("seed", seed, 0, math.inf, 7)
        self.subscribers, self.seed = int(subscribers), int(seed)
        schedule = Schedule(planned(incidents, story, STORY, STORIES), "operator")
        towers = max(3, self.subscribers // 200)
        record, self._history = _live_through_history(
            Network(self.seed, schedule, towers), self.subscribers
        )
        super().__init__(record, first_day)

    @property
    def hidden(self) -> OperatorRecord:
        """What the business cannot see, for `OperatorTruth`, the sources and tests; not to be changed."""
        return self._record

    def history(self) -> dict[str, DataFrame]:
        """Return what the operator knows on the first day of month 1.

        Returns
        -------
        `customers` : as in IBM's file, all text, when they were scored in the first month that is
        known, from 2024-06-05 on; `Churn` is what happened in the 60 days after it. `labels` : the
        same outcome with `scored_on` and `known_at`. `snapshots` : one row a customer and month, six
        months from then on: the columns of `customers`, the moment `scored_at`, what was done in the
        30 days before it (`tickets_30d`, `minutes_30d`, `megabytes_30d`, `days_used_30d`), and
        `churned` in the 30 days after it, with `scored_on` and `known_at`. `subscribers` : everybody
        until now. `usage`, `lookups`, `tickets`, `invoices`, `payments`, `cancellations`, `towers`,
        `sensors` : the last sixty days of records.
        """
        return {name: table.copy() for name, table in self._history.items()}

    def play(self, month: int, decide: Callable[[DataFrame], DataFrame]) -> dict[str, DataFrame]:
        """Live through one month with what was deployed, and return what the business sees of it.

        Parameters
        ----------
        month : 1 to 12, in order.
        decide : takes the active customers in the order in which they are scored (IBM's columns
            without `Churn`, all text, and from `scored_at` on those of the snapshots) and returns one
            row for each of them, in any order: `customerID`, `churn_probability` (0.0 to 1.0), `call`
            (True or False). It may tell of each row the columns `helpers.worlds.service.TOLD`, and
            mark as `shadow` rows that are recorded and not acted on.

        Returns
        -------
        `customers` (as scored), `given` (what decide was given), `shadow`, `calls` (`outcome`:
        accepted, refused, not reached; a customer who accepts stays), `requests` (one a customer:
        `churn_probability`, and how it was served; a failure is no call), `labels` (that became
        known: of those scored in the month before; `called` tells those whom the call may have
        changed), `cancellations`, `joined` (like `subscribers`), `usage`, `lookups`, `tickets`,
        `invoices`, `payments`, `complaints`, `sensors`, `costs` (of repairs).

        Raises
        ------
        CannotPlay
            If the month is not the next one or `decide` returns no such table. The world is as it
            was, and the month can be played again.
        """
        return self._play(month, decide, "call_nobody")

    def _plan(self, month):
        return OperatorMonth(self._record, month)


def call_nobody(customers: DataFrame) -> DataFrame:
    """Call nobody and give everybody the same probability: the policy that knows nothing.

    The probability is 0.16, the share of churn in the snapshots; no threshold tells customers apart.

    Examples
    --------
    >>> customers = DataFrame({"customerID": ["0001-ABCDE"]})
    >>> call_nobody(customers).to_numpy().tolist()
    [['0001-ABCDE', 0.16, False]]
    """
    return customers[["customerID"]].assign(churn_probability=0.16, call=False)


def _live_through_history(network, subscribers):
    """Live through the months up to month 1; return the record at its start, and the tables."""
    first, nobody = _first_people(network, subscribers), np.zeros(subscribers, dtype=bool)
    left, people, everybody = nobody, first, [first]
    new = behaviour.newcomers(network, first, HISTORY)  # growth is yet to come: nobody
    snapshots, chunks = [], []
    joined = [{name: first[name] for name in ("row", "started_at")}]
    for month in range(HISTORY, 1):
        following = crowd.draw_people(subscribers, network.seed, month, network.towers, people)
        lived = behaviour.live(network, people, following, new, nobody, month)
        everybody.append(crowd.take_people(following, lived.left))
        if month <= HISTORY + 1:
            left = left | np.isin(first["row"], people["row"][lived.left])
        if month < 0:
            snapshots.append(_snapshot(people, lived))
        joined.append(records.joined(lived))
        if month >= -2:
            chunks.append(records.written(network, lived))
        after = behaviour.grow_older(lived)
        people = behaviour.bill(after, month + 1, network.schedule) if month < 0 else after
    gone = crowd.take_people(lived.asked, lived.left)
    record = OperatorRecord(
        network.seed, network.schedule, network.towers, after,
        {name: gone[name] for name in ("id", "row", "tower", "reachable")},
        {name: records.known(chunks, name, first_day(1), None) for name in chunks[0]},
    )  # fmt: skip
    words = np.array(["No", "Yes"], dtype=object)[left.astype(int)]
    directory = records.Directory(*everybody)
    known = {name: records.known(chunks, name, first_day(-1), first_day(1)) for name in _RECORDED}
    known["labels"] = records.labels(first, left, nobody, months=2)
    here = {name: np.concatenate([part[name] for part in joined]) for name in joined[0]}
    here = crowd.take_people(here, here["started_at"] < np.datetime64(first_day(1), "s"))
    known["subscribers"] = here
    months = [records.sensor_table(network, month, range(1, MONTH_DAYS + 1)) for month in (-1, 0)]
    tables = {name: directory.frame(columns, network.seed) for name, columns in known.items()}
    return record, {
        "customers": telco_rows(first).assign(Churn=pd.array(words, dtype="str")),
        "snapshots": pd.concat(snapshots, ignore_index=True),
        "towers": records.tower_table(network.towers, network.seed),
        "sensors": pd.concat(months, ignore_index=True),
        **tables,
    }


_RECORDED = ("usage", "lookups", "tickets", "invoices", "payments", "cancellations")


def _snapshot(people, lived):
    """Return the customers as they were scored, and who of them left in the 30 days after it."""
    labels = records.labels(people, lived.left, lived.called)
    columns = {name: labels[name] for name in ("scored_on", "known_at", "churned")}
    return pd.concat([customer_table(people), DataFrame(columns)], axis=1)


def _first_people(network, subscribers):
    """Return the customers scored in the first month that is known, with their 30 days before it."""
    month, seed = HISTORY - 1, network.seed
    people = crowd.draw_people(subscribers, seed, HISTORY, network.towers)
    moment = crowd.draw_moments(np.arange(subscribers), seed)
    tenure = people["tenure"]
    began = ((MONTH_DAYS - 1) * luck(seed, HISTORY, "joining", people["row"])).astype(int)
    since = np.where(tenure > 0, began - MONTH_DAYS * np.maximum(tenure - 1, 0), MONTH_DAYS - 1)
    before = {
        **people,
        "begins": month_start(month) + moment // 86_400,
        "second": moment % 86_400,
        "since": since,
        "tickets": np.zeros(subscribers),
        "megabytes": np.zeros(subscribers),
        "tenure": np.zeros(subscribers, dtype=int),  # so that nobody leaves
    }
    nobody = np.zeros(subscribers, dtype=bool)
    new = behaviour.newcomers(network, before, month)
    lived = behaviour.live(network, before, people, new, nobody, month)
    billed = behaviour.bill(behaviour.grow_older(lived), HISTORY, network.schedule)
    started = records.dates(before["begins"] + since)
    return {**billed, "tenure": tenure, "total": people["total"], "started_at": started}
