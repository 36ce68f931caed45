"""Lesson 04f: its claims on twenty seeds, its judges by hand, its "Your turn", and IBM's file."""

import numpy as np
import pandas as pd
import pytest
from conftest import SEEDS
from scipy.stats import chi2_contingency, spearmanr
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score

pytestmark = pytest.mark.slow

STEM = "04f_segments"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_on_every_seed(played, seed):
    figures, cells = played(seed)
    assert cells["part"]["megabytes"] > 0.99  # the unit decides
    assert cells["say_of"](cells["points"], cells["as_it_is"]).drop("megabytes").max() < 0.3
    assert cells["say_of"](cells["both"], cells["segment"]).min() > 0.5
    assert figures["n"] == len(cells["points"])
    left_out = cells["customers"].drop(cells["points"].index)
    assert figures["out"] == pytest.approx(len(left_out) / len(cells["customers"]))
    assert (left_out["tenure"].astype(float) <= 2).mean() > 0.95  # the new ones
    assert figures["k"] == 4 == cells["truth"].nunique()
    assert figures["again"] > 0.95 > cells["STABLE"]  # comes back with room to spare
    assert cells["real"]
    assert figures["whole"] > figures["nothing"] + 0.1
    assert cells["same_groups"] > 0.9
    assert cells["size"].min() > 0.15
    truth = cells["judged"]["truth"]  # the logarithm is the repair, scaling adds little
    assert truth["both"] > 0.85 < truth["logarithm"]
    assert truth["as it is"] < truth["scaled"] < 0.55
    assert "the logarithm did most of it" in figures["verdict"]
    silhouettes = cells["judged"]["silhouette"]  # of another table: no judge of this choice
    assert silhouettes.idxmax() == "as it is" == truth.idxmin()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_test_that_finds_nothing_is_no_proof_of_nothing(played, seed):
    figures, cells = played(seed)
    assert figures["chance"] == pytest.approx(chi2_contingency(cells["counts"]).pvalue, rel=1e-5)
    said = {True: "They **differ**", False: "We **cannot tell**"}[bool(figures["chance"] < 0.05)]
    assert cells["stated"].startswith(said)
    assert cells["left"].between(0.04, 0.2).all()


def test_the_judges_are_those_of_scikit_learn(played):
    figures, cells = played(1)
    both = cells["both"]
    found = KMeans(4, n_init=10, random_state=0).fit_predict(both)
    assert adjusted_rand_score(found, cells["segment"]) > 0.98
    assert figures["whole"] == pytest.approx(silhouette_score(both, found), abs=0.02)
    assert np.asarray(both.mean()) == pytest.approx(0)
    assert np.asarray(both.std(ddof=0)) == pytest.approx(1)


def test_one_cloud_has_our_values_and_our_correlations(played):
    _, cells = played(1)
    both, cloud = cells["both"], cells["one_cloud"]()
    for place, name in enumerate(both):
        assert sorted(cloud[:, place]) == sorted(both[name])
    assert spearmanr(cloud).statistic == pytest.approx(spearmanr(both).statistic, abs=0.12)


def test_the_two_halves_share_nobody(played, monkeypatch):
    _, cells = played(1)
    table, halves = pd.DataFrame({"x": np.arange(101.0), "y": 0.0}), []

    class Spy(KMeans):
        def fit(self, rows):
            halves.append(set(rows[:, 0]))
            return super().fit(rows)

    monkeypatch.setitem(cells, "KMeans", Spy)
    assert -1 <= cells["stability"](table, 3) <= 1
    assert len(halves) == 2 * cells["RESAMPLES"]
    for one, other in zip(halves[::2], halves[1::2], strict=True):
        assert one.isdisjoint(other)
        assert one | other == set(table["x"])
    assert halves[0] != halves[2]  # by lot, each time anew


def test_the_points_are_todays_customers_counted_by_hand(played):
    _, cells = played(1)
    usage = cells["operator"].history()["usage"]
    points = cells["points"]
    assert set(points.index) <= set(cells["customers"].index)
    assert len(points) == len(cells["gone"].reindex(points.index).dropna())
    of = usage[usage["customerID"] == points.index[3]]
    late = of["used_on"].dt.day_name().isin(["Saturday", "Sunday"])
    ratios = [of.loc[late, name].mean() / of.loc[~late, name].mean() for name in points.columns[:2]]
    want = [of["minutes"].mean(), of["megabytes"].mean(), np.mean(ratios)]
    assert points.iloc[3].to_list() == pytest.approx(want)
    assert (usage.groupby("customerID").size().reindex(points.index) >= 30).all()


@pytest.mark.slow
def test_without_the_logarithm_little_of_the_truth_is_left(played):
    text = "logs = points.transform(lambda column: np.log(column) if column.skew() > 1 else column)"
    figures, cells = played(2, ((text, "logs = points"),))
    assert figures["again"] < played(2)[0]["again"]
    assert cells["judged"].loc["both", "truth"] < 0.65


def test_three_at_most_come_back_and_are_too_few(played):
    figures, cells = played(3, MOST_SEGMENTS=3)
    assert figures["k"] == 3
    assert figures["again"] > cells["STABLE"]
    assert cells["judged"].loc["both", "truth"] < played(3)[1]["judged"].loc["both", "truth"] - 0.1


@pytest.mark.slow
def test_gender_makes_segments_that_come_back_and_mean_nothing(played):
    text = 'tables = {"as it is"'
    more = f'logs["gender"] = customers["gender"].eq("Female")\n{text}'
    figures, cells = played(2, ((text, more),))
    assert figures["again"] > cells["STABLE"]
    assert cells["say_of"](cells["both"], cells["segment"])["gender"] > 0.5
    assert cells["judged"].loc["both", "truth"] < 0.65


def test_real_customers_have_no_truth(played, telco_csv):
    figures, cells = played(1, TELCO_CSV=str(telco_csv))
    assert cells["judged"]["truth"].isna().all()
    assert "no truth" in figures["verdict"]
    assert list(cells["points"]) == ["tenure", "MonthlyCharges", "extras"]
    pd.testing.assert_frame_equal(cells["logs"], cells["points"])  # none is lopsided
    assert 2 <= figures["k"] <= cells["MOST_SEGMENTS"]
    counts = cells["counts"]
    assert figures["out"] == 0
    assert counts.to_numpy().sum() == len(cells["customers"]) == 7043
    assert counts[True].sum() == 1869
    assert figures["chance"] < 0.001
    assert cells["stated"].startswith("They **differ**")
    assert not cells["real"]  # one long cloud does about as well
    assert "not clearly above" in figures["above"]
