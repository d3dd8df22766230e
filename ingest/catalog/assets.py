"""Assets: reading what is known, writing what was found. Every function is one piece of a transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from config.database import db_now
from ingest.catalog.tables import assets as table
from ingest.compare import Known
from ingest.model import ARCHIVED, Range

_KEPT = ("connection_id", "bucket", "key", "version_id", "first_seen_at")


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


def _upsert(key: str) -> sa.TextClause:
    """Rows come as one JSON array: an `executemany` takes the interpreter lock for each of them, and starves the event loop's
    thread and itself; this takes it once. Everything a row holds is replaced, so that nothing of an object's former self stays
    beside its new one; only `first_seen_at` is kept.
    """
    values = {column.name: "NULL" for column in table.c}
    values |= {name: f"json_extract(value, '$[{number}]')" for number, name in enumerate(Asset._fields)}
    values |= {"connection_id": ":connection_id", "bucket": ":bucket", "version_id": "''", "run_id": ":run_id"}
    values |= {"key": key, "first_seen_at": ":now", "changed_at": ":now"}
    changed = ", ".join(f"{name} = excluded.{name}" for name in values if name not in _KEPT)
    return sa.text(
        f"INSERT INTO assets ({', '.join(values)}) SELECT {', '.join(values.values())} FROM json_each(:rows) WHERE true "  # noqa: S608 - names of our own columns
        f"ON CONFLICT ({', '.join(_KEPT[:4])}) DO UPDATE SET {changed}"
    )


_UPSERT: Final = _upsert("CAST(json_extract(value, '$[0]') AS BLOB)")
_UPSERT_ODD: Final = _upsert("from_hex(json_extract(value, '$[0]'))")
"""For keys that are no text that JSON in SQLite can carry: with NUL, or not UTF-8."""


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
    return [Known(row[0], row[1:6], row[6], row[7]) for row in _raw(tx, query)]


def _raw(tx: sa.Connection, query: sa.Select[Any]) -> list[Any]:
    """Rows as the driver's own tuples: the hot path reads a million of them."""
    compiled = query.compile(dialect=tx.dialect, compile_kwargs={"render_postcompile": True})
    result = tx.exec_driver_sql(str(compiled), tuple(compiled.params[name] for name in compiled.positiontup or ()))
    return list(result.cursor.fetchall())


def _below(place: Place, prefix: bytes) -> list[sa.ColumnElement[bool]]:
    where = [table.c.connection_id == place.connection_id, table.c.bucket == place.bucket, table.c.key >= prefix]
    end = prefix_end(prefix)
    return where if end is None else [*where, table.c.key < end]


def write(tx: sa.Connection, place: Place, run_id: str, assets: Sequence[Asset]) -> None:
    """Insert or replace these records, in key order; `first_seen_at` stays."""
    plain: list[tuple[str | int | None, ...]] = []
    odd: list[tuple[str | int | None, ...]] = []
    for asset in sorted(assets):
        try:
            plain.append((asset.key.decode(), *asset[1:]))
        except UnicodeDecodeError:
            odd.append((asset.key.hex(), *asset[1:]))
        else:
            if b"\0" in asset.key:
                odd.append((asset.key.hex(), *plain.pop()[1:]))
    now = tx.execute(sa.select(db_now())).scalar_one() if assets else 0
    for statement, rows in ((_UPSERT, plain), (_UPSERT_ODD, odd)):
        if rows:
            tx.execute(statement, {**place._asdict(), "run_id": run_id, "now": now, "rows": json.dumps(rows)})


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
