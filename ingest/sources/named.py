"""The objects that a job names, as pieces to be worked on, where a listing would bring them; hides that nothing is asked for them. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Self

from ingest.lister import Chunk, Piece
from ingest.model import Entries, Range
from ingest.naming import Named

_BLANK: Final = ("0", "", "", "", "", "")
"""What is known of an object before it is asked: size, ETag and so on."""


class NamedPieces:
    """Pieces that tile the ranges to do, each with so many keys. See `ingest.lister.Lister`."""

    def __init__(self, named: Named, todo: Sequence[Range], *, keys: int) -> None:
        """`keys`: that one piece holds at most."""
        self._todo = list(todo)
        self._waiting = deque(piece for part in todo for piece in _cut(named, part, keys))

    @asynccontextmanager
    async def started(self) -> AsyncGenerator[Self]:
        yield self

    async def next(self) -> Piece | None:
        """The next piece; None when there is no more."""
        return self._waiting.popleft() if self._waiting else None

    @property
    def has_spread(self) -> bool:
        return True

    def offers(self, shares: int, *, listed: bool) -> tuple[list[Chunk], float]:
        """What nobody has begun."""
        del shares, listed
        return [
            Chunk(within=piece.within, keys=len(piece.entries), let_go=partial(self._waiting.remove, piece))
            for piece in self._waiting
        ], 0.0

    def joined(self, parts: Iterable[Range]) -> list[Range]:
        """Ranges in order, as few as tell the same and are each part of one that was to do."""
        begins = {part.lo for part in self._todo}
        found: list[Range] = []
        for part in sorted(parts, key=lambda one: one.lo or b""):
            if found and found[-1].hi == part.lo and part.lo not in begins:
                found[-1] = Range(found[-1].lo, part.hi)
            else:
                found.append(part)
        return found


def _cut(named: Named, part: Range, most: int) -> list[Piece]:
    """A range in pieces that hold so many keys each; one without any if it holds none."""
    keys, pieces, lo = named.within(part), list[Piece](), part.lo
    for first in range(0, len(keys) or 1, most):
        some = keys[first : first + most]
        hi = part.hi if first + most >= len(keys) else some[-1]
        blanks = [[blank] * len(some) for blank in _BLANK]
        pieces.append(Piece(within=Range(lo, hi), entries=Entries((list(some), *blanks))))  # type: ignore[arg-type]  # a column for each field
        lo = hi
    return pieces
