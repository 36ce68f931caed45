"""One month at the operator: who is scored when, what is answered, and what follows from it.

`OperatorRecord` is what the operator keeps to itself from month to month; a month makes a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.incidents import operator as incidents
from helpers.worlds.incidents.effects import GIVEN, MonthTables, cost_table
from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.operator import behaviour as behaviour
from helpers.worlds.operator import people as crowd
from helpers.worlds.operator import records as records
from helpers.worlds.operator.behaviour import Network
from helpers.worlds.operator.decisions import Decisions, read_decisions, shadow_table
from helpers.worlds.operator.people import FIRST_DAY, MONTH_DAYS, month_start
from helpers.worlds.operator.telco import telco_rows
from helpers.worlds.play import close, luck
from helpers.worlds.service import Served, Service

_SECOND = pd.Timedelta(seconds=1)
_LEFT = ("id", "row", "tower", "reachable")  # what is kept of people who left


def first_day(month: int) -> pd.Timestamp:
    """Return the first day of `month`.

    Examples
    --------
    >>> str(first_day(2))[:10]
    '2025-01-31'
    """
    return FIRST_DAY + pd.Timedelta(days=month_start(month))


@dataclass(frozen=True)
class OperatorRecord:
    """What an operator keeps to itself; the truth and the sources read it, a `decide` never sees it.

    Attributes
    ----------
    seed, schedule, towers : what is planned, and how many towers there are.
    people : who is scored next, one array a trait, in order of time; their next bill is to come.
    gone : who left, or will, of those scored last.
    pending : rows that will become known, by table and column.
    held : the labels that a delay keeps back.
    served, hits : the version that served last, and service incident -> the version that it hits.
    costs : what repairs have cost this month.
    played : the months that are over, in order: what the customers did, one array each, and `touches`,
        what incidents did to the tables.
    """

    seed: int
    schedule: Schedule
    towers: int
    people: dict[str, np.ndarray]
    gone: dict[str, np.ndarray]
    pending: Mapping[str, records.Columns]
    held: Mapping[str, DataFrame] = field(default_factory=dict)
    served: str = ""
    hits: Mapping[str, str] = field(default_factory=dict)
    costs: tuple[dict, ...] = ()
    played: tuple[dict, ...] = ()

    def __post_init__(self):
        close(self.people)

    @property
    def network(self) -> Network:
        """What is outside the customers."""
        return Network(self.seed, self.schedule, self.towers)

    def scored(self, month: int) -> dict[str, np.ndarray]:
        """Return the customers as they are scored in `month`, the one to play."""
        return behaviour.bill(self.people, month, self.schedule)

    def repaired(self, what: str, moment: pd.Timestamp) -> tuple[OperatorRecord, bool]:
        """Return the record when something has been repaired from `moment` on, and whether it has."""
        month = (moment - FIRST_DAY).days // MONTH_DAYS + 1
        onsets = incidents.onsets(self.schedule, self.seed)
        schedule, cost = incidents.SYSTEMS.repair(self.schedule, onsets, what, moment, month)
        return replace(self, schedule=schedule, costs=(*self.costs, cost)), cost["worked"]


RECENT = ("tickets", "minutes", "megabytes", "days_used")


def customer_table(people: dict) -> DataFrame:
    """Return the customers as they are scored: IBM's columns, `scored_at`, and their last 30 days."""
    table = telco_rows({**people, "monthly": people["price"]})
    table["scored_at"] = records.moments(people)
    for name in RECENT:
        table[f"{name}_30d"] = people[name]
    return table


class OperatorMonth:
    """A month that is being played; see `helpers.worlds.days.MonthPlan`."""

    days = MONTH_DAYS

    def __init__(self, record: OperatorRecord, month: int):
        self.record, self.month = record, month
        self._people = record.scored(month)
        count = len(self._people["row"])
        self._following = crowd.draw_people(count, record.seed, month, record.towers, self._people)
        self._new = behaviour.newcomers(record.network, self._people, month)
        self._directory = records.Directory(self._people, self._following, self._new, record.gone)
        self._customers = customer_table(self._people)
        # By day, or under None for all of them: what was given, and what came back.
        self._given: dict[int | None, MonthTables] = {}
        self._answers: dict[int | None, tuple[Decisions, Served]] = {}
        self._version, self._hits = record.served, record.hits
        self._none = {"shadow": shadow_table([]), "costs": cost_table(())}  # slow to make
        # For the evenings: what will become known, and what has been told already.
        self._coming, self._held, self._costs = [record.pending], record.held, 0

    def date(self, day: int) -> pd.Timestamp:
        """Return the date of a day; one beyond the last is the next month's first."""
        return first_day(self.month) + pd.Timedelta(days=day - 1)

    def given(self, day: int | None) -> DataFrame:
        """Return the customers to score, as stored, or as an incident has it."""
        where = self._where(None, self.date(day or 1))
        customers = self._customers.iloc[self._rows(day)].reset_index(drop=True)
        systems, schedule = incidents.SYSTEMS, self.record.schedule
        stored = systems.stored(schedule, where, {"customers": customers}, {})[0].tables
        self._given[day] = systems.given(schedule, where, stored)
        return self._given[day].tables[f"{GIVEN}customers"].copy()

    def take(self, day: int | None, answer: object) -> None:
        """Serve the requests with an answer: who fails is not called."""
        people, record = self._asked(day), self.record
        decisions = read_decisions(answer, people["id"])
        service = Service(record.seed, record.schedule, usual_ms=12, spread=0.4)
        keys, days = (people["row"],), people["begins"]
        served, random, self._hits = service.serve(
            decisions.said, decisions.broken, keys, self.month, days, self._hits
        )
        lot = luck(record.seed, self.month, "random scores", *keys)
        probability = np.where(random, lot, decisions.probability)
        decisions = replace(
            decisions,
            probability=np.where(served.fallback, np.nan, probability),
            call=~served.fallback & np.where(random, lot >= 0.5, decisions.call),
        )
        self._answers[day] = decisions, served
        if len(days):
            last = served.model_version[days == days[-1]].astype(str)
            names, counts = np.unique(last, return_counts=True)
            self._version = str(names[counts.argmax()])

    def evening(self, day: int) -> dict[str, DataFrame]:
        """Return what the operator has learnt since the evening before."""
        decisions, served = self._answers[day]
        lived = self._live(day, decisions)
        self._coming.append(records.written(self.record.network, lived))
        left = np.zeros(len(self._people["row"]), dtype=bool)
        left[self._rows(day)] = lived.left
        where = self._where(left, self.date(day + 1) - _SECOND)
        true = self._known(day, lived, decisions, served)
        books, self._held = incidents.SYSTEMS.stored(self.record.schedule, where, true, self._held)
        costs = self.record.costs[self._costs :]
        self._costs = len(self.record.costs)
        return self._beside(books.tables, [day], costs)

    def close(self) -> tuple[OperatorRecord, dict[str, DataFrame]]:
        """Return the record after the month, and its tables."""
        record, days = self.record, list(self._answers)
        decisions, served = _joined([self._answers[day] for day in days])
        lived = self._live(None, decisions)
        self._coming = [record.pending, records.written(record.network, lived)]
        where = self._where(lived.left, None)
        true = self._known(None, lived, decisions, served)
        books, held = incidents.SYSTEMS.stored(record.schedule, where, true, record.held)
        tables = self._beside(books.tables, days, record.costs)
        over = {
            "ids": lived.asked["id"],
            "churn_probability": lived.probability,
            "churn_when_called": crowd.churn_when_called(lived.asked, lived.probability),
            "would_leave": lived.would_leave,
            "left": lived.left,
            "touches": [*books.touches, *(t for day in days for t in self._given[day].touches)],
            **{name: lived.asked[name] for name in ("reachable", "segment")},
        }
        gone = crowd.take_people(lived.asked, lived.left)
        after = self.date(self.days + 1)
        record = replace(
            record,
            people=behaviour.grow_older(lived),
            gone={name: gone[name] for name in _LEFT},
            pending={
                name: records.known(self._coming, name, after, None) for name in record.pending
            },
            held=held,
            served=self._version,
            hits=self._hits,
            costs=(),
            played=(*record.played, over),
        )
        return record, tables

    def _rows(self, day, people=None):
        """Return the rows of the customers, or of other people, whose scoring day it is."""
        if day is None:
            return slice(None)
        first = month_start(self.month) + day - 1
        begins = (people or self._people)["begins"]
        return slice(*np.searchsorted(begins, [first, first + 1]))

    def _asked(self, day):
        """Return the customers who are scored on a day."""
        return crowd.take_people(self._people, self._rows(day))

    def _live(self, day, decisions):
        """Return what follows from a day's decisions."""
        following = crowd.take_people(self._following, self._rows(day))
        new = crowd.take_people(self._new, self._rows(day, self._new))
        return behaviour.live(
            self.record.network, self._asked(day), following, new, decisions.call, self.month
        )

    def _where(self, left, last):
        """Return where and when incidents happen: who leaves, and up to which moment is asked."""
        record, people = self.record, self._directory.people
        return incidents.Month(
            record.seed, self.month, record.towers, people, left, last, self._version, self._hits
        )

    def _known(self, day, lived, decisions, served):
        """Return what truly is known of a day, or of all: of those scored in it, and of those before."""
        seed, network = self.record.seed, self.record.network
        days = range(day or 1, (day or self.days) + 1)
        span = self.date(days[0]), self.date(days[-1] + 1)
        telemetry = served.telemetry()
        requests = {
            "request_id": np.arange(len(self._people["row"]))[self._rows(day)] + 1,
            "customerID": pd.array(lived.asked["id"], dtype="str"),
            "sent_at": records.moments(lived.asked),
            **telemetry,
            "churn_probability": decisions.probability,
        }
        told = {name: telemetry[name][lived.called] for name in decisions.named}
        columns = {"calls": {**records.calls(lived), **told}}
        columns |= {name: records.known(self._coming, name, *span) for name in self.record.pending}
        return {
            "customers": self._customers.iloc[self._rows(day)].reset_index(drop=True),
            "requests": DataFrame(requests),
            "sensors": records.sensor_table(network, self.month, days),
            **{name: self._directory.frame(table, seed) for name, table in columns.items()},
        }

    def _beside(self, stored, days, costs):
        """Return the tables with what is kept beside them: what was given, shadows, repairs."""
        given = [self._given[day].tables[f"{GIVEN}customers"] for day in days]
        shadow = [self._answers[day][0].shadow for day in days]
        return {
            **stored,
            "given": given[0].copy() if len(days) == 1 else pd.concat(given, ignore_index=True),
            "shadow": shadow_table(shadow)
            if any(map(len, shadow))
            else self._none["shadow"].copy(),
            "costs": cost_table(costs) if costs else self._none["costs"].copy(),
        }


def _joined(answers):
    """Return the answers of several days as those of one."""
    decisions, served = zip(*answers, strict=True)
    joined = []
    for parts in (decisions, served):
        whole = parts[0]
        for name, value in vars(whole).items():
            if isinstance(value, np.ndarray):
                array = np.concatenate([getattr(part, name) for part in parts])
                whole = replace(whole, **{name: array})
        joined.append(whole)
    told = {name for one in decisions for name in one.named}
    named = tuple(name for name in ("variant", "model_version") if name in told)
    return replace(joined[0], named=named), joined[1]
