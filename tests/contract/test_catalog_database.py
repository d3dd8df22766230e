"""The catalog's database, whichever it is: whole transactions, one clock, the same tables; what is lost is found out about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import MultipleResultsFound

import credentials.tables
import ingest.catalog.tables
from config.database import Database, alone, db_now, metadata, open_database, summed
from config.errors import CatalogError, CatalogUnavailableError
from tests.postgres import Kind, catalog_url, server

TABLES = {ingest.catalog.tables.assets, credentials.tables.connections}


@pytest.fixture(name="url")
def _url(kind: Kind, tmp_path: Path) -> str:
    return catalog_url(kind, tmp_path)


@pytest.fixture(name="database")
async def _database(url: str) -> AsyncGenerator[Database]:
    async with open_database(url) as opened:
        yield opened


def sql(text: str) -> Callable[[sa.Connection], object]:
    return lambda tx: tx.execute(sa.text(text))


async def test_migrations_build_the_tables_that_the_code_describes(database: Database) -> None:
    differences = await database.read(lambda tx: compare_metadata(MigrationContext.configure(tx), metadata))
    assert set(metadata.tables.values()) >= TABLES
    assert differences == []


async def test_several_may_open_a_new_catalog_at_once(kind: Kind, tmp_path: Path) -> None:
    """One migrates, the others wait for it."""
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/new.db"
    else:
        server(kind).drop("fresh")
        url = server(kind).create("fresh")

    async def use(number: int) -> None:
        async with open_database(url) as one:
            insert = sa.text("INSERT INTO idle (owner, workspace, until) VALUES (:owner, 'main', 1)")
            await one.transaction(lambda tx: tx.execute(insert, {"owner": str(number)}))

    await asyncio.gather(*map(use, range(4)))
    async with open_database(url) as one:
        assert await one.read(lambda tx: tx.execute(sa.text("SELECT count(*) FROM idle")).scalar_one()) == 4


async def test_an_error_rolls_the_whole_transaction_back(database: Database) -> None:
    def half(tx: sa.Connection) -> None:
        tx.execute(sa.text("INSERT INTO idle (owner, workspace, until) VALUES ('a', 'main', 1)"))
        raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        await database.transaction(half)
    with pytest.raises(MultipleResultsFound):  # a mistake of ours is no refusal of the database's
        await database.read(lambda tx: tx.execute(sa.text("SELECT 1 UNION SELECT 2")).one())
    with pytest.raises(CatalogError, match="nowhere"):
        await database.transaction(sql("DELETE FROM nowhere"))
    assert await database.read(lambda tx: tx.execute(sa.text("SELECT * FROM idle")).all()) == []


async def test_a_read_writes_nothing(database: Database, kind: Kind) -> None:
    if kind == "sqlite":
        pytest.skip("SQLite has no transactions that only read; its readers are another engine")
    with pytest.raises(CatalogUnavailableError, match="read-only"):
        await database.read(sql("DELETE FROM idle"))


async def test_a_read_sees_one_moment(database: Database, url: str) -> None:
    """Whatever others commit while it goes on."""
    begun, written = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async with open_database(url) as other:

        def twice(tx: sa.Connection) -> tuple[int, int]:
            count = sa.text("SELECT count(*) FROM idle")
            before = tx.execute(count).scalar_one()
            loop.call_soon_threadsafe(begun.set)
            for _ in range(200):
                tx.execute(sa.text("SELECT 1"))
                if written.is_set():
                    break
            return before, tx.execute(count).scalar_one()

        async def write() -> None:
            await begun.wait()
            await other.transaction(sql("INSERT INTO idle (owner, workspace, until) VALUES ('a', 'main', 1)"))
            written.set()

        (before, after), _ = await asyncio.gather(database.read(twice), write())
    assert (before, after) == (0, 0)


async def test_the_clock_is_the_databases_own_in_milliseconds(database: Database, kind: Kind) -> None:
    seconds = "strftime('%s', 'now')" if kind == "sqlite" else "extract(epoch FROM now())"
    now, theirs = await database.read(lambda tx: tx.execute(sa.select(db_now(), sa.text(seconds))).one())
    assert isinstance(now, int)
    assert abs(now / 1000 - int(theirs)) < 2


async def test_a_sum_is_a_whole_number(database: Database) -> None:
    until = metadata.tables["idle"].c.until
    assert await database.read(lambda tx: tx.execute(sa.select(summed(until))).scalar_one()) == 0
    for owner in "ab":
        await database.transaction(
            sql(f"INSERT INTO idle (owner, workspace, until) VALUES ('{owner}', 'main', {2**60})")
        )
    total = await database.read(lambda tx: tx.execute(sa.select(summed(until))).scalar_one())
    assert (total, type(total)) == (2**61, int)


async def test_a_cancelled_caller_leaves_no_half(database: Database) -> None:
    """It stops to wait; what it asked for is there whole, or not at all, and the database goes on."""

    def both(tx: sa.Connection) -> None:
        for owner in "ab":
            tx.execute(sa.text(f"INSERT INTO idle (owner, workspace, until) VALUES ('{owner}', 'main', 1)"))

    task = asyncio.ensure_future(database.transaction(both))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.transaction(sql("DELETE FROM idle WHERE owner = 'none'"))
    found = await database.transaction(lambda tx: tx.execute(sa.text("SELECT count(*) FROM idle")).scalar_one())
    assert found in (0, 2)


async def test_those_that_ask_to_be_alone_take_turns(database: Database, url: str) -> None:
    """Each adds one to what it has read, which only adds up if nobody read in between."""

    def more(tx: sa.Connection) -> None:
        alone(tx)
        until = tx.execute(sa.text("SELECT until FROM idle")).scalar_one()
        tx.execute(sa.text("UPDATE idle SET until = :more"), {"more": until + 1})

    await database.transaction(sql("INSERT INTO idle (owner, workspace, until) VALUES ('a', 'main', 0)"))
    async with open_database(url) as other:
        await asyncio.gather(*(one.transaction(more) for _ in range(10) for one in (database, other)))
    assert await database.read(lambda tx: tx.execute(sa.text("SELECT until FROM idle")).scalar_one()) == 20


async def test_a_catalog_of_a_newer_version_is_refused(url: str, database: Database) -> None:
    await database.transaction(sql("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CatalogError, match="newer longshore"):
        async with open_database(url):
            raise AssertionError("opened")
