"""The operator's customer file, with the columns of IBM's public Telco table: read exactly or refused."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

import pandas as pd

from helpers.checks import require_unique
from helpers.etl.extract.provenance import Provenance
from helpers.files import sha256_of

TELCO_COLUMNS = [
    "customerID", "gender", "SeniorCitizen", "Partner", "Dependents", "tenure", "PhoneService",
    "MultipleLines", "InternetService", "OnlineSecurity", "OnlineBackup", "DeviceProtection",
    "TechSupport", "StreamingTV", "StreamingMovies", "Contract", "PaperlessBilling",
    "PaymentMethod", "MonthlyCharges", "TotalCharges", "Churn",
]  # fmt: skip

LARGEST_FILE_BYTES = 100_000_000  # the file is untrusted: refuse before it fills the memory


def read_telco(path: str | Path) -> tuple[pd.DataFrame, Provenance]:
    """Read a customer file with the columns of IBM's Telco table, every value as text.

    Nothing is guessed and nothing is repaired: blanks stay blanks. The file is untrusted.

    Parameters
    ----------
    path : a CSV file in UTF-8, comma separated, one header line, one row a customer.

    Returns
    -------
    The raw table (one row a customer, 21 text columns in the file's order) and its provenance.

    Raises
    ------
    ValueError
        If the file is missing, empty, too large, not UTF-8, cut off, has other columns, repeats a
        customerID or holds no customer. The message says what was expected, what was found where,
        and what to do.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> row = ",".join(["7590-VHVEG", "Female", *["0"] * 18, "No"])
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "telco.csv", ",".join(TELCO_COLUMNS) + chr(10) + row)
    >>> raw, provenance = read_telco(path)
    >>> raw.loc[0, "customerID"], provenance.rows
    ('7590-VHVEG', 1)
    """
    path = Path(path)
    content = _read_bytes(path)
    text = _decode(content, path.name)
    raw = _parse(text, path.name)
    require_unique(raw, path.name, "customerID")
    return raw, Provenance(path.name, *raw.shape, sha256_of(content))


def _read_bytes(path):
    """Return the file's bytes, or say why they cannot be had."""
    try:
        ordinary = path.is_file()
    except OSError as error:  # a name that is too long, say
        raise ValueError(f"{str(path)[:60]}... is no path: {error.strerror}. Check it.") from error
    if not ordinary:
        found = "nothing"
        if path.exists():
            found = "a folder" if path.is_dir() else "no ordinary file"
        raise ValueError(
            f"A CSV file of customers was expected at {path}, but {found} is there. "
            "Check the path, or fetch the public file with: python3 run.py data telco"
        )
    size = path.stat().st_size
    if size > LARGEST_FILE_BYTES:
        raise ValueError(
            f"{path.name} has {size:,} bytes; a customer file is read up to "
            f"{LARGEST_FILE_BYTES:,}. Split it, or check that it is the right file."
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path.name} cannot be read: {error.strerror}. Check who may read it."
        ) from error
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise ValueError(
            f"{path.name} is empty ({size} bytes); a header line and one row a customer were "
            "expected. Export or fetch it again."
        )
    return content


def _decode(content, name):
    """Return the text, or name the first byte that is not UTF-8."""
    for start, encoding in [(b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\x1f\x8b", "gzip")]:  # fmt: skip
        if content.startswith(start):
            raise ValueError(
                f"{name} is {encoding}, by its first two bytes; UTF-8 text was expected. "
                "Save it as CSV in UTF-8."
            )
    if b"\x00" in content:
        line = content[: content.index(b"\x00")].count(b"\n") + 1
        raise ValueError(
            f"{name} holds a NUL byte in line {line:,}; a CSV file is text. "
            "It is damaged or not a CSV file: export it again."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{name} is not UTF-8: byte 0x{content[error.start]:02x} in line {line:,} cannot be "
            "read. A wrong guess would change names in silence. Save it as CSV in UTF-8."
        ) from error


def _check_header(found, name):
    """Stop unless the header holds the columns of IBM's file, each once, and no other."""
    missing = [column for column in TELCO_COLUMNS if column not in found]
    extra = [column for column in found if column not in TELCO_COLUMNS]
    if missing:
        raise ValueError(
            f"{name} lacks {len(missing)} of the {len(TELCO_COLUMNS)} columns of IBM's Telco file, "
            f"the first being {missing[0]}; its header starts {','.join(found)[:60]!r}. "
            "Rename the columns, or pass the right file."
        )
    if extra:
        raise ValueError(
            f"{name} has {len(extra)} column(s) that IBM's Telco file has not, the first being "
            f"{extra[0]!r}. Unknown columns may tell the answer: remove them first."
        )
    if len(found) != len(set(found)):
        twice = next(column for column in found if found.count(column) > 1)
        raise ValueError(
            f"{name} has the column {twice} more than once, so which one counts is unknown. "
            "Keep one."
        )


def _parse(text, name):
    """Parse the text into a table of strings; a row with too few or too many fields stops it."""
    # Not pd.read_csv: it fills a row that was cut off with "" and drops surplus fields.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    filled = (fields for fields in reader if fields)
    try:
        header = next(filled, [])
        _check_header(header, name)
        rows = []
        for fields in filled:
            if len(fields) != len(header):
                raise ValueError(
                    f"{name} is cut off or ragged: line {reader.line_num:,} has {len(fields)} "
                    f"fields, the header {len(header)} (its first is {fields[0][:60]!r}). "
                    "Repair that line, or export or fetch the file again."
                )
            rows.append(fields)
    except csv.Error as error:
        raise ValueError(
            f"{name} cannot be read as CSV: {error}, in line {reader.line_num:,}. A quote may be "
            "open. Repair that line or export the file again."
        ) from error
    if not rows:
        raise ValueError(
            f"{name} has a header but no row; one row a customer was expected. "
            "Export or fetch it again."
        )
    return pd.DataFrame(rows, columns=header, dtype=str)
