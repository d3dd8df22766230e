"""When an object's content changed: hides how that is told from a change of what is said about it. SQL for the bulk write."""

from __future__ import annotations

from typing import Final

from ingest.catalog.tables import IDENTITY
from ingest.catalog.tables import assets as table

_CHECKSUM: Final = (
    "(assets.checksum = excluded.checksum AND assets.checksum_algorithm = excluded.checksum_algorithm "
    "AND assets.checksum_type = 'FULL_OBJECT' AND excluded.checksum_type = 'FULL_OBJECT')"
)
_ETAG: Final = "(assets.etag = excluded.etag AND (assets.etag <> '' OR assets.last_modified = excluded.last_modified))"
_SAME: Final = (
    f"assets.size = excluded.size AND ({_ETAG} OR "
    f"coalesce(assets.sha256 = excluded.sha256, assets.md5 = excluded.md5, {_CHECKSUM}, FALSE))"
)
"""The best that is known of both decides. What nobody can tell counts as a change."""

_CHANGED_AT: Final = f"CASE WHEN {_SAME} THEN coalesce(assets.content_changed_at, assets.changed_at) ELSE excluded.content_changed_at END"
"""A row from before this column was there last changed when anything of it did."""


def replaced() -> dict[str, str]:
    """What an upsert of `assets` sets where there is a row already: each column's new value. New rows carry the time of now in NOW."""
    kept = (*IDENTITY, "first_seen_at")
    new = {column.name: f"excluded.{column.name}" for column in table.columns if column.name not in kept}
    return new | {"content_changed_at": _CHANGED_AT}
