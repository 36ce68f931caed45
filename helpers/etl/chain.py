"""Stages 2 and 3 in one chain: from a business's source systems to clean tables that are loaded.

Each step takes what the one before returned: it can be stopped, looked at and repeated anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl import extract
from helpers.etl.books import Books, Cleaned
from helpers.etl.extract import CannotExtract, Extract
from helpers.etl.extract.kinds import KINDS
from helpers.etl.extract.result import Provenance, aside_table, sha256_of_rows
from helpers.etl.lake import lake_rows, load_lake
from helpers.etl.load import load_tables

ENCODINGS = ("utf-8", "cp1252")  # of exports: what is no UTF-8 came from an old spreadsheet
NOTHING_YET = "no rows yet"
_MOST_EVENTS, _MOST_SECONDS = 100_000, 60.0  # of a live stream, per reading


def as_read(raw: DataFrame) -> DataFrame:
    """Return a table that is flat already: tables of a database, CSV files, forms, interfaces."""
    return raw


@dataclass(frozen=True)
class Step:
    """How the raw table of a source is shaped and cleaned.

    Attributes
    ----------
    clean : takes the flat table (and the clean table that `needs` names) and returns a `Cleaned`.
    shape : from the reader's table to the flat one, such as `flat_products`.
    needs : the source that is cleaned before, such as "products"; "" for none.
    """

    clean: Callable[..., Cleaned]
    shape: Callable[[DataFrame], DataFrame] = as_read
    needs: str = ""


def clean_all(extracts: Mapping[str, Extract], steps: Mapping[str, Step]) -> dict[str, Cleaned]:
    """Shape and clean every source; those that others are checked against come first.

    Parameters
    ----------
    extracts : of `extract_all`; those that returned no row are left out, the order is kept.
    steps : source -> how it is shaped and cleaned, such as `helpers.etl.businesses.shop.SHOP`.

    Raises
    ------
    ValueError
        If a source has no step, or what its cleaning needs is missing.
    """
    full = {name: one.table for name, one in extracts.items() if one.books.loaded}
    for name in full:
        step_of(name, steps)
    done: dict[str, Cleaned] = {}
    for name in sorted(full, key=lambda one: bool(steps[one].needs)):
        tables = {other: one.table for other, one in done.items()}
        done[name] = clean_source(name, full[name], steps, tables)
    return {name: done[name] for name in full}


def clean_source(
    name: str, raw: DataFrame, steps: Mapping[str, Step], known: Mapping[str, DataFrame]
) -> Cleaned:
    """Shape and clean one source.

    Parameters
    ----------
    raw : the table that the reader of the source returned.
    known : the clean tables so far, by source.

    Raises
    ------
    ValueError
        If the source has no step, what its cleaning needs is missing, or its table cannot be
        cleaned: which source it is stands before the reason.
    """
    step = step_of(name, steps)
    if step.needs and step.needs not in known:
        raise ValueError(
            f"The cleaning of {name} needs the clean table of {step.needs}, which is not there: "
            "extract that source as well."
        )
    more = [known[step.needs]] if step.needs else []
    try:
        return step.clean(step.shape(raw), *more)
    except ValueError as error:
        raise ValueError(f"{name} cannot be cleaned: {error}") from error


def step_of(name: str, steps: Mapping[str, Step]) -> Step:
    """Return how one source is shaped and cleaned.

    Examples
    --------
    >>> step_of("gifts", {"orders": Step(Cleaned)})
    Traceback (most recent call last):
    ValueError: gifts is a source without a step; there are steps for orders. Pass the steps of the \
right business, or add one.
    """
    if name not in steps:
        raise ValueError(
            f"{name} is a source without a step; there are steps for {', '.join(steps)}. Pass the "
            "steps of the right business, or add one."
        )
    return steps[name]


def ledger(extracts: Mapping[str, Extract], cleaned: Mapping[str, Cleaned]) -> DataFrame:
    """Return where the rows of each source went, from the source to the clean table.

    The reader and the cleaning keep books of their own; only here do they meet. A source is
    balanced if rows in = set aside + quarantined + merged + loaded over both, and if the tables
    hold as many rows as the books say.

    Returns
    -------
    One row a source: `source`, `rows_in` (in the source), `set_aside` (by the reader),
    `quarantined` (by the cleaning), `merged` (by both), `loaded`, `made` (rows for readings that
    never came: in the table, but from nowhere), `balanced`, `note`.
    """
    return DataFrame([_entry(name, one, cleaned.get(name)) for name, one in extracts.items()])


def _entry(name, read, done):
    """Return the row of one source in the ledger."""
    first, second, note = read.books, Books(name, 0, 0), ""
    if done is None:
        note = "not cleaned" if first.loaded else "nothing could be read"
        balanced, note = not first.loaded, note if first.rows_in else NOTHING_YET
    else:
        second = done.books
        balanced = (
            (len(read.table), len(read.set_aside)) == (first.loaded, first.set_aside)
            and second.rows_in == first.loaded
            and len(done.table) == second.loaded + second.made
            and len(done.quarantined) == second.refused
        )
    return {
        "source": name,
        "rows_in": first.rows_in,
        "set_aside": first.set_aside,
        "quarantined": second.refused,
        "merged": first.merged + second.merged,
        "loaded": second.loaded,
        "made": second.made,
        "balanced": balanced,
        "note": note,
    }


def load_all(
    cleaned: Mapping[str, Cleaned],
    warehouse: str | Path,
    lake: str | Path | None = None,
    *,
    keys: Mapping[str, str | list[str]] | None = None,
    months: Mapping[str, str] | None = None,
) -> DataFrame:
    """Load every clean table into a warehouse, all or none, and the large ones into a lake too.

    A row whose key is stored already replaces it, so that the same run twice is the same tables.

    Parameters
    ----------
    cleaned : of `clean_all`, or any other tables with their books.
    warehouse : a DuckDB file, made if it is not there.
    lake : the folder of the Parquet files; None for no lake.
    keys : table -> the column or columns that name a row; that of its schema where not given.
    months : with a lake: the tables that go there -> the date whose month makes the folders.

    Returns
    -------
    One row a table: `table`, `key`, `rows` (stored in the warehouse now), `lake_rows` (in the lake;
    0 for a table that does not go there).
    """
    tables = {name: _storable(done.table) for name, done in cleaned.items()}
    named = {name: (keys or {}).get(name) or done.key for name, done in cleaned.items()}
    if nameless := [cleaned[name].books.source for name, key in named.items() if not key]:
        raise ValueError(
            f"No schema tells which column names a row of {nameless[0]}. Pass it: "
            "load_all(..., keys={table: column})."
        )
    stored = load_tables(tables, warehouse, named)
    rows = []
    for name, key in named.items():
        in_lake = 0
        if lake is not None and name in (months or {}):
            month = pd.to_datetime(tables[name][months[name]]).dt.strftime("%Y-%m")
            load_lake(tables[name].assign(month=month), lake, name, by=["month"], key=key)
            in_lake = lake_rows(lake, name)
        rows.append((name, key if isinstance(key, str) else ", ".join(key), stored[name], in_lake))
    return DataFrame(rows, columns=["table", "key", "rows", "lake_rows"])


def _storable(table):
    """Return the table with texts where a column has no type: only gaps, or values of several."""
    loose = [name for name in table.columns if table[name].dtype == object]
    return table.astype(dict.fromkeys(loose, "str"))


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
        services = {"site": served.url} if served else {}
        for name in ("api", "partner", "live", "api_key", "partner_key") if served else ():
            services[name] = getattr(served, name)
        return cls(Path(sources.folder), sources.database_url, **services)

    def __repr__(self):
        services = [one.service for one in KINDS.values() if one.service]
        running = [name for name in services if getattr(self, name)]
        return f"Access(folder={self.folder.name!r}, services={', '.join(running) or 'none'!r})"

    def service(self, name: str, kind: str) -> tuple[str, str]:
        """Return address and key of the service for a kind of source; one that runs is expected."""
        field_name = KINDS[kind].service
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
    helpers.etl.extract.result.CannotExtract: ratings comes from a service (endpoint), and no \
address is known for 'api': start the services and pass Access.of(sources, served), or leave the \
source out.
    """
    if kind not in KINDS:
        raise CannotExtract(
            f"{name} is of kind {kind!r}, for which there is no reader; known are "
            f"{', '.join(sorted(KINDS))}. Check the overview."
        )
    needs = KINDS[kind].needs
    if needs == "service":
        return _from_service(name, kind, place, access, when)
    if needs == "database":
        return extract.read_sql(access.database_url, place, when=when)
    if needs == "file":
        return extract.read_documents(access.folder / place, when=when)
    files = _files(name, kind, place, access)
    return extract.together(_from_file(kind, path, when) for path in files)


def _from_service(name, kind, place, access, when):
    """Read an interface, a stream or pages."""
    address, key = access.service(name, kind)
    if kind == "stream":
        most = {"count": _MOST_EVENTS, "seconds": _MOST_SECONDS}
        asked = {"count": _MOST_EVENTS}
        return extract.read_events(address, key, **most, params=asked, when=when)
    if kind == "pages":
        return extract.read_site(f"{address}/", "body[data-id]", delay_s=0, when=when)
    return extract.read_api(f"{address}/{place}", key, limit=1_000, when=when)


def _from_file(kind, path, when):
    """Read one file of a source."""
    if kind == "csv":  # numbers are written file by file in one style, so each row names its file
        read = extract.read_csv(path, encodings=ENCODINGS, when=when)
        if "file" in read.table:
            raise CannotExtract(
                f"{path.name} has a column 'file' of its own, which would be lost to the file's name "
                "that each row gets here: read it with read_csv, and rename the column."
            )
        return read._replace(table=read.table.assign(file=path.name))
    if kind == "xml":
        return extract.read_xml(path, "item", when=when)
    return getattr(extract, KINDS[kind].reader)(path, when=when)


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
    origin = Provenance(name, 0, 0, sha256_of_rows([]), when=when, read_as=NOTHING_YET)
    return Extract(DataFrame(), aside_table([]), origin, Books(name, 0, 0))
