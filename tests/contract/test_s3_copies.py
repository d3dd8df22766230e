"""Copies on the server's side: the version that was probed, whole or not at all, and never without saying what went wrong."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from structlog.testing import capture_logs

from config.errors import (
    AccessDeniedError,
    BucketMissingError,
    LongshoreError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectMissingError,
    ProtocolError,
    RequestRefusedError,
    SourceUnavailableError,
    StsUnavailableError,
)
from config.limits import Limits
from credentials.session import Session
from ingest.events import Event, RequestMade
from ingest.gate import Gates
from ingest.s3.address import Location
from ingest.s3.asker import Asker
from ingest.s3.copying import Original, S3Copier
from ingest.s3.http import open_http
from ingest.s3.results import Written
from tests.fakes.s3 import FakeS3
from tests.fakes.s3_access import FakeAccess, chosen, loopback, role_access
from tests.fakes.s3_faults import Fault, error_document
from tests.fakes.s3_store import Stored
from tests.fakes.sts import OPERATOR_KEY, OPERATOR_SECRET
from tests.servers import moto_server

pytestmark = pytest.mark.usefixtures("transport")

GIB = 1024**3
MIB = 1024**2
ODD = "a b+c/\u00fcber%2F?x=1&y#z".encode()
TARGET = b"copies/" + ODD


@functools.cache
def _session() -> Any:
    return get_session()


class Desk:
    """A copier in front of a server, and what it asked for."""

    def __init__(self, copier: S3Copier, events: list[Event]) -> None:
        self.copier, self.events = copier, events

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(event.request, event.outcome) for event in self.events if isinstance(event, RequestMade)]


@asynccontextmanager
async def desk(url: str, *, access: FakeAccess | None = None, **limits: Any) -> AsyncGenerator[Desk]:
    events: list[Event] = []
    bounds = Limits(**{"attempts": 2, "backoff_first_s": 0.001, **limits})
    async with open_http(bounds, chosen.kind, look_up=loopback) as http:
        asker = Asker(
            http=http,
            gates=Gates(bounds),
            access=access or FakeAccess(),
            location=Location(bucket="ours", region="us-east-1", endpoint=url),
            limits=bounds,
            observe=events.append,
        )
        yield Desk(S3Copier(asker), events)


def cloud(**fields: Any) -> FakeS3:
    s3 = FakeS3()
    s3.create_bucket("acme")
    s3.create_bucket("ours", **fields)
    return s3


def original(stored: Stored, key: bytes = ODD, **fields: Any) -> Original:
    return Original("acme", key, stored.size, stored.etag, **fields)


@pytest.mark.acceptance("CG-10")
@pytest.mark.parametrize("tags", [False, True])
async def test_a_copy_has_the_bytes_metadata_and_checksum_of_the_original(tags: bool) -> None:
    async with cloud() as s3, desk(s3.url) as at:
        put = s3.put(
            "acme",
            ODD,
            b"12345",
            content_type="image/png",
            metadata={"camera": "A7"},
            tags={"a": "1"},
            checksum_algorithm="CRC32",
        )
        written = await at.copier.copy(original(put, checksum_algorithm="CRC32"), TARGET, tags=tags)
        made = s3.buckets["ours"].objects[TARGET]
        assert (made.body, made.content_type, made.metadata) == (b"12345", "image/png", {"camera": "A7"})
        assert made.tags == ({"a": "1"} if tags else {})
        assert written == Written(put.etag, "CRC32", put.checksum, "FULL_OBJECT")
        assert at.outcomes == [("copy", "ok")]
        headers = s3.requests("copy")[0].headers
        assert headers["x-amz-copy-source-if-match"] == f'"{put.etag}"'
        assert headers["x-amz-checksum-algorithm"] == "CRC32"


async def test_another_version_is_never_copied() -> None:
    async with cloud() as s3, desk(s3.url) as at:
        before = s3.put("acme", ODD, b"before")
        s3.put("acme", ODD, b"after")
        with pytest.raises(ObjectChangedError):
            await at.copier.copy(original(before), TARGET, tags=False)
        assert not s3.buckets["ours"].objects
        s3.delete("acme", ODD)
        with pytest.raises(ObjectMissingError):
            await at.copier.copy(original(before), TARGET, tags=False)


async def test_another_version_with_the_same_bytes_is_another_version() -> None:
    """Its metadata may be another one: If-Match says nothing of that."""
    async with cloud() as s3, desk(s3.url) as at:
        s3.buckets["acme"].versioned = True
        before = s3.put("acme", ODD, b"same", metadata={"v": "1"}, size=GIB)
        await at.copier.copy(original(before, probed=before.version_id), TARGET, tags=False)
        s3.put("acme", ODD, b"same", metadata={"v": "2"}, size=GIB)
        for copying in (
            at.copier.copy(original(before, probed=before.version_id), TARGET, tags=False),
            at.copier.copy_in_parts(original(before, probed=before.version_id), TARGET, headers={}),
        ):
            with pytest.raises(ObjectChangedError):
                await copying
        assert not s3.uploads


async def test_a_version_that_is_named_is_the_one_that_is_copied() -> None:
    async with cloud() as s3, desk(s3.url) as at:
        s3.buckets["acme"].versioned = True
        before = s3.put("acme", ODD, b"before")
        s3.put("acme", ODD, b"after")
        await at.copier.copy(original(before, version_id=before.version_id), TARGET, tags=False)
        assert s3.buckets["ours"].objects[TARGET].body == b"before"


async def test_an_answer_of_200_may_be_an_error_and_is_tried_again() -> None:
    async with cloud() as s3, desk(s3.url) as at:
        put = s3.put("acme", ODD, b"12345")
        s3.faults.add(Fault(kind="error", op="copy", status=200, code="InternalError"))
        await at.copier.copy(original(put), TARGET, tags=False)
        assert at.outcomes == [("copy", "InternalError"), ("copy", "ok")]
        blank = "  \n\n" + error_document("AccessDenied", "Access Denied").decode()
        s3.faults.add(Fault(kind="answer", op="copy", status=200, body=blank))
        with pytest.raises(AccessDeniedError):
            await at.copier.copy(original(put), TARGET, tags=False)


@pytest.mark.parametrize(
    "body", ["", "<html/>", "<CopyObjectResult/>", "<CopyPartResult><ETag>a</ETag></CopyPartResult>", "<CopyObjectRes"]
)
async def test_an_answer_that_is_no_result_is_no_copy(body: str) -> None:
    async with cloud() as s3, desk(s3.url, attempts=1) as at:
        put = s3.put("acme", ODD, b"12345")
        s3.faults.add(Fault(kind="answer", op="copy", status=200, body=body, times=0))
        with pytest.raises(ProtocolError):
            await at.copier.copy(original(put), TARGET, tags=False)


async def test_a_copy_may_take_longer_than_other_requests_whether_it_says_nothing_or_blanks() -> None:
    """Its patience is its own: neither the first byte nor the silence between two pieces is held to what others may take."""
    limits: dict[str, Any] = {"first_byte_s": 0.2, "idle_s": 0.05, "request_s": 0.2, "attempts": 1}
    async with cloud() as s3, desk(s3.url, copy_s=20, **limits) as at:
        put = s3.put("acme", ODD, b"12345")
        s3.faults.add(Fault(kind="delay", op="copy", seconds=0.35))
        await at.copier.copy(original(put), TARGET, tags=False)
        s3.faults.add(Fault(kind="blank", op="copy", seconds=0.12))
        await at.copier.copy(original(put), TARGET, tags=False)
    async with cloud() as s3, desk(s3.url, copy_s=0.1, **limits) as at:
        put = s3.put("acme", ODD, b"12345")
        for kind in ("delay", "blank"):
            s3.faults.add(Fault(kind=kind, op="copy", times=2))
            with pytest.raises(SourceUnavailableError):
                await at.copier.copy(original(put), TARGET, tags=False)
        s3.faults.release()


@pytest.mark.parametrize("size", [5 * GIB + 1, 5 * 10**12])
async def test_a_huge_object_is_copied_in_no_more_than_ten_thousand_parts(size: int) -> None:
    async with cloud() as s3, desk(s3.url, copy_part_bytes=5 * GIB) as at:
        put = s3.put("acme", ODD, b"begin", size=size, checksum_algorithm="CRC32")
        with pytest.raises(RequestRefusedError):
            await at.copier.copy(original(put), TARGET, tags=False)
        headers = {"content-type": "image/png", "x-amz-meta-camera": "A7", "x-amz-tagging": "a=1&b=%2F"}
        source = original(put, checksum_algorithm="CRC32", checksum=put.checksum, checksum_type="FULL_OBJECT")
        written = await at.copier.copy_in_parts(source, TARGET, headers=headers)
        made = s3.buckets["ours"].objects[TARGET]
        assert (made.size, made.content_type, made.metadata, made.tags) == (
            size,
            "image/png",
            {"camera": "A7"},
            {"a": "1", "b": "/"},
        )
        assert (written.checksum, written.checksum_type) == (put.checksum, "FULL_OBJECT")
        assert len(s3.requests("copy_part")) <= 10_000
        assert not s3.uploads


@pytest.mark.parametrize("op", ["copy_part", "complete_upload"])
async def test_an_upload_that_fails_is_given_up(op: Any) -> None:
    async with cloud() as s3, desk(s3.url) as at:
        put = s3.put("acme", ODD, b"begin", size=2 * GIB)
        s3.faults.add(Fault(kind="error", op=op, status=403, code="AccessDenied", times=0))
        with pytest.raises(AccessDeniedError):
            await at.copier.copy_in_parts(original(put), TARGET, headers={})
        assert not s3.uploads
        assert TARGET not in s3.buckets["ours"].objects


async def test_an_object_that_changes_between_two_parts_is_no_copy() -> None:
    async with cloud() as s3, desk(s3.url, copy_parts_at_once=1, copy_part_bytes=GIB) as at:
        put = s3.put("acme", ODD, b"begin", size=4 * GIB)
        s3.faults.add(Fault(kind="delay", op="copy_part", nth=2))
        copying = asyncio.create_task(at.copier.copy_in_parts(original(put), TARGET, headers={}))
        await s3.faults.reached("delay")
        s3.put("acme", ODD, b"another", size=4 * GIB)
        s3.faults.release()
        with pytest.raises(ObjectChangedError):
            await copying
        assert not s3.uploads
        assert TARGET not in s3.buckets["ours"].objects


async def test_an_upload_that_is_cancelled_is_given_up() -> None:
    async with cloud() as s3, desk(s3.url) as at:
        put = s3.put("acme", ODD, b"begin", size=2 * GIB)
        s3.faults.add(Fault(kind="delay", op="copy_part", times=0))
        copying = asyncio.create_task(at.copier.copy_in_parts(original(put), TARGET, headers={}))
        await s3.faults.reached("delay")
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        assert not s3.uploads
        s3.faults.release()


async def test_what_can_not_be_given_up_does_not_hide_why_it_failed() -> None:
    async with cloud() as s3, desk(s3.url) as at:
        put = s3.put("acme", ODD, b"begin", size=2 * GIB)
        s3.faults.add(Fault(kind="error", op="copy_part", status=403, code="AccessDenied", times=0))
        s3.faults.add(Fault(kind="error", op="abort_upload", status=500, code="InternalError", times=0))
        with pytest.raises(AccessDeniedError):
            await at.copier.copy_in_parts(original(put), TARGET, headers={})


async def test_what_is_said_to_be_done_is_looked_at() -> None:
    """A storage may say so, and have written nothing, less, or have another object there."""
    async with cloud() as s3, desk(s3.url) as at:
        put = s3.put("acme", ODD, b"begin", size=GIB)

        def answers(etag: str) -> None:
            body = f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>"
            s3.faults.add(Fault(kind="answer", op="complete_upload", status=200, body=body))

        for there, etag, why in (
            (None, "zzz-4", "nothing is there"),
            ((b"less", f"{'0' * 32}-4"), "zzz-4", "the copy has 4 bytes"),
            ((b"begin", f"{'0' * 32}-3"), "zzz-4", "one of 3 parts"),
            ((b"begin", f"{'0' * 32}-4"), f"{'1' * 32}-4", "ETag"),
        ):
            if there is not None:
                s3.put("ours", TARGET, there[0], etag=there[1], size=GIB if there[0] == b"begin" else None)
            answers(etag)
            with pytest.raises(RequestRefusedError, match=why) as caught:
                await at.copier.copy_in_parts(original(put), TARGET, headers={})
            assert caught.value.code == "CopyDiffers"
            assert not s3.uploads
        await at.copier.copy_in_parts(original(put), TARGET, headers={})
        assert at.outcomes[-1] == ("head", "ok")


async def test_a_completion_whose_answer_was_lost_is_found_done() -> None:
    async with cloud() as s3, desk(s3.url) as at:
        put = s3.put("acme", ODD, b"begin", size=GIB)
        s3.faults.add(Fault(kind="reset_body", op="complete_upload"))
        written = await at.copier.copy_in_parts(original(put), TARGET, headers={})
        assert written.etag == s3.buckets["ours"].objects[TARGET].etag
        assert [outcome for outcome in at.outcomes if outcome[1] != "ok"][-1] == ("copy", "NoSuchUpload")
        assert at.outcomes[-1] == ("head", "ok")
        # what lies there from before is not what this upload made
        s3.put("acme", ODD, b"other", size=GIB)
        put = s3.buckets["acme"].objects[ODD]
        gone = Fault(kind="error", op="complete_upload", status=404, code="NoSuchUpload", times=0)
        s3.faults.add(gone)
        with pytest.raises(RequestRefusedError) as caught:
            await at.copier.copy_in_parts(original(put), TARGET, headers={})
        assert caught.value.code == "NoSuchUpload"


async def test_no_session_to_give_an_upload_up_with_does_not_hide_why_it_failed() -> None:
    """And it is said that one may be left, and what to do."""

    class Ending(FakeAccess):
        async def session(self, *, min_remaining_s: float = 0.0) -> Session:
            if failed.seen:
                raise StsUnavailableError
            return await super().session(min_remaining_s=min_remaining_s)

    async with cloud() as s3, desk(s3.url, access=Ending(), copy_part_bytes=GIB) as at:
        put = s3.put("acme", ODD, b"begin", size=GIB)
        failed = s3.faults.add(Fault(kind="error", op="copy_part", status=403, code="AccessDenied", times=0))
        with capture_logs() as logs, pytest.raises(AccessDeniedError) as caught:
            await at.copier.copy_in_parts(original(put), TARGET, headers={})
        assert "an upload may be left there" in str(caught.value.fields["why"])
        assert "lifecycle rule" in str(caught.value.fields["why"])
        assert [one["event"] for one in logs] == ["an upload could not be given up, and may be left"]


async def test_whoever_may_not_give_an_upload_up_is_told_the_action() -> None:
    async with cloud() as s3, desk(s3.url) as at:
        put = s3.put("acme", ODD, b"begin", size=2 * GIB)
        for op in ("copy_part", "abort_upload"):
            s3.faults.add(Fault(kind="error", op=op, status=403, code="AccessDenied", times=0))
        with capture_logs() as logs, pytest.raises(AccessDeniedError):
            await at.copier.copy_in_parts(original(put), TARGET, headers={})
        assert "grant s3:AbortMultipartUpload" in logs[-1]["mend"]


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda s3: s3.buckets.pop("ours"), BucketMissingError),
        (lambda s3: s3.put("acme", ODD, b"12345", storage_class="GLACIER"), ObjectArchivedError),
    ],
)
async def test_what_stands_against_a_copy_is_told_by_its_kind(spoil: Any, error: type[LongshoreError]) -> None:
    async with cloud() as s3, desk(s3.url) as at:
        put = s3.put("acme", ODD, b"12345")
        spoil(s3)
        with pytest.raises(error):
            await at.copier.copy(original(put), TARGET, tags=False)


async def test_the_region_of_the_target_is_found() -> None:
    async with cloud(region="eu-west-1") as s3, desk(s3.url, access=role_access(s3)) as at:
        put = s3.put("acme", ODD, b"12345")
        await at.copier.copy(original(put), TARGET, tags=False)
        assert TARGET in s3.buckets["ours"].objects


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


async def test_another_server_copies_the_same(moto: str) -> None:
    """moto: what we send is what its reading of the API takes, whole and in parts."""
    config = AioConfig(s3={"addressing_style": "path"})
    keys = {"aws_access_key_id": OPERATOR_KEY, "aws_secret_access_key": OPERATOR_SECRET}
    async with (
        _session().create_client("s3", endpoint_url=moto, region_name="us-east-1", config=config, **keys) as theirs,
        desk(moto, copy_part_bytes=5 * MIB) as at,
    ):
        for bucket in ("acme", "ours"):
            await theirs.create_bucket(Bucket=bucket)
        body = bytes(range(256)) * (11 * MIB // 256)
        put = await theirs.put_object(
            Bucket="acme",
            Key=ODD.decode(),
            Body=body,
            ContentType="image/png",
            Metadata={"camera": "A7"},
            Tagging="a=1",
        )
        source = Original("acme", ODD, len(body), put["ETag"].strip('"'))
        whole = await at.copier.copy(source, TARGET, tags=True)
        assert whole.etag == source.etag
        headers = {"content-type": "image/png", "x-amz-meta-camera": "A7", "x-amz-tagging": "a=1"}
        parts = await at.copier.copy_in_parts(source, TARGET + b".parts", headers=headers)
        assert parts.etag.endswith("-3")
        for key in (TARGET, TARGET + b".parts"):
            made = await theirs.get_object(Bucket="ours", Key=key.decode())
            assert await made["Body"].read() == body
            assert (made["ContentType"], made["Metadata"]) == ("image/png", {"camera": "A7"})
            tags = await theirs.get_object_tagging(Bucket="ours", Key=key.decode())
            assert tags["TagSet"] == [{"Key": "a", "Value": "1"}]
