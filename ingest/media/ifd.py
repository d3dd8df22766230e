"""Directories of a TIFF structure (TIFF 6.0, BigTIFF), which is a file or a block in one; hides byte order, types and places."""

from __future__ import annotations

import struct
from collections.abc import Container
from typing import Final, NamedTuple

from ingest.media.view import MalformedError, MoreNeededError, View

ENTRIES_MOST: Final = 1024
"""Entries of one directory. Cameras write fewer than a hundred."""
NUMBERS_MOST: Final = 64
"""Numbers read of one field."""
_WISH: Final = 4 << 10
"""Bytes asked for where fewer are needed: what a directory points to mostly lies right behind it."""
_SIZES: Final = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
    129: 1,
}
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_TEXTS: Final = (2, 7, 129)
"""ASCII; undefined, which some write; UTF-8 (EXIF 3.0)."""
_MAGIC: Final = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_ENTRY: Final = {(order, big): struct.Struct(order + ("HHQ8s" if big else "HHI4s")) for order, big in _MAGIC.values()}


class Field(NamedTuple):
    """One entry: its type, how many of it, and its value or, as bytes still, where that lies."""

    type: int
    many: int
    raw: bytes


Directory = dict[int, Field]
"""By tag."""


class Ifd:
    """A TIFF structure of `length` bytes (None: to the end of the object) at `start`; places in it count from there."""

    __slots__ = ("_limit", "big", "first", "order", "start", "view")

    def __init__(self, view: View, start: int = 0, length: int | None = None) -> None:
        """Raises MoreNeededError, MalformedError."""
        self.view, self.start, self._limit = view, start, length
        head = self.read(0, 8)
        found = _MAGIC.get(head[:4])
        if found is None:
            raise MalformedError("it does not begin as TIFF does")
        self.order, self.big = found
        if self.big:
            widths, zero, self.first = self.unpack("HHQ", 4)
            if widths != 8 or zero != 0:
                raise MalformedError("its places are of no width that is known")
        else:
            (self.first,) = struct.unpack_from(self.order + "I", head, 4)

    def read(self, at: int, length: int) -> bytes:
        """Bytes of the structure. Where they aren't held, more is asked for than is needed now. Raises as `View.read` does."""
        if at < 0 or (self._limit is not None and at + length > self._limit):
            raise MalformedError("it points outside itself")
        try:
            return self.view.read(self.start + at, length)
        except MoreNeededError as more:
            wish = _WISH
            if self._limit is not None:
                wish = min(wish, self.start + self._limit - more.first)
            if self.view.size is not None:
                wish = min(wish, self.view.size - more.first)
            raise MoreNeededError(more.first, max(more.length, wish)) from None

    def unpack(self, form: str, at: int) -> tuple[int, ...]:
        packed = self.order + form
        return struct.unpack(packed, self.read(at, struct.calcsize(packed)))

    def directory(self, at: int, wanted: Container[int]) -> tuple[Directory, int]:
        """The wanted entries of the directory there, and where the next one is (0: there is none). Raises as `read` does."""
        count, first, width, place = self._count(at)
        entries = self.read(first, count * width)
        found: Directory = {}
        for tag, kind, number, raw in _ENTRY[self.order, self.big].iter_unpack(entries):
            if tag in wanted and tag not in found:
                found[tag] = Field(kind, number, raw)
        return found, self._next(first + count * width, place)

    def after(self, at: int) -> int:
        """Where the directory behind the one at `at` is; 0: there is none. Reads no entry. Raises as `read` does."""
        count, first, width, place = self._count(at)
        return self._next(first + count * width, place)

    def numbers(self, found: Directory, tag: int, most: int = NUMBERS_MOST) -> tuple[int, ...]:
        """Whole numbers, none if the tag is missing or holds others. Raises as `read` does."""
        field = found.get(tag)
        form = _INTEGERS.get(field.type) if field is not None else None
        if field is None or form is None:
            return ()
        count = min(field.many, most)
        return struct.unpack(f"{self.order}{count}{form}", self._value(field, count))

    def number(self, found: Directory, tag: int) -> int | None:
        """The first one. Raises as `read` does."""
        numbers = self.numbers(found, tag, 1)
        return numbers[0] if numbers else None

    def rationals(self, found: Directory, tag: int, most: int) -> list[float | None]:
        """Fractions; None for one whose denominator is zero. Raises as `read` does."""
        field = found.get(tag)
        if field is None or field.type not in (5, 10):
            return []
        count = min(field.many, most)
        form = f"{self.order}{count * 2}{'I' if field.type == 5 else 'i'}"
        parts = struct.unpack(form, self._value(field, count))
        return [over / under if under else None for over, under in zip(parts[::2], parts[1::2], strict=True)]

    def text(self, found: Directory, tag: int, most: int) -> str:
        """Up to the first NUL; so many bytes at most. Empty if the tag is missing. Raises as `read` does."""
        field = found.get(tag)
        if field is None or field.type not in _TEXTS:
            return ""
        value = self._value(field, min(field.many, most)).partition(b"\0")[0]
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def _value(self, field: Field, count: int) -> bytes:
        """The first `count` of a field's values: in the entry itself if all of them fit there."""
        size = _SIZES[field.type]
        if size * field.many <= len(field.raw):
            return field.raw[: size * count]
        (at,) = struct.unpack(self.order + ("Q" if self.big else "I"), field.raw)
        return self.read(at, size * count)

    def _count(self, at: int) -> tuple[int, int, int, str]:
        """Entries of a directory, where they begin, bytes of one, and the type of a place."""
        if at < 8:
            raise MalformedError("a directory lies within its header")
        (count,) = self.unpack("Q" if self.big else "H", at)
        if count > ENTRIES_MOST:
            raise MalformedError("a directory has too many entries")
        return (count, at + 8, 20, "Q") if self.big else (count, at + 2, 12, "I")

    def _next(self, at: int, place: str) -> int:
        """0 too if the structure ends there: many a writer leaves it out of the last one."""
        try:
            (following,) = self.unpack(place, at)
        except MalformedError:
            return 0
        return following
