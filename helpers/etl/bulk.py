"""Stage 3: the shop's order lines at any size: the same rules as SQL, run by DuckDB out of core.

A million rows take a second; a table larger than the memory limit is spilled to disk. What the rules
are is told by `helpers.etl.businesses.shop`: cents to euro, one spelling, repeats merged, every row
accounted for.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from helpers.etl.books import Accounting
from helpers.etl.businesses.schemas import CHANNELS, TABLES
from helpers.etl.load import connected, literal, one_value, one_writer
from helpers.etl.parsing import spelling_key

# Reasons in the order in which they are tried; a row has one.
REASONS = {
    "line_id is no number": "line_id IS NULL",
    "order_id is no number": "order_id IS NULL",
    "customer_id is no number": "customer_id IS NULL",
    # DuckDB reads "nan" and "inf" as numbers, and holds them for greater than any other.
    "price_eur is no amount": "price_eur IS NULL OR NOT price_eur BETWEEN {} AND {}".format(
        *TABLES["shop.order_lines"]["price_eur"]
    ),
    "ordered_at is no date": "ordered_at IS NULL",
    "product_id is no product": "category IS NULL",
    "channel is no known word": "channel IS NULL",
}
# Orders first, customers then: count(DISTINCT ...) would hold every order in memory at once.
FEATURES = """
CREATE TABLE customer_features AS
SELECT customer_id, count(*) AS orders, sum(lines)::BIGINT AS lines,
       round(sum(spent_eur), 2) AS spent_eur, max(last_ordered_at) AS last_ordered_at
FROM (SELECT customer_id, order_id, count(*) AS lines, sum(price_eur) AS spent_eur,
             max(ordered_at) AS last_ordered_at FROM order_lines GROUP BY customer_id, order_id)
GROUP BY customer_id
"""


@dataclass(frozen=True)
class BulkLoad:
    """What a bulk load did: its accounts, and where the tables are."""

    accounting: Accounting
    warehouse: Path


def load_order_lines(
    lines: str | Path,
    products: str | Path,
    warehouse: str | Path,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> BulkLoad:
    """Clean order lines from files into a warehouse: lines, customer features, quarantine.

    Parameters
    ----------
    lines : a Parquet or CSV file, or a pattern of several: `line_id`, `order_id`, `customer_id`,
        `product_id`, `price_eur`, `channel`, `ordered_at`; any of them may be text. Of rows with
        one `line_id` that are loadable the one with the latest `ordered_at` wins.
    products : likewise: `product_id`, `category`, `price_eur`.
    warehouse : the DuckDB file; replaced when everything is written, so never half there.
    memory_limit : such as "1GB" (DuckDB's own limit; what does not fit goes to disk beside the
        warehouse), or None for DuckDB's own choice.
    threads : of DuckDB, or None for all.

    Returns
    -------
    The accounts and the warehouse, which holds `order_lines`, `customer_features` and `quarantine`
    (with `reason`).

    Raises
    ------
    ValueError
        If the files cannot be read, or somebody else is writing the warehouse.

    Examples
    --------
    >>> import pandas as pd
    >>> from helpers.etl.load import read_warehouse
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "lines.csv").write_text(
    ...     "line_id,order_id,customer_id,product_id,price_eur,channel,ordered_at" + chr(10) +
    ...     "11,1,5,3,5800.0,LIST,2024-09-01 10:00:00" + chr(10) + "12,1,5,9,1.0,list,2024-09-01 10:00:00")
    >>> _ = (folder / "products.csv").write_text("product_id,category,price_eur" + chr(10) + "3,mask,58.0")
    >>> done = load_order_lines(folder / "lines.csv", folder / "products.csv", folder / "shop.duckdb", threads=1)
    >>> done.accounting.quarantined, read_warehouse(done.warehouse, "FROM order_lines")["price_eur"].tolist()
    ({'product_id is no product': 1}, [58.0])
    """
    warehouse = Path(warehouse)
    with one_writer(warehouse):
        folder = Path(tempfile.mkdtemp(dir=warehouse.parent, prefix=f".{warehouse.name}-new-"))
        try:
            new = folder / "new.duckdb"
            with connected(new) as connection:
                accounting = _run(connection, lines, products, folder, memory_limit, threads)
            _settle(warehouse)
            new.replace(warehouse)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return BulkLoad(accounting, warehouse)


def _settle(warehouse):
    """Bring the log that a killed writer left into the old file: it would not fit the new one."""
    import duckdb

    log = warehouse.with_name(f"{warehouse.name}.wal")
    if log.exists():
        with contextlib.suppress(duckdb.Error), connected(warehouse):
            pass
        log.unlink(missing_ok=True)


def _run(connection, lines, products, folder, memory_limit, threads):
    """Run the statements on an open database and return the accounts."""
    import duckdb

    connection.execute(f"SET temp_directory = {literal(folder / 'spill')}")
    connection.execute("SET preserve_insertion_order = false")
    if memory_limit:
        connection.execute(f"SET memory_limit = {literal(memory_limit)}")
    if threads:
        connection.execute(f"SET threads = {int(threads)}")
    try:
        connection.execute(f"CREATE TEMP TABLE goods AS SELECT product_id::BIGINT AS product_id, min(category) AS category, median(price_eur::DOUBLE) AS listed FROM {_source(products)} GROUP BY 1")  # fmt: skip
        connection.execute(f"CREATE TEMP TABLE marked AS {_marked(lines)}")
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        cause = str(error).splitlines()[0].rstrip(".!")
        raise ValueError(
            f"The order lines cannot be read: {cause}. Check the files and their columns."
        ) from error
    connection.execute("CREATE TABLE quarantine AS SELECT * FROM marked WHERE reason IS NOT NULL")
    repeats = _repeats(connection)
    chosen = "SELECT * EXCLUDE reason FROM marked WHERE reason IS NULL"
    if repeats:  # windows are dear, so they see nothing but the rows that come again
        again = "line_id IN (SELECT line_id FROM again)"
        one = "row_number() OVER (PARTITION BY line_id ORDER BY ordered_at DESC, price_eur, customer_id, order_id, product_id, channel) = 1"  # fmt: skip
        chosen = f"{chosen} AND NOT ({again}) UNION ALL {chosen} AND {again} QUALIFY {one}"
    connection.execute(f"CREATE TABLE order_lines AS {chosen}")
    rows_in = one_value(connection, "SELECT count(*) FROM marked")
    connection.execute("DROP TABLE marked")
    connection.execute(FEATURES)
    loaded = one_value(connection, "SELECT count(*) FROM order_lines")
    reasons = dict(connection.execute("SELECT reason, count(*) FROM quarantine GROUP BY 1 ORDER BY 1").fetchall())  # fmt: skip
    return Accounting("shop.order_lines", rows_in, loaded, reasons, repeats)


def _repeats(connection):
    """Note the line ids that come again; return how many rows are too many."""
    connection.execute("CREATE TEMP TABLE again AS SELECT line_id, count(*) AS n FROM marked WHERE reason IS NULL GROUP BY line_id HAVING count(*) > 1")  # fmt: skip
    return int(one_value(connection, "SELECT coalesce(sum(n - 1), 0) FROM again"))


def _marked(lines):
    """Return the query that types, mends and judges each line."""
    known = " ".join(f"WHEN '{spelling_key(word)}' THEN '{word}' WHEN '{spelling_key(word)}s' THEN '{word}' WHEN '{spelling_key(word[:4])}' THEN '{word}'" for word in CHANNELS)  # fmt: skip
    reasons = " ".join(f"WHEN {rule} THEN '{reason}'" for reason, rule in REASONS.items())
    return f"""
    WITH typed AS (
      SELECT TRY_CAST(line_id AS BIGINT) AS line_id, TRY_CAST(order_id AS BIGINT) AS order_id,
             TRY_CAST(customer_id AS BIGINT) AS customer_id, TRY_CAST(product_id AS BIGINT) AS product_id,
             TRY_CAST(price_eur AS DOUBLE) AS price, channel AS said, TRY_CAST(ordered_at AS TIMESTAMP) AS ordered_at
      FROM {_source(lines)}
    ), words AS (
      SELECT said, CASE regexp_replace(lower(said), '[^a-z]', '', 'g') {known} END AS channel FROM (SELECT DISTINCT said FROM typed)
    ), mended AS (
      SELECT line_id, order_id, customer_id, typed.product_id,
             CASE WHEN price > 8 * listed THEN price / 100 ELSE price END AS price_eur,
             words.channel, ordered_at, category
      FROM typed LEFT JOIN goods ON typed.product_id = goods.product_id LEFT JOIN words ON typed.said = words.said
    )
    SELECT *, CASE {reasons} END AS reason FROM mended
    """  # fmt: skip


def _source(files):
    """Return how DuckDB reads a file or a pattern of files; a CSV file gives trimmed texts."""
    text = literal(files)
    if str(files).endswith(".parquet"):
        return f"read_parquet({text})"
    # trim also keeps DuckDB 2.0 from moving TRY_CAST into the reader, which stops at the first bad cell.
    return f"(SELECT trim(COLUMNS(*)) FROM read_csv({text}, header = true, all_varchar = true))"
