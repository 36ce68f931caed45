"""Running notebooks: judged by what happened, kept whole, resumed after a kill."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest
from miniature import cell, store, with_code

from helpers.course.runner.run import count_cells, run_notebooks
from helpers.course.runner.shelf import code_cells


@pytest.fixture
def shelf(tmp_path):
    return tmp_path / "notebooks"


def run(shelf, tmp_path, values=None, **options):
    paths = sorted(shelf.glob("*.ipynb"))
    return run_notebooks(paths, values or {}, tmp_path / "out", **options)


def summary(tmp_path):
    return json.loads((tmp_path / "out" / "summary.json").read_text())


def test_a_good_notebook_is_executed_with_the_values_given(shelf, tmp_path):
    store(shelf, with_code("from helpers.prose import say\nsay('{rows} rows', rows=ROWS)"))
    (result,) = run(shelf, tmp_path, {"00_the_lifecycle": {"ROWS": 3}})
    assert result.passed
    assert result.figures == {"rows": 3}
    assert result.question == "Does it hold?"
    executed = nbformat.read(tmp_path / "out" / "00_the_lifecycle.ipynb", as_version=4)
    assert [c.execution_count for c in executed.cells if c.cell_type == "code"] == [1, 2, 3, 4]
    assert summary(tmp_path)[0]["figures"] == {"rows": 3}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(0)", "never ran"),
        ("import os\nos._exit(0)", "DeadKernelError"),
    ],
)
def test_every_way_to_fail_is_a_failure_and_never_looks_finished(shelf, tmp_path, source, words):
    store(shelf, with_code(source))
    (result,) = run(shelf, tmp_path)
    assert not result.passed
    assert words in result.error
    assert "\n" not in result.error
    assert not (tmp_path / "out" / "00_the_lifecycle.ipynb").exists()
    assert (tmp_path / "out" / "00_the_lifecycle.failed.ipynb").exists()


def test_one_failure_does_not_stop_the_others_and_results_keep_their_order(shelf, tmp_path):
    store(shelf, with_code("1 / 0"), stem="00_the_lifecycle")
    store(shelf, stem="01_second")
    results = run(shelf, tmp_path, jobs=2)
    assert [(r.notebook, r.passed) for r in results] == [
        ("00_the_lifecycle", False),
        ("01_second", True),
    ]


def test_runs_side_by_side_have_files_of_their_own(shelf, tmp_path):
    def spoil(notebook):
        cell(notebook, "parameters").source = 'RUNS_FOLDER = "../runs/x"  # where to write'
        cell(notebook, "look").source = "print(RUNS_FOLDER)"
        cell(notebook, "back").source = "True"

    store(shelf, spoil)
    (result,) = run(shelf, tmp_path)
    assert result.passed, result.error
    assert result.parameters["RUNS_FOLDER"] == str(tmp_path / "out" / "files" / "00_the_lifecycle")


def test_lessons_run_where_they_lie_and_this_process_stays_where_it_is(
    shelf, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    told = "from pathlib import Path\nfrom helpers.prose import say\nsay('{here}', here=Path.cwd().name)"
    for number, seconds in enumerate([0.0, 0.5, 1.0]):
        store(shelf, with_code(f"{told}\nimport time; time.sleep({seconds})"), stem=f"{number}_x")
    seen = set()
    results = run(shelf, tmp_path, jobs=3, on_cell=lambda stem: seen.add(os.getcwd()))
    assert [result.figures for result in results] == [{"here": "notebooks"}] * 3
    assert seen == {str(tmp_path)}
    assert os.getcwd() == str(tmp_path)


@pytest.mark.parametrize("name", ["{x}", "{", "}{0}", "Übung 100 %", "a'b"])
def test_any_name_of_a_folder_will_do(tmp_path, name):
    store(tmp_path / name / "notebooks")
    (result,) = run(tmp_path / name / "notebooks", tmp_path / name)
    assert result.passed, result.error
    assert (tmp_path / name / "out" / "00_the_lifecycle.ipynb").is_file()


@pytest.mark.parametrize("seconds", [0.0, 1.5])
def test_an_interruption_does_not_wait_for_a_long_cell(shelf, tmp_path, seconds):
    store(shelf, stem="00_quick")
    store(shelf, with_code("import time; time.sleep(120)"), stem="01_long")
    store(shelf, with_code("import time; time.sleep(120)"), stem="02_long")

    def interrupted(result):
        time.sleep(seconds)  # the second kernel is about to start, or computes already
        raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(shelf, tmp_path, jobs=1, on_result=interrupted)
    assert time.monotonic() - begun < 60
    assert [row["notebook"] for row in summary(tmp_path)] == ["00_quick"]
    kernels = [
        child for child in psutil.Process().children() if "ipykernel_launcher" in child.cmdline()
    ]
    assert kernels == []


def test_each_finished_cell_is_reported(shelf, tmp_path):
    store(shelf)
    seen = []
    # The cell that holds the values given is papermill's, and nobody counted it before.
    run(shelf, tmp_path, {"00_the_lifecycle": {"ROWS": 3}}, on_cell=seen.append)
    assert len(seen) == count_cells(shelf.glob("*.ipynb")) == 3


def test_a_notebook_is_written_as_it_begins_and_ends_and_not_with_each_cell(shelf, monkeypatch):
    from papermill import engines

    write, done = engines.write_ipynb, []

    def watched(notebook, path):
        done.append(sum(c.execution_count is not None for c in code_cells(notebook)))
        return write(notebook, path)

    monkeypatch.setattr(engines, "write_ipynb", watched)
    store(shelf)
    (result,) = run(shelf, shelf.parent)
    assert result.passed
    assert done == [0, 3]


def test_resume_skips_what_passed_and_reruns_what_changed_or_failed(shelf, tmp_path):
    store(shelf, stem="00_the_lifecycle")
    bad = store(shelf, with_code("1 / 0"), stem="01_second")
    run(shelf, tmp_path)
    seen = []
    run(shelf, tmp_path, resume=True, on_cell=seen.append)
    assert set(seen) == {"01_second"}, "the one that failed is run again, the other is not"
    bad.unlink()
    store(shelf, with_code("print('now')"), stem="00_the_lifecycle")
    seen.clear()
    (result,) = run(shelf, tmp_path, resume=True, on_cell=seen.append)
    assert result.passed
    assert set(seen) == {"00_the_lifecycle"}, "its source has changed"
    seen.clear()
    run(shelf, tmp_path, {"00_the_lifecycle": {"SEED": 9}}, resume=True, on_cell=seen.append)
    assert seen, "another value is another run"


def test_a_damaged_summary_only_means_starting_again(shelf, tmp_path):
    store(shelf)
    run(shelf, tmp_path)
    (tmp_path / "out" / "summary.json").write_text('[{"notebook": ')
    (result,) = run(shelf, tmp_path, resume=True)
    assert result.passed


def test_a_kill_loses_only_what_was_running(shelf, tmp_path):
    store(shelf, stem="00_the_lifecycle")
    store(shelf, with_code("import time\ntime.sleep(60)"), stem="01_sleeper")
    command = [sys.executable, "-m", "helpers.course.cli", "run", "--notebooks", str(shelf)]
    command += ["--output", str(tmp_path / "out"), "--jobs", "1"]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):  # at most a minute
            if (tmp_path / "out" / "summary.json").exists() and summary(tmp_path):
                break
            time.sleep(0.1)
        os.kill(child.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    finally:
        child.kill()
        child.wait(timeout=30)
    assert [row["notebook"] for row in summary(tmp_path)] == ["00_the_lifecycle"]
    assert not (tmp_path / "out" / "01_sleeper.ipynb").exists()
    store(shelf, stem="01_sleeper")
    seen = []
    results = run(shelf, tmp_path, resume=True, on_cell=seen.append)
    assert all(result.passed for result in results)
    assert set(seen) == {"01_sleeper"}, "what had passed before the kill is not run again"


def test_a_resumed_part_does_not_forget_the_rest(shelf, tmp_path):
    first = store(shelf, stem="00_the_lifecycle")
    store(shelf, stem="01_second")
    run(shelf, tmp_path)
    run_notebooks([first], {}, tmp_path / "out", resume=True)
    assert [row["notebook"] for row in summary(tmp_path)] == ["00_the_lifecycle", "01_second"]


def test_resume_runs_again_what_lost_its_files(shelf, tmp_path):
    def spoil(notebook):
        cell(notebook, "parameters").source = 'RUNS_FOLDER = "../runs/x"  # where to write'
        cell(notebook, "look").source = "import os\nos.makedirs(RUNS_FOLDER)"
        cell(notebook, "back").source = "True"

    store(shelf, spoil)
    run(shelf, tmp_path)
    files = tmp_path / "out" / "files" / "00_the_lifecycle"
    files.rmdir()
    run(shelf, tmp_path, resume=True)
    assert files.is_dir()
