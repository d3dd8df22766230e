"""ZIP: how many files are in it, and what these make of it, an Office document or an app; hides where its directory lies.

Source: PKWARE's APPNOTE 6.3.10; ECMA-376 (Office), ODF 1.3 part 2, EPUB OCF 3.3.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from ingest.media.documents.packages import kind_of
from ingest.media.nearby import ending, reach
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_TAIL: Final = 65_536 + 22
"""The last record and the longest comment."""
_LISTED: Final = 1_000
"""Files of which the names are looked at; the rest is only counted."""
_RECORD: Final = struct.Struct("<4s4xHH8xI4xHHH8xI")
"""One file in the directory: 46 bytes, with what is not looked at left out."""
_UNPACKED: Final = 65_536
_PAGES: Final = re.compile(rb"<(?:\w{1,16}:)?(?:Pages|Slides)>(\d{1,9})</|page-count=\"(\d{1,9})\"")
_TOLD: Final = (b"docProps/app.xml", b"meta.xml")
"""Where documents say how many pages they have."""


class Entry(NamedTuple):
    """One file in it, as its directory lists it."""

    name: bytes
    flags: int
    method: int
    packed: int
    at: int


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    local = list(_local(view.held(0)))
    _settle(media, local)
    start, tail = ending(view, _TAIL)
    end = _end(tail)
    if end < 0:
        raise MalformedError("its directory can't be found")
    count, length, place = struct.unpack_from("<HII", tail, end + 10)
    before = start + end
    if count == 0xFFFF or 0xFFFFFFFF in {length, place}:
        wide = _wide(view, start, tail, end)
        if wide is not None:
            count, length, place, before = wide
    if place + length > before or count > length // 46:
        raise MalformedError("its directory is broken")
    media.more["entries"] = count
    shift = before - length - place  # what somebody put before it: a program that unpacks it
    if place >= start and tail.startswith(b"PK\1\2", place - start):
        shift = 0
    place += shift
    held = tail[place - start :] if place >= start else _middle(tail)
    listed = list(_listed(held))
    _settle(media, local + listed)
    if media.kind == "document":
        told = islice((entry for entry in listed if entry.name in _TOLD), 2)
        pages = max((_told(_held(view, start, tail, entry.at + shift), entry) for entry in told), default=0)
        if pages:
            media.more["pages"] = pages


def _end(tail: bytes) -> int:
    """Where the last record begins: its comment reaches exactly to the end, unless something was put behind."""
    at = first = tail.rfind(b"PK\5\6", 0, max(0, len(tail) - 18))
    for _ in range(64):
        if at < 0 or at + 22 + struct.unpack_from("<H", tail, at + 20)[0] == len(tail):
            return at if at >= 0 else first
        at = tail.rfind(b"PK\5\6", 0, at)
    return first


def _wide(view: View, start: int, tail: bytes, end: int) -> tuple[int, int, int, int] | None:
    """The numbers of the ZIP64 record, and where it begins."""
    if end < 20 or tail[end - 20 : end - 16] != b"PK\6\7":
        return None
    (place,) = struct.unpack_from("<Q", tail, end - 12)
    at = start + end - 20 - 56
    record = tail[at - start : at - start + 56] if at >= start else b""
    if not record.startswith(b"PK\6\6"):
        at, record = place, reach(view, place, 56)
        if not record.startswith(b"PK\6\6"):
            raise MalformedError("its directory can't be found")
    count, length, first = struct.unpack_from("<QQQ", record, 32)
    return count, length, first, at


def _middle(tail: bytes) -> bytes:
    """From the first whole record of the directory that is held."""
    at = tail.find(b"PK\1\2")
    return tail[at:] if at >= 0 else b""


def _listed(data: bytes) -> Iterator[Entry]:
    """Files as the directory lists them, as far as it is held."""
    at, most = 0, len(data) - 46
    for _ in range(_LISTED):
        if at > most:
            return
        sign, flags, method, packed, name, extra, comment, place = _RECORD.unpack_from(data, at)
        if sign != b"PK\1\2":
            return
        yield Entry(data[at + 46 : at + 46 + min(name, 256)], flags, method, packed, place)
        at += 46 + name + extra + comment


def _local(data: bytes) -> Iterator[Entry]:
    """Files as they stand one behind the other from the beginning, as far as they are held."""
    at, most = 0, len(data)
    for _ in range(16):
        if at + 30 > most or data[at : at + 4] != b"PK\3\4":
            return
        _, flags, method, _, _, packed, _, name, extra = struct.unpack_from("<HHHIIIIHH", data, at + 4)
        begin = at + 30 + name
        yield Entry(
            data[at + 30 : min(begin, at + 286)] + _mimetype(data, at, begin + extra, packed), flags, method, 0, at
        )
        if flags & 8:
            return
        at = begin + extra + packed


def _mimetype(data: bytes, at: int, begin: int, packed: int) -> bytes:
    """What the first file says the type is, if it is there for that."""
    if at == 0 and data[30:38] == b"mimetype" and 0 < packed < 128:
        return b"=" + data[begin : begin + packed]
    return b""


def _settle(media: Media, entries: list[Entry]) -> None:
    found = kind_of([entry.name for entry in entries])
    if found is not None:
        media.kind, media.format, media.type = found
    if entries:
        media.more["encrypted"] = any(entry.flags & 1 for entry in entries)


def _held(view: View, start: int, tail: bytes, at: int) -> bytes:
    return (tail[at - start :] if at >= start else view.held(at, 30 + 1024 + _UNPACKED))[: 30 + 1024 + _UNPACKED]


def _told(data: bytes, entry: Entry) -> int:
    """Pages, from a small file in it, if that is held."""
    if len(data) < 30 or not data.startswith(b"PK\3\4") or entry.flags & 1:
        return 0
    name, extra = struct.unpack_from("<HH", data, 26)
    packed = data[30 + name + extra :][: entry.packed]
    if entry.method == 8:
        try:
            packed = zlib.decompressobj(-15).decompress(packed, _UNPACKED)
        except zlib.error:
            return 0
    found = _PAGES.search(packed[:_UNPACKED])
    return int(found[1] or found[2]) if found is not None else 0
