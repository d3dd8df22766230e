"""A bucket in memory that lists with and without a delimiter, and refuses what a policy would; a log of what was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from config.errors import AccessDeniedError
from ingest.model import Entries, Entry, ObjectHead, Page, Range, Recall
from ingest.s3.body import Body
from ingest.s3.listing import Progress, check_page, cut
from tests.fakes.s3_store import Bucket, Listed, list_bucket, new_object


@dataclass
class FolderBucket:
    """Answers are checked as the client checks them."""

    keys: Iterable[bytes]
    page_keys: int = 1000
    allows: Callable[[bytes, bytes], bool] = lambda _prefix, _delimiter: True
    """By prefix and delimiter."""
    asked: list[tuple[bytes, bytes, bytes | None]] = field(default_factory=list)
    """Prefix, delimiter and start-after of each LIST; a token stands for no start."""
    turns: Callable[[], int] = lambda: 0
    """Of the loop, before an answer comes."""
    open: int = 0
    flying: int = 0
    most_flying: int = 0

    def __post_init__(self) -> None:
        self._bucket = Bucket(name="bkt")
        self._bucket.put_many((key, new_object()) for key in self.keys)

    async def list_page(
        self,
        *,
        prefix: bytes,
        start_after: bytes | None = None,
        delimiter: bytes = b"",
        max_keys: int = 1000,
        token: str | None = None,
        floor: bytes | None = None,
    ) -> Page:
        self.asked.append((prefix, delimiter, start_after))
        assert start_after != b""
        self.flying += 1
        self.most_flying = max(self.most_flying, self.flying)
        try:
            for _ in range(self.turns()):
                await asyncio.sleep(0)
        finally:
            self.flying -= 1
        if not self.allows(prefix, delimiter):
            raise AccessDeniedError("AccessDenied (403)", code="AccessDenied", status=403)
        listed = Listed(
            bucket="bkt",
            prefix=prefix,
            delimiter=delimiter,
            max_keys=min(max_keys, self.page_keys),
            start_after=start_after,
            token=token,
        )
        list_bucket(self._bucket, listed)
        page = Page(
            entries=Entries.of(Entry(key, one.size, "e", "2026", "STANDARD") for key, one in listed.entries),
            common_prefixes=listed.common_prefixes,
            next_token=listed.next_token,
        )
        lowest = max((end for end in (floor, start_after) if end is not None), default=None)
        check_page(page, prefix=prefix, delimiter=delimiter, floor=lowest, start_after=start_after, what="LIST")
        return page

    async def pages(
        self, *, prefix: bytes, within: Range | None = None, delimiter: bytes = b"", recall: Recall | None = None
    ) -> AsyncGenerator[Page]:
        within = within or Range()
        progress, token = Progress(floor=within.lo, what="LIST"), None
        self.open += 1
        try:
            while True:
                page = await self.list_page(
                    prefix=prefix,
                    start_after=within.lo if token is None else None,
                    token=token,
                    delimiter=delimiter,
                    floor=progress.floor,
                )
                progress.add(page)
                page = cut(page, within)
                yield page
                token = page.next_token
                if token is None:
                    return
        finally:
            self.open -= 1

    async def list_versions(
        self, *, prefix: bytes, after: bytes | None = None, token: str | None = None, max_keys: int = 1000
    ) -> Page:
        raise NotImplementedError

    async def head(self, key: bytes, *, if_match: str | None = None, version_id: str | None = None) -> ObjectHead:
        raise NotImplementedError

    async def part(
        self, key: bytes, *, first: int, last: int, if_match: str | None = None, version_id: str | None = None
    ) -> tuple[ObjectHead, bytes]:
        raise NotImplementedError

    def get(self, key: bytes, **how: object) -> AbstractAsyncContextManager[Body]:
        raise NotImplementedError
