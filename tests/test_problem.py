"""`helpers.problem`: promises, cards, limits, and what a decision or a project is worth."""

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.problem import (
    Ask,
    Charter,
    Constraint,
    Evidence,
    Lift,
    Offer,
    SuccessCriterion,
    Suitability,
    lift,
    surviving,
)

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
    ("worth", "share", "cost"),
    [
        (0, 0.3, 20),
        (-1, 0.3, 20),
        (500, 0.0, 20),
        (500, 0.3, -1),
        (np.nan, 0.3, 20),
        (500, 0.3, np.inf),
    ],
)
def test_an_offer_that_cannot_be_is_refused_with_its_figures(worth, share, cost):
    with pytest.raises(ValueError, match=f"got {worth}, {cost} and {share}"):
        Offer(worth, share, cost)


def test_a_free_call_pays_for_everybody():
    assert Offer(worth_eur=500, success_share=0.3, cost_eur=0).break_even == 0.0


@settings(max_examples=examples(30))
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=12))
def test_calling_above_break_even_is_best_when_the_probabilities_are_true(people):
    # Oracle: with each customer's true expected gain known, no set of calls beats the rule.
    probability = np.array([p for _, p in people])
    gain = 150 * probability - 20
    by_rule = gain[probability >= OFFER.break_even].sum()
    any_other = gain[[flag for flag, _ in people]].sum()
    assert by_rule >= any_other - 1e-9  # the two sums round differently


def test_the_charter_leaves_out_what_nobody_has_said_and_keeps_the_rest_in_order():
    charter = Charter(
        "nothing found", "ten products", "next purchase", FLOOR, {}, guardrails=(FLOOR, FLOOR),
        stakeholders={"manager": "more sales"}, out_of_scope="prices", feasibility="yes",
    )  # fmt: skip
    table = charter.table().set_index("question")["answer"]
    assert table.index.tolist()[4:] == [
        "What must not get worse?", "Stakeholder: manager", "What is out of scope?", "Is it feasible?",
    ]  # fmt: skip
    assert table["What must not get worse?"] == f"{FLOOR}; {FLOOR}"


def answers(**changed):
    """Five answers that are yes, at their floors; those named are changed."""
    return {name: (1.0, 1.0, name) for name in ANSWERS} | changed


ANSWERS = ["decision", "pattern", "data", "rule", "errors"]


def test_machine_learning_is_appropriate_when_every_question_is_answered_with_yes():
    card = Suitability.of("a wish", **answers())
    assert card.appropriate
    assert card.verdict == "yes"
    assert card.table()["answer"].tolist() == ["yes"] * 5


@pytest.mark.parametrize(("name", "ask"), list(zip(ANSWERS, Ask, strict=True)))
def test_one_no_decides_and_says_what_to_do_instead(name, ask):
    card = Suitability.of("a wish", **answers(**{name: (0.99, 1.0, "measured")}))
    assert not card.appropriate
    assert card.verdict == f"no: {ask.instead}"
    assert card.table()["answer"].value_counts().to_dict() == {"yes": 4, "no": 1}


def test_the_first_question_that_fails_names_what_to_do():
    card = Suitability.of("a wish", **answers(errors=(0, 1, "e"), pattern=(0, 1, "p")))
    assert card.verdict == f"no: {Ask.PATTERN.instead}"


def test_a_card_shows_a_count_whole_and_a_share_with_three_digits():
    card = Suitability.of("a wish", **answers(data=(21_838, 100, "d"), rule=(0.44321, 0.05, "r")))
    assert card.table()["figure"].tolist() == ["1", "1", "21,838", "0.443", "1"]


def test_a_card_with_a_question_left_out_or_answered_twice_is_refused():
    four = [Evidence(ask, 1, 1, "") for ask in list(Ask)[1:]]
    for evidence in (four, [*four, four[0]], []):
        with pytest.raises(ValueError, match="answers each of DECISION, .* once; got"):
            Suitability("a wish", evidence)


@pytest.mark.parametrize(("figure", "floor"), [(np.nan, 1), (1, np.inf)])
def test_an_answer_that_nobody_has_measured_is_refused(figure, floor):
    with pytest.raises(ValueError, match="PATTERN needs a measured figure"):
        Evidence(Ask.PATTERN, figure, floor, "")


DESIGNS = pd.DataFrame(
    {"weeks": [16, 17, 2, 40], "eur": [50, 50, 51, 99], "fields": [0, 0, 0, 2]},
    index=["at the limit", "late", "dear", "all three"],
)
LIMITS = [
    Constraint("time", "live", "weeks", 16, "weeks"),
    Constraint("budget", "a year", "eur", 50, "EUR"),
    Constraint("regulations", "no consent", "fields", 0, "fields"),
]


def test_a_design_is_ruled_out_by_each_kind_of_limit_it_breaks_and_a_limit_reached_is_kept():
    left = surviving(DESIGNS, LIMITS)
    assert left["ruled out by"].tolist() == ["", "time", "budget", "time, budget, regulations"]
    pd.testing.assert_frame_equal(left[DESIGNS.columns], DESIGNS)


def test_a_kind_is_named_once_however_many_of_its_limits_are_broken():
    twice = [LIMITS[0], Constraint("time", "tested", "weeks", 10, "weeks")]
    assert surviving(DESIGNS, twice)["ruled out by"].tolist() == ["time", "time", "", "time"]


def test_without_limits_every_design_is_left():
    assert surviving(DESIGNS, [])["ruled out by"].tolist() == [""] * 4


def test_a_design_without_an_estimate_cannot_pass():
    with pytest.raises(ValueError, match="no weeks for 'late'; the time cannot be checked"):
        surviving(DESIGNS.replace({"weeks": {17: np.nan}}), LIMITS)
    with pytest.raises(ValueError, match="designs lacks the column.* weeks"):
        surviving(DESIGNS[["eur"]], LIMITS)


def test_a_constraint_of_no_known_kind_is_refused():
    with pytest.raises(ValueError, match="time, budget, resources, regulations; got 'money'"):
        Constraint("money", "a year", "eur", 50, "EUR")


def test_a_limit_that_is_no_number_is_refused_because_it_would_rule_nothing_out():
    with pytest.raises(
        ValueError, match=r"at_most of 'a year' .* got nan, .* responsible for budget"
    ):
        Constraint("budget", "a year", "eur", np.nan, "EUR")


def cases(hits, people):
    """One row a case: whether it was a hit, and whose it is."""
    return pd.DataFrame({"hit": hits, "who": people})


def test_the_rise_matches_the_count_done_by_hand_and_gaps_are_not_counted():
    # Two of four before; three of four asked after: 0.75 / 0.5 - 1.
    before = cases([True, False, True, False], [1, 1, 2, 3])
    after = cases([True, True, None, True, False], [1, 1, 1, 2, 3])
    found = lift(before, after, "hit", "who", seed=1)
    assert (found.before, found.after) == (0.5, 0.75)
    assert found.value == pytest.approx(0.5)
    assert found.low <= found.value <= found.high


def test_nothing_changed_is_no_rise_and_no_doubt():
    # The same people are drawn from both tables, so each draw finds the same two shares.
    table = cases(np.arange(60) % 3 == 0, np.arange(60) // 2)
    found = lift(table, table, "hit", "who", seed=1)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_interval_is_as_wide_as_theory_says():
    # Oracle: the delta method for a ratio of means of the same people, one row each.
    rng = np.random.default_rng(3)
    first = rng.random(2_000) < 0.5
    second = np.where(rng.random(2_000) < 0.3, True, first)
    found = lift(
        cases(first, range(2_000)), cases(second, range(2_000)), "hit", "who", seed=1, draws=2_000
    )
    ratio = second.mean() / first.mean()
    error = np.std(second - ratio * first, ddof=1) / first.mean() / np.sqrt(2_000)
    # 2,000 draws leave the ends of a percentile interval uncertain by about 4 % of its width.
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_rows_of_one_customer_count_as_one_piece_of_evidence():
    alone = cases([True, False] * 50, range(100))
    copied = pd.concat([alone] * 9)
    other = alone.assign(hit=[True, True, False, True] * 25)
    once = lift(alone, other, "hit", "who", seed=1)
    often = lift(copied, pd.concat([other] * 9), "hit", "who", seed=1)
    assert (often.low, often.high) == (once.low, once.high)


def test_the_lower_end_decides_whether_a_rise_meets_a_criterion():
    wish = SuccessCriterion("rise", 0.2, "all visits", "October")
    assert not Lift(0.5, 0.65, low=0.19, high=0.4).meets(wish)
    assert Lift(0.5, 0.65, low=0.2, high=0.4).meets(wish)


def test_a_rise_from_nothing_and_a_question_that_nobody_was_asked_are_refused():
    some = cases([True, False], [1, 2])
    with pytest.raises(ValueError, match="before has no row in which hit is true: the share is 0"):
        lift(cases([False, False], [1, 2]), some, "hit", "who", seed=1)
    with pytest.raises(ValueError, match="after, where hit was asked, has 0 row"):
        lift(some, cases([None, None], [1, 2]), "hit", "who", seed=1)
    with pytest.raises(ValueError, match="before lacks the column.* who"):
        lift(some[["hit"]], some, "hit", "who", seed=1)


def test_a_row_of_nobody_and_a_mark_that_is_no_flag_are_refused_and_not_left_out_in_silence():
    good = cases([True, False], [1, 2])
    with pytest.raises(ValueError, match=r"after has 1 row\(s\) without who"):
        lift(good, cases([True, False], [1, None]), "hit", "who", seed=1)
    with pytest.raises(ValueError, match=r"hit of before has 2 value\(s\) that are no flags.*5"):
        lift(cases([5, 3], [1, 2]), good, "hit", "who", seed=1)


def test_a_rise_from_almost_nothing_has_no_upper_end():
    found = lift(cases([True] + [False] * 99, range(100)), cases([True] * 9 + [False] * 91, range(100)), "hit", "who", seed=1)  # fmt: skip
    assert (found.value, found.high) == (pytest.approx(8.0), np.inf)
    assert 0 < found.low < 8


def test_about_95_of_100_intervals_hold_the_true_rise():
    """Simulated: several rows a customer that resemble each other, and the same customer twice."""
    rng, people, before, after = np.random.default_rng(5), 100, 0.3, 0.36
    held = 0
    for seed in range(150):
        # A customer's own share, drawn with the wished mean, makes the rows alike.
        own = rng.beta(4 * before, 4 - 4 * before, people)
        who = np.repeat(np.arange(people), rng.integers(1, 4, people))
        shares = own[who], own[who] * after / before
        tables = [cases(rng.random(len(who)) < share, who) for share in shares]
        found = lift(*tables, "hit", "who", seed=seed, draws=200)
        held += found.low <= after / before - 1 <= found.high
    # The percentile bootstrap is a little narrow; four standard deviations of 150 trials are 0.07.
    assert 0.87 <= held / 150 < 1.0


@pytest.mark.parametrize("churned", [["Yes", "No"], [True, None], [1.0, np.nan], [2, 0]])
def test_what_is_no_flag_is_not_taken_for_one(churned):
    with pytest.raises(ValueError, match="churned has .* no flags, the first being .*column =="):
        OFFER.profit_per_1000(pd.Series(churned), pd.Series([True, False]))


def test_customers_of_two_kinds_or_few_of_them_are_told():
    before = pd.DataFrame({"c": range(12), "b": [True, False] * 6})
    with pytest.raises(ValueError, match="texts in after and numbers in before"):
        lift(before, before.astype({"c": "str"}), "b", "c", seed=7)
    with pytest.warns(UserWarning, match="There are 2 different c"):
        lift(before.head(2), before.head(2), "b", "c", seed=7)
