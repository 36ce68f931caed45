"""Lesson 05b: a night that dies and is resumed, who is called, and what the calls change, on twenty seeds."""

import duckdb
import numpy as np
import pytest
from conftest import SEEDS
from scipy.stats import norm

pytestmark = pytest.mark.slow

STEM = "05b_batch"
OUTCOMES = ["not wanted", "has left", "said no", "called last month", "control group", "contact"]


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_on_every_seed(played, seed):
    figures, cells = played(seed)
    count = len(cells["customers"])
    done = cells["DIES_IN_PART"] - 1
    assert len(cells["listed"]) - count == cells["twice"] == sum(map(len, cells["parts"][:done]))
    assert cells["listed"]["customerID"].nunique() == count
    assert (cells["died"], len(cells["kept"])) == (9, done)
    assert (cells["some"], cells["every"]) == (6 - done, 6)
    assert figures["bytes"] == "the same bytes"
    calls = cells["calls"]
    assert calls["customerID"].tolist() == cells["customers"]["customerID"].tolist()
    right = cells["model"].predict_proba(cells["customers"])[:, 1]
    assert np.abs(calls["churn_probability"] - right).max() < 1e-12
    drawn, drawn_next = set(cells["drawn"]), set(cells["drawn_next"])
    assert len(drawn & drawn_next) < 0.6 * len(drawn)  # a seed draws places, not customers
    month = cells["this_month"]
    answered = set(cells["as_listed"](month)["customerID"])  # no newcomer is in a batch
    assert answered == set(month["customerID"]) & set(cells["customers"]["customerID"])
    share = len(cells["control"]) / len(cells["risky"])
    assert share == pytest.approx(cells["CONTROL"], abs=0.04)
    left = cells["groups"]["mean"]
    assert cells["stayed"] > 0  # less often than the control group
    assert left["contact"] > left["not wanted"]  # as they were chosen
    assert left.idxmax() == "called last month"
    there = cells["groups"].loc[
        "contact", "count"
    ]  # one or two leave on the very day of their call
    assert 0.98 * there < len(cells["called"]) <= there
    assert figures["gone"] > 0.1 * figures["listed"]
    assert cells["new"] > 0.1
    for why in cells["wrong"]:
        assert cells["steps"][why] > 0.05 * len(cells["risky"])


@pytest.mark.parametrize("seed", SEEDS[:1])
def test_each_customer_has_one_outcome_and_nobody_is_called_who_must_not_be(played, seed):
    _, cells = played(seed)
    tonights = cells["tonights"].set_index("customerID")["outcome"]
    assert tonights.index.is_unique
    assert len(tonights) == len(cells["customers"])
    assert set(tonights) == set(OUTCOMES)
    contact = set(tonights.index[tonights == "contact"])
    forbidden = set().union(*map(set, cells["wrong"].values())) | set(cells["control"])
    risky = set(cells["risky"])
    assert contact == risky - forbidden
    called = cells["operator"].play(4, lambda asked: cells["as_listed"](asked))["calls"]
    assert set(called["customerID"]) <= contact
    assert cells["steps"].sum() == len(risky)


def test_the_range_is_that_counted_by_hand(played):
    figures, cells = played(1)
    judged = cells["judged"]
    groups = [judged.loc[judged["outcome"] == one, "churned"].astype(float) for one in ("control group", "contact")]  # fmt: skip
    error = sum(one.var() / len(one) for one in groups) ** 0.5
    low, high = (groups[0].mean() - groups[1].mean() + side * error for side in norm.interval(0.95))
    assert (figures["low"], figures["high"]) == pytest.approx((100 * low, 100 * high), abs=0.01)
    assert figures["stayed"] == pytest.approx(100 * (groups[0].mean() - groups[1].mean()))


def test_who_is_judged_was_scored_and_answered_in_the_month_of_the_list(played):
    _, cells = played(1)
    labels, month = cells["labels"], cells["this_month"].set_index("customerID")
    same = labels.set_index("customerID")["scored_on"].loc[lambda one: one.index.isin(month.index)]
    assert (same == month.loc[same.index, "scored_at"].dt.normalize()).all()
    assert len(cells["judged"]) > 0.8 * len(cells["customers"])


def test_the_power_may_fail_in_any_part_as_your_turn_proposes(played):
    for part in (2, 6):
        figures, cells = played(1, DIES_IN_PART=part)
        assert len(cells["kept"]) == part - 1
        assert (cells["some"], cells["every"]) == (7 - part, 6)
        assert figures["bytes"] == "the same bytes"


def test_a_larger_control_group_makes_the_range_narrower_as_your_turn_asks(played):
    usual, _ = played(1)
    larger, cells = played(1, CONTROL=0.5)
    assert larger["high"] - larger["low"] < usual["high"] - usual["low"]
    assert cells["steps"]["contact"] < 0.75 * played(1)[1]["steps"]["contact"]


def test_a_control_group_first_takes_those_who_would_not_have_been_called(played):
    edits = (('{**wrong, "control group": control}', '{"control group": control, **wrong}'),)
    _, cells = played(1, edits)
    assert cells["steps"]["control group"] == len(cells["control"])
    assert cells["steps"]["control group"] > 1.3 * played(1)[1]["steps"]["control group"]
    assert cells["steps"]["contact"] == played(1)[1]["steps"]["contact"]


PAYS, OPEN, LOSES = (
    "the calls pay",
    "open: go on, and keep the control group",
    "the calls do not pay",
)
NEEDED = "needed = OFFER.cost_eur / OFFER.worth_eur"


@pytest.mark.parametrize(
    ("seed", "size", "edits", "words"),
    [
        (3, 4_000, (), PAYS),
        (1, 4_000, (), OPEN),
        (1, 1_000, (), OPEN),
        (1, 4_000, ((NEEDED, "needed = 0.3"),), LOSES),
    ],
)
def test_each_verdict_has_its_words(played, seed, size, edits, words):
    figures, _ = played(seed, edits, SUBSCRIBERS=size)
    assert figures["verdict"] == words
    assert (figures["low"] > figures["needed"]) == (words == PAYS)
    assert (figures["high"] < figures["needed"]) == (words == LOSES)


def test_the_money_is_that_of_the_calls_counted_by_hand(played):
    figures, cells = played(1)
    judged = cells["judged"].set_index("outcome")["churned"].astype(float)
    stayed = judged["control group"].mean() - judged["contact"].mean()
    assert figures["worth"] == pytest.approx(100 * (stayed * 500 - 20), abs=0.01)
    called = set(cells["called"]["customerID"])
    assert called <= set(cells["to_call"])  # and whoever is not called was no customer any more
    month = set(cells["this_month"]["customerID"])
    uncalled = set(cells["to_call"]) - called
    assert set(cells["to_call"]) - month <= uncalled
    assert len(uncalled & month) < 0.02 * len(called)  # who leaves on the very day of the call


def test_the_list_of_the_night_is_parquet_that_any_tool_reads(played):
    _, cells = played(1)
    found = duckdb.read_parquet(str(cells["resumed"])).df()
    assert found.columns.tolist() == ["customerID", "churn_probability", "risky"]
