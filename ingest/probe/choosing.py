"""Which probe a job's wants amount to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from config.errors import JobError
from ingest.catalog.assets import Asset
from ingest.model import Entry
from ingest.probe.content import Bodies, ContentProbe
from ingest.probe.first_ranges import FirstRanges
from ingest.probe.head import head
from ingest.probe.looking import ObjectSource, Probe
from ingest.probe.media import MediaProbe
from ingest.probe.pictures import can_decode
from ingest.wanted import Wanted


def probe_of(wanted: Wanted, bucket: str, *, ranges: FirstRanges, bodies: Bodies) -> Probe:
    """What looks at the objects of one bucket. Nothing does at depth `list`. Raises JobError for what this machine can't do."""
    if wanted.depth == "head":
        return head
    if wanted.perceptual_hash and not can_decode():
        why = "perceptual_hash needs Pillow on every worker: install longshore[images], or ask without"
        raise JobError(f"the job can't be used: {why}", code="BadJob")
    if wanted.depth == "content":
        return ContentProbe(bodies, perceptual_hash=wanted.perceptual_hash)
    return MediaProbe(bucket, ranges)


def unless_read(probe: Probe, has_read: Callable[[Entry], Awaitable[bool]]) -> Probe:
    """`probe`, but of what was read before, and is the same, the headers alone: something else of it is missing, such as a copy."""

    async def look(source: ObjectSource, entry: Entry) -> Asset:
        return await (head if await has_read(entry) else probe)(source, entry)

    return look
