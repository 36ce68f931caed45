"""Stage 5: a service that answers over HTTP: keys, limits, ids, metrics, a log, and a fallback.

The way of a request: uvicorn reads it (`_Door` bounds its size and time), `Service` checks the key and
the limits, the body is decoded and checked in one step, a model or a table answers. A learner's call:
`with running(Service(folder, score=scoring, lists=lists)) as address: ...`
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import itertools
import json
import math
import re
import secrets
import socket
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta
from msgspec.structs import astuple
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from helpers.deployment.answers import (
    ID,
    TRACE,
    Id,
    ListAnswer,
    ListRequest,
    Lists,
    Moment,
    Number,
    Prediction,
    Predictions,
    Refused,
    ScoreAnswer,
    Scoring,
    Version,
    read_json,
)
from helpers.deployment.docs import Refusal, openapi, page
from helpers.files import write_whole

SCOPES = ("predict", "recommend", "feedback", "metrics", "admin")
KEYS_FILE, LOG_FILE, FEEDBACK_FILE, SERVING_FILE = "keys.json", "requests.jsonl", "feedback.db", "serving.json"  # fmt: skip
_JSON, _TEXT = b"application/json", b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_IDLE_S = 30.0  # that a connection may say nothing
_IS_TRACE = re.compile(TRACE.encode()).fullmatch


@dataclass(frozen=True)
class Limits:
    """What a service puts up with."""

    body_bytes: int = 65_536
    head_bytes: int = 16_384
    read_s: float = 5.0  # until a request has to be here whole
    answer_s: float = 1.0  # until a model has to answer; then the version before does
    waiting: int = 64  # requests that wait for a model that takes care; the next are refused (503)


def new_key(folder: str | Path, name: str, scopes: list[str], per_second: float = 1_000) -> str:
    """Make a key to a service and return it; only its hash is kept, in `keys.json` of the folder.

    Parameters
    ----------
    folder : of the service.
    name : whose key it is; a key of this name is replaced.
    scopes : what it opens, of `SCOPES`.
    per_second : requests that are answered; as many may come at once.

    Raises
    ------
    ValueError
        If a scope or the name is unknown to the form.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> key = new_key(folder, "web", ["recommend"])
    >>> key[:8], key[8:] in (folder / "keys.json").read_text()
    ('lab_web_', False)
    """
    if unknown := sorted(set(scopes) - set(SCOPES)) or not scopes:
        raise ValueError(f"scopes is a list of {', '.join(SCOPES)}; got {unknown or scopes}. Name what the key is to open.")  # fmt: skip
    if not re.fullmatch("[a-z0-9-]{1,40}", name) or not per_second > 0:
        raise ValueError(f"name is 1 to 40 of a-z, 0-9 and -, per_second is above 0; got {name!r}, {per_second}. Choose others.")  # fmt: skip
    path, secret = Path(folder) / KEYS_FILE, secrets.token_urlsafe(32)
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept[name] = {"sha256": hashlib.sha256(secret.encode()).hexdigest(), "scopes": list(scopes), "per_second": per_second}  # fmt: skip
    write_whole(path, json.dumps(kept, indent=1) + "\n").chmod(0o600)
    return f"lab_{name}_{secret}"


class _Key:
    """What is kept of a key, and how many requests it may still send: a bucket that fills by the second."""

    def __init__(self, name, kept):
        self.name, self.scopes = name, frozenset(kept["scopes"])
        self.hash, self.rate = bytes.fromhex(kept["sha256"]), kept["per_second"]
        self.left, self.seen = max(1.0, self.rate), time.monotonic()

    def open(self, scope):
        """Count a request; refuse it if the key is used too fast or does not open `scope`."""
        now = time.monotonic()
        self.left = min(max(1.0, self.rate), self.left + (now - self.seen) * self.rate)
        self.seen = now
        if self.left < 1:
            wait = math.ceil((1 - self.left) / self.rate)
            raise Refused(429, "too many requests", f"The key {self.name!r} is good for {self.rate:g} requests a second. Wait, then send again.", _later(wait))  # fmt: skip
        self.left -= 1
        if scope not in self.scopes:
            raise Refused(403, "key of another scope", f"This key does not open {scope!r}. Ask for one that does.")  # fmt: skip


def _later(seconds):
    """Return the header that says when to come again."""
    return ((b"retry-after", b"%d" % seconds),)


class FeedbackRequest(msgspec.Struct):
    """What became of an answer, such as bought or left. Sent twice, it is kept once."""

    request_id: Id
    outcome: Annotated[str, Meta(pattern=ID, max_length=40, examples=["bought"])]
    value: Number | None = None
    at: Moment | None = None


class Stored(msgspec.Struct):
    request_id: str
    stored: bool


class Ready(msgspec.Struct):
    """Which version of each kind of model answers."""

    ready: bool
    versions: dict[str, str]


class Alive(msgspec.Struct):
    alive: bool


class RollBackRequest(msgspec.Struct):
    """Of which model the version before is to answer again."""

    model: Literal["score", "lists"]


class SwapRequest(RollBackRequest):
    """Which version is to answer from now on."""

    version: Version


class _Feedback:
    """What customers did, in a database; a row is acknowledged only once it is committed."""

    _TABLE = "CREATE TABLE IF NOT EXISTS feedback (request_id VARCHAR(100), outcome VARCHAR(40), value DOUBLE PRECISION, at VARCHAR(40), PRIMARY KEY (request_id, outcome))"  # fmt: skip
    _ROW = "INSERT INTO feedback VALUES (:request_id, :outcome, :value, :at) ON CONFLICT (request_id, outcome) DO UPDATE SET value = excluded.value, at = excluded.at"  # fmt: skip

    def __init__(self, url):
        self._engine, self._thread = create_engine(url), ThreadPoolExecutor(1)
        self._write(self._TABLE)

    def _write(self, statement, row=None):
        with self._engine.begin() as connection:
            connection.execute(text(statement), row)

    async def add(self, row):
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, self._ROW, row)  # fmt: skip
        except SQLAlchemyError:
            raise Refused(503, "not stored", "The feedback could not be stored. Send it again later.", _later(5)) from None  # fmt: skip

    def close(self):
        self._thread.shutdown()
        self._engine.dispose()


class _Noted(msgspec.Struct, gc=False):
    """A line of the log."""

    at: float
    trace: str
    path: str
    status: int
    ms: float
    key: str | None
    version: str
    error: str


def _too_large(most):
    return Refused(413, "too large", f"The body is larger than {most:,} bytes. Send less at once.")


class Route(NamedTuple):
    """What answers at a path: `answer(body)` gives bytes and what the log notes of them, at once or awaited."""

    method: str
    scope: str  # that the key needs; "" for no key
    answer: Callable[[bytes], Any]
    kind: bytes = _JSON
    about: str = ""
    takes: Any = None  # the form of the body, and of the answer
    gives: Any = None
    refusals: tuple[int, ...] = ()  # beside those of keys and bodies


class Service:
    """An ASGI application that answers for one model of scores and one of lists.

    Parameters
    ----------
    folder : holds the keys (`new_key`), the log and the feedback.
    score, lists : what answers at `/predict` and `/recommend`.
    load : gives the model of a kind ("score", "lists") and version, for `/admin/swap`; what was swapped
        in that way answers after a new start, too, and in all workers of the folder.
    feedback_url : of a PostgreSQL database; else the feedback is in an SQLite file of the folder.
    limits : what it puts up with.

    Attributes
    ----------
    serving : kind -> the model that answers. routes : path -> what answers there.
    """

    def __init__(
        self,
        folder: str | Path,
        score: Scoring | None = None,
        lists: Lists | None = None,
        load: Callable[[str, str], Scoring | Lists] | None = None,
        feedback_url: str = "",
        limits: Limits | None = None,
    ):
        self.folder, self.load, self.limits = Path(folder), load, limits or Limits()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.serving = {one.kind: one for one in (score, lists) if one is not None}
        self._before: dict[str, Any] = {}
        here = f"sqlite:///{(self.folder / FEEDBACK_FILE).resolve().as_posix()}"
        self._feedback, self._url = None, feedback_url or here
        self._ready, self._logged, self._looked = False, [], {}
        self._keys: dict[bytes, _Key] = {}
        self._read_keys()
        self._start, self._count = secrets.token_hex(4).encode(), itertools.count()
        self._pool, self._waits = ThreadPoolExecutor(4, "careful"), 0
        # (path, status) -> requests by seconds, and the seconds spent
        self._answered = defaultdict(lambda: [0] * (len(_SECONDS) + 1) + [0.0])
        self._said, self._new = defaultdict(int), 0
        self.routes = {
            "/predict": Route("POST", "predict", self._predict, about="The probability that a customer leaves.", gives=ScoreAnswer, refusals=(503,)),
            "/recommend": Route("POST", "recommend", self._recommend, about="The products to show in a visit.", takes=ListRequest, gives=ListAnswer, refusals=(503,)),
            "/feedback": Route("POST", "feedback", self._store, about="What became of an answer. Acknowledged when it is stored.", takes=FeedbackRequest, gives=Stored, refusals=(503,)),
            "/health": Route("GET", "", lambda _: (b'{"alive":true}', ""), about="Whether the process lives.", gives=Alive),
            "/ready": Route("GET", "", self._is_ready, about="Whether a model is loaded.", gives=Ready, refusals=(503,)),
            "/ping": Route("GET", "", self._is_ready, about="The same, where a cloud's container is asked.", gives=Ready, refusals=(503,)),
            "/invocations": Route("POST", "predict", self._invoke, about="Many scores at once, as a cloud's container is asked.", gives=Predictions, refusals=(503,)),
            "/metrics": Route("GET", "metrics", lambda _: (generate_latest(self._registry), ""), _TEXT, "Figures for Prometheus."),
            "/admin/swap": Route("POST", "admin", self._swap_by_request, about="Have another version answer.", takes=SwapRequest, gives=Ready, refusals=(404, 503)),
            "/admin/roll_back": Route("POST", "admin", self._roll_back_by_request, about="Have the version before answer again.", takes=RollBackRequest, gives=Ready, refusals=(409, 503)),
            "/openapi.json": Route("GET", "", lambda _: (msgspec.json.encode(self.openapi()), ""), about="This documentation for programs.", gives=dict[str, Any]),
            "/docs": Route("GET", "", lambda _: (page(self.openapi()), ""), b"text/html; charset=utf-8", "This documentation."),
        }  # fmt: skip
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    # What a team does.

    def swap(self, model: Scoring | Lists) -> None:
        """Have another version answer from the next request on; the one before stands by."""
        if model.kind in self.serving:
            self._before[model.kind] = self.serving[model.kind]
        self.serving[model.kind] = model

    def roll_back(self, kind: str) -> str:
        """Have the version before answer again, and return which it is; `ValueError` if there is none."""
        if kind not in self._before:
            raise ValueError(f"No version of {kind!r} served before this one. Swap in the version that is to answer.")  # fmt: skip
        self.swap(self._before[kind])
        return self.serving[kind].version

    def openapi(self) -> dict:
        """Return what answers where, and in which form, as OpenAPI has it."""
        score = self.serving.get("score")
        forms = {"/predict": score and score.form, "/invocations": score and score.many}
        routes = {path: one._replace(takes=forms.get(path, one.takes)) for path, one in self.routes.items()}  # fmt: skip
        return openapi({path: one for path, one in routes.items() if score or path not in forms})

    # The way of a request.

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            return await self._live(scope, receive, send)
        began = time.perf_counter()
        headers, path = dict(scope["headers"]), scope["path"]
        asked = headers.get(b"x-request-id", b"")
        fits = asked and len(asked) <= 100 and _IS_TRACE(asked)
        trace = asked if fits else b"%b-%x" % (self._start, next(self._count))
        route, status, kind, more, note, error = self.routes.get(path), 200, _JSON, (), "", ""
        key = None
        try:
            if asked and not fits:
                raise Refused(400, "request id", "X-Request-ID is logged, so it names nobody: up to 100 of letters (one at least), digits and ._- are taken. Send such a one, or none.")  # fmt: skip
            if route is None:
                raise Refused(404, "no such place", "Nothing answers here; /docs lists what does.")
            if scope["method"] != route.method:
                raise Refused(405, "wrong method", f"Send {route.method}.", ((b"allow", route.method.encode()),))  # fmt: skip
            if route.scope:
                key = self._key(headers.get(b"authorization", b""))
                key.open(route.scope)  # refused or not, the log names the key
            body = await self._body(headers, receive) if route.method == "POST" else b""
            if body is None:
                return None  # the client has gone
            answer = route.answer(body)
            said, note = answer if type(answer) is tuple else await answer
            kind = route.kind
        except Refused as refused:
            status, error, more = refused.status, refused.error, refused.headers
            said = msgspec.json.encode(Refusal(error, refused.message, trace.decode()))
        except Exception as broken:
            status, error = 500, type(broken).__name__
            said = msgspec.json.encode(Refusal("broken", "The service failed; the log tells why. Send it again later.", trace.decode()))  # fmt: skip
        head = [(b"content-type", kind), (b"content-length", b"%d" % len(said)), (b"x-request-id", trace), *more]  # fmt: skip
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": said})
        seconds = time.perf_counter() - began
        self._account(path if route else "other", status, seconds, trace, key, note, error)
        return None

    def _key(self, told):
        """Return the key that was shown."""
        name, _, secret = told[11:].partition(b"_")
        key = self._keys.get(name)
        given = hashlib.sha256(secret).digest()
        if not hmac.compare_digest(given, key.hash if key else b"") or told[:11].lower() != b"bearer lab_":  # fmt: skip
            raise Refused(401, "no key", "Send the header 'Authorization: Bearer KEY' with a key of this service.", ((b"www-authenticate", b"Bearer"),))  # fmt: skip
        return key

    async def _body(self, headers, receive):
        """Return the body of a request; refuse what is too large, packed or no JSON by its header."""
        most = self.limits.body_bytes
        if int(headers.get(b"content-length", b"0")) > most:
            raise _too_large(most)
        if b"content-encoding" in headers:
            raise Refused(415, "packed", "Packed bodies are not read. Send plain JSON.")
        if headers.get(b"content-type", b"")[:16].lower() != _JSON:
            raise Refused(415, "no JSON", "Send 'Content-Type: application/json'.")
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
            if len(body) > most:
                raise _too_large(most)
        return None if message["type"] == "http.disconnect" else body

    def _account(self, path, status, seconds, trace, key, note, error):
        """Count a request and note it: no customer, no values."""
        answered = self._answered[path, status]
        answered[bisect_left(_SECONDS, seconds)] += 1
        answered[-1] += seconds
        who = key.name if key else None
        self._logged.append(_Noted(time.time(), trace.decode(), path, status, 1_000 * seconds, who, note, error))  # fmt: skip
        if len(self._logged) > 1_000:
            self._write_log()

    def _write_log(self):
        noted, self._logged = self._logged, []
        with (self.folder / LOG_FILE).open("ab") as file:
            file.write(msgspec.json.Encoder().encode_lines(noted))

    # What answers.

    def _model(self, kind):
        if kind not in self.serving:
            raise Refused(503, "no model", f"No model of {kind} is loaded. Send it again later.", _later(5))  # fmt: skip
        return self.serving[kind]

    def _predict(self, body):
        scoring = self._model("score")
        request = scoring.read(body)
        values = astuple(request.fields)
        probability = scoring.score(values)
        if probability is None:
            return self._predict_carefully(scoring, request.request_id, values)
        self._said["score", scoring.version, False] += 1
        return scoring.answer(request.request_id, probability), scoring.version

    async def _predict_carefully(self, scoring, request_id, values):
        unknown = scoring.unknown(values)
        probability, one = await self._carefully(scoring, values)
        fallback = one is not scoring
        self._new += bool(unknown)
        self._said["score", one.version, fallback] += 1
        return one.answer(request_id, probability, fallback, unknown), one.version

    async def _invoke(self, body):
        scoring = self._model("score")
        found = []
        for fields in scoring.read_many(body).instances:
            values = astuple(fields)
            probability, unknown = scoring.score(values), []
            if probability is None:
                probability, one = await self._carefully(scoring, values)
                if one is not scoring:
                    raise Refused(503, "no model", "The model failed. Send it again later.")
                unknown = scoring.unknown(values)
                self._new += bool(unknown)
            found.append(Prediction(probability, probability >= scoring.threshold, unknown))
        self._said["score", scoring.version, False] += len(found)
        return msgspec.json.encode(Predictions(found, scoring.version)), scoring.version

    async def _carefully(self, scoring, values):
        """Ask the model itself, in a thread; if it fails or is late, the one before."""
        named = dict(zip(scoring.columns, values, strict=True))
        for one in (scoring, self._before.get("score")):
            if one is None or not named.keys() >= set(one.columns):
                continue
            if self._waits >= self.limits.waiting:
                raise Refused(503, "busy", "Too many requests wait for the model. Send it again later.", _later(1))  # fmt: skip
            row = tuple(named[name] for name in one.columns)
            work = asyncio.get_running_loop().run_in_executor(self._pool, one.score_carefully, row)  # fmt: skip
            self._waits += 1
            work.add_done_callback(self._waited)
            try:
                return await asyncio.wait_for(asyncio.shield(work), self.limits.answer_s), one
            except ValueError as error:
                raise Refused(422, "not understood", str(error)[:500]) from None
            except Exception as error:
                self._logged.append(_Noted(time.time(), "", "model", 0, 0.0, None, one.version, type(error).__name__))  # fmt: skip
        raise Refused(503, "no model", "No model could answer. Send it again later.", _later(5))

    def _waited(self, work):
        self._waits -= 1
        work.cancelled() or work.exception()  # looked at, so that nobody is told of it later

    def _recommend(self, body):
        lists = self._model("lists")
        request = read_json(_READ_LIST, body)
        answer, fallback = lists.answer(request.request_id, request.customer_id, request.k)
        self._said["lists", lists.version, fallback] += 1
        return answer, lists.version

    async def _store(self, body):
        request = read_json(_READ_FEEDBACK, body)
        await self._feedback.add(msgspec.structs.asdict(request))
        return msgspec.json.encode(Stored(request.request_id, True)), ""

    def _is_ready(self, _):
        if not (self._ready and self.serving):
            raise Refused(503, "not ready", "No model is loaded, or the service is stopping.")
        return msgspec.json.encode(Ready(True, self._versions())), ""

    def _versions(self):
        return {kind: model.version for kind, model in self.serving.items()}

    async def _swap_by_request(self, body):
        request = read_json(_READ_SWAP, body)
        try:
            await self._load(request.model, request.version)
        except (ValueError, LookupError, OSError) as error:
            raise Refused(404, "no such version", str(error)[:500]) from None
        return self._tell()

    async def _load(self, kind, version):
        before = self._before.get(kind)
        if before is not None and before.version == version:
            self.swap(before)
        elif self.load is None:
            raise LookupError("this service was started without a place to load versions from")
        else:
            self.swap(await asyncio.to_thread(self.load, kind, version))

    def _roll_back_by_request(self, body):
        try:
            self.roll_back(read_json(_READ_ROLL_BACK, body).model)
        except ValueError as error:
            raise Refused(409, "nothing before", str(error)) from None
        return self._tell()

    def _tell(self):
        """Tell the other workers, whoever starts again, and who asked which versions answer."""
        write_whole(self.folder / SERVING_FILE, json.dumps(self._versions()) + "\n")
        self._changed(SERVING_FILE)
        return self._is_ready(b"")

    async def _follow(self):
        """Have the versions answer that another worker, or one before, swapped in."""
        for kind, version in (self._changed(SERVING_FILE) or {}).items():
            if kind not in self.serving or self.serving[kind].version != version:
                await self._load(kind, version)

    def _read_keys(self):
        if (kept := self._changed(KEYS_FILE)) is not None:
            self._keys = {name.encode(): _Key(name, one) for name, one in kept.items()}

    def _changed(self, name):
        """Return what a file of the folder holds if it is another than at the last look, else None."""
        path = self.folder / name
        if not path.is_file() or path.stat().st_mtime_ns == self._looked.get(name):
            return None
        self._looked[name] = path.stat().st_mtime_ns
        return json.loads(path.read_text(encoding="utf-8"))

    # Its life, and what it counts.

    async def _live(self, scope, receive, send):
        scope["state"]["limits"] = self.limits  # for `_Door`
        if (await receive())["type"] != "lifespan.startup":
            return
        self._feedback = _Feedback(self._url)
        with contextlib.suppress(OSError, ValueError, LookupError):  # then it is as it was started
            await self._follow()
        ticking, self._ready = asyncio.create_task(self._tick()), True
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._ready = False
        ticking.cancel()
        self._feedback.close()
        self._write_log()
        await send({"type": "lifespan.shutdown.complete"})

    async def _tick(self):
        """Twice a second: write the log, and read the keys and the versions again if they changed."""
        while True:
            await asyncio.sleep(0.5)
            with contextlib.suppress(
                OSError, ValueError, LookupError
            ):  # a full disk stops no answer
                self._write_log()
                self._read_keys()
                await self._follow()

    def collect(self) -> Iterator[Any]:
        """Yield the figures of `/metrics`, as prometheus_client asks for them."""
        seen = CounterMetricFamily("lab_requests", "Requests answered.", labels=["path", "status"])
        by_path = defaultdict(list)
        for (path, status), figures in list(self._answered.items()):
            seen.add_metric([path, str(status)], sum(figures[:-1]))
            by_path[path].append(figures)
        times = HistogramMetricFamily("lab_request_seconds", "Seconds until the answer was sent.", labels=["path"])  # fmt: skip
        bounds = [*map(str, _SECONDS), "+Inf"]
        for path, some in by_path.items():
            *counts, spent = map(sum, zip(*some, strict=True))
            buckets = list(zip(bounds, itertools.accumulate(counts), strict=True))
            times.add_metric([path], buckets, spent)
        said = CounterMetricFamily("lab_answers", "Answers by model.", labels=["model", "version", "fallback"])  # fmt: skip
        for (kind, version, fallback), count in list(self._said.items()):
            said.add_metric([kind, version, str(fallback).lower()], count)
        new = CounterMetricFamily("lab_new_values", "Scores with a word, or a number so small or large, that training had not.", self._new)  # fmt: skip
        serving = GaugeMetricFamily("lab_serving", "The version that answers.", labels=["model", "version"])  # fmt: skip
        for kind, version in self._versions().items():
            serving.add_metric([kind, version], 1)
        yield from (seen, times, said, new, serving)


_READ_LIST, _READ_FEEDBACK, _READ_SWAP, _READ_ROLL_BACK = (
    msgspec.json.Decoder(one).decode
    for one in (ListRequest, FeedbackRequest, SwapRequest, RollBackRequest)
)


class _Door(HttpToolsProtocol):
    """uvicorn's reader of HTTP, with a bound on the size of a head and on the time of a request."""

    def connection_made(self, transport):
        super().connection_made(transport)
        self.limits = self.app_state.get("limits") or Limits()
        self.in_head, self.heard, self.since, self.deaf = True, 0, self.loop.time(), False
        self.loop.call_later(self.limits.read_s, self.watch)

    def watch(self):
        """Close the connection if a request, or its beginning, is late; look again later."""
        if self.deaf or self.transport.is_closing():
            return
        cycle = self.cycle
        late = self.since + (self.limits.read_s if self.heard else _IDLE_S) - self.loop.time()
        busy = cycle is not None and not cycle.more_body and not cycle.response_complete
        if late > 0 or busy:
            self.loop.call_later(self.limits.read_s, self.watch)
        elif self.heard and (cycle is None or self.in_head or not cycle.response_started):
            self.refuse(408, "The request took too long to arrive.")
        else:
            self.transport.close()

    def data_received(self, data):
        if self.deaf:
            return
        if self.in_head:  # its bytes are counted before they are read
            if self.heard > self.limits.head_bytes:
                self.refuse(431, "The headers are too large.")
                return
            self.heard += len(data)
        super().data_received(data)

    def on_message_begin(self):
        self.since = self.loop.time()
        super().on_message_begin()

    def on_headers_complete(self):
        self.in_head, self.heard = False, 1  # what comes now is bounded by the service
        if sum(len(name) + len(value) + 4 for name, value in self.headers) + len(self.url) > self.limits.head_bytes:  # fmt: skip
            self.refuse(431, "The headers are too large.")
            return
        super().on_headers_complete()

    def on_message_complete(self):
        self.in_head, self.heard, self.since = True, 0, self.loop.time()
        super().on_message_complete()

    def send_400_response(self, msg):
        self.refuse(400, "This is no HTTP request.")

    def refuse(self, status, message):
        """Answer without asking the service, in the form of all refusals, and close."""
        if self.deaf or self.transport.is_closing():
            return
        said = msgspec.json.encode(Refusal("refused", message, ""))
        head = f"HTTP/1.1 {status} Refused\r\ncontent-type: application/json\r\ncontent-length: {len(said)}\r\nconnection: close\r\n\r\n"
        self.transport.write(head.encode() + said)
        self.transport.write_eof()
        self.deaf = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.loop.call_later(1.0, self.transport.close)  # at once, the answer could be lost


def door(**more: Any) -> dict[str, Any]:
    """Return uvicorn's settings for a service, as `uvicorn.run` takes them.

    Examples
    --------
    >>> door(port=8000)["server_header"]
    False
    """
    return {
        "http": _Door, "ws": "none", "lifespan": "on", "access_log": False, "log_level": "critical",
        "server_header": False, "timeout_keep_alive": int(_IDLE_S), "timeout_graceful_shutdown": 10, **more,
    }  # fmt: skip


@contextlib.contextmanager
def running(service: Callable) -> Iterator[str]:
    """Run a service on this machine until the block is left; yield its address.

    Parameters
    ----------
    service : what is to answer: a `Service`, or any other ASGI application, such as one of FastAPI.

    Examples
    --------
    >>> import tempfile, requests
    >>> with running(Service(tempfile.mkdtemp())) as address:
    ...     requests.get(f"{address}/health", timeout=5).json()
    {'alive': True}
    """
    import uvicorn

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(service, **door()))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)
        listening.close()
