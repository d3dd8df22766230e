"""What a connection test needs of the process it runs in, as what stands behind it gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from config.settings import Settings
from credentials.assume import Identity, Sts
from credentials.clock import Clock
from credentials.connection import Connection, KeyPair
from credentials.session import Session
from ingest.gate import Gates
from ingest.https import Fetcher
from ingest.s3.address import Location
from ingest.s3.transport import Transport


class OwnSts(Sts, Protocol):
    """STS, and our own credentials. `credentials.sts.AwsSts` is one."""

    async def own_session(self, *, fresh: bool = False) -> Session: ...

    async def identity_of(self, session: Session, *, region: str) -> Identity: ...


class Kept(Protocol):
    """What is kept of connections. `credentials.registry.Registry` is one."""

    async def secret(self, connection: Connection) -> str: ...

    async def keys(self, connection: Connection) -> KeyPair: ...

    async def trusts(self, connection: Connection, trust: str) -> None: ...


class IssuedId(Protocol):
    """The external ID that is issued for the name of a connection, or of a role."""

    async def __call__(self, name: str, *, what: str = "connection") -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Shared by every test of a process."""

    settings: Settings
    sts: OwnSts
    kept: Kept
    external_id: IssuedId
    located: Callable[[Connection, str], Location]
    """Where a connection's bucket is asked."""
    http: Transport
    """Goes where the operator sends it."""
    guarded: Transport
    """Goes where a tenant says, to permitted addresses only."""
    fetcher: Fetcher
    gates: Gates
    clock: Clock
