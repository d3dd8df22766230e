"""What the last run saw of a source, page by page: hides how a page is known again before it is read. No I/O.

A span that is a whole page, and left nothing to do, keeps the digest of that page. No row of it has been written since if no later run
has been there, so a page with the same bytes is unchanged. And where pages ended, a listing can be cut at no cost.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from ingest.model import Entries, Range, Seen


class Tile(NamedTuple):
    """One span of that run."""

    lo: bytes | None
    hi: bytes | None
    listed: int
    digest: bytes | None
    """None: it is no whole page, or something of it needs a second look, or was filtered."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Where a listing may begin anew."""

    ends: Sequence[bytes] = ()
    """Pages ended here, in order."""
    short: Sequence[bytes] = ()
    """Those of them where the page was not full: a stream that goes past them is out of step with what is remembered."""

    def apart(self, part: Range) -> list[Range]:
        """The range, cut where pages were short."""
        first = 0 if part.lo is None else bisect_right(self.short, part.lo)
        stop = len(self.short) if part.hi is None else bisect_left(self.short, part.hi)
        return [Range(lo, hi) for lo, hi in pairwise([part.lo, *self.short[first:stop], part.hi])]


@dataclass(frozen=True, slots=True)
class Remembered:
    """One source as the last run saw it."""

    pages: Mapping[bytes | None, Seen] = field(default_factory=dict)
    """By the key that they begin behind."""
    cuts: Cuts = Cuts()

    def settles(self, entries: Entries, within: Range) -> bool:
        """Whether exactly these entries were seen there, and nothing was left to do."""
        seen = self.pages.get(within.lo)
        return seen is not None and (seen.hi, seen.digest) == (within.hi, entries.digest)


def remember(tiles: Iterable[Tile], *, page_keys: int) -> Remembered:
    """Of one run's spans, in key order."""
    pages: dict[bytes | None, Seen] = {}
    ends: list[bytes] = []
    short: list[bytes] = []
    held, end = 0, None
    for tile in tiles:
        if tile.digest is not None and tile.hi is not None:
            pages[tile.lo] = Seen(tile.hi, tile.listed, tile.digest)
        if end is not None and held + tile.listed > page_keys:
            ends.append(end)
            if held < page_keys:
                short.append(end)
            held = 0
        held, end = held + tile.listed, tile.hi
    return Remembered(pages, Cuts(ends, short))


NOTHING = Remembered()
