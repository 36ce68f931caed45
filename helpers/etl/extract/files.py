"""Untrusted files: read once and whole, unpacked, bounded, decoded."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from helpers.etl.extract.result import CannotExtract
from helpers.files import sha256_of

_BOMS = [(codecs.BOM_UTF8, "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"),
         (b"\x00\x00\xfe\xff", "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16")]  # fmt: skip
_BLOCK = 1 << 20
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_UNDECODED = re.compile("[\udc80-\udcff]")  # bytes, as surrogateescape writes them


@dataclass(frozen=True)
class FileLimits:
    """How much of a file is read before it is refused.

    Attributes
    ----------
    size : bytes, after unpacking; a file is read whole, and its table takes several times as much.
    line : characters of a line; a longer one is set aside.
    rows : rows of a file.
    """

    size: int = 200_000_000
    line: int = 1_000_000
    rows: int = 20_000_000


USUAL = FileLimits()


class Content(NamedTuple):
    """A file that was read: its name, its bytes, unpacked, the fingerprint of those on disk."""

    name: str
    data: bytearray
    sha256: str
    encoding: str


class Line(NamedTuple):
    """A line of a text file: its number from 1, its text, and what is wrong with it or ""."""

    number: int
    text: str
    fault: str


def each(paths: str | Path | Iterable[Path]) -> Iterable[str | Path]:
    """Return paths as several, of which there may be one."""
    return [paths] if isinstance(paths, str | Path) else paths


def read_whole(
    path: str | Path, limits: FileLimits, encodings: Sequence[str] = ("utf-8",)
) -> Content:
    """Read a file once, and unpack it if it is packed with gzip, as its first bytes tell.

    Parameters
    ----------
    encodings : tried in order; the first that reads every byte is taken, or else the first. A byte
        order mark at the start decides before them, and so does UTF-8, where named, that reads more
        of the characters beyond ASCII than it fails at: such a file is UTF-8 with damage.

    Raises
    ------
    CannotExtract
        If the file is missing, cannot be read, is too large or is a damaged gzip file, or if Python
        does not know an encoding.
    """
    if not encodings:
        raise CannotExtract("at least one encoding was expected, and none came: write 'utf-8'.")
    path = Path(path)
    try:
        if not path.is_file() and path.exists():
            raise CannotExtract(f"a file was expected at {path}, and it is none: check the path.")
        with path.open("rb") as file:
            data = _bounded(file, path.name, limits.size)
    except CannotExtract:
        raise
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    sha256 = sha256_of(data)
    if data.startswith(b"\x1f\x8b"):
        try:
            data = _bounded(gzip.GzipFile(fileobj=io.BytesIO(data)), path.name, limits.size)
        except (OSError, EOFError, zlib.error) as error:
            raise CannotExtract(
                f"{path.name} is packed with gzip and damaged, or ends in the middle: fetch it again."
            ) from error
    return Content(path.name, data, sha256, _encoding_of(data, encodings))


def unreadable(path: str | Path, error: OSError | ValueError) -> CannotExtract:
    """Return what to say of a file that cannot be read; a name with a NUL is a ValueError."""
    why = getattr(error, "strerror", None) or error
    return CannotExtract(
        f"a file was expected at {str(path)[:200]}, but: {why}. Check the path, and who may read it."
    )


def _bounded(file, name, most):
    """Return the bytes of an open file, up to `most`."""
    data = bytearray()
    while block := file.read(_BLOCK):
        data += block
        if len(data) > most:
            raise CannotExtract(
                f"{name} holds more than {most:,} bytes, unpacked: split it, or allow more with "
                "FileLimits(size=...)."
            )
    return data


def _encoding_of(data, encodings):
    """Return the encoding of a text file; see `read_whole`."""
    for name in encodings:
        _decodes(b"a", name)  # stops at a name that is none
    marked = [name for bom, name in _BOMS if data.startswith(bom)]
    if marked or len(encodings) == 1:
        return [*marked, *encodings][0]
    fits = [name for name in encodings if _decodes(data, name)]
    for name in encodings if fits else ():
        if name in fits or (codecs.lookup(name).name == "utf-8" and _is_damaged_utf_8(data)):
            return name
    return encodings[0]


def _decodes(data, name):
    try:
        data.decode(name)
    except LookupError as error:
        raise CannotExtract(
            f"{name!r} is no encoding that Python knows: write for instance 'utf-8' or 'cp1252'."
        ) from error
    except ValueError:
        return False
    return True


def _is_damaged_utf_8(data):
    """Return whether bytes that are no whole UTF-8 are mostly so: no other encoding looks like it."""
    text = data.decode("utf-8", "surrogateescape")
    return len(_BEYOND_ASCII.findall(text)) > 2 * len(_UNDECODED.findall(text))


def lines_of(content: Content, limits: FileLimits, newline: str = "\n") -> Iterator[Line]:
    """Yield the lines of a file, with their ends.

    A line that is too long, or holds bytes that the encoding has not (they are written as in
    `\\xe9`), comes with a fault.

    Parameters
    ----------
    newline : as in `open`: "" ends lines at any line end, and a line feed only there.
    """
    number = 0
    try:
        text = io.TextIOWrapper(
            io.BytesIO(content.data), content.encoding, "surrogateescape", newline
        )
        for number, line in enumerate(text, 1):
            readable, fault = printable(line), ""
            if len(line) > limits.line:
                fault = f"the line has more than {limits.line:,} characters"
            elif readable is not line:
                fault = "it holds bytes that the encoding has not"
            yield Line(number, readable, fault)
    except UnicodeError as error:
        raise CannotExtract(
            f"{content.name} is not {content.encoding} behind line {number:,}: {error}. Save it again in "
            "UTF-8, or name its encoding."
        ) from error


def printable(text: str) -> str:
    """Return text that can be written anywhere: what could not be decoded is spelled out.

    Examples
    --------
    >>> print(printable(b"caf\\xe9".decode("ascii", "surrogateescape")))
    caf\\xe9
    """
    if text.isascii() or not _UNDECODED.search(text):
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
