"""What names an object's content: hides which ETags are an MD5, what a checksum covers, and that they are written in two ways."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Final, NamedTuple

_MD5: Final = re.compile(r"[0-9a-fA-F]{32}")
_PARTS: Final = re.compile(r"(.+)-(\d{1,5})", re.ASCII)
_PARTS_MOST: Final = 10_000
"""Of one upload."""
_ENCRYPTION: Final = "x-amz-server-side-encryption"
_CUSTOMERS_KEY: Final = "x-amz-server-side-encryption-customer-algorithm"
_NO_MD5_CLASSES: Final = ("EXPRESS_ONEZONE",)
FULL: Final = "FULL_OBJECT"
COMPOSITE: Final = "COMPOSITE"
_LENGTHS: Final[Mapping[str, int]] = {
    "CRC32": 4,
    "CRC32C": 4,
    "CRC64NVME": 8,
    "MD5": 16,
    "SHA1": 20,
    "SHA256": 32,
    "SHA512": 64,
    "XXHASH64": 8,
    "XXHASH3": 8,
    "XXHASH128": 16,
}
"""Bytes of what an algorithm gives; what is longer or shorter was put there by something else."""


class Checksum(NamedTuple):
    """A checksum that the storage keeps."""

    algorithm: str
    """By S3's name: CRC64NVME, CRC32C, CRC32, SHA1, SHA256 ..."""
    value: bytes
    parts: int | None = None
    """None: of the whole object. Else it is of the checksums of so many parts, one behind the other."""


def etag_checksum(etag: str, headers: Mapping[str, str], *, storage_class: str = "STANDARD") -> Checksum | None:
    """What an ETag is by the headers that came with it: an MD5, or that of the MD5s of parts; None if it is none, or nobody knows.

    Source: "Checking object integrity" in the Amazon S3 User Guide: no MD5 if encrypted by KMS or a customer's key, nor in a
    directory bucket.
    """
    if storage_class in _NO_MD5_CLASSES or _CUSTOMERS_KEY in headers or headers.get(_ENCRYPTION, "AES256") != "AES256":
        return None
    found = _PARTS.fullmatch(etag)
    if not _MD5.fullmatch(etag if found is None else found[1]):
        return None
    if found is None:
        return Checksum("MD5", bytes.fromhex(etag))
    return Checksum("MD5", bytes.fromhex(found[1]), int(found[2])) if 1 <= int(found[2]) <= _PARTS_MOST else None


def md5_of(etag: str, headers: Mapping[str, str], *, storage_class: str = "STANDARD") -> str | None:
    """The MD5 of the whole object in hex, if its ETag is known as one; see `etag_checksum`."""
    found = etag_checksum(etag, headers, storage_class=storage_class)
    return found.value.hex() if found is not None and found.parts is None else None


def checksum_of(algorithm: str, value: str, kind: str) -> Checksum | None:
    """A checksum as headers say it: algorithm, base64 (of parts: with `-` and their number behind), type. None if it is none."""
    found = _PARTS.fullmatch(value)
    if found is not None and not 1 <= int(found[2]) <= _PARTS_MOST:
        return None
    parts = None if found is None else int(found[2])
    if not algorithm or not value or (kind == COMPOSITE) != (parts is not None and kind != ""):
        return None
    try:
        plain = b64decode(value if found is None else found[1], validate=True)
    except ValueError:  # more than what says that it is no base64: a value that is not ASCII
        return None
    name = algorithm.upper()
    return Checksum(name, plain, parts) if plain and len(plain) == _LENGTHS.get(name, len(plain)) else None


def sha256_of(checksum: Checksum | None) -> str | None:
    """The SHA-256 of the whole object in hex, if that is the checksum that is stored."""
    whole = checksum is not None and checksum.algorithm == "SHA256" and checksum.parts is None
    return checksum.value.hex() if whole and checksum is not None and len(checksum.value) == 32 else None


_MIB: Final = 1 << 20
_USUAL: Final = tuple(number * _MIB for number in (8, 5, 16, 64, 10, 32, 50, 100, 128, 256, 512, 1024))
"""Parts as tools make them unless told otherwise: the AWS CLI and SDKs, s5cmd, rclone, Transfer Manager, consoles."""


def part_size(size: int, parts: int) -> int | None:
    """How large the parts of an upload may have been, by what is usual: a guess that can prove a checksum, but not refute it.

    None: no usual size gives as many. One part is the whole object, and no guess.
    """
    if parts == 1:
        return max(size, 1)
    for length in _USUAL:
        if -(-size // length) == parts:
            return length
    least, most = -(-size // parts), (size - 1) // (parts - 1)
    if size < parts:
        return None
    length = -(-least // _MIB) * _MIB
    return length if length <= most else None
