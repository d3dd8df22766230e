"""Working a run here: what earlier commands left goes on first, and a stop ends it cleanly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from config.errors import CatalogUnavailableError
from config.limits import Limits
from console import local
from console.local import Stop, work_here
from ingest.catalog.patience import Patience
from ingest.catalog.runs import Run, Totals
from ingest.job import IngestJob, PrefixSource

if TYPE_CHECKING:
    from worker.service import Service

JOB = IngestJob(uris=["s3://bucket"])


@dataclass
class FakeService:
    """A catalog of runs by how many slices each still needs, and a worker that works them; it hangs where `hang` is set."""

    left: dict[str, int] = field(default_factory=dict)
    hang: asyncio.Event | None = None
    error: Exception | None = None
    worked: list[str] = field(default_factory=list)
    given_back: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    drain_s: float = 60.0
    swept: int = 0
    silent: tuple[str, ...] = ()
    living: tuple[str, ...] = ()
    patience: Patience = field(default_factory=lambda: Patience(limits=Limits()))

    @property
    def settings(self) -> Any:
        return self

    @property
    def limits(self) -> Limits:
        return Limits(drain_s=self.drain_s)

    @property
    def catalog(self) -> FakeService:
        return self

    @property
    def worker(self) -> FakeService:
        return self

    async def sweep(self) -> int:
        self.swept += 1
        return 0

    async def waits_for(self, run_id: str) -> list[str]:
        return []

    async def leases(self, run_id: str) -> dict[str, int]:
        """Of a run that somebody holds: it lapses with the third sweep, unless they live."""
        if run_id in self.living:
            return {"shard": self.swept}
        return {"shard": 1} if run_id in self.silent and self.swept < 3 else {}

    async def left_over(self, *, origin: str) -> list[str]:
        return [run_id for run_id, left in self.left.items() if left]

    async def run(self, run_id: str) -> tuple[Run, Totals]:
        run = Run(
            id=run_id,
            workspace="main",
            connection_id="c",
            connection="default",
            job=JOB,
            sources=(PrefixSource("bucket", b""),),
            state="running" if self.left[run_id] else "complete",
            error_code=None,
            error=None,
            number=1,
            created_at=0,
            started_at=0,
            finished_at=None,
        )
        return replace(run), Totals()

    async def work_next(self, *, stop: Callable[[], bool], run_id: str) -> str | None:
        if self.error is not None:
            raise self.error
        if not self.left[run_id] or await self.leases(run_id):
            return None
        self.worked.append(run_id)
        self.reached.set()
        if self.hang is not None:
            try:
                await self.hang.wait()
            except asyncio.CancelledError:
                self.given_back += 1
                raise
        self.left[run_id] -= 1
        return "paused"


async def ingest_here(fake: FakeService, *, stop: Stop, say: Callable[[str], None]) -> Run:
    fake.left["own"] = 2
    return await work_here(cast("Service", fake), (await fake.run("own"))[0], stop=stop, say=say)


async def test_what_an_earlier_command_left_goes_on_first() -> None:
    fake, said = FakeService(left={"older": 1, "old": 2}), list[str]()
    run = await ingest_here(fake, stop=Stop(), say=said.append)
    assert run.id == "own"
    assert run.ended
    assert fake.worked == ["older", "old", "old", "own", "own"]
    assert [text.split()[1].rstrip(",") for text in said] == ["older", "old"]


async def test_what_somebody_holds_goes_on_afterwards_if_they_fell_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_IDLE_S", 0.001)
    fake = FakeService(left={"dead": 1, "alive": 1, "old": 1}, silent=("dead",), living=("alive",))
    said = list[str]()
    await ingest_here(fake, stop=Stop(), say=said.append)
    assert fake.worked == ["old", "own", "own", "dead"]
    assert [text.split()[1].rstrip(",") for text in said] == ["old", "dead"]


async def test_a_stop_finishes_what_is_in_hand_and_begins_nothing_more() -> None:
    fake, stop = FakeService(hang=asyncio.Event()), Stop()
    assert fake.hang is not None
    working = asyncio.create_task(ingest_here(fake, stop=stop, say=lambda _: None))
    await fake.reached.wait()
    stop.ask()
    fake.hang.set()
    run = await working
    assert not run.ended
    assert fake.worked == ["own"]
    assert fake.given_back == 0


async def test_a_second_stop_drops_what_is_in_hand_and_gives_it_back() -> None:
    fake, stop = FakeService(hang=asyncio.Event()), Stop()
    working = asyncio.create_task(ingest_here(fake, stop=stop, say=lambda _: None))
    await fake.reached.wait()
    stop.ask()
    stop.ask()
    run = await working
    assert not run.ended
    assert fake.given_back == 1


async def test_what_does_not_drain_in_time_is_dropped() -> None:
    fake, stop = FakeService(hang=asyncio.Event(), drain_s=0.01), Stop()
    working = asyncio.create_task(ingest_here(fake, stop=stop, say=lambda _: None))
    await fake.reached.wait()
    stop.ask()
    await working
    assert fake.given_back == 1


async def test_a_catalog_that_is_away_is_one_error_and_no_group() -> None:
    fake = FakeService(error=CatalogUnavailableError("the catalog is busy"))
    with pytest.raises(CatalogUnavailableError, match="busy"):
        await ingest_here(fake, stop=Stop(), say=lambda _: None)
