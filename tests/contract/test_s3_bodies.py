"""Whole bodies from a server that breaks off, changes its mind and keeps another checksum: on each transport."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from config.errors import ContentMismatchError, ObjectChangedError, SourceUnavailableError
from config.limits import Limits
from ingest.model import Entry
from ingest.probe.whole import read_whole
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import Bench, s3_bench
from tests.fakes.s3_cases import small_limits
from tests.fakes.s3_faults import Fault

pytestmark = pytest.mark.usefixtures("transport")
BODY = bytes(range(251)) * 12_000  # 3 MB


def bucket() -> FakeS3:
    s3 = FakeS3()
    s3.create_bucket("bkt")
    return s3


async def listed(bench: Bench) -> Entry:
    return (await bench.client.list_page(prefix=b"o")).entries[0]


@pytest.mark.acceptance("LS-11", "LS-12")
@pytest.mark.parametrize("kind", ["cut", "reset_body", "stall"])
async def test_a_torn_body_goes_on_where_it_broke_off(kind: str) -> None:
    s3 = bucket()
    stored = s3.put("bkt", b"o", BODY, checksum_algorithm="SHA256")
    async with s3, s3_bench(s3, limits=small_limits(idle_s=0.2)) as bench:
        s3.faults.add(Fault(kind=kind, op="get", times=3))
        whole = await read_whole(bench.client, await listed(bench), limits=Limits())
        assert whole.sha256 == hashlib.sha256(BODY).hexdigest()
        assert (whole.md5, whole.verified) == (stored.etag, "SHA256,MD5")
        asked = s3.requests("get")
        assert [one.status for one in asked] == [200, 206, 206, 206]
        assert all(one.headers["if-match"] == f'"{stored.etag}"' for one in asked)
        first = [int(one.headers["range"].removeprefix("bytes=").rstrip("-")) for one in asked[1:]]
        assert sorted(first) == first
        outcomes = [outcome for request, outcome in bench.outcomes if request == "get"]
        assert (len(outcomes), outcomes[-1], "ok" in outcomes[:-1]) == (4, "ok", False)


@pytest.mark.acceptance("LS-11")
async def test_what_was_written_anew_meanwhile_is_not_gone_on_with() -> None:
    s3 = bucket()
    s3.put("bkt", b"o", BODY)
    async with s3, s3_bench(s3) as bench:
        entry = await listed(bench)
        s3.faults.add(Fault(kind="cut", op="get"))
        s3.put("bkt", b"o", BODY[::-1])
        with pytest.raises(ObjectChangedError):
            await read_whole(bench.client, entry, limits=Limits())


async def test_a_version_is_read_by_its_id_also_where_it_goes_on() -> None:
    s3 = bucket()
    s3.put("bkt", b"o", BODY, version_id="v1")
    async with s3, s3_bench(s3) as bench:
        entry = await listed(bench)
        s3.put("bkt", b"o", b"newer", version_id="v2")
        s3.faults.add(Fault(kind="cut", op="get"))
        whole = await read_whole(bench.client, entry, limits=Limits(), version_id="v1")
        assert (whole.sha256, whole.head.version_id) == (hashlib.sha256(BODY).hexdigest(), "v1")
        assert [one.query["versionId"] for one in s3.requests("get")] == [b"v1", b"v1"]


async def test_a_body_that_is_cut_short_with_a_length_to_match_is_too_short() -> None:
    s3 = bucket()
    s3.put("bkt", b"o", BODY)
    async with s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="truncated", op="get"))
        with pytest.raises(ContentMismatchError, match="were listed") as caught:
            await read_whole(bench.client, await listed(bench), limits=Limits())
        assert caught.value.code == "SizeMismatch"


@pytest.mark.acceptance("LS-12")
async def test_a_stored_checksum_that_is_wrong_is_told() -> None:
    s3 = bucket()
    wrong = {"x-amz-checksum-crc64nvme": b64encode(bytes(8)).decode(), "x-amz-checksum-type": "FULL_OBJECT"}
    s3.put("bkt", b"o", BODY, headers=wrong)
    async with s3, s3_bench(s3) as bench:
        with pytest.raises(ContentMismatchError, match=r"GET s3://bkt/o: its CRC64NVME is stored as AAAAAAAAAAA=, "):
            await read_whole(bench.client, await listed(bench), limits=Limits())


async def test_a_body_that_always_breaks_off_is_given_up() -> None:
    s3 = bucket()
    s3.put("bkt", b"o", BODY)
    async with s3, s3_bench(s3) as bench:
        s3.faults.add(Fault(kind="cut", op="get", times=0))
        with pytest.raises(SourceUnavailableError):
            await read_whole(bench.client, await listed(bench), limits=Limits(body_breaks=2))
        assert len(s3.requests("get")) == 4  # the first brought half of it


async def test_an_empty_object_is_read_too() -> None:
    s3 = bucket()
    s3.put("bkt", b"o")
    async with s3, s3_bench(s3) as bench:
        whole = await read_whole(bench.client, await listed(bench), limits=Limits())
        assert (whole.sha256, whole.verified) == (hashlib.sha256().hexdigest(), "MD5")
        assert whole.pieces == {0: b""}
