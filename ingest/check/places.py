"""A place of a connection, tried: its bucket is reached, found in its region, and listed. Tells apart what AWS answers alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from config.errors import AccessDeniedError, LongshoreError
from credentials.grants import Grant
from credentials.places import place_text
from ingest.check.asking import BucketDoor
from ingest.check.causes import denied, is_policy, plainly, told
from ingest.check.repairs import Repairs
from ingest.check.report import Reason, Step, failed, passed, warned
from ingest.check.waiting import Spreading, may_spread
from ingest.listable import Shape, listing_shape
from ingest.s3.client import S3Client

REACH: Final = "endpoint"
REGION: Final = "region"
LIST: Final = "list"
VERSIONS: Final = "list versions"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceTest:
    """One place through one session."""

    door: BucketDoor
    place: Grant
    repairs: Repairs
    spreading: Spreading
    said_region: str | None
    """What the connection says; None: nothing."""
    account: str | None
    """Of who asks, where that is known."""
    is_tenants: bool = False
    """The connection itself names the endpoint."""

    @property
    def about(self) -> str:
        return place_text(self.place)

    @property
    def prefix(self) -> bytes:
        return self.place.prefix.encode()

    async def reach(self) -> tuple[Step, Step | None]:
        """Name, address, TLS and an answer, by a request that nobody signed; and the region, if the answer tells it."""
        try:
            origin = self.door.origin
            knocked = await self.door.knock()
        except LongshoreError as error:
            return failed(REACH, told(error), *plainly(error), about=self.about), None
        if origin.startswith("https:"):
            reached = passed(REACH, f"{origin} answers over TLS, its certificate is good", about=self.about)
        elif self.is_tenants:
            why = "whoever is on the way reads and changes what passes: give the endpoint by https"
            reason = Reason(why=why, target="connection")
            reached = warned(REACH, f"{origin} answers without TLS", reason, about=self.about)
        else:
            reached = passed(REACH, f"{origin}, which the operator set, answers without TLS", about=self.about)
        return reached, self._region(knocked.region) if knocked.region else None

    def _region(self, region: str) -> Step:
        if self.said_region not in (None, region):
            why = f"the connection says {self.said_region}: `longshore connections update NAME --region {region}` saves a detour"
            seen = f"the bucket is in {region}, which is found by itself"
            return warned(REGION, seen, Reason(why=why, target="connection"), about=self.about)
        return passed(REGION, f"the bucket is in {region}", about=self.about)

    async def list(self) -> tuple[Step, Shape | None]:
        """How it may be listed."""
        ask = partial(listing_shape, self.door.client, self.prefix)
        try:
            shape = await self.spreading.through(ask, good=_is_settled)
        except LongshoreError as error:
            return failed(LIST, told(error), *plainly(error, endpoint=self.door.origin), about=self.about), None
        if shape.kind == "flat":
            return passed(LIST, "listed", about=self.about), shape
        if shape.kind == "walk":
            seen = (
                "listed folder by folder: a condition on s3:delimiter or s3:prefix forbids the plain listing; that works, and takes a "
                "request for each folder"
            )
            return passed(LIST, seen, about=self.about), shape
        return await self._denied(shape), shape

    async def _denied(self, shape: Shape) -> Step:
        error = shape.error or AccessDeniedError()
        known = await self._told_apart() if is_policy(error) else None
        seen = told(error)
        if known is not None:
            return failed(LIST, seen, known, about=self.about)
        reasons = list(denied(error, "list", self.place, self.repairs))
        if len(reasons) > 1 and self.place.prefix:
            reasons.insert(1, self._condition())
        return failed(LIST, seen, *reasons, about=self.about)

    async def versions(self) -> Step:
        try:
            await self.spreading.through(partial(self.door.versions, self.prefix))
        except AccessDeniedError as error:
            reasons = denied(error, "list_versions", self.place, self.repairs)
            return failed(VERSIONS, told(error), *reasons, about=self.about)
        except LongshoreError as error:
            return failed(VERSIONS, told(error), *plainly(error, endpoint=self.door.origin), about=self.about)
        return passed(VERSIONS, "listed", about=self.about)

    def _condition(self) -> Reason:
        prefix = self.place.prefix
        return Reason(
            why=f"a condition on s3:prefix lacks {prefix!r}, which must stand there with its slash (StringEquals {prefix.rstrip('/')!r} does "
            f"not allow it, StringLike {prefix + '*'!r} does), or one on s3:delimiter forbids listing without or with one",
            target="role",
        )

    async def _told_apart(self) -> Reason | None:
        """Ask in other ways: what passes then is the cause."""
        location = self.door.location
        if not location.requester_pays and await self._lists(requester_pays=True):
            why = (
                "the bucket asks its readers to pay (Requester Pays): accept that by `longshore connections update NAME --requester-pays`; "
                "requests are then charged to the account that reads"
            )
            return Reason(why=why, target="connection")
        if location.expected_owner is not None and await self._lists(expected_owner=None):
            theirs = self.account
            mine = theirs not in (None, location.expected_owner) and await self._lists(expected_owner=theirs)
            whose = (
                f"it seems to belong to {theirs}, the account that reads it"
                if mine
                else "whose it is, AWS does not tell"
            )
            why = (
                f"the bucket does not belong to account {location.expected_owner}, which the connection expects: {whose}; if that is "
                "no surprise, `longshore connections update NAME --expected-owner ACCOUNT`; else somebody has taken the bucket's name"
            )
            return Reason(why=why, target="connection")
        return None

    async def _lists(self, **changes: Any) -> bool:
        return await lists(self.door.asked(**changes), self.prefix)


def _is_settled(shape: Shape) -> bool:
    return shape.kind != "denied" or (shape.error is not None and not may_spread(shape.error))


async def lists(client: S3Client, prefix: bytes) -> bool:
    try:
        await client.list_page(prefix=prefix, max_keys=1)
    except LongshoreError:
        return False
    return True


def region_by_listing(test: PlaceTest) -> Step:
    """Where no header told the region: what was signed for it was taken."""
    region = test.door.client.region
    return passed(REGION, f"the server does not tell; requests signed for {region} are taken", about=test.about)
