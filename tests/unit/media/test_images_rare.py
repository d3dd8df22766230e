"""BMP's older headers, ICO, PSD, TIFF in its other forms, JPEG 2000 and JPEG XL, GIF and PNG by hand."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from tests.unit.media.pictures import box, by_pillow, chunk, fetched, picture, saved, tiff, told, whole


def bmp(header: bytes, palette: bytes = b"", pixels: int = 400) -> bytes:
    head = 14 + 4 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHII", head + pixels, 0, 0, head, 4 + len(header)) + header + palette + bytes(pixels)


def info(width: int, height: int, bits: int, *, compression: int = 0, colours: int = 0, more: bytes = b"") -> bytes:
    return struct.pack("<iiHHIIiiII", width, height, 1, bits, compression, 0, 2835, 2835, colours, 0) + more


RED = bytes([0, 0, 255, 0]) * 256
ARGB = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
BMPS = {
    "core": bmp(struct.pack("<HHHH", 9, 7, 1, 24)),
    "core with a palette": bmp(struct.pack("<HHHH", 9, 7, 1, 8), bytes([1, 2, 3]) * 256),
    "top down": bmp(info(9, -7, 24)),
    "palette": bmp(info(9, 7, 8), RED),
    "palette of 4": bmp(info(9, 7, 4, colours=4), RED[:16]),
    "black and white": bmp(info(9, 7, 1), bytes([0, 0, 0, 0, 255, 255, 255, 0])),
    "16 bits": bmp(info(9, 7, 16)),
    "32 bits": bmp(info(9, 7, 32)),
    "version 4 with alpha": bmp(info(9, 7, 32, compression=3, more=ARGB + bytes(52))),
    "version 5 with alpha": bmp(info(9, 7, 32, compression=3, more=ARGB + bytes(68))),
    "version 5 without": bmp(info(9, 7, 32, compression=3, more=ARGB[:12] + bytes(72))),
}


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize("body", BMPS.values(), ids=BMPS)
def test_each_header_of_a_bmp_is_read(body: bytes) -> None:
    found = told(whole(body))
    found.pop("bit_depth")
    assert found | {"frames": 1} == by_pillow(body)


@pytest.mark.parametrize(
    "body", [bmp(info(0, 7, 24)), bmp(info(9, 0, 24)), bmp(info(-9, 7, 24)), bmp(info(9, 7, 24))[:30]]
)
def test_a_bmp_without_a_size_is_broken(body: bytes) -> None:
    assert whole(body).more["problem"]


def test_an_icon_is_as_large_as_its_largest_picture() -> None:
    image = picture("RGBA", (256, 256))
    body = saved(image, "ICO", sizes=[(16, 16), (256, 256), (48, 48)])
    media = whole(body)
    assert (media.format, media.width, media.height) == ("ico", 256, 256)
    assert whole(saved(image, "ICO", sizes=[(16, 16), (32, 32)])).width == 32
    assert whole(b"\0\0\1\0" + bytes(60)).format == ""
    assert whole(b"\0\0\1\0\xff\xff" + bytes([9]) * 60).format == ""


def psd(mode: int, channels: int, depth: int = 8, version: int = 1, resources: bytes = b"") -> bytes:
    colours = struct.pack(">I", 768) + bytes(range(256)) * 3 if mode == 2 else bytes(4)
    colours += struct.pack(">I", len(resources)) + resources
    return b"8BPS" + struct.pack(">H6xHIIHH", version, channels, 30, 40, depth, mode) + colours + bytes(400)


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize(("mode", "channels"), [(0, 1), (1, 1), (2, 1), (3, 3), (3, 4), (4, 4), (7, 1), (8, 1), (9, 3)])
def test_a_psd_is_what_pillow_says(mode: int, channels: int) -> None:
    body = psd(mode, channels, depth=1 if mode == 0 else 8)
    found = told(whole(body))
    assert found.pop("bit_depth") == (1 if mode == 0 else 8)
    assert found == {name: value for name, value in by_pillow(body).items() if name != "frames"}


def test_a_large_psd_of_16_bits_is_read_too() -> None:
    media = whole(psd(3, 5, depth=16, version=2))
    assert (media.format, media.width, media.more["bit_depth"], media.more["alpha"]) == ("psd", 40, 16, True)
    assert whole(psd(3, 3, version=3)).more["problem"]


def resource(which: int, body: bytes, name: bytes = b"") -> bytes:
    padded = bytes([len(name)]) + name
    head = b"8BIM" + struct.pack(">H", which) + padded + b"\0" * (len(padded) % 2)
    return head + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize("preview", [101, 60_001])
def test_the_exif_of_a_psd_is_among_its_resources(preview: int) -> None:
    block = tiff([(0x110, 2, 7, b"iPhone\0")])
    resources = resource(1036, bytes(preview), b"odd") + resource(1005, b"abc", b"even") + resource(1058, block)
    reading, asked = fetched(psd(3, 3, resources=resources), 4_096)
    assert reading.needs is None
    assert len(asked) == (preview > 4_096)
    assert reading.media.more["camera_model"] == "iPhone"
    assert "camera_model" not in whole(psd(3, 3, resources=b"8BIN" + resources)).more


@pytest.mark.parametrize(
    ("head", "name"),
    [(b"IIRO", "orf"), (b"MMOR", "orf"), (b"IIU\0", "rw2"), (b"FUJIFILMCCD-RAW ", "raf"), (b"FUJI apples are red", "")],
)
def test_what_else_cameras_write_is_told_by_its_first_bytes(head: bytes, name: str) -> None:
    media = whole(head + bytes(100))
    assert (media.format if media.kind == "image" else "") == name


def number(tag: int, *values: int, order: str = "<", kind: str = "H") -> tuple[int, int, int, bytes]:
    return tag, {"H": 3, "I": 4, "Q": 16}[kind], len(values), struct.pack(f"{order}{len(values)}{kind}", *values)


def page(order: str = "<", *more: tuple[int, int, int, bytes], kind: str = "H") -> list[tuple[int, int, int, bytes]]:
    return [
        number(0x100, 40, order=order, kind=kind),
        number(0x101, 30, order=order, kind=kind),
        number(0x102, 8, 8, 8, order=order),
        number(0x106, 2, order=order),
        number(0x115, 3, order=order),
        *more,
    ]


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pages", [1, 3])
def test_a_tiff_is_read_in_either_order_and_size(order: str, big: bool, pages: int) -> None:
    body = tiff(*[page(order, kind="Q" if big else "I")] * pages, order=order, big=big)
    media = whole(body)
    assert told(media) == {"width": 40, "height": 30, "colour": "rgb", "bit_depth": 8, "alpha": False, "frames": pages}


@pytest.mark.parametrize(("extra", "alpha"), [((), True), ((0,), False), ((1,), True), ((2,), True)])
def test_a_fourth_sample_is_alpha_unless_a_tiff_says_otherwise(extra: tuple[int, ...], alpha: bool) -> None:
    entries = [entry for entry in page() if entry[0] != 0x115] + [number(0x115, 4)]
    if extra:
        entries.append(number(0x152, *extra))
    assert whole(tiff(entries)).more["alpha"] is alpha


@pytest.mark.parametrize("at", ["the end", "far"])
def test_a_directory_behind_the_pixels_is_asked_for_at_its_place(at: str) -> None:
    body = bytearray(tiff(page()))
    pixels = 300_000
    body[4:8] = struct.pack("<I", 8 + pixels)
    moved = bytes(body[:8]) + bytes(pixels) + bytes(body[8:])
    depths = moved.index(struct.pack("<HHI", 0x102, 3, 3)) + 8
    (place,) = struct.unpack_from("<I", moved, depths)
    moved = moved[:depths] + struct.pack("<I", place + pixels) + moved[depths + 4 :]
    if at == "far":
        moved += bytes(50_000)
    reading, asked = fetched(moved, 4_096)
    assert reading.needs is None
    assert asked == [(8 + pixels, min(4_096, len(moved) - 8 - pixels))]
    assert told(reading.media) == told(whole(tiff(page())))


@pytest.mark.parametrize(
    ("tag", "format_", "type_"), [(0xC612, "dng", "image/x-adobe-dng"), (0x9216, "tiff", "image/tiff")]
)
def test_what_a_camera_wrote_is_as_large_as_its_picture_and_not_its_preview(tag: int, format_: str, type_: str) -> None:
    preview = page("<", number(0xFE, 1, kind="I"), number(0x14A, 0, kind="I"), number(tag, 1, kind="I"))
    raw = [number(0xFE, 0, kind="I"), number(0x100, 6000), number(0x101, 4000), number(0x102, 14), number(0x106, 32803)]
    body = tiff(preview, raw)
    second = struct.unpack_from("<I", body, 8 + 2 + 12 * len(preview))[0]
    at = body.index(struct.pack("<HHI", 0x14A, 4, 1)) + 8
    body = body[:at] + struct.pack("<I", second) + body[at + 4 :]
    media = whole(body)
    assert (media.format, media.type) == (format_, type_)
    assert (media.width, media.height, media.more["bit_depth"]) == (6000, 4000, 14)


LOOPS = {
    "to itself": tiff(page())[: 8 + 2 + 60] + struct.pack("<I", 8) + tiff(page())[8 + 2 + 64 :],
    "beyond the end": tiff(page())[: 8 + 2 + 60] + struct.pack("<I", 99_999) + tiff(page())[8 + 2 + 64 :],
    "of very many": tiff(*[[number(0x100, 1), number(0x101, 1)]] * 9_000),
}


@pytest.mark.parametrize("body", LOOPS.values(), ids=LOOPS)
def test_pages_that_lead_nowhere_are_not_counted(body: bytes) -> None:
    media = whole(body)
    assert media.width
    assert "frames" not in media.more


@pytest.mark.parametrize(("nc", "colour", "alpha"), [(1, "grey", False), (2, "grey", True), (3, "rgb", False)])
def test_a_jp2_by_hand(nc: int, colour: str, alpha: bool) -> None:
    header = box(b"ihdr", struct.pack(">IIHBBBB", 30, 40, nc, 11, 7, 0, 0))
    body = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 ", bytes(4), b"jp2 ") + box(b"jp2h", header)
    assert told(whole(body)) == {"width": 40, "height": 30, "colour": colour, "bit_depth": 12, "alpha": alpha}


def jxl(*fields: tuple[int, int]) -> bytes:
    """Numbers of so many bits, the lowest bit first."""
    word, at = 0, 0
    for value, bits in fields:
        word |= value << at
        at += bits
    return b"\xff\x0a" + word.to_bytes(20, "little")


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (jxl((1, 1), (3, 5), (0, 3), (4, 5)), (40, 32)),
        (jxl((1, 1), (3, 5), (1, 3)), (32, 32)),
        (jxl((0, 1), (0, 2), (299, 9), (3, 3)), (400, 300)),
        (jxl((0, 1), (1, 2), (1079, 13), (5, 3)), (1920, 1080)),
        (jxl((0, 1), (2, 2), (99_999, 18), (0, 3), (3, 2), (999_999, 30)), (1_000_000, 100_000)),
    ],
)
def test_a_jxl_says_its_size_in_few_bits(body: bytes, size: tuple[int, int]) -> None:
    signature = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl ", bytes(4), b"jxl ")
    for one in (body, signature + box(b"jxlc", body), signature + box(b"jxlp", bytes(4), body)):
        media = whole(one)
        assert (media.format, media.width, media.height) == ("jxl", *size)


IHDR = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0))
PNG = b"\x89PNG\r\n\x1a\n"
BROKEN = {
    "a chunk of four billion": PNG + IHDR + chunk(b"tEXt", bytes(60), length=0xFFFFFFFF),
    "no pixels": PNG + IHDR + chunk(b"tEXt", b"") * 5_000,
    "no header": PNG + chunk(b"tEXt", bytes(90)),
    "no width": PNG + chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 30, 8, 2, 0, 0, 0)),
    "a GIF of nothing": b"GIF89a" + struct.pack("<HHBBB", 40, 30, 0, 0, 0) + b";",
    "a GIF without end": b"GIF89a" + struct.pack("<HHBBB", 40, 30, 0, 0, 0) + b"!\xfe" + b"\x01x" * 90_000,
    "a WebP of something": b"RIFF" + bytes(4) + b"WEBPVP9 " + bytes(40),
    "a WebP that is cut off": saved(picture(), "WEBP")[:24],
    "a JP2 without a header": box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 ", bytes(4)),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_what_is_no_picture_after_all_is_said_to_be_broken(body: bytes) -> None:
    media = whole(body)
    assert media.kind == "image"
    assert media.more["problem"]


def test_apple_puts_a_chunk_before_the_first() -> None:
    assert whole(PNG + chunk(b"CgBI", bytes(4)) + IHDR + chunk(b"IDAT", bytes(9)) + chunk(b"IEND", b"")).width == 40


def test_a_gif_of_greys_is_told_by_its_palette() -> None:
    ramp = bytes(level for level in range(4) for _ in range(3))
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x81, 0, 0) + ramp
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02D\x01\x00"
    assert whole(head + frame + b";").more == {"colour": "grey", "bit_depth": 2, "alpha": False, "frames": 1}
    local = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0x80) + b"\x09" * 6 + b"\x02\x02D\x01\x00"
    assert whole(head + local + b";").more["colour"] == "palette"
    with Image.open(io.BytesIO(head + frame + b";")) as image:
        assert image.mode == "L"
