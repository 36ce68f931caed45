"""The telecom operator: a past to learn from, and a future that answers to what is decided.

The story. A logistic model trained on the history is right about 0.85 of the customers of month 1,
at threshold 0.5; on the history itself it reaches 0.80. Two things lift it. Those who left are gone,
and among the rest customers sure to stay weigh more: that alone makes about 0.82. And the year to
come is calmer than the window of the history, the odds to leave are half (`operator_people.CALM`):
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

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from helpers.worlds.incidents import operator as operator_incidents
from helpers.worlds.incidents.kinds import Incident, Schedule
from helpers.worlds.operator import behaviour as behaviour
from helpers.worlds.operator import people as crowd
from helpers.worlds.operator import records as records
from helpers.worlds.operator.decisions import checked_decisions
from helpers.worlds.play import MONTHS, CannotPlay, is_whole, plainly, require_function

STORY = (Incident("competitor", month=4),)


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
        self.subscribers = _require_whole(subscribers, "subscribers", 1)
        self.seed = _require_whole(seed, "seed", 0)
        self._schedule = Schedule(incidents, "operator")
        self._towers = max(3, self.subscribers // 200)
        self._rows = self.subscribers  # rows of the world given out so far
        self._month = 0
        self._playing = False
        self._past: dict[int, dict] = {}
        self._labels = None
        self._held: dict[str, pd.DataFrame] = {}  # labels that a delay keeps back
        self._touches: dict[int, list] = {}  # month -> what incidents did to its tables
        people = crowd.draw_people(self.subscribers, self.seed, crowd.HISTORY, 0, self._towers)
        self._history, self._people = self._live_history(people)

    @property
    def next_month(self) -> int:
        """The month that `play` expects next, 1 to 12; 13 when the year is over."""
        return self._month + 1

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
        self._require_next(month)
        require_function(decide, "decide", "call_nobody")
        people = self._people
        ids = crowd.customer_ids(people["row"], self.seed)
        customers = crowd.telco_rows(self._billed(people, month), ids)
        given = self._given(people, customers, month).tables["given.customers"]
        probability, called = self._ask(decide, given, ids)
        slow = self._schedule.size("slow_model", month)
        requests = records.request_table(ids, probability, self.seed, month, slow)
        called &= requests["status"].eq(200).to_numpy()
        lived = self._live_month(people, month, called)
        everyone = self._everyone(people, lived, month)
        joined = crowd.take_people(everyone, everyone["row"] >= self._rows)
        left_day, courted = lived["left_day"], bool(self._schedule.size("competitor", month))
        true = {
            "customers": customers,
            "calls": _call_table(ids, called, lived["outcome"], month),
            "labels": self._labels if month > 1 else self._labels.head(0),
            "joined": self._subscriber_table(joined),
            "complaints": records.complaint_table(people, ids, left_day, called, self.seed, month, courted),
            "requests": requests,
            **self._record(everyone, lived["troubled"], month),
        }  # fmt: skip
        where = self._where(everyone, month, lived["left"])
        books, held = operator_incidents.stored(self._schedule, where, true, self._held)
        # Nothing of the world has changed up to here: a month that fails can be played again.
        self._past[month] = {"ids": ids, "reachable": people["reachable"], **lived}
        self._touches[month] = [*books.touches, *self._given(people, customers, month).touches]
        self._held = held
        self._labels = _label_table(ids, lived["left"], month)
        bills = self._billed(everyone, month)["monthly"]
        self._people = behaviour.grow_older(everyone, month, bills)
        self._rows += len(joined["row"])
        self._month = month
        return books.tables

    def _billed(self, people, month):
        """Return the people with what they pay in `month`."""
        return {**people, "monthly": crowd.bills(people, self._schedule.size("price_rise", month))}

    def _where(self, people, month, left=None):
        """Return where and when incidents happen; `left` tells who leaves, of the first people."""
        ids = crowd.customer_ids(people["row"], self.seed)
        return operator_incidents.Month(self.seed, month, self._towers, people, ids, left)

    def _given(self, people, customers, month):
        """Return the books of what a decide is given: the customers as stored, or otherwise."""
        where = self._where(people, month)
        books, _ = operator_incidents.stored(self._schedule, where, {"customers": customers}, {})
        return operator_incidents.given(self._schedule, where, books.tables)

    def _live_history(self, people):
        """Live through months -1 and 0; return the tables and the customers of month 1."""
        ids = crowd.customer_ids(people["row"], self.seed)
        stays = np.full(self.subscribers, records.STAYS)
        before = self._live_tickets(people, stays, -1)
        younger = {**people, "tenure": np.maximum(people["tenure"] - 1, 0), "left_day": stays}
        earlier = self._record({**younger, "tickets": before["tickets"]}, before["troubled"], -1)
        people = {**people, "tickets": before["tickets"]}
        lived = self._live_month(people, 0, np.zeros(self.subscribers, dtype=bool))
        everyone = self._everyone(people, lived, 0)
        later = self._record(everyone, lived["troubled"], 0)
        churn = np.array(["No", "Yes"], dtype=object)[lived["left"].astype(int)]
        tables = {
            "customers": crowd.telco_rows(people, ids).assign(Churn=pd.array(churn, dtype="str")),
            "labels": _label_table(ids, lived["left"], 0),
            "subscribers": self._subscriber_table(everyone),
            "towers": records.tower_table(self._towers, self.seed),
        }
        for name in later:
            tables[name] = pd.concat([earlier[name], later[name]], ignore_index=True)
        self._labels = tables["labels"]
        self._rows = len(everyone["row"])
        return tables, behaviour.grow_older(everyone, 0, everyone["monthly"])

    def _live_month(self, people, month, called):
        """Return what each customer does in the month, given who is called."""
        probability = self._churn_probability(people, month)
        would_leave = behaviour.draw_leaving(probability, people, self._rows, self.seed, month)
        outcome = behaviour.draw_outcomes(people["reachable"], called, self.seed, month)
        left = would_leave & (outcome != "accepted")
        left_day = behaviour.draw_left_day(left, self.seed, month)
        return {
            "churn_probability": probability,
            "would_leave": would_leave,
            "outcome": outcome,
            "left": left,
            "left_day": left_day,
            **self._live_tickets(people, left_day, month),
        }

    def _churn_probability(self, people, month):
        """Return the true probability of each to leave, given what goes on in the month."""
        size = self._schedule.size
        return crowd.churn_probability(
            people, month, size("competitor", month), size("price_rise", month)
        )

    def _live_tickets(self, people, left_day, month):
        """Return how many tickets each opens, and which towers are in trouble."""
        troubled = records.troubled_towers(self._towers, self.seed, month)
        tickets = records.draw_tickets(people, left_day, troubled, self.seed, month)
        return {"tickets": tickets, "troubled": troubled}

    def _everyone(self, people, lived, month):
        """Return the customers of the month and, behind them, those who join to replace leavers."""
        joined = crowd.draw_people(
            int(lived["left"].sum()), self.seed, month, self._rows, self._towers
        )
        joined["left_day"] = np.full(len(joined["row"]), records.STAYS)
        lived = {name: lived[name] for name in ["tickets", "left_day"]}
        return crowd.join_people({**people, **lived}, joined)

    def _record(self, people, troubled, month):
        """Return what the systems write down in the month."""
        ids = crowd.customer_ids(people["row"], self.seed)
        left_day, tickets, seed = people["left_day"], people["tickets"], self.seed
        now, before = self._billed(people, month), self._billed(people, month - 1)
        courted = bool(self._schedule.size("competitor", month))
        rise = self._schedule.size("price_rise", month)
        return {
            "usage": records.usage_table(people, ids, left_day, seed, month),
            "tickets": records.ticket_table(people, ids, left_day, tickets, troubled, seed, month),
            "invoices": records.invoice_table(now, ids, left_day, month),
            "payments": records.payment_table(before, ids, seed, month),
            "cancellations": records.cancellation_table(
                people, ids, left_day, seed, month, courted, rise
            ),
            "sensors": records.sensor_table(troubled, seed, month),
        }

    def _subscriber_table(self, people):
        """Return the subscriber table of these people."""
        return records.subscriber_table(
            people, crowd.customer_ids(people["row"], self.seed), self.seed
        )

    def _ask(self, decide, customers, ids):
        """Return the probabilities and calls that `decide` gives, in the order of the customers."""
        self._playing = True
        try:
            decided = decide(customers.copy())
        except CannotPlay:
            raise
        except Exception as error:
            raise CannotPlay(
                "decide was expected to return a table of decisions, but it raised "
                f"{type(error).__name__}: {error}. Mend it and play the month again."
            ) from error
        finally:
            self._playing = False
        return checked_decisions(decided, ids)

    def _require_next(self, month):
        """Stop unless `month` is the one to play now."""
        if self._playing:
            raise CannotPlay(
                f"decide was expected to decide about customers, but it called play({plainly(month)}); "
                "a month cannot be played within another. Take that call out of decide."
            )
        if self.next_month > MONTHS:
            raise CannotPlay(
                f"The world ends after month {MONTHS}, which has been played; got {plainly(month)}. "
                "Make a new Operator to begin again."
            )
        if not is_whole(month) or month != self.next_month:
            raise CannotPlay(
                f"Month {self.next_month} was expected, for months are played in order from 1 to "
                f"{MONTHS}; got {plainly(month)}. Play month {self.next_month} next."
            )


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


def _require_whole(value, name, least):
    """Return `value` unless it is no whole number from `least`."""
    if not is_whole(value) or value < least:
        raise CannotPlay(
            f"{name} is a whole number of at least {least}; got {plainly(value)}. "
            f"Write for instance {name}={4000 if name == 'subscribers' else 7}."
        )
    return int(value)


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
