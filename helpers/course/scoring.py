"""The nightly job of `lifecycle score`: many customers, a model of a small world, tomorrow's list."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import duckdb
import pandas as pd

from helpers.course.serving import load
from helpers.deployment.batch import contact_list, score_file, score_table
from helpers.deployment.experiment import assign
from helpers.worlds import Operator

_SHARES = {"control group": 0.1, "call": 0.9}


def write_customers(path: Path, count: int) -> None:
    """Write raw rows of a small world as Parquet, so often that there are `count`, each with an id of its own."""
    snapshots = Operator(subscribers=1_000, seed=1).history()["snapshots"]
    rows = snapshots.drop(columns=["churned", "known_at", "scored_on"])
    with duckdb.connect() as connection:
        connection.register("known", rows.assign(place=range(len(rows))))
        copies = "SELECT * EXCLUDE (place, i) REPLACE (printf('%09d', i) AS customerID) FROM range(?) AS all_of(i) JOIN known ON place = i % ? ORDER BY i"  # fmt: skip
        connection.execute(f"CREATE TABLE customers AS {copies}", [count, len(rows)])
        connection.table("customers").write_parquet(str(path))


def score(folder: Path, customers: int) -> pd.Series:
    """Score many customers and write who is called; a killed job goes on with the same call.

    Parameters
    ----------
    folder : for `customers-N.parquet`, `scores.parquet` and `calls.parquet`.
    customers : how many, in copies of those of a small world.

    Returns
    -------
    How many customers have which outcome: called, control group (a tenth, by a hash), not wanted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"customers-{customers}.parquet"
    if not source.is_file():
        new = source.with_suffix(".new")
        write_customers(new, customers)
        new.replace(source)
    model = load("score", "1")
    one = partial(score_table, model=model.model, threshold=model.threshold)
    scored = score_file(source, folder / "scores.parquet", one, version=model.version)
    with duckdb.connect() as connection:
        scores = connection.from_parquet(str(scored)).df()
        group = assign(scores["customerID"], _SHARES, salt="calls")
        control = scores.loc[group == "control group", "customerID"]
        listed = contact_list(scores, {"control group": control})
        calls = listed[listed["outcome"] == "contact"]
        new = folder / "calls.new"
        connection.from_df(calls).write_parquet(str(new))
    new.replace(folder / "calls.parquet")
    return listed["outcome"].value_counts()
