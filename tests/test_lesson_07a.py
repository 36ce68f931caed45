"""Lesson 07a: a year of the shop with its returns, beside the twin in which nothing was done."""

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
    assert figures["earned"] > 20_000
    assert (figures["so"] == "**it paid**") == (figures["earned"] > figures["work"])
    assert figures["end"] > figures["asleep"] + 0.03  # by what the owner signed
    assert year.loc[4:, "the loop walked"].mean() > year.loc[4:, "nothing done"].mean() + 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_each_return_has_its_evidence_on_every_seed(played, seed):
    _, cells = played(seed)
    assert set(cells["risen"]) == {"sun care", "light fluid"}
    assert cells["calendar"]
    gains = cells["gains"]
    assert gains.iloc[1:].min() > gains.iloc[0] - 0.02
    assert cells["clicks"][1] < min(cells["clicks"][0], cells["clicks"][2]) - 0.02
    goals = cells["goals"].xs("mean", axis=1, level=1)
    assert goals.loc["greener", "found"] < goals.loc["as before", "found"]
    assert goals.loc["greener", "green"] > goals.loc["as before", "green"] + 0.05
    assert cells["weight"] == (0.25 if cells["lead"] > 2 * cells["error"] else 0.0)
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
    assert figures["work"] == cells["WEEK_EUR"] * (3 + 2 + 1 + 4 + 1)


def test_the_agreed_score_is_what_was_signed(played):
    _, cells = played(1)
    goals, green = cells["goals"].xs("mean", axis=1, level=1), cells["GREEN"]
    signed = (1 - green) * goals["found"] + green * goals["green"]
    assert goals["agreed"].tolist() == pytest.approx(signed.tolist())
    products = cells["shop"].products(9).set_index("product_id")["sustainability"]
    for variant, rows in cells["months"][8]["impressions"].groupby("variant"):
        shown = products[rows["product_id"]].mean() / 100
        assert goals.loc[variant, "green"] == pytest.approx(shown, abs=0.02)


def test_your_turn_a_goal_of_little_weight_is_not_worth_its_finds(played):
    _, cells = played(1, (("GREEN = 0.4", "GREEN = 0.1"),))
    assert cells["weight"] == 0.0


def test_your_turn_without_the_calendar_the_year_goes_on(played):
    edits = (('"3", seasons=True', '"3"'), ("name, seasons=True", "name"))
    _, cells = played(1, edits)
    assert len(cells["months"]) == 12


def test_the_monitor_sees_only_what_the_shop_stores(played):
    _, cells = played(1)
    again = watch([cells["past"], *cells["months"][:2]], cells["months"][2])
    assert [one.what for one in again] == cells["alarms"][2]
