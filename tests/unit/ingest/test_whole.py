"""A body read once: torn anywhere it is the same; changed, cut short or damaged it is none; and memory knows no size."""

from __future__ import annotations

import hashlib
import tracemalloc
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ContentMismatchError, ObjectChangedError, RequestRefusedError, SourceUnavailableError
from config.limits import Limits
from ingest.probe.breaks import Breaks
from ingest.probe.sums import SUMS
from ingest.probe.whole import FIRST_BYTES, HELD_MOST, LAST_BYTES, Whole, read_whole
from tests.fakes.bodies import Bodies, entry_of, head_of

LIMITS = Limits()
MIB = 1 << 20
LONG = bytes(range(256)) * 13_000  # 3.3 MB


async def read(source: Bodies, *, listed: int | None = None, **options: Any) -> Whole:
    entry = entry_of(source.head)
    entry = entry if listed is None else entry._replace(size=listed)
    limits = options.pop("limits", LIMITS)
    slept = options.pop("slept", [])

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return await read_whole(
        source, entry, limits=limits, breaks=Breaks(limits, sleep=sleep, jitter=lambda: 1.0), **options
    )


def stored(body: bytes, algorithm: str, *, kind: str = "FULL_OBJECT", wrong: bool = False, etag: str = "e") -> Bodies:
    going = SUMS[algorithm]()
    going.update(body + b"!" * wrong)
    value = b64encode(going.digest()).decode()
    head = head_of(len(body), etag=etag, checksum_algorithm=algorithm, checksum=value, checksum_type=kind)
    return Bodies.of(body, head=head)


@pytest.mark.acceptance("LS-11", "LS-12")
@given(
    size=st.one_of(st.integers(0, 300), st.integers(0, len(LONG))),
    breaks=st.lists(st.integers(0, MIB), max_size=5),
    piece=st.sampled_from([17_001, 65_536, 262_144]),
)
@settings(max_examples=60, deadline=None)
async def test_wherever_it_is_torn_it_is_the_same(size: int, breaks: list[int], piece: int) -> None:
    body = LONG[:size]
    etag = hashlib.md5(body).hexdigest()
    source = Bodies.of(body, head=head_of(size, etag=etag), breaks=breaks, piece=piece)
    whole = await read(source)
    assert whole.sha256 == hashlib.sha256(body).hexdigest()
    assert (whole.md5, whole.verified) == (etag, "MD5")
    assert whole.pieces[0] == body[:FIRST_BYTES]
    for at, held in whole.pieces.items():
        assert body[at : at + len(held)] == held
    if size > FIRST_BYTES:
        assert max(whole.pieces) + len(whole.pieces[max(whole.pieces)]) == size
        assert len(whole.pieces[max(whole.pieces)]) == LAST_BYTES
    assert {if_match for _, if_match in source.asked} == {etag}
    reached = 0
    for (first, _), length in zip(source.asked, [*breaks, 0], strict=False):
        assert first == reached
        reached += length


@pytest.mark.acceptance("LS-12")
@pytest.mark.parametrize("algorithm", SUMS)
@pytest.mark.parametrize("body", [b"", b"abc", LONG], ids=["empty", "small", "long"])
async def test_every_stored_checksum_is_verified(algorithm: str, body: bytes) -> None:
    assert (await read(stored(body, algorithm))).verified == algorithm
    with pytest.raises(ContentMismatchError, match=rf"{algorithm} is stored as .* bytes give") as caught:
        await read(stored(body, algorithm, wrong=True))
    assert caught.value.code == "ChecksumMismatch"
    assert "s3://bkt/k" in caught.value.message
    assert not caught.value.transient


async def test_a_damaged_body_is_told_by_its_etag_too() -> None:
    source = Bodies.of(b"abd", head=head_of(3, etag=hashlib.md5(b"abc").hexdigest()))
    with pytest.raises(
        ContentMismatchError, match=r"its ETag, taken for an MD5, is stored as 9001.* give 4911.*; storage other than"
    ):
        await read(source)


async def test_an_etag_that_only_looks_like_an_md5_damages_nothing() -> None:
    """What the checksum beside it proves."""
    whole = await read(stored(b"abc", "CRC64NVME", etag="0" * 32))
    assert (whole.verified, whole.md5) == ("CRC64NVME", hashlib.md5(b"abc").hexdigest())


def _upload(body: bytes, each: int) -> str:
    parts = [body[at : at + each] for at in range(0, len(body), each)]
    return f"{hashlib.md5(b''.join(hashlib.md5(part).digest() for part in parts)).hexdigest()}-{len(parts)}"


@pytest.mark.acceptance("LS-12")
async def test_an_upload_in_parts_is_verified_where_its_parts_are_as_usual() -> None:
    body = bytes(8 * MIB) + LONG
    usual = await read(Bodies.of(body, head=head_of(len(body), etag=_upload(body, 8 * MIB))))
    assert (usual.verified, usual.md5) == ("MD5 COMPOSITE", None)
    odd = await read(Bodies.of(body, head=head_of(len(body), etag=_upload(body, 8 * MIB - 4097))))
    assert (odd.verified, odd.md5) == ("SIZE", None)
    assert usual.sha256 == odd.sha256 == hashlib.sha256(body).hexdigest()


async def test_an_etag_of_one_part_proves_and_does_not_refute() -> None:
    of_one = hashlib.md5(hashlib.md5(b"abc").digest()).hexdigest()
    for etag, verified in ((of_one, "MD5 COMPOSITE"), (hashlib.md5(b"abc").hexdigest(), "SIZE"), ("0" * 32, "SIZE")):
        assert (await read(Bodies.of(b"abc", head=head_of(3, etag=f"{etag}-1")))).verified == verified


async def test_a_stored_value_that_is_too_short_for_a_checksum_refutes_nothing() -> None:
    head = head_of(3, checksum_algorithm="CRC32", checksum="AQ==", checksum_type="FULL_OBJECT")
    assert (await read(Bodies.of(b"abc", head=head))).verified == "SIZE"


async def test_composite_checksums_are_verified_likewise() -> None:
    body = bytes(8 * MIB) + LONG
    of_parts = b"".join(hashlib.sha256(part).digest() for part in (body[: 8 * MIB], body[8 * MIB :]))
    value = f"{b64encode(hashlib.sha256(of_parts).digest()).decode()}-2"
    head = head_of(len(body), checksum_algorithm="SHA256", checksum=value, checksum_type="COMPOSITE")
    whole = await read(Bodies.of(body, head=head))
    assert (whole.verified, whole.sha256) == ("SHA256 COMPOSITE", hashlib.sha256(body).hexdigest())


async def test_what_is_encrypted_by_kms_has_no_md5() -> None:
    head = head_of(3, etag="0" * 32, headers={"x-amz-server-side-encryption": "aws:kms"})
    whole = await read(Bodies.of(b"abc", head=head))
    assert (whole.md5, whole.verified) == (None, "SIZE")


async def test_another_size_than_listed_is_a_failure_of_its_own() -> None:
    with pytest.raises(ContentMismatchError, match="5 bytes were listed, and the storage has 3") as caught:
        await read(Bodies.of(b"abc"), listed=5)
    assert caught.value.code == "SizeMismatch"


@pytest.mark.acceptance("LS-11")
async def test_changed_in_mid_body_it_is_never_mixed() -> None:
    changed = head_of(len(LONG), etag="f")
    with pytest.raises(ObjectChangedError):
        await read(Bodies.of(LONG, breaks=[1000], changes=changed))


@pytest.mark.acceptance("LS-11")
async def test_without_an_etag_a_change_is_noticed_by_what_else_is_said() -> None:
    head = head_of(len(LONG), etag="")
    later = head._replace(last_modified="Fri, 02 Jan 2026 00:00:00 GMT")
    assert (await read(Bodies.of(LONG, head=head, breaks=[1000]))).verified == "SIZE"
    with pytest.raises(ObjectChangedError, match="while it was being read"):
        await read(Bodies.of(LONG, head=head, breaks=[1000], changes=later))


async def test_a_server_without_ranges_is_read_from_the_beginning_again() -> None:
    source = Bodies.of(LONG, breaks=[5000], refuse_ranges=True)
    assert (await read(source)).sha256 == hashlib.sha256(LONG).hexdigest()
    assert [first for first, _ in source.asked] == [0, 5000, 0]


async def test_what_breaks_off_too_often_is_given_up() -> None:
    source = Bodies.of(LONG, breaks=[10] * 99)
    with pytest.raises(SourceUnavailableError, match="broke off"):
        await read(source, limits=Limits(body_breaks=3))
    assert [first for first, _ in source.asked] == [0, 10, 20, 30]
    endless = Bodies.of(LONG, breaks=[10, 0] * 99, refuse_ranges=True)
    with pytest.raises(RequestRefusedError):
        await read(endless, limits=Limits(body_breaks=3))


async def test_it_rests_longer_the_less_comes() -> None:
    slept: list[float] = []
    limits = Limits(body_breaks=6, backoff_first_s=1, backoff_most_s=5)
    await read(Bodies.of(LONG, breaks=[9, 0, MIB - 1, 0, MIB, 0]), limits=limits, slept=slept)
    assert slept == [1, 2, 4, 5, 1, 1]


async def test_what_comes_on_spends_no_patience() -> None:
    none = Limits(body_breaks=0)
    assert (await read(Bodies.of(LONG, breaks=[MIB, MIB, MIB]), limits=none)).sha256 == hashlib.sha256(LONG).hexdigest()
    with pytest.raises(SourceUnavailableError):
        await read(Bodies.of(LONG, breaks=[MIB, MIB, MIB - 1]), limits=none)
    again = Bodies.of(LONG, breaks=[MIB, 0, MIB, 0] * 99, refuse_ranges=True)
    with pytest.raises((RequestRefusedError, SourceUnavailableError)):  # it never gets further than before
        await read(again, limits=Limits(body_breaks=4))
    assert len(again.asked) == 6


async def test_what_is_to_be_kept_is_kept_whole() -> None:
    whole = await read(Bodies.of(LONG, breaks=[700_000]), keep=True)
    assert whole.pieces == {0: LONG}


@pytest.mark.acceptance("LS-12")
async def test_memory_knows_no_size() -> None:
    """A gigabyte, torn twice: no more is held of it than of any other."""
    size, block = 1 << 30, bytes(range(256)) * 4096
    head = head_of(size, checksum_algorithm="CRC64NVME", checksum=_crc(block, size // len(block)))
    head = head._replace(checksum_type="FULL_OBJECT")
    source = Bodies(
        head,
        lambda first, last: bytes(memoryview(block)[first % MIB :][: last - first]),
        piece=MIB // 4,
        breaks=[1 << 29],
    )
    await read(Bodies.of(LONG))  # what threads need is loaded once
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        whole = await read(source)
        most = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert whole.verified == "CRC64NVME"
    assert most < HELD_MOST


def _crc(block: bytes, times: int) -> str:
    going = SUMS["CRC64NVME"]()
    for _ in range(times):
        going.update(block)
    return b64encode(going.digest()).decode()
