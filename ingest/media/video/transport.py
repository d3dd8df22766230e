"""MPEG transport streams (ISO/IEC 13818-1); hides packets of three sizes, tables, and that only the two ends tell how long it plays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ingest.media.properties import Media
from ingest.media.video.elementary import Elementary, Patience, again, beginning, ending, packet, plays
from ingest.media.video.tracks import UNKNOWN, Track, finish, length, tell
from ingest.media.view import MalformedError, MoreNeededError, View

SHAPES: Final = ((188, 0), (192, 4), (204, 0))
"""Bytes of a packet, and of them those before its sync byte: broadcast, Blu-ray and cameras, with error correction."""
_HEAD: Final = 256 << 10
"""Bytes of the beginning that are searched for the tables and the first pictures."""
_TAIL: Final = 256 << 10
"""Bytes of the end that are searched for the last time stamps."""
_STREAMS_MOST: Final = 64
_FRAMES_ENOUGH: Final = 30

_VIDEO: Final = {
    0x01: "mpeg2video",
    0x02: "mpeg2video",
    0x10: "mpeg4",
    0x1B: "h264",
    0x20: "h264",
    0x24: "hevc",
    0x33: "vvc",
    0x42: "cavs",
    0xD1: "dirac",
    0xEA: "vc1",
}
_AUDIO: Final = {
    0x03: "mp3",
    0x04: "mp3",
    0x0F: "aac",
    0x11: "aac_latm",
    0x81: "ac3",
    0x82: "dts",
    0x83: "truehd",
    0x84: "eac3",
    0x85: "dts",
    0x87: "eac3",
    0xC1: "ac3",
    0xC2: "eac3",
}
_BLURAY: Final = {0x80: "pcm_bluray", 0x86: "dts", 0xA1: "eac3", 0xA2: "dts"}
"""Types that are of sound where the program is registered as `HDMV`; elsewhere 0x86 is of cues for advertisements."""
_DISC, _CUES = b"HDMV", b"CUEI"
_PRIVATE, _USERS, _REGISTRATION = 6, 0x80, 5
"""Types of private streams: one, and all from the second one on."""
_SAYS_WHAT: Final = frozenset((_REGISTRATION, 0x45, 0x46, 0x56, 0x59))
"""Descriptors of what is no sound: registered as something else, VBI, teletext, subtitles."""
_STEADY: Final = frozenset(("opus", "s302m"))
"""Always at 48,000 samples per second."""
_DESCRIBED: Final = {0x6A: "ac3", 0x7A: "eac3", 0x7B: "dts", 0x7C: "aac"}
"""By the descriptor that a private stream has (ETSI EN 300 468, 6.1)."""
_REGISTERED: Final = {
    b"AC-3": "ac3",
    b"EAC3": "eac3",
    b"DTS1": "dts",
    b"DTS2": "dts",
    b"DTS3": "dts",
    b"Opus": "opus",
    b"BSSD": "s302m",
}


def shape(head: bytes) -> tuple[int, int] | None:
    """Which of SHAPES its packets have, by four sync bytes in a row, or by as many as there are."""
    for stride, lead in SHAPES:
        found = head[lead : lead + 4 * stride : stride]
        if len(found) >= 2 and found == b"G" * len(found) and head[lead + 1] & 0x80 == 0:
            return stride, lead
    return None


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    head = beginning(view, _HEAD)
    form = shape(head)
    if form is None:
        raise MalformedError("its packets can't be told apart")
    demux = _Demux()
    demux.run(head, *form)
    if len(head) < _HEAD and (view.size is None or len(head) < view.size) and not demux.complete:
        wanted = _HEAD if view.size is None else min(_HEAD, view.size)
        demux.tell(media)
        raise MoreNeededError(len(head), wanted - len(head))
    if not demux.streams:
        raise MalformedError("it has no table of its streams")
    demux.tell(media)
    finish(media)
    if demux.unclear and media.more.get("has_audio") is False:
        del media.more["has_audio"]
    if view.size is not None:
        at, tail = ending(view, head, view.size, _TAIL)
        length(media, _plays(demux, tail[-at % form[0] :], form, media), view.size)


def _plays(demux: _Demux, tail: bytes, form: tuple[int, int], media: Media) -> float | None:
    last = _Demux(again(demux.streams))
    last.run(tail, *form)
    rate = media.more.get("frame_rate")
    return plays(demux.streams, last.streams, rate if isinstance(rate, float) else None)


class _Demux:
    """Takes packets apart."""

    __slots__ = ("_known", "_patience", "_sections", "_tables", "streams", "unclear")

    def __init__(self, streams: dict[int, Elementary] | None = None) -> None:
        self._known, self._patience = streams is not None, Patience()
        self.streams: dict[int, Elementary] = streams or {}
        self._tables: set[int] = set()
        self._sections: dict[int, bytes] = {}
        self.unclear = False
        """Whether some stream may be of sound, but nothing says so."""

    @property
    def complete(self) -> bool:
        """Whether the tables were found, and all streams said what they are."""
        return bool(self.streams) and all(
            one.known and (one.track.kind == "audio" or one.track.frame_rate or len(one.starts) > _FRAMES_ENOUGH)
            for one in self.streams.values()
        )

    def run(self, held: bytes, stride: int, lead: int) -> None:
        """Goes through packets, as far as is needed."""
        for count, at in enumerate(range(lead, len(held) - 187, stride)):
            if held[at] != 0x47:
                continue
            pid = (held[at + 1] & 31) << 8 | held[at + 2]
            if (pid in self.streams or pid == 0 or pid in self._tables) and held[at + 3] & 16:
                skipped = 4 + (1 + held[at + 4] if held[at + 3] & 32 else 0)
                self._payload(pid, bool(held[at + 1] & 64), held[at + skipped : at + 188] if skipped < 188 else b"")
            if not self._known and count & 15 == 15 and self.complete:
                break
        for stream in self.streams.values():
            stream.end()

    def tell(self, media: Media) -> None:
        """Writes down the streams, in the order of the table."""
        for stream in self.streams.values():
            if stream.track.kind == "video" and not stream.track.frame_rate:
                stream.track.frame_rate = stream.rate()
            tell(media, stream.track)

    def _payload(self, pid: int, begins: bool, payload: bytes) -> None:  # noqa: FBT001 - a bit of the packet
        stream = self.streams.get(pid)
        if stream is None:
            if payload and not self.streams:
                self._section(pid, begins, payload)
        elif not begins:
            stream.go_on(payload)
        elif (found := packet(payload)) is not None:
            start, body = found
            stream.begin(start, payload[body:])

    def _section(self, pid: int, begins: bool, payload: bytes) -> None:  # noqa: FBT001 - a bit of the packet
        """Collects a section of a table, which may be longer than a packet, but not than 4 KB."""
        if begins:
            self._sections[pid] = payload[1 + payload[0] :]
        elif pid in self._sections:
            self._sections[pid] += payload
        section = self._sections.get(pid, b"")
        if len(section) >= 12 and len(section) >= 3 + ((section[1] & 15) << 8 | section[2]):
            self._table(pid, self._sections.pop(pid))

    def _table(self, pid: int, section: bytes) -> None:
        self._patience.left -= len(section) // 4
        if self._patience.left < 0:
            return
        end = 3 + ((section[1] & 15) << 8 | section[2]) - 4
        if pid == 0 and section[0] == 0:
            numbers = (
                (section[at + 2] & 31) << 8 | section[at + 3]
                for at in range(8, end - 3, 4)
                if section[at] or section[at + 1]
            )
            self._tables.update(numbers)
        elif section[0] == 2:
            at = 12 + ((section[10] & 15) << 8 | section[11])
            program = {said[:4] for tag, said in _descriptors(section[12:at]) if tag == _REGISTRATION}
            while at + 5 <= end and len(self.streams) < _STREAMS_MOST:
                pid = (section[at + 1] & 31) << 8 | section[at + 2]
                size = (section[at + 3] & 15) << 8 | section[at + 4]
                track = _track(section[at], list(_descriptors(section[at + 5 : at + 5 + size])), program)
                if track is None:
                    self.unclear = True
                elif track.kind != "other":
                    self.streams[pid] = Elementary(track, self._patience)
                at += 5 + size


def _descriptors(held: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags, and what is in each."""
    at = 0
    while at + 2 <= len(held):
        yield held[at], held[at + 2 : at + 2 + held[at + 1]]
        at += 2 + held[at + 1]


def _track(kind: int, described: list[tuple[int, bytes]], program: set[bytes]) -> Track | None:
    """`program`: as what it is registered. None: it is private, and nothing says what it is."""
    if kind in _VIDEO:
        return Track("video", _VIDEO[kind])
    if (codec := _AUDIO.get(kind) or (_BLURAY.get(kind) if _DISC in program else None)) is not None:
        return Track("audio", codec)
    private = kind == _PRIVATE or (kind >= _USERS and not program & {_DISC, _CUES})
    return _private(described) if private else Track("other", UNKNOWN)


def _private(described: list[tuple[int, bytes]]) -> Track | None:
    for tag, content in described:
        if tag in _DESCRIBED:
            return Track("audio", _DESCRIBED[tag])
        codec = _REGISTERED.get(content[:4]) if tag == _REGISTRATION else None
        if codec is not None:
            return Track("audio", codec, sample_rate=48_000 if codec in _STEADY else None, channels=_opus(described))
        if tag == _REGISTRATION and content[:4] == b"HEVC":
            return Track("video", "hevc")
    return Track("other", UNKNOWN) if any(tag in _SAYS_WHAT for tag, _ in described) else None


def _opus(described: list[tuple[int, bytes]]) -> int | None:
    """Channels, by the code of their order (Opus in MPEG-TS, 4.2)."""
    codes = (content[1] for tag, content in described if tag == 0x7F and len(content) > 1 and content[0] == 0x80)
    return next((code for code in codes if 1 <= code <= 8), None)
