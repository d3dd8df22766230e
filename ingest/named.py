"""Working the objects that a job names: each is asked, and its answer compared with what is known of it; nothing is listed, and nothing
that was not named is ever taken for gone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import compress
from typing import Protocol

from ingest.catalog.assets import Place, records_of
from ingest.catalog.spans import Span
from ingest.compare import Merged
from ingest.known import KnownAsset
from ingest.listed import BROKEN, LOST, LookTools, broke, look_of, tell, wanted_in
from ingest.lister import Piece
from ingest.once import Once
from ingest.probe.hands import Hands
from ingest.probe.looking import ObjectSource, Probed
from ingest.probe.sighting import Name, NamedLook, sight_of, unread
from ingest.wanted import Wanted


@dataclass(slots=True)
class NamedMerged(Merged):
    """A span whose objects are still to be asked: until then each counts as a change."""

    rows: dict[bytes, KnownAsset] = field(default_factory=dict)
    """What is known of them, by key."""


class NamedTools(LookTools, Protocol):
    """What it is worked with. `ingest.pipeline.Tools` are such."""

    @property
    def open_named(self) -> Callable[[str], ObjectSource]: ...


class NamedWork:
    """Of one bucket or server."""

    def __init__(
        self, tools: NamedTools, place: Place, *, number: int, wanted: Wanted, group: asyncio.TaskGroup
    ) -> None:
        """`number`: of the source, in its run. Objects are asked as tasks of `group`."""
        self._tools, self._place, self._number, self._wanted = tools, place, number, wanted
        self._source = tools.open_named(place.bucket)
        self._once = Once()
        probe, steps = look_of(place, wanted, tools)
        look = NamedLook(
            sight=sight_of(wanted.depth, lambda key: tools.ranges.kind(place.bucket, key).length),
            probe=probe,
            steps=steps,
        )
        self._hands = Hands[Name, Probed](group, partial(self._ask, look), most=tools.limits.probes_at_once)

    async def begun(self, piece: Piece) -> AsyncGenerator[Merged]:
        """One span that is the whole piece, with what is known of its objects."""
        keys = piece.entries.keys
        rows = await self._tools.catalog.known_named(
            self._place, keys=keys, wanted=wanted_in(self._place.bucket, self._wanted, self._tools)
        )
        yield NamedMerged(
            piece.within,
            listed=len(keys),
            changes=piece.entries,
            new=bytes(key not in rows for key in keys),
            known=len(rows),
            rows=rows,
        )

    async def span(self, begun: Merged, *, check: Callable[[list[Probed]], None]) -> Span:
        """The span, once each object has answered. `check` raises if too many could not be reached."""
        assert isinstance(begun, NamedMerged), "what `begun` yields"
        results = await self._hands.each([Name(key, begun.rows.get(key)) for key in begun.changes.keys])
        check(results)
        tell(results, self._once, self._tools.veil)
        told = [result.outcome != "unchanged" for result in results]
        merged = replace(
            begun,
            changes=begun.changes.where(told),
            new=bytes(compress(begun.new, told)),
            unchanged=told.count(False),
        )
        return Span(
            source=self._number,
            merged=merged,
            records=records_of([result.asset for result in results if result.asset is not None]),
            outcomes=Counter(result.outcome for result in compress(results, told)),
        )

    async def _ask(self, look: Callable[[ObjectSource, Name], Awaitable[Probed]], name: Name) -> Probed:
        try:
            result = await look(self._source, name)
        except LOST as error:
            return unread(name, error)
        except BROKEN as error:
            return unread(name, broke(error, name.key, self._once))
        await self._tools.denials.seen(self._source, name.key, result.error)
        return result
