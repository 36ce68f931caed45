"""Who visits the beauty shop when, and what it showed before it had a recommender."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.worlds.play import MONTHS
from helpers.worlds.shop.market import Customers, Products, day_of, stream

LIST_LENGTH = 10
_WEEKDAYS = np.array([0.95, 1.11, 1.11, 1.11, 1.0, 0.82, 0.82])  # Monday first
# The old shop window drew from so many bestsellers, new arrivals and others.
_BESTSELLERS, _ARRIVALS, _OTHERS = 30, 10, 20


@dataclass(frozen=True)
class Visits:
    """The sessions of a month as arrays: one entry a session, in order of time."""

    month: int
    session_id: np.ndarray
    who: np.ndarray
    second: np.ndarray  # since the first second of history

    @property
    def day(self) -> np.ndarray:
        return self.second // 86_400


def draw_visits(people: Customers, month: int, seed: int) -> Visits:
    """Draw the month's sessions, in order of time; their ids go on from month to month."""
    rng = stream(seed, month, "sessions")
    counts = rng.poisson(people.visits)
    who = np.repeat(np.arange(len(counts)), counts)
    days = np.arange(day_of(month), day_of(month + 1))
    # The first day of history was a Sunday.
    weight = _WEEKDAYS[(days + 6) % 7]
    edges = weight.cumsum() / weight.sum()
    day = days[np.minimum(np.searchsorted(edges, rng.random(len(who))), len(days) - 1)]
    hour = np.clip(rng.normal(16, 4, len(who)), 0, 23.999)
    second = day * 86_400 + (hour * 3_600).astype(int)
    order = np.argsort(second, kind="stable")
    first = (month + MONTHS - 1) * 10_000_000 + 1
    return Visits(month, first + np.arange(len(who)), who[order], second[order])


def old_window(products: Products, sold: np.ndarray, visits: Visits, seed: int) -> np.ndarray:
    """Return what the shop showed before it had a recommender: sessions x 10 product places."""
    rng = stream(seed, visits.month, "window")
    ranked = bestsellers(products, sold, visits.month)
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
