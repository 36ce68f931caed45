"""Lesson 04f: its claims on twenty seeds, its judges by hand, and on IBM's file."""

from functools import cache
from math import isnan

import numpy as np
import pytest
from conftest import SEEDS, told_by
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

STEM = "04f_segments"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Run the lesson once for each seed: its figures, its variables."""
    return cache(lambda seed, **more: told_by(STEM, tmp_path_factory.mktemp("04f"), SEED=seed, **more))  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_on_every_seed(told, seed):
    figures, cells = told(seed)
    assert (figures["loud"], figures["k"]) == ("megabytes", 4)
    assert figures["loudest"] > 0.99
    assert cells["after"].min() > 0.5 > cells["before"].drop("megabytes").max()
    assert cells["real"]
    assert figures["whole"] > figures["nothing"] + 0.1
    assert figures["same_sorting"] > 0.9
    assert cells["found"] > 0.85 > 0.5 > cells["raw_found"]
    assert cells["size"].min() > 0.05


def test_the_judges_are_those_of_scikit_learn(told):
    figures, cells = told(1)
    found = KMeans(4, n_init=10, random_state=0).fit_predict(cells["scaled"])
    assert adjusted_rand_score(found, cells["segment"]) > 0.98
    assert figures["whole"] == pytest.approx(silhouette_score(cells["scaled"], found), abs=0.01)
    assert np.asarray(cells["scaled"].mean()) == pytest.approx(0)
    assert np.asarray(cells["scaled"].std(ddof=0)) == pytest.approx(1)
    for name in cells["scaled"]:  # shuffled, not drawn
        assert sorted(cells["shuffled"][name]) == sorted(cells["scaled"][name])
    by_segment = cells["by_segment"]
    assert (by_segment["low"] < by_segment["left"]).all()
    assert 0.02 < figures["least"] <= figures["most_left"] < 0.4


def test_real_customers_have_no_truth(told, telco_csv):
    figures, cells = told(1, TELCO_CSV=str(telco_csv))
    assert cells["truth"] is None
    assert isnan(cells["found"])
    assert list(cells["points"]) == ["tenure", "MonthlyCharges", "extras"]
    assert 2 <= figures["k"] <= cells["MOST_SEGMENTS"]
    assert figures["most_left"] - figures["least"] > 0.1  # they differ, as the file is known to
