"""What is asked of a service, what it answered, and where it may be: limits, statuses, addresses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

from helpers.etl.extract.accounts import CannotExtract

_BUSY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class NetworkLimits:
    """How long and how much is read from a service before it is given up.

    Attributes
    ----------
    connect_s, read_s : the longest wait for a connection, and for the next bytes.
    whole_s : the longest time for one whole answer, however its bytes trickle.
    size : bytes of an answer, unpacked.
    pages : answers of one reading.
    redirects : redirects of one call; they may not leave the host.
    tries : calls before a service counts as down.
    longest_wait_s : the longest pause that a service may ask for.
    """

    connect_s: float = 3.05
    read_s: float = 10.0
    whole_s: float = 60.0
    size: int = 20_000_000
    pages: int = 10_000
    redirects: int = 3
    tries: int = 6
    longest_wait_s: float = 60.0


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
    """What a service answered: the address in the end, status, headers (small letters), body."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def refuse_status(answer: Answer) -> Answer:
    """Return the answer if it is good (200 to 299, or 304), or say what the service said.

    Raises
    ------
    CannotFetch
        Otherwise; with `again` for a service that is busy or out of order.
    """
    status = answer.status
    if 200 <= status < 300 or status == 304:
        return answer
    said = " ".join(answer.body[:200].decode("utf-8", "replace").split())
    todo = {401: "Pass its key.", 403: "Ask for a key that opens it.", 404: "Check the address."}
    again = status in _BUSY
    raise CannotFetch(
        f"{shown(answer.url)} answered {status}: {said!r}. "
        f"{todo.get(status, 'Try later.' if again else 'Check what was asked.')}",
        again, wait_asked_for(answer.headers) if again else None, status,
    )  # fmt: skip


def wait_asked_for(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Return the seconds that the header `Retry-After` asks for, or None.

    Parameters
    ----------
    headers : with names in small letters. The value is whole seconds, as the standard has them,
        decimal seconds, as some services write, or a date.
    now : seconds since 1970, for a date; the clock unless given.

    Examples
    --------
    >>> wait_asked_for({"retry-after": "0.25"}), wait_asked_for({"retry-after": "soon"})
    (0.25, None)
    >>> wait_asked_for({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, now=50.0)
    10.0
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.replace(".", "", 1).isdigit() and len(text) < 20:
        return float(text)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))


def host_of(url: str) -> str:
    """Return scheme, host and port of an address.

    Examples
    --------
    >>> host_of("http://127.0.0.1:8000/api?x=1"), host_of("https://example.org/")
    ('http://127.0.0.1:8000', 'https://example.org')
    """
    try:
        parts = urlsplit(url)
        port, name = parts.port, parts.hostname
    except (ValueError, AttributeError, TypeError):
        parts, port, name = None, None, None
    if parts is None or parts.scheme not in ("http", "https") or not name:
        raise CannotFetch(
            f"an address such as https://example.org/api was expected; got {shown(str(url))!r}: "
            "check it."
        )
    if port == {"http": 80, "https": 443}[parts.scheme]:
        port = None
    host = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def joined(url: str, target: str) -> str:
    """Return the address that a link on `url` leads to.

    Examples
    --------
    >>> joined("https://example.org/a/b", "../c?x=1")
    'https://example.org/c?x=1'
    """
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
    return head[:200] + ("?..." if question else "")
