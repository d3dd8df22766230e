"""Which of these a file is, by its first bytes."""

from __future__ import annotations

from typing import Final

from ingest.media.formats import Format
from ingest.media.images.bmp import read_bmp, read_ico
from ingest.media.images.gif import read_gif
from ingest.media.images.heif import read_heif, read_heif_sequence
from ingest.media.images.jpeg import read_jpeg
from ingest.media.images.newer import read_j2k, read_jp2, read_jxl
from ingest.media.images.png import read_png
from ingest.media.images.psd import read_psd
from ingest.media.images.svg import is_svg, read_svg
from ingest.media.images.tiff import read_tiff
from ingest.media.images.webp import read_webp

_JPEG: Final = Format("image", "jpeg", "image/jpeg", read_jpeg)
_PNG: Final = Format("image", "png", "image/png", read_png)
_GIF: Final = Format("image", "gif", "image/gif", read_gif)
_WEBP: Final = Format("image", "webp", "image/webp", read_webp)
_BMP: Final = Format("image", "bmp", "image/bmp", read_bmp)
_ICO: Final = Format("image", "ico", "image/vnd.microsoft.icon", read_ico)
_TIFF: Final = Format("image", "tiff", "image/tiff", read_tiff)
_PSD: Final = Format("image", "psd", "image/vnd.adobe.photoshop", read_psd)
_SVG: Final = Format("image", "svg", "image/svg+xml", read_svg)
_JP2: Final = Format("image", "jp2", "image/jp2", read_jp2)
_JPX: Final = Format("image", "jp2", "image/jpx", read_jp2)
_J2K: Final = Format("image", "j2k", "image/j2c", read_j2k)
_JXL: Final = Format("image", "jxl", "image/jxl", read_jxl)
_AVIF: Final = Format("image", "avif", "image/avif", read_heif)
_HEIC: Final = Format("image", "heic", "image/heic", read_heif)
_HEIF: Final = Format("image", "heif", "image/heif", read_heif)

_BY_FOUR: Final = {
    b"\x89PNG": _PNG,
    b"GIF8": _GIF,
    b"II*\0": _TIFF,
    b"MM\0*": _TIFF,
    b"II+\0": _TIFF,
    b"MM\0+": _TIFF,
    b"8BPS": _PSD,
    b"\xffO\xffQ": _J2K,
    b"IIRO": Format("image", "orf", "image/x-olympus-orf"),
    b"MMOR": Format("image", "orf", "image/x-olympus-orf"),
    b"IIU\0": Format("image", "rw2", "image/x-panasonic-rw2"),
    b"FUJI": Format("image", "raf", "image/x-fuji-raf"),
}
_BY_BRAND: Final = {
    b"avif": _AVIF,
    b"avis": Format("image", "avif", "image/avif", read_heif_sequence),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis"), _HEIC),
    **dict.fromkeys(
        (b"hevc", b"hevx", b"hevm", b"hevs"), Format("image", "heic", "image/heic-sequence", read_heif_sequence)
    ),
    b"crx ": Format("image", "cr3", "image/x-canon-cr3"),
}
_BY_OPEN_BRAND: Final = {
    **dict.fromkeys((b"mif1", b"mif2", b"miaf"), _HEIF),
    b"msf1": Format("image", "heif", "image/heif-sequence", read_heif_sequence),
}
"""Brands that say nothing of the coding: another may."""
_BRANDS_MOST: Final = 32
_BMP_HEADERS: Final = frozenset((12, 40, 52, 56, 64, 108, 124))
_XML: Final = frozenset((0x3C, 0xEF, 0xFE, 0xFF, 0x20, 0x09, 0x0A, 0x0D))
"""How text that may be XML can begin: with its first tag, a byte order mark, or white space."""


def sniff(head: bytes) -> Format | None:
    """See `ingest.media.formats.Sniffer`."""
    if head[:3] == b"\xff\xd8\xff":
        return _JPEG
    four = head[:4]
    found = _BY_FOUR.get(four)
    if found is not None:
        return found if four != b"FUJI" or head[:15] == b"FUJIFILMCCD-RAW" else None
    if four == b"RIFF":
        return _WEBP if head[8:12] == b"WEBP" else None
    if head[4:8] == b"ftyp":
        return _branded(head)
    if head[:1] and head[0] in _XML and is_svg(head):
        return _SVG
    return _rare(head)


def _rare(head: bytes) -> Format | None:
    if head[:2] == b"BM" and len(head) >= 26 and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return _BMP
    if head[:2] == b"\xff\x0a" or head[:12] == b"\0\0\0\x0cJXL \r\n\x87\n":
        return _JXL
    if head[:12] == b"\0\0\0\x0cjP  \r\n\x87\n":
        return _JPX if head[20:24] == b"jpx " else _JP2
    if head[:4] in (b"\0\0\1\0", b"\0\0\2\0") and _is_ico(head):
        return _ICO
    return None


def _branded(head: bytes) -> Format | None:
    """By the major brand of a file of boxes, and by the others where that is one for all codings."""
    major = head[8:12]
    found = _BY_BRAND.get(major)
    if found is not None or major not in _BY_OPEN_BRAND:
        return found
    end = min(int.from_bytes(head[:4], "big"), len(head), 16 + 4 * _BRANDS_MOST)
    others = [head[at : at + 4] for at in range(16, end - 3, 4)]
    return next((_BY_BRAND[one] for one in others if one in _BY_BRAND), _BY_OPEN_BRAND[major])


def _is_ico(head: bytes) -> bool:
    """Four bytes are little to go by: its first entry must be one, and point behind the directory."""
    count = int.from_bytes(head[4:6], "little")
    first = int.from_bytes(head[18:22], "little")
    return len(head) >= 22 and 0 < count <= 256 and head[9] == 0 and first >= 6 + 16 * count
