"""The shop's own recommender: what sells now, in the categories and of the brands of a customer."""

from __future__ import annotations

from numbers import Real

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy import sparse

from helpers.checks import (
    moment_in,
    require_columns,
    require_filled,
    require_moments,
    require_rows,
    require_share,
)
from helpers.training.recommend.base import Log, Recommender

# Days after which a purchase says half as much: of what a customer needs, of what sells now, of
# the brands a customer is fond of. Older than _SELLS_FOR says nothing about what sells now.
_NEEDS_FADE, _SALES_FADE, _BRANDS_FADE, _SELLS_FOR = 60.0, 20.0, 180.0, 60.0
_FLATTER = 0.6  # power that keeps one bestseller from drowning the others of its category
_AVERAGE_ORDERS = 3.0  # a customer's needs start as those of everybody, at so many orders
_OWN_BRAND = 6.0  # weight of the customer's own brands


class PersonalBestsellers(Recommender):
    """Recommend what sells now, in the categories and of the brands that a customer buys.

    A product scores by its share of its category's recent sales and by the customer's share of
    its brand. The list is spread over categories by how often the customer buys in each; a
    second product of a category counts half, a third a quarter.

    Parameters
    ----------
    seasons : weigh categories by the calendar month, as learnt from the first year of orders.
    sustainability : 0.0 to 1.0, the weight of the products' `sustainability` score beside that of
        selling; 0.0 leaves it out.
    show_seen : as for every recommender; customers of this shop buy the same again.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2], "product_id": [10, 11, 12],
    ...                     "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-03"])})
    >>> products = DataFrame({"product_id": [10, 11, 12], "category": ["mask", "cleanser", "mask"],
    ...                       "brand": ["A", "A", "B"]})
    >>> PersonalBestsellers().fit(orders, products).recommend([2, 1], k=2)["product_id"].tolist()
    [12, 11, 11, 10]
    """

    def __init__(self, seasons: bool = False, sustainability: float = 0.0, show_seen: bool = True):
        require_share(sustainability, "sustainability")
        super().__init__(show_seen)
        self.seasons, self.sustainability, self.trained_on = seasons, sustainability, None

    def fit(
        self,
        interactions: DataFrame,
        products: DataFrame | None = None,
        customers: DataFrame | None = None,
        on: str | pd.Timestamp | None = None,
    ) -> PersonalBestsellers:
        """Learn from orders, as every recommender does.

        Parameters
        ----------
        interactions : with `ordered_at`; an order without a `customer_id` tells what everybody needs.
        products : with `category`, `brand` (a gap is one more) and, if it has a weight,
            `sustainability` (0 to 100).
        on : the day of training; orders from then on are not looked at. Without it, the moment
            after the last order.

        Raises
        ------
        ValueError
            As the others do, or if no order is before the day of training, or a `sustainability` that
            has a weight is not from 0 to 100.
        """
        if on is not None:
            require_filled(interactions, "interactions", "ordered_at")
            require_moments(interactions, "interactions", "ordered_at")
            on = moment_in(on, interactions["ordered_at"].dt.tz)
            interactions = interactions[interactions["ordered_at"] < on]
            require_rows(interactions, "interactions before the day of training")
        self.trained_on = on
        return super().fit(interactions, products, customers)

    def learn(self, log: Log, products: DataFrame) -> None:
        """Learn what sells, what each customer needs and which brands each is fond of."""
        if log.age_days is None:
            raise ValueError(
                "What sells now is known from the moments of the interactions, and they have no column "
                "ordered_at. Add it, or take MostPopular."
            )
        require_columns(products, "products", ["category", "brand"])
        self.green = self._green(products) if self.sustainability else None
        last = self.known.last
        day = last + pd.Timedelta(seconds=1) if self.trained_on is None else self.trained_on
        self.known = self.known._replace(last=day)
        age = log.age_days + (day - last).total_seconds() / 86_400
        self.category = pd.factorize(products["category"], use_na_sentinel=False)[0]
        self.brand = pd.factorize(products["brand"], use_na_sentinel=False)[0]
        category, brand = self.category[log.what], self.brand[log.what]
        people, categories = len(self.known.customer_ids), self.category.max() + 1
        named = log.who >= 0

        since = pd.to_timedelta((86_400 * log.age_days).round(3), unit="s")
        month = (last - since).month.to_numpy() - 1
        self.season = np.ones((categories, 12))
        if self.seasons:
            first_year = age > age.max() - 366
            places = category[first_year], month[first_year]
            count = sparse.coo_array(
                (np.ones(first_year.sum()), places), self.season.shape
            ).toarray()
            share = count / np.maximum(1, count.sum(axis=0))
            self.season = (share + 0.01) / (share.mean(axis=1, keepdims=True) + 0.01)
        weight = 0.5 ** (age / _NEEDS_FADE) / self.season[category, month]
        average = np.bincount(category, weight, categories) / weight.sum()
        places, shape = (log.who[named], category[named]), (people, categories)
        needs = sparse.coo_array((weight[named], places), shape).toarray()
        self.needs = np.vstack([needs + _AVERAGE_ORDERS * average, average])
        faded = 0.5 ** (age[named] / _BRANDS_FADE)
        places, shape = (log.who[named], brand[named]), (people, self.brand.max() + 1)
        fond = sparse.coo_array((faded, places), shape).toarray()
        fond /= fond.sum(axis=1, keepdims=True) + 1
        self.fond = np.vstack([fond, np.zeros(fond.shape[1])])
        recent = 0.5 ** (age / _SALES_FADE) * (age < _SELLS_FOR)
        sold = np.bincount(log.what, recent, len(products))
        of_category = np.bincount(self.category, sold)[self.category]
        self.sells = (sold / np.maximum(of_category, 1e-9)) ** _FLATTER

    def scores(self, rows: np.ndarray, day: pd.Timestamp) -> np.ndarray:
        """Return what each product is worth to some customers; -1 is one who is not known."""
        needs = self.needs[rows] * self.season[:, day.month - 1]
        likes = self.sells * (1 + _OWN_BRAND * self.fond[rows][:, self.brand])
        score = np.zeros(likes.shape)
        for category in range(needs.shape[1]):
            shelf = np.flatnonzero(self.category == category)
            order = np.argsort(-likes[:, shelf], axis=1, kind="stable")
            halves = 0.5 ** np.arange(len(shelf))
            falling = np.take_along_axis(likes[:, shelf], order, axis=1) * halves
            np.put_along_axis(score, shelf[order], falling * needs[:, [category]], axis=1)
        if self.sustainability:
            score /= np.maximum(score.max(axis=1, keepdims=True), 1e-9)
            score = (1 - self.sustainability) * score + self.sustainability * self.green
        return score

    def scores_of_new(self, day: pd.Timestamp) -> np.ndarray:
        """Return what each product is worth to the average customer, who is fond of no brand."""
        return self.scores(np.array([-1]), day)[0]

    def _green(self, products):
        """Return how sustainable each product is, from 0 to 1."""
        require_columns(products, "products", ["sustainability"])
        score = products["sustainability"]
        wrong = [not (isinstance(one, Real) and 0 <= one <= 100) for one in score]
        if any(wrong):
            raise ValueError(
                f"sustainability of {sum(wrong):,} product(s) is not from 0 to 100, the first being that of "
                f"product_id {products.loc[wrong, 'product_id'].iloc[0]}. Fill it in, or leave the product out."
            )
        return score.to_numpy(float) / 100
