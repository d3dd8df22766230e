"""What a signed URL promises: how long it lasts, which objects it may be for, and what it carries."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ClockSkewError, KeyRefusedError, OutOfScopeError, PresignError, RegionError, RoleDeniedError
from config.limits import Limits
from credentials.access import KeyAccess
from credentials.connection import Connection, KeyPair
from credentials.kinds import parse_kept
from credentials.session import Access, Session
from ingest.presign import Presigned, Presigner, Wanted
from ingest.s3.address import Address, Location, address_of
from tests.fakes.clock import ManualClock
from tests.unit.credentials.bench import DENIED, Bench
from tests.unit.credentials.fake_sts import spec

_ROLE = {
    "kind": "aws_role",
    "name": "studio",
    "role_arn": "arn:aws:iam::111122223333:role/studio",
    "allow": ["s3://media"],
}
_A = Wanted("media", b"a.jpg")


class _Here:
    """Addresses that are known without asking; `regions` are those that differ."""

    def __init__(self, **regions: str) -> None:
        self.regions = regions
        self.asked: list[str] = []

    async def address(self, bucket: str) -> Address:
        self.asked.append(bucket)
        return address_of(Location(bucket=bucket, region="eu-west-1"), self.regions.get(bucket, "eu-west-1"))


def _connection(**fields: Any) -> Connection:
    spec = parse_kept({**_ROLE, **fields})
    return Connection(
        id="id", workspace="main", owner="main", kept_id="id", spec=spec, version=1, created_at=0, updated_at=0
    )


def _presigner(
    access: Access,
    clock: ManualClock,
    *,
    connection: Connection | None = None,
    here: _Here | None = None,
    **limits: int,
) -> Presigner:
    return Presigner(
        connection=connection or _connection(),
        access=access,
        address=(here or _Here()).address,
        limits=Limits(**limits),
        clock=clock.now,
    )


def _query(presigned: Presigned) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(presigned.url).query, keep_blank_values=True))


class _Lasting:
    """An access with one session, which ends when the test says."""

    def __init__(self, usable_until: float | None) -> None:
        self.usable_until = usable_until
        self.renewed = 0

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:
        return Session(access_key_id="ASIAONE", secret_access_key="s", token="t", usable_until=self.usable_until)

    async def reject(self, access_key_id: str) -> None: ...

    async def renew(self) -> None:
        self.renewed += 1


@pytest.mark.acceptance("KO-01", "KO-03")
@given(
    ttl_s=st.integers(60, 3600),
    steps=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 4000)), min_size=1, max_size=12),
)
async def test_no_url_outlasts_the_session_that_signed_it(ttl_s: int, steps: list[tuple[int, int]]) -> None:
    """Whatever time passes in between, a URL ends when it says, and the session not before; or there is an error and no URL."""
    bench = Bench()
    presigner = _presigner(bench.cache.access(spec(ttl_s)), bench.clock)
    promise = ttl_s - (60 if ttl_s >= 900 else max(5.0, min(60.0, ttl_s / 6)))
    for pause, expires_s in steps:
        bench.clock.advance(pause)
        if expires_s > promise:
            with pytest.raises(PresignError, match=f"allows {promise:.0f} s at most"):
                await presigner.sign([_A], expires_s=expires_s)
            continue
        (signed,) = await presigner.sign([_A], expires_s=expires_s)
        assert signed.expires_at == int(bench.clock.now()) + expires_s
        query = _query(signed)
        assert query["X-Amz-Expires"] == str(expires_s)
        ends_by_our_clock = bench.sts.ends[query["X-Amz-Credential"].split("/")[0]]
        assert signed.expires_at <= ends_by_our_clock
    await bench.cache.aclose()


@pytest.mark.acceptance("KO-03")
async def test_a_longer_url_than_the_session_held_can_promise_is_signed_with_a_fresh_one() -> None:
    bench = Bench()
    presigner = _presigner(bench.cache.access(spec(3600)), bench.clock)
    (first,) = await presigner.sign([_A])
    bench.clock.advance(600)
    (short,) = await presigner.sign([_A], expires_s=900)
    assert _query(short)["X-Amz-Credential"] == _query(first)["X-Amz-Credential"]
    assert bench.sts.calls == 1
    (long,) = await presigner.sign([_A], expires_s=3540)
    assert bench.sts.calls == 2
    assert long.expires_at == int(bench.clock.now()) + 3540
    await bench.cache.aclose()


async def test_what_no_session_can_promise_is_said_with_the_longest_there_is() -> None:
    bench = Bench()
    presigner = _presigner(bench.cache.access(spec(3600)), bench.clock)
    with pytest.raises(PresignError, match=r"TTL of 3600 s allows 3540 s at most") as caught:
        await presigner.sign([_A], expires_s=3541)
    assert caught.value.code == "SessionTooShort"
    assert not bench.sts.calls


async def test_a_session_that_is_shorter_than_what_was_asked_for_signs_nothing_longer() -> None:
    bench = Bench()
    bench.sts.lifetime_s = 1000
    presigner = _presigner(bench.cache.access(spec(3600)), bench.clock)
    with pytest.raises(PresignError, match="a fresh one has 1000 s left"):
        await presigner.sign([_A], expires_s=1800)
    await bench.cache.aclose()


async def test_a_revoked_role_is_a_named_error() -> None:
    bench = Bench()
    bench.sts.trouble = DENIED
    with pytest.raises(RoleDeniedError, match="studio"):
        await _presigner(bench.cache.access(spec(3600)), bench.clock).sign([_A])
    await bench.cache.aclose()


@pytest.mark.parametrize("jump_s", [3600, -3600])
async def test_a_wall_clock_that_is_set_makes_no_url_longer_than_its_session(jump_s: int) -> None:
    bench = Bench()
    presigner = _presigner(bench.cache.access(spec(3600)), bench.clock)
    await presigner.sign([_A])
    bench.clock.jump(jump_s)
    (signed,) = await presigner.sign([_A], expires_s=1800)
    session = await bench.cache.get(spec(3600))
    assert session.usable_until is not None
    assert signed.expires_at == int(bench.clock.now()) + 1800 <= session.usable_until
    await bench.cache.aclose()


async def test_an_access_that_breaks_its_promise_is_asked_once_more_and_then_not_believed() -> None:
    clock = ManualClock()
    access = _Lasting(clock.now() + 899)
    with pytest.raises(ClockSkewError, match="studio"):
        await _presigner(access, clock).sign([_A], expires_s=900)
    assert access.renewed == 1
    access.usable_until = clock.now() + 900
    (signed,) = await _presigner(access, clock).sign([_A], expires_s=900)
    assert signed.expires_at == access.usable_until


@pytest.mark.parametrize("expires_s", [0, -1, 604_801])
async def test_s3_takes_one_second_to_seven_days(expires_s: int) -> None:
    clock = ManualClock()
    with pytest.raises(PresignError, match="604,800"):
        await _presigner(_Lasting(None), clock).sign([_A], expires_s=expires_s)


async def test_the_keys_of_a_user_sign_for_seven_days_until_they_are_refused() -> None:
    clock = ManualClock()
    pair = KeyPair(access_key_id="AKIAEXAMPLE", secret_access_key="secret")

    async def again() -> KeyPair:
        return pair

    access = KeyAccess(pair, connection="keys", again=again)
    presigner = _presigner(access, clock)
    (signed,) = await presigner.sign([_A], expires_s=604_800)
    assert signed.expires_at == int(clock.now()) + 604_800
    assert "X-Amz-Security-Token" not in _query(signed)
    await access.reject("AKIAEXAMPLE")
    with pytest.raises(KeyRefusedError, match="keys"):
        await presigner.sign([_A])


@pytest.mark.acceptance("KO-01")
async def test_what_a_url_carries() -> None:
    clock = ManualClock()
    connection = _connection(requester_pays=True, expected_owner="111122223333")
    wanted = [
        Wanted("media", b"a.jpg"),
        Wanted("media", b"b", version_id="v+1/=", filename="bé.png", content_type="image/png"),
    ]
    first, second = await _presigner(_Lasting(None), clock, connection=connection).sign(wanted)
    common = {"x-amz-request-payer": "requester", "x-amz-expected-bucket-owner": "111122223333"}
    ours = [{name: value for name, value in _query(one).items() if name[0] != "X"} for one in (first, second)]
    assert ours == [
        {**common, "response-content-disposition": "inline"},
        {
            **common,
            "response-content-disposition": "attachment; filename*=UTF-8''b%C3%A9.png",
            "response-content-type": "image/png",
            "versionId": "v+1/=",
        },
    ]
    assert "url" not in repr(first)
    assert "Signature" not in repr(first)


async def test_each_bucket_is_signed_for_its_own_region_and_in_the_order_asked() -> None:
    clock, here = ManualClock(), _Here(other="us-east-2")
    connection = _connection(allow=["s3://media", "s3://other"])
    presigner = _presigner(_Lasting(None), clock, connection=connection, here=here)
    signed = await presigner.sign([Wanted("other", b"1"), Wanted("media", b"2"), Wanted("other", b"3")])
    assert [urlsplit(one.url).netloc + urlsplit(one.url).path for one in signed] == [
        "other.s3.us-east-2.amazonaws.com/1",
        "media.s3.eu-west-1.amazonaws.com/2",
        "other.s3.us-east-2.amazonaws.com/3",
    ]
    assert [_query(one)["X-Amz-Credential"].split("/")[2] for one in signed] == ["us-east-2", "eu-west-1", "us-east-2"]
    assert sorted(here.asked) == ["media", "other"]


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        (Wanted("media", b""), PresignError, "s3://media/ names a bucket"),
        (Wanted("media", b"k" * 1025), PresignError, "1,025 bytes"),
        (Wanted("media", b"private/a"), OutOfScopeError, "s3://media/private/a"),
        (Wanted("elsewhere", b"public/a"), OutOfScopeError, "s3://elsewhere/public/a"),
        (Wanted("media", b"public/../private/a", version_id=""), PresignError, "the ID of a version"),
        (Wanted("media", b"public/a", version_id="a\nb"), PresignError, "the ID of a version"),
        (Wanted("media", b"public/a", content_type="text/html\r\nx: y"), PresignError, "content type"),
        (Wanted("media", b"public/a", filename="x" * 1025), PresignError, "1,025 bytes"),
    ],
    ids=lambda value: "" if isinstance(value, (type, str)) else repr(value)[:60],
)
async def test_one_that_can_t_be_signed_stops_all_before_anybody_is_asked(
    wrong: Wanted, kind: type[Exception], said: str
) -> None:
    bench, here = Bench(), _Here()
    connection = _connection(allow=["s3://media/public/"])
    presigner = _presigner(bench.cache.access(spec()), bench.clock, connection=connection, here=here)
    with pytest.raises(kind, match=said):
        await presigner.sign([Wanted("media", b"public/ok"), wrong])
    assert not here.asked
    assert not bench.sts.calls


async def test_a_batch_has_a_bound() -> None:
    clock = ManualClock()
    presigner = _presigner(_Lasting(None), clock, presign_batch=2)
    assert len(await presigner.sign([_A, _A])) == 2
    assert await presigner.sign([]) == []
    with pytest.raises(PresignError, match="3 URLs were asked for in one go, and 2 are the most"):
        await presigner.sign([_A, _A, _A])


async def test_a_region_that_can_t_be_is_one_error_and_not_a_group() -> None:
    clock = ManualClock()
    with pytest.raises(RegionError):
        await _presigner(_Lasting(None), clock, here=_Here(media="nowhere")).sign([_A])
