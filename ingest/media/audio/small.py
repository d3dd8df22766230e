"""AU, CAF and AMR: sound whose first bytes say nearly all. Sources: RFC 4867 (AMR), Sun's audio.h, Apple's CAF specification."""

from __future__ import annotations

import struct
from typing import Final

from ingest.media.audio.pcm import depth_of, last, say
from ingest.media.nearby import reach
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_CHUNKS: Final = 1_000
_AU: Final = {
    1: "pcm_mulaw",
    2: "pcm_s8",
    3: "pcm_s16be",
    4: "pcm_s24be",
    5: "pcm_s32be",
    6: "pcm_f32be",
    7: "pcm_f64be",
    27: "pcm_alaw",
}
_CAF: Final = {
    b"aac ": "aac",
    b"alac": "alac",
    b"ulaw": "pcm_mulaw",
    b"alaw": "pcm_alaw",
    b"ima4": "adpcm_ima_qt",
    b".mp3": "mp3",
    b".mp2": "mp2",
    b"opus": "opus",
    b"flac": "flac",
    b"ac-3": "ac3",
}


def au(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    start, length, encoding, rate, channels = view.unpack(">IIIII", 4)
    codec = _AU.get(encoding, "")
    say(media, codec=codec, rate=rate, channels=channels)
    depth = depth_of(codec)
    if not (depth and rate and channels):
        return
    if view.size is not None and (length == 0xFFFFFFFF or start + length > view.size):
        length = view.size - start
    if length != 0xFFFFFFFF:
        last(media, length * 8 // (depth * channels) / rate, view.size)


def amr(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`. Nothing says how long it plays but each of its frames."""
    wide = view.read(0, 9) == b"#!AMR-WB\n"
    say(media, codec="amr_wb" if wide else "amr_nb", rate=16_000 if wide else 8_000, channels=1)


def caf(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    at, rate, kind, per_packet, packet_bytes = 8, 0.0, b"", 0, 0
    for _ in range(_CHUNKS):
        name, size = struct.unpack(">4sq", reach(view, at, 12))
        if name == b"desc":
            rate, kind, flags, packet_bytes, per_packet, channels, bits = struct.unpack(
                ">d4sIIIII", reach(view, at + 12, 32)
            )
            if not 1 <= rate < 1e9:
                raise MalformedError("its sample rate is none")
            codec = _caf_codec(kind, flags, bits)
            say(media, codec=codec, rate=int(rate), channels=channels)
        elif name == b"kuki" and kind == b"alac" and size >= 24:
            cookie = reach(view, at + 12, min(size, 48))
            boxed = cookie.rfind(b"alac", 0, 32)
            say(media, depth=cookie[5 if boxed < 0 else boxed + 13])
        elif name == b"pakt" and rate:
            _, frames, _, _ = struct.unpack(">qqii", reach(view, at + 12, 24))
            last(media, frames / rate, view.size)
            return
        elif name == b"data" and packet_bytes and rate:
            length = (view.size or 0) - at - 12 if size == -1 else size
            last(media, (length - 4) // packet_bytes * per_packet / rate, view.size)
            return
        if size < 0:
            return
        at += 12 + size
    raise MalformedError("it has too many parts")


def _caf_codec(kind: bytes, flags: int, bits: int) -> str:
    if kind != b"lpcm":
        return _CAF.get(kind, "")
    order = "" if bits == 8 else "le" if flags & 2 else "be"
    return f"pcm_{'f' if flags & 1 else 's'}{bits}{order}" if bits in {8, 16, 24, 32, 64} else ""
