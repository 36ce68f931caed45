"""`helpers.files`: a reader sees the old file or the new one, whatever happens in between."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from conftest import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.files import fresh_folder, sha256_of, write_whole


@settings(max_examples=examples(25))
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_what_is_written_is_read_back(content):
    with tempfile.TemporaryDirectory() as folder:
        path = write_whole(Path(folder) / "note", content)
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
        assert os.listdir(folder) == ["note"]


def test_line_ends_and_accents_stay_as_they_were_given(tmp_path):
    stored = write_whole(tmp_path / "note.txt", "Zoë\r\nBo\n").read_bytes()
    assert stored == b"Zo\xc3\xab\r\nBo\n"


def test_missing_folders_are_made_and_the_path_comes_back(tmp_path):
    asked = str(tmp_path / "a" / "b" / "note.txt")
    assert write_whole(asked, "kept") == Path(asked)
    assert Path(asked).read_text() == "kept"


def test_a_second_write_replaces_the_first(tmp_path):
    write_whole(tmp_path / "note.txt", "a longer first text")
    write_whole(tmp_path / "note.txt", "short")
    assert (tmp_path / "note.txt").read_text() == "short"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no such rights")
def test_others_may_read_the_file(tmp_path):
    # mkstemp alone would leave 0o600, so a web server could not show the page.
    assert write_whole(tmp_path / "page.html", "x").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_at_any_step_leaves_the_old_content_and_no_litter(
    tmp_path, monkeypatch, step, error
):
    write_whole(tmp_path / "note.txt", "old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        write_whole(tmp_path / "note.txt", "new")
    monkeypatch.undo()
    assert (tmp_path / "note.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["note.txt"]


def test_a_failed_first_write_leaves_nothing_at_all(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("gone")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="gone"):
        write_whole(tmp_path / "note.txt", "new")
    assert os.listdir(tmp_path) == []


def test_a_folder_in_the_way_is_kept(tmp_path):
    (tmp_path / "note.txt").mkdir()
    with pytest.raises(OSError, match=r"note\.txt"):
        write_whole(tmp_path / "note.txt", "new")
    assert (tmp_path / "note.txt").is_dir()
    assert os.listdir(tmp_path) == ["note.txt"]


WRITE_FOR_EVER = """
import itertools, sys
from helpers.files import write_whole
for letter in itertools.cycle("ab"):
    write_whole(sys.argv[1], letter * 3_000_000)
    print(letter, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("delay", [0.0, 0.003, 0.007])
def test_a_writer_killed_in_the_middle_leaves_a_whole_file(tmp_path, delay):
    path = tmp_path / "big.txt"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, str(path)], stdout=subprocess.PIPE
    )
    try:
        writer.stdout.readline()  # one file is there, the next is being written
        time.sleep(delay)
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.communicate(timeout=60)
    content = path.read_bytes()
    assert content in (b"a" * 3_000_000, b"b" * 3_000_000)


def test_sha256_is_that_of_hashlib_for_text_bytes_and_files(tmp_path):
    expected = hashlib.sha256("Zoë".encode()).hexdigest()
    (tmp_path / "name.txt").write_bytes("Zoë".encode())
    assert sha256_of("Zoë") == sha256_of("Zoë".encode()) == expected
    assert sha256_of(tmp_path / "name.txt") == expected


def test_text_that_looks_like_a_path_is_hashed_as_text(tmp_path):
    (tmp_path / "name.txt").write_text("inside")
    assert sha256_of(str(tmp_path / "name.txt")) != sha256_of(tmp_path / "name.txt")


def test_a_run_s_folder_is_emptied_for_the_next_run_and_somebody_s_own_is_not(tmp_path):
    folder = fresh_folder(tmp_path / "run")
    (folder / "deep").mkdir()
    (folder / "deep" / "old.csv").write_text("1")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "thesis.txt").write_text("mine")
    (folder / "link").symlink_to(tmp_path / "kept")
    assert [path.name for path in fresh_folder(folder).iterdir()] == [".made_by_a_run"]
    with pytest.raises(ValueError, match=r"kept holds 1 name.*thesis\.txt"):
        fresh_folder(tmp_path / "kept")
    assert (tmp_path / "kept" / "thesis.txt").read_text() == "mine"
