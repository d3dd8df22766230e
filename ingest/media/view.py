"""One object's bytes as far as they are held; hides which ranges were fetched, and that a hostile file may lead in circles."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

STEPS: Final = 10_000
"""Reads of one file's header, each of about a microsecond. What needs more is no header: those known need less than 200."""
PIECE_MOST: Final = 1 << 20
"""Bytes that one read may ask for."""


class MoreNeededError(Exception):
    """These bytes are needed, and not held."""

    def __init__(self, first: int, length: int) -> None:
        super().__init__(f"bytes {first} to {first + length - 1}")
        self.first, self.length = first, length


class MalformedError(ValueError):
    """The bytes are not what they began as. Its message is a few words, and repeats no bytes of the object."""


class View:
    """Random access to an object of `size` bytes (None: nobody knows), of which some pieces are held.

    A parser reads what it needs where it needs it. What is not held raises MoreNeededError: somebody may fetch it, and call the
    parser again from the beginning with a view that holds it. What can't be there raises MalformedError.
    """

    __slots__ = ("_first", "_front", "_pieces", "_steps", "reach", "size")

    def __init__(self, size: int | None, pieces: Mapping[int, bytes], *, steps: int = STEPS) -> None:
        """`pieces`: by the place of their first byte."""
        self.size = size
        self._pieces = sorted(pieces.items())
        self._first = self._pieces[0][1] if self._pieces and self._pieces[0][0] == 0 else b""
        self._front = len(self._first)
        self._steps = steps
        self.reach = 0
        """One behind the last byte that was read."""

    def read(self, at: int, length: int) -> bytes:
        """Exactly so many bytes. Raises MoreNeededError, MalformedError."""
        self._steps -= 1
        end = at + length
        if 0 <= at <= end <= self._front and self._steps >= 0:
            self.reach = max(self.reach, end)
            return self._first[at:end]
        piece, start = self._piece(at, length)
        return piece[start : start + length]

    def unpack(self, form: str, at: int) -> tuple[Any, ...]:
        """As `struct.unpack_from`. Raises as `read` does."""
        packed = _struct(form)
        self._steps -= 1
        end = at + packed.size
        if at >= 0 and end <= self._front and self._steps >= 0:
            self.reach = max(self.reach, end)
            return packed.unpack_from(self._first, at)
        piece, start = self._piece(at, packed.size)
        return packed.unpack_from(piece, start)

    def spend(self, steps: int) -> None:
        """Counts work that costs as much as so many reads. Raises MalformedError when all are spent."""
        self._steps -= steps
        if self._steps < 0:
            raise MalformedError("it has too many parts")

    def held(self, at: int, most: int | None = None) -> bytes:
        """What is held from there on, of that at most so much; perhaps nothing. Raises nothing. All of it is costly to copy."""
        for first, piece in self._pieces:
            if first <= at < first + len(piece):
                end = len(piece) if most is None else at - first + most
                return piece[at - first : end]
        return b""

    def upto(self, at: int, most: int) -> bytes:
        """So many bytes, or as many as the object has there. Raises as `read` does."""
        if self.size is None:
            found = self.held(at, most)
            if not found and most > 0:
                raise MoreNeededError(at, most)
            return found
        return self.read(at, max(0, min(most, self.size - at)))

    def tail(self, most: int) -> tuple[int, bytes]:
        """The last bytes of the object, and where they begin. Raises as `read` does."""
        if self.size is None:
            raise MalformedError("its size is unknown, so its end can't be found")
        at = max(0, self.size - most)
        return at, self.read(at, self.size - at)

    def _piece(self, at: int, length: int) -> tuple[bytes, int]:
        if self._steps < 0:
            raise MalformedError("it has too many parts")
        if at < 0 or length < 0 or length > PIECE_MOST or (self.size is not None and at + length > self.size):
            raise MalformedError("it points outside itself")
        if not length:
            return b"", 0
        for first, piece in self._pieces:
            if first <= at and at + length <= first + len(piece):
                self.reach = max(self.reach, at + length)
                return piece, at - first
        raise MoreNeededError(at, length)


@lru_cache(maxsize=256)
def _struct(form: str) -> struct.Struct:
    return struct.Struct(form)
