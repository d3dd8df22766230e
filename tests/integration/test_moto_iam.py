"""Our cloud and moto say the same of who may do what, for all that moto enforces: identity policies, and external IDs at home."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from botocore.exceptions import ClientError

from tests.fakes.iam_documents import allow, deny, policy, reads, trust
from tests.fakes.s3_oracle import client_of
from tests.fakes.sts import ACCOUNT, OPERATOR_KEY, Grant
from tests.servers import fake_s3_server, moto_server, tell

CUSTOMER = "444455556666"
ROLE = f"arn:aws:iam::{CUSTOMER}:role/reader"
USER, INSIDER = f"arn:aws:iam::{ACCOUNT}:user/operator", f"arn:aws:iam::{CUSTOMER}:user/insider"
READS = policy(
    *reads("acme", "in/"),
    allow(["s3:PutObject", "s3:DeleteObject"], "arn:aws:s3:::acme/out/*"),
    deny("s3:GetObject", "arn:aws:s3:::acme/in/secret*"),
)
ASSUMES = policy(allow("sts:AssumeRole", ROLE))
TRUSTS = trust([USER, INSIDER], "right")
KEYS = ("in/k", "in/secret/k", "out/k", "other")

ASKED: dict[str, tuple[str, dict[str, Any], bool]] = {
    "list in the prefix": ("list_objects_v2", {"Prefix": "in/"}, True),
    "read in the prefix": ("get_object", {"Key": "in/k"}, True),
    "head in the prefix": ("head_object", {"Key": "in/k"}, True),
    "read what is denied": ("get_object", {"Key": "in/secret/k"}, False),
    "read outside the prefix": ("get_object", {"Key": "other"}, False),
    "head outside the prefix": ("head_object", {"Key": "other"}, False),
    "read where only writes are allowed": ("get_object", {"Key": "out/k"}, False),
    "write where it is allowed": ("put_object", {"Key": "out/new", "Body": b"x"}, True),
    "write where it is not": ("put_object", {"Key": "in/new", "Body": b"x"}, False),
    "delete where it is allowed": ("delete_object", {"Key": "out/new"}, True),
    "delete where it is not": ("delete_object", {"Key": "in/k"}, False),
    "list another bucket": ("list_objects_v2", {"Bucket": "rival"}, False),
    "read another bucket": ("get_object", {"Bucket": "rival", "Key": "in/k"}, False),
}
"""Method, parameters beside the bucket `acme`, and whether it may."""


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(scope="module")
def fake() -> Iterator[str]:
    with fake_s3_server() as url:
        yield url


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of the two, with everything set up."""

    url: str
    ours: Any
    """A client of STS for us, who are in another account than the role."""
    insider: Any
    """For a user of the role's own account."""


async def _in_moto(stack: AsyncExitStack, url: str) -> Cloud:
    """The accounts, as moto keeps them; from then on it enforces: INITIAL_NO_AUTH_ACTION_COUNT becomes 0."""
    _say(url, "reset")
    _say(url, "reset-auth", b"inf")
    ours, theirs = await _administrator(stack, url, ACCOUNT), await _administrator(stack, url, CUSTOMER)
    iam, there = await client_of(stack, "iam", url, ours), await client_of(stack, "iam", url, theirs)
    keys = []
    for client, name in ((iam, "operator"), (there, "insider")):
        await client.create_user(UserName=name)
        await client.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(ASSUMES))
        key = (await client.create_access_key(UserName=name))["AccessKey"]
        grant = Grant(access_key_id=key["AccessKeyId"], secret=key["SecretAccessKey"])
        keys.append(await client_of(stack, "sts", url, grant))
    await there.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(TRUSTS))
    await there.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=json.dumps(READS))
    s3 = await client_of(stack, "s3", url, theirs)
    for bucket in ("acme", "rival"):
        await s3.create_bucket(Bucket=bucket)
        for name in KEYS:
            await s3.put_object(Bucket=bucket, Key=name, Body=b"body")
    _say(url, "reset-auth", b"0")
    return Cloud(url, *keys)


async def _administrator(stack: AsyncExitStack, url: str, account: str) -> Grant:
    sts = await client_of(stack, "sts", url)
    role = f"arn:aws:iam::{account}:role/setup"
    return _granted(await sts.assume_role(RoleArn=role, RoleSessionName="setup"))


def _granted(answer: Any) -> Grant:
    found = answer["Credentials"]
    return Grant(access_key_id=found["AccessKeyId"], secret=found["SecretAccessKey"], token=found["SessionToken"])


def _say(url: str, what: str, body: bytes = b"") -> None:
    request = Request(f"{url}/moto-api/{what}", data=body, method="POST", headers={"Content-Type": "text/plain"})
    build_opener(ProxyHandler({})).open(request, timeout=10).close()


async def _in_fake(stack: AsyncExitStack, url: str) -> Cloud:
    tell(url, "clear")
    tell(url, "caller", access_key_id=OPERATOR_KEY, policy=ASSUMES)
    insider = Grant(access_key_id="AKIAFAKEINSIDER00001", secret="secret-of-the-insider")
    tell(url, "keys", access_key_id=insider.access_key_id, secret=insider.secret, arn=INSIDER, policy=ASSUMES)
    tell(url, "role", arn=ROLE, trust=TRUSTS, policy=READS)
    for bucket in ("acme", "rival"):
        tell(url, "bucket", name=bucket, account=CUSTOMER)
        for name in KEYS:
            tell(url, "put", bucket=bucket, key=name, body="body")
    return Cloud(url, await client_of(stack, "sts", url), await client_of(stack, "sts", url, insider))


@pytest.fixture
async def both(moto: str, fake: str) -> AsyncIterator[dict[str, Cloud]]:
    async with AsyncExitStack() as stack:
        yield {"moto": await _in_moto(stack, moto), "fake": await _in_fake(stack, fake)}


async def _may(call: Any) -> bool:
    try:
        await call
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 403:
            raise
        return False
    return True


def _assume(sts: Any, **parameters: str) -> Any:
    return sts.assume_role(**{"RoleArn": ROLE, "RoleSessionName": "n1", **parameters})


async def test_both_say_the_same_of_what_a_role_may_do(both: dict[str, Cloud]) -> None:
    found: dict[str, dict[str, bool]] = {}
    async with AsyncExitStack() as stack:
        for name, cloud in both.items():
            session = _granted(await _assume(cloud.ours, ExternalId="right"))
            s3 = await client_of(stack, "s3", cloud.url, session)
            found[name] = {
                what: await _may(getattr(s3, method)(**({"Bucket": "acme"} | given)))
                for what, (method, given, _) in ASKED.items()
            }
    assert found["fake"] == {what: expected for what, (_, _, expected) in ASKED.items()}
    assert found["moto"] == found["fake"]


async def test_both_refuse_a_wrong_external_id_and_a_role_that_we_may_not_assume(both: dict[str, Cloud]) -> None:
    """moto reads a trust policy only for a caller of the role's own account."""
    for cloud in both.values():
        assert await _may(_assume(cloud.insider, ExternalId="right"))
        assert not await _may(_assume(cloud.insider, ExternalId="wrong"))
        for sts in (cloud.insider, cloud.ours):
            assert not await _may(_assume(sts, ExternalId="right", RoleArn=f"{ROLE}-of-others"))


async def test_where_moto_looks_away_ours_does_not(both: dict[str, Cloud]) -> None:
    """Were moto to learn it, this would tell: the scenes that need our own cloud could then run on it as well."""
    narrow = json.dumps(policy(*reads("acme", "in/deeper/")))
    found = {}
    async with AsyncExitStack() as stack:
        for name, cloud in both.items():
            session = _granted(await _assume(cloud.ours, ExternalId="right", Policy=narrow))
            s3 = await client_of(stack, "s3", cloud.url, session)
            found[name] = {
                "no external ID": await _may(_assume(cloud.insider)),
                "a wrong one from another account": await _may(_assume(cloud.ours, ExternalId="wrong")),
                "beyond the session policy": await _may(s3.get_object(Bucket="acme", Key="in/k")),
                "another prefix is listed": await _may(s3.list_objects_v2(Bucket="acme", Prefix="out/")),
            }
    assert set(found["fake"].values()) == {False}
    assert set(found["moto"].values()) == {True}
