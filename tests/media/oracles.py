"""Asks other programs what each file of the corpus is, and writes their answers down in our words (answers.json).

Who is asked about what:

| property | oracle |
|---|---|
| kind, format, type | exiftool's FileType, by FILE_TYPES (what it doesn't know: ffprobe, zipfile, tarfile, ElementTree or pyarrow reads it); of containers, ffprobe says whether there is a picture |
| width, height | Pillow and exiftool, who must agree (Pillow turns TIFFs and AVIFs by their orientation; HEIC, SVG, PSB, JPEG XL: exiftool alone; ICO: Pillow alone; the clean aperture, if there is one); films: ffprobe |
| alpha; frames of PNG, GIF, WebP, TIFF, AVIF | Pillow |
| colour, bit_depth | exiftool's header fields (ColorType, BitsPerSample, PhotometricInterpretation ...); JPEG, GIF, WebP: Pillow's mode; sound: ffprobe |
| orientation, taken_at, camera_*, latitude, longitude, altitude_m | exiftool |
| duration_s, bit_rate, video_codec, audio_codec, frame_rate, rotation, has_audio, sample_rate, channels | ffprobe |
| pages | PDF: exiftool and qpdf, who must agree; office documents: exiftool (Pages, Slides) |
| encrypted | PDF: exiftool's Encryption; ZIP: bit 0 of Python's zipfile |
| entries | Python's zipfile |
| rows, columns | pyarrow |

`python -m tests.media.oracles` asks anew and shows what has changed; EXCEPTIONS says where an oracle is not believed, and why.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from PIL import Image, UnidentifiedImageError

from tests.media.exceptions import EXCEPTIONS

Value = str | int | float | bool | None
Answers = dict[str, Value]
"""Of one file, by the names in `PROPERTIES` and of `Media`."""

FILES: Final = Path(__file__).with_name("files")
RECORDED: Final = Path(__file__).with_name("answers.json")
NEEDED: Final = ("ffprobe", "exiftool", "qpdf")

_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OPEN: Final = "application/vnd.oasis.opendocument."
FILE_TYPES: Final[dict[str, tuple[str, str, str]]] = {
    "JPEG": ("image", "jpeg", "image/jpeg"),
    "PNG": ("image", "png", "image/png"),
    "APNG": ("image", "png", "image/apng"),
    "GIF": ("image", "gif", "image/gif"),
    "WEBP": ("image", "webp", "image/webp"),
    "Extended WEBP": ("image", "webp", "image/webp"),
    "BMP": ("image", "bmp", "image/bmp"),
    "TIFF": ("image", "tiff", "image/tiff"),
    "BTF": ("image", "tiff", "image/tiff"),
    "HEIC": ("image", "heic", "image/heic"),
    "HEIF": ("image", "heif", "image/heif"),
    "AVIF": ("image", "avif", "image/avif"),
    "SVG": ("image", "svg", "image/svg+xml"),
    "PSD": ("image", "psd", "image/vnd.adobe.photoshop"),
    "PSB": ("image", "psd", "image/vnd.adobe.photoshop"),
    "ICO": ("image", "ico", "image/vnd.microsoft.icon"),
    "JP2": ("image", "jp2", "image/jp2"),
    "J2C": ("image", "j2k", "image/j2c"),
    "JXL Codestream": ("image", "jxl", "image/jxl"),
    "JXL": ("image", "jxl", "image/jxl"),
    "MP4": ("video", "mp4", "video/mp4"),
    "M4V": ("video", "m4v", "video/mp4"),
    "M4A": ("audio", "m4a", "audio/mp4"),
    "MOV": ("video", "mov", "video/quicktime"),
    "3GP": ("video", "3gp", "video/3gpp"),
    "3G2": ("video", "3g2", "video/3gpp2"),
    "MKV": ("video", "mkv", "video/matroska"),
    "MKA": ("audio", "mkv", "audio/matroska"),
    "WEBM": ("video", "webm", "video/webm"),
    "AVI": ("video", "avi", "video/x-msvideo"),
    "M2T": ("video", "mpegts", "video/mp2t"),
    "M2TS": ("video", "mpegts", "video/mp2t"),
    "FLV": ("video", "flv", "video/x-flv"),
    "OGV": ("video", "ogg", "video/ogg"),
    "WMV": ("video", "wmv", "video/x-ms-wmv"),
    "WMA": ("audio", "wma", "audio/x-ms-wma"),
    "VOB": ("video", "mpeg", "video/mpeg"),
    "MPEG": ("video", "mpeg", "video/mpeg"),
    "AU": ("audio", "au", "audio/basic"),
    "CAF": ("audio", "caf", "audio/x-caf"),
    "AMR": ("audio", "amr", "audio/amr"),
    "WAV": ("audio", "wav", "audio/wav"),
    "WAV (RF64)": ("audio", "wav", "audio/wav"),
    "FLAC": ("audio", "flac", "audio/flac"),
    "MP3": ("audio", "mp3", "audio/mpeg"),
    "MP2": ("audio", "mp3", "audio/mpeg"),
    "AAC": ("audio", "aac", "audio/aac"),
    "OGG": ("audio", "ogg", "audio/ogg"),
    "OPUS": ("audio", "ogg", "audio/ogg"),
    "AIFF": ("audio", "aiff", "audio/aiff"),
    "AIFC": ("audio", "aiff", "audio/aiff"),
    "PDF": ("document", "pdf", "application/pdf"),
    "ZIP": ("archive", "zip", "application/zip"),
    "DOCX": ("document", "docx", _OFFICE + "wordprocessingml.document"),
    "XLSX": ("document", "xlsx", _OFFICE + "spreadsheetml.sheet"),
    "PPTX": ("document", "pptx", _OFFICE + "presentationml.presentation"),
    "ODT": ("document", "odt", _OPEN + "text"),
    "ODS": ("document", "ods", _OPEN + "spreadsheet"),
    "ODP": ("document", "odp", _OPEN + "presentation"),
    "EPUB": ("document", "epub", "application/epub+zip"),
    "DOC": ("document", "doc", "application/msword"),
    "XLS": ("document", "xls", "application/vnd.ms-excel"),
    "CSV": ("text", "csv", "text/csv"),
    "JSON": ("text", "json", "application/json"),
    "HTML": ("text", "html", "text/html"),
    "XML": ("text", "xml", "application/xml"),
    "TXT": ("text", "txt", "text/plain"),
    "GZIP": ("archive", "gzip", "application/gzip"),
    "TAR": ("archive", "tar", "application/x-tar"),
    "Parquet": ("data", "parquet", "application/vnd.apache.parquet"),
}
"""exiftool's names of formats, in our words."""


def ask(names: Iterable[str]) -> dict[str, Answers]:
    """What the oracles say of these files, exceptions applied. Raises ValueError if two of them disagree."""
    told = _exiftool(list(names))
    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(told, pool.map(_combined, told, told.values()), strict=True))
    for (name, of), (value, _) in EXCEPTIONS.items():
        if name in found:
            found[name] |= {of: value}
            if value is None:
                del found[name][of]
    return {name: dict(sorted(answers.items())) for name, answers in sorted(found.items())}


def _combined(name: str, said: dict[str, Any]) -> Answers:
    path = FILES / name
    kind, form, media_type = _kind(name, said)
    answers: Answers = {"kind": kind, "format": form, "type": media_type}
    if kind == "image":
        answers |= _picture(path, form, said)
    elif kind in {"video", "audio"}:
        answers |= _film(path, kind, answers)
    elif form == "pdf":
        answers |= _pdf(path, said)
    elif form == "parquet":
        answers |= _table(path)
    else:
        answers |= _archive(path, said)
    return answers


def _kind(name: str, said: dict[str, Any]) -> tuple[str, str, str]:
    by_hand = EXCEPTIONS.get((name, "format"))
    if by_hand is not None:
        return next(found for found in FILE_TYPES.values() if found[1] == by_hand[0])
    if said.get("DocType") == "webm":
        return FILE_TYPES["WEBM"]
    if "FileType" in said:
        return FILE_TYPES[said["FileType"]]
    # exiftool knows no Parquet and no TAR, no XML by itself, no ZIP without files, and not every AAC.
    if name.endswith(".parquet"):
        return FILE_TYPES["Parquet"]
    if zipfile.is_zipfile(FILES / name):
        return FILE_TYPES["ZIP"]
    if tarfile.is_tarfile(FILES / name):
        return FILE_TYPES["TAR"]
    if name.endswith(".xml"):
        ET.parse(FILES / name)
        return FILE_TYPES["XML"]
    return FILE_TYPES[_ffprobe(FILES / name)[1]["format_name"].upper()]


def _exiftool(names: list[str]) -> dict[str, dict[str, Any]]:
    words = ["exiftool", "-j", "-n", "-q", "-q", *names]
    out = subprocess.run(words, cwd=FILES, capture_output=True, check=False, timeout=120).stdout
    return {one["SourceFile"]: one for one in json.loads(out)}


# Pictures

_MOVING: Final = frozenset({"png", "gif", "webp", "tiff", "avif"})
_MODES: Final = {"L": "grey", "P": "palette", "RGB": "rgb", "RGBA": "rgb", "CMYK": "cmyk"}


def _picture(path: Path, form: str, said: dict[str, Any]) -> Answers:
    found: Answers = _exif(said)
    width, height = said.get("ImageWidth"), said.get("ImageHeight")
    if "CleanAperture" in said:
        width, height = (int(float(part)) for part in said["CleanAperture"].split()[:2])
    if form == "svg":
        return found | (_svg(said) if "FileType" in said and said["FileType"] == "SVG" else {})
    found |= {"width": width, "height": height}
    try:
        with Image.open(path) as image:
            size = (
                image.size[::-1]
                if form in {"tiff", "avif"} and found.get("orientation", 1) in range(5, 9)
                else image.size
            )
            if form == "ico":  # exiftool shows the first of its pictures, Pillow the largest
                found |= dict(zip(("width", "height"), size, strict=True))
            elif size != (width, height):
                raise ValueError(f"{path}: Pillow says {size}, exiftool {(width, height)}")
            if form not in {"psd", "ico"}:  # whose pictures Pillow always gives an alpha channel, or never
                found["alpha"] = bool(image.has_transparency_data)
            if form in _MOVING:
                found["frames"] = int(getattr(image, "n_frames", 1))
            if form in {"jpeg", "gif", "webp"}:
                found["colour"] = _MODES[image.mode]
    except UnidentifiedImageError:
        pass  # Pillow reads no HEIC, no PSB and no PSD of 16 bits
    colour, depth = _stored(form, said)
    found |= {"colour": colour} if colour else {}
    return found | ({"bit_depth": depth} if depth else {})


def _exif(said: dict[str, Any]) -> Answers:
    found: Answers = {}
    names = {"Orientation": "orientation", "Make": "camera_make", "Model": "camera_model"}
    for theirs, ours in names.items():
        if theirs in said:
            found[ours] = said[theirs].strip() if isinstance(said[theirs], str) else said[theirs]
    if "DateTimeOriginal" in said:
        day, _, time = said["DateTimeOriginal"].partition(" ")
        found["taken_at"] = f"{day.replace(':', '-')}T{time}{said.get('OffsetTimeOriginal', '')}"
    for theirs, ours in {"GPSLatitude": "latitude", "GPSLongitude": "longitude", "GPSAltitude": "altitude_m"}.items():
        if theirs in said:
            found[ours] = float(said[theirs])
    return found


_CSS: Final = {"": 1.0, "px": 1.0, "pt": 96 / 72, "in": 96.0, "mm": 96 / 25.4}
"""Pixels of each unit (CSS Values and Units, 5.2)."""


def _svg(said: dict[str, Any]) -> Answers:
    sizes = [re.fullmatch(r"([\d.]+)([a-z]*)", str(said.get(name, ""))) for name in ("ImageWidth", "ImageHeight")]
    if all(sizes):
        width, height = (float(size[1]) * _CSS[size[2]] for size in sizes if size)
    else:
        width, height = (float(part) for part in said["ViewBox"].split()[2:])
    return {"width": round(width), "height": round(height)}


def _stored(form: str, said: dict[str, Any]) -> tuple[str | None, int | None]:
    """The colour and the bits of one channel, as exiftool reads them from the header."""
    first: Callable[[str], int | None] = lambda name: int(str(said[name]).split()[0]) if name in said else None  # noqa: E731 - of one line
    depth = first("BitsPerSample") or first("BitDepth")
    if form == "jpeg":
        return None, depth
    if form == "png":
        return {0: "grey", 2: "rgb", 3: "palette", 4: "grey", 6: "rgb"}[said["ColorType"]], depth
    if form == "bmp":
        bits = said["BitDepth"]
        return (None, bits) if bits <= 8 else ("rgb", {16: 5, 24: 8, 32: 8}[bits])
    if form == "tiff":
        named = {0: "grey", 1: "grey", 2: "rgb", 3: "palette", 5: "cmyk", 6: "ycbcr", 8: "lab"}
        return named[said["PhotometricInterpretation"]], depth
    if form == "psd":
        return {1: "grey", 2: "palette", 3: "rgb", 4: "cmyk", 9: "lab"}[said["ColorMode"]], depth
    return None, first("ImagePixelDepth") if form in {"heic", "heif", "avif"} else None


# Films and sounds


def _ffprobe(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    words = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(path)]
    said = json.loads(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)
    return said["streams"], said["format"]


def _film(path: Path, kind: str, before: Answers) -> Answers:
    streams, whole = _ffprobe(path)
    pictures = [one for one in streams if one["codec_type"] == "video" and not one["disposition"]["attached_pic"]]
    sounds = [one for one in streams if one["codec_type"] == "audio"]
    found: Answers = {}
    if kind == "video" and not pictures:
        kind = "audio"
        found |= {"kind": "audio", "type": str(before["type"]).replace("video/", "audio/")}
    elif kind == "audio" and pictures:
        kind = "video"
        found |= {"kind": "video", "type": str(before["type"]).replace("audio/", "video/")}
    if "duration" in whole:
        found["duration_s"] = float(whole["duration"])
    if "bit_rate" in whole:
        found["bit_rate"] = int(whole["bit_rate"])
    if kind == "video":
        found |= _shown(pictures[0]) | {"has_audio": bool(sounds)}
    if sounds:
        found |= {"audio_codec": sounds[0]["codec_name"], "channels": sounds[0]["channels"]}
        found |= {"sample_rate": int(sounds[0]["sample_rate"])}
        bits = int(sounds[0].get("bits_per_raw_sample", 0)) or int(sounds[0].get("bits_per_sample", 0))
        if bits and kind == "audio":
            found["bit_depth"] = bits
    return found


def _shown(picture: dict[str, Any]) -> Answers:
    found: Answers = {"video_codec": picture["codec_name"], "width": picture["width"], "height": picture["height"]}
    if not picture["avg_frame_rate"].startswith("0/"):
        found["frame_rate"] = round(float(Fraction(picture["avg_frame_rate"])), 6)
    turned = [int(data["rotation"]) for data in picture.get("side_data_list", []) if "rotation" in data]
    return found | {"rotation": -turned[0] % 360 if turned else 0}


# Documents


def _pdf(path: Path, said: dict[str, Any]) -> Answers:
    found: Answers = {"encrypted": "Encryption" in said}
    if found["encrypted"]:
        return found
    counted = subprocess.run(["qpdf", "--show-npages", str(path)], capture_output=True, check=False, timeout=60)
    pages = int(counted.stdout)
    if said.get("PageCount", pages) != pages:
        raise ValueError(f"{path}: qpdf counts {pages} pages, exiftool {said['PageCount']}")
    return found | {"pages": pages}


def _archive(path: Path, said: dict[str, Any]) -> Answers:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile:
        return {}
    found: Answers = {"entries": len(entries), "encrypted": any(entry.flag_bits & 1 for entry in entries)}
    pages = said.get("Slides", said.get("Pages"))
    return found | ({"pages": int(pages)} if pages else {})


def _table(path: Path) -> Answers:
    parquet: Any = importlib.import_module("pyarrow.parquet")
    head = parquet.read_metadata(path)
    return {"rows": head.num_rows, "columns": head.num_columns, "encrypted": False}


# Recording


def names() -> list[str]:
    """All files of the corpus."""
    return sorted(path.relative_to(FILES).as_posix() for path in FILES.rglob("*") if path.is_file())


def recorded() -> dict[str, Answers]:
    """What was written down."""
    answers: dict[str, Answers] = json.loads(RECORDED.read_text())["answers"]
    return answers


def recorded_with() -> dict[str, str]:
    """The versions of the oracles that were asked."""
    versions: dict[str, str] = json.loads(RECORDED.read_text())["recorded_with"]
    return versions


def versions() -> dict[str, str]:
    """Of the oracles that are installed here."""
    found = {}
    for tool, words in {"ffprobe": "-version", "exiftool": "-ver", "qpdf": "--version"}.items():
        if shutil.which(tool):
            said = subprocess.run([tool, words], capture_output=True, check=True, text=True, timeout=60).stdout
            found[tool] = re.search(r"\d+\.\d+", said)[0]  # type: ignore[index]  # a version has a number
    for package in ("pillow", "pyarrow"):
        if importlib.util.find_spec({"pillow": "PIL"}.get(package, package)):
            found[package] = metadata.version(package).split(".")[0]
    return found


def differences(old: dict[str, Answers], new: dict[str, Answers]) -> list[str]:
    """One line for each property that is not the same."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name, {}), new.get(name, {})
        lines += [
            f"{name} {of}: {was.get(of)!r} -> {now.get(of)!r}"
            for of in sorted(was.keys() | now.keys())
            if was.get(of) != now.get(of)
        ]
    return lines


def main() -> int:
    """Writes answers.json anew, unless a program is missing."""
    with_what = versions()
    missing = sorted({*NEEDED, "pillow", "pyarrow"} - with_what.keys())
    if missing:
        print(f"these are not installed: {', '.join(missing)}. What is recorded stays.", file=sys.stderr)
        return 2
    old = recorded() if RECORDED.exists() and "answers" in json.loads(RECORDED.read_text()) else {}
    new = ask(names())
    body = ",\n".join(f"{json.dumps(name)}: {json.dumps(said, ensure_ascii=False)}" for name, said in new.items())
    RECORDED.write_text(f'{{\n"recorded_with": {json.dumps(with_what)},\n"answers": {{\n{body}\n}}\n}}\n')
    for line in differences(old, new):
        print(line)
    print(f"{len(new)} files, {sum(map(len, new.values()))} answers, {len(EXCEPTIONS)} exceptions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
