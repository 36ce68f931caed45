"""`helpers.worlds.sources` on a real PostgreSQL server: the same tables as in SQLite."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import first_always
from test_sources import laid, nobody, of_kind, small

from helpers.worlds import Operator
from helpers.worlds.play import CannotPlay
from helpers.worlds.sources import Sources

USER = "lab"


def server_programs() -> Path:
    """Return the folder of initdb and pg_ctl, or skip."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").is_file() and (folder / "pg_ctl").is_file():
            return folder
    pytest.skip("PostgreSQL's initdb and pg_ctl are not here")


def as_other_user() -> list[str]:
    """Return how to run a command as another user, which PostgreSQL asks root to do."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return []
    if not shutil.which("runuser"):
        pytest.skip("PostgreSQL does not run as root, and there is no runuser to be somebody else")
    return ["runuser", "-u", "nobody", "--"]


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL server on loopback, in a temporary folder, stopped at the end."""
    programs, other = server_programs(), as_other_user()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if other:
        shutil.chown(folder, "nobody")

    def run(*words):
        return subprocess.run([*other, *map(str, words)], capture_output=True, text=True,
                              check=True, timeout=60, cwd=folder)  # fmt: skip

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, log = folder / "data", folder / "log"
    try:
        run(programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N")  # fmt: skip
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        )
        run(programs / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        yield f"postgresql+psycopg://{USER}@127.0.0.1:{port}/postgres"
    finally:
        if (data / "postmaster.pid").exists():
            run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database(server):
    """The URL of an empty database on the server."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS lab"))
        connection.execute(sa.text("CREATE DATABASE lab"))
    engine.dispose()
    return server.replace("/postgres", "/lab")


def rows(url, place, key):
    """Return the rows of a table in order of their key, typed by the driver."""
    engine = sa.create_engine(url)
    table = sa.Table(place, sa.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
    engine.dispose()
    return sorted(found, key=lambda row: row[key])


@pytest.mark.parametrize("world", first_always(["operator", "shop"]))
def test_postgresql_holds_the_tables_of_sqlite_row_by_row(world, database, tmp_path):
    here = laid(world, tmp_path / "sqlite", people=30)
    there = laid(world, tmp_path / "postgres", people=30, database=database)
    assert not (there.folder / f"{world}.sqlite").exists()
    for name, key, place, _ in of_kind(here, "table"):
        found = rows(database, place, key)
        assert found == rows(here.database_url, place, key), name
        assert len(found) > 0
    engine = sa.create_engine(database)
    linked = [link for place in sa.inspect(engine).get_table_names()
              for link in sa.inspect(engine).get_foreign_keys(place)]  # fmt: skip
    engine.dispose()
    assert len(linked) == (7 if world == "shop" else 4)


def test_a_database_in_use_is_left_alone_and_a_month_goes_in_whole_or_not_at_all(
    database, tmp_path
):
    world = small("operator", 30)
    sources = Sources(world, tmp_path / "x", database=database)
    sources.lay_down()
    with pytest.raises(CannotPlay, match="it has cancellations, invoices"):
        Sources(Operator(5, seed=1), tmp_path / "y", database=database).lay_down()
    before = rows(database, "invoices", "invoice_id")
    tables = world.play(1, nobody)
    stranger = tables["payments"].assign(customerID="0000-NOONE")
    with pytest.raises(CannotPlay, match="Nothing was written to it"):
        sources.add(1, {**tables, "payments": stranger})
    assert rows(database, "invoices", "invoice_id") == before
    sources.add(1, tables)
    assert len(rows(database, "invoices", "invoice_id")) > len(before)


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"postgresql+psycopg://lab:secret@127.0.0.1:{free.getsockname()[1]}/lab"
    with pytest.raises(CannotPlay, match="said: ") as told:
        Sources(Operator(5, seed=1), tmp_path / "x", database=url).lay_down()
    assert "secret" not in str(told.value)
    assert "***" in str(told.value)


def test_a_driver_that_is_not_installed_is_told(tmp_path):
    with pytest.raises(CannotPlay, match="driver"):
        Sources(Operator(5, seed=1), tmp_path / "x", database="postgresql+nodriver://h/d")
