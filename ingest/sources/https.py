"""One HTTPS server as a source of objects, each named by its path and query; hides what servers really do with HEAD, ranges and lengths.

A server that permits no HEAD, or names no length in its answer, is asked for the first byte; one that knows no ranges sends
everything, of which the first bytes are taken; the end of an object whose length nobody says is looked for, up to a bound.
"""

from __future__ import annotations

import asyncio
import random as randomness
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from dataclasses import dataclass
from typing import Final, NoReturn, Self, TypeVar

from config.errors import ObjectChangedError, RequestRefusedError, SourceError
from config.limits import Limits
from credentials.web import WebAccess
from ingest.events import Observe, ignore
from ingest.gate import Gates
from ingest.https import Conditions, Fetched, Fetcher, Follows
from ingest.https_body import Extent
from ingest.model import ObjectHead, Page, Validator
from ingest.s3.body import Body
from ingest.s3.errors import Subject, explained
from ingest.s3.retry import Retry
from ingest.sources.web_asking import Request, WebAsking
from ingest.sources.web_head import conditions, is_packed, kept_etag, read_web_head

T = TypeVar("T")
_NO_HEAD: Final = frozenset({403, 405, 501})
"""Of these, the first one may be meant for one object."""
_NEVER_HEAD: Final = frozenset({405, 501})
_WHOLE: Final = Extent()
_FIRST_BYTE: Final = Extent(0, 0)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which object, and when."""

    key: bytes
    if_match: str | None
    conditions: Conditions


class HttpsSource:
    """One origin through one connection. Safe to share between tasks; holds no socket of its own. See `ingest.probe.looking.ObjectSource`.

    A `key` is the path of an address and its query, as they are sent.
    """

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        gates: Gates,
        share: asyncio.Semaphore,
        access: WebAccess,
        follows: Follows,
        origin: str,
        label: str = "",
        limits: Limits,
        observe: Observe = ignore,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        """See `WebAsking`; without a `label` it is the origin. `random` gives numbers in [0, 1)."""
        self._asking = WebAsking(
            fetcher=fetcher,
            gates=gates,
            share=share,
            access=access,
            follows=follows,
            origin=origin,
            label=label or origin,
            observe=observe,
        )
        self._origin, self._limits = origin, limits
        self._retry = Retry(limits, monotonic=monotonic, sleep=sleep, random=random)
        self._unless: Validator | None = None

    def unless(self, known: Validator) -> Self:
        """The same server; an object that is still the one that is `known` raises ObjectUnchangedError."""
        that = copy(self)
        that._unless = known  # noqa: SLF001 - it is of this class
        return that

    async def head(self, key: bytes, *, if_match: str | None = None, version_id: str | None = None) -> ObjectHead:
        """What the headers say. Raises SourceError."""
        wanted = self._wanted(key, if_match, version_id)
        answer = await self._headed(wanted) if self._asking.heads else None
        if answer is None:
            async with self._got(wanted, _FIRST_BYTE) as body:
                answer = body.head
        return answer

    async def part(
        self,
        key: bytes,
        *,
        first: int,
        last: int,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> tuple[ObjectHead, bytes]:
        """Headers, and bytes `first` to `last`, both inclusive, as many as there are of them; all in memory.

        What breaks off is asked for again. Raises as `head` does; what comes packed (Content-Encoding) is refused.
        """
        wanted = self._wanted(key, if_match, version_id)

        async def read(extent: Extent) -> tuple[ObjectHead, bytes]:
            async with AsyncExitStack() as stack:
                body = await self._get_once(stack, wanted, extent)
                self._check_plain(key, body)
                return body.head, await body.read()

        return await self._ranged(Extent(first, last), read)

    @asynccontextmanager
    async def get(
        self,
        key: bytes,
        *,
        first: int | None = None,
        last: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> AsyncGenerator[Body]:
        """As `S3Client.get`; raises as `part` does."""
        async with self._got(self._wanted(key, if_match, version_id), Extent(first, last)) as body:
            self._check_plain(key, body)
            yield body

    async def list_page(
        self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"", max_keys: int = 1000
    ) -> Page:
        """Nothing lists an HTTPS server. Raises RequestRefusedError."""
        del start_after, delimiter, max_keys
        self._refuse("get", prefix, "an HTTPS server can't be listed", code="NotListable")

    # -- one attempt of each

    async def _headed(self, wanted: _Wanted) -> ObjectHead | None:
        """None if a HEAD does not tell: it is not permitted, or its answer does not say how long the object is."""
        try:
            return await self._retry.run(lambda: self._head_once(wanted), repair=self._asking.repair)
        except SourceError as error:
            if (status := error.fields.get("status")) not in _NO_HEAD:
                raise
            self._asking.heads = self._asking.heads and status not in _NEVER_HEAD
            return None

    async def _head_once(self, wanted: _Wanted) -> ObjectHead | None:
        async with self._asking.ask("head", wanted.key, _WHOLE, wanted.conditions) as fetched:
            self._check_same(wanted, fetched)
            return None if fetched.size is None else read_web_head(fetched.headers, size=fetched.size)

    @asynccontextmanager
    async def _got(self, wanted: _Wanted, extent: Extent) -> AsyncGenerator[Body]:
        async with AsyncExitStack() as stack:
            yield await self._ranged(extent, lambda this: self._get_once(stack, wanted, this))

    async def _get_once(self, stack: AsyncExitStack, wanted: _Wanted, extent: Extent) -> Body:
        async with AsyncExitStack() as attempt:
            fetched = await attempt.enter_async_context(self._ask(wanted, extent))
            if fetched.size is not None:
                end = fetched.size if extent.last is None else min(extent.last + 1, fetched.size)
                head = read_web_head(fetched.headers, size=fetched.size)
                body = self._body(wanted.key, head, max(0, end - extent.start), fetched.body.some)
                stack.push_async_exit(attempt.pop_all())
                return body
            if not extent.partial:
                return await self._measured(wanted.key, fetched, extent)
        async with self._ask(wanted, _WHOLE) as fetched:
            return await self._measured(wanted.key, fetched, extent)

    @asynccontextmanager
    async def _ask(self, wanted: _Wanted, extent: Extent) -> AsyncGenerator[Fetched]:
        async with self._asking.ask("get", wanted.key, extent, wanted.conditions) as fetched:
            self._check_same(wanted, fetched)
            yield fetched

    async def _measured(self, key: bytes, fetched: Fetched, extent: Extent) -> Body:
        """Look for the end of an object, so that its size is known; what was read of it is kept meanwhile."""
        taken, most = bytearray(), self._limits.https_unsized_bytes
        while part := await fetched.body.some():
            taken += part
            if len(taken) > most:
                why = f"the server does not say how long the object is, and it is longer than the {most} bytes that are read to find out"
                self._refuse("get", key, why, code="SizeUnknown")
        left = [bytes(taken[extent.start : None if extent.last is None else extent.last + 1])]

        async def some() -> bytes:
            return left.pop() if left else b""

        return self._body(key, read_web_head(fetched.headers, size=len(taken)), len(left[0]), some)

    async def _ranged(self, extent: Extent, attempt: Callable[[Extent], Awaitable[T]]) -> T:
        """No range of an empty object can be satisfied: then it is asked for as a whole."""
        try:
            return await self._retry.run(lambda: attempt(extent), repair=self._asking.repair)
        except RequestRefusedError as error:
            empty = extent.start == 0 or error.fields.get("object_size") in (0, "0")
            if error.code != "InvalidRange" or not extent.partial or not empty:
                raise
        return await self._retry.run(lambda: attempt(_WHOLE), repair=self._asking.repair)

    # -- what is common

    def _wanted(self, key: bytes, if_match: str | None, version_id: str | None) -> _Wanted:
        assert version_id is None, "objects behind HTTPS have no versions"
        return _Wanted(key, if_match, conditions(if_match=if_match, unless=self._unless))

    def _check_same(self, wanted: _Wanted, fetched: Fetched) -> None:
        """Servers that do not know If-Match say by their answer what it is of."""
        if wanted.if_match and kept_etag(fetched.headers.get("etag", "")) != wanted.if_match:
            why = "its ETag is no longer the one that was seen"
            raise explained(ObjectChangedError, self._subject("get", wanted.key), why, status=200)

    def _check_plain(self, key: bytes, body: Body) -> None:
        if is_packed(body.head.headers):
            coding = body.head.headers["content-encoding"][:40]
            why = (
                f"the server sends it packed ({coding!r}) though it was asked not to, so its bytes are not the object's; have the server "
                "send it as it is to whoever asks for `Accept-Encoding: identity`, or use depth head"
            )
            self._refuse("get", key, why, code="ContentEncoded")

    def _refuse(self, request: Request, key: bytes, why: str, *, code: str) -> NoReturn:
        raise explained(RequestRefusedError, self._subject(request, key), why, code=code)

    def _body(self, key: bytes, head: ObjectHead, length: int, more: Callable[[], Awaitable[bytes]]) -> Body:
        return Body(head=head, skip=0, length=length, subject=self._subject("get", key), more=more)

    def _subject(self, request: Request, key: bytes) -> Subject:
        return Subject(request=request, bucket=self._origin, key=key)
