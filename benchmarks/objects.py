"""What the objects of a virtual bucket are: hides that a few thousand descriptions and one block of bytes serve them all."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

VARIETY: Final = 4_093
"""Objects this many numbers apart are described alike (a prime, so that no shape falls in step with it)."""
_OLDEST: Final = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
_BLOCK: Final = b"".join(sha256(b"%d" % number).digest() for number in range(8192))
CONTENT_TYPE: Final = "application/octet-stream"


class Object(NamedTuple):
    """One object's description."""

    size: int
    etag: str
    """Without quotes."""
    modified: datetime
    checksum: str
    """CRC64NVME, base64: any value, since nobody reads whole objects here to check it."""


class Objects(Protocol):
    """What the objects of a bucket are, by the numbers of their keys."""

    @property
    def variety(self) -> int:
        """Objects this many numbers apart are described alike."""
        ...

    def describe(self, number: int) -> Object: ...

    def content(self, number: int, first: int, last: int) -> bytes:
        """Bytes `first` to `last`, both inclusive."""
        ...


class Patterned:
    """Objects that nobody looks into."""

    variety = VARIETY

    def describe(self, number: int) -> Object:
        return describe(number)

    def content(self, _number: int, first: int, last: int) -> bytes:
        return content(first, last)


def describe(index: int) -> Object:
    """The object whose key has this number."""
    seed = sha256(b"object %d" % (index % VARIETY)).digest()
    number = int.from_bytes(seed[:8], "big")
    return Object(
        size=number % 4_000_000,
        etag=seed[8:24].hex(),
        modified=datetime.fromtimestamp(_OLDEST + number % 50_000_000 + number % 1000 / 1000, UTC),
        checksum=b64encode(seed[24:]).decode(),
    )


def listed(one: Object) -> bytes:
    """What <Contents> says behind the key, end tag included."""
    modified = one.modified.strftime("%Y-%m-%dT%H:%M:%S.") + f"{one.modified.microsecond // 1000:03d}Z"
    return (
        f"</Key><LastModified>{modified}</LastModified><ETag>&quot;{one.etag}&quot;</ETag>"
        "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        f"<Size>{one.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    ).encode()


def headers(one: Object) -> bytes:
    """The headers that HEAD and GET share, each line ended."""
    modified = format_datetime(one.modified.replace(microsecond=0), usegmt=True)
    return (
        f'ETag: "{one.etag}"\r\nLast-Modified: {modified}\r\nAccept-Ranges: bytes\r\nContent-Type: {CONTENT_TYPE}\r\n'
        "x-amz-server-side-encryption: AES256\r\nServer: synthetic\r\nx-amz-request-id: SYNTHETIC0REQUEST\r\n"
    ).encode()


def checksums(one: Object) -> bytes:
    """The headers that HEAD gives beside the others."""
    return f"x-amz-checksum-crc64nvme: {one.checksum}\r\nx-amz-checksum-type: FULL_OBJECT\r\n".encode()


def content(first: int, last: int) -> bytes:
    """Bytes `first` to `last`, both inclusive: every object holds the same endless pattern."""
    begin, length = first % len(_BLOCK), last - first + 1
    return (_BLOCK * (-(-(begin + length) // len(_BLOCK))))[begin : begin + length]
