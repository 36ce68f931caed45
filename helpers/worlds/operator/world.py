"""The telecom operator: a past to learn from, and a future that answers to what is decided.

The story. A logistic model trained on the history is right about 0.85 of the customers of month 1,
at threshold 0.5; on the history itself it reaches 0.80. Two things lift it. Those who left are gone,
and among the rest customers sure to stay weigh more: that alone makes about 0.82. And the year to
come is calmer than the window of the history, the odds to leave are half (`people.CALM`):
in months 2 and 3 a model trained on the months before is better by one point, no more.
In month 4 a competitor moves (`STORY`; other incidents make other years): it stops courting customers who are free to leave and buys others out
of their contracts. Who the customers are does not change on that day, what they do does: concept
drift without input drift. The model falls to about 0.70 and stays below 0.77; one trained on month
4, whose labels `play(5)` returns, is right for more than 0.77. After that the inputs do move, slowly,
because other people leave. A third thing goes on all the time: a troubled tower makes tickets, and
tickets make customers leave; IBM's columns do not show it, the other tables do.

Accuracy here means: against what customers would do if nobody called them.

IBM's file counts those who left within one window, 26.5 % of all, and this world keeps that rate in
windows of 30 days. No real operator loses so many in a month; the ratio is what the lessons need.
Sales replace the leavers, so the number of customers is the same in every month.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from helpers.worlds.incidents import operator as incidents_here
from helpers.worlds.incidents.kinds import Incident, Schedule
from helpers.worlds.operator import behaviour as behaviour
from helpers.worlds.operator import people as crowd
from helpers.worlds.operator import records as records
from helpers.worlds.operator.decisions import checked_decisions
from helpers.worlds.operator.telco import telco_rows
from helpers.worlds.play import answer_of, close, require_function, require_next, require_number

STORY = (Incident("competitor", month=4),)


@dataclass(frozen=True)
class OperatorRecord:
    """What an operator keeps to itself; the truth and the sources read it, a `decide` never sees it.

    Attributes
    ----------
    schedule, towers : what is planned, and how many towers there are.
    people : the customers of the month to come, one array a trait.
    rows : how many people the world has had so far.
    labels, held : of those scored last, and those that a delay keeps back, by table.
    past : the months that are over, in order: what the customers did, one array each, and `touches`,
        what incidents did to the tables.
    """

    schedule: Schedule
    towers: int
    people: dict[str, np.ndarray]
    rows: int
    labels: pd.DataFrame
    held: Mapping[str, pd.DataFrame]
    past: tuple[dict, ...]

    def __post_init__(self):
        close(self.people)


class Operator:
    """A telecom operator with its history and twelve months to come.

    Months have 30 days; month 1 begins on 2025-01-01. Churn of a customer scored on the first day of
    a month means: the contract is cancelled within its 30 days, or the line is not used in any of
    them. That is known when they are over, so 30 days late.

    Parameters
    ----------
    subscribers : customers at any time, at least 1.
    seed : a whole number from 0; the same seed and the same decisions give the same bytes.
    incidents : what happens in the year to come, see `helpers.worlds.incidents.kinds`; an empty list for
        a quiet year. The history is the same whatever is planned.

    Raises
    ------
    CannotPlay
        If `subscribers` or `seed` is no such number, or an incident is not one of an operator.

    Examples
    --------
    >>> world = Operator(subscribers=50, seed=7)
    >>> world.history()["customers"].shape
    (50, 21)
    >>> [len(world.play(month, call_nobody)["labels"]) for month in [1, 2]]
    [0, 50]
    >>> world.next_month
    3
    """

    def __init__(
        self, subscribers: int = 4000, seed: int = 1, incidents: Sequence[Incident] = STORY
    ):
        require_number("subscribers", subscribers, 1, math.inf, 4000)
        require_number("seed", seed, 0, math.inf, 7)
        self.subscribers, self.seed = int(subscribers), int(seed)
        self._playing = False
        towers = max(3, self.subscribers // 200)
        people = crowd.draw_people(self.subscribers, self.seed, crowd.HISTORY, 0, towers)
        plan = Schedule(incidents, "operator")
        self._record = OperatorRecord(plan, towers, people, self.subscribers, None, {}, ())
        self._history = self._live_history(people)

    @property
    def hidden(self) -> OperatorRecord:
        """What the business cannot see, for `OperatorTruth`, the sources and tests; not to be changed."""
        return self._record

    @property
    def next_month(self) -> int:
        """The month that `play` expects next, 1 to 12; 13 when the year is over."""
        return len(self._record.past) + 1

    def history(self) -> dict[str, pd.DataFrame]:
        """Return what the operator knows on the first day of month 1.

        Returns
        -------
        `customers` : as in IBM's file, all text, on the day they were scored, 2024-12-02; `Churn`
        is what happened in the 30 days after it. `labels` : the same outcome with `scored_on` and
        `known_at`. `subscribers` (also who joined after that day), `usage`, `tickets`, `invoices`, `payments`, `cancellations`,
        `towers`, `sensors` : sixty days of records, half of them *after* the scoring day, so cut
        them by date before you learn from them.
        """
        return {name: table.copy() for name, table in self._history.items()}

    def play(
        self, month: int, decide: Callable[[pd.DataFrame], pd.DataFrame]
    ) -> dict[str, pd.DataFrame]:
        """Live through one month with what was deployed, and return what the business sees of it.

        Parameters
        ----------
        month : 1 to 12, in order.
        decide : takes the active customers (IBM's columns without `Churn`, all text, as in
            `history`) and returns one row for each of them, in any order: `customerID`,
            `churn_probability` (0.0 to 1.0), `call` (True or False).

        Returns
        -------
        `customers` (as scored), `calls` (`outcome`: accepted, refused, not reached; a customer who
        accepts stays, if about to leave), `labels` (of those scored 30 days earlier; none in month
        1, whose are in the history), `cancellations`, `joined` (like `subscribers`), `usage`,
        `tickets`, `invoices`, `payments`, `complaints`, `requests` (`request_id` counts within the
        month), `sensors`.

        Raises
        ------
        CannotPlay
            If the month is not the next one or `decide` returns no such table. The world is as it
            was, and the month can be played again.
        """
        require_next(month, self.next_month, self._playing, "Operator")
        require_function(decide, "decide", "call_nobody")
        before, schedule = self._record, self._record.schedule
        people = before.people
        customers = telco_rows(self._billed(people, month))
        given = self._given(people, customers, month)
        probability, called = self._ask(decide, given.tables["given.customers"], month)
        slow = schedule.size("slow_model", month)
        requests = records.request_table(people["id"], probability, self.seed, month, slow)
        called &= requests["status"].eq(200).to_numpy()
        lived = self._live_month(people, month, called)
        everyone = self._everyone(people, lived, month)
        joined = crowd.take_people(everyone, everyone["row"] >= before.rows)
        courted = bool(schedule.size("competitor", month))
        asked = {**people, "left_day": lived["left_day"]}
        true = {
            "customers": customers,
            "calls": _call_table(people["id"], called, lived["outcome"], month),
            "labels": before.labels if month > 1 else before.labels.head(0),
            "joined": records.subscriber_table(joined, self.seed),
            "complaints": records.complaint_table(asked, called, self.seed, month, courted),
            "requests": requests,
            **self._written(everyone, lived["troubled"], month),
        }
        where = self._where(everyone, month, lived["left"])
        books, held = incidents_here.SYSTEMS.stored(schedule, where, true, before.held)
        # Nothing of the world has changed up to here: a month that fails can be played again.
        bills = self._billed(everyone, month)["monthly"]
        over = {
            "ids": people["id"],
            "reachable": people["reachable"],
            "touches": [*books.touches, *given.touches],
            **lived,
        }
        self._record = replace(
            before,
            people=behaviour.grow_older(everyone, month, bills),
            rows=before.rows + len(joined["row"]),
            labels=_label_table(people["id"], lived["left"], month),
            held=held,
            past=(*before.past, over),
        )
        return books.tables

    def _billed(self, people, month):
        """Return the people with what they pay in `month`."""
        rise = self._record.schedule.size("price_rise", month)
        return {**people, "monthly": crowd.bills(people, rise)}

    def _where(self, people, month, left=None):
        """Return where and when incidents happen; `left` tells who leaves, of the first people."""
        return incidents_here.Month(self.seed, month, self._record.towers, people, left)

    def _given(self, people, customers, month):
        """Return the books of what a decide is given: the customers as stored, or otherwise."""
        where, schedule = self._where(people, month), self._record.schedule
        books, _ = incidents_here.SYSTEMS.stored(schedule, where, {"customers": customers}, {})
        return incidents_here.SYSTEMS.given(schedule, where, books.tables)

    def _live_history(self, people):
        """Live through months -1 and 0 and return their tables; the record is then that of month 1."""
        people = {**people, "left_day": np.full(self.subscribers, records.STAYS)}
        troubled = records.troubled_towers(self._record.towers, self.seed, -1)
        people["tickets"] = records.draw_tickets(people, troubled, self.seed, -1)
        younger = {**people, "tenure": np.maximum(people["tenure"] - 1, 0)}
        earlier = self._written(younger, troubled, -1)
        lived = self._live_month(people, 0, np.zeros(self.subscribers, dtype=bool))
        everyone = self._everyone(people, lived, 0)
        later = self._written(everyone, lived["troubled"], 0)
        churn = np.array(["No", "Yes"], dtype=object)[lived["left"].astype(int)]
        tables = {
            "customers": telco_rows(people).assign(Churn=pd.array(churn, dtype="str")),
            "labels": _label_table(people["id"], lived["left"], 0),
            "subscribers": records.subscriber_table(everyone, self.seed),
            "towers": records.tower_table(self._record.towers, self.seed),
        }
        for name in later:
            tables[name] = pd.concat([earlier[name], later[name]], ignore_index=True)
        self._record = replace(
            self._record,
            people=behaviour.grow_older(everyone, 0, everyone["monthly"]),
            rows=len(everyone["row"]),
            labels=tables["labels"],
        )
        return tables

    def _live_month(self, people, month, called):
        """Return what each customer does in the month, given who is called, and towers in trouble."""
        record, seed = self._record, self.seed
        probability = crowd.churn_probability(people, month, record.schedule)
        would_leave = behaviour.draw_leaving(probability, people, record.rows, seed, month)
        outcome = behaviour.draw_outcomes(people["reachable"], called, seed, month)
        left = would_leave & (outcome != "accepted")
        left_day = behaviour.draw_left_day(left, seed, month)
        troubled = records.troubled_towers(record.towers, seed, month)
        users = {**people, "left_day": left_day}
        return {
            "churn_probability": probability,
            "would_leave": would_leave,
            "outcome": outcome,
            "left": left,
            "left_day": left_day,
            "tickets": records.draw_tickets(users, troubled, seed, month),
            "troubled": troubled,
        }

    def _everyone(self, people, lived, month):
        """Return the customers of the month and, behind them, those who join to replace leavers."""
        record, leavers = self._record, int(lived["left"].sum())
        joined = crowd.draw_people(leavers, self.seed, month, record.rows, record.towers)
        joined["left_day"] = np.full(leavers, records.STAYS)
        lived = {name: lived[name] for name in ["tickets", "left_day"]}
        return crowd.join_people({**people, **lived}, joined)

    def _written(self, people, troubled, month):
        """Return what the systems write down in the month."""
        seed = self.seed
        return {
            "usage": records.usage_table(people, seed, month),
            "tickets": records.ticket_table(people, troubled, seed, month),
            "invoices": records.invoice_table(self._billed(people, month), month),
            "payments": records.payment_table(self._billed(people, month - 1), seed, month),
            "cancellations": records.cancellation_table(people, seed, month, self._record.schedule),
            "sensors": records.sensor_table(troubled, seed, month),
        }

    def _ask(self, decide, customers, month):
        """Return the probabilities and calls that `decide` gives, in the order of the customers."""
        self._playing = True
        try:
            decided = answer_of(decide, customers.copy(), month)
        finally:
            self._playing = False
        return checked_decisions(decided, self._record.people["id"])


def call_nobody(customers: pd.DataFrame) -> pd.DataFrame:
    """Call nobody and give everybody the same probability: the policy that knows nothing.

    The probability is 0.27, the share of churn in the history; no threshold tells customers apart.

    Examples
    --------
    >>> customers = pd.DataFrame({"customerID": ["0001-ABCDE"]})
    >>> call_nobody(customers).to_numpy().tolist()
    [['0001-ABCDE', 0.27, False]]
    """
    return customers[["customerID"]].assign(churn_probability=0.27, call=False)


def _call_table(ids, called, outcome, month):
    """Return one row a call."""
    return pd.DataFrame(
        {
            "customerID": pd.array(ids[called], dtype="str"),
            "called_on": records.dates(np.full(called.sum(), crowd.month_start(month))),
            "outcome": pd.array(outcome[called], dtype="str"),
        }
    )


def _label_table(ids, left, month):
    """Return the churn of the customers scored at the start of `month`, known 30 days later."""
    day = crowd.month_start(month)
    return pd.DataFrame(
        {
            "customerID": pd.array(ids, dtype="str"),
            "scored_on": records.dates(np.full(len(ids), day)),
            "known_at": records.dates(np.full(len(ids), day + crowd.MONTH_DAYS)),
            "churned": left,
        }
    )
