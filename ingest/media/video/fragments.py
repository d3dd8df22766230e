"""How long a film in fragments plays; hides that perhaps only its last fragments know, and where those are."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Final

from ingest.media.boxes import Box, boxes, full, within
from ingest.media.properties import Media
from ingest.media.video.tracks import length, rate
from ingest.media.view import MoreNeededError, View

_TAIL: Final = 128 << 10
"""Bytes of the end that are searched for the last fragments."""
_LAST: Final = 8
"""Fragments there that are read: each may be of one track only."""
_AHEAD: Final = 16
"""Boxes between the movie box and the first fragment."""
_BEGIN: Final = b"moof\0\0\0\x10mfhd"
_SAMPLES_MOST: Final = 20_000
"""Frames of one fragment whose durations are summed up."""


@dataclass(slots=True)
class Times:
    """What the movie box says of time, and what is only summed up once everything else was found."""

    scale: int = 0
    """Of the movie: ticks per second."""
    scales: dict[int, int] = field(default_factory=dict)
    """By track."""
    video: int = 0
    """The first video track."""
    table: Box | None = None
    """Where the durations of its frames are."""
    extends: Box | None = None
    """Present if the film is in fragments."""


@dataclass(slots=True)
class _Played:
    """What the fragments that were read say, by track."""

    defaults: dict[int, int]
    """Ticks of one frame, unless a fragment says otherwise."""
    ends: dict[int, int] = field(default_factory=dict)
    video: int = 0
    first: int = -1
    """Where the fragment is that was read first."""
    ticks: int = 0
    frames: int = 0


def measure(view: View, moov: Box, mvex: Box, media: Media, times: Times) -> None:
    """Writes down duration and frame rate: as announced, by the index, or by the last fragments. Raises MoreNeededError."""
    announced, defaults = _extends(view, mvex)
    played = _Played(defaults, video=times.video)
    media.duration_s = None
    media.more.pop("bit_rate", None)
    length(media, announced / times.scale if times.scale else None, view.size)
    indexed = _first(view, moov.end, played)
    if media.duration_s is None:
        length(media, indexed or _last(view, played, times), view.size)
    if played.ticks and times.scales.get(times.video):
        rate(media, played.frames * times.scales[times.video] / played.ticks)


def _first(view: View, at: int, played: _Played) -> float:
    """Reads the first fragment, if it is held; the seconds that an index in front of it lists, or 0."""
    indexed = 0.0
    with contextlib.suppress(MoreNeededError):
        for _, box in zip(range(_AHEAD), boxes(view, at), strict=False):
            if box.type == b"sidx":
                indexed = max(indexed, _index(view, box) or 0)
            elif box.type == b"moof":
                played.first = box.at
                _fragment(view, box, played)
                break
    return indexed


def _extends(view: View, mvex: Box) -> tuple[int, dict[int, int]]:
    """Ticks of the whole film, 0 if that isn't said; and of a frame, by track (ISO/IEC 14496-12, 8.8.2 and 8.8.3)."""
    announced, defaults = 0, {}
    for box in boxes(view, mvex.body, mvex.end):
        if box.type == b"mehd":
            version, _, at = full(view, box)
            (announced,) = view.unpack(">Q" if version == 1 else ">I", within(box, at, 8 if version == 1 else 4))
        elif box.type == b"trex":
            track, ticks = view.unpack(">I4xI", within(box, box.body + 4, 12))
            defaults[track] = ticks
    return announced, defaults


def _index(view: View, sidx: Box) -> float | None:
    """Seconds of all that a segment index lists (8.16.3), if that goes to the end of the object."""
    version, _, at = full(view, sidx)
    form, size = (">4xIQQ2xH", 28) if version else (">4xIII2xH", 20)
    scale, _, ahead, count = view.unpack(form, within(sidx, at, size))
    listed = view.read(within(sidx, at + size, 12 * count), 12 * count)
    length_, ticks = sidx.end + ahead, 0
    for index in range(0, len(listed), 12):
        length_ += int.from_bytes(listed[index : index + 4]) & 0x7FFFFFFF
        ticks += int.from_bytes(listed[index + 4 : index + 8])
    if not scale or view.size is None or length_ < view.size - view.size // 16:
        return None
    return ticks / int(scale)


def _last(view: View, played: _Played, times: Times) -> float | None:
    """Seconds until the last frame of the last fragments."""
    at, held = view.tail(_TAIL)
    before = len(held)
    for _ in range(_LAST):
        before = held.rfind(_BEGIN, 0, before)
        if before < 4 or at + before - 4 <= played.first:
            break
        (size,) = view.unpack(">I", at + before - 4)
        _fragment(
            view, Box(b"moof", at + before - 4, at + before + 4, min(at + before - 4 + size, at + len(held))), played
        )
    return max((end / scale for track, end in played.ends.items() if (scale := times.scales.get(track))), default=None)


def _fragment(view: View, moof: Box, played: _Played) -> None:
    for traf in boxes(view, moof.body, moof.end):
        if traf.type != b"traf":
            continue
        track = ticks = start = 0
        for box in boxes(view, traf.body, traf.end):
            if box.type == b"tfhd":
                _, flags, at = full(view, box)
                (track,) = view.unpack(">I", within(box, at, 4))
                at += 4 + 8 * (flags & 1) + 4 * (flags >> 1 & 1)
                ticks = view.unpack(">I", within(box, at, 4))[0] if flags & 8 else played.defaults.get(track, 0)
            elif box.type == b"tfdt":
                version, _, at = full(view, box)
                (start,) = view.unpack(">Q" if version else ">I", within(box, at, 8 if version else 4))
            elif box.type == b"trun":
                frames, length_ = _run(view, box, ticks)
                start += length_
                if track == played.video:
                    played.frames, played.ticks = played.frames + frames, played.ticks + length_
        played.ends[track] = max(played.ends.get(track, 0), start)


def _run(view: View, trun: Box, ticks: int) -> tuple[int, int]:
    """Frames of one run, and how long they play (8.8.8)."""
    _, flags, at = full(view, trun)
    (count,) = view.unpack(">I", within(trun, at, 4))
    at += 4 + 4 * (flags & 1) + 4 * (flags >> 2 & 1)
    if not flags & 0x100:
        return count, count * ticks
    stride = 4 * (1 + (flags >> 9 & 1) + (flags >> 10 & 1) + (flags >> 11 & 1))
    count = min(count, _SAMPLES_MOST)
    listed = view.read(within(trun, at, count * stride), count * stride)
    return count, sum(int.from_bytes(listed[index : index + 4]) for index in range(0, len(listed), stride))
