"""The beauty shop: a seeded business with a past to learn from and a future that answers back.

`Shop.history()` is the past year as tables. `Shop.play(month, decide)` plays one month of the
future against a recommender and returns what the business sees. What it does not see is in
`helpers.worlds.shop.truth`. October is month 1: the sun-care season turns in month 6. What else
happens in the year is a list of incidents; `STORY` is the one that the lessons tell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.worlds.incidents import shop as shop_incidents
from helpers.worlds.incidents.kinds import Incident, Schedule
from helpers.worlds.play import (
    MONTHS,
    CannotPlay,
    is_whole,
    plainly,
    require_function,
    require_month,
)
from helpers.worlds.shop import behaviour as behaviour
from helpers.worlds.shop import records as records
from helpers.worlds.shop import visits as shop_visits
from helpers.worlds.shop.market import HISTORY_STARTS, day_of, draw_customers, draw_products, stream
from helpers.worlds.shop.month import Market, live_month
from helpers.worlds.shop.visits import LIST_LENGTH

STORY = (Incident("launch_wave", month=2), Incident("new_goal", month=9))


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


class Shop:
    """A beauty shop with `customers` customers and `products` products on sale in month 1.

    Parameters
    ----------
    customers : at least 1.
    products : on sale when the future starts, at least 10: a list shows ten different ones.
    seed : at least 0; the same seed gives the same tables, byte for byte.
    incidents : what happens in the future beside the seasons, see `helpers.worlds.incidents.kinds`; an
        empty list for a quiet year. The history is the same whatever is planned.

    Raises
    ------
    CannotPlay
        If a size is too small or no whole number, or an incident is not one of a shop.

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
    ):
        _require_whole("customers", customers, 1, "the people who may visit")
        _require_whole("products", products, LIST_LENGTH, "a list shows ten different products")
        _require_whole("seed", seed, 0, "it numbers the shop's random draws")
        self.seed = int(seed)
        self._schedule = Schedule(incidents, "shop")
        self._products, self._customers = self._draw_market(int(products), int(customers))
        self._state = behaviour.State(
            last_bought=np.full(self._customers.needs.shape, -np.inf),
            favourites=self._customers.favourites,
        )
        self._pending: dict[str, DataFrame] = {}
        self._held: dict[str, DataFrame] = {}  # labels that a delay keeps back
        self._played: dict[int, tuple] = {}  # month -> (visits, state before, found), for the truth
        self._touches: dict[int, list] = {}  # month -> what incidents did to its tables
        self._playing = False
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
            "products": self._products.public[self._products.launched < day_of(1)].copy(),
            **{name: table.copy() for name, table in self._history.items()},
        }

    def products(self, month: int) -> DataFrame:
        """Return the catalogue as stored on the first day of `month`, 1 to 12.

        From the month of a new goal on (month 9 of the story) it has the column `sustainability`,
        a third party's score of 0 to 100.
        """
        require_month(month)
        return self._books(month).tables["products"]

    def customers(self, month: int) -> DataFrame:
        """Return the customers as stored on the first day of `month`, 1 to 12.

        Returns
        -------
        As in the history: `customer_id`, `age`, `skin_type` as stated, `joined_on`.
        """
        require_month(month)
        return self._books(month).tables["customers"]

    def play(self, month: int, decide: Callable[[Context], DataFrame]) -> dict[str, DataFrame]:
        """Play one month of the future against `decide` and return what the business sees.

        Parameters
        ----------
        month : 1 to 12, each once and in order.
        decide : called once, with the month's `Context`; returns `session_id`, `product_id` and
            `rank` 1 to 10 (ten different products on sale for each session), and if it likes
            `score` and `propensity` (0.0 to 1.0), which are kept in the impressions.

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
        self._require_next(month)
        require_function(decide, "decide", "at_random")
        context, visits = self._context(month)
        self._playing = True
        try:
            shown, extras = self._serve(decide, context, visits)
        finally:
            self._playing = False
        true, after = self._live(visits, shown, extras)
        books, held = shop_incidents.stored(self._schedule, self._where(month), true, self._held)
        # Nothing of the shop has changed up to here: a month that fails can be played again.
        self._played[month] = (visits, self._state, after["found"])
        self._touches[month] = books.touches
        self._state, self._pending, self._held = after["state"], after["pending"], held
        return books.tables

    def _require_next(self, month):
        """Stop unless `month` is the one to play now."""
        if self._playing:
            raise CannotPlay(
                f"decide was to return lists, but it called play({plainly(month)}); a month cannot be "
                "played within another: take that call out of decide."
            )
        if self.next_month > MONTHS:
            raise CannotPlay(
                f"the year ends after month {MONTHS}, which has been played; got {plainly(month)}: "
                "make a new Shop."
            )
        require_month(month)
        if month != self.next_month:
            raise CannotPlay(
                f"months are played once each and in order, so month {self.next_month} was "
                f"expected; got {month}: play month {self.next_month} next."
            )

    def _draw_market(self, products, customers):
        """Draw the products and customers of this schedule; what they were before does not vary."""
        story = draw_products(products, self.seed)
        wave = self._schedule.get("launch_wave")
        new_from = day_of(wave.month) if wave else np.inf
        people = draw_customers(customers, story, self.seed, new_from, wave.size if wave else 0.0)
        planned = shop_incidents.planned_launches(story, products, self.seed, self._schedule)
        return planned, people

    def _where(self, month):
        return shop_incidents.Month(self.seed, month, self._products)

    def _books(self, month):
        """Return the books of the two tables that are stored as of a day."""
        tables = {
            "products": self._catalogue(month),
            "customers": self._customers.public.copy(deep=False),
        }
        return shop_incidents.stored(self._schedule, self._where(month), tables, {})[0]

    def _given(self, month, visits):
        """Return the books of what a recommender is given."""
        tables = {"sessions": records.sessions_table(visits), **self._books(month).tables}
        return shop_incidents.given(self._schedule, self._where(month), tables)

    def _context(self, month):
        visits = shop_visits.draw_visits(self._customers, month, self.seed)
        on = pd.Timestamp(HISTORY_STARTS + day_of(month))
        given = self._given(month, visits).tables
        parts = (given[f"given.{name}"] for name in ["sessions", "products", "customers"])
        return Context(month, on, *parts), visits

    def _serve(self, decide, context, visits):
        """Return the lists that the sessions see, and the columns kept beside them.

        When the model takes too long, the shop shows what its old window sold best.
        """
        shown, extras = self._ask(decide, context, visits)
        slow = self._schedule.size("slow_model", visits.month)
        if not slow:
            return shown, extras
        rng = stream(self.seed, visits.month, "telemetry")
        late = records.timed_out(visits, rng, slow)
        shown = np.where(late[:, None], self._bestsellers, shown)
        late_rows = np.repeat(late, LIST_LENGTH)
        return shown, {name: np.where(late_rows, np.nan, extras[name]) for name in extras}

    def _ask(self, decide, context, visits):
        """Call `decide` on the context and return its lists, checked: sessions x 10, by rank."""
        first, last = visits.session_id[[0, -1]] if len(visits.who) else (1, 0)
        on_sale = int((self._products.launched < day_of(visits.month)).sum())
        try:
            answer = decide(context)
        except CannotPlay:
            raise
        except Exception as error:
            raise CannotPlay(
                f"decide was to return lists for month {context.month}, but it raised "
                f"{type(error).__name__}: {error}. Mend it and play month {context.month} again."
            ) from error
        return records.checked_lists(answer, int(first), int(last), on_sale)

    def _live(self, visits, shown, extras):
        """Let the customers see `shown`; return the true tables and what the month leaves behind."""
        market = Market(self._customers, self._products, self._schedule, self.seed)
        tables, after = live_month(market, self._state, visits, shown, extras)
        tables, after["pending"] = records.deliver(tables, self._pending, visits.month)
        return tables, after

    def _catalogue(self, month):
        """Return the catalogue on the first day of `month` as it truly is."""
        on_sale = self._products.launched < day_of(month)
        prices = behaviour.prices(self._products, month, self._schedule)
        catalogue = self._products.public[on_sale].assign(price_eur=prices[on_sale])
        if self._schedule.size("new_goal", month):
            score = 100 * self._products.green[: len(catalogue)]
            catalogue["sustainability"] = np.rint(score).astype(int)
        return catalogue

    def _live_through_history(self):
        """Play the twelve months before month 1 with the old shop window; return the tables."""
        sold = np.zeros(len(self._products.launched))
        months = []
        for month in range(1 - MONTHS, 1):
            visits = shop_visits.draw_visits(self._customers, month, self.seed)
            shown = shop_visits.old_window(self._products, sold, visits, self.seed)
            tables, after = self._live(visits, shown, {})
            self._state, self._pending = after["state"], after["pending"]
            sold = 0.7 * sold + np.bincount(tables["orders"]["product_id"] - 1, minlength=len(sold))
            months.append(tables)
        self._bestsellers = shop_visits.bestsellers(self._products, sold, 1)[:LIST_LENGTH]
        return {
            name: pd.concat([tables[name] for tables in months], ignore_index=True)
            for name in months[0]
        }


def at_random(context: Context) -> DataFrame:
    """Show ten products drawn at random in every session: the policy that knows nothing.

    Examples
    --------
    >>> seen = Shop(customers=60, products=40, seed=7).play(1, at_random)
    >>> seen["impressions"].groupby("session_id")["product_id"].nunique().unique().tolist()
    [10]
    """
    rng = np.random.default_rng(context.month)
    on_sale = context.products["product_id"].to_numpy()
    shown = [rng.permutation(on_sale)[: context.k] for _ in context.sessions["session_id"]]
    return DataFrame(
        {
            "session_id": np.repeat(context.sessions["session_id"].to_numpy(), context.k),
            "product_id": np.concatenate([*shown, on_sale[:0]]),
            "rank": np.tile(np.arange(1, context.k + 1), len(shown)),
        }
    )


def serve(recommend: Callable) -> Callable[[Context], DataFrame]:
    """Make a `decide` of a recommender's `recommend(customer_ids, k, on)`, a list a customer.

    Every session of a customer in the month shows the list made on the month's first day.

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
        return sessions.merge(lists, on="customer_id").drop(columns="customer_id")

    return decide


def _require_whole(name, value, least, why):
    if not is_whole(value) or value < least:
        raise CannotPlay(
            f"{name} has to be a whole number of at least {least} ({why}); got {plainly(value)}: "
            f"try Shop(customers=3_500, products=300, seed=7)."
        )
