"""Lesson 02d on permission and privacy: its claims on twenty seeds, and counts done another way."""

import hashlib
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from conftest import SEEDS
from scipy.stats import norm

from helpers.training.recommend import PersonalBestsellers
from helpers.worlds.sources import SourcesTruth

pytestmark = pytest.mark.slow

STEM = "02d_permission_and_privacy"


@pytest.mark.parametrize("seed", SEEDS)
def test_only_who_agreed_last_is_written_to(played, seed):
    figures, cells = played(seed)
    clean = SourcesTruth(cells["sources"]).clean("profiles").sort_values("entered_at")
    assert clean["entry_id"].is_monotonic_increasing  # entries count in the order of typing
    answer = dict(zip(clean["customer_id"], clean["email_consent"], strict=True))
    assert cells["may_write"] == {customer for customer, yes in answer.items() if yes}
    assert figures["may"] == pytest.approx(len(cells["may_write"]) / cells["CUSTOMERS"])
    assert cells["forms"]["agreed"].mean() > 2 * figures["may"]  # the tempting figure


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hash_hides_nobody_and_a_pseudonym_is_as_safe_as_its_secret(played, seed):
    _, cells = played(seed)
    assert cells["turned"] == {"hash": [1, 0, 0], "pseudonym": [0, 0, 1]}
    assert cells["hidden"]["pseudonym"].is_unique  # tables can still be joined
    one = str(cells["ids"].iloc[0]).encode()
    assert cells["hidden"]["hash"].iloc[0] == hashlib.sha256(one).hexdigest()


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_alone_is_counted_without_pandas(played, seed):
    figures, cells = played(seed)
    rows = [tuple(map(str, row)) for row in cells["people"][cells["columns"]].to_numpy()]
    for n, share in enumerate(cells["alone"].values(), 1):
        counts = Counter(row[:n] for row in rows)
        assert share == pytest.approx(sum(c == 1 for c in counts.values()) / len(rows))
    assert figures["alone"] > 0.8  # with one spelling: "Dry" and "dry" are no two kinds of people
    assert set(cells["people"]["skin"].dropna()) == {"com", "dry", "nor", "oil"}
    coarse, sizes = cells["coarse"], cells["sizes"]
    who = list(zip(coarse["skin"].astype(str), coarse["band"].astype(str), strict=True))
    few = sum(who.count(one) < cells["K"] for one in who) / len(who)
    assert sizes["coarsened"].lt(cells["K"]).mean() == pytest.approx(few)
    assert sizes["coarsened"].eq(1).mean() < 0.03
    assert sizes["coarsened"].lt(cells["K"]).mean() < 0.1
    assert set(coarse["skin"].dropna()) == {"com", "dry", "nor", "oil"}


@pytest.mark.parametrize("seed", SEEDS)
def test_of_many_samples_nineteen_in_twenty_cover_the_truth(played, seed):
    _, cells = played(seed)
    assert 0.91 < cells["covered"] < 0.985
    share = cells["share"]
    assert (share["low"] < share["mean"]).all()
    assert (share["mean"] < share["high"]).all()
    assert share["size"].sum() <= cells["feedback"]["customer_id"].nunique()
    z, n, p = norm.ppf(0.975), share["size"], share["mean"]  # Wilson (1927), by hand
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    assert share["low"].to_list() == pytest.approx((middle - half).to_list())


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_skin_type_is_worth_and_what_certainty_would_save(played, seed):
    figures, cells = played(seed)
    gain, error = cells["gain"], cells["error"]
    mean = gain * cells["year"] - cells["cost"]
    spread = error * cells["year"]
    assert cells["expected"] == pytest.approx(mean, abs=0.02 * spread)
    knowing = mean * norm.cdf(mean / spread) + spread * norm.pdf(mean / spread)
    assert cells["information"] == pytest.approx(knowing - max(mean, 0), abs=0.01 * spread)
    said = "pay for the forms" if cells["expected"] > 0 else "do not pay for the forms for this"
    assert figures["verdict"] == said
    bought = cells["orders"]["session_id"].nunique()  # the exam sees only visits that bought
    assert cells["year"] == bought * cells["HIT_EUR"]
    assert bought < len(cells["history"]["sessions"])
    assert cells["change"].index.is_unique
    assert len(cells["change"]) == cells["exam"]["session_id"].nunique()


@pytest.mark.parametrize("seed", SEEDS)
def test_who_the_customer_is_decides(played, seed):
    _, cells = played(seed)
    assert cells["critical"]
    assert cells["lost"].mean() > 0.1
    assert abs(cells["gain"]) < cells["lost"].mean()
    visits = cells["exam"].groupby("session_id")
    model = PersonalBestsellers().fit(
        cells["past"], cells["products"], on=pd.Timestamp("2024-09-01")
    )
    lists = model.recommend(cells["buyers"], 10).groupby("customer_id")["product_id"].agg(set)
    found = [bool(set(v["product_id"]) & lists[v["customer_id"].iloc[0]]) for _, v in visits]
    assert cells["full"].mean() == pytest.approx(np.mean(found))


@pytest.mark.parametrize("seed", SEEDS)
def test_new_products_are_missed_until_orders_of_them_have_come(played, seed):
    _, cells = played(seed)
    launched = cells["launched"]
    assert (launched["new"] < launched["old"]).all()
    assert cells["missed"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_feed_fell_silent_and_not_the_customers(played, seed):
    figures, cells = played(seed)
    seen = cells["seen"]
    assert (seen["quiet twin"] == 1).all()
    assert seen["this shop"].iloc[0] == 1
    assert seen["this shop"].iloc[2] < 0.85
    assert cells["silent"]
    assert figures["feed"] == "A feed went silent."
    orders = [played_month["orders"] for played_month in cells["months"].values()]
    again = [played_month["orders"] for played_month in cells["twin"].values()]
    for one, other in zip(orders, again, strict=True):
        pd.testing.assert_frame_equal(one, other)  # the customers did the same


@pytest.mark.parametrize("seed", SEEDS)
def test_the_learning_curve_says_what_its_last_step_says(played, seed):
    _, cells = played(seed)
    curve, last = cells["curve"], cells["last"]
    assert list(curve.index) == sorted(curve.index)
    assert curve["share"].iloc[-1] - curve["share"].iloc[-2] == pytest.approx(last.mean())
    assert curve["share"].iloc[-1] > curve["share"].iloc[0]
    assert cells["rising"] == (last.mean() > 1.96 * last.std() / len(last) ** 0.5)
    assert ("still rising" in cells["title"]) == cells["rising"]


def test_a_shop_without_a_dead_feed_is_told_so(played):
    figures, cells = played(2, (('story="02d"', 'story="00"'),))
    assert not cells["silent"]
    assert figures["feed"] == "No feed went silent."


def test_where_the_column_helps_the_shop_pays(played):
    edits = (("gain, error = change.mean(),", "gain, error = -change.mean() + 0.2,"),)
    figures, cells = played(2, edits)
    assert cells["expected"] > 0
    assert figures["verdict"] == "pay for the forms"


def test_what_your_turn_proposes_runs(played):
    _, five = played(3)
    _, ten = played(3, K=10)
    assert ten["sizes"].lt(10).mean()["coarsened"] >= five["sizes"].lt(5).mean()["coarsened"]
    _, cheap = played(3, FORM_EUR=0.1, HIT_EUR=50.0)
    assert cheap["information"] >= five["information"]
    _, large = played(3, CUSTOMERS=2_000)
    assert large["alone"]["+ month of joining"] < five["alone"]["+ month of joining"]
