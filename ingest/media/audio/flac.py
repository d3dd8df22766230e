"""FLAC: its first block says everything. Source: RFC 9639."""

from __future__ import annotations

from ingest.media.audio.pcm import last, say
from ingest.media.nearby import reach
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    read_at(view, media, 0)


def read_at(view: View, media: Media, at: int) -> None:
    """As `read`, of what begins there."""
    block = reach(view, at + 4, 38)
    if block[0] & 0x7F:
        raise MalformedError("it does not begin with its format")
    rate, samples = stream_info(block[4:], media)
    if rate and samples:
        last(media, samples / rate, view.size)


def stream_info(block: bytes, media: Media) -> tuple[int, int]:
    """Its rate and number of samples, from the 34 bytes of STREAMINFO; puts down the rest."""
    packed = int.from_bytes(block[10:18], "big")
    rate, channels, depth = packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    say(media, codec="flac", rate=rate, channels=channels, depth=depth)
    return rate, packed & (1 << 36) - 1
