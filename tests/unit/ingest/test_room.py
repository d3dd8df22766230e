"""Room for bodies: never more than there is, in the order asked for, and nothing is lost with who gives up."""

from __future__ import annotations

import asyncio
import random

import pytest

from ingest.probe.room import Room


async def test_no_more_is_held_than_there_is_and_all_get_their_turn() -> None:
    room, chance, held, most, order = Room(100), random.Random(1), 0, 0, list[int]()

    async def one(number: int, size: int) -> None:
        nonlocal held, most
        async with room.of(size):
            order.append(number)
            held += min(size, 100)
            most = max(most, held)
            await asyncio.sleep(0)
            held -= min(size, 100)

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(one(number, chance.choice([1, 10, 50, 99, 100, 5000])))
    assert most <= 100
    assert order == list(range(200))


@pytest.mark.parametrize("given", [False, True])
async def test_who_gives_up_takes_nothing_along(given: bool) -> None:
    room, free, last = Room(10), asyncio.Event(), asyncio.Event()

    async def hold(size: int, until: asyncio.Event) -> None:
        async with room.of(size):
            await until.wait()

    first = asyncio.create_task(hold(10, free))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(hold(8, last))
    behind = asyncio.create_task(hold(5, last))
    await asyncio.sleep(0)
    if given:
        free.set()
        await asyncio.sleep(0)
        assert first.done()
        waiting.cancel()
    else:
        waiting.cancel()
        free.set()
    await asyncio.wait({waiting, first})
    last.set()
    await behind
    async with asyncio.timeout(1), room.of(10):
        pass
