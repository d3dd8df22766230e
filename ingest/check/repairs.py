"""What to paste where: each missing permission as the statement that gives it. Hides whose policies have a say for which kind of connection."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from config.errors import ConnectionSetupError
from credentials.grants import Grant
from credentials.policies.access import ACTIONS, Need
from credentials.policies.document import allow, bucket_arn, objects_arn
from credentials.policies.kms import key_statement
from credentials.policies.repair import statement_for
from credentials.policies.setup import Setup
from credentials.policies.trust import ASSUME, TELL, trust_policy
from ingest.check.report import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """Of one connection."""

    setup: Setup
    reader: str | None
    """The ARN of who asks S3; None: a user whose name nobody told."""
    kind: Literal["role", "own", "user"] = "role"
    """The customer's role, we ourselves, or the user of an access key."""

    def identity(self, need: Need, place: Grant, *, key_arn: str | None = None) -> Reason:
        """Whoever asks lacks the permission."""
        action, on = ACTIONS[need][0], self._named(need, place)
        repair = statement_for(need, replace(self.setup, method="role", workspace_tag=None), place, key_arn=key_arn)
        if need == "decrypt" and key_arn is None and not self.setup.kms_keys:
            on = "the key that the objects are encrypted under (put its ARN into the statement)"
        elif need == "decrypt":
            on = key_arn or self.setup.kms_keys[0]
        if self.kind == "own":
            why, where = f"our own identity is not allowed {action} on {on}", f"the permissions of {self.reader}"
            return Reason(why=why, target="own", where=where, repair=repair)
        if self.kind == "user":
            why = f"the user of the access key is not allowed {action} on {on}"
            where = f"the permissions of {self.reader or 'the user whose key it is'}"
            return Reason(why=why, target="user", where=where, repair=repair)
        why = f"the role is not allowed {action} on {on}"
        return Reason(why=why, target="role", where=f"the permissions of {self.reader}", repair=repair)

    def bucket(self, need: Need, place: Grant) -> Reason:
        """The bucket is another account's, whose policy has to name whoever asks."""
        action, where = ACTIONS[need][0], f"the policy of bucket {place.bucket}"
        if self.reader is None:
            why = f"the bucket belongs to another account than the key's user, and its policy does not allow that user {action}"
            return Reason(why=why, target="bucket", where=where)
        repair = None
        with suppress(ConnectionSetupError):  # no policy can name us
            repair = statement_for(need, self._as_bucket(), place)
        whom = {"own": "us", "role": "the role", "user": "the key's user"}[self.kind]
        other = {"own": "another account than ours"}.get(self.kind, f"another account than {whom}")
        why = f"the bucket belongs to {other}, and its policy does not allow {whom} {action}"
        return Reason(why=why, target="bucket", where=where, repair=repair)

    def key(self, key_arn: str | None) -> Reason:
        """The KMS key's own policy does not name whoever asks."""
        where = f"the policy of key {key_arn}" if key_arn else "the policy of the objects' KMS key"
        why = "the key's own policy does not allow kms:Decrypt to whoever reads (a key that AWS manages can't allow another account)"
        keys = (key_arn,) if key_arn else self.setup.kms_keys[:1]
        if self.reader is None or not keys:
            return Reason(why=why, target="key", where=where)
        setup = self._as_bucket() if self.kind == "own" else replace(self.setup, role_arn=self.reader)
        try:
            repair = key_statement(replace(setup, kms_keys=keys, output_kms_key=None))
        except ConnectionSetupError:
            return Reason(why=why, target="key", where=where)
        return Reason(why=why, target="key", where=where, repair=repair)

    def trust(self, why: str) -> Reason:
        """The role's trust policy, whole."""
        where = f"the trust policy of {self.reader}"
        document: dict[str, Any] | None = None
        with suppress(
            ConnectionSetupError
        ):  # no policy can name us, or it is too long: `longshore policy trust` says which
            document = trust_policy(self.setup)
        if document is None:
            why += "; `longshore policy trust` prints the right one, once LONGSHORE_PRINCIPAL_ARN says which role policies shall name"
        return Reason(why=why, target="trust", where=where, repair=document)

    def _named(self, need: Need, place: Grant) -> str:
        partition = self.setup.partition
        if need in ("list", "list_versions"):
            return bucket_arn(partition, place.bucket) + (f" for the prefix {place.prefix}" if place.prefix else "")
        return objects_arn(partition, place.bucket, place.prefix)

    def _as_bucket(self) -> Setup:
        if self.kind == "own" or self.reader is None:
            return self.setup if self.setup.method == "bucket" else replace(self.setup, method="bucket")
        return replace(self.setup, method="bucket", principal_arn=self.reader, workspace_tag=None)


def may_assume(role_arn: str, own_arn: str | None, *, tagged: bool = False) -> Reason:
    """Our own side of a role in another account. `tagged`: its sessions carry tags and a source identity."""
    actions = (*ASSUME, *TELL) if tagged else ASSUME
    return Reason(
        why=f"our own identity is not allowed {' and '.join(TELL if tagged else ASSUME)} on it",
        target="own",
        where=f"the permissions of {own_arn or 'our own identity'}",
        repair=allow("AssumeCustomersRole", actions, [role_arn]),
    )
