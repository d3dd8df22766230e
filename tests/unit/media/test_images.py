"""What is read of a picture is what Pillow reads of it, in every mode that it can write."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from tests.unit.media.pictures import by_pillow, fetched, noise, picture, saved, told, whole

TYPES = {
    "JPEG": ("jpeg", "image/jpeg"),
    "PNG": ("png", "image/png"),
    "GIF": ("gif", "image/gif"),
    "WEBP": ("webp", "image/webp"),
    "BMP": ("bmp", "image/bmp"),
    "TIFF": ("tiff", "image/tiff"),
    "AVIF": ("avif", "image/avif"),
    "JPEG2000": ("jp2", "image/jp2"),
}
MODES = {
    "JPEG": ("L", "RGB", "CMYK", "YCbCr"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "GIF": ("L", "P", "RGB", "RGBA"),
    "WEBP": ("L", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"),
    "AVIF": ("L", "RGB", "RGBA"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "CMYK", "I;16"),
}
STILLS = [(kind, mode) for kind, modes in MODES.items() for mode in modes]
OPTIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "RGB", {"icc_profile": bytes(150_000)}),
    ("JPEG", "RGB", {"comment": b"x" * 65_000}),
    ("PNG", "RGB", {"icc_profile": bytes(range(256)) * 40}),
    ("PNG", "P", {"transparency": 3}),
    ("PNG", "RGB", {"transparency": (1, 2, 3)}),
    ("PNG", "L", {"transparency": 9}),
    ("GIF", "P", {"transparency": 3}),
    ("GIF", "P", {"comment": b"y" * 3_000}),
    ("GIF", "L", {"interlace": False}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGB", {"icc_profile": bytes(3_000)}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "RGB", {"compression": "jpeg"}),
    ("TIFF", "RGB", {"big_tiff": True}),
    ("TIFF", "1", {"compression": "group4"}),
    ("AVIF", "RGB", {"icc_profile": bytes(30_000)}),
    ("JPEG2000", "RGB", {"no_jp2": True}),
]


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize(("kind", "mode"), STILLS)
def test_a_still_is_what_pillow_says(kind: str, mode: str) -> None:
    body = saved(picture(mode), kind)
    media = whole(body)
    assert (media.kind, media.format, media.type) == ("image", *TYPES[kind])
    pillow = by_pillow(body)
    assert {name: pillow.get(name) for name in told(media) if name != "bit_depth"} == {
        name: value for name, value in told(media).items() if name != "bit_depth"
    }
    assert pillow.keys() - told(media).keys() <= {"frames"}


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize(("kind", "mode", "options"), OPTIONS)
def test_options_of_a_writer_change_nothing_of_that(kind: str, mode: str, options: dict[str, Any]) -> None:
    body = saved(picture(mode), kind, **options)
    pillow, found = by_pillow(body), told(whole(body))
    assert {name: found.get(name, 1) for name in pillow} == pillow


DEPTHS = [
    (saved(picture("1"), "PNG"), 1),
    (saved(picture("RGB").quantize(4), "PNG"), 2),
    (saved(picture("RGB").quantize(16), "PNG", bits=4), 4),
    (saved(picture("RGB"), "PNG"), 8),
    (saved(picture("I;16"), "PNG"), 16),
    (saved(picture("I;16"), "TIFF"), 16),
    (saved(picture("1"), "TIFF"), 1),
    (saved(picture("CMYK"), "TIFF"), 8),
    (saved(picture("RGB"), "JPEG"), 8),
    (saved(picture("RGB").quantize(4), "GIF"), 2),
    (saved(picture("1"), "BMP"), 1),
    (saved(picture("RGB"), "BMP"), 8),
    (saved(picture("RGB"), "AVIF"), 8),
    (saved(picture("I;16"), "JPEG2000"), 16),
]


@pytest.mark.parametrize(("body", "depth"), DEPTHS)
def test_the_depth_is_that_of_one_channel_as_stored(body: bytes, depth: int) -> None:
    assert whole(body).more["bit_depth"] == depth


def animated(kind: str, frames: int, **options: Any) -> bytes:
    pictures = [Image.effect_noise((40, 30), 50 + 9 * number).convert("RGB") for number in range(frames)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=100, **options)


@pytest.mark.acceptance("CO-26")
@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_frames_are_counted(kind: str, frames: int) -> None:
    body = animated(kind, frames)
    media = whole(body)
    assert media.more["frames"] == frames == by_pillow(body)["frames"]
    assert (media.width, media.height) == (40, 30)
    assert media.type == ("image/apng" if kind == "PNG" and frames > 1 else TYPES[kind][1])


def test_a_default_image_that_is_no_part_of_the_animation_is_no_frame() -> None:
    """As the specification has it (acTL): Pillow counts it, too."""
    body = animated("PNG", 5, default_image=True)
    assert (whole(body).more["frames"], by_pillow(body)["frames"]) == (4, 5)


def test_a_jpeg_with_more_pictures_behind_it_is_a_jpeg() -> None:
    body = saved(noise(), "MPO", save_all=True, append_images=[noise()])
    media = whole(body)
    assert (media.format, media.type, media.width, media.height) == ("jpeg", "image/jpeg", 300, 200)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_frames_that_are_not_held_are_neither_asked_for_nor_guessed(kind: str) -> None:
    body = animated(kind, 5)
    reading, asked = fetched(body, 4_000)
    assert len(asked) <= (1 if kind == "TIFF" else 0)
    assert reading.needs is None
    assert (reading.media.width, reading.media.height) == (40, 30)
    assert "frames" not in reading.media.more


@pytest.mark.parametrize(("kind", "mode"), STILLS)
@pytest.mark.parametrize("first", [64, 700, 4_096, 16_384])
def test_the_first_bytes_and_two_ranges_tell_as_much_as_all_of_it(kind: str, mode: str, first: int) -> None:
    body = saved(picture(mode), kind)
    reading, _ = fetched(body, first)
    assert reading.needs is None
    found, expected = told(reading.media), told(whole(body))
    if kind == "GIF" and first < len(body):  # its pictures are told apart only by walking all of it
        expected.pop("frames")
    assert found == expected
