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
from urllib.parse import unquote_to_bytes

from tests.fakes.s3_answers import Dialect, answer_list, answer_object, error, wrong_region
from tests.fakes.s3_faults import Fault, Faults, error_document, instead, spoil
from tests.fakes.s3_policy import Ask, allows
from tests.fakes.s3_sign import claims, right_signature, unsigned_but_required
from tests.fakes.s3_store import Bucket, Stored, new_object
from tests.fakes.s3_wire import Answer, Request, WireServer
from tests.fakes.sts import FakeSts, Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One request that was answered."""

    op: str
    """list, head, get, head_bucket, put, delete or sts."""
    bucket: str
    key: bytes
    """The prefix, of a list."""
    target: str
    """As sent, undecoded."""
    headers: dict[str, str]
    query: dict[str, bytes]
    status: int
    access_key_id: str
    fault: str
    """The kind of fault that hit it, or nothing."""


@dataclass(slots=True)
class _Asked:
    """A request to S3, taken apart."""

    request: Request
    op: str
    bucket: str
    key: bytes
    query: dict[str, bytes]
    fault: Fault | None = None
    access_key_id: str = ""


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

    def create_bucket(
        self, name: str, *, region: str = "us-east-1", owner: str = "111122223333", requester_pays: bool = False
    ) -> Bucket:
        self.buckets[name] = Bucket(name=name, region=region, owner=owner, requester_pays=requester_pays)
        return self.buckets[name]

    def put(self, bucket: str, key: bytes, body: bytes = b"", **fields: Any) -> Stored:
        """`fields`: those of `new_object`."""
        fields.setdefault("modified", datetime.fromtimestamp(self.now(), UTC))
        stored = new_object(body, **fields)
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
        asked = self._take_apart(request)
        if asked.op == "sts":
            answer = self._sts(asked)
        else:
            asked.fault = self.faults.next(asked.op, asked.bucket, asked.key)
            answer = self._answer(asked)
        answer.headers.setdefault("Date", format_datetime(datetime.fromtimestamp(self.now(), UTC), usegmt=True))
        self._record(asked, answer)
        if request.method == "HEAD" and answer.status >= 300:
            answer.body = b""
            answer.length = None
        return answer

    def _take_apart(self, request: Request) -> _Asked:
        if request.method == "POST" and request.path == "/":
            return _Asked(request, "sts", "", b"", {})
        host = (request.header("host") or "").partition(":")[0]
        path = request.path[1:]
        if host.endswith(self.dialect.virtual_host):
            bucket = host.removesuffix(self.dialect.virtual_host)
        else:
            bucket, _, path = path.partition("/")
        key, query = unquote_to_bytes(path.encode("utf-8", "surrogateescape")), request.query
        if not key:
            op = "head_bucket" if request.method == "HEAD" else "list"
            return _Asked(request, op, bucket, query.get("prefix", b""), query)
        return _Asked(request, request.method.lower(), bucket, key, query)

    def _sts(self, asked: _Asked) -> Answer:
        signed = claims(asked.request)
        grant = self.sts.grants.get(signed.access_key_id) if signed else None
        asked.access_key_id = signed.access_key_id if signed else ""
        if signed is not None and grant is not None:
            right = right_signature(asked.request, signed, grant.secret) == signed.signature
            grant = grant if right and grant.token == asked.request.header("x-amz-security-token") else None
        return self.sts.answer(asked.request, signed, grant)

    def _answer(self, asked: _Asked) -> Answer:
        fault = asked.fault
        if fault is not None and (answer := instead(fault, self.faults)) is not None:
            return answer
        bucket = self.buckets.get(asked.bucket)
        refusal = self._refusal(asked, bucket)
        if refusal is not None or bucket is None:
            answer = refusal or error(404, "NoSuchBucket", "The specified bucket does not exist")
        elif asked.op == "head_bucket":
            answer = Answer(headers={"x-amz-bucket-region": bucket.region})
        elif asked.op == "list":
            answer = answer_list(bucket, asked.query, self.dialect, fault, self._first_tokens)
        elif asked.op in {"head", "get"}:
            answer = answer_object(bucket, asked.request, asked.key, self.dialect, fault)
        else:
            answer = self._write(asked, bucket)
        return answer if fault is None else spoil(fault, self.faults, answer)

    def _write(self, asked: _Asked, bucket: Bucket) -> Answer:
        if asked.op == "put":
            kind = asked.request.header("content-type") or "binary/octet-stream"
            stored = self.put(bucket.name, asked.key, asked.request.body, content_type=kind)
            return Answer(headers={"ETag": f'"{stored.etag}"'})
        if asked.op == "delete":
            bucket.delete(asked.key)
            return Answer(status=204)
        return error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")

    def _refusal(self, asked: _Asked, bucket: Bucket | None) -> Answer | None:
        """What stands against the request before the bucket is looked into."""
        if not self.verify:
            return None
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
        return self._stale(asked, grant) or self._denied(asked, grant, bucket)

    def _stale(self, asked: _Asked, grant: Grant) -> Answer | None:
        if grant.token != asked.request.header("x-amz-security-token"):
            return error(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
        if grant.expires is not None and grant.expires <= self.now():
            return error(400, "ExpiredToken", "The provided token has expired.")
        sent = datetime.strptime(asked.request.header("x-amz-date") or "", "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if self.max_skew_s is not None and abs(sent.timestamp() - self.now()) > self.max_skew_s:
            text = "The difference between the request time and the current time is too large."
            return Answer(status=403, body=error_document("RequestTimeTooSkewed", text))
        return None

    def _denied(self, asked: _Asked, grant: Grant, bucket: Bucket | None) -> Answer | None:
        ask = _ask(asked, self.now())
        documents = [grant.policy, grant.role.policy if grant.role else None]
        owner = asked.request.header("x-amz-expected-bucket-owner")
        if (
            not all(allows(document, ask) for document in documents)
            or (grant.role is not None and grant.role.denied)
            or (bucket is not None and owner not in (None, bucket.owner))
            or (bucket is not None and bucket.requester_pays and not asked.request.header("x-amz-request-payer"))
        ):
            text = f'User: {grant.arn} is not authorized to perform: {ask.action} on resource: "{ask.resource}"'
            return error(403, "AccessDenied", text)
        return None

    def _record(self, asked: _Asked, answer: Answer) -> None:
        self.log.append(
            Logged(
                op=asked.op,
                bucket=asked.bucket,
                key=asked.key,
                target=asked.request.target,
                headers=dict(asked.request.headers),
                query=asked.query,
                status=answer.status,
                access_key_id=asked.access_key_id,
                fault=asked.fault.kind if asked.fault else "",
            )
        )


def _ask(asked: _Asked, now: float) -> Ask:
    arn = f"arn:aws:s3:::{asked.bucket}"
    moment = datetime.fromtimestamp(now, UTC).isoformat()
    if asked.op in {"list", "head_bucket"}:
        names = {"prefix": "s3:prefix", "delimiter": "s3:delimiter"}
        sent = {
            names[name]: asked.query[name].decode("utf-8", "surrogateescape") for name in names if name in asked.query
        }
        return Ask(action="s3:ListBucket", resource=arn, context={"aws:CurrentTime": moment, **sent})
    key = asked.key.decode("utf-8", "surrogateescape")
    action = {"put": "s3:PutObject", "delete": "s3:DeleteObject"}.get(asked.op, "s3:GetObject")
    if action == "s3:GetObject" and "versionId" in asked.query:
        action = "s3:GetObjectVersion"
    return Ask(action=action, resource=f"{arn}/{key}", context={"aws:CurrentTime": moment})


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
