"""Who visits the beauty shop when, and what it showed before it had a recommender."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from scipy.special import ndtri

from helpers.worlds.play import MONTHS, luck
from helpers.worlds.shop.behaviour import State, expected_visits
from helpers.worlds.shop.market import Market, Products, day_of, stream

LIST_LENGTH = 10
_WEEKDAYS = np.array([0.95, 1.11, 1.11, 1.11, 1.0, 0.82, 0.82])  # Monday first
# The old shop window drew from so many bestsellers, new arrivals and others.
_BESTSELLERS, _ARRIVALS, _OTHERS = 30, 10, 20


@dataclass(frozen=True)
class Visits:
    """Sessions of a month as arrays: one entry a session, in order of time."""

    month: int
    session_id: np.ndarray
    who: np.ndarray
    number: np.ndarray  # of the customer's visit in the month, from 0
    second: np.ndarray  # since the first second of history

    @property
    def day(self) -> np.ndarray:
        return self.second // 86_400

    def part(self, rows) -> Visits:
        """Return some of the sessions."""
        arrays = [getattr(self, field.name)[rows] for field in fields(self)[1:]]
        return Visits(self.month, *arrays)

    def luck(self, seed: int, purpose: str, keys: np.ndarray | int = 0) -> np.ndarray:
        """Return numbers in [0, 1) that belong to customer and visit, and to further keys.

        They stay the same whatever is shown and whoever else comes; with `keys` of several columns,
        such as products, there is one for each.
        """
        who, number = self.who, self.number
        if np.ndim(keys) == 2:
            who, number = who[:, None], number[:, None]
        return luck(seed, self.month, purpose, who, number, keys)


def draw_visits(market: Market, state: State, month: int) -> Visits:
    """Draw the month's sessions, in order of time; their ids go on from month to month.

    Whoever is expected more often comes at the same times, and at others.
    """
    seed, rates = market.seed, expected_visits(market, state, month)
    counts = _counts(rates, luck(seed, month, "visits", np.arange(len(rates))))
    who = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(who)) - np.repeat(counts.cumsum() - counts, counts)
    days = np.arange(day_of(month), day_of(month + 1))
    # The first day of history was a Sunday.
    weight = _WEEKDAYS[(days + 6) % 7]
    edges = weight.cumsum() / weight.sum()
    drawn = np.searchsorted(edges, luck(seed, month, "day", who, number))
    day = days[np.minimum(drawn, len(days) - 1)]
    hour = np.clip(16 + 4 * ndtri(luck(seed, month, "hour", who, number)), 0, 23.999)
    second = day * 86_400 + (hour * 3_600).astype(int)
    order = np.argsort(second, kind="stable")
    order = order[day[order] >= market.people.joined[who[order]]]
    first = (month + MONTHS - 1) * 10_000_000 + 1
    session_id = first + np.arange(len(order))
    return Visits(month, session_id, who[order], number[order], second[order])


def _counts(rates, luck):
    """Return Poisson counts of these rates: the inverse of the distribution at `luck`."""
    counts, chance = np.zeros(len(rates), dtype=int), np.exp(-rates)
    below, open_ = chance.copy(), np.arange(len(rates))
    for count in range(1, 1_000):
        open_ = open_[luck[open_] >= below[open_]]
        if len(open_) == 0:
            break
        counts[open_] = count
        chance[open_] *= rates[open_] / count
        below[open_] += chance[open_]
    return counts


def ten_at_random(count: int, *lots: np.ndarray) -> np.ndarray:
    """Return ten different places from 0 to `count` - 1 for each row of two tables of luck.

    Source
    ------
    Floyd's algorithm for samples, then a shuffle (Bentley & Floyd 1987).
    """
    chosen = np.empty(lots[0].shape, dtype=int)
    for place, last in enumerate(range(count - LIST_LENGTH, count)):
        drawn = (lots[0][:, place] * (last + 1)).astype(int)
        taken = (chosen[:, :place] == drawn[:, None]).any(axis=1)
        chosen[:, place] = np.where(taken, last, drawn)
    return np.take_along_axis(chosen, np.argsort(lots[1], axis=1, kind="stable"), axis=1)


def old_window(products: Products, ranked: np.ndarray, visits: Visits, seed: int) -> np.ndarray:
    """Return what the shop showed before it had a recommender: sessions x 10 product places.

    Parameters
    ----------
    ranked : as `bestsellers` returns them.
    """
    rng = stream(seed, visits.month, "window")
    best, rest = ranked[:_BESTSELLERS], ranked[_BESTSELLERS:]
    newest = np.argsort(-products.launched[rest], kind="stable")
    arrivals, rest = rest[newest[:_ARRIVALS]], rest[newest[_ARRIVALS:]]
    pool = np.concatenate([best, arrivals, rng.permutation(rest)[:_OTHERS]])
    shown = np.empty((len(visits.who), LIST_LENGTH), dtype=int)
    for start in range(0, len(shown), 100_000):
        rows = shown[start : start + 100_000]
        keys = rng.random((len(rows), len(pool)), dtype=np.float32)
        rows[:] = pool[np.argsort(keys, axis=1, kind="stable")[:, :LIST_LENGTH]]
    return shown


def bestsellers(products: Products, sold: np.ndarray, month: int) -> np.ndarray:
    """Return the products on sale on the first day of `month`, those that sold best first."""
    on_sale = np.flatnonzero(products.launched < day_of(month))
    return on_sale[np.argsort(-sold[on_sale], kind="stable")]
