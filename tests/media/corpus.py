"""Reads files of the corpus as the prober does: a first range, at most two further ones, never all of a large one."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from ingest.media.reading import Reading, read
from ingest.media.view import View

FILES: Final = Path(__file__).with_name("files")
FIRST: Final = 16 << 10
FIRST_OF_CAMERAS: Final = 64 << 10
CAMERAS: Final = frozenset({".jpg", ".heic", ".mp4", ".mov"})
FURTHER: Final = 2
AT_LEAST: Final = 8 << 10
"""Bytes of a further range, as the prober fetches them."""
MOST: Final = 400 << 10
"""Bytes of one file, over all its ranges."""


class Fetched(NamedTuple):
    """What was read, and what it took."""

    reading: Reading
    ranges: tuple[tuple[int, int], ...]
    """Place and length of each."""


def probe(body: bytes, *, first: int, size: int | None, further: int = FURTHER, least: int = 0) -> Fetched:
    """The prober's loop over bytes in memory; `size`: what the storage says, true or not (None: nothing).

    `least`: of a further range. The prober takes 8 KB, since what comes next is often wanted, too; 0 shows that nothing leans on that.
    """
    pieces = {0: body[:first]}
    ranges = [(0, len(pieces[0]))]
    while True:
        reading = read(View(size, pieces))
        if reading.needs is None or further == 0:
            return Fetched(reading, tuple(ranges))
        at, many = reading.needs
        fetched = body[at : at + max(many, least)]
        pieces[at] = max(fetched, pieces.get(at, b""), key=len)
        ranges.append((at, len(fetched)))
        further -= 1


def names() -> list[str]:
    """All files of the corpus."""
    return sorted(path.relative_to(FILES).as_posix() for path in FILES.rglob("*") if path.is_file())


def first_of(name: str) -> int:
    """How long the first range is, by the name alone."""
    return FIRST_OF_CAMERAS if Path(name).suffix in CAMERAS else FIRST
