"""What an owner gives away when others are idle: hides how what is left is weighed and dealt out. No I/O.

What is being probed or committed stays. The rest is dealt out so that everybody has about as much: listed pieces, whose keys are
counted, and ranges that nobody has listed yet, whose keys are estimated.
"""

from __future__ import annotations

import heapq
import time
from bisect import bisect_right
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

from config.limits import Limits
from ingest.catalog.handing import Gift
from ingest.compare import Merged
from ingest.job import Depth
from ingest.lister import Chunk, Piece, PieceSource
from ingest.model import Range

_RAMP_S: Final = 1.0
"""While the listing spreads, estimates are poor; nothing is given away before its streams are busy or this long has passed."""
_DEEP: Final = 4
"""Keys of one span for each probe in flight."""
_CHUNKS: Final = 64
"""Things dealt out for each share; more are dealt in heaps of neighbours, so that nobody's list of ranges grows without end."""


def deal(chunks: Sequence[Chunk], *, kept: float, shares: int, least: float) -> list[list[Chunk]]:
    """What to give to whom: as many lists as there are shares that hold `least` keys, each about as much as stays here.

    `kept`: keys that stay here in any case.
    """
    total = kept + sum(chunk.keys for chunk in chunks)
    shares = min(shares, int(total / least) - 1)
    if shares < 1:
        return []
    hands: list[tuple[float, int, list[Chunk]]] = [(kept, 0, []), *((0.0, number + 1, []) for number in range(shares))]
    heapq.heapify(hands)
    for keys, heap in sorted(_heaps(chunks, most=_CHUNKS * (shares + 1)), key=lambda one: -one[0]):
        holds, number, mine = hands[0]
        mine += heap
        heapq.heapreplace(hands, (holds + keys, number, mine))
    return [mine for holds, number, mine in hands if number and holds >= least]


def _heaps(chunks: Sequence[Chunk], *, most: int) -> list[tuple[float, list[Chunk]]]:
    """With the keys of each; neighbours together if there are too many."""
    ordered = sorted(chunks, key=lambda chunk: chunk.within.lo or b"")
    size = -(-len(ordered) // most)
    heaps = [ordered[start : start + size] for start in range(0, len(ordered), size or 1)]
    return [(sum(chunk.keys for chunk in heap), heap) for heap in heaps]


class Held:
    """A piece that is worked on, span by span, in key order: what of it has not begun may be given away."""

    def __init__(self, piece: Piece) -> None:
        self._piece = piece
        self._lo, self._hi = piece.within.lo, piece.within.hi
        self._at_work = 0
        """Keys of the span that began last."""
        self._begun = self._ended = False

    @property
    def left(self) -> Piece | None:
        """What has not begun; None if that is nothing."""
        if self._ended:
            return None
        if not self._begun and self._hi == self._piece.within.hi:
            return self._piece
        keys = self._piece.entries.keys
        start = 0 if self._lo is None else bisect_right(keys, self._lo)
        stop = len(keys) if self._hi is None else bisect_right(keys, self._hi)
        return type(self._piece)(within=Range(self._lo, self._hi), entries=self._piece.entries[start:stop])

    def begins(self, merged: Merged) -> bool:
        """Whether work on this span may begin. No: some of it has been given away since it was compared, so what is left must be anew."""
        hi = merged.within.hi
        if self._hi is not None and (hi is None or hi > self._hi):
            return False
        self._lo, self._begun, self._ended, self._at_work = hi, True, hi == self._hi, merged.listed
        return True

    def offer(self, shares: int) -> tuple[Chunk | None, int]:
        """What may be given away of it, so that one part of shares + 1 stays; and how many keys stay."""
        left = self.left if self._begun and self._piece.entries.is_read else None
        if left is None:
            return None, self._at_work if self._begun else len(self._piece.entries)
        count = len(left.entries)
        stays = -(-count // (shares + 1))
        if stays == count:
            return None, self._at_work + count
        far = Range(left.entries.keys[stays - 1], left.within.hi)
        return Chunk(within=far, keys=count - stays, let_go=lambda: self._let_go(far)), self._at_work + stays

    def _let_go(self, far: Range) -> None:
        self._hi = far.lo


class Giver:
    """One source of a shard, as far as it may be given away."""

    def __init__(self, *, source: int, lister: PieceSource, depth: Depth, limits: Limits) -> None:
        self._source, self._lister = source, lister
        self._probes = depth != "list"
        """If so, a listed key is work to be done; else the work was to list it."""
        self.span_keys = min(limits.span_probes, _DEEP * limits.probes_at_once) if self._probes else limits.page_keys
        """Changes that one span holds at most. What has begun can't be given away, so where few are probed at once it is few."""
        self._least = limits.give_spans * self.span_keys
        self._desk: list[Held] = []
        self._began = time.monotonic()

    @contextmanager
    def holding(self, piece: Piece) -> Generator[Held]:
        """Work on a piece."""
        held = Held(piece)
        self._desk.append(held)
        try:
            yield held
        finally:
            self._desk.remove(held)

    def gifts(self, idle: int) -> list[Gift]:
        """One for each of so many idle workers, as far as there is enough to do; they are not worked on here from now on."""
        if idle < 1 or not (self._lister.has_spread or time.monotonic() - self._began > _RAMP_S):
            return []
        chunks, kept = self._lister.offers(idle, listed=self._probes)
        if self._probes:
            offers = [held.offer(idle) for held in self._desk]
            chunks += [chunk for chunk, _ in offers if chunk is not None]
            kept += sum(stays for _, stays in offers)
        given = deal(chunks, kept=kept, shares=idle, least=self._least)
        for chunk in [chunk for share in given for chunk in share]:
            chunk.let_go()
        ranges = [self._lister.joined([chunk.within for chunk in share]) for share in given]
        return [tuple((self._source, part) for part in share) for share in ranges]
