"""One month in the beauty shop: customers need something, look, click, buy, search and rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pandas import DataFrame

from helpers.worlds.incidents.kinds import Schedule
from helpers.worlds.shop import behaviour as behaviour
from helpers.worlds.shop import records as records
from helpers.worlds.shop.behaviour import State
from helpers.worlds.shop.market import Customers, Products, stream
from helpers.worlds.shop.visits import Visits


@dataclass(frozen=True)
class Market:
    """What stays the same all year."""

    people: Customers
    products: Products
    schedule: Schedule
    seed: int


def live_month(
    market: Market, state: State, visits: Visits, shown: np.ndarray, extras: dict
) -> tuple[dict[str, DataFrame], dict]:
    """Let the customers see `shown` (sessions x 10 product places) and live through the month.

    Returns
    -------
    The month's tables as they truly are, late rows included, and what the month leaves behind:
    `found` (which sessions were shown a product they want) and the new `state`.
    """
    people, products, plan = market.people, market.products, market.schedule
    month, who, day = visits.month, visits.who, visits.day
    draw = lambda purpose: stream(market.seed, month, purpose)  # noqa: E731
    needs = behaviour.need_weights(people, state, who, day, month, plan)
    category = behaviour.pick(needs, draw("needs"))
    matches = products.category[shown] == category[:, None]
    worth, wanted = _wanted(market, state, visits, shown, matches)
    only_list = plan.size("feedback_loop", month)
    clicked = behaviour.look_and_click(matches, wanted, draw("clicks"), only_list)
    bought = _bought(clicked & wanted, worth, draw("buying"))
    baskets = _fill_baskets(market, state, visits, shown, bought, category)
    rating = behaviour.stars(people, products, baskets["who"], baskets["what"], draw("stars"))
    found = wanted.any(axis=1)
    tables = records.month_tables(
        visits, shown, extras, clicked, baskets, rating, found, category,
        behaviour.prices(products, month, plan), plan.size("slow_model", month), draw,
    )  # fmt: skip
    after = behaviour.after_month(
        state, baskets["who"], baskets["what"], baskets["day"], rating >= 4, products,
        draw("favourites"),
    )  # fmt: skip
    return tables, {"found": found, "state": after}


def _wanted(market, state, visits, shown, matches):
    """Return what each product shown is worth to who sees it, and whether it is wanted."""
    people, who, day = market.people, visits.who[:, None], visits.day[:, None]
    worth = behaviour.utility(
        people, market.products, state, who, shown, day, visits.month, market.schedule
    )
    luck = behaviour.fixed_chance(market.seed, visits.session_id[:, None], shown)
    return worth, matches & (luck < behaviour.wanted_chance(people, worth, who))


def _fill_baskets(market, state, visits, shown, bought, category):
    """Return the products bought: from the list, by searching, and in pairs."""
    rng = stream(market.seed, visits.month, "baskets")
    only_list = market.schedule.size("feedback_loop", visits.month)

    def search(wish, beside=None):
        return behaviour.search(
            market.people, market.products, state, visits.who, wish, visits.day, visits.month,
            market.schedule, rng, beside,
        )  # fmt: skip

    from_list = np.where(bought >= 0, shown[np.arange(len(shown)), bought], -1)
    goes_on = (bought < 0) & behaviour.searches(len(shown), rng, only_list)
    main = np.where(from_list >= 0, from_list, search(np.where(goes_on, category, -1)))
    second = np.where(main >= 0, behaviour.partners(category, rng, only_list), -1)
    pair = search(second, main)
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
