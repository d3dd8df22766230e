"""FLV; hides AMF, and that a stream which was never finished has its duration only in its last tag."""

from __future__ import annotations

import struct
from typing import Final

from ingest.media.properties import Media
from ingest.media.video import codecs, parameters, sound
from ingest.media.video.tracks import UNKNOWN, Track, finish, length, tell
from ingest.media.view import MalformedError, MoreNeededError, View

_TAGS_MOST: Final = 64
"""Tags within which a stream of each kind must begin."""
_SCRIPT_MOST: Final = 64 << 10
_TAG_MOST: Final = 512
_VALUES_MOST: Final = 512
"""Values of one script tag that are looked at; what is nested in them is passed."""
_DEPTH_MOST: Final = 4
_WISH: Final = 8 << 10
_TAIL: Final = 64 << 10

_VIDEO: Final = {
    2: "flv1",
    3: "flashsv",
    4: "vp6f",
    5: "vp6a",
    6: "flashsv2",
    7: "h264",
    8: "h263",
    9: "mpeg4",
    12: "hevc",
    13: "av1",
}
_AUDIO: Final = {
    0: "pcm_s16le",
    1: "adpcm_swf",
    2: "mp3",
    3: "pcm_s16le",
    4: "nellymoser",
    5: "nellymoser",
    6: "nellymoser",
    7: "pcm_alaw",
    8: "pcm_mulaw",
    10: "aac",
    11: "speex",
    14: "mp3",
}
_KINDS: Final = frozenset({8, 9})
_PICTURES: Final = {"h264": parameters.avcc, "hevc": parameters.hvcc}


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    flags, at = view.unpack(">BI", 4)
    tracks: dict[int, Track] = {}
    said: dict[str, float] = {}
    at += 4
    for _ in range(_TAGS_MOST):
        if view.size is not None and at + 11 > view.size:
            break
        kind, size = _tag(view, at)
        if kind == 18 and not said:
            said = _script(view, view.read(at + 11, min(size, _SCRIPT_MOST)))
            length(media, said.get("duration"), view.size)
        elif kind in _KINDS and kind not in tracks:
            held = view.read(at + 11, min(size, _TAG_MOST))
            if len(held) > 1:
                tracks[kind] = _picture(held, said) if kind == 9 else _sound(held)
                tell(media, tracks[kind])
        if not _promised(flags, said) - tracks.keys() and (tracks or said):
            break
        at += 11 + size + 4
    if not tracks and not said:
        raise MalformedError("it has no tags of pictures or sound")
    finish(media)
    if media.duration_s is None and view.size is not None:
        length(media, _last(view), view.size)


def _promised(flags: int, said: dict[str, float]) -> set[int]:
    """Kinds of tags that must come: as the metadata says, which is truer, or else as the header does."""
    named = {kind for kind, name in ((9, "videocodecid"), (8, "audiocodecid")) if name in said}
    return named or {kind for kind, flag in ((9, flags & 1), (8, flags & 4)) if flag}


def _tag(view: View, at: int) -> tuple[int, int]:
    """Kind of a tag, and bytes of what is in it."""
    try:
        kind, high, low = view.unpack(">BBH7x", at)
    except MoreNeededError as more:
        raise MoreNeededError(
            at, max(_WISH if view.size is None else min(_WISH, view.size - at), more.length)
        ) from None
    return kind & 31, high << 16 | low


def _last(view: View) -> float | None:
    """Seconds at which the last tag is shown."""
    at, held = view.tail(_TAIL)
    size = int.from_bytes(held[-4:])
    begin = len(held) - 4 - size
    if size < 11 or begin < 0 or at + begin < 9:
        return None
    high = held[begin + 7]
    return (high << 24 | int.from_bytes(held[begin + 4 : begin + 7])) / 1000


def _picture(held: bytes, said: dict[str, float]) -> Track:
    track = Track("video", _VIDEO.get(held[0] & 15, UNKNOWN), frame_rate=said.get("framerate"))
    track.width, track.height = int(said.get("width", 0)), int(said.get("height", 0))
    body = 5
    begins = held[1] == 0
    if held[0] & 0x80:
        track.codec, begins = codecs.picture(held[1:5]), held[0] & 15 == 0
    rate = track.frame_rate
    if begins and (parse := _PICTURES.get(track.codec)) is not None:
        try:
            track.show(parse(held[body:]))
        except MalformedError:
            return track
        track.frame_rate = rate or track.frame_rate
    elif track.codec == "flv1" and not track.width:
        track.width, track.height = _sorenson(held[1:])
    return track


def _sorenson(held: bytes) -> tuple[int, int]:
    """Size of a picture of Sorenson's H.263."""
    word = int.from_bytes(held[:10].ljust(10, b"\0"))
    form = word >> 47 & 7
    if form == 0:
        return word >> 39 & 255, word >> 31 & 255
    if form == 1:
        return word >> 31 & 0xFFFF, word >> 15 & 0xFFFF
    return ((0, 0), (0, 0), (352, 288), (176, 144), (128, 96), (320, 240), (160, 120), (0, 0))[form]


def _sound(held: bytes) -> Track:
    form = held[0] >> 4
    track = Track(
        "audio", _AUDIO.get(form, UNKNOWN), sample_rate=5512 << (held[0] >> 2 & 3), channels=1 + (held[0] & 1)
    )
    if held[0] >> 2 & 3:
        track.sample_rate = 44_100 >> (3 - (held[0] >> 2 & 3))
    if track.codec == "aac" and held[1] == 0:
        track.hear(sound.aac(held[2:]))
    elif form in {4, 14, 5, 11}:
        track.sample_rate = {4: 16_000, 14: 8_000, 5: 8_000, 11: 16_000}[form]
    elif form in {0, 3} and not held[0] & 2:
        track.codec = "pcm_u8"
    return track


def _script(view: View, held: bytes) -> dict[str, float]:
    """Numbers and truths of `onMetaData` (Adobe's FLV specification, E.4.4), by name."""
    said: dict[str, float] = {}
    if held[:13] != b"\2\0\nonMetaData":
        return said
    try:
        _object(view, held, 13, said, 0)
    except (struct.error, IndexError, MalformedError):
        return said
    return said


def _object(view: View, held: bytes, at: int, said: dict[str, float], depth: int) -> int:
    """Reads the value at a place of AMF 0 and says where it ends; of an object at the top, what is in it."""
    view.spend(1)
    if depth > _DEPTH_MOST:
        raise MalformedError("its metadata is nested too deeply")
    kind = held[at]
    if kind in {3, 8}:
        at += 1 + (4 if kind == 8 else 0)
        for _ in range(_VALUES_MOST):
            size = int.from_bytes(held[at : at + 2])
            name, at = held[at + 2 : at + 2 + size], at + 2 + size
            if held[at] == 9 and not size:
                return at + 1
            if depth == 0 and held[at] in {0, 1}:
                said[name.decode("latin-1")] = (
                    struct.unpack_from(">d", held, at + 1)[0] if held[at] == 0 else held[at + 1]
                )
            at = _object(view, held, at, said, depth + 1)
        raise MalformedError("its metadata has too many values")
    if kind == 10:
        count, at = int.from_bytes(held[at + 1 : at + 5]), at + 5
        if count > _VALUES_MOST:
            raise MalformedError("its metadata has too many values")
        for _ in range(count):
            at = _object(view, held, at, said, depth + 1)
        return at
    if kind in {2, 12}:
        width = 2 if kind == 2 else 4
        return at + 1 + width + int.from_bytes(held[at + 1 : at + 1 + width])
    return at + {0: 9, 1: 2, 5: 1, 6: 1, 7: 3, 11: 11}.get(kind, len(held))
