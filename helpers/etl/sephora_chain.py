"""Stages 2 and 3 on the cosmetics retailer's real files, from the packed CSV to an honest split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pandas import DataFrame

from helpers.etl.accounting import Cleaned
from helpers.etl.chain import load_all
from helpers.etl.features import bought_together
from helpers.etl.sephora import (
    KEYS,
    MONTH_OF,
    clean_reviews,
    clean_sephora,
    read_sephora,
    review_days,
    skin_types,
    twin_products,
    twins_across,
)
from helpers.etl.splits import split_by_time, what_leaks

VALIDATION_FROM, TEST_FROM = "2022-07-01", "2022-10-01"


def real_shop_chain(
    folder: str | Path,
    into: str | Path,
    *,
    validation_from: str = VALIDATION_FROM,
    test_from: str = TEST_FROM,
    seed: int = 7,
    when: str = "",
) -> dict[str, float]:
    """Read, clean, load and split the retailer's reviews; return the figures of every step.

    Parameters
    ----------
    folder : where the two files are.
    into : where `sephora.duckdb` and the folder `lake` go; loading again changes nothing.
    validation_from, test_from : the first days of the later parts of the split by time.
    seed : of the random split that it is compared with.
    when : the moment of reading, for the provenance.

    Returns
    -------
    The figures of `row_figures`, `people_figures` and `split_figures` in one dict.
    """
    extracts = read_sephora(folder, when)
    cleaned = clean_sephora(extracts)
    loaded = load_sephora(cleaned, into)
    reviews = clean_reviews(extracts["ratings"].table).table
    parts = split_by_time(reviews, "rated_on", validation_from, test_from)
    return {
        **row_figures(cleaned, loaded),
        **people_figures(reviews),
        **split_figures(reviews, parts, twin_products(reviews), seed),
    }


def load_sephora(cleaned: dict[str, Cleaned], into: str | Path) -> DataFrame:
    """Load ratings and products into `sephora.duckdb`, and the ratings by month into `lake`."""
    into = Path(into)
    return load_all(cleaned, into / "sephora.duckdb", into / "lake", keys=KEYS, months=MONTH_OF)


def row_figures(cleaned: dict[str, Cleaned], loaded: DataFrame) -> dict[str, float]:
    """Return how many rows came in, were merged as twins, quarantined, and are loaded now."""
    books = cleaned["ratings"].accounting
    twins = cleaned["products"].table["twin_of"].dropna()
    rows = loaded.set_index("table")
    return {
        "reviews_in": books.rows_in,
        "quarantined": sum(books.quarantined.values()),
        "merged": books.merged,
        "merged_share": books.merged / books.rows_in,
        "ratings": int(rows.loc["ratings", "rows"]),
        "ratings_in_lake": int(rows.loc["ratings", "lake_rows"]),
        "products": int(rows.loc["products", "rows"]),
        "twins": len(twins),
        "twin_groups": int(twins.nunique()),
    }


def people_figures(reviews: DataFrame) -> dict[str, float]:
    """Return how many customers there are, and how often they state their skin type.

    Parameters
    ----------
    reviews : clean reviews, twins not merged.
    """
    people = skin_types(reviews)
    again = people[people["reviews"] > 1]
    sometimes = again["stated"].gt(0) & again["stated"].lt(again["reviews"])
    return {
        "customers": len(people),
        "contradict": float(again["different"].gt(1).mean()),
        "state_sometimes": float(sometimes.mean()),
        "never_state": float(people["skin_type"].isna().mean()),
    }


def split_figures(
    reviews: DataFrame, parts: tuple[DataFrame, DataFrame, DataFrame], twins: DataFrame, seed: int
) -> dict[str, float]:
    """Return what a split by time and a random one of the same size give away.

    Parameters
    ----------
    reviews : clean reviews, twins not merged.
    parts : of `split_by_time`.
    twins : of `twin_products`.

    Returns
    -------
    For "time" and "random": `..._trained_on_the_future`, `..._tested_on_known_customers`,
    `..._tested_on_new_products` (see `what_leaks`) and `..._twin_in_training` (see `twins_across`).
    """
    figures = {"train": len(parts[0]), "validation": len(parts[1]), "test": len(parts[2])}
    for name, (train, _, test) in {"time": parts, "random": random_split(reviews, parts, seed)}.items():  # fmt: skip
        leaks = what_leaks(train, test, "rated_on", product="product_id")
        leaks["twin_in_training"] = twins_across(train, test, twins)
        figures |= {f"{name}_{mark}": float(share) for mark, share in leaks.items()}
    return figures


def random_split(
    rows: DataFrame, parts: tuple[DataFrame, DataFrame, DataFrame], seed: int
) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Split rows at random into parts of the same sizes: the tempting split that time forbids.

    Examples
    --------
    >>> rows = DataFrame({"x": range(10)})
    >>> [len(part) for part in random_split(rows, (rows[:5], rows[5:8], rows[8:]), seed=7)]
    [5, 3, 2]
    """
    order = np.random.default_rng([seed, *b"random split"]).permutation(len(rows))
    first, second = len(parts[0]), len(parts[0]) + len(parts[1])
    train, validation, test = np.split(order, [first, second])
    return tuple(rows.iloc[np.sort(places)] for places in (train, validation, test))


def reviewed_together(ratings: DataFrame, before: str, at_least: int = 3) -> DataFrame:
    """Return the products that customers review on the same day, from training reviews only.

    Parameters
    ----------
    ratings : clean ratings, twins merged: or each pair of twins comes first.
    before : the first day that is held out.
    at_least : days with both.

    Returns
    -------
    As `bought_together`; `orders` counts a customer's days.
    """
    days = review_days(ratings[ratings["rated_on"] < before])
    return bought_together(days, at_least=at_least)
