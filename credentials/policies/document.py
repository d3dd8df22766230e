"""Hides the grammar of AWS's policy documents: statements, ARNs, patterns, and how long a document may be."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from config.errors import ConnectionSetupError

Statement = dict[str, Any]
Document = dict[str, Any]
Condition = dict[str, dict[str, Any]]

_DOMAINS: Final = {"aws-cn": "amazonaws.com.cn"}


def document(statements: Sequence[Statement]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str] | None,
    *,
    principal: str | None = None,
    condition: Condition | None = None,
) -> Statement:
    """One statement that allows. `resources` None: it stands in a trust policy, which has none."""
    statement: Statement = {"Sid": sid, "Effect": "Allow"}
    if principal is not None:
        statement["Principal"] = {"AWS": principal}
    statement["Action"] = one_or_many(actions)
    if resources is not None:
        statement["Resource"] = one_or_many(resources)
    return statement | ({"Condition": condition} if condition else {})


def numbered(sid: str, position: int) -> str:
    """`sid` for the first, `sid2` for the next: a Sid occurs once in a document, and has letters and digits only."""
    return sid if position == 0 else f"{sid}{position + 1}"


def mark(*parts: str | None) -> str:
    """8 letters and digits that stand for these: a Sid occurs once in a document, also where statements of several are put together."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]


def one_or_many(values: Iterable[str]) -> str | list[str]:
    found = list(values)
    return found[0] if len(found) == 1 else found


def bucket_arn(partition: str, bucket: str) -> str:
    return f"arn:{partition}:s3:::{bucket}"


def objects_arn(partition: str, bucket: str, prefix: str) -> str:
    """Every object below the prefix; it ends with "/" or is empty, so no sibling that begins alike is meant."""
    return f"{bucket_arn(partition, bucket)}/{literal(prefix)}*"


def literal(text: str) -> str:
    """Text that stands for itself in a policy (IAM User Guide, policy variables: special characters)."""
    return re.sub(r"[*?$]", lambda found: f"${{{found[0]}}}", text)


def service_domain(partition: str) -> str:
    return _DOMAINS.get(partition, "amazonaws.com")


def pretty(value: Any) -> str:
    """JSON for people, in ASCII: IAM takes no character beyond U+00FF, and an escape says the same."""
    return json.dumps(value, indent=2)


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def fitting(found: Document, *, most: int, what: str, remedy: str, spaces_count: bool = False) -> Document:
    """The document itself, if AWS takes one of its size. Raises ConnectionSetupError that says what to do instead.

    IAM counts no white space between the words of a policy, S3 does (IAM User Guide, "IAM and STS quotas").
    """
    size = len(pretty(found)) if spaces_count else len(compact(found))
    if size > most:
        raise ConnectionSetupError(
            f"the {what} has {size:,} characters, and AWS takes {most:,}: {remedy}", code="PolicyTooLong"
        )
    return found
