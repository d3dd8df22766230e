"""What archives, Office files and tables say of themselves, and how few ranges it takes to know it."""

from __future__ import annotations

import struct
import zipfile

import pytest

from tests.unit.media import document_files as files
from tests.unit.media.ranged import ranged, whole

_APP = b"<Properties><Application>Word</Application><Pages>%d</Pages></Properties>"
_ODF = b"application/vnd.oasis.opendocument."


def test_a_zip_says_how_many_files_are_in_it() -> None:
    media = whole(files.zipped({"a/b.txt": b"x", "c": b"y"}))
    assert (media.kind, media.format, media.type) == ("archive", "zip", "application/zip")
    assert media.more == {"entries": 2, "encrypted": False}


def test_an_empty_zip_and_one_with_the_longest_comment() -> None:
    assert whole(files.zipped({})).more == {"entries": 0}
    data = files.zipped({"a": b"x" * 100_000}, comment=b"PK\5\6" + b"c" * 65_531, kind=zipfile.ZIP_STORED)
    found = ranged(data)
    assert (found.media.more["entries"], found.further) == (1, [(len(data) - 65_558, 65_558)])


def test_an_encrypted_zip_says_so() -> None:
    data = bytearray(files.zipped({"a": b"secret"}))
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    assert whole(bytes(data)).more["encrypted"] is True


def test_zip64_counts_beyond_16_bits() -> None:
    data = bytearray(files.zipped({"a": b"x"}))
    end = data.index(b"PK\5\6")
    place = struct.unpack_from("<I", data, end + 16)[0]
    data[end:end] = bytes(70_000 * 46 - (end - place))
    end = place + 70_000 * 46
    record = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 70_000, 70_000, 70_000 * 46, place)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, end, 1)
    last = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert whole(bytes(data[:end]) + record + locator + last).more["entries"] == 70_000


def test_files_that_stand_behind_a_program_are_found() -> None:
    pages = files.zipped({"[Content_Types].xml": b"", "docProps/app.xml": _APP % 3, "word/document.xml": b"<w/>"})
    data = b"PK\3\4" + bytes(1_000) + pages
    media = whole(data)
    assert (media.format, media.more["pages"], media.more["entries"]) == ("docx", 3, 3)


@pytest.mark.parametrize(
    ("names", "kind", "form"),
    [
        (("[Content_Types].xml", "word/document.xml"), "document", "docx"),
        (("[Content_Types].xml", "xl/workbook.xml"), "document", "xlsx"),
        (("_rels/.rels", "ppt/presentation.xml"), "document", "pptx"),
        (("META-INF/MANIFEST.MF", "A.class"), "archive", "jar"),
        (("META-INF/MANIFEST.MF", "AndroidManifest.xml"), "archive", "apk"),
        (("[Content_Types].xml", "3D/3dmodel.model"), "data", "3mf"),
        (("scene.usdc", "skin.png"), "data", "usdz"),
        (("word/notes.txt",), "archive", "zip"),
    ],
)
def test_what_is_in_it_makes_it_what_it_is(names: tuple[str, ...], kind: str, form: str) -> None:
    media = whole(files.zipped(dict.fromkeys(names, b"text")))
    assert (media.kind, media.format) == (kind, form)


@pytest.mark.parametrize(
    ("said", "form"),
    [
        (_ODF + b"text", "odt"),
        (_ODF + b"spreadsheet", "ods"),
        (_ODF + b"presentation", "odp"),
        (b"application/epub+zip", "epub"),
    ],
)
def test_open_document_and_epub_say_their_type_first(said: bytes, form: str) -> None:
    media = whole(files.zipped({"mimetype": said, "content.xml": b"<x/>"}))
    assert (media.kind, media.format, media.type) == ("document", form, said.decode())


def test_a_long_docx_is_known_from_its_beginning_and_its_end() -> None:
    parts = {"[Content_Types].xml": b"<Types/>", "word/media/film.bin": bytes(range(256)) * 2_000}
    data = files.zipped(parts | {"docProps/app.xml": _APP % 12}, kind=zipfile.ZIP_STORED)
    found = ranged(data)
    assert (found.media.format, found.media.more["pages"], len(found.further)) == ("docx", 12, 1)


def test_a_directory_longer_than_the_tail_costs_no_second_range() -> None:
    found = ranged(files.zipped({f"word/{number:0200}": b"" for number in range(400)} | {"_rels/.rels": b""}))
    assert (found.media.format, found.media.more["entries"], len(found.further)) == ("docx", 401, 1)


def test_parquet_says_rows_and_leaves() -> None:
    media = whole(files.parquet(20, 12_345))
    assert (media.kind, media.format, media.type) == ("data", "parquet", "application/vnd.apache.parquet")
    assert media.more == {"rows": 12_345, "columns": 20, "encrypted": False}


def test_groups_of_a_schema_are_no_columns() -> None:
    elements = [files.element(b"schema", 2), files.element(b"list", 1), files.element(b"item"), files.element(b"x")]
    meta = files.footer(elements, 9)
    assert whole(b"PAR1" + meta + struct.pack("<I", len(meta)) + b"PAR1").more["columns"] == 2


def test_a_long_footer_is_read_from_its_beginning() -> None:
    groups = b"\x19\x08" + b"\x18" + files.varint(900_000) + bytes(900_000)
    found = ranged(files.parquet(4, 77, data=bytes(200_000), more=groups))
    assert (found.media.more["rows"], found.media.more["columns"], len(found.further)) == (77, 4, 2)
    assert sum(length for _, length in found.further) <= 2 * 65_536


def test_a_footer_that_is_encrypted_says_so_and_no_more() -> None:
    data = files.parquet()
    assert whole(b"PARE" + data[4:-4] + b"PARE").more == {"encrypted": True}


def test_office_before_2007_and_what_newer_office_makes_of_a_password() -> None:
    assert whole(files.ole("1Table", "WordDocument")).format == "doc"
    assert whole(files.ole("Workbook")).type == "application/vnd.ms-excel"
    assert whole(files.ole("PowerPoint Document")).format == "ppt"
    locked = whole(files.ole("EncryptionInfo", "EncryptedPackage"))
    assert (locked.kind, locked.more["encrypted"]) == ("document", True)


def test_npy_says_its_shape() -> None:
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (640, 3), }".ljust(117) + b"\n"
    media = whole(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + bytes(7_680))
    assert media.more == {"rows": 640, "columns": 3}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"PK\3\4" + bytes(50), "its directory can't be found"),
        (b"PAR1" + bytes(40), "its footer is missing"),
        (b"PAR1\x15\x02\0\3\0\0\0PAR1", "its footer says no number of rows"),
        (b"PAR1" + bytes(4) + b"\xff\xff\xff\x7fPAR1", "its footer is missing"),
    ],
)
def test_what_is_broken_is_said(data: bytes, problem: str) -> None:
    assert whole(data).more["problem"] == problem
