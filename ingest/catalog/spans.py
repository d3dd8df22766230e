"""The one commit point: a span goes into the catalog whole, behind the fence, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from config.database import db_now
from ingest.catalog import assets, handing, shards
from ingest.catalog.assets import NO_RECORDS, Place, Records
from ingest.catalog.handing import Gift
from ingest.catalog.shards import Shard, Todo, Usage
from ingest.catalog.tables import OUTCOMES
from ingest.catalog.tables import spans as table
from ingest.compare import Merged
from ingest.model import Range


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A tile of a range, compared and probed, ready to commit."""

    source: int
    merged: Merged
    records: Records = NO_RECORDS
    """In key order."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """Of the changes: vanished, archived, failed, changed, added. Filtered and unchanged are counted in `merged`."""

    def counts(self) -> dict[str, int]:
        """Entries by outcome; they add up to what was listed."""
        merged = {"filtered": self.merged.filtered, "unchanged": self.merged.unchanged}
        counts = {outcome: merged.get(outcome, self.outcomes.get(outcome, 0)) for outcome in OUTCOMES}
        counts["changed"] += len(self.merged.relabelled)
        return counts

    def rows(self) -> int:
        """How many it writes."""
        return len(self.records) + len(self.merged.missing) + len(self.merged.relabelled)

    def new(self) -> int:
        """Records of objects that were not known: rows that there are more of after the commit."""
        if len(self.records) == len(self.merged.changes):
            return self.merged.new.count(1)
        unknown = {name for name, new in zip(self.merged.changes.names(), self.merged.new, strict=True) if new}
        return sum(name in unknown for name in self.records.names())

    def digest(self) -> bytes | None:
        """Of what was listed, if after the commit the catalog holds exactly that for this interval, and nothing needs a second look."""
        merged = self.merged
        left = merged.missing or merged.filtered or self.outcomes.get("failed") or self.outcomes.get("vanished")
        return None if left or not self.records.as_listed else merged.digest


def commit(
    tx: sa.Connection,
    shard: Shard,
    spans: Sequence[Span],
    *,
    place: Place,
    usage: Usage,
    lease_s: float,
    gifts: Sequence[Gift] = (),
) -> Shard:
    """Write spans, hand `gifts` over as shards of their own, and return the shard as it is afterwards.

    Each span takes one `seq`, and all gifts together one more. Raises FencedError before anything is written.
    """
    write = assets.bring(tx, (span.records for span in spans))
    left = left_after(shard.todo, spans, gifts)
    moved = shards.advance(tx, shard, todo=left, steps=steps(spans, gifts), usage=usage, lease_s=lease_s)
    if gifts:
        handing.hand_over(tx, shard, gifts)
    if spans:
        write(place, shard.run_id)
        _note(tx, shard, spans, place)
    return replace(moved, idle=max(0, moved.idle - len(gifts)))


def steps(spans: Sequence[Span], gifts: Sequence[Gift]) -> int:
    """By how much a commit of these raises `seq`."""
    return len(spans) + bool(gifts)


def _note(tx: sa.Connection, shard: Shard, spans: Sequence[Span], place: Place) -> None:
    merged = [span.merged for span in spans]
    gone, ids = [key for one in merged for key in one.missing], [name for one in merged for name in one.missing_ids]
    assets.mark_missing(tx, place, shard.run_id, gone, ids)
    again, ids = (
        [key for one in merged for key in one.seen_again],
        [name for one in merged for name in one.seen_again_ids],
    )
    assets.mark_seen(tx, place, again, ids)
    assets.relabel(tx, place, shard.run_id, [label for one in merged for label in one.relabelled])
    tx.execute(
        sa.insert(table).values(committed_at=db_now()),
        [
            {
                "shard_id": shard.id,
                "seq": seq,
                "run_id": shard.run_id,
                "source": span.source,
                "lo": span.merged.within.lo,
                "hi": span.merged.within.hi,
                "listed": span.merged.listed,
                "known": span.merged.known,
                "missing": len(span.merged.missing),
                "new": span.new(),
                "digest": span.digest(),
                **span.counts(),
            }
            for seq, span in enumerate(spans, start=shard.seq + 1)
        ],
    )


def left_after(todo: Sequence[Todo], spans: Sequence[Span], gifts: Sequence[Gift] = ()) -> tuple[Todo, ...]:
    """What is still to do here once these are done, and others have those. Raises ValueError if one was not to do: that would be a
    gap or an overlap.
    """
    for span in spans:
        todo = _without(todo, span.source, span.merged.within)
    for gift in gifts:
        for source, part in gift:
            todo = _without(todo, source, part)
    return tuple(todo)


def _without(todo: Sequence[Todo], from_source: int, done: Range) -> list[Todo]:
    left: list[Todo] = []
    found = False
    for source, part in todo:
        if source == from_source and _holds(part, done):
            found = True
            left.extend((source, piece) for piece in _outside(part, done))
        else:
            left.append((source, part))
    if not found:
        raise ValueError(f"{done} of source {from_source} is not among what is left to do: {todo}")
    return left


def _holds(outer: Range, inner: Range) -> bool:
    low = outer.lo is None or (inner.lo is not None and inner.lo >= outer.lo)
    high = outer.hi is None or (inner.hi is not None and inner.hi <= outer.hi)
    return low and high


def _outside(outer: Range, inner: Range) -> list[Range]:
    pieces = []
    if inner.lo is not None and inner.lo != outer.lo:
        pieces.append(Range(outer.lo, inner.lo))
    if inner.hi is not None and inner.hi != outer.hi:
        pieces.append(Range(inner.hi, outer.hi))
    return pieces
