"""In which way a prefix may be listed: hides which conditions of policies are tried, in which order, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from config.errors import AccessDeniedError, ListConditionError
from ingest.model import Page
from ingest.s3.errors import shown, uri

DELIMITER = b"/"


class Listable(Protocol):
    """What is asked here. `ingest.s3.client.S3Client` is one."""

    async def list_page(
        self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"", max_keys: int = 1000
    ) -> Page: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a prefix may be listed."""

    kind: Literal["flat", "walk", "denied"]
    prefix: bytes
    refused: tuple[tuple[bytes, bytes], ...] = ()
    """Prefix and delimiter of each LIST that was refused, in the order in which they were tried."""
    instead: bytes | None = None
    """A prefix that may be listed in its place, if this one may not."""
    error: AccessDeniedError | None = None
    """What the storage said to the first of them."""

    def refusal(self, bucket: str) -> AccessDeniedError:
        """The error that `denied` is: what was tried, which condition it may be, what to do next."""
        first = self.error or AccessDeniedError()
        if self.instead is None and not may_be_condition(first):
            return first
        asked = " and ".join(_request(prefix, delimiter) for prefix, delimiter in self.refused)
        if self.instead is None:
            return AccessDeniedError(
                f"{first.message} Refused were {asked}: if s3:ListBucket is granted, look for a condition on s3:prefix that lacks "
                f"{shown(self.prefix)!r}, or one on s3:delimiter.",
                **first.fields,
            )
        why = (
            f"refused were {asked}; {shown(self.instead)!r} (with the slash) may be listed: the policy's condition on s3:prefix "
            f"allows that and not {shown(self.prefix)!r}"
        )
        return ListConditionError(
            f"LIST {uri(bucket, self.prefix)}: {why}. Name {uri(bucket, self.instead)} as the source, or let the condition allow both.",
            **{**first.fields, "code": "ListCondition", "why": why},
        )


def may_be_condition(error: AccessDeniedError) -> bool:
    """Whether a condition may be what refuses, rather than the state of an account, a key or a session."""
    return error.code == "AccessDenied"


def folder_of(prefix: bytes) -> bytes:
    """The folder that a prefix names or lies in: it ends with the delimiter, or is empty."""
    return prefix[: prefix.rfind(DELIMITER) + 1]


async def listing_shape(
    source: Listable,
    prefix: bytes,
    *,
    permits: Callable[[bytes], bool] = lambda _prefix: True,
    denied: AccessDeniedError | None = None,
) -> Shape:
    """Try how `prefix` may be listed, by one LIST of one key for each way; a plain role costs one.

    `permits`: whether the connection's scope has a prefix; what lies outside is not asked for. `denied`: what the plain LIST of the
    prefix was answered, if that is known. Raises SourceError (other than AccessDeniedError) and CredentialError.
    """
    if denied is None:
        denied = await _refused(source, prefix)
        if denied is None:
            return Shape(kind="flat", prefix=prefix)
    if not may_be_condition(denied):
        return Shape(kind="denied", prefix=prefix, refused=((prefix, b""),), error=denied)
    folder, refused = folder_of(prefix), [(prefix, b"")]
    if permits(folder):
        if await _refused(source, folder, DELIMITER) is None:
            return Shape(kind="walk", prefix=prefix, refused=tuple(refused), error=denied)
        refused.append((folder, DELIMITER))
    instead = None
    if prefix != folder:
        slashed = prefix + DELIMITER
        for delimiter in (b"", DELIMITER):
            if await _refused(source, slashed, delimiter) is None:
                instead = slashed
                break
            refused.append((slashed, delimiter))
    return Shape(kind="denied", prefix=prefix, refused=tuple(refused), instead=instead, error=denied)


async def _refused(source: Listable, prefix: bytes, delimiter: bytes = b"") -> AccessDeniedError | None:
    try:
        await source.list_page(prefix=prefix, delimiter=delimiter, max_keys=1)
    except AccessDeniedError as error:
        return error
    return None


def no_such_folder(
    error: AccessDeniedError, *, bucket: str, walked: bytes, folder: bytes, whole: bytes | None
) -> ListConditionError:
    """A walk came to a folder that it may not list. `whole`: one that it has listed to its end."""
    such = f", such as {uri(bucket, whole)}" if whole else ""
    why = (
        f"the role lists {uri(bucket, walked)} folder by folder, but not this folder, so a condition on s3:prefix lacks "
        f"{shown(folder)!r}; without it the listing would have a gap"
    )
    return ListConditionError(
        f"LIST {uri(bucket, folder)}: {why}. Let the condition allow it and what is below it (StringLike {shown(folder + b'*')!r}), "
        f"or name the folders that it does allow as sources{such}.",
        **{**error.fields, "code": "ListCondition", "why": why},
    )


def _request(prefix: bytes, delimiter: bytes) -> str:
    return f"prefix={shown(prefix)!r}" + (f" with delimiter={shown(delimiter)!r}" if delimiter else "")
