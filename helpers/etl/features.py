"""Stage 3: from rows to what a model can use: derived columns, aggregates, products bought together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import moment_in, require_columns, require_filled, require_same_kind
from helpers.etl.load import (
    WITH_ZONE,
    checked_name,
    identifier,
    kind_of,
    kind_of_type,
    load_warehouse,
    opened,
)

KNOWN_AT = "known_at"


def calendar_features(table: DataFrame, at: str) -> DataFrame:
    """Add the month, the weekday and the season of a date; the month also as a point on a circle.

    December and January are neighbours, which the numbers 12 and 1 hide and the circle shows. A
    row without a date has gaps.

    Examples
    --------
    >>> table = DataFrame({"ordered_at": pd.to_datetime(["2024-12-01"])})
    >>> calendar_features(table, "ordered_at")[["month", "weekday", "season"]].to_numpy().tolist()
    [[12, 6, 'winter']]
    """
    require_columns(table, "the table", [at])
    _require_moments(table, "the table", at)
    month = table[at].dt.month
    seasons = dict(enumerate(["winter", "spring", "summer", "autumn"]))
    return table.assign(
        month=month,
        weekday=table[at].dt.weekday,
        season=(month % 12 // 3).map(seasons).astype("str"),
        month_sin=np.sin(2 * np.pi * month / 12).round(12),
        month_cos=np.cos(2 * np.pi * month / 12).round(12),
    )


def customer_features(lines: DataFrame, as_of: str | pd.Timestamp) -> DataFrame:
    """Bring order lines to one row a customer, as they were known at the start of a day.

    Parameters
    ----------
    lines : one row a product bought: `customer_id`, `order_id`, `product_id`, `category`,
        `price_eur`, `ordered_at`; those that had arrived by then, if some arrive late. A line
        without a customer is nobody's and counts nowhere.
    as_of : the first day that is still unknown; lines on or after it are left out.

    Returns
    -------
    One row a customer with an order before, by `customer_id`: `orders`, `products` (different
    ones), `spent_eur`, `mean_price_eur`, `days_since_last`, `favourite` (the category bought most
    often; the first by name among equals), `known_at` (the day `as_of`).

    Examples
    --------
    >>> lines = DataFrame({"customer_id": [1, 1, 2], "order_id": [7, 7, 8], "product_id": [3, 4, 3],
    ...                    "category": ["mask", "cleanser", "mask"], "price_eur": [5.0, 7.0, 5.0],
    ...                    "ordered_at": pd.to_datetime(["2024-08-30", "2024-08-30", "2024-09-02"])})
    >>> customer_features(lines, "2024-09-01")[["orders", "spent_eur", "days_since_last", "favourite"]].to_numpy().tolist()
    [[1, 12.0, 2, 'cleanser']]
    """
    needs = ["customer_id", "order_id", "product_id", "category", "price_eur", "ordered_at"]
    require_columns(lines, "lines", needs)
    _require_moments(lines, "lines", "ordered_at")
    if kind_of(lines["price_eur"]) not in ("numbers", ""):
        raise ValueError(
            f"price_eur of lines holds {kind_of(lines['price_eur'])}; numbers were expected, or the sum "
            "is none. Read it with parse_numbers."
        )
    day = moment_in(as_of, lines["ordered_at"].dt.tz)
    known = lines[lines["ordered_at"] < day]
    people = known.groupby("customer_id", sort=True)
    table = people.agg(
        orders=("order_id", "nunique"),
        products=("product_id", "nunique"),
        spent_eur=("price_eur", "sum"),
        mean_price_eur=("price_eur", "mean"),
        last=("ordered_at", "max"),
    )
    table["days_since_last"] = (day - table.pop("last")).dt.days
    counts = known.groupby(["customer_id", "category"], sort=True).size().reset_index(name="n")
    counts = counts.sort_values(["customer_id", "n", "category"], ascending=[True, False, True])
    favourite = counts.drop_duplicates("customer_id").set_index("customer_id")["category"]
    table["favourite"] = favourite.reindex(table.index)
    table["spent_eur"] = table["spent_eur"].round(2)
    table["known_at"] = day
    return table.reset_index()


def bought_together(lines: DataFrame, at_least: int = 2) -> DataFrame:
    """Return the pairs of products that come in the same order.

    Parameters
    ----------
    lines : `order_id`, `product_id`; a product twice in an order counts once, and a line without an
        order stands beside no other.
    at_least : orders that a pair needs; a pair seen once is chance.

    Returns
    -------
    One row an ordered pair: `product_id`, `with_product_id`, `orders` (with both), `share` (of the
    orders with the first, how many have the second), `lift` (that share over the second's share of
    all orders: 1 is chance), the strongest lift first.

    Examples
    --------
    >>> lines = DataFrame({"order_id": [1, 1, 2, 2, 3, 4], "product_id": [10, 20, 10, 20, 10, 30]})
    >>> bought_together(lines).to_numpy().tolist()
    [[10.0, 20.0, 2.0, 0.6666666666666666, 1.3333333333333333], [20.0, 10.0, 2.0, 1.0, 1.3333333333333333]]
    """
    require_columns(lines, "lines", ["order_id", "product_id"])
    baskets = lines[["order_id", "product_id"]].apply(_plain).dropna().drop_duplicates()
    pairs = baskets.merge(baskets.rename(columns={"product_id": "with_product_id"}), on="order_id")
    pairs = pairs[pairs["product_id"] != pairs["with_product_id"]]
    table = pairs.groupby(["product_id", "with_product_id"]).size().reset_index(name="orders")
    table = table[table["orders"] >= at_least]
    each = baskets["product_id"].value_counts()
    table["share"] = table["orders"] / table["product_id"].map(each)
    everything = baskets["order_id"].nunique()
    table["lift"] = table["share"] / (table["with_product_id"].map(each) / everything)
    order = ["lift", "orders", "product_id", "with_product_id"]
    return table.sort_values(order, ascending=[False, False, True, True], ignore_index=True)


def _plain(values):
    """Return a column with the type of its values, not that of categories."""
    categories = isinstance(values.dtype, pd.CategoricalDtype)
    return values.astype(values.cat.categories.dtype) if categories else values


def together_features(pairs: DataFrame, products: DataFrame) -> DataFrame:
    """Add to each product how it is bought with others.

    Parameters
    ----------
    pairs : of `bought_together`, from training orders only.
    products : one row a `product_id`.

    Returns
    -------
    The products with `partners` (how many go with it), `best_partner` (`product_id`, a gap for
    none), `best_lift` (0.0 for none).

    Examples
    --------
    >>> lines = DataFrame({"order_id": [1, 1, 2, 2], "product_id": [10, 20, 10, 20]})
    >>> products = DataFrame({"product_id": [10, 30]})
    >>> together_features(bought_together(lines), products)[["partners", "best_partner"]].to_numpy().tolist()
    [[1, 20], [0, <NA>]]
    """
    require_columns(products, "products", ["product_id"])
    require_same_kind(
        products["product_id"], "products", pairs["product_id"], "pairs", "product_id"
    )
    first = pairs.drop_duplicates("product_id").set_index("product_id")
    ids = _plain(products["product_id"])
    best = ids.map(first["with_product_id"])
    numbered = pd.api.types.is_numeric_dtype(pairs["with_product_id"])
    return products.assign(
        partners=ids.map(pairs["product_id"].value_counts()).fillna(0).astype("int64"),
        best_partner=best.astype("Int64") if numbered else best,
        best_lift=ids.map(first["lift"]).fillna(0.0).astype("float64"),
    )


def store_features(features: DataFrame, store: str | Path, name: str, entity: str) -> int:
    """Add features to a store, each row with the moment from which it was known; return all rows.

    The same row twice is stored once, and a row of the same entity and moment replaces the old.

    Parameters
    ----------
    features : `entity`, `known_at` (when the values were known, not what they are about), values.
    store : a DuckDB file.
    entity : the column that names whom the features describe, such as "customer_id".

    Raises
    ------
    ValueError
        If an entity or a moment is missing, the moments are none, or the pair repeats.
    """
    require_columns(features, "features", [entity, KNOWN_AT])
    for column in (entity, KNOWN_AT):
        why = "nobody knows for whom, or from when, they may be used"
        require_filled(features, "features", column, why)
    _require_moments(features, "features", KNOWN_AT)
    return load_warehouse(features, store, name, key=[entity, KNOWN_AT])


def _require_moments(table, name, column, kinds=("moments", f"moments{WITH_ZONE}")):
    """Stop if a column is compared as something else than moments, or in another time zone's."""
    found = kind_of(table[column])
    if len(table) and found not in kinds:
        raise ValueError(
            f"{column} of {name} holds {found or 'gaps'}; {' or '.join(kinds)} were expected, or nobody "
            "knows what came first. Read it with pd.to_datetime, in one time zone."
        )


def features_as_of(
    asked: DataFrame, store: str | Path, name: str, entity: str, at: str
) -> DataFrame:
    """Return for each row asked the features as they were known then: never one from the future.

    A row known exactly at the moment asked counts as known. An entity of which nothing was known
    yet has gaps.

    Parameters
    ----------
    asked : `entity` and the moment `at`, with any other columns (such as the label).
    store, name, entity : see `store_features`.

    Returns
    -------
    The rows asked, in their order and under their index, with `known_at` and the features.

    Raises
    ------
    ValueError
        If nothing is stored there, the entities are of another kind there (texts, numbers), a moment
        is missing or is none, or one is in a time zone and the other is not: hours of the future
        could slip in.

    Examples
    --------
    >>> import tempfile
    >>> store = Path(tempfile.mkdtemp()) / "features.duckdb"
    >>> days = pd.to_datetime(["2024-08-01", "2024-09-01"])
    >>> features = DataFrame({"customer_id": 1, "known_at": days, "orders": [3, 5]})
    >>> store_features(features, store, "customers", "customer_id")
    2
    >>> asked = DataFrame({"customer_id": [1, 1], "at": pd.to_datetime(["2024-07-31", "2024-08-31"])})
    >>> features_as_of(asked, store, "customers", "customer_id", "at")["orders"].tolist()
    [<NA>, 3]
    """
    import duckdb

    checked_name(name)
    require_columns(asked, "the rows asked", [entity, at])
    require_filled(asked, "the rows asked", at, "nobody knows what was known then")
    numbered = asked.reset_index(drop=True)[[entity, at]].set_axis(["entity", "at"], axis=1)
    numbered["place"] = range(len(numbered))
    whom, place = identifier(entity), identifier(name)
    with opened(store) as connection:
        try:
            there = connection.execute(f"SELECT {KNOWN_AT}, {whom} FROM {place} LIMIT 0")
        except duckdb.Error as error:
            raise ValueError(
                f"The store holds no table {name} with {entity} and {KNOWN_AT}. Store it first with "
                "store_features."
            ) from error
        known, named = (kind_of_type(str(kind)) for _, kind, *_ in there.description)
        _require_moments(asked, "the rows asked", at, [known])
        ours = kind_of(asked[entity])
        if ours and ours != named:  # DuckDB would take the text "007" for 7, or stop at "a"
            raise ValueError(
                f"{entity} holds {ours} in the rows asked and {named} in {name}, so they would not "
                "meet. Bring both to one type first."
            )
        connection.register("asked", numbered)
        found = connection.execute(
            f"SELECT asked.place, stored.* EXCLUDE ({whom}) FROM asked ASOF LEFT JOIN {place} AS stored "
            f"ON asked.entity = stored.{whom} AND asked.at >= stored.{KNOWN_AT} ORDER BY place"
        ).df()
    found = found.drop(columns="place").set_axis(asked.index)
    both = [column for column in found.columns if column in asked.columns]
    if both:
        raise ValueError(f"The rows asked have {', '.join(both)} already. Rename or drop them.")
    return pd.concat([asked, found], axis=1)


def require_no_future(table: DataFrame, at: str) -> None:
    """Stop if a row holds features that were known only after the moment it is about.

    Examples
    --------
    >>> row = DataFrame({"at": pd.to_datetime(["2024-08-01"]), "known_at": pd.to_datetime(["2024-08-02"])})
    >>> require_no_future(row, "at")
    Traceback (most recent call last):
    ValueError: 1 row(s) hold features from the future, the first in row 1: known at 2024-08-02, used \
for 2024-08-01. Read them as of the day with features_as_of.
    """
    require_columns(table, "the table", [at, KNOWN_AT])
    _require_moments(table, "the table", at)
    if table[KNOWN_AT].notna().any():
        _require_moments(table, "the table", KNOWN_AT, [kind_of(table[at])])
    late = table[KNOWN_AT] > table[at]
    if late.any():
        row = int(late.to_numpy().argmax())
        raise ValueError(
            f"{int(late.sum()):,} row(s) hold features from the future, the first in row {row + 1:,}: "
            f"known at {table[KNOWN_AT].iloc[row]:%Y-%m-%d}, used for {table[at].iloc[row]:%Y-%m-%d}. "
            "Read them as of the day with features_as_of."
        )
