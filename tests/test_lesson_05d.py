"""Lesson 05d: its figures counted by other ways, and its claims on twenty seeds."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import SEEDS

from helpers.worlds import Shop

pytestmark = pytest.mark.slow

STEM = "05d_under_load"


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_lesson_says_holds_on_every_seed(played, seed):
    figures, cells = played(seed)
    asking, looking_up = cells["ways"].median()
    assert asking > 10 * looking_up > 0
    assert min(cells["parts"], key=cells["parts"].get) == "look up the list"
    assert cells["times"][0.5] < 6 < 22 < cells["times"][0.95] < 100
    assert cells["felt"]["p99"][0.7] < cells["PATIENCE_MS"] < cells["felt"]["p99"][0.95]
    *way, _ = cells["parts"].values()
    assert sum(way) == pytest.approx(cells["whole"].mean())
    in_time, told = cells["fates"]["in time"], cells["told"]
    assert in_time["refuse nobody"] < 0.1
    assert in_time["refuse early"] == pytest.approx(1 / 1.3, abs=0.03)
    assert told["refuse early"].max() <= cells["PATIENCE_MS"]  # nobody is served too late
    assert told["refuse nobody"].iloc[-1] > 10_000
    statuses = [one.status_code for one in cells["tries"].values()]
    assert statuses == [200, 422, 401, 400, 200, 429]
    assert cells["tries"]["the same, again"].headers["retry-after"]
    firing = cells["firing"]
    assert (firing["TooManyFallbacks"], cells["back"]) == ({13}, 13)
    assert set(firing.index) == {"Hasty", "TooManyFallbacks"}  # no request failed
    assert figures["false"] > 1
    share, bad = cells["share"], cells["bad"]
    assert share[bad].min() > 0.25 > 0.12 > share[~bad].max()
    assert cells["rang"] == {17: [], 18: ["ServiceDown"]}
    assert [one for one in cells["sought"] if one in cells["lines"]] == []
    assert set(cells["log"]) == {"at", "trace", "path", "status", "ms", "key", "version", "error"}
    asked_at_once = cells["scrapes"][-1]
    assert asked_at_once["value"].tolist() == [0.0]  # the process is gone


def test_the_waiting_is_that_of_the_theory_of_queues(played):
    _, cells = played(1)
    for load in (0.3, 0.6, 0.8):
        wait = 5 * load / (2 * (1 - load))  # Pollaczek and Khinchine, for answers of one length
        assert np.mean(cells["latency"](load)) - 5 == pytest.approx(wait, rel=0.05)
    # What is to do grows by an answer with each visit, shrinks in between, and is never below nothing.
    gaps = np.random.default_rng(1).exponential(5 / 0.7, 2_000)
    to_do = np.cumsum(5 - gaps[1:])
    found = to_do - np.minimum.accumulate(np.minimum(to_do, 0))
    assert cells["latency"](0.7, visits=2_000).tolist() == pytest.approx([5, *(5 + found)])


def test_the_shares_are_those_of_the_world_played_without_http(played):
    _, cells = played(1)
    shop, counted = Shop(customers=1_500, products=100, seed=1), {}

    def shown(lists, context):
        rows = []
        for _, visit in context.sessions.iterrows():
            answer = json.loads(lists.answer("a", int(visit["customer_id"]), context.k)[0])
            counted.setdefault(day.number, []).append(answer["fallback"])
            rows += [{"session_id": visit["session_id"], **item} for item in answer["items"]]
        return pd.DataFrame(rows)

    for day in shop.days(1):
        lists = cells["cut"] if day.number in (12, 13) else cells["lists"]
        day.play(lambda context, lists=lists: shown(lists, context))
        if day.number == 16:
            break
    share = cells["share"]
    assert share.to_dict() == pytest.approx({day: np.mean(told) for day, told in counted.items()})
    assert list(share.index) == list(range(1, 17))


def test_the_changes_it_proposes_keep_the_claims_true(played):
    _, cells = played(2, ANSWER_MS=20.0)
    assert cells["felt"]["p99"][0.3] < 100 < cells["felt"]["p99"][0.85]
    assert cells["fates"]["in time"]["refuse early"] > 0.7 > cells["fates"]["in time"]["refuse nobody"]  # fmt: skip
    _, cells = played(2, (("rush = 1.3", "rush = 3.0"),))
    assert cells["fates"]["in time"]["refuse early"] == pytest.approx(1 / 3, abs=0.02)
    edits = (('at_most=0.01, lasting="0s"', 'at_most=0.01, lasting="1d"'),)
    slower, _ = played(2, edits)
    assert slower["false"] < played(2)[0]["false"]
