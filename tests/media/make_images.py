"""Makes the corpus's pictures, with Pillow, ImageMagick, libwebp's tools, exiftool and by hand."""

from __future__ import annotations

import importlib
import io
import random
import struct
import zlib
from typing import Any

from PIL import Image, ImageCms

from tests.media.making import Made, exiftool, ffmpeg, picture, saved, tool

_TAKEN = ("-DateTimeOriginal=2024:05:17 18:03:21", "-OffsetTimeOriginal=+02:00")
_PLACE = ("-GPSLatitude=47.376887", "-GPSLatitudeRef=N", "-GPSLongitude=8.541694", "-GPSLongitudeRef=E")
_HEIGHT = ("-GPSAltitude=408.5", "-GPSAltitudeRef=0")
_SOUTH = ("-GPSLatitude=33.856784", "-GPSLatitudeRef=S", "-GPSLongitude=70.215297", "-GPSLongitudeRef=W")
_CAMERA = ("-Make=Longshore", "-Model=Pier 9")


def noise(length: int, seed: int = 1) -> bytes:
    """Bytes that no tool will compress."""
    return random.Random(seed).randbytes(length)


def jpegs() -> Made:
    plain = saved(picture(41, 29), "JPEG", quality=60)
    yield "jpeg/baseline.jpg", plain
    yield "jpeg/progressive.jpg", saved(picture(640, 360), "JPEG", progressive=True, quality=40)
    yield "jpeg/grey.jpg", saved(picture(33, 65, "L"), "JPEG")
    yield "jpeg/cmyk.jpg", saved(picture(50, 40, "CMYK"), "JPEG")
    yield "jpeg/rgb-stored.jpg", saved(picture(30, 20), "JPEG", keep_rgb=True)
    yield "jpeg/444.jpg", saved(picture(17, 19), "JPEG", subsampling=0)
    yield "jpeg/422.jpg", saved(picture(64, 48), "JPEG", subsampling=1)
    yield "jpeg/restart.jpg", saved(picture(120, 80), "JPEG", restart_marker_blocks=4)
    yield "jpeg/comment.jpg", saved(picture(24, 18), "JPEG", comment=b"\xff\xc0 is no frame here " * 40)
    for turned in range(1, 9):
        yield (
            f"jpeg/orientation-{turned}.jpg",
            exiftool(saved(picture(40 + turned, 30), "JPEG"), "jpg", f"-Orientation={turned}"),
        )
    yield "jpeg/exif.jpg", exiftool(plain, "jpg", *_CAMERA, *_TAKEN, "-Orientation=6", *_PLACE, *_HEIGHT)
    yield "jpeg/exif-little.jpg", exiftool(plain, "jpg", "-ExifByteOrder=II", *_CAMERA, *_TAKEN, "-Orientation=3")
    yield (
        "jpeg/exif-big.jpg",
        exiftool(plain, "jpg", "-ExifByteOrder=MM", *_CAMERA, "-DateTimeOriginal=1999:12:31 23:59:59", *_SOUTH),
    )
    below = (*_SOUTH, "-GPSAltitude=12.25", "-GPSAltitudeRef=1")
    yield "jpeg/below-the-sea.jpg", exiftool(plain, "jpg", *below)
    yield "jpeg/subseconds.jpg", exiftool(plain, "jpg", *_TAKEN, "-SubSecTimeOriginal=48")
    yield "jpeg/no-offset.jpg", exiftool(plain, "jpg", "-DateTimeOriginal=2011:02:03 04:05:06")
    yield "jpeg/xmp-first.jpg", _xmp_before_exif(exiftool(plain, "jpg", "-Orientation=8", "-Make=After XMP"))
    yield "jpeg/camera-utf8.jpg", exiftool(plain, "jpg", "-Make=Zürich Optik", "-Model=Ångström 2  ")
    thumbnail = saved(picture(160, 120), "JPEG")
    yield "jpeg/thumbnail.jpg", _with_thumbnail(saved(picture(320, 240), "JPEG", quality=30), thumbnail)
    yield "jpeg/chained.jpg", _chained(exiftool(plain, "jpg", *_CAMERA, *_TAKEN, "-Orientation=5"))
    yield "jpeg/filled.jpg", _filled(plain)
    yield "jpeg/after-its-end.jpg", plain + b"\x00" * 200 + thumbnail
    buffer = io.BytesIO()
    picture(32, 24).save(buffer, "MPO", save_all=True, append_images=[picture(32, 24)])
    yield "jpeg/two-pictures.jpg", buffer.getvalue()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield "jpeg/profile.jpg", saved(picture(44, 33), "JPEG", icc_profile=profile)
    yield "jpeg/arithmetic.jpg", _sof(plain, 0xC9)
    yield "jpeg/large.jpg", saved(Image.new("RGB", (6000, 4000)), "JPEG", quality=1, optimize=True)


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def _xmp_before_exif(jpeg: bytes) -> bytes:
    xmp = b'http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>' + b" " * 2000
    return jpeg[:2] + _segment(0xE1, xmp) + jpeg[2:]


def _with_thumbnail(jpeg: bytes, thumbnail: bytes) -> bytes:
    ifd = b"MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 7, 0, 26)
    ifd += struct.pack(">HHHIHHHHIIHHIII", 3, 0x0103, 3, 1, 6, 0, 0x0201, 4, 1, 68, 0x0202, 4, 1, len(thumbnail), 0)
    assert len(ifd) == 68
    return jpeg[:2] + _segment(0xE1, b"Exif\x00\x00" + ifd + thumbnail) + jpeg[2:]


def _chained(jpeg: bytes) -> bytes:
    """What a camera with a large profile and a maker's notes writes: the frame's header is far behind 64 KB."""
    whole = noise(70_000)
    parts = [whole[at : at + 60_000] for at in range(0, len(whole), 60_000)]
    icc = b"".join(
        _segment(0xE2, b"ICC_PROFILE\x00" + bytes((number, len(parts))) + part) for number, part in enumerate(parts, 1)
    )
    at = 2
    while jpeg[at + 1] in {0xE0, 0xE1}:
        at += 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
    return jpeg[:at] + icc + jpeg[at:]


def _filled(jpeg: bytes) -> bytes:
    """Any number of 0xFF may stand before a marker (T.81, B.1.1.2)."""
    at = 2 + 2 + struct.unpack_from(">H", jpeg, 4)[0]
    return jpeg[:at] + b"\xff" * 7 + jpeg[at:]


def _sof(jpeg: bytes, marker: int) -> bytes:
    at = jpeg.index(b"\xff\xc0")
    return jpeg[: at + 1] + bytes((marker,)) + jpeg[at + 2 :]


def pngs() -> Made:
    yield "png/rgb.png", saved(picture(31, 17), "PNG")
    yield "png/rgba.png", saved(picture(32, 18, "RGBA"), "PNG")
    yield "png/grey.png", saved(picture(33, 19, "L"), "PNG")
    yield "png/grey-alpha.png", saved(picture(34, 20, "LA"), "PNG")
    yield "png/palette.png", saved(picture(35, 21, "P"), "PNG")
    yield "png/palette-clear.png", saved(picture(36, 22, "P"), "PNG", transparency=3)
    yield "png/one-bit.png", saved(picture(37, 23, "1"), "PNG")
    yield "png/four-bit.png", saved(picture(38, 24, "P"), "PNG", bits=4)
    yield "png/grey-16.png", saved(picture(39, 25, "L").convert("I;16"), "PNG")
    yield "png/rgb-16.png", _png(20, 10, 16, 2)
    yield "png/rgba-16.png", _png(21, 11, 16, 6)
    yield (
        "png/interlaced.png",
        tool("convert", "{a_png}", "-interlace", "PNG", "{out}/made.png", a_png=saved(picture(64, 64), "PNG")),
    )
    yield "png/rgb-clear.png", saved(picture(40, 26), "PNG", transparency=(10, 120, 220))
    yield "png/exif.png", exiftool(saved(picture(41, 27), "PNG"), "png", "-Orientation=6", *_CAMERA, *_TAKEN)
    yield "png/exif-at-end.png", _exif_at_end(saved(picture(42, 28), "PNG"))
    yield (
        "png/long-text.png",
        _chunk_after_header(saved(picture(43, 29, "RGBA"), "PNG"), b"tEXt", b"Comment\x00" + noise(30_000)),
    )
    yield "png/huge.png", _png(100_000, 3, 1, 0)
    shown = [picture(50, 40), picture(50, 40).rotate(90), picture(50, 40).rotate(180)]
    yield "apng/three.png", saved(shown[0], "PNG", save_all=True, append_images=shown[1:], duration=100)
    yield (
        "apng/clear.png",
        saved(picture(30, 30, "RGBA"), "PNG", save_all=True, append_images=[picture(30, 30, "RGBA").rotate(90)]),
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(width: int, height: int, bits: int, colour: int) -> bytes:
    row = (width * bits * {0: 1, 2: 3, 6: 4}[colour] + 7) // 8 + 1
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", zlib.compress(bytes(row * height))) + _chunk(b"IEND", b"")


def _chunk_after_header(png: bytes, name: bytes, body: bytes) -> bytes:
    return png[:33] + _chunk(name, body) + png[33:]


def _exif_at_end(png: bytes) -> bytes:
    ifd = b"II\x2a\x00\x08\x00\x00\x00" + struct.pack("<HHHIII", 1, 0x0112, 3, 1, 8, 0)
    return png[:-12] + _chunk(b"eXIf", ifd) + png[-12:]


def gifs() -> Made:
    turned = [picture(48, 36).rotate(angle).quantize(16) for angle in (0, 90, 180, 270)]
    yield "gif/still.gif", saved(picture(45, 31, "P"), "GIF")
    yield "gif/still-87a.gif", b"GIF87a" + saved(picture(46, 32, "P"), "GIF")[6:]
    yield "gif/moving.gif", saved(turned[0], "GIF", save_all=True, append_images=turned[1:], duration=80, loop=0)
    clear = [frame.copy() for frame in turned]
    yield (
        "gif/moving-clear.gif",
        saved(clear[0], "GIF", save_all=True, append_images=clear[1:], transparency=0, disposal=2),
    )
    yield "gif/clear.gif", saved(picture(47, 33, "P"), "GIF", transparency=2)
    yield "gif/comment.gif", saved(picture(49, 34, "P"), "GIF", comment=b"a comment of some length " * 30)
    rough = [Image.frombytes("L", (90, 80), noise(7200, seed)).quantize(64) for seed in range(5)]
    yield "gif/moving-large.gif", saved(rough[0], "GIF", save_all=True, append_images=rough[1:])


def webps() -> Made:
    moving = [picture(40, 44), picture(40, 44).rotate(90), picture(40, 44).rotate(180)]
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 8, "Longshore"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield "webp/lossy.webp", saved(picture(61, 37), "WEBP")
    yield "webp/lossless.webp", saved(picture(62, 38), "WEBP", lossless=True)
    yield "webp/lossy-alpha.webp", saved(picture(63, 39, "RGBA"), "WEBP")
    yield "webp/lossless-alpha.webp", saved(picture(64, 40, "RGBA"), "WEBP", lossless=True)
    yield "webp/moving.webp", saved(moving[0], "WEBP", save_all=True, append_images=moving[1:], duration=50)
    yield "webp/moving-lossless.webp", saved(moving[0], "WEBP", save_all=True, append_images=moving[1:], lossless=True)
    yield "webp/exif.webp", saved(picture(65, 41), "WEBP", exif=exif)
    yield "webp/profile.webp", saved(picture(66, 42), "WEBP", icc_profile=profile)
    yield "webp/place.webp", exiftool(saved(picture(67, 43), "WEBP"), "webp", *_PLACE, *_TAKEN, *_CAMERA)
    rough = Image.frombytes("RGB", (150, 150), noise(67_500))
    yield "webp/exif-far.webp", saved(rough, "WEBP", exif=exif, quality=60)


def bmps() -> Made:
    png = saved(picture(27, 15), "PNG")
    yield "bmp/24.bmp", saved(picture(27, 15), "BMP")
    yield "bmp/32.bmp", saved(picture(28, 16, "RGBA"), "BMP")
    yield "bmp/8.bmp", saved(picture(29, 17, "P"), "BMP")
    yield "bmp/1.bmp", saved(picture(30, 18, "1"), "BMP")
    yield "bmp/old.bmp", tool("convert", "{a_png}", "BMP2:{out}/made.bmp".removeprefix("BMP2:"), a_png=png)
    core = struct.pack("<IHHHH", 12, 9, 7, 1, 24) + bytes(28 * 7)
    yield "bmp/core.bmp", b"BM" + struct.pack("<IHHI", 14 + len(core), 0, 0, 26) + core
    down = struct.pack("<IiiHHIIiiII", 40, 11, -8, 1, 24, 0, 0, 2835, 2835, 0, 0) + bytes(36 * 8)
    yield "bmp/top-down.bmp", b"BM" + struct.pack("<IHHI", 14 + len(down), 0, 0, 54) + down
    flat = saved(picture(31, 19, "P"), "BMP")
    yield "bmp/packed.bmp", tool("convert", "{a_bmp}", "-compress", "RLE", "{out}/made.bmp", a_bmp=flat)
    small = struct.pack("<IiiHHIIiiII", 40, 13, 9, 1, 16, 0, 0, 2835, 2835, 0, 0) + bytes(28 * 9)
    yield "bmp/16.bmp", b"BM" + struct.pack("<IHHI", 14 + len(small), 0, 0, 54) + small


def tiffs() -> Made:
    images = [picture(25, 35), picture(26, 36), picture(27, 37)]
    yield "tiff/little.tif", saved(images[0], "TIFF")
    yield "tiff/big.tif", tool("tiffcp", "-B", "{a_tif}", "{out}/made.tif", a_tif=saved(images[1], "TIFF"))
    yield "tiff/pages.tif", saved(images[0], "TIFF", save_all=True, append_images=images[1:], compression="tiff_lzw")
    yield "tiff/grey.tif", saved(picture(28, 38, "L"), "TIFF")
    yield "tiff/palette.tif", saved(picture(29, 39, "P"), "TIFF")
    yield "tiff/cmyk.tif", saved(picture(30, 40, "CMYK"), "TIFF", compression="tiff_adobe_deflate")
    yield "tiff/lab.tif", saved(Image.new("LAB", (31, 41)), "TIFF")
    yield "tiff/grey-16.tif", saved(picture(32, 42, "L").convert("I;16"), "TIFF")
    yield "tiff/rgba.tif", saved(picture(33, 43, "RGBA"), "TIFF", compression="tiff_lzw")
    yield "tiff/fax.tif", saved(picture(640, 100, "1"), "TIFF", compression="group4")
    yield "tiff/jpeg.tif", saved(picture(64, 48), "TIFF", compression="jpeg")
    yield "tiff/bigtiff.tif", saved(picture(34, 44), "TIFF", big_tiff=True)
    yield (
        "tiff/bigtiff-big.tif",
        tool("tiffcp", "-8", "-B", "{a_tif}", "{out}/made.tif", a_tif=saved(images[2], "TIFF")),
    )
    yield (
        "tiff/tiled.tif",
        tool(
            "tiffcp",
            "-t",
            "-w",
            "32",
            "-l",
            "16",
            "-c",
            "lzw",
            "{a_tif}",
            "{out}/made.tif",
            a_tif=saved(picture(70, 50), "TIFF"),
        ),
    )
    yield (
        "tiff/planar.tif",
        tool(
            "tiffcp", "-p", "separate", "-c", "lzw", "{a_tif}", "{out}/made.tif", a_tif=saved(picture(35, 45), "TIFF")
        ),
    )
    png = saved(picture(64, 48), "PNG")
    yield "tiff/ycbcr.tif", tool("convert", "{a_png}", "-compress", "JPEG", "{out}/made.tif", a_png=png)
    yield "tiff/float.tif", saved(picture(37, 47, "L").convert("F"), "TIFF")
    yield "tiff/white-is-zero.tif", saved(picture(38, 48, "1"), "TIFF", compression="group3")
    exif = exiftool(saved(picture(36, 46), "TIFF"), "tif", *_CAMERA, *_TAKEN, *_PLACE, *_HEIGHT, "-Orientation=6")
    yield "tiff/exif.tif", exif
    rough = Image.frombytes("RGB", (110, 90), noise(29_700))
    yield "tiff/directory-at-end.tif", tool("tiffcp", "{a_tif}", "{out}/made.tif", a_tif=saved(rough, "TIFF"))


def heifs() -> Made:
    heif: Any = importlib.import_module("pillow_heif")
    heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "Longshore", "Pier 9"
    yield "heic/plain.heic", saved(picture(64, 48), "HEIF", quality=30)
    yield "heic/alpha.heic", saved(picture(66, 50, "RGBA"), "HEIF", quality=30)
    yield "heic/grey.heic", saved(picture(68, 52, "L"), "HEIF", quality=30)
    yield "heic/two.heic", saved(picture(70, 54), "HEIF", quality=30, save_all=True, append_images=[picture(32, 32)])
    yield "heic/exif.heic", saved(picture(72, 56), "HEIF", quality=30, exif=exif.tobytes())
    yield "heic/place.heic", exiftool(saved(picture(74, 58), "HEIF", quality=30), "heic", *_PLACE, *_TAKEN, *_CAMERA)
    yield "heic/large.heic", saved(Image.new("RGB", (2048, 1536)), "HEIF", quality=10)
    yield "avif/plain.avif", saved(picture(63, 47), "AVIF", quality=30)
    yield "avif/alpha.avif", saved(picture(65, 49, "RGBA"), "AVIF", quality=30)
    yield "avif/grey.avif", saved(picture(67, 51, "L"), "AVIF", quality=30)
    yield "avif/exif.avif", saved(picture(69, 53), "AVIF", quality=30, exif=exif.tobytes())
    moving = [picture(40, 44), picture(40, 44).rotate(90), picture(40, 44).rotate(180)]
    yield "avif/moving.avif", saved(moving[0], "AVIF", save_all=True, append_images=moving[1:], quality=30)
    yield "avif/camera.avif", exiftool(saved(picture(71, 55), "AVIF", quality=30), "avif", *_TAKEN, *_CAMERA)


def drawings() -> Made:
    space, body = 'xmlns="http://www.w3.org/2000/svg"', '<rect width="5" height="5"/></svg>\n'
    yield "svg/pixels.svg", f'<svg {space} width="120" height="80">{body}'.encode()
    yield "svg/px.svg", f"<svg {space} width='121px' height='81px' viewBox='0 0 12 8'>{body}".encode()
    yield "svg/view-box.svg", f'<?xml version="1.0"?>\n<svg {space} viewBox="0 0 300 150">{body}'.encode()
    kind = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    head = f'<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<!-- a <svg width="1"> in a comment -->\n{kind}\n'
    yield "svg/declared.svg", f'{head}<svg version="1.1" {space}\n  width="64"\n  height="32">{body}'.encode()
    yield (
        "svg/prefix.svg",
        b'<s:svg xmlns:s="http://www.w3.org/2000/svg" width="50" height="60"><s:g/></s:svg>',
    )
    yield "svg/millimetres.svg", f'<svg {space} width="210mm" height="297mm" viewBox="0 0 210 297">{body}'.encode()
    yield "svg/points.svg", f'<svg {space} width="72pt" height="1in">{body}'.encode()
    yield "svg/percent.svg", f'<svg {space} width="100%" height="100%" viewBox="0 0 44 33">{body}'.encode()
    yield "svg/mark.svg", b"\xef\xbb\xbf" + f'<svg {space} height="20" width="10">{body}'.encode()


def photoshops() -> Made:
    yield "psd/rgb.psd", _psd(21, 12, 3, 8, 3)
    yield "psd/grey.psd", _psd(22, 13, 1, 8, 1)
    yield "psd/cmyk.psd", _psd(23, 14, 4, 8, 4)
    yield "psd/sixteen.psd", _psd(24, 15, 3, 16, 3)
    yield "psd/lab.psd", _psd(25, 16, 3, 8, 9)
    yield "psd/palette.psd", _psd(26, 17, 1, 8, 2)
    camera = ("-Orientation=6", *_CAMERA, *_TAKEN)
    yield "psd/exif.psd", exiftool(_psd(28, 19, 3, 8, 3), "psd", *camera)
    yield "psd/large.psb", _psd(27, 18, 3, 8, 3, version=2)


def _psd(width: int, height: int, channels: int, depth: int, mode: int, version: int = 1) -> bytes:
    """By Adobe's "Photoshop File Formats Specification": no resources, no layers, raw data."""
    colours = bytes(768) if mode == 2 else b""
    head = b"8BPS" + struct.pack(">H6xHIIHH", version, channels, height, width, depth, mode)
    layers = bytes(4) if version == 1 else bytes(8)
    return (
        head
        + struct.pack(">I", len(colours))
        + colours
        + bytes(4)
        + layers
        + bytes(2)
        + bytes(channels * width * height * depth // 8)
    )


def others() -> Made:
    icon = picture(64, 64, "RGBA")
    yield "ico/sizes.ico", saved(icon, "ICO", sizes=[(16, 16), (32, 32), (64, 64)])
    yield "ico/one.ico", saved(icon, "ICO", sizes=[(48, 48)])
    yield "jp2/rgb.jp2", saved(picture(61, 47), "JPEG2000")
    yield "jp2/grey.jp2", saved(picture(62, 48, "L"), "JPEG2000")
    yield "jp2/stream.j2k", saved(picture(63, 49), "JPEG2000", no_jp2=True)
    for name, words in {"lossy": "-distance 4", "lossless": "-distance 0"}.items():
        png = saved(picture(65, 51), "PNG")
        yield f"jxl/{name}.jxl", ffmpeg("-i {a_png} -c:v libjxl " + words, ".jxl", a_png=png)


ALL = (others, jpegs, pngs, gifs, webps, bmps, tiffs, heifs, drawings, photoshops)
