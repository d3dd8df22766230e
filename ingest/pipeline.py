"""Working a shard for one slice: list, compare, probe, commit; readable from top to bottom."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import NamedTuple, Protocol

from config.limits import Limits
from ingest.catalog.assets import Place
from ingest.catalog.catalog import Catalog
from ingest.catalog.handing import Gift
from ingest.catalog.runs import Run
from ingest.catalog.shards import Shard
from ingest.catalog.spans import Span, left_after
from ingest.compare import Merged
from ingest.comparing import Comparing
from ingest.copy_place import CopyPlace
from ingest.denials import Denials
from ingest.events import Observe, ShardsHandedOver, SpanCommitted
from ingest.extras import no_steps
from ingest.filters import key_filter
from ingest.flow import first_of
from ingest.handover import Giver
from ingest.heartbeat import heartbeat
from ingest.listed import LOST, ListedWork, Veil, wanted_in
from ingest.lister import Lister, Pages, Piece, PieceSource
from ingest.meter import Meter
from ingest.model import Range
from ingest.named import NamedWork
from ingest.probe.content import Bodies
from ingest.probe.first_ranges import FirstRanges
from ingest.probe.looking import ObjectSource, Probed, Step
from ingest.probe.one_version import VersionSource
from ingest.remembered import NOTHING
from ingest.s3.versions import VersionPages
from ingest.sources.named import NamedPieces
from ingest.wanted import Wanted

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
    open_named: Callable[[str], ObjectSource]
    """The same, for objects that are named; also by the origin of an HTTPS server."""
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
    veil: Veil
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
        self._named = run.job.named
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
        limits = self._tools.limits
        if self._named:
            few = -(-limits.probes_at_once // limits.pieces_at_once)  # how long each is shows when it is read
            keys = min(limits.span_probes, few) if self._wanted.depth == "content" else limits.span_probes
            pieces = NamedPieces(self._named[number], todo, keys=keys)
            await self._work_pieces(number, pieces, place, partial(self._by_name, number, place))
            return
        bucket = self._tools.open_bucket(source.bucket)
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
            wanted=wanted_in(source.bucket, self._wanted, self._tools),
            keep=self._keep,
            remembered=remembered,
            known_rows=limits.known_rows,
            span_bytes=limits.span_bytes if self._wanted.depth == "content" else None,
        )
        await self._work_pieces(number, lister, place, partial(self._by_listing, number, bucket, comparing))

    async def _work_pieces(self, number: int, pieces: PieceSource, place: Place, way_of: _WayOf) -> None:
        limits = self._tools.limits
        giver = Giver(source=number, lister=pieces, depth=self._wanted.depth, limits=limits)
        done: asyncio.Queue[Span | None] = asyncio.Queue(limits.spans_per_commit)
        async with asyncio.TaskGroup() as group:
            committing = group.create_task(self._commit_as_they_come(done, place, giver))
            async with pieces.started(), asyncio.TaskGroup() as looking:
                way = way_of(looking, giver)
                room = asyncio.Semaphore(limits.pieces_at_once)
                while (piece := await self._next(pieces, room)) is not None:
                    looked_at = looking.create_task(self._look(way, giver, piece, done))
                    looked_at.add_done_callback(lambda _: room.release())
            await done.put(None)
            await committing

    def _by_name(self, number: int, place: Place, group: asyncio.TaskGroup, _giver: Giver) -> _Way:
        work = NamedWork(self._tools, place, number=number, wanted=self._wanted, group=group)
        return _Way(work.begun, partial(work.span, check=self._raise_outage))

    def _by_listing(
        self, number: int, bucket: BucketSource, comparing: Comparing, group: asyncio.TaskGroup, giver: Giver
    ) -> _Way:
        work = ListedWork(self._tools, bucket, comparing.place, number=number, wanted=self._wanted, group=group)
        return _Way(partial(comparing.spans, most=giver.span_keys), partial(work.span, check=self._raise_outage))

    async def _next(self, pieces: PieceSource, room: asyncio.Semaphore) -> Piece | None:
        """The next piece, once there is room for it; None when all is listed or the slice is over."""
        await room.acquire()
        coming = asyncio.ensure_future(pieces.next())
        try:
            while not self._over():
                ready, _ = await asyncio.wait({coming}, timeout=_LOOK_S)
                if ready:
                    return coming.result()
            return None
        finally:
            coming.cancel()

    async def _look(self, way: _Way, giver: Giver, piece: Piece, done: asyncio.Queue[Span | None]) -> None:
        """Turn a piece into spans. What is not begun when the slice ends stays to do; meanwhile it may be given away."""
        with giver.holding(piece) as held:
            while (left := held.left) is not None:
                async with aclosing(way.compared(left)) as compared:
                    async for merged in compared:
                        if self._over():
                            return
                        if not held.begins(merged):
                            break
                        await done.put(await way.probed(merged))

    def _raise_outage(self, results: list[Probed]) -> None:
        """A single object that can't be had is a record; many at once, or all there are, are an outage: the span is worked again
        later. A few that stay so while the shard has rested several times are records all the same.
        """
        lost = [result.error for result in results if isinstance(result.error, LOST)]
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


class _Way(NamedTuple):
    """How the pieces of one source become spans."""

    compared: Callable[[Piece], AsyncGenerator[Merged]]
    """Spans that tile the piece in key order."""
    probed: Callable[[Merged], Awaitable[Span]]


_WayOf = Callable[[asyncio.TaskGroup, Giver], _Way]
