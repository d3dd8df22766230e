"""How a run's connection becomes something to read from: hides that buckets are signed for and HTTPS servers are logged in to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from config.errors import OutOfScopeError
from config.limits import Limits
from credentials.connection import Connection
from credentials.grants import Grant
from credentials.session import Access, Renewing
from credentials.web import WebAccess
from ingest.adapting import Adaptive
from ingest.catalog.runs import Run
from ingest.copy_place import CopyPlace
from ingest.denials import OF_BUCKETS, OF_SERVERS
from ingest.events import Observe
from ingest.extras import Extras, no_steps
from ingest.naming import is_web
from ingest.pipeline import BucketSource
from ingest.probe.looking import ObjectSource, Step
from ingest.walking import FolderSource


class StoredBucket(FolderSource, ObjectSource, Protocol):
    """What is asked of a bucket, be it listed or not. `ingest.s3.client.S3Client` is one."""


class Storage(Protocol):
    """How a connection becomes something to read from. Built in `worker/service.py`."""

    async def connection(self, name: str) -> Connection:
        """Raises UnknownConnectionError."""
        ...

    async def access(
        self,
        connection: Connection,
        *,
        run_id: str,
        places: Sequence[Grant],
        copy_to: Grant | None,
        sts_asked: Callable[[], None],
    ) -> Access:
        """Raises CredentialError. `places`: all that it reads. `copy_to`: where it writes, if it does. `sts_asked` is called for every session that STS is asked for."""
        ...

    async def login(self, connection: Connection) -> WebAccess:
        """Raises CredentialError, SecretKeyError."""
        ...

    def web(self, connection: Connection, access: WebAccess, origin: str, *, observe: Observe) -> ObjectSource: ...

    def bucket(self, connection: Connection, access: Access, bucket: str, *, observe: Observe) -> StoredBucket: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What a slice reads from, by name."""

    access: Renewing
    bucket: Callable[[str], BucketSource]
    named: Callable[[str], ObjectSource]
    """A bucket, or an HTTPS server by its origin."""
    causes: str
    """Why it may deny everything, for people."""
    steps: Callable[[Extras | None], Callable[[str], list[Step]]]
    """What is done with objects besides, by their bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """Of one connection, for one slice of a run."""

    storage: Storage
    connection: Connection
    run: Run
    limits: Limits
    observe: Observe
    _buckets: dict[str, BucketSource] = field(default_factory=dict)

    async def open(self, *, copies: CopyPlace | None, sts_asked: Callable[[], None]) -> Opened:
        """`copies`: where some are written. Raises CredentialError. `sts_asked` is called for every session that STS is asked for."""
        if self.run.sources and is_web(self.run.sources[0].bucket):
            login = await self.storage.login(self.connection)
            return Opened(
                access=login,
                bucket=self._none,
                named=partial(self._web, login),
                steps=lambda _extras: no_steps,
                causes=OF_SERVERS,
            )
        places = [Grant(bucket=one.bucket, prefix=one.prefix.decode()) for one in self.run.sources]
        copy_to = None if copies is None else copies.grant
        access = await self.storage.access(
            self.connection, run_id=self.run.id, places=places, copy_to=copy_to, sts_asked=sts_asked
        )
        return Opened(
            access=access,
            bucket=partial(self._listed, access),
            named=partial(self._stored, access),
            steps=partial(self._steps, access),
            causes=OF_BUCKETS,
        )

    def _steps(self, access: Access, extras: Extras | None) -> Callable[[str], list[Step]]:
        if extras is None:
            return no_steps
        return partial(extras.steps, self.run, self.connection, access, self.observe)

    def _web(self, login: WebAccess, origin: str) -> ObjectSource:
        return self.storage.web(self.connection, login, origin, observe=self.observe)

    def _stored(self, access: Access, bucket: str) -> StoredBucket:
        return self.storage.bucket(self.connection, access, bucket, observe=self.observe)

    def _listed(self, access: Access, bucket: str) -> BucketSource:
        if bucket not in self._buckets:
            self._buckets[bucket] = Adaptive(
                self._stored(access, bucket),
                bucket=bucket,
                permits=partial(_permits, self.connection, bucket),
                page_keys=self.limits.page_keys,
                streams=self.limits.list_streams,
            )
        return self._buckets[bucket]

    def _none(self, bucket: str) -> BucketSource:
        raise OutOfScopeError(f"{bucket} is an HTTPS server, and can't be listed")


def _permits(connection: Connection, bucket: str, prefix: bytes) -> bool:
    try:
        connection.permits(bucket, prefix)
    except OutOfScopeError:
        return False
    return True
