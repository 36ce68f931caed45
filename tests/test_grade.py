"""Grading a class: right marks for all, whatever one of them hands in."""

import csv
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
from exercise_miniature import (
    CHECKS,
    RIGHT,
    SECRET,
    STEM,
    STUBS,
    hand_in,
    lay_out,
    marked,
    release,
    right,
    solution,
    write,
)
from hostile import cases

from helpers.course import BadInput
from helpers.course.grading.audit import touches
from helpers.course.grading.grade import Grading, grade
from helpers.course.grading.marks import file_name, neutral
from helpers.course.grading.restore import restore
from helpers.course.grading.sandbox import Limits, why_not
from helpers.course.grading.submissions import read_submissions
from helpers.course.grading.tasks import read_exercise, theirs, visible

SHORT = Limits(
    memory_mb=700, processes=24, cell_seconds=1.5, check_seconds=1.0, grace_seconds=0.5,
    total_seconds=60.0,
)  # fmt: skip
needs_sandbox = pytest.mark.skipif(bool(why_not()), reason=why_not() or "there is a sandbox")


def hostile_class(test):
    """Mark a test that needs the whole class of hostile submissions graded."""
    return pytest.mark.slow(needs_sandbox(test))


TASKS = ["check-change", "check-dear", "check-total"]
HIDDEN = [SECRET, "4771", "4772", "1234.5", "0.1)", "HIDDEN"]  # of the hidden tests only


def rows(path):
    """Return the rows of a table by student."""
    return {row["student"]: row for row in csv.DictReader(io.StringIO(path.read_text("utf-8")))}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class of honest and hostile students, graded once; and the honest ones alone."""
    root = lay_out(tmp_path_factory.mktemp("course"))
    folder, into = root / "submissions", root / "marks"
    hand_in(folder, "ana", right())
    hand_in(folder, "zoe", right(total="total = 0"))
    shutil.copytree(folder, root / "honest")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        all_cases = cases(root, into, server.getsockname()[1])
        for student, case in all_cases.items():
            if callable(case.notebook):
                case.notebook(folder)
            else:
                hand_in(folder, student, case.notebook)
        alone = grade(root / "honest", Grading(root, root / "alone", SHORT))
        results = grade(folder, Grading(root, into, SHORT, jobs=os.cpu_count() or 1))
        with pytest.raises(BlockingIOError):
            server.accept()
    by_student = {result.student: result for result in results}
    return {"root": root, "into": into, "cases": all_cases, "results": by_student, "alone": alone}


CASES = sorted(cases(Path("a"), Path("b"), 0))


@hostile_class
@pytest.mark.parametrize("student", CASES)
def test_every_submission_gets_the_marks_it_deserves_and_is_named(graded, student):
    case, result = graded["cases"][student], graded["results"][student]
    given = tuple(result.points.get(task) for task in TASKS) if result.graded else None
    assert given == case.points, (result.look, result.tasks, result.cells)
    if case.told:
        assert case.told in " ".join(result.look + result.notes)
    if case.points is None:
        assert result.look


@hostile_class
def test_a_class_with_hostile_students_leaves_the_marks_of_the_others_as_they_are(graded):
    assert len(graded["cases"]) >= 34
    assert set(graded["results"]) == {"ana", "zoe", *graded["cases"]}
    with_all = rows(graded["into"] / "marks.csv")
    alone = rows(graded["root"] / "alone" / "marks.csv")
    assert with_all["ana"] == alone["ana"]
    assert with_all["zoe"] == alone["zoe"]
    assert alone["ana"]["total"] == "6"
    assert alone["zoe"]["total"] == "5"


@hostile_class
def test_no_page_of_feedback_and_no_table_shows_a_hidden_test(graded):
    pages = list((graded["into"] / "feedback").rglob("*.html"))
    assert len(pages) == len(graded["results"])
    for path in [*pages, graded["into"] / "marks.csv", graded["into"] / "report.csv", graded["into"] / "report.json"]:  # fmt: skip
        text = re.sub(r"<style>.*?</style>", "", path.read_text("utf-8"), flags=re.DOTALL)
        shown = [word for word in HIDDEN if word in text]
        own = path.parent.name == "looks_around"  # its own code holds the word HIDDEN
        assert not shown or (own and shown == ["HIDDEN"]), (path, shown)


@hostile_class
def test_pages_are_whole_and_run_nothing(graded):
    page = (graded["into"] / "feedback" / "fakes_output" / f"{STEM}.html").read_text("utf-8")
    assert "Add up all prices. Got: -1." in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "5 of 6 points" in page


@hostile_class
def test_the_files_of_the_machine_are_untouched(graded):
    marks = (graded["into"] / "marks.csv").read_text("utf-8")
    assert "me,100" not in marks
    assert marks.startswith("student,exercise,status,total,of,by_hand,check-change")
    solved = graded["root"] / "solutions" / STEM / f"{STEM}.ipynb"
    assert nbformat.read(solved, 4) == nbformat.reads(nbformat.writes(solution()), 4)


@hostile_class
def test_a_formula_in_a_name_is_text_in_the_tables(graded):
    assert "'=HYPERLINK(1)" in rows(graded["into"] / "marks.csv")
    for name in ("marks.csv", "report.csv"):
        for row in csv.reader(io.StringIO((graded["into"] / name).read_text("utf-8"))):
            assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@needs_sandbox
def test_a_run_that_was_killed_goes_on_and_grades_nothing_twice(tmp_path):
    root = lay_out(tmp_path / "course")
    for number in range(4):
        hand_in(root / "subs", f"student{number}", right(total=f"total = {number}"))
    words = [sys.executable, "-m", "helpers.course.cli", "grade", root / "subs", "--root", root, "-j", "1", "--into"]  # fmt: skip
    running = subprocess.Popen([*map(str, words), str(root / "a")], stdout=subprocess.DEVNULL)
    kept = root / "a" / "results"
    until = time.monotonic() + 60
    while len(list(kept.glob("*/*.json"))) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = {path: path.stat().st_mtime_ns for path in kept.glob("*/*.json")}
    assert 2 <= len(before) < 4
    partial = rows(root / "a" / "marks.csv")
    assert set(partial) <= {f"student{number}" for number in range(4)}
    how = Grading(root, root / "a", Limits(), jobs=2)
    grade(root / "subs", how)
    after = {path: path.stat().st_mtime_ns for path in kept.glob("*/*.json")}
    assert len(after) == 4
    assert all(after[path] == before[path] for path in before)
    marks = (root / "a" / "marks.csv").read_bytes()
    grade(root / "subs", Grading(root, root / "b", Limits(), jobs=1))
    assert (root / "b" / "marks.csv").read_bytes() == marks


@needs_sandbox
def test_a_changed_submission_is_graded_anew(tmp_path):
    root = lay_out(tmp_path)
    how = Grading(root, root / "marks", SHORT)
    hand_in(root / "subs", "ana", right(total="total = 0"))
    assert grade(root / "subs", how)[0].total == 5
    hand_in(root / "subs", "ana", right())
    assert grade(root / "subs", how)[0].total == 6


@needs_sandbox
def test_nothing_is_graded_when_the_solution_fails_its_own_checks(tmp_path):
    root = lay_out(tmp_path)
    spoilt = solution()
    for cell in spoilt.cells:
        if cell.id == "answer-total":
            cell.source = "### BEGIN SOLUTION\ntotal = 3\n### END SOLUTION"
    write(root / "solutions" / STEM / f"{STEM}.ipynb", spoilt)
    hand_in(root / "subs", "ana", right())
    with pytest.raises(BadInput, match=r"solution of 04a_small_change .* full marks; check-total"):
        grade(root / "subs", Grading(root, root / "marks", SHORT))
    assert not (root / "marks" / "marks.csv").exists()


def test_an_exercise_released_before_its_check_was_changed_is_refused(tmp_path):
    root = lay_out(tmp_path)
    changed = solution()
    next(c for c in changed.cells if c.id == "check-total").source += "\n    c.that(total, 'x')"
    write(root / "solutions" / STEM / f"{STEM}.ipynb", changed)
    with pytest.raises(BadInput, match="'check-total' differs. Release it again"):
        read_exercise(root, STEM)


@pytest.mark.parametrize(
    "name", ["ana/04a_churn_models.ipynb", "ana_04a_churn_models.ipynb", "ana/04a_churn_models.pdf"]
)
def test_work_on_a_retired_exercise_is_answered_with_its_successor(tmp_path, name):
    root = lay_out(tmp_path)
    hand_in(root / "subs", "bo", right())
    path = root / "subs" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(right()), encoding="utf-8")
    ana, bo = read_submissions(root / "subs", {STEM: read_exercise(root, STEM)})
    assert (ana.student, bo.student, bo.problem) == ("ana", "bo", "")
    if path.suffix == ".ipynb":  # it is not taken for the exercise that it resembles
        assert ana.problem.startswith("04a_churn_models was replaced by 04a_churn_baseline.")
        assert not ana.cells
    else:
        assert "No notebook" in ana.problem


@needs_sandbox
def test_each_student_is_graded_in_a_world_of_their_own(tmp_path):
    from helpers.course.grading.variants import seed_of

    root, secret = lay_out(tmp_path), b"a secret of 22 letters"
    seeds = {name: seed_of(name, STEM, secret, 0, 999_999) for name in ("ana", "ben")}
    assert seeds["ana"] != seeds["ben"]
    for name in seeds:
        notebook = right(total=f"total = {_sum_of(seeds['ana'])}")
        next(c for c in notebook.cells if c.id == "parameters").source = f"SEED = {seeds[name]}  # where chance starts; from 0 to 999_999"  # fmt: skip
        hand_in(root / "subs", name, notebook)
    hand_in(root / "subs", "cy", right())  # never took the SEED that was theirs
    found = {r.student: r for r in grade(root / "subs", Grading(root, root / "m", SHORT, secret=secret))}  # fmt: skip
    assert found["ana"].points["check-total"] == 1
    assert found["ben"].points["check-total"] == 0, "ana's total is not ben's"
    assert not found["ana"].look
    assert found["cy"].points["check-total"] == 1, "it is computed, so any world will do"
    assert "Another world" in found["cy"].look[-1]


@needs_sandbox
def test_marks_are_given_on_a_world_that_only_the_secret_names(tmp_path):
    root, dear = lay_out(tmp_path), RIGHT["dear"]
    # Who has seen the solution knows its world, and answers for no other.
    body = "return [one for one in prices if one > above and one in (5, 9, 4772, 3, 2_000_000)]"
    typed = f"def dear(prices, above):\n    {body}"
    for name, answer in {"ana": dear, "ben": typed}.items():
        hand_in(root / "subs", name, right(dear=answer))
    points = {}
    for place, secret in {"open": None, "marks": b"a secret of 22 letters"}.items():
        found = grade(root / "subs", Grading(root, root / place, SHORT, secret=secret))
        points[place] = {one.student: one.points["check-dear"] for one in found}
    assert points == {"open": {"ana": 3, "ben": 3}, "marks": {"ana": 3, "ben": 0}}


def _sum_of(seed):
    """Return the right total of a world, counted without the tools."""
    import random

    return sum(random.Random(seed + i).randint(1, 50) for i in range(20))


def test_without_a_sandbox_it_refuses_in_one_sentence_unless_told_otherwise(tmp_path, monkeypatch):
    root = lay_out(tmp_path)
    hand_in(root / "subs", "ana", right())
    monkeypatch.setattr("helpers.course.grading.grade.why_not", lambda: "No sandbox here.")
    with pytest.raises(BadInput, match="No sandbox here. .* add --unsandboxed"):
        grade(root / "subs", Grading(root, root / "m", SHORT))
    if sys.platform != "win32":
        (result,) = grade(root / "subs", Grading(root, root / "m", SHORT, sandboxed=False))
        assert result.points == {"check-change": 2, "check-dear": 3, "check-total": 1}


@needs_sandbox
def test_the_command_ends_with_0_when_all_is_well_and_1_when_something_needs_a_look(
    tmp_path, lifecycle_here
):
    root = lay_out(tmp_path)
    hand_in(root / "subs", "ana", right())
    done = lifecycle_here("grade", root / "subs", "--root", root, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 graded, 0 to look at." in done.stdout
    assert (root / ".grading" / "subs" / "marks.csv").is_file()
    hand_in(root / "subs", "ben", b"")
    done = lifecycle_here("grade", root / "subs", "--root", root, cwd=tmp_path)
    assert done.returncode == 1
    assert "The file is empty." in " ".join(done.stdout.split())


def test_the_command_refuses_what_it_cannot_use(tmp_path, lifecycle_here):
    root = lay_out(tmp_path)
    (root / "none").mkdir()
    for words, said in [
        (["grade", root / "nowhere"], "A folder of submissions was expected"),
        (["grade", root / "none"], "Nothing is there"),
        (["grade", root / "none", "--into", root / "none" / "x"], "lies in the folder of submissions"),
        (["grade", root / "none", "--secret-file", root / "x"], "A secret was expected"),
    ]:  # fmt: skip
        done = lifecycle_here(*words, "--root", root, cwd=tmp_path)
        if why_not() and said.startswith(("A folder", "Nothing")):
            said = "sandbox"
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        assert done.stderr.strip().count("\n") == 0


@needs_sandbox
def test_what_the_sandbox_would_show_is_refused(tmp_path, monkeypatch):
    root = lay_out(tmp_path)
    hand_in(root / "subs", "ana", right())
    monkeypatch.setattr("helpers.course.grading.sandbox.sys.prefix", str(tmp_path))
    with pytest.raises(BadInput, match="solutions lies in .* which submissions can read"):
        grade(root / "subs", Grading(root, root / "marks", SHORT))


def test_answers_are_theirs_and_everything_else_is_ours(tmp_path):
    exercise = read_exercise(lay_out(tmp_path), STEM)
    names, cells = theirs(exercise)
    assert names == {"change", "dear", "total"}
    assert cells == set()
    assert [cell.kind for cell in exercise.cells].count("check") == 3
    assert exercise.points == 6
    assert SECRET not in visible(CHECKS["dear"].replace("{secret}", SECRET))


def test_a_cell_of_ours_that_needs_an_answer_is_run_by_the_submission(tmp_path):
    notebooks = {"solutions": solution(), "exercises": release()}
    for folder, notebook in notebooks.items():
        place = next(i for i, c in enumerate(notebook.cells) if c.id == "answer-total")
        cell = nbformat.v4.new_code_cell("paid = [change(50, p) for p in prices]", id="glue")
        notebook.cells.insert(place, cell)
        write(tmp_path / folder / STEM / f"{STEM}.ipynb", notebook)
    names, cells = theirs(read_exercise(tmp_path, STEM))
    assert cells == {"glue"}
    assert "paid" in names


def read_cells_of(notebook):
    """Return the cells as a submission holds them."""
    from helpers.course.grading.read_cells import read_cells

    return read_cells(json.dumps(notebook).encode())[0]


def test_own_cells_stay_where_they_were_and_copies_of_checks_go(tmp_path):
    exercise = read_exercise(lay_out(tmp_path), STEM)
    notebook = right()
    place = next(i for i, c in enumerate(notebook.cells) if c.id == "answer-dear")
    notebook.cells.insert(place, nbformat.v4.new_code_cell("limit = 4"))
    notebook.cells.append(notebook.cells[-1].copy())
    restored = restore(exercise, read_cells_of(notebook))
    kinds = [(cell["id"], cell["kind"]) for cell in restored.cells]
    assert kinds == [
        ("parameters", "run"), ("setup", "run"), ("answer-change", "run"), ("check-change", "check"),
        ("own-1", "run"), ("answer-dear", "run"), ("check-dear", "check"), ("answer-total", "run"),
        ("check-total", "check"),
    ]  # fmt: skip
    assert all(cell["source"] == "" for cell in restored.cells if cell["kind"] == "check")
    assert restored.extra == ["limit = 4"]


def test_an_untouched_exercise_is_restored_as_it_was_handed_out(tmp_path):
    exercise = read_exercise(lay_out(tmp_path), STEM)
    restored = restore(exercise, read_cells_of(release()))
    assert restored.notes == []
    assert restored.answers == {f"answer-{name}": stub for name, stub in STUBS.items()}


def test_an_exercise_that_a_student_did_not_hand_in_is_missing(tmp_path):
    root = lay_out(lay_out(tmp_path), "05a_other")
    hand_in(root / "subs", "ana", right())
    hand_in(root / "subs", "ana", right(), stem="05a_other")
    hand_in(root / "subs", "ben", right())
    exercises = {stem: read_exercise(root, stem) for stem in (STEM, "05a_other")}
    found = {(one.student, one.stem): one.problem for one in read_submissions(root / "subs", exercises)}  # fmt: skip
    assert found[("ben", "05a_other")] == "Missing: nothing was handed in."
    assert [problem for key, problem in found.items() if key != ("ben", "05a_other")] == [""] * 3


def zipped(files):
    """Return the bytes of a zip."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


NB = json.dumps(right()).encode()
OTHER = json.dumps(release()).encode()
MADE_BY = f"{STEM}-checkpoint.ipynb"
HANDED_IN = {  # student -> files -> the exercise, and what is said of it
    "html": ({f"html/{STEM}.html": b"x"}, STEM, f"(found {STEM}.html)"),
    "txt": ({f"txt/{STEM}.ipynb.txt": NB}, STEM, f"(found {STEM}.ipynb.txt)"),
    "json": ({f"json/{STEM}.ipynb.json": NB}, STEM, f"(found {STEM}.ipynb.json)"),
    "script": ({f"script/{STEM}.py": b"1", "script/a.csv": b"1"}, STEM, f"(found {STEM}.py, a.csv)"),
    "deep": ({"deep/a/b/answers.docx": b"x"}, STEM, "(found answers.docx)"),
    "many": ({f"many/{n}.txt": b"x" for n in range(9)}, STEM, "(found 0.txt, 1.txt, 2.txt, 3.txt, 4.txt and 4 more)"),
    "capital": ({f"capital/{STEM}.IPYNB": NB}, STEM, ""),
    "nested": ({f"nested/week 1/{STEM.upper()}.ipynb": NB}, STEM, ""),
    "stem": ({"stem/homework.ipynb": NB}, STEM, ""),
    "empty": ({"empty/a/": b""}, STEM, "folder is empty"),
    "checkpoint": ({f"checkpoint/.ipynb_checkpoints/{MADE_BY}": NB}, STEM, "(found .ipynb_checkpoints)"),
    ".gitte": ({f".gitte/{STEM}.html": b"x"}, STEM, f"(found {STEM}.html)"),
    "mac": ({"mac/.DS_Store": b"x", f"mac/__MACOSX/._{STEM}.ipynb": b"x"}, STEM, "(found .DS_Store, __MACOSX)"),
    "zip": ({"zip.zip": zipped({"a/report.pdf": b"x", "__MACOSX/._a": b"x"})}, STEM, "(found report.pdf)"),
    "zip_empty": ({"zip_empty.zip": zipped({})}, STEM, "archive is empty"),
    "zip_tools": ({"zip_tools.zip": zipped({f"__MACOSX/._{STEM}.ipynb": b"x"})}, STEM, f"(found ._{STEM}.ipynb)"),
    "zip_in_zip": ({"zip_in_zip.zip": zipped({"in.zip": zipped({f"{STEM}.ipynb": NB})})}, STEM, "(found in.zip)"),
    "zip_capital": ({"zip_capital.ZIP": zipped({f"{STEM}.IPYNB": NB})}, STEM, ""),
    "zip_named": ({f"zip_named_{STEM}.zip": zipped({f"{STEM}.ipynb": NB})}, STEM, ""),
    "zip_inside": ({"zip_inside/all.zip": zipped({f"{STEM}.ipynb": NB})}, STEM, ""),
    "zip_beside": ({f"zip_beside/{STEM}.ipynb": NB, "zip_beside/all.zip": zipped({f"{STEM}.ipynb": NB})}, STEM, ""),
    "tar": ({"tar.tar.gz": b"x"}, STEM, "(found tar.tar.gz)"),
    "flat": ({f"flat_{STEM}.IPYNB": NB}, STEM, ""),
    "flat_page": ({f"flat_page_{STEM}.ipynb.html": b"x"}, STEM, f"(found flat_page_{STEM}.ipynb.html)"),
    "alone": ({"alone.pdf": b"x"}, STEM, "(found alone.pdf)"),
    "two": ({f"two/{STEM}.ipynb": NB, f"two/b/{STEM}.ipynb": OTHER}, STEM, "2 files claim"),
    "page_too": ({f"page_too/{STEM}.ipynb": NB, f"page_too/{STEM}.html": b"x", "page_too/a.csv": b"x"}, STEM, ""),
    "hidden": ({f"hidden/.{STEM}.ipynb": NB}, STEM, ""),
}  # fmt: skip


def test_whatever_somebody_handed_in_has_a_row_and_says_what_was_found(tmp_path):
    root = lay_out(tmp_path)
    for files, _, _ in HANDED_IN.values():
        for name, content in files.items():
            path = root / "subs" / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                path.write_bytes(content)
    (root / "subs" / ".DS_Store").write_bytes(b"x")
    (root / "subs" / "__MACOSX").mkdir()
    found = read_submissions(root / "subs", {STEM: read_exercise(root, STEM)})
    told = {one.student: (one.stem, one.problem) for one in found}
    assert len(found) == len(told) == len(HANDED_IN)
    for student, (_, stem, said) in HANDED_IN.items():
        assert told[student][0] == stem, student
        assert said in told[student][1] if said else told[student][1] == "", student
    notes = {one.student: one.notes for one in found}
    assert f"Left aside (no notebook): {STEM}.html, a.csv." in notes["page_too"]
    assert notes["zip_beside"] == [f"zip_beside/all.zip/{STEM}.ipynb was left aside."]


@needs_sandbox
def test_who_handed_in_no_notebook_stands_in_the_marks_and_is_to_look_at(tmp_path, lifecycle_here):
    root = lay_out(tmp_path)
    (root / "subs" / "eva").mkdir(parents=True)
    (root / "subs" / "eva" / f"{STEM}.html").write_text("<p>")
    done = lifecycle_here("grade", root / "subs", "--root", root, "--into", root / "marks")
    assert done.returncode == 1
    assert "0 of 1 graded, 1 to look at." in done.stdout
    row = rows(root / "marks" / "marks.csv")["eva"]
    assert row["status"] == f"not graded: no notebook in it (found {STEM}.html)"
    assert (row["exercise"], row["total"], row["of"]) == (STEM, "", "6")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from helpers.practice import CheckFailed", "touches the checker (helpers.practice)"),
        ("def f():\n    return open('x')", "opens files (open)"),
        ("import os.path", "reaches the system (os)"),
        ("().__class__.__subclasses__()", "looks through classes (__subclasses__)"),
        ("def f(:", "is no plain Python"),
        *(
            (source, f"looks at the truth of a world ({name})")
            for source, name in {
                "from helpers.worlds.operator import OperatorTruth": "OperatorTruth",
                "import helpers.worlds.shop.truth": "truth",
                "from helpers.worlds.incidents import Incident, incident\nincident(7)": "incident",
                "from helpers.worlds import incidents as i\ni.incident(7)": "incidents",
                "world.hidden.schedule": "hidden",
                "mine._incident": "_incident",
            }.items()
        ),
    ],
)
def test_the_audit_tells_what_an_answer_touches(source, said):
    assert touches(source) == [said]


def test_the_audit_is_silent_on_ordinary_answers():
    ordinary = "import pandas as pd\ntable = pd.DataFrame({'a': [1]})\ntable['b'] = table['a'].apply(lambda x: x + 1)\nmodel.fit(table)\nmodel.eval()"  # fmt: skip
    assert touches(ordinary) == []
    assert touches("from helpers.worlds import Operator\nfrom helpers.worlds.incidents import Incident") == []  # fmt: skip
    assert [touches(source) for source in RIGHT.values()] == [[], [], []]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "＝1"])
def test_no_cell_of_a_table_begins_like_a_formula(name):
    assert neutral(name).startswith("'")


def test_file_names_are_safe_and_never_shared():
    names = ["ana", "../ana", "a/b", "a%2fb", ".", "..", "Ünal", "a" * 300, "a" * 299 + "b", "a b"]
    made = [file_name(name) for name in names]
    assert len(set(made)) == len(names)
    assert not any(set(name) & set('/\\:*?"<>| ') or name.startswith(".") for name in made)
    assert max(map(len, made)) <= 100


@needs_sandbox
def test_files_beside_an_exercise_are_there_for_answers_and_nothing_else_is(tmp_path):
    root = lay_out(tmp_path)
    (root / "exercises" / STEM / "extra.csv").write_text("4\n5\n")
    listing = "import os\nprint(sorted(os.listdir()))\nprint(open('extra.csv').read().split())\n"
    hand_in(root / "subs", "ana", right(total=listing + RIGHT["total"]))
    (result,) = grade(root / "subs", Grading(root, root / "marks", SHORT))
    assert result.cells["answer-total"]["text"] == "['extra.csv']\n['4', '5']\n"
    assert result.total == 6


@needs_sandbox
def test_an_answer_in_words_is_left_to_a_person(tmp_path):
    words = {"grade": True, "solution": True, "locked": False, "points": 3}
    for folder, notebook in (("solutions", solution()), ("exercises", release())):
        cell = nbformat.v4.new_markdown_cell("Your words.", id="say-1", metadata=marked("say-1", **words))  # fmt: skip
        notebook.cells.append(cell)
        write(tmp_path / folder / STEM / f"{STEM}.ipynb", notebook)
    handed = right()
    cell.source = "Because <b>churn</b> costs more."
    handed.cells.append(cell)
    hand_in(tmp_path / "subs", "ana", handed)
    (result,) = grade(tmp_path / "subs", Grading(tmp_path, tmp_path / "marks", SHORT))
    assert (result.total, result.of, result.by_hand, result.look) == (6, 6, 1, [])
    assert rows(tmp_path / "marks" / "marks.csv")["ana"]["by_hand"] == "1"
    page = (tmp_path / "marks" / "feedback" / "ana" / f"{STEM}.html").read_text("utf-8")
    assert "Because &lt;b&gt;churn&lt;/b&gt; costs more." in page
    assert "Read by a person." in page
