"""Lesson 04g: lists and figures by hand against other code, its claims on twenty seeds, and on reviews."""

from functools import cache

import numpy as np
import pytest
from conftest import SEEDS, told_by
from sklearn.metrics.pairwise import cosine_similarity

STEM = "04g_recommenders"


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What the lesson told and left behind, by seed; a seed runs once."""
    return cache(lambda seed, **more: told_by(STEM, tmp_path_factory.mktemp("04g"), SEED=seed, **more))  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory, sephora_folder):
    """The same on a retailer's reviews."""
    more = {"DATA_FOLDER": str(sephora_folder), "LAST_DAYS": 170}
    return told_by(STEM, tmp_path_factory.mktemp("04g"), **more)


def check_claims(told, left_behind):
    """Hold what the lesson's text says without a figure."""
    table, cold = left_behind["table"], left_behind["cold"]
    assert told["first"] == table["recall"].idxmax()
    assert told["sure"] == (
        "for sure" if told["low"] > 0 else "though chance alone could explain it"
    )
    # "For the stranger the rest fall back on what sold most"; content needs no sale to show a product.
    assert cold.loc["most popular", "a new customer"] == "yes"
    assert cold.loc["item neighbors", "a new customer"] == "no"
    assert cold.loc[["most popular", "item neighbors"], "a new product"].tolist() == ["no", "no"]
    assert cold.loc["content", "a new product"] == "yes"
    # "Nearly all of it is empty."
    matrix = left_behind["matrix"]
    assert matrix.nnz < 0.1 * np.prod(matrix.shape)


def check_figures(left_behind):
    """Count the figures anew, customer by customer."""
    wanted, k = left_behind["wanted"], left_behind["K"]
    later = wanted.groupby("customer_id")["product_id"].agg(set)
    for name, shown in left_behind["shown"].items():
        lists = shown.groupby("customer_id")["product_id"].agg(set).reindex(later.index)
        hits = np.array([len(a & b) for a, b in zip(lists, later, strict=True)])
        row = left_behind["table"].loc[name]
        assert row["precision"] == pytest.approx((hits / k).mean())
        assert row["recall"] == pytest.approx((hits / later.map(len)).mean())
        assert row["hit_rate"] == pytest.approx((hits > 0).mean())


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_and_its_figures_are_counted_anew(played, seed):
    told, left_behind = played(seed)
    check_claims(told, left_behind)
    check_figures(left_behind)
    # Knowing her helps here, and other customers tell more than descriptions.
    assert told["sure"] == "for sure"
    assert told["first"] not in ("most popular", "content")
    assert told["others"] == "more"


def test_on_the_reviews_of_a_retailer_the_same_holds(real):
    check_claims(*real)
    check_figures(real[1])
    assert real[0]["sure"] == "for sure"


def test_the_neighbors_by_hand_are_the_cosines_of_scikit_learn(played):
    left_behind = played(1)[1]
    near = cosine_similarity(left_behind["matrix"].T)
    np.fill_diagonal(near, 0)
    assert np.allclose(left_behind["near"].toarray(), near)
    score = left_behind["her_row"].toarray()[0] @ near
    assert np.allclose(left_behind["together"], score)


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
