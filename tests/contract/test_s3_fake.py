"""The fake S3 and STS refuse what AWS refuses, as aiobotocore sees it; and obey another process."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from tests.fakes.iam import Ask, allows
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_faults import Fault
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET
from tests.servers import fake_s3_server, tell

ROLE = "arn:aws:iam::111122223333:role/reader"


@functools.cache
def _session() -> Any:
    """One for all clients: it loads the service models once. It keeps no connection and no loop."""
    return get_session()


@pytest.fixture
async def s3() -> AsyncIterator[FakeS3]:
    async with FakeS3() as fake:
        fake.create_bucket("bkt")
        fake.put("bkt", b"p/1", b"one")
        fake.put("bkt", b"q/1", b"other")
        yield fake


async def _client(stack: AsyncExitStack, service: str, url: str, credentials: dict[str, str] | None = None) -> Any:
    found = credentials or {"AccessKeyId": OPERATOR_KEY, "SecretAccessKey": OPERATOR_SECRET}
    client = _session().create_client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=found["AccessKeyId"],
        aws_secret_access_key=found["SecretAccessKey"],
        aws_session_token=found.get("SessionToken"),
        config=AioConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    return await stack.enter_async_context(client)


async def _code(answer: Any) -> str:
    with pytest.raises(ClientError) as caught:
        await answer
    return str(caught.value.response["Error"]["Code"])


async def _assume(stack: AsyncExitStack, s3: FakeS3, **parameters: Any) -> Any:
    sts = await _client(stack, "sts", s3.url)
    return await sts.assume_role(**{"RoleArn": ROLE, "RoleSessionName": "run-1", **parameters})


@pytest.mark.parametrize("given", [{}, {"ExternalId": "wrong"}])
async def test_a_missing_or_wrong_external_id_is_refused(s3: FakeS3, given: dict[str, str]) -> None:
    """moto lets the missing one in."""
    s3.sts.add_role(ROLE, external_id="right")
    async with AsyncExitStack() as stack:
        assert await _code(_assume(stack, s3, **given)) == "AccessDenied"
        await _assume(stack, s3, ExternalId="right")
    assert [call.outcome for call in s3.sts.calls] == ["AccessDenied", "ok"]
    assert s3.sts.calls[1].parameters["ExternalId"] == "right"
    assert s3.sts.count() == 2


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"DurationSeconds": 3601}, "ValidationError"),
        ({"DurationSeconds": 43201}, "ValidationError"),
        ({"Policy": "{"}, "MalformedPolicyDocument"),
        ({"Policy": json.dumps({"Version": "2012-10-17", "Statement": ["x" * 2048]})}, "ValidationError"),
        ({"Policy": '{"Version": "2012-10-17", "Statement": "\u0100"}'}, "ValidationError"),
        ({"RoleSessionName": "a b"}, "ValidationError"),
        ({"RoleArn": "arn:aws:iam::111122223333:role/nobody"}, "AccessDenied"),
    ],
)
async def test_the_bounds_of_sts_hold(s3: FakeS3, parameters: dict[str, Any], code: str) -> None:
    s3.sts.add_role(ROLE)
    async with AsyncExitStack() as stack:
        assert await _code(_assume(stack, s3, **parameters)) == code


async def test_a_chained_session_lasts_an_hour_at_most(s3: FakeS3) -> None:
    s3.sts.add_role(ROLE, max_session_s=43200)
    async with AsyncExitStack() as stack:
        first = await _assume(stack, s3, DurationSeconds=43200)
        chained = await _client(stack, "sts", s3.url, first["Credentials"])
        again = chained.assume_role(RoleArn=ROLE, RoleSessionName="run-2", DurationSeconds=3601)
        assert await _code(again) == "ValidationError"


async def test_a_session_ends_when_its_time_is_over_or_its_role_is_taken_back(s3: FakeS3) -> None:
    role = s3.sts.add_role(ROLE)
    async with AsyncExitStack() as stack:
        granted = await _assume(stack, s3, DurationSeconds=900)
        client = await _client(stack, "s3", s3.url, granted["Credentials"])
        await client.list_objects_v2(Bucket="bkt")
        role.denied = True
        assert await _code(client.list_objects_v2(Bucket="bkt")) == "AccessDenied"
        role.denied = False
        s3.advance(900)
        assert await _code(client.list_objects_v2(Bucket="bkt")) == "ExpiredToken"
        assert await _code(client.get_object(Bucket="bkt", Key="p/1")) == "ExpiredToken"
        assert await _code(client.head_object(Bucket="bkt", Key="p/1")) == "400"


async def test_a_session_policy_narrows_by_prefix_and_by_time(s3: FakeS3) -> None:
    s3.sts.add_role(ROLE)
    until = (datetime.fromtimestamp(s3.now(), UTC) + timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
    time_limit = {"DateLessThan": {"aws:CurrentTime": until}}
    statements = [
        {
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": ["arn:aws:s3:::bkt"],
            "Condition": {"StringLike": {"s3:prefix": ["p/", "p/*"]}, **time_limit},
        },
        {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::bkt/p/*", "Condition": time_limit},
    ]
    async with AsyncExitStack() as stack:
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        granted = await _assume(stack, s3, Policy=policy)
        client = await _client(stack, "s3", s3.url, granted["Credentials"])
        await client.list_objects_v2(Bucket="bkt", Prefix="p/")
        await client.get_object(Bucket="bkt", Key="p/1")
        assert await _code(client.list_objects_v2(Bucket="bkt")) == "AccessDenied"
        assert await _code(client.list_objects_v2(Bucket="bkt", Prefix="q/")) == "AccessDenied"
        assert await _code(client.get_object(Bucket="bkt", Key="q/1")) == "AccessDenied"
        assert await _code(client.put_object(Bucket="bkt", Key="p/2", Body=b"x")) == "AccessDenied"
        s3.advance(61)
        assert await _code(client.get_object(Bucket="bkt", Key="p/1")) == "AccessDenied"


async def test_wrong_keys_tokens_and_signatures_are_refused(s3: FakeS3) -> None:
    s3.sts.add_role(ROLE)
    async with AsyncExitStack() as stack:
        right = (await _assume(stack, s3))["Credentials"]
        for change, code in [
            ({"AccessKeyId": "AKIANOBODY"}, "InvalidAccessKeyId"),
            ({"SecretAccessKey": "wrong"}, "SignatureDoesNotMatch"),
            ({"SessionToken": "wrong"}, "InvalidToken"),
        ]:
            client = await _client(stack, "s3", s3.url, {**right, **change})
            assert await _code(client.list_objects_v2(Bucket="bkt")) == code


async def test_sts_fails_by_script(s3: FakeS3) -> None:
    s3.sts.add_role(ROLE)
    s3.faults.add(Fault(kind="error", op="assume_role", status=400, code="Throttling", message="Rate exceeded"))
    async with AsyncExitStack() as stack:
        assert await _code(_assume(stack, s3)) == "Throttling"
        await _assume(stack, s3)
    assert [call.outcome for call in s3.sts.calls] == ["Throttling", "ok"]


@pytest.mark.parametrize(
    ("pattern", "key", "allowed"),
    [
        ("p/*", "p/x", True),
        ("p/*", "q/x", False),
        ("p/${*}", "p/x", False),
        ("p/${*}", "p/*", True),
        ("p/?", "p/xy", False),
    ],
)
def test_wildcards_in_policies_can_be_escaped(pattern: str, key: str, allowed: bool) -> None:
    policy = {"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::b/{pattern}"}}
    assert allows(policy, Ask(action="s3:GetObject", resource=f"arn:aws:s3:::b/{key}")) is allowed


def test_a_denial_wins_and_an_unknown_condition_never_holds() -> None:
    ask = Ask(action="s3:GetObject", resource="arn:aws:s3:::b/k")
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    assert allows({"Statement": [allow]}, ask)
    assert not allows({"Statement": [allow, {**allow, "Effect": "Deny"}]}, ask)
    assert not allows({"Statement": [{**allow, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}]}, ask)
    assert not allows({"Statement": []}, ask)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    with fake_s3_server() as url:
        yield url


async def test_a_fake_in_another_process_is_told_what_to_hold_and_how_to_fail(elsewhere: str) -> None:
    tell(elsewhere, "bucket", name="far")
    tell(elsewhere, "put", bucket="far", key="k", body="hello", content_type="text/plain")
    tell(elsewhere, "put", bucket="far", key_hex=b"\xc3\xbc".hex(), body_hex="00ff")
    tell(elsewhere, "put_many", bucket="far", prefix="many/", count=1500)
    tell(elsewhere, "role", arn=ROLE, external_id="ext")
    tell(elsewhere, "fault", kind="error", op="list", status=503, code="SlowDown")
    async with AsyncExitStack() as stack:
        client = await _client(stack, "s3", elsewhere)
        assert await _code(client.list_objects_v2(Bucket="far")) == "SlowDown"
        first = await client.list_objects_v2(Bucket="far")
        assert (first["KeyCount"], first["IsTruncated"]) == (1000, True)
        assert await (await client.get_object(Bucket="far", Key="\u00fc"))["Body"].read() == b"\x00\xff"
        sts = await _client(stack, "sts", elsewhere)
        await sts.assume_role(RoleArn=ROLE, RoleSessionName="n1", ExternalId="ext")
    assert [one["status"] for one in tell(elsewhere, "log", op="list")] == [503, 200]
    assert [one["outcome"] for one in tell(elsewhere, "calls")] == ["ok"]
    before = tell(elsewhere, "clock", advance_s=0)
    assert tell(elsewhere, "clock", advance_s=3600) >= before + 3600
    tell(elsewhere, "deny", arn=ROLE)
    tell(elsewhere, "delete", bucket="far", key="k")
    tell(elsewhere, "clear")
    tell(elsewhere, "forget")
    assert tell(elsewhere, "log") == []
