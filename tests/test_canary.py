"""A canary in days: a challenger serves a few customers and is rolled back before the month ends."""

import socket
import subprocess
import sys
import time
import zlib

import pandas as pd
import pytest
from conftest import first_always
from scipy.stats import binom

from helpers.lifecycle import sends_back
from helpers.worlds import Operator, Shop
from helpers.worlds.play import CannotPlay
from helpers.worlds.service import failures
from helpers.worlds.shop import at_random
from helpers.worlds.traffic import as_version, hold_out, over_http, shadow, split

PATIENT_S = 60
SERVICE = '''
import asyncio, zlib
from fastapi import FastAPI, HTTPException

app = FastAPI()

@app.post("/{version}")
async def answer(version: str, request: dict):
    """Answer for either world; `slow` takes its time, `failing` has every third request fail."""
    if version == "failing" and zlib.crc32(request["request_id"].encode()) % 3 == 0:
        raise HTTPException(500)
    await asyncio.sleep(0.4 if version == "slow" else 0)
    said = {"request_id": request["request_id"], "model_version": version}
    if "k" in request:
        return said | {"items": [{"product_id": n, "rank": n} for n in range(1, request["k"] + 1)]}
    free = request["fields"]["Contract"] == "Month-to-month"
    return said | {"probability": 0.4 if free else 0.1, "decision": free}
'''


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The address of a FastAPI service in a process of its own, up to the version."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "service.py").write_text(SERVICE, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port), "--log-level", "error"]  # fmt: skip
    with subprocess.Popen(command, cwd=folder) as process:
        over = time.monotonic() + PATIENT_S
        while not listens(port):
            assert process.poll() is None
            assert time.monotonic() < over
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        process.kill()


def ten(context, last=False):
    """Show everybody the first, or the last, ten products."""
    products = context.products[["product_id"]]
    some = products.tail(10) if last else products.head(10)
    return context.sessions[["session_id"]].merge(some.assign(rank=range(1, 11)), how="cross")


def call_some(customers, contract="Month-to-month"):
    """Call those with a contract."""
    call = customers["Contract"].eq(contract)
    return customers[["customerID"]].assign(
        churn_probability=call.map({True: 0.4, False: 0.1}), call=call
    )


WORLDS = {
    "shop": (lambda: Shop(customers=300, products=60, seed=7), ten, lambda given: ten(given, last=True)),
    "operator": (lambda: Operator(subscribers=300, seed=7), call_some, lambda given: call_some(given, "One year")),
}  # fmt: skip
TELEMETRY = {"shop": "telemetry", "operator": "requests"}


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


# ---- the canary: thirty lines

SHARES = {"champion": 0.95, "canary": 0.05}
CHANCE = 0.001  # of rolling back a canary that fails as often as the champion, on one evening


def is_worse(telemetry):
    """Does the canary fail more often than chance, or answer half as fast, as far as is known?"""
    champion, canary = (telemetry[telemetry["variant"] == name] for name in SHARES)
    usual = (champion["fallback"].sum() + 1) / (len(champion) + 2)
    failures = binom.sf(canary["fallback"].sum() - 1, len(canary), usual) < CHANCE
    slower = canary["latency_ms"].median() > 2 * champion["latency_ms"].median()
    return failures or (slower and len(canary) >= 20)


def run_canary(world, champion, canary):
    """Play the next month with a canary; return the day on which it was rolled back, and the tables."""
    variants, month = {"champion": champion, "canary": canary}, world.days(world.next_month)
    decide, telemetry, rolled_back = split(variants, SHARES, "canary"), [], None
    for day in month:
        telemetry.append(day.play(decide)["telemetry"])
        if rolled_back is None and is_worse(pd.concat(telemetry)):
            rolled_back = day.number
            decide = split(variants, {"champion": 1, "canary": 0}, "canary")
    return rolled_back, month.tables


# ---- what it finds


@pytest.mark.parametrize("bad", first_always(["failing", "slow"]))
def test_a_bad_canary_is_rolled_back_before_the_month_ends(service, bad):
    shop = Shop(customers=1_000, products=60, seed=7, incidents=[])
    good = over_http(f"{service}/good", timeout_s=PATIENT_S)
    canary = as_version(over_http(f"{service}/{bad}", timeout_s=PATIENT_S), bad)
    day, tables = run_canary(shop, good, canary)
    assert day is not None
    assert day < 25
    telemetry = tables["telemetry"]
    later = telemetry["requested_at"].dt.day > day
    assert set(telemetry.loc[later, "variant"]) == {"champion"}
    assert set(telemetry.loc[later, "model_version"]) == {"good"}
    canary = telemetry[telemetry["variant"] == "canary"]
    assert set(canary["model_version"]) == {bad}
    if bad == "failing":
        assert set(canary.loc[canary["fallback"], "reason"]) <= {"error", "refused"}
        assert canary["fallback"].mean() > 5 * telemetry["fallback"][later].mean()
    else:
        assert canary["latency_ms"].median() >= 400
    assert set(tables["impressions"]["variant"]) == {"champion", "canary"}


@pytest.mark.parametrize("seed", first_always(range(1, 11)))
def test_a_canary_as_good_as_the_champion_stays(seed):
    shop = Shop(customers=1_000, products=60, seed=seed, incidents=[])
    day, tables = run_canary(shop, as_version(at_random, "1"), as_version(at_random, "2"))
    assert day is None
    served = tables["telemetry"].merge(tables["sessions"], on="session_id")
    assert served.groupby("customer_id")["variant"].nunique().max() == 1
    assert 0.01 < served["variant"].eq("canary").mean() < 0.12


@pytest.mark.parametrize("kind", WORLDS)
def test_a_version_that_fails_too_often_is_a_finding_and_no_exception(kind):
    world, decide, _ = WORLDS[kind]
    name, answer = {
        "shop": ("session_id", "product_id"),
        "operator": ("customerID", "churn_probability"),
    }[kind]

    def lazy(given):  # every eighth answer or so is none
        told = decide(given)
        hard = told[name].map(lambda one: zlib.crc32(str(one).encode()) % 8 == 0)
        return told.assign(model_version="lazy", **{answer: told[answer].mask(hard)})

    halves = split(
        {"good": as_version(decide, "good"), "lazy": lazy}, {"good": 0.5, "lazy": 0.5}, "x"
    )
    telemetry = world().play(1, halves)[TELEMETRY[kind]]
    seen = {one.what.split()[1]: one.seen for one in failures(telemetry, limit=0.05)}
    assert seen == {"good": False, "lazy": True}
    assert not any(one.seen for one in failures(telemetry, limit=0.5))
    table = sends_back(*failures(telemetry))
    assert table["seen here"].tolist() == ["no", "yes"]
    with pytest.raises(CannotPlay, match="limit"):
        failures(telemetry, limit=5)


def test_a_slow_version_is_exchanged_between_two_days(service):
    shop = Shop(customers=200, products=60, seed=7, incidents=[])
    month = shop.days(1)
    for day in month:
        version = "slow" if day.number < 3 else "good"
        day.play(over_http(f"{service}/{version}", timeout_s=PATIENT_S, at_once=16))
    telemetry = month.tables["telemetry"]
    early = telemetry["requested_at"].dt.day < 3
    assert set(telemetry.loc[early, "model_version"]) == {"slow"}
    assert set(telemetry.loc[~early, "model_version"]) == {"good"}
    assert telemetry.loc[early, "latency_ms"].min() >= 400
    assert telemetry.loc[~early, "latency_ms"].median() < 400


# ---- a shadow, in days


@pytest.mark.parametrize("kind", first_always(WORLDS))
def test_a_shadow_changes_nothing_that_the_customers_see(kind):
    world, decide, other = WORLDS[kind]
    decide, other = as_version(decide, "1"), as_version(other, "2")
    plain, shadowed = play_days(world(), decide), play_days(world(), shadow(decide, other))
    hidden = [plain.pop("shadow"), shadowed.pop("shadow")]
    assert set(plain) == set(shadowed)
    for name, table in plain.items():
        pd.testing.assert_frame_equal(table, shadowed[name], obj=name)
    assert hidden[0].empty
    assert set(hidden[1]["model_version"]) == {"2"}
    first, second = next(iter(world().days(1))), next(iter(world().days(1)))
    with pytest.warns(UserWarning, match="Nothing of the shadow"):
        broken = second.play(shadow(decide, lambda given: 1 / 0))
    for name, table in first.play(decide).items():
        pd.testing.assert_frame_equal(table, broken[name], obj=name)


@pytest.mark.parametrize("kind", first_always(reversed(WORLDS)))
def test_a_split_month_in_days_is_the_month_at_once(kind):
    world, decide, other = WORLDS[kind]
    halves = {"a": 0.5, "b": 0.5}
    both = split({"a": as_version(decide, "1"), "b": as_version(other, "2")}, halves, "june")
    days, once = play_days(world(), both), world().play(1, both)
    for name, table in once.items():
        pd.testing.assert_frame_equal(table, days[name], obj=name)
    told = once[TELEMETRY[kind]]
    assert told.groupby("variant")["model_version"].unique().map(list).to_dict() == {
        "a": ["1"],
        "b": ["2"],
    }


@pytest.mark.parametrize("kind", first_always(reversed(WORLDS)))
def test_what_two_services_answer_stands_in_a_month_in_days(service, kind):
    names = ["good", "failing"]
    services = {
        name: as_version(over_http(f"{service}/{name}", timeout_s=PATIENT_S), name)
        for name in names
    }
    tables = play_days(WORLDS[kind][0](), split(services, dict.fromkeys(names, 0.5), "june"))
    told = tables[TELEMETRY[kind]]
    assert (told["variant"] == told["model_version"]).all()
    failed = told[told["variant"].eq("failing")]["fallback"]
    assert 0.15 < failed.mean() < 0.5
    assert told[told["variant"].eq("good")]["fallback"].mean() < 0.05
    assert set(told.loc[told["fallback"], "reason"]) <= {"error", "refused", "timeout"}
    for name in ["impressions", "orders"] if kind == "shop" else ["calls"]:
        assert set(tables[name]["model_version"]) == set(names), name


def test_a_hold_out_is_called_by_nobody_in_any_month():
    world = Operator(subscribers=300, seed=7)
    everybody = lambda customers: customers[["customerID"]].assign(churn_probability=0.9, call=True)  # noqa: E731
    held, called = set(), set()
    for month in [1, 2]:
        tables = play_days(world, hold_out(everybody, 0.2, "year 1"), month)
        requests = tables["requests"]
        now = set(requests.loc[requests["variant"].eq("hold-out"), "customerID"])
        assert {*held & set(requests["customerID"])} <= now
        held, called = held | now, called | set(tables["calls"]["customerID"])
    assert len(held) > 30
    assert not held & called
    assert set(tables["calls"]["variant"]) == {"treated"}


def play_days(world, decide, number=1):
    month = world.days(number)
    for day in month:
        day.play(decide)
    return month.tables
