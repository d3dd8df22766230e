"""The arq functions: what a producer's job and a ring become. The only file that knows arq.Retry."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from arq.worker import Retry

from config.errors import (
    CatalogUnavailableError,
    ConnectionSetupError,
    JobConflictError,
    JobError,
    LongshoreError,
)
from config.limits import Limits
from config.redaction import redact
from ingest.catalog.runs import Run
from ingest.events import RunEnded
from ingest.job import IngestJob
from worker.queue import Unreadable
from worker.slots import Slots

log = structlog.get_logger(__name__)

CONTEXT = "longshore"
"""The one entry of arq's ctx that is ours."""
Result = dict[str, str | None]
JOB_S = 30.0
"""Writing a job down takes no longer, else it is tried again later. arq would drop it without a word at its own time-out."""
_LATER_S = 2.0
_PASSED_ON = 10
_PASS_ON_S = 0.1
"""After these, sweepers have looked."""
_MOST_REASON = 2_000
_MOST_JOB_ID = 512


class Intake(Protocol):
    """Where jobs become runs. `worker.service.Service` is one."""

    async def submit(self, job: IngestJob, *, origin: str, job_id: str | None = None) -> tuple[Run, bool]: ...

    async def refuse(
        self, error: LongshoreError, *, connection: str = "", origin: str, job_id: str | None = None
    ) -> Run: ...


class Rings(Protocol):
    """Tells other workers. `worker.queue.Bell` is one."""

    async def ring(self, times: int = 1) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the arq functions work with."""

    intake: Intake
    bell: Rings
    slots: Slots
    limits: Limits
    run_ended: Callable[[RunEnded], None]


async def ingest(ctx: dict[str, Any], /, *args: Any, **kwargs: Any) -> Result:
    """Write a producer's job down as a run, and ring for its shards. Returns the run's ID and state, or why there is none.

    A job that can't be used becomes a failed run with the reason. Raises only arq.Retry, while the catalog is out of reach.
    """
    context: Context = ctx[CONTEXT]
    job_id = _kept(ctx["job_id"])
    with structlog.contextvars.bound_contextvars(job_id=job_id):
        try:
            async with asyncio.timeout(JOB_S):
                return await _ingest(context, _payload(args, kwargs, named=job_id == ctx["job_id"]), job_id)
        except JobConflictError as error:
            return await _conflict(context, error, job_id)
        except (JobError, ConnectionSetupError) as error:
            return await _refused(context, error, args, job_id)
        except (CatalogUnavailableError, TimeoutError) as error:
            log.warning(
                "the catalog is out of reach; the job waits", reason=str(error) or f"no answer in {JOB_S:.0f} s"
            )
            raise Retry(defer=random.uniform(0.5, 1.5) * _LATER_S) from error  # noqa: S311 - jitter
        except Exception as error:
            log.exception("a job broke")
            unexpected = f"something unexpected broke the job: {type(error).__name__}; the log has more"
            return await _refused(context, LongshoreError(unexpected, code="Internal"), args, job_id)


async def work(ctx: dict[str, Any], /, *_args: Any, **kwargs: Any) -> int:
    """A ring: fill a free slot, which works shards for as long as the catalog has any. Returns how many were filled.

    If all are busy the ring is spent: a slot that becomes free looks by itself, and so does every other process's sweeper. A ring for
    the idle is passed on by whoever is not, some times: Redis gives it to anyone, and the one who handed over is always there.
    """
    context: Context = ctx[CONTEXT]
    if kwargs.get("idle") and context.slots.busy and ctx.get("job_try", 1) <= _PASSED_ON:
        raise Retry(defer=_PASS_ON_S)
    return context.slots.wake()


def _kept(job_id: str) -> str:
    """The ID as every database can keep and index it; of one that can't be, a digest."""
    encoded = job_id.encode("utf-8", "surrogatepass")
    usable = len(encoded) <= _MOST_JOB_ID and "\0" not in job_id
    return job_id if usable else f"sha256:{hashlib.sha256(encoded).hexdigest()}"


def _payload(args: tuple[Any, ...], kwargs: dict[str, Any], *, named: bool) -> Any:
    if not named:
        raise JobError(
            f"the job can't be used: its ID has more than {_MOST_JOB_ID} bytes, or holds NUL; give arq another _job_id",
            code="BadJob",
        )
    if len(args) != 1 or kwargs:
        raise JobError("the job can't be used: `ingest` takes one argument, the job as a JSON object", code="BadJob")
    if isinstance(args[0], Unreadable):
        raise JobError(f"the job can't be used: {args[0].reason}", code="BadJob")
    return args[0]


async def _ingest(context: Context, payload: Any, job_id: str) -> Result:
    job = IngestJob.read(payload, limits=context.limits)
    run, new = await context.intake.submit(job, origin="queue", job_id=job_id)
    log.info("job accepted" if new else "job known already", run=run.id, state=run.state, connection=run.connection)
    if not run.ended:
        shards = min(len(run.sources), context.limits.rings)
        if not await context.bell.ring(shards):
            context.slots.wake(shards)
    return {"run": run.id, "state": run.state, "error": run.error}


async def _conflict(context: Context, error: JobConflictError, job_id: str) -> Result:
    """A job that became a failed run at once has no body to compare with: whatever comes under its ID is that run."""
    known = await _known(context, error, job_id)
    if known.job is not None or known.state != "failed":
        log.warning("job refused", code=error.code, reason=error.message)
        return {"run": None, "state": "refused", "error": error.message}
    log.info("job known already", run=known.id, state=known.state, connection=known.connection)
    return {"run": known.id, "state": known.state, "error": known.error}


async def _known(context: Context, error: LongshoreError, job_id: str, *, connection: str = "") -> Run:
    """The run of this job ID; a failed one if there is none yet."""
    try:
        return await context.intake.refuse(error, connection=connection, origin="queue", job_id=job_id)
    except CatalogUnavailableError as unavailable:
        raise Retry(defer=_LATER_S) from unavailable


async def _refused(context: Context, error: LongshoreError, args: tuple[Any, ...], job_id: str) -> Result:
    """The payload may hold anything: only its reason is kept, as text that any database takes."""
    connection = _named_connection(args)
    reason = type(error)(_clean(error.message)[:_MOST_REASON], code=error.code)
    run = await _known(context, reason, job_id, connection=connection)
    if run.job is not None:
        log.warning("job refused", code=error.code, reason=reason.message, known_run=run.id)
        return {"run": None, "state": "refused", "error": reason.message}
    log.error("run failed", run=run.id, code=error.code, reason=reason.message)
    context.run_ended(RunEnded(connection="", state="failed", seconds=0.0))
    return {"run": run.id, "state": run.state, "error": reason.message}


def _named_connection(args: tuple[Any, ...]) -> str:
    named = args[0].get("connection") if args and isinstance(args[0], dict) else None
    return _clean(named)[:63] if isinstance(named, str) else ""


def _clean(text: str) -> str:
    """Without lone surrogates, which JSON may hold and UTF-8 may not, without NUL, and without secrets."""
    return redact(text.encode("utf-8", "replace").decode().replace("\0", ""))
