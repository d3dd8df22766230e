"""The header of one frame of MPEG audio, layers I to III, and of one ADTS frame of AAC; hides the bits and tables."""

from __future__ import annotations

from typing import Final, NamedTuple

_KBPS: Final = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By version (2 and 2.5 are one here) and layer. ISO 11172-3 and 13818-3."""
_RATES: Final = (44100, 48000, 32000)
_AAC_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


class Frame(NamedTuple):
    """What one frame says of itself and of all that follow."""

    layer: int
    low: bool
    """MPEG 2 or 2.5: half the samples in layer III, and less room before a Xing header."""
    rate: int
    channels: int
    bit_rate: int
    """0: free format; only the distance to the next frame says it."""
    length: int
    """Bytes to the next frame, 0 in free format."""
    samples: int
    side: int
    """Bytes of layer III's side information, behind which a Xing header may stand."""

    def like(self, other: Frame | None) -> bool:
        """Whether the other may follow in the same stream."""
        return other is not None and (self.layer, self.rate, self.low) == (other.layer, other.rate, other.low)


def frame(data: bytes, at: int = 0) -> Frame | None:
    """The frame whose header stands there, or None."""
    if len(data) < at + 4 or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    index, rate_index, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer == 4 or index == 15 or rate_index == 3:
        return None
    low = version != 3
    rate = _RATES[rate_index] >> (0 if version == 3 else 1 if version == 2 else 2)
    bit_rate = _KBPS[2 if low else 1, layer][index] * 1000
    mono = data[at + 3] >> 6 == 3
    samples = 384 if layer == 1 else 576 if layer == 3 and low else 1152
    length = (12 * bit_rate // rate + padding) * 4 if layer == 1 else samples // 8 * bit_rate // rate + padding
    side = (9 if mono else 17) if low else (17 if mono else 32)
    return Frame(layer, low, rate, 1 if mono else 2, bit_rate, length if bit_rate else 0, samples, side)


class Adts(NamedTuple):
    """What one frame of AAC says."""

    rate: int
    channels: int
    length: int


def adts(data: bytes, at: int = 0) -> Adts | None:
    """The ADTS frame whose header stands there (ISO 14496-3, 1.A.2), or None."""
    if len(data) < at + 7 or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    rate_index = data[at + 2] >> 2 & 15
    channels = (data[at + 2] & 1) << 2 | data[at + 3] >> 6
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if rate_index >= len(_AAC_RATES) or length < 7:
        return None
    return Adts(_AAC_RATES[rate_index], 8 if channels == 7 else channels, length)
