"""The merge, for versions: what a listing says of them beside what the catalog knows, by key and version ID, in spans of whole keys.

What changes of a version is seldom more than whether it is the latest. That costs no probe: of its record, nothing else is written.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, Awaitable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from ingest.compare import Keep, Merged
from ingest.model import Entry, Fingerprint, Range
from ingest.versions import Name, VersionEntries

_UNCHANGED, _CHANGED, _ADDED, _FILTERED, _FILTERED_KNOWN, _SEEN_AGAIN, _RELABELLED = range(7)
_KNOWN: Final = (_UNCHANGED, _CHANGED, _FILTERED_KNOWN, _SEEN_AGAIN, _RELABELLED)


class KnownVersion(NamedTuple):
    """What is known of one version. Never a removed one."""

    fingerprint: Fingerprint
    latest: bool
    unsettled: bool = False
    """It is in a state, or of a depth, that needs a second look even if it is unchanged."""
    missing: bool = False
    """An earlier run did not see it."""


@dataclass(frozen=True, slots=True)
class KnownVersions:
    """The versions of an interval, all of each key."""

    rows: dict[Name, KnownVersion]
    """In the order of keys."""
    upto: bytes | None = None
    """The interval was not read beyond this key; None: it was read to its end."""


class ReadVersions(Protocol):
    """Reads what is known of an interval, or of its beginning."""

    def __call__(self, *, within: Range) -> Awaitable[KnownVersions]: ...


async def compared_versions(
    entries: VersionEntries, within: Range, read: ReadVersions, *, keep: Keep = None, most: int
) -> AsyncGenerator[Merged]:
    """Spans that tile `within` in key order, each compared with what is known of the same interval. Use it under `aclosing`."""
    more = True
    while more:
        known = await read(within=within)
        more = known.upto not in (None, within.hi)
        part = Range(within.lo, known.upto) if more else within
        inside = bisect_right(entries.keys, known.upto) if more and known.upto is not None else len(entries)
        for merged in merge_versions(entries[:inside], known, within=part, keep=keep, most=most):
            yield merged
        entries, within = entries[inside:], Range(part.hi, within.hi)


def merge_versions(
    entries: VersionEntries, known: KnownVersions, *, within: Range, keep: Keep = None, most: int
) -> Iterator[Merged]:
    """Compare, in spans that tile `within` in key order. Each holds at most `most` changes, or else one key only.

    `entries` and `known` lie in `within`, and have all versions of each key.
    """
    rows = dict(known.rows)
    verdicts = [
        _verdict(entry, fingerprint, rows.pop((entry.key, entry.version_id), None), keep)
        for entry, fingerprint in zip(entries, entries.fingerprints(), strict=True)
    ]
    gone, missed, lo = list(rows), 0, within.lo
    ends = _ends(entries, verdicts, most)
    for (start, stop), is_last in zip(ends, [*[False] * (len(ends) - 1), True], strict=True):
        hi = within.hi if is_last else entries.keys[stop - 1]
        behind = len(gone) if is_last else bisect_right(gone, hi, key=lambda name: name[0])
        yield _span(entries[start:stop], verdicts[start:stop], Range(lo, hi), gone[missed:behind])
        lo, missed = hi, behind


def _verdict(entry: Entry, fingerprint: Fingerprint, row: KnownVersion | None, keep: Keep) -> int:
    if keep is not None and not keep(entry.key):
        return _FILTERED if row is None else _SEEN_AGAIN if row.missing else _FILTERED_KNOWN
    if row is None:
        return _ADDED
    if row.unsettled or row.fingerprint != fingerprint:
        return _CHANGED
    return _UNCHANGED if row.latest == entry.is_latest else _RELABELLED


def _ends(entries: VersionEntries, verdicts: list[int], most: int) -> list[tuple[int, int]]:
    """Where spans begin and end: between keys, before the one that is too much."""
    ends: list[tuple[int, int]] = []
    start = changes = stop = 0
    for _, group in groupby(entries.keys):
        begins, stop = stop, stop + sum(1 for _ in group)
        more = sum(verdict in (_CHANGED, _ADDED) for verdict in verdicts[begins:stop])
        if changes and changes + more > most:
            ends.append((start, begins))
            start, changes = begins, 0
        changes += more
    return [*ends, (start, stop)]


def _span(entries: VersionEntries, verdicts: list[int], within: Range, missing: list[Name]) -> Merged:
    count = {verdict: verdicts.count(verdict) for verdict in range(_RELABELLED + 1)}
    is_change = [verdict in (_CHANGED, _ADDED) for verdict in verdicts]
    merged = Merged(within, listed=len(verdicts), unchanged=count[_UNCHANGED])
    merged.changes = entries if all(is_change) else entries.where(is_change)
    merged.new = bytes(verdict == _ADDED for verdict in verdicts if verdict in (_CHANGED, _ADDED))
    merged.filtered = count[_FILTERED] + count[_FILTERED_KNOWN] + count[_SEEN_AGAIN]
    merged.known = sum(count[verdict] for verdict in _KNOWN) + len(missing)
    merged.missing, merged.missing_ids = [key for key, _ in missing], [version_id for _, version_id in missing]
    for entry, verdict in zip(entries, verdicts, strict=True):
        if verdict == _SEEN_AGAIN:
            merged.seen_again.append(entry.key)
            merged.seen_again_ids.append(entry.version_id)
        elif verdict == _RELABELLED:
            merged.relabelled.append((entry.key, entry.version_id, bool(entry.is_latest)))
    return merged
