"""How near the worlds are to real businesses: facts counted alike on both, and their distance.

The real figures were counted by the functions of this module on two public files: IBM's sample of
telecom customers, and reviews of a cosmetics retailer (a tenth of the users of "Sephora Products
and Skincare Reviews", CC BY 4.0). A purchase is a review there and a line of an order here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns, require_rows

_TENTHS = np.arange(1, 10) / 10
_TENURE = [-1, 1, 3, 6, 12, 24, 48, 72]
_TENURE_NAMES = ["0 to 1", "2 to 3", "4 to 6", "7 to 12", "13 to 24", "25 to 48", "49 to 72"]


@dataclass(frozen=True)
class Fact:
    """One fact of a business: what it is, how distance is measured, and its figures by name.

    `kind` is "shares" (parts of a whole: total variation distance), "rates" (the largest
    difference), or "deciles" (Kolmogorov-Smirnov distance at the real deciles; `sample` holds
    what they were counted on).
    """

    what: str
    kind: str
    figures: dict[str, float]
    sample: np.ndarray | None = None


def shop_facts(purchases: DataFrame, stars: pd.Series, products: DataFrame) -> list[Fact]:
    """Count the facts of a beauty shop.

    Parameters
    ----------
    purchases : `customer_id`, `product_id`, `bought_at`; at least two rows.
    stars : ratings, 1 to 5.
    products : `product_id`, `brand`, `category`, `price`, `launched_on`; categories that hold
        "sun" are sun care, those that hold "moisturi", "cream" or "fluid" are moisturisers.

    Examples
    --------
    >>> day = pd.to_datetime(["2025-01-01", "2025-01-02"])
    >>> facts = shop_facts(DataFrame({"customer_id": [1, 1], "product_id": [1, 2], "bought_at": day}),
    ...     pd.Series([5, 4]), DataFrame({"product_id": [1, 2], "brand": ["A", "A"],
    ...     "category": ["mask", "sun care"], "price": [10.0, 20.0], "launched_on": day}))
    >>> next(fact.figures for fact in facts if fact.what == "the next purchase")
    {'is of the same brand': 1.0}
    """
    require_columns(purchases, "purchases", ["customer_id", "product_id", "bought_at"])
    of_products = ["product_id", "brand", "category", "price", "launched_on"]
    require_columns(products, "products", of_products)
    require_rows(purchases, "purchases", at_least=2)
    log = purchases.merge(products[of_products], on="product_id")
    log = log.sort_values(["customer_id", "bought_at"], kind="stable")
    sold = log["product_id"].value_counts().reindex(products["product_id"], fill_value=0)
    sold = sold.sort_values(ascending=False)
    active = log["customer_id"].value_counts()
    age = (log["bought_at"] - log["launched_on"]).dt.days
    return [
        Fact("ratings", "shares", _shares(stars, range(1, 6), "{} stars")),
        Fact("purchases of the best-selling", "rates",
             {f"{share:.0%} of the products": _head(sold, share) for share in (0.1, 0.2)}),
        Fact("purchases by the most active", "rates", {"10% of the customers": _head(active, 0.1)}),
        Fact("prices", "deciles", _deciles(products["price"]), products["price"].to_numpy(float)),
        Fact("purchases of products younger than", "rates",
             {f"{days} days": float((age < days).mean()) for days in (30, 90, 365)}),
        Fact("the next purchase", "rates", {"is of the same brand": _again(log, "brand")}),
        Fact("the next purchase is of the same category,", "rates",
             {"times as often as by chance": _again(log, "category") / _chance(log, "category")}),
        Fact("sun care, times its yearly average, in", "rates", _season(log, "sun")),
        Fact("moisturisers, times their yearly average, in", "rates",
             _season(log, "moisturi|cream|fluid")),
    ]  # fmt: skip


def operator_facts(customers: DataFrame) -> list[Fact]:
    """Count the facts of a telecom operator on a table with the columns of IBM's file.

    Parameters
    ----------
    customers : as read from the file, all text, with `Churn`.

    Examples
    --------
    >>> from helpers.worlds.operator.telco import telco_table
    >>> [fact.what for fact in operator_facts(telco_table(200, seed=7))][:2]
    ['customers by contract:', 'churn rate by contract:']
    """
    columns = ["Contract", "InternetService", "PaymentMethod", "tenure", "MonthlyCharges", "Churn"]
    require_columns(customers, "customers", columns)
    churned = customers["Churn"].eq("Yes")
    tenure = pd.to_numeric(customers["tenure"])
    groups = {
        "contract": customers["Contract"],
        "internet": customers["InternetService"],
        "payment": customers["PaymentMethod"],
        "months with us": pd.cut(tenure, _TENURE, labels=_TENURE_NAMES).astype(str),
    }
    facts = []
    for name, group in groups.items():
        rate = churned.groupby(group)
        facts.append(
            Fact(f"customers by {name}:", "shares", (rate.size() / len(customers)).to_dict())
        )
        facts.append(Fact(f"churn rate by {name}:", "rates", rate.mean().to_dict()))
    monthly = pd.to_numeric(customers["MonthlyCharges"])
    return [
        *facts,
        Fact("churn rate", "rates", {"of all": float(churned.mean())}),
        Fact("monthly bills", "deciles", _deciles(monthly), monthly.to_numpy(float)),
        Fact("months with us", "deciles", _deciles(tenure), tenure.to_numpy(float)),
    ]


def real_facts() -> dict[str, list[Fact]]:
    """Return the real figures of both businesses, as counted on the two public files."""
    return {name: [Fact(*row) for row in rows] for name, rows in _REAL.items()}


def calibration(shop_history: dict[str, DataFrame], telco: DataFrame) -> DataFrame:
    """Hold every figure of two simulated businesses beside the real one.

    Parameters
    ----------
    shop_history : of a `Shop`.
    telco : customers of an `Operator` with `Churn`, such as `history()["customers"]`.

    Returns
    -------
    One row a figure: `business`, `fact`, `real`, `simulated`.
    """
    rows = [
        {
            "business": business,
            "fact": f"{theirs.what} {name}",
            "real": round(figure, 3),
            "simulated": round(ours.figures.get(name, 0.0), 3),
        }
        for business, theirs, ours in _pairs(shop_history, telco)
        for name, figure in theirs.figures.items()
    ]
    return DataFrame(rows)


def distances(shop_history: dict[str, DataFrame], telco: DataFrame) -> DataFrame:
    """Measure how far the simulated businesses lie from the real ones, fact by fact.

    Returns
    -------
    One row a fact: `business`, `fact`, `distance` (0.0 for the same), `measured as`.
    """
    rows = [
        {
            "business": business,
            "fact": theirs.what.rstrip(" :,"),
            "distance": round(distance(theirs, ours), 3),
            "measured as": _MEASURES[theirs.kind],
        }
        for business, theirs, ours in _pairs(shop_history, telco)
    ]
    return DataFrame(rows)


def _pairs(shop_history, telco):
    """Yield each business with a real fact and its simulated counterpart."""
    lines = shop_history["orders"].rename(columns={"ordered_at": "bought_at"})
    purchases = lines[["customer_id", "product_id", "bought_at"]]
    products = shop_history["products"].rename(columns={"price_eur": "price"})
    shop = shop_facts(purchases, shop_history["ratings"]["rating"], products)
    simulated = {"shop": shop, "operator": operator_facts(telco)}
    for business, real in real_facts().items():
        for theirs, ours in zip(real, simulated[business], strict=True):
            yield business, theirs, ours


_MEASURES = {
    "shares": "total variation",
    "rates": "largest difference",
    "deciles": "Kolmogorov-Smirnov",
}


def distance(real: Fact, simulated: Fact) -> float:
    """Return how far the figures of two facts lie apart, from 0.0 for the same.

    Examples
    --------
    >>> distance(Fact("a", "shares", {"x": 0.5, "y": 0.5}), Fact("a", "shares", {"x": 0.7, "y": 0.3}))
    0.2
    """
    theirs = np.array(list(real.figures.values()))
    if real.kind == "deciles":
        below = (simulated.sample[:, None] <= theirs).mean(axis=0)
        strictly = (simulated.sample[:, None] < theirs).mean(axis=0)
        # A tied value reaches from the share strictly below it to the share at most it.
        gap = np.maximum(0, np.maximum(strictly - _TENTHS, _TENTHS - below)).max()
    else:
        ours = np.array([simulated.figures.get(name, 0.0) for name in real.figures])
        gaps = np.abs(theirs - ours)
        gap = gaps.sum() / 2 if real.kind == "shares" else gaps.max()
    return round(float(gap), 6)


def _shares(values, levels, name):
    """Return the share of each level."""
    share = values.value_counts(normalize=True)
    return {name.format(level): float(share.get(level, 0.0)) for level in levels}


def _deciles(values):
    """Return the nine deciles."""
    cuts = np.quantile(values, _TENTHS).tolist()
    return {f"{share:.0%} are at most": cut for share, cut in zip(_TENTHS, cuts, strict=True)}


def _head(counts, share):
    """Return what the first `share` of falling counts make of their sum."""
    return float(counts.iloc[: max(1, round(len(counts) * share))].sum() / counts.sum())


def _again(log, column):
    """Return how often a customer's next purchase repeats `column`."""
    same = log["customer_id"].eq(log["customer_id"].shift())
    return float(log[column].eq(log[column].shift())[same].mean())


def _chance(log, column):
    """Return how often two purchases drawn at random agree in `column`."""
    return float((log[column].value_counts(normalize=True) ** 2).sum())


def _season(log, words):
    """Return the share of some categories in each quarter, divided by their mean over quarters."""
    share = log["category"].str.contains(words, case=False)
    share = share.groupby(log["bought_at"].dt.quarter).mean().reindex(range(1, 5), fill_value=0)
    names = ["January to March", "April to June", "July to September", "October to December"]
    return dict(zip(names, (share / max(share.mean(), 1e-9)).tolist(), strict=True))


_REAL: dict[str, list[tuple]] = {
    "shop": [
        ("ratings", "shares", {"1 stars": 0.057, "2 stars": 0.049, "3 stars": 0.075,
            "4 stars": 0.182, "5 stars": 0.638}),
        ("purchases of the best-selling", "rates", {"10% of the products": 0.516,
            "20% of the products": 0.703}),
        ("purchases by the most active", "rates", {"10% of the customers": 0.374}),
        ("prices", "deciles", {"10% are at most": 15.0, "20% are at most": 24.0,
            "30% are at most": 30.0, "40% are at most": 37.0, "50% are at most": 44.0,
            "60% are at most": 51.0, "70% are at most": 64.0, "80% are at most": 74.2,
            "90% are at most": 99.0}),
        ("purchases of products younger than", "rates", {"30 days": 0.201, "90 days": 0.302,
            "365 days": 0.45}),
        ("the next purchase", "rates", {"is of the same brand": 0.372}),
        ("the next purchase is of the same category,", "rates", {
            "times as often as by chance": 1.349}),
        ("sun care, times its yearly average, in", "rates", {"January to March": 1.007,
            "April to June": 1.436, "July to September": 0.929, "October to December": 0.628}),
        ("moisturisers, times their yearly average, in", "rates", {"January to March": 1.053,
            "April to June": 0.968, "July to September": 0.985, "October to December": 0.994}),
    ],
    "operator": [
        ("customers by contract:", "shares", {"Month-to-month": 0.55, "One year": 0.209,
            "Two year": 0.241}),
        ("churn rate by contract:", "rates", {"Month-to-month": 0.427, "One year": 0.113,
            "Two year": 0.028}),
        ("customers by internet:", "shares", {"DSL": 0.344, "Fiber optic": 0.44, "No": 0.217}),
        ("churn rate by internet:", "rates", {"DSL": 0.19, "Fiber optic": 0.419, "No": 0.074}),
        ("customers by payment:", "shares", {"Bank transfer (automatic)": 0.219,
            "Credit card (automatic)": 0.216, "Electronic check": 0.336, "Mailed check": 0.229}),
        ("churn rate by payment:", "rates", {"Bank transfer (automatic)": 0.167,
            "Credit card (automatic)": 0.152, "Electronic check": 0.453, "Mailed check": 0.191}),
        ("customers by months with us:", "shares", {"0 to 1": 0.089, "13 to 24": 0.145,
            "2 to 3": 0.062, "25 to 48": 0.226, "4 to 6": 0.059, "49 to 72": 0.318,
            "7 to 12": 0.1}),
        ("churn rate by months with us:", "rates", {"0 to 1": 0.609, "13 to 24": 0.287,
            "2 to 3": 0.495, "25 to 48": 0.204, "4 to 6": 0.446, "49 to 72": 0.095,
            "7 to 12": 0.359}),
        ("churn rate", "rates", {"of all": 0.265}),
        ("monthly bills", "deciles", {"10% are at most": 20.05, "20% are at most": 25.05,
            "30% are at most": 45.85, "40% are at most": 58.83, "50% are at most": 70.35,
            "60% are at most": 79.1, "70% are at most": 85.5, "80% are at most": 94.25,
            "90% are at most": 102.6}),
        ("months with us", "deciles", {"10% are at most": 2.0, "20% are at most": 6.0,
            "30% are at most": 12.0, "40% are at most": 20.0, "50% are at most": 29.0,
            "60% are at most": 40.0, "70% are at most": 50.0, "80% are at most": 60.0,
            "90% are at most": 69.0}),
    ],
}  # fmt: skip
