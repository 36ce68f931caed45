"""A stand-in for the cosmetics retailer's real files: the same columns, made by the beauty shop."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.random import Generator
from pandas import DataFrame

from helpers.files import write_whole
from helpers.worlds.shop.market import SKIN_OF_SPELLING
from helpers.worlds.shop.world import Shop

REVIEWS, PRODUCTS = "sephora_a_reviews.csv.gz", "sephora_a_products.csv.gz"
LAST_DAY = np.datetime64("2023-03-21")  # as in the real files; the shop's year ends on it
TWINS = 0.04  # share of the products that have one; the best known ones, as in the real files
UNSTATED, CONTRADICTED = 0.1, 0.04  # shares of the reviews, of the customers with several
_TONES = np.array(["light", "fair", "lightMedium", "medium", "tan", "deep", ""], dtype=object)
_USD = 1.08


def sephora_like(shop: Shop, folder: str | Path) -> Path:
    """Write two files with the columns and the traps of the retailer's public reviews.

    The reviews are the ratings of the shop's history, moved so that the last is of 21 March 2023:
    one a customer and product, ratings of one order on one day. Some customers leave out their
    skin type or contradict themselves. Some products have a twin, "Mini ...", under which every
    one of their reviews stands again. Prices and the like are those of the last day.

    Parameters
    ----------
    shop : its seed decides everything; it is not played.
    folder : where the files go; made if it is not there.

    Returns
    -------
    The folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = sephora_like(Shop(customers=60, products=40, seed=7), tempfile.mkdtemp())
    >>> pd.read_csv(folder / REVIEWS).columns.tolist()
    ['user_id', 'product_id', 'date', 'rating', 'recommended', 'skin_type', 'skin_tone']
    """
    history = shop.history()
    rng = np.random.default_rng([shop.seed, *b"sephora like"])
    reviews = _reviews(history, rng)
    products = _products(history["products"], reviews, rng)
    twins = _twins(reviews)
    again = reviews[reviews["product_id"].isin(twins)]
    again = again.assign(product_id=again["product_id"].map(twins))
    reviews = pd.concat([reviews, again], ignore_index=True)
    products = pd.concat([products, _as_minis(products, twins)], ignore_index=True)
    orders = {REVIEWS: ["date", "user_id", "product_id"], PRODUCTS: ["product_id"]}
    for (name, order), table in zip(orders.items(), [reviews, products], strict=True):
        text = table.sort_values(order).to_csv(index=False, lineterminator="\n")
        write_whole(Path(folder) / name, gzip.compress(text.encode(), mtime=0))
    return Path(folder)


def _reviews(history, rng: Generator) -> DataFrame:
    """Return one review a customer and product."""
    ratings = history["ratings"].drop_duplicates(["customer_id", "product_id"], keep="last")
    day = ratings.groupby("order_id")["known_at"].transform("min").to_numpy().astype("M8[D]")
    stated = history["customers"].set_index("customer_id")["skin_type"]
    tone = rng.integers(0, len(_TONES), stated.index.max() + 1)
    table = DataFrame(
        {
            "user_id": [f"a{number:05d}" for number in ratings["customer_id"]],
            "product_id": _label(ratings["product_id"]),
            "date": np.datetime_as_string(day + (LAST_DAY - day.max())),
            "rating": ratings["rating"].to_numpy(),
            "recommended": (ratings["rating"].to_numpy() >= 4).astype(int),
            "skin_type": stated.loc[ratings["customer_id"]]
            .map(SKIN_OF_SPELLING)
            .fillna("")
            .to_numpy(),
            "skin_tone": _TONES[tone[ratings["customer_id"]]],
        }
    )
    return _as_people_state(table, rng)


def _as_people_state(reviews, rng):
    """Leave some skin types out, and let some customers with several reviews say another once."""
    reviews.loc[rng.random(len(reviews)) < UNSTATED, "skin_type"] = ""
    again = reviews["user_id"].value_counts()
    several = np.sort(again.index[again > 1].to_numpy(dtype=object))
    moody = several[rng.random(len(several)) < CONTRADICTED]
    last = reviews[reviews["user_id"].isin(moody)].drop_duplicates("user_id", keep="last")
    other = {"dry": "combination", "combination": "oily", "oily": "combination", "normal": "dry"}
    reviews.loc[last.index, "skin_type"] = last["skin_type"].map(other).fillna("")
    return reviews


def _products(products, reviews, rng: Generator) -> DataFrame:
    """Return the catalogue as it is scraped on the last day."""
    ids = pd.Series(_label(products["product_id"]))
    count, mean = (reviews.groupby("product_id")["rating"].agg(how) for how in ("size", "mean"))
    brands = {brand: n for n, brand in enumerate(sorted(products["brand"].unique()), 1_000)}
    young = products["launched_on"].max() - products["launched_on"] < pd.Timedelta(days=60)
    free = np.where(products["fragrance_free"], "Without Fragrance", "")
    return DataFrame(
        {
            "product_id": ids,
            "product_name": products["name"].to_numpy(),
            "brand_id": products["brand"].map(brands).to_numpy(),
            "brand_name": products["brand"].to_numpy(),
            "primary_category": "skincare",
            "secondary_category": products["category"].to_numpy(),
            "tertiary_category": "",
            "price_usd": np.round(products["price_eur"].to_numpy() * _USD, 2),
            "loves_count": ids.map(count).fillna(0).astype(int) * 60,
            "catalog_rating": ids.map(mean).round(4),
            "child_count": 0,
            "limited_edition": 0,
            "new": young.astype(int).to_numpy(),
            "online_only": 0,
            "out_of_stock": (rng.random(len(ids)) < 0.03).astype(int),
            "sephora_exclusive": (rng.random(len(ids)) < 0.3).astype(int),
            "highlights": free,
            "size": [f"{size} mL" for size in products["size_ml"]],
        }
    )


def _twins(reviews) -> dict[str, str]:
    """Return the products that have a twin: product -> the twin's number."""
    counts = reviews["product_id"].value_counts()
    ranked = sorted(counts.index, key=lambda name: (-counts[name], name))
    chosen = ranked[: max(1, round(TWINS * len(ranked)))]
    return {name: f"P9{name[2:]}" for name in chosen}


def _as_minis(products, twins):
    mini = products[products["product_id"].isin(twins)]
    return mini.assign(
        product_id=mini["product_id"].map(twins),
        product_name="Mini " + mini["product_name"],
        price_usd=(mini["price_usd"] / 3).round(2),
        size="15 mL",
    )


def _label(numbers):
    return [f"P{100_000 + number}" for number in numbers]
