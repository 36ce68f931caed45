"""What the recommenders share: the checks, who and what is known, and the best k of the scores."""

from __future__ import annotations

from datetime import tzinfo
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame
from scipy import sparse

from helpers.checks import (
    kinds_of,
    moment_in,
    require_columns,
    require_each,
    require_filled,
    require_moments,
    require_rows,
    require_same_kind,
    require_single,
    require_unique,
)

LIKED = 4  # stars, of 5, from which on a rating says that the customer liked the product
_CELLS = 2**23  # scores held at a time: some customers x all products


class Log(NamedTuple):
    """What was liked, by numbers of customers and products: customer by customer, oldest first.

    `who` is -1 where no customer is known. `age_days` is before the last interaction (None without
    moments). A product that a customer took twice stands twice; `last` flags the later row.
    """

    who: np.ndarray
    what: np.ndarray
    age_days: np.ndarray | None
    last: np.ndarray


class Known(NamedTuple):
    """What a recommender knows beside its model: both sides by their numbers, what was seen, dates."""

    customer_ids: pd.Index
    product_ids: np.ndarray
    seen: sparse.csr_array
    dates: dict[str, pd.Series]
    last: pd.Timestamp | None
    zone: tzinfo | None


class Recommender:
    """What every recommender does alike: learn from interactions, and list the best k by its scores.

    A model of its own fills in `learn(log, products)` and `scores(rows, day)`, and `scores_of_new(day)`
    if it knows something better for a new customer than what sold most.

    Parameters
    ----------
    show_seen : whether a product that a customer already has may be shown to that customer again.
    """

    def __init__(self, show_seen: bool = False):
        self.show_seen = show_seen

    def fit(
        self,
        interactions: DataFrame,
        products: DataFrame | None = None,
        customers: DataFrame | None = None,
    ) -> Recommender:
        """Learn from interactions.

        Parameters
        ----------
        interactions : one row a product ordered: `customer_id` (a gap only tells what sells),
            `product_id` and, if known, `ordered_at`; else the rows are in order of time. Of those with
            a `rating` (1 to 5) four and five stars are liked, the others only count as seen.
        products : what may be recommended, by `product_id`; other interactions are passed over. With
            `launched_on` or `withdrawn_on` a list shows what is on sale on its day. Without the
            table, every product of the interactions.
        customers : not needed; whoever is not among the interactions is shown what sells best.

        Raises
        ------
        ValueError
            If a row or a column is missing, a product is listed twice or without an id, ids are of two
            kinds (texts, numbers), or a moment or a rating cannot be one.
        """
        self.take(*_read(interactions, products))
        return self

    def take(self, known: Known, log: Log, products: DataFrame) -> None:
        """Learn from what another recommender has read, as the parts of a hybrid do."""
        self.known = known
        self.learn(log, products)

    def recommend(self, customer_ids, k: int, on: str | pd.Timestamp | None = None) -> DataFrame:
        """Return the best `k` products for each of `customer_ids`.

        What the model knows nothing about comes last, by what sold most, and so does the whole list of
        a customer who is not known; equal scores are in that order too.

        Parameters
        ----------
        customer_ids : in any order; the rows come in the same order.
        k : length of a list, 1 to the number of products; shorter where fewer may be shown.
        on : the day it is for: what is not launched by then, or withdrawn, is not shown. Without it
            the day of the last interaction.

        Returns
        -------
        One row a product shown: `customer_id`, `product_id`, `rank` (from 1), `score` (falling; 0
        where a product only fills the list).

        Raises
        ------
        ValueError
            If nothing was learnt yet, `k` is less than one or more than there are products, the ids are
            of another kind than those learnt from, or `on` is before the last interaction.
        """
        if not hasattr(self, "known"):
            raise ValueError(
                f"{type(self).__name__} has learnt nothing yet. Call fit(interactions) first."
            )
        known = self.known
        if not isinstance(k, (int, np.integer)) or not 1 <= k <= len(known.product_ids):
            raise ValueError(
                f"k, the length of a list, is from 1 to the {len(known.product_ids):,} products; got {k}."
            )
        if not pd.api.types.is_list_like(customer_ids):
            raise ValueError(
                f"customer_ids is a list of ids; got {customer_ids!r}. Write it in brackets."
            )
        customer_ids = pd.Index(customer_ids, tupleize_cols=False)
        require_same_kind(
            customer_ids, "customer_ids", known.customer_ids, "the interactions", "customer_id"
        )
        rows = known.customer_ids.get_indexer(customer_ids)
        lists = list(self._lists(rows, k, self._day(on)))
        length = np.array([len(what) for what, _ in lists], dtype=int)
        starts = np.repeat(length.cumsum() - length, length)
        shown = np.concatenate([np.empty(0, dtype=int), *(what for what, _ in lists)])
        return DataFrame(
            {
                "customer_id": customer_ids.repeat(length),
                "product_id": known.product_ids[shown],
                "rank": np.arange(length.sum()) - starts + 1,
                "score": np.concatenate([np.empty(0), *(worth for _, worth in lists)]),
            }
        )

    def learn(self, log: Log, products: DataFrame) -> None:
        """Learn from what was liked; `products` is in order of sales, as its numbers in `log`."""
        raise NotImplementedError

    def scores(self, rows: np.ndarray, day: pd.Timestamp | None) -> np.ndarray | sparse.csr_array:
        """Return the scores of all products for some customers (numbers of known ones) on a day.

        In a sparse table only what is above 0 counts; the rest fills the lists.
        """
        raise NotImplementedError

    def scores_of_new(self, day: pd.Timestamp | None) -> np.ndarray | None:
        """Return the scores of all products for a customer who is not known; None for what sold most."""
        return None

    def likes(self, log: Log, decay: float = 1.0, longest: int | None = None) -> sparse.csr_array:
        """Return customers x products: 1 for the last product liked, and `decay` a step before it.

        Of a history longer than `longest` only its end is there.
        """
        there = log.last & (log.who >= 0)
        who, what = log.who[there], log.what[there]
        shape = (len(self.known.customer_ids), len(self.known.product_ids))
        until = np.bincount(who, minlength=shape[0]).cumsum()
        steps = until[who] - 1 - np.arange(len(who))
        if longest is not None and len(steps) and steps.max() >= longest:
            kept = steps < longest
            who, what, steps = who[kept], what[kept], steps[kept]
            until = np.bincount(who, minlength=shape[0]).cumsum()
        weight = (decay ** np.arange(steps.max(initial=0) + 1)).astype(np.float32)[steps]
        starts = np.concatenate([[0], until])
        return sparse.csr_array((weight, what, starts.astype(np.int32)), shape)

    def _lists(self, rows, k, day):
        """Yield the products and scores of each list; the products by their numbers."""
        seen, on_sale, for_new = self.known.seen, self._on_sale(day), self.scores_of_new(day)
        shelf = np.flatnonzero(on_sale)
        block = max(1, _CELLS // len(on_sale))
        for start in range(0, len(rows), block):
            part = rows[start : start + block]
            scores = self.scores(part[part >= 0], day)
            if sparse.issparse(scores) and scores.data.min(initial=1) <= 0:
                scores.data[scores.data < 0] = 0
                scores.eliminate_zeros()
            place = (part >= 0).cumsum() - 1
            for number, row in enumerate(part):
                shut = np.empty(0, dtype=int)
                if row >= 0 and not self.show_seen:
                    shut = seen.indices[seen.indptr[row] : seen.indptr[row + 1]]
                    shut = shut[on_sale[shut]]
                on_sale[shut] = False
                found = _row(for_new, None) if row < 0 else _row(scores, place[number])
                what, worth = _best(*found, k, on_sale)
                if len(what) < k:
                    fill = shelf[: k + len(what) + len(shut)]
                    fill = fill[on_sale[fill] & ~np.isin(fill, what)][: k - len(what)]
                    what, worth = np.append(what, fill), np.append(worth, np.zeros(len(fill)))
                on_sale[shut] = True
                yield what, worth

    def _day(self, on):
        """Return the day of a list; None where none is known."""
        last = self.known.last
        if on is None:
            return last
        day = moment_in(on, self.known.zone)
        if last is not None and day < last.normalize():
            raise ValueError(
                f"on is {day:%Y-%m-%d}, and the model has learnt from what happened until "
                f"{last:%Y-%m-%d}: it would know its future. Fit it on interactions before that "
                "day, or ask for a later one."
            )
        return day

    def _on_sale(self, day):
        """Return a flag a product: whether it is on sale on the day."""
        flags = np.ones(len(self.known.product_ids), dtype=bool)
        if day is None:
            return flags
        for column, days in self.known.dates.items():
            there = days <= moment_in(day.tz_localize(None), days.dt.tz)
            flags &= (there | days.isna() if column == "launched_on" else ~there).to_numpy()
        return flags


def _read(interactions, products):
    """Check both tables and return them by numbers: what is known, the log, products by sales."""
    require_columns(interactions, "interactions", ["customer_id", "product_id"])
    require_rows(interactions, "interactions")
    require_filled(interactions, "interactions", "product_id")
    require_single(interactions["customer_id"], "customer_id of interactions")
    require_single(interactions["product_id"], "product_id of interactions")
    age_days, last_moment, zone = _moments(interactions)
    liked = _liked(interactions)
    if products is None:
        products = interactions[["product_id"]].drop_duplicates()
    require_filled(products, "products", "product_id")
    there = products["product_id"]
    require_same_kind(interactions["product_id"], "interactions", there, "products", "product_id")
    require_unique(products, "products", "product_id")
    _require_one_kind(there, "products", "product_id")
    what = pd.Index(there).get_indexer(interactions["product_id"]).astype(np.int32)
    listed = what >= 0
    used = np.flatnonzero(listed & liked)
    if not len(used):
        raise ValueError(
            f"None of the {len(interactions):,} interactions is with a listed product that was liked, so "
            "there is nothing to learn. Take the products of the same shop."
        )
    who, ids = pd.factorize(interactions["customer_id"])  # a gap is -1: nobody
    who = who.astype(np.int32)
    _require_one_kind(ids, "interactions", "customer_id")
    place, products = _by_sales(products, what[used])
    what = np.where(listed, place[what], -1)
    shape = (len(ids), len(products))
    disliked = np.flatnonzero(listed & ~liked & (who >= 0))
    rows = used if age_days is None else used[np.lexsort((what[used], -age_days[used]))]
    rows = rows[_by_customer(who[rows], len(ids))]
    del used
    log = Log(who[rows], what[rows], None if age_days is None else age_days[rows], None)
    last, seen = _last_of_pairs(log.who, log.what, shape)
    if len(disliked):
        ones = np.ones(len(disliked), dtype=np.float32)
        seen = (seen + sparse.csr_array((ones, (who[disliked], what[disliked])), shape)).tocsr()
    dates = [column for column in ("launched_on", "withdrawn_on") if column in products]
    known = Known(
        customer_ids=pd.Index(ids),
        product_ids=products["product_id"].to_numpy(),
        seen=seen,
        dates={column: _days(products, column) for column in dates},
        last=last_moment,
        zone=zone,
    )
    return known, log._replace(last=last), products


def _require_one_kind(values, name, column):
    """Stop if the ids of one table are of two kinds: they have no order, and some never meet."""
    kinds = sorted(kinds_of(values))
    if len(kinds) > 1:
        raise ValueError(
            f"{column} holds {' and '.join(kinds)} in {name}, so the same id may stand there twice. Bring "
            "all to one type first."
        )


def _moments(interactions):
    """Return the days before the last interaction, that one and the time zone, where told."""
    if "ordered_at" not in interactions:
        return None, None, None
    moments = interactions["ordered_at"]
    require_filled(interactions, "interactions", "ordered_at")
    require_moments(interactions, "interactions", "ordered_at")
    last = moments.max()
    return (last - moments).dt.total_seconds().to_numpy() / 86_400, last, moments.dt.tz


def _days(products, column):
    """Return a column of days of the products, which has to be one of moments."""
    days = products[column]
    if days.isna().all():
        return pd.Series(pd.NaT, index=days.index, dtype="datetime64[s]")
    require_moments(products, "products", column)
    return days


def _liked(interactions):
    """Return a flag a row: liked, by its rating where there is one."""
    if "rating" not in interactions:
        return np.ones(len(interactions), dtype=bool)
    stars = pd.to_numeric(interactions["rating"], errors="coerce").to_numpy(float, na_value=np.nan)
    require_each(
        (stars >= 1) & (stars <= 5), interactions, "interactions", "rating", "from 1 to 5",
        "Mend it, leave these rows out, or drop the column.",
    )  # fmt: skip
    return stars >= LIKED


def _by_sales(products, sold):
    """Return the place of each product by sales, then id, and the table in that order."""
    count = np.bincount(sold, minlength=len(products))
    order = np.lexsort((pd.factorize(products["product_id"], sort=True)[0], -count))
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    return place, products.iloc[order].reset_index(drop=True)


def _by_customer(who, people):
    """Return the order of rows by customer, nobody first; it is found by counting, not by sorting."""
    ends = np.arange(len(who) + 1, dtype=np.int32)
    flags = np.ones(len(who), dtype=bool)
    return sparse.csr_array((flags, who + 1, ends), (len(who), people + 1)).tocsc().indices


def _last_of_pairs(who, what, shape):
    """Return which rows, in order of customers, are the last of their pair, and the pairs as a table."""
    named = np.searchsorted(who, 0)  # rows before it are nobody's
    rows, found = who[named:], np.zeros(len(who), dtype=bool)
    ends = np.concatenate([[0], np.bincount(rows, minlength=shape[0]).cumsum()])
    places = (np.arange(len(rows), dtype=np.int32), what[named:], ends)
    table = sparse.csr_array(places, shape=shape)
    table.sort_indices()
    other = (table.indices[1:] != table.indices[:-1]) | (rows[1:] != rows[:-1])
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(rows)), dtype=bool), other]))
    if len(starts):
        found[named + np.maximum.reduceat(table.data, starts)] = True
    ends = np.concatenate([[0], np.bincount(rows[starts], minlength=shape[0]).cumsum()])
    ones = np.ones(len(starts), dtype=np.float32)
    return found, sparse.csr_array((ones, table.indices[starts], ends), shape=shape)


def _row(scores, row):
    """Return the products of a row of scores, or of the only one, and what they score."""
    if scores is None:
        return np.empty(0, dtype=int), np.empty(0)
    if sparse.issparse(scores):
        part = slice(scores.indptr[row], scores.indptr[row + 1])
        return scores.indices[part], scores.data[part]
    worth = scores if row is None else scores[row]
    return np.arange(len(worth)), worth


def _best(what, worth, k, on_sale):
    """Return the best k of some products that are on sale; equal ones in order of their numbers."""
    there = on_sale[what]
    if not worth.all() and (above := there & (worth > 0)).sum() >= k:
        there = above  # enough, and few beside thousands of zeros
    what, worth = what[there], worth[there]
    if len(what) > k:
        enough = worth >= np.partition(worth, -k)[-k]
        what, worth = what[enough], worth[enough]
    order = np.lexsort((what, -worth))[:k]
    return what[order], worth[order]
