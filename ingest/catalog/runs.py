"""Runs: written before anything rings, ended once, counted from their shards and spans. Every function is one piece of a transaction."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from config.database import db_now
from config.errors import JobConflictError, LongshoreError, UnknownRunError
from config.settings import Limits
from ingest.catalog import shards
from ingest.catalog.tables import OUTCOMES, assets
from ingest.catalog.tables import runs as table
from ingest.catalog.tables import shards as shard_table
from ingest.catalog.tables import spans as span_table
from ingest.job import IngestJob, PrefixSource

ENDED = ("complete", "partial", "failed", "cancelled", "needs_confirmation")
_GOING = ("queued", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of a job, as the catalog has it."""

    id: str
    workspace: str
    connection_id: str
    connection: str
    job: IngestJob | None
    """None if the payload could not be used, or was written by another version that this one can't read."""
    sources: tuple[PrefixSource, ...]
    state: str
    error_code: str | None
    error: str | None
    created_at: int
    started_at: int | None
    finished_at: int | None
    job_id: str | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """A run's counters: sums over its spans and shards."""

    listed: int = 0
    outcomes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    known: int = 0
    missing: int = 0
    removed: int = 0
    requests: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("list", "head", "get", "sts"), 0))
    bytes: int = 0


def new_run_id() -> str:
    """Sorts by time, reads well in a log, fits into a role session's name."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"


def create(
    tx: sa.Connection, *, workspace: str, connection_id: str, job: IngestJob, origin: str, job_id: str | None = None
) -> tuple[Run, bool]:
    """Write a run and its shards, one per source. Returns it and whether it is new.

    The same `job_id` with the same body is the same run; with another body it raises JobConflictError.
    """
    if job_id is not None and (known := _by_job_id(tx, workspace, job_id)) is not None:
        if known.job != job:
            raise JobConflictError(
                f"job ID {job_id!r} belongs to run {known.id}, which was asked for something else; use another ID",
                run=known.id,
            )
        return known, False
    sources = job.sources()
    run_id = _insert(
        tx,
        workspace=workspace,
        connection_id=connection_id,
        connection=job.connection,
        origin=origin,
        job_id=job_id,
        job=job.model_dump_json(),
        sources=json.dumps([[source.bucket, source.prefix.hex()] for source in sources]),
        state="queued",
    )
    shards.create(tx, run_id, sources=len(sources))
    return get(tx, workspace, run_id), True


def create_failed(
    tx: sa.Connection, *, workspace: str, connection: str, origin: str, job_id: str | None, error: LongshoreError
) -> Run:
    """Write down a job that could not become a run, with the reason; the payload itself may hold anything and is not kept."""
    if job_id is not None and (known := _by_job_id(tx, workspace, job_id)) is not None:
        return known
    run_id = _insert(
        tx,
        workspace=workspace,
        connection_id="",
        connection=connection,
        origin=origin,
        job_id=job_id,
        job="{}",
        sources="[]",
        state="failed",
        error_code=error.code,
        error=error.message,
        finished_at=db_now(),
    )
    return get(tx, workspace, run_id)


def _insert(tx: sa.Connection, **values: Any) -> str:
    run_id = new_run_id()
    tx.execute(sa.insert(table).values(id=run_id, created_at=db_now(), removed=0, **values))
    return run_id


def get(tx: sa.Connection, workspace: str, run_id: str) -> Run:
    """Raises UnknownRunError."""
    row = tx.execute(sa.select(table).where(table.c.workspace == workspace, table.c.id == run_id)).one_or_none()
    if row is None:
        raise UnknownRunError(
            f"there is no run {run_id!r} in workspace {workspace!r}; `longshore runs` lists them", run=run_id
        )
    return _run(row)


def _by_job_id(tx: sa.Connection, workspace: str, job_id: str) -> Run | None:
    row = tx.execute(sa.select(table).where(table.c.workspace == workspace, table.c.job_id == job_id)).one_or_none()
    return None if row is None else _run(row)


def newest(tx: sa.Connection, workspace: str, *, limit: int) -> list[Run]:
    query = (
        sa.select(table).where(table.c.workspace == workspace).order_by(table.c.created_at.desc(), table.c.id.desc())
    )
    return [_run(row) for row in tx.execute(query.limit(limit))]


def _run(row: sa.Row[Any]) -> Run:
    return Run(
        id=row.id,
        workspace=row.workspace,
        connection_id=row.connection_id,
        connection=row.connection,
        job=IngestJob.kept(row.job),
        sources=tuple(PrefixSource(bucket, bytes.fromhex(prefix)) for bucket, prefix in json.loads(row.sources)),
        state=row.state,
        error_code=row.error_code,
        error=row.error,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        job_id=row.job_id,
    )


def totals(tx: sa.Connection, run_id: str) -> Totals:
    """Add up what the run's spans and shards say."""
    names = ("listed", *OUTCOMES, "known", "missing")
    sums = [sa.func.coalesce(sa.func.sum(span_table.c[name]), 0).label(name) for name in names]
    counted = tx.execute(sa.select(*sums).where(span_table.c.run_id == run_id)).one()._mapping  # noqa: SLF001 - SQLAlchemy's name
    spent = [
        sa.func.coalesce(sa.func.sum(shard_table.c[name]), 0).label(name)
        for name in ("requests_list", "requests_head", "requests_get", "requests_sts", "bytes")
    ]
    used = tx.execute(sa.select(*spent).where(shard_table.c.run_id == run_id)).one()
    removed = tx.execute(sa.select(table.c.removed).where(table.c.id == run_id)).scalar_one()
    return Totals(
        listed=counted["listed"],
        outcomes={outcome: counted[outcome] for outcome in OUTCOMES},
        known=counted["known"],
        missing=counted["missing"],
        removed=removed,
        requests={
            "list": used.requests_list,
            "head": used.requests_head,
            "get": used.requests_get,
            "sts": used.requests_sts,
        },
        bytes=used.bytes,
    )


def started(tx: sa.Connection, run_id: str) -> None:
    """The first shard was claimed."""
    tx.execute(
        sa.update(table)
        .where(table.c.id == run_id, table.c.state == "queued")
        .values(state="running", started_at=db_now())
    )


def finish(tx: sa.Connection, run_id: str, limits: Limits) -> Run | None:
    """End the run if all of its shards are done: remove what went missing, or ask first. Returns it if this call ended it."""
    running = tx.execute(sa.select(table).where(table.c.id == run_id, table.c.state == "running")).one_or_none()
    if running is None or shards.open_ones(tx, run_id):
        return None
    total = totals(tx, run_id)
    reason = _brake(tx, run_id, limits)
    if reason is not None:
        _end(tx, run_id, state="needs_confirmation", code="MassRemoval", message=reason)
    else:
        if total.missing:
            _remove_missing(tx, run_id)
        failed = total.outcomes["failed"]
        message = (
            f"{failed} objects could not be read; `longshore assets --state failed` lists them" if failed else None
        )
        _end(
            tx,
            run_id,
            state="partial" if failed else "complete",
            code="FailedObjects" if failed else None,
            message=message,
        )
    return get(tx, running.workspace, run_id)


def _brake(tx: sa.Connection, run_id: str, limits: Limits) -> str | None:
    """Why the removals must wait for a person; None if they need not. Each source is looked at by itself: one that is emptied
    does not hide behind another that is whole.
    """
    names = ("listed", "known", "missing")
    sums = (sa.func.sum(span_table.c[name]).label(name) for name in names)
    query = sa.select(span_table.c.source, *sums).where(span_table.c.run_id == run_id).group_by(span_table.c.source)
    found = [source for source in tx.execute(query) if source.missing]
    ask = f"nothing was removed; `longshore runs confirm {run_id}` removes them, or mend the bucket and run again"
    for source in found:
        if not source.listed:
            return f"the listing is empty but {source.missing} assets are known; {ask}"
        if source.missing > limits.removals_min and source.missing > limits.removals_share * source.known:
            return f"{source.missing} of {source.known} known assets are gone, more than {limits.removals_share:.0%}; {ask}"
    missing = sum(source.missing for source in found)
    if missing > limits.removals_most:
        return f"{missing} known assets are gone, more than {limits.removals_most}; {ask}"
    return None


def confirm(tx: sa.Connection, workspace: str, run_id: str) -> Run:
    """Remove what a run that needs confirmation found missing. Raises UnknownRunError; does nothing to a run in any other state."""
    run = get(tx, workspace, run_id)
    if run.state == "needs_confirmation":
        _remove_missing(tx, run_id)
        failed = totals(tx, run_id).outcomes["failed"]
        state, code = ("partial", "FailedObjects") if failed else ("complete", None)
        _end(tx, run_id, state=state, code=code, message=None, of=("needs_confirmation",))
    return get(tx, workspace, run_id)


def _remove_missing(tx: sa.Connection, run_id: str) -> None:
    gone = sa.update(assets).where(assets.c.run_id == run_id, assets.c.state == "missing")
    removed = tx.execute(gone.values(state="removed", changed_at=db_now())).rowcount
    tx.execute(sa.update(table).where(table.c.id == run_id).values(removed=removed))


def fail(tx: sa.Connection, run_id: str, error: LongshoreError) -> None:
    """End the run with a named error; its shards are taken from whoever works on them. A run that has ended stays as it is."""
    if _end(tx, run_id, state="failed", code=error.code, message=error.message):
        shards.close(tx, run_id, state="failed")


def cancel(tx: sa.Connection, workspace: str, run_id: str) -> Run:
    """End the run because someone asks. Raises UnknownRunError; a run that has ended stays as it is."""
    get(tx, workspace, run_id)
    message = "the run was cancelled; what it committed stays"
    if _end(tx, run_id, state="cancelled", code="Cancelled", message=message, of=(*_GOING, "needs_confirmation")):
        shards.close(tx, run_id, state="failed")
    return get(tx, workspace, run_id)


def _end(
    tx: sa.Connection, run_id: str, *, state: str, code: str | None, message: str | None, of: Sequence[str] = _GOING
) -> bool:
    """End a run that is in one of these states. Returns whether it was."""
    ended = sa.update(table).where(table.c.id == run_id, table.c.state.in_(of))
    return bool(tx.execute(ended.values(state=state, error_code=code, error=message, finished_at=db_now())).rowcount)


def left_over(tx: sa.Connection, workspace: str, *, origin: str) -> list[str]:
    """Runs of this origin that have not ended, oldest first."""
    query = sa.select(table.c.id).where(table.c.workspace == workspace, table.c.origin == origin)
    query = query.where(table.c.state.in_(_GOING))
    return list(tx.execute(query.order_by(table.c.created_at, table.c.id)).scalars())


def unfinished(tx: sa.Connection, workspace: str) -> list[str]:
    """Runs that are running although none of their shards is open: their last worker died between its commit and their end."""
    still = sa.exists().where(shard_table.c.run_id == table.c.id, shard_table.c.state.in_(("ready", "leased")))
    query = sa.select(table.c.id).where(table.c.workspace == workspace, table.c.state == "running", ~still)
    return list(tx.execute(query).scalars())
