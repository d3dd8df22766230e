"""A request to the fake, taken apart; and what is kept of it once it was answered."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from tests.fakes.s3_faults import Fault
from tests.fakes.s3_wire import Request
from tests.fakes.sts_roles import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One request that was answered."""

    op: str
    """list, list_versions, head, get, get_tags, head_bucket, get_location, put, delete, options, sts; copy, create_upload,
    copy_part, complete_upload or abort_upload.
    """
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
class Asked:
    """A request to S3 or STS."""

    request: Request
    op: str
    bucket: str
    key: bytes
    query: dict[str, bytes]
    fault: Fault | None = None
    access_key_id: str = ""
    grant: Grant | None = None
    """Whose signature was right."""

    @property
    def version(self) -> str:
        return self.query.get("versionId", b"").decode("ascii", "replace")

    def sent(self, name: str) -> str | None:
        """An x-amz-... parameter: a header, or part of a presigned URL."""
        known = {key.lower(): value for key, value in self.query.items()}
        return self.request.header(name) or (known[name].decode("utf-8", "replace") if name in known else None)

    def logged(self, status: int) -> Logged:
        return Logged(
            op=self.op,
            bucket=self.bucket,
            key=self.key,
            target=self.request.target,
            headers=dict(self.request.headers),
            query=self.query,
            status=status,
            access_key_id=self.access_key_id,
            fault=self.fault.kind if self.fault else "",
        )


def take_apart(request: Request, virtual_host: str) -> Asked:
    """`virtual_host`: hosts that end so carry the bucket's name in front."""
    if request.method == "POST" and request.path == "/":
        return Asked(request, "sts", "", b"", {})
    host = (request.header("host") or "").partition(":")[0]
    path = request.path[1:]
    if host.endswith(virtual_host):
        bucket = host.removesuffix(virtual_host)
    else:
        bucket, _, path = path.partition("/")
    key, query = unquote_to_bytes(path.encode("utf-8", "surrogateescape")), request.query
    if request.method == "OPTIONS":
        return Asked(request, "options", bucket, key, query)
    if not key:
        return Asked(request, _of_bucket(request, query), bucket, query.get("prefix", b""), query)
    return Asked(request, _of_object(request, query), bucket, key, query)


def _of_object(request: Request, query: dict[str, bytes]) -> str:
    op = request.method.lower()
    if "uploads" in query and op == "post":
        return "create_upload"
    if "uploadId" in query:
        return {"put": "copy_part", "post": "complete_upload", "delete": "abort_upload"}.get(op, op)
    if op == "put" and request.header("x-amz-copy-source") is not None:
        return "copy"
    return f"{op}_tags" if "tagging" in query else op


def _of_bucket(request: Request, query: dict[str, bytes]) -> str:
    if request.method == "HEAD":
        return "head_bucket"
    if "location" in query:
        return "get_location"
    return "list_versions" if "versions" in query else "list"
