"""Keys of KMS: who may decrypt what was put with one, and what S3 says to the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes.iam import Ask, check
from tests.fakes.s3_answers import error
from tests.fakes.s3_store import Bucket
from tests.fakes.s3_wire import Answer
from tests.fakes.sts_roles import Grant, moment


@dataclass(slots=True, kw_only=True)
class Key:
    arn: str
    policy: dict[str, Any] | None = None
    """None: that which KMS gives by itself, in which the key's account decides by its identity policies."""
    disabled: bool = False

    def __post_init__(self) -> None:
        check(self.document, principal=True)

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def document(self) -> dict[str, Any]:
        return self.policy or key_policy(f"arn:aws:iam::{self.account}:root")


def key_policy(*principals: str) -> dict[str, Any]:
    """A key policy that lets these do everything."""
    allow = {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": "kms:*", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [allow]}


@dataclass(slots=True)
class Keys:
    """The keys of one cloud."""

    known: dict[str, Key]

    def add(
        self,
        arn: str,
        *,
        policy: dict[str, Any] | None = None,
        allowed: Sequence[str] | None = None,
        disabled: bool = False,
    ) -> Key:
        """`allowed`: the principals of a key policy that names nobody else."""
        policy = policy if allowed is None else key_policy(*allowed)
        self.known[arn] = Key(arn=arn, policy=policy, disabled=disabled)
        return self.known[arn]

    def refusal(
        self, action: str, arn: str, grant: Grant, bucket: Bucket, object_arn: str, now: float
    ) -> Answer | None:
        """What stands against `grant` using this key through S3."""
        key = self.known.get(arn)
        if key is None:
            return error(400, "KMS.NotFoundException", f"Key '{arn}' does not exist")
        if key.disabled:
            return error(400, "KMS.DisabledException", f"{arn} is disabled.")
        context = {
            "kms:ViaService": f"s3.{bucket.region}.amazonaws.com",
            "kms:CallerAccount": grant.principal.account,
            "kms:EncryptionContext:aws:s3:arn": object_arn,
            **moment(now),
        }
        ask = Ask(action=action, resource=arn, context=context, principal=grant.principal)
        why = grant.refusal(ask, account=key.account, resource=key.document, resource_must=True)
        if not why:
            return None
        what = "the resource associated with this ciphertext" if action == "kms:Decrypt" else f"resource: {arn}"
        if "resource-based" in why and grant.principal.account != key.account:
            why = (
                "because the resource does not exist in this Region, no resource-based policies allow access, "
                "or a resource-based policy explicitly denies access"
            )
        return error(403, "AccessDenied", f"User: {grant.arn} is not authorized to perform: {action} on {what} {why}")
