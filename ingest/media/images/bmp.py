"""BMP and ICO, the pictures of Windows; hides which of their headers a file has."""

from __future__ import annotations

from typing import Final

from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_CORE: Final = 12
_HEADERS: Final = (40, 52, 56, 64, 108, 124)
_BITFIELDS: Final = (3, 6)


def read_bmp(view: View, media: Media) -> None:
    """Height without the sign that says where the first row is. Raises MoreNeededError, MalformedError."""
    (header,) = view.unpack("<I", 14)
    if header == _CORE:
        width, height, bits = view.unpack("<HHxxH", 18)
        compression = colours = 0
    elif header in _HEADERS:
        width, height, bits, compression, colours = view.unpack("<iixxHI12xI", 18)
    else:
        raise MalformedError("its header is none that is known")
    if width <= 0 or height == 0:
        raise MalformedError("it has no size")
    media.width, media.height = width, abs(height)
    more = media.more
    more["alpha"] = False
    if 1 <= bits <= 8:
        more["bit_depth"] = bits
        more["colour"] = _palette(view, header, colours or 1 << bits)
    elif bits in (16, 24, 32):
        more["colour"], more["bit_depth"] = "rgb", 5 if bits == 16 else 8
        if bits == 32 and compression in _BITFIELDS and header >= 56:
            more["alpha"] = view.unpack("<4I", 54) == (0, 0, 0, 0) or view.unpack("<I", 66) != (0,)


def _palette(view: View, header: int, colours: int) -> str:
    """Grey if each index is its own grey, as there is no other way to store grey."""
    if not 1 <= colours <= 256:
        return "palette"
    width = 3 if header == _CORE else 4
    stored = view.read(14 + header, width * colours)
    greys = (0, 255) if colours == 2 else range(colours)
    found = all(stored[i * width : i * width + 3] == bytes((grey,)) * 3 for i, grey in enumerate(greys))
    return "grey" if found else "palette"


def read_ico(view: View, media: Media) -> None:
    """The size of the largest of its pictures. Raises MoreNeededError, MalformedError."""
    (count,) = view.unpack("<H", 4)
    best = (0, 0)
    for at in range(6, 6 + 16 * min(count, 256), 16):
        width, height = view.unpack("BB", at)
        size = width or 256, height or 256
        if size[0] * size[1] > best[0] * best[1]:
            best = size
    if best == (0, 0):
        raise MalformedError("it has no picture")
    media.width, media.height = best
