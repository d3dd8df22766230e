"""The session cache, step by step: given a state and what happens, which session is served and whether STS is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from config.errors import CredentialError, IdentityError, RoleDeniedError, SessionRefusedError, StsUnavailableError
from tests.unit.credentials.bench import DENIED, DOWN, OURS, Bench
from tests.unit.credentials.fake_sts import settle, spec


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that happens, then a `get`, and what it must give."""

    advance: float = 0.0
    reject: int | None = None
    """The number of the session that the storage rejects; sessions are counted from 1."""
    renew: bool = False
    sts: CredentialError | None = None
    need: float = 0.0
    gives: int | type[CredentialError]
    """The number of the session, or the error."""
    asked: bool


@dataclass(frozen=True, kw_only=True)
class Vector:
    name: str
    ttl: int = 3600
    steps: list[Step] = field(default_factory=list)


VECTORS = [
    Vector(
        name="fresh: served from the cache until the advisory mark, whose refresh nobody waits for",
        steps=[
            Step(gives=1, asked=True),
            Step(advance=2699, gives=1, asked=False),
            Step(advance=1, gives=1, asked=True),
            Step(gives=2, asked=False),
        ],
    ),
    Vector(
        name="900 s: advisory at 600 s",
        ttl=900,
        steps=[
            Step(gives=1, asked=True),
            Step(advance=599, gives=1, asked=False),
            Step(advance=1, gives=1, asked=True),
        ],
    ),
    Vector(
        name="60 s: advisory at 40 s, mandatory at 50 s, all over at 60 s",
        ttl=60,
        steps=[
            Step(gives=1, asked=True),
            Step(advance=39, gives=1, asked=False),
            Step(advance=1, gives=1, asked=True),
            Step(gives=2, asked=False),
            Step(advance=50, gives=3, asked=True),
            Step(advance=60, gives=4, asked=True),
        ],
    ),
    Vector(
        name="mandatory: callers wait for the new one",
        steps=[Step(gives=1, asked=True), Step(advance=3540, gives=2, asked=True)],
    ),
    Vector(
        name="expired: callers wait for the new one",
        steps=[Step(gives=1, asked=True), Step(advance=9999, gives=2, asked=True)],
    ),
    Vector(
        name="STS down: the old one serves to its real end, with rests between the questions, and then the error is raised",
        ttl=900,
        steps=[
            Step(gives=1, asked=True),
            Step(advance=600, sts=DOWN, gives=1, asked=True),  # rests 300/3/2 = 50 s
            Step(advance=49, sts=DOWN, gives=1, asked=False),
            Step(advance=1, sts=DOWN, gives=1, asked=True),  # 250/6 = 41.7 s
            Step(advance=200, sts=DOWN, gives=1, asked=True),  # in the mandatory window: 50/6 = 8.3 s
            Step(advance=8, sts=DOWN, gives=1, asked=False),
            Step(advance=41, sts=DOWN, gives=1, asked=True),
            Step(advance=1.5, sts=DOWN, gives=StsUnavailableError, asked=True),
            Step(advance=2, sts=DOWN, gives=StsUnavailableError, asked=False),
            Step(advance=1, gives=7, asked=True),
        ],
    ),
    Vector(
        name="cold and STS down: asked again after a rest that doubles",
        steps=[
            Step(sts=DOWN, gives=StsUnavailableError, asked=True),
            Step(advance=2.4, sts=DOWN, gives=StsUnavailableError, asked=False),
            Step(advance=0.1, sts=DOWN, gives=StsUnavailableError, asked=True),
            Step(advance=4.9, sts=DOWN, gives=StsUnavailableError, asked=False),
            Step(advance=0.1, gives=3, asked=True),
        ],
    ),
    Vector(
        name="denied: remembered for 5 s, 10 s, 20 s ... 60 s",
        steps=[
            Step(sts=DENIED, gives=RoleDeniedError, asked=True),
            Step(advance=4.9, sts=DENIED, gives=RoleDeniedError, asked=False),
            Step(advance=0.1, sts=DENIED, gives=RoleDeniedError, asked=True),
            Step(advance=9.9, sts=DENIED, gives=RoleDeniedError, asked=False),
            Step(advance=0.1, sts=DENIED, gives=RoleDeniedError, asked=True),
            Step(advance=20, sts=DENIED, gives=RoleDeniedError, asked=True),
            Step(advance=40, sts=DENIED, gives=RoleDeniedError, asked=True),
            Step(advance=59, sts=DENIED, gives=RoleDeniedError, asked=False),
            Step(advance=1, sts=DENIED, gives=RoleDeniedError, asked=True),
            Step(advance=60, gives=7, asked=True),
        ],
    ),
    Vector(
        name="denied at the refresh: the session that still lives is served no more",
        steps=[
            Step(gives=1, asked=True),
            Step(advance=2700, sts=DENIED, gives=1, asked=True),
            Step(sts=DENIED, gives=RoleDeniedError, asked=False),
        ],
    ),
    Vector(
        name="our own identity refused at the refresh: says nothing of the role, the session serves on",
        steps=[
            Step(gives=1, asked=True),
            Step(advance=2700, sts=OURS, gives=1, asked=True),
            Step(sts=OURS, gives=1, asked=False),
            Step(advance=1000, sts=OURS, gives=IdentityError, asked=True),
        ],
    ),
    Vector(
        name="rejected: dropped, and asked for again at once",
        steps=[Step(gives=1, asked=True), Step(reject=1, gives=2, asked=True)],
    ),
    Vector(
        name="a late rejection of an older session does not drop the new one",
        steps=[
            Step(gives=1, asked=True),
            Step(reject=1, gives=2, asked=True),
            Step(reject=1, gives=2, asked=False),
        ],
    ),
    Vector(
        name="each fresh session rejected: asked for after 5 s, 10 s ... until one lives",
        steps=[
            Step(gives=1, asked=True),
            Step(reject=1, gives=2, asked=True),
            Step(reject=2, gives=StsUnavailableError, asked=False),
            Step(advance=4.9, gives=StsUnavailableError, asked=False),
            Step(advance=0.1, gives=3, asked=True),
            Step(reject=3, advance=9.9, gives=StsUnavailableError, asked=False),
            Step(advance=0.1, gives=4, asked=True),
            Step(advance=2700, gives=4, asked=True),
            Step(gives=5, asked=False),
            Step(reject=5, gives=6, asked=True),
        ],
    ),
    Vector(
        name="a presigner asks for more than is left: a new one now, but no more than one in a mandatory window",
        ttl=900,
        steps=[
            Step(gives=1, asked=True),
            Step(advance=99, need=800, gives=1, asked=False),
            Step(advance=2, need=800, gives=2, asked=True),
            Step(advance=60, need=840, gives=3, asked=True),
        ],
    ),
    Vector(
        name="a presigner asks for more than the TTL can promise: refused without asking STS",
        ttl=900,
        steps=[
            Step(need=841, gives=SessionRefusedError, asked=False),
            Step(need=840, gives=1, asked=True),
            Step(need=841, gives=SessionRefusedError, asked=False),
        ],
    ),
    Vector(
        name="renewed on request: the next caller waits for a new one, at most once in a mandatory window",
        steps=[
            Step(gives=1, asked=True),
            Step(advance=2, renew=True, gives=2, asked=True),
            Step(advance=2, renew=True, gives=2, asked=False),
            Step(advance=58, renew=True, gives=3, asked=True),
        ],
    ),
    Vector(
        name="renewed on request while STS is down: the one held is not to blame and serves on",
        steps=[
            Step(gives=1, asked=True),
            Step(advance=100, renew=True, sts=DOWN, gives=1, asked=True),
            Step(sts=DOWN, gives=1, asked=False),
        ],
    ),
]


@pytest.mark.acceptance("CO-21", "CG-17")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
async def test_vector(vector: Vector) -> None:
    """Each vector's steps serve what they must, and ask STS when they must."""
    bench = Bench()
    one = spec(vector.ttl)
    for number, step in enumerate(vector.steps):
        if step.reject is not None:
            await bench.cache.reject(one, f"ASIA{step.reject:016d}")
        bench.clock.advance(step.advance)
        if step.renew:
            await bench.cache.renew(one)
        bench.sts.trouble = step.sts
        before = bench.sts.calls
        given: str | type[CredentialError]
        try:
            given = (await bench.cache.get(one, min_remaining_s=step.need)).access_key_id
        except CredentialError as error:
            given = type(error)
        await settle()
        wanted = step.gives if isinstance(step.gives, type) else f"ASIA{step.gives:016d}"
        assert (given, bench.sts.calls - before) == (wanted, int(step.asked)), f"step {number}: {step}"
    await bench.cache.aclose()
