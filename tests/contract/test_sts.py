"""STS's client on two servers: moto, which the world tests with, and our fake, which enforces what moto does not."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from config.errors import IdentityError, RoleDeniedError, SessionRefusedError, StsUnavailableError
from config.limits import Limits
from credentials.clock import SystemClock
from credentials.grants import Grant
from credentials.identity import OwnIdentity
from credentials.policies.session import SessionPolicy
from credentials.session import Session
from credentials.sessions import SessionCache, SessionSpec
from credentials.sts import AssumeRole, AwsSts
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET
from tests.servers import fake_s3_server, moto_server, tell

ROLE = "arn:aws:iam::111122223333:role/reader"
POLICY = SessionPolicy(grants=(Grant(bucket="media", prefix="in/"),))
LIMITS = Limits(sts_attempts=1)
SECRET = "secret/that+nobody/may/see/00000000000001"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def fake() -> Iterator[str]:
    with fake_s3_server() as url:
        yield url


@pytest.fixture(params=["moto", "fake"])
def anywhere(request: pytest.FixtureRequest) -> str:
    """Each server in turn, with a role that asks for an external ID."""
    url: str = request.getfixturevalue(request.param)
    if request.param == "fake":
        tell(url, "role", arn=ROLE, external_id="ext-4711")
    return url


@pytest.fixture
def strict(fake: str) -> str:
    """The fake alone, fresh."""
    tell(fake, "clear")
    tell(fake, "role", arn=ROLE, external_id="ext-4711")
    tell(fake, "forget")
    return fake


@pytest.fixture(autouse=True)
def our_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OPERATOR_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OPERATOR_SECRET)


def role(**changes: Any) -> AssumeRole:
    usual: dict[str, Any] = {
        "role_arn": ROLE,
        "session_name": "longshore-run-1",
        "duration_s": 900,
        "external_id": "ext-4711",
        "policy": POLICY.render(not_after=time.time() + 65),
        "source_identity": None,
        "region": "us-east-1",
    }
    return AssumeRole(**(usual | changes))


def spec(ttl_s: int = 60) -> SessionSpec:
    return SessionSpec(
        workspace="main",
        connection_id="id",
        connection_version=1,
        connection="studio",
        role_arn=ROLE,
        external_id="ext-4711",
        region="us-east-1",
        ttl_s=ttl_s,
        policy=POLICY,
        session_name="longshore-run-1",
        source_identity=None,
    )


def asked(url: str) -> list[dict[str, Any]]:
    return [call for call in tell(url, "calls") if call["action"] == "AssumeRole"]


async def test_a_role_is_assumed_and_the_answer_tells_both_times(anywhere: str) -> None:
    """The session's end and the server's own time, both by the server's clock."""
    async with AwsSts(region="us-east-1", endpoint=anywhere, limits=LIMITS) as sts:
        given = await sts.assume(role())
        longer = await sts.assume(role(duration_s=3600, policy=None))
    assert given.server_time is not None
    assert given.expires_at - given.server_time == pytest.approx(900, abs=2)
    assert longer.expires_at - given.expires_at == pytest.approx(2700, abs=5)
    assert given.access_key_id.startswith("ASIA")
    assert given.access_key_id != longer.access_key_id


@pytest.mark.acceptance("CO-09")
async def test_we_know_who_we_are(anywhere: str) -> None:
    """An account of twelve digits, and an ARN in it."""
    async with AwsSts(region="us-east-1", endpoint=anywhere, limits=LIMITS) as sts:
        identity = await sts.identity()
    assert len(identity.account) == 12
    assert identity.account.isdigit()
    assert identity.account in identity.arn


async def test_whose_key_it_is_is_told_with_that_key(anywhere: str) -> None:
    async with AwsSts(region="us-east-1", endpoint=anywhere, limits=LIMITS) as sts:
        key = Session(access_key_id=OPERATOR_KEY, secret_access_key=OPERATOR_SECRET)
        assert (await sts.identity_of(key, region="eu-west-1")).arn == (await sts.identity()).arn


async def test_a_users_key_that_is_gone_is_refused(strict: str) -> None:
    async with AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS) as sts:
        with pytest.raises(IdentityError) as caught:
            await sts.identity_of(
                Session(access_key_id="AKIAGONE000000000001", secret_access_key=SECRET), region="us-east-1"
            )
        assert SECRET not in repr(caught.value)
        assert (await sts.identity()).account  # our own is not to blame


async def test_the_session_itself_is_known_to_the_server(anywhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed with it, the server calls us by the role and the session name."""
    async with AwsSts(region="us-east-1", endpoint=anywhere, limits=LIMITS) as sts:
        given = await sts.assume(role())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", given.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", given.secret_access_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", given.token)
    async with AwsSts(region="us-east-1", endpoint=anywhere, limits=LIMITS) as sts:
        identity = await sts.identity()
        own = await OwnIdentity(keys=sts, limits=LIMITS, clock=SystemClock()).session()
    assert identity.arn == "arn:aws:sts::111122223333:assumed-role/reader/longshore-run-1"
    assert identity.role_arn == ROLE
    assert (own.access_key_id, own.token) == (given.access_key_id, given.token)


@pytest.mark.acceptance("CO-21")
async def test_the_cache_holds_a_short_session_of_a_real_server(anywhere: str) -> None:
    """60 s of use from now, whatever the server's session lasts; two hundred callers get the same one."""
    async with AwsSts(region="us-east-1", endpoint=anywhere, limits=LIMITS) as sts:
        cache = SessionCache(sts=sts, limits=LIMITS, clock=SystemClock())
        before = time.time()
        sessions = await asyncio.gather(*(cache.get(spec()) for _ in range(200)))
        await cache.aclose()
    assert len({session.access_key_id for session in sessions}) == 1
    assert sessions[0].usable_until is not None
    assert before + 55 < sessions[0].usable_until < before + 61


@pytest.mark.acceptance("CO-21", "LS-10", "LS-15")
async def test_sts_receives_the_time_limit_the_narrowing_and_the_run(strict: str) -> None:
    """900 s asked for, a policy for the connection's bucket that ends after 65 s, and the run in the session name; once."""
    async with AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS) as sts:
        cache = SessionCache(sts=sts, limits=LIMITS, clock=SystemClock())
        await asyncio.gather(*(cache.get(spec()) for _ in range(200)))
        await cache.aclose()
    (call,) = asked(strict)
    sent = call["parameters"]
    assert (sent["DurationSeconds"], sent["RoleSessionName"]) == ("900", "longshore-run-1")
    statements = json.loads(sent["Policy"])["Statement"]
    assert all("aws:CurrentTime" in one["Condition"]["DateLessThan"] for one in statements)
    assert "arn:aws:s3:::media/in/*" in sent["Policy"]


@pytest.mark.acceptance("CG-17")
async def test_a_role_taken_back_is_denied_by_name_and_not_asked_for_again_and_again(strict: str) -> None:
    """Two hundred callers, one question, one named error each."""
    tell(strict, "deny", arn=ROLE)
    async with AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS) as sts:
        cache = SessionCache(sts=sts, limits=LIMITS, clock=SystemClock())
        given = await asyncio.gather(*(cache.get(spec()) for _ in range(200)), return_exceptions=True)
        await cache.aclose()
    tell(strict, "deny", arn=ROLE, denied=False)
    assert all(isinstance(one, RoleDeniedError) for one in given)
    assert "connection 'studio'" in str(given[0])
    assert len(asked(strict)) == 1


@pytest.mark.parametrize("external_id", [None, "ext-wrong"])
async def test_a_missing_or_wrong_external_id_is_denied(strict: str, external_id: str | None) -> None:
    """The error says what may be wrong, not what is."""
    async with AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS) as sts:
        with pytest.raises(RoleDeniedError, match="another external ID"):
            await sts.assume(role(external_id=external_id))


async def test_a_longer_session_than_the_role_allows_becomes_one_of_an_hour(strict: str) -> None:
    """Asked for twice, no more."""
    async with AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS) as sts:
        given = await sts.assume(role(duration_s=43_200, policy=None))
    assert given.server_time is not None
    assert given.expires_at - given.server_time == pytest.approx(3600, abs=2)
    assert [call["outcome"] for call in asked(strict)] == ["ValidationError", "ok"]


async def test_a_policy_that_sts_refuses_is_refused(strict: str) -> None:
    """A document without statements."""
    async with AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS) as sts:
        with pytest.raises(SessionRefusedError, match="MalformedPolicyDocument"):
            await sts.assume(role(policy='{"Version":"2012-10-17","Statement":[]}'))


async def test_keys_that_the_server_does_not_know_are_our_own_trouble(
    strict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the customer's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN000000001")
    async with AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS) as sts:
        with pytest.raises(IdentityError):
            await sts.assume(role())


@pytest.mark.parametrize("status", [500, 503])
async def test_an_outage_is_transient(strict: str, status: int) -> None:
    """And over with the next question."""
    tell(strict, "fault", kind="error", op="assume_role", status=status, code="ServiceUnavailable", times=1)
    async with AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS) as sts:
        with pytest.raises(StsUnavailableError):
            await sts.assume(role())
        assert (await sts.assume(role())).access_key_id


async def test_nothing_stays_open(strict: str, recwarn: pytest.WarningsRecorder) -> None:
    """A closed client leaves no socket behind, and one that was never used has none."""
    sts = AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS)
    await sts.assume(role())
    await sts.assume(role(region="eu-central-1"))
    await sts.aclose()
    async with AwsSts(region="us-east-1", endpoint=strict, limits=LIMITS):
        pass
    del sts
    gc.collect()
    assert [str(one.message) for one in recwarn] == []
