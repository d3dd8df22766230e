"""What only a server can do to a catalog: it restarts, refuses, runs full, gives one of several up, and loses what was said."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.postgres import PASSWORD, PostgresServer
from config.database import Database, alone, open_database
from config.errors import CatalogUnavailableError, SettingsError
from config.postgres import PostgresDatabase, _engine
from tests.fakes.postgres_wire import Loss, wire
from tests.postgres import database as database_of
from tests.postgres import server

INSERT = "INSERT INTO idle (owner, workspace, until) VALUES ('{0}', 'main', 1)"


@pytest.fixture(name="name")
def _name(tmp_path: Path) -> str:
    return database_of("postgres", tmp_path)


@pytest.fixture(name="url")
def _url(name: str) -> str:
    return server("postgres").url(name)


@pytest.fixture(name="database")
async def _database(url: str) -> AsyncGenerator[Database]:
    async with open_database(url) as opened:
        yield opened


@pytest.fixture(name="own")
def _own() -> Iterator[PostgresServer]:
    """One that the test may stop and kill."""
    with PostgresServer() as made:
        yield made


def sql(text: str) -> Callable[[sa.Connection], object]:
    return lambda tx: tx.execute(sa.text(text))


async def owners(database: Database) -> list[str]:
    query = sa.text("SELECT owner FROM idle ORDER BY owner")
    return await database.read(lambda tx: list(tx.execute(query).scalars()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda url: url.replace(PASSWORD, "wrong-hunter2"), "check user and password"),
        (lambda url: url.replace("longshore:", "nobody-here:"), "check user and password"),
        (lambda url: url.rpartition("/")[0] + "/not_there", "CREATE DATABASE"),
        (lambda url: url + "?sslmode=nonsense", "sslmode"),
        (lambda url: url + "?sslmode=verify-full&sslrootcert=/nowhere.pem", "sslrootcert or sslcert names"),
        (lambda url: url + "?sslmode=verify-full", r"asks for verify-full, but there is no file of authorities"),
        (lambda url: url + "?sslmode=require", r"at 127\.0\.0\.1:\d+ has no TLS, and sslmode=require asks for it"),
        (lambda url: url.rpartition(":")[0] + ":notaport/name", "used: the port is no number; write"),
        (lambda url: url + "?no_such_option=1", "no_such_option"),
        (lambda url: url.replace(PASSWORD, "hunter2/with/slashes"), "%2F"),
        (lambda url: url.replace("postgresql:", "postgresql+psycopg2:"), "postgresql://user:password"),
    ],
)
async def test_what_the_operator_must_mend_is_named_without_a_password(
    url: str, change: Callable[[str], str], says: str
) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        async with open_database(change(url)):
            raise AssertionError("opened")
    said = repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)
    assert PASSWORD not in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "postgresql://u:hunter2@127.0.0.1:1/name",
            r"database at 127\.0\.0\.1:1 is out of reach: connection refused; is it running, and is LONGSHORE_CATALOG_URL right\?",
        ),
        (
            "postgresql://u:pa@hunter2@nowhere.invalid:1/name",
            r"database is out of reach: .*an @ in a password is written %40",
        ),
    ],
)
async def test_a_server_that_is_out_of_reach_is_named_unless_that_may_be_a_part_of_a_password(
    url: str, says: str
) -> None:
    with pytest.raises(CatalogUnavailableError, match=f"(?i){says}") as caught:
        async with open_database(url):
            raise AssertionError("opened")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "PostgreSQL"])
async def test_every_spelling_of_the_scheme_is_taken(url: str, scheme: str) -> None:
    async with open_database(url.replace("postgresql", scheme, 1)) as database:
        assert await owners(database) == []


async def test_a_user_without_rights_is_told_which(url: str, name: str) -> None:
    here = server("postgres")
    here.sql("DROP ROLE IF EXISTS guest")
    here.sql(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    with pytest.raises(SettingsError, match=r"permission denied.*needs CREATE"):
        async with open_database(here.url(name, user="guest")):
            raise AssertionError("opened")


async def test_a_user_who_owns_nothing_but_the_database_is_enough() -> None:
    here = server("postgres")
    here.drop("owned")
    here.sql("DROP ROLE IF EXISTS owner")
    here.sql(f"CREATE ROLE owner LOGIN PASSWORD '{PASSWORD}'")
    here.create("owned", options="OWNER owner")
    async with open_database(here.url("owned", user="owner")) as database:
        await database.transaction(sql(INSERT.format("a")))
        assert await owners(database) == ["a"]


async def test_a_database_that_can_not_hold_every_text_is_refused() -> None:
    here = server("postgres")
    here.drop("latin")
    url = here.create("latin", options="ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(SettingsError, match=r"LATIN1.*ENCODING 'UTF8'"):
        async with open_database(url):
            raise AssertionError("opened")


async def test_a_server_that_is_away_can_be_waited_for(own: PostgresServer) -> None:
    url = own.create("catalog")
    async with open_database(url) as database:
        own.stop()
        with pytest.raises(CatalogUnavailableError):
            await database.transaction(sql(INSERT.format("a")))
        with pytest.raises(CatalogUnavailableError):
            async with open_database(url):
                raise AssertionError("opened")
        own.start()
        await database.transaction(sql(INSERT.format("b")))
        assert await owners(database) == ["b"]
        own.kill()
        with pytest.raises(CatalogUnavailableError):
            await owners(database)
        own.start()
        assert await owners(database) == ["b"]


async def test_a_restart_between_two_operations_is_not_noticed(own: PostgresServer) -> None:
    async with open_database(own.create("catalog")) as database:
        await asyncio.gather(*(owners(database) for _ in range(8)))  # as many connections as there may be
        own.restart()
        await asyncio.sleep(0)  # so that the loop hears of it
        await database.transaction(sql(INSERT.format("a")))
        assert await asyncio.gather(*(owners(database) for _ in range(8))) == [["a"]] * 8


async def test_too_many_connections_can_be_waited_for(own: PostgresServer) -> None:
    url = own.create("catalog")
    own.restart(max_connections="4", superuser_reserved_connections="0")
    async with open_database(url) as one:
        await asyncio.gather(*(one.read(sql("SELECT pg_sleep(0.1)")) for _ in range(3)))
        with pytest.raises(CatalogUnavailableError, match=r"too many|connection slots"):
            async with open_database(url) as other:
                await asyncio.gather(*(other.read(sql("SELECT pg_sleep(0.2)")) for _ in range(4)))


async def test_a_full_disk_can_be_waited_for(database: Database) -> None:
    full = (
        "DO $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$"
    )
    with pytest.raises(CatalogUnavailableError, match="No space left"):
        await database.transaction(sql(full))
    await database.transaction(sql(INSERT.format("a")))


async def test_a_connection_that_is_lost_before_its_commit_costs_nothing(database: Database, name: str) -> None:
    """Nothing of the transaction can be there: it is begun again."""
    tries: list[int] = []

    def work(tx: sa.Connection) -> None:
        tries.append(1)
        tx.execute(sa.text(INSERT.format("a")))
        if len(tries) == 1:
            server("postgres").cut(name)
        tx.execute(sa.text(INSERT.format("b")))

    await database.transaction(work)
    assert (len(tries), await owners(database)) == (2, ["a", "b"])


async def test_a_server_that_answers_nothing_for_a_while_is_waited_for(own: PostgresServer) -> None:
    async with open_database(own.create("catalog")) as database:
        own.freeze()
        waits = asyncio.ensure_future(database.transaction(sql(INSERT.format("a"))))
        await asyncio.sleep(0.1)
        assert not waits.done()
        own.thaw()
        await waits
        assert await owners(database) == ["a"]


@pytest.mark.parametrize("lose", ["request", "answer"])
async def test_a_commit_that_was_lost_is_said_to_be_unknown(url: str, database: Database, lose: Loss) -> None:
    async with wire(url) as (between, through), open_database(through) as far:
        between.lose = lose
        with pytest.raises(CatalogUnavailableError):
            await far.transaction(sql(INSERT.format("a")))
        assert between.lost == 1
        assert await owners(database) == ([] if lose == "request" else ["a"])
        await far.transaction(sql(INSERT.format("b")))
    assert (await owners(database))[-1] == "b"


async def test_a_deadlock_is_tried_again(database: Database, url: str) -> None:
    """Two take the same two rows in opposite orders, the first time at the same time."""
    for owner in "ab":
        await database.transaction(sql(INSERT.format(owner)))
    tries: list[str] = []

    def take(first: str, second: str) -> Callable[[sa.Connection], None]:
        def work(tx: sa.Connection) -> None:
            tries.append(first)
            tx.execute(sa.text(f"UPDATE idle SET until = until + 1 WHERE owner = '{first}'"))
            if len(tries) <= 2:
                tx.execute(sa.text("SELECT pg_sleep(0.1)"))
            tx.execute(sa.text(f"UPDATE idle SET until = until + 1 WHERE owner = '{second}'"))

        return work

    async with open_database(url) as other:
        await asyncio.gather(database.transaction(take("a", "b")), other.transaction(take("b", "a")))
    assert len(tries) > 2
    rows = await database.read(lambda tx: list(tx.execute(sa.text("SELECT until FROM idle")).scalars()))
    assert rows == [3, 3]


async def test_a_serialization_failure_is_tried_again_and_not_for_ever(database: Database) -> None:
    tries: list[int] = []
    fails = "DO $$ BEGIN RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END $$"

    def work(times: int) -> Callable[[sa.Connection], None]:
        def attempt(tx: sa.Connection) -> None:
            tries.append(1)
            if len(tries) <= times:
                tx.execute(sa.text(fails))

        return attempt

    await database.transaction(work(2))
    assert len(tries) == 3
    tries.clear()
    with pytest.raises(CatalogUnavailableError, match="could not serialize"):
        await database.transaction(work(1000))
    assert len(tries) == 10


async def test_who_freezes_inside_of_a_transaction_holds_others_up_for_so_long_and_no_longer(url: str) -> None:
    """A thread that blocks stands for a process that is stopped: its connection stays open and it says nothing. What it had
    begun is undone, and begun again when it wakes up.
    """
    inside, thaw = threading.Event(), threading.Event()
    tries: list[int] = []

    def freeze(tx: sa.Connection) -> None:
        alone(tx)
        tries.append(tx.execute(sa.text("SELECT count(*) FROM idle")).scalar_one())
        tx.execute(sa.text(INSERT.format("frozen")))
        if len(tries) == 1:
            inside.set()
            thaw.wait(20)
        tx.execute(sa.text("SELECT 1"))

    async def frozen() -> None:
        async with open_database(url, silent_s=0.3) as one:
            await one.transaction(freeze)

    other = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(frozen())))
    await asyncio.to_thread(inside.wait, 20)
    async with open_database(url) as database:
        async with asyncio.timeout(5):
            await database.transaction(alone)
        assert await owners(database) == []
        await database.transaction(sql(INSERT.format("meanwhile")))
        thaw.set()
        await other
        assert (tries, await owners(database)) == ([0, 1], ["frozen", "meanwhile"])


async def test_another_process_that_migrates_is_not_noticed(database: Database) -> None:
    """A prepared statement whose columns have changed is prepared again."""
    query = sa.text("SELECT * FROM idle")
    await database.transaction(lambda tx: tx.execute(query).all())
    server("postgres").sql("ALTER TABLE idle ADD COLUMN more TEXT", database=str(await _name_of(database)))
    assert await database.transaction(lambda tx: tx.execute(query).all()) == []


async def _name_of(database: Database) -> object:
    return await database.read(lambda tx: tx.execute(sa.text("SELECT current_database()")).scalar_one())


async def test_a_catalog_that_took_us_once_and_refuses_us_now_is_away() -> None:
    """A password that is being changed must not end runs: they go on over the sessions there are, or wait."""
    database = PostgresDatabase(_engine("postgresql://nobody@127.0.0.1:1/none", silent_s=1.0), None)
    refusal = SettingsError("the catalog's database refuses us: password authentication failed")
    assert database._told(refusal) is refusal
    database.opened()
    told = database._told(refusal)
    assert isinstance(told, CatalogUnavailableError)
    assert told.message == refusal.message
    await database.aclose()
