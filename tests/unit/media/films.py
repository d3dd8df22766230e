"""Builders of films, byte by byte after their specifications: what a test says of a film is what stands in it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

from ingest.media.reading import Reading, read
from ingest.media.view import View

QUARTERS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
H264 = bytes.fromhex("67f40028919680780227e27011000003000100000300300f1832a0")
"""A sequence parameter set as x264 writes it: 1920 x 1080, cropped from 1088, at 24 frames per second."""
HEVC = bytes.fromhex("4201010408000003009e0800000300003c9001410183e372caca94985e02dc080800100000030010000003019080")
"""One as x265 writes it: 320 x 180."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of it, and which further ranges it took."""

    reading: Reading
    asked: list[tuple[int, int]]


def probe(held: bytes, *, first: int = 64 << 10, further: int = 2, least: int = 8 << 10) -> Probed:
    """Reads as the prober does: some first bytes, and then at most so many further ranges."""
    pieces = {0: held[:first]}
    asked: list[tuple[int, int]] = []
    found = read(View(len(held), pieces))
    while found.needs is not None and len(asked) < further:
        at, length = found.needs
        asked.append((at, length))
        pieces[at] = held[at : at + max(length, least)]
        found = read(View(len(held), pieces))
    return Probed(found, asked)


# ISO base media: MP4, MOV


def box(kind: bytes, *payload: bytes) -> bytes:
    body = b"".join(payload)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, *payload: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


def matrix(turned: int) -> bytes:
    a, b, c, d = (number << 16 for number in QUARTERS[turned])
    return struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)


def mvhd(ticks: int, *, scale: int = 1000, version: int = 0) -> bytes:
    times = struct.pack(">QQIQ", 0, 0, scale, ticks) if version else struct.pack(">IIII", 0, 0, scale, ticks)
    return full(b"mvhd", times, bytes(16), matrix(0), bytes(28), version=version)


def visual(kind: bytes, width: int, height: int, *inner: bytes) -> bytes:
    return box(kind, bytes(24), struct.pack(">HH", width, height), bytes(50), *inner)


def audible(kind: bytes, channels: int, rate: int, *inner: bytes, bits: int = 16, version: int = 0) -> bytes:
    head = struct.pack(">6xHH6xHHIHH", 1, version, channels, bits, 0, rate, 0)
    return box(kind, head, bytes(16 if version == 1 else 0), *inner)


def esds(indication: int, configuration: bytes = b"") -> bytes:
    special = bytes([5, len(configuration)]) + configuration if configuration else b""
    decoder = bytes([4, 13 + len(special), indication]) + bytes(12) + special
    return full(b"esds", bytes([3, 0x80, 0x80, 0x80, 3 + len(decoder), 0, 1, 0]), decoder)


def trak(
    entry: bytes,
    *,
    handler: bytes = b"vide",
    number: int = 1,
    durations: tuple[tuple[int, int], ...] = ((75, 40),),
    turned: int = 0,
    tables: int = 0,
) -> bytes:
    """A track at 1,000 ticks per second; `tables`: bytes of the tables that nobody reads."""
    stts = full(b"stts", struct.pack(">I", len(durations)), *(struct.pack(">II", *one) for one in durations))
    stbl = box(b"stbl", full(b"stsd", struct.pack(">I", 1), entry), stts, full(b"stsz", bytes(tables)))
    mdia = box(
        b"mdia",
        full(b"mdhd", struct.pack(">IIII", 0, 0, 1000, 3000), bytes(4)),
        full(b"hdlr", bytes(4), handler, bytes(13)),
        box(b"minf", box(b"vmhd", bytes(12)), stbl),
    )
    tkhd = full(
        b"tkhd", struct.pack(">IIIII", 0, 0, number, 0, 3000), bytes(16), matrix(turned), struct.pack(">II", 0, 0)
    )
    return box(b"trak", tkhd, mdia)


def avc1(width: int = 320, height: int = 180, *inner: bytes) -> bytes:
    return visual(b"avc1", width, height, *inner)


def avcc(unit: bytes = H264) -> bytes:
    return box(b"avcC", b"\1" + unit[1:4] + b"\xff\xe1" + len(unit).to_bytes(2) + unit)


def hvcc(unit: bytes = HEVC) -> bytes:
    other = b"\xa0\0\1\0\2\x40\1"
    return box(b"hvcC", bytes(22), b"\2", other, b"\xa1\0\1", len(unit).to_bytes(2), unit)


def mp4a() -> bytes:
    return audible(b"mp4a", 2, 44100, esds(0x40, bytes([0x12, 0x10])))


def sound(entry: bytes | None = None, *, number: int = 2, tables: int = 0) -> bytes:
    return trak(entry or mp4a(), handler=b"soun", number=number, tables=tables)


def ftyp(brand: bytes = b"isom") -> bytes:
    return box(b"ftyp", brand, bytes(4), b"isom", b"mp42")


def movie(*tracks: bytes, ticks: int = 3000, brand: bytes = b"isom", media: bytes = b"", front: bool = True) -> bytes:
    moov = box(b"moov", mvhd(ticks), *tracks)
    parts = (moov, box(b"mdat", media)) if front else (box(b"mdat", media), moov)
    return ftyp(brand) + b"".join(parts)


def fragment(track: int, start: int, durations: tuple[int, ...], *, default: int | None = None) -> bytes:
    """A fragment of one track, with nothing in its frames."""
    tfhd = full(
        b"tfhd",
        struct.pack(">I", track),
        b"" if default is None else struct.pack(">I", default),
        flags=0 if default is None else 8,
    )
    tfdt = full(b"tfdt", struct.pack(">Q", start), version=1)
    if default is None:
        trun = full(
            b"trun", struct.pack(">I", len(durations)), *(struct.pack(">I", one) for one in durations), flags=0x100
        )
    else:
        trun = full(b"trun", struct.pack(">I", len(durations)))
    return box(b"moof", full(b"mfhd", bytes(4)), box(b"traf", tfhd, tfdt, trun)) + box(b"mdat", bytes(400))


def mvex(*inner: bytes) -> bytes:
    return box(b"mvex", *inner, *(full(b"trex", struct.pack(">IIIII", number, 1, 40, 0, 0)) for number in (1, 2)))


# Matroska


def element(number: int, *payload: bytes, size: int | None = None) -> bytes:
    """`size`: as it is said, all ones if negative."""
    body = b"".join(payload)
    said = len(body) if size is None else size
    coded = b"\x01" + b"\xff" * 7 if said < 0 else (1 << 56 | said).to_bytes(8)
    return number.to_bytes((number.bit_length() + 7) // 8) + coded + body


def whole(number: int, value: int) -> bytes:
    return element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


def real(number: int, value: float) -> bytes:
    return element(number, struct.pack(">d", value))


def ebml(doctype: bytes = b"matroska") -> bytes:
    return element(0x1A45DFA3, whole(0x42F7, 1), element(0x4282, doctype))


def film_entry(codec: bytes = b"V_VP9", *inner: bytes) -> bytes:
    return element(
        0xAE,
        whole(0xD7, 1),
        whole(0x83, 1),
        element(0x86, codec),
        element(0xE0, whole(0xB0, 640), whole(0xBA, 360)),
        *inner,
    )


def sound_entry(codec: bytes = b"A_OPUS", *inner: bytes, bits: int = 16) -> bytes:
    audio = element(0xE1, real(0xB5, 48000.0), whole(0x9F, 2), whole(0x6264, bits))
    return element(0xAE, whole(0xD7, 2), whole(0x83, 2), element(0x86, codec), audio, *inner)


def tracks(*entries: bytes) -> bytes:
    return element(0x1654AE6B, *entries)


def info(milliseconds: float) -> bytes:
    return element(0x1549A966, whole(0x2AD7B1, 1_000_000), real(0x4489, milliseconds))


def matroska(*parts: bytes, doctype: bytes = b"matroska", unknown: bool = False) -> bytes:
    return ebml(doctype) + element(0x18538067, *parts, size=-1 if unknown else None)


# RIFF, ASF, FLV


def chunk(kind: bytes, *payload: bytes) -> bytes:
    body = b"".join(payload)
    return struct.pack("<4sI", kind, len(body)) + body + bytes(len(body) & 1)


def listed(kind: bytes, *payload: bytes) -> bytes:
    return chunk(b"LIST", kind, *payload)


def bitmap(sign: bytes, width: int = 320, height: int = 240) -> bytes:
    return struct.pack("<IiiHH4s20x", 40, width, height, 1, 24, sign)


def wave(tag: int, channels: int = 2, rate: int = 44100, bits: int = 16) -> bytes:
    return struct.pack("<HHIIHHH", tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits, 0)


def strl(kind: bytes, handler: bytes, scale: int, rate: int, frames: int, form: bytes) -> bytes:
    return listed(
        b"strl",
        chunk(b"strh", struct.pack("<4s4s12xII4xI20x", kind, handler, scale, rate, frames)),
        chunk(b"strf", form),
    )


def avi(*parts: bytes) -> bytes:
    hdrl = listed(b"hdrl", chunk(b"avih", bytes(56)), *parts)
    return chunk(b"RIFF", b"AVI ", hdrl, listed(b"movi", bytes(400)))


def asf_object(name: str, *payload: bytes) -> bytes:
    body = b"".join(payload)
    return UUID(name).bytes_le + struct.pack("<Q", 24 + len(body)) + body


def asf(*parts: bytes) -> bytes:
    return asf_object("75b22630-668e-11cf-a6d9-00aa0062ce6c", struct.pack("<I2x", len(parts)), *parts) + bytes(100)


def flv(*tags: bytes, flags: int = 5) -> bytes:
    return b"FLV\1" + struct.pack(">BII", flags, 9, 0) + b"".join(tags)


def tag(kind: int, payload: bytes, milliseconds: int = 0) -> bytes:
    stamp = (milliseconds & 0xFFFFFF).to_bytes(3) + bytes([milliseconds >> 24])
    return bytes([kind]) + len(payload).to_bytes(3) + stamp + bytes(3) + payload + (11 + len(payload)).to_bytes(4)


def script(values: dict[str, float | bytes]) -> bytes:
    """`onMetaData`: numbers, or values as they are coded."""
    coded = (
        struct.pack(">H", len(name))
        + name.encode()
        + (value if isinstance(value, bytes) else struct.pack(">Bd", 0, value))
        for name, value in values.items()
    )
    return b"\2\0\nonMetaData\x08" + struct.pack(">I", len(values)) + b"".join(coded) + b"\0\0\x09"
