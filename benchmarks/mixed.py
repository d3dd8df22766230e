"""A bucket of pictures, films, sound and documents: hides that a few dozen small files, padded where their formats allow it, are all of
them.

The small files are those of tests/media/files; see tests/media/make.py for where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.objects import Object

FILES: Final = Path(__file__).resolve().parents[1] / "tests" / "media" / "files"
VARIETY: Final = 400
"""Objects this many numbers apart are alike."""
_KB, _MB = 1024, 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A file as it might stand in a bucket: `head`, then zeros, then `tail`."""

    extension: str
    head: bytes
    size: int
    tail: bytes = b""

    def content(self, first: int, last: int) -> bytes:
        """Bytes `first` to `last`, both inclusive."""
        begin, stop = first, last + 1
        front = self.head[begin:stop]
        behind = self.size - len(self.tail)
        zeros = max(0, min(stop, behind) - max(begin, len(self.head)))
        back = self.tail[max(0, begin - behind) : max(0, stop - behind)]
        return b"".join((front, bytes(zeros), back))


_MIX: Final = (
    # of a hundred: extension, files, size, and where the padding goes
    (
        52,
        "jpg",
        ("jpeg/camera-utf8.jpg", "jpeg/exif.jpg", "jpeg/thumbnail.jpg", "jpeg/progressive.jpg"),
        3 * _MB,
        "behind",
    ),
    (1, "jpg", ("jpeg/chained.jpg",), 6 * _MB, "behind"),
    (9, "png", ("png/rgb.png", "png/rgba.png", "png/palette.png"), 400 * _KB, "behind"),
    (4, "webp", ("webp/lossy.webp", "webp/lossless.webp"), 120 * _KB, "behind"),
    (2, "gif", ("gif/still.gif", "gif/comment.gif"), 0, ""),
    (3, "heic", ("heic/exif.heic", "heic/large.heic", "heic/two.heic"), 2 * _MB, "behind"),
    (1, "avif", ("avif/plain.avif", "avif/camera.avif"), 300 * _KB, "behind"),
    (8, "mp4", ("mp4/faststart.mp4", "mp4/turned-90.mp4", "mp4/hevc-hvc1.mp4"), 20 * _MB, "box behind"),
    (2, "mp4", ("mp4/moov-at-end.mp4",), 20 * _MB, "box before"),
    (2, "mov", ("mov/turned-90.mov", "mov/prores.mov"), 30 * _MB, "box behind"),
    (2, "webm", ("webm/vp9-opus.webm", "webm/vp8-vorbis.webm"), 0, ""),
    (1, "mkv", ("mkv/h264-aac.mkv",), 0, ""),
    (3, "mp3", ("mp3/variable.mp3", "mp3/constant-128.mp3"), 4 * _MB, "behind"),
    (2, "wav", ("wav/stereo-16.wav", "wav/mono-16.wav"), 5 * _MB, "behind"),
    (1, "flac", ("flac/stereo.flac",), 5 * _MB, "behind"),
    (1, "m4a", ("m4a/faststart.m4a",), 4 * _MB, "box behind"),
    (2, "pdf", ("pdf/three-pages.pdf", "pdf/reportlab.pdf", "pdf/streams.pdf"), 0, ""),
    (2, "docx", ("docx/least.docx", "docx/python-docx.docx"), 0, ""),
    (1, "parquet", ("parquet/plain.parquet",), 2 * _MB, "inside"),
    (1, "ogg", ("ogg/vorbis.ogg", "ogg/vorbis-stereo.ogg"), 0, ""),
)
"""Shares as in a bucket of people who collect pictures and films; one in twenty-five is read at both ends."""


def _box(size: int) -> bytes:
    """The header of a box that holds nothing."""
    return size.to_bytes(4, "big") + b"free"


def _template(extension: str, body: bytes, size: int, where: str) -> Template:
    filler = size - len(body)
    if where == "behind":
        return Template(extension=extension, head=body, size=size)
    if where == "box behind":
        return Template(extension=extension, head=body + _box(filler), size=size)
    if where == "box before":  # behind ftyp
        first = int.from_bytes(body[:4], "big")
        return Template(extension=extension, head=body[:first] + _box(filler), tail=body[first:], size=size)
    if where == "inside":
        return Template(extension=extension, head=body[:4], tail=body[4:], size=size)
    return Template(extension=extension, head=body, size=len(body))


@cache
def templates() -> Sequence[Template]:
    """VARIETY of them, in no order."""
    found = []
    for share, extension, names, size, where in _MIX:
        bodies = [(FILES / name).read_bytes() for name in names]
        made = [_template(extension, body, size, where) for body in bodies]
        found += [made[number % len(made)] for number in range(share * VARIETY // 100)]
    if len(found) != VARIETY:
        raise ValueError(f"the shares of {len(_MIX)} kinds add up to {len(found)} of {VARIETY}")
    Random(0).shuffle(found)
    return found


class Mixed:
    """See `benchmarks.objects.Objects`."""

    variety = VARIETY

    def describe(self, number: int) -> Object:
        one = templates()[number % VARIETY]
        seed = sha256(b"mixed %d" % (number % VARIETY)).digest()
        return Object(
            size=one.size, etag=seed[:16].hex(), modified=datetime(2026, 1, 1, tzinfo=UTC), checksum="AAAAAAAAAAA="
        )

    def content(self, number: int, first: int, last: int) -> bytes:
        return templates()[number % VARIETY].content(first, last)


class MixedKeys:
    """See `benchmarks.keys.KeySpace`."""

    def __init__(self, count: int) -> None:
        self.count = count

    def key(self, index: int) -> bytes:
        return b"%08d.%s" % (index, templates()[index % VARIETY].extension.encode())

    def keys(self, start: int, stop: int) -> list[bytes]:
        return [self.key(index) for index in range(start, stop)]

    def find(self, key: bytes) -> int | None:
        number = key[:8]
        if not number.isdigit():
            return None
        index = int(number)
        return index if index < self.count and self.key(index) == key else None
