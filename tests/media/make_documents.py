"""Makes the corpus's documents, archives and tables: by hand, and with Python's libraries, LibreOffice, ghostscript and qpdf."""

from __future__ import annotations

import gzip
import importlib
import io
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.media.make_images import noise
from tests.media.making import Made, picture, saved, tool

_STAMP = (2024, 5, 17, 18, 3, 20)


def _pdf(objects: Mapping[int, bytes], more: bytes = b"", version: bytes = b"1.4", before: bytes = b"") -> bytes:
    """A PDF with a table of references, of these objects: 1 is its catalogue."""
    body, places = before + b"%PDF-" + version + b"\n%\xe2\xe3\xcf\xd3\n", {}
    for number, what in objects.items():
        places[number] = len(body) - len(before)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, what)
    start, size = len(body) - len(before), max(objects) + 1
    body += b"xref\n0 %d\n0000000000 65535 f \n" % size
    body += b"".join(b"%010d 00000 n \n" % places[number] for number in range(1, size))
    return body + b"trailer\n<< /Size %d /Root 1 0 R %s>>\nstartxref\n%d\n%%%%EOF\n" % (size, more, start)


def _pages(count: int) -> dict[int, bytes]:
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(count))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] >>"
    tree = {1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count)}
    return tree | {3 + number: page for number in range(count)}


def _nested() -> dict[int, bytes]:
    """A tree of pages with three branches."""
    found = {1: b"<< /Type /Catalog /Pages 2 0 R >>", 2: b"<</Kids[3 0 R 4 0 R 5 0 R]/Type/Pages/Count 7>>"}
    number = 6
    for branch, leaves in ((3, 2), (4, 4), (5, 1)):
        kids = b" ".join(b"%d 0 R" % leaf for leaf in range(number, number + leaves))
        found[branch] = b"<</Type/Pages/Parent 2 0 R/Count %d/Kids[%s]>>" % (leaves, kids)
        found |= dict.fromkeys(
            range(number, number + leaves), b"<</Type/Page/Parent %d 0 R/MediaBox[0 0 9 9]>>" % branch
        )
        number += leaves
    return dict(sorted(found.items()))


def _updated(pdf: bytes) -> bytes:
    """The same with a second page, as an editor appends it."""
    before = int(pdf.rsplit(b"startxref", 1)[1].split()[0])
    body, places = pdf, {}
    for number, what in {2: b"<< /Type /Pages /Kids [3 0 R 4 0 R] /Count 2 >>", 4: _pages(1)[3]}.items():
        places[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, what)
    start = len(body)
    body += b"xref\n2 1\n%010d 00000 n \n4 1\n%010d 00000 n \n" % (places[2], places[4])
    return body + b"trailer\n<< /Size 5 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n" % (before, start)


def pdfs() -> Made:
    one = _pdf(_pages(1))
    yield "pdf/one-page.pdf", one
    yield "pdf/three-pages.pdf", _pdf(_pages(3))
    yield "pdf/nested.pdf", _pdf(_nested())
    yield "pdf/updated.pdf", _updated(one)
    yield "pdf/junk-after.pdf", _pdf(_pages(2)) + b"\n" * 300
    yield "pdf/many-pages.pdf", _pdf(_pages(260))
    stream = zlib.compress(b"/Count 99 /Type /Pages")
    far = _pages(4) | {
        7: b"<< /Length %d >>\nstream\n%s\nendstream" % (30_000, noise(30_000)),
        8: b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
    }
    yield "pdf/far-tree.pdf", _pdf(far)
    yield (
        "pdf/tree-in-front-of-much.pdf",
        _pdf(_pages(2) | {5: b"<< /Length 90000 >>\nstream\n%s\nendstream" % (b"0" * 90_000)}),
    )
    qpdf = ("qpdf", "--deterministic-id", "--warning-exit-0")
    plain = _pdf(_pages(5), b"/ID [<0123456789abcdef0123456789abcdef> <0123456789abcdef0123456789abcdef>] ")
    yield "pdf/streams.pdf", tool(*qpdf, "--object-streams=generate", "{a_pdf}", "{out}/made.pdf", a_pdf=plain)
    yield (
        "pdf/streams-many.pdf",
        tool(*qpdf, "--object-streams=generate", "{a_pdf}", "{out}/made.pdf", a_pdf=_pdf(_pages(300))),
    )
    yield "pdf/linear.pdf", tool(*qpdf, "--linearize", "{a_pdf}", "{out}/made.pdf", a_pdf=plain)
    yield (
        "pdf/linear-streams.pdf",
        tool(*qpdf, "--linearize", "--object-streams=generate", "{a_pdf}", "{out}/made.pdf", a_pdf=_pdf(_pages(12))),
    )
    for name, words in {
        "rc4": ("user", "owner", "128"),
        "aes": ("user", "owner", "256", "--force-R5"),  # R6 is the same to read, and takes exiftool four seconds
        "owner-only": ("", "owner", "128", "--use-aes=y"),
    }.items():
        static = ("--allow-weak-crypto", "--static-id", "--static-aes-iv", "--encrypt", *words, "--")
        yield f"pdf/encrypted-{name}.pdf", tool("qpdf", *static, "{a_pdf}", "{out}/made.pdf", a_pdf=plain)
    yield "pdf/pillow.pdf", saved(picture(60, 40), "PDF", save_all=True, append_images=[picture(60, 40)])
    font = b"/Helvetica findfont 12 scalefont setfont 72 72 moveto "
    yield "pdf/ghostscript.pdf", _ghostscript(b"%!PS\n" + (font + b"(pier) show showpage\n") * 2)


def _ghostscript(page: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "a.ps"), Path(folder, "a.pdf")
        source.write_bytes(page)
        subprocess.run(["ps2pdf", str(source), str(target)], check=True, capture_output=True)
        return target.read_bytes()


def written() -> Made:
    """PDFs by Python's libraries."""
    fpdf: Any = importlib.import_module("fpdf")
    canvas: Any = importlib.import_module("reportlab.pdfgen.canvas")
    paper = fpdf.FPDF()
    for number in range(3):
        paper.add_page()
        paper.set_font("Helvetica", size=12)
        paper.cell(text=f"page {number}")
    yield "pdf/fpdf2.pdf", bytes(paper.output())
    buffer = io.BytesIO()
    sheet = canvas.Canvas(buffer, invariant=1)
    for number in range(25):
        sheet.drawString(72, 72, f"page {number}")
        sheet.showPage()
    sheet.save()
    yield "pdf/reportlab.pdf", buffer.getvalue()


def zipped(files: Mapping[str, bytes], *, stored: tuple[str, ...] = (), comment: bytes = b"") -> bytes:
    """An archive of these files, the same each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            info = zipfile.ZipInfo(name, _STAMP)
            info.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, body)
        archive.comment = comment
    return buffer.getvalue()


def zips() -> Made:
    yield "zip/one.zip", zipped({"a.txt": b"pier"})
    yield "zip/stored.zip", zipped({"a.txt": b"pier", "b/c.txt": b"berth"}, stored=("a.txt", "b/c.txt"))
    yield "zip/empty.zip", zipped({})
    yield "zip/comment.zip", zipped({"a.txt": b"pier"}, comment=b"PK\x05\x06 is said in a comment, too " * 20)
    yield "zip/many.zip", zipped({f"folder/file-{number:04}.txt": b"" for number in range(300)})
    yield "zip/far.zip", zipped({f"{number}.bin": noise(20_000, number) for number in range(3)})
    yield "zip/encrypted.zip", _encrypted()
    yield "zip/zip64.zip", _zip64()
    yield (
        "zip/pictures.zip",
        zipped({f"{number}.jpg": saved(picture(20, 20), "JPEG") for number in range(4)}, stored=("0.jpg",)),
    )


def _encrypted() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.txt").write_bytes(b"pier" * 9)
        Path(folder, "b.txt").write_bytes(b"berth")
        words = ["zip", "-q", "-X", "-P", "secret", "made.zip", "a.txt", "b.txt"]
        subprocess.run(words, check=True, capture_output=True, cwd=folder)
        return Path(folder, "made.zip").read_bytes()


def _zip64() -> bytes:
    """An end record that says "see the other one", as archives above 4 GB or of more than 65,535 files have it."""
    plain = zipped({"a.txt": b"pier", "b.txt": b"berth"})
    at = plain.rindex(b"PK\x05\x06")
    _, _, _, _, here, size, start, _ = struct.unpack_from("<IHHHHIIH", plain, at)
    record = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, here, here, size, start)
    locator = struct.pack("<IIQI", 0x07064B50, 0, at, 1)
    last = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return plain[:at] + record + locator + last


def books() -> Made:
    container = b'<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="a.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    package = b'<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest/><spine/></package>'
    parts = {"mimetype": b"application/epub+zip", "META-INF/container.xml": container, "a.opf": package}
    yield "epub/by-hand.epub", zipped(parts, stored=("mimetype",))
    yield (
        "epub/with-pictures.epub",
        zipped(parts | {f"{n}.jpg": noise(9_000, n) for n in range(3)}, stored=("mimetype",)),
    )


def offices() -> Made:
    docx: Any = importlib.import_module("docx")
    openpyxl: Any = importlib.import_module("openpyxl")
    pptx: Any = importlib.import_module("pptx")
    xlsx: Any = importlib.import_module("xlsxwriter")
    buffer = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("pier")
    document.save(buffer)
    yield "docx/python-docx.docx", _again(buffer.getvalue())
    book, buffer = openpyxl.Workbook(), io.BytesIO()
    book.active.append([1, 2, 3])
    book.save(buffer)
    yield "xlsx/openpyxl.xlsx", _again(buffer.getvalue())
    buffer = io.BytesIO()
    with xlsx.Workbook(buffer) as other:
        other.add_worksheet().write(0, 0, "pier")
        other.add_worksheet()
    yield "xlsx/xlsxwriter.xlsx", _again(buffer.getvalue())
    show, buffer = pptx.Presentation(), io.BytesIO()
    show.slides.add_slide(show.slide_layouts[6])
    show.save(buffer)
    yield "pptx/python-pptx.pptx", _again(buffer.getvalue())
    for kind, main in {"docx": "word/document", "xlsx": "xl/workbook", "pptx": "ppt/presentation"}.items():
        parts = {
            "[Content_Types].xml": _types(kind, main),
            "_rels/.rels": _RELATIONS,
            "docProps/app.xml": b"<Properties/>",
        }
        yield f"{kind}/least.{kind}", zipped(parts | {"pictures/0.bin": noise(20_000), f"{main}.xml": b"<a/>"})


_RELATIONS = (
    b'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"/>'
)


def _types(kind: str, main: str) -> bytes:
    word = {"docx": "wordprocessingml.document", "xlsx": "spreadsheetml.sheet", "pptx": "presentationml.presentation"}[
        kind
    ]
    full = f"application/vnd.openxmlformats-officedocument.{word}.main+xml"
    override = f'<Override PartName="/{main}.xml" ContentType="{full}"/>'
    space = "http://schemas.openxmlformats.org/package/2006/content-types"
    return f'<?xml version="1.0"?><Types xmlns="{space}">{override}</Types>'.encode()


def _again(archive: bytes) -> bytes:
    """The same archive with one time for all its files."""
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        names = list(old.infolist())
        stored = tuple(info.filename for info in names if info.compress_type == zipfile.ZIP_STORED)
        return zipped({info.filename: old.read(info) for info in names}, stored=stored)


def converted() -> Made:
    """What LibreOffice makes of a text, a table and slides."""
    for source, body, endings in (
        ("a.txt", b"pier\n" * 5, ("odt", "docx", "pdf")),
        ("a.csv", b"a,b\n1,2\n", ("ods", "xlsx")),
    ):
        for ending in endings:
            yield f"{ending}/libreoffice.{ending}", _office(source, body, ending)
    pptx: Any = importlib.import_module("pptx")
    show, buffer = pptx.Presentation(), io.BytesIO()
    for _ in range(2):
        show.slides.add_slide(show.slide_layouts[6])
    show.save(buffer)
    slides = _office("a.pptx", buffer.getvalue(), "odp")
    yield "odp/libreoffice.odp", slides
    yield "pptx/libreoffice.pptx", _office("a.odp", slides, "pptx")


def _office(source: str, body: bytes, ending: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, source).write_bytes(body)
        words = ["soffice", f"-env:UserInstallation=file://{folder}/home", "--headless", "--convert-to", ending, source]
        subprocess.run(words, check=True, capture_output=True, cwd=folder, timeout=120)
        return Path(folder, source).with_suffix("." + ending).read_bytes()


def parquets() -> Made:
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    plain = arrow.table({"a": list(range(50)), "b": [str(number) for number in range(50)]})
    nested = arrow.table({"a": [{"x": 1, "y": [1, 2]}] * 7, "b": [1.5] * 7, "c": [None] * 7})
    wide = arrow.table({f"column-{number}": [number] for number in range(120)})
    for name, table, options in (
        ("plain", plain, {}),
        ("zstd", plain, {"compression": "zstd"}),
        ("row-groups", plain, {"row_group_size": 7, "compression": "none"}),
        ("nested", nested, {}),
        ("no-rows", plain.slice(0, 0), {}),
        ("wide", wide, {}),
        ("version-1", plain, {"version": "1.0", "data_page_version": "1.0", "store_schema": False}),
    ):
        buffer = io.BytesIO()
        parquet.write_table(table, buffer, **options)
        yield f"parquet/{name}.parquet", buffer.getvalue()


def older() -> Made:
    """The binary files of old office programs, as LibreOffice writes them."""
    yield "ole/a.doc", _office("a.txt", b"pier\n" * 5, "doc")
    yield "ole/a.xls", _office("a.csv", b"a,b\n1,2\n", "xls")


def plain() -> Made:
    """Texts, tables and what is packed in one piece."""
    yield "csv/comma.csv", b"name,length_m\n" + b"pier,120\n" * 20
    yield "json/object.json", b'{"name": "pier", "berths": [1, 2, 3]}\n'
    yield "html/page.html", b"<!DOCTYPE html>\n<html><head><title>pier</title></head><body></body></html>\n"
    yield "xml/feed.xml", b'<?xml version="1.0" encoding="UTF-8"?>\n<feed><entry/></feed>\n'
    yield "txt/utf-8.txt", "Zürich am See\n".encode() * 30
    yield "gzip/a.txt.gz", gzip.compress(b"pier" * 100, mtime=0)
    yield "tar/a.tar", _tar()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"pier"))
    return buffer.getvalue()


ALL = (older, plain, pdfs, written, zips, books, offices, converted, parquets)
