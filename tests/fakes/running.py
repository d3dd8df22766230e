"""A catalog and a run worked by hand, for tests of what stands between them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

import sqlalchemy as sa

from config.database import Database, open_database
from config.limits import Limits
from config.postgres import PostgresDatabase
from config.sqlite import SqliteDatabase, _open
from credentials.session import Access
from ingest.catalog import claiming
from ingest.catalog.catalog import Catalog
from ingest.catalog.runs import Run
from ingest.catalog.shards import Shard
from ingest.closing import Closing
from ingest.copy_place import CopyPlace
from ingest.denials import Denials
from ingest.events import Observe, ignore
from ingest.extras import no_steps
from ingest.job import IngestJob
from ingest.meter import Meter
from ingest.pipeline import BucketSource, Slice, Tools
from ingest.probe.content import Bodies
from ingest.probe.first_ranges import FirstRanges
from ingest.probe.looking import Step
from tests.fakes.access import FakeAccess
from tests.fakes.bucket import FakeBucket
from tests.postgres import Kind, catalog_url


@cache
def template() -> Path:
    """A migrated catalog, made once, copied often."""
    path = Path(mkdtemp()) / "template.db"
    database = _open(f"sqlite:///{path}")
    database._writer.dispose()
    database._reader.dispose()
    return path


@asynccontextmanager
async def a_catalog(
    folder: Path | str, limits: Limits, *, kind: Kind = "sqlite"
) -> AsyncGenerator[tuple[Catalog, Database]]:
    """The one that belongs to this folder, whoever opens it and however often."""
    path = Path(folder) / "catalog.db"
    if kind == "sqlite" and not path.exists():
        shutil.copy(template(), path)
    async with open_database(catalog_url(kind, folder), silent_s=limits.lease_s) as database:
        with patch.object(
            claiming, "_server_started", lambda: sa.literal(0)
        ):  # the tests' server is younger than their leases
            yield Catalog(database=database, workspace="main", limits=limits), database


def engines(database: Database) -> tuple[sa.Engine, sa.Engine]:
    """The writing and the reading one."""
    if isinstance(database, PostgresDatabase):
        return database._engine.sync_engine, database._views.sync_engine
    assert isinstance(database, SqliteDatabase)
    return database._writer, database._reader


async def new_run(catalog: Catalog, **job: object) -> str:
    """A run of connection `c` on s3://bucket-a unless said otherwise."""
    whole = IngestJob.read({"uris": ["s3://bucket-a"], "connection": "c", **job})
    return (await catalog.create_run(whole, connection_id="c", origin="ingest"))[0].id


async def claimed(catalog: Catalog, **which: str) -> tuple[Shard, Run]:
    taken = await catalog.claim(owner="worker", **which)
    assert taken is not None
    return taken


async def _unchanged() -> bool:
    return False


def _by_name(bucket: BucketSource, _name: str) -> FakeBucket:
    assert isinstance(bucket, FakeBucket), "this one is only listed"
    return bucket


def a_slice(
    catalog: Catalog,
    shard: Shard,
    run: Run,
    bucket: BucketSource,
    limits: Limits,
    *,
    access: Access | None = None,
    observe: Observe = ignore,
    stop: Callable[[], bool] = lambda: False,
    connection_changed: Callable[[], Awaitable[bool]] = _unchanged,
    steps: Callable[[str], list[Step]] = no_steps,
    copies: CopyPlace | None = None,
) -> Slice:
    tools = Tools(
        catalog=catalog,
        open_bucket=lambda _name: bucket,
        open_named=partial(_by_name, bucket),
        denials=Denials(access=access or FakeAccess(), connection=run.connection, limits=limits),
        ranges=FirstRanges(),
        bodies=Bodies(limits),
        meter=Meter(observe),
        limits=limits,
        observe=observe,
        handed_over=observe,
        stop=stop,
        veil=lambda error: error,
        connection_changed=connection_changed,
        steps=steps,
        copies=copies,
    )
    return Slice(shard=shard, run=run, tools=tools)


def a_closing(catalog: Catalog, shard: Shard, run: Run, *, stop: Callable[[], bool] = lambda: False) -> Closing:
    return Closing(shard=shard, run=run, closings=catalog.closings, renew=catalog.renew, heartbeat_s=60, stop=stop)


async def closed(catalog: Catalog, run_id: str) -> Run:
    """Claim what closes the run, all of which is listed, and work it to its end."""
    shard, run = await claimed(catalog, run_id=run_id)
    assert shard.kind == "close"
    ended = await a_closing(catalog, shard, run).work()
    assert ended is not None
    return ended


async def work_all(catalog: Catalog, bucket: BucketSource, limits: Limits, run_id: str) -> Run:
    """List all of a run and close it."""
    while (taken := await catalog.claim(owner="worker", run_id=run_id)) is not None:
        shard, run = taken
        await (
            a_closing(catalog, shard, run) if shard.kind == "close" else a_slice(catalog, shard, run, bucket, limits)
        ).work()
    return (await catalog.run(run_id))[0]


async def confirmed(catalog: Catalog, run_id: str) -> Run:
    await catalog.closings.confirm(run_id)
    return await closed(catalog, run_id)


async def rejected(catalog: Catalog, run_id: str) -> Run:
    await catalog.closings.reject(run_id)
    return await closed(catalog, run_id)


async def expire_leases(database: Database) -> None:
    """As if every owner had been silent for too long."""
    late = sa.text("UPDATE shards SET lease_until = 1 WHERE state = 'leased'")
    await database.transaction(lambda tx: tx.execute(late))
