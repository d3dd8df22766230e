"""Bytes that mean harm: files bent, cut and spliced, and the limits that any input must keep."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Mapping
from typing import Final

from hypothesis import strategies as st

from ingest.media.reading import read
from ingest.media.view import View
from tests.unit.media.ranged import ranged

SECONDS: Final = 0.25
"""No input may take 50 ms; a busy machine is given five times as long."""
BYTES: Final = 16 << 20


@st.composite
def bent(draw: st.DrawFn, files: Mapping[str, bytes]) -> bytes:
    """One of these files with a few bytes or numbers changed, cut off, or with a piece of another one in it."""
    names = st.sampled_from(sorted(files))
    data = bytearray(files[draw(names)])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, min(len(data), 3_000) - 1)))
        at = draw(st.sampled_from((at, max(0, len(data) - 1 - at))))
        way = draw(st.sampled_from(("byte", "number", "cut", "splice", "drop", "double")))
        if way == "byte":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=2))
        elif way == "number":
            data[at : at + 4] = draw(
                st.sampled_from((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"9999"))
            )
        elif way == "cut":
            del data[max(at, 1) :]
        elif way == "splice":
            other = files[draw(names)]
            begin = draw(st.integers(0, len(other)))
            data[at:at] = other[begin : begin + 300]
        elif way == "drop":
            del data[at : at + draw(st.integers(1, 64))]
        else:
            data[at:at] = data[at : at + 200]
    return bytes(data)


def kept(data: bytes, first: int = 1 << 20) -> float:
    """Reads it. Nothing may come out of it but an answer, within the limits; seconds that it took are returned."""
    began = time.perf_counter()
    ranged(data, first)
    read(View(None, {0: data[:first]}))
    return time.perf_counter() - began


def most_memory(data: bytes) -> int:
    """Bytes that reading it takes at most, beside the file itself."""
    tracemalloc.start()
    try:
        ranged(data, len(data))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
