"""Unpacks the streams that PDF keeps its own tables in; hides deflate and PNG prediction, and never lets a bomb go off.

Source: ISO 32000-1, 7.4.4 and 7.5.8.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from ingest.media.documents.pdf_objects import Object
from ingest.media.view import MalformedError

UNPACKED_MOST: Final = 1 << 20
"""Bytes that one stream may unpack to; what lies behind them is not looked at."""
_UNDONE: Final = 10_000
"""Bytes of one table of which prediction other than Up is undone, one by one."""


def inflate(packed: bytes, values: dict[bytes, Object], most: int) -> bytes:
    """As much of a stream as can be unpacked within the bound. Raises MalformedError."""
    kind = values.get(b"Filter")
    if isinstance(kind, list):
        kind = kind[0] if len(kind) == 1 else b"?"
    if kind is None:
        return packed[:most]
    if kind not in {b"FlateDecode", b"Fl"}:
        raise MalformedError("its table of objects is packed in a way that is not read")
    try:
        return zlib.decompressobj().decompress(packed, most)
    except zlib.error:
        raise MalformedError("a stream of it can't be unpacked") from None


class Table:
    """A cross-reference stream: for the number of an object, where it is."""

    __slots__ = ("_data", "_index", "_lines", "_spend", "_stride", "_up", "_widths")

    def __init__(self, data: bytes, values: dict[bytes, Object], spend: Callable[[int], None]) -> None:
        """`spend`: counts bytes that are undone one by one, of all tables of a file."""
        widths, index, size = values.get(b"W"), values.get(b"Index"), values.get(b"Size")
        if not isinstance(widths, list) or len(widths) < 3 or not isinstance(size, int):
            raise MalformedError("its table of objects is broken")
        self._widths = [_small(width) for width in widths[:3]]
        numbers = [_plain(number) for number in index] if isinstance(index, list) and index else [0, size]
        self._index = list(zip(numbers[::2], numbers[1::2], strict=False))[:1_000]
        parameters = values.get(b"DecodeParms")
        if isinstance(parameters, list):
            parameters = parameters[0] if parameters else None
        predictor = parameters.get(b"Predictor", 1) if isinstance(parameters, dict) else 1
        self._up = isinstance(predictor, int) and predictor >= 10
        self._stride = sum(self._widths) + self._up
        self._data, self._spend = data, spend
        self._lines: list[bytes] = []
        """The first rows as they were, as far as they are undone."""

    def entry(self, number: int) -> tuple[int, int, int] | None:
        """Its kind (0 free, 1 at a place, 2 inside another object) and two fields, or None."""
        row = 0
        for first, count in self._index:
            if first <= number < first + count:
                return self._fields(row + number - first)
            row += count
        return None

    def _fields(self, row: int) -> tuple[int, int, int] | None:
        begin = row * self._stride
        if self._stride == 0 or begin + self._stride > len(self._data):
            return None
        line = self._unpredicted(row) if self._up else self._data[begin : begin + self._stride]
        first, second, third = self._widths
        kind = int.from_bytes(line[:first], "big") if first else 1
        return (
            kind,
            int.from_bytes(line[first : first + second], "big"),
            int.from_bytes(line[first + second : first + second + third], "big"),
        )

    def _unpredicted(self, row: int) -> bytes:
        """One row as it was. Rows predicted from the one above are sums of columns: no need to undo them all."""
        stride = self._stride
        ways = self._data[: (row + 1) * stride : stride]
        if not ways.strip(b"\2"):
            start = 0
        else:
            start = ways.rfind(b"\0")
            if start < 0 or ways[start + 1 :].strip(b"\2"):
                return self._undone(row)
        end = (row + 1) * stride
        return bytes(_sum(self._data[start * stride + column : end : stride]) & 255 for column in range(1, stride))

    def _undone(self, row: int) -> bytes:
        if (row + 1) * self._stride > _UNDONE:
            raise MalformedError("its table of objects is packed in a way that is not read")
        lines = self._lines
        above = lines[-1] if lines else bytes(self._stride - 1)
        for at in range(len(lines) * self._stride, (row + 1) * self._stride, self._stride):
            self._spend(self._stride)
            way, line = self._data[at], bytearray(self._data[at + 1 : at + self._stride])
            for place, value in enumerate(line):
                left = line[place - 1] if place else 0
                corner = above[place - 1] if place else 0
                line[place] = (value + _guess(way, left, above[place], corner)) & 255
            above = bytes(line)
            lines.append(above)
        return lines[row]


def _sum(column: bytes) -> int:
    """Of all its bytes. The low half of Adler-32 is one more than their sum, as long as that is below 65,521."""
    return sum((zlib.adler32(column[at : at + 256]) & 0xFFFF) - 1 for at in range(0, len(column), 256))


def _guess(way: int, left: int, above: int, corner: int) -> int:
    """What PNG (RFC 2083, 6) predicts of a byte from its neighbours; a pixel is one byte here."""
    if way < 3:
        return (0, left, above)[way]
    if way == 3:
        return (left + above) // 2
    return min((left, above, corner), key=lambda near: abs(left + above - corner - near))


def _small(number: Object) -> int:
    if not isinstance(number, int) or not 0 <= number <= 8:
        raise MalformedError("its table of objects is broken")
    return number


def _plain(number: Object) -> int:
    if not isinstance(number, int) or not 0 <= number < 1 << 31:
        raise MalformedError("its table of objects is broken")
    return number
