"""A second look at marks: what an answer touches that no answer needs, and marks that came oddly.

Nothing here gives or takes a point. The sandbox and the separate examiner are what protects marks;
this tells a person where to look.
"""

from __future__ import annotations

import ast
from typing import Any

from helpers.course.grading.restore import Restored
from helpers.course.grading.tasks import Exercise

_MODULES = {
    "inspect": "looks into frames",
    "gc": "looks through memory",
    "ctypes": "reaches into memory",
    "builtins": "changes Python itself",
    "importlib": "loads modules by name",
    "subprocess": "starts processes",
    "multiprocessing": "starts processes",
    "socket": "opens connections",
    "urllib": "opens connections",
    "requests": "opens connections",
    "http": "opens connections",
    "sqlite3": "opens databases",
    "shutil": "moves files",
    "atexit": "runs code at the end",
    "signal": "changes interrupts",
    "pickle": "loads objects",
    "os": "reaches the system",
    "sys": "reaches the interpreter",
    "threading": "starts threads",
    "traceback": "changes error messages",
    "linecache": "reads sources",
    "nbformat": "reads notebooks",
}
_NAMES = {
    "open": "opens files",
    "exec": "runs text as code",
    "eval": "runs text as code",
    "compile": "runs text as code",
    "__import__": "loads modules by name",
    "globals": "looks into the notebook",
    "CheckFailed": "touches the checker",
    "In": "looks into the notebook",
    "get_ipython": "touches the notebook's shell",
    "__builtins__": "changes Python itself",
}
_ATTRIBUTES = {
    "modules": "looks through loaded modules",
    "settrace": "traces execution",
    "setprofile": "traces execution",
    "_getframe": "looks into frames",
    "f_back": "looks into frames",
    "f_globals": "looks into frames",
    "f_locals": "looks into frames",
    "__globals__": "looks into functions",
    "__subclasses__": "looks through classes",
    "__code__": "looks into functions",
    "_render_traceback_": "touches the checker",
    "read_text": "opens files",
    "write_text": "opens files",
    "read_bytes": "opens files",
    "write_bytes": "opens files",
    "symlink_to": "opens files",
    "unlink": "deletes files",
}
_METHODS = {
    "__eq__": "redefines equality",
    "__bool__": "redefines truth",
    "__class__": "pretends a type",
}


def touches(source: str) -> list[str]:
    """Return what in `source` no answer should need, one phrase each.

    Examples
    --------
    >>> touches("import gc\\ngc.get_objects()")
    ['looks through memory (gc)']
    >>> touches("def mean(x): return sum(x) / len(x)")
    []
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ["is no plain Python"] if source.strip() else []
    found = {}
    for node in ast.walk(tree):
        for name, why in _of_node(node):
            found.setdefault(why, name)
    return sorted(f"{why} ({name})" for why, name in found.items())


def _of_node(node):
    """Yield the names in one node that are on a list, with what they do."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.name for alias in node.names]
        module = getattr(node, "module", "") or ""
        for name in names if isinstance(node, ast.Import) else [module]:
            yield from _listed(name.split(".")[0], _MODULES)
            if name.startswith(("helpers.practice", "helpers.course", "helpers.answers")):
                yield name, "touches the checker"
        if module == "helpers" and {"practice", "course", "answers"} & set(names):
            yield module, "touches the checker"
    elif isinstance(node, ast.Name):
        yield from _listed(node.id, _NAMES)
        if node.id == "check" and isinstance(node.ctx, ast.Store):
            yield node.id, "touches the checker"
    elif isinstance(node, ast.Attribute):
        yield from _listed(node.attr, _ATTRIBUTES)
    elif isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield from _listed(node.name, _METHODS)
        if node.name == "check":
            yield node.name, "touches the checker"


def _listed(name, names):
    """Yield a name that is on the list."""
    if name in names:
        yield name, names[name]


def suspicions(exercise: Exercise, restored: Restored, result: dict[str, Any]) -> list[str]:
    """Return what a person should look at, one sentence each.

    Parameters
    ----------
    exercise : ours.
    restored : the submission as it was run.
    result : from `examine`.
    """
    said = [
        f"{_named(exercise, cell_id)} {phrase}."
        for cell_id, source in restored.answers.items()
        for phrase in touches(source)
    ]
    said += [f"An added cell {phrase}." for source in restored.extra for phrase in touches(source)]
    return list(dict.fromkeys(said + _odd_marks(exercise, restored, result)))


def _named(exercise, cell_id):
    """Return the name of a cell for people."""
    return next(cell.grade_id or cell.id for cell in exercise.cells if cell.id == cell_id)


def _odd_marks(exercise, restored, result):
    """Tell of full marks whose answer was not given, failed, or did not come to an end."""
    said = []
    answer = None
    for cell in exercise.cells:
        if cell.kind == "answer":
            answer = cell
        elif cell.kind == "check" and answer is not None:
            outcome = result["tasks"].get(cell.grade_id, {}).get("outcome")
            ran = result["cells"].get(answer.id, {})
            source = restored.answers.get(answer.id, "")
            if outcome == "passed" and source.strip() in {"", answer.source.strip()}:
                said.append(f"{cell.grade_id} has full marks, but its answer cell is untouched.")
            elif outcome == "passed" and (ran.get("error") or not ran):
                said.append(
                    f"{cell.grade_id} has full marks, but its answer cell stopped with an error."
                )
            answer = None
    return said + _troubles(result)


def _troubles(result):
    """Tell of time-outs and of submissions that ended early."""
    said = [
        f"{name} was stopped: it took too long."
        for name, ran in result["cells"].items()
        if ran["timed_out"]
    ]
    said += [
        f"{name} was stopped: its answer took too long."
        for name, task in result["tasks"].items()
        if task["outcome"] == "too slow"
    ]
    said += [
        f"{name} printed {ran['lost']:,} characters more than are kept."
        for name, ran in result["cells"].items()
        if ran["lost"] > 1_000_000
    ]
    if result["too_much"]:
        said.append(f"It was stopped: it took {result['too_much']}.")
    elif result["ended"]:
        said.append(f"Not all of it was run: {result['ended']}.")
    elif any(task["outcome"] == "no answer" for task in result["tasks"].values()):
        said.append("It ended the process while a check was asked.")
    return said
