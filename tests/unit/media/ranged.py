"""Reads a file as a probe does: its first range, and at most two further ones where it asks for them."""

from __future__ import annotations

from typing import Final, NamedTuple

from ingest.media.properties import PROPERTIES, Media
from ingest.media.reading import read
from ingest.media.view import View

FURTHER: Final = 2
MOST: Final = 256 * 1024


class Ranged(NamedTuple):
    """What was found, and the ranges that were asked for beside the first."""

    media: Media
    further: list[tuple[int, int]]
    enough: bool


def ranged(data: bytes, first: int = 16_384) -> Ranged:
    """Of a file whose first bytes are held. Each range must lie inside the file and be no longer than what is fetched."""
    pieces, further = {0: data[:first]}, list[tuple[int, int]]()
    while True:
        found = read(View(len(data), pieces))
        assert found.media.more.keys() <= PROPERTIES.keys()
        if found.needs is None or len(further) == FURTHER:
            return Ranged(found.media, further, found.needs is None)
        at, length = found.needs
        assert 0 <= at < at + length <= len(data)
        assert length <= MOST
        assert found.needs not in further
        further.append(found.needs)
        pieces[at] = data[at : at + length]


def whole(data: bytes) -> Media:
    """What a file says that is held whole: nothing more is asked for."""
    found = ranged(data, len(data))
    assert not found.further
    return found.media
