"""What a finished lesson must be, beyond stored outputs that can be reproduced.

Each rule takes a notebook and its path and yields one sentence per finding, none when all is well.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from bs4 import BeautifulSoup
from nbformat import NotebookNode

from helpers.course import BadInput
from helpers.course.runner.parameters import read_parameters
from helpers.course.runner.shelf import code_cells, figures_of, has_tag, read_notebook

LARGEST_BYTES = 500_000
LONGEST_CELL_LINES = 20
LEAST_PROSE_SHARE = 0.85
LEAST_ALT_CHARACTERS = 20


def findings(path: Path) -> list[str]:
    """Return everything that keeps a notebook from being a finished lesson.

    Parameters
    ----------
    path : a stored notebook.

    Returns
    -------
    One sentence per finding; an empty list for a finished lesson.
    """
    try:
        notebook = read_notebook(path)
    except BadInput as error:
        return [str(error)]
    return [f"{path.name}: {finding}" for rule in RULES for finding in rule(notebook, path)]


def executed_in_order(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Every code cell was run once, from top to bottom, on a fresh kernel."""
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    if counts != list(range(1, len(counts) + 1)):
        yield f"cells are numbered {counts}, not 1 to {len(counts)}; bake it: python3 run.py bake {path.stem}"


def no_errors_or_warnings(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No output is an error (unless its cell announces one) or was written to stderr."""
    for number, cell in enumerate(code_cells(notebook), start=1):
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if errors and not has_tag(cell, "raises-exception"):
            yield f"code cell {number} shows an error: {errors[0].ename}"
        if not errors and has_tag(cell, "raises-exception"):
            yield f"code cell {number} is tagged raises-exception but shows no error"
        if any(output.get("name") == "stderr" for output in cell.outputs):
            yield f"code cell {number} writes to stderr (a warning?)"


def pictures_have_alt_text(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Every picture says in words what it shows."""
    for number, cell in enumerate(code_cells(notebook), start=1):
        for output in cell.outputs:
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                yield f"code cell {number} shows a bare picture; use show(picture, alt=...)"
            for problem in _poor_images(data.get("text/html", "")):
                yield f"code cell {number} has {problem}"
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from (f"cell {cell.id} has {problem}" for problem in _poor_images(cell.source))
            for alt in re.findall(r"!\[([^\]]*)\]\(", cell.source):
                if len(alt.strip()) < LEAST_ALT_CHARACTERS:
                    yield f"cell {cell.id} has a picture with too short a text: {alt!r}"


def one_headline_picture(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Of several pictures one is tagged `headline-picture`: it stands for the lesson in the index."""
    shown = [cell for cell in code_cells(notebook) if figures_of(cell)]
    tagged = [cell for cell in notebook.cells if has_tag(cell, "headline-picture")]
    if len(tagged) > 1 or (len(shown) > 1 and not tagged):
        yield f"has {len(tagged)} cells tagged headline-picture; exactly one is needed"
    for cell in tagged:
        if cell not in shown:
            yield f"cell {cell.id} is tagged headline-picture but shows no picture"


def _poor_images(markup):
    """Yield what is wrong with the images of a piece of HTML."""
    for image in BeautifulSoup(markup, "html.parser").find_all("img"):
        alt = (image.get("alt") or "").strip()
        if len(alt) < LEAST_ALT_CHARACTERS:
            yield f"a picture with too short a text: {alt!r}"


def headings_in_steps(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """One level-one heading, at the top, and no heading that skips a level."""
    levels = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            without_code = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
            marks = re.findall(r"^(#{1,6}) ", without_code, re.MULTILINE)
            levels += map(len, marks)
    if levels.count(1) != 1 or levels[:1] != [1]:
        yield f"has {levels.count(1)} level-one headings; exactly one, at the top, is needed"
    for above, below in pairwise(levels):
        if below > above + 1:
            yield f"a level-{below} heading follows a level-{above} one; go down one level at a time"


def stable_ids(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Every cell has an id of its own."""
    # Read the file itself: the notebook library gives a repeated id a new name in silence.
    stored = json.loads(path.read_text(encoding="utf-8"))
    ids = [cell.get("id") for cell in stored["cells"]]
    if None in ids or len(set(ids)) != len(ids):
        yield "has cells without an id, or two with the same id"


def small_enough(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The file stays small enough for a code-hosting page to draw."""
    size = path.stat().st_size
    if size >= LARGEST_BYTES:
        yield f"has {size:,} bytes; keep it under {LARGEST_BYTES:,} (fewer or smaller pictures)"


def prose_before_code(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A sentence stands before nearly every piece of code, and the lesson ends in words."""
    cells = [cell for cell in notebook.cells if cell.source.strip()]
    pairs = list(pairwise(cells))
    code = [above.cell_type for above, below in pairs if below.cell_type == "code"]
    if code and code.count("markdown") / len(code) < LEAST_PROSE_SHARE:
        yield (
            f"{code.count('markdown')} of {len(code)} code cells follow a sentence; at least "
            f"{LEAST_PROSE_SHARE:.0%} are needed"
        )
    if cells and cells[-1].cell_type != "markdown":
        yield "ends in code; end in words"


def short_cells(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """A cell does one thing."""
    for number, cell in enumerate(code_cells(notebook), start=1):
        lines = len(cell.source.splitlines())
        if lines > LONGEST_CELL_LINES:
            yield f"code cell {number} has {lines} lines; at most {LONGEST_CELL_LINES}"


def one_parameters_cell(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The first code cell, and only it, is tagged `parameters`; each line is explained."""
    try:
        parameters = read_parameters(notebook, path.stem)
    except BadInput as error:
        yield str(error)
        return
    if not has_tag(code_cells(notebook)[0], "parameters"):
        yield "the cell tagged parameters is not the first code cell"
    for parameter in parameters.values():
        if not parameter.help or not parameter.name.isupper():
            yield f"parameter {parameter.name} needs an upper-case name and a comment"
        if parameter.is_path and str(parameter.default).startswith(".."):
            yield f"parameter {parameter.name} leads out of the folder of a run; begin with runs/"


def one_sends_back_cell(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Exactly one cell tells what would send the team back to an earlier stage."""
    count = sum(has_tag(cell, "sends-back") for cell in notebook.cells)
    if count != 1:
        yield f"has {count} cells tagged sends-back; exactly one is needed"


def links_lead_somewhere(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """Every relative link in the prose leads to a file of the project."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)", cell.source):
                if "://" not in target and not (path.parent / target).exists():
                    yield f"cell {cell.id} links to {target}, which does not exist"


def no_machine_paths(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No output shows where on somebody's machine it was made."""
    pattern = re.compile(r"(/(?:home|root|Users|tmp)/|[A-Z]:\\\\?Users)")
    for number, cell in enumerate(code_cells(notebook), start=1):
        for output in cell.outputs:
            data = {k: v for k, v in output.get("data", {}).items() if not k.startswith("image/")}
            shown = re.sub(r"base64,[A-Za-z0-9+/=]+", "", f"{output.get('text', '')}{data}")
            if found := pattern.search(shown):
                yield f"code cell {number} shows a path of this machine ({found.group(0)}...)"


def digits_are_computed(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No result is typed into prose: decimals and percentages come from outputs."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", cell.source, flags=re.DOTALL)
            for typed in re.findall(
                r"(?<![\w-])(?:\d+\.\d+|\d+(?:\.\d+)? ?%|\d{1,3}(?:,\d{3})+)", prose
            ):
                yield f"cell {cell.id} types the figure {typed}; let a cell compute and say it"


def nothing_computed_in_vain(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """No cell compares two things and throws the answer away."""
    for number, cell in enumerate(code_cells(notebook), start=1):
        try:
            statements = ast.parse(cell.source).body
        except SyntaxError:
            continue  # a magic command; running the cell judges it
        for statement in statements[:-1]:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Compare):
                yield f"code cell {number} compares two things and drops the answer"


RULES = [
    executed_in_order,
    no_errors_or_warnings,
    pictures_have_alt_text,
    one_headline_picture,
    headings_in_steps,
    stable_ids,
    small_enough,
    prose_before_code,
    short_cells,
    one_parameters_cell,
    one_sends_back_cell,
    links_lead_somewhere,
    no_machine_paths,
    digits_are_computed,
    nothing_computed_in_vain,
]
