"""What a ZIP is for, by the names of the files in it; hides that Office, apps, books and scenes are all one format."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ingest.media.properties import Kind

Package = tuple[Kind, str, str]
"""Kind, format and type."""

_OOXML: Final = "application/vnd.openxmlformats-officedocument."
_ODF: Final = "application/vnd.oasis.opendocument."
_BY_FOLDER: Final[tuple[tuple[bytes, Package], ...]] = (
    (b"word/", ("document", "docx", _OOXML + "wordprocessingml.document")),
    (b"xl/", ("document", "xlsx", _OOXML + "spreadsheetml.sheet")),
    (b"ppt/", ("document", "pptx", _OOXML + "presentationml.presentation")),
    (b"visio/", ("document", "vsdx", "application/vnd.ms-visio.drawing.main+xml")),
)
_BY_NAME: Final[dict[bytes, Package]] = {
    b"AndroidManifest.xml": ("archive", "apk", "application/vnd.android.package-archive"),
    b"3D/3dmodel.model": ("data", "3mf", "model/3mf"),
}
_JAR: Final[Package] = ("archive", "jar", "application/java-archive")
_USDZ: Final[Package] = ("data", "usdz", "model/vnd.usdz+zip")
_BY_MIMETYPE: Final[dict[bytes, str]] = {
    b"application/epub+zip": "epub",
    _ODF.encode() + b"text": "odt",
    _ODF.encode() + b"spreadsheet": "ods",
    _ODF.encode() + b"presentation": "odp",
    _ODF.encode() + b"graphics": "odg",
    _ODF.encode() + b"text-template": "ott",
    _ODF.encode() + b"spreadsheet-template": "ots",
    _ODF.encode() + b"presentation-template": "otp",
}


def kind_of(names: Iterable[bytes]) -> Package | None:
    """What these files make of it; None: a ZIP like any other. A file `mimetype` stands as `mimetype=its content`."""
    names = list(names)
    if not names:
        return None
    if names[0].startswith(b"mimetype="):
        said = names[0][9:].strip()
        if said in _BY_MIMETYPE:
            return "document", _BY_MIMETYPE[said], said.decode("ascii")
    if names[0].lower().endswith((b".usda", b".usdc", b".usd")):
        return _USDZ
    known = set(names)
    office = b"[Content_Types].xml" in known or b"_rels/.rels" in known
    if office:
        for folder, package in _BY_FOLDER:
            if any(name.startswith(folder) for name in names):
                return package
    found = next((package for name, package in _BY_NAME.items() if name in known), None)
    if found is not None:
        return found
    return _JAR if b"META-INF/MANIFEST.MF" in known else None
