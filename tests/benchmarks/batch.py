"""The nightly job: a million customers, fifty kills, a cluster; the comparison of `run.py bench batch`.

Work is counted by the seconds of computing that a process took, which a busy machine alters less than
seconds.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Measure, alone
from helpers.course.scoring import write_customers
from helpers.files import sha256_of

_CUSTOMERS, _ROUNDS, _KILLS = 1_000_000, 3, 50
_MODEL = """
import sys, time
from functools import partial
from pathlib import Path
import duckdb
from helpers.course.serving import load
from helpers.deployment.batch import score_file, score_table
scoring = load("score", "1")
score = partial(score_table, model=scoring.model, threshold=scoring.threshold)
"""
_IN_MEMORY = (
    _MODEL
    + """
table = duckdb.read_parquet(sys.argv[1]).df()
began = time.process_time()
scoring.model.predict_proba(table)
print(time.process_time() - began)
"""
)
_OURS = (
    _MODEL
    + """
import json
from benchmarks.measure import most_held
Path(sys.argv[2]).unlink(missing_ok=True)
began = time.process_time()
score_file(sys.argv[1], sys.argv[2], score, "1")
print(json.dumps([time.process_time() - began, most_held()]))
"""
)
_KILLED = (
    _MODEL
    + """
print("begun", flush=True)
score_file(sys.argv[1], sys.argv[2], score, "1", rows=5_000)
"""
)
_CLUSTER = (
    _MODEL
    + """
if __name__ == "__main__":
    from distributed import Client, LocalCluster
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        spread = lambda one, many: client.gather(client.map(one, many))
        score_file(sys.argv[1], sys.argv[2], score, "1", rows=5_000, spread=spread)
"""
)


def bench_batch() -> list[Measure]:
    """Compare the job with one prediction in memory; kill it at random moments; spread it."""
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "scores.parquet"
        million = Path(folder) / "million.parquet"
        write_customers(million, _CUSTOMERS)
        rounds = [
            (float(alone(_IN_MEMORY, million)), *json.loads(alone(_OURS, million, into)))
            for _ in range(_ROUNDS)
        ]
        memory, ours, held = (min(one) for one in zip(*rounds, strict=True))
        rate, reference = _CUSTOMERS / ours, _CUSTOMERS / memory
        small = Path(folder) / "small.parquet"
        write_customers(small, 50_000)
        whole, same = _killed(small, Path(folder))
        return [
            Measure("customers scored a second, Parquet to Parquet", rate, reference, "in memory", "/s",
                    ">= 0.8 x", rate >= 0.8 * reference),
            Measure("most memory of it", held, None, "", "MB", "<= 1,000 MB", held <= 1_000),
            Measure("jobs killed at a random moment, then byte-equal", same, _KILLS, "kills", "",
                    "all", same == _KILLS),
            *_spread(small, Path(folder), whole),
        ]  # fmt: skip


def _killed(source, folder):
    """Return the bytes' hash of a whole run, and how many killed jobs ended with the same."""
    drawn = random.Random(1)
    whole = folder / "whole.parquet"
    began = time.monotonic()
    _job(source, whole).communicate()
    seconds = time.monotonic() - began  # of the job alone, without its start
    same = 0
    for kill in range(_KILLS):
        into = folder / f"killed-{kill}.parquet"
        job = _job(source, into)
        time.sleep(drawn.uniform(0, seconds))
        job.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        job.communicate()
        _job(source, into).communicate()
        same += sha256_of(into) == sha256_of(whole)
    return sha256_of(whole), same


def _job(source, into):
    """Start the job; return it once it begins to score."""
    command = [sys.executable, "-c", _KILLED, str(source), str(into)]
    job = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE)
    job.stdout.readline()
    return job


def _spread(source, folder, whole):
    try:
        import distributed  # noqa: F401
    except ImportError:
        return []
    into, script = folder / "spread.parquet", folder / "cluster.py"
    script.write_text(_CLUSTER)  # its workers start as processes that read it
    command = [sys.executable, script, source, into]
    subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True)
    same = float(sha256_of(into) == whole)
    return [Measure("a Dask cluster of two workers: byte-equal", same, None, "", "", "yes", same == 1)]  # fmt: skip
