"""Tools for authors, instructors and batch runs: the `lifecycle` command line and what it calls."""

from pathlib import Path


class BadInput(ValueError):
    """Something the caller gave cannot be used; the command line answers with exit code 2."""


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
