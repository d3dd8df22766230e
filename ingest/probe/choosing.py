"""Which probe a job's wants amount to."""

from __future__ import annotations

from ingest.probe.first_ranges import FirstRanges
from ingest.probe.head import head
from ingest.probe.looking import Probe
from ingest.probe.media import MediaProbe
from ingest.wanted import Wanted


def probe_of(wanted: Wanted, bucket: str, *, ranges: FirstRanges) -> Probe:
    """What looks at the objects of one bucket. Nothing does at depth `list`."""
    if wanted.depth == "head":
        return head
    return MediaProbe(bucket, ranges)
