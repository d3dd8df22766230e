"""Parquet: rows and columns, from the beginning of its footer; hides Thrift's compact encoding, of which it reads as little as it can.

Source: apache/parquet-format, parquet.thrift (FileMetaData, SchemaElement) and Thrift's compact protocol.
"""

from __future__ import annotations

import struct
from typing import Final

from ingest.media.nearby import RANGE_MOST, ending, near
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_TAIL: Final = 65_536
_FOOTER: Final = 65_536
"""Bytes of a footer that are asked for at first: the schema and the rows stand at its beginning."""
_FIELDS: Final = 15_000
"""Fields of a footer that are looked at, not counting the short ones of a schema."""
_DEPTH: Final = 16
_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    start, tail = ending(view, _TAIL)
    end = start + len(tail) - 8
    if end < 4 or tail[-4:] not in {b"PAR1", b"PARE"}:
        raise MalformedError("its footer is missing")
    (length,) = struct.unpack_from("<I", tail, len(tail) - 8)
    if length > end - 4:
        raise MalformedError("its footer is missing")
    media.more["encrypted"] = tail[-4:] == b"PARE"
    if media.more["encrypted"]:
        return
    at = end - length
    wanted = min(length, _FOOTER)
    footer = tail[at - start :][:wanted] if at >= start else near(view, at, wanted, wanted)
    try:
        _describe(footer, media)
    except _CutOffError:
        if length <= wanted:
            raise
        most = min(length, RANGE_MOST)
        _describe(near(view, at, most, most), media)


class _CutOffError(MalformedError):
    """The bytes end before what is looked for."""

    def __init__(self) -> None:
        super().__init__("its footer is broken")


def _describe(footer: bytes, media: Media) -> None:
    reader = _Compact(footer)
    before, columns = 0, 0
    while (field := reader.field(before))[1] != _STOP:
        before, kind = field
        if before == 2 and kind == _LIST:
            columns = reader.leaves()
        elif before == 3 and kind == _I64:
            rows = reader.signed()
            if not 0 <= rows < 1 << 63:
                raise MalformedError("its number of rows is none")
            media.more["rows"], media.more["columns"] = rows, columns
            return
        else:
            reader.skip(kind)
    raise MalformedError("its footer says no number of rows")


class _Compact:
    """Reads Thrift's compact protocol, and spends no more steps on it than a footer deserves."""

    __slots__ = ("_at", "_data", "_left")

    def __init__(self, data: bytes) -> None:
        self._data, self._at, self._left = data, 0, _FIELDS

    def field(self, before: int) -> tuple[int, int]:
        """Number and kind of the next field."""
        self._left -= 1
        if self._left < 0:
            raise MalformedError("its footer has too many parts")
        if self._at >= len(self._data):
            raise _CutOffError
        head = self._data[self._at]
        self._at += 1
        if head & 15 == _STOP:
            return 0, _STOP
        return (before + (head >> 4) if head >> 4 else self.signed()), head & 15

    def leaves(self) -> int:
        """Columns: those elements of a schema that have no children. The first one is the root."""
        count, kind = self.list_head()
        if kind != _STRUCT:
            raise MalformedError("its schema is broken")
        found = 0
        for place in range(count):
            self._left -= 1
            if self._left < 0:
                raise MalformedError("its footer has too many parts")
            found += not self._children() and place > 0
        return found

    def _children(self) -> int:
        """Of one element. Its short fields are read in place: a wide table has ten thousands of them."""
        data, at, before, children = self._data, self._at, 0, 0
        last = len(data) - 2
        while at < last and (head := data[at]) != _STOP:
            kind, short = head & 15, data[at + 1] < 128 and head > 15
            if short and kind == _I32:
                before += head >> 4
                if before == 5:
                    children = data[at + 1]
                at += 2
            elif short and kind == _BINARY:
                before += head >> 4
                at += 2 + data[at + 1]
            else:
                self._at = at
                before, kind = self.field(before)
                if before == 5 and kind == _I32:
                    children = self.signed()
                else:
                    self.skip(kind)
                at = self._at
        if at >= last:
            raise _CutOffError
        self._at = at + 1
        return children

    def signed(self) -> int:
        """A zigzag number."""
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)

    def list_head(self) -> tuple[int, int]:
        """How many parts follow, and of which kind."""
        if self._at >= len(self._data):
            raise _CutOffError
        head = self._data[self._at]
        self._at += 1
        count = head >> 4
        return (self._unsigned() if count == 15 else count), head & 15

    def skip(self, kind: int, depth: int = _DEPTH) -> None:
        """Passes one value over."""
        if kind in {_BYTE, _DOUBLE}:
            self._at += 1 if kind == _BYTE else 8
        elif kind in {_I16, _I32, _I64}:
            self._unsigned()
        elif kind == _BINARY:
            length = self._unsigned()
            self._at += length
        elif kind in {_LIST, _SET, _MAP, _STRUCT}:
            if depth == 0:
                raise MalformedError("its footer is nested too deep")
            self._parts(kind, depth - 1)
        elif kind not in {_TRUE, _FALSE}:
            raise MalformedError("its footer is broken")

    def _parts(self, kind: int, depth: int) -> None:
        if kind == _STRUCT:
            before = 0
            while (field := self.field(before))[1] != _STOP:
                before = field[0]
                self.skip(field[1], depth)
            return
        if kind == _MAP:
            count = self._unsigned()
            if not count:
                return
            kinds = self._data[self._at] if self._at < len(self._data) else 0
            self._at += 1
            inner: tuple[int, ...] = (kinds >> 4, kinds & 15)
        else:
            count, one = self.list_head()
            inner = (one,)
        for _ in range(count):
            for part in inner:
                self._left -= 1
                if self._left < 0:
                    raise MalformedError("its footer has too many parts")
                if self._at >= len(self._data):
                    raise _CutOffError
                self._at += part in {_TRUE, _FALSE}
                self.skip(part, depth)

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            if self._at >= len(self._data):
                raise _CutOffError
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise MalformedError("a number of its footer is too long")
