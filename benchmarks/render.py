"""LIST answers as XML, at memory speed: hides the blocks of rendered entries that pages are cut from."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote_from_bytes
from xml.sax.saxutils import escape as xml_escape

from benchmarks.keys import KeySpace
from benchmarks.objects import Object, listed

_BLOCK: Final = 1000
_OPEN: Final = b"<Contents><Key>"
_ENTITIES: Final = {"&": b"&amp;", "<": b"&lt;", ">": b"&gt;"}

_PLAIN: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/\n"


class _Block:
    """The rendered entries of 1,000 keys, and where each begins, once somebody wants to know."""

    __slots__ = ("_offsets", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self._offsets: list[int] | None = None

    def part(self, first: int, stop: int) -> memoryview:
        if self._offsets is None:
            self._offsets = [found.start() for found in re.finditer(_OPEN, self.text)]
        ends = self._offsets[stop : stop + 1] or [len(self.text)]
        return memoryview(self.text)[self._offsets[first] : ends[0]]


def escape(names: list[bytes], *, encoded: bool) -> list[bytes]:
    """Names as they stand in XML, percent-encoded if that was asked for. A whole page is looked at at once.

    Shapes hold no line ends, nor percent signs.
    """
    text = b"\n".join(names)
    odd = set(text.translate(None, _PLAIN).decode())
    if encoded and text.isascii():
        for char in odd:
            text = text.replace(char.encode(), quote_from_bytes(char.encode()).encode())
    elif encoded:
        return [quote_from_bytes(name, safe="/~").encode() for name in names]
    else:
        for char in ("&", "<", ">"):
            text = text.replace(char.encode(), _ENTITIES[char])
    return text.split(b"\n") if names else []


def echoed(text: bytes, *, encoded: bool) -> bytes:
    """What a client sent, as it stands in the answer: any bytes at all."""
    if encoded:
        return quote_from_bytes(text, safe="/~").encode()
    return xml_escape(text.decode("utf-8", "replace")).encode()


class Renderer:
    """Entries of one key space. Rendered blocks of 1,000 are kept up to `cache_bytes`, the longest unused leave first."""

    def __init__(self, space: KeySpace, described: Sequence[Object], *, cache_bytes: int) -> None:
        """`described`: what the objects are, again and again."""
        self._space = space
        self._variety = len(described)
        self._tails = [listed(one) for one in described] * (1 + -(-_BLOCK // len(described)))
        self._blocks: OrderedDict[tuple[int, bool], _Block] = OrderedDict()
        self._room = cache_bytes

    def contents(self, indexes: Sequence[int], *, encoded: bool) -> list[bytes | memoryview]:
        """The <Contents> of these keys, as pieces to be written one behind the other."""
        if not isinstance(indexes, range):
            return [self._render([self._space.key(index)], index, encoded=encoded) for index in indexes]
        pieces: list[bytes | memoryview] = []
        start, stop = indexes.start, indexes.stop
        while start < stop:
            number, at = divmod(start, _BLOCK)
            end = min(at + stop - start, _BLOCK)
            block = self._block(number, encoded=encoded)
            pieces.append(block.text if end - at == _BLOCK else block.part(at, end))
            start += end - at
        return pieces

    def _block(self, number: int, *, encoded: bool) -> _Block:
        block = self._blocks.get((number, encoded))
        if block is not None:
            self._blocks.move_to_end((number, encoded))
            return block
        start = number * _BLOCK
        keys = self._space.keys(start, min(start + _BLOCK, self._space.count))
        block = _Block(self._render(keys, start, encoded=encoded))
        self._blocks[number, encoded] = block
        self._room -= len(block.text)
        while self._room < 0 and len(self._blocks) > 1:
            self._room += len(self._blocks.popitem(last=False)[1].text)
        return block

    def _render(self, keys: list[bytes], start: int, *, encoded: bool) -> bytes:
        names = escape(keys, encoded=encoded)
        first = start % self._variety
        pieces = [_OPEN] * (3 * len(names))
        pieces[1::3] = names
        pieces[2::3] = self._tails[first : first + len(names)]
        return b"".join(pieces)


def common_prefixes(prefixes: list[bytes], *, encoded: bool) -> bytes:
    names = escape(prefixes, encoded=encoded)
    return b"".join([b"<CommonPrefixes><Prefix>%s</Prefix></CommonPrefixes>" % name for name in names])
