"""Matroska and WebM (RFC 9559); hides where in the segment its header lies, and the elements that nobody asks for."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from ingest.media.properties import Media
from ingest.media.video import codecs, parameters, riff, sound
from ingest.media.video.ebml import Element, binary, elements, real, text, unsigned
from ingest.media.video.tracks import UNKNOWN, Track, finish, length, tell, told
from ingest.media.view import MalformedError, View

_EBML, _DOCTYPE, _SEGMENT = 0x1A45DFA3, 0x4282, 0x18538067
_SEEKHEAD, _SEEK, _SEEK_ID, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_INFO, _SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _ENTRY, _CLUSTER = 0x1654AE6B, 0xAE, 0x1F43B675
_TYPE, _CODEC, _PRIVATE, _FRAME = 0x83, 0x86, 0x63A2, 0x23E383
_VIDEO, _WIDTH, _HEIGHT, _PROJECTION, _ROLL = 0xE0, 0xB0, 0xBA, 0x7670, 0x7675
_AUDIO, _RATE, _OUT_RATE, _CHANNELS, _BITS = 0xE1, 0xB5, 0x78B5, 0x9F, 0x6264
_PRIVATE_MOST: Final = 4096
"""Bytes of a codec's configuration."""

_CODECS: Final = {
    "V_MPEG4/ISO/AVC": "h264",
    "V_MPEGH/ISO/HEVC": "hevc",
    "V_MPEGI/ISO/VVC": "vvc",
    "V_AV1": "av1",
    "V_VP8": "vp8",
    "V_VP9": "vp9",
    "V_MPEG4/ISO/SP": "mpeg4",
    "V_MPEG4/ISO/ASP": "mpeg4",
    "V_MPEG4/ISO/AP": "mpeg4",
    "V_MPEG4/MS/V3": "msmpeg4v3",
    "V_MPEG1": "mpeg1video",
    "V_MPEG2": "mpeg2video",
    "V_THEORA": "theora",
    "V_MJPEG": "mjpeg",
    "V_PRORES": "prores",
    "V_FFV1": "ffv1",
    "V_UNCOMPRESSED": "rawvideo",
    "V_REAL/RV30": "rv30",
    "V_REAL/RV40": "rv40",
    "V_DIRAC": "dirac",
    "V_SNOW": "snow",
    "A_OPUS": "opus",
    "A_VORBIS": "vorbis",
    "A_FLAC": "flac",
    "A_AAC": "aac",
    "A_AC3": "ac3",
    "A_EAC3": "eac3",
    "A_DTS": "dts",
    "A_TRUEHD": "truehd",
    "A_MLP": "mlp",
    "A_MPEG/L1": "mp1",
    "A_MPEG/L2": "mp2",
    "A_MPEG/L3": "mp3",
    "A_ALAC": "alac",
    "A_TTA1": "tta",
    "A_WAVPACK4": "wavpack",
}
_PICTURES: Final = {"h264": parameters.avcc, "hevc": parameters.hvcc}


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`."""
    if _doctype(view) == "webm":
        media.format, media.type = "webm", "video/webm"
    segment = next((one for one in elements(view, 0) if one.id == _SEGMENT), None)
    if segment is None:
        raise MalformedError("it has no segment")
    wanted: dict[int, Callable[[View, Element, Media], None]] = {_INFO: _info, _TRACKS: _tracks}
    places: dict[int, int] = {}
    for element in elements(view, segment.body, segment.end):
        if element.id == _SEEKHEAD:
            places |= _places(view, element, segment)
        elif (reader := wanted.pop(element.id, None)) is not None:
            reader(view, element, media)
        if not wanted or element.id == _CLUSTER:
            break
    for kind, at in sorted(places.items(), key=lambda place: place[1]):
        if kind in wanted and (element_ := next(elements(view, at, segment.end), None)) and element_.id == kind:
            wanted.pop(kind)(view, element_, media)
    if _TRACKS in wanted:
        raise MalformedError("its tracks can't be found")
    finish(media)


def _doctype(view: View) -> str:
    head = next(elements(view, 0), None)
    if head is None or head.id != _EBML or head.unknown:
        raise MalformedError("its header is broken")
    return next((text(view, one) for one in elements(view, head.body, head.end) if one.id == _DOCTYPE), "matroska")


def _places(view: View, seekhead: Element, segment: Element) -> dict[int, int]:
    """Where elements of the segment are, by their ID."""
    found = {}
    for seek in elements(view, seekhead.body, seekhead.end):
        if seek.id == _SEEK:
            numbers = {one.id: unsigned(view, one) for one in elements(view, seek.body, seek.end)}
            if _SEEK_ID in numbers and _SEEK_POSITION in numbers:
                found[numbers[_SEEK_ID]] = segment.body + numbers[_SEEK_POSITION]
    return found


def _info(view: View, info: Element, media: Media) -> None:
    scale, duration = 1_000_000, 0.0
    for one in elements(view, info.body, info.end):
        if one.id == _SCALE:
            scale = unsigned(view, one)
        elif one.id == _DURATION:
            duration = real(view, one)
    length(media, duration * scale / 1e9, view.size)


def _tracks(view: View, tracks: Element, media: Media) -> None:
    for entry in elements(view, tracks.body, tracks.end):
        if entry.id == _ENTRY:
            tell(media, _track(view, entry, media))


def _track(view: View, entry: Element, media: Media) -> Track:
    track, codec, private, bits = Track(), "", b"", 0
    for one in elements(view, entry.body, entry.end):
        if one.id == _TYPE:
            kind = unsigned(view, one)
            track.kind = "video" if kind == 1 else "audio" if kind == 2 else "other"
        elif one.id == _CODEC:
            codec = text(view, one)
        elif one.id == _PRIVATE:
            private = binary(view, one, _PRIVATE_MOST)
        elif one.id == _FRAME:
            track.frame_rate = 1e9 / (unsigned(view, one) or 1e12)
        elif one.id == _VIDEO:
            _picture(view, one, track)
        elif one.id == _AUDIO:
            bits = _sound(view, one, track)
    track.codec = _CODECS.get(codec, UNKNOWN)
    if told(media, track.kind):
        return track  # only the first of its kind is written down: another one is not worth its codec's bits
    try:
        _configured(track, codec, private, bits)
    except (MalformedError, struct.error, IndexError):
        return track
    return track


def _picture(view: View, video: Element, track: Track) -> None:
    for one in elements(view, video.body, video.end):
        if one.id == _WIDTH:
            track.width = unsigned(view, one)
        elif one.id == _HEIGHT:
            track.height = unsigned(view, one)
        elif one.id == _PROJECTION:
            for part in elements(view, one.body, one.end):
                if part.id == _ROLL:
                    track.rotation = round(-real(view, part) / 90) % 4 * 90


def _sound(view: View, audio: Element, track: Track) -> int:
    track.channels, rate, out, bits = 1, 8000.0, 0.0, 0
    for one in elements(view, audio.body, audio.end):
        if one.id == _RATE:
            rate = real(view, one)
        elif one.id == _OUT_RATE:
            out = real(view, one)
        elif one.id == _CHANNELS:
            track.channels = unsigned(view, one)
        elif one.id == _BITS:
            bits = unsigned(view, one)
    track.sample_rate = int(out or rate)
    return bits


def _configured(track: Track, codec: str, private: bytes, bits: int) -> None:
    """What a codec's own configuration says, which is what a player shows."""
    if track.codec in _PICTURES and private:
        rate = track.frame_rate
        track.show(_PICTURES[track.codec](private))
        track.frame_rate = rate or track.frame_rate
    elif codec == "V_MS/VFW/FOURCC":
        track.codec = riff.bitmap(private)[0]
    elif codec == "V_QUICKTIME":
        track.codec = codecs.picture(private[4:8])
    elif codec == "A_MS/ACM":
        track.codec = riff.wave(private)[0]
    elif codec.startswith("A_PCM/"):
        track.codec = sound.pcm(bits, big="BIG" in codec, real="FLOAT" in codec, signed=bits > 8)
        track.bit_depth = bits
    elif codec.startswith("A_AAC"):
        track.codec = "aac"
        track.hear(sound.aac(private))
    elif track.codec == "flac":
        track.hear(sound.flac(private[8:]))
    elif track.codec == "alac":
        track.hear(sound.alac(private))
    elif track.codec == "opus":
        track.sample_rate = 48_000
