"""The bundle for students: everything they need, no solution, and a world for each."""

import io
import json
import zipfile

import pytest
from exercise_miniature import STEM, lay_out, release, solution, write

from helpers.course import BadInput
from helpers.course.grading.handout import TOP, with_own_seed, write_handout, write_handouts
from helpers.course.grading.tasks import read_exercise, set_seed
from helpers.course.grading.variants import read_secret, read_students, seed_for, seed_of

SECRET = b"a secret of 22 letters"
EXERCISE = f"{TOP}/exercises/{STEM}/{STEM}.ipynb"


@pytest.fixture
def course(tmp_path):
    """A small checkout."""
    root = lay_out(tmp_path / "course")
    for name in ("README.md", "run.py", "requirements.txt", "notebooks/00.ipynb", "helpers/a.py"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("{}")
    for name in ("helpers/__pycache__/a.pyc", "notebooks/.ipynb_checkpoints/b.ipynb", "tests/t.py", ".git/x"):  # fmt: skip
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / name).write_text("left behind")
    (root / "helpers" / "link.py").symlink_to(root / "solutions")
    return root


def parts(path):
    """Return name -> content of a zip."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_holds_what_students_need_and_nothing_else(course, tmp_path):
    made = write_handout(course, tmp_path / "out.zip")
    assert sorted(parts(made.path)) == [
        f"{TOP}/README.md", EXERCISE, f"{TOP}/helpers/a.py", f"{TOP}/notebooks/00.ipynb",
        f"{TOP}/requirements.txt", f"{TOP}/run.py",
    ]  # fmt: skip
    assert made.files == 6


def test_the_real_one_holds_no_solution(root, tmp_path):
    if not any(root.glob("exercises/*/*.ipynb")):
        pytest.skip("no exercise is released yet")
    found = parts(write_handout(root, tmp_path / "out.zip").path)
    assert not [name for name in found if "solutions/" in name or "/tests/" in name]
    for name, content in found.items():
        if name.endswith(".ipynb"):
            assert b"BEGIN SOLUTION" not in content
            assert b"HIDDEN TESTS" not in content
    assert {f"{TOP}/run.py", f"{TOP}/requirements.txt", f"{TOP}/pyproject.toml"} <= set(found)


def test_the_same_files_give_the_same_bytes_whenever_and_however_they_were_laid(course, tmp_path):
    first = write_handout(course, tmp_path / "1.zip").path.read_bytes()
    for path in sorted(course.rglob("*.ipynb"), reverse=True):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        path.chmod(0o600)
    assert write_handout(course, tmp_path / "2.zip").path.read_bytes() == first


def test_an_exercise_that_holds_its_solution_stops_it(course, tmp_path):
    write(course / "exercises" / STEM / f"{STEM}.ipynb", solution())
    with pytest.raises(BadInput, match=r"BEGIN SOLUTION.* python3 run.py release 04a_small_change"):
        write_handout(course, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_each_student_gets_a_world_of_their_own_and_the_rest_alike(course, tmp_path):
    made = write_handouts(course, tmp_path / "out", ["ana", "ben"], SECRET)
    assert [one.path.name for one in made] == ["ana.zip", "ben.zip"]
    ana, ben = (parts(one.path) for one in made)
    assert {name for name in ana if ana[name] != ben[name]} == {EXERCISE}
    seed = seed_of("ana", STEM, SECRET, 0, 999_999)
    assert f"SEED = {seed}  # where chance starts" in ana[EXERCISE].decode()
    assert [one.own_worlds for one in made] == [1, 1]
    again = write_handouts(course, tmp_path / "again", ["ana"], SECRET)[0]
    assert again.path.read_bytes() == made[0].path.read_bytes()


def test_grading_computes_the_seed_that_was_handed_out(course, tmp_path):
    exercise = read_exercise(course, STEM)
    made = write_handouts(course, tmp_path / "out", ["ana"], SECRET)[0]
    handed = json.loads(parts(made.path)[EXERCISE])
    (line,) = [c["source"] for c in handed["cells"] if "parameters" in c["metadata"].get("tags", [])]  # fmt: skip
    assert "".join(line).startswith(f"SEED = {seed_for(exercise, 'ana', SECRET)} ")
    assert seed_for(exercise, "ana", None) is None


def test_a_seed_depends_on_student_exercise_and_secret_and_stays_in_its_range():
    seeds = {seed_of(f"s{n}", "a", SECRET) for n in range(300)}
    assert len(seeds) == 300
    assert seed_of("ana", "a", SECRET) != seed_of("ana", "b", SECRET)
    assert seed_of("ana", "a", SECRET) != seed_of("ana", "a", SECRET + b"!")
    assert {seed_of(f"s{n}", "a", SECRET, 5, 9) for n in range(300)} == {5, 6, 7, 8, 9}
    assert seed_of("Zo\u00eb", "a", SECRET) == seed_of("Zoe\u0308", "a", SECRET)


def test_a_seed_is_hmac_sha256_counted_by_another_tool():
    import shutil
    import subprocess

    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to count it a second time")
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", SECRET.decode()], input=f"ana\n{STEM}".encode(),
        capture_output=True, check=True,
    )  # fmt: skip
    digest = int(done.stdout.split()[-1], 16)
    assert seed_of("ana", STEM, SECRET, 0, 999_999) == digest % 1_000_000


def test_only_the_seed_changes_and_old_outputs_go():
    notebook = release()
    notebook.cells[2].outputs = [{"output_type": "stream", "name": "stdout", "text": "old"}]
    before = json.loads(json.dumps(notebook))
    after = json.loads(with_own_seed(json.dumps(notebook).encode(), 12))
    changed = [
        b["id"] for b, a in zip(before["cells"], after["cells"], strict=True) if a["source"] != b["source"]
    ]  # fmt: skip
    assert changed == ["parameters"]
    assert after["cells"][2]["outputs"] == []
    assert set_seed("OTHER_SEED = 3\nSEED: int = 7", 1) == "OTHER_SEED = 3\nSEED: int = 1"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name,student\nAna A.,ana\nBen B.,ben\n", ["ana", "ben"]),
        ("\ufeffstudent\nana\n\nben\n", ["ana", "ben"]),
        ("ana\nben\n", ["ana", "ben"]),
    ],
)
def test_a_class_list_is_read_as_platforms_write_it(tmp_path, text, names):
    (tmp_path / "class.csv").write_text(text, encoding="utf-8")
    assert read_students(tmp_path / "class.csv") == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names nobody"),
        ("student\n", "names nobody"),
        ("student\nana\nAna\n", "is there twice"),
        ("student\n../ana\n", "name of a file"),
        ("name,student\nAna\n", "name of a file"),
    ],
)
def test_a_class_list_that_cannot_be_used_is_refused(tmp_path, text, said):
    (tmp_path / "class.csv").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=said):
        read_students(tmp_path / "class.csv")


def test_a_secret_is_long_and_its_line_end_does_not_count(tmp_path):
    (tmp_path / "secret").write_bytes(SECRET + b"\r\n")
    assert read_secret(tmp_path / "secret") == SECRET
    (tmp_path / "secret").write_bytes(b"short\n")
    with pytest.raises(BadInput, match="at least 16 bytes .* has 5"):
        read_secret(tmp_path / "secret")


def test_the_command_writes_one_bundle_or_one_for_each(course, tmp_path, lifecycle_here):
    done = lifecycle_here("handout", "--root", course, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "6 files, no solutions" in done.stdout
    (tmp_path / "class.csv").write_text("ana\nben\n")
    (tmp_path / "secret").write_bytes(SECRET)
    words = ["handout", "--root", course, "--into", tmp_path / "all.zip", "--students", tmp_path / "class.csv"]  # fmt: skip
    assert lifecycle_here(*words, cwd=tmp_path).returncode == 2
    done = lifecycle_here(*words, "--secret-file", tmp_path / "secret", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 bundles, no solutions; 1 exercise(s) have a world for each student" in done.stdout
    assert zipfile.is_zipfile(io.BytesIO((tmp_path / "all" / "ana.zip").read_bytes()))
