"""What the lessons claim, held against seeds: lesson x claim x seeds on which it held."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from defusedxml import ElementTree

from benchmarks.measure import Measure

TESTS = Path(__file__).parents[1]
SEEDS = "1-20"


def bench_claims(quick: bool = False) -> list[Measure]:
    """Run every lesson on twenty seeds, or on the three of this week, and count where each claim held.

    The claims are the tests of the lessons that are given a seed, or twenty at once. Where LIFECYCLE_SEEDS names
    seeds, these are taken: so an instructor sees what a class with other seeds will read.
    """
    began = time.perf_counter()
    seeds = os.environ.get("LIFECYCLE_SEEDS", "" if quick else SEEDS)
    table = claims_of(cases_of(seeds))
    print(f"{table.to_string(index=False)}\n", file=sys.stderr)
    held = table["held"].sum() / table["seeds"].sum()
    goal = Measure(
        "claims of the lessons, held on the seeds", held, 1.0, "all", "", "all", held == 1
    )
    minutes = (time.perf_counter() - began) / 60
    return [goal, Measure("all of it by the clock", minutes, None, "", "minutes", "listed", None)]


def cases_of(seeds: str, files: list[Path] | None = None) -> list[dict]:
    """Run the tests of lessons on seeds; return one case a test and seed: `lesson`, `claim`, `seed`, `held`."""
    files = files or sorted(TESTS.glob("test_lesson_*.py"))
    environment = {**os.environ, **({"LIFECYCLE_SEEDS": seeds} if seeds else {})}
    with TemporaryDirectory() as folder:
        report = Path(folder) / "claims.xml"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--all", "-n", "2", f"--junitxml={report}", *map(str, files)],
            cwd=TESTS.parent, env=environment, capture_output=True, text=True, timeout=4 * 3_600, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 1):  # 1: some failed, which is what is counted here
            raise RuntimeError(f"The tests of the lessons did not run: {done.stdout[-2_000:]}")
        cases = ElementTree.parse(report).getroot().iter("testcase")
        return [case for one in cases if (case := case_of(one))]


def case_of(one) -> dict | None:
    """Return what one test says of a claim; None for a test that is given no seed, or was skipped."""
    seed = one.find("properties/property[@name='seed']")
    if seed is None or one.find("skipped") is not None:
        return None
    name, wrong = (
        one.get("name").partition("[")[0],
        [*one.findall("failure"), *one.findall("error")],
    )
    return {
        "lesson": one.get("classname").rpartition("test_lesson_")[2],
        "claim": name.removeprefix("test_").replace("_", " "),
        "seed": seed.get("value"),
        "held": not wrong,
    }


def claims_of(cases: list[dict]) -> pd.DataFrame:
    """Return one row a claim: on how many seeds it was tried and held, and on which it failed.

    Examples
    --------
    >>> cases = [{"lesson": "04a", "claim": "a model pays", "seed": s, "held": s != "7"} for s in "678"]
    >>> claims_of(cases).to_dict("records")
    [{'lesson': '04a', 'claim': 'a model pays', 'seeds': 3, 'held': 2, 'failed on': '7'}]
    """
    groups = pd.DataFrame(cases).groupby(["lesson", "claim"], sort=False)
    return pd.DataFrame(
        [
            {
                "lesson": lesson, "claim": claim, "seeds": len(group), "held": int(group["held"].sum()),
                "failed on": " ".join(group.loc[~group["held"], "seed"]),
            }
            for (lesson, claim), group in groups
        ]
    )  # fmt: skip
