"""Tools for authors, instructors and batch runs: the `lifecycle` command line and what it calls."""

from pathlib import Path

import helpers
from helpers.files import sha256_of


class BadInput(ValueError):
    """Something the caller gave cannot be used; the command line answers with exit code 2."""


class Failed(RuntimeError):
    """Something ran and failed; the command line answers with exit code 1."""


def absolute(path: str | Path) -> Path:
    """Return `path` from the root, a leading ``~`` resolved.

    Raises
    ------
    BadInput
        If it is empty, names an unknown user, or leads in a circle.

    Examples
    --------
    >>> absolute("")
    Traceback (most recent call last):
    helpers.course.BadInput: A path was expected, but it is empty. Name a file or folder.
    """
    if not str(path):
        raise BadInput("A path was expected, but it is empty. Name a file or folder.")
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise BadInput(f"{path} leads nowhere: {error}. Check the path.") from error


def fingerprint_of_helpers() -> str:
    """Return a fingerprint of the helpers' source: a change there may change any result or mark."""
    root = Path(helpers.__file__).parent
    parts = [f"{p.relative_to(root)} {sha256_of(p)}" for p in sorted(root.rglob("*.py"))]
    return sha256_of("\n".join(parts))
