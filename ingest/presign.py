"""Signed URLs of single objects, through one connection. Hides what a URL may promise, and how an answer's headers are asked for.

A signed URL is a secret until it ends: whoever has it reads the object. None is ever logged or kept here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from config.errors import ClockSkewError, PresignError, SessionRefusedError
from config.limits import Limits
from credentials.connection import Connection
from credentials.session import Access, Session
from ingest.dispositions import attachment, checked_content_type
from ingest.flow import first_of
from ingest.s3.address import Address
from ingest.s3.presigning import LONGEST_S, QuerySigner

DEFAULT_S: Final = 900
_KEY_BYTES: Final = 1024
_VERSION_BYTES: Final = 1024


class Wanted(NamedTuple):
    """One object that somebody wants to read by a URL."""

    bucket: str
    key: bytes
    version_id: str | None = None
    filename: str | None = None
    """Given: the browser saves the object by this name. None: it shows it."""
    content_type: str | None = None
    """Given: what the answer says it is, instead of what the object was stored as."""

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key.decode(errors='backslashreplace')}"

    @property
    def fit_for_browsers(self) -> bool:
        """False: the key has a part `.` or `..`, which browsers (URL Standard, "path state") take out of any URL; curl needs --path-as-is."""
        return not {b".", b".."} & set(self.key.split(b"/"))


@dataclass(frozen=True, slots=True)
class Presigned:
    """A URL that answers GET for whoever has it. Its repr does not show it."""

    url: str = field(repr=False)
    expires_at: int
    """Unix time in seconds from which on it is refused."""


def parameters_of(connection: Connection, one: Wanted) -> tuple[tuple[str, bytes], ...]:
    """What the URL carries besides its signature. Raises PresignError or OutOfScopeError that names the object; asks nobody."""
    if not one.key:
        raise PresignError(f"{one.uri} names a bucket, and a signed URL is for one object: write s3://{one.bucket}/key")
    if len(one.key) > _KEY_BYTES:
        raise PresignError(f"{one.uri[:80]}...: the key has {len(one.key):,} bytes, and S3's have at most 1,024")
    connection.permits(one.bucket, one.key)
    disposition = "inline" if one.filename is None else attachment(one.filename)
    parameters = [("response-content-disposition", disposition.encode())]
    if one.content_type is not None:
        parameters.append(("response-content-type", checked_content_type(one.content_type).encode()))
    if one.version_id is not None:
        if not 0 < len(one.version_id) <= _VERSION_BYTES or not one.version_id.isprintable():
            raise PresignError(f"{one.uri}: {one.version_id[:80]!r} can't be the ID of a version")
        parameters.append(("versionId", one.version_id.encode()))
    spec = connection.bucket_spec
    if spec.requester_pays:
        # documented for the query: User Guide, "Downloading objects from Requester Pays buckets"
        parameters.append(("x-amz-request-payer", b"requester"))
    if spec.expected_owner is not None:
        # documented as a header only; AWS's SDK for JavaScript moves it, like all x-amz-*, into the query of what it signs
        parameters.append(("x-amz-expected-bucket-owner", spec.expected_owner.encode()))
    return tuple(parameters)


class Presigner:
    """Signs URLs through one connection; sends nothing but, once for each bucket, a question for its region."""

    def __init__(
        self,
        *,
        connection: Connection,
        access: Access,
        address: Callable[[str], Awaitable[Address]],
        limits: Limits,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`address`: where requests for a bucket go, as this connection sends them; `clock` gives Unix time, the same that `access` goes by."""
        self._connection, self._access, self._address = connection, access, address
        self._limits, self._clock = limits, clock
        self._signer = QuerySigner()

    async def sign(self, wanted: Sequence[Wanted], *, expires_s: int = DEFAULT_S) -> list[Presigned]:
        """A URL for each, in this order, all of which last for `expires_s` (1..604,800) seconds; or none at all.

        Never one that ends before it says so: no URL outlasts the session that signs it, so a fresh one is asked for where the
        one held is too old. Raises PresignError if no session lasts as long or anything can't be asked for, OutOfScopeError,
        which comes before anybody is asked anything, CredentialError, and what `address` raises.
        """
        if not 1 <= expires_s <= LONGEST_S:
            raise PresignError(f"a signed URL lasts 1 to {LONGEST_S:,} seconds (7 days), not {expires_s:,}")
        if len(wanted) > self._limits.presign_batch:
            raise PresignError(
                f"{len(wanted):,} URLs were asked for in one go, and {self._limits.presign_batch:,} are the most "
                "(LONGSHORE_LIMITS__PRESIGN_BATCH); ask for them in several"
            )
        parameters = [parameters_of(self._connection, one) for one in wanted]
        if not wanted:
            return []
        places = await self._places({one.bucket for one in wanted})
        session, now = await self._session(expires_s)
        signs = {
            bucket: self._signer.begin(session, address, expires_s=expires_s, now=now)
            for bucket, address in places.items()
        }
        expires_at = int(now) + expires_s
        return [
            Presigned(signs[one.bucket](one.key, more), expires_at)
            for one, more in zip(wanted, parameters, strict=True)
        ]

    async def _places(self, buckets: set[str]) -> dict[str, Address]:
        asked = {}
        try:
            async with asyncio.TaskGroup() as group:
                for bucket in sorted(buckets):
                    asked[bucket] = group.create_task(self._at(bucket))
        except BaseExceptionGroup as errors:
            raise first_of(errors) from errors
        return {bucket: task.result() for bucket, task in asked.items()}

    async def _at(self, bucket: str) -> Address:
        return await self._address(bucket)

    async def _session(self, expires_s: int) -> tuple[Session, float]:
        """One that lasts longer than the URLs, and what time it is."""
        for turn in range(2):
            if turn:  # the wall clock was set since this session was asked for: the end of another one is reckoned anew
                await self._access.renew()
            try:
                session = await self._access.session(min_remaining_s=expires_s)
            except SessionRefusedError as error:
                if error.code != "SessionTooShort":
                    raise
                raise PresignError(
                    f"a URL ends with the session that signs it, so none can last {expires_s:,} s: {error.message}",
                    **error.fields,
                ) from error
            now = self._clock()
            if session.usable_until is None or now + expires_s <= session.usable_until:
                return session, now
        raise ClockSkewError(
            f"connection {self._connection.name!r}: its session ends before a URL of {expires_s:,} s would; this machine's clock "
            "was set meanwhile: try again in a minute, or ask for less"
        )
