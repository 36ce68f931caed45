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
    distances,
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


def by_name(facts):
    return {
        f"{fact.what} {name}": figure for fact in facts for name, figure in fact.figures.items()
    }


def test_the_facts_of_a_shop_are_those_counted_by_hand():
    facts = by_name(shop_facts(PURCHASES, pd.Series([5, 5, 4, 1]), PRODUCTS))
    assert [facts[f"ratings {stars} stars"] for stars in range(1, 6)] == [0.25, 0, 0, 0.25, 0.5]
    assert facts["purchases of the best-selling 10% of the products"] == 0.25
    assert facts["purchases by the most active 10% of the customers"] == 0.75
    young = [facts[f"purchases of products younger than {days} days"] for days in (30, 90, 365)]
    assert young == [0.25, 0.5, 0.75], "they were 10, 61, 202 and 1,100 days old"
    assert facts["the next purchase is of the same brand"] == 0.5, "A to A, then A to B"
    again = "the next purchase is of the same category, times as often as by chance"
    assert facts[again] == 0.0, "each category follows the other"
    # Of the first quarter one of three is sun care, of the third the only one: mean a third.
    sun = [figure for name, figure in facts.items() if name.startswith("sun care")]
    assert sun == pytest.approx([1.0, 0, 3.0, 0])


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
    facts = by_name(operator_facts(table))
    assert facts["customers by contract: Month-to-month"] == 0.5
    assert facts["churn rate by contract: Month-to-month"] == 0.5
    assert facts["churn rate by contract: Two year"] == 0
    assert facts["churn rate of all"] == 0.25
    assert facts["churn rate by months with us: 0 to 1"] == 1
    assert facts["customers by months with us: 25 to 48"] == 0.25
    assert facts["monthly bills 50% are at most"] == 35.0


def test_distances_are_those_counted_by_hand():
    one, other = {"x": 0.2, "y": 0.8}, {"x": 0.5, "y": 0.9}
    assert distance(Fact("", "shares", one), Fact("", "shares", {"x": 0.5, "y": 0.5})) == 0.3
    assert distance(Fact("", "rates", one), Fact("", "rates", other)) == 0.3
    assert distance(Fact("", "rates", one), Fact("", "rates", {"x": 0.2})) == 0.8, "y is missing"
    hundred = np.arange(1, 101.0)
    cuts = dict(enumerate(np.quantile(hundred, np.arange(1, 10) / 10)))
    real = Fact("", "deciles", cuts)
    assert distance(real, Fact("", "deciles", {}, hundred)) == 0.0
    assert distance(real, Fact("", "deciles", {}, hundred + 20)) == pytest.approx(0.2)
    assert distance(real, Fact("", "deciles", {}, hundred * 100)) == pytest.approx(0.9)


def test_a_table_without_a_column_is_refused():
    with pytest.raises(ValueError, match="purchases lacks the column.s. bought_at"):
        shop_facts(PURCHASES.drop(columns="bought_at"), pd.Series([5]), PRODUCTS)
    with pytest.raises(ValueError, match="products lacks the column.s. brand"):
        shop_facts(PURCHASES, pd.Series([5]), PRODUCTS.drop(columns="brand"))
    with pytest.raises(ValueError, match="customers lacks the column.s. Contract, InternetService"):
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
    assert_same(real_facts()["shop"], shop_facts(purchases, log["rating"], catalogue))


def assert_same(stored, counted):
    assert [fact.what for fact in stored] == [fact.what for fact in counted]
    for theirs, ours in zip(stored, counted, strict=True):
        assert ours.kind == theirs.kind
        assert ours.figures == pytest.approx(theirs.figures, abs=0.0051, rel=0), ours.what
        small = [name for name, figure in theirs.figures.items() if abs(figure) < 10]
        for name in small:
            assert ours.figures[name] == pytest.approx(theirs.figures[name], abs=0.00051), name


@pytest.fixture(scope="module")
def tables():
    return Shop().history(), Operator().history()["customers"]


def test_both_worlds_lie_near_the_real_businesses(tables):
    table = distances(*tables)
    far = {
        "purchases of the best-selling": 0.10,
        "sun care, times its yearly average, in": 0.10,
        "moisturisers, times their yearly average, in": 0.08,
    }
    limit = table["fact"].map(far).fillna(0.12)
    assert (table["distance"] <= limit).all(), table[table["distance"] > limit]
    assert (table.loc[table["business"] == "operator", "distance"] <= 0.05).all()
    assert table["distance"].notna().all()


@pytest.mark.slow
def test_churn_by_group_lies_no_farther_from_the_file_than_chance_alone_would_put_it():
    """Twenty worlds, beside tables whose groups leave with the very rates of the file, by chance."""
    rng, real = np.random.default_rng(1), {fact.what: fact for fact in real_facts()["operator"]}
    away, by_chance = {}, {}
    for seed in range(1, 21):
        customers = Operator(seed=seed).history()["customers"]
        for ours in operator_facts(customers):
            theirs = real[ours.what]
            if not ours.what.startswith("churn rate"):
                continue
            share = real.get(ours.what.replace("churn rate", "customers"))
            shares = share.figures if share else {"of all": 1.0}
            away.setdefault(ours.what, []).append(distance(theirs, ours))
            for _ in range(10):
                drawn = {
                    name: rng.binomial(round(len(customers) * shares[name]), rate)
                    / round(len(customers) * shares[name])
                    for name, rate in theirs.figures.items()
                }
                like = Fact(ours.what, ours.kind, drawn)
                by_chance.setdefault(ours.what, []).append(distance(theirs, like))
    assert len(away) == 5
    for what, gaps in away.items():
        assert np.mean(gaps) < np.mean(by_chance[what]), what


def test_every_figure_stands_beside_the_real_one(tables):
    table = calibration(*tables)
    assert len(table) == sum(len(fact.figures) for facts in real_facts().values() for fact in facts)
    assert not table.duplicated(["business", "fact"]).any()
    five = table.set_index("fact").loc["ratings 5 stars"]
    stars = tables[0]["ratings"]["rating"]
    assert five["simulated"] == round(stars.eq(5).mean(), 3)
    assert five["real"] == 0.638
