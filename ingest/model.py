"""The types that flow: ranges, entries, pages, heads. Keys are bytes, because S3 orders by UTF-8 bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from types import MappingProxyType
from typing import NamedTuple, Self, overload

ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes whose objects must be restored before they can be read."""


class Entry(NamedTuple):
    """What a listing says of one object, as listed: nothing is rounded or converted."""

    key: bytes
    size: int
    etag: str
    """Without its quotes."""
    last_modified: str
    storage_class: str
    """STANDARD where the server says nothing."""
    checksum_algorithm: str = ""
    """Comma-separated if there are several; empty if the listing names none."""
    checksum_type: str = ""
    """FULL_OBJECT, COMPOSITE or empty."""

    @property
    def checksum_kind(self) -> str:
        """Algorithm and type in one word or two; empty if the listing names none."""
        return checksum_kind(self.checksum_algorithm, self.checksum_type)


def checksum_kind(algorithm: str, type_: str) -> str:
    """See `Entry.checksum_kind`."""
    return f"{algorithm} {type_}".strip() if algorithm or type_ else ""


Fingerprint = tuple[int, str, str, str, str]
"""What decides whether an object is unchanged: size, ETag, time, storage class and checksum kind, all as listed."""


@dataclass(frozen=True, slots=True, eq=False)
class Entries(Sequence[Entry]):
    """Entries as columns of one length, since lists of a page are some forty times fewer things than its entries' fields.

    Reads as a sequence of `Entry`.
    """

    keys: list[bytes] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    """As listed; whole numbers."""
    etags: list[str] = field(default_factory=list)
    modified: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    algorithms: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        columns = [list(column) for column in zip(*entries, strict=True)]
        return cls(columns[0], [str(size) for size in columns[1]], *columns[2:]) if columns else cls()

    @property
    def columns(self) -> tuple[list[bytes], list[str], list[str], list[str], list[str], list[str], list[str]]:
        """In the order of an Entry's fields, sizes as listed."""
        return self.keys, self.sizes, self.etags, self.modified, self.classes, self.algorithms, self.types

    def checksum_kinds(self) -> list[str]:
        """The checksum kind of each."""
        kinds = {pair: checksum_kind(*pair) for pair in set(zip(self.algorithms, self.types, strict=True))}
        if len(kinds) == 1:
            return [*kinds.values()] * len(self.keys)
        return [kinds[pair] for pair in zip(self.algorithms, self.types, strict=True)]

    def fingerprints(self) -> Iterator[Fingerprint]:
        """Of each entry, in order."""
        return zip(map(int, self.sizes), self.etags, self.modified, self.classes, self.checksum_kinds(), strict=True)

    def where(self, wanted: Sequence[int]) -> Entries:
        """Those at whose place stands no 0."""
        return Entries(*(list(compress(column, wanted)) for column in self.columns))  # type: ignore[arg-type]  # as they were

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Entry]:
        return map(Entry, self.keys, map(int, self.sizes), *self.columns[2:])

    @overload
    def __getitem__(self, place: int) -> Entry: ...

    @overload
    def __getitem__(self, place: slice) -> Entries: ...

    def __getitem__(self, place: int | slice) -> Entry | Entries:
        if isinstance(place, slice):
            return Entries(*(column[place] for column in self.columns))  # type: ignore[arg-type]  # as they were
        key, size, *texts = (column[place] for column in self.columns)
        return Entry(key, int(size), *texts)  # type: ignore[arg-type]  # the fields of an Entry

    def __eq__(self, other: object) -> bool:
        return self.columns == other.columns if isinstance(other, Entries) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it holds lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One LIST answer. `entries` ascend by key."""

    entries: Entries
    common_prefixes: list[bytes] = field(default_factory=list)
    next_token: str | None = None
    """None on the last page."""


@dataclass(frozen=True, slots=True, order=False)
class Range:
    """An interval `(lo, hi]` of the key space below one prefix, in byte order. None: open at that end.

    The first lower end is None, since a key may equal its prefix.
    """

    lo: bytes | None = None
    hi: bytes | None = None

    def __contains__(self, key: bytes) -> bool:
        return (self.lo is None or key > self.lo) and (self.hi is None or key <= self.hi)


class ObjectHead(NamedTuple):
    """What a HEAD, or the headers of a GET, say of one object. Absent headers are empty or None."""

    size: int
    """Of the whole object, also on a ranged GET."""
    etag: str
    last_modified: str
    """As sent: RFC 9110 date, rounded to seconds."""
    content_type: str = ""
    storage_class: str = "STANDARD"
    version_id: str = ""
    checksum_algorithm: str = ""
    checksum: str = ""
    """Base64, as sent."""
    checksum_type: str = ""
    metadata: Mapping[str, str] = MappingProxyType({})
    """x-amz-meta-*, names in lower case without that prefix."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Further headers worth keeping: content-encoding, content-language, content-disposition, cache-control, expires,
    x-amz-server-side-encryption, x-amz-server-side-encryption-aws-kms-key-id, x-amz-restore, x-amz-archive-status,
    x-amz-tagging-count, x-amz-replication-status, x-amz-website-redirect-location."""
