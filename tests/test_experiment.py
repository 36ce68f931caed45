"""`helpers.deployment.experiment`: against the libraries of the field, and under A/A and a true lift."""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from helpers.deployment import experiment
from helpers.deployment.experiment import (
    always_valid,
    assign,
    compare_groups,
    guard_rails,
    sample_size,
    spread_of,
)
from helpers.worlds import Shop
from helpers.worlds.shop import at_random
from helpers.worlds.traffic import split

HALVES = {"control": 0.5, "treated": 0.5}
CLOSE = {"rel": 1e-9, "abs": 1e-12}


def visits(seed, customers=400, lift=0.0, days=10, rows=3.0, alike=0.3):
    """A table of visits: customers differ in how often they find something and how often they come."""
    rng = np.random.default_rng(seed)
    treated = rng.random(customers) < 0.5
    found = np.clip(0.7 + rng.normal(0, alike, customers), 0, 1)
    past = rng.binomial(5, found) / 5
    found = np.clip(found + lift * treated, 0, 1)
    who = np.repeat(np.arange(customers), rng.poisson(rows, customers))
    table = DataFrame(
        {
            "customer_id": who,
            "variant": np.where(treated[who], "treated", "control"),
            "found": (rng.random(len(who)) < found[who]).astype(float),
            "eur": rng.gamma(2, 10, len(who)) * (1 + lift * treated[who]),
            "before": past[who],
            "day": rng.integers(1, days + 1, len(who)),
        }
    )
    return table.sort_values("day", ignore_index=True)


# ---- against the libraries of the field


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("before", [None, "before"])
def test_a_comparison_is_that_of_tea_tasting(seed, before):
    tea = pytest.importorskip("tea_tasting")
    table = visits(seed, lift=0.05)
    if before and seed == 0:  # a table with one row a customer
        table = table.drop_duplicates("customer_id")
    by_customer = table.groupby("customer_id").agg(
        found=("found", "sum"), rows=("found", "size"), before=("before", "first"), variant=("variant", "first")
    )  # fmt: skip
    metric = tea.RatioOfMeans("found", "rows", before)
    theirs = tea.Experiment({"found": metric}, variant="variant").analyze(
        by_customer.reset_index(), control="control"
    )["found"]
    ours = compare_groups(table, "found", before=before)
    assert ours.difference == pytest.approx(theirs.effect_size, **CLOSE)
    assert ours.low == pytest.approx(theirs.effect_size_ci_lower, **CLOSE)
    assert ours.high == pytest.approx(theirs.effect_size_ci_upper, **CLOSE)
    assert ours.relative == pytest.approx(theirs.rel_effect_size, **CLOSE)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("lift", [0.5, -1.0, 3.0])
def test_the_power_and_the_sample_are_those_of_tea_tasting_and_statsmodels(lift):
    tea = pytest.importorskip("tea_tasting")
    power = pytest.importorskip("statsmodels.stats.power").NormalIndPower()
    eur, customers = visits(1)["eur"], 3_000
    spread = eur.std(ddof=1)
    ours = experiment._power(customers, lift, spread, sequential=False)
    assert ours == pytest.approx(power.power(lift / spread, customers / 2, 0.05), **CLOSE)
    metric = tea.Mean("eur", use_t=False, equal_var=True, effect_size=lift, n_obs=customers)
    solved = metric.solve_power(DataFrame({"eur": eur}), "power")[0]
    assert ours == pytest.approx(solved.power, **CLOSE)
    half = power.solve_power(abs(lift) / spread, alpha=0.05, power=0.9)
    assert sample_size(lift, spread) == math.ceil(2 * half)


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize("plan", [(0.02, 0.4), (-3.0, 20.0)])
def test_a_sample_is_the_smallest_that_has_the_power(plan, sequential):
    size = sample_size(*plan, sequential=sequential)
    assert experiment._power(size, *plan, sequential) >= 0.9
    assert experiment._power(size - 1, *plan, sequential) < 0.9
    assert not sequential or 1.3 < size / sample_size(*plan) < 2.2


@pytest.mark.parametrize("lift", [0.05, -0.2, 1.0])
def test_a_range_valid_at_every_look_ends_where_villes_test_says_twenty(lift):
    ville = pytest.importorskip("ville")
    table = visits(2)
    for row in always_valid(table, "found", lift).itertuples():
        once = compare_groups(table[table["day"] <= row.day], "found")
        theirs = ville.MSPRT(sigma=once.error, tau=abs(lift))
        theirs.fit(np.array([row.high - row.difference]))  # as one draw of the mean's own error
        assert theirs.e_values_[0] == pytest.approx(20, **CLOSE)


# ---- false alarms and power


def always_and_once(table, lift):
    """Whether a test peeked at daily tells a difference: ours, and the one made for a single look."""
    looks = always_valid(table, "found", lift)
    once = looks["low_once"].gt(0) | looks["high_once"].lt(0)
    return looks["told"].iloc[-1], bool(once.any())


@pytest.mark.slow
def test_of_a_thousand_equal_pairs_peeked_at_daily_at_most_one_in_twenty_is_told():
    told = np.array([always_and_once(visits(seed, days=30), 0.1) for seed in range(1_000)])
    ours, naive = told.mean(axis=0)
    assert ours <= 0.05
    assert naive > 0.15


def test_of_equal_pairs_peeked_at_daily_few_are_told_and_many_by_the_naive_test():
    told = np.array([always_and_once(visits(seed, days=30), 0.1) for seed in range(100)])
    assert told[:, 0].sum() <= 5
    assert told[:, 1].sum() > 12


@pytest.mark.parametrize("sequential", [False, True])
def test_the_lift_for_which_the_sample_was_sized_is_told(sequential):
    lift, runs = 0.1, 100
    spread = ((0.7 * 0.3 + 0.8 * 0.2) / 2) ** 0.5  # of both groups
    customers = sample_size(lift, spread, sequential=sequential)
    told = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        treated = rng.random(customers) < 0.5
        table = DataFrame({"customer_id": range(customers), "day": np.arange(customers) * 30 // customers})  # fmt: skip
        table["variant"] = np.where(treated, "treated", "control")
        table["found"] = rng.random(customers) < 0.7 + lift * treated
        if sequential:
            told += always_valid(table, "found", lift)["told"].iloc[-1]
        else:
            told += compare_groups(table, "found").p < 0.05
    assert told / runs >= 0.9 - 2 * math.sqrt(0.09 / runs)


def test_what_was_known_before_makes_the_range_narrower_and_leaves_the_difference():
    plain, adjusted = [], []
    for seed in range(40):
        table = visits(seed, customers=600, lift=0.1)
        plain.append(compare_groups(table, "found"))
        adjusted.append(compare_groups(table, "found", before="before"))
    spread = [np.std([one.difference for one in found]) for found in (plain, adjusted)]
    assert spread[1] < 0.95 * spread[0]
    assert np.mean([one.error for one in adjusted]) < 0.95 * np.mean([one.error for one in plain])
    assert np.mean([a.difference for a in adjusted]) == pytest.approx(np.mean([p.difference for p in plain]), abs=0.02)  # fmt: skip


def test_rows_of_one_customer_do_not_count_as_many():
    """Each row five times over is no more evidence; a test of rows would think so."""
    table = visits(3)
    many = pd.concat([table] * 5)
    once, five = compare_groups(table, "found"), compare_groups(many, "found")
    assert five == pytest.approx(once)
    assert spread_of(many, "found") == pytest.approx(spread_of(table, "found"))


def test_a_look_says_what_a_comparison_of_the_rows_known_by_then_says():
    table = visits(5, lift=0.2)
    looks = always_valid(table, "found", 0.2).set_index("day")
    for day in (1, 4, 10):
        found = compare_groups(table[table["day"] <= day], "found")
        row = looks.loc[day]
        assert row["difference"] == pytest.approx(found.difference)
        assert (row["low_once"], row["high_once"]) == pytest.approx((found.low, found.high))
        assert row["customers"] == found.customers
        assert row["low"] < row["low_once"] < row["high_once"] < row["high"]
    assert looks["told"].is_monotonic_increasing


def test_before_there_are_enough_customers_nothing_is_told():
    table = visits(5, customers=90, lift=0.5)
    looks = always_valid(table, "found", 0.2)
    assert not looks["told"].any()
    assert np.isinf(looks["low"]).all()
    flat = visits(5, customers=400).assign(found=1.0)
    assert not always_valid(flat, "found", 0.2)["told"].any()


# ---- assignment


@settings(max_examples=examples(80), deadline=None)
@given(
    st.lists(st.one_of(st.integers(0, 10**9), st.text(max_size=8)), min_size=1, max_size=30),
    st.integers(1, 99),
    st.text(max_size=5),
)
def test_who_is_assigned_to_what_is_what_the_worlds_traffic_does(ids, percent, salt):
    shares = {"champion": percent / 100, "challenger": 1 - percent / 100, "nobody": 0.0}
    names = {name: lambda given: given.assign(churn_probability=0.1, call=False) for name in shares}
    customers = DataFrame({"customerID": pd.Series(ids, dtype=object)})
    served = split(names, shares, salt)(customers)
    ours = assign(customers["customerID"], shares, salt)
    asked = customers.assign(variant=ours)
    key = lambda table: sorted(zip(map(str, table["customerID"]), table["variant"], strict=True))  # noqa: E731
    assert key(asked) == key(served)


def test_the_same_customers_of_a_month_are_in_the_same_variant_in_the_world():
    both = split({"control": at_random, "treated": at_random}, HALVES, "june")
    tables = Shop(customers=300, products=60, seed=3, incidents=[]).play(1, both)
    seen = tables["telemetry"].merge(tables["sessions"], on="session_id")
    assert (assign(seen["customer_id"], HALVES, "june") == seen["variant"]).all()


def test_a_growing_share_keeps_its_customers_and_another_salt_shares_out_anew():
    ids = pd.Series(range(4_000), index=range(7, 4_007))
    small = assign(ids, {"canary": 0.1, "champion": 0.9}, "june")
    large = assign(ids, {"canary": 0.3, "champion": 0.7}, "june")
    assert small.index.equals(ids.index)
    assert set(ids[small == "canary"]) < set(ids[large == "canary"])
    assert (small == "canary").mean() == pytest.approx(0.1, abs=0.02)
    other = assign(ids, {"canary": 0.3, "champion": 0.7}, "july") == "canary"
    assert other[large == "canary"].mean() == pytest.approx(0.3, abs=0.05)


# ---- guard rails


@pytest.mark.parametrize(
    ("shift", "worst", "verdict"),
    [(0, -5, "kept"), (0, 5, "kept"), (-10, -5, "broken"), (10, 5, "broken"), (10, -5, "kept"), (-5, -5, "open"), (5, 5, "open")],
)  # fmt: skip
def test_a_guard_rail_is_kept_broken_or_open(shift, worst, verdict):
    rng = np.random.default_rng(1)
    table = DataFrame({"customer_id": range(2_000), "variant": ["control", "treated"] * 1_000})
    table["ms"] = rng.normal(100, 10, 2_000) + shift * (table["variant"] == "treated")
    assert guard_rails(table, {"ms": worst})["verdict"].tolist() == [verdict]


# ---- what is refused

GOOD = visits(1, customers=60)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (GOOD.assign(variant="control"), "two names"),
        (GOOD.assign(variant=["a", "b", "c"] * (len(GOOD) // 3) + ["a"] * (len(GOOD) % 3)), "two names"),
        (GOOD.assign(variant=["control", "treated"] * (len(GOOD) // 2) + ["control"] * (len(GOOD) % 2)), "in both variants"),
        (GOOD.assign(found=np.nan), "without found"),
        (GOOD.assign(found=np.inf), "row 1 holds"),
        (GOOD.assign(found="yes"), "row 1 holds 'yes'"),
        (GOOD.assign(customer_id=None), "without customer_id"),
        (GOOD.drop(columns="customer_id"), "lacks the column"),
        (GOOD[:0], "two names"),
        (GOOD[(GOOD["variant"] == "control") | (GOOD["customer_id"] == GOOD.loc[GOOD["variant"] == "treated", "customer_id"].iloc[0])], "1 customer"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_compared_is_refused(table, words):
    for compare in (compare_groups, lambda one, metric: always_valid(one, metric, 0.1)):
        with pytest.raises(ValueError, match=words):
            compare(table, "found")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sample_size(0, spread=0.5), "lift"),
        (lambda: sample_size(math.nan, spread=0.5), "lift"),
        (lambda: sample_size(0.1, spread=0), "standard deviation"),
        (lambda: sample_size(0.1, spread=math.inf), "standard deviation"),
        (lambda: assign([1, None], HALVES, "x"), "without id"),
        (lambda: assign([1, 2], {"a": 0.5, "b": 0.4}, "x"), "add up to 1"),
        (lambda: assign([1, 2], {"a": 50, "b": 50}, "x"), "write 0.5"),
        (lambda: guard_rails(GOOD, {"found": 0}), "worst difference"),
        (lambda: always_valid(GOOD, "found", 0), "lift"),
        (lambda: always_valid(GOOD.assign(day=None), "found", 0.1), "without day"),
        (lambda: compare_groups(GOOD, "found", before="found"), "different values for one customer"),
        (lambda: compare_groups(GOOD.assign(before=np.nan), "found", before="before"), "no value"),
        (lambda: spread_of(GOOD[GOOD["customer_id"] == GOOD["customer_id"][0]], "found"), "at least 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_what_to_type(call, words):
    with pytest.raises(ValueError, match=words):
        call()
