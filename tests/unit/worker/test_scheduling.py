"""What a worker makes of schedules that are due, and what it says of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from config.errors import CatalogUnavailableError
from ingest.catalog.runs import Run
from ingest.catalog.schedules import Fired, Schedule
from ingest.cron import Cron
from ingest.events import RunEnded
from ingest.job import IngestJob, PrefixSource
from worker.scheduling import Scheduler

JOB = IngestJob(uris=["s3://bucket-a", "s3://bucket-b"])
SCHEDULE = Schedule(
    id="hourly-1",
    name="hourly",
    connection="default",
    job=JOB,
    cron=Cron("0 * * * *"),
    paused=False,
    due_at=0,
    missed=0,
    last_run_id=None,
    created_at=0,
)
RUN = Run(
    id="run-1",
    workspace="main",
    connection_id="c",
    connection="default",
    job=JOB,
    sources=(PrefixSource("bucket-a", b""), PrefixSource("bucket-b", b"")),
    state="queued",
    error_code=None,
    error=None,
    number=1,
    created_at=0,
    started_at=None,
    finished_at=None,
)


@dataclass
class FakeSchedules:
    """What comes of each that is due, in turn."""

    outcomes: list[Fired | Exception | None]
    ended: list[RunEnded] = field(default_factory=list)

    async def due(self) -> list[Schedule]:
        return [SCHEDULE] * len(self.outcomes)

    async def fire(self, schedule: Schedule) -> Fired | None:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def shards(self) -> int:
        return await Scheduler(self, run_ended=self.ended.append).fire()


MADE = Fired(schedule=SCHEDULE, run=RUN, new=True)


async def test_what_is_due_is_counted_by_its_shards() -> None:
    assert await FakeSchedules([MADE, None, MADE]).shards() == 4
    assert await FakeSchedules([]).shards() == 0


async def test_one_that_breaks_holds_up_no_other() -> None:
    with capture_logs() as logs:
        assert await FakeSchedules([ZeroDivisionError(), MADE]).shards() == 2
    assert [one["log_level"] for one in logs] == ["error", "info"]


async def test_a_catalog_that_is_away_is_the_sweepers_affair() -> None:
    with pytest.raises(CatalogUnavailableError):
        await FakeSchedules([CatalogUnavailableError(), MADE]).shards()


async def test_missed_times_and_refused_jobs_are_told() -> None:
    late = Fired(schedule=replace(SCHEDULE, missed=3), run=RUN, new=True)
    waiting = Fired(schedule=replace(SCHEDULE, missed=1), run=RUN, new=False)
    refused = Fired(schedule=SCHEDULE, run=replace(RUN, state="failed", error_code="UnknownConnection"), new=True)
    fake = FakeSchedules([late, waiting, refused])
    with capture_logs() as logs:
        assert await fake.shards() == 2
    told = [(one["log_level"], one.get("missed"), one.get("code")) for one in logs]
    assert told == [
        ("warning", 3, None),
        ("info", None, None),
        ("warning", 1, None),
        ("error", None, "UnknownConnection"),
    ]
    assert [one.state for one in fake.ended] == ["failed"]
