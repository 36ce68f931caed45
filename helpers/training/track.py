"""Stage 4: runs kept by MLflow in a file, so that each number can be traced to its run."""

from __future__ import annotations

import logging
import math
import os
import re
import subprocess
import warnings
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from importlib.metadata import version
from numbers import Real
from pathlib import Path
from types import ModuleType

import pandas as pd

from helpers.checks import require_single
from helpers.files import TRUSTED, sha256_of

NEEDED = ("scikit-learn", "skops", "numpy", "pandas")  # to load a stored model again


def tracking(where: str | Path, experiment: str) -> None:
    """Open MLflow: what is logged from now on is kept there, under the name of an experiment.

    Parameters
    ----------
    where : a folder, made where it is missing, in which an SQLite file `mlflow.db` keeps the runs
        and `models` the models; or the address of a server, such as "http://127.0.0.1:5000".
    experiment : what the runs have in common, such as "churn".

    Raises
    ------
    ValueError
        If the place cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> tracking(tempfile.mkdtemp(), "churn")
    >>> run = log_run("rule", {"depth": 1}, {"roc_auc": 0.7284}, data=pd.DataFrame({"tenure": [1, 2]}))
    >>> which_run("roc_auc", 0.728)[["name", "value"]].to_numpy().tolist()
    [['rule', 0.7284]]
    """
    from filelock import FileLock

    mlflow = _mlflow()
    try:
        if "://" in str(where):
            mlflow.set_tracking_uri(str(where))
            mlflow.set_experiment(experiment)
            return
        folder = Path(where).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{(folder / 'mlflow.db').as_posix()}")
        with FileLock(folder / "mlflow.lock"):  # two processes would make one store at once
            if mlflow.get_experiment_by_name(experiment) is None:
                # Without it the models would go to the folder in which Python was started.
                mlflow.create_experiment(experiment, artifact_location=(folder / "models").as_uri())
            mlflow.set_experiment(experiment)
    except (OSError, mlflow.MlflowException) as error:
        raise ValueError(
            f"MLflow cannot keep runs of {experiment!r} in {where} ({_first_line(error)}). Name a folder "
            "that can be written, or the address of a server that runs."
        ) from error


def log_run(
    name: str,
    parameters: Mapping[str, object],
    metrics: Mapping[str, float],
    data: pd.DataFrame,
    model: object = None,
) -> str:
    """Keep one run: what was tried, on which data, with which code, and what came out.

    Parameters
    ----------
    name : what a reader calls the run.
    parameters, metrics : what was chosen, kept as texts; what was measured, one number each.
    data : the rows that the model was fitted on; their hash is kept, not the rows.
    model : a fitted scikit-learn model, stored without pickle (skops).

    Returns
    -------
    The id of the run, for `mlflow.get_run`.

    Raises
    ------
    ValueError
        If `tracking` was not called, a metric is no number, or the model holds a part that could not
        be read again without running foreign code. Nothing is kept then.
    """
    mlflow = opened()
    for metric, value in metrics.items():
        if not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(
                f"metrics[{metric!r}] is {value!r}; one number was expected, or runs cannot be compared "
                "by it. Leave it out of this run."
            )
    for column in data:
        require_single(data[column], str(column))
    kept = {"data_sha256": data_hash(data), "code_version": code_version()}
    if model is not None:
        _require_readable(model)
    with mlflow.start_run(run_name=name) as run:
        mlflow.log_params(dict(parameters))
        mlflow.log_metrics({metric: float(value) for metric, value in metrics.items()})
        mlflow.set_tags(kept)
        if model is not None:
            mlflow.sklearn.log_model(
                model,
                name="model",
                serialization_format="skops",
                skops_trusted_types=TRUSTED,
                # MLflow would find them out by loading the model in another process: 20 s.
                pip_requirements=[f"{one}=={version(one)}" for one in NEEDED],
            )
    return run.info.run_id


def which_run(metric: str, value: float | str) -> pd.DataFrame:
    """Answer "which run is this number from?".

    Parameters
    ----------
    metric : the name under which it was logged.
    value : the number as it is written: 0.85 finds 0.8451, and "0.850" only what rounds to that.

    Returns
    -------
    One row a run that fits, the newest first: `name`, `run_id`, `started` (UTC), `value` (with all
    digits), `data_sha256`, `code_version`, `parameters` (a dict of texts).

    Raises
    ------
    ValueError
        If `value` is no number, or no run fits; with the nearest.
    """
    mlflow = opened()
    try:
        thousands = re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+(\.\d*)?", str(value).strip())
        written = Decimal(str(value).replace(",", "") if thousands else str(value))
        half = Decimal(5).scaleb(written.as_tuple().exponent - 1)
    except (InvalidOperation, TypeError) as error:
        raise ValueError(
            f"value is a number as it is written, such as 0.845; got {value!r}."
        ) from error
    column = f"metrics.{metric}"
    runs = mlflow.search_runs(
        search_all_experiments=True,
        filter_string="attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
    )
    known = runs[runs[column].notna()] if column in runs else runs.head(0)
    if known.empty:
        names = sorted(one.removeprefix("metrics.") for one in runs if one.startswith("metrics."))
        raise ValueError(
            f"No run has the metric {metric!r}; known are: {', '.join(names) or 'none'}. Write one of "
            "them, or open the place of the runs with tracking."
        )
    away = (known[column] - float(written)).abs()
    found = known[away <= float(half) * (1 + 1e-9)].reset_index(drop=True)
    if found.empty:
        nearest = known.loc[away.idxmin()]
        raise ValueError(
            f"No run has {metric} {value}; the nearest is {nearest[column]:g}, of "
            f"{nearest['tags.mlflow.runName']!r}. The number is from elsewhere, or of another metric."
        )
    names = {
        "tags.mlflow.runName": "name", "run_id": "run_id", "start_time": "started", column: "value",
        "tags.data_sha256": "data_sha256", "tags.code_version": "code_version",
    }  # fmt: skip
    chosen = found.filter(regex=r"^params\.")
    chosen.columns = chosen.columns.str.removeprefix("params.")
    parameters = [row.dropna().to_dict() for _, row in chosen.iterrows()]
    return found.reindex(columns=list(names)).rename(columns=names).assign(parameters=parameters)


def data_hash(data: pd.DataFrame) -> str:
    """Return the SHA-256 of all rows of a table, in their order, and of its columns' names.

    Examples
    --------
    >>> table = pd.DataFrame({"tenure": [1, 2]})
    >>> data_hash(table) == data_hash(table.copy()), data_hash(table) == data_hash(table[::-1])
    (True, False)
    """
    rows = pd.util.hash_pandas_object(data, index=False).to_numpy().astype("<u8").tobytes()
    return sha256_of("\n".join(map(str, data.columns)).encode() + b"\0" + rows)


def code_version() -> str:
    """Return the git commit of the folder worked in, "-dirty" where files were changed since.

    Outside a repository it is the version of the course.
    """
    try:
        asked = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True)
        return told.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return f"ml-lifecycle-lab {version('ml-lifecycle-lab')}"


def opened() -> ModuleType:
    """Return MLflow for the place that `tracking` opened; without one it is refused."""
    mlflow = _mlflow()
    # Without a place MLflow would make a file in the folder in which Python was started.
    if not mlflow.is_tracking_uri_set():
        raise ValueError(
            "Nobody said where runs are kept. Call tracking(folder, experiment) first."
        )
    return mlflow


def _mlflow():
    """Return MLflow, which neither reports its use nor tells of the tables that it makes."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it is read at import
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # of tqdm, in every notebook
        import mlflow
        import mlflow.sklearn

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    return mlflow


def _require_readable(model):
    """Stop unless a model consists of parts that can be read without running foreign code."""
    import skops.io

    try:
        skops.io.loads(skops.io.dumps(model), trusted=TRUSTED)
    except Exception as error:
        raise ValueError(
            f"This {type(model).__name__} cannot be stored and read again without running foreign code "
            f"({_first_line(error)}). Log a model of plain scikit-learn parts, or the run without it."
        ) from error


def _first_line(error):
    """Return the kind of an error and the first line of its message."""
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")
