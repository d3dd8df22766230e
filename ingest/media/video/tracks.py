"""What any container says of its tracks, in one shape; hides how it becomes the properties of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ingest.media.properties import Media
from ingest.media.video.parameters import Picture
from ingest.media.video.sound import Sound

UNKNOWN = "unknown"
"""As ffprobe calls a codec it doesn't know."""

_LONGEST: Final = 1e9
"""Seconds: thirty years of film are a broken number."""
_WIDEST: Final = 1 << 20
"""Pixels."""
_FASTEST: Final = 10_000_000
"""Samples per second."""
_DENSEST: Final = 1e15
"""Bits per second."""
_MOST: Final = 65_535
"""Channels, and bits of a sample."""


@dataclass(slots=True)
class Track:
    """One track. What isn't known is None."""

    kind: Literal["video", "audio", "other"] = "other"
    codec: str = UNKNOWN
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    rotation: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    bit_depth: int | None = None
    """Of sound."""

    def show(self, picture: Picture) -> None:
        """Takes over what the codec itself says, which is what a player shows."""
        self.width, self.height = picture.width, picture.height
        self.frame_rate = picture.rate or self.frame_rate

    def hear(self, sound: Sound) -> None:
        """Takes over what the codec itself says."""
        self.sample_rate, self.channels = sound.rate or self.sample_rate, sound.channels or self.channels
        self.bit_depth = sound.bits or self.bit_depth


def told(media: Media, kind: str) -> bool:
    """Whether a track of this kind was written down: then no other one will be."""
    return f"{kind}_codec" in media.more


def tell(media: Media, track: Track) -> None:
    """Writes down a track, if it is the first of its kind."""
    more = media.more
    if track.kind == "video" and "video_codec" not in more:
        media.width, media.height = _within(track.width, _WIDEST), _within(track.height, _WIDEST)
        more["video_codec"] = track.codec
        more["rotation"] = track.rotation or 0
        rate(media, track.frame_rate)
    elif track.kind == "audio" and "audio_codec" not in more:
        more["audio_codec"] = track.codec
        said = {
            "sample_rate": _within(track.sample_rate, _FASTEST),
            "channels": _within(track.channels, _MOST),
            "bit_depth": _within(track.bit_depth, _MOST),
        }
        more.update({name: value for name, value in said.items() if value is not None})


def rate(media: Media, frames: float | None) -> None:
    """Writes down frames per second, if they can be."""
    if frames is not None and 0 < frames <= 100_000:
        media.more["frame_rate"] = round(frames, 6)


def length(media: Media, seconds: float | None, size: int | None) -> None:
    """Writes down how long it plays, and the bits per second that follow from it."""
    if seconds is None or not 1e-6 <= seconds <= _LONGEST:
        return
    media.duration_s = round(seconds, 6)
    bits = size * 8 / seconds if size else 0
    if 1 <= bits <= _DENSEST:
        media.more["bit_rate"] = int(bits)


def finish(media: Media) -> None:
    """Once all tracks were told: whether it has sound, and that what has sound alone is no film."""
    more = media.more
    if "video_codec" in more:
        more["has_audio"] = "audio_codec" in more
        more.pop("bit_depth", None)
    elif "audio_codec" in more:
        media.kind, media.type = "audio", media.type.replace("video/", "audio/")


def _within(number: int | None, most: int) -> int | None:
    return number if number and 0 < number <= most else None
