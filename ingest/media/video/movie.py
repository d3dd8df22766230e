"""MP4, MOV, M4V, 3GP and M4A; hides where the movie box lies, and that most of it is tables which nobody needs."""

from __future__ import annotations

import contextlib
import math
import struct
from operator import mul
from typing import Final, Literal

from ingest.media.boxes import Box, boxes, child, full, within
from ingest.media.properties import Media
from ingest.media.video import samples
from ingest.media.video.elementary import Patience, first_frame
from ingest.media.video.fragments import Times, measure
from ingest.media.video.tracks import Track, finish, length, rate, tell, told
from ingest.media.view import PIECE_MOST, MalformedError, MoreNeededError, View

_WISH: Final = 128 << 10
"""Bytes asked for after the media data: the movie box of five minutes whole, or the first track of a longer one."""
_WIDER: Final = 16 << 10
"""Bytes asked for within the movie box, at least."""
_TABLE_MOST: Final = PIECE_MOST // 2
"""Bytes of a table of frame durations that is summed up; a film at a constant rate has one of 8."""
_HANDLERS: Final[dict[bytes, Literal["video", "audio"]]] = {b"vide": "video", b"soun": "audio"}
_FOREVER: Final = frozenset({0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF})


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    for box in boxes(view, 0, wish=_WISH):
        if box.type == b"moov":
            _movie(view, box, media)
            return
        if box.type == b"moof":
            raise MalformedError("it is a fragment of a film, without the film's header")
    raise MalformedError("it has no movie header: perhaps it was never finished")


def _movie(view: View, moov: Box, media: Media) -> None:
    times = Times()
    try:
        _parts(view, moov, media, times)
    except MoreNeededError as more:
        if not {"video_codec", "audio_codec"} <= media.more.keys() or media.duration_s is None:
            raise _wider(view, more) from None
    finish(media)
    try:
        if times.table is not None:
            rate(media, _average(view, times.table, times.scales[times.video]))
        if times.extends is not None:
            measure(view, moov, times.extends, media, times)
    except MoreNeededError as more:
        raise _wider(view, more) from None


def _parts(view: View, moov: Box, media: Media, times: Times) -> None:
    turned = 0
    for box in boxes(view, moov.body, moov.end):
        if box.type == b"mvhd":
            seconds, turned, times.scale = _header(view, box)
            length(media, seconds, view.size)
        elif box.type == b"trak":
            _track(view, box, media, times, turned)
        elif box.type == b"mvex":
            times.extends = box
        elif box.type == b"cmov":
            raise MalformedError("its movie header is compressed, which is not read")


def _wider(view: View, more: MoreNeededError) -> MoreNeededError:
    """What follows is wanted next."""
    wanted = max(more.length, _WIDER)
    return MoreNeededError(more.first, wanted if view.size is None else min(wanted, view.size - more.first))


def _header(view: View, mvhd: Box) -> tuple[float | None, int, int]:
    """How long it plays by the movie header, by how much all of it is turned, and its time scale (ISO/IEC 14496-12, 8.2.2)."""
    version, _, at = full(view, mvhd)
    form = ">16xIQ" if version == 1 else ">8xII"
    scale, ticks = view.unpack(form, within(mvhd, at, 28 if version == 1 else 16))
    at += (28 if version == 1 else 16) + 16
    turned = _turned(view, mvhd, at)
    return (None if ticks in _FOREVER or not scale else ticks / scale), turned, scale


def _track(view: View, trak: Box, media: Media, times: Times, turned: int) -> None:
    track, number = Track(), 0
    for box in boxes(view, trak.body, trak.end):
        if box.type == b"tkhd":
            version, _, at = full(view, box)
            (number,) = view.unpack(">I", within(box, at + (16 if version == 1 else 8), 4))
            track.rotation = (turned + _turned(view, box, at + (32 if version == 1 else 20) + 16)) % 360
            track.width, track.height = _shown(view, box)
        elif box.type == b"mdia":
            _media(view, box, track, media, times, number)
            return


def _media(view: View, mdia: Box, track: Track, media: Media, times: Times, number: int) -> None:
    for box in boxes(view, mdia.body, mdia.end):
        if box.type == b"mdhd":
            version, _, at = full(view, box)
            (times.scales[number],) = view.unpack(">I", within(box, at + (16 if version == 1 else 8), 4))
        elif box.type == b"hdlr":
            track.kind = _HANDLERS.get(view.read(within(box, box.body + 8, 4), 4), "other")
        elif box.type == b"minf":
            stbl = None if track.kind == "other" or told(media, track.kind) else child(view, box, b"stbl")
            if stbl is not None:
                _samples(view, stbl, track, media, times, number)
            return


def _samples(view: View, stbl: Box, track: Track, media: Media, times: Times, number: int) -> None:
    """Tells the track, and finds the table of the durations of its frames; no farther than that."""
    shown, first = (track.width, track.height), False
    for box in boxes(view, stbl.body, stbl.end):
        if box.type == b"stsd":
            samples.describe(view, box, track)
            if not track.width or not track.height:
                track.width, track.height = shown
            if track.codec == "mp3":
                _first_frame(view, stbl, track)
            first = track.kind == "video" and number in times.scales
            tell(media, track)
            if not first:
                return
        elif box.type == b"stts" and first:
            times.video, times.table = number, box
            return


def _first_frame(view: View, stbl: Box, track: Track) -> None:
    """Takes channels from the first frame of MP3, if it is held: descriptions always say two."""
    with contextlib.suppress(MoreNeededError):
        place = next((box for box in boxes(view, stbl.body, stbl.end) if box.type in {b"stco", b"co64"}), None)
        if place is not None:
            (at,) = view.unpack(">Q" if place.type == b"co64" else ">I", within(place, place.body + 8, 4))
            found = first_frame("mp3", view.held(at, 16), Patience())
            if found is not None:
                track.hear(found[1])


def _average(view: View, table: Box, scale: int) -> float | None:
    """Frames per second (8.6.1.2): all frames by the sum of their durations."""
    count = min(view.unpack(">I", within(table, table.body + 4, 4))[0], (table.end - table.body - 8) // 8)
    if not count or count * 8 > _TABLE_MOST:
        return None
    numbers = struct.unpack(f">{2 * count}I", view.read(table.body + 8, count * 8))
    ticks = sum(map(mul, numbers[::2], numbers[1::2]))
    return sum(numbers[::2]) * scale / ticks if ticks else None


def _turned(view: View, box: Box, at: int) -> int:
    """Degrees clockwise, to the next quarter, of a matrix (6.2.2)."""
    first, second = view.unpack(">ii", within(box, at, 36))
    return round(math.degrees(math.atan2(second, first)) / 90) % 4 * 90 if first or second else 0


def _shown(view: View, tkhd: Box) -> tuple[int, int]:
    width, height = view.unpack(">II", within(tkhd, tkhd.end - 8, 8))
    return width >> 16, height >> 16
