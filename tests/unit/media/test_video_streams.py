"""MPEG transport and program streams: tables and parameter sets at the first end, time stamps at both."""

from __future__ import annotations

import struct
from itertools import chain

import pytest

from ingest.media.properties import Media, Value
from tests.unit.media.films import H264, HEVC, probe
from tests.unit.media.mpeg import AC3, ADTS, MP2, MPEG1, MPEG2, packets, pes, stamped, tables, transport

pytestmark = pytest.mark.acceptance("CO-26")

START = 133_200
VIDEO, SOUND = 0x100, 0x101
AVC = b"\0\0\1\x09\xf0\0\0\0\1" + H264 + b"\0\0\1\x68\xce"
H265 = b"\0\0\1\x46\1\x50\0\0\1" + HEVC + b"\0\0\1\x44\1"


def said(held: bytes, *, asked: int = 0) -> Media:
    """What stands in it, found in so many further ranges."""
    probed = probe(held)
    assert probed.reading.needs is None
    assert len(probed.asked) == asked
    return probed.reading.media


def stream(
    picture: tuple[int, bytes],
    sound: tuple[int, bytes] | None = None,
    *,
    frames: int = 50,
    filling: int = 0,
    first: int = START,
    described: bytes = b"",
    registered: bytes = b"",
) -> list[bytes]:
    """A stream at 25 frames per second, each with so many bytes to fill it up."""
    listed = {VIDEO: (picture[0], b"")} | ({SOUND: (sound[0], described)} if sound is not None else {})
    made = tables(listed, b"\x05\x04" + registered if registered else b"")
    for frame in range(frames):
        ticks = (first + frame * 3600) % (1 << 33)
        made += packets(VIDEO, pes(0xE0, ticks, picture[1] + b"\0\0\1\x65" + bytes([0xAA]) * filling))
        if sound is not None:
            made += packets(SOUND, pes(0xC0, ticks, sound[1]))
    return made


def test_a_film_with_sound() -> None:
    media = said(transport(stream((0x1B, AVC), (0x0F, ADTS))))
    assert (media.kind, media.format, media.type) == ("video", "mpegts", "video/mp2t")
    assert (media.width, media.height) == (1920, 1080)
    assert media.duration_s == pytest.approx(49 * 0.04 + 1 / 24)
    assert media.more["frame_rate"] == 24.0
    assert (media.more["video_codec"], media.more["audio_codec"]) == ("h264", "aac")
    assert (media.more["sample_rate"], media.more["channels"], media.more["has_audio"]) == (44100, 1, True)


@pytest.mark.parametrize(("lead", "behind"), [(0, 0), (4, 0), (0, 16)])
def test_packets_of_each_size(lead: int, behind: int) -> None:
    media = said(transport(stream((0x02, MPEG2)), lead=lead, behind=behind))
    assert (media.format, media.width, media.height, media.duration_s) == ("mpegts", 320, 180, 2.0)


def test_a_long_one_is_read_at_both_ends() -> None:
    held = transport(stream((0x1B, AVC), (0x0F, ADTS), frames=500, filling=3000))
    media = said(held, asked=1)
    assert media.duration_s == pytest.approx(499 * 0.04 + 1 / 24)


def test_a_clock_that_ran_over() -> None:
    assert said(transport(stream((0x02, MPEG2), first=(1 << 33) - 90_000))).duration_s == 2.0


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((0x01, MPEG1), ("mpeg1video", 320, 23.976024)),
        ((0x02, MPEG2), ("mpeg2video", 320, 25.0)),
        ((0x24, H265), ("hevc", 320, 25.0)),
    ],
)
def test_codecs_of_pictures(picture: tuple[int, bytes], expected: tuple[Value, ...]) -> None:
    media = said(transport(stream(picture)))
    assert (media.more["video_codec"], media.width, media.more["frame_rate"]) == expected


@pytest.mark.parametrize(
    ("sound", "described", "expected"),
    [
        ((0x04, MP2), b"", ("mp2", 44100, 1)),
        ((0x03, bytes.fromhex("fffb9044") + bytes(9)), b"", ("mp3", 44100, 2)),
        ((0x81, AC3), b"", ("ac3", 44100, 1)),
        ((0x87, bytes.fromhex("0b7700ff3f860000")), b"", ("eac3", 48000, 6)),
        ((0x06, AC3), b"\x6a\x01\x00", ("ac3", 44100, 1)),
        ((0x06, bytes(9)), b"\x05\x04Opus\x7f\x02\x80\x02", ("opus", 48000, 2)),
        ((0x06, bytes(9)), b"\x05\x04Opus", ("opus", 48000, None)),
        ((0x0F, bytes(3) + ADTS), b"", ("aac", 44100, 1)),
    ],
)
def test_codecs_of_sound(sound: tuple[int, bytes], described: bytes, expected: tuple[Value, ...]) -> None:
    more = said(transport(stream((0x02, MPEG2), sound, described=described))).more
    assert (more["audio_codec"], more["sample_rate"], more.get("channels")) == expected


def test_subtitles_are_no_sound() -> None:
    media = said(transport(stream((0x02, MPEG2), (0x06, bytes(9)), described=b"\x59\x08" + bytes(8))))
    assert media.more["has_audio"] is False


@pytest.mark.parametrize(
    ("head", "expected"), [("03c01140", (48000, 1)), ("03c0a480", (96000, 7)), ("03c03140", (48000, 2))]
)
def test_samples_of_a_blu_ray_disc(head: str, expected: tuple[int, int]) -> None:
    sound = 0x80, bytes.fromhex(head) + bytes(90)
    more = said(transport(stream((0x02, MPEG2), sound, registered=b"HDMV"), lead=4)).more
    assert (more["audio_codec"], more["sample_rate"], more["channels"]) == ("pcm_bluray", *expected)
    assert "audio_codec" not in said(transport(stream((0x02, MPEG2), sound))).more, "elsewhere it is something else"


def test_cues_for_advertisements_are_no_sound() -> None:
    cues = stream((0x02, MPEG2), (0x86, bytes(9)), registered=b"CUEI")
    assert said(transport(cues)).more["has_audio"] is False


@pytest.mark.parametrize("kind", [0x06, 0x80, 0x86])
@pytest.mark.parametrize("described", [b"", b"\x0a\x04deu\0"])
def test_what_may_be_sound_is_not_said_to_be_none(kind: int, described: bytes) -> None:
    private = stream((0x02, MPEG2), (kind, bytes(9)), described=described)
    assert "has_audio" not in said(transport(private)).more


def test_a_table_that_is_longer_than_a_packet() -> None:
    media = said(transport(stream((0x02, MPEG2), (0x06, AC3), described=b"\x09\xc8" + bytes(200) + b"\x6a\x01\x00")))
    assert media.more["audio_codec"] == "ac3"


def test_a_program_behind_other_packets() -> None:
    null = [b"\x47\x1f\xff\x10" + b"\xff" * 184]
    media = said(transport(null * 900 + stream((0x02, MPEG2))), asked=1)
    assert media.width == 320


def test_without_a_table_of_programs() -> None:
    null = [b"\x47\x1f\xff\x10" + b"\xff" * 184]
    assert said(transport(null * 100)).more["problem"] == "it has no table of its streams"
    held = transport(null * 5000)
    assert said(held, asked=1).more["problem"] == "it has no table of its streams"


def test_the_size_comes_with_a_later_picture() -> None:
    late = stream((0x1B, b"\0\0\1\x09\xf0"), frames=300, filling=300) + stream((0x1B, AVC), first=START + 300 * 3600)
    assert said(transport(late), asked=1).width == 1920


def test_a_picture_that_never_says_its_size() -> None:
    probed = probe(transport(stream((0x1B, b"\0\0\1\x09\xf0"), frames=300, filling=3000)))
    assert len(probed.asked) == 2
    assert probed.reading.media.more["video_codec"] == "h264"
    assert probed.reading.media.width is None


# Program streams

PACK = b"\0\0\1\xba\x44" + bytes(8) + b"\xf8"


def program(*made: bytes) -> bytes:
    return b"".join(chain.from_iterable((PACK, one) for one in made)) + b"\0\0\1\xb9"


def frames(picture: bytes, sound: bytes, number: int = 0xC0, *, count: int = 50) -> list[bytes]:
    made = ((pes(0xE0, START + 3600 * one, picture), pes(number, START + 3600 * one, sound)) for one in range(count))
    return list(chain.from_iterable(made))


def test_a_program_with_sound() -> None:
    media = said(program(*frames(MPEG2, MP2)))
    assert (media.kind, media.format, media.type) == ("video", "mpeg", "video/mpeg")
    assert (media.width, media.height, media.more["frame_rate"]) == (320, 180, 25.0)
    assert media.duration_s == pytest.approx(2.0)
    assert (media.more["video_codec"], media.more["audio_codec"], media.more["channels"]) == ("mpeg2video", "mp2", 1)


def test_sound_of_a_disc() -> None:
    media = said(program(*frames(MPEG2, b"\x80\1\0\1" + AC3, 0xBD)))
    assert (media.more["audio_codec"], media.more["sample_rate"]) == ("ac3", 44100)


def older(number: int, ticks: int, payload: bytes) -> bytes:
    body = b"\xff\xff\x60\x20" + stamped(ticks) + payload
    return b"\0\0\1" + bytes([number]) + struct.pack(">H", len(body)) + body


def test_packets_of_mpeg_1() -> None:
    made = (one for frame in range(50) for one in (older(0xE0, START + 3754 * frame, MPEG1), older(0xC0, START, MP2)))
    media = said(program(*made))
    assert (media.more["video_codec"], media.more["audio_codec"], media.width) == ("mpeg1video", "mp2", 320)
    assert media.duration_s == pytest.approx(49 * 3754 / 90_000 + 1001 / 24_000)


def test_a_long_program_is_read_at_both_ends() -> None:
    media = said(program(*frames(MPEG2 + bytes(4000), MP2, count=500)), asked=1)
    assert media.duration_s == pytest.approx(20.0)


def test_a_program_with_nothing_in_it() -> None:
    assert said(PACK + bytes(400)).more["problem"] == "it has no packets of pictures or sound"
