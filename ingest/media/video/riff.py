"""AVI (RIFF), and the two structures of Windows that other containers borrow; hides lists within lists."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from ingest.media.properties import Media
from ingest.media.video import codecs
from ingest.media.video.tracks import UNKNOWN, Track, finish, length, tell
from ingest.media.view import MalformedError, MoreNeededError, View

_MOST: Final = 256
"""Chunks within a list of the header."""
_FORMAT_MOST: Final = 1024
"""Bytes of a stream's format."""


class _Chunk(NamedTuple):
    type: bytes
    body: int
    end: int


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    seconds = 0.0
    hdrl = next((one for one in _chunks(view, 12, view.size) if one.type == b"hdrl"), None)
    if hdrl is None:
        raise MalformedError("it has no header list")
    frames = 0
    rates: list[float] = []
    for chunk in _chunks(view, hdrl.body, hdrl.end):
        if chunk.type == b"strl":
            track, plays = _stream(view, chunk)
            seconds = max(seconds, plays)
            if track.kind == "video":
                rates.append(track.frame_rate or 0.0)
            tell(media, track)
        elif chunk.type == b"odml":
            for part in _chunks(view, chunk.body, chunk.end):
                if part.type == b"dmlh" and part.end - part.body >= 4:
                    (frames,) = view.unpack("<I", part.body)
    if frames and rates and rates[0]:
        seconds = max(seconds, frames / rates[0])
    length(media, seconds, view.size)
    finish(media)


def wave(held: bytes) -> tuple[str, int, int]:
    """Codec, samples per second and channels, of a WAVEFORMATEX."""
    tag, channels, rate, bits = struct.unpack_from("<HHI6xH", held.ljust(16, b"\0"))
    if tag == 0xFFFE and len(held) >= 26:
        tag = int.from_bytes(held[24:26], "little")
    return codecs.wave(tag, bits), rate, channels


def bitmap(held: bytes) -> tuple[str, int, int]:
    """Codec, width and height, of a BITMAPINFOHEADER."""
    width, height, sign = struct.unpack_from("<4xii4x4s", held)
    plain = sign in {b"\0\0\0\0", b"\3\0\0\0"}
    return "rawvideo" if plain else codecs.picture(sign), abs(width), abs(height)


def _chunks(view: View, first: int, last: int | None) -> Iterator[_Chunk]:
    """The chunks there; of a list, its name and what is in it. Reads their headers only."""
    at, last = first, last or 1 << 62
    for _ in range(_MOST):
        if at + 8 > last:
            return
        try:
            kind, size = view.unpack("<4sI", at)
            body, end = at + 8, min(at + 8 + size, last)
            if kind == b"LIST" and end - body >= 4:
                kind, body = view.read(body, 4), body + 4
        except MoreNeededError as more:
            raise MoreNeededError(
                more.first, more.length if view.size is None else min(4096, view.size - more.first)
            ) from None
        yield _Chunk(kind, body, end)
        at = end + (size & 1)
    raise MalformedError("it has too many chunks")


def _stream(view: View, strl: _Chunk) -> tuple[Track, float]:
    """What a stream is, and how many seconds it plays."""
    track, seconds, handler = Track(), 0.0, b""
    for chunk in _chunks(view, strl.body, strl.end):
        if chunk.type == b"strh" and chunk.end - chunk.body >= 36:
            kind, handler, scale, rate, frames = view.unpack("<4s4s12xII4xI", chunk.body)
            track.kind = "video" if kind in {b"vids", b"iavs"} else "audio" if kind == b"auds" else "other"
            if scale and rate:
                seconds = frames * scale / rate
                track.frame_rate = rate / scale
        elif chunk.type == b"strf":
            held = view.read(chunk.body, min(chunk.end - chunk.body, _FORMAT_MOST))
            if track.kind == "video":
                track.codec, track.width, track.height = bitmap(held)
                if track.codec == UNKNOWN:
                    track.codec = codecs.picture(handler)
            elif track.kind == "audio":
                track.codec, track.sample_rate, track.channels = wave(held)
    return track, seconds
