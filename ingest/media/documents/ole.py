"""Office before 2007 (OLE2): which program it is of, by the names in its directory; hides sectors. Source: [MS-CFB]."""

from __future__ import annotations

import struct
from typing import Final

from ingest.media.nearby import reach
from ingest.media.properties import Media
from ingest.media.view import MalformedError, View

_NAMES: Final = (
    ("WordDocument", "doc", "application/msword"),
    ("Workbook", "xls", "application/vnd.ms-excel"),
    ("Book", "xls", "application/vnd.ms-excel"),
    ("PowerPoint Document", "ppt", "application/vnd.ms-powerpoint"),
    ("VisioDocument", "vsd", "application/vnd.visio"),
    ("__properties_version1.0", "msg", "application/vnd.ms-outlook"),
    ("EncryptedPackage", "ooxml", "application/x-ole-storage"),
)
_ENTRY: Final = 128


def read(view: View, media: Media) -> None:
    """See `ingest.media.formats.Parser`. Of the directory its first sector is read: programs put their main stream there."""
    (shift,) = view.unpack("<H", 30)
    (first,) = view.unpack("<I", 48)
    if shift not in {9, 12}:
        raise MalformedError("its header is broken")
    sector = 1 << shift
    at = (first + 1) * sector
    length = sector if view.size is None else min(4 * sector, view.size - at)
    data = reach(view, at, min(max(length, sector), 4096))
    names = set()
    for place in range(0, len(data) - _ENTRY + 1, _ENTRY):
        (used,) = struct.unpack_from("<H", data, place + 64)
        if 2 < used <= 64:
            names.add(data[place : place + used - 2].decode("utf-16-le", "replace"))
    for name, form, kind in _NAMES:
        if name in names:
            media.format, media.type = form, kind
            media.more["encrypted"] = name == "EncryptedPackage"
            return
