"""The sample description of a track of MP4 or MOV (`stsd`); hides the versions of QuickTime, and where each codec keeps what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ingest.media.boxes import Box, boxes, child, within
from ingest.media.video import codecs, parameters, sound
from ingest.media.video.parameters import Picture
from ingest.media.video.sound import Sound
from ingest.media.video.tracks import Track
from ingest.media.view import MalformedError, View

_MOST: Final = 4096
"""Bytes of a codec's configuration."""
_COST: Final = 1_000
"""Reads as long as which a configuration may take, as it is read bit by bit: a description has one, though it could hold a thousand."""
_DESCRIPTORS: Final = 64
"""Of one elementary stream that are looked at: three say all."""
_PICTURES: Final[dict[bytes, Callable[[bytes], Picture]]] = {b"avcC": parameters.avcc, b"hvcC": parameters.hvcc}
_SOUNDS: Final[dict[bytes, Callable[[bytes], Sound]]] = {
    b"dac3": sound.ac3,
    b"dec3": sound.eac3,
    b"dfLa": lambda held: sound.flac(held[8:]),
    b"dOps": lambda held: Sound(48_000, held[1]),
    b"alac": lambda held: sound.alac(held[4:]),
}
_PCM: Final = frozenset(
    {b"sowt", b"twos", b"lpcm", b"in24", b"in32", b"fl32", b"fl64", b"raw ", b"NONE", b"ipcm", b"fpcm"}
)


def describe(view: View, stsd: Box, track: Track) -> None:
    """Fills in what the first entry says. Raises MoreNeededError, MalformedError."""
    entry = next(boxes(view, stsd.body + 8, stsd.end), None)
    if entry is None:
        return
    _held(view, entry)  # whole, so that no part of it asks for a range of its own
    if track.kind == "video":
        _visual(view, entry, track)
    else:
        _audible(view, entry, track)


def _visual(view: View, entry: Box, track: Track) -> None:
    track.width, track.height = view.unpack(">HH", within(entry, entry.body + 24, 4))
    track.codec = codecs.picture(_sign(view, entry, entry.body + 78))
    for box in boxes(view, entry.body + 78, entry.end):
        if (parse := _PICTURES.get(box.type)) is not None:
            view.spend(_COST)
            try:
                track.show(parse(_held(view, box)))
            except MalformedError:
                continue
        elif box.type == b"esds":
            track.codec = codecs.mpeg4(_esds(view, box)[0]) or track.codec


def _audible(view: View, entry: Box, track: Track) -> None:
    version, channels, bits, rate = view.unpack(">8xH6xHH4xI", within(entry, entry.body, 28))
    track.channels, track.sample_rate = channels, rate >> 16
    first, flags = entry.body + 28, None
    if version == 1 and entry.end - first >= 16:
        first += 16
    elif version == 2:
        exact, track.channels, bits, flags = view.unpack(">4xdI4xII", within(entry, first, 36))
        track.sample_rate, first = int(exact), first + 36
    sign = _sign(view, entry, first)
    inner = list(boxes(view, first, entry.end))
    for box in tuple(inner):
        if box.type == b"wave":
            inner.extend(boxes(view, box.body, box.end))
    if sign in _PCM:
        track.codec, track.bit_depth = _samples(view, sign, bits, flags, inner)
    else:
        track.codec = codecs.sound(sign)
    for box in inner:
        if box.type == b"esds":
            _elementary(view, box, track)
        elif (parse := _SOUNDS.get(box.type)) is not None and box.end - box.body > 1:
            track.hear(parse(_held(view, box)))


def _samples(view: View, sign: bytes, bits: int, flags: int | None, inner: list[Box]) -> tuple[str, int]:
    """Name and bits of samples that aren't compressed (QuickTime File Format, "Sound sample descriptions"; ISO/IEC 23003-5)."""
    little = sign == b"sowt"
    for box in inner:
        if box.type == b"enda":
            little = bool(view.unpack(">H", within(box, box.body, 2))[0])
        elif box.type == b"pcmC":
            form, bits = view.unpack(">BB", within(box, box.body + 4, 2))
            little = bool(form & 1)
    if sign == b"lpcm" and flags is not None:
        return sound.pcm(bits, big=bool(flags & 2), real=bool(flags & 1), signed=bool(flags & 4)), bits
    if sign in {b"in24", b"in32", b"fl32", b"fl64"}:
        bits = int(sign[2:])
        return sound.pcm(bits, big=not little, real=sign[:2] == b"fl"), bits
    return sound.pcm(bits, big=not little, real=sign == b"fpcm", signed=sign != b"raw "), bits


def _elementary(view: View, box: Box, track: Track) -> None:
    indication, configuration = _esds(view, box)
    track.codec = codecs.mpeg4(indication) or track.codec
    if track.codec == "aac" and configuration:
        track.hear(sound.aac(configuration))


def _esds(view: View, box: Box) -> tuple[int, bytes]:
    """The object type and the decoder's configuration (ISO/IEC 14496-1, 7.2.6)."""
    view.spend(_COST)
    held = _held(view, box)
    at, indication = 4, 0
    for _ in range(_DESCRIPTORS):
        if at >= len(held):
            break
        tag, at, length = _descriptor(held, at)
        if tag == 3:
            flags = held[at + 2]
            at += 3 + 2 * (flags >> 7) + 2 * (flags >> 5 & 1)
            at += 1 + held[at] if flags >> 6 & 1 else 0
        elif tag == 4:
            indication = held[at]
            at += 13
        elif tag == 5:
            return indication, held[at : at + length]
        else:
            at += length
    return indication, b""


def _descriptor(held: bytes, at: int) -> tuple[int, int, int]:
    """Tag of a descriptor, where its content begins, and how long it says that is."""
    tag, length = held[at], 0
    for at in range(at + 1, at + 5):  # noqa: B020, PLR1704 - it goes on from where it was
        length = length << 7 | held[at] & 127
        if not held[at] & 128:
            break
    return tag, at + 1, length


def _sign(view: View, entry: Box, first: int) -> bytes:
    """The four characters of its codec, though it be encrypted (ISO/IEC 14496-12, 8.12)."""
    if entry.type in {b"encv", b"enca"}:
        inside = Box(entry.type, entry.at, first, entry.end)
        if (frma := child(view, inside, b"sinf", b"frma")) is not None:
            return view.read(within(frma, frma.body, 4), 4)
    return entry.type


def _held(view: View, box: Box) -> bytes:
    return view.read(box.body, min(box.end - box.body, _MOST))
