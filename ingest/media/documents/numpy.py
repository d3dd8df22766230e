"""NumPy's .npy: rows and columns of its array. Source: numpy.lib.format."""

from __future__ import annotations

import re
from typing import Final

from ingest.media.nearby import near
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_SHAPE: Final = re.compile(rb"'shape': ?\(([\d, L]{0,256})\)")


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    header = near(view, 8, 120, 512)[:512]
    shape = _SHAPE.search(header)
    if shape is None:
        raise MalformedError("its shape is missing")
    sizes = [int(part.strip(b" L")) for part in shape[1].split(b",") if 0 < len(part.strip(b" L")) < 19]
    if sizes:
        media.more["rows"] = sizes[0]
    if len(sizes) == 2:
        media.more["columns"] = sizes[1]
