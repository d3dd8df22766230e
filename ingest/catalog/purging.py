"""Deletes what was kept for long enough, some rows at a time; hides in which order that is safe. Pieces of a transaction.

What a run remembers comes from the newest run that has spans (see `remembering`). Spans must never outlive those of a newer run:
they would speak of rows that the newer one wrote. So a connection's spans go by the age of their runs, the oldest first, and a
run that still needs its spans keeps those of all later ones, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from config.database import alone, db_now
from config.limits import Limits
from ingest.catalog.tables import assets, chores, runs, schedules, shards, spans

_OVER = ("complete", "partial", "failed", "cancelled")
"""Ended for good: a run that needs confirmation goes on one day."""
_DAY_MS = 86_400_000
_RUNS_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Rows that were deleted, or would be."""

    spans: int = 0
    assets: int = 0
    runs: int = 0

    def __add__(self, other: Gone) -> Gone:
        return Gone(spans=self.spans + other.spans, assets=self.assets + other.assets, runs=self.runs + other.runs)

    def __bool__(self) -> bool:
        return bool(self.spans or self.assets or self.runs)


def take_turn(tx: sa.Connection, chore: str, *, again_s: float) -> bool:
    """Whether `chore` is due; then it is the caller's, and due again after `again_s`."""
    alone(tx)
    due_at = tx.execute(sa.select(chores.c.due_at).where(chores.c.name == chore)).scalar_one_or_none()
    next_at = db_now() + round(again_s * 1000)
    if due_at is None:
        tx.execute(sa.insert(chores).values(name=chore, due_at=next_at))
        return True
    due = sa.update(chores).where(chores.c.name == chore, chores.c.due_at <= db_now())
    return bool(tx.execute(due.values(due_at=next_at)).rowcount)


def is_due(tx: sa.Connection, chore: str) -> bool:
    later = sa.exists().where(chores.c.name == chore, chores.c.due_at > db_now())
    return not tx.execute(sa.select(later)).scalar_one()


def due_now(tx: sa.Connection, chore: str) -> None:
    """There is more to do."""
    tx.execute(sa.update(chores).where(chores.c.name == chore).values(due_at=db_now()))


def runs_with_old_spans(tx: sa.Connection, workspace: str, limits: Limits, *, limit: int = _RUNS_AT_ONCE) -> list[str]:
    """Runs whose spans may go now, in the order in which they must."""
    return list(tx.execute(_old_spans(workspace, limits).order_by(runs.c.number).limit(limit)).scalars())


def _old_spans(workspace: str, limits: Limits) -> sa.Select[str]:
    has_spans = sa.exists().where(spans.c.run_id == runs.c.id)
    may_go = sa.and_(
        runs.c.state.in_(_OVER),
        sa.or_(
            sa.and_(_ended_before(limits.keep_spans_days), runs.c.totals.is_not(None)),
            _ended_before(limits.keep_runs_days),
        ),
    )
    stays = sa.or_(runs.c.state.not_in(_OVER), sa.and_(sa.not_(may_go), has_spans))
    first = (
        sa.select(runs.c.connection_id, sa.func.min(runs.c.number).label("number"))
        .where(runs.c.workspace == workspace, stays)
        .group_by(runs.c.connection_id)
        .subquery()
    )
    return (
        sa.select(runs.c.id)
        .outerjoin(first, first.c.connection_id == runs.c.connection_id)
        .where(runs.c.workspace == workspace, may_go, has_spans)
        .where(sa.or_(first.c.number.is_(None), runs.c.number < first.c.number))
    )


def drop_spans(tx: sa.Connection, run_id: str, *, rows: int) -> int:
    """Of one run, at most so many; fewer only if none are left. Half of them is as good as none: each speaks for itself."""
    alone(tx)  # who meets rows that another deletes would find fewer, and take the next run's too early
    some = sa.select(spans.c.shard_id, spans.c.seq).where(spans.c.run_id == run_id).limit(rows)
    return tx.execute(sa.delete(spans).where(sa.tuple_(spans.c.shard_id, spans.c.seq).in_(some))).rowcount


def drop_runs(tx: sa.Connection, workspace: str, limits: Limits) -> tuple[int, bool]:
    """Delete old runs that have no spans any more, or a part of their shards. Returns how many runs, and whether to come again."""
    alone(tx)
    return delete_runs(tx, _old_runs(workspace, limits), rows=limits.purge_rows)


def _old_runs(workspace: str, limits: Limits) -> sa.Select[str]:
    return sa.select(runs.c.id).where(
        runs.c.workspace == workspace, runs.c.state.in_(_OVER), _ended_before(limits.keep_runs_days), ~_has_spans()
    )


def delete_runs(tx: sa.Connection, which: sa.Select[str], *, rows: int) -> tuple[int, bool]:
    """Of these runs, which have no spans, as `drop_runs` does."""
    ids = list(tx.execute(which.order_by(runs.c.number).limit(min(rows, _RUNS_AT_ONCE))).scalars())
    if not ids:
        return 0, False
    some = sa.select(shards.c.id).where(shards.c.run_id.in_(ids)).limit(rows)
    if tx.execute(sa.delete(shards).where(shards.c.id.in_(some))).rowcount == rows:
        return 0, True
    tx.execute(sa.update(runs).where(runs.c.parent_id.in_(ids)).values(parent_id=None))
    tx.execute(sa.update(schedules).where(schedules.c.last_run_id.in_(ids)).values(last_run_id=None))
    return tx.execute(sa.delete(runs).where(runs.c.id.in_(ids))).rowcount, True


def drop_removed(tx: sa.Connection, connection_ids: Sequence[str], limits: Limits) -> int:
    """Records of objects that were removed long ago. No span's digest speaks of them: their pages came without."""
    key = (assets.c.connection_id, assets.c.bucket, assets.c.key, assets.c.version_id)
    some = sa.select(*key).where(*_old_removed(connection_ids, limits)).order_by(assets.c.changed_at)
    # who finds a row taken leaves it for the next time, and so waits for nobody with rows in its hands
    some = some.limit(limits.purge_rows).with_for_update(skip_locked=True)
    # once more: on PostgreSQL a row may be seen again between the look and the deed
    still = assets.c.state == "removed"
    return tx.execute(sa.delete(assets).where(sa.tuple_(*key).in_(some), still)).rowcount


def _old_removed(connection_ids: Sequence[str], limits: Limits) -> list[sa.ColumnElement[bool]]:
    # as an expression, so that rows are found by the index of what was removed, and not by walking all of a connection's
    connection_id = sa.func.coalesce(assets.c.connection_id, "")
    before = _before(assets.c.changed_at, limits.keep_removed_days)
    return [assets.c.state == "removed", before, connection_id.in_(connection_ids)]


def old(tx: sa.Connection, workspace: str, connection_ids: Sequence[str], limits: Limits) -> Gone:
    """What a purge would delete now."""
    which = _old_spans(workspace, limits).correlate(None)
    count = sa.func.count()
    kept = sa.exists().where(spans.c.run_id == runs.c.id, spans.c.run_id.not_in(which))
    gone = sa.select(count).where(
        runs.c.workspace == workspace, runs.c.state.in_(_OVER), _ended_before(limits.keep_runs_days), ~kept
    )
    return Gone(
        spans=tx.execute(sa.select(count).select_from(spans).where(spans.c.run_id.in_(which))).scalar_one(),
        assets=tx.execute(sa.select(count).where(*_old_removed(connection_ids, limits))).scalar_one(),
        runs=tx.execute(gone).scalar_one(),
    )


def _has_spans() -> sa.Exists:
    return sa.exists().where(spans.c.run_id == runs.c.id)


def _ended_before(days: float) -> sa.ColumnElement[bool]:
    return _before(runs.c.finished_at, days)


def _before(at: sa.ColumnElement[int], days: float) -> sa.ColumnElement[bool]:
    return at < db_now() - round(days * _DAY_MS) if days else sa.false()
