"""Files written whole or not at all: a temporary name first, then moved into place."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path


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
