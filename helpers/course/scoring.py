"""The nightly job of `lifecycle score`: many customers, a model of a small world, tomorrow's list."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import duckdb
import pandas as pd

from helpers.course.serving import load, registered
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


def score(
    folder: Path, customers: int, source: Path | None, model: str, versions: Path
) -> pd.Series:
    """Score many customers and write who is called; a killed job goes on with the same call.

    Parameters
    ----------
    folder : for `scores.parquet` and `calls.parquet`, and for `customers-N.parquet` where it is made.
    customers : how many, in copies of those of a small world, where no `source` is given.
    source : Parquet of customers as the model knows them, one row a `customerID`.
    model, versions : as `helpers.course.serving.registered` takes them; "" takes that of a small world.

    Returns
    -------
    How many customers have which outcome: called, control group (a tenth, by a hash), not wanted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = source or folder / f"customers-{customers}.parquet"
    if not source.is_file():
        new = source.with_suffix(".new")
        write_customers(new, customers)
        new.replace(source)
    found = registered(model, versions) if model else load("score", "1")
    version = found.card["model_sha256"] if model else found.version
    one = partial(score_table, model=found.model, threshold=found.threshold)
    scored = score_file(source, folder / "scores.parquet", one, f"{version} from {found.threshold}")
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
