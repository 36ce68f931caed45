"""What several tests need: silence, the real file, and a way to type a command."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from hypothesis import settings

from helpers.course.cli import main
from helpers.course.fetch import FILES, data_folder
from helpers.course.runner.shelf import all_notebooks, code_cells, read_notebook
from helpers.course.runner.silence import plain_kernels, silence, steady

ROOT = Path(__file__).resolve().parents[1]
collect_ignore = ["benchmarks"]  # they measure this machine; `run.py bench` runs them

silence()
steady()
plain_kernels()


def first_always(values: Iterable) -> list:
    """Return parameters of a test: the first of the values, and the others under `--all`."""
    first, *others = values
    return [first, *(pytest.param(value, marks=pytest.mark.slow) for value in others)]


def examples(most: int) -> int:
    """Return how many examples hypothesis tries: the most, or a quarter without `--all`."""
    return most if settings.get_current_profile_name() == "all" else max(2, most // 4)


TWENTY = first_always(range(1, 21))  # seeds on which the worlds are promised to be what they are


def seeds_asked() -> list[int]:
    """Return the seeds on which lessons are run: those of LIFECYCLE_SEEDS ("1-20", "3 57"), or three.

    The three change every week, so that no author has looked at them; the failing test names its own.
    """
    first = 101 + 3 * (date.today().toordinal() // 7 % 300)
    text = os.environ.setdefault("LIFECYCLE_SEEDS", f"{first}-{first + 2}")
    spans = [part.split("-") for part in text.replace(",", " ").split()]
    return [seed for span in spans for seed in range(int(span[0]), int(span[-1]) + 1)]


SEEDS = [pytest.param(seed, marks=pytest.mark.slow) for seed in seeds_asked()]


@pytest.fixture(scope="session")
def twenty() -> list[int]:
    """Twenty seeds or more, for what a lesson claims of many seeds together."""
    seeds = seeds_asked()
    if len(seeds) < 20:
        pytest.skip("twenty seeds are needed to judge it: python3 run.py bench claims")
    return seeds


@pytest.fixture
def recwarn(recwarn):
    """The warnings of a test: not of what another one left open, told whenever memory is tidied."""
    warnings.simplefilter("ignore", ResourceWarning)
    return recwarn


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def telco_csv() -> Path:
    """IBM's Telco file, where LIFECYCLE_DATA points or in data/."""
    path = data_folder(ROOT) / FILES["telco"].name
    if not path.is_file():
        pytest.skip(f"{path.name} is not here; fetch it with: python3 run.py data telco")
    return path.resolve()


@pytest.fixture(scope="session")
def sephora_folder() -> Path:
    """The folder with the two files of a cosmetics retailer's reviews."""
    from helpers.etl.businesses.cosmetics import FILES as REVIEWS

    folder = data_folder(ROOT)
    missing = [name for name in REVIEWS.values() if not (folder / name).is_file()]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not here; set LIFECYCLE_DATA to a folder that has them")
    return folder.resolve()


@pytest.fixture(scope="session")
def beauty_folder(tmp_path_factory) -> Path:
    """A folder with the two files of Amazon Beauty and nothing else."""
    from helpers.etl.businesses.cosmetics import BEAUTY

    folder = tmp_path_factory.mktemp("beauty")
    for name in BEAUTY.values():
        path = data_folder(ROOT).resolve() / name
        if not path.is_file():
            pytest.skip(f"{name} is not here; set LIFECYCLE_DATA to a folder that has it")
        shutil.copy(path, folder)
    return folder


def type_lifecycle(*words: object, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess:
    """Run `lifecycle WORDS` as a user would; return what it printed and its exit code."""
    environment = {**os.environ, "COLUMNS": "200", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "helpers.course.cli", *map(str, words)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=options.pop("timeout", 300),
        check=False,
        **options,
    )


def told_figures(output: Path, stems: list[str] | None = None) -> dict[str, dict]:
    """Return what the sentences of notebooks told in a run (of the whole course), by stem."""
    rows = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    asked = stems or [path.stem for path in all_notebooks(ROOT / "notebooks")]
    assert [row["notebook"] for row in rows] == asked
    assert [row["error"] for row in rows] == [""] * len(rows)
    return {row["notebook"]: row["figures"] for row in rows}


def stored_figures(stem: str) -> dict:
    """Return what the sentences of a stored lesson tell: its own words, reproduced by nbval."""
    figures = {}
    for cell in read_notebook(ROOT / "notebooks" / f"{stem}.ipynb").cells:
        for output in cell.get("outputs", []):
            figures |= output.get("metadata", {}).get("figures", {})
    return figures


def told_by(
    stem: str, folder: Path, edits: dict[str, str] | None = None, **parameters: object
) -> tuple[dict, dict]:
    """Run a lesson's cells in this process with other parameters, `--fast` ones included by the caller.

    `edits` (text -> text in its place) are what a learner types over a line, as "Your turn" proposes.

    Returns
    -------
    What its sentences told (name -> figure), and its variables at the end.
    """
    import matplotlib

    import helpers.prose

    matplotlib.use("agg")
    figures, variables = {}, {"__name__": "__main__"}
    cells = code_cells(read_notebook(ROOT / "notebooks" / f"{stem}.ipynb"))
    for old, new in (edits or {}).items():
        (found,) = [cell for cell in cells if old in cell.source]
        found.source = found.source.replace(old, new)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helpers.prose, "display", lambda one: figures.update(one.metadata.get("figures", {})))  # fmt: skip
        for cell in cells:
            code = compile(cell.source, f"{stem}[{cell.id}]", "exec", dont_inherit=True)
            exec(code, variables)
            if "parameters" in cell.metadata.get("tags", []):
                unknown = parameters.keys() - variables.keys()
                assert not unknown, f"{stem} has no {unknown}"
                variables |= {"RUNS_FOLDER": str(folder), **parameters}
    return figures, variables


def pytest_collection_modifyitems(items):
    """Put what looks at the run of a seed in a row, so that `played` has to keep few runs; note the seed."""
    files = {path: place for place, path in enumerate(dict.fromkeys(item.path for item in items))}

    def place(item):
        seed = getattr(getattr(item, "callspec", None), "params", {}).get("seed", 2)
        return files[item.path], seed if "played" in getattr(item, "fixturenames", ()) else 0

    items.sort(key=place)
    for item in items:  # said in a report, which `run.py bench claims` reads
        if "twenty" in getattr(item, "fixturenames", ()):
            item.user_properties.append(("seed", "together"))
        elif "seed" in getattr(getattr(item, "callspec", None), "params", {}):
            item.user_properties.append(("seed", item.callspec.params["seed"]))


@pytest.fixture(scope="module")
def played(request, tmp_path_factory):
    """Run the lesson that the test module calls STEM, once for each seed and change (see `told_by`).

    The last runs are kept, not all: each holds the tables of its world, 100 MB and more.
    """
    stem, folder = request.module.STEM, tmp_path_factory.mktemp("played")

    @lru_cache(maxsize=6)
    def run(seed, edits, more):
        gc.collect()  # what was dropped goes around in circles, and is looked for too seldom
        return told_by(stem, folder, dict(edits), SEED=seed, **dict(more))

    return lambda seed, edits=(), **more: run(seed, edits, tuple(sorted(more.items())))


def stored_text(stem: str, cell_id: str) -> str:
    """Return what a cell of a stored lesson shows, as plain text."""
    notebook = read_notebook(ROOT / "notebooks" / f"{stem}.ipynb")
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.outputs)


def stored_table(stem: str, cell_id: str) -> list[dict[str, str]]:
    """Return the table that a cell of a stored lesson shows: a row as heading -> text."""
    notebook = read_notebook(ROOT / "notebooks" / f"{stem}.ipynb")
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    page = "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)
    lines = [
        [field.get_text().strip() for field in line.find_all(["th", "td"])]
        for line in BeautifulSoup(page, "html.parser").find_all("tr")
    ]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.fixture(scope="session")
def lifecycle():
    """Type a `lifecycle` command: `lifecycle("run", "04a", "--fast")`."""
    return type_lifecycle


@pytest.fixture
def lifecycle_here(capsys, monkeypatch):
    """Type a `lifecycle` command in this very process, which spares it the imports."""

    def type_here(*words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["lifecycle", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(words, left.value.code or 0, printed.out, printed.err)

    return type_here


def stored_in(database: str | Path, name: str):
    """Return a table of a database, an SQLite file or the URL of a server, as pandas reads it."""
    import pandas as pd
    import sqlalchemy as sa

    url = f"sqlite:///{database}" if isinstance(database, Path) else database
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return pd.read_sql_table(name, connection)
