"""A fake in another process is told of trust, policies, keys, tags, origins and clocks as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.fakes.iam_documents import allow, policy, reads, trust
from tests.fakes.s3_oracle import client_of, refused
from tests.fakes.sts import ACCOUNT, OPERATOR_KEY, Grant
from tests.servers import fake_s3_server, tell

OWNER = "444455556666"
ROLE = f"arn:aws:iam::{OWNER}:role/reader"
KEY = f"arn:aws:kms:us-east-1:{OWNER}:key/k"


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    with fake_s3_server() as url:
        yield url


async def _assumed(stack: AsyncExitStack, cloud: str, **parameters: Any) -> Grant:
    sts = await client_of(stack, "sts", cloud)
    found = (await sts.assume_role(**{"RoleArn": ROLE, "RoleSessionName": "run-1", **parameters}))["Credentials"]
    return Grant(access_key_id=found["AccessKeyId"], secret=found["SecretAccessKey"], token=found["SessionToken"])


async def test_trust_is_told_changes_later_and_counts_probes_apart(cloud: str) -> None:
    tell(cloud, "clear")
    tell(cloud, "forget")
    tell(cloud, "role", arn=ROLE, trust=trust(ACCOUNT, "right"))
    async with AsyncExitStack() as stack:
        sts = await client_of(stack, "sts", cloud)
        probe = {"RoleArn": ROLE, "RoleSessionName": "longshore-probe-no-external-id"}
        assert (await refused(sts.assume_role(**probe)))[0] == "AccessDenied"
        await _assumed(stack, cloud, ExternalId="right")
        tell(cloud, "change_role", arn=ROLE, trust=trust(ACCOUNT, "other"), in_s=20)
        await _assumed(stack, cloud, ExternalId="right")
        tell(cloud, "clock", advance_s=20)
        await _assumed(stack, cloud, ExternalId="other")
        tell(cloud, "caller", policy=policy(allow("s3:*", "*")))
        assert (await refused(_assumed(stack, cloud, ExternalId="other")))[0] == "AccessDenied"
        tell(cloud, "caller", access_key_id=OPERATOR_KEY, policy=None)
        tell(cloud, "cloud", disabled_regions=["us-east-1"])
        assert (await refused(_assumed(stack, cloud, ExternalId="other")))[0] == "RegionDisabledException"
        tell(cloud, "cloud", disabled_regions=[], max_skew_s=5)
        assert (await refused(_assumed(stack, cloud, ExternalId="other")))[0] == "SignatureDoesNotMatch"
        tell(cloud, "clear")
        await _assumed(stack, cloud, ExternalId="other")
    assert [call["parameters"]["RoleSessionName"] for call in tell(cloud, "probes")] == [probe["RoleSessionName"]]
    assert len(tell(cloud, "calls")) == 8


async def test_a_bucket_is_told_whose_it_is_and_what_its_policy_says(cloud: str) -> None:
    tell(cloud, "bucket", name="b", account=OWNER)
    tell(cloud, "put", bucket="b", key="in/k", body="old", tags={"kind": "photo"})
    tell(cloud, "role", arn=ROLE, trust=trust("*"), policy=policy(*reads("b", "in/"), allow("s3:Get*", "*")))
    tell(cloud, "keys", access_key_id="AKIASOMEBODY00000001", secret="s", arn="arn:aws:iam::777788889999:user/u")
    somebody = Grant(access_key_id="AKIASOMEBODY00000001", secret="s")
    named = {"Bucket": "b", "Key": "in/k"}
    async with AsyncExitStack() as stack:
        client = await client_of(stack, "s3", cloud, await _assumed(stack, cloud))
        other = await client_of(stack, "s3", cloud, somebody)
        assert (await client.get_object(**named))["TagCount"] == 1
        assert (await refused(other.get_object(**named)))[0] == "AccessDenied"
        tell(cloud, "change_bucket", name="b", policy=policy(*reads("b", principal="777788889999")), versioned=True)
        await other.get_object(**named)
        tell(cloud, "put", bucket="b", key="in/k", body="sealed", kms_key=KEY)
        assert (await refused(client.get_object(**named)))[0] == "AccessDenied"
        assert await (await client.get_object(**named, VersionId="null"))["Body"].read() == b"old"
        tell(cloud, "kms", arn=KEY, allowed=[ROLE])
        await client.get_object(**named)
        tell(cloud, "kms", arn=KEY, disabled=True)
        assert (await refused(client.get_object(**named)))[0] == "KMS.DisabledException"
        tell(cloud, "put", bucket="b", key="in/k", body="theirs", owner="777788889999")
        tell(cloud, "tags", bucket="b", key="in/k", tags={"a": "1", "b": "2"})
        assert (await client.get_object(**named))["TagCount"] == 2
        tell(cloud, "change_bucket", name="b", ownership="ObjectWriter")
        assert (await refused(client.get_object(**named)))[0] == "AccessDenied"


def test_a_bucket_is_told_its_origins(cloud: str) -> None:
    tell(cloud, "bucket", name="web", cors=[{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}])
    headers = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    request = Request(f"{cloud}/web/k", headers=headers, method="OPTIONS")
    with build_opener(ProxyHandler({})).open(request, timeout=10) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("role", {"arn": ROLE, "trust": policy(allow("sts:AssumeRole"))}),
        ("role", {"arn": ROLE, "policy": {"Statement": {"Effect": "Allow", "Acton": "*"}}}),
        ("change_role", {"arn": ROLE, "color": "red"}),
        ("bucket", {"name": "bad", "policy": policy(allow("s3:*", "*"))}),
        ("kms", {"arn": KEY, "policy": policy(allow("kms:*", "*"))}),
        ("clock", {}),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(cloud: str, verb: str, fields: dict[str, Any]) -> None:
    tell(cloud, "role", arn=ROLE)
    with pytest.raises(HTTPError, match="400"):
        tell(cloud, verb, **fields)
