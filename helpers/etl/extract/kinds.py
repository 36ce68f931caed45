"""The kinds of sources: which reader takes one, and what it reads from."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """How a kind of source is read.

    Attributes
    ----------
    reader : its name in `helpers.etl.extract`.
    needs : "database", "file" (one), "files" (one a month) or "service".
    service : what a service is called where it runs: "api", "partner", "live" or "site".
    """

    reader: str
    needs: str
    service: str = ""


KINDS = {
    "table": Kind("read_sql", "database"),
    "documents": Kind("read_documents", "file"),
    "csv": Kind("read_csv", "files"),
    "json lines": Kind("read_json_lines", "files"),
    "xml": Kind("read_xml", "files"),
    "log": Kind("read_logs", "files"),
    "sensors": Kind("read_sensors", "files"),
    "survey": Kind("read_survey", "files"),
    "forms": Kind("read_forms", "files"),
    "endpoint": Kind("read_api", "service", "api"),
    "partner": Kind("read_api", "service", "partner"),
    "stream": Kind("read_events", "service", "live"),
    "pages": Kind("read_site", "service", "site"),
}
