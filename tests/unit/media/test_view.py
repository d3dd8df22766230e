"""What is held of an object: what was asked for, and what that raises."""

from __future__ import annotations

import pytest

from ingest.media.view import MalformedError, MoreNeededError, View


@pytest.mark.parametrize("size", [None, 10])
def test_nothing_is_had_for_nothing(size: int | None) -> None:
    """A request for no bytes can't be made."""
    view = View(size, {0: b"abcd"})
    assert view.upto(8, 0) == b""
    assert view.read(8, 0) == b""


def test_what_is_not_held_is_asked_for_and_what_is_not_there_is_broken() -> None:
    with pytest.raises(MoreNeededError) as more:
        View(10, {0: b"abcd"}).read(2, 5)
    assert (more.value.first, more.value.length) == (2, 5)
    with pytest.raises(MalformedError):
        View(10, {0: b"abcd"}).read(8, 3)


def test_what_is_held_is_given_as_far_as_it_is_wanted() -> None:
    """A hostile PDF asks a thousand times for a few bytes of what is held: all the rest of it must not be copied each time."""
    view = View(20, {0: b"abcdef", 10: b"ghij"})
    assert (view.held(0), view.held(2), view.held(12)) == (b"abcdef", b"cdef", b"ij")
    assert (view.held(0, 2), view.held(2, 2), view.held(11, 99), view.held(7, 2)) == (b"ab", b"cd", b"hij", b"")


def test_a_file_can_be_read_so_often_and_no_more() -> None:
    view = View(4, {0: b"abcd"}, steps=2)
    view.read(0, 1)
    view.unpack("B", 0)
    with pytest.raises(MalformedError, match="too many parts"):
        view.read(0, 1)
