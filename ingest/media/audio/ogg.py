"""Ogg: which streams begin in it, and by the last page how long they play; hides pages, pre-skip and granules.

Sources: RFC 3533, RFC 7845 (Opus), the Vorbis I, Theora and Ogg-FLAC mappings.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from ingest.media.audio import flac
from ingest.media.audio.pcm import last, say
from ingest.media.nearby import ending, near
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_STREAMS: Final = 32
_PAGE: Final = 27
_TAIL: Final = 65_536
"""Bytes read of its end: a page has 65,307 at most."""
_FIRST_PAGES: Final = 16
_LAST_PAGES: Final = 256
_NO_GRANULE: Final = -1


@dataclass(slots=True)
class _Stream:
    rate: float = 0
    """Granules of a second; 0: what it is is unknown."""
    skip: int = 0
    shift: int = 0
    """Of Theora: how many low bits count pictures since the last key picture."""
    packet: int = 0
    """Of Speex: granules of one packet. Its first ones are before 0, as its encoder looks ahead."""
    seconds: float = 0
    over: bool = False


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    at, streams = 0, dict[int, _Stream]()
    for _ in range(_STREAMS):
        page = near(view, at, _PAGE + 255 + 128)
        if len(page) < _PAGE or not page.startswith(b"OggS"):
            break
        if not page[5] & 2:
            break
        begin = _PAGE + page[26]
        streams[struct.unpack_from("<I", page, 14)[0]] = _identify(page[begin : begin + 128], media)
        at += begin + sum(page[_PAGE:begin])
    if not any(stream.rate for stream in streams.values()):
        raise MalformedError("it holds no stream that is known")
    _look_ahead(view, at, streams)
    _duration(view, media, streams)


def _identify(packet: bytes, media: Media) -> _Stream:
    if packet.startswith(b"\x01vorbis"):
        channels, rate = struct.unpack_from("<BI", packet, 11)
        _sound(media, "vorbis", rate, channels)
        return _Stream(rate)
    if packet.startswith(b"OpusHead"):
        channels, skip = struct.unpack_from("<BH", packet, 9)
        _sound(media, "opus", 48_000, channels)
        return _Stream(48_000, skip)
    if packet.startswith(b"\x7fFLAC"):
        sound = Media()
        rate, _ = flac.stream_info(packet[17:51], sound)
        _sound(media, "flac", rate, int(str(sound.more.get("channels", 0))), int(str(sound.more.get("bit_depth", 0))))
        return _Stream(rate)
    if packet.startswith(b"Speex   "):
        rate, _, _, channels, _, length, _, frames = struct.unpack_from("<8I", packet, 36)
        _sound(media, "speex", rate, channels)
        return _Stream(rate, packet=length * frames)
    if packet.startswith(b"\x80theora"):
        return _theora(packet, media)
    return _Stream()


def _sound(media: Media, codec: str, rate: int, channels: int, depth: int = 0) -> None:
    if "audio_codec" not in media.more:
        say(media, codec=codec, rate=rate, channels=channels, depth=depth)
    if media.kind == "video":
        media.more["has_audio"] = True


def _theora(packet: bytes, media: Media) -> _Stream:
    width, height = int.from_bytes(packet[14:17], "big"), int.from_bytes(packet[17:20], "big")
    rate, per = struct.unpack_from(">II", packet, 22)
    shift = (int.from_bytes(packet[40:42], "big") >> 5) & 31
    if not rate or not per or rate / per > 100_000:
        raise MalformedError("its frame rate is none")
    if media.kind != "video":
        media.kind, media.type = "video", "video/ogg"
        media.width, media.height = width, height
        media.more |= {"video_codec": "theora", "frame_rate": rate / per, "has_audio": "audio_codec" in media.more}
    return _Stream(rate / per, 0, shift)


def _look_ahead(view: View, at: int, streams: dict[int, _Stream]) -> None:
    """Finds where Speex begins, from its first page with sound, if that is held."""
    waiting = [stream for stream in streams.values() if stream.packet]
    for _ in range(_FIRST_PAGES if waiting else 0):
        page = view.held(at, _PAGE + 255)
        if len(page) < _PAGE or not page.startswith(b"OggS"):
            return
        granule, serial = struct.unpack_from("<qI", page, 6)
        laces = page[_PAGE : _PAGE + page[26]]
        stream = streams.get(serial)
        if granule > 0 and stream is not None and stream.packet:
            stream.skip = min(0, granule - stream.packet * sum(1 for lace in laces if lace < 255))
            return
        at += _PAGE + len(laces) + sum(laces)


def _duration(view: View, media: Media, streams: dict[int, _Stream]) -> None:
    """By the last page of each stream that ends within the tail."""
    _, data = ending(view, _TAIL)
    at, waiting = len(data), sum(1 for stream in streams.values() if stream.rate)
    for _ in range(_LAST_PAGES):
        at = data.rfind(b"OggS", 0, at)
        if at < 0 or not waiting:
            break
        if at + _PAGE > len(data) or data[at + 4]:
            continue
        granule, serial = struct.unpack_from("<qI", data, at + 6)
        stream = streams.get(serial)
        if stream is None or stream.over or not stream.rate or granule == _NO_GRANULE:
            continue
        stream.over, waiting = True, waiting - 1
        count = (granule >> stream.shift) + (granule & (1 << stream.shift) - 1) if stream.shift else granule
        stream.seconds = (count - stream.skip) / stream.rate
    last(media, max(stream.seconds for stream in streams.values()), view.size)
