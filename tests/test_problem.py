"""`helpers.problem`: promises, offers and what a decision is worth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.problem import Charter, Offer, SuccessCriterion, profit_by_threshold

FLOOR = SuccessCriterion("roc_auc", 0.8, population="all customers", window="next month")
OFFER = Offer(worth_eur=500, success_share=0.3, cost_eur=20)
FOUR = pd.DataFrame(
    {"churned": [True, False, True, False], "churn_probability": [0.9, 0.5, 0.4, 0.1]}
)


@pytest.mark.parametrize(
    ("value", "kept"), [(0.8, True), (0.81, True), (0.799, False), (np.nan, False)]
)
def test_a_promise_is_kept_from_the_floor_on_and_broken_by_a_missing_value(value, kept):
    assert FLOOR.met(value) is kept


def test_a_promise_is_said_in_one_line():
    assert str(FLOOR) == "roc_auc at least 0.8 on all customers, next month"


def test_the_charter_answers_each_question_and_lists_each_constraint():
    charter = Charter(
        "customers leave", "whom to call", "leaves next month", FLOOR, {"time": "six weeks"}
    )
    table = charter.table()
    assert list(table.columns) == ["question", "answer"]
    assert table.set_index("question")["answer"].to_dict() == {
        "What is the situation?": "customers leave",
        "What will be decided?": "whom to call",
        "What is predicted?": "leaves next month",
        "What is success?": "roc_auc at least 0.8 on all customers, next month",
        "Constraint: time": "six weeks",
    }


def test_a_call_pays_from_cost_over_expected_gain():
    # 20 EUR a call; 0.3 x 500 = 150 EUR when the customer would leave: 20 / 150.
    assert OFFER.break_even == pytest.approx(20 / 150)


@pytest.mark.parametrize(
    ("called", "profit_eur"),
    [
        ([True, True, True, True], (2 * 150 - 4 * 20) / 4 * 1000),  # 55,000
        ([True, False, False, False], (1 * 150 - 1 * 20) / 4 * 1000),  # 32,500
        ([False, True, False, True], (0 * 150 - 2 * 20) / 4 * 1000),  # -10,000
        ([False, False, False, False], 0.0),
    ],
)
def test_profit_matches_the_count_done_by_hand(called, profit_eur):
    profit = OFFER.profit_per_1000(FOUR["churned"], pd.Series(called))
    # One rounding error in floating point, no more.
    assert profit == pytest.approx(profit_eur, rel=1e-12)


def test_profit_goes_by_position_not_by_index():
    called = pd.Series([True, False, False, False], index=[3, 2, 1, 0])
    assert OFFER.profit_per_1000(FOUR["churned"], called) == pytest.approx(32_500)


@pytest.mark.parametrize(("churned", "called"), [([True], [True, False]), ([], [])])
def test_profit_of_unequal_or_no_customers_is_refused(churned, called):
    with pytest.raises(
        ValueError, match=f"one flag a customer; got {len(churned)} and {len(called)}. Take both"
    ):
        OFFER.profit_per_1000(pd.Series(churned, dtype=bool), pd.Series(called, dtype=bool))


def test_an_offer_in_per_cent_is_refused_with_what_to_write():
    with pytest.raises(ValueError, match=r"success_share is a share .* got 30\. .*write 0\.3"):
        Offer(worth_eur=500, success_share=30, cost_eur=20)


@pytest.mark.parametrize(
    ("worth", "share", "cost"), [(0, 0.3, 20), (-1, 0.3, 20), (500, 0.0, 20), (500, 0.3, -1)]
)
def test_an_offer_that_cannot_be_is_refused_with_its_figures(worth, share, cost):
    with pytest.raises(ValueError, match=f"got {worth}, {cost} and {share}"):
        Offer(worth, share, cost)


def test_a_free_call_pays_for_everybody():
    assert Offer(worth_eur=500, success_share=0.3, cost_eur=0).break_even == 0.0


def test_the_curve_counts_a_customer_at_the_threshold_as_called():
    # At 0.5 customers 1 and 2 are called (0.9 and 0.5): (150 - 40) / 4 x 1000 = 27,500.
    curve = profit_by_threshold(FOUR, OFFER, [0.0, 0.5, 1.0])
    assert curve["threshold"].tolist() == [0.0, 0.5, 1.0]
    assert curve["called_share"].tolist() == [1.0, 0.5, 0.0]
    assert curve["profit_eur"].tolist() == pytest.approx([55_000, 27_500, 0])


def test_a_threshold_in_per_cent_is_refused():
    with pytest.raises(ValueError, match=r"threshold is a share .* got 50"):
        profit_by_threshold(FOUR, OFFER, [0.5, 50])


def test_a_curve_needs_the_truth_and_the_probability():
    with pytest.raises(ValueError, match="scored lacks the column.* churned"):
        profit_by_threshold(FOUR[["churn_probability"]], OFFER, [0.5])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=12))
def test_calling_above_break_even_is_best_when_the_probabilities_are_true(people):
    # Oracle: with each customer's true expected gain known, no set of calls beats the rule.
    probability = np.array([p for _, p in people])
    gain = 150 * probability - 20
    by_rule = gain[probability >= OFFER.break_even].sum()
    any_other = gain[[flag for flag, _ in people]].sum()
    assert by_rule >= any_other - 1e-9  # the two sums round differently
