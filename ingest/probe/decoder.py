"""A process of its own that decodes pictures, and may die of them: a picture comes in, its difference hash goes out.

`pictures.py` runs it as a script, alone: it imports nothing of ours, and its environment holds no secret. Each request is a length of
four bytes and as many of a picture; each answer is a line: 16 hex digits, or `-` and a few words on why there are none.
"""

from __future__ import annotations

import io
import resource
import sys
import warnings
from array import array
from contextlib import suppress
from typing import BinaryIO, Final

from PIL import Image

FORMATS: Final = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What is decoded: nothing that calls another program, as Pillow's EPS does."""
_WIDTH, _HEIGHT = 9, 8
_DRAFT: Final = 256
"""Pixels that a JPEG is decoded to at least: it can be decoded to an eighth of its size at a fraction of the work."""
_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What shows a picture as it was taken, by EXIF's orientation."""
_LYING: Final = tuple(_TURNS[number] for number in (5, 6, 7, 8))
_DEEP: Final = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def difference_hash(body: bytes) -> str:
    """64 bits as 16 hex digits: whether each of 8 times 8 places is darker than its right neighbour, as a viewer shows the picture.

    Equal to `imagehash.dhash` for what is upright, opaque and of 8 bits. Raises whatever Pillow does.
    """
    Image.init()
    formats: list[str] = [name for name in FORMATS if name in Image.OPEN]
    with Image.open(io.BytesIO(body), formats=formats) as image:
        image.draft("L", (_DRAFT, _DRAFT))
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
        small = _small(image, (_HEIGHT, _WIDTH) if turn in _LYING else (_WIDTH, _HEIGHT))
    if turn is not None:
        small = small.transpose(turn)
    bits = 0
    values = small.tobytes() if small.mode == "L" else array("f", small.tobytes())
    for row in range(_HEIGHT):
        for left in range(row * _WIDTH, row * _WIDTH + _WIDTH - 1):
            bits = bits << 1 | (values[left + 1] > values[left])
    return f"{bits:016x}"


def _small(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Grey, of that size; what is transparent is white."""
    if image.mode in _DEEP:
        return image.convert("I").convert("F").resize(size, Image.Resampling.LANCZOS)
    if image.has_transparency_data:
        clear = image.convert("RGBA").resize(size, Image.Resampling.LANCZOS)
        return Image.alpha_composite(Image.new("RGBA", size, "white"), clear).convert("L")
    return image.convert("L").resize(size, Image.Resampling.LANCZOS)


def answer(body: bytes) -> str:
    """The line that answers a request, without its end."""
    try:
        return difference_hash(body)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "-it has too many pixels"
    except MemoryError:
        return "-it takes too much memory"
    except Exception:  # noqa: BLE001  decoders raise what they like on broken pictures, and none of it is a fault of ours
        return "-it can't be decoded"


def serve(requests: BinaryIO, answers: BinaryIO, *, memory: int, pixels: int) -> None:
    """Until there are no more. `memory`: bytes of address space."""
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):  # macOS refuses the first; time and pixels are bounded there all the same
            resource.setrlimit(kind, (most, most))
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = pixels
    while len(length := requests.read(4)) == 4:
        line = answer(requests.read(int.from_bytes(length, "big")))
        answers.write(line.encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer, memory=int(sys.argv[1]), pixels=int(sys.argv[2]))
