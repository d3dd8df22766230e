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

from tests.fakes.s3_faults import Fault, Faults, instead, spoil
from tests.fakes.s3_sign import Signed
from tests.fakes.s3_wire import Answer, Request

ACCOUNT = "999988887777"
OPERATOR_KEY = "AKIAFAKEOPERATOR0001"
OPERATOR_SECRET = "operator/secret+of/the+fake/cloud0000001"
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(slots=True, kw_only=True)
class Role:
    """A role in a customer's account."""

    arn: str
    external_id: str | None = None
    """What the trust policy asks for; None: nothing."""
    policy: dict[str, Any] | None = None
    """What the role may do; None: everything."""
    max_session_s: int = 3600
    denied: bool = False
    """The customer took it back: no new session, and those that exist are denied."""


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

    def __post_init__(self) -> None:
        self.add_keys(OPERATOR_KEY, OPERATOR_SECRET)

    def add_keys(self, access_key_id: str, secret: str, *, policy: dict[str, Any] | None = None) -> Grant:
        """Long-lived keys."""
        grant = Grant(access_key_id=access_key_id, secret=secret, policy=policy)
        self.grants[access_key_id] = grant
        return grant

    def add_role(
        self,
        arn: str,
        *,
        external_id: str | None = None,
        policy: dict[str, Any] | None = None,
        max_session_s: int = 3600,
    ) -> Role:
        role = Role(arn=arn, external_id=external_id, policy=policy, max_session_s=max_session_s)
        self.roles[arn] = role
        return role

    def expire(self, access_key_id: str | None = None) -> None:
        """End one session now, or all."""
        for grant in self.grants.values():
            if grant.token is not None and access_key_id in (None, grant.access_key_id):
                grant.expires = self.clock()

    def count(self, action: str = "AssumeRole") -> int:
        """Calls, without those that only look at a role's trust."""
        probes = [one for one in self.calls if one.parameters.get("RoleSessionName", "").startswith("longshore-probe-")]
        return sum(call.action == action for call in self.calls) - sum(call.action == action for call in probes)

    def new_session(
        self, role: Role, *, seconds: float = 3600, name: str = "test", policy: dict[str, Any] | None = None
    ) -> Grant:
        """A session as AssumeRole would issue it, without asking."""
        account = role.arn.split(":")[4]
        grant = Grant(
            access_key_id="ASIA" + secrets.token_hex(8).upper(),
            secret=secrets.token_urlsafe(30),
            token="FwoGZXIvYXdzE" + secrets.token_urlsafe(200) + "==",
            expires=self.clock() + seconds,
            arn=f"arn:aws:sts::{account}:assumed-role/{role.arn.rsplit('/', 1)[-1]}/{name}",
            role=role,
            policy=policy,
        )
        self.grants[grant.access_key_id] = grant
        return grant

    def answer(self, request: Request, signed: Signed | None, grant: Grant | None) -> Answer:
        """`grant`: whose signature was right, or None."""
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
                outcome, (answer, issued) = "ok", self._act(action, form, grant)
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

    def _act(self, action: str, form: dict[str, str], caller: Grant | None) -> tuple[Answer, str]:
        if caller is None:
            text = "The security token included in the request is invalid."
            raise _RefusedError(403, "InvalidClientTokenId", text)
        if caller.expires is not None and caller.expires <= self.clock():
            raise _RefusedError(403, "ExpiredToken", "The security token included in the request is expired")
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
        role = self.roles.get(arn)
        if role is None or role.denied or (role.external_id is not None and role.external_id != external):
            text = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise _RefusedError(403, "AccessDenied", text)
        if seconds > role.max_session_s:
            text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            raise _RefusedError(400, "ValidationError", text)
        return self.new_session(role, seconds=seconds, name=name, policy=policy)

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
        return document


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
