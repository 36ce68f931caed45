"""The sandbox, and the narrow door between a submission and its examiner."""

import datetime
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.course.grading.cells import Paper, run_cell
from helpers.course.grading.remote import (
    Function,
    NoAnswer,
    Snapshot,
    Thing,
    TookTooLong,
    raise_as_own,
)
from helpers.course.grading.sandbox import Limits, command, python, shown_by, why_not
from helpers.course.grading.values import NotPlain, decode, encode
from helpers.course.grading.wire import TooSlow, Wire, WireBroken
from helpers.lifecycle import Stage
from helpers.practice import CheckFailed, check
from helpers.problem import SuccessCriterion

needs_sandbox = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a sandbox")
SMALL = Limits(memory_mb=400, processes=8, file_mb=2, total_seconds=1.0)


def inside(code: str, exercise: Path | None = None) -> subprocess.CompletedProcess:
    """Run code in a sandbox; return what it printed."""
    return subprocess.run(
        command(SMALL, exercise, ["-S", "-c", code]), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


@needs_sandbox
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import socket; socket.create_connection(('192.0.2.1', 80), 2)", "unreachable"),
        ("open('/etc/passwd')", "No such file"),
        ("open('/evil', 'w')", "Read-only file system"),
        ("open('/usr/evil', 'w')", "Read-only file system"),
        ("import helpers; open(helpers.__file__, 'a')", "OSError|Permission|Read-only"),
        ("x = bytearray(600_000_000)", "MemoryError"),
        ("open('/tmp/x', 'wb').write(b'0' * 3_000_000)", "File too large"),
        ("import os\nfor _ in range(30):\n    if os.fork() == 0:\n        import time; time.sleep(1); os._exit(0)", "temporarily unavailable"),
        # Nobody is mapped to root where an ordinary user makes the sandbox: no such number there.
        ("import os; os.setuid(0)", "not permitted|Invalid argument"),
        ("import os; os.kill(1, 9); os.chroot('/tmp')", "not permitted"),
    ],
)  # fmt: skip
def test_inside_it_is_refused(code, said):
    done = inside(code)
    assert done.returncode != 0
    assert any(words in done.stderr for words in said.split("|")), done.stderr


@needs_sandbox
def test_inside_there_is_no_root_no_other_process_and_no_variable_of_ours(monkeypatch, tmp_path):
    monkeypatch.setenv("LIFECYCLE_SECRET_WORD", "vinegar")
    (tmp_path / "table.csv").write_text("a\n1\n")
    tmp_path.chmod(0o755)
    code = (
        "import os, json\n"
        "print(json.dumps([os.getuid(), 'LIFECYCLE_SECRET_WORD' in os.environ,"
        " [p for p in os.listdir('/proc') if p.isdigit()], os.listdir('/exercise'),"
        " os.listdir('/tmp'), os.listdir('/home')]))"
    )
    uid, variable, processes, files, tmp, home = json.loads(inside(code, tmp_path).stdout)
    assert uid != 0
    assert not variable
    assert len(processes) <= 2
    assert files == ["table.csv"]
    ours = {*Path(sys.prefix).parts, *Path(sys.base_prefix).parts, *Path(__file__).resolve().parts}
    assert set(tmp) <= ours
    assert set(home) <= {"fonts"} | ours


@needs_sandbox
def test_a_program_that_spins_is_ended_by_its_time_on_the_processor():
    done = inside("while True: pass")
    assert done.returncode != 0


def test_without_bubblewrap_the_reason_is_one_sentence(monkeypatch):
    why_not.cache_clear()
    monkeypatch.setattr("helpers.course.grading.sandbox.shutil.which", lambda tool: None)
    try:
        reason = why_not()
    finally:
        why_not.cache_clear()
    assert "sandbox was expected" in reason
    assert reason.endswith(".")
    assert "\n" not in reason


def test_without_a_sandbox_it_is_this_very_python():
    assert python(["-V"]) == [sys.executable, "-V"]


def test_the_folders_that_a_submission_can_read_are_known():
    import helpers

    package = Path(helpers.__file__).resolve().parent
    assert shown_by(package / "problem.py") == str(package)
    assert shown_by(Path(sys.prefix) / "lib") != ""
    assert shown_by(package.parent / "solutions") == ""


TABLE = pd.DataFrame(
    {
        "id": [1, 2], "name": ["a", None], "when": pd.to_datetime(["2025-01-01", None]),
        "kind": pd.Categorical(["u", "v"]), "count": pd.array([1, None], dtype="Int64"),
        "odd": [[1], {"k": (2,)}], "utc": pd.to_datetime(["2025-01-01", "2025-02-01"], utc=True),
    },
    index=pd.Index(["r", "s"], name="row"),
)  # fmt: skip
PLAIN = [
    None, True, 7, -(10**30), 1.5, "é\ud800", b"x", 2j, [1, (2, {3}), {"a": None}], ..., range(3),
    datetime.date(2025, 1, 2), datetime.timedelta(1, 2, 3), Stage.DATA_COLLECTION,
    SuccessCriterion("recall", at_least=0.4, population="all", window="a month"),
    np.float64(2.5), np.bool_(True), np.datetime64("2025-01-01"), pd.Timestamp("2025-01-01"),
]  # fmt: skip


def travelled(value):
    """Return a value after its journey."""
    text = json.dumps(encode(value, lambda kept: ["kept", 0]))
    return decode(json.loads(text), lambda form: "a stand-in")


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_arrive_as_they_left(value):
    want = list(value) if isinstance(value, range) else value
    assert travelled(value) == want
    assert type(travelled(value)) is type(want)


def test_tables_arrive_with_their_types():
    pd.testing.assert_frame_equal(travelled(TABLE), TABLE)
    pd.testing.assert_series_equal(travelled(TABLE["kind"]), TABLE["kind"])
    grouped = TABLE.groupby(["id", "kind"], observed=True)["count"].sum()
    pd.testing.assert_series_equal(travelled(grouped), grouped)
    np.testing.assert_array_equal(travelled(np.arange(6).reshape(2, 3)), [[0, 1, 2], [3, 4, 5]])


def test_what_is_not_plain_stays_and_so_does_a_number_that_pretends():
    class Sly(int):
        def __eq__(self, other):
            return True

        __hash__ = int.__hash__

    assert travelled(Sly(3)) == "a stand-in"
    assert travelled(len) == "a stand-in"
    assert travelled([object()]) == ["a stand-in"]


@pytest.mark.parametrize(
    "forged",
    [
        ["enum", "os", "environ", "HOME"],
        ["enum", "helpers.course.cli", "app", "x"],
        ["record", "subprocess", "Popen", [["args", "id"]]],
        ["record", "helpers.lifecycle", "Stage", []],
        ["record", "helpers.problem", "SuccessCriterion", [["metric", "x"]]],
        ["array", "|O8", [1], "AAAAAAAAAAA="],
        ["array", "<f8", [10**9], "AAAA"],
        ["column", "object; import os", ["list", []]],
        ["frame", None],
        ["int", "no"],
        {"a": 1},
        [1, 2],
    ],
)
def test_a_forged_value_is_refused(forged):
    def fetch(form):
        raise NotPlain("unknown")

    with pytest.raises(NotPlain):
        decode(forged, fetch)


def pair():
    """Return both ends of a connection."""
    return tuple(Wire(end, 1_000) for end in socket.socketpair())


def test_a_message_too_large_too_late_or_of_no_form_is_refused():
    here, there = pair()
    there.send("x" * 2_000)
    with pytest.raises(WireBroken, match="MB"):
        here.receive(1)
    here, there = pair()
    with pytest.raises(TooSlow):
        here.receive(0.01)
    left, right = socket.socketpair()
    left.sendall(b"\0" * 7 + b"\3" + b"{{{")
    with pytest.raises(WireBroken, match="no JSON"):
        Wire(right).receive(1)
    left.close()
    with pytest.raises(WireBroken, match="gone"):
        Wire(right).receive(1)


def serve(names, seconds=5.0):
    """Answer questions about `names` in a thread; return a snapshot of them."""
    ours, others = (Wire(end) for end in socket.socketpair())
    told = []

    def answer():
        kept = []

        def keep(value):
            kept.append(value)
            return ["kept", len(kept) - 1, type(value).__name__, callable(value), "named"]

        while True:
            try:
                question = others.receive()
            except WireBroken:
                return
            told.append(question)
            if question["ask"] == "names":
                found = {n: encode(names[n], keep) for n in question["names"] if n in names}
                others.send({"value": found})
            else:
                given = [decode(one, lambda form: kept[form[1]]) for one in question["given"]]
                try:
                    others.send({"value": encode(kept[question["thing"]](*given), keep)})
                except ValueError as error:
                    kinds = [["__main__", "Odd"], ["builtins", "ValueError"]]
                    others.send({"error": {"kinds": kinds, "text": str(error)}})

    threading.Thread(target=answer, daemon=True).start()
    return Snapshot(ours, seconds), told


def test_a_function_is_called_where_it_lives():
    snapshot, told = serve({"double": lambda x: 2 * x, "answer": 42})
    found = snapshot.read(["answer", "double", "absent"])
    assert found["answer"] == 42
    assert "absent" not in found
    assert isinstance(found["double"], Function)
    assert found["double"](21) == 42
    assert [question["ask"] for question in told] == ["names", "call"]


def test_what_an_answer_raises_is_raised_here_with_its_name_and_its_base():
    def fails(x):
        raise ValueError("not this one")

    function = serve({"fails": fails})[0].read(["fails"])["fails"]
    with pytest.raises(ValueError, match="not this one") as caught:
        function(1)
    assert type(caught.value).__name__ == "Odd"
    with pytest.raises(CheckFailed, match="Odd: not this one, in named\\(1\\)"), check("1") as c:
        c.call(function, 1)


def test_an_own_not_implemented_error_is_not_attempted():
    own = {"kinds": [["builtins", "NotImplementedError"]], "text": "", "own": True}
    for told, outcome in [(own, "not attempted"), ({**own, "own": False}, "raised")]:

        class Blank(Function):
            def __call__(self, *given, _told=told):
                raise_as_own(_told)

        with pytest.raises(CheckFailed) as caught, check("1") as c:
            c.call(Blank(None, 0, "function", "f"))
        assert caught.value.outcome.value == outcome


def test_a_stand_in_equals_nothing_and_is_neither_true_nor_false():
    thing = Thing(None, 0, "Any", "")
    for use in (bool, lambda t: t == 3, lambda t: t != 3, lambda t: t in [1]):
        with pytest.raises(NotPlain, match="object of type Any"):
            use(thing)
    assert repr(thing) == "<Any>"


def test_silence_and_a_broken_connection_are_told_apart():
    ours, others = socket.socketpair()
    with pytest.raises(TookTooLong):
        Snapshot(Wire(ours), 0.01).read(["x"])
    others.close()
    with pytest.raises(NoAnswer):
        Snapshot(Wire(ours), 1).read(["x"])


def run(source, **more):
    """Run a cell in this process."""
    job = {"cell_seconds": 5, "output_chars": 50, **more}
    names = {"__name__": "__main__"}
    return run_cell({"id": "answer-1", "source": source}, names, job), names


def test_a_cell_shows_its_last_line_as_a_notebook_does():
    assert run("x = 2\nx + 1")[0]["text"] == "3\n"
    assert run("x = 2\nx + 1;")[0]["text"] == ""
    assert run("import asyncio\nawait asyncio.sleep(0, 'woken')")[0]["text"] == "'woken'\n"


def test_what_a_cell_raises_is_one_line_with_its_place():
    ran, _ = run("x = 1\nx / 0")
    assert ran["error"] == "ZeroDivisionError: division by zero (line 2: x / 0)"
    assert run("import sys\nsys.exit(3)")[0]["error"].startswith("SystemExit: 3")
    assert run("def f(:")[0]["error"].startswith("SyntaxError")


def test_a_long_print_is_cut_and_counted():
    ran, _ = run("print('a' * 80)")
    assert ran["text"] == "a" * 50
    assert ran["lost"] == 31
    paper = Paper(3)
    assert paper.write("abcd") == 4
    assert paper.lost == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="an interval timer needs Linux or macOS")
def test_a_cell_that_does_not_end_is_interrupted():
    ran, _ = run("while True: pass", cell_seconds=0.1)
    assert ran["timed_out"]
    assert ran["error"] == "stopped after 0.1 seconds"
