"""Lesson 01b: its claims on twenty seeds, its money counted by hand, its "Your turn", IBM's file."""

import pytest
from conftest import SEEDS
from sklearn.metrics import confusion_matrix

pytestmark = pytest.mark.slow

STEM = "01b_what_a_decision_is_worth"


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_leaves_is_mostly_right_and_earns_nothing(played, seed):
    figures, cells = played(seed)
    assert 0.7 < figures["right"] < 0.8
    rules = cells["table"].drop(index="exactly the leavers (a dream)")
    assert rules["accuracy"].idxmax() == "nobody"
    assert rules.loc["nobody", "EUR per 1,000"] == 0
    assert rules["EUR per 1,000"].idxmax() == "month-to-month contracts" == figures["best"]
    assert cells["by_contract"]["mean"].idxmax() == "Month-to-month"


@pytest.mark.parametrize("seed", SEEDS)
def test_machine_learning_is_right_for_churn_and_wrong_for_the_bill(played, seed):
    _, cells = played(seed)
    assert cells["by_formula"] > 0.95
    churn, bill = (card.verdict for card in cells["cards"])
    assert churn == "yes"
    assert bill == "no: use the rule, formula or query"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_room_for_a_model_lies_between_the_best_rule_and_the_dream(played, seed):
    figures, cells = played(seed)
    dream = 1000 * cells["left"].mean() * (0.3 * 500 - 20)
    assert cells["dream"] == pytest.approx(dream)
    assert figures["room"] == pytest.approx(dream - figures["eur"], rel=1e-4)
    assert figures["needed"] == pytest.approx(2 * (36_000 / 12 + 2_200) / 20)  # two months a round
    assert cells["within"]
    assert "large enough" in figures["verdict"]
    shares = cells["floor"]["share of the room"]
    assert shares.is_monotonic_decreasing  # a model costs the same for few and for many


def test_the_money_is_counted_by_hand_from_the_four_outcomes(played):
    _, cells = played(1)
    left, called = cells["left"], cells["callers"]["month-to-month contracts"]
    (peace, wasted), (missed, hit) = confusion_matrix(left, called)
    eur = (hit * 130 - wasted * 20 + 0 * missed + 0 * peace) / len(left) * 1000
    assert cells["profit_per_1000"](called) == pytest.approx(eur)
    assert cells["break_even"] == pytest.approx(20 / 150)
    assert abs(cells["line"]).idxmin() == pytest.approx(0.13)  # the line crosses 0 there


def test_dear_calls_are_still_for_the_monthly_contracts_and_accuracy_does_not_see_it(played):
    figures, cells = played(3, COST_EUR=60.0)
    assert figures["best"] == "month-to-month contracts"
    assert figures["eur"] < played(3)[0]["eur"] / 5
    assert cells["table"]["accuracy"].equals(played(3)[1]["table"]["accuracy"])


@pytest.mark.parametrize("prices", [{"SUCCESS_SHARE": 0.05}, {"COST_EUR": 200.0}])
def test_where_calls_do_not_pay_the_best_rule_is_to_call_nobody(played, prices):
    figures, cells = played(3, **prices)
    assert figures["best"] == "nobody"
    assert figures["eur"] == 0
    assert figures["verdict"].startswith("**call nobody**")
    assert figures["room"] >= 0  # who knows the future calls nobody either
    assert cells["within"] == (figures["room"] >= figures["needed"])


def test_real_customers_have_the_same_best_rule(played, telco_csv):
    figures, cells = played(1, TELCO_CSV=str(telco_csv))
    assert len(cells["left"]) == 7043
    assert cells["left"].sum() == 1869
    assert figures["best"] == "month-to-month contracts"
    assert cells["cards"][1].verdict == "no: use the rule, formula or query"
