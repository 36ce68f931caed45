"""Lesson 04e: its figures counted by hand, and its claims on twenty seeds."""

import numpy as np
import pytest
from conftest import SEEDS
from sklearn.metrics import mean_pinball_loss, r2_score, root_mean_squared_error

pytestmark = pytest.mark.slow

STEM = "04e_spend"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_on_every_seed(played, seed):
    figures, cells = played(seed)
    assert cells["trap_r2"] > 0.99
    prices = dict(zip(cells["services"], cells["tariff"].coef_, strict=True))
    built = {"PhoneService": 20, "DSL": 25, "Fiber optic": 50, "StreamingTV": 10}
    assert {name: prices[name] for name in built} == pytest.approx(built, abs=0.5)
    table, judged, best = cells["table"], cells["judged"], cells["best"]
    assert table["R2"]["tariff"] < 0.65 < 0.8 < table["R2"]["tariff and use"] < 0.95
    line, naive = table.loc["tariff, use, last bill"], table.loc["three times the last bill"]
    assert (line["RMSE"] < naive["RMSE"], line["MAE"] < naive["MAE"]) == (True, False)
    assert cells["heavy"] > 0.4  # the fan: the largest twentieth
    assert best["our cost"] > best["squared"] > best["absolute"]
    assert best.to_list() == pytest.approx(cells["answers"], abs=3)
    assert judged["cost"].idxmin() == "line, our cost"
    assert judged["RMSE"].idxmin() == "line, squared loss"
    assert figures["stayed"] > 0.05 > figures["saving"] > 0  # against the fair rival
    assert figures["verdict"] == "missed"
    assert figures["high"] < figures["asked"]
    assert cells["by_leavers"] > 0.5
    scored = cells["seen"][8]["customers"]
    assert len(cells["insured"]) > 0.98 * len(scored)  # few have no last bill


@pytest.mark.parametrize(("asked", "verdict"), [(0.001, "kept"), (0.01, "open")])
def test_the_verdict_looks_at_the_whole_interval_as_in_04a(played, asked, verdict):
    figures, _ = played(2, SAVING=asked)
    assert figures["low"] < figures["saving"] < 0.01 < figures["high"]
    assert figures["verdict"] == verdict


def test_a_euro_too_low_costs_what_is_not_paid_minus_the_premium(played):
    _, cells = played(1)
    spend, insured = cells["insured"]["spend"], cells["parts"][1]
    premium, unpaid = 0.01 * insured, 0.04 * np.maximum(spend - insured, 0)
    more = premium + unpaid - 0.01 * spend  # than with every euro foretold
    assert 1000 * more.mean() == pytest.approx(cells["cost"](spend, insured))


def test_the_metrics_by_hand_are_those_of_scikit_learn(played):
    _, cells = played(1)
    spend, guess = cells["validation"]["spend"], 3 * cells["validation"]["last_bill"]
    assert cells["rmse"] == pytest.approx(root_mean_squared_error(spend, guess))
    assert cells["r2"] == pytest.approx(r2_score(spend, guess))
    assert cells["mae"] == pytest.approx(np.abs(spend - guess).mean())
    both = cells["TOO_LOW_COSTS"] + cells["TOO_HIGH_COSTS"]
    loss = mean_pinball_loss(spend, guess, alpha=cells["share"])
    assert cells["cost"](spend, guess) == pytest.approx(1000 * both * loss)


def test_the_fair_rival_is_the_cheapest_multiple_of_all(played):
    _, cells = played(1)
    bill, spend = cells["train"]["last_bill"], cells["train"]["spend"]
    tried = [cells["cost"](spend, multiple * bill) for multiple in np.arange(2, 5, 0.01)]
    rival = cells["cost"](spend, cells["foretell"]("best multiple", cells["train"], cells["train"]))
    assert min(tried) * 0.999 < rival <= min(tried)


def test_nothing_of_the_target_is_known_on_the_day(played):
    _, cells = played(1)
    issued = cells["issued"]
    for month, table in cells["everybody"].items():
        scored = table["scored_at"].dt.normalize()
        to_come = issued[issued["month"].between(month + 1, month + 3)].groupby("customerID")
        first = to_come["issued_on"].min().reindex(table.index)
        assert (first.dropna() > scored[first.notna()]).all()
        spent = to_come["amount_eur"].sum().reindex(table.index).fillna(0)
        assert table["spend"].to_numpy() == pytest.approx(spent.to_numpy())
    last_learned = issued.loc[issued["month"] == 4, "issued_on"].max()
    assert last_learned < cells["everybody"][8]["scored_at"].min()


@pytest.mark.slow
def test_swapped_and_equal_prices_as_your_turn_proposes(played):
    _, cells = played(2, TOO_LOW_COSTS=0.01, TOO_HIGH_COSTS=0.03)
    assert cells["share"] == pytest.approx(0.25)
    assert cells["best"]["our cost"] < cells["best"]["absolute"]
    assert cells["by_leavers"] < 0.5  # too high is the dear error now, and fewer are insured high
    _, cells = played(2, TOO_LOW_COSTS=0.02, TOO_HIGH_COSTS=0.02)
    assert cells["best"]["our cost"] == pytest.approx(cells["best"]["absolute"], abs=1)
    judged = cells["judged"]
    assert judged.loc["line, our cost", "MAE"] == judged.loc["line, absolute loss", "MAE"]


@pytest.mark.slow
def test_tenure_does_not_bring_the_asked_saving_as_your_turn_asks(played):
    edits = (('"last_bill"]\nspend', '"last_bill", "tenure"]\nspend'),)
    figures, cells = played(2, edits)
    assert cells["columns"][-1] == "tenure"
    assert figures["saving"] < figures["asked"]


def test_the_trap_on_the_real_file(played, telco_csv):
    _, cells = played(1, TELCO_CSV=str(telco_csv))
    assert cells["trap_r2"] == pytest.approx(0.9988, abs=0.0005)
    prices = dict(zip(cells["services"], cells["tariff"].coef_, strict=True))
    built = {"PhoneService": 20, "DSL": 25, "Fiber optic": 50, "StreamingTV": 10}
    assert {name: prices[name] for name in built} == pytest.approx(built, abs=0.5)
