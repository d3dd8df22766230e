"""Copies on the server's side, whole and in parts: what they need of both ends, and what becomes of them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_to_bytes
from xml.sax.saxutils import escape

from tests.fakes.s3_answers import error
from tests.fakes.s3_asked import Asked
from tests.fakes.s3_rights import denial, may_read_tags
from tests.fakes.s3_store import ARCHIVED, Bucket, Stored, new_object
from tests.fakes.s3_wire import Answer, Request

if TYPE_CHECKING:
    from tests.fakes.s3 import FakeS3  # it imports this module

WHOLE_MOST = 5 * 1024**3
PART_LEAST = 5 * 1024**2
_NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_KEPT = ("content-encoding", "content-language", "content-disposition", "cache-control", "expires")
_XML = {"Content-Type": "application/xml", "x-amz-request-id": "FAKE0REQUEST0ID"}


@dataclass(slots=True, kw_only=True)
class Upload:
    """One that was begun, and neither completed nor given up."""

    bucket: str
    key: bytes
    stored: Stored
    """What it becomes, but for its bytes."""
    parts: dict[int, tuple[Stored, int, int]] = field(default_factory=dict)
    """By number: the original, and the first and last byte of it."""

    def etag(self, number: int) -> str:
        stored, first, last = self.parts[number]
        return hashlib.md5(f"{stored.etag}{first}-{last}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    asked: Asked
    bucket: Bucket
    stored: Stored


def answer_copy(s3: FakeS3, asked: Asked, bucket: Bucket) -> Answer:
    """CopyObject."""
    source = _source(s3, asked)
    if isinstance(source, Answer):
        return source
    if source.stored.size > WHOLE_MOST:
        text = f"The specified copy source is larger than the maximum allowable size for a copy source: {WHOLE_MOST}"
        return error(400, "InvalidRequest", text)
    tags = source.stored.tags if asked.sent("x-amz-tagging-directive") != "REPLACE" else {}
    if tags and (refused := _tags_refused(s3, asked, bucket, source)):
        return refused
    algorithm = asked.sent("x-amz-checksum-algorithm") or source.stored.checksum_algorithm
    stored = replace(
        source.stored,
        modified=datetime.fromtimestamp(s3.now(), UTC),
        version_id="",
        storage_class="STANDARD",
        tags=dict(tags),
        checksum_algorithm=algorithm,
        checksum_type="FULL_OBJECT" if algorithm else "",
        **_encrypted(asked, bucket, source.stored.etag),
    )
    bucket.put(asked.key, stored)
    text = f"<LastModified>{stored.listed_modified}</LastModified><ETag>&quot;{stored.etag}&quot;</ETag>"
    return _document("CopyObjectResult", text + _sum(stored), stored, of=source.stored)


def answer_upload(s3: FakeS3, asked: Asked, bucket: Bucket) -> Answer:
    """The four requests of an upload in parts."""
    if asked.op == "create_upload":
        return _create(s3, asked, bucket)
    name = asked.query["uploadId"].decode("ascii", "replace")
    upload = s3.uploads.get(name)
    if upload is None or (upload.bucket, upload.key) != (bucket.name, asked.key):
        return error(404, "NoSuchUpload", "The specified upload does not exist.")
    if asked.op == "abort_upload":
        del s3.uploads[name]
        return Answer(status=204)
    return _copy_part(s3, asked, upload) if asked.op == "copy_part" else _complete(s3, asked, bucket, name)


def _create(s3: FakeS3, asked: Asked, bucket: Bucket) -> Answer:
    headers = asked.request.headers
    tags = dict(parse_qsl(asked.sent("x-amz-tagging") or "", keep_blank_values=True))
    if tags and (refused := _denied(s3, asked, bucket, "put_tags")):
        return refused
    algorithm = asked.sent("x-amz-checksum-algorithm") or ""
    stored = new_object(
        content_type=asked.request.header("content-type") or "binary/octet-stream",
        metadata={name.removeprefix("x-amz-meta-"): value for name, value in headers if name.startswith("x-amz-meta-")},
        headers={name.title(): value for name, value in headers if name in _KEPT},
        tags=tags,
        checksum_algorithm=algorithm,
        checksum_type=asked.sent("x-amz-checksum-type") or ("COMPOSITE" if algorithm else ""),
    )
    encrypted = _encrypted(asked, bucket, "")
    stored.kms_key, stored.owner = encrypted["kms_key"], encrypted["owner"]
    name = f"upload.{len(s3.log):06d}+/="
    s3.uploads[name] = Upload(bucket=bucket.name, key=asked.key, stored=stored)
    return _document("InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>", stored)


def _copy_part(s3: FakeS3, asked: Asked, upload: Upload) -> Answer:
    source = _source(s3, asked)
    if isinstance(source, Answer):
        return source
    whole = source.stored.size - 1
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.sent("x-amz-copy-source-range") or f"bytes=0-{whole}")
    if match is None or int(match[2]) > whole or int(match[1]) > int(match[2]):
        return error(400, "InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last")
    first, last = int(match[1]), int(match[2])
    if last - first >= WHOLE_MOST:
        return error(400, "InvalidRequest", "The specified copy source is larger than the maximum allowable size")
    number = int(asked.query["partNumber"])
    if not 1 <= number <= 10_000:
        return error(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    upload.parts[number] = (source.stored, first, last)
    return _document(
        "CopyPartResult", f"<ETag>&quot;{upload.etag(number)}&quot;</ETag>", upload.stored, of=source.stored
    )


def _complete(s3: FakeS3, asked: Asked, bucket: Bucket, name: str) -> Answer:
    upload = s3.uploads[name]
    text = asked.request.body.decode()
    told = re.findall(r"<ETag>\"?([0-9a-f]{32})\"?</ETag><PartNumber>(\d+)</PartNumber>", text)
    numbers = [int(number) for _, number in told]
    if numbers != sorted(upload.parts) or [etag for etag, _ in told] != [upload.etag(number) for number in numbers]:
        return error(400, "InvalidPart", "One or more of the specified parts could not be found.")
    ranges = [upload.parts[number] for number in numbers]
    if any(last - first + 1 < PART_LEAST for _, first, last in ranges[:-1]):
        return error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.")
    original, size = ranges[0][0], sum(last - first + 1 for _, first, last in ranges)
    if [first for _, first, _ in ranges[1:]] != [last + 1 for _, _, last in ranges[:-1]]:
        return error(501, "NotImplemented", "Parts of one object in order are all that this server puts together.")
    joined = hashlib.md5(b"".join(bytes.fromhex(upload.etag(number)) for number in numbers)).hexdigest()
    stored = replace(
        upload.stored,
        body=original.body[:size],
        size=size,
        etag=f"{joined}-{len(numbers)}",
        modified=datetime.fromtimestamp(s3.now(), UTC),
    )
    bucket.put(asked.key, stored)
    del s3.uploads[name]
    text = f"<Bucket>{bucket.name}</Bucket><ETag>&quot;{stored.etag}&quot;</ETag>"
    return _document("CompleteMultipartUploadResult", text + _sum(stored), stored)


def _source(s3: FakeS3, asked: Asked) -> _Source | Answer:
    """What is to be copied, read with the rights of whoever asks; or what stands against that."""
    path, _, query = (asked.sent("x-amz-copy-source") or "").partition("?")
    name, _, quoted = path.removeprefix("/").partition("/")
    version = query.removeprefix("versionId=")
    sent = {
        "x-amz-request-payer": asked.sent("x-amz-request-payer"),
        "x-amz-expected-bucket-owner": asked.sent("x-amz-source-expected-bucket-owner"),
    }
    headers = [(header, value) for header, value in sent.items() if value is not None]
    request = Request(method="GET", target=f"/{name}/{quoted}", headers=headers)
    known = {"versionId": version.encode()} if version else {}
    read = Asked(request, "get", name, unquote_to_bytes(quoted), known, grant=asked.grant)
    bucket = s3.buckets.get(name)
    if asked.grant is not None and (refused := denial(read, asked.grant, bucket, s3.keys, s3.now())):
        return refused
    if bucket is None:
        return error(404, "NoSuchBucket", "The specified bucket does not exist")
    stored = bucket.find(read.key, version)
    if stored is None or stored.delete_marker:
        return error(404, "NoSuchVersion" if version else "NoSuchKey", "The specified key does not exist.")
    wanted = asked.sent("x-amz-copy-source-if-match")
    if wanted is not None and wanted.strip('"') != stored.etag:
        return error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    if stored.storage_class in ARCHIVED:
        return error(403, "InvalidObjectState", "The source object of the COPY operation is not in the active tier")
    return _Source(asked=read, bucket=bucket, stored=stored)


def _tags_refused(s3: FakeS3, asked: Asked, bucket: Bucket, source: _Source) -> Answer | None:
    if not may_read_tags(source.asked, source.bucket, source.stored, s3.now()):
        return error(403, "AccessDenied", "Access Denied")
    return _denied(s3, asked, bucket, "put_tags")


def _denied(s3: FakeS3, asked: Asked, bucket: Bucket, op: str) -> Answer | None:
    if asked.grant is None:
        return None
    return denial(replace(asked, op=op), asked.grant, bucket, s3.keys, s3.now())


def _encrypted(asked: Asked, bucket: Bucket, etag: str) -> dict[str, Any]:
    """What the bucket, or the request, says of encryption; an ETag is no MD5 under KMS."""
    key = asked.sent("x-amz-server-side-encryption-aws-kms-key-id") or ""
    if not asked.sent("x-amz-server-side-encryption"):
        key = bucket.kms_key
    owner = asked.grant.principal.account if asked.grant and bucket.reckoned else ""
    return {"kms_key": key, "owner": owner, "etag": hashlib.md5(f"{key}{etag}".encode()).hexdigest() if key else etag}


def _sum(stored: Stored) -> str:
    if not stored.checksum_algorithm:
        return ""
    name = f"Checksum{stored.checksum_algorithm}"
    return f"<{name}>{escape(stored.checksum)}</{name}><ChecksumType>{stored.checksum_type}</ChecksumType>"


def _document(root: str, inside: str, stored: Stored, *, of: Stored | None = None) -> Answer:
    headers = dict(_XML)
    if of is not None and of.version_id:
        headers["x-amz-copy-source-version-id"] = of.version_id
    if stored.kms_key:
        headers["x-amz-server-side-encryption"] = "aws:kms"
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = stored.kms_key
    if stored.version_id:
        headers["x-amz-version-id"] = stored.version_id
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{_NAMESPACE}>{inside}</{root}>'
    return Answer(headers=headers, body=text.encode())
