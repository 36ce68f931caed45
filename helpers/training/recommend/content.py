"""Recommend by what products are, as their table tells: it also knows those that nobody bought yet."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from pandas import DataFrame
from pandas.api.types import is_string_dtype
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from helpers.checks import require_columns
from helpers.training.recommend.base import Log
from helpers.training.recommend.neighbours import NEAREST, ItemToItem

_BLOCK = 1_000  # products whose neighbors are looked for at a time
_USUAL = 100  # a word that more products have, and a tenth of all, tells nothing and costs most


class ContentBased(ItemToItem):
    """Recommend what is described as the products that a customer liked.

    Products are near by the cosine of the words in their columns of text, a word that few of them
    have weighing more (TF-IDF). A gap is no word, nor is a word that a tenth of all products have, if
    these are more than a hundred.

    Parameters
    ----------
    columns : which columns of `products` describe them; None for all that hold text.
    decay, show_seen : as for `ItemToItem`.

    Source
    ------
    Salton & Buckley (1988), Information Processing & Management 24(5).

    Examples
    --------
    >>> products = DataFrame({"product_id": [1, 2, 3], "name": ["rose cream", "lip balm", "rose soap"]})
    >>> orders = DataFrame({"customer_id": [7], "product_id": [1]})
    >>> ContentBased().fit(orders, products).recommend([7], k=1)["product_id"].item()
    3
    """

    def __init__(
        self, columns: Sequence[str] | None = None, decay: float = 0.5, show_seen: bool = False
    ):
        super().__init__(decay, show_seen)
        self.columns = columns

    def nearness(self, log: Log, products: DataFrame) -> sparse.csr_array:
        """Return the cosine of the words of the nearest products."""
        require_columns(products, "products", self.columns or [])
        columns = self.columns or [name for name in products if _is_text(name, products[name])]
        if not columns:
            raise ValueError(
                "products has no column of text that describes them; it has "
                f"{', '.join(map(str, products))}. Hand over such a table: fit(interactions, products)."
            )
        words = sparse.hstack([_counts(products[name]) for name in columns])
        if not words.shape[1]:
            return sparse.csr_array((len(products), len(products)), dtype=np.float32)
        return _nearest(sparse.csr_array(TfidfTransformer().fit_transform(words)))


def _nearest(table):
    """Return the largest of each row of table @ table.T, no product being near to itself."""
    turned, parts = table.T.tocsr(), []
    for start in range(0, table.shape[0], _BLOCK):  # so that all pairs are never there at once
        part = table[start : start + _BLOCK] @ turned
        part.setdiag(0, start)
        for begin, end in itertools.pairwise(part.indptr.tolist()):
            worth = part.data[begin:end]
            if len(worth) > NEAREST:
                worth[np.argpartition(worth, -NEAREST)[:-NEAREST]] = 0
        part.eliminate_zeros()
        parts.append(part)
    return sparse.csr_array(sparse.vstack(parts))


def _is_text(name, column):
    """Return whether a column of the products describes them in words."""
    words = is_string_dtype(column) or column.dtype in ("object", "category")
    return name != "product_id" and words


def _counts(column):
    """Return products x words of a column, a gap having none."""
    text = column.astype(object).where(column.notna(), "").astype(str)
    usual = max(_USUAL, len(text) // 10)
    words = CountVectorizer(token_pattern=r"\w+", max_df=usual, dtype="float32")
    try:
        return words.fit_transform(text)
    except ValueError:  # no word at all, or none but the usual ones
        return sparse.csr_array((len(text), 0), dtype="float32")
