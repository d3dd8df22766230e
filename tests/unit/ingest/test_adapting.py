"""A bucket that finds out how it may be listed: what that costs whom, and that whoever lists does not notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing

import pytest
from structlog.testing import capture_logs

from config.errors import AccessDeniedError, ListConditionError
from ingest.adapting import Adaptive
from ingest.lister import Lister
from ingest.model import Range
from tests.fakes.folders import FolderBucket

KEYS = {f"v/{folder:02d}/{number:02d}".encode() for folder in range(20) for number in range(20)} | {b"v", b"w"}


def adaptive(bucket: FolderBucket, permits: Callable[[bytes], bool] = lambda _prefix: True) -> Adaptive:
    return Adaptive(bucket, bucket="bkt", permits=permits, page_keys=bucket.page_keys)


async def keys_of(source: Adaptive, prefix: bytes, within: Range | None = None) -> list[bytes]:
    async with aclosing(source.pages(prefix=prefix, within=within)) as pages:
        return [entry.key async for page in pages for entry in page.entries]


def by_folder(prefix: bytes, delimiter: bytes) -> bool:
    return bool(delimiter) and (not prefix or prefix.endswith(b"/"))


async def test_a_plain_role_costs_its_pages() -> None:
    plain, bucket = FolderBucket(KEYS, page_keys=50), FolderBucket(KEYS, page_keys=50)
    async with aclosing(plain.pages(prefix=b"v/", within=Range(b"v/03", None))) as pages:
        expected = [page async for page in pages]
    async with aclosing(adaptive(bucket).pages(prefix=b"v/", within=Range(b"v/03", None))) as pages:
        assert [page async for page in pages] == expected
    assert bucket.asked == plain.asked


async def test_a_walk_is_found_once_and_said_once() -> None:
    bucket = FolderBucket(KEYS, allows=by_folder)
    source = adaptive(bucket)
    with capture_logs() as logs:
        assert await keys_of(source, b"") == sorted(KEYS)
        assert bucket.asked[:3] == [(b"", b"", None), (b"", b"/", None), (b"", b"/", None)]
        assert len(bucket.asked) == 2 + 1 + 1 + 20
        assert await keys_of(source, b"", Range(b"v/18/18", None)) == [b"v/18/19", *sorted(KEYS)[-21:]]
    assert [line["event"] for line in logs if "walking" in line["event"]] == [
        "the role lists folder by folder only (a condition on s3:delimiter): walking"
    ]
    assert all(delimiter == b"/" for _, delimiter, _ in bucket.asked[1:])


async def test_streams_that_are_denied_together_find_out_together() -> None:
    bucket = FolderBucket(KEYS, allows=by_folder)
    source = adaptive(bucket)
    ranges = [Range(None, b"v/05"), Range(b"v/05", b"v/10"), Range(b"v/10", None)]
    found = await asyncio.gather(*(keys_of(source, b"v/", one) for one in ranges))
    assert [key for keys in found for key in keys] == sorted(KEYS)[1:-1]
    assert (
        sum(asked == (b"v/", b"/", None) for asked in bucket.asked) == 2
    )  # the trial, and the walk from the beginning


async def test_a_lister_lists_a_bucket_that_can_only_be_walked() -> None:
    bucket = FolderBucket(KEYS, page_keys=10, allows=by_folder)
    lister = Lister(source=adaptive(bucket), prefix=b"", todo=[Range()], streams=4, ahead=2)
    found: list[bytes] = []
    async with lister.started():
        while (piece := await lister.next()) is not None:
            assert all(key in piece.within for key in piece.entries.keys)
            found += piece.entries.keys
    assert sorted(found) == sorted(KEYS)
    assert bucket.open == 0


async def test_a_denial_after_the_first_page_is_no_matter_of_conditions() -> None:
    bucket = FolderBucket(KEYS, page_keys=10)
    bucket.allows = lambda _prefix, _delimiter: len(bucket.asked) < 2
    with pytest.raises(AccessDeniedError) as denied:
        await keys_of(adaptive(bucket), b"v/")
    assert (denied.type, len(bucket.asked)) == (AccessDeniedError, 2)


async def test_a_source_without_its_slash_is_walked_from_its_folder_if_that_is_in_scope() -> None:
    bucket = FolderBucket(KEYS, allows=by_folder)
    assert await keys_of(adaptive(bucket), b"v/0") == sorted(key for key in KEYS if key.startswith(b"v/0"))
    bucket.asked.clear()
    with pytest.raises(AccessDeniedError):
        await keys_of(adaptive(bucket, lambda prefix: prefix.startswith(b"v/0")), b"v/0")
    assert b"v/" not in {prefix for prefix, _, _ in bucket.asked}


async def test_another_source_is_named_if_only_that_can_be_listed() -> None:
    bucket = FolderBucket(KEYS, allows=lambda prefix, _: prefix.startswith(b"v/"))
    with pytest.raises(ListConditionError, match="Name s3://bkt/v/ as the source"):
        await keys_of(adaptive(bucket), b"v")


async def test_pages_by_themselves_are_had_in_the_same_way() -> None:
    bucket = FolderBucket(KEYS, allows=by_folder)
    source = adaptive(bucket)
    with pytest.raises(AccessDeniedError):
        await source.list_page(prefix=b"v/01/07", max_keys=1)
    await keys_of(source, b"v/0")
    one = await source.list_page(prefix=b"v/01/07", max_keys=1)
    assert [entry.key for entry in one.entries] == [b"v/01/07"]
    assert not (await source.list_page(prefix=b"v/01/07x", max_keys=1)).entries
    few = await source.list_page(prefix=b"v/01/0", max_keys=3, start_after=b"v/01/03")
    assert [entry.key for entry in few.entries] == [b"v/01/04", b"v/01/05", b"v/01/06"]
    assert few.next_token is not None
    folders = await source.list_page(prefix=b"v/0", start_after=b"v/02/05", delimiter=b"/")
    assert folders.common_prefixes == [f"v/{folder:02d}/".encode() for folder in range(2, 10)]
    assert all(by_folder(prefix, delimiter) for prefix, delimiter, _ in bucket.asked[2:])
