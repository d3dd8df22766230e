"""The database: whole transactions, translated errors, and migrations that build what the code expects."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import credentials.tables
import ingest.catalog.tables
from config.database import Database, db_now, metadata, open_database
from config.errors import CatalogError, CatalogUnavailableError, SettingsError
from config.migrating import upgrade
from config.versions import MIGRATIONS

TABLES = {ingest.catalog.tables.assets, credentials.tables.connections}


async def test_migrations_build_the_tables_that_the_code_describes(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/catalog.db") as database:
        differences = await database.read(lambda tx: compare_metadata(MigrationContext.configure(tx), metadata))
    assert set(metadata.tables.values()) >= TABLES
    assert differences == []


async def test_several_processes_may_open_a_new_catalog_at_once(tmp_path: Path) -> None:
    """One migrates, the others wait for it."""
    opens = f"""
import asyncio
from config.database import open_database
async def use():
    async with open_database("sqlite:///{tmp_path}/catalog.db") as database:
        await database.transaction(lambda tx: tx.exec_driver_sql("CREATE TABLE IF NOT EXISTS opened (x)"))
        await database.transaction(lambda tx: tx.exec_driver_sql("INSERT INTO opened VALUES (1)"))
asyncio.run(use())
"""
    processes = [await asyncio.create_subprocess_exec(sys.executable, "-c", opens) for _ in range(4)]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0] * 4
    async with open_database(f"sqlite:///{tmp_path}/catalog.db") as database:
        assert await database.read(lambda tx: tx.execute(sa.text("SELECT count(*) FROM opened")).scalar_one()) == 4


async def test_an_error_rolls_the_whole_transaction_back(tmp_path: Path) -> None:
    def half(tx: sa.Connection) -> None:
        tx.execute(sa.text("CREATE TABLE half (x)"))
        raise RuntimeError("midway")

    async with open_database(f"sqlite:///{tmp_path}/catalog.db") as database:
        with pytest.raises(RuntimeError, match="midway"):
            await database.transaction(half)
        with pytest.raises(CatalogError, match="no such table: half"):
            await database.read(lambda tx: tx.execute(sa.text("SELECT * FROM half")))


async def test_a_full_disk_can_be_waited_for(tmp_path: Path) -> None:
    def fill(tx: sa.Connection) -> None:
        tx.execute(sa.text("PRAGMA max_page_count = 1"))
        tx.execute(sa.text("CREATE TABLE big AS SELECT zeroblob(1000000) AS x"))

    async with open_database(f"sqlite:///{tmp_path}/catalog.db") as database:
        with pytest.raises(CatalogUnavailableError, match="full"):
            await database.transaction(fill)


async def test_nobody_waits_for_a_lock_on_behalf_of_a_caller_who_has_gone(tmp_path: Path) -> None:
    """Else a process that is told to stop would sit out the whole time-out of each transaction that it had asked for."""
    async with open_database(f"sqlite:///{tmp_path}/catalog.db") as database:
        with closing(sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = [asyncio.create_task(database.transaction(lambda _tx: None)) for _ in range(3)]
            done, _ = await asyncio.wait(asked, timeout=1.2)
            assert not done
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
            began = time.monotonic()
            await database.aclose()
            assert time.monotonic() - began < 5


async def test_whoever_meets_a_lock_waits_for_it(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/catalog.db") as database:
        with closing(sqlite3.connect(tmp_path / "catalog.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = asyncio.create_task(database.transaction(lambda _tx: "done"))
            await asyncio.wait({asked}, timeout=1.2)
            other.execute("COMMIT")
            assert await asked == "done"


async def test_the_clock_is_the_databases_own_in_milliseconds(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/catalog.db") as database:
        now, seconds = await database.read(
            lambda tx: tx.execute(sa.select(db_now(), sa.text("strftime('%s', 'now')"))).one()
        )
    assert abs(now / 1000 - int(seconds)) < 2


async def test_nobody_else_on_the_machine_may_read_the_catalog(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/catalog.db"):
        assert stat.S_IMODE((tmp_path / "catalog.db").stat().st_mode) == 0o600


async def test_no_folder_is_made_for_a_catalog(tmp_path: Path) -> None:
    """It may be misspelt, or a volume that is not mounted; an empty catalog there would look like lost records."""
    with pytest.raises(
        SettingsError, match=f"the folder {tmp_path}/deep/down does not exist; make it, or set LONGSHORE"
    ):
        async with open_database(f"sqlite:///{tmp_path}/deep/down/catalog.db"):
            raise AssertionError("opened")
    assert not (tmp_path / "deep").exists()


async def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("not a database, but long enough to be looked at\n" * 100)
    before = other.read_bytes()
    with pytest.raises(
        SettingsError, match=f"{other} is no SQLite database.*set LONGSHORE_CATALOG_URL to another file"
    ):
        async with open_database(f"sqlite:///{other}"):
            raise AssertionError("opened")
    assert other.read_bytes() == before


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://user:hunter2@host/db", "keeps its catalog in SQLite or PostgreSQL"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("nonsense hunter2", "no database URL"),
        ("sqlite:////proc/no/such/catalog.db", "can't be opened"),
    ],
)
async def test_a_url_that_can_not_be_used_says_what_to_write_and_no_password(url: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        async with open_database(url):
            raise AssertionError("opened")
    assert "hunter2" not in str(caught.value)


async def test_a_catalog_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.db"

    async def age(database: Database) -> None:
        await database.transaction(lambda tx: tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'")))

    async with open_database(url) as database:
        await age(database)
    with pytest.raises(CatalogError, match="newer longshore"):
        async with open_database(url):
            raise AssertionError("opened")


async def test_a_catalog_that_one_process_opens_twice_stays_the_one_that_others_write_to(tmp_path: Path) -> None:
    """Another process that closes it last, as it thinks, would take the log away from under both."""
    url = f"sqlite:///{tmp_path}/catalog.db"
    writes = f"""
import asyncio, sys
from config.database import open_database
async def use():
    async with open_database({url!r}) as database:
        await database.transaction(lambda tx: tx.exec_driver_sql("INSERT INTO written VALUES (1)"))
asyncio.run(use())
"""
    count = "SELECT count(*) FROM written"
    async with open_database(url) as first:
        await first.transaction(lambda tx: tx.exec_driver_sql("CREATE TABLE written (x)"))
        assert await first.read(lambda tx: tx.exec_driver_sql(count).scalar()) == 0
        async with open_database(url):
            for written in (1, 2):
                other = await asyncio.create_subprocess_exec(sys.executable, "-c", writes)
                assert await other.wait() == 0
                assert await first.read(lambda tx: tx.exec_driver_sql(count).scalar()) == written


def test_a_catalog_of_an_older_version_gets_what_closes_its_runs(tmp_path: Path) -> None:
    """What has not ended is closed by it; what waits for a person may be reopened; the rest needs none."""
    states = ("queued", "running", "needs_confirmation", "complete", "failed")
    engine = sa.create_engine(f"sqlite:///{tmp_path}/catalog.db")
    with engine.begin() as connection:
        upgrade(connection, MIGRATIONS, to="0005")
        for state in states:
            insert = "INSERT INTO runs (id, workspace, connection_id, connection, origin, job, sources, state, removed, created_at) "
            connection.exec_driver_sql(
                insert + "VALUES (?, 'main', 'c', 'c', 'queue', '{}', '[]', ?, 0, 1)", (state, state)
            )
        upgrade(connection, MIGRATIONS)
        rows = connection.exec_driver_sql("SELECT id, run_id, kind, state, ranges, seq FROM shards ORDER BY id").all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [
        ("needs_confirmation-close", "needs_confirmation", "close", "done", "[]", 0),
        ("queued-close", "queued", "close", "ready", "[]", 0),
        ("running-close", "running", "close", "ready", "[]", 0),
    ]
