"""The folder that a business's files go to: empty at first, and as it was when something fails."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.files import write_whole
from helpers.worlds.play import CannotPlay


def empty_folder(folder: str | Path) -> Path:
    """Return the folder as an absolute path.

    Raises
    ------
    CannotPlay
        If it is no path, something is in it, or it cannot be a folder.

    Examples
    --------
    >>> empty_folder("not/there/yet").name
    'yet'
    """
    if not isinstance(folder, str | Path) or not str(folder) or "\0" in str(folder):
        raise CannotPlay(f"folder is the path of an empty folder; got {folder!r}: name one.")
    folder = Path(folder).expanduser().absolute()
    try:
        above = next(path for path in folder.parents if path.exists())
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{above} is no folder")
        found = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    except OSError as error:
        raise CannotPlay(
            f"folder is to be an empty folder or a new one; {folder} is neither "
            f"({error.strerror}): name another."
        ) from error
    if found:
        raise CannotPlay(
            f"folder is to be empty, so that nothing is mixed up or overwritten; {folder} holds "
            f"{len(found)} name(s), the first being {found[0]!r}: name another or empty it."
        )
    return folder


@contextmanager
def written(folder: Path, contents: dict[str, bytes]) -> Iterator[None]:
    """Write files (name below `folder` -> bytes), and take them back if the block fails.

    Raises
    ------
    CannotPlay
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with written(folder, {"exports/sales.csv": b"line_id"}):
    ...     raise RuntimeError("the database is not there")
    Traceback (most recent call last):
    RuntimeError: the database is not there
    >>> list(folder.iterdir())
    []
    """
    before: dict[str, bytes | None] = {}
    try:
        _write(folder, contents, before)
        yield
    except BaseException:
        _take_back(folder, before)
        raise


def _write(folder, contents, before):
    """Write the files; `before` takes what each held, None where there was none."""
    try:
        for name in sorted(contents):
            path = folder / name
            before[name] = path.read_bytes() if path.exists() else None
            write_whole(path, contents[name])
    except OSError as error:
        raise CannotPlay(
            f"a file could not be written below {folder}: {error.strerror}. Make room or choose "
            "another folder."
        ) from error


def _take_back(folder, before):
    """Leave the folder as it was, as far as the system lets us."""
    for name, content in before.items():
        path = folder / name
        with suppress(OSError):
            if content is None:
                path.unlink(missing_ok=True)
            else:
                write_whole(path, content)
        for parent in path.relative_to(folder).parents[:-1]:
            with suppress(OSError):  # only an empty folder can go
                (folder / parent).rmdir()
