"""Makes the corpus's films with ffmpeg and mkvmerge, and mends some by hand into what other programs write."""

from __future__ import annotations

import struct

from tests.media.making import Made, ffmpeg, picture, saved, tool


def _v(size: str = "64x48", rate: str = "25", seconds: str = "0.4") -> str:
    return f"-f lavfi -i testsrc=size={size}:rate={rate}:duration={seconds} "


def _a(rate: int = 44100, seconds: str = "0.4") -> str:
    return f"-f lavfi -i sine=frequency=440:sample_rate={rate}:duration={seconds} "


_H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -x264-params sliced-threads=0:sync-lookahead=0 "
_HEVC = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -x265-params log-level=none:pools=none:frame-threads=1 "
_AV1 = "-c:v libaom-av1 -cpu-used 8 -crf 50 -pix_fmt yuv420p "
_VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -crf 50 -b:v 0 -pix_fmt yuv420p "
_AAC = "-c:a aac -b:a 32k "


def mp4s() -> Made:
    yield "mp4/moov-at-end.mp4", ffmpeg(_v() + _a() + _H264 + _AAC, ".mp4")
    yield "mp4/faststart.mp4", ffmpeg(_v("66x50") + _a() + _H264 + _AAC + "-movflags +faststart", ".mp4")
    yield "mp4/silent.mp4", ffmpeg(_v("68x52", "30000/1001") + _H264, ".mp4")
    yield (
        "mp4/fragmented.mp4",
        ffmpeg(
            _v("70x54", "25", "1") + _a(seconds="1") + _H264 + _AAC + "-g 10 -movflags +frag_keyframe+empty_moov",
            ".mp4",
        ),
    )
    yield (
        "mp4/fragmented-indexed.mp4",
        ffmpeg(_v("72x56", "25", "1") + _H264 + "-g 5 -movflags +dash+frag_keyframe+empty_moov+global_sidx", ".mp4"),
    )
    yield (
        "mp4/fragmented-delayed.mp4",
        ffmpeg(_v("74x58", "24", "1") + _H264 + "-g 12 -movflags +frag_keyframe+delay_moov+default_base_moof", ".mp4"),
    )
    for turned in (90, 180, 270):
        yield f"mp4/turned-{turned}.mp4", _turned(ffmpeg(_v("80x44") + _H264, ".mp4"), turned)
    yield (
        "mp4/b-frames.mp4",
        ffmpeg(
            _v("76x60", "50")
            + _a(48000)
            + "-c:v libx264 -preset veryfast -bf 3 -pix_fmt yuv420p -x264-params sliced-threads=0 "
            + _AAC,
            ".mp4",
        ),
    )
    yield "mp4/hevc-hvc1.mp4", ffmpeg(_v("80x64") + _HEVC + "-tag:v hvc1", ".mp4")
    yield "mp4/hevc-hev1.mp4", ffmpeg(_v("82x66", "60") + _HEVC + "-movflags +faststart", ".mp4")
    yield "mp4/av1.mp4", ffmpeg(_v("84x68") + _AV1, ".mp4")
    yield (
        "mp4/av1-opus.mp4",
        ffmpeg(_v("84x68", "60000/1001") + _a(48000) + _AV1 + "-c:a libopus -b:a 24k -strict -2", ".mp4"),
    )
    yield "mp4/vp9.mp4", ffmpeg(_v("86x70") + _VP9, ".mp4")
    yield "mp4/mpeg4-mp3.mp4", ffmpeg(_v("88x72", "15") + _a() + "-c:v mpeg4 -q:v 10 -c:a libmp3lame -b:a 64k", ".mp4")
    yield "mp4/ac3.mp4", ffmpeg(_v("90x74") + _a(48000) + _H264 + "-c:a ac3 -b:a 64k", ".mp4")
    yield "mp4/eac3.mp4", ffmpeg(_v("90x74") + _a(48000) + _H264 + "-c:a eac3 -b:a 64k", ".mp4")
    yield "mp4/flac.mp4", ffmpeg(_v("92x76") + _a(32000) + _H264 + "-c:a flac -strict -2", ".mp4")
    yield "mp4/mjpeg.mp4", ffmpeg(_v("94x78", "10") + "-c:v mjpeg -q:v 20 -pix_fmt yuvj420p", ".mp4")
    yield "mp4/sound-first.mp4", ffmpeg(_v("96x80") + _a() + _H264 + _AAC + "-map 1:a -map 0:v", ".mp4")
    yield (
        "mp4/two-sounds.mp4",
        ffmpeg(_v("98x82") + _a() + _a(22050) + _H264 + _AAC + "-map 0:v -map 1:a -map 2:a", ".mp4"),
    )
    yield "mp4/anamorphic.mp4", ffmpeg(_v("100x84") + _H264 + "-aspect 16:9", ".mp4")
    yield "mp4/brand-m4v.mp4", ffmpeg(_v("102x86") + _a() + _H264 + _AAC + "-f ipod", ".m4v")
    yield "mp4/long.mp4", ffmpeg(_v("16x16", "10", "90") + _H264 + "-qp 51 -g 900 -movflags +faststart", ".mp4")
    yield (
        "mp4/uneven.mp4",
        ffmpeg(_v("60x40", "30", "1") + "-vf select='not(mod(n\\,3))+lt(n\\,9)' -fps_mode vfr " + _H264, ".mp4"),
    )
    yield (
        "mp4/big-at-end.mp4",
        ffmpeg("-f lavfi -i testsrc2=size=320x240:rate=25:duration=1.1 " + _a() + _H264 + "-qp 24 " + _AAC, ".mp4"),
    )
    high = "-c:v libx264 -preset ultrafast -profile:v high422 -pix_fmt yuv422p10le -x264-params sliced-threads=0 "
    yield "mp4/ten-bit.mp4", ffmpeg(_v("62x46") + high, ".mp4")
    yield (
        "mp4/interlaced.mp4",
        ffmpeg(_v("64x64") + _H264 + "-flags +ildct+ilme -x264-params interlaced=1:sliced-threads=0", ".mp4"),
    )
    yield "mp4/six-channels.mp4", ffmpeg(_v("64x48") + _a(48000) + _H264 + "-ac 6 -c:a aac -b:a 96k", ".mp4")
    yield (
        "mp4/subtitled.mp4",
        ffmpeg(_v("66x48") + "-f srt -i {b_srt} " + _H264 + "-c:s mov_text", ".mp4", b_srt=_SUBTITLES),
    )
    yield (
        "mp4/cover.mp4",
        ffmpeg(
            _v("68x48")
            + "-i {b_png} -map 1:v -map 0:v -c:v:0 copy -disposition:v:0 attached_pic -c:v:1 libx264 -preset ultrafast -pix_fmt yuv420p",
            ".mp4",
            b_png=saved(picture(90, 90), "PNG"),
        ),
    )
    at_end = ffmpeg(_v("104x88") + _a() + _H264 + _AAC, ".mp4")
    yield "mp4/long-size.mp4", _long_size(at_end)
    front = ffmpeg(_v("106x90") + _a() + _H264 + _AAC + "-movflags +faststart", ".mp4")
    yield "mp4/free-before.mp4", _free_before(front, 40_000)
    yield "mp4/uuid-before.mp4", _uuid_before(front)


_SUBTITLES = b"1\n00:00:00,000 --> 00:00:00,300\npier\n\n"


def _turned(mp4: bytes, degrees: int, width: int = 80, height: int = 44) -> bytes:
    """The same with a matrix in its first track's header by which players turn it clockwise (ISO 14496-12, 8.3.2)."""
    a, b, x, y = {90: (0, 1, height, 0), 180: (-1, 0, width, height), 270: (0, -1, 0, width)}[degrees]
    at = mp4.index(b"tkhd") + 44
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, -b * one, a * one, 0, x * one, y * one, 1 << 30)
    return mp4[:at] + matrix + mp4[at + 36 :]


def _boxes(body: bytes) -> list[bytes]:
    at, found = 0, []
    while at < len(body):
        size = struct.unpack_from(">I", body, at)[0]
        found.append(body[at : at + size])
        at += size
    return found


def _long_size(mp4: bytes) -> bytes:
    """The mdat's size in 64 bits, where ffmpeg leaves a `free` box of 8 bytes for it."""
    at = mp4.index(b"\x00\x00\x00\x08free")
    size, name = struct.unpack_from(">I4s", mp4, at + 8)
    assert name == b"mdat"
    return mp4[:at] + struct.pack(">I4sQ", 1, b"mdat", size + 8) + mp4[at + 16 :]


def _moved(moov: bytes, by: int) -> bytes:
    """Chunk offsets of all tracks, moved. It looks for the boxes by name, which these small files allow."""
    out, at = bytearray(moov), moov.find(b"stco")
    while at >= 0:
        for number in range(struct.unpack_from(">I", moov, at + 8)[0]):
            place = at + 12 + 4 * number
            struct.pack_into(">I", out, place, struct.unpack_from(">I", moov, place)[0] + by)
        at = moov.find(b"stco", at + 4)
    return bytes(out)


def _before_moov(mp4: bytes, box: bytes) -> bytes:
    first, moov, *rest = _boxes(mp4)
    assert moov[4:8] == b"moov"
    return first + box + _moved(moov, len(box)) + b"".join(rest)


def _free_before(mp4: bytes, length: int) -> bytes:
    return _before_moov(mp4, struct.pack(">I4s", length, b"free") + bytes(length - 8))


def _uuid_before(mp4: bytes) -> bytes:
    return _before_moov(mp4, struct.pack(">I4s", 24 + 3000, b"uuid") + b"longshore-proven" + b"moov" * 750)


def movs() -> Made:
    yield "mov/h264-pcm.mov", ffmpeg(_v() + _a() + _H264 + "-c:a pcm_s16le", ".mov")
    yield (
        "mov/prores.mov",
        ffmpeg(_v("64x48", "24000/1001", "0.1") + "-c:v prores_ks -profile:v 0 -qscale:v 31", ".mov"),
    )
    yield (
        "mov/prores-4444.mov",
        ffmpeg(_v("64x48", "24", "0.1") + "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le -qscale:v 31", ".mov"),
    )
    yield (
        "mov/turned-90.mov",
        _turned(ffmpeg(_v("80x44") + _a() + _H264 + _AAC + "-movflags +faststart", ".mov"), 90),
    )
    yield "mov/turned-270.mov", _turned(ffmpeg(_v("80x44") + _H264, ".mov"), 270)
    yield (
        "mov/mjpeg.mov",
        ffmpeg(_v("50x40", "12") + _a(8000) + "-c:v mjpeg -q:v 20 -pix_fmt yuvj420p -c:a pcm_u8", ".mov"),
    )
    yield "mov/qtrle-24.mov", ffmpeg(_v("40x30", "10") + _a(22050) + "-c:v qtrle -c:a pcm_s24be", ".mov")
    yield "mov/hevc-alac.mov", ffmpeg(_v("80x64") + _a() + _HEVC + "-tag:v hvc1 -c:a alac", ".mov")
    yield "mov/png.mov", ffmpeg(_v("40x30", "5") + "-c:v png", ".mov")
    yield "mov/timecode.mov", ffmpeg(_v("46x34") + _a() + _H264 + _AAC + "-timecode 01:00:00:00", ".mov")
    plain = ffmpeg(_v("48x36") + _a(16000) + _H264 + "-c:a pcm_s16be", ".mov")
    yield "mov/without-ftyp.mov", _without_ftyp(plain)
    yield "3gp/h263.3gp", ffmpeg(_v("176x144", "15") + "-c:v h263 -q:v 31", ".3gp")
    yield "3gp/h264-aac.3gp", ffmpeg(_v("66x44", "15") + _a(8000) + _H264 + _AAC, ".3gp")
    yield "3gp/second.3g2", ffmpeg(_v("68x46", "15") + _a(16000) + _H264 + _AAC + "-f 3g2", ".3g2")


def _without_ftyp(mov: bytes) -> bytes:
    """As QuickTime wrote it before there were brands."""
    first, *rest = _boxes(mov)
    return b"".join(_moved(box, -len(first)) if box[4:8] == b"moov" else box for box in rest)


def matroskas() -> Made:
    yield "mkv/h264-aac.mkv", ffmpeg(_v() + _a() + _H264 + _AAC, ".mkv")
    yield "mkv/hevc-flac.mkv", ffmpeg(_v("66x50", "30000/1001") + _a(48000) + _HEVC + "-c:a flac", ".mkv")
    yield "mkv/mpeg4-mp3.mkv", ffmpeg(_v("68x52", "15") + _a() + "-c:v mpeg4 -q:v 20 -c:a libmp3lame -b:a 48k", ".mkv")
    yield "mkv/ffv1-pcm.mkv", ffmpeg(_v("32x24", "10") + _a(8000) + "-c:v ffv1 -c:a pcm_s16le", ".mkv")
    yield "mkv/av1-opus.mkv", ffmpeg(_v("70x54") + _a(48000) + _AV1 + "-c:a libopus -b:a 24k", ".mkv")
    yield "mkv/vp9-silent.mkv", ffmpeg(_v("72x56", "50") + _VP9, ".mkv")
    yield (
        "mkv/mjpeg-ac3.mkv",
        ffmpeg(_v("74x58", "10") + _a(48000) + "-c:v mjpeg -q:v 25 -pix_fmt yuvj420p -c:a ac3 -b:a 64k", ".mkv"),
    )
    yield (
        "mkv/index-in-front.mkv",
        ffmpeg(_v("76x60") + _a() + _H264 + _AAC + "-cues_to_front 1 -reserve_index_space 400", ".mkv"),
    )
    yield "mkv/live.mkv", ffmpeg(_v("78x62") + _a() + _H264 + _AAC + "-live 1", ".mkv")
    yield "mkv/sound.mka", ffmpeg(_a(seconds="0.7") + "-c:a libvorbis", ".mka")
    plain = ffmpeg(_v("80x64") + _a(32000) + _H264 + _AAC, ".mp4")
    yield (
        "mkv/merged.mkv",
        tool("mkvmerge", "--deterministic", "longshore", "{a_mp4}", "-o", "{out}/made.mkv", a_mp4=plain),
    )
    yield (
        "mkv/attached.mkv",
        tool(
            "mkvmerge",
            "--deterministic",
            "longshore",
            "--attachment-mime-type",
            "image/jpeg",
            "--attach-file",
            "{b_jpg}",
            "{a_mp4}",
            "-o",
            "{out}/made.mkv",
            a_mp4=plain,
            b_jpg=saved(picture(30, 20), "JPEG"),
        ),
    )
    yield (
        "webm/vp8-vorbis.webm",
        ffmpeg(_v() + _a() + "-c:v libvpx -deadline realtime -crf 50 -b:v 50k -c:a libvorbis", ".webm"),
    )
    yield "webm/vp9-opus.webm", ffmpeg(_v("66x50") + _a(48000) + _VP9 + "-c:a libopus -b:a 24k", ".webm")
    yield "webm/av1.webm", ffmpeg(_v("68x52", "24000/1001") + _AV1, ".webm")
    yield "webm/live.webm", ffmpeg(_v("70x54") + _VP9 + "-live 1", ".webm")
    yield (
        "webm/clear.webm",
        ffmpeg(
            "-f lavfi -i color=red@0.5:size=72x56:rate=25:duration=0.2,format=yuva420p -c:v libvpx -deadline realtime -crf 50 -b:v 50k -auto-alt-ref 0 -pix_fmt yuva420p",
            ".webm",
        ),
    )
    yield "webm/sound.webm", ffmpeg(_a(48000) + "-c:a libopus -b:a 24k", ".webm")


def more() -> Made:
    """What was seen to be missing: paths of the parsers that nothing else took."""
    yield (
        "mpegts/mpeg2-interlaced.ts",
        ffmpeg(_v("64x64", "25", "0.3") + "-c:v mpeg2video -q:v 31 -flags +ildct+ilme -aspect 16:9", ".ts"),
    )
    yield "mpegts/sound.ts", ffmpeg(_a(48000) + "-c:a mp2 -b:a 64k", ".ts")
    yield "mkv/subtitled.mkv", ffmpeg(_v("82x64") + "-f srt -i {b_srt} " + _H264 + "-c:s srt", ".mkv", b_srt=_SUBTITLES)
    yield "mkv/turned.mkv", ffmpeg("-i {b_mp4} -c copy", ".mkv", b_mp4=_turned(ffmpeg(_v("80x44") + _H264, ".mp4"), 90))
    yield "mkv/ten-bit.mkv", ffmpeg(_v("84x66") + _HEVC.replace("yuv420p ", "yuv420p10le "), ".mkv")


def others() -> Made:
    yield "avi/mpeg4-mp3.avi", ffmpeg(_v() + _a() + "-c:v mpeg4 -q:v 20 -c:a libmp3lame -b:a 48k", ".avi")
    yield (
        "avi/mjpeg-pcm.avi",
        ffmpeg(_v("50x40", "10", "0.3") + _a(8000, "0.3") + "-c:v mjpeg -q:v 25 -pix_fmt yuvj420p -c:a pcm_u8", ".avi"),
    )
    yield "avi/raw.avi", ffmpeg(_v("24x16", "10", "0.3") + "-c:v rawvideo -pix_fmt bgr24", ".avi")
    yield "avi/h264-ac3.avi", ffmpeg(_v("66x50", "30000/1001") + _a(48000) + _H264 + "-c:a ac3 -b:a 64k", ".avi")
    yield "avi/huffyuv.avi", ffmpeg(_v("32x24", "12", "0.3") + "-c:v huffyuv", ".avi")
    yield "avi/xvid.avi", ffmpeg(_v("68x52", "24") + "-c:v mpeg4 -vtag XVID -q:v 20", ".avi")
    yield "mpegts/h264-aac.ts", ffmpeg(_v() + _a() + _H264 + _AAC, ".ts")
    yield (
        "mpegts/mpeg2-mp2.ts",
        ffmpeg(_v("64x64", "25", "0.3") + _a(48000, "0.3") + "-c:v mpeg2video -q:v 31 -c:a mp2 -b:a 64k", ".ts"),
    )
    yield "mpegts/hevc-ac3.ts", ffmpeg(_v("80x64") + _a(48000) + _HEVC + "-c:a ac3 -b:a 64k", ".ts")
    yield "mpegts/silent.ts", ffmpeg(_v("66x50", "30") + _H264, ".ts")
    yield (
        "mpegts/blu-ray.m2ts",
        ffmpeg(_v("68x52") + _a(48000) + _H264 + "-c:a ac3 -b:a 64k -f mpegts -mpegts_m2ts_mode 1", ".m2ts"),
    )
    yield (
        "mpegts/longer.ts",
        ffmpeg(
            "-f lavfi -i testsrc2=size=160x120:rate=25:duration=3 " + _a(seconds="3") + _H264 + "-qp 34 " + _AAC, ".ts"
        ),
    )
    yield "flv/flv1-mp3.flv", ffmpeg(_v() + _a() + "-c:v flv -q:v 20 -c:a libmp3lame -b:a 48k", ".flv")
    yield "flv/h264-aac.flv", ffmpeg(_v("66x50", "30") + _a() + _H264 + _AAC, ".flv")
    yield "flv/silent.flv", ffmpeg(_v("68x52", "24") + _H264, ".flv")
    yield "flv/indexed.flv", ffmpeg(_v("72x56") + _a() + _H264 + _AAC + "-flvflags add_keyframe_index", ".flv")
    yield "flv/untimed.flv", ffmpeg(_v("74x58") + _a() + _H264 + _AAC + "-flvflags no_duration_filesize", ".flv")
    yield "flv/sound.flv", ffmpeg(_a() + _AAC, ".flv")
    yield "flv/screen.flv", ffmpeg(_v("64x48", "10", "0.3") + _a(22050, "0.3") + "-c:v flashsv -c:a pcm_s16le", ".flv")
    yield "ogv/theora-vorbis.ogv", ffmpeg(_v("64x48") + _a() + "-c:v libtheora -q:v 1 -c:a libvorbis", ".ogv")
    yield "ogv/theora.ogv", ffmpeg(_v("66x50", "30000/1001") + "-c:v libtheora -q:v 1", ".ogv")
    yield (
        "ogv/theora-opus.ogv",
        ffmpeg(_v("70x54", "24") + _a(48000) + "-c:v libtheora -q:v 1 -c:a libopus -b:a 24k", ".ogv"),
    )


def older() -> Made:
    yield "wmv/wmv2-wma.wmv", ffmpeg(_v() + _a() + "-c:v wmv2 -q:v 20 -c:a wmav2 -b:a 32k", ".wmv")
    yield "wmv/silent.wmv", ffmpeg(_v("66x50", "30") + "-c:v wmv1 -q:v 20", ".wmv")
    yield "wmv/sound.wma", ffmpeg(_a() + "-c:a wmav2 -b:a 32k", ".wma")
    yield "mpeg/mpeg1-mp2.mpg", ffmpeg(_v("64x48") + _a(48000) + "-c:v mpeg1video -q:v 31 -c:a mp2 -b:a 32k", ".mpg")
    yield (
        "mpeg/mpeg2-ac3.vob",
        ffmpeg(_v("64x64", "30000/1001") + _a(48000) + "-c:v mpeg2video -q:v 31 -c:a ac3 -b:a 64k -f vob", ".vob"),
    )
    yield "mpeg/silent.mpg", ffmpeg(_v("80x64") + "-c:v mpeg2video -q:v 31", ".mpg")


ALL = (more, older, mp4s, movs, matroskas, others)
