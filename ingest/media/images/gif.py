"""GIF (87a, 89a); hides its blocks."""

from __future__ import annotations

from typing import Final

from ingest.media.nearby import widened
from ingest.media.properties import Media
from ingest.media.view import MalformedError, MoreNeededError, View

_RAMP: Final = bytes(level for level in range(256) for _ in range(3))
"""A palette that is none: each index is its own grey."""
_BLOCKS_MOST: Final = 50_000
"""Blocks and sub-blocks that are passed to count pictures."""
_EXTENSION, _PICTURE, _TRAILER, _CONTROL = 0x21, 0x2C, 0x3B, 0xF9
_CHAINED: Final = frozenset((_EXTENSION, _PICTURE))
"""Blocks that are chains of sub-blocks."""
_WISH: Final = 4 << 10


def read_gif(view: View, media: Media) -> None:
    """The logical screen, the first picture's colours, and how many pictures if all of it is held. Raises as `View.read` does."""
    width, height, packed = view.unpack("<HHB", 6)
    if width == 0 or height == 0:
        raise MalformedError("it has no size")
    media.width, media.height = width, height
    bits = (packed & 7) + 1
    more = media.more
    more["colour"], more["bit_depth"], more["alpha"] = "grey", bits, False
    try:
        at = 13
        if packed & 0x80:
            more["colour"] = _colour(view, at, bits)
            at += 3 << bits
        first = _first(view, at, media)
    except MoreNeededError as needed:
        raise widened(view, needed, _WISH) from None
    held = view.held(0)
    if view.size is not None and len(held) >= view.size and (frames := _frames(held, first)) is not None:
        more["frames"] = frames


def _colour(view: View, at: int, bits: int) -> str:
    palette = view.read(at, 3 << bits)
    return "grey" if palette == _RAMP[: 3 << bits] else "palette"


def _first(view: View, at: int, media: Media) -> int:
    """Where the first picture begins."""
    while True:
        (kind,) = view.unpack("B", at)
        if kind == _PICTURE:
            (packed,) = view.unpack("B", at + 9)
            if packed & 0x80:
                media.more["colour"] = _colour(view, at + 10, (packed & 7) + 1)
            return at
        if kind == _TRAILER:
            raise MalformedError("it has no picture")
        if kind == _EXTENSION:
            label, length, flags = view.unpack("BBB", at + 1)
            if label == _CONTROL and length and flags & 1:
                media.more["alpha"] = True
            at += 2
            while length:
                at += length + 1
                (length,) = view.unpack("B", at)
        at += 1


def _frames(held: bytes, at: int) -> int | None:
    """Pictures from the first one to the end, even where that is cut off; None: too many to count."""
    frames = 0
    left = _BLOCKS_MOST
    try:
        while (kind := held[at]) != _TRAILER:
            if kind == _PICTURE:
                packed = held[at + 9]
                frames += 1
                at += 11 + (3 << (packed & 7) + 1 if packed & 0x80 else 0)
            elif kind == _EXTENSION:
                at += 2
            while (length := held[at]) and kind in _CHAINED:
                at += length + 1
                left -= 1
                if left < 0:
                    return None
            at += 1
            left -= 1
            if left < 0:
                return None
    except IndexError:
        pass
    return frames
