"""Where copies land, and what makes one its original's."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from config.errors import JobError
from ingest.catalog.assets import Asset
from ingest.copy_place import CopyPlace
from ingest.copying import carried, differs
from ingest.model import ObjectHead
from ingest.once import Once
from ingest.s3.results import Written

_NAMES = st.from_regex(re.compile(r"[a-z0-9][a-z0-9_-]{0,3}", re.ASCII), fullmatch=True)
_BUCKETS = st.from_regex(re.compile(r"[a-z0-9][a-z0-9.-]{1,3}[a-z0-9]", re.ASCII), fullmatch=True)
_VERSIONS = st.just("") | st.from_regex(re.compile(r"[A-Za-z0-9._-]{1,4}", re.ASCII), fullmatch=True)
_KEYS = st.sampled_from([b"/", b"a", b"a/b", b"\xff", b"@"]) | st.binary(min_size=1, max_size=6)
_OBJECTS = st.tuples(_NAMES, _NAMES, _BUCKETS, _VERSIONS, _KEYS)

MD5, OTHER = "0" * 32, "1" * 32


_TARGETS = st.sampled_from(["s3://ours/", "s3://ours/in/", "s3://ours/a/", "s3://ours/a/b/", "s3://ours/a/b/c/"])
_RESTS = st.lists(_NAMES | _BUCKETS | st.sampled_from(["", "@", "a@b", ".."]), max_size=3).map(
    lambda parts: "".join(f"{part}/" for part in parts)
)


def place_of(copy_to: str, workspace: str, connection: str, targets: Sequence[str]) -> CopyPlace | None:
    try:
        return CopyPlace.of(copy_to, targets=targets, workspace=workspace, connection=connection)
    except JobError:  # the operator's places lie in one another
        return None


@pytest.mark.acceptance("CG-10")
@given(
    one=_OBJECTS,
    other=_OBJECTS,
    targets=st.lists(_TARGETS, min_size=1, max_size=3, unique=True),
    rests=st.tuples(_RESTS, _RESTS),
    which=st.tuples(st.integers(0, 2), st.integers(0, 2)),
)
@example(  # a tenant names a folder of another one's
    one=("acme", "main", "vbucket", "", b"photos/1.jpg"),
    other=("main", "vbucket", "photos", "", b"1.jpg"),
    targets=["s3://ours/copies/"],
    rests=("", "acme/"),
    which=(0, 0),
)
@example(  # of an operator's place that lies in another one
    one=("a", "x", "abc", "", b"k"),
    other=("x", "abc", "k", "", b"k"),
    targets=["s3://ours/", "s3://ours/a/"],
    rests=("", ""),
    which=(0, 1),
)
@example(  # one tenant's own
    one=("a", "b", "abc", "", b"xyz/k"),
    other=("a", "b", "xyz", "", b"k"),
    targets=["s3://ours/"],
    rests=("", "abc/"),
    which=(0, 0),
)
def test_no_two_objects_have_one_copy(
    one: tuple[str, str, str, str, bytes],
    other: tuple[str, str, str, str, bytes],
    targets: list[str],
    rests: tuple[str, str],
    which: tuple[int, int],
) -> None:
    """Of whatever workspace, connection, bucket, version or key, and wherever below the operator's places the jobs say."""
    made = []
    for (workspace, connection, bucket, version, key), rest, number in zip((one, other), rests, which, strict=True):
        copy_to = targets[number % len(targets)] + rest
        place = place_of(copy_to, workspace, connection, targets)
        if place is None:
            return
        named = place.key(bucket, key, version)
        assert (
            f"s3://{place.bucket}/".encode() + named
            == place.begin(bucket).encode() + named[len(place.prefix + bucket) :]
        )
        assert named.startswith(place.grant.prefix.encode())
        made.append((named, (workspace, connection, bucket, version, key, copy_to)))
    assert (made[0][0] == made[1][0]) == (made[0][1] == made[1][1])


@pytest.mark.acceptance("CG-10")
@given(names=st.tuples(_NAMES, _NAMES), others=st.tuples(_NAMES, _NAMES), rests=st.tuples(_RESTS, _RESTS))
def test_no_tenants_place_lies_in_that_of_another_one(
    names: tuple[str, str], others: tuple[str, str], rests: tuple[str, str]
) -> None:
    """So a session that may write to the one may not to the other."""
    one, other = (
        CopyPlace.of(f"s3://ours/copies/{rest}", targets=["s3://ours/copies/"], workspace=who[0], connection=who[1])
        for who, rest in zip((names, others), rests, strict=True)
    )
    assert one.prefix.startswith(f"copies/{names[0]}/{names[1]}/")
    if names != others:
        assert not one.prefix.startswith(other.prefix)


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
