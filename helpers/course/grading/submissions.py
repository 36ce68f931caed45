"""What students handed in: found in a folder, read without trust, each oddity named.

Three layouts are taken, side by side: `STUDENT/**/STEM.ipynb`, `STUDENT.zip` with the same inside,
and `STUDENT_STEM.ipynb`. Links are never followed, archives never unpacked, and nothing is run.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from helpers.course import BadInput
from helpers.course.grading.read_cells import read_cells
from helpers.course.grading.tasks import Exercise

MAX_BYTES = 20_000_000
MAX_FILES = 500


@dataclass
class Submission:
    """One student's work on one exercise.

    Attributes
    ----------
    student : name of the folder, the archive, or the beginning of the file's name.
    stem : the exercise; "" when it cannot be told.
    file : where it was found, from the folder of submissions.
    cells : what the notebook holds, as plain dicts; empty when it cannot be read.
    problem : why it cannot be graded, one sentence; "" when it can.
    notes : what was odd and did no harm.
    """

    student: str
    stem: str
    file: str
    cells: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class _Found:
    """A file as it was found: its bytes, or why there are none."""

    student: str
    file: str
    data: bytes = b""
    problem: str = ""


def read_submissions(folder: Path, exercises: dict[str, Exercise]) -> list[Submission]:
    """Return every submission below `folder`, and one for each that is missing.

    Parameters
    ----------
    folder : of the submissions, as a learning platform exports it.
    exercises : those that were released, by stem.

    Returns
    -------
    In order of student and exercise. An exercise that nobody handed in is left out.

    Raises
    ------
    BadInput
        If the folder holds nothing.
    """
    if not folder.is_dir():
        raise BadInput(f"A folder of submissions was expected at {folder}; there is none.")
    found = [_recognise(one, exercises) for one in _files(folder, exercises)]
    if not found:
        raise BadInput(
            f"Submissions were expected in {folder}: a folder or a zip a student, or files named "
            "STUDENT_STEM.ipynb. Nothing of this kind is there."
        )
    kept = _one_each(found)
    return sorted(_with_missing(kept), key=lambda one: (one.student, one.stem, one.file))


def _with_missing(kept):
    """Return the submissions, and one for each that is not there, with what was there instead."""
    stems = sorted({one.stem for one in kept if one.stem})
    have = {(one.student, one.stem) for one in kept}
    instead = {one.student: one for one in reversed(kept) if not one.stem}
    missing = []
    for student in sorted({one.student for one in kept}):
        for stem in stems:
            if (student, stem) not in have:
                strange = instead.pop(student, None)
                said = strange.problem if strange else "Missing: nothing was handed in."
                file = strange.file if strange else ""
                missing.append(Submission(student, stem, file, problem=said))
    named = {(one.student, one.file) for one in missing}
    return missing + [one for one in kept if (one.student, one.file) not in named]


def _files(folder, exercises) -> Iterator[_Found]:
    """Yield each file that may be a notebook."""
    for path in sorted(folder.iterdir()):
        name = _printable(path.name)
        if name.startswith(".") or name == "__MACOSX":
            continue
        if path.is_symlink():
            yield _Found(name.removesuffix(".ipynb"), name, problem=_LINK)
        elif path.is_dir():
            yield from _in_folder(path, name)
        elif path.suffix.lower() == ".zip":
            yield from _in_archive(path, _printable(path.stem))
        elif path.suffix == ".ipynb":
            yield _read(path, _student_of(_printable(path.stem), exercises), name)


_LINK = "It is a link, which is never followed: hand in the notebook itself."


def _student_of(stem, exercises):
    """Return the student in `STUDENT_STEM`; the whole when no exercise is named."""
    ends = [f"_{known}" for known in exercises if stem.endswith(f"_{known}")]
    return stem.removesuffix(ends[0]) if ends else stem


def _printable(name):
    """Return a file name as text that can be stored as UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _in_folder(top, student):
    """Yield the notebooks of a student's folder; never leave it."""
    count = 0
    queue = [top]
    while queue:
        for path in sorted(queue.pop(0).iterdir()):
            count += 1
            if count > MAX_FILES:
                yield _Found(
                    student,
                    student,
                    problem=f"More than {MAX_FILES} files: hand in the notebooks only.",
                )
                return
            shown = f"{student}/{_printable(str(path.relative_to(top)))}"
            if path.is_symlink():
                yield _Found(student, shown, problem=_LINK)
            elif path.is_dir() and not path.name.startswith((".", "__MACOSX")):
                queue.append(path)
            elif path.suffix == ".ipynb" and not path.name.startswith("."):
                yield _read(path, student, shown)
    if count == 0:
        yield _Found(student, student, problem="The folder is empty: nothing was handed in.")


def _read(path, student, shown):
    """Read a file up to the size allowed."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return _Found(
                student, shown, problem="It is no ordinary file: hand in the notebook itself."
            )
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return _Found(student, shown, problem=f"It cannot be read: {error.strerror}.")
    return _sized(student, shown, data)


def _sized(student, shown, data):
    """Refuse what is too large."""
    if len(data) > MAX_BYTES:
        return _Found(
            student,
            shown,
            problem=f"It is larger than {MAX_BYTES // 1_000_000} MB: clear its outputs.",
        )
    return _Found(student, shown, data)


def _in_archive(path, student):
    """Yield the notebooks of an archive, read in memory; one with a trap is refused whole."""
    shown = _printable(path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            trap = _trap(members)
            if trap:
                yield _Found(student, shown, problem=trap)
                return
            for member in members:
                name = PurePosixPath(member.filename)
                if name.suffix == ".ipynb" and not any(
                    p.startswith((".", "__MACOSX")) for p in name.parts
                ):
                    with archive.open(member) as file:
                        yield _sized(student, f"{shown}/{name}", file.read(MAX_BYTES + 1))
    except (
        OSError,
        ValueError,
        RuntimeError,
        NotImplementedError,
        zipfile.BadZipFile,
        EOFError,
    ) as error:
        yield _Found(student, shown, problem=f"The archive cannot be read: {error}. Make it anew.")
    except Exception as error:  # zlib.error and what else a forged archive brings about
        yield _Found(student, shown, problem=f"The archive cannot be read: {error}. Make it anew.")


def _trap(members):
    """Return why an archive is not opened; "" when it may be."""
    if len(members) > MAX_FILES:
        return f"The archive holds more than {MAX_FILES} files: hand in the notebooks only."
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
            return (
                f"The archive names a file outside itself ({name[:60]!r}): nothing of it is used."
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            return f"The archive holds a link ({name[:60]!r}): nothing of it is used."
        if member.flag_bits & 1:
            return "The archive asks for a password: hand it in without one."
    return ""


def _recognise(found, exercises):
    """Return the submission behind a file."""
    name = PurePosixPath(found.file).name.removesuffix(".ipynb")
    fitting = [s for s in exercises if name == s or name == f"{found.student}_{s}"]
    stem = fitting[0] if fitting else ""
    if found.problem:
        return Submission(found.student, stem, found.file, problem=found.problem)
    cells, language, problem = read_cells(found.data)
    if problem:
        return Submission(found.student, stem, found.file, problem=problem)
    notes = []
    if not stem:
        stem = _by_content(cells, exercises)
        if not stem:
            return Submission(
                found.student,
                "",
                found.file,
                problem="It is none of the exercises: neither its name nor its cells are known.",
            )
        notes.append(f"Renamed: {PurePosixPath(found.file).name} was taken for {stem}.")
    if language not in {"", "python"}:
        notes.append(f"Its kernel was set to {language[:40]!r}; it was run as Python.")
    return Submission(found.student, stem, found.file, cells, notes=notes)


def _by_content(cells, exercises):
    """Return the exercise whose cells are shared most; "" when it is under a third."""
    best, most = "", 1 / 3
    ours = {(c["id"], c["source"].strip()) for c in cells}
    sources = {source for _, source in ours if source}
    for stem, exercise in exercises.items():
        shared = [
            c.source.strip() in sources or (c.id, c.source.strip()) in ours for c in exercise.cells
        ]
        share = sum(shared) / len(shared)
        if share > most:
            best, most = stem, share
    return best


def _one_each(found):
    """Return one submission for each student and exercise; two of one kind are told, not chosen."""
    groups: dict[tuple[str, str], list[Submission]] = {}
    for one in found:
        groups.setdefault((one.student, one.stem), []).append(one)
    return [
        one for (_, stem), group in groups.items() for one in (_chosen(group) if stem else group)
    ]


def _chosen(group):
    """Return the one that counts: the only one under the right name."""
    named = [one for one in group if not any(n.startswith("Renamed") for n in one.notes)]
    usable = named if len(named) == 1 else group
    if len(usable) > 1:
        files = ", ".join(one.file for one in group)
        return [
            Submission(
                group[0].student,
                group[0].stem,
                files,
                problem=f"{len(group)} files claim to be this exercise: {files}. Keep one.",
            )
        ]
    for other in group:
        if other is not usable[0]:
            usable[0].notes.append(f"{other.file} was left aside.")
    return usable
