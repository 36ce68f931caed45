"""`helpers.worlds.calibration`: the same counting on real and simulated tables, and the distances."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from pandas import DataFrame

from helpers.course.fetch import data_folder
from helpers.worlds import Operator, Shop
from helpers.worlds.calibration import (
    Fact,
    calibration,
    distance,
    operator_facts,
    real_facts,
    shop_facts,
)

DAY = pd.Timestamp("2025-01-01")
PRODUCTS = DataFrame(
    {
        "product_id": [1, 2, 3, 4],
        "brand": ["A", "A", "B", "B"],
        "category": ["mask", "sun care", "mask", "sun care"],
        "price": [10.0, 20.0, 30.0, 40.0],
        "launched_on": [DAY - pd.Timedelta(days=age) for age in (10, 60, 200, 900)],
    }
)
PURCHASES = DataFrame(
    {
        "customer_id": [1, 1, 1, 2],
        "product_id": [1, 2, 3, 4],
        "bought_at": [DAY + pd.Timedelta(days=day) for day in (0, 1, 2, 200)],
    }
)


def facts_by_name(facts):
    return {fact.what: fact.figures for fact in facts}


def test_the_facts_of_a_shop_are_those_counted_by_hand():
    facts = facts_by_name(shop_facts(PURCHASES, pd.Series([5, 5, 4, 1]), PRODUCTS))
    assert facts["ratings of 1, 2, 3, 4 and 5 stars"] == (0.25, 0, 0, 0.25, 0.5)
    assert facts["purchases that go to the top 10 % and 20 % of the products"] == (0.25, 0.25)
    assert facts["purchases by the most active tenth of the customers"] == (0.75,)
    ages = "purchases of products younger than 30, 90 and 365 days"
    assert facts[ages] == (0.25, 0.5, 0.75), "10, 61, 202 and 1,100 days"
    assert facts["the next purchase is of the same brand"] == (0.5,), "A to A, then A to B"
    assert facts["... of the same category, against chance"] == (0.0,), "each follows another"
    # Of the first quarter one of three is sun care, of the third the only one: mean a third.
    assert facts["sun care by quarter, 1 for even"] == pytest.approx((1.0, 0, 3.0, 0))


def test_the_facts_of_an_operator_are_those_counted_by_hand():
    table = DataFrame(
        {
            "Contract": ["Month-to-month", "Month-to-month", "Two year", "One year"],
            "InternetService": ["DSL", "No", "DSL", "DSL"],
            "PaymentMethod": ["Mailed check"] * 4,
            "tenure": ["1", "72", "30", "5"],
            "MonthlyCharges": ["20", "30", "40", "50"],
            "Churn": ["Yes", "No", "No", "No"],
        }
    )
    facts = facts_by_name(operator_facts(table))
    assert facts["customers by contract"] == (0.5, 0.25, 0.25)
    assert facts["churn rate by contract"] == (0.5, 0, 0)
    assert facts["churn rate"] == (0.25,)
    assert facts["churn rate by months with us"] == (1, 0, 0, 0, 0, 0, 0)
    assert facts["monthly bills"][4] == 35.0


def test_distances_are_those_counted_by_hand():
    assert distance(Fact("", "shares", (0.2, 0.8)), Fact("", "shares", (0.5, 0.5))) == 0.3
    assert distance(Fact("", "rates", (0.2, 0.8)), Fact("", "rates", (0.5, 0.9))) == 0.3
    hundred = np.arange(1, 101.0)
    real = Fact("", "deciles", tuple(np.quantile(hundred, np.arange(1, 10) / 10)))
    assert distance(real, Fact("", "deciles", (), hundred)) == 0.0
    assert distance(real, Fact("", "deciles", (), hundred + 20)) == pytest.approx(0.2)
    assert distance(real, Fact("", "deciles", (), hundred * 100)) == pytest.approx(0.9)


def test_a_table_without_a_column_is_refused():
    with pytest.raises(ValueError, match="purchases lacks the column.s. bought_at"):
        shop_facts(PURCHASES.drop(columns="bought_at"), pd.Series([5]), PRODUCTS)
    with pytest.raises(ValueError, match="customers lacks"):
        operator_facts(DataFrame({"tenure": []}))


def test_the_real_telecom_figures_are_those_of_the_file(telco_csv):
    assert_same(real_facts()["operator"], operator_facts(pd.read_csv(telco_csv, dtype=str)))


def test_the_real_beauty_figures_are_those_of_the_files():
    folder = data_folder(ROOT)
    reviews, products = folder / "sephora_a_reviews.csv.gz", folder / "sephora_a_products.csv.gz"
    if not reviews.is_file():
        pytest.skip(f"{reviews.name} is not in the data folder; set LIFECYCLE_DATA to it")
    log = pd.read_csv(reviews, parse_dates=["date"])
    log = log.rename(columns={"user_id": "customer_id", "date": "bought_at"})
    catalogue = pd.read_csv(products).rename(
        columns={"brand_name": "brand", "secondary_category": "category", "price_usd": "price"}
    )
    first = log.groupby("product_id")["bought_at"].min()
    catalogue["launched_on"] = catalogue["product_id"].map(first)
    catalogue = catalogue[["product_id", "brand", "category", "price", "launched_on"]]
    purchases = log[["customer_id", "product_id", "bought_at"]]
    assert_same(real_facts()["beauty shop"], shop_facts(purchases, log["rating"], catalogue))


def assert_same(stored, counted):
    assert [fact.what for fact in stored] == [fact.what for fact in counted]
    for theirs, ours in zip(stored, counted, strict=True):
        assert ours.kind == theirs.kind
        assert ours.figures == pytest.approx(theirs.figures, abs=0.00051, rel=0.001), ours.what


def test_both_worlds_lie_near_the_real_businesses():
    table = calibration(Shop().history(), Operator().history()["customers"])
    far = {
        "purchases that go to the top 10 % and 20 % of the products": 0.18,
        "sun care by quarter, 1 for even": 0.15,
        "moisturiser by quarter, 1 for even": 0.15,
    }
    limit = table["fact"].map(far).fillna(0.12)
    assert (table["distance"] <= limit).all(), table[table["distance"] > limit]
    assert (table.loc[table["business"] == "operator", "distance"] <= 0.05).all()
    assert table["distance"].notna().all()
