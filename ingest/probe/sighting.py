"""Asking an object of which only the name is known; hides that its first answer says both what it is and what the probe wants to know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, NamedTuple, Protocol, runtime_checkable

from config.errors import (
    AccessDeniedError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectMissingError,
    ObjectUnchangedError,
    RequestRefusedError,
    SourceError,
)
from ingest.catalog.assets import Asset
from ingest.job import Depth
from ingest.known import KnownAsset
from ingest.model import Entries, Entry, Fingerprint, ObjectHead, Page, Validator
from ingest.probe.looking import Change, ObjectSource, Probe, Probed, Step, look
from ingest.s3.body import Body
from ingest.sources.web_head import as_listed

_SECOND: Final = len("2024-01-01T00:00:00")
GONE: Final = "NoSuchKey"
"""The code of an object that was named and is not there."""


@runtime_checkable
class Conditional(Protocol):
    """A source whose objects are told apart by their ETag, or their date, as nothing else is known of them. `HttpsSource` is such.

    A bucket is none: the same bytes that were put again have the same ETag, whatever their metadata and storage class are now.
    """

    def unless(self, known: Validator) -> ObjectSource:
        """The same, but an object that is still the one that is `known` raises ObjectUnchangedError."""
        ...


class Name(NamedTuple):
    """One object that was named."""

    key: bytes
    known: KnownAsset | None
    """As the catalog has it."""


class Sighting(NamedTuple):
    """What an object's first answer brought."""

    head: ObjectHead
    first: bytes = b""
    """The bytes that it begins with, if they were asked for."""


Sight = Callable[[ObjectSource, bytes], Awaitable[Sighting]]


def sight_of(depth: Depth, length: Callable[[bytes], int]) -> Sight:
    """How objects are asked for the first time. `length`: how many bytes of one to ask for at depth `media`, by its key.

    At depth `content` for their headers, too: a body that is held open while something else waits for its turn would hold up both.
    """
    if depth == "media":
        return lambda source, key: _first_bytes(source, key, length(key))
    return _headers


async def _headers(source: ObjectSource, key: bytes) -> Sighting:
    return Sighting(await source.head(key))


async def _first_bytes(source: ObjectSource, key: bytes, length: int) -> Sighting:
    try:
        return Sighting(*await source.part(key, first=0, last=length - 1))
    except ObjectArchivedError:
        return Sighting(await source.head(key))
    except RequestRefusedError as error:
        if error.fields.get("object_size") != "0":  # no range of an empty object can be satisfied
            raise
        return Sighting(await source.head(key))


class NamedLook:
    """How the named objects of one bucket or server are looked at."""

    def __init__(self, *, sight: Sight, probe: Probe, steps: Sequence[Step]) -> None:
        self._sight, self._probe, self._steps = sight, probe, steps
        self._there = False
        """Whether the bucket is known to be there."""

    async def __call__(self, source: ObjectSource, name: Name) -> Probed:
        """Ask one object, once if it is as it is known or was not. Its outcome may be `unchanged`, without a record, and is never `vanished`: what
        is named and is not there has failed. Raises as `look` does.
        """
        settled = None if name.known is None or name.known.unsettled else name.known.fingerprint
        try:
            seen = await self._first(source, name.key, settled)
            entry = _entry_of(name, seen.head)
            if settled == _fingerprint(entry) and (entry.etag or entry.last_modified):
                return Probed(outcome="unchanged", asset=None)
            change = Change(entry, int(name.known is None))
            found = await look(_Sighted(source, entry, seen), change, probe=self._probe, steps=self._steps)
        except ObjectUnchangedError:
            return Probed(outcome="unchanged", asset=None)
        except ObjectMissingError as missing:
            if "code" not in missing.fields and not self._there:
                await _check_bucket(source, name.key)
            found = unread(name, missing)
        except (AccessDeniedError, ObjectArchivedError, ObjectChangedError, RequestRefusedError) as refused:
            return unread(name, refused)
        self._there = True
        gone = f"{name.key.decode(errors='backslashreplace')!r} was deleted while it was being looked at"
        return found if found.asset is not None else unread(name, ObjectMissingError(gone))

    def _first(self, source: ObjectSource, key: bytes, settled: Fingerprint | None) -> Awaitable[Sighting]:
        """The first answer of an object. Of one that may be as it is known, no more is asked than tells that."""
        if settled is None:
            return self._sight(source, key)
        if isinstance(source, Conditional):
            return self._sight(source.unless(Validator(settled[1], settled[2])), key)
        return _headers(source, key)


def unread(name: Name, error: SourceError) -> Probed:
    """The object could not be read; its record says why, and keeps what is known of it."""
    if isinstance(error, ObjectMissingError):
        error.fields["code"] = GONE
    fingerprint = (0, "", "", "STANDARD", "") if name.known is None else name.known.fingerprint
    asset = Asset(name.key, *fingerprint, "failed", "list", error.code)
    return Probed(outcome="failed", asset=asset, error=error)


async def _check_bucket(source: ObjectSource, key: bytes) -> None:
    """A HEAD's 404 does not say whether the bucket is there; a GET's does. Raises BucketMissingError."""
    with suppress(ObjectMissingError, AccessDeniedError, RequestRefusedError, ObjectArchivedError):
        await source.part(key, first=0, last=0)


def _fingerprint(entry: Entry) -> Fingerprint:
    return (*entry[1:5], entry.checksum_kind)


def _entry_of(name: Name, head: ObjectHead) -> Entry:
    """As a listing would say it. Of the object that is known it stays as it was listed: some storages list milliseconds, and not
    every answer names the checksum.
    """
    algorithm, kind, modified = head.checksum_algorithm, head.checksum_type, as_listed(head.last_modified)
    if name.known is not None and head.etag == name.known.fingerprint[1]:
        _, _, listed, _, checksum = name.known.fingerprint
        if listed[:_SECOND] == modified[:_SECOND]:
            modified = listed
            algorithm, _, kind = checksum.partition(" ")
    return Entry(name.key, head.size, head.etag, modified, head.storage_class, algorithm, kind)


class _Sighted:
    """One object, as a probe asks for it: what the first answer brought is not asked for again. See `ObjectSource`."""

    def __init__(self, source: ObjectSource, entry: Entry, seen: Sighting) -> None:
        self._source, self._entry = source, entry
        self._seen: Sighting | None = seen

    async def head(self, key: bytes, *, if_match: str | None = None, version_id: str | None = None) -> ObjectHead:
        if self._seen is not None:
            return self._seen.head
        return await self._source.head(key, if_match=if_match, version_id=version_id)

    async def part(
        self, key: bytes, *, first: int, last: int, if_match: str | None = None, version_id: str | None = None
    ) -> tuple[ObjectHead, bytes]:
        if (seen := self._seen) is not None and first == 0 and seen.first:
            return seen.head, seen.first[: last + 1]  # perhaps fewer than are asked for by now
        return await self._source.part(key, first=first, last=last, if_match=if_match, version_id=version_id)

    def get(
        self,
        key: bytes,
        *,
        first: int | None = None,
        last: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> AbstractAsyncContextManager[Body]:
        return self._source.get(key, first=first, last=last, if_match=if_match, version_id=version_id)

    async def list_page(
        self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"", max_keys: int = 1000
    ) -> Page:
        """It changed or went: ask anew, since nothing is listed. Empty if it is not there."""
        del start_after, delimiter, max_keys
        self._seen = None
        try:
            head = await self._source.head(prefix)
        except ObjectMissingError:
            return Page(entries=Entries())
        return Page(entries=Entries.of([_entry_of(Name(prefix, None), head)]))
