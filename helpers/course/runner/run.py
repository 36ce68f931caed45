"""Run notebooks with papermill: checked before, judged after, resumable in between."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from helpers.course import BadInput, fingerprint_of_helpers
from helpers.course.runner.parameters import read_parameters
from helpers.course.runner.shelf import code_cells, has_tag, question_of, read_notebook, title_of
from helpers.files import sha256_of, write_whole

ENGINE = "lifecycle"
CELL_TIMEOUT_S = 600
SUMMARY = "summary.json"


@dataclass
class Result:
    """What became of one notebook.

    Attributes
    ----------
    notebook : stem.
    title, question : as the notebook's first cell states them.
    passed : whether every cell ran.
    seconds : wall time, kernel start included.
    parameters : the values injected.
    figures : the figures its sentences told, by name.
    left_out : rows of its file that break a rule, as `preflight.check_files` tells; empty for none.
    error : empty, or what went wrong in one line.
    key : fingerprint of source, parameters and helpers; equal keys mean equal results.
    """

    notebook: str
    title: str
    question: str
    passed: bool
    seconds: float
    parameters: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    key: str = ""


def run_notebooks(
    notebooks: list[Path],
    values: dict[str, dict[str, Any]],
    output: Path,
    jobs: int = 2,
    resume: bool = False,
    left_out: dict[str, dict[str, Any]] | None = None,
    on_cell: Callable[[str], None] = lambda stem: None,
    on_result: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run each notebook on a kernel of its own and keep what it made in `output`.

    A notebook that ran to its end is moved into place whole, one that did not is kept as
    ``NAME.failed.ipynb``. The summary is rewritten after each, so a kill loses only what was
    running; `resume` then goes on from there.

    Parameters
    ----------
    notebooks : paths, in the order of the course.
    values : stem -> name -> value to inject.
    output : folder for executed notebooks, `summary.json` and the lessons' own files.
    jobs : notebooks at once.
    resume : skip notebooks that have passed there with the same source, values and helpers.
    left_out : stem -> what `preflight.check_files` found in its file, noted in the summary.
    on_cell, on_result : called with the stem after each cell, with the result after each notebook.

    Returns
    -------
    One result a notebook, in the given order.
    """
    output.mkdir(parents=True, exist_ok=True)
    if not (output / SUMMARY).exists():
        _write_summary(output, [])  # from now on the folder is known as that of a run
    done = {result.notebook: result for result in kept_results(output)} if resume else {}
    code = fingerprint_of_helpers()
    _register_engine()
    results: dict[str, Result] = {}

    def one(path: Path) -> Result:
        notebook = read_notebook(path)
        inject = dict(values.get(path.stem, {}))
        key = sha256_of(code + _source_of(notebook) + _inputs_of(inject))[:16]
        kept = done.get(path.stem)
        if kept and kept.passed and kept.key == key and _is_there(kept, output):
            return kept
        result = _run_one(path, notebook, inject, output, on_cell)
        result.key = key
        result.left_out = (left_out or {}).get(path.stem, {})
        return result

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        waiting = [pool.submit(one, path) for path in notebooks]
        try:
            for result in as_they_end(waiting):
                results[result.notebook] = result
                known = done | results  # what an earlier run passed is not forgotten on the way
                _write_summary(output, [known[stem] for stem in sorted(known)])
                on_result(result)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            _stop_kernels(waiting)
            raise
    return [results[path.stem] for path in notebooks]


def as_they_end(futures: Iterable[Future]) -> Iterator[Any]:
    """Yield the results of futures as they come.

    A wait without end can miss Ctrl-C: the signal is sometimes handed to another thread, and this
    one sleeps on. So it wakes up twice a second.
    """
    while futures:
        over, futures = wait(futures, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in over:
            yield future.result()


def _stop_kernels(waiting):
    """End the kernels that this process started, until nothing waits for one any more."""
    import psutil

    while not all(future.done() for future in waiting):
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error):
                if "ipykernel_launcher" in child.cmdline():
                    child.kill()
        time.sleep(0.2)


def _run_one(path, notebook, inject, output, on_cell):
    """Run one notebook in a working folder and move what it made into place."""
    work = output / ".work" / path.stem
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    executed = work / path.name
    # Each run has files of its own, so that runs side by side never meet.
    if "RUNS_FOLDER" in read_parameters(notebook, path.stem) and "RUNS_FOLDER" not in inject:
        inject["RUNS_FOLDER"] = str((output / "files" / path.stem).resolve())
    started = time.perf_counter()
    error = _execute(path, executed, inject, on_cell)
    seconds = round(time.perf_counter() - started, 2)
    place = output / path.name
    failed = output / f"{path.stem}.failed.ipynb"
    for old in (place, failed):
        old.unlink(missing_ok=True)
    figures: dict[str, Any] = {}
    try:
        figures = told_figures(read_notebook(executed))
        executed.replace(failed if error else place)
    except BadInput as broken:  # cut off by a full disk, say: not worth keeping
        error = error or str(broken)
    shutil.rmtree(work, ignore_errors=True)
    return Result(
        notebook=path.stem,
        title=title_of(notebook),
        question=question_of(notebook),
        passed=not error,
        seconds=seconds,
        parameters=inject,
        figures=figures,
        error=error,
    )


def _execute(path, executed, inject, on_cell):
    """Run a notebook through papermill; return what went wrong in one line, or an empty text."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    try:
        papermill.execute_notebook(
            _as_template(path),
            _as_template(executed),
            parameters=inject,
            engine_name=ENGINE,
            kernel_name="python3",
            # With `cwd` papermill would move this whole process, under the feet of its neighbours.
            resources={"metadata": {"path": str(path.parent)}},
            progress_bar=False,
            execution_timeout=CELL_TIMEOUT_S,
            extra_arguments=["--log-level=CRITICAL"],
            on_cell=lambda: on_cell(path.stem),
        )
        # papermill calls it a success when a cell ends the kernel: look for cells that never ran.
        unrun = [c for c in code_cells(read_notebook(executed)) if c.execution_count is None]
        if unrun:
            return f"{len(unrun)} cell(s) never ran: a cell before them ended the kernel"
    except PapermillExecutionError as error:
        value = str(error.evalue).splitlines()[0] if str(error.evalue) else ""
        return f"cell {error.exec_count}: {error.ename}: {value}"
    except Exception as error:  # a dead kernel, a time-out, a full disk: any of them is a failure
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[0]}"
    return ""


def _as_template(path):
    """Return a path such that papermill, which fills in fields {like this}, leaves it as it is."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _register_engine():
    """Teach papermill an engine that reports each finished cell, and writes the notebook once.

    By itself papermill writes the whole notebook twice a cell, which costs more than most cells. A
    notebook that is killed starts anew in any case, and one that fails is written as it ended.
    """
    from papermill.engines import NBClientEngine, papermill_engines

    logging.getLogger("papermill").setLevel(logging.ERROR)
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    # Ctrl-C breaks off a callback of the kernel's channels, which tells it with a traceback.
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)

    class ReportingEngine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, on_cell=lambda: None, **options):
            finish = nb_man.cell_complete

            def finish_and_report(cell, *args, **more):
                finish(cell, *args, **more)
                if cell.cell_type == "code" and not has_tag(cell, "injected-parameters"):
                    on_cell()

            nb_man.cell_complete = finish_and_report
            place, nb_man.output_path = nb_man.output_path, None
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, **options)
            finally:
                nb_man.output_path = place

    papermill_engines.register(ENGINE, ReportingEngine)


def told_figures(notebook: NotebookNode) -> dict[str, Any]:
    """Return the figures that a notebook's sentences told (`helpers.prose.say`), by name."""
    told: dict[str, Any] = {}
    for cell in code_cells(notebook):
        for output in cell.outputs:
            told |= output.get("metadata", {}).get("figures", {})
    return told


def count_cells(notebooks: Iterable[Path]) -> int:
    """Return how many code cells the notebooks hold, for a progress bar."""
    return sum(len(code_cells(read_notebook(path))) for path in notebooks)


def _write_summary(output, results):
    """Write what is known so far, whole."""
    rows = [asdict(result) for result in results]
    write_whole(output / SUMMARY, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def _is_there(kept, output):
    """Return whether what a notebook made in an earlier run is still in place."""
    files = kept.parameters.get("RUNS_FOLDER")
    return (output / f"{kept.notebook}.ipynb").is_file() and (not files or Path(files).is_dir())


def kept_results(output: Path) -> list[Result]:
    """Return the results noted in `output`, by notebook; none when the summary is damaged."""
    try:
        rows = json.loads((output / SUMMARY).read_text(encoding="utf-8"))
        return [Result(**row) for row in rows]
    except (OSError, ValueError, TypeError):
        return []


def _source_of(notebook):
    """Return what decides a notebook's result: its code, cell by cell."""
    return json.dumps([cell.source for cell in code_cells(notebook)])


def _inputs_of(inject):
    """Return the injected values, and the content of each file that they name."""
    files = [Path(v) for v in inject.values() if isinstance(v, str) and v and Path(v).is_file()]
    return json.dumps([inject, [sha256_of(file) for file in files]], sort_keys=True)
