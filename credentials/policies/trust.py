"""The trust policy: who may assume the customer's role, which is our own role, saying the external ID."""

from __future__ import annotations

from typing import Final

from credentials.arns import account_of
from credentials.policies.document import Condition, Document, allow, document, fitting
from credentials.policies.setup import Setup

TRUST_CHARACTERS: Final = 2_048
"""A role's trust policy (IAM and STS quotas)."""
ASSUME: Final = ("sts:AssumeRole",)
TELL: Final = ("sts:TagSession", "sts:SetSourceIdentity")


def trust_policy(setup: Setup) -> Document:
    """The trust policy. Without an external ID it asks for none, and whoever shows it should say so.

    Tags and the source identity have a statement of their own: AWS offers sts:ExternalId to sts:AssumeRole alone, so under that
    condition they would always be refused.
    """
    principal, condition = _principal(setup)
    asked = condition | (
        {"StringEquals": {"sts:ExternalId": setup.external_id}} if setup.external_id is not None else {}
    )
    statements = [allow("AssumeRole", ASSUME, None, principal=principal, condition=asked)]
    if setup.session_tags:
        statements.append(allow("TagSession", TELL, None, principal=principal, condition=condition))
    return fitting(
        document(statements),
        most=TRUST_CHARACTERS,
        what="trust policy",
        remedy="use a shorter external ID, or trust our role alone instead of the account",
    )


def reader_trust_policy(setup: Setup) -> Document:
    """The trust policy of our own reader role: our identity assumes it, and says by a session tag for which workspace."""
    principal, condition = _principal(setup)
    return document([allow("ReadForWorkspaces", (*ASSUME, TELL[0]), None, principal=principal, condition=condition)])


def _principal(setup: Setup) -> tuple[str, Condition]:
    """A role that is named itself is meant by its hidden unique ID; one that is named in a condition may be made anew."""
    if setup.trust == "role":
        return setup.principal, {}
    account = f"arn:{setup.partition}:iam::{account_of(setup.principal)}:root"
    return account, {"ArnEquals": {"aws:PrincipalArn": setup.principal}}
