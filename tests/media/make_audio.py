"""Makes the corpus's sounds with ffmpeg, lame and flac, and mends some by hand into what other programs write."""

from __future__ import annotations

import struct

from tests.media.make_images import noise
from tests.media.making import Made, ffmpeg, picture, saved, tool


def _a(rate: int = 44100, seconds: str = "0.25", channels: int = 1) -> str:
    many = "" if channels == 1 else f"-ac {channels} "
    return f"-f lavfi -i sine=frequency=440:sample_rate={rate}:duration={seconds} {many}"


def wavs() -> Made:
    plain = ffmpeg(_a(8000) + "-c:a pcm_s16le", ".wav")
    yield "wav/mono-16.wav", plain
    yield "wav/stereo-16.wav", ffmpeg(_a(44100, "0.05", 2) + "-c:a pcm_s16le", ".wav")
    yield "wav/24.wav", ffmpeg(_a(48000, "0.05") + "-c:a pcm_s24le", ".wav")
    yield "wav/32.wav", ffmpeg(_a(96000, "0.03") + "-c:a pcm_s32le", ".wav")
    yield "wav/float.wav", ffmpeg(_a(22050, "0.05") + "-c:a pcm_f32le", ".wav")
    yield "wav/double.wav", ffmpeg(_a(22050, "0.05") + "-c:a pcm_f64le", ".wav")
    yield "wav/8.wav", ffmpeg(_a(11025, "0.5") + "-c:a pcm_u8", ".wav")
    yield "wav/a-law.wav", ffmpeg(_a(8000, "0.5") + "-c:a pcm_alaw", ".wav")
    yield "wav/mu-law.wav", ffmpeg(_a(8000, "0.5") + "-c:a pcm_mulaw", ".wav")
    yield "wav/adpcm.wav", ffmpeg(_a(22050) + "-c:a adpcm_ima_wav", ".wav")
    yield "wav/adpcm-ms.wav", ffmpeg(_a(22050) + "-c:a adpcm_ms", ".wav")
    yield "wav/six-channels.wav", ffmpeg(_a(16000, "0.05", 6) + "-c:a pcm_s24le", ".wav")
    yield "wav/rf64.wav", ffmpeg(_a(8000) + "-c:a pcm_s16le -rf64 always", ".wav")
    yield "wav/broadcast.wav", ffmpeg(_a(8000) + "-c:a pcm_s16le -write_bext 1 -metadata description=pier", ".wav")
    yield "wav/mp3-inside.wav", ffmpeg(_a(44100) + "-c:a libmp3lame -b:a 64k", ".wav")
    yield (
        "wav/list-before.wav",
        _chunk_before_data(plain, b"LIST", b"INFOISFT" + struct.pack("<I", 20_001) + noise(20_001) + b"\x00"),
    )
    yield "wav/list-after.wav", _riff(plain[12:] + b"LIST" + struct.pack("<I", 4) + b"INFO")
    yield "wav/odd.wav", _riff(_pcm(8000, 1, 8, bytes(range(101))) + b"\x00" + b"junk" + struct.pack("<I", 2) + b"ab")


def _riff(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WAVE" + body


def _pcm(rate: int, channels: int, bits: int, data: bytes) -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * frame, frame, bits)
    return b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data


def _chunk_before_data(wav: bytes, name: bytes, body: bytes) -> bytes:
    at = wav.index(b"data")
    return _riff(wav[12:at] + name + struct.pack("<I", len(body)) + body + wav[at:])


def flacs() -> Made:
    plain = ffmpeg(_a(44100) + "-c:a flac", ".flac")
    yield "flac/16.flac", plain
    yield "flac/24.flac", ffmpeg(_a(96000, "0.1") + "-c:a flac -sample_fmt s32 -bits_per_raw_sample 24", ".flac")
    yield "flac/stereo.flac", ffmpeg(_a(48000, "0.2", 2) + "-c:a flac", ".flac")
    yield "flac/eight-channels.flac", ffmpeg(_a(48000, "0.05", 8) + "-c:a flac", ".flac")
    cover = saved(picture(90, 90), "PNG") + noise(30_000)
    block = struct.pack(">II", 3, 9) + b"image/png" + struct.pack(">IIIIII", 0, 90, 90, 24, 0, len(cover)) + cover
    yield "flac/cover.flac", plain[:42] + b"\x06" + struct.pack(">I", len(block))[1:] + block + plain[42:]
    wav = ffmpeg(_a(32000) + "-c:a pcm_s16le", ".wav")
    yield "flac/behind-id3.flac", _cover(saved(picture(20, 20), "JPEG"), 4) + plain
    yield "flac/by-flac.flac", tool("flac", "--totally-silent", "{a_wav}", "-o", "{out}/made.flac", a_wav=wav)


def mp3s() -> Made:
    wav = ffmpeg(_a(44100, "1", 2) + "-c:a pcm_s16le", ".wav")
    yield "mp3/constant-128.mp3", _lame(wav, "-b", "128")
    yield "mp3/variable.mp3", _lame(wav, "-V", "4")
    yield "mp3/average.mp3", _lame(wav, "--abr", "96")
    yield "mp3/mono-64.mp3", _lame(wav, "-m", "m", "-b", "64")
    yield "mp3/without-xing.mp3", _lame(wav, "-b", "64", "-t")
    yield "mp3/mpeg-2.mp3", ffmpeg(_a(22050, "1") + "-c:a libmp3lame -b:a 32k", ".mp3")
    yield "mp3/mpeg-2.5.mp3", ffmpeg(_a(8000, "1") + "-c:a libmp3lame -b:a 16k", ".mp3")
    yield "mp3/no-tags.mp3", ffmpeg(_a(48000, "1") + "-c:a libmp3lame -b:a 48k -write_xing 0 -id3v2_version 0", ".mp3")
    yield "mp3/id3v1.mp3", _lame(wav, "-b", "48", "--id3v1-only", "--tt", "Pier", "--ta", "Longshore")
    yield (
        "mp3/id3v2.mp3",
        _lame(wav, "-V", "6", "--id3v2-only", "--tt", "Pier", "--ta", "Longshore", "--pad-id3v2-size", "500"),
    )
    cover = saved(picture(90, 90), "JPEG") + noise(40_000)
    yield "mp3/cover.mp3", _cover(cover, 3) + _lame(wav, "-V", "6")
    yield "mp3/cover-v2.4.mp3", _cover(saved(picture(91, 91), "JPEG"), 4) + _lame(wav, "-b", "48")
    yield "mp3/layer-2.mp2", ffmpeg(_a(48000, "0.5") + "-c:a mp2 -b:a 64k", ".mp2")
    yield "mp3/free-of-info.mp3", _lame(wav, "-b", "32", "-t", "-m", "m")


def _lame(wav: bytes, *words: str) -> bytes:
    return tool("lame", "--quiet", *words, "{a_wav}", "{out}/made.mp3", a_wav=wav)


def _safe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _cover(image: bytes, version: int) -> bytes:
    body = b"\x00image/jpeg\x00\x03\x00" + image
    size = struct.pack(">I", len(body)) if version == 3 else _safe(len(body))
    frame = b"APIC" + size + b"\x00\x00" + body
    return b"ID3" + bytes((version, 0, 0)) + _safe(len(frame)) + frame


def aacs() -> Made:
    yield "aac/stereo.aac", ffmpeg(_a(44100, "0.5", 2) + "-c:a aac -b:a 48k", ".aac")
    yield "aac/mono.aac", ffmpeg(_a(22050, "0.5") + "-c:a aac -b:a 24k", ".aac")
    yield (
        "aac/behind-id3.aac",
        _cover(saved(picture(20, 20), "JPEG"), 4) + ffmpeg(_a(32000, "0.5") + "-c:a aac -b:a 32k", ".aac"),
    )
    yield "aac/long.aac", ffmpeg("-f lavfi -i anoisesrc=duration=8:sample_rate=44100:seed=7 -c:a aac -b:a 64k", ".aac")
    yield "aac/48.aac", ffmpeg(_a(48000, "0.5") + "-c:a aac -b:a 32k", ".aac")
    aac = "-c:a aac -b:a 32k "
    yield "m4a/aac.m4a", ffmpeg(_a() + aac, ".m4a")
    yield "m4a/faststart.m4a", ffmpeg(_a(48000, "0.3", 2) + aac + "-movflags +faststart", ".m4a")
    yield "m4a/alac.m4a", ffmpeg(_a(44100, "0.1") + "-c:a alac", ".m4a")
    yield "m4a/alac-24.m4a", ffmpeg(_a(96000, "0.05") + "-c:a alac -sample_fmt s32p -bits_per_raw_sample 24", ".m4a")
    yield (
        "m4a/fragmented.m4a",
        ffmpeg(_a(seconds="1") + aac + "-movflags +frag_keyframe+empty_moov -frag_duration 200000", ".m4a"),
    )
    cover = saved(picture(90, 90), "PNG")
    yield (
        "m4a/cover.m4a",
        ffmpeg(_a() + "-i {b_png} -map 0:a -map 1:v -c:v copy -disposition:v attached_pic " + aac, ".m4a", b_png=cover),
    )


def oggs() -> Made:
    yield "ogg/vorbis.ogg", ffmpeg(_a() + "-c:a libvorbis", ".ogg")
    yield "ogg/vorbis-stereo.ogg", ffmpeg(_a(48000, "0.5", 2) + "-c:a libvorbis", ".ogg")
    yield "ogg/flac.ogg", ffmpeg(_a(32000) + "-c:a flac", ".ogg")
    yield "ogg/speex.ogg", ffmpeg(_a(16000, "1") + "-c:a libspeex", ".ogg")
    wav = ffmpeg(_a(44100, "0.5", 2) + "-c:a pcm_s16le", ".wav")
    serial = ("-s", "7")
    yield "ogg/by-oggenc.ogg", tool("oggenc", "-Q", *serial, "{a_wav}", "-o", "{out}/made.ogg", a_wav=wav)
    yield (
        "ogg/long-comment.ogg",
        tool(
            "oggenc", "-Q", *serial, "-c", "NOTE=" + noise(15_000).hex(), "{a_wav}", "-o", "{out}/made.ogg", a_wav=wav
        ),
    )
    yield "opus/mono.opus", ffmpeg(_a(48000) + "-c:a libopus -b:a 24k", ".opus")
    yield "opus/stereo.opus", ffmpeg(_a(48000, "1", 2) + "-c:a libopus -b:a 32k", ".opus")
    yield "opus/six-channels.opus", ffmpeg(_a(48000, "0.2", 6) + "-c:a libopus -b:a 96k", ".opus")
    yield "opus/by-opusenc.opus", tool("opusenc", "--quiet", "--serial", "9", "{a_wav}", "{out}/made.opus", a_wav=wav)
    yield "opus/24-kHz.opus", ffmpeg(_a(24000, "0.5") + "-c:a libopus -b:a 16k", ".opus")


def aiffs() -> Made:
    yield "aiff/16.aiff", ffmpeg(_a(8000) + "-c:a pcm_s16be", ".aiff")
    yield "aiff/24.aiff", ffmpeg(_a(44100, "0.05", 2) + "-c:a pcm_s24be", ".aiff")
    yield "aiff/8.aiff", ffmpeg(_a(11025) + "-c:a pcm_s8", ".aiff")
    yield "aiff/little.aifc", ffmpeg(_a(22050, "0.1") + "-c:a pcm_s16le", ".aiff")
    yield "aiff/mu-law.aifc", ffmpeg(_a(8000) + "-c:a pcm_mulaw", ".aiff")
    yield "aiff/sound-first.aiff", _sound_first(ffmpeg(_a(16000, "0.7") + "-c:a pcm_s16be", ".aiff"))


def _sound_first(aiff: bytes) -> bytes:
    """Chunks come in any order: here the header stands behind 22 KB of sound."""
    at, chunks = 12, []
    while at < len(aiff):
        size = struct.unpack_from(">I", aiff, at + 4)[0]
        chunks.append(aiff[at : at + 8 + size + size % 2])
        at += 8 + size + size % 2
    chunks.sort(key=lambda chunk: chunk[:4] != b"SSND")
    return aiff[:12] + b"".join(chunks)


def others() -> Made:
    yield "au/16.au", ffmpeg(_a(8000) + "-c:a pcm_s16be", ".au")
    yield "au/mu-law.au", ffmpeg(_a(8000) + "-c:a pcm_mulaw", ".au")
    yield "caf/16.caf", ffmpeg(_a(16000) + "-c:a pcm_s16le", ".caf")
    yield "caf/alac.caf", ffmpeg(_a() + "-c:a alac", ".caf")
    yield "amr/narrow.amr", b"#!AMR\n" + (b"\x3c" + bytes(31)) * 50
    yield "amr/wide.amr", b"#!AMR-WB\n" + (b"\x44" + bytes(60)) * 50


ALL = (others, wavs, flacs, mp3s, aacs, oggs, aiffs)
