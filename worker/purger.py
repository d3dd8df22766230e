"""Deletes what was kept for long enough, a little at a time: hides that several processes look, and one does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import structlog

from config.errors import CatalogUnavailableError
from config.limits import Limits
from credentials.clock import Clock
from ingest.catalog.purging import Gone

log = structlog.get_logger(__name__)

_LOOK_S = 60.0
_BREATH_S = 1.0


class Keeps(Protocol):
    """What is kept, and for how long. `ingest.catalog.retention.Retention` is one."""

    async def take_turn(self) -> bool: ...

    async def more_is_due(self) -> None: ...

    async def purge(self, connection_ids: Sequence[str], *, chunks: int | None = None) -> tuple[Gone, bool]: ...


class Knows(Protocol):
    """Connections, removed ones too. `credentials.registry.Registry` is one."""

    async def known_ids(self, *, workspace: str) -> Mapping[str, str]: ...


class Purger:
    """Every `purge_s`, of all processes that share a catalog one; if there is much to delete, again and again with a breath between."""

    def __init__(self, *, retention: Keeps, registry: Knows, workspace: str, limits: Limits, clock: Clock) -> None:
        self._retention, self._registry, self._workspace = retention, registry, workspace
        self._limits, self._clock = limits, clock

    async def run(self) -> None:
        """Look until cancelled. Nothing that goes wrong ends it."""
        while True:
            more = await self.tick()
            await self._clock.sleep(_BREATH_S if more else min(_LOOK_S, self._limits.purge_s))

    async def tick(self) -> bool:
        """Look once. Returns whether there is more to do."""
        try:
            if not await self._retention.take_turn():
                return False
            connection_ids = list(await self._registry.known_ids(workspace=self._workspace))
            _, more = await self._retention.purge(connection_ids, chunks=self._limits.purge_chunks)
            if more:
                await self._retention.more_is_due()
        except CatalogUnavailableError as error:
            log.debug("the catalog is out of reach; looking again", reason=error.message)
            return False
        except Exception:
            log.exception("a purge broke; looking again")
            return False
        return more
