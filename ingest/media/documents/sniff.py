"""Which document, archive, table or text a file is, by its first bytes. Asked last: what nothing else knows may be text."""

from __future__ import annotations

import re
from typing import Final

from ingest.media.documents import numpy, ole, parquet, pdf, text, zipped
from ingest.media.formats import Format

_PDF: Final = Format("document", "pdf", "application/pdf", pdf.read)
_TAR: Final = Format("archive", "tar", "application/x-tar")
_ZIP: Final = Format("archive", "zip", "application/zip", zipped.read)

_BY_FIRST: Final = (
    (b"%PDF-", _PDF),
    (b"PK\3\4", _ZIP),
    (b"PK\5\6", _ZIP),
    (b"PK\7\x08PK\3\4", _ZIP),
    (b"PAR1", Format("data", "parquet", "application/vnd.apache.parquet", parquet.read)),
    (b"PARE", Format("data", "parquet", "application/vnd.apache.parquet", parquet.read)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format("document", "ole", "application/x-ole-storage", ole.read)),
    (b"{\\rtf", Format("document", "rtf", "application/rtf")),
    (b"\x93NUMPY", Format("data", "npy", "application/x-npy", numpy.read)),
    (b"\x1f\x8b\x08", Format("archive", "gzip", "application/gzip")),
    (b"\xfd7zXZ\0", Format("archive", "xz", "application/x-xz")),
    (b"\x28\xb5\x2f\xfd", Format("archive", "zstd", "application/zstd")),
    (b"\x04\x22\x4d\x18", Format("archive", "lz4", "application/x-lz4")),
    (b"7z\xbc\xaf\x27\x1c", Format("archive", "7z", "application/x-7z-compressed")),
    (b"Rar!\x1a\x07", Format("archive", "rar", "application/vnd.rar")),
    (b"SQLite format 3\0", Format("data", "sqlite", "application/vnd.sqlite3")),
    (b"Obj\1", Format("data", "avro", "application/avro")),
    (b"ORC", Format("data", "orc", "application/x-orc")),
    (b"ARROW1", Format("data", "arrow", "application/vnd.apache.arrow.file")),
    (b"FEA1", Format("data", "feather", "application/x-feather")),
    (b"\x89HDF\r\n\x1a\n", Format("data", "hdf5", "application/x-hdf5")),
    (b"glTF", Format("data", "glb", "model/gltf-binary")),
    (b"%!PS-Adobe", Format("document", "postscript", "application/postscript")),
    (b"\x7fELF", Format("data", "elf", "application/x-executable")),
    (b"\0asm", Format("data", "wasm", "application/wasm")),
)
_LATE_PDF: Final = re.compile(rb"%PDF-\d\.\d")
"""Readers take a PDF for one if this stands anywhere in its first 1024 bytes (ISO 32000-1, annex H); a text may speak of it."""
_FIRST: Final = frozenset(magic[:1] for magic, _ in _BY_FIRST)
_UNPRINTED: Final = (b"ORC", b"FEA1", b"PAR1", b"PARE", b"ARROW1", b"glTF")
"""Words that may stand at the beginning of a text as well."""


def sniff(head: bytes) -> Format | None:
    """See `ingest.media.formats.Sniffer`."""
    if head[:1] in _FIRST:
        for magic, form in _BY_FIRST:
            if head.startswith(magic) and not (magic in _UNPRINTED and text.sniff(head) is not None):
                return form
    if head[:3] == b"BZh" and head[4:10] in {b"1AY&SY", b"\x17rE8P\x90"}:
        return Format("archive", "bzip2", "application/x-bzip2")
    if head[257:262] == b"ustar" or _is_old_tar(head):
        return _TAR
    found = text.sniff(head)
    late = _LATE_PDF.search(head, 0, 1024)
    return _PDF if late is not None and (found is None or not head[: late.start()].strip()) else found


def _is_old_tar(head: bytes) -> bool:
    """A tar from before POSIX: nothing tells but its checksum."""
    said = head[148:156].strip(b" \0")
    if len(head) < 512 or not 0 < len(said) < 8 or said.strip(b"01234567") or not head[0]:
        return False
    return sum(head[:148]) + 256 + sum(head[156:512]) == int(said, 8)
