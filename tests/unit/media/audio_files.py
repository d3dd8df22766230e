"""Sound files, built byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def chunk(name: bytes, body: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(body)) + body + b"\0" * (len(body) & 1)


def fmt(tag: int = 1, channels: int = 2, rate: int = 44_100, bits: int = 16, more: bytes = b"") -> bytes:
    block = channels * ((bits + 7) // 8)
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more)


def wav(*chunks: bytes, samples: bytes = bytes(44_100 * 4)) -> bytes:
    body = b"WAVE" + b"".join(chunks) + chunk(b"data", samples)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def aiff(*, kind: bytes = b"", bits: int = 16, frames: int = 48_000, before: Sequence[bytes] = ()) -> bytes:
    rate = struct.pack(">HQ", 16383 + 15, 48_000 << 48)
    common = chunk(b"COMM", struct.pack(">HIH", 2, frames, bits) + rate + (kind + b"\0\0" if kind else b""), ">")
    body = (b"AIFC" if kind else b"AIFF") + b"".join(before) + common + chunk(b"SSND", bytes(8), ">")
    return b"FORM" + struct.pack(">I", len(body)) + body


def flac(*, rate: int = 96_000, channels: int = 2, depth: int = 24, samples: int = 96_000 * 3) -> bytes:
    packed = rate << 44 | (channels - 1) << 41 | (depth - 1) << 36 | samples
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    return b"fLaC" + b"\x80" + len(info).to_bytes(3, "big") + info + bytes(1000)


def id3(size: int, *, footer: bool = False) -> bytes:
    syncsafe = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    tag = b"ID3\4\0" + (b"\x10" if footer else b"\0") + syncsafe + b"\xff\xfb" * (size // 2) + b"\0" * (size & 1)
    return tag + (b"3DI\4\0\x10" + syncsafe if footer else b"")


def mp3_frame(second: int = 0xFB, third: int = 0x90, fourth: int = 0, length: int = 417, body: bytes = b"") -> bytes:
    """MPEG 1 layer III at 44,100 and 128 kb/s, unless said otherwise."""
    return (bytes((0xFF, second, third, fourth)) + body).ljust(length, b"\0")


def xing(frames: int, size: int | None = None, name: bytes = b"Xing", side: int = 32) -> bytes:
    sized = size is not None
    said = struct.pack(">II", 1 | 2 * sized, frames) + (struct.pack(">I", size) if size is not None else b"")
    return bytes(side) + name + said


def adts(frames: int = 10, length: int = 200) -> bytes:
    head = bytes((0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 255, (length & 7) << 5 | 31, 0xFC))
    return head.ljust(length, b"\0") * frames


def page(packet: bytes, *, serial: int = 1, granule: int = 0, first: bool = False, last: bool = False) -> bytes:
    laces = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, 2 * first | 4 * last, granule, serial, 0, 0, len(laces))
    return head + laces + packet


VORBIS = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 2, 44_100, 0, 128_000, 0, 0xB8, 1)
OPUS = b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 312, 48_000, 0, 0)
OGG_FLAC = b"\x7fFLAC\1\0\0\1" + flac()[:42]
THEORA = (
    b"\x80theora\3\2\1"
    + struct.pack(">HH", 20, 15)
    + b"\0\1\x40\0\0\xf0\0\0"  # 320 by 240
    + struct.pack(">II", 30_000, 1001)
    + bytes(10)
    + struct.pack(">H", 6 << 5)
)


def ogg(*heads: tuple[bytes, int], middle: bytes = bytes(200)) -> bytes:
    """Streams by their first packets and last granules."""
    begins = b"".join(page(head, serial=at, first=True) for at, (head, _) in enumerate(heads))
    ends = b"".join(page(b"x", serial=at, granule=end, last=True) for at, (_, end) in enumerate(heads))
    return begins + page(middle, granule=-1) * 2 + ends


def au(encoding: int = 3, samples: bytes = bytes(32_000)) -> bytes:
    return struct.pack(">4sIIIII", b".snd", 24, len(samples), encoding, 8_000, 2) + samples


def caf(kind: bytes = b"lpcm", flags: int = 2, *more: bytes) -> bytes:
    bits = 16 if kind == b"lpcm" else 0
    desc = struct.pack(">d4sIIIII", 44_100.0, kind, flags, 4 if bits else 0, 1 if bits else 4096, 2, bits)
    return b"caff\0\1\0\0" + caf_chunk(b"desc", desc) + b"".join(more) + caf_chunk(b"data", bytes(4 + 176_400))


def caf_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">4sq", name, len(body)) + body
