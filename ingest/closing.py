"""Working the shard that closes a run: recount, certify, ask or remove, end; readable from top to bottom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ingest.catalog.closings import Closings, Step
from ingest.catalog.runs import Run
from ingest.catalog.shards import Shard
from ingest.certificate import Audit, Certificate
from ingest.flow import first_of
from ingest.heartbeat import heartbeat


class Closing:
    """One worker's turn at closing one run. `shard` is what it holds now; when `work` returns None, give it back."""

    def __init__(
        self,
        *,
        shard: Shard,
        run: Run,
        closings: Closings,
        renew: Callable[[Shard], Awaitable[object]],
        heartbeat_s: float,
        stop: Callable[[], bool],
    ) -> None:
        self.shard, self._run, self._closings = shard, run, closings
        self._renew, self._heartbeat_s, self._stop = renew, heartbeat_s, stop

    async def work(self) -> Run | None:
        """Go on until the run has ended, and return it; None if the worker stops. What was done stays: each step is a transaction.

        Raises FencedError and CatalogError.
        """
        try:
            async with heartbeat(lambda: self._renew(self.shard), every_s=self._heartbeat_s):
                return await self._close()
        except BaseExceptionGroup as group:
            raise first_of(group) from group

    async def _close(self) -> Run | None:
        run, left = self._run, True
        if run.certificate is None and run.decision is None:
            audit = Audit(run_id=run.id, sources=run.sources, asked=run.asked)
            certificate = await audited(self._closings, run, audit, stop=self._stop)
            if certificate is None:
                return None
            run, left = self._moved(await self._closings.settle(self.shard, audit, certificate))
        step = self._closings.take_back if run.decision == "rejected" else self._closings.remove
        while left and not run.ended:
            if self._stop():
                return None
            run, left = self._moved(await step(self.shard))
        return run if run.ended else self._moved(await self._closings.end(self.shard))[0]

    def _moved(self, step: Step) -> tuple[Run, bool]:
        self.shard = step.shard
        return step.run, step.left


async def audited(
    closings: Closings, run: Run, audit: Audit, *, stop: Callable[[], bool] = lambda: False
) -> Certificate | None:
    """Show the audit every span of a run, with its rows as they are now. Reads only, a few spans at a time. None: stopped."""
    for source in range(len(run.sources)):
        found = await closings.recounted(run, source, after=None)
        while found:
            for tile, rows in found:
                audit.see(tile, rows)
            if stop():
                return None
            found = await closings.recounted(run, source, after=found[-1][0])
    return audit.certificate(spans=await closings.spans(run.id))
