"""A page that leaves a gap, comes twice or turns back is never taken."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ListingError
from ingest.model import Entries, Entry, Page, Range
from ingest.s3.listing import Progress, check_page, cut, last_of


def _page(*keys: bytes, folders: tuple[bytes, ...] = (), token: str | None = None) -> Page:
    entries = Entries.of(Entry(key, 1, "etag", "2026-01-01T00:00:00.000Z", "STANDARD") for key in keys)
    return Page(entries=entries, common_prefixes=list(folders), next_token=token)


def _check(page: Page, *, prefix: bytes = b"", delimiter: bytes = b"/", floor: bytes | None = None) -> None:
    check_page(page, prefix=prefix, delimiter=delimiter, floor=floor, start_after=None, what="LIST s3://bkt/")


@given(keys=st.lists(st.binary(max_size=3), max_size=6), floor=st.none() | st.binary(max_size=3))
def test_keys_pass_exactly_if_they_ascend_bytewise_behind_the_floor(keys: list[bytes], floor: bytes | None) -> None:
    chain = ([] if floor is None else [floor]) + keys
    if all(one < other for one, other in itertools.pairwise(chain)):
        _check(_page(*keys), floor=floor)
    else:
        with pytest.raises(ListingError):
            _check(_page(*keys), floor=floor)


def test_surrogates_and_astral_characters_are_ordered_by_bytes_not_by_utf_16() -> None:
    """U+FF61 sorts after U+1F600 in UTF-16, before it in UTF-8."""
    _check(_page("\uff61".encode(), "\U0001f600".encode()))


@pytest.mark.parametrize(
    "page",
    [
        _page(b"q/x"),
        _page(b"p/b", b"p/a"),
        _page(b"p/a", b"p/a"),
        _page(folders=(b"q/",)),
        _page(folders=(b"p/a/", b"p/a/")),
        _page(folders=(b"p/b/", b"p/a/")),
        _page(folders=(b"p/a",)),
        _page(folders=(b"p/!/",)),
    ],
)
def test_what_does_not_belong_here_is_refused(page: Page) -> None:
    with pytest.raises(ListingError, match="LIST s3://bkt/"):
        _check(page, prefix=b"p/", floor=b"p/0")


@pytest.mark.parametrize("prefix", [b"", b"p/", b"p//"])
def test_a_folder_that_is_its_own_is_refused(prefix: bytes) -> None:
    """A walk would go into it without end."""
    with pytest.raises(ListingError, match="a common prefix leads nowhere"):
        _check(_page(folders=(prefix or b"/",)), prefix=prefix or b"/")
    _check(_page(folders=(prefix + b"/",)), prefix=prefix)


@given(st.integers(1, 1_200), st.integers(0, 1_024))
def test_a_name_is_no_longer_than_s3s_keys(length: int, prefix: int) -> None:
    name = b"x" * (length - 1) + b"/"
    for page in (_page(name), _page(folders=(name,))):
        if length <= 1_024:
            _check(page, prefix=name[: min(prefix, length - 1)])
        else:
            with pytest.raises(ListingError, match=r"longer than any key|more than 1024 bytes"):
                _check(page, prefix=name[:prefix])


def test_one_long_key_among_many_is_found_and_not_repeated_whole() -> None:
    with pytest.raises(ListingError, match="a key has more than 1024 bytes") as caught:
        _check(_page(b"a", b"b" * 1_025, b"c"))
    assert len(caught.value.message) < 400


def test_folders_without_a_delimiter_are_refused() -> None:
    with pytest.raises(ListingError):
        _check(_page(folders=(b"p/a/",)), prefix=b"p/", delimiter=b"")


def test_the_folder_in_which_a_listing_begins_is_still_named() -> None:
    check_page(_page(b"b", folders=(b"a/",)), prefix=b"", delimiter=b"/", floor=b"a/5", start_after=b"a/5", what="LIST")


def test_a_key_that_equals_its_prefix_is_the_first() -> None:
    _check(_page(b"p/", b"p/a"), prefix=b"p/")


@given(
    keys=st.lists(st.binary(min_size=1, max_size=3), unique=True).map(sorted),
    folders=st.lists(st.binary(min_size=1, max_size=2).map(lambda name: name + b"/"), unique=True).map(sorted),
    hi=st.none() | st.binary(max_size=3),
)
def test_a_cut_page_keeps_just_what_lies_within_and_ends_the_listing_only_when_the_end_is_reached(
    keys: list[bytes], folders: list[bytes], hi: bytes | None
) -> None:
    page = cut(_page(*keys, folders=tuple(folders), token="more"), Range(hi=hi))
    assert [entry.key for entry in page.entries] == [key for key in keys if hi is None or key <= hi]
    assert page.common_prefixes == [folder for folder in folders if hi is None or folder <= hi]
    reached = hi is not None and bool(keys + folders) and max(keys + folders) >= hi
    assert page.next_token == (None if reached else "more")


def test_the_floor_rises_with_each_page_and_stays_on_an_empty_one() -> None:
    progress = Progress(floor=b"a", what="LIST")
    for page, floor in [
        (_page(token="1"), b"a"),
        (_page(b"c", token="2"), b"c"),
        (_page(token="3"), b"c"),
        (_page(b"d", folders=(b"e/",)), b"e/"),
    ]:
        progress.add(page)
        assert progress.floor == floor
    assert last_of(_page()) is None


@given(st.integers(min_value=1, max_value=50))
def test_tokens_in_a_circle_of_any_length_are_found_at_once(length: int) -> None:
    progress = Progress(floor=None, what="LIST s3://bkt/")
    for number in range(length):
        progress.add(_page(token=f"t{number}"))
    with pytest.raises(ListingError, match="circles"):
        progress.add(_page(token="t0"))


def test_a_token_that_comes_again_is_refused_even_when_the_keys_go_on() -> None:
    progress = Progress(floor=None, what="LIST")
    progress.add(_page(b"a", token="same"))
    with pytest.raises(ListingError):
        progress.add(_page(b"b", token="same"))


def test_empty_pages_without_end_are_refused_in_bounded_memory() -> None:
    progress = Progress(floor=None, what="LIST")
    for number in range(9_999):
        progress.add(_page(token=str(number)))
    with pytest.raises(ListingError):
        progress.add(_page(token="last"))

    full = Progress(floor=None, what="LIST")
    for number in range(25_000):
        full.add(_page(b"%09d" % number, token=str(number)))
    assert len(full._seen) == 10_000
