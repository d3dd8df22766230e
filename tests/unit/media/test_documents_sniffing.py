"""What a file is by its first bytes alone, and that nothing binary is taken for text."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import random
import sqlite3
import tarfile
from bz2 import compress as bzip2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.media.documents.sniff import sniff
from tests.unit.media.ranged import whole


def _tar(form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        archive.addfile(tarfile.TarInfo("a.txt"), io.BytesIO(b""))
    return out.getvalue()


def _v7() -> bytes:
    data = bytearray(_tar(tarfile.USTAR_FORMAT))
    data[148:156] = b" " * 8
    data[257:512] = bytes(255)
    data[148:156] = b"%06o\0 " % sum(data[:512])
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "kind", "form", "media_type"),
    [
        (gzip.compress(b"x", mtime=0), "archive", "gzip", "application/gzip"),
        (bzip2(b"x"), "archive", "bzip2", "application/x-bzip2"),
        (lzma.compress(b"x"), "archive", "xz", "application/x-xz"),
        (b"\x28\xb5\x2f\xfd\4\0", "archive", "zstd", "application/zstd"),
        (b"7z\xbc\xaf\x27\x1c\0\4", "archive", "7z", "application/x-7z-compressed"),
        (b"Rar!\x1a\x07\1\0", "archive", "rar", "application/vnd.rar"),
        (_tar(tarfile.USTAR_FORMAT), "archive", "tar", "application/x-tar"),
        (_tar(tarfile.GNU_FORMAT), "archive", "tar", "application/x-tar"),
        (_v7(), "archive", "tar", "application/x-tar"),
        (b"SQLite format 3\0\x10\0", "data", "sqlite", "application/vnd.sqlite3"),
        (b"Obj\1\4\x14avro.codec", "data", "avro", "application/avro"),
        (b"ORC\x0a\0\0", "data", "orc", "application/x-orc"),
        (b"ARROW1\0\0\xff\xff", "data", "arrow", "application/vnd.apache.arrow.file"),
        (b"FEA1\0\0", "data", "feather", "application/x-feather"),
        (b"\x89HDF\r\n\x1a\n\0", "data", "hdf5", "application/x-hdf5"),
        (b"glTF\2\0\0\0", "data", "glb", "model/gltf-binary"),
        (b"{\\rtf1\\ansi Hello}", "document", "rtf", "application/rtf"),
        (b'{"a": [1, 2]}', "text", "json", "application/json"),
        (b' [\n  {"a": 1}\n]', "text", "json", "application/json"),
        (b"[1.5, 2]", "text", "json", "application/json"),
        (b'\xef\xbb\xbf{"bom": true}', "text", "json", "application/json"),
        (b'{"a": 1}\n{"a": 2}\n', "text", "ndjson", "application/x-ndjson"),
        (b'<?xml version="1.0"?>\n<feed/>', "text", "xml", "application/xml"),
        (b'<kml xmlns="http://www.opengis.net/kml/2.2">', "text", "xml", "application/xml"),
        (b"<!-- hi -->\n<!DOCTYPE HTML><p>", "text", "html", "text/html"),
        (b"<html lang=en>", "text", "html", "text/html"),
        (b"<?xml version='1.0'?><html xmlns='x'>", "text", "html", "application/xhtml+xml"),
        (b"id,name\r\n1,a\r\n2,b\r\n", "text", "csv", "text/csv"),
        (b'a;b\n"x;y";2\n3;4\n', "text", "csv", "text/csv"),
        (b"a\tb\tc\n1\t2\t3\n", "text", "tsv", "text/tab-separated-values"),
        (b"Dear all,\nno table is this.\nRegards\n", "text", "txt", "text/plain"),
        (b"[2026-01-01 00:00:00] a log begins like a list\n", "text", "txt", "text/plain"),
        (b"PARENTS and ORCs are words\n", "text", "txt", "text/plain"),
        ("Grüße aus Köln\n".encode(), "text", "txt", "text/plain"),
        ("Grüße".encode("utf-16"), "text", "txt", "text/plain"),
        ('{"a": 1}'.encode("utf-16-be").join((b"\xfe\xff", b"")), "text", "json", "application/json"),
        ("Grüße".encode("latin-1"), "unknown", "", ""),
        ("<?xml version='1.0' encoding='latin1'?><a>ü</a>".encode("latin-1"), "text", "xml", "application/xml"),
        (b"\n%PDF-1.4\n", "document", "pdf", "application/pdf"),
        (b"\0\1junk\n%PDF-1.4\n", "document", "pdf", "application/pdf"),
        (b"A text that speaks of %PDF-1.4\n", "text", "txt", "text/plain"),
        (b"text with a \0 in it", "unknown", "", ""),
    ],
)
def test_first_bytes_tell(data: bytes, kind: str, form: str, media_type: str) -> None:
    media = whole(data)
    assert (media.kind, media.format, media.type) == (kind, form, media_type)


def test_sqlite_as_it_writes_itself() -> None:
    with sqlite3.connect(":memory:") as base:
        base.execute("CREATE TABLE t (a)")
        assert whole(base.serialize()).format == "sqlite"
    base.close()


def test_text_may_be_cut_off_inside_a_character() -> None:
    text = ("x" + "é" * 4_000).encode()
    assert sniff(text[:4096]) is not None
    assert sniff(text[:4097]) is not None
    wide = "é𝄞".encode("utf-16-le") * 1_000
    assert all((found := sniff(b"\xff\xfe" + wide[:end])) and found.kind == "text" for end in range(90, 100))


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1), st.integers(0, 40))
def test_all_text_is_text(text: str, end: int) -> None:
    data = (text * 3).encode()
    found = sniff(data[: len(data) - end] or data)
    assert found is None or found.kind in {"text", "document", "data", "archive"}
    if text[0].isspace() and found is not None:
        assert found.kind == "text"


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_all_json_of_more_than_one_value_is_json(value: object) -> None:
    for data in (json.dumps([value]), json.dumps({"key": value}, indent=2)):
        found = sniff(data.encode())
        assert found is not None
        assert found.name == "json"


def test_noise_is_never_text() -> None:
    noise = random.Random(7)
    assert not [found for _ in range(2_000) if (found := sniff(noise.randbytes(256))) and found.kind == "text"]
