"""Works a run in this process, without a queue: what earlier commands left goes on first, and a signal ends it cleanly."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ingest.flow import first_of

if TYPE_CHECKING:
    from ingest.catalog.runs import Run
    from ingest.job import IngestJob
    from worker.service import Service

ORIGIN: Final = "ingest"
"""Runs of this origin are what a later `longshore ingest` goes on with; a worker on the same catalog may, too."""
_IDLE_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Stop:
    """Someone asked to stop: once, to finish what is in hand; twice, to drop it."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        (self.hurry if self.asked.is_set() else self.asked).set()


@contextmanager
def stop_on_signals(say: Callable[[str], None]) -> Generator[Stop]:
    """SIGINT and SIGTERM ask to stop, as long as the block lasts. Needs a running loop on the main thread."""
    stop, loop = Stop(), asyncio.get_running_loop()

    def asked() -> None:
        if not stop.asked.is_set():
            say("stopping: what is in hand is finished first; once more drops it")
        stop.ask()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def ingest_here(service: Service, job: IngestJob, *, stop: Stop, say: Callable[[str], None]) -> Run:
    """Write the job's run, finish what earlier `longshore ingest` left of this workspace, then work the run to its end.

    Returns it as it is then: not ended if `stop` was asked for. Raises what `Service.submit` raises, and CatalogError.
    """
    run, _ = await service.submit(job, origin=ORIGIN)
    await service.worker.sweep()
    left = [other for other in await service.catalog.left_over(origin=ORIGIN) if other != run.id]
    for other in left:
        say(f"run {other}, which an earlier `longshore ingest` left, goes on first")
        await _work(service, other, stop, patient=False)
    await _work(service, run.id, stop, patient=True)
    return (await service.catalog.run(run.id))[0]


async def _work(service: Service, run_id: str, stop: Stop, *, patient: bool) -> None:
    """Work a run's shards, several at once. `patient`: until it has ended; else until nothing of it can be claimed now."""
    run, _ = await service.catalog.run(run_id)
    limits = service.settings.limits
    hands = min(limits.slices_at_once, max(1, len(run.sources)))

    async def hand() -> None:
        while not stop.asked.is_set():
            outcome = await service.worker.work_next(stop=stop.asked.is_set, run_id=run_id)
            if outcome is not None:
                continue
            if not patient or (await service.catalog.run(run_id))[0].ended:
                return
            await service.worker.sweep()
            await _pause(stop)

    async def all_hands() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(hands):
                    group.create_task(hand())
        except BaseExceptionGroup as errors:
            raise first_of(errors) from errors

    await _drained(all_hands(), stop, drain_s=limits.drain_s)


async def _pause(stop: Stop) -> None:
    """Until there may be something to claim, or a stop."""
    try:
        async with asyncio.timeout(_IDLE_S):
            await stop.asked.wait()
    except TimeoutError:
        return


async def _drained(work: Coroutine[Any, Any, None], stop: Stop, *, drain_s: float) -> None:
    """Wait for `work`; once a stop is asked for, no longer than `drain_s`. Work that is dropped gives its shards back."""
    working = asyncio.create_task(work)
    asked, hurry = asyncio.create_task(stop.asked.wait()), asyncio.create_task(stop.hurry.wait())
    try:
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await asyncio.wait({working, hurry}, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, asked, hurry):
            task.cancel()
        await asyncio.gather(working, asked, hurry, return_exceptions=True)
    if not working.cancelled():
        working.result()
