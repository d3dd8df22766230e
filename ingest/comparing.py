"""Compares what is listed of one source with the catalog: hides that it is read as often as a piece needs, and which kind of record it is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from ingest.catalog.assets import Place
from ingest.catalog.catalog import Catalog
from ingest.compare import Keep, Merged, merge, unchanged
from ingest.comparing_versions import compared_versions
from ingest.lister import Piece
from ingest.model import Range
from ingest.remembered import Remembered
from ingest.versions import VersionEntries
from ingest.wanted import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """Of one source of a run."""

    catalog: Catalog
    place: Place
    prefix: bytes
    wanted: Wanted
    keep: Keep
    remembered: Remembered
    known_rows: int
    """Rows that one span may be compared with."""
    span_bytes: int | None = None
    """Bytes of the changes of one span; see `merge`."""

    async def spans(self, piece: Piece, *, most: int) -> AsyncGenerator[Merged]:
        """Spans of at most `most` changes that tile the piece in key order, each compared with what the catalog knows of the same
        interval.
        """
        entries, left = piece.entries, piece.within
        if self.remembered.settles(entries, left):
            yield unchanged(entries, left)
            return
        if isinstance(entries, VersionEntries):
            read = partial(
                self.catalog.known_versions, self.place, prefix=self.prefix, wanted=self.wanted, limit=self.known_rows
            )
            async with aclosing(compared_versions(entries, left, read, keep=self.keep, most=most)) as spans:
                async for merged in spans:
                    yield merged
            return
        while True:
            known = await self.catalog.known(
                self.place, prefix=self.prefix, within=left, wanted=self.wanted, limit=self.known_rows
            )
            full = known.count == self.known_rows and known.last != left.hi
            # If more is known of this interval than one span may hold, the span ends at the last row read.
            within = Range(left.lo, known.last) if full else left
            inside = bisect_right(entries.keys, known.last) if full else len(entries)
            here, few = entries[:inside], self.span_bytes
            for merged in merge(here, known, within=within, keep=self.keep, most=most, most_bytes=few):
                yield merged
            if not full:
                return
            entries, left = entries[inside:], Range(within.hi, left.hi)
