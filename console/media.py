"""Makes small real pictures and sounds on the spot, the same ones each time; nothing is downloaded."""

from __future__ import annotations

import io
import math
import random
import struct
import wave
from collections.abc import Iterator
from typing import Final, NamedTuple

from PIL import Image

_PICTURES: Final = (
    ("jpg", "JPEG", "image/jpeg"),
    ("png", "PNG", "image/png"),
    ("webp", "WEBP", "image/webp"),
    ("gif", "GIF", "image/gif"),
)
_RATE_HZ: Final = 8_000


class Medium(NamedTuple):
    """A file's ending, its content type and its bytes."""

    ending: str
    content_type: str
    body: bytes


def media(count: int, *, seed: int = 1) -> Iterator[Medium]:
    """`count` files: four kinds of picture and a tone, in turn."""
    chance = random.Random(seed)  # noqa: S311 - pictures are no secrets
    for number in range(count):
        kind = number % (len(_PICTURES) + 1)
        yield _tone(chance) if kind == len(_PICTURES) else _picture(chance, *_PICTURES[kind])


def _picture(chance: random.Random, ending: str, kind: str, content_type: str) -> Medium:
    width, height = chance.randrange(16, 160), chance.randrange(16, 160)
    left, right = (tuple(chance.randrange(256) for _ in range(3)) for _ in range(2))
    gradient = Image.linear_gradient("L").resize((width, height))
    image = Image.composite(Image.new("RGB", gradient.size, left), Image.new("RGB", gradient.size, right), gradient)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return Medium(ending, content_type, buffer.getvalue())


def _tone(chance: random.Random) -> Medium:
    samples, pitch = chance.randrange(_RATE_HZ // 10, _RATE_HZ // 2), chance.uniform(220, 880)
    wavelength = _RATE_HZ / pitch
    tone = [round(12_000 * math.sin(2 * math.pi * at / wavelength)) for at in range(samples)]
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE_HZ)
        sound.writeframes(struct.pack(f"<{samples}h", *tone))
    return Medium("wav", "audio/wav", buffer.getvalue())
