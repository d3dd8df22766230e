"""JPEG (ITU T.81) and what cameras chain before its frame header; hides its markers. MPO is read as the JPEG that it begins with."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from ingest.media.exif import read_exif
from ingest.media.nearby import widened
from ingest.media.properties import Media
from ingest.media.view import MalformedError, MoreNeededError, View

_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame, of any coding: baseline, progressive, lossless, arithmetic."""
_BARE: Final = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers without a length."""
_FILL: Final = frozenset((0x00, 0xFF))
_ENDS: Final = frozenset((0xD9, 0xDA))
_COLOURS: Final = {1: "grey", 3: "rgb", 4: "cmyk"}
"""By components. YCbCr and YCCK are how these are coded; whoever decodes gets RGB and CMYK."""
_JUNK_MOST: Final = 1024
"""Bytes between segments that are passed over, as decoders do."""
_WISH: Final = 16 << 10
_FULL: Final = 60_000
"""A segment that is about as long as can be is one of a chain: an ICC profile, extended XMP, a preview."""
_CHAIN_WISH: Final = 512 << 10
"""Behind one of a chain come others, at places that only they tell: so as much is asked for as reaches over some."""


class _Trail:
    """What was passed on the way to the frame header."""

    __slots__ = ("exif", "length")

    def __init__(self) -> None:
        self.exif: tuple[int, int] | None = None
        self.length = 0
        """Of the last segment."""


def read_jpeg(view: View, media: Media) -> None:
    """Size as stored: before the EXIF orientation. Reads nothing behind the frame header. Raises MoreNeededError, MalformedError."""
    trail = _Trail()
    try:
        _frame(view, _walk(view, trail), media)
    except MoreNeededError as more:
        _exif_so_far(view, trail, media)
        wish = min(max(_WISH, 4 * more.first), _CHAIN_WISH) if trail.length >= _FULL else _WISH
        raise widened(view, more, wish) from None
    except MalformedError:
        _exif_so_far(view, trail, media)
        raise
    if trail.exif is not None:
        read_exif(view, *trail.exif, media)


def _walk(view: View, trail: _Trail) -> int:
    """Where the frame header is, behind its marker and length."""
    at, junk = 2, 0
    unpack = view.unpack
    while True:
        mark, marker, length = unpack(">BBH", at)
        if mark != 0xFF or marker in _FILL:
            at, junk = at + 1, junk + 1
            if junk > _JUNK_MOST:
                raise MalformedError("it has no frame header")
            continue
        if marker in _FRAMES:
            return at + 4
        if marker in _BARE:
            at += 2
            continue
        if marker in _ENDS or length < 2:
            raise MalformedError("it has no frame header")
        if marker == 0xE1 and trail.exif is None and length >= 8 and view.read(at + 4, 6) == b"Exif\0\0":
            trail.exif = at + 10, length - 8
        trail.length = length
        at += 2 + length


def _frame(view: View, at: int, media: Media) -> None:
    depth, height, width, components = view.unpack(">BHHB", at)
    if width == 0 or height == 0:
        raise MalformedError("it has no size")
    media.width, media.height = width, height
    more = media.more
    if components in _COLOURS:
        more["colour"] = _COLOURS[components]
    more["bit_depth"], more["alpha"] = depth, False


def _exif_so_far(view: View, trail: _Trail, media: Media) -> None:
    """EXIF that is held is told though the frame header isn't found, or not yet."""
    if trail.exif is not None:
        with suppress(MoreNeededError):
            read_exif(view, *trail.exif, media)
