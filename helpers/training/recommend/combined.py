"""Recommenders made of others: several that vote, and one whose list also serves a second goal."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy import sparse

from helpers.checks import require_columns, require_each, require_share
from helpers.training.recommend.base import Log, Recommender


class Hybrid(Recommender):
    """Recommend by the weighted scores of several recommenders, each divided by a customer's best.

    Parameters
    ----------
    parts : pairs of a recommender that has learnt nothing yet, and its weight above 0.
    show_seen : as for every recommender; that of the parts does not count.

    Raises
    ------
    ValueError
        If there is no part, one is no recommender of this kind, or a weight is not above 0.

    Source
    ------
    Burke (2002), User Modeling and User-Adapted Interaction 12(4), the weighted hybrid.

    Examples
    --------
    >>> from helpers.training.recommend import ContentBased, ItemNeighbours
    >>> products = DataFrame({"product_id": [1, 2, 3], "name": ["rose cream", "mint gel", "rose soap"]})
    >>> orders = DataFrame({"customer_id": [7, 8, 8], "product_id": [1, 1, 2]})
    >>> model = Hybrid([(ItemNeighbours(shrink=0), 1.0), (ContentBased(), 0.5)]).fit(orders, products)
    >>> model.recommend([7], k=2)["product_id"].tolist()
    [2, 3]
    """

    def __init__(self, parts: Sequence[tuple[Recommender, float]], show_seen: bool = False):
        super().__init__(show_seen)
        self.parts = list(parts)
        wrong = [pair for pair in self.parts if not _is_part(pair)]
        if not self.parts or wrong:
            raise ValueError(
                "parts are pairs of a recommender that scores every product and its weight, a number "
                f"above 0; got {wrong[0] if wrong else 'none'}. Write for instance "
                "[(ItemNeighbours(), 1.0), (MostPopular(), 0.5)]."
            )

    def learn(self, log: Log, products: DataFrame) -> None:
        """Let each part learn."""
        for part, _ in self.parts:
            part.take(self.known, log, products)

    def scores(self, rows: np.ndarray, day: pd.Timestamp | None) -> np.ndarray:
        """Return the sum of the scores of the parts."""
        total = np.zeros((len(rows), len(self.known.product_ids)), dtype=np.float32)
        for part, weight in self.parts:
            scores = _of_best(part.scores(rows, day)) * np.float32(weight)
            total += scores.toarray() if sparse.issparse(scores) else scores
        return total

    def scores_of_new(self, day: pd.Timestamp | None) -> np.ndarray | None:
        """Return the sum of what the parts know of new customers."""
        known = [(part.scores_of_new(day), weight) for part, weight in self.parts]
        known = [weight * _of_best(of[None])[0] for of, weight in known if of is not None]
        return sum(known) if known else None


def _is_part(pair):
    """Return whether something is a recommender with its weight."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        return False
    part, weight = pair
    return isinstance(part, Recommender) and isinstance(weight, Real) and weight > 0


def _of_best(scores):
    """Return scores with each row divided by its best, where that is above 0."""
    if sparse.issparse(scores):
        held = np.diff(scores.indptr)  # scores.max() would sort each row first
        best = np.empty(0)
        if held.any():
            best = np.maximum.reduceat(scores.data, scores.indptr[:-1][held > 0])
        scores.data = scores.data / np.repeat(np.where(best > 0, best, 1), held[held > 0])
        return scores
    best = scores.max(axis=1, keepdims=True)
    return scores / np.where(best > 0, best, 1)


class MultiObjective:
    """Recommend by what a customer likes and by a second goal, such as sustainability or margin.

    The first products of the model's list, the best of which counts 1 and the last 0, are put in a
    new order by both goals. So nothing is shown only because it serves the second.

    Parameters
    ----------
    model : the recommender that knows what a customer likes; it has learnt nothing yet.
    column : of `products`: how well a product serves the second goal, in numbers; the best of all
        counts 1 and the worst 0.
    weight : of the second goal, from 0.0 (only the model counts) to 1.0.
    among : so many products of the model's list are put in a new order.

    Source
    ------
    Jambor & Wang (2010), RecSys, several objectives.

    Examples
    --------
    >>> from helpers.training.recommend import MostPopular
    >>> products = DataFrame({"product_id": [1, 2, 3], "sustainability": [10, 90, 20]})
    >>> orders = DataFrame({"customer_id": [5, 6, 7, 8, 9], "product_id": [1, 1, 1, 2, 2]})
    >>> model = MultiObjective(MostPopular(), "sustainability", weight=0.6).fit(orders, products)
    >>> model.recommend([4], k=2)["product_id"].tolist()
    [2, 1]
    """

    def __init__(self, model: Recommender, column: str, weight: float, among: int = 50):
        require_share(weight, "weight")
        self.model, self.column, self.weight, self.among = model, column, weight, among
        self.goal = pd.Series(dtype=float)  # `fit` fills it

    def fit(
        self, interactions: DataFrame, products: DataFrame, customers: DataFrame | None = None
    ) -> MultiObjective:
        """Learn as the model does; `products` without a number for the second goal are refused."""
        require_columns(products, "products", ["product_id", self.column])
        goal = pd.to_numeric(products[self.column], errors="coerce")
        goal = goal.to_numpy(float, na_value=np.nan)
        advice = "Fill it in, or leave the product out."
        require_each(np.isfinite(goal), products, "products", self.column, "a number", advice)
        self.model.fit(interactions, products, customers)
        span = (goal - goal.min()) / max(np.ptp(goal), 1e-12)
        self.goal = pd.Series(span, index=products["product_id"].to_numpy())
        return self

    def recommend(self, customer_ids, k: int, on: str | pd.Timestamp | None = None) -> DataFrame:
        """Return the best `k` products for each of `customer_ids`, as the model does."""
        possible = isinstance(k, int | np.integer) and k >= 1  # the model refuses what is not
        most = max(k, min(self.among, len(self.goal))) if possible else k
        lists = self.model.recommend(customer_ids, most, on)
        of = lists["rank"].eq(1).cumsum().to_numpy()  # a customer may be asked for twice
        liked = 1 - (lists["rank"].to_numpy() - 1) / max(1, most - 1)
        served = self.goal.reindex(lists["product_id"]).to_numpy()
        lists["score"] = (1 - self.weight) * liked + self.weight * served
        lists = lists.iloc[np.lexsort((lists["rank"], -lists["score"], of))]
        lists["rank"] = lists.groupby(np.sort(of)).cumcount() + 1
        return lists[lists["rank"] <= k].reset_index(drop=True)
