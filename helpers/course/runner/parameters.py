"""A notebook's parameters: read from its own cell, checked before any kernel starts.

The cell tagged `parameters` is the only place that describes them. Each line is one assignment of
a plain value and a comment; the comment may bound the value ("from 500 to 50_000") and name a
smaller one for quick runs ("--fast takes 600").
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import re
import tokenize
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from helpers.course import BadInput, absolute
from helpers.course.runner.shelf import has_tag

NUMBER = r"-?\d[\d_]*(?:\.\d+)?"
_BOOLEANS = {"true": True, "false": False}
NAMES = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "text",
    list: "a list",
    dict: "a dict",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook.

    Attributes
    ----------
    name : upper-case name.
    default : the value it has without `-p`.
    help : what the comment says.
    low, high : the smallest and largest value allowed, or None.
    fast : the value that `--fast` takes, or None for the default.
    """

    name: str
    default: Any
    help: str
    low: float | None = None
    high: float | None = None
    fast: Any = None

    @property
    def is_path(self) -> bool:
        """Whether the value names a file or folder, as the ending of its name says."""
        return self.name.endswith(("_CSV", "_FILE", "_FOLDER"))


def read_parameters(notebook: NotebookNode, stem: str) -> dict[str, Parameter]:
    """Return the parameters of a notebook by name, in their order.

    Raises
    ------
    BadInput
        If there is not exactly one cell tagged `parameters`, or a line is not a plain assignment.
    """
    cells = [cell for cell in notebook.cells if has_tag(cell, "parameters")]
    if len(cells) != 1:
        raise BadInput(
            f"{stem} has {len(cells)} cells tagged 'parameters'; exactly one is needed. Tag the "
            "cell that sets SEED and the like."
        )
    source = cells[0].source
    comments = _comments(source)
    found = {}
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise BadInput(f"The parameters of {stem} are not Python: {error}.") from error
    for statement in statements:
        name, default = _assignment(statement, stem)
        text = comments.get(statement.lineno, "")
        bounds = re.search(rf"\bfrom ({NUMBER}) to ({NUMBER})", text)
        fast = re.search(r"--fast takes ([^;,\s]+)", text)
        low, high = map(float, bounds.groups()) if bounds else (None, None)
        found[name] = Parameter(
            name, default, text, low, high, ast.literal_eval(fast.group(1)) if fast else None
        )
    return found


def _comments(source):
    """Return the comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokens
        if token.type == tokenize.COMMENT
    }


def _assignment(statement, stem):
    """Return name and value of one line of a parameters cell."""
    try:
        (target,) = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return target.id, ast.literal_eval(statement.value)
    except (AttributeError, ValueError, TypeError) as error:
        raise BadInput(
            f"Line {statement.lineno} of the parameters of {stem} is no plain assignment such as "
            "SEED = 7. Compute in a later cell."
        ) from error


def choose_values(
    parameters: dict[str, dict[str, Parameter]], given: list[tuple[str, str]], fast: bool
) -> dict[str, dict[str, Any]]:
    """Return the values to inject into each notebook, all of them checked.

    Parameters
    ----------
    parameters : stem of a notebook -> its parameters by name.
    given : pairs of name and text from the command line; each goes to every notebook that has it.
    fast : take the smaller values that the notebooks name for quick runs.

    Returns
    -------
    Stem -> name -> value; only what differs from the defaults. Paths become absolute.

    Raises
    ------
    BadInput
        If no notebook has a name, or a value has the wrong type or is out of range.
    """
    names = [name for name, _ in given]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"-p {name} is given {names.count(name)} times. Give it once.")
        if not any(name in own for own in parameters.values()):
            known = sorted({known for own in parameters.values() for known in own})
            near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}? " if near else ""
            where = next(iter(parameters)) if len(parameters) == 1 else "the chosen notebooks"
            raise BadInput(f"{where} has no parameter {name}. {hint}Known are: {', '.join(known)}.")
    chosen: dict[str, dict[str, Any]] = {}
    for stem, own in parameters.items():
        values = {p.name: p.fast for p in own.values() if fast and p.fast is not None}
        values |= {name: read_value(own[name], text, stem) for name, text in given if name in own}
        chosen[stem] = values
    return chosen


def read_value(parameter: Parameter, text: str, stem: str) -> Any:
    """Return the value that `text` means for `parameter`.

    Raises
    ------
    BadInput
        If it has another type than the default or is out of range.

    Examples
    --------
    >>> read_value(Parameter("SEED", 7, "", low=0, high=99), "1_2", "00_the_lifecycle")
    12
    >>> read_value(Parameter("SEED", 7, "", low=0, high=99), "many", "00_the_lifecycle")
    Traceback (most recent call last):
    helpers.course.BadInput: SEED of 00_the_lifecycle takes a whole number; got 'many'. \
Type for example: -p SEED 7
    """
    kind = type(parameter.default)
    try:
        value = _convert(text, kind)
    except (KeyError, ValueError, SyntaxError, TypeError) as error:
        raise BadInput(
            f"{parameter.name} of {stem} takes {NAMES.get(kind, kind.__name__)}; got {text!r}. "
            f"Type for example: -p {parameter.name} {_typed(parameter.default)}"
        ) from error
    if parameter.low is not None and not parameter.low <= value <= parameter.high:
        raise BadInput(
            f"{parameter.name} of {stem} goes from {parameter.low:,g} to {parameter.high:,g}; got "
            f"{text}. Type for example: -p {parameter.name} {_typed(parameter.default)}"
        )
    if parameter.is_path and value:
        value = str(absolute(value))
    return value


def _convert(text, kind):
    """Read `text` as a value of `kind`."""
    if kind is str:
        return text
    if kind is bool:
        return _BOOLEANS[text.lower()]
    if kind in (int, float):
        number = kind(text)
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError(text)
        return number
    value = ast.literal_eval(text)
    if type(value) is not kind:
        raise ValueError(text)
    return value


def _typed(value):
    """Return `value` as one would type it behind -p."""
    return value if isinstance(value, str) and value else json.dumps(value)
