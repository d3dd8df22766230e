"""A bucket in memory, as the pipeline asks for one: pages, heads, and a log of what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256

from config.errors import ObjectArchivedError, ObjectChangedError, ObjectMissingError
from ingest.model import ARCHIVED, Entries, Entry, ObjectHead, Page, Range, Recall
from ingest.s3.body import Body
from ingest.s3.errors import Subject


@dataclass
class FakeBucket:
    """`objects` by key: (size, etag, last_modified, storage class)."""

    objects: dict[bytes, tuple[int, str, str, str]] = field(default_factory=dict)
    bodies: dict[bytes, bytes] = field(default_factory=dict)
    """By key; else as many zeros as the object is long."""
    headers: dict[bytes, dict[str, str]] = field(default_factory=dict)
    """By key: what a probe sees besides."""
    page_keys: int = 1000
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    recalled: int = 0
    """Pages that came again as they were seen."""
    before: Callable[[str, bytes], None] = lambda _request, _key: None
    """Called before each answer: raises what the bucket should raise, or changes the bucket."""

    def put(
        self,
        key: bytes,
        *,
        size: int = 1,
        etag: str = "e",
        at: str = "2026-01-01T00:00:00.000Z",
        storage: str = "STANDARD",
    ) -> None:
        self.objects[key] = (size, etag, at, storage)

    async def list_page(
        self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"", max_keys: int = 1000
    ) -> Page:
        self._asked("list", start_after or prefix)
        if not delimiter:
            return self._page(prefix, Range(start_after), max_keys)
        keys: list[bytes] = []
        for key in sorted(key for key in self.objects if key.startswith(prefix) and key in Range(start_after)):
            end = key.find(delimiter, len(prefix))
            name = key if end < 0 else key[: end + len(delimiter)]
            if not keys or keys[-1] != name:
                keys.append(name)
        most = min(max_keys, self.page_keys)
        return Page(
            entries=Entries.of(
                Entry(key, *self.objects[key]) for key in keys[:most] if delimiter not in key[len(prefix) :]
            ),
            common_prefixes=[key for key in keys[:most] if delimiter in key[len(prefix) :]],
            next_token="more" if len(keys) > most else None,
        )

    async def pages(
        self, *, prefix: bytes, within: Range | None = None, delimiter: bytes = b"", recall: Recall | None = None
    ) -> AsyncGenerator[Page]:
        assert not delimiter, "tests/fakes/folders.py has a bucket that can be walked"
        within = within or Range()
        while True:
            self._asked("list", within.lo or prefix)
            page = self._page(prefix, within, self.page_keys)
            last = page.entries.last if page.entries else None
            if recall is not None and (seen := recall(within.lo)) is not None and seen.digest == page.entries.digest:
                assert (seen.hi, seen.listed) == (last, len(page.entries))
                self.recalled += 1
                whole = page.entries.columns
                page = replace(page, entries=Entries.recalled(seen, lambda whole=whole: whole))  # type: ignore[misc]
            yield page
            if page.next_token is None:
                return
            within = Range(last, within.hi)

    async def list_versions(
        self, *, prefix: bytes, after: bytes | None = None, token: str | None = None, max_keys: int = 1000
    ) -> Page:
        raise AssertionError("tests/fakes/versioned.py has a bucket that keeps versions")

    def _page(self, prefix: bytes, within: Range, most: int) -> Page:
        keys = sorted(key for key in self.objects if key.startswith(prefix) and key in within)
        entries = [Entry(key, *self.objects[key]) for key in keys[:most]]
        digest = sha256(repr(entries).encode()).digest() if entries else None
        return Page(
            entries=Entries(Entries.of(entries).columns, digest=digest),
            next_token="more" if len(keys) > most else None,
        )

    async def head(self, key: bytes, *, if_match: str | None = None, version_id: str | None = None) -> ObjectHead:
        return await self._answer("head", key, if_match)

    async def part(
        self, key: bytes, *, first: int, last: int, if_match: str | None = None, version_id: str | None = None
    ) -> tuple[ObjectHead, bytes]:
        answer = await self._answer("get", key, if_match)
        return answer, self._body(key)[first : last + 1]

    @asynccontextmanager
    async def get(
        self,
        key: bytes,
        *,
        first: int | None = None,
        last: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> AsyncIterator[Body]:
        answer = await self._answer("get", key, if_match)
        body = self._body(key)[first or 0 : None if last is None else last + 1]
        pieces = iter([body])

        async def more() -> bytes:
            return next(pieces, b"")

        subject = Subject(request="get", bucket="fake", key=key)
        yield Body(head=answer, skip=0, length=len(body), subject=subject, more=more)

    def _body(self, key: bytes) -> bytes:
        return self.bodies.get(key, bytes(self.objects[key][0]))

    async def _answer(self, request: str, key: bytes, if_match: str | None) -> ObjectHead:
        self._asked(request, key)
        await asyncio.sleep(0)
        if key not in self.objects:
            raise ObjectMissingError("gone")
        size, etag, at, storage = self.objects[key]
        if if_match not in {None, etag}:
            raise ObjectChangedError("changed")
        if request == "get" and self._away(key):
            raise ObjectArchivedError("archived", code="InvalidObjectState")
        return ObjectHead(
            size=size,
            etag=etag,
            last_modified=format_datetime(datetime.fromisoformat(at), usegmt=True),
            content_type="text/plain",
            storage_class=storage,
            version_id="v1",
            metadata={"who": "me"},
            headers=self.headers.get(key, {}),
        )

    def _away(self, key: bytes) -> bool:
        said = self.headers.get(key, {})
        restored = 'ongoing-request="false"' in said.get("x-amz-restore", "")
        return (self.objects[key][3] in ARCHIVED or "x-amz-archive-status" in said) and not restored

    def _asked(self, request: str, key: bytes) -> None:
        self.requests.append((request, key))
        self.before(request, key)

    def asked(self, request: str) -> int:
        return sum(name == request for name, _key in self.requests)
