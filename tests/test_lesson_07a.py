"""Lesson 07a: a year of the shop with its returns, beside the twin in which nothing was done."""

import pandas as pd
import pytest
from conftest import SEEDS

from helpers.monitoring.watch import watch

pytestmark = pytest.mark.slow

STEM = "07a_the_shops_year"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_year_falls_comes_back_and_pays_on_every_seed(played, seed):
    figures, cells = played(seed)
    year, new = cells["year"], cells["new"]
    ours, asleep = year["the loop walked"], year["nothing done"]
    assert ours[1] == pytest.approx(0.80, abs=0.04)
    assert ours[3] == pytest.approx(0.70, abs=0.04)
    assert new.loc["month 3", "searched for"] > 0.6
    assert (new["shown"] == 0).all()
    tried = cells["tried"]
    assert tried["with the new catalogue"] > tried["version 1"] + 0.05
    assert abs(tried["trained again"] - tried["version 1"]) < 0.05
    assert ours[5] > asleep[5] + 0.04
    assert figures["earned"] > figures["work"]
    assert figures["so"] == "**it paid**"


@pytest.mark.parametrize("seed", SEEDS)
def test_each_return_has_its_evidence_on_every_seed(played, seed):
    _, cells = played(seed)
    assert set(cells["risen"]) == {"sun care", "light fluid"}
    assert cells["calendar"]
    goals = cells["goals"]
    assert goals["found"].is_monotonic_decreasing
    assert goals["green"].is_monotonic_increasing
    assert cells["best"] in goals.index
    late = cells["late"]
    assert late["month 11"] > 0.05 > 0.01 > late["month 12"]
    seen = cells["first"]
    assert seen["launch wave"] in (2, 3)
    assert seen["dead feed"] in (7, 8)
    assert seen["new goal"] == 9
    assert seen["error rate"] == 11


def test_the_promotion_rings_no_bell(played):
    _, cells = played(1)
    assert cells["alarms"][4] == []


def test_the_bill_is_counted_anew(played):
    figures, cells = played(1)
    ours, asleep = (cells["years"][name] for name in ("the loop walked", "nothing done"))
    till = [sum(float(one["orders"]["price_eur"].sum()) for one in some) for some in (ours, asleep)]
    assert figures["earned"] == pytest.approx(cells["MARGIN"] * (till[0] - till[1]))
    repairs = pd.concat([one["costs"] for one in cells["months"]])["cost_eur"].sum()
    assert figures["work"] == cells["WEEK_EUR"] * (3 + 2 + 1 + 4 + 1) + repairs
    assert repairs > 0


def test_the_agreed_score_is_what_was_signed(played):
    _, cells = played(1)
    goals, green = cells["goals"], cells["GREEN"]
    assert goals["agreed"].tolist() == pytest.approx(((1 - green) * goals["found"] + green * goals["green"]).tolist())  # fmt: skip
    assert cells["best"] == goals["agreed"].idxmax()


def test_your_turn_a_goal_of_little_weight_is_judged_by_its_weight(played):
    _, cells = played(1, (("GREEN = 0.4", "GREEN = 0.1"),))
    assert cells["best"] == "0.0"


def test_the_monitor_sees_only_what_the_shop_stores(played):
    _, cells = played(1)
    again = watch([cells["past"], *cells["months"][:2]], cells["months"][2])
    assert [one.what for one in again] == cells["alarms"][2]
