"""Lesson 04h: its figures counted anew, its claims on twenty seeds, and the offline half on reviews."""

from functools import cache

import numpy as np
import pytest
from conftest import SEEDS, told_by
from scipy.stats import kendalltau

STEM = "04h_judge_recommenders"


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What the lesson told and left behind, by seed; a seed runs once."""
    return cache(lambda seed, **more: told_by(STEM, tmp_path_factory.mktemp("04h"), SEED=seed, **more))  # fmt: skip


@pytest.fixture(scope="module")
def real(tmp_path_factory, sephora_folder):
    """The same, its offline half on a retailer's reviews."""
    more = {"DATA_FOLDER": str(sephora_folder), "LAST_DAYS": 170}
    return told_by(STEM, tmp_path_factory.mktemp("04h"), **more)


def check_claims(told, left_behind):
    """Hold what the lesson's text says without a figure."""
    # Twins raise the figure of leave-one-out, and not that of the time split.
    assert told["loo"] > 0.2
    assert told["time"] < 0.02
    # "Most products are easy to beat."
    assert (left_behind["sampled"]["flattered by"] > 1).all()
    # A model of a year's sales needs months to notice a launch, the last 30 days notice it at once.
    new = left_behind["compared"]["new_in_3"]
    assert max(new[["most popular", "SVD"]]) < 0.05 < 0.3 < new["popular, 30 days"]
    # "It warns when they are few."
    assert told["effective"] < 0.1 * told["rows"]
    assert told["warned"] == "**warns**"


def check_verdicts(told, left_behind):
    """Hold each verdict against the figures beside it, counted from the tables."""
    compared = left_behind["compared"]
    svd, trend = compared.loc["SVD"], compared.loc["popular, 30 days"]
    lost = svd["hit rate"] > trend["hit rate"] and svd["month_3"] < trend["month_3"]
    assert left_behind["inverted"] == lost
    assert left_behind["candidate"] == compared["found"].idxmax()
    five = compared.drop(index=["SVD", "popular, 30 days"])
    assert told["tau"] == pytest.approx(
        kendalltau(five["hit rate"], five["found"]).statistic, abs=1e-4
    )
    assert left_behind["kept"] == (told["found"] >= told["floor"])
    inside = left_behind["low"] <= told["truth"] <= left_behind["high"]
    assert told["verdict"].startswith("inside" if inside else "**outside**")


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_and_each_verdict_follows_from_its_figures(played, seed):
    told, left_behind = played(seed)
    check_claims(told, left_behind)
    check_verdicts(told, left_behind)
    # Two close ones of five may change places; the rule of the shop is never far from the top.
    assert told["tau"] >= 0.6
    # Without new products SVD's distance to the trend shrinks: they are a cause, on every seed.
    assert told["without"] > told["was"]


def test_on_the_reviews_of_a_retailer_the_offline_half_holds(real):
    check_claims(*real)
    check_verdicts(*real)
    sampled = real[1]["sampled"]  # drawn products change even the order of the models
    assert not sampled["sampled"].rank().equals(sampled["all products"].rank())


def test_the_hit_rate_offline_is_counted_anew(played):
    left_behind = played(1)[1]
    later = left_behind["future"].groupby("customer_id")["product_id"].agg(set)
    for name, shown in left_behind["lists"].items():
        lists = shown.groupby("customer_id")["product_id"].agg(set).reindex(later.index)
        hit = np.mean([bool(a & b) for a, b in zip(lists, later, strict=True)])
        assert left_behind["offline"].loc[name, "hit rate"] == pytest.approx(hit)


def test_recall_by_group_is_the_mean_of_its_customers(played):
    left_behind = played(1)[1]
    each, count = left_behind["each"], left_behind["count"].reindex(left_behind["each"].index)
    groups = left_behind["groups"]
    assert groups.loc["1-3 orders", "mean"] == pytest.approx(each[count <= 3].mean())
    assert groups.loc["9 or more", "mean"] == pytest.approx(each[count >= 9].mean())
    assert groups["size"].iloc[:3].sum() == len(each)


def test_found_is_the_share_of_yes_among_the_visitors_who_answer(played):
    """Played again from the start: the same months give the same answers."""
    left_behind = played(1)[1]
    again = left_behind["played"](left_behind["makers"]["SVD"])
    assert again.equals(left_behind["in_play"]["SVD"])
    assert again["found"].between(0, 1).all()


@pytest.mark.parametrize(
    ("more", "kept"), [({"FOUND": 0.85}, False), ({"FOUND": 0.5}, True), ({"NEGATIVES": 99}, None)]
)
def test_each_verdict_has_its_words_with_the_changes_it_proposes(played, more, kept):
    told, left_behind = played(1, **more)
    check_claims(told, left_behind)
    check_verdicts(told, left_behind)
    assert kept is None or left_behind["kept"] == kept
