"""The types that flow: ranges, entries, pages, heads. Keys are bytes, because S3 orders by UTF-8 bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, compress, islice, repeat
from types import MappingProxyType
from typing import Final, NamedTuple, Self, overload

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
    version_id: str = ""
    """`null` for what was stored before versions were kept; empty where versions were not asked for."""
    is_latest: bool | None = None
    """None where versions were not asked for."""
    is_delete_marker: bool = False

    @property
    def checksum_kind(self) -> str:
        """Algorithm and type in one word or two; empty if the listing names none."""
        return checksum_kind(self.checksum_algorithm, self.checksum_type)


def checksum_kind(algorithm: str, type_: str) -> str:
    """See `Entry.checksum_kind`."""
    return f"{algorithm} {type_}".strip() if algorithm or type_ else ""


Fingerprint = tuple[int, str, str, str, str]
"""What decides whether an object is unchanged: size, ETag, time, storage class and checksum kind, all as listed."""


class Validator(NamedTuple):
    """By what a server tells whether an object is still the one that is known. Either may be empty."""

    etag: str
    last_modified: str
    """As listed."""


Columns = tuple[list[bytes], list[str], list[str], list[str], list[str], list[str], list[str]]
"""Of entries, in the order of an Entry's fields, without those that speak of versions; sizes as listed."""
COLUMNS: Final = 7


class Seen(NamedTuple):
    """A whole page as an earlier run saw it."""

    hi: bytes
    """Its last key."""
    listed: int
    digest: bytes
    """See `Entries.digest`."""


Recall = Callable[[bytes | None], Seen | None]
"""The page that was seen behind this key, or from the beginning."""


class Entries(Sequence[Entry]):
    """Entries as columns of one length, since lists of a page are some hundred times fewer things than its entries' fields.

    Reads as a sequence of `Entry`.
    """

    __slots__ = ("_columns", "_read", "_seen", "digest")

    def __init__(self, columns: Columns | None = None, *, digest: bytes | None = None) -> None:
        self._columns = columns or ([], [], [], [], [], [], [])
        self._seen: Seen | None = None
        self._read: Callable[[], Columns] | None = None
        self.digest = digest
        """Of the bytes in which they were listed, if they are a whole page: it comes again only if all of them do."""

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        columns = zip(*entries, strict=True)
        keys, sizes, *texts = [list(column) for column in islice(columns, COLUMNS)] or [[]] * COLUMNS
        return cls((keys, [str(size) for size in sizes], *texts))  # type: ignore[arg-type]  # the columns of an Entry, in its order

    @classmethod
    def joined(cls, parts: Sequence[Entries]) -> Entries:
        """What several hold, one after the other."""
        if len(parts) == 1:
            return parts[0]
        columns = zip(*(part.columns for part in parts), strict=True)
        return cls(tuple(list(chain.from_iterable(column)) for column in columns) if parts else None)  # type: ignore[arg-type]  # as they were

    @classmethod
    def recalled(cls, seen: Seen, read: Callable[[], Columns]) -> Self:
        """A page that came again as it was seen: it is read only if somebody looks at more than its number and its end."""
        entries = cls(digest=seen.digest)
        entries._seen, entries._read = seen, read
        return entries

    @property
    def columns(self) -> Columns:
        if self._read is not None:
            self._columns, self._read = self._read(), None
        return self._columns

    @property
    def is_read(self) -> bool:
        return self._read is None

    @property
    def keys(self) -> list[bytes]:
        return self.columns[0]

    @property
    def sizes(self) -> list[str]:
        return self.columns[1]

    @property
    def etags(self) -> list[str]:
        return self.columns[2]

    @property
    def modified(self) -> list[str]:
        return self.columns[3]

    @property
    def classes(self) -> list[str]:
        return self.columns[4]

    @property
    def last(self) -> bytes:
        """The last key. There must be one."""
        return self.columns[0][-1] if self._seen is None else self._seen.hi

    def names(self) -> Iterator[tuple[bytes, str]]:
        """Key and version ID of each; the latter is empty where versions were not asked for."""
        return zip(self.keys, repeat(""))

    def checksum_kinds(self) -> list[str]:
        """The checksum kind of each."""
        algorithms, types = self.columns[5:]
        kinds = {pair: checksum_kind(*pair) for pair in set(zip(algorithms, types, strict=True))}
        if len(kinds) == 1:
            return [*kinds.values()] * len(algorithms)
        return [kinds[pair] for pair in zip(algorithms, types, strict=True)]

    def fingerprints(self) -> Iterator[Fingerprint]:
        """Of each entry, in order."""
        return zip(map(int, self.sizes), self.etags, self.modified, self.classes, self.checksum_kinds(), strict=True)

    def where(self, wanted: Sequence[int]) -> Entries:
        """Those at whose place stands no 0."""
        return Entries(tuple(list(compress(column, wanted)) for column in self.columns))  # type: ignore[arg-type]  # as they were

    def __len__(self) -> int:
        return len(self._columns[0]) if self._seen is None else self._seen.listed

    def __iter__(self) -> Iterator[Entry]:
        keys, sizes, *texts = self.columns
        return map(Entry, keys, map(int, sizes), *texts)

    @overload
    def __getitem__(self, place: int) -> Entry: ...

    @overload
    def __getitem__(self, place: slice) -> Entries: ...

    def __getitem__(self, place: int | slice) -> Entry | Entries:
        if isinstance(place, slice):
            if place.indices(len(self)) == (0, len(self), 1):
                return self
            return Entries(tuple(column[place] for column in self.columns))  # type: ignore[arg-type]  # as they were
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
    x-amz-server-side-encryption, x-amz-server-side-encryption-aws-kms-key-id, x-amz-server-side-encryption-customer-algorithm,
    x-amz-restore, x-amz-archive-status, x-amz-tagging-count, x-amz-replication-status, x-amz-website-redirect-location."""
