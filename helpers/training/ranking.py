"""Stage 4: how good lists of products are, and the two splits that lists are judged on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from helpers.checks import (
    moment_in,
    require_columns,
    require_filled,
    require_moments,
    require_rows,
    require_same_kind,
)

PAIR = ["customer_id", "product_id"]


def customer_scores(recommended: DataFrame, wanted: DataFrame, k: int) -> DataFrame:
    """Return how good the list of each customer was; its mean says how good the lists were.

    Parameters
    ----------
    recommended : one row a product shown: `customer_id`, `product_id`, `rank` (from 1).
    wanted : one row a product that a customer took later: `customer_id`, `product_id`; repeats are
        harmless.
    k : the products of a list that count; a shorter list is judged as if misses filled it.

    Returns
    -------
    One row a customer who wanted something, in order of the ids; without a list all is 0:
    `precision` (hits among the k), `recall` (of what was wanted), `hit_rate` (1.0 or 0.0), `ndcg`
    (a hit at rank r counts 1 / log2(r + 1), divided by the best possible), `map` (precision at
    the rank of each hit, added up, divided by the number wanted).

    Raises
    ------
    ValueError
        If `k` is no whole number above 0, a column or all of `wanted` is missing, a list has a rank or
        a product twice or a rank below 1, or the ids of the two are of two kinds.

    Source
    ------
    Jarvelin & Kekalainen (2002), ACM TOIS 20(4), for NDCG; the same figures as trec_eval's `P`,
    `recall`, `success`, `ndcg_cut` and `map_cut`.

    Examples
    --------
    >>> lists = DataFrame({"customer_id": 1, "product_id": ["balm", "soap", "mask"], "rank": [1, 2, 3]})
    >>> later = DataFrame({"customer_id": [1, 1], "product_id": ["soap", "oil"]})
    >>> customer_scores(lists, later, k=2).round(3).loc[1].to_dict()
    {'precision': 0.5, 'recall': 0.5, 'hit_rate': 1.0, 'ndcg': 0.387, 'map': 0.25}
    """
    if not isinstance(k, (int, np.integer)) or isinstance(k, bool) or k < 1:
        raise ValueError(f"k counts the products of a list, so it is 1 or more; got {k!r}.")
    require_columns(recommended, "recommended", [*PAIR, "rank"])
    require_columns(wanted, "wanted", PAIR)
    require_rows(wanted, "wanted")
    for column in PAIR:
        require_filled(wanted, "wanted", column)
        require_same_kind(recommended[column], "recommended", wanted[column], "wanted", column)
    _require_lists(recommended)
    wanted = wanted[PAIR].drop_duplicates()
    count = wanted.groupby("customer_id").size()
    top = recommended.loc[recommended["rank"] <= k, [*PAIR, "rank"]]
    hits = top.merge(wanted, on=PAIR).sort_values(["customer_id", "rank"])
    hits["worth"] = 1 / np.log2(hits["rank"] + 1.0)
    hits["precise"] = (hits.groupby("customer_id").cumcount() + 1) / hits["rank"]
    sums = hits.groupby("customer_id").agg(
        hits=("rank", "size"), worth=("worth", "sum"), precise=("precise", "sum")
    )
    sums = sums.reindex(count.index, fill_value=0)
    best = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    return DataFrame(
        {
            "precision": sums["hits"] / k,
            "recall": sums["hits"] / count,
            "hit_rate": (sums["hits"] > 0).astype(float),
            "ndcg": sums["worth"] / best[np.minimum(k, count) - 1],
            "map": sums["precise"] / count,
        }
    )


def _require_lists(recommended):
    """Stop unless every list has each rank and each product once, ranks counting from 1."""
    ranks = recommended["rank"]
    if not pd.api.types.is_integer_dtype(ranks) or not (ranks >= 1).all():
        raise ValueError(
            "rank of recommended counts from 1 in whole numbers. Number the lists anew."
        )
    for column in ("rank", "product_id"):
        twice = recommended.duplicated(["customer_id", column])
        if twice.any():
            first = recommended[twice].iloc[0]
            raise ValueError(
                f"The list of customer {first['customer_id']} has {column} {first[column]} twice. A list "
                "has each product and each rank once; give one list a customer."
            )


def coverage(recommended: DataFrame, products: DataFrame) -> float:
    """Return the share of the `products` that stand in at least one list, by their `product_id`.

    Examples
    --------
    >>> products = DataFrame({"product_id": ["balm", "soap", "mask", "oil"]})
    >>> coverage(DataFrame({"product_id": ["balm", "soap", "balm"]}), products)
    0.5
    """
    require_columns(recommended, "recommended", ["product_id"])
    require_columns(products, "products", ["product_id"])
    require_rows(products, "products")
    there, shown = products["product_id"], recommended["product_id"]
    require_same_kind(shown, "recommended", there, "products", "product_id")
    return float(Series(there.unique()).isin(shown).mean())


def novelty(recommended: DataFrame, interactions: DataFrame) -> float:
    """Return how little known the products of the lists are, in bits.

    A product that the share p of the customers has counts -log2(p): 0 if all have it, 1 if half
    of them; one that nobody has counts as if one customer had it.

    Source
    ------
    Zhou et al. (2010), PNAS 107(10), the mean self-information.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 2, 3, 4], "product_id": ["balm", "balm", "soap", "oil"]})
    >>> novelty(DataFrame({"product_id": ["balm", "soap"]}), orders)
    1.5
    """
    require_columns(recommended, "recommended", ["product_id"])
    require_columns(interactions, "interactions", PAIR)
    require_rows(recommended, "recommended")
    shown, there = recommended["product_id"], interactions["product_id"]
    require_same_kind(shown, "recommended", there, "interactions", "product_id")
    known = interactions[PAIR].dropna().drop_duplicates()
    require_rows(known, "interactions with a customer")
    having = shown.map(known.groupby("product_id").size()).fillna(1)
    return float(-np.log2(having / known["customer_id"].nunique()).mean())


def leave_one_out(interactions: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Split off the last interaction of each customer who has two or more.

    The model then knows what others did later, and of two articles of one product the one gives the
    other away: `time_split` is the honest test.

    Parameters
    ----------
    interactions : `customer_id`, `product_id` and, if known, `ordered_at`; without it, and among
        equal moments, the rows are in order of time.

    Returns
    -------
    What to learn from, and one row a customer to be found; together every row once.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 2, 1, 1], "product_id": ["balm", "balm", "oil", "soap"]})
    >>> [part["product_id"].tolist() for part in leave_one_out(orders)]
    [['balm', 'balm', 'oil'], ['soap']]
    """
    require_columns(interactions, "interactions", PAIR)
    require_rows(interactions, "interactions")
    for column in PAIR:
        require_filled(interactions, "interactions", column)
    ordered = interactions
    if "ordered_at" in interactions:
        require_filled(interactions, "interactions", "ordered_at")
        ordered = interactions.sort_values("ordered_at", kind="stable")
    last = ~ordered.duplicated("customer_id", keep="last")
    out = last & ordered.duplicated("customer_id", keep=False)
    return ordered[~out], ordered[out]


def time_split(interactions: DataFrame, on: str | pd.Timestamp) -> tuple[DataFrame, DataFrame]:
    """Split interactions into those before a day, to learn from, and those from it on, to be found.

    Parameters
    ----------
    interactions : `customer_id`, `product_id`, `ordered_at`.
    on : the first day of the second part.

    Returns
    -------
    Both parts, together every row once. What is bought again is found only with `show_seen=True`.

    Raises
    ------
    ValueError
        If a column or a moment is missing, or one of the parts has no row.

    Examples
    --------
    >>> orders = DataFrame({"customer_id": [1, 1, 1], "product_id": ["balm", "balm", "oil"],
    ...                     "ordered_at": pd.to_datetime(["2024-01-05", "2024-02-05", "2024-03-05"])})
    >>> [len(part) for part in time_split(orders, "2024-02-01")]
    [1, 2]
    """
    require_columns(interactions, "interactions", [*PAIR, "ordered_at"])
    require_filled(interactions, "interactions", "ordered_at")
    require_moments(interactions, "interactions", "ordered_at")
    moments = interactions["ordered_at"]
    before = (moments < moment_in(on, moments.dt.tz)).to_numpy()
    past, future = interactions[before], interactions[~before]
    require_rows(past, f"interactions before {on}")
    require_rows(future, f"interactions from {on} on")
    return past, future


def with_sampled_negatives(
    recommended: DataFrame,
    wanted: DataFrame,
    negatives: int,
    seed: int,
    although_it_misleads: bool = False,
) -> DataFrame:
    """Return lists in which only what was wanted and some products drawn at random are left.

    Parameters
    ----------
    recommended : full lists: every product that could have been shown, by `rank`.
    wanted : as in `customer_scores`; it is never drawn.
    negatives : how many of the others a list keeps.
    seed : the same seed gives the same draw.
    although_it_misleads : True to get it, to compare published figures; else the reason is given.

    Source
    ------
    Krichene & Rendle (2020), KDD.

    Examples
    --------
    >>> with_sampled_negatives(None, None, 99, seed=7)
    Traceback (most recent call last):
    ValueError: Against 99 products drawn at random almost every model finds what was wanted, and a \
worse one may come first; customers are shown the best of all products. Judge the full lists, or write \
although_it_misleads=True.
    """
    if not although_it_misleads:
        raise ValueError(
            f"Against {negatives} products drawn at random almost every model finds what was wanted, "
            "and a worse one may come first; customers are shown the best of all products. Judge the "
            "full lists, or write although_it_misleads=True."
        )
    require_columns(recommended, "recommended", [*PAIR, "rank"])
    require_columns(wanted, "wanted", PAIR)
    pairs = pd.MultiIndex.from_frame(recommended[PAIR])
    is_wanted = pairs.isin(pd.MultiIndex.from_frame(wanted[PAIR]))
    lots = Series(np.random.default_rng(seed).random(len(recommended)), index=recommended.index)
    place = lots.mask(is_wanted, -1.0).groupby(recommended["customer_id"]).rank(method="first")
    found = Series(is_wanted, index=recommended.index).groupby(recommended["customer_id"])
    kept = recommended[place <= found.transform("sum") + negatives]
    ranks = kept.groupby("customer_id")["rank"].rank(method="first").astype(int)
    return kept.assign(rank=ranks).sort_values(["customer_id", "rank"], kind="stable")
