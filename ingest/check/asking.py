"""One bucket as the connection test asks it: as runs do, and in ways that tell causes apart. Hides headers that runs have no use for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, Final

from config.limits import Limits
from credentials.session import Access, Session
from ingest.events import ignore
from ingest.gate import Gates
from ingest.s3.address import Address, Location, address_of
from ingest.s3.client import S3Client
from ingest.s3.errors import Subject
from ingest.s3.exchange import Call, Exchange
from ingest.s3.transport import Answer, Places, Transport

_REGION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ANY_STATUS: Final = frozenset(range(200, 600))
_NOBODY: Final = Session(access_key_id="", secret_access_key="")  # signs nothing


class Skews:
    """How far our clock is from those of others, by the Date of their answers."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.seen: dict[str, float] = {}
        """By whose clock, seconds that ours is ahead; to the second, as dates are."""

    def note(self, whose: str, date: str) -> None:
        try:
            theirs = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            return
        self.note_time(whose, theirs)

    def note_time(self, whose: str, theirs: float) -> None:
        ahead = self._now() - theirs
        # a date is rounded down, and its answer was under way for some time: neither is a fault of the clock
        self.seen.setdefault(whose, 0.0 if 0 <= ahead < _UNDER_WAY_S else ahead)


_UNDER_WAY_S: Final = 2.0


class Noting:
    """A transport that notes the time of each answer."""

    def __init__(self, http: Transport, skews: Skews) -> None:
        self._http, self._skews = http, skews

    @property
    def places(self) -> Places:
        return self._http.places

    async def send(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        *,
        body: bytes = b"",
        patience_s: float | None = None,
        fresh: bool = False,
    ) -> Answer:
        answer = await self._http.send(method, origin, target, headers, body=body, patience_s=patience_s, fresh=fresh)
        self._skews.note(origin, answer.headers.get("date", ""))
        return answer


class Held:
    """The Access of one session, which is what it is: a test wants to hear of a refusal, and not to have it mended."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def session(self, *, min_remaining_s: float = 0.0) -> Session:  # noqa: ARG002 - it has no other to give
        return self._session

    async def reject(self, access_key_id: str) -> None:
        """There is no other session."""

    async def renew(self) -> None:
        """There is no other session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knocked:
    """What a bucket says to whoever says nothing of itself."""

    status: int
    region: str
    """Empty if it does not say."""


class BucketDoor:
    """One bucket through one session."""

    def __init__(
        self,
        *,
        http: Transport,
        gates: Gates,
        limits: Limits,
        location: Location,
        now: Callable[[], float],
        access: Access | None = None,
    ) -> None:
        """Raises SourceError or SettingsError for a location that can't be."""
        self.location = location
        self._http, self._gates, self._limits, self._now = http, gates, limits, now
        self._access = access or Held(_NOBODY)
        self.client = self.asked()

    def signed_by(self, access: Access) -> BucketDoor:
        return BucketDoor(
            http=self._http,
            gates=self._gates,
            limits=self._limits,
            location=self.location,
            now=self._now,
            access=access,
        )

    def asked(self, **changes: Any) -> S3Client:
        """A client that asks in another way: `changes` are fields of Location."""
        return S3Client(
            http=self._http,
            gates=self._gates,
            access=self._access,
            location=replace(self.location, **changes),
            limits=self._limits,
            clock=self._now,
        )

    @property
    def origin(self) -> str:
        return address_of(self.location, self.location.region).origin

    async def knock(self) -> Knocked:
        """A HEAD that nobody signed: S3 names the bucket's region whatever else it answers. Raises SourceError."""
        subject = Subject(request="head", bucket=self.location.bucket, key=b"")
        call = Call(subject=subject, method="HEAD", good=_ANY_STATUS, signed=False)
        address = address_of(self.location, self.location.region)
        with await self._exchange().attempt(call, address) as answered:
            region = answered.headers.get("x-amz-bucket-region", "")
            return Knocked(status=answered.status, region=region if _REGION.fullmatch(region) else "")

    async def plain_head(self, key: bytes) -> Mapping[str, str]:
        """The headers of an object without its checksum, which an encrypted one tells only to who may decrypt. Raises SourceError."""
        subject = Subject(request="head", bucket=self.location.bucket, key=key)
        call = Call(subject=subject, method="HEAD", key=key, headers=self._headers())
        with await self._exchange().attempt(call, self._address()) as answered:
            return answered.headers

    async def tags(self, key: bytes, version: bytes = b"") -> None:
        """Read the tags of an object, or of a version of it. Raises SourceError."""
        subject = Subject(request="get", bucket=self.location.bucket, key=key)
        query = {"tagging": b""} | ({"versionId": version} if version else {})
        await self._answered(Call(subject=subject, method="GET", key=key, query=query, headers=self._headers()))

    async def versions(self, prefix: bytes) -> None:
        """List one version. Raises SourceError."""
        subject = Subject(request="list", bucket=self.location.bucket, key=prefix)
        query = {"versions": b"", "prefix": prefix, "max-keys": b"1"}
        await self._answered(Call(subject=subject, method="GET", query=query, headers=self._headers()))

    async def _answered(self, call: Call) -> None:
        with await self._exchange().attempt(call, self._address()) as answered:
            await answered.all(most=self._limits.list_body_bytes)

    def _address(self) -> Address:
        return address_of(self.location, self.client.region)

    def _headers(self) -> dict[str, str]:
        headers = {"x-amz-request-payer": "requester"} if self.location.requester_pays else {}
        if self.location.expected_owner is not None:
            headers["x-amz-expected-bucket-owner"] = self.location.expected_owner
        return headers

    def _exchange(self) -> Exchange:
        return Exchange(
            http=self._http,
            gates=self._gates,
            access=self._access,
            share=asyncio.Semaphore(self._limits.requests_per_connection),
            limits=self._limits,
            observe=ignore,
            clock=self._now,
        )
