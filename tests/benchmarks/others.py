"""The tables of the incident benchmark as two public monitors see them: lines of `run.py bench monitoring`.

Evidently and NannyML pin other versions than ours, so each has an environment of its own under `runs/bench`,
made once with uv. They get one wide table a month and one of the outcomes that came, as Parquet, and hand back
one row a signal, as CSV. What they said is scored as what our watch says.
"""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from pandas import DataFrame
from uv import find_uv_bin

from benchmarks.measure import ONE_THREAD

FOLDER = Path(__file__).parents[2] / "runs" / "bench"  # git ignores runs/
TOOLS = {
    "evidently": ("evidently==0.7.23", "pandas==2.3.3", "pyarrow"),
    "nannyml": ("nannyml==0.13.1", "statsmodels"),
}
# monitor -> the tool, and which of its signals count; a crash counts with each
MONITORS = {
    "Evidently, the table drifts": ("evidently", "wide drifts"),
    "Evidently, a column drifts": ("evidently", "wide."),
    "Evidently, a column or an outcome drifts": ("evidently", ("wide.", "outcomes.")),
    "NannyML, a column drifts": ("nannyml", "drift."),
    "NannyML, a column drifts in most chunks": ("nannyml", "most."),
    "NannyML, missing or unseen values": ("nannyml", "quality."),
    "NannyML, performance without labels (operator)": ("nannyml", "performance."),
}
_KEYS = {"session_id", "customer_id", "product_id", "order_id", "request_id", "customerID", "tower_id"}  # fmt: skip
# no two rows are alike, or the time since then grows by itself from month to month
_LEFT_OUT = {"name", "description", "text", "phone_number", "joined_on", "launched_on"}


def environment(tool: str) -> tuple[Path | None, str]:
    """Return the Python of a tool's own environment, made where there is none yet; else None and why."""
    folder = FOLDER / TOOLS[tool][0].replace("==", "-")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "complete"
    if done.is_file():
        return python, ""
    made = ["venv", "--quiet", "--clear", "--python", "3.11", str(folder)]
    for command in (made, ["pip", "install", "--quiet", "--python", str(python), *TOOLS[tool]]):
        try:
            run([find_uv_bin(), *command], 1_200)
        except (OSError, subprocess.SubprocessError) as error:
            return None, not_run(error)
    done.touch()
    return python, ""


def run(command: list[str], seconds: float = 7_200) -> str:
    """Run a tool on one thread, without what of ours would reach into it; return its last line."""
    ours = ("PYTHON", "VIRTUAL_ENV")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    silent = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds, env={**kept, **ONE_THREAD, **silent})  # fmt: skip
    return (done.stdout.splitlines() or [""])[-1]


def not_run(error: Exception) -> str:
    """Return why a tool was not run, in a line."""
    said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
    return f"not run: {said[-1].strip() if said else type(error).__name__}"


# What they are given


def wide(business: str, month: dict) -> DataFrame:
    """Return a month as one table: a row a visit, or a customer scored, and what belongs to it.

    Numbers of several rows become their mean, words the first of them, moments the hours since the visit or the
    scoring; each table adds how many rows it had. The key of the row is kept, all others are not. What belongs to no
    row stays out: readings of twenty towers, repeated for each customer, would ring in every month.
    """
    if business == "shop":
        spine, key, moment, others = month["sessions"], "session_id", "started_at", ("telemetry", "clicks", "orders", "feedback", "complaints")  # fmt: skip
    else:
        spine, key, moment, others = month["customers"], "customerID", "scored_at", ("requests", "calls", "usage", "lookups", "tickets", "invoices", "payments", "cancellations", "complaints")  # fmt: skip
    parts = {name: month[name] for name in others}
    if business == "shop":
        parts["shown"] = month["impressions"].merge(month["products"], on="product_id", how="left")
        spine = spine.merge(month["customers"], on="customer_id", how="left")
    table = spine
    for name, part in parts.items():
        table = table.merge(_each(part, key).add_prefix(f"{name}."), left_on=key, right_index=True, how="left")  # fmt: skip
        table[f"{name}.rows"] = table[f"{name}.rows"].fillna(0)
    since = {one: (table[one] - table[moment]) / pd.Timedelta(hours=1) for one in table.select_dtypes("datetime")}  # fmt: skip
    return _plain(table.assign(**since | {moment: table[moment].dt.hour}), key)


def _each(table, key):
    """Return one row a key."""
    groups = table.groupby(key)
    kept = table.drop(columns=[*_KEYS, *_LEFT_OUT], errors="ignore")
    numbers = list(kept.select_dtypes(["number", "datetime"]))
    words = [one for one in kept if one not in numbers]
    parts = [groups[numbers].mean(), table.drop_duplicates(key).set_index(key)[words]]
    return pd.concat([groups.size().rename("rows").astype(float), *parts], axis=1)


def _plain(table, key):
    """Return numbers, also those stored as text, as numbers and all else as words: any pandas reads them alike."""
    kept = table[[one for one in table if one == key or one not in {*_KEYS, *_LEFT_OUT}]]
    found = {}
    for one in kept.select_dtypes(exclude="number").columns.drop(key, errors="ignore"):
        words, numbers = kept[one].astype("str").where(kept[one].notna()), pd.to_numeric(kept[one], errors="coerce")  # fmt: skip
        found[one] = numbers if numbers.notna().sum() > 0.9 * words.notna().sum() else words
    return kept.assign(**found)


def outcomes(business: str, month: dict, past: list[dict]) -> DataFrame:
    """Return what came to be known in a month about earlier decisions, with the days it took."""
    if business == "operator":
        table = month["labels"]
        made, kept = table["scored_on"], ["customerID", "churned", "called"]
    else:
        table = pd.concat([month["ratings"], month["returns"]], keys=["rated", "returned"], names=["what", None])  # fmt: skip
        table = table.reset_index("what").reset_index(drop=True)
        orders = pd.concat([one["orders"] for one in (*past, month)])
        made = table["order_id"].map(orders.drop_duplicates("order_id").set_index("order_id")["ordered_at"])  # fmt: skip
        kept = ["what", "rating", "reason"]
    days = (table["known_at"] - made) / pd.Timedelta(days=1)
    return _plain(table[kept].assign(days=days), "customerID")


def write_cases(business: str, seed: int, folder: Path) -> DataFrame:
    """Play one business and seed, write the tables of its months and return one row a case.

    A case is a month to be judged: `reference` (the month before) and `current` name its tables, `scored` and
    `labels` a quiet month and the next one, which has its outcomes. A table that a join misses a column for
    cannot be made: `broken` says why.
    """
    import duckdb

    from benchmarks.monitoring import START, Seed, played
    from helpers.worlds.incidents import Incident, incident_table, variation_table

    one, rows = Seed(business, seed), []
    folder.mkdir(parents=True, exist_ok=True)

    def write(name, past, month):
        path = folder / f"{business}-{seed}-{name}"
        try:
            tables = {"wide": wide(business, month), "outcomes": outcomes(business, month, past)}
            for part, made in tables.items():
                duckdb.from_df(made).write_parquet(f"{path}.{part}.parquet")
        except KeyError as error:
            return str(path), f"there is no {error}"
        return str(path), ""

    def case(kind, true, month, reference, current):
        row = {"kind": kind, "business": business, "seed": seed, "true": true, "month": month}
        paths = {"reference": reference, "scored": written[0][0], "labels": written[1][0]}
        rows.append(
            row | {"case": case_of(row), "current": current[0], "broken": current[1]} | paths
        )

    past = [*one.past, *one.quiet_tables]
    written = [write(f"month-{at}", past[:at], past[at]) for at in range(1, START + 2)]
    for month in range(2, START + 2):
        case("quiet", "", month, written[month - 2][0], written[month - 1])
    kinds = incident_table()
    mine = kinds.loc[kinds["worlds"].isin([business, "both"]), "name"]
    for kind, names in (("incident", mine), ("variation", variation_table()["name"])):
        for name in names:
            world, before = one.begun([Incident(name, START)])
            now, reference = played(business, world, START, one.decide), written[START - 2]
            if name == "launch_wave":  # its products are others
                reference = write("before-the-wave", before[:-1], before[-1])
            case(kind, name, START, reference[0], write(name, before, now))
    return DataFrame(rows)


def case_of(row) -> str:
    """Return the name of a case: a business, a seed, a month and what happened in it."""
    return "-".join(str(row[one]) for one in ("business", "seed", "month", "kind", "true"))


def judged(seeds: range) -> tuple[dict[str, tuple[DataFrame, DataFrame, float]], dict[str, str]]:
    """Return monitor -> its cases, its signals and its seconds a pass; and tool -> why it was not run.

    What a tool said has one row a signal (`case`, `signal`), and one without a signal a case: its `seconds`.
    """
    places = {tool: environment(tool) for tool in TOOLS}
    why = {tool: reason for tool, (python, reason) in places.items() if python is None}
    if len(why) == len(TOOLS):
        return {}, why
    jobs = [(business, seed, FOLDER / "tables") for seed in seeds for business in ("shop", "operator")]  # fmt: skip
    with ProcessPoolExecutor(2) as pool:
        cases = pd.concat(pool.map(write_cases, *zip(*jobs, strict=True)), ignore_index=True)
    told = {}
    with ThreadPoolExecutor(2) as pool:
        going = {tool: pool.submit(_judge, tool, python, cases) for tool, (python, _) in places.items() if python}  # fmt: skip
        for tool, one in going.items():
            try:
                told[tool] = one.result()
            except (OSError, subprocess.SubprocessError) as error:
                why[tool] = not_run(error)
    return {
        name: (cases, said_by(name, told[tool]), told[tool]["seconds"].sum() / len(cases))
        for name, (tool, _) in MONITORS.items() if tool in told
    }, why  # fmt: skip


def _judge(tool, python, cases):
    asked, told = FOLDER / f"{tool}-cases.csv", FOLDER / f"{tool}-signals.csv"
    cases.to_csv(asked, index=False)
    script = Path(__file__).with_name(f"others_{tool}.py")
    run([str(python), "-P", str(script), str(asked), str(told)])
    return pd.read_csv(told, keep_default_na=False)


# How it is scored


def said_by(monitor: str, told: DataFrame) -> DataFrame:
    """Return the signals that count for a monitor: its own, and a crash."""
    rings = told["signal"].str.startswith(MONITORS[monitor][1]) | told["signal"].eq("crash")
    return told[rings & told["signal"].ne("")]


def scored(cases: DataFrame, told: DataFrame) -> dict[str, float]:
    """Return the figures of one monitor; `told` has one row a signal: `case` and `signal`.

    A signal is new when the quiet twin, the same business, seed and month, does not give it.
    """
    given = cases.assign(rings=cases["case"].isin(told["case"]), new=_new(cases, told))
    share = lambda kind, column: float(given.loc[given["kind"].eq(kind), column].mean())  # noqa: E731
    still = given[given["kind"].eq("quiet")].groupby("business")["rings"].mean()
    return {
        "any signal": share("incident", "rings"), "a new one": share("incident", "new"),
        "false alarms": share("quiet", "rings"), **{f"of the {one}": float(rate) for one, rate in still.items()},
        "harmless": share("variation", "rings"),
    }  # fmt: skip


def by_kind(cases: DataFrame, told: DataFrame) -> pd.Series:
    """Return for each (business, incident) in which share of the seeds something new was said."""
    given = cases.assign(new=_new(cases, told))
    return given[given["kind"].eq("incident")].groupby(["business", "true"])["new"].mean()


def _new(cases, told):
    """Return for each case whether a signal came that its quiet twin does not give."""
    said = told.groupby("case")["signal"].agg(set)
    quiet_ones = [case_of({**row, "kind": "quiet", "true": ""}) for row in cases.to_dict("records")]
    return [bool(said.get(one, set()) - said.get(twin, set())) for one, twin in zip(cases["case"], quiet_ones, strict=True)]  # fmt: skip
