"""Collaborative filtering by factors: a few numbers a side, multiplied pair by pair and added up."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy.sparse import csr_matrix

from helpers.training.recommend.base import Log, Recommender

_ROUNDS = 15  # in which ALS fits both sides in turn


class Factors(Recommender):
    """Score a product for a customer: their factors multiplied pair by pair and added up."""

    def __init__(self, factors: int, seed: int, show_seen: bool = False):
        super().__init__(show_seen)
        self.factors, self.seed = factors, seed

    def learn(self, log: Log, products: DataFrame) -> None:
        """Find the factors, customers in order of their ids: the order of rows must not move them."""
        order = self.known.customer_ids.argsort()
        likes = csr_matrix(self.likes(log)[order])
        likes.sort_indices()
        of_customers, self.of_products = self.factors_of(likes)
        self.of_customers = of_customers[order.argsort()]

    def factors_of(self, likes: csr_matrix) -> tuple[np.ndarray, np.ndarray]:
        """Return the factors of the customers (rows of `likes`) and of the products."""
        raise NotImplementedError

    def scores(self, rows: np.ndarray, day: pd.Timestamp | None) -> np.ndarray:
        """Return the sums of the factors' products."""
        return self.of_customers[rows] @ self.of_products.T


class ALS(Factors):
    """Recommend by factors that alternating least squares finds (package implicit).

    Parameters
    ----------
    factors : numbers a customer and a product.
    alpha : how much more a product liked weighs than one that is not known.
    seed : the same seed gives the same lists.
    show_seen : as for every recommender.

    Source
    ------
    Hu, Koren & Volinsky (2008), ICDM.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2, 2, 3, 4, 4], "product_id": list("ababacd")})
    >>> ALS(factors=2, seed=7).fit(orders).recommend([3], k=1)["product_id"].item()
    'b'
    """

    def __init__(
        self, factors: int = 64, alpha: float = 10.0, seed: int = 7, show_seen: bool = False
    ):
        super().__init__(factors, seed, show_seen)
        self.alpha = alpha

    def factors_of(self, likes: csr_matrix) -> tuple[np.ndarray, np.ndarray]:
        """Fit both sides in turn."""
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):  # implicit warns where two kinds of threads compete
            model = AlternatingLeastSquares(
                factors=self.factors,
                alpha=self.alpha,
                iterations=_ROUNDS,
                random_state=self.seed,
                num_threads=1,
            )
            model.fit(likes, show_progress=False)
        return model.user_factors, model.item_factors


class SVD(Factors):
    """Recommend by the largest singular vectors of customers x products (scikit-learn).

    Parameters
    ----------
    factors : how many of them.
    seed, show_seen : as for `ALS`.

    Source
    ------
    Cremonesi, Koren & Turrin (2010), RecSys, where gaps taken as 0 ranked best.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2, 2, 3, 4, 4], "product_id": list("ababacd")})
    >>> SVD(factors=2).fit(orders).recommend([3], k=1)["product_id"].item()
    'b'
    """

    def __init__(self, factors: int = 64, seed: int = 7, show_seen: bool = False):
        super().__init__(factors, seed, show_seen)

    def factors_of(self, likes: csr_matrix) -> tuple[np.ndarray, np.ndarray]:
        """Find the singular vectors."""
        from sklearn.decomposition import TruncatedSVD

        if min(likes.shape) < 2:  # nothing to tell apart: what sells fills the lists
            customers, products = (np.zeros((one, 1), dtype=np.float32) for one in likes.shape)
            return customers, products
        most = min(self.factors, min(likes.shape) - 1)
        model = TruncatedSVD(most, random_state=self.seed)
        of_customers = model.fit_transform(likes).astype(np.float32)
        return of_customers, model.components_.T.astype(np.float32)
