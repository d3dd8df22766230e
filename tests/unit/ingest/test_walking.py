"""The walk: its pages are those of a flat listing, and it asks for nothing that a condition on the delimiter forbids."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from config.errors import AccessDeniedError, ListConditionError, ListingError
from ingest import walking
from ingest.model import Entries, Entry, Page, Range, Recall
from ingest.walking import Flight, walk
from tests.fakes.folders import FolderBucket

keys = st.sets(st.text(alphabet="ab/.0é\0", min_size=1, max_size=7).map(str.encode), max_size=40)
ends = st.none() | st.text(alphabet="ab/.0é", min_size=1, max_size=7).map(str.encode)
AWKWARD = {b"a", b"a.", b"a/", b"a/b", b"a//", b"a//b", b"a/b/", b"a/b/c", b"a0", b"/", b"//", b"//x", b"/x", b"b"}


async def walked(
    bucket: FolderBucket,
    prefix: bytes = b"",
    within: Range | None = None,
    page_keys: int = 1000,
    flight: Flight | None = None,
) -> list[Page]:
    async with aclosing(
        walk(bucket, bucket="bkt", prefix=prefix, within=within, page_keys=page_keys, flight=flight)
    ) as pages:
        found = [page async for page in pages]
    assert bucket.open == 0
    await asyncio.sleep(0)  # what landed is told a turn later
    return found


def entries(pages: list[Page]) -> list[Entry]:
    return [entry for page in pages for entry in page.entries]


async def flat(bucket: FolderBucket, prefix: bytes, within: Range) -> list[Entry]:
    async with aclosing(bucket.pages(prefix=prefix, within=within)) as pages:
        return [entry async for page in pages for entry in page.entries]


def folders_below(found: set[bytes], prefix: bytes) -> set[bytes]:
    """Those that hold something which begins with the prefix; the one that the prefix lies in, too."""
    top = prefix[: prefix.rfind(b"/") + 1]
    return {top} | {
        key[: at + 1]
        for key in found
        if key.startswith(prefix)
        for at in range(len(top), len(key))
        if key[at] == ord("/")
    }


@given(
    keys,
    st.text(alphabet="ab/é", max_size=3).map(str.encode),
    ends,
    ends,
    st.integers(1, 5),
    st.integers(1, 7),
    st.integers(1, 9),
    st.integers(),
)
@example(AWKWARD, b"", None, None, 2, 3, 4, 0)
@example(AWKWARD, b"a", b"a//", b"a/b/c", 1, 1, 1, 0)
@example(AWKWARD, b"a/", b"a//b", None, 1, 1, 9, 0)
@settings(max_examples=1500, deadline=None)
async def test_a_walk_brings_what_a_flat_listing_brings(
    found: set[bytes],
    prefix: bytes,
    lo: bytes | None,
    hi: bytes | None,
    page_keys: int,
    together: int,
    most: int,
    seed: int,
) -> None:
    turns = random.Random(seed)
    bucket, within = FolderBucket(found, page_keys=page_keys, turns=lambda: turns.choice((0, 1, 3))), Range(lo, hi)
    expected = await flat(bucket, prefix, within)
    bucket.asked.clear()
    flight = Flight(most)
    pages = await walked(bucket, prefix, within, together, flight)
    assert entries(pages) == expected
    assert (bucket.most_flying <= most, flight.now, flight.keys) == (True, 0, 0)
    assert [page.next_token is None for page in pages] == [False] * (len(pages) - 1) + [True]
    assert all(0 < len(page.entries) <= max(together, page_keys) for page in pages[:-1])
    assert not any(page.common_prefixes for page in pages)
    assert {delimiter for _, delimiter, _ in bucket.asked} == {b"/"}
    asked = {name for name, _, _ in bucket.asked}
    assert asked <= folders_below(found, prefix)
    # each page but the last of a folder is full of names, of which each is a key or a folder
    assert len(bucket.asked) <= len(asked) + 2 * (len(found) + len(asked)) // page_keys
    for name in asked - {prefix[: prefix.rfind(b"/") + 1]}:
        assert lo is None or name > lo or lo.startswith(name), "a folder before the range was listed"
        assert hi is None or name <= hi, "a folder behind the range was listed"


async def test_each_folder_costs_one_request_and_each_full_page_one_more() -> None:
    found = {f"{folder:02d}/{number:03d}".encode() for folder in range(10) for number in range(25)}
    bucket = FolderBucket(found, page_keys=10)
    assert len(entries(await walked(bucket))) == 250
    assert len(bucket.asked) == 1 + 10 * 3


async def test_small_folders_are_put_together_ever_more_of_them() -> None:
    bucket = FolderBucket({f"{folder:04d}/k".encode() for folder in range(1000)})
    sizes = [len(page.entries) for page in await walked(bucket)]
    assert sizes[:4] == [1, 2, 3, 4]
    assert max(sizes) == 16
    assert sum(sizes) == 1000


async def test_a_walk_goes_as_deep_as_a_key_can_be_long() -> None:
    deepest = b"/" * 1024
    found = {deepest, b"/" * 600 + b"x", b"a/" * 512}
    assert [entry.key for entry in entries(await walked(FolderBucket(found)))] == sorted(found)


async def test_a_prefix_in_the_midst_of_a_name_begins_and_ends_there() -> None:
    found = {f"v/{year}-{number}".encode() for year in range(2020, 2030) for number in range(10, 30)} | {b"v/2024-/x"}
    bucket = FolderBucket(found, page_keys=10)
    assert len(entries(await walked(bucket, b"v/2024-"))) == 21
    assert [(prefix, start) for prefix, _, start in bucket.asked] == [
        (b"v/", b"v/2024"),
        (b"v/2024-/", None),
        (b"v/", None),
        (b"v/", None),
    ]


async def test_a_walk_that_is_left_early_leaves_nothing_open() -> None:
    bucket = FolderBucket({b"a/b/c", b"a/b/d", b"x"}, page_keys=1)
    async with aclosing(walk(bucket, bucket="bkt", prefix=b"")) as pages:
        assert [entry.key for entry in (await anext(pages)).entries] == [b"a/b/c"]
        assert bucket.open == 3
    assert bucket.open == 0


async def test_folders_are_listed_ahead_ever_more_of_them_as_far_as_there_is_room() -> None:
    found = {f"{folder:04d}/k".encode() for folder in range(200)}
    bucket, flight = FolderBucket(found, turns=lambda: 50), Flight(8)
    assert len(entries(await walked(bucket, flight=flight))) == 200
    assert (len(bucket.asked), flight.now) == (201, 0)
    assert 4 < bucket.most_flying <= 8
    few = FolderBucket(found, turns=lambda: 50)
    assert entries(await walked(few, within=Range(b"0100", b"0102"), flight=flight))
    assert len(few.asked) == 3


async def test_what_was_listed_ahead_is_let_go_of_when_a_walk_is_left_or_breaks() -> None:
    found = {f"{folder:04d}/{key}".encode() for folder in range(100) for key in range(3)}
    bucket, flight = FolderBucket(found, turns=lambda: 50), Flight(8)
    async with aclosing(walk(bucket, bucket="bkt", prefix=b"", page_keys=3, flight=flight)) as pages:
        for _ in range(6):
            await anext(pages)
        assert bucket.open > 2
    assert (bucket.open, flight.now, flight.keys, len(asyncio.all_tasks())) == (0, 0, 0, 1)
    bucket.allows = lambda prefix, _: prefix < b"005"
    with pytest.raises(ListConditionError, match="s3://bkt/0050/:"):
        await walked(bucket, flight=flight)
    await asyncio.sleep(0)
    assert (bucket.open, flight.now, flight.keys, len(asyncio.all_tasks())) == (0, 0, 0, 1)


async def test_full_folders_are_not_listed_far_ahead() -> None:
    found = {f"{folder:02d}/{key:03d}".encode() for folder in range(60) for key in range(900)}
    bucket, flight = FolderBucket(found, turns=lambda: 50), Flight(64)
    async with aclosing(walk(bucket, bucket="bkt", prefix=b"", flight=flight)) as pages:
        async for _ in pages:
            assert flight.keys <= 8_000 + 15_000


async def test_a_folder_that_may_not_be_listed_is_an_error_that_names_it() -> None:
    bucket = FolderBucket({b"good/a", b"hidden/b"}, allows=lambda prefix, _: prefix in {b"", b"good/"})
    with pytest.raises(ListConditionError) as refused:
        await walked(bucket)
    said = refused.value.message
    for words in ("LIST s3://bkt/hidden/:", "s3:prefix lacks 'hidden/'", "'hidden/*'", "such as s3://bkt/good/"):
        assert words in said
    assert (refused.value.code, refused.value.fields["status"]) == ("ListCondition", 403)
    assert bucket.open == 0
    with pytest.raises(ListConditionError, match=r"as sources\.$"):
        await walked(FolderBucket({b"hidden/b"}, allows=lambda prefix, _: not prefix))


async def test_an_access_that_ends_in_the_folder_it_began_with_is_that_and_no_condition() -> None:
    bucket = FolderBucket({b"a", b"b"}, page_keys=1)
    bucket.allows = lambda _prefix, _delimiter: len(bucket.asked) < 2
    with pytest.raises(AccessDeniedError) as refused:
        await walked(bucket)
    assert refused.type is AccessDeniedError


@pytest.mark.parametrize(
    ("code", "kind"), [("AccountProblem", AccessDeniedError), ("AccessDenied", ListConditionError)]
)
async def test_an_account_that_has_a_problem_is_that_and_no_condition(code: str, kind: type[AccessDeniedError]) -> None:
    def allows(prefix: bytes, _delimiter: bytes) -> bool:
        if prefix == b"bills/":
            raise AccessDeniedError("no", code=code)
        return True

    with pytest.raises(AccessDeniedError) as refused:
        await walked(FolderBucket({b"a", b"bills/b"}, allows=allows))
    assert type(refused.value) is kind


class Endless(FolderBucket):
    """A storage that names new folders in each folder, and no key anywhere."""

    def __init__(self, folders: Callable[[bytes], list[bytes]]) -> None:
        super().__init__(())
        self.folders = folders

    async def pages(
        self, *, prefix: bytes, within: Range | None = None, delimiter: bytes = b"", recall: Recall | None = None
    ) -> AsyncGenerator[Page]:
        self.asked.append((prefix, delimiter, None))
        assert len(self.asked) < 1_000, "the walk goes on"
        yield Page(entries=Entries(), common_prefixes=self.folders(prefix), next_token=None)


def deep(prefix: bytes) -> list[bytes]:
    return [prefix + b"a/"]


def wide(prefix: bytes) -> list[bytes]:
    return [prefix + b"%03d/" % number for number in range(50)]


def shallow(prefix: bytes) -> list[bytes]:
    """Many, each of which is empty."""
    return [] if prefix else [b"%03d/" % number for number in range(500)]


@pytest.mark.parametrize(
    ("folders", "empty", "waiting"), [(deep, 100, 10**9), (wide, 10**9, 300), (wide, 100, 10**9), (shallow, 100, 10**9)]
)
@pytest.mark.parametrize("most", [1, 8])
async def test_a_storage_that_names_folders_without_end_is_not_walked_without_end(
    folders: Callable[[bytes], list[bytes]], empty: int, waiting: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "_EMPTY_MOST", empty)
    monkeypatch.setattr(walking, "_WAITING_MOST", waiting)
    storage, flight = Endless(folders), Flight(most)
    with pytest.raises(ListingError, match=r"LIST s3://bkt/.*names folders without end and no keys") as caught:
        async with aclosing(walk(storage, bucket="bkt", prefix=b"", flight=flight)) as pages:
            assert [page async for page in pages if page.entries] == []
    assert caught.value.code == "UnorderedListing"
    await asyncio.sleep(0)
    assert (flight.now, flight.keys, len(asyncio.all_tasks())) == (0, 0, 1)


async def test_folders_with_keys_are_walked_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bounds are for those without: a key begins the count anew."""
    monkeypatch.setattr(walking, "_EMPTY_MOST", 3)
    monkeypatch.setattr(walking, "_WAITING_MOST", 12)
    found = {f"{folder:02d}/a/{key}".encode() for folder in range(60) for key in range(2)}
    bucket = FolderBucket(found, page_keys=10)
    assert [entry.key for entry in entries(await walked(bucket))] == sorted(found)
