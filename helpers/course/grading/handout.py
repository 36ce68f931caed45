"""What students get: one zip with lessons, exercises and helpers, and never a solution."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from helpers.course import BadInput
from helpers.course.grading.tasks import seed_range, set_seed
from helpers.course.grading.variants import seed_of
from helpers.course.runner.shelf import read_notebook
from helpers.files import write_whole

FOLDERS = ("exercises", "notebooks", "helpers")
FILES = (
    "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "run.py", "pyproject.toml",
    "requirements.txt", "environment.yml",
)  # fmt: skip
TOP = "ml-lifecycle-lab"
_SECRETS = ("### BEGIN SOLUTION", "### BEGIN HIDDEN TESTS", '"author-only"')


@dataclass(frozen=True)
class Handout:
    """A bundle that was written.

    Attributes
    ----------
    path : of the zip.
    files : how many it holds.
    own_worlds : how many of its exercises have a SEED of this student.
    """

    path: Path
    files: int
    own_worlds: int


def write_handout(root: Path, into: Path) -> Handout:
    """Write the bundle for everybody; the same files give the same bytes.

    Parameters
    ----------
    root : the checkout.
    into : the zip to write.

    Raises
    ------
    BadInput
        If there is no exercise, or one of them holds a piece of its solution.
    """
    files = _collect(root)
    _refuse_secrets(files)
    return Handout(write_whole(into, _zipped(files)), len(files), 0)


def write_handouts(root: Path, folder: Path, students: list[str], secret: bytes) -> list[Handout]:
    """Write a bundle for each student, each exercise with a SEED over a world of their own.

    Parameters
    ----------
    root : the checkout.
    folder : where `STUDENT.zip` go.
    students : names, as in the folder of submissions later.
    secret : of the instructor; `lifecycle grade` needs the same one.
    """
    files = _collect(root)
    _refuse_secrets(files)
    ranges = {name: found for name in files if (found := _range(root, name))}
    made = []
    for student in students:
        own = dict(files)
        for name, (low, high) in ranges.items():
            stem = Path(name).stem
            own[name] = with_own_seed(files[name], seed_of(student, stem, secret, low, high))
        path = write_whole(folder / f"{student}.zip", _zipped(own))
        made.append(Handout(path, len(own), len(ranges)))
    return made


def _collect(root):
    """Return path in the bundle -> content, sorted; links and what tools leave behind stay out."""
    files = {}
    for name in FILES:
        if (root / name).is_file():
            files[name] = (root / name).read_bytes()
    for folder in FOLDERS:
        for path in (root / folder).rglob("*"):
            inside = path.relative_to(root)
            ignored = any(
                part.startswith(".") or part in ("__pycache__", "runs") for part in inside.parts
            )
            if path.is_file() and not path.is_symlink() and not ignored and path.suffix != ".pyc":
                files[inside.as_posix()] = path.read_bytes()
    if not any(_is_exercise(name) for name in files):
        raise BadInput(
            f"Exercises (NAME/NAME.ipynb) were expected in {root / 'exercises'}; there are none. "
            "Make them: python3 run.py release"
        )
    return dict(sorted(files.items()))


def _is_exercise(name):
    """Return whether a path of the bundle is an exercise."""
    parts = Path(name).parts
    return len(parts) == 3 and parts[0] == "exercises" and parts[2] == f"{parts[1]}.ipynb"


def _refuse_secrets(files):
    """Stop when an exercise or a lesson holds what only authors may see."""
    for name, content in files.items():
        found = [s for s in _SECRETS if s.encode() in content] if name.endswith(".ipynb") else []
        if found:
            raise BadInput(
                f"{name} was expected to hold no solution; it holds {found[0]!r}. Release it "
                f"again: python3 run.py release {Path(name).stem}"
            )


def _range(root, name):
    """Return the bounds of SEED of an exercise; None for anything else."""
    return seed_range(read_notebook(root / name), Path(name).stem) if _is_exercise(name) else None


def with_own_seed(content: bytes, seed: int) -> bytes:
    """Return an exercise with another SEED in its parameters cell, and no old outputs."""
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        cell["outputs"], cell["execution_count"] = [], None
        if "parameters" in cell["metadata"].get("tags", []):
            source = cell["source"]
            text = set_seed("".join(source), seed)
            cell["source"] = text if isinstance(source, str) else text.splitlines(keepends=True)
    return (json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _zipped(files):
    """Return a zip whose bytes depend on the files only: no times, no compression to differ."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(f"{TOP}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()
