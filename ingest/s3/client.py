"""One bucket, read through one connection's sessions. Hides signing, regions, repetition and every lie a server can tell."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Literal

from config.errors import ObjectArchivedError, ProtocolError, RequestRefusedError
from ingest.model import ObjectHead
from ingest.s3.address import Location
from ingest.s3.body import Body, Span, check_etag, content_length, read_head
from ingest.s3.calls import object_call
from ingest.s3.errors import Subject, explained, says_nothing
from ingest.s3.exchange import Call
from ingest.s3.listings import Listings

__all__ = ["Body", "Location", "S3Client"]


class S3Client(Listings):
    """One bucket through one Access. Safe to share between tasks; holds no socket of its own."""

    async def head(self, key: bytes, *, if_match: str | None = None, version_id: str | None = None) -> ObjectHead:
        """`if_match`: the ETag that was listed, without quotes. Raises SourceError, CredentialError."""
        call = self._object_call("head", key, if_match=if_match, version_id=version_id)
        try:
            return await self._run(call, lambda: self._head_once(call, if_match))
        except RequestRefusedError as error:
            if not says_nothing(call.subject, error):
                raise
        await self._ask_why(call)
        return await self._run(call, lambda: self._head_once(call, if_match))

    @asynccontextmanager
    async def get(
        self,
        key: bytes,
        *,
        first: int | None = None,
        last: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> AsyncIterator[Body]:
        """Bytes `first` to `last`, both inclusive and counted from 0; the whole object if neither is given.

        What fails before the first byte is tried again; what fails in mid-body is raised to the reader, as SourceUnavailableError.
        Raises SourceError, CredentialError.
        """
        span = Span(first, last)
        call = self._object_call("get", key, if_match=if_match, version_id=version_id, span=span)
        with ExitStack() as stack:
            try:
                body = await self._run(call, lambda: self._get_once(stack, call, span, if_match))
            except RequestRefusedError as error:
                if error.fields.get("object_size") != "0":
                    raise
                whole = Span(None, None)  # no range of an empty object can be satisfied
                call = self._object_call("get", key, if_match=if_match, version_id=version_id, span=whole)
                body = await self._run(call, lambda: self._get_once(stack, call, whole, if_match))
            yield body

    async def part(
        self, key: bytes, *, first: int, last: int, if_match: str | None = None, version_id: str | None = None
    ) -> tuple[ObjectHead, bytes]:
        """Headers, and bytes `first` to `last`, both inclusive, as many as there are of them; all in memory.

        What breaks off is asked for again. Raises SourceError, CredentialError.
        """
        span = Span(first, last)
        call = self._object_call("get", key, if_match=if_match, version_id=version_id, span=span)
        return await self._run(call, lambda: self._part_once(call, span, if_match))

    # -- one attempt of each

    async def _head_once(self, call: Call, if_match: str | None) -> ObjectHead:
        with await self._exchange.attempt(call, self._route.address) as answered:
            check_etag(answered.headers, if_match, call.subject)
            return read_head(answered.headers, size=content_length(answered.headers, call.subject))

    async def _ask_why(self, head: Call) -> None:
        """Ask for one byte of an object whose HEAD was refused without a word: a GET's refusal is worded.

        Mends or raises what it says, as for any request; returns if the HEAD may be sent again.
        """
        subject = replace(head.subject, request="get")
        headers = {**head.headers, "range": "bytes=0-0"}
        good = frozenset({200, 206, 416})  # an empty object has no first byte
        call = Call(subject=subject, method="GET", key=head.key, query=head.query, headers=headers, good=good)
        await self._run(call, lambda: self._ask_once(call))

    async def _ask_once(self, call: Call) -> None:
        if call.refreshed or call.moved:
            return  # it is mended, and the HEAD itself will show whether that was all
        with suppress(ObjectArchivedError):  # which is nothing that a HEAD would be refused for
            (await self._exchange.attempt(call, self._route.address)).end(None)

    async def _part_once(self, call: Call, span: Span, if_match: str | None) -> tuple[ObjectHead, bytes]:
        with await self._exchange.attempt(call, self._route.address) as answered:
            check_etag(answered.headers, if_match, call.subject)
            size, skip = span.answered(answered.status, answered.headers, call.subject)
            head, length = read_head(answered.headers, size=size), max(0, span.end(size) - span.first)
            if answered.status == 206:
                found = await answered.all(most=length)
                if len(found) == length:
                    return head, found
                why = f"the answer has {len(found)} bytes instead of {length}"
                raise explained(ProtocolError, call.subject, why)
            self._check_skip(skip, length, call)
            body = Body(head=head, skip=skip, length=length, subject=call.subject, more=answered.some)
            return head, await body.read()

    async def _get_once(self, stack: ExitStack, call: Call, span: Span, if_match: str | None) -> Body:
        with ExitStack() as attempt:
            answered = attempt.enter_context(await self._exchange.attempt(call, self._route.address))
            check_etag(answered.headers, if_match, call.subject)
            size, skip = span.answered(answered.status, answered.headers, call.subject)
            length = max(0, span.end(size) - span.first)
            self._check_skip(skip, length, call)
            head = read_head(answered.headers, size=size)
            body = Body(head=head, skip=skip, length=length, subject=call.subject, more=answered.some)
            stack.push(attempt.pop_all())
            return body

    def _check_skip(self, skip: int, length: int, call: Call) -> None:
        if length and skip > self._limits.range_skip_bytes:
            why = f"the server ignores ranges, and bytes from {skip} on are wanted"
            raise explained(RequestRefusedError, call.subject, why, code="RangeIgnored")

    # -- calls

    def _object_call(
        self,
        request: Literal["head", "get"],
        key: bytes,
        *,
        if_match: str | None,
        version_id: str | None,
        span: Span | None = None,
    ) -> Call:
        subject = Subject(request=request, bucket=self._location.bucket, key=key)
        return object_call(subject, self._headers(), if_match=if_match, version_id=version_id, span=span)
