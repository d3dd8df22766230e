"""What goes wrong with an HTTPS source, as our errors: one table by status, one by what the transport says.

No error shows a query, a header or a body: each may repeat a credential.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Final, Literal, Self, TypeVar

from config.errors import (
    AccessDeniedError,
    ObjectChangedError,
    ObjectMissingError,
    ProtocolError,
    RequestRefusedError,
    SourceError,
    SourceUnavailableError,
)
from config.origins import WebAddress
from config.redaction import redact
from ingest.s3.transport import Code, TransportError

E = TypeVar("E", bound=SourceError)

_KINDS: Final[Mapping[Code, type[SourceError]]] = {
    "AddressDenied": RequestRefusedError,
    "AnswerTooLarge": RequestRefusedError,
    "CertificateInvalid": RequestRefusedError,
    "NotHttp": ProtocolError,
    "RequestInvalid": RequestRefusedError,
}
"""What is not mended by itself; all else is SourceUnavailableError."""

_STATUSES: Final[Mapping[int, tuple[type[SourceError], str, str]]] = {
    401: (AccessDeniedError, "Unauthorized", "the server does not accept the credentials, or wants some"),
    403: (AccessDeniedError, "Forbidden", "the server refuses access"),
    404: (ObjectMissingError, "NotFound", "there is nothing at this address"),
    405: (RequestRefusedError, "MethodNotAllowed", "the server does not permit this method"),
    407: (RequestRefusedError, "ProxyWanted", "a proxy stands before the server and wants credentials"),
    408: (SourceUnavailableError, "RequestTimeout", "the server waited too long for the request"),
    410: (ObjectMissingError, "NotFound", "what was at this address is gone"),
    412: (ObjectChangedError, "PreconditionFailed", "the object is no longer the one that was looked at"),
    416: (RequestRefusedError, "InvalidRange", "the object does not reach as far as the range that was asked for"),
    425: (SourceUnavailableError, "TooEarly", "the server wants to be asked later"),
    429: (SourceUnavailableError, "TooManyRequests", "the server is asked too often"),
    501: (RequestRefusedError, "NotImplemented", "the server does not know this method"),
    503: (SourceUnavailableError, "ServiceUnavailable", "the server is not available"),
}

_NEXT: Final[Mapping[str, str]] = {
    "AddressDenied": "Name a public server, or ask the operator to list its network",
    "AddressInvalid": "Mend the address",
    "CertificateInvalid": "Have the server show a certificate of a public authority for this very name, with its intermediates",
    "Forbidden": "Have the server's owner permit this path to the connection's user or token",
    "NotFound": "Check the path, its upper and lower case too",
    "RedirectRefused": "Use the address at which the server answers without redirecting",
    "RequestInvalid": "Enter the user name and password, or the token, anew",
    "TooManyRedirects": "Use the address at which the server answers without redirecting",
    "Unauthorized": "Check the user name and password, or the token, of the connection",
}
_NEXT_BY_KIND: Final[Mapping[type[SourceError], str]] = {
    ObjectChangedError: "Run again: the new version will be read",
    ProtocolError: "If it lasts, look for a proxy or a captive portal between us and the server",
    SourceUnavailableError: "If it lasts, look at the server and the network",
}
_ELSE: Final = "Trying again will not help: check the address and the connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a request is about, for people."""

    method: Literal["GET", "HEAD"]
    start: WebAddress | None = None
    """As it was asked for; None if it can't be read, and then it is not shown: it may hold a password."""
    now: WebAddress | None = None
    """Where redirects have led; only its origin is shown."""

    def at(self, address: WebAddress) -> Self:
        return replace(self, now=address)

    def __str__(self) -> str:
        what = f"{self.method} {self.start.shown if self.start is not None else 'of an HTTPS source'}"
        return what if self.now is None else f"{what} (redirected to {self.now.origin[:300]})"

    def error(self, kind: type[E], why: str, /, *, code: str, **fields: object) -> E:
        """What to do next is added. Fields, besides: `why` is the reason alone; `redirected`, where redirects had led."""
        what_next = _NEXT.get(code) or _NEXT_BY_KIND.get(kind) or _ELSE
        told = redact(why).rstrip(".")
        fields["why"] = told
        if self.now is not None:
            fields["redirected"] = self.now.origin[:300]
        return kind(f"{self}: {told}. {what_next}.", code=code, **fields)


def torn(subject: Subject, error: TransportError) -> SourceError:
    """What went wrong below HTTP. Field: dialling, if no connection came about in time."""
    fields = {"dialling": True} if error.dialling else {}
    return subject.error(_KINDS.get(error.code, SourceUnavailableError), error.why, code=error.code, **fields)


def refused(subject: Subject, status: int, headers: Mapping[str, str]) -> SourceError:
    """The error that an answer is. Fields: status, and retry_after_s or object_size."""
    kind, code, why = _STATUSES.get(status) or _by_hundred(status)
    fields: dict[str, object] = {"status": status}
    if (pause_s := _pause(headers)) is not None:
        fields["retry_after_s"] = pause_s
    if status == 416:
        fields["object_size"] = headers.get("content-range", "").rpartition("/")[2][:20]
    return subject.error(kind, f"{why} ({status})", code=code, **fields)


def _pause(headers: Mapping[str, str]) -> float | None:
    """What Retry-After asks for, in seconds; a time is counted from the server's own."""
    said = headers.get("retry-after", "")
    if said.isascii() and said.isdigit():
        return float(said[:6])
    try:
        wait = parsedate_to_datetime(said) - parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, wait.total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _by_hundred(status: int) -> tuple[type[SourceError], str, str]:
    if status >= 500:
        return SourceUnavailableError, "InternalError", "the server failed"
    if status >= 400:
        return RequestRefusedError, "RequestRefused", "the server refuses the request"
    return ProtocolError, "Protocol", "the server gave an answer that is none to this request"
