"""Looking at one changed object: hides that it may change, move or go while it is being looked at. A bad object is a value here,
never an exception.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

from config.errors import (
    AccessDeniedError,
    ContentMismatchError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectMissingError,
    ProtocolError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)
from ingest.catalog.assets import Asset
from ingest.model import Entry, ObjectHead, Page
from ingest.probe.records import listed
from ingest.s3.body import Body

_RELISTED_MOST = 3
_REFUSALS = (AccessDeniedError, ContentMismatchError, ObjectArchivedError, RequestRefusedError)
"""What this object meets, whatever is asked of it again."""


class ObjectSource(Protocol):
    """What a probe asks. `ingest.s3.client.S3Client` is one."""

    async def head(self, key: bytes, *, if_match: str | None = None, version_id: str | None = None) -> ObjectHead: ...

    async def part(
        self, key: bytes, *, first: int, last: int, if_match: str | None = None, version_id: str | None = None
    ) -> tuple[ObjectHead, bytes]:
        """Bytes `first` to `last`, both inclusive, as many as there are of them."""
        ...

    def get(
        self,
        key: bytes,
        *,
        first: int | None = None,
        last: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> AbstractAsyncContextManager[Body]: ...

    async def list_page(
        self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"", max_keys: int = 1000
    ) -> Page: ...


class Change(NamedTuple):
    """An entry that is not as the catalog knows it."""

    entry: Entry
    new: int
    """1 if the catalog does not know it, else 0."""


class Probed(NamedTuple):
    """One change, looked at."""

    outcome: str
    """vanished, archived, failed, changed or added."""
    asset: Asset | None
    """None if the object vanished."""
    error: SourceError | None = None
    """Why it failed."""


Probe = Callable[[ObjectSource, Entry], Awaitable[Asset]]
"""What one depth asks of exactly the object that was listed (If-Match), as a record. Raises SourceError, CredentialError."""
Step = Callable[[ObjectSource, Entry, Asset], Awaitable[Asset]]
"""What is asked or done besides, once the object is known to be there; returns the record with what came of it. Raises as `Probe` does."""


async def look(source: ObjectSource, change: Change, *, probe: Probe, steps: Sequence[Step] = ()) -> Probed:
    """Probe one change. If the object changed since it was listed, it is listed again by its key, so that a record never mixes two
    versions. Raises only what concerns more than this object: CredentialError, and SourceError of the kinds that speak of bucket,
    region or clock.
    """
    if change.entry.is_delete_marker:  # there is nothing behind it
        return Probed("added" if change.new else "changed", listed(change.entry, "present"))
    try:
        return await _looked_at(source, change, probe, steps)
    except AccessDeniedError as denied:  # to list a single key is what a condition on s3:prefix may have no room for
        return failed(change, denied)


async def _looked_at(source: ObjectSource, change: Change, probe: Probe, steps: Sequence[Step]) -> Probed:
    entry: Entry | None = change.entry
    error: SourceError | None = None
    for _ in range(_RELISTED_MOST):
        if entry is None:
            return Probed(outcome="vanished", asset=None)
        try:
            return await _stepped(source, change, entry, await probe(source, entry), steps)
        except ObjectMissingError as missing:
            now = await _listed_again(source, entry)
            if now == entry:
                missing.fields["code"] = "ListedButMissing"
                return failed(change, missing)
            entry = now
        except ObjectChangedError as changed:
            error = changed
            entry = await _listed_again(source, entry)
        except _REFUSALS as refused:
            gone = isinstance(refused, AccessDeniedError) and await _is_gone(source, entry)
            return Probed(outcome="vanished", asset=None) if gone else failed(change, refused)
    why = f"the object changed {_RELISTED_MOST} times while it was being read"
    return failed(change, error or ObjectChangedError(why, code="ObjectChanged"))


async def _stepped(source: ObjectSource, change: Change, entry: Entry, asset: Asset, steps: Sequence[Step]) -> Probed:
    """What comes of an object that was read. What a step can't do with it costs nothing of what is known by now."""
    try:
        for step in steps:
            asset = await step(source, entry, asset)
    except (*_REFUSALS, ProtocolError, SourceUnavailableError) as error:
        return failed(change, error, asset)
    outcome = "archived" if asset.state == "archived" else "added" if change.new else "changed"
    return Probed(outcome, asset)


async def _is_gone(source: ObjectSource, entry: Entry) -> bool:
    """Where a policy allows listing by prefix only, S3 says "denied" of an object that is gone; its listing tells."""
    try:
        return await _listed_again(source, entry) is None
    except AccessDeniedError:
        return False


async def _listed_again(source: ObjectSource, entry: Entry) -> Entry | None:
    page = await source.list_page(prefix=entry.key, max_keys=1)
    return next((now for now in page.entries if (now.key, now.version_id) == (entry.key, entry.version_id)), None)


def failed(change: Change, error: SourceError, read: Asset | None = None) -> Probed:
    """The object could not be read; its record says why, and the next run tries again. `read`: it was, and what was to be done with it
    could not be.
    """
    asset = (read or listed(change.entry, "failed"))._replace(state="failed", error_code=error.code)
    return Probed(outcome="failed", asset=asset, error=error)
