"""Elements of EBML (RFC 8794); hides numbers of variable length, and that a payload is never read to pass it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from ingest.media.view import MalformedError, MoreNeededError, View

MOST: Final = 2048
"""Elements within one, as far as they are walked."""
_WISH: Final = 16 << 10
"""Bytes asked for where a header of at most 12 is wanted."""
_ENDLESS: Final = 1 << 62


class Element(NamedTuple):
    """One element: its ID with its marker, and its payload from `body` to `end`."""

    id: int
    at: int
    body: int
    end: int
    unknown: bool
    """Whether its size isn't said: then it seems to go on to the end of what it lies in."""


def elements(view: View, first: int, end: int | None = None, *, wish: int = _WISH) -> Iterator[Element]:
    """The elements from `first` to `end` (None: the end of the object), in order; reads their headers only.

    One that says it is longer than what it lies in ends there. Raises MoreNeededError, MalformedError.
    """
    last = end if end is not None else view.size if view.size is not None else _ENDLESS
    at = first
    for _ in range(MOST):
        if at + 2 > last:
            return
        element = _element(view, at, last, wish)
        yield element
        at = element.end
    raise MalformedError("it has too many elements")


def unsigned(view: View, element: Element) -> int:
    """An unsigned integer. Raises MoreNeededError, MalformedError."""
    return int.from_bytes(_payload(view, element, 8))


def real(view: View, element: Element) -> float:
    """A floating point number of 0, 4 or 8 bytes."""
    held = _payload(view, element, 8)
    if len(held) not in {0, 4, 8}:
        raise MalformedError("a number has a length that numbers don't have")
    return float(struct.unpack(">d" if len(held) == 8 else ">f", held)[0]) if held else 0.0


def text(view: View, element: Element) -> str:
    """A short text, without the NULs it may end with."""
    return _payload(view, element, 64).split(b"\0")[0].decode("latin-1")


def binary(view: View, element: Element, most: int) -> bytes:
    """Its first bytes, at most so many."""
    return view.read(element.body, min(most, element.end - element.body))


def _payload(view: View, element: Element, most: int) -> bytes:
    if element.end - element.body > most:
        raise MalformedError("a number or a word is too long")
    return view.read(element.body, element.end - element.body)


def _element(view: View, at: int, last: int, wish: int) -> Element:
    try:
        head = view.read(at, min(12, last - at))
    except MoreNeededError as more:
        if view.size is None and (held := view.held(at, 12)) and len(held) < 12:
            head = held
        else:
            length = max(wish, more.length)
            raise MoreNeededError(at, length if view.size is None else min(length, view.size - at)) from None
    id_length = 9 - head[0].bit_length()
    if id_length > 4 or len(head) <= id_length:
        raise MalformedError("an element has no ID")
    size_length = 9 - head[id_length].bit_length()
    body = id_length + size_length
    if size_length > 8 or len(head) < body:
        raise MalformedError("an element has no size")
    marker = 1 << 7 * size_length
    size = int.from_bytes(head[id_length:body]) - marker
    unknown = size == marker - 1
    stop = last if unknown else min(at + body + size, last)
    return Element(int.from_bytes(head[:id_length]), at, at + body, stop, unknown)
