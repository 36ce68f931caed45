"""The service: what it answers, what it refuses, and that a request's way is the documented one."""

import json
import re
import socket
import threading
import time
from typing import Annotated

import jsonschema
import msgspec
import numpy as np
import pandas as pd
import pydantic
import pytest
import requests
import sqlalchemy as sa
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sources_postgres import database, server  # noqa: F401 (fixtures)

from helpers.deployment.answers import ID, MOMENT, Lists, Refused, Scoring
from helpers.deployment.service import Limits, Service, new_key, running
from helpers.training.churn import candidates, is_positive, logistic
from helpers.worlds import Operator, Shop
from helpers.worlds.traffic import over_http

JSON = {"Content-Type": "application/json"}
KNOWN = pd.DataFrame(
    {
        "customerID": [f"c{n}" for n in range(40)],
        "tenure": [n + 0.5 for n in range(40)],
        "Contract": ["One year", "Two year", "Month-to-month", "One year"] * 10,
    }
)
LEFT = [n < 20 for n in range(40)]
POPULAR = pd.DataFrame({"product_id": range(1, 13), "rank": range(1, 13), "score": 0.5})
FIELDS = {"tenure": 3.0, "Contract": "One year"}


def scoring(version="1", known=KNOWN, **more):
    model = logistic(amounts=["tenure"], levels=["Contract"]).fit(known, LEFT)
    return Scoring(model, known, 0.5, version, **more)


class Broken:
    """A model that fails after it was loaded."""

    classes_ = (False, True)
    error, pause = ArithmeticError("no number"), 0.0

    def __init__(self):
        self.works = True

    def predict_proba(self, table):
        table[["tenure", "Contract"]]
        if not self.works:
            time.sleep(self.pause)
            raise self.error
        return np.full((len(table), 2), 0.5)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A running service, its address, and the headers of a key that opens everything."""
    folder = tmp_path_factory.mktemp("service")
    scopes = ["predict", "recommend", "feedback", "metrics", "admin"]
    headers = {"Authorization": f"Bearer {new_key(folder, 'all', scopes, 1e6)}"}
    lists = Lists(
        POPULAR.assign(customer_id=7, product_id=lambda one: one["product_id"] + 100), POPULAR, "4"
    )
    service = Service(folder, scoring(), lists, limits=Limits(read_s=1.0))
    with running(service) as address:
        yield service, address, headers


def send(place, path, message, **headers):
    _, address, key = place
    body = message if isinstance(message, bytes) else json.dumps(message)
    return requests.post(address + path, data=body, headers=key | JSON | headers, timeout=10)


def test_a_score_is_the_models_own(place):
    answer = send(place, "/predict", {"request_id": "a", "fields": FIELDS}).json()
    right = place[0].serving["score"].model.predict_proba(pd.DataFrame([FIELDS]))[0, 1]
    assert answer.pop("probability") == pytest.approx(right, abs=1e-12)
    assert answer == {
        "request_id": "a", "model_version": "1", "variant": "champion", "fallback": False, "decision": bool(right >= 0.5),
    }  # fmt: skip


def test_a_list_is_the_customers_own_else_the_popular_one_which_is_said(place):
    own = send(place, "/recommend", {"request_id": "a", "customer_id": 7, "k": 2}).json()
    other = send(place, "/recommend", {"request_id": "a", "customer_id": 8}).json()
    assert ([one["product_id"] for one in own["items"]], own["fallback"]) == ([101, 102], False)
    assert ([one["rank"] for one in other["items"]], other["fallback"]) == (
        list(range(1, 11)),
        True,
    )


def test_both_worlds_play_against_it(tmp_path):
    operator = Operator(subscribers=300, seed=3)
    known = operator.history()["snapshots"].drop(columns=["churned", "known_at", "scored_on"])
    left = operator.history()["snapshots"]["churned"]
    model = candidates(known.assign(Churn=left))["logistic regression"].fit(known, left)
    score = Scoring(model, known, 0.3, "1")
    assert score.lean
    key = new_key(tmp_path, "world", ["predict", "recommend"], 1e6)
    products = Shop(customers=300, products=60, seed=3).history()["products"]["product_id"].head(20)
    popular = pd.DataFrame({"product_id": products.tolist(), "rank": range(1, 21), "score": None})
    with running(
        Service(tmp_path, score, Lists(popular.assign(customer_id=-1), popular, "2"))
    ) as address:
        month = operator.play(1, over_http(f"{address}/predict", key=key, timeout_s=10))
        shop = Shop(customers=300, products=60, seed=3).play(
            1, over_http(f"{address}/recommend", key=key, timeout_s=10)
        )
    told = month["requests"]
    # The world itself refuses one of 1,000, and on a busy machine some wait too long.
    assert told["reason"].isin(["", "refused", "timeout"]).all()
    assert told["reason"].eq("").mean() > 0.5
    assert told["model_version"].eq("1").all()
    both = month["customers"].merge(told[["customerID", "churn_probability"]], on="customerID")
    mine = model.predict_proba(both)[:, 1]
    asked = both["churn_probability"].notna()
    assert np.allclose(
        both["churn_probability"][asked], mine[asked], atol=1e-4
    )  # told with 4 digits
    assert shop["telemetry"]["fallback"].all()


REFUSED = {
    "no key": ({"Authorization": ""}, 401),
    "a wrong key": ({"Authorization": "Bearer lab_all_wrong"}, 401),
    "a key of nobody": ({"Authorization": "Bearer lab_x' OR 1=1_y"}, 401),
    "not a bearer": ({"Authorization": "Basic lab_all_wrong"}, 401),
    "packed, a bomb": ({"Content-Encoding": "gzip"}, 415),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
}


@pytest.mark.parametrize(("headers", "status"), REFUSED.values(), ids=REFUSED)
def test_headers_that_are_refused(place, headers, status):
    answer = send(place, "/predict", {"request_id": "a", "fields": FIELDS}, **headers)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message", "trace"}


BODIES = {
    "nothing": (b"", 400),
    "no JSON": (b"{", 400),
    "NaN": (b'{"request_id":"a","fields":{"tenure":NaN,"Contract":"One year"}}', 400),
    "infinity": (b'{"request_id":"a","fields":{"tenure":Infinity,"Contract":"One year"}}', 400),
    "a number too large": (b'{"request_id":"a","fields":{"tenure":1e999,"Contract":"One year"}}', 422),
    "a key twice": (b'{"request_id":"a","request_id":"b","fields":{"tenure":3,"Contract":"One year"}}', 400),
    "a key twice, once escaped": (b'{"request_id":"a","fields":{"tenure":3,"t\\u0065nure":4,"Contract":"One year"}}', 400),
    "a key twice, deep down": (b'{"request_id":"a","fields":{"tenure":3,"Contract":"One year","x":{"y":1,"y":2}}}', 400),
    "nested too deep": (b'{"request_id":"a","x":' + b"[" * 30_000, 400),
    "no UTF-8 where nobody looks": (b'{"request_id":"a","fields":{"tenure":3,"Contract":"One year","x":"\xff"}}', 400),
    "a unicode id": ('{"request_id":"ä","fields":{"tenure":3,"Contract":"One year"}}'.encode(), 422),
    "SQL in an id": (b'{"request_id":"a\'; DROP TABLE feedback; --","fields":{"tenure":3,"Contract":"One year"}}', 422),
    "an address of e-mail as id": (b'{"request_id":"bob@example.org","fields":{"tenure":3,"Contract":"One year"}}', 422),
    "a line break in an id": (b'{"request_id":"a\\r\\nx-evil: 1","fields":{"tenure":3,"Contract":"One year"}}', 422),
    "a line break after an id": (b'{"request_id":"a\\n","fields":{"tenure":3,"Contract":"One year"}}', 422),
    "a text for a number": (b'{"request_id":"a","fields":{"tenure":"3","Contract":"One year"}}', 422),
    "a flag for a number": (b'{"request_id":"a","fields":{"tenure":true,"Contract":"One year"}}', 422),
    "a gap that training had not": (b'{"request_id":"a","fields":{"tenure":null,"Contract":"One year"}}', 422),
    "a column missing": (b'{"request_id":"a","fields":{"tenure":3}}', 422),
    "a long text": (b'{"request_id":"a","fields":{"tenure":3,"Contract":"' + b"x" * 300 + b'"}}', 422),
    "too large": (b'{"request_id":"a","x":"' + b"x" * 70_000 + b'"}', 413),
}  # fmt: skip


@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES)
def test_bodies_that_are_refused(place, body, status):
    answer = send(place, "/predict", body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "message", "trace"}
    assert "Traceback" not in answer.text


def test_a_key_opens_its_scopes_only_and_is_kept_as_a_hash(place):
    service, address, _ = place
    key = new_key(service.folder, "web", ["recommend"])
    service._read_keys()
    answer = requests.post(
        f"{address}/predict", headers={"Authorization": f"Bearer {key}"}, json={}, timeout=10
    )
    assert (answer.status_code, answer.json()["error"]) == (403, "key of another scope")
    assert key.split("_", 2)[2] not in (service.folder / "keys.json").read_text()


def test_a_key_that_is_used_too_fast_is_told_when_to_come_again(tmp_path):
    key = {"Authorization": f"Bearer {new_key(tmp_path, 'slow', ['recommend'], 2)}"}
    with running(
        Service(tmp_path, lists=Lists(POPULAR.assign(customer_id=1), POPULAR, "1"))
    ) as address:
        message = {"request_id": "a", "customer_id": 1}
        answers = [
            requests.post(f"{address}/recommend", json=message, headers=key, timeout=10)
            for _ in range(4)
        ]
    assert [one.status_code for one in answers][:2] == [200, 200]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "1"
    log = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert {line["key"] for line in log if line["status"] in (403, 429)} == {"slow"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/../../etc/passwd", 404), ("GET", "/%2e%2e/keys.json", 404),
     ("GET", "/predict", 405), ("POST", "/health", 405), ("PUT", "/predict", 405), ("GET", "/metrics", 401)],
)  # fmt: skip
def test_places_and_methods_that_are_refused(place, method, path, status):
    answer = requests.request(method, place[1] + path, timeout=10)
    assert answer.status_code == status
    assert answer.json()["message"]


def raw(place, data, pause=0.0, wait=5.0):
    """Send bytes in two parts and return all that comes back."""
    host, port = place[1].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=wait) as line:
        head, _, rest = data.partition(b"||")
        line.sendall(head)
        time.sleep(pause)
        found = b""
        try:
            line.sendall(rest)
            while part := line.recv(65_536):
                found += part
                if b'"message"' in found and b"close" not in found:
                    break
        except OSError:
            pass
        return found


HOSTILE = {
    "a large body, refused before it is read": (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: KEY\r\nContent-Length: 104857600\r\n\r\n", b" 413 "),
    "a head without end": (b"GET /health HTTP/1.1\r\nx: " + b"x" * 200_000 + b"||" + b"x" * 10, b" 431 "),
    "a large head": (b"GET /health HTTP/1.1\r\nx: " + b"x" * 20_000 + b"\r\n\r\n", b" 431 "),
    "a slow head": (b"GET /health HTTP/1.1\r\nHo", b" 408 "),
    "a slow body": (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: KEY\r\nContent-Length: 99\r\n\r\n{", b" 408 "),
    "no HTTP": (b"\x16\x03\x01 hello\r\n\r\n", b" 400 "),
    "a header with a line break": (b"GET /health HTTP/1.1\r\nHost: x\r\nx-request-id: a\rx-evil: 1\r\n\r\n", b" 400 "),
    "two lengths": (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b" 400 "),
    "a length and chunks": (b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b" 400 "),
}  # fmt: skip


@pytest.mark.parametrize(("data", "status"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_connections_are_answered_and_ended(place, data, status):
    data = data.replace(b"KEY", place[2]["Authorization"].encode())
    began = time.monotonic()
    found = raw(place, data)
    assert status in found.partition(b"\r\n")[0], found[:200]
    assert b'"message"' in found
    assert time.monotonic() - began < 5
    assert requests.get(f"{place[1]}/health", timeout=10).status_code == 200


def test_a_body_of_chunks_is_bounded_too(place):
    chunks = (b"x" * 10_000 for _ in range(20))
    answer = requests.post(f"{place[1]}/predict", data=chunks, headers=place[2] | JSON, timeout=10)
    assert answer.status_code == 413


def test_an_answer_carries_the_id_of_the_request_where_it_is_one(place):
    for named in ("web-17", "550e8400-e29b-41d4-a716-446655440000", "17.a_b", "x" * 100):
        kept = requests.get(f"{place[1]}/health", headers={"X-Request-ID": named}, timeout=10)
        assert kept.headers["x-request-id"] == named
    made = requests.get(f"{place[1]}/health", timeout=10)
    assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]+", made.headers["x-request-id"])


NAMING = ["bob@example.org", "+49 170 1234567", "0170-1234567", "0170.1234567", "<script>", "a:b", "ä", "x" * 101, "1' OR 1=1"]  # fmt: skip


@pytest.mark.parametrize("named", NAMING)
def test_a_request_id_that_may_name_somebody_is_refused_and_never_logged(place, named):
    headers = {"X-Request-ID": named.encode()}
    for told in (
        requests.get(f"{place[1]}/health", headers=headers, timeout=10),
        send(place, "/predict", {"request_id": "a", "fields": FIELDS}, **headers),
    ):
        assert (told.status_code, told.json()["error"]) == (400, "request id")
        assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]+", told.json()["trace"])
        assert named not in told.text + str(told.headers)
    place[0]._write_log()
    assert named not in (place[0].folder / "requests.jsonl").read_text()


def test_a_word_that_training_had_not_is_answered_by_the_model_itself_and_told(place):
    service = place[0]
    before = service._new
    fields = FIELDS | {"Contract": "Ten years"}
    answer = send(place, "/predict", {"request_id": "a", "fields": fields}).json()
    right = service.serving["score"].model.predict_proba(pd.DataFrame([fields]))[0, 1]
    assert answer["probability"] == pytest.approx(right, abs=1e-12)
    assert answer["unknown"] == ["Contract"]
    assert service._new == before + 1
    many = {"instances": [FIELDS, fields]}
    told = send(place, "/invocations", many).json()["predictions"]
    assert [one.get("unknown") for one in told] == [None, ["Contract"]]
    assert service._new == before + 2


@pytest.mark.parametrize("name", ["logistic regression", "random forest"])
def test_a_gap_that_training_had_is_nothing_new(tmp_path, name):
    known = KNOWN.assign(Contract=KNOWN["Contract"].where(KNOWN.index % 8 > 0))
    model = candidates(known.assign(Churn=LEFT))[name].fit(
        known, is_positive(pd.Series(LEFT), True)
    )
    key = {"Authorization": f"Bearer {new_key(tmp_path, 'a', ['predict'], 1e6)}"}
    service = Service(tmp_path, Scoring(model, known, 0.5, "1"))
    with running(service) as address:
        for word, unknown in ((None, None), ("One year", None), ("Ten years", ["Contract"])):
            message = {
                "request_id": "a",
                "fields": {"customerID": "c1", **FIELDS, "Contract": word},
            }
            told = requests.post(f"{address}/predict", json=message, headers=key, timeout=10).json()
            assert told.get("unknown") == unknown
    assert service._new == 1


@pytest.mark.parametrize("pause", [0.0, 1.0])
def test_the_version_before_answers_where_a_model_fails_or_is_late_and_says_so(tmp_path, pause):
    model = Broken()
    model.pause = pause
    key = {"Authorization": f"Bearer {new_key(tmp_path, 'a', ['predict'], 1e6)}"}
    service = Service(tmp_path, Scoring(model, KNOWN, 0.5, "2"), limits=Limits(answer_s=0.3))
    model.works = False
    message = {"request_id": "a", "fields": FIELDS}
    with running(service) as address:
        alone = requests.post(f"{address}/predict", json=message, headers=key, timeout=10)
        service.swap(scoring("1"))
        service.roll_back("score")
        answer = requests.post(f"{address}/predict", json=message, headers=key, timeout=10).json()
    assert alone.status_code == 503
    assert (answer["model_version"], answer["fallback"]) == ("1", True)
    errors = [
        json.loads(line)["error"] for line in (tmp_path / "requests.jsonl").read_text().splitlines()
    ]
    assert ("TimeoutError" if pause else "ArithmeticError") in errors


def test_a_model_without_a_lean_way_answers_the_same(tmp_path):
    table = KNOWN.assign(Churn=LEFT)
    model = candidates(table)["random forest"].fit(KNOWN, is_positive(table["Churn"], True))
    score = Scoring(model, KNOWN, 0.5, "1")
    assert not score.lean
    row = tuple(KNOWN[score.columns].iloc[3])
    assert score.score(row) is None
    assert score.score_carefully(row) == pytest.approx(
        model.predict_proba(KNOWN[3:4])[0, 1], abs=1e-12
    )


def test_numbers_that_are_levels_are_not_taken_for_a_line():
    known = KNOWN.assign(plan=[0, 1] * 20)
    model = logistic(amounts=["tenure"], levels=["plan"]).fit(known, LEFT)
    score = Scoring(model, known, 0.5, "1")
    assert score.lean
    row = known[score.columns].iloc[3].to_dict()
    new = tuple({**row, "plan": 2.0}.values())
    assert (score.score(new), score.unknown(new)) == (None, ["plan"])
    assert score.score(tuple(row.values())) == pytest.approx(
        model.predict_proba(known[3:4])[0, 1], abs=1e-9
    )


def test_feedback_is_committed_before_it_is_acknowledged_and_kept_once(place):
    service = place[0]
    for value in (1, 2):
        answer = send(
            place, "/feedback", {"request_id": "visit-1", "outcome": "bought", "value": value}
        )
        assert answer.json() == {"request_id": "visit-1", "stored": True}
    kept = pd.read_sql(
        "SELECT request_id, outcome, value FROM feedback",
        f"sqlite:///{service.folder / 'feedback.db'}",
    )
    assert kept.to_numpy().tolist() == [["visit-1", "bought", 2.0]]


def test_feedback_is_kept_in_postgresql_where_an_address_is_given(database, tmp_path):  # noqa: F811
    key = {"Authorization": f"Bearer {new_key(tmp_path, 'page', ['feedback'])}"}
    with running(Service(tmp_path, feedback_url=database)) as address:
        for name, value in (("visit-1", 1), ("visit-2", None), ("visit-1", 2)):
            said = {"request_id": name, "outcome": "bought", "value": value}
            told = requests.post(f"{address}/feedback", json=said, headers=key, timeout=10)
            assert told.json() == {"request_id": name, "stored": True}
    assert sorted(row["value"] or 0 for row in stored_rows(database)) == [0, 2]
    assert not (tmp_path / "feedback.db").exists()


def stored_rows(url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(sa.text("SELECT * FROM feedback")).mappings()]  # fmt: skip
    engine.dispose()
    return rows


def test_metrics_count_what_was_asked_and_the_log_holds_no_customer(place):
    send(place, "/recommend", {"request_id": "secret-visit", "customer_id": "anna@example.org"})
    told = requests.get(f"{place[1]}/metrics", headers=place[2], timeout=10)
    assert re.search(r'lab_requests_total{path="/recommend",status="200"} [1-9]', told.text)
    assert 'lab_answers_total{fallback="true",model="lists",version="4"}' in told.text
    time.sleep(0.7)
    lines = (place[0].folder / "requests.jsonl").read_text()
    assert "anna" not in lines
    assert "secret-visit" not in lines
    assert set(json.loads(lines.splitlines()[-1])) == {
        "at",
        "trace",
        "path",
        "status",
        "ms",
        "key",
        "version",
        "error",
    }


def test_a_service_without_a_model_lives_and_is_not_ready(tmp_path):
    with running(Service(tmp_path)) as address:
        found = [
            requests.get(f"{address}{path}", timeout=10).status_code
            for path in ("/health", "/ready", "/ping")
        ]
    assert found == [200, 503, 503]


def test_a_version_is_swapped_and_rolled_back_by_request(tmp_path):
    asked = []

    def load(kind, version):
        asked.append(version)
        if version != "2":
            raise LookupError(f"no version {version}")
        return scoring("2")

    key = {"Authorization": f"Bearer {new_key(tmp_path, 'a', ['predict', 'admin'], 1e6)}"}
    with running(Service(tmp_path, scoring("1"), load=load)) as address:

        def post(path, **message):
            return requests.post(address + path, json=message, headers=key, timeout=10)

        nothing = post("/admin/roll_back", model="score")
        absent = post("/admin/swap", model="score", version="9")
        hostile = [
            post("/admin/swap", model="score", version=name).status_code
            for name in ("../../etc", "/etc", "..", "a/b", "a\\b", "2\n", "")
        ]
        swapped = post("/admin/swap", model="score", version="2")
        back = post("/admin/roll_back", model="score")
    assert (nothing.status_code, absent.status_code, set(hostile)) == (409, 404, {422})
    assert asked == ["9", "2"]
    assert swapped.json()["versions"] == {"score": "2"}
    assert back.json()["versions"] == {"score": "1"}


def test_versions_are_swapped_under_load_and_no_request_fails(place):
    service, failed, stop = place[0], [], threading.Event()
    versions = set()

    def ask():
        with requests.Session() as line:
            while not stop.is_set():
                answer = line.post(
                    f"{place[1]}/predict",
                    json={"request_id": "a", "fields": FIELDS},
                    headers=place[2],
                    timeout=10,
                )
                versions.add(answer.json().get("model_version"))
                failed.extend([answer.text] * (answer.status_code != 200))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    first = service.serving["score"]
    second = scoring("2")
    for thread in threads:
        thread.start()
    for number in range(100):
        service.swap([second, first][number % 2])
        time.sleep(0.005)
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert versions == {"1", "2"}
    assert service.serving["score"] is first


def test_many_scores_at_once_are_those_of_one_by_one(place):
    rows = [FIELDS, FIELDS | {"Contract": "Ten years"}, {"tenure": 39, "Contract": "Two year"}]
    many = send(place, "/invocations", {"instances": rows}).json()
    one_by_one = [
        send(place, "/predict", {"request_id": "a", "fields": row}).json()["probability"]
        for row in rows
    ]
    assert [one["probability"] for one in many["predictions"]] == pytest.approx(
        one_by_one, abs=1e-12
    )
    assert many["model_version"] == "1"
    assert send(place, "/invocations", {"instances": []}).status_code == 422
    assert send(place, "/invocations", {"instances": [FIELDS] * 101}).status_code == 422


def test_each_path_is_documented_its_example_works_and_no_other_status_is_given(place):
    api = requests.get(f"{place[1]}/openapi.json", timeout=10).json()
    assert set(api["paths"]) == set(place[0].routes)
    for path, methods in api["paths"].items():
        ((method, one),) = methods.items()
        example = (
            one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        )
        if path.startswith("/admin"):
            continue
        headers = place[2] | (JSON if example else {})
        answer = requests.request(
            method, place[1] + path, json=example, headers=headers, timeout=10
        )
        assert answer.status_code == 200, (path, answer.text)
        form = one["responses"]["200"]["content"]
        assert answer.headers["content-type"].split(";")[0] in form
        if schema := form.get("application/json", {}).get("schema"):
            jsonschema.validate(answer.json(), {**schema, "components": api["components"]})
        without = requests.request(method, place[1] + path, json=example, timeout=10).status_code
        assert without == (401 if "security" in one else 200)


def test_the_page_of_the_documentation_loads_nothing_from_anywhere(place):
    shown = requests.get(f"{place[1]}/docs", timeout=10).text
    assert "POST /predict" in shown
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//|@import|url\(", shown)


# The documented form, written a second time with another library: the fast path refuses what it refuses.

Text = Annotated[str, pydantic.Field(max_length=200)]
Float = Annotated[float, pydantic.Field(ge=-1e15, le=1e15)]


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, allow_inf_nan=False, regex_engine="python-re")


class Fields(Strict):
    tenure: Float
    Contract: Text


class Judge(Strict):
    request_id: Annotated[str, pydantic.Field(pattern=ID, max_length=100)]
    fields: Fields
    at: Annotated[str, pydantic.Field(pattern=MOMENT)] | None = None


SCORE = scoring()
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({}),
    st.sampled_from(["a", "a\n", "2024-10-01T00:00:00", "2024-10-01", "٢", 3, 1e15, 1e16, "x" * 201, "One year", -0.0]),
)  # fmt: skip


@settings(max_examples=examples(300), deadline=None)
@given(data=st.data())
def test_the_fast_path_refuses_what_the_documented_form_refuses(data):
    message = {"request_id": "a", "fields": dict(FIELDS), "at": None}
    for _ in range(data.draw(st.integers(0, 2))):
        where = (
            data.draw(st.sampled_from([message, message["fields"]]))
            if isinstance(message.get("fields"), dict)
            else message
        )
        name = data.draw(st.sampled_from([*where, "other"]) if where else st.just("other"))
        if data.draw(st.booleans()):
            where.pop(name, None)
        else:
            where[name] = data.draw(VALUES)
    body = json.dumps(message, ensure_ascii=data.draw(st.booleans())).encode(
        "utf-8", "surrogatepass"
    )
    try:
        Judge.model_validate_json(body)
        right = True
    except pydantic.ValidationError:
        right = False
    if "NaN" in body.decode("utf-8", "replace") or "Infinity" in body.decode("utf-8", "replace"):
        right = False  # JSON knows neither, not even where nobody looks
    try:
        SCORE.read(body)
        found = True
    except Refused:
        found = False
    assert found == right, body


def test_the_form_says_what_it_takes():
    form = msgspec.json.schema(SCORE.form)
    fields = form["$defs"]["Fields"]["properties"]
    assert fields["tenure"]["maximum"] == 1e15
    assert form["$defs"]["ScoreRequest"]["required"] == ["request_id", "fields"]
