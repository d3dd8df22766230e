"""One worker's turn: a shard is claimed, worked for a slice, and given back, whatever happens to it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import structlog

from config.errors import (
    CatalogUnavailableError,
    ConnectionSetupError,
    FencedError,
    JobError,
    LongshoreError,
    RunStoppedError,
)
from config.limits import Limits
from credentials.connection import Connection
from credentials.veil import veiled
from ingest.catalog.catalog import Catalog
from ingest.catalog.runs import Run
from ingest.catalog.shards import Shard
from ingest.closing import Closing
from ingest.denials import Denials
from ingest.events import Observe, RunEnded, ShardsHandedOver, SliceEnded
from ingest.extras import Extras
from ingest.meter import Meter
from ingest.opening import Opening, Storage
from ingest.pipeline import Slice, Tools
from ingest.probe.content import Bodies
from ingest.probe.first_ranges import FirstRanges

log = structlog.get_logger(__name__)

Outcome = Literal["done", "paused", "resting", "failed", "fenced"]
_REST_FIRST_S = 1.0
_REST_MOST_S = 60.0


def no_bell(_shards: int) -> None:
    """Others look by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Works shards of one catalog, each for a slice at a time."""

    owner: str
    """This process's name in leases."""
    catalog: Catalog
    storage: Storage
    limits: Limits
    observe: Observe
    ranges: FirstRanges = field(default_factory=FirstRanges)
    """What was learnt of each bucket."""
    bodies: Bodies = field(default_factory=Bodies)
    extras: Extras | None = None
    """None: here objects are only looked at."""
    ring: Callable[[int], None] = no_bell
    """Tells others that so many shards are theirs for the taking. Returns at once."""

    async def work_next(
        self, *, stop: Callable[[], bool], run_id: str | None = None, origin: str | None = None
    ) -> Outcome | None:
        """Claim the next shard and work it for one slice. None: nothing to claim.

        Waits for a catalog that is away. Raises CatalogUnavailableError once the worker was told to stop.
        """
        claimed = await self.catalog.claim(owner=self.owner, run_id=run_id, origin=origin)
        if claimed is None:
            return None
        shard, run = claimed
        began = time.monotonic()
        with structlog.contextvars.bound_contextvars(run=run.id, shard=shard.id, connection=run.connection):
            if shard.failures:
                log.info("shard goes on after trouble", failures=shard.failures)
            outcome = await self._work(shard, run, stop)
            seconds = time.monotonic() - began
            log.info("slice ended", outcome=outcome, seconds=round(seconds, 3))
        self.observe(SliceEnded(connection=run.connection, outcome=outcome, seconds=seconds))
        return outcome

    async def stops(self) -> None:
        """This worker claims no more. Whoever can't be told that now finds out when its flag runs out."""
        with suppress(CatalogUnavailableError):
            await self.catalog.stops(self.owner)

    async def _work(self, shard: Shard, run: Run, stop: Callable[[], bool]) -> Outcome:
        meter = Meter(self.observe)
        connection: Connection | None = None
        work: Closing | Slice
        try:
            self._check_progress(shard)
            if shard.kind == "close":
                work = self._closing(shard, run, stop)
            else:
                connection = await self._connection(run)
                work = await self._slice(shard, run, connection, meter, stop)
            try:
                ended = await work.work()
            finally:
                shard = work.shard
        except FencedError:
            await self._tell_why(run)
            return "fenced"
        except asyncio.CancelledError:
            await self._drop(shard, meter)
            raise
        except CatalogUnavailableError:  # no failure of the shard's
            await self._drop(shard, meter, rest_s=_REST_FIRST_S)
            return "resting"
        except LongshoreError as error:
            told = error if connection is None else veiled(error, connection)
            return await self._failed(shard, meter, told)
        except Exception as error:
            log.exception("slice broke")
            unexpected = LongshoreError(
                f"something unexpected broke the run: {type(error).__name__}; the log has more", code="Internal"
            )
            return await self._failed(shard, meter, unexpected, retry=True)
        if shard.todo or (shard.kind == "close" and ended is None):
            await self._let_go(shard, meter)
            return "paused"
        self.ended(ended)
        return "done"

    def _check_progress(self, shard: Shard) -> None:
        if shard.failures >= self.limits.failures_before_rest:
            raise RunStoppedError(
                f"{shard.failures} workers in a row lost their lease on a shard of run {shard.run_id} without one commit: they were "
                "killed, ran out of memory, or stood still; look at their logs before you submit it again",
                code="NoProgress",
            )

    def _closing(self, shard: Shard, run: Run, stop: Callable[[], bool]) -> Closing:
        return Closing(
            shard=shard,
            run=run,
            closings=self.catalog.closings,
            renew=self.catalog.renew,
            heartbeat_s=self.limits.heartbeat_s,
            stop=stop,
        )

    async def _connection(self, run: Run) -> Connection:
        """The one that the run was submitted for, which permits all of its sources. Raises what ends a run that has none."""
        if run.job is None:
            raise JobError(
                f"the job of run {run.id} was written by another version of longshore, and this one can't read it"
            )
        connection = await self.catalog.patience.through(lambda: self.storage.connection(run.connection))
        if connection.id != run.connection_id:
            raise ConnectionSetupError(
                f"connection {run.connection!r} was replaced by one of another kind after run {run.id} was submitted; submit it again"
            )
        for bucket, keys in run.job.places():
            connection.permits_all(bucket, keys)
        return connection

    async def _slice(
        self, shard: Shard, run: Run, connection: Connection, meter: Meter, stop: Callable[[], bool]
    ) -> Slice:
        copies = self.extras.place(run, connection) if self.extras is not None else None
        opening = Opening(storage=self.storage, connection=connection, run=run, limits=self.limits, observe=meter)
        opened = await self.catalog.patience.through(partial(opening.open, copies=copies, sts_asked=meter.sts_asked))

        async def changed() -> bool:
            return (await self.storage.connection(run.connection)).version != connection.version

        tools = Tools(
            catalog=self.catalog,
            open_bucket=opened.bucket,
            open_named=opened.named,
            denials=Denials(access=opened.access, connection=run.connection, limits=self.limits, causes=opened.causes),
            ranges=self.ranges,
            bodies=self.bodies,
            meter=meter,
            limits=self.limits,
            observe=self.observe,
            handed_over=self._handed_over,
            stop=stop,
            veil=partial(veiled, connection=connection),
            connection_changed=changed,
            steps=opened.steps(self.extras),
            copies=copies,
        )
        return Slice(shard=shard, run=run, tools=tools)

    def _handed_over(self, event: ShardsHandedOver) -> None:
        log.info("some of what is left was handed over to workers that were idle", shards=event.shards)
        self.observe(event)
        self.ring(event.shards)

    async def _failed(self, shard: Shard, meter: Meter, error: LongshoreError, *, retry: bool = False) -> Outcome:
        if (error.transient or retry) and shard.failures + 1 < self.limits.failures_before_rest:
            rest_s = random.uniform(0.5, 1) * min(_REST_MOST_S, _REST_FIRST_S * 2**shard.failures)  # noqa: S311 - jitter
            log.warning(
                "shard rests",
                code=error.code,
                reason=error.message,
                again_in_s=round(rest_s, 1),
                failures=f"{shard.failures + 1} of {self.limits.failures_before_rest}",
            )
            await self._let_go(shard, meter, rest_s=rest_s, failed=True)
            return "resting"
        try:
            self.ended(await self.catalog.fail(shard, error, usage=meter.take()))
        except FencedError:
            return "fenced"
        except CatalogUnavailableError as away:
            log.warning("the run's end could not be written; its shard's lease runs out", reason=away.message)
            return "resting"
        log.error("run failed", code=error.code, reason=error.message)
        return "failed"

    async def _let_go(self, shard: Shard, meter: Meter, *, rest_s: float = 0.0, failed: bool = False) -> None:
        try:
            await self.catalog.give_back(shard, usage=meter.take(), rest_s=rest_s, failed=failed)
        except FencedError:
            log.info("shard was no longer ours to give back")
        except CatalogUnavailableError as error:
            log.warning("shard could not be given back; its lease runs out", reason=error.message)

    async def _drop(self, shard: Shard, meter: Meter, *, rest_s: float = 0.0) -> None:
        """Give it back without patience: nobody waits any more."""
        try:
            async with asyncio.timeout(self.limits.catalog_goodbye_s):
                await self.catalog.give_back(shard, usage=meter.take(), rest_s=rest_s, patient=False)
        except FencedError:
            log.info("shard was no longer ours to give back")
        except (CatalogUnavailableError, TimeoutError) as error:
            log.warning("shard could not be given back; its lease runs out", reason=str(error) or "no answer")

    async def _tell_why(self, run: Run) -> None:
        """A fence is nothing to worry about if somebody has ended the run."""
        with suppress(CatalogUnavailableError):
            now, _ = await self.catalog.run(run.id)
            if now.ended:
                log.info("what was in hand is dropped: the run has been ended", state=now.state, code=now.error_code)

    def ended(self, run: Run | None) -> None:
        """Tell whoever watches that a run is over."""
        if run is None or run.finished_at is None:
            return
        seconds = (run.finished_at - (run.started_at or run.created_at)) / 1000
        log.info("run ended", run=run.id, state=run.state, code=run.error_code, seconds=seconds)
        self.observe(RunEnded(connection=run.connection, state=run.state, seconds=seconds))

    async def sweep(self) -> int:
        """Take back what silent workers hold. Returns how many shards wait to be claimed."""
        await self.catalog.sweep()
        return (await self.catalog.waiting())[0]
