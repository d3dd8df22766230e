"""AAC without a container: nothing in it says how long it plays, so that a small file is counted, and of a large one the first frames."""

from __future__ import annotations

from typing import Final

from ingest.media.audio.mpeg import adts
from ingest.media.audio.pcm import last, say
from ingest.media.nearby import near
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_COUNTED: Final = 16_384
"""Bytes that are counted through. What is longer is taken to go on as it began, as ffprobe takes it."""
_FRAMES: Final = 16
"""That are enough to go by."""


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    read_at(view, media, 0)


def read_at(view: View, media: Media, start: int) -> None:
    """The same of what stands behind a tag."""
    data = near(view, start, _COUNTED, _COUNTED)
    one = adts(data)
    if one is None:
        raise MalformedError("its first frame is cut off")
    say(media, codec="aac", rate=one.rate, channels=one.channels)
    if view.size is None:
        return
    at, frames, rate, length = 0, 0, one.rate, view.size - start
    while (one := adts(data, at)) is not None:
        at, frames = at + one.length, frames + 1
    if at == length or (length > len(data) - 7 < at and frames >= _FRAMES):
        last(media, frames * 1024 / rate * length / at, view.size)
