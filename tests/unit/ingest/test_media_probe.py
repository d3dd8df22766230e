"""Depth media asks for first bytes once, for others where they are, and for nothing of another version."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from config.errors import ObjectChangedError
from config.limits import Limits
from ingest.model import Entry
from ingest.probe.first_ranges import FirstRanges
from ingest.probe.looking import Change, look
from ingest.probe.media import MediaProbe
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, new_run, work_all

FILES = Path(__file__).resolve().parents[2] / "media" / "files"
FAR = 3_000_000


def bucket_of(name: str, *, padded: bool = False, etag: str = "e") -> tuple[FakeBucket, Entry]:
    """A bucket with this file; `padded`: its second box lies 3 MB behind its first."""
    body = (FILES / name).read_bytes()
    if padded:
        first = int.from_bytes(body[:4], "big")
        body = body[:first] + FAR.to_bytes(4, "big") + b"free" + bytes(FAR - 8) + body[first:]
    bucket, key = FakeBucket(), name.partition("/")[2].encode()
    bucket.put(key, size=len(body), etag=etag)
    bucket.bodies[key] = body
    return bucket, Entry(key, *bucket.objects[key])


@pytest.mark.acceptance("CO-26")
async def test_a_picture_costs_one_request() -> None:
    bucket, entry = bucket_of("jpeg/camera-utf8.jpg")
    asset = await MediaProbe("b", FirstRanges())(bucket, entry)
    assert bucket.requests == [("get", entry.key)]
    assert (asset.depth, asset.media_type, asset.width, asset.height) == ("media", "image/jpeg", 41, 29)
    assert json.loads(asset.media or "")["kind"] == "image"
    assert asset.content_type == "text/plain"  # what its uploader said stays beside what it is


@pytest.mark.acceptance("CO-26")
async def test_a_film_whose_index_lies_at_its_end_costs_one_more() -> None:
    bucket, entry = bucket_of("mp4/moov-at-end.mp4", padded=True)
    asset = await MediaProbe("b", FirstRanges())(bucket, entry)
    assert bucket.asked("get") == 2
    assert (asset.width, asset.height, asset.duration_s) == (64, 48, 0.4)
    assert "problem" not in json.loads(asset.media or "")


@pytest.mark.acceptance("LS-11")
@pytest.mark.parametrize("etag", ["e", ""])
async def test_a_record_is_of_one_version_even_where_there_are_no_etags(etag: str) -> None:
    bucket, entry = bucket_of("mp4/moov-at-end.mp4", padded=True, etag=etag)

    def before(request: str, key: bytes) -> None:
        if request == "get" and bucket.asked("get") == 2:  # between the two ranges
            size, was, _, storage = bucket.objects[key]
            bucket.objects[key] = (size + 1, was and "e2", "2026-02-02T00:00:00.000Z", storage)
            bucket.bodies[key] += b"\0"

    bucket.before = before
    with pytest.raises(ObjectChangedError):
        await MediaProbe("b", FirstRanges())(bucket, entry)
    bucket, entry = bucket_of("mp4/moov-at-end.mp4", padded=True, etag=etag)
    bucket.before = before
    found = await look(bucket, Change(entry, 1), probe=MediaProbe("b", FirstRanges()))
    assert found.asset is not None
    assert (found.outcome, found.asset.size) == ("added", entry.size + 1)


async def test_what_lies_in_too_many_places_is_said_so_and_costs_no_more_than_three() -> None:
    bucket, entry = bucket_of("jpeg/baseline.jpg")
    chain = b"\xff\xd8" + b"\xff\xe2" + (65_000).to_bytes(2, "big") + bytes(64_998)
    bucket.bodies[entry.key] = chain + (chain[2:] * 40) + bytes(9)
    bucket.put(entry.key, size=len(bucket.bodies[entry.key]))
    asset = await MediaProbe("b", FirstRanges())(bucket, Entry(entry.key, *bucket.objects[entry.key]))
    assert bucket.asked("get") == 3
    assert (asset.media_type, asset.width) == ("image/jpeg", None)
    assert json.loads(asset.media or "")["problem"] == "what it says lies in too many places"


async def test_what_breaks_a_probe_costs_that_object_alone(tmp_path: Path, log: io.StringIO) -> None:
    """Nothing is known to; should anything, it is told once."""
    bucket = FakeBucket()
    for number in range(30):
        bucket.put(b"k%02d" % number)

    def before(request: str, key: bytes) -> None:
        if request == "head" and key in (b"k03", b"k07"):
            raise ValueError("what nobody thought of")

    bucket.before = before
    async with a_catalog(tmp_path, Limits()) as (catalog, _):
        run = await work_all(catalog, bucket, Limits(), await new_run(catalog))
        found = {row["key"]: row["error_code"] for row in await catalog.find_assets(["c"]) if row["state"] == "failed"}
    assert (run.state, found) == ("partial", {b"k03": "Internal", b"k07": "Internal"})
    assert log.getvalue().count("please report it") == 1
