"""Finds an object of a PDF by its number; hides tables, streams, hybrids, increments and objects inside objects.

Source: ISO 32000-1, 7.5.4 to 7.5.8.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ingest.media.documents.pdf_objects import Budget, Found, Object, Ref, dictionary
from ingest.media.documents.pdf_streams import UNPACKED_MOST, Table, inflate
from ingest.media.nearby import RANGE_MOST, near
from ingest.media.view import MalformedError, MoreNeededError, View

_SECTIONS: Final = 64
"""Increments that are looked at, newest first."""
_SUBSECTIONS: Final = 1_000
_WINDOWS: Final = 1_000
"""Places that are looked at."""
_WINDOW: Final = 16_384
"""Bytes asked for where an object begins."""
_SPACE: Final = rb"[\0\t\n\f\r ]"
_START: Final = re.compile(rb"startxref" + _SPACE + rb"+(\d{1,15})")
_OBJECT: Final = re.compile(_SPACE + rb"*(\d{1,10})" + _SPACE + rb"+\d{1,5}" + _SPACE + rb"+obj")
_TABLE: Final = re.compile(_SPACE + rb"*xref")
_HEADER: Final = re.compile(_SPACE + rb"*(\d{1,10})[ ]+(\d{1,10})" + _SPACE + rb"*?(?:\r\n|\n|\r|(?=\d{10}))")
_TRAILER: Final = re.compile(_SPACE + rb"*trailer")
_STREAM: Final = re.compile(_SPACE + rb"*stream(?:\r\n|\n|\r)")
_NUMBER: Final = re.compile(_SPACE + rb"*(\d{1,9})" + _SPACE)
_ROW: Final = 20


class Xref:
    """The cross-references of one file, as far as they are looked at."""

    __slots__ = ("_base", "_budget", "_left", "_room", "_start", "_tables", "_tail", "_view", "trailer")

    def __init__(self, view: View, base: int, start: int, tail: bytes) -> None:
        """`base`: where the file begins, behind what some put before it. `start`, `tail`: its end, as held."""
        self._view, self._base, self._start, self._tail = view, base, start, tail
        self._tables: list[Table | _Rows] = []
        self._budget, self._left, self._room = Budget(), _WINDOWS, UNPACKED_MOST
        self.trailer: dict[bytes, Object] = {}

    def sections(self) -> None:
        """Walks from the newest increment to the oldest; the newest trailer that names a catalog is the trailer."""
        found = list(_START.finditer(self._tail[-2048:]))
        if not found:
            raise MalformedError("its table of objects can't be found")
        waiting, seen = [int(found[-1][1])], set[int]()
        while waiting and len(seen) < _SECTIONS:
            at = waiting.pop(0)
            if at in seen:
                continue
            seen.add(at)
            try:
                values = self._section(at + self._base)
            except MalformedError:
                if b"Root" not in self.trailer:
                    raise
                continue  # some writers say of the first increment that one lies before it
            if b"Root" not in self.trailer:
                self.trailer |= values
            waiting += [to for name in (b"XRefStm", b"Prev") if isinstance(to := values.get(name), int)]

    def dictionary(self, ref: Ref) -> dict[bytes, Object]:
        """The object, which is a dictionary. Raises MoreNeededError, MalformedError."""
        kind, place, index = self._entry(ref.number)
        if kind == 2:
            data, at = self._inside(place, ref.number, index)
            return dictionary(data, at, self._budget).values
        return self._object(place + self._base, ref.number)[1].values

    def number(self, ref: Ref) -> int:
        """The object, which is a number."""
        kind, place, index = self._entry(ref.number)
        if kind == 2:
            data, at = self._inside(place, ref.number, index)
        else:
            data, at = self._window(place + self._base, 64), 0
            head = _OBJECT.match(data)
            at = head.end() if head is not None else 0
        found = _NUMBER.match(data[at : at + 64] + b" ")
        if found is None:
            raise MalformedError("a number of it is missing")
        return int(found[1])

    def _entry(self, number: int) -> tuple[int, int, int]:
        for table in self._tables:
            entry = table.entry(number)
            if entry is not None and entry[0] in {1, 2}:
                return entry
        raise MalformedError("an object of it is missing")

    def _section(self, at: int) -> dict[bytes, Object]:
        missing = self._start + 64 - at  # where the table is longer than the tail, all before it is asked for at once
        data = self._window(at, 32, missing if 0 < missing <= RANGE_MOST else _WINDOW)
        table = _TABLE.match(data)
        if table is not None:
            return self._table(at, table.end())
        number = _OBJECT.match(data)
        if number is None:
            raise MalformedError("its table of objects is not where it should be")
        data, found = self._object(at, int(number[1]))
        unpacked = self._stream(at, data, found)
        self._tables.append(Table(unpacked, found.values, self._view.spend))
        return found.values

    def _table(self, at: int, skip: int) -> dict[bytes, Object]:
        """A classic table; of its rows none is read but those that are asked for later."""
        rows = _Rows(self._window)
        self._tables.append(rows)
        place = at + skip
        for _ in range(_SUBSECTIONS):
            data = self._window(place, 64)
            end = _TRAILER.match(data)
            if end is not None:
                return self._trailer(place + end.end())
            header = _HEADER.match(data)
            if header is None:
                break
            first, count = int(header[1]), int(header[2])
            rows.parts.append((first, count, place + header.end()))
            place += header.end() + count * _ROW
        raise MalformedError("its table of objects is broken")

    def _trailer(self, at: int) -> dict[bytes, Object]:
        return dictionary(self._window(at, 512), 0, self._budget).values

    def _object(self, at: int, number: int) -> tuple[bytes, Found]:
        """What is held from the object on, and the dictionary that it is."""
        for length in (256, _WINDOW, RANGE_MOST):
            data = self._window(at, length, max(length, _WINDOW))
            head = _OBJECT.match(data)
            if head is None or int(head[1]) != number:
                raise MalformedError("an object is not where it should be")
            found = dictionary(data, head.end(), self._budget)
            if found.whole or isinstance(found.values.get(b"Count"), int):
                return data, found
        raise MalformedError("an object of it is too long")

    def _stream(self, at: int, data: bytes, found: Found) -> bytes:
        begin = _STREAM.match(data, found.end)
        if begin is None:
            raise MalformedError("a stream of it is missing")
        length = found.values.get(b"Length")
        if not isinstance(length, int):
            return self._unpacked(data[begin.end() :], found)
        if not 0 <= length <= RANGE_MOST:
            raise MalformedError("a stream of it is too long")
        packed = self._window(at + begin.end(), length, length)
        return self._unpacked(packed[:length], found)

    def _unpacked(self, packed: bytes, found: Found) -> bytes:
        data = inflate(packed, found.values, max(1, self._room))
        self._room -= len(data)
        return data

    def _inside(self, holder: int, number: int, index: int) -> tuple[bytes, int]:
        """The unpacked object stream, and where the object begins in it."""
        kind, place, _ = self._entry(holder)
        if kind != 1:
            raise MalformedError("an object of it lies in itself")
        data, found = self._object(place + self._base, holder)
        if b"Encrypt" in self.trailer:
            raise MalformedError("its objects are encrypted")
        unpacked = self._stream(place + self._base, data, found)
        first = found.values.get(b"First")
        if not isinstance(first, int) or not 0 <= first < UNPACKED_MOST:
            raise MalformedError("an object of it is missing")
        pairs = unpacked[:first].split(maxsplit=2 * min(index, 100_000) + 2)[2 * index : 2 * index + 2]
        if len(pairs) < 2 or int(pairs[0]) != number:
            raise MalformedError("an object of it is missing")
        return unpacked, first + int(pairs[1])

    def _window(self, at: int, least: int, most: int = _WINDOW) -> bytes:
        """At least so many bytes from there on, of the end if they are in it."""
        self._left -= 1
        if self._left < 0:
            raise MalformedError("it has too many parts")
        if self._start <= at < self._start + len(self._tail):
            at -= self._start
            return self._tail[at : at + max(most, _WINDOW)]
        try:
            return near(self._view, at, least, max(most, least))
        except MoreNeededError as more:
            raise MoreNeededError(more.first, min(more.length, RANGE_MOST)) from None


class _Rows:
    """A classic table, by its parts."""

    __slots__ = ("_window", "parts")

    def __init__(self, window: Callable[[int, int], bytes]) -> None:
        self._window = window
        self.parts: list[tuple[int, int, int]] = []

    def entry(self, number: int) -> tuple[int, int, int] | None:
        for first, count, place in self.parts:
            if first <= number < first + count:
                row = self._window(place + (number - first) * _ROW, _ROW)[:18]
                if len(row) < 18 or not row[:10].isdigit():
                    raise MalformedError("its table of objects is broken")
                return (1, int(row[:10]), 0) if row[17:18] == b"n" else (0, 0, 0)
        return None
