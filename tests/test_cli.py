"""The command line: pleasant help, exit codes for scripts, one sentence for bad input."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import requires
from types import SimpleNamespace

import pandas as pd
import pytest
from filelock import FileLock
from miniature import cell, store, with_code

from helpers.course import doctor
from helpers.course.cli import _print_results
from helpers.course.runner.silence import SWITCHES

COLUMNS = (
    "customerID,gender,SeniorCitizen,Partner,Dependents,tenure,PhoneService,MultipleLines,"
    "InternetService,OnlineSecurity,OnlineBackup,DeviceProtection,TechSupport,StreamingTV,"
    "StreamingMovies,Contract,PaperlessBilling,PaymentMethod,MonthlyCharges,TotalCharges,Churn"
)
ROW = (
    "7590-VHVEG,Female,0,Yes,No,1,No,No phone service,DSL,No,Yes,No,No,No,No,Month-to-month,Yes,"
    "Electronic check,29.85,29.85,No"
)


def test_help_names_every_command(lifecycle_here):
    done = lifecycle_here("--help")
    assert done.returncode == 0
    for command in ["doctor", "list", "run", "bake", "check", "lab", "data", "bench"]:
        assert command in done.stdout
        assert lifecycle_here(command, "--help").returncode == 0


def test_doctor_passes_here_and_speaks_json(lifecycle):
    done = lifecycle("doctor", "--json")
    assert done.returncode == 0, done.stdout
    findings = json.loads(done.stdout)
    assert {"Python 3.11 to 3.14", "kernel python3"} <= {finding["what"] for finding in findings}
    assert all(finding["fix"] for finding in findings if finding["status"] != "ok")
    (libraries,) = [finding for finding in findings if finding["what"] == "libraries"]
    asked = [text for text in requires("ml-lifecycle-lab") if "extra ==" not in text]
    assert libraries["found"].startswith(f"{len(asked)} of {len(asked)}")


def test_doctor_names_each_library_that_is_missing_or_too_old(monkeypatch):
    asked = ["pandas<3.2,>=3.0", "no-such-library>=1", "numpy>=999", "pytest>=8; extra == 'test'"]
    monkeypatch.setattr(doctor, "requires", lambda name: asked)
    *wrong, whole = doctor._libraries()
    assert [(one.what, one.status) for one in wrong] == [
        ("no-such-library>=1", "missing"),
        ("numpy>=999", "missing"),
    ]
    assert all("python3 run.py setup" in one.fix for one in wrong)
    assert (whole.status, whole.found) == ("ok", "1 of 3 as the course needs them")


def test_doctor_says_how_to_bring_a_damaged_lesson_back(tmp_path, monkeypatch):
    whole = store(tmp_path / "notebooks").read_text(encoding="utf-8")
    (tmp_path / "notebooks" / "00_the_lifecycle.ipynb").write_text(whole[:500], encoding="utf-8")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    (tmp_path / "below").mkdir()
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *words], check=True, timeout=60)
    for place in (tmp_path, tmp_path / "below"):
        monkeypatch.chdir(place)
        finding = doctor._notebooks()
        assert finding.status == "missing"
        subprocess.run(finding.fix.split(), check=True, timeout=60, capture_output=True)


def test_what_doctor_tells_to_type_can_be_typed_without_activating_anything(
    lifecycle_here, monkeypatch, tmp_path
):
    monkeypatch.setenv("LIFECYCLE_DATA", str(tmp_path))
    told = lifecycle_here("doctor", "--no-kernel").stdout
    assert "-> python3 run.py data telco" in told
    assert "-> lifecycle" not in told


def test_list_shows_each_notebook_with_its_question_and_parameters(lifecycle_here):
    done = lifecycle_here("list", "04a")
    assert done.returncode == 0
    assert "04a_churn_baseline" in done.stdout
    assert "?" in done.stdout
    names, values = zip(*re.findall(r"^    -p (\w+ +)(\S+ +)", done.stdout, re.M), strict=True)
    assert {"SEED", "CUSTOMERS", "TELCO_CSV"} <= {name.strip() for name in names}
    assert len(set(map(len, names))) == 1, "the values stand below each other"
    assert len(set(map(len, values))) == 1, "and so do the explanations"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "99"], "There is no notebook '99'"),
        (["run", "04a_churn_baslein"], "Did you mean 04a_churn_baseline?"),
        (["run", "-p", "SEDE", "3"], "Did you mean SEED?"),
        (["run", "-p", "SEED", "x"], "takes a whole number; got 'x'"),
        (["run", "-p", "CUSTOMERS", "5"], "goes from 1,000 to 20,000; got 5"),
        (["run", "--notebooks", "nowhere"], "Notebooks (*.ipynb) were expected in nowhere"),
        (["run", "-p", "TELCO_CSV", "no_such_file.csv"], "no_such_file.csv, but nothing is there"),
        (["bake", "99"], "There is no notebook '99'"),
        (["bench", "nothing"], "There is no bench 'nothing'"),
        (["lab", "99"], "There is no notebook '99'"),
        (["run", "04a_churn_models"], "04a_churn_models was replaced by 04a_churn_baseline"),
        (["list", "04a_churn_models"], "04a_churn_models was replaced by 04a_churn_baseline"),
        (["lab", "04a_churn_models"], "04a_churn_models was replaced by 04a_churn_baseline"),
        (["release", "04a_churn_models"], "04a_churn_models was replaced by 04a_churn_baseline"),
        (["proof", "04a_churn_models"], "04a_churn_models was replaced by 04a_churn_baseline"),
        (
            ["lab", "02"],
            "02 means 02a_databases_and_services and 02b_files_and_second_witnesses and",
        ),
    ],
)
def test_bad_input_ends_in_one_sentence_and_code_2_before_a_kernel_starts(
    lifecycle_here, tmp_path, words, expected
):
    output = tmp_path / "out"
    extra = ["--output", output] if words[0] == "run" else []
    done = lifecycle_here(*words, *extra)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stderr.startswith("lifecycle: ")
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not output.exists(), "nothing half-written"


def test_a_real_command_line_ends_in_one_sentence_too(lifecycle, tmp_path):
    (tmp_path / "empty.csv").touch()
    done = lifecycle("run", "04a", "-p", "TELCO_CSV", "empty.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("lifecycle: empty.csv is empty")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


MALFORMED = {
    "empty": (b"", "is empty"),
    "header only": (COLUMNS.encode(), "has a header but no row"),
    "one row": (f"{COLUMNS}\n{ROW}\n".encode(), "has 1 row(s); this step needs at least 50"),
    "truncated": (f"{COLUMNS}\n{ROW}\n{ROW[:60]}".encode(), "is cut off or ragged: line 3"),
    "other columns": (b"id,left\n1,No\n", "lacks 21 of the 21 columns"),
    "other encoding": (f"{COLUMNS}\n{ROW}\n".replace("Female", "Fém").encode("latin-1"), "not UTF-8"),
    "duplicated ids": (f"{COLUMNS}\n{ROW}\n{ROW}\n".encode(), "repeats 1 customerID"),
    "no row keeps the schema": (f"{COLUMNS}\n{ROW}\n".replace("DSL", "ISDN").encode(), "1 of 1 rows break a rule: InternetService is a known level"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_customer_file_is_refused_before_a_kernel_starts(
    lifecycle_here, tmp_path, case
):
    content, expected = MALFORMED[case]
    path = tmp_path / "customers.csv"
    path.write_bytes(content)
    output = tmp_path / "out"
    done = lifecycle_here("run", "04a", "-p", "TELCO_CSV", path, "--output", output)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not output.exists()


def test_an_output_folder_that_cannot_be_written_is_said_before_anything_runs(
    lifecycle_here, tmp_path
):
    (tmp_path / "file").write_text("in the way")
    done = lifecycle_here("run", "00", "--output", tmp_path / "file" / "out")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr


def test_a_run_never_writes_over_the_lessons(lifecycle_here, tmp_path):
    path = store(tmp_path / "notebooks")
    before = path.read_bytes()
    for output in (path.parent, path.parent / "inside"):
        done = lifecycle_here("run", "--notebooks", path.parent, "--output", output)
        assert done.returncode == 2
        assert "is a folder of lessons, which a run must not overwrite" in done.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["my_own.ipynb", "table.csv"])
def test_a_folder_of_other_files_is_not_written_to(lifecycle_here, tmp_path, name):
    store(tmp_path / "notebooks")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).touch()
    done = lifecycle_here("run", "--notebooks", tmp_path / "notebooks", "-o", tmp_path / "mine")
    assert done.returncode == 2
    assert f"holds 1 file(s) that no run made, the first being {name!r}" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [name]


def test_a_file_without_a_group_that_the_lessons_compare_is_refused(
    lifecycle_here, tmp_path, telco_csv
):
    rows = telco_csv.read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path / "no_checks.csv"
    path.write_text("".join(row for row in rows if "Electronic check" not in row))
    done = lifecycle_here("run", "06", "-p", "TELCO_CSV", path, "-o", tmp_path / "out")
    assert done.returncode == 2
    told = (
        "no_checks.csv: of the customers with PaymentMethod 'Electronic check', 0 left and 0 stayed"
    )
    assert told in done.stderr


def with_commas(text, name, rows):
    """Return a customer file with a decimal comma in a column of its first rows."""
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    table.loc[: rows - 1, name] = table.loc[: rows - 1, name].str.replace(".", ",")
    return table.to_csv(index=False)


def test_a_file_of_which_much_would_be_left_out_is_refused_with_the_rule_that_broke(
    lifecycle_here, tmp_path, telco_csv
):
    path = tmp_path / "commas.csv"
    path.write_text(with_commas(telco_csv.read_text(encoding="utf-8"), "MonthlyCharges", 1_000))
    words = ["run", "01", "04a", "-p", "TELCO_CSV", path, "-o", tmp_path / "out"]
    done = lifecycle_here(*words)
    assert done.returncode == 2
    broken = 'commas.csv: 941 of 7,043 rows break a rule: MonthlyCharges is an amount (941 rows, the first being "29,85").'
    assert broken in done.stderr
    assert "up to 5% is allowed" in done.stderr
    assert "--most-refused 0.14" in done.stderr
    assert not (tmp_path / "out").exists()


def test_rows_that_a_lesson_leaves_out_are_told_in_summary_page_and_terminal(
    lifecycle_here, tmp_path, telco_csv
):
    path = tmp_path / "commas.csv"
    path.write_text(with_commas(telco_csv.read_text(encoding="utf-8"), "MonthlyCharges", 100))
    store(tmp_path / "notebooks", lambda n: cell(n, "parameters").update(source='TELCO_CSV = ""  # a path\nROWS = 10  # rows'))  # fmt: skip
    words = ["--notebooks", tmp_path / "notebooks", "-p", "TELCO_CSV", path, "-o", tmp_path / "out"]
    done = lifecycle_here("run", *words)
    assert done.returncode == 0, done.stderr
    said = 'commas.csv: 98 of 7,043 rows break a rule: MonthlyCharges is an amount (98 rows, the first being "29,85").'
    assert f"Left out: {said}" in done.stdout
    (row,) = json.loads((tmp_path / "out" / "summary.json").read_text())
    rule = {"rule": "MonthlyCharges is an amount", "rows": 98, "first": "29,85"}
    assert row["left_out"] == {"file": "commas.csv", "rows": 7_043, "refused": 98, "rules": [rule], "said": said}  # fmt: skip
    for page in ("index.html", "00_the_lifecycle.html"):
        assert "98 of 7,043 rows break a rule" in (tmp_path / "out" / page).read_text("utf-8")
    assert lifecycle_here("run", *words, "--most-refused", "0.01").returncode == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "-p", "SEED", "1", "-p", "SEED", "2"], "-p SEED is given 2 times"),
        (["run", "--output", ""], "it is empty"),
        (["run", "--output", "."], "file(s) that no run made, the first being"),
        (["run", "-p", "SEED=3"], "write -p SEED 3"),
        (["run", "-p", "SEED=3", "--fast"], "write -p SEED 3"),
        (["run", "-p", "TELCO_CSV", "~nobody_of_that_name/x.csv"], "leads nowhere"),
        (["run", "-p", "TELCO_CSV", "x" * 5000], "is no path"),
        (["run", "-p", "TELCO_CSV", "/dev/null"], "no ordinary file"),
        (["data", "telco", "--into", "nowhere", "--url", "ftp://x"], "is no address to fetch from"),
    ],
)
def test_odd_input_is_refused_in_one_sentence_too(lifecycle_here, words, expected):
    done = lifecycle_here(*words)
    assert done.returncode == 2
    assert expected in done.stderr


def test_a_second_run_into_the_same_folder_is_kept_out(lifecycle_here, tmp_path):
    store(tmp_path / "notebooks")
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"):
        done = lifecycle_here("run", "--notebooks", tmp_path / "notebooks", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "Another run is writing to" in done.stderr


def test_a_failing_notebook_is_exit_code_1_and_an_index_all_the_same(lifecycle, tmp_path):
    checked = "\n".join(f"assert os.environ[{k!r}] == {v!r}" for k, v in SWITCHES.items())
    store(tmp_path / "notebooks", with_code(f"import os\n{checked}"), stem="00_the_lifecycle")
    store(tmp_path / "notebooks", with_code("1 / 0"), stem="01_bad")
    (tmp_path / "out").mkdir()
    words = ["run", "--notebooks", tmp_path / "notebooks", "-o", "."]
    done = lifecycle(*words, cwd=tmp_path / "out", env=dict.fromkeys(SWITCHES, ""))
    assert done.returncode == 1
    assert "1 of 2 notebooks ran to their end." in done.stdout, "every switch reached its kernel"
    assert "ZeroDivisionError" in done.stdout
    assert (tmp_path / "out" / "index.html").is_file()


def test_check_names_each_finding_and_ends_with_1(lifecycle_here, tmp_path):
    store(tmp_path / "notebooks", lambda notebook: notebook.cells.pop())
    done = lifecycle_here("check", "--notebooks", tmp_path / "notebooks")
    assert done.returncode == 1
    assert "end in words" in done.stdout
    assert lifecycle_here("check").returncode == 0


def test_a_bench_prints_ours_reference_and_goal_for_people_and_machines(
    lifecycle_here, monkeypatch
):
    from benchmarks import benches
    from benchmarks.measure import Measure

    one = Measure("rows", 50.0, 100.0, "by hand", "rows/s", "as many", False)
    monkeypatch.setitem(benches.BENCHES, "import", lambda: [one])
    done = lifecycle_here("bench", "import", "--json")
    (row,) = json.loads(done.stdout)
    assert (done.returncode, row["ratio"], row["met"]) == (1, 0.5, False)
    assert {"what", "ours", "reference", "goal"} <= set(row)
    done = lifecycle_here("bench", "import")
    assert (done.returncode, "100 rows/s by hand" in done.stdout) == (1, True)


def test_a_bench_needs_a_checkout_and_says_so(lifecycle_here, monkeypatch, tmp_path):
    monkeypatch.setattr("helpers.course.cli.helpers.__file__", str(tmp_path / "helpers" / "x.py"))
    done = lifecycle_here("bench", "import")
    assert done.returncode == 2
    assert "Benches are part of the checkout" in done.stderr


def test_lab_opens_the_course_on_a_free_port_and_ends_when_told(root, tmp_path):
    command = [sys.executable, "-m", "helpers.course.cli", "lab", "04a", "--no-browser"]
    command += ["--allow-root", "--ip=127.0.0.1", "--port=0", "--ServerApp.token=t"]
    command += [f"--notebooks={root / 'notebooks'}"]
    log = tmp_path / "log"
    with log.open("w") as written:
        child = subprocess.Popen(command, cwd=tmp_path, stdout=written, stderr=written)
    try:
        listed = None
        deadline = time.monotonic() + 120
        while listed is None and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.2)
            found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
            if found:
                with contextlib.suppress(OSError):
                    listed = ask(found.group(), "api/contents/notebooks")
                    news = ask(found.group(), "lab/api/settings/" + NOTIFICATION)
                    pages = ask(found.group(), "lab/api/settings/" + PAGES)
    finally:
        child.terminate()
        child.wait(timeout=30)
    assert listed is not None, log.read_text()
    assert "00_the_lifecycle.ipynb" in [entry["name"] for entry in listed["content"]]
    assert news["schema"]["properties"]["fetchNews"]["default"] == "false", "nobody is asked"
    past_end = pages["schema"]["properties"]["scrollPastEnd"]["default"]
    assert past_end is False, "a lesson ends with its last words, not with an empty page"
    assert "/lab/tree/notebooks/04a_churn_baseline.ipynb" in log.read_text()


NOTIFICATION = "@jupyterlab/apputils-extension:notification"
PAGES = "@jupyterlab/notebook-extension:tracker"


def ask(server, page):
    """Return what the server at `server` answers for `page`."""
    with urllib.request.urlopen(f"{server}/{page}?token=t", timeout=30) as answer:
        return json.load(answer)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
def test_ctrl_c_before_the_first_notebook_ends_says_how_to_go_on_and_so_it_does(
    tmp_path, lifecycle_here
):
    waits = "import pathlib, time\nwhile not pathlib.Path('go').exists():\n    time.sleep(0.1)"
    store(tmp_path / "notebooks", with_code(waits))
    words = ["run", "--notebooks", tmp_path / "notebooks", "--output", tmp_path / "out"]
    child = subprocess.Popen(
        [sys.executable, "-m", "helpers.course.cli", *map(str, words)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a shell would hand down a deaf ear for Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("out/.work/*/*.ipynb")) and time.monotonic() < deadline:
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "add --resume to the same command" in told
    assert "Traceback" not in told
    (tmp_path / "notebooks" / "go").touch()
    done = lifecycle_here(*words, "--resume")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("out/*.failed.ipynb"))


def test_a_full_disk_is_said_and_leaves_a_folder_to_go_on_from(tmp_path):
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a small disk can only be mounted by root on Linux")
    store(tmp_path / "notebooks", with_code("print('x' * 3_000_000)"))
    small = tmp_path / "small"
    small.mkdir()
    script = 'mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"'
    words = ["run", "--notebooks", tmp_path / "notebooks", "--output", small / "out"]
    command = ["unshare", "-m", "bash", "-c", script, "small", small]
    command += [sys.executable, "-m", "helpers.course.cli", *words]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=120
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 1
    assert "No space left" in done.stdout or "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_needs_a_look_is_not_said_twice_in_the_table_of_marks(capsys):
    changed = "check-1 was changed"
    one = SimpleNamespace(
        student="a", stem="06b_drift_and_decay", graded=True, total=8, of=8, by_hand=0,
        look=[changed], notes=[changed, "in a zip"],
    )  # fmt: skip
    _print_results([one])
    told = capsys.readouterr().out
    assert told.count(changed) == 1
    assert "in a zip" in told
