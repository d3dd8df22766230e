"""A cloud of our own, S3 and STS on one port: it enforces what moto does not, and goes wrong when told to.

In a test: `async with FakeS3() as s3: s3.create_bucket("b"); s3.put("b", b"key", b"body")`, then `s3.url`.
As a process: `python -m tests.fakes.s3 --port 0` prints `{"url": ...}` and obeys POST /_fake/... (see s3_control.py).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Self

from tests.fakes.s3_answers import Dialect, answer_list, answer_object, error, wrong_region
from tests.fakes.s3_asked import Asked, Logged, take_apart
from tests.fakes.s3_copies import Upload, answer_copy, answer_upload
from tests.fakes.s3_cors import preflight, with_cors
from tests.fakes.s3_faults import Faults, instead, spoil
from tests.fakes.s3_kms import Keys
from tests.fakes.s3_rights import denial, may_read_tags
from tests.fakes.s3_sign import another_body, claims, right_signature, unsigned_but_required
from tests.fakes.s3_stale import stale_for_s3, stale_for_sts
from tests.fakes.s3_store import Bucket, Stored, new_object
from tests.fakes.s3_subresources import answer_location, answer_tags
from tests.fakes.s3_versions import answer_versions
from tests.fakes.s3_wire import Answer, Request, WireServer
from tests.fakes.sts import FakeSts


@dataclass(slots=True)
class FakeS3:
    """`clock` gives Unix time in seconds; `advance` moves it. `verify=False` takes unsigned requests."""

    clock: Callable[[], float] = time.time
    verify: bool = True
    max_skew_s: float | None = None
    """Refuse signatures older or newer than this; None: any."""
    port: int = 0
    dialect: Dialect = field(default_factory=Dialect)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    log: list[Logged] = field(default_factory=list)
    uploads: dict[str, Upload] = field(default_factory=dict)
    """In parts, that were begun and are not ended."""
    keys: Keys = field(default_factory=lambda: Keys({}))
    """Those of KMS."""
    sts: FakeSts = field(init=False)
    _ahead_s: float = 0.0
    _server: WireServer | None = None
    _first_tokens: dict[tuple[str, bytes], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sts = FakeSts(self.now, self.faults)

    # -- what a test does

    async def __aenter__(self) -> Self:
        self._server = await WireServer(self.handle, port=self.port).__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.faults.release()
        await self._server.__aexit__()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def virtual_url(self) -> str:
        """For clients that put the bucket in front of the host, and resolve every name to this machine."""
        assert self._server is not None
        return f"http://{self.dialect.virtual_host[1:]}:{self._server.port}"

    @property
    def connections(self) -> int:
        """TCP connections accepted so far."""
        assert self._server is not None
        return self._server.connections

    def now(self) -> float:
        return self.clock() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Let time pass for S3 and STS."""
        self._ahead_s += seconds

    def create_bucket(self, name: str, **fields: Any) -> Bucket:
        """`fields`: those of `Bucket`; with `account` or `policy` it reckons with who belongs to which account."""
        self.buckets[name] = Bucket(name=name, **fields)
        return self.buckets[name]

    def put(self, bucket: str, key: bytes, body: bytes = b"", **fields: Any) -> Stored:
        """`fields`: those of `new_object`. A `kms_key` that is not known yet is made, with a key policy of its account's own."""
        fields.setdefault("modified", datetime.fromtimestamp(self.now(), UTC))
        stored = new_object(body, **fields)
        if stored.kms_key and stored.kms_key not in self.keys.known:
            self.keys.add(stored.kms_key)
        self.buckets[bucket].put(key, stored)
        return stored

    def delete(self, bucket: str, key: bytes) -> None:
        self.buckets[bucket].delete(key)

    def requests(self, op: str | None = None) -> list[Logged]:
        return [one for one in self.log if op in (None, one.op)]

    # -- what the server does

    async def handle(self, request: Request) -> Answer:
        if request.path.startswith("/_fake/"):
            from tests.fakes.s3_control import control

            return control(self, request)
        asked = take_apart(request, self.dialect.virtual_host)
        if asked.op == "sts":
            answer = self._sts(asked)
        else:
            asked.fault = self.faults.next(asked.op, asked.bucket, asked.key)
            answer = self._answer(asked)
        answer.headers.setdefault("Date", format_datetime(datetime.fromtimestamp(self.now(), UTC), usegmt=True))
        self.log.append(asked.logged(answer.status))
        if request.method == "HEAD" and answer.status >= 300:
            answer.body = b""
            answer.length = None
        return answer

    def _sts(self, asked: Asked) -> Answer:
        signed = claims(asked.request)
        grant = self.sts.grants.get(signed.access_key_id) if signed else None
        asked.access_key_id = signed.access_key_id if signed else ""
        if signed is not None and grant is not None:
            right = right_signature(asked.request, signed, grant.secret) == signed.signature
            grant = grant if right and grant.token == signed.token else None
        stale = stale_for_sts(signed, self.now(), self.max_skew_s) if signed and grant else ""
        return self.sts.answer(asked.request, signed, grant, stale=stale)

    def _answer(self, asked: Asked) -> Answer:
        fault = asked.fault
        if fault is not None and (answer := instead(fault, self.faults)) is not None:
            return answer
        bucket = self.buckets.get(asked.bucket)
        refused = None if asked.op == "options" else self._refusal(asked, bucket)
        if refused is not None or bucket is None:
            answer = refused or error(404, "NoSuchBucket", "The specified bucket does not exist")
        else:
            answer = self._granted(asked, bucket)
        if bucket is not None and asked.op != "options":
            with_cors(bucket, asked.request, answer)
        return answer if fault is None else spoil(fault, self.faults, answer)

    def _granted(self, asked: Asked, bucket: Bucket) -> Answer:
        match asked.op:
            case "options":
                return preflight(bucket, asked.request)
            case "head_bucket":
                return Answer(headers={"x-amz-bucket-region": bucket.region})
            case "get_location":
                return answer_location(bucket)
            case "list":
                return answer_list(bucket, asked.query, self.dialect, asked.fault, self._first_tokens)
            case "list_versions":
                return answer_versions(bucket, asked.query, self.dialect, asked.fault)
            case "get_tags":
                return answer_tags(bucket.find(asked.key, asked.version))
            case "head" | "get":
                answer = answer_object(bucket, asked.request, asked.key, self.dialect, asked.fault)
                stored = bucket.find(asked.key, asked.version)
                if stored is not None and stored.tags and may_read_tags(asked, bucket, stored, self.now()):
                    answer.headers["x-amz-tagging-count"] = str(len(stored.tags))
                return answer
            case "put":
                return self._write(asked, bucket)
            case "copy":
                return answer_copy(self, asked, bucket)
            case "create_upload" | "copy_part" | "complete_upload" | "abort_upload":
                return answer_upload(self, asked, bucket)
            case "delete":
                if asked.version:
                    bucket.delete_version(asked.key, asked.version)
                else:
                    bucket.delete(asked.key)
                return Answer(status=204)
            case _:
                return error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")

    def _write(self, asked: Asked, bucket: Bucket) -> Answer:
        stored = self.put(
            bucket.name,
            asked.key,
            asked.request.body,
            content_type=asked.request.header("content-type") or "binary/octet-stream",
            kms_key=asked.sent("x-amz-server-side-encryption-aws-kms-key-id") or "",
            owner=asked.grant.principal.account if asked.grant and bucket.reckoned else "",
        )
        version = {"x-amz-version-id": stored.version_id} if stored.version_id else {}
        return Answer(headers={"ETag": f'"{stored.etag}"', **version})

    def _refusal(self, asked: Asked, bucket: Bucket | None) -> Answer | None:
        """What stands against the request before the bucket is looked into."""
        if not self.verify:
            return None
        self.sts.settle()
        signed = claims(asked.request)
        region = {"x-amz-bucket-region": bucket.region} if bucket and not self.dialect.hide_region else {}
        if signed is None:
            return error(403, "AccessDenied", "Access Denied", region)
        asked.access_key_id = signed.access_key_id
        grant = self.sts.grants.get(signed.access_key_id)
        if grant is None:
            return error(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
        if bucket is not None and signed.region != bucket.region:
            return wrong_region(bucket, signed.region, self.dialect)
        right = right_signature(asked.request, signed, grant.secret) == signed.signature
        if not right or unsigned_but_required(asked.request, signed):
            return error(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if another_body(asked.request):
            text = "The provided 'x-amz-content-sha256' header does not match what was computed."
            return error(400, "XAmzContentSHA256Mismatch", text)
        asked.grant = grant
        stale = stale_for_s3(signed, grant, self.now(), self.max_skew_s)
        return stale or denial(asked, grant, bucket, self.keys, self.now())


async def _serve(port: int) -> None:
    async with FakeS3(port=port) as s3:
        print(json.dumps({"url": s3.url}), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="a fault-injecting S3 and STS in memory")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    asyncio.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
