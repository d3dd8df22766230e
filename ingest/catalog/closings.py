"""The steps that close a run, and decisions on its removals, as the rest of longshore sees them: each method is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sqlalchemy as sa

from config.database import Database, alone
from config.errors import FencedError
from config.limits import Limits
from ingest.catalog import endings, finding, marks, recounting, runs, shards
from ingest.catalog.patience import Patience
from ingest.catalog.runs import Run
from ingest.catalog.shards import Shard
from ingest.catalog.tables import runs as table
from ingest.certificate import Audit, Certificate, Problem, Rows, Tile
from ingest.job import PrefixSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How things stand after a step."""

    shard: Shard
    run: Run
    left: bool
    """Whether marks of the run still stand."""


class Closings:
    """What is done to a run once all of it is listed. Steps wait for a catalog that is away, and raise FencedError if the shard is
    this owner's no more.
    """

    def __init__(self, *, database: Database, workspace: str, limits: Limits, patience: Patience) -> None:
        self._database, self._workspace, self._limits, self._patience = database, workspace, limits, patience

    async def recounted(self, run: Run, source: int, *, after: Tile | None) -> list[tuple[Tile, Rows]]:
        """See `recounting.recount`."""
        most = self._limits.recount_rows
        read = partial(recounting.recount, run=run, source=source, after=after, most_rows=most)
        return await self._patience.through(lambda: self._database.read(read))

    async def spans(self, run_id: str) -> int:
        """How many spans a run has."""
        return await self._patience.through(lambda: self._database.read(lambda tx: recounting.spans_of(tx, run_id)))

    async def later_sources(self, run: Run) -> list[PrefixSource]:
        """See `recounting.later_sources`."""
        return await self._database.read(lambda tx: recounting.later_sources(tx, run))

    async def settle(self, shard: Shard, audit: Audit, certificate: Certificate) -> Step:
        """Keep the certificate. The run ends here if it does not hold, if its removals need a person, or if there are none."""

        def settle(tx: sa.Connection) -> Step:
            alone(tx)
            reason = endings.brake(shard.run_id, audit.sums.values(), self._limits) if certificate.holds else None
            goes_on = certificate.holds and reason is None and certificate.missing > 0
            moved = shards.step(tx, shard, lease_s=self._limits.lease_s, done=not goes_on)
            self._keep(tx, shard.run_id, certificate if goes_on else replace(certificate, removed=0))
            if not certificate.holds:
                endings.refute(tx, shard.run_id, certificate)
            elif reason is not None:
                endings.ask(tx, shard.run_id, reason)
            elif not goes_on:
                endings.complete(tx, self._run(tx, shard))
            return self._now(tx, moved)

        return await self._step(shard, settle)

    async def remove(self, shard: Shard) -> Step:
        """Remove some of what is marked missing."""

        def remove(tx: sa.Connection) -> Step:
            moved = shards.step(tx, shard, lease_s=self._limits.lease_s)
            marks.remove(tx, shard.run_id, most=self._limits.removals_per_commit)
            return self._now(tx, moved)

        return await self._step(shard, remove)

    async def take_back(self, shard: Shard) -> Step:
        """Take some of the marks back."""

        def take_back(tx: sa.Connection) -> Step:
            moved = shards.step(tx, shard, lease_s=self._limits.lease_s)
            marks.take_back(tx, shard.run_id, most=self._limits.removals_per_commit)
            return self._now(tx, moved)

        return await self._step(shard, take_back)

    async def end(self, shard: Shard) -> Step:
        """End the run: no mark of it is left. If nobody had to decide, as many were removed as it found missing."""

        def end(tx: sa.Connection) -> Step:
            alone(tx)
            moved = shards.step(tx, shard, lease_s=self._limits.lease_s, done=True)
            run = self._run(tx, shard)
            removed = runs.totals(tx, run.id).removed
            if run.certificate is not None:
                certificate = replace(certificate_of(run.certificate), removed=removed)
                if run.decision is None and removed != certificate.missing:
                    problem = Problem(
                        check="removed", where=f"run {run.id}", expected=certificate.missing, found=removed
                    )
                    certificate = replace(certificate, wrong=1, problems=(problem,))
                self._keep(tx, run.id, certificate)
                if not certificate.holds:
                    endings.refute(tx, run.id, certificate)
                    return self._now(tx, moved)
            endings.complete(tx, run)
            return self._now(tx, moved)

        return await self._step(shard, end)

    async def confirm(self, run_id: str) -> Run:
        """Let a run remove what it found missing. Raises LongshoreError if a later run has judged all of it anew.

        See `endings.decide`.
        """

        def confirm(tx: sa.Connection) -> Run:
            alone(tx)
            finding.check_confirmable(tx, self._workspace, run_id)
            return endings.decide(tx, self._workspace, run_id, "confirmed")

        return await self._database.transaction(confirm)

    async def reject(self, run_id: str) -> Run:
        """Let a run take back what it marked as missing; see `endings.decide`."""
        return await self._database.transaction(lambda tx: endings.decide(tx, self._workspace, run_id, "rejected"))

    async def _step(self, shard: Shard, work: Callable[[sa.Connection], Step]) -> Step:
        """If the fence refuses a step that was tried before, the answer to its COMMIT may have been lost."""
        attempts = 0

        async def attempt() -> Step:
            nonlocal attempts
            attempts += 1
            try:
                return await self._database.transaction(work)
            except FencedError:
                if attempts == 1 or (found := await self._database.read(lambda tx: self._committed(tx, shard))) is None:
                    raise
                return found

        return await self._patience.through(attempt)

    def _committed(self, tx: sa.Connection, shard: Shard) -> Step | None:
        moved = shards.committed(tx, shard, steps=1)
        return self._now(tx, replace(shard, seq=shard.seq + 1, failures=0)) if moved else None

    def _now(self, tx: sa.Connection, shard: Shard) -> Step:
        return Step(shard=shard, run=self._run(tx, shard), left=marks.left(tx, shard.run_id))

    def _run(self, tx: sa.Connection, shard: Shard) -> Run:
        return runs.get(tx, self._workspace, shard.run_id)

    def _keep(self, tx: sa.Connection, run_id: str, certificate: Certificate) -> None:
        tx.execute(sa.update(table).where(table.c.id == run_id).values(certificate=certificate.as_json()))


def certificate_of(kept: dict[str, Any]) -> Certificate:
    """As it was kept."""
    given = {name: value for name, value in kept.items() if name in Certificate.__dataclass_fields__}
    return Certificate(**{**given, "problems": tuple(Problem(**one) for one in kept["problems"])})
