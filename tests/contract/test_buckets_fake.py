"""The fake S3 puts all documents together: whose bucket and whose object it is, keys, versions, tags, and what a 404 may tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fakes.iam_documents import allow, only_through, policy, reads
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_oracle import client_of, refused
from tests.fakes.sts import Role

OWNER, ELSEWHERE = "444455556666", "777788889999"
ROLE, STRANGER = f"arn:aws:iam::{OWNER}:role/reader", f"arn:aws:iam::{ELSEWHERE}:role/reader"
KEY = f"arn:aws:kms:us-east-1:{OWNER}:key/11111111-2222-3333-4444-555555555555"


@dataclass(slots=True)
class Cloud:
    """A bucket with one object, the owner's role, and another account's."""

    s3: FakeS3
    stack: AsyncExitStack
    own: Role
    foreign: Role

    async def client(self, role: Role, **fields: Any) -> Any:
        return await client_of(self.stack, "s3", self.s3.url, self.s3.sts.new_session(role, **fields))

    async def get(self, role: Role, key: str = "in/k", **fields: Any) -> str:
        """`ok`, or code and message of the error."""
        client = await self.client(role, **fields)
        try:
            await client.get_object(Bucket="b", Key=key)
        except client.exceptions.ClientError as error:
            return "{Code} {Message}".format(**error.response["Error"])
        return "ok"


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with FakeS3() as s3, AsyncExitStack() as stack:
        s3.create_bucket("b", account=OWNER)
        s3.put("b", b"in/k", b"body", tags={"kind": "photo"})
        foreign = s3.sts.add_role(STRANGER, policy=policy(*reads("b")))
        yield Cloud(s3, stack, s3.sts.add_role(ROLE, policy=policy(*reads("b"))), foreign)


async def test_another_account_needs_the_buckets_policy_and_its_own(cloud: Cloud) -> None:
    bucket = cloud.s3.buckets["b"]
    assert await cloud.get(cloud.own) == "ok"
    assert await cloud.get(cloud.foreign) == "AccessDenied Access Denied"
    for principal in (STRANGER, ELSEWHERE, f"arn:aws:iam::{ELSEWHERE}:root"):
        bucket.policy = policy(*reads("b", "in/", principal=principal))
        assert await cloud.get(cloud.foreign) == "ok"
    assert await cloud.get(cloud.foreign, "out/k") == "AccessDenied Access Denied"
    cloud.foreign.policy = policy(allow("s3:ListBucket", "*"))
    assert await cloud.get(cloud.foreign) == "AccessDenied Access Denied"


async def test_a_bucket_policy_may_ask_for_a_tag_of_the_session(cloud: Cloud) -> None:
    when = {"StringEquals": {"aws:PrincipalTag/workspace": "w-1"}}
    objects = allow("s3:GetObject", "arn:aws:s3:::b/*", principal=STRANGER, when=when)
    cloud.s3.buckets["b"].policy = policy(objects)
    assert await cloud.get(cloud.foreign, tags={"workspace": "w-1"}) == "ok"
    assert (await cloud.get(cloud.foreign, tags={"workspace": "w-2"})).startswith("AccessDenied")
    assert (await cloud.get(cloud.foreign)).startswith("AccessDenied")


async def test_a_session_policy_narrows_what_the_buckets_policy_gives(cloud: Cloud) -> None:
    cloud.s3.buckets["b"].policy = policy(*reads("b", principal=STRANGER))
    assert await cloud.get(cloud.foreign, policy=policy(*reads("b", "in/"))) == "ok"
    assert (await cloud.get(cloud.foreign, policy=policy(*reads("b", "out/")))).startswith("AccessDenied")


async def test_a_bucket_behind_a_vpc_endpoint_denies_whoever_comes_another_way(cloud: Cloud) -> None:
    cloud.s3.buckets["b"].policy = policy(only_through("vpce-1", "b"))
    assert "with an explicit deny in a resource-based policy" in await cloud.get(cloud.own)


async def test_an_object_of_another_account_is_nobody_elses(cloud: Cloud) -> None:
    bucket = cloud.s3.buckets["b"]
    bucket.policy = policy(*reads("b", principal="*"))
    cloud.s3.put("b", b"in/theirs", b"x", owner=ELSEWHERE)
    assert await cloud.get(cloud.own, "in/theirs") == "ok"
    bucket.ownership = "ObjectWriter"
    assert await cloud.get(cloud.own, "in/theirs") == "AccessDenied Access Denied"
    assert await cloud.get(cloud.own) == "ok"
    assert await cloud.get(cloud.foreign, "in/theirs") == "ok"


async def test_the_expected_owner_must_be_the_owner(cloud: Cloud) -> None:
    client = await cloud.client(cloud.own)
    await client.get_object(Bucket="b", Key="in/k", ExpectedBucketOwner=OWNER)
    code, _ = await refused(client.get_object(Bucket="b", Key="in/k", ExpectedBucketOwner=ELSEWHERE))
    assert code == "AccessDenied"


async def test_who_may_not_list_does_not_learn_what_is_absent(cloud: Cloud) -> None:
    """The listing that S3 thinks of is of no prefix, so a role that may list one prefix alone is told nothing either."""
    assert (await cloud.get(cloud.own, "in/none")).startswith("NoSuchKey")
    for statements in ([allow("s3:GetObject", "arn:aws:s3:::b/*")], reads("b", "in/")):
        cloud.own.policy = policy(*statements)
        answer = await cloud.get(cloud.own, "in/none")
        assert answer.startswith("AccessDenied")
        assert 's3:ListBucket on resource: "arn:aws:s3:::b" because no identity-based policy allows' in answer


async def test_what_a_key_encrypts_is_read_by_those_who_may_decrypt(cloud: Cloud) -> None:
    cloud.s3.put("b", b"in/sealed", b"x", kms_key=KEY)
    answer = await cloud.get(cloud.own, "in/sealed")
    assert "not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because no" in answer
    decrypt = allow("kms:Decrypt", KEY, when={"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}})
    cloud.own.policy = policy(*reads("b"), decrypt)
    assert await cloud.get(cloud.own, "in/sealed") == "ok"
    assert (await cloud.get(cloud.own, "in/sealed", policy=policy(*reads("b")))).startswith("AccessDenied")
    client = await cloud.client(cloud.own, policy=policy(*reads("b")))
    assert (await client.head_object(Bucket="b", Key="in/sealed"))["SSEKMSKeyId"] == KEY
    cloud.s3.keys.add(KEY, allowed=[STRANGER])
    assert (await cloud.get(cloud.own, "in/sealed")).startswith("AccessDenied")
    cloud.s3.keys.add(KEY, disabled=True)
    assert (await cloud.get(cloud.own, "in/sealed")).startswith("KMS.DisabledException")


async def test_another_accounts_key_needs_its_policy_and_ours(cloud: Cloud) -> None:
    cloud.s3.buckets["b"].policy = policy(*reads("b", principal=STRANGER))
    cloud.s3.put("b", b"in/sealed", b"x", kms_key=KEY)
    cloud.foreign.policy = policy(*reads("b"), allow("kms:Decrypt", KEY))
    assert "no resource-based policies allow access" in await cloud.get(cloud.foreign, "in/sealed")
    cloud.s3.keys.add(KEY, allowed=[STRANGER])
    assert await cloud.get(cloud.foreign, "in/sealed") == "ok"


async def test_writing_under_a_key_needs_a_data_key(cloud: Cloud) -> None:
    cloud.own.policy = policy(allow("s3:PutObject", "arn:aws:s3:::b/out/*"))
    cloud.s3.keys.add(KEY)
    client = await cloud.client(cloud.own)
    put = {"Bucket": "b", "Key": "out/k", "Body": b"x", "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY}
    code, message = await refused(client.put_object(**put))
    assert (code, "kms:GenerateDataKey" in message) == ("AccessDenied", True)
    sealed = {"StringEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
    cloud.own.policy = policy(allow("s3:PutObject", "*", when=sealed), allow("kms:GenerateDataKey", KEY))
    await client.put_object(**put)
    assert (await refused(client.put_object(Bucket="b", Key="out/k", Body=b"x")))[0] == "AccessDenied"
    assert cloud.s3.buckets["b"].objects[b"out/k"].kms_key == KEY


async def test_tags_and_the_region_are_told_to_those_who_may(cloud: Cloud) -> None:
    client = await cloud.client(cloud.own)
    assert "TagCount" not in await client.get_object(Bucket="b", Key="in/k")
    assert (await refused(client.get_object_tagging(Bucket="b", Key="in/k")))[0] == "AccessDenied"
    assert (await refused(client.get_bucket_location(Bucket="b")))[0] == "AccessDenied"
    more = allow(["s3:GetObjectTagging", "s3:GetBucketLocation"], ["arn:aws:s3:::b", "arn:aws:s3:::b/*"])
    cloud.own.policy = policy(*reads("b"), more)
    assert (await client.get_object(Bucket="b", Key="in/k"))["TagCount"] == 1
    assert (await client.get_object_tagging(Bucket="b", Key="in/k"))["TagSet"] == [{"Key": "kind", "Value": "photo"}]
    assert (await client.get_bucket_location(Bucket="b"))["LocationConstraint"] is None


async def test_a_tag_of_the_object_may_be_a_condition(cloud: Cloud) -> None:
    cloud.s3.put("b", b"in/plain", b"x")
    when = {"StringEquals": {"s3:ExistingObjectTag/kind": "photo"}}
    cloud.own.policy = policy(allow("s3:GetObject", "arn:aws:s3:::b/*", when=when))
    assert await cloud.get(cloud.own) == "ok"
    assert (await cloud.get(cloud.own, "in/plain")).startswith("AccessDenied")


async def test_versions_are_kept_listed_and_read_by_those_who_may(cloud: Cloud) -> None:
    cloud.s3.buckets["b"].versioned = True
    newer = cloud.s3.put("b", b"in/k", b"newer")
    cloud.s3.put("b", b"in/l", b"l")
    cloud.s3.delete("b", b"in/l")
    client = await cloud.client(cloud.own)
    old = {"Bucket": "b", "Key": "in/k", "VersionId": "null"}
    assert (await refused(client.list_object_versions(Bucket="b")))[0] == "AccessDenied"
    assert (await refused(client.get_object(**old)))[0] == "AccessDenied"
    more = allow(["s3:ListBucketVersions", "s3:GetObjectVersion"], ["arn:aws:s3:::b", "arn:aws:s3:::b/*"])
    cloud.own.policy = policy(*reads("b"), more)
    assert await (await client.get_object(**old))["Body"].read() == b"body"
    found: list[tuple[str, str, bool]] = []
    deleted: list[tuple[str, bool]] = []
    marker: dict[str, str] = {}
    while True:
        page = await client.list_object_versions(Bucket="b", Prefix="in/", MaxKeys=2, **marker)
        found += [(one["Key"], one["VersionId"], one["IsLatest"]) for one in page.get("Versions", [])]
        deleted += [(one["Key"], one["IsLatest"]) for one in page.get("DeleteMarkers", [])]
        if not page["IsTruncated"]:
            break
        marker = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}
    assert found[:2] == [("in/k", newer.version_id, True), ("in/k", "null", False)]
    assert ([row[0] for row in found[2:]], deleted) == (["in/l"], [("in/l", True)])
    assert (await cloud.get(cloud.own, "in/l")).startswith("NoSuchKey")


async def test_a_policy_that_the_fake_does_not_know_denies_and_says_so(cloud: Cloud) -> None:
    cloud.own.policy = policy(allow("s3:*", "*", when={"BinaryEquals": {"k": "QmFzZTY0"}}))
    assert "a policy is not understood: the operator 'BinaryEquals' is not known" in await cloud.get(cloud.own)
