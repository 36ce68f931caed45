"""How often a canary is judged rightly, and an A/B test peeked at daily: `run.py bench rollout`.

A hundred shops that no lesson uses, each with a month played at equal shares: a canary as good as the
champion, better, five points and ten points worse. What is fed each evening is what a month played in
days tells by then. The A/A tests are those of the month in which both are equal, the customers shared
out anew ten times in each shop: nobody sees anything else for it.
"""

from __future__ import annotations

import copy
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from benchmarks.measure import Measure
from helpers.deployment.experiment import always_valid, assign, sample_size
from helpers.deployment.rollout import Canary
from helpers.training.recommend import PersonalBestsellers
from helpers.worlds import Shop
from helpers.worlds.shop import ShopTruth, at_random, serve
from helpers.worlds.traffic import split

SEEDS = range(1_001, 1_101)
# What a part of the visits is answered by chance for; of "better", by the best lists there are.
LOSSES = {"ten points worse": 0.1, "five points worse": 0.05, "equal": 0.0, "better": -0.15}
HALVES = {"champion": 0.5, "canary": 0.5}
_CUSTOMERS, _SALTS, _LIFT = 10_000, 10, 0.1


def bench_rollout() -> list[Measure]:
    """Judge canaries in a hundred shops, and a thousand A/A tests in them."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        shops = list(pool.map(judged, SEEDS))
    rolled = {name: [one[name] for one in shops] for name in LOSSES}
    within = {
        name: sum(verdict == "roll back" and answers <= most for verdict, answers in rolled[name])
        for name, most in [("ten points worse", 1_500), ("five points worse", 3_500)]
    }
    kept = {
        name: sum(verdict != "roll back" for verdict, _ in rolled[name])
        for name in ("equal", "better")
    }
    once, always = np.mean([told for one in shops for told in one["equal pairs"]], axis=0)
    power = np.mean([one["told"] for one in shops])
    seconds = sum(one["seconds"] for one in shops)
    shown = f"of {len(shops)}"
    return [
        Measure("ten points worse: rolled back within 1,500 answers", within["ten points worse"], None, "", shown, "at least 95", within["ten points worse"] >= 95),
        Measure("five points worse: within 3,500", within["five points worse"], None, "", shown, "at least 90", within["five points worse"] >= 90),
        Measure("as good: not rolled back", kept["equal"], None, "", shown, "at least 95", kept["equal"] >= 95),
        Measure("better: not rolled back", kept["better"], None, "", shown, "at least 95", kept["better"] >= 95),
        Measure("the rule on all of them", seconds, None, "", "s", "at most 60 s", seconds <= 60),
        Measure("A/A tests peeked at daily: false alarms", always, once, "a test for one look", "", "at most 0.05", always <= 0.05),
        Measure("power at the lift for which it was sized", power, None, "", "", "at least 0.9", power >= 0.9),
    ]  # fmt: skip


def judged(seed: int) -> dict:
    """Play a month of one shop with each canary; return what was decided, and the seconds of the rule."""
    shop = Shop(customers=_CUSTOMERS, seed=seed, incidents=[])
    past, truth = shop.history(), ShopTruth(shop)
    good = serve(PersonalBestsellers().fit(past["orders"], past["products"]).recommend)
    ahead = truth.expected_accuracy(1, good) - truth.expected_accuracy(1, at_random)
    said, seconds = {}, 0.0
    for name, loss in LOSSES.items():
        canary = good
        if loss:
            canary = mixed(good, at_random if loss > 0 else truth.oracle, abs(loss) / ahead)
        tables = copy.copy(shop).play(1, split({"champion": good, "canary": canary}, HALVES, "may"))
        visits = by_evening(tables)
        began = time.process_time()
        said[name] = verdict_of(visits)
        seconds += time.process_time() - began
        if name == "equal":
            said["equal pairs"] = [peeked(visits, f"salt {salt}") for salt in range(_SALTS)]
        if name == "ten points worse":
            said["told"] = told(visits)
    return {**said, "seconds": seconds}


def mixed(good, other, part):
    """Make a decide that answers a part of the sessions as another one does."""

    def decide(context):
        hard = context.sessions["session_id"] * 2_654_435_761 % 10_007 < part * 10_007
        answers = []
        for which, one in ((~hard, good), (hard, other)):
            mine = context.sessions[which].reset_index(drop=True)
            answers.append(one(replace(context, sessions=mine)))
        return pd.concat(answers, ignore_index=True)

    return decide


def by_evening(tables) -> DataFrame:
    """Return the visits of a month, each with the day on whose evening it is known."""
    visits = tables["telemetry"].merge(tables["sessions"], on="session_id")
    feedback = tables["feedback"].set_index("session_id")
    answered = visits["session_id"].map(feedback["answered_at"])
    known = answered.fillna(visits["requested_at"]) - visits["requested_at"].min().normalize()
    return visits.assign(
        found=visits["session_id"].map(feedback["found_something"].astype(float)),
        failed=visits["fallback"],
        clicked=visits["session_id"].isin(tables["clicks"]["session_id"]),
        bought=visits["session_id"].isin(tables["orders"].query("channel == 'list'")["session_id"]),
        day=known.dt.days + 1,
    )


def verdict_of(visits) -> tuple[str, int]:
    """Feed a canary evening by evening; return its verdict, and the answers until then."""
    canary = Canary({"found": "fall", "failed": "rise"}, steps=[0.5], hints=["clicked", "bought"])
    answers = 0
    for _, today in visits.groupby("day"):
        verdict = canary.evening(today).verdict
        answers += int(today["found"].notna().sum())
        if verdict in ("roll back", "promote"):
            break
    return verdict, answers


def peeked(visits, salt) -> tuple[bool, bool]:
    """Share equal customers out anew; whether a test for one look and ours tell a difference."""
    rows = visits.dropna(subset="found")
    rows = rows.assign(variant=assign(rows["customer_id"], HALVES, salt))
    looks = always_valid(rows, "found", _LIFT, control="champion")
    naive = looks["low_once"].gt(0) | looks["high_once"].lt(0)
    return bool(naive.any()), bool(looks["told"].iloc[-1])


def told(visits) -> bool:
    """Whether ours tells ten points by the time at which the sample for them is full."""
    rows = visits.dropna(subset="found").sort_values("day", kind="stable")
    size = sample_size(-_LIFT, spread=0.43, sequential=True)  # of shares of 0.8 and 0.7
    number = Series(pd.factorize(rows["customer_id"])[0], index=rows.index)
    looks = always_valid(rows[number < size], "found", _LIFT, control="champion")
    return bool(looks["told"].iloc[-1])
