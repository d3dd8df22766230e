"""Photoshop's PSD and PSB; hides their header, and the resources that lie between it and the layers."""

from __future__ import annotations

from typing import Final

from ingest.media.exif import read_exif
from ingest.media.nearby import widened
from ingest.media.properties import Media
from ingest.media.view import MalformedError, MoreNeededError, View

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
_EXIF: Final = 1058
_RESOURCES_MOST: Final = 1_000
_HEADER: Final = 26


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
    try:
        _resources(view, media)
    except MoreNeededError as more:
        raise widened(view, more) from None


def _resources(view: View, media: Media) -> None:
    """Looks for EXIF. What stands before it, such as a preview, is passed by its length."""
    at = _HEADER + 4 + view.unpack(">I", _HEADER)[0]
    (length,) = view.unpack(">I", at)
    at, end = at + 4, at + 4 + length
    for _ in range(_RESOURCES_MOST):
        if at + 12 > end:
            return
        mark, which, name = view.unpack(">4sHB", at)
        if mark != b"8BIM":
            return
        at += 6 + (name + 2 & ~1)
        (length,) = view.unpack(">I", at)
        if which == _EXIF:
            read_exif(view, at + 4, length, media)
            return
        at += 4 + (length + 1 & ~1)
