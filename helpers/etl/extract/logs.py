"""Web server logs in the combined format, rotated and packed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import pandas as pd

from helpers.etl.extract.files import USUAL, FileLimits, lines_of, read_whole
from helpers.etl.extract.result import CannotExtract, Extract, Tray, together

COLUMNS = ["ip", "identity", "user", "at", "method", "path", "protocol", "status", "bytes",
           "referrer", "agent"]  # fmt: skip
_COMBINED = re.compile(
    r'(\S+) (\S+) (\S+) \[([^\]]{20,30})\] "([A-Z]{1,20}) ([^\s"]+) (HTTP/\d(?:\.\d)?)" '
    r'(\d{3}) (\d{1,15}|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"'
)
_EXAMPLE = "01/Sep/2024:10:00:00 +0000"
_HOUR = r"(?:[01]\d|2[0-3])"
_MOMENT = re.compile(rf"([^:]+):{_HOUR}:[0-5]\d:[0-5]\d [+-]{_HOUR}[0-5]\d", re.ASCII)


def rotated(path: str | Path) -> list[Path]:
    """Return the files of a rotated log, the oldest first: access.log.2.gz, access.log.1, access.log.

    A file that is there packed and unpacked, as while it is being packed, comes once. A warning names
    what begins like the log and is none of its parts.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ["access.log", "access.log.10.gz", "access.log.2.gz", "access.log.old"]:
    ...     (folder / name).touch()
    >>> [one.name for one in rotated(folder / "access.log")]
    ['access.log.10.gz', 'access.log.2.gz', 'access.log']
    """
    path = Path(path)
    number = re.compile(re.escape(path.name) + r"\.(\d{1,6})(?:\.gz)?")
    names = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    # Sorted by name, access.log.1 comes before access.log.1.gz, which may be half packed yet.
    found = {int(fits[1]): one for one in reversed(names) if (fits := number.fullmatch(one.name))}
    beside = [one.name for one in names if one.name.startswith(path.name) and one != path]
    if strange := [name for name in beside if not number.fullmatch(name)]:
        warnings.warn(
            f"Beside {path.name} lies {', '.join(strange[:5])}, which is not read: parts of a rotated log "
            "end in a number, packed with gzip or not. Rename or unpack what belongs to it.",
            stacklevel=2,
        )
    older = [found[place] for place in sorted(found, reverse=True)]
    return [*older, *([path] if path.exists() else [])]


def read_logs(
    paths: str | Path | Sequence[Path], *, when: str = "", limits: FileLimits = USUAL
) -> Extract:
    """Read access logs in the combined format, every value as text.

    Parameters
    ----------
    paths : the current file of a rotated log, whose older files are found beside it (see
        `rotated`), or the files themselves, the oldest first.
    when : the moment of reading, for the provenance.

    Returns
    -------
    One row a request, in the order written: `ip`, `identity`, `user`, `at` (such as
    01/Sep/2024:10:00:00 +0000), `method`, `path`, `protocol`, `status`, `bytes`, `referrer`,
    `agent`. A line is set aside when it is cut off or otherwise none of the format, or when its
    moment is none.

    Raises
    ------
    CannotExtract
        If no file is there, or one is damaged or too large.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> line = '198.18.0.1 - - [01/Sep/2024:10:00:00 +0000] "GET / HTTP/1.1" 200 512 "-" "curl/8"'
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "access.log", line + chr(10) + line[:40])
    >>> raw, odd, _, books = read_logs(path)
    >>> raw.loc[0, ["path", "status"]].tolist(), odd["line"].tolist(), books.rows_in
    (['/', '200'], [2], 2)
    """
    files = rotated(paths) if isinstance(paths, str | Path) else list(paths)
    if not files:
        raise CannotExtract(f"a log was expected at {paths}, and there is none: check the path.")
    return together(_read_log(path, when, limits) for path in files)


def _read_log(path, when, limits):
    """Read one file."""
    content = read_whole(path, limits)
    tray = Tray(content.name, limits.rows)
    for line in lines_of(content, limits):
        text = line.text.rstrip("\r\n")
        if text.strip():
            fault = line.fault or ("it holds a NUL" if "\0" in text else "")
            found = None if fault else _COMBINED.fullmatch(text)
            if not fault and found is None:
                fault = "it is no line of the combined format"
            elif not fault and not _is_moment(found[4]):
                fault = f"{found[4]!r} cannot be read as a moment, such as {_EXAMPLE!r}"
            tray.put(found and found.groups(), line.number, fault, text)
    table = pd.DataFrame(tray.rows, columns=COLUMNS, dtype="str")
    return tray.extract(table, "combined log format", when, content.sha256)


def _is_moment(text):
    """Return whether a text says a moment as logs do; its hour is looked at, its day looked up."""
    found = _MOMENT.fullmatch(text)
    return found is not None and _is_day(found[1])


@lru_cache
def _is_day(text):
    try:
        return datetime.strptime(text, "%d/%b/%Y").strftime("%d/%b/%Y") == text
    except ValueError:
        return False
