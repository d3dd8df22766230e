"""What any container says of its tracks, in one shape; hides how it becomes the properties of a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ingest.media.properties import Media
from ingest.media.video.parameters import Picture
from ingest.media.video.sound import Sound

UNKNOWN = "unknown"
"""As ffprobe calls a codec it doesn't know."""


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


def tell(media: Media, track: Track) -> None:
    """Writes down a track, if it is the first of its kind."""
    more = media.more
    if track.kind == "video" and "video_codec" not in more:
        media.width, media.height = track.width or None, track.height or None
        more["video_codec"] = track.codec
        more["rotation"] = track.rotation or 0
        rate(media, track.frame_rate)
    elif track.kind == "audio" and "audio_codec" not in more:
        more["audio_codec"] = track.codec
        if track.sample_rate:
            more["sample_rate"] = track.sample_rate
        if track.channels:
            more["channels"] = track.channels
        if track.bit_depth:
            more["bit_depth"] = track.bit_depth


def rate(media: Media, frames: float | None) -> None:
    """Writes down frames per second, if they can be."""
    if frames is not None and 0 < frames <= 100_000:
        media.more["frame_rate"] = round(frames, 6)


def length(media: Media, seconds: float | None, size: int | None) -> None:
    """Writes down how long it plays, and the bits per second that follow from it."""
    if seconds is None or not math.isfinite(seconds) or seconds <= 0:
        return
    media.duration_s = round(seconds, 6)
    if size and seconds >= 1e-3:
        media.more["bit_rate"] = int(size * 8 / seconds)


def finish(media: Media) -> None:
    """Once all tracks were told: whether it has sound, and that what has sound alone is no film."""
    more = media.more
    if "video_codec" in more:
        more["has_audio"] = "audio_codec" in more
        more.pop("bit_depth", None)
    elif "audio_codec" in more:
        media.kind, media.type = "audio", media.type.replace("video/", "audio/")
