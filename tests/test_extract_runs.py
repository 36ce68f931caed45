"""Runs of `helpers.etl.extract` that are killed, doubled or interrupted: nothing lost, nothing twice."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from urllib.parse import parse_qsl

import pytest
from test_hostile_sources import STREAM, items, page, rude_server

from helpers.etl.extract import (
    CannotExtract,
    CannotFetch,
    Landing,
    NetworkLimits,
    read_api,
    read_events,
)

ROWS = 60
PAGE = 5
PATIENT = {"limits": NetworkLimits(tries=2, read_s=5.0), "pause": lambda seconds: None}
READ_API = """
import sys
from helpers.etl.extract import Landing, read_api
with Landing(sys.argv[2]) as landing:
    print("reading", flush=True)
    read_api(sys.argv[1], "key", landing=landing, row_key="id", newest="at", limit=5)
"""
READ_FEED = """
import sys
from helpers.etl.extract import Landing, live
live._BATCH = 5  # small batches, so that some are kept before the kill
with Landing(sys.argv[2]) as landing:
    print("reading", flush=True)
    live.read_events(sys.argv[1], landing=landing, row_key="id", seconds=60)
"""


def row(number):
    return {"id": number, "at": f"2025-01-01T00:00:{number % 60:02d}"}


def paged(rows=ROWS, wait_s=0.0):
    """Answer with pages of five rows, each after a while."""

    def answer(write, path, head):
        time.sleep(wait_s)
        question = dict(one.split("=") for one in path.partition("?")[2].split("&"))
        start = int(question.get("c", 0))
        on = start + PAGE < rows
        following = f"{path.partition('?')[0]}?limit=5&c={start + PAGE}" if on else None
        found = [row(number) for number in range(start, min(rows, start + PAGE))]
        write(page(items(*found, following=following), extra='ETag: "e1"\r\n'))

    return answer


def feed(rows=ROWS, wait_s=0.0, breaks_after=None):
    """Answer with the events behind the last one had."""

    def answer(write, path, head):
        last = [line.partition(": ")[2] for line in head if line.startswith("Last-Event-ID")]
        start = int(last[0]) if last else 0
        write(page("", kind=STREAM, length=""))
        for number in range(start + 1, rows + 1):
            time.sleep(wait_s)
            if breaks_after and number > start + breaks_after:
                write(f"id: {number}\ndata: {{".encode())
                return
            write(f"id: {number}\ndata: {json.dumps({'id': number})}\n\n".encode())
        write(b"event: end\ndata: {}\n\n")

    return answer


def killed(code, url, landing, enough):
    """Run a reading in a process of its own, and kill it for good once `enough()` is true."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, url, str(landing)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "reading\n"
        deadline = time.monotonic() + 30
        while not enough() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        assert process.poll() is None, "the run ended before it could be killed"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
        process.stdout.close()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill so")
def test_a_reading_of_pages_killed_twice_loses_nothing_and_gets_nothing_twice(tmp_path):
    path = tmp_path / "landing.sqlite"
    with rude_server() as server:
        server.answers = {"/api": paged(wait_s=0.03)}
        url = f"{server.url}/api"
        for pages in (3, 7):
            killed(READ_API, url, path, lambda pages=pages: len(server.asked) > pages)
        before = kept_rows(path)
        assert 0 < before < ROWS
        server.answers = {"/api": paged()}
        with Landing(path) as landing:
            raw = read_api(url, "key", landing=landing, row_key="id", newest="at", limit=5)
        asked = Counter(path for path, _ in server.asked)
    assert raw.table["id"].tolist() == list(range(ROWS))
    assert str(raw.account) == "60 in = 60 returned + 0 set aside + 0 merged"
    assert raw.provenance.cursor == "2025-01-01T00:00:59"
    assert len(asked) == ROWS / PAGE, "it went on where it was, and did not begin anew"
    assert sum(asked.values()) <= ROWS / PAGE + 2, "at most one page was asked for twice in a kill"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill so")
def test_a_feed_killed_half_way_goes_on_behind_the_last_event_that_was_kept(tmp_path):
    path = tmp_path / "landing.sqlite"
    with rude_server() as server:
        server.answers = {"/live": feed(wait_s=0.02)}
        killed(READ_FEED, f"{server.url}/live", path, lambda: kept_rows(path) >= 10)
        before = kept_rows(path)
        assert 10 <= before < ROWS
        server.answers = {"/live": feed()}
        with Landing(path) as landing:
            raw = read_events(f"{server.url}/live", landing=landing, row_key="id")
        told = [line for line in server.asked[-1][1] if line.startswith("Last-Event-ID")]
    assert told == [f"Last-Event-ID: {before}"]
    assert raw.table["id"].tolist() == list(range(1, ROWS + 1))
    assert raw.account.merged == 0


def kept_rows(path):
    """Count the rows that have landed, from outside."""
    if not path.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5) as there:
            return there.execute("SELECT count(*) FROM landed").fetchone()[0]
    except sqlite3.OperationalError:  # its tables are just being made
        return 0


def test_a_line_that_breaks_in_the_middle_of_an_event_is_taken_up_again():
    with rude_server() as server:
        server.answers = {"/live": feed(rows=20, breaks_after=7)}
        options = {"limits": NetworkLimits(tries=1), "pause": lambda seconds: None}
        raw = read_events(f"{server.url}/live", **options)
        assert len(server.asked) == 3
    assert raw.table["id"].tolist() == list(range(1, 21))
    assert raw.table["sse_id"].tolist() == [str(number) for number in range(1, 21)]


def test_a_service_that_fails_half_way_leaves_what_was_kept_and_the_next_run_goes_on(tmp_path):
    whole = paged()

    def half(write, path, head):
        whole(write, path, head) if "c=30" not in path else write(page("", "500 Oops"))

    with rude_server() as server, Landing(tmp_path / "landing.sqlite") as landing:
        server.answers = {"/api": half}
        options = {"landing": landing, "row_key": "id", "limit": 5, **PATIENT}
        with pytest.raises(CannotFetch, match="answered 500"):
            read_api(f"{server.url}/api", **options)
        assert len(landing.rows("api 127.0.0.1/api")) == 30
        server.answers = {"/api": whole}
        del server.asked[:]
        raw = read_api(f"{server.url}/api", **options)
        assert "c=30" in server.asked[0][0]
    assert raw.table["id"].tolist() == list(range(ROWS))


def since_feed(rows):
    """Answer with the rows known since a moment, in pages of five, each with its mark."""

    def answer(write, path, head):
        question = dict(parse_qsl(path.partition("?")[2]))
        found = [one for one in rows if one["at"] >= question.get("since", "")]
        start = int(question.get("c", 0))
        page_rows, more = found[start : start + PAGE], len(found) > start + PAGE
        since = f"&since={question['since']}" if "since" in question else ""
        following = f"{path.partition('?')[0]}?limit=5&c={start + PAGE}{since}" if more else None
        content = items(*page_rows, following=following)
        mark = hashlib.sha256(json.dumps([page_rows, more]).encode()).hexdigest()[:8]
        if f'if-none-match: "{mark}"' in [line.lower() for line in head]:
            write(page("", "304 Not Modified"))
            return
        write(page(content, extra=f'ETag: "{mark}"\r\n'))

    return answer


def at(day, number):
    return {"id": number, "at": f"2025-01-{day:02d}T12:00:00"}


def read_since(rows, landing, **options):
    """Read the rows known so far with a run of its own."""
    with rude_server() as server:
        server.answers = {"/api": since_feed(rows)}
        read = read_api(f"{server.url}/api", landing=landing, row_key="id", limit=5, **options)
        return read.table["id"].tolist() if len(read.table) else [], read.account


@pytest.mark.parametrize(("overlap_days", "found"), [(0, []), (1, []), (2, [99]), (30, [99])])
def test_a_row_that_arrives_late_is_found_within_the_overlap_and_nothing_comes_twice(
    overlap_days, found, tmp_path
):
    rows = [at(day, day) for day in range(1, 12)]
    options = {"newest": "at", "overlap_days": overlap_days}
    with Landing(tmp_path / "landing.sqlite") as landing:
        assert read_since(rows, landing, **options)[0] == list(range(1, 12))
        late = [*rows[:9], at(9, 99), *rows[9:]]
        ids, account = read_since(late, landing, **options)
        assert ids == found
        assert account.merged == account.rows_in - len(found) >= 1
        every = [row["id"] for row in landing.rows("api 127.0.0.1/api")]
        assert sorted(every) == sorted([*range(1, 12), *found])


@pytest.mark.parametrize("newest", ["at", ""])
def test_new_rows_behind_a_full_first_page_that_stays_as_it_was_are_found(newest, tmp_path):
    # The mark of the first page is the same; that must not count for the pages behind it.
    rows = [at(11, number) for number in range(7)]
    with Landing(tmp_path / "landing.sqlite") as landing:
        assert len(read_since(rows, landing, newest=newest)[0]) == 7
        assert read_since([*rows, at(11, 7)], landing, newest=newest)[0] == [7]


def test_an_overlap_that_is_none_and_moments_that_are_none_are_told(tmp_path):
    with Landing(tmp_path / "landing.sqlite") as landing:
        for wrong in (-1, "a day", float("nan"), 1e300):
            with pytest.raises(CannotExtract, match="overlap_days was expected to be a number"):
                read_api("http://127.0.0.1:9/", landing=landing, row_key="id", overlap_days=wrong)
        rows = [{"id": 1, "at": "soon"}]
        assert read_since(rows, landing, newest="at")[0] == [1]
        with pytest.raises(
            CannotExtract, match=r"'at' was expected to hold moments.*it has 'soon'"
        ):
            read_since(rows, landing, newest="at")
        assert read_since(rows, landing, newest="at", overlap_days=0)[0] == []


def test_two_runs_at_a_time_do_not_mix(tmp_path):
    with Landing(tmp_path / "x.sqlite") as one, Landing(tmp_path / "x.sqlite") as other:
        mine, theirs = one.begin("ratings"), other.begin("ratings")
        mine = one.keep(mine, [{"id": 1}], [], {"next": 2})
        with pytest.raises(CannotExtract, match="another run has read ratings"):
            other.keep(theirs, [{"id": 1}], [], {"next": 2})
        with pytest.raises(CannotExtract, match="another run has read ratings"):
            other.finish(theirs, {})
        one.finish(mine, {})
        assert other.rows("ratings") == [{"id": 1}]


def test_a_batch_that_cannot_be_kept_leaves_rows_and_cursor_as_they_were():
    with Landing(":memory:") as landing:
        mark = landing.begin("x")
        mark = landing.keep(mark, [{"id": 1}], [], {"next": 2})
        with pytest.raises(TypeError):
            landing.keep(mark, [{"id": 2}, {"id": object()}], [], {"next": 3})
        assert landing.rows("x") == [{"id": 1}]
        assert landing.begin("x").state == {"next": 2}
        assert landing.account(mark).rows_in == 1


def test_rows_with_one_key_and_other_values_are_both_kept():
    with Landing(":memory:") as landing:
        mark = landing.begin("x")
        rows = [{"id": 1, "v": "a"}, {"id": 1, "v": "b"}, {"id": 1, "v": "a"}, {"id": "1", "v": "a"}]  # fmt: skip
        mark = landing.keep(mark, rows, [], {}, key="id")
        assert landing.rows("x") == [rows[0], rows[1], rows[3]]
        assert landing.account(mark).merged == 1


def test_a_source_is_read_into_a_landing_only_with_a_key_for_its_rows():
    with Landing(":memory:") as landing, pytest.raises(CannotExtract, match="row_key was expected"):
        read_api("http://127.0.0.1:9/", landing=landing)


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\xff" * 200])
def test_a_file_that_is_no_landing_is_refused_and_left_alone(content, tmp_path):
    path = tmp_path / "x.sqlite"
    path.write_bytes(content)
    with pytest.raises(CannotExtract, match=r"x\.sqlite was expected to be a landing file"):
        Landing(path)
    assert path.read_bytes() == content


def test_a_file_is_unread_again_once_it_changed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    with Landing(tmp_path / "x.sqlite") as landing:
        landing.remember(landing.unread([path]))
        assert landing.unread([path]) == []
        path.write_text("id\n1\n2\n")
        assert landing.unread([path]) == [path]
        with pytest.raises(CannotExtract, match="a file was expected"):
            landing.unread([tmp_path / "b.csv"])
