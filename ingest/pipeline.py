"""Working a shard for one slice: list, compare, probe, commit; readable from top to bottom."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import NamedTuple, Protocol

from config.errors import ProtocolError, SourceUnavailableError
from config.limits import Limits
from ingest.catalog.assets import Place, records_of
from ingest.catalog.catalog import Catalog
from ingest.catalog.handing import Gift
from ingest.catalog.runs import Run
from ingest.catalog.shards import Shard
from ingest.catalog.spans import Span, left_after
from ingest.compare import Merged
from ingest.comparing import Comparing
from ingest.copying import CopyPlace
from ingest.denials import Denials
from ingest.events import Observe, ShardsHandedOver, SpanCommitted
from ingest.extras import no_steps
from ingest.filters import key_filter
from ingest.flow import first_of
from ingest.handover import Giver
from ingest.heartbeat import heartbeat
from ingest.lister import Lister, Pages, Piece
from ingest.meter import Meter
from ingest.model import Range
from ingest.probe.choosing import probe_of
from ingest.probe.content import Bodies
from ingest.probe.first_ranges import FirstRanges
from ingest.probe.hands import Hands
from ingest.probe.head import unprobed
from ingest.probe.looking import Change, Probe, Probed, Step, failed, look
from ingest.probe.one_version import VersionSource, source_of
from ingest.probe.records import is_settled
from ingest.remembered import NOTHING
from ingest.s3.versions import VersionPages
from ingest.versions import labels_of
from ingest.wanted import Wanted

_LOST = (SourceUnavailableError, ProtocolError)
"""A probe that ended so says nothing of the object."""
_FEW = 3
_RESTS = 3
_LOOK_S = 0.2
"""How often a slice that waits for a page looks whether it should stop."""


class BucketSource(VersionSource, Pages, Protocol):
    """What the pipeline asks of a bucket. `ingest.s3.client.S3Client` is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a slice works with."""

    catalog: Catalog
    open_bucket: Callable[[str], BucketSource]
    """By the bucket's name, through the run's connection."""
    denials: Denials
    ranges: FirstRanges
    bodies: Bodies
    meter: Meter
    limits: Limits
    observe: Observe
    handed_over: Callable[[ShardsHandedOver], None]
    """Wakes whoever they are for."""
    stop: Callable[[], bool]
    """Whether the worker has been asked to stop."""
    connection_changed: Callable[[], Awaitable[bool]]
    """Whether the connection is another than when the slice began. Raises UnknownConnectionError once it is removed."""
    steps: Callable[[str], list[Step]] = no_steps
    """What is done with each object of a bucket, by its name, besides looking at it."""
    copies: CopyPlace | None = None
    """Where copies go, if some are made."""


class Slice:
    """One worker's turn at one shard. `shard` is what it holds now; when `work` ends with something left to do, give it back."""

    def __init__(self, *, shard: Shard, run: Run, tools: Tools) -> None:
        if run.job is None:
            raise ValueError(f"run {run.id} has no job to work on")
        self.shard, self._run, self._tools = shard, run, tools
        self._wanted = Wanted.of(run.job)
        self._keep = key_filter(run.job.include, run.job.exclude)
        self._began = time.monotonic()
        self._others_wait = False
        self._connection_changed = False

    async def work(self) -> None:
        """Work until nothing is left, the worker stops, or the slice is over and others wait.

        Raises what concerns the whole shard: FencedError, CredentialError, SourceError, CatalogError. What was committed stays.
        """
        try:
            async with heartbeat(self._beat, every_s=self._tools.limits.heartbeat_s):
                for number, todo in itertools.groupby(self.shard.todo, key=itemgetter(0)):
                    if not self._over():
                        await self._work_source(number, [part for _, part in todo])
        except BaseExceptionGroup as group:
            raise first_of(group) from group

    async def _work_source(self, number: int, todo: list[Range]) -> None:
        source = self._run.sources[number]
        place = Place(self._run.connection_id, source.bucket)
        bucket = self._tools.open_bucket(source.bucket)
        limits = self._tools.limits
        versions = self._wanted.versions
        remembers = self._keep is None and not versions
        remembered = await self._tools.catalog.remembered(self._run, number) if remembers else NOTHING
        lister = Lister(
            source=VersionPages(bucket, limits=limits, what=source.uri) if versions else bucket,
            prefix=source.prefix,
            todo=todo,
            streams=limits.list_streams,
            ahead=limits.list_ahead,
            remembered=remembered,
        )
        comparing = Comparing(
            catalog=self._tools.catalog,
            place=place,
            prefix=source.prefix,
            wanted=self._wanted_in(source.bucket),
            keep=self._keep,
            remembered=remembered,
            known_rows=limits.known_rows,
            span_bytes=limits.span_bytes if self._wanted.depth == "content" else None,
        )
        giver = Giver(source=number, lister=lister, depth=self._wanted.depth, limits=limits)
        done: asyncio.Queue[Span | None] = asyncio.Queue(limits.spans_per_commit)
        async with asyncio.TaskGroup() as group:
            committing = group.create_task(self._commit_as_they_come(done, place, giver))
            async with lister.started(), asyncio.TaskGroup() as looking:
                probe = partial(self._probe, bucket, *self._look_of(source.bucket))
                hands = Hands(looking, probe, most=limits.probes_at_once)
                at = _Where(number, hands, comparing, giver)
                room = asyncio.Semaphore(limits.pieces_at_once)
                while (piece := await self._next(lister, room)) is not None:
                    looked_at = looking.create_task(self._look(at, piece, done))
                    looked_at.add_done_callback(lambda _: room.release())
            await done.put(None)
            await committing

    def _wanted_in(self, bucket: str) -> Wanted:
        """What a record of this bucket must cover."""
        copies = self._tools.copies
        return self._wanted if copies is None else self._wanted._replace(copy_to=copies.begin(bucket))

    async def _next(self, lister: Lister, room: asyncio.Semaphore) -> Piece | None:
        """The next piece, once there is room for it; None when all is listed or the slice is over."""
        await room.acquire()
        coming = asyncio.ensure_future(lister.next())
        try:
            while not self._over():
                ready, _ = await asyncio.wait({coming}, timeout=_LOOK_S)
                if ready:
                    return coming.result()
            return None
        finally:
            coming.cancel()

    async def _look(self, at: _Where, piece: Piece, done: asyncio.Queue[Span | None]) -> None:
        """Turn a piece into spans. What is not begun when the slice ends stays to do; meanwhile it may be given away."""
        with at.giver.holding(piece) as held:
            while (left := held.left) is not None:
                async with aclosing(at.comparing.spans(left, most=at.giver.span_keys)) as compared:
                    async for merged in compared:
                        if self._over():
                            return
                        if not held.begins(merged):
                            break
                        await done.put(await self._probed(at, merged))

    async def _probed(self, at: _Where, merged: Merged) -> Span:
        if self._wanted.depth == "list":
            records, outcomes = unprobed(merged)
            return Span(source=at.number, merged=merged, records=records, outcomes=outcomes)
        results = await at.hands.each(list(map(Change, merged.changes, merged.new)))
        self._raise_outage(results)
        found = [result.asset is not None for result in results]
        merged.lose(found)
        assets = [result.asset for result in results if result.asset is not None]
        as_listed = all(map(is_settled, assets, merged.changes))  # if one vanished, nothing is remembered anyway
        if self._wanted.tags and any(asset.tags is None for asset in assets):
            as_listed = False  # they were denied: the next run asks again
        return Span(
            source=at.number,
            merged=merged,
            records=records_of(assets, as_listed=as_listed, labels=labels_of(merged.changes.where(found))),
            outcomes=Counter(result.outcome for result in results),
        )

    def _look_of(self, bucket: str) -> tuple[Probe, list[Step]]:
        probe = probe_of(self._wanted, bucket, ranges=self._tools.ranges, bodies=self._tools.bodies)
        return probe, self._tools.steps(bucket)

    async def _probe(self, bucket: BucketSource, probe: Probe, steps: list[Step], change: Change) -> Probed:
        source = source_of(bucket, change.entry)
        try:
            result = await look(source, change, probe=probe, steps=steps)
        except _LOST as error:
            return failed(change, error)
        await self._tools.denials.seen(source, change.entry.key, result.error)
        return result

    def _raise_outage(self, results: list[Probed]) -> None:
        """A single object that can't be had is a record; many at once, or all there are, are an outage: the span is worked again
        later. A few that stay so while the shard has rested several times are records all the same.
        """
        lost = [result.error for result in results if isinstance(result.error, _LOST)]
        few = len(lost) <= max(_FEW, len(results) // 10)
        patient = len(lost) < len(results) or self.shard.failures >= _RESTS
        if lost and not (few and patient):
            raise lost[0]

    async def _commit_as_they_come(self, done: asyncio.Queue[Span | None], place: Place, giver: Giver) -> None:
        """Commit what is ready, all of it at once: while one commit is under way, the next one gathers. If others are idle, some of
        what is left becomes theirs in the same commit.
        """
        last = False
        while not last:
            spans = await self._ready(done)
            last = None in spans
            ready = [span for span in spans if span is not None]
            gifts = [] if last or self._over() else giver.gifts(self.shard.idle)
            if ready or gifts:
                if not left_after(self.shard.todo, ready, gifts):
                    await self._tools.denials.ended()  # the commit that follows ends the shard
                await self._commit(ready, place, gifts)

    async def _ready(self, done: asyncio.Queue[Span | None]) -> list[Span | None]:
        """All that is ready to be committed; nothing, if that takes so long that somebody may have become idle meanwhile."""
        try:
            async with asyncio.timeout(_LOOK_S):
                spans = [await done.get()]
        except TimeoutError:
            return []
        while len(spans) < self._tools.limits.spans_per_commit and not done.empty():
            spans.append(done.get_nowait())
        return spans

    async def _commit(self, spans: list[Span], place: Place, gifts: list[Gift]) -> None:
        began = time.perf_counter()
        self.shard = await self._tools.catalog.commit(
            self.shard, spans, place=place, usage=self._tools.meter.take(), gifts=gifts
        )
        if gifts:
            self._tools.handed_over(ShardsHandedOver(connection=self._run.connection, shards=len(gifts)))
        outcomes: Counter[str] = Counter()
        for span in spans:
            outcomes.update(span.counts())
        self._tools.observe(
            SpanCommitted(
                connection=self._run.connection,
                outcomes=dict(outcomes),
                rows=sum(map(Span.rows, spans)),
                seconds=time.perf_counter() - began,
            )
        )

    def _over(self) -> bool:
        late = time.monotonic() - self._began > self._tools.limits.slice_s
        return self._tools.stop() or self._connection_changed or (self._others_wait and late)

    async def _beat(self) -> None:
        idle = await self._tools.catalog.renew(self.shard)
        self.shard = replace(self.shard, idle=idle)
        self._others_wait = (await self._tools.catalog.waiting(but=self._run.id))[0] > 0
        self._connection_changed = await self._tools.connection_changed()


class _Where(NamedTuple):
    number: int
    """Of the source, in its run."""
    hands: Hands[Change, Probed]
    comparing: Comparing
    giver: Giver
