"""Stand-ins for what a worker process drives: shards by script, an intake in memory, a bell that counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from config.errors import JobConflictError, LongshoreError
from ingest.catalog.runs import Run
from ingest.job import IngestJob
from ingest.work import Outcome


async def until(true: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - a condition of the code under test, which sets no event for tests
            await asyncio.sleep(0)


class FakeWorker:
    """`shards` wait; each is worked when `release` allows it. `trouble` is raised once instead of the next claim."""

    def __init__(self, shards: int = 0) -> None:
        self.shards = shards
        self.working = 0
        self.most_working = 0
        self.done = 0
        self.given_back = 0
        self.swept = 0
        self.stubborn = False
        """Does not stop when asked."""
        self.trouble: list[Exception] = []
        self.sweep_trouble: list[Exception] = []
        self._free = asyncio.Event()

    def release(self) -> None:
        self._free.set()

    async def work_next(self, *, stop: Callable[[], bool]) -> Outcome | None:
        await asyncio.sleep(0)
        if self.trouble:
            raise self.trouble.pop()
        if not self.shards:
            return None
        self.shards -= 1
        self.working += 1
        self.most_working = max(self.most_working, self.working)
        try:
            await until(lambda: self._free.is_set() or (stop() and not self.stubborn))
        except asyncio.CancelledError:
            self.given_back += 1
            raise
        finally:
            self.working -= 1
        if self._free.is_set():
            self.done += 1
            return "done"
        self.given_back += 1
        return "paused"

    async def sweep(self) -> int:
        self.swept += 1
        if self.sweep_trouble:
            raise self.sweep_trouble.pop()
        return self.shards

    async def waiting(self) -> tuple[int, float]:
        return self.shards, 7.5 if self.shards else 0.0


def a_run(job: IngestJob | None, *, number: int = 1, state: str = "queued", error: LongshoreError | None = None) -> Run:
    return Run(
        id=f"run-{number}",
        workspace="main",
        connection_id="c",
        connection=(job.connection or "default") if job else "",
        job=job,
        sources=tuple(job.sources()) if job else (),
        state=state,
        error_code=error.code if error else None,
        error=error.message if error else None,
        number=1,
        created_at=0,
        started_at=None,
        finished_at=None,
    )


@dataclass
class FakeIntake:
    """Runs by job ID. `trouble` is raised by the next calls, in turn."""

    runs: dict[str | None, Run] = field(default_factory=dict)
    trouble: list[Exception] = field(default_factory=list)
    refusals: list[tuple[LongshoreError, str]] = field(default_factory=list)

    async def submit(self, job: IngestJob, *, origin: str, job_id: str | None = None) -> tuple[Run, bool]:
        assert origin == "queue"
        if self.trouble:
            raise self.trouble.pop(0)
        known = self.runs.get(job_id)
        if known is not None:
            if known.job != job:
                raise JobConflictError(f"job ID {job_id!r} belongs to run {known.id}", run=known.id)
            return known, False
        self.runs[job_id] = a_run(job, number=len(self.runs) + 1)
        return self.runs[job_id], True

    async def refuse(
        self, error: LongshoreError, *, connection: str = "", origin: str, job_id: str | None = None
    ) -> Run:
        assert origin == "queue"
        if self.trouble:
            raise self.trouble.pop(0)
        if job_id in self.runs:
            return self.runs[job_id]
        error.message.encode()  # as a database would
        connection.encode()
        self.refusals.append((error, connection))
        self.runs[job_id] = a_run(None, number=len(self.runs) + 1, state="failed", error=error)
        return self.runs[job_id]


@dataclass
class FakeBell:
    heard: bool = True
    rings: int = 0

    async def ring(self, times: int = 1) -> bool:
        self.rings += times if self.heard else 0
        return self.heard


class NoSchedules:
    """Nothing is ever due."""

    async def fire(self) -> int:
        return 0
