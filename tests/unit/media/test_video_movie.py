"""MP4, MOV, M4A and their kin: what their headers say, wherever in the file these lie, and in how few ranges they are found."""

from __future__ import annotations

import struct

import pytest

from ingest.media.properties import Media, Value
from tests.unit.media.films import (
    HEVC,
    Probed,
    audible,
    avc1,
    avcc,
    box,
    esds,
    fragment,
    ftyp,
    full,
    hvcc,
    matrix,
    movie,
    mp4a,
    mvex,
    mvhd,
    probe,
    sound,
    trak,
    visual,
)

pytestmark = pytest.mark.acceptance("CO-26")


def said(held: bytes, *, asked: int = 0) -> Media:
    """What stands in it, found in so many further ranges."""
    probed: Probed = probe(held)
    assert probed.reading.needs is None
    assert len(probed.asked) == asked
    return probed.reading.media


def test_a_film_with_sound() -> None:
    held = movie(trak(avc1()), sound(), media=bytes(372_000))
    media = said(held)
    assert (media.kind, media.format, media.type) == ("video", "mp4", "video/mp4")
    assert (media.width, media.height, media.duration_s) == (320, 180, 3.0)
    assert media.more == {
        "video_codec": "h264",
        "frame_rate": 25.0,
        "rotation": 0,
        "has_audio": True,
        "audio_codec": "aac",
        "sample_rate": 44100,
        "channels": 2,
        "bit_rate": len(held) * 8 // 3,
    }


@pytest.mark.parametrize(
    ("brand", "kind", "form", "media_type"),
    [
        (b"isom", "video", "mp4", "video/mp4"),
        (b"dash", "video", "mp4", "video/mp4"),
        (b"qt  ", "video", "mov", "video/quicktime"),
        (b"M4V ", "video", "m4v", "video/mp4"),
        (b"3gp4", "video", "3gp", "video/3gpp"),
        (b"3g2a", "video", "3g2", "video/3gpp2"),
    ],
)
def test_the_brand_says_what_it_is(brand: bytes, kind: str, form: str, media_type: str) -> None:
    media = said(movie(trak(avc1()), brand=brand))
    assert (media.kind, media.format, media.type) == (kind, form, media_type)


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif", b"crx "])
def test_a_picture_in_the_same_boxes_is_no_film(brand: bytes) -> None:
    assert probe(ftyp(brand) + box(b"meta", bytes(100))).reading.media.kind != "video"


@pytest.mark.parametrize(
    ("brand", "media_type"), [(b"M4A ", "audio/mp4"), (b"isom", "audio/mp4"), (b"3gp4", "audio/3gpp")]
)
def test_sound_alone_is_no_film(brand: bytes, media_type: str) -> None:
    media = said(movie(sound(number=1), brand=brand))
    assert (media.kind, media.type, media.width) == ("audio", media_type, None)
    assert "has_audio" not in media.more


@pytest.mark.parametrize("begin", [b"wide", b"free", b"skip"])
def test_a_film_of_old_names_no_brand(begin: bytes) -> None:
    media = said(box(begin) + box(b"moov", mvhd(3000), trak(avc1())) + box(b"mdat"))
    assert (media.kind, media.format, media.duration_s) == ("video", "mov", 3.0)


def test_a_text_with_such_a_word_is_no_film() -> None:
    assert probe(b"and free as a bird " * 20).reading.media.kind != "video"


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_a_turned_film_keeps_its_size_as_stored(turned: int) -> None:
    media = said(movie(trak(avc1(1920, 1080), turned=turned)))
    assert (media.width, media.height, media.more["rotation"]) == (1920, 1080, turned)


def test_the_whole_movie_may_be_turned_too() -> None:
    header = full(b"mvhd", struct.pack(">IIII", 0, 0, 1000, 3000), bytes(16), matrix(270), bytes(28))
    media = said(ftyp() + box(b"moov", header, trak(avc1(), turned=180)))
    assert media.more["rotation"] == 90


def test_what_the_codec_says_of_its_size_counts() -> None:
    assert said(movie(trak(avc1(1920, 1088, avcc())))).height == 1080
    media = said(movie(trak(visual(b"hvc1", 1, 1, hvcc()))))
    assert (media.width, media.height, media.more["video_codec"]) == (320, 180, "hevc")
    assert said(movie(trak(avc1(1920, 1088, avcc(b"\x67"))))).height == 1088, "a broken one counts for nothing"
    assert said(movie(trak(visual(b"hvc1", 8, 6, hvcc(HEVC[:9]))))).height == 6


@pytest.mark.parametrize(
    ("entry", "codec"),
    [
        (b"av01", "av1"),
        (b"vp09", "vp9"),
        (b"mp4v", "mpeg4"),
        (b"apch", "prores"),
        (b"jpeg", "mjpeg"),
        (b"dvh1", "hevc"),
        (b"AVdn", "dnxhd"),
        (b"zzzz", "unknown"),
    ],
)
def test_codecs_of_pictures(entry: bytes, codec: str) -> None:
    assert said(movie(trak(visual(entry, 64, 48)))).more["video_codec"] == codec


def test_an_encrypted_film_says_what_is_in_it() -> None:
    sinf = box(b"sinf", box(b"frma", b"hvc1"))
    assert said(movie(trak(visual(b"encv", 64, 48, sinf)))).more["video_codec"] == "hevc"


FLAC = struct.pack(">I", 0x80000022) + bytes(10) + (96_000 << 44 | 5 << 41 | 23 << 36).to_bytes(8) + bytes(16)
ALAC = bytes(5) + bytes([24]) + bytes(3) + bytes([2]) + bytes(10) + (88_200).to_bytes(4)
LPCM = struct.pack(">8xHHIHHHHI", 2, 0, 0, 3, 16, 0xFFFE, 0, 0x10000) + struct.pack(
    ">IdIIIIII", 72, 48000.0, 6, 0x7F000000, 24, 4, 18, 1
)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (audible(b"mp4a", 2, 48000, esds(0x40, bytes([0x11, 0xB0]))), ("aac", 48000, 6)),
        (audible(b"mp4a", 2, 24000, esds(0x40, bytes([0x2B, 0x11, 0x88, 0x00]))), ("aac", 48000, 2)),
        (audible(b"mp4a", 2, 22050, esds(0x40, bytes.fromhex("139056e5a0"))), ("aac", 44100, 2)),
        (audible(b"mp4a", 2, 48000, esds(0x6B)), ("mp3", 48000, 2)),
        (audible(b"ac-3", 2, 48000, box(b"dac3", bytes.fromhex("103dc0"))), ("ac3", 48000, 6)),
        (audible(b"ec-3", 2, 48000, box(b"dec3", bytes.fromhex("0600200f00"))), ("eac3", 48000, 6)),
        (audible(b"Opus", 2, 0, box(b"dOps", bytes([0, 1]) + bytes(9))), ("opus", 48000, 1)),
        (audible(b"fLaC", 2, 0, full(b"dfLa", FLAC)), ("flac", 96000, 6)),
        (audible(b"alac", 2, 0, full(b"alac", ALAC)), ("alac", 88200, 2)),
        (audible(b"sowt", 2, 44100), ("pcm_s16le", 44100, 2)),
        (audible(b"twos", 1, 8000, bits=8), ("pcm_s8", 8000, 1)),
        (audible(b"raw ", 1, 8000, bits=8), ("pcm_u8", 8000, 1)),
        (
            audible(b"in24", 2, 48000, box(b"wave", box(b"frma", b"in24"), box(b"enda", b"\0\1"), bytes(8)), version=1),
            ("pcm_s24le", 48000, 2),
        ),
        (audible(b"ipcm", 2, 48000, full(b"pcmC", b"\1\x20"), bits=32), ("pcm_s32le", 48000, 2)),
        (box(b"lpcm", LPCM), ("pcm_s24le", 48000, 6)),
        (audible(b"ms\0\x11", 2, 44100), ("adpcm_ima_wav", 44100, 2)),
        (audible(b"samr", 1, 8000), ("amr_nb", 8000, 1)),
        (audible(b"zzzz", 1, 8000), ("unknown", 8000, 1)),
    ],
)
def test_codecs_of_sound(entry: bytes, expected: tuple[Value, ...]) -> None:
    more = said(movie(sound(entry, number=1))).more
    assert (more["audio_codec"], more["sample_rate"], more["channels"]) == expected


def test_the_first_frame_of_mp3_says_its_channels_if_it_is_held() -> None:
    entry = audible(b"mp4a", 2, 44100, esds(0x6B))
    track = sound(entry, number=1)
    at = len(movie(track)) + 16
    stco = full(b"stco", struct.pack(">II", 1, at))
    nested = bytearray(track + stco)
    for name in (b"trak", b"mdia", b"minf", b"stbl"):
        place = track.index(name) - 4
        nested[place : place + 4] = (int.from_bytes(track[place : place + 4]) + len(stco)).to_bytes(4)
    assert said(movie(bytes(nested), media=bytes.fromhex("fffbe0c4") + bytes(400))).more["channels"] == 1


def test_frames_of_uneven_length_are_averaged() -> None:
    media = said(movie(trak(avc1(), durations=((10, 40), (10, 20), (1, 400)))))
    assert media.more["frame_rate"] == pytest.approx(21)


def test_only_the_first_tracks_count() -> None:
    other = trak(box(b"tmcd", bytes(30)), handler=b"tmcd", number=3)
    media = said(movie(other, sound(number=2), trak(avc1()), trak(visual(b"jpeg", 9, 9), number=4)))
    assert (media.width, media.more["video_codec"], media.more["has_audio"]) == (320, "h264", True)


def test_without_sound() -> None:
    assert said(movie(trak(avc1()))).more["has_audio"] is False


def test_a_header_behind_the_film_takes_one_further_range() -> None:
    held = movie(trak(avc1()), sound(), media=bytes(1 << 20), front=False)
    probed = probe(held)
    assert probed.asked == [(len(ftyp()) + 8 + (1 << 20), len(held) - len(ftyp()) - 8 - (1 << 20))]
    media = probed.reading.media
    assert (media.width, media.more["audio_codec"], media.more["frame_rate"]) == (320, "aac", 25.0)


def test_the_tables_of_a_long_film_are_not_fetched() -> None:
    held = movie(trak(avc1(), tables=3 << 20), sound(tables=2 << 20), media=bytes(1 << 20), front=False)
    probed = probe(held)
    assert probed.reading.needs is None
    assert len(probed.asked) == 2
    assert sum(length for _, length in probed.asked) < 200_000
    assert probed.reading.media.more["has_audio"] is True
    assert len(probe(movie(trak(avc1(), tables=3 << 20), sound(tables=2 << 20))).asked) == 1


def test_64_bits() -> None:
    moov = box(b"moov", mvhd(5_000_000_000, version=1), trak(avc1()))
    held = ftyp() + struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100) + moov
    assert said(held).duration_s == 5_000_000.0


@pytest.mark.parametrize("ticks", [0, 0xFFFFFFFF])
def test_a_duration_that_nobody_knows_is_left_out(ticks: int) -> None:
    media = said(movie(trak(avc1()), ticks=ticks))
    assert media.duration_s is None
    assert "bit_rate" not in media.more


class TestFragments:
    def begin(self, *inner: bytes) -> bytes:
        return ftyp(b"iso5") + box(b"moov", mvhd(0), trak(avc1(), durations=()), sound(), mvex(*inner))

    def test_as_announced(self) -> None:
        media = said(self.begin(full(b"mehd", struct.pack(">I", 4000))) + fragment(1, 0, (40,) * 50))
        assert (media.duration_s, media.more["frame_rate"]) == (4.0, 25.0)

    def test_by_the_index(self) -> None:
        rest = fragment(1, 0, (40,) * 50, default=40)
        listing = (
            struct.pack(">IIII", 1, 1000, 0, 0) + struct.pack(">HH", 0, 1) + struct.pack(">III", len(rest), 2500, 0)
        )
        assert said(self.begin() + full(b"sidx", listing) + rest).duration_s == 2.5

    def test_by_the_last_ones(self) -> None:
        held = self.begin() + b"".join(
            fragment(1, 2000 * number, (40,) * 50) + fragment(2, 2000 * number, (23,) * 88) for number in range(400)
        )
        media = said(held, asked=1)
        assert media.duration_s == 2 * 399 + 88 * 0.023
        assert media.more["frame_rate"] == 25.0

    def test_without_any(self) -> None:
        media = said(self.begin())
        assert (media.duration_s, media.width) == (None, 320)

    def test_alone(self) -> None:
        media = said(box(b"styp", b"msdh", bytes(4)) + fragment(1, 0, (40,)))
        assert media.more["problem"] == "it is a fragment of a film, without the film's header"


@pytest.mark.parametrize(
    ("held", "problem"),
    [
        (ftyp() + box(b"mdat", bytes(100)), "it has no movie header: perhaps it was never finished"),
        (ftyp() + struct.pack(">I4s", 0, b"mdat") + bytes(90), "it has no movie header: perhaps it was never finished"),
        (ftyp() + box(b"moov", box(b"cmov", bytes(40))), "its movie header is compressed, which is not read"),
        (ftyp() + struct.pack(">I4sQ", 1, b"mdat", 3) + bytes(90), "a box is shorter than its own header"),
        (ftyp() + box(b"moov", *[box(b"free")] * 3000), "it has too many boxes"),
        (ftyp() + box(b"moov", full(b"mvhd", bytes(4))), "a box is shorter than what it should hold"),
    ],
)
def test_what_is_broken_is_said(held: bytes, problem: str) -> None:
    media = said(held)
    assert media.kind == "video"
    assert media.more["problem"] == problem


def test_what_was_found_before_the_break_stays() -> None:
    held = ftyp() + box(b"moov", mvhd(3000), trak(avc1()), struct.pack(">I4s", 4, b"trak") + bytes(20))
    media = said(held)
    assert (media.width, media.duration_s) == (320, 3.0)
    assert media.more["problem"] == "a box is shorter than its own header"


def test_a_film_is_cut_off() -> None:
    whole = movie(trak(avc1()), sound(mp4a()))
    assert said(whole[:-20]).width == 320
