"""Hostile bytes: headers that are changed, cut off and spliced neither raise nor take long, and never lead in circles."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ingest.media.properties import PROPERTIES
from ingest.media.reading import read
from ingest.media.view import PIECE_MOST, View
from tests.unit.media.pictures import noise, picture, saved, tiff
from tests.unit.media.test_exif import camera
from tests.unit.media.test_images_heif import PHONE
from tests.unit.media.test_images_rare import BMPS, jxl, page, psd, resource

EXIF = camera().tobytes()
MOVING = [Image.effect_noise((30, 20), 60).convert("RGB") for _ in range(4)]
SEEDS = [
    *(saved(picture(), kind, exif=EXIF) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")),
    *(
        saved(MOVING[0], kind, save_all=True, append_images=MOVING[1:])
        for kind in ("GIF", "PNG", "WEBP", "AVIF", "TIFF")
    ),
    saved(noise(), "JPEG", icc_profile=bytes(70_000), exif=EXIF)[:90_000],
    saved(picture(), "JPEG2000"),
    saved(picture("P"), "GIF", transparency=1),
    PHONE[:6_000],
    PHONE[:3_000] + PHONE[-400:],
    *BMPS.values(),
    psd(3, 4, resources=resource(1005, b"abc") + resource(1058, EXIF[6:])),
    jxl((0, 1), (1, 2), (1079, 13), (5, 3)),
    tiff(page(), page(), big=True),
    b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'b'>]><svg width='10' height=\"20\" viewBox='0 0 1 1'>",
]
EDGES = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 64) - 1)


CHANGES = st.tuples(
    st.sampled_from(("byte", "number", "cut", "splice", "drop", "double")),
    st.one_of(st.integers(0, 64), st.integers(0, 512), st.integers(0, 4_096), st.integers(0, 100_000)),
    st.one_of(st.sampled_from(EDGES), st.integers(0, 255)),
    st.integers(1, 64),
)
"""How, where, to what, and how much of it."""


def changed(seed: int, changes: list[tuple[str, int, int, int]]) -> bytes:
    """One of the files, changed mostly where its header is."""
    body = bytearray(SEEDS[seed])
    for how, where, what, much in changes:
        at = where % (len(body) + 1)
        if how == "byte":
            body[at : at + 1] = bytes((what & 0xFF,))
        elif how == "number":
            width = (1, 2, 4, 8)[much % 4]
            body[at : at + width] = (what & (1 << 8 * width) - 1).to_bytes(width, "little" if much & 4 else "big")
        elif how == "cut":
            del body[at:]
        elif how == "splice":
            other = SEEDS[much % len(SEEDS)]
            body[at:] = other[what % len(other) :]
        elif how == "drop":
            del body[at : at + much]
        else:
            body[at:at] = body[at : at + much]
    return bytes(body)


def harmless(body: bytes, first: int, size: int | None) -> None:
    pieces = {0: body[:first]}
    for _ in range(3):
        reading = read(View(size, pieces))
        assert reading.media.more.keys() <= PROPERTIES.keys()
        for side in (reading.media.width, reading.media.height):
            assert side is None or 0 <= side < 1 << 64
        if reading.needs is None:
            return
        at, length = reading.needs
        assert 0 < length <= PIECE_MOST
        assert at >= 0
        if size is not None:
            assert at + length <= size
        pieces[at] = body[at : at + length]


@settings(max_examples=500, deadline=None)
@given(
    st.integers(0, len(SEEDS) - 1),
    st.lists(CHANGES, min_size=1, max_size=6),
    st.sampled_from((32, 300, 4_096, 1 << 20)),
    st.booleans(),
)
def test_changed_headers_are_harmless(
    seed: int, changes: list[tuple[str, int, int, int]], first: int, known: bool
) -> None:
    body = changed(seed, changes)
    harmless(body, first, len(body) if known else None)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(SEEDS) - 1), st.integers(2, 16), st.binary(max_size=400), st.integers(1, 5_000))
def test_anything_behind_a_signature_is_harmless(seed: int, kept: int, behind: bytes, times: int) -> None:
    body = SEEDS[seed][:kept] + behind * times
    harmless(body[:300_000], 1 << 20, min(len(body), 300_000))


DEEP = 900_000
REPEATED = {
    "JPEG segments": b"\xff\xd8" + b"\xff\xe1\0\x02" * (DEEP // 4),
    "JPEG fill": b"\xff\xd8" + b"\xff" * DEEP,
    "PNG chunks": SEEDS[1][:33] + (b"\0\0\0\0tEXtcrc!" * (DEEP // 12)),
    "PNG chunks behind the pixels": SEEDS[1][:33] + (b"\0\0\0\0IDATcrc!" * (DEEP // 12)),
    "GIF blocks of one": SEEDS[5][:13] + b"\0" * 768 + b",\0\0\0\0\x09\0\x09\0\0\x02" + b"\x01\0" * (DEEP // 2),
    "GIF blocks of nothing": b"GIF89a\x09\0\x09\0\0\0\0,\0\0\0\0\x09\0\x09\0\0\x02" + b"\0" * DEEP,
    "GIF pictures": b"GIF89a\x09\0\x09\0\0\0\0" + b",\0\0\0\0\x09\0\x09\0\0\x02\0" * (DEEP // 12),
    "WebP frames": b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x0a" + bytes(9) + b"ANMF\0\0\0\0" * (DEEP // 8),
    "boxes": PHONE[:24] + b"\0\0\0\x08free" * (DEEP // 8),
    "boxes in a meta": PHONE[:24] + DEEP.to_bytes(4, "big") + b"meta\0\0\0\0" + b"\0\0\0\x08free" * (DEEP // 8),
    "an ipma": PHONE[:24]
    + (DEEP + 100).to_bytes(4, "big")
    + b"meta\0\0\0\0\0\0\0\x0epitm\0\0\0\0\0\1"
    + DEEP.to_bytes(4, "big")
    + b"iprp"
    + (b"\0\0\xff\xf0ipma\0\0\0\0\0\0\x55\x50" + b"\0\2\0" * 21_840) * 13,
    "a TIFF of entries": b"II*\0\x08\0\0\0\0\4" + b"\0\1\3\0\1\0\0\0\1\0\0\0" * 1_024 + bytes(DEEP),
    "SVG spaces": b"<!DOCTYPE svg>" + b" " * DEEP,
    "SVG comments": b"<!DOCTYPE svg>" + b"<!--" * (DEEP // 4),
    "PSD resources": psd(3, 3, resources=resource(1, b"") * (DEEP // 12)),
    "an icon": b"\0\0\1\0\0\1" + b"\1\1\0\0\1\0\1\0\1\0\0\0\x06\x10\0\0" * 256,
}


@pytest.mark.parametrize("body", REPEATED.values(), ids=REPEATED)
def test_the_most_of_anything_takes_little_time_and_memory(body: bytes) -> None:
    view = View(len(body), {0: body})
    began = time.process_time()
    read(view)
    assert time.process_time() - began < 0.2  # 50 ms, if the machine is not shared
    tracemalloc.start()
    try:
        read(View(len(body), {0: body}))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
