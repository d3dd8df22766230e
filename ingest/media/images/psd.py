"""Photoshop's PSD and PSB; hides their header."""

from __future__ import annotations

from typing import Final

from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_MODES: Final = {
    0: ("grey", 1),
    1: ("grey", 1),
    2: ("palette", 1),
    3: ("rgb", 3),
    4: ("cmyk", 4),
    7: ("grey", 1),
    8: ("grey", 1),
    9: ("lab", 3),
}
"""Colour and its channels, by mode: a bitmap, grey, indexed, RGB, CMYK, multichannel, duotone, Lab."""
_MULTICHANNEL: Final = 7


def read_psd(view: View, media: Media) -> None:
    """Raises MoreNeededError, MalformedError."""
    version, channels, height, width, depth, mode = view.unpack(">H6xHIIHH", 4)
    if version not in (1, 2) or not width or not height:
        raise MalformedError("its header is none that is known")
    media.width, media.height = width, height
    media.more["bit_depth"] = depth
    if mode in _MODES:
        media.more["colour"], needed = _MODES[mode]
        media.more["alpha"] = channels > needed and mode != _MULTICHANNEL
