"""Probing: what one changed object is, asked of the object itself. A bad object is a value here, never an exception."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Protocol

from config.errors import (
    AccessDeniedError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectMissingError,
    RequestRefusedError,
    SourceError,
)
from ingest.catalog.assets import Asset
from ingest.compare import Change, listed_checksum
from ingest.model import Entry, ObjectHead, Page

ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")
"""Storage classes whose objects must be restored before they can be read."""
_RELISTED_MOST = 3


class ObjectSource(Protocol):
    """What a probe asks. `ingest.s3.client.S3Client` is one."""

    async def head(self, key: bytes, *, if_match: str | None = None) -> ObjectHead: ...

    async def list_page(self, *, prefix: bytes, max_keys: int = 1000) -> Page: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One change, looked at."""

    outcome: str
    """vanished, archived, failed, changed or added."""
    asset: Asset | None
    """None if the object vanished."""
    error: SourceError | None = None
    """Why it failed."""


def unprobed(change: Change) -> Probed:
    """Depth `list`: what the listing says is all there is."""
    return _seen(change, change.entry, None)


async def head(source: ObjectSource, change: Change) -> Probed:
    """Depth `head`: ask for the headers of exactly the object that was listed (If-Match).

    If it changed since, it is listed again by its key, so that a record never mixes two versions. Raises only what concerns
    more than this object: CredentialError, and SourceError of the kinds that speak of bucket, region or clock.
    """
    entry: Entry | None = change.entry
    error: SourceError = ObjectChangedError(
        f"the object changed {_RELISTED_MOST} times while it was being read", code="ObjectChanged"
    )
    for _ in range(_RELISTED_MOST):
        if entry is None:
            return Probed(outcome="vanished", asset=None)
        try:
            return _seen(change, entry, await source.head(entry.key, if_match=entry.etag or None))
        except ObjectMissingError:
            return Probed(outcome="vanished", asset=None)
        except ObjectChangedError as changed:
            error = changed
            entry = await _listed_again(source, entry)
        except AccessDeniedError as denied:
            return Probed(outcome="vanished", asset=None) if await _is_gone(source, entry) else failed(change, denied)
        except (ObjectArchivedError, RequestRefusedError) as refused:
            return failed(change, refused)
    return failed(change, error)


async def _is_gone(source: ObjectSource, entry: Entry) -> bool:
    """Where a policy allows listing by prefix only, S3 says "denied" of an object that is gone; its listing tells."""
    try:
        return await _listed_again(source, entry) is None
    except AccessDeniedError:
        return False


async def _listed_again(source: ObjectSource, entry: Entry) -> Entry | None:
    page = await source.list_page(prefix=entry.key, max_keys=1)
    return next((now for now in page.entries if now.key == entry.key), None)


def failed(change: Change, error: SourceError) -> Probed:
    """The object could not be read; its record says why, and the next run tries again."""
    return Probed(
        outcome="failed", asset=_asset(change.entry, None, state="failed", error_code=error.code), error=error
    )


def _seen(change: Change, entry: Entry, answer: ObjectHead | None) -> Probed:
    archived = entry.storage_class in ARCHIVED or (answer is not None and "x-amz-archive-status" in answer.headers)
    outcome = "archived" if archived else "added" if change.known is None else "changed"
    return Probed(outcome=outcome, asset=_asset(entry, answer, state="archived" if archived else "present"))


def _asset(entry: Entry, answer: ObjectHead | None, *, state: str, error_code: str | None = None) -> Asset:
    listed = Asset(
        key=entry.key,
        size=entry.size,
        etag=entry.etag,
        last_modified=entry.last_modified,
        storage_class=entry.storage_class,
        listed_checksum=listed_checksum(entry),
        state=state,
        depth="list",
        error_code=error_code,
    )
    if answer is None:
        return listed
    return replace(
        listed,
        depth="head",
        content_type=_text(answer.content_type),
        checksum_algorithm=_text(answer.checksum_algorithm),
        checksum=_text(answer.checksum),
        checksum_type=_text(answer.checksum_type),
        probed_version_id=_text(answer.version_id),
        metadata=_json(answer.metadata),
        headers=_json(answer.headers),
    )


def _text(value: str) -> str | None:
    # PostgreSQL's text takes no NUL; a header holds none unless a server is broken.
    return value.replace("\0", "") or None


def _json(values: dict[str, str]) -> str | None:
    return json.dumps(values, sort_keys=True).replace("\\u0000", "") if values else None
