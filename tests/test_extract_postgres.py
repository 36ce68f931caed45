"""`helpers.etl.extract.read_sql` on a real PostgreSQL server: what SQLite gives, to the last value."""

import pandas as pd
import pytest
import sqlalchemy as sa
from conftest import first_always
from test_sources import laid, nobody, of_kind, small
from test_sources_postgres import database, server

from helpers.etl.extract import CannotExtract, read_sql
from helpers.worlds.sources import Sources

__all__ = ["database", "server"]  # fixtures


@pytest.mark.parametrize("world", first_always(["operator", "shop"]))
def test_postgresql_and_sqlite_give_the_same_rows_and_fingerprints(world, database, tmp_path):
    here = laid(world, tmp_path / "sqlite", 0, people=30)
    there = laid(world, tmp_path / "postgres", 0, people=30, database=database)
    for _, _, place, _ in of_kind(here, "table"):
        one, other = read_sql(here.database_url, place), read_sql(there.database_url, place)
        pd.testing.assert_frame_equal(one.table, other.table)
        assert one.provenance.sha256 == other.provenance.sha256, place
        assert one.provenance.cursor == other.provenance.cursor
        assert len(one.set_aside) == len(other.set_aside) == 0


def test_a_second_reading_of_postgresql_brings_what_is_new(database, tmp_path):
    world = small("operator", 30)
    sources = Sources(world, tmp_path / "x", database=database, blemishes=0)
    sources.lay_down()
    first = read_sql(database, "invoices", rows=7)
    sources.add(1, world.play(1, nobody))
    new = read_sql(database, "invoices", after=first.provenance.cursor, rows=7)
    both = [*first.table["invoice_id"], *new.table["invoice_id"]]
    assert both == read_sql(database, "invoices").table["invoice_id"].tolist()
    assert len(new.table) > 0


def test_a_reading_cannot_write_and_a_hostile_name_is_no_statement(database):
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
        connection.execute(sa.text("INSERT INTO t VALUES (1)"))
        # A view that writes when it is read.
        connection.execute(
            sa.text(
                "CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'INSERT INTO t VALUES (2) RETURNING id'"
            )
        )
        connection.execute(sa.text("CREATE VIEW v AS SELECT f() AS id"))
    for table, why in [("v", "read-only transaction"), ("t; DROP TABLE t", "has no table")]:
        with pytest.raises(CannotExtract, match=why):
            read_sql(database, table, key="id")
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT id FROM t")).all() == [(1,)]
    engine.dispose()
