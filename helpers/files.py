"""Files written whole or not at all: a temporary name first, then moved into place; folders of a run."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

_MARK = ".made_by_a_run"
# Parts of models that hold arrays and names only: skops leaves to the reader whether to read them.
TRUSTED = [
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils._bunch.Bunch",  # the dict of a VotingClassifier's models
    "numpy.dtype",  # in a SimpleImputer: of which type the numbers were
    "helpers.training.churn.ReadTable",
]


def write_whole(path: str | Path, content: str | bytes) -> Path:
    """Write `content` to `path` so that a reader sees the old file or the new one, never half.

    Parameters
    ----------
    path : where to; missing folders are made.
    content : text (stored as UTF-8, line ends kept as given) or bytes.

    Returns
    -------
    The path written to.

    Raises
    ------
    OSError
        If the folder cannot be written or the disk is full; the old file is then untouched.

    Examples
    --------
    >>> folder = tempfile.mkdtemp()
    >>> write_whole(Path(folder) / "deep" / "note.txt", "kept").read_text()
    'kept'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return path


def fresh_folder(path: str | Path) -> Path:
    """Return an empty folder for a run's files, so that a lesson can be run again.

    The folder is marked at its making and belongs to runs from then on: all that is in it is removed
    by the next one, so keep nothing of your own there. A folder without the mark is never touched.

    Parameters
    ----------
    path : the folder; it and those above it are made where they are missing.

    Returns
    -------
    The folder, with nothing in it but the mark, a hidden file.

    Raises
    ------
    ValueError
        If the folder holds something and does not bear the mark.

    Examples
    --------
    >>> folder = fresh_folder(Path(tempfile.mkdtemp()) / "run")
    >>> _ = (folder / "left_by_a_run.csv").write_text("1")
    >>> [file.name for file in fresh_folder(folder).iterdir()]
    ['.made_by_a_run']
    """
    path = Path(path)
    path.mkdir(parents=True, exist_ok=True)
    mark = path / _MARK
    found = sorted(one.name for one in path.iterdir())
    if found and not mark.is_file():
        raise ValueError(
            f"A run needs a folder of its own, and {path.name} holds {len(found)} name(s) that no "
            f"run made, the first being {found[0]!r}. Name another folder, or empty this one."
        )
    mark.touch()
    for one in path.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        elif one != mark:
            one.unlink()
    return path


def sha256_of(content: str | bytes | Path) -> str:
    """Return the SHA-256 of a file (given as `Path`), of text or of bytes, as 64 hex digits.

    Examples
    --------
    >>> sha256_of("churn")[:12]
    '88b2072e3e17'
    """
    if isinstance(content, Path):
        with content.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()
