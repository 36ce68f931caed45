"""The project around the lessons: pins, environments, README, wheel."""

import ast
import contextlib
import importlib.metadata
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from conftest import ROOT, first_always
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import helpers
from helpers.course.runner.shelf import all_notebooks, code_cells, question_of, read_notebook

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, BUILD = PYPROJECT["project"], PYPROJECT["build-system"]
LOCKS = {
    "requirements.txt": ["setup", "test"],
    "requirements-authors.txt": ["setup", "test", "authors"],
}


def pins(lock: str) -> dict[str, list[Requirement]]:
    """Return the pins of a lock by name; a name may be pinned apart for different Pythons."""
    found: dict[str, list[Requirement]] = {}
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        requirement = Requirement(line.split(" --hash")[0])
        found.setdefault(requirement.name, []).append(requirement)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_every_package_with_hashes_and_names_no_index(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "index" not in re.sub(r"[\w.-]*index[\w.-]*==", "", text)
    for line in text.replace("\\\n", " ").splitlines():
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[^ ]+ ", line), line
        assert "--hash=sha256:" in line, line


@pytest.mark.parametrize(("lock", "extras"), LOCKS.items())
def test_a_lock_holds_what_the_project_asks_for(lock, extras):
    asked = PROJECT["dependencies"] + [
        text for extra in extras for text in PROJECT["optional-dependencies"][extra]
    ]
    pinned = pins(lock)
    for requirement in map(Requirement, asked):
        assert requirement.name in pinned, f"run: python3 run.py lock ({requirement.name})"
        for pin in pinned[requirement.name]:
            (exact,) = pin.specifier
            assert requirement.specifier.contains(exact.version), f"{pin} against {requirement}"
            assert requirement.extras <= pin.extras, f"{pin} against {requirement}"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_the_extras_that_packages_ask_of_each_other(lock):
    """Before 23.1, pip takes `name==1` for no pin of `name[extra]`, and refuses the whole list."""
    pinned, asked = pins(lock), []
    for name in pinned:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # for another system
            asked += map(Requirement, importlib.metadata.requires(name) or [])
    asked = [r for r in asked if r.extras and (not r.marker or r.marker.evaluate({"extra": ""}))]
    assert "jsonschema" in {requirement.name for requirement in asked}
    for requirement in asked:
        for pin in pinned[requirement.name]:
            assert requirement.extras <= pin.extras, f"{pin}, but {requirement} is asked for"


def test_the_build_backend_is_one_that_indexes_have_and_that_the_pinned_uv_brings():
    (backend,) = map(Requirement, BUILD["requires"])
    assert backend.name == BUILD["build-backend"] == "uv_build"
    ((pin,),) = (one.specifier for one in pins("requirements.txt")["uv"])
    assert backend.specifier.contains(pin.version), "else run.py cannot build without network"
    assert backend.specifier.contains("0.9.0"), "an index may lag behind by many versions"


def test_the_authors_lock_only_adds_to_the_learners_lock():
    learners, authors = pins("requirements.txt"), pins("requirements-authors.txt")
    for name, requirements in learners.items():
        versions = [
            {str(pin.specifier) for pin in group} for group in (requirements, authors[name])
        ]
        assert versions[0] == versions[1], name


def test_every_library_that_the_code_imports_is_asked_for():
    provided = {
        "bs4": "beautifulsoup4",
        "jupyter_client": "jupyter-client",
        "prometheus_client": "prometheus-client",
        "mlflow": "mlflow-skinny",
        "sklearn": "scikit-learn",
        "imblearn": "imbalanced-learn",
        "IPython": "ipykernel",
    }
    provided |= {"rich_click": "rich-click", "traitlets": "ipykernel", "click": "rich-click"}
    asked = {Requirement(text).name for text in PROJECT["dependencies"]}
    sources = {p: p.read_text(encoding="utf-8") for p in (ROOT / "helpers").rglob("*.py")}
    for path in all_notebooks(ROOT / "notebooks"):
        sources[path] = "\n".join(cell.source for cell in code_cells(read_notebook(path)))
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in {module.split(".")[0] for module in modules} - sys.stdlib_module_names:
                assert name == "helpers" or provided.get(name, name) in asked, f"{path}: {name}"


def test_the_conda_environment_is_the_same_list():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, nested = environment["dependencies"]
    assert environment["name"] == PROJECT["name"]
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(PROJECT["requires-python"])
    assert pip == "pip"
    assert nested == {"pip": ["-r requirements.txt"]}


@pytest.fixture(scope="module")
def uv():
    """The project's own uv, offline; skip where it has nothing to install from."""
    program = shutil.which("uv", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("uv is not beside this Python: the set-up fell back to pip")

    def call(*words, cwd=ROOT):
        environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
        return subprocess.run(
            [program, *map(str, words)],
            cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    return call


def empty_environment(uv, folder):
    """Make an empty virtual environment; return its Python."""
    made = uv("venv", "--python", sys.executable, folder)
    assert made.returncode == 0, made.stderr
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install(uv, python, *what):
    """Install from the cache, else from the index; skip when neither can serve."""
    for offline in (["--offline"], []):
        done = uv("pip", "install", "--python", python, *offline, *what)
        if done.returncode == 0:
            return
    if re.search(r"dns|connect|network|offline", done.stderr, re.I):
        pytest.skip(f"nothing to install from: {done.stderr.strip().splitlines()[-1]}")
    pytest.fail(done.stderr)


def test_the_pip_part_of_the_conda_environment_installs(uv, tmp_path):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    listed = tmp_path / "pip_part.txt"
    listed.write_text(
        "\n".join(environment["dependencies"][-1]["pip"]).replace("-r ", f"-r {ROOT}/")
    )
    python = empty_environment(uv, tmp_path / "env")
    install(uv, python, "--require-hashes", "-r", listed)
    checked = uv("pip", "check", "--python", python)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
def test_a_wheel_installs_into_an_empty_environment_and_its_doctor_passes(uv, tmp_path):
    built = uv("build", "--offline", "--wheel", "--out-dir", tmp_path, ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    python = empty_environment(uv, tmp_path / "env")
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(
        "\n".join(str(pin) for group in pins("requirements.txt").values() for pin in group)
    )
    install(uv, python, wheel, "-c", constraints)
    program = python.parent / ("lifecycle.exe" if os.name == "nt" else "lifecycle")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [program, "doctor"], cwd=tmp_path, env=environment | {"PYTHONUTF8": "1"},
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All is well" in done.stdout
    style = "from importlib.resources import files; print(files('helpers').joinpath('figures.mplstyle').is_file(), files('helpers.course').joinpath('templates', 'index.html').is_file())"
    shipped = subprocess.run(
        [python, "-c", style], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert shipped.stdout.split() == ["True", "True"]


@pytest.mark.parametrize(
    "place",
    first_always([("..", "here/notebooks"), ("notebooks", "a.ipynb"), ("notebooks", "-n1")]),
)
def test_lessons_are_tested_from_any_folder_of_the_checkout(tmp_path, place):
    folder, typed = place
    here = tmp_path / "here"
    for name in ["pyproject.toml", "tests/pytest_course.py", "tests/nbval_sanitize.cfg"]:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, here / name)
    stored, made = (f"data:image/png;base64,{data}" for data in ("OLD+", "NEW+"))
    output = nbformat.v4.new_output("stream", text=f"{stored}\n")
    cell = nbformat.v4.new_code_cell(f"print({made!r})", execution_count=1, outputs=[output])
    (here / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), here / "notebooks" / "a.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", typed],
        cwd=here / folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_how_to_learn_then_the_whole_run_then_the_tests():
    sections = re.findall(r"^## (.*?)$(.*?)(?=^## )", readme(), re.M | re.S)
    blocks = {title: re.findall(r"```\w*\n(.*?)\n```", text, re.S) for title, text in sections}
    assert list(blocks)[:2] == ["Learn", "Quick start"]
    assert blocks["Learn"] == ["python3 run.py lab"]
    assert blocks["Quick start"] == ["python3 run.py course", "python3 run.py test"]


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in script
    assert "$test_command" in script


def test_the_readme_says_what_each_room_of_the_helpers_is_for():
    (section,) = re.findall(r"^## What the helpers are for$(.*?)^## ", readme(), re.M | re.S)
    rooms = {path.parent.name for path in (ROOT / "helpers").glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}`" not in section} == set()


def test_the_table_of_lessons_agrees_with_the_lessons():
    rows = re.findall(r"^\| \[(\w+)\]\((\S+)\) \| (.*?) \| (\d+) \| (.*?) \|$", readme(), re.M)
    notebooks = all_notebooks(ROOT / "notebooks")
    assert [row[0] for row in rows] == [path.stem for path in notebooks]
    for (stem, link, question, minutes, modules), path in zip(rows, notebooks, strict=True):
        notebook = read_notebook(path)
        assert link == f"notebooks/{stem}.ipynb"
        assert question == question_of(notebook)
        assert f"· {minutes} minutes ·" in notebook.cells[0].source
        for module in re.findall(r"`([\w.]+)`", modules):
            place = ROOT / "helpers" / Path(*module.split("."))
            assert place.with_suffix(".py").is_file() or (place / "__init__.py").is_file(), module


def test_the_example_of_the_readme_runs_and_shows_its_incident(capsys):
    (example,) = re.findall(r"^```python\n(.*?)^```$", readme(), re.M | re.S)
    exec(compile(example, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    latency = [float(line.split()[1]) for line in lines[:4]]
    assert max(latency[:2]) < 100 < 1_000 < min(latency[2:]), "slow from month 3 on"
    assert "slow_model" in lines[5]


def test_the_readme_quotes_the_first_lesson_as_it_is_stored():
    code, *_ = re.findall(r"^```py\n(.*?)^```$", readme(), re.M | re.S)
    (quote,) = re.findall(r"^> (.*)$", readme(), re.M)
    first = read_notebook(all_notebooks(ROOT / "notebooks")[0])
    assert any(code.strip() in cell.source for cell in first.cells if cell.cell_type == "code")
    shown = [
        o.get("data", {}).get("text/markdown", "")
        for c in first.cells
        for o in c.get("outputs", [])
    ]
    assert quote in [text.strip() for text in shown]


def test_the_table_of_exercises_agrees_with_the_exercises():
    text = (ROOT / "exercises" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\w+)\]\((\S+)\) \| .*? \| (\d+) \|$", text, re.M)
    assert [row[0] for row in rows] == [path.stem for path in all_notebooks(ROOT / "notebooks")]
    for stem, link, minutes in rows:
        assert link == f"{stem}/{stem}.ipynb"
        title = read_notebook(ROOT / "exercises" / link).cells[0].source
        assert f"· {minutes} minutes ·" in title, stem


def test_the_hours_that_the_readme_promises_are_the_sum_of_the_lessons():
    (hours,) = re.findall(r"About (\w+) hours of lessons", readme())
    minutes = sum(map(int, re.findall(r"^\| \[\w+\]\(notebooks/.*? \| (\d+) \|", readme(), re.M)))
    words = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    words += " fifteen sixteen seventeen eighteen nineteen twenty"
    count = round(minutes / 60)
    assert hours == (words.split()[count] if count <= 20 else str(count))


def test_every_link_of_the_documents_leads_to_a_file():
    documents = [path for place in (".", "*") for path in ROOT.glob(f"{place}/*.md")]
    assert {"README.md", "words.md", "teaching.md"} <= {path.name for path in documents}
    for path in documents:
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert "://" in target or (path.parent / target).exists(), f"{path} -> {target}"


def test_every_word_of_the_glossary_is_used_in_a_lesson():
    lessons = " ".join(
        cell.source.lower()
        for path in all_notebooks(ROOT / "notebooks")
        for cell in read_notebook(path).cells
        if cell.cell_type == "markdown"
    )
    listed = (ROOT / "notebooks" / "words.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| \*\*([\w -]+?)(?:, .*)?\*\*", listed, re.M)
    assert len(words) > 10
    for word in words:
        assert word.lower() in lessons, word


def test_the_versions_agree():
    assert Version(PROJECT["version"]) == Version(helpers.__version__)


def test_only_the_agreed_folders_are_at_the_top():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    folders = {name.split("/")[0] for name in listed.stdout.split() if "/" in name}
    visible = {folder for folder in folders if not folder.startswith(".")}
    assert visible <= {"notebooks", "helpers", "exercises", "solutions", "tests"}


def test_the_month_against_a_service_of_the_readme_runs_and_shows_both_repairs(
    tmp_path, monkeypatch
):
    section = readme().split("## A month against a service")[1].split("\n## ")[0]
    service, script = re.findall(r"^```py\n(.*?)^```$", section, re.M | re.S)
    (tmp_path / "service.py").write_text(service, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        script = script.replace("8123", str(free.getsockname()[1]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names = {}
    exec(compile(script.replace("customers=1_000", "customers=300"), "README.md", "exec"), names)
    month = names["month"]
    assert month.loc[:8, "latency_ms"].min() >= 250
    assert month.loc[9:, "latency_ms"].median() < 250
    assert (month.loc[11:14, "clicks"] == 0).all()
    assert month.loc[:10, "clicks"].sum() > 0 < month.loc[15:, "clicks"].sum()
    assert (tmp_path / "month.png").is_file()
