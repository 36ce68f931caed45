"""A file of customers scored in parts: the same bytes whatever happens in between; who is contacted."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import first_always

from helpers.deployment.batch import _made_by, contact_list, score_file, score_table
from helpers.files import sha256_of
from helpers.training.churn import candidates
from helpers.worlds import Operator

COUNT, ROWS = 1_000, 150  # seven parts, the last of which is smaller


def write_customers(folder: Path, count: int = COUNT) -> Path:
    """Write customers with gaps, quotation marks and a name that looks like ours."""
    table = pd.DataFrame({
        "customerID": [f"{place:05d}" for place in range(count)],
        "Plan 'x' \"y\"": np.resize(np.array(["it's", "b", None, ""], dtype=object), count),
        "file": np.resize([1.5, np.nan], count),
        "since": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(count), "D"),
    })  # fmt: skip
    path = folder / "customers.parquet"
    duckdb.from_df(table).write_parquet(str(path))
    return path


def halves(rows: pd.DataFrame, bad: str = "") -> pd.DataFrame:
    """Return a number for each customer, as a model would; stop at the customer `bad`."""
    if bad in set(rows["customerID"]):
        raise ArithmeticError("the model broke.")
    return rows[["customerID"]].assign(half=rows["customerID"].astype(int) / 2)


def lists(rows: pd.DataFrame) -> pd.DataFrame:
    """Return two products for each customer."""
    both = pd.concat([rows[["customerID"]].assign(rank=rank) for rank in (1, 2)])
    return both.sort_values(["customerID", "rank"])


def read(path: Path) -> pd.DataFrame:
    with duckdb.connect() as connection:
        return connection.from_parquet(str(path)).df()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, bytes]:
    """A source, and the bytes of its output in one go."""
    folder = tmp_path_factory.mktemp("whole")
    source = write_customers(folder)
    return source, score_file(source, folder / "out.parquet", halves, "1", rows=ROWS).read_bytes()


def test_each_customer_is_scored_once_in_the_order_of_the_source(whole, tmp_path):
    source, stored = whole
    (tmp_path / "out.parquet").write_bytes(stored)
    out = read(tmp_path / "out.parquet")
    assert out["customerID"].tolist() == read(source)["customerID"].tolist()
    assert out["half"].tolist() == [place / 2 for place in range(COUNT)]
    told = {"source": sha256_of(source), "version": "1", "rows": ROWS}
    assert _made_by(tmp_path / "out.parquet") == told


def test_the_values_come_as_they_were_and_few_texts_as_categories(whole, tmp_path):
    source, _ = whole
    seen = []

    def look(rows):
        seen.append(rows)
        return rows[["customerID"]]

    score_file(source, tmp_path / "out.parquet", look, "1", rows=ROWS)
    got = pd.concat([one.astype({one.columns[1]: "str"}) for one in seen], ignore_index=True)
    pd.testing.assert_frame_equal(got, read(source), check_dtype=False)
    assert [str(one.dtypes.iloc[1]) for one in seen] == ["category"] * 7
    assert [len(one) for one in seen] == [150] * 6 + [100]


def test_a_customer_may_have_several_rows_as_in_a_campaign(whole, tmp_path):
    out = read(score_file(whole[0], tmp_path / "out.parquet", lists, "1", rows=ROWS))
    assert out.groupby("customerID")["rank"].agg(list).map(tuple).unique().tolist() == [(1, 2)]


def test_after_a_failure_only_what_is_left_is_scored_and_the_old_output_stays(whole, tmp_path):
    source, stored = whole
    into = tmp_path / "out.parquet"
    into.write_text("last night's")
    with pytest.raises(ValueError, match=r"rows 451 to 600 of customers.parquet .*the model broke"):
        score_file(source, into, partial(halves, bad="00500"), "1", rows=ROWS)
    assert into.read_text() == "last night's"
    asked = []
    score_file(source, into, lambda rows: asked.append(rows) or halves(rows), "1", rows=ROWS)
    assert [len(rows) for rows in asked] == [150, 150, 150, 100]
    assert into.read_bytes() == stored
    assert sorted(one.name for one in tmp_path.iterdir()) == [".out.parquet.lock", "out.parquet"]


def test_a_second_start_does_nothing_and_another_version_everything(whole, tmp_path):
    source, stored = whole
    into = tmp_path / "out.parquet"
    score_file(source, into, halves, "1", rows=ROWS)
    score_file(source, into, partial(halves, bad="00000"), "1", rows=ROWS)  # would break
    assert into.read_bytes() == stored
    with pytest.raises(ValueError, match="the model broke"):
        score_file(source, into, partial(halves, bad="00500"), "2", rows=ROWS)
    asked = []
    score_file(source, into, lambda rows: asked.append(rows) or halves(rows), "3", rows=ROWS)
    assert len(asked) == 7  # no part of version 2 is taken over
    assert _made_by(into)["version"] == "3"


def test_two_jobs_do_not_write_the_same_file(whole, tmp_path):
    def again(rows):
        score_file(whole[0], tmp_path / "out.parquet", halves, "1", rows=ROWS)

    with pytest.raises(ValueError, match="Another job is writing out.parquet"):
        score_file(whole[0], tmp_path / "out.parquet", again, "1", rows=ROWS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table[:0], "has no row"),
        (lambda table: table.assign(customerID=None), "1,000 row.s. without customerID"),
        (lambda table: pd.concat([table, table[:3]]), "3 row.s. whose customerID is there before"),
        (lambda table: table.drop(columns="customerID"), "customerID"),
    ],
)
def test_a_source_in_which_a_customer_is_missing_or_twice_is_refused(whole, tmp_path, change, said):
    source = tmp_path / "wrong.parquet"
    duckdb.from_df(change(read(whole[0]))).write_parquet(str(source))
    with pytest.raises(ValueError, match=said):
        score_file(source, tmp_path / "out.parquet", halves, "1")
    source.write_text("customerID,tenure")
    with pytest.raises(ValueError, match="cannot be read as Parquet"):
        score_file(source, tmp_path / "out.parquet", halves, "1")
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    "score", [lambda rows: halves(rows)[1:], lambda rows: halves(rows).replace("00007", "x")]
)
def test_a_customer_without_an_answer_is_no_answer(whole, tmp_path, score):
    with pytest.raises(ValueError, match="rows 1 to 150 of customers.parquet: score answered"):
        score_file(whole[0], tmp_path / "out.parquet", score, "1", rows=ROWS)


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(whole, tmp_path):
    source, stored = whole
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        into = score_file(source, tmp_path / "out.parquet", halves, "1", rows=ROWS, spread=pool.map)
    assert into.read_bytes() == stored


@pytest.mark.slow
def test_a_dask_cluster_of_two_workers_writes_the_same_bytes(whole, tmp_path):
    distributed = pytest.importorskip(
        "distributed", reason="Dask is not here; it comes with: python3 run.py setup --authors"
    )
    source, stored = whole
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=tmp_path / "dask",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert len(client.scheduler_info()["workers"]) == 2
        out = score_file(
            source, tmp_path / "out.parquet", halves, "1", rows=ROWS,
            spread=lambda one, many: client.gather(client.map(one, many)),
        )  # fmt: skip
    assert out.read_bytes() == stored


JOB = """
import sys, time
from helpers.deployment.batch import score_file

def halves(rows):
    time.sleep(0.05)
    return rows[["customerID"]].assign(half=rows["customerID"].astype(int) / 2)

print("begun", flush=True)
score_file(sys.argv[1], sys.argv[2], halves, "1", rows=150)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL")
@pytest.mark.parametrize("seed", first_always(range(3)))
def test_killed_at_random_moments_it_goes_on_and_writes_the_same_bytes(whole, tmp_path, seed):
    source, stored = whole
    into, drawn = tmp_path / "out.parquet", random.Random(seed)
    into.write_text("last night's")
    command = [sys.executable, "-c", JOB, str(source), str(into)]
    for _ in range(1 + (seed > 0)):
        job = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert job.stdout.readline() == b"begun\n"
        time.sleep(drawn.uniform(0.05, 0.35))
        job.send_signal(signal.SIGKILL)
        job.communicate()
        assert into.read_bytes() in (b"last night's", stored)
    subprocess.run(command, check=True, capture_output=True)
    assert into.read_bytes() == stored
    assert not list(tmp_path.glob(".*-parts"))


@pytest.mark.parametrize("name", first_always(["logistic regression", "random forest"]))
def test_a_model_of_stage_4_says_the_same_of_parts_as_of_the_whole_table(tmp_path, name):
    snapshots = Operator(subscribers=300, seed=2).history()["snapshots"]
    known = snapshots.drop(columns=["churned", "known_at", "scored_on"])
    tonight = known[-300:].reset_index(drop=True)
    source = tmp_path / "tonight.parquet"
    duckdb.from_df(tonight).write_parquet(str(source))
    model = candidates(known.assign(Churn=snapshots["churned"]))[name]
    model.fit(known, snapshots["churned"])
    score = partial(score_table, model=model, threshold=0.2)
    out = read(score_file(source, tmp_path / "out.parquet", score, name, rows=70))
    assert np.abs(out["churn_probability"] - model.predict_proba(tonight)[:, 1]).max() < 1e-12
    assert out["risky"].tolist() == (out["churn_probability"] >= 0.2).tolist()


def test_of_a_model_that_gives_no_number_no_list_is_made():
    class Broken:
        classes_ = (False, True)

        def predict_proba(self, table):
            return np.full((len(table), 2), np.nan)

    with pytest.raises(ValueError, match="churn_probability"):
        score_table(pd.DataFrame({"customerID": ["a"]}), Broken(), 0.5)


SCORED = pd.DataFrame({"customerID": list("abcdef"), "risky": [True] * 5 + [False]})


def test_the_first_reason_counts_and_nobody_is_lost():
    held = {"left": ["b", "f", "zoe"], "said no": ["b", "c"], "control group": ["c", "d"]}
    listed = contact_list(SCORED, held)
    want = ["contact", "left", "said no", "control group", "contact", "not wanted"]
    assert listed["outcome"].tolist() == want
    assert listed["customerID"].tolist() == list("abcdef")
    assert contact_list(SCORED, {})["outcome"].eq("contact").sum() == 5
    assert contact_list(SCORED, {"left": []})["outcome"].eq("contact").sum() == 5


@pytest.mark.parametrize(
    ("scored", "said"),
    [
        (SCORED.assign(customerID="a"), "customerID"),
        (SCORED.assign(customerID=[None, *"bcdef"]), "customerID"),
        (SCORED.assign(risky=0.7), "risky"),
        (SCORED.drop(columns="risky"), "risky"),
    ],
)
def test_a_list_of_customers_who_are_missing_or_twice_is_refused(scored, said):
    with pytest.raises(ValueError, match=said):
        contact_list(scored, {})


@pytest.mark.slow
def test_the_nightly_command_writes_the_same_list_each_time(lifecycle, tmp_path):
    words = ("score", "--customers", "4000", "--folder")
    told = lifecycle(*words, tmp_path / "whole")
    assert told.returncode == 0
    assert (
        sum(int(line.split()[0].replace(",", "")) for line in told.stdout.splitlines()[:-1])
        == 4_000
    )
    (tmp_path / "cut").mkdir()
    shutil.copy(tmp_path / "whole" / "customers-4000.parquet", tmp_path / "cut")
    (tmp_path / "cut" / "calls.parquet").write_text("last night's")
    assert lifecycle(*words, tmp_path / "cut").stdout == told.stdout.replace("whole", "cut")
    for name in ("scores.parquet", "calls.parquet"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    called = read(tmp_path / "whole" / "calls.parquet")
    assert called["risky"].all()
    assert called["customerID"].is_unique
