"""Probing: what one changed object is, asked of the object itself. A bad object is a value here, never an exception."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, Protocol

from config.errors import (
    AccessDeniedError,
    ObjectArchivedError,
    ObjectChangedError,
    ObjectMissingError,
    RequestRefusedError,
    SourceError,
)
from ingest.catalog.assets import Asset, Records
from ingest.compare import Merged
from ingest.model import ARCHIVED, Entry, ObjectHead, Page

_RELISTED_MOST = 3


class ObjectSource(Protocol):
    """What a probe asks. `ingest.s3.client.S3Client` is one."""

    async def head(self, key: bytes, *, if_match: str | None = None) -> ObjectHead: ...

    async def list_page(
        self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"", max_keys: int = 1000
    ) -> Page: ...


class Change(NamedTuple):
    """An entry that is not as the catalog knows it."""

    entry: Entry
    new: int
    """1 if the catalog does not know it, else 0."""


class Probed(NamedTuple):
    """One change, looked at."""

    outcome: str
    """vanished, archived, failed, changed or added."""
    asset: Asset | None
    """None if the object vanished."""
    error: SourceError | None = None
    """Why it failed."""


def unprobed(merged: Merged) -> tuple[Records, Counter[str]]:
    """Depth `list`: what the listing says is all there is. Returns the records, and the changes by outcome."""
    changes, count, new = merged.changes, len(merged.changes), merged.new.count(1)
    plain = (
        changes.keys,
        list(map(int, changes.sizes)),
        changes.etags,
        changes.modified,
        changes.classes,
        changes.checksum_kinds(),
    )
    archived = [name in ARCHIVED for name in changes.classes]
    if not any(archived):
        return Records((*plain, ["present"] * count, ["list"] * count)), Counter(added=new, changed=count - new)
    states = ["archived" if one else "present" for one in archived]
    outcomes = Counter(
        "archived" if one else "added" if is_new else "changed"
        for one, is_new in zip(archived, merged.new, strict=True)
    )
    return Records((*plain, states, ["list"] * count)), outcomes


async def head(source: ObjectSource, change: Change) -> Probed:
    """Depth `head`: ask for the headers of exactly the object that was listed (If-Match).

    If it changed since, it is listed again by its key, so that a record never mixes two versions. Raises only what concerns
    more than this object: CredentialError, and SourceError of the kinds that speak of bucket, region or clock.
    """
    try:
        return await _looked_at(source, change)
    except AccessDeniedError as denied:  # to list a single key is what a condition on s3:prefix may have no room for
        return failed(change, denied)


async def _looked_at(source: ObjectSource, change: Change) -> Probed:
    entry: Entry | None = change.entry
    error: SourceError | None = None
    for _ in range(_RELISTED_MOST):
        if entry is None:
            return Probed(outcome="vanished", asset=None)
        try:
            return _seen(change, entry, await source.head(entry.key, if_match=entry.etag or None))
        except ObjectMissingError as missing:
            now = await _listed_again(source, entry)
            if now == entry:
                missing.fields["code"] = "ListedButMissing"
                return failed(change, missing)
            entry = now
        except ObjectChangedError as changed:
            error = changed
            entry = await _listed_again(source, entry)
        except AccessDeniedError as denied:
            return Probed(outcome="vanished", asset=None) if await _is_gone(source, entry) else failed(change, denied)
        except (ObjectArchivedError, RequestRefusedError) as refused:
            return failed(change, refused)
    why = f"the object changed {_RELISTED_MOST} times while it was being read"
    return failed(change, error or ObjectChangedError(why, code="ObjectChanged"))


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
    asset = _listed(change.entry, "failed")._replace(error_code=error.code)
    return Probed(outcome="failed", asset=asset, error=error)


def _seen(change: Change, entry: Entry, answer: ObjectHead) -> Probed:
    archived = entry.storage_class in ARCHIVED or "x-amz-archive-status" in answer.headers
    outcome = "archived" if archived else "added" if change.new else "changed"
    asset = Asset(
        *entry[:5],
        entry.checksum_kind,
        "archived" if archived else "present",
        "head",
        None,
        _text(answer.content_type),
        _text(answer.checksum_algorithm),
        _text(answer.checksum),
        _text(answer.checksum_type),
        _text(answer.version_id),
        _json(answer.metadata),
        _json(answer.headers),
    )
    return Probed(outcome=outcome, asset=asset)


def _listed(entry: Entry, state: str) -> Asset:
    return Asset(*entry[:5], entry.checksum_kind, state, "list")


def is_as_listed(asset: Asset, entry: Entry) -> bool:
    """Whether the record says of the object what this entry says: it may have been listed again."""
    return asset[:5] == entry[:5] and asset.listed_checksum == entry.checksum_kind


def _text(value: str) -> str | None:
    """As text that every database takes: without NUL; bytes of a header that are no UTF-8 are taken for Latin-1."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value.replace("\0", "") or None


def _json(values: Mapping[str, str]) -> str | None:
    return _json_of(tuple(values.items())) if values else None


@lru_cache(maxsize=256)
def _json_of(items: tuple[tuple[str, str], ...]) -> str:
    """Many objects of a bucket say the same."""
    return json.dumps({_text(name): _text(value) for name, value in items}, sort_keys=True)
