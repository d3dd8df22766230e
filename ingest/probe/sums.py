"""Checksums that go on piece by piece; hides which library has which, and that some are of parts."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from awscrt import checksums as crt

from ingest.identity import Checksum

Piece = bytes | memoryview


class Sum(Protocol):
    """Goes on by `update`, and can say what it is so far."""

    def update(self, data: Piece, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A checksum that is a number, as bytes in the order in which S3 writes it."""

    __slots__ = ("_more", "_value", "_width")

    def __init__(self, more: Callable[[Piece, int], int], width: int) -> None:
        self._more, self._width, self._value = more, width, 0

    def update(self, data: Piece) -> None:
        self._value = self._more(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


class _XxHash:
    """It can be finalized once only."""

    __slots__ = ("_found", "_going")

    def __init__(self, begin: Callable[[], crt.XXHash]) -> None:
        self._going, self._found = begin(), b""

    def update(self, data: Piece) -> None:
        self._going.update(bytes(data))  # a memoryview is refused

    def digest(self) -> bytes:
        self._found = self._found or bytes(self._going.finalize())
        return self._found


SUMS: Final[Mapping[str, Callable[[], Sum]]] = {
    "CRC32": lambda: _Crc(zlib.crc32, 4),
    "CRC32C": lambda: _Crc(crt.crc32c, 4),
    "CRC64NVME": lambda: _Crc(crt.crc64nvme, 8),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "XXHASH64": lambda: _XxHash(crt.XXHash.new_xxhash64),
    "XXHASH3": lambda: _XxHash(crt.XXHash.new_xxhash3_64),
    "XXHASH128": lambda: _XxHash(crt.XXHash.new_xxhash3_128),
}
"""By S3's names for them."""


class PartsSum:
    """The checksum of the checksums of parts, all of them of one length but the last."""

    __slots__ = ("_begin", "_each", "_left", "_now", "_of_parts", "parts")

    def __init__(self, begin: Callable[[], Sum], each: int) -> None:
        self._begin, self._each, self._of_parts = begin, each, begin()
        self._now, self._left = begin(), each
        self.parts = 0

    def update(self, data: Piece) -> None:
        rest = memoryview(data)
        while len(rest) >= self._left:
            self._now.update(rest[: self._left])
            rest = rest[self._left :]
            self._end_part()
        if rest:
            self._now.update(rest)
            self._left -= len(rest)

    def digest(self) -> bytes:
        """Call it once, at the end."""
        if self._left < self._each or not self.parts:
            self._end_part()
        return self._of_parts.digest()

    def _end_part(self) -> None:
        self._of_parts.update(self._now.digest())
        self._now, self._left = self._begin(), self._each
        self.parts += 1


def sum_of(checksum: Checksum, *, part_size: int | None) -> Sum | None:
    """What comes to `checksum` over the right body; None if the algorithm, or where its parts begin, is not known."""
    begin = SUMS.get(checksum.algorithm)
    if begin is None or (checksum.parts is not None and part_size is None):
        return None
    return begin() if checksum.parts is None else PartsSum(begin, part_size or 1)
