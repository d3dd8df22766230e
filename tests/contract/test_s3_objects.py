"""The wire client's HEADs and GETs: whole and of the version that was listed, or an error."""

from __future__ import annotations

from typing import Any

import pytest

from config.errors import (
    BucketMissingError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectMissingError,
    ProtocolError,
    RequestRefusedError,
    SourceUnavailableError,
)
from tests.fakes.s3_access import s3_bench
from tests.fakes.s3_cases import KEYS, ask, keys_of, pages_of, small_limits, ten_objects
from tests.fakes.s3_faults import Fault

pytestmark = pytest.mark.usefixtures("transport")


async def test_a_head_tells_all_that_a_record_keeps() -> None:
    s3 = ten_objects()
    s3.put(
        "bkt",
        b"o",
        b"12345",
        content_type="image/png",
        storage_class="INTELLIGENT_TIERING",
        metadata={"camera": "A7", "place": "Z\u00fcrich"},
        headers={"Cache-Control": "no-store", "x-amz-server-side-encryption": "aws:kms", "X-Powered-By": "x"},
    )
    async with s3, s3_bench(s3) as bench:
        head = await bench.client.head(b"o")
        assert (head.size, head.content_type, head.storage_class) == (5, "image/png", "INTELLIGENT_TIERING")
        assert head.metadata == {"camera": "A7", "place": "Z\u00fcrich"}
        assert head.headers == {"cache-control": "no-store", "x-amz-server-side-encryption": "aws:kms"}
        assert s3.requests("head")[0].headers["x-amz-checksum-mode"] == "ENABLED"


async def test_two_kilobytes_of_metadata_may_be_hundreds_of_headers_or_one_long_one() -> None:
    s3 = ten_objects()
    many = {f"n{number:03d}": "" for number in range(500)}
    s3.put("bkt", b"many", metadata=many)
    s3.put("bkt", b"long", metadata={"long": "x" * 60_000})
    async with s3, s3_bench(s3) as bench:
        assert (await bench.client.head(b"many")).metadata == many
        assert (await bench.client.head(b"long")).metadata == {"long": "x" * 60_000}
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.put("bkt", b"more", metadata={f"n{number:04d}": "" for number in range(1100)})
        with pytest.raises(ProtocolError):
            await bench.client.head(b"more")


@pytest.mark.parametrize("op", ["head", "get"])
async def test_an_etag_is_only_demanded_where_the_listing_named_one(op: Any) -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        listed = (await pages_of(bench))[0].entries[0].etag
        s3.faults.add(Fault(kind="headers", op=op, headers={"ETag": ""}, times=0))
        assert await ask(bench, op) == (b"" if op == "head" else b"body of p/000")
        with pytest.raises(ProtocolError, match="not an object"):
            await ask(bench, op, if_match=listed)


async def test_metadata_that_is_not_utf_8_can_still_be_stored() -> None:
    s3 = ten_objects()
    s3.put("bkt", b"o", metadata={"place": b"Z\xfcrich".decode("utf-8", "surrogateescape")})
    async with s3, s3_bench(s3) as bench:
        assert (await bench.client.head(b"o")).metadata == {"place": "Zürich"}


@pytest.mark.parametrize("size", [5 * 10**12, 50 * 10**12])
async def test_a_huge_object_is_a_number_like_any_other(size: int) -> None:
    s3 = ten_objects()
    s3.put("bkt", b"huge", b"begin", size=size)
    async with s3, s3_bench(s3) as bench:
        assert (await bench.client.head(b"huge")).size == size
        async with bench.client.get(b"huge", first=0, last=4) as body:
            assert (await body.read(), body.head.size, body.length) == (b"begin", size, 5)


RANGES = [(None, None), (0, 0), (0, 4), (3, None), (3, 6), (None, 3), (0, 999), (10, 999), (12, 12)]


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("first", "last"), RANGES)
async def test_a_range_is_those_bytes_even_where_the_server_ignores_ranges(
    first: int | None, last: int | None, ignored: bool, chunked: bool
) -> None:
    s3 = ten_objects()
    s3.dialect.ignore_range = ignored
    whole = s3.put("bkt", b"o", bytes(range(13))).body
    async with s3, s3_bench(s3) as bench:
        ranged = (first or last) is not None and not ignored
        if chunked and ranged:
            s3.faults.add(Fault(kind="chunked", op="get", times=0))
        async with bench.client.get(b"o", first=first, last=last) as body:
            expected = whole[first or 0 : None if last is None else last + 1]
            assert body.length == len(expected)
            assert await body.read() == expected
            assert body.head.size == 13


@pytest.mark.parametrize(("first", "last"), RANGES)
async def test_an_empty_object_has_an_empty_body_whatever_range_is_asked(first: int | None, last: int | None) -> None:
    s3 = ten_objects()
    stored = s3.put("bkt", b"empty")
    async with s3, s3_bench(s3) as bench, bench.client.get(b"empty", first=first, last=last) as body:
        assert (await body.read(), body.length, body.head.size, body.head.etag) == (b"", 0, 0, stored.etag)


async def test_a_range_behind_the_end_is_refused() -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        with pytest.raises(RequestRefusedError, match="InvalidRange"):
            await ask(bench, "get", first=1000)
        for first, last in ((5, 4), (-1, None)):
            with pytest.raises(RequestRefusedError):
                await ask(bench, "get", first=first, last=last)


async def test_far_behind_an_ignored_range_nothing_is_read_past() -> None:
    s3 = ten_objects()
    s3.dialect.ignore_range = True
    s3.put("bkt", b"o", bytes(2000))
    async with s3, s3_bench(s3, limits=small_limits(range_skip_bytes=1000)) as bench:
        with pytest.raises(RequestRefusedError, match="ignores ranges"):
            async with bench.client.get(b"o", first=1001):
                pass


@pytest.mark.parametrize("given", ["bytes 1-3/13", "bytes 0-2/13", "bytes 0-3/*", "lines 0-3/13", ""])
async def test_another_range_than_asked_for_is_not_taken(given: str) -> None:
    s3 = ten_objects()
    s3.put("bkt", b"o", bytes(13))
    async with s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="headers", op="get", headers={"Content-Range": given}, times=0))
        with pytest.raises(ProtocolError, match="another range"):
            async with bench.client.get(b"o", first=0, last=3):
                pass


@pytest.mark.parametrize("kind", ["cut", "reset_body"])
async def test_a_body_that_ends_early_is_an_error_where_it_is_read(kind: str) -> None:
    """Never a silent truncation; and the connection is not used again."""
    s3 = ten_objects()
    s3.put("bkt", b"o", bytes(300_000))
    async with s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind=kind, op="get"))
        async with bench.client.get(b"o") as body:
            with pytest.raises(SourceUnavailableError):
                async for _ in body.chunks():
                    pass
        async with bench.client.get(b"o") as body:
            assert len(await body.read()) == 300_000
        assert s3.connections == 2


async def test_a_chunked_body_without_its_end_is_an_error() -> None:
    s3 = ten_objects()
    async with s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="chunked_cut", op="get"))
        s3.faults.add(Fault(kind="headers", op="get", headers={"x-none": ""}))
        async with bench.client.get(KEYS[0], first=0, last=300) as body:
            data = await body.read()  # every byte announced by Content-Range has come
            assert data == b"body of p/000"
        s3.faults.add(Fault(kind="chunked_cut", op="list", times=0))
        with pytest.raises(SourceUnavailableError, match="before the answer was complete"):
            await keys_of(bench)


async def test_a_body_that_stalls_is_given_up() -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits(idle_s=0.05)) as bench:
        s3.faults.add(Fault(kind="stall", op="get"))
        async with bench.client.get(KEYS[0]) as body:
            with pytest.raises(SourceUnavailableError) as caught:
                await body.read()
        assert caught.value.code == "TimedOut"


@pytest.mark.parametrize("op", ["list", "head", "get"])
async def test_a_server_that_never_answers_is_given_up(op: Any) -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits(first_byte_s=0.05, attempts=2)) as bench:
        s3.faults.add(Fault(kind="hang", op=op, times=0))
        with pytest.raises(SourceUnavailableError) as caught:
            await ask(bench, op)
        assert caught.value.code == "TimedOut"
        assert bench.outcomes == [(op, "TimedOut")] * 2


async def test_a_server_that_is_not_there_is_named_so() -> None:
    async with ten_objects() as s3:
        gone = s3.url
    async with ten_objects() as s3, s3_bench(s3, endpoint=gone) as bench:
        with pytest.raises(SourceUnavailableError, match="can't be reached"):
            await keys_of(bench)


async def test_bytes_behind_an_answer_do_not_reach_the_next_one() -> None:
    """aiohttp may refuse the answer that they follow; then it is asked for again."""
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="extra", op="get", times=2))
        for _ in range(4):
            assert await ask(bench, "get") == b"body of p/000"


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("op", ["head", "get"])
async def test_another_version_than_the_listed_one_is_never_taken(op: str, ignored: bool) -> None:
    s3 = ten_objects()
    s3.dialect.ignore_if_match = ignored
    async with s3, s3_bench(s3) as bench:
        listed = (await pages_of(bench))[0].entries[0].etag
        await ask(bench, op, if_match=listed)
        s3.put("bkt", KEYS[0], b"another body")
        with pytest.raises(ObjectChangedError):
            await ask(bench, op, if_match=listed)
        assert s3.requests(op)[0].headers["if-match"] == f'"{listed}"'


async def test_a_version_is_asked_for_by_its_id() -> None:
    s3 = ten_objects()
    s3.put("bkt", b"o", b"old", version_id="v1")
    s3.put("bkt", b"o", b"new", version_id="v2")
    async with s3, s3_bench(s3) as bench:
        async with bench.client.get(b"o", version_id="v1") as body:
            assert (await body.read(), body.head.version_id) == (b"old", "v1")
        assert (await bench.client.head(b"o")).version_id == "v2"
        with pytest.raises(ObjectMissingError):
            await bench.client.head(b"o", version_id="v3")


@pytest.mark.parametrize("op", ["head", "get"])
async def test_what_is_gone_or_archived_is_told_apart_from_what_is_denied(op: str) -> None:
    s3 = ten_objects()
    s3.put("bkt", b"cold", b"x", storage_class="DEEP_ARCHIVE")
    async with s3, s3_bench(s3) as bench:
        s3.delete("bkt", KEYS[0])
        with pytest.raises(ObjectMissingError):
            await ask(bench, op)
        if op == "get":
            with pytest.raises(ObjectArchivedError):
                async with bench.client.get(b"cold"):
                    pass
        else:
            assert (await bench.client.head(b"cold")).storage_class == "DEEP_ARCHIVE"
        assert bench.pauses == []


async def test_a_page_of_a_captive_portal_is_not_an_object() -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="html", times=0))
        for op in ("head", "get"):
            with pytest.raises(ProtocolError, match="not an object"):
                await ask(bench, op)


@pytest.mark.parametrize("op", ["head", "get"])
async def test_a_304_is_no_answer_since_nobody_asks_for_one(op: str) -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits(attempts=1)) as bench:
        s3.faults.add(Fault(kind="answer", status=304, times=0))
        with pytest.raises(ProtocolError) as caught:
            await ask(bench, op)
        assert caught.value.code == "Protocol"
        assert not any("if-none-match" in request.headers for request in s3.requests())


async def test_an_answer_without_a_length_is_not_taken() -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="chunked", op="get", times=0))
        with pytest.raises(ProtocolError, match="how long"):
            await ask(bench, "get")


async def test_a_missing_bucket_is_named_so_and_is_not_empty() -> None:
    async with ten_objects() as s3, s3_bench(s3, bucket="nowhere") as bench:
        with pytest.raises(BucketMissingError, match="s3://nowhere/p/"):
            await keys_of(bench)
