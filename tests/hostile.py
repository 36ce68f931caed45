"""Submissions that are broken or mean harm, each with the marks it deserves."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exercise_miniature import RIGHT, STEM, answered, hand_in, release, right
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

FULL = (2, 3, 1)


@dataclass(frozen=True)
class Case:
    """One submission.

    Attributes
    ----------
    notebook : what is handed in; a function of the folder for what is no plain file.
    points : of the three tasks, or None when it cannot be graded.
    told : words that the report must hold about it; "" when nothing needs to be told.
    """

    notebook: NotebookNode | bytes | Callable[[Path], object]
    points: tuple | None
    told: str = ""


def cases(secrets: Path, marks: Path, port: int) -> dict[str, Case]:
    """Return student -> case.

    Parameters
    ----------
    secrets : the folder that holds solutions/ and the submissions.
    marks : the folder where marks are written.
    port : of a server on this machine that nobody may reach.
    """
    return {**_broken(), **_honest(), **_endless(), **_greedy(), **_nosy(secrets, marks, port), **_cheating()}  # fmt: skip


def _edit(spoil: Callable[[NotebookNode], object], **answers: str) -> NotebookNode:
    """Return a right notebook, changed."""
    notebook = right(**answers)
    spoil(notebook)
    return notebook


def _cell(notebook, name):
    return next(cell for cell in notebook.cells if cell.id == name)


def _strip(notebook):
    """Take all marks of nbgrader and all ids."""
    for number, cell in enumerate(notebook.cells):
        cell.metadata = {}
        cell.id = f"other-{number}"


def _copy(notebook):
    """Copy an answer cell, as JupyterLab does, and leave a wrong first one."""
    place = notebook.cells.index(_cell(notebook, "answer-dear"))
    copy = new_code_cell(RIGHT["dear"], id="copied", metadata=notebook.cells[place].metadata.copy())
    notebook.cells[place].source = "def dear(prices, above):\n    return []"
    notebook.cells.insert(place + 1, copy)


def _loosen(notebook):
    """Edit a check so that it passes."""
    _cell(notebook, "check-change").source = 'print("✓ Task 1: correct")'


def _delete(notebook, *names):
    notebook.cells = [cell for cell in notebook.cells if cell.id not in names]


def _kernel(notebook):
    notebook.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}


def _broken() -> dict[str, Case]:
    whole = json.dumps(right()).encode()
    return {
        "truncated": Case(whole[: len(whole) // 2], None, "no whole notebook"),
        "empty": Case(b"", None, "empty"),
        "braces": Case(b"{}", None, "no notebook"),
        "a_list": Case(b"[1, 2]", None, "no notebook"),
        "not_utf8": Case(whole.replace(b"Small", b"Sm\xe4ll"), None, "not UTF-8"),
        "deep": Case(b"[" * 200_000, None, "no whole notebook"),
        "wrong_kernel": Case(_edit(_kernel), FULL, "kernel was set to 'r'"),
        "renamed": Case(_renamed, FULL, "Renamed: my homework (1).ipynb"),
        "linked": Case(_linked, None, "link, which is never followed"),
        "linked_folder": Case(_linked_folder, None, "link, which is never followed"),
        "zip_outside": Case(_zip_outside, None, "outside itself"),
        "zip_link": Case(_zip_link, None, "holds a link"),
        "zip_damaged": Case(lambda f: (f / "zip_damaged.zip").write_bytes(b"PK\x03\x04xx"), None, "archive cannot be read"),
        "zip_good": Case(_zip_good, FULL),
        "flat_file": Case(lambda f: (f / f"flat_file_{STEM}.ipynb").write_text(json.dumps(right())), FULL),
        "twice": Case(_twice, None, "2 files claim"),
        "nothing": Case(lambda f: (f / "nothing").mkdir(), None, "folder is empty"),
    }  # fmt: skip


def _renamed(folder):
    path = hand_in(folder, "renamed", right())
    path.rename(path.with_name("my homework (1).ipynb"))


def _linked(folder):
    (folder / "linked").mkdir()
    (folder / "linked" / f"{STEM}.ipynb").symlink_to(folder / "ana" / f"{STEM}.ipynb")


def _linked_folder(folder):
    (folder / "linked_folder").symlink_to(folder / "ana", target_is_directory=True)


def _zip_outside(folder):
    with zipfile.ZipFile(folder / "zip_outside.zip", "w") as archive:
        archive.writestr(f"{STEM}.ipynb", json.dumps(right()))
        archive.writestr(f"../ana/{STEM}.ipynb", json.dumps(release()))


def _zip_link(folder):
    with zipfile.ZipFile(folder / "zip_link.zip", "w") as archive:
        entry = zipfile.ZipInfo(f"{STEM}.ipynb")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, os.fspath(folder / "ana" / f"{STEM}.ipynb"))


def _zip_good(folder):
    with zipfile.ZipFile(folder / "zip_good.zip", "w") as archive:
        archive.writestr(f"some folder/{STEM}.ipynb", json.dumps(right()))


def _twice(folder):
    hand_in(folder, "twice", right())
    hand_in(folder, "twice/again", release())


def _honest() -> dict[str, Case]:
    warn = "import warnings, sys\nwarnings.warn('odd')\nprint('odd', file=sys.stderr)\n"
    return {
        "wrong": Case(right(total="total = -1"), (2, 3, 0)),
        "untouched": Case(release(), (0, 0, 0)),
        "only_hidden": Case(right(dear="def dear(prices, above):\n    return [p for p in prices if p >= above]"), (2, 0, 1)),
        "copied_cell": Case(_edit(_copy), FULL, "2 times"),
        "deleted_check": Case(_edit(lambda n: _delete(n, "check-dear")), FULL, "was gone; ours was put back"),
        "deleted_answer": Case(_edit(lambda n: _delete(n, "answer-dear")), (2, 0, 1), "answer-dear is gone"),
        "edited_check": Case(_edit(_loosen, change="def change(a, b):\n    return 0"), (0, 3, 1), "check-change was changed"),
        "stripped": Case(_edit(_strip), FULL, "marks were gone"),
        "reversed": Case(_edit(lambda n: n.cells.reverse()), FULL, "another order"),
        "noisy": Case(right(change=warn + RIGHT["change"]), FULL, "sys"),
        "broken_cell": Case(right(dear="def dear(:"), (2, 0, 1), "no plain Python"),
        "half_a_sign": Case(right(total="total = '\\ud800'\nprint(total)\nraise ValueError(total)"), (2, 3, 0)),
        "raw_half_a_sign": Case(json.dumps(right(total="total = 'HALF'")).replace("HALF", "\\ud800").encode(), (2, 3, 0)),
        "=HYPERLINK(1)": Case(right(), FULL),
    }  # fmt: skip


def _endless() -> dict[str, Case]:
    return {
        "loop_in_answer": Case(right(total="while True:\n    pass"), (2, 3, 0), "took too long"),
        "loop_in_call": Case(right(change="def change(a, b):\n    while True:\n        pass"), (0, 3, 1), "took too long"),
        "loop_in_finally": Case(right(dear="while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"), (2, 0, 0), "was stopped"),
        "loop_in_import": Case(right(total="open('slow.py', 'w').write('while True: pass')\nimport slow"), (2, 3, 0), "took too long"),
        "exits": Case(right(total="import sys\nsys.exit(0)"), (2, 3, 0), "sys"),
        "exits_hard": Case(right(dear="import os\nos._exit(0)"), (2, 0, 0), "ended the process"),
        "exits_in_call": Case(right(change="import os\ndef change(a, b):\n    os._exit(0)"), (0, 3, 1), "ended the process"),
        "interrupts": Case(right(total="raise KeyboardInterrupt"), (2, 3, 0)),
    }  # fmt: skip


def _greedy() -> dict[str, Case]:
    bomb = "import os\nfor _ in range(200):\n    os.fork()\n"
    hoard = "import os\nos.fork(); os.fork(); os.fork()\nx = bytearray(300_000_000)\nimport time\ntime.sleep(60)"  # fmt: skip
    return {
        "memory": Case(right(dear="x = bytearray(3_000_000_000)\n" + RIGHT["dear"]), (2, 0, 1)),
        "memory_together": Case(right(dear=hoard), (0, 0, 0), "memory"),
        "output": Case(right(total="print('a' * 40_000_000)\ntotal = sum(prices)"), FULL, "characters more"),
        "big_value": Case(right(total="total = ['a' * 1000] * 200_000"), (2, 3, 0)),
        "fork_bomb": Case(right(total=bomb + "total = 1"), (2, 3, 0), "os"),
        "big_file": Case(right(total="f = open('x', 'wb')\nfor _ in range(300):\n    f.write(b'0' * 1_000_000)"), (2, 3, 0), "opens files"),
    }  # fmt: skip


def _nosy(secrets: Path, marks: Path, port: int) -> dict[str, Case]:
    solution = secrets / "solutions" / STEM / f"{STEM}.ipynb"
    other = secrets / "submissions" / "ana" / f"{STEM}.ipynb"
    outside = f"import os\nos.makedirs({str(marks)!r}, exist_ok=True)\nopen({str(marks / 'marks.csv')!r}, 'w').write('me,100')\ntotal = 1"  # fmt: skip
    connect = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1).send(b'hello')\ntotal = 1"  # fmt: skip
    frames = "import sys, gc, inspect\ntotal = 1\nprint([str(f.frame.f_globals) for f in inspect.stack()])\nprint([o for o in gc.get_objects() if isinstance(o, str) and 'HIDDEN' in o])\nprint(list(sys.modules))"  # fmt: skip
    return {
        "reads_solution": Case(right(total=f"print(open({str(solution)!r}).read())\ntotal = 1"), (2, 3, 0), "opens files"),
        "reads_other": Case(right(total=f"print(open({str(other)!r}).read())\ntotal = 1"), (2, 3, 0), "opens files"),
        "reads_itself": Case(right(total=f"total = open('{STEM}.ipynb').read()"), (2, 3, 0), "opens files"),
        "writes_marks": Case(right(total=outside), (2, 3, 0), "opens files"),
        "opens_gradebook": Case(right(total="import sqlite3\nsqlite3.connect('gradebook.db').execute('UPDATE grade SET auto_score = 9')"), (2, 3, 0), "opens databases"),
        "connects": Case(right(total=connect), (2, 3, 0), "opens connections"),
        "looks_around": Case(right(total=frames), (2, 3, 0), "looks into frames"),
        "deletes_itself": Case(right(total="import os, shutil\nshutil.rmtree(os.getcwd())\nshutil.rmtree('/home', ignore_errors=True)\ntotal = sum(prices)"), FULL, "moves files"),
        "prints_questions": Case(right(change="asked = []\ndef change(a, b):\n    asked.append((a, b))\n    print(asked)\n    return round(a - b, 2)", total="print(asked)\ntotal = sum(prices)"), FULL),
        "raises_questions": Case(right(dear="def dear(prices, above):\n    if above > 4:\n        raise ValueError(f'{prices} {above}')\n    return [5, 9]"), (2, 0, 1)),
        "passes_questions_on": Case(right(
            change="def change(a, b):\n    open('/tmp/asked', 'a').write(f'{a} {b};')\n    return round(a - b, 2)",
            dear="def dear(prices, above):\n    import time\n    time.sleep(0.3)\n    return open('/tmp/asked').read()"), (2, 0, 1), "opens files"),
    }  # fmt: skip


def _cheating() -> dict[str, Case]:
    patch = "import helpers.practice as p\np.Check.__exit__ = lambda *a: print('✓ Task 3: correct') or True\np.Check.equal = p.Check.close = lambda *a, **k: None\ntotal = -1"  # fmt: skip
    equal = "class Any:\n    def __eq__(self, other):\n        return True\n    __hash__ = object.__hash__\n    def __bool__(self):\n        return True\ntotal = Any()"  # fmt: skip
    number = "class Any(int):\n    def __eq__(self, other):\n        return True\n    __hash__ = int.__hash__\ntotal = Any(1)"  # fmt: skip
    builtin = "import builtins\nbuiltins.len = builtins.sum = builtins.isinstance = lambda *a: True\ntotal = -1"  # fmt: skip
    own_check = "class check:\n    def __init__(self, task): pass\n    def __enter__(self): return self\n    def __exit__(self, *a): print('✓'); return True\n    def __getattr__(self, name): return lambda *a, **k: None\ntotal = -1"  # fmt: skip
    forged = "import os, json, struct\nfor n in range(3, 60):\n    data = json.dumps({'value': {'total': 1}, 'done': True}).encode()\n    try:\n        os.write(n, struct.pack('>Q', len(data)) + data)\n    except OSError:\n        pass\ntotal = -1"  # fmt: skip
    return {
        "patches_checker": Case(right(total=patch), (2, 3, 0), "touches the checker"),
        "own_check": Case(right(total=own_check), (2, 3, 0), "touches the checker"),
        "always_equal": Case(right(total=equal), (2, 3, 0), "redefines equality"),
        "equal_number": Case(right(total=number), (2, 3, 0), "redefines equality"),
        "patches_builtins": Case(right(total=builtin), (2, 3, 0), "changes Python itself"),
        "traces": Case(right(total="import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\ntotal = -1"), (2, 3, 0), "traces execution"),
        "at_exit": Case(right(total="import atexit\natexit.register(print, '✓ Task 3: correct')\ntotal = -1"), (2, 3, 0), "runs code at the end"),
        "silences": Case(right(total="get_ipython().showtraceback = lambda *a: None\ntotal = -1"), (2, 3, 0), "notebook's shell"),
        "fakes_output": Case(right(total="print('✓ Task 3: correct')\ntotal = -1"), (2, 3, 0)),
        "changes_data": Case(right(total="prices[:] = []\ntotal = 0"), (2, 3, 0)),
        "forges_messages": Case(answered(total=forged, change=RIGHT["change"], dear=RIGHT["dear"]), (2, 3, 0)),
        "patches_exit": Case(right(total="import signal\nsignal.signal(signal.SIGPROF, signal.SIG_IGN)\nwhile True:\n    pass"), (2, 3, 0), "was stopped"),
        "elsewhere": Case(right(total=RIGHT["total"] + "\n1 / 0"), FULL, "stopped with an error"),
    }  # fmt: skip
