"""Collaborative filtering by tables of products x products: what goes with what a customer has."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy import sparse

from helpers.checks import require_share
from helpers.training.recommend.base import Log, Recommender

NEAREST = 200  # products that are kept for each one
_LONGEST = 50  # products of one customer that tell of neighbors: pairs grow with the square
_REACH, _FADE = 8, 0.7  # steps that a transition spans at most; what a step more weighs
_DOUBT = 20.0  # so many transitions' worth of it
_MOST_INVERTED = 15_000  # products: three tables of floats take 2.7 GB


class ItemToItem(Recommender):
    """Score products by how near they are to those that a customer liked.

    Parameters
    ----------
    decay : what the product before the last one weighs, the last one weighing 1, and so on step by
        step; 1.0 for all alike.
    show_seen : as for every recommender.
    """

    def __init__(self, decay: float = 0.5, show_seen: bool = False):
        require_share(decay, "decay")
        super().__init__(show_seen)
        self.decay = decay

    def learn(self, log: Log, products: DataFrame) -> None:
        """Learn what each customer has, and what is near to what."""
        self.has = self.likes(log, self.decay)
        self.near = self.nearness(log, products)

    def nearness(self, log: Log, products: DataFrame) -> sparse.csr_array:
        """Return products x products: how much the one speaks for the other."""
        raise NotImplementedError

    def scores(self, rows: np.ndarray, day: pd.Timestamp | None) -> sparse.csr_array:
        """Return what speaks for each product, added up over what each customer has."""
        return self.has[rows] @ self.near


class ItemNeighbours(ItemToItem):
    """Recommend what was liked by the customers who liked the same products.

    Two products are near by the cosine of their columns of customers, whose lengths are taken as
    `shrink` longer than they are: what few customers tell of is less near.

    Parameters
    ----------
    shrink : by how much; 0 for the plain cosine.
    decay, show_seen : as for `ItemToItem`.
    neighbours : how many products are kept for each one, the nearest.

    Source
    ------
    Sarwar, Karypis, Konstan & Riedl (2001), WWW, the cosine of items; Bell & Koren (2007), ICDM,
    shrinking.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2, 2, 3, 4, 5], "product_id": list("abacddb")})
    >>> ItemNeighbours(shrink=0).fit(orders).recommend([5], k=2)["product_id"].tolist()
    ['a', 'd']
    """

    def __init__(
        self,
        shrink: float = 5.0,
        decay: float = 0.5,
        neighbours: int = NEAREST,
        show_seen: bool = False,
    ):
        if not shrink >= 0:
            raise ValueError(f"shrink is a length to add, 0 or more; got {shrink!r}.")
        super().__init__(decay, show_seen)
        self.shrink, self.neighbours = shrink, neighbours

    def nearness(self, log: Log, products: DataFrame) -> sparse.csr_array:
        """Return the shrunk cosine of the nearest neighbors (package implicit)."""
        likes = self.likes(log, longest=_LONGEST)
        length = np.sqrt(likes.sum(axis=0, dtype=np.float64)) + self.shrink
        likes.data = (1 / np.maximum(length, 1e-9)).astype(np.float32)[likes.indices]
        from implicit.nearest_neighbours import ItemItemRecommender

        model = ItemItemRecommender(K=self.neighbours + 1, num_threads=1)  # with the product itself
        model.fit(sparse.csr_matrix(likes, dtype=np.float64), show_progress=False)
        near = sparse.csr_array(model.similarity.astype(np.float32))
        near.data[near.indices == np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))] = 0
        near.eliminate_zeros()
        return near


class Transitions(ItemToItem):
    """Recommend what customers took soon after what this one took last: the direction counts.

    Pairs up to eight steps apart count, 0.7 times as much at each step more. The sum is divided by the
    cube root of how often the one leads times how often the other follows, plus 20 for doubt: a plain
    cosine would lead to rare products, plain counts to bestsellers.

    Parameters
    ----------
    back : what a pair weighs in the other direction: 0.0 nothing, 1.0 as much.
    show_seen : as for every recommender.

    Source
    ------
    Rendle, Freudenthaler & Schmidt-Thieme (2010), WWW, chains of what follows what.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2, 2, 3], "product_id": list("abcab")})
    >>> Transitions().fit(orders).recommend([3], k=2)["product_id"].tolist()
    ['a', 'c']
    """

    def __init__(self, back: float = 0.2, show_seen: bool = False):
        require_share(back, "back")
        super().__init__(0.6, show_seen)
        self.back = back

    def nearness(self, log: Log, products: DataFrame) -> sparse.csr_array:
        """Return how often the one is followed by the other, shrunk."""
        shape = (len(products), len(products))
        after = sparse.csr_array(shape, dtype=np.float32)
        for steps in range(1, _REACH + 1):
            same = (log.who[steps:] == log.who[:-steps]) & (log.who[steps:] >= 0)
            pair = log.what[:-steps][same], log.what[steps:][same]
            weight = np.full(len(pair[0]), _FADE ** (steps - 1), dtype=np.float32)
            after += sparse.csr_array((weight, pair), shape=shape)
        after = (after + self.back * after.T).tocoo()
        leads, follows = after.sum(axis=1), after.sum(axis=0)
        one, other = after.coords
        worth = after.data / (np.cbrt(leads[one] * follows[other]) + _DOUBT)
        return sparse.csr_array((worth.astype(np.float32), (one, other)), shape=shape)


class EASE(ItemToItem):
    """Recommend by the linear model in which every product speaks for every other one.

    Parameters
    ----------
    penalty : how much large weights are held back; a few hundred for some ten thousand customers.
    decay, show_seen : as for `ItemToItem`.

    Raises
    ------
    ValueError
        By `fit`, if the table products x products would not fit: the model inverts it.

    Source
    ------
    Steck (2019), WWW, embarrassingly shallow autoencoders.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2, 2, 3, 4, 5], "product_id": list("abacddb")})
    >>> EASE(penalty=1).fit(orders).recommend([5], k=1)["product_id"].item()
    'a'
    """

    def __init__(self, penalty: float = 300.0, decay: float = 0.5, show_seen: bool = False):
        if not penalty > 0:
            raise ValueError(f"penalty is a number above 0; got {penalty!r}.")
        super().__init__(decay, show_seen)
        self.penalty = penalty

    def nearness(self, log: Log, products: DataFrame) -> np.ndarray:
        """Return the weights, products x products, none from a product to itself."""
        if len(products) > _MOST_INVERTED:
            need = 3 * 4 * len(products) ** 2 / 1e9
            raise ValueError(
                f"EASE inverts a table of {len(products):,} x {len(products):,} products, which takes "
                f"about {need:,.0f} GB; {_MOST_INVERTED:,} products are the most here. Take ItemNeighbours, "
                "or list fewer products."
            )
        likes = self.likes(log)
        table = (likes.T @ likes).toarray()
        table[np.diag_indices_from(table)] += self.penalty
        inverse = np.linalg.inv(table)
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return weights
