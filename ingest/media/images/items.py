"""Items of a HEIF `meta` box (ISO/IEC 14496-12, 8.11; 23008-12, 9.3): which is shown, what describes it, where the EXIF is."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from ingest.media.boxes import Box
from ingest.media.view import PIECE_MOST, MalformedError, View

_BOXES_MOST: Final = 1_000
_TABLE_MOST: Final = 64 << 10
"""Bytes of one table. A picture of 500 tiles has 12 KB of them."""
_TABLES_MOST: Final = 4
"""Tables that say which properties an item has: by version and width there can be as many."""
_PLACES: Final = {0: "", 4: "I", 8: "Q"}
NOWHERE: Final = (0, 0)
"""The place of what has none that can be read."""
_EXIF: Final = b"Exif"


class Part(NamedTuple):
    """A box, or the rest of it behind its version and flags."""

    type: bytes
    body: bytes
    at: int
    """Where its body is in the object."""


class Items(NamedTuple):
    """What the tables say of the item that is shown."""

    properties: list[Part]
    """That describe it, in their order."""
    auxiliary: list[list[Part]]
    """Of each item that is said to belong to it: an alpha plane, a map of depths."""
    exif: tuple[int, int] | None
    """Where the first item of EXIF is in the object, and how long."""


def read_items(view: View, meta: Box) -> Items | None:
    """None if no item is shown. All of the box is wanted, so it is read, or asked for, at once. Raises as `View.read` does."""
    if meta.end - meta.body > PIECE_MOST:
        raise MalformedError("it has too many items")
    whole = Part(b"meta", view.read(meta.body, meta.end - meta.body), meta.body)
    try:
        return _items(whole)
    except (struct.error, IndexError):
        raise MalformedError("a table of its items is cut off") from None


def _items(whole: Part) -> Items | None:
    found: dict[bytes, Part] = {}
    for part in _parts(whole, 4):
        found.setdefault(part.type, part)
    if b"pitm" not in found:
        return None
    (primary,) = struct.unpack_from(">I" if _version(found[b"pitm"]) else ">H", found[b"pitm"].body, 4)
    others = _auxiliary(found[b"iref"], primary) if b"iref" in found else []
    described = _described(found[b"iprp"], {primary, *others}) if b"iprp" in found else {}
    exif = None
    if b"iinf" in found and b"iloc" in found and (item := _first_exif(found[b"iinf"].body)) is not None:
        try:
            exif = _location(found[b"iloc"], item, found.get(b"idat"))
        except (struct.error, MalformedError):
            exif = NOWHERE
    return Items(described.get(primary, []), [described.get(other, []) for other in others], exif)


def _parts(part: Part, at: int = 0) -> list[Part]:
    """The boxes in one."""
    body = part.body
    found: list[Part] = []
    last = len(body) - 8
    while at <= last:
        size, kind = struct.unpack_from(">I4s", body, at)
        size = size or len(body) - at
        if size < 8 or len(found) >= _BOXES_MOST:
            raise MalformedError("a box among its items is none")
        found.append(Part(kind, body[at + 8 : at + size], part.at + at + 8))
        at += size
    return found


def _version(part: Part) -> int:
    if len(part.body) > _TABLE_MOST:
        raise MalformedError("it has too many items")
    return part.body[0]


def _auxiliary(part: Part, primary: int) -> list[int]:
    """Items that say they are auxiliary to the primary one."""
    one = "I" if _version(part) else "H"
    found = []
    for box in _parts(part, 4):
        if box.type == b"auxl":
            source, count = struct.unpack_from(f">{one}H", box.body)
            if primary in struct.unpack_from(f">{count}{one}", box.body, struct.calcsize(f">{one}H")):
                found.append(source)
    return found[:8]


def _described(part: Part, wanted: set[int]) -> dict[int, list[Part]]:
    """The properties of the wanted items."""
    boxes = _parts(part)
    properties = next((_parts(box) for box in boxes if box.type == b"ipco"), [])
    found: dict[int, list[Part]] = {}
    for table in [box for box in boxes if box.type == b"ipma"][:_TABLES_MOST]:
        for item, indices in _associations(table, wanted):
            found[item] = [properties[index - 1] for index in indices if 0 < index <= len(properties)]
    return found


def _associations(part: Part, wanted: set[int]) -> list[tuple[int, list[int]]]:
    head = struct.Struct(">IB" if _version(part) else ">HB")
    wide = part.body[3] & 1
    (count,) = struct.unpack_from(">I", part.body, 4)
    at, found = 8, []
    for _ in range(min(count, _TABLE_MOST)):
        item, many = head.unpack_from(part.body, at)
        at += head.size
        if item in wanted:
            indices = struct.unpack_from(f">{many}{'H' if wide else 'B'}", part.body, at)
            found.append((item, [index & (0x7FFF if wide else 0x7F) for index in indices]))
            if len(found) == len(wanted):
                break
        at += many << wide
    return found


def _first_exif(body: bytes) -> int | None:
    """Found by the words of its entry: to walk the entries of a hundred tiles would take longer than all else."""
    at = body.find(_EXIF)
    for _ in range(_BOXES_MOST):
        if at < 0:
            return None
        if body[at - 12 : at - 7] == b"infe\x02":
            return int.from_bytes(body[at - 4 : at - 2], "big")
        if body[at - 14 : at - 9] == b"infe\x03":
            return int.from_bytes(body[at - 6 : at - 2], "big")
        at = body.find(_EXIF, at + 1)
    return None


def _location(part: Part, wanted: int, inside: Part | None) -> tuple[int, int] | None:
    """Where an item is, if it lies in one piece in the file or in `inside`."""
    version, body = _version(part), part.body
    wide = version == 2
    base, offset, head, extent, both = _layout(version, int.from_bytes(body[4:6], "big"))
    (count,) = struct.unpack_from(">I" if wide else ">H", body, 6)
    at = 10 if wide else 8
    at += _passed(body[at:], both, wanted, 2 + bool(version) + base)
    for _ in range(min(count, _TABLE_MOST)):
        item, *middle, extents = head.unpack_from(body, at)
        at += head.size
        if item != wanted:
            at += extents * extent.size
            continue
        method = middle[0] & 15 if version else 0
        if extents != 1 or method > 1 or (method == 1 and inside is None):
            return None
        parts = extent.unpack_from(body, at)
        start = (middle[-1] if base else 0) + (parts[-2] if offset else 0)
        return start + (inside.at if method == 1 and inside is not None else 0), parts[-1]
    return None


class _Layout(NamedTuple):
    """How entries of an `iloc` box are laid out."""

    base: bool
    """Whether they say where their extents count from."""
    offset: bool
    """Whether an extent says where it is."""
    head: struct.Struct
    extent: struct.Struct
    both: struct.Struct
    """An entry with one extent."""


@lru_cache(maxsize=64)
def _layout(version: int, sizes: int) -> _Layout:
    """By the four sizes in bytes that the box begins with: each may be 0, 4 or 8."""
    if any(sizes >> shift & 15 not in _PLACES for shift in (12, 8, 4)) or not sizes >> 8 & 15:
        raise MalformedError("places of its items are of no width that is known")
    offset, length, base = (_PLACES[sizes >> shift & 15] for shift in (12, 8, 4))
    head = f">{'I' if version == 2 else 'H'}{'H' if version else ''}H{base}H"
    extent = f"{_PLACES.get(sizes & 15, '') if version else ''}{offset}{length}"
    return _Layout(
        bool(base), bool(offset), struct.Struct(head), struct.Struct(">" + extent), struct.Struct(head + extent)
    )


def _passed(body: bytes, entry: struct.Struct, wanted: int, extents: int) -> int:
    """Bytes to the wanted entry where all before it have one extent, as is common; 0: they must be walked one by one."""
    if len(body) % entry.size == 0:
        for place, fields in enumerate(entry.iter_unpack(body)):
            if fields[0] == wanted:
                return place * entry.size
            if fields[extents] != 1:
                break
    return 0
