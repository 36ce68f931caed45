"""The self-check: five ways to end, one line each, never the wanted value."""

import subprocess
import sys
import threading
import warnings
from datetime import datetime
from decimal import Decimal

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient

from helpers.answers import seal, show_value, words
from helpers.lifecycle import Stage
from helpers.practice import CheckFailed, Outcome, check


def stub(*args):
    raise NotImplementedError()


def failed(ask) -> CheckFailed:
    """Run a check that has to fail; return how it did."""
    with pytest.raises(CheckFailed) as raised, check("1") as c:
        ask(c)
    return raised.value


def passes(ask) -> bool:
    """Whether a check passes."""
    try:
        with check("1") as c:
            ask(c)
    except CheckFailed:
        return False
    return True


def test_a_right_answer_prints_one_line_with_a_sign_and_a_word(capsys):
    with check("3") as c:
        c.equal(c.call(len, "abc"), 3, "Count the letters.")
    assert capsys.readouterr().out == "✓ Task 3: correct\n"


def test_a_wrong_answer_says_the_hint_and_what_was_got_but_not_what_was_wanted():
    error = failed(lambda c: c.equal(c.call(len, "ab"), 77, "Count the letters."))
    assert str(error) == "✗ Task 1: Count the letters. Got: 2."
    assert error.outcome is Outcome.WRONG
    assert error.hint == "Count the letters."


def test_a_check_stops_at_the_first_thing_that_is_wrong():
    asked = []

    def ask(c):
        c.equal(1, 2, "first")
        asked.append("second")

    assert failed(ask).hint == "first"
    assert asked == []


@pytest.mark.parametrize("answer", [stub, lambda *args: ...])
def test_an_untouched_answer_is_not_attempted_and_not_wrong(answer):
    error = failed(lambda c: c.call(answer, 1))
    assert error.outcome is Outcome.NOT_ATTEMPTED
    assert str(error).startswith("· Task 1: not attempted yet.")
    assert failed(lambda c: c.refuses(stub, 1, hint="Refuse.")).outcome is Outcome.NOT_ATTEMPTED


def test_a_library_that_has_not_implemented_something_does_not_look_like_an_untouched_answer():
    library = type(sys)("library")
    exec("def work():\n    raise NotImplementedError('sparse')", vars(library))

    error = failed(lambda c: c.call(lambda: library.work()))
    assert error.outcome is Outcome.RAISED


def test_a_name_that_is_not_there_sends_to_the_answer_cell():
    error = failed(lambda c: c.call(break_even, 1))  # noqa: F821
    assert error.outcome is Outcome.NOT_DEFINED
    assert str(error).startswith("✗ Task 1: break_even is not defined. Run the answer cell above")


def test_a_missing_name_inside_an_answer_is_the_answers_own_error():
    def answer():
        return prices  # noqa: F821

    error = failed(lambda c: c.call(answer))
    assert error.outcome is Outcome.RAISED
    assert "NameError: name 'prices' is not defined, in answer()" in str(error)


def test_what_an_answer_raises_is_named_with_the_call_and_the_line():
    def ratio(a, b):
        return a / b

    error = failed(lambda c: c.call(ratio, 1, b=0))
    assert error.outcome is Outcome.RAISED
    assert error.hint == (
        "your code raised ZeroDivisionError: division by zero, in ratio(1, b=0), at: return a / b."
    )


def test_an_answer_that_leaves_the_program_is_caught_and_one_that_is_interrupted_is_not():
    assert failed(lambda c: c.call(lambda: sys.exit(0))).outcome is Outcome.RAISED

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), check("1") as c:
        c.call(interrupted)


def test_an_answer_that_the_check_cannot_use_is_told_so():
    error = failed(lambda c: c.close(c.call(dict)["profit"], 1, "x"))
    assert "the check cannot use your answer: KeyError: 'profit'" in str(error)
    assert failed(lambda c: c.call(3)).hint.startswith("the answer is a function")


def test_a_forgotten_return_is_asked_for():
    assert str(failed(lambda c: c.equal(None, 3, "Add up."))).endswith(
        "Got: nothing (None), as from a function without a return."
    )
    error = failed(lambda c: c.that(len(c.call(print)) == 1, "One row."))
    assert error.hint.endswith("Your function gave None: does each way through it end with return?")
    error = failed(lambda c: (c.call(print), c.call(dict)["profit"]))
    assert error.hint.endswith("Does it have the form asked for?"), "the last one gave something"


def test_a_notebook_draws_one_line_and_no_traceback():
    error = failed(lambda c: c.that(False, "two\nlines", got="a\nb"))
    assert error._render_traceback_() == [str(error)]
    assert "\n" not in str(error)
    assert isinstance(error, AssertionError)


def test_a_failure_has_no_chain_of_earlier_errors_to_show():
    def broken():
        raise ValueError("inner")

    error = failed(lambda c: c.call(broken))
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_standard_error_and_warnings_are_held_back_inside_a_check_only(capsys):
    def noisy():
        print("careful", file=sys.stderr)
        warnings.warn("old", stacklevel=1)
        return 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with check("1") as c:
            c.equal(c.call(noisy), 1, "One.")
        assert list(warnings.filters) == before
    print("after", file=sys.stderr)
    assert capsys.readouterr().err == "after\n"


def test_standard_error_comes_back_after_a_failed_check():
    before = sys.stderr
    failed(lambda c: c.that(False, "no"))
    assert sys.stderr is before


def test_an_answer_cannot_change_the_data_of_the_check():
    table = pd.DataFrame({"x": [1, 2]})

    def greedy(table, names):
        table["x"] = 0
        names.append("me")
        return 1

    names = ["ana"]
    with check("1") as c:
        c.call(greedy, table, names)
        c.equal([list(table["x"]), names], [[1, 2], ["ana"]], "Changed.")


def test_checks_in_threads_do_not_mix_their_tasks():
    seen = {}

    def run(task):
        try:
            with check(task) as c:
                c.equal(task, "0", "Only nought passes.")
        except CheckFailed as error:
            seen[task] = error.task

    threads = [threading.Thread(target=run, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {str(n): str(n) for n in range(1, 8)}


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ([1, 2], (1, 2)), (np.array([1, 2]), [1, 2]), (pd.Series([1.0, 2.0]), [1, 2]),
        (np.float64(0.3), 0.1 + 0.2), (np.bool_(True), True), ({"a": np.int64(1)}, {"a": 1}),
        (["b", "a"], {"a", "b"}), (None, None), (pd.Series(["x"]), np.array(["x"])), (2.0, 2),
        # Gaps, as pandas has them.
        (pd.Series([1.0, None]), pd.Series([1.0, None])), ([1, None], [1, float("nan")]),
        (pd.Series([1, None], dtype="Int64"), [1, np.nan]), ([pd.NaT, pd.NA], [None, None]),
        (float("nan"), np.float64("nan")), (pd.NA, np.nan), ({"a": None}, {"a": np.nan}),
        ({1, np.nan}, {float("nan"), 1}), (pd.Series([True, None], dtype="boolean"), [True, None]),
        # Numbers and moments of several libraries.
        ({0.1 + 0.2}, {0.3}), (2.9999999999999996, 3), (Decimal("1.5"), 1.5), (pd.Index([1]), [1]),
        (np.int64(2**60 + 1), 2**60 + 1), (1e300, 1e300 * (1 + 1e-15)), (pd.Categorical(["a"]), ["a"]),
        (np.array(["2025-01-01"], "M8[ns]"), [pd.Timestamp("2025-01-01")]), (10**400, 10**400),
        (np.datetime64("2025-01-01"), pd.Timestamp("2025-01-01")),
        (datetime(2025, 1, 1), pd.Timestamp("2025-01-01")),
    ],
)  # fmt: skip
def test_equal_answers_pass_whatever_they_come_in(got, want):
    assert passes(lambda c: c.equal(got, want, "Differs."))


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ([2, 1], [1, 2]), ([1], [1, 2]), ("12", [1, 2]), ("1", 1), (1, True), (True, 1), (1, None),
        ({"a": 1, "b": 2}, {"a": 1}), ({"b": 1}, {"a": 1}), ("ab", {"a", "b"}), (None, 0),
        (float("nan"), 1.0), (np.array([1, 2]), 1),
        (None, np.nan), (np.nan, None), ([None], [0]), ([None], ["None"]), ({1, np.nan}, {1}), ([True], [1]), ({1}, {True}),
        (1234567890123, 1234567890999), (1234567890123.0, 1234567890999.0), (2**60 + 1, 2**60),
        (float(2**60), 2**60 + 1), (12345678.91, 12345678.93), (1234567890.91, 1234567890.92),
        (np.datetime64("2025-01-02"), pd.Timestamp("2025-01-01")), (pd.DataFrame({"a": [1]}), ["a"]),
    ],
)  # fmt: skip
def test_unequal_answers_fail(got, want):
    assert not passes(lambda c: c.equal(got, want, "Differs."))


def test_close_takes_numbers_only_and_a_tolerance():
    assert passes(lambda c: c.close(np.float32(0.25), 0.25, "x"))
    assert passes(lambda c: c.close(0.2500001, 0.25, "x"))
    for wrong in (0.2504, "0.25", None, True, float("nan"), [0.25]):
        assert not passes(lambda c, wrong=wrong: c.close(wrong, 0.25, "x"))


def test_a_known_mistake_is_met_by_its_value():
    assert failed(lambda c: c.unlike(0.1 + 0.2, 0.3, "Upside down.")).hint == "Upside down."
    assert not passes(lambda c: c.unlike([1, 2], (1, 2), "x"))
    assert passes(
        lambda c: (c.unlike(0.25, 0.3, "x"), c.unlike(None, 0, "x"), c.unlike("a", 1, "x"))
    )


def test_tables_are_compared_by_content():
    want = pd.DataFrame({"id": ["a", "b"], "x": [1, None]})
    turned = pd.DataFrame({"x": [float("nan"), 1.0], "id": ["b", "a"]}, index=[7, 3])
    assert passes(lambda c: c.table(turned, want, "x"))
    assert not passes(lambda c: c.table(want.iloc[[0, 0]], want, "x"))
    assert not passes(lambda c: c.table(pd.concat([want, want]), want, "x"))


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (pd.Series([1, None], dtype="Int64"), [1, None]), (pd.Series([None, 1], dtype=object), [1, None]),
        ([0.3, 0.1 + 0.2, 1e-17], [0.0, 0.3, 0.3]), ([[1, 2], [0.1 + 0.2]], [[0.3], [1, 2]]),
        (pd.Categorical(["a", None]), [None, "a"]), (pd.Series([True, None], dtype="boolean"), [None, True]),
        (pd.to_datetime(["2025-01-01", None]), [None, pd.Timestamp("2025-01-01")]), ([], []),
        # A float holds an id this long only roughly, so the check could not ask for more.
        (pd.Series([1234567890123456789, None], dtype="Int64"), [1234567890123456789.0, None]),
    ],
)  # fmt: skip
def test_tables_with_gaps_and_rounding_are_equal(got, want):
    assert passes(lambda c: c.table(pd.DataFrame({"n": got}), pd.DataFrame({"n": want}), "x"))


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ([1234567890123], [1234567890999]), ([1234567890123, None], [1234567890999, None]),
        ([2**60 + 1], [2**60]), ([12345678.91], [12345678.93]), ([1234567890.91], [1234567890.92]),
        ([True], ["True"]), ([True], [1]), (["None"], [None]), ([1, 1], [1, 2]), ([1], [1, 1]), ([1, 1], [1]),
    ],
)  # fmt: skip
def test_tables_with_other_ids_amounts_or_kinds_are_not(got, want):
    assert not passes(lambda c: c.table(pd.DataFrame({"n": got}), pd.DataFrame({"n": want}), "x"))


def test_whole_numbers_are_never_only_close():
    assert not passes(lambda c: c.close(1234567890123, 1234567890999, "x"))
    assert passes(lambda c: c.close(10_000_000.3, 10_000_000, "x"))
    assert passes(lambda c: c.unlike(1234567890123, 1234567890999, "x"))
    assert not passes(lambda c: c.unlike([1, None], [1, np.nan], "x"))


def test_none_is_not_the_text_none():
    assert not passes(lambda c: c.items({"A": "None"}, {"A": None}, {"A": "x"}))
    assert words("None") != words(None)


def test_a_wrong_table_is_described_by_the_row_that_was_got():
    want = pd.DataFrame({"id": ["a", "b"], "x": [1, 2]})
    error = failed(lambda c: c.table(want.assign(x=[1, 9]), want, "Add up.", key="id"))
    assert str(error) == "✗ Task 1: Add up. Got: {'id': 'b', 'x': 9}."
    assert "2" not in str(error)
    assert "exactly the columns id, x" in str(failed(lambda c: c.table(want[["id"]], want, "x")))
    assert "a table is asked for" in str(failed(lambda c: c.table([1], want, "x")))


PLACES = {"A": "Data Collection", "B": {"Model Monitoring", "Monitoring"}}
HINTS = {"A": "it comes in.", "B": "it is watched."}


@pytest.mark.parametrize(
    "got",
    [
        {"A": "data  collection", "B": "Monitoring"},
        {"B": "model monitoring", "A": Stage.DATA_COLLECTION},
    ],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_items_are_compared_by_their_words(got, sealed):
    want = {"A": seal("Data Collection", "A"), "B": {seal("Monitoring", "B"), seal("Model Monitoring", "B")}} if sealed else PLACES  # fmt: skip
    assert passes(lambda c: c.items(got, want, HINTS))


@pytest.mark.parametrize(
    ("got", "said"),
    [
        ({"A": "Data Preparation", "B": "x"}, "A: it comes in. Got: 'Data Preparation'."),
        ({"A": "Data Collection", "B": "Deployment"}, "B: it is watched. Got: 'Deployment'."),
        ({"A": "Data Collection"}, "'B' has no answer yet."),
        ({"A": ..., "B": "Monitoring"}, "'A' has no answer yet."),
        ({"A": "Data Collection", "B": "Monitoring", "C": "?"}, "'C' is none of the items"),
        (["Data Collection"], "a dict is asked for"),
        ({"A": None, "B": "Monitoring"}, "A: it comes in."),
    ],
)
def test_the_first_wrong_item_gets_its_own_hint(got, said):
    error = failed(lambda c: c.items(got, PLACES, HINTS))
    assert said in str(error)
    assert "Model Monitoring" not in str(error)


STEPS = ["one", "two", "three"]
STEP_HINTS = {"one": "nothing comes before.", "two": "in the middle.", "three": "at the end."}


def test_an_order_is_checked_place_by_place():
    assert passes(lambda c: c.order(("One", "TWO", "three"), STEPS, STEP_HINTS))
    sealed = [seal(step, str(place)) for place, step in enumerate(STEPS, 1)]
    assert passes(lambda c: c.order(iter(STEPS), sealed, STEP_HINTS))
    assert failed(lambda c: c.order(["one", "three", "two"], sealed, STEP_HINTS)).hint == "place 2: at the end."  # fmt: skip
    for wrong in (["one", "two"], ["one", "one", "two"], "one", 3):
        assert "list of 3" in failed(lambda c, wrong=wrong: c.order(wrong, STEPS, STEP_HINTS)).hint
    assert "none of the names" in failed(lambda c: c.order(["one", "two", "four"], STEPS, {})).hint


def test_a_choice_is_checked_without_naming_what_is_missing():
    want = [seal("A"), seal("C")]

    def choose(*got):
        return lambda c: c.choice(
            set(got), want, {"B": "it is later."}, "one more: think of goals."
        )

    assert passes(choose("c", "A"))
    assert failed(choose("A", "B", "C")).hint == "B: it is later."
    assert failed(choose("A", "Z")).hint == "Z: this is not on the list to choose from."
    assert str(failed(choose("A"))) == "✗ Task 1: one more: think of goals. Got: {'A'}."
    assert "a list" in failed(lambda c: c.choice("AC", want, {}, "x")).hint


def test_a_refusal_can_be_asked_for():
    def strict(x):
        if x < 0:
            raise ValueError("below zero")
        return x

    assert passes(lambda c: c.refuses(strict, -1, hint="Refuse."))
    assert (
        str(failed(lambda c: c.refuses(strict, 1, hint="Refuse."))) == "✗ Task 1: Refuse. Got: 1."
    )
    assert failed(lambda c: c.refuses(strict, "x", hint="Refuse.")).outcome is Outcome.RAISED


def test_what_was_got_is_shown_in_one_short_line():
    class Odd:
        def __repr__(self):
            raise RuntimeError

    assert show_value(np.float64(0.5)) == "0.5"
    assert show_value(pd.DataFrame({"a": [1]})) == "a table with 1 row(s) and the columns a"
    assert show_value(Odd()) == "an object of Odd"
    assert len(show_value("x\n" * 500)) <= 80


def test_a_seal_hides_the_answer_and_differs_from_item_to_item():
    assert "data" not in seal("Data Collection", "A").lower()
    assert seal("Data Collection", "A") != seal("Data Collection", "B")
    assert seal("Model Development & Evaluation") == seal(Stage.MODEL_DEVELOPMENT)


def test_the_self_check_needs_no_notebook_and_makes_nobody_wait_for_pandas():
    code = "import sys, helpers.practice; print(*{'IPython', 'matplotlib', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


DOUBLE = "def double(x):\n    return 2 * x"
ASKED = """# Check task 1: run this cell
from helpers.practice import check

with check("1") as c:
    c.equal(c.call(double, 3), 6, "take it twice.")"""
OF_TOTAL = ASKED.replace("c.call(double, 3)", "total")


@pytest.fixture(scope="module")
def typed():
    """Run cells one after the other in one real kernel, as a learner does; return what they show."""
    notebook = nbformat.v4.new_notebook(cells=[])
    client = NotebookClient(notebook, kernel_name="python3", allow_errors=True)

    def run(*sources):
        for source in sources:
            cell = nbformat.v4.new_code_cell(source)
            notebook.cells.append(cell)
            client.execute_cell(cell, len(notebook.cells) - 1)
        return "".join(o.get("text") or "\n".join(o.get("traceback", [])) for o in cell.outputs)

    with client.setup_kernel():
        run("total = 6", DOUBLE)
        yield run


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("def double(x)\n    return 2 * x", "SyntaxError: expected ':' (line 1)"),
        ("def double(x):\nreturn 2 * x", "IndentationError: expected an indented block"),
        ("  def double(x):\n return 2 * x", "IndentationError: unexpected indent (line 1)"),
        ("async def double(x:\n    return 2 * x", "SyntaxError: '(' was never closed (line 1)"),
        ("def double(x):\n    return 2 * x\n\nprint(nope)", "NameError: name 'nope' is not defined"),
        ("double: object = nope", "NameError: name 'nope' is not defined"),
        ("@nope\ndef double(x):\n    return 2 * x", "NameError: name 'nope' is not defined"),
        ("nope", "NameError: name 'nope' is not defined"),
        ("2 +", "SyntaxError: invalid syntax (line 1)"),
        ("%nope", "UsageError: Line magic function `%nope` not found"),
    ],
)  # fmt: skip
def test_an_answer_cell_that_just_failed_is_told_and_nothing_older_is_judged(typed, broken, said):
    assert typed(DOUBLE, ASKED) == "✓ Task 1: correct\n"
    failed = f"✗ Task 1: the answer cell just failed: {said}"
    assert typed(broken, ASKED).startswith(failed)
    assert typed(ASKED).startswith(failed), "asking again mends nothing"
    assert typed(OF_TOTAL, "total = 6", OF_TOTAL) == "✓ Task 1: correct\n", "it is another's answer"
    assert typed(DOUBLE, ASKED) == "✓ Task 1: correct\n"


def test_a_failure_of_another_cell_is_not_this_answers(typed):
    assert typed("total = nope", DOUBLE, ASKED) == "✓ Task 1: correct\n"
    assert typed("total = nope", ASKED) == "✓ Task 1: correct\n"
    assert "just failed: NameError" in typed(OF_TOTAL)
    assert typed("total = 6", OF_TOTAL) == "✓ Task 1: correct\n"
    # A check that failed is no failed cell, and its own tables are not the answer's.
    assert "take it twice" in typed("def double(x):\n    return x", f"total = 6\n{ASKED}")
    assert typed(OF_TOTAL) == "✓ Task 1: correct\n"


def test_an_untouched_answer_is_not_attempted_in_a_notebook_either(typed):
    for stub in (
        DOUBLE.replace("return 2 * x", "raise NotImplementedError()"),
        "raise NotImplementedError()",
    ):
        assert typed(stub, ASKED).startswith("· Task 1: not attempted yet.")
    assert typed(DOUBLE, ASKED) == "✓ Task 1: correct\n"
