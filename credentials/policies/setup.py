"""What a customer is asked to permit, as one value: the policy documents are functions of it and of nothing else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from config.errors import ConnectionSetupError
from credentials.arns import checked_key_arn, partition_of
from credentials.grants import Grant
from credentials.policies.document import mark

_PRINCIPAL: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(?:role|user)/[\x21-\x7e]+", re.ASCII)
_ROLE_NAME: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_TAG_VALUE: Final = re.compile(r"[\w .:/=+@-]{1,256}", re.ASCII)
_EXTERNAL_ID: Final = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)

WORKSPACE_TAG: Final = "longshore-workspace"
"""The session tag by which bucket policies tell workspaces apart; its value is the external ID issued for the connection."""
Scope = dict[str, tuple[str, ...]]
"""By bucket, the prefixes that it permits: sorted, none covering another; `("",)` is the whole bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One connection, made or to come, as far as policies speak of it. Raises ConnectionSetupError where AWS would refuse a part."""

    connection: str
    workspace: str
    principal_arn: str | None = None
    """Our own role (or user): whom the customer lets in. None: unknown, for documents that don't name us."""
    external_id: str | None = None
    grants: tuple[Grant, ...] = ()
    partition: str = "aws"
    scope: Literal["s3", "bedrock"] = "s3"
    method: Literal["role", "bucket"] = "role"
    """The customer's role, which we assume; or our own, which the bucket's policy lets in."""
    versions: bool = False
    tags: bool = False
    kms_keys: tuple[str, ...] = ()
    """ARNs of the keys under which objects are encrypted."""
    output: Grant | None = None
    """Where results are written, if anywhere."""
    output_kms_key: str | None = None
    copy_to: Grant | None = None
    """Our own place, into which objects are copied on the server's side, if they are."""
    session_tags: bool = False
    trust: Literal["role", "account"] = "role"
    role_name: str | None = None
    """What the customer wants to call the role; None: a suggestion of ours."""
    role_arn: str | None = None
    """The customer's role, where it exists already."""
    origins: tuple[str, ...] = ()
    """Web pages that show objects: for CORS."""
    workspace_tag: str | None = None
    """What our sessions carry as `longshore-workspace`: for a bucket's policy."""

    def __post_init__(self) -> None:
        for key in (*self.kms_keys, *((self.output_kms_key,) if self.output_kms_key else ())):
            _check_key(key)
            _check_partition(self, "KMS key", key)
        if self.principal_arn is not None:
            if _PRINCIPAL.fullmatch(self.principal_arn) is None:
                raise ConnectionSetupError(
                    f"policies can't name {self.principal_arn}: they name a role or a user, as `longshore whoami` prints it; "
                    "LONGSHORE_PRINCIPAL_ARN says which role"
                )
            _check_partition(self, "principal", self.principal_arn)
        if self.external_id is not None and _EXTERNAL_ID.fullmatch(self.external_id) is None:
            raise ConnectionSetupError("an external ID has 2 to 1224 letters, digits and _+=,.@:/- (STS's own rule)")
        if self.role_name is not None and _ROLE_NAME.fullmatch(self.role_name) is None:
            raise ConnectionSetupError(
                f"the role name {self.role_name!r} can't be used: a role's name has 1 to 64 letters, digits and _+=,.@-"
            )
        if self.workspace_tag is not None and _TAG_VALUE.fullmatch(self.workspace_tag) is None:
            raise ConnectionSetupError("the tag of the workspace has 1 to 256 letters, digits, spaces and _.:/=+@-")
        if self.scope == "bedrock" and (self.grants or self.output or self.copy_to):
            raise ConnectionSetupError("a connection of scope bedrock reads no bucket: give it no place")

    @property
    def principal(self) -> str:
        """Us. Raises ConnectionSetupError where that is unknown."""
        if self.principal_arn is None:
            raise ConnectionSetupError(
                "this document names the role that reads, and none is known: set LONGSHORE_PRINCIPAL_ARN"
            )
        return self.principal_arn

    @property
    def mark(self) -> str:
        """For the Sids of policies into which several workspaces or connections may put statements."""
        return mark(self.workspace, self.connection)

    @property
    def writes(self) -> bool:
        """Whether it asks for more than reading."""
        return self.output is not None or self.copy_to is not None

    def reads(self) -> Scope:
        """The places as buckets and prefixes. Raises ConnectionSetupError when there are none, or one is any bucket at all."""
        if not self.grants:
            raise ConnectionSetupError(
                "there is no place to permit yet: give each with --allow s3://bucket or --allow s3://bucket/prefix/"
            )
        by_bucket: dict[str, list[str]] = {}
        for grant in self.grants:
            if grant.bucket == "*":
                raise ConnectionSetupError("a policy names its buckets: give each with --allow s3://bucket")
            by_bucket.setdefault(grant.bucket, []).append(grant.prefix)
        return {bucket: _uncovered(prefixes) for bucket, prefixes in sorted(by_bucket.items())}

    @property
    def first_bucket(self) -> str:
        """The bucket that templates take as their parameter: the one that was named first."""
        self.reads()
        return self.grants[0].bucket


def key_region(key_arn: str) -> str:
    return key_arn.split(":", 4)[3]


def _uncovered(prefixes: list[str]) -> tuple[str, ...]:
    kept: list[str] = []
    for prefix in sorted(prefixes):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return tuple(kept)


def _check_key(arn: str) -> None:
    try:
        checked_key_arn(arn)
    except ValueError as error:
        raise ConnectionSetupError(f"the KMS key {arn!r} can't be used in a policy: {error}") from None


def _check_partition(setup: Setup, what: str, arn: str) -> None:
    partition = partition_of(arn)
    if partition != setup.partition:
        raise ConnectionSetupError(
            f"the {what} {arn} is in the partition {partition}, and the connection in {setup.partition}; AWS lets nobody in from "
            "one into another, so use an identity of that partition"
        )
