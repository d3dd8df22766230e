"""What may be wrong with a role: the first half of the table that test_wrong_setups.py goes through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.acceptance.customers_cloud import CUSTOMER, OURS, ROLE, Scene
from tests.fakes.iam_documents import allow, deny, policy, reads, trust
from tests.fakes.sts_roles import ACCOUNT

LISTS = allow("s3:ListBucket", "arn:aws:s3:::acme")
GETS = allow("s3:GetObject", "arn:aws:s3:::acme/raw/*")
ELSEWHERE = "777766665555"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One set-up that is wrong."""

    name: str
    spoil: Callable[[Scene], object]
    step: str
    """Which step shows it."""
    says: tuple[str, ...]
    """Words of its reasons, in the order in which they must be told."""
    cause: str | None = None
    """Whose policy it is that the true cause is in: what is printed for that one is pasted there. None: nothing can be pasted."""
    mend: Callable[[Scene], object] | None = None
    """What somebody does whom no statement can help."""
    outcome: str = "failed"
    after: str = "passed"
    """The verdict when it is mended."""
    seen: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    """Of the connection."""
    environment: dict[str, str] = field(default_factory=dict)
    untried: tuple[str, ...] = ()
    """Steps that can't be tried then."""
    uri: str | None = None


def role_may(*statements: dict[str, Any]) -> Callable[[Scene], None]:
    return lambda scene: scene.role.change(policy=policy(*statements))


def role_trusts(document: dict[str, Any]) -> Callable[[Scene], None]:
    return lambda scene: scene.role.change(trust=document)


def bucket_is(**fields: Any) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        scene.s3.buckets["acme"] = replace(scene.bucket, **fields)

    return spoil


def of_account(owner: str) -> Callable[[Scene], None]:
    return bucket_is(account=owner, owner=owner)


def listed_when(condition: dict[str, Any]) -> Callable[[Scene], None]:
    return role_may(LISTS | {"Condition": condition}, GETS)


def both(*spoils: Callable[[Scene], object]) -> Callable[[Scene], None]:
    def spoil(scene: Scene) -> None:
        for one in spoils:
            one(scene)

    return spoil


TRUST = (
    Wrong(
        name="the trust policy names nobody of ours",
        spoil=role_trusts(trust(f"arn:aws:iam::{ELSEWHERE}:role/other", "ext-1")),
        step="assume the role",
        says=("trust policy does not let us in", "no such role", "sts:AssumeRole", "service control policy"),
        cause="trust",
        untried=("without external ID", "with a wrong external ID", "list", "head", "get"),
    ),
    Wrong(
        name="the trust policy names the customer's own account",
        spoil=role_trusts(trust(f"arn:aws:iam::{CUSTOMER}:root", "ext-1")),
        step="assume the role",
        says=("names another principal",),
        cause="trust",
    ),
    Wrong(
        name="the trust policy names another role of ours",
        spoil=role_trusts(trust(f"arn:aws:iam::{ACCOUNT}:role/another-service", "ext-1")),
        step="assume the role",
        says=("names another principal",),
        cause="trust",
    ),
    Wrong(
        name="the trust policy asks for another external ID",
        spoil=role_trusts(trust(OURS, "ext-2")),
        step="assume the role",
        says=("asks for another external ID",),
        cause="trust",
    ),
    Wrong(
        name="the role is gone",
        spoil=lambda scene: scene.s3.sts.roles.pop(ROLE),
        step="assume the role",
        says=("trust policy", "there is no such role"),
        mend=lambda scene: scene.s3.sts.add_role(
            ROLE, trust=trust(OURS, "ext-1"), policy=policy(*reads("acme", "raw/"))
        ),
    ),
    Wrong(
        name="the customer has revoked everything",
        spoil=lambda scene: scene.role.change(denied=True),
        step="assume the role",
        says=("trust policy", "Deny"),
        mend=lambda scene: scene.role.change(denied=False),
    ),
    Wrong(
        name="our own identity lacks sts:AssumeRole",
        spoil=lambda scene: setattr(scene.s3.sts.operator, "policy", policy(LISTS)),
        step="assume the role",
        says=("trust policy", "no such role", "our own identity is not allowed sts:AssumeRole"),
        cause="own",
    ),
    Wrong(
        name="the trust policy asks for no external ID",
        spoil=role_trusts(trust(OURS)),
        step="without external ID",
        says=("does not compare sts:ExternalId",),
        seen="can't be used",
        cause="trust",
    ),
    Wrong(
        name="the trust policy takes any external ID",
        spoil=role_trusts(
            policy(allow("sts:AssumeRole", principal=OURS, when={"StringLike": {"sts:ExternalId": "*"}}))
        ),
        step="with a wrong external ID",
        says=("does not compare sts:ExternalId with StringEquals",),
        cause="trust",
    ),
    Wrong(
        name="an open role that the operator allows",
        spoil=role_trusts(trust(OURS)),
        step="without external ID",
        says=("does not compare sts:ExternalId",),
        outcome="warning",
        environment={"LONGSHORE_OPEN_ROLES": "allow"},
        cause="trust",
    ),
    Wrong(
        name="our account's root is trusted, without an external ID",
        spoil=role_trusts(trust(f"arn:aws:iam::{ACCOUNT}:root")),
        step="without external ID",
        says=("whoever else may use this service",),
        cause="trust",
    ),
    Wrong(
        name="session tags, and no second statement",
        spoil=lambda _: None,
        fields={"session_tags": True},
        step="assume the role",
        says=("lacks its second statement",),
        seen="assumed without them",
        cause="trust",
    ),
    Wrong(
        name="session tags, which our own identity may not set",
        spoil=both(
            role_trusts(trust(OURS, "ext-1", tags=True)),
            lambda scene: setattr(scene.s3.sts.operator, "policy", policy(allow("sts:AssumeRole", "*"))),
        ),
        fields={"session_tags": True},
        step="assume the role",
        says=("lacks its second statement", "our own identity is not allowed sts:TagSession"),
        cause="own",
    ),
    Wrong(
        name="STS is off in the region",
        spoil=lambda scene: scene.s3.sts.disabled_regions.add("eu-south-1"),
        fields={"region": "eu-south-1"},
        step="assume the role",
        says=("has not activated STS in eu-south-1",),
        mend=lambda scene: scene.s3.sts.disabled_regions.clear(),
        after="warning",  # the region is still another than the bucket's
    ),
)

ROLES = (
    Wrong(
        name="the role may not list",
        spoil=role_may(GETS),
        step="list",
        says=("not allowed s3:ListBucket",),
        cause="role",
        untried=("head", "get"),
    ),
    Wrong(
        name="the role may not read",
        spoil=role_may(LISTS),
        step="get",
        says=("not allowed s3:GetObject",),
        cause="role",
    ),
    Wrong(
        name="the role may read with s3:HeadObject",
        spoil=role_may(LISTS, allow("s3:HeadObject", "arn:aws:s3:::acme/*")),
        step="head",
        says=("not allowed s3:GetObject", "there is no action s3:HeadObject"),
        cause="role",
    ),
    Wrong(
        name="the role may read elsewhere",
        spoil=role_may(LISTS, allow("s3:GetObject", "arn:aws:s3:::acme/other/*")),
        step="get",
        says=("not allowed s3:GetObject on arn:aws:s3:::acme/raw/*",),
        cause="role",
    ),
    Wrong(
        name="the role may do nothing at all",
        spoil=role_may(allow("s3:ListAllMyBuckets", "*")),
        step="list",
        says=("not allowed s3:ListBucket",),
        cause="role",
    ),
    Wrong(
        name="the listing is allowed under another prefix",
        spoil=listed_when({"StringLike": {"s3:prefix": "images/*"}}),
        step="list",
        says=("not allowed s3:ListBucket",),
        cause="role",
    ),
    Wrong(
        name="the listing is allowed without the slash",
        spoil=listed_when({"StringEquals": {"s3:prefix": "raw"}}),
        step="list",
        says=("not allowed s3:ListBucket",),
        cause="role",
    ),
    Wrong(
        name="the role may not read versions",
        spoil=lambda _: None,
        fields={"versions": True, "tags": True},
        step="version",
        says=("not allowed s3:GetObjectVersion",),
        cause="role",
    ),
    Wrong(
        name="the role may not read tags",
        spoil=lambda _: None,
        fields={"tags": True},
        step="tags",
        says=("not allowed s3:GetObjectTagging",),
        cause="role",
    ),
    Wrong(
        name="the role's permissions deny the read",
        spoil=role_may(LISTS, GETS, deny("s3:GetObject", "*")),
        step="get",
        says=("denies it expressly",),
        mend=role_may(LISTS, GETS),
    ),
)
