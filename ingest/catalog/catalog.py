"""The catalog as the rest of longshore sees it: each method is one transaction on the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from config.database import Database, alone
from config.errors import FencedError, LongshoreError
from config.limits import Limits
from ingest.catalog import (
    assets,
    claiming,
    duplicates,
    endings,
    finding,
    handing,
    knowing,
    knowing_versions,
    remembering,
    runs,
    shards,
    sidecars,
    spans,
)
from ingest.catalog.assets import Place
from ingest.catalog.closings import Closings
from ingest.catalog.duplicates import Among, By, Group
from ingest.catalog.handing import Gift
from ingest.catalog.knowing import Copied
from ingest.catalog.patience import Patience
from ingest.catalog.runs import Run, Totals
from ingest.catalog.shards import Leases, Shard, Usage
from ingest.catalog.sidecars import Sidecar
from ingest.catalog.spans import Span
from ingest.comparing_versions import KnownVersions
from ingest.job import IngestJob
from ingest.known import Known, KnownAsset
from ingest.model import Entry, Range
from ingest.remembered import Remembered, remember
from ingest.wanted import Wanted

T = TypeVar("T")


class Catalog:
    """Runs, shards and assets of one workspace. What work needs on its way waits for a catalog that is away; what people and
    producers ask for does not.
    """

    def __init__(self, *, database: Database, workspace: str, limits: Limits, patience: Patience | None = None) -> None:
        self.patience = patience or Patience(limits=limits)
        self._database, self.workspace, self._limits = self.patience.watching(database), workspace, limits
        self._deciding = asyncio.Lock()
        self.closings = Closings(database=self._database, workspace=workspace, limits=limits, patience=self.patience)

    async def create_run(
        self,
        job: IngestJob,
        *,
        connection_id: str,
        connection: str | None = None,
        origin: str,
        job_id: str | None = None,
    ) -> tuple[Run, bool]:
        """See `runs.create`. The run is durable when this returns."""
        create = partial(
            runs.create,
            workspace=self.workspace,
            connection_id=connection_id,
            connection=connection,
            job=job,
            origin=origin,
            job_id=job_id,
        )
        return await self._database.transaction(create)

    async def create_failed_run(
        self, error: LongshoreError, *, connection: str, origin: str, job_id: str | None = None
    ) -> Run:
        """See `runs.create_failed`."""
        create = partial(
            runs.create_failed,
            workspace=self.workspace,
            connection=connection,
            origin=origin,
            job_id=job_id,
            error=error,
        )
        return await self._database.transaction(create)

    async def run(self, run_id: str) -> tuple[Run, Totals]:
        """A run and its counters. Raises UnknownRunError."""
        return await self._database.read(lambda tx: (runs.get(tx, self.workspace, run_id), runs.totals(tx, run_id)))

    async def find_run(self, name: str) -> tuple[Run, Totals]:
        """A run by its ID or its job ID, and its counters. Raises UnknownRunError."""

        def find(tx: sa.Connection) -> tuple[Run, Totals]:
            run = finding.find(tx, self.workspace, name)
            return run, runs.totals(tx, run.id)

        return await self._database.read(find)

    async def newest_runs(self, limit: int) -> list[tuple[Run, Totals]]:
        return await self._database.read(
            lambda tx: [(run, runs.totals(tx, run.id)) for run in runs.newest(tx, self.workspace, limit=limit)]
        )

    async def left_over(self, *, origin: str) -> list[str]:
        """Runs of this origin that have not ended, oldest first."""
        return await self._database.read(lambda tx: runs.left_over(tx, self.workspace, origin=origin))

    async def leases(self, run_id: str) -> Leases:
        """See `shards.leases`."""
        return await self._database.read(lambda tx: shards.leases(tx, run_id))

    async def cancel(self, run_id: str) -> Run:
        return await self._database.transaction(lambda tx: endings.cancel(tx, self.workspace, run_id))

    async def claim(
        self, *, owner: str, run_id: str | None = None, origin: str | None = None
    ) -> tuple[Shard, Run] | None:
        """The next shard for this owner, under a lease; None if there is none to be had. Waits for a catalog that is away.

        Who asks for any, gets none and holds none has a flag up from then on, for `idle_flag_s`; see `handing`.
        """

        def claim(tx: sa.Connection) -> tuple[Shard, Run] | None:
            self._expire(tx, began)
            shard = claiming.claim(
                tx, workspace=self.workspace, owner=owner, limits=self._limits, run_id=run_id, origin=origin
            )
            if shard is None:
                if run_id is origin is None:
                    handing.raise_flag(tx, owner=owner, workspace=self.workspace, seconds=self._limits.idle_flag_s)
                return None
            handing.lower_flag(tx, owner=owner)
            runs.started(tx, shard.run_id)
            return shard, runs.get(tx, self.workspace, shard.run_id)

        began = self.patience.clock.monotonic()
        return await self._alone(claim)

    async def stops(self, owner: str) -> None:
        """This owner claims no more: its flag is taken down."""
        await self._database.transaction(lambda tx: handing.lower_flag(tx, owner=owner))

    async def waiting(self, *, but: str | None = None) -> tuple[int, float]:
        """Shards that somebody could claim now, none of the run `but`, and how long the oldest has waited, in seconds."""
        find = partial(claiming.waiting, workspace=self.workspace, limits=self._limits, but=but)
        return await self._database.read(find)

    async def waits_for(self, run_id: str) -> list[str]:
        """Older runs that must end before this one is worked on."""
        return await self._database.read(lambda tx: claiming.waits_for(tx, run_id))

    async def sweep(self) -> None:
        """Take back what silent owners hold. Waits for a catalog that is away."""
        began = self.patience.clock.monotonic()
        await self._alone(lambda tx: self._expire(tx, began))

    async def renew(self, shard: Shard) -> int:
        """Returns how many others have nothing to do. Waits for a catalog that is away. Raises FencedError."""
        return await self._patiently(lambda tx: shards.renew(tx, shard, lease_s=self._limits.lease_s))

    async def known(self, place: Place, *, prefix: bytes, within: Range, wanted: Wanted, limit: int) -> Known:
        """See `knowing.known`."""
        find = partial(knowing.known, place=place, prefix=prefix, within=within, wanted=wanted, limit=limit)
        return await self.patience.through(lambda: self._database.read(find))

    async def known_named(self, place: Place, *, keys: Sequence[bytes], wanted: Wanted) -> dict[bytes, KnownAsset]:
        """See `knowing.known_named`."""
        find = partial(knowing.known_named, place=place, keys=keys, wanted=wanted)
        return await self.patience.through(lambda: self._database.read(find))

    async def copied(self, place: Place, entry: Entry) -> Copied | None:
        """See `knowing.copied`."""
        find = partial(knowing.copied, place=place, entry=entry)
        return await self.patience.through(lambda: self._database.read(find))

    async def has_read(self, place: Place, entry: Entry, wanted: Wanted) -> bool:
        """See `knowing.has_read`."""
        find = partial(knowing.has_read, place=place, entry=entry, wanted=wanted)
        return await self.patience.through(lambda: self._database.read(find))

    async def known_versions(
        self, place: Place, *, prefix: bytes, within: Range, wanted: Wanted, limit: int
    ) -> KnownVersions:
        """See `knowing_versions.known_versions`."""
        find = partial(
            knowing_versions.known_versions, place=place, prefix=prefix, within=within, wanted=wanted, limit=limit
        )
        return await self.patience.through(lambda: self._database.read(find))

    async def remembered(self, run: Run, source: int) -> Remembered:
        """What the run before this one saw of a source; see `remembering.last_seen`."""
        limits = self._limits
        find = partial(remembering.last_seen, run=run, source=source, limit=limits.remembered_spans)
        seen = partial(self._database.read, lambda tx: remember(find(tx), page_keys=limits.page_keys))
        return await self.patience.through(seen)

    async def commit(
        self, shard: Shard, done: Sequence[Span], *, place: Place, usage: Usage, gifts: Sequence[Gift] = ()
    ) -> Shard:
        """Commit spans of one place and hand gifts over, all or none; the outcome of a COMMIT that failed is looked up, so that it
        is never done twice. Waits for a catalog that is away. Raises FencedError.
        """
        lease_s, steps = self._limits.lease_s, spans.steps(done, gifts)
        whole = partial(spans.commit, shard=shard, spans=done, place=place, usage=usage, lease_s=lease_s, gifts=gifts)
        attempts = 0

        async def attempt() -> Shard:
            nonlocal attempts
            attempts += 1
            try:
                return await self._database.transaction(whole)
            except FencedError:
                if attempts == 1 or not await self._database.read(lambda tx: shards.committed(tx, shard, steps=steps)):
                    raise
                left = spans.left_after(shard.todo, done, gifts)
                return replace(shard, seq=shard.seq + steps, todo=left, failures=0, idle=0)

        return await self.patience.through(attempt)

    async def give_back(
        self, shard: Shard, *, usage: Usage, rest_s: float = 0.0, failed: bool = False, patient: bool = True
    ) -> None:
        """Waits for a catalog that is away, if `patient`. Raises FencedError if the shard is this owner's no more."""
        give_back = partial(shards.give_back, shard=shard, usage=usage, rest_s=rest_s, failed=failed)
        await (self._patiently(give_back) if patient else self._database.transaction(give_back))

    async def fail(self, shard: Shard, error: LongshoreError, *, usage: Usage) -> Run:
        """End the shard's run with a named error. Waits for a catalog that is away.

        Raises FencedError if the shard is this owner's no more: then others decide.
        """

        def fail(tx: sa.Connection) -> Run:
            alone(tx)
            shards.give_back(tx, shard, usage=usage, failed=True)
            endings.fail(tx, shard.run_id, error)
            return runs.get(tx, self.workspace, shard.run_id)

        return await self._patiently(fail)

    async def find_assets(
        self,
        connection_ids: Sequence[str],
        *,
        bucket: str | None = None,
        prefix: bytes = b"",
        state: str | None = None,
        after: tuple[str, str, bytes] | tuple[str, str, bytes, str] | None = None,
        limit: int = 1000,
        versions: bool = False,
    ) -> list[Mapping[str, Any]]:
        """See `assets.find`."""
        find = partial(
            assets.find, bucket=bucket, prefix=prefix, state=state, after=after, limit=limit, versions=versions
        )
        return await self._database.read(lambda tx: find(tx, connection_ids))

    async def sidecars(self, rows: Sequence[Mapping[str, Any]]) -> list[list[Sidecar]]:
        """See `sidecars.of_page`."""
        return await self._database.read(lambda tx: sidecars.of_page(tx, rows)) if rows else []

    async def duplicates(
        self, by: By, among: Among, *, after: Group | None = None, limit: int, members: int
    ) -> list[Group]:
        """See `duplicates.find`."""
        find = partial(duplicates.find, by=by, among=among, after=after, limit=limit, members=members)
        return await self._database.read(find)

    async def _patiently(self, work: Callable[[sa.Connection], T]) -> T:
        return await self.patience.through(partial(self._database.transaction, work))

    async def _alone(self, work: Callable[[sa.Connection], T]) -> T:
        """What waits for `alone` anyway waits here, and not with a connection that others of this process need to renew."""

        async def attempt() -> T:
            async with self._deciding:
                return await self._database.transaction(work)

        return await self.patience.through(attempt)

    def _expire(self, tx: sa.Connection, began: float) -> None:
        alone(tx)  # waiting for it counts, too
        if self.patience.may_expire(began):
            claiming.expire(tx, lease_s=self._limits.lease_s)
