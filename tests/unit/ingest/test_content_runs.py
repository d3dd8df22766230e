"""Runs of depth content: what is written, what needs no second reading, and what is read again."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from config.limits import Limits
from ingest.catalog.catalog import Catalog
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, new_run, work_all
from tests.postgres import Kind

LIMITS = Limits(heartbeat_s=60, lease_s=600)


@pytest.fixture(name="catalog")
async def _catalog(tmp_path: Path, kind: Kind) -> AsyncGenerator[Catalog]:
    async with a_catalog(tmp_path, LIMITS, kind=kind) as (catalog, _):
        yield catalog


def put(bucket: FakeBucket, key: bytes, body: bytes, *, damaged: bool = False) -> None:
    bucket.put(key, size=len(body), etag=hashlib.md5(body + b"!" * damaged).hexdigest())
    bucket.bodies[key] = body


async def ingest(catalog: Catalog, bucket: FakeBucket, **job: object) -> tuple[str, dict[str, int], int]:
    """The run's state, its outcomes, and the GETs that it took."""
    bucket.requests.clear()
    run_id = await new_run(catalog, **job)
    run = await work_all(catalog, bucket, LIMITS, run_id)
    totals = (await catalog.run(run_id))[1]
    return run.state, {name: count for name, count in totals.outcomes.items() if count}, bucket.asked("get")


@pytest.mark.acceptance("CR-03", "LS-12")
async def test_what_was_read_once_is_not_read_again(catalog: Catalog) -> None:
    bucket = FakeBucket()
    for number in range(30):
        put(bucket, f"k{number:02}.txt".encode(), b"text %d" % number)
    put(bucket, b"bad", b"body", damaged=True)
    assert await ingest(catalog, bucket) == ("complete", {"added": 31}, 0)
    found = {row["key"]: row for row in await catalog.find_assets(["c"])}
    assert (found[b"k07.txt"]["md5"], found[b"k07.txt"]["sha256"]) == (hashlib.md5(b"text 7").hexdigest(), None)

    assert await ingest(catalog, bucket, depth="content") == ("partial", {"changed": 30, "failed": 1}, 31)
    found = {row["key"]: row for row in await catalog.find_assets(["c"])}
    row = found[b"k07.txt"]
    assert (row["sha256"], row["verified"]) == (hashlib.sha256(b"text 7").hexdigest(), "MD5")
    assert (row["content"], row["perceptual_hash"]) == ("text 7", None)
    assert (found[b"bad"]["state"], found[b"bad"]["error_code"]) == ("failed", "ChecksumMismatch")
    assert row["content_changed_at"] == row["first_seen_at"] <= row["changed_at"]

    put(bucket, b"bad", b"body")
    assert await ingest(catalog, bucket, depth="content") == ("complete", {"changed": 1, "unchanged": 30}, 1)
    assert await ingest(catalog, bucket, depth="media") == ("complete", {"unchanged": 31}, 0)
    asked = await ingest(catalog, bucket, depth="content", perceptual_hash=True)
    assert asked == ("complete", {"unchanged": 31}, 0)  # none of them is a picture
    put(bucket, b"flat.gif", b"GIF89a\1\0\1\0\0\0\0;")
    assert await ingest(catalog, bucket, depth="content") == ("complete", {"added": 1, "unchanged": 31}, 1)
    asked = await ingest(catalog, bucket, depth="content", perceptual_hash=True)
    assert asked == ("complete", {"changed": 1, "unchanged": 31}, 1)
    assert await ingest(catalog, bucket, depth="content", perceptual_hash=True) == ("complete", {"unchanged": 32}, 0)
    told = {row["key"]: row["perceptual_hash"] for row in await catalog.find_assets(["c"])}
    assert (told[b"flat.gif"], told[b"k07.txt"]) == ("", None)
