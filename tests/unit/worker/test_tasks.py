"""The arq functions: what a producer's job and a ring become."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from arq.worker import Retry

from config.errors import CatalogUnavailableError, JobConflictError, OutOfScopeError, UnknownConnectionError
from config.limits import Limits
from ingest.events import RunEnded
from tests.fakes.shifts import FakeBell, FakeIntake, FakeWorker
from worker import tasks
from worker.queue import Unreadable
from worker.slots import Slots

JOB: dict[str, Any] = {"connection": "c", "uris": ["s3://bucket/a/", "s3://bucket/b/"]}


@dataclass
class Bench:
    intake: FakeIntake = field(default_factory=FakeIntake)
    bell: FakeBell = field(default_factory=FakeBell)
    worker: FakeWorker = field(default_factory=FakeWorker)
    ended: list[RunEnded] = field(default_factory=list)
    limits: Limits = field(default_factory=lambda: Limits(slices_at_once=2, rings=3))

    def __post_init__(self) -> None:
        self.slots = Slots(worker=self.worker, limits=self.limits)
        self.context = tasks.Context(
            intake=self.intake, bell=self.bell, slots=self.slots, limits=self.limits, run_ended=self.ended.append
        )

    def ctx(self, job_id: str) -> dict[str, Any]:
        return {tasks.CONTEXT: self.context, "job_id": job_id}

    async def ingest(self, *args: Any, job_id: str = "job-1", **kwargs: Any) -> tasks.Result:
        return await tasks.ingest(self.ctx(job_id), *args, **kwargs)


async def test_a_job_becomes_a_run_and_rings_once_for_each_shard() -> None:
    bench = Bench()
    assert await bench.ingest(JOB) == {"run": "run-1", "state": "queued", "error": None}
    assert bench.bell.rings == 2


async def test_a_run_of_many_shards_rings_no_more_than_its_bound() -> None:
    bench = Bench()
    await bench.ingest({"uris": [f"s3://bucket/{n}/" for n in range(9)]})
    assert bench.bell.rings == 3


async def test_the_same_job_again_is_the_same_run() -> None:
    bench = Bench()
    first = await bench.ingest(JOB)
    assert await bench.ingest(JOB) == first
    assert len(bench.intake.runs) == 1


async def test_another_body_under_a_known_job_id_is_refused_and_the_first_run_stays() -> None:
    bench = Bench()
    await bench.ingest(JOB)
    refused = await bench.ingest({**JOB, "depth": "list"})
    assert refused["state"] == "refused"
    assert refused["run"] is None
    assert "run-1" in str(refused["error"])
    assert bench.intake.runs["job-1"].state == "queued"
    assert bench.ended == []


async def test_a_bad_body_under_a_known_job_id_does_not_touch_the_first_run() -> None:
    bench = Bench()
    await bench.ingest(JOB)
    assert (await bench.ingest({"uris": "nonsense"}))["state"] == "refused"
    assert bench.intake.runs["job-1"].state == "queued"


@pytest.mark.parametrize("trouble", [UnknownConnectionError("no connection 'c'"), OutOfScopeError("not permitted")])
async def test_a_job_that_failed_at_once_is_the_same_run_when_it_comes_again(trouble: Exception) -> None:
    """Whether what was wrong is still wrong or not: its body was not kept, and an ID is one run."""
    bench = Bench()
    bench.intake.trouble = [trouble]
    first = await bench.ingest(JOB)
    assert first["state"] == "failed"
    assert await bench.ingest(JOB) == first
    bench.intake.trouble = [trouble]
    assert await bench.ingest(JOB) == first
    assert len(bench.intake.runs) == 1
    assert bench.bell.rings == 0


@pytest.mark.parametrize("body", [{"uris": "nonsense"}, {**JOB, "options": {"x": float("nan")}}, None])
async def test_a_bad_body_again_is_the_same_failed_run(body: Any) -> None:
    bench = Bench()
    first = await bench.ingest(body)
    assert first["state"] == "failed"
    assert await bench.ingest(body) == first
    assert len(bench.intake.runs) == 1


async def test_a_conflict_that_can_not_be_looked_up_comes_again() -> None:
    bench = Bench()
    await bench.ingest(JOB)
    bench.intake.trouble = [JobConflictError("taken"), CatalogUnavailableError()]
    with pytest.raises(Retry):
        await bench.ingest(JOB)


async def test_a_job_is_held_to_the_limits_of_this_worker() -> None:
    bench = Bench(limits=Limits(prefixes_per_job=1))
    assert (await bench.ingest(JOB))["error"] == "the job can't be used: uris: 2 are more than 1; send several jobs"


@pytest.mark.parametrize(
    ("args", "kwargs", "reason"),
    [
        ((), {}, "one argument"),
        ((JOB, JOB), {}, "one argument"),
        ((JOB,), {"depth": "list"}, "one argument"),
        ((), {"ctx": 1, "uris": ["s3://b"]}, "one argument"),
        ((Unreadable("the job is not JSON"),), {}, "not JSON"),
        (("s3://bucket",), {}, "payload"),
        (({},), {}, "uris"),
        (({"uris": ["gs://bucket"]},), {}, "s3://bucket"),
        (({"uris": ["s3://bucket"], "workspace": "other"},), {}, "workspace"),
        (({"uris": ["s3://bucket"], "\ud800\0": 1},), {}, "payload"),
        (({"uris": ["s3://bucket"], "connection": "\udcff" * 5},), {}, "connection"),
        (({**JOB, "options": {"x": float("inf")}},), {}, "options: inf is no JSON number"),
        (({**JOB, "options": {"\ud800": 1}},), {}, "options: it holds half of a surrogate pair"),
    ],
)
async def test_a_bad_payload_becomes_a_failed_run_with_the_reason(
    args: tuple[Any, ...], kwargs: dict[str, Any], reason: str
) -> None:
    bench = Bench()
    result = await bench.ingest(*args, **kwargs)
    assert (result["run"], result["state"]) == ("run-1", "failed")
    assert reason in str(result["error"])
    assert bench.bell.rings == 0
    assert [event.state for event in bench.ended] == ["failed"]


@pytest.mark.parametrize("error", [UnknownConnectionError("no connection 'c'"), OutOfScopeError("not permitted")])
async def test_a_connection_that_can_not_serve_the_job_fails_the_run(error: Exception) -> None:
    bench = Bench()
    bench.intake.trouble = [error]
    result = await bench.ingest(JOB)
    assert (result["state"], result["error"]) == ("failed", str(error))
    assert bench.intake.refusals[0][1] == "c"


async def test_the_code_of_a_refusal_is_kept() -> None:
    bench = Bench()
    await bench.ingest(None)
    assert bench.intake.runs["job-1"].error_code == "BadJob"


async def test_a_job_waits_while_the_catalog_is_out_of_reach() -> None:
    bench = Bench()
    bench.intake.trouble = [CatalogUnavailableError("database is locked")]
    with pytest.raises(Retry) as caught:
        await bench.ingest(JOB)
    assert (caught.value.defer_score or 0) >= 1000
    assert (await bench.ingest(JOB))["state"] == "queued"


async def test_a_refusal_waits_while_the_catalog_is_out_of_reach() -> None:
    bench = Bench()
    bench.intake.trouble = [CatalogUnavailableError()]
    with pytest.raises(Retry):
        await bench.ingest(None)


async def test_a_job_that_is_written_down_too_slowly_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """arq would drop it for good at its own time-out."""
    monkeypatch.setattr(tasks, "JOB_S", 0.0)
    bench = Bench()

    class Slow(FakeIntake):
        async def submit(self, *_args: Any, **_kwargs: Any) -> Any:
            await asyncio.Event().wait()

    bench.intake = Slow()
    bench.__post_init__()
    with pytest.raises(Retry):
        await bench.ingest(JOB)


async def test_what_nobody_expected_fails_the_run_and_does_not_loop() -> None:
    bench = Bench()
    bench.intake.trouble = [ZeroDivisionError("secret detail")]
    result = await bench.ingest(JOB)
    assert result["state"] == "failed"
    assert "ZeroDivisionError" in str(result["error"])
    assert "secret detail" not in str(result["error"])
    assert bench.intake.runs["job-1"].error_code == "Internal"


async def test_without_redis_the_job_fills_this_process_s_own_slots() -> None:
    bench = Bench()
    bench.bell.heard = False
    bench.worker.shards = 2
    await bench.ingest(JOB)
    assert bench.slots.busy == 2
    bench.worker.release()
    await bench.slots.drain(5)


async def test_a_ring_fills_one_slot_whatever_it_carries() -> None:
    bench = Bench()
    bench.worker.shards = 5
    assert [await tasks.work(bench.ctx(str(n)), "odd", ctx="odder") for n in range(3)] == [1, 1, 0]
    bench.worker.release()
    await bench.slots.drain(5)


async def test_a_ring_for_the_idle_is_passed_on_by_whoever_is_at_work_and_not_for_ever() -> None:
    bench = Bench()
    bench.worker.shards = 5
    assert await tasks.work(bench.ctx("a"), idle=True) == 1
    with pytest.raises(Retry):
        await tasks.work(bench.ctx("b") | {"job_try": 3}, idle=True)
    assert await tasks.work(bench.ctx("b") | {"job_try": 99}, idle=True) == 1
    bench.worker.release()
    await bench.slots.drain(5)


@pytest.mark.parametrize("job_id", ["a\0b", "x" * 513])
async def test_a_job_id_that_no_database_keeps_is_a_failed_run_under_a_digest_of_it(job_id: str) -> None:
    bench = Bench()
    first = await bench.ingest(JOB, job_id=job_id)
    assert first["state"] == "failed"
    assert "_job_id" in str(first["error"])
    assert [str(known).startswith("sha256:") for known in bench.intake.runs] == [True]
    assert await bench.ingest(JOB, job_id=job_id) == first
