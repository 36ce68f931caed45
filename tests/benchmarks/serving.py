"""How much a service answers: the comparison of `run.py bench serving`.

The server has one core, the load generator another. Throughput is counted by the seconds of
computing that the server took, which a busy machine alters less than seconds. Rounds take turns, and
the best one counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests

from benchmarks.measure import Measure, served
from helpers.deployment.registry import check, promote, register, roll_back
from helpers.deployment.registry import served as versions_of
from helpers.deployment.service import Service, new_key, running
from helpers.etl.businesses import clean_telco
from helpers.training.churn import CHOSEN_LEVELS, logistic
from helpers.training.track import tracking
from helpers.worlds import Operator

_ROUNDS, _SECONDS, _LINES = 7, 0.8, 16
_SERVER = '''
import os, sys
from pathlib import Path
port, core, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
if core >= 0:
    os.sched_setaffinity(0, {core})
import copy, gc, json, time
import numpy as np, pandas as pd, uvicorn
from msgspec.structs import astuple
from fastapi import FastAPI
from helpers.deployment.answers import Lists, Scoring
from helpers.deployment.service import Route, Service, door, new_key
from helpers.etl.businesses import clean_telco
from helpers.files import TRUSTED
from helpers.training.churn import CHOSEN_LEVELS, candidates, logistic
from helpers.worlds import Operator

snapshots = Operator(subscribers=500, seed=1).history()["snapshots"]
raw, left = snapshots.drop(columns=["churned", "known_at", "scored_on"]), snapshots["churned"]
known = clean_telco(raw)
model = logistic(levels=CHOSEN_LEVELS).fit(known, left)
scoring = Scoring(model, known, 0.3, "1")
whole = Scoring(candidates(raw.assign(Churn=left))["logistic regression"].fit(raw, left), raw, 0.3, "1")
assert whole.lean
assert scoring.lean
rank = np.arange(1, 11)
popular = pd.DataFrame({"product_id": rank, "rank": rank, "score": 1 / rank})
lists = Lists(popular.assign(customer_id=42), popular, "1")
key = new_key(folder, "bench", ["predict", "recommend", "admin"], 1e9)

def again(kind, version):
    """Return the model as another version."""
    made = copy.copy(scoring)
    made.version = version
    return made

service = Service(folder, scoring, lists, load=again)

def of_raw(body):
    """Answer as `/predict` does, of the raw table: text, all columns."""
    request = whole.read(body)
    return whole.answer(request.request_id, whole.score(astuple(request.fields))), "1"

def table(body):
    """Answer as `/predict` does, with a table of one row for the model."""
    request = scoring.read(body)
    return scoring.answer(request.request_id, scoring.score_carefully(astuple(request.fields))), "1"

service.routes["/empty"] = Route("POST", "predict", lambda body: (b"{}", ""))
service.routes["/raw"] = Route("POST", "predict", of_raw)
service.routes["/table"] = Route("POST", "predict", table)

import mlflow.sklearn, mlflow.pyfunc
from mlflow.pyfunc.scoring_server import init
mlflow.sklearn.save_model(model, folder / "mlflow", pyfunc_predict_fn="predict_proba", pip_requirements=[], skops_trusted_types=TRUSTED)
theirs = init(mlflow.pyfunc.load_model(str(folder / "mlflow")))

framework = FastAPI()

@framework.post("/fastapi")
async def nothing():
    return {}

async def app(scope, receive, send):
    """Ours; MLflow's; FastAPI behind the same checks; and nothing at all."""
    if scope["type"] != "lifespan" and scope["path"] == "/mlflow":
        return await theirs({**scope, "path": "/invocations"}, receive, send)
    if scope["type"] == "lifespan" or scope["path"] not in ("/fastapi", "/bare"):
        return await service(scope, receive, send)
    if scope["path"] == "/bare":
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        return await send({"type": "http.response.body", "body": b"{}"})
    began, headers = time.perf_counter(), dict(scope["headers"])
    who = service._key(headers[b"authorization"])
    who.open("predict")
    await framework(scope, receive, send)
    service._account("/fastapi", 200, time.perf_counter() - began, b"trace", who, "", "")

def fields_of(one, table):
    row = table.dropna().iloc[0]
    return {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in one.columns}

(folder / "known.json").write_text(json.dumps({"key": key, "fields": fields_of(scoring, known), "raw": fields_of(whole, raw)}))
gc.collect()
gc.freeze()  # as `lifecycle serve` does
uvicorn.run(app, **door(port=port))
'''


def bench_serving() -> list[Measure]:
    """Compare a validated prediction with empty endpoints, with FastAPI's, and with a table a request."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    ours, theirs = (cores[0], cores[1]) if len(cores) > 1 else (-1, -1)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(ours, Path(folder)) as (port, known, server),
    ):
        if theirs >= 0:
            os.sched_setaffinity(0, {theirs})
        try:
            return list(_measures(port, known, server))
        finally:
            if theirs >= 0:
                os.sched_setaffinity(0, set(cores))


def _measures(port, known, server):
    score = {"request_id": "visit-1", "at": "2024-10-01T09:30:00", "fields": known["fields"]}
    visit = {"request_id": "visit-1", "at": "2024-10-01T09:30:00", "k": 10, "customer_id": 42}
    bodies = dict.fromkeys(("/predict", "/empty", "/bare", "/fastapi", "/table"), score)
    asked = {path: _request(path, body, known["key"]) for path, body in {**bodies, "/recommend": visit}.items()}  # fmt: skip
    rows = {"columns": list(known["fields"]), "data": [list(known["fields"].values())]}
    asked["/mlflow"] = _request("/mlflow", {"dataframe_split": rows}, known["key"])
    asked["/raw"] = _request("/raw", {**score, "fields": known["raw"]}, known["key"])
    found = {path: [] for path in asked}
    for _ in range(_ROUNDS):
        for path, data in asked.items():
            before = _computed(server)
            answered = len(asyncio.run(_load(port, data, 0.0)))
            found[path].append(answered / (_computed(server) - before))
    rate = {path: max(rounds) for path, rounds in found.items()}
    for path, name, goal in [
        ("/empty", "an empty endpoint, same checks", 0.7),
        ("/bare", "an empty endpoint, bare", 0.55),
        ("/fastapi", "FastAPI's empty endpoint, same checks", 2.0),
        ("/table", "a DataFrame for each request", 20.0),
        ("/mlflow", "MLflow's own scoring server, same pipeline", 10.0),
    ]:
        met = rate["/predict"] >= goal * rate[path]
        yield Measure(f"predictions, {len(known['fields'])} fields checked", rate["/predict"], rate[path], name, "a CPU s", f"at least {goal:g} of it", met)  # fmt: skip
    raw = f"the same, all {len(known['raw'])} raw columns"
    yield Measure(raw, rate["/raw"], rate["/empty"], "an empty endpoint, same checks", "a CPU s", "", None)  # fmt: skip
    yield Measure("lists, from the table", rate["/recommend"], rate["/empty"], "an empty endpoint, same checks", "a CPU s", "", None)  # fmt: skip
    half = len(asyncio.run(_load(port, asked["/empty"], 0.0))) / _SECONDS / 2
    late = {path: [] for path in ("/empty", "/predict", "/recommend")}
    for _ in range(_ROUNDS):
        for path, rounds in late.items():
            waits = asyncio.run(_load(port, asked[path], half))
            rounds.append(1_000 * sorted(waits)[int(0.99 * len(waits))])
    p99 = {path: statistics.median(rounds) for path, rounds in late.items()}
    for path in ("/predict", "/recommend"):
        met = p99[path] <= 2 * p99["/empty"]
        yield Measure(f"p99 of {path} at {half:,.0f} a second", p99[path], p99["/empty"], "the empty endpoint's", "ms", "at most 2 of it", met)  # fmt: skip
    failed, swaps = asyncio.run(_swapped(port, asked["/predict"], known["key"]))
    yield Measure(f"failed requests in {swaps} hot swaps under load", failed, None, "", "", "0", failed == 0)  # fmt: skip
    yield from _rolled_back()


def _computed(server):
    """Return the seconds of computing that the server took so far."""
    exact = list(
        Path(f"/proc/{server.pid}/task").glob("*/schedstat")
    )  # Linux has it to the nanosecond
    if not exact:
        return sum(server.cpu_times()[:2])
    return sum(int(thread.read_text().split()[0]) for thread in exact) / 1e9


def _request(path, message, key):
    body = json.dumps(message, separators=(",", ":")).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Line(asyncio.Protocol):
    """A connection that sends one request at a time and notes how long its answer took."""

    def __init__(self, data: bytes, waits: list, closed_loop: bool, idle: list):
        self.data, self.waits, self.closed_loop, self.idle = data, waits, closed_loop, idle
        self.heard, self.due, self.failed = b"", 0.0, 0

    def connection_made(self, transport):
        self.transport = transport

    def send(self, due: float) -> None:
        self.due = due
        self.transport.write(self.data)

    def data_received(self, data):
        self.heard += data
        head = self.heard.find(b"\r\n\r\n")
        if head < 0:
            return
        start = self.heard.index(b"content-length: ") + 16
        if len(self.heard) < head + 4 + int(self.heard[start : self.heard.index(b"\r", start)]):
            return
        self.failed += self.heard[9:12] != b"200"
        self.heard = b""
        now = time.perf_counter()
        self.waits.append(now - self.due)
        if self.closed_loop:
            self.send(now)
        else:
            self.due = 0.0
            self.idle.append(self)


async def _load(port, data, rate):
    """Load the service for a while: as fast as it answers, or at a rate; return how long each answer took."""
    loop, waits, idle = asyncio.get_running_loop(), [], []
    lines = [
        (await loop.create_connection(lambda: _Line(data, waits, not rate, idle), "127.0.0.1", port))[1]
        for _ in range(_LINES)
    ]  # fmt: skip
    began = time.perf_counter()
    if rate:
        idle += lines
        sent = 0
        while (now := time.perf_counter() - began) < _SECONDS:
            while sent < now * rate and idle:  # one that is late waits from when it was due
                idle.pop().send(began + sent / rate)
                sent += 1
            await asyncio.sleep(0)
    else:
        for line in lines:
            line.send(began)
        await asyncio.sleep(_SECONDS)
    await _end(lines)
    if any(line.failed for line in lines):
        raise RuntimeError(f"{sum(line.failed for line in lines)} requests were not answered.")
    return waits


async def _end(lines):
    """Wait for the answers that are under way, and close."""
    for line in lines:
        line.closed_loop = False
    over = time.perf_counter() + 20
    while any(line.due for line in lines) and time.perf_counter() < over:
        await asyncio.sleep(0.01)
    for line in lines:
        line.transport.close()


async def _swapped(port, data, key, swaps=100):
    """Swap versions while requests come; return how many failed, and the swaps."""
    loop, waits, failed = asyncio.get_running_loop(), [], 0
    made = [(await loop.create_connection(lambda: _Line(data, waits, True, []), "127.0.0.1", port))[1] for _ in range(4)]  # fmt: skip
    for line in made:
        line.send(time.perf_counter())
    for number in range(swaps):
        message = {"model": "score", "version": str(number)}
        idle = []
        _, one = await loop.create_connection(lambda idle=idle, message=message: _Line(_request("/admin/swap", message, key), [], False, idle), "127.0.0.1", port)  # fmt: skip
        one.send(0.0)
        while not idle:
            await asyncio.sleep(0.002)
        failed += one.failed
        one.transport.close()
    await _end(made)
    return failed + sum(line.failed for line in made), swaps


@contextmanager
def serving(core: int, folder: Path) -> Iterator[tuple[int, dict, psutil.Process]]:
    """Run the server until the block is left; yield its port, what to send, and its process."""
    with served(_SERVER, core, folder) as (port, process):
        known = json.loads((folder / "known.json").read_text(encoding="utf-8"))
        yield port, known, psutil.Process(process)


def _rolled_back(times=5):
    """Roll a version of the registry back, again and again; the longest time counts."""
    snapshots = Operator(subscribers=500, seed=1).history()["snapshots"]
    known, took, told = clean_telco(snapshots), [], []
    with tempfile.TemporaryDirectory() as folder:
        tracking(folder, "bench")
        for model in (logistic(["tenure"], []), logistic(levels=CHOSEN_LEVELS)):
            about = {"purpose": "to be timed", "limits": "not for customers"}
            new = register(model.fit(known, known["churned"]), "churn", known, 0.3, {}, about)
            asked = {"group": "SeniorCitizen", "seed": 1, "metric": "brier", "latency_ms": 60_000, "fairness": 0.0}  # fmt: skip
            check("churn", new, known, **asked)
            promote("churn", new)
        of_version, key = versions_of("churn"), new_key(folder, "bench", ["predict", "admin"])
        service = Service(folder, of_version("score", new), load=of_version)
        with running(service) as address, requests.Session() as web:
            web.headers["Authorization"] = f"Bearer {key}"
            row = known[service.serving["score"].columns].iloc[:1]
            visit = {"request_id": "a", "fields": json.loads(row.to_json(orient="records"))[0]}
            swap = {"model": "score", "version": "champion"}
            web.post(f"{address}/admin/swap", json={**swap, "version": "1"}).raise_for_status()
            web.post(f"{address}/admin/swap", json=swap).raise_for_status()
            for _ in range(times):
                began = time.perf_counter()
                back = roll_back("churn")
                took.append(time.perf_counter() - began)
                web.post(f"{address}/admin/roll_back", json={"model": "score"}).raise_for_status()
                answer = web.post(f"{address}/predict", json=visit).json()
                told.append(time.perf_counter() - began)
                if answer["model_version"] != back:
                    raise RuntimeError(f"Version {answer['model_version']} answered after a rollback to {back}.")  # fmt: skip
                check("churn", new, known, **asked)
                promote("churn", new)
                web.post(f"{address}/admin/swap", json=swap).raise_for_status()
    yield Measure("rollback in process, the longest of 5", max(took), None, "", "s", "within 1", max(took) <= 1)  # fmt: skip
    yield Measure("rollback until HTTP answers with the version before", max(told), None, "", "s", "within 1", max(told) <= 1)  # fmt: skip
