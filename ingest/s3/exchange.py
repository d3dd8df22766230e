"""One attempt of one request: signed, sent, answered or refused. Hides aiohttp, its errors and the reading of bodies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from config.errors import ProtocolError, RequestRefusedError, SourceError, SourceUnavailableError
from config.settings import Limits
from credentials.session import Access
from ingest.events import Observe, RequestMade
from ingest.s3.address import Address
from ingest.s3.errors import Refusal, Subject, explained, refused
from ingest.s3.http import Pool
from ingest.s3.sign import Signer, encode_path, encode_query


@dataclass(slots=True, kw_only=True)
class Call:
    """One request and what its attempts have met so far."""

    subject: Subject
    method: str
    key: bytes = b""
    """Empty for the bucket itself."""
    query: Mapping[str, bytes] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """To be signed; names in lower case."""
    good: frozenset[int] = frozenset({200})
    """The statuses that answer it."""
    signed: bool = True
    access_key_id: str = ""
    """What signed the last attempt."""
    usable_until: float | None = None
    """How long that may sign, in Unix time."""
    outlived: bool = False
    """It may no longer, and the request was refused."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """What no error may repeat, should the server echo it."""
    region: str = ""
    """Where the last attempt was sent."""
    refreshed: bool = False
    """A fresh session was asked for."""
    moved: bool = False
    """Another region was looked for."""


class Answered:
    """An answer whose body is still to be read."""

    def __init__(self, response: aiohttp.ClientResponse, *, subject: Subject, limits: Limits) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.bytes_read = 0
        self._response = response
        self._subject = subject
        self._limits = limits

    async def some(self) -> bytes:
        """The next piece of the body, empty at its end. Raises SourceUnavailableError if it breaks off or stalls."""
        try:
            async with asyncio.timeout(self._limits.idle_s):
                part = await self._response.content.readany()
        except _FAILURES as error:
            failure = _ours(self._subject, error)
        else:
            self.bytes_read += len(part)
            return part
        raise failure  # out here, so that aiohttp's error, which holds the request with its token, does not hang on ours

    async def all(self, *, most: int) -> bytes:
        """The whole body. Raises ProtocolError if it is larger than `most` bytes, and as `some` does."""
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._limits.request_s):
                while part := await self.some():
                    if self.bytes_read > most:
                        why = f"the answer is larger than {most} bytes"
                        raise explained(ProtocolError, self._subject, why, code="AnswerTooLarge")
                    parts.append(part)
        except TimeoutError as error:
            failure = _ours(self._subject, error)
        else:
            return b"".join(parts)
        raise failure

    def leave(self) -> None:
        """Give the connection back, or close it if the body was not read to its end."""
        self._response.release()


class Exchange:
    """Sends calls; knows nothing of repetition."""

    def __init__(
        self,
        *,
        http: aiohttp.ClientSession,
        access: Access,
        limits: Limits,
        observe: Observe,
        clock: Callable[[], float],
    ) -> None:
        if not isinstance(http.connector, Pool):
            raise TypeError("the HTTP session must come from open_http")
        self._http = http
        self._pool = http.connector
        self._access = access
        self._limits = limits
        self._observe = observe
        self._clock = clock
        self._signer = Signer()

    @asynccontextmanager
    async def attempt(self, call: Call, address: Address) -> AsyncIterator[Answered]:
        """An answer with a good status; its body may be read inside. Ends with one RequestMade.

        Raises SourceError, and CredentialError when there is no session to sign with (no event then: nothing was sent).
        """
        async with self._place(call.subject, address), self._signed(call, address) as answered:
            yield answered

    @asynccontextmanager
    async def _place(self, subject: Subject, address: Address) -> AsyncIterator[None]:
        """Wait for a socket to be free before the session is asked for, which might end while a signed request waits."""
        places = self._pool.places(address.origin)
        try:
            async with asyncio.timeout(self._limits.request_s):
                await places.acquire()
        except TimeoutError as error:
            raise _ours(subject, error) from None
        try:
            yield
        finally:
            places.release()

    @asynccontextmanager
    async def _signed(self, call: Call, address: Address) -> AsyncIterator[Answered]:
        headers = await self._headers(call, address)
        began, outcome, answered = time.perf_counter(), "Cancelled", None
        try:
            answered = await self._send(call, address, headers)
            if answered.status not in call.good:
                raise await self._refused(call, answered)
            yield answered
            outcome = "ok"
        except SourceError as error:
            outcome = error.code
            raise
        finally:
            if answered is not None:
                answered.leave()
            self._observe(
                RequestMade(
                    bucket=call.subject.bucket,
                    request=call.subject.request,
                    outcome=outcome,
                    seconds=time.perf_counter() - began,
                    bytes_read=answered.bytes_read if answered is not None else 0,
                )
            )

    def refusal(self, call: Call, answered: Answered, body: bytes) -> SourceError:
        """The error that an answer is."""
        for secret in call.secrets:
            body = body.replace(secret.encode(), b"[redacted]")
        call.outlived = call.usable_until is not None and self._clock() >= call.usable_until
        found = Refusal(status=answered.status, headers=answered.headers, body=body, region=call.region)
        return refused(call.subject, found, now=self._clock())

    async def _send(self, call: Call, address: Address, headers: Mapping[str, str]) -> Answered:
        url = URL(f"{address.origin}{_target(call, address)}", encoded=True)
        try:
            async with asyncio.timeout(self._limits.request_s):
                response = await self._http.request(call.method, url, headers=headers, allow_redirects=False)
        except _FAILURES as error:
            failure = _ours(call.subject, error)
        else:
            return Answered(response, subject=call.subject, limits=self._limits)
        raise failure

    async def _headers(self, call: Call, address: Address) -> dict[str, str]:
        call.region = address.region
        if not call.signed:
            return {"host": address.host}
        session = await self._access.session()
        call.access_key_id = session.access_key_id
        call.usable_until = session.usable_until
        call.secrets = tuple(filter(None, (session.token, session.secret_access_key)))
        path, _, query = _target(call, address).partition("?")
        return self._signer.sign(
            session,
            region=address.region,
            method=call.method,
            host=address.host,
            path=path,
            query=query,
            headers=call.headers,
            now=self._clock(),
        )

    async def _refused(self, call: Call, answered: Answered) -> SourceError:
        try:
            body = await answered.all(most=self._limits.error_body_bytes)
        except SourceError:
            body = b""  # torn or too large: the status says enough
        return self.refusal(call, answered, body)


def _target(call: Call, address: Address) -> str:
    path = f"{address.base}/{encode_path(call.key)}" if call.key else address.base or "/"
    return f"{path}?{encode_query(call.query.items())}" if call.query else path


_FAILURES = (aiohttp.ClientError, OSError)
"""What aiohttp and the sockets raise; TimeoutError is one of the latter."""


def _ours(subject: Subject, error: Exception) -> SourceError:
    """aiohttp's error as ours. Raise it outside of the `except`."""
    kind: type[SourceError] = SourceUnavailableError
    match error:
        case aiohttp.ClientPayloadError():
            code, why = "BodyIncomplete", "the connection ended before the answer was complete"
        case TimeoutError():
            code, why = "TimedOut", "no answer, or no more of it, in time"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ServerFingerprintMismatch():
            kind = RequestRefusedError
            code, why = "CertificateInvalid", f"the server's certificate is not good ({type(error).__name__})"
        case aiohttp.ClientConnectorError():
            cause = error.strerror or error.os_error
            code, why = "Unreachable", f"the server can't be reached ({type(error).__name__}: {cause})"
        case aiohttp.ClientResponseError():
            kind, code, why = ProtocolError, "NotHttp", "the answer is not HTTP"
        case _:
            code, why = "ConnectionLost", f"the connection was lost ({type(error).__name__})"
    return explained(kind, subject, why, code=code)
