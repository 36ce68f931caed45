"""The arrows between the rooms of `helpers`, read from the sources without running them."""

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path

import pytest

import helpers

PACKAGE = Path(helpers.__file__).parent
ROOT = PACKAGE.parent
STAGES = ("problem", "etl", "training", "deployment", "monitoring")
FOUNDATIONS = ("checks", "doors", "files", "lifecycle")
NOT_FOR_STAGES = (
    "helpers.worlds", "helpers.plots", "helpers.prose", "helpers.course", "matplotlib", "IPython",
)  # fmt: skip
# From -> to, beside the foundations and the stage's own room.
ARROWS = {
    "helpers.monitoring": ("helpers.training.evaluate", "helpers.problem"),
    "helpers.training.evaluate": ("helpers.problem",),
    "helpers.training.churn": ("helpers.etl.parsing",),
    "helpers.deployment": (
        "helpers.training.evaluate", "helpers.training.compare", "helpers.training.track",
    ),
    "helpers.worlds": ("helpers.problem", "helpers.etl.extract.kinds"),
}  # fmt: skip
MODELS = ("helpers.training.churn", "helpers.training.recommend")
PARTICULAR = "helpers.etl.businesses"
GLOBAL_STATE = {"seed", "use", "set_option", "filterwarnings", "simplefilter", "setrecursionlimit"}
OPEN = {"_replace", "_asdict", "_fields", "_exit"}  # of named tuples and of os: public by agreement


@functools.cache
def parsed(source: str) -> ast.Module:
    """Return a source as a tree, which several rules walk through."""
    return ast.parse(source)


def broken_rules(root: Path) -> list[str]:
    """Return a sentence for each rule that a source below `root`, a folder `helpers`, breaks."""
    broken = []
    for path in sorted(root.rglob("*.py")):
        module = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        tree = parsed(path.read_text(encoding="utf-8"))
        if path.stem in {"utils", "util", "misc", "common"}:
            broken.append(f"{module}: a drawer for anything; name the file after what it does")
        is_package = path.name == "__init__.py"
        module = module.removesuffix(".__init__")
        for found in sorted(imports(tree, module, is_package, root)):
            if why := forbidden(module, found):
                broken.append(f"{module} imports {found}: {why}")
        broken += [f"{module}, line {line}: {what} at import" for line, what in effects(tree)]
        broken += [
            f"{module}, line {line}: {name} is private to another"
            for line, name in private_reads(tree)
        ]
    broken += [f"{' <-> '.join(circle)}: imports run in a circle" for circle in circles(root)]
    return broken


def imports(tree: ast.Module, module: str, is_package: bool, root: Path) -> set[str]:
    """Return the full names of what a source imports, wherever in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                parents = module.split(".")
                parents = parents[: len(parents) - node.level + is_package]
                start = ".".join([*parents, *start.split(".")]).rstrip(".")
            for alias in node.names:
                inner = f"{start}.{alias.name}"
                place = root.parent.joinpath(*inner.split("."))
                is_module = place.is_dir() or place.with_suffix(".py").is_file()
                names.add(inner if is_module else start)
        elif isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")  # fmt: skip
            first = node.args[0]
            if called in {"import_module", "__import__"} and isinstance(first, ast.Constant):
                names.add(str(first.value))
    return names


def within(name: str, room: str) -> bool:
    """Return whether a module is `room` or lies in it."""
    return name == room or name.startswith(f"{room}.")


def forbidden(module: str, found: str) -> str:
    """Return why `module` may not import `found`; nothing when it may."""
    if within(found, "helpers.course") and not within(module, "helpers.course"):
        return "the course's tools import the helpers, never the reverse"
    judges = ("helpers.training.evaluate", "helpers.training.ranking", "helpers.training.offpolicy")
    models = any(within(module, one) for one in MODELS)
    if models and any(within(found, one) for one in judges):
        return "a model does not know how it is judged"
    if (
        within(module, "helpers.etl")
        and within(found, PARTICULAR)
        and not within(module, PARTICULAR)
    ):
        return "the generic part names no business"
    room = room_of(module)
    if room in FOUNDATIONS:
        if within(found, "helpers") and room_of(found) not in FOUNDATIONS:
            return "a foundation stands on foundations only"
        return ""
    if room == "plots":
        drawn_from = {*FOUNDATIONS, "plots", "prose"}
        if within(found, "helpers") and room_of(found) not in drawn_from:
            return "a picture draws what a table says, wherever the table is from"
        return ""
    if room not in (*STAGES, "worlds"):
        return ""
    if room in STAGES and any(within(found, other) for other in NOT_FOR_STAGES):
        return "a stage neither draws nor makes its own world"
    if not within(found, "helpers") or room_of(found) in {*FOUNDATIONS, room}:
        return ""
    allowed = [to for start, ends in ARROWS.items() if within(module, start) for to in ends]
    if any(within(found, to) for to in allowed):
        return ""
    return "no arrow leads there"


def room_of(module: str) -> str:
    """Return the second part of a dotted name: helpers.etl.extract lies in etl."""
    return [*module.split("."), ""][1]


def private_reads(tree: ast.Module) -> list[tuple[int, str]]:
    """Return where a source reads a private name of another module or object: line and name."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if owner not in ("self", "cls"):
                found.append((node.lineno, ast.unparse(node)))
        elif isinstance(node, ast.ImportFrom) and (node.level or "helpers" in (node.module or "")):
            found += [(node.lineno, one.name) for one in node.names if is_private(one.name)]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr"):
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else ""
            if is_private(str(name)) and ast.unparse(node.args[0]) not in ("self", "cls"):
                found.append((node.lineno, str(name)))
    return found


def is_private(name: str) -> bool:
    """Return whether a name is its owner's only."""
    return name.startswith("_") and not name.startswith("__") and name not in OPEN


def circles(root: Path) -> list[list[str]]:
    """Return the modules that import each other, late imports included: one list a circle."""
    graph = {}
    for path in root.rglob("*.py"):
        dotted = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        module = dotted.removesuffix(".__init__")
        tree = parsed(path.read_text(encoding="utf-8"))
        graph[module] = imports(tree, module, path.name == "__init__.py", root) - {module}
    reached = {}
    for start in graph:
        seen, todo = set(), list(graph[start])
        while todo:
            one = todo.pop()
            if one in graph and one not in seen:
                seen.add(one)
                todo += graph[one]
        reached[start] = seen
    mutual = {
        one: frozenset(two for two in seen if one in reached[two]) for one, seen in reached.items()
    }
    return sorted(sorted(circle) for circle in set(mutual.values()) if circle)


def doors(root: Path) -> dict[tuple[str, str], str]:
    """Return (module, name) -> the package whose `__init__` hands the name out."""
    found = {}
    for path in root.rglob("__init__.py"):
        package = ".".join(path.parent.relative_to(root.parent).parts)
        tree = parsed(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and within(node.module or "", package):
                found |= {(node.module, one.name): package for one in node.names}
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PLACES":
                places = ast.literal_eval(node.value)
                found |= {
                    (f"{package}.{m}", name): package
                    for m, names in places.items()
                    for name in names
                }
    return found


def second_doors(sources: dict[str, str], root: Path) -> list[str]:
    """Return a sentence for each name that is not taken at its one door.

    Parameters
    ----------
    sources : the name of a source -> its text; those of helpers by their dotted names.
    """
    packages, wrong = doors(root), []
    for source, text in sources.items():
        for node in ast.walk(parsed(text)):
            if not isinstance(node, ast.ImportFrom) or not within(node.module or "", "helpers"):
                continue
            for one in node.names:
                door = packages.get((node.module, one.name))
                if door and not within(source, ".".join(door.split(".")[:2])):
                    wrong.append(
                        f"{source} takes {one.name} from {node.module}; its door is {door}"
                    )
                elif not door and handed_on(root, node.module, one.name):
                    wrong.append(
                        f"{source} takes {one.name} from {node.module}, which only hands it on"
                    )
    return wrong


def handed_on(root: Path, module: str, name: str) -> bool:
    """Return whether a module has a name of helpers only because it imports it."""
    place = root.parent.joinpath(*module.split("."))
    path = place.with_suffix(".py")
    return path.is_file() and name in taken_from_helpers(path)


@functools.cache
def taken_from_helpers(path: Path) -> set[str]:
    """Return the names that a module takes from other helpers when it is imported."""
    taken = [
        node
        for node in parsed(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom) and within(node.module or "", "helpers")
    ]
    return {one.asname or one.name for node in taken for one in node.names}


def effects(tree: ast.Module) -> list[tuple[int, str]]:
    """Return what a source does to the world when it is imported: line and what."""
    found = []
    for node in at_import(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found.append((node.lineno, f"{ast.unparse(node.value.func)}(...) runs"))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in GLOBAL_STATE:
            found.append((node.lineno, f"{ast.unparse(node.func)}(...) changes global state"))
        elif isinstance(node, (ast.Assign, ast.AugAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [
                (node.lineno, f"{ast.unparse(target)} is set")
                for target in targets
                if isinstance(target, (ast.Attribute, ast.Subscript))
            ]
    return found


def at_import(node: ast.AST):
    """Walk what runs when the source is imported: not functions, not `if __name__ == ...`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "__name__" in ast.unparse(child.test):
            continue
        yield child
        yield from at_import(child)


def test_the_helpers_keep_every_rule():
    assert broken_rules(PACKAGE) == []


def test_every_name_of_the_helpers_is_taken_at_its_one_door():
    sources = {}
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        sources[dotted.removesuffix(".__init__")] = path.read_text(encoding="utf-8")
    for folder in ("notebooks", "solutions"):
        for path in (ROOT / folder).rglob("*.ipynb"):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            for number, cell in enumerate(one for one in cells if one["cell_type"] == "code"):
                text = "".join(cell["source"])
                if "helpers" in text and not text.startswith("%"):
                    sources[f"{path.stem}, cell {number}"] = text
    assert len(sources) > 300
    assert second_doors(sources, PACKAGE) == []


def test_the_sources_that_the_rules_speak_of_are_there():
    # A renamed room would otherwise pass by being nowhere.
    for name in [*STAGES, *FOUNDATIONS, "worlds", "plots", "prose", "course"]:
        assert (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file(), name
    ends = {end for ends in ARROWS.values() for end in ends}
    for module in [*ARROWS, *MODELS, PARTICULAR, *ends]:
        place = PACKAGE.parent.joinpath(*module.split("."))
        assert place.is_dir() or place.with_suffix(".py").is_file(), module


def package_of(folder: Path, sources: dict[str, str]) -> Path:
    """Write a small package `helpers` with every room and the given sources; return it."""
    rooms = ["problem", "plots/look", "prose", *FOUNDATIONS]
    rooms += ["etl/extract/__init__", "training/churn", "training/evaluate", "deployment/batch"]
    rooms += ["monitoring/drift", "worlds/telecom", "course/cli"]
    rooms += ["etl/businesses/shop", "etl/extract/kinds", "etl/parsing", "etl/chain"]
    for name, source in {**dict.fromkeys(rooms, ""), **sources}.items():
        path = folder / "helpers" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder / "helpers"


ALLOWED = {
    "etl/extract/__init__": "import pandas\nfrom helpers.checks import require_rows\nfrom .. import other\n",
    "etl/other": "from helpers.files import write_whole\n",
    "training/evaluate": "from helpers.problem import Offer\n",
    "monitoring/drift": "from helpers.training.evaluate import scores\nfrom helpers import problem\n",
    "monitoring/alerts": "import helpers.lifecycle\nfrom .drift import level_shift\n",
    "plots/look": "import matplotlib.pyplot as plt\nfrom helpers.prose import show_output\n",
    "plots/loop": "from helpers.lifecycle import Stage\nfrom helpers.plots.look import BLUE\n",
    "worlds/telecom": "from helpers.files import write_whole\n",
    "worlds/sources": "from helpers.etl.extract.kinds import KINDS\n",
    "etl/businesses/shop": "from helpers.etl import other\n",
    "course/cli": "from helpers.course import runner\nfrom helpers.etl import extract\n",
    "checks": "LIMIT = max(1, 2)\ndef quiet():\n    np.random.seed(7)\n",
}


def test_a_package_with_allowed_arrows_only_breaks_nothing(tmp_path):
    assert broken_rules(package_of(tmp_path, ALLOWED)) == []


@pytest.mark.parametrize(
    ("place", "source"),
    [
        ("etl/extract/__init__", "from helpers.worlds.telecom import telco_table"),
        ("etl/extract/__init__", "from helpers import worlds"),
        ("etl/extract/__init__", "from ...worlds import telecom"),
        ("etl/extract/__init__", "def late():\n    import helpers.worlds.telecom"),
        ("etl/extract/__init__", "import importlib\nlate = lambda: importlib.import_module('helpers.plots')"),
        ("problem", "from helpers.plots import show"),
        ("problem", "from . import prose"),
        ("training/churn", "import matplotlib.pyplot as plt"),
        ("monitoring/drift", "from matplotlib import pyplot"),
        ("deployment/batch", "from IPython.display import display"),
        ("training/churn", "from helpers.training.evaluate import scores"),
        ("training/churn", "from helpers.training import evaluate"),
        ("training/churn", "from .evaluate import scores"),
        ("training/recommend/popular", "from helpers.training.evaluate import scores"),
        ("training/recommend/popular", "from helpers.training.ranking import coverage"),
        ("deployment/batch", "from helpers.etl.extract import read_telco"),
        ("deployment/batch", "import helpers.etl"),
        ("deployment/batch", "from helpers.problem import Offer"),
        ("monitoring/drift", "from helpers.training.churn import logistic"),
        ("monitoring/drift", "from helpers.training import churn"),
        ("monitoring/drift", "from helpers.deployment.batch import score_batch"),
        ("training/churn", "from helpers.problem import Offer"),
        ("training/evaluate", "from helpers.etl.extract import read_telco"),
        ("etl/extract/__init__", "from helpers.training.churn import logistic"),
        ("problem", "from helpers.etl import extract"),
        ("problem", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import helpers.etl"),
        ("checks", "from helpers.problem import Offer"),
        ("plots/look", "from helpers.course.cli import main"),
        ("plots/look", "from helpers.training.evaluate import scores"),
        ("plots/look", "from helpers.worlds import telecom"),
        ("worlds/telecom", "from helpers.course import cli"),
        ("etl/__init__", "from ..course import cli"),
        ("etl/utils", ""),
        ("etl/other", "from helpers.etl.businesses.shop import SHOP"),
        ("etl/other", "def late():\n    from helpers.etl.businesses import shop"),
        ("worlds/telecom", "from helpers.etl.chain import clean_all"),
        ("training/churn", "from helpers.etl.chain import clean_all"),
        ("deployment/batch", "from helpers.etl.parsing import parse_numbers"),
        ("etl/other", "from helpers.files import _write"),
        ("etl/other", "def read(table):\n    return table._rows"),
        ("etl/other", "def read(table):\n    return getattr(table, '_rows')"),
        ("etl/other", "def late():\n    from helpers.etl import extract"),
        ("training/churn", "import numpy as np\nnp.random.seed(7)"),
        ("training/churn", "import numpy as np\nSTATE = np.random.seed(7)"),
        ("plots/look", "import matplotlib as plt\nif True:\n    plt.use('Agg')"),
        ("plots/look", "import matplotlib.pyplot as plt\nplt.rcParams['font.size'] = 9"),
        ("etl/extract/__init__", "import pandas as pd\npd.set_option('display.width', 80)"),
        ("etl/extract/__init__", "import pandas as pd\npd.options.display.width = 80"),
        ("etl/extract/__init__", "class Reader:\n    print('loaded')"),
    ],
)  # fmt: skip
def test_each_rule_bites_on_a_small_source_that_breaks_it(tmp_path, place, source):
    found = broken_rules(package_of(tmp_path, {**ALLOWED, place: source}))
    assert found, source
    assert all(place.removesuffix("/__init__").replace("/", ".") in line for line in found)


def test_a_name_taken_beside_its_door_is_told(tmp_path):
    inner = {"worlds/shop/__init__": "from helpers.worlds.shop.world import serve\n__all__ = ['serve']\n",
             "worlds/shop/world": "from helpers.worlds.play import MONTHS\ndef serve(): ...\n",
             "worlds/play": "MONTHS = 12\n"}  # fmt: skip
    root = package_of(tmp_path, inner)
    right = "from helpers.worlds.shop import serve\nfrom helpers.worlds.play import MONTHS"
    assert second_doors({"a lesson": right, "helpers.worlds.other": "from helpers.worlds.shop.world import serve"}, root) == []  # fmt: skip
    beside = second_doors({"a lesson": "from helpers.worlds.shop.world import serve, MONTHS"}, root)
    assert len(beside) == 2
    assert "its door is helpers.worlds.shop" in beside[0]
    assert "only hands it on" in beside[1]


def test_importing_the_package_imports_nothing_from_elsewhere():
    code = (
        "import json, sys; before = set(sys.modules); import helpers;"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(ran.stdout) == ["helpers"]
