"""Which sound a file is, by its first bytes."""

from __future__ import annotations

from typing import Final

from ingest.media.audio import adts, aiff, flac, mp3, ogg, small, wav
from ingest.media.audio.mpeg import adts as adts_header
from ingest.media.audio.mpeg import frame
from ingest.media.formats import Format

_WAV: Final = Format("audio", "wav", "audio/wav", wav.read)
_AIFF: Final = Format("audio", "aiff", "audio/aiff", aiff.read)
_MP3: Final = Format("audio", "mp3", "audio/mpeg", mp3.read)
_AAC: Final = Format("audio", "aac", "audio/aac", adts.read)
_BY_FIRST: Final = {
    b"fLaC": Format("audio", "flac", "audio/flac", flac.read),
    b"OggS": Format("audio", "ogg", "audio/ogg", ogg.read),
    b".snd": Format("audio", "au", "audio/basic", small.au),
    b"caff": Format("audio", "caf", "audio/x-caf", small.caf),
    b"wvpk": Format("audio", "wavpack", "audio/x-wavpack"),
    b"MAC ": Format("audio", "ape", "audio/x-ape"),
    b"MThd": Format("audio", "midi", "audio/midi"),
}
_HELD: Final = 512
"""Bytes of which one frame may be longer than what is held; less is too little to believe in it."""
_AMR: Final = Format("audio", "amr", "audio/amr", small.amr)


def sniff(head: bytes) -> Format | None:
    """See `ingest.media.formats.Sniffer`."""
    first = head[:4]
    if first in {b"RIFF", b"RF64", b"BW64"}:
        return _WAV if head[8:12] == b"WAVE" else None
    if first == b"FORM":
        return _AIFF if head[8:12] in {b"AIFF", b"AIFC"} else None
    if first[:3] == b"ID3" and len(head) >= 10 and head[3] < 5 and max(head[6:10]) < 128:
        return _MP3
    if first[:1] == b"\xff":
        return _bare(head)
    if first == b"#!AM":
        return _AMR if head.startswith((b"#!AMR\n", b"#!AMR-WB\n")) else None
    return _BY_FIRST.get(first)


def _bare(head: bytes) -> Format | None:
    """Frames without any header before them: one alone could be anything, so that a second one must follow, if it is held."""
    aac = adts_header(head)
    if aac is not None:
        held = aac.length + 7 <= len(head)
        return _AAC if (adts_header(head, aac.length) if held else _alone(head, aac.length)) else None
    one = frame(head)
    if one is None or not one.length:
        return None
    held = one.length + 4 <= len(head)
    return _MP3 if (one.like(frame(head, one.length)) if held else _alone(head, one.length)) else None


def _alone(head: bytes, length: int) -> bool:
    return length == len(head) or len(head) >= _HELD
