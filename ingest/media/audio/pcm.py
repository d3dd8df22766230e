"""Names of codecs as ffprobe has them, by what WAV, AIFF, CAF and AU call them; hides the numbers and four-letter codes."""

from __future__ import annotations

from typing import Final

from ingest.media.properties import Media

_WAVE: Final = {
    0x02: "adpcm_ms",
    0x06: "pcm_alaw",
    0x07: "pcm_mulaw",
    0x11: "adpcm_ima_wav",
    0x20: "adpcm_yamaha",
    0x31: "gsm_ms",
    0x45: "adpcm_g726",
    0x50: "mp2",
    0x55: "mp3",
    0xFF: "aac",
    0x28F: "adpcm_g722",
    0x160: "wmav1",
    0x161: "wmav2",
    0x2000: "ac3",
    0x2001: "dts",
    0xF1AC: "flac",
}
_MOST: Final = 1 << 31
"""What no rate and no number of channels reaches; where a file says more, it is not believed."""
BITS: Final = {"pcm_alaw": 8, "pcm_mulaw": 8, "adpcm_ms": 4, "adpcm_ima_wav": 4, "adpcm_ima_qt": 4, "adpcm_g722": 4}
"""Bits of one stored sample, where the name does not say them."""


def wave_codec(tag: int, bits: int) -> str:
    """The codec of a WAVE format tag with so many bits of a sample, or nothing."""
    width = (bits + 7) // 8 * 8
    if tag == 1:
        return {8: "pcm_u8", 16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_s32le", 64: "pcm_s64le"}.get(width, "")
    if tag == 3:
        return {32: "pcm_f32le", 64: "pcm_f64le"}.get(width, "")
    return _WAVE.get(tag, "")


def depth_of(codec: str) -> int:
    """Bits of one stored sample; 0 where a codec has no such number."""
    if codec in BITS:
        return BITS[codec]
    digits = codec.removeprefix("pcm_").strip("abcdefghijklmnopqrstuvwxyz") if codec.startswith("pcm_") else ""
    return int(digits) if digits else 0


def say(media: Media, *, codec: str = "", rate: int = 0, channels: int = 0, depth: int = 0) -> None:
    """Puts down what is known: what is nothing is left out."""
    if codec:
        media.more["audio_codec"] = codec
    for name, value in (("sample_rate", rate), ("channels", channels), ("bit_depth", depth or depth_of(codec))):
        if 0 < value < _MOST:
            media.more[name] = value


def last(media: Media, seconds: float, size: int | None) -> None:
    """Puts down how long it plays, and with it the bits per second of the whole file."""
    if not 1e-6 < seconds < 1e9:
        return
    media.duration_s = round(seconds, 6)
    if size and (bit_rate := int(size * 8 / media.duration_s)) < 1 << 63:
        media.more["bit_rate"] = bit_rate
