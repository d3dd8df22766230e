"""Documents that mean harm: bombs, circles and numbers without end; reading them ends soon, and with an answer."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.media import document_files as files
from tests.unit.media.hostile import BYTES, SECONDS, bent, kept, most_memory
from tests.unit.media.ranged import ranged, whole

_NPY = b"\x93NUMPY\1\0\x76\0{'descr': '<f4', 'fortran_order': False, 'shape': (640, 3), }".ljust(127) + b"\n"
SEEDS: Final = {
    "pdf": files.pdf(files.pages(3)),
    "streams": files.pdf_of_streams(files.pages(3)),
    "plain streams": files.pdf_of_streams(files.pages(3), predicted=False),
    "linear": files.linearized(3)[:400],
    "zip": files.zipped({"a": b"x", "b": b"y" * 99}),
    "docx": files.zipped({"[Content_Types].xml": b"", "docProps/app.xml": b"<Pages>3</Pages>", "word/x": b""}),
    "odt": files.zipped({"mimetype": b"application/vnd.oasis.opendocument.text", "meta.xml": b""}),
    "parquet": files.parquet(4, data=bytes(20)),
    "ole": files.ole("WordDocument"),
    "npy": _NPY,
    "json": b'{"key": [1, 2, {"a": null}]}\n{"key": 2}',
    "html": b"<!-- a --><html><head>",
    "csv": b'a,b,"c\nd"\n1,2,3\n',
}


def _bomb() -> bytes:
    """Every stream unpacks to a gigabyte, or would."""
    packed = zlib.compress(bytes(1 << 24), 9)
    said = b"<</Type/XRef/W[1 4 1]/Size 3000000/Root 1 0 R/Prev %d/Filter/FlateDecode/Length %d>>stream\n%s\nendstream"
    body, at, data = b"%PDF-1.5\n", 0, b""
    for number in range(20):
        at, data = len(body), said % (at, len(packed), packed)
        body += b"%d 0 obj\n%s\nendobj\n" % (number + 1, data)
    return body + b"startxref\n%d\n%%%%EOF" % at


def _summed() -> bytes:
    """A table of a million bytes of which each row is predicted from the one above, or from its left."""
    rows = files.stream(
        b"\2\1\0\0\0\1\0" * 149_000, b"/W[1 4 1]/Size 149000/Root 148999 0 R/DecodeParms<</Predictor 12>>"
    )
    return b"%PDF-1.5\n1 0 obj\n" + rows + b"\nendobj\nstartxref\n9\n%%EOF"


def _previous(count: int) -> bytes:
    """Increments that lead from one to the next, and the first one to the last."""
    body, at = b"%PDF-1.5\n", 40 * (count - 1) + 9
    for _ in range(count):
        part = b"xref\n0 0\ntrailer\n<</Prev %d>>\n" % at
        at = len(body)
        body += part.ljust(40)
    return body + b"startxref\n%d\n%%%%EOF" % at


def _meta(body: bytes) -> bytes:
    return b"PAR1" + body + struct.pack("<I", len(body)) + b"PAR1"


def _end(count: int, length: int, at: int) -> bytes:
    return b"PK\3\4" + bytes(60) + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, length, at, 0)


_DEEP = b"<<" + b"/A[<<" * 20_000
_HARM: Final = {
    "streams that unpack to gigabytes": _bomb(),
    "a table as long as it may be": _summed(),
    "a table predicted from its left": _summed().replace(b"/Root 148999", b"/Root 12    "),
    "increments in a circle": _previous(2),
    "increments without end": _previous(1_000),
    "a table of itself": b"%PDF-1.5\nxref\n0 0\ntrailer\n<</Prev 9/XRefStm 9>>\nstartxref\n9\n%%EOF",
    "parts of a table without end": b"%PDF-1.5\nxref\n" + b"0 0\n" * 60_000 + b"\nstartxref\n9\n%%EOF",
    "a deep dictionary": files.pdf(files.pages(1) | {2: _DEEP}),
    "kids in kids": files.pdf({1: b"<</Pages 2 0 R>>", 2: b"<</Kids" + b"[" * 60_000 + b"/Count 2>>"}),
    "a dictionary without end": files.pdf(files.pages(1) | {2: b"<<" + b"/A 1" * 100_000}),
    "comments in comments": files.pdf(files.pages(1) | {2: b"<<" + b"%" * 100_000}),
    "strings in strings": files.pdf(files.pages(1) | {2: b"<</A(" + b"(" * 100_000}),
    "numbers before objects": b"%PDF-1.4 /Linearized" + b"1" * 100_000 + b" 1" * 100_000,
    "a count that leads to itself": files.pdf(files.pages(1) | {2: b"<</Count 2 0 R>>"}),
    "an object in itself": files.pdf_of_streams(files.pages(1)).replace(b"/Root 1 0", b"/Root 4 0"),
    "a directory with all that numbers hold": _end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
    "a directory before the file": _end(9, 0xFFFFFFF0, 3),
    "ends and ends": b"PK\3\4" + b"PK\5\6" * 20_000,
    "an app said a thousand times": files.zipped({"word/x": b""}) + files.zipped({"[Content_Types].xml": b""}),
    "a list of two thousand millions": _meta(b"\x15\x02\x19\xfc" + files.varint(2**31)),
    "lists in lists": _meta(b"\x19\xf9" + files.varint(2**31) + (b"\xf9" + files.varint(2**31)) * 8_000),
    "a list of nothing": _meta(b"\x49\xf1" + files.varint(2**31) + bytes(60_000)),
    "structs in structs": _meta(b"\x4c" + b"\x1c" * 60_000),
    "fields without end": _meta(b"\x49\xfc" + files.varint(2**31) + b"\x11" * 200_000),
    "a name longer than the world": _meta(b"\x15\x02\x48" + files.varint(2**60)),
    "a number without end": _meta(b"\x15" + b"\xff" * 60_000),
    "a schema without end": _meta(b"\x19\xfc" + files.varint(2**31) + files.element(b"a") * 20_000),
    "digits in a shape": b"\x93NUMPY\1\0\xff\xff{'shape': (" + b"1" * 60_000,
    "quotes": (b'"a' * 2_000 + b"\n") * 4,
    "brackets": b"[" * 100_000,
    "an html that does not begin": b"<!--" * 1_000,
    "a name of xml": b"<" + b"a" * 4_000,
}


@settings(max_examples=200, deadline=None)
@given(bent(SEEDS), st.sampled_from((64, 300, 1 << 20)))
def test_bent_documents_are_read_to_an_end(data: bytes, first: int) -> None:
    assert kept(data, first) < SECONDS


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_documents_may_be_cut_off_anywhere(name: str) -> None:
    data = SEEDS[name]
    for end in {*range(min(len(data), 100)), *range(100, len(data), 23)}:
        ranged(data[:end])
        ranged(data, max(end, 1))


@pytest.mark.parametrize("name", sorted(_HARM))
def test_documents_that_mean_harm_are_left_soon(name: str) -> None:
    assert kept(_HARM[name]) < SECONDS
    assert most_memory(_HARM[name]) < BYTES


def test_a_bomb_in_an_app_file_is_not_unpacked() -> None:
    data = files.zipped({"[Content_Types].xml": b"", "word/x": b"", "docProps/app.xml": bytes(1 << 24)})
    assert "pages" not in whole(data).more
    assert most_memory(data) < BYTES
