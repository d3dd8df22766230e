"""HEIC, HEIF and AVIF (ISO/IEC 23008-12): the picture that is shown; hides its properties, and tracks where it moves."""

from __future__ import annotations

from typing import Final

from ingest.media.boxes import Box, boxes, child, full, within
from ingest.media.exif import read_exif
from ingest.media.images.items import Items, read_items
from ingest.media.properties import Media
from ingest.media.view import MalformedError, MoreNeededError, View

_META_MOST: Final = 256 << 10
"""Bytes of a `meta` box that are asked for at once."""
_EXIF_WISH: Final = 4 << 10
_ALPHA: Final = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_TURNED: Final = {
    None: (1, 8, 3, 6),
    0: (4, 5, 2, 7),
    1: (2, 7, 4, 5),
}
"""The EXIF orientation to which a mirror's axis (`imir`) and quarters of a turn before it (`irot`) come."""


def read_heif(view: View, media: Media) -> None:
    """Width and height are those of the primary item's `ispe`, as exiftool shows them: before `irot` and `imir`, and of the whole
    picture if it is made of tiles. Orientation is what these two come to, as Pillow says it for AVIF, and not what EXIF says: no
    decoder heeds that here. Raises MoreNeededError, MalformedError.
    """
    meta = next((box for box in boxes(view, 0) if box.type == b"meta"), None)
    items = _items(view, meta) if meta is not None else None
    if items is None:
        raise MalformedError("it has no primary item")
    media.more["frames"] = 1
    _tell(view, items, media)


def read_heif_sequence(view: View, media: Media) -> None:
    """The same of a sequence, with the samples of its first track as frames. Raises MoreNeededError, MalformedError."""
    items = None
    for box in boxes(view, 0):
        if box.type == b"meta":
            items = _items(view, box)
        elif box.type == b"moov":
            _track(view, box, media)
            break
    if items is not None:
        _tell(view, items, media)


def _items(view: View, meta: Box) -> Items | None:
    """All of the box is wanted, so one request fetches it."""
    try:
        return read_items(view, meta)
    except MoreNeededError as needed:
        length = max(needed.first + needed.length, min(meta.end, meta.at + _META_MOST)) - meta.at
        raise MoreNeededError(meta.at, length) from None


def _tell(view: View, items: Items, media: Media) -> None:
    turn: int | None = None
    mirror: int | None = None
    more = media.more
    more["colour"], more["alpha"] = "rgb", any(_is_alpha(view, described) for described in items.auxiliary)
    for box in items.properties:
        if box.type == b"ispe":
            media.width, media.height = view.unpack(">II", within(box, box.body + 4, 8))
        elif box.type == b"irot":
            turn = view.unpack("B", within(box, box.body, 1))[0] & 3
        elif box.type == b"imir":
            mirror = view.unpack("B", within(box, box.body, 1))[0] & 1
        elif box.type == b"pixi":
            channels, depth = view.unpack("BB", within(box, box.body + 4, 2))
            more["bit_depth"] = depth
            more["colour"] = "grey" if channels == 1 else "rgb"
        elif box.type in (b"av1C", b"hvcC"):
            _coding(view, box, media)
    if items.exif is not None:
        _exif(view, *items.exif, media)
    if turn is not None or mirror is not None or "orientation" in more:
        more["orientation"] = _TURNED[mirror][turn or 0]


def _coding(view: View, box: Box, media: Media) -> None:
    if box.type == b"av1C":
        bits = view.unpack("B", within(box, box.body + 2, 1))[0]
        depth, grey = 12 if bits & 0x60 == 0x60 else 10 if bits & 0x40 else 8, bool(bits & 0x10)
    else:
        chroma, luma = view.unpack("BB", within(box, box.body + 16, 2))
        depth, grey = 8 + (luma & 7), chroma & 3 == 0
    media.more.setdefault("bit_depth", depth)
    if grey:
        media.more["colour"] = "grey"


def _is_alpha(view: View, described: list[Box]) -> bool:
    return any(
        box.type == b"auxC" and view.read(box.body + 4, min(64, max(0, box.end - box.body - 4))).startswith(_ALPHA)
        for box in described
    )


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
