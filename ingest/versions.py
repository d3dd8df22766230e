"""Versions of objects as columns: hides that a page of versions is a page of entries with a few columns more."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, compress
from typing import NamedTuple, Self, overload

from ingest.model import Columns, Entries, Entry

Name = tuple[bytes, str]
"""Of a version: its key and its ID."""


class Marker(NamedTuple):
    """Where a page of versions ended."""

    key: bytes
    version_id: str

    @property
    def token(self) -> str:
        """As one text, which stands where a page has a continuation token."""
        return f"{self.key.hex()}.{self.version_id}"

    @classmethod
    def of(cls, token: str) -> Self:
        key, _, version_id = token.partition(".")
        return cls(bytes.fromhex(key), version_id)


class Labels(NamedTuple):
    """What records of versions say besides, as columns."""

    version_ids: Sequence[str]
    latest: Sequence[bool]
    delete_markers: Sequence[bool]


class VersionEntries(Entries):
    """Versions and delete markers in the order of their keys, those of one key together; reads as a sequence of `Entry`."""

    __slots__ = ("latest", "markers", "version_ids")

    def __init__(
        self,
        columns: Columns | None = None,
        *,
        version_ids: Sequence[str] = (),
        latest: Sequence[bool] = (),
        markers: Sequence[bool] = (),
    ) -> None:
        super().__init__(columns)
        self.version_ids, self.latest, self.markers = list(version_ids), list(latest), list(markers)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Self:
        every = list(entries)
        return cls(
            Entries.of(every).columns,
            version_ids=[one.version_id for one in every],
            latest=[bool(one.is_latest) for one in every],
            markers=[one.is_delete_marker for one in every],
        )

    @classmethod
    def joined(cls, parts: Sequence[Entries]) -> VersionEntries:
        """What several hold, one after the other; all of them hold versions."""
        versions = [part for part in parts if isinstance(part, VersionEntries)]
        return cls(
            Entries.joined([Entries(part.columns) for part in versions]).columns,
            version_ids=list(chain.from_iterable(part.version_ids for part in versions)),
            latest=list(chain.from_iterable(part.latest for part in versions)),
            markers=list(chain.from_iterable(part.markers for part in versions)),
        )

    def names(self) -> Iterator[Name]:
        return zip(self.keys, self.version_ids, strict=True)

    @property
    def last_begins(self) -> int:
        """Where the versions of the last key begin. There must be one."""
        return bisect_left(self.keys, self.last)

    def where(self, wanted: Sequence[int]) -> VersionEntries:
        return VersionEntries(
            super().where(wanted).columns,
            version_ids=list(compress(self.version_ids, wanted)),
            latest=list(compress(self.latest, wanted)),
            markers=list(compress(self.markers, wanted)),
        )

    def __iter__(self) -> Iterator[Entry]:
        keys, sizes, *texts = self.columns
        return map(Entry, keys, map(int, sizes), *texts, self.version_ids, self.latest, self.markers)

    @overload
    def __getitem__(self, place: int) -> Entry: ...

    @overload
    def __getitem__(self, place: slice) -> VersionEntries: ...

    def __getitem__(self, place: int | slice) -> Entry | VersionEntries:
        if isinstance(place, slice):
            return VersionEntries(
                tuple(column[place] for column in self.columns),  # type: ignore[arg-type]  # as they were
                version_ids=self.version_ids[place],
                latest=self.latest[place],
                markers=self.markers[place],
            )
        entry = super().__getitem__(place)
        return entry._replace(
            version_id=self.version_ids[place], is_latest=self.latest[place], is_delete_marker=self.markers[place]
        )

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, VersionEntries) else NotImplemented

    __hash__ = None


def labels_of(entries: Entries) -> Labels | None:
    """None if they are no versions."""
    return Labels(entries.version_ids, entries.latest, entries.markers) if isinstance(entries, VersionEntries) else None
