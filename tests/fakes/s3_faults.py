"""Faults by script: which request goes wrong, and how."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from xml.sax.saxutils import escape

from tests.fakes.s3_store import Listed, new_object
from tests.fakes.s3_wire import Answer

Op = Literal[
    "any",
    "list",
    "list_versions",
    "head",
    "get",
    "get_tags",
    "put",
    "delete",
    "copy",
    "create_upload",
    "copy_part",
    "complete_upload",
    "abort_upload",
    "head_bucket",
    "get_location",
    "options",
    "assume_role",
    "get_caller_identity",
    "other",
]


@dataclass(slots=True, kw_only=True)
class Fault:
    """The n-th request of one kind goes wrong, and so do the `times - 1` after it (0: for ever).

    Kinds. Instead of an answer: `error` (an S3 or STS error document: status, code, message, headers), `answer` (status,
    headers, body as given), `html`, `empty` (both with 200), `reset` (RST before anything), `hang` (until the client goes),
    `not_http`. After the right answer was made: `delay` (seconds, or until `faults.release()` if there are none),
    `blank` (white space first, then silence as in `delay`, then the body), `cut` (FIN in mid-body), `reset_body` (RST in mid-body), `stall` (half the body, then silence), `extra` (bytes behind the
    body), `truncated` (half the body with a matching Content-Length), `chunked`, `chunked_cut`, `headers` (added or replaced;
    an empty value removes one), `ignore_range`. Listings only: `repeat_token`, `no_token`, `empty_page`, `unordered`,
    `duplicate_key`, `foreign_key`, `wrong_name`, `wrong_prefix`, `wrong_root`, `wrong_count`, `token_when_complete`, `bomb`,
    `cycle_tokens`. Of versions: `repeat_token`, `backwards`, `no_token`, `unordered`, `duplicate_key`, `foreign_key`, `wrong_name`,
    `wrong_prefix`, `wrong_root`, and `markers_last`, which is how moto writes.
    """

    kind: str
    op: Op = "any"
    nth: int = 1
    times: int = 1
    bucket: str | None = None
    key: str | None = None
    """Only this key (head, get) or prefix (list); text, UTF-8."""
    status: int = 503
    code: str = "SlowDown"
    message: str = "Please reduce your request rate."
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    seconds: float = 0.0
    seen: int = 0
    """Matching requests since the fault was added."""

    def hits(self, op: str, bucket: str, key: bytes) -> bool:
        if self.op not in ("any", op) or self.bucket not in (None, bucket):
            return False
        if self.key is not None and self.key.encode() != key:
            return False
        self.seen += 1
        return self.seen >= self.nth and (self.times == 0 or self.seen < self.nth + self.times)


class Faults:
    """The script of one server. The first fault that hits a request is the one that happens."""

    def __init__(self) -> None:
        self.script: list[Fault] = []
        self._released = asyncio.Event()
        self._reached: dict[str, asyncio.Event] = {}

    def add(self, fault: Fault) -> Fault:
        self.script.append(fault)
        return fault

    def clear(self) -> None:
        self.script.clear()
        self.release()

    def release(self) -> None:
        """Let everything go on that waits in a `delay` or `stall` without seconds, or in a `hang`."""
        self._released.set()
        self._released = asyncio.Event()

    def next(self, op: str, bucket: str, key: bytes) -> Fault | None:
        hits = [fault for fault in self.script if fault.hits(op, bucket, key)]
        if hits:
            self._event(hits[0].kind).set()
        return hits[0] if hits else None

    async def reached(self, kind: str) -> None:
        """Return once a fault of this kind has happened."""
        await self._event(kind).wait()

    def _event(self, kind: str) -> asyncio.Event:
        return self._reached.setdefault(kind, asyncio.Event())

    async def wait(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds)
        else:
            await self._released.wait()


def error_document(code: str, message: str, **more: str) -> bytes:
    """An S3 error as XML."""
    fields = {"Code": code, "Message": message, **more, "RequestId": "FAKE0REQUEST0ID", "HostId": "fakehost"}
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inside}</Error>'.encode()


def instead(fault: Fault, faults: Faults) -> Answer | None:
    """The answer that a fault puts in place of the right one; None if it only spoils the right one."""
    xml = {"Content-Type": "application/xml", "x-amz-request-id": "FAKE0REQUEST0ID"}
    match fault.kind:
        case "error":
            headers = {**xml, **fault.headers}
            return Answer(status=fault.status, headers=headers, body=error_document(fault.code, fault.message))
        case "answer":
            return Answer(status=fault.status, headers=fault.headers, body=fault.body.encode())
        case "html":
            page = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Welcome to the hotel</body></html>"
            return Answer(headers={"Content-Type": "text/html"}, body=page)
        case "empty":
            return Answer(headers=xml)
        case "reset":
            return Answer(end="reset")
        case "hang":
            return Answer(wait=lambda: faults.wait(fault.seconds), raw=b"", end="close")
        case "not_http":
            return Answer(raw=b"220 mail.example.com ESMTP\r\n", end="close")
        case "bomb":
            lines = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
            text = f'<!DOCTYPE x [<!ENTITY l0 "lol">{lines}]><ListBucketResult><Name>&l9;</Name></ListBucketResult>'
            return Answer(headers=xml, body=text.encode())
        case _:
            return None


def spoil(fault: Fault, faults: Faults, answer: Answer) -> Answer:
    """Make a right answer wrong."""
    half = len(answer.body) // 2
    match fault.kind:
        case "delay":
            answer.wait = lambda: faults.wait(fault.seconds)
        case "blank":
            answer.body = b" " * 40 + answer.body
            answer.stall_at, answer.stall = 40, lambda: faults.wait(fault.seconds)
        case "cut":
            answer.cut = half
        case "reset_body":
            answer.cut, answer.end = half, "reset"
        case "stall":
            answer.stall_at, answer.stall = half, lambda: faults.wait(fault.seconds)
        case "extra":
            answer.extra = b"these bytes belong to nothing"
        case "truncated":
            answer.body = answer.body[:half]
        case "chunked":
            answer.chunked = True
        case "chunked_cut":
            answer.chunked, answer.unterminated = True, True
        case "headers":
            answer.headers = {**answer.headers, **fault.headers}
            answer.headers = {name: value for name, value in answer.headers.items() if value}
        case "wrong_root":
            answer.body = answer.body.replace(b"ListBucketResult", b"ListAllMyBucketsResult")
        case _:
            pass
    return answer


def spoil_listing(fault: Fault, listed: Listed, first_token: str | None) -> None:
    """Make a right listing wrong (or, with `empty_page`, only odd). `first_token`: the first one this listing was given."""
    spoilers: dict[str, Callable[[], None]] = {
        "repeat_token": lambda: _set(listed, truncated=True, next_token=listed.token or first_token or "kAA=="),
        "cycle_tokens": lambda: _set(listed, truncated=True, next_token=first_token or listed.next_token),
        "no_token": lambda: _set(listed, truncated=True, next_token=None),
        "token_when_complete": lambda: _set(listed, truncated=False, next_token="kAA=="),  # a token, not a secret
        "empty_page": lambda: _empty(listed),
        "unordered": listed.entries.reverse,
        "duplicate_key": lambda: listed.entries.insert(0, listed.entries[0]),
        "foreign_key": lambda: listed.entries.append((b"\xf0\x9f\x92\xa3 elsewhere", new_object())),
        "wrong_name": lambda: _set(listed, bucket=listed.bucket + "-other"),
        "wrong_prefix": lambda: _set(listed, prefix=listed.prefix + b"other"),
        "wrong_count": lambda: _set(listed, key_count=listed.key_count + 1),
    }
    if fault.kind in spoilers:
        spoilers[fault.kind]()
    if fault.kind in {"duplicate_key", "foreign_key"}:
        listed.key_count = len(listed.entries) + len(listed.common_prefixes)


def _set(listed: Listed, **fields: object) -> None:
    for name, value in fields.items():
        setattr(listed, name, value)


def _empty(listed: Listed) -> None:
    """No entries, but a new token that leads to where this page began."""
    if listed.token is not None:
        kind, last = listed.token[0], base64.urlsafe_b64decode(listed.token[1:])
        token = kind + base64.urlsafe_b64encode(last).decode() + "="
    else:
        token = "k" + base64.urlsafe_b64encode(listed.start_after or b"").decode()
    _set(listed, entries=[], common_prefixes=[], truncated=True, next_token=token, key_count=0)
