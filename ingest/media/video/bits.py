"""Bits of a short piece, one after the other; hides where in a byte one is."""

from __future__ import annotations

from typing import Final

from ingest.media.view import MalformedError

MOST: Final = 512
"""Bytes that are looked at: a parameter set is some dozens."""


class Bits:
    """Reads forwards. Raises MalformedError where there is nothing left."""

    __slots__ = ("_left", "_value")

    def __init__(self, held: bytes) -> None:
        held = held[:MOST]
        self._value = int.from_bytes(held)
        self._left = 8 * len(held)

    @property
    def left(self) -> int:
        """Bits that weren't read yet."""
        return self._left

    def take(self, count: int) -> int:
        """So many bits, the first one highest."""
        self._left -= count
        if self._left < 0:
            raise MalformedError("a parameter set is cut off")
        return self._value >> self._left & ((1 << count) - 1)

    def peek(self, count: int) -> int:
        """As `take`, but they stay. There must be so many."""
        return self._value >> (self._left - count) & ((1 << count) - 1)

    def ue(self) -> int:
        """Exp-Golomb, unsigned (ISO/IEC 14496-10, 9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 32:
                raise MalformedError("a parameter set is no such thing")
        return (1 << zeros) - 1 + (self.take(zeros) if zeros else 0)

    def se(self) -> int:
        """Exp-Golomb, signed."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)
