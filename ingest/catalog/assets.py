"""Assets: reading what is known, writing what was found. Every function is one piece of a transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, groupby
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from config.database import db_now
from ingest.catalog import bulk
from ingest.catalog.tables import assets as table
from ingest.compare import SETTLED, covering
from ingest.job import Depth
from ingest.known import NOTHING, SEPARATOR, Joined, Known, KnownAsset, known_of
from ingest.model import ARCHIVED, Range


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


@dataclass(frozen=True, slots=True)
class Records:
    """Records as columns, which is how many are written at once."""

    columns: Sequence[Sequence[Any]]
    """The columns of `Asset` from the first one on, as many as are known; the rest is None in all."""

    def __len__(self) -> int:
        return len(self.columns[0])


def records_of(assets: Sequence[Asset]) -> Records:
    """Of assets in key order."""
    return Records(list(zip(*assets, strict=True))) if assets else NO_RECORDS


NO_RECORDS: Final = Records([()])


def asset_id(*, workspace: str, connection: str, bucket: str, key: bytes, version_id: str = "") -> str:
    """The asset's stable name, 32 hex digits: computed, never stored, the same after a connection is removed and made again."""
    parts = (workspace.encode(), connection.encode(), bucket.encode(), key, version_id.encode())
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()[:32]


def prefix_end(prefix: bytes) -> bytes | None:
    """The first key after all that begin with `prefix`; None if there is none."""
    head = prefix.rstrip(b"\xff")
    return head[:-1] + bytes([head[-1] + 1]) if head else None


_COMPARED: Final = ("key", "size", "etag", "last_modified", "storage_class", "listed_checksum", "state", "depth")


def known(tx: sa.Connection, place: Place, *, prefix: bytes, within: Range, depth: Depth, limit: int) -> Known:
    """The first `limit` assets of the range that are not removed, to compare with a listing for this depth."""
    behind = prefix_end(prefix)
    from_prefix = within.lo is None or within.lo < prefix
    to_hi = within.hi is not None and (behind is None or within.hi < behind)
    lowest, highest = prefix if from_prefix else within.lo, within.hi if to_hi else behind
    rows, joined = _known_queries(from_prefix, to_hi, highest is None, depth)
    values = {**place._asdict(), "lowest": lowest, "highest": highest, "limit": limit}
    count, last, settled, *texts = tx.execute(joined, values).one()
    if not count:
        return NOTHING
    found = Joined(*texts)
    if found.splits(count):
        return Known(count=count, last=last, all_settled=settled == count, columns=found)
    by_key = {row[0]: KnownAsset(tuple(row[1:6]), row[6], row[7]) for row in tx.execute(rows, values)}
    return known_of(by_key, all_settled=settled == count)


@cache
def _known_queries(
    from_prefix: bool,
    to_hi: bool,
    endless: bool,
    depth: Depth,
) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """Of each asset a row; and of all of them one: how many, the last key, how many need no second look, and each column as a text.

    One bound at each end: of two, a database may search by the one and walk to the other. Made once, since that takes longer than
    to run them.
    """
    lowest, highest = sa.bindparam("lowest", type_=sa.LargeBinary), sa.bindparam("highest", type_=sa.LargeBinary)
    key = table.c.key
    bounds = [key >= lowest if from_prefix else key > lowest]
    if not endless:
        bounds.append(key <= highest if to_hi else key < highest)
    rows = (
        sa.select(*(table.c[name] for name in _COMPARED))
        .where(
            table.c.connection_id == sa.bindparam("connection_id"),
            table.c.bucket == sa.bindparam("bucket"),
            *bounds,
            table.c.version_id == "",
            table.c.state != "removed",
        )
        .order_by(key)
        .limit(sa.bindparam("limit", type_=sa.Integer))
    )
    each = rows.subquery().c
    separator: sa.ColumnElement[str] = sa.literal_column(f"char({ord(SEPARATOR)})")
    keys, *others = (sa.func.group_concat(sa.cast(each[name], sa.Text), separator) for name in _COMPARED)
    settled = each.state.in_(SETTLED) & each.depth.in_(covering(depth))
    count_settled = sa.func.sum(sa.case((settled, 1), else_=0))
    joined = sa.select(
        sa.func.count(each.key), sa.func.max(each.key), count_settled, sa.cast(keys, sa.LargeBinary), *others
    )
    return rows, joined


def write(tx: sa.Connection, place: Place, run_id: str, records: Iterable[Records]) -> None:
    """Insert or replace these records; `first_seen_at` stays. Each of `records` ascends by key, and none reaches into another."""
    by_key = sorted(filter(len, records), key=lambda one: bytes(one.columns[0][0]))
    now = tx.execute(sa.select(db_now())).scalar_one() if by_key else 0
    for few, columns in groupby(by_key, key=lambda one: len(one.columns)):
        whole = [[*chain.from_iterable(one)] for one in zip(*(one.columns for one in columns), strict=True)]
        bulk.upsert(tx, Asset._fields[:few], whole, {**place._asdict(), "version_id": "", "run_id": run_id}, now=now)


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


def mark_seen(tx: sa.Connection, place: Place, keys: Iterable[bytes]) -> None:
    """Take back the mark of an earlier run: they are listed. What else is known of them stays as it was."""
    state = sa.case(
        (table.c.error_code.is_not(None), "failed"),
        (sa.or_(*(table.c.storage_class == name for name in ARCHIVED)), "archived"),
        else_="present",
    )
    back = (
        sa.update(table)
        .where(
            table.c.connection_id == place.connection_id,
            table.c.bucket == place.bucket,
            table.c.key == sa.bindparam("seen"),
            table.c.version_id == "",
            table.c.state == "missing",
        )
        .values(state=state, changed_at=db_now())
    )
    if rows := [{"seen": key} for key in keys]:
        tx.execute(back, rows)


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
