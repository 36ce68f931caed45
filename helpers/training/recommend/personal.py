"""Stage 4: recommenders. `fit` learns from orders; `recommend` returns a list for each customer."""

from __future__ import annotations

from numbers import Real

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import (
    moment_in,
    require_columns,
    require_filled,
    require_moments,
    require_rows,
    require_same_kind,
    require_share,
    require_single,
    require_unique,
)
from helpers.training.recommend.base import ids_asked

# Days after which a purchase says half as much: of what a customer needs, of what sells now, of
# the brands a customer is fond of. Older than _SELLS_FOR says nothing about what sells now.
_NEEDS_FADE, _SALES_FADE, _BRANDS_FADE, _SELLS_FOR = 60.0, 20.0, 180.0, 60.0
_FLATTER = 0.6  # power that keeps one bestseller from drowning the others of its category
_AVERAGE_ORDERS = 3.0  # a customer's needs start as those of everybody, at so many orders
_OWN_BRAND = 6.0  # weight of the customer's own brands


class PersonalBestsellers:
    """Recommend what sells now, in the categories and of the brands that a customer buys.

    Unlike the other recommenders it needs the table of products, shows all of them (hand over what is on
    sale) and shows again what a customer has, as these customers buy the same again.

    A product scores by its share of its category's recent sales and by the customer's share of
    its brand. The list is spread over categories by how often the customer buys in each; a
    second product of a category counts half, a third a quarter.

    Parameters
    ----------
    seasons : weigh categories by the calendar month, as learnt from the first year of orders.
    sustainability : 0.0 to 1.0, the weight of the products' `sustainability` score beside that of
        selling; 0.0 leaves it out.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2], "product_id": [10, 11, 12],
    ...                     "ordered_at": pd.to_datetime(["2025-01-01", "2025-01-02", "2025-01-03"])})
    >>> products = DataFrame({"product_id": [10, 11, 12], "category": ["mask", "cleanser", "mask"],
    ...                       "brand": ["A", "A", "B"]})
    >>> model = PersonalBestsellers().fit(orders, products, on="2025-01-04")
    >>> model.recommend([2, 1], k=2)[["customer_id", "product_id", "rank"]].values.tolist()
    [[2, 12, 1], [2, 11, 2], [1, 11, 1], [1, 10, 2]]
    """

    def __init__(self, seasons: bool = False, sustainability: float = 0.0):
        require_share(sustainability, "sustainability")
        self.seasons, self.sustainability = seasons, sustainability

    def fit(
        self,
        interactions: DataFrame,
        products: DataFrame,
        customers: DataFrame | None = None,
        on: str | pd.Timestamp | None = None,
    ) -> PersonalBestsellers:
        """Learn from orders.

        Parameters
        ----------
        interactions : one row a product ordered: `customer_id`, `product_id`, `ordered_at`.
            Products that are not among `products` are passed over; orders without a
            `customer_id` count as those of one customer more.
        products : what may be recommended: `product_id`, `category`, `brand`, and
            `sustainability` (0 to 100) if that has a weight. Those without a category or a brand
            count as of one category or brand more.
        customers : not needed here; whoever has no order is served as the average customer.
        on : the day of training; orders from then on are not looked at. Without it, the moment
            after the last order.

        Raises
        ------
        ValueError
            If a column is missing, a product is listed twice or without an id, an order has no
            moment, the ids of products are of another kind in the orders (texts, numbers), no
            order is left, or a `sustainability` that has a weight is not from 0 to 100.
        """
        scored = ["sustainability"] if self.sustainability else []
        require_columns(interactions, "interactions", ["customer_id", "product_id", "ordered_at"])
        require_columns(products, "products", ["product_id", "category", "brand", *scored])
        require_filled(products, "products", "product_id")
        require_single(products["product_id"], "product_id of products")
        require_unique(products, "products", "product_id")
        for column in scored:
            held = products[column].map(lambda one: isinstance(one, Real) and 0 <= one <= 100)
            wrong = products.loc[~held.fillna(False).astype(bool), "product_id"]
            if len(wrong):
                raise ValueError(
                    f"{column} of {len(wrong):,} product(s) is not from 0 to 100, the first being that of "
                    f"product_id {wrong.iloc[0]}. Fill it in, or leave the product out."
                )
        require_single(interactions["customer_id"], "customer_id of interactions")
        require_filled(interactions, "interactions", "ordered_at")
        require_moments(interactions, "interactions", "ordered_at")
        there = products["product_id"]
        require_same_kind(
            interactions["product_id"], "interactions", there, "products", "product_id"
        )
        last = interactions["ordered_at"].max() + pd.Timedelta(seconds=1)
        self._on = last if on is None else moment_in(on, interactions["ordered_at"].dt.tz)
        what = pd.Index(there).get_indexer(interactions["product_id"])
        used = (what >= 0) & (interactions["ordered_at"] < self._on).to_numpy()
        orders = interactions[used]
        require_rows(orders, "interactions before the day of training")
        self._products = products.reset_index(drop=True)
        self._category, self._categories = _numbered(self._products["category"])
        self._brand, brands = _numbered(self._products["brand"])
        self._learn(orders, what[used], len(self._categories), len(brands))
        return self

    def recommend(self, customer_ids, k: int, on: str | pd.Timestamp | None = None) -> DataFrame:
        """Return the `k` products for each of `customer_ids`.

        Parameters
        ----------
        customer_ids : in any order; the rows come in the same order.
        k : length of a list, 1 to the number of products.
        on : the day it is for, which tells the season; without it the day of training.

        Returns
        -------
        One row a product shown: `customer_id`, `product_id`, `rank` (from 1), `score` (falling).

        Raises
        ------
        ValueError
            If `k` is more than there are products, or less than one, or the ids are of another kind
            (texts, numbers) than those of the orders.
        """
        if not hasattr(self, "_products"):
            raise ValueError(
                "PersonalBestsellers has learnt nothing yet. Call fit(interactions, products) first."
            )
        if not isinstance(k, (int, np.integer)) or not 1 <= k <= len(self._products):
            raise ValueError(
                f"k, the length of a list, is from 1 to the {len(self._products)} products; got {k}."
            )
        customer_ids = ids_asked(customer_ids)
        require_same_kind(
            customer_ids, "customer_ids", self._customers, "the orders", "customer_id"
        )
        month = (self._on if on is None else pd.Timestamp(on)).month
        score = self._scores(self._customers.get_indexer(customer_ids), month)
        best = np.argsort(-score, axis=1, kind="stable")[:, :k]
        return DataFrame(
            {
                "customer_id": customer_ids.repeat(k),
                "product_id": self._products["product_id"].to_numpy()[best].ravel(),
                "rank": np.tile(np.arange(1, k + 1), len(customer_ids)),
                "score": np.take_along_axis(score, best, axis=1).ravel(),
            }
        )

    def _learn(self, orders, what, categories, brands):
        """Learn what sells, what each customer needs and which brands each is fond of."""
        who, self._customers = _numbered(orders["customer_id"])
        people = len(self._customers)
        age = (self._on - orders["ordered_at"]).dt.total_seconds().to_numpy() / 86_400
        month = orders["ordered_at"].dt.month.to_numpy() - 1
        category, brand = self._category[what], self._brand[what]
        self._season = self._learn_seasons(category, month, age, categories)
        weight = 0.5 ** (age / _NEEDS_FADE) / self._season[category, month]
        needs = _sums(who, category, weight, (people, categories))
        average = needs.sum(axis=0) / needs.sum()
        self._needs = np.vstack([needs + _AVERAGE_ORDERS * average, average])
        fond = _sums(who, brand, 0.5 ** (age / _BRANDS_FADE), (people, brands))
        fond /= fond.sum(axis=1, keepdims=True) + 1
        self._fond = np.vstack([fond, np.zeros(brands)])
        recent = 0.5 ** (age / _SALES_FADE) * (age < _SELLS_FOR)
        sold = np.bincount(what, recent, minlength=len(self._products))
        of_category = np.bincount(self._category, sold, minlength=categories)[self._category]
        self._sells = (sold / np.maximum(of_category, 1e-9)) ** _FLATTER

    def _learn_seasons(self, category, month, age, categories):
        """Return how much each category is bought in each month, 1 for its average."""
        season = np.ones((categories, 12))
        if self.seasons:
            first_year = age > age.max() - 366
            count = _sums(category[first_year], month[first_year], 1.0, season.shape)
            share = count / np.maximum(1, count.sum(axis=0))
            season = (share + 0.01) / (share.mean(axis=1, keepdims=True) + 0.01)
        return season

    def _scores(self, rows, month):
        """Return the scores, customers x products; row -1 is the average customer."""
        needs = self._needs[rows] * self._season[:, month - 1]
        likes = self._sells * (1 + _OWN_BRAND * self._fond[rows][:, self._brand])
        score = np.zeros(likes.shape)
        for category in range(len(self._categories)):
            shelf = np.flatnonzero(self._category == category)
            order = np.argsort(-likes[:, shelf], axis=1, kind="stable")
            halves = 0.5 ** np.arange(len(shelf))
            falling = np.take_along_axis(likes[:, shelf], order, axis=1) * halves
            np.put_along_axis(score, shelf[order], falling * needs[:, [category]], axis=1)
        if self.sustainability:
            score /= np.maximum(score.max(axis=1, keepdims=True), 1e-9)
            green = self._products["sustainability"].to_numpy() / 100
            score = (1 - self.sustainability) * score + self.sustainability * green
        return score


def _numbered(column):
    """Return the number of each value and the values in order; a gap is one of them, not -1."""
    numbers, values = pd.factorize(column, sort=True, use_na_sentinel=False)
    return numbers, pd.Index(values)


def _sums(rows, columns, weight, shape):
    """Return a table of `shape` that adds up the weights of each (row, column)."""
    weight = np.broadcast_to(weight, len(rows))
    return np.bincount(rows * shape[1] + columns, weight, shape[0] * shape[1]).reshape(shape)
