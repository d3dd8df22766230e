"""AAC without a container: nothing in it says how long it plays, so that only a file held whole is counted."""

from __future__ import annotations

from typing import Final

from ingest.media.audio.mpeg import adts
from ingest.media.audio.pcm import last, say
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_FRAMES: Final = 5_000


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    data = view.held(0)
    one = adts(data)
    if one is None:
        raise MalformedError("its first frame is cut off")
    say(media, codec="aac", rate=one.rate, channels=one.channels)
    if len(data) != view.size:
        return
    at, frames, rate = 0, 0, one.rate
    while frames < _FRAMES and (one := adts(data, at)) is not None:
        at, frames = at + one.length, frames + 1
    if at == len(data):
        last(media, frames * 1024 / rate, view.size)
