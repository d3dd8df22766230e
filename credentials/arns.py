"""Reads the ARNs of roles and KMS keys, and says what is wrong with one in words that name the repair."""

from __future__ import annotations

import re
from typing import Final

_LEAST, _MOST = 20, 2048  # STS: AssumeRole, RoleArn
_ROLE: Final = re.compile(r"role/(?:[\x21-\x7e]*/)?[\w+=,.@-]{1,64}", re.ASCII)
_PARTITION: Final = re.compile(r"aws(?:-[a-z]+)*")
_EXAMPLE: Final = "arn:aws:iam::123456789012:role/Name"
_NOT_ROLES: Final = {
    "user": "a user",
    "group": "a group",
    "policy": "a policy",
    "instance-profile": "an instance profile",
    "root": "an account",
    "assumed-role": "a session of a role",
    "oidc-provider": "an identity provider",
    "saml-provider": "an identity provider",
}


def checked_role_arn(text: str) -> str:
    """`text` if it is the ARN of an IAM role. Raises ValueError that says which part is wrong and what to type."""
    problem = _problem(text)
    if problem:
        raise ValueError(f"{problem}; type the role's ARN, such as {_EXAMPLE}")
    return text


_KEY: Final = re.compile(r"arn:aws(?:-[a-z]+)*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,256}", re.ASCII)
_KEY_EXAMPLE: Final = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def checked_key_arn(text: str) -> str:
    """`text` if it is the ARN of a KMS key. Raises ValueError that says what to type."""
    if _KEY.fullmatch(text):
        return text
    if ":alias/" in text or text.startswith("alias/"):
        raise ValueError(f"that is an alias; policies need the ARN of the key behind it, such as {_KEY_EXAMPLE}")
    raise ValueError(f"that is not the ARN of a KMS key, such as {_KEY_EXAMPLE}")


def partition_of(role_arn: str) -> str:
    """`aws`, `aws-cn`, ... of a checked ARN."""
    return role_arn.split(":", 2)[1]


def account_of(role_arn: str) -> str:
    """The 12 digits of a checked ARN."""
    return role_arn.split(":", 5)[4]


def _problem(text: str) -> str | None:
    parts = text.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        return "an ARN has six parts with colons between them and begins with arn:"
    _, partition, service, region, account, resource = parts
    what = _NOT_ROLES.get(resource.split("/", 1)[0])
    checks = (
        (
            _PARTITION.fullmatch(partition) is None,
            "its second part is the partition: aws, aws-cn, aws-us-gov or another of AWS's",
        ),
        (what is not None and service in ("iam", "sts"), f"that is the ARN of {what}, not of a role"),
        (service != "iam", "its third part is iam, the service that keeps roles"),
        (region != "", "its fourth part is empty, since roles have no region"),
        (re.fullmatch(r"[0-9]{12}", account) is None, "its fifth part is the account ID of 12 digits"),
        (not resource.startswith("role/"), "its last part begins with role/"),
        (
            _ROLE.fullmatch(resource) is None,
            "a role's name has 1 to 64 letters, digits and _+=,.@-, and its path no spaces",
        ),
        (not _LEAST <= len(text) <= _MOST, f"an ARN has {_LEAST} to {_MOST} characters, not {len(text)}"),
    )
    return next((problem for wrong, problem in checks if wrong), None)
