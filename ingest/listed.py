"""Looking at what was listed and compared: each change is probed, and what comes of it is a span."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import structlog

from config.errors import LongshoreError, ProtocolError, SourceError, SourceUnavailableError
from config.limits import Limits
from ingest.catalog.assets import Place, records_of
from ingest.catalog.catalog import Catalog
from ingest.catalog.spans import Span
from ingest.compare import Merged
from ingest.copy_place import CopyPlace
from ingest.denials import Denials
from ingest.once import Once
from ingest.probe.choosing import probe_of, unless_read
from ingest.probe.content import Bodies
from ingest.probe.first_ranges import FirstRanges
from ingest.probe.hands import Hands
from ingest.probe.head import unprobed
from ingest.probe.looking import Change, Probe, Probed, Step, failed, look
from ingest.probe.one_version import VersionSource, source_of
from ingest.probe.records import is_settled
from ingest.s3.errors import shown
from ingest.versions import labels_of
from ingest.wanted import Wanted

log = structlog.get_logger(__name__)

Veil = Callable[[LongshoreError], LongshoreError]
"""Makes of an error what the run's workspace may read."""
LOST = (SourceUnavailableError, ProtocolError)
"""A probe that ended so says nothing of the object."""


BROKEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What an answer that nobody thought of may make us raise: it is told, and costs that object alone."""


def broke(error: Exception, key: bytes, once: Once) -> SourceError:
    """Tells the log of it, once for each place in the code."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    if once.first((where.filename, where.lineno, type(error))):
        log.error("a probe broke: please report it", key=shown(key), exc_info=error)
    return SourceError(
        f"something unexpected broke the probe: {type(error).__name__}; the log has more", code="Internal"
    )


def tell(results: Sequence[Probed], once: Once, veil: Veil) -> None:
    """Tells the log why objects failed: the first one of each code."""
    for error in (result.error for result in results if result.error is not None):
        if once.first(error.code):
            log.warning(
                "an object failed; of others with this code, only the record tells",
                code=error.code,
                reason=veil(error).message,
            )


class LookTools(Protocol):
    """What objects are looked at with. `ingest.pipeline.Tools` are such."""

    @property
    def catalog(self) -> Catalog: ...
    @property
    def denials(self) -> Denials: ...
    @property
    def ranges(self) -> FirstRanges: ...
    @property
    def bodies(self) -> Bodies: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def veil(self) -> Veil: ...
    @property
    def steps(self) -> Callable[[str], list[Step]]: ...
    @property
    def copies(self) -> CopyPlace | None: ...


class ListedWork:
    """Of one source."""

    def __init__(
        self,
        tools: LookTools,
        source: VersionSource,
        place: Place,
        *,
        number: int,
        wanted: Wanted,
        group: asyncio.TaskGroup,
    ) -> None:
        """`number`: of the source, in its run. Objects are probed as tasks of `group`."""
        self._tools, self._source, self._number, self._wanted = tools, source, number, wanted
        self._once = Once()
        probe = partial(self._look, *look_of(place, wanted, tools))
        self._hands = Hands[Change, Probed](group, probe, most=tools.limits.probes_at_once)

    async def span(self, merged: Merged, *, check: Callable[[list[Probed]], None]) -> Span:
        """The span, once each of its changes was looked at. `check` raises if too many could not be reached."""
        if self._wanted.depth == "list":
            records, outcomes = unprobed(merged)
            return Span(source=self._number, merged=merged, records=records, outcomes=outcomes)
        results = await self._hands.each(list(map(Change, merged.changes, merged.new)))
        check(results)
        tell(results, self._once, self._tools.veil)
        found = [result.asset is not None for result in results]
        merged.lose(found)
        assets = [result.asset for result in results if result.asset is not None]
        as_listed = all(map(is_settled, assets, merged.changes))  # if one vanished, nothing is remembered anyway
        if self._wanted.tags and any(asset.tags is None for asset in assets):
            as_listed = False  # they were denied: the next run asks again
        return Span(
            source=self._number,
            merged=merged,
            records=records_of(assets, as_listed=as_listed, labels=labels_of(merged.changes.where(found))),
            outcomes=Counter(result.outcome for result in results),
        )

    async def _look(self, probe: Probe, steps: list[Step], change: Change) -> Probed:
        source = source_of(self._source, change.entry)
        try:
            result = await look(source, change, probe=probe, steps=steps)
        except LOST as error:
            return failed(change, error)
        except BROKEN as error:
            return failed(change, broke(error, change.entry.key, self._once))
        await self._tools.denials.seen(source, change.entry.key, result.error)
        return result


def look_of(place: Place, wanted: Wanted, tools: LookTools) -> tuple[Probe, list[Step]]:
    """What is asked of each object of a bucket, and what is done besides."""
    probe = probe_of(wanted, place.bucket, ranges=tools.ranges, bodies=tools.bodies)
    steps = tools.steps(place.bucket)
    if steps and wanted.depth in ("media", "content"):
        probe = unless_read(probe, partial(tools.catalog.has_read, place, wanted=wanted))
    return probe, steps


def wanted_in(bucket: str, wanted: Wanted, tools: LookTools) -> Wanted:
    """What a record of this bucket must cover."""
    return wanted if tools.copies is None else wanted._replace(copy_to=tools.copies.begin(bucket))
