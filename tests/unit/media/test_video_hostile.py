"""Whatever bytes pretend to be a film: they are read in bounded steps, in few ranges, and nothing is raised."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.media.reading import read
from ingest.media.view import PIECE_MOST, View
from tests.unit.media import test_video_streams as streams
from tests.unit.media.films import (
    asf,
    asf_object,
    avc1,
    avcc,
    avi,
    bitmap,
    box,
    element,
    film_entry,
    flv,
    fragment,
    ftyp,
    full,
    hvcc,
    info,
    matroska,
    movie,
    mvex,
    mvhd,
    probe,
    script,
    sound,
    sound_entry,
    strl,
    tag,
    tracks,
    trak,
    visual,
    wave,
    whole,
)
from tests.unit.media.mpeg import ADTS, MP2, MPEG2, transport

pytestmark = pytest.mark.acceptance("CO-26")

FILMS = {
    "mp4": movie(trak(avc1(320, 180, avcc())), sound(), media=bytes(2000)),
    "mp4, header behind": movie(trak(visual(b"hvc1", 8, 6, hvcc())), sound(), media=bytes(20_000), front=False),
    "mp4 in fragments": ftyp()
    + box(b"moov", mvhd(0), trak(avc1()), sound(), mvex())
    + fragment(1, 0, (40,) * 50)
    + fragment(1, 2000, (40,) * 50, default=40),
    "matroska": matroska(
        info(1000.0), tracks(film_entry(b"V_VP9", whole(0x23E383, 1)), sound_entry()), doctype=b"webm"
    ),
    "avi": avi(strl(b"vids", b"XVID", 1, 25, 90, bitmap(b"XVID")), strl(b"auds", b"", 1, 44100, 88200, wave(0x55))),
    "flv": flv(
        tag(18, script({"width": 8.0, "nested": b"\x0a\0\0\0\1\5"})), TAG := tag(9, b"\x17\0\0\0\0" + avcc()[8:]), TAG
    ),
    "asf": asf(
        asf_object("8cabdca1-a947-11cf-8ee4-00c00c205365", bytes(80)),
        asf_object("b7dc0791-a9b7-11cf-8ee6-00c00c205365", bytes(90)),
    ),
    "transport": transport(streams.stream((0x1B, streams.AVC), (0x0F, ADTS), frames=12)),
    "program": streams.program(*streams.frames(MPEG2, MP2, count=12)),
}
NUMBERS = (
    b"\0\0\0\0",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\0\0\0\1",
    b"\x7f\xff\xff\xff",
    b"\1" + b"\xff" * 7,
    b"\0" * 16,
    b"G" * 9,
)


def sound_answer(held: bytes, first: int) -> None:
    """What any bytes must come to: an answer that can be kept, after few ranges that lie in the object."""
    probed = probe(held, first=first, least=0)
    for at, length in probed.asked:
        assert at >= 0
        assert 0 < length <= PIECE_MOST
        assert at + length <= len(held)
    assert len(set(probed.asked)) == len(probed.asked)
    media = probed.reading.media
    json.dumps([media.width, media.height, media.duration_s, media.more], allow_nan=False)
    assert media.duration_s is None or media.duration_s > 0
    assert all(number is None or 0 < number < 1 << 31 for number in (media.width, media.height))


@pytest.mark.parametrize("name", FILMS)
def test_each_beginning_of_a_film(name: str) -> None:
    held = FILMS[name]
    for end in (*range(0, min(len(held), 1600), 3), *range(1600, len(held), 997)):
        sound_answer(held[:end], 64 << 10)


@pytest.mark.parametrize("name", FILMS)
def test_each_first_range_of_a_film(name: str) -> None:
    held = FILMS[name]
    for first in (*range(16, min(len(held), 1600), 7), *range(1600, len(held), 1997)):
        sound_answer(held, first)
    assert read(View(None, {0: held})).media.kind in {"video", "audio"}


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(FILMS)),
    changes=st.lists(
        st.tuples(st.integers(0, 3000), st.sampled_from(NUMBERS) | st.binary(min_size=1, max_size=8)), max_size=8
    ),
    first=st.sampled_from((64, 500, 1024, 65536)),
)
def test_changed_films(name: str, changes: list[tuple[int, bytes]], first: int) -> None:
    held = bytearray(FILMS[name])
    for at, number in changes:
        place = at % len(held)
        held[place : place + len(number)] = number
    sound_answer(bytes(held), first)


SPECIAL = {
    "boxes of nothing": ftyp() + box(b"moov", *[box(b"trak")] * 3000) + bytes(100),
    "boxes within boxes": ftyp() + b"".join(struct.pack(">I4s", 1 << 20, b"moov") for _ in range(5000)),
    "the longest table": ftyp()
    + box(b"moov", mvhd(1), trak(avc1(), durations=((1, 1),) * 60_000), trak(avc1(), durations=((1, 1),) * 60_000)),
    "more frames than bytes": ftyp()
    + box(b"moov", mvhd(1), trak(avc1()).replace(struct.pack(">II", 75, 40), b"\xff" * 8)),
    "a run of four billion": ftyp()
    + box(b"moov", mvhd(0), trak(avc1()), mvex())
    + box(
        b"moof", full(b"mfhd", bytes(4)), box(b"traf", full(b"tfhd", bytes(4)), full(b"trun", b"\xff" * 4, flags=0x100))
    )
    + bytes(300),
    "fragments of one byte each": ftyp()
    + box(b"moov", mvhd(0), trak(avc1()), mvex())
    + b"\0\0\0\x10moof\0\0\0\x10mfhd" * 8000,
    "elements without end": matroska(*[element(0xEC, size=-1)] * 3000, unknown=True),
    "elements of nothing": matroska(*[element(0xEC)] * 20_000),
    "tracks of nothing": matroska(tracks(*[element(0xAE)] * 20_000)),
    "a packet of beginnings": b"\0\0\1\xba" + b"\0\0\1\xe0\0\0" * 40_000,
    "start codes": transport(streams.stream((0x1B, b"\0\0\1" * 1300), frames=400)),
    "sync words": transport(streams.stream((0x0F, b"\xff" * 4000), frames=400)),
    "only sync bytes": b"G\x40\0\x10" + b"G" * 400_000,
    "objects of nothing": flv(*[tag(18, b"")] * 5000),
    "objects within objects": flv(tag(18, script({"a": b"\x03\0\1a" * 9000}))),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_what_leads_nowhere_ends_soon(name: str) -> None:
    """50 ms and 16 MB are the limits for any header; a slow machine is given ten times the first."""
    held = SPECIAL[name]
    tracemalloc.start()
    try:
        began = time.thread_time()
        sound_answer(held, 1 << 20)
        took = time.thread_time() - began
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert took < 0.5
    assert peak < 16 << 20
