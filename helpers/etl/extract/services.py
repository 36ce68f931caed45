"""Web services: interfaces that answer in pages, and live feeds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from helpers.etl.extract.landing import Landing, Mark
from helpers.etl.extract.records import BadJson, parsed, parsed_object
from helpers.etl.extract.result import (
    CannotExtract,
    Extract,
    Origin,
    Tray,
    object_table,
    sha256_of_rows,
)
from helpers.etl.extract.web import (
    AGENT,
    Answer,
    Caller,
    CannotFetch,
    NetworkLimits,
    blocks,
    get_patiently,
    host_of,
    joined,
    patiently,
    refuse_status,
    shown,
)

_FORGOTTEN = {400, 404, 410}  # what a service answers that does not know its page's mark any more
_AHEAD = timedelta(days=1)  # that a service's clock may be before ours
LONGEST_EVENT = 1_000_000  # bytes
_BATCH = 200  # events kept at once
_OWN = ("sse_id", "sse_event")  # columns that do not come from an event's data


def read_api(
    url: str,
    key: str = "",
    *,
    landing: Landing | None = None,
    row_key: str = "",
    newest: str = "",
    overlap_days: float = 1.0,
    limit: int = 100,
    params: Mapping | None = None,
    when: str = "",
    items: str = "items",
    following: str = "next",
    agent: str = AGENT,
    limits: NetworkLimits | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Extract:
    """Read an endpoint page by page, patiently; go on where the last run ended or was stopped.

    A busy service (429, 503) is asked again after the pause that `Retry-After` tells, or with growing
    pauses. Each page is kept with the cursor behind it before the next is asked for.

    Parameters
    ----------
    url : the endpoint. Its pages are JSON objects with a list of rows and the next page's address.
    key : sent in `X-API-Key`.
    landing : keeps rows and cursor between runs; None starts from nothing and keeps nothing.
    row_key : the column that names a row: a row that was kept before, equal in all, is merged. A
        landing needs it.
    newest : the column of the moment at which a row became known, ISO text. The next run asks for
        rows `since` the newest one, less the overlap; without it, for everything. A moment more than
        a day ahead of the clock does not count, or nothing would be new until then.
    overlap_days : how far before the newest moment the next run begins, for rows that arrive late
        under an older one. Rows that are there already are merged by `row_key`. 0 for none.
    limit : rows a page.
    params : further questions for the first page. Each choice of them is a source of its own in the
        landing.
    when : the moment of reading, for the provenance.
    items, following : what the page calls its rows and the address of the next page.
    limits, pause : bounds, and what waits for so many seconds.

    Returns
    -------
    The rows that are new in this run (with those that a stopped run had kept already), values typed
    as in JSON; what was set aside (no object); a provenance with the first page's ETag and, as
    cursor, the newest moment; the account.

    Raises
    ------
    CannotFetch
        If the service is down, refuses the key, or answers with what is no page. What was kept
        stays, and the next run goes on there; where the service has forgotten the page, it begins
        anew and merges what comes again.
    """
    if landing is not None and not row_key:
        raise CannotExtract(
            "row_key was expected beside landing, or rows read again would be kept twice: name the "
            "column that names a row."
        )
    limits, own = limits or NetworkLimits(), Landing(":memory:") if landing is None else None
    kept = landing or own
    try:
        overlap = _overlap(overlap_days)
        with Caller(url, key, agent, limits) as caller:
            asked = {**_questions(urlsplit(url).query), **(params or {})}
            mark = kept.begin(_name(url, asked))
            walk = _Walk(caller, kept, url, row_key, newest, overlap, items, following, pause)
            return walk.extract(walk.to_the_end(mark, {**asked, "limit": limit}), when)
    finally:
        if own:
            own.close()


def _name(url, asked):
    """Return what a source is called in the landing: its path, for a port may change, and what was
    asked, by its fingerprint.
    """
    which = f" asked {sha256_of_rows([asked])[:8]}" if asked else ""
    return f"api {urlsplit(url).hostname}{urlsplit(url).path}{which}"


def _questions(query):
    """Return the questions of an address; one that is asked several times has a list."""
    asked = parse_qs(query, keep_blank_values=True)
    return {name: found if len(found) > 1 else found[0] for name, found in asked.items()}


def _overlap(days):
    """Return the overlap as a span of time."""
    try:
        if days >= 0:
            return timedelta(days=days)
    except (TypeError, ValueError, OverflowError):
        pass
    raise CannotExtract(
        f"overlap_days was expected to be a number of days from 0 on; got {days!r}: write for "
        "instance overlap_days=1."
    )


class _Walk:
    """A walk from page to page."""

    def __init__(self, caller, kept, url, row_key, newest, overlap, items, following, pause):
        self._caller, self._kept, self._pause = caller, kept, pause
        self._shown, self._url = shown(url), url.partition("#")[0].partition("?")[0]
        self._row_key, self._newest, self._overlap = row_key, newest, overlap
        self._items, self._following = items, following

    def to_the_end(self, mark: Mark, first: dict) -> Mark:
        """Read page after page, and keep each."""
        state, met = dict(mark.state), set()
        known = self._newest and "since" in state
        first |= {"since": self._with_overlap(state["since"])} if known else {}
        params = state.get("next") or first
        # A first page that is as it was says nothing of a second one: there, new rows may stand.
        etag = "" if state.get("next") or not state.get("whole") else state.get("etag", "")
        for _ in range(self._caller.limits.pages):
            try:
                answer = self._ask(params, etag if etag and state.get("asked") == params else "")
            except CannotFetch as error:
                if met or not state.get("next") or error.status not in _FORGOTTEN:
                    raise
                params = first  # what was kept is merged when it comes again
                del state["next"]
                continue
            if answer.status == 304:
                break
            rows, aside, following = self._page(answer)
            if not met and "next" not in state:
                state |= {"asked": params, "etag": answer.headers.get("etag", "")}
                state |= {"whole": following is None}
            state |= {"next": following, "newest": self._latest(rows, state.get("newest", ""))}
            mark = self._kept.keep(mark, rows, aside, state, self._row_key)
            met.add(str(sorted(params.items())))
            if following is None:
                break
            params = following
            if str(sorted(params.items())) in met:
                raise CannotFetch(
                    f"{self._shown} leads back to a page it gave before, so its pages never "
                    "end: tell who runs it."
                )
        else:
            raise CannotFetch(
                f"{self._shown} has more than {self._caller.limits.pages:,} pages: take larger "
                "pages with limit=..., or allow more with NetworkLimits(pages=...)."
            )
        return self._finished(mark, state)

    def _finished(self, mark, state):
        """End the run; the next begins at the newest moment met."""
        names = ("asked", "etag", "whole", "newest", "since")
        end = {name: state[name] for name in names if state.get(name)}
        if self._newest and state.get("newest"):
            end["since"] = state["newest"]
        self._kept.finish(mark, end)
        return Mark(mark.source, mark.run, end, mark.resumed, mark.version)

    def _with_overlap(self, newest):
        """Return the moment from which to ask again, ISO text."""
        if not self._overlap:
            return newest
        try:
            return (datetime.fromisoformat(newest) - self._overlap).isoformat()
        except (ValueError, OverflowError) as error:
            raise CannotExtract(
                f"the column {self._newest!r} was expected to hold moments as ISO text, for the next "
                f"run asks from {self._overlap} before the newest; it has {newest[:40]!r}. Name "
                "another column, or pass overlap_days=0."
            ) from error

    def _ask(self, params, etag):
        headers = {"If-None-Match": etag} if etag else {}
        return get_patiently(self._caller, self._url, params, headers, self._pause)

    def _page(self, answer: Answer):
        """Return the rows of a page, what is none, and the questions of the next page."""
        page = page_of(answer)
        found, following = page.get(self._items), page.get(self._following)
        if not isinstance(found, list) or not isinstance(following, str | None):
            raise CannotFetch(
                f"{self._shown} was expected to answer with a list {self._items!r} and an "
                f"address {self._following!r}; it has {', '.join(page)[:200] or 'nothing'}. Check "
                "the address, or name them with items=... and following=..."
            )
        tray = Tray(self._shown)
        for place, row in enumerate(found, 1):
            if isinstance(row, dict):
                tray.rows.append(row)
            else:
                tray.put_aside(place, f"it is a {type(row).__name__} and no object", str(row))
        return tray.rows, tray.aside, self._next(following)

    def _next(self, following):
        """Return the questions of the next page's address, which must be the endpoint's own."""
        if following is None:
            return None
        address = joined(self._url, following)
        if (
            host_of(address) != self._caller.host
            or urlsplit(address).path != urlsplit(self._url).path
        ):
            raise CannotFetch(
                f"{self._shown} names {shown(address)} as its next page, which is another "
                "endpoint; the key is not sent there. Tell who runs it."
            )
        return _questions(urlsplit(address).query)

    def _latest(self, rows, newest):
        """Return the newest moment met so far."""
        if not self._newest:
            return newest
        texts = [row[self._newest] for row in rows if isinstance(row.get(self._newest), str)]
        moments = {text: _moment(text) for text in [newest, *texts]}
        clock = datetime.now(UTC) + _AHEAD
        good = [text for text, at in moments.items() if at is not None and at <= clock]
        if good:
            return max(good, key=moments.get)
        # Where no text is a moment, the next run has to say so.
        return max([newest, *(text for text, at in moments.items() if at is None)])

    def extract(self, mark: Mark, when: str) -> Extract:
        """Return what the run brought."""
        rows = self._kept.rows(mark.source, mark.run)
        table = object_table(rows)
        cursor, etag = mark.state.get("since", ""), mark.state.get("etag", "")
        origin = Origin(self._shown, *table.shape, sha256_of_rows(rows), when, "JSON pages",
                        cursor, etag)  # fmt: skip
        return Extract(table, self._kept.aside(mark), origin, self._kept.account(mark))


def _moment(text):
    """Return the moment that a text says, or None; without a zone it is taken for UTC."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def page_of(answer: Answer) -> dict:
    """Return the JSON object of an answer, or say what came instead.

    Examples
    --------
    >>> page_of(Answer("http://h/x", 200, {"content-type": "text/html"}, b"<html>"))
    Traceback (most recent call last):
    helpers.etl.extract.web.CannotFetch: http://h/x was expected to answer in JSON; it answered \
'text/html': '<html>'. Check the address: a login or an error page may stand there.
    """
    kind = answer.headers.get("content-type", "")
    start = answer.body[:60].decode("utf-8", "replace")
    if kind and "json" not in kind.lower():
        raise CannotFetch(
            f"{shown(answer.url)} was expected to answer in JSON; it answered {kind[:60]!r}: "
            f"{start!r}. Check the address: a login or an error page may stand there."
        )
    try:
        page = parsed(answer.body.decode("utf-8-sig"))
        if not isinstance(page, dict):
            raise BadJson(f"it is a {type(page).__name__} and no object")
    except ValueError as error:
        if isinstance(error, CannotExtract):
            raise
        raise CannotFetch(
            f"{shown(answer.url)} was expected to answer with a JSON object in UTF-8, but: {error}. "
            f"It starts {start!r}. Try again; if it stays so, tell who runs it."
        ) from error
    return page


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
