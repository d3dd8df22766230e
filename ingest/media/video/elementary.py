"""One elementary stream of MPEG-TS or MPEG-PS; hides what is collected of it until its codec says size, rate and channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ingest.media.video import parameters
from ingest.media.video.bits import MOST
from ingest.media.video.parameters import Picture
from ingest.media.video.sound import AC3_CHANNELS, AC3_RATES, RATES, Sound
from ingest.media.video.tracks import Track
from ingest.media.view import MalformedError, View

CLOCK: Final = 90_000
"""Ticks of a presentation time stamp per second."""
_WRAP: Final = 1 << 33
_COLLECTED: Final = 4096
"""Bytes of one packet that are searched."""
_TRIES: Final = 64
"""Places of one packet that may be the beginning of a frame of sound, or units of a picture."""
_PATIENCE: Final = 8_000
"""Such places of all packets of a file, and four more for each byte of a parameter set: some are read bit by bit."""
_LATE: Final = 4
"""Frames at the end of what is held, of which some that are shown before them may not be held."""
_STARTS_MOST: Final = 512
_FRAMES: Final = {
    "aac": 1024,
    "aac_latm": 1024,
    "mp1": 384,
    "mp2": 1152,
    "mp3": 1152,
    "ac3": 1536,
    "eac3": 1536,
    "dts": 512,
}
"""Samples of one frame of sound."""
_MPEG_RATES: Final = (44100, 48000, 32000)
_BLURAY_RATES: Final = {1: 48_000, 4: 96_000, 5: 192_000}
_BLURAY_CHANNELS: Final = (0, 1, 0, 2, 3, 3, 4, 4, 5, 6, 7, 8, 0, 0, 0, 0)


class Patience:
    """How much of one file's streams may still be searched. When none is left, nothing more is learnt, and that is no error."""

    __slots__ = ("left",)

    def __init__(self, left: int = _PATIENCE) -> None:
        self.left = left


class Elementary:
    """What is learnt of one stream, packet by packet."""

    __slots__ = ("_collected", "_open", "_patience", "first", "starts", "track")

    def __init__(self, track: Track, patience: Patience) -> None:
        """`patience`: of all streams of a file."""
        self.track, self._patience = track, patience
        self.first: int | None = None
        self.starts: list[int] = []
        """Presentation times."""
        self._collected = bytearray()
        self._open = False

    @property
    def known(self) -> bool:
        """Whether it said all it will."""
        track = self.track
        return self.first is not None and bool(track.sample_rate if track.kind == "audio" else track.width)

    def begin(self, start: int | None, payload: bytes) -> None:
        """A packet begins."""
        self._search()
        if start is not None and len(self.starts) < _STARTS_MOST:
            self.first = start if self.first is None else self.first
            self.starts.append(start)
        self._collected[:] = payload[:_COLLECTED]
        self._open = True

    def go_on(self, payload: bytes) -> None:
        """The packet goes on."""
        if self._open:
            self._collected += payload
            if len(self._collected) >= _COLLECTED:
                self._search()

    def end(self) -> None:
        """No more is held."""
        self._search()

    def rate(self) -> float | None:
        """Frames per second, by the times at which they are shown."""
        times = sorted(set(self.starts))[:-_LATE]
        return (len(times) - 1) * CLOCK / (times[-1] - times[0]) if len(times) > 2 else None

    def until(self, starts: list[int], frames: float | None) -> float | None:
        """Ticks at which it ends, by times that are found at the end of the object; `frames` per second, if it has pictures.

        As ffprobe does, a packet counts as one frame, though one of sound may hold several.
        """
        if not starts or self.first is None:
            return None
        last = max(start if start >= self.first else start + _WRAP for start in starts)
        if self.track.kind == "video":
            return last + (CLOCK / frames if frames else 0)
        return last + CLOCK * _FRAMES.get(self.track.codec, 0) / (self.track.sample_rate or CLOCK)

    def _search(self) -> None:
        if not self._open or self.track.width or self.track.sample_rate:
            return
        held, self._open = bytes(self._collected), False
        if self.track.kind == "video":
            _picture(self.track, held, self._patience)
        elif (found := first_frame(self.track.codec, held, self._patience)) is not None:
            self.track.codec, heard = found
            self.track.hear(heard)


def stamp(held: bytes, at: int) -> int:
    """A presentation time stamp (ISO/IEC 13818-1, 2.4.3.7)."""
    return (
        (held[at] >> 1 & 7) << 30
        | int.from_bytes(held[at + 1 : at + 3]) >> 1 << 15
        | int.from_bytes(held[at + 3 : at + 5]) >> 1
    )


def packet(held: bytes) -> tuple[int | None, int] | None:
    """Of a PES packet: its time, and where its payload begins; None if it is none."""
    if len(held) < 9 or held[:3] != b"\0\0\1" or held[6] & 0xC0 != 0x80:
        return None
    start = stamp(held, 9) if held[7] & 0x80 and len(held) >= 14 else None
    return start, 9 + held[8]


def _picture(track: Track, held: bytes, patience: Patience) -> None:
    at = held.find(b"\0\0\1")
    for _ in range(_TRIES):
        patience.left -= 1
        if at < 0 or at + 4 > len(held) or patience.left < 0:
            return
        following = held.find(b"\0\0\1", at + 3)
        unit = held[at + 3 : following if following >= 0 else len(held)]
        try:
            if track.codec == "h264" and unit[0] & 31 == 7:
                patience.left -= 4 * min(len(unit), MOST)
                track.show(parameters.h264(unit))
            elif track.codec == "hevc" and unit[0] >> 1 & 63 == 33:
                patience.left -= 4 * min(len(unit), MOST)
                track.show(parameters.hevc(unit))
            elif track.codec in {"mpeg1video", "mpeg2video"} and unit[0] == 0xB3:
                _sequence(track, held[at:], unit)
        except (MalformedError, IndexError):
            pass
        if track.width:
            return
        at = following


def _sequence(track: Track, held: bytes, unit: bytes) -> None:
    found = parameters.mpeg(b"\0\0\1" + unit)
    extension = held[3 + len(unit) : 3 + len(unit) + 10]
    track.codec = "mpeg1video"
    if extension[3:4] == b"\xb5" and len(extension) == 10 and extension[4] >> 4 == 1:
        track.codec = "mpeg2video"
        high, low = (extension[5] & 1) << 1 | extension[6] >> 7, extension[6] >> 5 & 3
        rate = found.rate and found.rate * ((extension[9] >> 5 & 3) + 1) / ((extension[9] & 31) + 1)
        found = Picture(found.width | high << 12, found.height | low << 12, rate)
    track.show(found)


def first_frame(codec: str, held: bytes, patience: Patience) -> tuple[str, Sound] | None:
    """Codec, rate and channels, of the first frame that is found."""
    if codec == "pcm_bluray":
        return _bluray(held)
    sync, parse = (b"\x0bw", _dolby) if codec in {"ac3", "eac3"} else (b"\xff", _mpeg)
    at = held.find(sync)
    for _ in range(_TRIES):
        patience.left -= 1
        if at < 0 or at + 7 > len(held) or patience.left < 0:
            break
        if (found := parse(held, at)) is not None:
            return found
        at = held.find(sync, at + 1)
    return None


def _mpeg(held: bytes, at: int) -> tuple[str, Sound] | None:
    second, third, fourth = held[at + 1 : at + 4]
    if second & 0xF6 == 0xF0:
        rate, code = third >> 2 & 15, (third & 1) << 2 | fourth >> 6
        return ("aac", Sound(RATES[rate], code if code < 7 else 8)) if rate < len(RATES) else None
    version, layer, rate = second >> 3 & 3, second >> 1 & 3, third >> 2 & 3
    if second & 0xE0 != 0xE0 or version == 1 or layer == 0 or rate == 3 or third >> 4 == 15:
        return None
    return f"mp{4 - layer}", Sound(
        _MPEG_RATES[rate] >> (0, 0, 1, 0)[version] >> (version == 0) * 2, 1 if fourth >> 6 == 3 else 2
    )


def _dolby(held: bytes, at: int) -> tuple[str, Sound] | None:
    """AC-3 and E-AC-3 (ETSI TS 102 366, 4.3 and E.1.2)."""
    if held[at + 5] >> 3 > 10:
        code, mode = held[at + 4] >> 6, held[at + 4] >> 1 & 7
        rate = AC3_RATES[code] if code < 3 else AC3_RATES[(held[at + 4] >> 4 & 3) % 3] // 2
        return "eac3", Sound(rate, AC3_CHANNELS[mode] + (held[at + 4] & 1))
    code, mode = held[at + 4] >> 6, held[at + 6] >> 5
    if code == 3:
        return None
    skipped = 2 * (mode & 1 and mode != 1) + 2 * (mode >> 2) + 2 * (mode == 2)
    low = int.from_bytes(held[at + 6 : at + 8].ljust(2, b"\0")) >> (12 - skipped) & 1
    return "ac3", Sound(AC3_RATES[code], AC3_CHANNELS[mode] + low)


def _bluray(held: bytes) -> tuple[str, Sound] | None:
    """Samples of a Blu-ray disc, by the four bytes before them."""
    if len(held) < 4:
        return None
    rate, channels = _BLURAY_RATES.get(held[2] & 15, 0), _BLURAY_CHANNELS[held[2] >> 4]
    return ("pcm_bluray", Sound(rate, channels)) if rate and channels else None


def plays(firsts: Mapping[int, Elementary], lasts: Mapping[int, Elementary], frames: float | None) -> float | None:
    """Seconds from the first time to the end of the last frame: streams by their number, of both ends of the object."""
    begins = [one.first for one in firsts.values() if one.first is not None]
    ends = [until for number, one in firsts.items() if (until := one.until(lasts[number].starts, frames)) is not None]
    return (max(ends) - min(begins)) / CLOCK if begins and ends else None


def again(streams: Mapping[int, Elementary]) -> dict[int, Elementary]:
    """The same streams, of which nothing but times is wanted."""
    none = Patience(0)
    return {number: Elementary(Track(one.track.kind, width=1, sample_rate=1), none) for number, one in streams.items()}


def beginning(view: View, most: int) -> bytes:
    """The first bytes, as far as they are held without a gap; all of them are of use."""
    head = view.held(0)
    view.read(0, min(len(head), most))  # so that it is known how far the object was read
    while 0 < len(head) < most and (more := view.held(len(head))):
        head += more
    return head[:most]


def ending(view: View, head: bytes, size: int, most: int) -> tuple[int, bytes]:
    """The last bytes of an object of `size`, and where they begin; of those in its beginning none is asked for again."""
    at = max(0, size - most)
    if at >= len(head):
        return at, view.read(at, size - at)
    return at, head[at:] + (view.read(len(head), size - len(head)) if size > len(head) else b"")
