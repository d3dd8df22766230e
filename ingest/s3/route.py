"""What makes a refused request worth sending again at once: a fresh session, or the bucket's true region."""

from __future__ import annotations

from config.errors import (
    AccessDeniedError,
    RegionError,
    SessionExpiredError,
    SourceError,
)
from credentials.session import Access
from ingest.s3.address import Address, Location, address_of, same_partition
from ingest.s3.errors import Subject, explained
from ingest.s3.exchange import Call, Exchange

_ANY_STATUS = frozenset(range(200, 600))


class Route:
    """Where one client sends its requests; it learns, once per call at most, from what comes back."""

    def __init__(self, location: Location, *, access: Access, exchange: Exchange) -> None:
        self.address = address_of(location, location.region)
        self._location = location
        self._access = access
        self._exchange = exchange

    async def repair(self, call: Call, error: SourceError) -> bool:
        """True if the cause of the error is gone. Raises RegionError for a region that can't be, and CredentialError."""
        if isinstance(error, RegionError):
            return await self._move(call, error)
        if isinstance(error, SessionExpiredError):
            return await self._refresh(call, rejected=True)
        if error.code == "SignatureDoesNotMatch":
            return await self._sign_anew(call)
        # a session whose policy ends it before STS does is denied, not expired
        return isinstance(error, AccessDeniedError) and call.outlived and await self._refresh(call, rejected=False)

    async def _refresh(self, call: Call, *, rejected: bool) -> bool:
        if call.refreshed:
            return False
        call.refreshed = True
        if rejected:
            await self._access.reject(call.access_key_id)
        fresh = await self._access.session()
        if fresh.access_key_id == call.access_key_id and not rejected:
            await self._access.renew()
            fresh = await self._access.session()
        return fresh.access_key_id != call.access_key_id

    async def _sign_anew(self, call: Call) -> bool:
        """A long-lived key may have another secret by now; a session's does not change."""
        if call.refreshed or call.usable_until is not None:
            return False
        call.refreshed = True
        if (await self._access.session()).secret_access_key in call.secrets:  # nobody has asked for another yet
            await self._access.renew()
        return (await self._access.session()).secret_access_key not in call.secrets

    async def _move(self, call: Call, error: SourceError) -> bool:
        if call.moved:
            return False
        call.moved = True
        if self.address.region != call.region:
            return True  # another task has found it meanwhile
        region = error.fields.get("region")
        region = region or await look_up(self._exchange, self.address, self._location.bucket)
        found = moved(self._location, self.address, region)
        self.address = found or self.address
        return found is not None


async def look_up(exchange: Exchange, address: Address, bucket: str) -> str:
    """Ask for the bucket without signing: S3 names its region whatever else it answers. Empty if it does not."""
    call = Call(subject=Subject(request="head", bucket=bucket, key=b""), method="HEAD", good=_ANY_STATUS, signed=False)
    try:
        with await exchange.attempt(call, address) as answered:
            return answered.headers.get("x-amz-bucket-region", "")
    except SourceError:
        return ""


def moved(location: Location, here: Address, region: str) -> Address | None:
    """Where the bucket is, if the storage says this region; None if that leads nowhere else. Raises RegionError.

    Only the name of a region is taken from an answer; the address is built here.
    """
    if not region or region == here.region:
        return None
    if location.endpoint is None and not same_partition(region, here.region):
        return None
    return address_of(location, region)


def still_refused(call: Call, error: SessionExpiredError) -> SourceError:
    """What it means when a fresh session did not help, or there is no other."""
    if error.code == "InvalidAccessKeyId":
        why = "the storage does not know this access key, and there is no other"
        return explained(AccessDeniedError, call.subject, why, **error.fields)
    return error
