"""HEIC and AVIF: the primary item's size, turns and EXIF, whatever other items a file has."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from PIL import ExifTags, Image

from tests.unit.media.pictures import box, fetched, noise, picture, saved, tiff, told, whole

ALPHA = b"urn:mpeg:hevc:2015:auxid:1\0"
DEPTHS = b"urn:mpeg:hevc:2015:auxid:2\0"
EXIF = struct.pack(">I", 6) + b"Exif\0\0" + tiff([(0x112, 3, 1, b"\x06\0"), (0x110, 2, 7, b"iPhone\0")])


def fullbox(kind: bytes, *payload: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *payload)


def ispe(width: int, height: int) -> bytes:
    return fullbox(b"ispe", struct.pack(">II", width, height))


def hvcc(depth: int = 8, chroma: int = 1) -> bytes:
    return box(b"hvcC", bytes(16), bytes([0xFC | chroma, 0xF8 | depth - 8]), bytes(5))


def pixi(*depths: int) -> bytes:
    return fullbox(b"pixi", bytes([len(depths), *depths]))


def heic(
    items: dict[int, tuple[bytes, list[int]]],
    properties: list[bytes],
    *,
    primary: int = 1,
    refs: bytes = b"",
    exif: bytes = EXIF,
    brands: bytes = b"heicmif1heic",
    far: int = 0,
    wide: bool = False,
    inside: bool = False,
    version: int = 1,
) -> bytes:
    """Items by number: type, and the properties (from 1) that they have. EXIF lies behind `far` bytes of pixels, or inside."""
    kinds = "I" if wide else "H"
    infe = [
        fullbox(b"infe", struct.pack(f">{kinds}H4s", item, 0, kind), b"Exif named\0", version=3 if wide else 2)
        for item, (kind, _) in items.items()
    ]
    ipma = b"".join(
        struct.pack(f">{kinds}B", item, len(which)) + bytes(0x80 | one for one in which)
        for item, (_, which) in items.items()
    )

    def meta(at: int) -> bytes:
        ilocs = b""
        for item, (kind, _) in items.items():
            start, length = (at, len(exif)) if kind == b"Exif" else (1, 1)
            method = struct.pack(">H", 1 if inside and kind == b"Exif" else 0) if version else b""
            ilocs += struct.pack(">" + ("I" if version == 2 else "H"), item) + method
            ilocs += struct.pack(">HHII", 0, 1, start, length)
        count = struct.pack(">I" if version == 2 else ">H", len(items))
        return fullbox(
            b"meta",
            fullbox(b"hdlr", bytes(4), b"pict", bytes(13)),
            fullbox(b"pitm", struct.pack(">" + kinds, primary), version=int(wide)),
            fullbox(b"iinf", struct.pack(">H", len(infe)), *infe),
            fullbox(b"iref", refs, version=int(wide)) if refs else b"",
            box(
                b"iprp",
                box(b"ipco", *properties),
                fullbox(b"ipma", struct.pack(">I", len(items)), ipma, version=int(wide)),
            ),
            box(b"idat", exif) if inside else b"",
            fullbox(b"iloc", b"\x44\x00" + count, ilocs, version=version),
        )

    ftyp = box(b"ftyp", brands[:4], bytes(4), brands[4:])
    place = 0 if inside else len(ftyp) + len(meta(0)) + 8 + far
    return ftyp + meta(place) + box(b"mdat", bytes(far), exif)


def link(kind: bytes, source: int, *targets: int) -> bytes:
    return box(kind, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets))


TILES = {number: (b"hvc1", [1, 2]) for number in range(2, 50)}
PHONE = heic(
    {1: (b"grid", [3, 4, 6]), **TILES, 60: (b"Exif", []), 61: (b"hvc1", [1, 5])},
    [hvcc(), ispe(512, 512), ispe(4032, 3024), box(b"irot", b"\3"), ispe(320, 240), pixi(8, 8, 8)],
    refs=link(b"dimg", 1, *TILES) + link(b"thmb", 61, 1) + link(b"cdsc", 60, 1),
    far=500_000,
)


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize("first", [1_024, 16_384, 1 << 20])
def test_a_picture_of_tiles_is_as_large_as_all_of_them(first: int) -> None:
    reading, asked = fetched(PHONE, first)
    assert reading.needs is None
    assert [at for at, _ in asked[-1:]] == ([len(PHONE) - len(EXIF)] if first < len(PHONE) else [])
    assert told(reading.media) == {
        "width": 4032,
        "height": 3024,
        "orientation": 6,
        "camera_model": "iPhone",
        "colour": "rgb",
        "bit_depth": 8,
        "alpha": False,
        "frames": 1,
    }


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("wide", [False, True])
def test_each_version_of_a_table_is_read(version: int, wide: bool) -> None:
    items = {9: (b"hvc1", [1, 2]), 5: (b"Exif", [])}
    media = whole(heic(items, [ispe(64, 48), pixi(10, 10, 10)], primary=9, version=version, wide=wide))
    assert (media.width, media.height, media.more["bit_depth"]) == (64, 48, 10)
    assert media.more["camera_model"] == "iPhone"


def test_exif_may_lie_inside_the_meta_box() -> None:
    media = whole(heic({1: (b"hvc1", [1]), 2: (b"Exif", [])}, [ispe(64, 48)], inside=True))
    assert media.more["camera_model"] == "iPhone"


@pytest.mark.parametrize(
    ("crop", "height"),
    [((64, 1, 37, 1), 37), ((128, 2, 75, 2), 37), ((64, 1, 49, 1), 48), ((64, 0, 37, 0), 48), ((64, 1, 0, 1), 48)],
)
def test_what_fills_up_the_last_blocks_is_no_part_of_the_picture(crop: tuple[int, ...], height: int) -> None:
    body = heic({1: (b"hvc1", [1, 2])}, [ispe(64, 48), box(b"clap", struct.pack(">4I", *crop), bytes(16))])
    media = whole(body)
    assert (media.width, media.height) == (64, height)


@pytest.mark.parametrize(("urn", "target", "alpha"), [(ALPHA, 1, True), (DEPTHS, 1, False), (ALPHA, 3, False)])
def test_alpha_is_an_auxiliary_item_of_the_primary_one(urn: bytes, target: int, alpha: bool) -> None:
    items = {1: (b"hvc1", [1]), 2: (b"hvc1", [1, 2]), 3: (b"hvc1", [1])}
    body = heic(items, [ispe(64, 48), fullbox(b"auxC", urn)], refs=link(b"auxl", 2, target))
    assert whole(body).more["alpha"] is alpha


@pytest.mark.parametrize(
    ("properties", "colour", "depth"),
    [
        ([pixi(8)], "grey", 8),
        ([pixi(10, 10, 10)], "rgb", 10),
        ([hvcc(10)], "rgb", 10),
        ([hvcc(8, chroma=0)], "grey", 8),
        ([box(b"av1C", b"\x81\x00\x40\x00")], "rgb", 10),
        ([box(b"av1C", b"\x81\x00\x70\x00")], "grey", 12),
    ],
)
def test_colour_and_depth_are_what_the_decoder_is_told(properties: list[bytes], colour: str, depth: int) -> None:
    which = list(range(1, len(properties) + 2))
    more = whole(heic({1: (b"hvc1", which)}, [ispe(64, 48), *properties])).more
    assert (more["colour"], more["bit_depth"]) == (colour, depth)


@pytest.mark.parametrize(
    ("brands", "format_", "type_"),
    [
        (b"heicmif1heic", "heic", "image/heic"),
        (b"mif1mif1heic", "heic", "image/heic"),
        (b"mif1avifmif1", "avif", "image/avif"),
        (b"mif1mif1unci", "heif", "image/heif"),
        (b"avifavif", "avif", "image/avif"),
    ],
)
def test_the_brands_tell_the_coding(brands: bytes, format_: str, type_: str) -> None:
    media = whole(heic({1: (b"hvc1", [1])}, [ispe(64, 48)], brands=brands))
    assert (media.kind, media.format, media.type, media.width) == ("image", format_, type_, 64)


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turn_is_what_pillow_makes_of_it(orientation: int) -> None:
    """Pillow writes an AVIF's orientation as `irot` and `imir`, and reads it from there."""
    found = Image.Exif()
    found[ExifTags.Base.Orientation] = orientation
    body = saved(picture(), "AVIF", exif=found)
    with Image.open(io.BytesIO(body)) as image:
        assert image.getexif().get(ExifTags.Base.Orientation, 1) == orientation
        assert (image.width, image.height) == (67, 41)
    media = whole(body)
    assert (media.width, media.height) == (67, 41)
    assert media.more.get("orientation", 1) == orientation


def test_what_exif_says_of_turns_is_not_heeded() -> None:
    more = whole(heic({1: (b"hvc1", [1]), 2: (b"Exif", [])}, [ispe(64, 48)])).more
    assert more["orientation"] == 1


def test_a_moving_avif_has_as_many_frames_as_samples() -> None:
    pictures = [noise((40, 30)) for _ in range(7)]
    body = saved(pictures[0], "AVIF", save_all=True, append_images=pictures[1:], duration=40)
    reading, asked = fetched(body, 4_096)
    assert reading.needs is None
    assert len(asked) <= 1
    assert (reading.media.more["frames"], reading.media.width) == (7, 40)


@pytest.mark.parametrize(("brand", "type_"), [(b"hevc", "image/heic-sequence"), (b"msf1", "image/heif-sequence")])
def test_a_sequence_without_a_still_is_as_large_as_its_track(brand: bytes, type_: str) -> None:
    size = struct.pack(">II", 640 << 16, 480 << 16)
    stsz = fullbox(b"stsz", struct.pack(">II", 0, 12))
    track = box(b"trak", fullbox(b"tkhd", bytes(72), size), box(b"mdia", box(b"minf", box(b"stbl", stsz))))
    body = box(b"ftyp", brand, bytes(4), brand) + box(b"moov", fullbox(b"mvhd", bytes(96)), track)
    media = whole(body)
    assert (media.kind, media.type, media.width, media.height) == ("image", type_, 640, 480)
    assert media.more["frames"] == 12


HOSTILE: dict[str, Any] = {
    "no item": heic({2: (b"hvc1", [1])}, [ispe(64, 48)], primary=7),
    "properties that are not there": heic({1: (b"hvc1", [0, 9, 127])}, [ispe(64, 48)]),
    "an EXIF beyond the end": heic({1: (b"hvc1", [1]), 2: (b"Exif", [])}, [ispe(64, 48)])[:-40],
    "an EXIF that skips itself": heic({1: (b"hvc1", [1]), 2: (b"Exif", [])}, [ispe(64, 48)], exif=b"\xff" * 40),
    "a table of four billion": heic({1: (b"hvc1", [1])}, [ispe(64, 48)]).replace(
        b"ipma" + bytes(7) + b"\1", b"ipma" + bytes(4) + b"\xff" * 4
    ),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_what_refers_to_nothing_is_said_to_be_broken_or_left_out(body: bytes) -> None:
    media = whole(body)
    assert media.format == "heic"
    assert media.width in (None, 64)


@pytest.mark.parametrize("cut", range(20, 400, 7))
def test_a_file_that_is_cut_off_is_broken(cut: int) -> None:
    body = heic({1: (b"hvc1", [1]), 2: (b"Exif", [])}, [ispe(64, 48)])
    media = whole(body[:cut])
    assert media.width == 64 or "problem" in media.more
