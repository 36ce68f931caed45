"""The command line `lifecycle`: look, run, bake, open, fetch, measure."""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import rich_click as click

import helpers
from helpers.course import BadInput, Failed, absolute
from helpers.course.runner.silence import plain_kernels, silence, steady

# Heavy imports stand inside the commands: `lifecycle --help` answers at once.

CORES = os.cpu_count() or 1
WORKERS = min(4, CORES)


class _Path(click.Path):
    """A path that is typed; an empty one, which `Path` would take for this folder, is refused."""

    def convert(self, value, param, ctx):
        return super().convert(value, param, ctx) if value else absolute("")


class _Run(click.RichCommand):
    """The command that takes ``-p NAME VALUE``, and says so to who types ``-p NAME=VALUE``."""

    def parse_args(self, ctx, args):
        for option, word in pairwise(args):
            if option == "-p" and (told := re.fullmatch(r"(\w+)=(.*)", word)):
                raise BadInput(f"-p takes a name and a value: write -p {told[1]} {told[2]}")
        return super().parse_args(ctx, args)


PATH = _Path(path_type=Path)

notebooks_argument = click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK]...")
folder_option = click.option(
    "--notebooks", "folder", type=PATH, help="Folder of the notebooks; a checkout needs none."
)
jobs_option = click.option(
    "--jobs", "-j", type=click.IntRange(1, 64), default=WORKERS, help="Notebooks at once."
)
root_option = click.option(
    "--root", type=PATH, help="Folder of solutions/ and exercises/; a checkout needs none."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print for machines.")
check_option = click.option("--check", is_flag=True, help="Only say what would change.")


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="Exit codes: 0 all is well, 1 something ran and failed, 2 the request cannot be used.",
)
@click.version_option(package_name="ml-lifecycle-lab")
def app() -> None:
    """Run, check and measure the ML Lifecycle Lab."""


@app.command()
@json_option
@click.option("--kernel/--no-kernel", default=True, help="Start a kernel to see it work.")
def doctor(as_json: bool, kernel: bool) -> None:
    """Say what is installed, what is missing, and what to type."""
    from helpers.course.doctor import examine

    findings = examine(start_kernel=kernel)
    missing = [finding for finding in findings if finding.status == "missing"]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        marks = {"ok": "✓", "missing": "✗", "optional": "·"}
        for finding in findings:
            fix = f"   -> {finding.fix}" if finding.fix else ""
            click.echo(f"{marks[finding.status]} {finding.what:<32} {finding.found}{fix}")
        well = "All is well: the course can run."
        click.echo(f"\n{len(missing)} thing(s) missing." if missing else f"\n{well}")
    raise SystemExit(1 if missing else 0)


@app.command("list")
@notebooks_argument
@folder_option
def list_(notebooks: tuple[str, ...], folder: Path | None) -> None:
    """List the notebooks, the question of each, and its parameters."""
    from helpers.course.runner.parameters import read_parameters
    from helpers.course.runner.shelf import find_folder, pick_notebooks, question_of, read_notebook

    for path in pick_notebooks(find_folder(folder), list(notebooks)):
        notebook = read_notebook(path)
        click.secho(path.stem, bold=True)
        click.echo(f"  {question_of(notebook)}")
        known = read_parameters(notebook, path.stem).values()
        names = max((len(one.name) for one in known), default=0)
        values = max((len(repr(one.default)) for one in known), default=0)
        for one in known:
            click.echo(f"    -p {one.name:<{names}} {one.default!r:<{values}}  {one.help}")


@app.command(cls=_Run)
@notebooks_argument
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter in each notebook that has it; repeat for more.",
)
@click.option("--fast", is_flag=True, help="Take the smaller values that the notebooks name.")
@click.option(
    "--output", "-o", type=PATH, default="runs/course", help="Folder for what the run makes."
)
@jobs_option
@click.option("--resume", is_flag=True, help="Skip what an earlier run passed and nothing changed.")
@click.option(
    "--most-refused", type=click.FloatRange(0, 1), default=0.05, help="Share of rows to leave out."
)
@folder_option
def run(
    notebooks: tuple[str, ...],
    parameters: tuple[tuple[str, str], ...],
    fast: bool,
    output: Path,
    jobs: int,
    resume: bool,
    most_refused: float,
    folder: Path | None,
) -> None:
    """Run notebooks through papermill, to executed notebooks and one index.html.

    NOTEBOOK is a name or the beginning of one, such as 04a; all of them by default.
    """
    from helpers.course.runner.parameters import choose_values, read_parameters
    from helpers.course.runner.preflight import check_files
    from helpers.course.runner.shelf import find_folder, pick_notebooks, read_notebook

    where = find_folder(folder)
    paths = pick_notebooks(where, list(notebooks))
    known = {path.stem: read_parameters(read_notebook(path), path.stem) for path in paths}
    values = choose_values(known, list(parameters), fast)
    left_out = check_files(values, most_refused)
    output = _writable(output, where)

    from helpers.course.runner.pages import write_pages
    from helpers.course.runner.run import Result, count_cells, kept_results, run_notebooks

    plain_kernels()

    with _only_writer(output), _bar(total=count_cells(paths)) as bar:

        def report(result: Result) -> None:
            mark = "✓" if result.passed else "✗"
            line = f"{mark} {result.notebook:<26} {result.seconds:5.1f} s  {result.error}"
            bar.write(line.rstrip(), file=sys.stdout)

        try:
            results = run_notebooks(
                paths,
                values,
                output,
                jobs=jobs,
                resume=resume,
                left_out=left_out,
                on_cell=lambda stem: bar.update(1),
                on_result=report,
            )
        except KeyboardInterrupt:
            click.echo(
                "\nlifecycle: stopped. To go on, add --resume to the same command.", err=True
            )
            raise SystemExit(130) from None
        bar.set_description("writing the pages of results")
        index = write_pages(kept_results(output), output)
    for said in sorted({result.left_out["said"] for result in results if result.left_out}):
        click.echo(f"Left out: {said}")
    failed = [result for result in results if not result.passed]
    click.echo(f"{len(results) - len(failed)} of {len(results)} notebooks ran to their end.")
    click.echo(f"Results and pictures: {os.path.relpath(index)}")
    raise SystemExit(1 if failed else 0)


@app.command()
@notebooks_argument
@check_option
@jobs_option
@folder_option
def bake(notebooks: tuple[str, ...], check: bool, jobs: int, folder: Path | None) -> None:
    """Execute notebooks on a fresh kernel and store their outputs in place."""
    from helpers.course.authors.bake import bake as bake_all
    from helpers.course.runner.shelf import find_folder, pick_notebooks

    paths = pick_notebooks(find_folder(folder), list(notebooks))
    plain_kernels()
    differing = bake_all(paths, jobs, check)
    changed = "would change" if check else "stored anew"
    for stem, differs in differing.items():
        click.echo(f"{stem:<26} {changed if differs else 'unchanged'}")
    raise SystemExit(1 if check and any(differing.values()) else 0)


@app.command()
@notebooks_argument
@folder_option
def check(notebooks: tuple[str, ...], folder: Path | None) -> None:
    """Hold stored notebooks against the rules of a finished lesson."""
    from helpers.course.authors.rules import findings
    from helpers.course.runner.shelf import find_folder, pick_notebooks

    paths = pick_notebooks(find_folder(folder), list(notebooks))
    found = [finding for path in paths for finding in findings(path)]
    for finding in found:
        click.echo(finding)
    click.echo(f"{len(paths)} notebook(s), {len(found)} finding(s).")
    raise SystemExit(1 if found else 0)


@app.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@check_option
@click.option("--bake/--no-bake", default=True, help="Execute and store the solutions first.")
@jobs_option
@root_option
def release(names: tuple[str, ...], check: bool, bake: bool, jobs: int, root: Path | None) -> None:
    """Derive exercises/ from solutions/ with nbgrader; NAME is a solution, all by default."""
    from helpers.course.authors.bake import bake as bake_all
    from helpers.course.authors.exercises import pick_solutions, require_nbgrader
    from helpers.course.authors.exercises import release as release_all

    solutions = pick_solutions(_course_root(root), list(names))
    require_nbgrader()
    plain_kernels()
    baked = bake_all(solutions, jobs, check) if bake else {}
    derived = release_all(solutions, check)
    changed = "would change" if check else "stored anew"
    for folder, differing in [("solutions", baked), ("exercises", derived)]:
        for stem, differs in differing.items():
            click.echo(f"{folder}/{stem:<26} {changed if differs else 'unchanged'}")
    raise SystemExit(1 if check and any([*baked.values(), *derived.values()]) else 0)


@app.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@root_option
def proof(names: tuple[str, ...], as_json: bool, root: Path | None) -> None:
    """Prove exercises: right answers pass, mistakes get their hint, nothing leaks."""
    from helpers.course.authors.exercises import pick_solutions
    from helpers.course.authors.proof import prove

    proofs = [prove(path) for path in pick_solutions(_course_root(root), list(names))]
    holes = [f"{proof.exercise}: {hole}" for proof in proofs for hole in proof.holes]
    if as_json:
        click.echo(json.dumps([asdict(proof) for proof in proofs], indent=1, ensure_ascii=False))
    else:
        rows = [("exercise", "task", "points", "mistakes refused", "alternatives accepted")]
        for one in proofs:
            for task in one.tasks:
                refused = f"{task.refused} of {task.mistakes}"
                accepted = f"{task.accepted} of {task.alternatives}"
                rows.append((one.exercise, task.task, f"{task.points:g}", refused, accepted))
        _print_table(rows)
        for hole in holes:
            click.echo(hole)
        click.echo(f"{len(proofs)} exercise(s), {len(holes)} hole(s).")
    raise SystemExit(1 if holes else 0)


@app.command()
@click.argument("submissions", type=PATH)
@click.option(
    "--into", type=PATH, help="Folder for marks and feedback; by default below .grading/."
)
@click.option(
    "--unsandboxed", is_flag=True, help="Run submissions without a sandbox: at your risk."
)
@click.option(
    "--secret-file", type=PATH, help="The secret of the handout, when students have own worlds."
)
@click.option(
    "--cell-seconds", type=click.FloatRange(1, 3600), default=60.0, help="Longest time of a cell."
)
@click.option(
    "--memory-mb", type=click.IntRange(256, 65536), default=2048, help="Memory of a submission."
)
@click.option(
    "--jobs", "-j", type=click.IntRange(1, 64), default=CORES, help="Submissions at once."
)
@root_option
def grade(
    submissions: Path,
    into: Path | None,
    unsandboxed: bool,
    secret_file: Path | None,
    cell_seconds: float,
    memory_mb: int,
    jobs: int,
    root: Path | None,
) -> None:
    """Grade a class: SUBMISSIONS holds STUDENT/STEM.ipynb, STUDENT.zip or STUDENT_STEM.ipynb.

    The same command goes on after an interrupted run. Exit code 1: something needs a look.
    """
    from helpers.course.grading.grade import Grading
    from helpers.course.grading.grade import grade as grade_all
    from helpers.course.grading.sandbox import Limits
    from helpers.course.grading.variants import read_secret

    course, folder = _course_root(root), absolute(submissions)
    into = absolute(into) if into else course / ".grading" / folder.name
    if into == folder or folder in into.parents:
        raise BadInput(f"{into} lies in the folder of submissions. Choose another one with --into.")
    limits = Limits(cell_seconds=cell_seconds, memory_mb=memory_mb)
    secret = read_secret(absolute(secret_file)) if secret_file else None
    how = Grading(course, into, limits, not unsandboxed, jobs, secret)
    if unsandboxed:
        click.echo(
            "Without a sandbox: what students wrote can read and change your files.", err=True
        )
    into.mkdir(parents=True, exist_ok=True)
    with _only_writer(into, "--into"), _bar(None, "submission") as bar:

        def report(result, count):
            bar.total = count
            bar.update(1)

        try:
            results = grade_all(folder, how, report)
        except KeyboardInterrupt:
            click.echo("\nlifecycle: stopped. The same command goes on from here.", err=True)
            raise SystemExit(130) from None
    _print_results(results)
    click.echo(f"Marks: {os.path.relpath(into / 'marks.csv')}; feedback pages beside it.")
    raise SystemExit(1 if any(result.look for result in results) else 0)


def _print_results(results):
    """Print what happened to each submission, those that need a look last."""
    rows = [("student", "exercise", "points", "what needs a look", "notes")]
    for one in sorted(results, key=lambda one: (bool(one.look), one.stem, one.student)):
        points = f"{one.total:g} of {one.of:g}" if one.graded else "-"
        notes = [note for note in one.notes if note not in one.look]
        rows.append((one.student, one.stem, points, "\n".join(one.look), "\n".join(notes)))
    _print_table(rows)
    graded = sum(result.graded for result in results)
    look = sum(bool(result.look) for result in results)
    by_hand = sum(result.by_hand for result in results)
    read = f" {by_hand} answer(s) are to be read by a person." if by_hand else ""
    click.echo(f"{graded} of {len(results)} graded, {look} to look at.{read}")


def _print_table(rows):
    """Print rows of text for people, the first as the head; no text can steer the terminal."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    def harmless(text):
        return escape("".join(s if s.isprintable() or s == "\n" else "?" for s in text))

    table = Table(*rows[0])
    for row in rows[1:]:
        table.add_row(*map(harmless, row))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


@app.command()
@click.option("--into", type=PATH, default=Path("handout.zip"), help="The zip to write.")
@click.option("--students", type=PATH, help="Class list (CSV): a bundle each, with own worlds.")
@click.option("--secret-file", type=PATH, help="A secret of yours; grading needs the same one.")
@root_option
def handout(into: Path, students: Path | None, secret_file: Path | None, root: Path | None) -> None:
    """Bundle lessons, exercises and helpers for students, without any solution."""
    from helpers.course.grading.handout import write_handout, write_handouts
    from helpers.course.grading.variants import read_secret, read_students

    if bool(students) != bool(secret_file):
        raise BadInput("--students and --secret-file belong together: give both, or neither.")
    course, into = _course_root(root), absolute(into)
    if not students:
        made = write_handout(course, into)
        click.echo(f"{os.path.relpath(made.path)}: {made.files} files, no solutions.")
        return
    names, secret = read_students(absolute(students)), read_secret(absolute(secret_file))
    bundles = write_handouts(course, into.with_suffix(""), names, secret)
    click.echo(
        f"{os.path.relpath(into.with_suffix(''))}: {len(bundles)} bundles, no solutions; "
        f"{bundles[0].own_worlds} exercise(s) have a world for each student."
    )


@app.command(context_settings={"ignore_unknown_options": True})
@click.argument(
    "options", nargs=-1, type=click.UNPROCESSED, metavar="[NOTEBOOK] [OPTIONS OF JUPYTERLAB]..."
)
@folder_option
def lab(options: tuple[str, ...], folder: Path | None) -> None:
    """Open JupyterLab on NOTEBOOK, the first one by default; options go to JupyterLab."""
    from helpers.course.runner.shelf import FIRST, find_folder, pick_notebooks

    where, opened = find_folder(folder), FIRST
    if options and not options[0].startswith("-"):
        fitting = [path.name for path in pick_notebooks(where, [options[0]])]
        if len(fitting) > 1:
            stems = " and ".join(name.removesuffix(".ipynb") for name in fitting)
            raise BadInput(f"{options[0]} means {stems}. Name one of them.")
        (opened,), options = fitting, options[1:]
    command = [sys.executable, "-m", "jupyter", "lab"]
    command += [
        f"--ServerApp.root_dir={where.parent}",
        # The address that is printed leads to the lesson too, where no browser can be opened.
        f"--LabApp.default_url=/lab/tree/{quote(where.name)}/{quote(opened)}",
        # Nothing is fetched and nobody is asked about news.
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        f"--LabApp.app_settings_dir={Path(__file__).parent / 'lab_settings'}",
        *options,
    ]
    if os.name != "nt":
        os.execv(command[0], command)  # in our place: Ctrl-C and signals reach JupyterLab itself
    raise SystemExit(subprocess.run(command, check=False).returncode)


@contextlib.contextmanager
def told():
    """Say what a helper refuses as the command line says it."""
    try:
        yield
    except ValueError as error:
        raise BadInput(str(error)) from error


def from_registry(command):
    """Add the options that name a registered model."""
    command = click.option("--versions", type=PATH, default="notebooks/runs/05a_package", help="The registry's folder.")(command)  # fmt: skip
    return click.option("--model", default="", help="A registered one, such as churn@champion or churn@2; by default one of a small world.")(command)  # fmt: skip


@app.command()
@click.option(
    "--folder", type=PATH, default="runs/service", help="For its keys, its log and the feedback."
)
@click.option("--host", default="127.0.0.1", help="Where it listens; by default this machine only.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, help="The port there.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, help="Processes that answer; /metrics tells of the one that is asked.")  # fmt: skip
@click.option("--feedback", default="", envvar="LIFECYCLE_FEEDBACK", help="Address of a PostgreSQL database for the feedback; by default SQLite.")  # fmt: skip
@from_registry
def serve(folder: Path, host: str, port: int, workers: int, feedback: str, model: str, versions: Path) -> None:  # fmt: skip
    """Answer over HTTP for both businesses, on small worlds, until Ctrl-C."""
    from helpers.course.serving import key_for, registered
    from helpers.course.serving import serve as answer

    try:
        socket.create_server((host, port)).close()
    except OSError:
        raise BadInput(f"Port {port} of {host} cannot be had. Choose another one with --port.") from None  # fmt: skip
    folder = absolute(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"folder": str(folder), "feedback": feedback, "model": model}
    settings["versions"] = str(absolute(versions))
    if model:
        with told():
            registered(model, absolute(versions))  # what cannot be loaded is said before it starts
    at = f"http://{host}:{port}"
    click.echo(f"Training on small worlds; then it answers at {at} (what, and how: {at}/docs).")
    if (folder / "keys.json").is_file() and not os.access(folder / "keys.json", os.W_OK):
        click.echo("Its keys are those of keys.json, which may not be written.")  # a Secret
        return answer(settings, host, port, workers)
    key = key_for(folder)
    click.echo(f"Your key, shown once: {key}\nTry it from another window:\n")
    visit = '{"request_id": "visit-1", "customer_id": 1, "k": 3}'
    click.echo(f"curl {at}/recommend -H 'Content-Type: application/json' -H 'Authorization: Bearer {key}' -d '{visit}'\n")  # fmt: skip
    return answer(settings, host, port, workers)


@app.command()
@click.option("--folder", type=PATH, default="runs/score", help="For the night's files.")
@click.option(
    "--customers",
    type=click.IntRange(1_000, 10_000_000),
    default=200_000,
    help="So many are scored.",
)
@click.option("--source", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Parquet of the customers to score; by default copies of a small world's.")  # fmt: skip
@from_registry
def score(folder: Path, customers: int, source: Path | None, model: str, versions: Path) -> None:
    """Run the nightly batch: score customers, write whom to call. Killed, the same command goes on."""
    from helpers.course.scoring import score as score_all

    folder = absolute(folder)
    with told():
        outcomes = score_all(folder, customers, source, model, absolute(versions))
    for outcome, count in outcomes.items():
        click.echo(f"{count:>11,}  {outcome}")
    click.echo(f"Whom to call: {os.path.relpath(folder / 'calls.parquet')}")


@app.command()
@click.argument("seed", type=click.IntRange(0, 999_999), required=False)
@click.option(
    "--do", "acts", help="Acts for the next months, such as 'w t w'; then it asks no more."
)
@click.option("--again", is_flag=True, help="Begin the year of this seed again.")
@click.option("--rank", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with a line a player, 'NAME shop SEED: ACTS': all are played again and ranked.")  # fmt: skip
@click.option("--folder", type=PATH, default="runs/play", help="Where the games are kept.")
def play(seed: int | None, acts: str | None, again: bool, rank: Path | None, folder: Path) -> None:
    """Play a year of the shop (SEED: which one): a page a month, one act, a score. It can be resumed."""
    from helpers.course import year as game

    if rank is not None:
        lines = [one for one in rank.read_text(encoding="utf-8").splitlines() if one.strip()]
        return click.echo(game.ranking(lines).round(1).to_string())
    if seed is None:
        raise BadInput("Which year? Type a number: python3 run.py play 7")
    folder = absolute(folder)
    now = game.Year(seed) if again else game.resume(seed, folder)
    click.echo(now.page())
    waiting = iter(acts.split()) if acts is not None else None
    while not now.over:
        if waiting is None:
            click.echo(
                "\n".join(f"  {key}  {what}, {eur:,} EUR" for key, (what, eur) in game.ACTS.items())
            )
            click.echo(f"  or a table to have repaired: {', '.join(game.TABLES)}")
        act = next(waiting, None) if waiting else click.prompt("What do you do? (q to pause)")
        if act in (None, "q"):
            return click.echo(f"Kept. The same command goes on: python3 run.py play {seed}")
        try:
            now.act(act)
        except BadInput as refused:
            if waiting is not None:
                raise
            click.echo(str(refused))
            continue
        game.save(now, folder)
        click.echo(now.page())
    nothing, best = game.bounds(seed)
    happened = ", ".join(f"{one.name} in month {one.month}" for one in now.happening)
    click.echo(
        f"\nThe year is over: {now.eur:,.0f} EUR; doing nothing {nothing:,.0f}, the best known {best:,.0f}."
    )
    click.echo(f"Your score: {game.score(now):.0f} of 100. It happened: {happened}.")
    return click.echo(f"To share: {now.line()}")


@app.command()
@click.argument("name")
@click.option("--into", type=PATH, help="Folder; by default LIFECYCLE_DATA, else data/.")
@click.option("--url", help="Another address of the very same file, such as a mirror.")
def data(name: str, into: Path | None, url: str | None) -> None:
    """Fetch a public data file (NAME: telco) from its source, its SHA-256 checked."""
    from dataclasses import replace

    from helpers.course.fetch import FILES, data_folder, fetch
    from helpers.course.runner.shelf import find_folder

    if name not in FILES:
        raise BadInput(f"There is no data file {name!r}; known are: {', '.join(FILES)}.")
    file = replace(FILES[name], url=url) if url else FILES[name]
    try:
        folder = into or data_folder(find_folder().parent)
    except BadInput:
        folder = data_folder(Path.cwd())
    path, fetched = fetch(file, folder, progress=sys.stderr.isatty())
    shown = os.path.relpath(path)
    click.echo(f"{'Fetched' if fetched else 'Already there'}: {shown} ({file.about})")
    click.echo(f"Now run the lessons on it: python3 run.py run -p TELCO_CSV {shown}")


@app.command()
@click.argument("name")
@click.option("--quick", is_flag=True, help="Fewer seeds, where a bench takes long.")
@json_option
def bench(name: str, as_json: bool, quick: bool) -> None:
    """Measure NAME (import, course, churn, setup, worlds, traffic, rollout, etl, models, serving, batch, monitoring, claims): our figure, a reference and the goal."""
    tests = Path(helpers.__file__).resolve().parents[1] / "tests"
    if not (tests / "benchmarks").is_dir():
        raise BadInput(
            "Benches are part of the checkout, not of the installed package. "
            "Type in a checkout: python3 run.py bench NAME"
        )
    sys.path.insert(0, str(tests))
    raise SystemExit(importlib.import_module("benchmarks.benches").main(name, as_json, quick))


def _course_root(given):
    """Return the folder that holds solutions/ and exercises/."""
    from helpers.course.runner.shelf import find_folder

    return absolute(given) if given else find_folder().parent


def _bar(total, unit="cell"):
    """Return a progress bar on stderr, drawn only for people."""
    from tqdm import tqdm

    return tqdm(
        total=total, unit=unit, disable=not sys.stderr.isatty(), leave=False, dynamic_ncols=True
    )


def _writable(output, notebooks):
    """Return the output folder, made if need be, or stop before anything runs."""
    from helpers.course.runner.run import SUMMARY

    output = absolute(output)
    if output == notebooks or notebooks in output.parents:
        raise BadInput(
            f"{output} is a folder of lessons, which a run must not overwrite. "
            "Choose another one with --output, such as runs/mine."
        )
    found = [p.name for p in output.glob("*") if not p.name.startswith(".")]
    if found and SUMMARY not in found:
        raise BadInput(
            f"{output} holds {len(found)} file(s) that no run made, the first being "
            f"{min(found)!r}; a run must not write among them. Choose another folder with "
            "--output, such as runs/mine."
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        probe = output / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BadInput(
            f"{output} cannot be written ({error.strerror}). Choose a folder with --output."
        ) from error
    return output


@contextlib.contextmanager
def _only_writer(output, option="--output"):
    """Keep a second run out of the folder; a killed run leaves no lock behind."""
    from filelock import FileLock, Timeout

    lock = FileLock(output / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BadInput(
            f"Another run is writing to {output}. Wait for it, or choose another folder with "
            f"{option}."
        ) from None
    try:
        yield
    finally:
        lock.release()


def main() -> None:
    """Run the command line; bad input ends in one sentence and exit code 2."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.reconfigure(errors="replace")  # an old console may lack the signs
    silence()
    steady()
    try:
        app()
    except (BadInput, Failed) as error:
        click.echo(f"lifecycle: {error}", err=True)
        sys.exit(2 if isinstance(error, BadInput) else 1)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            what = "the disk is full. What had finished is kept: free some space, then go on with "
            what += "the same command and --resume."
        else:
            what = f"{error.filename or 'a file'}: {error.strerror or error}. Check who may write."
        click.echo(f"lifecycle: {what}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
