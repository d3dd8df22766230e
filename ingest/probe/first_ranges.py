"""How many of an object's first bytes are asked for: hides that this is learnt for each bucket and kind of file."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

LEAST: Final = 1024
MOST: Final = 256 * 1024
"""Bytes of one first range. What lies farther back is asked for where it is."""
_DEFAULT: Final = 16 * 1024
_BEGIN: Final = {
    **dict.fromkeys(("png", "gif", "webp", "bmp", "psd", "svg", "wav", "flac"), 4 * 1024),
    **dict.fromkeys(("jpg", "jpeg", "tif", "tiff", "mkv", "webm"), 32 * 1024),
    **dict.fromkeys(("heic", "heif", "avif", "mp4", "mov", "m4v", "m4a", "3gp"), 64 * 1024),
    **dict.fromkeys(
        (
            "pdf",
            "zip",
            "docx",
            "xlsx",
            "pptx",
            "odt",
            "epub",
            "parquet",
            "ogg",
            "opus",
            "ts",
            "mts",
            "m2ts",
            "mpg",
            "vob",
        ),
        MOST,
    ),
}
"""Before anything is learnt. The last ones are read at both ends, so that small ones are best taken whole."""
_SAMPLES: Final = 128
"""Last probes of one kind that are looked back on."""
_EVERY: Final = 16
"""Probes after which the length is set anew."""
_COVERED: Final = 0.96
"""Share of them for which one range is enough."""


class Kind:
    """What was learnt of the files of one bucket that share an extension."""

    __slots__ = ("_reaches", "_seen", "length")

    def __init__(self, length: int) -> None:
        self.length = length
        """Bytes to ask for first."""
        self._seen = 0
        self._reaches: deque[int] = deque(maxlen=_SAMPLES)

    def learn(self, reach: int) -> None:
        """Note how far from its beginning one had to be read. What lies beyond MOST can't be had by a first range."""
        if reach > MOST:
            return
        self._reaches.append(reach)
        self._seen += 1
        if self._seen % _EVERY == 0:
            ordered = sorted(self._reaches)
            enough = ordered[min(len(ordered) - 1, int(_COVERED * len(ordered)))]
            self.length = max(LEAST, min(MOST, 1 << max(0, enough - 1).bit_length()))


class FirstRanges:
    """What one process has learnt."""

    def __init__(self, *, most_kinds: int = 4_000) -> None:
        """`most_kinds`: of buckets and extensions together, that are remembered."""
        self._most = most_kinds
        self._kinds: OrderedDict[tuple[str, str], Kind] = OrderedDict()

    def kind(self, bucket: str, key: bytes) -> Kind:
        """Of an object with this key."""
        extension = extension_of(key)
        found = self._kinds.get((bucket, extension))
        if found is None:
            found = self._kinds[bucket, extension] = Kind(_BEGIN.get(extension, _DEFAULT))
            if len(self._kinds) > self._most:
                self._kinds.popitem(last=False)
        return found


def extension_of(key: bytes) -> str:
    """In lower case, without its dot; empty if there is none that is short and plain."""
    name, dot, extension = key[-12:].rpartition(b".")
    plain = dot and name and b"/" not in extension and len(extension) <= 8 and extension.isalnum()
    return extension.decode("ascii", "ignore").lower() if plain else ""
