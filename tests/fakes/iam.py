"""What IAM decides: our own reading of AWS's evaluation logic, which the fake cloud obeys and the tests of policies ask.

`allows` reads one document; `decide` puts identity, resource and session policies together. What it does not know it raises as
UnknownElementError, wherever it stands in the document: a policy that nobody has understood must not pass a test.

Stricter than AWS in one place: a resource policy that names the ARN of a session (not of its role) would pass over the session
policy; here a session policy always limits, as it does whenever the role's ARN, an account or `*` is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.iam_conditions import Context, UnknownElementError, check_operator, holds, like

__all__ = [
    "Ask",
    "Document",
    "Principal",
    "UnknownElementError",
    "Verdict",
    "allows",
    "check",
    "decide",
    "refusal",
    "verdict",
]

Document = Mapping[str, Any]

_TOP = {"Version", "Id", "Statement"}
_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "Condition"}
_KINDS = {"AWS", "Service", "Federated", "CanonicalUser"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks: a user, or the session of a role."""

    arn: str
    role_arn: str = ""
    """Of a session."""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def account(self) -> str:
        return self.arn.split(":")[4]

    @property
    def lasting_arn(self) -> str:
        """aws:PrincipalArn: that of the role, not of the session."""
        return self.role_arn or self.arn


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One action on one resource by somebody, with the condition keys that the request carries."""

    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    """What follows from the principal (its ARN, account and tags) need not be said here."""
    principal: Principal | None = None
    """None: nobody in particular."""

    def keys(self) -> Context:
        found = {key.lower(): value for key, value in self.context.items()}
        if self.principal is not None:
            found.setdefault("aws:principalarn", self.principal.lasting_arn)
            found.setdefault("aws:principalaccount", self.principal.account)
            found |= {f"aws:principaltag/{name}".lower(): value for name, value in self.principal.tags.items()}
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one document says of one request."""

    allows: bool = False
    denies: bool = False
    in_person: bool = False
    """A statement that allows names the principal itself or everybody, not just its account."""


ANYTHING = Verdict(allows=True)


def allows(document: Document | None, ask: Ask) -> bool:
    """Whether this document alone allows it. None: no document, everything is allowed."""
    found = verdict(document, ask)
    return found.allows and not found.denies


def verdict(document: Document | None, ask: Ask) -> Verdict:
    if document is None:
        return ANYTHING
    check(document)
    keys = ask.keys()
    matching = [one for one in _as_list(document.get("Statement", [])) if _matches(one, ask, keys)]
    allowing = [one for one in matching if one["Effect"] == "Allow"]
    return Verdict(
        allows=bool(allowing),
        denies=len(matching) > len(allowing),
        in_person=any(_named(one.get("Principal", "*"), ask.principal, in_person=True) for one in allowing),
    )


def decide(
    ask: Ask,
    *,
    identity: Sequence[Document | None] = (),
    resource: Document | None = None,
    session: Document | None = None,
    same_account: bool = True,
    resource_must: bool = False,
) -> bool:
    """AWS's evaluation; `refusal` says the same in words."""
    return not refusal(
        ask,
        identity=identity,
        resource=resource,
        session=session,
        same_account=same_account,
        resource_must=resource_must,
    )


def refusal(
    ask: Ask,
    *,
    identity: Sequence[Document | None] = (),
    resource: Document | None = None,
    session: Document | None = None,
    same_account: bool = True,
    resource_must: bool = False,
) -> str:
    """Why it is denied, as AWS words it; empty if it is allowed.

    `identity`: the documents of the user or role; a None among them allows everything, no document allows nothing.
    `resource`: of the bucket, key or role; None: it has none. `session`: None: the session is not narrowed.
    `resource_must`: the resource's document must allow even in its own account, as with KMS keys and roles. If it names the
    account alone, the identity must be allowed too.
    """
    for document in (*identity, session):
        if document is not None:
            check(document, principal=False)
    if resource is not None:
        check(resource, principal=True)
    own = [verdict(document, ask) for document in identity]
    theirs = verdict(resource, ask) if resource is not None else Verdict()
    narrowed = verdict(session, ask)
    for kind, found in (("an identity-based", own), ("a resource-based", [theirs]), ("a session", [narrowed])):
        if any(one.denies for one in found):
            return f"with an explicit deny in {kind} policy"
    no = f"policy allows the {ask.action} action"
    by_identity = any(one.allows for one in own)
    if same_account and theirs.allows and theirs.in_person:
        by_identity = True
    if not by_identity and (not same_account or not resource_must or theirs.allows):
        return f"because no identity-based {no}"
    if (resource_must or not same_account) and not theirs.allows:
        return f"because no resource-based {no}"
    if not narrowed.allows:
        return f"because no session {no}"
    return ""


def check(document: Document, *, principal: bool | None = None) -> None:
    """Raises UnknownElementError for whatever in it is not understood here, or not allowed by IAM.

    `principal`: whether each statement must name one, as resource policies do, or must not, as identity and session policies do.
    """
    _known(document, _TOP, "document")
    if document.get("Version", "2012-10-17") != "2012-10-17":
        raise UnknownElementError(f"the version {document['Version']!r} is not supported")
    statements = _as_list(document.get("Statement", []))
    sids = [statement["Sid"] for statement in statements if isinstance(statement, Mapping) and "Sid" in statement]
    for sid in sids:
        if re.fullmatch(r"[A-Za-z0-9]+", sid) is None or sids.count(sid) > 1:
            raise UnknownElementError(f"the Sid {sid!r} has other than letters and digits, or stands there twice")
    for statement in statements:
        _known(statement, _ELEMENTS, "statement")
        if statement.get("Effect") not in {"Allow", "Deny"}:
            raise UnknownElementError(f"the effect {statement.get('Effect')!r} is neither Allow nor Deny")
        if ("Action" in statement) == ("NotAction" in statement):
            raise UnknownElementError("a statement has either Action or NotAction")
        if "Resource" in statement and "NotResource" in statement:
            raise UnknownElementError("a statement has Resource or NotResource, not both")
        if principal is not None and ("Principal" in statement) is not principal:
            raise UnknownElementError(f"a statement of this document {'needs a' if principal else 'has no'} Principal")
        if principal is False and not {"Resource", "NotResource"} & statement.keys():
            raise UnknownElementError("a statement of an identity or session policy names its Resource")
        if "Principal" in statement:
            _check_principal(statement["Principal"])
        for operator in statement.get("Condition", {}):
            check_operator(operator)


def _check_principal(principal: Any) -> None:
    if isinstance(principal, str):
        if principal != "*":
            raise UnknownElementError(f"the principal {principal!r} is no object, and not *")
        return
    _known(principal, _KINDS, "principal")
    for name in _as_list(principal.get("AWS", [])):
        if name != "*" and not re.fullmatch(r"\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:[^*?]+", name):
            raise UnknownElementError(f"{name!r} is no principal: an account, an ARN without wildcards, or * alone")


def _known(part: Any, names: set[str], what: str) -> None:
    if not isinstance(part, Mapping):
        raise UnknownElementError(f"a {what} is an object, not {part!r}")
    if unknown := sorted(part.keys() - names):
        raise UnknownElementError(f"{', '.join(unknown)}: not known in a {what}")


def _matches(statement: Document, ask: Ask, keys: Context) -> bool:
    return (
        _named(statement.get("Principal", "*"), ask.principal)
        and _covers(statement, "Action", ask, keys)
        and _covers(statement, "Resource", ask, keys)
        and all(
            holds(operator, name, _as_list(wanted), keys)
            for operator, block in statement.get("Condition", {}).items()
            for name, wanted in block.items()
        )
    )


def _covers(statement: Document, element: str, ask: Ask, keys: Context) -> bool:
    one = _acts if element == "Action" else _lies
    if f"Not{element}" in statement:
        return not any(one(pattern, ask, keys) for pattern in _as_list(statement[f"Not{element}"]))
    return any(one(pattern, ask, keys) for pattern in _as_list(statement.get(element, "*")))


def _acts(pattern: str, ask: Ask, _keys: Context) -> bool:
    return like(pattern.lower(), ask.action.lower(), {})


def _lies(pattern: str, ask: Ask, keys: Context) -> bool:
    return pattern == "*" or like(pattern, ask.resource, keys, arn=True)


def _named(wanted: Any, asking: Principal | None, *, in_person: bool = False) -> bool:
    names = ["*"] if wanted == "*" else _as_list(wanted.get("AWS", []))
    if "*" in names:
        return True
    if asking is None:
        return False
    account = asking.account
    whole = {account, f"arn:{asking.arn.split(':')[1]}:iam::{account}:root"}
    return any(name in {asking.arn, asking.lasting_arn} or (name in whole and not in_person) for name in names)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
