"""Exercises prove themselves; and the prover finds each way in which one can be bad."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, first_always, type_lifecycle
from miniature import cell
from miniature_exercise import STEM, STUB, good_solution, marked, replaces, store_course, told
from nbformat.v4 import new_code_cell, new_output

from helpers.course import BadInput, Failed
from helpers.course.authors import exercises
from helpers.course.authors.exercise_rules import world_of_ones_own
from helpers.course.authors.exercises import (
    CONFIG,
    exercise_of,
    is_check,
    pick_solutions,
    put_answer,
    read_tasks,
    release,
)
from helpers.course.authors.proof import prove
from helpers.course.runner.shelf import all_notebooks, read_notebook

SOLUTIONS = pick_solutions(ROOT, [])
NEEDS = "nbgrader belongs to the authors' tools: python3 run.py setup --authors"


@pytest.mark.parametrize("solution", first_always(SOLUTIONS), ids=lambda path: path.stem)
def test_an_exercise_proves_itself(solution):
    proof = prove(solution)
    assert proof.holes == []
    assert all(task.refused == task.mistakes >= 3 for task in proof.tasks)
    assert all(task.accepted == task.alternatives >= 1 for task in proof.tasks)
    assert len(proof.tasks) >= 2


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_the_checks_of_a_stored_solution_say_correct(solution):
    for one in filter(is_check, read_notebook(solution).cells):
        (output,) = one.outputs
        assert output.text == f"✓ Task {one.id.removeprefix('check-')}: correct\n"


def test_solutions_exercises_and_lessons_bear_the_same_names():
    lessons = {path.stem for path in all_notebooks(ROOT / "notebooks")}
    stems = {path.stem for path in SOLUTIONS}
    assert {path.parent.name for path in ROOT.glob("exercises/*/*.ipynb")} == stems
    assert stems <= lessons
    assert {"00_the_lifecycle", "06b_drift_and_decay"} <= stems


def test_the_study_questions_have_their_decidable_answers():
    # The eight questions and the scenario, as the source notes answer them.
    names: dict = {}
    notebook = read_notebook(pick_solutions(ROOT, ["00"])[0])
    for one in notebook.cells:
        if one.id.startswith(("answer-", "setup")):
            exec(one.source, names)
    assert [name.split()[0] for name in names["stages_in_order"]()] == [
        "Problem", "Data", "Data", "Model", "Model",
    ]  # fmt: skip
    parts = names["part_of_each_activity"]()
    assert parts["C"] == "Problem Definition"
    assert parts["A"] == "Data Collection"
    assert parts["E"] == "Data Preparation"
    assert parts["F"] == "Model Development & Evaluation"
    assert parts["B"] == "Model Deployment"
    assert parts["D"] == "Model Monitoring"
    assert [names["etl"]()[letter] for letter in "ETL"] == ["Extract", "Transform", "Load"]
    shares = names["time_shares"](names["sheet"])
    assert shares["data"] == pytest.approx(36 / 60)  # 9 + 16 + 11 hours of 60
    assert sum(one.id.startswith("say-") for one in notebook.cells) == 2


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_no_hint_tells_the_answer_of_the_item_that_it_is_about(solution):
    notebook = read_notebook(solution)
    names: dict = {}
    for one in notebook.cells:
        if one.id.startswith(("answer-", "setup")):
            exec(one.source, names)
    for task in read_tasks(notebook):
        name = re.search(r"def (\w+)\(\):", cell(notebook, task.answer).source)
        answer = names[name.group(1)]() if name else None
        for mistake in task.mistakes if isinstance(answer, dict) else ():
            item, _, text = mistake.hint.partition(": ")
            if item in answer:  # the other hints are the checker's own: no answer, or one too many
                assert str(answer[item]).lower() not in text.lower()


def test_a_good_miniature_proves_itself(tmp_path):
    proof = prove(store_course(tmp_path))
    assert proof.holes == []
    assert [(t.task, t.points, t.refused, t.accepted) for t in proof.tasks] == [
        ("1", 2, 4, 1),
        ("2", 2, 4, 1),
    ]


def drop(*names):
    def spoil(notebook):
        before = len(notebook.cells)
        notebook.cells = [one for one in notebook.cells if one.id not in names]
        assert len(notebook.cells) == before - len(names)

    return spoil


def set_tags(name, *tags):
    return lambda notebook: cell(notebook, name).metadata.update(tags=list(tags))


def set_grader(name, **marks):
    return lambda notebook: cell(notebook, name).metadata.nbgrader.update(marks)


def more_mistakes(notebook):
    for n in range(3):
        notebook.cells.append(told(f"more-{n}", f"m{n}", "1", f"return {n}", f"hint {n}"))


def show_outputs(exercise):
    cell(exercise, "check-1").outputs = [new_output("stream", name="stdout", text="x")]


BAD = {
    "a mistake that is accepted": (
        replaces("mistake-1-1", "return x * x", "return x * 2"),
        "check-1 accepts the mistake 'squared'",
    ),
    "a mistake that only the hidden part catches": (
        replaces("mistake-1-1", "return x * x", "return 6"),
        "check-1 (visible part) accepts the mistake 'squared'",
    ),
    "a hidden-only mistake that is seen": (
        replaces("mistake-1-4", "return 6", "return 7"),
        "catches 'typed in', which is tagged hidden-only",
    ),
    "a hint that differs": (
        replaces("mistake-1-1", "that is the square.", "you squared it."),
        'check-1 answers \'squared\' with "that is the square.", not "you squared it."',
    ),
    "an error where a hint was promised": (
        replaces("mistake-1-1", "return x * x", "return x / 0"),
        "your code raised ZeroDivisionError",
    ),
    "another error than the one promised": (
        replaces("mistake-2-4", "return text", "return texts[9]"),
        "answers 'no such name' with \"your code raised IndexError",
    ),
    "an alternative that is refused": (
        replaces("alternative-1-1", "return x + x", "return str(x) + 'a'"),
        "check-1 refuses the alternative 'added'",
    ),
    "a solution that is refused": (
        replaces("answer-1", "return 2 * x", "return 2 * x + (x > 9)"),
        "check-1 refuses the solution: take any number twice.",
    ),
    "a task that needs another one's answer": (
        replaces("answer-2", "return max(texts, key=len)", "return max(texts, key=lambda t: double(len(t)))"),
        "task 2 cannot be solved alone",
    ),
    "a check that asks nothing": (
        lambda n: cell(n, "check-2").update(source='# Check\nfrom helpers.practice import check\n\nwith check("2") as c:\n    pass'),
        "check-2 passes on the untouched exercise: it cannot fail",
    ),
    "a check that breaks on the untouched exercise": (
        replaces("check-1", "got = c.call(double, 3)", "got = c.call(double, 3) if 0 else 1 / 0"),
        "check-1 calls the untouched exercise raised",
    ),
    "a grade id used twice": (set_grader("task-2", grade_id="task-1"), "grade id task-1 is used 2 times"),
    "a grade id that is not the cell's": (set_grader("task-2", grade_id="other"), "has the grade id other"),
    "a cell unknown to nbgrader": (lambda n: cell(n, "task-2").metadata.pop("nbgrader"), "cell task-2 is neither locked"),
    "an author's cell known to nbgrader": (
        lambda n: cell(n, "mistake-1-1").metadata.update(marked("mistake-1-1")),
        "cell mistake-1-1 is author-only",
    ),
    "a mistake that would be handed out": (
        set_tags("mistake-1-1", "mutant", "for:answer-1"),
        "cell mistake-1-1 is not tagged author-only",
    ),
    "a mistake for nobody": (set_tags("mistake-1-1", "author-only", "mutant"), "is for no answer"),
    "a mistake for an unknown answer": (
        set_tags("mistake-1-1", "author-only", "mutant", "for:answer-9"),
        "is for answer-9, which is none",
    ),
    "a mistake without its kind": (set_tags("mistake-1-1", "author-only", "for:answer-1"), "cell mistake-1-1 lacks a tag"),
    "a mistake without a hint": (replaces("mistake-1-1", "**Hint:**", "Hint:"), "cell mistake-1-1 lacks"),
    "a mistake without code": (replaces("mistake-1-1", "```python", "```"), "cell mistake-1-1 lacks"),
    "code that cannot be parsed": (replaces("mistake-1-1", "return x * x", "return x *"), "cannot be parsed"),
    "too few mistakes": (drop("mistake-1-1", "mistake-1-2"), "task 1 has 2 mistakes; 3 to 6"),
    "too many mistakes": (more_mistakes, "task 1 has 7 mistakes; 3 to 6"),
    "one hint for two mistakes": (
        replaces("mistake-1-2", "that is one more.", "that is the square."),
        "gives one hint to 2 mistakes",
    ),
    "no alternative": (drop("alternative-2-1"), "task 2 has no alternative"),
    "an answer without a check": (drop("check-2"), "cell answer-2 has no partner check-2"),
    "a check without an answer": (drop("answer-2"), "cell check-2 has no partner answer-2"),
    "a check before its answer": (
        lambda n: n.cells.insert(0, n.cells.pop(n.cells.index(cell(n, "check-1")))),
        "check-1 stands before its answer",
    ),
    "a check that is not collapsed": (lambda n: cell(n, "check-1").metadata.pop("jupyter"), "check-1 is not collapsed"),
    "a check that begins with code": (replaces("check-1", "# Check task 1: run this cell\n", ""), "with a comment"),
    "a check that speaks of another task": (replaces("check-1", 'check("1")', 'check("7")'), 'does not say: with check("1")'),
    "a check without points": (set_grader("check-1", points=0), "check-1 gives no points"),
    "a hidden part without an end": (replaces("check-1", "    ### END HIDDEN TESTS", ""), "check-1 needs one hidden part"),
    "an answer without marks": (replaces("answer-1", "### BEGIN SOLUTION", "# here"), "answer-1 needs 1 pair"),
    "marks outside an answer": (replaces("task-1", "Do it.", "### BEGIN SOLUTION"), "task-1 needs 0 pair"),
    "an answer outside a function": (
        lambda n: cell(n, "answer-1").update(source="### BEGIN SOLUTION\ndouble = len\n### END SOLUTION"),
        "outside a function",
    ),
    "no task at all": (
        lambda n: n.update(cells=[one for one in n.cells if one.id in ("title", "say-1", "checklist-1")]),
        "has no task",
    ),
    "words without points": (set_grader("say-1", points=0), "say-1 is an answer in words"),
    "words without a checklist": (replaces("checklist-1", "- [ ] two\n", ""), "say-1 needs a checklist of three"),
    "a solution that was never executed": (
        lambda n: cell(n, "check-1").update(execution_count=None),
        "cells are numbered [1, None, 3, 4]",
    ),
}  # fmt: skip
MOVES = (
    lambda n: (
        n.cells.insert(1, new_code_cell("words = []", id="setup", metadata=marked("setup"), execution_count=1)),
        [one.update(execution_count=one.execution_count + 1) for one in n.cells[2:] if one.cell_type == "code"],
        replaces("check-2", 'with check("2") as c:\n', 'with check("2") as c:\n    c.equal(words, [], "none.")\n')(n),
        replaces("mistake-1-1", "return x * x", "words.append(x)\nreturn x * x")(n),
    ),
    "check-2 depends on task 1: the mistake 'squared' fails it too",
)  # fmt: skip
BAD["a mistake that moves another check"] = MOVES
BAD["a check that cannot fail"] = (
    lambda n: cell(n, "check-2").update(
        source='# Check\nfrom helpers.practice import check\n\nwith check("2") as c:\n    c.equal("ab", "ab", "x")'
    ),
    "check-2 passes on the untouched exercise: it cannot fail",
)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_solution_is_found_out(name, tmp_path):
    spoil, said = BAD[name]
    holes = prove(store_course(tmp_path, spoil)).holes
    assert any(said in hole for hole in holes), holes


LEAKS = {
    "an author's tag": (
        lambda e: cell(e, "task-1").metadata.update(tags=["author-only"]),
        "the exercise shows 'author-only'",
    ),
    "a line of the solution": (
        replaces("answer-2", STUB, "return max(texts, key=len)"),
        "shows a line of the solution: return max(texts, key=len)",
    ),
    "a line of the hidden part": (
        replaces("task-1", "Do it.", 'c.equal(c.call(double, 50), 100, "take any number twice.")'),
        "shows a line of the hidden part",
    ),
    "a mistake": (
        replaces("task-1", "Do it.", "**Mistake:** squared"),
        "the exercise shows '**Mistake:**'",
    ),
    "a worked answer": (
        replaces("say-1", "*Your answer.*", "Because it is known."),
        "shows a line of a worked answer",
    ),
    "outputs": (show_outputs, "stored with outputs"),
    "a mark": (replaces("answer-1", STUB, f"### BEGIN SOLUTION\n    {STUB}"), "'### BEGIN SOLUTION'"),
    "a cell too many": (
        lambda e: e.cells.append(new_code_cell("1", id="new")),
        "the exercise has other cells than the solution",
    ),
    "another check than the solution's": (
        replaces("check-1", "take it twice.", "take it two times."),
        "cell check-1 is not the solution's any more",
    ),
}  # fmt: skip
LEAKS["the solution"] = (
    replaces("answer-1", STUB, "return 2 * x"),
    "shows a line of the solution: return 2 * x",
)


@pytest.mark.parametrize("name", LEAKS)
def test_an_exercise_that_shows_too_much_or_is_stale_is_found_out(name, tmp_path):
    spoil, said = LEAKS[name]
    holes = prove(store_course(tmp_path, spoil_exercise=spoil)).holes
    assert any(said in hole for hole in holes), holes


def test_a_missing_exercise_says_what_to_type(tmp_path):
    path = store_course(tmp_path)
    shutil.rmtree(tmp_path / "exercises")
    assert prove(path).holes == [f"there is no exercise; type: python3 run.py release {STEM}"]


def test_a_variant_stands_in_for_what_is_between_the_marks_at_its_indent():
    source = "import math\n\n\ndef f(x):\n    if x:\n        ### BEGIN SOLUTION\n        return 1\n        ### END SOLUTION\n    return 0"
    put = put_answer(source, "y = 2\nreturn y\n")
    assert (
        put
        == "import math\n\n\ndef f(x):\n    if x:\n        y = 2\n        return y\n    return 0"
    )


def test_names_pick_solutions_and_a_wrong_one_is_refused_with_the_nearest(tmp_path):
    for stem in ("00_the_lifecycle", "04a_churn_baseline"):
        store_course(tmp_path, stem=stem)
    assert [path.stem for path in pick_solutions(tmp_path, ["04"])] == ["04a_churn_baseline"]
    assert len(pick_solutions(tmp_path, [])) == 2
    with pytest.raises(BadInput, match="Did you mean 04a_churn_baseline"):
        pick_solutions(tmp_path, ["churn_baseline"])
    with pytest.raises(BadInput, match="^04a_churn_models was replaced by 04a_churn_baseline"):
        pick_solutions(tmp_path, ["solutions/04a_churn_models/04a_churn_models.ipynb"])
    with pytest.raises(BadInput, match="there are none"):
        pick_solutions(tmp_path / "nowhere", [])


def test_proof_prints_a_table_and_one_sentence_a_hole(tmp_path, lifecycle_here):
    store_course(tmp_path)
    done = lifecycle_here("proof", "--root", tmp_path)
    assert done.returncode == 0, done.stdout
    assert "4 of 4" in done.stdout
    assert "1 exercise(s), 0 hole(s)." in done.stdout
    store_course(tmp_path, replaces("mistake-1-1", "return x * x", "return x * 2"))
    done = lifecycle_here("proof", "--root", tmp_path)
    assert done.returncode == 1
    assert "3 of 4" in done.stdout
    assert f"{STEM}: check-1 accepts the mistake 'squared'\n" in done.stdout


def test_proof_prints_for_machines(tmp_path, lifecycle_here):
    store_course(tmp_path)
    (proof,) = json.loads(lifecycle_here("proof", "--json", "--root", tmp_path).stdout)
    assert proof["exercise"] == STEM
    assert proof["tasks"][0] == {
        "task": "1", "points": 2, "mistakes": 4, "refused": 4, "alternatives": 1, "accepted": 1,
    }  # fmt: skip
    assert proof["variants"] == 10


def test_without_nbgrader_release_says_in_one_sentence_what_to_type(
    tmp_path, monkeypatch, lifecycle_here
):
    store_course(tmp_path)
    monkeypatch.setattr(exercises, "find_spec", lambda name: None)
    done = lifecycle_here("release", "--root", tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "lifecycle: Exercises are derived by nbgrader, which only authors install. "
        "Type: python3 run.py setup --authors\n"
    )


# What follows needs nbgrader, whose every call takes seconds: they share one release.


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A miniature solution, released from scratch under a user's own odd settings."""
    pytest.importorskip("nbgrader", reason=NEEDS)
    root, own = tmp_path_factory.mktemp("course"), tmp_path_factory.mktemp("settings")
    (own / "nbgrader_config.py").write_text(
        "c = get_config()\nc.ClearSolutions.code_stub = {'python': 'pass'}\n"
        "c.TagRemovePreprocessor.enabled = False\n"
    )
    solution = store_course(root, never_executed)
    (solution.parent / "till.csv").write_bytes(b"a,b\n1,2\n")
    shutil.copy(ROOT / CONFIG, root)
    shutil.rmtree(root / "exercises")
    settings = {"JUPYTER_CONFIG_DIR": str(own), "JUPYTER_CONFIG_PATH": str(own)}
    done = type_lifecycle("release", "--root", root, env=settings)
    assert done.returncode == 0, done.stderr
    return solution


def never_executed(notebook):
    for one in notebook.cells:
        if one.cell_type == "code":
            one.update(outputs=[], execution_count=None)


def test_stored_exercises_are_what_nbgrader_derives_now():
    pytest.importorskip("nbgrader", reason=NEEDS)
    assert release(SOLUTIONS, check=True) == {path.stem: False for path in SOLUTIONS}


def test_a_release_bakes_the_solution_and_is_proven(released):
    assert cell(read_notebook(released), "check-2").execution_count == 4
    assert prove(released).holes == []


def test_a_second_release_has_the_same_bytes(released):
    first = exercise_of(released).read_bytes()
    exercise_of(released).unlink()
    assert release([released]) == {STEM: True}
    assert exercise_of(released).read_bytes() == first


def test_a_release_keeps_ids_and_leaves_out_what_is_for_authors(released):
    made, solution = read_notebook(exercise_of(released)), good_solution()
    kept = [one for one in solution.cells if "tags" not in one.metadata]
    assert len(kept) < len(solution.cells)
    assert [one.id for one in made.cells] == [one.id for one in kept]
    assert [one.metadata.nbgrader.grade_id for one in made.cells] == [one.id for one in kept]
    assert cell(made, "answer-1").source == f"def double(x):\n    {STUB}"
    assert cell(made, "check-1").metadata.jupyter.source_hidden
    assert "HIDDEN" not in cell(made, "check-1").source


def test_files_beside_a_solution_are_handed_out_with_it(released):
    assert (exercise_of(released).parent / "till.csv").read_bytes() == b"a,b\n1,2\n"


def test_what_nbgrader_refuses_is_not_written(tmp_path):
    pytest.importorskip("nbgrader", reason=NEEDS)
    solution = store_course(tmp_path, set_grader("task-2", grade_id="task-1"))
    shutil.copy(ROOT / CONFIG, tmp_path)
    before = exercise_of(solution).read_bytes()
    with pytest.raises(Failed, match=f"nbgrader could not derive {STEM}: .*Duplicate grade"):
        release([solution])
    assert exercise_of(solution).read_bytes() == before


@pytest.mark.slow
def test_nbgrader_itself_marks_a_right_and_an_untouched_exercise(tmp_path):
    pytest.importorskip("nbgrader", reason=NEEDS)
    root, solution = tmp_path, store_course(tmp_path)
    shutil.rmtree(root / "exercises")
    shutil.copy(ROOT / CONFIG, root)
    (root / ".grading").mkdir()
    environment = {
        **os.environ,
        "JUPYTER_NO_CONFIG": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }

    def nbgrader(*words):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *words], cwd=root, env=environment,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    nbgrader("generate_assignment", STEM)
    untouched = exercise_of(solution).read_text(encoding="utf-8")
    notebook = nbformat.reads(untouched, as_version=4)
    for number, body in (("1", "return x + x"), ("2", "return max(texts, key=len)")):
        answer = cell(notebook, f"answer-{number}")
        answer.source = answer.source.replace(STUB, body)
    for student, text in (("ana", nbformat.writes(notebook)), ("bo", untouched)):
        handed_in = root / ".grading" / "submitted" / student / STEM / f"{STEM}.ipynb"
        handed_in.parent.mkdir(parents=True)
        handed_in.write_text(text, encoding="utf-8")
    nbgrader("autograde", STEM)

    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{root / '.grading' / 'gradebook.db'}") as book:
        scores = {s: book.find_submission(STEM, s).code_score for s in ("ana", "bo")}
    assert scores == {"ana": 4, "bo": 0}


@pytest.mark.parametrize(
    ("source", "findings"),
    [
        ("SEED = 7  # whose world it is; from 0 to 999", []),
        ("SEED = (\n    7  # whose world it is; from 0 to 999\n)", ["SEED needs its range"]),
        ("SEED = 7  # whose world it is", ["SEED needs its range"]),
    ],
)
def test_a_seed_that_cannot_be_given_to_each_student_is_a_finding(source, findings):
    parameters = new_code_cell(source, metadata={"tags": ["parameters"]})
    found = world_of_ones_own(nbformat.v4.new_notebook(cells=[parameters]))
    assert [finding[: len("SEED needs its range")] for finding in found] == findings
