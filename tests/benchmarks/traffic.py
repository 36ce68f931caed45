"""How many requests a world sends to a service by HTTP: the comparison of `run.py bench traffic`."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from threading import local

import numpy as np
import pandas as pd
from pandas import DataFrame

from benchmarks.measure import Measure, served
from helpers.worlds.shop.month import Context
from helpers.worlds.traffic import over_http

_COUNT, _AT_ONCE, _GOAL_S = 4_000, 8, 5.0
_SERVICE = """
import sys
import uvicorn
from fastapi import FastAPI
app = FastAPI()
items = [{"product_id": place, "rank": place, "score": 1 / place} for place in range(1, 11)]
@app.post("/empty")
async def empty(message: dict):
    return {"request_id": message["request_id"], "items": items}
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", access_log=False)
"""


def bench_traffic() -> list[Measure]:
    """Send 4,000 requests to an empty FastAPI endpoint; beside it the standard library's client."""
    with served(_SERVICE) as (port, _):
        bare, ours = _bare(port), _ours(port)
    seconds = _COUNT / ours
    goal = f"at most {_GOAL_S:g} s for {_COUNT:,}"
    name = "http.client, nothing checked"
    return [
        Measure("requests to an empty FastAPI endpoint", ours, bare, name, "a second", "", None),
        Measure("the same in time", seconds, _COUNT / bare, name, "s", goal, seconds <= _GOAL_S),
    ]


def _ours(port):
    """Return requests a second through `over_http`."""
    number = np.arange(_COUNT)
    moment = pd.Timestamp("2024-10-01")
    sessions = DataFrame({"session_id": number, "customer_id": number, "started_at": moment})
    context = Context(1, moment, sessions, DataFrame(), DataFrame())
    decide = over_http(f"http://127.0.0.1:{port}/empty", at_once=_AT_ONCE)
    began = time.perf_counter()
    table = decide(context)
    seconds = time.perf_counter() - began
    failed = int(table["reason"].ne("").sum())
    if failed:
        raise RuntimeError(f"{failed:,} of {_COUNT:,} requests failed; all were to be answered.")
    return _COUNT / seconds


def _bare(port):
    """Return requests a second through `http.client` in threads, answers parsed and not looked at."""
    lines, kind = local(), {"Content-Type": "application/json"}

    def send(number):
        if not hasattr(lines, "own"):
            lines.own = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        message = {"request_id": str(number), "at": "2024-10-01T00:00:00", "k": 10, "customer_id": number}  # fmt: skip
        lines.own.request("POST", "/empty", json.dumps(message), kind)
        return json.loads(lines.own.getresponse().read())

    began = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(send, range(_COUNT)))
    return len(answers) / (time.perf_counter() - began)
