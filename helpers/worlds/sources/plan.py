"""What a business keeps where: one `Source` a table, file, endpoint or feed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pandas import DataFrame

LIKERT = ["q1", "q2", "q3", "q4", "q5"]


@dataclass(frozen=True)
class Source:
    """One source of a business.

    Attributes
    ----------
    name : what it is called here, in the truth and in the scores.
    kind : one of `helpers.etl.extract.kinds.KINDS`.
    key : the column that names a row; never spoiled, and unique but for events that the world
        itself delivers twice.
    place : the table, the endpoint, or the start of the file names.
    when : the column whose month decides the file; "" for a source that is not cut by month.
    bulky : True for logs of which only the last months of history are laid down.
    spoils : (kind of blemish, column, spoiler) in the order in which they are planted.
    copies : True when some rows are written twice.
    numbers : columns of amounts, which a file may write with a decimal comma.
    links : (column, table) pairs, the foreign keys of a database table.
    hidden : columns of the clean table that are not written: the truth of a match of names.
    """

    name: str
    kind: str
    key: str
    place: str
    when: str = ""
    bulky: bool = False
    spoils: tuple[tuple[str, str, Callable], ...] = ()
    copies: bool = False
    numbers: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    hidden: tuple[str, ...] = ()


def numbered(table: DataFrame, name: str, first: int) -> DataFrame:
    """Return the rows under a new first column `name` that counts on from `first`.

    Examples
    --------
    >>> numbered(DataFrame({"text": ["a", "b"]}), "note_id", 3)["note_id"].tolist()
    [3, 4]
    """
    table = table.reset_index(drop=True)
    table.insert(0, name, np.arange(first, first + len(table)))
    return table


def answers(pleased: np.ndarray, rng: np.random.Generator) -> DataFrame:
    """Draw five answers from 1 to 5 a person; the pleased answer higher.

    Examples
    --------
    >>> answers(np.array([True, False]), np.random.default_rng(7)).shape
    (2, 5)
    """
    mood = np.where(pleased, 3.8, 2.4)[:, None] + rng.normal(0, 0.6, (len(pleased), 1))
    marks = np.clip(np.rint(mood + rng.normal(0, 0.8, (len(pleased), 5))), 1, 5).astype(int)
    return DataFrame(marks, columns=LIKERT)


def web_requests(at, caller, method, path, status, rng: np.random.Generator) -> DataFrame:
    """Write requests as a web server sees them, in order of time.

    Parameters
    ----------
    at, caller, method, path, status : one entry a request; `caller` is a whole number that decides
        the address (from 198.18.0.0/15, which is kept for benchmarks) and the browser.

    Returns
    -------
    `path`, `requested_at`, `ip`, `method`, `status`, `bytes`, `agent`.
    """
    caller = np.asarray(caller)
    number = caller % 131_072
    ip = [f"198.{18 + n // 65_536}.{n // 256 % 256}.{n % 256}" for n in number.tolist()]
    table = DataFrame(
        {
            "path": np.asarray(path, dtype=object),
            "requested_at": np.asarray(at).astype("M8[s]"),
            "ip": np.array(ip, dtype=object),
            "method": np.asarray(method, dtype=object),
            "status": np.asarray(status),
            "bytes": rng.integers(400, 30_000, len(caller)),
            "agent": np.array(BROWSERS, dtype=object)[caller % len(BROWSERS)],
        }
    )
    return table.sort_values("requested_at", kind="stable", ignore_index=True)


BROWSERS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
]  # fmt: skip


@dataclass(frozen=True)
class Feed:
    """Rows that a web service gives out, in the order in which they are published.

    Attributes
    ----------
    source : the source.
    columns : the names of the values of a row.
    rows : one list of plain values a row.
    times : when each became known; empty for a source without times.
    """

    source: Source
    columns: list[str]
    rows: list[list]
    times: np.ndarray

    @classmethod
    def of(cls, source: Source, clean: DataFrame, planting) -> Feed:
        """Make a feed of what is planted."""
        written = planting.written()
        rows = [list(row) for row in zip(*written.values(), strict=True)]
        times = clean[source.when].to_numpy()[planting.order] if source.when else np.array([])
        return cls(source, list(written), rows, times.astype("M8[s]"))

    def followed_by(self, later: Feed) -> Feed:
        """Return a feed with the rows of both."""
        times = np.concatenate([self.times, later.times])
        return Feed(self.source, self.columns, self.rows + later.rows, times)

    def objects(self, places) -> list[dict]:
        """Return the rows at `places` as JSON objects."""
        return [dict(zip(self.columns, self.rows[place], strict=True)) for place in places]
