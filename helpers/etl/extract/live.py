"""Live feeds: server-sent events, read for so many events or seconds, and taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from helpers.etl.extract.accounts import Extract, Tray
from helpers.etl.extract.landing import Landing, Mark
from helpers.etl.extract.network import Answer, CannotFetch, NetworkLimits, refuse_status, shown
from helpers.etl.extract.provenance import Origin, object_table, sha256_of_rows
from helpers.etl.extract.retries import patiently
from helpers.etl.extract.strict_json import BadJson, parsed_object
from helpers.etl.extract.web import AGENT, Caller, blocks

LONGEST_EVENT = 1_000_000  # bytes
_BATCH = 200  # events kept at once
_OWN = ("sse_id", "sse_event")  # columns that do not come from an event's data


@dataclass(frozen=True)
class Event:
    """A server-sent event: its number in the feed, its kind, its text."""

    id: str
    kind: str
    data: str


def read_events(
    url: str,
    key: str = "",
    *,
    count: int = 500,
    seconds: float = 10.0,
    landing: Landing | None = None,
    row_key: str = "",
    after: str = "",
    params: Mapping | None = None,
    when: str = "",
    end: str = "end",
    agent: str = AGENT,
    limits: NetworkLimits | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Extract:
    """Read a feed of server-sent events, until `count` events, `seconds` or the feed's end.

    A line that breaks is taken up again behind the last event had (`Last-Event-ID`).

    Parameters
    ----------
    url, key : the feed, and what opens it (`X-API-Key`).
    count, seconds : whichever comes first ends the reading, which is no failure.
    landing : keeps events and the last id between runs; None keeps nothing.
    row_key : a key of the data: an event equal to an earlier one is merged. "" merges none.
    after : the id behind which to begin, where no landing knows better.
    end : the kind of event that ends the feed; "" if the line is simply closed then.
    limits : `read_s` is the longest silence, `size` the bytes of one line, `tries` the calls in a
        row that come no further.

    Returns
    -------
    One row an event: `sse_id`, `sse_event`, then the keys of its data, typed as in JSON. Events whose
    data are no JSON object, or have one of these two keys, are set aside. The provenance's cursor is
    the last id.

    Raises
    ------
    CannotFetch
        If the feed cannot be reached (within `seconds` either), is no event stream, or sends an event
        without end.
    """
    if count < 1 or not seconds > 0:
        raise CannotFetch(
            f"count is at least 1 and seconds are above 0; got {count} and {seconds}: a feed has no "
            "end of its own."
        )
    own = Landing(":memory:") if landing is None else None
    try:
        with Caller(url, key, agent, limits or NetworkLimits()) as caller:
            feed = _Feed(caller, landing or own, url, dict(params or {}), row_key, end)
            return feed.read(count, seconds, after, when, pause)
    finally:
        if own:
            own.close()


class _TimeUp(CannotFetch):
    """The time of a reading is up, which ends it as it should."""


class _Feed:
    """A feed on its way into the landing."""

    def __init__(self, caller, kept, url, params, row_key, end):
        self._caller, self._kept, self._url, self._params = caller, kept, url, params
        self._row_key, self._end = row_key, end
        self._tray, self._since_kept, self._last = Tray(shown(url)), 0, ""
        self._reached = False

    def read(self, count, seconds, after, when, pause) -> Extract:
        """Read until one of the bounds, or the feed's end."""
        mark = self._kept.begin(f"feed {urlsplit(self._url).hostname}{urlsplit(self._url).path}")
        self._last = mark.state.get("last", after)
        self._mark, self._left, self._deadline = mark, count, time.monotonic() + seconds
        try:
            self._listen_on(pause)
        finally:
            self._keep()
        self._kept.finish(self._mark, {"last": self._last})
        return self._extract(when)

    def _listen_on(self, pause):
        """Listen until the end; tries are counted anew after a line that came further."""
        while True:
            had = self._last
            try:
                return patiently(self._listen, self._caller.limits, self._until_deadline(pause))
            except _TimeUp:
                return None
            except CannotFetch as error:
                if not error.again or self._last == had:
                    raise

    def _until_deadline(self, pause):
        """Return a pause that does not go on when the time of the reading is up."""
        return lambda seconds: pause(min(seconds, max(0.0, self._deadline - time.monotonic())))

    def _listen(self):
        """Listen on one line until it ends; a line that broke before its time raises."""
        headers = {"Accept": "text/event-stream"}
        if self._last:
            headers["Last-Event-ID"] = self._last.strip().encode()  # as the standard has it
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._time_up()
        try:
            with self._caller.opened(self._url, self._params, headers, left) as (response, cut):
                self._check(response, cut)
                for event in events_of(blocks(response, self._caller.limits.size, cut)):
                    if event.kind == self._end or not self._take(event):
                        return
        except CannotFetch as error:
            if error.again and time.monotonic() >= self._deadline:
                raise self._time_up() from error
            raise
        if self._end:
            raise CannotFetch(
                f"{shown(self._url)} closed its line before the end: go on later.", True
            )

    def _time_up(self):
        """Return what ends the reading: as it should, if the feed was ever reached."""
        if self._reached:
            return _TimeUp("the time of the reading is up")
        return CannotFetch(
            f"{shown(self._url)} did not answer as a stream of events in the time of the reading: "
            "check that it runs, or allow more with seconds=..."
        )

    def _check(self, response, cut):
        """Stop unless the answer is good and a stream of events."""
        kind = response.headers.get("Content-Type", "")
        if response.status_code != 200:
            lower = {name.lower(): value for name, value in response.headers.items()}
            body = next(blocks(response, 10_000, cut), b"")
            refuse_status(Answer(response.url, response.status_code, lower, body))
        if "text/event-stream" not in kind.lower():
            raise CannotFetch(
                f"{shown(self._url)} was expected to be a stream of events; it answers "
                f"{response.status_code} {kind[:60]!r}. Check the address."
            )
        self._reached = True

    def _take(self, event: Event) -> bool:
        """Put one event into the rows or aside; return whether more are wanted."""
        self._tray.seen += 1
        try:
            row = parsed_object(event.data)
            if not row.keys().isdisjoint(_OWN):
                raise BadJson(f"its data have a key that stands for its place: {' or '.join(_OWN)}")
            self._tray.rows.append({"sse_id": event.id, "sse_event": event.kind, **row})
        except BadJson as error:
            self._tray.put_aside(self._tray.seen, str(error), event.data)
        self._last, self._left = event.id or self._last, self._left - 1
        if self._tray.seen - self._since_kept >= _BATCH:
            self._keep()
        return self._left > 0 and time.monotonic() < self._deadline

    def _keep(self):
        """Keep what came since the last time, with the id behind it."""
        tray = self._tray
        if tray.rows or tray.aside:
            key = self._row_key
            self._mark = _keep(self._kept, self._mark, tray, {"last": self._last}, key)
        self._since_kept = tray.seen
        tray.rows.clear()
        tray.aside.clear()

    def _extract(self, when):
        rows = self._kept.rows(self._mark.source, self._mark.run)
        table = object_table(rows, _OWN)
        origin = Origin(shown(self._url), *table.shape, sha256_of_rows(rows), when,
                        "server-sent events", self._last)  # fmt: skip
        return Extract(table, self._kept.aside(self._mark), origin, self._kept.account(self._mark))


def _keep(kept: Landing, mark: Mark, tray: Tray, state: dict, key: str) -> Mark:
    return kept.keep(mark, tray.rows, tray.aside, state, key, apart="sse_id")


def events_of(pieces: Iterator[bytes]) -> Iterator[Event]:
    """Yield the events of a stream of bytes, as the standard reads them.

    Comments and `retry` are no events; an event without data is none; the id stays until another
    comes; what is not ended by an empty line when the stream ends is no event.

    Raises
    ------
    CannotFetch
        If an event is longer than a million bytes, or no UTF-8.

    Source
    ------
    HTML Living Standard, section 9.2, "Server-sent events".

    Examples
    --------
    >>> stream = [b": hello\\n\\nid: 7\\nevent: click\\nda", b"ta: {}\\n\\ndata: cut"]
    >>> list(events_of(iter(stream)))
    [Event(id='7', kind='click', data='{}')]
    """
    last, kind, data = "", "", []
    size = 0
    for line in _lines(pieces):
        size = size + len(line) + 1 if line else 0
        if size > LONGEST_EVENT:
            raise _endless()
        if not line:
            if data:
                yield Event(last, kind or "message", "\n".join(data))
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id" and "\0" not in value:
            last = value[:200]
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)


def _lines(pieces):
    """Yield the whole lines of a stream; a line may end in any of the three ways."""
    rest, first = b"", True
    for piece in pieces:
        rest += piece
        # A carriage return at the very end may be half a line end.
        whole = max(rest.rfind(b"\n"), rest[:-1].rfind(b"\r")) + 1
        head, rest = rest[:whole], rest[whole:]
        if len(rest) > LONGEST_EVENT:
            raise _endless()
        if head:
            text = _decoded(head.removeprefix(b"\xef\xbb\xbf") if first else head)
            first = False
            lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
            yield from lines[:-1]
    if rest.endswith(b"\r"):
        yield from _decoded(rest[:-1]).split("\n")


def _decoded(head):
    try:
        return head.decode()
    except UnicodeDecodeError as error:
        raise CannotFetch(
            f"a stream of events is UTF-8, but byte 0x{head[error.start]:02x} came, which is none: "
            "tell who runs it."
        ) from error


def _endless():
    return CannotFetch(
        f"an event of the stream is longer than {LONGEST_EVENT:,} bytes: check the address, or tell "
        "who runs it."
    )
