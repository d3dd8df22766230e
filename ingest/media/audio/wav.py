"""WAV, also above 4 GB (RF64, BW64): where its format and its samples stand among chunks of all kinds.

Sources: Microsoft's mmreg.h, EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64).
"""

from __future__ import annotations

import struct
from typing import Final

from ingest.media.audio.pcm import depth_of, last, say, wave_codec
from ingest.media.nearby import reach
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_CHUNKS: Final = 1_000
_UNSAID: Final = 0xFFFFFFFF
_EXTENSIBLE: Final = 0xFFFE


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    at, wide, samples, rate, byte_rate, depth = 12, 0, 0, 0, 0, 0
    channels = 0
    for _ in range(_CHUNKS):
        name, size = struct.unpack("<4sI", reach(view, at, 8))
        if name == b"ds64":
            _, wide, samples = struct.unpack("<QQQ", reach(view, at + 8, 24))
        elif name == b"fmt ":
            codec, channels, rate, byte_rate = _format(reach(view, at + 8, min(size, 40)), media)
            depth = depth_of(codec) if codec.startswith("pcm_") else 0
        elif name == b"fact" and size >= 4 and not samples:
            (samples,) = struct.unpack("<I", reach(view, at + 8, 4))
        elif name == b"data":
            length = wide if size == _UNSAID and wide else size
            if rate:
                _duration(view, media, at + 8, length, _Pace(rate, channels, byte_rate, depth, samples))
                return
            size = length
        at += 8 + size + (size & 1)
    raise MalformedError("it has too many parts")


class _Pace:
    """How fast it plays."""

    __slots__ = ("byte_rate", "channels", "depth", "rate", "samples")

    def __init__(self, rate: int, channels: int, byte_rate: int, depth: int, samples: int) -> None:
        self.rate, self.channels, self.byte_rate, self.depth, self.samples = rate, channels, byte_rate, depth, samples


def _format(chunk: bytes, media: Media) -> tuple[str, int, int, int]:
    if len(chunk) < 14:
        raise MalformedError("its format is cut off")
    tag, channels, rate, byte_rate, _ = struct.unpack_from("<HHIIH", chunk)
    bits = struct.unpack_from("<H", chunk, 14)[0] if len(chunk) >= 16 else 8
    if tag == _EXTENSIBLE and len(chunk) >= 40:
        valid, _, tag = struct.unpack_from("<HIH", chunk, 18)
        bits = valid or bits
    codec = wave_codec(tag, bits)
    say(media, codec=codec, rate=rate, channels=channels)
    return codec, channels, rate, byte_rate


def _duration(view: View, media: Media, at: int, length: int, pace: _Pace) -> None:
    whole = view.size is None or at + length <= view.size
    if pace.depth and pace.channels and whole and length and length != _UNSAID:
        last(media, length * 8 // (pace.channels * pace.depth) / pace.rate, view.size)
    elif pace.samples and not pace.depth:
        last(media, pace.samples / pace.rate, view.size)
    elif pace.byte_rate and view.size is not None:
        last(media, (view.size - at) / pace.byte_rate, view.size)  # it was never closed, or was cut off
