"""Works a run in this process, without a queue: what earlier commands left goes on first, and a signal ends it cleanly."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from config.errors import CatalogUnavailableError
from ingest.flow import first_of

if TYPE_CHECKING:
    from ingest.catalog.runs import Run
    from ingest.catalog.shards import Leases
    from worker.service import Service

T = TypeVar("T")
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


async def work_here(service: Service, run: Run, *, stop: Stop, say: Callable[[str], None]) -> Run:
    """Finish what earlier `longshore ingest` left of this workspace, then work the run to its end.

    Returns it as it is then: not ended if `stop` was asked for. Waits for a catalog that goes away meanwhile. Raises CatalogError.
    """
    await service.worker.sweep()
    crew = _Crew(service, stop, say)
    left = [other for other in await service.catalog.left_over(origin=ORIGIN) if other != run.id]
    leases = {other: await service.catalog.leases(other) for other in left}
    for other in left:
        if not leases[other] and not await service.catalog.waits_for(other):
            say(f"run {other}, which an earlier `longshore ingest` left, goes on first")
            await crew.work(other, patient=False)
    await crew.work(run.id, patient=True)
    for other in left:
        await crew.work_if_abandoned(other, leases[other])
    return (await service.catalog.run(run.id))[0]


async def finish_here(service: Service, run_id: str, *, stop: Stop, say: Callable[[str], None]) -> Run:
    """Work a run that is written already to its end. Returns it as it is then: not ended if `stop` was asked for."""
    await _Crew(service, stop, say).work(run_id, patient=True)
    return (await service.catalog.run(run_id))[0]


class _Crew:
    """Works the shards of one run after the other, several shards at once."""

    def __init__(self, service: Service, stop: Stop, say: Callable[[str], None]) -> None:
        self._service, self._stop, self._say = service, stop, say
        self._told: set[str] = set()

    async def work(self, run_id: str, *, patient: bool) -> None:
        """`patient`: until the run has ended; else until nothing of it can be claimed now."""
        run = await self._run(run_id)
        limits = self._service.settings.limits
        hands = min(limits.slices_at_once, max(1, len(run.sources)))
        work = self._all_hands(run_id, hands, patient=patient)
        try:
            await _drained(work, self._stop, drain_s=limits.drain_s, told=self._service.catalog.patience.end)
        except CatalogUnavailableError:
            if not self._stop.asked.is_set():
                raise

    async def work_if_abandoned(self, run_id: str, leases: Leases) -> None:
        """Work on a run that somebody held when we came, once it shows that nobody renews the lease; else it is theirs."""
        while not self._stop.asked.is_set() and not (await self._service.catalog.run(run_id))[0].ended:
            await self._service.worker.sweep()
            now = await self._service.catalog.leases(run_id)
            if (now and now != leases) or await self._service.catalog.waits_for(run_id):
                return
            if not now:
                self._say(f"run {run_id}, which an earlier `longshore ingest` left, goes on")
                await self.work(run_id, patient=False)
                return
            await _pause(self._stop)

    async def _all_hands(self, run_id: str, hands: int, *, patient: bool) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(hands):
                    group.create_task(self._hand(run_id, patient=patient))
        except BaseExceptionGroup as errors:
            raise first_of(errors) from errors

    async def _hand(self, run_id: str, *, patient: bool) -> None:
        while not self._stop.asked.is_set():
            if await self._turn(run_id):
                continue
            if not patient or (await self._run(run_id)).ended:
                return
            await self._service.worker.sweep()
            if not await self._help_older(run_id):
                await _pause(self._stop)

    async def _turn(self, run_id: str) -> bool:
        """Work one slice. Whether there was one to be had."""
        return await self._service.worker.work_next(stop=self._stop.asked.is_set, run_id=run_id) is not None

    async def _run(self, run_id: str) -> Run:
        return (await self._through(partial(self._service.catalog.run, run_id)))[0]

    async def _through(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await self._service.catalog.patience.through(attempt)

    async def _help_older(self, run_id: str) -> bool:
        """Work on a run that ours waits for: nobody else may be there to do it."""
        for other in await self._through(partial(self._service.catalog.waits_for, run_id)):
            if other not in self._told:
                self._told.add(other)
                self._say(f"run {other} lists the same place and is older; it goes first")
            if await self._turn(other):
                return True
        return False


async def _pause(stop: Stop) -> None:
    """Until there may be something to claim, or a stop."""
    try:
        async with asyncio.timeout(_IDLE_S):
            await stop.asked.wait()
    except TimeoutError:
        return


async def _drained(work: Coroutine[Any, Any, None], stop: Stop, *, drain_s: float, told: Callable[[], None]) -> None:
    """Wait for `work`; once a stop is asked for, no longer than `drain_s`. Work that is dropped gives its shards back.

    `told` is called when the stop is asked for: nothing waits for the catalog from then on.
    """
    working = asyncio.create_task(work)
    asked, hurry = asyncio.create_task(stop.asked.wait()), asyncio.create_task(stop.hurry.wait())
    try:
        await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            told()
            await asyncio.wait({working, hurry}, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, asked, hurry):
            task.cancel()
        await asyncio.gather(working, asked, hurry, return_exceptions=True)
    if not working.cancelled():
        working.result()
