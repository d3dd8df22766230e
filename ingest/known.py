"""What the catalog knows of an interval, as far as comparing needs it; hides that it comes as whole columns of text.

A database that hands over row by row takes the interpreter's lock for each, beside a loop that parses: a million rows come two
hundred times faster as a few long texts. And if they are the very texts that the page makes, nothing of it has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from ingest.job import Depth
from ingest.model import Entries, Fingerprint

SEPARATOR: Final = "\x1f"
"""Between the texts of a column."""


class KnownAsset(NamedTuple):
    """What is known of one object. Never a removed one."""

    fingerprint: Fingerprint
    state: str
    depth: Depth


class Joined(NamedTuple):
    """Columns of known assets in key order; in each, the texts stand one behind the other with SEPARATOR between them."""

    keys: bytes
    sizes: str
    etags: str
    modified: str
    classes: str
    checksums: str
    states: str
    depths: str

    def splits(self, count: int) -> bool:
        """Whether what stands between separators are the texts of so many assets: none of them holds one itself."""
        counts = {self.keys.count(SEPARATOR.encode()), *(text.count(SEPARATOR) for text in self[1:])}
        return counts == {count - 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The assets of one interval."""

    count: int = 0
    last: bytes = b""
    """The last one's key, if there are any."""
    all_settled: bool = False
    """Whether all are in a state and of a depth that need no second look."""
    columns: Joined | dict[bytes, KnownAsset]
    """Columns that split; else assets by key."""

    def says(self, entries: Entries) -> bool:
        """Whether exactly these are known, each with the same fingerprint."""
        known = self.columns
        return (
            isinstance(known, Joined)
            and len(entries) == self.count
            and known.keys == SEPARATOR.encode().join(entries.keys)
            and known.etags == SEPARATOR.join(entries.etags)
            and known.modified == SEPARATOR.join(entries.modified)
            and known.sizes == SEPARATOR.join(map(str, entries.sizes))
            and known.classes == SEPARATOR.join(entries.classes)
            and known.checksums == SEPARATOR.join(entries.checksum_kinds())
        )

    def rows(self) -> dict[bytes, KnownAsset]:
        """By key, in key order. The caller may take from it."""
        known = self.columns
        if not isinstance(known, Joined):
            return dict(known)
        if not self.count:
            return {}
        sizes, *texts = (column.split(SEPARATOR) for column in known[1:6])
        fingerprints = zip(map(int, sizes), *texts, strict=True)
        depths = cast("list[Depth]", known.depths.split(SEPARATOR))
        assets = map(KnownAsset, cast("zip[Fingerprint]", fingerprints), known.states.split(SEPARATOR), depths)
        return dict(zip(known.keys.split(SEPARATOR.encode()), assets, strict=True))


def known_of(rows: dict[bytes, KnownAsset], *, all_settled: bool = False) -> Known:
    """Of assets by key, in key order."""
    return Known(count=len(rows), last=next(reversed(rows), b""), all_settled=all_settled, columns=rows)


NOTHING: Final = known_of({})
