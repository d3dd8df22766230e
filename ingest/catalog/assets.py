"""Assets: reading what is known, writing what was found. Every function is one piece of a transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, repeat
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from config.database import db_now
from ingest.catalog import bulk
from ingest.catalog.tables import OF_VERSIONS
from ingest.catalog.tables import assets as table
from ingest.model import ARCHIVED
from ingest.versions import Labels


class Place(NamedTuple):
    """Where assets live: a connection's id and a bucket."""

    connection_id: str
    bucket: str


class Asset(NamedTuple):
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
    restore: str | None = None
    """`ongoing`, or until when an archived object can be read."""
    md5: str | None = None
    sha256: str | None = None
    media_type: str | None = None
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    media: str | None = None
    """JSON object: kind, format, and the properties of `ingest.media.properties`."""
    tags: str | None = None
    """JSON object; None: nobody has asked."""
    copied_to: str | None = None
    verified: str | None = None
    perceptual_hash: str | None = None
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """Records as columns, which is how many are written at once."""

    columns: Sequence[Sequence[Any]]
    """The columns of `Asset` from the first one on, as many as are known; the rest is None in all."""
    as_listed: bool = True
    """Whether they say of each object what the listing said: a probe may have met a newer one."""
    labels: Labels | None = None
    """If they are records of versions."""

    def __len__(self) -> int:
        return len(self.columns[0])

    def names(self) -> Iterator[tuple[bytes, str]]:
        """Key and version ID of each; the latter is empty of records of objects."""
        return zip(self.columns[0], self.labels.version_ids if self.labels else repeat(""), strict=False)


def records_of(assets: Sequence[Asset], *, as_listed: bool = True, labels: Labels | None = None) -> Records:
    """Of assets in key order, which are versions if there are `labels`. Columns behind the last one that says anything are left out."""
    if not assets:
        return NO_RECORDS
    columns = list(zip(*assets, strict=True))
    while columns[-1].count(None) == len(assets):
        columns.pop()
    return Records(columns, as_listed, labels)


NO_RECORDS: Final = Records([()])


def asset_id(*, workspace: str, connection: str, bucket: str, key: bytes, version_id: str = "") -> str:
    """The asset's stable name, 32 hex digits: computed, never stored, the same after a connection is removed and made again."""
    parts = (workspace.encode(), connection.encode(), bucket.encode(), key, version_id.encode())
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()[:32]


def prefix_end(prefix: bytes) -> bytes | None:
    """The first key after all that begin with `prefix`; None if there is none."""
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes([head[-1] + 1]) if head else None


def bring(tx: sa.Connection, records: Iterable[Records]) -> Callable[[Place, str], None]:
    """Hand records over and return what inserts or replaces them in a place for a run; `first_seen_at` stays. Nobody is kept
    waiting before that is called. Each of `records` ascends by key, and none reaches into another.
    """
    by_key = sorted(filter(len, records), key=lambda one: bytes(one.columns[0][0]))
    if not by_key:
        return lambda _place, _run_id: None
    parts = [
        [
            [*chain.from_iterable(one)]
            for one in zip(*((*(one.labels or ()), *one.columns) for one in columns), strict=True)
        ]
        for _, columns in groupby(by_key, key=lambda one: len(one.columns))
    ]
    if by_key[0].labels is not None:
        put = bulk.ready(tx, (*OF_VERSIONS, *Asset._fields), parts)
        return lambda place, run_id: put({**place._asdict(), "run_id": run_id})
    put = bulk.ready(tx, Asset._fields, parts)
    return lambda place, run_id: put({**place._asdict(), "version_id": "", "run_id": run_id})


def mark_missing(tx: sa.Connection, place: Place, run_id: str, keys: Sequence[bytes], ids: Sequence[str] = ()) -> None:
    """Note that the run did not see these; they become removed when it completes. `ids`: of versions, beside their keys."""
    _mark(tx, place, keys, ids, {"state": "missing", "run_id": run_id})


def unmarked() -> sa.ColumnElement[str]:
    """The state that a missing asset has once its mark is taken back."""
    return sa.case(
        (table.c.error_code.is_not(None), "failed"),
        (sa.func.coalesce(table.c.restore, "ongoing") != "ongoing", "present"),
        (table.c.headers.contains("x-amz-archive-status"), "archived"),
        (sa.or_(*(table.c.storage_class == name for name in ARCHIVED)), "archived"),
        else_="present",
    )


def mark_seen(tx: sa.Connection, place: Place, keys: Sequence[bytes], ids: Sequence[str] = ()) -> None:
    """Take back the mark of an earlier run: they are listed. What else is known of them stays as it was."""
    _mark(tx, place, keys, ids, {"state": unmarked()}, table.c.state == "missing")


def relabel(tx: sa.Connection, place: Place, run_id: str, versions: Sequence[tuple[bytes, str, bool]]) -> None:
    """Of each version, note whether it is the latest. What else is known of it stays as it was."""
    for latest in (True, False):
        found = [(key, version_id) for key, version_id, is_latest in versions if is_latest is latest]
        values = {"is_latest": latest, "run_id": run_id}
        _mark(tx, place, [key for key, _ in found], [version_id for _, version_id in found], values)


def _mark(
    tx: sa.Connection,
    place: Place,
    keys: Sequence[bytes],
    ids: Sequence[str],
    values: Mapping[str, Any],
    *which: sa.ColumnElement[bool],
) -> None:
    """Of these keys, or of these versions if there are `ids`, those for which all of `which` holds."""
    if not keys:
        return
    change = (
        sa.update(table)
        .where(table.c.connection_id == place.connection_id, table.c.bucket == place.bucket)
        .where(*which)
        .values(**values, changed_at=db_now())
    )
    if not ids:
        change = change.where(table.c.version_id == "")
    if tx.dialect.name == "postgresql":
        every = sa.literal(keys, ARRAY(sa.LargeBinary))
        if not ids:
            tx.execute(change.where(table.c.key == sa.any_(every)))
            return
        names = sa.select(sa.func.unnest(every), sa.func.unnest(sa.literal(ids, ARRAY(sa.Text))))
        tx.execute(change.where(sa.tuple_(table.c.key, table.c.version_id).in_(names)))
        return
    change = change.where(table.c.key == sa.bindparam("marked"))
    if not ids:
        tx.execute(change, [{"marked": key} for key in keys])
        return
    change = change.where(table.c.version_id == sa.bindparam("version"))
    tx.execute(change, [{"marked": key, "version": one} for key, one in zip(keys, ids, strict=True)])


def find(
    tx: sa.Connection,
    connection_ids: Sequence[str],
    *,
    bucket: str | None = None,
    prefix: bytes = b"",
    state: str | None = None,
    after: tuple[str, str, bytes] | tuple[str, str, bytes, str] | None = None,
    limit: int = 1000,
    versions: bool = False,
) -> list[Mapping[str, Any]]:
    """Records in the order of connection, bucket and key, as mappings of the table's columns. `versions`: those of versions, too, in the
    order of their IDs behind that of the object. `after`: the last one seen, by connection, bucket, key, and version if there are any.
    """
    columns = table.c
    query = sa.select(table).where(columns.connection_id.in_(connection_ids)).limit(limit)
    if bucket is not None:
        query = query.where(columns.bucket == bucket)
    if prefix:
        end = prefix_end(prefix)
        query = query.where(columns.key >= prefix, *([] if end is None else [columns.key < end]))
    if state is not None:
        query = query.where(columns.state == state)
    order: tuple[sa.Column[Any], ...] = (columns.connection_id, columns.bucket, columns.key)
    if versions:
        order += (columns.version_id,)
    else:
        query = query.where(columns.version_id == "")
    if after is not None:
        query = query.where(sa.tuple_(*order) > sa.tuple_(*(sa.literal(value) for value in after)))
    return [dict(row) for row in tx.execute(query.order_by(*order)).mappings()]
