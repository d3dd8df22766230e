"""Runs: written before anything rings, ended once, counted from their shards and spans. Every function is one piece of a transaction."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa

from config.database import alone, db_now, summed
from config.errors import JobConflictError, LongshoreError, UnknownRunError
from ingest.catalog import shards
from ingest.catalog.shards import Todo
from ingest.catalog.tables import OUTCOMES
from ingest.catalog.tables import runs as table
from ingest.catalog.tables import shards as shard_table
from ingest.catalog.tables import spans as span_table
from ingest.job import IngestJob, PrefixSource

ENDED = ("complete", "partial", "failed", "cancelled", "needs_confirmation")
GOING = ("queued", "running")
REFUTED = "CertificateFailed"
"""The error code of a run whose spans and rows don't agree."""


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
    number: int
    """Higher than that of every run written before, whatever the clock said."""
    created_at: int
    started_at: int | None
    finished_at: int | None
    origin: str = "ingest"
    """`ingest`: worked where it was asked for; `queue`: by the workers."""
    job_id: str | None = None
    parent_id: str | None = None
    """The run that this one tries again."""
    schedule_id: str | None = None
    """Its schedule's name, and a word of its own: a name may come again."""
    asked: tuple[Todo, ...] | None = None
    """The ranges that it is about; None: each source whole."""
    decision: str | None = None
    """On removals that needed one: confirmed or rejected."""
    certificate: dict[str, Any] | None = None
    """What the recount found, once all was listed; see `ingest.certificate.Certificate`."""

    @property
    def schedule(self) -> str | None:
        """The name of the schedule that made it, which may be gone."""
        return None if self.schedule_id is None else self.schedule_id.rpartition("-")[0]

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
    tx: sa.Connection,
    *,
    workspace: str,
    connection_id: str,
    connection: str | None = None,
    job: IngestJob,
    origin: str,
    job_id: str | None = None,
    parent_id: str | None = None,
    schedule_id: str | None = None,
    asked: Sequence[Todo] | None = None,
) -> tuple[Run, bool]:
    """Write a run and its shards, one per source that it is about. Returns it and whether it is new. `connection`: which one a job
    means that names none.

    The same `job_id` with the same body is the same run; with another body it raises JobConflictError.
    """
    alone(tx)
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
        connection=connection or job.connection or "",
        origin=origin,
        job_id=job_id,
        parent_id=parent_id,
        schedule_id=schedule_id,
        asked=None if asked is None else shards.dump(asked),
        job=job.model_dump_json(),
        sources=json.dumps([[source.bucket, source.prefix.hex()] for source in sources]),
        state="queued",
    )
    shards.create(tx, run_id, sources=len(sources), asked=asked)
    return get(tx, workspace, run_id), True


def create_failed(
    tx: sa.Connection,
    *,
    workspace: str,
    connection: str,
    origin: str,
    job_id: str | None,
    error: LongshoreError,
    schedule_id: str | None = None,
) -> Run:
    """Write down a job that could not become a run, with the reason; the payload itself may hold anything and is not kept."""
    alone(tx)
    if job_id is not None and (known := _by_job_id(tx, workspace, job_id)) is not None:
        return known
    run_id = _insert(
        tx,
        workspace=workspace,
        connection_id="",
        connection=connection,
        origin=origin,
        job_id=job_id,
        schedule_id=schedule_id,
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
    number = sa.select(sa.func.coalesce(sa.func.max(table.c.number), 0) + 1).scalar_subquery()
    tx.execute(sa.insert(table).values(id=run_id, number=number, created_at=db_now(), removed=0, **values))
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
        sources=sources_of(row.sources),
        state=row.state,
        error_code=row.error_code,
        error=row.error,
        number=row.number,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        origin=row.origin,
        job_id=row.job_id,
        parent_id=row.parent_id,
        schedule_id=row.schedule_id,
        asked=None if row.asked is None else shards.load(row.asked),
        decision=row.decision,
        certificate=None if row.certificate is None else json.loads(row.certificate),
    )


def sources_of(text: str) -> tuple[PrefixSource, ...]:
    """As they stand in the table."""
    return tuple(PrefixSource(bucket, bytes.fromhex(prefix)) for bucket, prefix in json.loads(text))


def totals(tx: sa.Connection, run_id: str) -> Totals:
    """A run's counters: as they were kept when it ended, else what its spans and shards add up to."""
    kept, removed = tx.execute(sa.select(table.c.totals, table.c.removed).where(table.c.id == run_id)).one()
    if kept is None:
        return _added_up(tx, run_id, removed)
    read = json.loads(kept)  # an older version knew fewer classes of requests
    return Totals(**{**read, "removed": removed, "requests": dict.fromkeys(shards.REQUESTS, 0) | read["requests"]})


def keep_totals(tx: sa.Connection, run_id: str) -> None:
    """Write a run's counters down, since its spans need not outlive it; they stay if somebody decides on it later."""
    tx.execute(
        sa.update(table)
        .where(table.c.id == run_id, table.c.totals.is_(None))
        .values(totals=json.dumps(asdict(totals(tx, run_id))))
    )


def _added_up(tx: sa.Connection, run_id: str, removed: int) -> Totals:
    names = ("listed", *OUTCOMES, "known", "missing")
    sums = [summed(span_table.c[name]).label(name) for name in names]
    counted = tx.execute(sa.select(*sums).where(span_table.c.run_id == run_id)).one()._mapping  # noqa: SLF001 - SQLAlchemy's name
    spent = [
        summed(shard_table.c[name]).label(name) for name in (*(f"requests_{name}" for name in shards.REQUESTS), "bytes")
    ]
    used = tx.execute(sa.select(*spent).where(shard_table.c.run_id == run_id)).one()._mapping  # noqa: SLF001 - the same
    return Totals(
        listed=int(counted["listed"]),
        outcomes={outcome: int(counted[outcome]) for outcome in OUTCOMES},
        known=int(counted["known"]),
        missing=int(counted["missing"]),
        removed=removed,
        requests={name: int(used[f"requests_{name}"]) for name in shards.REQUESTS},
        bytes=int(used["bytes"]),
    )


def started(tx: sa.Connection, run_id: str) -> None:
    """The first shard was claimed."""
    tx.execute(
        sa.update(table)
        .where(table.c.id == run_id, table.c.state == "queued")
        .values(state="running", started_at=sa.func.coalesce(table.c.started_at, db_now()))
    )


def left_over(tx: sa.Connection, workspace: str, *, origin: str) -> list[str]:
    """Runs of this origin that have not ended, oldest first."""
    query = sa.select(table.c.id).where(table.c.workspace == workspace, table.c.origin == origin)
    query = query.where(table.c.state.in_(GOING))
    return list(tx.execute(query.order_by(table.c.created_at, table.c.id)).scalars())
