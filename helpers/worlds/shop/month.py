"""One month in the beauty shop: customers need something, look, click, buy, search and rate.

`ShopRecord` is what the shop keeps to itself from month to month; a month makes a new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.incidents import shop as incidents
from helpers.worlds.incidents.effects import MonthTables, cost_table
from helpers.worlds.service import Service
from helpers.worlds.shop import behaviour as behaviour
from helpers.worlds.shop import records as records
from helpers.worlds.shop.behaviour import State
from helpers.worlds.shop.market import HISTORY_STARTS, Market, day_of
from helpers.worlds.shop.records import Answer, Lists
from helpers.worlds.shop.visits import LIST_LENGTH, Visits, draw_visits, ten_at_random

_MODEL_MS, _MODEL_SPREAD = 38.0, 0.45  # of what answers, where it does not tell its latency


@dataclass(frozen=True)
class Context:
    """What a deployed recommender sees when a month, or a day of it, starts.

    `sessions` has one row a session of the month, or of the day (`session_id`, `customer_id`,
    `started_at`), in order of time. `products` is the catalogue on sale on the month's first day,
    `on`, and `customers` are the people as stored; the other fields count.
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
    touches: list  # what incidents did to its tables, and to what was given


@dataclass(frozen=True)
class ShopRecord:
    """What a shop keeps to itself; the truth and the sources read it, a `decide` never sees it.

    Attributes
    ----------
    market, state : all that a shop and its customers are.
    bestsellers : products of the old window's list, shown when the model fails.
    pending, held : labels not known yet, and those that a delay keeps back, by table.
    played : the months that are over, in order.
    hits : incident of the service -> the version that it hits.
    served : the version that answered most sessions of the last day, "" before any.
    costs : of repairs that no month's tables tell yet.
    """

    market: Market
    state: State
    bestsellers: np.ndarray
    pending: Mapping[str, dict[str, np.ndarray]]
    held: Mapping[str, DataFrame]
    played: tuple[Played, ...]
    hits: Mapping[str, str]
    served: str = ""
    costs: tuple[dict, ...] = ()

    def books(self, month: int, now: pd.Timestamp | None = None) -> MonthTables:
        """Return the books of the two tables that are stored as of `now`, or of `month`'s first day."""
        tables = {
            "products": self._catalogue(month),
            "customers": self.market.people.public[self.market.people.joined < day_of(month)],
        }
        where = self._where(month, now or date(month, 1))
        return incidents.SYSTEMS.stored(self.market.schedule, where, tables, {})[0]

    def stored(
        self, month: int, tables: dict, held: Mapping, now: pd.Timestamp
    ) -> tuple[MonthTables, dict]:
        """Return the books that the shop keeps of what is known by `now`, and the labels held back."""
        sessions = tables["sessions"]
        begun = pd.Series(
            sessions["started_at"].to_numpy(), index=sessions["session_id"].to_numpy()
        )
        where = self._where(month, now, begun)
        return incidents.SYSTEMS.stored(self.market.schedule, where, tables, held)

    def given(self, month: int, visits: Visits, now: pd.Timestamp | None = None) -> MonthTables:
        """Return the books of what a recommender is given of these visits."""
        tables = {"sessions": records.sessions_table(visits), **self.books(month, now).tables}
        where = self._where(month, now or date(month, 1))
        return incidents.SYSTEMS.given(self.market.schedule, where, tables)

    def visits(self, month: int) -> Visits:
        """Return the visits of the month that is played next."""
        return draw_visits(self.market, self.state, month)

    def context(self, month: int) -> tuple[Context, Visits]:
        """Return what a recommender sees when `month` starts, and the visits to come."""
        visits = self.visits(month)
        return context_of(month, self.given(month, visits)), visits

    def serve(self, answer: object, visits: Visits) -> tuple[Lists, dict[str, str]]:
        """Return the lists that these visits see, and the versions that incidents hit.

        Where the model fails, the shop shows what its old window sold best.
        """
        first = int(visits.session_id[0]) if len(visits.who) else 1
        on_sale = int((self.market.products.launched < day_of(visits.month)).sum())
        read = records.read_answer(answer, first, len(visits.who), on_sale)
        return served_lists(self.market, read, visits, self.bestsellers, self.hits)

    def repaired(self, what: str, moment: pd.Timestamp) -> tuple[ShopRecord, bool]:
        """Return the record after a repair was asked for, and whether it found something."""
        market, month = self.market, len(self.played) + 1
        onsets = incidents.onsets(market.schedule, market.seed)
        schedule, cost = incidents.SYSTEMS.repair(market.schedule, onsets, what, moment, month)
        costs = (*self.costs, cost)
        return replace(self, market=replace(market, schedule=schedule), costs=costs), cost["worked"]

    def _where(self, month, now, begun=None):
        market = self.market
        return incidents.Month(
            market.seed, month, market.products, now, self.served, self.hits, begun
        )

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


def date(month: int, day: int) -> pd.Timestamp:
    """Return the date of a day of a month; both count from 1."""
    return pd.Timestamp(HISTORY_STARTS + day_of(month) + day - 1)


def context_of(month: int, books: MonthTables) -> Context:
    """Return what a recommender sees of the books of what it is given."""
    parts = (books.tables[f"given.{name}"] for name in ["sessions", "products", "customers"])
    return Context(month, date(month, 1), *(part.copy(deep=False) for part in parts))


class ShopMonth:
    """A month of the shop that is being played; see `days.MonthPlan`."""

    def __init__(self, record: ShopRecord, month: int):
        self.record, self.month = record, month
        self.days = day_of(month + 1) - day_of(month)
        self._visits = record.visits(month)
        self._lists: list[Lists] = []
        self._given: dict[int | None, MonthTables] = {}
        self._told, self._due, self._held = 0, record.pending, record.held

    def date(self, day: int) -> pd.Timestamp:
        return date(self.month, day)

    def given(self, day: int | None) -> Context:
        self._given[day] = self.record.given(self.month, self._part(day), self.date(day or 1))
        return context_of(self.month, self._given[day])

    def take(self, day: int | None, answer: object) -> None:
        visits = self._part(day)
        lists, hits = self.record.serve(answer, visits)
        last = lists.served.model_version[visits.day == visits.day[-1:]]
        names, counts = np.unique(last.astype(str), return_counts=True)
        served = str(names[counts.argmax()]) if len(names) else self.record.served
        self.record = replace(self.record, hits=hits, served=served)
        self._lists.append(lists)

    def evening(self, day: int) -> dict[str, DataFrame]:
        lived = live(self.record.market, self.record.state, self._part(day), self._lists[-1])
        given, costs = [self._given[day]], self.record.costs[self._told :]
        now, known = self.date(day + 1), (self._due, self._held)
        books, self._due, self._held = self._books(lived, now, given, costs, *known)
        self._told = len(self.record.costs)
        return books.tables

    def close(self) -> tuple[ShopRecord, dict[str, DataFrame]]:
        record, lists = self.record, records.joined(self._lists)
        lived = live(record.market, record.state, self._visits, lists)
        now, known = self.date(self.days + 1), (record.pending, record.held)
        given = list(self._given.values())
        books, pending, held = self._books(lived, now, given, record.costs, *known)
        touches = [*books.touches, *(touch for day in given for touch in day.touches)]
        over = Played(self._visits, record.state, lived.found, touches)
        state = behaviour.after_month(record.market, record.state, self._visits, lived)
        record = replace(
            record, state=state, pending=pending, held=held, played=(*record.played, over), costs=()
        )
        return record, books.tables

    def _part(self, day):
        """Return the visits of a day, or of the whole month."""
        if day is None:
            return self._visits
        first = day_of(self.month) + day - 1
        return self._visits.part(slice(*np.searchsorted(self._visits.day, [first, first + 1])))

    def _books(self, lived, end, given, costs, pending, held):
        """Return the books of what is known before `end`, the late rows still due, and those held."""
        tables, due = records.deliver(lived.tables, pending, end)
        tables["given"] = pd.concat(
            [day.tables["given.sessions"] for day in given], ignore_index=True
        )
        tables["costs"] = cost_table(costs)
        last = end - pd.Timedelta(seconds=1)
        books, held = self.record.stored(self.month, tables, held, last)
        return books, due, held


class Lived(NamedTuple):
    """What became of some visits."""

    tables: dict[str, DataFrame | dict]  # as they truly are; late rows as columns, see `deliver`
    found: np.ndarray  # which sessions were shown a product they want
    baskets: dict[str, np.ndarray]
    rating: np.ndarray  # that each line of the baskets deserves


def served_lists(
    market: Market, read: Answer, visits: Visits, fallback: np.ndarray, hits: Mapping[str, str]
) -> tuple[Lists, dict[str, str]]:
    """Return the lists that an answer becomes on its way to the customers, and `hits` from then on."""
    service = Service(market.seed, market.schedule, _MODEL_MS, _MODEL_SPREAD)
    keys = (visits.who, visits.number)
    served, bad, hits = service.serve(read.said, read.broken, keys, visits.month, visits.day, hits)
    shown = np.where(served.fallback[:, None], fallback, read.shown)
    bad = bad & ~served.fallback
    if bad.any():
        places, some = np.arange(LIST_LENGTH)[None, :], visits.part(bad)
        lots = (some.luck(market.seed, f"bad release {what}", places) for what in ("ten", "order"))
        on_sale = int((market.products.launched < day_of(visits.month)).sum())
        shown[bad] = ten_at_random(on_sale, *lots)
    other = (served.fallback | bad)[:, None]
    kept = {name: np.where(other, np.nan, values) for name, values in read.kept.items()}
    return Lists(shown, served, kept, read.tells, read.shadow), hits


def live(market: Market, state: State, visits: Visits, lists: Lists) -> Lived:
    """Let customers see their lists, and live through these visits of a month."""
    products, plan, month, shown = market.products, market.schedule, visits.month, lists.shown
    weights = behaviour.need_weights(market, state, visits)
    category = behaviour.needed(weights, visits.luck(market.seed, "needs"))
    matches = products.category[shown] == category[:, None]
    worth, wanted = _wanted(market, state, visits, shown, matches)
    only_list = plan.size("feedback_loop", month)
    looks = visits.luck(market.seed, "clicks", np.arange(LIST_LENGTH)[None, :])
    clicked = behaviour.look_and_click(matches, wanted, looks, only_list)
    bought = _bought(clicked & wanted, worth, visits.luck(market.seed, "buying"))
    baskets = _fill_baskets(market, state, visits, shown, bought, category)
    lines, found = visits.part(baskets["session"]), wanted.any(axis=1)
    luck = lines.luck(market.seed, "stars", baskets["line"])
    rating = behaviour.stars(market, lines.who, baskets["what"], luck)
    prices = behaviour.prices(products, month, plan)
    dear = behaviour.too_dear(market, lines.who, baskets["what"])
    spent = np.bincount(baskets["session"], weights=dear, minlength=len(found))
    moods = state.mood[visits.who]
    tables = {
        **records.website_tables(visits, lists, clicked),
        **records.order_tables(lines, lists, baskets, prices, rating, dear, market.seed),
        **records.told_tables(visits, found, category, moods, spent, market.seed),
    }
    return Lived(tables, found, baskets, rating)


def _wanted(market, state, visits, shown, matches):
    """Return what each product shown is worth to who sees it, and whether it is wanted."""
    who, day = visits.who[:, None], visits.day[:, None]
    worth = behaviour.utility(market, state, visits.month, who, shown, day)
    luck = visits.luck(market.seed, "wants", shown)
    return worth, matches & (luck < behaviour.wanted_chance(market.people, worth, who))


def _fill_baskets(market, state, visits, shown, bought, category):
    """Return the products bought: from the list, by searching, and in pairs."""
    draw = lambda purpose: visits.luck(market.seed, purpose)  # noqa: E731
    only_list = market.schedule.size("feedback_loop", visits.month)
    from_list = np.where(bought >= 0, shown[np.arange(len(shown)), bought], -1)
    goes_on = (bought < 0) & behaviour.searches(draw("searches"), only_list)
    wish = np.where(goes_on, category, -1)
    found = behaviour.search(market, state, visits, wish, draw("finds"))
    main = np.where(from_list >= 0, from_list, found)
    second = np.where(main >= 0, behaviour.partners(category, draw("pairs"), only_list), -1)
    pair = behaviour.search(market, state, visits, second, draw("finds a pair"), main)
    session, line = np.nonzero(np.stack([main >= 0, pair >= 0], axis=1))
    return {
        "session": session,
        "line": line,
        "who": visits.who[session],
        "what": np.where(line == 0, main[session], pair[session]),
        "day": visits.day[session],
        "by_list": (line == 0) & (from_list[session] >= 0),
    }


def _bought(likes, worth, luck):
    """Return the place in the list that each session buys, -1 for nothing: the best liked."""
    best = np.where(likes, worth, -np.inf).argmax(axis=1)
    return np.where(likes.any(axis=1) & (luck < 0.7), best, -1)
