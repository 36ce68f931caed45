"""Collaborative filtering by tables of products x products: what goes with what a customer has."""

from __future__ import annotations

import numpy as np
from pandas import DataFrame
from scipy import sparse

from helpers.checks import require_share
from helpers.training.recommend.base import Log, Recommender

_BLOCK = 1_000  # products whose neighbors are looked for at a time


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

    def scores(self, rows: np.ndarray) -> sparse.csr_array:
        """Return what speaks for each product, added up over what each customer has."""
        return self.has[rows] @ self.near


class ItemNeighbours(ItemToItem):
    """Recommend what was liked by the customers who liked the same products.

    Two products are near by the cosine of their columns of customers, which is pulled to 0 where
    few customers tell of them.

    Parameters
    ----------
    shrink : so many customers' worth of doubt; 0 for the plain cosine.
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
        shrink: float = 10.0,
        decay: float = 0.5,
        neighbours: int = 200,
        show_seen: bool = False,
    ):
        if not shrink >= 0:
            raise ValueError(f"shrink is a number of customers, 0 or more; got {shrink!r}.")
        super().__init__(decay, show_seen)
        self.shrink, self.neighbours = shrink, neighbours

    def nearness(self, log: Log, products: DataFrame) -> sparse.csr_array:
        """Return the shrunk cosine of the nearest neighbors."""
        likes = self.likes(log)
        length = np.sqrt(likes.sum(axis=0)).astype(np.float32)

        def cosine(row, together, others):
            return together / (length[row] * length[others] + self.shrink)

        return nearest(likes.T.tocsr(), likes, cosine, self.neighbours)


def nearest(
    left: sparse.csr_array, right: sparse.csr_array, nearness, keep: int
) -> sparse.csr_array:
    """Return the `keep` largest of each row of left @ right, no product being near to itself.

    Parameters
    ----------
    nearness : called with the number of a row, its values and their columns; returns the values that
        count.
    """
    found = []
    for start in range(0, left.shape[0], _BLOCK):
        part = left[start : start + _BLOCK] @ right
        for row in range(part.shape[0]):
            held = slice(part.indptr[row], part.indptr[row + 1])
            others, number = part.indices[held], start + row
            worth = nearness(number, part.data[held], others)
            worth[others == number] = 0
            if len(worth) > keep:
                best = np.argpartition(-worth, keep - 1)[:keep]
                others, worth = others[best], worth[best]
            found.append((others, worth))
    ends = np.cumsum([0, *(len(others) for others, _ in found)])
    columns = np.concatenate([others for others, _ in found])
    values = np.concatenate([worth for _, worth in found]).astype(np.float32)
    table = sparse.csr_array((values, columns, ends), shape=(left.shape[0], right.shape[1]))
    table.eliminate_zeros()
    return table
