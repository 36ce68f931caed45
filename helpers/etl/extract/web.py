"""Calls to web services that nobody vouches for: bounded in time, bytes, redirects and hosts."""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping

import requests
import urllib3

from helpers.etl.extract.network import Answer, CannotFetch, NetworkLimits, host_of, joined, shown
from helpers.etl.extract.sockets import Sockets, Watched

AGENT = "LifecycleCourse/1.0 (+a course on data; reads what it is allowed to)"
_REDIRECTS = {301, 302, 303, 307, 308}
_BLOCK = 65_536
_SHORTEST_KEY = 6  # characters; a shorter one may be a word of any sentence


class Caller:
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
    ...     caller.get("http://example.org/")
    Traceback (most recent call last):
    helpers.etl.extract.network.CannotFetch: http://example.org/ is not on http://127.0.0.1:9, the only \
host that is called here: check the address.
    """

    def __init__(
        self, url: str, key: str = "", agent: str = AGENT, limits: NetworkLimits | None = None
    ):
        self.host = host_of(url)
        self.limits = limits or NetworkLimits()
        self._key = key
        self._sockets = Sockets()
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc: the key goes to this host only
        self._session.headers.update({"User-Agent": agent, "Accept-Encoding": "gzip, deflate"})
        if key:
            if not (key.isascii() and key.isprintable()):
                raise CannotFetch(
                    "key is printable ASCII text, as a header takes it: copy it again."
                )
            self._session.headers["X-API-Key"] = key
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, Watched(self._sockets))

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, kind, error, trace) -> None:
        self._session.close()
        if isinstance(error, CannotFetch) and len(self._key) >= _SHORTEST_KEY:
            error.args = (str(error).replace(self._key, "***"),)  # a service may repeat it

    def get(
        self,
        url: str,
        params: Mapping | None = None,
        headers: Mapping | None = None,
        hop: Callable[[str], None] | None = None,
    ) -> Answer:
        """Return the answer to one call, whatever its status.

        Parameters
        ----------
        hop : called with the address of each redirect before it is followed; may raise.

        Raises
        ------
        CannotFetch
            If the host is another, does not answer, is too slow, or answers too much.
        """
        with self.opened(url, params, headers, hop=hop) as (response, cut):
            body = b"".join(blocks(response, self.limits.size, cut))
            lower = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.url, response.status_code, lower, body)

    @contextlib.contextmanager
    def opened(
        self,
        url: str,
        params: Mapping | None = None,
        headers: Mapping | None = None,
        whole_s: float | None = None,
        hop: Callable[[str], None] | None = None,
    ) -> Iterator[tuple[requests.Response, threading.Event]]:
        """Yield a response whose body is not read yet, and an event that tells when time was up."""
        seconds = whole_s or self.limits.whole_s
        cut = self._sockets.called()
        alarm = threading.Timer(seconds, self._sockets.cut, [cut])
        alarm.daemon = True
        alarm.start()
        response = None
        try:
            response = self._followed(url, params, headers, hop)
            yield response, cut
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if cut.is_set():
                raise self._too_slow(url, seconds) from error
            raise _unanswered(url, error) from error
        finally:
            alarm.cancel()
            self._sockets.ended()
            if response is not None:
                response.close()

    def _too_slow(self, url, seconds):
        return CannotFetch(
            f"{shown(url)} took longer than {seconds:g} seconds for one answer: try later, or allow "
            "more with NetworkLimits(whole_s=...).", again=True
        )  # fmt: skip

    def _followed(self, url, params, headers, hop):
        """Call, and follow redirects on the same host."""
        timeout = (self.limits.connect_s, self.limits.read_s)
        start = url
        for _ in range(self.limits.redirects + 1):
            self._refuse_other_host(url)
            if hop and url != start:
                hop(url)
            response = self._one_call(url, params, headers, timeout)
            location = response.headers.get("Location", "")
            if response.status_code not in _REDIRECTS or not location:
                return response
            response.close()
            url, params = joined(response.url, location), None
        raise CannotFetch(
            f"{shown(start)} was redirected more than {self.limits.redirects} times, at last to "
            f"{shown(url)}: check the address."
        )

    def _one_call(self, url, params, headers, timeout):
        try:
            return self._session.get(
                url, params=params, headers=headers, timeout=timeout, stream=True,
                allow_redirects=False,
            )  # fmt: skip
        except requests.RequestException:
            raise
        except ValueError as error:  # the library looks at where a redirect leads
            raise CannotFetch(
                f"{shown(url)} leads on to what is no address: tell who runs it."
            ) from error

    def _refuse_other_host(self, url):
        if host_of(url) != self.host:
            raise CannotFetch(
                f"{shown(url)} is not on {self.host}, the only host that is called here: check the "
                "address."
            )


def blocks(response: requests.Response, most: int, cut: threading.Event) -> Iterator[bytes]:
    """Yield the body as it comes, unpacked; stop at `most` bytes, however it is packed.

    Raises
    ------
    CannotFetch
        If it is more, packed in an unknown way, damaged, or time was up.
    """
    url, kind = shown(response.url), response.headers.get("Content-Encoding", "").strip().lower()
    declared = response.headers.get("Content-Length", "")
    if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > most):
        raise _too_much(url, most)
    unpack = _unpacker(url, kind, most)
    count, raw = 0, b"start"
    while raw:
        raw = response.raw.read1(_BLOCK, decode_content=False)
        if cut.is_set():
            raise CannotFetch(f"{url} did not end in the time allowed: try later.", again=True)
        for block in unpack(raw):
            count += len(block)
            if count > most:
                raise _too_much(url, most)
            yield block


def _unpacker(url, kind, most):
    """Return a function that unpacks block by block; an empty block asks whether it ended."""
    if kind in ("", "identity"):
        return lambda raw: [raw] if raw else []
    if kind not in ("gzip", "x-gzip", "deflate"):
        raise CannotFetch(f"{url} is packed with {kind[:40]!r}; gzip or nothing was asked for.")
    machine = zlib.decompressobj(47 if "gzip" in kind else 15)

    def unpack(raw):
        last = not raw
        try:
            while not machine.eof:
                block = machine.decompress(raw, _BLOCK)
                raw = machine.unconsumed_tail
                if block:
                    yield block
                elif not raw:
                    break
        except zlib.error as error:
            raise CannotFetch(f"{url} is said to be {kind}, but: {error}. Try again.", again=True) from error  # fmt: skip
        if last and not machine.eof:
            raise CannotFetch(f"{url} is packed and ends in the middle: try again.", again=True)

    return unpack


def _too_much(url, most):
    return CannotFetch(
        f"{url} answers with more than {most:,} bytes: ask for smaller pages, or allow more with "
        "NetworkLimits(size=...)."
    )


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
    why = next((text for kind, text in kinds.items() if isinstance(error, kind)), type(error).__name__)  # fmt: skip
    again = not isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.SSLError)
    return CannotFetch(
        f"{shown(url)} gave no answer that can be read: {why}. Check that the service runs.", again
    )
