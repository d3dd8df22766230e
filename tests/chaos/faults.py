"""Doing what a plan's acts say. Each act mends itself after its time; all are mended when the schedule falls quiet."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from random import Random

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.chaos.plan import Act
from tests.chaos.scene import Hand, Kill, Scene
from tests.fakes.s3_faults import Fault

_STORMS: dict[str, dict[str, object]] = {
    "SlowDown": {"kind": "error", "status": 503, "code": "SlowDown"},
    "InternalError": {"kind": "error", "status": 500, "code": "InternalError", "message": "We encountered one."},
    "reset": {"kind": "reset"},
    "cut": {"kind": "cut"},
    "truncated": {"kind": "truncated", "op": "list"},
    "html": {"kind": "html", "op": "list"},
    "slow": {"kind": "delay", "seconds": 0.4},
}
_SKEW_S = 3600.0


@dataclass(slots=True, kw_only=True)
class Storm(Fault):
    """Hits a share of the requests."""

    share: float = 1.0
    rng: Random

    def hits(self, op: str, bucket: str, key: bytes) -> bool:
        return Fault.hits(self, op, bucket, key) and self.rng.random() < self.share


def pace(scene: Scene) -> None:
    """How long requests take when nothing is wrong: each a little else, so that nothing comes in step."""
    rng = Random(scene.plan.seed)
    for op, seconds in (("list", scene.plan.list_s), ("head", scene.plan.head_s)):
        for share, times in ((0.5, 0.6), (1.0, 1.4)):
            storm = Storm(kind="delay", op=op, times=0, seconds=seconds * times, share=share, rng=rng)  # type: ignore[arg-type]  # an op
            scene.s3.faults.add(storm)


async def act(scene: Scene, what: Act) -> None:
    """Do it, wait for as long as it lasts, mend it."""
    scene.faults[what.kind] += 1
    scene.note(f"{what} begins")
    await _do(scene, what)
    scene.note(f"{what.kind} is over")


async def _do(scene: Scene, what: Act) -> None:
    match what.kind:
        case "kill" | "term":
            await _end_one(scene, what)
        case "freeze":
            await _freeze(scene, what)
        case "bell-killed":
            async with scene.bell_lock:
                await asyncio.to_thread(scene.stand.valkey.kill)
                await asyncio.sleep(what.seconds)
                await asyncio.to_thread(scene.stand.valkey.start)
        case "bell-emptied":
            async with contextlib.aclosing(Redis.from_url(scene.stand.valkey.url)) as redis:
                with contextlib.suppress(RedisError):
                    await redis.flushall()
        case "write":
            scene.ledger.stir(what.number, what.share)
        case "disk-full":
            async with _outage(scene):
                full = scene.folder / "disk-full"
                full.touch()
                await asyncio.sleep(what.seconds)
                full.unlink(missing_ok=True)
        case "database-restarted" | "database-killed" | "database-cut":
            await _database(scene, what)
        case _:
            await _storm(scene, what)


async def _end_one(scene: Scene, what: Act) -> None:
    """One that owns something if there is one, and another comes in its place."""
    hand = await _one(scene, what)
    if hand is None:
        return
    scene.note(f"{hand.log.name} is chosen")
    if what.kind == "kill":
        owner = hand.owner
        leased = await scene.rows(
            "SELECT id, run_id FROM shards WHERE state = 'leased' AND owner = :owner", owner=owner
        )
        hand.killed_at = time.time()
        await scene.signal(hand, signal.SIGKILL)
        scene.interruptions += 1
        scene.kills.extend(Kill(hand.killed_at, shard, run) for shard, run in leased)
    else:
        hand.told_to_end = True
        scene.interruptions += 1
        await scene.signal(hand, signal.SIGTERM)
        if what.number % 3 == 0:
            await asyncio.sleep(what.seconds / 4)
            await scene.signal(hand, signal.SIGTERM)
    await asyncio.sleep(what.seconds)
    await scene.hire()


async def _one(scene: Scene, what: Act) -> Hand | None:
    free = [hand for hand in scene.hands if hand.free]
    owners = {row[0] for row in await scene.rows("SELECT owner FROM shards WHERE state = 'leased'")}
    busy = [hand for hand in free if hand.owner in owners]
    some = busy or free
    return some[what.number % len(some)] if some else None


async def _freeze(scene: Scene, what: Act) -> None:
    """For longer than a lease, or not; on SQLite it may hold the only write lock meanwhile, then everybody waits."""
    hand = await _one(scene, what)
    if hand is None:
        return
    hand.frozen = True
    scene.note(f"{hand.log.name} is frozen")
    scene.interruptions += 1
    await scene.signal(hand, signal.SIGSTOP)
    await asyncio.sleep(what.seconds)
    await scene.signal(hand, signal.SIGCONT)
    hand.frozen = False


async def _database(scene: Scene, what: Act) -> None:
    server = scene.stand.postgres
    assert server is not None
    scene.interruptions += 1
    async with _outage(scene):
        match what.kind:
            case "database-cut":
                await asyncio.to_thread(server.cut, f"chaos_{scene.plan.seed}")
            case "database-restarted":
                await asyncio.to_thread(server.stop, how="fast" if what.number % 2 else "immediate")
                await asyncio.sleep(what.seconds)
                await asyncio.to_thread(server.start)
            case _:
                await asyncio.to_thread(server.kill)
                await asyncio.sleep(what.seconds)
                await asyncio.to_thread(server.start)


@contextlib.asynccontextmanager
async def _outage(scene: Scene) -> AsyncGenerator[None]:
    async with scene.catalog_lock:
        scene.away += 1
        try:
            yield
        finally:
            scene.away -= 1
            scene.away_until = time.time()


async def _storm(scene: Scene, what: Act) -> None:
    faults = scene.s3.faults
    if what.kind == "session":
        for _ in range(max(1, round(what.seconds / 0.3))):
            scene.s3.sts.expire()
            await asyncio.sleep(0.3)
        return
    if what.kind == "skew":
        scene.s3.advance(_SKEW_S)
        await asyncio.sleep(what.seconds)
        scene.s3.advance(-_SKEW_S)
        return
    storm = Storm(times=0, share=what.share, rng=Random(scene.plan.seed), **_STORMS[what.kind])  # type: ignore[arg-type]  # of a Fault
    faults.script.insert(0, storm)
    await asyncio.sleep(what.seconds)
    faults.script.remove(storm)
