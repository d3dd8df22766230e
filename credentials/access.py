"""The bridge from a connection to an access: hides which kind of connection signs with what."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from config.errors import ConnectionRuleError, KeyRefusedError
from config.settings import Settings
from credentials.arns import partition_of
from credentials.connection import Connection, KeyPair
from credentials.external_ids import ReadIds
from credentials.grants import Grant
from credentials.identity import OwnIdentity
from credentials.kinds import KeysSpec, RoleSpec
from credentials.policies.session import SessionPolicy
from credentials.policies.setup import WORKSPACE_TAG
from credentials.registry import Registry
from credentials.session import Access, Session
from credentials.sessions import SessionCache, SessionSpec, session_name
from credentials.tags import session_tags, source_identity
from credentials.trust import Trust

log = structlog.get_logger(__name__)


class Accesses:
    """Opens connections."""

    def __init__(
        self,
        *,
        registry: Registry,
        sessions: SessionCache,
        own: OwnIdentity,
        trust: Trust,
        external_ids: ReadIds,
        settings: Settings,
    ) -> None:
        self._registry, self._sessions, self._own = registry, sessions, own
        self._trust, self._external_ids, self._settings = trust, external_ids, settings
        self._warned: OrderedDict[tuple[str, int], None] = OrderedDict()

    async def open(
        self, connection: Connection, *, run_id: str, places: Sequence[Grant] = (), copy_to: Grant | None = None
    ) -> Access:
        """The access through which a run signs. A role that nobody has looked at yet is probed first; else nobody is asked, so
        that a role that refuses shows at the first request. `places`: what the run is about, for a connection that permits
        anything. `copy_to`: where it writes copies; no other run may.

        Raises RoleOpenError, another CredentialError, SecretKeyError, or UnknownConnectionError if the connection was removed
        meanwhile.
        """
        self._warn_once(connection)
        spec = connection.spec
        if connection.kind == "default":
            return (
                self._own
                if self._settings.reader_role is None
                else await self._reader(connection, run_id, places, copy_to)
            )
        if isinstance(spec, RoleSpec):
            await self._trust.assure(connection)
            return self._sessions.access(self._session_spec(connection, spec, run_id, copy_to))
        if not isinstance(spec, KeysSpec):
            raise ConnectionRuleError(f"connection {connection.name!r} of kind {connection.kind} signs no requests")
        again = partial(self._registry.keys, connection, fresh=True)
        return KeyAccess(await self._registry.keys(connection), connection=connection.name, again=again)

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

    def _session_spec(self, connection: Connection, spec: RoleSpec, run_id: str, copy_to: Grant | None) -> SessionSpec:
        return SessionSpec(
            workspace=connection.workspace,
            connection_id=connection.id,
            connection_version=connection.version,
            connection=connection.name,
            role_arn=spec.role_arn,
            external_id=spec.external_id,
            region=spec.region or self._settings.region,
            ttl_s=spec.session_ttl_s,
            policy=SessionPolicy(grants=spec.allow, partition=spec.partition, tags=spec.tags, copy_to=copy_to),
            session_name=session_name(run_id),
            source_identity=source_identity(connection, spec),
            tags=session_tags(connection, spec),
        )

    async def _reader(
        self, connection: Connection, run_id: str, places: Sequence[Grant], copy_to: Grant | None
    ) -> Access:
        """Our own reader role, as this workspace: bucket policies ask for the tag, so that none reads another's bucket. They also
        decide about object tags, since nobody can say of the built-in connection whether they are wanted.
        """
        role_arn = self._settings.reader_role
        assert role_arn is not None
        external_id = await self._external_ids(connection.name)
        grants = connection.grants or tuple(places)
        return self._sessions.access(
            SessionSpec(
                workspace=connection.workspace,
                connection_id=connection.id,
                connection_version=connection.version,
                connection=connection.name,
                role_arn=role_arn,
                external_id=None,
                region=self._settings.region,
                ttl_s=3600,
                policy=SessionPolicy(grants=grants, partition=partition_of(role_arn), tags=True, copy_to=copy_to),
                session_name=session_name(run_id),
                source_identity=None,
                tags=((WORKSPACE_TAG, external_id),),
            )
        )


class KeyAccess:
    """An access key of a user: the same session, until the storage refuses it and there is no other to be had."""

    def __init__(self, keys: KeyPair, *, connection: str, again: Callable[[], Awaitable[KeyPair]]) -> None:
        """`again` reads the key anew; it is asked no more once it had nothing new."""
        self._session, self._connection, self._again = _signing(keys), connection, again
        self._refused = self._futile = False
        self._one_at_a_time = asyncio.Lock()

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:  # noqa: ARG002 - a key does not end by itself
        """Raises KeyRefusedError once the storage has refused the key."""
        if self._refused:
            raise KeyRefusedError(
                f"the access key of connection {self._connection!r} (…{self._session.access_key_id[-4:]}) is refused: it was deleted, "
                "deactivated, or its secret is another one; "
                f"`longshore connections update {self._connection} --access-key-id ID` takes a new key",
                code="InvalidAccessKeyId",
            )
        return self._session

    async def reject(self, access_key_id: str) -> None:
        """Somebody may have replaced the key meanwhile. Raises what reading it raises."""
        async with self._one_at_a_time:
            if access_key_id == self._session.access_key_id:
                self._refused = not await self._renewed()

    async def renew(self) -> None:
        """Read the key anew. Raises what that raises."""
        async with self._one_at_a_time:
            await self._renewed()

    async def _renewed(self) -> bool:
        """Whether there is another one now."""
        if not self._futile:
            before, self._session = self._session, _signing(await self._again())
            self._futile = self._session == before
        return not self._futile


def _signing(keys: KeyPair) -> Session:
    return Session(access_key_id=keys.access_key_id, secret_access_key=keys.secret_access_key)
