"""The bridge from a connection to an access: hides which kind of connection signs with what."""

from __future__ import annotations

from collections import OrderedDict

import structlog

from config.errors import KeyRefusedError
from config.settings import Settings
from credentials.connection import Connection, KeyPair, RoleSpec
from credentials.identity import OwnIdentity
from credentials.policies.session import SessionPolicy
from credentials.registry import Registry
from credentials.session import Access, Session
from credentials.sessions import SessionCache, SessionSpec, session_name

log = structlog.get_logger(__name__)


class Accesses:
    """Opens connections."""

    def __init__(self, *, registry: Registry, sessions: SessionCache, own: OwnIdentity, settings: Settings) -> None:
        self._registry, self._sessions, self._own, self._settings = registry, sessions, own, settings
        self._warned: OrderedDict[tuple[str, int], None] = OrderedDict()

    async def open(self, connection: Connection, *, run_id: str) -> Access:
        """The access through which a run signs. Asks nobody yet, so that a role that refuses shows at the first request.

        Raises SecretKeyError, or UnknownConnectionError if the connection was removed meanwhile.
        """
        self._warn_once(connection)
        if connection.kind == "default":
            return self._own
        if not isinstance(connection.spec, RoleSpec):
            return KeyAccess(await self._registry.secret(connection), connection=connection.name)
        return self._sessions.access(_session_spec(connection, connection.spec, run_id, self._settings.region))

    def _warn_once(self, connection: Connection) -> None:
        """A run opens its connection for every slice; its warnings are news once, for each version."""
        version = (connection.id, connection.version)
        if version in self._warned:
            return
        self._warned[version] = None
        if len(self._warned) > self._settings.limits.sessions:
            self._warned.popitem(last=False)
        for warning in connection.warnings():
            log.warning("connection", connection=connection.name, warning=warning)


def _session_spec(connection: Connection, spec: RoleSpec, run_id: str, region: str) -> SessionSpec:
    return SessionSpec(
        workspace=connection.workspace,
        connection_id=connection.id,
        connection_version=connection.version,
        connection=connection.name,
        role_arn=spec.role_arn,
        external_id=spec.external_id,
        region=spec.region or region,
        ttl_s=spec.session_ttl_s,
        policy=SessionPolicy(grants=spec.allow, partition=spec.partition),
        session_name=session_name(run_id),
        # A source identity needs sts:SetSourceIdentity in the customer's trust policy, and AssumeRole fails without it.
        source_identity=None,
    )


class KeyAccess:
    """An access key of a user: the same session for ever, until the storage refuses it."""

    def __init__(self, keys: KeyPair, *, connection: str) -> None:
        self._session = Session(access_key_id=keys.access_key_id, secret_access_key=keys.secret_access_key)
        self._connection, self._refused = connection, False

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:  # noqa: ARG002 - a key does not end by itself
        """Raises KeyRefusedError once the storage has refused the key."""
        if self._refused:
            raise KeyRefusedError(
                f"the access key of connection {self._connection!r} (…{self._session.access_key_id[-4:]}) is refused: it was deleted, "
                "deactivated, or its secret is another one; "
                "`longshore connections update` takes a new key",
                code="InvalidAccessKeyId",
            )
        return self._session

    async def reject(self, access_key_id: str) -> None:
        self._refused = self._refused or access_key_id == self._session.access_key_id

    async def renew(self) -> None:
        """There is no other session to be had."""
