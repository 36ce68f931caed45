"""How long the course takes to import, run and set up, and how good its churn model is."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Measure, seconds_of
from helpers.course import BadInput
from helpers.course.fetch import FILES, data_folder
from helpers.course.runner.shelf import all_notebooks, find_folder


def bench_import() -> list[Measure]:
    """Time `import helpers` in a new process against a bare interpreter."""
    ours = _median_seconds([sys.executable, "-c", "import helpers"])
    bare = _median_seconds([sys.executable, "-c", "pass"])
    extra = max(0.0, ours - bare)
    return [
        Measure("import helpers", extra, bare, "start of Python", "s", "under 0.3 s", extra < 0.3)
    ]


def bench_course() -> list[Measure]:
    """Time every notebook, and the whole course against the same notebooks one by one."""
    from helpers.course.authors.bake import execute
    from helpers.course.runner.run import run_notebooks
    from helpers.course.runner.shelf import read_notebook

    notebooks = all_notebooks(find_folder())
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        results = run_notebooks(notebooks, {}, Path(folder), jobs=os.cpu_count() or 1)
        whole = time.perf_counter() - started
    serial = 0.0
    measures = []
    for path, result in zip(notebooks, results, strict=True):
        started = time.perf_counter()
        execute(read_notebook(path), path)
        alone = time.perf_counter() - started
        serial += alone
        met = result.passed and alone < 10
        measures.append(
            Measure(path.stem, result.seconds, alone, "alone", "s", "alone under 10 s", met)
        )
    passed = all(result.passed for result in results)
    measures.append(
        Measure("the course", whole, serial, "one by one", "s", "under 60 s", passed and whole < 60)
    )
    return measures


def bench_churn() -> list[Measure]:
    """Hold our churn model against plain scikit-learn on the real Telco file, fold by fold."""
    import numpy as np
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from helpers.etl.businesses import clean_telco, read_telco
    from helpers.training.churn import logistic

    path = data_folder(find_folder().parent) / FILES["telco"].name
    if not path.is_file():
        raise BadInput(
            f"{path.name} is needed and not there. Fetch it with: python3 run.py data telco"
        )
    customers = clean_telco(read_telco(path)[0])
    churned = customers["Churn"].eq("Yes")
    folds = StratifiedKFold(5, shuffle=True, random_state=7)
    ours = cross_val_score(logistic(), customers, churned, cv=folds, scoring="roc_auc")
    # The reference does not use a line of ours: its own parsing, dummies and scaling.
    table = pd.read_csv(path, na_values=" ").fillna({"TotalCharges": 0})
    dummies = pd.get_dummies(table.drop(columns=["customerID", "Churn"])).astype(float)
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    reference = cross_val_score(
        plain, dummies, table["Churn"].eq("Yes"), cv=folds, scoring="roc_auc"
    )
    auc, other = float(np.mean(ours)), float(np.mean(reference))
    return [
        Measure(
            "ROC-AUC, 5 folds", auc, other, "plain scikit-learn", "", "0.845 within 0.012",
            abs(auc - 0.845) <= 0.012,
        )
    ]  # fmt: skip


def bench_setup() -> list[Measure]:
    """Set the project up from empty in a copy, then again; needs the network or a warm cache."""
    root = find_folder().parent
    if not (root / "run.py").is_file():
        raise BadInput(f"run.py was expected in {root.name}; this bench needs a checkout.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "checkout"
        ignore = shutil.ignore_patterns(".venv", ".git", "runs", "data", "__pycache__")
        shutil.copytree(root, copy, ignore=ignore)
        command = [sys.executable, "run.py", "setup"]
        first, again = (seconds_of(command, copy) for _ in range(2))
        size = sum(f.stat().st_size for f in (copy / ".venv").rglob("*") if f.is_file()) / 1e6
    return [
        Measure("set-up from empty", first, None, "", "s", "under 60 s", first < 60),
        Measure("set-up again", again, first, "from empty", "s", "under 3 s", again < 3),
        Measure("size of .venv", size, None, "", "MB", "under 1,000 MB", size < 1000),
    ]


def _median_seconds(command, runs=7):
    """Return the median wall time of a command over several runs, the first not counted."""
    return statistics.median([seconds_of(command) for _ in range(runs + 1)][1:])
