"""Where rows land as they arrive: kept together with the cursor, so that a killed run goes on."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.etl.extract.result import CannotExtract, RowAccount, aside_table, sha256_of_rows
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
    resumed : whether an earlier process began this run and was stopped.
    """

    source: str
    run: int
    state: dict
    resumed: bool
    version: int


class Landing:
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
    ...     landing.rows("ratings"), str(landing.account(mark)), landing.begin("ratings").state
    ([{'id': 1}, {'id': 2}], '3 in = 2 returned + 0 set aside + 1 merged', {'since': '2025-03-01'})
    """

    def __init__(self, path: str | Path):
        self._name = Path(path).name
        self._looked: dict[str, str] = {}
        if str(path) != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        with self._told():
            self._file = sqlite3.connect(path, timeout=10.0, isolation_level=None)
            try:
                self._file.execute("PRAGMA synchronous=FULL")
                self._file.executescript(_TABLES)
            except sqlite3.Error:
                self._file.close()
                raise

    def __enter__(self) -> Landing:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def begin(self, source: str) -> Mark:
        """Begin a run, or go on with one that was stopped."""
        with self._transaction():
            found = self._file.execute(
                "SELECT run, done, state, version FROM cursors WHERE source = ?", [source]
            ).fetchone()
            if found and not found[1]:
                return Mark(source, found[0], json.loads(found[2]), found[3] > 0, found[3])
            run, state = (found[0] + 1, json.loads(found[2])) if found else (1, {})
            self._file.execute(
                "INSERT OR REPLACE INTO cursors VALUES (?, ?, 0, ?, 0, 0, 0)",
                [source, run, json.dumps(state)],
            )
        return Mark(source, run, state, False, 0)

    def keep(
        self,
        mark: Mark,
        rows: Iterable[dict],
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
        rows, aside = list(rows), list(aside)
        with self._transaction():
            self._check_mine(mark)
            merged = sum(not self._land(mark, row, key, apart) for row in rows)
            self._file.executemany(
                "INSERT INTO aside VALUES (?, ?, ?, ?, ?)",
                [(mark.source, mark.run, *one[1:]) for one in aside],
            )
            self._file.execute(
                "UPDATE cursors SET state = ?, version = version + 1, seen = seen + ?, "
                "merged = merged + ? WHERE source = ?",
                [json.dumps(state), len(rows) + len(aside), merged, mark.source],
            )
        return replace(mark, state=state, version=mark.version + 1)

    def finish(self, mark: Mark, state: dict) -> None:
        """End a run; the next one begins with `state`."""
        with self._transaction():
            self._check_mine(mark)
            self._file.execute(
                "UPDATE cursors SET done = 1, state = ? WHERE source = ?",
                [json.dumps(state), mark.source],
            )

    def rows(self, source: str, run: int | None = None) -> list[dict]:
        """Return the rows kept of a source, of one run or of all, in the order of arrival."""
        which, values = ("", [source]) if run is None else (" AND run = ?", [source, run])
        found = self._file.execute(
            f"SELECT row FROM landed WHERE source = ?{which} ORDER BY number", values
        )
        return [json.loads(row) for (row,) in found]

    def aside(self, mark: Mark):
        """Return what a run set aside, as `Extract.set_aside`."""
        found = self._file.execute(
            "SELECT source, line, reason, text FROM aside WHERE source = ? AND run = ? ORDER BY rowid",
            [mark.source, mark.run],
        )
        return aside_table(found.fetchall())

    def account(self, mark: Mark) -> RowAccount:
        """Return the account of a run: what came in was counted as it came."""
        seen, merged = self._file.execute(
            "SELECT seen, merged FROM cursors WHERE source = ?", [mark.source]
        ).fetchone()
        counts = [
            self._file.execute(
                f"SELECT count(*) FROM {table} WHERE source = ? AND run = ?",
                [mark.source, mark.run],
            ).fetchone()[0]
            for table in ("landed", "aside")
        ]
        return RowAccount(seen, counts[0], counts[1], merged)

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
        name = json.dumps(row.get(key)) if key else None
        apart = apart if row.get(key) is not None else ""
        like = sha256_of_rows([{n: v for n, v in row.items() if n != apart}]) if name else None
        if name is not None:
            known = self._file.execute(
                "SELECT 1 FROM landed WHERE source = ? AND key = ? AND likeness = ?",
                [mark.source, name, like],
            ).fetchone()
            if known:
                return False
        self._file.execute(
            "INSERT INTO landed (source, run, key, row, likeness) VALUES (?, ?, ?, ?, ?)",
            [mark.source, mark.run, name, json.dumps(row), like],
        )
        return True

    def _check_mine(self, mark):
        found = self._file.execute(
            "SELECT run, version FROM cursors WHERE source = ? AND done = 0", [mark.source]
        ).fetchone()
        if found != (mark.run, mark.version):
            raise CannotExtract(
                f"another run has read {mark.source} into {self._name} meanwhile: let it end, then "
                "start again."
            )

    @contextlib.contextmanager
    def _transaction(self):
        """Write all that happens within, or nothing."""
        with self._told():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._file.execute("COMMIT")
            except BaseException:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                raise

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
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise CannotExtract(
            f"a file was expected at {path}, but: {error}. Check the path, and who may read it."
        ) from error
