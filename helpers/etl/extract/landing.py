"""Where rows land as they arrive: kept together with the cursor, so that a killed run goes on."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pandas import DataFrame

from helpers.etl.books import Books
from helpers.etl.extract.files import unreadable
from helpers.etl.extract.result import CannotExtract, aside_table, sha256_of_rows
from helpers.files import sha256_of

_TABLES = """
CREATE TABLE IF NOT EXISTS cursors (source TEXT PRIMARY KEY, run INTEGER, done INTEGER,
    state TEXT, version INTEGER, seen INTEGER, merged INTEGER);
CREATE TABLE IF NOT EXISTS landed (number INTEGER PRIMARY KEY, source TEXT, run INTEGER, key TEXT, row TEXT,
    likeness TEXT);
CREATE INDEX IF NOT EXISTS landed_key ON landed (source, key);
CREATE INDEX IF NOT EXISTS landed_run ON landed (source, run);
CREATE TABLE IF NOT EXISTS aside (source TEXT, run INTEGER, line INTEGER, reason TEXT, text TEXT);
CREATE TABLE IF NOT EXISTS files (name TEXT PRIMARY KEY, sha256 TEXT);
"""


@dataclass(frozen=True)
class Mark:
    """How far the reading of a source has come.

    Attributes
    ----------
    source : its name.
    run : readings begun so far, this one included.
    state : what the reader noted: the next page, the last event, the newest moment.
    version : how many batches of the run are kept.
    """

    source: str
    run: int
    state: dict
    version: int


class Landing(contextlib.AbstractContextManager):
    """A file (SQLite) that keeps rows and cursors of sources, each batch whole or not at all.

    Rows and the cursor behind them are written in one transaction. So a run that is killed loses
    nothing that was kept, and the next run goes on at the cursor and gets nothing twice.

    Parameters
    ----------
    path : the file, made when missing; ":memory:" keeps nothing beyond the process.

    Raises
    ------
    CannotExtract
        If the file is there and is no landing, or another process is writing to it for long.

    Examples
    --------
    >>> with Landing(":memory:") as landing:
    ...     mark = landing.begin("ratings")
    ...     mark = landing.keep(mark, [{"id": 1}], [], {"next": "page 2"}, key="id")
    ...     mark = landing.keep(mark, [{"id": 1}, {"id": 2}], [], {"next": None}, key="id")
    ...     landing.finish(mark, {"since": "2025-03-01"})
    ...     landing.rows("ratings"), landing.books(mark).line(), landing.begin("ratings").state
    ([{'id': 1}, {'id': 2}], '3 in = 2 loaded + 0 set aside + 1 merged', {'since': '2025-03-01'})
    """

    def __init__(self, path: str | Path):
        self._name = Path(path).name
        self._looked: dict[str, str] = {}
        if str(path) != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        with self._told(), contextlib.ExitStack() as undo:
            self._file = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            undo.callback(self._file.close)
            self._file.execute("PRAGMA synchronous=FULL")
            self._file.executescript(_TABLES)
            undo.pop_all()

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def begin(self, source: str) -> Mark:
        """Begin a run, or go on with one that was stopped."""
        asked = "SELECT run, done, state, version FROM cursors WHERE source = ?"
        with self._transaction():
            run, done, state, version = self._one(asked, source) or (0, 1, "{}", 0)
            if not done:
                return Mark(source, run, json.loads(state), version)
            begun = "INSERT OR REPLACE INTO cursors VALUES (?, ?, 0, ?, 0, 0, 0)"
            self._file.execute(begun, [source, run + 1, state])
        return Mark(source, run + 1, json.loads(state), 0)

    def keep(
        self,
        mark: Mark,
        rows: Sequence[dict],
        aside: Iterable[tuple],
        state: dict,
        key: str = "",
        apart: str = "",
    ) -> Mark:
        """Keep a batch and the cursor behind it; return the new mark.

        Parameters
        ----------
        mark : from `begin` or the last `keep`.
        rows : values that JSON can hold.
        aside : (source, line, reason, text) of what was set aside.
        state : the cursor after these rows.
        key : a column; a row equal to one kept before with the same key is merged. "" merges none.
            So a row that goes back to what it was counts as a copy, unless it tells its moment.
        apart : a column that does not count for being equal, such as the place in a feed; it does
            for rows without a key, which nothing else tells apart.

        Raises
        ------
        CannotExtract
            If another process kept something of this source meanwhile.
        """
        kept = [(mark.source, mark.run, *one[1:]) for one in aside]
        with self._transaction():
            self._check_mine(mark)
            merged = sum(not self._land(mark, row, key, apart) for row in rows)
            self._file.executemany("INSERT INTO aside VALUES (?, ?, ?, ?, ?)", kept)
            self._file.execute(
                "UPDATE cursors SET state = ?, version = version + 1, seen = seen + ?, "
                "merged = merged + ? WHERE source = ?",
                [json.dumps(state), len(rows) + len(kept), merged, mark.source],
            )
        return replace(mark, state=state, version=mark.version + 1)

    def finish(self, mark: Mark, state: dict) -> None:
        """End a run; the next one begins with `state`."""
        ended = "UPDATE cursors SET done = 1, state = ? WHERE source = ?"
        with self._transaction():
            self._check_mine(mark)
            self._file.execute(ended, [json.dumps(state), mark.source])

    def rows(self, source: str, run: int | None = None) -> list[dict]:
        """Return the rows kept of a source, of one run or of all, in the order of arrival."""
        which, values = ("", [source]) if run is None else (" AND run = ?", [source, run])
        asked = f"SELECT row FROM landed WHERE source = ?{which} ORDER BY number"
        return [json.loads(row) for (row,) in self._file.execute(asked, values)]

    def aside(self, mark: Mark) -> DataFrame:
        """Return what a run set aside, as `Extract.set_aside`."""
        asked = "SELECT source, line, reason, text FROM aside WHERE source = ? AND run = ?"
        found = self._file.execute(f"{asked} ORDER BY rowid", [mark.source, mark.run])
        return aside_table(found.fetchall())

    def books(self, mark: Mark) -> Books:
        """Return the books of a run: what came in was counted as it came."""
        seen, merged = self._one("SELECT seen, merged FROM cursors WHERE source = ?", mark.source)
        asked = "SELECT count(*) FROM {} WHERE source = ? AND run = ?"
        (landed,) = self._one(asked.format("landed"), mark.source, mark.run)
        (aside,) = self._one(asked.format("aside"), mark.source, mark.run)
        return Books(mark.source, seen, landed, merged=merged, set_aside=aside)

    def unread(self, paths: Iterable[Path]) -> list[Path]:
        """Return the files that are new or changed since `remember` was told of them, in order.

        Examples
        --------
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "sales.csv"
        >>> _ = path.write_text("id")
        >>> with Landing(":memory:") as landing:
        ...     first = landing.unread([path])
        ...     landing.remember(first)
        ...     len(first), landing.unread([path])
        (1, [])
        """
        known = dict(self._file.execute("SELECT name, sha256 FROM files"))
        found = {str(path): _fingerprint(path) for path in paths}
        self._looked |= found
        return [Path(name) for name, sha256 in found.items() if known.get(name) != sha256]

    def remember(self, paths: Iterable[Path]) -> None:
        """Remember that files were read, as `unread` saw them: what was added since is unread."""
        names = list(map(str, paths))
        found = [(name, self._looked.pop(name, None) or _fingerprint(name)) for name in names]
        with self._transaction():
            self._file.executemany("INSERT OR REPLACE INTO files VALUES (?, ?)", found)

    def _land(self, mark, row, key, apart):
        """Keep a row unless its like is there; return whether it was kept."""
        name = like = None
        if key:
            apart = apart if row.get(key) is not None else ""
            name = json.dumps(row.get(key))
            like = sha256_of_rows([{n: v for n, v in row.items() if n != apart}])
            asked = "SELECT 1 FROM landed WHERE source = ? AND key = ? AND likeness = ?"
            if self._one(asked, mark.source, name, like):
                return False
        self._file.execute(
            "INSERT INTO landed (source, run, key, row, likeness) VALUES (?, ?, ?, ?, ?)",
            [mark.source, mark.run, name, json.dumps(row), like],
        )
        return True

    def _one(self, asked, *values):
        return self._file.execute(asked, values).fetchone()

    def _check_mine(self, mark):
        asked = "SELECT run, version FROM cursors WHERE source = ? AND done = 0"
        if self._one(asked, mark.source) != (mark.run, mark.version):
            raise CannotExtract(
                f"another run has read {mark.source} into {self._name} meanwhile: let it end, then "
                "start again."
            )

    @contextlib.contextmanager
    def _transaction(self):
        """Write all that happens within, or nothing."""
        with self._told():
            self._file.execute("BEGIN IMMEDIATE")
            with self._file:  # commits, or rolls back
                yield

    @contextlib.contextmanager
    def _told(self):
        """Say in a sentence what the file's trouble is."""
        try:
            yield
        except sqlite3.Error as error:
            raise CannotExtract(
                f"{self._name} was expected to be a landing file that can be written to, but: "
                f"{error}. Take another file, or end the run that holds it."
            ) from error


def _fingerprint(path):
    try:
        return sha256_of(Path(path))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
