"""ffprobe's names of codecs, by the signs that containers use; hides that each container has its own."""

from __future__ import annotations

from typing import Final

from ingest.media.video.sound import pcm
from ingest.media.video.tracks import UNKNOWN

_PICTURES: Final = {
    "h264": "avc1 avc2 avc3 avc4 dva1 dvav h264 x264 davc vssh",
    "hevc": "hvc1 hev1 hvc2 hev2 dvh1 dvhe hevc h265 x265",
    "vvc": "vvc1 vvi1",
    "av1": "av01 dav1",
    "vp8": "vp08 vp80",
    "vp9": "vp09 vp90",
    "vp6": "vp60 vp61 vp62",
    "vp6f": "vp6f",
    "mpeg4": "mp4v xvid divx dx50 fmp4 3ivx 3iv2 m4s2 mp4s rmp4 dxgm smp4 blz0 uldx",
    "msmpeg4v1": "mpg4 mp41 div1",
    "msmpeg4v2": "mp42 div2",
    "msmpeg4v3": "div3 mp43 div4 div5 div6 ap41 col1 mpg3",
    "h263": "s263 h263 u263 x263",
    "flv1": "flv1",
    "wmv1": "wmv1",
    "wmv2": "wmv2",
    "wmv3": "wmv3 wmvp",
    "vc1": "wvc1 vc-1 wmva wvp2",
    "mpeg1video": "m1v mpg1 mp1v",
    "mpeg2video": "mp2v m2v1 mpg2 mpeg mx3p mx3n mx4p mx4n mx5p mx5n hdv1 hdv2 hdv3 hdv4 hdv5 hdv6 hdv7 hdv8 hdv9 hdva xdv1 xdv2 "
    "xdv3 xdv4 xdv5 xdv6 xdv7 xdv8 xdv9 xdva xd54 xd55 xd59 xd5a xd5b xd5c xd5d xd5e xd5f xdhd xdh2 avmp",
    "mjpeg": "jpeg mjpg mjpa avrn dmb1 avdj ijpg ljpg",
    "mjpegb": "mjpb",
    "jpeg2000": "mjp2 mj2c lj2c lj2k ipj2 avj2",
    "prores": "apch apcn apcs apco ap4h ap4x aprh aprn",
    "dnxhd": "avdn avdh",
    "dvvideo": "dvc dvcp dvpp dv5n dv5p dvhq dvhp dvh2 dvh3 dvh5 dvh6 avdv dv1n dv1p dvsd dvhd dvsl dv25 dv50",
    "cfhd": "cfhd",
    "svq1": "svq1 svqi",
    "svq3": "svq3",
    "cinepak": "cvid",
    "indeo3": "iv31 iv32",
    "indeo5": "iv50",
    "theora": "theo xiph",
    "qtrle": "rle",
    "msrle": "mrle",
    "rpza": "rpza azpr",
    "smc": "smc",
    "png": "png mpng",
    "tiff": "tiff",
    "gif": "gif",
    "bmp": "wraw",
    "huffyuv": "hfyu",
    "ffvhuff": "ffvh",
    "ffv1": "ffv1",
    "utvideo": "ulrg ulra uly0 uly2 uly4 ulh0 ulh2 ulh4",
    "lagarith": "lags",
    "hap": "hap1 hap5 hapy hapa hapm",
    "v210": "v210",
    "v410": "v410",
    "v308": "v308",
    "v408": "v408",
    "r210": "r210",
    "r10k": "r10k",
    "snow": "snow",
    "dirac": "drac bbcd",
    "rawvideo": "raw 2vuy yuvs yuv2 yuy2 uyvy i420 iyuv yv12 2vuy dvoo bgra argb rgba abgr b16g b48r b64a nv12 y800 y8 grey dib",
    "rv30": "rv30",
    "rv40": "rv40",
}
_SOUNDS: Final = {
    "aac": "mp4a aac aacp",
    "mp3": "mp3 .mp3",
    "mp2": ".mp2",
    "ac3": "ac-3 sac3 dac3",
    "eac3": "ec-3",
    "ac4": "ac-4",
    "dts": "dtsc dtsh dtsl dtse dtsx dts+ dts-",
    "truehd": "mlpa",
    "opus": "opus",
    "vorbis": "vorb",
    "flac": "flac",
    "alac": "alac",
    "amr_nb": "samr",
    "amr_wb": "sawb",
    "evrc": "sevc",
    "qcelp": "sqcp qclp qclq",
    "pcm_mulaw": "ulaw",
    "pcm_alaw": "alaw",
    "adpcm_ima_qt": "ima4",
    "mace3": "mac3",
    "mace6": "mac6",
    "gsm": "agsm",
    "qdm2": "qdm2",
    "qdmc": "qdmc",
    "wmav2": "wma2",
    "speex": "spex",
    "mpegh_3d_audio": "mha1 mhm1",
}
_WAVE: Final = {
    0x02: "adpcm_ms",
    0x06: "pcm_alaw",
    0x07: "pcm_mulaw",
    0x0A: "wmavoice",
    0x11: "adpcm_ima_wav",
    0x31: "gsm_ms",
    0x50: "mp2",
    0x55: "mp3",
    0x57: "amr_nb",
    0x58: "amr_wb",
    0xFF: "aac",
    0x28F: "adpcm_g722",
    0x160: "wmav1",
    0x161: "wmav2",
    0x162: "wmapro",
    0x163: "wmalossless",
    0x1600: "aac",
    0x1602: "aac_latm",
    0x1610: "aac",
    0x2000: "ac3",
    0x2001: "dts",
    0x566F: "vorbis",
    0x674F: "vorbis",
    0x6750: "vorbis",
    0x6751: "vorbis",
    0x676F: "vorbis",
    0x704F: "opus",
    0x706D: "aac",
    0xA106: "aac",
    0xF1AC: "flac",
}
_OBJECTS: Final = {
    0x20: "mpeg4",
    0x21: "h264",
    0x23: "hevc",
    0x40: "aac",
    0x60: "mpeg2video",
    0x61: "mpeg2video",
    0x62: "mpeg2video",
    0x63: "mpeg2video",
    0x64: "mpeg2video",
    0x65: "mpeg2video",
    0x66: "aac",
    0x67: "aac",
    0x68: "aac",
    0x69: "mp3",
    0x6A: "mpeg1video",
    0x6B: "mp3",
    0x6C: "mjpeg",
    0x6D: "png",
    0x6E: "jpeg2000",
    0xA3: "vc1",
    0xA5: "ac3",
    0xA6: "eac3",
    0xA9: "dts",
    0xAD: "opus",
    0xB1: "vp9",
    0xC1: "flac",
    0xDD: "vorbis",
    0xE1: "qcelp",
}
"""By objectTypeIndication (the registration authority of MPEG-4, and ffmpeg's own)."""


def _by_sign(names: dict[str, str]) -> dict[str, str]:
    return {sign: name for name, signs in names.items() for sign in signs.split()}


_PICTURE: Final = _by_sign(_PICTURES)
_SOUND: Final = _by_sign(_SOUNDS)


def picture(sign: bytes) -> str:
    """Of four characters, in upper or lower case."""
    return _PICTURE.get(_plain(sign), UNKNOWN)


def sound(sign: bytes) -> str:
    """Of four characters; `ms` and two bytes are a tag of `wave`."""
    if sign[:2] == b"ms":
        return wave(int.from_bytes(sign[2:4]), 16)
    return _SOUND.get(_plain(sign), UNKNOWN)


def wave(tag: int, bits: int) -> str:
    """Of a WAVEFORMATEX: its tag and its bits per sample."""
    if tag == 1:
        return pcm(bits, signed=bits > 8)
    if tag == 3:
        return pcm(bits, real=True)
    return _WAVE.get(tag, UNKNOWN)


def mpeg4(indication: int) -> str | None:
    """Of an objectTypeIndication; None if there is no such one."""
    return _OBJECTS.get(indication)


def _plain(sign: bytes) -> str:
    return sign.decode("latin-1").strip(" \0").lower()
