"""The service as a process: killed at any moment, asked to stop, with workers, by the command line."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
import requests
from conftest import first_always

PATIENT_S = 120
posix = pytest.mark.skipif(os.name == "nt", reason="kill -9 and fork are of POSIX")
KILLS = '''
import http.client, json, os, random, signal, socket, sqlite3, sys, threading, time
from pathlib import Path
import uvicorn
from helpers.deployment.service import Service, door, new_key

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
key = new_key(folder, "shop", ["feedback"], 1e6)
head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
luck, acknowledged, killed = random.Random(5), [], 0

def send(number, port, process):
    """Send feedback until nobody answers."""
    line, count = http.client.HTTPConnection("127.0.0.1", port, timeout=20), 0
    try:
        while True:
            name = f"{process}-{number}-{count}"
            line.request("POST", "/feedback", json.dumps({"request_id": name, "outcome": "bought"}), head)
            if line.getresponse().read() and True:
                acknowledged.append(name)
            count += 1
    except (OSError, http.client.HTTPException):
        return

for _ in range(kills):
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    process = os.fork()
    if process == 0:
        service = Service(folder)
        server = uvicorn.Server(uvicorn.Config(service, **door()))
        server.run(sockets=[listening])
        os._exit(0)
    listening.close()
    threads = [threading.Thread(target=send, args=(number, port, process)) for number in range(4)]
    for thread in threads:
        thread.start()
    before = len(acknowledged)
    while len(acknowledged) < before + 8:
        time.sleep(0.005)
    time.sleep(luck.uniform(0, 0.2))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    for thread in threads:
        thread.join()
    killed += 1
kept = {row[0] for row in sqlite3.connect(folder / "feedback.db").execute("SELECT request_id FROM feedback")}
print(json.dumps([killed, len(acknowledged), sorted(set(acknowledged) - kept)]))
'''
SLOW = """
import os, sys, time
import pandas as pd, uvicorn
from helpers.deployment.answers import Scoring
from helpers.deployment.service import Limits, Service, door

class Slow:
    classes_ = (False, True)
    def predict_proba(self, table):
        table[["tenure"]]
        time.sleep(0.5)
        return [[0.5, 0.5]] * len(table)

service = Service(sys.argv[1], Scoring(Slow(), pd.DataFrame({"tenure": [1.0], "x": [1.0]}), 0.5, "1"), limits=Limits(answer_s=5))
uvicorn.run(service, **door(port=int(sys.argv[2])))
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def started(command, port):
    """Run a command until the block is left; wait until the service that it starts is ready."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            over = time.monotonic() + PATIENT_S
            while True:
                assert process.poll() is None, process.stdout.read()
                assert time.monotonic() < over
                try:
                    if requests.get(f"http://127.0.0.1:{port}/ready", timeout=5).status_code == 200:
                        break
                except requests.RequestException:
                    time.sleep(0.1)
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()


@posix
@pytest.mark.parametrize("kills", first_always([4, 30]))
def test_feedback_that_was_acknowledged_outlives_a_kill(tmp_path, kills):
    ran = subprocess.run(
        [sys.executable, "-c", KILLS, str(tmp_path), str(kills)],
        capture_output=True, text=True, timeout=60 + 20 * kills,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    killed, acknowledged, lost = json.loads(ran.stdout.splitlines()[-1])
    assert (killed, lost) == (kills, [])
    assert acknowledged >= 8 * kills


@posix
def test_a_service_that_is_asked_to_stop_answers_what_is_under_way(tmp_path):
    from threading import Thread

    from helpers.deployment.service import new_key

    port, answers = free_port(), []
    key = {"Authorization": f"Bearer {new_key(tmp_path, 'a', ['predict'])}"}

    def ask():
        message = {"request_id": "a", "fields": {"tenure": 1.0}}
        answers.append(
            requests.post(f"http://127.0.0.1:{port}/predict", json=message, headers=key, timeout=20)
        )

    with started([sys.executable, "-c", SLOW, str(tmp_path), str(port)], port) as process:
        asking = Thread(target=ask)
        asking.start()
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        asking.join()
        assert process.wait(20) in (0, -signal.SIGTERM)
    assert [one.status_code for one in answers] == [200]
    last = json.loads((tmp_path / "requests.jsonl").read_text().splitlines()[-1])
    assert (last["path"], last["status"]) == ("/predict", 200)


@pytest.mark.slow
def test_one_command_serves_both_businesses_and_all_its_workers_follow_a_swap(tmp_path):
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "helpers.course.cli",
        "serve",
        "--port",
        str(port),
        "--workers",
        "2",
        "--folder",
        str(tmp_path),
    ]
    with started(command, port) as process:
        address = f"http://127.0.0.1:{port}"
        said = ""
        while not said.startswith("Your key"):
            said = process.stdout.readline()
        key = {"Authorization": f"Bearer {said.split()[-1]}"}
        visit = {"request_id": "a", "customer_id": 1, "k": 3}
        assert (
            len(
                requests.post(f"{address}/recommend", json=visit, headers=key, timeout=20).json()[
                    "items"
                ]
            )
            == 3
        )
        swapped = requests.post(
            f"{address}/admin/swap",
            json={"model": "lists", "version": "2"},
            headers=key,
            timeout=60,
        )
        assert swapped.json()["versions"]["lists"] == "2"
        over = time.monotonic() + PATIENT_S
        while {
            requests.get(f"{address}/ready", timeout=20).json()["versions"]["lists"]
            for _ in range(20)
        } != {"2"}:
            assert time.monotonic() < over
            time.sleep(0.5)
