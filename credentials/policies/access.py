"""The access policy: what the customer's role may do, which is to list and to read the places, and nothing that they don't ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal

from credentials.policies.document import (
    Condition,
    Document,
    Statement,
    allow,
    bucket_arn,
    document,
    fitting,
    literal,
    numbered,
    objects_arn,
    one_or_many,
    service_domain,
)
from credentials.policies.setup import Scope, Setup, key_region

ROLE_CHARACTERS: Final = 10_240
"""All inline policies of a role together (IAM and STS quotas)."""

Need = Literal[
    "list",
    "list_versions",
    "get",
    "version",
    "tagging",
    "version_tagging",
    "decrypt",
    "put",
    "put_tagging",
    "abort",
    "generate_data_key",
    "invoke",
]
"""What a request asks for."""

ACTIONS: Final[Mapping[Need, tuple[str, ...]]] = {
    "list": ("s3:ListBucket",),
    "list_versions": ("s3:ListBucketVersions",),
    "get": ("s3:GetObject",),
    "version": ("s3:GetObjectVersion",),
    "tagging": ("s3:GetObjectTagging",),
    "version_tagging": ("s3:GetObjectVersionTagging",),
    "decrypt": ("kms:Decrypt",),
    "put": ("s3:PutObject",),
    "put_tagging": ("s3:PutObjectTagging",),
    "abort": ("s3:AbortMultipartUpload",),
    "generate_data_key": ("kms:GenerateDataKey",),
    "invoke": ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"),
}
"""The IAM actions behind each. A HEAD asks for s3:GetObject, HeadBucket and every listing for s3:ListBucket: there are none of those names."""


def access_policy(setup: Setup) -> Document:
    """The permissions of the customer's role. Raises ConnectionSetupError: no places, or more than fit into a role."""
    if setup.scope == "bedrock":
        return document([_invoke(setup.partition)])
    found = document([*read_statements(setup), *_writing(setup)])
    return fitting(
        found,
        most=ROLE_CHARACTERS,
        what="access policy",
        remedy="permit whole buckets, or shared prefixes, instead of many places; or split the connection into several, each with a role",
    )


def read_statements(
    setup: Setup, *, principal: str | None = None, condition: Condition | None = None
) -> list[Statement]:
    """What reading takes: one statement for all listings of whole buckets, one for each set of prefixes, one for all objects, keys last.

    With a `principal` it is for a bucket's policy, where others have statements, too.
    """
    told_apart = "" if principal is None else setup.mark
    scope, more = setup.reads(), condition or {}
    partition = setup.partition
    statements = []
    for position, (heads, buckets) in enumerate(_by_heads(scope).items()):
        resources = [bucket_arn(partition, bucket) for bucket in buckets]
        where = more | ({} if heads == ("",) else prefix_condition(heads))
        statements.append(
            allow(
                numbered(f"ListPlaces{told_apart}", position),
                list_actions(setup),
                resources,
                principal=principal,
                condition=where,
            )
        )
    objects = [objects_arn(partition, bucket, head) for bucket, heads in scope.items() for head in heads]
    statements.append(
        allow(f"ReadObjects{told_apart}", object_actions(setup), objects, principal=principal, condition=more)
    )
    if principal is None:
        statements += through_s3(setup.partition, "DecryptObjects", ACTIONS["decrypt"], setup.kms_keys)
    return statements


def list_actions(setup: Setup) -> list[str]:
    return [*ACTIONS["list"], *(ACTIONS["list_versions"] if setup.versions else ())]


def object_actions(setup: Setup) -> list[str]:
    wanted: list[Need] = ["get"]
    wanted += ["version"] if setup.versions else []
    wanted += ["tagging"] if setup.tags else []
    wanted += ["version_tagging"] if setup.versions and setup.tags else []
    return [action for need in wanted for action in ACTIONS[need]]


def prefix_condition(heads: Sequence[str]) -> Condition:
    """A listing names its prefix: the place itself, or something below it."""
    patterns = [pattern for head in heads for pattern in (literal(head), f"{literal(head)}*")]
    return {"StringLike": {"s3:prefix": patterns}}


def through_s3(partition: str, sid: str, actions: Sequence[str], keys: Sequence[str]) -> list[Statement]:
    """Use of keys by S3 alone: one statement for each region, since S3 calls KMS in the region of the bucket."""
    regions = sorted({key_region(key) for key in keys})
    return [
        allow(
            numbered(sid, position),
            actions,
            sorted({key for key in keys if key_region(key) == region}),
            condition=via_s3(partition, [region]),
        )
        for position, region in enumerate(regions)
    ]


def via_s3(partition: str, regions: Sequence[str]) -> Condition:
    services = [f"s3.{region}.{service_domain(partition)}" for region in regions]
    return {"StringEquals": {"kms:ViaService": one_or_many(services)}}


def _invoke(partition: str) -> Statement:
    """Every region: an inference profile sends a request on to others than its own."""
    models = [
        f"arn:{partition}:bedrock:*::foundation-model/*",
        f"arn:{partition}:bedrock:*:*:inference-profile/*",
        f"arn:{partition}:bedrock:*:*:application-inference-profile/*",
    ]
    return allow("InvokeModels", ACTIONS["invoke"], models)


def _writing(setup: Setup) -> Iterator[Statement]:
    """An upload in parts may have to be given up; a copy made of parts is looked at, and tags come along, if they are wanted."""
    put = [*ACTIONS["put"], *ACTIONS["abort"]]
    copy = [*put, *ACTIONS["get"], *(ACTIONS["put_tagging"] if setup.tags else ())]
    for sid, actions, place in (("WriteOutput", put, setup.output), ("CopyObjects", copy, setup.copy_to)):
        if place is not None:
            yield allow(sid, actions, [objects_arn(setup.partition, place.bucket, place.prefix)])
    if setup.writes and setup.output_kms_key is not None:
        # an upload in parts reads its parts again
        actions = [*ACTIONS["generate_data_key"], *ACTIONS["decrypt"]]
        yield from through_s3(setup.partition, "EncryptOutput", actions, [setup.output_kms_key])


def _by_heads(scope: Scope) -> dict[tuple[str, ...], list[str]]:
    """The buckets grouped by what they permit, whole ones first."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for bucket, heads in sorted(scope.items(), key=lambda item: (item[1] != ("",), item[0])):
        groups.setdefault(heads, []).append(bucket)
    return groups
