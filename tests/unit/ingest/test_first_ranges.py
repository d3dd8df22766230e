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
    begun = ranges.kind("b", b"1.jpg").length
    for number in range(64):
        ranges.kind("b", b"%d.jpg" % number).learn(begun * 2 - 5)
        ranges.kind("c", b"%d.jpg" % number).learn(300)
    assert ranges.kind("b", b"x.jpg").length == begun * 2
    assert ranges.kind("c", b"x.jpg").length == LEAST
    assert ranges.kind("b", b"x.png").length != begun * 2


def test_what_no_first_range_reaches_is_not_waited_for() -> None:
    ranges = FirstRanges()
    begun = ranges.kind("b", b"1.mp4").length
    for _ in range(100):
        ranges.kind("b", b"1.mp4").learn(MOST + 1)
    assert ranges.kind("b", b"1.mp4").length == begun


@given(st.lists(st.integers(0, 2 * MOST), min_size=16, max_size=300))
def test_a_learnt_length_covers_nearly_all_that_it_can(reaches: list[int]) -> None:
    ranges = FirstRanges()
    for reach in reaches:
        ranges.kind("b", b"k").learn(reach)
    near = [reach for reach in reaches if reach <= MOST]
    length = ranges.kind("b", b"k").length
    assert LEAST <= length <= MOST
    settled = near[: len(near) // 16 * 16][-128:]
    if len(near) >= 16:
        assert sum(reach > length for reach in settled) <= 0.05 * len(settled)


def test_only_so_many_kinds_are_remembered() -> None:
    ranges = FirstRanges(most_kinds=2)
    for _ in range(16):
        ranges.kind("a", b"k").learn(5)
    assert ranges.kind("a", b"k").length == LEAST
    assert ranges.kind("b", b"k").length > LEAST
    assert ranges.kind("c", b"k").length > LEAST
    assert ranges.kind("a", b"k").length > LEAST
