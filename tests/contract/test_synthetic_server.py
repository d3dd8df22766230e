"""The benchmarks' S3 gives our client and AWS's own the same answers, and goes wrong only where it is told to."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from benchmarks.objects import content, describe
from benchmarks.running import Running, synthetic_server
from benchmarks.shapes import SHAPES
from config.limits import Limits
from ingest.gate import Gates
from ingest.model import Range
from ingest.s3.address import Location
from ingest.s3.client import S3Client
from ingest.s3.http import open_http
from tests.fakes.access import FakeAccess
from tests.fakes.s3_access import chosen

pytestmark = pytest.mark.usefixtures("transport")
KEYS = 2345


@pytest.fixture(scope="module", params=sorted(SHAPES))
def shaped(request: pytest.FixtureRequest) -> Iterator[tuple[Running, list[bytes]]]:
    """A server of each shape, and its keys written out."""
    with synthetic_server(shape=request.param, keys=KEYS) as server:
        yield server, SHAPES[request.param](KEYS).keys(0, KEYS)


@pytest.fixture(scope="module")
def plain() -> Iterator[Running]:
    with synthetic_server(shape="flat", keys=KEYS) as server:
        yield server


@asynccontextmanager
async def _ours(server: Running, limits: Limits | None = None) -> AsyncIterator[S3Client]:
    limits = limits or Limits()
    where = Location(bucket=server.bucket, region="us-east-1", endpoint=server.url)
    async with open_http(limits, chosen.kind) as http:
        yield S3Client(http=http, gates=Gates(Limits()), access=FakeAccess(), location=where, limits=limits)


@asynccontextmanager
async def _theirs(server: Running) -> AsyncIterator[Any]:
    settings = AioConfig(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "AKIAFAKE", "aws_secret_access_key": "secret"}
    async with get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=server.url, config=settings, **keys
    ) as client:
        yield client


async def _listed(client: S3Client, **options: Any) -> list[Any]:
    async with aclosing(client.pages(prefix=options.pop("prefix", b""), **options)) as pages:
        return [found async for page in pages for found in (*page.entries, *page.common_prefixes)]


async def test_both_clients_list_every_key_alike(shaped: tuple[Running, list[bytes]]) -> None:
    server, keys = shaped
    async with _ours(server) as ours, _theirs(server) as theirs:
        entries = await _listed(ours)
        paginator = theirs.get_paginator("list_objects_v2")
        items = [item async for page in paginator.paginate(Bucket="bench") for item in page["Contents"]]
    assert [entry.key for entry in entries] == [item["Key"].encode() for item in items] == keys
    assert [(e.size, f'"{e.etag}"', e.storage_class, e.checksum_algorithm) for e in entries] == [
        (item["Size"], item["ETag"], item["StorageClass"], *item["ChecksumAlgorithm"]) for item in items
    ]
    assert [(entry.size, entry.etag) for entry in entries] == [describe(index)[:2] for index in range(KEYS)]


async def test_both_clients_see_the_same_folders(shaped: tuple[Running, list[bytes]]) -> None:
    server, keys = shaped
    async with _ours(server) as ours, _theirs(server) as theirs:
        found = await _listed(ours, delimiter=b"/")
        paginator = theirs.get_paginator("list_objects_v2")
        pages = [page async for page in paginator.paginate(Bucket="bench", Delimiter="/")]
    folders = [item["Prefix"].encode() for page in pages for item in page.get("CommonPrefixes", [])]
    assert [one for one in found if isinstance(one, bytes)] == folders
    assert folders == sorted({key[: key.index(b"/") + 1] for key in keys if b"/" in key})


async def test_a_range_below_a_prefix_begins_and_ends_where_it_should(shaped: tuple[Running, list[bytes]]) -> None:
    server, keys = shaped
    lo, hi, prefix = keys[333], keys[2221], keys[1000][:3]
    async with _ours(server) as ours:
        whole = [entry.key for entry in await _listed(ours, within=Range(lo, hi))]
        below = [entry.key for entry in await _listed(ours, within=Range(lo, hi), prefix=prefix)]
    assert whole == keys[334:2222]
    assert below == [key for key in keys[334:2222] if key.startswith(prefix)]


async def test_both_clients_see_the_same_object(shaped: tuple[Running, list[bytes]]) -> None:
    server, keys = shaped
    async with _ours(server) as ours, _theirs(server) as theirs:
        for index in (0, 777, KEYS - 1):
            head = await ours.head(keys[index], if_match=describe(index).etag)
            theirs_head = await theirs.head_object(Bucket="bench", Key=keys[index].decode(), ChecksumMode="ENABLED")
            assert (head.size, f'"{head.etag}"') == (theirs_head["ContentLength"], theirs_head["ETag"])
            assert (head.content_type, head.checksum) == (theirs_head["ContentType"], theirs_head["ChecksumCRC64NVME"])
            async with ours.get(keys[index], first=100, last=20_099) as body:
                read = b"".join([piece async for piece in body])
            answer = await theirs.get_object(Bucket="bench", Key=keys[index].decode(), Range="bytes=100-20099")
            async with answer["Body"] as stream:
                assert read == await stream.read()
            assert read == content(100, min(20_099, head.size - 1))


def _spoken(server: Running, said: bytes) -> bytes:
    """What comes back for these bytes until the server hangs up."""
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as wire:
        wire.sendall(said)
        return b"".join(iter(lambda: wire.recv(65536), b""))


def test_requests_sent_ahead_are_answered_in_turn(plain: Running) -> None:
    keys = SHAPES["flat"](KEYS).keys(0, 50)
    asked = [b"HEAD /bench/%s HTTP/1.1\r\nHost: x\r\n\r\n" % key for key in keys]
    asked.append(b"HEAD /bench/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % keys[0])
    got = _spoken(plain, b"".join(asked))
    expected = [describe(index).etag.encode() for index in (*range(50), 0)]
    assert [line.split(b'"')[1] for line in got.split(b"\r\n") if line.startswith(b"ETag:")] == expected


@pytest.mark.parametrize(
    ("request_line", "host", "status"),
    [
        (b"HEAD /img_000000000007.jpg", b"bench.s3.test", b"200"),
        (b"HEAD /bench/img_000000000007.jpg", b"s3.test", b"200"),
        (b"HEAD /img_000000000007.jpg", b"s3.test", b"404"),
        (b"HEAD /bench/img_7.jpg", b"s3.test", b"404"),
        (b"GET /bench?list-type=2&max-keys=x", b"s3.test", b"400"),
        (b"GET /bench?list-type=2&continuation-token=x", b"s3.test", b"400"),
        (b"GET /bench/?list-type=2&max-keys=1", b"s3.test", b"200"),
        (b"GET /bench", b"s3.test", b"501"),
        (b"PUT /bench/x", b"s3.test", b"405"),
        (b"nonsense", b"s3.test", b"400"),
    ],
)
def test_a_bucket_is_found_in_the_host_and_in_the_path(
    plain: Running, request_line: bytes, host: bytes, status: bytes
) -> None:
    got = _spoken(plain, request_line + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
    assert got.split(b" ")[1] == status


async def test_what_was_asked_is_counted_and_forgotten_on_reset(plain: Running) -> None:
    plain.reset()
    async with _ours(plain) as ours:
        await _listed(ours)
        await ours.head(b"img_000000000007.jpg")
    assert plain.stats()["requests"] == {"head": {"200": 1}, "list": {"200": 3}}
    plain.reset()
    assert plain.stats()["requests"] == {}


async def test_a_server_with_faults_is_listed_whole_all_the_same() -> None:
    limits = Limits(page_keys=50, backoff_first_s=0.001, backoff_most_s=0.01, retry_budget=10)
    with synthetic_server(shape="tiny", keys=KEYS, fault_rate=0.3, seed=5, latency_ms=1, jitter=0.5) as server:
        async with _ours(server, limits) as ours:
            entries = await _listed(ours)
        told = server.stats()["requests"]["list"]
    assert [entry.key for entry in entries] == SHAPES["tiny"](KEYS).keys(0, KEYS)
    assert told["200"] == 47
    assert told["500"] > 0
    assert told["0"] > 0


async def test_above_its_limit_a_server_says_slow_down() -> None:
    with synthetic_server(shape="flat", keys=KEYS, limit=1) as server:
        async with _theirs(server) as theirs:
            answers = []
            for _ in range(12):
                try:
                    await theirs.head_object(Bucket="bench", Key="img_000000000007.jpg")
                    answers.append(200)
                except theirs.exceptions.ClientError as error:
                    answers.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    assert {200, 503} == set(answers)
