"""Builders of the streams of MPEG, byte by byte after their specifications."""

from __future__ import annotations

import struct


def stamped(ticks: int) -> bytes:
    return bytes(
        [
            0x21 | ticks >> 29 & 0x0E,
            ticks >> 22 & 0xFF,
            ticks >> 14 & 0xFE | 1,
            ticks >> 7 & 0xFF,
            ticks << 1 & 0xFE | 1,
        ]
    )


def pes(number: int, ticks: int, payload: bytes) -> bytes:
    body = b"\x80\x80\x05" + stamped(ticks) + payload
    return b"\0\0\1" + bytes([number]) + struct.pack(">H", len(body)) + body


def packets(pid: int, payload: bytes) -> list[bytes]:
    """Transport packets of 188 bytes, the last one filled up by its adaptation field."""
    made = []
    for at in range(0, len(payload), 184):
        part = payload[at : at + 184]
        filled = 184 - len(part)
        field = b"" if not filled else bytes([filled - 1]) + (b"\0" + b"\xff" * (filled - 2) if filled > 1 else b"")
        head = struct.pack(">BHB", 0x47, (0x4000 if at == 0 else 0) | pid, 0x30 if filled else 0x10)
        made.append(head + field + part)
    return made


def section(table: int, body: bytes) -> bytes:
    """A table's section, with a wrong checksum, which nobody looks at."""
    return (
        b"\0"
        + bytes([table])
        + struct.pack(">H", 0xB000 | len(body) + 9)
        + struct.pack(">HBBB", 1, 0xC1, 0, 0)
        + body
        + bytes(4)
    )


def tables(streams: dict[int, tuple[int, bytes]], program: bytes = b"") -> list[bytes]:
    """PAT and PMT: type and descriptors by PID; `program`: descriptors of all of it."""
    entries = b"".join(
        struct.pack(">BHH", kind, 0xE000 | pid, 0xF000 | len(described)) + described
        for pid, (kind, described) in streams.items()
    )
    return packets(0, section(0, struct.pack(">HH", 1, 0xF000))) + packets(
        0x1000, section(2, struct.pack(">HH", 0xE100, 0xF000 | len(program)) + program + entries)
    )


def transport(packets_: list[bytes], *, lead: int = 0, behind: int = 0) -> bytes:
    return b"".join(bytes(lead) + packet + bytes(behind) for packet in packets_)


MPEG1 = bytes.fromhex("000001b31400b411ffffe018000001b8")
"""A sequence header: 320 x 180, 24000/1001 frames per second."""
MPEG2 = bytes.fromhex("000001b31400b433ffffe018000001b5148a00010000000001b8")
"""With its extension: 320 x 180, 25 frames per second."""
AC3 = bytes.fromhex("0b771ef84c402f84")
ADTS = bytes.fromhex("fff15040213ffcde")
MP2 = bytes.fromhex("fffde0c4ecccbdcb")
"""First frames of sound at 44,100 Hz, of one channel."""
