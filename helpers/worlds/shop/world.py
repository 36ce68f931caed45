"""The beauty shop: a seeded business with a past to learn from and a future that answers back.

`Shop.history()` is the past year as tables. `Shop.play(month, decide)` plays one month of the
future against a recommender and returns what the business sees. What it does not see is in
`helpers.worlds.shop.truth`. October is month 1: the sun-care season turns in month 6. What else
happens in the year is a list of incidents; `STORY` is the one that the lessons tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.days import World
from helpers.worlds.incidents import shop as incidents_here
from helpers.worlds.incidents.kinds import Incident, Schedule
from helpers.worlds.play import (
    MONTHS,
    luck,
    planned,
    require_function,
    require_month,
    require_number,
)
from helpers.worlds.shop import records as records
from helpers.worlds.shop import visits as shop_visits
from helpers.worlds.shop.behaviour import State, after_month
from helpers.worlds.shop.market import Market, day_of, draw_customers, draw_products
from helpers.worlds.shop.month import (
    Context,
    ShopMonth,
    ShopRecord,
    date,
    live,
    served_lists,
)
from helpers.worlds.shop.visits import LIST_LENGTH, ten_at_random

STORY = (Incident("launch_wave", month=2), Incident("new_goal", month=9))
# What happens in the lessons, by their number, so that their first cell does not give it away.
STORIES = {
    "00": STORY,
    "quiet": (),
    "02b": (Incident("new_goal", month=1), Incident("price_in_cents", month=2)),
    "02d": (*STORY, Incident("dead_feed", month=2)),
    "03a": (*STORY, Incident("remapped_code", month=1, size=0.3)),
    "03c": (*STORY, Incident("clock_skew", month=1), Incident("double_delivery", month=1)),
    "05f": (Incident("bad_release", month=2), Incident("holiday", month=3)),
    "06a": (Incident("dead_feed", month=2, size=0.7),),
    "06b": (Incident("promotion", month=2), Incident("season", month=4), Incident("price_rise", month=8)),
    "06c": (Incident("bad_release", month=2), Incident("price_in_cents", month=3), Incident("holiday", month=4), Incident("new_goal", month=5)),
    "07a": (*STORY, Incident("promotion", month=5), Incident("dead_feed", month=7, until=8), Incident("error_rate", month=11)),
}  # fmt: skip


class Shop(World):
    """A beauty shop with `customers` customers and `products` products on sale in month 1.

    Parameters
    ----------
    customers : at least 1.
    products : on sale when the future starts, at least 10: a list shows ten different ones.
    seed : at least 0; the same seed gives the same tables, byte for byte.
    incidents : what happens in the future beside the seasons, see `helpers.worlds.incidents.kinds`; an
        empty list for a quiet year. The history is the same whatever is planned.
    story : in their place the name of a story, one of `STORIES`.

    Raises
    ------
    CannotPlay
        If a size is too small or no whole number, an incident is not one of a shop, there is no
        such story, or both incidents and a story are given.

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

    def __init__(
        self,
        customers: int = 3_500,
        products: int = 300,
        seed: int = 7,
        incidents: Sequence[Incident] = STORY,
        story: str | None = None,
    ):
        require_number("customers", customers, 1, math.inf, 3_500)
        require_number("products", products, LIST_LENGTH, math.inf, 300)
        require_number("seed", seed, 0, math.inf, 7)
        self.seed = int(seed)
        schedule = Schedule(planned(incidents, story, STORY, STORIES), "shop")
        market = _market(int(products), int(customers), self.seed, schedule)
        self._history, record = _live_through_history(market)
        super().__init__(record, partial(date, day=1))

    @property
    def hidden(self) -> ShopRecord:
        """What the business cannot see, for `ShopTruth`, the sources and tests; not to be changed."""
        return self._record

    def history(self) -> dict[str, DataFrame]:
        """Return the year before month 1 as tables with true dates.

        Returns
        -------
        customers (`customer_id`, `age`, `skin_type` as stated, `joined_on`), products (on sale
        before month 1), and the tables of `play` but what only a recommender leaves, each over
        twelve months. The lists shown were the old shop window: ten of sixty products, bestsellers
        and others, in random order. In the history nobody joins, leaves or comes less often.
        """
        market = self._record.market
        return {
            "customers": market.people.public[market.people.joined < 0].copy(),
            "products": market.products.public[market.products.launched < day_of(1)].copy(),
            **{name: table.copy() for name, table in self._history.items()},
        }

    def products(self, month: int) -> DataFrame:
        """Return the catalogue as stored on the first day of `month`, 1 to 12.

        From the month of a new goal on (month 9 of the story) it has the column `sustainability`,
        a third party's score of 0 to 100.
        """
        require_month(month)
        return self._record.books(month).tables["products"]

    def customers(self, month: int) -> DataFrame:
        """Return the customers as stored on the first day of `month`, 1 to 12.

        Returns
        -------
        As in the history: `customer_id`, `age`, `skin_type` as stated, `joined_on`.
        """
        require_month(month)
        return self._record.books(month).tables["customers"]

    def play(self, month: int, decide: Callable[[Context], DataFrame]) -> dict[str, DataFrame]:
        """Play one month of the future against `decide` and return what the business sees.

        Parameters
        ----------
        month : 1 to 12, each once and in order.
        decide : called once, with the month's `Context`; returns `session_id`, `product_id` and
            `rank` 1 to 10 (ten different products on sale for each session). If it likes it tells
            `score` and `propensity` (0.0 to 1.0), `variant` and `model_version`, which are kept in
            the impressions, how it was answered (`latency_ms`, `status`, `reason`, `fallback`), and
            with `shadow` which rows are recorded and shown to nobody.

        Returns
        -------
        sessions, impressions, clicks, orders (one row a product; `channel` tells what was shown
        from what the customer searched for), returns, ratings, feedback (the answer of some to
        "did you find something you want?", with free text), complaints, telemetry (one request a
        session: how it was served, and why a list was replaced by the old bestsellers), given (the
        sessions as `decide` was given them), shadow, costs (of repairs). Rows of returns, ratings
        and complaints arrive in the month of `known_at`, which may be months after the order.

        Raises
        ------
        CannotPlay
            If the month is not the next one, or `decide` raises or returns something else than a
            table about sessions of this month with these three columns. Nothing has happened then:
            the month can be played again.
        """
        return self._play(month, decide, "at_random")

    def _plan(self, month: int) -> ShopMonth:
        return ShopMonth(self._record, month)


def _market(products, customers, seed, schedule):
    """Draw the products and customers of this schedule; what they were before does not vary."""
    story = draw_products(products, seed)
    people = draw_customers(customers, story, seed, schedule)
    launches = incidents_here.planned_launches(story, products, seed, schedule)
    return Market(people, launches, schedule, seed)


def _live_through_history(market):
    """Play the twelve months before month 1 with the old shop window; return tables and record."""
    people, products = market.people, market.products
    nobody = np.zeros(len(people.joined), dtype=bool)
    state = State(np.full(people.needs.shape, -np.inf), people.favourites, 0.0 * nobody, nobody)
    sold, months, pending = np.zeros(len(products.launched)), [], {}
    for month in range(1 - MONTHS, 1):
        visits = shop_visits.draw_visits(market, state, month)
        ranked = shop_visits.bestsellers(products, sold, month)
        shown = shop_visits.old_window(products, ranked, visits, market.seed)
        read = records.unsaid(shown)
        lists, _ = served_lists(market, read, visits, ranked[:LIST_LENGTH], {})
        lived = live(market, state, visits, lists)
        state = after_month(market, state, visits, lived)
        end = date(month + 1, 1)
        tables, pending = records.deliver(lived.tables, pending, end)
        sold = 0.7 * sold + np.bincount(lived.baskets["what"], minlength=len(sold))
        del tables["shadow"]  # nothing answered yet
        months.append(tables)
    best = shop_visits.bestsellers(products, sold, 1)[:LIST_LENGTH]
    history = {
        name: pd.concat([tables[name] for tables in months], ignore_index=True)
        for name in months[0]
    }
    return history, ShopRecord(market, state, best, pending, {}, (), {})


def at_random(context: Context) -> DataFrame:
    """Show ten products drawn at random in every session: the policy that knows nothing.

    Examples
    --------
    >>> seen = Shop(customers=60, products=40, seed=7).play(1, at_random)
    >>> seen["impressions"].groupby("session_id")["product_id"].nunique().unique().tolist()
    [10]
    """
    on_sale = context.products["product_id"].to_numpy()
    session = context.sessions["session_id"].to_numpy()
    places = session[:, None], np.arange(context.k)
    lots = (luck(0, context.month, f"at random {what}", *places) for what in ("ten", "order"))
    return DataFrame(
        {
            "session_id": np.repeat(session, context.k),
            "product_id": on_sale[ten_at_random(len(on_sale), *lots)].ravel(),
            "rank": np.tile(np.arange(1, context.k + 1), len(session)),
        }
    )


def serve(recommend: Callable, version: object | None = None) -> Callable[[Context], DataFrame]:
    """Make a `decide` of a recommender's `recommend(customer_ids, k, on)`, a list a customer.

    Every session of a customer in the month shows the list made on the month's first day. The answers
    tell `version` as their `model_version`, if one is given.

    Raises
    ------
    CannotPlay
        If `recommend` is no function.

    Examples
    --------
    >>> def recommend(customer_ids, k, on=None):
    ...     ranks = DataFrame({"product_id": range(1, k + 1), "rank": range(1, k + 1)})
    ...     return DataFrame({"customer_id": customer_ids}).merge(ranks, how="cross")
    >>> seen = Shop(customers=60, products=40, seed=7).play(1, serve(recommend))
    >>> list(seen["impressions"].columns)
    ['session_id', 'product_id', 'rank']
    """

    require_function(recommend, "recommend", "model.recommend")

    def decide(context: Context) -> DataFrame:
        customers = context.sessions["customer_id"].unique()
        lists = recommend(customers, context.k, context.on)
        sessions = context.sessions[["session_id", "customer_id"]]
        answer = sessions.merge(lists, on="customer_id").drop(columns="customer_id")
        return answer if version is None else answer.assign(model_version=str(version))

    return decide
