"""The merge: what a listing says beside what the catalog knows, both in key order, in one walk."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from ingest.job import DEPTHS, Depth
from ingest.model import Entry, Range

SETTLED = ("present", "archived")
"""States in which a known asset needs no second look."""


class Known(NamedTuple):
    """What the catalog knows of one object, as far as comparing needs it. Never a removed one."""

    key: bytes
    fingerprint: tuple[int, str, str, str, str]
    """See `fingerprint`."""
    state: str
    depth: Depth


class Change(NamedTuple):
    """An entry that is not as the catalog knows it."""

    entry: Entry
    known: Known | None


@dataclass(slots=True)
class Merged:
    """One span compared."""

    within: Range
    listed: int = 0
    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    filtered: int = 0
    known: int = 0
    """Live assets that it was compared with."""
    missing: list[bytes] = field(default_factory=list)
    """Keys of live assets that are not listed any more."""
    seen_again: list[bytes] = field(default_factory=list)
    """Keys that an earlier run missed and that are listed now, but filtered, so that nobody looks at them."""


Keep = Callable[[bytes], bool] | None


def fingerprint(entry: Entry) -> tuple[int, str, str, str, str]:
    """What decides whether an object is unchanged: size, ETag, time, storage class and checksum kind, all as listed."""
    return *entry[1:5], listed_checksum(entry)


def listed_checksum(entry: Entry) -> str:
    """Algorithm and type in one word or two; empty if the listing names none."""
    algorithm, kind = entry[5:7]
    return f"{algorithm} {kind}".strip() if algorithm or kind else ""


def merge(
    entries: Sequence[Entry], known: Sequence[Known], *, within: Range, depth: Depth, keep: Keep = None
) -> Merged:
    """Walk both side by side; both ascend by key and lie in `within`. `keep` filters after the merge: what it drops is not missing."""
    merged = Merged(within, listed=len(entries), known=len(known))
    if not known and keep is None:
        merged.changes = [Change(entry, None) for entry in entries]
        return merged
    covering = DEPTHS[DEPTHS.index(depth) :]
    rows = iter(known)
    row = next(rows, None)
    for entry in entries:
        while row is not None and row.key < entry.key:
            merged.missing.append(row.key)
            row = next(rows, None)
        match = row if row is not None and row.key == entry.key else None
        if match is not None:
            row = next(rows, None)
        if keep is not None and not keep(entry.key):
            merged.filtered += 1
            if match is not None and match.state == "missing":
                merged.seen_again.append(entry.key)
        elif (
            match is not None
            and match.state in SETTLED
            and match.depth in covering
            and match.fingerprint == fingerprint(entry)
        ):
            merged.unchanged += 1
        else:
            merged.changes.append(Change(entry, match))
    while row is not None:
        merged.missing.append(row.key)
        row = next(rows, None)
    return merged


def cut(
    entries: Sequence[Entry], known: Sequence[Known], *, within: Range, depth: Depth, keep: Keep, most: int
) -> Iterator[Merged]:
    """Compare, in as many spans as it takes for each to hold at most `most` changes; they tile `within` in key order."""
    merged = merge(entries, known, within=within, depth=depth, keep=keep)
    if len(merged.changes) <= most or len(entries) < 2:
        yield merged
        return
    middle = len(entries) // 2
    key = entries[middle - 1].key
    split = bisect_right(known, key, key=attrgetter("key"))
    yield from cut(entries[:middle], known[:split], within=Range(within.lo, key), depth=depth, keep=keep, most=most)
    yield from cut(entries[middle:], known[split:], within=Range(key, within.hi), depth=depth, keep=keep, most=most)
