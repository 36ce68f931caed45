"""The source systems of a business: a world laid down as a business keeps it.

`Sources(world, folder).lay_down()` writes a database, a document store, exports, logs, batches,
surveys and sensor files into the folder; `Sources.serve()` puts its web services on loopback. Both
hold the blemishes that such data have, and `helpers.worlds.sources.truth` knows every one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pandas import DataFrame

from helpers.etl.extract.kinds import KINDS
from helpers.worlds.operator.world import Operator
from helpers.worlds.play import MONTHS, CannotPlay, is_whole, plainly, require_number
from helpers.worlds.shop.world import Shop
from helpers.worlds.sources import files, sensors, supplier, weblogs
from helpers.worlds.sources.blemishes import Planting, checked_rates, plain, stream
from helpers.worlds.sources.documents import documents
from helpers.worlds.sources.folder import empty_folder, written
from helpers.worlds.sources.operator import OperatorTables
from helpers.worlds.sources.plan import Feed
from helpers.worlds.sources.shop import ShopTables

if TYPE_CHECKING:
    from helpers.worlds.sources.services import Served

_ENDINGS = {"csv": ".csv", "json lines": ".jsonl", "xml": ".xml", "log": ".log",
            "sensors": ".csv", "survey": ".csv", "forms": ".json"}  # fmt: skip
_RENDER = {
    "json lines": files.json_lines,
    "xml": supplier.supplier_xml,
    "log": weblogs.access_logs,
    "sensors": sensors.sensor_file,
    "survey": files.survey,
    "forms": files.forms,
}


@dataclass(frozen=True)
class SourcesRecord:
    """What is behind the sources, which their truth reads.

    Attributes
    ----------
    clean : source -> its table, as it would be without a blemish.
    places : source -> (file, table or endpoint, rows of `clean` that go there), in their order.
    log : one line a blemish, see `helpers.worlds.sources.blemishes.COLUMNS`.
    """

    clean: dict[str, DataFrame] = field(default_factory=dict)
    places: dict[str, list] = field(default_factory=dict)
    log: list[tuple] = field(default_factory=list)


@dataclass(frozen=True)
class _Batch(SourcesRecord):
    """What the history or one month brings, before any of it is written."""

    files: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, tuple] = field(default_factory=dict)
    documents: dict[str, list] = field(default_factory=dict)
    feeds: dict[str, Feed] = field(default_factory=dict)


class Sources:
    """The systems of a world's business, in a folder and on loopback.

    Parameters
    ----------
    world : a `Shop` or an `Operator`.
    folder : where the files go; empty or not there yet.
    database : an SQLAlchemy URL of an empty database; without one an SQLite file in the folder.
    blemishes : scales the usual rates of blemishes, 0 (clean) to 10.
    rates : other shares for some kinds, see `helpers.worlds.sources.blemishes.RATES`; scaled too.
    months : months of history, 1 to 12, of which the bulky logs (clicks, web requests, price lists,
        cold rooms, single records of use) are laid down, counted from the last.
    probes : sensors in each cold room of a shop, 1 or 2; with the second, one of the rooms truly
        warms in the last month of history, as a creeping sensor would.

    Raises
    ------
    CannotPlay
        If an argument is none of these, or something is in the folder.

    Examples
    --------
    >>> import tempfile
    >>> sources = Sources(Operator(subscribers=40, seed=7), Path(tempfile.mkdtemp()) / "operator")
    >>> sources.lay_down()
    >>> sorted(path.name for path in sources.folder.iterdir())[:4]
    ['exports', 'forms', 'logs', 'operator.sqlite']
    """

    def __init__(
        self,
        world: Shop | Operator,
        folder: str | Path,
        database: str | None = None,
        *,
        blemishes: float = 1.0,
        rates: Mapping[str, float] | None = None,
        months: int = 3,
        probes: int = 1,
    ):
        from helpers.worlds.sources.databases import Database

        require_number("months", months, 1, MONTHS, 3)
        self._rates = checked_rates(blemishes, rates)
        require_number("probes", probes, 1, 2, 1)
        self._books = _books(world, months, probes)
        self._world, self._months = world, min(months, 1 - self._books.first_month)
        self.folder = empty_folder(folder)
        self._database = Database(database, self.folder / f"{self._books.name}.sqlite")
        self._month: int | None = None
        self._record = SourcesRecord()
        self._documents: dict[str, list] = {}
        self._feeds: dict[str, Feed] = {}

    @property
    def hidden(self) -> SourcesRecord:
        """What nobody in the business knows, for `SourcesTruth` and tests; not to be changed."""
        return self._record

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database, with its password if it has one."""
        return self._database.url.render_as_string(hide_password=False)

    def lay_down(self) -> None:
        """Write the world's history into the folder and the database.

        Every file appears whole under its name; the database takes all tables or none.

        Raises
        ------
        CannotPlay
            If it was done before, something has come into the folder meanwhile, or a file or the
            database cannot be written. The folder is empty again then, and a second try can work.
        """
        if self._month is not None:
            raise CannotPlay(
                f"the sources in {self.folder} are laid down once, and that is done: add the months "
                "played with add(month, tables), or make new Sources in another folder."
            )
        empty_folder(self.folder)
        self._write(self._world.history(), 0)

    def add(self, month: int, tables: Mapping[str, DataFrame]) -> None:
        """Append what a played month brought: new files, new rows, new events.

        Parameters
        ----------
        month : 1 to 12, each once and in order.
        tables : what `world.play(month, ...)` returned.

        Raises
        ------
        CannotPlay
            If the history is not laid down, the month is not the next, or a table is missing or
            of another month. After a failure the same month can be added again.
        """
        if self._month is None:
            raise CannotPlay("the history comes first: call lay_down() before add().")
        expected = self._month + 1
        if not is_whole(month) or month != expected or expected > self._books.last_month:
            todo = (
                f"add month {expected}"
                if expected <= self._books.last_month
                else "make new Sources"
            )
            raise CannotPlay(
                f"months are added once each and in order, so month {expected} was expected; got "
                f"{plainly(month)}: {todo}."
            )
        self._require_tables(tables, int(month))
        self._write(dict(tables), int(month))

    def overview(self) -> DataFrame:
        """Return what is kept where: one row a source.

        Returns
        -------
        `source`, `kind`, `place` (table, endpoint, or start of the file names), `key` (the column
        that names a row), `rows` (without what does not belong).
        """
        rows = [
            (one.name, one.kind, one.place, one.key, len(self._record.clean.get(one.name, ())))
            for one in self._books.sources
        ]
        return DataFrame(rows, columns=["source", "kind", "place", "key", "rows"])

    @contextmanager
    def serve(
        self,
        *,
        burst: int = 40,
        retry_after_s: float = 0.1,
        failures: float = 0.03,
        crawl_delay_s: int = 1,
    ) -> Iterator[Served]:
        """Put the web services on 127.0.0.1, at a free port, until the block is left.

        Parameters
        ----------
        burst : requests answered in a row before the interface asks for a pause (429); the third
            party asks after a quarter of them. At least 4.
        retry_after_s : the pause, which `Retry-After` tells; 0.0 to 60 seconds.
        failures : share of requests answered with 503, 0.0 to 0.5, by seed and request number.
        crawl_delay_s : what robots.txt asks of robots, whole seconds from 0 to 60.

        Yields
        ------
        `helpers.worlds.sources.services.Served` : addresses and keys.

        Raises
        ------
        CannotPlay
            If nothing is laid down, an argument is out of range, or no server can start.

        Examples
        --------
        >>> import tempfile, requests
        >>> sources = Sources(Operator(subscribers=40, seed=7), tempfile.mkdtemp())
        >>> sources.lay_down()
        >>> with sources.serve() as served:
        ...     requests.get(f"{served.api}/tickets", timeout=5).status_code
        401
        """
        from helpers.worlds.sources import services

        if self._month is None:
            raise CannotPlay("there is nothing to serve yet: call lay_down() first.")
        settings = services.Settings(burst, retry_after_s, failures, crawl_delay_s)
        with services.serving(self._books, self._feeds, settings, self._world.seed) as served:
            yield served

    def _require_tables(self, tables, month):
        """Stop unless `tables` are those of the month, as far as their first dates tell."""
        books, expected = self._books, f"tables was expected to be what play({month}, ...) returned"
        if not isinstance(tables, Mapping):
            raise CannotPlay(f"{expected}; got a {type(tables).__name__}: pass that.")
        missing = [name for name in books.reads if not isinstance(tables.get(name), DataFrame)]
        if missing:
            raise CannotPlay(f"{expected}, but it lacks {', '.join(missing)}: pass all of them.")
        start, end = books.starts(month), books.starts(month + 1)
        for name, column in [pair for pair in books.dated if pair[1] in tables[pair[0]]]:
            first = pd.to_datetime(tables[name][column], errors="coerce").min()
            if not pd.isna(first) and not pd.Timestamp(start) <= first < pd.Timestamp(end):
                last = end - np.timedelta64(1, "s")
                raise CannotPlay(
                    f"{expected}, whose days are {str(start)[:10]} to {str(last)[:10]}; "
                    f"{name}.{column} begins on {str(first)[:10]}: pass the tables of month {month}."
                )

    def _write(self, seen, month):
        """Prepare everything, then write the files, then the database; only then remember it."""
        from helpers.worlds.sources.databases import documents_file

        batch = self._prepare(seen, month)
        for name, new in batch.documents.items():
            batch.files[name] = documents_file(self._documents.get(name, []) + new)
        with written(self.folder, batch.files):
            fill = self._database.add if month else self._database.lay_down
            fill(batch.tables)
        self._remember(batch, month)

    def _prepare(self, seen, month):
        """Return the batch: clean tables spoiled and rendered."""
        batch = _Batch()
        taken = {one.name: self._last_number(one) for one in self._books.sources}
        try:
            tables = self._books.tables(seen, month, taken)
            for source in self._books.sources:
                if tables[source.name] is not None:
                    self._prepare_source(batch, source, tables[source.name], month)
        except KeyError as error:
            raise CannotPlay(
                f"the tables of month {month} were expected to have the columns that the world "
                f"writes, but {error} is not there: pass them as play returned them."
            ) from error
        return batch

    def _last_number(self, source):
        """Return the highest number that names a row of a source so far, 0 for none."""
        clean = self._record.clean
        keys = clean[source.name][source.key] if source.name in clean else pd.Series([])
        return int(keys.max()) if len(keys) and keys.dtype.kind == "i" else 0

    def _prepare_source(self, batch, source, table, month):
        """Cut a source's table into its parts and plant each.

        A file shows a column under whatever name it has; a database or a service knows the columns
        it had in the history, and no others: what is renamed meanwhile goes under its old name.
        """
        if source.name in self._record.clean and KINDS[source.kind].needs != "files":
            table = table.rename(columns=self._books.old_names(month))
            table = table.reindex(columns=self._record.clean[source.name].columns)
        parts = self._parts(source, table, month)
        batch.clean[source.name] = table.iloc[np.concatenate([rows for _, rows in parts])]
        values = plain(table.drop(columns=list(source.hidden)))
        for part_month, rows in parts:
            own = {name: column[rows] for name, column in values.items()}
            self._plant(batch, source, table, rows, own, part_month)

    def _parts(self, source, table, month):
        """Return (month, places of rows) for each file; a month of history without rows has none."""
        everything = np.arange(len(table))
        if source.when not in table.columns or month:
            return [(month, everything)]
        months = range(self._books.first_month, 1)
        starts = np.array([self._books.starts(one) for one in months])
        of_row = np.searchsorted(starts, table[source.when].to_numpy(), side="right") - 1
        of_row = np.maximum(of_row, 0) + months[0]
        if source.bulky:
            months = range(1 - self._months, 1)
        if KINDS[source.kind].needs != "files":
            return [(month, everything[of_row >= months[0]])]
        parts = [(one, everything[of_row == one]) for one in months]
        return [part for part in parts if len(part[1])] or parts[-1:]

    def _plant(self, batch, source, table, rows, values, month):
        """Spoil one part of a source and put what is to be written into the batch."""
        packed = source.kind == "csv" and source.copies and month == self._books.first_month
        place = self._place(source, month, packed)
        rng = stream(self._world.seed, month, source.name)
        planting = Planting(source.name, place, values, source.key, rng, self._rates)
        for kind, column, change in source.spoils:
            planting.spoil(kind, column, change)
        self._books.respell(planting)
        if source.copies:
            planting.copy_rows()
        if source.kind == "stream":
            planting.copy_rows("repeated event")
            planting.swap_rows()
        _render(batch, source, table.iloc[rows], planting, month, packed)
        batch.places.setdefault(source.name, []).append((place, len(rows)))
        batch.log.extend(planting.log)

    def _place(self, source, month, packed):
        """Return the file, table or endpoint that a part goes to."""
        if KINDS[source.kind].needs != "files":
            return source.place
        return f"{source.place}_{self._books.label(month)}{_ENDINGS[source.kind]}{'.gz' * packed}"

    def _remember(self, batch, month):
        clean, places = dict(self._record.clean), dict(self._record.places)
        for name, table in batch.clean.items():
            known = [clean[name]] if name in clean else []
            clean[name] = pd.concat([*known, table], ignore_index=True)
            places[name] = places.get(name, []) + batch.places[name]
        self._record = SourcesRecord(clean, places, self._record.log + batch.log)
        for name, new in batch.documents.items():
            self._documents[name] = self._documents.get(name, []) + new
        for name, feed in batch.feeds.items():
            self._feeds[name] = self._feeds[name].followed_by(feed) if name in self._feeds else feed
        self._month = month


def _render(batch, source, clean, planting, month, packed):
    """Put one part of a source into the batch in its form: table, documents, feed or file."""
    needs = KINDS[source.kind].needs
    if needs == "database":
        batch.tables[source.place] = (source, clean, planting.written())
    elif needs == "file":
        batch.documents[source.place] = documents(source.name, planting.written())
    elif needs == "service":
        batch.feeds[source.name] = Feed.of(source, clean, planting)
    elif source.kind == "csv":
        batch.files.update(files.csv_export(planting, source, month, packed))
    else:
        batch.files.update(_RENDER[source.kind](planting, source, month))


def _books(world, months, probes):
    if isinstance(world, Shop):
        return ShopTables(world, months, probes)
    if isinstance(world, Operator):
        return OperatorTables(world, months)
    raise CannotPlay(
        f"world is a Shop or an Operator; got a {type(world).__name__}: write for instance "
        "Sources(Shop(), folder)."
    )
