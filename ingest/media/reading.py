"""Reads what an object is from the bytes of it that are held; hides which format that is. No I/O, and no end of it is unbounded."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from ingest.media.audio.sniff import sniff as audio
from ingest.media.bounds import bound
from ingest.media.documents.sniff import sniff as documents
from ingest.media.formats import Sniffer
from ingest.media.images.sniff import sniff as images
from ingest.media.properties import Media
from ingest.media.video.sniff import sniff as video
from ingest.media.view import MalformedError, MoreNeededError, View

_FAMILIES: Final[tuple[Sniffer, ...]] = (images, video, audio, documents)
_SNIFFED: Final = 4096
_BROKEN: Final = (MalformedError, struct.error, ValueError, OverflowError, ZeroDivisionError, IndexError, KeyError)
"""What hostile bytes may make a parser raise: each is a broken file, and no fault of whoever asked."""


class Reading(NamedTuple):
    """What was found, and what would tell more."""

    media: Media
    needs: tuple[int, int] | None = None
    """Place and length of bytes that are not held and without which no more can be said; None: this is all there is."""


def read(view: View) -> Reading:
    """What the bytes say. Raises nothing: what is broken is said in the property `problem`."""
    media = Media()
    head = view.held(0, _SNIFFED)
    found = next((one for family in _FAMILIES if (one := family(head)) is not None), None)
    if found is None:
        return Reading(media)
    media.kind, media.format, media.type = found.kind, found.name, found.type
    if found.read is None:
        return Reading(media)
    needs = None
    try:
        found.read(view, media)
    except MoreNeededError as more:
        needs = more.first, more.length
    except _BROKEN as broken:
        media.more["problem"] = str(broken) if isinstance(broken, MalformedError) else "its header is broken"
    bound(media)
    return Reading(media, needs)
