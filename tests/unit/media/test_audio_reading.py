"""What the headers of sound files say, and how few ranges it takes to know it."""

from __future__ import annotations

import io
import struct
import wave
from typing import Any

import pytest

from ingest.media.properties import Media
from ingest.media.reading import read
from ingest.media.view import View
from tests.unit.media import audio_files as files
from tests.unit.media.ranged import ranged, whole


def _said(media: Media) -> dict[str, Any]:
    return {"format": media.format, "type": media.type, "duration_s": media.duration_s} | media.more


def test_a_wav_as_the_standard_library_writes_it() -> None:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(3)
        file.setframerate(48_000)
        file.writeframes(bytes(48_000 * 6 // 2))
    said = _said(whole(out.getvalue()))
    assert said == {
        "format": "wav",
        "type": "audio/wav",
        "duration_s": 0.5,
        "audio_codec": "pcm_s24le",
        "sample_rate": 48_000,
        "channels": 2,
        "bit_depth": 24,
        "bit_rate": len(out.getvalue()) * 8 * 2,
    }


@pytest.mark.parametrize(
    ("tag", "bits", "codec"),
    [
        (1, 8, "pcm_u8"),
        (1, 12, "pcm_s16le"),
        (1, 32, "pcm_s32le"),
        (3, 32, "pcm_f32le"),
        (3, 64, "pcm_f64le"),
        (6, 8, "pcm_alaw"),
        (7, 8, "pcm_mulaw"),
        (0x28F, 8, "adpcm_g722"),
    ],
)
def test_a_wav_names_its_codec_as_ffprobe_does(tag: int, bits: int, codec: str) -> None:
    media = whole(files.wav(files.fmt(tag, 1, 8_000, bits), samples=bytes(8_000 * ((bits + 7) // 8) * 2)))
    assert (media.more["audio_codec"], media.duration_s) == (codec, 2.0)


def test_an_extensible_wav_says_its_codec_farther_back() -> None:
    more = struct.pack("<HHIH", 22, 24, 0x3F, 1) + bytes(14)
    media = whole(files.wav(files.fmt(0xFFFE, 6, 48_000, 24, more), samples=bytes(48_000 * 18)))
    assert (media.more["audio_codec"], media.more["channels"], media.duration_s) == ("pcm_s24le", 6, 1.0)


def test_a_packed_wav_lasts_as_its_fact_says() -> None:
    fact = files.chunk(b"fact", struct.pack("<I", 22_050))
    media = whole(files.wav(files.fmt(0x11, 2, 44_100, 4), fact, samples=bytes(9_000)))
    assert (media.more["audio_codec"], media.duration_s) == ("adpcm_ima_wav", 0.5)
    assert media.more["bit_depth"] == 4


def test_chunks_before_the_samples_are_passed_over_at_the_cost_of_one_range() -> None:
    long = files.chunk(b"bext", bytes(70_001))
    found = ranged(files.wav(long, files.chunk(b"JUNK", bytes(33)), files.fmt()))
    assert found.media.duration_s == 1.0
    assert found.further == [(12 + 8 + 70_002, 4096)]


def test_rf64_says_its_length_in_a_chunk_of_its_own() -> None:
    ds64 = files.chunk(b"ds64", struct.pack("<QQQI", 0, 44_100 * 4, 44_100, 0))
    data = bytearray(files.wav(ds64, files.fmt()))
    data[:8] = b"RF64\xff\xff\xff\xff"
    at = data.index(b"data")
    data[at + 4 : at + 8] = b"\xff\xff\xff\xff"
    assert whole(bytes(data)).duration_s == 1.0


def test_a_wav_that_was_cut_off_lasts_as_long_as_what_is_left() -> None:
    data = files.wav(files.fmt())
    assert whole(data[:-88_200]).duration_s == 0.5


@pytest.mark.parametrize(
    ("kind", "bits", "codec"),
    [
        (b"", 24, "pcm_s24be"),
        (b"NONE", 8, "pcm_s8"),
        (b"sowt", 16, "pcm_s16le"),
        (b"fl32", 32, "pcm_f32be"),
        (b"ulaw", 16, "pcm_mulaw"),
    ],
)
def test_aiff(kind: bytes, bits: int, codec: str) -> None:
    media = whole(files.aiff(kind=kind, bits=bits))
    assert (media.format, media.more["audio_codec"], media.duration_s) == ("aiff", codec, 1.0)
    assert media.more["sample_rate"] == 48_000


def test_the_format_of_an_aiff_may_stand_behind_its_samples() -> None:
    found = ranged(files.aiff(before=[files.chunk(b"SSND", bytes(90_000), ">")]))
    assert (found.media.duration_s, len(found.further)) == (1.0, 1)


def test_flac_by_itself_and_behind_a_tag() -> None:
    plain, tagged = whole(files.flac()), ranged(files.id3(50_000) + files.flac())
    assert plain.more["bit_depth"] == 24
    assert plain.duration_s == tagged.media.duration_s == 3.0
    assert (tagged.media.format, tagged.media.type) == ("flac", "audio/flac")
    assert len(tagged.further) == 1


def test_mp3_of_one_bit_rate_lasts_as_its_size_says() -> None:
    media = whole(files.mp3_frame() * 100)
    assert (media.format, media.more["audio_codec"], media.more["channels"]) == ("mp3", "mp3", 2)
    assert media.duration_s == pytest.approx(100 * 1152 / 44_100, rel=0.01)


@pytest.mark.parametrize("name", [b"Xing", b"Info"])
def test_mp3_by_its_xing_header(name: bytes) -> None:
    first = files.mp3_frame(body=files.xing(1_000, name=name))
    assert whole(first + files.mp3_frame() * 9).duration_s == pytest.approx(1_000 * 1152 / 44_100, abs=1e-6)


def test_mp3_whose_header_speaks_of_another_file_lasts_as_its_size_says() -> None:
    first = files.mp3_frame(body=files.xing(2, size=834))
    assert whole(first + files.mp3_frame() * 99).duration_s == pytest.approx(100 * 1152 / 44_100, rel=0.01)


def _uneven(count: int) -> bytes:
    """Frames of 128 and of 64 kbit/s in turn, without a header that says how many."""
    return (files.mp3_frame() + files.mp3_frame(third=0x50, length=208)) * (count // 2)


def test_mp3_of_many_bit_rates_without_a_header_is_counted_if_it_is_held() -> None:
    body = files.id3(100) + _uneven(200)
    assert whole(body + b"TAG" + bytes(125)).duration_s == pytest.approx(200 * 1152 / 44_100, abs=1e-6)
    assert whole(body + bytes(5_000)).duration_s is None, "its last frames were not found"


def test_mp3_of_many_bit_rates_without_a_header_has_no_duration_if_it_is_long() -> None:
    found = ranged(_uneven(2_000))
    assert (found.media.more["sample_rate"], found.further) == (44_100, [])
    assert found.media.duration_s is None
    assert "bit_rate" not in found.media.more
    assert whole(_uneven(8_000)).duration_s is None, "nobody counts on for ever"


def test_mp3_whose_header_is_of_another_bit_rate_than_its_sound_is_of_one() -> None:
    first = files.mp3_frame(third=0x50, length=208, body=files.xing(2, size=834))
    data = first + files.mp3_frame() * 200
    assert whole(data).duration_s == pytest.approx(len(data) * 8 / 128_000)


def test_mp3_by_its_vbri_header() -> None:
    vbri = bytes(32) + b"VBRI" + struct.pack(">HHHII", 1, 0, 75, 0, 500)
    assert whole(files.mp3_frame(body=vbri) * 2).duration_s == pytest.approx(500 * 1152 / 44_100, abs=1e-6)


def test_mpeg_2_has_half_the_samples_and_mono_less_room_before_xing() -> None:
    first = files.mp3_frame(0xF3, 0x80, 0xC0, 208, files.xing(100, side=9))
    media = whole(first + files.mp3_frame(0xF3, 0x80, 0xC0, 208))
    assert (media.more["sample_rate"], media.more["channels"]) == (22_050, 1)
    assert media.duration_s == pytest.approx(100 * 576 / 22_050, abs=1e-6)


def test_layers_one_and_two_have_names_of_their_own() -> None:
    two = whole(files.mp3_frame(0xFD, 0xA0, 0, 626) * 20)
    one = whole(files.mp3_frame(0xFF, 0x90, 0, 312) * 20)
    assert (two.more["audio_codec"], one.more["audio_codec"]) == ("mp2", "mp1")


def test_mp3_in_free_format_has_no_duration() -> None:
    media = whole(files.id3(10) + files.mp3_frame(third=0x00, length=500) * 5)
    assert (media.more["audio_codec"], media.duration_s) == ("mp3", None)


@pytest.mark.parametrize("footer", [False, True])
def test_cover_art_is_jumped_over_to_the_exact_place(footer: bool) -> None:
    tag = files.id3(3_000_000, footer=footer)
    found = ranged(tag + files.mp3_frame(body=files.xing(77)) + files.mp3_frame() * 50)
    assert found.media.duration_s == pytest.approx(77 * 1152 / 44_100, abs=1e-6)
    assert found.further == [(len(tag), 4096)]


def test_two_tags_and_zeros_may_stand_before_the_sound() -> None:
    data = files.id3(100) + files.id3(5_000) + bytes(1_000) + files.mp3_frame(body=files.xing(10))
    assert whole(data + files.mp3_frame() * 5).duration_s == pytest.approx(10 * 1152 / 44_100, abs=1e-6)


def test_aac_is_counted_where_it_is_small_and_else_taken_to_go_on_as_it_began() -> None:
    small, large = whole(files.adts(10)), ranged(files.adts(1_000))
    assert (small.format, small.more["sample_rate"], small.more["channels"]) == ("aac", 44_100, 2)
    assert small.duration_s == pytest.approx(10 * 1024 / 44_100, abs=1e-6)
    assert large.media.duration_s == pytest.approx(1_000 * 1024 / 44_100, rel=1e-3)
    assert large.further == []
    assert whole(files.adts(40) + b"lost" + files.adts(1_000)).duration_s is None
    assert ranged(files.adts(10), 1_024).media.duration_s == small.duration_s
    assert whole(files.id3(40) + files.adts()).format == "aac"


def test_one_frame_alone_is_no_sound() -> None:
    assert whole(files.mp3_frame() + b"\1" * 2_000).format != "mp3"
    assert whole(b"\xff\xfe" + "UTF-16 begins like a frame\r\n".encode("utf-16-le") * 40).kind == "text"


def test_a_first_frame_longer_than_what_is_held_is_believed() -> None:
    data = files.mp3_frame(third=0xE0, length=1044) * 30
    found = ranged(data, 1_024)
    assert (found.media.format, len(found.further)) == ("mp3", 1)
    assert ranged(data, 64).media.format == ""


@pytest.mark.parametrize(
    ("head", "end", "codec", "seconds"),
    [
        (files.VORBIS, 441_000, "vorbis", 10.0),
        (files.OPUS, 480_312, "opus", 10.0),
        (files.OGG_FLAC, 960_000, "flac", 10.0),
    ],
)
def test_ogg_lasts_to_its_last_page_less_what_opus_skips(head: bytes, end: int, codec: str, seconds: float) -> None:
    media = whole(files.ogg((head, end)))
    assert (media.kind, media.type, media.more["audio_codec"], media.duration_s) == (
        "audio",
        "audio/ogg",
        codec,
        seconds,
    )


def test_speex_begins_before_its_first_granule() -> None:
    head = b"Speex   1.2".ljust(28) + struct.pack("<13I", 1, 80, 16_000, 1, 4, 1, 28_000, 320, 0, 1, 0, 0, 0)
    data = files.page(head, first=True) + files.page(b"comments") + files.page(b"sound", granule=177)
    assert whole(data + files.page(b"end", granule=15_857, last=True)).duration_s == 1.0


def test_the_end_of_a_long_ogg_is_one_further_range() -> None:
    found = ranged(files.ogg((files.VORBIS, 441_000), middle=bytes(65_000)) + b"", 4_096)
    assert (found.media.duration_s, len(found.further)) == (10.0, 1)


def test_ogg_with_a_picture_is_a_video() -> None:
    media = whole(files.ogg((files.THEORA, 3 << 6 | 27), (files.VORBIS, 22_050)))
    assert (media.kind, media.type, media.width, media.height) == ("video", "video/ogg", 320, 240)
    assert media.more["frame_rate"] == pytest.approx(29.97, abs=0.01)
    assert (media.more["video_codec"], media.more["audio_codec"], media.more["has_audio"]) == ("theora", "vorbis", True)
    assert media.duration_s == pytest.approx(30 / 29.97, abs=0.01)


def test_au_caf_and_amr() -> None:
    au, caf = whole(files.au()), whole(files.caf())
    assert (au.more["audio_codec"], au.duration_s) == ("pcm_s16be", 1.0)
    assert (caf.more["audio_codec"], caf.duration_s) == ("pcm_s16le", 1.0)
    packets = files.caf_chunk(b"pakt", struct.pack(">qqii", 10, 22_050, 0, 0))
    cookie = files.caf_chunk(b"kuki", struct.pack(">IBB", 4096, 0, 24) + bytes(18))
    alac = whole(files.caf(b"alac", 0, cookie, packets))
    assert (alac.more["audio_codec"], alac.more["bit_depth"], alac.duration_s) == ("alac", 24, 0.5)
    assert whole(b"#!AMR-WB\n" + bytes(50)).more == {"audio_codec": "amr_wb", "sample_rate": 16_000, "channels": 1}


def test_what_is_broken_keeps_what_was_found() -> None:
    media = whole(b"RIFF\0\0\0\0WAVE" + files.fmt() + b"LIST\xff\xff\xff\x7f")
    assert (media.more["audio_codec"], media.more["problem"]) == ("pcm_s16le", "it points outside itself")


def test_numbers_that_no_column_holds_are_left_out() -> None:
    data = files.flac(samples=1)
    found = read(View((1 << 63) - 1, {0: data})).media
    assert found.duration_s == pytest.approx(1 / 96_000, abs=1e-6)
    assert "bit_rate" not in found.more
    assert "channels" not in whole(files.au()[:20] + b"\xff\xff\xff\xff" + bytes(100)).more
