"""The operator's customer file with the columns of IBM's public Telco table: read, checked, cleaned, described."""

from __future__ import annotations

import codecs
import csv
import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pandas import DataFrame, Series

from helpers.checks import require_columns, require_rows, require_share, require_unique
from helpers.etl.books import quarantine
from helpers.etl.extract.result import Provenance
from helpers.files import sha256_of

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

YES_NO = ["Yes", "No"]
YES_NO_OFFLINE = [*YES_NO, "No internet service"]
TELCO_LEVELS = {
    **dict.fromkeys(["Partner", "Dependents", "PhoneService", "PaperlessBilling", "Churn"], YES_NO),
    **dict.fromkeys(["OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport",
                     "StreamingTV", "StreamingMovies"], YES_NO_OFFLINE),
    "gender": ["Female", "Male"],
    "SeniorCitizen": ["0", "1"],
    "MultipleLines": [*YES_NO, "No phone service"],
    "InternetService": ["DSL", "Fiber optic", "No"],
    "Contract": ["Month-to-month", "One year", "Two year"],
    "PaymentMethod": ["Electronic check", "Mailed check", "Bank transfer (automatic)",
                      "Credit card (automatic)"],
}  # fmt: skip
TELCO_COLUMNS = [
    "customerID", "gender", "SeniorCitizen", "Partner", "Dependents", "tenure", "PhoneService",
    "MultipleLines", "InternetService", "OnlineSecurity", "OnlineBackup", "DeviceProtection",
    "TechSupport", "StreamingTV", "StreamingMovies", "Contract", "PaperlessBilling",
    "PaymentMethod", "MonthlyCharges", "TotalCharges", "Churn",
]  # fmt: skip
LARGEST_FILE_BYTES = 100_000_000  # the file is untrusted: refuse before it fills the memory


def telco_schema() -> DataFrameSchema:
    """Return the schema of the raw Telco table: the text that each field may hold.

    Examples
    --------
    >>> sorted(telco_schema().columns)[:3]
    ['Churn', 'Contract', 'Dependents']
    """
    import pandera.pandas as pa

    def written(pattern, error):
        # The whole text, in ASCII digits: str_matches would let "12\n" and "١٢" pass.
        return pa.Column(str, pa.Check(lambda texts: texts.str.fullmatch(pattern), error=error))

    columns = {
        name: pa.Column(str, pa.Check.isin(levels, error=f"{name} is a known level"))
        for name, levels in TELCO_LEVELS.items()
    }
    amount = r"[0-9]{1,6}(\.[0-9]{1,4})?"
    columns["customerID"] = written(r"\S.*", "customerID is given")
    columns["tenure"] = written("[0-9]{1,3}", "tenure is a whole number of months")
    columns["MonthlyCharges"] = written(amount, "MonthlyCharges is an amount")
    columns["TotalCharges"] = written(rf"{amount}|\s*", "TotalCharges is an amount or blank")
    unbilled = pa.Check(
        lambda table: table["TotalCharges"].str.strip().ne("") | table["tenure"].eq("0"),
        error="TotalCharges is blank only in the first month",
    )
    return pa.DataFrameSchema(columns, checks=unbilled)


def read_telco(path: str | Path) -> tuple[pd.DataFrame, Provenance]:
    """Read a customer file with the columns of IBM's Telco table, every value as text, unrepaired.

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
        customerID or holds no customer.

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
    raw = _parse(_decode(content, path.name), path.name)
    require_unique(raw, path.name, "customerID")
    return raw, Provenance(path.name, *raw.shape, sha256_of(content))


def _read_bytes(path):
    """Return the file's bytes, or say why they cannot be had."""
    try:
        there = "a folder" if path.is_dir() else "no ordinary file" if path.exists() else "nothing"
        ordinary = path.is_file()
    except OSError as error:  # a name that is too long, say
        raise ValueError(f"{str(path)[:60]}... is no path: {error.strerror}. Check it.") from error
    if not ordinary:
        raise ValueError(
            f"A CSV file of customers was expected at {path}, but {there} is there. "
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
    starts = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16", b"\x1f\x8b": "gzip"}
    if content[:2] in starts:
        raise ValueError(
            f"{name} is {starts[content[:2]]}, by its first two bytes; UTF-8 text was expected. "
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
            f"{name} has the column {twice} more than once, so which one counts is unknown. Keep one."
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
            f"{name} has a header but no row; one row a customer was expected. Export or fetch it again."
        )
    return pd.DataFrame(rows, columns=header, dtype=str)


def clean_telco(raw: pd.DataFrame) -> pd.DataFrame:
    """Give the raw Telco table its types, and the first-month customers the total they have paid.

    A blank `TotalCharges` is no gap: those customers are in month 0 and have not been billed, so
    the true total is 0.00. Nothing else is changed or dropped.

    Parameters
    ----------
    raw : rows that keep `helpers.etl.businesses.telco.telco_schema`, all text.

    Returns
    -------
    The same rows and columns; `SeniorCitizen` and `tenure` (months) whole numbers,
    `MonthlyCharges` and `TotalCharges` amounts.

    Raises
    ------
    ValueError
        If a column is missing, a number cannot be read, or a total is blank after month 0.

    Examples
    --------
    >>> raw = pd.DataFrame({"SeniorCitizen": ["0"], "tenure": ["0"], "MonthlyCharges": ["52.55"],
    ...                     "TotalCharges": [" "]})
    >>> clean_telco(raw).loc[0, "TotalCharges"].item()
    0.0
    """
    require_columns(raw, "raw", ["SeniorCitizen", "tenure", "MonthlyCharges", "TotalCharges"])
    blank = raw["TotalCharges"].str.strip().eq("")
    unexplained = blank & raw["tenure"].ne("0")
    if unexplained.any():
        row = int(unexplained.to_numpy().argmax())
        raise ValueError(
            f"raw has {int(unexplained.sum()):,} blank TotalCharges after the first month, the "
            f"first in row {row + 1:,} (tenure {raw['tenure'].iloc[row]}). That is a gap, not a "
            "customer who has not been billed. Quarantine those rows first."
        )
    return raw.assign(
        SeniorCitizen=_amounts(raw["SeniorCitizen"], whole=True).astype("int64"),
        tenure=_amounts(raw["tenure"], whole=True).astype("int64"),
        MonthlyCharges=_amounts(raw["MonthlyCharges"]),
        TotalCharges=_amounts(raw["TotalCharges"].mask(blank, "0")),
    )


def telco_customers(path: str | Path) -> pd.DataFrame:
    """Read a Telco file, leave out the rows that break the contract, and clean the others.

    `read_telco`, `quarantine` with `telco_schema` and `clean_telco` in one, for whoever has done it
    step by step; the errors are theirs.

    Warns
    -----
    UserWarning
        If a row is left out; with how many, and why the first.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.files import write_whole
    >>> row = ("7590-VHVEG,Female,0,Yes,No,1,No,No phone service,DSL,No,Yes,No,No,No,No,"
    ...        "Month-to-month,Yes,Electronic check,29.85,29.85,No")
    >>> path = write_whole(Path(tempfile.mkdtemp()) / "telco.csv", ",".join(TELCO_COLUMNS) + chr(10) + row)
    >>> telco_customers(path).loc[0, "MonthlyCharges"].item()
    29.85
    """
    raw, _ = read_telco(path)
    accepted, refused = quarantine(raw, telco_schema())
    if len(refused):
        warnings.warn(
            f"{len(refused):,} of {len(raw):,} customers break the contract and are left out, the first "
            f"because: {refused['reason'].iloc[0]}. quarantine(raw, telco_schema()) tells which.",
            stacklevel=2,
        )
    return clean_telco(accepted)


def _amounts(texts, whole=False):
    """Read text as numbers, or name the first that is none."""
    numbers = pd.to_numeric(texts, errors="coerce").astype("float64")
    broken = numbers.isna() | (numbers.mod(1).ne(0) if whole else False)
    if broken.any():
        row = int(broken.to_numpy().argmax())
        raise ValueError(
            f"{texts.name} in row {row + 1:,} is {texts.iloc[row]!r}, which is no "
            f"{'whole number' if whole else 'number'}. Quarantine such rows first, so that they are "
            "counted."
        )
    return numbers


def telco_numbers(customers: DataFrame) -> tuple[DataFrame, Series]:
    """Return the clean Telco table as numbers (levels one-hot) and whether each customer churned.

    Examples
    --------
    >>> table = DataFrame({"customerID": ["a", "b"], "tenure": [1, 2], "Churn": ["Yes", "No"]})
    >>> X, y = telco_numbers(table)
    >>> X.columns.tolist(), y.tolist()
    (['tenure'], [True, False])
    """
    features = customers.drop(columns=["customerID", "Churn"])
    return pd.get_dummies(features).astype("float64"), customers["Churn"].eq("Yes")


def split_customers(
    customers: pd.DataFrame,
    seed: int,
    validation_share: float = 0.2,
    test_share: float = 0.2,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Split customers at random into training, validation and test tables, alike in churn.

    The Telco table has no dates, so a random split is the only honest one; with dates, split by
    time.

    Parameters
    ----------
    customers : one row per `customerID`, with `Churn` ("Yes" or "No").
    seed : the same seed gives the same split.
    validation_share, test_share : shares of the rows, from 0.0 to 1.0; their sum stays below 1. A
        share of 0.0 gives an empty table.

    Returns
    -------
    Training, validation and test tables; together they hold every row once, in file order.

    Raises
    ------
    ValueError
        If a part would have fewer than 2 rows, an id repeats, `Churn` holds a third outcome, or
        one of the two has fewer than 10 customers.

    Examples
    --------
    >>> customers = pd.DataFrame({"customerID": range(100), "Churn": ["Yes", "No"] * 50})
    >>> [len(part) for part in split_customers(customers, seed=7)]
    [60, 20, 20]
    """
    require_columns(customers, "customers", ["customerID", "Churn"])
    require_unique(customers, "customers", "customerID")
    require_share(validation_share, "validation_share")
    require_share(test_share, "test_share")
    if not 0 < validation_share + test_share < 1:
        raise ValueError(
            f"validation_share {validation_share} and test_share {test_share} leave "
            f"{1 - validation_share - test_share:.2f} to train on; their sum must be above 0 and "
            "below 1. Take 0.2 and 0.2."
        )
    require_rows(customers, "customers", at_least=50)
    shares = [1 - validation_share - test_share, validation_share, test_share]
    if min(share for share in shares if share) * len(customers) < 2:
        raise ValueError(
            f"customers has {len(customers):,} rows; validation_share {validation_share:g} and "
            f"test_share {test_share:g} make a part of fewer than 2. Take 0.2 and 0.2, or collect "
            "more rows."
        )
    unknown = customers.loc[~customers["Churn"].isin(["Yes", "No"]), "Churn"]
    if len(unknown):
        raise ValueError(
            f"customers has {len(unknown):,} row(s) whose Churn is neither 'Yes' nor 'No', the "
            f"first being {unknown.iloc[0]!r}. Quarantine them first."
        )
    for outcome, count in customers["Churn"].value_counts().reindex(YES_NO, fill_value=0).items():
        if count < 10:
            raise ValueError(
                f"customers has {count} row(s) with Churn {outcome!r} of {len(customers):,}; a split "
                "needs at least 10 of each outcome to learn and to judge. Collect more rows."
            )
    rest, test = _hold_out(customers, test_share, seed)
    train, validation = _hold_out(rest, validation_share / (1 - test_share), seed)
    return train.sort_index(), validation.sort_index(), test.sort_index()


def _hold_out(customers, share, seed):
    """Return the customers kept and the `share` held out, alike in churn."""
    from sklearn.model_selection import train_test_split

    if share == 0:
        return customers, customers.head(0)
    churn = customers["Churn"]
    return train_test_split(customers, test_size=share, random_state=seed, stratify=churn)
