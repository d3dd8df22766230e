"""One version of an object, looked at as if it were all there is of it: whatever is asked names its ID."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from ingest.model import Entry, ObjectHead, Page
from ingest.probe.looking import ObjectSource
from ingest.s3.body import Body
from ingest.versions import VersionEntries

_PAGES_MOST = 1_000
"""Of one key's versions: more than a run may list of it."""


class VersionSource(ObjectSource, Protocol):
    """A bucket whose versions can be listed."""

    async def list_versions(
        self, *, prefix: bytes, after: bytes | None = None, token: str | None = None, max_keys: int = 1000
    ) -> Page: ...


class OneVersion:
    """See `ingest.probe.looking.ObjectSource`. What is asked of another key is none of its business, and is not asked here."""

    def __init__(self, source: VersionSource, version_id: str, *, named: bool = True) -> None:
        """`named`: its ID is sent. Not every server knows the null version of a bucket without versions, where If-Match is enough."""
        self._source, self._version_id = source, version_id
        self._sent = version_id if named else None

    async def head(self, key: bytes, *, if_match: str | None = None, version_id: str | None = None) -> ObjectHead:
        return await self._source.head(key, if_match=if_match, version_id=version_id or self._sent)

    async def part(
        self, key: bytes, *, first: int, last: int, if_match: str | None = None, version_id: str | None = None
    ) -> tuple[ObjectHead, bytes]:
        sent = version_id or self._sent
        return await self._source.part(key, first=first, last=last, if_match=if_match, version_id=sent)

    def get(
        self,
        key: bytes,
        *,
        first: int | None = None,
        last: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> AbstractAsyncContextManager[Body]:
        sent = version_id or self._sent
        return self._source.get(key, first=first, last=last, if_match=if_match, version_id=sent)

    async def list_page(
        self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"", max_keys: int = 1000
    ) -> Page:
        """This version of the key `prefix`, if it is there."""
        del start_after, delimiter, max_keys
        token: str | None = None
        found: list[Entry] = []
        for _ in range(_PAGES_MOST):
            page = await self._source.list_versions(prefix=prefix, token=token)
            found = [one for one in page.entries if (one.key, one.version_id) == (prefix, self._version_id)]
            token = page.next_token
            if found or token is None or prefix not in page.entries.keys[-1:]:
                break
        return Page(entries=VersionEntries.of(found))


def source_of(source: VersionSource, entry: Entry) -> ObjectSource:
    """What to ask about this entry."""
    if not entry.version_id:
        return source
    plain = entry.version_id == "null" and bool(entry.is_latest)
    return OneVersion(source, entry.version_id, named=not plain)
