"""Calls to web services that nobody vouches for: bounded, patient, on one host."""

from __future__ import annotations

import contextlib
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from helpers.etl.extract.result import CannotExtract

_BUSY = {408, 425, 429, 500, 502, 503, 504}
AGENT = "LifecycleCourse/1.0 (+a course on data; reads what it is allowed to)"
_MOST_REDIRECTS = 3  # of one call; they may not leave the host
_BLOCK = 65_536
_SHORTEST_KEY = 6  # characters; a shorter one may be a word of any sentence
FIRST_WAIT_S = 0.2


@dataclass(frozen=True)
class NetworkLimits:
    """How long and how much is read from a service before it is given up.

    Attributes
    ----------
    connect_s, read_s : the longest wait for a connection, and for the next bytes.
    whole_s : the longest time for one whole answer, however its bytes trickle.
    size : bytes of an answer, unpacked.
    pages : answers of one reading.
    tries : calls before a service counts as down.
    longest_wait_s : the longest pause that a service may ask for.
    """

    connect_s: float = 3.05
    read_s: float = 10.0
    whole_s: float = 60.0
    size: int = 20_000_000
    pages: int = 10_000
    tries: int = 6
    longest_wait_s: float = 60.0


USUAL = NetworkLimits()


class CannotFetch(CannotExtract):
    """A service gave no answer that can be used.

    Attributes
    ----------
    again : whether another try may help.
    wait_s : the pause that the service asked for, or None.
    status : the HTTP status, or 0 without one.
    """

    def __init__(self, message: str, again: bool = False, wait_s: float | None = None, status=0):
        super().__init__(message)
        self.again, self.wait_s, self.status = again, wait_s, status


@dataclass(frozen=True)
class Answer:
    """What a service answered: the address in the end, status, headers, body."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def refuse_status(answer: Answer) -> Answer:
    """Return the answer if it is good (200 to 299, or 304), or say what the service said."""
    status = answer.status
    if 200 <= status < 300 or status == 304:
        return answer
    said = " ".join(answer.body[:200].decode("utf-8", "replace").split())
    todo = {401: "Pass its key.", 403: "Ask for a key that opens it.", 404: "Check the address."}
    again = status in _BUSY
    raise CannotFetch(
        f"{shown(answer.url)} answered {status}: {said!r}. "
        f"{todo.get(status, 'Try later.' if again else 'Check what was asked.')}",
        again,
        _wait_asked_for(answer.headers) if again else None,
        status,
    )


def _wait_asked_for(headers):
    """Return the seconds that the header `Retry-After` asks for, or None.

    They are whole, as the standard has them, decimal, as some services write, or a date.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < 20:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def host_of(url: str) -> str:
    """Return scheme, host and port of an address.

    Examples
    --------
    >>> host_of("http://127.0.0.1:8000/api?x=1"), host_of("https://example.org:443/")
    ('http://127.0.0.1:8000', 'https://example.org')
    """
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname
        usual = {"http": 80, "https": 443}[parts.scheme]
        if not name.isascii():  # bücher.de is called as xn--bcher-kva.de
            name = urlsplit(as_called(url)).hostname
        host = f"[{name}]" if ":" in name else name
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise CannotFetch(
            f"an address such as https://example.org/api was expected; got {shown(str(url))!r}: "
            "check it."
        ) from error
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


def as_called(url: str) -> str:
    """Return an address in the one way of writing in which it is called, see RFC 3986, section 6.2.

    Examples
    --------
    >>> as_called("http://Example.org/shop/../%7Edew?of=a b")
    'http://example.org/~dew?of=a%20b'
    """
    try:
        for _ in range(2):  # dots that were written %2E count once they are dots
            url = str(requests.Request("GET", url).prepare().url)
    except (requests.RequestException, ValueError) as error:
        raise CannotFetch(f"{shown(str(url))!r} is no address that can be called.") from error
    return url


def joined(url: str, target: str) -> str:
    """Return the address that a link on `url` leads to."""
    try:
        return urljoin(url, target)
    except ValueError as error:
        raise CannotFetch(f"{shown(url)} leads to {target[:60]!r}, which is no address.") from error


def shown(url: str) -> str:
    """Return an address as a message may show it: no name, no password, no endless query.

    Examples
    --------
    >>> shown("http://me:secret@127.0.0.1:8000/api?token=abc")
    'http://127.0.0.1:8000/api?...'
    """
    head, question, _ = str(url).partition("?")
    scheme, slashes, rest = head.partition("://")
    place, slash, path = rest.partition("/")
    head = f"{scheme}{slashes}{place.rpartition('@')[2]}{slash}{path}" if slashes else head
    return head[:200] + ("..." if len(head) > 200 else "") + ("?..." if question else "")


class Caller(contextlib.AbstractContextManager):
    """Calls one host, one call at a time; use it in a `with` block.

    Parameters
    ----------
    url : an address on the host; calls to any other scheme, host or port are refused, so that a key
        never leaves it.
    key : sent in the header `X-API-Key`; "" for none. No message shows it.
    agent : what the caller says it is.
    limits : bounds, see `NetworkLimits`.

    Raises
    ------
    CannotFetch
        If `url` is no http or https address.

    Examples
    --------
    >>> with Caller("http://127.0.0.1:9") as caller:
    ...     caller.get("http://example.org/", time.sleep)
    Traceback (most recent call last):
    helpers.etl.extract.web.CannotFetch: http://example.org/ is not on http://127.0.0.1:9, the only \
host that is called here: check the address.
    """

    def __init__(self, url: str, key: str = "", agent: str = AGENT, limits: NetworkLimits = USUAL):
        self.host, self.limits, self._key = host_of(url), limits, key
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc: the key goes to this host only
        self._session.headers.update({"User-Agent": agent, "Accept-Encoding": "gzip, deflate"})
        if not (key.isascii() and key.isprintable()):
            raise CannotFetch("key is printable ASCII text, as a header takes it: copy it again.")
        if key:
            self._session.headers["X-API-Key"] = key

    def __exit__(self, kind, error, trace) -> None:
        self._session.close()
        if isinstance(error, CannotFetch) and len(self._key) >= _SHORTEST_KEY:
            error.args = (str(error).replace(self._key, "***"),)  # a service may repeat it

    def get(self, url: str, pause: Callable[[float], None], **how) -> Answer:
        """Return a good answer (200 to 299, or 304), after as many tries as the limits allow.

        Raises
        ------
        CannotFetch
            If the host is another, does not answer, is too slow, answers too much or no good.
        """

        def call():
            with self.opened(url, **how) as (answer, blocks):
                return refuse_status(replace(answer, body=b"".join(blocks)))

        return patiently(call, self.limits, pause)

    @contextlib.contextmanager
    def opened(
        self,
        url: str,
        params: Mapping | None = None,
        headers: Mapping | None = None,
        whole_s: float | None = None,
        hop: Callable[[str], None] = lambda url: None,
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """Yield an answer without its body, and the body's blocks as they come.

        The clock is looked at whenever something came; a line that says nothing is left after
        `limits.read_s`. Before a redirect is followed, `hop` is called with its address and may raise.
        """
        deadline = time.monotonic() + (whole_s or self.limits.whole_s)
        try:
            with self._followed(url, params, headers, hop, deadline) as response:
                answer = Answer(response.url, response.status_code, response.headers, b"")
                yield answer, _blocks(response, self.limits.size, deadline)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _unanswered(url, error) from error

    def _followed(self, url, params, headers, hop, deadline):
        """Call, and follow redirects on the same host."""
        start = url
        for _ in range(_MOST_REDIRECTS + 1):
            if host_of(url) != self.host:
                raise CannotFetch(
                    f"{shown(url)} is not on {self.host}, the only host that is called here: check "
                    "the address."
                )
            if url != start:
                hop(url)
            left = max(0.01, deadline - time.monotonic())
            timeout = min(left, self.limits.connect_s), min(left, self.limits.read_s)
            options = {"timeout": timeout, "stream": True, "allow_redirects": False}
            try:
                response = self._session.get(url, params=params, headers=headers, **options)
            except requests.RequestException:
                raise
            except ValueError as error:  # the library looks at where a redirect leads
                raise CannotFetch(
                    f"{shown(url)} leads on to what is no address: tell who runs it."
                ) from error
            location = response.is_redirect and response.headers["Location"]
            if not location:
                return response
            response.close()
            url, params = joined(response.url, location), None
        raise CannotFetch(
            f"{shown(start)} was redirected more than {_MOST_REDIRECTS} times, at last to {shown(url)}: "
            "check the address."
        )


def _blocks(response, most, deadline):
    """Yield the body as it comes, unpacked; stop at `most` bytes, however it is packed."""
    url, kind = shown(response.url), response.headers.get("Content-Encoding", "").strip().lower()
    too_much = CannotFetch(
        f"{url} answers with more than {most:,} bytes: ask for smaller pages, or allow more with "
        "NetworkLimits(size=...)."
    )
    declared = response.headers.get("Content-Length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > most):
        raise too_much
    if kind not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise CannotFetch(f"{url} is packed with {kind[:40]!r}; gzip or nothing was asked for.")
    machine = zlib.decompressobj(47) if kind not in ("", "identity") else None
    count, raw = 0, b"start"
    while raw:
        raw = response.raw.read1(_BLOCK, decode_content=False)
        if time.monotonic() > deadline:
            raise CannotFetch(
                f"{url} did not end in the time allowed: try later, or allow more with "
                "NetworkLimits(whole_s=...).",
                again=True,
            )
        try:
            for block in _unpacked(machine, raw) if machine else [raw]:
                count += len(block)
                if count > most:
                    raise too_much
                yield block
        except (zlib.error, EOFError) as error:
            raise CannotFetch(
                f"{url} is said to be {kind}, but: {error}. Try again.", again=True
            ) from error


def _unpacked(machine, raw):
    """Yield what a block holds, in blocks of a bounded size; an empty one is the last."""
    more = raw
    while not machine.eof and (block := machine.decompress(more, _BLOCK)):
        yield block
        more = machine.unconsumed_tail
    if not raw and not machine.eof:
        raise EOFError("it ends in the middle")


def _unanswered(url, error):
    """Return a sentence for what the libraries raise, without the objects that they show."""
    kinds = {
        requests.exceptions.ConnectTimeout: "no connection was made in time",
        requests.exceptions.ReadTimeout: "nothing came for too long",
        urllib3.exceptions.ReadTimeoutError: "nothing came for too long",
        requests.exceptions.SSLError: "its certificate cannot be trusted",
        urllib3.exceptions.IncompleteRead: "the answer ends before it should",
        urllib3.exceptions.ProtocolError: "the answer is no HTTP, or the line broke",
        requests.exceptions.ConnectionError: "nobody answers there, or the line broke",
        requests.exceptions.InvalidURL: "the address cannot be called",
    }
    found = (text for kind, text in kinds.items() if isinstance(error, kind))
    why = next(found, type(error).__name__)
    again = not isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.SSLError)
    return CannotFetch(
        f"{shown(url)} gave no answer that can be read: {why}. Check that the service runs.", again
    )


Result = TypeVar("Result")


def patiently(
    work: Callable[[], Result],
    limits: NetworkLimits,
    pause: Callable[[float], None] = time.sleep,
) -> Result:
    """Do `work`, and again when it raised a `CannotFetch` that another try may help (`again`).

    Between two tries it waits as long as the service asked, or else 0.2 seconds, then twice as long
    each time. A service that asks for more than `limits.longest_wait_s` is given up at once.

    Raises
    ------
    CannotFetch
        The last one, when the tries are used up.

    Examples
    --------
    >>> tried, waits = [], []
    >>> def work():
    ...     tried.append(1)
    ...     if len(tried) < 3:
    ...         raise CannotFetch("busy", again=True, wait_s=0.5 if len(tried) == 1 else None)
    ...     return "done"
    >>> patiently(work, NetworkLimits(), waits.append), waits
    ('done', [0.5, 0.4])
    """
    growing = wait_exponential(FIRST_WAIT_S, max=limits.longest_wait_s)

    def may_pass(error):
        again = isinstance(error, CannotFetch) and error.again
        return again and (error.wait_s or 0.0) <= limits.longest_wait_s

    def wait(state):
        asked = state.outcome.exception().wait_s
        return growing(state) if asked is None else asked

    retry, stop = retry_if_exception(may_pass), stop_after_attempt(limits.tries)
    return Retrying(stop=stop, wait=wait, retry=retry, sleep=pause, reraise=True)(work)
