"""`helpers.deployment.rollout`: canaries on streams and on the world, shadows, and the one switch."""

import copy
import math
from contextlib import ExitStack
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from pandas import DataFrame
from scipy.stats import hypergeom, norm

from helpers.deployment import rollout
from helpers.deployment.answers import Lists
from helpers.deployment.rollout import BlueGreen, Canary, compare_shadow
from helpers.deployment.service import Service, new_key, running
from helpers.training.recommend import PersonalBestsellers
from helpers.worlds import Operator, Shop
from helpers.worlds.operator import call_nobody
from helpers.worlds.shop import ShopTruth, at_random, serve
from helpers.worlds.traffic import as_version, over_http, shadow, split

SHARES = {"champion": 0.5, "canary": 0.5}


def day(rng, canary, found, count=480, answer=0.3, failed=(0.01, 0.01), customers=12_000):
    """Visits of a day: `found` and `failed` of champion and canary; three in ten answer."""
    who = rng.integers(0, customers, count)
    mine = (who * 2_654_435_761 % 1_000) < canary * 1_000
    fine = rng.random(count) < np.where(mine, found[1], found[0])
    return DataFrame(
        {
            "customer_id": who,
            "variant": np.where(mine, "canary", "champion"),
            "found": np.where(rng.random(count) < answer, fine, np.nan),
            "failed": rng.random(count) < np.where(mine, failed[1], failed[0]),
            "clicked": np.where(fine, rng.random(count) < 0.55, rng.random(count) < 0.08),
            "bought": np.where(fine, rng.random(count) < 0.9, rng.random(count) < 0.05),
        }
    )


def roll(seed, found, days=60, daily=480, steps=(0.5,), failed=(0.01, 0.01), **options):
    """Play days until it is decided; return the canary, the last verdict, and the answers until then."""
    rng, answers = np.random.default_rng(seed), 0
    canary = Canary({"found": "fall", "failed": "rise"}, steps=steps, **options)
    for _ in range(days):
        visits = day(rng, canary.shares["canary"], found, daily, failed=failed)
        verdict, answers = canary.evening(visits), answers + visits["found"].notna().sum()
        if verdict.verdict in ("roll back", "promote"):
            break
    return canary, verdict.verdict, answers


# ---- verdicts


@pytest.mark.parametrize("hints", [(), ("clicked",)])
def test_ten_points_worse_are_rolled_back_soon_and_equals_are_promoted(hints):
    worse = [roll(seed, (0.8, 0.7), hints=hints)[1:] for seed in range(10)]
    assert sum(verdict == "roll back" and answers <= 1_500 for verdict, answers in worse) >= 9
    equal = [roll(seed, (0.8, 0.8), hints=hints)[1] for seed in range(10)]
    assert equal.count("promote") >= 8


@pytest.mark.slow
@pytest.mark.parametrize("hints", [(), ("clicked",)])
def test_of_a_hundred_canaries_the_right_ones_are_rolled_back(hints):
    rolled = {}
    for loss in (0.1, 0.05, 0, -0.05):
        runs = [roll(seed, (0.8, 0.8 - loss), hints=hints) for seed in range(1_000, 1_100)]
        limit = {0.1: 1_500, 0.05: 3_500}.get(loss, math.inf)
        rolled[loss] = sum(v == "roll back" and answers <= limit for _, v, answers in runs)
    assert rolled[0.1] >= 95
    assert rolled[0.05] >= 90
    assert rolled[0] <= 5
    assert rolled[-0.05] <= 5


def test_a_canary_is_widened_step_by_step_and_then_promoted():
    canary, verdict, _ = roll(3, (0.8, 0.85), steps=(0.05, 0.25, 0.5), visits=2_000)
    log = canary.log[canary.log["rail"] == "found"]
    assert verdict == "promote"
    assert log["share"].unique().tolist() == [0.05, 0.25, 0.5]
    assert log["share"].is_monotonic_increasing
    assert (log["verdict"] == "widen").sum() == 2
    assert canary.shares == {"champion": 0.0, "canary": 1.0}
    assert log["told"].iloc[-1] == 1


def test_a_canary_that_fails_is_rolled_back_on_the_first_evening_at_a_small_share():
    canary, verdict, _ = roll(
        1, (0.8, 0.8), days=1, steps=(0.05, 0.25, 0.5), failed=(0.01, 0.5), daily=1_000
    )
    assert verdict == "roll back"
    assert canary.shares == {"champion": 1.0, "canary": 0.0}
    again = canary.evening(day(np.random.default_rng(2), 0.5, (0.1, 0.9)))
    assert again.verdict == "roll back"
    assert again.evening == 1
    assert "failed" in again.because


def test_a_slower_canary_is_rolled_back_by_its_mean():
    rng = np.random.default_rng(1)
    canary = Canary({"found": "fall", "latency_ms": "rise"}, steps=[0.5])
    for _ in range(3):
        visits = day(rng, 0.5, (0.8, 0.8))
        slow = visits["variant"].eq("canary") * 60
        verdict = canary.evening(visits.assign(latency_ms=rng.gamma(4, 20, len(visits)) + slow))
    assert verdict.verdict == "roll back"
    assert "latency_ms" in verdict.because


def test_a_canary_that_looks_worse_is_not_widened():
    table = day(np.random.default_rng(1), 0.25, (0.8, 0.8), count=1_000)
    table["found"] = 1.0
    bad = table.index[table["variant"] == "canary"][:4]
    good = table.index[table["variant"] == "champion"][:4]
    table.loc[[*bad, *good], "found"] = 0.0
    canary = Canary({"found": "fall"}, steps=[0.25, 0.5], visits=20_000)
    verdict = canary.evening(table)
    assert verdict.verdict == "hold"
    assert "may be chance" in verdict.because
    assert canary.shares["canary"] == 0.25


def test_a_change_of_shares_is_not_taken_for_one_of_the_model():
    """Later days are worse for everybody, and the canary has more of them: no step shows a difference."""
    rng, canary = (
        np.random.default_rng(5),
        Canary({"found": "fall"}, steps=[0.1, 0.5], visits=5_000),
    )
    for level in [0.9] * 4 + [0.5] * 8:
        verdict = canary.evening(day(rng, canary.shares["canary"], (level, level), 600))
    last = verdict.figures.loc["found"]
    assert canary.shares["canary"] == 0.5
    assert last["canary"] < last["champion"] - 0.04, "all days in one heap tell another story"
    assert abs(last["difference"]) < 0.05
    assert abs(last["deviations"]) < 2


def test_visits_of_one_customer_are_no_evidence_of_their_own():
    rng = np.random.default_rng(2)
    table = day(rng, 0.5, (0.8, 0.7), count=1_000, answer=1.0)
    many = pd.concat([table] * 5)
    once, five = (Canary({"found": "fall"}, steps=[0.5]).evening(one) for one in (table, many))
    ratio = five.figures["deviations"] / once.figures["deviations"]
    assert 0.8 < ratio.iloc[0] < 1.2


# ---- the bars


def test_the_bars_are_those_of_lan_and_demets():
    """Five equal looks, O'Brien-Fleming's way of spending 2.5 %: Jennison & Turnbull (2000), table 7.3."""
    rail = rollout._Rail("found", 1, 0.025, [])
    spend = [2 * norm.sf(norm.isf(0.0125) / math.sqrt(look / 5)) for look in range(1, 6)]
    told = np.interp(spend, 0.025 * np.array([*rollout.SPENT.values()]), [*rollout.SPENT])
    bars = [rail.bar(look / 5, share) for look, share in zip(range(1, 6), told, strict=True)]
    assert bars == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=2e-3)


@pytest.mark.parametrize("looks", [1, 3, 25, 60])
def test_the_bars_are_crossed_by_chance_as_often_as_agreed(looks):
    rng, runs = np.random.default_rng(7), 40_000
    information = np.sort(rng.random(looks - 1)) if looks > 1 else np.zeros(0)
    information = np.append(information, 1.0)
    rail = rollout._Rail("found", 1, 0.04, [])
    bars = np.array([rail.bar(one, one) for one in information])
    steps = np.sqrt(np.diff(information, prepend=0)) * rng.normal(size=(runs, looks))
    crossed = (steps.cumsum(axis=1) / np.sqrt(information) >= bars).any(axis=1).mean()
    assert crossed == pytest.approx(0.04, abs=4 * math.sqrt(0.04 / runs))


@pytest.mark.parametrize(("others", "mine", "flagged"), [(900, 100, 720), (5, 3, 0), (5, 3, 8), (2, 50, 30)])  # fmt: skip
def test_the_chances_of_flags_are_hypergeometric(others, mine, flagged):
    theirs = hypergeom(others + mine, flagged, mine).pmf(np.arange(mine + 1))
    assert rollout._chances(others, mine, flagged) == pytest.approx(theirs, rel=1e-9, abs=1e-15)


def test_hints_leave_the_difference_and_tell_it_sooner():
    differences = []
    for hints in ([], ["bought"]):
        found = []
        for seed in range(100):
            table = day(np.random.default_rng(seed), 0.5, (0.8, 0.7), count=3_000)
            canary = Canary({"found": "fall"}, steps=[0.5], hints=hints)
            found.append(canary.evening(table).figures["difference"].iloc[0])
        differences.append(np.array(found))
    plain, helped = differences
    assert helped.mean() == pytest.approx(-0.1, abs=0.008)
    assert helped.std() < 0.9 * plain.std()


# ---- what it cost


def test_the_cost_is_what_the_visits_missed():
    rng, canary = np.random.default_rng(4), Canary({"found": "fall"}, steps=[0.5], visits=50_000)
    seen = [day(rng, 0.5, (0.8, 0.77)) for _ in range(4)]
    assert canary.cost(10) == (0, 0, 0, 0, 0, 0, 0)
    for one in seen:
        canary.evening(one)
    mine = pd.concat(seen)[lambda rows: rows["variant"] == "canary"]
    cost = canary.cost(worth_eur=10)
    last = canary.log.iloc[-1]
    assert (cost.customers, cost.visits, cost.evenings) == (
        mine["customer_id"].nunique(),
        len(mine),
        4,
    )
    assert cost.missed == pytest.approx(-last["difference"] * len(mine))
    assert cost.eur == pytest.approx(10 * cost.missed)
    assert cost.eur_low < cost.eur < cost.eur_high


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"must_not": {}}, "must_not"),
        ({"must_not": {"found": "less"}}, "must_not"),
        ({"steps": ()}, "steps are shares"),
        ({"steps": (0.5, 0.2)}, "steps are shares"),
        ({"steps": (0.5, 1)}, "steps are shares"),
        ({"steps": (5,)}, "write 0.05"),
        ({"visits": 20}, "at least 100"),
    ],
)
def test_a_canary_that_cannot_be_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        Canary(**{"must_not": {"found": "fall"}, **options})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"found": "yes"}, "row 1 holds 'yes'"),
        ({"found": np.inf}, "row 1 holds inf"),
        ({"customer_id": None}, "without customer_id"),
        ({"clicked": None}, "known of every visit"),
    ],
)
def test_visits_that_tell_nothing_are_refused_and_change_nothing(change, words):
    canary = Canary({"found": "fall"}, hints=["clicked"])
    table = day(np.random.default_rng(1), 0.5, (0.8, 0.8))
    with pytest.raises(ValueError, match=words):
        canary.evening(table.assign(**change))
    with pytest.raises(ValueError, match="lacks the column"):
        canary.evening(table.drop(columns="found"))
    assert canary.log.empty
    assert canary.evening(table[:0]).verdict == "hold"
    assert canary.evening(table.assign(variant="another")).verdict == "hold"
    assert canary.evening(table.assign(found=None)).verdict == "hold"


# ---- on the world


def answered(tables):
    """Each visit of a shop with what is known of it by the evening."""
    visits = tables["telemetry"].merge(tables["sessions"], on="session_id")
    said = tables["feedback"].set_index("session_id")["found_something"].astype(float)
    return visits.assign(
        found=visits["session_id"].map(said),
        failed=visits["fallback"],
        clicked=visits["session_id"].isin(tables["clicks"]["session_id"]),
    )


def test_a_worse_model_of_a_shop_is_rolled_back_in_days_and_its_cost_is_told():
    shop = Shop(customers=3_000, products=100, seed=3, incidents=[])
    past, month = shop.history(), shop.days(1)
    good = serve(PersonalBestsellers().fit(past["orders"], past["products"]).recommend)
    canary = Canary({"found": "fall", "failed": "rise"}, steps=[0.2, 0.5], hints=["clicked"])
    variants, verdicts = {"champion": good, "canary": at_random}, []
    for one in month:
        visits = answered(one.play(split(variants, canary.shares, "june")))
        verdicts.append(canary.evening(visits).verdict)
    assert "roll back" in verdicts
    rolled = verdicts.index("roll back") + 1
    assert rolled < 20
    seen = month.tables["telemetry"]
    later = seen["requested_at"].dt.day > rolled
    assert set(seen.loc[later, "variant"]) == {"champion"}
    cost = canary.cost(worth_eur=20)
    assert cost.evenings == rolled
    assert cost.visits == (seen["variant"] == "canary").sum()
    assert cost.eur_low > 0


def test_a_shadow_is_compared_and_seen_by_nobody():
    shop = Shop(customers=300, products=60, seed=3, incidents=[])
    truth = ShopTruth(shop)
    beside = shadow(as_version(at_random, "1"), as_version(truth.oracle, "2"))
    tables = copy.copy(shop).play(1, beside)
    found = compare_shadow(tables["impressions"], tables["shadow"], "session_id")
    assert found.requests == found.answered == len(tables["sessions"])
    assert 0 < found.alike < 0.5
    assert found.same < 0.1
    assert not tables["impressions"].get("model_version", pd.Series()).eq("2").any()
    same = compare_shadow(tables["impressions"], tables["impressions"], "session_id")
    assert same[2:4] == (1, 1)


def test_a_shadow_of_scores_is_compared():
    world = Operator(subscribers=60, seed=3)
    higher = lambda customers: call_nobody(customers).assign(churn_probability=0.6, call=True)  # noqa: E731
    tables = world.play(
        1, shadow(lambda given: higher(given).assign(churn_probability=0.5), higher)
    )
    hidden = tables["shadow"]
    shown = hidden.assign(churn_probability=0.5, call=True, latency_ms=20.0)
    found = compare_shadow(shown, hidden[:30].assign(latency_ms=80.0), "customerID")
    assert (found.requests, found.answered, found.same) == (60, 30, 1)
    assert found.alike == pytest.approx(0.9)
    assert found.latency.loc["p95"].tolist() == [20, 80]


# ---- the one switch


def test_the_other_place_goes_live_only_if_it_answers():
    both = BlueGreen(lambda given: ["one"], lambda given: 1 / 0)
    with pytest.raises(ValueError, match="ZeroDivisionError"):
        both.switch(trial=[1])
    assert (both.live, both([1])) == ("blue", ["one"])
    for empty in (lambda given: None, lambda given: []):
        assert both.deploy(empty) == "green"
        with pytest.raises(ValueError, match="nothing came"):
            both.switch(trial=[1])
    both.deploy(lambda given: ["two"])
    assert both([1]) == ["one"]
    assert both.switch(trial=[1]) == "green"
    assert both([1]) == ["two"]
    assert both.idle == "blue"
    assert both.roll_back() == "blue"
    assert both([1]) == ["one"]
    with pytest.raises(ValueError, match="Wrap the address"):
        BlueGreen("http://127.0.0.1:8000/predict", lambda given: given)


def test_two_running_services_are_switched_and_one_that_does_not_answer_stays_idle(tmp_path):
    popular = DataFrame({"product_id": range(1, 11), "rank": range(1, 11), "score": 0.5})
    services, places = [ExitStack(), ExitStack()], []
    for version, running_one in zip("12", services, strict=True):
        key = new_key(tmp_path / version, "page", ["recommend"], 1e6)
        lists = Lists(popular.assign(customer_id=-1), popular, version)
        service = Service(tmp_path / version, lists=lists)
        address = running_one.enter_context(running(service))
        places.append(over_http(f"{address}/recommend", key=key, timeout_s=10))
    both, versions = BlueGreen(*places), []
    for one in islice(Shop(customers=200, products=60, seed=3, incidents=[]).days(1), 5):
        if one.number == 2:
            assert both.switch(trial=one.given) == "green"
        if one.number == 4:
            assert both.roll_back() == "blue"
            services[1].close()
            with pytest.raises(ValueError, match=r"failure\(s\) \(.*blue goes on answering"):
                both.switch(trial=one.given)
        told = one.play(both)["telemetry"]["model_version"]
        versions.append({version for version in told if version})
    services[0].close()
    assert versions == [{"1"}, {"2"}, {"2"}, {"1"}, {"1"}]


def test_a_switch_between_two_days_moves_all_requests():
    shop = Shop(customers=200, products=60, seed=3, incidents=[])
    both = BlueGreen(as_version(at_random, "1"), as_version(at_random, "2"))
    for one in (month := shop.days(1)):
        if one.number == 5:
            both.switch(trial=one.given)
        if one.number == 9:
            both.roll_back()
        one.play(both)
    seen = month.tables["telemetry"]
    dates = seen["requested_at"].dt.day
    assert set(seen.loc[dates.between(5, 8), "model_version"]) == {"2"}
    assert set(seen.loc[~dates.between(5, 8), "model_version"]) == {"1"}
