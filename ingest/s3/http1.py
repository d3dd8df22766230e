"""Answers as HTTP/1.1 writes them: hides the grammar of a header block, what frames a body, and chunks. Knows no socket.

Source: RFC 9112, read strictly: what two readers could read in two ways is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from config.limits import Limits
from ingest.s3.transport import TransportError

BLOCK_END = b"\r\n\r\n"
_BEGIN = b"HTTP/1."
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?\r\n")
_ALWAYS = "user-agent: longshore\r\naccept: */*\r\naccept-encoding: identity\r\n\r\n"
_BODIED = frozenset({"PUT", "POST"})
"""They say how long their body is, also when they have none."""
_LENGTH_DIGITS = 18
_USUAL = {
    name.encode(): name.lower()
    for name in (
        *("Accept-Ranges", "Connection", "Content-Length", "Content-Type", "Date", "ETag", "Last-Modified", "Server"),
        *("x-amz-id-2", "x-amz-request-id", "x-amz-server-side-encryption", "x-amz-version-id", "x-amz-storage-class"),
        *("x-amz-checksum-crc64nvme", "x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-checksum-type"),
    )
}
"""How S3 writes its headers; any other way is read as well, and costs a little more."""


def write_request(method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """One request, with its body if it has one. Raises TransportError for what would break out of its line."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if method in _BODIED:
        lines.append(f"content-length: {len(body)}\r\n")
    text = f"{method} {target} HTTP/1.1\r\n{''.join(lines)}{_ALWAYS}"
    ends = len(lines) + 5
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text or " " in target or not target:
        raise TransportError("RequestInvalid")
    try:
        return text.encode() + body
    except UnicodeEncodeError:
        pass
    raise TransportError("RequestInvalid")  # out here: the other error holds the token


class Head:
    """What stands before the body of an answer."""

    __slots__ = ("chunks", "headers", "lasting", "length", "status")

    def __init__(
        self, status: int, headers: dict[str, str], length: int | None, chunks: Chunks | None, *, lasting: bool
    ) -> None:
        self.status = status
        self.headers = headers
        self.length = length
        """Bytes of the body; None if its chunks or, failing them, the end of the connection say so."""
        self.chunks = chunks
        self.lasting = lasting
        """The connection may be used again afterwards."""


class Chunks:
    """Takes the chunks of one body off what comes over the wire."""

    __slots__ = ("_bound", "_parser", "_parts", "_trailers", "_waste", "ended", "extra")

    def __init__(self, block: bytes, limits: Limits) -> None:
        """`block`: the header block before them."""
        self.ended = False
        self.extra = False
        """Something came behind the last chunk."""
        self._bound = limits
        self._parts: list[bytes] = []
        self._trailers = 0
        self._waste = 0
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._feed(block)
        self._trailers = 0

    def take(self, data: bytes) -> bytes:
        """The part of the body that is in `data`. Raises TransportError for broken chunks."""
        self._feed(data)
        body = b"".join(self._parts)
        self._parts.clear()
        self._waste = 0 if body else self._waste + len(data)
        if self._waste > self._bound.headers_bytes or self._trailers > self._bound.headers:
            raise TransportError("BodyIncomplete", "there is no end of what stands between the answer's chunks")
        if self.ended:
            self._parser = None  # it refers to this object, and both would wait for the garbage collector
        return body

    def _feed(self, data: bytes) -> None:
        if self._parser is None:
            self.extra = True
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            if not self.ended:
                raise TransportError("BodyIncomplete", "the answer's chunks are broken") from None
            self.extra = True

    def on_header(self, _name: bytes, _value: bytes) -> None:
        self._trailers += 1

    def on_body(self, data: bytes) -> None:
        if not self.ended:  # what comes behind is of an answer that nobody asked for
            self._parts.append(data)

    def on_message_begin(self) -> None:
        self.extra = self.ended

    def on_message_complete(self) -> None:
        self.ended = True


class _Pairs:
    """What httptools tells of a header block."""

    __slots__ = ("all",)

    def __init__(self) -> None:
        self.all: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.all.append((name, value))


def may_begin(data: bytes | bytearray) -> bool:
    """Whether this can become an answer."""
    return data[: len(_BEGIN)] == _BEGIN[: len(data)]


def read_head(block: bytes, limits: Limits, *, bodiless: bool) -> Head:
    """A header block, its empty line included. `bodiless`: it answers a HEAD. Raises TransportError for what is not HTTP."""
    line = _STATUS.match(block)
    if line is None:
        raise TransportError("NotHttp")
    old, status = line[1] == b"0", int(line[2])
    headers = _headers(block, limits)
    said = headers.get("connection")
    tokens = [token.strip() for token in said.lower().split(",")] if said is not None else ()
    ending = "close" in tokens or (old and "keep-alive" not in tokens)
    length = _length(headers, old=old)
    if bodiless or status < 200 or status in {204, 304}:
        return Head(status, headers, 0, None, lasting=not ending)
    if length is not None:
        return Head(status, headers, length, None, lasting=not ending)
    if "transfer-encoding" in headers:
        return Head(status, headers, None, Chunks(block, limits), lasting=not ending)
    if not ending:
        raise TransportError("NotHttp", "the answer does not say where it ends")
    return Head(status, headers, None, None, lasting=False)


def _headers(block: bytes, limits: Limits) -> dict[str, str]:
    pairs = _Pairs()
    try:
        HttpResponseParser(pairs).feed_data(block)
        broken = False
    except (HttpParserError, HttpParserUpgrade):
        broken = True
    if broken:
        raise TransportError("NotHttp")  # out here: the parser's error quotes the answer
    if len(pairs.all) > limits.headers:
        raise TransportError("NotHttp", f"the answer has more than {limits.headers} headers")
    if len(block) > limits.header_bytes and any(len(n) + len(v) > limits.header_bytes for n, v in pairs.all):
        raise TransportError("NotHttp", f"a header of the answer has more than {limits.header_bytes} bytes")
    if block.isascii() and b" \r\n" not in block and b"\t\r\n" not in block:
        headers = {_USUAL.get(n) or n.decode("ascii").lower(): v.decode() for n, v in pairs.all}
        if len(headers) == len(pairs.all):
            return headers
    return _joined(pairs.all)


def _joined(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw, value in pairs:
        name = raw.decode("latin-1").lower()
        text = value.decode("utf-8", "surrogateescape").rstrip(" \t")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _length(headers: Mapping[str, str], *, old: bool) -> int | None:
    """What frames the body must be one thing, and one number. None: chunks, or nothing."""
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if length is not None or old or coding.lower() != "chunked":
            raise TransportError("NotHttp", "the answer's length can be read in two ways")
        return None
    if length is None:
        return None
    if not (length.isascii() and length.isdigit()) or len(length) > _LENGTH_DIGITS:
        raise TransportError("NotHttp", "the answer's length is no number")
    return int(length)
