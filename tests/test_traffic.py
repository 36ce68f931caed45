"""`helpers.worlds.traffic`: services that answer well and badly, variants, a shadow, a hold-out."""

import asyncio
import json
import threading
import time
import zlib

import numpy as np
import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame
from scipy.stats import binom, chi2_contingency

from helpers.worlds import Operator, Shop
from helpers.worlds.play import CannotPlay
from helpers.worlds.shop import at_random
from helpers.worlds.shop.month import Context
from helpers.worlds.traffic import as_version, hold_out, over_http, shadow, split

PATIENT_S = 20  # no test waits so long
TEN = [{"product_id": place, "rank": place, "score": 1 / place} for place in range(1, 11)]


class Service:
    """A service on loopback that answers as it is told: `answer` makes bytes of a message.

    `moods` says what is wrong with the answer to a request: a list of bytes, sent one by one with
    the pauses between them; None instead of bytes closes the connection.
    """

    def __init__(self):
        self.moods, self.seen, self.connections, self.most, self.busy = {}, [], 0, 0, 0
        self.usual = lambda message: [answer(said(message))]

    def __enter__(self):
        started = threading.Event()

        async def run():
            self.loop = asyncio.get_running_loop()
            server = await asyncio.start_server(self.talk, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self.over = asyncio.Event()
            started.set()
            await self.over.wait()
            server.close()

        self.thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
        self.thread.start()
        assert started.wait(PATIENT_S)
        self.address = f"http://127.0.0.1:{self.port}/recommend"
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(PATIENT_S)

    async def talk(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.split("content-length:")[1].split()[0])
                message = json.loads(await reader.readexactly(length))
                self.seen.append((head, message))
                self.busy += 1
                self.most = max(self.most, self.busy)
                for part in self.moods.get(message["request_id"], self.usual)(message):
                    if part is None:
                        return
                    if isinstance(part, float):
                        await asyncio.sleep(part)
                    else:
                        writer.write(part)
                        await writer.drain()
                self.busy -= 1
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()


def said(message, **other):
    """The right answer to a message."""
    score = {"probability": 0.25, "decision": True}
    right = {"items": TEN} if "k" in message else score
    return {"request_id": message["request_id"], "model_version": "3", "variant": "", "fallback": False, **right, **other}  # fmt: skip


def answer(body, status=200, *headers):
    """An HTTP answer of a dictionary or of bytes."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture(scope="module")
def running():
    with Service() as service:
        yield service


@pytest.fixture
def service(running):
    running.__init__()
    return running


def visits(count=3, customers=None):
    """What a shop gives: `count` sessions, each of another customer."""
    sessions = DataFrame(
        {
            "session_id": 1_000 + np.arange(count),
            "customer_id": np.arange(count) if customers is None else customers,
            "started_at": pd.Timestamp("2024-10-01 09:00:05")
            + pd.to_timedelta(np.arange(count), "s"),
        }
    )
    return Context(1, pd.Timestamp("2024-10-01"), sessions, DataFrame(), DataFrame())


def subscribers(count=3):
    """What an operator gives."""
    return DataFrame({"customerID": [f"c{number}" for number in range(count)], "tenure": "12"})


GIVEN = {"shop": visits, "operator": subscribers}
both_worlds = pytest.mark.parametrize("kind", GIVEN)


def names_of(given):
    return (
        given.sessions["session_id"] if isinstance(given, Context) else given["customerID"]
    ).tolist()


# ---- a service that answers well


def test_a_shops_requests_are_sent_and_answered_as_agreed(service):
    table = over_http(service.address)(visits(3))
    sent = sorted((message for _, message in service.seen), key=lambda one: one["request_id"])
    assert sent[0] == {"request_id": "1000", "at": "2024-10-01T09:00:05", "k": 10, "customer_id": 0}
    assert table["session_id"].tolist() == np.repeat([1000, 1001, 1002], 10).tolist()
    assert table["product_id"].tolist() == table["rank"].tolist() == [*range(1, 11)] * 3
    assert table["score"].tolist() == pytest.approx([1 / rank for rank in range(1, 11)] * 3)
    assert set(table["model_version"]) == {"3"}
    assert set(table["status"]) == {200}
    assert set(table["reason"]) == set(table["variant"]) == {""}
    assert not table["fallback"].any()
    assert table["latency_ms"].between(0, 1_000).all()


def test_an_operators_requests_carry_the_row_without_its_moment(service):
    rows = subscribers(2).assign(
        scored_at=pd.Timestamp("2025-01-01 08:30"), TotalCharges=[" ", None], SeniorCitizen=[0, 1]
    )
    table = over_http(service.address)(rows)
    sent = sorted((message for _, message in service.seen), key=lambda one: one["request_id"])
    fields = {"customerID": "c1", "tenure": "12", "TotalCharges": None, "SeniorCitizen": 1}
    assert sent[1] == {"request_id": "c1", "at": "2025-01-01T08:30:00", "fields": fields}
    assert table["customerID"].tolist() == ["c0", "c1"]
    assert table["churn_probability"].tolist() == [0.25, 0.25]
    assert table["call"].tolist() == [True, True]
    over_http(service.address)(subscribers(1))
    assert service.seen[-1][1]["at"] is None


@both_worlds
def test_without_requests_there_is_an_empty_table_and_nothing_is_sent(service, kind):
    table = over_http(service.address)(GIVEN[kind](0))
    assert len(table) == 0
    assert {"model_version", "latency_ms", "status", "reason"} <= set(table.columns)
    assert service.connections == 0


def test_connections_are_kept_and_no_more_are_open_than_allowed(service):
    service.usual = lambda message: [0.01, answer(said(message))]
    over_http(service.address, at_once=4)(visits(60))
    assert service.connections == 4
    assert 2 <= service.most <= 4


def test_the_latency_is_that_of_each_request(service):
    service.moods["1001"] = lambda message: [0.25, answer(said(message))]
    latency = (
        over_http(service.address, timeout_s=5)(visits(3))
        .groupby("session_id")["latency_ms"]
        .first()
    )
    assert 250 <= latency[1001] < 1_500
    assert latency[[1000, 1002]].max() < latency[1001]


def test_an_answer_that_is_a_fallback_itself_counts_and_says_so(service):
    service.usual = lambda message: [answer(said(message, fallback=True, variant="blue"))]
    table = over_http(service.address)(visits(2))
    assert table["fallback"].all()
    assert set(table["reason"]) == {""}
    assert set(table["variant"]) == {"blue"}
    assert table["product_id"].notna().all()


@pytest.mark.parametrize(
    "form",
    [
        lambda body: [answer(body, 200, "Connection: close"), None],
        lambda body: [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"],
        lambda body: [b"HTTP/1.0 200 OK\r\n\r\n" + body, None],
        lambda body: [b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(body)],
        lambda body: [*(bytes([one]) for one in answer(body))],
    ],
)  # fmt: skip
def test_any_form_of_http_is_understood(service, form):
    service.usual = lambda message: form(json.dumps(said(message)).encode())
    table = over_http(service.address, timeout_s=10, at_once=2)(visits(6))
    assert table["reason"].eq("").mean() == 1
    assert len(table) == 60


def test_a_connection_that_is_closed_without_a_word_is_replaced(service):
    service.usual = lambda message: [answer(said(message)), None]
    table = over_http(service.address, timeout_s=10, at_once=2)(visits(40))
    reasons = table.groupby("session_id")["reason"].first()
    assert set(reasons) <= {
        "",
        "connection closed",
    }  # the end may come while a request is under way
    assert service.connections > 10
    assert reasons.eq("").sum() > 10


def test_it_works_where_a_loop_is_running_already(service):
    async def cell():
        return over_http(service.address)(visits(2))

    assert len(asyncio.run(cell())) == 20


# ---- a service that answers badly


def other(message, **changed):
    return [answer(said(message, **changed))]


ENDLESS = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"10000\r\n" + b" " * 65_536 + b"\r\n"] * 160]  # fmt: skip
BAD = {
    "late": ("timeout", 504, lambda m: [0.9, answer(said(m))]),
    "never": ("timeout", 504, lambda m: [30.0, None]),
    "drop by drop": ("timeout", 504, lambda m: [x for one in answer(said(m)) for x in (0.1, bytes([one]))]),
    "twice": ("answered twice", 502, lambda m: [answer(said(m)) * 2]),
    "another request": ("wrong request", 502, lambda m: other(m, request_id="1000" if m["request_id"] != "1000" else "1")),
    "another customer": ("wrong request", 502, lambda m: other(m, customer_id="c99")),
    "no JSON": ("broken JSON", 502, lambda m: [answer(b'{"request_id": ')]),
    "no text": ("broken JSON", 502, lambda m: [answer(b'\xff\xfe{"')]),
    "nothing": ("broken JSON", 502, lambda m: [answer(b"")]),
    "a bottomless list": ("broken JSON", 502, lambda m: [answer(b"[" * 100_000)]),
    "a list": ("wrong form", 502, lambda m: [answer([1, 2])]),
    "no request_id": ("wrong form", 502, lambda m: other(m, request_id=None)),
    "a long name": ("wrong form", 502, lambda m: other(m, model_version="2" * 5_000)),
    "10 MB": ("too large", 502, lambda m: [answer(b" " * 10_000_000 + json.dumps(said(m)).encode())]),
    "10 MB in parts": ("too large", 502, lambda m: ENDLESS),
    "an error": ("error", 500, lambda m: [answer({"detail": "so"}, 500)]),
    "a refusal": ("refused", 503, lambda m: [answer({"detail": "so"}, 503)]),
    "elsewhere": ("error", 307, lambda m: [answer(b"", 307, "Location: http://192.0.2.1/")]),
    "empty handed": ("no answer" , 200, lambda m: other(m, items=[], probability=None, decision=None)),
    "its own fallback without one": ("fallback", 200, lambda m: other(m, items=[], probability=None, decision=None, fallback=True)),
    "closed": ("connection closed", 502, lambda m: [None]),
    "closed half way": ("connection closed", 502, lambda m: [answer(said(m))[:-5], None]),
    "no HTTP": ("broken HTTP", 502, lambda m: [b"220 mail.example ready\r\n\r\n"]),
    "endless headers": ("broken HTTP", 502, lambda m: [b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000]),
}  # fmt: skip


@both_worlds
@pytest.mark.parametrize("mood", BAD)
def test_a_bad_answer_is_a_failure_with_its_reason_and_hurts_no_other(service, mood, kind):
    reason, status, form = BAD[mood]
    given = GIVEN[kind](6)
    bad = names_of(given)[1::2]
    service.moods = {str(name): form for name in bad}
    waits = reason == "timeout"
    began = time.perf_counter()
    table = over_http(service.address, timeout_s=0.5 if waits else PATIENT_S, at_once=2)(given)
    assert time.perf_counter() - began < PATIENT_S
    name, said = table.columns[:2]
    failed = table[table[name].isin(bad)]
    assert failed[name].tolist() == bad
    assert failed[said].isna().all()
    assert set(failed["reason"]) == {reason}
    assert set(failed["status"]) == {status}
    assert set(failed["model_version"]) == {"3"}
    served = table[~table[name].isin(bad)]
    assert served["reason"].eq("").all()
    assert served[said].notna().all()
    assert list(dict.fromkeys(table[name])) == names_of(given)
    if waits:
        assert failed["latency_ms"].between(450, 2_000).all()


@both_worlds
def test_a_world_serves_its_fallback_where_a_service_fails_and_tells_the_reason(service, kind):
    quick = [name for name, (reason, _, _) in BAD.items() if reason != "timeout"]
    moods = quick + ["right"] * len(quick)
    right = ("", 200, lambda m: [answer(said(m))])

    def mood(name):
        return BAD.get(moods[zlib.crc32(str(name).encode()) % len(moods)], right)

    service.usual = lambda message: mood(message["request_id"])[2](message)
    small = {"customers": 200, "products": 40} if kind == "shop" else {"subscribers": 300}
    world = (Shop if kind == "shop" else Operator)(**small, seed=7, incidents=[])
    tables = world.play(1, over_http(service.address, timeout_s=PATIENT_S))
    told = tables["telemetry" if kind == "shop" else "requests"]
    name = "session_id" if kind == "shop" else "customerID"
    by_world = told["reason"].isin(["refused", "timeout"])  # a few of any service
    expected = told[name].map(lambda one: mood(one)[0])
    assert (told["reason"].eq(expected) | by_world).all()
    assert set(expected) == {BAD[one][0] for one in quick} | {""}
    assert told["fallback"].eq(told["reason"].ne("")).all()
    assert set(told["model_version"]) == {"3"}
    if kind == "shop":
        shown = tables["impressions"].groupby("session_id")["product_id"].agg(list)
        mine = shown.map(lambda products: products == [*range(1, 11)])
        assert mine[told[name]].to_numpy().tolist() == (~told["fallback"]).tolist()
    else:
        assert told["churn_probability"].isna().eq(told["fallback"]).all()
        assert not tables["calls"]["customerID"].isin(told.loc[told["fallback"], name]).any()


def test_a_second_answer_that_comes_later_is_not_taken_for_the_next(service):
    late = lambda m: [answer(said(m)), 0.05, answer(said(m))]  # noqa: E731
    service.moods = {"1000": late}
    service.usual = lambda m: [0.15, answer(said(m))]
    table = over_http(service.address, at_once=1, timeout_s=10)(visits(4))
    reasons = table.groupby("session_id")["reason"].first()
    assert reasons[[1000, 1002, 1003]].eq("").all()
    assert reasons[1001] == "wrong request"


def test_a_failure_names_the_version_that_answered_before_it(service):
    decide = over_http(service.address, at_once=1)
    service.moods = {"1000": lambda m: other(m, model_version="4"), "1002": BAD["an error"][2]}
    table = decide(visits(3)).groupby("session_id")["model_version"].first()
    assert table.tolist() == ["4", "3", "3"]
    service.usual = BAD["an error"][2]
    service.moods = {}
    assert set(decide(visits(2))["model_version"]) == {"3"}
    assert decide(visits(0)).empty
    assert set(decide(visits(1))["model_version"]) == {"3"}
    unknown = over_http(service.address)
    assert unknown(visits(1))["model_version"].isna().all()
    service.moods["1001"] = lambda m: [answer(said(m))]
    assert set(unknown(visits(2))["model_version"]) == {"3"}


def test_where_nobody_listens_every_request_fails_at_once():
    with Service() as gone:
        address = gone.address
    table = over_http(address)(visits(200))
    assert set(table["reason"]) == {"no connection"}
    assert set(table["status"]) == {502}
    assert table["model_version"].isna().all()
    assert table[["product_id", "rank", "score"]].isna().all(axis=None)


WORDS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
ANY = st.recursive(WORDS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6)  # fmt: skip
FIELDS = ["request_id", "customer_id", "model_version", "variant", "fallback", "items", "probability", "decision"]  # fmt: skip
ITEM = st.fixed_dictionaries({"product_id": ANY, "rank": ANY}, optional={"score": ANY})


@given(
    st.dictionaries(st.sampled_from(FIELDS), ANY),
    st.lists(ITEM, max_size=3),
    st.sampled_from(sorted(GIVEN)),
)
@settings(max_examples=examples(300), deadline=None)
def test_whatever_an_answer_holds_it_is_an_answer_or_a_failure(running, changed, items, kind):
    running.__init__()
    changed = {**changed, "items": changed.get("items", items)}
    running.usual = lambda message: [answer(said(message, **changed))]
    table = over_http(running.address, timeout_s=PATIENT_S)(GIVEN[kind](1))
    assert len(table) >= 1
    assert set(table["reason"]) <= {
        "",
        "wrong form",
        "wrong request",
        "broken JSON",
        "no answer",
        "fallback",
    }
    numbers = table.columns[1:4] if kind == "shop" else ["churn_probability"]
    assert table[numbers].dtypes.eq(float).all()
    assert table.loc[table["reason"] != "", numbers].isna().all(axis=None)
    assert not np.isinf(table[numbers].to_numpy()).any()


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("https://127.0.0.1:8000/x", "http://"),
        ("127.0.0.1:8000/x", "http://"),
        ("http://192.0.2.1:8000/x", "this machine"),
        ("http://example.org:8000/x", "this machine"),
        ("http://127.0.0.1.example.org:8000/x", "this machine"),
        ("http://127.0.0.1@example.org:8000/x", "this machine"),
        ("http://0.0.0.0:8000/x", "this machine"),
        ("http://:8000/x", "this machine"),
        ("http://127.0.0.1/x", "port"),
        ("http://127.0.0.1:0/x", "port"),
        ("http://127.0.0.1:8000", "path"),
        ("http://127.0.0.1:8000?x=1", "path"),
        ("http://me:secret@127.0.0.1:8000/x", "name"),
        ("http://127.0.0.1:8000/x y", "character"),
        ("http://127.0.0.1:8000/x\r\nHost: a", "character"),
        ("http://127.0.0.1:8000/ü", "character"),
        ("http://127.0.0.1:8000/x#y", "character"),
        ("http://127.0.0.1:99999/x", "http://"),
        ("", "http://"),
        (None, "http://"),
        (8000, "http://"),
    ],
)
def test_an_address_elsewhere_is_refused_at_once_in_one_sentence(address, wrong):
    with pytest.raises(CannotPlay, match="start the service on this machine") as refused:
        over_http(address)
    assert wrong in str(refused.value)


@pytest.mark.parametrize("address", ["http://localhost:1/x", "http://127.9.9.9:1/x?y=2", "http://[::1]:1/", "HTTP://LOCALHOST:1/x"])  # fmt: skip
def test_any_loopback_address_is_accepted(address):
    over_http(address)


@pytest.mark.parametrize("option", [{"timeout_s": 0}, {"timeout_s": np.nan}, {"timeout_s": "1"}, {"at_once": 0}, {"at_once": 2.5}])  # fmt: skip
def test_an_option_out_of_range_is_refused(option):
    with pytest.raises(CannotPlay, match=next(iter(option))):
        over_http("http://localhost:1/x", **option)


def test_what_is_no_worlds_is_refused(service):
    with pytest.raises(CannotPlay, match="Context"):
        over_http(service.address)(DataFrame({"customer": [1]}))


# ---- variants


def constant(value):
    """A decide for both worlds, whose answers all say `value`."""

    def decide(given):
        if isinstance(given, Context):
            return given.sessions[["session_id"]].assign(product_id=value, rank=1)
        return given[["customerID"]].assign(churn_probability=value, call=True)

    return decide


def variants_of(given, share, salt):
    decide = split({"a": constant(0.1), "b": constant(0.2)}, {"a": 1 - share, "b": share}, salt)
    table = decide(given)
    name = "session_id" if isinstance(given, Context) else "customerID"
    return table.set_index(name)["variant"].reindex(names_of(given))


@both_worlds
@given(st.integers(0, 50), st.floats(0, 1), st.text(max_size=10), st.randoms(use_true_random=False))
@settings(max_examples=examples(60), deadline=None)
def test_a_customer_stays_whenever_and_with_whomever_she_comes(kind, count, share, salt, random):
    given = GIVEN[kind](count)
    whole = variants_of(given, share, salt)
    order = random.sample(range(count), random.randint(0, count))
    if kind == "shop":
        part = visits(len(order), customers=np.array(order, dtype=int))
    else:
        part = given.iloc[order]
    assert variants_of(part, share, salt).tolist() == whole.iloc[order].tolist()


@given(st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=examples(30), deadline=None)
def test_a_share_that_grows_keeps_its_customers(one, other):
    few, many = (variants_of(visits(200), share, "salt").eq("b") for share in sorted([one, other]))
    assert (many | ~few).all()


@pytest.mark.parametrize("salt", ["june", "july", "", "1"])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_shares_are_kept_within_chance(share, salt):
    count = 20_000
    for asked in (visits(count), subscribers(count)):
        treated = variants_of(asked, share, salt).eq("b").sum()
        low, high = binom.ppf([1e-4, 1 - 1e-4], count, share)
        assert low <= treated <= high


def independent(one, other):
    return chi2_contingency(pd.crosstab(one.to_numpy(), other.to_numpy())).pvalue > 1e-4


def test_another_salt_shares_the_customers_out_independently():
    given = subscribers(20_000)
    june, july = variants_of(given, 0.3, "june"), variants_of(given, 0.3, "july")
    assert independent(june, july)
    held = hold_out(constant(0.1), 0.3, "june")(given)["variant"]
    assert independent(june, held)
    assert not independent(june, june)


@both_worlds
def test_each_variant_is_asked_for_its_own_requests_and_names_its_version(kind):
    asked = {}

    def remembering(name):
        def decide(given):
            asked[name] = names_of(given)
            return constant(0.1)(given)

        return as_version(decide, f"version of {name}")

    given = GIVEN[kind](300)
    names = ["champion", "challenger", "nobody"]
    shares = dict(zip(names, [0.8, 0.2, 0.0], strict=True))
    table = split({name: remembering(name) for name in names}, shares, "june")(given)
    assert set(asked) == {"champion", "challenger"}
    assert sorted([*asked["champion"], *asked["challenger"]]) == sorted(names_of(given))
    assert (table["model_version"] == "version of " + table["variant"]).all()
    assert len(table) == 300
    empty = split({name: remembering(name) for name in names}, shares, "june")(GIVEN[kind](0))
    assert len(empty) == 0
    assert {"variant", "model_version"} <= set(empty.columns)


@pytest.mark.parametrize(
    ("shares", "says"),
    [
        ({"a": 0.5, "b": 0.4}, "add up to 1; it adds up to 0.9"),
        ({"a": 95, "b": 5}, "from 0 to 1"),
        ({"a": -0.5, "b": 1.5}, "from 0 to 1"),
        ({"a": np.nan, "b": 1}, "from 0 to 1"),
        ({"a": "0.5", "b": 0.5}, "from 0 to 1"),
        ({"a": 1.0}, "the same names"),
        ({"a": 0.5, "c": 0.5}, "the same names"),
        ({}, "the same names"),
        ([0.5, 0.5], "the same names"),
    ],
)
def test_shares_that_do_not_fit_are_refused_in_one_sentence(shares, says):
    with pytest.raises(CannotPlay, match=says):
        split({"a": constant(1), "b": constant(2)}, shares, "june")


def test_variants_are_named_functions():
    with pytest.raises(CannotPlay, match="the same names"):
        split([constant(1), constant(2)], {"a": 0.5, "b": 0.5}, "june")
    with pytest.raises(CannotPlay, match="variants\\['b'\\] has to be a function"):
        split({"a": constant(1), "b": 2}, {"a": 0.5, "b": 0.5}, "june")


def test_thirds_add_up():
    thirds = dict.fromkeys(["a", "b", "c"], 1 / 3)
    table = split({name: constant(1) for name in thirds}, thirds, "x")(visits(30_000))
    assert table["variant"].value_counts(normalize=True).to_numpy() == pytest.approx(
        [1 / 3] * 3, abs=0.02
    )


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda given: [1], "a list"),
        (lambda given: DataFrame({"product_id": [1]}), "session_id"),
        (lambda given: constant(1)(visits(300)), "about others"),
        (lambda given: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_a_variant_that_is_broken_as_a_whole_is_named(broken, says):
    both = split({"a": constant(1), "b": broken}, {"a": 0.5, "b": 0.5}, "june")
    with pytest.raises(CannotPlay, match=f"variant 'b'.*{says}"):
        both(visits(100))


# ---- a shadow, a hold-out, a version


@both_worlds
def test_a_shadow_is_recorded_beside_what_is_shown(kind):
    given = GIVEN[kind](5)
    table = shadow(as_version(constant(0.1), "1"), as_version(constant(0.9), "2"))(given)
    shown, hidden = table[~table["shadow"]], table[table["shadow"]]
    assert set(shown["model_version"]) == {"1"}
    assert set(hidden["model_version"]) == {"2"}
    assert shown.iloc[:, 0].tolist() == hidden.iloc[:, 0].tolist() == names_of(given)


@pytest.mark.parametrize(
    "broken", [lambda given: [1], lambda given: 1 / 0, lambda given: DataFrame({"a": [1]}), lambda given: None,
               lambda given: constant(1)(given).rename(columns={"rank": "product_id"}),
               lambda given: constant(1)(visits(9))]
)  # fmt: skip
def test_a_shadow_that_breaks_changes_nothing_for_the_customers(broken):
    given = visits(5)
    with pytest.warns(UserWarning, match="Nothing of the shadow is recorded"):
        table = shadow(constant(3), broken)(given)
    expected = constant(3)(given).assign(shadow=False)
    pd.testing.assert_frame_equal(table, expected)


@both_worlds
def test_of_a_shadow_only_what_a_world_knows_is_recorded(kind):
    given = GIVEN[kind](5)
    said = "product_id" if kind == "shop" else "churn_probability"
    odd = lambda given: constant(1)(given).assign(note="x", **{said: [1, "2", "x", [3], None]})  # noqa: E731
    table = shadow(constant(3), odd)(given)
    assert "note" not in table
    assert table.loc[table["shadow"], said].tolist()[:2] == [1, 2]
    assert table.loc[table["shadow"], said].iloc[2:].isna().all()


def test_what_is_shown_may_break_as_ever():
    with pytest.raises(CannotPlay, match="decide"):
        shadow(lambda given: 1 / 0, constant(1))(visits(5))


def test_a_hold_out_is_called_by_nobody_and_scored_all_the_same():
    given = subscribers(5_000)
    table = hold_out(as_version(constant(0.7), "1"), 0.1, "2025")(given)
    held = table["variant"].eq("hold-out")
    assert set(table["variant"]) == {"hold-out", "treated"}
    assert binom.ppf(1e-4, 5_000, 0.1) <= held.sum() <= binom.ppf(1 - 1e-4, 5_000, 0.1)
    assert not table.loc[held, "call"].any()
    assert table.loc[~held, "call"].all()
    assert set(table["churn_probability"]) == {0.7}
    again = hold_out(constant(0.7), 0.1, "2025")(given.sample(frac=0.3, random_state=7))
    joined = again.merge(table, on="customerID")
    assert joined["variant_x"].eq(joined["variant_y"]).all()


def test_a_hold_out_of_an_experiment_keeps_its_variants_and_leaves_a_shadow_alone():
    halves = split({"a": constant(0.1), "b": constant(0.2)}, {"a": 0.5, "b": 0.5}, "june")
    table = hold_out(shadow(halves, constant(0.3)), 0.2, "june")(subscribers(2_000))
    shown, hidden = table[~table["shadow"]], table[table["shadow"]]
    assert set(shown["variant"]) == {"a", "b", "hold-out"}
    assert not shown.loc[shown["variant"].eq("hold-out"), "call"].any()
    assert hidden["call"].all()


ANY_KIND = [
    {"variant": pd.Categorical(["q", "q"])},
    {"model_version": pd.array([1, pd.NA], dtype="Int64")},
    {"call": pd.array([1, 0], dtype="Int64")},
    {"call": pd.Categorical([True, False])},
    {"call": pd.array([True, pd.NA], dtype="boolean")},
]


@pytest.mark.parametrize("columns", ANY_KIND)
def test_columns_of_any_kind_are_filled_and_held_out(columns):
    customers = DataFrame({"customerID": ["anna", "ben"]})
    decide = lambda given: given.assign(churn_probability=0.1, call=True).assign(**columns)  # noqa: E731
    answer = as_version(hold_out(decide, 1, salt="x"), "7")(customers)
    assert answer["variant"].tolist() == ["hold-out"] * 2
    assert answer["call"].tolist() == [False, False]
    told = columns.get("model_version", ["7", "7"])
    assert answer["model_version"].tolist() == [told[0], "7"]


def test_session_ids_as_text_are_those_that_were_asked():
    context = Shop(60, 40, seed=7).days(1)
    given = next(day.given for day in context)
    text = lambda given: at_random(given).astype(str)  # noqa: E731
    assert len(as_version(text, "7")(given)) == 10 * len(given.sessions)


def test_a_column_that_is_there_twice_is_refused_with_the_name_of_the_variant():
    twice = lambda given: given.assign(churn_probability=0.1, call=True).iloc[:, [0, 1, 2, 2]]  # noqa: E731
    with pytest.raises(CannotPlay, match="variant 'a' was to return a table with"):
        split({"a": twice, "b": twice}, {"a": 0.5, "b": 0.5}, "x")(
            DataFrame({"customerID": ["anna", "ben"]})
        )


def test_variants_are_named_by_numbers_and_words_alike():
    decide = lambda given: given.assign(churn_probability=0.1, call=True)  # noqa: E731
    answer = split({1: decide, "b": decide}, {1: 0.5, "b": 0.5}, "x")(
        DataFrame({"customerID": ["anna", "ben", "cem"]})
    )
    assert set(answer["variant"]) == {1, "b"}


@pytest.mark.parametrize(("variants", "shares"), [
    ({"a": len}, 0.5), ({"a": len}, ["a"]), (len, 1), (None, None), ([len], [1]), ({"a": len}, None),
])  # fmt: skip
def test_shares_and_variants_that_have_no_names_are_refused(variants, shares):
    with pytest.raises(CannotPlay, match="have to have the same names; got"):
        split(variants, shares, "x")


def test_a_shop_has_nobody_to_hold_out():
    with pytest.raises(CannotPlay, match="use split"):
        hold_out(constant(1), 0.1, "2025")(visits(3))
    with pytest.raises(CannotPlay, match="share"):
        hold_out(constant(1), 10, "2025")


def test_a_version_names_what_does_not_name_itself(service):
    service.moods["1001"] = BAD["an error"][2]
    table = as_version(over_http(service.address), "9")(visits(2))
    assert set(table["model_version"]) == {"3"}
    with Service() as gone:
        address = gone.address
    assert set(as_version(over_http(address), "9")(visits(2))["model_version"]) == {"9"}
