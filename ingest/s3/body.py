"""Objects as HTTP shows them: hides header names, ranges, and the difference between a whole body and a torn one."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

from config.errors import ObjectChangedError, ProtocolError, RequestRefusedError, SourceUnavailableError
from ingest.model import ObjectHead
from ingest.s3.errors import Subject, explained
from ingest.s3.xml import bare_etag

_KEPT = frozenset(
    (
        "content-encoding",
        "content-language",
        "content-disposition",
        "cache-control",
        "expires",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-restore",
        "x-amz-archive-status",
        "x-amz-tagging-count",
        "x-amz-replication-status",
        "x-amz-website-redirect-location",
    )
)
_CHECKSUM = "x-amz-checksum-"
_NO_SUMS = ("x-amz-checksum-type", "x-amz-checksum-mode")
_META = "x-amz-meta-"
_LENGTH_DIGITS = 18
"""More would not fit into the 64 bits of a column; S3 ends at 14."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


def read_head(headers: Mapping[str, str], *, size: int) -> ObjectHead:
    """Headers of a HEAD or GET, their names in lower case, as a record; `size` is that of the whole object."""
    said = headers if "".join(headers.values()).isascii() else {name: _text(value) for name, value in headers.items()}
    kept: dict[str, str] = {}
    metadata: dict[str, str] = {}
    sums: dict[str, str] = {}
    for name, value in said.items():
        if name in _KEPT:
            kept[name] = value
        elif name.startswith(_META):
            metadata[name[len(_META) :]] = value
        elif name.startswith(_CHECKSUM) and name not in _NO_SUMS:
            sums[name[len(_CHECKSUM) :]] = value
    algorithm = min(sums) if sums else ""
    get = said.get
    return ObjectHead(
        size,
        bare_etag(get("etag", "")),
        get("last-modified", ""),
        get("content-type", ""),
        get("x-amz-storage-class") or "STANDARD",
        get("x-amz-version-id", ""),
        algorithm.upper(),
        sums.get(algorithm, ""),
        get("x-amz-checksum-type", ""),
        metadata,
        kept,
    )


def _text(value: str) -> str:
    """A transport shows bytes that are not UTF-8 as surrogates, which no database takes: they are read as Latin-1."""
    raw = value.encode("utf-8", "surrogateescape")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def check_etag(headers: Mapping[str, str], if_match: str | None, subject: Subject) -> None:
    """Whether an object answered, and the one that was listed. Raises ProtocolError, ObjectChangedError.

    S3's objects have an ETag and a Last-Modified; a server whose listing names no ETag may give none here either.
    """
    etag = bare_etag(headers.get("etag", ""))
    if not etag and (if_match is not None or not headers.get("last-modified")):
        raise explained(ProtocolError, subject, "the answer carries no ETag, so it is not an object")
    if if_match is not None and etag != bare_etag(if_match):
        raise explained(ObjectChangedError, subject, "its ETag is no longer the one that was listed", status=200)


def content_length(headers: Mapping[str, str], subject: Subject) -> int:
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()) or len(text) > _LENGTH_DIGITS:
        raise explained(ProtocolError, subject, "the answer does not say how long the object is")
    return int(text)


class Span:
    """Which bytes of an object are wanted, and which of an answer's bytes they are."""

    def __init__(self, first: int | None, last: int | None) -> None:
        """Both inclusive, counted from 0; None: from the beginning, to the end."""
        if (first or 0) < 0 or (last is not None and last < (first or 0)):
            raise RequestRefusedError(f"bytes {first} to {last} are no range", code="InvalidRange")
        self.first = first or 0
        self.last = last
        self.whole = self.first == 0 and last is None

    @property
    def header(self) -> str:
        return f"bytes={self.first}-{'' if self.last is None else self.last}"

    def end(self, size: int) -> int:
        """One behind the last byte wanted of an object of `size` bytes."""
        return size if self.last is None else min(self.last + 1, size)

    def answered(self, status: int, headers: Mapping[str, str], subject: Subject) -> tuple[int, int]:
        """The object's size, and how many bytes of the answer come before those wanted."""
        if status != 206:
            return content_length(headers, subject), self.first
        match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        first, last, size = (int(number) for number in match.groups()) if match else (-1, -1, -1)
        if first != self.first or last + 1 != self.end(size):
            raise explained(ProtocolError, subject, f"asked for {self.header}, answered with another range")
        return size, 0


class Body:
    """The bytes that were asked for, whole or an error; read once."""

    def __init__(
        self, *, head: ObjectHead, skip: int, length: int, subject: Subject, more: Callable[[], Awaitable[bytes]]
    ) -> None:
        """`skip`: bytes of the answer to pass over; `more` gives its next piece, empty at its end."""
        self.head = head
        self.length = length
        """Bytes that it will yield."""
        self._skip = skip
        self._left = length
        self.subject = subject
        """What it is of, for people."""
        self._more = more
        self._ended = False

    def chunks(self) -> Self:
        """Pieces of any size. Raises SourceUnavailableError if fewer bytes come than were announced."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while self._left > 0:
            part = await self._more()
            if not part:
                why = f"the answer ended {self._left} bytes too early"
                raise explained(SourceUnavailableError, self.subject, why, code="BodyIncomplete")
            passed = min(self._skip, len(part))
            self._skip -= passed
            part = part[passed : passed + self._left]
            self._left -= len(part)
            if part:
                return part
        raise StopAsyncIteration

    async def read(self) -> bytes:
        """All of it, in memory: look at `length` first."""
        return b"".join([part async for part in self])
