"""How long the catalog keeps what: deletes the rest in small transactions, between which others get their turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import sqlalchemy as sa

from config.database import Database
from config.limits import Limits
from credentials.clock import Clock, SystemClock
from ingest.catalog import forgetting, purging
from ingest.catalog.purging import Gone
from ingest.events import Observe, Purged, ignore

T = TypeVar("T")


class Retention:
    """Of one workspace. Whatever is interrupted can be begun again."""

    def __init__(
        self,
        *,
        database: Database,
        workspace: str,
        limits: Limits,
        clock: Clock | None = None,
        observe: Observe = ignore,
    ) -> None:
        self._database, self._workspace, self._limits = database, workspace, limits
        self._clock, self._observe = clock or SystemClock(), observe
        self._chore = f"purge:{workspace}"

    async def take_turn(self) -> bool:
        """Whether a purge is due. Then it is the caller's to do, and nobody else's for `purge_s`."""
        if not await self._database.read(lambda tx: purging.is_due(tx, self._chore)):
            return False
        turn = partial(purging.take_turn, chore=self._chore, again_s=self._limits.purge_s)
        return await self._database.transaction(turn)

    async def more_is_due(self) -> None:
        """Whoever looks next goes on."""
        await self._database.transaction(lambda tx: purging.due_now(tx, self._chore))

    async def old(self, connection_ids: Sequence[str]) -> Gone:
        """What `purge` would delete now."""
        return await self._database.read(lambda tx: purging.old(tx, self._workspace, connection_ids, self._limits))

    async def purge(self, connection_ids: Sequence[str], *, chunks: int | None = None) -> tuple[Gone, bool]:
        """Delete what was kept for long enough, in no more transactions than `chunks`. Returns what, and whether there is more.

        `connection_ids`: those of the workspace, removed ones too.
        """
        turns = _Turns(chunks)
        gone = Gone()
        for stage in (self._old_spans, self._old_runs, partial(self._removed, connection_ids)):
            found = await stage(turns)
            gone += found
            self._tell(found)
        return gone, turns.spent

    async def forget(self, connection_id: str, *, kept_id: str) -> Gone:
        """Delete all that a removed connection left. Raises ConnectionRuleError if it is in use, or comes to be.

        `kept_id`: its row; another one than `connection_id` where another workspace gave it to the organisation.
        """
        gone, more = Gone(), True
        while more:
            step = partial(forgetting.step, connection_id=connection_id, kept_id=kept_id, rows=self._limits.purge_rows)
            found, more = await self._chunk(step)
            gone += found
        self._tell(gone)
        return gone

    async def left(self, connection_id: str, *, kept_id: str) -> Gone:
        """What `forget` would delete. Raises as it does."""
        return await self._database.read(lambda tx: forgetting.left(tx, connection_id, kept_id=kept_id))

    async def _old_spans(self, turns: _Turns) -> Gone:
        gone, rows = 0, self._limits.purge_rows
        while run_ids := await self._database.read(
            lambda tx: purging.runs_with_old_spans(tx, self._workspace, self._limits)
        ):
            for run_id in run_ids:
                deleted = rows
                while deleted == rows:  # one after the other: the next run's spans go when none of this one's are left
                    if not turns.take():
                        return Gone(spans=gone)
                    deleted = await self._chunk(partial(purging.drop_spans, run_id=run_id, rows=rows))
                    gone += deleted
        return Gone(spans=gone)

    async def _old_runs(self, turns: _Turns) -> Gone:
        gone, more = 0, True
        while more and turns.take():
            drop = partial(purging.drop_runs, workspace=self._workspace, limits=self._limits)
            deleted, more = await self._chunk(drop)
            gone += deleted
        return Gone(runs=gone)

    async def _removed(self, connection_ids: Sequence[str], turns: _Turns) -> Gone:
        gone, deleted = 0, self._limits.purge_rows
        while deleted == self._limits.purge_rows and turns.take():
            drop = partial(purging.drop_removed, connection_ids=connection_ids, limits=self._limits)
            deleted = await self._chunk(drop)
            gone += deleted
        return Gone(assets=gone)

    async def _chunk(self, work: Callable[[sa.Connection], T]) -> T:
        """One transaction, and as long a pause: SQLite serves no queue, so others would have to be lucky to come in between."""
        began = self._clock.monotonic()
        result = await self._database.transaction(work)
        await self._clock.sleep(self._clock.monotonic() - began)
        return result

    def _tell(self, gone: Gone) -> None:
        for table in ("spans", "assets", "runs"):
            if rows := getattr(gone, table):
                self._observe(Purged(table=table, rows=rows))


class _Turns:
    """How many transactions may still follow."""

    def __init__(self, most: int | None) -> None:
        self._left = most
        self.spent = False
        """Whether one more was wanted than there were."""

    def take(self) -> bool:
        if self._left == 0:
            self.spent = True
            return False
        if self._left is not None:
            self._left -= 1
        return True
