"""The notebooks: where they are, what they are called, what each one asks."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

import helpers
from helpers.course import BadInput, absolute

FIRST = "00_the_lifecycle.ipynb"
# Names that were given up -> the lesson and exercise that took over.
RETIRED = {
    "01_problem_definition": "01a_frame_the_problem",
    "02a_collect_records": "02a_databases_and_services",
    "02b_collect_signals": "02c_signals",
    "03a_transform": "03a_clean",
    "03b_integrate_and_load": "03c_join_and_settle",
    "04a_churn_models": "04a_churn_baseline",
    "05a_package_and_batch": "05a_package",
    "06_monitor": "06b_drift_and_decay",
}


def find_folder(given: Path | None = None) -> Path:
    """Return the folder of the notebooks.

    Parameters
    ----------
    given : the folder to use; by default `notebooks/` in this folder or one above, else the one
        beside the installed package.

    Raises
    ------
    BadInput
        If there is none.
    """
    if given is not None:
        if not any(given.glob("*.ipynb")):
            raise BadInput(
                f"Notebooks (*.ipynb) were expected in {given}, but there are none. Check --notebooks."
            )
        return absolute(given)
    here = Path.cwd()
    for above in [here, *here.parents, Path(helpers.__file__).resolve().parents[1]]:
        if (above / "notebooks" / FIRST).is_file():
            return above / "notebooks"
    raise BadInput(
        f"No folder notebooks/ with {FIRST} was found in {here} or above it. "
        "Go to your checkout of the ML Lifecycle Lab, or name the folder with --notebooks FOLDER."
    )


def all_notebooks(folder: Path) -> list[Path]:
    """Return the notebooks of `folder` in the order of the course."""
    return sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))


def pick_notebooks(folder: Path, names: list[str]) -> list[Path]:
    """Return the notebooks that `names` mean, in the order of the course; all when none is named.

    Parameters
    ----------
    folder : where the notebooks are.
    names : stems, file names, paths or beginnings of a stem, such as ``04a``.

    Raises
    ------
    BadInput
        If a name fits no notebook; the message names the successor, or offers the nearest.
    """
    known = all_notebooks(folder)
    if not names:
        return known
    picked = set()
    for name in names:
        stem = Path(name).name.removesuffix(".ipynb")
        if told := replaced(stem, {path.stem for path in known}):
            raise BadInput(told)
        if Path(name).parent != Path() and absolute(name).with_suffix(".ipynb") not in known:
            raise BadInput(
                f"{name} is none of the {len(known)} notebooks in {folder}. Name their own folder "
                "with --notebooks."
            )
        fitting = [path for path in known if path.stem == stem] or [
            path for path in known if stem and path.stem.startswith(stem)
        ]
        if not fitting:
            hint = closest(stem, known) or "See them all with: python3 run.py list"
            raise BadInput(f"There is no notebook {name!r} among the {len(known)} here. {hint}")
        picked.update(fitting)
    return [path for path in known if path in picked]


def replaced(stem: str, known: Iterable[str]) -> str:
    """Return the sentence that names the successor of a name that was given up; "" for any other.

    Examples
    --------
    >>> replaced("04a_churn_models", known=[])
    '04a_churn_models was replaced by 04a_churn_baseline. Take 04a_churn_baseline in its place.'
    """
    if stem not in RETIRED or stem in known:
        return ""
    return f"{stem} was replaced by {RETIRED[stem]}. Take {RETIRED[stem]} in its place."


def closest(stem: str, known: list[Path]) -> str:
    """Return a question that offers the stem nearest to a mistyped one; "" when none is near."""
    near = difflib.get_close_matches(stem, [path.stem for path in known], n=1, cutoff=0.4)
    return f"Did you mean {near[0]}?" if near else ""


def read_notebook(path: Path) -> NotebookNode:
    """Read and validate a notebook.

    Raises
    ------
    BadInput
        If the file is no notebook of format 4.5 or later.
    """
    try:
        if "\n<<<<<<< " in path.read_text(encoding="utf-8"):
            raise ValueError("it holds the marks of a merge conflict; resolve it, then bake it")
        notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
        nbformat.validate(notebook)
    except (OSError, ValueError, TypeError, AttributeError, nbformat.ValidationError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BadInput(f"{path.name} cannot be read as a notebook: {reason}.") from error
    if (notebook.nbformat, notebook.nbformat_minor) < (4, 5):
        raise BadInput(
            f"{path.name} has notebook format {notebook.nbformat}.{notebook.nbformat_minor}; cells "
            "have ids from 4.5 on. Open it in JupyterLab and save it."
        )
    return notebook


def has_tag(cell: NotebookNode, tag: str) -> bool:
    """Return whether `cell` carries `tag`."""
    return tag in cell.metadata.get("tags", [])


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the code cells that hold code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def figures_of(cell: NotebookNode) -> list[str]:
    """Return the pictures that a cell shows, as HTML with their texts."""
    shown = [output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])]
    return [markup for markup in shown if markup.startswith("<figure>")]


def title_of(notebook: NotebookNode) -> str:
    """Return the text of the notebook's first level-one heading, or an empty string."""
    return _first_match(r"^# +(.+)$", notebook)


def question_of(notebook: NotebookNode) -> str:
    """Return the first bold sentence of the title cell: the question the notebook answers."""
    return _first_match(r"\*\*([^*]+\?)\*\*", notebook)


def _first_match(pattern, notebook):
    """Return the first group of `pattern` in the first Markdown cell, its lines joined."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            match = re.search(pattern, cell.source, flags=re.MULTILINE | re.DOTALL)
            found = match.group(1).splitlines()[0] if match and pattern[0] == "^" else None
            return found or (" ".join(match.group(1).split()) if match else "")
    return ""
