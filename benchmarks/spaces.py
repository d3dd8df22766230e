"""Buckets by the name of their shape: keys, and what the objects are."""

from __future__ import annotations

from typing import Final

from benchmarks.keys import KeySpace
from benchmarks.mixed import Mixed, MixedKeys
from benchmarks.objects import Objects, Patterned
from benchmarks.shapes import SHAPES

MIXED: Final = "mixed"
"""Whose objects are files of many kinds; those of all other shapes are a pattern of bytes."""
NAMES: Final = (*sorted(SHAPES), MIXED)


def space_of(shape: str, keys: int) -> KeySpace:
    """So many keys."""
    return MixedKeys(keys) if shape == MIXED else SHAPES[shape](keys)


def objects_of(shape: str) -> Objects:
    """What they hold."""
    return Mixed() if shape == MIXED else Patterned()
