"""Rows for those that commit: hides how a key space becomes columns, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from benchmarks.objects import VARIETY, describe
from benchmarks.peers.process import Asked
from benchmarks.shapes import SHAPES

PAGE: Final = 1000
PAGES: Final = 4
"""Of one commit."""
NAMES: Final = ("key", "size", "etag", "last_modified", "storage_class", "listed_checksum", "state", "depth")


def pages(asked: Asked) -> Iterator[list[list[Any]]]:
    """Columns by NAMES, a page of keys at a time."""
    space, known = SHAPES[asked.shape](asked.keys), [describe(number) for number in range(VARIETY)]
    for low in range(0, asked.most, PAGE):
        keys = space.keys(low, min(low + PAGE, asked.most))
        objects = [known[number % VARIETY] for number in range(low, low + len(keys))]
        count = len(keys)
        yield [
            keys,
            [one.size for one in objects],
            [one.etag for one in objects],
            ["2026-01-01T00:00:00.000Z"] * count,
            ["STANDARD"] * count,
            [""] * count,
            ["present"] * count,
            ["list"] * count,
        ]
