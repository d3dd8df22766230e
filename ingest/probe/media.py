"""Depth `media`: headers and properties from an object's first bytes, in one request where that can be."""

from __future__ import annotations

from typing import Final

from pydantic_core import to_json

from config.errors import ObjectArchivedError, ObjectChangedError, RequestRefusedError
from ingest.catalog.assets import Asset
from ingest.job import Depth
from ingest.media.properties import Media
from ingest.media.reading import read
from ingest.media.view import View
from ingest.model import ARCHIVED, Entry, ObjectHead
from ingest.probe.first_ranges import MOST, FirstRanges
from ingest.probe.head import head
from ingest.probe.looking import ObjectSource, Probe
from ingest.probe.records import of_head

FURTHER: Final = 2
"""Ranges that are asked for beside the first one."""
_AT_LEAST: Final = 8 * 1024
"""Bytes of a further range: what comes next is often wanted, too."""


class MediaProbe:
    """Of one bucket. See `ingest.probe.looking.Probe`."""

    def __init__(self, bucket: str, ranges: FirstRanges) -> None:
        self._bucket, self._ranges = bucket, ranges

    async def __call__(self, source: ObjectSource, entry: Entry) -> Asset:
        if entry.size == 0:
            return with_media(await head(source, entry), empty(entry.key), depth="media")
        return await unless_archived(source, entry, self._read)

    async def _read(self, source: ObjectSource, entry: Entry) -> Asset:
        kind = self._ranges.kind(self._bucket, entry.key)
        last = min(kind.length, entry.size) - 1
        answer, first = await source.part(entry.key, first=0, last=last, if_match=entry.etag or None)
        media, reach = await read_through(source, entry, answer, {0: first})
        kind.learn(reach)
        return with_media(of_head(entry, answer), media, depth="media")


async def unless_archived(source: ObjectSource, entry: Entry, read: Probe) -> Asset:
    """What `read` makes of it; of what is archived and not restored, what its headers say."""
    if entry.storage_class in ARCHIVED:
        asset = await head(source, entry)
        if asset.state == "archived":
            return asset
    try:
        return await read(source, entry)
    except ObjectArchivedError:  # a tier that the listing does not name
        asset = await head(source, entry)
        if asset.state != "archived":
            raise
        return asset


async def read_through(
    source: ObjectSource, entry: Entry, answer: ObjectHead, pieces: dict[int, bytes]
) -> tuple[Media, int]:
    """What these pieces of the object say, and up to FURTHER ranges where they lead; and how far it was read in all."""
    etag = entry.etag or answer.etag or None
    view = View(answer.size, pieces)
    found, reach = read(view), view.reach
    for _ in range(FURTHER):
        if found.needs is None:
            return found.media, reach
        first, length = found.needs
        last = min(first + min(max(length, _AT_LEAST), MOST), answer.size) - 1
        try:
            now, pieces[first] = await source.part(entry.key, first=first, last=last, if_match=etag)
        except RequestRefusedError as refused:
            if refused.code != "RangeIgnored":
                raise
            found.media.more["problem"] = "the server sends no ranges, and what it says lies farther back"
            return found.media, reach
        if (now.size, now.etag, now.last_modified) != (answer.size, answer.etag, answer.last_modified):
            raise ObjectChangedError("it changed while it was being read", code="ObjectChanged")
        view = View(answer.size, pieces)
        found, reach = read(view), max(reach, view.reach, first + length)
    if found.needs is not None:
        found.media.more["problem"] = "what it says lies in too many places"
    return found.media, reach


def empty(key: bytes) -> Media:
    """Of an object without bytes."""
    return Media(kind="folder" if key.endswith(b"/") else "empty")


def with_media(asset: Asset, media: Media, *, depth: Depth) -> Asset:
    """The record, with what the bytes say."""
    said = {"kind": media.kind, **({"format": media.format} if media.format else {}), **media.more}
    return asset._replace(
        depth=depth,
        media_type=media.type or None,
        width=media.width,
        height=media.height,
        duration_s=media.duration_s,
        media=to_json(said).decode(),
    )
