"""What students handed in: found in a folder, read without trust, each oddity named.

Three layouts are taken, side by side: `STUDENT/**/STEM.ipynb`, `STUDENT.zip` with the same inside
(also in a student's folder), and `STUDENT_STEM.ipynb`. Links are never followed, archives never
unpacked, and nothing is run. Whatever else lies there is somebody's too, and accounted for.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from helpers.course import BadInput
from helpers.course.grading.read_cells import read_cells
from helpers.course.grading.tasks import Exercise
from helpers.course.runner.shelf import RETIRED, replaced

MAX_BYTES = 20_000_000
MAX_FILES = 500
_LINK = "It is a link, which is never followed: hand in the notebook itself."
_LEFT_BY_TOOLS = re.compile(
    r"__MACOSX|\.ipynb_checkpoints|__pycache__|\.DS_Store|\._.*|\.git(?:hub|ignore|attributes|modules|keep)?|Thumbs\.db|desktop\.ini"
)


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
    """A file as it was found: its bytes, why there are none, or that it is `no_notebook`."""

    student: str
    file: str
    data: bytes = b""
    problem: str = ""
    no_notebook: bool = False


def read_submissions(folder: Path, exercises: dict[str, Exercise]) -> list[Submission]:
    """Return every submission below `folder`, and one for each that is missing.

    Parameters
    ----------
    folder : of the submissions, as a learning platform exports it.
    exercises : those that were released, by stem.

    Returns
    -------
    In order of student and exercise. An exercise that nobody handed in is left out. Who handed in
    files but no notebook has a submission with that as its problem.

    Raises
    ------
    BadInput
        If the folder holds nothing.
    """
    if not folder.is_dir():
        raise BadInput(f"A folder of submissions was expected at {folder}; there is none.")
    found = list(_files(folder, exercises))
    if not found:
        raise BadInput(
            f"Submissions were expected in {folder}: a folder or a zip for each student, or files named "
            "STUDENT_STEM.ipynb. Nothing is there."
        )
    kept = _one_each([_recognise(one, exercises) for one in found if not one.no_notebook])
    kept += _without_notebook([one for one in found if one.no_notebook], kept, exercises)
    return sorted(_with_missing(kept), key=lambda one: (one.student, one.stem, one.file))


def _without_notebook(others, kept, exercises):
    """Note what was left aside on a submission of its student; return those who have none."""
    fresh, files = [], {}
    # Those named for an exercise come first: the rest joins what its student has by then.
    for one in sorted(others, key=lambda one: not _exercise_of(one, exercises)):
        stem = _exercise_of(one, exercises)
        stem = stem if stem in exercises else ""
        mine = [s for s in kept + fresh if s.student == one.student and stem in ("", s.stem)]
        if not mine:
            mine = [Submission(one.student, stem, one.file)]
            fresh += mine
        files.setdefault(id(mine[0]), []).append(one.file)
    for one in kept:
        if id(one) in files:
            one.notes.append(f"Left aside (no notebook): {_listed(files[id(one)])}.")
    for one in fresh:
        one.problem = f"No notebook in it (found {_listed(files[id(one)])})."
    return fresh


def _listed(files):
    """Return the names of files, the first five if they are many."""
    names = [PurePosixPath(file).name for file in files]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


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
    """Yield each file that somebody handed in."""
    for path in sorted(folder.iterdir()):
        name = _printable(path.name)
        if _LEFT_BY_TOOLS.fullmatch(name):
            continue
        if path.is_dir() and not path.is_symlink():
            found = list(_in_folder(path, name))
            empty = _Found(name, name, problem="The folder is empty: nothing was handed in.")
            yield from found or [empty]
        else:
            yield from _in_file(path, _student_of(name, exercises), name)


def _student_of(name, exercises):
    """Return the student in `STUDENT_STEM.ENDINGS`; the whole when no exercise is named."""
    base = re.sub(r"(\.ipynb|\.tar)?(\.\w{1,8})?$", "", name, flags=re.IGNORECASE)
    for stem in [*exercises, *RETIRED]:
        if base.lower().endswith(f"_{stem}".lower()):
            return base[: -len(stem) - 1]
    return base


def _exercise_of(found, exercises):
    """Return the exercise that a file is named for, be it retired; "" for none."""
    name, student = PurePosixPath(found.file).name, re.escape(found.student)
    for stem in [*exercises, *RETIRED]:
        if re.fullmatch(rf"({student}_)?{re.escape(stem)}(\.\w+)*", name, re.IGNORECASE):
            return stem
    return ""


def _printable(name):
    """Return a file name as text that can be stored as UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _in_folder(top, student):
    """Yield what a student's folder holds; never leave it. What tools left counts if it is all."""
    count, left, taken = 0, [], 0
    queue = [top]
    while queue:
        try:
            inside = sorted(queue.pop(0).iterdir())
        except OSError as error:
            yield _Found(student, student, problem=f"It cannot be read: {error.strerror}.")
            return
        for path in inside:
            count += 1
            if count > MAX_FILES:
                problem = f"More than {MAX_FILES} files: hand in the notebooks only."
                yield _Found(student, student, problem=problem)
                return
            shown = f"{student}/{_printable(path.relative_to(top).as_posix())}"
            if _LEFT_BY_TOOLS.fullmatch(path.name):
                left.append(_Found(student, shown, no_notebook=True))
            elif path.is_dir() and not path.is_symlink():
                queue.append(path)
            else:
                taken += 1
                yield from _in_file(path, student, shown)
    if not taken:
        yield from left


def _in_file(path, student, shown):
    """Yield what a file holds: a notebook, those of an archive, or neither."""
    ending = path.suffix.lower()
    if path.is_symlink():
        yield _Found(student, shown, problem=_LINK)
    elif ending == ".zip":
        yield from _in_archive(path, student, shown)
    elif ending == ".ipynb":
        yield _read(path, student, shown)
    else:
        yield _Found(student, shown, no_notebook=True)


def _read(path, student, shown):
    """Read a file up to the size allowed."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            problem = "It is no ordinary file: hand in the notebook itself."
            return _Found(student, shown, problem=problem)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return _Found(student, shown, problem=f"It cannot be read: {error.strerror}.")
    return _sized(student, shown, data)


def _sized(student, shown, data):
    """Refuse what is too large."""
    if len(data) > MAX_BYTES:
        problem = f"It is larger than {MAX_BYTES // 1_000_000} MB: clear its outputs."
        return _Found(student, shown, problem=problem)
    return _Found(student, shown, data)


def _in_archive(path, student, shown):
    """Yield what an archive holds, read in memory; one with a trap is refused whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            if trap := _trap(members):
                yield _Found(student, shown, problem=trap)
                return
            names = [PurePosixPath(member.filename) for member in members]
            left = [any(map(_LEFT_BY_TOOLS.fullmatch, name.parts)) for name in names]
            for member, name, of_tools in zip(members, names, left, strict=True):
                inside = f"{shown}/{name}"
                if of_tools and not all(left):
                    continue
                if of_tools or name.suffix.lower() != ".ipynb":
                    yield _Found(student, inside, no_notebook=True)
                    continue
                with archive.open(member) as file:
                    yield _sized(student, inside, file.read(MAX_BYTES + 1))
            if not members:
                problem = "The archive is empty: nothing was handed in."
                yield _Found(student, shown, problem=problem)
    except Exception as error:  # a forged archive brings about any of them
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
    stem = _exercise_of(found, exercises)
    if told := replaced(stem, exercises):
        return Submission(found.student, "", found.file, problem=told)
    if found.problem:
        return Submission(found.student, stem, found.file, problem=found.problem)
    cells, language, problem = read_cells(found.data)
    if problem:
        return Submission(found.student, stem, found.file, problem=problem)
    notes = []
    if not stem:
        stem = _by_content(cells, exercises)
        if not stem:
            problem = "It is none of the exercises: neither its name nor its cells are known."
            return Submission(found.student, "", found.file, problem=problem)
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
    return [one for key, group in groups.items() for one in (_chosen(group) if key[1] else group)]


def _chosen(group):
    """Return the one that counts: the only one under the right name; copies count once."""
    named = [one for one in group if not any(n.startswith("Renamed") for n in one.notes)]
    usable = named if len(named) == 1 else group
    first = {str(one.cells): one for one in reversed(usable) if one.cells}
    usable = [one for one in usable if not one.cells or first[str(one.cells)] is one]
    if len(usable) > 1:
        files = ", ".join(one.file for one in group)
        problem = f"{len(group)} files claim to be this exercise: {files}. Keep one."
        return [Submission(group[0].student, group[0].stem, files, problem=problem)]
    for other in group:
        if other is not usable[0]:
            usable[0].notes.append(f"{other.file} was left aside.")
    return usable
