"""HEIC, HEIF and AVIF (ISO/IEC 23008-12): the picture that is shown; hides its properties, and tracks where it moves."""

from __future__ import annotations

import struct
from typing import Final

from ingest.media.boxes import Box, boxes, child, full, within
from ingest.media.exif import read_exif
from ingest.media.images.items import Items, Part, read_items
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_EXIF_WISH: Final = 4 << 10
_ALPHA: Final = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_SIZES: Final = (b"ispe", b"clap")
_CODINGS: Final = (b"pixi", b"av1C", b"hvcC")
_TURNED: Final = {
    None: (1, 8, 3, 6),
    0: (4, 5, 2, 7),
    1: (2, 7, 4, 5),
}
"""The EXIF orientation to which a mirror's axis (`imir`) and quarters of a turn before it (`irot`) come."""


def read_heif(view: View, media: Media) -> None:
    """Width and height are those of the primary item's `ispe`, cropped by `clap`, before `irot` and `imir`: what exiftool shows, but
    for its crop. Of a picture made of tiles they are those of the whole. Orientation is what these two come to, as Pillow says it for AVIF, and not what EXIF says: no
    decoder heeds that here. Raises MoreNeededError, MalformedError.
    """
    meta = next((box for box in boxes(view, 0) if box.type == b"meta"), None)
    items = read_items(view, meta) if meta is not None else None
    if items is None:
        raise MalformedError("it has no primary item")
    media.more["frames"] = 1
    _tell(view, items, media)


def read_heif_sequence(view: View, media: Media) -> None:
    """The same of a sequence, with the samples of its first track as frames. Raises MoreNeededError, MalformedError."""
    items = None
    for box in boxes(view, 0):
        if box.type == b"meta":
            items = read_items(view, box)
        elif box.type == b"moov":
            _track(view, box, media)
            break
    if items is not None:
        _tell(view, items, media)


def _tell(view: View, items: Items, media: Media) -> None:
    turn = 0
    mirror: int | None = None
    turned = False
    more = media.more
    more["colour"], more["alpha"] = "rgb", any(_is_alpha(described) for described in items.auxiliary)
    for kind, body, _ in items.properties:
        if kind in _SIZES:
            _size(kind, body, media)
        elif kind == b"irot":
            turn, turned = body[0] & 3, True
        elif kind == b"imir":
            mirror, turned = body[0] & 1, True
        elif kind in _CODINGS:
            _coding(kind, body, media)
    if not media.width or not media.height:
        raise MalformedError("its primary item has no size")
    if items.exif is not None:
        _exif(view, *items.exif, media)
    if turned or "orientation" in more:
        more["orientation"] = _TURNED[mirror][turn]


def _size(kind: bytes, body: bytes, media: Media) -> None:
    if kind == b"ispe":
        media.width, media.height = struct.unpack_from(">II", body, 4)
        return
    # The clean aperture: coders fill up to whole blocks, and this is the picture in it.
    width, of_width, height, of_height = struct.unpack_from(">4I", body)
    if of_width and of_height and media.width and media.height:
        size = width // of_width, height // of_height
        if 0 < size[0] <= media.width and 0 < size[1] <= media.height:
            media.width, media.height = size


def _coding(kind: bytes, body: bytes, media: Media) -> None:
    """Depth and colour, as the property for it says them, or as the decoder is told them."""
    more = media.more
    if kind == b"pixi":
        depth, grey = body[5], body[4] == 1
        more["bit_depth"] = depth
    elif kind == b"av1C":
        bits = body[2]
        depth, grey = 12 if bits & 0x60 == 0x60 else 10 if bits & 0x40 else 8, bool(bits & 0x10)
    else:
        depth, grey = 8 + (body[17] & 7), body[16] & 3 == 0
    more.setdefault("bit_depth", depth)
    if grey:
        more["colour"] = "grey"


def _is_alpha(described: list[Part]) -> bool:
    return any(kind == b"auxC" and body[4:].startswith(_ALPHA) for kind, body, _ in described)


def _exif(view: View, at: int, length: int, media: Media) -> None:
    """Its block begins with how many bytes to skip (23008-12, A.2.1)."""
    try:
        view.read(at, min(length, _EXIF_WISH))
        (skipped,) = view.unpack(">I", at)
    except MalformedError:
        media.more["problem"] = "its EXIF is broken"
        return
    read_exif(view, at + 4 + skipped, max(0, length - 4 - skipped), media)


def _track(view: View, moov: Box, media: Media) -> None:
    """Size and samples of the first track."""
    track = child(view, moov, b"trak")
    header = child(view, track, b"tkhd") if track is not None else None
    if track is None or header is None:
        raise MalformedError("it has no track")
    media.width, media.height = (side >> 16 for side in view.unpack(">II", within(header, header.end - 8, 8)))
    samples = child(view, track, b"mdia", b"minf", b"stbl", b"stsz")
    if samples is not None:
        _, _, at = full(view, samples)
        (media.more["frames"],) = view.unpack(">I", within(samples, at + 4, 4))
