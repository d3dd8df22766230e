"""Depth content: what one body says, in one request; what is damaged, changed or archived."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from config.errors import JobError, ObjectArchivedError
from config.limits import Limits
from ingest.catalog.assets import Asset
from ingest.model import Entry
from ingest.probe import choosing
from ingest.probe.choosing import probe_of
from ingest.probe.content import Bodies, ContentProbe, open_bodies
from ingest.probe.first_ranges import FirstRanges
from ingest.probe.looking import Change, Probed, look
from ingest.wanted import Wanted
from tests.fakes.bucket import FakeBucket
from tests.unit.ingest.test_pictures import saved, scene

LIMITS = Limits(sidecar_bytes=40, image_bytes=300_000)


@pytest.fixture(name="bodies")
async def _bodies() -> AsyncIterator[Bodies]:
    async with open_bodies(LIMITS) as bodies:
        yield bodies


def put(bucket: FakeBucket, key: bytes, body: bytes, **fields: Any) -> None:
    bucket.put(key, size=len(body), etag=hashlib.md5(body).hexdigest(), **fields)
    bucket.bodies[key] = body


async def probed(bucket: FakeBucket, key: bytes, bodies: Bodies, *, perceptual_hash: bool = False) -> Probed:
    probe = ContentProbe(bodies, perceptual_hash=perceptual_hash)
    return await look(bucket, Change(Entry(key, *bucket.objects[key]), 1), probe=probe)


async def seen(bucket: FakeBucket, key: bytes, bodies: Bodies, *, perceptual_hash: bool = False) -> Asset:
    asset = (await probed(bucket, key, bodies, perceptual_hash=perceptual_hash)).asset
    assert asset is not None
    return asset


@pytest.mark.acceptance("CR-03")
async def test_one_request_tells_all_there_is(bodies: Bodies) -> None:
    bucket, body = FakeBucket(), b"hello world\n"
    put(bucket, b"a.bin", body)
    asset = await seen(bucket, b"a.bin", bodies)
    assert (asset.key, asset.size, asset.state, asset.depth) == (b"a.bin", 12, "present", "content")
    assert (asset.sha256, asset.md5) == (hashlib.sha256(body).hexdigest(), hashlib.md5(body).hexdigest())
    assert asset.verified == "MD5"
    assert (asset.content_type, asset.metadata) == ("text/plain", '{"who": "me"}')
    assert asset.perceptual_hash is None
    assert bucket.requests == [("get", b"a.bin")]


async def test_an_empty_object_and_a_folder_are_content_too(bodies: Bodies) -> None:
    bucket = FakeBucket()
    put(bucket, b"empty", b"")
    put(bucket, b"folder/", b"")
    asset = await seen(bucket, b"empty", bodies, perceptual_hash=True)
    assert (asset.sha256, asset.verified, asset.perceptual_hash) == (hashlib.sha256().hexdigest(), "MD5", "")
    assert json.loads(asset.media or "")["kind"] == "empty"
    assert json.loads((await seen(bucket, b"folder/", bodies)).media or "")["kind"] == "folder"
    assert bucket.asked("get") == 2
    assert bucket.asked("head") == 0


@pytest.mark.acceptance("LS-12")
async def test_a_damaged_object_is_a_failure_of_its_own(bodies: Bodies) -> None:
    bucket = FakeBucket()
    put(bucket, b"k", b"right")
    bucket.bodies[b"k"] = b"wrong"
    result = await probed(bucket, b"k", bodies)
    assert (result.outcome, result.error and result.error.code) == ("failed", "ChecksumMismatch")
    assert result.asset is not None
    assert (result.asset.state, result.asset.error_code, result.asset.sha256) == ("failed", "ChecksumMismatch", None)


@pytest.mark.acceptance("LS-11")
async def test_what_changed_meanwhile_is_read_as_the_new_version(bodies: Bodies) -> None:
    bucket = FakeBucket()
    put(bucket, b"k", b"old")

    def change(request: str, _key: bytes) -> None:
        if request == "get" and bucket.asked("get") == 1:
            put(bucket, b"k", b"newer")

    bucket.before = change
    asset = await seen(bucket, b"k", bodies)
    assert (asset.size, asset.sha256) == (5, hashlib.sha256(b"newer").hexdigest())


async def test_what_is_archived_is_not_read(bodies: Bodies) -> None:
    bucket = FakeBucket()
    put(bucket, b"cold", b"x", storage="DEEP_ARCHIVE")
    put(bucket, b"tier", b"x", storage="INTELLIGENT_TIERING")

    def refuse(request: str, _key: bytes) -> None:
        if request == "get":
            raise ObjectArchivedError("archived", code="InvalidObjectState")

    bucket.before = refuse
    assert (await probed(bucket, b"cold", bodies)).outcome == "archived"
    assert (await probed(bucket, b"tier", bodies)).outcome == "failed"  # no header says that it is archived
    assert bucket.requests == [("head", b"cold"), ("get", b"tier"), ("head", b"tier")]


@pytest.mark.parametrize(
    ("key", "body", "kept"),
    [
        (b"a.json", b'{"a": 1}', '{"a": 1}'),
        (b"a.JSON", b"{broken", "{broken"),
        (b"a.jpg.txt", "h\u00e9".encode(), "h\u00e9"),
        (b"a.txt", b"\xef\xbb\xbfwith a mark", "with a mark"),
        (b"a.txt", b"nul\0here", "nulhere"),
        (b"a.txt", b"\xff\xfe", None),
        (b"a.txt", b"x" * 41, None),
        (b"a.txt", b"", None),
        (b"a.bin", b"text", None),
    ],
)
async def test_the_text_of_a_sidecar_is_kept(key: bytes, body: bytes, kept: str | None, bodies: Bodies) -> None:
    bucket = FakeBucket()
    put(bucket, key, body)
    assert (await seen(bucket, key, bodies)).content == kept


async def test_a_picture_gets_its_hash_and_anything_else_none(bodies: Bodies, monkeypatch: pytest.MonkeyPatch) -> None:
    _sniffs_png(monkeypatch)
    bucket, picture = FakeBucket(), saved(scene(1))
    put(bucket, b"a.png", picture)
    put(bucket, b"b.bin", b"no picture")
    put(bucket, b"broken.png", picture[:300])
    put(bucket, b"huge.png", picture + bytes(300_000))
    hashes = {key: await seen(bucket, key, bodies, perceptual_hash=True) for key in bucket.objects}
    assert len(hashes[b"a.png"].perceptual_hash or "") == 16
    assert [hashes[key].perceptual_hash for key in (b"b.bin", b"broken.png", b"huge.png")] == ["", "", ""]
    why = {key: json.loads(asset.media or "{}").get("unhashed") for key, asset in hashes.items()}
    assert why == {
        b"a.png": None,
        b"b.bin": None,
        b"broken.png": "it can't be decoded",
        b"huge.png": "it has more than 300000 bytes",
    }
    assert {asset.state for asset in hashes.values()} == {"present"}


def _sniffs_png(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the parsers know by now."""
    from ingest.media import reading
    from ingest.media.formats import Format

    png = Format("image", "png", "image/png")
    monkeypatch.setattr(reading, "_FAMILIES", (lambda head: png if head.startswith(b"\x89PNG") else None,))


def test_a_worker_that_can_decode_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "can_decode", lambda: False)
    ranges, bodies = FirstRanges(), Bodies()
    assert isinstance(probe_of(Wanted("content"), "b", ranges=ranges, bodies=bodies), ContentProbe)
    with pytest.raises(JobError, match=r"longshore\[images\]"):
        probe_of(Wanted("content", perceptual_hash=True), "b", ranges=ranges, bodies=bodies)
