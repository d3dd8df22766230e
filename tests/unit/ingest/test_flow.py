"""Looking ahead in a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from config.errors import FencedError
from ingest.flow import ahead, first_of


class Numbers:
    """A stream that says how far it was drawn and whether it was closed."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error, self.drawn, self.closed = count, error, 0, False

    async def stream(self) -> AsyncGenerator[int]:
        try:
            for number in range(self.count):
                self.drawn += 1
                yield number
                await asyncio.sleep(0)
            if self.error:
                raise self.error
        finally:
            self.closed = True


async def test_items_come_in_order_and_only_so_many_ahead() -> None:
    numbers = Numbers(10)
    seen = []
    async with ahead(numbers.stream(), 2) as items:
        async for item in items:
            seen.append(item)
            for _ in range(20):
                await asyncio.sleep(0)
            assert numbers.drawn <= item + 1 + 2 + 1
    assert (seen, numbers.closed) == (list(range(10)), True)


async def test_an_error_is_raised_after_the_items_before_it() -> None:
    async with ahead(Numbers(3, FencedError()).stream(), 5) as items:
        assert [await anext(items) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(FencedError):
            await anext(items)


async def test_a_stream_that_is_left_early_is_closed() -> None:
    numbers = Numbers(100)
    async with ahead(numbers.stream(), 3) as items:
        async for _ in items:
            break
    assert numbers.closed


async def test_a_cancelled_reader_leaves_nothing_behind() -> None:
    numbers = Numbers(100)
    started = asyncio.Event()

    async def read() -> None:
        async with ahead(numbers.stream(), 1) as items:
            async for _ in items:
                started.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert numbers.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_one_of_our_errors_speaks_for_a_group() -> None:
    ours = FencedError()
    group = ExceptionGroup("all", [ValueError("x"), ExceptionGroup("inner", [ours])])
    assert first_of(group) is ours
    assert isinstance(first_of(ExceptionGroup("all", [ValueError("x")])), ValueError)
