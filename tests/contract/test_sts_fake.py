"""The fake STS reads trust policies whole, keeps session tags, spreads changes slowly, and minds the clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.fakes.iam_documents import allow, deny, policy, trust
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_oracle import client_of, refused
from tests.fakes.sts import ACCOUNT

ROLE = "arn:aws:iam::444455556666:role/customer/reader"
OPERATOR = f"arn:aws:iam::{ACCOUNT}:user/operator"
TAGS = [{"Key": "workspace", "Value": "w-1"}]


@pytest.fixture
async def s3() -> AsyncIterator[FakeS3]:
    async with FakeS3() as fake:
        yield fake


async def assumed(s3: FakeS3, **parameters: Any) -> str:
    """`ok`, or the action that was refused, or the error's code."""
    async with AsyncExitStack() as stack:
        sts = await client_of(stack, "sts", s3.url)
        call = sts.assume_role(**{"RoleArn": ROLE, "RoleSessionName": "run-1", **parameters})
        before = len(s3.sts.calls)
        try:
            await call
        except sts.exceptions.ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            assert s3.sts.calls[before].outcome == code
            return str(message.split("perform: ")[1].split(" ")[0]) if code == "AccessDenied" else str(code)
        return "ok"


@pytest.mark.parametrize(
    ("document", "given", "outcome"),
    [
        (trust(OPERATOR, "right"), {"ExternalId": "right"}, "ok"),
        (trust(OPERATOR, "right"), {"ExternalId": "wrong"}, "sts:AssumeRole"),
        (trust(OPERATOR, "right"), {}, "sts:AssumeRole"),
        (trust(OPERATOR), {}, "ok"),
        (trust(OPERATOR), {"ExternalId": "any"}, "ok"),
        (trust(f"arn:aws:iam::{ACCOUNT}:root", "right"), {"ExternalId": "right"}, "ok"),
        (trust(ACCOUNT, "right"), {"ExternalId": "right"}, "ok"),
        (trust("123456789012", "right"), {"ExternalId": "right"}, "sts:AssumeRole"),
        (trust(f"arn:aws:iam::{ACCOUNT}:user/another", "right"), {"ExternalId": "right"}, "sts:AssumeRole"),
        (trust("*", "right"), {"ExternalId": "right"}, "ok"),
        (trust(OPERATOR, "right"), {"ExternalId": "right", "Tags": TAGS}, "sts:TagSession"),
        (trust(OPERATOR, "right", tags=True), {"ExternalId": "right", "Tags": TAGS}, "ok"),
        (trust(OPERATOR, "right"), {"ExternalId": "right", "SourceIdentity": "me"}, "sts:SetSourceIdentity"),
        (trust(OPERATOR, "right", tags=True), {"ExternalId": "right", "SourceIdentity": "me"}, "ok"),
        (trust(OPERATOR, "right", tags=True), {"ExternalId": "wrong", "Tags": TAGS}, "sts:AssumeRole"),
    ],
)
async def test_a_trust_policy_decides_who_may_assume_the_role_and_with_what(
    s3: FakeS3, document: dict[str, Any], given: dict[str, Any], outcome: str
) -> None:
    s3.sts.add_role(ROLE, trust=document)
    assert await assumed(s3, **given) == outcome


async def test_conditions_of_a_trust_policy_see_the_request(s3: FakeS3) -> None:
    tagged = {
        "StringEquals": {"aws:RequestTag/workspace": "w-1", "aws:PrincipalArn": OPERATOR},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["workspace"]},
        "StringLike": {"sts:RoleSessionName": "run-*"},
    }
    actions = ["sts:AssumeRole", "sts:TagSession"]
    s3.sts.add_role(ROLE, trust=policy(allow(actions, principal="*", when=tagged)))
    assert await assumed(s3, Tags=TAGS) == "ok"
    assert await assumed(s3, Tags=[{"Key": "workspace", "Value": "w-2"}]) == "sts:AssumeRole"
    assert await assumed(s3, Tags=[*TAGS, {"Key": "more", "Value": ""}]) == "sts:AssumeRole"
    assert await assumed(s3, Tags=TAGS, RoleSessionName="walk") == "sts:AssumeRole"


async def test_our_own_identity_policy_must_allow_it_too(s3: FakeS3) -> None:
    s3.sts.add_role(ROLE, trust=trust(OPERATOR, tags=True))
    s3.sts.operator.policy = policy(allow("sts:AssumeRole", "arn:aws:iam::*:role/customer/*"))
    assert await assumed(s3) == "ok"
    assert await assumed(s3, Tags=TAGS) == "sts:TagSession"
    s3.sts.operator.policy = policy(allow("sts:AssumeRole", "arn:aws:iam::*:role/others/*"))
    assert await assumed(s3) == "sts:AssumeRole"


async def test_session_tags_and_the_source_identity_stay_on_the_session(s3: FakeS3) -> None:
    first = s3.sts.add_role(ROLE, trust=trust(OPERATOR, tags=True))
    second = s3.sts.add_role("arn:aws:iam::444455556666:role/second", trust=trust(first.arn, tags=True))
    given = {"Tags": [*TAGS, {"Key": "own", "Value": "1"}], "TransitiveTagKeys": ["workspace"], "SourceIdentity": "me"}
    assert await assumed(s3, **given) == "ok"
    grant = s3.sts.grants[s3.sts.calls[-1].issued]
    assert (grant.principal.tags, grant.source_identity) == ({"workspace": "w-1", "own": "1"}, "me")
    async with AsyncExitStack() as stack:
        chained = await client_of(stack, "sts", s3.url, grant)
        await chained.assume_role(RoleArn=second.arn, RoleSessionName="run-2")
        again = chained.assume_role(RoleArn=second.arn, RoleSessionName="run-2", Tags=TAGS)
        assert (await refused(again))[0] == "InvalidParameterValue"
    inherited = s3.sts.grants[s3.sts.calls[-2].issued]
    assert (inherited.tags, inherited.source_identity) == ({"workspace": "w-1"}, "me")


async def test_what_is_changed_in_iam_is_known_a_little_later(s3: FakeS3) -> None:
    s3.create_bucket("b", account="444455556666")
    s3.put("b", b"k", b"body")
    role = s3.sts.add_role(ROLE, trust=trust("123456789012"), policy=policy(allow("s3:GetObject", "*")))
    role.change(trust=trust(OPERATOR), policy=policy(deny("s3:*", "*")), in_s=20)
    assert await assumed(s3) == "sts:AssumeRole"
    async with AsyncExitStack() as stack:
        client = await client_of(stack, "s3", s3.url, s3.sts.new_session(role))
        await client.get_object(Bucket="b", Key="k")
        s3.advance(20)
        assert await assumed(s3) == "ok"
        code, message = await refused(client.get_object(Bucket="b", Key="k"))
    assert (code, "with an explicit deny in an identity-based policy" in message) == ("AccessDenied", True)


def test_a_document_that_iam_would_not_take_is_not_taken(s3: FakeS3) -> None:
    for wrong in ({"trust": policy(allow("sts:AssumeRole"))}, {"policy": policy(allow("s3:*", "*", principal="*"))}):
        with pytest.raises(Exception, match="Principal"):
            s3.sts.add_role(ROLE, **wrong)
        with pytest.raises(Exception, match="Principal"):
            s3.sts.add_role(ROLE).change(in_s=5, **wrong)


async def test_a_region_that_the_account_has_not_switched_on_is_refused(s3: FakeS3) -> None:
    s3.sts.add_role(ROLE)
    s3.sts.disabled_regions.add("us-east-1")
    assert await assumed(s3) == "RegionDisabledException"
    s3.sts.disabled_regions.clear()
    assert await assumed(s3) == "ok"


@pytest.mark.parametrize(("ahead_s", "words"), [(1200, "is now earlier than"), (-1200, "is still later than")])
async def test_a_clock_that_is_wrong_is_told(ahead_s: float, words: str) -> None:
    async with FakeS3(max_skew_s=900) as s3, AsyncExitStack() as stack:
        s3.sts.add_role(ROLE)
        assert await assumed(s3) == "ok"
        s3.advance(ahead_s)
        sts = await client_of(stack, "sts", s3.url)
        code, message = await refused(sts.get_caller_identity())
        assert code == "SignatureDoesNotMatch"
        assert words in message


async def test_probes_of_trust_are_counted_apart(s3: FakeS3) -> None:
    s3.sts.add_role(ROLE, trust=trust(OPERATOR, "right"))
    await assumed(s3, RoleSessionName="longshore-probe-no-external-id")
    await assumed(s3, ExternalId="right")
    assert s3.sts.count() == 1
    assert [call.outcome for call in s3.sts.probes()] == ["AccessDenied"]
