"""The benches by name, and their table.

Nothing here runs in the tests: machines differ, and a ratio on a busy one is only a hint.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from benchmarks import (
    batch,
    claims,
    course,
    etl,
    models,
    monitoring,
    recommend,
    rollout,
    serving,
    traffic,
    worlds,
)
from helpers.course import BadInput

BENCHES = {
    "import": course.bench_import,
    "course": course.bench_course,
    "churn": course.bench_churn,
    "setup": course.bench_setup,
    "worlds": worlds.bench_worlds,
    "traffic": traffic.bench_traffic,
    "etl": etl.bench_etl,
    "models": models.bench_models,
    "recommend": recommend.bench_recommend,
    "scale": recommend.bench_scale,
    "rollout": rollout.bench_rollout,
    "serving": serving.bench_serving,
    "batch": batch.bench_batch,
    "monitoring": monitoring.bench_monitoring,
    "claims": claims.bench_claims,
}
QUICK = {"monitoring", "claims"}  # benches that have a short form


def main(name: str, as_json: bool, quick: bool = False) -> int:
    """Run one bench and print it; return 1 when a goal is missed, else 0."""
    if name not in BENCHES:
        raise BadInput(f"There is no bench {name!r}; known are: {', '.join(BENCHES)}.")
    if quick and name not in QUICK:
        raise BadInput(f"The bench {name} has no short form; leave --quick out.")
    measures = BENCHES[name](quick=True) if quick else BENCHES[name]()
    if as_json:
        print(json.dumps([{**asdict(one), "ratio": one.ratio} for one in measures], indent=1))
    else:
        _print_table(measures)
    return int(any(one.met is False for one in measures))


def _print_table(measures):
    """Print a comparison as a table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "ours", "reference", "ratio", "goal", "met")
    for one in measures:
        known = "" if one.reference is None else f"{one.reference:.3g} {one.unit}"
        table.add_row(
            one.what,
            f"{one.ours:.3g} {one.unit}",
            f"{known} {one.reference_name}".strip() or "-",
            "-" if one.ratio is None else f"{one.ratio:.3g}",
            one.goal,
            {True: "yes", False: "NO", None: "-"}[one.met],
        )
    Console(width=None if sys.stdout.isatty() else 140).print(table)
