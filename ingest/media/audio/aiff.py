"""AIFF and AIFC: where its format stands among chunks; hides the 80-bit number of its rate. Source: Apple, AIFF-C draft of 1991."""

from __future__ import annotations

import math
import struct
from typing import Final

from ingest.media.audio.pcm import last, say
from ingest.media.nearby import reach
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_CHUNKS: Final = 1_000
_CODECS: Final = {
    b"fl32": "pcm_f32be",
    b"FL32": "pcm_f32be",
    b"fl64": "pcm_f64be",
    b"FL64": "pcm_f64be",
    b"alaw": "pcm_alaw",
    b"ALAW": "pcm_alaw",
    b"ulaw": "pcm_mulaw",
    b"ULAW": "pcm_mulaw",
    b"ima4": "adpcm_ima_qt",
    b"GSM ": "gsm",
    b"QDM2": "qdm2",
    b"in24": "pcm_s24be",
    b"in32": "pcm_s32be",
    b"raw ": "pcm_u8",
}
_PACKET: Final = {b"ima4": 64, b"GSM ": 160}
"""Samples of one frame of these; of all others a frame is one sample of each channel."""


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    compressed = view.read(8, 4) == b"AIFC"
    at = 12
    for _ in range(_CHUNKS):
        name, size = struct.unpack(">4sI", reach(view, at, 8))
        if name == b"COMM":
            _common(reach(view, at + 8, min(size, 22 if compressed else 18)), view, media)
            return
        at += 8 + size + (size & 1)
    raise MalformedError("it has too many parts")


def _common(chunk: bytes, view: View, media: Media) -> None:
    if len(chunk) < 18:
        raise MalformedError("its format is cut off")
    channels, frames, bits = struct.unpack_from(">HIH", chunk)
    rate = extended(chunk[8:18])
    kind = chunk[18:22] or b"NONE"
    width = (bits + 7) // 8 * 8
    codec = _CODECS.get(kind, "")
    if kind in {b"NONE", b"twos", b"sowt"}:
        order = "" if width == 8 else "le" if kind == b"sowt" else "be"
        codec = f"pcm_s{width}{order}" if width in {8, 16, 24, 32} else ""
    say(media, codec=codec, rate=int(rate), channels=channels)
    if int(rate):
        last(media, frames * _PACKET.get(kind, 1) / int(rate), view.size)


def extended(number: bytes) -> float:
    """An IEEE 754 number of 80 bits, if it is one that a rate can be."""
    power, mantissa = struct.unpack(">HQ", number)
    if not 16383 <= power <= 16383 + 31:
        raise MalformedError("its sample rate is none")
    return math.ldexp(mantissa, power - 16383 - 63)
