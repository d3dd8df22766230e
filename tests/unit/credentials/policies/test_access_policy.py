"""The documents against an evaluator of our own: what our client sends is permitted in each place, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from credentials.grants import Grant
from credentials.policies.access import access_policy
from credentials.policies.bucket import bucket_policies
from credentials.policies.document import Document
from credentials.policies.kms import key_statement
from credentials.policies.repair import statement_for
from credentials.policies.setup import WORKSPACE_TAG, Setup
from credentials.policies.trust import trust_policy
from tests.fakes.iam import Ask, Principal, allows, decide
from tests.unit.credentials.policies.setups import (
    CUSTOMER,
    EXTERNAL_ID,
    KEY,
    OTHER_KEY,
    PHOTOS,
    US,
    segments,
    setup,
    setups,
)

ANYTHING: Document = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
VIA = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
WE = Principal(arn="arn:aws:sts::111122223333:assumed-role/longshore-worker/run-1", role_arn=US)
COLLEAGUE = Principal(arn="arn:aws:iam::111122223333:role/other", role_arn="arn:aws:iam::111122223333:role/other")
STRANGER = Principal(arn="arn:aws:iam::999999999999:role/longshore-worker")
NEVER = [
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:PutObjectAcl",
    "s3:GetObjectAcl",
    "s3:PutObjectTagging",
    "s3:RestoreObject",
    "s3:AbortMultipartUpload",
    "s3:PutBucketPolicy",
    "s3:GetBucketPolicy",
    "s3:DeleteBucket",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "iam:PassRole",
    "sts:AssumeRole",
]


def listing(grant: Grant, below: str = "") -> dict[str, str]:
    return {"s3:prefix": grant.prefix + below}


def may(
    document: Document, action: str, resource: str, context: dict[str, str] | None = None, who: Principal | None = None
) -> bool:
    return allows(document, Ask(action=action, resource=resource, context=context or {}, principal=who))


def objects(grant: Grant, key: str) -> str:
    return f"arn:aws:s3:::{grant.bucket}/{grant.prefix}{key}"


def covered(asked: Setup, bucket: str, key: str) -> bool:
    return any(grant.bucket == bucket and key.startswith(grant.prefix) for grant in asked.grants)


@given(asked=setups(), tail=segments, other=segments)
@settings(deadline=None, max_examples=150)
@example(asked=setup(grants=(Grant(bucket="acme", prefix="a*b/"), Grant(bucket="acme-2"))), tail="x", other="axxb/")
@pytest.mark.acceptance("CO-10", "KO-07", "KO-09")
def test_each_request_of_ours_is_permitted_in_each_place_and_nothing_else_is(
    asked: Setup, tail: str, other: str
) -> None:
    policy = access_policy(asked)
    for grant in asked.grants:
        bucket = f"arn:aws:s3:::{grant.bucket}"
        for below in ("", tail):
            assert may(policy, "s3:ListBucket", bucket, listing(grant, below))
            assert may(policy, "s3:ListBucketVersions", bucket, listing(grant, below)) is asked.versions
        where = objects(grant, tail)
        assert may(policy, "s3:GetObject", where)
        assert may(policy, "s3:GetObjectVersion", where) is asked.versions
        assert may(policy, "s3:GetObjectTagging", where) is asked.tags
        assert may(policy, "s3:GetObjectVersionTagging", where) is (asked.tags and asked.versions)
        for action in NEVER:
            assert not may(policy, action, where, VIA)
            assert not may(policy, action, bucket, listing(grant))
        for key in {other, grant.prefix.rstrip("/") + "-secret/" + tail, grant.prefix[:-1]}:
            inside = covered(asked, grant.bucket, key)
            assert may(policy, "s3:GetObject", f"{bucket}/{key}") is inside
            assert may(policy, "s3:ListBucket", bucket, {"s3:prefix": key}) is inside
        assert may(policy, "s3:ListBucket", bucket) is covered(asked, grant.bucket, "")
        assert not may(policy, "s3:GetObject", f"{bucket}-other/{grant.prefix}{tail}")
        assert not may(policy, "s3:ListBucket", f"{bucket}-other", listing(grant))
    for key in (KEY, OTHER_KEY):
        via = {"kms:ViaService": f"s3.{key.split(':')[3]}.amazonaws.com"}
        assert may(policy, "kms:Decrypt", key, via) is (key in asked.kms_keys)
        assert not may(policy, "kms:Decrypt", key)
        assert not may(policy, "kms:Decrypt", key, {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"})
        assert not may(policy, "kms:Decrypt", key + "-other", via)


@given(asked=setups(method="bucket", workspace_tag="ours"), tail=segments)
@settings(deadline=None, max_examples=75)
def test_a_bucket_policy_lets_us_in_for_one_workspace_to_one_bucket(asked: Setup, tail: str) -> None:
    ours, theirs = ({WORKSPACE_TAG: value} for value in ("ours", "theirs"))
    for name, policy in bucket_policies(asked).items():
        for grant in asked.grants:
            where, bucket = objects(grant, tail), f"arn:aws:s3:::{grant.bucket}"
            me = Principal(arn=WE.arn, role_arn=US, tags=ours)
            assert may(policy, "s3:GetObject", where, who=me) is (grant.bucket == name)
            assert may(policy, "s3:ListBucket", bucket, listing(grant, tail), me) is (grant.bucket == name)
            for who in (WE, Principal(arn=WE.arn, role_arn=US, tags=theirs), COLLEAGUE, STRANGER):
                assert not may(policy, "s3:GetObject", where, who=who)
                assert not may(policy, "s3:ListBucket", bucket, listing(grant), who)
            assert not any(may(policy, action, where, who=me) for action in NEVER)


def test_a_bucket_policy_without_a_tag_lets_our_role_in_alone() -> None:
    [policy] = bucket_policies(setup(method="bucket")).values()
    where = objects(PHOTOS, "a")
    assert may(policy, "s3:GetObject", where, who=WE)
    assert not any(may(policy, "s3:GetObject", where, who=who) for who in (COLLEAGUE, STRANGER))
    assert decide(
        Ask(action="s3:GetObject", resource=where, principal=WE),
        identity=[ANYTHING],
        resource=policy,
        same_account=False,
    )


def assume(asked: Setup, external_id: str | None, who: Principal = WE, action: str = "sts:AssumeRole") -> bool:
    context = {} if external_id is None else {"sts:ExternalId": external_id}
    ask = Ask(action=action, resource=CUSTOMER, context=context, principal=who)
    return decide(ask, identity=[ANYTHING], resource=trust_policy(asked), same_account=False, resource_must=True)


@given(asked=setups())
@settings(deadline=None, max_examples=75)
@pytest.mark.acceptance("CO-15", "KO-10", "CG-08")
def test_only_we_may_assume_the_role_and_only_with_the_external_id(asked: Setup) -> None:
    """By our role, or by the account and a condition: the same people."""
    assert assume(asked, asked.external_id)
    for wrong in (None, "", f"{asked.external_id}x", (asked.external_id or "")[:-1], "*"):
        assert not assume(asked, wrong)
    for who in (COLLEAGUE, STRANGER):
        assert not assume(asked, asked.external_id, who)
    for action in ("sts:TagSession", "sts:SetSourceIdentity"):
        assert assume(asked, None, action=action) is asked.session_tags
        assert not assume(asked, None, STRANGER, action)
        assert not assume(asked, None, COLLEAGUE, action)
    assert not assume(asked, asked.external_id, action="sts:AssumeRoleWithWebIdentity")


@pytest.mark.acceptance("CO-15")
def test_a_trust_policy_names_our_role_and_an_account_only_where_that_was_asked_for() -> None:
    assert trust_policy(setup())["Statement"][0]["Principal"] == {"AWS": US}
    [statement] = trust_policy(setup(trust="account"))["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert statement["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": US},
        "StringEquals": {"sts:ExternalId": EXTERNAL_ID},
    }


def test_without_an_external_id_the_trust_policy_asks_for_none() -> None:
    asked = setup(external_id=None)
    assert "Condition" not in trust_policy(asked)["Statement"][0]
    assert assume(asked, None)
    assert not assume(asked, None, STRANGER)


@pytest.mark.acceptance("CO-02", "CG-10")
def test_a_write_is_permitted_only_where_output_or_copies_were_asked_for() -> None:
    out, ours = Grant(bucket="acme-results", prefix="longshore/"), Grant(bucket="our-transfer", prefix="acme/")
    asked = setup(output=out, output_kms_key=KEY, copy_to=ours)
    policy = access_policy(asked)
    for place in (out, ours):
        assert may(policy, "s3:PutObject", objects(place, "a"))
        assert may(policy, "s3:AbortMultipartUpload", objects(place, "a"))
        assert not may(policy, "s3:PutObject", f"arn:aws:s3:::{place.bucket}/elsewhere")
        assert may(policy, "s3:GetObject", objects(place, "a")) is (place is ours)
        assert not may(policy, "s3:DeleteObject", objects(place, "a"))
    assert not may(policy, "s3:PutObject", objects(PHOTOS, "a"))
    assert may(policy, "kms:GenerateDataKey", KEY, VIA)
    assert may(policy, "kms:Decrypt", KEY, VIA)
    assert not may(policy, "kms:GenerateDataKey", KEY)
    plain = access_policy(setup())
    assert not any(may(plain, "s3:PutObject", objects(place, "a")) for place in (out, ours, PHOTOS))


@pytest.mark.acceptance("CG-10")
@given(asked=setups(copy_to=Grant(bucket="our-transfer", prefix="acme/")), own_key=st.booleans(), tail=segments)
@settings(deadline=None, max_examples=100)
def test_all_that_a_copy_asks_for_is_permitted_and_nothing_else_of_its_place(
    asked: Setup, own_key: bool, tail: str
) -> None:
    """Tags are brought along where they are wanted; a key is used where one is named."""
    asked = replace(asked, output_kms_key=KEY if own_key else None)
    assert asked.copy_to is not None
    policy = access_policy(asked)
    where = objects(asked.copy_to, tail)
    for action in ("s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject"):
        assert may(policy, action, where)
        assert not may(policy, action, f"arn:aws:s3:::our-transfer/acme-2/{tail}")
        assert action == "s3:GetObject" or not any(may(policy, action, objects(grant, tail)) for grant in asked.grants)
    assert may(policy, "s3:PutObjectTagging", where) is asked.tags
    assert may(policy, "kms:GenerateDataKey", KEY, VIA) is own_key
    assert may(policy, "kms:Decrypt", KEY, VIA) is (own_key or KEY in asked.kms_keys)
    rest = {*NEVER, "s3:GetObjectVersion", "s3:GetObjectTagging"} - {
        *("s3:PutObject", "s3:AbortMultipartUpload", "s3:PutObjectTagging"),
    }
    assert not any(may(policy, action, where) for action in rest)


def test_bedrock_invokes_models_and_touches_no_bucket() -> None:
    policy = access_policy(setup(scope="bedrock", grants=()))
    for resource in (
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude",
        "arn:aws:bedrock:eu-west-1:444455556666:inference-profile/eu.anthropic.claude",
    ):
        assert may(policy, "bedrock:InvokeModel", resource)
        assert may(policy, "bedrock:InvokeModelWithResponseStream", resource)
        assert not may(policy, "bedrock:CreateModelCustomizationJob", resource)
    assert not may(policy, "s3:GetObject", objects(PHOTOS, "a"))
    assert not may(policy, "s3:ListBucket", "arn:aws:s3:::acme-photos")


@pytest.mark.parametrize(
    ("method", "tag", "allowed", "refused"),
    [
        ("role", None, Principal(arn=CUSTOMER), WE),
        ("bucket", None, WE, STRANGER),
        ("bucket", "ours", Principal(arn=WE.arn, role_arn=US, tags={WORKSPACE_TAG: "ours"}), WE),
    ],
)
def test_a_key_opens_for_whoever_reads_and_through_s3_alone(
    method: Any, tag: str | None, allowed: Principal, refused: Principal
) -> None:
    asked = setup(method=method, workspace_tag=tag, role_arn=CUSTOMER, kms_keys=(KEY,))
    policy: Document = {"Statement": [key_statement(asked)]}
    assert may(policy, "kms:Decrypt", KEY, VIA, allowed)
    assert not may(policy, "kms:Decrypt", KEY, {}, allowed)
    assert not may(policy, "kms:Decrypt", KEY, VIA, refused)
    assert not may(policy, "kms:GenerateDataKey", KEY, VIA, allowed)
    assert not may(policy, "kms:PutKeyPolicy", KEY, VIA, allowed)


def test_china_has_domains_of_its_own() -> None:
    key = "arn:aws-cn:kms:cn-north-1:444455556666:key/1234abcd"
    asked = setup(partition="aws-cn", principal_arn=US.replace("aws", "aws-cn", 1), kms_keys=(key,))
    policy = access_policy(asked)
    assert may(policy, "kms:Decrypt", key, {"kms:ViaService": "s3.cn-north-1.amazonaws.com.cn"})
    assert may(policy, "s3:GetObject", "arn:aws-cn:s3:::acme-photos/2026/a")


needs = {
    "list": ("s3:ListBucket", "arn:aws:s3:::acme-photos", {"s3:prefix": "2026/"}),
    "list_versions": ("s3:ListBucketVersions", "arn:aws:s3:::acme-photos", {"s3:prefix": "2026/05/"}),
    "get": ("s3:GetObject", "arn:aws:s3:::acme-photos/2026/a", {}),
    "version": ("s3:GetObjectVersion", "arn:aws:s3:::acme-photos/2026/a", {}),
    "tagging": ("s3:GetObjectTagging", "arn:aws:s3:::acme-photos/2026/a", {}),
    "version_tagging": ("s3:GetObjectVersionTagging", "arn:aws:s3:::acme-photos/2026/a", {}),
    "decrypt": ("kms:Decrypt", KEY, VIA),
    "put": ("s3:PutObject", "arn:aws:s3:::acme-photos/2026/a", {}),
    "abort": ("s3:AbortMultipartUpload", "arn:aws:s3:::acme-photos/2026/a", {}),
    "generate_data_key": ("kms:GenerateDataKey", KEY, VIA),
}


@given(wanted=st.sampled_from(sorted(needs)), asked=st.sampled_from(sorted(needs)))
def test_the_statement_for_what_is_missing_permits_that_and_nothing_else(wanted: Any, asked: str) -> None:
    policy: Document = {"Statement": [statement_for(wanted, setup(), PHOTOS, key_arn=KEY)]}
    action, resource, context = needs[asked]
    assert may(policy, action, resource, context) is (wanted == asked)
    assert not may(
        policy, action, resource.replace("2026/", "2025/").replace("1234abcd", "other"), {"s3:prefix": "2025/"} | VIA
    )


def test_by_the_bucket_method_the_missing_statement_belongs_to_the_bucket() -> None:
    asked = setup(method="bucket", workspace_tag="ours")
    policy: Document = {"Statement": [statement_for("list", asked, PHOTOS), statement_for("get", asked, PHOTOS)]}
    me = Principal(arn=WE.arn, role_arn=US, tags={WORKSPACE_TAG: "ours"})
    assert may(policy, "s3:ListBucket", "arn:aws:s3:::acme-photos", {"s3:prefix": "2026/"}, me)
    assert may(policy, "s3:GetObject", objects(PHOTOS, "a"), who=me)
    assert not may(policy, "s3:GetObject", objects(PHOTOS, "a"), who=WE)


def test_an_unknown_key_has_words_in_capitals() -> None:
    statement = statement_for("decrypt", setup(), PHOTOS)
    assert statement["Resource"] == "arn:aws:kms:REGION:ACCOUNT:key/KEY-ID"
    assert statement_for("decrypt", setup(kms_keys=(KEY,)), PHOTOS)["Resource"] == KEY
