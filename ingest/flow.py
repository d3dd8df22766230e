"""Small pieces of concurrency: looking ahead in a stream, and one error out of a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from config.errors import LongshoreError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _End:
    error: Exception | None = None


@asynccontextmanager
async def ahead(items: AsyncGenerator[T], size: int) -> AsyncGenerator[AsyncIterator[T]]:
    """Draw up to `size` items before they are asked for, in order. What ends the stream is raised where its next item would be."""
    queue: asyncio.Queue[T | _End] = asyncio.Queue(size)

    async def draw() -> None:
        end = _End()
        try:
            async with aclosing(items):
                async for item in items:
                    await queue.put(item)
        except Exception as error:  # noqa: BLE001 - it is raised again, on the other side of the queue
            end = _End(error)
        await queue.put(end)

    async def drawn() -> AsyncGenerator[T]:
        while not isinstance(item := await queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    task = asyncio.create_task(draw())
    try:
        async with aclosing(drawn()) as stream:
            yield stream
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that speaks for a task group: one of ours if there is one, else whatever came first."""
    leaves = list(_leaves(group))
    return next((leaf for leaf in leaves if isinstance(leaf, LongshoreError)), leaves[0])


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
