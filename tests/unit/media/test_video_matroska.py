"""Matroska and WebM: what their headers say, and that elements of any size are passed without being read."""

from __future__ import annotations

import struct

import pytest

from ingest.media.properties import Media, Value
from tests.unit.media.films import (
    avcc,
    bitmap,
    ebml,
    element,
    film_entry,
    hvcc,
    info,
    matroska,
    probe,
    real,
    sound_entry,
    tracks,
    wave,
    whole,
)

pytestmark = pytest.mark.acceptance("CO-26")

SEGMENT, SEEKHEAD, VOID, CLUSTER = 0x18538067, 0x114D9B74, 0xEC, 0x1F43B675


def said(held: bytes, *, asked: int = 0) -> Media:
    """What stands in it, found in so many further ranges."""
    probed = probe(held)
    assert probed.reading.needs is None
    assert len(probed.asked) == asked
    return probed.reading.media


def test_a_film_with_sound() -> None:
    held = matroska(info(2500.0), tracks(film_entry(b"V_VP9", whole(0x23E383, 40_000_000)), sound_entry()))
    media = said(held)
    assert (media.kind, media.format, media.type) == ("video", "mkv", "video/matroska")
    assert (media.width, media.height, media.duration_s) == (640, 360, 2.5)
    assert media.more == {
        "video_codec": "vp9",
        "frame_rate": 25.0,
        "rotation": 0,
        "has_audio": True,
        "audio_codec": "opus",
        "sample_rate": 48000,
        "channels": 2,
        "bit_rate": int(len(held) * 8 / 2.5),
    }


def test_webm_and_sound_alone() -> None:
    media = said(matroska(info(1000.0), tracks(film_entry()), doctype=b"webm"))
    assert (media.format, media.type, media.more["has_audio"]) == ("webm", "video/webm", False)
    media = said(matroska(info(1000.0), tracks(sound_entry()), doctype=b"webm"))
    assert (media.kind, media.type) == ("audio", "audio/webm")
    media = said(matroska(info(1000.0), tracks(sound_entry(b"A_FLAC"))))
    assert (media.kind, media.type, media.more["bit_rate"]) == ("audio", "audio/matroska", media.more["bit_rate"])


def test_a_live_stream_says_no_sizes_and_no_duration() -> None:
    cluster = element(CLUSTER, whole(0xE7, 0), bytes(9000), size=-1)
    media = said(matroska(element(0x1549A966, whole(0x2AD7B1, 1_000_000)), tracks(film_entry()), cluster, unknown=True))
    assert (media.width, media.duration_s) == (640, None)


def test_tracks_behind_the_clusters_are_found_by_the_seek_head() -> None:
    listing, cluster = tracks(film_entry()), element(CLUSTER, bytes(300_000))
    about = info(1000.0)
    length = len(element(SEEKHEAD, element(0x4DBB, element(0x53AB, bytes(4)), element(0x53AC, bytes(4)))))
    place = length + len(about) + len(cluster)
    seek = element(0x4DBB, element(0x53AB, bytes.fromhex("1654ae6b")), element(0x53AC, place.to_bytes(4)))
    held = matroska(element(SEEKHEAD, seek), about, cluster, listing)
    assert said(held, asked=1).width == 640


def test_what_lies_between_is_passed_by_its_size() -> None:
    assert said(matroska(element(VOID, bytes(200_000)), info(1000.0), tracks(film_entry())), asked=1).width == 640


@pytest.mark.parametrize(
    ("entry", "codec"),
    [
        (film_entry(b"V_AV1"), "av1"),
        (film_entry(b"V_MPEG4/ISO/AVC"), "h264"),
        (film_entry(b"V_MPEGH/ISO/HEVC"), "hevc"),
        (film_entry(b"V_PRORES"), "prores"),
        (film_entry(b"V_MS/VFW/FOURCC", element(0x63A2, bitmap(b"XVID"))), "mpeg4"),
        (film_entry(b"V_MS/VFW/FOURCC", element(0x63A2, bytes(4))), "unknown"),
        (film_entry(b"V_QUICKTIME", element(0x63A2, struct.pack(">I4s", 86, b"SVQ3"))), "svq3"),
        (film_entry(b"V_NEW"), "unknown"),
    ],
)
def test_codecs_of_pictures(entry: bytes, codec: str) -> None:
    assert said(matroska(tracks(entry))).more["video_codec"] == codec


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (sound_entry(b"A_AAC", element(0x63A2, bytes([0x12, 0x08]))), ("aac", 44100, 1)),
        (sound_entry(b"A_AAC/MPEG4/LC"), ("aac", 48000, 2)),
        (sound_entry(b"A_VORBIS"), ("vorbis", 48000, 2)),
        (sound_entry(b"A_MPEG/L3"), ("mp3", 48000, 2)),
        (sound_entry(b"A_PCM/INT/LIT"), ("pcm_s16le", 48000, 2)),
        (sound_entry(b"A_PCM/INT/BIG", bits=24), ("pcm_s24be", 48000, 2)),
        (sound_entry(b"A_PCM/FLOAT/IEEE", bits=32), ("pcm_f32le", 48000, 2)),
        (sound_entry(b"A_MS/ACM", element(0x63A2, wave(0x2000))), ("ac3", 48000, 2)),
        (sound_entry(b"A_NEW"), ("unknown", 48000, 2)),
    ],
)
def test_codecs_of_sound(entry: bytes, expected: tuple[Value, ...]) -> None:
    more = said(matroska(tracks(entry))).more
    assert (more["audio_codec"], more["sample_rate"], more["channels"]) == expected


def test_what_the_codec_says_of_its_size_counts() -> None:
    entry = film_entry(b"V_MPEG4/ISO/AVC", element(0x63A2, avcc()[8:]))
    assert said(matroska(tracks(entry))).height == 1080
    entry = film_entry(b"V_MPEGH/ISO/HEVC", element(0x63A2, hvcc()[8:]))
    assert said(matroska(tracks(entry))).height == 180


def test_a_film_may_be_turned() -> None:
    projection = element(0x7670, real(0x7675, -90.0))
    entry = element(
        0xAE, whole(0x83, 1), element(0x86, b"V_VP8"), element(0xE0, whole(0xB0, 8), whole(0xBA, 6), projection)
    )
    assert said(matroska(tracks(entry))).more["rotation"] == 90


@pytest.mark.parametrize(
    ("held", "problem"),
    [
        (ebml(), "it has no segment"),
        (element(0x1A45DFA3, size=-1) + bytes(90), "its header is broken"),
        (matroska(info(1000.0)), "its tracks can't be found"),
        (ebml() + bytes(90), "an element has no ID"),
        (ebml() + b"\x18\x53\x80\x67" + bytes(90), "an element has no size"),
        (matroska(*[element(VOID)] * 3000), "it has too many elements"),
        (matroska(tracks(element(0xAE, whole(0x83, 1 << 64)))), "a number or a word is too long"),
        (matroska(element(0x1549A966, element(0x4489, bytes(5)))), "a number has a length that numbers don't have"),
    ],
)
def test_what_is_broken_is_said(held: bytes, problem: str) -> None:
    media = said(held)
    assert media.kind == "video"
    assert media.more["problem"] == problem


def test_a_seek_head_that_leads_astray_is_not_followed() -> None:
    def seek(place: int) -> bytes:
        return element(0x4DBB, element(0x53AB, bytes.fromhex("1654ae6b")), element(0x53AC, place.to_bytes(8)))

    for place in (0, 1, 7, (1 << 64) - 1):
        media = said(matroska(element(SEEKHEAD, seek(place)), info(1000.0), element(CLUSTER, bytes(90))))
        assert "problem" in media.more
        assert media.duration_s == 1.0


@pytest.mark.parametrize("width", [0, 1 << 40])
def test_a_size_that_no_picture_has_is_left_out(width: int) -> None:
    entry = element(0xAE, whole(0x83, 1), element(0x86, b"V_VP8"), element(0xE0, whole(0xB0, width), whole(0xBA, 6)))
    media = said(matroska(info(float("nan")), tracks(entry)))
    assert (media.width, media.height, media.duration_s) == (None, 6, None)
