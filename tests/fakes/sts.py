"""An STS in memory: roles that trust under an external ID, sessions that expire, every call on record."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.fakes.iam import check
from tests.fakes.iam_conditions import UnknownElementError
from tests.fakes.s3_faults import Fault, Faults, instead, spoil
from tests.fakes.s3_sign import Signed
from tests.fakes.s3_wire import Answer, Request
from tests.fakes.sts_roles import ACCOUNT, Grant, Role, Wish, untrusted

__all__ = ["ACCOUNT", "OPERATOR_KEY", "OPERATOR_SECRET", "Call", "FakeSts", "Grant", "Role"]

OPERATOR_KEY = "AKIAFAKEOPERATOR0001"
OPERATOR_SECRET = "operator/secret+of/the+fake/cloud0000001"
_PROBES = "longshore-probe-"
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to STS: what was asked, by whom, and what came of it."""

    action: str
    parameters: dict[str, str]
    access_key_id: str
    region: str
    outcome: str
    """`ok` or the error's code."""
    issued: str = ""
    """The access key ID that was handed out."""

    @property
    def is_probe(self) -> bool:
        """It only tries whether the role lets anybody in."""
        return self.parameters.get("RoleSessionName", "").startswith(_PROBES)


class _RefusedError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(message)


@dataclass(slots=True)
class FakeSts:
    """`clock` gives Unix time in seconds."""

    clock: Callable[[], float]
    faults: Faults
    roles: dict[str, Role] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    disabled_regions: set[str] = field(default_factory=set)
    """Where the customer's account has not switched STS on."""

    def __post_init__(self) -> None:
        self.add_keys(OPERATOR_KEY, OPERATOR_SECRET)

    @property
    def operator(self) -> Grant:
        """Our own keys; their `policy` is our identity policy."""
        return self.grants[OPERATOR_KEY]

    def add_keys(self, access_key_id: str, secret: str, **fields: Any) -> Grant:
        """Long-lived keys. `fields`: `policy`, `arn` (the user whose they are), `tags`."""
        grant = Grant(access_key_id=access_key_id, secret=secret, **fields)
        self.grants[access_key_id] = grant
        return grant

    def add_role(self, arn: str, **fields: Any) -> Role:
        """`fields`: external_id, trust, policy, max_session_s, denied."""
        role = Role(arn=arn, clock=self.clock, **fields)
        self.roles[arn] = role
        return role

    def expire(self, access_key_id: str | None = None) -> None:
        """End one session now, or all."""
        for grant in self.grants.values():
            if grant.token is not None and access_key_id in (None, grant.access_key_id):
                grant.expires = self.clock()

    def count(self, action: str = "AssumeRole") -> int:
        """Calls so far, without those that only probe whom a role trusts."""
        return sum(call.action == action and not call.is_probe for call in self.calls)

    def probes(self) -> list[Call]:
        return [call for call in self.calls if call.is_probe]

    def settle(self) -> None:
        """Let changes of roles come into force that are due."""
        for role in self.roles.values():
            role.settle(self.clock())

    def new_session(self, role: Role, *, seconds: float = 3600, name: str = "test", **fields: Any) -> Grant:
        """A session as AssumeRole would issue it, without asking. `fields`: policy, tags, transitive, source_identity."""
        account = role.arn.split(":")[4]
        grant = Grant(
            access_key_id="ASIA" + secrets.token_hex(8).upper(),
            secret=secrets.token_urlsafe(30),
            token="FwoGZXIvYXdzE" + secrets.token_urlsafe(200) + "==",
            expires=self.clock() + seconds,
            arn=f"arn:aws:sts::{account}:assumed-role/{role.arn.rsplit('/', 1)[-1]}/{name}",
            role=role,
            **fields,
        )
        self.grants[grant.access_key_id] = grant
        return grant

    def answer(self, request: Request, signed: Signed | None, grant: Grant | None, *, stale: str = "") -> Answer:
        """`grant`: whose signature was right, or None. `stale`: what is wrong with the time of the signature."""
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        action = form.pop("Action", "")
        form.pop("Version", None)
        op = {"AssumeRole": "assume_role", "GetCallerIdentity": "get_caller_identity"}.get(action, "other")
        fault = self.faults.next(op, "", form.get("RoleArn", "").encode())
        issued = ""
        try:
            if fault is not None and (scripted := self._scripted(fault)) is not None:
                outcome, answer = fault.code if fault.kind == "error" else fault.kind, scripted
            else:
                outcome, (answer, issued) = "ok", self._act(action, form, grant, signed, stale)
        except _RefusedError as refusal:
            outcome, answer = refusal.code, _error(refusal.status, refusal.code, refusal.message)
        self.calls.append(
            Call(
                action=action,
                parameters=form,
                access_key_id=signed.access_key_id if signed else "",
                region=signed.region if signed else "",
                outcome=outcome,
                issued=issued,
            )
        )
        return answer if fault is None else spoil(fault, self.faults, answer)

    def _scripted(self, fault: Fault) -> Answer | None:
        if fault.kind == "error":
            return _error(fault.status, fault.code, fault.message)
        return instead(fault, self.faults)

    def _act(
        self, action: str, form: dict[str, str], caller: Grant | None, signed: Signed | None, stale: str
    ) -> tuple[Answer, str]:
        self.settle()
        if caller is None:
            text = "The security token included in the request is invalid."
            raise _RefusedError(403, "InvalidClientTokenId", text)
        if stale:
            raise _RefusedError(403, "SignatureDoesNotMatch", stale)
        if caller.expires is not None and caller.expires <= self.clock():
            raise _RefusedError(403, "ExpiredToken", "The security token included in the request is expired")
        if signed is not None and signed.region in self.disabled_regions:
            account = form.get("RoleArn", caller.arn).split(":")[4]
            text = (
                f"STS is not activated in this region for account:{account}. "
                "Your account administrator can activate STS in this region using the IAM Console."
            )
            raise _RefusedError(403, "RegionDisabledException", text)
        if action == "GetCallerIdentity":
            account = caller.arn.split(":")[4]
            inside = f"<Arn>{escape(caller.arn)}</Arn><UserId>AIDAFAKE</UserId><Account>{account}</Account>"
            return _result(action, inside), ""
        if action != "AssumeRole":
            raise _RefusedError(400, "InvalidAction", f"Could not find operation {action}")
        grant = self._assume(form, caller)
        assert grant.expires is not None
        expires = datetime.fromtimestamp(grant.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        inside = (
            f"<Credentials><AccessKeyId>{grant.access_key_id}</AccessKeyId><SecretAccessKey>{grant.secret}</SecretAccessKey>"
            f"<SessionToken>{grant.token}</SessionToken><Expiration>{expires}</Expiration></Credentials>"
            f"<AssumedRoleUser><Arn>{escape(grant.arn)}</Arn><AssumedRoleId>AROAFAKE:{escape(form['RoleSessionName'])}"
            f"</AssumedRoleId></AssumedRoleUser><PackedPolicySize>{len(form.get('Policy', '')) * 100 // 2048}</PackedPolicySize>"
        )
        return _result(action, inside), grant.access_key_id

    def _assume(self, form: dict[str, str], caller: Grant) -> Grant:
        arn, name = form.get("RoleArn", ""), form.get("RoleSessionName", "")
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII):
            raise _invalid("roleSessionName", name, r"Member must satisfy regular expression pattern: [\w+=,.@-]*")
        external = form.get("ExternalId")
        if external is not None and not re.fullmatch(r"[\w+=,.@:\/-]{2,1224}", external, re.ASCII):
            raise _invalid("externalId", external, r"Member must satisfy regular expression pattern: [\w+=,.@:\/-]*")
        seconds = self._duration(form, caller)
        policy = self._policy(form.get("Policy"))
        wish = _wish(form)
        role = self.roles.get(arn)
        refused = "sts:AssumeRole" if role is None else untrusted(role, wish, caller, self.clock())
        if role is None or refused:
            text = f"User: {caller.arn} is not authorized to perform: {refused} on resource: {arn}"
            raise _RefusedError(403, "AccessDenied", text)
        if seconds > role.max_session_s:
            text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            raise _RefusedError(400, "ValidationError", text)
        inherited = {name: value for name, value in caller.tags.items() if name in caller.transitive}
        if both := sorted(inherited.keys() & wish.tags.keys()):
            text = f"One of the specified transitive tag keys can't be set because it conflicts: {', '.join(both)}"
            raise _RefusedError(400, "InvalidParameterValue", text)
        return self.new_session(
            role,
            seconds=seconds,
            name=name,
            policy=policy,
            tags={**inherited, **wish.tags},
            transitive=wish.transitive | frozenset(inherited),
            source_identity=caller.source_identity or wish.source_identity,
        )

    def _duration(self, form: dict[str, str], caller: Grant) -> int:
        seconds = int(form.get("DurationSeconds", "3600"))
        if seconds < 900:
            raise _invalid("durationSeconds", str(seconds), "Member must have value greater than or equal to 900")
        if seconds > 43200:
            raise _invalid("durationSeconds", str(seconds), "Member must have value less than or equal to 43200")
        if caller.token is not None and seconds > 3600:
            text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
            raise _RefusedError(400, "ValidationError", text)
        return seconds

    def _policy(self, text: str | None) -> dict[str, Any] | None:
        if text is None:
            return None
        if len(text) > 2048:
            raise _invalid("policy", "...", "Member must have length less than or equal to 2048")
        if not re.fullmatch(r"[\u0009\u000A\u000D\u0020-\u00FF]+", text):
            raise _invalid("policy", "...", "Member must satisfy regular expression pattern")
        try:
            document: dict[str, Any] = json.loads(text)
        except ValueError:
            raise _RefusedError(400, "MalformedPolicyDocument", "This policy contains invalid Json") from None
        if document.get("Version") != "2012-10-17" or not document.get("Statement"):
            raise _RefusedError(400, "MalformedPolicyDocument", "Syntax errors in policy.")
        try:
            check(document, principal=False)
        except UnknownElementError as unknown:
            raise _RefusedError(400, "MalformedPolicyDocument", f"Syntax errors in policy: {unknown}") from None
        return document


def _wish(form: dict[str, str]) -> Wish:
    wish = Wish.of(form)
    identity = wish.source_identity
    if identity and (not re.fullmatch(r"[\w+=,.@-]{2,64}", identity, re.ASCII) or identity.startswith("aws:")):
        raise _invalid("sourceIdentity", identity, r"Member must satisfy regular expression pattern: [\w+=,.@-]*")
    if len(wish.tags) > 50:
        raise _invalid("tags", "...", "Member must have length less than or equal to 50")
    for name, value in wish.tags.items():
        if not re.fullmatch(r"[\w\s.:/=+@-]{1,128}", name) or not re.fullmatch(r"[\w\s.:/=+@-]{0,256}", value):
            raise _invalid(
                "tags",
                f"{name}={value}",
                r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+",
            )
    return wish


def _invalid(name: str, value: str, rule: str) -> _RefusedError:
    text = f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {rule}"
    return _RefusedError(400, "ValidationError", text)


def _result(action: str, inside: str) -> Answer:
    text = (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{inside}</{action}Result>'
        f"<ResponseMetadata><RequestId>fake-request</RequestId></ResponseMetadata></{action}Response>"
    )
    return Answer(headers={"Content-Type": "text/xml"}, body=text.encode())


def _error(status: int, code: str, message: str) -> Answer:
    text = (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{escape(code)}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>fake-request</RequestId></ErrorResponse>"
    )
    return Answer(status=status, headers={"Content-Type": "text/xml"}, body=text.encode())
