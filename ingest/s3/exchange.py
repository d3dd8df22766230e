"""One attempt of one request: signed, sent, answered or refused. Hides places, sessions, and what went wrong below."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from config.errors import ProtocolError, RequestRefusedError, SourceError, SourceUnavailableError
from config.limits import Limits
from credentials.session import Access
from ingest.events import GateClass, Observe, RequestClass, RequestMade
from ingest.gate import Gate, Gates, verdict
from ingest.s3.address import Address
from ingest.s3.drip import Drip
from ingest.s3.errors import Refusal, Subject, explained, refused
from ingest.s3.sign import Signer, encode_path, encode_query
from ingest.s3.transport import Answer, Code, Transport, TransportError


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
    body: bytes = b""
    patience_s: float | None = None
    """How long the answer may take, if that is more than for others."""
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


_CLASSES: Mapping[RequestClass, GateClass] = {"list": "list", "copy": "write"}
"""What storage counts apart; all else is reading."""


class _Turn:
    """A request may be sent: its connection has not too many, the bucket's gate let it in, and there is a socket for it."""

    __slots__ = ("_gate", "_place", "_share", "_waited_since", "began")

    def __init__(self, gate: Gate, place: asyncio.Semaphore, share: asyncio.Semaphore, *, waited_since: float) -> None:
        self._gate, self._place, self._share, self._waited_since = gate, place, share, waited_since
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Since the gate let it in: that there are too few sockets is a reason not to let in more."""
        return time.perf_counter() - self._waited_since

    def end(self) -> None:
        self._place.release()
        self._gate.leave()
        self._share.release()


class Answered:
    """An attempt; inside its `with` block it has an answer, whose body may be read. Its end is told once."""

    __slots__ = ("_answer", "_drip", "_limits", "_observe", "_subject", "_turn", "headers", "status")

    def __init__(self, subject: Subject, turn: _Turn, observe: Observe, limits: Limits) -> None:
        """`turn` is ended with it."""
        self._limits = limits
        self._drip: Drip | None = None
        self._subject = subject
        self._turn = turn
        self._observe = observe
        self._answer: Answer | None = None
        self.status = 0
        self.headers: Mapping[str, str] = {}

    def begin(self, answer: Answer) -> None:
        self._answer, self.status, self.headers = answer, answer.status, answer.headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.end(error)

    def end(self, error: BaseException | None) -> None:
        answer = self._answer
        try:
            if answer is not None:
                answer.leave()
            self._observe(
                RequestMade(
                    bucket=self._subject.bucket,
                    request=self._subject.request,
                    outcome="ok" if error is None else error.code if isinstance(error, SourceError) else "Cancelled",
                    seconds=time.perf_counter() - self._turn.began,
                    bytes_read=answer.bytes_read if answer is not None else 0,
                )
            )
        finally:
            self._turn.end()

    async def some(self) -> bytes:
        """The next piece of the body, empty at its end. Raises SourceUnavailableError if it breaks off or stalls."""
        assert self._answer is not None
        self._drip = self._drip or Drip(self._limits)
        try:
            return await self._drip.next(self._answer.some)
        except TransportError as error:
            raise _ours(self._subject, error) from None

    async def all(self, *, most: int) -> bytes:
        """The whole body. Raises ProtocolError if it is larger than `most` bytes, and as `some` does."""
        assert self._answer is not None
        try:
            return await self._answer.all(most)
        except TransportError as error:
            raise _ours(self._subject, error) from None


class Exchange:
    """Sends calls; knows nothing of repetition."""

    def __init__(
        self,
        *,
        http: Transport,
        gates: Gates,
        access: Access | None,
        share: asyncio.Semaphore,
        limits: Limits,
        observe: Observe,
        clock: Callable[[], float],
    ) -> None:
        """`access`: None if nothing is to be signed."""
        self._http = http
        self._share = share
        self._gates = gates
        self._access = access
        self._limits = limits
        self._observe = observe
        self._clock = clock
        self._signer = Signer()

    async def attempt(self, call: Call, address: Address) -> Answered:
        """An answer with a good status, to be used in a `with` block at once. Ends with one RequestMade.

        Raises SourceError, and CredentialError when there is no session to sign with (no event then: nothing was sent).
        """
        await self._share.acquire()
        gate = self._gates.of(address.origin, call.subject.bucket, _CLASSES.get(call.subject.request, "read"))
        try:
            admitted = await gate.enter()
            turn = await self._turn(call.subject, address, gate)
        except BaseException:
            self._share.release()
            raise
        try:
            target = _target(call, address)
            headers = await self._headers(call, address, target)
        except BaseException:
            turn.end()
            raise
        answered = Answered(call.subject, turn, self._observe, self._limits)
        try:
            answered.begin(await self._send(call, address.origin, target, headers))
            gate.saw(verdict(answered.status), admitted=admitted, seconds=turn.seconds)
        except TransportError as error:
            failure = _ours(call.subject, error, address.origin)
            answered.end(failure)
            raise failure from None
        except BaseException as error:
            answered.end(error)
            raise
        if answered.status not in call.good:
            with answered:
                raise await self._refused(call, answered)
        return answered

    async def _send(self, call: Call, origin: str, target: str, headers: Mapping[str, str]) -> Answer:
        send = partial(
            self._http.send, call.method, origin, target, headers, body=call.body, patience_s=call.patience_s
        )
        try:
            return await send()
        except TransportError as error:
            if not error.stale:
                raise
        subject = call.subject
        self._observe(RequestMade(subject.bucket, subject.request, "ConnectionLost", seconds=0.0, bytes_read=0))
        return await send(fresh=True)

    async def _turn(self, subject: Subject, address: Address, gate: Gate) -> _Turn:
        """Wait for a socket to be free before the session is asked for, which might end while a signed request waits."""
        places, since = self._http.places.of(address.origin), time.perf_counter()
        try:
            if places.locked():
                async with asyncio.timeout(self._limits.request_s):
                    await places.acquire()
            else:
                await places.acquire()  # at once
        except TimeoutError:
            gate.leave()
            raise _ours(subject, TransportError("TimedOut")) from None
        except BaseException:
            gate.leave()
            raise
        return _Turn(gate, places, self._share, waited_since=since)

    def refusal(self, call: Call, answered: Answered, body: bytes) -> SourceError:
        """The error that an answer is."""
        for secret in call.secrets:
            body = body.replace(secret.encode(), b"[redacted]")
        call.outlived = call.usable_until is not None and self._clock() >= call.usable_until
        found = Refusal(status=answered.status, headers=answered.headers, body=body, region=call.region)
        return refused(call.subject, found, now=self._clock())

    async def _headers(self, call: Call, address: Address, target: str) -> dict[str, str]:
        call.region = address.region
        if not call.signed:
            return {"host": address.host}
        assert self._access is not None, "an exchange without an access signs nothing"
        session = await self._access.session()
        call.access_key_id = session.access_key_id
        call.usable_until = session.usable_until
        call.secrets = tuple(filter(None, (session.token, session.secret_access_key)))
        path, _, query = target.partition("?")
        return self._signer.sign(
            session,
            region=address.region,
            method=call.method,
            host=address.host,
            path=path,
            query=query,
            headers=call.headers,
            now=self._clock(),
            body=call.body,
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


_KINDS: Mapping[Code, type[SourceError]] = {
    "AddressDenied": RequestRefusedError,
    "AnswerTooLarge": ProtocolError,
    "CertificateInvalid": RequestRefusedError,
    "NotHttp": ProtocolError,
    "RequestInvalid": RequestRefusedError,
}
"""What is not mended by itself; all else is SourceUnavailableError."""


def _ours(subject: Subject, error: TransportError, origin: str = "") -> SourceError:
    why = error.why
    if error.code == "Unreachable":
        why += f"; it was asked at {origin}: if that is wrong, mend the endpoint, which AWS_ENDPOINT_URL_S3 sets"
    return explained(_KINDS.get(error.code, SourceUnavailableError), subject, why, code=error.code)
