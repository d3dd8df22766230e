"""A JPEG's frame header is found behind whatever cameras chain before it, by the lengths of what is passed."""

from __future__ import annotations

import struct

import pytest

from tests.unit.media.pictures import fetched, noise, picture, saved, segment, tiff, whole

PLAIN = saved(picture(), "JPEG")
FULL = bytes(65_533)
EXIF = segment(0xE1, b"Exif\0\0" + tiff([(0x112, 3, 1, b"\x06\0"), (0x10F, 2, 6, b"Canon\0")]).ljust(20_000, b"\0"))


def behind(*segments: bytes) -> bytes:
    return PLAIN[:2] + b"".join(segments) + PLAIN[2:]


def sof(marker: int, *, depth: int = 8, height: int = 480, width: int = 640, components: int = 3) -> bytes:
    return b"\xff\xd8" + segment(marker, struct.pack(">BHHB", depth, height, width, components) + bytes(3 * components))


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize("first", [4_096, 16_384, 65_536])
@pytest.mark.parametrize(
    "chain",
    [
        (EXIF,),
        (EXIF, segment(0xE2, FULL)),
        (EXIF, *[segment(0xE2, FULL)] * 4),
        (segment(0xE0, bytes(14)), EXIF, *[segment(0xE2, FULL)] * 3, segment(0xFE, bytes(9_000))),
        (*[segment(0xE2, FULL)] * 2, EXIF, segment(0xED, bytes(30_000))),
    ],
)
def test_chained_segments_take_two_ranges_at_most(first: int, chain: tuple[bytes, ...]) -> None:
    body = behind(*chain)
    reading, asked = fetched(body, first)
    assert reading.needs is None, asked
    media = reading.media
    assert (media.width, media.height) == (67, 41)
    assert (media.more["orientation"], media.more["camera_make"]) == (6, "Canon")
    assert sum(length for _, length in asked) < 600_000


def test_the_next_range_begins_where_the_next_segment_does() -> None:
    body = behind(EXIF)
    _, asked = fetched(body, 16_384)
    assert [at for at, _ in asked] == [2 + len(EXIF)]


def test_exif_that_is_held_is_told_though_the_size_is_not_found() -> None:
    body = behind(EXIF, *[segment(0xE2, FULL)] * 30)
    reading, asked = fetched(body, 32_768)
    assert reading.needs is not None
    assert len(asked) == 2
    assert reading.media.more["camera_make"] == "Canon"


def test_nothing_is_read_behind_the_frame_header() -> None:
    body = saved(noise(), "JPEG")
    at = body.index(b"\xff\xc0")
    assert fetched(body, at + 10)[1] == []


@pytest.mark.parametrize("marker", [0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC9, 0xCF])
@pytest.mark.parametrize(("components", "colour"), [(1, "grey"), (3, "rgb"), (4, "cmyk"), (2, None)])
def test_any_coding_has_a_frame_header(marker: int, components: int, colour: str | None) -> None:
    media = whole(sof(marker, depth=12, components=components))
    assert (media.width, media.height) == (640, 480)
    assert media.more.get("colour") == colour
    assert media.more["bit_depth"] == 12


@pytest.mark.parametrize("filling", [b"\xff\xff\xff", b"\xff\x01", b"\xff\xd0", b"junk"])
def test_filling_between_segments_is_passed(filling: bytes) -> None:
    assert whole(PLAIN[:2] + filling + PLAIN[2:]).width == 67 if filling[:1] == b"\xff" else True
    at = 2 + 2 + struct.unpack_from(">H", PLAIN, 4)[0]
    assert whole(PLAIN[:at] + filling + PLAIN[at:]).width == 67


BROKEN = {
    "ends at once": b"\xff\xd8\xff\xd9",
    "pixels at once": b"\xff\xd8" + segment(0xDA, bytes(40)),
    "a length of nothing": b"\xff\xd8\xff\xe0\0\0" + bytes(100),
    "a length of itself": b"\xff\xd8\xff\xe0\0\1" + bytes(100),
    "only tables": b"\xff\xd8" + segment(0xC4, bytes(40)),
    "no height": sof(0xC0, height=0),
    "no width": sof(0xC0, width=0),
    "zeros": b"\xff\xd8\xff" + bytes(200_000),
    "a segment beyond the end": b"\xff\xd8\xff\xe0\xff\xff" + bytes(100),
    "a million empty segments": b"\xff\xd8" + segment(0xFE, b"") * 300_000,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_file_without_a_frame_header_is_broken(body: bytes) -> None:
    media = whole(body)
    assert (media.format, media.width) == ("jpeg", None)
    assert media.more["problem"]
