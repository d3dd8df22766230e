"""Where copies land, and what makes one its original's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.catalog.assets import Asset
from ingest.copying import CopyPlace, carried, differs
from ingest.model import ObjectHead
from ingest.once import Once
from ingest.s3.results import Written

_NAMES = st.from_regex(re.compile(r"[a-z0-9][a-z0-9_-]{0,3}", re.ASCII), fullmatch=True)
_BUCKETS = st.from_regex(re.compile(r"[a-z0-9][a-z0-9.-]{1,3}[a-z0-9]", re.ASCII), fullmatch=True)
_VERSIONS = st.just("") | st.from_regex(re.compile(r"[A-Za-z0-9._-]{1,4}", re.ASCII), fullmatch=True)
_KEYS = st.sampled_from([b"/", b"a", b"a/b", b"\xff", b"@"]) | st.binary(min_size=1, max_size=6)
_OBJECTS = st.tuples(_NAMES, _NAMES, _BUCKETS, _VERSIONS, _KEYS)

MD5, OTHER = "0" * 32, "1" * 32


@pytest.mark.acceptance("CG-10")
@given(one=_OBJECTS, other=_OBJECTS, folder=st.sampled_from(["", "in/", "a/b/"]))
def test_no_two_objects_have_one_copy(
    one: tuple[str, str, str, str, bytes], other: tuple[str, str, str, str, bytes], folder: str
) -> None:
    """Of whatever workspace, connection, bucket, version or key."""

    def key(workspace: str, connection: str, bucket: str, version: str, key: bytes) -> bytes:
        place = CopyPlace.of(f"s3://ours/{folder}", workspace=workspace, connection=connection)
        made = place.key(bucket, key, version)
        assert (
            f"s3://{place.bucket}/".encode() + made
            == place.begin(bucket).encode() + made[len(place.begin(bucket)) - 10 :]
        )
        assert made.startswith(place.grant.prefix.encode())
        return made

    assert (key(*one) == key(*other)) == (one == other)


def asset(etag: str = MD5, *, sums: tuple[str, str, str] = ("", "", ""), headers: str | None = None) -> Asset:
    algorithm, checksum, kind = (value or None for value in sums)
    return Asset(b"k", 1, etag, "", "STANDARD", "", "present", "head")._replace(
        checksum_algorithm=algorithm, checksum=checksum, checksum_type=kind, headers=headers
    )


KMS = '{"x-amz-server-side-encryption": "aws:kms"}'


@pytest.mark.parametrize(
    ("of", "written", "says"),
    [
        (asset(), Written(MD5), ""),
        (asset(), Written(OTHER), "the copy's MD5 is"),
        (asset(), Written(OTHER, encryption="AES256"), "the copy's MD5 is"),
        (asset(), Written(OTHER, encryption="aws:kms"), ""),
        (asset(headers=KMS), Written(OTHER), ""),
        (asset(MD5 + "-2"), Written(OTHER), ""),
        (asset(), Written(OTHER + "-2"), ""),
        (asset(sums=("CRC32", "AA==", "FULL_OBJECT")), Written(OTHER, "CRC32", "AA==", "FULL_OBJECT"), ""),
        (
            asset(sums=("CRC32", "AA==", "FULL_OBJECT")),
            Written(MD5, "CRC32", "BB==", "FULL_OBJECT"),
            "the copy's CRC32",
        ),
        (asset(sums=("CRC32", "AA==", "COMPOSITE")), Written(MD5, "CRC32", "BB==", "FULL_OBJECT"), ""),
        (asset(sums=("CRC32", "AA==", "COMPOSITE")), Written(MD5, "CRC32", "BB==", "COMPOSITE"), ""),
        (
            asset(sums=("SHA256", "AA==", "FULL_OBJECT")),
            Written(OTHER, "CRC32", "BB==", "FULL_OBJECT"),
            "the copy's MD5",
        ),
    ],
)
def test_a_copy_is_its_original_unless_what_can_be_compared_differs(of: Asset, written: Written, says: str) -> None:
    found = differs(of, written)
    assert found.startswith(says)
    assert bool(found) == bool(says)


def test_parts_are_told_what_they_do_not_bring_along() -> None:
    head = ObjectHead(
        1,
        MD5,
        "",
        content_type="image/png",
        metadata={"camera": "A7"},
        headers={"cache-control": "no-store", "x-amz-restore": "x", "x-amz-server-side-encryption": "aws:kms"},
    )
    assert carried(head, {"a b": "c&d", "e": ""}) == {
        "content-type": "image/png",
        "cache-control": "no-store",
        "x-amz-meta-camera": "A7",
        "x-amz-tagging": "a+b=c%26d&e=",
    }
    assert carried(ObjectHead(1, MD5, ""), {}) == {}


def test_a_thing_is_said_once_of_each_subject() -> None:
    once = Once()
    one, other = once.about("run-1"), once.about("run-2")
    assert [one.first("tags"), other.first("tags"), one.first("tags"), one.first("copy")] == [True, True, False, True]
    for number in range(1_000):
        other.first(number)
    assert one.first("tags")
