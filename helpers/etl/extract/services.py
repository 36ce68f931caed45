"""Web services: interfaces that answer in pages, and live feeds."""

from __future__ import annotations

import codecs
import contextlib
import io
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from helpers.etl.extract.landing import Landing, Mark
from helpers.etl.extract.records import object_in, parsed_object, put_objects
from helpers.etl.extract.result import (
    CannotExtract,
    Extract,
    Provenance,
    Tray,
    object_table,
    sha256_of_rows,
)
from helpers.etl.extract.web import (
    USUAL,
    Answer,
    Caller,
    CannotFetch,
    NetworkLimits,
    host_of,
    joined,
    patiently,
    refuse_status,
    shown,
)

_FORGOTTEN = {400, 404, 410}  # what a service answers that does not know its page's mark any more
_NO_PAGE = {"", "null", "none", "false"}  # how services write that no page follows, beside null
_AHEAD = timedelta(days=1)  # that a service's clock may be before ours
_KEPT_STATE = ("asked", "etag", "whole", "newest", "since")  # what the next run needs of this one
LONGEST_EVENT = 1_000_000  # bytes
_LONGEST_ID = 4_000  # bytes; servers take headers of about twice as much
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
    when: str = "",
    limits: NetworkLimits = USUAL,
    pause: Callable[[float], None] = time.sleep,
) -> Extract:
    """Read an endpoint page by page, patiently; go on where the last run ended or was stopped.

    A busy service (429, 503) is asked again after the pause that `Retry-After` tells, or with growing
    pauses. Each page is kept with the cursor behind it before the next is asked for.

    Parameters
    ----------
    url : the endpoint, with what is asked of it; each choice of questions is a source of its own in
        the landing. Its pages are JSON objects with the list of rows `items` and the address of the
        next page `next`: an address on the same endpoint, whole or relative; null, false, "" or no
        `next` at all ends the pages.
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
    when : the moment of reading, for the provenance.
    limits, pause : bounds, and what waits for so many seconds.

    Returns
    -------
    The rows that are new in this run (with those that a stopped run had kept already), values typed
    as in JSON; what was set aside (no object); a provenance with the first page's ETag and, as
    cursor, the newest moment; the books.

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
    with contextlib.ExitStack() as stack:
        kept = landing or stack.enter_context(Landing(":memory:"))
        overlap = _overlap(overlap_days)
        caller = stack.enter_context(Caller(url, key, limits=limits))
        asked = _questions(urlsplit(url).query)
        which = f" asked {sha256_of_rows([asked])[:8]}" if asked else ""
        mark = kept.begin(f"api {_place(url)}{which}")
        walk = _Walk(caller, url, newest=newest, overlap=overlap, pause=pause)
        mark = walk.to_the_end(kept, mark, {**asked, "limit": limit}, row_key)
        told = {"cursor": mark.state.get("since", ""), "etag": mark.state.get("etag", "")}
        return _landed(kept, mark, url, when=when, read_as="JSON pages", **told)


def _place(url):
    """Return what a service is called in the landing: host and path, for a port may change."""
    return f"{urlsplit(url).hostname}{urlsplit(url).path}"


def _landed(kept, mark, url, columns=(), **told):
    """Return what a run brought into the landing; `told` is the rest of its `Provenance`."""
    rows = kept.rows(mark.source, mark.run)
    table = object_table(rows, columns)
    origin = Provenance(shown(url), *table.shape, sha256_of_rows(rows), **told)
    return Extract(table, kept.aside(mark), origin, kept.books(mark))


def _questions(query):
    """Return the questions of an address; one that is asked several times has a list."""
    asked = parse_qs(query, keep_blank_values=True)
    return {name: found if len(found) > 1 else found[0] for name, found in asked.items()}


def _overlap(days):
    """Return the overlap as a span of time."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        if days >= 0:
            return timedelta(days=days)
    raise CannotExtract(
        f"overlap_days was expected to be a number of days from 0 on; got {days!r}: write for "
        "instance overlap_days=1."
    )


class _Walk:
    """A walk from page to page of an endpoint."""

    def __init__(self, caller, url, *, newest, overlap, pause):
        self._caller, self._newest, self._overlap, self._pause = caller, newest, overlap, pause
        self._shown, self._url = shown(url), url.partition("#")[0].partition("?")[0]

    def to_the_end(self, kept: Landing, mark: Mark, first: dict, row_key: str) -> Mark:
        """Read page after page, and keep each; return the mark of the finished run."""
        state, met = dict(mark.state), set()
        if self._newest and "since" in state:
            first = {**first, "since": self._with_overlap(state["since"])}
        params = state.get("next") or first
        # A first page that is as it was says nothing of a second one: there, new rows may stand.
        etag = "" if state.get("next") or not state.get("whole") else state.get("etag", "")
        for _ in range(self._caller.limits.pages):
            known = {"If-None-Match": etag} if etag and state.get("asked") == params else {}
            how = {"params": params, "headers": known}
            try:
                answer = self._caller.get(self._url, self._pause, **how)
            except CannotFetch as error:
                if met or not state.get("next") or error.status not in _FORGOTTEN:
                    raise
                params = first  # what was kept is merged when it comes again
                del state["next"]
                continue
            if answer.status == 304:
                break
            tray, following = self._page(answer)
            if not met and "next" not in state:
                state |= {"asked": params, "etag": answer.headers.get("etag", "")}
                state |= {"whole": following is None}
            state |= {"next": following, "newest": self._latest(tray.rows, state.get("newest", ""))}
            mark = kept.keep(mark, tray.rows, tray.aside, state, row_key)
            met.add(str(sorted(params.items())))
            if following is None:
                break
            if str(sorted(following.items())) in met:
                raise CannotFetch(
                    f"{self._shown} leads back to a page it gave before, so its pages never end: tell "
                    "who runs it."
                )
            params = following
        else:
            raise CannotFetch(
                f"{self._shown} has more than {self._caller.limits.pages:,} pages: take larger "
                "pages with limit=..., or allow more with NetworkLimits(pages=...)."
            )
        end = {name: state[name] for name in _KEPT_STATE if state.get(name)}
        if self._newest and state.get("newest"):
            end["since"] = state["newest"]  # the next run begins at the newest moment met
        kept.finish(mark, end)
        return replace(mark, state=end)

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

    def _page(self, answer: Answer) -> tuple[Tray, dict | None]:
        """Return the rows of a page, what is none, and the questions of the next page."""
        page = page_of(answer)
        found, following = page.get("items"), page.get("next") or None
        if isinstance(following, str) and following.strip().casefold() in _NO_PAGE:
            following = None
        if not isinstance(found, list) or not isinstance(following, str | None):
            raise CannotFetch(
                f"{self._shown} was expected to answer with a list 'items' and the next page's "
                f"address 'next' (null behind the last); it has {', '.join(page)[:200] or 'nothing'}"
                f", and next is {str(following)[:60]!r}. Check the address."
            )
        tray = Tray(self._shown)
        put_objects(tray, found)
        if following is None:
            return tray, None
        address = joined(self._url, following.strip())
        paths = {unquote(urlsplit(one).path) for one in (address, self._url)}
        if host_of(address) != self._caller.host or len(paths) > 1:
            raise CannotFetch(
                f"{self._shown} names {shown(address)} as its next page, which is another "
                "endpoint; the key is not sent there. Tell who runs it."
            )
        return tray, _questions(urlsplit(address).query)

    def _latest(self, rows, newest):
        """Return the newest moment met so far."""
        if not self._newest:
            return newest
        said = [row[self._newest] for row in rows if isinstance(row.get(self._newest), str)]
        moments = {text: _moment(text) for text in [newest, *said]}
        clock = datetime.now(UTC) + _AHEAD
        good = [text for text, at in moments.items() if at is not None and at <= clock]
        none = [text for text, at in moments.items() if at is None]  # which the next run has to say
        return max(good, key=moments.get) if good else max([newest, *none])


def _moment(text):
    """Return the moment that a text says, or None; without a zone it is taken for UTC."""
    with contextlib.suppress(ValueError, OverflowError):
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
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
        return parsed_object(answer.body.decode("utf-8-sig"))
    except ValueError as error:
        raise CannotFetch(
            f"{shown(answer.url)} was expected to answer with a JSON object in UTF-8, but: {error}. "
            f"It starts {start!r}. Try again; if it stays so, tell who runs it."
        ) from error


class Event(NamedTuple):
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
    params: Mapping | None = None,
    when: str = "",
    end: str = "end",
    limits: NetworkLimits = USUAL,
    pause: Callable[[float], None] = time.sleep,
) -> Extract:
    """Read a feed of server-sent events, until `count` events, `seconds` or the feed's end.

    A line that breaks is taken up again behind the last event had (`Last-Event-ID`).

    Parameters
    ----------
    url, key : the feed, and what opens it (`X-API-Key`).
    count, seconds : whichever comes first ends the reading, which is no failure. The clock is looked
        at when something comes; a line that falls silent is left `limits.read_s` later at most.
    landing : keeps events and the last id between runs; None keeps nothing.
    row_key : a key of the data: an event equal to an earlier one is merged. "" merges none.
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
    with contextlib.ExitStack() as stack:
        caller = stack.enter_context(Caller(url, key, limits=limits))
        kept = landing or stack.enter_context(Landing(":memory:"))
        mark = kept.begin(f"feed {_place(url)}")
        deadline = time.monotonic() + seconds
        feed = _Feed(caller, kept, mark, url, params, row_key, end, count, deadline)
        try:
            feed.listen_on(pause)
        finally:
            feed.keep()
        kept.finish(feed.mark, {"last": feed.last})
        told = {"when": when, "read_as": "server-sent events", "cursor": feed.last}
        return _landed(kept, feed.mark, url, _OWN, **told)


@dataclass
class _Feed:
    """A feed on its way into the landing."""

    caller: Caller
    kept: Landing
    mark: Mark
    url: str
    params: Mapping | None
    row_key: str
    end: str
    left: int
    deadline: float
    reached: bool = False
    tray: Tray = field(default_factory=lambda: Tray(""))

    def __post_init__(self):
        self.last = self.mark.state.get("last", "")

    def listen_on(self, pause) -> None:
        """Listen until the end; tries are counted anew after a line that came further."""

        def until_deadline(seconds):
            pause(min(seconds, max(0.0, self.deadline - time.monotonic())))

        while True:
            had = self.last
            try:
                return patiently(self._listen, self.caller.limits, until_deadline)
            except CannotFetch as error:
                if not error.again or self.last == had:
                    raise

    def _listen(self):
        """Listen on one line until it ends; a line that broke before its time raises."""
        headers = {"Accept": "text/event-stream"}
        if self.last:
            headers["Last-Event-ID"] = self.last.strip().encode()  # as the standard has it
        left = self.deadline - time.monotonic()
        broke = CannotFetch(f"{shown(self.url)} closed its line before the end: go on later.", True)
        try:
            if left > 0:
                with self.caller.opened(self.url, self.params, headers, left) as (answer, blocks):
                    self._check(answer, blocks)
                    for event in events_of(blocks):
                        if event.kind == self.end or not self._take(event):
                            return
                if not self.end:
                    return
        except CannotFetch as error:
            if not error.again:
                raise
            broke = error
        if time.monotonic() < self.deadline:
            raise broke
        if not self.reached:
            raise CannotFetch(
                f"{shown(self.url)} did not answer as a stream of events in the time of the reading: "
                "check that it runs, or allow more with seconds=..."
            ) from broke

    def _check(self, answer, blocks):
        """Stop unless the answer is good and a stream of events."""
        kind = answer.headers.get("content-type", "")
        if answer.status != 200:
            refuse_status(replace(answer, body=next(blocks, b"")))
        if "text/event-stream" not in kind.lower():
            raise CannotFetch(
                f"{shown(self.url)} was expected to be a stream of events; it answers "
                f"{answer.status} {kind[:60]!r}. Check the address."
            )
        self.reached = True

    def _take(self, event: Event) -> bool:
        """Put one event into the rows or aside; return whether more are wanted."""
        row, fault = object_in(event.data)
        if not row.keys().isdisjoint(_OWN):
            fault = f"its data have a key that stands for its place: {' or '.join(_OWN)}"
        row = {"sse_id": event.id, "sse_event": event.kind, **row}
        self.tray.put(row, self.tray.seen + 1, fault, event.data)
        self.last, self.left = event.id or self.last, self.left - 1
        if len(self.tray.rows) + len(self.tray.aside) >= _BATCH:
            self.keep()
        return self.left > 0 and time.monotonic() < self.deadline

    def keep(self) -> None:
        """Keep what came since the last time, with the id behind it."""
        rows, aside, state = self.tray.rows, self.tray.aside, {"last": self.last}
        if rows or aside:
            self.mark = self.kept.keep(self.mark, rows, aside, state, self.row_key, apart="sse_id")
            self.tray = Tray("", seen=self.tray.seen)


def events_of(pieces: Iterator[bytes]) -> Iterator[Event]:
    """Yield the events of a stream of bytes, as the standard reads them.

    Comments and `retry` are no events; an event without data is none; the id stays until another
    comes; what is not ended by an empty line when the stream ends is no event.

    Raises
    ------
    CannotFetch
        If an event is longer than a million bytes, or no UTF-8, or its id is longer than a header may
        be, in which it has to go back.

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
    for line in _lines(pieces):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event(last, kind or "message", "\n".join(data))
            kind, data = "", []
        elif name == "id" and "\0" not in value:
            if len(value.encode()) > _LONGEST_ID:
                raise CannotFetch(
                    f"an event has an id of {len(value):,} characters, {value[:40]!r} and so on; up to "
                    f"{_LONGEST_ID:,} bytes can be sent back in a header: tell who runs it."
                )
            last = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)


def _lines(pieces):
    """Yield the whole lines of a stream; a line may end in any of the three ways."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    decoder, rest, size = io.IncrementalNewlineDecoder(decoder, translate=True), "", 0
    for piece in itertools.chain(pieces, [b""]):
        try:
            *whole, rest = (rest + decoder.decode(piece)).split("\n")
        except UnicodeDecodeError as error:
            raise CannotFetch(
                f"a stream of events is UTF-8, but byte 0x{error.object[error.start]:02x} came, which "
                "is none: tell who runs it."
            ) from error
        for line in whole:
            size = size + len(line) + 1 if line else 0
            yield line
        if size + len(rest) > LONGEST_EVENT:
            raise CannotFetch(
                f"an event of the stream is longer than {LONGEST_EVENT:,} bytes: check the address, or "
                "tell who runs it."
            )
    if decoder.getstate()[1] & 1:  # a carriage return at the end, which might have been half an end
        yield rest
