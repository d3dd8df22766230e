"""Parameter sets of H.264, HEVC and AAC say what was written into them, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.media.video import parameters, sound
from ingest.media.video.bits import Bits
from ingest.media.video.parameters import Picture
from ingest.media.view import MalformedError

pytestmark = pytest.mark.acceptance("CO-26")


class Written:
    """Bits, one after the other."""

    def __init__(self) -> None:
        self.bits = ""

    def put(self, number: int, count: int) -> Written:
        self.bits += f"{number:0{count}b}"
        return self

    def ue(self, *numbers: int) -> Written:
        for number in numbers:
            coded = f"{number + 1:b}"
            self.bits += "0" * (len(coded) - 1) + coded
        return self

    def se(self, *numbers: int) -> Written:
        return self.ue(*(2 * number - 1 if number > 0 else -2 * number for number in numbers))

    def unit(self, head: bytes) -> bytes:
        """With a stop bit, and with the bytes that keep start codes out of it."""
        padded = self.bits + "1"
        padded += "0" * (-len(padded) % 8)
        plain = int(padded, 2).to_bytes(len(padded) // 8)
        kept, zeros = bytearray(), 0
        for byte in plain:
            if zeros == 2 and byte <= 3:
                kept.append(3)
                zeros = 0
            kept.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return head + bytes(kept)


@given(
    numbers=st.lists(st.integers(0, 1 << 31), max_size=6), signed=st.lists(st.integers(-(1 << 30), 1 << 30), max_size=6)
)
def test_numbers_come_back(numbers: list[int], signed: list[int]) -> None:
    bits = Bits(Written().ue(*numbers).se(*signed).unit(b"").replace(b"\0\0\3", b"\0\0"))
    assert [bits.ue() for _ in numbers] == numbers
    assert [bits.se() for _ in signed] == signed


@pytest.mark.parametrize("held", [b"", bytes(3), bytes(200)])
def test_numbers_that_never_begin(held: bytes) -> None:
    with pytest.raises(MalformedError):
        Bits(held).ue()


@given(
    profile=st.sampled_from((66, 77, 88, 100, 110, 122, 244)),
    chroma=st.integers(0, 3),
    scaled=st.booleans(),
    order=st.sampled_from((0, 1, 2)),
    size=st.tuples(st.integers(4, 300), st.integers(4, 300)),
    fields=st.booleans(),
    cropped=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)) | st.none(),
    shape=st.sampled_from((None, 1, 255)),
    timing=st.tuples(st.integers(1, 5000), st.integers(1, 500_000)) | st.none(),
)
def test_h264(
    *,
    profile: int,
    chroma: int,
    scaled: bool,
    order: int,
    size: tuple[int, int],
    fields: bool,
    cropped: tuple[int, int, int, int] | None,
    shape: int | None,
    timing: tuple[int, int] | None,
) -> None:
    made = Written().put(profile, 8).put(0, 16).ue(0)
    high = profile in {100, 110, 122, 244}
    if high:
        made.ue(chroma)
        if chroma == 3:
            made.put(0, 1)
        made.ue(0, 0).put(0, 1).put(scaled, 1)
        if scaled:
            for index in range(12 if chroma == 3 else 8):
                made.put(1, 1).se(-8) if index % 3 else made.put(1, 1).se(*[1, -1] * (8 if index < 6 else 32))
    made.ue(0, order)
    if order == 0:
        made.ue(4)
    elif order == 1:
        made.put(0, 1).se(-3, 5).ue(2).se(1, -1)
    made.ue(4).put(0, 1).ue(size[0] - 1, size[1] - 1).put(not fields, 1)
    if fields:
        made.put(1, 1)
    made.put(1, 1).put(cropped is not None, 1).ue(*cropped or ())
    made.put(1, 1).put(shape is not None, 1)
    if shape is not None:
        made.put(shape, 8)
    if shape == 255:
        made.put(0, 32)
    made.put(1, 1).put(0, 1).put(1, 1).put(5, 3).put(0, 1).put(1, 1).put(1, 24).put(1, 1).ue(0, 0).put(
        timing is not None, 1
    )
    if timing is not None:
        made.put(timing[0], 32).put(timing[1], 32).put(1, 1)
    left, right, top, bottom = cropped or (0, 0, 0, 0)
    format_ = chroma if high else 1
    rows = 2 if fields else 1
    width = 16 * size[0] - (left + right) * (2 if format_ in {1, 2} else 1)
    height = 16 * size[1] * rows - (top + bottom) * (2 if format_ == 1 else 1) * rows
    rate = None if timing is None else timing[1] / (2 * timing[0])
    assert parameters.h264(made.unit(b"\x67")) == Picture(width, height, rate)


@given(
    layers=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6),
    chroma=st.integers(0, 3),
    size=st.tuples(st.integers(64, 9000), st.integers(64, 9000)),
    cropped=st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 7), st.integers(0, 7)) | st.none(),
)
def test_hevc(
    layers: list[tuple[bool, bool]], chroma: int, size: tuple[int, int], cropped: tuple[int, int, int, int] | None
) -> None:
    made = Written().put(0, 4).put(len(layers), 3).put(1, 1).put(1, 88).put(93, 8)
    for profile, level in layers:
        made.put(profile, 1).put(level, 1)
    if layers:
        made.put(0, 2 * (8 - len(layers)))
    for profile, level in layers:
        if profile:
            made.put(1, 88)
        if level:
            made.put(60, 8)
    made.ue(0, chroma)
    if chroma == 3:
        made.put(0, 1)
    made.ue(*size).put(cropped is not None, 1).ue(*cropped or ()).ue(0, 0)
    left, right, top, bottom = cropped or (0, 0, 0, 0)
    expected = Picture(
        size[0] - (left + right) * (2 if chroma in {1, 2} else 1), size[1] - (top + bottom) * (2 if chroma == 1 else 1)
    )
    assert parameters.hevc(made.unit(b"\x42\1")) == expected


@given(st.binary(max_size=100))
def test_any_bytes_are_a_size_or_malformed(held: bytes) -> None:
    for parse in (parameters.h264, parameters.hevc, parameters.mpeg, parameters.avcc, parameters.hvcc):
        try:
            found = parse(held)
        except MalformedError:
            continue
        assert found.width > 0
        assert found.height > 0


@given(rate=st.integers(0, 12), channels=st.integers(1, 6), kind=st.sampled_from((2, 5, 29, 42)), exact=st.booleans())
def test_aac(*, rate: int, channels: int, kind: int, exact: bool) -> None:
    rates = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

    def put_rate() -> None:
        made.put(15, 4).put(rates[rate], 24) if exact else made.put(rate, 4)

    made = Written()
    made.put(31, 5).put(kind - 32, 6) if kind > 31 else made.put(kind, 5)
    put_rate()
    made.put(channels, 4)
    if kind in {5, 29}:
        put_rate()
        made.put(2, 5)
    made.put(0, 24)
    found = sound.aac(made.unit(b"").replace(b"\0\0\3", b"\0\0"))
    assert (found.rate, found.channels) == (rates[rate], 2 if (kind, channels) == (29, 1) else channels)
