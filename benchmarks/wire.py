"""Requests off the wire and answers onto it: hides HTTP/1.1, as far as S3 clients speak it.

Source: RFC 9112; "Virtual hosting of buckets" in the Amazon S3 User Guide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes
from xml.sax.saxutils import escape

_HOST: Final = re.compile(rb"\r\nhost:[ \t]*([^\r\n]*)")
_RANGE: Final = re.compile(rb"\r\nrange:[ \t]*bytes=(\d*)-(\d*)[ \t]*\r\n")
_REASONS: Final = {200: "OK", 206: "Partial Content"}

Pieces = list[bytes | memoryview]


class BadRequestError(Exception):
    """Nothing that can be answered on this connection."""


class Request(NamedTuple):
    """One request, addressed to one bucket or to the server itself (`bucket` empty)."""

    method: bytes
    bucket: bytes
    key: bytes
    query: bytes
    span: tuple[bytes, bytes] | None
    """First and last of the asked range, as sent; either may be empty."""
    close: bool


def read_request(head: bytes, bucket: bytes) -> Request:
    """Read one head, both empty lines included. `bucket`: the name that may stand in front of the host.

    Raises BadRequestError for what is no request, and for one with a body.
    """
    low = head.lower()
    try:
        method, target, version = head[: head.index(b"\r\n")].split(b" ")
    except ValueError:
        raise BadRequestError from None
    if b"\r\ntransfer-encoding:" in low or (b"\r\ncontent-length:" in low and b"\r\ncontent-length: 0\r\n" not in low):
        raise BadRequestError
    path, _, query = target.partition(b"?")
    if bucket + b"." in low and (host := _HOST.search(low)) is not None and host[1].startswith(bucket + b"."):
        where, key = bucket, path[1:]
    else:
        where, _, key = path[1:].partition(b"/")
    if b"%" in key:
        key = unquote_to_bytes(key)
    span = _RANGE.search(low) if b"\r\nrange:" in low else None
    close = b"\r\nconnection: close" in low or version == b"HTTP/1.0"
    return Request(method, where, key, query, None if span is None else (span[1], span[2]), close)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What a ListObjectsV2 asks for. Raises ValueError when it is read from nonsense."""

    prefix: bytes
    delimiter: bytes
    start_after: bytes
    begin: int | None
    """From the continuation token."""
    max_keys: int
    encoded: bool

    @classmethod
    def read(cls, query: bytes) -> ListQuery:
        said = {}
        for pair in query.split(b"&"):
            name, _, value = pair.partition(b"=")
            said[name] = unquote_to_bytes(value.replace(b"+", b" "))
        token = said.get(b"continuation-token")
        if token is not None and not token.startswith(b"page-"):
            raise ValueError(token)
        most = int(said.get(b"max-keys") or 1000)
        if most < 0:
            raise ValueError(most)
        return cls(
            prefix=said.get(b"prefix", b""),
            delimiter=said.get(b"delimiter", b""),
            start_after=said.get(b"start-after", b""),
            begin=None if token is None else int(token[5:], 16),
            max_keys=min(most, 1000),
            encoded=said.get(b"encoding-type") == b"url",
        )


def token_for(index: int) -> str:
    """The continuation token of the page that begins with this key; as long as AWS's are."""
    return f"page-{index:075x}"


def answer(status: int, body: Pieces, *, headers: bytes = b"", kind: str = "application/xml") -> Pieces:
    length = sum(map(len, body))
    text = (
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Refused')}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
    )
    return [text.encode() + headers + b"\r\n", *body]


def refusal(status: int, code: str, message: str, *, method: bytes = b"GET") -> Pieces:
    """An error as S3 says it; a HEAD has no body."""
    document = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><RequestId>SYNTHETIC</RequestId></Error>"
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + document.encode()
    pieces = answer(status, [body], headers=b"x-amz-request-id: SYNTHETIC0REQUEST\r\n")
    return pieces[:1] if method == b"HEAD" else pieces
