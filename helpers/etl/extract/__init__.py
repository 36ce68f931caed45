"""Stage 2, extract: records and signals out of every kind of source, exactly as they stand there.

Each reader returns an `Extract`: the raw table, the rows set aside with their reasons, where it all
came from, and an account that closes. Nothing is repaired: that is stage 3. Nobody vouches for a
source: every reader is bounded, and ends in rows, in rows set aside, or in one clear error.
"""

from __future__ import annotations

from importlib import import_module

# Where each public name lives; a module is imported when one of its names is first asked for, so
# that who reads a file waits for no database and no web library.
_PLACES = {
    "databases": ["read_documents", "read_sql"],
    "files": ["FileLimits", "unpack_zip"],
    "landing": ["Landing"],
    "logs": ["read_logs", "rotated"],
    "pages": ["facts_of", "read_site"],
    "records": ["read_json_lines", "read_json_list", "read_xml"],
    "result": [
        "CannotExtract",
        "Extract",
        "Origin",
        "Provenance",
        "RowAccount",
        "merge_copies",
        "together",
    ],
    "services": ["read_api", "read_events"],
    "tables": ["read_csv", "read_forms", "read_sensors", "read_survey", "timed"],
    "web": ["Caller", "CannotFetch", "NetworkLimits", "patiently"],
}

__all__ = sorted(name for names in _PLACES.values() for name in names)


def __getattr__(name: str):
    for place, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{place}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
