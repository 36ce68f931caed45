"""Recommend by what products are, as their table tells: it also knows those that nobody bought yet."""

from __future__ import annotations

from collections.abc import Sequence

from pandas import DataFrame, Series
from pandas.api.types import is_numeric_dtype, is_object_dtype, is_string_dtype
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from helpers.checks import require_columns
from helpers.training.recommend.base import Log
from helpers.training.recommend.neighbours import ItemToItem, nearest


class ContentBased(ItemToItem):
    """Recommend what is described as the products that a customer liked.

    Products are near by the cosine of the words in their columns of text, a word that few of them
    have weighing more (TF-IDF). A gap is no word.

    Parameters
    ----------
    columns : which columns of `products` describe them; None for all that hold text.
    decay, show_seen : as for `ItemToItem`.
    neighbours : how many products are kept for each one, the nearest.

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
        self,
        columns: Sequence[str] | None = None,
        decay: float = 0.5,
        neighbours: int = 200,
        show_seen: bool = False,
    ):
        super().__init__(decay, show_seen)
        self.columns, self.neighbours = columns, neighbours

    def fit(
        self,
        interactions: DataFrame,
        products: DataFrame | None = None,
        customers: DataFrame | None = None,
    ) -> ContentBased:
        """Learn as every recommender does; `products` is needed, with a column of text.

        Raises
        ------
        ValueError
            As for every recommender, or if no column describes the products.
        """
        if products is None:
            raise ValueError(
                "products, the table that describes them, is needed here. Write fit(interactions, products)."
            )
        require_columns(products, "products", self.columns or [])
        if not self._described_by(products):
            raise ValueError(
                f"products has no column of text beside its ids; it has {', '.join(map(str, products))}. "
                "Name the columns that describe them: ContentBased(columns=[...])."
            )
        return super().fit(interactions, products, customers)

    def nearness(self, log: Log, products: DataFrame) -> sparse.csr_array:
        """Return the cosine of the words of the nearest products."""
        pages = Series("", index=products.index)
        for column in self._described_by(products):
            pages += " " + _words(products[column], column)
        words = TfidfVectorizer(token_pattern=r"\S+", lowercase=False)
        table = sparse.csr_array(words.fit_transform(pages))
        return nearest(table, table.T.tocsr(), lambda row, alike, others: alike, self.neighbours)

    def _described_by(self, products):
        texts = [
            column
            for column in products
            if is_string_dtype(products[column]) or is_object_dtype(products[column])
        ]
        return self.columns or [column for column in texts if column != "product_id"]


def _words(column, name):
    """Return the words of a column, each marked with whose they are."""
    text = column.astype(str) if is_numeric_dtype(column) else column
    text = text.astype(object).where(column.notna(), "").astype(str).str.lower()
    return text.str.replace(r"(\w+)\W*", rf"{name}:\1 ", regex=True)
