"""An exercise as its examiner reads it: cells in order, checks in two forms, and who owns each name."""

from __future__ import annotations

import ast
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from helpers.course import BadInput
from helpers.course.runner.shelf import has_tag, read_notebook

HIDDEN = re.compile(
    r"^[ \t]*### BEGIN HIDDEN TESTS.*?^[ \t]*### END HIDDEN TESTS[^\n]*\n?",
    re.MULTILINE | re.DOTALL,
)

_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One cell of an exercise.

    Attributes
    ----------
    id : the cell's id in the notebook.
    grade_id : nbgrader's name of it, or "".
    kind : "locked" (code of ours), "answer", "check", "manual" (read by a person) or "text".
    source : as it was handed out.
    full : as it stands in the solution, hidden tests and answers included.
    points : of a check or a manual answer.
    """

    id: str
    grade_id: str
    kind: str
    source: str
    full: str
    points: float = 0


@dataclass(frozen=True)
class Exercise:
    """A released exercise.

    Attributes
    ----------
    stem : its name.
    cells : in the order of the solution.
    seed_range : smallest and largest SEED of its parameters cell, or None when it has none.
    """

    stem: str
    cells: tuple[Cell, ...]
    seed_range: tuple[int, int] | None = None

    @property
    def checks(self) -> list[Cell]:
        """The cells that give points by themselves."""
        return [cell for cell in self.cells if cell.kind == "check"]

    @property
    def points(self) -> float:
        """The most that the checks can give."""
        return sum(cell.points for cell in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def from_dict(values: dict[str, Any]) -> Exercise:
    """Return the exercise that `Exercise.as_dict` described."""
    cells = tuple(Cell(**cell) for cell in values["cells"])
    bounds = values["seed_range"]
    return Exercise(values["stem"], cells, tuple(bounds) if bounds else None)


def released(root: Path) -> list[str]:
    """Return the stems of the exercises below `root` that have a solution and were released."""
    stems = [
        path.stem
        for path in sorted(root.glob("solutions/*/*.ipynb"))
        if path.stem == path.parent.name
    ]
    return [stem for stem in stems if (root / "exercises" / stem / f"{stem}.ipynb").is_file()]


def read_exercise(root: Path, stem: str) -> Exercise:
    """Read an exercise from its solution and from what was handed out.

    Parameters
    ----------
    root : the folder that holds `solutions/` and `exercises/`.
    stem : name of the exercise.

    Raises
    ------
    BadInput
        If one of the two is missing, or they are not of the same cells.
    """
    solution = read_notebook(root / "solutions" / stem / f"{stem}.ipynb")
    handed = read_notebook(root / "exercises" / stem / f"{stem}.ipynb")
    sources = {cell.id: cell.source for cell in handed.cells}
    kept = [cell for cell in solution.cells if not has_tag(cell, "author-only")]
    lacking = [cell.id for cell in kept if cell.id not in sources]
    if lacking:
        raise BadInput(
            f"exercises/{stem} was expected to hold every cell of its solution; {lacking[0]!r} is "
            f"not there. Release it again: python3 run.py release {stem}"
        )
    cells = tuple(_cell(cell, sources[cell.id]) for cell in kept)
    stale = [
        c.id
        for c in cells
        if c.kind in {"check", "locked"} and HIDDEN.sub("", c.full).strip() != c.source.strip()
    ]
    if stale:
        raise BadInput(
            f"exercises/{stem} was expected to be made from the solution as it is now; cell "
            f"{stale[0]!r} differs. Release it again: python3 run.py release {stem}"
        )
    if not any(cell.kind == "check" for cell in cells):
        raise BadInput(f"solutions/{stem} was expected to hold a check; it has none. Add one.")
    return Exercise(stem, cells, seed_range(solution, stem))


def _cell(cell: NotebookNode, handed: str) -> Cell:
    """Return one cell with its kind."""
    marks = cell.metadata.get("nbgrader", {})
    grade, solution = marks.get("grade", False), marks.get("solution", False)
    if (grade and solution) or marks.get("task", False):
        kind = "manual"
    elif cell.cell_type != "code":
        kind = "text"
    else:
        kind = "check" if grade else "answer" if solution else "locked"
    points = float(marks.get("points", 0) or 0) if grade or kind == "manual" else 0.0
    return Cell(cell.id, marks.get("grade_id", ""), kind, handed, cell.source, points)


def seed_range(notebook: NotebookNode, stem: str) -> tuple[int, int] | None:
    """Return the bounds of an exercise's SEED, or None when it has none."""
    from helpers.course.runner.parameters import read_parameters

    if not any(has_tag(cell, "parameters") for cell in notebook.cells):
        return None
    seed = read_parameters(notebook, stem).get("SEED")
    if seed is None or type(seed.default) is not int:
        return None
    return (0, 2**31 - 1) if seed.low is None else (int(seed.low), int(seed.high))


def with_seed(exercise: Exercise, seed: int) -> Exercise:
    """Return the exercise over another world: `SEED` is replaced where it is set."""
    cells = [
        replace(cell, source=set_seed(cell.source, seed), full=set_seed(cell.full, seed))
        if cell.kind == "locked"
        else cell
        for cell in exercise.cells
    ]
    return replace(exercise, cells=tuple(cells))


def set_seed(source: str, seed: int) -> str:
    """Return `source` with another value of SEED.

    Examples
    --------
    >>> set_seed("SEED = 7  # where chance starts", 12)
    'SEED = 12  # where chance starts'
    """
    return re.sub(r"^(SEED\s*(?::\s*int\s*)?=\s*)-?[\d_]+", rf"\g<1>{seed}", source, flags=re.M)


def with_marks_seed(exercise: Exercise, seed: int) -> Exercise:
    """Return the exercise with another `MARKS_SEED` in its hidden tests: no student is told of it.

    The hidden tests may put an answer to a world that was not handed out; nothing else is changed.
    """
    cells = [
        replace(cell, full=re.sub(r"^([ \t]*MARKS_SEED = )\d+$", rf"\g<1>{seed}", cell.full, flags=re.M))
        if cell.kind == "check"
        else cell
        for cell in exercise.cells
    ]  # fmt: skip
    return replace(exercise, cells=tuple(cells))


def visible(source: str) -> str:
    """Return a check without its hidden tests."""
    return HIDDEN.sub("", source)


def bound(source: str) -> set[str]:
    """Return the names that a cell makes or changes.

    Examples
    --------
    >>> sorted(bound("import math\\nx = 1\\nrows['a'] = x\\nnames.append(x)"))
    ['math', 'names', 'rows', 'x']
    """
    found: set[str] = set()
    for node in _top_level(_tree(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(node.id)
        elif isinstance(node, _SCOPES):
            found.add(getattr(node, "name", ""))
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found |= _base(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found |= _base(node.value.func) if isinstance(node.value.func, ast.Attribute) else set()
    return found - {""}


def _top_level(node):
    """Yield the parts of a tree that belong to no inner scope, and the inner scopes themselves."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _top_level(child)


def used(source: str) -> set[str]:
    """Return the names that a cell reads.

    Examples
    --------
    >>> sorted(used("y = f(x)"))
    ['f', 'x']
    """
    nodes = ast.walk(_tree(source))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _tree(source):
    """Return the syntax tree of a cell; an empty one when it is no plain Python."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def _base(node):
    """Return the name at the root of `name.a["b"]`."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def imported(source: str) -> set[str]:
    """Return the names that a cell imports."""
    nodes = (node for node in ast.walk(_tree(source)) if isinstance(node, ast.alias))
    return {(node.asname or node.name).split(".")[0] for node in nodes}


def theirs(exercise: Exercise) -> tuple[set[str], set[str]]:
    """Tell apart what a submission makes and what is ours.

    Returns
    -------
    The names that answers make, directly or through a locked cell; and the ids of the locked cells
    that need such a name, which only the submission can run.
    """
    names: set[str] = set()
    cells: set[str] = set()
    modules = {n for c in exercise.cells if c.kind == "locked" for n in imported(c.full)}
    for cell in exercise.cells:
        if cell.kind == "answer":
            names |= (bound(cell.full) | bound(cell.source)) - modules
        elif cell.kind == "locked" and used(cell.full) & names:
            cells.add(cell.id)
            names |= bound(cell.full) - modules
    return names, cells
