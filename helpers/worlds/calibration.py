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


@dataclass(frozen=True)
class Fact:
    """One fact of a business: what it is, how distance is measured, and its figures.

    `kind` is "shares" (parts of a whole: total variation distance), "rates" (the largest
    difference), or "deciles" (Kolmogorov-Smirnov distance at the real deciles; `sample` holds
    what they were counted on).
    """

    what: str
    kind: str
    figures: tuple[float, ...]
    sample: np.ndarray | None = None


def shop_facts(purchases: DataFrame, stars: pd.Series, products: DataFrame) -> list[Fact]:
    """Count the facts of a beauty shop.

    Parameters
    ----------
    purchases : `customer_id`, `product_id`, `bought_at`; at least two rows.
    stars : ratings, 1 to 5.
    products : `product_id`, `brand`, `category`, `price`, `launched_on`; the categories that
        hold "sun" or "moisturi", "cream" or "fluid" count for the seasons.

    Examples
    --------
    >>> day = pd.to_datetime(["2025-01-01", "2025-01-02"])
    >>> facts = shop_facts(DataFrame({"customer_id": [1, 1], "product_id": [1, 2], "bought_at": day}),
    ...     pd.Series([5, 4]), DataFrame({"product_id": [1, 2], "brand": ["A", "A"],
    ...     "category": ["mask", "sun care"], "price": [10.0, 20.0], "launched_on": day}))
    >>> next(fact.figures for fact in facts if fact.what.startswith("the next purchase is of the same brand"))
    (1.0,)
    """
    require_columns(purchases, "purchases", ["customer_id", "product_id", "bought_at"])
    require_rows(purchases, "purchases", at_least=2)
    log = purchases.merge(products, on="product_id")
    log = log.sort_values(["customer_id", "bought_at"], kind="stable")
    age = (log["bought_at"] - log["launched_on"]).dt.days
    items = log["customer_id"].value_counts()
    return [
        Fact("ratings of 1, 2, 3, 4 and 5 stars", "shares", _shares(stars, range(1, 6))),
        Fact("purchases that go to the top 10 % and 20 % of the products", "rates", _top(log, products)),
        Fact("purchases by the most active tenth of the customers", "rates", (_head(items, 0.1),)),
        Fact("prices", "deciles", _deciles(products["price"]), products["price"].to_numpy(float)),
        Fact("purchases of products younger than 30, 90 and 365 days", "rates",
             tuple(float((age < days).mean()) for days in (30, 90, 365))),
        Fact("the next purchase is of the same brand", "rates", (_again(log, "brand"),)),
        Fact("... of the same category, against chance", "rates", (_again(log, "category") / _chance(log, "category"),)),
        Fact("sun care by quarter, 1 for even", "rates", _season(log, "sun")),
        Fact("moisturiser by quarter, 1 for even", "rates", _season(log, "moisturi|cream|fluid")),
    ]  # fmt: skip


def operator_facts(customers: DataFrame) -> list[Fact]:
    """Count the facts of a telecom operator on a table with the columns of IBM's file.

    Parameters
    ----------
    customers : as read from the file, all text, with `Churn`.

    Examples
    --------
    >>> from helpers.worlds.telecom import telco_table
    >>> [fact.what for fact in operator_facts(telco_table(200, seed=7))][:2]
    ['customers by contract', 'churn rate by contract']
    """
    require_columns(customers, "customers", ["Contract", "tenure", "MonthlyCharges", "Churn"])
    churned = customers["Churn"].eq("Yes")
    tenure = pd.to_numeric(customers["tenure"])
    groups = {
        "contract": customers["Contract"],
        "internet": customers["InternetService"],
        "payment": customers["PaymentMethod"],
        "months with us": pd.cut(tenure, _TENURE),
    }
    facts = []
    for name, group in groups.items():
        rate = churned.groupby(group, observed=False)
        size = tuple((rate.size() / len(customers)).tolist())
        facts.append(Fact(f"customers by {name}", "shares", size))
        facts.append(Fact(f"churn rate by {name}", "rates", tuple(rate.mean().fillna(0).tolist())))
    monthly = pd.to_numeric(customers["MonthlyCharges"])
    return [
        *facts,
        Fact("churn rate", "rates", (float(churned.mean()),)),
        Fact("monthly bills", "deciles", _deciles(monthly), monthly.to_numpy(float)),
        Fact("months with us", "deciles", _deciles(tenure), tenure.to_numpy(float)),
    ]


def simulated_shop_facts(history: dict[str, DataFrame]) -> list[Fact]:
    """Count the facts on the history of a `Shop`."""
    purchases = history["orders"].rename(columns={"ordered_at": "bought_at"})
    products = history["products"].rename(columns={"price_eur": "price"})
    return shop_facts(
        purchases[["customer_id", "product_id", "bought_at"]],
        history["ratings"]["rating"],
        products[["product_id", "brand", "category", "price", "launched_on"]],
    )


def real_facts() -> dict[str, list[Fact]]:
    """Return the real figures of both businesses, as counted on the two public files."""
    return {name: [Fact(*row) for row in rows] for name, rows in _REAL.items()}


def calibration(shop_history: dict[str, DataFrame], telco: DataFrame) -> DataFrame:
    """Hold two simulated businesses against the real ones.

    Parameters
    ----------
    shop_history : of a `Shop`.
    telco : customers of an `Operator` with `Churn`, such as `history()["customers"]`.

    Returns
    -------
    One row a fact: `business`, `fact`, `real` and `simulated` (figures as text), `distance`, and
    `measured as`.
    """
    simulated = {
        "beauty shop": simulated_shop_facts(shop_history),
        "operator": operator_facts(telco),
    }
    rows = []
    for business, real in real_facts().items():
        for theirs, ours in zip(real, simulated[business], strict=True):
            rows.append(
                {
                    "business": business,
                    "fact": theirs.what,
                    "real": _text(theirs.figures),
                    "simulated": _text(ours.figures),
                    "distance": round(distance(theirs, ours), 3),
                    "measured as": _MEASURES[theirs.kind],
                }
            )
    return DataFrame(rows)


_MEASURES = {
    "shares": "total variation",
    "rates": "largest difference",
    "deciles": "Kolmogorov-Smirnov",
}


def distance(real: Fact, simulated: Fact) -> float:
    """Return how far the figures of two facts lie apart, from 0.0 for the same.

    Examples
    --------
    >>> distance(Fact("a", "shares", (0.5, 0.5)), Fact("a", "shares", (0.7, 0.3)))
    0.2
    """
    theirs, ours = np.array(real.figures), np.array(simulated.figures)
    if real.kind == "shares":
        return round(float(np.abs(theirs - ours).sum() / 2), 6)
    if real.kind == "rates":
        return round(float(np.abs(theirs - ours).max()), 6)
    below = (simulated.sample[:, None] <= theirs).mean(axis=0)
    strictly = (simulated.sample[:, None] < theirs).mean(axis=0)
    # A tied value reaches from the share strictly below it to the share at most it.
    gap = np.maximum(strictly - _TENTHS, _TENTHS - below)
    return round(float(np.maximum(gap, 0).max()), 6)


def _shares(values, levels):
    """Return the share of each level."""
    return tuple(values.value_counts(normalize=True).reindex(list(levels), fill_value=0).tolist())


def _deciles(values):
    """Return the nine deciles."""
    return tuple(np.quantile(values, _TENTHS).tolist())


def _top(log, products):
    """Return the shares of purchases that the top tenth and fifth of the products make."""
    sold = log["product_id"].value_counts().reindex(products["product_id"], fill_value=0)
    return tuple(_head(sold.sort_values(ascending=False), share) for share in (0.1, 0.2))


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
    return tuple((share / max(share.mean(), 1e-9)).tolist())


def _text(figures):
    """Write figures side by side."""
    return "  ".join(f"{figure:.3g}" for figure in figures)


_REAL: dict[str, list[tuple]] = {
    "beauty shop": [
        ("ratings of 1, 2, 3, 4 and 5 stars", "shares", (0.057, 0.049, 0.075, 0.182, 0.638)),
        ("purchases that go to the top 10 % and 20 % of the products", "rates", (0.516, 0.703)),
        ("purchases by the most active tenth of the customers", "rates", (0.374,)),
        ("prices", "deciles", (15.0, 24.0, 30.0, 37.0, 44.0, 51.0, 64.0, 74.2, 99.0)),
        ("purchases of products younger than 30, 90 and 365 days", "rates", (0.201, 0.302, 0.45)),
        ("the next purchase is of the same brand", "rates", (0.372,)),
        ("... of the same category, against chance", "rates", (1.349,)),
        ("sun care by quarter, 1 for even", "rates", (1.007, 1.436, 0.929, 0.628)),
        ("moisturiser by quarter, 1 for even", "rates", (1.053, 0.968, 0.985, 0.994)),
    ],
    "operator": [
        ("customers by contract", "shares", (0.55, 0.209, 0.241)),
        ("churn rate by contract", "rates", (0.427, 0.113, 0.028)),
        ("customers by internet", "shares", (0.344, 0.44, 0.217)),
        ("churn rate by internet", "rates", (0.19, 0.419, 0.074)),
        ("customers by payment", "shares", (0.219, 0.216, 0.336, 0.229)),
        ("churn rate by payment", "rates", (0.167, 0.152, 0.453, 0.191)),
        ("customers by months with us", "shares", (0.089, 0.062, 0.059, 0.1, 0.145, 0.226, 0.318)),
        ("churn rate by months with us", "rates", (0.609, 0.495, 0.446, 0.359, 0.287, 0.204, 0.095)),
        ("churn rate", "rates", (0.265,)),
        ("monthly bills", "deciles", (20.05, 25.05, 45.85, 58.83, 70.35, 79.1, 85.5, 94.25, 102.6)),
        ("months with us", "deciles", (2.0, 6.0, 12.0, 20.0, 29.0, 40.0, 50.0, 60.0, 69.0)),
    ],
}  # fmt: skip
