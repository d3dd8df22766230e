"""One socket that asks one thing at a time: hides when bytes come, what they belong to, and how long is too long."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import cast

from config.limits import Limits
from ingest.s3.http1 import BLOCK_END, Chunks, Head, may_begin, read_head
from ingest.s3.outbox import Outbox
from ingest.s3.transport import Code, TransportError

_INTERIM = 8
"""Answers below 200 that may come before the real one."""


class Wire(asyncio.Protocol):
    """Asked by its pool, then read through an answer until that is left. One task at a time."""

    def __init__(self, limits: Limits, outbox: Outbox, lost: Callable[[Wire], None]) -> None:
        """`lost` is called when it was connected and its socket is gone."""
        self._limits = limits
        self._outbox = outbox
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf
        self._due = math.inf
        self._tick_s = min(limits.first_byte_s, limits.idle_s, limits.keep_alive_s)
        self._whole_due = math.inf
        self._idle_s = limits.idle_s
        self._error: tuple[Code, str] | None = None
        self.usable = False
        """It is open, and nothing has come over it that nobody asked for."""
        self.untouched = True
        """No byte of the answer has come."""
        self._asked = self._bodiless = False
        self._interim = 0
        self._block = bytearray()
        self.head: Head | None = None
        self._chunks: Chunks | None = None
        self._left = 0
        self._parts: deque[bytes] = deque()
        self._unread = 0
        self._most: int | None = None
        self._ended = self._paused = False

    @property
    def open(self) -> bool:
        """There is a socket."""
        return self._transport is not None

    # -- what its pool and an answer do

    async def ask(self, request: bytes, *, bodiless: bool, patience_s: float | None = None) -> Head:
        """Send, and wait for the head of the answer. Raises TransportError; then, or when cancelled, it is closed."""
        if self._transport is None or self._error is not None:
            raise self._failure()
        self._asked, self._bodiless, self._ended = True, bodiless, False
        self.head, self.untouched, self._interim = None, True, 0
        self._outbox.put(self._transport, request)
        now, limits = self._loop.time(), self._limits
        self._idle_s = limits.idle_s if patience_s is None else max(limits.idle_s, limits.first_byte_s)
        self._whole_due = now + (patience_s or limits.request_s)
        try:
            await self._until(min(now + (patience_s or limits.first_byte_s), self._whole_due))
        except BaseException:
            self.abort()
            raise
        return self._answered()

    def _answered(self) -> Head:
        if self.head is None:
            self.abort()
            raise self._failure()
        return self.head

    async def some(self) -> bytes:
        """The next piece of the body, empty at its end."""
        while not self._parts:
            if self._ended:
                return b""
            if self._error is not None:
                raise self._failure()
            await self._until(self._loop.time() + self._idle_s)
        part = self._parts.popleft()
        self._unread -= len(part)
        self._go_on()
        return part

    async def all(self, most: int) -> bytes:
        """The rest of the body. Raises TransportError."""
        self._most = most
        self._go_on()
        while not self._ended and self._error is None and self._unread + self._left <= most:
            await self._until(min(self._loop.time() + self._idle_s, self._whole_due))
        if self._unread + self._left > most:
            raise TransportError("AnswerTooLarge", f"the answer is larger than {most} bytes")
        if not self._ended:
            raise self._failure()
        body = b"".join(self._parts) if len(self._parts) != 1 else self._parts[0]
        self._parts.clear()
        self._unread = 0
        return body

    def leave(self) -> bool:
        """The answer is done with: True if another may be asked for, else it is closed."""
        if not (self._ended and self.usable and self.head is not None and self.head.lasting):
            self.abort()
            return False
        self._asked, self._chunks, self._most = False, None, None
        self._parts.clear()
        self._unread = 0
        self._go_on()
        self._watch(self._loop.time() + self._limits.keep_alive_s)
        return True

    def abort(self) -> None:
        """Close it at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    # -- time

    def _until(self, due: float) -> asyncio.Future[None]:
        """Ends with bytes, an end or a failure, which is set when it is `due`."""
        self._waiter = self._loop.create_future()
        self._watch(due)
        return self._waiter

    def _watch(self, due: float) -> None:
        self._due = due
        if due < self._rings_at:
            self._set(due)

    def _set(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        """The one timer rings early enough for whatever may become due, and is set again, so that a request sets none."""
        self._timer, self._rings_at = None, math.inf
        now = self._loop.time()
        if now >= self._due:
            self._fail("TimedOut")
        elif self._due < math.inf:
            self._set(min(self._due, now + self._tick_s))

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self.usable = True

    def data_received(self, data: bytes) -> None:
        if not self._asked:
            self._fail("NotHttp", "the server speaks before it is asked")
        elif self._ended:
            self.usable = False  # nobody asked for it, and it can't be told from the next answer
        elif self._error is not None:
            return
        elif self.head is None:
            self.untouched = False
            self._take_head(data)
        else:
            self._take_body(data)

    def eof_received(self) -> None:
        self.usable = False  # the transport closes itself then

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if self._error is not None:
            pass  # we hung up
        elif self.head is None:
            self._fail("ConnectionLost", f"the connection was lost ({type(exc).__name__})" if exc is not None else "")
        elif self.head.length is None and self._chunks is None and exc is None:
            self._ended = True  # there is no other way to say so
            self._wake()
        elif not self._ended:
            self._fail("BodyIncomplete")
        self._lost(self)

    # -- the answer

    def _take_head(self, data: bytes) -> None:
        while self.head is None:
            end = self._block_end(data)
            if end < 0:
                break
            if self._block:
                data = bytes(self._block)
                self._block.clear()
            try:
                self._begin(data[:end])
            except TransportError as error:
                self._fail(error.code, error.why)
                return
            data = data[end:]
        if self.head is None:
            self._watch(min(self._loop.time() + self._idle_s, self._whole_due))
            return
        if data:
            self.data_received(data)
        self._wake()

    def _block_end(self, data: bytes) -> int:
        """Where a header block ends in what has come so far and `data`; -1 if it has not, and `data` is kept until then."""
        if not self._block and (end := data.find(BLOCK_END)) >= 0:
            return end + len(BLOCK_END)
        seen = max(0, len(self._block) - len(BLOCK_END) + 1)
        self._block += data
        if (end := self._block.find(BLOCK_END, seen)) >= 0:
            return end + len(BLOCK_END)
        if len(self._block) > self._limits.headers_bytes or not may_begin(self._block):
            self._fail("NotHttp")
        return -1

    def _begin(self, block: bytes) -> None:
        if len(block) > self._limits.headers_bytes:
            raise TransportError("NotHttp", f"the answer's headers have more than {self._limits.headers_bytes} bytes")
        head = read_head(block, self._limits, bodiless=self._bodiless)
        if head.status < 200:
            self._interim += 1
            if head.status == 101 or self._interim > _INTERIM:
                raise TransportError("NotHttp")
            return
        self.head, self._chunks = head, head.chunks
        self._left = head.length or 0
        self._ended = head.length == 0

    def _take_body(self, data: bytes) -> None:
        if self._chunks is not None:
            try:
                data = self._chunks.take(data)
            except TransportError as error:
                self._fail(error.code, error.why)
                return
            self._ended = self._chunks.ended
            self.usable = self.usable and not self._chunks.extra
            if not data and not self._ended:
                return
        elif self.head is not None and self.head.length is not None:
            if len(data) > self._left:
                data = data[: self._left]
                self.usable = False
            self._left -= len(data)
            self._ended = self._left == 0
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._unread += len(data)
        if self._most is None:
            if self._unread > self._limits.body_ahead_bytes and not self._ended:
                self._pause()
            self._wake()
        elif self._ended or self._unread > self._most:
            self._wake()
        else:
            self._watch(min(self._loop.time() + self._idle_s, self._whole_due))

    def _fail(self, code: Code, why: str = "") -> None:
        if self._error is None:
            self._error = code, why
        self._due = math.inf
        self.abort()
        self._wake()

    def _failure(self) -> TransportError:
        return TransportError(*(self._error or ("ConnectionLost", "")))

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            self._due = math.inf
            waiter.set_result(None)

    def _pause(self) -> None:
        if not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def _go_on(self) -> None:
        if self._paused and (self._most is not None or self._unread <= self._limits.body_ahead_bytes):
            self._paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()
