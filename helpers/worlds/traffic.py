"""Traffic: how the requests of a world reach what is deployed.

Each function makes a `decide` for either world. `over_http` asks a service; the others take a decide,
or several: `split` shares the customers out, `shadow` asks a second one that nobody sees, `hold_out`
leaves some customers alone, `as_version` names what answers.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import math
import re
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

import h11
import numpy as np
import pandas as pd
from pandas import DataFrame, Series
from pydantic import BaseModel, Field, ValidationError

from helpers.worlds.play import CannotPlay, plainly, require_function, require_number
from helpers.worlds.service import TOLD
from helpers.worlds.shop.month import Context

Decide = Callable[[Any], DataFrame]

_LARGEST = 1_000_000  # bytes of an answer
_REFUSALS = (429, 503)
_Word = Annotated[str, Field(max_length=100)]
_Id = Annotated[int, Field(ge=-(2**53), le=2**53)]  # exact in a table that also has gaps


def over_http(
    address: str, *, timeout_s: float = 1.0, at_once: int = 8, key: str | None = None
) -> Decide:
    """Make a `decide` that sends each request to a service on this machine and takes what comes back.

    A request is a POST of JSON, sent once: `{request_id, at, k, customer_id}` in the shop,
    `{request_id, at, fields}` at the operator, whose `fields` are the row given. The service answers
    `{request_id, model_version, variant, fallback}` and `items` (`[{product_id, rank, score}]`) or
    `probability` and `decision`. What is not there on time and in this form is a failure, which the
    world serves its fallback; nothing is raised.

    Parameters
    ----------
    address : `http://`, a loopback host, a port and a path.
    timeout_s : seconds until an answer is given up, 0.001 to 60.
    at_once : requests under way at a time, 1 to 256; with more of them each waits longer. A service
        that never answers takes `timeout_s` for each `at_once` requests.
    key : sent as `Authorization: Bearer KEY`; None sends none.

    Returns
    -------
    The decide. Its table has `session_id`, `product_id`, `rank` and `score`, or `customerID`,
    `churn_probability` and `call`; and what it tells of each request: `variant`, `model_version`
    (of a failure the one that answered before it), `latency_ms` from the first byte sent to the answer
    read, `status` (504 for a timeout; 502 without connection or with a wrong form), `reason` ("" where the
    answer can be used; such a failure has one row without answer), `fallback` where the service
    says that its answer is one.

    Raises
    ------
    CannotPlay
        If the address is another one, or a number is out of range.

    Examples
    --------
    >>> over_http("https://example.org/recommend")
    Traceback (most recent call last):
    helpers.worlds.play.CannotPlay: address has to be like 'http://127.0.0.1:8000/recommend'; got \
'https://example.org/recommend', which does not begin with http://: start the service on this machine \
and give its address.
    """
    place = _checked(address)
    require_number("timeout_s", timeout_s, 0.001, 60, 1.0, whole=False)
    require_number("at_once", at_once, 1, 256, 8)
    version = None  # that answered last

    def decide(given: Any) -> DataFrame:
        nonlocal version
        kind, asked = _asked(given)
        outcomes = _send(place, kind, kind.messages(given), timeout_s, at_once, key)
        names = asked[kind.request].tolist()
        rows = [
            (name, *row, *outcome[1:])
            for name, outcome in zip(names, outcomes, strict=True)
            for row in outcome.rows or [(None,) * len(kind.columns)]
        ]
        table = DataFrame(rows, columns=[kind.request, *kind.columns, *_Outcome._fields[1:]])
        numbers = [column for column in kind.columns if column != "call"]
        table[numbers] = table[numbers].astype(float)
        told = table["model_version"].ffill()
        table["model_version"] = told.fillna(version) if version else told.bfill()
        version = next(iter(told.dropna().tail(1)), version)
        return table

    return decide


def split(variants: Mapping[str, Decide], shares: Mapping[str, float], salt: str) -> Decide:
    """Make a `decide` that shares the customers out among several, by a hash of the customer.

    A customer stays with a variant as long as shares and salt are the same, whenever and with whomever
    he or she comes. When the share of one of two variants grows, it keeps the customers it has.

    Parameters
    ----------
    variants : name -> decide; each is asked for its own requests only, without any not at all.
    shares : name -> share of the customers; together 1.
    salt : names the experiment: another one shares the customers out anew, independently.

    Returns
    -------
    The decide; its table is those of the variants with the column `variant`.

    Raises
    ------
    CannotPlay
        If the names differ, or the shares do not add up to 1.

    Examples
    --------
    >>> champion = lambda customers: customers.assign(churn_probability=0.1, call=False)
    >>> challenger = lambda customers: customers.assign(churn_probability=0.9, call=True)
    >>> both = split({"champion": champion, "challenger": challenger},
    ...              {"champion": 0.5, "challenger": 0.5}, salt="june")
    >>> both(DataFrame({"customerID": ["anna", "ben", "cem"]}))[["customerID", "variant"]].values.tolist()
    [['ben', 'challenger'], ['anna', 'champion'], ['cem', 'champion']]
    """
    names = [list(one) if isinstance(one, Mapping) else one for one in (variants, shares)]
    named = isinstance(shares, Mapping) and isinstance(variants, Mapping)
    if not named or set(variants) != set(shares):
        raise CannotPlay(
            f"variants and shares have to have the same names; got {names[0]} and {names[1]}: "
            'write both as {"champion": ...}, with share 0 for a variant that nobody is to see.'
        )
    for name, decide in variants.items():
        require_function(decide, f"variants[{name!r}]", "at_random")
    for name, share in shares.items():
        require_number(f"shares[{name!r}]", share, 0, 1, 0.5, whole=False)
    total = math.fsum(shares.values())
    if not math.isclose(total, 1, abs_tol=1e-9):
        raise CannotPlay(f"shares has to add up to 1; it adds up to {total:g}: change a share.")
    names = sorted((name for name in variants if shares[name] > 0), key=str)
    edges = np.cumsum([shares[name] for name in names])[:-1]

    def decide_together(given: Any) -> DataFrame:
        kind, asked = _asked(given)
        number = np.searchsorted(edges, _spot(asked[kind.customer], salt, b"split"), side="right")
        used = np.unique(number) if len(number) else [0]
        return pd.concat(
            [
                _answer_of(f"variant {name!r}", variants[name], _part(given, number == place))
                .assign(variant=name) for place, name in enumerate(names) if place in used
            ],
            ignore_index=True,
        )  # fmt: skip

    return decide_together


def shadow(decide: Decide, beside: Decide) -> Decide:
    """Make a `decide` that shows what `decide` says and records what `beside` says to the same.

    When `beside` raises or returns no answer, there is a warning, and the customers notice nothing.

    Returns
    -------
    The decide; its table has the column `shadow`, True in the rows that nobody is shown.

    Examples
    --------
    >>> shown = lambda customers: customers.assign(churn_probability=0.1, call=False)
    >>> new = lambda customers: customers.assign(churn_probability=0.9, call=True)
    >>> shadow(shown, new)(DataFrame({"customerID": ["anna"]}))[["call", "shadow"]].values.tolist()
    [[False, False], [True, True]]
    """
    require_function(decide, "decide", "at_random")
    require_function(beside, "beside", "at_random")

    def decide_twice(given: Any) -> DataFrame:
        answer = _answer_of("decide", decide, given)
        answer = answer.assign(shadow=answer.get("shadow", False))
        try:
            hidden = _recorded(_asked(given)[0], _answer_of("beside", beside, given))
            return pd.concat([answer, hidden], ignore_index=True)
        except Exception as error:  # whatever it is, it must not reach the customers
            warnings.warn(f"Nothing of the shadow is recorded this time: {error}", stacklevel=2)
            return answer

    return decide_twice


def hold_out(decide: Decide, share: float, salt: str) -> Decide:
    """Make a `decide` for the operator that calls nobody of a random `share` of the customers.

    They are scored all the same. What happens to them is what happens without calls.

    Parameters
    ----------
    share : of the customers, 0 to 1, by a hash of the customer: the same ones in every month.
    salt : names the choice; another one holds out others.

    Returns
    -------
    The decide; `variant` is "hold-out" for them, and "treated" for the others unless `decide` tells one.

    Examples
    --------
    >>> everybody = lambda customers: customers.assign(churn_probability=0.9, call=True)
    >>> answer = hold_out(everybody, 0.5, salt="year 1")(DataFrame({"customerID": ["anna", "ben"]}))
    >>> answer[["call", "variant"]].values.tolist()
    [[True, 'treated'], [False, 'hold-out']]
    """
    require_function(decide, "decide", "call_nobody")
    require_number("share", share, 0, 1, 0.1, whole=False)

    def decide_for_others(given: Any) -> DataFrame:
        kind, _ = _asked(given)
        if kind is not _OPERATOR:
            raise CannotPlay("hold_out leaves calls out, and a shop calls nobody: use split.")
        answer = _answer_of("decide", decide, given)
        hidden = answer.get("shadow", Series(False, index=answer.index)).eq(True)
        held = (_spot(answer["customerID"], salt, b"hold out") < share) & ~hidden
        variant = _filled(answer, "variant", "treated")
        return answer.assign(
            call=answer["call"].astype(object).where(~held, False).infer_objects(),
            variant=variant.where(~held, "hold-out"),
        )

    return decide_for_others


def as_version(decide: Decide, version: str) -> Decide:
    """Make a `decide` whose answers tell their `model_version`, where they do not tell one already.

    Examples
    --------
    >>> nobody = lambda customers: customers.assign(churn_probability=0.1, call=False)
    >>> as_version(nobody, "2")(DataFrame({"customerID": ["anna"]}))["model_version"].tolist()
    ['2']
    """
    require_function(decide, "decide", "at_random")

    def decide_by_name(given: Any) -> DataFrame:
        answer = _answer_of("decide", decide, given)
        return answer.assign(model_version=_filled(answer, "model_version", str(version)))

    return decide_by_name


# What is given and what is answered, in either world.


class _Item(BaseModel, strict=True, allow_inf_nan=False):
    product_id: _Id
    rank: _Id
    score: float | None = None


class _Said(BaseModel, strict=True, allow_inf_nan=False):
    """The form of an answer."""

    request_id: str | int
    customer_id: str | int | None = None
    model_version: _Word | None = None
    variant: _Word | None = None
    fallback: bool = False


class _List(_Said):
    items: list[_Item]

    def rows(self) -> list[tuple]:
        return [(item.product_id, item.rank, item.score) for item in self.items]


class _Score(_Said):
    probability: float | None
    decision: bool | None

    def rows(self) -> list[tuple]:
        return [] if self.probability is None else [(self.probability, self.decision)]


def _visits(context: Context) -> list[dict]:
    """Return the requests of a shop as a service is sent them."""
    sessions = context.sessions
    columns = [sessions[name].tolist() for name in ("session_id", "started_at", "customer_id")]
    return [
        {"request_id": str(session), "at": at.isoformat(), "k": context.k, "customer_id": customer}
        for session, at, customer in zip(*columns, strict=True)
    ]


def _scorings(customers: DataFrame) -> list[dict]:
    """Return the requests of an operator as a service is sent them."""
    at = customers.get("scored_at", Series(pd.NaT, index=customers.index))
    fields = customers.drop(columns="scored_at", errors="ignore")
    fields = fields.astype(object).where(fields.notna(), None)
    return [
        {"request_id": row["customerID"], "at": None if pd.isna(one) else one.isoformat(), "fields": row}
        for one, row in zip(at, fields.to_dict("records"), strict=True)
    ]  # fmt: skip


class _Kind(NamedTuple):
    """A world's names: the columns that name a request and a customer, and those of an answer."""

    request: str
    customer: str
    columns: tuple[str, ...]
    form: type[_Said]
    messages: Callable[[Any], list[dict]]


_SHOP = _Kind("session_id", "customer_id", ("product_id", "rank", "score"), _List, _visits)
_OPERATOR = _Kind("customerID", "customerID", ("churn_probability", "call"), _Score, _scorings)


def _asked(given):
    """Return of which kind what is given is, and its table of requests."""
    if isinstance(given, Context):
        return _SHOP, given.sessions
    if isinstance(given, DataFrame) and "customerID" in given:
        return _OPERATOR, given
    raise CannotPlay(
        f"a shop's Context or an operator's customers were expected; got a {type(given).__name__}: "
        "pass what the world gives to decide."
    )


def _part(given, mask):
    """Return what is given with the requests of a mask only."""
    if isinstance(given, Context):
        return replace(given, sessions=_part(given.sessions, mask))
    return given[mask].reset_index(drop=True)


def _answer_of(name, decide, given):
    """Return the answer of a decide, a table about requests of `given`; else refuse with its name."""
    kind, asked = _asked(given)
    try:
        answer = decide(given)
    except CannotPlay:
        raise
    except Exception as error:
        came = f"it raised {type(error).__name__}: {error}. Mend it"
        raise CannotPlay(f"{name} was to return a table; {came}.") from error
    wanted = [column for column in (kind.request, *kind.columns) if column != "score"]
    found = set(answer.columns) if isinstance(answer, DataFrame) else set()
    if not set(wanted) <= found or len(found) < len(answer.columns):
        columns = f" of {list(answer.columns)}" if isinstance(answer, DataFrame) else ""
        raise CannotPlay(
            f"{name} was to return a table with {', '.join(wanted)}; got a {type(answer).__name__}"
            f"{columns}. Return one row for each {'product shown' if kind is _SHOP else 'customer'}."
        )
    named = answer[kind.request]
    if kind is _SHOP:
        named = pd.to_numeric(named, errors="coerce")
    strange = answer.loc[~named.isin(asked[kind.request]), kind.request]
    if len(strange):
        raise CannotPlay(
            f"{name} was to answer the {len(asked):,} requests given; {len(strange):,} row(s) are about "
            f"others, the first with {kind.request} {plainly(strange.iloc[0])}. Copy {kind.request} "
            "from what is given, and leave others out."
        )
    return answer


def _recorded(kind, answer):
    """Return of an answer that nobody is shown what a world knows, numbers as numbers."""
    kept = [one for one in (kind.request, *kind.columns, "propensity", *TOLD) if one in answer]
    numbers = answer[[one for one in kept if one in kind.columns]]
    numbers = numbers.apply(pd.to_numeric, errors="coerce")
    return answer[kept].assign(shadow=True, **numbers)


def _filled(answer, column, value):
    """Return a column of an answer with `value` where it does not tell."""
    told = answer.get(column, Series(None, index=answer.index)).astype(object)
    return told.where(told.notna() & (told != ""), value)


def _spot(customers, salt, purpose):
    """Return for each customer a number in [0, 1) that belongs to customer, salt and purpose."""
    digests = (
        hashlib.blake2b(f"{salt}/{customer}".encode(), digest_size=8, person=purpose).digest()
        for customer in customers.tolist()
    )
    bits = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
    return (bits >> np.uint64(11)) * 2.0**-53


# HTTP.


class _Outcome(NamedTuple):
    """What became of a request: the rows of its answer, and what is told of it."""

    rows: list[tuple]
    variant: str
    model_version: str | None
    latency_ms: float
    status: int
    reason: str
    fallback: bool


def _checked(address) -> SplitResult:
    """Return the parts of an address of this machine; refuse any other."""
    text = address if isinstance(address, str) else ""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    wrong = {
        "does not begin with http://": parts.scheme != "http",
        "is not on this machine (127.0.0.1, ::1 or localhost)": not _is_loopback(parts.hostname),
        "has no port": not port,
        "has no path": not parts.path,
        "has a name before the host": parts.username is not None,
        "has a character that no address of a service has": not re.fullmatch('[!"$-~]*', text),
    }
    for what in (name for name, found in wrong.items() if found):
        raise CannotPlay(
            f"address has to be like 'http://127.0.0.1:8000/recommend'; got {plainly(address)}, which "
            f"{what}: start the service on this machine and give its address."
        )
    return parts


def _is_loopback(host):
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _send(place, kind, messages, timeout_s, at_once, key):
    """Send messages, `at_once` at a time; return what became of each."""
    outcomes = [None] * len(messages)
    waiting = deque(enumerate(messages))

    async def one_line():
        line = _Line(place, key)
        while waiting:
            number, message = waiting.popleft()
            outcomes[number] = await _exchange(line, message, kind.form, timeout_s)
        line.drop()

    async def all_lines():
        await asyncio.gather(*(one_line() for _ in range(min(at_once, len(messages)))))

    with ThreadPoolExecutor(1) as thread:  # a notebook's own thread runs a loop already
        try:
            thread.submit(lambda: asyncio.run(all_lines())).result()
        finally:
            waiting.clear()  # on an interrupt: what is under way ends, the rest is not sent
    return outcomes


async def _exchange(line, message, form, timeout_s):
    """Send one message and judge what comes back."""
    said, status = None, 502
    line.began = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s):
            status, body, reason = await line.post(json.dumps(message, default=str).encode())
    except TimeoutError:
        status, reason = 504, "timeout"
    except OSError:
        reason = "connection closed" if line.http else "no connection"
    except h11.RemoteProtocolError:
        reason = "connection closed" if line.ended else "broken HTTP"
    latency_ms = 1000 * (time.perf_counter() - line.began)
    if reason or status != 200:
        reason = reason or ("refused" if status in _REFUSALS else "error")
    else:
        said, reason = _understood(body, message, form)
        status = 502 if said is None else 200
    if status in (502, 504):
        line.drop()  # what else comes on it would be taken for the answer to the next request
    if said is None:
        return _Outcome([], "", None, latency_ms, status, reason, False)
    rows = said.rows()
    reason = "" if rows else "fallback" if said.fallback else "no answer"
    told = said.variant or "", said.model_version
    return _Outcome(rows, *told, latency_ms, status, reason, said.fallback and bool(rows))


def _understood(body, message, form):
    """Return the answer to a message, or None and why it is none."""
    try:
        said = form.model_validate_json(body)
    except ValidationError as error:
        broken = error.errors(include_url=False)[0]["type"] == "json_invalid"
        return None, "broken JSON" if broken else "wrong form"
    customer = message.get("customer_id", message["request_id"])
    mine = said.customer_id is None or str(said.customer_id) == str(customer)
    if not mine or str(said.request_id) != str(message["request_id"]):
        return None, "wrong request"
    return said, ""


@lru_cache  # its checks take as long as the rest of sending
def _head(host, target, length, key):
    kinds = [("Content-Type", "application/json"), ("Accept", "application/json")]
    kinds += [("Authorization", f"Bearer {key}")] if key else []
    headers = [("Host", host), ("Content-Length", str(length)), *kinds]
    return h11.Request(method="POST", target=target, headers=headers)


class _Line:
    """A connection to a service that is kept alive, and opened again when it was dropped."""

    def __init__(self, place: SplitResult, key: str | None):
        self.key = key
        self.place, self.target = place, place.path + ("?" + place.query if place.query else "")
        self.http, self.ended, self.began = None, False, 0.0

    async def post(self, body: bytes) -> tuple[int, bytes, str]:
        """Send a body; return status and body of the answer, or 502 and why there is none."""
        if self.http and self.reader.at_eof():
            self.drop()
        if self.http is None:
            where = self.place.hostname, self.place.port
            self.reader, self.writer = await asyncio.open_connection(*where)
            self.http, self.ended = h11.Connection(h11.CLIENT), False
        head = _head(self.place.netloc, self.target, len(body), self.key)
        self.began = time.perf_counter()
        parts = [self.http.send(one) for one in (head, h11.Data(data=body), h11.EndOfMessage())]
        self.writer.write(b"".join(parts))
        await self.writer.drain()
        return await self._answer()

    async def _answer(self):
        status, parts, size = 0, [], 0
        while not isinstance(event := self.http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                data = await self.reader.read(2**16)
                self.ended, size = not data, size + len(data)
                if size > _LARGEST:
                    return 502, b"", "too large"
                self.http.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                parts.append(event.data)
            elif not isinstance(event, h11.InformationalResponse):
                return 502, b"", "broken HTTP"
        if self.http.trailing_data[0]:
            return 502, b"", "answered twice"
        if self.http.our_state is self.http.their_state is h11.DONE:
            self.http.start_next_cycle()
        else:
            self.drop()
        return status, b"".join(parts), ""

    def drop(self) -> None:
        """Close the connection at once, if it is open."""
        if self.http is not None:
            self.writer.transport.abort()
            self.http = None
