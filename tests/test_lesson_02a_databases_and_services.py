"""Lesson 02a, databases and services: its claims on twenty seeds, held against the world behind its sources."""

import re
import sqlite3
from contextlib import closing

import pytest
import requests
from conftest import ROOT, SEEDS, stored_text

from helpers.worlds.sources import SourcesTruth

pytestmark = pytest.mark.slow

STEM = "02a_databases_and_services"
WHERE = "\nWHERE excluded.known_at > landed.known_at"


def true_rows(cells, source):
    return len(SourcesTruth(cells["sources"]).clean(source))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_comes_but_of_the_source_that_is_empty(played, seed):
    figures, cells = played(seed)
    report = cells["report"]
    for source in report.index.drop("sustainability"):
        assert report.loc[source, "rows"] == true_rows(cells, source), source
    assert report.loc["sustainability", "rows"] == len(cells["scores"]) == 0
    assert cells["errors"] == 0  # the empty success
    assert (figures["empty"], figures["wrong"]) == ("sustainability", "none")
    assert (report["last day"].dropna() >= "2024-09-30").all()  # a visit may go on past midnight


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_from_the_bookmark_loses_nothing_and_has_nothing_twice(played, seed):
    figures, cells = played(seed)
    assert figures["ratings"] == true_rows(cells, "ratings") == len(cells["ratings"])
    assert (figures["lost"], figures["twice"]) == (0, 0)
    bottom, top = cells["bottom"], cells["top"]
    assert bottom == sorted(bottom)
    assert len(bottom) > 2  # it was killed, more than once
    assert bottom[-1] == figures["ratings"]
    assert figures["top_lost"] == figures["ratings"] - top[-1]
    assert figures["top_twice"] == len(cells["appended"]) - top[-1] > top[-1]
    assert top[-1] == max(top)
    assert (figures["top_lost"] == 0) == (len(top) <= 30)  # nothing lost only when it came through
    assert not cells["broken"]


@pytest.mark.parametrize("seed", SEEDS)
def test_documents_of_two_schemas_hold_every_price(played, seed):
    _, cells = played(seed)
    catalogue = cells["catalogue"]
    of_one = catalogue["schema"].eq(1)
    assert catalogue["price_eur"].notna().equals(of_one)
    assert catalogue["price.amount"].notna().equals(~of_one)
    assert 0.2 < (~of_one).mean() < 0.6  # "many products without a price"


@pytest.mark.parametrize("seed", SEEDS)
def test_one_call_is_a_page_and_jitter_spreads_the_others(played, seed):
    _, cells = played(seed)
    assert [answer.status_code for answer in cells["answers"]] == [401, 403, 200]
    assert cells["one_call"] == 100 < len(cells["ratings"]) / 5
    pages = -(-len(cells["ratings"]) // 100)
    assert cells["calls"] >= pages
    herd = cells["herd"]
    assert herd["back-off"].max() == 1_000
    assert herd["back-off with jitter"].max() < 450
    assert cells["jitter"].mean(axis=0) == pytest.approx(cells["pauses"], rel=0.1)


@pytest.mark.parametrize("seed", SEEDS)
def test_only_the_log_of_changes_misses_nothing(played, seed):
    _, cells = played(seed)
    with closing(sqlite3.connect(":memory:")) as care:  # the day once more, without pandas
        care.execute("CREATE TABLE profiles (id INTEGER, updated_at TEXT)")
        yesterday = [(int(number), "2024-09-30 12:00") for number in cells["known"]]
        care.executemany("INSERT INTO profiles VALUES (?, ?)", yesterday)
        care.executescript(cells["DAY"])
        now = dict(care.execute("SELECT id, updated_at FROM profiles"))
    known, kinds = set(cells["known"]), cells["kinds"]
    assert kinds["new"] == now.keys() - known
    assert kinds["deleted"] == known - now.keys()
    assert kinds["edited"] == {n for n in known & now.keys() if now[n] == "2024-10-01 10:00"}
    assert kinds["late commit"] == {n for n in known & now.keys() if now[n] == "2024-09-30 23:58"}
    sizes = {kind: len(who) for kind, who in kinds.items()}
    missed = cells["missed"]
    assert missed.loc["behind the last key"].to_dict() == sizes | {"new": 0}
    late = {"late commit": sizes["late commit"], "deleted": sizes["deleted"]}
    assert missed.loc["updated_at"].to_dict() == {"new": 0, "edited": 0} | late
    assert missed.loc["updated_at, a day more"].to_dict() == dict.fromkeys(sizes, 0) | {
        "deleted": sizes["deleted"]
    }
    assert (missed.loc["change data capture"] == 0).all()
    assert min(sizes.values()) > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_newest_version_stays_whatever_comes_last(played, seed):
    _, cells = played(seed)
    assert cells["stays"]["rating"] == cells["new"]["rating"] != cells["old"]["rating"]
    assert cells["stays"]["known_at"] == cells["new"]["known_at"]


def test_without_its_last_line_an_upsert_takes_the_version_that_came_last(played):
    _, cells = played(2, ((WHERE, ""),))
    assert cells["stays"]["rating"] == cells["old"]["rating"] != cells["new"]["rating"]


def test_a_service_that_is_nearly_always_up(played):
    for seed in (1, 2, 3):
        figures, cells = played(seed, FAILURES=0.05)
        assert (figures["lost"], figures["twice"]) == (0, 0)
        killed = len(cells["top"]) > 1
        assert figures["top_lost"] == 0  # it comes through
        assert (figures["top_twice"] > 0) == killed  # and has its broken runs twice


def test_a_larger_shop_whose_service_fails_more_often(played):
    figures, cells = played(4, SHOP_CUSTOMERS=1_000, FAILURES=0.3)
    assert figures["ratings"] == true_rows(cells, "ratings") > 3_000
    assert (figures["lost"], figures["twice"], figures["empty"]) == (0, 0, "sustainability")


def test_ages_that_nobody_can_have_come_too(played):
    _, cells = played(1)
    planted = SourcesTruth(cells["sources"]).blemishes("customers")
    planted = planted[planted["kind"] == "out of range"]
    customers = cells["tables"]["customers"]
    odd = customers[customers["age"].notna() & ~customers["age"].between(10, 110)]
    assert set(odd["customer_id"].astype(str)) == set(planted["row"])
    assert len(odd) > 0


def test_patience_ends_after_ten_tries_and_is_not_spent_on_a_wrong_key(played, monkeypatch):
    _, cells = played(1)
    asked, answer = [], requests.Response()

    def get(url, timeout):
        asked.append(url)
        return answer

    monkeypatch.setattr(cells["session"], "get", get)
    for status, tries in [(503, 10), (429, 10), (403, 1), (500, 1)]:
        answer.status_code = status
        asked.clear()
        with pytest.raises(requests.HTTPError):
            cells["patient"]("http://127.0.0.1/x")
        assert len(asked) == tries, status


def test_the_user_of_the_database_may_read_and_nothing_else(played):
    _, cells = played(1)
    sa = cells["sa"]
    with pytest.raises(sa.exc.OperationalError, match="readonly"), cells["database"].begin() as db:
        db.execute(sa.text("DELETE FROM order_lines"))


def test_the_sources_that_the_charter_needs_exist_and_no_key_stands_in_the_lesson(played):
    _, cells = played(1)
    stored = (ROOT / "notebooks" / f"{STEM}.ipynb").read_text(encoding="utf-8")
    named = re.findall(r"\| `(\w+)` \| ", stored)
    offered = set(cells["sources"].overview()["source"])
    assert len(named) == 6
    assert set(named) < offered  # and most of what is offered answers none
    with cells["sources"].serve() as served:
        for key in (served.api_key, served.partner_key):
            assert len(key) > 10
            assert key not in stored


def test_what_sends_back_is_what_was_seen():
    told = stored_text(STEM, "sends-back")
    assert re.search(r"needed is empty +yes", told)
    assert re.search(r"lost rows, or has them twice +no", told)
