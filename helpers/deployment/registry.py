"""Stage 5: versions of a model on MLflow: all of it pinned, gates before customers, one call back.

A version is three files: the model without pickle (`package`), golden rows by which it is known, and
a card that names the hash of both.
"""

from __future__ import annotations

import json
import platform
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version as version_of
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from helpers.checks import require_columns, require_flags, require_rows, require_share
from helpers.deployment import edge
from helpers.deployment.answers import (
    MOST_WORDS,
    Scoring,
    as_trained,
    kind_of,
    schema_of,
    types_of,
)
from helpers.deployment.package import LIBRARIES, chance_to_leave, columns_read, pack, unpack
from helpers.files import TRUSTED, sha256_of
from helpers.training.compare import LOSSES, fairness_gaps, paired_bootstrap
from helpers.training.evaluate import METRICS
from helpers.training.track import NEEDED, code_version, data_hash, log_run, opened

ALIASES = ("staging", "challenger", "champion")
GATES = ("schema", "golden rows", "parity", "latency", "fairness", "better")
CARD_FILE, FOLDER = "card.json", "version"
FILES = {"model.skops": "model_sha256", "known.json": "known_sha256", "model.onnx": "onnx_sha256"}
SAME = 1e-9  # as far may a probability lie from the one before
_KNOWN_ROWS, _TIMED_ROWS, _CHAMPIONS = 100, 50, 50
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}").fullmatch


class Loaded(NamedTuple):
    """A version read back: the model, from which probability on it says yes, and what is known of it."""

    name: str
    version: str
    model: Pipeline
    threshold: float
    known: pd.DataFrame  # golden rows, raw as they came
    answers: np.ndarray  # the probabilities that the model gave them when it was registered
    card: dict
    onnx: bytes  # the same for devices; empty where none was registered

    def breaks(self, rows: pd.DataFrame) -> list[str]:
        """Return how raw rows break the schema of the version, one sentence a column; none if they fit.

        A column may hold gaps only if it did in training; columns that the model does not read are
        passed over.
        """
        found = []
        for column, (kind, gaps) in self.card["schema"].items():
            if column not in rows:
                found.append(f"{column} is missing")
                continue
            values = rows[column]
            empty = int(values.isna().sum())
            if empty and not gaps:
                found.append(f"{column} has {empty:,} gap(s), in training it had none")
            if (here := kind_of(values)) != kind and empty < len(values):
                found.append(f"{column} holds {here}, in training {kind}")
        return found

    def score(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the probability to leave for each raw row; `ValueError` if they break the schema."""
        if found := self.breaks(rows):
            raise ValueError(
                f"The rows are not as {self.name} version {self.version} knows them: {'; '.join(found)}. "
                "Send the raw table, as it was in training."
            )
        return chance_to_leave(self.model, as_trained(rows, types_of(self.known)))


def register(
    model: Pipeline,
    name: str,
    data: pd.DataFrame,
    threshold: float,
    metrics: Mapping[str, float],
    about: Mapping[str, object],
    onnx: bytes = b"",
) -> str:
    """Pin a model with all that its decisions depend on; change any of it and it is another version.

    Pinned are the model with its fitted preparation (skops, never pickle), the schema of the raw table,
    golden rows with the model's answers, threshold, metrics, the hash of the data, the version of the
    code, of Python and the libraries, and what the card says.

    Parameters
    ----------
    model : a fitted pipeline that takes the raw table.
    name : such as "churn": small letters, digits, "-" and "_".
    data : the raw rows it was fitted on. Kept are their hash, and 100 rows, and a few more until each
        word, a gap and the ends of each column stand in them, with only the columns that the model
        reads: no id of a customer, unless the model reads it.
    threshold : the decision is yes from this probability on.
    metrics : what was measured, one number each.
    about : the model card for people; "purpose" (what it is for) and "limits" (what it is not for) are
        needed, the rest is free.
    onnx : the same model for devices, from `edge.to_onnx`.

    Returns
    -------
    The version, "1" for the first. What is the same in all of it keeps its version.

    Raises
    ------
    ValueError
        If `tracking` was not called, the card is not filled in, or the model cannot be read back
        without pickle and answer its golden rows the same, on a device too. Nothing is registered then.

    Source
    ------
    Mitchell et al. (2019), FAT*, for the model card.

    Examples
    --------
    >>> from helpers.training.churn import logistic
    >>> from helpers.training.track import tracking
    >>> data = pd.DataFrame({"tenure": [1, 2, 60, 70] * 50, "churned": [True, True, False, False] * 50})
    >>> model = logistic(["tenure"], []).fit(data, data["churned"])
    >>> tracking(tempfile.mkdtemp(), "churn")
    >>> about = {"purpose": "whom to call", "limits": "not for prices"}
    >>> register(model, "churn", data, 0.5, {"roc_auc": 1.0}, about)
    '1'
    >>> held_out = data.assign(customerID=range(200))
    >>> check("churn", "1", held_out, group="tenure", seed=7).index.tolist()
    ['schema', 'golden rows', 'parity', 'latency', 'fairness', 'better']
    >>> load("churn", "1").threshold
    0.5
    """
    mlflow = opened()
    client = mlflow.MlflowClient()
    _require_name(name)
    require_share(threshold, "threshold")
    require_rows(data, "data")
    for needed in ("purpose", "limits"):
        if not str(about.get(needed) or "").strip():
            raise ValueError(
                f"about[{needed!r}] is empty; a reader of the card needs it to know when not to use the "
                'model. Write a sentence, such as {"purpose": "whom to call", "limits": "not for prices"}.'
            )
    for where, facts in (("about", about), ("metrics", metrics)):
        for key, value in facts.items():
            _as_json(value, f"{where}[{key!r}]", sort_keys=True)
    known, answers = _golden(model, data)
    files = {"model.skops": pack(model), "known.json": _write_rows(known, answers), "model.onnx": onnx}  # fmt: skip
    card = {
        "name": name,
        "about": dict(about),
        "threshold": threshold,
        "metrics": dict(metrics),
        "schema": schema_of(data[list(known)]),
        **{FILES[file]: sha256_of(content) for file, content in files.items() if content},
        "data_sha256": data_hash(data),
        "code_version": code_version(),
        "python": platform.python_version(),
        "libraries": {one: version_of(one) for one in LIBRARIES},
    }
    files[CARD_FILE] = (_as_json(card, "the card", indent=1, sort_keys=True) + "\n").encode()
    fingerprint = sha256_of(files[CARD_FILE])
    for one in _all_versions(client, name):
        if one.tags.get("fingerprint") == fingerprint:
            return str(one.version)
    again, _ = _read_rows(files["known.json"])
    if np.abs(chance_to_leave(unpack(files["model.skops"]), again) - answers).max() > SAME:
        raise ValueError(
            f"The {type(model).__name__} answers its golden rows otherwise once it was stored and read "
            "back. Take another kind of model."
        )
    if onnx and not (device := edge.parity(model, onnx, known)).passed:
        raise ValueError(
            f"On a device the {type(model).__name__} answers its golden rows otherwise: {device.said}. Export "
            "this very model, without scaling before trees."
        )
    with tempfile.TemporaryDirectory() as folder:
        # MLflow's own description of the model, so that its tools load and serve the version, too.
        mlflow.sklearn.save_model(
            model, folder, serialization_format="skops", skops_trusted_types=TRUSTED,
            pip_requirements=[f"{one}=={version_of(one)}" for one in NEEDED],
        )  # fmt: skip
        for file, content in files.items():
            if content:
                Path(folder, file).write_bytes(content)
        run = log_run(f"{name} registered", {"threshold": threshold}, metrics, data)
        client.log_artifacts(run, folder, FOLDER)
    _make_model(mlflow, client, name)
    made = client.create_model_version(
        name, f"runs:/{run}/{FOLDER}", run, {"fingerprint": fingerprint}, description=str(about["purpose"])
    )  # fmt: skip
    return str(made.version)


def load(name: str, which: str | int = "champion") -> Loaded:
    """Read a version back, after checking each of its files and each type inside the model.

    Parameters
    ----------
    name : of the model.
    which : a version, or an alias: "staging", "challenger", "champion".

    Raises
    ------
    ValueError
        If there is no such version, a file is missing or not the one that was registered, or the model
        holds a type that is not on the list of what is safe to read; the message names it.

    Warns
    -----
    UserWarning
        If it was registered with another version of scikit-learn than the one here.
    """
    mlflow = opened()
    found = _find(mlflow, name, which)
    said = f"{name} version {found.version}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            got = Path(mlflow.artifacts.download_artifacts(run_id=found.run_id, artifact_path=FOLDER, dst_path=folder))  # fmt: skip
            card = json.loads(_read(said, got / CARD_FILE, found.tags.get("fingerprint")))
            stored, kept, onnx = (_read(said, got / one, card[right]) if right in card else b"" for one, right in FILES.items())  # fmt: skip
        except (OSError, mlflow.MlflowException) as error:
            raise ValueError(
                f"The files of {said} are not where they were stored. Take another version, or register the "
                "model again."
            ) from error
    model = unpack(stored, said, card["libraries"])
    known, answers = _read_rows(kept)
    return Loaded(name, str(found.version), model, card["threshold"], known, answers, card, onnx)


def served(name: str) -> Callable[[str, str], Scoring]:
    """Return what a `Service` loads versions of this model by: kind ("score") and version -> model.

    With `load = served("churn")`, `Service(folder, load("score", "champion"), load=load)` answers with the
    champion, and `/admin/swap` takes any version, or "champion" after `roll_back`.

    Examples
    --------
    >>> served("churn")("lists", "1")
    Traceback (most recent call last):
    ValueError: churn gives scores; no lists are registered. Ask for "score".
    """

    def of_version(kind: str, which: str) -> Scoring:
        if kind != Scoring.kind:
            raise ValueError(f'{name} gives scores; no {kind} are registered. Ask for "score".')
        found = load(name, which)
        return Scoring(
            found.model, found.known, found.threshold, found.version, found.card["schema"]
        )

    return of_version


def versions(name: str) -> pd.DataFrame:
    """Return the versions of a model, the newest first.

    Returns
    -------
    One row a version: `version`, `aliases` (a list), `fingerprint` (12 digits of it), `gates`: "passed",
    "failed: " with their names, "not checked", or "rolled back".

    Raises
    ------
    ValueError
        If there is no such model.
    """
    mlflow = opened()
    _require_model(mlflow, name)
    client = mlflow.MlflowClient()
    named = client.get_registered_model(name).aliases
    rows = []
    for one in sorted(_all_versions(client, name), key=lambda one: -int(one.version)):
        aliases = sorted(alias for alias, where in named.items() if str(where) == str(one.version))
        fingerprint = one.tags.get("fingerprint", "")[:12]
        rows.append((str(one.version), aliases, fingerprint, _verdict(one.tags)))
    return pd.DataFrame(rows, columns=["version", "aliases", "fingerprint", "gates"])


def check(
    name: str,
    which: str | int,
    held_out: pd.DataFrame,
    group: str,
    seed: int,
    metric: str = "roc_auc",
    latency_ms: float = 100.0,
    fairness: float = 0.8,
) -> pd.DataFrame:
    """Judge a version by six gates and keep the record with it; `promote` asks for it.

    Parameters
    ----------
    name, which : as in `load`.
    held_out : raw rows that it was not fitted on, one a `customerID`, with the flag `churned`.
    group : the column whose groups are to be treated alike.
    seed : of the bootstrap.
    metric : by which it has to be better, a name that `helpers.training.evaluate.scores` returns.
    latency_ms : of 50 rows asked one by one, 95 % are to be answered within so many milliseconds.
    fairness : the group found least is found so many times as often as the one found most, at least;
        0.8 is the four-fifths rule.

    Returns
    -------
    One row a gate, by its name: `passed`, `value`, `limit`, `said` (a sentence).

    - schema: columns of the held-out rows that are not as in training; 0.
    - golden rows: distance of an answer from the one at registering; within 1e-9.
    - parity: of answers one by one from those to the whole table, within 1e-9; of a device's, 1e-5.
    - latency: milliseconds for one row, of which 95 % stay below.
    - fairness: recall of the group found least / of the group found most.
    - better: lower end of the gain's range (95 %, customers drawn again) against the champion or, where
      there is none, against one probability for all; above 0.

    Where the schema is broken the last four are not run and count as failed.

    Raises
    ------
    ValueError
        If there is no such version, a column is missing, or the metric is unknown.
    """
    mlflow = opened()
    require_columns(held_out, "held_out", ["churned", "customerID", group])
    require_rows(held_out, "held_out", at_least=2)
    require_flags(held_out["churned"], "churned")
    require_share(fairness, "fairness")
    if metric not in METRICS:
        raise ValueError(f"metric is one of {', '.join(METRICS)}; got {metric!r}.")
    new, before = load(name, which), _champion(mlflow, name)
    broken = new.breaks(held_out)
    known = float(np.abs(chance_to_leave(new.model, new.known) - new.answers).max())
    records = {
        "schema": (not broken, len(broken), 0, "; ".join(broken)[:300] or "as in training"),
        "golden rows": (known <= SAME, known, SAME, f"{len(new.known)} rows answered again"),
    }
    if not broken:
        old = load(name, before) if before else None
        records |= _behave(new, held_out, latency_ms)
        scored = held_out[["customerID", group]].assign(
            churned=held_out["churned"].astype(bool), churn_probability=new.score(held_out)
        )
        records["fairness"] = _treat(scored, group, new.threshold, fairness)
        records["better"] = _beat(scored, new, old, held_out, metric, seed)
    else:
        not_run = (False, np.nan, np.nan, "not run: the schema is broken")
        records |= dict.fromkeys(GATES[2:], not_run)
    table = pd.DataFrame.from_dict(records, "index", columns=["passed", "value", "limit", "said"])
    kept = {"against": before, "gates": {one: list(row) for one, row in records.items()}}
    client = mlflow.MlflowClient()
    client.set_model_version_tag(name, new.version, "gates", json.dumps(kept, default=float))
    client.set_model_version_tag(name, new.version, "rolled_back", "")
    return table.astype({"passed": bool, "value": float, "limit": float})


def promote(name: str, which: str | int, to: str = "champion") -> str:
    """Give a version an alias; to reach customers it must have passed its gates.

    Parameters
    ----------
    name, which : as in `load`.
    to : "staging" is free; "challenger" asks for all gates but `better`; "champion" for all, against
        the champion of now.

    Returns
    -------
    The version that has the alias now.

    Raises
    ------
    ValueError
        If a gate was not passed or not asked, the champion is another since, or the version was rolled
        back and not checked again. The alias stays where it is.
    """
    mlflow = opened()
    client = mlflow.MlflowClient()
    if to not in ALIASES:
        raise ValueError(f"to is one of {', '.join(ALIASES)}; got {to!r}.")
    found = _find(mlflow, name, which)
    chosen, before = str(found.version), _champion(mlflow, name)
    if to != "staging" and chosen != before:
        _require_passed(found, to, before)
    load(name, chosen)  # what cannot be read is no champion
    if to == "champion" and chosen != before:
        # First who came before whom, then the switch: killed between the two, nothing has changed.
        line = [*_line(client, name, before), chosen][-_CHAMPIONS:]
        client.set_registered_model_tag(name, "champions", json.dumps(line))
    client.set_registered_model_alias(name, to, chosen)
    return chosen


def roll_back(name: str) -> str:
    """Make the champion before the champion again; return its version.

    The version that failed has to pass its gates again before it can return.

    Raises
    ------
    ValueError
        If there is no champion, none was before, or the one before cannot be read any more. The
        champion stays then.
    """
    mlflow = opened()
    client = mlflow.MlflowClient()
    _require_model(mlflow, name)
    now = _champion(mlflow, name)
    line = _line(client, name, now)
    if len(line) < 2:
        raise ValueError(
            f"There is nothing to roll {name} back to: "
            + (f"version {now} is its first champion." if now else "it has no champion.")
            + " Promote another version."
        )
    back = line[-2]
    load(name, back)
    client.set_registered_model_alias(name, "champion", back)
    client.set_model_version_tag(name, now, "rolled_back", "yes")
    return back


# The gates.


def _behave(new, held_out, latency_ms):
    """Return the records of parity and latency: rows asked one by one, and of a device."""
    places = np.linspace(0, len(held_out) - 1, min(len(held_out), _TIMED_ROWS)).astype(int)
    together, alone, spent = new.score(held_out)[places], [], []
    new.score(held_out.iloc[:1])  # the first pays for what is set up once
    for place in places:
        began = time.perf_counter()
        alone.append(new.score(held_out.iloc[place : place + 1])[0])
        spent.append(1000 * (time.perf_counter() - began))
    apart, late = float(np.abs(together - alone).max()), float(np.quantile(spent, 0.95))
    parity = (apart <= SAME, apart, SAME, f"{len(places)} rows, alone and in the table")
    if parity[0] and new.onnx:
        device = edge.parity(new.model, new.onnx, held_out)
        parity = (device.passed, device.largest, edge.SAME, f"on a device {device.said}")
    latency = (late <= latency_ms, late, latency_ms, "ms for one row, 95 % stay below")
    return {"parity": parity, "latency": latency}


def _treat(scored, group, threshold, floor):
    """Return the record of fairness."""
    gaps = fairness_gaps(scored, group, threshold).gaps
    if "recall" not in gaps.index:
        return (False, np.nan, floor, f"fewer than two groups of {group} have customers who left")
    found = gaps.loc["recall"]
    said = f"recall of {group} {found['lowest']} / of {found['highest']}"
    ratio = float(found["ratio"])
    return (ratio >= floor, ratio, floor, said if ratio == ratio else "nobody who left is found")


def _beat(scored, new, old, held_out, metric, seed):
    """Return the record of the gain against the champion."""
    other = old.score(held_out) if old else np.full(len(scored), scored["churned"].mean())
    limits = (new.threshold, old.threshold if old else new.threshold)
    of, sign = METRICS[metric], -1 if metric in (*LOSSES, "calibration_error") else 1

    def gain(rows):
        truth = rows["churned"].to_numpy(dtype=bool)
        ours, theirs = (of(truth, rows[one].to_numpy(), limit) for one, limit in zip(("churn_probability", "other"), limits, strict=True))  # fmt: skip
        return sign * (ours - theirs)

    found = paired_bootstrap(scored.assign(other=other), gain, seed)
    against = f"version {old.version}" if old else "one probability for all"
    said = f"{metric}: gain {found.mean:+.4f} ({found.low:+.4f} to {found.high:+.4f}) on {against}"
    return (found.low > 0, found.low, 0.0, said)


def _require_passed(found, to, before):
    """Stop unless a version may have an alias that customers see."""
    said = f"{found.name} version {found.version} cannot be {to}"
    ask = f"Call check({found.name!r}, {str(found.version)!r}, ...) on held-out rows first."
    if found.tags.get("rolled_back"):
        raise ValueError(f"{said}: it was rolled back. {ask}")
    if "gates" not in found.tags:
        raise ValueError(f"{said}: its gates were not asked. {ask}")
    kept = json.loads(found.tags["gates"])
    failed = {
        one: row
        for one, row in kept["gates"].items()
        if not row[0] and not (to == "challenger" and one == "better")
    }
    if failed:
        told = "; ".join(f"{one} is {row[1]:.4g}, the limit {row[2]:.4g} ({row[3]})" for one, row in failed.items())  # fmt: skip
        raise ValueError(f"{said}: {told}. Mend the model and register it again.")
    if to == "champion" and kept["against"] != before:
        raise ValueError(
            f"{said}: it was compared with {_called(kept['against'])}, and the champion is now "
            f"{_called(before)}. {ask}"
        )


def _called(champion):
    return f"version {champion}" if champion else "no champion"


def _verdict(tags):
    """Return in words what a version's record says."""
    if tags.get("rolled_back"):
        return "rolled back"
    if "gates" not in tags:
        return "not checked"
    failed = [one for one, row in json.loads(tags["gates"])["gates"].items() if not row[0]]
    return f"failed: {', '.join(failed)}" if failed else "passed"


# What MLflow keeps.


def _require_name(name):
    if not isinstance(name, str) or not _NAME(name):
        raise ValueError(
            f"name is a word such as 'churn': small letters, digits, '-' and '_', at most 64; got {name!r}."
        )


def _all_versions(client, name):
    return client.search_model_versions(f"name = '{name}'", max_results=10_000)


def _require_model(mlflow, name):
    _require_name(name)
    if not _all_versions(mlflow.MlflowClient(), name):
        raise ValueError(f"No model is registered as {name!r}. Call register first.")


def _make_model(mlflow, client, name):
    try:
        client.create_registered_model(name)
    except mlflow.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _find(mlflow, name, which):
    """Return MLflow's record of a version, by its number or alias."""
    _require_model(mlflow, name)
    client, which = mlflow.MlflowClient(), str(which)
    named = client.get_registered_model(name).aliases
    number = str(named.get(which, which))
    found = [one for one in _all_versions(client, name) if str(one.version) == number]
    if not found:
        known = [*sorted(named), *sorted((str(one.version) for one in _all_versions(client, name)), key=int)]  # fmt: skip
        raise ValueError(
            f"{name} has no version or alias {which[:100]!r}; there are {', '.join(known)}. Write one of them."
        )
    return found[0]


def _champion(mlflow, name):
    """Return the version of the champion, "" where there is none."""
    return str(mlflow.MlflowClient().get_registered_model(name).aliases.get("champion", ""))


def _line(client, name, now):
    """Return the champions up to the one of now, the first first; none if there is none."""
    line = json.loads(client.get_registered_model(name).tags.get("champions", "[]"))
    if now not in line:
        return [now] if now else []
    return line[: len(line) - line[::-1].index(now)]


def _read(said, path, right):
    """Return a file of a version, if it is the one that was registered."""
    content = path.read_bytes()
    if sha256_of(content) != right:
        raise ValueError(f"{path.name} of {said} is not the one that was registered: it was changed or damaged. Do not load it; register the model again.")  # fmt: skip
    return content


# The raw table.


def _golden(model, data):
    """Return some rows with the columns that a model reads, and its answers.

    A gap, each word, and the smallest and largest number of a column stand in them: what is made of them
    knows what training showed.
    """
    places = np.linspace(0, len(data) - 1, min(len(data), _KNOWN_ROWS)).astype(int)
    try:
        read = columns_read(model, data.iloc[places])
        more = [place for name in read for place in _not_shown(data[name], places)]
        rows = data.iloc[sorted({*places, *more})].reset_index(drop=True)
        answers = chance_to_leave(model, rows)
    except Exception as error:
        raise ValueError(
            f"The {type(model).__name__} does not answer the rows of data ({type(error).__name__}: "
            f"{str(error)[:200]}). Put its preparation into the pipeline, and pass the raw table."
        ) from error
    return rows[read], answers


def _not_shown(column, places):
    """Return where a column holds a gap, words and ends that its values at some places do not show."""
    values = column.reset_index(drop=True)
    shown = values[places].dropna()
    gaps = values.index[values.isna()][: shown.size == len(places)]
    words = values.dropna().drop_duplicates()
    words = words[~words.isin(shown)]
    if (kind := kind_of(values)) == "texts":  # first what is no number: of those not each counts
        words = words.sort_values(key=lambda one: pd.to_numeric(one, errors="coerce").notna(), kind="stable")  # fmt: skip
    elif kind == "numbers":
        ends = words[~words.between(shown.min(), shown.max())].sort_values()
        words = ends.drop(ends.index[1:-1])
    return [*gaps, *words.index[: MOST_WORDS + 1]]


def _write_rows(rows, answers):
    """Return rows and answers as JSON that gives back the same numbers."""
    plain = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
    told = {
        "columns": {str(name): str(kind) for name, kind in rows.dtypes.items()},
        "rows": [[one.isoformat() if isinstance(one, pd.Timestamp) else one for one in row] for row in plain],
        "nan": [name for name, (_, gap) in types_of(rows).items() if isinstance(gap, float)],
        "answers": answers.tolist(),
    }  # fmt: skip
    return _as_json(told, "data").encode()


def _read_rows(kept):
    told = json.loads(kept)
    rows = pd.DataFrame(told["rows"], columns=list(told["columns"]), dtype=object)
    rows = rows.fillna(dict.fromkeys(told.get("nan", ()), np.nan)).astype(told["columns"])
    return rows, np.asarray(told["answers"], dtype=float)


def _as_json(value, where, **form):
    """Return a value as JSON; `where` it stands is for the message."""
    try:
        return json.dumps(value, allow_nan=False, default=lambda one: one.tolist(), **form)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where} holds what JSON cannot ({error}). Write texts, numbers, flags, lists, dicts of texts, "
            "and None for what is missing."
        ) from error
