"""Lesson 06c: the way from an alarm to a stage, on twenty seeds and counted anew."""

import numpy as np
import pytest
from conftest import SEEDS
from scipy.stats import ttest_ind

from helpers.lifecycle import Stage
from helpers.worlds.operator import OperatorTruth
from helpers.worlds.shop import ShopTruth

pytestmark = pytest.mark.slow

STEM = "06c_from_alarm_to_stage"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quiet_month_rings_test_by_test_and_hardly_together(played, seed):
    told, cells = played(seed)
    tests = cells["p"].size
    assert tests == 30 * len(cells["columns"]) == 690
    assert 0.02 < cells["naive"] / tests < 0.08  # one in twenty
    assert cells["together"] <= 2
    assert (told["naive"], told["together"]) == (cells["naive"], cells["together"])
    assert cells["large"] <= 2 < cells["certain"] - cells["large"]  # certain, too small to matter


@pytest.mark.parametrize("seed", SEEDS)
def test_each_trigger_is_heard_and_its_evidence_names_the_stage(played, seed):
    told, cells = played(seed)
    # S227, S232: feedback, a broken release, another version.
    assert "found something" in cells["rang_2"].index
    assert not {"price", "stand-in served"} & set(cells["rang_2"].index)
    assert 0.3 < cells["other"] < 0.7
    # S224, S230: drift of the prices and of nothing else, cents, repaired.
    assert list(cells["rang_3"].index) == ["price"]
    assert cells["brands"] > 0
    assert cells["repaired"]
    assert "price" not in cells["rang_4"].index
    assert cells["more"] > 0.2
    # S225, S226, S228: a new source, a second aim that costs the first.
    assert cells["new_columns"] == {"sustainability"}
    assert "found something" not in cells["rang_5"].index  # no figure fell
    assert cells["loss"] > 0.02
    assert cells["aims"]["sustainability"].is_monotonic_increasing
    # S229: days of use are missing, whole towers are silent.
    assert cells["rang_use"].index[0] == "days of use"
    assert len(cells["silent"]) > 0
    assert "days of use" not in cells["back"].index
    # S223, S231: the accuracy falls with calm inputs, and a fresh model is better.
    accuracy = cells["accuracy"]
    assert accuracy[[1, 2, 3]].min() > 0.8 > accuracy[[4, 5]].max()
    assert not {"tenure", "Contract", "MonthlyCharges"} & set(cells["rang_inputs"].index)
    assert cells["errors"] > 2
    assert told["heard"] == 5
    # Severity, cool-down: many rings, few told, at least one page.
    news = cells["told"](cells["rings"])
    assert len(cells["rings"]) > 5 * len(news) > 0
    assert "page" in set(news["how"])


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_heard_is_what_happened_and_each_stage_is_reopened_once(played, seed):
    _, cells = played(seed)
    truth = cells["truth"]
    assert sorted(truth["reopen"]) == sorted(stage.title for stage in Stage)
    assert truth["heard"].tolist() == [2, 3, 5, 2, 5]
    assert (truth["heard"] - truth["month"]).tolist() == [0, 0, 0, 0, 1]
    onsets = OperatorTruth(cells["operator"]).incidents().set_index("name")["onset"]
    assert cells["silent"].min() < onsets["dead_feed"] <= cells["silent"].min() + np.timedelta64(2, "D")  # fmt: skip
    touched = ShopTruth(cells["shop"]).touched(3)["orders"]
    assert set(touched["incident"]) == {"price_in_cents"}


@pytest.mark.parametrize("seed", SEEDS)
def test_one_call_names_what_happened(played, seed):
    _, cells = played(seed)
    when = {"bad_release": ("shop", 2), "price_in_cents": ("shop", 3), "new_goal": ("shop", 5), "dead_feed": ("operator", 2), "competitor": ("operator", 5)}  # fmt: skip
    named = {name: [one.what for one in cells["passes"][key]] for name, key in when.items()}
    right = [name for name, found in named.items() if name.replace("_", " ") in found[:1]]
    assert len(right) >= 4, named


def test_the_figures_are_counted_anew(played):
    _, cells = played(1)
    p = np.sort(cells["p"].to_numpy().ravel())
    line = 0.05 * np.arange(1, len(p) + 1) / len(p)
    below = np.flatnonzero(p <= line)
    assert cells["together"] == (below.max() + 1 if len(below) else 0)
    old, new = cells["before"]["tenure"], cells["past"]["tenure"]
    effect, chance = cells["moved"](old, new)
    both = np.concatenate([old, new])
    assert effect == pytest.approx(abs(old.mean() - new.mean()) / both.std(ddof=1))
    assert chance == pytest.approx(ttest_ind(old, new, equal_var=False).pvalue)
    shares = [cells[name]["Contract"].value_counts(normalize=True) for name in ("before", "past")]
    assert cells["moved"](cells["before"]["Contract"], cells["past"]["Contract"])[0] == pytest.approx((shares[0] - shares[1]).abs().max())  # fmt: skip
    known, fresh = cells["known"][5], cells["hit"].mean()
    old_right = (known["churn_probability"].ge(0.5) == known["churned"]).mean()
    assert cells["gain"].mean() == pytest.approx(fresh - old_right)
    assert cells["accuracy"][5] == pytest.approx(old_right)
    assert len(known) == 3_000


def test_what_your_turn_proposes_does_what_it_says(played):
    _, usual = played(1)
    _, more = played(1, FALSE_SHARE=0.5)
    assert more["together"] >= usual["together"]
    _, every = played(1, LEAST=0.0)
    assert every["large"] == every["certain"] > usual["large"]
    often, rarely = (usual["told"](usual["rings"], days) for days in (1, 30))
    assert len(often) >= len(usual["told"](usual["rings"])) >= len(rarely)
    assert len(rarely) == usual["rings"]["signal"].nunique()
