"""The wire client's listings against a server that goes wrong in every known way: whole, or an error; never less than there is."""

from __future__ import annotations

from typing import Any

import pytest

from config.errors import (
    AccessDeniedError,
    ListingError,
    ProtocolError,
    SourceUnavailableError,
)
from ingest.model import Entry, Range
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import s3_bench
from tests.fakes.s3_cases import KEYS, ask, keys_of, pages_of, small_limits, ten_objects
from tests.fakes.s3_faults import Fault

pytestmark = pytest.mark.usefixtures("transport")


async def test_a_listing_is_followed_to_its_end_in_one_request_per_page() -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits()) as bench:
        pages = await pages_of(bench)
        assert [len(page.entries) for page in pages] == [4, 4, 2]
        assert [entry.key for page in pages for entry in page.entries] == KEYS
        assert bench.outcomes == [("list", "ok")] * 3
        first = s3.requests("list")[0].query
        assert first["prefix"] == b"p/"
        assert first["encoding-type"] == b"url"


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ("<a/>" * 75_000, "tags"),
        ('<Contents xmlns="urn:x"><Key>p/1</Key></Contents>', "listed where"),
        ("<contents><Key>p/1</Key></contents>", "listed where"),
    ],
)
async def test_a_page_that_hides_its_objects_or_is_no_page_is_refused_and_not_empty(inside: str, why: str) -> None:
    page = f"<ListBucketResult><Name>bkt</Name><IsTruncated>false</IsTruncated>{inside}</ListBucketResult>"
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits()) as bench:
        s3.faults.add(Fault(kind="answer", op="list", status=200, body=page, times=0))
        with pytest.raises(ProtocolError, match=why):
            await keys_of(bench)


async def test_the_prefix_is_always_sent_even_when_it_is_empty() -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        await keys_of(bench, prefix=b"")
        assert "prefix=" in s3.requests("list")[0].target


async def test_an_entry_is_told_as_the_listing_tells_it() -> None:
    """Milliseconds stay, though a HEAD rounds them away; the version that only HEAD knows is not invented."""
    s3 = ten_objects()
    stored = s3.put("bkt", b"q", b"x", storage_class="STANDARD_IA", version_id="v1", checksum_algorithm="CRC32")
    async with s3, s3_bench(s3) as bench:
        [page] = await pages_of(bench, prefix=b"q")
        assert list(page.entries) == [
            Entry(b"q", 1, stored.etag, stored.listed_modified, "STANDARD_IA", "CRC32", "FULL_OBJECT")
        ]
        head = await bench.client.head(b"q")
        assert (head.last_modified, head.version_id) == (stored.head_modified, "v1")
        assert (head.checksum_algorithm, head.checksum, head.checksum_type) == ("CRC32", stored.checksum, "FULL_OBJECT")


@pytest.mark.parametrize(
    ("lo", "hi", "expected"),
    [
        (None, None, KEYS),
        (b"p/002", None, KEYS[3:]),
        (b"p/0025", b"p/0065", KEYS[3:7]),
        (None, b"p/003", KEYS[:4]),
        (b"p/003", b"p/003", []),
        (b"z", None, []),
        (b"a", b"b", []),
    ],
)
async def test_a_range_is_listed_without_its_lower_and_with_its_upper_end(
    lo: bytes | None, hi: bytes | None, expected: list[bytes]
) -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits()) as bench:
        assert await keys_of(bench, within=Range(lo, hi)) == expected


async def test_a_listing_stops_asking_once_the_range_is_covered() -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits()) as bench:
        await keys_of(bench, within=Range(None, KEYS[3]))
        assert len(s3.requests("list")) == 1


async def test_folders_are_listed_with_a_delimiter_across_pages() -> None:
    s3 = FakeS3()
    s3.create_bucket("bkt")
    for number in range(30):
        s3.put("bkt", b"d%02d/x/%d" % (number // 3, number))
        s3.put("bkt", b"f%02d" % number)
    async with s3, s3_bench(s3, limits=small_limits()) as bench:
        pages = await pages_of(bench, prefix=b"", delimiter=b"/")
        assert [folder for page in pages for folder in page.common_prefixes] == [b"d%02d/" % n for n in range(10)]
        assert [entry.key for page in pages for entry in page.entries] == [b"f%02d" % n for n in range(30)]
        inside = await pages_of(bench, prefix=b"", within=Range(b"d03/x/10", b"d05/"), delimiter=b"/")
        assert [folder for page in inside for folder in page.common_prefixes] == [b"d03/", b"d04/", b"d05/"]


async def test_an_empty_page_with_a_new_token_is_legal() -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits()) as bench:
        s3.faults.add(Fault(kind="empty_page", op="list", nth=1))
        s3.faults.add(Fault(kind="empty_page", op="list", nth=3, times=1))
        assert await keys_of(bench) == KEYS


@pytest.mark.parametrize("dialect", ["ignore_encoding", "no_namespace", "no_echo"])
async def test_servers_that_word_a_listing_differently_are_understood(dialect: str) -> None:
    s3 = ten_objects()
    setattr(s3.dialect, dialect, True)
    s3.put("bkt", "p/ü & <é>+ %20".encode())
    async with s3, s3_bench(s3) as bench:
        assert await keys_of(bench) == [*KEYS, "p/ü & <é>+ %20".encode()]


PASSING = [
    "html",
    "empty",
    "truncated",
    "cut",
    "reset",
    "reset_body",
    "chunked_cut",
    "wrong_root",
    "wrong_name",
    "wrong_prefix",
]
PASSING += ["wrong_count", "no_token", "bomb", "not_http"]


@pytest.mark.parametrize("kind", PASSING)
async def test_nonsense_in_mid_listing_is_asked_again_and_the_listing_is_whole(kind: str) -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits()) as bench:
        s3.faults.add(Fault(kind=kind, op="list", nth=2))
        assert await keys_of(bench) == KEYS
        assert [outcome for _, outcome in bench.outcomes].count("ok") == 3
        assert s3.requests("list")[1].fault == kind
        assert len(s3.requests("list")) == 4


@pytest.mark.parametrize("kind", PASSING)
async def test_nonsense_that_lasts_is_an_error_and_never_an_empty_bucket(kind: str) -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits()) as bench:
        s3.faults.add(Fault(kind=kind, op="list", times=0))
        with pytest.raises((ProtocolError, SourceUnavailableError)) as caught:
            await keys_of(bench)
        assert caught.value.transient
        assert "LIST s3://bkt/p/: " in str(caught.value)
        assert len(bench.outcomes) == 3


@pytest.mark.parametrize("kind", ["repeat_token", "cycle_tokens", "unordered", "duplicate_key", "foreign_key"])
async def test_a_listing_that_breaks_the_rules_ends_with_an_error_at_once(kind: str) -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits()) as bench:
        s3.faults.add(Fault(kind=kind, op="list", nth=2, times=0))
        with pytest.raises(ListingError):
            await keys_of(bench)
        assert bench.pauses == []


async def test_a_server_that_ignores_start_after_is_found_out() -> None:
    s3 = ten_objects()
    s3.dialect.ignore_start_after = True
    async with s3, s3_bench(s3) as bench:
        with pytest.raises(ListingError):
            await keys_of(bench, within=Range(b"p/004", None))


async def test_a_token_on_the_last_page_is_not_followed() -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="token_when_complete", op="list", times=0))
        assert await keys_of(bench) == KEYS
        assert len(s3.requests("list")) == 1


async def test_an_answer_larger_than_its_bound_is_not_taken_into_memory() -> None:
    async with ten_objects() as s3, s3_bench(s3, limits=small_limits(list_body_bytes=1024, page_keys=1000)) as bench:
        with pytest.raises(ProtocolError, match="larger than 1024 bytes"):
            await keys_of(bench)
        assert bench.outcomes == [("list", "AnswerTooLarge")] * 3


async def test_an_error_under_status_200_is_that_error() -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="error", op="list", status=200, code="SlowDown"))
        assert await keys_of(bench) == KEYS
        s3.faults.add(Fault(kind="error", op="list", status=200, code="AccessDenied", times=0))
        with pytest.raises(AccessDeniedError):
            await keys_of(bench)
        assert bench.outcomes == [("list", "SlowDown"), ("list", "ok"), ("list", "AccessDenied")]


SOON = [
    (503, "SlowDown"),
    (500, "InternalError"),
    (429, "TooManyRequests"),
    (400, "RequestTimeout"),
    (502, "odd"),
    (408, ""),
]


@pytest.mark.parametrize(
    ("op", "status", "code"),
    [(op, *case) for op in ("list", "head", "get") for case in SOON if (op, case[0]) != ("head", 400)],
)
async def test_what_passes_by_itself_is_asked_again(op: Any, status: int, code: str) -> None:
    """A HEAD can't say RequestTimeout: 400 without a document means the session, or the request."""
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="error", op=op, status=status, code=code, times=2))
        await ask(bench, op)
        assert len(bench.pauses) == 2


async def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    async with ten_objects() as s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="error", op="head", headers={"Retry-After": "7"}))
        await bench.client.head(KEYS[0])
        assert bench.pauses == [7.0]
