"""Sums against known vectors and against botocore's, whole and in pieces, and of parts."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from typing import Any

import pytest
from botocore import httpchecksum
from hypothesis import given
from hypothesis import strategies as st

from ingest.identity import Checksum
from ingest.probe.sums import SUMS, PartsSum, sum_of

NINE = {  # of b"123456789", by the catalogue of CRC parameters, RFC 1321, FIPS 180-4 and AWS's own library
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "MD5": "25f9e794323b453885f5181f1b624d0b",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    "XXHASH64": "8cb841db40e6ae83",
    "XXHASH3": "72dcb18b67a17dff",
    "XXHASH128": "33119477ede5dcd5e9716427681d5860",
}


@pytest.mark.acceptance("LS-12")
@pytest.mark.parametrize(("algorithm", "expected"), NINE.items())
def test_known_vectors(algorithm: str, expected: str) -> None:
    going = SUMS[algorithm]()
    for byte in b"123456789":
        going.update(bytes([byte]))
    assert going.digest().hex() == expected


def _botocore(algorithm: str) -> Any:
    known: dict[str, Any] = httpchecksum._CHECKSUM_CLS
    return known.get(algorithm.lower())


@given(body=st.binary(max_size=5000), at=st.integers(0, 5000))
def test_botocore_comes_to_the_same(body: bytes, at: int) -> None:
    compared = 0
    for algorithm, begin in SUMS.items():
        going = begin()
        going.update(body[:at])
        going.update(memoryview(body)[at:])
        if (theirs := _botocore(algorithm)) is not None:
            compared += 1
            assert b64encode(going.digest()).decode() == theirs().handle(body)
    assert compared >= 3  # botocore has the rest from a library that is not installed here


@given(body=st.binary(max_size=200), each=st.integers(1, 60), pieces=st.lists(st.integers(0, 90), max_size=9))
def test_a_sum_of_parts_is_the_sum_of_their_sums(body: bytes, each: int, pieces: list[int]) -> None:
    parts = [body[at : at + each] for at in range(0, len(body), each)] or [b""]
    expected = hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).digest()
    going = PartsSum(SUMS["MD5"], each)
    rest = body
    for length in pieces:
        going.update(rest[:length])
        rest = rest[length:]
    going.update(rest)
    assert (going.digest(), going.parts) == (expected, len(parts))


def test_what_is_not_known_is_not_summed_up() -> None:
    assert sum_of(Checksum("BLAKE9", b"x"), part_size=None) is None
    assert sum_of(Checksum("CRC32", b"x", 3), part_size=None) is None
    assert sum_of(Checksum("CRC32", b64decode("y/Q5Jg==")), part_size=None) is not None
