"""`helpers.etl.extract` on what nobody should send: each ends in rows, rows set aside, or one sentence."""

import codecs
import csv
import functools
import gzip
import json
import random
import re
import socketserver
import sqlite3
import threading
import time
import tracemalloc
import zlib
from collections import Counter
from contextlib import closing, contextmanager

import pytest
from bs4 import BeautifulSoup
from conftest import first_always

from helpers.etl.extract import (
    CannotExtract,
    CannotFetch,
    FileLimits,
    NetworkLimits,
    facts_of,
    read_api,
    read_csv,
    read_documents,
    read_events,
    read_forms,
    read_json_lines,
    read_logs,
    read_sensors,
    read_site,
    read_sql,
    read_survey,
    read_xml,
    rotated,
    together,
)
from helpers.etl.extract import pages as pages_reader
from helpers.etl.extract import services as live
from helpers.etl.extract.web import host_of

SMALL = FileLimits(size=3_000_000, line=200_000, rows=1_000)
IDS = [str(number) for number in range(1, 9)]
MOMENTS = [f"2024-09-0{number}T10:00:00" for number in IDS]


# --- files: a sound one of each kind, with eight rows ----------------------------------------------


def sound_csv():
    rows = [f"{one},Genève {one},{one}.50,{at}" for one, at in zip(IDS, MOMENTS, strict=True)]
    return "\n".join(["id,store,price,at", *rows, ""]).encode()


def sound_lines():
    return "".join(json.dumps({"id": one, "tags": ["a"], "price": 2.5}) + "\n" for one in IDS).encode()  # fmt: skip


def sound_list():
    return json.dumps([{"id": one, "age": "29 years"} for one in IDS], indent=1).encode()


def sound_xml():
    rows = "".join(f'<item id="{one}"><price unit="cent">{one}00</price></item>\n' for one in IDS)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<batch xmlns="urn:x">\n{rows}</batch>\n'.encode()  # fmt: skip


def sound_log():
    return "".join(
        f'198.18.0.{one} - - [0{one}/Sep/2024:10:00:00 +0000] "GET /{one} HTTP/1.1" 200 5 "-" "a"\n'
        for one in IDS
    ).encode()


def sound_store():
    return json.dumps({"_default": {one: {"id": one, "of": {"x": 1}} for one in IDS}}).encode()


def sound_database():
    with closing(sqlite3.connect(":memory:")) as made:
        made.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(9), on_day DATE, price FLOAT)")  # fmt: skip
        made.executemany("INSERT INTO things VALUES (?, 'x', '2024-09-01', 2.5)", [(int(one),) for one in IDS])  # fmt: skip
        made.commit()
        return made.serialize()


SOUND = {
    "csv": sound_csv, "json lines": sound_lines, "json list": sound_list, "xml": sound_xml,
    "log": sound_log, "documents": sound_store, "database": sound_database,
    "sensors": sound_csv, "survey": sound_csv,
}  # fmt: skip
READERS = {
    "csv": lambda path: read_csv(path, limits=SMALL),
    "json lines": lambda path: read_json_lines(path, limits=SMALL),
    "json list": lambda path: read_forms(path, limits=SMALL),
    "xml": lambda path: read_xml(path, "item", limits=SMALL),
    "log": lambda path: read_logs([path], limits=SMALL),
    "documents": lambda path: read_documents(path, limits=SMALL),
    "database": lambda path: read_sql(f"sqlite:///{path}", "things", most=1_000),
    "sensors": lambda path: read_sensors(path, "at", limits=SMALL),
    "survey": lambda path: read_survey(path, limits=SMALL),
}
UNLIMITED = {
    "csv": read_csv, "json lines": read_json_lines, "json list": read_forms,
    "documents": read_documents, "xml": lambda path: read_xml(path, "item"),
}  # fmt: skip
BY_LINES = ["csv", "json lines", "log", "sensors", "survey"]


def read_as(kind, content, folder):
    path = folder / "file.bin"
    path.write_bytes(content)
    return READERS[kind](path)


def assert_one_sentence(error):
    """Hold that an error is a sentence for people: short, ended, with nothing of the machine in it."""
    text = str(error)
    assert isinstance(error, ValueError)
    assert text.endswith((".", "?")), text
    assert 20 < len(text) < 1_200
    assert not re.search(r"<\w+ object|Traceback|0x[0-9a-f]{8}", text)


def assert_sound(raw):
    """Hold what every extract promises."""
    account = raw.books
    assert account.rows_in == account.loaded + account.set_aside + account.merged
    assert (account.loaded, account.set_aside) == (len(raw.table), len(raw.set_aside))
    assert raw.set_aside["reason"].str.len().gt(3).all()
    assert raw.provenance.rows == len(raw.table)
    raw.table.to_json()
    raw.set_aside.to_csv().encode()


def survive(kind, content, folder):
    """Read it; return the extract, or None for one clear sentence. Anything else fails."""
    try:
        raw = read_as(kind, content, folder)
    except ValueError as error:
        assert type(error) in (CannotExtract, ValueError)
        assert_one_sentence(error)
        return None
    assert_sound(raw)
    return raw


def ids(raw):
    if raw.table.empty:
        return []
    name = "path" if "path" in raw.table else "id"
    return [str(one).strip("/") for one in raw.table[name]]


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_file_of_each_kind_gives_its_eight_rows(kind, tmp_path):
    assert ids(read_as(kind, SOUND[kind](), tmp_path)) == IDS


def noise(seed, size=4_000):
    return random.Random(seed).randbytes(size)


@functools.cache
def bomb():
    """Return 60 MB of nothing, packed."""
    return gzip.compress(bytes(60_000_000), 9)


ANYWHERE = {
    "empty": lambda b: b"",
    "line ends only": lambda b: b"\n\r\n\n",
    "one byte": lambda b: b[:1],
    **{f"cut off after {p} %": lambda b, p=p: b[: len(b) * p // 100] for p in range(10, 100, 20)},
    "noise": lambda b: noise(1),
    "noise behind": lambda b: b + noise(2),
    "a NUL in the middle": lambda b: b[: len(b) // 2] + b"\0" + b[len(b) // 2 :],
    "NULs only": lambda b: bytes(500),
    "a byte that is no UTF-8": lambda b: b[: len(b) // 2] + b"\xff" + b[len(b) // 2 :],
    "UTF-16 without a mark": lambda b: b.decode("latin-1").encode("utf-16-le"),
    "UTF-16, half a character": lambda b: codecs.BOM_UTF16_LE + b.decode("latin-1").encode("utf-16-le")[:-1],
    "UTF-16, half a pair": lambda b: codecs.BOM_UTF16_LE + b"\x00\xd8" + "a,b\n".encode("utf-16-le"),
    "UTF-32": lambda b: b.decode("latin-1").encode("utf-32"),
    "a page of HTML": lambda b: b"<!doctype html><html><h1>503 Service Unavailable</h1></html>",
    "a gzip file cut off": lambda b: gzip.compress(b)[:-12],
    "a gzip file with a wrong sum": lambda b: gzip.compress(b)[:-8] + b"\0" * 8,
    "a gzip head only": lambda b: b"\x1f\x8b",
    "noise behind a gzip file": lambda b: gzip.compress(b) + b"noise",
    "a gzip bomb": lambda b: bomb(),
    "a field of 300,000 characters": lambda b: b.replace(b"4", b"4" * 300_000, 1),
    "twice": lambda b: b + b,
    "backwards": lambda b: b[::-1],
    "a zip archive": lambda b: b"PK\x03\x04" + noise(3, 200),
}  # fmt: skip


@pytest.mark.parametrize("damage", ANYWHERE)
@pytest.mark.parametrize("kind", SOUND)
def test_a_damaged_file_ends_in_rows_or_one_sentence(kind, damage, tmp_path):
    content = ANYWHERE[damage](SOUND[kind]())
    raw = survive(kind, content, tmp_path)
    if raw is not None and kind in BY_LINES and damage.startswith("cut off"):
        # A cut takes what is behind it, and at most one row is set aside for it.
        assert ids(raw)[:-1] == IDS[: len(raw.table)][:-1]
        assert len(raw.set_aside) <= 1


@pytest.mark.parametrize("kind", BY_LINES)
@pytest.mark.parametrize("damage", ["a NUL in the middle", "a byte that is no UTF-8"])
def test_one_bad_byte_costs_one_row_and_no_other(kind, damage, tmp_path):
    raw = survive(kind, ANYWHERE[damage](SOUND[kind]()), tmp_path)
    assert len(raw.set_aside) == 1
    assert len(raw.table) == 7
    assert set(ids(raw)) < set(IDS)


@pytest.mark.parametrize("kind", [*BY_LINES, "json list", "xml", "documents"])
@pytest.mark.parametrize("dress", [
    lambda b: gzip.compress(b), lambda b: gzip.compress(b[:99]) + gzip.compress(b[99:]),
    lambda b: b.replace(b"\n", b"\r\n"), lambda b: codecs.BOM_UTF8 + b,
], ids=["packed", "packed in two parts", "CRLF", "BOM"])  # fmt: skip
def test_a_file_in_another_dress_gives_the_same_rows(kind, dress, tmp_path):
    assert ids(read_as(kind, dress(SOUND[kind]()), tmp_path)) == IDS


# --- files: what only one kind can do --------------------------------------------------------------

HEAD = "id,store,price\n"
CSV_ROWS = {
    # name: (text, ids returned, line numbers set aside)
    "too few fields": ("1,a,2\n2,b\n3,c,4\n", ["1", "3"], [3]),
    "too many fields": ("1,a,2\n2,b,3,4\n3,c,4\n", ["1", "3"], [3]),
    "the header again": ("1,a,2\nid,store,price\n3,c,4\n", ["1", "3"], [3]),
    "a row of totals": ("1,a,2\nTotal,,2\n", ["1"], [3]),
    "an open quote": ('1,"a,2\n2,b,3\n3,c,4\n', ["2", "3"], [2]),
    "an open quote at the end": ('1,a,2\n2,b,"3\n', ["1"], [3]),
    "an open quote over 60 lines": ('1,"a,2\n' + "2,b,3\n" * 60, ["2"] * 60, [2]),
    "two open quotes": ('1,"a,2\n2,b,3\n3,"c,4\n4,d,5\n', ["2", "4"], [2, 4]),
    "a quote in the middle": ('1,a"b,2\n2,b,3\n', ["1", "2"], []),
    "text behind a quote": ('1,"a"b,2\n2,b,3\n', ["2"], [2]),
    "a line end within quotes": ('1,"a\nb",2\n2,b,3\n', ["1", "2"], []),
    "a NUL": ("1,a\0,2\n2,b,3\n", ["2"], [2]),
    "a field of 140,000 characters": (f"1,{'a' * 140_000},2\n2,b,3\n", ["2"], [2]),
    "a field of 250,000 characters": (f"1,{'a' * 250_000},2\n2,b,3\n", ["2"], [2]),
    "100,000 separators": ("1" + "," * 100_000 + "\n2,b,3\n", ["2"], [2]),
    "formulas": ("=cmd|' /C calc'!A0,+1,-2\n@SUM(1),b,3\n", ["=cmd|' /C calc'!A0", "@SUM(1)"], []),
    "blank lines": ("\n\n1,a,2\n\n2,b,3\n\n", ["1", "2"], []),
    "no last line end": ("1,a,2\n2,b,3", ["1", "2"], []),
    "old line ends": ("1,a,2\r2,b,3\r", ["1", "2"], []),
    "decimal commas": ('1,a,"2,50"\n2,b,"1.012,50"\n', ["1", "2"], []),
    "words that look missing": ("NA,nan,NULL\nNone,,-\n", ["NA", "None"], []),
    "a line separator of Unicode": ("1,a\u2028b,2\n2,b\x0b\x0c\x1c\x85,3\n", ["1", "2"], []),
    "blanks": (" 1 ,\ta,\u00a02\n", ["1"], []),
    "quotes only": ('"""",a,2\n"","",""\n', ['"', ""], []),
}  # fmt: skip


@pytest.mark.parametrize("case", CSV_ROWS)
def test_odd_rows_of_a_csv_are_set_aside_with_their_line_and_nothing_else_is(case, tmp_path):
    text, returned, lines = CSV_ROWS[case]
    raw = read_as("csv", (HEAD + text).encode(), tmp_path)
    assert_sound(raw)
    assert [one.strip() for one in raw.table["id"]] == returned
    assert raw.set_aside["line"].tolist() == lines
    assert all(isinstance(value, str) for column in raw.table for value in raw.table[column])


LETTER = "\n".join(["Dear team,", *(f"line {n}" for n in range(30)), "", *(f"> quoted {n}, yes" for n in range(25)), "Anna"])  # fmt: skip
LISTED = "\n".join(["we need", *(f"milk, {n}" for n in range(60)), "thanks"])
QUOTED_TEXTS = {
    # name: (rows below the header id,text; ids returned; lines set aside)
    "a letter of 57 lines": (f'1,"{LETTER}"\n2,short\n', ["1", "2"], []),
    "a letter with doubled quotes": (f'1,"{LETTER} ""so"" {LETTER}"\n2,short\n', ["1", "2"], []),
    "a letter with stray quotes": (f'1,"{LETTER} "so" {LETTER}"\n2,short\n3,end\n', ["2", "3"], [2]),
    "a stray quote in the first line": (f'1,"so "it" is\n{LETTER}"\n2,short\n', ["2"], [2]),
    "stray quotes that end lines": (f'1,"{LETTER} "so"\nand "so"\n{LETTER}"\n2,short\n', ["2"], [2]),
    "a letter as long as a list": (f'1,"{LISTED} "so" {LISTED}"\n2,short\n', ["2"], [2]),
    "two letters, the first one stray": (f'1,"{LETTER} 5" wide"\n2,"{LETTER}"\n3,end\n', ["2", "3"], [2]),
    "a letter without end": (f'1,short\n2,"{LETTER}\n', ["1"], [3]),
    "a letter and a field too many": (f'1,"{LETTER}",more\n2,short\n', ["2"], [2]),
    "a letter with a bad byte": (f'1,"{LETTER} \udcff {LETTER}"\n2,short\n', ["2"], [2]),
    "a letter with a NUL": (f'1,"{LETTER} \0 {LETTER}"\n2,short\n', ["2"], [2]),
    "a letter longer than a cell": (f'1,"{(LETTER + chr(10)) * 300}"\n2,short\n', ["2"], [2]),
    "every cell in quotes, one open": ('"1","a\n"2","b"\n"3","c"\n"4","d"\n', ["2", "3", "4"], [2]),
    "lines of a table with an open quote": ('1,"a\n' + "".join(f"{n},b\n" for n in range(2, 99)), [str(n) for n in range(2, 99)], [2]),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("case", QUOTED_TEXTS)
def test_the_lines_of_a_quoted_text_are_never_rows(case, encoding, tmp_path):
    text, returned, lines = QUOTED_TEXTS[case]
    if encoding == "utf-16" and "\udcff" in text:
        pytest.skip("each half of a character is one there")
    content = ("id,text\n" + text).encode(encoding, "surrogateescape")
    raw = read_as("csv", content, tmp_path)
    assert_sound(raw)
    assert raw.table["id"].tolist() == returned
    assert raw.set_aside["line"].tolist() == lines
    assert raw.books.rows_in == len(returned) + len(lines)


def test_of_many_bad_quotes_each_costs_its_own_line_and_no_time(tmp_path):
    rows = [f'{n},"a"b,2' if n % 2 else f"{n},a,2" for n in range(20_000)]
    (tmp_path / "x.csv").write_text(HEAD + "\n".join(rows))
    began = time.process_time()
    raw = read_csv(tmp_path / "x.csv")
    assert (raw.books.loaded, raw.books.set_aside) == (10_000, 10_000)
    assert time.process_time() - began < 20, "looking through the rest for each takes minutes"


PLAIN_TABLES = {
    # name: (text, columns, rows, separator)
    "pandas' own index": (",id,price\n0,1,9.9\n1,2,4.5\n", ["", "id", "price"], [["0", "1", "9.9"], ["1", "2", "4.5"]], ","),
    "an empty last column": ("id;price;\n1;9,90;\n", ["id", "price"], [["1", "9,90"]], ";"),
    "three empty last columns": ("id;price;;;\n1;9,90;;;\n2;8\n", ["id", "price"], [["1", "9,90"], ["2", "8"]], ";"),
    "a separator behind each row only": ("id;price\n1;9,90;\n2;8;\n", ["id", "price"], [["1", "9,90"], ["2", "8"]], ";"),
    "Excel's line": ("sep=;\nid;price\n1;9,90\n", ["id", "price"], [["1", "9,90"]], ";"),
    "Excel's line in quotes": ('"sep=,"\r\nid,price\r\n1,9.90\r\n', ["id", "price"], [["1", "9.90"]], ","),
    "Excel's line with a tab": ("SEP=\t\nid\tprice\n1\t9,90\n", ["id", "price"], [["1", "9,90"]], "\t"),
    "Excel's line with a written tab": ("sep=\\t\nid\tprice\n1\t9,90\n", ["id", "price"], [["1", "9,90"]], "\t"),
    "Excel's line with its own mind": ("sep=^\nid^price\n1^9;90\n", ["id", "price"], [["1", "9;90"]], "^"),
    "units in the header": ("Price, EUR;City\n9.90;Bern\n4.50;Basel\n8;Biel, BE\n", None, None, None),
    "commas in one name only": ("id;name;price, EUR\n1;a;9\n2;b;8,5\n", ["id", "name", "price, EUR"], [["1", "a", "9"], ["2", "b", "8,5"]], ";"),
    "a quoted name with the other one": ('id,"a;b"\n1,2\n', ["id", "a;b"], [["1", "2"]], ","),
    "one column": ("text\nhello\nworld\n", ["text"], [["hello"], ["world"]], ","),
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("case", PLAIN_TABLES)
def test_a_plain_table_is_read_as_it_stands_or_its_separator_asked_for(case, encoding, tmp_path):
    text, columns, rows, separator = PLAIN_TABLES[case]
    content = text.encode(encoding)
    if columns is None:
        with pytest.raises(CannotExtract, match="may be separated by ',' or ';'") as told:
            read_as("csv", content, tmp_path)
        assert_one_sentence(told.value)
        return
    raw = read_as("csv", content, tmp_path)
    assert_sound(raw)
    assert raw.table.columns.tolist() == columns
    assert raw.table.to_numpy().tolist() == rows
    assert raw.books.set_aside == 0
    assert raw.provenance.read_as == f"{encoding}, separator {separator!r}"


def test_a_cell_behind_the_last_name_that_is_filled_sets_its_row_aside(tmp_path):
    raw = read_as("csv", b"id;price;\n1;9;\n2;8;x\n3;7;\n", tmp_path)
    assert raw.table["id"].tolist() == ["1", "3"]
    assert raw.set_aside["line"].tolist() == [3]
    mixed = read_as("csv", b"id,store,note\n1,a,\n2,b,,\n3,c,x\n", tmp_path)
    assert mixed.set_aside["line"].tolist() == [3], "one comma too many may stand anywhere in it"


NO_TABLES = {
    "a title": ("Sales report March\nid;price;city\n1;9.90;Bern\n2;4.50;Basel\n", "may be a title"),
    "a title with a comma": ("Sales report, March\nid;price;city\n1;9.90;Bern\n2;4.50;Basel\n", "may be a title"),
    "a title and a blank line": ("Sales\n\nid,price\n1,9.90\n2,4.50\n", "may be a title"),
    "a title as Excel saves it": ("Sales report;;\nid;price;city\n1;9.90;Bern\n", "may be a title"),
    "two titles": ("Sales\nMarch\nid,price\n1,9\n2,8\n3,7\n", "may be a title"),
    "a page of HTML": ("<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n", "page of HTML"),
    "a page of HTML with commas": ("<html><head><title>Sorry, no</title>\n<p>a, b\n<p>c, d\n", "page of HTML"),
    "an answer in JSON": ('{"error": "not found"}\n', "like JSON"),
    "a list in JSON": ('[{"id": 1, "price": 2},\n{"id": 2, "price": 3}]\n', "like JSON"),
    "XML": ('<?xml version="1.0"?>\n<a/>\n', "page of HTML"),
    "a nameless last column with values": ("id,price,\n1,2,3\n4,5,6\n", "has 2 name.s. and most lines below 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_TABLES)
def test_a_first_line_that_is_no_header_is_refused(case, tmp_path):
    text, why = NO_TABLES[case]
    with pytest.raises(CannotExtract, match=why) as told:
        read_as("csv", text.encode(), tmp_path)
    assert_one_sentence(told.value)


@pytest.mark.parametrize(("header", "why"), [
    ("id,id,price", "'id' comes more than once"), ("id,,price", "a column has no name"),
    ("id,b;price,c;d", "may be separated by"), ('"id,store', "leaves a quote open"),
    ("i\0d,a,b", "NULs"), ("id," + "a" * 300_000, "no CSV|characters"),
])  # fmt: skip
def test_a_header_that_cannot_be_used_is_refused(header, why, tmp_path):
    with pytest.raises(CannotExtract, match=why) as told:
        read_as("csv", f"{header}\n1,2,3\n".encode(), tmp_path)
    assert_one_sentence(told.value)


@pytest.mark.parametrize(("options", "why"), [
    ({"separator": "::"}, "one character"), ({"separator": ""}, "one character"), ({"separator": '"'}, "no quote"),
    ({"separator": "\n"}, "no line end"), ({"encodings": ()}, "at least one encoding"),
])  # fmt: skip
def test_an_option_that_is_none_gets_a_sentence(options, why, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id\n1\n")
    with pytest.raises(CannotExtract, match=why) as told:
        read_csv(path, **options)
    assert_one_sentence(told.value)


def test_a_part_of_no_rows_is_refused(tmp_path):
    url = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    with pytest.raises(CannotExtract, match="at least 1; got 0"):
        read_sql(url, "t", rows=0)


def test_the_csv_module_keeps_its_limit_whatever_is_read(tmp_path):
    before = csv.field_size_limit()
    read_as("csv", (HEAD + "1,a,2\n" + "x" * 150_000).encode(), tmp_path)
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_csv_is_read_in_its_encoding_and_with_its_separator(encoding, separator, tmp_path):
    text = "id,store,price\n1,Genève,9\n2,Köln,8\n".replace(",", separator)
    (tmp_path / "x.csv").write_bytes(text.encode(encoding))
    raw = read_csv(tmp_path / "x.csv", encodings=("utf-8", "cp1252"))
    assert raw.table["store"].tolist() == ["Genève", "Köln"]
    assert raw.provenance.read_as == f"{encoding}, separator {separator!r}"


def test_an_encoding_nobody_named_costs_the_rows_that_need_it_and_no_other(tmp_path):
    (tmp_path / "x.csv").write_bytes("id,store\n1,Genève\n2,Bern\n".encode("cp1252"))
    raw = read_csv(tmp_path / "x.csv")
    assert raw.table["id"].tolist() == ["2"]
    assert raw.set_aside["text"].tolist() == ["1,Gen\\xe8ve"]
    with pytest.raises(CannotExtract, match="'utf-99' is no encoding"):
        read_csv(tmp_path / "x.csv", encodings=["utf-99"])
    with pytest.raises(CannotExtract, match="'zip' is no encoding"):
        read_csv(tmp_path / "x.csv", encodings=["zip"])


@pytest.mark.parametrize("place", [5, 9_999])
def test_one_bad_byte_does_not_make_a_file_of_utf_8_one_of_another_encoding(place, tmp_path):
    rows = [f"{number},Köln\n".encode() for number in range(10_000)]
    rows[place] = b"9,Z\xfcrich\n"
    (tmp_path / "x.csv").write_bytes(b"id,store\n" + b"".join(rows))
    raw = read_csv(tmp_path / "x.csv", encodings=("utf-8", "cp1252"))
    assert set(raw.table["store"]) == {"Köln"}
    assert raw.set_aside["text"].tolist() == ["9,Z\\xfcrich"]
    assert raw.provenance.read_as == "utf-8, separator ','"
    first = read_csv(tmp_path / "x.csv", encodings=("cp1252", "utf-8"))
    assert first.provenance.read_as == "cp1252, separator ','", "the first that reads every byte"


JSON_LINES = {
    "cut off": '{"id": "1", "x', "a comma behind": '{"id": "1"},', "NaN": '{"id": NaN}',
    "Infinity": '{"id": Infinity}', "minus infinity": '{"id": -Infinity}', "too large": '{"id": 1e999}',
    "a key twice": '{"id": "1", "id": "2"}', "a key twice within": '{"id": {"a": 1, "a": 2}}',
    "a list": '["id"]', "a number": "17", "a text": '"id"', "nothing": "null", "two objects": '{"id": 1} {"id": 2}',
    "41 levels": "{\"id\": " + "[" * 41 + "]" * 41 + "}", "90,000 levels": "[" * 90_000,
    "90,000 levels of objects": '{"a":' * 30_000, "half a character": '{"id": "\\ud800"}',
    "5,000 digits": '{"id": ' + "9" * 5_000 + "}", "a NUL": '{"id": "a\0"}', "single quotes": "{'id': 1}",
    "HTML": "<html>", "a comment": '{"id": 1} // one', "a formula": '=cmd("x")', "a long line": '{"id": "' + "a" * 250_000 + '"}',
}  # fmt: skip


@pytest.mark.parametrize("case", JSON_LINES)
def test_a_bad_line_of_json_is_set_aside_and_the_others_are_read(case, tmp_path):
    text = f'{{"id": "first"}}\n{JSON_LINES[case]}\n{{"id": "last"}}\n'
    raw = read_as("json lines", text.encode(), tmp_path)
    assert_sound(raw)
    assert ids(raw) == ["first", "last"]
    assert raw.set_aside["line"].tolist() == [2]
    assert raw.set_aside["text"][0] == JSON_LINES[case][:10_000]


def test_values_of_json_stay_what_they_are(tmp_path):
    text = '{"id": 1, "big": 9007199254740993, "f": 1.0, "t": true}\n{"id": "1", "n": null, "o": {"a": [1]}}\n'
    rows = read_as("json lines", text.encode(), tmp_path).table.to_dict("records")
    assert rows[0] == {"id": 1, "big": 2**53 + 1, "f": 1.0, "t": True, "n": None, "o": None}
    assert (type(rows[0]["big"]), type(rows[0]["t"]), rows[1]["o"]) == (int, bool, {"a": [1]})


XML = {
    "entities by the million": ('<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY c "&a;&a;&a;&a;&a;&a;">]><b><item id="1">&c;</item></b>', "defines a document type"),
    "a file of this machine": ('<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]><b><item id="1">&a;</item></b>', "defines a document type"),
    "a document type elsewhere": ('<!DOCTYPE b SYSTEM "http://127.0.0.1:9/x.dtd"><b/>', "defines a document type"),
    "parameter entities": ('<!DOCTYPE b [<!ENTITY % a SYSTEM "http://127.0.0.1:9/x">%a;]><b/>', "defines a document type"),
    "an unknown entity": ("<b><item>&nbsp;</item></b>", "no well-formed XML"),
    "50 levels": ("<b>" + "<c>" * 50 + "</c>" * 50 + "</b>", "deeper than 40"),
    "50,000 levels": ("<c>" * 50_000, "deeper than 40"),
    "a row of 20,000 elements": ("<b><item>" + "<c/>" * 20_000 + "</item></b>", "more than 10,000"),
    "an unknown encoding": ('<?xml version="1.0" encoding="utf-99"?><b/>', "no well-formed XML"),
    "no end": ('<b><item id="1"/>', "no well-formed XML"),
    "two roots": ("<b/><b/>", "no well-formed XML"),
    "an attribute twice": ('<b><item id="1" id="2"/></b>', "no well-formed XML"),
    "an unknown namespace": ("<b><x:item/></b>", "no well-formed XML"),
    "a bell": ("<b>\a</b>", "no well-formed XML"),
    "JSON": ('{"id": 1}', "no well-formed XML"),
    "1,500 rows": ("<b>" + "<item/>" * 1_500 + "</b>", "more than 1,000 rows"),
}  # fmt: skip


@pytest.mark.parametrize("case", XML)
def test_xml_that_harms_or_is_none_is_refused(case, tmp_path):
    text, why = XML[case]
    with pytest.raises(CannotExtract, match=why) as told:
        read_as("xml", text.encode(), tmp_path)
    assert_one_sentence(told.value)


def test_an_xml_row_that_cannot_be_a_row_is_set_aside(tmp_path):
    text = (
        '<b xmlns:x="urn:x"><item id="1"/><item id="2" x:id="3"/><item id="4"><p>1</p><p>2</p></item>'
        '<item id="5"><p><q>1</q></p></item><item id="6"><item id="7"/></item>'
        '<item id="8"><!-- no --><p><![CDATA[=1+1]]></p> </item>'
        '<item id="9"><![CDATA[<p>]]><p>2</p></item><item id="10"><p>2</p>each</item></b>'
    )
    raw = read_as("xml", text.encode(), tmp_path)
    assert_sound(raw)
    assert raw.table.to_dict("records") == [{"id": "1", "p": None}, {"id": "8", "p": "=1+1"}]
    assert raw.books.rows_in == 9
    assert raw.set_aside["line"].tolist() == [2, 3, 4, 5, 6, 8, 9]
    assert raw.set_aside["reason"][5] == "it holds too much: text beside its elements"


GOOD_LINE = sound_log().decode().splitlines()[0]
LOG_LINES = {
    "cut off": GOOD_LINE[:50], "the common format": GOOD_LINE[:-8], "no such day": GOOD_LINE.replace("01/Sep", "31/Feb"),
    "no such month": GOOD_LINE.replace("Sep", "Sop"), "hour 25": GOOD_LINE.replace(":10:", ":25:"),
    "a negative moment": GOOD_LINE.replace("01/Sep/2024:10:00:00 +0000", "-1"),
    "a moment that is none": GOOD_LINE.replace("01/Sep/2024:10:00:00 +0000", "NaN"),
    "a zone of 99 hours": GOOD_LINE.replace("+0000", "+9900"), "no method": GOOD_LINE.replace("GET ", ""),
    "a TLS greeting": GOOD_LINE.replace("GET /1 HTTP/1.1", "\\x16\\x03\\x01"), "status 20": GOOD_LINE.replace(" 200 ", " 20 "),
    "two lines in one": GOOD_LINE + GOOD_LINE, "an open quote": GOOD_LINE[:-1], "a long line": GOOD_LINE + "a" * 250_000,
    "many quotes": GOOD_LINE[:-2] + '\\"' * 5_000, "JSON": '{"id": 1}', "a NUL": GOOD_LINE.replace("/1 ", "/\0 "),
}  # fmt: skip


@pytest.mark.parametrize("case", LOG_LINES)
def test_a_bad_line_of_a_log_is_set_aside_and_the_others_are_read(case, tmp_path):
    first, last = GOOD_LINE.replace("/1 ", "/first "), GOOD_LINE.replace("/1 ", "/last ")
    raw = read_as("log", f"{first}\n{LOG_LINES[case]}\n{last}\n".encode(), tmp_path)
    assert_sound(raw)
    assert ids(raw) == ["first", "last"]
    assert raw.set_aside["line"].tolist() == [2]


def test_escaped_quotes_and_a_missing_size_are_fine_in_a_log(tmp_path):
    line = GOOD_LINE.replace(' 5 "-" "a"', ' - "-" "a \\"b\\" c"')
    raw = read_as("log", line.encode(), tmp_path)
    assert raw.table.loc[0, ["bytes", "agent"]].tolist() == ["-", 'a \\"b\\" c']


STORES = {
    "a list": ("[]", "it has no tables"), "no such table": ('{"other": {}}', "it has other"),
    "a table that is a list": ('{"_default": []}', "TinyDB file"), "NaN": ('{"_default": {"1": {"a": NaN}}}', "NaN"),
    "a number twice": ('{"_default": {"1": {}, "1": {}}}', "comes twice"), "cut off": ('{"_default": {"1"', "cut off"),
    "deep": ('{"_default": {"1": {"a":' + "[" * 60_000, "deeper than"), "a text": ('"x"', "it has no tables"),
}  # fmt: skip


@pytest.mark.parametrize("case", STORES)
def test_a_document_store_that_is_none_is_refused(case, tmp_path):
    text, why = STORES[case]
    with pytest.raises(CannotExtract, match=why) as told:
        read_as("documents", text.encode(), tmp_path)
    assert_one_sentence(told.value)


def test_a_document_that_is_none_is_set_aside_and_the_store_is_not_written_to(tmp_path):
    text = '{"_default": {"1": {"id": 1}, "2": [], "-3": {}, "x": {}, "1e9": {}, "01": {}, "٣": {}, "7": {"id": 7}}}'
    raw = read_as("documents", text.encode(), tmp_path)
    assert_sound(raw)
    assert ids(raw) == ["1", "7"]
    assert (raw.books.rows_in, raw.provenance.cursor) == (8, "7")
    assert (tmp_path / "file.bin").read_bytes() == text.encode()


def database(folder, *statements):
    with closing(sqlite3.connect(folder / "d.sqlite")) as made:
        for statement in statements:
            made.execute(statement)
        made.commit()
    return f"sqlite:///{folder / 'd.sqlite'}"


VALUES = {
    "a text for a number": ("INTEGER", "'abc'"), "a float for a whole number": ("INTEGER", "1.5"),
    "bytes for a text": ("VARCHAR(9)", "x'ff00'"), "a word for a date": ("DATE", "'soon'"), "the 31st of February": ("DATE", "'2024-02-31'"),
    "a number for a date": ("DATE", "-1"), "a word for a moment": ("DATETIME", "'NaN'"), "a negative moment": ("DATETIME", "-86400"),
    "2 for a yes": ("BOOLEAN", "2"), "a word for a yes": ("BOOLEAN", "'yes'"), "a text for an amount": ("FLOAT", "'9,90'"),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES)
def test_a_value_that_is_none_of_its_column_s_kind_sets_its_row_aside(case, tmp_path):
    kind, value = VALUES[case]
    url = database(
        tmp_path,
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {kind})",
        f"INSERT INTO t VALUES (1, NULL), (2, {value}), (3, NULL)",
    )
    raw = read_sql(url, "t")
    assert_sound(raw)
    assert raw.table["id"].tolist() == [1, 3]
    assert raw.set_aside["line"].tolist() == [2]


@pytest.mark.parametrize(("table", "options", "why"), [
    ("none", {}, "has no table 'none'; it has pair, t, v"), ("t; DROP TABLE t", {}, "has no table"), ('t" --', {}, "has no table"),
    ("t", {"key": "no"}, "has no column 'no'"), ("v", {}, "a key of 0 columns"), ("pair", {}, "a key of 2 columns"),
    ("t", {"after": "x"}, "pass provenance.cursor"), ("t", {"most": 1}, "more than 1 rows"), ("t", {"key": "v"}, "rows without a v"),
])  # fmt: skip
def test_a_table_that_cannot_be_read_in_order_is_refused(table, options, why, tmp_path):
    url = database(
        tmp_path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
        "INSERT INTO t VALUES (1, NULL), (2, NULL)",
        "CREATE TABLE pair (a INTEGER, b INTEGER, PRIMARY KEY (a, b))",
        "CREATE VIEW v AS SELECT id FROM t",
    )
    with pytest.raises(CannotExtract, match=why) as told:
        read_sql(url, table, **options)
    assert_one_sentence(told.value)
    with closing(sqlite3.connect(tmp_path / "d.sqlite")) as there:
        assert there.execute("SELECT count(*) FROM t").fetchone() == (2,)


@pytest.mark.parametrize("rows", [1, 3, 8, 100])
def test_a_table_read_in_parts_by_its_key_gives_every_row_once(rows, tmp_path):
    (tmp_path / "d.sqlite").write_bytes(sound_database())
    url = f"sqlite:///{tmp_path / 'd.sqlite'}"
    raw = read_sql(url, "things", rows=rows)
    assert_sound(raw)
    assert ids(raw) == IDS
    assert raw.provenance == read_sql(url, "things").provenance
    assert ids(read_sql(url, "things", rows=rows, after="5")) == IDS[5:]


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 10, 100])
def test_a_key_that_two_rows_share_is_refused_for_a_part_may_end_between_them(rows, tmp_path):
    url = database(tmp_path, "CREATE TABLE t (id INTEGER, day DATE, late INTEGER)",
                   "INSERT INTO t VALUES (1, '2024-09-01', 1), (2, '2024-09-02', 2), (3, '2024-09-03', NULL), "
                   "(4, '2024-09-03', NULL), (5, '2024-09-04', 5)")  # fmt: skip
    assert read_sql(url, "t", key="id", rows=rows).books.loaded == 5
    with pytest.raises(CannotExtract, match="more than one row with the day '2024-09-03'") as told:
        read_sql(url, "t", key="day", rows=rows)
    assert_one_sentence(told.value)
    with pytest.raises(CannotExtract, match="rows without a late"):
        read_sql(url, "t", key="late", rows=rows)


@pytest.mark.parametrize(("order", "keys"), [("NOCASE", ["a", "A"]), ("RTRIM", ["a", "a "])])
def test_keys_are_compared_as_the_database_compares_them(order, keys, tmp_path):
    url = database(tmp_path, f"CREATE TABLE t (k TEXT COLLATE {order})",
                   f"INSERT INTO t VALUES ('{keys[0]}'), ('{keys[1]}'), ('b')")  # fmt: skip
    with pytest.raises(CannotExtract, match="more than one row with the k 'a'"):
        read_sql(url, "t", key="k", rows=1)
    assert read_sql(url, "t", key="k").table["k"].tolist() == [*keys, "b"], "one part loses none"


def test_a_long_whole_number_is_read_to_its_last_digit_whatever_the_column(tmp_path):
    url = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, code NUMERIC)",
                   "INSERT INTO t VALUES (1, 9007199254740993), (2, 1.5)")  # fmt: skip
    assert read_sql(url, "t").table["code"].tolist() == [9007199254740993, 1.5]


def test_a_table_is_read_by_a_key_of_days_and_goes_on_behind_the_last_one(tmp_path):
    days = [f"('2024-09-0{day}', {day})" for day in range(1, 8)]
    url = database(tmp_path, "CREATE TABLE t (day DATE PRIMARY KEY, n INTEGER)", f"INSERT INTO t VALUES {', '.join(days)}")  # fmt: skip
    raw = read_sql(url, "t", rows=3)
    assert raw.table["n"].tolist() == list(range(1, 8))
    assert read_sql(url, "t", rows=3, after="2024-09-05").table["n"].tolist() == [6, 7]
    assert read_sql(url, "t", after=raw.provenance.cursor).books.rows_in == 0


def test_a_table_or_store_that_was_emptied_is_told_for_its_new_rows_may_have_old_keys(tmp_path):
    url = database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (7), (8)")  # fmt: skip
    cursor = read_sql(url, "t").provenance.cursor
    assert read_sql(url, "t", after=cursor).provenance.cursor == cursor == "8"
    with closing(sqlite3.connect(tmp_path / "d.sqlite")) as made:
        made.execute("DELETE FROM t WHERE id = 7")
        made.commit()
        assert read_sql(url, "t", after=cursor).books.rows_in == 0, "an older row may go"
        made.execute("UPDATE t SET id = 1")
        made.commit()
    path = tmp_path / "store.json"
    path.write_text('{"_default": {"8": {}}}')
    assert read_documents(path, after="8").books.rows_in == 0
    path.write_text('{"_default": {"1": {}}}')
    for again in (lambda: read_sql(url, "t", after=cursor), lambda: read_documents(path, after="8")):  # fmt: skip
        with pytest.raises(CannotExtract, match="ends before the .* where the last reading ended") as told:  # fmt: skip
            again()
        assert_one_sentence(told.value)


def test_a_document_with_the_number_nought_is_a_document(tmp_path):
    path = tmp_path / "store.json"
    path.write_text('{"_default": {"0": {"id": 1}}}')
    assert read_documents(path).books.loaded == 1


@pytest.mark.parametrize("secret", ["://lab:hidden@127.0.0.1:9/lab", "://127.0.0.1:9/lab?password=hidden", "://127.0.0.1:9/lab?user=me&sslpassword=hidden"])  # fmt: skip
def test_no_part_of_a_database_s_address_that_may_be_a_password_is_shown(secret):
    with pytest.raises(CannotExtract) as told:
        read_sql(f"postgresql+psycopg{secret}", "t")
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize("url", [
    "sqlite:///nowhere/x.sqlite", "sqlite://", "nonsense", "", "nodriver://h/d", "postgresql+psycopg://lab:secret@127.0.0.1:9/lab", None,
])  # fmt: skip
def test_a_database_that_is_not_there_is_told_without_its_password(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CannotExtract) as told:
        read_sql(url, "t")
    assert_one_sentence(told.value)
    assert "secret" not in str(told.value)
    assert list(tmp_path.iterdir()) == [], "no file is made by looking for it"


TIMES = ["-1", "0", "NaN", "nan", "", "inf", "1e9", "1725184800", "2024-02-30", "1970-01-01T00:00:00", "9999-12-31", "soon", "2024-09-01T25:00:00"]  # fmt: skip


@pytest.mark.parametrize("moment", TIMES)
def test_a_reading_without_a_possible_moment_is_set_aside(moment, tmp_path):
    text = f"id,at\n1,2024-09-01T10:00:00\n2,{moment}\n3,2024-09-01 10:05:00+02:00\n"
    raw = read_as("sensors", text.encode(), tmp_path)
    assert_sound(raw)
    assert ids(raw) == ["1", "3"]
    told = f"at {moment!r} cannot be read as a moment, such as '2024-09-01T10:00:00'"
    early = moment in ("1970-01-01T00:00:00", "9999-12-31")
    assert (f"at {moment!r} is not from 1990 to 2099" if early else told) in raw.set_aside[
        "reason"
    ][0]


@pytest.mark.parametrize("kind", SOUND)
@pytest.mark.parametrize("place", ["nowhere", "folder", "name too long", "NUL"])
def test_a_path_where_no_file_is_gets_one_sentence(kind, place, tmp_path):
    path = {"nowhere": tmp_path / "no.csv", "folder": tmp_path, "name too long": tmp_path / ("a" * 999), "NUL": f"{tmp_path}/a\0b"}[place]  # fmt: skip
    with pytest.raises(CannotExtract) as told:
        READERS[kind](path)
    assert_one_sentence(told.value)


def peak_of(work):
    """Return the largest memory that Python held while `work` ran, in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def xml_noise(pieces, tail=""):
    return ("<b>" + pieces + tail + '<item id="1"/></b>').encode()


@pytest.mark.parametrize(
    "pieces", ["<i/>", "<i><j/></i>", "<i>text</i> and tail", "<!-- a comment -->"]
)
def test_xml_that_is_not_of_its_rows_fills_no_memory(pieces, tmp_path):
    path = tmp_path / "noise.xml"
    peaks = []
    for times in (5_000, 15_000):
        content = xml_noise(pieces * times)
        path.write_bytes(content)
        peaks.append(peak_of(lambda: assert_one_item(read_xml(path, "item"))) - len(content))
    assert peaks[1] < 1.3 * peaks[0] + 100_000, "beside the file itself, which is read whole"


def assert_one_item(raw):
    assert raw.table.to_dict("records") == [{"id": "1"}]


@pytest.mark.parametrize(("start", "end"), [("", ""), ("<!--", "-->"), ('<i a="', '"/>'), ("<item>", "</item>")])  # fmt: skip
def test_a_text_of_xml_without_end_is_refused_before_it_fills_the_memory(start, end, tmp_path):
    path = tmp_path / "long.xml"
    size = 10_000_000  # the file is read whole, but the parser stops
    path.write_bytes(gzip.compress(xml_noise(start + "x" * size + end), 1))

    def read():
        with pytest.raises(CannotExtract, match="of more than 2,000,000 bytes") as told:
            read_xml(path, "item")
        assert_one_sentence(told.value)

    assert peak_of(read) < size + 10_000_000


SCATTERED = [{f"k{row}_{place}": place for place in range(5)} for row in range(2_000)]


@pytest.mark.parametrize("kind", ["json lines", "json list", "xml", "documents"])
def test_rows_that_have_no_keys_in_common_are_no_table_that_fills_the_memory(kind, tmp_path):
    content = {
        "json lines": lambda: "\n".join(map(json.dumps, SCATTERED)),
        "json list": lambda: json.dumps(SCATTERED),
        "documents": lambda: json.dumps({"_default": dict(enumerate(SCATTERED))}),
        "xml": lambda: "<b>" + "".join(
            "<item>" + "".join(f"<{name}/>" for name in row) + "</item>" for row in SCATTERED
        ) + "</b>",
    }[kind]().encode()  # fmt: skip
    path = tmp_path / "scattered"
    path.write_bytes(content)

    def refused():
        with pytest.raises(CannotExtract, match="2,000 rows have 10,000 different keys") as told:
            UNLIMITED[kind](path)
        assert_one_sentence(told.value)

    assert peak_of(refused) < 100_000_000


def test_many_files_that_have_no_columns_in_common_are_not_put_together(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text(",".join(f"c{n}" for n in range(40)) + "\n" + ("," * 39 + "\n") * 2)
    one = read_csv(path)
    parts = [one._replace(table=one.table.add_prefix(f"{number}_")) for number in range(300)]
    with pytest.raises(CannotExtract, match="600 rows have 12,000 different keys"):
        together(parts)


KEYS = [f"k{number}" for number in range(60_000)]
WIDE = {
    "a header of many columns": ("csv", ",".join(KEYS) + "\n"),
    "a header of many columns, the last one twice": ("csv", ",".join([*KEYS, KEYS[-1]]) + "\n"),
    "a header of commas": ("csv", "," * 900_000 + "\n"),
    "an object of many keys, the last one twice": (
        "json lines",
        "{" + ",".join(f'"{key}":1' for key in [*KEYS, KEYS[-1]]) + "}",
    ),
    "an element of many attributes": (
        "xml",
        "<b><item " + " ".join(f'{key}=""' for key in KEYS) + "/></b>",
    ),
    "rows of many elements": (
        "xml",
        "<b>" + ("<item>" + "".join(f"<{key}/>" for key in KEYS[:9_000]) + "</item>") * 9 + "</b>",
    ),
}


@pytest.mark.parametrize("case", first_always(reversed(WIDE)))
def test_the_time_to_read_wide_rows_grows_with_them_and_not_with_their_square(case, tmp_path):
    kind, text = WIDE[case]
    path = tmp_path / "wide"
    path.write_text(text)
    began = time.process_time()
    try:
        UNLIMITED[kind](path)
    except CannotExtract as error:
        assert_one_sentence(error)
    assert time.process_time() - began < 20, "comparing each with each takes minutes"


def test_a_gzip_bomb_on_disk_fills_no_memory(tmp_path):
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(bomb())

    def read():
        with pytest.raises(CannotExtract, match="more than 3,000,000 bytes, unpacked"):
            read_csv(path, limits=SMALL)

    assert peak_of(read) < 15_000_000


# --- services: a server on loopback that does what it should not -----------------------------------


class Rude(socketserver.ThreadingTCPServer):
    """A server whose answers are bytes, or functions that write them; by path, without the question."""

    allow_reuse_address, daemon_threads, block_on_close = True, True, False

    def __init__(self):
        self.answers, self.asked, self.over = {}, [], threading.Event()
        super().__init__(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """Be silent when a caller hangs up."""


class Answering(socketserver.StreamRequestHandler):
    def handle(self):
        head = []
        while (line := self.rfile.readline(65_536)) not in (b"\r\n", b""):
            head.append(line.decode("latin-1").strip())
        if not head:
            return
        path = head[0].split()[1]
        self.server.asked.append((path, head[1:]))
        answer = self.server.answers.get(path.partition("?")[0], page("", "404 Not Found"))
        if callable(answer):
            answer(self.wfile.write, path, head[1:])
        else:
            self.wfile.write(answer)


@contextmanager
def rude_server():
    with Rude() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join(5)


@pytest.fixture(scope="module")
def rude():
    with rude_server() as server:
        yield server


def page(body, status="200 OK", kind="application/json", extra="", length=None):
    """Return a whole answer."""
    body = body if isinstance(body, bytes) else body.encode()
    length = len(body) if length is None else length
    told = f"Content-Length: {length}\r\n" if length != "" else ""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{told}{extra}Connection: close\r\n\r\n"
    return head.encode("latin-1") + body


def items(*rows, following=None):
    return json.dumps({"items": list(rows), "next": following})


HTML = "text/html; charset=utf-8"
STREAM = "text/event-stream"
GOOD = {
    "api": page(items({"id": 1}, {"id": 2})),
    "feed": page('id: 1\ndata: {"id": 1}\n\nid: 2\ndata: {"id": 2}\n\nevent: end\ndata: {}\n\n', kind=STREAM),
    "site": page('<body data-id="1"><h1>Dew</h1></body>', kind=HTML),
}  # fmt: skip
# Short in what an answer may cost, and long in what a busy machine may take for it.
HASTY = NetworkLimits(connect_s=20, read_s=60, whole_s=60, size=100_000, pages=6, tries=2, longest_wait_s=0.5)  # fmt: skip
NERVOUS = NetworkLimits(connect_s=2, read_s=0.25, whole_s=0.4, tries=2)  # for what trickles
NO_WAIT = {"limits": HASTY, "pause": lambda seconds: None}
CALLS = {
    "api": lambda url, **more: read_api(url, "open-sesame", **{**NO_WAIT, **more}),
    "feed": lambda url, **more: read_events(url, "open-sesame", seconds=60, **{**NO_WAIT, **more}),
    "site": lambda url, **more: read_site(
        url, "[data-id]", delay_s=0, pages=6, **{**NO_WAIT, **more}
    ),
}


def call(reader, rude, answer, **more):
    rude.answers = {"/here": answer}
    del rude.asked[:]
    return CALLS[reader](f"{rude.url}/here", **more)


@pytest.mark.parametrize("reader", CALLS)
def test_a_good_answer_is_read(rude, reader):
    assert [str(one) for one in call(reader, rude, GOOD[reader]).table["id"]] in (["1", "2"], ["1"])


class Slow:
    """An answer that comes byte after byte for half a minute at least, and then ends well."""

    def __init__(self, start, piece=b"", wait=0.02):
        self.start, self.piece, self.wait = start, piece, wait
        self.let_finish, self.over = False, threading.Event()

    def __call__(self, write, path, head):
        write(self.start)
        for _ in range(int(30 / self.wait)):
            if self.over.wait(self.wait):
                return
            write(self.piece)
        self.let_finish = True


def drip(start, piece):
    return Slow(start, piece)


def silent(start=b""):
    return Slow(start)


def endless(start, piece):
    def answer(write, path, head):
        write(start)
        for _ in range(3_000):
            write(piece)

    return answer


HEAD_OK = b"HTTP/1.1 200 OK\r\nContent-Type: "
KINDS = {"api": b"application/json", "feed": b"text/event-stream", "site": b"text/html"}


def head_of(reader, more=b""):
    return HEAD_OK + KINDS[reader] + b"\r\nConnection: close\r\n" + more + b"\r\n"


def body_of(reader):
    return GOOD[reader].partition(b"\r\n\r\n")[2]


RAW_DEFLATE = zlib.compress(b"x" * 500)[2:]
NETWORK = {
    # name: (answer for a reader, what the sentence says)
    "10 GB announced": (lambda r: head_of(r, b"Content-Length: 10000000000\r\n") + body_of(r), "more than 100,000 bytes"),
    "a length of 40 digits": (lambda r: head_of(r, b"Content-Length: " + b"9" * 40 + b"\r\n") + body_of(r), "more than|no answer"),
    "a shorter body than announced": (lambda r: head_of(r, b"Content-Length: 5000\r\n") + b"{", "ends before it should|no answer that"),
    "no end": (lambda r: endless(head_of(r), b"x" * 1_000), "more than 100,000 bytes"),
    "no end, in chunks": (lambda r: endless(head_of(r, b"Transfer-Encoding: chunked\r\n"), b"3e8\r\n" + b"x" * 1_000 + b"\r\n"), "more than 100,000 bytes"),
    "chunks that are none": (lambda r: head_of(r, b"Transfer-Encoding: chunked\r\n") + b"zz\r\nabc", "no answer that can be read"),
    "a chunk cut off": (lambda r: head_of(r, b"Transfer-Encoding: chunked\r\n") + b"ff\r\nabc", "no answer that can be read"),
    "a gzip bomb": (lambda r: head_of(r, b"Content-Encoding: gzip\r\n") + bomb(), "more than 100,000 bytes"),
    "a gzip body cut off": (lambda r: head_of(r, b"Content-Encoding: gzip\r\n") + gzip.compress(body_of(r))[:-15], "ends in the middle"),
    "gzip that is none": (lambda r: head_of(r, b"Content-Encoding: gzip\r\n") + body_of(r), "is said to be gzip"),
    "deflate that is none": (lambda r: head_of(r, b"Content-Encoding: deflate\r\n") + b"\xff" + RAW_DEFLATE, "is said to be deflate"),
    "an unknown packing": (lambda r: head_of(r, b"Content-Encoding: zstd-9\r\n") + body_of(r), "packed with 'zstd-9'"),
    "no HTTP at all": (lambda r: b"SSH-2.0-OpenSSH_9\r\n", "no answer that can be read"),
    "an empty answer": (lambda r: b"", "no answer that can be read"),
    "a head of a megabyte": (lambda r: HEAD_OK + b"x" * 1_000_000 + b"\r\n\r\n", "no answer that can be read"),
    "a thousand heads": (lambda r: HEAD_OK + KINDS[r] + b"\r\n" + b"X-A: b\r\n" * 1_000 + b"\r\n", "no answer that can be read"),
    "a redirect to itself": (lambda r: page("", "302 Found", extra="Location: /here\r\n"), "redirected more than 3 times"),
    "a redirect elsewhere": (lambda r: page("", "302 Found", extra="Location: http://127.0.0.1:9/\r\n"), "is not on"),
    "a redirect to a file": (lambda r: page("", "302 Found", extra="Location: file:///etc/passwd\r\n"), "an address such as"),
    "a redirect to nonsense": (lambda r: page("", "302 Found", extra="Location: http://[::1\r\n"), "no address"),
    "a redirect without a target": (lambda r: page("", "302 Found"), "answered 302|it answers|expected to be a stream"),
    "no such page": (lambda r: page("gone", "404 Not Found"), "answered 404: 'gone'"),
    "forbidden": (lambda r: page("no", "403 Forbidden"), "answered 403"),
    "always out of order": (lambda r: page("", "503 Service Unavailable", extra="Retry-After: 0.01\r\n"), "answered 503"),
    "a pause of a year": (lambda r: page("", "429 Too Many", extra="Retry-After: 31536000\r\n"), "answered 429"),
    "a pause that is none": (lambda r: page("", "429 Too Many", extra="Retry-After: NaN\r\n"), "answered 429"),
    "a negative pause": (lambda r: page("", "503 Down", extra="Retry-After: -5\r\n"), "answered 503"),
    "status 999": (lambda r: page("", "999 What"), "answered 999"),
    "another kind": (lambda r: page("%PDF-1.7", kind="application/pdf"), "application/pdf"),
}  # fmt: skip
SLOW = {
    "silence": (lambda r: silent(), "nothing came for too long|longer than"),
    "silence behind the head": (lambda r: silent(head_of(r)), "nothing came for too long|did not end|no answer"),
    "a body, a byte at a time": (lambda r: drip(head_of(r), b" "), "longer than|did not end"),
    "a chunk, a byte at a time": (lambda r: drip(head_of(r, b"Transfer-Encoding: chunked\r\n"), b"1\r\n \r\n"), "longer than|did not end"),
}  # fmt: skip


@pytest.mark.parametrize("reader", CALLS)
@pytest.mark.parametrize("case", NETWORK)
def test_a_bad_answer_ends_in_one_sentence(rude, reader, case):
    answer, why = NETWORK[case]
    with pytest.raises(CannotFetch, match=why) as told:
        call(reader, rude, answer(reader))
    assert_one_sentence(told.value)
    assert "sesame" not in str(told.value), "no message shows the key"
    assert len(rude.asked) <= 6, "the tries are counted"


@pytest.mark.parametrize("reader", first_always(["api", "site"]))  # both fetch by one function
@pytest.mark.parametrize("case", SLOW)
def test_an_answer_that_trickles_is_cut_off(rude, reader, case):
    # Left alone, each would end well after half a minute: without a cut, there would be no error.
    make, why = SLOW[case]
    answer = make(reader)
    with pytest.raises(CannotFetch, match=why) as told:
        call(reader, rude, answer, limits=NERVOUS)
    answer.over.set()
    assert_one_sentence(told.value)
    assert not answer.let_finish, "it was waited for to the end"


@pytest.mark.parametrize("piece", [b": beat\n\n", b"x"])
def test_a_feed_that_says_nothing_more_ends_when_its_time_is_up(rude, piece, monkeypatch):
    up, clock, take = threading.Event(), time.monotonic, live._Feed._take

    def take_and_let_time_pass(feed, event):
        wanted = take(feed, event)
        up.set()
        return wanted

    monkeypatch.setattr(live._Feed, "_take", take_and_let_time_pass)
    monkeypatch.setattr(live.time, "monotonic", lambda: clock() + 1_000 * up.is_set())
    answer = drip(head_of("feed") + b'id: 1\ndata: {"id": 1}\n\n', piece)
    rude.answers = {"/here": answer}
    raw = read_events(f"{rude.url}/here", seconds=500, **NO_WAIT)
    answer.over.set()
    assert_sound(raw)
    assert raw.table["id"].tolist() == [1]
    assert raw.provenance.cursor == "1"
    assert not answer.let_finish


def test_a_bomb_on_the_line_fills_no_memory(rude):
    packed = bomb()

    def read():
        with pytest.raises(CannotFetch, match="more than 100,000 bytes"):
            call("api", rude, page(packed, extra="Content-Encoding: gzip\r\n"))

    assert peak_of(read) < 5_000_000


BODIES = {
    "HTML for JSON": (page("<html>Log in</html>", kind="text/html"), "answered 'text/html': '<html>Log in"),
    "HTML that says it is JSON": (page("<html>"), "JSON object in UTF-8, but: Expecting value"),
    "nothing": (page(""), "Expecting value"), "a list": (page("[1]"), "it is a list and no object"),
    "NaN": (page('{"items": [{"a": NaN}], "next": null}'), "NaN is no JSON number"),
    "a key twice": (page('{"items": [], "items": [1], "next": null}'), "the key 'items' comes twice"),
    "deep": (page('{"items": ' + "[" * 40_000), "deeper than 40"), "no rows": (page('{"rows": []}'), "it has rows"),
    "rows that are none": (page('{"items": {"a": 1}, "next": null}'), "expected to answer with a list"),
    "a next page that is a number": (page('{"items": [], "next": 7}'), "expected to answer with a list"),
    "latin-1": (page('{"items": [{"a": "Genève"}]}'.encode("latin-1")), "in UTF-8, but"),
    "UTF-16": (page(items({"id": 1}).encode("utf-16")), "in UTF-8, but"),
    "cut off, as announced": (page(items({"id": 1})[:-5]), "JSON object in UTF-8"),
    "less announced than sent": (page(items({"id": 1}), length=12), "JSON object in UTF-8"),
    "a next page elsewhere": (page(items(following="http://127.0.0.1:9/here?c=2")), "another endpoint"),
    "a next page of another endpoint": (page(items(following="/admin?c=2")), "another endpoint"),
    "a next page that is no address": (page(items(following="http://[")), "no address"),
    "the same page for ever": (page(items({"id": 1}, following="/here?c=2")), "never end"),
}  # fmt: skip


@pytest.mark.parametrize("ending", ["", " ", False, None, 0, "null", "None", []])
@pytest.mark.parametrize("following", ["?c=2", "/here?c=2", "here?c=2", "{}/here?c=2", "/h%65re?c=2"])  # fmt: skip
def test_pages_end_where_no_next_one_is_named_however_that_is_written(rude, ending, following):
    def answer(write, path, head):
        last = "c=2" in path
        write(page(items({"id": 2 if last else 1}, following=ending if last else following.format(rude.url))))  # fmt: skip

    raw = call("api", rude, answer)
    assert raw.table["id"].tolist() == [1, 2]
    assert len(rude.asked) == 2


def test_a_page_without_the_name_of_a_next_one_is_the_last(rude):
    assert call("api", rude, page('{"items": [{"id": 1}]}')).books.loaded == 1


@pytest.mark.parametrize("case", BODIES)
def test_a_page_of_an_interface_that_is_none_ends_in_one_sentence(rude, case):
    answer, why = BODIES[case]
    with pytest.raises(CannotFetch, match=re.escape(why)) as told:
        call("api", rude, answer)
    assert_one_sentence(told.value)


def test_ever_new_pages_are_bounded(rude):
    def more(write, path, head):
        number = int(path.partition("c=")[2] or 0) + 1
        write(page(items({"id": number}, following=f"/here?c={number}")))

    with pytest.raises(CannotFetch, match="more than 6 pages"):
        call("api", rude, more)
    assert len(rude.asked) == 6


def test_entries_of_a_page_that_are_no_rows_are_set_aside(rude):
    raw = call("api", rude, page(items({"id": 1}, 7, None, "x", ["y"], {"id": 2})))
    assert_sound(raw)
    assert raw.table["id"].tolist() == [1, 2]
    assert raw.set_aside["line"].tolist() == [2, 3, 4, 5]


def test_the_key_goes_to_its_host_and_nowhere_else(rude):
    with rude_server() as other:
        other.answers = {"/there": GOOD["api"]}
        with pytest.raises(CannotFetch, match="is not on"):
            call("api", rude, page("", "307 Moved", extra=f"Location: {other.url}/there\r\n"))
        assert other.asked == []
    assert any("X-API-Key: open-sesame" in line for _, head in rude.asked for line in head)
    # On its own host a redirect is followed.
    rude.answers = {
        "/old": page("", "308 Moved", extra="Location: /here\r\n"),
        "/here": GOOD["api"],
    }
    assert len(read_api(f"{rude.url}/old", **NO_WAIT).table) == 2


@pytest.mark.parametrize("url", ["", "here", "file:///etc/passwd", "ftp://h/x", "http://", "http://h:99999/", "//h/x", "javascript:1", None])  # fmt: skip
@pytest.mark.parametrize("reader", CALLS)
def test_what_is_no_web_address_is_refused(reader, url):
    with pytest.raises(CannotFetch, match="an address such as") as told:
        CALLS[reader](url)
    assert_one_sentence(told.value)


def test_a_name_and_password_in_an_address_are_not_shown():
    with pytest.raises(CannotFetch) as told:
        CALLS["api"]("http://me:secret@127.0.0.1:9/here?token=hidden")
    assert "secret" not in str(told.value)
    assert "hidden" not in str(told.value)


@pytest.mark.parametrize("reader", ["api", "feed"])
@pytest.mark.parametrize("status", ["403 Forbidden", "503 Busy"])
def test_a_service_that_repeats_the_key_does_not_get_it_into_a_message(rude, reader, status):
    with pytest.raises(CannotFetch, match=r"answered \d+: 'no key \*\*\* here'"):
        call(reader, rude, page("no key open-sesame here", status))
    with pytest.raises(CannotFetch, match=r"\*\*\*") as told:
        call(reader, rude, page("<p>open-sesame", kind="text/open-sesame"))
    assert "sesame" not in str(told.value)


@pytest.mark.parametrize(("asked", "waited"), [("0.05", 0.05), ("0", 0.0), ("x", 0.2), ("-1", 0.2), ("nan", 0.2), ("inf", 0.2), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)])  # fmt: skip
def test_the_pause_that_is_asked_for_is_kept_and_no_other(rude, asked, waited):
    waits = []

    def busy_once(write, path, head):
        busy = len(rude.asked) == 1
        write(page("", "503 Busy", extra=f"Retry-After: {asked}\r\n") if busy else GOOD["api"])

    rude.answers = {"/here": busy_once}
    del rude.asked[:]
    raw = read_api(f"{rude.url}/here", limits=HASTY, pause=waits.append)
    assert waits == [waited]
    assert len(raw.table) == 2


EVENTS = {
    "data that are no JSON": ("data: oops\n\n", 0, 1), "data that are no object": ("data: [1]\n\n", 0, 1),
    "NaN": ('data: {"a": NaN}\n\n', 0, 1), "no data": ("id: 9\nevent: click\n\n", 0, 0), "a comment": (": hello\n\n", 0, 0),
    "data in two lines": ('data: {"id":\ndata: 1}\n\n', 1, 0), "CRLF": ('id: 5\r\ndata: {"id": 1}\r\n\r\n', 1, 0),
    "CR": ('id: 5\rdata: {"id": 1}\r\r', 1, 0), "no blank": ('data:{"id": 1}\n\n', 1, 0), "an unknown field": ('colour: red\ndata: {"id": 1}\n\n', 1, 0),
    "an id with a NUL": ('id: a\0b\ndata: {"id": 1}\n\n', 1, 0), "an event cut off": ('data: {"id": 1}', 0, 0),
    "an id that is no ASCII": ('id:  é☃\ndata: {"id": 1}\n\n', 1, 0), "data that say where they stood": ('data: {"id": 1, "sse_id": 7}\n\n', 0, 1),
    "a retry of a year": ('retry: 99999999999\ndata: {"id": 1}\n\n', 1, 0), "a BOM": ('\ufeffdata: {"id": 1}\n\n', 1, 0),
}  # fmt: skip


@pytest.mark.parametrize("case", EVENTS)
def test_the_events_of_a_feed_are_read_as_the_standard_has_them(rude, case):
    text, returned, aside = EVENTS[case]
    tail = "" if case == "an event cut off" else "event: end\ndata: {}\n\n"
    rude.answers = {"/here": page(text + tail, kind=STREAM)}
    raw = read_events(f"{rude.url}/here", seconds=60, end="end" if tail else "", **NO_WAIT)
    assert_sound(raw)
    assert (raw.books.loaded, raw.books.set_aside) == (returned, aside)


@pytest.mark.parametrize("length", [201, 324, 4_000])
def test_a_long_id_of_an_event_is_kept_and_sent_back_whole(rude, length):
    name = "".join(str(n % 10) for n in range(length))
    told = []

    def answer(write, path, head):
        told.extend(line for line in head if line.startswith("Last-Event-ID"))
        ending = "event: end\ndata: {}\n\n" if told else ""
        write(page(f'id: {name}\ndata: {{"id": 1}}\n\n{ending}', kind=STREAM))

    raw = call("feed", rude, answer)
    assert set(raw.table["sse_id"]) == {name}
    assert raw.provenance.cursor == name
    assert told == [f"Last-Event-ID: {name}"]


def test_an_id_that_no_header_can_carry_back_is_refused(rude):
    with pytest.raises(CannotFetch, match="an id of 4,001 characters") as told:
        call("feed", rude, page(f"id: {'x' * 4_001}\ndata: {{}}\n\n", kind=STREAM))
    assert_one_sentence(told.value)


def test_an_event_without_end_and_one_that_is_no_text_are_refused(rude):
    roomy = NetworkLimits(size=5_000_000, tries=1)
    for answer, why in [
        (endless(head_of("feed"), b"data: " + b"x" * 994), "longer than 1,000,000 bytes"),
        (endless(head_of("feed"), b"data: " + b"x" * 993 + b"\n"), "longer than 1,000,000 bytes"),
        (page(b"data: \xff\n\n", kind=STREAM), "which is none"),
    ]:
        rude.answers = {"/here": answer}
        with pytest.raises(CannotFetch, match=why):
            read_events(f"{rude.url}/here", seconds=60, limits=roomy)


def test_a_feed_that_was_never_reached_is_no_feed_without_events(rude):
    patient = NetworkLimits(read_s=30, tries=50)
    busy = page("", "503 Busy", extra="Retry-After: 0\r\n")
    silence = silent()
    for answer in (busy, silence):
        rude.answers = {"/here": answer}
        with pytest.raises(CannotFetch, match="did not answer as a stream|answered 503") as told:
            read_events(f"{rude.url}/here", seconds=0.3, limits=patient)
        assert_one_sentence(told.value)
    silence.over.set()


def test_a_reading_does_not_wait_beyond_its_time_for_a_service_that_asks_it_to(rude, monkeypatch):
    waits, clock = [], time.monotonic
    monkeypatch.setattr(live.time, "monotonic", lambda: clock() + sum(waits))
    start = page('id: 1\ndata: {"id": 1}\n\n', kind=STREAM)
    rude.answers = {"/here": lambda write, *_: write(start if len(rude.asked) == 1 else page("", "503 Busy", extra="Retry-After: 50\r\n"))}  # fmt: skip
    del rude.asked[:]
    raw = read_events(f"{rude.url}/here", seconds=60, limits=NetworkLimits(), pause=waits.append)
    assert raw.table["id"].tolist() == [1]
    assert waits[1] == 50
    assert sum(waits) <= 60


@pytest.mark.parametrize("options", [{"count": 0}, {"count": -1}, {"seconds": 0}, {"seconds": float("nan")}])  # fmt: skip
def test_a_reading_without_bounds_is_refused(options):
    with pytest.raises(CannotFetch, match="count is at least 1 and seconds are above 0"):
        read_events("http://127.0.0.1:9/", **options)


def site(rude, pages, robots="", **options):
    rude.answers = {"/robots.txt": page(robots, kind="text/plain"), **pages}
    del rude.asked[:]
    raw = read_site(f"{rude.url}/", "[data-id]", delay_s=0, **{**NO_WAIT, **options})
    assert_sound(raw)
    return raw, [path for path, _ in rude.asked if path != "/robots.txt"]


def thing(number, links=""):
    return page(f'<body data-id="{number}"><h1>{number}</h1>{links}</body>', kind=HTML)


LINKS = ['http://127.0.0.1:9/x', "//other.example/x", "mailto:a@b", "javascript:void(0)", "http://[", "ftp://h/x", "data:text/html,x",
         "/" + "a" * 3_000, "#top", "", "file:///etc/passwd", "tel:+1", "http://127.0.0.1.evil.example/"]  # fmt: skip


@pytest.mark.parametrize("link", LINKS)
def test_links_that_lead_elsewhere_are_not_followed(rude, link):
    links = f'<a href="{link}">x</a><a href="/2">good</a>'
    raw, asked = site(rude, {"/": thing(1, links), "/2": thing(2)})
    assert asked == ["/", "/2"]
    assert raw.table["id"].tolist() == ["1", "2"]
    assert raw.set_aside.empty


BAD_PAGES = {
    "missing": page("", "404 Not Found", kind=HTML), "out of order": page("", "500 Oops", kind=HTML),
    "a picture": page(b"\x89PNG", kind="image/png"), "no kind": page("<p>", kind=""), "another encoding": page(b"\xff\xfe", kind=HTML),
    "an unknown encoding": page("<p>", kind="text/html; charset=utf-99"), "a codec that is no encoding": page("<p>", kind="text/html; charset=zip"),
    "a NUL": page("<p>\0", kind=HTML), "too large": page("x" * 200_000, kind=HTML), "elsewhere": page("", "302 Found", extra="Location: http://127.0.0.1:9/\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_PAGES)
def test_a_bad_page_is_set_aside_and_the_others_are_read(rude, case):
    links = '<a href="/bad">x</a><a href="/2">good</a>'
    raw, _ = site(rude, {"/": thing(1, links), "/bad": BAD_PAGES[case], "/2": thing(2)})
    assert raw.table["id"].tolist() == ["1", "2"]
    assert raw.set_aside["text"].tolist() == ["/bad"]


@pytest.mark.parametrize("html", [
    "<div>" * 4_000, "<!-- never ended", "<![CDATA[", "<!DOCTYPE", "<a href=", "&#xFFFFFFFFFF;&bogus;", "<dl><dt>a</dt></dl>",
    "<script type='application/ld+json'>{broken", "<dl><dt>title</dt><dd>other</dd></dl>", "<![bad[", "</" * 5_000,
], ids=range(11))  # fmt: skip
def test_html_that_is_a_mess_is_read_or_set_aside(rude, html):
    links = '<a href="/mess">x</a><a href="/2">good</a>'
    mess = page(f'<body data-id="3"><h1>m</h1>{html}', kind=HTML)
    roomy = {"limits": NetworkLimits(size=500_000, tries=1)}
    raw, _ = site(rude, {"/": thing(1, links), "/mess": mess, "/2": thing(2)}, **roomy)
    assert {"1", "2"} <= set(raw.table["id"])
    assert raw.books.rows_in == 3


def test_a_trap_of_ever_new_pages_is_bounded(rude):
    def more(write, path, head):
        write(thing(len(rude.asked), f'<a href="{path}x">on</a>'))

    rude.answers = {"/robots.txt": page("", kind="text/plain"), **{"/" + "x" * n: more for n in range(20)}}  # fmt: skip
    del rude.asked[:]
    with pytest.raises(CannotFetch, match="more than 6 pages within reach"):
        CALLS["site"](f"{rude.url}/")
    assert len(rude.asked) == 7


TERMS = "<dt>a" * 400 + "</dt>" * 400 + "<dd>b</dd>"


@pytest.mark.parametrize(("html", "why"), [
    ("<!-- " * 90_000, "more than 100 tags or comments open"), ("<a " * 90_000, "more than 100 tags or comments open"),
    ("<p>-->" + "<!-- >" * 90_000, "more than 100 tags or comments open"), ("<b>" * 100_001, "more than 100,000 tags"), ("<dl>" + "<dt>x</dt>" * 2_001, "more than 1,000 terms"),
])  # fmt: skip
def test_a_page_that_would_fill_the_memory_is_set_aside(rude, html, why):
    mess = page(f'<body data-id="3">{html}', kind=HTML)
    pages = {"/": thing(1, '<a href="/mess">x</a>'), "/mess": mess}
    raw, _ = site(rude, pages, limits=NetworkLimits(size=2_000_000))
    assert raw.table["id"].tolist() == ["1"]
    assert why in raw.set_aside["reason"][0]


def test_terms_that_share_a_description_or_have_none_are_facts():
    text = "<dl><dt>a</dt><dt>b</dt><dd>1</dd><dd>2</dd><dt>c</dt></dl>"
    facts = facts_of(BeautifulSoup(f"<body>{text}", "html.parser"))
    assert {name: facts[name] for name in "abc"} == {"a": "1", "b": "1", "c": None}
    nested = facts_of(BeautifulSoup(f"<body>{TERMS}", "html.parser"))
    assert nested["a"] is None


CRUMBS = {"@type": "BreadcrumbList"}
DEW = {"@type": "Product", "sku": 7, "name": "Dew"}
BALM = {"@type": "Product", "sku": 8, "name": "Balm"}
LINKED = {
    # name: (what the scripts hold, the facts of the page with the id 7 and the heading Dew)
    "one": ([DEW], DEW), "behind the way there": ([CRUMBS, DEW], DEW), "before it": ([DEW, CRUMBS], DEW),
    "a list": ([[CRUMBS, DEW]], DEW), "a graph": ([{"@context": "x", "@graph": [CRUMBS, DEW]}], DEW),
    "two types": ([CRUMBS, {**DEW, "@type": ["Product", "Thing"]}], {**DEW, "@type": ["Product", "Thing"]}),
    "a whole address": ([CRUMBS, {**DEW, "@type": "https://schema.org/Product"}], {**DEW, "@type": "https://schema.org/Product"}),
    "what the page is about": ([{"@type": "WebPage", "mainEntity": DEW}], DEW),
    "others beside it": ([BALM, DEW, {**BALM, "sku": 9}], DEW), "named by its heading": ([BALM, {**DEW, "sku": "x"}], {**DEW, "sku": "x"}),
    "twice the same": ([DEW, DEW], DEW), "the site only": ([CRUMBS, {"@type": "WebSite"}], None),
    "none": ([], None), "no product": ([CRUMBS, {"@type": "Service", "name": "x"}], {"@type": "Service", "name": "x"}),
    "no products": ([{"@type": "Service"}, {"@type": "Event"}], [{"@type": "Service"}, {"@type": "Event"}]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["application/ld+json", "Application/LD+JSON; charset=utf-8"])
@pytest.mark.parametrize("case", LINKED)
def test_the_facts_for_machines_are_those_of_the_page_s_thing(case, kind):
    scripts, expected = LINKED[case]
    html = "".join(f'<script type="{kind}">{json.dumps(one)}</script>' for one in scripts)
    page = BeautifulSoup(f'<body data-id="7"><h1>Dew</h1>{html}', "html.parser")
    found = facts_of(page)["json_ld"]
    assert (found and json.loads(found)) == expected


def test_of_products_that_nothing_tells_apart_the_one_in_the_thing_s_element_is_meant():
    script = '<script type="application/ld+json">{}</script>'.format
    html = f'{script(json.dumps(BALM))}<div class="product">{script(json.dumps(DEW))}</div>'
    own = facts_of(BeautifulSoup(html, "html.parser"), ".product")["json_ld"]
    assert json.loads(own) == DEW
    with pytest.raises(CannotFetch, match="several products"):
        facts_of(BeautifulSoup(f"<body>{html}", "html.parser"))


def test_a_page_of_several_products_is_set_aside_and_its_links_are_followed(rude):
    both = f'<script type="application/ld+json">{json.dumps([DEW, BALM])}</script>'
    links = '<a href="/2?c=1">x</a><a href="/2?c=2">y</a>'
    raw, _ = site(rude, {"/": thing(1, both + links), "/2": thing(2)})
    assert raw.table["url"].tolist() == [f"{rude.url}/2?c=1", f"{rude.url}/2?c=2"], "whole"
    assert raw.set_aside[["text", "line"]].to_numpy().tolist() == [["/", 0]]
    assert "several products" in raw.set_aside["reason"][0]


def test_rules_that_are_too_long_to_be_known_open_nothing(rude):
    with pytest.raises(CannotFetch, match="more than 500,000 bytes, so its rules are not known"):
        site(rude, {"/": thing(1)}, "x" * 500_001, limits=NetworkLimits(tries=1))


@pytest.mark.parametrize("html", ["<dt>d</dt><dd>{}</dd>", "<h1>{}</h1>", "<p class=price>{}</p>"])
def test_a_fact_that_is_too_long_is_refused_and_none_is_cut(html):
    long = BeautifulSoup(f"<body>{html.format('y' * 10_000)}", "html.parser")
    assert "y" * 10_000 in facts_of(long).values()
    with pytest.raises(CannotFetch, match="more than 10,000 characters"):
        facts_of(BeautifulSoup(f"<body>{html.format('y' * 10_001)}", "html.parser"))


def test_a_page_is_read_once_by_whatever_address_it_is_known(rude):
    links = '<a href="/2">a</a><a href="/moved">b</a><a href="/also">c</a><a href="">d</a>'
    upper = f'<a href="HTTP://127.0.0.1:{rude.server_address[1]}/2#x">e</a><a href="/#top">f</a>'
    moved = page("", "301 Moved", extra="Location: /2\r\n")
    pages = {"/": thing(1, links + upper), "/2": thing(2), "/moved": moved, "/also": moved}
    raw, asked = site(rude, pages)
    assert Counter(asked) == {"/": 1, "/2": 1, "/moved": 1, "/also": 1}
    assert raw.table["id"].tolist() == ["1", "2"]
    rude.answers["/robots.txt"] = page("", kind="text/plain")
    del rude.asked[:]
    assert len(read_site(rude.url, "[data-id]", delay_s=0, **NO_WAIT).table) == 2, "no slash at the end"  # fmt: skip
    assert [path for path, _ in rude.asked].count("/") == 1


def test_a_redirect_leads_to_no_page_that_robots_txt_rules_out_and_is_waited_for(rude):
    waits = []
    links = '<a href="/a">x</a><a href="/b">x</a>'
    moved = {path: page("", "302 Found", extra=f"Location: {to}\r\n") for path, to in [("/a", "/private/1"), ("/b", "/c")]}  # fmt: skip
    pages = {"/": thing(1, links), **moved, "/private/1": thing(9), "/c": thing(3)}
    rules = "User-agent: *\nDisallow: /private\nCrawl-delay: 0.2"
    raw, asked = site(rude, pages, rules, pause=waits.append)
    assert asked == ["/", "/a", "/b", "/c"]
    assert raw.set_aside["text"].tolist() == ["/a"]
    assert raw.set_aside["reason"][0] == "it leads on to /private/1, and robots.txt asks not to read it"  # fmt: skip
    assert raw.table["url"].tolist() == [f"{rude.url}/", f"{rude.url}/c"]
    assert waits == [0.2] * 3, "a redirect is a page more"


def test_an_address_is_one_however_it_is_written_and_robots_txt_sees_it_as_it_is_called(rude):
    links = [
        "/p/%7Ea",
        "/p/~a",
        "/p/%7ea",
        "/q/../p/./~a",
        "/q/%2E%2e/private/1",
        "/priv%61te/1",
        "/p/a b",
    ]
    links = "".join(f'<a href="{rude.url}{link}">x</a>' for link in links)
    pages = {"/": thing(1, links), "/p/~a": thing(2), "/p/a%20b": thing(3), "/private/1": thing(9)}
    raw, asked = site(rude, pages, "User-agent: *\nDisallow: /private")
    assert asked == ["/", "/p/~a", "/p/a%20b"]
    assert raw.set_aside["text"].tolist() == ["/private/1"]


def test_links_begin_where_the_page_says_that_they_do(rude):
    links = '<base href="/shop/"><a href="2">x</a>'
    assert site(rude, {"/": thing(1, links), "/shop/2": thing(2)})[1] == ["/", "/shop/2"]


def test_a_name_with_an_umlaut_is_the_host_that_it_stands_for():
    assert host_of("http://b\u00fccher.example/a") == host_of("http://xn--bcher-kva.example/b")


OTHERS = '<h1>Shop</h1><p class="price">1</p><dl><dt>brand</dt><dd>Fog</dd></dl>'


def test_the_facts_are_those_of_the_thing_and_not_the_first_on_the_page():
    own = '<h1>Dew</h1><p class="price">9</p><dl><dt>brand</dt><dd>Lumo</dd></dl>'
    html = (
        f'{OTHERS}<div class="product" data-id="7">{own}<i class="product" data-id="0"></i></div>'
    )
    facts = facts_of(BeautifulSoup(html, "html.parser"), ".product")
    assert facts == {"id": "7", "title": "Dew", "price": "9", "brand": "Lumo", "json_ld": None}


@pytest.mark.parametrize(("html", "why"), [
    ('<p class="product" data-id="7">a</p><p class="product" data-id="8">b</p>', "several things, such as '7' and '8'"),
    ('<p class="product">a</p><p class="product">b</p>', "several things"),
    ('<div class="product"><i class="price old">12</i><i class="price">9</i></div>', "several prices, such as '12' and '9'"),
])  # fmt: skip
def test_of_several_things_or_prices_none_is_taken_for_the_page_s_own(html, why):
    with pytest.raises(CannotFetch, match=why):
        facts_of(BeautifulSoup(html, "html.parser"), ".product")


def test_a_site_that_makes_up_addresses_without_end_is_given_up(rude, monkeypatch):
    monkeypatch.setattr(pages_reader, "_LINKS_A_PAGE", 10)
    links = "".join(f'<a href="/no/{n}">x</a>' for n in range(80))
    robots = page("User-agent: *\nDisallow: /no", kind="text/plain")
    rude.answers = {"/robots.txt": robots, "/": thing(1, links)}
    with pytest.raises(CannotFetch, match="leads to more than 60 addresses") as told:
        CALLS["site"](f"{rude.url}/")
    assert_one_sentence(told.value)


@pytest.mark.parametrize(("robots", "read"), [
    ("User-agent: *\nDisallow: /2", ["/", "/3"]), ("User-agent: *\nDisallow: /\nAllow: /$\nAllow: /3", ["/", "/3"]),
    ("User-agent: CourseBot\nDisallow: /3\n\nUser-agent: *\nDisallow: /", ["/", "/2"]), ("<html>no rules</html>", ["/", "/2", "/3"]),
    ("\ufeffUser-agent: *\nDisallow: /2\n", ["/", "/3"]), ("User-agent: *\nDisallow:", ["/", "/2", "/3"]), ("x" * 90_000, ["/", "/2", "/3"]),
])  # fmt: skip
def test_robots_txt_is_kept_and_what_it_rules_out_is_told(rude, robots, read):
    links = '<a href="/2">2</a><a href="/3">3</a><a rel="nofollow" href="/4">4</a>'
    pages = {"/": thing(1, links), "/2": thing(2), "/3": thing(3), "/4": thing(4)}
    raw, asked = site(rude, pages, robots, agent="CourseBot/1.0")
    assert asked == read
    assert sorted([*asked, *raw.set_aside["text"]]) == ["/", "/2", "/3"]


def test_without_an_answer_about_robots_nothing_is_read(rude):
    for answer in [page("", "503 Busy"), b"nonsense", page("", "302 Found", extra="Location: /robots.txt\r\n")]:  # fmt: skip
        rude.answers = {"/robots.txt": answer, "/": thing(1)}
        del rude.asked[:]
        with pytest.raises(CannotFetch, match=r"nothing may be read there yet"):
            CALLS["site"](f"{rude.url}/")
        assert {path for path, _ in rude.asked} == {"/robots.txt"}
    rude.answers = {"/": thing(1)}
    assert len(CALLS["site"](f"{rude.url}/").table) == 1, "a site without robots.txt may be read"
    rude.answers["/robots.txt"] = page("User-agent: *\nCrawl-delay: 3600", kind="text/plain")
    with pytest.raises(CannotFetch, match="asks for 3600 seconds"):
        CALLS["site"](f"{rude.url}/")


def test_more_than_200_hostile_cases_are_tried():
    files = len(ANYWHERE) * len(SOUND) + len(CSV_ROWS) + len(JSON_LINES) + len(XML) + len(LOG_LINES)
    files += len(STORES) + len(VALUES) + len(TIMES)
    services = len(NETWORK) * len(CALLS) + len(SLOW) * 2 + len(BODIES) + len(EVENTS) + len(LINKS) + len(BAD_PAGES)  # fmt: skip
    assert files > 300
    assert services > 150


def test_a_service_that_asks_for_a_pause_of_a_year_is_given_up_at_once(rude):
    waits = []
    rude.answers = {"/here": page("", "429 Too Many", extra="Retry-After: 31536000\r\n")}
    del rude.asked[:]
    with pytest.raises(CannotFetch, match="answered 429"):
        read_api(f"{rude.url}/here", limits=HASTY, pause=waits.append)
    assert (len(rude.asked), waits) == (1, [])


def test_no_proxy_of_the_machine_gets_the_key(rude, monkeypatch):
    with rude_server() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert len(call("api", rude, GOOD["api"]).table) == 2
        assert proxy.asked == []


@pytest.mark.parametrize(
    "text", ["Sales, 2024\nid,price,qty\n1,9,3\n2,8,2\n", "id,price\n1,9,50\n2,8,75\n"]
)
def test_a_header_that_fits_no_row_is_refused_and_no_table_is_empty_in_silence(text, tmp_path):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(CannotExtract, match="it has 2 name.s. and most lines below 3"):
        read_csv(tmp_path / "x.csv")


def test_what_lies_beside_a_log_and_is_none_of_its_parts_is_told(tmp_path):
    for name in ["access.log", "access.log.1", "access.log.2.bz2", "access.log-20240901"]:
        (tmp_path / name).touch()
    with pytest.warns(UserWarning, match="lies access.log-20240901, access.log.2.bz2, which"):
        assert [one.name for one in rotated(tmp_path / "access.log")] == [
            "access.log.1",
            "access.log",
        ]
