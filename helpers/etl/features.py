"""Stage 3: from rows to what a model can use: derived columns, aggregates, products bought together."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns

SERVICES = ["PhoneService", "OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport",
            "StreamingTV", "StreamingMovies"]  # fmt: skip


def subscriber_features(customers: DataFrame) -> DataFrame:
    """Add to the operator's customers what can be derived from their own row.

    Parameters
    ----------
    customers : the clean Telco table.

    Returns
    -------
    The table with `services` (how many are booked), `paid_per_month_eur` (total over tenure; the
    monthly charge in month 0), `price_step_eur` (the monthly charge minus that), `first_year` (0 or 1).

    Examples
    --------
    >>> row = {name: "No" for name in SERVICES} | {"PhoneService": "Yes", "tenure": 2,
    ...        "MonthlyCharges": 25.0, "TotalCharges": 40.0}
    >>> derived = subscriber_features(DataFrame([row]))
    >>> derived[["services", "paid_per_month_eur", "price_step_eur", "first_year"]].to_numpy().tolist()
    [[1.0, 20.0, 5.0, 1.0]]
    """
    needs = [*SERVICES, "tenure", "MonthlyCharges", "TotalCharges"]
    require_columns(customers, "customers", needs)
    paid = customers["TotalCharges"] / customers["tenure"].where(customers["tenure"] > 0)
    paid = paid.fillna(customers["MonthlyCharges"])
    return customers.assign(
        services=customers[SERVICES].eq("Yes").sum(axis=1),
        paid_per_month_eur=paid,
        price_step_eur=customers["MonthlyCharges"] - paid,
        first_year=customers["tenure"].lt(12).astype("int64"),
    )


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
    day = pd.Timestamp(as_of)
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
    baskets = lines[["order_id", "product_id"]].dropna().drop_duplicates()
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
    first = pairs.drop_duplicates("product_id").set_index("product_id")
    ids = products["product_id"]
    best = ids.map(first["with_product_id"])
    numbered = pd.api.types.is_numeric_dtype(pairs["with_product_id"])
    return products.assign(
        partners=ids.map(pairs["product_id"].value_counts()).fillna(0).astype("int64"),
        best_partner=best.astype("Int64") if numbered else best,
        best_lift=ids.map(first["lift"]).fillna(0.0).astype("float64"),
    )
