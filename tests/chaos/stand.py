"""What many schedules share, one after the other: a Valkey, a process that forks workers, a PostgreSQL if one is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis

from benchmarks.postgres import PASSWORD, PostgresServer
from config.database import open_database
from tests.chaos.plan import Kind
from tests.chaos.zygote import Zygote, a_zygote
from tests.harness import Valkey

_TEMPLATE = "chaos_template"
CANARIES = (PASSWORD,)


@dataclass(slots=True)
class Stand:
    """One schedule at a time uses it."""

    folder: Path
    valkey: Valkey
    zygote: Zygote
    postgres: PostgresServer | None = None
    _template: Path | None = None
    _made: set[str] = field(default_factory=set)

    async def catalog_url(self, kind: Kind, seed: int, folder: Path) -> str:
        """A catalog of its own, migrated."""
        if kind == "sqlite":
            if self._template is None:
                self._template = self.folder / "template.db"
                async with open_database(f"sqlite:///{self._template}"):
                    pass
            await asyncio.to_thread(shutil.copy, self._template, folder / "catalog.db")
            return f"sqlite:///{folder / 'catalog.db'}"
        name = f"chaos_{seed}"
        server = await self._server()
        await asyncio.to_thread(server.drop, name)
        return await asyncio.to_thread(server.create, name, template=_TEMPLATE)

    async def forget(self) -> None:
        """Empty the queue: arq remembers a job's ID for a minute, and schedules use the same ones."""
        async with contextlib.aclosing(Redis.from_url(self.valkey.url)) as redis:
            await redis.flushall()

    async def drop(self, kind: Kind, seed: int) -> None:
        if kind == "postgres":
            await asyncio.to_thread((await self._server()).drop, f"chaos_{seed}")

    async def _server(self) -> PostgresServer:
        if self.postgres is None:
            self.postgres = await asyncio.to_thread(PostgresServer)
            await asyncio.to_thread(self.postgres.start)
            url = await asyncio.to_thread(self.postgres.create, _TEMPLATE)
            async with open_database(url):
                pass
        return self.postgres


@contextlib.asynccontextmanager
async def a_stand(folder: Path) -> AsyncGenerator[Stand]:
    """All of it ends with the block."""
    valkey = Valkey(folder, persist=True)
    await asyncio.to_thread(valkey.start)
    try:
        async with a_zygote() as zygote:
            stand = Stand(folder=folder, valkey=valkey, zygote=zygote)
            try:
                yield stand
            finally:
                if stand.postgres is not None:
                    await asyncio.to_thread(stand.postgres.close)
    finally:
        valkey.kill()
