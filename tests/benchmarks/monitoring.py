"""How good the watch is: every incident of both worlds against its quiet twin.

What counts is a signal that the quiet twin of the same seed and month does not give. An incident that is
not detected counts as a wrong cause and a wrong stage.
"""

from __future__ import annotations

import copy
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from pandas import DataFrame

from benchmarks import others
from benchmarks.checks import bench_checks
from benchmarks.measure import Measure
from helpers.monitoring import watch as watching
from helpers.plots import BLUE, GREY

SEEDS = range(1, 21)
START = 3  # month of the incidents
SIZES = {"shop": {"customers": 3_500, "products": 300}, "operator": {"subscribers": 4_000}}
PAIRS = {
    "shop": (
        ("price_in_cents", "renamed_column"), ("price_in_cents", "dead_feed"), ("double_delivery", "clock_skew"),
        ("bot_traffic", "error_rate"), ("slow_model", "error_rate"), ("bad_release", "slow_model"),
        ("launch_wave", "season"), ("launch_wave", "bot_traffic"), ("season", "price_rise"),
        ("season", "feedback_loop"), ("new_goal", "renamed_column"), ("new_goal", "target_leak"),
        ("remapped_code", "training_serving_skew"), ("label_delay", "dead_feed"), ("label_delay", "launch_wave"),
        ("full_disk", "dead_feed"), ("full_disk", "bot_traffic"), ("feedback_loop", "bad_release"),
        ("price_rise", "price_in_cents"), ("target_leak", "double_delivery"), ("new_goal", "season"),
        ("bad_release", "launch_wave"),
    ),
    "operator": (
        ("competitor", "price_rise"), ("competitor", "label_delay"), ("competitor", "bad_release"),
        ("price_rise", "price_in_cents"), ("price_rise", "remapped_code"), ("renamed_column", "target_leak"),
        ("remapped_code", "training_serving_skew"), ("dead_feed", "full_disk"), ("dead_feed", "competitor"),
        ("double_delivery", "bot_traffic"), ("clock_skew", "bot_traffic"), ("clock_skew", "full_disk"),
        ("slow_model", "error_rate"), ("error_rate", "bad_release"), ("label_delay", "double_delivery"),
        ("target_leak", "training_serving_skew"), ("renamed_column", "price_in_cents"),
        ("bad_release", "training_serving_skew"),
    ),
}  # fmt: skip


def deployed(business, world):
    """Return the model that serves all year: it learnt from the history and is not touched again."""
    past = world.history()
    if business == "shop":
        from helpers.training.recommend import PersonalBestsellers
        from helpers.worlds.shop import serve

        return serve(PersonalBestsellers().fit(past["orders"], past["products"]).recommend)
    from helpers.etl.businesses import clean_telco
    from helpers.training.churn import logistic

    table = past["snapshots"]
    columns = [one for one in past["customers"].columns if one in table]
    model = logistic().fit(clean_telco(table[columns]), table["churned"].astype(bool))

    def decide(customers):
        known = clean_telco(customers.rename(columns={"MonthlyFee": "MonthlyCharges"})[columns])
        chance = model.predict_proba(known)[:, 1]
        return customers[["customerID"]].assign(churn_probability=chance, call=chance > 0.3)

    return decide


def played(business, world, month, decide):
    """Return the tables of a month as the business has them when it is over."""
    tables = world.play(month, decide)
    if business == "shop":
        tables |= {"products": world.products(month), "customers": world.customers(month)}
        later = world.products(min(month + 1, 12))
        tables["launches"] = later[later["launched_on"] >= tables["sessions"]["started_at"].min()]
    return tables


def make(business, seed, incidents=()):
    from helpers.worlds import Operator, Shop

    return {"shop": Shop, "operator": Operator}[business](seed=seed, incidents=list(incidents), **SIZES[business])  # fmt: skip


def planned(business, world, incidents):
    """Return a world as it stands, with other incidents to come; none reaches back."""
    from helpers.worlds.incidents.kinds import Schedule

    one, record, schedule = copy.copy(world), world.hidden, Schedule(list(incidents), business)
    if business == "shop":
        one._record = replace(record, market=replace(record.market, schedule=schedule))
    else:
        one._record = replace(record, schedule=schedule)
    return one


def _ids(signals):
    return set(signals[["signal", "table", "column", "where"]].itertuples(index=False, name=None))


class Seed:
    """One business and seed: its history and its quiet months, shared by all that happens to it."""

    def __init__(self, business, seed):
        self.business, self.seed = business, seed
        world = make(business, seed)
        self.history, self.decide = world.history(), deployed(business, world)
        self.past = [self.history]
        for month in range(1, START):
            self.past.append(played(business, world, month, self.decide))
        self.before = copy.copy(world)
        self.quiet_tables, self.quiet = [], {}
        for month in (START, START + 1):
            self.quiet_tables.append(played(business, world, month, self.decide))
            past, now = [*self.past, *self.quiet_tables[:-1]], self.quiet_tables[-1]
            signals = watching.signals(past, now)
            self.quiet[month] = _ids(signals), watching.diagnose(signals)

    def quiet_rows(self):
        """Return one row a quiet month: what rang."""
        early = [(2, watching.watch(self.past[:2], self.past[2]))]
        late = [(month, alerts) for month, (_, alerts) in self.quiet.items()]
        return [self._row("quiet", (), "", month, alerts) for month, alerts in early + late]

    def begun(self, incidents):
        """Return a world to which these will happen, and the months before."""
        if not any(one.name == "launch_wave" for one in incidents):
            return planned(self.business, self.before, incidents), list(self.past)
        world = make(self.business, self.seed, incidents)  # it is drawn with the products
        months = [played(self.business, world, month, self.decide) for month in range(1, START)]
        return world, [self.history, *months]

    def run(self, kind, incidents, size, months):
        """Return one row: what the watch makes of it in the first of `months` in which it rings."""
        world, past = self.begun(incidents)
        onsets = self._truth(world).incidents()
        for month in range(START, START + months):
            past.append(played(self.business, world, month, self.decide))
            began = time.process_time()
            signals = watching.signals(past[:-1], past[-1])
            new, alerts = _ids(signals) - self.quiet[month][0], watching.diagnose(signals)
            took = time.process_time() - began
            row = self._row(kind, incidents, size, month, alerts, bool(new) and bool(alerts))
            if row["detected"]:
                break
        row["pass_s"] = took
        known = onsets["onset"].min() if len(onsets) else pd.NaT
        row["off_days"] = abs((alerts[0].since - known) / pd.Timedelta(days=1)) if alerts and len(onsets) else np.nan  # fmt: skip
        return row

    def _truth(self, world):
        from helpers.worlds.operator import OperatorTruth
        from helpers.worlds.shop import ShopTruth

        return {"shop": ShopTruth, "operator": OperatorTruth}[self.business](world)

    def _row(self, kind, incidents, size, month, alerts, detected=None):
        names = [one.what.replace(" ", "_") for one in alerts]
        if len(names) == 1:
            names.append(alerts[0].instead.replace(" ", "_"))
        true = [one.name for one in incidents]
        stages = [one.kind.cause.reopens.name for one in incidents if one.kind.cause]
        return {
            "kind": kind, "business": self.business, "seed": self.seed, "size": size, "month": month,
            "true": "+".join(true), "detected": bool(alerts) if detected is None else detected,
            "said": " ".join(names), "rang": len(alerts),
            "first": names[:1] == true[:1] if len(true) == 1 else bool(set(names[:1]) & set(true)),
            "two": set(true) <= set(names[:2]),
            "stage": bool(alerts) and alerts[0].reopen.name in stages,
            "true_stage": stages[0] if stages else "",
            "because": alerts[0].because if alerts else "",
        }  # fmt: skip


def run_seed(business, seed, parts=("usual", "smallest", "largest", "pairs")):
    """Return the rows of one business and seed."""
    from helpers.worlds.incidents import Incident, incident_table, variation_table

    started = time.process_time()
    one, rows = Seed(business, seed), []
    rows += one.quiet_rows()
    kinds = incident_table()
    mine = kinds[kinds["worlds"].isin([business, "both"])].set_index("name")
    for name in variation_table()["name"]:
        rows.append(one.run("variation", [Incident(name, START)], "usual", 1))
    for part, column, months in [("usual", "size", 1), ("smallest", "smallest", 2), ("largest", "largest", 1)]:  # fmt: skip
        for name, size in mine[column].items() if part in parts else ():
            size = int(size) if name == "renamed_column" else size
            rows.append(one.run("incident", [Incident(name, START, size)], part, months))
    for pair in PAIRS[business] if "pairs" in parts else ():
        rows.append(one.run("pair", [Incident(name, START) for name in pair], "usual", 1))
    return DataFrame(rows).assign(cpu_s=time.process_time() - started)


def table_of(seeds, parts, workers=2):
    """Return the rows of all seeds and both businesses."""
    jobs = [(business, seed) for seed in seeds for business in SIZES]
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with ProcessPoolExecutor(workers) as pool:
        done = [pool.submit(run_seed, *job, parts) for job in jobs]
        return pd.concat([one.result() for one in done], ignore_index=True)


def summary(rows):
    """Return the figures of the order: a row each, with the goal."""
    incidents = rows[rows["kind"].eq("incident") & rows["detected"].notna()]
    usual, small = (incidents[incidents["size"].eq(size)] for size in ("usual", "smallest"))
    pairs, quiet, varied = (rows[rows["kind"].eq(kind)] for kind in ("pair", "quiet", "variation"))
    seen = incidents["detected"]
    common = Counter(incidents["true_stage"]).most_common(1)
    lines = [
        ("usual size, detected within a month", usual["detected"].mean(), "at least 0.95", 0.95, 1),
        ("smallest size, detected within two months", small["detected"].mean(), "at least 0.80", 0.80, 1),
        ("quiet months with a false alarm", (quiet["rang"] > 0).mean(), "at most 0.02", 0.02, -1),
        ("harmless variations with a false alarm", (varied["rang"] > 0).mean(), "at most 0.05", 0.05, -1),
        ("right cause, first guess", (incidents["first"] & seen).mean(), "at least 0.80", 0.80, 1),
        ("right cause, first two", (incidents["two"] & seen).mean(), "at least 0.90", 0.90, 1),
        ("pairs: both in the first two", (pairs["two"] & pairs["detected"]).mean(), "at least 0.90", 0.90, 1),
        ("right stage to reopen", (incidents["stage"] & seen).mean(), "at least 0.90", 0.90, 1),
        ("always the commonest stage", common[0][1] / len(incidents) if common else np.nan, "beside it", None, 1),
        ("since, days off (median)", rows.loc[rows["kind"].eq("incident"), "off_days"].median(), "", None, 1),
    ]  # fmt: skip
    return [
        Measure(what, float(value), None, "", "", goal, None if limit is None or np.isnan(value) else bool(value >= limit if sign > 0 else value <= limit))
        for what, value, goal, limit, sign in lines
    ]  # fmt: skip


def missed(rows):
    """Return what was missed or taken for something else, by kind."""
    wrong = rows[rows["kind"].isin(["incident", "pair"])]
    table = wrong.groupby(["kind", "business", "true", "size"])[["detected", "first", "two", "stage"]].mean()  # fmt: skip
    return table[(table < 1).any(axis=1)]


def beside(rows, told):
    """Return the figures of the watch, of two rules that look at nothing, and of other tools: a row each.

    All are of the usual size, and of the seeds that the others judged where they judged some.

    Parameters
    ----------
    rows : what the watch made of it.
    told : monitor -> its cases, what it said and its seconds a pass, see `benchmarks.others`.
    """
    ours = rows[rows["size"].isin(["", "usual"]) & rows["kind"].ne("pair")]
    if told:
        ours = ours[ours["seed"].isin(next(iter(told.values()))[0]["seed"])]
    ours = ours.assign(case=[others.case_of(row) for row in ours.to_dict("records")])
    hit = ours[ours["kind"].eq("incident")]
    cause, stage = (hit[name].value_counts(normalize=True).max() for name in ("true", "true_stage"))
    rung = ours.loc[ours["rang"] > 0, ["case"]].assign(signal="an alert")
    every, none = ours[["case"]].assign(signal="it rings"), rung.head(0)
    named = {"right cause": (hit["first"] & hit["detected"]).mean(), "right stage": (hit["stage"] & hit["detected"]).mean()}  # fmt: skip
    return DataFrame({
        "the watch": others.scored(ours, rung) | {"a new one": hit["detected"].mean(), **named, "s a pass": ours["pass_s"].mean()},
        "always rings, names the commonest": others.scored(ours, every) | {"right cause": cause, "right stage": stage, "s a pass": 0.0},
        "never rings": others.scored(ours, none) | {"s a pass": 0.0},
        **{name: others.scored(cases, said) | {"s a pass": seconds} for name, (cases, said, seconds) in told.items()},
    }).T  # fmt: skip


def draw(rows, told, path):
    """Draw in which share of the seeds each incident was seen, named and sent to its stage, and what others saw."""
    hit = rows[rows["kind"].eq("incident")]
    sizes = [size for size in ("smallest", "usual", "largest") if size in set(hit["size"])]
    hit = hit.assign(first=hit["first"] & hit["detected"], stage=hit["stage"] & hit["detected"])
    shares = hit.pivot_table(["detected", "first", "stage"], ["business", "true"], "size")
    heads = {"detected": "detected", "first": "right cause", "stage": "right stage"}
    columns = [(what, size) for what in heads for size in sizes]
    table = shares[columns].set_axis([f"{heads[what]}, {size}" for what, size in columns], axis=1)
    for name, (cases, said, _) in told.items():
        rings = others.scored(cases, said)["false alarms"]
        table[f"{name} ({rings:.2f})"] = others.by_kind(cases, said)
    width = max(6, 3 + 0.6 * table.shape[1])
    figure, axes = plt.subplots(figsize=(width, 4 + 0.25 * len(table)), layout="constrained")
    shades = LinearSegmentedColormap.from_list("", ["white", BLUE])
    axes.imshow(table, cmap=shades, vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(table.to_numpy()):
        axes.text(column, row, f"{share:.2f}", ha="center", va="center", fontsize=7, color="white" if share > 0.6 else "black")  # fmt: skip
    axes.set_yticks(range(len(table)), [f"{business}: {name.replace('_', ' ')}" for business, name in table.index])  # fmt: skip
    axes.set_xticks(range(table.shape[1]), table.columns, rotation=60, ha="left", fontsize=8)
    axes.xaxis.tick_top()
    axes.grid(visible=False)
    for column in range(len(sizes), len(columns) + 1, len(sizes)):
        axes.axvline(column - 0.5, color=GREY, linewidth=2)
    quiet = (rows.loc[rows["kind"].eq("quiet"), "rang"] > 0).mean()
    figure.supxlabel(
        f"share of the seeds. In quiet months the watch rings in {quiet:.2f}, another tool as its bracket says;\n"
        "of another tool counts what its quiet twin does not say, at the usual size; it names no cause and no stage",
        fontsize=8,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


def bench_monitoring(quick: bool = False) -> list[Measure]:
    """Run the incident benchmark on `SEEDS`, or with `quick` on 4 seeds, the usual size and no other tool."""
    began = time.perf_counter()
    seeds, parts = (SEEDS[:4], ("usual",)) if quick else (SEEDS, ("usual", "smallest", "largest", "pairs"))  # fmt: skip
    rows = table_of(seeds, parts)
    lines = [*summary(rows), *bench_checks(SEEDS[:2] if quick else SEEDS[:5], quick)]
    minutes, most = (time.perf_counter() - began) / 60, 3 if quick else 40
    lines.append(Measure("all of it by the clock, but for the other tools on the incidents", minutes, None, "", "minutes", f"<= {most} on two quiet cores", minutes <= most))  # fmt: skip
    if quick:
        told, why = {}, dict.fromkeys(others.TOOLS, "not run: --quick")
    else:
        began = time.perf_counter()
        told, why = others.judged(SEEDS[:4])
        lines.append(Measure("the other tools on the incidents, by the clock", (time.perf_counter() - began) / 60, None, "", "minutes", "listed", None))  # fmt: skip
    table, wrong = beside(rows, told), missed(rows).round(2)
    path = others.FOLDER / "monitoring.png"
    draw(rows, told, path)
    for title, one in (("missed or taken for something else, as shares", wrong), ("beside others, usual size", table.round(2))):  # fmt: skip
        print(f"{title}:\n{one.to_string(na_rep='-') if len(one) else 'none'}\n", file=sys.stderr)
    print(f"the picture: {path}\n", file=sys.stderr)
    return [*lines, *lines_of(table, why)]


def lines_of(table, why):
    """Return three lines a monitor, ours beside theirs, and why a tool was not run."""
    whats = {"a new one": "a signal within a month that the quiet twin does not give", "false alarms": "quiet months with an alarm", "s a pass": "a pass over a month, seconds of computing"}  # fmt: skip
    ours = table.loc["the watch"]
    return [
        *(Measure(what, ours[one], row[one], name, "", "side by side", None) for one, what in whats.items() for name, row in table.drop("the watch").iterrows()),
        *(Measure(what, ours[one], None, f"{tool}, {reason}", "", "side by side", None) for tool, reason in why.items() for one, what in whats.items()),
    ]  # fmt: skip
