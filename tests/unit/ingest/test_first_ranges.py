"""First ranges are learnt from how far objects had to be read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.probe.first_ranges import LEAST, MOST, FirstRanges, extension_of


@pytest.mark.parametrize(
    ("key", "extension"),
    [
        (b"a/b.JPG", "jpg"),
        (b"a.tar.gz", "gz"),
        (b"a", ""),
        (b".hidden", ""),
        (b"a.b/c", ""),
        (b"a.\xff\xfe", ""),
        (b"a.aBcDeFgHi", ""),
        (b"", ""),
        (b"x" * 900 + b".mp4", "mp4"),
    ],
)
def test_an_extension_is_short_and_plain(key: bytes, extension: str) -> None:
    assert extension_of(key) == extension


def test_a_kind_that_needs_more_gets_more_and_one_that_needs_less_gets_less() -> None:
    ranges = FirstRanges()
    begun = ranges.length("b", b"1.jpg")
    for number in range(64):
        ranges.learn("b", b"%d.jpg" % number, reach=begun * 2 - 5)
        ranges.learn("c", b"%d.jpg" % number, reach=300)
    assert ranges.length("b", b"x.jpg") == begun * 2
    assert ranges.length("c", b"x.jpg") == LEAST
    assert ranges.length("b", b"x.png") != begun * 2


def test_what_no_first_range_reaches_is_not_waited_for() -> None:
    ranges = FirstRanges()
    begun = ranges.length("b", b"1.mp4")
    for _ in range(100):
        ranges.learn("b", b"1.mp4", reach=MOST + 1)
    assert ranges.length("b", b"1.mp4") == begun


@given(st.lists(st.integers(0, 2 * MOST), min_size=16, max_size=300))
def test_a_learnt_length_covers_nearly_all_that_it_can(reaches: list[int]) -> None:
    ranges = FirstRanges()
    for reach in reaches:
        ranges.learn("b", b"k", reach=reach)
    near = [reach for reach in reaches if reach <= MOST]
    length = ranges.length("b", b"k")
    assert LEAST <= length <= MOST
    settled = near[: len(near) // 16 * 16][-128:]
    if len(near) >= 16:
        assert sum(reach > length for reach in settled) <= 0.05 * len(settled)


def test_only_so_many_kinds_are_remembered() -> None:
    ranges = FirstRanges(most_kinds=2)
    for _ in range(16):
        ranges.learn("a", b"k", reach=5)
    assert ranges.length("a", b"k") == LEAST
    ranges.length("b", b"k")
    ranges.length("c", b"k")
    assert ranges.length("a", b"k") > LEAST
