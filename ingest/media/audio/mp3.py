"""MP3 (and MP2, MP1): how long it plays, by its Xing or VBRI header, its frames or its size; hides tags, cover art and free format.

Sources: id3.org (ID3v2.4, 3.1), Gabriel Bouvigne's description of the LAME tag, the Fraunhofer VBRI header.
"""

from __future__ import annotations

import struct
from typing import Final

from ingest.media.audio import adts, flac, mpeg
from ingest.media.audio.mpeg import Frame, frame
from ingest.media.audio.pcm import last, say
from ingest.media.nearby import near
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_TAGS: Final = 8
"""ID3v2 tags, one behind the other."""
_NEEDED: Final = 2048
"""A first frame, with its Xing or VBRI header if it has one, and the header of the next one."""
_LOOKED: Final = 4096
"""Where a first frame may begin behind a tag: some leave zeros there."""
_PACED: Final = 16_384
"""Bytes whose frames are compared: where they are not of one bit rate, size does not tell how long it plays."""
_BEHIND: Final = 4_096
"""Bytes of tags that may stand behind the last frame."""
_HEADERS: Final = frozenset((b"Xing", b"Info"))
_FRAMES: Final = 5_000
"""That are counted at most: two minutes."""


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`. Of what stands behind an ID3v2 tag, be it MP3, AAC or FLAC."""
    at = 0
    for _ in range(_TAGS):
        tag = near(view, at, 10, _LOOKED)[:10]
        if len(tag) < 10 or not tag.startswith(b"ID3"):
            break
        if max(tag[6:10]) > 127:
            raise MalformedError("the size of its tag is none")
        size = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]
        at += 10 + size + (10 if tag[5] & 0x10 else 0)
    start = near(view, at, _NEEDED, _LOOKED)
    if start.startswith(b"fLaC"):
        media.format, media.type = "flac", "audio/flac"
        flac.read_at(view, media, at)
        return
    if mpeg.adts(start) is not None:
        media.format, media.type = "aac", "audio/aac"
        adts.read_at(view, media, at)
        return
    found = _first(start)
    if found is None:
        start = near(view, at, _LOOKED, _LOOKED)
        found = _first(start)
    if found is None:
        raise MalformedError("no sound follows its tag")
    _describe(view, media, at + found[0], start[found[0] :], found[1])


def _first(data: bytes) -> tuple[int, Frame] | None:
    """The first frame behind which, as far as is held, another one follows."""
    at = data.find(b"\xff")
    while at >= 0:
        one = frame(data, at)
        if one is not None:
            after = at + one.length
            if after + 4 > len(data) or not one.length or one.like(frame(data, after)):
                return at, one
        at = data.find(b"\xff", at + 1)
    return None


def _describe(view: View, media: Media, at: int, data: bytes, one: Frame) -> None:
    say(media, codec=f"mp{one.layer}", rate=one.rate, channels=one.channels)
    frames = _counted(data, one, None if view.size is None else view.size - at)
    if frames:
        last(media, frames * one.samples / one.rate, view.size)
    elif one.bit_rate and view.size is not None and (seconds := _paced(view, at, one, view.size - at)) is not None:
        last(media, seconds, view.size)


def _paced(view: View, at: int, one: Frame, length: int) -> float | None:
    """Seconds: by its size if its frames are of one bit rate, by their number if all are held, else nobody knows."""
    data = view.held(at, _PACED)
    view.reach = max(view.reach, at + len(data))
    rates, _, _ = _walked(data, one)
    if len(rates) < 2:
        return length * 8 / (rates or {one.bit_rate}).pop()
    if len(view.held(at)) < length:
        return None
    _, frames, end = _walked(view.held(at), one)
    return frames * one.samples / one.rate if end + _BEHIND >= length else None


def _walked(data: bytes, one: Frame) -> tuple[set[int], int, int]:
    """Bit rates of its frames, how many they are, and where they end. One that holds a header in place of sound may be of another rate."""
    rates, frames, at = set[int](), 0, 0
    while frames < _FRAMES and (found := frame(data, at)) is not None and one.like(found) and found.length:
        if frames or not _headed(data, one):
            rates.add(found.bit_rate)
        at, frames = at + found.length, frames + 1
    return rates, frames, at


def _headed(data: bytes, one: Frame) -> bool:
    return one.layer == 3 and data[4 + one.side : 8 + one.side] in _HEADERS


def _counted(data: bytes, one: Frame, length: int | None) -> int:
    """Frames by the Xing, Info or VBRI header, 0 if there is none or it speaks of another file."""
    if one.layer != 3:
        return 0
    xing = 4 + one.side
    if data[xing : xing + 4] in _HEADERS:
        (flags,) = struct.unpack_from(">I", data, xing + 4)
        if not flags & 1:
            return 0
        (frames,) = struct.unpack_from(">I", data, xing + 8)
        said = struct.unpack_from(">I", data, xing + 12)[0] if flags & 2 else 0
        if said and length is not None and length > said and length - said > said >> 4:
            return 0  # several files in one: only its size tells how long it plays
        return int(frames)
    if data[36:40] == b"VBRI":
        return int(struct.unpack_from(">I", data, 50)[0])
    return 0
