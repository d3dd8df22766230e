"""Directories of a TIFF structure (TIFF 6.0, BigTIFF), which is a file or a block in one; hides byte order, types and places."""

from __future__ import annotations

import struct
from collections.abc import Container
from typing import Final, Literal

from ingest.media.nearby import widened
from ingest.media.view import MalformedError, MoreNeededError, View

ENTRIES_MOST: Final = 1024
"""Entries of one directory. Cameras write fewer than a hundred."""
NUMBERS_MOST: Final = 64
"""Numbers read of one field."""
_NEAR: Final = 4 << 10
"""Bytes that are read, or asked for, at once: directories mostly lie at the beginning, and what they point to right behind."""
_SHORT, _LONG, _RATIONAL, _SRATIONAL = 3, 4, 5, 10
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_WIDTHS: Final = {kind: struct.calcsize("<" + form) for kind, form in _INTEGERS.items()}
_PAIRS: Final = {
    (order, kind): struct.Struct(order + form)
    for order in "<>"
    for kind, form in ((_RATIONAL, "II"), (_SRATIONAL, "ii"))
}
_TEXTS: Final = (2, 7, 129)
"""ASCII; undefined, which some write; UTF-8 (EXIF 3.0)."""
_MAGIC: Final = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
_ENTRY: Final = {(order, big): struct.Struct(order + ("HHQ8s" if big else "HHI4s")) for order, big in _MAGIC.values()}

Field = tuple[int, int, bytes]
"""One entry: its type, how many of it, and its value or, as bytes still, where that lies."""
Directory = dict[int, Field]
"""By tag."""


class Ifd:
    """A TIFF structure of `length` bytes (None: to the end of the object) at `start`; places in it count from there."""

    __slots__ = ("_ends", "_limit", "_near", "big", "first", "order", "start", "view")

    def __init__(self, view: View, start: int = 0, length: int | None = None) -> None:
        """Raises MoreNeededError, MalformedError."""
        self.view, self.start, self._limit = view, start, length
        near = self._near = self._beginning(_NEAR if length is None else min(length, _NEAR))
        found = _MAGIC.get(near[:4])
        if found is None or len(near) < 8:
            raise MalformedError("it does not begin as TIFF does")
        self.order, self.big = found
        self._ends: Literal["little", "big"] = "little" if self.order == "<" else "big"
        if self.big:
            widths, zero, self.first = self.unpack("HHQ", 4)
            if widths != 8 or zero != 0:
                raise MalformedError("its places are of no width that is known")
        else:
            self.first = int.from_bytes(near[4:8], self._ends)

    def read(self, at: int, length: int) -> bytes:
        """Bytes of the structure. Where they aren't held, more is asked for than is needed now. Raises as `View.read` does."""
        end = at + length
        if at < 0 or (self._limit is not None and end > self._limit):
            raise MalformedError("it points outside itself")
        if end <= len(self._near):
            return self._near[at:end]
        try:
            return self.view.read(self.start + at, length)
        except MoreNeededError as more:
            last = None if self._limit is None else self.start + self._limit
            raise widened(self.view, more, _NEAR, last) from None

    def _beginning(self, most: int) -> bytes:
        """If not so much of it is held, what is: it may be enough."""
        try:
            return self.view.upto(self.start, most)
        except MoreNeededError:
            held = self.view.held(self.start, most)
            if len(held) < 8:
                raise
            return held

    def unpack(self, form: str, at: int) -> tuple[int, ...]:
        form = self.order + form
        return struct.unpack(form, self.read(at, struct.calcsize(form)))

    def directory(self, at: int, wanted: Container[int]) -> Directory:
        """The wanted entries of the directory there. Raises as `read` does."""
        first, length = self._entries(at)
        found: Directory = {}
        for tag, kind, many, raw in _ENTRY[self.order, self.big].iter_unpack(self.read(first, length)):
            if tag in wanted and tag not in found:
                found[tag] = kind, many, raw
        return found

    def after(self, at: int) -> int:
        """Where the directory behind the one at `at` is; 0: there is none. Reads no entry. Raises as `read` does."""
        first, length = self._entries(at)
        try:
            (following,) = self.unpack("Q" if self.big else "I", first + length)
        except MalformedError:
            return 0  # many a writer leaves the place out of the last one
        return following

    def numbers(self, found: Directory, tag: int, most: int = NUMBERS_MOST) -> tuple[int, ...]:
        """Whole numbers, none if the tag is missing or holds others. Raises as `read` does."""
        field = found.get(tag)
        form = _INTEGERS.get(field[0]) if field is not None else None
        if field is None or form is None:
            return ()
        count = min(field[1], most)
        return struct.unpack(f"{self.order}{count}{form}", self._value(field, count, _WIDTHS[field[0]]))

    def number(self, found: Directory, tag: int) -> int | None:
        """The first one. Raises as `read` does."""
        field = found.get(tag)
        if field is None:
            return None
        kind, many, raw = field
        if many == 1 and kind in (_SHORT, _LONG):
            return int.from_bytes(raw[: 2 if kind == _SHORT else 4], self._ends)
        numbers = self.numbers(found, tag, 1)
        return numbers[0] if numbers else None

    def rationals(self, found: Directory, tag: int, most: int) -> list[float | None]:
        """Fractions; None for one whose denominator is zero. Raises as `read` does."""
        field = found.get(tag)
        if field is None or field[0] not in (_RATIONAL, _SRATIONAL):
            return []
        pair = _PAIRS[self.order, field[0]]
        value = self._value(field, min(field[1], most), 8)
        return [over / under if under else None for over, under in pair.iter_unpack(value)]

    def text(self, found: Directory, tag: int, most: int) -> str:
        """Up to the first NUL; so many bytes at most. Empty if the tag is missing. Raises as `read` does."""
        field = found.get(tag)
        if field is None:
            return ""
        kind, many, raw = field
        if kind not in _TEXTS:
            return ""
        many = min(many, most)
        value = raw[:many] if field[1] <= len(raw) else self.read(int.from_bytes(raw, self._ends), many)
        end = value.find(0)
        if end >= 0:
            value = value[:end]
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def _value(self, field: Field, count: int, width: int) -> bytes:
        """The first `count` of a field's values: in the entry itself if all of them fit there."""
        _, many, raw = field
        if width * many <= len(raw):
            return raw[: width * count]
        return self.read(int.from_bytes(raw, self._ends), width * count)

    def _entries(self, at: int) -> tuple[int, int]:
        """Where the entries of a directory begin, and their bytes."""
        if at < 8:
            raise MalformedError("a directory lies within its header")
        width = 8 if self.big else 2
        count = int.from_bytes(self.read(at, width), self._ends)
        if count > ENTRIES_MOST:
            raise MalformedError("a directory has too many entries")
        return at + width, count * (20 if self.big else 12)
