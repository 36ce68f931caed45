"""The beauty shop: a seeded business with a past to learn from and a future that answers back.

`Shop.history()` is the past year as tables. `Shop.play(month, decide)` plays one month of the
future against a recommender and returns what the business sees. What it does not see is in
`helpers.worlds.shop_truth`. October is month 1: the sun-care season turns in month 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds import shop_behaviour as behaviour
from helpers.worlds import shop_records as records
from helpers.worlds.play import CannotPlay
from helpers.worlds.shop_market import (
    HISTORY_STARTS,
    MONTHS,
    SCORED_FROM,
    Customers,
    Products,
    day_of,
    draw_customers,
    draw_products,
    stream,
)

LIST_LENGTH = 10
_WEEKDAYS = np.array([0.95, 1.11, 1.11, 1.11, 1.0, 0.82, 0.82])  # Monday first
_DRAW_FROM = 60  # the old shop window drew from so many products


@dataclass(frozen=True)
class Context:
    """What a deployed recommender sees when a month starts.

    `sessions` has one row a session of the month (`session_id`, `customer_id`, `started_at`),
    `products` is the catalogue on sale on the first day, `on`; the other fields count.
    """

    month: int
    on: pd.Timestamp
    sessions: DataFrame
    products: DataFrame
    k: int = LIST_LENGTH


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


class Shop:
    """A beauty shop with `customers` customers and `products` products on sale in month 1.

    Parameters
    ----------
    customers : at least 1.
    products : on sale when the future starts, at least 10: a list shows ten different ones.
    seed : at least 0; the same seed gives the same tables, byte for byte.

    Raises
    ------
    CannotPlay
        If a size is too small or no whole number.

    Examples
    --------
    >>> shop = Shop(customers=60, products=40, seed=7)
    >>> sorted(shop.history())[:4]
    ['clicks', 'complaints', 'customers', 'feedback']
    >>> first_ten = lambda context: context.sessions[["session_id"]].merge(
    ...     context.products[["product_id"]].head(10).assign(rank=range(1, 11)), how="cross")
    >>> seen = shop.play(1, first_ten)
    >>> int(seen["impressions"]["rank"].max()), shop.next_month
    (10, 2)
    """

    def __init__(self, customers: int = 3_500, products: int = 300, seed: int = 7):
        _require_whole("customers", customers, 1, "the people who may visit")
        _require_whole("products", products, LIST_LENGTH, "a list shows ten different products")
        _require_whole("seed", seed, 0, "it numbers the shop's random draws")
        self.seed = int(seed)
        self._products: Products = draw_products(int(products), self.seed)
        self._customers: Customers = draw_customers(int(customers), self._products, self.seed)
        self._state = behaviour.State(
            last_bought=np.full(self._customers.needs.shape, -np.inf),
            favourites=self._customers.favourites,
        )
        self._pending: dict[str, DataFrame] = {}
        self._played: dict[int, tuple] = {}  # month -> (visits, state before, found), for the truth
        self._history = self._live_through_history()

    @property
    def next_month(self) -> int:
        """The month that `play` expects next, 1 to 12; 13 when the year is over."""
        return max(self._played, default=0) + 1

    def history(self) -> dict[str, DataFrame]:
        """Return the year before month 1 as tables with true dates.

        Returns
        -------
        customers (`customer_id`, `age`, `skin_type` as stated, `joined_on`), products (on sale
        before month 1), and the tables of `play`, each over twelve months. The lists shown were
        the old shop window: ten of sixty products, bestsellers and others, in random order.
        """
        return {
            "customers": self._customers.public.copy(),
            "products": self.products(1),
            **{name: table.copy() for name, table in self._history.items()},
        }

    def products(self, month: int) -> DataFrame:
        """Return the catalogue on the first day of `month`, 1 to 12.

        From month 9 it has the column `sustainability`, a third party's score of 0 to 100.
        """
        _require_month(month)
        catalogue = self._catalogue(month)
        if month >= SCORED_FROM:
            score = 100 * self._products.green[: len(catalogue)]
            catalogue["sustainability"] = np.rint(score).astype(int)
        return catalogue

    def play(self, month: int, decide: Callable[[Context], DataFrame]) -> dict[str, DataFrame]:
        """Play one month of the future against `decide` and return what the business sees.

        Parameters
        ----------
        month : 1 to 12, each once and in order.
        decide : called once, with the month's `Context`; returns `session_id`, `product_id` and
            `rank` 1 to 10 (ten different products on sale for each session), and if it likes
            `score` and `propensity`, which are kept in the impressions.

        Returns
        -------
        sessions, impressions, clicks, orders (one row a product; `channel` tells what was shown
        from what the customer searched for), returns, ratings, feedback (the answer of some to
        "did you find something you want?", with free text), complaints, telemetry (one request a
        session). Rows of returns, ratings and complaints arrive in the month of `known_at`,
        which may be months after the order.

        Raises
        ------
        CannotPlay
            If the month is not the next one, or `decide` raises or breaks the contract. Nothing
            has happened then: the month can be played again.
        """
        _require_month(month)
        if month != self.next_month:
            wish = f"play month {self.next_month} next" if self.next_month <= MONTHS else "make a new Shop"  # fmt: skip
            raise CannotPlay(
                f"months are played once each and in order, so month {self.next_month} was "
                f"expected; got {month}: {wish}."
            )
        context, visits = self._context(month)
        shown, extras = self._ask(decide, context)
        return self._happen(month, visits, shown, extras)

    def _context(self, month):
        visits = _draw_visits(self._customers, month, self.seed)
        on = pd.Timestamp(HISTORY_STARTS + day_of(month))
        sessions = records.sessions_table(visits)
        return Context(month, on, sessions, self.products(month)), visits

    def _ask(self, decide, context):
        """Call `decide` on the context and return its lists, checked: sessions x 10, by rank."""
        count = len(context.sessions)
        first, last = context.sessions["session_id"].iloc[[0, -1]] if count else (1, 0)
        on_sale = len(context.products)
        try:
            answer = decide(context)
        except Exception as error:
            raise CannotPlay(
                f"decide was to return lists for month {context.month}, but it raised "
                f"{type(error).__name__}: {error}. Mend it and play month {context.month} again."
            ) from error
        return records.checked_lists(answer, int(first), int(last), on_sale)

    def _catalogue(self, month):
        on_sale = self._products.launched < day_of(month)
        return self._products.public[on_sale].copy()

    def _live_through_history(self):
        """Play the twelve months before month 1 with the old shop window; return the tables."""
        sold = np.zeros(len(self._products.launched))
        months = []
        for month in range(1 - MONTHS, 1):
            visits = _draw_visits(self._customers, month, self.seed)
            shown = _old_window(self._products, sold, visits, self.seed)
            tables = self._happen(month, visits, shown, {})
            sold = 0.7 * sold + np.bincount(tables["orders"]["product_id"] - 1, minlength=len(sold))
            months.append(tables)
        return {
            name: pd.concat([tables[name] for tables in months], ignore_index=True)
            for name in months[0]
        }

    def _happen(self, month, visits, shown, extras):
        """Let the customers see `shown` and live through the month; keep what it leaves behind."""
        people, products, state = self._customers, self._products, self._state
        draw = lambda purpose: stream(self.seed, month, purpose)  # noqa: E731
        who, day = visits.who, visits.day
        needs = behaviour.need_weights(people, state, who, day, month)
        category = behaviour.pick(needs, draw("needs"))
        worth = behaviour.utility(people, products, state, who[:, None], shown, day[:, None], month)
        matches = products.category[shown] == category[:, None]
        chance = behaviour.wanted_chance(people, worth, who[:, None])
        luck = behaviour.fixed_chance(self.seed, visits.session_id[:, None], shown)
        wanted = matches & (luck < chance)
        clicked = behaviour.look_and_click(matches, wanted, draw("clicks"))
        bought = _bought(clicked & wanted, worth, draw("buying"))
        baskets = self._fill_baskets(visits, shown, bought, category, draw("baskets"), state)
        rating = behaviour.stars(people, products, baskets["who"], baskets["what"], draw("stars"))
        found = wanted.any(axis=1)
        tables = records.month_tables(
            visits, shown, extras, clicked, baskets, rating, found, category, products, draw
        )
        tables, pending = records.deliver(tables, self._pending, month)
        after = behaviour.after_month(
            state, baskets["who"], baskets["what"], baskets["day"], rating >= 4, products,
            draw("favourites"),
        )  # fmt: skip
        if month >= 1:
            self._played[month] = (visits, state, found)
        self._state, self._pending = after, pending
        return tables

    def _fill_baskets(self, visits, shown, bought, category, rng, state):
        """Return the products bought: from the list, by searching, and in pairs."""
        people, products, month = self._customers, self._products, visits.month
        from_list = np.where(bought >= 0, shown[np.arange(len(shown)), bought], -1)
        goes_on = (bought < 0) & behaviour.searches(len(shown), rng)
        looks_for = np.where(goes_on, category, -1)
        found = behaviour.search(people, products, state, visits.who, looks_for, visits.day, month, rng)  # fmt: skip
        main = np.where(from_list >= 0, from_list, found)
        second = np.where(main >= 0, behaviour.partners(category, rng), -1)
        pair = behaviour.search(people, products, state, visits.who, second, visits.day, month, rng, main)  # fmt: skip
        session = np.concatenate([np.flatnonzero(main >= 0), np.flatnonzero(pair >= 0)])
        what = np.concatenate([main[main >= 0], pair[pair >= 0]])
        by_list = np.concatenate([from_list[main >= 0] >= 0, np.zeros((pair >= 0).sum(), bool)])
        order = np.argsort(session, kind="stable")
        session = session[order]
        return {
            "session": session,
            "who": visits.who[session],
            "what": what[order],
            "day": visits.day[session],
            "by_list": by_list[order],
        }


def serve(recommend: Callable) -> Callable[[Context], DataFrame]:
    """Make a `decide` of a recommender's `recommend(customer_ids, k, on)`, a list a customer.

    Every session of a customer in the month shows the list made on the month's first day.

    Examples
    --------
    >>> def recommend(customer_ids, k, on=None):
    ...     ranks = DataFrame({"product_id": range(1, k + 1), "rank": range(1, k + 1)})
    ...     return DataFrame({"customer_id": customer_ids}).merge(ranks, how="cross")
    >>> seen = Shop(customers=60, products=40, seed=7).play(1, serve(recommend))
    >>> list(seen["impressions"].columns)
    ['session_id', 'product_id', 'rank']
    """

    def decide(context: Context) -> DataFrame:
        customers = context.sessions["customer_id"].unique()
        lists = recommend(customers, context.k, context.on)
        sessions = context.sessions[["session_id", "customer_id"]]
        return sessions.merge(lists, on="customer_id").drop(columns="customer_id")

    return decide


def _draw_visits(people, month, seed):
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


def _old_window(products, sold, visits, seed):
    """Return what the shop showed before it had a recommender: sessions x 10 product places."""
    rng = stream(seed, visits.month, "window")
    on_sale = np.flatnonzero(products.launched < day_of(visits.month))
    ranked = on_sale[np.argsort(-sold[on_sale], kind="stable")]
    best = ranked[: _DRAW_FROM // 2]
    others = rng.permutation(ranked[_DRAW_FROM // 2 :])[: _DRAW_FROM // 2]
    pool = np.concatenate([best, others])
    shown = np.empty((len(visits.who), LIST_LENGTH), dtype=int)
    for start in range(0, len(shown), 100_000):
        rows = shown[start : start + 100_000]
        keys = rng.random((len(rows), len(pool)), dtype=np.float32)
        rows[:] = pool[np.argsort(keys, axis=1, kind="stable")[:, :LIST_LENGTH]]
    return shown


def _bought(likes, worth, rng):
    """Return the place in the list that each session buys, -1 for nothing: the best liked."""
    best = np.where(likes, worth, -np.inf).argmax(axis=1)
    buys = likes.any(axis=1) & (rng.random(len(likes)) < 0.7)
    return np.where(buys, best, -1)


def _require_whole(name, value, least, why):
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least:
        raise CannotPlay(
            f"{name} has to be a whole number of at least {least} ({why}); got {value!r}: "
            f"try Shop(customers=3_500, products=300, seed=7)."
        )


def _require_month(month):
    whole = isinstance(month, int | np.integer) and not isinstance(month, bool)
    if not whole or not 1 <= month <= MONTHS:
        raise CannotPlay(
            f"month has to be a whole number from 1 to {MONTHS}; got {month!r}: "
            "play months 1 to 12, in order."
        )
