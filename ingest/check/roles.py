"""Whether a role lets us in, and nobody else: asked with the right external ID, without one, and with a wrong one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

from config.errors import CredentialError, IdentityError, RoleDeniedError, SessionRefusedError
from credentials.assume import Assumed, AssumeRole, Identity, Sts
from credentials.connection import Connection
from credentials.kinds import RoleSpec
from credentials.session import Session
from credentials.trust import WITHOUT, WRONG, lets_in, probe_of, wrong_id
from ingest.check.causes import CLOCK, plainly
from ingest.check.repairs import Repairs, may_assume
from ingest.check.report import Reason, Step, failed, passed, untried, warned
from ingest.check.waiting import Spreading

IDENTITY: Final = "our identity"
ASSUME: Final = "assume the role"
NO_ID: Final = "without external ID"
WRONG_ID: Final = "with a wrong external ID"
SESSION_NAME: Final = "longshore-test"
OpenRoles = Literal["refuse", "declared", "allow"]

_IDENTITY: Final = {
    "ExpiredToken": "our own session has ended, and nothing has renewed it",
    "InvalidClientTokenId": "our own access key was deleted or deactivated, or its session token is another one's",
    "SignatureDoesNotMatch": "our own secret access key is not the one that belongs to the key's ID",
}


async def identity(sts: Sts) -> tuple[Step, Identity | None]:
    """Who we are. Needs no permission, so what fails here is ours to mend."""
    try:
        found = await sts.identity()
    except CredentialError as error:
        reasons = _of_identity(error)
        return failed(IDENTITY, error.message, *reasons), None
    if found.arn.endswith(":root"):
        why = "the root user of an account can assume no role, and no policy should name it: run as a role"
        return warned(IDENTITY, f"we are {found.arn}", Reason(why=why, target="own")), found
    return passed(IDENTITY, f"we are {found.arn}"), found


def _of_identity(error: CredentialError) -> tuple[Reason, ...]:
    if not isinstance(error, IdentityError):
        why = "STS is out of reach, failing or throttling: look at the network, AWS_REGION and AWS_ENDPOINT_URL_STS"
        return (Reason(why=why, target="own"),)
    found = [Reason(why=_IDENTITY.get(error.code, error.message), target="own")]
    return (*found, CLOCK) if error.code == "SignatureDoesNotMatch" else tuple(found)


def of_key(error: IdentityError) -> tuple[Reason, ...]:
    """Reasons of a user's access key that STS refuses."""
    code = {"InvalidClientTokenId": "InvalidAccessKeyId"}.get(error.code, error.code)
    found = plainly(IdentityError(f"STS refuses the key ({error.code})", code=code))
    return (*found, CLOCK) if code == "SignatureDoesNotMatch" else found


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTest:
    """One role, and what is to be said of it."""

    sts: Sts
    connection: Connection
    spec: RoleSpec
    region: str
    repairs: Repairs
    own_arn: str | None
    spreading: Spreading
    open_roles: OpenRoles

    async def assume(self, request: AssumeRole) -> tuple[Step, Assumed | None]:
        """With the right external ID, and tags where sessions carry them."""
        try:
            assumed = await self.spreading.through(partial(self.sts.assume, request))
        except RoleDeniedError as error:
            return await self._refused(request, error), None
        except CredentialError as error:
            return failed(ASSUME, error.message, *self._reasons(error)), None
        tagged = f", its session tagged {', '.join(name for name, _ in request.tags)}" if request.tags else ""
        how = "with its external ID" if request.external_id else "without an external ID"
        return passed(ASSUME, f"assumed {how}{tagged}"), assumed

    async def _refused(self, request: AssumeRole, error: RoleDeniedError) -> Step:
        if request.tags or request.source_identity:
            try:
                await self.sts.assume(replace(request, tags=(), source_identity=None))
            except CredentialError:
                pass
            else:
                why = (
                    "the trust policy lacks its second statement, for sts:TagSession and sts:SetSourceIdentity; that one must not ask for "
                    "the external ID, which AWS compares for sts:AssumeRole alone"
                )
                seen = "refused with session tags, and assumed without them"
                ours = may_assume(self.spec.role_arn, self.own_arn, tagged=True)
                return failed(ASSUME, seen, self.repairs.trust(why), ours)
        return failed(ASSUME, f"refused ({error.code})", *self._of_refusal(request.external_id))

    def _of_refusal(self, external_id: str | None) -> tuple[Reason, ...]:
        """AWS says the same to all of these."""
        asked = " with this external ID" if external_id else ""
        return (
            self.repairs.trust(
                f"the role's trust policy does not let us in{asked}: it names another principal (a role that was deleted and made anew is "
                "another one, until the policy is saved again), asks for another external ID, or has a further condition"
            ),
            Reason(
                why="there is no such role: its name, its path or its account is mistyped, or it was deleted",
                target="connection",
            ),
            may_assume(self.spec.role_arn, self.own_arn),
            Reason(why="a Deny, a permissions boundary or a service control policy in either account forbids it"),
        )

    def _reasons(self, error: CredentialError) -> tuple[Reason, ...]:
        if isinstance(error, IdentityError):
            return _of_identity(error)
        if error.code.startswith("RegionDisabled"):
            why = (
                f"the customer's account has not activated STS in {self.region}: activate it there (IAM, Account settings), or set the "
                "connection's region to one that is active"
            )
            return (Reason(why=why, target="connection"),)
        if isinstance(error, SessionRefusedError):
            return (Reason(why="STS refuses the request itself: see what it says", target="connection"),)
        return (Reason(why="STS is out of reach, failing or throttling: try again", target="own"),)

    async def probes(self, *, right_works: bool) -> AsyncGenerator[Step]:
        """Without an external ID, and with a wrong one; their sessions may do nothing."""
        if self.spec.external_id is None:
            yield self._declared_open()
            yield untried(WRONG_ID, "the connection says none, so that none is wrong")
            return
        yield await self._probe(NO_ID, None, WITHOUT, right_works=right_works)
        yield await self._probe(WRONG_ID, wrong_id(), WRONG, right_works=right_works)

    def _declared_open(self) -> Step:
        why = (
            "whoever else may use this service and knows the role's ARN could read through it: let the trust policy ask for an external "
            f"ID, and give that to {self._holder}"
        )
        seen = "the connection says that the role asks for none"
        reason = self.repairs.trust(why)
        if self.open_roles == "refuse":
            return failed(NO_ID, f"{seen}, and LONGSHORE_OPEN_ROLES=refuse forbids its use", reason)
        return warned(NO_ID, f"{seen}; it can be used, since LONGSHORE_OPEN_ROLES={self.open_roles}", reason)

    @property
    def _holder(self) -> str:
        issued = self.repairs.setup.external_id or "ID"
        if self.spec.role is not None:
            return f"the role (`longshore roles update` {self.spec.role} --external-id {issued})"
        return f"the connection (`longshore connections update` {self.spec.name} --external-id {issued})"

    async def _probe(self, name: str, external_id: str | None, session: str, *, right_works: bool) -> Step:
        probe = probe_of(self.connection, self.spec, external_id=external_id, session_name=session, region=self.region)
        ask: Callable[[], Awaitable[bool]] = partial(lets_in, self.sts, probe)
        try:
            let_in = await (self.spreading.through(ask, good=lambda found: not found) if right_works else ask())
        except CredentialError as error:
            return untried(name, error.message, vital=True)
        if not let_in:
            if right_works:
                return passed(name, "refused, as it should be")
            return untried(name, "refused, but so is the right one, so that proves nothing")
        reason = self.repairs.trust(
            "the trust policy does not compare sts:ExternalId with StringEquals and the one value, so whoever else may use this service "
            "and knows the role's ARN could read through it"
        )
        if self.open_roles == "allow":
            return warned(name, "the role lets us in; it can be used, since LONGSHORE_OPEN_ROLES=allow", reason)
        seen = f"the role lets us in; it can't be used, since LONGSHORE_OPEN_ROLES={self.open_roles}"
        return failed(name, seen, reason)


def session_of(assumed: Assumed) -> Session:
    return Session(
        access_key_id=assumed.access_key_id,
        secret_access_key=assumed.secret_access_key,
        token=assumed.token,
        usable_until=assumed.expires_at,
    )
