"""A second look at marks: what an answer touches that no answer needs, and marks that came oddly.

Nothing here gives or takes a point. The sandbox and the separate examiner are what protects marks;
this tells a person where to look.
"""

from __future__ import annotations

import ast
from typing import Any

from helpers.course.grading.restore import Restored
from helpers.course.grading.tasks import Exercise


def _by_name(names):
    """Return name -> what it does, of what is done -> the names that do it."""
    return {name: why for why, listed in names.items() for name in listed.split()}


_MODULES = _by_name({
    "looks into frames": "inspect",
    "looks through memory": "gc",
    "reaches into memory": "ctypes",
    "changes Python itself": "builtins",
    "loads modules by name": "importlib",
    "starts processes": "subprocess multiprocessing",
    "opens connections": "socket urllib requests http",
    "opens databases": "sqlite3",
    "moves files": "shutil",
    "runs code at the end": "atexit",
    "changes interrupts": "signal",
    "loads objects": "pickle",
    "reaches the system": "os",
    "reaches the interpreter": "sys",
    "starts threads": "threading",
    "changes error messages": "traceback",
    "reads sources": "linecache",
    "reads notebooks": "nbformat",
})  # fmt: skip
_NAMES = _by_name({
    "opens files": "open",
    "runs text as code": "exec eval compile",
    "loads modules by name": "__import__",
    "looks into the notebook": "globals In",
    "touches the checker": "CheckFailed",
    "touches the notebook's shell": "get_ipython",
    "changes Python itself": "__builtins__",
})  # fmt: skip
_ATTRIBUTES = _by_name({
    "looks through loaded modules": "modules",
    "traces execution": "settrace setprofile",
    "looks into frames": "_getframe f_back f_globals f_locals",
    "looks into functions": "__globals__ __code__",
    "looks through classes": "__subclasses__",
    "touches the checker": "_render_traceback_",
    "opens files": "read_text write_text read_bytes write_bytes symlink_to",
    "deletes files": "unlink",
    "looks at the truth of a world": "hidden OperatorTruth ShopTruth _world _incident",
})  # fmt: skip
_TRUTHS = {"OperatorTruth", "ShopTruth", "truth", "incident", "incidents", "kinds", "_drawn", "*"}
_METHODS = _by_name({
    "redefines equality": "__eq__",
    "redefines truth": "__bool__",
    "pretends a type": "__class__",
})  # fmt: skip


def touches(source: str) -> list[str]:
    """Return what in `source` no answer should need, one phrase each.

    Examples
    --------
    >>> touches("import gc\\ngc.get_objects()")
    ['looks through memory (gc)']
    >>> touches("from helpers.worlds.incidents import incident")
    ['looks at the truth of a world (incident)']
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
        if told := _truth(module, names):
            yield told, "looks at the truth of a world"
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


def _truth(module, names):
    """Return what of an import tells what happens in a world, "" for nothing."""
    if not any(name.startswith("helpers.worlds") for name in (module, *names)):
        return ""
    told = [name for name in names if name.rpartition(".")[2] in _TRUTHS]
    return told[0].rpartition(".")[2] if told else ""


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
    names = {cell.id: cell.grade_id or cell.id for cell in exercise.cells}
    said = [
        f"{names[cell_id]} {phrase}."
        for cell_id, source in restored.answers.items()
        for phrase in touches(source)
    ]
    said += [f"An added cell {phrase}." for source in restored.extra for phrase in touches(source)]
    return list(dict.fromkeys(said + _odd_marks(exercise, restored, result)))


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
    said = []
    for name, ran in result["cells"].items():
        if ran["timed_out"]:
            said.append(f"{name} was stopped: it took too long.")
        if ran["lost"] > 1_000_000:
            said.append(f"{name} printed {ran['lost']:,} characters more than are kept.")
    outcomes = {name: task["outcome"] for name, task in result["tasks"].items()}
    said += [
        f"{name} was stopped: its answer took too long."
        for name, outcome in outcomes.items()
        if outcome == "too slow"
    ]
    if result["too_much"]:
        said.append(f"It was stopped: it took {result['too_much']}.")
    elif result["ended"]:
        said.append(f"Not all of it was run: {result['ended']}.")
    elif "no answer" in outcomes.values():
        said.append("It ended the process while a check was asked.")
    return said
