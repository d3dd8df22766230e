"""One object's body, read once from its first byte to its last; hides breaks, threads, and how little of it is ever held."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple, Protocol

from config.errors import (
    ContentMismatchError,
    ObjectChangedError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)
from config.limits import Limits
from ingest.model import Entry, ObjectHead
from ingest.probe.breaks import Breaks
from ingest.probe.checks import Checks, Mismatch
from ingest.s3.body import Body
from ingest.s3.errors import explained

FIRST_BYTES: Final = 256 * 1024
LAST_BYTES: Final = 64 * 1024
"""What is kept of a body that is read."""
_BLOCK: Final = 1024 * 1024
"""Bytes that a thread gets at once. Of a body two are held: one that is being summed up, and one that comes in meanwhile."""
_INLINE: Final = 256 * 1024
"""Fewer are summed up here: to hand them to a thread takes as long as they do."""
HELD_MOST: Final = 3 * _BLOCK + FIRST_BYTES + LAST_BYTES
"""Bytes of one body in memory at any time, whatever its size, unless all of it is to be kept: two blocks, each of which may be longer
by a piece, and what the transport has received ahead."""


class BodySource(Protocol):
    """Where bodies come from. `ingest.s3.client.S3Client` is one."""

    def get(
        self,
        key: bytes,
        *,
        first: int | None = None,
        last: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> AbstractAsyncContextManager[Body]: ...


class Whole(NamedTuple):
    """What a body turned out to be."""

    head: ObjectHead
    """Of the first answer: only that one carries the checksum of the whole."""
    sha256: str
    """In hex."""
    md5: str | None
    """In hex, if the object's ETag is one."""
    verified: str
    """What the storage keeps and is right, as in the column of that name."""
    pieces: dict[int, bytes]
    """What is kept of it, by place."""


async def read_whole(
    source: BodySource,
    entry: Entry,
    *,
    limits: Limits,
    version_id: str | None = None,
    keep: bool = False,
    breaks: Breaks | None = None,
) -> Whole:
    """Read and verify the body of exactly the object that was listed. `keep`: hold all of it; look at its size first.

    A body that breaks off, or only drips, is gone on with from the byte that it reached, after a rest, in the same version. Raises ContentMismatchError
    (`SizeMismatch`, `ChecksumMismatch`), ObjectChangedError if the object is another one meanwhile, and as `S3Client.get` does.
    """
    reader: _Reader | None = None
    breaks = Breaks(limits) if breaks is None else breaks
    while True:
        reached, answered = reader.reached if reader is not None else 0, False
        torn: SourceError
        try:
            async with source.get(
                entry.key, first=reached or None, if_match=entry.etag or None, version_id=version_id
            ) as body:
                reader, answered = _Reader(body, entry, keep=keep) if reader is None else reader.going_on(body), True
                await reader.take(body)
        except SourceUnavailableError as broken:
            if not answered:
                raise
            torn = broken
        except RequestRefusedError as refused:
            if refused.code != "RangeIgnored":
                raise
            reader, torn = None, refused  # from the beginning, then
        else:
            return await reader.end()
        await breaks.rest(torn, reached=reader.reached if reader is not None else 0)


class _Reader:
    """A body as far as it came, over any number of answers."""

    def __init__(self, body: Body, entry: Entry, *, keep: bool) -> None:
        self._head, self._subject = body.head, body.subject
        if body.head.size != entry.size:
            why = f"{entry.size} bytes were listed, and the storage has {body.head.size}"
            raise explained(ContentMismatchError, self._subject, why, code="SizeMismatch")
        self._checks = Checks(body.head)
        self.reached = 0
        self._block: list[bytes] = []
        self._gathered = 0
        self._first = bytearray()
        self._first_most = entry.size if keep else FIRST_BYTES
        self._last = b""
        self._summing: asyncio.Future[None] | None = None

    def going_on(self, body: Body) -> _Reader:
        """The rest comes in this answer. Raises ObjectChangedError: where there is no ETag, nobody else would notice."""
        was, now = self._head, body.head
        if (was.size, was.etag, was.last_modified, was.version_id) != (
            now.size,
            now.etag,
            now.last_modified,
            now.version_id,
        ):
            raise explained(ObjectChangedError, self._subject, "it changed while it was being read", status=200)
        return self

    async def take(self, body: Body) -> None:
        """All that comes. Raises SourceUnavailableError if it breaks off; what came by then is taken."""
        async for part in body.chunks():
            self.reached += len(part)
            if len(self._first) < self._first_most:
                self._first += part[: self._first_most - len(self._first)]
            self._block.append(part)
            self._gathered += len(part)
            if self._gathered >= _BLOCK:
                await self._flush()

    async def _flush(self) -> None:
        """Sum up what was gathered, in a thread, while more comes. What that raises is raised here the next time."""
        block, many = self._block, self._gathered >= _INLINE
        self._last = _end_of(self._last, block)
        self._block, self._gathered = [], 0
        if self._summing is not None:
            await self._summing
            self._summing = None
        if many:
            self._summing = asyncio.get_running_loop().run_in_executor(None, self._checks.update, block)
        else:
            self._checks.update(block)

    async def end(self) -> Whole:
        await self._flush()
        if self._summing is not None:
            await self._summing
        verified = self._checks.verified()
        if isinstance(verified, Mismatch):
            raise explained(ContentMismatchError, self._subject, str(verified), code="ChecksumMismatch")
        pieces = {0: bytes(self._first)}
        if len(self._first) < self.reached:
            pieces[self.reached - len(self._last)] = self._last
        return Whole(self._head, self._checks.sha256, self._checks.md5, verified, pieces)


def _end_of(before: bytes, block: list[bytes]) -> bytes:
    """The last bytes of all that."""
    found: deque[bytes] = deque()
    length = 0
    for part in (*reversed(block), before):
        if length >= LAST_BYTES:
            break
        found.appendleft(part[max(0, len(part) + length - LAST_BYTES) :])
        length += len(found[0])
    return b"".join(found)
