"""The self-check of an exercise: one line of verdict, and a hint instead of a traceback.

    with check("1") as c:
        price = c.call(break_even, 20, 500, 0.3)
        c.close(price, 20 / 150, "Divide what a call costs by what it brings on average.")

A check ends in exactly one of five ways, and stops at the first thing that is wrong:

- everything asked holds: it prints ``✓ Task 1: correct``;
- an answer is **wrong**: ``✗ Task 1: <hint> Got: <what was got>.`` (never what was wanted);
- **not attempted**: the answer still raises NotImplementedError, or returns ``...``;
- **not defined**: the answer cell was not run;
- **raised**: the learner's own code raised something; the line says what, and in which call. In a
  notebook that includes the answer cell: when its last run failed, nothing older is judged.

All but the first raise `CheckFailed`, a real error for papermill, nbgrader and pytest, which a
notebook draws as that one line. `CheckFailed.outcome` and `CheckFailed.hint` tell tools what
happened. Warnings and standard error are held back inside a check: nbgrader marks a cell that
writes to standard error as failed. Text answers are compared by their words, so that capital
letters, spaces and ``&`` for ``and`` do not count; a `helpers.lifecycle.Stage` counts as its title.
Whole numbers are compared exactly, others but for rounding; inside a list or a table all gaps of
pandas are equal.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import io
import linecache
import re
import sys
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from typing import Any

from helpers.answers import (
    first_stray,
    is_number,
    is_right,
    one_line,
    plain,
    same,
    same_number,
    shorten,
    show_value,
    words,
)

_NOTHING = object()
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Outcome(Enum):
    """How a check can fail."""

    WRONG = "wrong"
    NOT_ATTEMPTED = "not attempted"
    NOT_DEFINED = "not defined"
    RAISED = "raised"


class CheckFailed(AssertionError):
    """A check did not pass; as text it is one line.

    Attributes
    ----------
    task : name of the task.
    outcome : how it failed.
    hint : the sentence for the learner, without what was got.
    got : what was got, in words; empty when nothing was.
    """

    def __init__(self, task: str, outcome: Outcome, hint: str, got: str = "") -> None:
        self.task, self.outcome, self.hint, self.got = task, outcome, one_line(hint), got
        mark = "·" if outcome is Outcome.NOT_ATTEMPTED else "✗"
        said = f" Got: {got}." if got else ""
        super().__init__(f"{mark} Task {task}: {self.hint}{said}")

    def _render_traceback_(self) -> list[str]:
        """Tell a notebook to draw the one line and no traceback."""
        return [str(self)]


def check(task: str) -> Check:
    """Open the check of `task`, to be used in a ``with`` statement.

    Examples
    --------
    >>> with check("1") as c:
    ...     c.equal(c.call(len, "abc"), 3, "Count the letters.")
    ✓ Task 1: correct
    >>> with check("1") as c:
    ...     c.equal(c.call(len, "ab"), 3, "Count the letters.")
    Traceback (most recent call last):
    helpers.practice.CheckFailed: ✗ Task 1: Count the letters. Got: 2.
    """
    return Check(task)


class Check:
    """What a check can ask; each question raises `CheckFailed` when the answer is wrong."""

    def __init__(self, task: str) -> None:
        self.task = str(task)
        self._quiet = contextlib.ExitStack()
        self._gave_nothing = False

    def __enter__(self) -> Check:
        if failure := _failure_above():
            if failure["ename"] == "NotImplementedError":
                raise self._not_attempted()
            said = re.sub(
                r"\(\S+, (line \d+)\)$", r"(\1)", f"{failure['ename']}: {failure['evalue']}"
            )
            said = shorten(one_line(said).rstrip(": ."))
            hint = f"the answer cell just failed: {said}. Mend it and run it, then this one."
            raise CheckFailed(self.task, Outcome.RAISED, hint)
        self._quiet.enter_context(contextlib.redirect_stderr(io.StringIO()))
        self._quiet.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        return self

    def __exit__(self, kind, error, trace) -> bool:
        self._quiet.close()
        if error is None:
            print(f"✓ Task {self.task}: correct")
        elif isinstance(error, NameError) and error.name:
            hint = (
                f"{error.name} is not defined. Run the answer cell above first, without an error."
            )
            raise CheckFailed(self.task, Outcome.NOT_DEFINED, hint) from None
        elif isinstance(error, (Exception, SystemExit)) and not isinstance(error, CheckFailed):
            form = (
                "Your function gave None: does each way through it end with return?"
                if self._gave_nothing
                else "Does it have the form asked for?"
            )
            hint = f"the check cannot use your answer: {_name(error)}. {form}"
            raise CheckFailed(self.task, Outcome.RAISED, hint) from None
        return False

    def call(self, function: Callable, *args: Any, **kwargs: Any) -> Any:
        """Return what `function` gives; it gets copies, so that it cannot change the check's data.

        Raises
        ------
        CheckFailed
            If it is no function, is not attempted, or raises.
        """
        if not callable(function):
            raise self._failed(
                "the answer is a function; keep the line that starts with def.", function
            )
        try:
            result = function(*copy.deepcopy(args), **copy.deepcopy(kwargs))
        except (Exception, SystemExit) as error:
            raise self._explained(error, function, args, kwargs) from None
        if result is ...:
            raise self._not_attempted()
        self._gave_nothing = result is None
        return result

    def refuses(self, function: Callable, *args: Any, hint: str) -> None:
        """Ask that `function` raises a ValueError on these arguments."""
        try:
            got = function(*copy.deepcopy(args))
        except ValueError:
            pass
        except (Exception, SystemExit) as other:
            raise self._explained(other, function, args, {}) from None
        else:
            raise self._failed(hint, got)

    def that(self, condition: object, hint: str, got: object = _NOTHING) -> None:
        """Ask that `condition` holds; `got` is shown when it does not."""
        if not bool(condition):
            raise self._failed(hint, got)

    def equal(self, got: object, want: object, hint: str) -> None:
        """Ask that `got` equals `want`; a list, a tuple and a column of the same values are equal."""
        if not same(got, want):
            raise self._failed(hint, got)

    def close(self, got: object, want: float, hint: str) -> None:
        """Ask that `got` is a number at most a millionth away from `want`; whole numbers are equal."""
        number = plain(got)
        if not is_number(number) or not same_number(number, want, share=1e-6, least=1e-6):
            raise self._failed(hint, got)

    def unlike(self, got: object, wrong: object, hint: str) -> None:
        """Ask that `got` is not what a known mistake gives; such questions come before the others."""
        numbers = plain(got), plain(wrong)
        measured = all(map(is_number, numbers)) and same_number(*numbers, share=1e-6, least=1e-9)
        if measured or same(got, wrong):
            raise self._failed(hint, got)

    def table(self, got: object, want: Any, hint: str, key: str = "") -> None:
        """Ask that a table has the content of `want`: columns and rows in any order, any index.

        Parameters
        ----------
        got : the learner's table.
        want : a DataFrame.
        hint : what to say when they differ.
        key : column that names a row; the first row that differs is then shown as it was got.
        """
        columns = list(want.columns)
        if not hasattr(got, "columns"):
            raise self._failed(f"a table is asked for, with the columns {', '.join(columns)}.", got)
        lacking = [column for column in columns if column not in got.columns]
        if lacking or len(got.columns) != len(columns):
            raise self._failed(f"the table needs exactly the columns {', '.join(columns)}.", got)
        ours, theirs = (
            list(one[columns].itertuples(index=False, name=None)) for one in (got, want)
        )
        stray = first_stray(ours, theirs)
        if stray is not None or len(ours) != len(theirs):
            row = dict(zip(columns, map(plain, stray), strict=True)) if key and stray else got
            raise self._failed(hint, row)

    def items(self, got: object, want: Mapping, hints: Mapping[Any, str]) -> None:
        """Ask that a dict holds the right answer for each item; the first wrong one gets its hint.

        Parameters
        ----------
        got : the learner's dict.
        want : item -> answer, its seal, or a set of answers that are all right.
        hints : item -> what to say when its answer is wrong.
        """
        if not isinstance(got, Mapping):
            raise self._failed("a dict is asked for, with one answer for each item.", got)
        lacking = [item for item in want if item not in got or got[item] is ...]
        if lacking:
            raise self._failed(f"{lacking[0]!r} has no answer yet.", list(got))
        strange = [item for item in got if item not in want]
        if strange:
            raise self._failed(f"{strange[0]!r} is none of the items asked for.")
        for item, right in want.items():
            if not is_right(got[item], right, str(item)):
                raise self._failed(f"{item}: {hints[item]}", got[item])

    def order(self, got: object, want: Iterable, hints: Mapping[str, str]) -> None:
        """Ask for a list in the right order; the first wrong place gets the hint of what stands there.

        Parameters
        ----------
        got : the learner's list.
        want : the answers in order, or their seals (sealed with their place, ``"1"`` for the first).
        hints : answer -> what to say when it stands in the wrong place.
        """
        want = list(want)
        if isinstance(got, str) or not isinstance(got, Iterable):
            raise self._failed(f"a list of {len(want)} is asked for.", got)
        got = list(got)
        if len(got) != len(want) or len({words(one) for one in got}) != len(want):
            raise self._failed(f"a list of {len(want)} is asked for, each one once.", got)
        said = {words(name): hint for name, hint in hints.items()}
        for place, (answer, right) in enumerate(zip(got, want, strict=True), start=1):
            if not is_right(answer, right, str(place)):
                hint = said.get(words(answer), "this is none of the names to put in order.")
                raise self._failed(f"place {place}: {hint}", answer)

    def choice(self, got: object, want: Collection, wrong: Mapping[str, str], missing: str) -> None:
        """Ask for the right choice from a list, in any order.

        Parameters
        ----------
        got : what the learner chose.
        want : the right ones, or their seals.
        wrong : item -> what to say when it is chosen though it does not belong.
        missing : what to say when one is missing; it must not name it.
        """
        if isinstance(got, str) or not isinstance(got, Collection):
            raise self._failed("a list is asked for.", got)
        for answer in got:
            if not any(is_right(answer, right, "") for right in want):
                hint = {words(name): text for name, text in wrong.items()}.get(words(answer))
                raise self._failed(f"{answer}: {hint or 'this is not on the list to choose from.'}")
        if len({words(one) for one in got}) < len(want):
            raise self._failed(missing, got)

    def _failed(self, hint: str, got: object = _NOTHING) -> CheckFailed:
        """Return the failure of a wrong answer."""
        said = "" if got is _NOTHING else show_value(got)
        if got is None:
            said += ", as from a function without a return"
        return CheckFailed(self.task, Outcome.WRONG, hint, said)

    def _not_attempted(self) -> CheckFailed:
        """Return the failure of an answer that is still empty."""
        hint = "not attempted yet. Write your answer in the cell above and run it, then this one."
        return CheckFailed(self.task, Outcome.NOT_ATTEMPTED, hint)

    def _explained(self, error, function, args, kwargs) -> CheckFailed:
        """Return the failure behind what the learner's code raised."""
        if isinstance(error, NotImplementedError) and _is_learners(error, function):
            return self._not_attempted()
        given = [show_value(arg) for arg in args]
        given += [f"{name}={show_value(value)}" for name, value in kwargs.items()]
        called = f"{getattr(function, '__name__', 'your function')}({', '.join(given)})"
        line = _line_of(error, function)
        hint = f"your code raised {_name(error)}, in {called}{line}."
        return CheckFailed(self.task, Outcome.RAISED, hint)


def _name(error):
    """Return the kind of an error and its message, on one line."""
    return shorten(one_line(f"{type(error).__name__}: {error}").rstrip(": ."))


def _frames(error):
    """Return the frames that an error came through, outermost first, with their line numbers."""
    trace, frames = error.__traceback__, []
    while trace:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return frames


def _is_learners(error, function):
    """Whether an error was raised by the notebook's own code, not by a library it called."""
    home = getattr(function, "__globals__", {}).get("__name__", "__main__")
    return _frames(error)[-1][0].f_globals.get("__name__") == home


def _line_of(error, function):
    """Return the learner's line that an error came from, where the notebook keeps it."""
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    own = [(f, line) for f, line in _frames(error) if f.f_code.co_filename == file]
    text = linecache.getline(*(own[-1][0].f_code.co_filename, own[-1][1])).strip() if own else ""
    return f", at: {shorten(text)}" if text else ""


def _failure_above():
    """Return how the last run of the answer cell failed; nothing if it did not, or in no notebook.

    IPython keeps the cells that were run and how they failed. The answer cell is the one that last
    made a name that this check reads, or the last one before this check if it made none at all,
    as after an edit that left nothing to recognise.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    history = getattr(shell, "history_manager", None)
    failures = getattr(history, "exceptions", None)
    if not failures:
        return None
    *before, (_, this) = enumerate(history.input_hist_parsed)
    asked = _names(this, ast.Load) - _names(this, ast.Store)
    made, latest = {}, None
    for count, cell in before:
        failure = failures.get(count)
        if failure and failure["ename"] == CheckFailed.__name__:
            continue
        names = _names(cell, ast.Store)
        made |= dict.fromkeys(names, failure)
        if "with check(" not in cell:
            latest = None if names - asked and not names & asked else failure
    found = [made[name] for name in sorted(asked & made.keys()) if made[name]]
    return found[0] if found else latest


def _names(cell, use):
    """Return the names that a cell makes (`ast.Store`) or reads (`ast.Load`) outside its functions.

    Of a cell that Python cannot read, definitions and assignments are found by their look.
    """
    try:
        todo, names = [ast.parse(cell)], set()
    except (SyntaxError, ValueError):
        look = r"^(?:(?:async\s+)?def|class)\s+(\w+)|^(\w+)\s*(?::[^=\n]*)?=(?!=)"
        return {name for pair in re.findall(look, cell, re.MULTILINE) for name in pair if name}
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, use):
            names.add(node.id)
        if use is ast.Store and isinstance(node, _SCOPES):
            names.add(node.name)  # what is made inside stays inside
        else:
            todo += ast.iter_child_nodes(node)
    return names
