"""The wire client under sessions that end, policies that deny and buckets that are elsewhere."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from config.errors import (
    AccessDeniedError,
    ClockSkewError,
    ProtocolError,
    RegionError,
    RequestRefusedError,
    SessionExpiredError,
    SourceError,
)
from credentials.session import Session
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import FakeAccess, role_access, s3_bench, session_of
from tests.fakes.s3_cases import KEYS, ask, keys_of, small_limits, ten_objects
from tests.fakes.s3_faults import Fault
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET

pytestmark = pytest.mark.usefixtures("transport")


@pytest.mark.parametrize("op", ["list", "head", "get"])
async def test_a_session_that_expired_is_replaced_and_the_request_sent_again_without_a_pause(op: str) -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3, access=role_access(s3, seconds=900), limits=small_limits(attempts=1)) as bench:
        before = await ask(bench, op)
        s3.advance(901)
        assert await ask(bench, op) == before
        assert (bench.access.issued, len(bench.access.rejected), bench.pauses) == (2, 1, [])


async def test_a_session_that_expires_in_mid_listing_loses_and_repeats_nothing() -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3, access=role_access(s3), limits=small_limits()) as bench:
        keys: list[bytes] = []
        async with aclosing(bench.client.pages(prefix=b"p/")) as pages:
            async for page in pages:
                keys += [entry.key for entry in page.entries]
                s3.sts.expire()
        assert keys == KEYS
        tokens = [request.query.get("continuation-token") for request in s3.requests("list")]
        assert tokens[1] == tokens[2]
        assert tokens[3] == tokens[4]


async def test_many_requests_on_an_expired_session_reject_only_that_session() -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3, access=role_access(s3)) as bench:
        await bench.client.head(KEYS[0])
        s3.sts.expire()
        await asyncio.gather(*[bench.client.head(key) for key in KEYS * 5])
        assert bench.access.issued == 2
        assert len(set(bench.access.rejected)) == 1


@pytest.mark.parametrize(
    ("op", "kind"), [("list", SessionExpiredError), ("get", SessionExpiredError), ("head", RequestRefusedError)]
)
async def test_when_a_fresh_session_is_refused_too_the_error_is_raised(op: Any, kind: type[SourceError]) -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3, access=role_access(s3)) as bench:
        s3.faults.add(Fault(kind="error", op=op, status=400, code="ExpiredToken", times=0))
        with pytest.raises(kind):
            await ask(bench, op)
        assert len(s3.requests(op)) == 2


@pytest.mark.parametrize("op", ["list", "get"])
async def test_a_long_lived_key_whose_signature_is_refused_is_read_anew_once(op: str) -> None:
    """Its secret may have been replaced where it lives."""
    s3, read = ten_objects(), iter(["replaced", OPERATOR_SECRET])
    access = FakeAccess(lambda: Session(access_key_id=OPERATOR_KEY, secret_access_key=next(read)))
    async with s3, s3_bench(s3, access=access, limits=small_limits(attempts=1)) as bench:
        await ask(bench, op)
        assert (bench.access.issued, bench.access.rejected, bench.pauses) == (2, [], [])


async def test_many_requests_whose_signature_is_refused_read_the_key_once() -> None:
    s3, read = ten_objects(), iter(["replaced", OPERATOR_SECRET])
    access = FakeAccess(lambda: Session(access_key_id=OPERATOR_KEY, secret_access_key=next(read)))
    async with s3, s3_bench(s3, access=access) as bench:
        await asyncio.gather(*[ask(bench, "list") for _ in range(20)])
        assert bench.access.issued == 2


async def test_a_signature_that_is_refused_again_is_a_denial() -> None:
    s3 = ten_objects()
    access = FakeAccess(lambda: Session(access_key_id=OPERATOR_KEY, secret_access_key="replaced"))
    async with s3, s3_bench(s3, access=access) as bench:
        with pytest.raises(AccessDeniedError):
            await ask(bench, "list")
        assert len(s3.requests("list")) == 1


async def test_a_session_of_a_role_whose_signature_is_refused_is_not_asked_for_anew() -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3, access=role_access(s3)) as bench:
        s3.faults.add(Fault(kind="error", op="list", status=403, code="SignatureDoesNotMatch", times=0))
        with pytest.raises(AccessDeniedError):
            await ask(bench, "list")
        assert bench.access.issued == 1


REFUSED = "The object was stored using a form of Server Side Encryption."


async def test_an_object_whose_head_is_refused_without_a_word_never_costs_a_session() -> None:
    """An SSE-C object answers 400 and nothing else, like an expired session; a GET of one byte tells them apart."""
    s3 = ten_objects()
    s3.faults.add(Fault(kind="answer", op="head", key="p/003", status=400, times=0))
    s3.faults.add(
        Fault(kind="error", op="get", key="p/003", status=400, code="InvalidRequest", message=REFUSED, times=0)
    )
    async with s3, s3_bench(s3, access=role_access(s3)) as bench:
        for _ in range(3):
            with pytest.raises(RequestRefusedError, match="Server Side Encryption") as caught:
                await bench.client.head(b"p/003")
            assert caught.value.code == "InvalidRequest"
        await bench.client.head(KEYS[0])
        assert (bench.access.issued, bench.access.rejected, bench.pauses) == (1, [], [])
        assert [request.headers["range"] for request in s3.requests("get")] == ["bytes=0-0"] * 3


@pytest.mark.parametrize(
    "why",
    [
        {"kind": "answer", "status": 400},
        {"kind": "answer", "status": 416},
        {"kind": "answer", "status": 206},
        {"kind": "error", "status": 403, "code": "InvalidObjectState"},
    ],
)
async def test_a_400_that_nobody_names_is_a_failed_object_and_not_a_dead_session(why: dict[str, Any]) -> None:
    s3 = ten_objects()
    s3.faults.add(Fault(op="head", kind="answer", status=400, times=0))
    s3.faults.add(Fault(op="get", times=0, **why))
    async with s3, s3_bench(s3, access=role_access(s3)) as bench:
        with pytest.raises(RequestRefusedError):
            await bench.client.head(KEYS[0])
        assert (bench.access.issued, bench.access.rejected) == (1, [])
        assert len(s3.requests("get")) == 1


async def test_when_the_question_for_the_reason_is_throttled_it_is_asked_again() -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3, access=role_access(s3)) as bench:
        await bench.client.head(KEYS[0])
        s3.sts.expire()
        s3.faults.add(Fault(kind="error", op="get", status=503, code="SlowDown"))
        await bench.client.head(KEYS[0])
        assert (bench.access.issued, len(bench.access.rejected), len(bench.pauses)) == (2, 1, 1)


async def test_many_heads_that_are_refused_at_once_cost_one_more_request_each() -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3, access=role_access(s3)) as bench:
        await bench.client.head(KEYS[0])
        s3.sts.expire()
        await asyncio.gather(*[bench.client.head(key) for key in KEYS])
        assert len(s3.requests("get")) <= len(KEYS)
        assert len(s3.requests("head")) <= 1 + 2 * len(KEYS)


async def test_an_unknown_long_lived_key_is_refused_access_after_one_request() -> None:
    s3 = ten_objects()
    access = FakeAccess(lambda: Session(access_key_id="AKIAGONE", secret_access_key="nothing"))
    async with s3, s3_bench(s3, access=access) as bench:
        with pytest.raises(AccessDeniedError) as caught:
            await bench.client.list_page(prefix=b"")
        assert caught.value.code == "InvalidAccessKeyId"
        assert len(s3.requests()) == 1


async def test_the_policy_of_a_session_holds() -> None:
    """What is outside is denied at once, by name, and is not asked twice."""
    s3 = ten_objects()
    s3.put("bkt", b"q/1")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::bkt",
                "Condition": {"StringLike": {"s3:prefix": ["p/", "p/*"]}},
            },
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::bkt/p/*"]},
        ],
    }
    async with s3, s3_bench(s3, access=role_access(s3, policy=policy)) as bench:
        assert await keys_of(bench) == KEYS
        await bench.client.head(KEYS[0])
        for attempt in (bench.client.list_page(prefix=b""), bench.client.head(b"q/1")):
            with pytest.raises(AccessDeniedError, match="s3:prefix"):
                await attempt
        assert bench.pauses == []
        assert len(s3.requests()) == 4


async def test_a_clock_that_is_wrong_is_named_and_not_asked_again() -> None:
    s3 = ten_objects(max_skew_s=900)
    async with s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="error", op="list", status=403, code="RequestTimeTooSkewed", message="too large"))
        with pytest.raises(ClockSkewError, match="NTP"):
            await keys_of(bench)
        assert len(bench.outcomes) == 1


async def test_no_secret_is_in_any_error() -> None:
    s3 = ten_objects()
    grant = s3.sts.new_session(s3.sts.add_role("arn:aws:iam::111122223333:role/reader"))
    said = f"The key {grant.access_key_id} with {grant.secret} and {grant.token} is not welcome"
    async with s3, s3_bench(s3, access=FakeAccess(lambda: session_of(grant))) as bench:
        s3.faults.add(Fault(kind="error", status=403, code="AccessDenied", message=said, times=0))
        for op in ("list", "head", "get"):
            with pytest.raises(AccessDeniedError) as caught:
                await ask(bench, op)
            shown = repr(caught.value) + repr(caught.value.fields) + repr(bench.events)
            assert grant.access_key_id not in shown
            assert str(grant.token) not in shown


# -- regions and redirects


@pytest.mark.parametrize("how", ["redirect", "malformed", "constraint", "bare"])
@pytest.mark.parametrize("op", ["list", "head", "get"])
async def test_the_region_is_found_once_and_remembered(op: str, how: Any) -> None:
    s3 = ten_objects()
    s3.buckets["bkt"].region = "eu-west-1"
    s3.dialect.region_error = how
    async with s3, s3_bench(s3, limits=small_limits(attempts=1, page_keys=1000)) as bench:
        await ask(bench, op)
        asked = len(s3.log)
        assert bench.client.region == "eu-west-1"
        await ask(bench, op)
        assert len(s3.log) == asked + 1
        assert bench.pauses == []


async def test_many_requests_find_the_region_together() -> None:
    s3 = ten_objects()
    s3.buckets["bkt"].region = "ap-southeast-2"
    async with s3, s3_bench(s3) as bench:
        heads = await asyncio.gather(*[bench.client.head(key) for key in KEYS])
        assert len(heads) == len(KEYS)


async def test_a_region_that_nobody_names_is_an_error() -> None:
    s3 = ten_objects()
    s3.buckets["bkt"].region = "eu-west-1"
    s3.dialect.region_error, s3.dialect.hide_region = "bare", True
    async with s3, s3_bench(s3) as bench:
        with pytest.raises(RegionError, match="connection's region"):
            await keys_of(bench)


async def test_a_bucket_that_is_sent_from_region_to_region_is_an_error() -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        script = [("eu-west-1", 1), ("us-east-1", 1), ("eu-west-1", 1)]
        for region, nth in script:
            header = {"x-amz-bucket-region": region}
            s3.faults.add(Fault(kind="error", status=301, code="PermanentRedirect", headers=header, nth=nth, times=0))
        with pytest.raises(RegionError):
            await keys_of(bench)
        assert len(s3.requests("list")) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_ever_followed_and_no_token_leaves(status: int) -> None:
    s3, elsewhere = ten_objects(), FakeS3(verify=False)
    async with s3, elsewhere, s3_bench(s3, access=role_access(s3)) as bench:
        target = {"Location": f"{elsewhere.url}/bkt", "x-amz-bucket-region": "eu-west-1/../evil"}
        s3.faults.add(Fault(kind="answer", status=status, headers=target, times=0))
        for op in ("list", "head", "get"):
            with pytest.raises((RegionError, ProtocolError)):
                await ask(bench, op)
        assert elsewhere.connections == 0
        assert bench.client.region == "us-east-1"


async def test_a_bucket_is_addressed_by_host_when_asked_to() -> None:
    """The bucket's name moves from the path into the host, signature included."""
    async with ten_objects() as s3, s3_bench(s3, endpoint=s3.virtual_url, path_style=False) as bench:
        assert await keys_of(bench) == KEYS
        await bench.client.head(KEYS[0])
        assert s3.requests("head")[0].target == "/p/000"
        assert s3.requests("head")[0].headers["host"].startswith("bkt.s3.test:")
