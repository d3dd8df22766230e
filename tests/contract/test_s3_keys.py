"""Any key S3 allows goes through: our client and aiobotocore, asked the same of the same server, give the same answer."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from hypothesis import given, settings
from hypothesis import strategies as st

from config.limits import Limits
from ingest.gate import Gates
from ingest.model import Entry, Range
from ingest.s3.client import Location, S3Client
from ingest.s3.http import open_http
from ingest.walking import Flight, walk
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import FakeAccess, chosen, s3_bench
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET
from tests.servers import moto_server

pytestmark = pytest.mark.usefixtures("transport")

BUCKET = "odd-keys"
ODD = [
    "plain",
    "a//b",
    "//",
    "/leading",
    "trailing/",
    "./x",
    "../x",
    "a/./b",
    "a/../b",
    "a/..",
    "..x",
    "...",
    "a+b c",
    " leading and trailing ",
    "100%",
    "%20",
    "%2F",
    "%00",
    "a?b#c&d=e;f",
    "a:b@c!$'()*,~[]{}|^`\\\"<>",
    "&amp;<Key>",
    "\u00fcber/stra\u00dfe",
    "e\u0301 is NFD",
    "\u00e9 is NFC",
    "\u65e5\u672c\u8a9e",
    "\U0001f600\U0001f680",
    "\uff61 before \U00010000",
    "\u202eright to left",
    "\x01\x02\x1f\x7f",
    "tab\tand\x0bvertical",
    "prefix/",
    "prefix/inside",
    "A",
    "a",
    "k" * 1024,
    "\u00fc" * 512,
    "\U0001f600" * 256,
]
"""What both servers take."""
ONLY_FAKE = [
    b".",
    b"..",
    b"/",
    b"new\nline",
    b"carriage\rreturn",
    b"nul\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xc3(",
    b"a" * 1023 + b"\xff",
]
"""moto, or the HTTP server below it, changes or refuses these; the last ones are no UTF-8, so aiobotocore can't say them."""


@functools.cache
def _session() -> Any:
    """One for all clients: it loads the service models once. It keeps no connection and no loop."""
    return get_session()


def _oracle(url: str) -> Any:
    return _session().create_client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=OPERATOR_KEY,
        aws_secret_access_key=OPERATOR_SECRET,
        config=AioConfig(s3={"addressing_style": "path"}),
    )


async def _fill(url: str) -> None:
    async with _oracle(url) as oracle:
        await oracle.create_bucket(Bucket=BUCKET)
        for key in ODD:
            await oracle.put_object(Bucket=BUCKET, Key=key, Body=_body(key), ContentType="text/x-odd")


def _body(key: str) -> bytes:
    return f"body of {key}".encode()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        asyncio.run(_fill(url))
        yield url


@dataclass
class Place:
    """A bucket of odd keys, seen by both."""

    ours: S3Client
    oracle: Any
    echoes_raw: bool
    """moto puts `start-after` into its XML as it came, so one with control characters makes the answer unreadable."""


@pytest.fixture(params=["moto", "fake"])
async def place(request: pytest.FixtureRequest, moto: str) -> AsyncIterator[Place]:
    async with FakeS3() as fake, open_http(Limits(), chosen.kind) as http:
        fake.create_bucket(BUCKET)
        for key in ODD:
            fake.put(BUCKET, key.encode(), _body(key), content_type="text/x-odd")
        url = moto if request.param == "moto" else fake.url
        location = Location(bucket=BUCKET, region="us-east-1", endpoint=url)
        ours = S3Client(
            http=http, gates=Gates(Limits()), access=FakeAccess(), location=location, limits=Limits(page_keys=10)
        )
        async with _oracle(url) as oracle:
            yield Place(ours, oracle, request.param == "moto")


async def _listed(client: S3Client, prefix: bytes = b"", within: Range | None = None) -> list[Entry]:
    async with aclosing(client.pages(prefix=prefix, within=within)) as pages:
        return [entry async for page in pages for entry in page.entries]


async def _walked(client: S3Client, prefix: bytes = b"", within: Range | None = None) -> list[Entry]:
    async with aclosing(walk(client, bucket=BUCKET, prefix=prefix, within=within, flight=Flight(8))) as pages:
        return [entry async for page in pages for entry in page.entries]


async def test_both_list_head_and_read_the_same(place: Place) -> None:
    entries = await _listed(place.ours)
    oracle: dict[str, Any] = {}
    async for page in place.oracle.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        oracle |= {item["Key"]: item for item in page["Contents"]}

    assert [entry.key for entry in entries] == sorted(key.encode() for key in ODD)
    assert {entry.key.decode() for entry in entries} == set(oracle)
    for entry in entries:
        key = entry.key.decode()
        theirs = oracle[key]
        assert (entry.size, entry.etag) == (theirs["Size"], theirs["ETag"].strip('"'))
        assert (entry.storage_class, entry.last_modified[:19]) == (
            theirs["StorageClass"],
            theirs["LastModified"].isoformat()[:19],
        )

        head = await place.ours.head(entry.key, if_match=entry.etag)
        their_head = await place.oracle.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
        assert (head.size, head.etag, head.content_type) == (
            their_head["ContentLength"],
            their_head["ETag"].strip('"'),
            "text/x-odd",
        )
        assert head.last_modified == their_head["ResponseMetadata"]["HTTPHeaders"]["last-modified"]

        async with place.ours.get(entry.key, if_match=entry.etag) as body:
            ours = await body.read()
        answer = await place.oracle.get_object(Bucket=BUCKET, Key=key)
        assert ours == await answer["Body"].read() == _body(key)
        async with place.ours.get(entry.key, first=5, last=6) as body:
            assert (await body.read(), body.head.size) == (b"of", entry.size)


async def test_a_prefix_is_a_string_and_not_a_path(place: Place) -> None:
    prefixes = ["a", "a/", "prefix/", "/", "//", "..", "%", "\u00fc", "e\u0301", " ", "&amp;", "none"]
    for prefix in prefixes if place.echoes_raw else [*prefixes, "\x01"]:
        entries = await _listed(place.ours, prefix.encode())
        assert [entry.key for entry in entries] == sorted(key.encode() for key in ODD if key.startswith(prefix))


async def test_a_listing_begins_behind_any_key_and_ends_at_any_key(place: Place) -> None:
    keys = sorted(key.encode() for key in ODD)
    for number in range(0, len(keys), 3):
        lo, hi = keys[number], keys[min(number + 7, len(keys) - 1)]
        if place.echoes_raw and not lo.decode().isprintable():
            continue
        assert [entry.key for entry in await _listed(place.ours, within=Range(lo, hi))] == [
            key for key in keys if lo < key <= hi
        ]


async def test_folders_are_the_same_for_both(place: Place) -> None:
    page = await place.ours.list_page(prefix=b"", delimiter=b"/")
    theirs = await place.oracle.list_objects_v2(Bucket=BUCKET, Delimiter="/")
    assert [folder.decode() for folder in page.common_prefixes] == sorted(
        (item["Prefix"] for item in theirs["CommonPrefixes"]), key=str.encode
    )
    assert {entry.key.decode() for entry in page.entries} == {item["Key"] for item in theirs["Contents"]}


async def test_a_walk_folder_by_folder_brings_what_a_plain_listing_does(place: Place) -> None:
    keys = sorted(key.encode() for key in ODD)
    assert await _walked(place.ours) == await _listed(place.ours)
    for prefix in (b"a", b"a/", b"/", b".", "\u00fc".encode()):
        assert await _walked(place.ours, prefix) == await _listed(place.ours, prefix)
    for number in range(0, len(keys), 3):
        lo, hi = keys[number], keys[min(number + 7, len(keys) - 1)]
        if not (place.echoes_raw and not lo.decode().isprintable()):
            assert [entry.key for entry in await _walked(place.ours, within=Range(lo, hi))] == keys[
                number + 1 : number + 8
            ]


async def test_keys_that_no_library_could_say_go_through_as_bytes() -> None:
    """NUL, line ends, dots alone, bytes that are no UTF-8: listed in byte order, headed, read, listed behind."""
    async with FakeS3() as s3:
        s3.create_bucket("bkt")
        for key in ONLY_FAKE:
            s3.put("bkt", key, b"body of " + key)
        async with s3_bench(s3) as bench:
            keys = [entry.key for entry in await _listed(bench.client)]
            assert keys == sorted(ONLY_FAKE)
            assert [entry.key for entry in await _walked(bench.client)] == keys
            for number, key in enumerate(keys):
                assert (await bench.client.head(key)).size == 8 + len(key)
                async with bench.client.get(key) as body:
                    assert await body.read() == b"body of " + key
                assert [entry.key for entry in await _listed(bench.client, within=Range(key))] == keys[number + 1 :]
                assert [entry.key for entry in await _listed(bench.client, key)] == [
                    k for k in keys if k.startswith(key)
                ]


@settings(max_examples=25, deadline=None)
@given(keys=st.sets(st.binary(min_size=1, max_size=30), min_size=1, max_size=12))
async def test_whatever_the_bytes_are_they_arrive_as_they_were(keys: set[bytes]) -> None:
    async with FakeS3() as s3:
        s3.create_bucket("bkt")
        for key in keys:
            s3.put("bkt", key, b"<" + key)
        async with s3_bench(s3, limits=Limits(page_keys=3)) as bench:
            assert [entry.key for entry in await _listed(bench.client)] == sorted(keys)
            assert [entry.key for entry in await _walked(bench.client)] == sorted(keys)
            for key in keys:
                async with bench.client.get(key) as body:
                    assert await body.read() == b"<" + key
            assert {request.key for request in s3.requests("get")} == keys
