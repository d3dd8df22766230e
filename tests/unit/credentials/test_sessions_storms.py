"""Many callers at once, cancelled callers, and whole hours of traffic: STS is asked as seldom as can be."""

from __future__ import annotations

import asyncio
import gc
from random import Random

import pytest

from config.errors import CredentialError, RoleDeniedError, StsUnavailableError
from credentials.events import SessionRefreshed
from credentials.session import Session
from tests.unit.credentials.bench import DENIED, DOWN, Bench
from tests.unit.credentials.fake_sts import settle, spec

MANY = 200


async def ask_many(bench: Bench, ttl: int = 3600) -> list[Session | BaseException]:
    """`MANY` callers while STS is slow; what each got."""
    bench.sts.gate = asyncio.Event()
    callers = [asyncio.create_task(bench.cache.get(spec(ttl))) for _ in range(MANY)]
    await settle()
    bench.sts.gate.set()
    return await asyncio.gather(*callers, return_exceptions=True)


def key_ids(given: list[Session | BaseException]) -> set[str]:
    return {one.access_key_id for one in given if isinstance(one, Session)}


async def test_two_hundred_callers_on_a_cold_cache_cost_one_question() -> None:
    """All get the same session."""
    bench = Bench()
    given = await ask_many(bench)
    assert len(key_ids(given)) == 1
    assert bench.sts.calls == 1
    assert bench.how == ["miss"] * MANY


@pytest.mark.parametrize(
    ("elapsed", "old_ones"),
    [(2700, MANY), (3540, 0), (3600, 0), (9000, 0)],
    ids=["advisory", "mandatory", "at its end", "long past it"],
)
async def test_two_hundred_callers_on_an_expiring_session_cost_one_question(elapsed: float, old_ones: int) -> None:
    """In the advisory window all are served the old session at once; later all wait for the one new session."""
    bench = Bench()
    first = await bench.cache.get(spec())
    bench.clock.advance(elapsed)
    given = await ask_many(bench)
    assert bench.sts.calls == 2
    assert len(key_ids(given)) == 1
    assert sum(isinstance(one, Session) and one.access_key_id == first.access_key_id for one in given) == old_ones
    await settle()
    assert (await bench.cache.get(spec())).access_key_id != first.access_key_id
    assert bench.sts.calls == 2


@pytest.mark.parametrize(("trouble", "kind"), [(DOWN, StsUnavailableError), (DENIED, RoleDeniedError)])
async def test_two_hundred_callers_on_a_failing_session_cost_one_question(
    trouble: CredentialError, kind: type[CredentialError]
) -> None:
    """All get the error, and so do two hundred more right after, from memory."""
    bench = Bench()
    bench.sts.trouble = trouble
    for _ in range(2):
        given = await ask_many(bench)
        assert all(isinstance(one, kind) for one in given)
        assert bench.sts.calls == 1


async def test_callers_that_wake_late_do_not_ask_again_what_has_just_failed() -> None:
    """A process that stalls past the rest gives each waiter the answer it waited for."""
    bench = Bench()
    bench.sts.trouble = DOWN
    bench.cache._observe = lambda event: bench.clock.advance(1000) if isinstance(event, SessionRefreshed) else None
    given = await ask_many(bench)
    assert all(isinstance(one, StsUnavailableError) for one in given)
    assert bench.sts.calls == 1


async def test_two_hundred_callers_in_the_mandatory_window_of_a_dead_sts_cost_one_question() -> None:
    """All wait for the one answer, and are then served the old session, which still lives; so are those who come after."""
    bench = Bench()
    first = await bench.cache.get(spec())
    bench.clock.advance(3550)
    bench.sts.trouble = DOWN
    for _ in range(2):
        assert key_ids(await ask_many(bench)) == {first.access_key_id}
        assert bench.sts.calls == 2


async def test_two_hundred_rejections_of_one_session_cost_one_question() -> None:
    """The first one counts; the others are late, and do not look like a storm of rejected sessions."""
    bench = Bench()
    first = await bench.cache.get(spec())
    for _ in range(MANY):
        await bench.cache.reject(spec(), first.access_key_id)
    assert len(key_ids(await ask_many(bench))) == 1
    assert bench.sts.calls == 2


async def test_a_server_that_rejects_every_session_does_not_make_callers_storm_sts() -> None:
    """A caller a second, each rejected at once, for ten minutes: the rests between the questions double up to a minute."""
    bench = Bench()
    for _ in range(600):
        try:
            session = await bench.cache.get(spec())
        except StsUnavailableError as error:
            assert error.code == "SessionsRejected"  # noqa: PT017 - either way out of `get` is right here
        else:
            await bench.cache.reject(spec(), session.access_key_id)
        bench.clock.advance(1)
    assert 10 <= bench.sts.calls <= 16


@pytest.mark.parametrize("leader", [True, False])
async def test_a_cancelled_caller_takes_nothing_from_the_others(*, leader: bool) -> None:
    """Whoever is cancelled, the first one too, the question goes on and the others get its answer."""
    bench = Bench()
    bench.sts.gate = asyncio.Event()
    callers = [asyncio.create_task(bench.cache.get(spec())) for _ in range(3)]
    await settle()
    callers[0 if leader else 2].cancel()
    await settle()
    bench.sts.gate.set()
    given = await asyncio.gather(*callers, return_exceptions=True)
    assert sum(isinstance(one, asyncio.CancelledError) for one in given) == 1
    assert len(key_ids([one for one in given if isinstance(one, Session)])) == 1
    assert bench.sts.calls == 1


@pytest.mark.parametrize("trouble", [None, DOWN, DENIED, TypeError("a fault")])
async def test_an_answer_that_nobody_waits_for_any_more_is_kept_and_never_complained_of(
    trouble: CredentialError | Exception | None,
) -> None:
    """With every caller cancelled the answer is still written down, and no exception is left unretrieved."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    bench = Bench()
    bench.sts.trouble = trouble
    bench.sts.gate = asyncio.Event()
    callers = [asyncio.create_task(bench.cache.get(spec())) for _ in range(3)]
    await settle()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    bench.sts.gate.set()
    await settle()
    given = await asyncio.gather(bench.cache.get(spec()), return_exceptions=True)
    assert isinstance(given[0], Session if trouble is None else CredentialError)
    assert bench.sts.calls == 1
    del bench, callers, given
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize("started", [True, False])
async def test_closing_ends_the_question_and_tells_the_waiters(*, started: bool) -> None:
    """Nobody hangs on a closed cache, not even if the question had not begun; later callers are told at once."""
    bench = Bench()
    bench.sts.gate = asyncio.Event()
    callers = [asyncio.create_task(bench.cache.get(spec())) for _ in range(3)]
    if started:
        await settle()
    else:
        await asyncio.sleep(0)
    await bench.cache.aclose()
    async with asyncio.timeout(5):
        given = await asyncio.gather(*callers, return_exceptions=True)
    assert [one.code for one in given if isinstance(one, StsUnavailableError)] == ["Closed"] * 3
    with pytest.raises(StsUnavailableError, match="closed"):
        await bench.cache.get(spec())
    assert bench.sts.in_flight == 0
    assert bench.sts.calls == int(started)


@pytest.mark.acceptance("CO-21")
@pytest.mark.parametrize(("ttl", "least", "most"), [(60, 90, 101), (900, 6, 7), (3600, 2, 2)])
@pytest.mark.parametrize("seed", range(3))
async def test_an_hour_of_requests_asks_sts_about_once_in_two_thirds_of_a_ttl(
    ttl: int, least: int, most: int, seed: int
) -> None:
    """One request a second for an hour; the refresh is always ahead, so that after the first nobody waits."""
    bench = Bench()
    bench.cache._random = bench.cache._issuer._random = Random(seed).random
    for _ in range(3600):
        session = await bench.cache.get(spec(ttl))
        assert bench.sts.ends[session.access_key_id] > bench.sts.aws_now()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        bench.clock.advance(1)
    assert least <= bench.sts.calls <= most
    assert bench.how.count("miss") == 1


@pytest.mark.parametrize("ttl", [60, 900, 3600])
async def test_an_hour_long_outage_of_sts_is_not_made_worse_by_us(ttl: int) -> None:
    """One request a second while STS is down: questions become rare, and sessions come back within a minute of its return."""
    bench = Bench()
    await bench.cache.get(spec(ttl))
    bench.sts.trouble = DOWN
    for _ in range(3600):
        await asyncio.gather(bench.cache.get(spec(ttl)), return_exceptions=True)
        await settle()
        bench.clock.advance(1)
    assert bench.sts.calls < 140
    bench.sts.trouble = None
    bench.clock.advance(60)
    assert bench.sts.ends[(await bench.cache.get(spec(ttl))).access_key_id] > bench.sts.aws_now()


async def test_a_presigner_that_asks_for_all_it_can_does_not_storm_sts() -> None:
    """At the longest promise a new session is asked for once in a mandatory window, not for each request."""
    bench = Bench()
    for _ in range(600):
        await bench.cache.get(spec(900), min_remaining_s=839)
        bench.clock.advance(1)
    assert bench.sts.calls <= 11
