"""Row accounting of `helpers.etl.extract`: held on arbitrary files, and against tables written by hand."""

import csv
import io
import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hostile_sources import GOOD_LINE, assert_sound

from helpers.etl.books import Books
from helpers.etl.extract import (
    CannotExtract,
    Extract,
    FileLimits,
    Provenance,
    merge_copies,
    read_csv,
    read_json_lines,
    read_logs,
    together,
)
from helpers.etl.extract.result import aside_table, object_table

QUICK = settings(max_examples=examples(40))
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
LIMITS = FileLimits(line=200, rows=200)


def read_bytes(reader, content, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        path.write_bytes(content)
        return reader(path, **options)


@QUICK
@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=8), st.sampled_from(",;\t|"))
def test_any_cells_come_back_as_they_were_written(rows, separator):
    text = io.StringIO()
    written = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL, lineterminator="\n")
    written.writerows([["a", "b", "c"], *rows])
    raw = read_bytes(read_csv, text.getvalue().encode(), separator=separator, totals=False)
    assert_sound(raw)
    repeated = [row for row in rows if row == ("a", "b", "c")]
    assert raw.table.to_numpy().tolist() == [list(row) for row in rows if row not in repeated]
    assert raw.books.set_aside == len(repeated)


OPEN_QUOTES = ['"open,1,2', '1,"a"b,2', '"', '1,"open,2']
BROKEN_CSV = ["1,2", "1,2,3,4", "1,\0,2", "1,\udcff,2", "x" * 300, "a,b,c", "Total,1,2", '1,2,3 "']
GOOD_CSV = st.integers(0, 999).map(lambda n: f"{n},x,y")


def bad(lines):
    return st.sampled_from(lines).map(lambda text: ("bad", text))


def read_lines(rows):
    lines = ["a,b,c", *(one if isinstance(one, str) else one[1] for one in rows)]
    content = "\n".join(lines).encode("utf-8", "surrogateescape")
    raw = read_bytes(read_csv, content, limits=LIMITS)
    assert_sound(raw)
    good = [one.split(",")[0] for one in rows if isinstance(one, str)]
    # '1,2,3 "' is a row of three fields as it stands; any other bad one never joins the table.
    return raw, good + ["1"] * rows.count(("bad", '1,2,3 "'))


@QUICK
@given(st.lists(st.one_of(GOOD_CSV, bad(BROKEN_CSV)), max_size=12))
def test_good_rows_of_a_csv_survive_any_company(rows):
    raw, good = read_lines(rows)
    assert sorted(raw.table["a"]) == sorted(good)
    assert raw.books.rows_in == len(rows)


@QUICK
@given(st.lists(GOOD_CSV, max_size=6), bad(OPEN_QUOTES), st.lists(GOOD_CSV, max_size=6))
def test_good_rows_of_a_csv_survive_an_open_quote(before, opened, behind):
    raw, good = read_lines([*before, opened, *behind])
    assert raw.table["a"].tolist() == good
    assert raw.set_aside["line"].tolist() == [len(before) + 2]


@QUICK
@given(st.lists(st.one_of(GOOD_CSV, bad(BROKEN_CSV), bad(OPEN_QUOTES)), max_size=12))
def test_among_many_open_quotes_a_good_row_is_read_or_stands_in_what_is_set_aside(rows):
    raw, good = read_lines(rows)
    aside = "\n".join(raw.set_aside["text"])
    for one in {*good}:
        lines = aside.count(f"{one},x,y") + aside.count('1,2,3 "') * (one == "1")
        assert raw.table["a"].tolist().count(one) + lines >= good.count(one)
    assert not {*raw.table["a"]} - {*good}, "no bad one joins the table"


PROSE = st.sampled_from(["Dear team", "", "so, it is", 'he said "so"', '5" wide, and', "the end"])
TEXT = st.lists(PROSE, max_size=9).map(lambda lines: "\n".join(["7", *lines]))


@QUICK
@given(st.lists(st.one_of(GOOD_CSV, TEXT.map(lambda text: ("7", text))), max_size=8))
def test_each_line_of_a_csv_is_in_a_row_or_in_what_is_set_aside_whatever_its_quotes(rows):
    text = "".join(f'7,"{one[1]}",x\n' if isinstance(one, tuple) else f"{one}\n" for one in rows)
    raw = read_bytes(read_csv, f"a,b,c\n{text}".encode())
    assert_sound(raw)
    kept = "".join(f"{','.join(row)}\n" for row in raw.table.to_numpy().tolist())
    kept += "\n".join(raw.set_aside["text"])
    for line in filter(None, text.replace('"', "").splitlines()):
        assert line in kept.replace('"', "")
    whole = ["\n" in one[1] and '"' not in one[1] for one in rows if isinstance(one, tuple)]
    if all(whole):
        assert raw.books.loaded == len(rows), "a text without a stray quote is one cell"


@QUICK
@given(st.lists(GOOD_CSV, max_size=5), TEXT, st.lists(GOOD_CSV, min_size=1, max_size=5))
def test_a_text_with_stray_quotes_makes_no_rows_of_its_lines(before, text, behind):
    content = "\n".join(["a,b,c", *before, f'7,"{text}",x', *behind])
    raw = read_bytes(read_csv, content.encode())
    good = [one.split(",")[0] for one in [*before, *behind]]
    assert [one for one in raw.table["a"] if one != "7"] == [one for one in good if one != "7"]
    assert raw.books.rows_in == len(before) + len(behind) + 1


@QUICK
@given(st.one_of(st.binary(max_size=80), st.text('",;\n\r\0 aé\u2028', max_size=60)))
def test_arbitrary_bytes_end_in_an_account_or_a_sentence(content):
    content = content.encode() if isinstance(content, str) else content
    for reader in (read_csv, read_json_lines, lambda path: read_logs([path])):
        try:
            assert_sound(read_bytes(reader, content))
        except CannotExtract as error:
            assert str(error).endswith(".")


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), CELL),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(CELL, inner, max_size=3)), max_leaves=6,
)  # fmt: skip
BROKEN_JSON = st.sampled_from(["{", "[1]", '{"a": NaN}', '{"a": 1, "a": 2}', '{"a": 1},', "x", "\0", "\udcff", "[" * 150, '"' + "x" * 300])  # fmt: skip


@QUICK
@given(st.lists(st.one_of(st.dictionaries(CELL, VALUES, max_size=3), BROKEN_JSON), max_size=8))
def test_any_objects_come_back_from_json_lines_and_broken_lines_are_counted(rows):
    lines = [json.dumps(one) if isinstance(one, dict) else one for one in rows]
    content = "\n".join(lines).encode("utf-8", "surrogateescape")
    raw = read_bytes(read_json_lines, content, limits=FileLimits(line=250))
    assert_sound(raw)
    fits = [isinstance(one, dict) and len(line) < 250 for one, line in zip(rows, lines, strict=True)]  # fmt: skip
    good = [one for one, fine in zip(rows, fits, strict=True) if fine]
    cells = {name: raw.table[name].tolist() for name in raw.table}
    found = [{name: cells[name][place] for name in one} for place, one in enumerate(good)]
    assert len(raw.table) == len(good)
    assert json.dumps(found) == json.dumps(good)
    assert raw.set_aside["line"].tolist() == [n for n, fine in enumerate(fits, 1) if not fine]


@QUICK
@given(st.lists(st.one_of(st.integers(1, 28), st.integers(0, len(GOOD_LINE) - 1).map(lambda n: GOOD_LINE[:n])), max_size=10))  # fmt: skip
def test_every_line_of_a_log_is_a_request_or_set_aside(lines):
    days = [f"{one:02d}/Sep" for one in lines if isinstance(one, int)]
    text = [GOOD_LINE.replace("01/Sep", f"{one:02d}/Sep") if isinstance(one, int) else one for one in lines]  # fmt: skip
    raw = read_bytes(lambda path: read_logs([path]), "\n".join(text).encode())
    assert_sound(raw)
    assert raw.table["at"].str[:6].tolist() == days
    assert raw.books.rows_in == sum(bool(one) for one in text)


@pytest.mark.parametrize("counts", [(3, 2), (3, 4), (3, 1, 1, 0), (0, 1)])
def test_books_that_do_not_close_cannot_be_made(counts):
    rows_in, loaded, *more = counts
    fates = dict(zip(("set_aside", "merged"), more, strict=False))
    with pytest.raises(ValueError, match="The rows of x do not add up"):
        Books("x", rows_in, loaded, **fates)


def test_books_add_up():
    first, second = Books("x", 3, 2, set_aside=1), Books("x", 4, 2, merged=2)
    assert first + second == Books("x", 7, 4, merged=2, set_aside=1)
    assert Books("x", 12_000, 12_000).line() == "12,000 in = 12,000 loaded + 0 set aside + 0 merged"


def test_nothing_put_together_is_told():
    with pytest.raises(CannotExtract, match="at least one extract"):
        together([])


def made(rows, source="x"):
    table = object_table(rows)
    origin = Provenance(source, *table.shape, source * 64, "2025-03-01", "by hand")
    return Extract(table, aside_table([]), origin, Books("x", len(rows), len(rows)))


def test_tables_of_two_schemas_are_united_without_a_cast():
    both = together([made([{"id": 1, "old": 2}], "a"), made([{"id": 2, "new": True}], "b")])
    assert both.table.to_dict("records") == [{"id": 1, "old": 2, "new": None}, {"id": 2, "old": None, "new": True}]  # fmt: skip
    assert type(both.table["old"][0]) is int
    assert (both.provenance.source, both.provenance.rows) == ("a, b", 2)
    assert both.provenance.sha256 not in ("a" * 64, "b" * 64)


def test_files_of_one_name_in_two_folders_are_both_in_the_fingerprint():
    first, second = made([{"id": 1}]), made([{"id": 2}])
    other = Provenance("x", 1, 1, "y" * 64, "2025-04-01", "by hand", "9", "e")
    both = together([first, second._replace(provenance=other)]).provenance
    assert (both.source, both.when, both.cursor, both.etag) == ("x", "2025-03-01, 2025-04-01", "9", "")  # fmt: skip
    assert both.sha256 not in ("x" * 64, "y" * 64)
    assert both.sha256 != together([first, made([{"id": 2}], "z")]).provenance.sha256


def test_the_cursor_of_parts_is_that_of_the_last_one_and_that_of_many_sources_is_none():
    parts = [
        made([{"id": n}])._replace(provenance=Provenance("x", 1, 1, str(n), cursor=str(n)))
        for n in (1, 2)
    ]
    assert together(parts).provenance.cursor == "2"
    assert together([*parts, made([{"id": 3}], "y")]).provenance.cursor == ""


def test_only_true_copies_are_merged():
    rows = [{"id": 1, "v": 1}, {"id": 1, "v": 1}, {"id": 1, "v": 1.0}, {"id": 1, "v": True}, {"id": 2, "v": 1}, {"id": 1, "v": 1}]  # fmt: skip
    merged = merge_copies(made(rows), "id")
    assert merged.table.to_dict("records") == [rows[0], rows[2], rows[3], rows[4]]
    assert [type(v) for v in merged.table["v"]] == [int, float, bool, int]
    assert (merged.books.loaded, merged.books.merged) == (4, 2)
    with pytest.raises(ValueError, match="lacks the column"):
        merge_copies(made(rows), "no")


def test_an_origin_is_a_provenance_and_names_the_moment_it_was_given():
    origin = read_bytes(read_csv, b"id\n1\n", when="2025-03-01T08:00:00").provenance
    assert isinstance(origin, Provenance)
    assert (origin.when, origin.rows, origin.columns) == ("2025-03-01T08:00:00", 1, 1)
    assert read_bytes(read_csv, b"id\n1\n").provenance.when == ""


def test_a_table_of_no_rows_keeps_its_columns_as_text():
    raw = read_bytes(read_csv, b"id,name\n")
    assert raw.table.columns.tolist() == ["id", "name"]
    assert raw.books.rows_in == raw.books.loaded == 0
    assert all(dtype == "str" for dtype in raw.table.dtypes)
    assert isinstance(raw.table, pd.DataFrame)
