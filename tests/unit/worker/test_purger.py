"""The purger: one process does it, the rest look; nothing that goes wrong ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from config.errors import CatalogUnavailableError
from config.limits import Limits
from ingest.catalog.purging import Gone
from tests.fakes.clock import ManualClock
from tests.fakes.shifts import until
from worker.purger import Purger


@dataclass
class FakeRetention:
    """`left` purges are to be done, `turns` are to be had."""

    turns: int = 1
    left: int = 1
    looked: int = 0
    trouble: list[Exception] = field(default_factory=list)
    purged: list[tuple[list[str], int | None]] = field(default_factory=list)

    async def take_turn(self) -> bool:
        self.looked += 1
        if self.trouble:
            raise self.trouble.pop()
        self.turns -= 1
        return self.turns >= 0

    async def more_is_due(self) -> None:
        self.turns = 1

    async def purge(self, connection_ids: Sequence[str], *, chunks: int | None = None) -> tuple[Gone, bool]:
        self.purged.append((list(connection_ids), chunks))
        self.left -= 1
        return Gone(spans=1), self.left > 0

    async def known_ids(self, *, workspace: str) -> dict[str, str]:
        return {f"{workspace}-id": "acme"}


def a_purger(fake: FakeRetention, clock: ManualClock | None = None) -> Purger:
    limits = Limits(purge_chunks=7)
    return Purger(retention=fake, registry=fake, workspace="main", limits=limits, clock=clock or ManualClock())


async def test_whose_turn_it_is_purges_a_bounded_part() -> None:
    fake = FakeRetention()
    assert not await a_purger(fake).tick()
    assert fake.purged == [(["main-id"], 7)]
    assert not await a_purger(fake).tick()
    assert len(fake.purged) == 1


async def test_what_is_left_is_due_at_once_for_whoever_looks_next() -> None:
    fake = FakeRetention(left=2)
    assert await a_purger(fake).tick()
    assert not await a_purger(fake).tick()
    assert len(fake.purged) == 2


@pytest.mark.parametrize("trouble", [CatalogUnavailableError("full"), ZeroDivisionError("a bug")])
async def test_it_looks_again_whatever_goes_wrong(trouble: Exception) -> None:
    fake, clock = FakeRetention(trouble=[trouble]), ManualClock()
    looking = asyncio.create_task(a_purger(fake, clock).run())
    for looks in (1, 2, 3):
        await until(lambda: clock.sleepers == 1)
        assert fake.looked == looks
        clock.advance(60)
        await asyncio.sleep(0)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    assert len(fake.purged) == 1
