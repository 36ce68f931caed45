"""Lesson 03b: its claims on twenty seeds, its figures by hand, its "Your turn", and IBM's file."""

import numpy as np
import pandas as pd
import pytest
from conftest import SEEDS
from sklearn.metrics import roc_auc_score

from helpers.worlds.shop import CATEGORIES, PARTNER

pytestmark = pytest.mark.slow

STEM = "03b_features_and_imbalance"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_future_in_a_feature_makes_a_false_score(played, seed):
    figures, cells = played(seed)
    # Even without a model: who ordered last in September has bought in September.
    assert roc_auc_score(cells["buys"], -cells["all_year"]["days_since"]) > 0.99
    assert figures["future"] > 0.98
    assert 0.55 < figures["as_of"] < 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_the_unit_rules_neighbors_and_neither_trees_nor_scaled_models(played, seed):
    _, cells = played(seed)
    changed = cells["changed"]
    assert changed["neighbors"] > 0.3
    assert changed.drop("neighbors").max() < 0.02
    three = cells["three"]
    assert three["normalized"].agg(["min", "max"]).tolist() == pytest.approx([0, 1])
    assert three["standardized"].agg(["mean"]).item() == pytest.approx(0)
    assert three["standardized"].std(ddof=0) == pytest.approx(1)
    skew = three.skew()
    assert skew["normalized"] == pytest.approx(
        skew["standardized"]
    )  # only the logarithm changes it
    assert abs(skew["logarithm, standardized"]) < skew["standardized"] / 2
    assert three["normalized"].quantile(0.9) < 0.45  # pressed into a corner


@pytest.mark.parametrize("seed", SEEDS)
def test_one_hot_columns_know_the_seasons_and_numbers_by_the_alphabet_do_not(played, seed):
    _, cells = played(seed)
    says, encoded = cells["says"], cells["encoded"]
    assert set(says.index) == set(CATEGORIES)
    assert np.abs(says["one-hot"] - says["true share"]).max() < 0.02
    assert np.abs(says["numbered"] - says["true share"]).max() > 0.1
    steps = np.diff(np.log(says["numbered"] / (1 - says["numbered"])))
    assert steps == pytest.approx([steps.mean()] * len(steps))  # one slope
    assert encoded["one-hot"] > encoded["numbered"] + 0.04
    lift = cells["lift"].idxmax()
    planted = {one: CATEGORIES[place] for one, place in zip(CATEGORIES, PARTNER, strict=True)}
    assert sum(lift[one] == two for one, two in planted.items()) >= 9
    assert lift["cleanser"] == "rich cream"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_contracts_is_in_the_world(played, seed):
    _, cells = played(seed)
    assert cells["slope"]
    share = cells["by_contract"]["mean"]
    assert share.iloc[0] > 3 * share.iloc[2]
    assert cells["by_contract"]["size"].sum() == len(cells["customers"])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_leak_chooses_the_model_that_remembers_and_an_honest_exam_the_other(played, seed):
    figures, cells = played(seed)
    leak = cells["leak"]
    assert leak.idxmax(axis=1).tolist() == ["forest", "linear", "linear"]
    assert figures["changes"] == "the choice"
    flattery = leak.loc["before the split"] - leak.loc["inside each fold"]
    assert flattery["forest"] > 0.08
    assert flattery["linear"] < flattery["forest"] / 3
    assert (leak.loc["inside each fold"] - leak.loc["not at all"]).abs().max() < 0.03


@pytest.mark.parametrize("seed", SEEDS)
def test_oversampling_is_a_moved_threshold_with_untrue_probabilities(played, seed):
    figures, cells = played(seed)
    moved = cells["moved"]
    assert moved["calls"].iloc[1] == moved["calls"].iloc[2] > 1.3 * moved["calls"].iloc[0]
    assert figures["recall_moved"] == pytest.approx(figures["recall_over"], abs=0.04)
    assert figures["recall_over"] > moved["recall"].iloc[0] + 0.1
    assert figures["shared"] > 0.92
    assert figures["mean_plain"] == pytest.approx(figures["left"], abs=0.05)
    assert figures["mean_over"] > figures["left"] + 0.08
    # What half means in an even table is the share of leavers in this one.
    assert cells["threshold"] == pytest.approx(cells["y"].mean(), abs=0.06)


def test_features_are_those_of_the_lines_before_the_day(played):
    _, cells = played(1)
    lines, as_of = cells["lines"], cells["as_of"]
    own = lines[(lines["customer_id"] == as_of.index[7]) & (lines["ordered_at"] < "2024-09-01")]
    days = (pd.Timestamp("2024-09-01") - own["ordered_at"].max()).days
    spent, orders = own["price_eur"].sum(), own["order_id"].nunique()
    assert as_of.iloc[7][["orders", "spent", "days_since", "per_order"]].tolist() == pytest.approx(
        [orders, spent, days, spent / orders]
    )
    baskets = lines.groupby("order_id")["category"].agg(set)
    both = sum({"cleanser", "rich cream"} <= basket for basket in baskets)
    one, two = (sum(name in basket for basket in baskets) for name in ("cleanser", "rich cream"))
    assert cells["lift"].loc["cleanser", "rich cream"] == pytest.approx(both * len(baskets) / (one * two))  # fmt: skip
    step = cells["step"]
    assert step["November"] == pytest.approx(step["January"]) == pytest.approx(2 * np.sin(np.pi / 12))  # fmt: skip


def test_no_row_of_the_test_part_is_drawn_again(played):
    _, cells = played(1)
    drawn = cells["train"].index[cells["sampler"].sample_indices_]
    assert not set(drawn) & set(cells["test"].index)
    assert set(drawn) == set(cells["train"].index)  # nobody of the training part is lost
    assert cells["even_y"].mean() == 0.5


def test_throwing_stayers_away_is_a_moved_threshold_too(played):
    text = "sampler = RandomOverSampler(random_state=SEED)"
    under = text.replace("RandomOver", "RandomUnder")
    load = "from imblearn.over_sampling import RandomOverSampler"
    more = "from imblearn.under_sampling import RandomUnderSampler"
    figures, _ = played(1, ((text, under), (load, more)))
    assert figures["recall_moved"] == pytest.approx(figures["recall_over"], abs=0.06)
    assert figures["mean_over"] > figures["left"] + 0.08


def test_a_larger_forest_remembers_as_much_and_is_no_better_than_the_line(played):
    _, cells = played(1, TREES=100)
    leak = cells["leak"]
    assert leak.loc["before the split", "forest"] >= played(1)[1]["leak"].loc["before the split", "forest"]  # fmt: skip
    assert leak.loc["inside each fold"].idxmax() == "linear"


def test_on_the_real_customers_the_leak_chooses_the_forest_too(played, telco_csv):
    figures, cells = played(1, TELCO_CSV=str(telco_csv))
    assert len(cells["customers"]) == 7043
    assert cells["customers"].loc[cells["customers"]["tenure"] == 0, "TotalCharges"].tolist() == [0.0] * 11  # fmt: skip
    assert cells["left"].sum() == 1869
    assert cells["leak"].idxmax(axis=1).tolist() == ["forest", "linear", "linear"]
    assert figures["recall_moved"] == pytest.approx(figures["recall_over"], abs=0.02)
    assert figures["shared"] > 0.95
