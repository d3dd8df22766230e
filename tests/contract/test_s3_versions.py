"""The wire client's listings of versions: as aiobotocore and moto have them, whole or an error, and never less than there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import pytest

from config.errors import AccessDeniedError, ListingError, ProtocolError
from config.limits import Limits
from ingest.gate import Gates
from ingest.model import Entry, Range
from ingest.s3.client import Location, S3Client
from ingest.s3.http import open_http
from ingest.s3.versions import version_pages
from tests.fakes.iam_documents import allow, policy, reads
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import FakeAccess, chosen, role_access, s3_bench
from tests.fakes.s3_cases import small_limits
from tests.fakes.s3_faults import Fault
from tests.fakes.s3_oracle import client_of
from tests.servers import moto_server

ODD = ["a", "a b+c", "a//b", "p/%20", "p/\u00fc&<", "p/x", "z\U0001f600"]


def a_history() -> FakeS3:
    """Ten keys with one to five versions each, some of them deleted and one from before versions were kept."""
    s3 = FakeS3()
    bucket = s3.create_bucket("bkt")
    s3.put("bkt", b"p/0", b"first", checksum_algorithm="CRC32")
    bucket.versioned = True
    for number in range(10):
        key = f"p/{number}".encode()
        for version in range(number % 5 + 1):
            s3.put("bkt", key, b"body %d" % version, storage_class="STANDARD_IA" if version else "STANDARD")
        if number % 3 == 0:
            s3.delete("bkt", key)
    return s3


async def entries_of(client: S3Client, within: Range = Range(), limits: Limits | None = None) -> list[Entry]:
    limits = limits or small_limits()
    async with aclosing(version_pages(client, prefix=b"p/", within=within, limits=limits, what="bkt")) as pages:
        return [entry async for page in pages for entry in page.entries]


def stored(s3: FakeS3) -> list[tuple[bytes, str, bool, bool]]:
    return [
        (key, one.shown_version, latest, one.delete_marker) for key, one, latest in s3.buckets["bkt"].all_versions()
    ]


def told(entries: list[Entry]) -> list[tuple[bytes, str, bool | None, bool]]:
    return [(one.key, one.version_id, one.is_latest, one.is_delete_marker) for one in entries]


@pytest.mark.acceptance("KO-09")
@pytest.mark.parametrize("page_keys", [1, 2, 3, 7, 1000])
async def test_every_version_and_every_delete_marker_is_listed_in_order(page_keys: int) -> None:
    async with a_history() as s3, s3_bench(s3) as bench:
        limits = Limits(page_keys=page_keys)
        entries = await entries_of(bench.client, limits=limits)
        assert told(entries) == stored(s3)
        oldest = next(one for one in entries if one.version_id == "null")
        assert (oldest.size, oldest.checksum_kind) == (5, "CRC32 FULL_OBJECT")
        marker = next(one for one in entries if one.is_delete_marker)
        assert (marker.size, marker.etag, marker.storage_class) == (0, "", "")
        for lo in [b"p/", b"p/3", b"p/35", b"p/9"]:
            behind = await entries_of(bench.client, Range(lo, b"p/7"), limits=limits)
            assert told(behind) == [one for one in stored(s3) if lo < one[0] <= b"p/7"]
        first = s3.requests("list_versions")[0].query
        assert (first["encoding-type"], first["prefix"], "key-marker" in first) == (b"url", b"p/", False)


async def test_servers_that_do_not_encode_keys_or_name_delete_markers_last_are_read_too() -> None:
    async with a_history() as s3, s3_bench(s3) as bench:
        s3.dialect.ignore_encoding = True
        s3.faults.add(Fault(kind="markers_last", op="list_versions", times=0))
        assert sorted(told(await entries_of(bench.client))) == sorted(stored(s3))


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("no_token", ProtocolError),
        ("wrong_name", ProtocolError),
        ("wrong_prefix", ProtocolError),
        ("wrong_root", ProtocolError),
        ("html", ProtocolError),
        ("empty", ProtocolError),
        ("bomb", ProtocolError),
        ("truncated", ProtocolError),
        ("repeat_token", ListingError),
        ("backwards", ListingError),
        ("unordered", ListingError),
        ("duplicate_key", ListingError),
        ("foreign_key", ListingError),
    ],
)
async def test_a_listing_that_lies_is_an_error_and_never_shorter(kind: str, error: type[Exception]) -> None:
    async with a_history() as s3, s3_bench(s3, limits=small_limits()) as bench:
        s3.faults.add(Fault(kind=kind, op="list_versions", nth=2, times=0))
        with pytest.raises(error):
            await entries_of(bench.client)


@pytest.mark.parametrize(
    "inside",
    [
        "<Contents><Key>p/1</Key></Contents>",
        "<Extra><Version><Key>p/1</Key></Version></Extra>",
        "<version><Key>p/1</Key></version>",
        "<Version><Key>p/1</Key><IsLatest>true</IsLatest><LastModified>t</LastModified><Size>1</Size></Version>",
        "<Version><Key>p/1</Key><VersionId>v</VersionId><LastModified>t</LastModified><Size>1</Size></Version>",
        "<DeleteMarker><Key>p/1</Key><VersionId>v</VersionId><IsLatest>true</IsLatest></DeleteMarker>",
        "<CommonPrefixes><Prefix>p/1</Prefix></CommonPrefixes>",
        "<IsTruncated>true</IsTruncated>",
    ],
)
async def test_a_page_that_hides_versions_is_refused_and_not_empty(inside: str) -> None:
    page = f"<ListVersionsResult><Name>bkt</Name><IsTruncated>false</IsTruncated>{inside}</ListVersionsResult>"
    async with a_history() as s3, s3_bench(s3, limits=small_limits()) as bench:
        s3.faults.add(Fault(kind="answer", op="list_versions", status=200, body=page, times=0))
        with pytest.raises(ProtocolError):
            await entries_of(bench.client)


@pytest.mark.parametrize("markers", [("p/1", "v9"), ("p/0", "v1"), ("p/2", "v1"), ("p/1", "")])
async def test_a_page_that_is_not_followed_by_what_comes_next_is_refused(markers: tuple[str, str]) -> None:
    version = (
        "<Version><Key>p/1</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest><LastModified>t</LastModified>"
        "<Size>1</Size></Version>"
    )
    key, version_id = markers
    page = (
        f"<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>{key}</NextKeyMarker>"
        f"<NextVersionIdMarker>{version_id}</NextVersionIdMarker>{version}</ListVersionsResult>"
    )
    async with a_history() as s3, s3_bench(s3, limits=small_limits()) as bench:
        s3.faults.add(Fault(kind="answer", op="list_versions", status=200, body=page, times=0))
        with pytest.raises(ListingError if version_id else ProtocolError):
            await bench.client.list_versions(prefix=b"p/")


async def test_a_role_that_lists_objects_only_is_told_which_action_lacks_and_what_to_type() -> None:
    async with a_history() as s3:
        access = role_access(s3)
        next(iter(s3.sts.roles.values())).policy = policy(*reads("bkt"))
        async with s3_bench(s3, access=access) as bench:
            why = "s3:ListBucketVersions.*connections update NAME --versions"
            with pytest.raises(AccessDeniedError, match=why) as caught:
                await entries_of(bench.client)
            assert caught.value.code == "AccessDenied"
            more = allow(["s3:ListBucketVersions", "s3:GetObjectVersion"], ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"])
            next(iter(s3.sts.roles.values())).policy = policy(*reads("bkt"), more)
            assert told(await entries_of(bench.client)) == stored(s3)
            null = await bench.client.head(b"p/0", version_id="null")
            assert (null.size, null.version_id) == (5, "")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        asyncio.run(_fill(url))
        yield url


async def _fill(url: str) -> None:
    async with AsyncExitStack() as stack:
        oracle = await client_of(stack, "s3", url)
        await oracle.create_bucket(Bucket="odd-keys")
        await oracle.put_bucket_versioning(Bucket="odd-keys", VersioningConfiguration={"Status": "Enabled"})
        for number, key in enumerate(ODD):
            for version in range(number + 1):
                await oracle.put_object(Bucket="odd-keys", Key=key, Body=b"%d" % version)
            if number % 2:
                await oracle.delete_object(Bucket="odd-keys", Key=key)


@pytest.fixture
async def both(moto: str) -> AsyncIterator[tuple[S3Client, Any]]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_http(Limits(), chosen.kind))
        location = Location(bucket="odd-keys", region="us-east-1", endpoint=moto)
        ours = S3Client(http=http, gates=Gates(Limits()), access=FakeAccess(), location=location, limits=Limits())
        yield ours, await client_of(stack, "s3", moto)


@pytest.mark.parametrize("page_keys", [3, 1000])
async def test_moto_says_the_same_to_us_and_to_aiobotocore(both: tuple[S3Client, Any], page_keys: int) -> None:
    ours, oracle = both
    theirs: dict[tuple[str, str], tuple[Any, ...]] = {}
    async for page in oracle.get_paginator("list_object_versions").paginate(Bucket="odd-keys"):
        for one in page.get("Versions", []):
            theirs[one["Key"], one["VersionId"]] = (one["IsLatest"], False, one["Size"], one["ETag"].strip('"'))
        for one in page.get("DeleteMarkers", []):
            theirs[one["Key"], one["VersionId"]] = (one["IsLatest"], True, 0, "")
    limits = Limits(page_keys=page_keys)
    async with aclosing(version_pages(ours, prefix=b"", within=Range(), limits=limits, what="b")) as pages:
        entries = [entry async for page in pages for entry in page.entries]
    assert [entry.key for entry in entries] == sorted(entry.key for entry in entries)
    found = {
        (one.key.decode(), one.version_id): (one.is_latest, one.is_delete_marker, one.size, one.etag) for one in entries
    }
    assert len(found) == len(entries)
    assert found == theirs
