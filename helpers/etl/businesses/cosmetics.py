"""Real reviews of a cosmetics retailer, from its two files to loaded tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl import parsing
from helpers.etl.books import Cleaned, Cleaning
from helpers.etl.businesses import shared
from helpers.etl.businesses.schemas import SKIN_TYPES, SKIN_WORDS
from helpers.etl.chain import load_all
from helpers.etl.combine import rename
from helpers.etl.extract import CannotExtract, Extract, read_csv

FILES = {"ratings": "sephora_a_reviews.csv.gz", "products": "sephora_a_products.csv.gz"}
BEAUTY = {"orders": "amazon_beauty_sequences.txt", "products": "amazon_beauty_items.csv.gz"}
COLUMNS = {
    "ratings": ["user_id", "product_id", "date", "rating", "recommended", "skin_type", "skin_tone"],
    "products": ["product_id", "product_name", "brand_id", "brand_name", "primary_category",
                 "secondary_category", "tertiary_category", "price_usd", "loves_count",
                 "catalog_rating", "child_count", "limited_edition", "new", "online_only",
                 "out_of_stock", "sephora_exclusive", "highlights", "size"],
}  # fmt: skip
KEYS = {"ratings": ["customer_id", "product_id"], "products": "product_id"}
MONTH_OF = {"ratings": "rated_on"}  # for the lake
TWIN_SHARE, TWIN_REVIEWS = 0.5, 5


def read_sephora(folder: str | Path, when: str = "") -> dict[str, Extract]:
    """Read both files, every value as text.

    Returns
    -------
    "ratings" (one row a review) and "products", each with what was set aside and its provenance.

    Raises
    ------
    CannotExtract
        If a file is missing or has other columns.
    """
    return {
        name: read_csv(Path(folder) / file, columns=COLUMNS[name], separator=",", totals=False, when=when)
        for name, file in FILES.items()
    }  # fmt: skip


def clean_sephora(extracts: Mapping[str, Extract]) -> dict[str, Cleaned]:
    """Clean both tables under our names, and merge the reviews that twin products share.

    Parameters
    ----------
    extracts : of `read_sephora`.

    Returns
    -------
    "ratings" (`customer_id`, `product_id`, `rated_on`, `rating` 1 to 5, `recommended`, `skin_type`
    as stated then, `skin_tone`) and "products" (`product_id`, `name`, `brand_id`, `brand`,
    `category`, `subcategory`, `size_ml`, `twin_of`, ...; the columns `SCRAPED` keep their names).
    """
    reviews = clean_reviews(extracts["ratings"].table)
    twins = twin_products(reviews.table)
    return {
        "ratings": merge_twins(reviews, twins),
        "products": clean_products(extracts["products"].table, twins),
    }


def clean_reviews(raw: DataFrame) -> Cleaned:
    """Clean the reviews: typed, in our names, one spelling of a skin type.

    Examples
    --------
    >>> raw = DataFrame([["a1", "P1", "2023-01-31", "5", "1", "Combination", ""]], columns=COLUMNS["ratings"])
    >>> clean_reviews(raw).table[["customer_id", "rating", "skin_type"]].to_numpy().tolist()
    [['a1', 5, 'combination']]
    """
    cleaning = Cleaning("sephora.ratings", raw, COLUMNS["ratings"])
    cleaning.table = rename(cleaning.table, {"user_id": "customer_id", "date": "rated_on"})
    shared.read_moments(cleaning, "rated_on")
    shared.read_whole(cleaning, "rating")
    cleaning.refuse(cleaning["rated_on"].isna(), "no date of the review")
    cleaning.refuse(~cleaning["rating"].isin(range(1, 6)), "rating is none of 1 to 5")
    shared.read_flags(cleaning, "recommended")
    shared.gaps_for_blanks(cleaning, "skin_type", "skin_tone")
    shared.read_words(cleaning, "skin_type", SKIN_TYPES, SKIN_WORDS)
    unsure = cleaning["skin_tone"].eq("notsurest")
    cleaning.set_aside("skin_tone", unsure, "the customer is not sure")
    cleaning.merge(["customer_id", "product_id"], newest="rated_on")
    return cleaning.done()


def clean_products(raw: DataFrame, twins: DataFrame) -> Cleaned:
    """Clean the products: typed, in our names, each twin with the product whose reviews it shares.

    Parameters
    ----------
    twins : of `twin_products`.

    Notes
    -----
    A size in other units than millilitres (grams, pads, pieces) is a gap in `size_ml` and stays in
    `size`. Prices are in US dollars and stay so: no rate of that day is known.
    """
    cleaning = Cleaning("sephora.products", raw, COLUMNS["products"])
    names = {"product_name": "name", "brand_name": "brand", "secondary_category": "category",
             "tertiary_category": "subcategory"}  # fmt: skip
    cleaning.table = rename(cleaning.table, names).drop(columns="primary_category")
    cleaning.merge("product_id")
    shared.gaps_for_blanks(cleaning, "subcategory", "highlights", "size")
    shared.read_whole(cleaning, "brand_id", "loves_count", "child_count")
    shared.parse_numbers(cleaning, "price_usd", "catalog_rating")
    flags = ["limited_edition", "new", "online_only", "out_of_stock", "sephora_exclusive"]
    shared.read_flags(cleaning, *flags)
    millilitres = cleaning["size"].str.extract(r"^([\d.]+) ?m[lL]$")[0]
    cleaning.repair("size_ml", parsing.parse_numbers(millilitres), "size in millilitres")
    twin_of = cleaning["product_id"].map(twins.set_index("product_id")["twin_of"])
    cleaning.repair("twin_of", twin_of, "shares its reviews with")
    return cleaning.done()


def twin_products(ratings: DataFrame) -> DataFrame:
    """Return the products that show the reviews of another: sizes and editions of one article.

    Two products are twins if five reviews, and at least half of the smaller one's, stand under both:
    the same customer, day and rating. Twins of twins are one group; its first product is the one
    with the most reviews.

    Parameters
    ----------
    ratings : one row a review: `customer_id`, `product_id`, `rated_on`, `rating`.

    Returns
    -------
    One row a twin: `product_id`, `twin_of` (the group's first product, which names itself),
    `reviews`.

    Examples
    --------
    >>> ratings = DataFrame({"customer_id": [1, 2, 3, 4, 5] * 2 + [6], "product_id": ["jar"] * 5 + ["mini jar"] * 5 + ["jar"],
    ...                      "rated_on": "2023-01-31", "rating": 5})
    >>> twin_products(ratings).to_numpy().tolist()
    [['jar', 'jar', 6], ['mini jar', 'jar', 5]]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = _shared_reviews(ratings)
    size = ratings["product_id"].value_counts()
    smaller = np.minimum(pairs["product_id"].map(size), pairs["other_id"].map(size))
    pairs = pairs[(pairs["shared"] >= TWIN_SHARE * smaller) & (pairs["shared"] >= TWIN_REVIEWS)]
    ids = pd.Index(np.unique(pairs[["product_id", "other_id"]].to_numpy(dtype=object)))
    ends = ids.get_indexer(pairs["product_id"]), ids.get_indexer(pairs["other_id"])
    graph = coo_matrix((np.ones(len(pairs)), ends), shape=(len(ids), len(ids)))
    group = connected_components(graph, directed=False)[1] if len(ids) else []
    twins = DataFrame({"product_id": ids, "group": group, "reviews": size.reindex(ids).to_numpy()})
    twins = twins.sort_values(["reviews", "product_id"], ascending=[False, True])
    twins["twin_of"] = twins.groupby("group")["product_id"].transform("first")
    twins = twins.sort_values(["twin_of", "product_id"], ignore_index=True)
    return twins[["product_id", "twin_of", "reviews"]]


def _shared_reviews(ratings):
    """Return how many reviews each pair of products shares."""
    same = ["customer_id", "rated_on", "rating"]
    require_columns(ratings, "ratings", [*same, "product_id"])
    one = ratings[[*same, "product_id"]]
    pairs = one.merge(one.rename(columns={"product_id": "other_id"}), on=same)
    pairs = pairs[pairs["product_id"] < pairs["other_id"]]
    return pairs.groupby(["product_id", "other_id"]).size().reset_index(name="shared")


def merge_twins(reviews: Cleaned, twins: DataFrame) -> Cleaned:
    """Bring the reviews of twins under the first of their group; of a customer's, the latest counts.

    Parameters
    ----------
    reviews : of `clean_reviews`.
    twins : of `twin_products`.

    Returns
    -------
    One row a customer and product; the reviews that fell together are counted as merged.
    """
    cleaning = Cleaning(reviews.books.source, reviews.table)
    first = _articles(cleaning.table, twins)
    cleaning.repair("product_id", first, "a twin under the first of its group")
    cleaning.merge(["customer_id", "product_id"], newest="rated_on")
    return reviews.followed_by(cleaning.done())


def skin_types(ratings: DataFrame) -> DataFrame:
    """Return one skin type a customer: the one stated most often, the latest among equals.

    Parameters
    ----------
    ratings : clean ratings; for a model that is judged on later reviews, only those known before.

    Returns
    -------
    One row a customer by `customer_id`: `skin_type` (a gap if never stated), `reviews`, `stated`
    (reviews with a type), `different` (types stated; 2 or more is a contradiction).

    Examples
    --------
    >>> ratings = DataFrame({"customer_id": [1, 1, 1, 2], "skin_type": ["dry", "oily", "oily", None],
    ...                      "rated_on": pd.to_datetime(["2023-01-01"] * 4)})
    >>> skin_types(ratings).to_numpy().tolist()
    [[1, 'oily', 3, 3, 2], [2, nan, 1, 0, 0]]
    """
    require_columns(ratings, "ratings", ["customer_id", "skin_type", "rated_on"])
    said = ratings.dropna(subset="skin_type").groupby(["customer_id", "skin_type"])["rated_on"]
    said = said.agg(times="size", last="max").reset_index()
    order = ["customer_id", "times", "last", "skin_type"]
    said = said.sort_values(order, ascending=[True, False, False, True])
    chosen = said.drop_duplicates("customer_id").set_index("customer_id")["skin_type"]
    people = ratings.groupby("customer_id").agg(
        reviews=("rated_on", "size"), stated=("skin_type", "count")
    )
    people["different"] = said["customer_id"].value_counts().reindex(people.index, fill_value=0)
    people.insert(0, "skin_type", chosen.reindex(people.index).astype("str"))
    return people.reset_index()


def twins_across(train: DataFrame, test: DataFrame, twins: DataFrame) -> float:
    """Return the share of test reviews that stand in training too, under a twin: a leak.

    Parameters
    ----------
    train, test : parts of ratings in which twins are not merged yet.
    """
    known, judged = (
        pd.MultiIndex.from_arrays([part["customer_id"], _articles(part, twins)])
        for part in (train, test)
    )
    return float(judged.isin(known).mean())


def _articles(ratings, twins):
    """Return the product that each review speaks of, whatever its size or edition."""
    first = ratings["product_id"].map(twins.set_index("product_id")["twin_of"])
    return first.fillna(ratings["product_id"])


def load_sephora(cleaned: dict[str, Cleaned], into: str | Path) -> DataFrame:
    """Load ratings and products into `sephora.duckdb`, and the ratings by month into `lake`."""
    into = Path(into)
    return load_all(cleaned, into / "sephora.duckdb", into / "lake", keys=KEYS, months=MONTH_OF)


def sephora_orders(folder: str | Path) -> tuple[DataFrame, DataFrame]:
    """Read both files as recommenders take them: what was liked, and the products.

    Returns
    -------
    One row a review of four or five stars (`customer_id`, `product_id`, `ordered_at`: its day, ...),
    and the products (`product_id`, `name`, `brand`, `category`, `subcategory`, `description`,
    `launched_on`: the day of the first review, a gap without one). Twins are not merged.

    Raises
    ------
    CannotExtract
        If a file is missing.
    """
    reviews = pd.read_csv(_file(folder, FILES["ratings"]), parse_dates=["date"])
    reviews = reviews.rename(columns={"user_id": "customer_id", "date": "ordered_at"})
    names = {"product_name": "name", "brand_name": "brand", "secondary_category": "category",
             "tertiary_category": "subcategory", "highlights": "description"}  # fmt: skip
    products = pd.read_csv(_file(folder, FILES["products"])).rename(columns=names)
    first = reviews.groupby("product_id")["ordered_at"].min()
    products = products[["product_id", *names.values()]].assign(
        launched_on=products["product_id"].map(first)
    )
    return reviews[reviews["rating"] >= 4], products


def beauty_orders(folder: str | Path) -> tuple[DataFrame, DataFrame]:
    """Read the two files of Amazon Beauty, which tell the order of what customers took, and no dates.

    Returns
    -------
    One row a product taken (`customer_id`, `product_id`, `ordered_at`), customer by customer, and the
    products (`product_id`, `name`, `category`, `description`: codes, `launched_on`: first taken).
    The dates are **made up**: everybody takes the last product on one day and the others 366 days
    apart before it. A split by time that keeps back up to a year so leaves out the last one.

    Raises
    ------
    CannotExtract
        If a file is missing.
    """
    lines = _file(folder, BEAUTY["orders"]).read_text(encoding="utf-8").splitlines()
    taken = [line.split() for line in lines if line]
    length = np.array([len(one) - 1 for one in taken])
    steps = np.repeat(length.cumsum(), length) - np.arange(length.sum()) - 1
    orders = DataFrame(
        {
            "customer_id": np.repeat([int(one[0]) for one in taken], length),
            "product_id": np.array([product for one in taken for product in one[1:]], dtype=int),
            "ordered_at": np.datetime64("2014-07-01", "s") - 366 * steps * np.timedelta64(1, "D"),
        }
    )
    names = {"item_id": "product_id", "title": "name", "attribute_codes": "description"}
    products = pd.read_csv(_file(folder, BEAUTY["products"])).rename(columns=names)
    first = orders.groupby("product_id")["ordered_at"].min()
    return orders, products.assign(launched_on=products["product_id"].map(first))


def _file(folder, name):
    """Return a file of a folder, or stop if it is not there."""
    path = Path(folder) / name
    if not path.is_file():
        raise CannotExtract(
            f"{name} was expected in the folder {folder}, and it is not there. Name the folder that holds "
            "the files as they were published, with their names."
        )
    return path


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
    places = np.split(order, [len(parts[0]), len(parts[0]) + len(parts[1])])
    return tuple(rows.iloc[np.sort(own)] for own in places)
