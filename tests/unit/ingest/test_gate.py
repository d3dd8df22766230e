"""Turns at the gate: order, places that never leak, and the log of a bucket that refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from config.limits import Limits
from ingest.gate import Gate, Gates, verdict
from tests.fakes.limited_server import Crowd, Server, Watch, a_gate, loop_time, simulated


async def test_without_a_limit_nobody_gives_up_control() -> None:
    gate = a_gate()
    with pytest.raises(StopIteration):
        gate.enter().send(None)
    assert gate.in_flight == 1
    gate.leave()
    assert gate.idle


async def test_turns_come_in_order_of_arrival() -> None:
    gate = a_gate(Limits(gate_first=1))
    order: list[int] = []

    async def call(number: int) -> None:
        await gate.enter()
        order.append(number)
        gate.leave()

    await gate.enter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(call(number))
        await asyncio.sleep(0)
        gate.leave()
        late = asyncio.create_task(call(20))
    await late
    assert order == list(range(21))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (200, "ok"),
        (206, "ok"),
        (301, "ok"),
        (403, "ok"),
        (404, "ok"),
        (429, "throttled"),
        (503, "throttled"),
        (500, "failed"),
        (504, "failed"),
    ],
)
def test_a_status_alone_says_what_it_means(status: int, said: str) -> None:
    assert verdict(status) == said


@given(
    places=st.integers(1, 4),
    rate=st.sampled_from([0, 50]),
    cancelled=st.lists(st.tuples(st.integers(0, 19), st.floats(0, 0.5)), max_size=30),
    turns=st.integers(0, 3),
)
@settings(deadline=None, max_examples=60)
def test_whoever_is_cancelled_leaks_no_place(
    places: int, rate: int, cancelled: Sequence[tuple[int, float]], turns: int
) -> None:
    """While waiting, in the moment of its turn, or inside."""

    async def run() -> None:
        gate = a_gate(Limits(gate_first=places, gate_most=places))
        crowd = Crowd(gate, Server(rate=rate, latency_s=0.03, seed=turns), 0)
        tasks = [asyncio.create_task(crowd.once()) for _ in range(20)]
        for number, at in sorted(cancelled, key=lambda one: one[1]):
            await asyncio.sleep(max(at - loop_time(), 0))
            for _ in range(turns):
                await asyncio.sleep(0)
            tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert gate.idle
        entered = [asyncio.create_task(gate.enter()) for _ in range(places)]
        await asyncio.wait_for(asyncio.gather(*entered), 5)
        assert gate.in_flight == places

    simulated(run())


async def test_a_turn_that_comes_with_its_cancellation_goes_to_the_next() -> None:
    gate = a_gate(Limits(gate_first=1))
    await gate.enter()
    first, second = asyncio.create_task(gate.enter()), asyncio.create_task(gate.enter())
    await asyncio.sleep(0)
    gate.leave()  # it is the first one's turn, who has not run yet
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert gate.in_flight == 1


def test_a_bucket_that_refuses_is_logged_once_at_the_beginning_and_once_at_the_end() -> None:
    async def run() -> Watch:
        watch = Watch()
        await Crowd(a_gate(watch=watch), Server(rate=500, latency_s=0.03), 10_000).run()
        await asyncio.sleep(61)
        return watch

    with structlog.testing.capture_logs() as logs:
        watch = simulated(run())
    assert [(log["log_level"], log["bucket"], log["request"]) for log in logs] == [
        ("warning", "b", "read"),
        ("info", "b", "read"),
    ]
    assert watch.events[-1][1].rate is None


async def test_there_is_a_gate_for_each_endpoint_bucket_and_class() -> None:
    gates = Gates(Limits())
    keys = [
        ("https://a", "b", "list"),
        ("https://a", "b", "read"),
        ("https://a", "c", "read"),
        ("http://a", "b", "read"),
    ]
    found = [gates.of(origin, bucket, "list" if kind == "list" else "read") for origin, bucket, kind in keys]
    assert len(set(map(id, found))) == len(gates) == 4
    assert gates.of("https://a", "b", "read") is found[1]


async def test_the_gate_that_was_idle_for_longest_gives_way() -> None:
    def of(bucket: str) -> Gate:
        return gates.of("https://a", bucket, "read")

    gates = Gates(Limits(gates=3))
    first, second, third = of("1"), of("2"), of("3")
    await first.enter()
    assert of("2") is second
    of("4")
    assert len(gates) == 3
    assert of("1") is first  # somebody is inside
    assert of("2") is second
    assert of("3") is not third
