"""Sound files that mean harm: whatever the bytes, reading them ends soon, and with an answer."""

from __future__ import annotations

import struct
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.media import audio_files as files
from tests.unit.media.hostile import BYTES, SECONDS, bent, kept, most_memory
from tests.unit.media.ranged import ranged

SEEDS: Final = {
    "wav": files.wav(files.chunk(b"LIST", bytes(30)), files.fmt(), samples=bytes(400)),
    "packed": files.wav(files.fmt(0x11), files.chunk(b"fact", bytes(4)), samples=bytes(400)),
    "aiff": files.aiff(),
    "aifc": files.aiff(kind=b"sowt", before=[files.chunk(b"NAME", b"x", ">")]),
    "flac": files.flac(),
    "mp3": files.mp3_frame(body=files.xing(9)) * 4,
    "tagged": files.id3(600) + files.mp3_frame() * 4,
    "aac": files.adts(),
    "vorbis": files.ogg((files.VORBIS, 9)),
    "theora": files.ogg((files.THEORA, 99), (files.OPUS, 999), (files.OGG_FLAC, 9)),
    "au": files.au(samples=bytes(100)),
    "caf": files.caf()[:300],
    "amr": b"#!AMR\n" + bytes(40),
}
_HARM: Final = {
    "no chunk has a length": b"RIFF\0\0\0\0WAVE" + b"JUNK\0\0\0\0" * 100_000,
    "no chunk of an aiff has one": b"FORM\0\0\0\0AIFF" + b"JUNK\0\0\0\0" * 100_000,
    "no chunk of a caf has one": b"caff\0\1\0\0" + (b"free" + bytes(8)) * 100_000,
    "a chunk goes backwards": b"caff\0\1\0\0free" + struct.pack(">q", -20) + bytes(100),
    "tags behind tags": files.id3(0) * 100_000,
    "all could be a frame": files.id3(4) + b"\xff\xfb\x90" * 300_000,
    "streams and streams": files.page(files.VORBIS, first=True) * 10_000,
    "pages and pages": files.ogg((files.VORBIS, 9)) + b"OggS" * 16_000,
    "a rate without end": files.aiff().replace(struct.pack(">H", 16383 + 15), b"\x7f\xff", 1),
}


@settings(max_examples=150, deadline=None)
@given(bent(SEEDS), st.sampled_from((40, 200, 1 << 20)))
def test_bent_sound_is_read_to_an_end(data: bytes, first: int) -> None:
    assert kept(data, first) < SECONDS


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_sound_may_be_cut_off_anywhere(name: str) -> None:
    data = SEEDS[name]
    for end in {*range(min(len(data), 120)), *range(120, len(data), 37)}:
        ranged(data[:end])
        ranged(data, max(end, 1))


@pytest.mark.parametrize("name", sorted(_HARM))
def test_sound_that_leads_in_circles_is_left_soon(name: str) -> None:
    assert kept(_HARM[name]) < SECONDS
    assert most_memory(_HARM[name]) < BYTES
