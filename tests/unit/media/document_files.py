"""Documents, archives and tables, built byte by byte or with the standard library."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence


def pages(count: int) -> dict[int, bytes]:
    """Objects of a PDF with so many pages: 1 is its catalog, 2 the root of its tree."""
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(count))
    tree = {1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<< /Type /Pages /Kids [ %s ] /Count %d >>" % (kids, count)}
    return tree | {3 + number: b"<</Type/Page/Parent 2 0 R>>" for number in range(count)}


def stream(body: bytes, more: bytes = b"", *, packed: bool = True) -> bytes:
    data = zlib.compress(body) if packed else body
    return b"<<%s%s/Length %d>>\nstream\n%s\nendstream" % (
        more,
        b"/Filter/FlateDecode" if packed else b"",
        len(data),
        data,
    )


def laid(objects: Mapping[int, bytes], before: bytes = b"%PDF-1.5\n") -> tuple[bytes, dict[int, int]]:
    """Objects one behind the other, and where each begins."""
    body, places = before, {}
    for number, what in objects.items():
        places[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, what)
    return body, places


def pdf(objects: Mapping[int, bytes], more: bytes = b"", *, junk: bytes = b"") -> bytes:
    """With a classic table. `junk` stands before it, and the places do not count it."""
    body, places = laid(objects)
    return junk + body + table(places, len(body), b"/Root 1 0 R" + more)


def table(places: Mapping[int, int], at: int, trailer: bytes) -> bytes:
    rows = b"".join(b"%d 1\n%010d 00000 n \n" % item for item in sorted(places.items()))
    return b"xref\n0 1\n0000000000 65535 f \n%strailer\n<</Size %d%s>>\nstartxref\n%d\n%%%%EOF\n" % (
        rows,
        max(places) + 1,
        trailer,
        at,
    )


def up(rows: bytes, width: int) -> bytes:
    """Rows predicted from the one above, as PNG does it."""
    found, above = bytearray(), bytes(width)
    for at in range(0, len(rows), width):
        line = rows[at : at + width]
        found += b"\2" + bytes((one - other) & 255 for one, other in zip(line, above, strict=True))
        above = line
    return bytes(found)


def pdf_of_streams(objects: Mapping[int, bytes], more: bytes = b"", *, predicted: bool = True) -> bytes:
    """With an object stream and a cross-reference stream, as writers have done it since PDF 1.5."""
    holder, size = max(objects) + 1, max(objects) + 3
    index = b" ".join(b"%d %d" % (n, sum(len(objects[m]) + 1 for m in objects if m < n)) for n in sorted(objects))
    inner = index + b" " + b"".join(objects[number] + b" " for number in sorted(objects))
    held = stream(inner, b"/Type/ObjStm/N %d/First %d" % (len(objects), len(index) + 1))
    body, places = laid({holder: held})
    rows = b""
    for number in range(size):
        if number in objects:
            rows += struct.pack(">BIB", 2, holder, sorted(objects).index(number))
        else:
            at = places.get(number, len(body))
            rows += struct.pack(">BIB", number > holder - 1, at, 0)
    parameters = b"/DecodeParms<</Predictor 12/Columns 6>>" if predicted else b""
    said = b"/Type/XRef/W[1 4 1]/Size %d/Root 1 0 R%s%s" % (size, parameters, more)
    xref = stream(up(rows, 6) if predicted else rows, said)
    return body + b"%d 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (size - 1, xref, len(body))


def linearized(count: int) -> bytes:
    """Its first object says how many pages it has; the rest is made up as far as nothing reads it."""
    said = b"%%PDF-1.4\n9 0 obj\n<</Linearized 1/L %010d/N %d/O 11/E 99/H[1 2]/T 99>>\nendobj\n"
    rest = b"xref\n9 1\n0000000000 00000 n \ntrailer\n<</Size 20/Root 10 0 R>>\nstartxref\n0\n%%EOF\n" + bytes(300_000)
    return said % (len(said % (0, count)) + len(rest), count) + rest


def zipped(files: Mapping[str, bytes], *, comment: bytes = b"", kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind) as archive:
        for name, body in files.items():
            archive.writestr(name, body, zipfile.ZIP_STORED if name == "mimetype" else kind)
        archive.comment = comment
    return out.getvalue()


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _name(text: bytes) -> bytes:
    return varint(len(text)) + text


def element(name: bytes, children: int = 0) -> bytes:
    """A SchemaElement: a leaf has a type and a way to repeat, a group has children."""
    if children:
        return b"\x48" + _name(name) + b"\x15" + varint(children * 2) + b"\0"
    return b"\x15\x02\x25\x02\x18" + _name(name) + b"\x6c\x8c\0\0\0"


def footer(elements: Sequence[bytes], rows: int, more: bytes = b"") -> bytes:
    """FileMetaData: version, schema, rows, and what follows."""
    count = len(elements)
    head = bytes([count << 4 | 12]) if count < 15 else b"\xfc" + varint(count)
    return b"\x15\x02\x19" + head + b"".join(elements) + b"\x16" + varint(rows * 2) + more + b"\0"


def parquet(columns: int = 3, rows: int = 1_000, *, data: bytes = bytes(500), more: bytes = b"") -> bytes:
    leaves = [element(b"column_%d" % number) for number in range(columns)]
    meta = footer([element(b"schema", columns), *leaves], rows, more)
    return b"PAR1" + data + meta + struct.pack("<I", len(meta)) + b"PAR1"


def ole(*streams: str) -> bytes:
    """A compound file whose directory, behind its header, lists these streams."""
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6)
    header = header.ljust(48, b"\0") + struct.pack("<I", 0)
    entries = b""
    for name in ("Root Entry", *streams):
        text = name.encode("utf-16-le") + b"\0\0"
        entries += (text.ljust(64, b"\0") + struct.pack("<H", len(text))).ljust(128, b"\0")
    return header.ljust(512, b"\xff") + entries.ljust(1024, b"\0")
