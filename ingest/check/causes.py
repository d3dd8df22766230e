"""What an error of the storage may come from. AWS gives one AccessDenied for many causes: all that are possible are told, none is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from config.errors import (
    BucketMissingError,
    ClockSkewError,
    LongshoreError,
    RegionError,
    SourceError,
    SourceUnavailableError,
)
from credentials.grants import Grant
from credentials.policies.access import Need
from ingest.check.repairs import Repairs
from ingest.check.report import Reason

_DENIES: Final = re.compile(r"explicit deny in (?:an? |the )?([A-Za-z -]*?(?:policy|boundary))")
_LACKS: Final = re.compile(r"no ([A-Za-z -]*?)(?: policy| policies|s)? allows?")
_NO_KEY: Final = re.compile(r"perform: kms:Decrypt\b|^KMS\.")
KEY_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+")

HEAD_TRAP: Final = Reason(
    why="a HEAD asks for s3:GetObject: there is no action s3:HeadObject, and a policy that names it permits nothing",
)
CONDITIONS: Final = Reason(
    why="a Deny in the bucket's policy, or a condition in any of these, lets only some in: by network (aws:SourceVpce, aws:SourceIp: "
    "a bucket that only a VPC reaches can't be read from outside), by organisation, by TLS, by MFA; no statement overrules a Deny, "
    "so except the role from it",
    target="bucket",
)
ABOVE: Final = Reason(
    why="a permissions boundary of the role, or a service or resource control policy of its organisation, does not allow it",
)
OBJECT_OWNER: Final = Reason(
    why="the object belongs to the account that wrote it (Object Ownership 'Object writer'), over which neither the bucket's owner nor "
    "its policy has power: set Object Ownership to 'Bucket owner enforced', or copy the object over itself as its owner",
)
CLOCK: Final = Reason(
    why="our own clock is wrong, which is ours to mend and not the customer's: set this machine's clock by NTP",
    target="own",
)

_CODES: Final[Mapping[str, str]] = {
    "AccountProblem": "the account has a problem that AWS must be asked about, such as bills that are not paid",
    "AllAccessDisabled": "AWS has disabled all access to this bucket",
    "AddressDenied": "the endpoint's name leads to an address inside a network that this service may not connect to; the operator opens "
    "networks by LONGSHORE_NETWORKS",
    "CertificateInvalid": "the server's TLS certificate is not good: it must be of a public authority, name this very host, have its "
    "intermediates with it, and not have ended",
    "InvalidAccessKeyId": "the access key was deleted, deactivated, mistyped, or belongs to another storage: make a new key and give "
    "it to `longshore connections update`",
    "InvalidPayer": "the account that should pay may not: see its bills",
    "InvalidToken": "the session was revoked, or AWS Organizations has closed the account",
    "KMS.DisabledException": "the KMS key that objects are encrypted under is disabled: enable it",
    "KMS.KMSInvalidStateException": "the KMS key is being deleted, or was never made whole: cancel its deletion, and enable it",
    "KMS.NotFoundException": "the KMS key is gone: what is encrypted under it can't be read any more by anybody",
    "NotHttp": "something that speaks no HTTP answers at the endpoint: a wrong port, or TLS where there is none (or none where there is)",
    "NotSignedUp": "the account is not signed up for S3",
    "SignatureDoesNotMatch": "the secret access key is not the one that belongs to the key's ID: give both anew to "
    "`longshore connections update`",
    "TimedOut": "no answer came in time: a firewall that drops packets, or a server that hangs",
    "Unreachable": "nothing answers at the endpoint: its name (a region that does not exist has none), its port, DNS, or a firewall between us and it",
}


def why_of(error: LongshoreError) -> str:
    """What the storage said, without what was asked for: a key holds whatever somebody wrote into it."""
    return str(error.fields.get("why") or error.message)


def _words(error: LongshoreError) -> str:
    """Where AWS says which policy it was: behind the object's name, which it puts in quotation marks."""
    return why_of(error).rpartition('"')[2]


def told(error: LongshoreError) -> str:
    """What was seen, without the advice that the error gives to runs."""
    why = why_of(error)
    seen = error.message.rpartition(why)[0] + why
    code = str(error.fields.get("code") or "")
    return seen if code in seen else f"{seen} ({code})"


def key_in(error: LongshoreError) -> str | None:
    """The KMS key that an error names."""
    found = KEY_ARN.search(why_of(error))
    return found[0] if found else None


def plainly(error: LongshoreError, *, endpoint: str = "") -> tuple[Reason, ...]:
    """Reasons of an error that is no refusal by a policy."""
    if isinstance(error, ClockSkewError):
        return (CLOCK,)
    if isinstance(error, BucketMissingError):
        return (
            Reason(
                why="there is no bucket of this name: it is mistyped, or was deleted; if somebody else takes the name, "
                "expected_owner keeps us from reading theirs",
                target="connection",
            ),
        )
    if isinstance(error, RegionError):
        return (Reason(why="the connection's region or endpoint does not lead to the bucket", target="connection"),)
    if (known := _CODES.get(error.code)) is not None:
        return (Reason(why=known, target="connection" if error.code in _OURS else "elsewhere"),)
    if isinstance(error, SourceUnavailableError):
        at = f" at {endpoint}" if endpoint else ""
        return (
            Reason(
                why=f"the storage{at} is out of reach, failing or throttling: try again; if it lasts, look at the network"
            ),
        )
    return (Reason(why=why_of(error)),)


_OURS: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch"})


def is_policy(error: SourceError) -> bool:
    """Whether some policy refuses; else its code says what it is."""
    return error.code not in _CODES


def is_kms(error: LongshoreError) -> bool:
    return error.code.startswith("KMS.") or _NO_KEY.search(why_of(error)) is not None


def denied(
    error: SourceError, need: Need, place: Grant, repairs: Repairs, *, seen_by_list: bool = True
) -> tuple[Reason, ...]:
    """Reasons of a refusal of `need`, the likeliest first. `seen_by_list`: the object is known to exist."""
    if not is_policy(error):
        return plainly(error)
    mine, theirs = repairs.identity(need, place), repairs.bucket(need, place)
    if (word := _DENIES.search(_words(error))) is not None:
        return (_explicit(word[1], place, repairs),)
    if (word := _LACKS.search(_words(error))) is not None:
        return _lacking(word[1], mine, theirs)
    found = [theirs, mine] if repairs.kind == "own" else [mine, theirs]
    if need not in ("list", "list_versions"):
        found += [] if seen_by_list else [_MAY_BE_GONE]
        found.append(OBJECT_OWNER)
    return (*found, CONDITIONS, ABOVE)


_MAY_BE_GONE: Final = Reason(
    why="there may be no such object: without s3:ListBucket, S3 refuses what does not exist instead of saying so",
    target="connection",
)


def _explicit(kind: str, place: Grant, repairs: Repairs) -> Reason:
    where = {
        "resource-based policy": f"the policy of bucket {place.bucket}",
        "identity-based policy": f"the permissions of {repairs.reader or 'the user whose key it is'}",
    }.get(kind, f"the {kind}")
    return Reason(
        why=f"{where} denies it expressly, and no statement overrules a Deny: remove it or except whoever reads from it (a Deny by "
        "aws:SourceVpce makes a bucket that only a VPC reaches; one by aws:TokenIssueTime revokes older sessions)",
        target="bucket" if kind.startswith("resource") else "elsewhere",
        where=where,
    )


def _lacking(kind: str, mine: Reason, theirs: Reason) -> tuple[Reason, ...]:
    if kind.startswith("identity"):
        return (mine,)
    if kind.startswith("resource"):
        return (theirs,)
    if kind.startswith("session"):
        why = (
            "the session that we asked for does not permit it: the place is not among those that the connection allows"
        )
        return (Reason(why=why, target="connection"),)
    return (ABOVE, mine)


def denied_by_key(error: LongshoreError, place: Grant, key_arn: str | None, repairs: Repairs) -> tuple[Reason, ...]:
    """Reasons of an object that may be read, but not decrypted."""
    if error.code.startswith("KMS.") or why_of(error).startswith("KMS."):
        return plainly(error)
    mine, theirs = repairs.identity("decrypt", place, key_arn=key_arn), repairs.key(key_arn)
    if (word := _LACKS.search(_words(error))) is not None and word[1].startswith("identity"):
        return (mine,)
    if word is not None and word[1].startswith("resource"):
        return (theirs, mine)
    return (mine, theirs)
