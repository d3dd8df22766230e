"""Checksums that go on piece by piece; hides which library has which, and that some are of parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import anycrc
import xxhash

from ingest.identity import Checksum

Piece = bytes | memoryview


class Sum(Protocol):
    """Goes on by `update`, and can say what it is so far."""

    def update(self, data: Piece, /) -> None: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A checksum that is a number, as bytes in the order in which S3 writes it."""

    __slots__ = ("_model", "_value", "_width")

    def __init__(self, model: str, width: int) -> None:
        self._model, self._width, self._value = anycrc.Model(model), width, 0

    def update(self, data: Piece) -> None:
        self._value = self._model.calc(data, self._value)

    def digest(self) -> bytes:
        return int(self._value).to_bytes(self._width, "big")


SUMS: Final[Mapping[str, Callable[[], Sum]]] = {
    "CRC32": lambda: _Crc("CRC32", 4),
    "CRC32C": lambda: _Crc("CRC32C", 4),
    "CRC64NVME": lambda: _Crc("CRC64-NVME", 8),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "XXHASH64": xxhash.xxh64,
    "XXHASH3": xxhash.xxh3_64,
    "XXHASH128": xxhash.xxh3_128,
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
