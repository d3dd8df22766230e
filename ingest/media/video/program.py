"""MPEG program streams (MPG, VOB); hides packs and packets, and that only the two ends tell how long it plays."""

from __future__ import annotations

import re
from typing import Final

from ingest.media.properties import Media
from ingest.media.video.elementary import Elementary, Patience, again, beginning, ending, packet, plays, stamp
from ingest.media.video.tracks import Track, finish, length, tell
from ingest.media.view import MalformedError, MoreNeededError, View

_HEAD: Final = 128 << 10
"""Bytes of the beginning that are searched for the first pictures and frames of sound."""
_ENOUGH: Final = 64 << 10
"""Bytes of it within which each stream has begun."""
_TAIL: Final = 128 << 10
"""Bytes of the end that are searched for the last time stamps."""
_PACKETS_MOST: Final = 2048
_PACKET: Final = re.compile(rb"\x00\x00\x01[\xbd\xc0-\xef]")
_PRIVATE: Final = ((0x80, 0x87, "ac3"), (0x88, 0x8F, "dts"), (0xA0, 0xAF, "pcm_dvd"), (0xC0, 0xCF, "ac3"))
"""What a private stream of a DVD is, by its first byte."""


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    head = beginning(view, _HEAD)
    streams: dict[int, Elementary] = {}
    _run(head, streams)
    both = {one.track.kind for one in streams.values()} == {"video", "audio"}
    known = (both or len(head) >= _ENOUGH) and all(one.known for one in streams.values())
    if not known and len(head) < _HEAD and (view.size is None or len(head) < view.size):
        raise MoreNeededError(len(head), (_HEAD if view.size is None else min(_HEAD, view.size)) - len(head))
    if not streams:
        raise MalformedError("it has no packets of pictures or sound")
    for _, stream in sorted(streams.items(), key=lambda one: one[0]):
        if stream.track.kind == "video" and not stream.track.frame_rate:
            stream.track.frame_rate = stream.rate()
        tell(media, stream.track)
    finish(media)
    if view.size is not None:
        length(media, _plays(streams, ending(view, head, view.size, _TAIL)[1], media), view.size)


def _plays(streams: dict[int, Elementary], tail: bytes, media: Media) -> float | None:
    last = again(streams)
    _run(tail, last)
    rate = media.more.get("frame_rate")
    return plays(streams, last, rate if isinstance(rate, float) else None)


def _run(held: bytes, streams: dict[int, Elementary]) -> None:
    """Goes from packet to packet by their lengths; between them, it looks for the next one."""
    at, patience = 0, Patience()
    for _ in range(_PACKETS_MOST):
        found = _PACKET.search(held, at)
        if found is None or found.start() + 9 > len(held):
            break
        at = found.start()
        size = int.from_bytes(held[at + 4 : at + 6])
        content = held[at : at + 6 + size]
        _take(content, streams, patience)
        at += max(6 + size, 9)
    for stream in streams.values():
        stream.end()


def _take(content: bytes, streams: dict[int, Elementary], patience: Patience) -> None:
    opened = packet(content) or _older(content)
    if opened is None:
        return
    start, body = opened
    number, payload = content[3], content[body:]
    kind, codec = ("video", "mpeg2video") if number >= 0xE0 else ("audio", "mp2")
    if number == 0xBD:
        if not payload:
            return
        number = payload[0] << 8 | number
        codec = next((name for low, high, name in _PRIVATE if low <= payload[0] <= high), "")
        if not codec:
            return
        payload = payload[4:]
    if number not in streams:
        streams[number] = Elementary(Track("video" if kind == "video" else "audio", codec), patience)
        if codec == "pcm_dvd":
            streams[number].track.sample_rate = 48_000
    if start is None and not streams[number].starts:
        return
    streams[number].begin(start, payload)


def _older(content: bytes) -> tuple[int | None, int] | None:
    """As `packet`, of MPEG-1 (ISO/IEC 11172-1, 2.4.3.3)."""
    at = 6
    while at < len(content) and content[at] == 0xFF and at < 22:
        at += 1
    if at + 2 < len(content) and content[at] & 0xC0 == 0x40:
        at += 2
    if at + 5 > len(content):
        return None
    mark = content[at] & 0xF0
    if mark == 0x20:
        return stamp(content, at), at + 5
    if mark == 0x30:
        return stamp(content, at), at + 10
    return (None, at + 1) if content[at] == 0x0F else None
