"""What pytest must know before it collects: the option `--all`, and nbval's sanitize file.

pyproject.toml loads it with `-p`, so that the option is known from whatever folder one types.
"""

import gc

import pytest
from hypothesis import settings

SLOW = pytest.StashKey[int]()


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="run the tests marked slow, too")


def pytest_configure(config):
    # Imports and tests are hundreds of thousands of objects that stay. To look again and again which
    # of them nobody needs any more costs one second in fifteen.
    gc.set_threshold(50_000, 20, 100)
    # nbval takes a path from where pytest was typed.
    config.option.nbval_sanitize_with = str(config.rootpath / "tests" / "nbval_sanitize.cfg")
    settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True)
    settings.register_profile("all", max_examples=100, deadline=None, derandomize=True)
    settings.load_profile("all" if config.option.all else "quick")


def pytest_collection_finish():
    gc.freeze()


def pytest_itemcollected(item):
    """Count what hypothesis tries as slow under `--all`, where it tries all of its examples."""
    if item.config.option.all and hasattr(getattr(item, "obj", None), "hypothesis"):
        item.add_marker("slow")


@pytest.hookimpl(trylast=True)  # after -k and -m, to count what would have run
def pytest_collection_modifyitems(config, items):
    slow = [item for item in items if item.get_closest_marker("slow") and not config.option.all]
    if slow:
        items[:] = [item for item in items if item not in slow]
        left_out(config, slow)
    if hasattr(config, "workeroutput"):
        config.workeroutput["slow"] = len(slow)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Tell of what a worker of pytest-xdist left out, once: the others left out the same."""
    count = getattr(node, "workeroutput", {}).get("slow", 0)
    if count and SLOW not in node.config.stash:
        left_out(node.config, [node] * count)


def left_out(config, slow):
    config.stash[SLOW] = len(slow)
    config.hook.pytest_deselected(items=slow)


def pytest_terminal_summary(terminalreporter, config):
    if count := config.stash.get(SLOW, 0):
        terminalreporter.write_line(
            f"Slow tests left out: {count}. To run them too, type: python3 run.py test --all"
        )
