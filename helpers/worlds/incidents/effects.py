"""What incidents do to records: change, lose, add, rename or delay them, with a note of every row.

The tables of a month are laid into `MonthTables`; each incident works on the books, and `touches` keeps
what it did. The true tables are never written into.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.random import Generator
from pandas import DataFrame, Series

from helpers.worlds.incidents.kinds import Incident, Schedule, require_known, running
from helpers.worlds.service import HIT_A_VERSION

GIVEN = "given."  # before the name of a table that a decide gets otherwise than it is stored
MACHINE_SHARE = 0.3  # of the rows are written by the machine whose clock is behind
CALL_OUT_EUR = 400.0  # what it costs to look for a fault where there is none
COPY_STEP = 1_000_000  # between the id of a request and those of a robot's copies of it


class MonthTables:
    """The tables of a month on their way into storage, and what incidents did to them.

    Parameters
    ----------
    tables : name -> table; a table that is not there is passed over by every method.
    keys : name -> the columns that tell its rows apart.
    where : where and when the incidents happen, see `Systems`.

    Attributes
    ----------
    until : the moment from which on what is at work has been repaired; None for never.

    Examples
    --------
    >>> books = MonthTables({"orders": DataFrame({"order_id": [1, 2], "price_eur": [9.0, 5.0]})},
    ...               {"orders": ["order_id"]})
    >>> books.remove(Incident("full_disk", month=2), "orders", np.array([True, False]))
    >>> len(books.tables["orders"]), touched_rows(books.touches)["orders"]["change"].tolist()
    (1, ['removed'])
    """

    def __init__(
        self,
        tables: dict[str, DataFrame],
        keys: dict[str, list[str]],
        where=None,
    ):
        self.tables = dict(tables)
        self.touches: list[tuple[str, DataFrame]] = []
        self.until: pd.Timestamp | None = None
        self._keys, self._where = keys, where

    def __contains__(self, name: str) -> bool:
        return name in self.tables

    def change(self, one: Incident, name: str, column: str, rows, values) -> None:
        """Write `values` into a column, one for each row; only those where `rows` is True count.

        A row whose value stays the same is not touched.
        """
        if not self._has(name, column):
            return
        table = self.tables[name]
        values = pd.Series(values, index=table.index)
        rows = rows & self._before(name, table)
        alike = (table[column] == values) | (table[column].isna() & values.isna())
        rows = rows & ~alike.fillna(False).to_numpy(dtype=bool)
        self._note(one, name, table[rows], column, "changed", table.loc[rows, column])
        self.tables[name] = table.assign(**{column: table[column].where(~rows, values)})

    def remove(self, one: Incident, name: str, rows) -> None:
        """Lose the rows where `rows` is True."""
        if name in self:
            rows = rows & self._before(name, self.tables[name])
            self._note(one, name, self.tables[name][rows], "", "removed")
            self.tables[name] = self.tables[name][~rows].reset_index(drop=True)

    def add(self, one: Incident, name: str, rows: DataFrame) -> None:
        """Append rows of the table's own columns."""
        if name in self:
            rows = rows[self._before(name, rows)]
        if name in self and len(rows):
            self._note(one, name, rows, "", "added")
            self.tables[name] = pd.concat([self.tables[name], rows], ignore_index=True)

    def rename(self, one: Incident, name: str, old: str, new: str) -> None:
        """Give a column another name: every row is changed, at the column of the old name."""
        if self._has(name, old):
            table = self.tables[name]
            self._note(one, name, table, old, "changed", table[old])
            self.tables[name] = table.rename(columns={old: new})

    def add_column(self, one: Incident, name: str, column: str, values) -> None:
        """Append a column that should not be there: something is added to every row."""
        if name in self and (self.until is None or self.until > self._where.now):
            self._note(one, name, self.tables[name], column, "added")
            self.tables[name] = self.tables[name].assign(**{column: values})

    def _before(self, name, rows):
        """Return which rows were written before what is at work was repaired."""
        if self.until is None:
            return np.ones(len(rows), dtype=bool)
        return (self._where.moments(name.removeprefix(GIVEN), rows) < self.until).to_numpy()

    def _has(self, name, column):
        return name in self and column in self.tables[name]

    def _note(self, one, name, rows, column, change, true=None):
        """Keep the keys of the rows touched, and what was there."""
        if len(rows):
            notes = rows[self._keys[name.removeprefix(GIVEN)]].assign(
                incident=one.name, column=column, change=change, true_value=true
            )
            self.touches.append((name, notes))


@dataclass(frozen=True)
class Systems:
    """What incidents do to the systems of one business.

    Where and when they happen is an object with `month`, `start` and `end` (of a month of the business),
    `now` (the last moment that the tables are about), `served` (the version that served last, "" for
    none yet), `hits` (incident -> the version it hits) and `moments(name, rows)`: when rows were written.

    Attributes
    ----------
    keys : table -> the columns that tell its rows apart.
    late : the tables that a label delay holds back.
    names : (table, column, its other name) in the order in which columns are renamed.
    concerned : incident -> what it concerns, in words; {share}, {machine} and {some} are filled in.
    repairs : incident that can be repaired -> the tables where it shows.
    steps, given_steps : incident -> what it does to the books of what is stored, or given to a
        decide, in the order in which they work; columns get other names last of all.
    since : incident -> the moment at which it begins, where that is not the month's first.
    """

    keys: Mapping[str, list[str]]
    late: tuple[str, ...]
    names: tuple[tuple[str, str, str], ...]
    concerned: Mapping[str, str]
    repairs: Mapping[str, tuple[str, ...]]
    steps: Mapping[str, Callable]
    given_steps: Mapping[str, Callable]
    since: Mapping[str, Callable]

    def stored(
        self, schedule: Schedule, where, tables: dict[str, DataFrame], held: Mapping[str, DataFrame]
    ) -> tuple[MonthTables, dict[str, DataFrame]]:
        """Return the books that the systems keep of the tables, and the labels held back.

        Parameters
        ----------
        where : the month the tables are of.
        tables : as they truly are, any of those in `keys`.
        held : the labels that earlier months held back.
        """
        books, held = MonthTables(tables, self.keys, where), dict(held)
        late = schedule.get("label_delay")
        if late and where.month >= late.month:
            books.until = schedule.repaired.get(late.name)
            for name in [name for name in self.late if name in books]:
                held[name] = delay(books, late, name, where.month, where.now, held.get(name))
        for one in running(schedule, where.month, self.steps):
            books.until = schedule.repaired.get(one.name)
            self.steps[one.name](books, one, where)
        for one in _unrepaired(schedule, where, ["renamed_column"]):
            for renamed in self.names[: int(one.size)]:
                books.rename(one, *renamed)
        return books, held

    def given(self, schedule: Schedule, where, tables: dict[str, DataFrame]) -> MonthTables:
        """Return the books of what a decide is given, made of what is stored.

        What hits a version does not reach another one that serves: its inputs are right from the day
        after its first answers.
        """
        books = MonthTables({GIVEN + name: table for name, table in tables.items()}, self.keys)
        for one in _unrepaired(schedule, where, self.given_steps):
            spared = one.name in HIT_A_VERSION and where.served != where.hits.get(
                one.name, where.served
            )
            if not spared:
                self.given_steps[one.name](books, one, where)
        return books

    def repair(
        self,
        schedule: Schedule,
        onsets: Mapping[str, pd.Timestamp],
        what: str,
        moment: pd.Timestamp,
        month: int,
    ) -> tuple[Schedule, dict[str, object]]:
        """Repair what is wrong under the name of an incident or of a table, from `moment` on.

        Parameters
        ----------
        schedule, onsets : what happens in this world, and when each incident begins to show.
        what : an incident's name, or a table's.
        moment : the start of the next day, which lies in `month`.

        Returns
        -------
        The schedule from then on, and the row of `costs`: `asked_on`, `asked`, `worked`, `cost_eur`.

        Raises
        ------
        CannotPlay
            If there is no incident and no table of that name.
        """
        require_known(what, list(self.keys))
        wrong = [
            one.name
            for one in running(schedule, month, self.repairs)
            if what in (one.name, *self.repairs[one.name])
            and onsets[one.name] < moment
            and one.name not in schedule.repaired
        ]
        for name in wrong:
            schedule = schedule.repair(name, moment)
        cost = {
            "asked_on": moment - pd.Timedelta(days=1),
            "asked": what,
            "worked": bool(wrong),
            "cost_eur": 0.0 if wrong else CALL_OUT_EUR,
        }
        return schedule, cost

    def old_names(self, schedule: Schedule, month: int) -> dict[str, str]:
        """Return the columns that have another name in `month`: new name -> old name."""
        running_now = running(schedule, month, ["renamed_column"])
        return {new: old for one in running_now for _, old, new in self.names[: int(one.size)]}

    def onset(self, one: Incident, where) -> pd.Timestamp:
        """Return when an incident, whose first month is `where`, begins to show."""
        return self.since[one.name](one, where) if one.name in self.since else where.start

    def affected(self, one: Incident, some: list[str]) -> str:
        """Return what an incident concerns, in words: `some` brands or towers among it."""
        renamed = ", ".join(f"{table}.{old}" for table, old, _ in self.names[: int(one.size)])
        return self.concerned.get(one.name, renamed).format(
            some=", ".join(some), share=f"{100 * one.size:.3g} %", machine=f"{MACHINE_SHARE:.0%}"
        )


def _unrepaired(schedule, where, names):
    """Return those of the named incidents that are on and not repaired as of `where.now`."""
    found = running(schedule, where.month, names)
    return [
        one for one in found if not schedule.repaired.get(one.name, pd.Timestamp.max) <= where.now
    ]


def cost_table(costs: tuple[dict, ...]) -> DataFrame:
    """Return the repairs that were asked for: `asked_on`, `asked`, `worked`, `cost_eur`.

    Examples
    --------
    >>> cost_table(()).columns.tolist()
    ['asked_on', 'asked', 'worked', 'cost_eur']
    """
    kinds = {"asked_on": "datetime64[s]", "asked": "str", "worked": bool, "cost_eur": float}
    columns = {name: pd.Series([one[name] for one in costs], dtype=kinds[name]) for name in kinds}
    return DataFrame(columns)


def full_from(one: Incident, where) -> pd.Timestamp:
    """Return the moment of the month at which the disk is full."""
    return (where.end - one.size * (where.end - where.start)).ceil("s")


def touched_rows(touches: list[tuple[str, DataFrame]]) -> dict[str, DataFrame]:
    """Return what was touched, one table a table.

    Returns
    -------
    The key columns, `incident`, `column` (empty for a whole row), `change` ("changed", "removed" or
    "added") and `true_value` (text; missing where it is missing, and unless changed).
    """
    texts: dict[str, list] = {}
    for name, notes in touches:
        notes = notes.assign(true_value=_text(notes["true_value"]))
        texts.setdefault(name, []).append(notes)
    return {name: pd.concat(some, ignore_index=True) for name, some in texts.items()}


def double_delivery(books: MonthTables, one: Incident, name: str, lots: np.ndarray) -> None:
    """Deliver a share of the rows of a table twice: those whose lot in [0, 1) is below the size."""
    if name in books:
        books.add(one, name, books.tables[name][lots < one.size])


def copies(size: float, lots: np.ndarray) -> np.ndarray:
    """Return how many copies a robot makes of each request: `size` on average.

    Examples
    --------
    >>> copies(1.3, np.array([0.2, 0.4])).tolist()
    [2, 1]
    """
    return int(size) + (lots < size % 1)


def clock_behind(books: MonthTables, one: Incident, name: str, column: str, rows) -> None:
    """Set the time in `column` back by the hours of the incident, in the rows of one machine."""
    if name in books:
        times = books.tables[name][column]
        books.change(one, name, column, rows, times - _seconds(3_600 * one.size))


def delay(
    books: MonthTables,
    one: Incident,
    name: str,
    month: int,
    now: pd.Timestamp,
    held: DataFrame | None,
) -> DataFrame:
    """Hold back what becomes known in `month`, and deliver what was held back and is due.

    Parameters
    ----------
    books : with the rows that became known, and when, in `known_at`.
    one : each month from its first to its last one adds its size, in days.
    now : the last moment that the books are about.
    held : what earlier months held back.

    Returns
    -------
    What is held back from now on.
    """
    months = month - one.month + 1 if month <= one.until else 0
    table = books.tables[name]
    known = table["known_at"]
    in_time = known >= (books.until or pd.Timestamp.max)
    late = known.where(in_time, known + _seconds(86_400 * one.size * months))
    waits = (late > now).to_numpy()
    later = table.assign(known_at=late)[waits]
    if months:
        books.change(one, name, "known_at", ~waits, late)
        books.remove(one, name, waits)
    held = later if held is None else pd.concat([held, later])
    due = (held["known_at"] <= now).to_numpy()
    books.until = None  # what was held back comes, repaired or not
    books.add(one, name, held[due])
    table = books.tables[name].sort_values("known_at", kind="stable", ignore_index=True)
    books.tables[name] = table
    return held[~due]


def chosen_first(count: int, share: float, rng: Generator) -> np.ndarray:
    """Return which of `count` sources are concerned, at least one; more of them for a larger share.

    Examples
    --------
    >>> rng = lambda: np.random.default_rng(7)
    >>> few, more = chosen_first(10, 0.2, rng()), chosen_first(10, 0.5, rng())
    >>> len(few), len(more), set(few.tolist()) <= set(more.tolist())
    (2, 5, True)
    """
    return np.sort(rng.permutation(count)[: max(1, round(share * count))])


def _seconds(count):
    return np.timedelta64(round(count), "s")


def _text(values: Series) -> Series:
    """Write values as text, each by itself: a time always with its hour."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.strftime("%Y-%m-%d %H:%M:%S").astype("str")
    return values.astype("str")
