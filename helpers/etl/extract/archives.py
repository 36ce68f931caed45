"""Zip archives that nobody vouches for: every member is unpacked in its place, or refused by name."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from pandas import DataFrame

from helpers.etl.extract.accounts import CannotExtract, Tray, aside_table
from helpers.files import write_whole


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
