"""The merge: what a listing says beside what the catalog knows of the same interval, and the spans that come of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from typing import Final, NamedTuple

from ingest.known import Known
from ingest.model import Entries, Range

_UNCHANGED, _CHANGED, _ADDED, _FILTERED, _FILTERED_KNOWN, _SEEN_AGAIN = range(6)
"""What was found of each entry, one byte for each. The last one: filtered, but an earlier run missed it."""
_KNOWN: Final = (_UNCHANGED, _CHANGED, _FILTERED_KNOWN, _SEEN_AGAIN)
_IS_CHANGE: Final = bytes(int(verdict in (_CHANGED, _ADDED)) for verdict in range(256))
_IS_NEW: Final = bytes(int(verdict == _ADDED) for verdict in range(256))


@dataclass(slots=True)
class Merged:
    """One span compared."""

    within: Range
    listed: int = 0
    changes: Entries = field(default_factory=Entries)
    """Entries that are not as the catalog knows them."""
    new: bytes = b""
    """One byte for each change: 1 if the catalog does not know it, else 0."""
    unchanged: int = 0
    filtered: int = 0
    known: int = 0
    """Live assets that it was compared with."""
    missing: list[bytes] = field(default_factory=list)
    """Keys of live assets that are not listed any more."""
    seen_again: list[bytes] = field(default_factory=list)
    """Keys that an earlier run missed and that are listed now, but filtered, so that nobody looks at them."""
    missing_ids: list[str] = field(default_factory=list)
    """Of versions: the IDs of those that are missing, beside their keys. Else empty."""
    seen_again_ids: list[str] = field(default_factory=list)
    """The same, of those that are seen again."""
    relabelled: list[tuple[bytes, str, bool]] = field(default_factory=list)
    """Of versions: those of which only this has changed, whether they are the latest."""
    digest: bytes | None = None
    """Of what was listed, if that is a whole page, and the span ends where that does."""

    def lose(self, found: Sequence[bool]) -> None:
        """Of the changes, those that were not found when they were looked at: as far as they were known, they are missing."""
        for (key, version_id), there, is_new in zip(self.changes.names(), found, self.new, strict=False):
            if not there and not is_new:
                self.missing.append(key)
                if version_id:
                    self.missing_ids.append(version_id)


Keep = Callable[[bytes], bool] | None


def merge(
    entries: Entries, known: Known, *, within: Range, keep: Keep = None, most: int, most_bytes: int | None = None
) -> Iterator[Merged]:
    """Compare, in as many spans as it takes for each to hold at most `most` changes; they tile `within` in key order. With
    `most_bytes`, each holds one change only, or several of no more bytes together.

    `entries` and `known` lie in `within`. `keep` filters after the merge: what it drops is not missing.
    """
    walked = _walk(entries, known, keep)
    changes = [place for place, is_change in enumerate(walked.verdicts.translate(_IS_CHANGE)) if is_change]
    first, lo, gone = 0, within.lo, 0
    stops = islice(changes, most, None, most) if most_bytes is None else _stops(changes, entries, most, most_bytes)
    for stop in [*stops, None]:
        # a span ends before the change that is one too many, at the entry that comes before it
        hi = within.hi if stop is None else entries.keys[stop - 1]
        missing = len(walked.missing) if hi is None or stop is None else bisect_left(walked.missing, hi)
        yield walked.span(entries, slice(first, stop), Range(lo, hi), walked.missing[gone:missing])
        first, lo, gone = stop or 0, hi, missing


def _stops(changes: list[int], entries: Entries, most: int, most_bytes: int) -> Iterator[int]:
    """The places of changes that begin a span, but for the first."""
    sizes, count, held = entries.sizes, 0, 0
    for place in changes:
        size = int(sizes[place])
        if count and (count == most or held + size > most_bytes):
            yield place
            count = held = 0
        count, held = count + 1, held + size


def unchanged(entries: Entries, within: Range) -> Merged:
    """A span of which is known that the catalog holds exactly this."""
    count = len(entries)
    return Merged(within, listed=count, unchanged=count, known=count, digest=_digest(entries, within))


def _digest(entries: Entries, within: Range) -> bytes | None:
    return entries.digest if entries and entries.last == within.hi else None


class _Walked(NamedTuple):
    verdicts: bytes
    missing: list[bytes]

    def span(self, entries: Entries, part: slice, within: Range, missing: list[bytes]) -> Merged:
        """One span, made of this part of the entries."""
        verdicts, listed = self.verdicts[part], entries[part]
        if not any(verdicts):
            merged = unchanged(listed, within)
            merged.missing, merged.known = missing, merged.known + len(missing)
            return merged
        is_change = verdicts.translate(_IS_CHANGE)
        changed = is_change.count(1)
        count = {verdict: verdicts.count(verdict) for verdict in range(_SEEN_AGAIN + 1)}
        merged = Merged(
            within, listed=len(verdicts), missing=missing, unchanged=count[_UNCHANGED], digest=_digest(listed, within)
        )
        merged.changes = listed if changed == len(verdicts) else listed.where(is_change)
        merged.new = bytes(compress(verdicts.translate(_IS_NEW), is_change))
        merged.filtered = count[_FILTERED] + count[_FILTERED_KNOWN] + count[_SEEN_AGAIN]
        merged.known = sum(count[verdict] for verdict in _KNOWN) + len(missing)
        if count[_SEEN_AGAIN]:
            merged.seen_again = [
                key for key, verdict in zip(listed.keys, verdicts, strict=True) if verdict == _SEEN_AGAIN
            ]
        return merged


def _walk(entries: Entries, known: Known, keep: Keep) -> _Walked:
    if keep is None and not known.count:
        return _Walked(bytes([_ADDED]) * len(entries), [])
    if keep is None and known.settles(entries):
        return _Walked(bytes([_UNCHANGED]) * len(entries), [])
    rows = known.rows()
    verdicts = bytearray()
    for key, fingerprint in zip(entries.keys, entries.fingerprints(), strict=True):
        row = rows.pop(key, None)
        if keep is not None and not keep(key):
            again = row is not None and row.missing
            verdicts.append(_SEEN_AGAIN if again else _FILTERED if row is None else _FILTERED_KNOWN)
        elif row is None:
            verdicts.append(_ADDED)
        else:
            same = row.fingerprint == fingerprint and not row.unsettled
            verdicts.append(_UNCHANGED if same else _CHANGED)
    return _Walked(bytes(verdicts), list(rows))
