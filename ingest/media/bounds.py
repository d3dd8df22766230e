"""What a file claims that no column holds: hides that headers lie. It is left out, and said so."""

from __future__ import annotations

import math
from typing import Final, TypeVar

from ingest.media.properties import Media, Value

PIXELS_MOST: Final = (1 << 31) - 1
"""Of one side: what a 32-bit column holds."""
SECONDS_MOST: Final = 1e11
"""3,000 years."""
NUMBER_MOST: Final = (1 << 53) - 1
"""What JSON's readers agree on."""
BITS_MOST: Final = 1 << 16
"""Of one channel, or of one sample of sound."""
TEXT_MOST: Final = 500
"""Characters."""
_BEYOND: Final = "it claims what can't be"
_Number = TypeVar("_Number", int, float)


def bound(media: Media) -> None:
    """Leaves out what is beyond any file, and makes each text one that a database takes."""
    before = media.width, media.height, media.duration_s, len(media.more)
    media.width, media.height = _within(media.width, PIXELS_MOST), _within(media.height, PIXELS_MOST)
    media.duration_s = _within(media.duration_s, SECONDS_MOST)
    media.more = {name: kept for name, value in media.more.items() if (kept := _kept(name, value)) is not None}
    if before != (media.width, media.height, media.duration_s, len(media.more)):
        media.more.setdefault("problem", _BEYOND)


def _within(value: _Number | None, most: float) -> _Number | None:
    return value if value is not None and 0 <= value <= most else None


def _kept(name: str, value: Value) -> Value:
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value[:TEXT_MOST]
        return value.replace("\x00", "").encode("utf-8", "replace").decode()[:TEXT_MOST]
    if name == "bit_depth" and value is not None:
        return _within(value, BITS_MOST)
    if isinstance(value, int):
        return value if abs(value) <= NUMBER_MOST else None
    return value if value is None or math.isfinite(value) else None
