"""What sold most: the recommender that every other one has to beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy import sparse

from helpers.checks import require_columns
from helpers.training.recommend.base import Log, Recommender


class MostPopular(Recommender):
    """Recommend what was liked most often: of all time or lately, of all products or of one's brands.

    With `within` a product scores by the root of its likes (so that one bestseller does not drown the
    others) times the share of the customer's products that are of its brand, or whatever the
    column holds; a gap is one brand more. A new customer is shown what is popular with all.

    Parameters
    ----------
    window_days : only the last so many days before the last interaction count; None for all. A window
        needs the column `ordered_at`.
    within : a column of `products`, such as "brand"; None for all products.
    show_seen : as for every recommender.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2], "product_id": ["balm", "soap", "balm"]})
    >>> MostPopular().fit(orders).recommend([2, 3], k=1)[["customer_id", "product_id", "score"]].values.tolist()
    [[2, 'soap', 1.0], [3, 'balm', 2.0]]
    """

    def __init__(
        self,
        window_days: float | None = None,
        within: str | None = None,
        show_seen: bool = False,
    ):
        if window_days is not None and not window_days > 0:
            raise ValueError(f"window_days is a number of days above 0; got {window_days!r}.")
        super().__init__(show_seen)
        self.window_days, self.within = window_days, within

    def learn(self, log: Log, products: DataFrame) -> None:
        """Count what was liked in the window."""
        if self.window_days is not None and log.age_days is None:
            raise ValueError(
                "window_days needs the moments of the interactions, and they have no column ordered_at. "
                "Add it, or take window_days=None."
            )
        recent = slice(None) if self.window_days is None else log.age_days < self.window_days
        self.sold = np.bincount(log.what[recent], minlength=len(products)).astype(np.float32)
        if self.within is not None:
            require_columns(products, "products", [self.within])
            brand = pd.factorize(products[self.within], use_na_sentinel=False)[0]
            rows = np.arange(len(brand)), brand
            self.of_brand = sparse.csr_array((np.sqrt(self.sold), rows))
            has = self.likes(log)
            count = np.maximum(has.sum(axis=1), 1)
            of_brand = sparse.csr_array((np.ones(len(brand), dtype=np.float32), rows))
            self.shares = sparse.csr_array(sparse.diags_array(1 / count) @ has @ of_brand)

    def scores(self, rows: np.ndarray, day: pd.Timestamp | None) -> np.ndarray | sparse.csr_array:
        """Return how often each product was liked, the same for all, or by the customer's shares."""
        if self.within is not None:
            return self.shares[rows] @ self.of_brand.T.tocsr()
        return np.broadcast_to(self.sold, (len(rows), len(self.sold)))

    def scores_of_new(self, day: pd.Timestamp | None) -> np.ndarray:
        """Return how often each product was liked."""
        return self.sold
