"""Roles, and the keys that sign; what a role's trust policy says of somebody who wants to assume it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from tests.fakes.iam import Ask, Principal, check, refusal
from tests.fakes.iam_conditions import UnknownElementError

ACCOUNT = "999988887777"


@dataclass(slots=True, kw_only=True)
class Role:
    """A role in a customer's account."""

    arn: str
    external_id: str | None = None
    """What is asked for where `trust` says nothing; None: nothing."""
    trust: dict[str, Any] | None = None
    """The trust policy; None: everybody may, with the external ID."""
    policy: dict[str, Any] | None = None
    """What the role may do; None: everything."""
    max_session_s: int = 3600
    denied: bool = False
    """The customer took it back: no new session, and those that exist are denied."""
    clock: Callable[[], float] = time.time
    _coming: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        _check(self.trust, self.policy)

    def change(self, *, in_s: float = 0.0, **changes: Any) -> None:
        """Set fields, of which S3 and STS know in `in_s` seconds: what is written in IAM spreads slowly."""
        if unknown := changes.keys() - {one.name for one in fields(self)}:
            raise TypeError(f"a role has no {', '.join(sorted(unknown))}")
        _check(changes.get("trust"), changes.get("policy"))
        self._coming.append((self.clock() + in_s, changes))
        self.settle(self.clock())

    def settle(self, now: float) -> None:
        """Let come into force what is due."""
        due = sorted((one for one in self._coming if one[0] <= now), key=lambda one: one[0])
        self._coming = [one for one in self._coming if one[0] > now]
        for _, changes in due:
            for name, value in changes.items():
                setattr(self, name, value)


@dataclass(slots=True, kw_only=True)
class Grant:
    """Keys that sign: long-lived ones, or a session."""

    access_key_id: str
    secret: str
    token: str | None = None
    expires: float | None = None
    arn: str = f"arn:aws:iam::{ACCOUNT}:user/operator"
    role: Role | None = None
    policy: dict[str, Any] | None = None
    """The session policy, or what long-lived keys may do; None: everything."""
    tags: dict[str, str] = field(default_factory=dict)
    """aws:PrincipalTag/..."""
    transitive: frozenset[str] = frozenset()
    """Names of tags that sessions made from this one inherit."""
    source_identity: str = ""

    @property
    def principal(self) -> Principal:
        return Principal(arn=self.arn, role_arn=self.role.arn if self.role else "", tags=self.tags)

    def refusal(self, ask: Ask, *, account: str | None, **fields: Any) -> str:
        """Why it may not, or nothing. `account`: whose the resource is; None: that of whoever asks. `fields`: of `refusal`."""
        if self.role is not None and self.role.denied:
            return "with an explicit deny in an identity-based policy"
        try:
            return refusal(
                ask,
                identity=[self.role.policy if self.role else self.policy],
                session=self.policy if self.role else None,
                same_account=account in (None, self.principal.account),
                **fields,
            )
        except (UnknownElementError, ValueError) as unknown:
            return f"because a policy is not understood: {unknown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an AssumeRole request asks for besides the role."""

    session_name: str
    external_id: str | None
    source_identity: str
    tags: Mapping[str, str]
    transitive: frozenset[str]

    @classmethod
    def of(cls, form: Mapping[str, str]) -> Wish:
        """From the parameters of the request."""
        numbers = [
            name.removesuffix(".Key") for name in form if name.startswith("Tags.member.") and name.endswith(".Key")
        ]
        names = (form[name] for name in form if name.startswith("TransitiveTagKeys.member."))
        return cls(
            session_name=form.get("RoleSessionName", ""),
            external_id=form.get("ExternalId"),
            source_identity=form.get("SourceIdentity", ""),
            tags={form[f"{one}.Key"]: form.get(f"{one}.Value", "") for one in numbers},
            transitive=frozenset(names),
        )


def _check(trust: dict[str, Any] | None, policy: dict[str, Any] | None) -> None:
    """As IAM does when a document is written: what it does not know it refuses."""
    if trust is not None:
        check(trust, principal=True)
    if policy is not None:
        check(policy, principal=False)


def untrusted(role: Role, wish: Wish, caller: Grant, now: float) -> str:
    """The action that is refused to the caller, by the role or by the caller's own policy; empty if all is well."""
    if role.denied or (role.trust is None and role.external_id not in (None, wish.external_id)):
        return "sts:AssumeRole"
    actions = ["sts:AssumeRole"]
    actions += ["sts:TagSession"] if wish.tags else []
    actions += ["sts:SetSourceIdentity"] if wish.source_identity else []
    context = _context(wish, caller, now)
    for action in actions:
        ask = Ask(action=action, resource=role.arn, context=context, principal=caller.principal)
        if role.trust is None:
            refused = caller.refusal(ask, account=None)
        else:
            refused = caller.refusal(ask, account=role.arn.split(":")[4], resource=role.trust, resource_must=True)
        if refused:
            return action
    return ""


def _context(wish: Wish, caller: Grant, now: float) -> dict[str, str | list[str]]:
    context: dict[str, str | list[str]] = {"sts:RoleSessionName": wish.session_name, **moment(now)}
    if wish.external_id is not None:
        context["sts:ExternalId"] = wish.external_id
    if wish.source_identity:
        context["sts:SourceIdentity"] = wish.source_identity
    if caller.source_identity:
        context["aws:SourceIdentity"] = caller.source_identity
    context |= {f"aws:RequestTag/{name}": value for name, value in wish.tags.items()}
    if wish.tags:
        context["aws:TagKeys"] = list(wish.tags)
    if wish.transitive:
        context["sts:TransitiveTagKeys"] = sorted(wish.transitive)
    return context


def moment(now: float) -> dict[str, str]:
    """The keys of time, and of how the request came: the fake speaks plain HTTP, and is taken for TLS from a public address."""
    return {
        "aws:CurrentTime": datetime.fromtimestamp(now, UTC).isoformat(),
        "aws:EpochTime": str(int(now)),
        "aws:SecureTransport": "true",
        "aws:SourceIp": "198.51.100.7",
    }
