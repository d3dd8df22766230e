"""Whether a role lets in whoever knows its ARN: asked for sessions that may do nothing, without and with a wrong external ID."""

from __future__ import annotations

import asyncio
import json
import secrets
from functools import partial
from typing import Final, Literal

import structlog

from config.errors import CredentialError, RoleDeniedError, RoleOpenError, StsUnavailableError
from config.settings import Settings
from credentials.assume import AssumeRole, Sts
from credentials.clock import Clock
from credentials.connection import Connection
from credentials.kinds import RoleSpec
from credentials.ownership import open_roles_in
from credentials.registry import Registry
from credentials.tags import session_tags, source_identity
from credentials.windows import STS_LEAST_S

log = structlog.get_logger(__name__)

Verdict = Literal["safe", "open"]
DENY_ALL: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]},
    separators=(",", ":"),
)
"""What sessions of probes may do, should a role give one: nothing."""
RIGHT: Final = "longshore-probe-right-external-id"
WITHOUT: Final = "longshore-probe-no-external-id"
WRONG: Final = "longshore-probe-wrong-external-id"
"""Names of the probes' sessions: so the customer's CloudTrail explains the denials."""


async def lets_in(sts: Sts, probe: AssumeRole) -> bool:
    """Whether the role gives a session for this. Raises CredentialError for whatever is no answer to that."""
    try:
        await sts.assume(probe)
    except RoleDeniedError:
        return False
    return True


def probe_of(
    connection: Connection, spec: RoleSpec, *, external_id: str | None, session_name: str, region: str
) -> AssumeRole:
    """What a run would ask for, tags and source identity included, but for a session that may do nothing: else a refusal might
    be for something else than the external ID.
    """
    return AssumeRole(
        role_arn=spec.role_arn,
        session_name=session_name,
        duration_s=STS_LEAST_S,
        external_id=external_id,
        policy=DENY_ALL,
        source_identity=source_identity(connection, spec),
        tags=session_tags(connection, spec),
        region=spec.region or region,
    )


def wrong_id() -> str:
    """Well-formed, and nobody's."""
    return f"not-{secrets.token_hex(14)}"


class Trust:
    """Looks at each role before its first session, and again once a day; what was seen is kept with the connection."""

    def __init__(self, *, registry: Registry, sts: Sts, settings: Settings, clock: Clock) -> None:
        self._registry, self._sts, self._settings, self._clock = registry, sts, settings, clock
        self._looking: dict[str, asyncio.Lock] = {}

    async def assure(self, connection: Connection) -> None:
        """Pass if the role of an aws_role connection may be used.

        Raises RoleOpenError if it can be assumed without the right external ID and the operator forbids that, or CredentialError
        if nothing could be found out.
        """
        spec = connection.spec
        if not isinstance(spec, RoleSpec) or self._settings.open_roles == "allow":
            return
        if spec.external_id is None:
            if "refuse" in {open_roles_in(one, self._settings) for one in (connection.owner, connection.workspace)}:
                raise RoleOpenError(
                    f"connection {connection.name!r} has no external ID, and LONGSHORE_OPEN_ROLES={self._settings.open_roles} forbids "
                    f"that in workspace {connection.workspace!r}; `longshore policy trust {connection.name}` issues one"
                )
            return
        if connection.trust != "safe" or self._is_old(connection):
            await self._look_once(connection)

    async def look(self, connection: Connection, spec: RoleSpec) -> Verdict:
        """Probe the role now, and keep what was seen. Raises CredentialError; RoleDeniedError, and keeps nothing, where it does not
        let in even who has the right external ID: that may still become any role at all.
        """
        probe = partial(probe_of, connection, spec, region=self._settings.region)
        try:
            await self._sts.assume(probe(external_id=spec.external_id, session_name=RIGHT))
            is_open = await lets_in(self._sts, probe(external_id=None, session_name=WITHOUT))
            is_open = is_open or await lets_in(self._sts, probe(external_id=wrong_id(), session_name=WRONG))
        except CredentialError as error:
            raise type(error)(f"connection {connection.name!r}: {error.message}", **error.fields) from error
        verdict: Verdict = "open" if is_open else "safe"
        await self._registry.trusts(connection, verdict)
        log.info("a role's trust was looked at", connection=connection.name, trust=verdict)
        return verdict

    async def _look_once(self, connection: Connection) -> None:
        """However many runs begin at the same time."""
        lock = self._looking.setdefault(connection.kept_id, asyncio.Lock())
        try:
            async with lock:
                now = await self._registry.get(connection.name, workspace=connection.workspace)
                spec = now.spec
                if not isinstance(spec, RoleSpec) or _role(now) != _role(connection):
                    raise StsUnavailableError(  # what was seen of this role says nothing about the other
                        f"connection {connection.name!r} got another role meanwhile", code="ConnectionChanged"
                    )
                if now.trust == "safe" and not self._is_old(now):
                    return
                if await self.look(now, spec) == "open":
                    raise RoleOpenError(_why(connection))
        finally:
            if not lock.locked():
                self._looking.pop(connection.kept_id, None)

    def _is_old(self, connection: Connection) -> bool:
        seen = (connection.trust_at or 0) / 1000
        return self._clock.now() - seen > self._settings.limits.trust_s


def _role(connection: Connection) -> tuple[str, str | None, str | None]:
    spec = connection.spec
    assert isinstance(spec, RoleSpec)
    return connection.kept_id, spec.role_arn, spec.external_id


def _why(connection: Connection) -> str:
    return (
        f"the role of connection {connection.name!r} can be assumed without the right external ID, so whoever else may use this "
        f"service could read through it: put the trust policy that `longshore policy trust {connection.name}` prints on the role; "
        "the operator can allow such roles by LONGSHORE_OPEN_ROLES=allow"
    )
