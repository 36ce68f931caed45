"""Running notebooks: judged by what happened, kept whole, resumed after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from conftest import ROOT, first_always
from miniature import cell, store, with_code

from helpers.course.runner.run import count_cells, kept_results, run_notebooks
from helpers.course.runner.shelf import code_cells

ODD = "}{0} {x} { Übung 100 % a'b"  # as the name of a folder
TELL = "import time\nfrom pathlib import Path\nfrom helpers.prose import say\nsay('{rows} rows in {here}', rows=ROWS, here=Path.cwd().name)"
WAYS_TO_FAIL = {
    "02_zero": ("1 / 0", "ZeroDivisionError: division by zero"),
    "03_exit": ("import sys\nsys.exit(0)", "never ran"),
    "04_dead": ("import os\nos._exit(0)", "DeadKernelError"),
}


def writes_files(notebook):
    cell(notebook, "parameters").source = 'RUNS_FOLDER = "runs/x"  # where to write'
    cell(notebook, "look").source = "import os\nos.makedirs(RUNS_FOLDER)"
    cell(notebook, "back").source = "True"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One run of notebooks of every kind, and what was seen meanwhile."""
    from papermill import engines

    folder = tmp_path_factory.mktemp("run") / ODD
    shelf, out = folder / "notebooks", folder / "out"
    store(shelf, with_code(TELL), stem="00_good")
    store(shelf, with_code(f"{TELL}\ntime.sleep(0.5)"), stem="01_slower")
    for stem, (source, _) in WAYS_TO_FAIL.items():
        store(shelf, with_code(source), stem=stem)
    store(shelf, writes_files, stem="05_files")
    seen, places, written = [], set(), []
    write = engines.write_ipynb

    def watched(notebook, path):
        done = sum(c.execution_count is not None for c in code_cells(notebook))
        written.append((os.path.basename(path), done))
        return write(notebook, path)

    def on_cell(stem):
        seen.append(stem)
        places.add(os.getcwd())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "write_ipynb", watched)
        patch.chdir(folder)
        # The cell that holds the values given is papermill's, and nobody counts it before.
        values = {"00_good": {"ROWS": 3}}
        results = run_notebooks(sorted(shelf.glob("*")), values, out, 2, on_cell=on_cell)
    return SimpleNamespace(
        shelf=shelf, out=out, results=results, by_stem={r.notebook: r for r in results},
        seen=seen, places=places, written=written,
    )  # fmt: skip


def summary(out):
    """Return the rows of a run's summary."""
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


def test_a_good_notebook_is_executed_with_the_values_given(ran):
    result = ran.by_stem["00_good"]
    assert result.passed, result.error
    assert result.figures["rows"] == 3
    assert result.question == "Does it hold?"
    executed = nbformat.read(ran.out / "00_good.ipynb", as_version=4)
    assert [c.execution_count for c in executed.cells if c.cell_type == "code"] == [1, 2, 3, 4]
    assert summary(ran.out)[0]["figures"]["rows"] == 3


@pytest.mark.parametrize("stem", WAYS_TO_FAIL)
def test_every_way_to_fail_is_a_failure_and_never_looks_finished(ran, stem):
    result = ran.by_stem[stem]
    assert not result.passed
    assert WAYS_TO_FAIL[stem][1] in result.error
    assert "\n" not in result.error
    assert not (ran.out / f"{stem}.ipynb").exists()
    assert (ran.out / f"{stem}.failed.ipynb").exists()


def test_one_failure_does_not_stop_the_others_and_results_keep_their_order(ran):
    told = [(result.notebook, result.passed) for result in ran.results]
    good = ("00_good", "01_slower", "05_files")
    assert told == [(path.stem, path.stem in good) for path in sorted(ran.shelf.glob("*.ipynb"))]


def test_runs_side_by_side_have_files_of_their_own(ran):
    result = ran.by_stem["05_files"]
    assert result.passed, result.error
    assert result.parameters["RUNS_FOLDER"] == str(ran.out / "files" / "05_files")
    assert (ran.out / "files" / "05_files").is_dir()


def test_lessons_run_where_they_lie_and_this_process_stays_where_it_is(ran):
    told = [ran.by_stem[stem].figures["here"] for stem in ("00_good", "01_slower")]
    assert told == ["notebooks", "notebooks"]
    assert ran.places == {str(ran.shelf.parent)}


def test_each_finished_cell_is_reported(ran):
    assert ran.seen.count("00_good") == count_cells([ran.shelf / "00_good.ipynb"]) == 3


def test_a_notebook_is_written_as_it_begins_and_ends_and_not_with_each_cell(ran):
    assert [done for name, done in ran.written if name == "01_slower.ipynb"] == [0, 3]


def test_resume_skips_what_passed_and_reruns_what_changed_failed_or_lost_its_files(ran):
    store(ran.shelf, with_code(f"{TELL}\n'changed'"), stem="01_slower")
    (ran.out / "files" / "05_files").rmdir()
    asked = ["00_good", "01_slower", "02_zero", "05_files"]
    paths, seen = [ran.shelf / f"{stem}.ipynb" for stem in asked], []
    values = {"00_good": {"ROWS": 3}}
    run_notebooks(paths, values, ran.out, 2, resume=True, on_cell=seen.append)
    assert set(seen) == {"01_slower", "02_zero", "05_files"}
    assert (ran.out / "files" / "05_files").is_dir()
    known = [row["notebook"] for row in summary(ran.out)]
    assert known == list(ran.by_stem), "what was not asked for is not forgotten"
    seen.clear()
    other = {"00_good": {"ROWS": 4}}
    run_notebooks(paths[:1], other, ran.out, resume=True, on_cell=seen.append)
    assert seen, "another value is another run"


def test_a_damaged_summary_only_means_starting_again(tmp_path):
    for text in ('[{"notebook": ', "{}", '[{"notebook": "00"}]', "3"):
        (tmp_path / "summary.json").write_text(text)
        assert kept_results(tmp_path) == []


@pytest.mark.parametrize("seconds", first_always([0.0, 1.5]))
def test_an_interruption_does_not_wait_for_a_long_cell(tmp_path, seconds):
    shelf = tmp_path / "notebooks"
    store(shelf, stem="00_quick")
    store(shelf, with_code("import time; time.sleep(120)"), stem="01_long")
    store(shelf, with_code("import time; time.sleep(120)"), stem="02_long")

    def interrupted(result):
        time.sleep(seconds)  # the second kernel is about to start, or computes already
        raise KeyboardInterrupt

    begun = time.monotonic()
    paths = sorted(shelf.glob("*.ipynb"))
    with pytest.raises(KeyboardInterrupt):
        run_notebooks(paths, {}, tmp_path / "out", jobs=1, on_result=interrupted)
    assert time.monotonic() - begun < 60
    assert [row["notebook"] for row in summary(tmp_path / "out")] == ["00_quick"]
    kernels = [
        child for child in psutil.Process().children() if "ipykernel_launcher" in child.cmdline()
    ]
    assert kernels == []


def test_a_kill_loses_only_what_was_running(tmp_path):
    shelf, out = tmp_path / "notebooks", tmp_path / "out"
    store(shelf, stem="00_the_lifecycle")
    store(shelf, with_code("import time\ntime.sleep(60)"), stem="01_sleeper")
    command = [sys.executable, "-m", "helpers.course.cli", "run", "--notebooks", str(shelf)]
    command += ["--output", str(out), "--jobs", "1"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not kept_results(out) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(child.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    finally:
        child.kill()
        child.wait(timeout=30)
    assert [row["notebook"] for row in summary(out)] == ["00_the_lifecycle"]
    assert not (out / "01_sleeper.ipynb").exists()
    store(shelf, stem="01_sleeper")
    seen = []
    paths = sorted(shelf.glob("*.ipynb"))
    results = run_notebooks(paths, {}, out, resume=True, on_cell=seen.append)
    assert all(result.passed for result in results)
    assert set(seen) == {"01_sleeper"}, "what had passed before the kill is not run again"


HEARD_BY_ANOTHER_THREAD = """
import signal, threading, time
from concurrent.futures import ThreadPoolExecutor
from helpers.course.runner.run import as_they_end

over = threading.Event()

def is_interrupted():
    time.sleep(0.5)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    over.wait(60)

with ThreadPoolExecutor(1) as pool:
    began = time.monotonic()
    try:
        list(as_they_end([pool.submit(is_interrupted)]))
    except KeyboardInterrupt:
        print("heard" if time.monotonic() - began < 30 else "heard when all was over")
    over.set()
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals for threads here")
def test_ctrl_c_is_heard_though_the_signal_is_handed_to_another_thread():
    done = subprocess.run(
        [sys.executable, "-c", HEARD_BY_ANOTHER_THREAD],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "heard\n", done.stderr
