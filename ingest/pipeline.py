"""Working a shard for one slice: list, compare, probe, commit; readable from top to bottom."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from config.errors import CatalogUnavailableError, SourceUnavailableError
from config.settings import Limits
from ingest.catalog.assets import Place
from ingest.catalog.catalog import Catalog
from ingest.catalog.runs import Run
from ingest.catalog.shards import Shard
from ingest.catalog.spans import Span
from ingest.compare import Change, Merged, cut
from ingest.denials import Denials
from ingest.events import Observe, SpanCommitted
from ingest.filters import key_filter
from ingest.flow import ahead, first_of
from ingest.job import Depth, PrefixSource
from ingest.meter import Meter
from ingest.model import Page, Range
from ingest.probe import head
from ingest.probe.head import ObjectSource, Probed


class BucketSource(ObjectSource, Protocol):
    """What the pipeline asks of a bucket. `ingest.s3.client.S3Client` is one."""

    def pages(self, *, prefix: bytes, within: Range = Range()) -> AsyncGenerator[Page]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a slice works with."""

    catalog: Catalog
    open_bucket: Callable[[str], BucketSource]
    """By the bucket's name, through the run's connection."""
    denials: Denials
    meter: Meter
    limits: Limits
    observe: Observe
    stop: Callable[[], bool]
    """Whether the worker has been asked to stop."""


class Slice:
    """One worker's turn at one shard. `shard` is what it holds now; when `run` ends with something left to do, give it back."""

    def __init__(self, *, shard: Shard, run: Run, tools: Tools) -> None:
        if run.job is None:
            raise ValueError(f"run {run.id} has no job to work on")
        self.shard, self._run, self._tools = shard, run, tools
        self._depth: Depth = run.job.depth
        self._keep = key_filter(run.job.include, run.job.exclude)
        self._began = time.monotonic()
        self._others_wait = False
        self._gate = asyncio.Semaphore(tools.limits.probes_at_once)

    async def work(self) -> None:
        """Work until nothing is left, the worker stops, or the slice is over and others wait.

        Raises what concerns the whole shard: FencedError, CredentialError, SourceError, CatalogError. What was committed stays.
        """
        try:
            async with self._heartbeat():
                for number, part in self.shard.todo:
                    if not self._over():
                        await self._work_range(number, part)
        except BaseExceptionGroup as group:
            raise first_of(group) from group

    async def _work_range(self, number: int, part: Range) -> None:
        source = self._run.sources[number]
        place = Place(self._run.connection_id, source.bucket)
        bucket = self._tools.open_bucket(source.bucket)
        pages = bucket.pages(prefix=source.prefix, within=part)
        async with ahead(pages, self._tools.limits.list_ahead) as listed, asyncio.TaskGroup() as probing:
            looked_at: deque[asyncio.Task[Span]] = deque()
            async with aclosing(self._compared(listed, place, source, part)) as compared:
                async for merged in compared:
                    looked_at.append(probing.create_task(self._probed(bucket, number, merged)))
                    if len(looked_at) >= self._tools.limits.spans_ahead:
                        await self._commit(await looked_at.popleft(), place)
                    if self._over():
                        break
            while looked_at:
                await self._commit(await looked_at.popleft(), place)
        await self._tools.denials.ended(bucket)

    async def _compared(
        self, pages: AsyncIterator[Page], place: Place, source: PrefixSource, part: Range
    ) -> AsyncGenerator[Merged]:
        """Spans that tile the range in key order, each compared with what the catalog knows of the same interval."""
        limits = self._tools.limits
        most = limits.span_keys if self._depth == "list" else limits.span_probes
        lo = part.lo
        async for page in pages:
            last = page.next_token is None
            if not page.entries and not last:
                continue
            entries, end = page.entries, part.hi if last else page.entries[-1].key
            while True:
                within = Range(lo, end)
                known = await self._tools.catalog.known(
                    place, prefix=source.prefix, within=within, limit=limits.known_rows
                )
                full = len(known) == limits.known_rows and known[-1].key != end
                if full:  # more is known of this interval than one span may hold: it ends at the last row read
                    within = Range(lo, known[-1].key)
                inside = sum(entry.key <= known[-1].key for entry in entries) if full else len(entries)
                for merged in cut(
                    entries[:inside], known, within=within, depth=self._depth, keep=self._keep, most=most
                ):
                    yield merged
                if not full:
                    break
                lo, entries = within.hi, entries[inside:]
            lo = end

    async def _probed(self, bucket: BucketSource, number: int, merged: Merged) -> Span:
        if self._depth == "list":
            results = [head.unprobed(change) for change in merged.changes]
        else:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._probe(bucket, change)) for change in merged.changes]
            results = [task.result() for task in tasks]
            self._raise_outage(results)
        return Span(
            source=number,
            merged=merged,
            assets=[result.asset for result in results if result.asset is not None],
            outcomes=Counter(result.outcome for result in results),
        )

    async def _probe(self, bucket: BucketSource, change: Change) -> Probed:
        async with self._gate:
            try:
                result = await head.head(bucket, change)
            except SourceUnavailableError as error:
                return head.failed(change, error)
        await self._tools.denials.seen(bucket, change.entry.key, result.error)
        return result

    def _raise_outage(self, results: list[Probed]) -> None:
        """A single object that can't be had is a record; many at once are an outage, and the span is worked again later."""
        lost = [result.error for result in results if isinstance(result.error, SourceUnavailableError)]
        if len(lost) > max(3, len(results) // 10):
            raise lost[0]

    async def _commit(self, span: Span, place: Place) -> None:
        began = time.perf_counter()
        self.shard = await self._tools.catalog.commit(self.shard, span, place=place, usage=self._tools.meter.take())
        self._tools.observe(
            SpanCommitted(
                connection=self._run.connection,
                outcomes=span.counts(),
                rows=len(span.assets) + len(span.merged.missing),
                seconds=time.perf_counter() - began,
            )
        )

    def _over(self) -> bool:
        return self._tools.stop() or (self._others_wait and time.monotonic() - self._began > self._tools.limits.slice_s)

    @asynccontextmanager
    async def _heartbeat(self) -> AsyncGenerator[None]:
        """Keep the lease while the slice works; a lease that is lost ends it."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(self._tools.limits.heartbeat_s)
                try:
                    await self._tools.catalog.renew(self.shard)
                    self._others_wait = (await self._tools.catalog.waiting())[0] > 0
                except CatalogUnavailableError:
                    continue  # the lease holds for a while; if it runs out, the next commit is fenced

        async with asyncio.TaskGroup() as group:
            beating = group.create_task(beat())
            yield
            beating.cancel()
