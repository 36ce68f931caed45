"""Runs of `helpers.etl.extract` that are killed, doubled or interrupted: nothing lost, nothing twice."""

import gzip
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
    read_logs,
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
DIE_WITHIN_A_PAGE = """
import os, signal
from helpers.etl.extract import landing as place
land = place.Landing._land
def dying(self, mark, row, key, apart):
    if row["id"] == 17:
        os.kill(os.getpid(), signal.SIGKILL)
    return land(self, mark, row, key, apart)
place.Landing._land = dying
"""
READ_FEED = """
import sys
from helpers.etl.extract import Landing, services as live
live._BATCH = 5  # small batches, so that some are kept before the kill
with Landing(sys.argv[2]) as landing:
    print("reading", flush=True)
    live.read_events(sys.argv[1], landing=landing, row_key="id", seconds=60)
"""


def row(number):
    return {"id": number, "at": f"2025-01-01T00:00:{number % 60:02d}"}


def paged(rows=ROWS, held_at=(), until=None):
    """Answer with pages of five rows; those that begin at a row of `held_at` come once `until` is set."""

    def answer(write, path, head):
        question = dict(one.split("=") for one in path.partition("?")[2].split("&"))
        start = int(question.get("c", 0))
        if start in held_at and not until.wait(60):
            return
        on = start + PAGE < rows
        following = f"{path.partition('?')[0]}?limit=5&c={start + PAGE}" if on else None
        found = [row(number) for number in range(start, min(rows, start + PAGE))]
        write(page(items(*found, following=following), extra='ETag: "e1"\r\n'))

    return answer


def feed(rows=ROWS, held_at=None, until=None, breaks_after=None):
    """Answer with the events behind the last one had; from `held_at` on once `until` is set."""

    def answer(write, path, head):
        last = [line.partition(": ")[2] for line in head if line.startswith("Last-Event-ID")]
        start = int(last[0]) if last else 0
        write(page("", kind=STREAM, length=""))
        for number in range(start + 1, rows + 1):
            if number == held_at and not until.wait(60):
                return
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
        deadline = time.monotonic() + 60
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
        url = f"{server.url}/api"
        for held_at in (15, 35):
            server.answers = {"/api": paged(held_at=[held_at], until=server.over)}
            killed(READ_API, url, path, lambda: kept_rows(path) >= held_at)  # noqa: B023
        before = kept_rows(path)
        assert 0 < before < ROWS
        server.answers = {"/api": paged()}
        with Landing(path) as landing:
            raw = read_api(url, "key", landing=landing, row_key="id", newest="at", limit=5)
        asked = Counter(path for path, _ in server.asked)
    assert raw.table["id"].tolist() == list(range(ROWS))
    assert raw.books.line() == "60 in = 60 loaded + 0 set aside + 0 merged"
    assert raw.provenance.cursor == "2025-01-01T00:00:59"
    assert len(asked) == ROWS / PAGE, "it went on where it was, and did not begin anew"
    assert sum(asked.values()) <= ROWS / PAGE + 2, "at most one page was asked for twice in a kill"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill so")
def test_a_feed_killed_half_way_goes_on_behind_the_last_event_that_was_kept(tmp_path):
    path = tmp_path / "landing.sqlite"
    with rude_server() as server:
        server.answers = {"/live": feed(held_at=14, until=server.over)}
        killed(READ_FEED, f"{server.url}/live", path, lambda: kept_rows(path) >= 10)
        before = kept_rows(path)
        assert 10 <= before < ROWS
        server.answers = {"/live": feed()}
        with Landing(path) as landing:
            raw = read_events(f"{server.url}/live", landing=landing, row_key="id")
        told = [line for line in server.asked[-1][1] if line.startswith("Last-Event-ID")]
    assert told == [f"Last-Event-ID: {before}"]
    assert raw.table["id"].tolist() == list(range(1, ROWS + 1))
    assert raw.books.merged == 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system cannot kill so")
def test_a_run_killed_while_it_keeps_a_page_has_kept_nothing_of_that_page(tmp_path):
    path = tmp_path / "landing.sqlite"
    with rude_server() as server:
        server.answers = {"/api": paged()}
        call = [sys.executable, "-c", DIE_WITHIN_A_PAGE + READ_API, f"{server.url}/api", str(path)]
        assert subprocess.run(call, capture_output=True, check=False).returncode == -signal.SIGKILL
        assert kept_rows(path) == 15, "row 17 is the third of its page"
        with Landing(path) as landing:
            raw = read_api(f"{server.url}/api", landing=landing, row_key="id", limit=5)
        asked = Counter(path for path, _ in server.asked)
    assert raw.table["id"].tolist() == list(range(ROWS))
    assert raw.books.merged == 0
    assert sorted(asked.values()) == [1] * 11 + [2]


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
        return read.table["id"].tolist() if len(read.table) else [], read.books


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


@pytest.mark.parametrize("wrong", ["2999-01-01T00:00:00", "soon", "2024-13-45", "", "9999-12-31T23:59:59-14:00"])  # fmt: skip
def test_one_moment_that_cannot_be_does_not_hide_what_comes_later(wrong, tmp_path):
    rows = [at(1, 1), at(2, 2), {"id": 99, "at": wrong}]
    with Landing(tmp_path / "landing.sqlite") as landing:
        assert read_since(rows, landing, newest="at")[0] == [1, 2, 99]
        ids, account = read_since([*rows, at(3, 3), at(4, 4)], landing, newest="at")
        assert ids == [3, 4]
        assert account.rows_in - account.merged == 2


def test_the_newest_moment_is_found_by_its_time_and_not_by_its_letters(tmp_path):
    rows = [{"id": 1, "at": "2025-01-02T00:30:00+02:00"}, {"id": 2, "at": "2025-01-01T23:00:00Z"}, {"id": 3, "at": "2025-01-01"}]  # fmt: skip
    with rude_server() as server:
        server.answers = {"/api": page(items(*rows))}
        raw = read_api(f"{server.url}/api", newest="at")
    assert raw.provenance.cursor == "2025-01-01T23:00:00Z"


def test_without_a_column_of_moments_everything_is_asked_for_whatever_an_earlier_run_did(tmp_path):
    rows = [at(day, day) for day in range(1, 12)]
    with Landing(tmp_path / "landing.sqlite") as landing:
        read_since(rows, landing, newest="at")
        late = [at(1, 99), *rows]
        assert read_since(late, landing, newest="at")[0] == []
        assert read_since(late, landing)[0] == [99]


def of_kind(write, path, head):
    """Answer with rows of the kinds that were asked for, in pages of one that repeat the questions."""
    asked = parse_qsl(path.partition("?")[2])
    kinds = [value for name, value in asked if name == "kind"]
    start = int(dict(asked).get("c", 0))
    rows = [{"id": f"{kind}{n}", "at": f"2025-01-0{n}T00:00:00"} for n in (1, 2) for kind in kinds]
    again = "&".join(f"kind={kind}" for kind in kinds)
    following = f"/api?{again}&c={start + 1}" if start + 1 < len(rows) else None
    write(page(items(rows[start], following=following)))


def test_what_is_asked_differently_of_one_endpoint_is_another_source(tmp_path):
    options = {"row_key": "id", "newest": "at"}
    with rude_server() as server, Landing(tmp_path / "landing.sqlite") as landing:
        server.answers = {"/api": of_kind}

        def read(*kinds):
            query = "&".join(f"kind={kind}" for kind in kinds)
            return read_api(f"{server.url}/api?{query}", landing=landing, **options)

        assert read("a").table["id"].tolist() == ["a1", "a2"]
        assert read("b").table["id"].tolist() == ["b1", "b2"]
        assert read("a", "c").table["id"].tolist() == ["a1", "c1", "a2", "c2"], "both, on each page"
        assert read("a").books.loaded == 0


def test_a_run_whose_page_the_service_has_forgotten_begins_anew_and_gets_nothing_twice(tmp_path):
    whole, forgotten = paged(rows=20), []

    def answer(write, path, head):
        mark = path.partition("c=")[2]
        if mark == "10" and len(forgotten) < 2:
            forgotten.append(mark)
            write(page("", ["500 Oops", "410 Gone"][len(forgotten) - 1]))
        else:
            whole(write, path, head)

    options = {"row_key": "id", "limit": 5, "pause": lambda seconds: None}
    with rude_server() as server, Landing(tmp_path / "landing.sqlite") as landing:
        server.answers = {"/api": answer}
        with pytest.raises(CannotFetch, match="answered 500"):
            read_api(f"{server.url}/api", landing=landing, limits=NetworkLimits(tries=1), **options)
        raw = read_api(f"{server.url}/api", landing=landing, **options)
        server.answers = {"/api": page("", "410 Gone")}
        with pytest.raises(CannotFetch, match="answered 410"):
            read_api(f"{server.url}/api", landing=landing, **options)
    assert raw.table["id"].tolist() == list(range(20))
    assert raw.books.line() == "30 in = 20 loaded + 0 set aside + 10 merged"


def test_rows_without_their_key_are_not_kept_again_by_each_run(tmp_path):
    rows = [{"id": 1}, {"name": "x"}, {"id": None, "name": "y"}]
    with rude_server() as server, Landing(tmp_path / "landing.sqlite") as landing:
        server.answers = {"/api": page(items(*rows))}
        found = [read_api(f"{server.url}/api", landing=landing, row_key="id").books for _ in "12"]
    assert [one.loaded for one in found] == [3, 0]
    with Landing(":memory:") as landing:
        beats = [{"place": n, "beat": True} for n in (1, 2, 2)]
        mark = landing.keep(landing.begin("feed"), beats, [], {}, key="id", apart="place")
        assert landing.rows("feed") == beats[:2], "without a key only the place tells them apart"
        assert landing.books(mark).merged == 1


def test_what_is_added_to_a_file_while_it_is_read_is_unread(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    with Landing(tmp_path / "x.sqlite") as landing:
        new = landing.unread([path])
        path.write_text("id\n1\n2\n")  # after it was read, and before it is remembered
        landing.remember(new)
        assert landing.unread([path]) == [path]


def test_a_log_that_is_just_being_packed_is_read_once(tmp_path):
    line = '198.18.0.1 - - [01/Sep/2024:10:00:00 +0000] "GET /{} HTTP/1.1" 200 5 "-" "a"\n'
    (tmp_path / "access.log").write_text(line.format("new"))
    (tmp_path / "access.log.1").write_text(line.format("old"))
    (tmp_path / "access.log.1.gz").write_bytes(gzip.compress(line.format("old").encode())[:30])
    assert read_logs(tmp_path / "access.log").table["path"].tolist() == ["/old", "/new"]


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
        assert landing.books(mark).rows_in == 1


def test_rows_with_one_key_and_other_values_are_both_kept():
    with Landing(":memory:") as landing:
        mark = landing.begin("x")
        rows = [{"id": 1, "v": "a"}, {"id": 1, "v": "b"}, {"id": 1, "v": "a"}, {"id": "1", "v": "a"}]  # fmt: skip
        mark = landing.keep(mark, rows, [], {}, key="id")
        assert landing.rows("x") == [rows[0], rows[1], rows[3]]
        assert landing.books(mark).merged == 1


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
