"""What the catalog knows of an interval, as far as comparing needs it; hides that it comes as whole columns of text.

A database that hands over row by row takes the interpreter's lock for each, beside a loop that parses: a few long texts come many
times faster. And if they are the very texts that the page makes, nothing of it has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from ingest.model import Entries, Fingerprint

SEPARATOR: Final = "\x1f"
"""Behind each text of a column."""
_KEY_SEPARATOR: Final = SEPARATOR.encode()


class KnownAsset(NamedTuple):
    """What is known of one object. Never a removed one."""

    fingerprint: Fingerprint
    unsettled: bool = False
    """It is in a state, or of a depth, that needs a second look even if it is unchanged."""
    missing: bool = False
    """An earlier run did not see it."""


class Joined(NamedTuple):
    """Columns of known assets in key order; in each, the texts stand one behind the other, and SEPARATOR behind each."""

    keys: bytes
    sizes: str
    etags: str
    modified: str
    classes: str
    checksums: str
    unsettled: bytes | None
    """Keys of those that need a second look; None if there are none."""
    missing: bytes | None
    """The same, of those that an earlier run did not see."""

    def splits(self, count: int) -> bool:
        """Whether these are the texts of so many assets: none of them holds a separator itself."""
        return self.keys.count(_KEY_SEPARATOR) == count and all(text.count(SEPARATOR) == count for text in self[1:6])

    def last(self) -> bytes:
        """The last key of columns that split."""
        return self.keys[self.keys.rfind(_KEY_SEPARATOR, 0, -1) + 1 : -1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The assets of one interval."""

    count: int = 0
    last: bytes = b""
    """The last one's key, if there are any."""
    columns: Joined | dict[bytes, KnownAsset]
    """Columns that split; else assets by key, in key order."""

    def settles(self, entries: Entries) -> bool:
        """Whether exactly these are known, with the same fingerprints, and none needs a second look. False if that is not plain."""
        known = self.columns
        return (
            isinstance(known, Joined)
            and known.unsettled is None
            and len(entries) == self.count
            and [known.keys, *(text.encode() for text in known[1:6])] == _columns(entries)
        )

    def rows(self) -> dict[bytes, KnownAsset]:
        """By key, in key order. The caller may take from it."""
        known = self.columns
        if not isinstance(known, Joined):
            return dict(known)
        sizes, etags, modified, classes, checksums = (column.split(SEPARATOR)[:-1] for column in known[1:6])
        fingerprints = zip(map(int, sizes), etags, modified, classes, checksums, strict=True)
        rows = dict(zip(_split(known.keys), map(KnownAsset, fingerprints), strict=True))
        missing = frozenset(_split(known.missing or b""))
        for key in _split(known.unsettled or b""):
            rows[key] = KnownAsset(rows[key].fingerprint, unsettled=True, missing=key in missing)
        return rows


def _columns(entries: Entries) -> list[bytes]:
    """As the catalog joins them."""
    texts = (entries.sizes, entries.etags, entries.modified, entries.classes, entries.checksum_kinds())
    joined = [SEPARATOR.join((*column, "")).encode("utf-8", "surrogatepass") for column in texts]
    return [_KEY_SEPARATOR.join((*entries.keys, b"")), *joined]


def _split(keys: bytes) -> list[bytes]:
    return keys.split(_KEY_SEPARATOR)[:-1]


def known_of(rows: dict[bytes, KnownAsset]) -> Known:
    """Of assets by key, in key order."""
    return Known(count=len(rows), last=next(reversed(rows), b""), columns=rows)


NOTHING: Final = known_of({})
