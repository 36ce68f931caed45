"""Stage 3: load tables into a lake: Parquet files in folders, moved into place when they are whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd
from pandas import DataFrame

from helpers.checks import require_columns
from helpers.etl.books import merge_deliveries
from helpers.etl.load import (
    checked_keys,
    checked_name,
    connected,
    identifier,
    kind_of,
    one_writer,
    require_same_columns,
    require_same_kinds,
)
from helpers.etl.parsing import LARGEST_EXACT


def load_lake(
    table: DataFrame,
    lake: str | Path,
    name: str,
    by: list[str],
    key: str | list[str] | None = None,
) -> Path:
    """Write a table into a lake, in folders `name/by=value/`, in place of the old; return its folder.

    With a `key`, what is stored is merged with what comes, so that a delivery twice makes no row
    double. The same input makes the same files.

    Parameters
    ----------
    lake : the folder of all tables.
    by : the columns of texts that make the folders, such as ["month"]; few values each.

    Raises
    ------
    ValueError
        If the name is none, a key is missing, the columns differ from those stored or hold something
        else, or somebody else is writing. The stored table is then as it was.

    Examples
    --------
    >>> lake = tempfile.mkdtemp()
    >>> sales = DataFrame({"line_id": [1, 2], "month": ["2024-08", "2024-09"], "price_eur": [5.0, 7.0]})
    >>> folder = load_lake(sales, lake, "sales", by=["month"])
    >>> sorted(path.name for path in folder.iterdir())
    ['month=2024-08', 'month=2024-09']
    >>> len(read_lake(lake, "sales", "month = '2024-09'"))
    1
    """
    checked_name(name)
    keys = checked_keys(table, key)
    require_columns(table, "the table", by)
    for column in by:
        if kind_of(table[column]) not in ("texts", ""):
            raise ValueError(
                f"{column} holds {kind_of(table[column])}, but it makes the names of folders, which "
                "are read back as texts. Write it as a text first."
            )
    lake = Path(lake)
    with one_writer(lake / name):
        _finish_move(lake, name)
        if keys:
            there = (lake / name).is_dir()
            table = _stacked(read_lake(lake, name), table, name) if there else table
            table = merge_deliveries(table, keys)
        new = Path(tempfile.mkdtemp(dir=lake, prefix=f".{name}-new-"))
        try:
            _write_parquet(table, new, by)
            _move_into_place(new, lake, name)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return lake / name


def _stacked(stored, table, name):
    """Return what is stored and what comes as one table; no value of either changes."""
    require_same_columns(name, stored.columns, table)
    stored = stored[list(map(str, table.columns))].set_axis(table.columns, axis=1)
    there, coming = ({c: kind_of(one[c]) for c in table.columns} for one in (stored, table))
    require_same_kinds(name, there, coming)
    # A column of gaps alone has no type of its own to bring along.
    parts = [
        stored[[c for c in table.columns if there[c] or not coming[c]]],
        table[[c for c in table.columns if coming[c] or not there[c]]],
    ]
    both = pd.concat(parts, ignore_index=True)[list(table.columns)]
    for column in both.select_dtypes("floating"):
        for part in parts:
            if column in part and part[column].dtype.kind in "iu":
                huge = part[column].abs().ge(LARGEST_EXACT)
                if huge.any():
                    raise ValueError(
                        f"{column} of {name} has {int(huge.sum()):,} whole number(s) that a decimal one "
                        "would round; what was there is unchanged. Bring the column to whole numbers first."
                    )
    return both


def _write_parquet(table, folder, by):
    """Write the partitions with DuckDB, on one thread so that the files are the same each time."""
    with connected() as connection:
        connection.execute("SET threads = 1")
        connection.register("incoming", table)
        connection.execute(
            "COPY (SELECT * FROM incoming) TO ? (FORMAT parquet, "
            f"PARTITION_BY ({', '.join(map(identifier, by))}), OVERWRITE_OR_IGNORE true, "
            "FILENAME_PATTERN 'part-{i}')",
            [str(folder)],
        )


def _move_into_place(new, lake, name):
    """Replace the folder of a table: the old one steps aside, the new one in, the old one goes."""
    os.chmod(new, 0o755)
    aside = lake / f".{name}-old"
    if (lake / name).exists():
        os.rename(lake / name, aside)
    os.rename(new, lake / name)
    shutil.rmtree(aside, ignore_errors=True)


def _finish_move(lake, name):
    """Tidy up after a kill: bring the old table back if the new one did not come."""
    aside = lake / f".{name}-old"
    if aside.exists() and not (lake / name).exists():
        os.rename(aside, lake / name)
    shutil.rmtree(aside, ignore_errors=True)
    for left in lake.glob(f".{name}-new-*"):
        shutil.rmtree(left, ignore_errors=True)


def read_lake(lake: str | Path, name: str, where: str = "") -> DataFrame:
    """Return a table of a lake; a condition on the folders' columns leaves the other files unread.

    Raises
    ------
    ValueError
        If there is no such table.
    """
    return _found(lake, name, "*", where)


def lake_rows(lake: str | Path, name: str) -> int:
    """Return how many rows a table of a lake has; its files say so without being read."""
    return int(_found(lake, name, "count(*) AS rows")["rows"].item())


def _found(lake, name, what, where=""):
    """Return what is selected from the files of a table."""
    checked_name(name)
    # The second: a writer was killed between its two moves.
    places = [Path(lake) / name, Path(lake) / f".{name}-old"]
    folder = next((one for one in places if one.is_dir()), None)
    if folder is None:
        raise ValueError(f"The lake holds no table {name}. Load it first.")
    files = "read_parquet(?, hive_partitioning = true, hive_types_autocast = false)"
    query = f"SELECT {what} FROM {files} WHERE {where or 'true'}"
    with connected() as connection:
        return connection.execute(query, [str(folder / "**" / "*.parquet")]).df()
