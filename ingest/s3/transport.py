"""The seam below the wire client: one request goes down, one answer comes up. What stands behind it knows HTTP, and not S3."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal, Protocol
from weakref import WeakValueDictionary

Code = Literal[
    "AddressDenied",
    "AnswerTooLarge",
    "BodyIncomplete",
    "CertificateInvalid",
    "ConnectionLost",
    "NotHttp",
    "RequestInvalid",
    "TimedOut",
    "Unreachable",
]

WORDS: Mapping[Code, str] = {
    "BodyIncomplete": "the connection ended before the answer was complete",
    "ConnectionLost": "the connection was lost",
    "NotHttp": "the answer is not HTTP",
    "RequestInvalid": "the request can't be written as HTTP",
    "TimedOut": "no answer, or no more of it, in time",
}


class TransportError(Exception):
    """Whatever goes wrong below the seam. It holds neither the request nor a library's error, since those hold the token."""

    def __init__(self, code: Code, why: str = "", *, stale: bool = False, dialling: bool = False) -> None:
        """`why`: a clause for people; one by the code if there is none. `stale`: a kept socket was lost before any byte of an
        answer came, as when the server closes what has been idle, or what came over it was none; it may be sent again on a new one.
        `dialling`: time ran out before there was a connection.
        """
        self.code: Code = code
        self.stale = stale
        self.dialling = dialling
        self.why = why or WORDS.get(code, code)
        super().__init__(self.code, self.why)


class Places:
    """So many at once to each origin; one that nobody holds a place of is forgotten."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._held: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, origin: str) -> asyncio.Semaphore:
        places = self._held.get(origin)
        if places is None:
            places = self._held[origin] = asyncio.Semaphore(self._each)
        return places


class Answer(Protocol):
    """An answer whose body is still to be read, by one reader. Its errors are TransportErrors."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case; one that came twice is joined by `, `. Bytes that are no UTF-8 stand as surrogates."""
        ...

    @property
    def bytes_read(self) -> int:
        """Bytes of the body that were taken so far."""
        ...

    async def some(self) -> bytes:
        """The next piece of the body, empty at its end; at most `idle_s` of silence."""
        ...

    async def all(self, most: int) -> bytes:
        """The rest of the body, before `request_s` (or the patience it was sent with) are over since it was asked for;
        AnswerTooLarge above `most` bytes.
        """
        ...

    def leave(self) -> None:
        """Give the connection back, or close it if the body was not read to its end. May be called twice."""
        ...


class Transport(Protocol):
    """Sends requests, few of which have a small body, to any host. Safe to share between tasks."""

    @property
    def places(self) -> Places:
        """One of these is held from before a request is signed until its answer is left: none waits for a socket once signed."""
        ...

    async def send(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        *,
        body: bytes = b"",
        patience_s: float | None = None,
        fresh: bool = False,
    ) -> Answer:
        """Send one request, whose `headers` include Host, and wait for the headers of its answer. `fresh`: on a new socket.

        `body` is for PUT and POST. `patience_s`: so long may the answer take to begin, and to end, in place of `first_byte_s` and
        `request_s`; and what has begun may be silent for `first_byte_s`, if that is more than `idle_s`.

        Raises TransportError, which says whether it is stale.
        """
        ...
