"""A place of a connection, tried: its bucket is reached, found in its region, and listed. Tells apart what AWS answers alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from config.errors import AccessDeniedError, ListConditionError, LongshoreError
from credentials.grants import Grant
from credentials.places import place_text
from ingest.check.asking import BucketDoor
from ingest.check.causes import denied, is_policy, plainly, told
from ingest.check.repairs import Repairs
from ingest.check.report import Reason, Step, failed, passed, warned
from ingest.check.waiting import Spreading, may_spread
from ingest.listable import DELIMITER, Shape, folder_of, listing_shape, may_be_condition, no_such_folder
from ingest.model import Page
from ingest.s3.client import S3Client
from ingest.s3.errors import uri

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
    def _name(self) -> str:
        return self.repairs.setup.connection

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
            why = (
                f"the connection says {self.said_region}, where its buckets are looked for first: that costs one request more for those "
                "that are elsewhere, and nothing else"
            )
            seen = f"the bucket is in {region}, which is found by itself"
            return warned(REGION, seen, Reason(why=why, target="connection"), about=self.about)
        return passed(REGION, f"the bucket is in {region}", about=self.about)

    async def list(self) -> tuple[Step, Shape | None]:
        """How it may be listed."""
        try:
            shape = await self.spreading.through(self._shape, good=_is_settled)
            known = None
            if shape.error is not None and shape.kind == "denied" and shape.error.code == "AccessDenied":
                known, shape = await self._told_apart(shape)
            if shape.kind == "walk":
                return await self._walked(), shape
        except LongshoreError as error:
            return failed(LIST, told(error), *plainly(error, endpoint=self.door.origin), about=self.about), None
        if shape.kind == "flat":
            return passed(LIST, "listed", about=self.about), shape
        refusal = shape.error or AccessDeniedError()
        if known is not None:
            return failed(LIST, told(refusal), known, about=self.about), shape
        return self.listing_refused(LIST, refusal), shape

    async def _shape(self) -> Shape:
        return await listing_shape(self.door.client, self.prefix)

    async def _walked(self) -> Step:
        """A condition that names one folder allows that one, and nothing below it. Raises SourceError, CredentialError."""
        folder, bucket = folder_of(self.prefix), self.door.location.bucket
        seen = (
            "listed folder by folder: a condition on s3:delimiter or s3:prefix forbids the plain listing; that takes a request for each "
            "folder"
        )
        page = await self._page(folder)
        below = next((one for one in page.common_prefixes if one.startswith(self.prefix)), None)
        if below is None:
            more = f" among its first {len(page.entries):,} keys" if page.next_token is not None else ""
            seen += f"; no folder is in it{more}, so that none below it could be tried"
            return passed(LIST, seen, about=self.about)
        try:
            await self.spreading.through(partial(self._page, below))
        except AccessDeniedError as error:
            if not may_be_condition(error):
                raise
            refusal = no_such_folder(error, bucket=bucket, walked=folder, folder=below, whole=None)
            refusal.__cause__ = error
            return self.listing_refused(LIST, refusal)
        return passed(LIST, f"{seen}; {uri(bucket, below)}, too", about=self.about)

    async def _page(self, folder: bytes) -> Page:
        return await self.door.client.list_page(prefix=folder, delimiter=DELIMITER)

    def listing_refused(self, name: str, error: LongshoreError) -> Step:
        """`name` failed since this was said to a LIST."""
        if not isinstance(error, AccessDeniedError) or not is_policy(error):
            return failed(name, told(error), *plainly(error, endpoint=self.door.origin), about=self.about)
        words = error.__cause__ if isinstance(error.__cause__, AccessDeniedError) else error
        reasons = list(denied(words, "list", self.place, self.repairs))
        if isinstance(error, ListConditionError):
            why = "a condition on s3:prefix allows one folder and not those in it: let it allow all that begins with the prefix"
            reasons.insert(0, Reason(why=why, target="role"))
        elif len(reasons) > 1 and self.place.prefix:
            reasons.insert(1, self._condition())
        return failed(name, told(error), *reasons, about=self.about)

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

    async def _told_apart(self, shape: Shape) -> tuple[Reason | None, Shape]:
        """Ask in other ways: what passes then is the cause, if what was refused still is. Policies may have spread meanwhile."""
        known = await self._payer() or await self._owner()
        return (None, shape) if known is None else await self._unless_it_passes(known)

    async def _unless_it_passes(self, known: Reason) -> tuple[Reason | None, Shape]:
        again = await self._shape()
        return (known if again.kind == "denied" else None), again

    async def _payer(self) -> Reason | None:
        if self.door.location.requester_pays or not await self._lists(requester_pays=True):
            return None
        why = (
            f"the bucket asks its readers to pay (Requester Pays): accept that by `longshore connections update {self._name} "
            "--requester-pays`; requests are then charged to the account that reads"
        )
        return Reason(why=why, target="connection")

    async def _owner(self) -> Reason | None:
        expected = self.door.location.expected_owner
        if expected is None or not await self._lists(expected_owner=None):
            return None
        theirs = self.account
        mine = theirs not in (None, expected) and await self._lists(expected_owner=theirs)
        whose = (
            f"it seems to belong to {theirs}, the account that reads it" if mine else "whose it is, AWS does not tell"
        )
        why = (
            f"the bucket does not belong to account {expected}, which the connection expects: {whose}; if that is "
            f"no surprise, `longshore connections update {self._name} --expected-owner {theirs if mine else 'ACCOUNT'}`; else somebody has "
            "taken the bucket's name"
        )
        return Reason(why=why, target="connection")

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
