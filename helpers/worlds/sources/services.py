"""The web services of a business: an interface with a key, a third party's, a live stream, pages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
import pandas as pd
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, StreamingResponse

from helpers.etl.extract.kinds import KINDS
from helpers.worlds.play import CannotPlay, require_number
from helpers.worlds.sources.blemishes import stream
from helpers.worlds.sources.pages import page, robots_txt

_START_S = 20.0  # longest wait for a server to start or to stop
_HEARTBEAT = 10  # a comment after so many events keeps the line open
_LOGGED = 100_000  # requests remembered
_NOT_FOUND = """<!doctype html>
<html lang="en"><title>Not found</title><h1>Not found</h1></html>
"""


@dataclass(frozen=True)
class Settings:
    """How the services treat their callers; see `Sources.serve`."""

    burst: int
    retry_after_s: float
    failures: float
    crawl_delay_s: int

    def __post_init__(self):
        require_number("burst", self.burst, 4, 1_000_000, 40)
        require_number("retry_after_s", self.retry_after_s, 0.0, 60.0, 0.1, whole=False)
        require_number("failures", self.failures, 0.0, 0.5, 0.03, whole=False)
        require_number("crawl_delay_s", self.crawl_delay_s, 0, 60, 1)


@dataclass(frozen=True)
class Served:
    """Where the services are, and what opens them.

    Attributes
    ----------
    url : the host, where the public pages and robots.txt are.
    api, partner, live : the business's interface, the third party's, and the event stream; the
        first two answer with the list of what they have.
    api_key, partner_key : go into the header `X-API-Key`; `live` takes the first.
    """

    url: str
    api: str
    partner: str
    live: str
    api_key: str
    partner_key: str
    _requests: deque = field(repr=False)

    def access_log(self) -> pd.DataFrame:
        """Return the requests so far: `at` (seconds of a steady clock), `method`, `path`, `status`,
        `agent`."""
        columns = ["at", "method", "path", "status", "agent"]
        return pd.DataFrame(list(self._requests), columns=columns)


@contextmanager
def serving(books, feeds: dict, settings: Settings, seed: int) -> Iterator[Served]:
    """Run the services of a business in the background; see `Sources.serve`."""
    keys = {name: _key(books.name, name, seed) for name in ("api", "partner")}
    closing = threading.Event()
    requests: deque = deque(maxlen=_LOGGED)
    app = _Recorder(_whole_app(books, feeds, settings, seed, keys, closing), requests)
    # Named as TCP, or asyncio leaves small answers waiting for 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as opened:
        opened.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{opened.getsockname()[1]}"
        quiet = {"log_config": None, "log_level": "critical", "access_log": False}
        plain = {"lifespan": "off", "ws": "none", "timeout_graceful_shutdown": 2}
        config = uvicorn.Config(app, **quiet, **plain)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([opened],), daemon=True)
        try:
            thread.start()
            _wait_for_start(server, thread)
            places = [f"{url}/{place}" for place in ("api/v1", "partner/v1", "live/events")]
            yield Served(url, *places, keys["api"], keys["partner"], requests)
        finally:
            closing.set()
            server.should_exit = True
            thread.join(_START_S)


class _Recorder:
    """Writes down each request on its way to the app."""

    def __init__(self, app, requests):
        self.app, self.requests = app, requests

    async def __call__(self, scope, receive, send):
        async def watched(message):
            if message["type"] == "http.response.start":
                headers = dict(scope["headers"])
                agent = headers.get(b"user-agent", b"").decode("latin-1")
                entry = (time.monotonic(), scope["method"], scope["path"], message["status"], agent)
                self.requests.append(entry)
            await send(message)

        await self.app(scope, receive, watched)


class Gate:
    """Lets a request in, or says why not: no key, a wrong key, too fast, out of order."""

    def __init__(self, key, burst, wait_s, fails):
        self._key, self._burst, self._fails = key, burst, fails
        self._wait_ns, self._in_whole_s = round(wait_s * 1e9), wait_s >= 1
        self._count = self._number = 0
        self._last_ns = self._closed_until_ns = -math.inf

    async def __call__(self, x_api_key: Annotated[str | None, Header()] = None):
        if x_api_key is None:
            raise HTTPException(401, "A key is needed: send it in the header X-API-Key.")
        if not secrets.compare_digest(x_api_key.encode(), self._key.encode()):
            raise HTTPException(403, "This key opens nothing here: ask for another.")
        self.check_pace(time.monotonic_ns())
        self._number += 1
        if self._fails[(self._number - 1) % len(self._fails)]:
            raise HTTPException(
                503, "Out of order for a moment: try again.", self._pause(self._wait_ns)
            )

    def check_pace(self, now_ns):
        """Ask for a pause after a burst; a caller who pauses unasked starts a new burst."""
        if now_ns >= self._closed_until_ns:
            paused = now_ns - self._last_ns >= self._wait_ns
            self._count, self._last_ns = 1 if paused else self._count + 1, now_ns
            if self._count <= self._burst:
                return
            self._count, self._closed_until_ns = 0, now_ns + self._wait_ns
        wait_ns = self._closed_until_ns - now_ns
        raise HTTPException(429, "Too many requests: wait and go on.", self._pause(wait_ns))

    def _pause(self, wait_ns):
        """Tell the pause in seconds: whole ones as the standard has them, short ones as decimals."""
        if self._in_whole_s:
            return {"Retry-After": str(-(-wait_ns // 10**9))}
        return {"Retry-After": str(-(-wait_ns // 10**6) / 1000)}


def _whole_app(books, feeds, settings, seed, keys, closing):
    """Return the host: interfaces under their prefixes, pages everywhere else."""
    host = _plain_app(f"The {books.name}'s public pages")
    for name, title, burst in [
        ("api", f"The {books.name}'s interface", settings.burst),
        ("partner", "A third party's interface", settings.burst // 4),
    ]:
        fails = stream(seed, 0, f"failures {name}").random(4096) < settings.failures
        gate = Gate(keys[name], burst, settings.retry_after_s, fails)
        app = _plain_app(title, dependencies=[Depends(gate)])
        _add_readers(host, app, f"/{name}/v1", _served_by(books, name), feeds, gate)
    host.mount("/live", _stream_app(books, feeds, keys["api"], closing))
    _add_pages(host, books, feeds, settings)
    return host


def _served_by(books, service):
    """Return the sources of a business that one of its services gives out."""
    return [source for source in books.sources if KINDS[source.kind].service == service]


def _plain_app(title, **options):
    # The usual documentation pages would fetch their looks from the internet.
    return FastAPI(title=title, docs_url=None, redoc_url=None, **options)


def _add_readers(host, app, prefix, sources, feeds, gate):
    """Add an app with an endpoint for each source to the host, and the list of them at `prefix`."""
    places = [source.place for source in sources]
    for source in sources:
        app.add_api_route(f"/{source.place}", _reader(source, feeds), name=source.name)

    async def endpoints(request: Request) -> dict:
        """List the endpoints: name -> address."""
        return {"endpoints": {place: f"{request.base_url}{prefix[1:]}/{place}" for place in places}}

    host.add_api_route(prefix, endpoints, dependencies=[Depends(gate)], name="endpoints")
    host.add_api_route(
        f"{prefix}/", endpoints, dependencies=[Depends(gate)], include_in_schema=False
    )
    _refuse_others(app, places)
    host.mount(prefix, app)


def _refuse_others(app, places):
    """Answer 404 to every other address of an app, and only to those who have its key."""

    @app.get("/{path:path}", include_in_schema=False)
    async def nothing(path: str) -> None:
        raise HTTPException(404, f"There is no {path!r} here: ask for {', '.join(places)}.")


def _reader(source, feeds):
    """Return the function that answers for one source."""

    async def read(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000, description="rows a page")] = 100,
        cursor: Annotated[str | None, Query(description="from `next` of the page before")] = None,
        since: Annotated[datetime | None, Query(description="rows known then or later")] = None,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        start = _start_of(cursor)
        feed = feeds.get(source.name)
        places = _places(feed, since)
        if start > len(places):
            raise HTTPException(400, "cursor is beyond the end: use `next` as it was given.")
        page = {"items": feed.objects(places[start : start + limit].tolist()) if feed else []}
        more = start + limit < len(places)
        following = _cursor(start + limit) if more else None
        etag = _etag(page["items"], following)
        page["next"] = str(request.url.include_query_params(cursor=following)) if more else None
        if if_none_match == etag:
            return Response(status_code=304, headers={"ETag": etag})
        body = json.dumps(page, ensure_ascii=False).encode()
        return Response(body, media_type="application/json", headers={"ETag": etag})

    return read


def _etag(items, following):
    """Return the mark of a page, the same at every port."""
    content = json.dumps([items, following]).encode()
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _places(feed, since):
    """Return the rows of a feed from a time on; without a zone it is universal time."""
    if feed is None:
        return np.arange(0)
    if since is None or not len(feed.times):
        return np.arange(len(feed.rows))
    try:
        moment = since.astimezone(UTC).replace(tzinfo=None) if since.tzinfo else since
    except OverflowError as error:
        raise HTTPException(400, "since is before or after all times: name another.") from error
    return np.flatnonzero(feed.times >= np.datetime64(moment))


def _start_of(cursor):
    """Return the place that a cursor stands for."""
    if cursor is None:
        return 0
    try:
        name, _, place = base64.urlsafe_b64decode(cursor.encode()).decode().partition(":")
        if name != "from" or not (place.isascii() and place.isdigit() and len(place) < 12):
            raise ValueError(cursor)
        return int(place)
    except ValueError as error:
        raise HTTPException(400, "cursor is none of ours: use `next` as it was given.") from error


def _cursor(place):
    return base64.urlsafe_b64encode(f"from:{place}".encode()).decode()


def _stream_app(books, feeds, key, closing):
    """Return the app of the live stream, as server-sent events."""
    gate = Gate(key, 1_000_000, 0.0, np.zeros(1, dtype=bool))
    app = _plain_app(f"The {books.name}'s live stream", dependencies=[Depends(gate)])
    (source,) = _served_by(books, "live")

    @app.get(f"/{source.place}")
    async def live(
        count: int = Query(500, ge=1, le=100_000, description="events before the line is closed"),
        speed: float = Query(0.0, ge=0, le=1e6, description="a second; 0: as fast as it is read"),
        last_event_id: str | None = Header(None),
    ) -> StreamingResponse:
        """Send events from the one after `Last-Event-ID` on, heartbeats, and `end` at the end."""
        feed = feeds[source.name]
        start = _place_after(last_event_id, len(feed.rows))
        end = min(len(feed.rows), start + count)
        sent = _events(feed, start, end, speed, closing)
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(sent, media_type="text/event-stream", headers=headers)

    _refuse_others(app, [source.place])
    return app


def _place_after(last_event_id, events):
    if last_event_id is None:
        return 0
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 12):
        raise HTTPException(400, "Last-Event-ID is the `id` of the last event you had.")
    return min(int(last_event_id), events)


async def _events(feed, start, end, speed, closing):
    """Yield the text of the events; the id counts them in the order in which they are sent."""
    yield "retry: 100\n\n"
    for place in range(start, end):
        # Even without a pause the others get their turn, so that a caller who has left is noticed.
        await asyncio.sleep(1 / speed if speed else 0)
        if closing.is_set():
            return
        if (place - start) % _HEARTBEAT == _HEARTBEAT - 1:
            yield ": heartbeat\n\n"
        event = feed.objects([place])[0]
        data = json.dumps(event, ensure_ascii=False)
        yield f"id: {place + 1}\nevent: {event['event']}\ndata: {data}\n\n"
    finished = json.dumps({"last": end == len(feed.rows)})
    yield f"event: end\ndata: {finished}\n\n"


def _add_pages(host, books, feeds, settings):
    """Add robots.txt and the public pages."""
    (source,) = _served_by(books, "site")

    @host.get("/robots.txt")
    async def robots() -> PlainTextResponse:
        return PlainTextResponse(robots_txt(settings.crawl_delay_s))

    @host.get("/{path:path}")
    async def pages(path: str) -> HTMLResponse:
        feed = feeds[source.name]
        html = page(f"/{path}", feed.objects(range(len(feed.rows))), source.place)
        return HTMLResponse(html or _NOT_FOUND, status_code=200 if html else 404)


def _wait_for_start(server, thread):
    """Wait until the server answers; stop with a sentence if it never does."""
    deadline = time.monotonic() + _START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise CannotPlay(
                "a server was to start on 127.0.0.1, but it did not: check that the machine lets "
                "programs listen on loopback, and try again."
            )
        time.sleep(0.005)


def _key(business, name, seed):
    """Return a key that opens one interface of one world."""
    drawn = stream(seed, 0, f"key {name}").integers(0, 256, 12, dtype=np.uint8)
    return f"{business}-{name}-{drawn.tobytes().hex()}"
