"""What names content: MD5s that are some, checksums of wholes and of parts."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.identity import Checksum, checksum_of, etag_checksum, md5_of, part_size, sha256_of
from ingest.model import Entry
from ingest.probe.checks import Checks
from ingest.probe.records import of_head
from ingest.s3.body import read_head

MD5 = "900150983cd24fb0d6963f7d28e17f72"
KMS = "x-amz-server-side-encryption"
MIB = 1 << 20


@pytest.mark.acceptance("LS-12")
@pytest.mark.parametrize(
    ("etag", "headers", "expected"),
    [
        (MD5, {}, MD5),
        (MD5.upper(), {}, MD5),
        (MD5, {KMS: "AES256"}, MD5),
        (MD5, {KMS: "aws:kms"}, None),
        (MD5, {KMS: "aws:kms:dsse"}, None),
        (MD5, {"x-amz-server-side-encryption-customer-algorithm": "AES256"}, None),
        (f"{MD5}-2", {}, None),
        (MD5[:-1], {}, None),
        (f"{MD5}\n", {}, None),
        ("0x8D3A2B1C0D4E5F6", {}, None),
        ("", {}, None),
    ],
)
def test_an_etag_is_an_md5_only_where_it_is_known_to_be(etag: str, headers: dict[str, str], expected: str) -> None:
    assert md5_of(etag, headers) == expected


def test_a_directory_buckets_etag_is_no_md5() -> None:
    assert md5_of(MD5, {}, storage_class="EXPRESS_ONEZONE") is None


@pytest.mark.acceptance("LS-12")
def test_a_multipart_etag_says_of_how_many_parts() -> None:
    assert etag_checksum(f"{MD5}-17", {}) == Checksum("MD5", bytes.fromhex(MD5), 17)
    assert etag_checksum(f"{MD5}-17", {KMS: "aws:kms"}) is None
    for odd in (f"{MD5}-0", f"{MD5}-10001", f"{MD5}-", f"{MD5}-x", f"{MD5}-2-2", f"{MD5}-\u0662"):
        assert etag_checksum(odd, {}) is None


SHA = b64encode(bytes(32)).decode()


@pytest.mark.acceptance("LS-12")
@pytest.mark.parametrize(
    ("algorithm", "value", "kind", "expected"),
    [
        ("SHA256", SHA, "FULL_OBJECT", Checksum("SHA256", bytes(32))),
        ("sha256", SHA, "", Checksum("SHA256", bytes(32))),
        ("SHA256", f"{SHA}-3", "COMPOSITE", Checksum("SHA256", bytes(32), 3)),
        ("SHA256", f"{SHA}-3", "", Checksum("SHA256", bytes(32), 3)),  # written before types were told
        ("SHA256", f"{SHA}-3", "FULL_OBJECT", None),
        ("SHA256", SHA, "COMPOSITE", None),
        ("SHA256", f"{SHA}-0", "COMPOSITE", None),
        ("SHA256", "not base64!", "FULL_OBJECT", None),
        ("CRC32", "\u00e9", "FULL_OBJECT", None),
        ("CRC32", "AQ==", "FULL_OBJECT", None),
        ("SHA256", "0" * 64, "FULL_OBJECT", None),  # in hex
        ("BLAKE9", "AQ==", "FULL_OBJECT", Checksum("BLAKE9", b"\1")),
        ("CRC64NVME", "rosUhgp5mIg=", "FULL_OBJECT", Checksum("CRC64NVME", bytes.fromhex("ae8b14860a799888"))),
        ("", SHA, "FULL_OBJECT", None),
        ("SHA256", "", "FULL_OBJECT", None),
    ],
)
def test_a_checksum_is_typed(algorithm: str, value: str, kind: str, expected: Checksum | None) -> None:
    assert checksum_of(algorithm, value, kind) == expected


@given(
    headers=st.dictionaries(
        st.sampled_from(
            [
                *("etag", "last-modified", "content-type", "x-amz-storage-class", "x-amz-version-id", "x-amz-restore"),
                *("x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-checksum-blake9", "x-amz-checksum-type"),
                *(KMS, "x-amz-archive-status", "x-amz-tagging-count", "x-amz-meta-a"),
            ]
        ),
        st.one_of(
            st.text(st.characters(max_codepoint=0x2FF), max_size=20),
            st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
            st.builds("{0}-{1}".format, st.sampled_from([MD5, SHA, "x"]), st.integers(-1, 10_001)),
            st.binary(max_size=40).map(lambda raw: b64encode(raw).decode()),
            st.sampled_from(["COMPOSITE", "FULL_OBJECT", "AES256", MD5, SHA, f"{SHA}-\u0662"]),
        ),
    ),
    size=st.integers(0, 3),
)
def test_no_header_breaks_anything(headers: dict[str, str], size: int) -> None:
    head = read_head(headers, size=size)
    of_head(Entry(b"k", size, head.etag, "", head.storage_class), head)
    checks = Checks(head)
    checks.update([b"x" * size])
    assert str(checks.verified())


def test_a_stored_sha_256_of_the_whole_is_known_without_reading_it() -> None:
    assert sha256_of(Checksum("SHA256", bytes(32))) == "0" * 64
    assert sha256_of(Checksum("SHA256", bytes(32), 2)) is None
    assert sha256_of(Checksum("SHA256", bytes(31))) is None
    assert sha256_of(Checksum("CRC32", bytes(4))) is None
    assert sha256_of(None) is None


@given(size=st.integers(0, 5 << 40), parts=st.integers(1, 10_000))
def test_a_guessed_part_gives_as_many(size: int, parts: int) -> None:
    length = part_size(size, parts)
    if length is not None:
        assert max(1, -(-size // length)) == parts


@pytest.mark.parametrize("length", [5 * MIB, 8 * MIB, 16 * MIB, 100 * MIB, 1024 * MIB])
@pytest.mark.parametrize("parts", [200, 9_999])
def test_usual_parts_are_found(length: int, parts: int) -> None:
    assert part_size(length * parts - 1, parts) == length
