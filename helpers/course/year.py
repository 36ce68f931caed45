"""A year of the shop as a game: one page a month, one act a month, and a score at the end.

A game is its seed and the acts so far, one letter or table a month: so it is kept, shared and ranked as
one line, and whoever has the line can play it again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.course import BadInput
from helpers.files import write_whole
from helpers.lifecycle import Cause
from helpers.monitoring.watch import watch
from helpers.training.recommend import PersonalBestsellers
from helpers.worlds import Shop
from helpers.worlds.incidents import Incident
from helpers.worlds.incidents.shop import SYSTEMS
from helpers.worlds.play import MONTHS
from helpers.worlds.shop import serve
from helpers.worlds.traffic import as_version

MARGIN = 0.4  # of the turnover, what the shop keeps
LEAST_SPAN = 5_000.0  # EUR between doing nothing and the best
ACTS = {
    "w": ("wait", 0),
    "t": ("train on all that is known, and bring it out", 4_000),
    "c": ("the same, and the model knows the calendar", 6_000),
    "g": ("the same, and sustainability counts a quarter", 8_000),
    "d": ("deploy the same model anew", 1_000),
}
TABLES = tuple(sorted({table for tables in SYSTEMS.repairs.values() for table in tables}))
_OPTIONS = {"t": {}, "c": {"seasons": True}, "g": {"seasons": True, "sustainability": 0.25}}
_CUSTOMERS, _PRODUCTS = 2_500, 250
# One of each row happens, in another month each: name -> the sizes it can have.
_HAPPENS = (
    {"launch_wave": (0.08, 0.2)},
    {"error_rate": (0.15, 0.5), "bad_release": (0.3, 0.9), "slow_model": (30.0, 90.0)},
    {"dead_feed": (0.3, 0.6), "renamed_column": (1, 1), "clock_skew": (4.0, 9.0), "holiday": (0.3, 0.6)},
)  # fmt: skip


def happening(seed: int) -> list[Incident]:
    """Return the three things that happen in the year of a seed."""
    rng = np.random.default_rng([seed, *b"year"])
    first = int(rng.integers(2))  # new products come early enough to be worth an act
    places = [first, *rng.permutation([place for place in range(3) if place != first])]
    months = [2 + 3 * int(place) + int(rng.integers(3)) for place in places]
    drawn = []
    for kinds, month in zip(_HAPPENS, months, strict=True):
        name = str(rng.choice(list(kinds)))
        drawn.append(Incident(name, month, round(float(rng.uniform(*kinds[name])), 2)))
    return sorted(drawn, key=lambda one: one.month)


class Year:
    """A shop to which three unknown things happen within a year.

    Parameters
    ----------
    seed : a whole number from 0; it draws the shop and what happens.
    acts : what was done after month 1, 2, ...: a letter of `ACTS`, or a table to have repaired.

    Attributes
    ----------
    months : the tables of the months that are over, `products` and `customers` as stored included.
    eur : what the year has brought so far: the margin of the turnover less acts and repairs.
    notes : what came of the act before a month, "" where there is nothing to say.

    Raises
    ------
    BadInput
        If an act is none, or there are more than the year has.
    """

    def __init__(self, seed: int, acts: Sequence[str] = ()):
        self.seed, self.happening = seed, happening(seed)
        self.shop = Shop(_CUSTOMERS, _PRODUCTS, seed, self.happening)
        self.past, self.months, self.acts = self.shop.history(), [], []
        self.eur, self.notes, self._bring_out = 0.0, [""], 1
        self._model = PersonalBestsellers().fit(self.past["orders"], self.past["products"])
        self._live()
        for act in acts:
            self.act(act)

    @property
    def over(self) -> bool:
        """Whether all twelve months have been lived."""
        return len(self.months) == MONTHS

    def act(self, act: str) -> None:
        """Do one thing after the last month, and live the next one."""
        if self.over:
            raise BadInput(f"The year has {MONTHS} months, and all are over. Play another seed.")
        if act not in (*ACTS, *TABLES):
            raise BadInput(
                f"An act is one of {', '.join(ACTS)}, or a table to repair ({', '.join(TABLES)}); got {act!r}."
            )
        note = ""
        if act in TABLES:
            worked = self.shop.repair(act)
            note = f"{act}: {'found and repaired' if worked else 'nothing was wrong there'}"
        elif act != "w":
            note = self._renew(act)
        self.eur -= ACTS.get(act, ("", 0))[1]
        self.acts.append(act)
        self.notes.append(note)
        self._live()

    def _renew(self, act):
        """Bring a version out; return what went wrong with its training."""
        month, note = len(self.months) + 1, ""
        if act in _OPTIONS:
            orders = pd.concat([self.past["orders"], *(one["orders"] for one in self.months)])
            on = pd.Timestamp("2024-10-01") + pd.DateOffset(months=month - 1)
            try:
                self._model = PersonalBestsellers(**_OPTIONS[act]).fit(orders, self.shop.products(month), on=on)  # fmt: skip
            except ValueError as error:
                note = f"not trained, the old model stays: {error}"
        self._bring_out = month
        return note

    def _live(self):
        month = len(self.months) + 1
        decide = as_version(serve(self._model.recommend), str(self._bring_out))
        tables = self.shop.play(month, decide)
        self.eur += MARGIN * turnover(tables) - tables["costs"]["cost_eur"].sum()
        stored = {"products": self.shop.products(month), "customers": self.shop.customers(month)}
        self.months.append(tables | stored)

    def page(self) -> str:
        """Return what a team knows at the end of the month: figures beside the month before, and alarms."""
        month, now = len(self.months), self.months[-1]
        figures = DataFrame({"now": _figures(now)})
        if month > 1:
            figures.insert(0, "before", _figures(self.months[-2]))
        rang = watch([self.past, *self.months[:-1]], now)
        told = [
            f"  ! {one.what}, or {one.instead or 'nothing else'}: {one.because}" for one in rang[:3]
        ]
        said = now["complaints"]["text"].value_counts().head(2)
        lines = [f"Month {month} of {MONTHS} · seed {self.seed} · {self.eur:,.0f} EUR so far"]
        lines += [f"  ({self.notes[-1]})"] if self.notes[-1] else []
        lines += [figures.map("{:,.3f}".format).to_string(), *(told or ["  no alarm"])]
        lines += [f"  customers: {text!r} ({count})" for text, count in said.items()]
        return "\n".join(lines)

    def line(self) -> str:
        """Return the game as one line, to be shared."""
        return f"shop {self.seed}: {' '.join(self.acts)}"


def turnover(tables: dict[str, DataFrame]) -> float:
    """Return what was ordered in a month, in EUR."""
    return float(tables["orders"]["price_eur"].sum())


def _figures(tables):
    return pd.Series(
        {
            "found, of those who said": tables["feedback"]["found_something"].mean(),
            "visits": len(tables["sessions"]),
            "turnover, EUR": turnover(tables),
            "answered by a fallback": tables["telemetry"]["fallback"].mean(),
        }
    )


def cure(year: Year) -> str:
    """Return what somebody does after the last month who knows what has begun: the oracle's act."""
    for one in year.happening:
        wanted = _cure_of(one)
        if one.month <= len(year.months) and wanted not in year.acts[one.month - 1 :]:
            return wanted
    return "w"


def _cure_of(one):
    if one.name in SYSTEMS.repairs:
        return SYSTEMS.repairs[one.name][0]
    return {Cause.INFRASTRUCTURE: "d", Cause.DATA_INSUFFICIENT: "t"}.get(one.kind.cause, "w")


@cache
def bounds(seed: int) -> tuple[float, float]:
    """Return what a year brings with nothing done, and with the best that is known, in EUR.

    The best of three: cure each thing in the month after it began; that, and the calendar at once; the
    calendar alone.
    """
    nothing = Year(seed, ["w"] * (MONTHS - 1)).eur
    plans = [nothing]
    for first in ("", "c"):
        year = Year(seed, [first] if first else [])
        while not year.over:
            year.act(cure(year))
        plans.append(year.eur)
    plans.append(Year(seed, ["c", *["w"] * (MONTHS - 2)]).eur)
    return nothing, max(plans)


def score(year: Year) -> float:
    """Return 0 for doing nothing and 100 for the best that is known; it can be below and above.

    Where less than `LEAST_SPAN` was to be won, that counts 100: nobody is ranked by a few euro.
    """
    nothing, best = bounds(year.seed)
    return 100 * (year.eur - nothing) / max(best - nothing, LEAST_SPAN)


def read_line(text: str) -> Year:
    """Return the game that a line tells, played again.

    Raises
    ------
    BadInput
        If the line is none.
    """
    found = re.fullmatch(r"\s*shop (\d{1,9}):\s*([a-z ]*?)\s*", text)
    if not found:
        raise BadInput(f'A game is a line like "shop 7: w t w"; got {text[:60]!r}.')
    return Year(int(found[1]), found[2].split())


def saved(seed: int, folder: Path) -> Path:
    """Return the file that keeps the game of a seed."""
    return folder / f"shop-{seed}.txt"


def resume(seed: int, folder: Path) -> Year:
    """Return the game of a seed as it was left, or a new one."""
    path = saved(seed, folder)
    return read_line(path.read_text(encoding="utf-8")) if path.is_file() else Year(seed)


def save(year: Year, folder: Path) -> None:
    """Keep a game."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(saved(year.seed, folder), year.line() + "\n")


def ranking(lines: Sequence[str]) -> DataFrame:
    """Play games again and rank them.

    Parameters
    ----------
    lines : "NAME shop SEED: ACTS", one a player; the name is any text before "shop".

    Returns
    -------
    `player`, `seed`, `months`, `eur`, `score`, the best first.
    """
    rows = []
    for line in lines:
        name, found, rest = line.strip().rpartition("shop ")
        if not found:
            raise BadInput(f'A line is "NAME shop SEED: ACTS"; got {line[:60]!r}.')
        year = read_line(f"shop {rest}")
        points = score(year) if year.over else float("nan")
        rows.append((name.strip() or "nobody", year.seed, len(year.months), year.eur, points))
    table = DataFrame(rows, columns=["player", "seed", "months", "eur", "score"])
    return table.sort_values(["score", "eur"], ascending=False, ignore_index=True)
