"""IAM documents in few words, for tests that need some: what a customer might have written, right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Words = str | Sequence[str]


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    action: Words, resource: Words | None = None, *, principal: Words | None = None, when: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One statement. `principal`: ARNs, accounts or `*`; `when`: the condition."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": action}
    if resource is not None:
        statement["Resource"] = resource
    if principal is not None:
        statement["Principal"] = "*" if principal == "*" else {"AWS": principal}
    return statement | ({"Condition": when} if when else {})


def deny(
    action: Words, resource: Words | None = None, *, principal: Words | None = None, when: dict[str, Any] | None = None
) -> dict[str, Any]:
    return allow(action, resource, principal=principal, when=when) | {"Effect": "Deny"}


def reads(bucket: str, prefix: str = "", *, principal: Words | None = None) -> list[dict[str, Any]]:
    """Listing and reading of what begins with `prefix`."""
    narrow = {"StringLike": {"s3:prefix": [f"{prefix}*"]}} if prefix else None
    return [
        allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", principal=principal, when=narrow),
        allow("s3:GetObject", f"arn:aws:s3:::{bucket}/{prefix}*", principal=principal),
    ]


def trust(principal: Words, external_id: str | None = None, *, tags: bool = False) -> dict[str, Any]:
    """A trust policy. `tags`: sessions may carry tags and a source identity, too."""
    when = {"StringEquals": {"sts:ExternalId": external_id}} if external_id is not None else None
    statements = [allow("sts:AssumeRole", principal=principal, when=when)]
    if tags:
        statements.append(allow(["sts:TagSession", "sts:SetSourceIdentity"], principal=principal))
    return policy(*statements)


def only_through(endpoint: str, bucket: str) -> dict[str, Any]:
    """What makes a bucket one that only a VPC endpoint reaches; no request to the fake comes through one."""
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    return deny("s3:*", resources, principal="*", when={"StringNotEquals": {"aws:SourceVpce": endpoint}})
