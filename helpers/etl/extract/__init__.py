"""Stage 2, extract: records and signals out of every kind of source, exactly as they stand there.

Each reader returns an `Extract`: the raw table, the rows set aside with their reasons, where it all
came from, and books that close. Nothing is repaired: that is stage 3. Nobody vouches for a
source: every reader is bounded, and ends in rows, in rows set aside, or in one clear error.
"""

from helpers.doors import lazy_door

_PLACES = {
    "databases": ["read_documents", "read_sql"],
    "files": ["FileLimits"],
    "landing": ["Landing"],
    "logs": ["read_logs", "rotated"],
    "pages": ["facts_of", "read_site"],
    "records": ["read_forms", "read_json_lines", "read_xml"],
    "result": ["CannotExtract", "Extract", "Provenance", "merge_copies", "together"],
    "services": ["read_api", "read_events"],
    "tables": ["read_csv", "read_sensors", "read_survey"],
    "web": ["Caller", "CannotFetch", "NetworkLimits", "patiently"],
}
__getattr__, __dir__, __all__ = lazy_door(__name__, _PLACES)
