"""ASF (WMV, WMA); hides objects with names of 16 bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple
from uuid import UUID

from ingest.media.properties import Media
from ingest.media.video import riff
from ingest.media.video.tracks import Track, finish, length, tell
from ingest.media.view import MalformedError, View


def _name(text: str) -> bytes:
    return UUID(text).bytes_le


HEADER: Final = _name("75b22630-668e-11cf-a6d9-00aa0062ce6c")
_FILE: Final = _name("8cabdca1-a947-11cf-8ee4-00c00c205365")
_STREAM: Final = _name("b7dc0791-a9b7-11cf-8ee6-00c00c205365")
_EXTENSION: Final = _name("5fbf03b5-a92e-11cf-8ee3-00c00c205365")
_EXTENDED: Final = _name("14e6a5cb-c672-4332-8399-a96952065b5a")
_VIDEO: Final = _name("bc19efc0-5b4d-11cf-a8fd-00805f5c442b")
_AUDIO: Final = _name("f8699e40-5b4d-11cf-a8fd-00805f5c442b")
_MOST: Final = 256
"""Objects within one."""
_FORMAT_MOST: Final = 1024
"""Bytes of a stream's format."""


class _Object(NamedTuple):
    name: bytes
    body: int
    end: int


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    (size,) = view.unpack("<Q", 16)
    streams: dict[int, Track] = {}
    rates: dict[int, float] = {}
    for part in _objects(view, 30, size if view.size is None else min(size, view.size)):
        if part.name == _FILE:
            played, preroll, flags = view.unpack("<Q8xQI", part.body + 40)
            if not flags & 1:
                length(media, played / 1e7 - preroll / 1e3, view.size)
        elif part.name == _STREAM:
            _stream(view, part, streams)
        elif part.name == _EXTENSION:
            rates |= _rates(view, part)
    for number, track in sorted(streams.items()):
        track.frame_rate = rates.get(number)
        tell(media, track)
    if not streams:
        raise MalformedError("it has no streams")
    finish(media)
    if media.kind == "audio":
        media.format, media.type = "wma", "audio/x-ms-wma"


def _rates(view: View, extension: _Object) -> dict[int, float]:
    """Frames per second, by stream."""
    found = {}
    for inner in _objects(view, extension.body + 22, extension.end):
        if inner.name == _EXTENDED:
            number, ticks = view.unpack("<H2xQ", inner.body + 48)
            found[number] = 1e7 / ticks if ticks else 0.0
    return found


def _stream(view: View, part: _Object, streams: dict[int, Track]) -> None:
    kind, size, flags = view.unpack("<16s24xI4xH", part.body)
    held = view.read(part.body + 54, min(size, _FORMAT_MOST, max(0, part.end - part.body - 54)))
    track = Track()
    if kind == _AUDIO:
        track.kind = "audio"
        track.codec, track.sample_rate, track.channels = riff.wave(held)
    elif kind == _VIDEO:
        track.kind = "video"
        track.width, track.height = struct.unpack_from("<II", held)
        if len(held) >= 51:
            track.codec, track.width, track.height = riff.bitmap(held[11:])
    streams[flags & 127] = track


def _objects(view: View, first: int, last: int) -> Iterator[_Object]:
    at = first
    for _ in range(_MOST):
        if at + 24 > last:
            return
        name, size = view.unpack("<16sQ", at)
        if size < 24:
            raise MalformedError("an object is shorter than its own header")
        yield _Object(name, at + 24, min(at + size, last))
        at += size
    raise MalformedError("it has too many objects")
