"""Depth `content`: the whole body once, and everything that it says: hides what is held of it meanwhile, and for how long."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from config.limits import Limits
from ingest.catalog.assets import Asset
from ingest.media.properties import Media
from ingest.model import Entry
from ingest.probe.first_ranges import extension_of
from ingest.probe.looking import ObjectSource
from ingest.probe.media import empty, read_through, unless_archived, with_media
from ingest.probe.pictures import Pictures
from ingest.probe.records import of_head, text
from ingest.probe.room import Room
from ingest.probe.whole import HELD_MOST, Whole, read_whole

SIDECARS: Final = ("json", "txt")
"""Extensions of objects whose text is kept."""


@dataclass(slots=True)
class Bodies:
    """What all that is read at depth content by one process has in common."""

    limits: Limits = field(default_factory=Limits)
    room: Room = field(init=False)
    pictures: Pictures = field(init=False)

    def __post_init__(self) -> None:
        self.room = Room(self.limits.bodies_bytes)
        self.pictures = Pictures(self.limits)


@asynccontextmanager
async def open_bodies(limits: Limits) -> AsyncGenerator[Bodies]:
    """Its processes end with the block."""
    bodies = Bodies(limits)
    try:
        yield bodies
    finally:
        await bodies.pictures.aclose()


class ContentProbe:
    """See `ingest.probe.looking.Probe`."""

    def __init__(self, bodies: Bodies, *, perceptual_hash: bool) -> None:
        self._bodies, self._hashes = bodies, perceptual_hash

    async def __call__(self, source: ObjectSource, entry: Entry) -> Asset:
        return await unless_archived(source, entry, self._read)

    async def _read(self, source: ObjectSource, entry: Entry) -> Asset:
        limits = self._bodies.limits
        keep = self._hashes and entry.size <= limits.image_bytes
        async with self._bodies.room.of(entry.size * 2 if keep else min(entry.size * 2, HELD_MOST)):
            whole = await read_whole(source, entry, limits=limits, keep=keep)
            if entry.size:
                media, _ = await read_through(source, entry, whole.head, dict(whole.pieces))
            else:
                media = empty(entry.key)
            looks = await self._looks(whole, media) if self._hashes else None
        return with_media(of_head(entry, whole.head), media, depth="content")._replace(
            sha256=whole.sha256,
            md5=whole.md5,
            verified=whole.verified,
            perceptual_hash=looks,
            content=_content(entry, whole, limits.sidecar_bytes),
        )

    async def _looks(self, whole: Whole, media: Media) -> str:
        """Its perceptual hash; empty if it has none, and if it is a picture, the media say why."""
        if media.kind != "image":
            return ""
        if len(whole.pieces[0]) < whole.head.size:
            media.more["unhashed"] = f"it has more than {self._bodies.limits.image_bytes} bytes"
            return ""
        picture = await self._bodies.pictures.hash(whole.pieces[0])
        if picture.problem:
            media.more["unhashed"] = picture.problem
        return picture.hash


def _content(entry: Entry, whole: Whole, most: int) -> str | None:
    """The text of what may be another object's sidecar."""
    if not 0 < entry.size <= most or extension_of(entry.key) not in SIDECARS:
        return None
    try:
        return text(whole.pieces[0].decode("utf-8-sig"))
    except UnicodeDecodeError:
        return None
