"""S3's errors as ours: one table by code, a fallback by status, and messages that say what, which, why and what to do next.

Source: "List of error codes" in the Amazon S3 API Reference. A HEAD carries no document, so its status must do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from config.errors import (
    AccessDeniedError,
    BucketMissingError,
    ClockSkewError,
    ContentMismatchError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectMissingError,
    ProtocolError,
    RegionError,
    RequestRefusedError,
    SessionExpiredError,
    SourceError,
    SourceUnavailableError,
)
from config.redaction import redact
from ingest.events import RequestClass
from ingest.s3.xml import read_error

CODES: Mapping[str, type[SourceError]] = {
    # access
    "AccessDenied": AccessDeniedError,
    "AccountProblem": AccessDeniedError,
    "AllAccessDisabled": AccessDeniedError,
    "InvalidPayer": AccessDeniedError,
    "InvalidSecurity": AccessDeniedError,
    "KMS.DisabledException": AccessDeniedError,
    "KmsDenied": AccessDeniedError,  # our own: S3 says AccessDenied, and names the key in its message only
    "KMS.KMSInvalidStateException": AccessDeniedError,
    "KMS.NotFoundException": AccessDeniedError,
    "NotSignedUp": AccessDeniedError,
    "SignatureDoesNotMatch": AccessDeniedError,
    # the session
    "ExpiredToken": SessionExpiredError,
    "ExpiredTokenException": SessionExpiredError,
    "InvalidAccessKeyId": SessionExpiredError,
    "InvalidToken": SessionExpiredError,
    "RequestExpired": SessionExpiredError,
    "TokenRefreshRequired": SessionExpiredError,
    "RequestTimeTooSkewed": ClockSkewError,
    # what is asked for
    "NoSuchBucket": BucketMissingError,
    "NoSuchKey": ObjectMissingError,
    "NoSuchVersion": ObjectMissingError,
    "PreconditionFailed": ObjectChangedError,
    "InvalidObjectState": ObjectArchivedError,
    # where
    "AuthorizationHeaderMalformed": RegionError,
    "IllegalLocationConstraintException": RegionError,
    "PermanentRedirect": RegionError,
    "TemporaryRedirect": RegionError,
    # later
    "BandwidthLimitExceeded": SourceUnavailableError,
    "Busy": SourceUnavailableError,
    "InternalError": SourceUnavailableError,
    "KMS.ThrottlingException": SourceUnavailableError,
    "OperationAborted": SourceUnavailableError,
    "ProvisionedThroughputExceededException": SourceUnavailableError,
    "RequestLimitExceeded": SourceUnavailableError,
    "RequestThrottled": SourceUnavailableError,
    "RequestThrottledException": SourceUnavailableError,
    "RequestTimeout": SourceUnavailableError,
    "RequestTimeoutException": SourceUnavailableError,
    "ServiceUnavailable": SourceUnavailableError,
    "SlowDown": SourceUnavailableError,
    "Throttling": SourceUnavailableError,
    "ThrottlingException": SourceUnavailableError,
    "TooManyRequests": SourceUnavailableError,
    "TooManyRequestsException": SourceUnavailableError,
    # never
    "InvalidArgument": RequestRefusedError,
    "InvalidBucketName": RequestRefusedError,
    "InvalidRange": RequestRefusedError,
    "InvalidRequest": RequestRefusedError,
    "InvalidURI": RequestRefusedError,
    "KeyTooLongError": RequestRefusedError,
    "MethodNotAllowed": RequestRefusedError,
    "EntityTooLarge": RequestRefusedError,
    "InvalidPart": RequestRefusedError,
    "NoSuchTagSet": RequestRefusedError,
    "NoSuchUpload": RequestRefusedError,
    "NotImplemented": RequestRefusedError,
}
"""Every code that is told apart; these names, and those of our classes, are all that metrics ever see."""

STATUSES: Mapping[int, type[SourceError]] = {
    301: RegionError,
    307: RegionError,
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: ObjectMissingError,
    408: SourceUnavailableError,
    409: SourceUnavailableError,
    412: ObjectChangedError,
    425: SourceUnavailableError,
    429: SourceUnavailableError,
}

_NEXT: Mapping[type[SourceError], str] = {
    AccessDeniedError: "Grant s3:ListBucket on the bucket and s3:GetObject on its objects (and kms:Decrypt on their key) to whoever "
    "reads: the connection's role, its key's user, or for the built-in connection our own role, by the bucket's policy; and look for a bucket policy, an expected owner or conditions on s3:prefix that forbid it",
    BucketMissingError: "Check the bucket's name and the endpoint",
    ClockSkewError: "Set this machine's clock by NTP",
    ContentMismatchError: "Run again; if it stays, the stored object is damaged: write it anew from where it came",
    ObjectArchivedError: "Restore the object, then run again",
    ObjectChangedError: "Run again: the new version will be listed",
    ObjectMissingError: "It may have been deleted since it was listed; run again",
    ProtocolError: "If it lasts, look for a proxy or a captive portal between us and the storage",
    RegionError: "Check the connection's region and endpoint",
    RequestRefusedError: "Trying again will not help: check the source and the connection",
    SessionExpiredError: "A fresh session was refused too: check this machine's clock and whether the role's sessions were revoked",
    SourceUnavailableError: "If it lasts, look at the storage and the network",
}

_MESSAGE = 2_400
"""Characters of what a storage says that are looked at: a key has up to 1,024."""
_KMS = re.compile(r"perform: kms:\w+|ciphertext refers to a customer master key", re.IGNORECASE)
"""What S3 says where it may read the object, and not decrypt it."""
_NEXT_OF_CODES: Mapping[object, str] = {
    "KmsDenied": "Allow kms:Decrypt on that key to whoever reads, in the role's policy and in the key's own",
    "SignatureDoesNotMatch": "The secret is not the one of this access key: `longshore connections update NAME --new-secret` takes "
    "the right one",
}
"""Where a code says more than its class."""

_WORDLESS: Mapping[int, str] = {
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}
"""What S3 calls these where it has no document to say so, as in the answer to a HEAD."""

_OF_A_LIST: Mapping[type[SourceError], type[SourceError]] = {ObjectMissingError: BucketMissingError}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a request is about, for people."""

    request: RequestClass
    bucket: str
    key: bytes
    """The prefix, of a LIST."""

    def __str__(self) -> str:
        return f"{self.request.upper()} {uri(self.bucket, self.key)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that is not what was asked for, read as far as it may be."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes
    region: str
    """Where the request was signed for."""


def uri(bucket: str, key: bytes) -> str:
    """A key or prefix for people: printable, and not too long. `bucket` may be the origin of an HTTPS server, and `key` a path."""
    if bucket.startswith("https://"):
        return f"{bucket}{shown(key.partition(b'?')[0])}"  # a query may hold a signature
    return f"s3://{bucket}/{shown(key)}"


def shown(key: bytes) -> str:
    """As in `uri`."""
    text = key.decode("utf-8", "backslashreplace")
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return text if len(text) <= 120 else f"{text[:80]}...{text[-30:]}"


def refused(subject: Subject, refusal: Refusal, *, now: float) -> SourceError:
    """The error that this answer is. Fields: code (if S3 named one of ours), status, request_id; and region, retry_after_s."""
    document = read_error(refusal.body)
    code, headers = document.code, refusal.headers
    region = headers.get("x-amz-bucket-region") or document.region
    kind = _kind(subject, refusal, code=code, region=region)
    fields: dict[str, object] = {"status": refusal.status}
    if code in CODES or (not code and refusal.status in _WORDLESS):
        fields["code"] = code or _WORDLESS[refusal.status]
    if code == "AccessDenied" and _KMS.search(document.message[:_MESSAGE]):
        fields["code"] = "KmsDenied"
    if request_id := headers.get("x-amz-request-id") or document.request_id:
        fields["request_id"] = request_id[:100]
    if issubclass(kind, RegionError) and region:
        fields["region"] = region[:64]
    if (pause := headers.get("retry-after", "")).isascii() and pause.isdigit():
        fields["retry_after_s"] = float(pause[:6])
    if refusal.status == 416:
        fields["object_size"] = headers.get("content-range", "").rpartition("/")[2] or document.object_size
    why = f"{_bounded(code, 64) or 'no reason given'} ({refusal.status})"
    if document.message:
        # redacted before anything is left out: half a secret looks like none
        why += f": {_bounded(redact(document.message[:_MESSAGE]), 300, end=130)}"
    if kind is ClockSkewError:
        why += _skew(headers.get("date", ""), now)
    return explained(kind, subject, why, **fields)


def explained(kind: type[SourceError], subject: Subject, why: str, /, **fields: object) -> SourceError:
    """An error of ours about `subject`; what to do next is added. Its field `why` is the reason alone."""
    told = redact(why).rstrip(".")
    next_ = _NEXT_OF_CODES.get(fields.get("code"), _NEXT[kind])
    return kind(f"{subject}: {told}. {next_}.", **(fields | {"why": told}))


def says_nothing(subject: Subject, error: SourceError) -> bool:
    """A HEAD's 400: an expired session, another region, or an object that can't be read this way. It proves none of them."""
    return subject.request == "head" and error.fields.get("status") == 400 and type(error) is RequestRefusedError


def _kind(subject: Subject, refusal: Refusal, *, code: str, region: str) -> type[SourceError]:
    status = refusal.status
    kind = CODES.get(code)
    if kind is None:
        kind = STATUSES.get(status)
        if kind is None:
            kind = _by_hundred(status)
        if subject.request == "head" and status == 400 and region and region != refusal.region:
            kind = RegionError  # no document, but the header gives it away
    if subject.request == "list":
        return kind if code in CODES else _OF_A_LIST.get(kind, kind)
    if code == "MethodNotAllowed" or status == 405:
        return ObjectMissingError if refusal.headers.get("x-amz-delete-marker") == "true" else RequestRefusedError
    if kind is RegionError and status == 307 and region == refusal.region:
        return SourceUnavailableError  # a new bucket: its name has not reached every place yet
    return kind


def _by_hundred(status: int) -> type[SourceError]:
    if status >= 500:
        return SourceUnavailableError
    return RequestRefusedError if status >= 400 else ProtocolError


def _bounded(text: str, most: int, *, end: int = 0) -> str:
    """`end`: so many characters are those at its end, where AWS says which policy refuses, behind a key of any length."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[:_MESSAGE]).split())
    return text if len(text) <= most else f"{text[: most - end]}...{text[len(text) - end :]}"


def _skew(date: str, now: float) -> str:
    try:
        theirs = parsedate_to_datetime(date).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return f" (our clock is {(datetime.fromtimestamp(now, UTC) - theirs).total_seconds():+.0f} s from the storage's)"
