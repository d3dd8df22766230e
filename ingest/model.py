"""The types that flow: ranges, entries, pages, heads. Keys are bytes, because S3 orders by UTF-8 bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes whose objects must be restored before they can be read."""


class Entry(NamedTuple):
    """What a listing says of one object, as listed: nothing is rounded or converted."""

    key: bytes
    size: int
    etag: str
    """Without its quotes."""
    last_modified: str
    storage_class: str
    """STANDARD where the server says nothing."""
    checksum_algorithm: str = ""
    """Comma-separated if there are several; empty if the listing names none."""
    checksum_type: str = ""
    """FULL_OBJECT, COMPOSITE or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One LIST answer. `entries` ascend by key."""

    entries: list[Entry]
    common_prefixes: list[bytes] = field(default_factory=list)
    next_token: str | None = None
    """None on the last page."""


@dataclass(frozen=True, slots=True, order=False)
class Range:
    """An interval `(lo, hi]` of the key space below one prefix, in byte order. None: open at that end.

    The first lower end is None, since a key may equal its prefix.
    """

    lo: bytes | None = None
    hi: bytes | None = None

    def __contains__(self, key: bytes) -> bool:
        return (self.lo is None or key > self.lo) and (self.hi is None or key <= self.hi)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHead:
    """What a HEAD, or the headers of a GET, say of one object. Absent headers are empty or None."""

    size: int
    """Of the whole object, also on a ranged GET."""
    etag: str
    last_modified: str
    """As sent: RFC 9110 date, rounded to seconds."""
    content_type: str = ""
    storage_class: str = "STANDARD"
    version_id: str = ""
    checksum_algorithm: str = ""
    checksum: str = ""
    """Base64, as sent."""
    checksum_type: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    """x-amz-meta-*, names in lower case without that prefix."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers worth keeping: content-encoding, content-language, content-disposition, cache-control, expires,
    x-amz-server-side-encryption, x-amz-server-side-encryption-aws-kms-key-id, x-amz-restore, x-amz-archive-status,
    x-amz-tagging-count, x-amz-replication-status, x-amz-website-redirect-location."""
