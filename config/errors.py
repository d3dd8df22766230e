"""Everything that longshore raises on purpose, as one tree.

LongshoreError
├─ SettingsError                 the operator's settings can't be used
│  ├─ SecretKeyError             a secret can't be sealed or opened with the keys that are set
│  └─ SecretReferenceError       a secret that lives elsewhere is not there, or may not be read
├─ JobError                      a job's payload can't be used
│  └─ JobConflictError           a job ID is taken by another body
├─ ConnectionSetupError          a connection can't be used as asked
│  ├─ UnknownConnectionError     no such connection in this workspace
│  ├─ ConnectionRuleError        a rule of connections forbids the change
│  ├─ AmbiguousConnectionError   several connections permit what is asked for, and none is named
│  └─ OutOfScopeError            the job names what the connection does not permit
├─ CredentialError               no session could be had
│  ├─ RoleDeniedError            STS refuses the role: trust policy, external ID, or the role is gone
│  ├─ RoleOpenError              the role lets in whoever knows its ARN, and the operator forbids that
│  ├─ KeyRefusedError            the storage refuses a connection's access key
│  ├─ SessionRefusedError        STS refuses the request itself: policy too large, bad duration, region disabled
│  ├─ IdentityError              our own identity is missing or refused
│  ├─ SecretUnavailableError     transient: what keeps a secret is down, slow or throttling
│  └─ StsUnavailableError        transient: STS is down, slow or throttling
├─ SourceError                   the storage answered with an error, or with nonsense
│  ├─ BucketMissingError         no such bucket
│  ├─ AccessDeniedError          the storage refuses the request
│  │  └─ ListConditionError      a policy's condition on s3:prefix or s3:delimiter forbids this listing
│  ├─ ObjectMissingError         no such object (gone between list and probe)
│  ├─ ObjectChangedError         the object is no longer the one that was listed (If-Match failed)
│  ├─ ObjectUnchangedError       the object is still the one that is known (If-None-Match)
│  ├─ ContentMismatchError       what was read is not what the storage says that it keeps
│  ├─ ObjectArchivedError        the object must be restored before it can be read
│  ├─ SessionExpiredError        transient: the session that signed the request is not accepted any more
│  ├─ RegionError                the bucket's region can't be found or reached
│  ├─ ClockSkewError             transient: our clock and the storage's differ too much
│  ├─ ProtocolError              transient: an answer that no S3 server may give
│  ├─ ListingError               a listing breaks the rules of the API: repeated token, keys out of order
│  ├─ RequestRefusedError        any other 4xx
│  └─ SourceUnavailableError     transient: throttled, 5xx, time-out, connection lost
├─ CatalogError                  the database can't be used
│  ├─ FencedError                another worker owns the shard now; nothing was written
│  ├─ UnknownRunError            no such run in this workspace
│  └─ CatalogUnavailableError    transient: the database is busy, full or down
├─ PresignError                  a URL can't be signed as asked
├─ RetryRefusedError             a run can't be tried again as asked
├─ ScheduleError                 a schedule can't be made, or used as asked
├─ QueueUnavailableError         transient: Redis can't be reached; what the catalog knows is not lost
└─ RunStoppedError               a run must end with a named reason
   ├─ AccessLostError            nearly every object is denied
   └─ RunCancelledError          someone asked for it
"""

from __future__ import annotations

from typing import Any, ClassVar


class LongshoreError(Exception):
    """Something went wrong in longshore."""

    transient: ClassVar[bool] = False
    """Whether the same request may succeed later without anybody changing anything."""

    def __init__(self, message: str | None = None, **fields: Any) -> None:
        """`message` defaults to the class's docstring; `fields` go to the log line and must hold no secret."""
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.fields = fields
        super().__init__(self.message)

    @property
    def code(self) -> str:
        """A stable, bounded name for metrics, records and programs: the vendor's code if there is one, else the class."""
        return str(self.fields.get("code") or type(self).__name__.removesuffix("Error"))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.fields)


def _rebuild(kind: type[LongshoreError], message: str, fields: dict[str, Any]) -> LongshoreError:
    return kind(message, **fields)


class SettingsError(LongshoreError):
    """The settings can't be used."""


class SecretKeyError(SettingsError):
    """A secret can't be sealed or opened with the keys in LONGSHORE_SECRET_KEYS."""


class SecretReferenceError(SettingsError):
    """A secret that lives elsewhere is not there, or may not be read."""


class JobError(LongshoreError):
    """The job can't be used."""


class JobConflictError(JobError):
    """This job ID belongs to a job with another body."""


class ConnectionSetupError(LongshoreError):
    """The connection can't be used as asked."""


class UnknownConnectionError(ConnectionSetupError):
    """No such connection."""


class ConnectionRuleError(ConnectionSetupError):
    """A rule of connections forbids this."""


class AmbiguousConnectionError(ConnectionSetupError):
    """Several connections permit what is asked for: name one."""


class OutOfScopeError(ConnectionSetupError):
    """The connection does not permit this bucket or prefix."""


class CredentialError(LongshoreError):
    """No session could be had for the connection."""


class RoleDeniedError(CredentialError):
    """STS refuses to let us assume the role."""


class RoleOpenError(CredentialError):
    """The role can be assumed without the right external ID."""


class KeyRefusedError(CredentialError):
    """The storage refuses the connection's access key."""


class SessionRefusedError(CredentialError):
    """STS refuses the request for a session."""


class IdentityError(CredentialError):
    """Our own AWS identity is missing or refused."""


class SecretUnavailableError(CredentialError):
    """What keeps the secret can't be reached or is throttling."""

    transient = True


class StsUnavailableError(CredentialError):
    """STS can't be reached or is throttling."""

    transient = True


class SourceError(LongshoreError):
    """The storage answered with an error."""


class BucketMissingError(SourceError):
    """The bucket does not exist."""


class AccessDeniedError(SourceError):
    """The storage refuses access."""


class ListConditionError(AccessDeniedError):
    """A policy's condition on s3:prefix or s3:delimiter forbids this listing."""


class ObjectMissingError(SourceError):
    """The object does not exist."""


class ObjectChangedError(SourceError):
    """The object changed after it was listed."""


class ObjectUnchangedError(SourceError):
    """The object is still the one that is known."""


class ContentMismatchError(SourceError):
    """The object's bytes are not what the storage says of them."""


class ObjectArchivedError(SourceError):
    """The object is archived and must be restored before it can be read."""


class SessionExpiredError(SourceError):
    """The session that signed the request is no longer accepted."""

    transient = True


class RegionError(SourceError):
    """The bucket's region can't be found or reached."""


class ClockSkewError(SourceError):
    """Our clock and the storage's differ too much."""

    transient = True


class ProtocolError(SourceError):
    """The storage gave an answer that no S3 server may give."""

    transient = True


class ListingError(SourceError):
    """The listing breaks the rules of the API, so it can't be trusted to be complete."""


class RequestRefusedError(SourceError):
    """The storage refuses the request."""


class SourceUnavailableError(SourceError):
    """The storage is throttling, failing or out of reach."""

    transient = True


class CatalogError(LongshoreError):
    """The catalog can't be used."""


class FencedError(CatalogError):
    """Another worker owns this shard now; nothing was written."""


class UnknownRunError(CatalogError):
    """No such run."""


class CatalogUnavailableError(CatalogError):
    """The catalog is busy, full or down."""

    transient = True


class PresignError(LongshoreError):
    """The URL can't be signed as asked."""


class RetryRefusedError(LongshoreError):
    """The run can't be tried again as asked."""


class ScheduleError(LongshoreError):
    """The schedule can't be made, or used as asked."""


class QueueUnavailableError(LongshoreError):
    """Redis can't be reached."""

    transient = True


class RunStoppedError(LongshoreError):
    """The run was stopped."""


class AccessLostError(RunStoppedError):
    """Nearly every object is denied."""


class RunCancelledError(RunStoppedError):
    """The run was cancelled."""
