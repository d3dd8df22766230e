"""Looks again at a run that has ended: whether the catalog still holds what its certificate says, as far as that can be told."""

from __future__ import annotations

from dataclasses import dataclass

from config.errors import LongshoreError
from ingest.catalog.assets import prefix_end
from ingest.catalog.closings import Closings
from ingest.catalog.runs import REFUTED, Run, Totals
from ingest.certificate import Audit, Certificate, Marks, Tile
from ingest.closing import audited
from ingest.job import PrefixSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found now."""

    certificate: Certificate
    spans_purged: bool
    """The run committed spans, and none of them is kept any more."""
    whole: bool
    """Whether the run listed all that was asked; if not, what it committed was looked at."""

    @property
    def holds(self) -> bool:
        """Whether everything that can be told agrees, and something can."""
        return self.certificate.holds and not self.spans_purged and not self.superseded

    @property
    def superseded(self) -> bool:
        """A later run listed all of it again: no row is this one's any more."""
        return self.certificate.holds and 0 < self.certificate.spans == self.certificate.superseded


async def verified(closings: Closings, run: Run, totals: Totals) -> Verified:
    """Recount a run that has ended. Raises LongshoreError if it has not.

    Where a later run has been, the rows are that one's: of those spans the counts are looked at, and not the rows. A later run may
    begin meanwhile; then it is looked at anew, so that what that one does is not taken for a fault.
    """
    if not run.ended:
        raise LongshoreError(
            f"run {run.id} is {run.state}; it can be verified once it has ended: `longshore runs watch {run.id}`"
        )
    whole = run.state in ("complete", "partial", "needs_confirmation") or run.error_code == REFUTED
    later = await closings.later_sources(run)
    while True:
        audit = Audit(
            run_id=run.id,
            sources=run.sources,
            asked=run.asked,
            marks=_marks(run),
            whole=whole,
            superseded=_Superseded(run.sources, tuple(later)),
        )
        certificate = await audited(closings, run, audit)
        assert certificate is not None, "nobody stops it"
        before, later = later, await closings.later_sources(run)
        if certificate.holds or later == before:
            break
    committed = (run.certificate or {}).get("spans", 0) or totals.listed or totals.missing
    purged = bool(committed) and not certificate.spans
    return Verified(certificate=Certificate() if purged else certificate, spans_purged=purged, whole=whole)


def _marks(run: Run) -> Marks:
    if run.state in ("complete", "partial"):
        return "rejected" if run.decision == "rejected" else "removed"
    stand = run.state == "needs_confirmation" or run.error_code == REFUTED
    return "stand" if stand else "broken off"


@dataclass(frozen=True, slots=True)
class _Superseded:
    """Whether a later run may have written rows of a span."""

    sources: tuple[PrefixSource, ...]
    later: tuple[PrefixSource, ...]

    def __call__(self, tile: Tile) -> bool:
        source = self.sources[tile.source]
        return any(_meets(tile, other) for other in self.later if source.meets(other))


def _meets(tile: Tile, other: PrefixSource) -> bool:
    """Whether the tile has a key that may begin with the other's prefix. Both lie in one bucket."""
    end = prefix_end(other.prefix)
    reaches = tile.hi is None or tile.hi >= other.prefix
    return reaches and (tile.lo is None or end is None or tile.lo < end)
