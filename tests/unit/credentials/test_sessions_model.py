"""The session cache under any order of callers, cancellations, rejections, outages and clock jumps."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from config.errors import CredentialError
from tests.unit.credentials.bench import DENIED, DOWN, OURS, Bench
from tests.unit.credentials.fake_sts import settle, spec

SPECS = [spec(60), spec(900), spec(3600), spec(900, connection="other"), spec(90, policy=None)]
which = st.sampled_from(SPECS)
seconds = st.one_of(st.floats(0, 70), st.floats(0, 1000), st.sampled_from([9.9, 10, 40, 60, 600, 900, 2700, 3600]))


class Sessions(RuleBasedStateMachine):
    """Each caller checks what it is given at the very moment it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.bench = Bench()
        self.bench.cache._random = self.bench.cache._issuer._random = Random(0).random
        self.callers: list[asyncio.Task[None]] = []
        self.given: dict[str, list[str]] = {}
        self.rejected: set[str] = set()
        self.wrong: list[str] = []
        self.run(settle())

    def run(self, awaitable: Any) -> None:
        self.runner.run(awaitable)

    async def call(self, number: int, need: float) -> None:
        one = SPECS[number]
        bench = self.bench
        try:
            session = await bench.cache.get(one, min_remaining_s=need)
        except CredentialError:
            return
        left = bench.sts.ends[session.access_key_id] - bench.sts.aws_now()
        if left <= need:
            self.wrong.append(f"{session.access_key_id} of TTL {one.ttl_s} has {left} s left, {need} s were asked for")
        assert session.usable_until is not None
        if not need < session.usable_until - bench.clock.now() <= one.ttl_s + 1:
            self.wrong.append(f"usable_until lies {session.usable_until - bench.clock.now()} s ahead")
        if session.access_key_id in self.rejected:
            self.wrong.append(f"{session.access_key_id} was rejected before")
        self.given.setdefault(one.key, []).append(session.access_key_id)

    @rule(one=which, count=st.integers(1, 20), need=st.sampled_from([0.0, 0.0, 30.0, 700.0, 5000.0]))
    def callers_come(self, one: Any, count: int, need: float) -> None:
        async def come() -> None:
            self.callers += [asyncio.create_task(self.call(SPECS.index(one), need)) for _ in range(count)]
            await settle()

        self.run(come())

    @rule(pick=st.integers(0, 1000))
    def a_caller_is_cancelled(self, pick: int) -> None:
        waiting = [caller for caller in self.callers if not caller.done()]
        if waiting:
            waiting[pick % len(waiting)].cancel()
            self.run(settle())

    @rule(one=which, late=st.booleans())
    def the_storage_rejects(self, one: Any, *, late: bool) -> None:
        given = self.given.get(one.key)
        if given:
            key_id = given[0 if late else -1]
            held = self.bench.cache._slots[one.key].held
            if held is not None and held.session.access_key_id == key_id:
                self.rejected.add(key_id)
            self.run(self.bench.cache.reject(one, key_id))

    @rule(one=which)
    def someone_asks_to_renew(self, one: Any) -> None:
        self.run(self.bench.cache.renew(one))

    @rule(passed=seconds)
    def time_passes(self, passed: float) -> None:
        self.bench.clock.advance(passed)

    @rule(jump=st.sampled_from([-3600.0, -60.0, 60.0, 3600.0]))
    def the_wall_clock_jumps(self, jump: float) -> None:
        self.bench.clock.jump(jump)

    @rule(trouble=st.sampled_from([None, None, DOWN, DENIED, OURS]))
    def sts_changes(self, trouble: CredentialError | None) -> None:
        self.bench.sts.trouble = trouble

    @rule()
    def sts_stalls(self) -> None:
        if self.bench.sts.gate is None or self.bench.sts.gate.is_set():
            self.bench.sts.gate = asyncio.Event()

    @rule()
    def sts_goes_on(self) -> None:
        if self.bench.sts.gate is not None:
            self.bench.sts.gate.set()
            self.run(settle())

    @invariant()
    def one_question_per_key(self) -> None:
        flights = [slot for slot in self.bench.cache._slots.values() if slot.flight is not None]
        assert self.bench.sts.in_flight <= len(flights) <= len(SPECS)
        assert self.bench.sts.most_in_flight_for_one <= 1

    @invariant()
    def every_session_given_was_good(self) -> None:
        assert self.wrong == []

    def teardown(self) -> None:
        async def end() -> None:
            await self.bench.cache.aclose()
            async with asyncio.timeout(5):
                await asyncio.gather(*self.callers, return_exceptions=True)

        self.run(end())
        self.runner.close()
        assert self.bench.sts.in_flight == 0
        assert self.wrong == []


Sessions.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSessions = Sessions.TestCase
