"""What is known of a file: the properties, each by one name. Shapes and units stand here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["image", "video", "audio", "document", "archive", "data", "text", "folder", "empty", "unknown"]
Value = str | int | float | bool | None

PROPERTIES: Final = {
    "orientation": "EXIF orientation, 1 to 8, if the file says one",
    "frames": "number of pictures: of an animation (an image in its place for old readers is not counted), or pages of a TIFF",
    "colour": "grey, rgb, palette, cmyk, ycbcr or lab, as stored",
    "bit_depth": "bits of one channel, as stored",
    "alpha": "whether it has transparency",
    "taken_at": "EXIF time of the picture, ISO 8601, with its offset if the file says one",
    "camera_make": "EXIF",
    "camera_model": "EXIF",
    "latitude": "EXIF, degrees north",
    "longitude": "EXIF, degrees east",
    "altitude_m": "EXIF, metres above the sea",
    "video_codec": "of the first video track, by ffprobe's names: h264, hevc, vp9, av1 ...",
    "frame_rate": "frames per second, on average",
    "rotation": "degrees by which a player turns the picture clockwise: 0, 90, 180 or 270",
    "has_audio": "whether a video has a sound track",
    "audio_codec": "of the first audio track, by ffprobe's names: aac, mp3, opus, pcm_s16le ...",
    "sample_rate": "samples per second",
    "channels": "of the first audio track",
    "bit_rate": "bits per second, of the whole file",
    "pages": "of a document",
    "encrypted": "whether a password is needed",
    "entries": "files in an archive",
    "rows": "of a table",
    "columns": "of a table",
    "unhashed": "why a picture has no perceptual hash, where one was asked for",
    "problem": "why not all of it could be read",
}
"""All that a file's properties may hold beside kind, format, type, width, height and duration."""


@dataclass(slots=True)
class Media:
    """What the bytes of one object say. A parser fills it in as it reads, so that what was found stays if the rest is broken."""

    kind: Kind = "unknown"
    format: str = ""
    """One word in lower case: jpeg, mp4, flac, docx ..."""
    type: str = ""
    """Media type (RFC 6838), of the bytes, not of the name."""
    width: int | None = None
    """Pixels as stored, before any orientation or rotation."""
    height: int | None = None
    duration_s: float | None = None
    more: dict[str, Value] = field(default_factory=dict)
    """By the names in PROPERTIES; what is not known is left out."""
