"""Versions are listed in ranges that are cut at keys: each comes once, however pages and ranges are cut."""

from __future__ import annotations

from contextlib import aclosing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ListingError
from config.limits import Limits
from ingest.lister import Lister
from ingest.model import Entries, Entry, Page, Range
from ingest.s3.versions import VersionPages, check_versions, version_pages
from ingest.versions import Marker, VersionEntries
from tests.fakes.versioned import VersionedBucket

KEYS = st.binary(min_size=1, max_size=3).filter(lambda key: key != b"\x00")
HISTORIES = st.dictionaries(KEYS, st.lists(st.booleans(), min_size=1, max_size=7), max_size=12)
"""Of each key, whether each of its versions is a delete marker."""


def a_bucket(histories: dict[bytes, list[bool]], *, page_keys: int) -> VersionedBucket:
    bucket = VersionedBucket(page_keys=page_keys)
    for key, history in histories.items():
        for is_marker in history:
            if is_marker:
                bucket.delete(key)
            else:
                bucket.put(key, etag=f"e{bucket.numbered}")
    return bucket


async def listed(bucket: VersionedBucket, within: Range = Range(), *, most: int = 100) -> list[Page]:
    limits = Limits(page_keys=1000, versions_per_key=most)
    async with aclosing(version_pages(bucket, prefix=b"", within=within, limits=limits, what="b")) as pages:
        return [page async for page in pages]


@given(histories=HISTORIES, page_keys=st.integers(1, 9))
async def test_every_page_holds_whole_keys_and_all_pages_hold_all(
    histories: dict[bytes, list[bool]], page_keys: int
) -> None:
    bucket = a_bucket(histories, page_keys=page_keys)
    pages = await listed(bucket)
    assert [entry for page in pages for entry in page.entries] == bucket.every()
    keys = [set(page.entries.keys) for page in pages]
    assert sum(map(len, keys)) == len(histories)
    assert [page.next_token is None for page in pages] == [False] * (len(pages) - 1) + [True]


@given(histories=HISTORIES, page_keys=st.integers(1, 9), cuts=st.lists(KEYS, max_size=5, unique=True))
async def test_ranges_cut_anywhere_have_every_version_once(
    histories: dict[bytes, list[bool]], page_keys: int, cuts: list[bytes]
) -> None:
    bucket = a_bucket(histories, page_keys=page_keys)
    ends = [None, *sorted(cuts), None]
    found: list[Entry] = []
    for lo, hi in pairwise(ends):
        found += [entry for page in await listed(bucket, Range(lo, hi)) for entry in page.entries]
    assert found == bucket.every()


@given(histories=HISTORIES, page_keys=st.integers(1, 9), streams=st.integers(1, 6))
async def test_a_lister_brings_every_version_once_and_its_pieces_end_at_keys(
    histories: dict[bytes, list[bool]], page_keys: int, streams: int
) -> None:
    bucket = a_bucket(histories, page_keys=page_keys)
    source = VersionPages(bucket, limits=Limits(page_keys=page_keys), what="b")
    lister = Lister(source=source, prefix=b"", todo=[Range()], streams=streams, ahead=2)
    found: list[Entry] = []
    ends: list[Range] = []
    async with lister.started():
        while (piece := await lister.next()) is not None:
            assert all(key in piece.within for key in piece.entries.keys)
            found += piece.entries
            ends.append(piece.within)
    assert sorted(found, key=lambda one: one.key) == bucket.every()
    assert len({end.lo for end in ends}) == len(ends)


async def test_many_keys_are_listed_by_many_streams_at_once() -> None:
    histories = {f"{number:05}".encode(): [False] * (1 + number % 7) for number in range(1_500)}
    bucket = a_bucket(histories, page_keys=100)
    lister = Lister(
        source=VersionPages(bucket, limits=Limits(page_keys=100), what="b"),
        prefix=b"",
        todo=[Range()],
        streams=8,
        ahead=2,
    )
    found: list[Entry] = []
    begun: set[bytes | None] = set()
    async with lister.started():
        while (piece := await lister.next()) is not None:
            found += piece.entries
            begun.add(piece.within.lo)
    every = bucket.every()
    assert sorted(found, key=lambda one: one.key) == every
    assert len({key for request, key in bucket.requests if request == "list"} & begun) > 3, "ranges were cut"
    assert bucket.asked("list") < len(every) / 100 * 1.5


async def test_a_key_with_too_many_versions_is_named_and_what_helps() -> None:
    bucket = a_bucket({b"a": [False], b"state": [False] * 30}, page_keys=4)
    assert [len(page.entries) for page in await listed(bucket, most=30)][-1] == 30
    with pytest.raises(ListingError, match=r"'state' has more than 20 versions.*VERSIONS_PER_KEY") as caught:
        await listed(bucket, most=20)
    assert caught.value.code == "TooManyVersions"


class Lying(VersionedBucket):
    """Answers any page with one of these."""

    pages_told: list[Page]

    async def list_versions(
        self, *, prefix: bytes, after: bytes | None = None, token: str | None = None, max_keys: int = 1000
    ) -> Page:
        del prefix, after, token, max_keys
        return self.pages_told.pop(0)


def a_page(*names: str, more: str | None = None) -> Page:
    entries = VersionEntries.of(Entry(name[:1].encode(), 1, "e", "t", "STANDARD", version_id=name) for name in names)
    return Page(entries=entries, next_token=None if more is None else Marker(more[:1].encode(), more).token)


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        ([a_page("a1", "b1", more="b1"), a_page("b1", "b2")], "listed twice"),
        ([a_page("a1", "a1")], "listed twice"),
        ([a_page("a1", more="a1"), a_page(more="a1")], "turns in circles"),
    ],
)
async def test_pages_that_do_not_fit_together_are_an_error(pages: list[Page], why: str) -> None:
    bucket = Lying()
    bucket.pages_told = pages
    with pytest.raises(ListingError, match=why):
        await listed(bucket)


@pytest.mark.parametrize(
    ("page", "after", "marker"),
    [
        (a_page("b1", "a1"), None, None),
        (a_page("a1", "b1", "a2"), None, None),
        (a_page("a1"), b"a", None),
        (a_page("a1"), None, Marker(b"b", "b1")),
        (a_page(more="a1"), None, Marker(b"b", "b1")),
        (a_page(more="a1"), b"a", None),
    ],
)
def test_pages_out_of_order_are_an_error(page: Page, after: bytes | None, marker: Marker | None) -> None:
    with pytest.raises(ListingError):
        check_versions(page, prefix=b"", after=after, marker=marker, what="b")
    with pytest.raises(ListingError):
        check_versions(a_page("q1"), prefix=b"p", after=None, marker=None, what="b")


@given(histories=HISTORIES, start=st.integers(0, 20), stop=st.integers(0, 20))
def test_columns_of_versions_are_a_sequence_of_entries(
    histories: dict[bytes, list[bool]], start: int, stop: int
) -> None:
    every = a_bucket(histories, page_keys=1000).every()
    entries = VersionEntries.of(every)
    assert list(entries) == every
    assert [entries[place] for place in range(len(entries))] == every
    assert list(entries[start:stop]) == every[start:stop]
    wanted = [place % 2 for place in range(len(every))]
    assert list(entries.where(wanted)) == every[1::2]
    assert VersionEntries.joined([entries[:start], entries[start:]]) == entries
    assert list(Entries.of(every)) == [one[:7] + Entry(b"", 0, "", "", "")[7:] for one in every]
