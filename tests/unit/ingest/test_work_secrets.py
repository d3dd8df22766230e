"""A run that reads through a stored secret goes on while all secrets are sealed anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from config.limits import Limits
from credentials.access import KeyAccess
from credentials.connection import Connection
from credentials.grants import Grant
from credentials.registry import Registry
from credentials.rotation import Rotated, Secrets
from credentials.session import Access
from credentials.vault import Vault, new_key
from credentials.web import WebAccess
from ingest.events import Observe
from ingest.job import IngestJob
from ingest.model import Page
from ingest.work import Worker
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog
from tests.postgres import Kind
from tests.unit.credentials.connections import A_KEY, BY_ALICE, CANARY, settings_of

LIMITS = Limits(heartbeat_s=0.02, lease_s=600)


@dataclass
class Pausing(FakeBucket):
    """Stops after its first page until it may go on."""

    listed: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def pages(self, **which: Any) -> AsyncGenerator[Page]:
        async with aclosing(super().pages(**which)) as pages:
            async for page in pages:
                yield page
                self.listed.set()
                await self.go_on.wait()


@dataclass
class Storage:
    """Connections of a real registry before a bucket that pauses."""

    registry: Registry
    bucket_: Pausing
    looks: list[int] = field(default_factory=list)
    """Versions of the connection, as often as it was looked at."""
    looked: asyncio.Event = field(default_factory=asyncio.Event)

    async def connection(self, name: str) -> Connection:
        found = await self.registry.get(name, workspace="main")
        self.looks.append(found.version)
        self.looked.set()
        return found

    async def access(
        self,
        connection: Connection,
        *,
        run_id: str,
        places: Sequence[Grant],
        copy_to: Grant | None,
        sts_asked: Callable[[], None],
    ) -> Access:
        del run_id, places, copy_to, sts_asked
        again = partial(self.registry.keys, connection, fresh=True)
        return KeyAccess(await self.registry.keys(connection), connection=connection.name, again=again)

    async def login(self, connection: Connection) -> WebAccess:
        raise NotImplementedError

    def web(self, connection: Connection, access: WebAccess, origin: str, *, observe: Observe) -> FakeBucket:
        raise NotImplementedError

    def bucket(self, connection: Connection, access: Access, bucket: str, *, observe: Observe) -> FakeBucket:
        del connection, access, bucket, observe
        return self.bucket_


async def test_a_run_under_way_goes_on_while_secrets_are_sealed_anew(tmp_path: Path, kind: Kind) -> None:
    old = new_key("old")
    settings = settings_of(secret_keys=f"{new_key('new')},{old}")
    async with a_catalog(tmp_path, LIMITS, kind=kind) as (catalog, database):
        before = Vault.from_settings(settings_of(secret_keys=old))
        stored = Registry(database=database, vault=before, settings=settings)
        connection = await stored.create(A_KEY, **BY_ALICE)
        vault = Vault.from_settings(settings)
        bucket = Pausing(page_keys=1)
        for key in (b"a", b"b", b"c"):
            bucket.put(key)
        storage = Storage(Registry(database=database, vault=vault, settings=settings), bucket)
        worker = Worker(owner="w", catalog=catalog, storage=storage, limits=LIMITS, observe=lambda _event: None)
        job = IngestJob.read({"uris": ["s3://acme"], "connection": "keys"})
        run, _ = await catalog.create_run(job, connection_id=connection.id, origin="ingest")
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            turn = tasks.create_task(worker.work_next(stop=lambda: False))
            await bucket.listed.wait()
            secrets = Secrets(database=database, vault=vault, limits=LIMITS)
            done = await secrets.rotate(actor="bob", progress=lambda _done: None)
            for _ in range(2):
                storage.looked.clear()
                await storage.looked.wait()  # by a heartbeat: the second one began after the rotation
            bucket.go_on.set()
        assert done == Rotated(resealed=1)
        assert turn.result() == "done"
        assert set(storage.looks) == {1}
        _, totals = await catalog.run(run.id)
        assert totals.outcomes["added"] == 3
        assert await storage.registry.secret(connection) == CANARY
