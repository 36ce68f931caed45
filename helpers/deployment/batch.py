"""Stage 5: the nightly job: a file of customers in, a file of answers out, and whom to contact."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd
from sklearn.pipeline import Pipeline

from helpers.checks import (
    require_columns,
    require_filled,
    require_flags,
    require_share,
    require_unique,
)
from helpers.deployment.package import chance_to_leave
from helpers.files import sha256_of, write_whole

_JOB = "job.json"
_FEW = 1_000  # of so many different texts a column is read as categories: each text is made once


def score_file(
    source: str | Path,
    into: str | Path,
    score: Callable[[pd.DataFrame], pd.DataFrame],
    version: str,
    rows: int = 100_000,
    spread: Callable[[Callable, Iterable], Iterable] = map,
) -> Path:
    """Score a Parquet file in parts, into another one: whole or not at all, and the same bytes each time.

    A job that is killed leaves the parts that it had finished and the old output, untouched. The same
    call goes on from there. Once the output is of this source and this version, it does nothing.

    Parameters
    ----------
    source : Parquet, one row a customer.
    into : the file to write, Parquet as well; its parts wait in a hidden folder beside it.
    score : takes some rows of the source, and returns one or more rows for each customer of them. It
        has to answer alike whatever the other rows are. A text column of at most 1,000 different
        values comes as categories, which saves half of the reading.
    version : of the model, threshold included: what an earlier version has scored is not taken over.
    rows : of a part; so many are in memory at once.
    spread : runs a function on each of several inputs, as `map` does. Of processes: an executor's
        `map`; of a Dask cluster: ``lambda one, many: client.gather(client.map(one, many))``. `score`
        has to travel to them, so it is a function of a module, or a `functools.partial` of one.

    Raises
    ------
    ValueError
        If the file cannot be read or has no row, a customer is missing or there twice, `score` fails or
        does not answer for each customer; the message names the rows. What was finished is kept.
    RuntimeError
        If another job is writing the same file.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> import duckdb
    >>> known = pd.DataFrame({"customerID": ["a", "b", "c"], "tenure": [1, 2, 60]})
    >>> duckdb.from_df(known).write_parquet(str(folder / "customers.parquet"))
    >>> young = lambda rows: rows[["customerID"]].assign(young=rows["tenure"] < 12)
    >>> made = score_file(folder / "customers.parquet", folder / "young.parquet", young, "1", rows=2)
    >>> duckdb.sql(f"FROM '{made}'").fetchall()
    [('a', True), ('b', True), ('c', False)]
    """
    from filelock import FileLock, Timeout

    source, into = Path(source).absolute(), Path(into).absolute()
    levels, count = _look_at(source)
    told = {"source": sha256_of(source), "version": version, "rows": rows}
    job = json.dumps(told, sort_keys=True)
    parts = into.with_name(f".{into.name}-parts")
    parts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(into.with_name(f".{into.name}.lock"), timeout=0):
            if _made_by(into) == told:
                return into
            if not (parts / _JOB).is_file() or (parts / _JOB).read_text() != job:
                shutil.rmtree(parts)
                write_whole(parts / _JOB, job)
            starts = range(0, count, rows)
            names = {first: parts / f"{first:012d}.parquet" for first in starts}
            left = [(first, name) for first, name in names.items() if not name.is_file()]
            one = partial(_score_part, source=source, levels=levels, score=score, rows=rows)
            for _ in spread(one, left):
                pass
            with _duckdb() as connection:
                query = "SELECT * FROM read_parquet(?)"
                _copy(connection, query, [list(map(str, names.values()))], into, parts, job)
            shutil.rmtree(parts)
    except Timeout:
        raise RuntimeError(
            f"Another job is writing {into.name}. Wait for it; a second one would only do its work again."
        ) from None
    return into


def _made_by(path: Path) -> dict:
    """Return what made a file that `score_file` wrote: `source` (SHA-256), `version`, `rows`.

    It is empty where the file is not there, or is not of `score_file`.
    """
    import duckdb

    query = "SELECT decode(value) FROM parquet_kv_metadata(?) WHERE decode(key) = 'job'"
    try:
        with _duckdb() as connection:
            found = connection.execute(query, [str(path)]).fetchall()
    except duckdb.Error:
        return {}
    return json.loads(found[0][0]) if found else {}


def _duckdb():
    """Return a connection on one thread, so that the same rows make the same file; it fetches nothing."""
    import duckdb

    return duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": False})


def _look_at(source):
    """Return the levels of columns of few texts, and how many rows there are; stop at wrong customers."""
    import duckdb

    with _duckdb() as connection:
        try:
            connection.execute(f"CREATE VIEW customers AS FROM read_parquet('{_text(source)}')")
        except duckdb.Error as error:
            raise ValueError(
                f"{source.name} cannot be read as Parquet: {str(error).partition(chr(10))[0]}. Write the "
                "customers there first."
            ) from error

        def ask(columns):
            return connection.execute(f"SELECT {columns} FROM customers").fetchall()

        kinds = {
            name: kind for name, kind, *_ in connection.execute("DESCRIBE customers").fetchall()
        }
        require_columns(pd.DataFrame(columns=list(kinds)), source.name, ["customerID"])
        texts = [name for name, kind in kinds.items() if kind == "VARCHAR" and name != "customerID"]
        asked = ["count(*)", *(f'count({many}"customerID")' for many in ("", "DISTINCT "))]
        asked += [f"approx_count_distinct({_quoted(name)})" for name in texts]
        ((count, filled, different, *many),) = ask(", ".join(asked))
        if not count or filled < count or different < count:
            wrong = "no row" if not count else f"{count - filled:,} row(s) without customerID" if filled < count else f"{count - different:,} row(s) whose customerID is there before"  # fmt: skip
            raise ValueError(
                f"{source.name} has {wrong}; one row a customer is needed, or somebody would be "
                "contacted twice or never. Mend the table, then start again."
            )
        few = [name for name, known in zip(texts, many, strict=True) if known <= _FEW]
        levels = {name: [one for (one,) in ask(f"DISTINCT {_quoted(name)}")] for name in few}
    return {
        name: sorted(set(found) - {None}) for name, found in levels.items() if any(found)
    }, count


def _score_part(job, source, levels, score, rows):
    """Score the rows from `first` on, unless that was done, and write them as `path`."""
    first, path = job
    with _duckdb() as connection:
        for place, found in enumerate(levels.values()):
            words = ", ".join("'" + one.replace("'", "''") + "'" for one in found)
            connection.execute(f"CREATE TYPE level_{place} AS ENUM ({words})")
        cast = [f"{_quoted(name)}::level_{place} AS {_quoted(name)}" for place, name in enumerate(levels)]  # fmt: skip
        replaced = f"REPLACE ({', '.join(cast)})" if cast else ""
        given = connection.execute(
            f"SELECT * EXCLUDE (file_row_number) {replaced} FROM read_parquet(?, file_row_number = true) "
            "WHERE file_row_number >= ? AND file_row_number < ?",
            [str(source), first, first + rows],
        ).df()
        where = f"rows {first + 1:,} to {first + len(given):,} of {source.name}"
        try:
            scored = score(given)
            require_columns(scored, "what score returned", ["customerID"])
        except Exception as error:
            raise ValueError(
                f"{where} could not be scored: {error} What was scored before is kept: mend it, and "
                "start the job again."
            ) from error
        ids = scored["customerID"]
        same = ids.equals(given["customerID"])  # a glance; sets take as long as the reading
        if not same and (odd := set(given["customerID"]) ^ set(ids)):
            raise ValueError(
                f"{where}: score answered for {len(set(ids)):,} of {len(given):,} customers, "
                f"the first odd one being {min(odd, key=str)!r}. It has to answer for each, and for no other."
            )
        connection.register("scored", scored)
        _copy(connection, "SELECT * FROM scored", [], path, path.parent)


def _copy(connection, query, values, path, beside, job=""):
    """Write what a query finds as Parquet, under a temporary name first, then moved into place."""
    temporary = beside / f"new-{os.getpid()}-{path.name}"
    noted = f", KV_METADATA {{job: '{job}'}}" if job else ""
    connection.execute(f"COPY ({query}) TO '{_text(temporary)}' (FORMAT parquet{noted})", values)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def _text(path):
    return str(path).replace("'", "''")


def score_table(table: pd.DataFrame, model: Pipeline, threshold: float) -> pd.DataFrame:
    """Return each customer's churn probability and whether it is high enough to call, in order of the rows.

    Parameters
    ----------
    table : raw rows, one a customer.
    model : a fitted classifier that takes the raw table.
    threshold : risky from this probability on, 0.0 to 1.0.

    Returns
    -------
    `customerID`, `churn_probability`, `risky` (flag).

    Raises
    ------
    ValueError
        If the model does not tell who leaves, or gives a customer no probability.

    Examples
    --------
    >>> from helpers.training.churn import logistic
    >>> known = pd.DataFrame({"customerID": list("abcd"), "tenure": [1, 2, 60, 70]})
    >>> model = logistic(amounts=["tenure"], levels=[]).fit(known, [1, 1, 0, 0])
    >>> score_table(known, model, threshold=0.5)["risky"].tolist()
    [True, True, False, False]
    """
    require_share(threshold, "threshold")
    probability = chance_to_leave(model, table)
    scored = pd.DataFrame({
        "customerID": table["customerID"].reset_index(drop=True), "churn_probability": probability, "risky": probability >= threshold,
    })  # fmt: skip
    require_filled(scored, "the scored table", "churn_probability")
    return scored


def contact_list(
    scored: pd.DataFrame,
    held_back: Mapping[str, Iterable],
) -> pd.DataFrame:
    """Return who is contacted and why all others are not: one outcome a customer, nobody is lost.

    Parameters
    ----------
    scored : one row a customer: `customerID`, and the flag `risky`.
    held_back : reason -> customers who must not be contacted. Who falls under several has the first.
        So what the law forbids comes first, and a control group last: then it is drawn of those who
        would really have been contacted.

    Returns
    -------
    `scored` with `outcome`: "contact", a reason, or "not wanted"; in the order of the rows.

    Raises
    ------
    ValueError
        If a customer is missing or there twice, or the flag is none.

    Examples
    --------
    >>> scored = pd.DataFrame({"customerID": list("abcd"), "risky": [True, True, True, False]})
    >>> contact_list(scored, {"said no": ["b", "d"], "control group": ["b", "c"]})["outcome"].tolist()
    ['contact', 'said no', 'control group', 'not wanted']
    """
    require_columns(scored, "scored", ["customerID", "risky"])
    require_filled(scored, "scored", "customerID")
    require_unique(scored, "scored", "customerID")
    require_flags(scored["risky"], "risky")
    outcome = pd.Series("not wanted", index=scored.index, dtype="str")
    outcome[scored["risky"].astype(bool)] = "contact"
    for reason, customers in held_back.items():
        ids = pd.Series(list(customers), dtype=scored["customerID"].dtype)
        outcome[(outcome == "contact") & scored["customerID"].isin(ids)] = reason
    return scored.assign(outcome=outcome)
