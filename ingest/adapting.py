"""A bucket that finds out by itself how it may be listed: hides from whoever lists that a policy forbids the plain way.

A plain role costs nothing: only when the first LIST of a source is denied are other ways tried, once for each source.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace

import structlog

from config.errors import AccessDeniedError
from ingest.listable import Shape, folder_of, listing_shape
from ingest.model import ObjectHead, Page, Range, Recall
from ingest.s3.body import Body
from ingest.s3.errors import uri
from ingest.walking import Flight, FolderSource, walk

log = structlog.get_logger(__name__)


class Adaptive:
    """Wraps one bucket of one slice, and is one to the pipeline. What was found out lasts as long as this object."""

    def __init__(
        self,
        source: FolderSource,
        *,
        bucket: str,
        permits: Callable[[bytes], bool],
        page_keys: int = 1000,
        streams: int = 32,
    ) -> None:
        """`permits`: see `listing_shape`. `page_keys`: what a page holds at most. `streams`: folders that are listed at once."""
        self._source, self._bucket, self._permits, self._page_keys = source, bucket, permits, page_keys
        self._flight = Flight(streams)
        self._shapes: dict[bytes, Shape] = {}
        """Of the sources whose plain LIST was denied."""
        self._finding: defaultdict[bytes, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def pages(
        self, *, prefix: bytes, within: Range | None = None, recall: Recall | None = None
    ) -> AsyncGenerator[Page]:
        """As `S3Client.pages`. Raises ListConditionError, too."""
        if prefix not in self._shapes:
            async with aclosing(self._source.pages(prefix=prefix, within=within, recall=recall)) as pages:
                listed = False
                try:
                    async for page in pages:
                        listed = True
                        yield page
                except AccessDeniedError as denied:
                    if listed:
                        raise
                    await self._find_out(prefix, denied)
                else:
                    return
        async with aclosing(self._walk(prefix, within)) as pages:
            async for page in pages:
                yield page

    async def list_page(
        self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"", max_keys: int = 1000
    ) -> Page:
        """As `S3Client.list_page`; the delimiter is `/` if there is one. Tries nothing else if it is denied."""
        walked = any(prefix.startswith(source) for source in self._shapes)
        if not walked or (delimiter and prefix == folder_of(prefix)):
            return await self._source.list_page(
                prefix=prefix, start_after=start_after, delimiter=delimiter, max_keys=max_keys
            )
        if not delimiter:
            async with aclosing(self._walk(prefix, Range(start_after, None))) as pages:
                page = await anext(pages)
            few = page.entries[:max_keys]
            more = page.next_token or ("more" if len(few) < len(page.entries) else None)
            return Page(entries=few, next_token=more)
        page = await self._source.list_page(
            prefix=folder_of(prefix), start_after=start_after, delimiter=delimiter, max_keys=max_keys
        )
        wanted = [key.startswith(prefix) for key in page.entries.keys]
        return replace(
            page,
            entries=page.entries.where(wanted),
            common_prefixes=[folder for folder in page.common_prefixes if folder.startswith(prefix)],
        )

    async def list_versions(
        self, *, prefix: bytes, after: bytes | None = None, token: str | None = None, max_keys: int = 1000
    ) -> Page:
        """As `S3Client.list_versions`. They can't be walked."""
        return await self._source.list_versions(prefix=prefix, after=after, token=token, max_keys=max_keys)

    async def head(self, key: bytes, *, if_match: str | None = None, version_id: str | None = None) -> ObjectHead:
        """As `S3Client.head`."""
        return await self._source.head(key, if_match=if_match, version_id=version_id)

    async def part(
        self, key: bytes, *, first: int, last: int, if_match: str | None = None, version_id: str | None = None
    ) -> tuple[ObjectHead, bytes]:
        """As `S3Client.part`."""
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
        """As `S3Client.get`."""
        return self._source.get(key, first=first, last=last, if_match=if_match, version_id=version_id)

    def _walk(self, prefix: bytes, within: Range | None) -> AsyncGenerator[Page]:
        return walk(
            self._source,
            bucket=self._bucket,
            prefix=prefix,
            within=within,
            page_keys=self._page_keys,
            flight=self._flight,
        )

    async def _find_out(self, prefix: bytes, denied: AccessDeniedError) -> None:
        """Return if a walk works. Many streams may be denied at once, and one of them tries; a refusal ends all."""
        async with self._finding[prefix]:
            if prefix in self._shapes:
                return
            shape = await listing_shape(self._source, prefix, permits=self._permits, denied=denied)
            if shape.kind == "denied":
                raise shape.refusal(self._bucket) from denied
            self._shapes[prefix] = shape
            log.info(
                "the role lists folder by folder only (a condition on s3:delimiter): walking",
                source=uri(self._bucket, prefix),
            )
