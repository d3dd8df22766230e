"""The session cache: TTLs, clocks, keys, bounds, events and errors."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from config.errors import RoleDeniedError, SessionRefusedError, StsUnavailableError
from config.limits import Limits
from credentials.events import SessionRefreshed
from credentials.grants import Grant
from credentials.policies.session import SessionPolicy
from credentials.sessions import SessionSpec, session_name
from tests.unit.credentials.bench import DENIED, DOWN, Bench
from tests.unit.credentials.fake_sts import settle, spec


@pytest.mark.acceptance("CO-21")
async def test_sts_is_asked_for_900_seconds_and_the_session_is_dropped_after_60() -> None:
    """STS issues nothing shorter than 900 s: 60 s are kept here, and written into the session policy."""
    bench = Bench()
    session = await bench.cache.get(spec(60))
    (request,) = bench.sts.requests
    assert request.duration_s == 900
    assert session.usable_until == pytest.approx(bench.clock.now() + 60)
    assert bench.sts.ends[session.access_key_id] == pytest.approx(bench.sts.aws_now() + 65, abs=1)


async def test_a_short_ttl_is_enforced_even_where_no_policy_narrows() -> None:
    """A spec without a policy gets one that only ends in time."""
    bench = Bench()
    session = await bench.cache.get(spec(60, policy=None))
    assert bench.sts.ends[session.access_key_id] == pytest.approx(bench.sts.aws_now() + 65, abs=1)
    await bench.cache.get(spec(900, policy=None))
    assert [request.policy is None for request in bench.sts.requests] == [False, True]


async def test_the_ttl_counts_from_before_sts_is_asked() -> None:
    """The time that STS takes is taken off the session's life."""
    bench = Bench()
    bench.sts.takes_s = 7.0
    before = bench.clock.now()
    session = await bench.cache.get(spec(60))
    assert session.usable_until == pytest.approx(before + 60)


@pytest.mark.parametrize("jump", [3600.0, -3600.0, 90 * 86400.0])
async def test_a_jump_of_the_wall_clock_neither_ends_nor_prolongs_a_session(jump: float) -> None:
    """Life is measured on the monotonic clock; what users compare with the wall clock moves along with it."""
    bench = Bench()
    first = await bench.cache.get(spec(900))
    bench.clock.jump(jump)
    again = await bench.cache.get(spec(900))
    assert again.access_key_id == first.access_key_id
    assert again.usable_until == pytest.approx(bench.clock.now() + 900)
    bench.clock.advance(901)
    assert (await bench.cache.get(spec(900))).access_key_id != first.access_key_id
    assert bench.sts.calls == 2


@pytest.mark.parametrize("skew", [-840.0, -3.0, 0.0, 3.0, 840.0])
@pytest.mark.parametrize("ttl", [60, 900])
async def test_a_wrong_wall_clock_neither_shortens_nor_prolongs_a_session(skew: float, ttl: int) -> None:
    """AWS's own time, from its answer, decides; a short session that our slow clock ended too early is asked for once more."""
    bench = Bench()
    bench.sts.aws_ahead += skew
    session = await bench.cache.get(spec(ttl))
    assert session.usable_until == pytest.approx(bench.clock.now() + ttl, abs=3)
    assert session.usable_until is not None
    left = session.usable_until - bench.clock.now()
    assert bench.sts.ends[session.access_key_id] >= bench.sts.aws_now() + left - 1
    assert bench.sts.calls == (2 if ttl == 60 and skew == 840 else 1)
    bench.clock.advance(ttl)
    renewed = await bench.cache.get(spec(ttl))
    assert bench.sts.ends[renewed.access_key_id] == pytest.approx(
        bench.sts.aws_now() + (65 if ttl == 60 else 900), abs=2
    )


async def test_without_a_time_from_sts_the_wall_clock_is_believed() -> None:
    """The answer of a server that sends no Date is measured by our own clock."""
    bench = Bench()
    bench.sts.tells_time = False
    session = await bench.cache.get(spec(900))
    assert session.usable_until == pytest.approx(bench.clock.now() + 900)


@pytest.mark.parametrize("lifetime", [0.0, -10.0, 0.5, float("nan")])
async def test_a_session_that_has_already_ended_is_an_error_of_sts(lifetime: float) -> None:
    """It is never served, and a rest follows."""
    bench = Bench()
    bench.sts.lifetime_s = lifetime
    for _ in range(5):
        with pytest.raises(StsUnavailableError, match="already ended"):
            await bench.cache.get(spec(900))
    assert bench.sts.calls == 1


async def test_a_shorter_life_than_asked_for_shortens_the_use() -> None:
    """The end is AWS's where that comes before the TTL's; who then asks for more gets an error that says how much there is."""
    bench = Bench()
    bench.sts.lifetime_s = 120
    session = await bench.cache.get(spec(900))
    assert session.usable_until == pytest.approx(bench.clock.now() + 120, abs=1)
    for _ in range(5):
        with pytest.raises(SessionRefusedError, match="a fresh one has 120 s left"):
            await bench.cache.get(spec(900), min_remaining_s=600)
    assert bench.sts.calls == 1


async def test_the_same_session_after_its_rejection_is_not_handed_out() -> None:
    """An STS that gives a rejected key again is treated as one that fails."""
    bench = Bench()
    bench.sts.key_id = "ASIASAME"
    await bench.cache.get(spec())
    await bench.cache.reject(spec(), "ASIASAME")
    with pytest.raises(StsUnavailableError, match="the very session"):
        await bench.cache.get(spec())


async def test_an_unexpected_failure_is_told_and_followed_by_a_rest() -> None:
    """A fault of ours in asking STS becomes an error with its cause, not a storm."""
    bench = Bench()
    bench.sts.trouble = TypeError("a fault")
    for _ in range(5):
        with pytest.raises(StsUnavailableError, match="TypeError") as caught:
            await bench.cache.get(spec())
        assert isinstance(caught.value.__cause__, StsUnavailableError)
        assert isinstance(caught.value.__cause__.__cause__, TypeError)
    assert bench.sts.calls == 1


CHANGES: list[dict[str, object]] = [
    {"workspace": "other"},
    {"connection_id": "id-2"},
    {"connection_version": 2},
    {"connection": "renamed"},
    {"role_arn": "arn:aws:iam::111122223333:role/writer"},
    {"external_id": "ext-2"},
    {"external_id": None},
    {"region": "eu-central-1"},
    {"ttl_s": 900},
    {"policy": SessionPolicy(grants=(Grant(bucket="other"),))},
    {"policy": None},
    {"session_name": "longshore-run-2"},
    {"source_identity": "main"},
]


@pytest.mark.acceptance("LS-15")
@pytest.mark.parametrize("change", CHANGES, ids="-".join)
async def test_whatever_shapes_a_session_is_part_of_its_key(change: dict[str, object]) -> None:
    """Nobody gets a session that was made for another workspace, external ID, policy or run."""
    bench = Bench()
    other: SessionSpec = replace(spec(), **change)  # type: ignore[arg-type]  # each value has its field's type
    assert (await bench.cache.get(spec())).access_key_id != (await bench.cache.get(other)).access_key_id


async def test_the_time_in_a_short_session_policy_makes_no_other_session() -> None:
    """The policy enters the key as a template."""
    bench = Bench()
    first = await bench.cache.get(spec(60))
    bench.clock.advance(30)
    assert await bench.cache.get(spec(60)) == first


async def test_an_access_asks_the_cache_each_time() -> None:
    """A long-lived client that holds an access rotates by itself."""
    bench = Bench()
    access = bench.cache.access(spec(900))
    first = await access.session()
    bench.clock.advance(900)
    second = await access.session(min_remaining_s=60)
    await access.reject(second.access_key_id)
    third = await access.session()
    bench.clock.advance(60)
    await access.renew()
    fourth = await access.session()
    assert len({one.access_key_id for one in (first, second, third, fourth)}) == 4


async def test_no_more_sessions_are_kept_than_the_limit_allows() -> None:
    """The least recently used one gives way; one that is being asked for does not."""
    bench = Bench(limits=Limits(sessions=2))
    a, b, c = (spec(connection=name) for name in "abc")
    for one in (a, b, a, c, a):
        await bench.cache.get(one)
    assert bench.sts.calls == 3
    await bench.cache.get(b)
    assert bench.sts.calls == 4
    bench.sts.gate = asyncio.Event()
    waiting = [asyncio.create_task(bench.cache.get(spec(connection=name))) for name in "defdef"]
    await settle()
    bench.sts.gate.set()
    assert len({session.access_key_id for session in await asyncio.gather(*waiting)}) == 3
    assert bench.sts.calls == 7


async def test_events_tell_how_each_caller_was_served_and_what_sts_answered() -> None:
    """Hits, misses, stale sessions and refusals are told apart; a refresh carries its session name."""
    bench = Bench()
    await bench.cache.get(spec())
    await bench.cache.get(spec())
    bench.sts.trouble = DOWN
    bench.clock.advance(2700)
    await bench.cache.get(spec())
    await settle()
    await bench.cache.get(spec())
    bench.sts.trouble = DENIED
    bench.clock.advance(899)
    with pytest.raises(RoleDeniedError):
        await bench.cache.get(spec())
    assert bench.how == ["miss", "hit", "hit", "stale", "refused"]
    refreshed = [event for event in bench.events if isinstance(event, SessionRefreshed)]
    assert [event.outcome for event in refreshed] == ["ok", "ServiceUnavailable", "AccessDenied"]
    assert {event.session_name for event in refreshed} == {"longshore-run-1"}


async def test_an_error_names_the_connection_and_is_new_for_each_caller() -> None:
    """One error object that many raise would gather all their tracebacks."""
    bench = Bench()
    bench.sts.trouble = DENIED
    caught = []
    for _ in range(2):
        with pytest.raises(RoleDeniedError, match="connection 'studio': denied") as info:
            await bench.cache.get(spec())
        caught.append(info.value)
    assert caught[0] is not caught[1]
    assert caught[0].code == "AccessDenied"
    assert caught[0].fields["connection"] == "studio"


async def test_no_repr_and_no_event_shows_a_secret() -> None:
    """What is logged by accident is harmless."""
    bench = Bench()
    session = await bench.cache.get(spec())
    assumed = await bench.sts.assume(bench.sts.requests[0])
    shown = repr((session, assumed, bench.events, bench.cache._slots))
    assert "canary" not in shown
    assert session.secret_access_key == "canary-secret"


@pytest.mark.acceptance("LS-15")
@pytest.mark.parametrize("run_id", ["01J9Z3", "x" * 54, "x" * 55, "x" * 500, "with space/slash", "ünïcode", ""])
def test_a_session_name_is_one_that_sts_takes(run_id: str) -> None:
    """2..64 characters of STS's own set; run IDs that fit are readable in it."""
    name = session_name(run_id)
    assert 2 <= len(name) <= 64
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-")
    assert name.startswith("longshore-")
    assert name != session_name(run_id + "y")
