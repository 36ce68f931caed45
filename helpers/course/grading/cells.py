"""Run the cells of a notebook one by one, without a kernel: what each printed and raised."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import linecache
import signal
import traceback
import warnings
from collections.abc import Callable
from typing import Any

SHOWN_ERROR = 1_000  # characters of an error that are kept


class TimeIsUp(BaseException):
    """A cell or an answer took too long."""


class Paper(io.TextIOBase):
    """What a cell prints, up to a number of characters; the rest is counted."""

    def __init__(self, room: int):
        self.parts: list[str] = []
        self.room, self.lost = room, 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        kept = text[: self.room]
        self.parts.append(kept) if kept else None
        self.room -= len(kept)
        self.lost += len(text) - len(kept)
        return len(text)


class Notebook:
    """Enough of IPython's shell for a magic to be harmless; a timed cell runs untimed."""

    def __init__(self, names):
        self._names = names

    def run_cell_magic(self, name, line, body):
        if name in {"time", "timeit", "capture"}:
            exec(compile(body, "<magic>", "exec"), self._names)

    def __getattr__(self, name):
        return lambda *words, **named: None


def run_cell(
    cell: dict[str, str],
    names: dict[str, Any],
    job: dict[str, Any],
    give_up: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Run one cell; return what it printed, and what it raised.

    Returns
    -------
    `text`, `lost` (characters beyond the room), `error` ("" or one line), `timed_out`.
    """
    paper = Paper(job["output_chars"])
    error, timed_out = "", False
    with (
        contextlib.redirect_stdout(paper),
        contextlib.redirect_stderr(paper),
        warnings.catch_warnings(),  # a cell's change of the filters is its own
    ):
        try:
            with limited(job["cell_seconds"], give_up):
                shown = _execute(cell["source"], f"<{cell['id']}>", names)
                if shown is not None:
                    print(repr(shown))
        except TimeIsUp:
            error, timed_out = f"stopped after {job['cell_seconds']:g} seconds", True
        except BaseException as raised:
            error = _one_line(raised, f"<{cell['id']}>")
    text = "".join(paper.parts)
    return {"text": text, "lost": paper.lost, "error": error, "timed_out": timed_out}


@contextlib.contextmanager
def limited(seconds: float, give_up: Callable[[], object] = lambda: None):
    """Raise `TimeIsUp` in the block after `seconds` on the processor.

    Parameters
    ----------
    seconds : of the processor; who only waits is not interrupted.
    give_up : called when the block goes on all the same, three times over.
    """
    rings = []

    def ring(number, frame):
        rings.append(number)
        if len(rings) > 2:
            give_up()
        raise TimeIsUp

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.3)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _execute(source, file, names):
    """Run a cell as a notebook does; return the value of its last line, if it is an expression."""
    tree = _parse(source, file)
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    hidden = last is not None and source.rstrip().endswith(";")
    _run(compile(tree, file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if last is None:
        return None
    code = compile(ast.Expression(last.value), file, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    value = _run(code, names)
    return None if hidden else value


def _parse(source, file):
    """Return the syntax tree of a cell, its magics rewritten if it has any."""
    try:
        return ast.parse(source, file)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return ast.parse(TransformerManager().transform_cell(source), file)


def _run(code, names):
    """Run compiled code, to its end when it awaits something."""
    value = eval(code, names)
    if not code.co_flags & inspect.CO_COROUTINE:
        return value
    import asyncio

    return asyncio.run(value)


def _one_line(raised, file):
    """Return an error as one line: kind, message, and the cell's own line."""
    said = f"{type(raised).__name__}: {raised}".rstrip(": ")[:SHOWN_ERROR]
    own = [f for f in traceback.extract_tb(raised.__traceback__) if f.filename == file]
    return f"{said} (line {own[-1].lineno}: {own[-1].line})"[:SHOWN_ERROR] if own else said
