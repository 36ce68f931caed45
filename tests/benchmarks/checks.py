"""The checks of monitoring against other tools and the truth: lines of `run.py bench monitoring`.

Evidently stands in an environment of its own, see `benchmarks.others`. Work is counted by the seconds of
computing that a process took, which a busy machine alters less than seconds.
"""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from benchmarks import others
from benchmarks.measure import Measure, alone
from helpers.course.fetch import data_folder
from helpers.course.runner.shelf import find_folder
from helpers.etl.businesses import clean_telco
from helpers.monitoring.performance import estimate, labelled
from helpers.monitoring.streams import adwin
from helpers.training.churn import logistic
from helpers.worlds import Operator
from helpers.worlds.incidents import Incident
from helpers.worlds.operator import OperatorTruth

_ROWS, _MONTHS = 1_000_000, 4
_STAGGER, _CHANGES, _LEARNED, _WITHIN = "stagger_0120_abrupt.csv.gz", (10_000, 20_000, 30_000), 500, 500  # fmt: skip
_TABLES = """
import json, sys, time
import numpy as np, pandas as pd
rows, tables, words = int(sys.argv[1]), [], np.array([f"level {n}" for n in range(8)], dtype=object)
rng = np.random.default_rng(1)
for shift in (0.0, 0.1):
    table = {f"n{i}": rng.normal(shift, 1, rows) for i in range(15)}
    tables.append(pd.DataFrame(table | {f"c{i}": words[rng.binomial(7, 0.4 + shift / 2, rows)] for i in range(15)}))
del table
reference, current = tables
"""
_OURS = (
    _TABLES
    + """
from benchmarks.measure import most_held
from helpers.monitoring.data_quality import check_table
from helpers.monitoring.drift import drift
began = time.process_time(), time.perf_counter()
found, sure = drift(reference, current, "rows"), check_table(reference, current, "rows")
took = time.process_time() - began[0], time.perf_counter() - began[1]
assert len(found) == 30 and (found["p"] < 1e-6).all()
print(json.dumps([*took, most_held()]))
"""
)
_EVIDENTLY = (
    _TABLES
    + """
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
kinds = DataDefinition(numerical_columns=[f"n{i}" for i in range(15)], categorical_columns=[f"c{i}" for i in range(15)])
began = time.process_time()
now, then = (Dataset.from_pandas(one, data_definition=kinds) for one in (current, reference))
Report([DataDriftPreset()]).run(now, then).dict()
print(time.process_time() - began)
"""
)


def bench_checks(seeds: range, quick: bool) -> list[Measure]:
    """Watch streams, pass over a large table, estimate without labels on worlds of these seeds."""
    return [*_streams(), *_one_pass(quick), *_estimates(seeds)]


def _streams():
    """Return lines about streams in which nothing happens, and about STAGGER where it is here."""
    rng = np.random.default_rng(1)
    shares = np.linspace(0.02, 0.5, 25)
    silent = sum(adwin(pd.Series(rng.random(40_000) < share)).empty for share in shares)
    lines = [Measure("streams of 40,000 rows without drift: silent", silent, len(shares), "streams", "", "all", silent == len(shares))]  # fmt: skip
    path = data_folder(find_folder().parent) / _STAGGER
    if path.is_file():
        table = pd.read_csv(path)
        late = [alarm - change for alarm, change in zip(_alarms(table), _CHANGES, strict=False)]
        right = len(_alarms(table)) == 3 and all(0 <= rows <= _WITHIN for rows in late)
        lines.append(Measure(f"STAGGER, a model that learns anew after an alarm: {len(late)} alarms, the latest after", max(late, default=np.nan), None, "", "rows", "3, each within 500", right))  # fmt: skip
        late = [
            alarm - change
            for alarm, change in zip(_alarms(table, anew=False), _CHANGES, strict=False)
        ]
        lines.append(Measure(f"STAGGER, a model that never does: {len(late)} alarms, the latest after", max(late, default=np.nan), None, "", "rows", "listed", None))  # fmt: skip
    return lines


def _alarms(table, anew=True):
    """Return at which rows a model's errors ring; after an alarm it learns from the next rows, or never."""
    inputs, truth = table.iloc[:, :3], table.iloc[:, 3]
    begun, rang = 0, []
    while begun + _LEARNED < len(table):
        learned = slice(begun, begun + _LEARNED)
        model = DecisionTreeClassifier(random_state=0).fit(inputs[learned], truth[learned])
        told = adwin(pd.Series(model.predict(inputs) != truth).iloc[begun + _LEARNED :])
        if not anew or told.empty:
            return [*rang, *told["noticed"]]
        rang.append(told["noticed"].iloc[0])
        begun = rang[-1] + 1
    return rang


def _one_pass(quick):
    """Return lines about one pass over a million rows and thirty columns, with `quick` of ours alone."""
    seconds, wall, held = json.loads(alone(_OURS, _ROWS))
    python, name = (None, "not run: --quick") if quick else others.environment("evidently")
    reference = None
    if python:
        try:
            reference, name = (
                float(others.run([str(python), "-c", _EVIDENTLY, str(_ROWS)])),
                "Evidently, its default preset",
            )
        except subprocess.SubprocessError as error:
            name = others.not_run(error)
    fast = seconds <= 4 and (reference is None or reference >= 25 * seconds)
    return [
        Measure("a pass over 1 million rows x 30 columns, seconds of computing", seconds, reference, name, "s", "<= 4 s, >= 25 x faster", fast),
        Measure("the same, by the clock", wall, None, "", "s", "listed", None),
        Measure("most memory of it, its tables included", held, None, "", "MB", "<= 1,500 MB", held <= 1_500),
    ]  # fmt: skip


def _estimates(seeds):
    """Return lines about the accuracy estimated without labels, in worlds in which only inputs move."""
    told = pd.DataFrame(
        [row for seed in seeds for name, size in [("holiday", 1.0), ("growth", 3.0)] for row in _estimated(seed, [Incident(name, 2, size)])],
        columns=["estimate", "true", "valid"],
    )  # fmt: skip
    error = (told["estimate"] - told["true"]).abs().mean()
    wrong = 1 - told["valid"].mean()
    moved = [_estimated(seed, [Incident("competitor", 2)])[2:] for seed in seeds]
    withdrawn = sum(not any(valid for _, _, valid in rows) for rows in moved)
    return [
        Measure(f"accuracy without labels, {len(told)} months in which inputs move: mean absolute error", 100 * error, None, "", "points", "<= 1 point", error <= 0.01),
        Measure("the same: withdrawn wrongly", 100 * wrong, None, "", "%", "<= 5 %", wrong <= 0.05),
        Measure("a competitor: withdrawn when the first labels contradict it, and from then on", withdrawn, len(seeds), "worlds", "", "all", withdrawn == len(seeds)),
    ]  # fmt: skip


def _estimated(seed, incidents):
    """Play months in which nobody is called; return of each what was estimated, what was true, and whether it held."""
    world = Operator(seed=seed, incidents=incidents)
    truth, past = OperatorTruth(world), world.history()["snapshots"].sort_values("scored_at", kind="stable")  # fmt: skip
    learned, held = past.iloc[: len(past) // 2], past.iloc[len(past) // 2 :]
    model = logistic().fit(clean_telco(learned), learned["churned"])

    def scored(customers):
        return customers.assign(churn_probability=model.predict_proba(clean_telco(customers))[:, 1])

    rows, before, reference = [], None, scored(held)
    for month in range(1, _MONTHS + 1):
        given = []
        tables = world.play(month, lambda customers, given=given: given.append(customers) or scored(customers).assign(call=False)[["customerID", "churn_probability", "call"]])  # fmt: skip
        now = scored(given[-1])
        seen = None if before is None else labelled(before, tables["labels"], "customerID", "scores")[0]  # fmt: skip
        blind = estimate(reference, now)
        rows.append((blind.value, truth.expected_accuracy(month, now), estimate(reference, now, seen=seen).valid))  # fmt: skip
        before = now
    return rows
