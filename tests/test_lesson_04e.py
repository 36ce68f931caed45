"""Lesson 04e: its figures counted by hand, and its claims on twenty seeds."""

from functools import cache

import numpy as np
import pytest
from conftest import SEEDS, told_by
from sklearn.metrics import mean_pinball_loss, r2_score, root_mean_squared_error

STEM = "04e_spend"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Run the lesson once for each seed: its figures, its variables."""
    return cache(lambda seed, **more: told_by(STEM, tmp_path_factory.mktemp("04e"), SEED=seed, **more))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_on_every_seed(told, seed):
    figures, cells = told(seed)
    assert figures["trap_r2"] > 0.99
    prices = cells["weights"]  # the tariff that the world is built with
    assert (prices["PhoneService"], prices["DSL"], prices["Fiber optic"]) == pytest.approx((20, 25, 50), abs=0.5)  # fmt: skip
    assert prices["StreamingTV"] == pytest.approx(10, abs=0.5)
    assert figures["r2_tariff"] < 0.65 < 0.8 < figures["r2_use"] < 0.95
    table = cells["table"]
    assert (
        table.loc["tariff, use, last bill", "RMSE"] < table.loc["three times the last bill", "RMSE"]
    )
    assert figures["median"] < figures["mean"] < figures["quantile"]
    assert figures["at_cost"] > figures["at_squared"] > figures["at_absolute"]
    assert figures["cost_winner"] == "line, our cost loss"
    assert figures["saving"] > 0.05
    assert figures["too_high"] > 0.1
    assert cells["heavy"] > 0.4  # the fan: the largest twentieth


def test_the_metrics_by_hand_are_those_of_scikit_learn(told):
    _, cells = told(1)
    spend, guess = cells["validation"]["spend"], 3 * cells["validation"]["last_bill"]
    assert cells["rmse"] == pytest.approx(root_mean_squared_error(spend, guess))
    assert cells["r2"] == pytest.approx(r2_score(spend, guess))
    assert cells["mae"] == pytest.approx(np.abs(spend - guess).mean())
    both = cells["TOO_LOW_COSTS"] + cells["TOO_HIGH_COSTS"]
    loss = mean_pinball_loss(spend, guess, alpha=cells["share"])
    assert cells["cost"](spend, guess) == pytest.approx(1000 * both * loss)


def test_nothing_of_the_target_is_known_on_the_day(told):
    _, cells = told(1)
    issued = cells["issued"]
    for month, table in cells["everybody"].items():
        scored = table["scored_at"].dt.normalize()
        to_come = issued[issued["month"].between(month + 1, month + 3)].groupby("customerID")
        first = to_come["issued_on"].min().reindex(table.index)
        assert (first.dropna() > scored[first.notna()]).all()
        spent = to_come["amount_eur"].sum().reindex(table.index).fillna(0)
        assert table["spend"].to_numpy() == pytest.approx(spent.to_numpy())
    last_learned = issued.loc[issued["month"] == 4, "issued_on"].max()
    assert last_learned < cells["test"]["scored_at"].min()


def test_swapped_and_equal_prices_as_your_turn_proposes(told):
    figures, _ = told(1, TOO_LOW_COSTS=0.01, TOO_HIGH_COSTS=0.03)
    assert figures["share"] == pytest.approx(0.25)
    assert figures["at_cost"] < figures["at_absolute"]
    figures, _ = told(1, TOO_LOW_COSTS=0.02, TOO_HIGH_COSTS=0.02)
    assert figures["at_cost"] == pytest.approx(figures["at_absolute"], abs=1)


def test_the_trap_on_the_real_file(told, telco_csv):
    figures, cells = told(1, TELCO_CSV=str(telco_csv))
    assert figures["trap_r2"] == pytest.approx(0.9988, abs=0.0005)
    assert cells["weights"]["Fiber optic"] == pytest.approx(50, abs=0.5)
