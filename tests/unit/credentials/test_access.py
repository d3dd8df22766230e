"""Each kind of connection signs with what is its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.errors import KeyRefusedError, UnknownConnectionError
from config.limits import Limits
from credentials.access import Accesses
from credentials.grants import Grant
from credentials.identity import OwnIdentity
from credentials.policies.session import SessionPolicy
from credentials.registry import Registry
from credentials.session import Session
from credentials.sessions import SessionCache
from credentials.sts import Assumed, AssumeRole, Identity
from credentials.trust import Trust
from tests.fakes.clock import ManualClock
from tests.unit.credentials.connections import (
    A_KEY,
    A_ROLE,
    BY_ALICE,
    CANARY,
    KEY_ID,
    ROLE,
    a_catalog,
    a_registry,
    settings_of,
)


class Sts:
    """Grants whatever is asked, and remembers it."""

    def __init__(self, clock: ManualClock) -> None:
        self.asked: list[AssumeRole] = []
        self._clock = clock

    async def assume(self, request: AssumeRole) -> Assumed:
        self.asked.append(request)
        return Assumed(
            access_key_id=f"ASIA{len(self.asked):016}",
            secret_access_key="secret",
            token="token",
            expires_at=self._clock.now() + request.duration_s,
            server_time=self._clock.now(),
        )

    async def identity(self) -> Identity:
        return Identity(account="999988887777", arn="arn:aws:iam::999988887777:role/us", user_id="AROA:us")

    async def own_session(self, *, fresh: bool = False) -> Session:
        return Session(access_key_id="AKIAOURS", secret_access_key="ours")


async def _never(name: str) -> str:
    raise AssertionError(f"nobody needs an external ID of {name}")


class Bench:
    def __init__(self, registry: Registry) -> None:
        clock = ManualClock()
        self.registry = registry
        self.sts = Sts(clock)
        self.cache = SessionCache(sts=self.sts, limits=Limits(), clock=clock)
        own = OwnIdentity(keys=self.sts, limits=Limits(), clock=clock)
        settings = settings_of(AWS_REGION="eu-north-1", limits=Limits(sessions=2), open_roles="allow")
        self.accesses = Accesses(
            registry=registry,
            sessions=self.cache,
            own=own,
            trust=Trust(registry=registry, sts=self.sts, settings=settings, clock=clock),
            external_ids=_never,
            settings=settings,
        )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with a_catalog(tmp_path) as database:
        made = Bench(a_registry(database))
        yield made
        await made.cache.aclose()


@pytest.mark.acceptance("CO-01")
async def test_the_built_in_connection_signs_with_our_own_identity(bench: Bench) -> None:
    access = await bench.accesses.open(await bench.registry.get("default", workspace="main"), run_id="r1")
    assert (await access.session()).access_key_id == "AKIAOURS"
    assert not bench.sts.asked


@pytest.mark.acceptance("CO-01")
async def test_a_role_is_assumed_with_all_that_its_connection_says(bench: Bench) -> None:
    connection = await bench.registry.create(A_ROLE | {"allow": ["s3://acme/x/"], "session_ttl_s": 1800}, **BY_ALICE)
    access = await bench.accesses.open(connection, run_id="r1")
    assert not bench.sts.asked
    session = await access.session()
    (asked,) = bench.sts.asked
    assert session.access_key_id == "ASIA0000000000000001"
    assert (asked.role_arn, asked.external_id, asked.region, asked.duration_s) == (ROLE, "ext-1", "eu-north-1", 1800)
    assert asked.session_name == "longshore-r1"
    assert asked.policy == SessionPolicy(grants=(Grant(bucket="acme", prefix="x/"),)).render()
    await access.reject(session.access_key_id)
    assert (await access.session()).access_key_id == "ASIA0000000000000002"


async def test_a_connections_own_region_and_partition_count(bench: Bench) -> None:
    role = "arn:aws-cn:iam::444455556666:role/reader"
    connection = await bench.registry.create(A_ROLE | {"role_arn": role, "region": "cn-north-1"}, **BY_ALICE)
    await (await bench.accesses.open(connection, run_id="r1")).session()
    (asked,) = bench.sts.asked
    assert asked.region == "cn-north-1"
    assert asked.policy == SessionPolicy(grants=(Grant(bucket="acme"),), partition="aws-cn").render()


async def test_slices_of_one_run_share_a_session_and_a_changed_connection_does_not(bench: Bench) -> None:
    connection = await bench.registry.create(A_ROLE, **BY_ALICE)
    for _ in range(3):
        await (await bench.accesses.open(connection, run_id="r1")).session()
    assert len(bench.sts.asked) == 1
    changed = await bench.registry.update("acme", {"external_id": "ext-2"}, **BY_ALICE)
    await (await bench.accesses.open(changed, run_id="r1")).session()
    assert [asked.external_id for asked in bench.sts.asked] == ["ext-1", "ext-2"]


async def test_an_access_key_signs_until_the_storage_refuses_it(bench: Bench) -> None:
    connection = await bench.registry.create(A_KEY, **BY_ALICE)
    access = await bench.accesses.open(connection, run_id="r1")
    session = await access.session(min_remaining_s=1e9)
    assert session == Session(access_key_id=KEY_ID, secret_access_key=CANARY)
    await access.reject("AKIAANOTHERKEY000002")
    await access.renew()
    assert await access.session() == session
    await access.reject(KEY_ID)
    for _ in range(2):
        with pytest.raises(KeyRefusedError, match=r"access key of connection 'keys' \(…MPLE\) is refused") as caught:
            await access.session()
        assert not any(secret in str(caught.value) for secret in (CANARY, KEY_ID))
    await bench.registry.update("keys", {"secret_access_key": "the-right-secret-now"}, **BY_ALICE)
    again = await bench.accesses.open(await bench.registry.get("keys", workspace="main"), run_id="r1")
    assert (await again.session()).secret_access_key == "the-right-secret-now"


async def test_a_removed_connection_opens_no_more(bench: Bench) -> None:
    connection = await bench.registry.create(A_KEY, **BY_ALICE)
    await bench.registry.remove("keys", **BY_ALICE)
    with pytest.raises(UnknownConnectionError):
        await bench.accesses.open(connection, run_id="r1")


@pytest.mark.acceptance("CO-14")
async def test_a_connections_warnings_are_logged_once_for_each_version(bench: Bench) -> None:
    connection = await bench.registry.create(A_ROLE | {"external_id": None}, **BY_ALICE)
    with capture_logs() as lines:
        for _ in range(3):
            await bench.accesses.open(connection, run_id="r1")
        assert len(lines) == 1
        assert "no external ID" in lines[0]["warning"]
        await bench.accesses.open(replace(connection, version=2), run_id="r1")
        assert len(lines) == 2
        for version in range(3, 9):  # what was said of old versions is forgotten, since nothing may grow for ever
            await bench.accesses.open(replace(connection, version=version), run_id="r1")
        await bench.accesses.open(connection, run_id="r1")
        assert len(lines) == 9
