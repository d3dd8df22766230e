"""Assets: reading what is known, writing what was found. Every function is one piece of a transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from config.database import db_now
from ingest.catalog.tables import assets as table
from ingest.compare import Known
from ingest.model import Range

_KEPT = ("connection_id", "bucket", "key", "version_id", "first_seen_at")


class Place(NamedTuple):
    """Where assets live: a connection's id and a bucket."""

    connection_id: str
    bucket: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """The record of one object, ready to be written. What a shallower depth did not see is None."""

    key: bytes
    size: int
    etag: str
    last_modified: str
    storage_class: str
    listed_checksum: str
    state: str
    depth: str
    error_code: str | None = None
    content_type: str | None = None
    checksum_algorithm: str | None = None
    checksum: str | None = None
    checksum_type: str | None = None
    probed_version_id: str | None = None
    metadata: str | None = None
    """JSON object."""
    headers: str | None = None
    """JSON object."""


def asset_id(*, workspace: str, connection: str, bucket: str, key: bytes, version_id: str = "") -> str:
    """The asset's stable name, 32 hex digits: computed, never stored, the same after a connection is removed and made again."""
    parts = (workspace.encode(), connection.encode(), bucket.encode(), key, version_id.encode())
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()[:32]


def prefix_end(prefix: bytes) -> bytes | None:
    """The first key after all that begin with `prefix`; None if there is none."""
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes([head[-1] + 1]) if head else None


def known(tx: sa.Connection, place: Place, *, prefix: bytes, within: Range, limit: int) -> list[Known]:
    """The first `limit` assets of the range that are not removed, in key order."""
    columns = table.c
    query = (
        sa.select(
            columns.key,
            columns.size,
            columns.etag,
            columns.last_modified,
            columns.storage_class,
            columns.listed_checksum,
            columns.state,
            columns.depth,
        )
        .where(*_below(place, prefix), columns.version_id == "", columns.state != "removed")
        .order_by(columns.key)
        .limit(limit)
    )
    if within.lo is not None:
        query = query.where(columns.key > within.lo)
    if within.hi is not None:
        query = query.where(columns.key <= within.hi)
    return [Known(row[0], tuple(row[1:6]), row[6], row[7]) for row in tx.execute(query)]


def _below(place: Place, prefix: bytes) -> list[sa.ColumnElement[bool]]:
    where = [table.c.connection_id == place.connection_id, table.c.bucket == place.bucket, table.c.key >= prefix]
    end = prefix_end(prefix)
    return where if end is None else [*where, table.c.key < end]


def write(tx: sa.Connection, place: Place, run_id: str, assets: Sequence[Asset]) -> None:
    """Insert or replace these records, in key order; `first_seen_at` stays."""
    if not assets:
        return
    now = tx.execute(sa.select(db_now())).scalar_one()
    base = {**place._asdict(), "version_id": "", "run_id": run_id, "first_seen_at": now, "changed_at": now}
    names = list(Asset.__dataclass_fields__)
    rows = [
        {**base, **{name: getattr(asset, name) for name in names}}
        for asset in sorted(assets, key=lambda asset: asset.key)
    ]
    upsert = insert(table)
    # Everything a row holds is replaced, so that nothing of an object's former self stays beside its new one.
    changed = {column.name: upsert.excluded[column.name] for column in table.c if column.name not in _KEPT}
    tx.execute(upsert.on_conflict_do_update(index_elements=_KEPT[:4], set_=changed), rows)


def mark_missing(tx: sa.Connection, place: Place, run_id: str, keys: Iterable[bytes]) -> None:
    """Note that the run did not see these; they become removed when it completes."""
    gone = (
        sa.update(table)
        .where(
            table.c.connection_id == place.connection_id,
            table.c.bucket == place.bucket,
            table.c.key == sa.bindparam("gone"),
            table.c.version_id == "",
        )
        .values(state="missing", run_id=run_id, changed_at=db_now())
    )
    if rows := [{"gone": key} for key in keys]:
        tx.execute(gone, rows)


def find(
    tx: sa.Connection,
    connection_ids: Sequence[str],
    *,
    bucket: str | None = None,
    prefix: bytes = b"",
    state: str | None = None,
    after: tuple[str, str, bytes] | None = None,
    limit: int = 1000,
) -> list[Mapping[str, Any]]:
    """Records in the order of connection, bucket and key, as mappings of the table's columns. `after`: the last one seen."""
    columns = table.c
    query = sa.select(table).where(columns.connection_id.in_(connection_ids)).limit(limit)
    if bucket is not None:
        query = query.where(columns.bucket == bucket)
    if prefix:
        end = prefix_end(prefix)
        query = query.where(columns.key >= prefix, *([] if end is None else [columns.key < end]))
    if state is not None:
        query = query.where(columns.state == state)
    order = (columns.connection_id, columns.bucket, columns.key)
    if after is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(*(sa.literal(value) for value in after)))
    return [dict(row) for row in tx.execute(query.order_by(*order)).mappings()]
