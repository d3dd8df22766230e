"""How the fake S3 words its answers: listings, objects, errors; and the dialects of servers that differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote_from_bytes

from tests.fakes.s3_faults import Fault, error_document, spoil_listing
from tests.fakes.s3_store import Bucket, Listed, Stored, list_bucket
from tests.fakes.s3_wire import Answer, Request

_WISHES = {
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
    "response-content-language": "Content-Language",
    "response-content-type": "Content-Type",
    "response-expires": "Expires",
}
_NAMESPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@dataclass(slots=True, kw_only=True)
class Dialect:
    """How this server differs from AWS."""

    ignore_encoding: bool = False
    """Keys as plain XML text although encoding-type=url was asked for."""
    ignore_if_match: bool = False
    ignore_range: bool = False
    ignore_start_after: bool = False
    no_namespace: bool = False
    no_echo: bool = False
    """Neither Name nor Prefix nor KeyCount in a listing."""
    no_checksum_in_list: bool = False
    region_error: Literal["redirect", "malformed", "constraint", "bare"] = "redirect"
    """A signature for another region: 301, 400 AuthorizationHeaderMalformed, 400 IllegalLocationConstraint, or 301 that names none."""
    hide_region: bool = False
    """Not even an answer to HEAD bucket names the region."""
    redirect_to: str = ""
    """The Location of a 301, which nobody should follow."""
    virtual_host: str = ".s3.test"
    """Hosts that end so carry the bucket's name in front."""


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None, **more: str) -> Answer:
    known = {"Content-Type": "application/xml", "x-amz-request-id": "FAKE0REQUEST0ID"}
    return Answer(status=status, headers={**known, **(headers or {})}, body=error_document(code, message, **more))


def wrong_region(bucket: Bucket, asked: str, dialect: Dialect) -> Answer:
    header = {} if dialect.hide_region else {"x-amz-bucket-region": bucket.region}
    if dialect.region_error == "malformed":
        text = f"The authorization header is malformed; the region '{asked}' is wrong; expecting '{bucket.region}'"
        return error(400, "AuthorizationHeaderMalformed", text, header, Region=bucket.region)
    if dialect.region_error == "constraint":
        text = f"The {asked} location constraint is incompatible for the region specific endpoint this request was sent to."
        return error(400, "IllegalLocationConstraintException", text, header)
    text = "The bucket you are attempting to access must be addressed using the specified endpoint."
    if dialect.redirect_to:
        header["Location"] = dialect.redirect_to
    if dialect.region_error == "bare":
        header.pop("x-amz-bucket-region", None)
    return error(301, "PermanentRedirect", text, header, Endpoint=f"{bucket.name}.s3.amazonaws.com")


def answer_list(
    bucket: Bucket,
    query: dict[str, bytes],
    dialect: Dialect,
    fault: Fault | None,
    first_tokens: dict[tuple[str, bytes], str],
) -> Answer:
    if query.get("list-type") != b"2":
        return error(501, "NotImplemented", "Only ListObjectsV2 is served here.")
    token = query.get("continuation-token")
    listed = Listed(
        bucket=bucket.name,
        prefix=query.get("prefix", b""),
        delimiter=query.get("delimiter", b""),
        max_keys=min(1000, int(query.get("max-keys", b"1000"))),
        start_after=None if dialect.ignore_start_after else query.get("start-after"),
        token=None if token is None else token.decode("ascii", "replace"),
    )
    try:
        list_bucket(bucket, listed)
    except ValueError:
        return error(400, "InvalidArgument", "The continuation token provided is incorrect")
    asked_for = (bucket.name, listed.prefix)
    if listed.token is None and listed.next_token is not None:
        first_tokens[asked_for] = listed.next_token
    if fault is not None:
        spoil_listing(fault, listed, first_tokens.get(asked_for))
    encode = query.get("encoding-type") == b"url" and not dialect.ignore_encoding
    return Answer(headers={"Content-Type": "application/xml"}, body=_list_document(listed, dialect, encode=encode))


def _list_document(listed: Listed, dialect: Dialect, *, encode: bool) -> bytes:
    text = encoded if encode else plain
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    parts.append(f"<ListBucketResult{'' if dialect.no_namespace else _NAMESPACE}>")
    if not dialect.no_echo:
        parts.append(f"<Name>{listed.bucket}</Name><Prefix>{text(listed.prefix)}</Prefix>")
        parts.append(f"<KeyCount>{listed.key_count}</KeyCount>")
    parts.append(f"<MaxKeys>{listed.max_keys}</MaxKeys>")
    if listed.delimiter:
        parts.append(f"<Delimiter>{text(listed.delimiter)}</Delimiter>")
    if encode:
        parts.append("<EncodingType>url</EncodingType>")
    parts.append(f"<IsTruncated>{'true' if listed.truncated else 'false'}</IsTruncated>")
    if listed.token is not None:
        parts.append(f"<ContinuationToken>{listed.token}</ContinuationToken>")
    if listed.next_token is not None:
        parts.append(f"<NextContinuationToken>{listed.next_token}</NextContinuationToken>")
    parts += [_contents(text(key), stored, dialect) for key, stored in listed.entries]
    parts += [f"<CommonPrefixes><Prefix>{text(one)}</Prefix></CommonPrefixes>" for one in listed.common_prefixes]
    parts.append("</ListBucketResult>")
    return "".join(parts).encode("utf-8", "surrogateescape")


def _contents(key: str, stored: Stored, dialect: Dialect) -> str:
    checksum = ""
    if stored.checksum_algorithm and not dialect.no_checksum_in_list:
        checksum = f"<ChecksumAlgorithm>{stored.checksum_algorithm}</ChecksumAlgorithm>"
        checksum += f"<ChecksumType>{stored.checksum_type}</ChecksumType>"
    return (
        f"<Contents><Key>{key}</Key><LastModified>{stored.listed_modified}</LastModified>"
        f"<ETag>&quot;{stored.etag}&quot;</ETag>{checksum}<Size>{stored.size}</Size>"
        f"<StorageClass>{stored.storage_class}</StorageClass></Contents>"
    )


def encoded(key: bytes) -> str:
    return quote_from_bytes(key, safe="/*-._").replace("%20", "+")


def plain(key: bytes) -> str:
    """As S3 does without encoding-type: control characters become references that XML 1.0 forbids."""
    text = key.decode("utf-8", "surrogateescape")
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[\x00-\x1f]", lambda match: f"&#x{ord(match.group()):x};", text)


def answer_object(bucket: Bucket, request: Request, key: bytes, dialect: Dialect, fault: Fault | None) -> Answer:
    version = request.query.get("versionId", b"").decode("ascii", "replace")
    stored = bucket.find(key, version)
    if stored is None or stored.delete_marker:
        return _absent(bucket, key, stored, version)
    wanted = request.header("if-match")
    if wanted is not None and wanted.strip('"') != stored.etag and not dialect.ignore_if_match:
        return error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    headers = _object_headers(stored, checksum=request.header("x-amz-checksum-mode") == "ENABLED")
    wishes = {name: request.query.get(name) for name in _WISHES}
    headers |= {
        _WISHES[name]: text.decode("utf-8", "surrogateescape") for name, text in wishes.items() if text is not None
    }
    if request.method == "HEAD":
        return Answer(headers=headers, length=stored.size)
    if stored.away:
        return error(403, "InvalidObjectState", "The operation is not valid for the object's storage class")
    asked = re.fullmatch(r"bytes=(\d+)-(\d*)", request.header("range") or "")
    if asked is None or dialect.ignore_range or (fault is not None and fault.kind == "ignore_range"):
        return Answer(headers=headers, body=stored.content(0, stored.size - 1))
    first, last = int(asked[1]), min(int(asked[2] or stored.size - 1), stored.size - 1)
    if first >= stored.size:
        gone = {"Content-Range": f"bytes */{stored.size}"}
        text = "The requested range is not satisfiable"
        return error(416, "InvalidRange", text, gone, ActualObjectSize=str(stored.size))
    headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
    return Answer(status=206, headers=headers, body=stored.content(first, last))


def _absent(bucket: Bucket, key: bytes, marker: Stored | None, version: str) -> Answer:
    if marker is not None:
        shown = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id}
        text = "The specified method is not allowed against this resource."
        return error(405, "MethodNotAllowed", text, shown)
    if version:
        return error(404, "NoSuchVersion", "The specified version does not exist.")
    hidden = bucket.deleted(key)
    shown = {} if hidden is None else {"x-amz-delete-marker": "true", "x-amz-version-id": hidden.version_id}
    return error(404, "NoSuchKey", "The specified key does not exist.", shown)


def _object_headers(stored: Stored, *, checksum: bool) -> dict[str, str]:
    headers = {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": stored.head_modified,
        "Content-Type": stored.content_type,
        "Accept-Ranges": "bytes",
        "x-amz-request-id": "FAKE0REQUEST0ID",
        **{f"x-amz-meta-{name}": value for name, value in stored.metadata.items()},
        **stored.headers,
    }
    if stored.storage_class != "STANDARD":
        headers["x-amz-storage-class"] = stored.storage_class
    if stored.version_id:
        headers["x-amz-version-id"] = stored.version_id
    if stored.kms_key:
        headers["x-amz-server-side-encryption"] = "aws:kms"
        headers["x-amz-server-side-encryption-aws-kms-key-id"] = stored.kms_key
    if checksum and stored.checksum_algorithm:
        headers[f"x-amz-checksum-{stored.checksum_algorithm.lower()}"] = stored.checksum
        headers["x-amz-checksum-type"] = stored.checksum_type
    return headers
