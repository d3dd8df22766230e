"""Which JSON and text objects stand beside which asset; hides how names are made of names, and that one query finds all of a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from ingest.catalog.tables import assets as table

ENDINGS: Final = (b".json", b".txt")


class Sidecar(NamedTuple):
    """An object's text that belongs to another object."""

    key: bytes
    text: str


def keys_of(key: bytes) -> list[bytes]:
    """Where sidecars of this object may be: its name with an ending of theirs behind it, or in place of its own. A sidecar has none."""
    if key.endswith((*ENDINGS, b"/")):
        return []
    folder, slash, name = key.rpartition(b"/")
    base, dot, _ = name.rpartition(b".")
    bases = [key] if not dot or not base else [folder + slash + base, key]
    return [base + ending for base in bases for ending in ENDINGS]


def of_page(tx: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> list[list[Sidecar]]:
    """The sidecars of each of these assets, ordered by key, in one query: of the same connection and bucket, and not removed. Records
    of versions have none: nobody knows which stood beside which.
    """
    keys: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    for row in rows:
        if not row["version_id"]:
            keys[row["connection_id"], row["bucket"]].update(keys_of(row["key"]))
    places = [place for place in keys if keys[place]]
    if not places:
        return [[] for _ in rows]
    columns = table.c
    beside = sa.or_(
        *(
            sa.and_(
                columns.connection_id == connection, columns.bucket == bucket, columns.key.in_(keys[connection, bucket])
            )
            for connection, bucket in places
        )
    )
    query = sa.select(columns.connection_id, columns.bucket, columns.key, columns.content).where(
        beside, columns.version_id == "", columns.content.is_not(None), columns.state != "removed"
    )
    texts = {(row.connection_id, row.bucket, bytes(row.key)): row.content for row in tx.execute(query)}
    return [[] if row["version_id"] else [*_of(row, texts)] for row in rows]


def _of(row: Mapping[str, Any], texts: Mapping[tuple[str, str, bytes], str]) -> Iterator[Sidecar]:
    for key in sorted(keys_of(row["key"])):
        text = texts.get((row["connection_id"], row["bucket"], key))
        if text is not None:
            yield Sidecar(key, text)
