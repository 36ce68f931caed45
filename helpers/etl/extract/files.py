"""A file that nobody vouches for: unpacked, counted, bounded, decoded."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from pandas import DataFrame

from helpers.etl.extract.result import CannotExtract, Tray, aside_table
from helpers.files import sha256_of, write_whole

_BOMS = [(codecs.BOM_UTF8, "utf-8-sig"), (b"\xff\xfe\x00\x00", "utf-32"),
         (b"\x00\x00\xfe\xff", "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"),
         (codecs.BOM_UTF16_BE, "utf-16")]  # fmt: skip
_BLOCK = 1 << 16
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_UNDECODED = re.compile("[\udc80-\udcff]")  # bytes, as surrogateescape writes them


@dataclass(frozen=True)
class FileLimits:
    """How much of a file is read before it is refused.

    Attributes
    ----------
    size : bytes, after unpacking.
    line : characters of a line; a longer one is set aside.
    rows : rows of a file.
    depth : levels of nesting of one JSON value or XML element.
    """

    size: int = 2_000_000_000
    line: int = 1_000_000
    rows: int = 20_000_000
    depth: int = 40


class Line(NamedTuple):
    """A line of a text file: its number from 1, its text, and what is wrong with it or ""."""

    number: int
    text: str
    fault: str


@dataclass(frozen=True)
class Examined:
    """What a first look at a file told: its encoding and the fingerprint of its bytes on disk."""

    path: Path
    encoding: str
    sha256: str
    stamp: tuple[int, int]

    def refuse_change(self) -> None:
        """Stop when the file was written to since it was examined."""
        if _stamp(self.path) != self.stamp:
            raise CannotExtract(
                f"{self.path.name} was changed while it was read, so half of it may be new: read it "
                "again once it is written."
            )


def examine(path: str | Path, encodings: Sequence[str], limits: FileLimits) -> Examined:
    """Look through a file once: is it there, whole, not too large, and in which encoding?

    Parameters
    ----------
    path : a text file, or one packed with gzip (told by its first bytes, not by its name).
    encodings : tried in order; the first that reads every byte is taken, or else the first. A byte
        order mark at the start decides before them, and so does UTF-8, where named, that reads more
        of the characters beyond ASCII than it fails at: such a file is UTF-8 with damage.

    Raises
    ------
    CannotExtract
        If the file is missing, cannot be read, is too large or is a damaged gzip file.
    """
    path = Path(path)
    if not encodings:
        raise CannotExtract("at least one encoding was expected, and none came: write 'utf-8'.")
    stamp = _stamp(path)
    start, left = b"", {name: _decoder(name) for name in encodings}
    with opened(path, limits) as file:
        while block := file.read(_BLOCK):
            start = start or block[:4]
            left = {name: one for name, one in left.items() if _decodes(one, block)}
    left = [name for name, one in left.items() if _decodes(one, b"", final=True)]
    marked = [name for bom, name in _BOMS if start.startswith(bom)]
    encoding = marked[0] if marked else _best(encodings, left, path, limits)
    return Examined(path, encoding, fingerprint(path), stamp)


def fingerprint(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, or say why it cannot be had.

    Raises
    ------
    CannotExtract
        If the file is missing or may not be read.
    """
    path = Path(path)
    _stamp(path)
    try:
        return sha256_of(path)
    except OSError as error:
        raise CannotExtract(
            f"{path.name} cannot be read: {error.strerror}. Check who may read it."
        ) from error


def _decoder(name):
    try:
        return codecs.getincrementaldecoder(name)()
    except LookupError as error:
        raise CannotExtract(
            f"{name!r} is no encoding that Python knows: write for instance 'utf-8' or 'cp1252'."
        ) from error


def _decodes(decoder, block, final=False):
    try:
        decoder.decode(block, final)
    except ValueError:
        return False
    return True


def _best(encodings, left, path, limits):
    """Return the first encoding that reads a file, whole or as the damaged UTF-8 that it is."""
    for name in encodings:
        if name in left or (left and _is_utf_8(name, path, limits)):
            return name
    return encodings[0]


def _is_utf_8(name, path, limits):
    """Return whether a file that is no whole UTF-8 is mostly so: no other encoding looks like it."""
    if codecs.lookup(name).name != "utf-8":
        return False
    decoder = codecs.getincrementaldecoder(name)("surrogateescape")
    read = failed = 0
    with opened(path, limits) as file:
        while block := file.read(_BLOCK):
            text = decoder.decode(block)
            if not text.isascii():
                bad = len(_UNDECODED.findall(text))
                failed += bad
                read += len(_BEYOND_ASCII.findall(text)) - bad
    return read > failed


def _stamp(path):
    """Return size and time of the last change, or say why the file cannot be had."""
    try:
        found = path.stat()
        ordinary = path.is_file()
    except (OSError, ValueError) as error:  # a name too long, or with a NUL
        why = getattr(error, "strerror", None) or error
        raise CannotExtract(
            f"a file was expected at {str(path)[:200]}, but: {why}. Check the path."
        ) from error
    if not ordinary:
        raise CannotExtract(f"a file was expected at {path}, and it is none: check the path.")
    return found.st_size, found.st_mtime_ns


class _Bounded(io.RawIOBase):
    """Bytes of a file, unpacked if packed, counted; trouble becomes one sentence."""

    def __init__(self, inner, name, most):
        self._inner, self._name, self._most, self._read = inner, name, most, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        try:
            block = self._inner.read(len(buffer))
        except EOFError as error:
            raise CannotExtract(
                f"{self._name} is packed with gzip and ends in the middle, after {self._read:,} "
                "unpacked bytes: fetch it again."
            ) from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise CannotExtract(
                f"{self._name} is packed with gzip and damaged behind byte {self._read:,}, unpacked: "
                "fetch it again."
            ) from error
        except OSError as error:
            raise CannotExtract(
                f"{self._name} cannot be read behind byte {self._read:,}: {error.strerror}. Check "
                "the disk, and who may read it."
            ) from error
        self._read += len(block)
        if self._read > self._most:
            raise CannotExtract(
                f"{self._name} holds more than {self._most:,} bytes, unpacked: split it, or allow "
                "more with FileLimits(size=...)."
            )
        buffer[: len(block)] = block
        return len(block)


@contextlib.contextmanager
def opened(path: Path, limits: FileLimits) -> Iterator[io.BufferedReader]:
    """Open a file for reading, unpacked where packed; see `examine` for what is refused."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise CannotExtract(
            f"{path.name} cannot be read: {error.strerror}. Check who may read it."
        ) from error
    with file:
        packed = file.peek(2)[:2] == b"\x1f\x8b"
        inner = gzip.GzipFile(fileobj=file) if packed else file
        with io.BufferedReader(_Bounded(inner, path.name, limits.size), _BLOCK) as reader:
            yield reader


def lines_of(examined: Examined, limits: FileLimits, newline: str = "\n") -> Iterator[Line]:
    """Yield the lines of a file, one at a time, with their ends.

    A line that is too long comes with its start only and a fault; one with bytes that the encoding
    has not comes with a fault, those bytes written as in `\\xe9`.

    Parameters
    ----------
    newline : as in `open`: "" ends lines at any line end, and a line feed only there.
    """
    with opened(examined.path, limits) as file:
        text = io.TextIOWrapper(file, examined.encoding, "surrogateescape", newline)
        number = 0
        try:
            while line := text.readline(limits.line + 1):
                number += 1
                yield _line(number, line, text, limits.line)
        except UnicodeError as error:
            raise CannotExtract(
                f"{examined.path.name} is not {examined.encoding} behind line {number:,}: "
                f"{error}. Save it again in UTF-8, or name its encoding."
            ) from error
    examined.refuse_change()


def _line(number, line, text, most):
    """Return a line with what is wrong with it."""
    if len(line) > most:
        rest = line
        while rest and rest[-1] not in "\r\n":
            rest = text.readline(most)
        return Line(number, printable(line), f"the line has more than {most:,} characters")
    if line.isascii() or not _escaped(line):
        return Line(number, line, "")
    return Line(number, printable(line), "it holds bytes that the encoding has not")


def _escaped(line):
    """Return whether bytes could not be decoded."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return True
    return False


def printable(text: str) -> str:
    """Return text that can be written anywhere: what could not be decoded is spelled out.

    Examples
    --------
    >>> print(printable(b"caf\\xe9".decode("ascii", "surrogateescape")))
    caf\\xe9
    """
    if text.isascii() or not _escaped(text):
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def unpack_zip(
    path: str | Path,
    folder: str | Path,
    *,
    largest: int = 200_000_000,
    members: int = 1_000,
) -> tuple[list[Path], DataFrame]:
    """Unpack a zip archive into `folder`, and nowhere else.

    Parameters
    ----------
    path : the archive.
    folder : where its files go.
    largest : bytes that all members may have together, counted as they are unpacked.
    members : files that it may hold.

    Returns
    -------
    The files written, in the archive's order, and the members refused: as in `Extract.set_aside`,
    `line` the place in the archive. Refused are names that lead out of the folder, links, members
    with a password, packed in an unknown way or damaged, and a name that came before, as that of a
    file or of a folder.

    Raises
    ------
    CannotExtract
        If it is no archive, or holds more than is allowed; what was written before stays.

    Examples
    --------
    >>> import io, tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(folder / "batch.zip", "w") as archive:
    ...     archive.writestr("sales.csv", "id")
    ...     archive.writestr("../evil.csv", "id")
    >>> written, refused = unpack_zip(folder / "batch.zip", folder / "in")
    >>> [one.name for one in written], refused["reason"].tolist()
    (['sales.csv'], ['its name leads out of the folder'])
    """
    path, folder = Path(path), Path(folder)
    tray, left = Tray(path.name), largest
    try:
        with zipfile.ZipFile(path) as archive:
            found = [one for one in archive.infolist() if not one.is_dir()]
            if len(found) > members:
                raise CannotExtract(
                    f"{path.name} holds {len(found):,} files; up to {members:,} are unpacked: "
                    "check that it is the right one."
                )
            for place, member in enumerate(found, 1):
                left -= _unpack(archive, member, place, folder, tray, left)
    except (zipfile.BadZipFile, OSError) as error:
        raise CannotExtract(
            f"{path.name} cannot be unpacked: {error}. It is damaged or no zip archive: fetch it "
            "again."
        ) from error
    return tray.rows, aside_table(tray.aside)


def _unpack(archive, member, place, folder, tray, left):
    """Unpack one member or set it aside; return its bytes."""
    fault = _fault(member, folder, tray.rows)
    if not fault:
        try:
            with archive.open(member) as file:
                content = file.read(left + 1)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
            fault = f"it is damaged: {error}"
        except NotImplementedError as error:
            fault = f"it is packed in an unknown way: {error}"
    if fault:
        tray.put_aside(place, fault, repr(member.filename))
        return 0
    if len(content) > left:
        raise CannotExtract(
            f"{tray.source} unpacks to more than is allowed, {member.filename[:80]!r} being too "
            "much: allow more with largest=..., if it is to be trusted."
        )
    tray.rows.append(write_whole(folder / member.filename, content))
    return len(content)


def _fault(member, folder, written):
    """Return why a member may not be unpacked, or ""."""
    name = member.filename
    parts = PurePosixPath(name).parts
    windows = PureWindowsPath(name)
    if (
        not parts
        or ".." in parts
        or name.startswith("/")
        or windows.drive
        or "\\" in name
        or "\0" in name
    ):
        return "its name leads out of the folder"
    if not name.isprintable() or len(name) > 200 or ":" in name:
        return "its name is none that every system takes"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "it is a link"
    if member.flag_bits & 1:
        return "it needs a password"
    own = _spelt(folder / name)
    taken = [_spelt(one) for one in written]
    if any(one[: len(own)] == own or own[: len(one)] == one for one in taken):
        return "its name came before, as that of a file or a folder"
    return ""


def _spelt(path):
    """Return the parts of a path as systems compare them that see no difference in case."""
    return [part.casefold() for part in path.parts]
