"""Stage 2 in one call: every source of a business, read with the reader of its kind."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl import extract
from helpers.etl.extract import CannotExtract, Extract
from helpers.etl.extract.accounts import RowAccount, aside_table
from helpers.etl.extract.provenance import Origin, sha256_of_rows

ENCODINGS = ("utf-8", "cp1252")  # of exports: what is no UTF-8 came from an old spreadsheet
MOMENTS = {"cold_rooms": "read_at", "tower_sensors": "read_on"}  # when a sensor was read
NOTHING_YET = "no rows yet"
_SERVICES = {"endpoint": "api", "partner": "partner", "stream": "live", "pages": "site"}
_FILES = ("csv", "json lines", "xml", "log", "sensors", "survey", "forms")
_MOST_EVENTS, _MOST_SECONDS = 100_000, 60.0  # of a live stream, per reading


@dataclass(frozen=True)
class Access:
    """Where a business keeps its data, and what opens it; keys and passwords are never shown.

    Attributes
    ----------
    folder : of the files and the document store.
    database_url : SQLAlchemy URL of the database.
    api, partner, live, site : addresses of the services; None where none runs.
    api_key, partner_key : what opens them; `live` takes the first.

    Examples
    --------
    >>> Access(Path("shop"), "sqlite:///shop.sqlite", api="http://127.0.0.1:1/api", api_key="secret")
    Access(folder='shop', services='api')
    """

    folder: Path
    database_url: str
    api: str | None = None
    partner: str | None = None
    live: str | None = None
    site: str | None = None
    api_key: str = field(default="", repr=False)
    partner_key: str = field(default="", repr=False)

    @classmethod
    def of(cls, sources, served=None) -> Access:
        """Return the access to laid-down sources; with `served`, to their services too.

        Parameters
        ----------
        sources : has `folder` and `database_url`.
        served : has `api`, `partner`, `live`, `url`, `api_key` and `partner_key`; None for none.
        """
        files = cls(Path(sources.folder), sources.database_url)
        if served is None:
            return files
        return replace(
            files, api=served.api, partner=served.partner, live=served.live, site=served.url,
            api_key=served.api_key, partner_key=served.partner_key,
        )  # fmt: skip

    def __repr__(self):
        running = [name for name in _SERVICES.values() if getattr(self, name)]
        return f"Access(folder={self.folder.name!r}, services={', '.join(running) or 'none'!r})"

    def service(self, name: str, kind: str) -> tuple[str, str]:
        """Return address and key of the service for a kind of source.

        Raises
        ------
        CannotExtract
            If it does not run.
        """
        field_name = _SERVICES[kind]
        address = getattr(self, field_name)
        if address is None:
            raise CannotExtract(
                f"{name} comes from a service ({kind}), and no address is known for {field_name!r}: "
                "start the services and pass Access.of(sources, served), or leave the source out."
            )
        keys = {"partner": self.partner_key, "pages": ""}
        return address, keys.get(kind, self.api_key)


def extract_all(overview: DataFrame, access: Access, when: str = "") -> dict[str, Extract]:
    """Read every source of an overview, each with the reader of its kind.

    Parameters
    ----------
    overview : one row a source: `source`, `kind`, `place`, `rows`.
    access : where everything is.
    when : the moment of reading, for the provenance.

    Returns
    -------
    Source -> extract, in the order of the overview. A source without rows yet, such as a third
    party that publishes later, is not asked; its extract is empty and its provenance says so.

    Raises
    ------
    CannotExtract
        If a kind is unknown, a service does not run, or files are missing.
    """
    require_columns(overview, "the overview", ["source", "kind", "place", "rows"])
    done = {}
    for one in overview.itertuples(index=False):
        read = extract_source if one.rows else _nothing_yet
        done[one.source] = read(one.source, one.kind, one.place, access, when)
    return done


def extract_source(name: str, kind: str, place: str, access: Access, when: str = "") -> Extract:
    """Read one source with the reader of its kind.

    Parameters
    ----------
    name, kind, place : as an overview tells them; `place` is a table, an endpoint, a document
        store or the start of file names.
    access, when : see `extract_all`.

    Returns
    -------
    What the reader returned. Rows of CSV exports name their `file`, for each file has a style of
    its own. A live stream is read for 100,000 events or 60 seconds, whatever ends first.

    Raises
    ------
    CannotExtract
        If the kind is unknown, its service does not run, or no file is there.

    Examples
    --------
    >>> access = Access(Path("shop"), "sqlite:///shop.sqlite")
    >>> extract_source("ratings", "endpoint", "ratings", access)
    Traceback (most recent call last):
    helpers.etl.extract.accounts.CannotExtract: ratings comes from a service (endpoint), and no \
address is known for 'api': start the services and pass Access.of(sources, served), or leave the \
source out.
    """
    if kind in _SERVICES:
        return _from_service(name, kind, place, access, when)
    if kind == "table":
        return extract.read_sql(access.database_url, place, when=when)
    if kind == "documents":
        return extract.read_documents(access.folder / place, when=when)
    if kind not in _FILES:
        raise CannotExtract(
            f"{name} is of kind {kind!r}, for which there is no reader; known are "
            f"{', '.join(sorted(['table', 'documents', *_SERVICES, *_FILES]))}. Check the overview."
        )
    parts = [_from_files(name, kind, path, when) for path in _files(name, kind, place, access)]
    return extract.together(parts)


def _from_service(name, kind, place, access, when):
    """Read an interface, a stream or pages."""
    address, key = access.service(name, kind)
    if kind == "stream":
        asked = {"count": _MOST_EVENTS}
        return extract.read_events(address, key, **asked, seconds=_MOST_SECONDS, params=asked, when=when)  # fmt: skip
    if kind == "pages":
        return extract.read_site(f"{address}/", "body[data-id]", delay_s=0, when=when)
    return extract.read_api(f"{address}/{place}", key, limit=1_000, when=when)


def _from_files(name, kind, path, when):
    """Read one file of a source."""
    if kind == "csv":  # numbers are written file by file in one style, so each row names its file
        read = extract.read_csv(path, encodings=ENCODINGS, when=when)
        if "file" in read.table:
            raise CannotExtract(
                f"{path.name} has a column 'file' of its own, which would be lost to the file's name "
                "that each row gets here: read it with read_csv, and rename the column."
            )
        return read._replace(table=read.table.assign(file=path.name))
    if kind == "sensors":
        return extract.read_sensors(path, _moment_of(name), when=when)
    if kind == "xml":
        return extract.read_xml(path, "item", when=when)
    readers = {"json lines": extract.read_json_lines, "log": extract.read_logs,
               "survey": extract.read_survey, "forms": extract.read_forms}  # fmt: skip
    return readers[kind](path, when=when)


def _moment_of(name):
    """Return the column that says when a sensor was read."""
    if name not in MOMENTS:
        raise CannotExtract(
            f"{name} is a source of sensors whose column of moments is unknown; known are "
            f"{', '.join(MOMENTS)}. Add it to MOMENTS."
        )
    return MOMENTS[name]


def _files(name, kind, place, access):
    """Return the files of a source, the oldest first."""
    ending = "*.log" if kind == "log" else "*"  # the parts of a rotated log come with it
    found = sorted(access.folder.glob(f"{place}_{ending}"))
    if not found:
        raise CannotExtract(
            f"{name} was expected in files {place}_{ending} below {access.folder.name}, and none is "
            "there. Check the folder, or leave the source out."
        )
    return found


def _nothing_yet(name, kind, place, access, when):
    """Return the extract of a source that has no rows yet."""
    origin = Origin(name, 0, 0, sha256_of_rows([]), when=when, read_as=NOTHING_YET)
    return Extract(DataFrame(), aside_table([]), origin, RowAccount(0, 0))
