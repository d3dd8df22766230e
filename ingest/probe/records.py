"""How what a storage says becomes a record: hides what no database takes, and which headers tell of an object's state."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from ingest.catalog.assets import Asset
from ingest.identity import checksum_of, md5_of, sha256_of
from ingest.job import Depth
from ingest.model import ARCHIVED, Entry, ObjectHead

_ONGOING: Final = 'ongoing-request="true"'
_EXPIRY: Final = re.compile(r'expiry-date="([^"]{1,64})"')


def listed(entry: Entry, state: str) -> Asset:
    """The record of what the listing alone says."""
    return Asset(*entry[:5], entry.checksum_kind, state, "list")


def of_head(entry: Entry, answer: ObjectHead, *, depth: Depth = "head") -> Asset:
    """The record of an object whose headers were read."""
    said = answer.headers
    restored = restore_of(said["x-amz-restore"]) if "x-amz-restore" in said else None
    stored = checksum_of(answer.checksum_algorithm, answer.checksum, answer.checksum_type)
    away = entry.storage_class in ARCHIVED or "x-amz-archive-status" in said
    return Asset(
        *entry[:5],
        entry.checksum_kind,
        "archived" if away and restored in (None, "ongoing") else "present",
        depth,
        None,
        text(answer.content_type),
        text(answer.checksum_algorithm),
        text(answer.checksum),
        text(answer.checksum_type),
        text(answer.version_id),
        as_json(answer.metadata),
        as_json(said),
        restored,
        md5_of(answer.etag, said, storage_class=answer.storage_class),
        sha256_of(stored),
    )


def restore_of(header: str) -> str | None:
    """What `x-amz-restore` says: `ongoing`, or until when the object can be read (ISO 8601); None if it says neither."""
    if _ONGOING in header:
        return "ongoing"
    found = _EXPIRY.search(header)
    try:
        return parsedate_to_datetime(found[1]).astimezone(UTC).isoformat().replace("+00:00", "Z") if found else None
    except (ValueError, OverflowError):
        return None


def is_settled(asset: Asset, entry: Entry) -> bool:
    """Whether the record says of the object what this entry says (it may have been listed again), and nobody need look at it soon."""
    return asset[:5] == entry[:5] and asset.listed_checksum == entry.checksum_kind and asset.restore != "ongoing"


def text(value: str) -> str | None:
    """As text that every database takes: without NUL; bytes of a header that are no UTF-8 are taken for Latin-1."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value.replace("\0", "") or None


def as_json(values: Mapping[str, str]) -> str | None:
    """As a JSON object; None for none."""
    return _json_of(tuple(values.items())) if values else None


@lru_cache(maxsize=256)
def _json_of(items: tuple[tuple[str, str], ...]) -> str:
    """Many objects of a bucket say the same."""
    return json.dumps({text(name) or "": text(value) for name, value in items}, sort_keys=True)
