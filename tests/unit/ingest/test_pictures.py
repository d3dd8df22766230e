"""Perceptual hashes: near for what looks alike, far for what does not; and no picture takes us along."""

from __future__ import annotations

import asyncio
import io
import random
import struct
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageEnhance

from config.limits import Limits
from ingest.probe import decoder as decoding
from ingest.probe.content import open_bodies
from ingest.probe.decoder import difference_hash
from ingest.probe.pictures import Picture, Pictures, can_decode

_NEAR = 10
"""Bits of 64: what imagehash's users take for alike."""


def scene(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A few large shapes, as photographs have them."""
    chance = random.Random(seed)
    image = Image.new("RGB", size, tuple(chance.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = chance.randrange(size[0]), chance.randrange(size[1])
        w, h = chance.randrange(40, 300), chance.randrange(40, 300)
        colour = tuple(chance.randrange(256) for _ in range(3))
        (draw.ellipse if chance.random() < 0.5 else draw.rectangle)([x, y, x + w, y + h], fill=colour)
    return image


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def apart(one: bytes, two: bytes) -> int:
    return (int(difference_hash(one), 16) ^ int(difference_hash(two), 16)).bit_count()


@pytest.mark.parametrize("seed", range(5))
def test_what_looks_alike_is_near_and_what_does_not_is_far(seed: int) -> None:
    image = scene(seed)
    original = saved(image)
    alike = [
        saved(image, "JPEG", quality=40),
        saved(image, "WEBP", quality=50),
        saved(image, "GIF"),
        saved(image, "TIFF"),
        saved(image, "BMP"),
        saved(image.resize((200, 150)), "JPEG"),
        saved(image.resize((1600, 1200)), "JPEG"),
        saved(ImageEnhance.Brightness(image).enhance(1.2)),
        saved(ImageEnhance.Contrast(image).enhance(0.8)),
        saved(image.convert("L")),
    ]
    assert [apart(original, one) <= _NEAR for one in alike] == [True] * len(alike)
    others = [saved(scene(other)) for other in range(100, 120)]
    assert all(apart(original, other) > _NEAR for other in others)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_copy_that_is_only_turned_by_its_tag_is_the_same(orientation: int) -> None:
    turn = decoding._TURNS.get(orientation)
    backwards = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    image = scene(7, (480, 320))
    stored = image if turn is None else image.transpose(backwards.get(orientation, turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert difference_hash(saved(stored, exif=exif)) == difference_hash(saved(image))
    assert apart(saved(stored, "JPEG", exif=exif, quality=95), saved(image)) <= 2


def test_the_hash_is_the_one_that_others_compute() -> None:
    """Rows from the top, the first bit first; a brighter right neighbour is a 1: as imagehash.dhash."""
    rising = Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90)  # 0 at the left
    assert difference_hash(saved(rising)) in ("f" * 16, "0" * 16)
    left_dark = Image.new("L", (9, 8))
    left_dark.putpixel((8, 0), 255)
    assert difference_hash(saved(left_dark)) == "01" + "0" * 14


def test_odd_modes_have_hashes_too() -> None:
    image = scene(3)
    grey = image.convert("L")
    deep = Image.frombytes(
        "I;16", grey.size, struct.pack(f"<{grey.width * grey.height}H", *(v * 257 for v in grey.tobytes()))
    )
    clear = image.convert("RGBA")
    clear.putalpha(Image.new("L", image.size, 255))
    for odd in (saved(deep, "TIFF"), saved(clear), saved(image.convert("P")), saved(image.convert("CMYK"), "TIFF")):
        assert apart(odd, saved(image)) <= _NEAR
    gone = Image.new("RGBA", (50, 50), (10, 20, 30, 0))
    assert difference_hash(saved(gone)) == "0" * 16


@pytest.fixture
async def pictures() -> AsyncIterator[Pictures]:
    async with open_bodies(Limits(image_pixels=1_000_000, image_s=20)) as bodies:
        yield bodies.pictures


def _bomb() -> bytes:
    """A PNG of a few bytes that claims a hundred thousand pixels each way."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


async def test_hostile_pictures_have_none_and_the_next_one_has(pictures: Pictures) -> None:
    good = saved(scene(1))
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    cases = {
        "bomb": (_bomb(), "it has too many pixels"),
        "too many pixels": (saved(Image.new("1", (1001, 1000))), "it has too many pixels"),
        "truncated": (good[: len(good) // 2], "it can't be decoded"),
        "noise": (random.Random(1).randbytes(5000), "it can't be decoded"),
        "empty": (b"", "it can't be decoded"),
        "another program's": (eps, "it can't be decoded"),
    }
    for body, why in cases.values():
        assert await pictures.hash(body) == Picture("", why)
        assert await pictures.hash(good) == Picture(difference_hash(good))


async def test_a_process_that_dies_is_replaced(pictures: Pictures) -> None:
    good = saved(scene(1))
    assert (await pictures.hash(good)).hash
    process = pictures._idle[0]._process
    process.kill()
    await process.wait()
    assert await pictures.hash(good) == Picture("", "what decoded it crashed")
    assert (await pictures.hash(good)).hash


async def test_many_at_once_are_decoded_by_few(pictures: Pictures) -> None:
    bodies = [saved(scene(seed, (64, 48))) for seed in range(20)]
    found = await asyncio.gather(*map(pictures.hash, bodies))
    assert [one.hash for one in found] == list(map(difference_hash, bodies))
    assert len(pictures._idle) == Limits().image_decoders


async def test_what_takes_too_long_is_killed() -> None:
    async with open_bodies(Limits(image_s=0.000_1)) as bodies:
        assert await bodies.pictures.hash(saved(scene(1))) == Picture("", "it takes too long to decode")
        assert bodies.pictures._idle == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_process_knows_nothing_of_ours(pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGSHORE_SECRET_KEYS", "sesame")
    assert (await pictures.hash(saved(scene(1)))).hash
    process = Path("/proc") / str(pictures._idle[0]._process.pid)
    assert (process / "environ").read_bytes() == b""
    assert f"{Limits().image_memory_bytes} " in (process / "limits").read_text()
    opened_there = [str((process / "fd" / number).readlink()) for number in ("0", "1", "2")]
    assert len(list((process / "fd").iterdir())) == len(opened_there)


def test_it_can_be_told_whether_there_is_a_decoder() -> None:
    assert can_decode()
