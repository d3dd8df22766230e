"""Where an oracle is not believed, and why."""

from __future__ import annotations

from typing import Final

_SKIPPED: Final = "ffprobe 5.1 counts what is skipped at the beginning; a player (RFC 7845, 4.2) and opusinfo do not"
_UNTOLD: Final = "no header says it: ffprobe decodes frames and looks at their times"
_SHIFTED: Final = "ffprobe adds that the sound begins late to what the header says of all"
_BEGAN: Final = "nobody counts all of it; 8.034 s are true, and ffprobe's guess of 7.911 s is farther off than ours"
_GUESSED: Final = (
    "ffprobe guesses it from a bit rate; 50 frames of 20 ms are one second, and only who reads all of them knows"
)

EXCEPTIONS: Final[dict[tuple[str, str], tuple[str | int | float | bool | None, str]]] = {
    ("svg/prefix.svg", "format"): ("svg", "exiftool takes a prefixed root element for text"),
    ("svg/prefix.svg", "width"): (50, "as it stands in the file"),
    ("svg/prefix.svg", "height"): (60, "as it stands in the file"),
    ("avif/moving.avif", "format"): ("avif", "exiftool 12.57 does not know the brand of moving AVIFs"),
    ("gif/moving-large.gif", "frames"): (None, "they can't be counted without reading all of it"),
    ("heic/grey.heic", "format"): (
        "heic",
        "exiftool goes by the major brand mif1; the picture is HEVC, whose type is image/heic",
    ),
    ("heic/two.heic", "width"): (70, "exiftool shows the size of the last picture, not of the primary one"),
    ("heic/two.heic", "height"): (54, "the same"),
    ("wmv/silent.wmv", "frame_rate"): (None, _UNTOLD),
    ("wmv/wmv2-wma.wmv", "frame_rate"): (None, _UNTOLD),
    ("wmv/wmv2-wma.wmv", "duration_s"): (0.446, _SHIFTED),
    ("wmv/wmv2-wma.wmv", "bit_rate"): (71659, _SHIFTED),
    ("aac/behind-id3.aac", "format"): ("aac", "exiftool takes whatever stands behind an ID3 tag for MP3"),
    ("aac/long.aac", "duration_s"): (7.959506, _BEGAN),
    ("aac/long.aac", "bit_rate"): (67359, _BEGAN),
    ("amr/narrow.amr", "duration_s"): (None, _GUESSED),
    ("amr/narrow.amr", "bit_rate"): (None, _GUESSED),
    ("amr/wide.amr", "duration_s"): (None, _GUESSED),
    ("amr/wide.amr", "bit_rate"): (None, _GUESSED),
    ("zip/comment.zip", "entries"): (1, "zipfile takes the signature in the comment for the record's"),
    ("zip/comment.zip", "encrypted"): (False, "the same"),
    ("opus/24-kHz.opus", "duration_s"): (0.5, _SKIPPED),
    ("opus/24-kHz.opus", "bit_rate"): (22976, _SKIPPED),
    ("opus/by-opusenc.opus", "duration_s"): (0.5, _SKIPPED),
    ("opus/by-opusenc.opus", "bit_rate"): (130448, _SKIPPED),
    ("opus/mono.opus", "duration_s"): (0.25, _SKIPPED),
    ("opus/mono.opus", "bit_rate"): (31488, _SKIPPED),
    ("opus/six-channels.opus", "duration_s"): (0.2, _SKIPPED),
    ("opus/six-channels.opus", "bit_rate"): (37400, _SKIPPED),
    ("opus/stereo.opus", "duration_s"): (1.0, _SKIPPED),
    ("opus/stereo.opus", "bit_rate"): (41368, _SKIPPED),
}
"""By file and property: what is true (None: nobody can know), and the reason."""
