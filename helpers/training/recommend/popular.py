"""What sold most: the recommender that every other one has to beat."""

from __future__ import annotations

import numpy as np
from pandas import DataFrame

from helpers.training.recommend.base import Log, Recommender


class MostPopular(Recommender):
    """Recommend to everybody what was liked most often, of all time or lately.

    Parameters
    ----------
    window_days : only the last so many days before the last interaction count; None for all. A window
        needs the column `ordered_at`.
    show_seen : as for every recommender.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 2], "product_id": ["balm", "soap", "balm"]})
    >>> MostPopular().fit(orders).recommend([2, 3], k=1)[["customer_id", "product_id", "score"]].values.tolist()
    [[2, 'soap', 1.0], [3, 'balm', 2.0]]
    """

    def __init__(self, window_days: float | None = None, show_seen: bool = False):
        if window_days is not None and not window_days > 0:
            raise ValueError(f"window_days is a number of days above 0; got {window_days!r}.")
        super().__init__(show_seen)
        self.window_days = window_days

    def learn(self, log: Log, products: DataFrame) -> None:
        """Count what was liked in the window."""
        if self.window_days is not None and log.age_days is None:
            raise ValueError(
                "window_days needs the moments of the interactions, and they have no column ordered_at. "
                "Add it, or take window_days=None."
            )
        recent = slice(None) if self.window_days is None else log.age_days < self.window_days
        self.for_new = np.bincount(log.what[recent], minlength=len(products)).astype(np.float32)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return how often each product was liked, the same for all."""
        return np.broadcast_to(self.for_new, (len(rows), len(self.for_new)))
