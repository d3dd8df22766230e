"""Boxes of the ISO base media file format (MP4, MOV, HEIC, AVIF); hides their sizes, and that a payload is never read to pass it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from ingest.media.view import MalformedError, MoreNeededError, View

MOST: Final = 1024
"""Boxes within one. A header has a few dozen; only a film in fragments has more, and those need not be counted."""
_WISH: Final = 16 << 10
"""Bytes asked for where a header of 8 is wanted: what follows a header is wanted next, and a request costs more than bytes do."""
_ENDLESS: Final = 1 << 62
"""The end of an object whose size nobody knows."""


class Box(NamedTuple):
    """One box (ISO/IEC 14496-12, 4.2): its payload is from `body` to `end`."""

    type: bytes
    at: int
    body: int
    end: int


def boxes(view: View, first: int, end: int | None = None, *, most: int = MOST, wish: int = _WISH) -> Iterator[Box]:
    """The boxes from `first` to `end` (None: the end of the object), in order; reads their headers only.

    A box that says it is longer than what it lies in ends there. Where a header isn't held, `wish` bytes are asked for, or what is
    left of the object. To go down, call it again with a box's `body` and `end`. Raises MoreNeededError, MalformedError.
    """
    last = end if end is not None else view.size if view.size is not None else _ENDLESS
    at = first
    for _ in range(most):
        if at + 8 > last:
            return
        box = _box(view, at, last, wish)
        yield box
        at = box.end
    raise MalformedError("it has too many boxes")


def child(view: View, box: Box, *path: bytes) -> Box | None:
    """The first box of each type, each inside the one before; None if one is missing. Raises as `boxes` does."""
    found: Box | None = box
    for kind in path:
        if found is None:
            return None
        found = next((one for one in boxes(view, found.body, found.end) if one.type == kind), None)
    return found


def full(view: View, box: Box) -> tuple[int, int, int]:
    """Version and flags of a full box (4.2.2), and where what follows them begins. Raises as `View.read` does."""
    (word,) = view.unpack(">I", within(box, box.body, 4))
    return word >> 24, word & 0xFFFFFF, box.body + 4


def within(box: Box, at: int, length: int) -> int:
    """`at`, if so many bytes from there lie inside the box. Raises MalformedError."""
    if at < box.body or length < 0 or at + length > box.end:
        raise MalformedError("a box is shorter than what it should hold")
    return at


def _box(view: View, at: int, last: int, wish: int) -> Box:
    try:
        size, kind = view.unpack(">I4s", at)
        body = at + 8
        if size == 1:
            (size,) = view.unpack(">Q", body)
            body += 8
        elif size == 0:
            size = last - at
    except MoreNeededError as more:
        length = max(wish, more.length) if view.size is None else min(max(wish, more.length), view.size - more.first)
        raise MoreNeededError(more.first, length) from None
    if kind == b"uuid":
        body += 16
    if at + size < body:
        raise MalformedError("a box is shorter than its own header")
    if body > last:
        raise MalformedError("a box is cut off within its header")
    return Box(kind, at, body, min(at + size, last))
