"""Pictures made on the spot, read whole and in parts; and what Pillow says of them."""

from __future__ import annotations

import io
import struct
from typing import Any

from PIL import Image

from ingest.media.properties import Media, Value
from ingest.media.reading import Reading, read
from ingest.media.view import View

COLOURS = {
    **dict.fromkeys(("1", "L", "LA", "La", "I;16", "I;16B", "I", "F"), "grey"),
    **dict.fromkeys(("P", "PA"), "palette"),
    **dict.fromkeys(("RGB", "RGBA", "RGBa", "RGBX"), "rgb"),
    "CMYK": "cmyk",
    "YCbCr": "ycbcr",
    "LAB": "lab",
}


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(mode: str = "RGB", size: tuple[int, int] = (67, 41)) -> Image.Image:
    """A gradient, so that no palette is a coincidence."""
    grey = Image.linear_gradient("L").resize(size)
    image = Image.merge("RGB", (grey, grey.rotate(180), Image.new("L", size, 90)))
    if mode == "I;16":
        return Image.new("I;16", size, 4000)
    return image.convert(mode) if mode != "LAB" else Image.new("LAB", size)


def noise(size: tuple[int, int] = (300, 200)) -> Image.Image:
    """What compresses badly, so that what lies behind the pixels is far away."""
    return Image.effect_noise(size, 90).convert("RGB")


def whole(body: bytes) -> Media:
    """Read with all of it held."""
    reading = read(View(len(body), {0: body}))
    assert reading.needs is None
    return reading.media


def fetched(body: bytes, first: int, *, most: int = 2) -> tuple[Reading, list[tuple[int, int]]]:
    """Read with the first bytes held and, at most so many times, the range that it asks for; and these ranges."""
    pieces = {0: body[:first]}
    asked: list[tuple[int, int]] = []
    while True:
        reading = read(View(len(body), pieces))
        if reading.needs is None or len(asked) == most:
            return reading, asked
        at, length = reading.needs
        assert length > 0
        assert at + length <= len(body), "it asks for what there can't be"
        assert reading.needs not in asked, "it asks again for what it got"
        asked.append(reading.needs)
        pieces[at] = body[at : at + length]


def told(media: Media) -> dict[str, Value]:
    return {"width": media.width, "height": media.height, **media.more}


def by_pillow(body: bytes) -> dict[str, Value]:
    """The same names, as Pillow reads the file."""
    with Image.open(io.BytesIO(body)) as image:
        return {
            "width": image.width,
            "height": image.height,
            "colour": COLOURS[image.mode],
            "alpha": image.has_transparency_data,
            "frames": getattr(image, "n_frames", 1),
        }


def box(kind: bytes, *payload: bytes) -> bytes:
    body = b"".join(payload)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def segment(marker: int, payload: bytes) -> bytes:
    """Of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(payload)) + payload


def chunk(kind: bytes, payload: bytes, *, length: int | None = None) -> bytes:
    """Of a PNG; without a checksum that is one."""
    return struct.pack(">I4s", len(payload) if length is None else length, kind) + payload + b"crc!"


def tiff(*directories: list[tuple[int, int, int, bytes]], order: str = "<", big: bool = False) -> bytes:
    """Directories one after the other, of entries (tag, type, count, value); what doesn't fit into an entry lies behind it."""
    places, counts, entry, width = ("Q", "Q", "HHQ", 8) if big else ("I", "H", "HHI", 4)
    head = (b"II" if order == "<" else b"MM") + (
        struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    )
    body = head
    for number, entries in enumerate(directories):
        start = (
            len(body) + struct.calcsize("<" + counts) + len(entries) * (struct.calcsize("<" + entry) + width) + width
        )
        rows, behind = b"", b""
        for tag, kind, count, value in entries:
            held = value
            if len(value) > width:
                held, behind = struct.pack(order + places, start + len(behind)), behind + value
            rows += struct.pack(order + entry, tag, kind, count) + held.ljust(width, b"\0")
        following = start + len(behind) if number + 1 < len(directories) else 0
        body += struct.pack(order + counts, len(entries)) + rows + struct.pack(order + places, following) + behind
    return body
