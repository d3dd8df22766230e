"""Keys as numbers: order is kept, cuts are fit to be sent, and what was not seen yet is still on the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.splitting import KEY_BYTES, Line, common, cut_point

_bytes = st.binary(max_size=6)
_keys = st.one_of(_bytes, st.text(max_size=4).map(str.encode), st.text("ab01/é文", max_size=6).map(str.encode))


@given(one=_bytes, other=_bytes)
def test_common_is_what_both_begin_with(one: bytes, other: bytes) -> None:
    shared = common(one, other)
    assert one[:shared] == other[:shared]
    assert one[shared : shared + 1] != other[shared : shared + 1] or shared == min(len(one), len(other))


@given(wanted=_keys, lo=st.none() | _keys, hi=st.none() | _keys)
def test_a_cut_is_utf8_and_strictly_between(wanted: bytes, lo: bytes | None, hi: bytes | None) -> None:
    point = cut_point(wanted, lo=lo, hi=hi)
    if point is not None:
        assert wanted.startswith(point)
        assert point.decode().encode() == point
        assert lo is None or lo < point
        assert hi is None or point < hi


@pytest.mark.parametrize(
    ("wanted", "point"),
    [
        ("文件".encode()[:4], "文".encode()),
        (b"a\xff", b"a"),
        (b"\xff", None),
        (b"", None),
        (b"x" * 2000, b"x" * KEY_BYTES),
        (b"x" * 1023 + "é".encode(), b"x" * 1023),
    ],
)
def test_a_cut_ends_at_a_character_within_1024_bytes(wanted: bytes, point: bytes | None) -> None:
    assert cut_point(wanted, lo=None, hi=None) == point


@given(keys=st.sets(_keys, min_size=2, max_size=20), more=_keys, part=st.fractions(0, 1))
def test_a_line_keeps_the_order_of_keys(keys: set[bytes], more: bytes, part: float) -> None:
    ordered = sorted(keys)
    lo, hi = ordered[0], ordered[-1]
    line = Line(lo, skip=common(lo, hi), apart=common(lo, hi), samples=ordered)
    numbers = [line.number(key) for key in sorted([*ordered, more])]
    assert numbers == sorted(numbers)
    assert all(0 <= number <= line.length for number in numbers)
    number = int(line.length * part)
    key = line.key(number)
    assert key is None or line.number(key) == number


def line_of(keys: list[bytes], *, like: bytes | None = None, skip: int = 0) -> Line:
    return Line(like or keys[-1], skip=skip, apart=common(keys[0], keys[-1]), samples=keys)


def test_leading_zeros_may_become_other_digits() -> None:
    keys = [b"img_%06d.jpg" % number for number in range(0, 100, 3)]
    line = line_of(keys)
    page = line.number(keys[-1]) - line.number(keys[0])
    assert line.key(line.number(keys[-1]) + page) == b"img_000198"
    ahead = line.number(b"img_500000") - line.number(keys[0])
    assert ahead // page == 500_000 // 99


def test_hexadecimal_digits_are_known_by_their_neighbours() -> None:
    keys = [b"%08x" % (number * 7919) for number in range(200)]
    line = line_of(keys)
    assert line.key(line.length // 2) == b"8"
    assert line.key(line.length * 15 // 16) == b"f"


def test_what_begins_anew_in_each_folder_is_thought_to_be_all_there_is() -> None:
    """Between the last hour of a day and the first one of the next there is no room for a cut."""
    keys = [b"day=%02d/hour=%02d" % (day, hour) for day in range(1, 10) for hour in range(24)]
    line = Line(keys[-1], skip=0, apart=common(keys[0], keys[23]), samples=keys)
    one, two, three = (line.number(b"day=%02d/hour=%02d" % at) for at in ((3, 0), (3, 23), (4, 0)))
    assert two - one > (three - one) * 0.7


def test_beyond_the_ends_there_is_no_key() -> None:
    line = line_of([b"a0", b"a9"])
    assert line.key(line.length) is None
    assert line.key(0) is None
    assert line.number(b"b") == line.length
    assert line.number(b"") == 0
