"""WebP (RFC 9649); hides its chunks, and that its EXIF lies behind the pixels."""

from __future__ import annotations

from typing import Final

from ingest.media.exif import read_exif
from ingest.media.nearby import widened
from ingest.media.properties import Media
from ingest.media.view import MalformedError, MoreNeededError, View

_CHUNKS_MOST: Final = 5_000
_ANIMATION, _EXIF, _ALPHA = 0x02, 0x08, 0x10
_WISH: Final = 4 << 10


def read_webp(view: View, media: Media) -> None:
    """Size and alpha from the first chunk; EXIF, if a flag there says that there is some. Raises MoreNeededError, MalformedError."""
    name, length = view.unpack("<4sI", 12)
    more = media.more
    more["colour"], more["bit_depth"], more["alpha"], more["frames"] = "rgb", 8, False, 1
    if name == b"VP8 ":
        frame, code, width, height = view.unpack("<3s3sHH", 20)
        if code != b"\x9d\x01\x2a" or frame[0] & 1:
            raise MalformedError("its first frame is no key frame")
        media.width, media.height = width & 0x3FFF, height & 0x3FFF
    elif name == b"VP8L":
        mark, bits = view.unpack("<BI", 20)
        if mark != 0x2F:
            raise MalformedError("its first frame is not what it must be")
        media.width, media.height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        more["alpha"] = bool(bits >> 28 & 1)
    elif name == b"VP8X" and length >= 10:
        flags, width, high, height, highest = view.unpack("<IHBHB", 20)
        media.width, media.height = (width | high << 16) + 1, (height | highest << 16) + 1
        more["alpha"] = bool(flags & _ALPHA)
        _chunks(view, 20 + length + (length & 1), flags, media)
    else:
        raise MalformedError("its first chunk is none that is known")


def _chunks(view: View, at: int, flags: int, media: Media) -> None:
    """Counts frames and looks for EXIF. Frames of an animation lie apart: where the next isn't held, nothing is asked."""
    if not flags & (_ANIMATION | _EXIF):
        return
    if not flags & _ANIMATION:
        try:
            at = _find(view, at)[0]
        except MoreNeededError as needed:
            raise widened(view, needed, _WISH) from None
    else:
        del media.more["frames"]
        try:
            at, media.more["frames"] = _find(view, at)
        except MoreNeededError:
            return
    if at and flags & _EXIF:
        read_exif(view, at + 8, view.unpack("<4xI", at)[0], media)


def _find(view: View, at: int) -> tuple[int, int]:
    """Where the EXIF is (0: there is none), and how many frames are before it or the end."""
    frames = 0
    for _ in range(_CHUNKS_MOST):
        if view.size is not None and at + 8 > view.size:
            return 0, frames
        name, length = view.unpack("<4sI", at)
        if name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            return at, frames
        at += 8 + length + (length & 1)
    raise MalformedError("it has too many chunks")
