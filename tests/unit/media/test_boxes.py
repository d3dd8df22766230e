"""Boxes are walked by their headers, end where what they lie in ends, and lead nobody in circles."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.media.boxes import boxes, child, full, within
from ingest.media.view import MalformedError, MoreNeededError, View


def box(kind: bytes, *payload: bytes) -> bytes:
    body = b"".join(payload)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def walked(held: bytes, size: int | None = None) -> list[tuple[bytes, int, int, int]]:
    return [(one.type, one.at, one.body, one.end) for one in boxes(View(size or len(held), {0: held}), 0)]


def test_sizes_of_32_and_64_bits_and_to_the_end() -> None:
    held = (
        box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"free", 20) + b"1234" + struct.pack(">I4s", 0, b"mdat") + b"12"
    )
    assert walked(held) == [(b"ftyp", 0, 8, 12), (b"free", 12, 28, 32), (b"mdat", 32, 40, 42)]


def test_a_payload_is_not_read_to_pass_it() -> None:
    held = struct.pack(">I4sQ", 1, b"mdat", 5_000_000_000)
    with pytest.raises(MoreNeededError) as more:
        walked(held, 5_000_000_100)
    assert (more.value.first, more.value.length) == (5_000_000_000, 100)


def test_an_object_of_unknown_size_is_walked_as_far_as_it_is_held() -> None:
    walk = boxes(View(None, {0: box(b"ftyp", b"isom")}), 0)
    assert next(walk).type == b"ftyp"
    with pytest.raises(MoreNeededError):
        next(walk)


@pytest.mark.parametrize(
    "held",
    [
        struct.pack(">I4s", 4, b"free") + b"1234",
        struct.pack(">I4sQ", 1, b"free", 15),
        struct.pack(">I4s", 16, b"uuid") + b"12345678",
        struct.pack(">I4s", 1, b"free"),
        box(b"free") * 2000,
    ],
    ids=[
        "shorter than its header",
        "64 bits that say 15",
        "a uuid without one",
        "64 bits that aren't there",
        "too many",
    ],
)
def test_what_is_no_box_is_malformed(held: bytes) -> None:
    with pytest.raises(MalformedError):
        walked(held)


def test_a_child_ends_where_its_parent_does() -> None:
    held = box(b"moov", struct.pack(">I4s", 9999, b"mvhd"), b"\x01\x00\x00\x07rest") + box(b"free")
    view = View(len(held), {0: held})
    moov = next(boxes(view, 0))
    mvhd = child(view, moov, b"mvhd")
    assert mvhd is not None
    assert mvhd.end == moov.end
    assert full(view, mvhd) == (1, 7, mvhd.body + 4)
    assert within(mvhd, mvhd.end - 4, 4) == mvhd.end - 4
    with pytest.raises(MalformedError):
        within(mvhd, mvhd.end - 3, 4)
    assert child(view, moov, b"trak", b"mdia") is None


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_forwards(held: bytes) -> None:
    at = 0
    try:
        for one in boxes(View(len(held), {0: held}), 0):
            assert at == one.at < one.body <= one.end <= len(held)
            at = one.end
    except MalformedError:
        pass
