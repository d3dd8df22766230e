"""What the makers of the corpus share: running a tool in a folder of its own, and pictures that compress well."""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

Made = Iterator[tuple[str, bytes]]
"""Where a file stands below `files/`, and what is in it. The folder is its kind."""


def tool(*words: str | Path, **files: bytes) -> bytes:
    """What a tool writes to the last word's path; `{name}` in a word stands for the path of that file (`a_jpg` is a.jpg)."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / name.replace("_", ".") for name in files}
        for name, body in files.items():
            paths[name].write_bytes(body)
        places = {name: str(path) for name, path in paths.items()}
        said = [str(word).format(out=Path(folder), **places) for word in words]
        subprocess.run(said, check=True, capture_output=True, cwd=folder, timeout=120)
        return Path(said[-1]).read_bytes()


FFMPEG: tuple[str, ...] = ("ffmpeg", "-v", "error", "-nostdin", "-y", "-threads", "1", "-fflags", "+bitexact")


def ffmpeg(words: str, ending: str, **files: bytes) -> bytes:
    """What ffmpeg makes of these options: the same bytes each time. Sources are written as `{name}`."""
    exact = (
        "-threads",
        "1",
        "-map_metadata",
        "-1",
        "-fflags",
        "+bitexact",
        "-flags:v",
        "+bitexact",
        "-flags:a",
        "+bitexact",
    )
    return tool(*FFMPEG, *words.split(), *exact, "{out}/made" + ending, **files)


def exiftool(body: bytes, ending: str, *words: str) -> bytes:
    """The file with these tags written into it."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"made.{ending}"
        target.write_bytes(body)
        said = ["exiftool", "-q", "-q", "-n", "-m", "-overwrite_original", *words, str(target)]
        subprocess.run(said, check=True, capture_output=True, timeout=60)
        return target.read_bytes()


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A gradient: it is small in every format."""
    grey = Image.linear_gradient("L").resize((width, height))
    if mode in {"RGB", "RGBA"}:
        image = Image.composite(
            Image.new("RGB", grey.size, (200, 40, 90)), Image.new("RGB", grey.size, (10, 120, 220)), grey
        )
        if mode == "RGBA":
            image.putalpha(grey)
        return image
    if mode == "LA":
        return Image.merge("LA", (grey, grey))
    return picture(width, height).quantize(16) if mode == "P" else grey.convert(mode)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """As Pillow writes it."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
