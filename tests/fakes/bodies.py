"""A source of bodies in memory: it breaks off where a test says, changes in between, and can be larger than any memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from config.errors import ObjectChangedError, RequestRefusedError, SourceUnavailableError
from ingest.model import Entry, ObjectHead
from ingest.s3.body import Body
from ingest.s3.errors import Subject


def head_of(size: int, *, etag: str = "e", **fields: Any) -> ObjectHead:
    return ObjectHead(size, etag, "Thu, 01 Jan 2026 00:00:00 GMT")._replace(**fields)


def entry_of(head: ObjectHead, key: bytes = b"k") -> Entry:
    return Entry(key, head.size, head.etag, "2026-01-01T00:00:00.000Z", head.storage_class)


@dataclass
class Bodies:
    """One object. `at(first, last)`: its bytes from the one place up to the other."""

    head: ObjectHead
    at: Callable[[int, int], bytes]
    piece: int = 64 * 1024
    breaks: Sequence[int] = ()
    """Bytes that the first, the second ... answer gives before it breaks off."""
    refuse_ranges: bool = False
    changes: ObjectHead | None = None
    """What it is once the first answer has ended."""
    asked: list[tuple[int, str | None]] = field(default_factory=list)
    """First byte and If-Match of each request."""

    @classmethod
    def of(cls, body: bytes, *, head: ObjectHead | None = None, **fields: object) -> Bodies:
        return cls(head or head_of(len(body)), lambda first, last: body[first:last], **fields)  # type: ignore[arg-type]  # its own fields

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
        at, end = first or 0, self.head.size if last is None else min(last + 1, self.head.size)
        number = len(self.asked)
        self.asked.append((at, if_match))
        head = self.head if number == 0 or self.changes is None else self.changes
        if if_match not in (None, head.etag):
            raise ObjectChangedError("changed")
        if at and self.refuse_ranges:
            raise RequestRefusedError("no ranges", code="RangeIgnored")
        stop = at + self.breaks[number] if number < len(self.breaks) else end

        async def more() -> bytes:
            nonlocal at
            part = self.at(at, min(at + self.piece, stop, end))
            at += len(part)
            if not part and at < end:
                raise SourceUnavailableError("it broke off", code="BodyIncomplete")
            return part

        subject = Subject(request="get", bucket="bkt", key=key)
        yield Body(head=head, skip=0, length=end - at, subject=subject, more=more)
