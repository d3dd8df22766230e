"""What a key space is, and how to find one's way in it: hides that keys are only ever computed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Protocol


class KeySpace(Protocol):
    """`count` keys in strictly ascending byte order, numbered from 0."""

    @property
    def count(self) -> int: ...

    def key(self, index: int) -> bytes:
        """The key with this number; 0 <= index < count."""
        ...

    def keys(self, start: int, stop: int) -> list[bytes]:
        """The keys numbered start to stop - 1, in order."""
        ...

    def find(self, key: bytes) -> int | None:
        """The number of this key; None if there is no such key."""
        ...


def rank(space: KeySpace, after: bytes) -> int:
    """The number of the first key > `after`; `count` if there is none."""
    return bisect_right(range(space.count), after, key=space.key)


def lower(space: KeySpace, bound: bytes, start: int = 0) -> int:
    """The number of the first key >= `bound` from `start` on; gallops, since the answer is often near."""
    step, count = 1, space.count
    low = start
    while (high := start + step) < count and space.key(high) < bound:
        low, step = high, step * 4
    return bisect_left(range(count), bound, low, min(high + 1, count), key=space.key)


def successor(prefix: bytes) -> bytes | None:
    """The lowest string above everything that begins with `prefix`; None if nothing is."""
    bare = prefix.rstrip(b"\xff")
    return bare[:-1] + bytes([bare[-1] + 1]) if bare else None
