"""Lesson 04f: its claims on twenty seeds, its judges by hand, and on IBM's file."""

from math import isnan

import numpy as np
import pytest
from conftest import SEEDS
from scipy.stats import spearmanr
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

STEM = "04f_segments"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_on_every_seed(told, seed):
    figures, cells = told(seed)
    assert (cells["units"].idxmax(), figures["k"]) == ("megabytes", 4)
    assert cells["units"].max() > 0.99
    before, after = (cells["say_of_each_column"](cells[name]) for name in ["points", "scaled"])
    assert after.min() > 0.5 > before.drop("megabytes").max()
    assert cells["tried"].loc[4, "stability"] > cells["STABLE"]
    assert cells["far"].all()
    assert cells["same_sorting"] > 0.9
    near = cells["near"]
    assert cells["found"] == pytest.approx(near["logarithm, scaled"])
    assert cells["found"] > 0.85 > 0.5 > near["scaled"] > near["as it is"]
    assert near["logarithm"] > near["scaled"] + 0.2  # the repair that did the work
    assert cells["size"].min() > 0.05


def test_the_judges_are_those_of_scikit_learn(told):
    _, cells = told(1)
    scaled, k = cells["scaled"], cells["k"]
    found = KMeans(4, n_init=10, random_state=0).fit_predict(scaled)
    assert adjusted_rand_score(found, cells["segment"]) > 0.98
    whole = cells["tried"].loc[4, "silhouette"]
    assert whole == pytest.approx(silhouette_score(scaled, found), abs=0.01)
    assert np.asarray(scaled.mean()) == pytest.approx(0)
    assert np.asarray(scaled.std(ddof=0)) == pytest.approx(1)
    first, second = np.array_split(np.random.default_rng(0).permutation(len(scaled)), 2)
    by = [KMeans(k, n_init=10, random_state=0).fit(scaled.iloc[half]) for half in (first, second)]
    agreed = adjusted_rand_score(*(half.predict(scaled) for half in by))
    assert cells["tried"].loc[4, "stability"] == pytest.approx(agreed, abs=0.03)


def test_the_tables_without_types_keep_what_the_lesson_says(told):
    _, cells = told(1)
    scaled, cloud = cells["scaled"], cells["cloud"]
    ranks = spearmanr(scaled).statistic, spearmanr(cloud).statistic
    for place, name in enumerate(scaled):
        assert sorted(cells["shuffled"][name]) == sorted(scaled[name])
        assert sorted(cloud[place]) == sorted(scaled[name])
    assert ranks[0] == pytest.approx(ranks[1], abs=0.12)
    assert np.abs(np.triu(cells["shuffled"].corr(), 1)).max() < 0.1


def test_who_left_is_counted_after_the_segments_were_made(told):
    _, cells = told(1)
    counted = cells["by_segment"]
    assert counted["left"].sum() == cells["gone"].sum()
    assert counted["customers"].sum() == len(cells["gone"]) <= len(cells["segment"])


def test_real_customers_are_one_cloud_and_have_no_truth(told, telco_csv):
    figures, cells = told(1, TELCO_CSV=str(telco_csv))
    assert cells["built"] is None
    assert isnan(cells["found"])
    assert list(cells["points"]) == ["tenure", "MonthlyCharges", "extras"]
    assert 2 <= figures["k"] <= cells["MOST_SEGMENTS"]
    # Above the shuffled table, yet no better than one long cloud: cuts, not types.
    assert cells["far"].to_dict() == {"shuffled": True, "one cloud": False}
    by_segment = cells["by_segment"]
    assert by_segment.sum().to_list() == [len(cells["customers"]), 1869] == [7043, 1869]
    assert cells["chance"] < 0.001  # and still the segments differ in who leaves


@pytest.mark.slow
def test_a_lower_floor_and_a_column_of_noise_as_your_turn_proposes(told):
    lower, _ = told(2, STABLE=0.7)
    assert lower["k"] == 4
    logged = "logged = points if TELCO_CSV else np.log(points.clip(lower=0.01))\n"
    noise = "logged = logged.assign(noise=np.random.default_rng(1).normal(size=len(points)))\n"
    _, cells = told(2, ((logged, logged + noise),))
    _, plain = told(2)
    judged = [one["tried"].loc[4, "silhouette"] for one in (cells, plain)]
    assert judged[0] < judged[1] - 0.1
