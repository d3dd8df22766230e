"""A name is looked up once for all who wait, kept for so long, and not for ever."""

from __future__ import annotations

import asyncio
import socket

from config.limits import Limits
from ingest.s3.dial import Dialer, Where
from tests.fakes.clock import ManualClock


class Names:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = asyncio.Event()
        self.answer.set()

    async def __call__(self, host: str, port: int) -> list[Where]:
        self.asked.append(host)
        await self.answer.wait()
        ips = ("10.0.0.1", "10.0.0.2", "10.0.0.1")
        return [Where(socket.AF_INET, ip, port) for ip in ips]


def _dialer(look_up: Names, clock: ManualClock, **fields: int) -> Dialer:
    return Dialer(Limits(**fields), look_up=look_up, monotonic=clock.monotonic)


async def test_a_name_is_looked_up_once_for_all_who_wait_and_again_when_it_is_old() -> None:
    names, clock = Names(), ManualClock()
    dialer = _dialer(names, clock, names_s=60)
    names.answer.clear()
    waiting = [asyncio.create_task(dialer.wheres("a", 80)) for _ in range(5)]
    await asyncio.sleep(0)
    names.answer.set()
    await asyncio.gather(*waiting)
    clock.advance(59)
    await dialer.wheres("a", 80)
    assert names.asked == ["a"]
    clock.advance(1)
    await dialer.wheres("a", 80)
    assert names.asked == ["a", "a"]


async def test_one_who_stops_waiting_does_not_stop_the_others() -> None:
    names = Names()
    dialer = _dialer(names, ManualClock())
    names.answer.clear()
    first, second = (asyncio.create_task(dialer.wheres("a", 80)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    names.answer.set()
    assert len(await second) == 2


async def test_every_address_has_its_turn() -> None:
    dialer = _dialer(Names(), ManualClock())
    firsts = [(await dialer.wheres("a", 80))[0].ip for _ in range(4)]
    assert sorted(firsts) == ["10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"]
    assert firsts[0] != firsts[1]


async def test_only_so_many_names_are_kept() -> None:
    names = Names()
    dialer = _dialer(names, ManualClock(), names=2)
    for host in ("a", "b", "c", "a", "c"):
        await dialer.wheres(host, 80)
    assert names.asked == ["a", "b", "c", "a"]
    assert len(dialer._names) == 2
