"""The one commit point: a span goes into the catalog whole, behind the fence, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from config.database import db_now
from ingest.catalog import assets, shards
from ingest.catalog.assets import NO_RECORDS, Place, Records
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
        return {outcome: merged.get(outcome, self.outcomes.get(outcome, 0)) for outcome in OUTCOMES}

    def new(self) -> int:
        """Records of objects that were not known: rows that there are more of after the commit."""
        if len(self.records) == len(self.merged.changes):
            return self.merged.new.count(1)
        unknown = {key for key, new in zip(self.merged.changes.keys, self.merged.new, strict=True) if new}
        return sum(key in unknown for key in self.records.columns[0])

    def digest(self) -> bytes | None:
        """Of what was listed, if after the commit the catalog holds exactly that for this interval, and nothing needs a second look."""
        merged = self.merged
        left = merged.missing or merged.filtered or self.outcomes.get("failed") or self.outcomes.get("vanished")
        return None if left or not self.records.as_listed else merged.digest


def commit(
    tx: sa.Connection, shard: Shard, spans: Sequence[Span], *, place: Place, usage: Usage, lease_s: float
) -> Shard:
    """Write spans and return the shard as it is afterwards; each takes one `seq`. Raises FencedError before anything is written."""
    write = assets.bring(tx, (span.records for span in spans))
    moved = shards.advance(
        tx, shard, todo=left_after(shard.todo, spans), spans=len(spans), usage=usage, lease_s=lease_s
    )
    write(place, shard.run_id)
    assets.mark_missing(tx, place, shard.run_id, [key for span in spans for key in span.merged.missing])
    assets.mark_seen(tx, place, [key for span in spans for key in span.merged.seen_again])
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
    return moved


def left_after(todo: Sequence[Todo], spans: Sequence[Span]) -> tuple[Todo, ...]:
    """What is still to do once these are done. Raises ValueError if one was not to do: that would be a gap or an overlap."""
    for span in spans:
        todo = _without_span(todo, span)
    return tuple(todo)


def _without_span(todo: Sequence[Todo], span: Span) -> list[Todo]:
    done = span.merged.within
    left: list[Todo] = []
    found = False
    for source, part in todo:
        if source == span.source and _holds(part, done):
            found = True
            left.extend((source, piece) for piece in _without(part, done))
        else:
            left.append((source, part))
    if not found:
        raise ValueError(f"span {done} of source {span.source} is not among what is left to do: {todo}")
    return left


def _holds(outer: Range, inner: Range) -> bool:
    low = outer.lo is None or (inner.lo is not None and inner.lo >= outer.lo)
    high = outer.hi is None or (inner.hi is not None and inner.hi <= outer.hi)
    return low and high


def _without(outer: Range, inner: Range) -> list[Range]:
    pieces = []
    if inner.lo is not None and inner.lo != outer.lo:
        pieces.append(Range(outer.lo, inner.lo))
    if inner.hi is not None and inner.hi != outer.hi:
        pieces.append(Range(inner.hi, outer.hi))
    return pieces
