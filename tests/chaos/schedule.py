"""One schedule from its first worker to its verdict: runs are asked for, things go wrong, then all is quiet and must be right."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from config.errors import LongshoreError, QueueUnavailableError
from ingest.job import IngestJob
from tests.chaos import checks, faults
from tests.chaos.ledger import BUCKET
from tests.chaos.plan import Act, Order, Plan
from tests.chaos.scene import Scene, a_scene
from tests.chaos.stand import Stand

QUIET_S = 60.0
"""Within so long after the last fault is mended every run has ended, on a busy machine too: on a quiet one it takes two seconds."""
_END_S = 10.0
_LOOK_S = 0.05
_GOING = "state IN ('queued', 'running')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a schedule."""

    seed: int
    catalog: str
    seconds: float
    faults: dict[str, int]
    problems: list[tuple[str, str]] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from the kill of a shard's owner to the next commit of that shard."""
    states: dict[str, int] = field(default_factory=dict)
    requests: int = 0


async def play(plan: Plan, stand: Stand, folder: Path, *, tamper: str = "") -> Result:
    """Run a schedule. Logs of the workers lie in `folder` afterwards."""
    began = time.monotonic()
    async with a_scene(plan, stand, folder, tamper=tamper) as scene:
        faults.pace(scene)
        async with _watched(scene):
            for _ in range(plan.workers):
                await scene.hire()
            async with asyncio.TaskGroup() as group:
                for number, order in enumerate(plan.orders):
                    group.create_task(_ordered(scene, order, number))
                for what in plan.acts:
                    group.create_task(_acted(scene, what))
            scene.s3.faults.clear()
            scene.quiet = True
            scene.note("faults cease")
            ended = await _all_ended(scene)
            scene.note("every run has ended")
            if ended:
                await checks.settled(scene)
                ended = await _quiet_run(scene)
        if ended:
            scene.note("the quiet run is complete")
            await _workers_end(scene)
            scene.note("workers have ended")
            await checks.exact(scene)
        await checks.always(scene, ended=ended)
        await checks.certified(scene)
        states = dict(map(tuple, await scene.rows("SELECT state, count(*) FROM runs GROUP BY state")))
        recoveries = await checks.recoveries(scene)
    checks.discreet(scene)
    await stand.drop(plan.catalog, plan.seed)
    return Result(
        seed=plan.seed,
        catalog=plan.catalog,
        seconds=time.monotonic() - began,
        faults=dict(scene.faults),
        problems=scene.problems,
        recoveries=recoveries,
        states=states,
        requests=len(scene.s3.log),
    )


@contextlib.asynccontextmanager
async def _watched(scene: Scene) -> Any:
    """Workers are replaced and questions of runs answered meanwhile."""
    watching = [asyncio.create_task(scene.look_after()), asyncio.create_task(_decide(scene))]
    try:
        yield
    finally:
        for task in watching:
            task.cancel()
        for outcome in await asyncio.gather(*watching, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def _acted(scene: Scene, what: Act) -> None:
    await asyncio.sleep(what.at)
    await faults.act(scene, what)


async def _ordered(scene: Scene, order: Order, number: int) -> None:
    await asyncio.sleep(order.at)
    job_id = f"order-{number}"
    scene.note(f"{order}")
    await (_through_catalog if order.way == "catalog" else _through_queue)(scene, _job(order), job_id)
    if order.cancel_after is not None:
        await asyncio.sleep(order.cancel_after)
        for row in await scene.rows("SELECT id FROM runs WHERE job_id = :job_id", job_id=job_id):
            scene.faults["cancel"] += 1
            await scene.patiently(partial(scene.service.catalog.cancel, row.id))


def _job(order: Order) -> dict[str, Any]:
    return {
        "connection": "customer",
        "uris": list(order.uris),
        "depth": order.depth,
        "include": list(order.include),
        "exclude": list(order.exclude),
    }


async def _through_catalog(scene: Scene, job: dict[str, Any], job_id: str) -> None:
    """As `longshore submit` does."""
    whole = IngestJob.read(job)
    await scene.patiently(lambda: scene.service.submit(whole, origin="queue", job_id=job_id))
    async with scene.bell_lock:
        await scene.bell.ring(1)


async def _through_queue(scene: Scene, job: dict[str, Any], job_id: str) -> None:
    """As a producer that wants to be sure."""
    deadline = time.monotonic() + QUIET_S
    while not await scene.rows("SELECT 1 FROM runs WHERE job_id = :job_id", job_id=job_id):
        with contextlib.suppress(QueueUnavailableError):
            await scene.bell.enqueue(job, job_id=job_id)
        if time.monotonic() > deadline:
            scene.problem(
                "stuck", f"job {job_id} is no run within {QUIET_S:g} s, however often it was put on the queue"
            )
            return
        await asyncio.sleep(0.3)


async def _decide(scene: Scene) -> None:
    """A person who answers at once, if not always."""
    orders = {f"order-{number}": order for number, order in enumerate(scene.plan.orders)}
    closings = scene.service.catalog.closings
    asked: set[str] = set()
    while True:
        for run_id, job_id in await scene.rows(
            "SELECT id, job_id FROM runs WHERE state = 'needs_confirmation' AND decision IS NULL"
        ):
            decision = orders[job_id].decision if job_id in orders else "confirmed"
            if run_id in asked:
                continue
            asked.add(run_id)
            answer = closings.confirm if decision == "confirmed" else closings.reject
            scene.faults[decision] += 1
            try:
                await scene.patiently(partial(answer, run_id))
            except LongshoreError:  # a later run has judged anew
                continue
        await asyncio.sleep(_LOOK_S)


async def _all_ended(scene: Scene) -> bool:
    """Whether every run ends in time."""
    deadline = time.monotonic() + QUIET_S
    while going := await scene.rows(f"SELECT id, state FROM runs WHERE {_GOING}"):
        if time.monotonic() > deadline:
            shards = await scene.rows(
                "SELECT id, kind, state, owner, failures, ranges FROM shards WHERE state <> 'done'"
            )
            scene.problem("stuck", f"runs {going} have not ended within {QUIET_S:g} s; shards {shards}")
            return False
        await asyncio.sleep(_LOOK_S)
    return True


async def _quiet_run(scene: Scene) -> bool:
    """One run over everything, with nothing going wrong: afterwards the catalog must equal the bucket."""
    order = Order(at=0.0, uris=(f"s3://{BUCKET}",), depth=scene.plan.orders[0].depth)
    await _through_catalog(scene, _job(order), "quiet")
    query = "SELECT id, state, error FROM runs WHERE job_id = 'quiet'"
    deadline = time.monotonic() + QUIET_S
    while (run := (await scene.rows(query))[0]).state != "complete":
        if time.monotonic() > deadline or run.state in ("failed", "cancelled", "partial"):
            scene.problem("stuck", f"the quiet run {run.id} is {run.state}: {run.error}")
            return False
        await asyncio.sleep(_LOOK_S)
    return True


async def _workers_end(scene: Scene) -> None:
    """All in order, and in time."""
    for hand in scene.hands:
        if not hand.gone:
            hand.told_to_end = True
            await scene.signal(hand, signal.SIGTERM)
    deadline = time.monotonic() + _END_S
    for hand in scene.hands:
        code = None
        while not hand.gone and (code := await scene.stand.zygote.exit_code(hand.pid)) is None:
            if time.monotonic() > deadline:
                scene.problem("stuck", f"worker {hand.log.name} does not end within {_END_S:g} s of SIGTERM")
                return
            await asyncio.sleep(0.02)
        if not hand.gone:
            hand.gone = True
            if code is not None and not hand.ended_well(code):
                scene.problem("died", f"worker {hand.log.name} ended with {code} when told to end")
