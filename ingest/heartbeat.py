"""Keeps a lease while a shard is worked on; hides the task that renews it, and that the catalog may be away for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from config.errors import CatalogUnavailableError


@asynccontextmanager
async def heartbeat(beat: Callable[[], Awaitable[object]], *, every_s: float) -> AsyncGenerator[None]:
    """Call `beat` every so often as long as the block lasts. What it raises ends the block, as part of an exception group; a
    lease that was lost is such.
    """

    async def beats() -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                await beat()
            except CatalogUnavailableError:
                continue  # the lease holds for a while; if it runs out, the next commit is fenced

    async with asyncio.TaskGroup() as group:
        beating = group.create_task(beats())
        yield
        beating.cancel()
