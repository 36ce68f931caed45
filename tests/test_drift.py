"""`helpers.monitoring.drift`: how far the inputs have moved."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import examples, first_always
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr
from scipy.stats import chi2_contingency, false_discovery_control, ks_2samp, wasserstein_distance

from helpers.monitoring.drift import (
    ALARM,
    LEAST_SHARE,
    distances,
    drift,
    stability_index,
    told_apart,
)

# Most tables here are small enough to be counted by hand.
pytestmark = pytest.mark.filterwarnings("ignore:With .* rows at least:UserWarning")


def table(*levels):
    return pd.DataFrame({"pay": levels})


THEN = table("check", "check", "check", "card")
NOW = table("check", "card", "card", "cash")


def test_a_missing_value_is_a_level_so_that_a_column_that_empties_is_seen():
    assert stability_index(table("card", "card"), table("card", None), ["pay"])["pay"] > 0.25


def test_the_index_matches_the_count_done_by_hand():
    # Half of the checks became cards: (0.25 - 0.5) ln 0.5 + (0.75 - 0.5) ln 1.5.
    then, now = table("check", "check", "card", "card"), table("check", "card", "card", "card")
    expected = -0.25 * math.log(0.25 / 0.5) + 0.25 * math.log(0.75 / 0.5)
    assert stability_index(then, now, ["pay"])["pay"] == pytest.approx(expected)


def test_a_level_that_vanished_counts_as_one_in_ten_thousand():
    # card 1 to 0: (0.0001 - 1) ln 0.0001; cash 0 to 1: (1 - 0.0001) ln 10,000.
    found = stability_index(table("card"), table("cash"), ["pay"])["pay"]
    assert found == pytest.approx(2 * (1 - LEAST_SHARE) * math.log(10_000))


def test_the_column_that_moved_most_comes_first():
    then = pd.DataFrame({"same": list("aabb"), "some": list("aabb"), "much": list("aabb")})
    now = pd.DataFrame({"same": list("abab"), "some": list("aaab"), "much": list("cccc")})
    found = stability_index(then, now, ["same", "some", "much"])
    assert found.index.tolist() == ["much", "some", "same"]
    assert found["same"] == 0.0


LEVELS = st.lists(st.sampled_from(["card", "check", "cash", None]), min_size=1, max_size=12)


@settings(max_examples=examples(20))
@given(LEVELS, LEVELS)
def test_the_index_is_never_negative_symmetric_and_zero_for_equal_tables(before, after):
    then, now = table(*before), table(*after)
    moved = stability_index(then, now, ["pay"])["pay"]
    assert moved >= 0
    # The levels are added up in another order, so the last bits may differ.
    assert moved == pytest.approx(stability_index(now, then, ["pay"])["pay"], rel=1e-9)
    assert stability_index(then, then, ["pay"])["pay"] == 0.0
    shares = np.array(
        [
            [levels.count(one) for one in ("card", "check", "cash", None)]
            for levels in (before, after)
        ]
    )
    shares = np.clip(shares / shares.sum(axis=1, keepdims=True), LEAST_SHARE, None)
    # Oracle: the two relative entropies of scipy.
    both = rel_entr(*shares) + rel_entr(*shares[::-1])
    assert moved == pytest.approx(both.sum(), abs=1e-9)


def test_the_order_and_the_number_of_customers_do_not_matter():
    twice = pd.concat([NOW.iloc[::-1], NOW])
    assert stability_index(THEN, twice, ["pay"])["pay"] == pytest.approx(
        stability_index(THEN, NOW, ["pay"])["pay"]
    )


@pytest.mark.parametrize(("side", "tables"), [("reference", (0, 4)), ("current", (4, 0))])
def test_a_side_without_customers_is_named_and_refused(side, tables):
    with pytest.raises(ValueError, match=rf"{side} has 0 row\(s\).*at least 1"):
        stability_index(THEN.head(tables[0]), NOW.head(tables[1]), ["pay"])


def test_a_side_without_the_column_is_named_and_refused():
    with pytest.raises(ValueError, match=r"current lacks the column\(s\) pay; it has paid"):
        stability_index(THEN, NOW.rename(columns={"pay": "paid"}), ["pay"])


@pytest.mark.parametrize(
    ("then", "now", "shares"),
    [
        ([0, 1], [0, 1, None], [(1 / 2, 1 / 3), (1 / 2, 1 / 3), (0, 1 / 3)]),
        ([0.5, None], [1, 0.5], [(1 / 2, 1 / 2), (0, 1 / 2), (1 / 2, 0)]),
        ([True, False], [True, None], [(1 / 2, 1 / 2), (1 / 2, 0), (0, 1 / 2)]),
        ([True, False], [1, 0], [(1 / 2, 1 / 2)] * 2),
        (pd.array([1, None], dtype="Int64"), [1.0, 2.5], [(1 / 2, 1 / 2), (0, 1 / 2), (1 / 2, 0)]),
        (pd.Categorical(["b", "a"], categories=["b", "a", "z"]), ["a", None], [(1 / 2, 1 / 2), (1 / 2, 0), (0, 1 / 2)]),
        ([1, 2], [2, "unknown"], [(1 / 2, 1 / 2), (1 / 2, 0), (0, 1 / 2)]),
        ([None, None], ["a", "b"], [(1, 0), (0, 1 / 2), (0, 1 / 2)]),
    ],
)  # fmt: skip
def test_levels_of_any_kind_have_a_level_for_what_is_missing(then, now, shares):
    then, now = pd.DataFrame({"pay": then}), pd.DataFrame({"pay": now})
    before, after = np.clip(np.array(shares), LEAST_SHARE, None).T
    expected = (rel_entr(after, before) + rel_entr(before, after)).sum()
    assert stability_index(then, now, ["pay"])["pay"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("then", "now"), [([0, 1], ["0", "1"]), (["0"], [0, None]), ([True], ["True"])]
)
def test_levels_that_could_never_meet_are_refused(then, now):
    with pytest.raises(ValueError, match=r"pay holds .* in current and .* in reference.*one type"):
        stability_index(table(*then), table(*now), ["pay"])


def draws(levels, rows, seed):
    """As many customers with levels of these shares."""
    shares = np.array(levels) / sum(levels)
    return table(*np.random.default_rng(seed).choice(list("abcdef")[: len(levels)], rows, p=shares))


@pytest.mark.parametrize(
    "sample", first_always([([1, 1, 1], 10), ([1, 1, 1], 20), ([19, 1], 20), ([1] * 6, 40)])
)
def test_where_chance_alone_rings_the_alarm_a_warning_says_so_and_how_far_it_reaches(sample):
    shares, rows = sample
    then = draws(shares, 2_000, 999)
    nothing_changed = [draws(shares, rows, seed) for seed in range(60)]
    alarms = np.mean(
        [stability_index(then, now, ["pay"]).item() >= ALARM for now in nothing_changed]
    )
    assert alarms > 0.03, "otherwise there is nothing to warn of"
    with pytest.warns(UserWarning, match=rf"With 2,000 and {rows} rows .*: pay 0\.\d\d\.") as told:
        stability_index(then, draws(shares, rows, 7), ["pay"])
    limit = float(str(told[0].message).split(": pay ")[1].split(". ")[0])
    # Of 60 draws 3 lie above what one in twenty exceeds; four standard deviations more are 10.
    assert sum(stability_index(then, now, ["pay"]).item() > limit for now in nothing_changed) <= 10


def test_enough_rows_need_no_warning(recwarn):
    then = draws([1, 1, 1], 2_000, 999)
    assert all(
        stability_index(then, draws([1, 1, 1], 100, s), ["pay"]).item() < ALARM for s in range(60)
    )
    assert not recwarn.list


@pytest.mark.parametrize(
    "other", [pd.Timestamp("2024-09-01"), pd.Timestamp("2024-09-01", tz="UTC")]
)
def test_days_and_moments_that_are_never_equal_are_refused(other):
    then = pd.DataFrame({"on": [pd.Timestamp("2024-09-01").date()]})
    for reference, current in [(then, pd.DataFrame({"on": [other]})), (pd.DataFrame({"on": [other]}), then)]:  # fmt: skip
        with pytest.raises(ValueError, match="would never be equal"):
            stability_index(reference, current, ["on"])


# Columns of any kind, by test and by distance.


def mixed(rows, seed, shift=0.0):
    rng = np.random.default_rng([rows, seed])
    return pd.DataFrame(
        {
            "customerID": [f"C{n}" for n in range(rows)],
            "fee": rng.normal(60 + 15 * shift, 15, rows).round(2),
            "total": rng.gamma(2, 300, rows).round(1).astype(str),
            "line": rng.choice(
                ["DSL", "fiber", None], rows, p=[0.4 - shift / 2, 0.5 + shift / 2, 0.1]
            ),
            "senior": rng.random(rows) < 0.2,
            "visits": rng.poisson(1, rows),
            "asked_at": pd.Timestamp("2025-01-01")
            + pd.to_timedelta(rng.integers(0, 2_000_000, rows), unit="s"),
        }
    )


@pytest.mark.parametrize("seed", first_always(range(1, 5)))
def test_the_tests_are_scipys(seed):
    then, now = mixed(900, seed), mixed(700, seed + 50, shift=0.1)
    told = drift(then, now, "customers").set_index("column")
    assert "customerID" not in told.index
    for column in ("fee", "total"):
        expected = ks_2samp(then[column].astype(float), now[column].astype(float), method="asymp")
        assert told.loc[column, ["effect", "p"]].tolist() == pytest.approx(
            [expected.statistic, expected.pvalue]
        )
    for column in ("line", "senior"):
        counts = pd.concat(
            [table[column].value_counts(dropna=False) for table in (then, now)], axis=1
        )
        assert told.loc[column, "p"] == pytest.approx(
            chi2_contingency(counts, correction=False).pvalue
        )
        shares = counts / counts.sum()
        assert told.loc[column, "effect"] == pytest.approx(
            (shares.iloc[:, 0] - shares.iloc[:, 1]).abs().sum() / 2
        )
    hours = ks_2samp(then["asked_at"].dt.hour, now["asked_at"].dt.hour)
    assert told.loc["asked_at", "effect"] == pytest.approx(hours.statistic)
    assert told["effect"].is_monotonic_decreasing


def test_of_many_columns_that_did_not_move_none_is_left_after_the_correction():
    rng = np.random.default_rng(7)
    then, now = (
        pd.DataFrame(rng.normal(size=(1_000, 200)), columns=[f"n{i}" for i in range(200)])
        for _ in range(2)
    )
    told = drift(then, now, "wide")
    assert len(told) == 200
    assert 2 <= (told["p"] < 0.05).sum() <= 22, "ten are to be expected by chance"
    assert not (false_discovery_control(told["p"]) < 0.05).any()
    moved = drift(then, now.assign(n3=now["n3"] + 0.4), "wide")
    assert moved.loc[false_discovery_control(moved["p"]) < 0.05, "column"].tolist() == ["n3"]


def test_the_distances_are_those_of_the_libraries():
    then, now = mixed(2_000, 1), mixed(1_500, 2, shift=0.3)
    told = distances(then, now)
    assert told.loc["fee", "wasserstein"] == pytest.approx(
        wasserstein_distance(then["fee"], now["fee"])
    )
    assert told.loc["fee", "moved"] == pytest.approx(ks_2samp(then["fee"], now["fee"]).statistic)
    shares = [table["line"].value_counts(normalize=True, dropna=False) for table in (then, now)]
    assert told.loc["line", "jensen_shannon"] == pytest.approx(
        jensenshannon(*pd.concat(shares, axis=1).to_numpy().T, base=2)
    )
    assert told.loc["line", "psi"] == pytest.approx(stability_index(then, now, ["line"])["line"])
    assert np.isnan(told.loc["line", "wasserstein"])
    cuts = np.quantile(then["fee"], np.arange(0.1, 1, 0.1))
    bins = [
        pd.cut(table["fee"], [-np.inf, *cuts, np.inf]).value_counts(normalize=True, sort=False)
        for table in (then, now)
    ]
    a, b = bins[0].to_numpy(), bins[1].to_numpy()
    assert told.loc["fee", "psi"] == pytest.approx(((b - a) * np.log(b / a)).sum())
    same = distances(then, then)
    assert (same.drop(columns="psi_by_chance").fillna(0) == 0).all(axis=None)
    few = [distances(then, mixed(30, seed)) for seed in range(12)]
    assert np.mean([one["psi"] > one["psi_by_chance"] for one in few]) < 0.2, (
        "one in twenty is chance"
    )
    assert few[0]["psi_by_chance"].gt(ALARM).any(), "so the usual alarm says nothing"


def test_what_no_column_shows_alone_is_told_by_a_model_and_nothing_where_nothing_moved():
    rng = np.random.default_rng(7)
    a = rng.normal(size=3_000)
    then, now = pd.DataFrame({"a": a, "b": a}), pd.DataFrame({"a": a, "b": -a})
    assert told_apart(then, now, "pairs")["p"].item() < 1e-6
    assert told_apart(mixed(2_000, 1), mixed(2_000, 2), "customers")["p"].item() > 0.001
