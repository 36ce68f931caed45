"""One month in the beauty shop: customers need something, look, click, buy, search and rate.

`ShopRecord` is what the shop keeps to itself from month to month; a month makes a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.incidents import shop as incidents
from helpers.worlds.incidents.effects import MonthTables
from helpers.worlds.play import answer_of, pick
from helpers.worlds.shop import behaviour as behaviour
from helpers.worlds.shop import records as records
from helpers.worlds.shop.behaviour import State
from helpers.worlds.shop.market import HISTORY_STARTS, Market, day_of, stream
from helpers.worlds.shop.visits import LIST_LENGTH, Visits, draw_visits


@dataclass(frozen=True)
class Context:
    """What a deployed recommender sees when a month starts.

    `sessions` has one row a session of the month (`session_id`, `customer_id`, `started_at`),
    `products` is the catalogue on sale on the first day, `on`, and `customers` are the people as
    stored on it; the other fields count.
    """

    month: int
    on: pd.Timestamp
    sessions: DataFrame
    products: DataFrame
    customers: DataFrame
    k: int = LIST_LENGTH


class Played(NamedTuple):
    """What is known of a month that is over."""

    visits: Visits
    state: State  # of the customers before it
    found: np.ndarray  # which sessions were shown a product they want
    touches: list  # what incidents did to its tables


@dataclass(frozen=True)
class ShopRecord:
    """What a shop keeps to itself; the truth and the sources read it, a `decide` never sees it.

    Attributes
    ----------
    market, state : all that a shop and its customers are.
    bestsellers : products of the old window's list, shown when the model takes too long.
    pending, held : labels not known yet, and those that a delay keeps back, by table.
    played : the months that are over, in order.
    """

    market: Market
    state: State
    bestsellers: np.ndarray
    pending: Mapping[str, DataFrame]
    held: Mapping[str, DataFrame]
    played: tuple[Played, ...]

    def books(self, month: int) -> MonthTables:
        """Return the books of the two tables that are stored as of the first day of `month`."""
        tables = {
            "products": self._catalogue(month),
            "customers": self.market.people.public.copy(deep=False),
        }
        return self.stored(month, tables, {})[0]

    def stored(self, month: int, tables: dict, held: Mapping) -> tuple[MonthTables, dict]:
        """Return the books that the shop keeps of tables of a month, and the labels held back."""
        return incidents.SYSTEMS.stored(self.market.schedule, self._where(month), tables, held)

    def given(self, month: int, visits: Visits) -> MonthTables:
        """Return the books of what a recommender is given."""
        tables = {"sessions": records.sessions_table(visits), **self.books(month).tables}
        return incidents.SYSTEMS.given(self.market.schedule, self._where(month), tables)

    def context(self, month: int) -> tuple[Context, Visits]:
        """Return what a recommender sees when `month` starts, and the visits to come."""
        visits = draw_visits(self.market.people, month, self.market.seed)
        on = pd.Timestamp(HISTORY_STARTS + day_of(month))
        given = self.given(month, visits).tables
        parts = (given[f"given.{name}"] for name in ["sessions", "products", "customers"])
        return Context(month, on, *parts), visits

    def shown(self, decide: Callable, context: Context, visits: Visits) -> tuple[np.ndarray, dict]:
        """Return the lists that the sessions see, and the columns kept beside them.

        When the model takes too long, the shop shows what its old window sold best.
        """
        first, last = visits.session_id[[0, -1]] if len(visits.who) else (1, 0)
        on_sale = int((self.market.products.launched < day_of(visits.month)).sum())
        answer = answer_of(decide, context, context.month)
        shown, extras = records.checked_lists(answer, int(first), int(last), on_sale)
        slow = self.market.schedule.size("slow_model", visits.month)
        if not slow:
            return shown, extras
        rng = stream(self.market.seed, visits.month, "telemetry")
        late = records.timed_out(visits, rng, slow)
        shown = np.where(late[:, None], self.bestsellers, shown)
        late_rows = np.repeat(late, LIST_LENGTH)
        return shown, {name: np.where(late_rows, np.nan, extras[name]) for name in extras}

    def _where(self, month):
        return incidents.Month(self.market.seed, month, self.market.products)

    def _catalogue(self, month):
        """Return the catalogue on the first day of `month` as it truly is."""
        products, schedule = self.market.products, self.market.schedule
        on_sale = products.launched < day_of(month)
        prices = behaviour.prices(products, month, schedule)
        catalogue = products.public[on_sale].assign(price_eur=prices[on_sale])
        if schedule.size("new_goal", month):
            score = 100 * products.green[: len(catalogue)]
            catalogue["sustainability"] = np.rint(score).astype(int)
        return catalogue


def live_month(
    market: Market, state: State, visits: Visits, shown: np.ndarray, extras: dict
) -> tuple[dict[str, DataFrame], np.ndarray, State]:
    """Let the customers see `shown` (sessions x 10 product places) and live through the month.

    Returns
    -------
    The month's tables as they truly are, late rows included, which sessions were shown a product
    they want, and the new state.
    """
    products, plan, month = market.products, market.schedule, visits.month
    draw = lambda purpose: stream(market.seed, month, purpose)  # noqa: E731
    category = pick(behaviour.need_weights(market, state, visits), draw("needs"))
    matches = products.category[shown] == category[:, None]
    worth, wanted = _wanted(market, state, visits, shown, matches)
    only_list = plan.size("feedback_loop", month)
    clicked = behaviour.look_and_click(matches, wanted, draw("clicks"), only_list)
    bought = _bought(clicked & wanted, worth, draw("buying"))
    baskets = _fill_baskets(market, state, visits, shown, bought, category)
    rating = behaviour.stars(market, baskets["who"], baskets["what"], draw("stars"))
    found = wanted.any(axis=1)
    prices, slow = behaviour.prices(products, month, plan), plan.size("slow_model", month)
    tables = {
        **records.website_tables(visits, shown, extras, clicked),
        **records.order_tables(visits, baskets, prices, rating, draw),
        **records.told_tables(visits, found, category, draw),
        "telemetry": records.telemetry_table(visits, draw("telemetry"), slow),
    }
    after = behaviour.after_month(state, baskets, rating >= 4, products, draw("favourites"))
    return tables, found, after


def _wanted(market, state, visits, shown, matches):
    """Return what each product shown is worth to who sees it, and whether it is wanted."""
    who, day = visits.who[:, None], visits.day[:, None]
    worth = behaviour.utility(market, state, visits.month, who, shown, day)
    luck = behaviour.fixed_chance(market.seed, visits.session_id[:, None], shown)
    return worth, matches & (luck < behaviour.wanted_chance(market.people, worth, who))


def _fill_baskets(market, state, visits, shown, bought, category):
    """Return the products bought: from the list, by searching, and in pairs."""
    rng = stream(market.seed, visits.month, "baskets")
    only_list = market.schedule.size("feedback_loop", visits.month)
    from_list = np.where(bought >= 0, shown[np.arange(len(shown)), bought], -1)
    goes_on = (bought < 0) & behaviour.searches(len(shown), rng, only_list)
    wish = np.where(goes_on, category, -1)
    found = behaviour.search(market, state, visits, wish, rng)
    main = np.where(from_list >= 0, from_list, found)
    second = np.where(main >= 0, behaviour.partners(category, rng, only_list), -1)
    pair = behaviour.search(market, state, visits, second, rng, main)
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


def _bought(likes, worth, rng):
    """Return the place in the list that each session buys, -1 for nothing: the best liked."""
    best = np.where(likes, worth, -np.inf).argmax(axis=1)
    buys = likes.any(axis=1) & (rng.random(len(likes)) < 0.7)
    return np.where(buys, best, -1)
