"""EXIF says when, where and with what, or nothing: a part that is broken costs only itself."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from PIL import ExifTags, Image

from ingest.media.properties import Value
from tests.unit.media.pictures import fetched, noise, picture, saved, segment, tiff, whole

TAKEN, STORED, CHANGED = ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized, ExifTags.Base.DateTime
GPS = ExifTags.GPS


def exif(
    root: dict[int, Any] | None = None, sub: dict[int, Any] | None = None, place: dict[int, Any] | None = None
) -> Image.Exif:
    found = Image.Exif()
    found.update(root or {})
    found.get_ifd(ExifTags.IFD.Exif).update(sub or {})
    found.get_ifd(ExifTags.IFD.GPSInfo).update(place or {})
    return found


def camera() -> Image.Exif:
    """Made anew each time: whoever saves it changes it."""
    return exif(
        {
            ExifTags.Base.Make: "Canon",
            ExifTags.Base.Model: "EOS R5 ",
            ExifTags.Base.Orientation: 6,
            CHANGED: "2025:01:01 00:00:00",
        },
        {
            TAKEN: "2023:05:06 07:08:09",
            STORED: "2023:05:06 07:08:10",
            ExifTags.Base.OffsetTimeOriginal: "+02:00",
            ExifTags.Base.MakerNote: bytes(9_000),
        },
        {
            GPS.GPSLatitudeRef: "S",
            GPS.GPSLatitude: (33.0, 51.0, 35.9),
            GPS.GPSLongitudeRef: "E",
            GPS.GPSLongitude: (151.0, 12.0, 40.0),
            GPS.GPSAltitudeRef: b"\x01",
            GPS.GPSAltitude: 12.5,
        },
    )


SAID = {
    "orientation": 6,
    "camera_make": "Canon",
    "camera_model": "EOS R5",
    "taken_at": "2023-05-06T07:08:09+02:00",
    "latitude": -33.8599722,
    "longitude": 151.2111111,
    "altitude_m": -12.5,
}
KINDS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")


def said(more: dict[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in more.items() if name in SAID or name == "problem"}


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("first", [512, 4_096, 16_384, 1 << 20])
def test_all_of_it_is_read_wherever_it_lies(kind: str, first: int) -> None:
    body = saved(noise(), kind, exif=camera().tobytes())
    reading, asked = fetched(body, first, most=2 if first >= 4_096 else 3)
    assert reading.needs is None, asked
    assert said(reading.media.more) == SAID
    assert (reading.media.width, reading.media.height) == (300, 200)


def test_a_webp_is_asked_for_its_exif_only_if_a_flag_says_that_there_is_some() -> None:
    with_exif, without = saved(noise(), "WEBP", exif=camera()), saved(noise(), "WEBP", icc_profile=bytes(300))
    reading, asked = fetched(with_exif, 4_096)
    assert said(reading.media.more) == SAID
    assert [with_exif[at : at + 4] for at, _ in asked][:1] == [b"EXIF"]
    assert fetched(without, 4_096)[1] == []


def test_a_png_that_is_held_tells_exif_behind_its_pixels_too() -> None:
    body = saved(picture(), "PNG")
    block = camera().tobytes()[6:]
    body = body[:-12] + struct.pack(">I4s", len(block), b"eXIf") + block + b"crc!" + body[-12:]
    assert said(whole(body).more) == SAID


@pytest.mark.parametrize("orientation", range(10))
def test_orientation_is_one_of_eight(orientation: int) -> None:
    more = whole(saved(picture(), "JPEG", exif=exif({ExifTags.Base.Orientation: orientation}))).more
    assert more.get("orientation") == (orientation if 1 <= orientation <= 8 else None)


@pytest.mark.parametrize(
    ("root", "sub", "expected"),
    [
        ("2021:02:03 04:05:06", {}, "2021-02-03T04:05:06"),
        ("2021:02:03 04:05:06", {STORED: "2020:02:03 04:05:06"}, "2020-02-03T04:05:06"),
        ("2021:02:03 04:05:06", {TAKEN: "0000:00:00 00:00:00"}, "2021-02-03T04:05:06"),
        ("2021:02:03 04:05:06", {TAKEN: "    :  :     :  :  "}, "2021-02-03T04:05:06"),
        ("2021:02:03 04:05:06", {ExifTags.Base.OffsetTimeOriginal: "+01:00"}, "2021-02-03T04:05:06"),
        ("2021:02:03 04:05:06", {ExifTags.Base.OffsetTime: "-09:30"}, "2021-02-03T04:05:06-09:30"),
        ("", {TAKEN: "2020-02-29 23:59:59"}, "2020-02-29T23:59:59"),
        ("", {TAKEN: "2020/02/29 23:59:59"}, "2020-02-29T23:59:59"),
        ("", {TAKEN: "2020:02:29T23:59:59", ExifTags.Base.OffsetTimeOriginal: "Z"}, "2020-02-29T23:59:59"),
        ("", {TAKEN: "2021:02:29 23:59:59"}, None),
        ("", {TAKEN: "2020:02:28 24:00:00"}, None),
        ("", {TAKEN: "2020:02:28 23:59:60"}, None),
        ("", {TAKEN: "2020:02:28"}, None),
        ("", {TAKEN: "2020:W05:1 23:59:59"}, None),
        ("", {TAKEN: "yesterday, it was late"}, None),
        ("", {TAKEN: "2020:02:28 23:59+01:0"}, None),
        ("", {TAKEN: "2020:02:28 23:59:5\xb2"}, None),
    ],
)
def test_the_time_is_the_first_that_is_one(root: str, sub: dict[int, Any], expected: str | None) -> None:
    body = saved(picture(), "JPEG", exif=exif({CHANGED: root} if root else {}, sub))
    assert whole(body).more.get("taken_at") == expected


def placed(latitude: Any, longitude: Any, north: str = "N", east: str = "E") -> dict[str, Value]:
    place: dict[int, Any] = {GPS.GPSLatitude: latitude, GPS.GPSLongitude: longitude}
    if north:
        place |= {GPS.GPSLatitudeRef: north, GPS.GPSLongitudeRef: east}
    return whole(saved(picture(), "JPEG", exif=exif(place=place))).more


def test_a_place_is_on_earth() -> None:
    assert placed((90.0, 0.0, 0.0), (180.0, 0.0, 0.0), "S", "W")["latitude"] == -90
    assert placed((0.0, 0.0, 0.0), (0.0, 0.0, 36.0))["longitude"] == 0.01
    assert "latitude" not in placed((90.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    assert "longitude" not in placed((1.0, 0.0, 0.0), (179.0, 60.0, 1.0))
    assert "latitude" not in placed((1.0, 2.0, 3.0), (1.0, 2.0, 3.0), "X")
    assert "latitude" not in placed((1.0, 2.0, 3.0), (1.0, 2.0, 3.0), "")


def rational(*parts: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("<II", *part) for part in parts)


def test_a_fraction_of_nothing_is_nothing() -> None:
    """Pillow can't write 0/0; cameras without a fix do."""
    gps_at = 8 + 2 + 12 + 4
    place = [
        (1, 2, 2, b"N\0"),
        (2, 5, 3, rational((48, 1), (8, 1), (0, 0))),
        (3, 2, 2, b"E\0"),
        (4, 5, 3, rational((11, 1), (34, 1), (0, 1))),
        (6, 5, 1, rational((0, 0))),
    ]
    block = tiff([(0x8825, 4, 1, struct.pack("<I", gps_at))], place)
    more = whole(jpeg_with(block)).more
    assert said(more) == {}


def jpeg_with(block: bytes) -> bytes:
    plain = saved(picture(), "JPEG")
    return plain[:2] + segment(0xE1, b"Exif\0\0" + block) + plain[2:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"  NIKON CORPORATION  \0junk", "NIKON CORPORATION"),
        (b"\0\0\0\0\0", None),
        (b"A\x01\x02B\x7f", "A B"),
        ("Größe".encode(), "Größe"),
        ("Größe".encode("latin-1"), "Größe"),
        (b"x" * 5_000, "x" * 200),
        (b"     ", None),
    ],
)
def test_a_camera_has_a_name_of_200_characters_at_most(text: bytes, expected: str | None) -> None:
    more = whole(jpeg_with(tiff([(0x10F, 2, len(text), text)]))).more
    assert more.get("camera_make") == expected


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_orientation_is_read_in_either_order_and_any_width(order: str, kind: int) -> None:
    value = struct.pack(order + {1: "B", 3: "H", 4: "I"}[kind], 8)
    assert whole(jpeg_with(tiff([(0x112, kind, 1, value)], order=order))).more["orientation"] == 8


BROKEN = {
    "no TIFF": b"nothing of the kind",
    "a directory outside": b"II*\0" + struct.pack("<I", 9_000_000),
    "a directory in the header": b"II*\0" + struct.pack("<I", 2) + bytes(40),
    "a value outside": tiff([(0x10F, 2, 4_000_000_000, bytes(9))]),
    "a directory that is itself": tiff(
        [(0x112, 3, 1, b"\x06\0"), (0x8769, 4, 1, b"\x08\0\0\0"), (0x8825, 4, 1, b"\xff" * 4)]
    ),
    "too many entries": b"II*\0" + struct.pack("<IH", 8, 0xFFFF) + bytes(2_000),
    "nothing": b"II*\0",
}


@pytest.mark.parametrize("block", BROKEN.values(), ids=BROKEN)
def test_what_is_broken_costs_only_what_it_would_have_said(block: bytes) -> None:
    media = whole(jpeg_with(block))
    assert (media.width, media.height) == (67, 41)
    assert media.more["problem"] == "its EXIF is broken"


def test_pillow_reads_the_same() -> None:
    body = saved(noise(), "JPEG", exif=camera())
    with Image.open(io.BytesIO(body)) as image:
        read = image.getexif()
    more = whole(body).more
    assert read[ExifTags.Base.Orientation] == more["orientation"]
    assert read[ExifTags.Base.Model].strip() == more["camera_model"]
    degrees = read.get_ifd(ExifTags.IFD.GPSInfo)[GPS.GPSLongitude]
    assert float(degrees[0] + degrees[1] / 60 + degrees[2] / 3600) == pytest.approx(more["longitude"], abs=1e-7)
