"""What the gate makes of servers that refuse, on a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from config.limits import Limits
from ingest.gate import Gate, Gates
from tests.fakes.limited_server import Crowd, Server, Watch, a_gate, loop_time, simulated


async def _run(server: Server, *, requests: int = 60_000, callers: int = 64) -> tuple[Crowd, Gate]:
    gate = a_gate()
    crowd = Crowd(gate, server, requests, callers)
    await crowd.run()
    return crowd, gate


def goodput(server: Server, *, requests: int = 60_000, callers: int = 64) -> float:
    """Good answers per second, over the whole run."""
    crowd, _ = simulated(_run(server, requests=requests, callers=callers))
    return requests / crowd.ended_s


@pytest.mark.acceptance("LS-14")
@pytest.mark.parametrize("callers", [64, 256])
@pytest.mark.parametrize(("latency_s", "sigma"), [(0.0002, 0.0), (0.03, 0.0), (0.1, 0.5)])
def test_a_limit_is_used_and_hardly_exceeded_from_the_first_request_on(
    latency_s: float, sigma: float, callers: int
) -> None:
    server = Server(rate=2000, latency_s=latency_s, sigma=sigma)
    most = min(2000, callers / (latency_s * 1.14))  # what so many callers can ask for, one after the other
    assert goodput(server, callers=callers) >= 0.94 * most
    assert server.refused < 0.012


@pytest.mark.parametrize(("rate", "share", "refused"), [(20, 0.85, 0.12), (100, 0.92, 0.05), (300, 0.95, 0.02)])
def test_a_small_limit_is_found_too(rate: float, share: float, refused: float) -> None:
    server = Server(rate=rate, latency_s=0.075)
    assert goodput(server, requests=int(60 * rate)) >= share * rate
    assert server.refused < refused


@pytest.mark.acceptance("LS-14")
@pytest.mark.parametrize(("latency_s", "callers"), [(0.0002, 64), (0.03, 256)])
def test_a_limit_that_falls_and_rises_is_followed(latency_s: float, callers: int) -> None:
    async def run() -> Server:
        server = Server(rate=5500, latency_s=latency_s, sigma=0.3)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Crowd(a_gate(), server, 10**9, callers, until_s=45).run())
            await asyncio.sleep(10)
            server.limit(1000)
            await asyncio.sleep(10)
            server.limit(5500)
        return server

    server = simulated(run())
    assert server.per_second(5, 10) > 0.93 * 5500
    assert server.per_second(11, 12) > 0.93 * 1000
    assert server.per_second(12, 20) > 0.95 * 1000
    assert server.per_second(31, 45) > 0.95 * 5500  # noticed in eleven seconds
    assert server.per_second(0, 45) > 0.75 * (10 * 5500 + 10 * 1000 + 25 * 5500) / 45
    assert server.refused < 0.02


def test_single_refusals_are_no_limit() -> None:
    """botocore's adaptive mode goes from 5,500 to 4.4 requests per second at twenty of them."""
    server = Server(latency_s=0.01, plan=lambda number: 503 if number % 2000 == 1999 and number < 40_000 else 200)
    _, gate = simulated(_run(server))
    assert server.seen[503] == 20
    assert gate.rate is None


def test_refusals_at_random_leave_most_of_what_the_server_gives() -> None:
    unlimited = goodput(Server(latency_s=0.03))
    assert goodput(Server(latency_s=0.03, noise=0.001)) > 0.97 * unlimited
    assert goodput(Server(latency_s=0.03, noise=0.01)) > 0.9 * unlimited
    assert goodput(Server(rate=2000, latency_s=0.0002, noise=0.001)) > 0.95 * 2000


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_refusals_that_no_rate_changes_do_not_stop_it(share: float) -> None:
    """A server that is broken, or that another client hammers, refuses as many however few we ask for."""
    assert goodput(Server(latency_s=0.03, noise=share), requests=100_000) > 0.4 * 64 / 0.03 * (1 - share)


@pytest.mark.parametrize("status", [500, 502])
def test_single_errors_are_no_limit_but_bursts_are(status: int) -> None:
    assert goodput(Server(latency_s=0.03, noise=0.01, noise_status=status)) > 0.95 * 64 / 0.03

    def overload(_number: int) -> int:
        return status if 5 <= loop_time() < 7 else 200

    async def run() -> tuple[Server, list[float]]:
        server, gate = Server(latency_s=0.03, plan=overload), a_gate()
        rates: list[float] = []
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Crowd(gate, server, 10**9, until_s=30).run())
            for at in (4, 6.9):
                await asyncio.sleep(at - loop_time())
                rates.append(gate.rate or 0.0)
        return server, rates

    server, rates = simulated(run())
    assert rates == [0.0, 5.0]
    assert server.seen[status] < 800  # of the 4,200 that would have been sent
    assert server.per_second(17, 30) > 0.95 * 64 / 0.03


def test_an_outage_is_not_hammered_and_its_end_is_noticed() -> None:
    async def run() -> Server:
        server = Server(latency_s=0.03, plan=lambda _: 503 if 5 <= loop_time() < 25 else 200)
        await Crowd(a_gate(), server, 10**9, until_s=50).run()
        return server

    server = simulated(run())
    assert server.seen[503] < 800
    assert server.per_second(38, 50) > 0.95 * 64 / 0.03


def test_a_server_without_limit_is_never_slowed_down() -> None:
    async def run(gate: Gate | None) -> float:
        crowd = Crowd(gate, Server(latency_s=0.0002), 30_000)
        await crowd.run()
        assert gate is None or gate.rate is None
        return crowd.ended_s

    async def gated() -> float:
        return await run(a_gate())

    assert simulated(gated()) <= 1.001 * simulated(run(None))


def test_many_places_are_had_where_many_are_of_use() -> None:
    """A hundred milliseconds away, 64 at once are 560/s."""
    server = Server(latency_s=0.1, sigma=0.5)
    _, gate = simulated(_run(server, requests=200_000, callers=512))
    assert gate.places == 512
    assert server.per_second(5) > 0.95 * 512 / 0.1135


@pytest.mark.acceptance("LS-14")
def test_where_more_at_once_only_wait_longer_there_are_no_more() -> None:
    """A server that works on a hundred at once and lets the others queue: 512 callers would wait 160 ms each."""
    server = Server(latency_s=0.03, sigma=0.3, at_once=100)
    _, gate = simulated(_run(server, requests=100_000, callers=512))
    assert 64 < gate.places < 200
    assert server.per_second() > 0.98 * 100 / (0.03 * 1.046)
    assert sum(server.took) / len(server.took) < 0.06


def test_places_are_given_back_when_a_server_slows_down() -> None:
    async def run() -> tuple[Server, Gate]:
        server = Server(latency_s=0.03, at_once=400)
        gate = a_gate()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Crowd(gate, server, 10**9, 512, until_s=20).run())
            await asyncio.sleep(5)
            assert gate.places > 400
            server.work_at_once(80)
        return server, gate

    server, gate = simulated(run())
    assert 80 <= gate.places < 220
    assert server.per_second(10, 20) > 0.95 * 80 / 0.03


def test_places_stay_when_answers_are_slow_for_other_reasons() -> None:
    async def run() -> Server:
        server = Server(latency_s=0.03)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Crowd(a_gate(), server, 10**9, 512, until_s=20).run())
            await asyncio.sleep(5)
            server.latency_s = 0.09
        return server

    assert simulated(run()).per_second(8, 20) > 0.9 * 512 / 0.09


def test_a_rate_that_is_not_used_does_not_grow() -> None:
    async def run() -> tuple[float | None, float | None]:
        gate, server = a_gate(), Server(rate=2000)
        await Crowd(gate, server, 20_000).run()
        before = gate.rate
        while loop_time() < 30:
            await Crowd(gate, server, 100).run()  # a burst that must wait, at a quarter of the rate all in all
            await asyncio.sleep(0.15)
        return before, gate.rate

    before, after = simulated(run())
    assert before is not None
    assert after == pytest.approx(before, rel=0.02)


def test_time_in_which_nothing_was_asked_for_is_not_taken_for_slowness() -> None:
    async def run() -> float:
        gate, server = a_gate(), Server(rate=2000)
        await Crowd(gate, server, 100).run()
        await asyncio.sleep(600)
        await Crowd(gate, server, 20_000).run()
        return server.per_second(600)

    assert simulated(run()) > 0.9 * 2000


def test_two_buckets_do_not_disturb_each_other() -> None:
    async def run() -> tuple[Server, Server, float | None]:
        gates = Gates(Limits(), clock=loop_time)
        slow, fast = Server(rate=100, latency_s=0.03), Server(latency_s=0.03)
        async with asyncio.TaskGroup() as tasks:
            for bucket, server in (("slow", slow), ("fast", fast)):
                gate = gates.of("https://s3", bucket, "read")
                tasks.create_task(Crowd(gate, server, 10**9, until_s=10).run())
        return slow, fast, gates.of("https://s3", "fast", "read").rate

    slow, fast, rate = simulated(run())
    assert slow.per_second(2, 10) > 90
    assert fast.per_second() > 0.99 * 64 / 0.03
    assert rate is None


@pytest.mark.acceptance("LS-14")
@pytest.mark.parametrize("seed", [2, 3])
def test_whoever_comes_later_to_a_shared_limit_gets_a_share(seed: int) -> None:
    """Two processes, each with a gate of its own, and one bucket that gives 5,500/s."""

    async def run() -> tuple[list[float], float]:
        server = Server(rate=5500, latency_s=0.03, sigma=0.3, seed=seed)
        good = [0, 0]

        async def caller(number: int, gate: Gate) -> None:
            while loop_time() < 60:
                status = await Crowd(gate, server, 0).once()
                good[number] += status == 200 and loop_time() >= 50

        async with asyncio.TaskGroup() as tasks:
            for number in range(2):
                gate = a_gate()
                for _ in range(256):
                    tasks.create_task(caller(number, gate))
                await asyncio.sleep(10)
        return [count / 10 for count in good], server.refused

    (first, second), refused = simulated(run())
    assert first + second > 0.95 * 5500
    assert min(first, second) > 0.3 * 5500
    assert refused < 0.015


def test_what_is_told_is_told_at_most_once_per_window() -> None:
    async def run() -> list[float]:
        watch = Watch()
        await Crowd(a_gate(watch=watch), Server(rate=2000, latency_s=0.03), 40_000, 256).run()
        assert watch.events[-1][1].rate is not None
        return [at for at, _ in watch.events]

    times = simulated(run())
    assert len(times) < times[-1] * 5
