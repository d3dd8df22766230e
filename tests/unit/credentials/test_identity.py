"""Our own identity as an access: the chain's credentials of the moment, and what happens when they are refused or missing."""

from __future__ import annotations

import asyncio

import pytest

from config.errors import CredentialError, IdentityError, SessionRefusedError, StsUnavailableError
from config.limits import Limits
from credentials.identity import OwnIdentity
from credentials.session import Session
from credentials.sts import Identity
from tests.fakes.clock import ManualClock


class Chain:
    """AWS's credential chain, by hand."""

    def __init__(self) -> None:
        self.found: Session | CredentialError = Session(access_key_id="AKIA1", secret_access_key="canary")
        self.looks: list[bool] = []

    async def own_session(self, *, fresh: bool = False) -> Session:
        self.looks.append(fresh)
        await asyncio.sleep(0)
        if isinstance(self.found, CredentialError):
            raise self.found
        return self.found


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.chain = Chain()
        self.own = OwnIdentity(keys=self.chain, limits=Limits(), clock=self.clock)

    def found(self, key_id: str, *, left: float | None = None) -> None:
        ends = None if left is None else self.clock.now() + left
        self.chain.found = Session(access_key_id=key_id, secret_access_key="canary", token="t", usable_until=ends)


async def test_long_lived_keys_are_served_for_any_time() -> None:
    """They have no end."""
    bench = Bench()
    assert (await bench.own.session(min_remaining_s=1e9)).access_key_id == "AKIA1"


async def test_a_session_that_ends_too_soon_is_told_so() -> None:
    """We can't make the chain renew its session before it does so by itself."""
    bench = Bench()
    bench.found("ASIA1", left=600)
    assert (await bench.own.session(min_remaining_s=599)).access_key_id == "ASIA1"
    with pytest.raises(SessionRefusedError, match="our own end in 600 s"):
        await bench.own.session(min_remaining_s=700)


async def test_a_rejected_key_is_looked_for_anew_and_never_handed_out_again() -> None:
    """While the chain has nothing else, it is asked after rests that double."""
    bench = Bench()
    await bench.own.session()
    await bench.own.reject("AKIA-OTHER")
    await bench.own.session()
    assert bench.chain.looks == [False]
    await bench.own.reject("AKIA1")
    for _ in range(5):
        with pytest.raises(IdentityError, match="no others are to be found"):
            await bench.own.session()
    assert bench.chain.looks == [False, True]
    bench.found("AKIA2")
    bench.clock.advance(5)
    assert (await bench.own.session()).access_key_id == "AKIA2"
    assert bench.chain.looks == [False, True, True]


async def test_two_hundred_callers_without_an_identity_cost_one_look() -> None:
    """A look through the chain may wait for a metadata service that is not there; nobody else waits for the same nothing."""
    bench = Bench()
    bench.chain.found = IdentityError("none", code="NoCredentialsError")
    given = await asyncio.gather(*(bench.own.session() for _ in range(200)), return_exceptions=True)
    assert all(isinstance(one, IdentityError) for one in given)
    assert len({id(one) for one in given}) == 200
    assert bench.chain.looks == [False]


async def test_while_the_chain_fails_the_last_credentials_serve_to_their_end() -> None:
    """A hiccup of the metadata service stops nothing."""
    bench = Bench()
    bench.found("ASIA1", left=100)
    await bench.own.session()
    bench.chain.found = StsUnavailableError("hiccup")
    assert (await bench.own.session()).access_key_id == "ASIA1"
    bench.clock.advance(100)
    with pytest.raises(StsUnavailableError):
        await bench.own.session()
    bench.found("ASIA2", left=100)
    bench.clock.advance(60)
    assert (await bench.own.session()).access_key_id == "ASIA2"


async def test_renewal_looks_through_the_chain_anew() -> None:
    """Once; the next request uses what it found."""
    bench = Bench()
    await bench.own.session()
    await bench.own.renew()
    await bench.own.session()
    await bench.own.session()
    assert bench.chain.looks == [False, True]


async def test_the_chain_is_looked_through_once_a_second_however_many_sign() -> None:
    """So keys that were rotated in a file are found, and a thousand requests don't pay for it."""
    bench = Bench()
    for _ in range(50):
        await bench.own.session()
    assert bench.chain.looks == [False]
    bench.clock.advance(1.0)
    bench.found("AKIA2")
    assert (await bench.own.session()).access_key_id == "AKIA2"
    assert bench.chain.looks == [False, False]


@pytest.mark.acceptance("CO-09")
@pytest.mark.parametrize(
    ("arn", "role"),
    [
        ("arn:aws:sts::999988887777:assumed-role/worker/i-0123", "arn:aws:iam::999988887777:role/worker"),
        ("arn:aws-cn:sts::999988887777:assumed-role/worker/pod", "arn:aws-cn:iam::999988887777:role/worker"),
        ("arn:aws:iam::999988887777:user/operator", None),
        ("arn:aws:iam::999988887777:root", None),
        ("arn:aws:sts::999988887777:federated-user/someone", None),
    ],
)
def test_the_role_behind_an_identity(arn: str, role: str | None) -> None:
    """The ARN that a customer's trust policy must name."""
    assert Identity(account="999988887777", arn=arn, user_id="AROA").role_arn == role
