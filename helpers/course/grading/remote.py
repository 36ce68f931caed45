"""The examiner's end: an answer as a stand-in, whose calls are made on the submission's side."""

from __future__ import annotations

import builtins
import importlib
import re
from collections.abc import Callable
from typing import Any

from helpers.course.grading.values import NotPlain, decode, encode
from helpers.course.grading.wire import TooSlow, Wire, WireBroken

IMPORTABLE = {"builtins", "math", "numpy", "pandas", "helpers"}  # sent as a name to import
OWN = "answer"  # the name of the module that errors of an answer seem to come from


class NoAnswer(Exception):
    """The submission's side is gone or broke the rules: nothing more can be asked of it."""


class TookTooLong(Exception):
    """An answer took longer than allowed."""


class Snapshot:
    """A notebook as it was at a check: its names can be read, its functions called.

    Parameters
    ----------
    wire : connection to the submission's side.
    seconds : for one question.
    named : id of an object of ours -> its name, for what is sent by name because the other side
        has its own.
    """

    def __init__(self, wire: Wire, seconds: float, named: dict[int, str] | None = None):
        self._wire, self._seconds = wire, seconds
        self.named = named or {}
        self.timed_out = self.gone = False

    def read(self, names: list[str]) -> dict[str, Any]:
        """Return those of `names` that are defined, by value where they can travel."""
        reply = self._question({"ask": "names", "names": names})
        found = reply if isinstance(reply, dict) else {}
        return {name: self._value(found[name]) for name in names if name in found}

    def ask(self, what: str, thing: int, given: tuple = (), named: dict | None = None) -> Any:
        """Ask one thing of a kept object; return the value, or raise what it raised."""
        question = {
            "ask": what,
            "thing": thing,
            "given": [encode(one, self._by_name) for one in given],
            "named": {name: encode(one, self._by_name) for name, one in (named or {}).items()},
        }
        return self._value(self._question(question))

    def _question(self, question):
        """Return the tree that answers a question."""
        try:
            self._wire.send(question, self._seconds)
            reply = self._wire.receive(self._seconds)
        except TooSlow:
            self.timed_out = True
            raise TookTooLong("it did not come to an end in the time allowed") from None
        except WireBroken as broken:
            self.gone = True
            raise NoAnswer(f"no answer came: {broken}") from None
        if not isinstance(reply, dict):
            raise NoAnswer("the reply has no known form")
        if reply.get("timed_out"):
            self.timed_out = True
            raise TookTooLong("it did not come to an end in the time allowed")
        if "error" in reply:
            raise_as_own(reply["error"])
        return reply.get("value")

    def _value(self, tree):
        """Return a value, or a stand-in for what cannot travel."""
        try:
            return decode(tree, self._stand_in)
        except RecursionError:
            raise NotPlain("a plain value was expected, but it is nested too deeply.") from None

    def _stand_in(self, form):
        """Return a stand-in for a kept object."""
        if form[0] != "kept" or len(form) != 5 or not isinstance(form[1], int):
            raise NotPlain(f"a plain value was expected, but got the form {form[0]!r}.")
        kind = re.sub(r"\W", "", str(form[2])) or "object"
        label = re.sub(r"[^\w<>]", "", str(form[4])) or "your function"
        return (Function if form[3] is True else Thing)(self, form[1], kind, label)

    def _by_name(self, value):
        """Name what the other side has of its own."""
        if isinstance(value, Thing) and object.__getattribute__(value, "_snapshot") is self:
            return ["kept", object.__getattribute__(value, "_number")]
        if id(value) in self.named:
            return ["name", self.named[id(value)]]
        module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
        if name.isidentifier() and str(module).split(".")[0] in IMPORTABLE:
            return ["import", module, name]
        raise TypeError(
            f"A check can send plain values and what a locked cell made; got a "
            f"{type(value).__name__}. Make it in a locked cell before the answer."
        )


class Thing:
    """A stand-in for an object that stays on the submission's side. It equals nothing."""

    def __init__(self, snapshot: Snapshot, number: int, kind: str, label: str):
        self._snapshot, self._number, self._kind = snapshot, number, kind
        self.__name__ = label

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._snapshot.ask("get", self._number, (name,))

    def __getitem__(self, key: object) -> Any:
        return self._snapshot.ask("item", self._number, (key,))

    def __len__(self) -> int:
        length = self._snapshot.ask("length", self._number)
        return length if isinstance(length, int) and length >= 0 else 0

    def __iter__(self):
        found = self._snapshot.ask("list", self._number)
        return iter(found if isinstance(found, list) else [])

    def __bool__(self) -> bool:
        raise NotPlain(f"a plain value was expected, but got an object of type {self._kind}.")

    def __eq__(self, other: object) -> bool:
        raise NotPlain(f"a plain value was expected, but got an object of type {self._kind}.")

    __hash__ = object.__hash__

    def __deepcopy__(self, memo: dict) -> Thing:
        return self

    def __repr__(self) -> str:
        return f"<{self._kind}>"


class Function(Thing):
    """A stand-in for something that can be called."""

    __globals__ = {"__name__": OWN}  # noqa: RUF012  (where its errors seem to come from)

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._snapshot.ask("call", self._number, given, named)


def raise_as_own(told: Any) -> None:
    """Raise here what was raised on the submission's side.

    Examples
    --------
    >>> raise_as_own({"kinds": [["__main__", "Odd"], ["builtins", "ValueError"]], "text": "no"})
    Traceback (most recent call last):
    helpers.course.grading.remote.Odd: no
    """
    told = told if isinstance(told, dict) else {}
    kind = _kind(told.get("kinds"))
    error = kind(str(told.get("text", ""))[:1_000])
    if isinstance(error, NameError):
        error.name = re.sub(r"\W", "", str(told.get("name", ""))) or None
    if told.get("own"):
        exec("raise error", {"__name__": OWN, "error": error})
    raise error


def _kind(kinds) -> Callable[[str], Exception]:
    """Return an error class named as the first of `kinds`, on the first known one as its base."""
    pairs = [(str(a), re.sub(r"\W", "", str(b))) for a, b in kinds] if kinds else []
    known = next(filter(None, (_known(*pair) for pair in pairs)), RuntimeError)
    name = pairs[0][1] if pairs else "Exception"
    if known.__name__ == name:
        return known
    return type(name or "Exception", (known,), {"__module__": __name__})


def _known(module, name):
    """Return an error class of Python or of `helpers` that takes one text."""
    if module == "builtins":
        found = getattr(builtins, name, None)
    elif re.fullmatch(r"helpers(\.\w+)+", module) and not module.startswith("helpers.course"):
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError:
            return None
    else:
        return None
    usable = isinstance(found, type) and issubclass(found, Exception)
    return found if usable and not issubclass(found, UnicodeError | BaseExceptionGroup) else None
