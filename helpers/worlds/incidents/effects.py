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

from helpers.worlds.incidents.kinds import Incident, Schedule, running

TIMED_OUT_MS = 1000.0  # an answer that takes longer is not waited for
GIVEN = "given."  # before the name of a table that a decide gets otherwise than it is stored
MACHINE_SHARE = 0.3  # of the rows are written by the machine whose clock is behind


class MonthTables:
    """The tables of a month on their way into storage, and what incidents did to them.

    Parameters
    ----------
    tables : name -> table; a table that is not there is passed over by every method.
    keys : name -> the columns that tell its rows apart.

    Examples
    --------
    >>> books = MonthTables({"orders": DataFrame({"order_id": [1, 2], "price_eur": [9.0, 5.0]})},
    ...               {"orders": ["order_id"]})
    >>> books.remove(Incident("full_disk", month=2), "orders", np.array([True, False]))
    >>> len(books.tables["orders"]), touched_rows(books.touches)["orders"]["change"].tolist()
    (1, ['removed'])
    """

    def __init__(self, tables: dict[str, DataFrame], keys: dict[str, list[str]]):
        self.tables = dict(tables)
        self.touches: list[tuple[str, DataFrame]] = []
        self._keys = keys

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
        alike = (table[column] == values) | (table[column].isna() & values.isna())
        rows = rows & ~alike.fillna(False).to_numpy(dtype=bool)
        self._note(one, name, table[rows], column, "changed", table.loc[rows, column])
        self.tables[name] = table.assign(**{column: table[column].where(~rows, values)})

    def remove(self, one: Incident, name: str, rows) -> None:
        """Lose the rows where `rows` is True."""
        if name in self:
            self._note(one, name, self.tables[name][rows], "", "removed")
            self.tables[name] = self.tables[name][~rows].reset_index(drop=True)

    def add(self, one: Incident, name: str, rows: DataFrame) -> None:
        """Append rows of the table's own columns."""
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
        if name in self:
            self._note(one, name, self.tables[name], column, "added")
            self.tables[name] = self.tables[name].assign(**{column: values})

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

    Where and when they happen is an object with `month`, `start` and `end`, a month of the business.

    Attributes
    ----------
    keys : table -> the columns that tell its rows apart.
    late : the tables that a label delay holds back.
    names : (table, column, its other name) in the order in which columns are renamed.
    concerned : incident -> what it concerns, in words; {share}, {machine} and {some} are filled in.
    steps, given_steps : incident -> what it does to the books of what is stored, or given to a
        decide, in the order in which they work; columns get other names last of all.
    since : incident -> the moment at which it begins, where that is not the month's first.
    """

    keys: Mapping[str, list[str]]
    late: tuple[str, ...]
    names: tuple[tuple[str, str, str], ...]
    concerned: Mapping[str, str]
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
        books, held = MonthTables(tables, self.keys), dict(held)
        late = schedule.get("label_delay")
        if late and where.month >= late.month:
            for name in [name for name in self.late if name in books]:
                held[name] = delay(books, late, name, where.month, where.end, held.get(name))
        for one in running(schedule, where.month, self.steps):
            self.steps[one.name](books, one, where)
        for one in running(schedule, where.month, ["renamed_column"]):
            for renamed in self.names[: int(one.size)]:
                books.rename(one, *renamed)
        return books, held

    def given(self, schedule: Schedule, where, tables: dict[str, DataFrame]) -> MonthTables:
        """Return the books of what a decide is given, made of what is stored."""
        books = MonthTables({GIVEN + name: table for name, table in tables.items()}, self.keys)
        for one in running(schedule, where.month, self.given_steps):
            self.given_steps[one.name](books, one, where)
        return books

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


def double_delivery(books: MonthTables, one: Incident, name: str, rng: Generator) -> None:
    """Deliver a share of the rows of a table twice."""
    if name in books:
        table = books.tables[name]
        books.add(one, name, table[rng.random(len(table)) < one.size])


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
    end: pd.Timestamp,
    held: DataFrame | None,
) -> DataFrame:
    """Hold back what becomes known in `month`, and deliver what was held back and is due.

    Parameters
    ----------
    books : with the rows that become known in `month`, and when, in `known_at`.
    one : each month from its first to its last one adds its size, in days.
    end : the first moment after the month.
    held : what earlier months held back.

    Returns
    -------
    What is held back from now on.
    """
    months = month - one.month + 1 if month <= one.until else 0
    table = books.tables[name]
    late = table["known_at"] + _seconds(86_400 * one.size * months)
    waits = (late >= end).to_numpy()
    later = table.assign(known_at=late)[waits]
    if months:
        books.change(one, name, "known_at", ~waits, late)
        books.remove(one, name, waits)
    held = later if held is None else pd.concat([held, later])
    due = (held["known_at"] < end).to_numpy()
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
