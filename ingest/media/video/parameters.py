"""What a codec says of its pictures in its own first bytes; hides the parameter sets of H.264, HEVC and MPEG-1/2."""

from __future__ import annotations

from typing import Final, NamedTuple

from ingest.media.video.bits import Bits
from ingest.media.view import MalformedError

_WITH_CHROMA: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
"""Profiles of H.264 whose parameter sets say more (ISO/IEC 14496-10, 7.3.2.1.1)."""
_RATES: Final = (0.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0)
"""By frame_rate_code (ISO/IEC 13818-2, 6.3.3)."""
_SETS_MOST: Final = 32
"""Arrays of parameter sets that one HEVC configuration is searched for."""


class Picture(NamedTuple):
    """Size in pixels as shown by a decoder, and frames per second where the bytes say so."""

    width: int
    height: int
    rate: float | None = None


def h264(unit: bytes) -> Picture:
    """Of a sequence parameter set, with its NAL header of one byte. Raises MalformedError."""
    bits = Bits(unit[1:].replace(b"\0\0\3", b"\0\0"))
    profile = bits.take(8)
    bits.take(16)
    bits.ue()
    chroma, separate = 1, 0
    if profile in _WITH_CHROMA:
        chroma = bits.ue()
        separate = bits.take(1) if chroma == 3 else 0
        bits.ue()
        bits.ue()
        bits.take(1)
        if bits.take(1):
            for index in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _scaling(bits, 16 if index < 6 else 64)
    bits.ue()
    _order(bits)
    bits.ue()
    bits.take(1)
    width, height = 16 * (bits.ue() + 1), bits.ue() + 1
    fields = 2 - bits.take(1)
    if fields == 2:
        bits.take(1)
    height *= 16 * fields
    bits.take(1)
    if bits.take(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        planes = 0 if separate else chroma
        width -= (left + right) * (2 if planes in {1, 2} else 1)
        height -= (top + bottom) * (2 if planes == 1 else 1) * fields
    return _checked(width, height, _timing(bits) if bits.left > 1 and bits.take(1) else None)


def hevc(unit: bytes) -> Picture:
    """Of a sequence parameter set (ISO/IEC 23008-2, 7.3.2.2), with its NAL header of two bytes. Raises MalformedError."""
    bits = Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 88 + 8)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.ue()
    chroma = bits.ue()
    if chroma == 3 and bits.take(1):
        chroma = 0
    width, height = bits.ue(), bits.ue()
    if bits.take(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= (left + right) * (2 if chroma in {1, 2} else 1)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    return _checked(width, height, None)


def mpeg(sequence: bytes) -> Picture:
    """Of a sequence header of MPEG-1 or MPEG-2, from its start code on. Raises MalformedError."""
    bits = Bits(sequence[4:])
    width, height = bits.take(12), bits.take(12)
    bits.take(4)
    code = bits.take(4)
    return _checked(width, height, _RATES[code] if 0 < code < len(_RATES) else None)


def avcc(configuration: bytes) -> Picture:
    """Of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1). Raises MalformedError."""
    if len(configuration) < 8 or not configuration[5] & 31:
        raise MalformedError("its configuration of H.264 is broken")
    length = int.from_bytes(configuration[6:8])
    return h264(configuration[8 : 8 + length])


def hvcc(configuration: bytes) -> Picture:
    """Of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1). Raises MalformedError."""
    bytes_ = memoryview(configuration)
    at = 23
    for _ in range(min(configuration[22] if len(configuration) > 22 else 0, _SETS_MOST)):
        if at + 5 > len(bytes_):
            break
        kind, count = bytes_[at] & 63, int.from_bytes(bytes_[at + 1 : at + 3])
        at += 3
        for _ in range(min(count, _SETS_MOST)):
            length = int.from_bytes(bytes_[at : at + 2])
            if kind == 33:
                return hevc(bytes(bytes_[at + 2 : at + 2 + length]))
            at += 2 + length
    raise MalformedError("its configuration of HEVC is broken")


def _checked(width: int, height: int, rate: float | None) -> Picture:
    if not (0 < width <= 1 << 16 and 0 < height <= 1 << 16):
        raise MalformedError("a parameter set says no size")
    return Picture(width, height, rate)


def _scaling(bits: Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _order(bits: Bits) -> None:
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.take(1)
        bits.se()
        bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()


def _timing(bits: Bits) -> float | None:
    """Frames per second, of the usability information (Annex E)."""
    if bits.take(1) and bits.take(8) == 255:
        bits.take(32)
    if bits.take(1):
        bits.take(1)
    if bits.take(1):
        bits.take(4)
        if bits.take(1):
            bits.take(24)
    if bits.take(1):
        bits.ue()
        bits.ue()
    if not bits.take(1):
        return None
    tick, scale = bits.take(32), bits.take(32)
    return scale / (2 * tick) if tick and scale else None
