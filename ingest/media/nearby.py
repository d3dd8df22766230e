"""Asks for enough at once; hides that what is missing costs a request however short it is, so that a window is asked for, not a word."""

from __future__ import annotations

from typing import Final

from ingest.media.view import MalformedError, MoreNeededError, View

WINDOW: Final = 4096
"""Bytes asked for where a header of unknown length begins."""
RANGE_MOST: Final = 256 * 1024
"""Bytes of one range that may be asked for; whoever fetches it fetches no more."""


def reach(view: View, at: int, length: int, most: int = WINDOW) -> bytes:
    """So many bytes; where they are not held, `most` are asked for. Raises MoreNeededError, MalformedError."""
    try:
        return view.read(at, length)
    except MoreNeededError as needed:
        raise widened(view, needed, most) from None


def widened(view: View, needed: MoreNeededError, most: int = WINDOW, end: int | None = None) -> MoreNeededError:
    """The same, of `most` bytes if it is less: but not beyond `end`, or the end of the object."""
    for last in (end, view.size):
        if last is not None:
            most = min(most, last - needed.first)
    return MoreNeededError(needed.first, max(needed.length, most))


def near(view: View, at: int, least: int, most: int = WINDOW) -> bytes:
    """What is held from there on, at most `most` bytes, if it is `least` or all that the object has there.

    Of an object whose size nobody knows it is what is held, if that is anything. Raises as `reach` does.
    """
    if at < 0 or (view.size is not None and at > view.size):
        raise MalformedError("it points outside itself")
    if view.size is not None:
        least, most = min(least, view.size - at), min(most, view.size - at)
    held = view.held(at, most)
    if len(held) < least and (view.size is not None or not held):
        return view.read(at, most)
    view.reach = max(view.reach, at + least)
    return held


def ending(view: View, most: int) -> tuple[int, bytes]:
    """The last bytes of the object, and where they begin; of what the first piece holds already nothing is asked for again."""
    if view.size is None:
        return view.tail(most)
    start = max(0, view.size - most)
    first = len(view.held(0))
    if first >= view.size or first <= start:
        return start, view.read(start, view.size - start)
    return start, view.held(0)[start:] + view.read(first, view.size - first)
