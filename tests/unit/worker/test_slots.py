"""Slots: how many slices run at once, and how they end."""

from __future__ import annotations

import asyncio

import pytest

from config.errors import CatalogUnavailableError
from config.limits import Limits
from tests.fakes.shifts import FakeWorker, until
from worker.slots import Slots


def slots_of(worker: FakeWorker, most: int = 3) -> Slots:
    return Slots(worker=worker, limits=Limits(slices_at_once=most))


async def test_a_slot_works_shard_after_shard_until_none_is_left() -> None:
    worker = FakeWorker(shards=10)
    worker.release()
    slots = slots_of(worker)
    assert slots.wake() == 1
    await until(lambda: slots.busy == 0)
    assert (worker.done, worker.most_working) == (10, 1)


async def test_no_more_slices_run_at_once_than_there_are_slots() -> None:
    worker = FakeWorker(shards=10)
    slots = slots_of(worker)
    assert (slots.wake(100), slots.wake(), slots.wake(0), slots.wake(-1)) == (3, 0, 0, 0)
    await until(lambda: worker.working == 3)
    worker.release()
    await until(lambda: slots.busy == 0)
    assert (worker.done, worker.most_working) == (10, 3)


async def test_a_drain_lets_slices_give_their_shards_back_and_starts_nothing_more() -> None:
    worker = FakeWorker(shards=10)
    slots = slots_of(worker)
    slots.wake(2)
    await until(lambda: worker.working == 2)
    assert await slots.drain(30)
    assert (worker.given_back, worker.shards, slots.busy, slots.wake()) == (2, 8, 0, 0)


async def test_what_does_not_stop_in_time_is_cancelled_and_gives_its_shard_back_all_the_same() -> None:
    worker = FakeWorker(shards=1)
    worker.stubborn = True
    slots = slots_of(worker)
    slots.wake()
    await until(lambda: worker.working == 1)
    assert not await slots.drain(0)
    assert (worker.given_back, slots.busy) == (1, 0)


async def test_a_second_signal_does_not_wait_for_what_is_in_flight() -> None:
    worker = FakeWorker(shards=1)
    worker.stubborn = True
    slots = slots_of(worker)
    slots.wake()
    await until(lambda: worker.working == 1)
    draining = asyncio.create_task(slots.drain(3600))
    await asyncio.sleep(0)
    slots.cancel()
    assert await draining
    assert worker.given_back == 1


async def test_a_cancelled_drain_cancels_the_slices() -> None:
    worker = FakeWorker(shards=1)
    worker.stubborn = True
    slots = slots_of(worker)
    slots.wake()
    await until(lambda: worker.working == 1)
    draining = asyncio.create_task(slots.drain(3600))
    await asyncio.sleep(0)
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    await until(lambda: worker.given_back == 1)


@pytest.mark.parametrize("trouble", [CatalogUnavailableError("locked"), ZeroDivisionError("a bug")])
async def test_trouble_empties_a_slot_that_can_be_filled_again(trouble: Exception) -> None:
    worker = FakeWorker(shards=1)
    worker.trouble = [trouble]
    worker.release()
    slots = slots_of(worker)
    slots.wake()
    await until(lambda: slots.busy == 0)
    assert worker.done == 0
    slots.wake()
    await until(lambda: slots.busy == 0)
    assert worker.done == 1


async def test_draining_what_is_empty_takes_no_time() -> None:
    assert await slots_of(FakeWorker()).drain(0)


async def test_a_stop_is_told_to_whoever_waits_for_the_catalog() -> None:
    told: list[str] = []
    slots = Slots(worker=FakeWorker(), limits=Limits(), stopped=lambda: told.append("stopped"))
    slots.stop()
    assert told == ["stopped"]
