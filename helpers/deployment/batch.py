"""Stage 5: the nightly job: a file of customers in, a file of answers out, and whom to contact."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from helpers.checks import (
    kinds_of,
    require_columns,
    require_filled,
    require_flags,
    require_rows,
    require_share,
    require_unique,
)
from helpers.files import sha256_of, write_whole

_CHAINS = ("steps", "transformer_list")  # of a pipeline, of a union
_WRAPPED = ("best_estimator_", "estimator_", "model_")  # what a search, a threshold, a sampler fits
# The label of who stays -> the label of who leaves. Other pairs are refused, not guessed.
LEAVES = {"0": "1", "0.0": "1.0", "false": "true", "no": "yes", "stayed": "churned"}

_JOB = "job.json"
_FEW = 1_000  # of so many different texts a column is read as categories: each text is made once


def score_file(
    source: str | Path,
    into: str | Path,
    score: Callable[[pd.DataFrame], pd.DataFrame],
    version: str,
    by: str = "customerID",
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
    by : the column that names the customer.
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
    levels, count = _look_at(source, by)
    told = {"source": sha256_of(source), "version": version, "by": by, "rows": rows}
    job = json.dumps(told, sort_keys=True)
    parts = into.with_name(f".{into.name}-parts")
    parts.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(into.with_name(f".{into.name}.lock"), timeout=0):
            if made_by(into) == told:
                return into
            if not (parts / _JOB).is_file() or (parts / _JOB).read_text() != job:
                shutil.rmtree(parts)
                write_whole(parts / _JOB, job)
            starts = range(0, count, rows)
            names = {first: parts / f"{first:012d}.parquet" for first in starts}
            left = [(first, name) for first, name in names.items() if not name.is_file()]
            one = partial(_score_part, source=source, levels=levels, score=score, by=by, rows=rows)
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


def made_by(path: Path) -> dict:
    """Return what made a file that `score_file` wrote: `source` (SHA-256), `version`, `by`, `rows`.

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


def _look_at(source, by):
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
        require_columns(pd.DataFrame(columns=list(kinds)), source.name, [by])
        texts = [name for name, kind in kinds.items() if kind == "VARCHAR" and name != by]
        asked = ["count(*)", *(f"count({many}{_quoted(by)})" for many in ("", "DISTINCT "))]
        asked += [f"approx_count_distinct({_quoted(name)})" for name in texts]
        ((count, filled, different, *many),) = ask(", ".join(asked))
        if not count or filled < count or different < count:
            wrong = "no row" if not count else f"{count - filled:,} row(s) without {by}" if filled < count else f"{count - different:,} row(s) whose {by} is there before"  # fmt: skip
            raise ValueError(
                f"{source.name} has {wrong}; one row a customer is needed, or somebody would be "
                "contacted twice or never. Mend the table, then start again."
            )
        few = [name for name, known in zip(texts, many, strict=True) if known <= _FEW]
        levels = {name: [one for (one,) in ask(f"DISTINCT {_quoted(name)}")] for name in few}
    return {
        name: sorted(set(found) - {None}) for name, found in levels.items() if any(found)
    }, count


def _score_part(job, source, levels, score, by, rows):
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
            require_columns(scored, "what score returned", [by])
        except Exception as error:
            raise ValueError(
                f"{where} could not be scored: {error} What was scored before is kept: mend it, and "
                "start the job again."
            ) from error
        same = scored[by].equals(given[by])  # a glance; sets take as long as the reading
        if not same and (odd := set(given[by]) ^ set(scored[by])):
            raise ValueError(
                f"{where}: score answered for {scored[by].nunique():,} of {len(given):,} customers, "
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


def score_table(
    table: pd.DataFrame, model: Pipeline, threshold: float, by: str = "customerID"
) -> pd.DataFrame:
    """Return each customer's churn probability and whether it is high enough to call, in order of the rows.

    Parameters
    ----------
    table : raw rows, one a customer.
    model : a fitted classifier that takes the raw table.
    threshold : risky from this probability on, 0.0 to 1.0.

    Returns
    -------
    `by`, `churn_probability`, `risky` (flag).

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
    probability = np.asarray(model.predict_proba(table), dtype=float)[:, place_of_leaving(model)]
    scored = pd.DataFrame({
        by: table[by].reset_index(drop=True), "churn_probability": probability, "risky": probability >= threshold,
    })  # fmt: skip
    require_filled(scored, "the scored table", "churn_probability")
    return scored


def contact_list(
    scored: pd.DataFrame,
    held_back: Mapping[str, Iterable],
    wanted: str = "risky",
    by: str = "customerID",
) -> pd.DataFrame:
    """Return who is contacted and why all others are not: one outcome a customer, nobody is lost.

    Parameters
    ----------
    scored : one row a customer: `by`, and the flag `wanted`.
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
    require_columns(scored, "scored", [by, wanted])
    require_filled(scored, "scored", by)
    require_unique(scored, "scored", by)
    require_flags(scored[wanted], wanted)
    outcome = pd.Series("not wanted", index=scored.index, dtype="str")
    outcome[scored[wanted].astype(bool)] = "contact"
    for reason, customers in held_back.items():
        ids = pd.Series(list(customers), dtype=scored[by].dtype)
        outcome[(outcome == "contact") & scored[by].isin(ids)] = reason
    return scored.assign(outcome=outcome)


def score_batch(model: Pipeline, customers: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Return each customer's churn probability and whether to call, the likeliest first.

    Parameters
    ----------
    model : a fitted pipeline that takes the customer table. It was trained on flags, 0 and 1, "No"
        and "Yes" or "Stayed" and "Churned", in any order.
    customers : one row per `customerID`.
    threshold : call from this probability on, 0.0 to 1.0.

    Returns
    -------
    As many rows as `customers`: `customerID`, `churn_probability` (four digits), `call` (flag, as
    the probability with all its digits decides); those to call first, then by falling
    probability, then by id. A warning names a column in which some values were never seen in
    training.

    Raises
    ------
    ValueError
        If an id is missing or repeats, there is no row, `threshold` is no share, the model's labels
        do not tell who leaves, it lacks a column, knows no value of one, or cannot score a customer.

    Examples
    --------
    >>> from helpers.training.churn import logistic
    >>> known = pd.DataFrame({"customerID": list("abcd"), "tenure": [1, 2, 60, 70]})
    >>> model = logistic(amounts=["tenure"], levels=[]).fit(known, [1, 1, 0, 0])
    >>> score_batch(model, known, threshold=0.5)["call"].tolist()
    [True, True, False, False]
    """
    require_share(threshold, "threshold")
    require_rows(customers, "customers")
    require_filled(customers, "customers", "customerID")
    require_unique(customers, "customers", "customerID")
    if len(kinds_of(customers["customerID"])) > 1:
        raise ValueError(
            "customerID holds texts and other values, so one customer could stand there twice, as 1 "
            "and as '1'. Bring all to one type first."
        )
    leaves = place_of_leaving(model)
    amounts = _check_inputs(model, customers)
    try:
        probability = np.asarray(model.predict_proba(customers), dtype=float)[:, leaves]
    except Exception as error:
        raise ValueError(_why_not(error, customers, amounts)) from error
    scored = pd.DataFrame(
        {
            "customerID": customers["customerID"].to_numpy(),
            "churn_probability": probability.round(4),
            "call": probability >= threshold,
        }
    )
    require_filled(scored, "the scored batch", "churn_probability")
    order = ["call", "churn_probability", "customerID"]
    return scored.sort_values(order, ascending=[False, False, True]).reset_index(drop=True)


def place_of_leaving(model: BaseEstimator) -> int:
    """Return the column of `predict_proba` that holds the probability to leave.

    Raises
    ------
    ValueError
        If the model gives no probabilities, or its labels do not tell who leaves.
    """
    labels = list(getattr(model, "classes_", []))
    if not labels or not hasattr(model, "predict_proba"):
        raise ValueError(
            f"the model is a fitted classifier that gives probabilities; got {type(model).__name__}. "
            "Call fit first, or take a classifier with predict_proba."
        )
    names = [str(label).strip().casefold() for label in labels]
    if len(names) == 2:
        for place, name in enumerate(names):
            if LEAVES.get(names[1 - place]) == name:
                return place
    shown = ", ".join(repr(_plain(label)) for label in labels)
    wrong = "who leaves is not known" if len(labels) > 1 else "it has seen one outcome only"
    raise ValueError(
        f"the model was trained on the label(s) {shown}: {wrong}. Train it on customers of both kinds, "
        'with True for who leaves: customers["Churn"] == "Yes".'
    )


def _parts(model) -> Iterator[BaseEstimator]:
    """Yield the parts of a model that read columns of the table by their names."""
    for part in list(_split(model)) or [model]:
        if hasattr(part, "feature_names_in_"):
            yield part


def _split(model) -> Iterator[BaseEstimator]:
    """Yield what a model does to some columns each, however deep it is wrapped."""
    first = getattr(model, "steps", [("", None)])[0][1]
    if getattr(first, "checks_input", False):  # the steps behind it never see the raw columns
        yield first
        return
    yield from (part for _, part, _ in getattr(model, "transformers_", []))
    inner = [step for name in _CHAINS for _, step in getattr(model, name, [])]
    inner += [getattr(model, name) for name in _WRAPPED if hasattr(model, name)]
    inner += [one.estimator for one in getattr(model, "calibrated_classifiers_", [])]
    for one in [*inner, *getattr(model, "estimators_", [])]:
        yield from _split(one)


def _check_inputs(model, customers):
    """Stop or warn where the table is not as in training; return the columns of amounts."""
    if customers.columns.has_duplicates:
        twice = customers.columns[customers.columns.duplicated()][0]
        raise ValueError(
            f"customers has two columns {twice!r}, so which one is meant is unknown. Rename or drop one."
        )
    amounts = []
    for part in _parts(model):
        columns = list(part.feature_names_in_)
        require_columns(customers, "customers", columns)
        if getattr(part, "checks_input", False):  # it tells itself what it does not know
            continue
        encoder = getattr(part, "steps", [("", part)])[-1][1]
        known = getattr(encoder, "categories_", None)
        if known is None:
            amounts += columns
            continue
        fills_gaps = encoder is not part
        for column, levels in zip(columns, known, strict=True):
            strange = ~customers[column].isin(levels.tolist())
            if fills_gaps and customers[column].notna().any():
                strange &= customers[column].notna()
            if strange.any():
                stop = strange.all() or getattr(encoder, "handle_unknown", "") == "error"
                _tell_strange(column, customers[strange], len(customers), levels, stop)
    return amounts


def _tell_strange(column, strange, rows, levels, stop):
    """Refuse values that training has not seen, or warn of them where the others are known."""
    said = (
        f"{column} of {len(strange):,} of {rows:,} customer(s) holds a value never seen in training, "
        f"the first being {_value(strange[column])} of {_value(strange['customerID'])}; known are "
        f"{', '.join(map(repr, levels.tolist()[:5]))}. "
    )
    if stop:
        raise ValueError(
            f"{said}The model cannot use the column. Bring it to the type and the words of training, or "
            "train again."
        )
    warnings.warn(f"{said}The model takes it for none of these.", stacklevel=4)


def _why_not(error, customers, amounts):
    """Return why the model could not score: the first column of amounts with no number, if any."""
    for column in amounts:
        numbers = pd.to_numeric(customers[column], errors="coerce").astype(float)
        wrong = customers[~np.isfinite(numbers)]
        if len(wrong):
            return (
                f"{column} of {len(wrong):,} of {len(customers):,} customer(s) holds no number, the "
                f"first being {_value(wrong[column])} of {_value(wrong['customerID'])}; the model "
                "cannot score them. Fill it in as for training, or leave them out and say so."
            )
    said = str(error).strip().partition("\n")[0].rstrip(".")
    return (
        f"the model cannot score these customers: {said}. Prepare the table as it was prepared for "
        "training."
    )


def _value(column):
    """Return the first value of a column as a message shows it."""
    return "a gap" if pd.isna(column.iloc[0]) else repr(_plain(column.iloc[0]))


def _plain(value):
    """Return a NumPy value as plain Python writes it."""
    return value.tolist() if hasattr(value, "tolist") else value


def write_batch(scored: pd.DataFrame, path: str | Path) -> Path:
    """Write a scored batch as CSV, whole or not at all; a repeated run replaces the file.

    Examples
    --------
    >>> import tempfile
    >>> batch = pd.DataFrame({"customerID": ["a"], "churn_probability": [0.5], "call": [True]})
    >>> write_batch(batch, Path(tempfile.mkdtemp()) / "calls.csv").read_text().splitlines()[1]
    'a,0.5,True'
    """
    return write_whole(path, scored.to_csv(index=False, lineterminator="\n"))
