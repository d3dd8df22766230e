"""Key spaces that are computed: their order, their numbers, and their groups are those of the keys written out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.keys import KeySpace, lower, rank, successor
from benchmarks.listing import Slice, list_slice
from benchmarks.shapes import SHAPES, Hash, Joined, Numbers, Prefixed, TinyDirectories

names = st.sampled_from(sorted(SHAPES))
counts = st.integers(1, 400)
shapes = st.builds(lambda name, count: SHAPES[name](count), names, counts)
odd = st.binary(max_size=12)


def _near(data: st.DataObject, keys: list[bytes]) -> bytes:
    """A key, a part of one, or something close to one."""
    key = data.draw(st.sampled_from(keys))
    return key[: data.draw(st.integers(0, len(key)))] + data.draw(
        st.sampled_from([b"", b"\0", b"/", b"9", b"~", b"\xff"])
    )


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("count", [1, 9, 10, 11, 999, 12_345])
def test_keys_ascend_strictly_by_bytes_and_are_found_by_their_numbers(name: str, count: int) -> None:
    space = SHAPES[name](count)
    keys = space.keys(0, count)
    assert space.count == len(keys) == count
    assert all(low < high for low, high in pairwise(keys))
    assert [space.key(index) for index in range(count)] == keys
    assert [space.find(key) for key in keys] == list(range(count))


@pytest.mark.parametrize("name", sorted(SHAPES))
@given(data=st.data())
def test_ten_million_keys_cost_no_more_than_those_that_are_looked_at(name: str, data: st.DataObject) -> None:
    space = SHAPES[name](10_000_000)
    start = data.draw(st.integers(0, space.count - 20))
    keys = space.keys(start, start + 20)
    assert all(low < high for low, high in pairwise(keys))
    assert [space.find(key) for key in keys] == list(range(start, start + 20))
    assert [rank(space, key) for key in keys] == list(range(start + 1, start + 21))


@given(space=shapes, data=st.data())
def test_bounds_are_those_of_the_keys_written_out(space: KeySpace, data: st.DataObject) -> None:
    keys = space.keys(0, space.count)
    bound = _near(data, keys)
    assert rank(space, bound) == bisect_right(keys, bound)
    start = data.draw(st.integers(0, bisect_left(keys, bound)))
    assert lower(space, bound, start) == bisect_left(keys, bound)
    assert space.find(bound) == (keys.index(bound) if bound in keys else None)


@given(space=shapes, key=odd)
def test_what_is_no_key_is_not_found(space: KeySpace, key: bytes) -> None:
    assert space.find(key) == (None if key not in space.keys(0, space.count) else rank(space, key) - 1)


@given(prefix=odd, rest=odd, other=odd)
def test_the_successor_of_a_prefix_ends_what_begins_with_it(prefix: bytes, rest: bytes, other: bytes) -> None:
    behind = successor(prefix)
    if behind is None:
        assert not prefix.strip(b"\xff")
    else:
        assert prefix + rest < behind
        assert other >= behind or other < prefix or other.startswith(prefix)


@given(count=st.integers(1, 3000))
def test_numbers_without_padding_stand_in_the_order_of_their_digits(count: int) -> None:
    assert Numbers(count).keys(0, count) == sorted(b"obj-%d" % number for number in range(count))


def test_spaces_join_without_a_seam() -> None:
    space = Joined(
        [Prefixed(b"a/", TinyDirectories(25)), Prefixed(b"b/", TinyDirectories(0)), Prefixed(b"c/", Hash(30))]
    )
    keys = space.keys(0, 55)
    assert keys == sorted(keys)
    assert space.keys(20, 30) == keys[20:30]
    assert (space.find(b""), space.find(b"b/x"), space.find(keys[25])) == (None, None, 25)


def _naive(keys: list[bytes], *, prefix: bytes, delimiter: bytes, start_after: bytes) -> list[tuple[bytes, bool]]:
    """Every name that a listing shows, and whether it stands for a group."""
    found: list[tuple[bytes, bool]] = []
    for key in keys:
        if not key.startswith(prefix) or (start_after and key <= start_after):
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        name = (key, False) if end < 0 else (key[: end + len(delimiter)], True)
        if not found or found[-1] != name:
            found.append(name)
    return found


def _shown(space: KeySpace, page: Slice) -> list[tuple[bytes, bool]]:
    named = [(space.key(index), False) for index in page.indexes] + [(prefix, True) for prefix in page.prefixes]
    return sorted(named)


@given(space=shapes, data=st.data(), delimiter=st.sampled_from([b"", b"/", b"0", b"=", b"/e"]))
def test_pages_put_together_are_the_naive_listing(space: KeySpace, data: st.DataObject, delimiter: bytes) -> None:
    keys = space.keys(0, space.count)
    prefix = data.draw(st.one_of(st.just(b""), st.builds(lambda key: key[: len(key) // 2], st.sampled_from(keys))))
    start_after = data.draw(st.one_of(st.just(b""), st.just(_near(data, keys))))
    most = data.draw(st.integers(1, 50))
    found: list[tuple[bytes, bool]] = []
    begin: int | None = None
    while True:
        page = list_slice(
            space, prefix=prefix, delimiter=delimiter, start_after=start_after, begin=begin, max_keys=most
        )
        shown = _shown(space, page)
        assert len(shown) == most or (len(shown) < most and page.next_index is None)
        found += shown
        begin = page.next_index
        if begin is None:
            break
    assert found == _naive(keys, prefix=prefix, delimiter=delimiter, start_after=start_after)


def test_a_page_of_no_keys_is_the_last_one() -> None:
    assert list_slice(Hash(10), max_keys=0) == Slice(indexes=())
