"""The door of a package: its public names in one place, each imported when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def lazy_door(
    package: str, places: Mapping[str, Sequence[str]]
) -> tuple[Callable, Callable, list[str]]:
    """Return what a package's `__init__` needs to hand out names without importing their modules.

    Parameters
    ----------
    package : its `__name__`.
    places : module of the package -> the public names that live there.

    Returns
    -------
    `__getattr__`, `__dir__` and `__all__`.

    Source
    ------
    PEP 562, "Module __getattr__ and __dir__".

    Examples
    --------
    >>> find, names, _ = lazy_door("helpers", {"checks": ["require_rows"]})
    >>> find("require_rows").__module__, names()
    ('helpers.checks', ['require_rows'])
    """
    where = {name: f"{package}.{module}" for module, names in places.items() for name in names}

    def find(name: str):
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(where[name]), name)

    return find, lambda: sorted(where), sorted(where)
