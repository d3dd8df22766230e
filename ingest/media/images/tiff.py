"""TIFF (6.0, BigTIFF) and what cameras store in its form; hides its directories."""

from __future__ import annotations

from typing import Final

from ingest.media.exif import ROOT, tell
from ingest.media.ifd import Directory, Ifd
from ingest.media.properties import Media
from ingest.media.view import MalformedError, MoreNeededError, View

PAGES_MOST: Final = 4_096
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _SUBIFDS, _EXTRA, _DNG = (
    *(0xFE, 0x100, 0x101, 0x102, 0x103, 0x106),
    *(0x115, 0x14A, 0x152, 0xC612),
)
_WANTED: Final = ROOT | {
    *(_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _SUBIFDS, _EXTRA, _DNG),
}
_COLOURS: Final = {0: "grey", 1: "grey", 2: "rgb", 3: "palette", 4: "grey", 5: "cmyk", 6: "ycbcr", 8: "lab", 9: "lab"}
"""By photometric interpretation."""
_COLOUR_SAMPLES: Final = {"grey": 1, "rgb": 3, "palette": 1, "cmyk": 4, "ycbcr": 3, "lab": 3}
_YCBCR: Final = 6
_JPEG: Final = (6, 7)
_ALPHA: Final = (1, 2, 999)
"""Kinds of extra sample: associated, unassociated, and what CorelDRAW writes."""
_RAW: Final = {b"CR\x02\x00": ("cr2", "image/x-canon-cr2")}


def read_tiff(view: View, media: Media) -> None:
    """The first page; where a camera wrote it, the picture itself and not its preview. Raises MoreNeededError, MalformedError."""
    ifd = Ifd(view)
    root = ifd.directory(ifd.first, _WANTED)
    if _DNG in root:
        media.format, media.type = "dng", "image/x-adobe-dng"
    elif not ifd.big and ifd.first >= 16 and (raw := _RAW.get(view.read(8, 4))):
        media.format, media.type = raw
    _picture(ifd, _main(ifd, root), media)
    if media.format == "tiff":
        _pages(ifd, media)
    tell(ifd, root, media)


def _main(ifd: Ifd, root: Directory) -> Directory:
    """The first directory below the root that is no reduced picture, if the root's own is one."""
    if (ifd.number(root, _SUBFILE) or 0) & 1:
        for at in ifd.numbers(root, _SUBIFDS, 8):
            found = ifd.directory(at, _WANTED)
            if ifd.number(found, _SUBFILE) == 0:
                return found
    return root


def _picture(ifd: Ifd, found: Directory, media: Media) -> None:
    width, height = ifd.number(found, _WIDTH), ifd.number(found, _HEIGHT)
    if not width or not height or width < 0 or height < 0:
        raise MalformedError("it has no size")
    media.width, media.height = width, height
    more = media.more
    more["bit_depth"] = (ifd.numbers(found, _BITS, 1) or (1,))[0]
    photometric = ifd.number(found, _PHOTOMETRIC)
    colour = _COLOURS.get(photometric) if photometric is not None else None
    samples = ifd.number(found, _SAMPLES) or 1
    if colour is None:
        return
    if photometric == _YCBCR and (samples == 1 or ifd.number(found, _COMPRESSION) in _JPEG):
        colour = "grey" if samples == 1 else "rgb"
    more["colour"] = colour
    extra = ifd.numbers(found, _EXTRA)
    unsaid = _EXTRA not in found and colour == "rgb" and samples == 4
    more["alpha"] = unsaid or any(kind in _ALPHA for kind in extra[: max(0, samples - _COLOUR_SAMPLES[colour])])


def _pages(ifd: Ifd, media: Media) -> None:
    """Counts directories as far as they are held: each may lie anywhere, and a request for each would be too much to pay."""
    seen: set[int] = set()
    at = ifd.first
    try:
        while at:
            if at in seen or len(seen) >= PAGES_MOST:
                return
            seen.add(at)
            at = ifd.after(at)
    except (MoreNeededError, MalformedError):
        return
    media.more["frames"] = len(seen)
