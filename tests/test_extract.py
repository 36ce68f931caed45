"""`helpers.etl.extract`: an untrusted file is read exactly or refused with a sentence."""

import gzip
import hashlib
import os
import re
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.etl.businesses import read_telco, telco
from helpers.etl.businesses.telco import TELCO_COLUMNS
from helpers.etl.extract import Provenance

HEADER = ",".join(TELCO_COLUMNS)
FIRST_ROW = (
    "7590-VHVEG,Female,0,Yes,No,1,No,No phone service,DSL,No,Yes,No,No,No,No,"
    "Month-to-month,Yes,Electronic check,29.85,29.85,No"
)
SECOND_ROW = (
    "5575-GNVDE,Male,0,No,No,0,Yes,No,DSL,Yes,No,Yes,No,No,No,One year,No,Mailed check,56.95, ,Yes"
)
SMALL = f"{HEADER}\n{FIRST_ROW}\n{SECOND_ROW}\n".encode()


def read_bytes(content):
    """Read `content` as the file telco.csv."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telco.csv"
        path.write_bytes(content)
        return read_telco(path)


def assert_sound(raw):
    """Hold what the reader promises of any table that it returns."""
    assert sorted(raw.columns) == sorted(TELCO_COLUMNS)
    assert len(raw) >= 1
    assert raw["customerID"].is_unique
    assert not raw.isna().any(axis=None)
    assert all(isinstance(value, str) for column in raw for value in raw[column])


def test_each_field_arrives_as_the_text_it_was_and_blanks_stay_blanks():
    raw, _ = read_bytes(SMALL)
    assert raw.columns.tolist() == TELCO_COLUMNS
    assert raw.to_numpy().tolist() == [FIRST_ROW.split(","), SECOND_ROW.split(",")]
    assert raw.loc[1, "TotalCharges"] == " "


def test_provenance_names_the_file_counts_it_and_hashes_the_bytes_read():
    _, provenance = read_bytes(SMALL)
    assert provenance == Provenance("telco.csv", 2, 21, hashlib.sha256(SMALL).hexdigest())


def test_words_that_pandas_takes_for_missing_stay_words():
    raw, _ = read_bytes(SMALL.replace(b"Female", b"NA").replace(b"Male", b"nan"))
    assert raw["gender"].tolist() == ["NA", "nan"]


def test_an_empty_field_stays_an_empty_text():
    raw, _ = read_bytes(SMALL.replace(b"56.95, ,Yes", b"56.95,,"))
    assert raw.loc[1, ["TotalCharges", "Churn"]].tolist() == ["", ""]


@pytest.mark.parametrize(
    "variant",
    [
        b"\xef\xbb\xbf" + SMALL,
        SMALL.replace(b"\n", b"\r\n"),
        SMALL.replace(b"\n", b"\r"),
        SMALL.rstrip(),
        b"\n" + SMALL.replace(b"\n", b"\n\n"),
        SMALL.replace(b"Female", b'"Female"').replace(b"customerID", b'"customerID"'),
    ],
    ids=["BOM", "CRLF", "CR", "no last line end", "blank lines", "quotes"],
)
def test_harmless_variants_of_csv_give_the_same_table(variant):
    raw, provenance = read_bytes(variant)
    pd.testing.assert_frame_equal(raw, read_bytes(SMALL)[0])
    assert provenance.sha256 == hashlib.sha256(variant).hexdigest()


def test_a_file_of_one_customer_reads_fine():
    raw, provenance = read_bytes(f"{HEADER}\n{FIRST_ROW}\n".encode())
    assert raw["customerID"].tolist() == ["7590-VHVEG"]
    assert provenance.rows == 1


def test_columns_in_another_order_are_kept_in_that_order():
    order = TELCO_COLUMNS[::-1]
    rows = [",".join(row.split(",")[::-1]) for row in [FIRST_ROW, SECOND_ROW]]
    raw, _ = read_bytes("\n".join([",".join(order), *rows]).encode())
    assert raw.columns.tolist() == order
    assert raw["gender"].tolist() == ["Female", "Male"]


def test_a_quoted_comma_or_line_end_belongs_to_its_field():
    raw, _ = read_bytes(SMALL.replace(b"Mailed check", b'"Mailed,\ncheck"'))
    assert raw.loc[1, "PaymentMethod"] == "Mailed,\ncheck"
    assert raw.loc[1, "Churn"] == "Yes"


LAST_FIELD_LOST = SMALL[: SMALL.rindex(b",")]
MALFORMED = {
    "empty": (b"", r"is empty \(0 bytes\).*Export or fetch"),
    "white space": (b" \n\t\r\n", r"is empty \(5 bytes\).*Export or fetch"),
    "BOM only": (b"\xef\xbb\xbf", r"is empty \(3 bytes\).*Export or fetch"),
    "header only": (HEADER.encode(), "has a header but no row.*Export or fetch"),
    "cut in a row": (SMALL[:-60], r"cut off or ragged: line 3 has 9 fields, the header 21"),
    "last field lost": (LAST_FIELD_LOST, "line 3 has 20 fields, the header 21.*'5575-GNVDE'"),
    "cut in the header": (SMALL[:40], "lacks 17 of the 21 columns.*first being Dependents"),
    "a field too many": (SMALL.replace(b"Female", b"Fe,male"), "line 2 has 22 fields.*Repair"),
    "a field too many in each row": (
        SMALL.replace(b"No\n", b"No,\n").replace(b"Yes\n", b"Yes,\n"),
        "line 2 has 22 fields, the header 21.*Repair",
    ),
    "other columns": (b"id,age\n1,2\n", "lacks 21 of the 21.*starts 'id,age'.*Rename"),
    "semicolons": (SMALL.replace(b",", b";"), "lacks 21 of the 21 columns.*customerID;gender"),
    "a column too many": (
        re.sub(rb"(?m)$", b",1", SMALL.rstrip()).replace(b"Churn,1", b"Churn,Churn Score"),
        r"has 1 column\(s\).*'Churn Score'.*remove them first",
    ),
    "a column twice": (
        re.sub(rb"(?m)$", b",No", SMALL.rstrip()).replace(b"Churn,No", b"Churn,Churn"),
        "has the column Churn more than once.*Keep one",
    ),
    "a blank before a column": (SMALL.replace(b",gender", b", gender"), "lacks 1.*being gender"),
    "a line separator in the header": (
        SMALL.replace(b"Churn\n", "Churn\u2028\n".encode()),
        "lacks 1.*being Churn",
    ),
    "latin-1": (
        SMALL.replace(b"Male", "Zoë".encode("latin-1")),
        "is not UTF-8: byte 0xeb in line 3.*Save it as CSV in UTF-8",
    ),
    "UTF-16": (SMALL.decode().encode("utf-16"), "is UTF-16.*Save it as CSV in UTF-8"),
    "UTF-16 without a mark": (SMALL.decode().encode("utf-16-le"), "NUL byte in line 1.*export"),
    "gzip": (gzip.compress(SMALL), "is gzip, by its first two bytes.*Save it as CSV"),
    "NUL byte": (SMALL.replace(b"Male", b"M\x00le"), "NUL byte in line 3.*export it again"),
    "a customer twice": (
        SMALL.replace(b"5575-GNVDE", b"7590-VHVEG"),
        r"repeats 1 customerID value\(s\) over 2 rows.*'7590-VHVEG' \(row 1\).*Drop or merge",
    ),
    "an open quote": (
        SMALL.replace(b"Female", b'"Female'),
        "cannot be read as CSV: unexpected end of data, in line 3.*Repair",
    ),
    "an open quote in the header": (
        SMALL.replace(b"gender", b'"gender'),
        "cannot be read as CSV.*Repair",
    ),
    "text behind a quote": (SMALL.replace(b"Female", b'"Fe"male'), "in line 2.*Repair"),
    "a field without end": (
        SMALL.replace(b"Female", b"F" * 200_000),
        "cannot be read as CSV: field larger than field limit.*line 2",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_file_is_refused_with_what_was_found_and_what_to_do(case):
    content, expected = MALFORMED[case]
    with pytest.raises(ValueError, match=rf"(?s)^telco\.csv .*{expected}") as caught:
        read_bytes(content)
    assert str(caught.value).endswith((".", "python3 run.py data telco"))
    assert len(str(caught.value)) < 400  # a sentence, not the file


def test_a_missing_file_is_refused_with_the_command_that_fetches_it(tmp_path):
    with pytest.raises(
        ValueError, match=r"none\.csv, but nothing is there.*fetch .*python3 run.py data telco$"
    ):
        read_telco(tmp_path / "none.csv")


def test_a_folder_is_refused_as_a_folder(tmp_path):
    with pytest.raises(ValueError, match=r"but a folder is there\. Check the path"):
        read_telco(tmp_path)


@pytest.mark.skipif(
    os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0),
    reason="rights do not bind root, and Windows has others",
)
def test_a_file_that_may_not_be_read_is_refused_as_such(tmp_path):
    (tmp_path / "telco.csv").write_bytes(SMALL)
    (tmp_path / "telco.csv").chmod(0)
    with pytest.raises(ValueError, match=r"telco\.csv cannot be read: .*Check who may read it"):
        read_telco(tmp_path / "telco.csv")


def test_a_read_that_fails_is_told_as_such(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(5, "Input/output error")

    (tmp_path / "telco.csv").write_bytes(SMALL)
    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(ValueError, match=r"telco\.csv cannot be read: Input/output error\. Check"):
        read_telco(tmp_path / "telco.csv")


def test_a_file_at_the_limit_is_read_and_one_byte_more_is_refused(monkeypatch):
    monkeypatch.setattr(telco, "LARGEST_FILE_BYTES", len(SMALL))
    assert len(read_bytes(SMALL)[0]) == 2
    with pytest.raises(
        ValueError, match=rf"has {len(SMALL) + 1} bytes; .* up to {len(SMALL)}\. Split it"
    ):
        read_bytes(SMALL + b"\n")


def assert_read_or_refused(content):
    """Read `content`: a sound table or a sentence about the file, never anything else."""
    try:
        raw, provenance = read_bytes(content)
    except ValueError as error:
        assert type(error) is ValueError  # not a UnicodeError or ParserError that slipped out
        assert str(error).startswith("telco.csv ")
        assert str(error).endswith(".")
    else:
        assert_sound(raw)
        assert provenance.sha256 == hashlib.sha256(content).hexdigest()
        assert (provenance.rows, provenance.columns) == raw.shape


@settings(max_examples=examples(80))
@given(st.one_of(st.binary(max_size=60), st.text('",;\n\r\u2028 aé', max_size=40)))
def test_arbitrary_bytes_are_read_or_refused(content):
    content = content.encode() if isinstance(content, str) else content
    assert_read_or_refused(content)
    assert_read_or_refused(HEADER.encode() + b"\n" + content)
    assert_read_or_refused(SMALL + content)


PLACE = st.integers(0, len(SMALL))
TINY = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.sampled_from([b",", b'"', b"\n", b"\r", b'""', b",,", b"\xef\xbb\xbf", b"\xe2\x80\xa8"]),
)


@settings(max_examples=examples(150))
@given(
    st.lists(
        st.tuples(st.sampled_from(["delete", "insert", "flip", "truncate"]), PLACE, TINY),
        min_size=1,
        max_size=3,
    )
)
def test_a_damaged_file_is_read_or_refused(damages):
    content = SMALL
    for kind, place, piece in damages:
        before, after = content[:place], content[place:]
        content = {
            "delete": before + after[len(piece) :],
            "insert": before + piece + after,
            "flip": before + bytes([after[0] ^ piece[0]]) + after[1:] if after else before,
            "truncate": before,
        }[kind]
    assert_read_or_refused(content)


@pytest.mark.parametrize("fields", range(1, 21))
def test_a_file_cut_off_behind_any_field_but_the_last_is_noticed(fields):
    cut = ",".join(SECOND_ROW.split(",")[:fields])
    with pytest.raises(ValueError, match=f"line 3 has {fields} fields, the header 21"):
        read_bytes(f"{HEADER}\n{FIRST_ROW}\n{cut}".encode())


def test_the_real_file_holds_7043_customers_of_whom_11_have_no_total_yet(telco_csv):
    raw, provenance = read_telco(telco_csv)
    assert_sound(raw)
    assert raw.columns.tolist() == TELCO_COLUMNS
    assert (provenance.rows, provenance.columns) == (7043, 21)
    assert provenance.sha256 == hashlib.sha256(telco_csv.read_bytes()).hexdigest()
    blank = raw["TotalCharges"].eq(" ")
    assert blank.sum() == 11
    assert raw.loc[blank, "tenure"].eq("0").all()


def test_the_real_file_reads_as_pandas_reads_it(telco_csv):
    raw, _ = read_telco(telco_csv)
    oracle = pd.read_csv(telco_csv, dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(raw, oracle)
