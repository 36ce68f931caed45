"""Blemishes as business data have them: drawn from the world's seed, written down when planted.

A table on its way into a file is a `Planting`: plain values as the file will hold them, and a log
with one line for every value, row or file that differs from the clean table behind it. No cell is
spoiled twice, and the key of a row is never spoiled, so that a repair can be compared with the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real

import numpy as np
import pandas as pd
from numpy.random import Generator
from pandas import DataFrame

from helpers.worlds.play import CannotPlay, plainly

COLUMNS = ["source", "place", "row", "column", "kind", "true", "written"]
# The share of cells (or rows, lines, files, runs of readings) that each kind spoils.
RATES = {
    "blank": 0.01,
    "bot": 0.03,
    "cents": 0.01,
    "cut line": 0.002,
    "currency": 0.05,
    "date format": 0.06,
    "decimal comma": 0.4,
    "disguised bot": 0.03,
    "drift": 0.2,
    "duplicate row": 0.01,
    "encoding": 0.75,
    "gap": 0.4,
    "local format": 0.3,
    "missing key": 0.02,
    "number as text": 0.02,
    "out of order": 0.01,
    "out of range": 0.005,
    "placeholder date": 0.005,
    "repeated event": 0.01,
    "repeated header": 0.3,
    "separator": 0.67,
    "skipped": 0.04,
    "spelling": 0.08,
    "spike": 0.002,
    "stale price": 0.02,
    "straight line": 0.03,
    "stuck": 0.3,
    "thousands separator": 0.4,
    "totals row": 0.5,
    "trailing comma": 0.003,
    "unit": 0.15,
    "whitespace": 0.03,
    "words": 0.25,
    "wrong scale": 0.03,
}


def stream(seed: int, month: int, purpose: str) -> Generator:
    """Return the random stream of one purpose in one month (-12 or later) of the sources.

    Examples
    --------
    >>> stream(7, 0, "sales").random() == stream(7, 0, "sales").random()
    True
    >>> stream(7, 0, "sales").random() == stream(7, 1, "sales").random()
    False
    """
    return np.random.default_rng([seed, month + 12, *b"sources", *purpose.encode()])


def checked_rates(blemishes: float, rates: Mapping[str, float] | None) -> dict[str, float]:
    """Return the share of each kind: `RATES`, changed by `rates`, times `blemishes`, at most 1.

    Raises
    ------
    CannotPlay
        If `blemishes` is no number from 0 to 10, or `rates` names an unknown kind or no share.

    Examples
    --------
    >>> checked_rates(0.5, {"gap": 1.0})["gap"], checked_rates(0, None)["blank"]
    (0.5, 0.0)
    """
    if not _is_number(blemishes) or not 0 <= blemishes <= 10:
        raise CannotPlay(
            "blemishes scales the usual rates and is a number from 0 (clean) to 10; got "
            f"{plainly(blemishes)}: write for instance blemishes=1.0."
        )
    if rates is not None and not isinstance(rates, Mapping):
        raise CannotPlay(
            "rates tells the share of some kinds of blemishes; got a "
            f'{type(rates).__name__}: write for instance rates={{"blank": 0.05}}.'
        )
    changed = dict(rates or {})
    for kind, share in changed.items():
        if kind not in RATES:
            raise CannotPlay(
                f"rates names kinds of blemishes, and {kind!r} is none of them: use "
                f"{', '.join(RATES)}."
            )
        if not _is_number(share) or not 0 <= share <= 1:
            raise CannotPlay(
                f"the rate of {kind!r} is a share from 0.0 to 1.0; got {plainly(share)}."
            )
    return {kind: min(1.0, share * blemishes) for kind, share in {**RATES, **changed}.items()}


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def plain(table: DataFrame) -> dict[str, np.ndarray]:
    """Return the columns as plain Python values: numbers, texts, flags, None for a missing value.

    A moment becomes ISO text; a column whose name ends in `_on` holds dates only.

    Examples
    --------
    >>> table = DataFrame({"at": pd.to_datetime(["2024-09-01 10:00"]), "age": pd.array([None], "Int64")})
    >>> {name: values.tolist() for name, values in plain(table).items()}
    {'at': ['2024-09-01T10:00:00'], 'age': [None]}
    """
    return {name: _plain_column(table[name]) for name in table.columns}


def _plain_column(column):
    """Return one column as plain values."""
    if column.dtype.kind == "M":
        unit = "D" if column.name.endswith("_on") else "s"
        values = np.datetime_as_string(column.to_numpy().astype(f"M8[{unit}]")).astype(object)
    else:
        values = column.astype(object).to_numpy().copy()
    values[column.isna().to_numpy()] = None
    return values


class Planting:
    """A table on its way into a source, with a log of what was spoiled.

    Parameters
    ----------
    source, place : the name of the source, and the file, table or endpoint that it is written to.
    values : the columns as plain values, see `plain`; changed in place.
    key : the column that names a row; it is never spoiled.
    rng : where the draws come from.
    rates : the share of each kind, see `checked_rates`.

    Examples
    --------
    >>> clean = DataFrame({"id": [1, 2], "city": ["Basel", "Bern"]})
    >>> sales = Planting("sales", "sales.csv", plain(clean), "id", stream(7, 0, "sales"), {"blank": 1})
    >>> sales.spoil("blank", "city", lambda values, rng: ["-"] * len(values))
    >>> sales.values["city"].tolist(), sales.log[0][2:]
    (['-', '-'], ('1', 'city', 'blank', 'Basel', '-'))
    """

    def __init__(self, source, place, values, key, rng, rates):
        self.source, self.place, self.key = source, place, key
        self.rng, self.rates = rng, rates
        self.values = values
        self.rows = [str(row) for row in values[key].tolist()]
        self.order = np.arange(len(self.rows))  # the rows as written: a copy or a gap changes it
        self.log: list[tuple] = []
        self._sound = {name: np.ones(len(self.rows), dtype=bool) for name in values}

    def spoil(self, kind: str, column: str, change: Callable) -> None:
        """Let `change(values, rng)` spoil a drawn share of the cells that are still sound."""
        drawn = self.rng.random(len(self.rows)) < self.rates[kind]
        if column in self.values:  # an incident may have renamed it
            self.replace(kind, column, drawn, change)

    def replace(self, kind: str, column: str, which: np.ndarray, change: Callable) -> None:
        """Let `change(values, rng)` spoil the sound cells at `which`; missing values stay missing."""
        values, sound = self.values[column], self._sound[column]
        places = np.flatnonzero(which & sound)
        places = places[[values[place] is not None for place in places]] if len(places) else places
        if not len(places):
            return
        changed = change(values[places].tolist(), self.rng)
        for place, new in zip(places.tolist(), changed, strict=True):
            true = values[place]
            if type(new) is not type(true) or new != true:
                self.note(kind, true, new, self.rows[place], column)
                values[place] = new
                sound[place] = False

    def copy_rows(self, kind: str = "duplicate row") -> None:
        """Write a drawn share of the rows twice, the copy a few rows further down."""
        drawn = np.flatnonzero(self.rng.random(len(self.rows)) < self.rates[kind])
        place = np.concatenate([self.order, drawn + 0.5 + self.rng.integers(0, 6, len(drawn))])
        rows = np.concatenate([self.order, drawn])
        self.order = rows[np.argsort(place, kind="stable")]
        for row in drawn.tolist():
            self.note(kind, "once", "twice", self.rows[row])

    def drop_rows(self, kind: str, which: np.ndarray) -> None:
        """Leave out the rows at `which`."""
        for row in np.flatnonzero(which).tolist():
            self.note(kind, "a row", "no row", self.rows[row])
        self.order = self.order[~which[self.order]]

    def swap_rows(self, kind: str = "out of order") -> None:
        """Let a drawn share of the rows come after the one that follows them."""
        drawn = np.flatnonzero(self.rng.random(max(0, len(self.order) - 1)) < self.rates[kind])
        drawn = drawn[np.diff(drawn, prepend=-9) > 1]
        for place in drawn.tolist():
            first, second = self.order[place], self.order[place + 1]
            if first != second:
                self.order[place], self.order[place + 1] = second, first
                self.note(kind, "in order", "late", self.rows[first])

    def happens(self, kind: str) -> bool:
        """Draw whether a kind that concerns a whole file befalls this one."""
        return bool(self.rng.random() < self.rates[kind])

    def note(self, kind, true, written, row="", column="") -> None:
        """Write down one blemish."""
        self.log.append((self.source, self.place, row, column, kind, true, written))

    def written(self) -> dict[str, np.ndarray]:
        """Return the columns as they are written, rows copied or left out."""
        return {name: values[self.order] for name, values in self.values.items()}


def log_table(log: list[tuple]) -> DataFrame:
    """Return what was planted as a table, one row a blemish.

    Examples
    --------
    >>> log_table([]).columns.tolist()
    ['source', 'place', 'row', 'column', 'kind', 'true', 'written']
    """
    columns = list(zip(*log, strict=True)) or [()] * len(COLUMNS)
    texts = {name: pd.array(columns[n], dtype="str") for n, name in enumerate(COLUMNS[:5])}
    values = {name: pd.Series(columns[n], dtype=object) for n, name in enumerate(COLUMNS[5:], 5)}
    return DataFrame({**texts, **values})
