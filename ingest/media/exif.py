"""When, where and with what a picture was taken: EXIF (CIPA DC-008), in whichever format it lies; hides how cameras garble it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

from ingest.media.ifd import Directory, Ifd
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

TEXT_MOST: Final = 200
"""Characters of a camera's name."""
_ALTITUDE_MOST: Final = 1_000_000
"""Metres. What is higher is no picture of ours."""
_BROKEN: Final = "its EXIF is broken"

_MAKE, _MODEL, _ORIENTATION, _CHANGED, _EXIF, _GPS = 0x10F, 0x110, 0x112, 0x132, 0x8769, 0x8825
ROOT: Final = frozenset({_MAKE, _MODEL, _ORIENTATION, _CHANGED, _EXIF, _GPS})
"""Tags of the first directory that `tell` reads."""
_TAKEN, _STORED = 0x9003, 0x9004
_OFFSETS: Final = {_CHANGED: 0x9010, _TAKEN: 0x9011, _STORED: 0x9012}
"""Where the offset of each time stands. It is always in the EXIF directory, though DateTime isn't."""
_TIMES: Final = frozenset({_TAKEN, _STORED, *_OFFSETS.values()})
_LATITUDE_REF, _LATITUDE, _LONGITUDE_REF, _LONGITUDE, _ALTITUDE_REF, _ALTITUDE = 1, 2, 3, 4, 5, 6
_PLACE: Final = frozenset(range(1, 7))

_OFFSET: Final = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffd]+")


def read_exif(view: View, start: int, length: int, media: Media) -> None:
    """What the EXIF block at `start` says. One that is broken costs only what it would have said. Raises MoreNeededError."""
    try:
        if length >= 6 and view.read(start, 6) == b"Exif\0\0":
            start, length = start + 6, length - 6
        ifd = Ifd(view, start, length)
        root = ifd.directory(ifd.first, ROOT)
    except MalformedError:
        media.more["problem"] = _BROKEN
        return
    tell(ifd, root, media)


def tell(ifd: Ifd, root: Directory, media: Media) -> None:
    """What the first directory of a TIFF structure and those that it points to say. Raises MoreNeededError."""
    _try(_camera, ifd, root, media)
    _try(_time, ifd, root, media)
    _try(_where, ifd, root, media)


def _try(part: Callable[[Ifd, Directory, Media], None], ifd: Ifd, root: Directory, media: Media) -> None:
    try:
        part(ifd, root, media)
    except MalformedError:
        media.more["problem"] = _BROKEN


def _camera(ifd: Ifd, root: Directory, media: Media) -> None:
    orientation = ifd.number(root, _ORIENTATION)
    if orientation is not None and 1 <= orientation <= 8:
        media.more["orientation"] = orientation
    for name, tag in (("camera_make", _MAKE), ("camera_model", _MODEL)):
        if (said := _words(ifd.text(root, tag, TEXT_MOST * 4))) != "":
            media.more[name] = said


def _time(ifd: Ifd, root: Directory, media: Media) -> None:
    found: Directory = {}
    broken: MalformedError | None = None
    if (at := ifd.number(root, _EXIF)) is not None:
        try:
            found = ifd.directory(at, _TIMES)
        except MalformedError as error:
            broken = error
    for tag in (_TAKEN, _STORED, _CHANGED):
        where = root if tag == _CHANGED else found
        if tag in where and (moment := _moment(ifd.text(where, tag, 32), ifd.text(found, _OFFSETS[tag], 8))):
            media.more["taken_at"] = moment
            break
    if broken is not None:
        raise broken


def _where(ifd: Ifd, root: Directory, media: Media) -> None:
    at = ifd.number(root, _GPS)
    if at is None:
        return
    found = ifd.directory(at, _PLACE)
    latitude = _degrees(ifd, found, _LATITUDE, _LATITUDE_REF, "NS", 90)
    longitude = _degrees(ifd, found, _LONGITUDE, _LONGITUDE_REF, "EW", 180)
    if latitude is not None and longitude is not None:
        media.more["latitude"], media.more["longitude"] = latitude, longitude
    height = ifd.rationals(found, _ALTITUDE, 1)
    if height and height[0] is not None and abs(height[0]) <= _ALTITUDE_MOST:
        below = (ifd.number(found, _ALTITUDE_REF) or 0) & 1
        media.more["altitude_m"] = round(-height[0] if below else height[0], 3)


def _degrees(ifd: Ifd, found: Directory, tag: int, ref: int, sides: str, most: int) -> float | None:
    """Signed, to 7 places: a centimetre. None if any part of it is missing, or it is nowhere on Earth."""
    side = ifd.text(found, ref, 2)[:1].upper()
    parts = ifd.rationals(found, tag, 3)
    if not side or side not in sides or not parts:
        return None
    degrees = 0.0
    for part, unit in zip(parts, (1, 60, 3600), strict=False):
        if part is None or part < 0:
            return None
        degrees += part / unit
    if degrees > most:
        return None
    return round(-degrees if side == sides[1] else degrees, 7)


def _moment(said: str, offset: str) -> str | None:
    """ISO 8601 of an EXIF time; None if it is none, such as the zeros or blanks that say a clock was never set."""
    moment = f"{said[:4]}-{said[5:7]}-{said[8:10]}T{said[11:19]}"
    try:
        if datetime.fromisoformat(moment).isoformat() != moment:
            return None
    except ValueError:
        return None
    return moment + offset if _OFFSET.fullmatch(offset) else moment


def _words(said: str) -> str:
    if not said.isprintable():
        said = _CONTROL.sub(" ", said)
    return said[: 2 * TEXT_MOST].strip()[:TEXT_MOST]
