"""Items of a HEIF `meta` box (ISO/IEC 14496-12, 8.11; 23008-12, 9.3): which is shown, what describes it, where the EXIF is."""

from __future__ import annotations

from typing import Final, NamedTuple

from ingest.media.boxes import Box, boxes, full
from ingest.media.view import MalformedError, View

_TABLE_MOST: Final = 128 << 10
"""Bytes of one table. A picture of 500 tiles has 12 KB of them."""
_PROPERTIES_MOST: Final = 1_000


class Items(NamedTuple):
    """What the tables say of the item that is shown."""

    properties: list[Box]
    """That describe it, in their order."""
    auxiliary: list[list[Box]]
    """Of each item that is said to belong to it: an alpha plane, a map of depths."""
    exif: tuple[int, int] | None
    """Where the first item of EXIF is in the object, and how long."""


def read_items(view: View, meta: Box) -> Items | None:
    """None if no item is shown. Raises MoreNeededError, MalformedError."""
    _, _, at = full(view, meta)
    found: dict[bytes, Box] = {}
    for box in boxes(view, at, meta.end):
        found.setdefault(box.type, box)
    if b"pitm" not in found:
        return None
    primary = _primary(view, found[b"pitm"])
    others = _auxiliary(view, found[b"iref"], primary) if b"iref" in found else []
    described: dict[int, list[Box]] = {}
    if b"iprp" in found:
        described = _described(view, found[b"iprp"], {primary, *others})
    exif = None
    if b"iinf" in found and b"iloc" in found and (item := _first_exif(view, found[b"iinf"])) is not None:
        exif = _location(view, found[b"iloc"], item, found.get(b"idat"))
    return Items(described.get(primary, []), [described.get(other, []) for other in others], exif)


class _Table:
    """The numbers of one box, one after the other. Reading past its end raises MalformedError."""

    __slots__ = ("_at", "_bytes")

    def __init__(self, body: bytes) -> None:
        self._bytes, self._at = body, 0

    def take(self, length: int) -> int:
        end = self._at + length
        if end > len(self._bytes):
            raise MalformedError("a table of its items is cut off")
        number = int.from_bytes(self._bytes[self._at : end], "big")
        self._at = end
        return number

    def skip(self, length: int) -> None:
        self._at += length


def _table(view: View, box: Box, at: int) -> _Table:
    if box.end - at > _TABLE_MOST:
        raise MalformedError("it has too many items")
    return _Table(view.read(at, box.end - at))


def _primary(view: View, box: Box) -> int:
    version, _, at = full(view, box)
    return _table(view, box, at).take(4 if version else 2)


def _auxiliary(view: View, box: Box, primary: int) -> list[int]:
    """Items that say they are auxiliary to the primary one."""
    version, _, at = full(view, box)
    width = 4 if version else 2
    found = []
    for one in boxes(view, at, box.end):
        if one.type == b"auxl":
            table = _table(view, one, one.body)
            source = table.take(width)
            if primary in [table.take(width) for _ in range(table.take(2))]:
                found.append(source)
    return found[:8]


def _described(view: View, box: Box, wanted: set[int]) -> dict[int, list[Box]]:
    """The properties of the wanted items."""
    properties: list[Box] = []
    found: dict[int, list[Box]] = {}
    for one in boxes(view, box.body, box.end):
        if one.type == b"ipco":
            properties = list(boxes(view, one.body, one.end, most=_PROPERTIES_MOST))
        elif one.type == b"ipma":
            version, flags, at = full(view, one)
            table, wide = _table(view, one, at), 2 if flags & 1 else 1
            for _ in range(table.take(4)):
                item, count = table.take(4 if version else 2), table.take(1)
                if item not in wanted:
                    table.skip(count * wide)
                    continue
                indices = [table.take(wide) & (0x7FFF if wide == 2 else 0x7F) for _ in range(count)]
                found[item] = [properties[index - 1] for index in indices if 0 < index <= len(properties)]
    return found


def _first_exif(view: View, box: Box) -> int | None:
    version, _, at = full(view, box)
    table = _table(view, box, at)
    for _ in range(table.take(4 if version else 2)):
        size, kind = table.take(4), table.take(4)
        if size < 12 or kind != int.from_bytes(b"infe", "big"):
            raise MalformedError("an entry of its items is none")
        entry = table.take(1)
        table.skip(3)
        if entry < 2:  # without a type: nothing of it is EXIF
            table.skip(size - 12)
            continue
        wide = 2 if entry == 2 else 4
        item = table.take(wide)
        table.skip(2)
        if table.take(4) == int.from_bytes(b"Exif", "big"):
            return item
        table.skip(size - 18 - wide)
    return None


def _location(view: View, box: Box, wanted: int, inside: Box | None) -> tuple[int, int] | None:
    """Where an item is, if it lies in one piece in the file or in `inside`."""
    version, _, at = full(view, box)
    table = _table(view, box, at)
    sizes = table.take(2)
    offset, length, base, index = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    for _ in range(table.take(4 if version == 2 else 2)):
        item = table.take(4 if version == 2 else 2)
        method = table.take(2) & 15 if version else 0
        table.skip(2)
        start, extents = table.take(base), table.take(2)
        if item != wanted:
            table.skip(extents * (offset + length + (index if version else 0)))
            continue
        if extents != 1 or method > 1 or (method == 1 and inside is None):
            return None
        table.skip(index if version else 0)
        start += table.take(offset) + (inside.body if method == 1 and inside is not None else 0)
        return start, table.take(length)
    return None
