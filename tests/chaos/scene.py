"""One schedule's things: its bucket and cloud, its catalog, its workers, and what was done to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from config.database import Database, open_database
from config.errors import CatalogUnavailableError, UnknownConnectionError
from config.settings import Settings
from tests.chaos.ledger import BUCKET, Ledger
from tests.chaos.plan import Plan
from tests.chaos.stand import Stand
from tests.chaos.tampering import FULL
from tests.fakes.s3 import FakeS3
from tests.harness import EXTERNAL_ID, ROLE, _only, _variables
from worker.queue import Bell, open_bell
from worker.service import Service, open_service

T = TypeVar("T")
KEY_ID, KEY_SECRET = "AKIACHAOSCUSTOMER001", "canary/secret+of/a/customer000000chaos01"
_PAUSE_S = 0.05


@dataclass(slots=True)
class Hand:
    """A worker process and what was done to it."""

    pid: int
    log: Path
    killed_at: float | None = None
    told_to_end: bool = False
    frozen: bool = False
    gone: bool = False

    @property
    def free(self) -> bool:
        """Nothing was done to it yet."""
        return not (self.gone or self.frozen or self.told_to_end or self.killed_at is not None)

    def ended_well(self, code: int) -> bool:
        """Killed, or as it was told; one that was told before it could listen dies of it."""
        too_early = code == -signal.SIGTERM and self.owner is None
        return self.killed_at is not None or (self.told_to_end and (code == 0 or too_early))

    def lines(self) -> Iterator[dict[str, Any]]:
        """Its log."""
        for line in self.log.read_text(errors="replace").splitlines() if self.log.exists() else ():
            if line.startswith("{"):
                with contextlib.suppress(ValueError):  # it was killed while it wrote
                    yield json.loads(line)

    @property
    def owner(self) -> str | None:
        """Its name in leases."""
        return next((str(line["worker"]) for line in self.lines() if line.get("event") == "worker started"), None)


@dataclass(slots=True)
class Kill:
    """A shard lost its owner."""

    at: float
    shard: str
    run: str


@dataclass(slots=True, kw_only=True)
class Scene:
    """What a schedule acts on."""

    plan: Plan
    stand: Stand
    folder: Path
    s3: FakeS3
    ledger: Ledger
    service: Service
    database: Database
    bell: Bell
    environment: dict[str, str]
    tamper: str = ""
    hands: list[Hand] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    hired: int = 0
    interruptions: int = 0
    away: int = 0
    """How many outages of the catalog are under way."""
    away_until: float = 0.0
    problems: list[tuple[str, str]] = field(default_factory=list)
    """What kind, and what exactly."""
    quiet: bool = False
    bell_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    catalog_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def note(self, what: str) -> None:
        """For whoever reads the logs afterwards."""
        with (self.folder / "controller.log").open("a") as log:
            log.write(f"{datetime.now(UTC):%H:%M:%S.%f} {what}\n")

    def problem(self, kind: str, what: str) -> None:
        self.note(f"PROBLEM {kind}: {what}")
        self.problems.append((kind, what))

    async def hire(self) -> Hand:
        self.hired += 1
        log = self.folder / f"worker-{self.hired}.log"
        hand = Hand(await self.stand.zygote.spawn(environment=self.environment, log=log, tamper=self.tamper), log)
        self.hands.append(hand)  # not before its number is known: nobody may be signalled in its place
        return hand

    async def look_after(self) -> None:
        """Be the supervisor: a process that ended by itself is a problem, unless it could not begin for want of a catalog."""
        while True:
            for hand in [hand for hand in self.hands if not hand.gone]:
                code = await self.stand.zygote.exit_code(hand.pid)
                if code is None:
                    continue
                hand.gone = True
                if hand.ended_well(code):
                    continue
                excused = self.away or time.time() < self.away_until + 2
                if not (excused and code == 1 and "error: the catalog" in hand.log.read_text(errors="replace")):
                    self.problem("died", f"worker {hand.log.name} ended by itself with {code}")
                if not self.quiet:
                    await asyncio.sleep(_PAUSE_S)
                await self.hire()
            await asyncio.sleep(_PAUSE_S)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        """Straight from the catalog; waits while it is away."""
        return await self.patiently(
            lambda: self.database.read(lambda tx: list(tx.execute(sa.text(statement), values).all()))
        )

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Again and again while the catalog is away."""
        while True:
            try:
                return await ask()
            except CatalogUnavailableError:
                await asyncio.sleep(_PAUSE_S)

    async def signal(self, hand: Hand, number: signal.Signals) -> bool:
        """Through the process that forked it, which knows whether the number is still its child's. Returns whether it was sent."""
        return await self.stand.zygote.signal(hand.pid, number)


@contextlib.asynccontextmanager
async def a_scene(plan: Plan, stand: Stand, folder: Path, *, tamper: str) -> AsyncGenerator[Scene]:
    """A bucket, a connection to it, an empty catalog; no worker yet."""
    await stand.forget()
    async with FakeS3() as s3:
        s3.max_skew_s = 900.0
        s3.sts.add_role(ROLE, external_id=EXTERNAL_ID)
        s3.sts.add_keys(KEY_ID, KEY_SECRET)
        ledger = Ledger(s3, plan)
        variables = {
            **_variables(folder, stand.valkey, s3.url, plan.limits),
            "LONGSHORE_CATALOG_URL": await stand.catalog_url(plan.catalog, plan.seed, folder),
            "LONGSHORE_QUEUE": f"chaos-{plan.seed}-{plan.catalog}",
            FULL: str(folder / "disk-full"),
        }
        with _only(variables) as environment:
            settings = Settings.load()
            async with (
                open_service(settings, observe=lambda _event: None) as service,
                open_database(settings.catalog_url) as database,
                open_bell(settings) as bell,
            ):
                await _connect(service, plan)
                scene = Scene(
                    plan=plan,
                    stand=stand,
                    folder=folder,
                    s3=s3,
                    ledger=ledger,
                    service=service,
                    database=database,
                    bell=bell,
                    environment=environment,
                    tamper=tamper,
                )
                try:
                    yield scene
                finally:
                    await _dismiss(scene)


async def _connect(service: Service, plan: Plan) -> None:
    keys = {"access_key_id": KEY_ID, "secret_access_key": KEY_SECRET}
    role = {"role_arn": ROLE, "external_id": EXTERNAL_ID}
    fields = role if plan.connection == "aws_role" else keys
    spec = {"kind": plan.connection, "name": "customer", "allow": [f"s3://{BUCKET}"], **fields}
    try:
        await service.registry.get("customer", workspace="main")
    except UnknownConnectionError:
        await service.registry.create(spec, workspace="main", actor="chaos")


async def _dismiss(scene: Scene) -> None:
    """Whoever is still there goes."""
    for hand in scene.hands:
        if not hand.gone:
            await scene.signal(hand, signal.SIGKILL)
            while await scene.stand.zygote.exit_code(hand.pid) is None:  # noqa: ASYNC110 - another process's end is no event
                await asyncio.sleep(0.01)
            hand.gone = True
