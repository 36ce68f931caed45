"""What the beauty shop's business cannot see. Only graders, tests and reveals may look here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.incidents import shop as shop_incidents
from helpers.worlds.incidents.effects import GIVEN, touched_rows
from helpers.worlds.incidents.kinds import incident_table, truth_table
from helpers.worlds.play import (
    CannotPlay,
    answer_of,
    require_function,
    require_month,
    require_world,
)
from helpers.worlds.shop import behaviour as behaviour
from helpers.worlds.shop.market import CATEGORIES, HISTORY_STARTS, SKIN_TYPES, day_of
from helpers.worlds.shop.month import Context, context_of
from helpers.worlds.shop.visits import LIST_LENGTH
from helpers.worlds.shop.world import Shop

# How `drift` tells of the incidents that change what customers do.
_DRIFTS = {
    "launch_wave": ("launches", "a new generation makes the old one disappoint"),
    "season": ("season", "spring turns from moisturiser to sun care"),
    "new_goal": ("goal", "sustainability scores arrive and weigh in choices"),
    "price_rise": ("prices", "all prices rise, and the price-minded want cheaper products"),
    "feedback_loop": ("feedback", "the list replaces the search page and feeds on itself"),
}


class ShopTruth:
    """The hidden side of a `Shop`: traits, drift, and the worth of any policy.

    Raises
    ------
    CannotPlay
        If `shop` is no `Shop`.

    Examples
    --------
    >>> shop = Shop(customers=60, products=40, seed=7)
    >>> truth = ShopTruth(shop)
    >>> best = truth.expected_accuracy(1, truth.oracle)
    >>> _ = shop.play(1, truth.oracle)
    >>> 0 < best < 1, 0 <= truth.accuracy(1) <= 1
    (True, True)
    """

    def __init__(self, shop: Shop):
        require_world(shop, Shop)
        self._shop, self._market = shop, shop.hidden.market

    def customers(self) -> DataFrame:
        """Return each customer's hidden traits and needs (`need_...`, adding up to 1).

        Those who will join come last.
        """
        people = self._market.people
        table = DataFrame({"customer_id": people.public["customer_id"]})
        table["skin_type"] = np.array(SKIN_TYPES)[people.skin]
        table["price_leaning"] = people.price
        table["sustainability_leaning"] = people.green
        table["strictness"] = people.strictness
        adopts = np.where(np.isfinite(people.adopts_on), people.adopts_on, 0).astype(int)
        adopts_on = pd.Series((HISTORY_STARTS + adopts).astype("M8[s]"))
        table["expects_new_generation_from"] = adopts_on.where(np.isfinite(people.adopts_on))
        for place, name in enumerate(CATEGORIES):
            table[f"need_{name}"] = people.needs[:, place]
        return table

    def loyalty(self, month: int) -> DataFrame:
        """Return how those who have joined by the first day of `month` feel about the shop.

        Returns
        -------
        `customer_id`, `mood` (0 is even), `expected_visits` in the month, `left` (comes no more).

        Raises
        ------
        CannotPlay
            If the month is later than the next one.
        """
        _, _, state = self._situation(month)
        people = self._market.people
        visits = behaviour.expected_visits(self._market, state, month)
        table = people.public[["customer_id"]].assign(
            mood=state.mood, expected_visits=visits, left=state.left
        )
        return table[people.joined < day_of(month)]

    def products(self) -> DataFrame:
        """Return each product's hidden traits, future launches included."""
        products = self._market.products
        table = products.public[["product_id", "launched_on"]].copy()
        table["appeal"] = products.appeal
        table["sustainability"] = products.green
        table["new_generation"] = products.new_generation
        for place, name in enumerate(SKIN_TYPES):
            table[f"suits_{name}"] = products.suits[:, place]
        return table

    def drift(self) -> DataFrame:
        """Return what changes in the future, in order of the months.

        The warm season comes every year; the other rows are incidents that change what customers
        do. What else goes wrong is in `incidents`.

        Returns
        -------
        One row a change: `month`, `cause`, `what`, `reopen` (title of the stage).
        """
        schedule = self._market.schedule
        months = {"season": behaviour.TURN}
        months |= {one.name: one.month for one in schedule.incidents if one.name in _DRIFTS}
        stage = incident_table().set_index("name")["reopen"]
        rows = [(months[name], *_DRIFTS[name], stage[name]) for name in _DRIFTS if name in months]
        rows.sort(key=lambda row: row[0])
        return DataFrame(rows, columns=["month", "cause", "what", "reopen"])

    def incidents(self) -> DataFrame:
        """Return what goes wrong in this shop, in the order in which it was given.

        Returns
        -------
        One row an incident: `name`, `month`, `until`, `size`, `onset` (from when it shows; a late
        season from month 6 on, when spring fails to come), `affected`, `what`, `cause`, `reopen`
        (title of the stage).
        """
        onsets = shop_incidents.onsets(self._market.schedule, self._market.seed)
        affected = shop_incidents.affected(
            self._market.schedule, self._market.seed, self._market.products
        )
        return truth_table(self._market.schedule, onsets, affected)

    def touched(self, month: int) -> dict[str, DataFrame]:
        """Return the rows of a played month's tables that an incident changed, lost or added.

        Returns
        -------
        Table -> its key columns, `incident`, `column` (empty for a whole row), `change` ("changed",
        "removed" or "added") and `true_value` as text. "products" and "customers" are the tables
        stored on the first day; "given.products" and the like tell where a `decide` was given
        something else than was stored. What customers do otherwise touches no row.

        Raises
        ------
        CannotPlay
            If the month has not been played.
        """
        played = self._played(month, "touched rows are", "play it first")
        found = touched_rows([*played.touches, *self._shop.hidden.books(month).touches])
        for name in [name for name in found if name.startswith(GIVEN)]:
            order = list(found[name].columns[:-2])  # a day may have handed out what the others did
            found[name] = found[name].drop_duplicates().sort_values(order, ignore_index=True)
        return found

    def accuracy(self, month: int) -> float:
        """Return the share of a played month's sessions that were shown a product they want."""
        found = self._played(month, "accuracy is", "play it first, or ask expected_accuracy").found
        return float(found.mean()) if len(found) else float("nan")

    def expected_accuracy(self, month: int, decide: Callable[[Context], DataFrame]) -> float:
        """Return the expected accuracy of `decide` in `month`, over what customers may want.

        Parameters
        ----------
        month : one already played (judged on the customers as they then were) or the next one.
        decide : as for `Shop.play`; nothing is played.

        Raises
        ------
        CannotPlay
            If the month is later than the next one or `decide` breaks the contract.
        """
        require_function(decide, "decide", "at_random")
        context, visits, state = self._situation(month)
        answer = answer_of(decide, context, context.month)
        shown = self._shop.hidden.serve(answer, visits)[0].shown
        chance = self._chances(visits, state, shown)
        needs = behaviour.need_weights(self._market, state, visits)
        missed = np.zeros(len(shown))
        categories = self._market.products.category[shown]
        for one in range(len(CATEGORIES)):
            misses = np.where(categories == one, 1 - chance, 1.0).prod(axis=1)
            missed += needs[:, one] * misses
        return float(1 - missed.mean()) if len(shown) else float("nan")

    def oracle(self, context: Context) -> DataFrame:
        """Decide as one who knows every trait: the lists with the highest expected accuracy.

        Within a category the product wanted most goes first, and each further one only counts
        when all before it failed. These gains fall, so the ten largest make the best list.

        Raises
        ------
        CannotPlay
            If `context` is no `Context`, or of a month after the next one.
        """
        if not isinstance(context, Context):
            raise CannotPlay(
                "the oracle decides about the Context that play hands over; got a "
                f"{type(context).__name__}: pass the oracle itself, as in play(1, truth.oracle)."
            )
        _, visits, state = self._situation(context.month)
        visits = visits.part(np.isin(visits.session_id, context.sessions["session_id"]))
        products = np.flatnonzero(self._market.products.launched < day_of(context.month))
        shown = np.empty((len(visits.who), LIST_LENGTH), dtype=int)
        gains = np.empty(shown.shape)
        for start in range(0, len(shown), 2_000):
            rows = slice(start, start + 2_000)
            shown[rows], gains[rows] = self._best_lists(visits, state, products, rows)
        return DataFrame(
            {
                "session_id": np.repeat(visits.session_id, LIST_LENGTH),
                "product_id": shown.ravel() + 1,
                "rank": np.tile(np.arange(1, LIST_LENGTH + 1), len(shown)),
                "score": gains.ravel(),
            }
        )

    def _best_lists(self, visits, state, products, rows):
        chance = self._chances(visits, state, products[None, :], rows)
        needs = behaviour.need_weights(self._market, state, visits)[rows]
        gain = np.empty(chance.shape)
        for one in range(len(CATEGORIES)):
            places = np.flatnonzero(self._market.products.category[products] == one)
            order = np.argsort(-chance[:, places], axis=1, kind="stable")
            sorted_chance = np.take_along_axis(chance[:, places], order, axis=1)
            failed = np.cumprod(1 - sorted_chance, axis=1)
            before = np.concatenate([np.ones((len(failed), 1)), failed[:, :-1]], axis=1)
            np.put_along_axis(gain, places[order], needs[:, [one]] * sorted_chance * before, axis=1)
        best = np.argsort(-gain, axis=1, kind="stable")[:, :LIST_LENGTH]
        return products[best], np.take_along_axis(gain, best, axis=1)

    def _played(self, month, known, todo):
        """Return what is known of a month; stop when it is still to come."""
        require_month(month)
        if month >= self._shop.next_month:
            raise CannotPlay(f"{known} known of months already played; got {month}: {todo}.")
        return self._shop.hidden.played[month - 1]

    def _situation(self, month):
        """Return the context, the visits and the customers' state of a month played or the next."""
        require_month(month)
        hidden = self._shop.hidden
        if month > self._shop.next_month:
            raise CannotPlay(
                f"the customers of month {month} are not known before month "
                f"{self._shop.next_month} is played: play the months before it."
            )
        if month < self._shop.next_month:
            visits, state = hidden.played[month - 1].visits, hidden.played[month - 1].state
        else:
            visits, state = hidden.visits(month), hidden.state
        return context_of(month, hidden.given(month, visits)), visits, state

    def _chances(self, visits, state, what, rows=slice(None)):
        who, day = visits.who[rows][:, None], visits.day[rows][:, None]
        worth = behaviour.utility(self._market, state, visits.month, who, what, day)
        return behaviour.wanted_chance(self._market.people, worth, who)
