"""The demo's pictures and sounds are real ones, and the same each time."""

from __future__ import annotations

import io
import wave

from PIL import Image

from console.media import media


def test_the_media_are_what_they_say_they_are() -> None:
    kinds = set()
    for ending, content_type, body in media(10):
        kinds.add(content_type)
        if ending == "wav":
            with wave.open(io.BytesIO(body)) as sound:
                assert sound.getnframes() > 0
        else:
            with Image.open(io.BytesIO(body)) as picture:
                assert Image.MIME[picture.format or ""] == content_type
    assert kinds == {"image/jpeg", "image/png", "image/webp", "image/gif", "audio/wav"}


def test_the_media_are_the_same_each_time() -> None:
    assert list(media(5)) == list(media(5))
