"""A world of one's own for each student: SEED computed from the student and a secret.

The seed is HMAC-SHA256 of "STUDENT\\nEXERCISE" under the instructor's secret, as a whole number
brought into the range of the exercise's SEED. What marks are given on besides, the `MARKS_SEED` of
the hidden tests, comes of the secret too, and nobody is told. Without the secret nobody can tell whose world a
seed is; with it, handing out and grading compute the same seed, and nothing has to be stored.
"""

from __future__ import annotations

import csv
import hashlib
import hmac
import unicodedata
from pathlib import Path

from helpers.course import BadInput
from helpers.course.grading.tasks import Exercise, with_marks_seed

LEAST_BYTES = 16


def seed_of(student: str, stem: str, secret: bytes, low: int = 0, high: int = 2**31 - 1) -> int:
    """Return the SEED of one student for one exercise.

    Parameters
    ----------
    student : as in the class list and in the folder of submissions.
    stem : of the exercise, so that each one is another world.
    secret : of the instructor.
    low, high : the range of SEED, both ends included.

    Examples
    --------
    >>> seed_of("ana", "04a_churn_models", b"0123456789abcdef", 0, 999)
    295
    >>> seed_of("ben", "04a_churn_models", b"0123456789abcdef", 0, 999)
    730
    """
    said = f"{unicodedata.normalize('NFC', student)}\n{stem}".encode("utf-8", "backslashreplace")
    digest = hmac.new(secret, said, hashlib.sha256).digest()
    return low + int.from_bytes(digest, "big") % (high - low + 1)


def seed_for(exercise: Exercise, student: str, secret: bytes | None) -> int | None:
    """Return a student's SEED, or None where everybody has the same world."""
    if secret is None or exercise.seed_range is None:
        return None
    return seed_of(student, exercise.stem, secret, *exercise.seed_range)


def marked(exercise: Exercise, secret: bytes | None) -> Exercise:
    """Return an exercise whose hidden tests replay a world of the secret's: the same for a class.

    Without a secret it is the world that the solution names.
    """
    # No student has an empty name.
    return exercise if secret is None else with_marks_seed(exercise, seed_of("", exercise.stem, secret, 0, 999_999))  # fmt: skip


def read_secret(path: Path) -> bytes:
    """Read an instructor's secret; spaces and line ends around it do not count.

    Raises
    ------
    BadInput
        If it is not there or shorter than 16 bytes.
    """
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise BadInput(
            f"A secret was expected in {path}; it cannot be read ({error.strerror})."
        ) from error
    if len(secret) < LEAST_BYTES:
        raise BadInput(
            f"A secret of at least {LEAST_BYTES} bytes was expected in {path.name}; it has "
            f'{len(secret)}. Make one with: python3 -c "import secrets; print(secrets.token_hex())"'
        )
    return secret


def read_students(path: Path) -> list[str]:
    """Read a class list: the column `student` of a CSV file, else its first column.

    Raises
    ------
    BadInput
        If it cannot be read, is empty, names one student twice, or a name cannot be a file's.
    """
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"A class list (CSV, UTF-8) was expected in {path}; it cannot be read: {error}."
        ) from error
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    at = head.index("student") if "student" in head else 0
    names = [row[at].strip() if len(row) > at else "" for row in rows["student" in head :]]
    if not names:
        raise BadInput(f"A class list was expected in {path.name}; it names nobody.")
    for name in names:
        if (
            not name
            or name.startswith(".")
            or set(name) & set('/\\:*?"<>|')
            or not name.isprintable()
        ):
            raise BadInput(
                f"A student's name that can be the name of a file was expected in {path.name}; got "
                f"{name!r}. Use the login or number that your platform exports."
            )
    folded = [unicodedata.normalize("NFC", name).casefold() for name in names]
    twice = next((n for n, f in zip(names, folded, strict=True) if folded.count(f) > 1), "")
    if twice:
        raise BadInput(
            f"{path.name} must name each student once; {twice!r} is there twice. Delete one."
        )
    return names
