"""PNG and APNG (third edition); hides their chunks."""

from __future__ import annotations

from typing import Final

from ingest.media.exif import read_exif
from ingest.media.nearby import widened
from ingest.media.properties import Media
from ingest.media.view import MalformedError, MoreNeededError, View

_COLOURS: Final = {0: "grey", 2: "rgb", 3: "palette", 4: "grey", 6: "rgb"}
_CHUNKS_MOST: Final = 2_000
_WISH: Final = 4 << 10


def read_png(view: View, media: Media) -> None:
    """What stands before the pixels; EXIF behind them only where that is held. Raises MoreNeededError, MalformedError."""
    length, name = view.unpack(">I4s", 8)
    at = 8 if name == b"IHDR" else 20 + length
    length, name, width, height, depth, colour = view.unpack(">I4sIIBB", at)
    if name != b"IHDR" or length != 13 or not 0 < width < 1 << 31 or not 0 < height < 1 << 31:
        raise MalformedError("its first chunk is not what it must be")
    media.width, media.height = width, height
    more = media.more
    if colour in _COLOURS:
        more["colour"] = _COLOURS[colour]
    more["bit_depth"], more["alpha"], more["frames"] = depth, colour >= 4, 1
    try:
        _chunks(view, at + 25, media)
    except MoreNeededError as needed:
        raise widened(view, needed, _WISH) from None


def _chunks(view: View, at: int, media: Media) -> None:
    unpack, more, told = view.unpack, media.more, False
    for _ in range(_CHUNKS_MOST):
        length, name = unpack(">I4s", at)
        if name in (b"IDAT", b"IEND"):
            if not told:
                _behind(view, at, media)
            return
        if name == b"tRNS":
            more["alpha"] = True
        elif name == b"acTL" and length >= 8:
            (frames,) = unpack(">I", at + 8)
            if frames:
                more["frames"] = frames
                media.type = "image/apng"
        elif name == b"eXIf" and not told:
            told = True  # there may be one only
            read_exif(view, at + 8, length, media)
        at += 12 + length
    raise MalformedError("it has too many chunks")


def _behind(view: View, at: int, media: Media) -> None:
    """Some writers put EXIF behind the pixels. A small picture is held whole; for a large one nothing is asked."""
    held = view.held(0)
    last = len(held) - 12
    for _ in range(_CHUNKS_MOST):
        if at > last:
            return
        name = held[at + 4 : at + 8]
        if name == b"IEND" or not name.isalpha():
            return
        length = int.from_bytes(held[at : at + 4], "big")
        if name == b"eXIf" and at + 8 + length <= len(held):
            read_exif(view, at + 8, length, media)
            return
        at += 12 + length
