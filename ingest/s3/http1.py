"""Answers as HTTP/1.1 writes them: hides the grammar of a header block, what frames a body, and chunks. Knows no socket.

Source: RFC 9112, read strictly: what two readers could read in two ways is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from config.settings import Limits
from ingest.s3.transport import TransportError

BLOCK_END = b"\r\n\r\n"
_BEGIN = b"HTTP/1."
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?\r\n")
_ALWAYS = "user-agent: longshore\r\naccept: */*\r\naccept-encoding: identity\r\n\r\n"
_LENGTH_DIGITS = 18


def write_request(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """One request without a body. Raises TransportError for what would break out of its line."""
    text = f"{method} {target} HTTP/1.1\r\n{''.join([f'{name}: {value}' + _END for name, value in headers.items()])}{_ALWAYS}"
    lines = len(headers) + 5
    if text.count("\n") != lines or text.count("\r") != lines or "\0" in text or " " in target or not target:
        raise TransportError("RequestInvalid")
    try:
        return text.encode()
    except UnicodeEncodeError:
        pass
    raise TransportError("RequestInvalid")  # out here: the other error holds the token


_END = "\r\n"


@dataclass(slots=True)
class Head:
    """What stands before the body of an answer."""

    status: int
    headers: dict[str, str]
    lasting: bool
    """The connection may be used again afterwards."""
    length: int | None
    """Bytes of the body; None if its chunks or the end of the connection say so."""
    chunks: Chunks | None
    ending: bool
    """The server said that it ends the connection, which may end a body without a length."""


class Chunks:
    """Takes the chunks of one body off what comes over the wire."""

    __slots__ = ("_bound", "_parser", "_parts", "_trailers", "_waste", "ended", "extra")

    def __init__(self, limits: Limits) -> None:
        self.ended = False
        self.extra = False
        """Something came behind the last chunk."""
        self._bound = limits
        self._parts: list[bytes] = []
        self._trailers = 0
        self._waste = 0
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    def begin(self, block: bytes) -> None:
        self._feed(block)

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
    if line is None or b"\r\n " in block or b"\r\n\t" in block or b"\0" in block:
        raise TransportError("NotHttp")
    pairs = _Pairs()
    try:
        HttpResponseParser(pairs).feed_data(block)
    except (HttpParserError, HttpParserUpgrade):
        pairs.all = [(b"", b"")]
    headers = _joined(pairs.all, limits)
    status = int(line[2])
    said = headers.get("connection")
    tokens = () if said is None else [token.strip() for token in said.lower().split(",")]
    ending = "close" in tokens or (line[1] == b"0" and "keep-alive" not in tokens)
    length, chunks = _framing(headers, old=line[1] == b"0", limits=limits)
    if bodiless or status < 200 or status in {204, 304}:
        length, chunks = 0, None
    elif chunks is not None:
        chunks.begin(block)
    elif length is None and not ending:
        raise TransportError("NotHttp", "the answer does not say where it ends")
    return Head(status, headers, not ending and (length is not None or chunks is not None), length, chunks, ending)


def _joined(pairs: list[tuple[bytes, bytes]], limits: Limits) -> dict[str, str]:
    headers: dict[str, str] = {}
    most = limits.header_bytes
    if len(pairs) > limits.headers:
        raise TransportError("NotHttp", f"the answer has more than {limits.headers} headers")
    for raw, value in pairs:
        if not raw or len(raw) + len(value) > most:
            raise TransportError(
                "NotHttp", f"a header of the answer is empty or has more than {most} bytes" if raw else ""
            )
        name = raw.decode("ascii").lower()  # the parser takes nothing else for a name
        text = value.decode("utf-8", "surrogateescape").strip(" \t")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _framing(headers: Mapping[str, str], *, old: bool, limits: Limits) -> tuple[int | None, Chunks | None]:
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    if coding is not None:
        if length is not None or old or coding.lower() != "chunked":
            raise TransportError("NotHttp", "the answer's length can be read in two ways")
        return None, Chunks(limits)
    if length is None:
        return None, None
    if not _is_length(length):
        raise TransportError("NotHttp", "the answer's length is no number")
    return int(length), None


def _is_length(text: str) -> TypeGuard[str]:
    return text.isascii() and text.isdigit() and len(text) <= _LENGTH_DIGITS
