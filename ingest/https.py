"""One GET or HEAD of an HTTPS source. Hides redirects, who is sent credentials, ranges, and what each refusal means.

Every hop is checked as the first address was, and dialled by the transport's own guard; credentials go to the first origin only,
and a hop that the connection does not permit is not sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from config.errors import ObjectUnchangedError, RequestRefusedError, SourceError
from config.limits import Limits
from config.networks import Networks
from config.origins import Origins, WebAddress, checked_https, redirected
from ingest.https_body import Extent, HttpsBody
from ingest.https_errors import Subject, refused, torn
from ingest.s3.transport import Answer, Transport, TransportError

Method = Literal["GET", "HEAD"]
Credentials = Callable[[WebAddress], Mapping[str, str]]
"""Headers for one address: Authorization, Cookie, or what else a server wants. Asked for the first address, and for each that a
redirect names on the same origin, until one leaves it."""

Follows = Callable[[WebAddress], bool]
"""Whether a redirect may lead there, as far as the connection has a say in it."""

Conditions = Mapping[str, str]
"""Headers such as If-None-Match, by lower-case names."""

_NONE: Final[Conditions] = {}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_UNLESS: Final = frozenset({"if-none-match", "if-modified-since"})
"""Conditions that a 304 answers; to all else it is no answer."""
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?")
_OURS: Final = frozenset(
    {"host", "range", "accept", "accept-encoding", "user-agent", "connection", "content-length", "transfer-encoding"}
)


def nobody(_address: WebAddress) -> Mapping[str, str]:
    """Without credentials."""
    return {}


def anywhere(_address: WebAddress) -> bool:
    """To wherever addresses may lead at all."""
    return True


def _untold() -> None:
    """Nobody counts redirects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An answer with an object in it."""

    url: str = field(repr=False)
    """Where it came from in the end; its query may hold a signature."""
    status: int
    """200, 203, 204 or 206."""
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    size: int | None
    """Bytes of the whole object, if the server says so."""
    redirects: int
    body: HttpsBody
    """Empty for a HEAD."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What of an object is wanted, when, and from where."""

    extent: Extent
    conditions: Conditions
    follows: Follows
    hopped: Callable[[], None]

    @property
    def headers(self) -> Mapping[str, str]:
        return {**self.extent.header, **self.conditions}


class Fetcher:
    """Safe to share between tasks; holds no socket of its own."""

    def __init__(
        self, http: Transport, limits: Limits, *, allowed: Origins | None = None, networks: Networks | None = None
    ) -> None:
        """`http` comes from `open_http` with `permit=guarding(networks)`, and stays the caller's."""
        self._http = http
        self._limits = limits
        self._allowed = allowed or Origins()
        self._networks = networks or Networks()

    @asynccontextmanager
    async def fetch(
        self,
        url: str,
        *,
        method: Method = "GET",
        credentials: Credentials = nobody,
        first: int | None = None,
        last: int | None = None,
        conditions: Conditions = _NONE,
        follows: Follows = anywhere,
        hopped: Callable[[], None] = _untold,
    ) -> AsyncGenerator[Fetched]:
        """Bytes `first` to `last`, both inclusive and counted from 0; all if neither is given. Sent once: nothing is tried again.
        `hopped` is called for each redirect that is followed, before more is sent.

        Raises SourceError; ObjectUnchangedError where `conditions` say that nothing need be sent. Its code: AddressInvalid, AddressDenied, CertificateInvalid, RedirectRefused, TooManyRedirects, TimedOut,
        Unauthorized, TooManyRequests ...
        """
        with ExitStack() as stack:
            subject = Subject(method=method)
            start = self._start(subject, url)
            subject = Subject(method=method, start=start)
            try:
                async with asyncio.timeout(self._limits.request_s):
                    asked = Asked(Extent(first, last), conditions, follows, hopped)
                    fetched = await self._follow(stack, subject, start, credentials, asked)
            except TimeoutError:
                raise torn(subject, TransportError("TimedOut")) from None
            yield fetched

    def _start(self, subject: Subject, url: str) -> WebAddress:
        try:
            return checked_https(url, self._allowed, self._networks)
        except ValueError as error:
            why = f"the address can't be used: {error}"
        raise subject.error(RequestRefusedError, why, code="AddressInvalid")

    async def _follow(
        self, stack: ExitStack, subject: Subject, address: WebAddress, credentials: Credentials, asked: Asked
    ) -> Fetched:
        origin, seen = address.origin, {str(address)}
        for hops in range(self._limits.https_redirects + 1):
            if hops:
                asked.hopped()
            if address.origin != origin:
                credentials = nobody  # for good: another server has decided on what comes next
            headers = {"host": address.authority, **asked.headers, **_checked(subject, credentials(address))}
            with ExitStack() as attempt:
                answer = await self._send(attempt, subject, address, headers)
                if answer.status not in _REDIRECTS:
                    fetched = self._fetched(subject, address, answer, asked, hops)
                    stack.push(attempt.pop_all())
                    return fetched
                address = self._next(subject, address, answer, asked.follows)
            subject = subject.at(address)
            if str(address) in seen:
                why = "the server redirects in a circle"
                raise subject.error(RequestRefusedError, why, code="TooManyRedirects")
            seen.add(str(address))
        why = f"the server redirects more than {self._limits.https_redirects} times"
        raise subject.error(RequestRefusedError, why, code="TooManyRedirects")

    def _next(self, subject: Subject, address: WebAddress, answer: Answer, follows: Follows) -> WebAddress:
        try:
            to = redirected(address, answer.headers.get("location", ""), self._allowed, self._networks)
        except ValueError as error:
            why = f"the server redirects to where it may not lead: {error}"
        else:
            if follows(to):
                return to
            why = f"the server redirects to {to.shown}, which the connection does not permit"
        raise subject.error(RequestRefusedError, why, code="RedirectRefused", status=answer.status)

    async def _send(
        self, attempt: ExitStack, subject: Subject, address: WebAddress, headers: Mapping[str, str]
    ) -> Answer:
        places = self._http.places.of(address.origin)
        await places.acquire()
        attempt.callback(places.release)
        failure: SourceError
        try:
            answer = await self._send_twice(subject, address, headers)
        except TransportError as error:
            failure = torn(subject, error)
        else:
            attempt.callback(answer.leave)
            return answer
        raise failure  # out here: what hangs on the other error is none of the reader's business

    async def _send_twice(self, subject: Subject, address: WebAddress, headers: Mapping[str, str]) -> Answer:
        """A kept socket that the server closed meanwhile costs nothing."""
        try:
            return await self._http.send(subject.method, address.origin, address.target, headers)
        except TransportError as error:
            if not error.stale:
                raise
        return await self._http.send(subject.method, address.origin, address.target, headers, fresh=True)

    def _fetched(self, subject: Subject, address: WebAddress, answer: Answer, asked: Asked, redirects: int) -> Fetched:
        extent = asked.extent
        if answer.status == 304 and not _UNLESS.isdisjoint(asked.conditions):
            raise subject.error(
                ObjectUnchangedError, "the object has not changed (304)", code="NotModified", status=304
            )
        if answer.status not in extent.good:
            raise refused(subject, answer.status, answer.headers)
        size, skip, length = extent.answered(subject, answer, most_skip=self._limits.range_skip_bytes)
        if subject.method == "HEAD":
            skip, length = 0, 0
        return Fetched(
            url=str(address),
            status=answer.status,
            headers=answer.headers,
            size=size,
            redirects=redirects,
            body=HttpsBody(subject, answer, skip=skip, length=length, exact=answer.status == 206, limits=self._limits),
        )


def _checked(subject: Subject, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Nothing breaks out of a header, and none of ours is replaced. Raises RequestRefusedError, which shows no value."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or name.lower() in _OURS or not _VALUE.fullmatch(value):
            why = "the connection's credentials can't be written as a header: they hold a line break or another odd character"
            raise subject.error(RequestRefusedError, why, code="RequestInvalid")
    return headers
