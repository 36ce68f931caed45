"""`helpers.monitoring.alerts`: a broken promise rings and says where to look; rules of a service."""

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import ANY

import numpy as np
import pandas as pd
import pytest
import requests

from helpers.deployment.answers import Lists
from helpers.deployment.service import Service, new_key, running
from helpers.lifecycle import Stage, Trigger
from helpers.monitoring.alerts import (
    SERVICE_RULES,
    Alert,
    Rule,
    check_criterion,
    evaluate,
    grafana_dashboard,
    prometheus_rules,
    scraped,
)
from helpers.problem import SuccessCriterion

FLOOR = SuccessCriterion("accuracy", 0.8, population="all customers", window="each month")


@pytest.mark.parametrize("value", [0.8, 0.81, 1.0])
def test_a_kept_promise_is_silent(value):
    assert check_criterion(FLOOR, value) is None


@pytest.mark.parametrize(("value", "said"), [(0.7, "0.700"), (0.79, "0.790"), (np.nan, "nan")])
def test_a_broken_promise_rings_with_the_figure_the_floor_and_for_whom(value, said):
    alert = check_criterion(FLOOR, value)
    assert alert == Alert(
        Trigger.PERFORMANCE_DROP,
        f"accuracy is {said}, below the agreed 0.8 on all customers, each month",
        Trigger.PERFORMANCE_DROP.causes,
    )


def test_an_alert_lists_causes_in_more_than_one_stage_because_it_is_no_diagnosis():
    stages = {cause.reopens for cause in check_criterion(FLOOR, 0.5).check}
    assert stages == set(Stage)


# Rules about a service's figures.

ERRORS = Rule("TooManyErrors", 'a_total{status=~"5.."}', "a_total", at_most=0.1, over="4m", lasting="1m")  # fmt: skip
SLOW = Rule("TooSlow", 'b_bucket{le="0.1"}', "b_count", at_least=0.9, over="4m", lasting="0s")
DOWN = Rule("Down", "up", at_least=1, lasting="2m")
MINUTES = pd.date_range("2024-10-01 09:00", periods=16, freq="min")


def texts_of(good, bad, slow):
    """Return what a service tells each minute, of the counts that came in it; None: nothing comes."""
    told, sums = [], [0, 0, 0]
    for counts in zip(good, bad, slow, strict=True):
        if None in counts:
            told.append(None)
            continue
        sums = [now + more for now, more in zip(sums, counts, strict=True)]
        every = sums[0] + sums[1]
        told.append(
            f'a_total{{status="200"}} {sums[0]}\na_total{{status="500"}} {sums[1]}\n'
            f'b_bucket{{le="0.1"}} {every - sums[2]}\nb_bucket{{le="+Inf"}} {every}\nb_count {every}\n'
        )
    return told


def states(rules, texts, times=MINUTES):
    scrapes = pd.concat(map(scraped, texts, times[: len(texts)]))
    told = evaluate(rules, scrapes)
    return {rule.name: told.loc[told["rule"] == rule.name, "state"].tolist() for rule in rules}


def test_an_alert_is_pending_before_it_fires_and_ends_when_the_fault_has_left_the_span():
    bad = [0] * 5 + [20] * 4 + [0] * 7
    told = states([ERRORS], texts_of([50] * 16, bad, [0] * 16))["TooManyErrors"]
    # By hand: one bad minute of four is 20 of 220, two are 40 of 240.
    assert told == ["inactive"] * 6 + ["pending"] + ["firing"] * 4 + ["inactive"] * 5


def test_few_requests_ring_no_bell_for_errors_however_bad():
    told = states([ERRORS], texts_of([0] * 16, [4] * 16, [0] * 16))["TooManyErrors"]
    assert set(told) == {"inactive"}  # 16 in four minutes, 20 are the least


def test_a_p99_is_the_share_that_is_fast_enough():
    told = states([SLOW], texts_of([50] * 16, [0] * 16, [0] * 8 + [10] * 8))["TooSlow"]
    assert told[8:12] == ["inactive", "inactive", "firing", "firing"]  # 10, 20 of 200 are no more
    assert told.index("firing") == 10


def test_a_service_that_tells_nothing_rings_though_no_request_of_it_failed():
    quiet = [50] * 6 + [None] * 6 + [50] * 4
    told = states([DOWN, ERRORS], texts_of(quiet, [0] * 16, [0] * 16))
    assert told["Down"] == ["inactive"] * 6 + ["pending"] * 2 + ["firing"] * 4 + ["inactive"] * 4
    assert set(told["TooManyErrors"]) == {"inactive"}


def test_a_service_that_began_anew_counts_from_nothing():
    texts = texts_of([50] * 4, [0] * 4, [0] * 4) + texts_of([50] * 4, [40] * 4, [0] * 4)
    scrapes = pd.concat(map(scraped, texts, MINUTES[:8]))
    value = evaluate([ERRORS], scrapes)["value"].tolist()
    assert value[3] == 0.0
    assert value[4] == pytest.approx(40 / 240)  # and no count below nothing
    assert value[7] == pytest.approx(160 / 360)


def test_a_status_seen_for_the_first_time_counts_from_nothing():
    texts = ['a_total{status="200"} 100\n', 'a_total{status="200"} 130\na_total{status="503"} 10\n']
    scrapes = pd.concat(map(scraped, texts, MINUTES[:2]))
    assert evaluate([ERRORS], scrapes)["value"].iloc[1] == pytest.approx(10 / 40)


@pytest.mark.parametrize(
    "wrong", [{"part": "rate(a[5m])"}, {"of": 'a{b="'}, {"over": "soon"}, {"lasting": "1 minute"}]
)
def test_a_rule_that_would_be_read_differently_by_the_two_is_refused(wrong):
    with pytest.raises(ValueError, match=re.escape(next(iter(wrong.values())))):
        replace(ERRORS, **wrong)


def test_the_rules_of_the_service_name_figures_that_it_tells(tmp_path):
    popular = pd.DataFrame({"product_id": [1], "rank": [1], "score": [0.5]})
    lists = Lists(popular.assign(customer_id=7), popular, "1")
    headers = {"Authorization": f"Bearer {new_key(tmp_path, 'all', ['recommend', 'metrics'])}"}
    told = []
    with running(Service(tmp_path, lists=lists)) as address:
        for minute, customer in enumerate([7, 8]):
            for _ in range(30):
                asked = {"request_id": "a", "customer_id": customer}
                requests.post(f"{address}/recommend", json=asked, headers=headers, timeout=9)
            text = requests.get(f"{address}/metrics", headers=headers, timeout=9).text
            told.append(scraped(text, MINUTES[minute]))
    told.append(scraped(None, MINUTES[2]))
    rung = evaluate(SERVICE_RULES, pd.concat(told)).set_index(["rule", "at"])
    assert rung["value"].round(3).groupby("rule").agg(list).to_dict() == {
        "ServiceDown": [1, 1, 0], "TooManyErrors": [ANY, 0, 0], "TooManyFallbacks": [ANY, 1, 1], "TooSlow": [ANY, ANY, ANY],
    }  # fmt: skip
    assert rung.loc[("TooSlow", MINUTES[1]), "value"] >= 0
    assert (rung.loc["ServiceDown", "state"] == ["inactive", "inactive", "pending"]).all()


# The real Prometheus.


def needs(*programs):
    missing = [name for name in programs if not shutil.which(name)]
    return pytest.mark.skipif(
        bool(missing),
        reason=f"{', '.join(missing)} not here; on Debian: apt-get install prometheus prometheus-alertmanager",
    )


@needs("promtool")
def test_prometheus_fires_and_ends_the_same_alerts_at_the_same_minutes(tmp_path):
    counts = [50] * 16, [0] * 5 + [20] * 4 + [0] * 7, [0] * 10 + [30] * 2 + [0] * 4
    rules = [ERRORS, SLOW]
    ours = states(rules, texts_of(*counts))
    (tmp_path / "rules.json").write_text(prometheus_rules(rules))
    good, bad, slow = (np.cumsum(one) for one in counts)
    series = {
        'a_total{status="200"}': good, 'a_total{status="500"}': bad,
        'b_bucket{le="0.1"}': good + bad - slow, 'b_bucket{le="+Inf"}': good + bad, "b_count": good + bad,
    }  # fmt: skip
    written = [{"series": name, "values": " ".join(map(str, one))} for name, one in series.items()]
    asked = [
        {
            "eval_time": f"{minute}m",
            "alertname": rule.name,
            "exp_alerts": [{"exp_annotations": {"summary": ""}}] * (ours[rule.name][minute] == "firing"),
        }
        for rule in rules
        for minute in range(16)
    ]  # fmt: skip
    test = {"interval": "1m", "input_series": written, "alert_rule_test": asked}
    whole = {"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.json").write_text(json.dumps(whole))
    done = subprocess.run(["promtool", "test", "rules", "test.json"], cwd=tmp_path, capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


class Woken(BaseHTTPRequestHandler):
    """Who is woken: notes what Alertmanager posts."""

    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told += [(one["labels"]["alertname"], one["status"]) for one in told["alerts"]]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def until(true, seconds=60):
    over = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < over, "it did not happen in time"
        time.sleep(0.2)


@contextmanager
def watched(folder, address, key, rules):
    """Have the real Prometheus watch a service, and Alertmanager wake somebody; yield what was told."""
    woken = ThreadingHTTPServer(("127.0.0.1", 0), Woken)
    woken.told = []
    threading.Thread(target=woken.serve_forever, daemon=True).start()
    ports = {"prometheus": free_port(), "alertmanager": free_port()}
    (folder / "rules.json").write_text(prometheus_rules(rules))
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.json"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{ports['alertmanager']}"]}]}]},
        "scrape_configs": [{"job_name": "lab", "authorization": {"credentials": key}, "static_configs": [{"targets": [address.removeprefix("http://")]}]}],
    }  # fmt: skip
    (folder / "prometheus.yml").write_text(json.dumps(config))
    hook = {"url": f"http://127.0.0.1:{woken.server_port}/", "send_resolved": True}
    route = {"receiver": "us", "group_wait": "0s", "group_interval": "1s", "group_by": ["alertname"]}  # fmt: skip
    receivers = [{"name": "us", "webhook_configs": [hook]}]
    (folder / "alertmanager.yml").write_text(json.dumps({"route": route, "receivers": receivers}))
    commands = [
        ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{ports['prometheus']}", "--storage.tsdb.path=figures"],
        ["prometheus-alertmanager", "--config.file=alertmanager.yml", f"--web.listen-address=127.0.0.1:{ports['alertmanager']}", "--cluster.listen-address=", "--storage.path=alerts"],
    ]  # fmt: skip
    with (folder / "watchers.log").open("wb") as log, ExitStack() as running_too:
        running_too.callback(woken.server_close)
        running_too.callback(woken.shutdown)
        for command in commands:
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
            running_too.callback(process.wait, 20)
            running_too.callback(process.terminate)
        for port in ports.values():
            until(lambda port=port: answers(f"http://127.0.0.1:{port}/-/ready"))
        yield woken.told


def answers(url):
    with suppress(requests.ConnectionError):
        return requests.get(url, timeout=5).status_code == 200
    return False


@pytest.mark.slow
@needs("prometheus", "prometheus-alertmanager")
def test_the_real_prometheus_wakes_somebody_for_a_reason_and_says_when_it_is_over(tmp_path):
    popular = pd.DataFrame({"product_id": [1], "rank": [1], "score": [0.5]})
    whole = Lists(popular.assign(customer_id=7), popular, "1")
    cut = Lists(popular.assign(customer_id=8), popular, "2")  # the night's lists ended too early
    key = new_key(tmp_path, "all", ["recommend", "metrics"])
    headers = {"Authorization": f"Bearer {key}"}
    rules = [replace(rule, over="6s", lasting="2s") for rule in SERVICE_RULES]
    ours, shown = [], {"request_id": "a", "customer_id": 7}
    service = Service(tmp_path, lists=whole)
    with ExitStack() as server, ExitStack() as watch:
        address = server.enter_context(running(service))
        told = watch.enter_context(watched(tmp_path, address, key, rules))

        def visits(seconds=0.0, until_told=None):
            over = time.monotonic() + (seconds or 60)
            while time.monotonic() < over and (until_told is None or until_told not in told):
                for _ in range(10):
                    requests.post(f"{address}/recommend", json=shown, headers=headers, timeout=9)
                text = requests.get(f"{address}/metrics", headers=headers, timeout=9).text
                ours.append(scraped(text, pd.Timestamp.now()))
                time.sleep(0.2)

        def firing():
            rung = evaluate(rules, pd.concat(ours))
            last = rung[rung["at"] == rung["at"].max()]
            return last.loc[last["state"] == "firing", "rule"].tolist()

        visits(seconds=8)
        assert (told, firing()) == ([], [])
        service.swap(cut)
        visits(until_told=("TooManyFallbacks", "firing"))
        assert told == [("TooManyFallbacks", "firing")]
        visits(seconds=2)
        assert firing() == ["TooManyFallbacks"]  # in process as in Prometheus
        service.roll_back("lists")
        visits(until_told=("TooManyFallbacks", "resolved"))
        assert told[-1] == ("TooManyFallbacks", "resolved")
        visits(seconds=2)
        assert firing() == []
        server.close()
        until(lambda: ("ServiceDown", "firing") in told)


def test_a_dashboard_draws_each_rule_with_its_limits():
    rules = [
        Rule("two", "a_total", "b_total", at_least=0.2, at_most=0.4, says="Look."),
        *SERVICE_RULES,
    ]
    board = json.loads(grafana_dashboard("wall", {"mine": rules[:1], "service": rules[1:]}))
    panels = [one for one in board["panels"] if one["type"] == "timeseries"]
    assert [one["title"] for one in panels] == [rule.name for rule in rules]
    steps = panels[0]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(one["color"], one["value"]) for one in steps] == [("red", None), ("green", 0.2), ("red", 0.4)]  # fmt: skip
    written = json.loads(prometheus_rules(rules))["groups"][0]["rules"]
    for panel, rule in zip(panels, written, strict=True):
        assert panel["targets"][0]["expr"] in rule["expr"]  # one definition
    taken = {(p["gridPos"]["x"] + x, p["gridPos"]["y"] + y) for p in board["panels"] for x in range(p["gridPos"]["w"]) for y in range(p["gridPos"]["h"])}  # fmt: skip
    assert len(taken) == sum(
        p["gridPos"]["w"] * p["gridPos"]["h"] for p in board["panels"]
    )  # no overlap
    assert len({one["id"] for one in board["panels"]}) == len(board["panels"])
