"""A month played day by day: what both worlds share.

A world makes its month (`MonthPlan`): who comes when, what a decide is given, what follows from its
answers. `Month` hands out the days in order, so that the deployed thing may be exchanged, or a fault
repaired, between two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pandas as pd
from pandas import DataFrame

from helpers.worlds.play import (
    MONTHS,
    CannotPlay,
    answer_of,
    is_whole,
    require_function,
    require_next,
)


class MonthPlan(Protocol):
    """What a world knows of a month that is being played; `day` counts from 1, None is all of it.

    `record` is what the world keeps to itself, as it will be when the month is over or is repaired.
    """

    month: int
    days: int  # in this month
    record: Any

    def date(self, day: int) -> pd.Timestamp:
        """Return the date of a day; one beyond the last is the next month's first."""

    def given(self, day: int | None) -> Any:
        """Return what a decide is given: the requests, with what is known at their moment."""

    def take(self, day: int | None, answer: Any) -> None:
        """Serve the requests with an answer; CannotPlay, with nothing changed, if it breaks the contract."""

    def evening(self, day: int) -> dict[str, DataFrame]:
        """Return what the business has learnt since the evening before."""

    def close(self) -> tuple[Any, dict[str, DataFrame]]:
        """Return the record after the month, all of whose requests are served, and its tables."""


class World:
    """A business whose future is played month by month, at once or in days.

    Each business says how a month is planned (`_plan`), and that its record knows how it is repaired.
    """

    def __init__(self, record: Any, first_day: Callable[[int], pd.Timestamp]):
        self._record, self._first_day = record, first_day
        self._month, self._playing = None, False

    @property
    def next_month(self) -> int:
        """The month that is played next, or is being played, 1 to 12; 13 when the year is over."""
        return len(self._record.played) + 1

    def days(self, month: int) -> Month:
        """Begin a month that is played day by day, or return the one that has begun.

        Between two days another decide may be deployed, and a fault repaired.

        Parameters
        ----------
        month : 1 to 12, each once and in order.

        Returns
        -------
        The month: go through it with `for day in month`, and call `day.play(decide)` on each.

        Raises
        ------
        CannotPlay
            If the month is not the next one.
        """
        require_next(month, self.next_month, self._playing, type(self).__name__)
        if self._month is None:
            self._month = Month(self._plan(int(month)), self._finish)
        return self._month

    def repair(self, what: str) -> bool:
        """Ask the stage that is responsible to repair something: it works from the next day on.

        If nothing is wrong there, nothing changes. Each request stands in the `costs` of the month.

        Parameters
        ----------
        what : an incident's name, or the name of a table that looks wrong.

        Returns
        -------
        Whether something was found and repaired.

        Raises
        ------
        CannotPlay
            If there is no incident and no table of that name, the year is over, or `decide` asks.
        """
        _require_outside(self._playing)
        if self.next_month > MONTHS:
            raise CannotPlay(
                f"repairs work from the next day on, and the year is over after month {MONTHS}: "
                f"make a new {type(self).__name__}."
            )
        if self._month is not None:
            return self._month.repair(what)
        self._record, worked = self._record.repaired(what, self._first_day(self.next_month))
        return worked

    def _play(self, month, decide, example):
        """Play one month at once."""
        if self._month is not None and is_whole(month) and month == self.next_month:
            raise CannotPlay(
                f"month {month} is being played in days, {self._month.days_played} of them are over: "
                f"go on with for day in days({month})."
            )
        require_next(month, self.next_month, self._playing, type(self).__name__)
        require_function(decide, "decide", example)
        plan = self._plan(int(month))
        self._playing = True
        try:
            plan.take(None, answer_of(decide, plan.given(None), month))
        finally:
            self._playing = False
        # Nothing of the world has changed up to here: a month that fails can be played again.
        self._record, tables = plan.close()
        return tables

    def _finish(self, record):
        """Keep the record of a month whose last day is over."""
        self._record, self._month = record, None


class Day:
    """One day of a month that is being played.

    Attributes
    ----------
    number : 1 for the first of the month.
    date : its date.
    """

    def __init__(self, month: Month, number: int, date: pd.Timestamp):
        self.number, self.date, self._month = number, date, month

    def __repr__(self) -> str:
        return f"Day(number={self.number}, date={self.date:%Y-%m-%d})"

    @property
    def given(self) -> Any:
        """What a decide will be given: this day's requests, in order of time."""
        return self._month.given(self.number)

    def play(self, decide: Callable) -> dict[str, DataFrame]:
        """Let `decide` answer the requests of this day; return what the business knows by its evening.

        Parameters
        ----------
        decide : as for the world's `play`, but it is asked for this day only.

        Returns
        -------
        The tables of the world's `play`; of each the rows that have become known since the evening
        before. Over all evenings they are the rows of the month.

        Raises
        ------
        CannotPlay
            If the day is not the next one, or `decide` raises or breaks the contract. Nothing has
            happened then: the day can be played again.
        """
        return self._month.play_day(self.number, decide)


class Month:
    """A month that is being played day by day: go through it with `for day in month`.

    A loop that was left goes on, when it is started again, with the first day not yet played.

    Examples
    --------
    >>> from helpers.worlds import Operator
    >>> from helpers.worlds.operator import call_nobody
    >>> month = Operator(subscribers=50, seed=7).days(1)
    >>> scored = [len(day.play(call_nobody)["requests"]) for day in month]
    >>> len(scored), sum(scored) == len(month.tables["requests"])
    (30, True)
    """

    def __init__(self, plan: MonthPlan, finish: Callable[[Any], None]):
        self._plan, self._finish = plan, finish
        self._played, self._tables, self._playing = 0, None, False

    def __repr__(self) -> str:
        return f"Month(number={self.number}, days_played={self._played}, days={self._plan.days})"

    @property
    def number(self) -> int:
        """The month, 1 to 12."""
        return self._plan.month

    @property
    def days_played(self) -> int:
        """How many of its days are over."""
        return self._played

    @property
    def tables(self) -> dict[str, DataFrame]:
        """What `play` would have returned, when the last day is over.

        Raises
        ------
        CannotPlay
            If days are still to be played.
        """
        if self._tables is None:
            raise CannotPlay(
                f"the tables of month {self.number} are there when its {self._plan.days} days are "
                f"over; {self._played} have been played: play the others first."
            )
        return self._tables

    def __iter__(self) -> Iterator[Day]:
        before = 0
        # Another loop may have played some of the days.
        while (number := self._played + 1) <= self._plan.days:
            if number == before:
                raise CannotPlay(
                    f"each day is played before the next one comes; day {number} of month "
                    f"{self.number} was not: call day.play(decide) in the loop."
                )
            before = number
            yield Day(self, number, self._plan.date(number))

    def given(self, number: int) -> Any:
        """Return what a decide will be given on a day; only of the next one is it known."""
        self._require_next(number)
        return self._plan.given(number)

    def play_day(self, number: int, decide: Callable) -> dict[str, DataFrame]:
        """Play one day; see `Day.play`."""
        self._require_next(number)
        require_function(decide, "decide", "one that you pass to play")
        if self._playing:
            raise CannotPlay(
                f"decide was to return a table, but it played day {number} itself: take that call "
                "out of decide."
            )
        self._playing = True
        try:
            answer = answer_of(decide, self._plan.given(number), self.number)
            self._plan.take(number, answer)
        finally:
            self._playing = False
        evening = self._plan.evening(number)
        if number == self._plan.days:
            record, self._tables = self._plan.close()
            self._finish(record)
        self._played = number
        return evening

    def repair(self, what: str) -> bool:
        """Repair something from the next day on; see `World.repair`."""
        _require_outside(self._playing)
        if self._tables is not None:
            raise CannotPlay(
                f"repairs work from the next day on, and month {self.number} is over: call repair of "
                "the world."
            )
        plan = self._plan
        plan.record, worked = plan.record.repaired(what, plan.date(self._played + 1))
        return worked

    def _require_next(self, number):
        if number != self._played + 1:
            left = f"day {self._played + 1} is next" if self._tables is None else "all are over"
            raise CannotPlay(
                f"days are played once each and in order; got day {number} of month {self.number}, "
                f"and {left}: take the days from a loop, for day in month."
            )


def _require_outside(playing):
    """Raise CannotPlay if `decide` asks for a repair: it would work on requests already given."""
    if playing:
        raise CannotPlay(
            "decide was to return a table, but it called repair, which works between two days: take "
            "that call out of decide."
        )
