"""What becomes of a row that is written again: hides what is kept of an object that is still the same, and how a change of its content is
told from a change of what is said about it. SQL for the bulk write.
"""

from __future__ import annotations

from typing import Final

from ingest.catalog.tables import IDENTITY
from ingest.catalog.tables import assets as table
from ingest.job import DEPTHS

_CHECKSUM: Final = (
    "(assets.checksum = excluded.checksum AND assets.checksum_algorithm = excluded.checksum_algorithm "
    "AND assets.checksum_type = 'FULL_OBJECT' AND excluded.checksum_type = 'FULL_OBJECT')"
)
_TOLD_APART: Final = "(assets.etag <> '' OR assets.last_modified <> '')"
_ETAG: Final = (
    "(assets.etag = excluded.etag AND (assets.etag <> '' OR (assets.last_modified = excluded.last_modified "
    "AND assets.last_modified <> '')))"
)
_SAME: Final = (
    f"assets.size = excluded.size AND ({_ETAG} OR "
    f"coalesce(assets.sha256 = excluded.sha256, assets.md5 = excluded.md5, {_CHECKSUM}, FALSE))"
)
"""The best that is known of both decides. What nobody can tell counts as a change."""

_CHANGED_AT: Final = f"CASE WHEN {_SAME} THEN coalesce(assets.content_changed_at, assets.changed_at) ELSE excluded.content_changed_at END"
"""A row from before this column was there last changed when anything of it did."""


_READ: Final = (
    "(assets.state <> 'removed' AND "
    "(excluded.state = 'present' OR (excluded.state = 'failed' AND excluded.depth <> 'list')))"
)
"""It was there all the time, and there to be read, even if what was to be done with it could not be."""
_UNTOUCHED: Final = "({} AND {} AND {})".format(
    _READ,
    _TOLD_APART,
    " AND ".join(
        f"assets.{name} = excluded.{name}"
        for name in ("size", "etag", "last_modified", "storage_class", "listed_checksum")
    ),
)
"""It is the object that was recorded, and was looked at again because more was asked: what was not asked this time stays."""
_READABLE: Final = f"({_SAME} AND ({_READ} OR (excluded.state = 'archived' AND assets.state <> 'removed')))"
"""Its content is the one that was recorded, whatever is said about it now: what was read of it stays true."""
_KEPT: Final = (
    ("media", ("media", "media_type", "width", "height", "duration_s"), _READABLE),
    *((name, (name,), _READABLE) for name in ("md5", "sha256", "verified", "perceptual_hash", "content")),
    ("checksum", ("checksum", "checksum_algorithm", "checksum_type"), _UNTOUCHED),
    *((name, (name,), _UNTOUCHED) for name in ("tags", "copied_to")),
)
"""The column that says whether there was a look, all that is known by it, and when that is kept if there was none this time."""


_OF_A_HEAD: Final = ("content_type", "metadata", "headers", "probed_version_id", "restore")
"""What any look but a listing brings."""


def replaced() -> dict[str, str]:
    """What an upsert of `assets` sets where there is a row already: each column's new value. New rows carry the time of now in NOW."""
    kept = (*IDENTITY, "first_seen_at")
    new = {column.name: f"excluded.{column.name}" for column in table.columns if column.name not in kept}
    for name in _OF_A_HEAD:
        new[name] = f"CASE WHEN excluded.depth = 'list' AND {_UNTOUCHED} THEN assets.{name} ELSE excluded.{name} END"
    for told, names, when in _KEPT:
        for name in names:
            new[name] = f"CASE WHEN excluded.{told} IS NULL AND {when} THEN assets.{name} ELSE excluded.{name} END"
    deeper = f"{_rank('assets')} > {_rank('excluded')} AND {_UNTOUCHED}"
    new["depth"] = f"CASE WHEN {deeper} THEN assets.depth ELSE excluded.depth END"
    return new | {"content_changed_at": _CHANGED_AT}


def _rank(row: str) -> str:
    """How deep a row is, as a number."""
    return f"CASE {row}.depth {' '.join(f'WHEN {name!r} THEN {rank}' for rank, name in enumerate(DEPTHS))} ELSE 0 END"
