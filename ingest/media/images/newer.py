"""JPEG 2000 (ITU T.800) and JPEG XL (ISO/IEC 18181): their headers; hides whether they lie in a container or bare."""

from __future__ import annotations

from typing import Final

from ingest.media.boxes import Box, boxes, child
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_COLOURS: Final = {1: "grey", 2: "grey", 3: "rgb", 4: "rgb"}
_CMYK: Final = 12
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_BITS: Final = (9, 13, 18, 30)


def read_jp2(view: View, media: Media) -> None:
    """Raises MoreNeededError, MalformedError."""
    header = next((box for box in boxes(view, 0) if box.type == b"jp2h"), None)
    size = child(view, header, b"ihdr") if header is not None else None
    if header is None or size is None:
        raise MalformedError("it has no header box")
    media.height, media.width, components, depth = view.unpack(">IIHB", size.body)
    _told(media, components, None if depth == 0xFF else (depth & 0x7F) + 1)
    colour = child(view, header, b"colr")
    if colour is not None and colour.end - colour.body >= 7 and view.unpack(">BxxI", colour.body) == (1, _CMYK):
        media.more["colour"], media.more["alpha"] = "cmyk", components > 4
    if components <= 2 and child(view, header, b"pclr") is not None:
        media.more["colour"] = "palette"


def read_j2k(view: View, media: Media) -> None:
    """A bare codestream: its SIZ marker. Raises MoreNeededError, MalformedError."""
    width, height, left, top = view.unpack(">IIII", 8)
    components, depth = view.unpack(">HB", 40)
    if width <= left or height <= top:
        raise MalformedError("it has no size")
    media.width, media.height = width - left, height - top
    _told(media, components, (depth & 0x7F) + 1)


def _told(media: Media, components: int, depth: int | None) -> None:
    if depth is not None:
        media.more["bit_depth"] = depth
    if components in _COLOURS:
        media.more["colour"] = _COLOURS[components]
    media.more["alpha"] = components in (2, 4)


def read_jxl(view: View, media: Media) -> None:
    """The size alone, before its orientation. Raises MoreNeededError, MalformedError."""
    at = 0
    if view.read(0, 2) != b"\xff\x0a":
        stream: Box | None = next((box for box in boxes(view, 0) if box.type in (b"jxlc", b"jxlp")), None)
        if stream is None:
            raise MalformedError("it has no picture")
        at = stream.body + (4 if stream.type == b"jxlp" else 0)
    if view.read(at, 2) != b"\xff\x0a":
        raise MalformedError("its picture does not begin as it must")
    bits = _Bits(int.from_bytes(view.upto(at + 2, 12), "little"))
    small = bits.take(1)
    height = bits.side(small=bool(small))
    ratio = bits.take(3)
    if ratio:
        over, under = _RATIOS[ratio - 1]
        width = height * over // under
    else:
        width = bits.side(small=bool(small))
    media.width, media.height = width, height


class _Bits:
    """A number read from its lowest bit on."""

    __slots__ = ("_left",)

    def __init__(self, number: int) -> None:
        self._left = number

    def take(self, count: int) -> int:
        taken = self._left & (1 << count) - 1
        self._left >>= count
        return taken

    def side(self, *, small: bool) -> int:
        if small:
            return (self.take(5) + 1) * 8
        return self.take(_BITS[self.take(2)]) + 1
