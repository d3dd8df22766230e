"""AAC without a container: nothing in it says how long it plays, so that only a small file is counted."""

from __future__ import annotations

from typing import Final

from ingest.media.audio.mpeg import adts
from ingest.media.audio.pcm import last, say
from ingest.media.nearby import near
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_COUNTED: Final = 16_384
"""Bytes of a file that is counted through."""
_HEADER: Final = 7


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    small = view.size is not None and view.size <= _COUNTED
    data = near(view, 0, _COUNTED, _COUNTED) if small else view.held(0)[:_HEADER]
    one = adts(data)
    if one is None:
        raise MalformedError("its first frame is cut off")
    say(media, codec="aac", rate=one.rate, channels=one.channels)
    if not small:
        return
    at, frames, rate = 0, 0, one.rate
    while (one := adts(data, at)) is not None:
        at, frames = at + one.length, frames + 1
    if at == len(data):
        last(media, frames * 1024 / rate, view.size)
