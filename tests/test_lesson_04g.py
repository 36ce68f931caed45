"""Lesson 04g: lists and figures by hand against other code, its claims on twenty seeds, and on reviews."""

import numpy as np
import pytest
from conftest import SEEDS
from sklearn.metrics.pairwise import cosine_similarity

pytestmark = pytest.mark.slow


STEM = "04g_recommenders"


def check_claims(told, left_behind):
    """Hold what the lesson's text says without a figure."""
    lead, cold = left_behind["lead"], left_behind["cold"]
    assert lead.loc[told["first"], "points"] == lead["points"].max()  # two may be equal
    best = lead.loc[told["first"]]
    assert told["better"] == "better " + (
        "beyond chance"
        if best["points"] - best["error"] > 0
        else "though chance alone could explain it"
    )
    # "For the stranger the rest fall back on what sold most"; content needs no sale to show a product.
    assert cold.loc["most popular", "a new customer"] == "yes"
    assert cold.loc["item neighbors", "a new customer"] == "no"
    assert cold.loc[["most popular", "item neighbors"], "a new product"].tolist() == ["no", "no"]
    assert cold.loc["content", "a new product"] == "yes"
    # "Nearly all of it is empty."
    matrix = left_behind["matrix"]
    assert matrix.nnz < 0.1 * np.prod(matrix.shape)
    # "Some products are easy": most popular finds only bestsellers.
    known = left_behind["known"].loc["most popular"]
    assert known["best-selling tenth"] > known["next four tenths"] >= known["lower half"]


def check_figures(left_behind):
    """Count the figures anew, customer by customer and product by product."""
    wanted, k = left_behind["wanted"], left_behind["K"]
    later = wanted.groupby("customer_id")["product_id"].agg(set)
    for name, shown in left_behind["shown"].items():
        lists = shown.groupby("customer_id")["product_id"].agg(set).reindex(later.index)
        hits = np.array([len(a & b) for a, b in zip(lists, later, strict=True)])
        row = left_behind["table"].loc[name]
        assert row["precision"] == pytest.approx((hits / k).mean())
        assert row["recall"] == pytest.approx((hits / later.map(len)).mean())
        assert row["hit_rate"] == pytest.approx((hits > 0).mean())
        sold = left_behind["past"]["product_id"].value_counts()
        tenth = sold.reindex(left_behind["what"], fill_value=0).sort_values(
            ascending=False, kind="stable"
        )
        easy = set(tenth.index[: len(tenth) // 10])
        found = [
            product in lists[customer]
            for customer, products in later.items()
            for product in products & easy
        ]
        share = left_behind["known"].loc[name, "best-selling tenth"]
        assert share == pytest.approx(np.mean(found))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_and_its_figures_are_counted_anew(played, seed):
    told, left_behind = played(seed)
    check_claims(told, left_behind)
    check_figures(left_behind)
    # Knowing her helps here, and other customers tell more than descriptions.
    assert told["better"] == "better beyond chance"
    assert told["first"] != "content"
    assert told["others"] == "more"
    # The words find what seldom sells, and nothing else does.
    assert left_behind["known"]["lower half"].idxmax() == "content"


def test_on_the_reviews_of_a_retailer_the_same_holds(played, sephora_folder):
    told, left_behind = played(5, DATA_FOLDER=str(sephora_folder), LAST_DAYS=170)
    check_claims(told, left_behind)
    check_figures(left_behind)
    assert told["better"] == "better beyond chance"


@pytest.mark.slow
def test_on_amazon_beauty_everybodys_last_product_is_to_be_found(played, beauty_folder):
    told, left_behind = played(5, DATA_FOLDER=str(beauty_folder))
    assert len(left_behind["wanted"]) > 22_000
    assert left_behind["wanted"]["customer_id"].is_unique
    check_claims(told, left_behind)
    assert told["better"] == "better beyond chance"


def test_the_neighbors_by_hand_are_the_cosines_of_scikit_learn(played):
    left_behind = played(1)[1]
    near = cosine_similarity(left_behind["matrix"].T)
    np.fill_diagonal(near, 0)
    assert np.allclose(left_behind["near"].toarray(), near)
    score = left_behind["her_row"].toarray()[0] @ near
    assert np.allclose(left_behind["together"], score)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_plain_neighbors_of_the_course_are_those_by_hand(played, seed):
    """`ItemNeighbours(shrink=0, decay=1)` has the plain neighbors; the rest of a list are ties."""
    left_behind = played(seed)[1]
    model = left_behind["recommend"].ItemNeighbours(shrink=0, decay=1)
    model.fit(left_behind["past"], left_behind["on_sale"])
    shown = model.recommend([left_behind["her"]], left_behind["K"], left_behind["day"])
    by_hand = dict(zip(left_behind["what"], left_behind["together"], strict=True))
    assert shown["score"].tolist() == pytest.approx(shown["product_id"].map(by_hand).tolist())
    best = [by_hand[product] for product in left_behind["lists"]["item neighbors"]]
    assert shown["score"].tolist() == pytest.approx(best)


def test_one_customers_precision_and_recall_are_her_hits_over_places_and_over_purchases(played):
    left_behind = played(1)[1]
    later = set(left_behind["her_later"])
    for name, shown in left_behind["lists"].items():
        hits = len(set(shown) & later)
        row = left_behind["by_hand"].loc[name]
        assert (row["precision"], row["recall"]) == (hits / 10, hits / len(later))
        assert len(set(shown)) == 10
        assert not set(shown) & set(left_behind["her_past"])


@pytest.mark.parametrize("more", [{"K": 5}, {"LAST_DAYS": 60}, {"CUSTOMERS": 800}])
def test_the_changes_it_proposes_keep_the_claims_true(played, more):
    check_claims(*played(1, **more))


def test_a_third_part_lets_the_hybrid_serve_new_products(played):
    left_behind = played(2)[1]
    recommend, past = left_behind["recommend"], left_behind["past"]
    parts = [*left_behind["models"]["hybrid"].parts, (recommend.ContentBased(left_behind["texts"]), 3.0)]  # fmt: skip
    model = recommend.Hybrid(parts).fit(past, left_behind["launched"])
    lists = model.recommend(left_behind["ask"], 10, left_behind["end"])
    assert lists["product_id"].isin(left_behind["fresh"]).any()
