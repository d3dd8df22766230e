"""Reads what is known of the versions of an interval, all of each key. One piece of a transaction."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

import sqlalchemy as sa

from ingest.catalog.assets import Place
from ingest.catalog.knowing import COMPARED, asked, bounds_of, numbered, rows_of, settled, unasked
from ingest.comparing_versions import KnownVersion, KnownVersions
from ingest.model import Range
from ingest.wanted import Wanted


def known_versions(
    tx: sa.Connection, place: Place, *, prefix: bytes, within: Range, wanted: Wanted, limit: int
) -> KnownVersions:
    """Of the first keys of the range, all versions that are not removed: `limit` at most, unless the first key alone has more."""
    bounds, ends = bounds_of(prefix, within)
    statement = _statement(bounds, unasked(wanted), tx.dialect.name)
    for times in count(1):
        most = limit * times**2
        found = rows_of(tx, statement, (*asked(wanted), *place, *ends, most))
        if len(found) < most:
            return KnownVersions(_by_name(found))
        # the last key may have more: it is left to whoever asks next, behind the one before it
        last = found[-1][0]
        whole = [row for row in found if row[0] != last]
        if whole:
            return KnownVersions(_by_name(whole), upto=bytes(whole[-1][0]))
    raise AssertionError("it counts without end")


def _by_name(rows: list[Any]) -> dict[tuple[bytes, str], KnownVersion]:
    return {
        (bytes(key), version_id): KnownVersion(tuple(fingerprint), bool(latest), bool(unsettled), bool(missing))
        for key, version_id, *fingerprint, latest, unsettled, missing in rows
    }


@cache
def _statement(bounds: str, wanted: Wanted, dialect: str) -> str:
    """A row of each version. A delete marker has nothing that could be probed."""
    unsettled = f"CASE WHEN is_delete_marker THEN state <> 'present' ELSE NOT ({settled(wanted)}) END"
    rows = (
        f"SELECT key, version_id, {', '.join(COMPARED)}, is_latest, {unsettled}, state = 'missing' FROM assets "  # noqa: S608 - names and words of our own
        f"WHERE connection_id = ? AND bucket = ? AND {bounds} AND version_id <> '' AND state <> 'removed' "
        "ORDER BY key, version_id LIMIT ?"
    )
    return rows if dialect == "sqlite" else numbered(rows)
