"""What a codec of sound says of itself in its configuration; hides AAC, AC-3, FLAC, ALAC and Opus."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from ingest.media.video.bits import Bits
from ingest.media.view import MalformedError

RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_CHANNELS: Final = (0, 1, 2, 3, 4, 5, 6, 8)
AC3_RATES: Final = (48000, 44100, 32000)
AC3_CHANNELS: Final = (2, 1, 2, 3, 3, 4, 4, 5)
"""By acmod (ETSI TS 102 366, 4.4.2.3), without the low-frequency channel."""
_SYNC: Final = 0x2B7
"""Says that a decoder which knows more than AAC-LC doubles the rate (ISO/IEC 14496-3, 1.6.5)."""


class Sound(NamedTuple):
    """Samples per second, channels and bits of a sample; 0 where it isn't said."""

    rate: int
    channels: int
    bits: int = 0


def aac(configuration: bytes) -> Sound:
    """Of an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1). Raises MalformedError."""
    bits = Bits(configuration[:64])
    kind = _object(bits)
    rate = _rate(bits)
    code = bits.take(4)
    channels = _CHANNELS[code] if code < len(_CHANNELS) else 0
    if kind in {5, 29}:
        rate = _rate(bits)
    else:
        while bits.left >= 15:
            ahead = bits.peek(11)
            if ahead == _SYNC:
                bits.take(11)
                if bits.take(5) == 5 and bits.take(1):
                    rate = _rate(bits)
                break
            bits.take(1)
    return Sound(rate, 2 if kind == 29 and channels == 1 else channels)


def ac3(configuration: bytes) -> Sound:
    """Of a `dac3` box (ETSI TS 102 366, F.4)."""
    bits = Bits(configuration[:3])
    code = bits.take(2)
    bits.take(8)
    return Sound(AC3_RATES[code] if code < 3 else 0, AC3_CHANNELS[bits.take(3)] + bits.take(1))


def eac3(configuration: bytes) -> Sound:
    """Of a `dec3` box (F.6), its first substream."""
    bits = Bits(configuration[:5])
    bits.take(16)
    code = bits.take(2)
    bits.take(5 + 1 + 1 + 3)
    return Sound(AC3_RATES[code] if code < 3 else 0, AC3_CHANNELS[bits.take(3)] + bits.take(1))


def flac(streaminfo: bytes) -> Sound:
    """Of a STREAMINFO block without its header (RFC 9639, 8.2)."""
    if len(streaminfo) < 14:
        raise MalformedError("its configuration of FLAC is broken")
    word = int.from_bytes(streaminfo[10:14])
    return Sound(word >> 12, (word >> 9 & 7) + 1, (word >> 4 & 31) + 1)


def alac(cookie: bytes) -> Sound:
    """Of an ALACSpecificConfig."""
    bits, channels, rate = struct.unpack_from(">B3xB10xI", cookie, 5)
    return Sound(rate, channels, bits)


def pcm(bits: int, *, big: bool = False, real: bool = False, signed: bool = True) -> str:
    """ffprobe's name of samples that aren't compressed."""
    end = "be" if big else "le"
    if real:
        return f"pcm_f{64 if bits == 64 else 32}{end}"
    if bits <= 8:
        return "pcm_s8" if signed else "pcm_u8"
    return f"pcm_{'s' if signed else 'u'}{-(-bits // 8) * 8}{end}"


def _object(bits: Bits) -> int:
    kind = bits.take(5)
    return 32 + bits.take(6) if kind == 31 else kind


def _rate(bits: Bits) -> int:
    code = bits.take(4)
    if code == 15:
        return bits.take(24)
    return RATES[code] if code < len(RATES) else 0
