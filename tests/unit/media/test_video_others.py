"""AVI, FLV and ASF: what their headers say."""

from __future__ import annotations

import struct
from uuid import UUID

import pytest

from ingest.media.properties import Media, Value
from tests.unit.media.films import (
    asf,
    asf_object,
    avcc,
    avi,
    bitmap,
    chunk,
    flv,
    hvcc,
    listed,
    probe,
    script,
    strl,
    tag,
    wave,
)

pytestmark = pytest.mark.acceptance("CO-26")


def said(held: bytes, *, asked: int = 0) -> Media:
    """What stands in it, found in so many further ranges."""
    probed = probe(held)
    assert probed.reading.needs is None
    assert len(probed.asked) == asked
    return probed.reading.media


class TestAvi:
    FILM = strl(b"vids", b"XVID", 1001, 30000, 90, bitmap(b"XVID"))
    SOUND = strl(b"auds", b"", 1, 44100, 88200, wave(0x55))

    def test_a_film_with_sound(self) -> None:
        media = said(avi(self.FILM, self.SOUND))
        assert (media.kind, media.format, media.type) == ("video", "avi", "video/x-msvideo")
        assert (media.width, media.height, media.duration_s) == (320, 240, 3.003)
        assert media.more["frame_rate"] == 29.97003
        assert (media.more["video_codec"], media.more["audio_codec"]) == ("mpeg4", "mp3")
        assert (media.more["sample_rate"], media.more["channels"], media.more["has_audio"]) == (44100, 2, True)

    def test_a_long_one_counts_its_frames_elsewhere(self) -> None:
        odml = listed(b"odml", chunk(b"dmlh", struct.pack("<I", 900), bytes(244)))
        assert said(avi(self.FILM, odml)).duration_s == 30.03

    def test_a_picture_from_top_to_bottom(self) -> None:
        media = said(avi(strl(b"vids", b"DIB ", 1, 25, 50, bitmap(bytes(4), height=-240))))
        assert (media.height, media.more["video_codec"]) == (240, "rawvideo")

    def test_the_handler_names_what_the_format_does_not(self) -> None:
        assert said(avi(strl(b"vids", b"MJPG", 1, 25, 50, bitmap(b"\1\2\3\4")))).more["video_codec"] == "mjpeg"

    @pytest.mark.parametrize(
        ("form", "codec"),
        [
            (wave(1), "pcm_s16le"),
            (wave(1, bits=8), "pcm_u8"),
            (wave(1, bits=24), "pcm_s24le"),
            (wave(3, bits=32), "pcm_f32le"),
            (wave(0xFFFE, bits=24)[:16] + struct.pack("<HHIH14s", 22, 24, 3, 1, bytes(14)), "pcm_s24le"),
            (wave(0x2000), "ac3"),
            (wave(0x9999), "unknown"),
            (b"\x01", "pcm_u8"),
        ],
    )
    def test_codecs_of_sound(self, form: bytes, codec: str) -> None:
        assert said(avi(strl(b"auds", b"", 1, 44100, 88200, form))).more["audio_codec"] == codec

    @pytest.mark.parametrize(
        ("held", "problem"),
        [
            (chunk(b"RIFF", b"AVI ", chunk(b"JUNK", bytes(90))), "it has no header list"),
            (avi(*[chunk(b"JUNK")] * 300), "it has too many chunks"),
            (avi(strl(b"vids", b"MJPG", 1, 25, 50, bytes(4))), "its header is broken"),
        ],
    )
    def test_what_is_broken_is_said(self, held: bytes, problem: str) -> None:
        assert said(held).more["problem"] == problem


class TestFlash:
    AVC = tag(9, b"\x17\0\0\0\0" + avcc()[8:])
    AAC = tag(8, b"\xaf\0\x12\x10")
    ABOUT = tag(18, script({"duration": 4.5, "width": 8.0, "height": 6.0, "framerate": 25.0}))

    def test_a_film_with_sound(self) -> None:
        media = said(flv(self.ABOUT, self.AVC, self.AAC, tag(9, bytes(900))))
        assert (media.kind, media.format, media.type) == ("video", "flv", "video/x-flv")
        assert (media.width, media.height, media.duration_s) == (1920, 1080, 4.5)
        assert media.more["frame_rate"] == 25.0
        assert (media.more["video_codec"], media.more["audio_codec"]) == ("h264", "aac")
        assert (media.more["sample_rate"], media.more["channels"]) == (44100, 2)

    def test_one_that_was_never_finished(self) -> None:
        held = flv(self.AVC, self.AAC, tag(9, bytes(200_000)), tag(9, b"\x27" + bytes(300), 0x1000100))
        assert said(held, asked=1).duration_s == 16777.472

    def test_a_codec_of_four_characters(self) -> None:
        media = said(flv(tag(9, b"\x90hvc1" + hvcc()[8:], 40), flags=1))
        assert (media.width, media.more["video_codec"], media.more["has_audio"]) == (320, "hevc", False)

    @pytest.mark.parametrize(
        ("number", "size"),
        [
            (1 << 63 | 320 << 31 | 240 << 15 | 1 << 47, (320, 240)),
            (1 << 63 | 160 << 39 | 120 << 31, (160, 120)),
            (1 << 63 | 2 << 47, (352, 288)),
            (1 << 63 | 7 << 47, (None, None)),
        ],
    )
    def test_pictures_of_sorenson_say_their_own_size(self, number: int, size: tuple[int | None, int | None]) -> None:
        media = said(flv(tag(9, b"\x12" + number.to_bytes(10)), flags=1))
        assert (media.width, media.height) == size

    @pytest.mark.parametrize(
        ("first", "expected"),
        [
            (0x2F, ("mp3", 44100, 2)),
            (0x2A, ("mp3", 22050, 1)),
            (0x36, ("pcm_s16le", 11025, 1)),
            (0x34, ("pcm_u8", 11025, 1)),
            (0xB2, ("speex", 16000, 1)),
            (0xF2, ("unknown", 5512, 1)),
        ],
    )
    def test_codecs_of_sound(self, first: int, expected: tuple[Value, ...]) -> None:
        more = said(flv(tag(8, bytes([first, 0, 0])), flags=4)).more
        assert (more["audio_codec"], more["sample_rate"], more["channels"]) == expected

    def test_metadata_that_is_nested_is_passed(self) -> None:
        values: dict[str, float | bytes] = {
            "keyframes": b"\x03\0\5times\x0a\0\0\0\2" + struct.pack(">BdBd", 0, 0.0, 0, 1.0) + b"\0\0\x09",
            "text": b"\x02\0\3abc",
            "stereo": b"\x01\x01",
            "date": b"\x0b" + bytes(10),
            "none": b"\x05",
            "duration": 7.5,
        }
        assert said(flv(tag(18, script(values)), self.AVC, self.AAC)).duration_s == 7.5

    @pytest.mark.parametrize(
        "value", [b"\x0a\0\0\0\1" * 2000, b"\x0a\xff\xff\xff\xff", b"\x03\0\1a" * 2000, b"\x77", b"\x02\xff\xff"]
    )
    def test_metadata_that_leads_nowhere_is_left(self, value: bytes) -> None:
        about = script({"width": 8.0, "odd": value, "duration": 7.5})
        media = said(flv(tag(18, about), self.AVC, self.AAC))
        assert media.width == 1920
        assert "problem" not in media.more

    def test_nothing_in_it(self) -> None:
        assert said(flv() + bytes(9)).more["problem"] == "it has no tags of pictures or sound"


class TestAsf:
    ABOUT = asf_object(
        "8cabdca1-a947-11cf-8ee4-00c00c205365", bytes(40), struct.pack("<QQQI", 60_000_000, 0, 1000, 2), bytes(12)
    )

    def stream(self, kind: str, number: int, form: bytes) -> bytes:
        head = UUID(kind).bytes_le + bytes(24) + struct.pack("<IIHI", len(form), 0, number, 0)
        return asf_object("b7dc0791-a9b7-11cf-8ee6-00c00c205365", head, form)

    def film(self) -> bytes:
        form = struct.pack("<IIBH", 320, 240, 2, 40) + bitmap(b"WMV3")
        return self.stream("bc19efc0-5b4d-11cf-a8fd-00805f5c442b", 2, form)

    def sound(self) -> bytes:
        return self.stream("f8699e40-5b4d-11cf-a8fd-00805f5c442b", 1, wave(0x161))

    def test_a_film_with_sound(self) -> None:
        extended = asf_object(
            "14e6a5cb-c672-4332-8399-a96952065b5a", bytes(48), struct.pack("<HHQ", 2, 0, 400_000), bytes(4)
        )
        extension = asf_object("5fbf03b5-a92e-11cf-8ee3-00c00c205365", bytes(22), extended)
        media = said(asf(self.ABOUT, extension, self.sound(), self.film()))
        assert (media.kind, media.format, media.type) == ("video", "wmv", "video/x-ms-wmv")
        assert (media.width, media.height, media.duration_s) == (320, 240, 5.0)
        assert (media.more["video_codec"], media.more["frame_rate"]) == ("wmv3", 25.0)
        assert (media.more["audio_codec"], media.more["sample_rate"], media.more["has_audio"]) == ("wmav2", 44100, True)

    def test_sound_alone(self) -> None:
        media = said(asf(self.ABOUT, self.sound()))
        assert (media.kind, media.format, media.type) == ("audio", "wma", "audio/x-ms-wma")

    @pytest.mark.parametrize(
        ("held", "problem"),
        [
            (asf(ABOUT), "it has no streams"),
            (asf(bytes(40)), "an object is shorter than its own header"),
            (asf(*[asf_object("00000000-0000-0000-0000-000000000000")] * 300), "it has too many objects"),
        ],
    )
    def test_what_is_broken_is_said(self, held: bytes, problem: str) -> None:
        assert said(held).more["problem"] == problem
