"""Which of these a file is, by its first bytes."""

from __future__ import annotations

from typing import Final

from ingest.media.formats import Format
from ingest.media.video import asf, flash, matroska, movie, program, riff, transport

_PICTURES: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis", b"crx "}
)
"""Brands of still pictures, which other rooms read."""
_FRAGMENT: Final = frozenset({b"moof", b"styp", b"sidx"})
_BARE: Final = frozenset({b"moov", b"wide", b"free", b"skip", b"pnot"})
"""What a film may begin with that names no brand, as those of QuickTime before 2001."""

_BRANDS: Final = {
    b"qt  ": Format("video", "mov", "video/quicktime", movie.read),
    b"M4A": Format("audio", "m4a", "audio/mp4", movie.read),
    b"M4B": Format("audio", "m4a", "audio/mp4", movie.read),
    b"M4P": Format("audio", "m4a", "audio/mp4", movie.read),
    b"M4V": Format("video", "m4v", "video/mp4", movie.read),
    b"3gp": Format("video", "3gp", "video/3gpp", movie.read),
    b"3g2": Format("video", "3g2", "video/3gpp2", movie.read),
}


_SIGNED: Final = (
    (b"\x1aE\xdf\xa3", Format("video", "mkv", "video/matroska", matroska.read)),
    (b"FLV\1", Format("video", "flv", "video/x-flv", flash.read)),
    (asf.HEADER, Format("video", "wmv", "video/x-ms-wmv", asf.read)),
    (b"\0\0\1\xba", Format("video", "mpeg", "video/mpeg", program.read)),
)


def sniff(head: bytes) -> Format | None:
    """See `ingest.media.formats.Sniffer`."""
    for sign, found in _SIGNED:
        if head.startswith(sign):
            return found
    if head[:4] == b"RIFF" and head[8:11] == b"AVI":
        return Format("video", "avi", "video/x-msvideo", riff.read)
    if transport.shape(head) is not None:
        return Format("video", "mpegts", "video/mp2t", transport.read)
    return _movie(head)


def _movie(head: bytes) -> Format | None:
    kind, size = head[4:8], int.from_bytes(head[:4])
    if kind == b"ftyp" and 8 <= size < 1 << 16:
        return _brand(head[8:12])
    if kind in _FRAGMENT and 8 <= size < 1 << 24:
        return Format("video", "mp4", "video/mp4", movie.read)
    # a text may hold such a word, too; but none begins with NUL
    if kind == b"mdat" or (kind in _BARE and 8 <= size < 1 << 24):
        return Format("video", "mov", "video/quicktime", movie.read)
    return None


def _brand(major: bytes) -> Format | None:
    if major in _PICTURES:
        return None
    return _BRANDS.get(major) or _BRANDS.get(major[:3], Format("video", "mp4", "video/mp4", movie.read))
