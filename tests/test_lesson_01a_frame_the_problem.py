"""Lesson 01a: its claims on twenty seeds, its figures counted anew, its "Your turn"."""

import pandas as pd
import pytest
from conftest import SEEDS

pytestmark = pytest.mark.slow

STEM = "01a_frame_the_problem"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_situation_and_the_feasibility_check_hold_on_every_seed(played, seed):
    _, cells = played(seed)
    assert cells["situation"]["visits shown nothing they want"] > 0.5
    assert cells["situation"]["purchases that had to be searched for"] > 0.5
    finds = cells["finds"]
    assert finds["preferences"] > 1.4 * finds["bestsellers for all"]
    assert cells["beats_chance"] > 3
    assert 0.1 < cells["buys"][True] - cells["buys"][False] < 0.3
    assert cells["buys"][True] < 1.25 * cells["today_buys"]  # a fifth is near all there is


@pytest.mark.parametrize("seed", SEEDS)
def test_the_skin_type_adds_less_than_it_costs_and_the_law_forbids_it(played, seed):
    _, cells = played(seed)
    costs, adds = cells["promise"].diff().iloc[1]
    assert costs == pytest.approx(10_000 / 12 + 500)
    assert adds < costs
    ruled_out = cells["surviving"](cells["designs"], cells["limits"])["ruled out by"]
    assert ruled_out["preferences and skin type"] == "regulations"
    assert ruled_out["neural network on clicks"] == "time, budget, resources"
    assert ruled_out["bought service"] == "budget"
    assert list(ruled_out[ruled_out.eq("")].index) == ["bestsellers for all", "preferences"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_floor_comes_from_costs_and_the_decision_from_the_page(played, seed):
    figures, cells = played(seed)
    assert figures["needed"] == pytest.approx((40_000 - 4_000) / 12 + 2_500 - 300)
    assert cells["criterion"].at_least == 5_200  # whatever the trial brings
    assert cells["signed"] == (figures["expects"] >= 5_200)
    assert figures["low"] < figures["gain"] < figures["high"]
    reached = [figures["low"] >= 5_200, figures["high"] < 5_200]
    outcome = {(True, False): "kept", (False, True): "missed", (False, False): "open"}
    assert cells["outcome"] == outcome[tuple(map(bool, reached))]
    word = {"kept": "**build**", "missed": "**stop**", "open": "**do not build yet**"}
    assert cells["signed"]
    assert figures["decided"].startswith(word[cells["outcome"]])


@pytest.mark.parametrize("seed", SEEDS)
def test_one_wish_has_four_answers_and_only_satisfaction_fulfills_it(played, seed):
    _, cells = played(seed)
    four, wish = cells["four"], cells["wish"]
    assert len(set(four.round(3).to_numpy().ravel())) == 4
    assert four.max(axis=None) > 2 * four.min(axis=None)
    assert wish.loc["found", "wish"] == "fulfilled"
    assert wish.loc["bought", "wish"] != "fulfilled"


@pytest.mark.parametrize("seed", SEEDS)
def test_lists_that_are_never_trained_again_find_less_after_two_months(played, seed):
    _, cells = played(seed)
    october, december = cells["found"]
    assert december < october - 0.05
    assert cells["guardrail"].met(october)
    assert cells["broken"] == (december < 0.7)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_new_goal_is_held_against_the_same_lists(played, seed):
    _, cells = played(seed)
    launched = cells["products"].set_index("product_id")["launched_on"]
    shown = cells["october"]["preferences"]["impressions"]["product_id"]
    new = sum(launched[product] >= pd.Timestamp("2024-07-01") for product in shown) / len(shown)
    assert cells["new"] == pytest.approx(new)
    assert 0 < new < 0.4


def test_the_gain_is_counted_by_hand_visit_by_visit(played):
    figures, cells = played(1)
    month = cells["october"]
    bought = {name: set(one["orders"]["session_id"]) for name, one in month.items()}
    visits = month["preferences"]["sessions"]
    pd.testing.assert_frame_equal(visits, month["bestsellers"]["sessions"])  # twins
    won = len(bought["preferences"] - bought["bestsellers"])
    lost = len(bought["bestsellers"] - bought["preferences"])
    share = (won - lost) / len(visits)
    assert figures["gain"] == pytest.approx(20_000 * 9 * share, rel=1e-4)
    width = 20_000 * 9 * 3.92 * ((won + lost) / len(visits) ** 2) ** 0.5
    assert figures["high"] - figures["low"] == pytest.approx(width, rel=0.2)  # McNemar's error


def test_the_card_says_yes_five_times_and_the_charter_names_each_part(played):
    _, cells = played(1)
    assert cells["card"].appropriate
    page = cells["charter"].table().set_index("question")["answer"]
    assert "EUR a month above the bestsellers for all at least 5200" in page["What is success?"]
    assert "share that found something at least 0.7" in page["What must not get worse?"]
    assert "new arrivals" in page["What is out of scope?"]
    assert f"at most {len(cells['orders']):,}" in page["Constraint: resources"]


@pytest.mark.parametrize("less", [{"EARNED_EUR": 2.0}, {"VISITS_A_MONTH": 5_000}])
def test_where_little_is_earned_the_page_is_not_signed(played, less):
    figures, cells = played(3, **less)
    assert not cells["signed"]
    assert cells["criterion"].at_least == 5_200
    assert cells["outcome"] == "missed"
    assert figures["decided"] == "**stopped before the trial**, which was right"


def test_a_modest_wish_changes_the_wish_and_not_the_decision(played):
    figures, cells = played(3, WISH=0.10)
    assert figures["decided"] == played(3)[0]["decided"]
    assert cells["wish"].loc["bought", "wish"] == "fulfilled"
