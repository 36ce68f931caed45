"""The services of `helpers.worlds.sources`: keys, pages, pauses, the stream, and the way they stop."""

import asyncio
import json
import re
import socket
import threading
import time
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

import numpy as np
import pandas as pd
import pytest
import requests
from conftest import first_always
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st
from test_sources import differences, exactly, first_ten, laid, planted_cells, small

from helpers.worlds.play import CannotPlay
from helpers.worlds.sources import Sources, SourcesTruth
from helpers.worlds.sources.services import Gate

WORLDS = ["shop", "operator"]
SLOW_S = 20  # no answer takes so long


@pytest.fixture(scope="module", params=WORLDS)
def sources(request, tmp_path_factory):
    return laid(request.param, tmp_path_factory.mktemp("served") / "x", 0, blemishes=3.0)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """One business, where the other would behave the same."""
    return laid("operator", tmp_path_factory.mktemp("one") / "x", 0)


@pytest.fixture
def served(sources):
    with sources.serve(failures=0.0, burst=1_000_000) as served:
        yield served


@pytest.fixture(scope="module")
def one_served(one):
    with one.serve(failures=0.0, burst=1_000_000) as served:
        yield served


def get(url, key=None, **options):
    headers = {"X-API-Key": key} if key else {}
    return requests.get(
        url, headers={**headers, **options.pop("headers", {})}, timeout=SLOW_S, **options
    )


def collect(url, key, limit=100, since=None):
    """Collect every page as a patient learner does; return the rows and the refusals met."""
    rows, refused = [], []
    params = {"limit": limit, **({"since": since} if since else {})}
    with requests.Session() as session:
        session.headers["X-API-Key"] = key
        for _ in range(5_000):
            answer = session.get(url, params=params, timeout=SLOW_S)
            if answer.status_code in (429, 503):
                refused.append(answer.status_code)
                time.sleep(float(answer.headers["Retry-After"]))
                continue
            assert answer.status_code == 200, answer.text
            page = answer.json()
            assert len(page["items"]) <= limit
            rows += page["items"]
            if page["next"] is None:
                return rows, refused
            url, params = page["next"], None
    raise AssertionError("the pages never end")


def places_of(sources, kind):
    table = sources.overview()
    table = table[table["kind"] == kind]
    return list(zip(table["source"], table["key"], table["place"], strict=True))


def test_pages_give_each_row_once_and_differ_from_the_truth_exactly_where_planted(sources, served):
    truth = SourcesTruth(sources)
    spoiled = 0
    for name, key, place in places_of(sources, "endpoint"):
        rows, refused = collect(f"{served.api}/{place}", served.api_key, limit=1000)
        found, missing, counts = differences(truth.clean(name), key, rows, exactly)
        assert found == planted_cells(sources, name)[0]
        assert not missing
        assert not refused
        assert set(counts.values()) == {1}
        spoiled += len(found)
    assert spoiled > 10


def test_pages_give_each_row_once_through_pauses_and_failures(one):
    name, key, place = places_of(one, "endpoint")[0]
    clean = SourcesTruth(one).clean(name)
    with one.serve(failures=0.3, burst=4, retry_after_s=0.05) as served:
        rows, refused = collect(f"{served.api}/{place}", served.api_key, limit=-(-len(clean) // 20))
    assert [row[key] for row in rows] == clean[key].tolist()
    assert {429, 503} == set(refused)


def test_failures_come_at_the_same_requests_in_every_run(one):
    def statuses(served):
        url = f"{served.api}/{places_of(one, 'endpoint')[0][2]}?limit=1"
        return [get(url, served.api_key).status_code for _ in range(40)]

    runs = []
    for _ in range(2):
        with one.serve(failures=0.3, burst=1_000_000) as served:
            runs.append(statuses(served))
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


def test_a_caller_who_does_not_pause_is_told_how_long(one):
    with one.serve(failures=0.0, burst=4, retry_after_s=SLOW_S) as served:
        url = f"{served.api}/{places_of(one, 'endpoint')[0][2]}?limit=1"
        answers = [get(url, served.api_key) for _ in range(6)]
        assert [a.status_code for a in answers] == [200] * 4 + [429] * 2
        asked = [answer.headers["Retry-After"] for answer in answers[4:]]
        assert asked[0] == str(SLOW_S), "whole seconds are written as the standard has them"
        assert 0 < int(asked[1]) <= SLOW_S
        # The third party asks for a pause after a quarter of them.
        partner = f"{served.partner}/{places_of(one, 'partner')[0][2]}"
        assert [get(partner, served.partner_key).status_code for _ in range(2)] == [200, 429]


def refusal(gate, now_ns):
    """Return the pause in seconds that a gate asks for at a moment, or None where it lets in."""
    try:
        return gate.check_pace(now_ns)
    except HTTPException as error:
        assert error.status_code == 429
        return float(error.headers["Retry-After"])


@given(now_ns=st.integers(0, 2**63 - 1), wait_ms=st.integers(1, 60_000), share=st.floats(0, 0.99))
def test_a_gate_asks_for_its_pause_and_no_more_and_opens_after_it(now_ns, wait_ms, share):
    gate = Gate("key", 4, wait_ms / 1000, [False])
    assert [refusal(gate, now_ns) for _ in range(4)] == [None] * 4
    asked = refusal(gate, now_ns)
    assert asked == (wait_ms / 1000 if wait_ms < 1000 else -(-wait_ms // 1000))
    assert 0 < refusal(gate, now_ns + int(wait_ms * 1e6 * share)) <= asked
    now_ns += round(asked * 1e9)
    assert refusal(gate, now_ns) is None, "who waits as asked is let in"
    for burst in range(1, 4):  # who pauses unasked is never refused
        moment = now_ns + burst * wait_ms * 10**6
        assert [refusal(gate, moment) for _ in range(3)] == [None] * 3


def test_keys_are_asked_for_and_wrong_ones_are_refused(sources, served):
    url = f"{served.api}/{places_of(sources, 'endpoint')[0][2]}"
    partner = f"{served.partner}/{places_of(sources, 'partner')[0][2]}"
    assert get(url).status_code == 401
    assert "X-API-Key" in get(url).json()["detail"]
    assert get(url, "guess").status_code == 403
    assert get(url, served.partner_key).status_code == 403
    assert get(partner, served.api_key).status_code == 403
    assert get(partner, served.partner_key).status_code == 200
    assert get(served.live).status_code == 401
    assert get(url, headers={"X-API-Key": "ключ".encode()}).status_code == 403


@pytest.mark.parametrize(
    ("query", "status"),
    [("limit=0", 422), ("limit=1001", 422), ("limit=x", 422), ("since=yesterday", 422),
     ("cursor=abc", 400), ("cursor=%00", 400), ("cursor=ZnJvbTotMQ==", 400),
     ("cursor=ZnJvbTo5OTk5OTk5OTk=", 400)],
)  # fmt: skip
def test_hostile_questions_get_a_clear_refusal(one, one_served, query, status):
    url = f"{one_served.api}/{places_of(one, 'endpoint')[0][2]}?{query}"
    answer = get(url, one_served.api_key)
    assert answer.status_code == status
    assert "detail" in answer.json()


def test_since_brings_what_is_new_and_the_etag_what_is_unchanged(tmp_path):
    world = small("shop")
    sources = Sources(world, tmp_path / "x", blemishes=0)
    sources.lay_down()
    with sources.serve(failures=0.0, burst=1_000_000) as served:
        url, key = f"{served.api}/feedback", served.api_key
        first, _ = collect(url, key, limit=1000)
        newest = max(row["known_at"] for row in first)
        sources.add(1, world.play(1, first_ten))
        new, _ = collect(url, key, limit=1000, since=newest)
        everything, _ = collect(url, key, limit=1000)
        known = {row["feedback_id"] for row in first}
        fresh = [row for row in new if row["feedback_id"] not in known]
        assert [row["feedback_id"] for row in first + fresh] == list(range(1, len(everything) + 1))
        assert min(row["known_at"] for row in new) == newest, "`since` takes its own moment in"
        assert len(fresh) > 20

        page = get(f"{url}?limit=5", key)
        etag = page.headers["ETag"]
        again = get(f"{url}?limit=5", key, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert get(f"{url}?limit=6", key, headers={"If-None-Match": etag}).status_code == 200


def test_since_is_a_moment_in_whatever_zone_it_is_written(one, one_served):
    name, _, place = places_of(one, "endpoint")[1]
    assert name == "usage"
    url, key = f"{one_served.api}/{place}", one_served.api_key
    day = "2024-12-20"
    expected = get(url, key, params={"since": f"{day}T00:00:00"}).json()["items"]
    assert expected[0]["used_on"] == day
    # Two hours behind in the east and five ahead in the west, it is the same moment.
    for written in [f"{day}T00:00:00Z", f"{day}T02:00:00+02:00", "2024-12-19T19:00:00-05:00"]:
        assert get(url, key, params={"since": written}).json()["items"] == expected, written
    later = get(url, key, params={"since": f"{day}T01:00:00-05:00"}).json()["items"]
    assert later[0]["used_on"] == "2024-12-21"
    answer = get(url, key, params={"since": "0001-01-01T00:00:00+02:00"})
    assert answer.status_code == 400
    assert "since" in answer.json()["detail"]


def test_the_etag_is_the_same_at_another_port(one):
    marks, ports = [], set()
    for _ in range(2):
        with one.serve(failures=0.0, burst=1_000_000) as served:
            url = f"{served.api}/{places_of(one, 'endpoint')[0][2]}?limit=5"
            answer = get(url, served.api_key)
            assert answer.json()["next"].startswith(served.api)
            marks.append(answer.headers["ETag"])
            ports.add(urlsplit(url).port)
            if len(marks) == 2:
                same = get(url, served.api_key, headers={"If-None-Match": marks[0]})
                assert same.status_code == 304
            assert get(answer.json()["next"], served.api_key).headers["ETag"] != marks[-1]
    assert marks[0] == marks[1]


def test_an_address_that_is_not_there_is_told_to_those_with_a_key_only(sources, served):
    for base, key, kind in [(served.api, served.api_key, "endpoint"),
                            (served.partner, served.partner_key, "partner")]:  # fmt: skip
        places = [place for _, _, place in places_of(sources, kind)]
        for path in ["", "/", "/nothing", "/nothing/at/all"]:
            assert get(base + path).status_code == 401, path
            assert get(base + path, "guess").status_code == 403, path
        absent = get(f"{base}/nothing", key)
        assert absent.status_code == 404
        assert (
            absent.json()["detail"] == f"There is no 'nothing' here: ask for {', '.join(places)}."
        )
        for path in ["", "/"]:
            listed = get(base + path, key).json()["endpoints"]
            assert listed == {place: f"{base}/{place}" for place in places}
        assert all(get(url, key).status_code == 200 for url in listed.values())
    live = served.live.removesuffix("/events")
    assert get(f"{live}/nothing").status_code == 401
    assert "ask for events" in get(f"{live}/nothing", served.api_key).json()["detail"]


def test_each_interface_has_a_title_of_its_own(sources, served):
    live = served.live.removesuffix("/events")
    titles = [get(f"{base}/openapi.json").json()["info"]["title"]
              for base in [served.url, served.api, served.partner, live]]  # fmt: skip
    business = "shop" if "ratings" in set(sources.overview()["source"]) else "operator"
    assert titles == [f"The {business}'s public pages", f"The {business}'s interface",
                      "A third party's interface", f"The {business}'s live stream"]  # fmt: skip


def read_stream(url, key, last_id=None, **params):
    """Read a stream until its line is closed; return (id, data) of each event, and the rest."""
    headers = {"Last-Event-ID": str(last_id)} if last_id is not None else {}
    answer = get(url, key, headers=headers, params=params, stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    blocks = answer.text.strip().split("\n\n")
    events, others = [], []
    for block in blocks:
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if not line.startswith(":")
        )
        if "id" in fields:
            events.append((int(fields["id"]), json.loads(fields["data"])))
        else:
            others.append(block)
    return events, others


def test_a_stream_taken_up_again_loses_nothing_and_repeats_only_what_was_planted(sources, served):
    name, key, _ = places_of(sources, "stream")[0]
    events, last = [], None
    for count in [7, 1, 40, 100_000, 5]:
        more, others = read_stream(served.live, served.api_key, last, count=count)
        events += more
        last = events[-1][0]
        assert others[0] == "retry: 100"
        assert others[-1].startswith("event: end")
    assert [number for number, _ in events] == list(range(1, len(events) + 1))
    clean, (_, whole) = SourcesTruth(sources).clean(name), planted_cells(sources, name)
    found, missing, counts = differences(clean, key, [data for _, data in events], exactly)
    assert not found
    assert not missing
    twice = {row for row, times in counts.items() if times == 2}
    assert twice == set(whole.loc[whole["kind"] == "repeated event", "row"]) != set()
    assert max(counts.values()) == 2
    # In order of time but for the events that are planted as late or repeated.
    odd = set(whole["row"])
    straight = [data["at"] for _, data in events if str(data[key]) not in odd]
    assert straight == sorted(straight)
    order = [data["at"] for _, data in events]
    assert order != sorted(order)


def test_a_stream_has_heartbeats_and_a_speed_and_can_be_left(sources, served):
    started = time.monotonic()
    events, others = read_stream(served.live, served.api_key, count=20, speed=100)
    assert len(events) == 20
    assert time.monotonic() - started >= 0.2, "20 events at 100 a second"
    assert others.count(": heartbeat") == 2
    with get(served.live, served.api_key, params={"speed": 0.1}, stream=True):
        pass  # left before the first event
    for wrong in ["x", "-1", "1e3", "9" * 40]:
        answer = get(served.live, served.api_key, headers={"Last-Event-ID": wrong})
        assert answer.status_code == 400


def test_who_leaves_a_stream_early_is_forgotten_without_a_word(one, caplog, monkeypatch):
    name, _, _ = places_of(one, "stream")[0]
    long = one._feeds[name]
    while len(long.rows) < 20_000:  # more than the buffers of a connection hold
        long = long.followed_by(long)
    monkeypatch.setitem(one._feeds, name, long)
    with one.serve(failures=0.0) as served:
        for _ in range(3):
            with get(served.live, served.api_key, params={"count": 20_000}, stream=True) as left:
                next(left.iter_lines())
        assert get(served.url).status_code == 200
    assert [record.getMessage() for record in caplog.records] == []


def test_a_robot_that_keeps_the_rules_finds_every_page_once(sources, served):
    rules = RobotFileParser(f"{served.url}/robots.txt")
    rules.read()
    assert rules.crawl_delay("*") == 1
    assert rules.can_fetch("x", f"{served.url}/category/mask")
    assert not rules.can_fetch("x", f"{served.url}/admin")
    assert not rules.can_fetch("x", f"{served.url}/reviews/private/1")
    waiting, seen, things, forbidden = ["/"], {"/"}, {}, []
    with requests.Session() as session:
        session.headers["User-Agent"] = "course-robot/1.0"
        while waiting:
            path = waiting.pop()
            if not rules.can_fetch("course-robot", served.url + path):
                forbidden.append(path)
                continue
            answer = session.get(served.url + path, timeout=SLOW_S)
            assert answer.status_code == 200, path
            if found := re.search(r'<body data-id="(\d+)">', answer.text):
                assert found[1] not in things
                things[found[1]] = answer.text
            links = [
                link for link in re.findall(r'href="([^"]+)"', answer.text) if link not in seen
            ]
            seen |= set(links)
            waiting += links
    name, _, _ = places_of(sources, "pages")[0]
    assert sorted(map(int, things)) == SourcesTruth(sources).clean(name)["product_id"].tolist()
    assert forbidden == ["/admin"]
    log = served.access_log()
    own = log[log["agent"] == "course-robot/1.0"]
    assert not own["path"].str.startswith(("/admin", "/reviews/private")).any()
    assert own["at"].is_monotonic_increasing


def test_the_pages_say_what_the_truth_says_they_say(sources, served):
    name, _, place = places_of(sources, "pages")[0]
    clean = SourcesTruth(sources).clean(name).set_index("product_id")
    planted, _ = planted_cells(sources, name)
    linked = 0
    for number, row in clean.head(12).iterrows():
        html = get(f"{served.url}/{place}/{number}").text
        price = re.search(r'<p class="price">€ ([\d.]+,\d\d)</p>', html)[1]
        price = float(price.replace(".", "").replace(",", "."))
        assert price == planted.get((str(number), "price_eur"), (0, row["price_eur"]))[1]
        assert f"<h1>{row['name']}</h1>" in html
        if facts := re.search(r'<script type="application/ld\+json">(.+?)</script>', html):
            facts = json.loads(facts[1])
            assert (facts["sku"], facts["name"], facts["offers"]["price"]) == (number, row["name"], price)  # fmt: skip
            linked += 1
    assert linked == 6
    for path in ["/nothing", f"/{place}/0", f"/{place}/x", "/category/mask/0", "/category/mask/99"]:
        assert get(served.url + path).status_code == 404
    assert get(f"{served.url}/openapi.json").status_code in (200, 404)


def is_open(url):
    with socket.socket() as caller:
        caller.settimeout(2)
        parts = urlsplit(url)
        return caller.connect_ex((parts.hostname, parts.port)) == 0


@pytest.mark.parametrize(
    "error", first_always([KeyboardInterrupt, None, ZeroDivisionError, SystemExit])
)
def test_the_server_stops_whatever_happens_in_the_block(one, error, capfd):
    threads = threading.active_count()
    try:
        with one.serve(failures=0.0) as served:
            assert is_open(served.url)
            assert urlsplit(served.url).hostname == "127.0.0.1"
            left_open = requests.get(served.live, headers={"X-API-Key": served.api_key},
                                     params={"speed": 1}, stream=True, timeout=SLOW_S)  # fmt: skip
            if error:
                raise error
    except BaseException as raised:
        assert type(raised) is error
    assert not is_open(served.url)
    assert threading.active_count() == threads
    left_open.close()
    assert capfd.readouterr() == ("", "")


def test_two_servers_run_side_by_side(one):
    with one.serve() as first, one.serve() as other:
        assert first.url != other.url
        assert is_open(first.url)
        assert is_open(other.url)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"burst": 0},
            "burst is a whole number from 4 to 1000000; got 0: write for instance burst=40",
        ),
        ({"failures": np.float64(2)}, r"got 2\.0: write for instance failures=0\.03\."),
        ({"burst": 10.0}, "burst is a whole number"),
        ({"retry_after_s": -1}, "retry_after_s is a number from 0.0 to 60.0"),
        ({"retry_after_s": float("nan")}, "retry_after_s is a number"),
        ({"failures": 1.0}, "failures is a number from 0.0 to 0.5"),
        ({"failures": "0.1"}, "failures is a number"),
        ({"crawl_delay_s": 0.5}, "crawl_delay_s is a whole number from 0 to 60"),
    ],
)
def test_hostile_settings_are_refused_in_a_clear_sentence(one, options, told):
    with pytest.raises(CannotPlay, match=told), one.serve(**options):
        pass


def test_a_server_can_run_where_another_event_loop_does(one):
    # As in a notebook, whose kernel has a loop of its own.
    async def cell():
        with one.serve() as served:
            return requests.get(served.url, timeout=SLOW_S).status_code

    assert asyncio.run(cell()) == 200


def test_what_is_served_is_a_table_to_pandas(sources, served):
    name, _key, place = places_of(sources, "endpoint")[0]
    rows, _ = collect(f"{served.api}/{place}", served.api_key, limit=1000)
    scores = SourcesTruth(sources).score(name, pd.DataFrame(rows))
    planted = len(SourcesTruth(sources).blemishes(name))
    assert scores.loc["sound rows", "touched"] == 0
    assert scores.loc["all", "planted"] == planted
