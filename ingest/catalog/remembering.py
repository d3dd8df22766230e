"""Finds the run whose spans still say what the catalog holds of a source. One piece of a transaction.

Rows are written by spans alone, and what ends a run touches only rows that are missing, which no span with a digest has. Whatever
else should ever write rows, or take them away, must take the digests of the spans around them away, too.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ingest.catalog import shards
from ingest.catalog.runs import REFUTED, Run
from ingest.catalog.tables import runs
from ingest.catalog.tables import spans as table
from ingest.job import IngestJob, PrefixSource, of_other_kind
from ingest.model import Range
from ingest.remembered import Tile
from ingest.splitting import KEY_BYTES
from ingest.wanted import Wanted

_LOOKED_AT = 20
"""Older runs of the connection. If none of so many has been there, nothing is remembered."""
_BEYOND = b"\xff" * (KEY_BYTES + 1)


def last_seen(tx: sa.Connection, run: Run, source: int, *, limit: int) -> list[Tile]:
    """The spans, in key order, of the last run before this one that listed all of this source; none if it listed another one that
    meets this, or for less than is wanted, or was refuted, or if there are more than `limit`.

    Runs since then that were about some ranges or objects only have written nowhere else: of the spans that meet those, only the ends are told.
    """
    if run.job is None:
        return []
    wanted = run.sources[source]
    touched: list[Range] = []
    for row in tx.execute(_older(run)):
        theirs = [PrefixSource(bucket, bytes.fromhex(prefix)) for bucket, prefix in json.loads(row.sources)]
        meeting = [number for number, one in enumerate(theirs) if one.meets(wanted)]
        job = IngestJob.kept(row.job)
        if not meeting or of_other_kind(run.job, job):
            continue
        if job is not None and job.names_objects:
            touched += [alone(key) for number in meeting for key in job.named[number].keys]
            continue
        if row.asked is not None:
            touched += [part for number, part in shards.load(row.asked) if number in meeting]
            continue
        same = len(meeting) == 1 and theirs[meeting[0]] == wanted
        covers = job is not None and Wanted.of(run.job).covered_by(Wanted.of(job))
        trusted = same and covers and row.error_code != REFUTED
        tiles = _tiles(tx, row.id, meeting[0], limit=limit) if trusted else []
        since = _Touched(touched)
        return [tile._replace(digest=None) if since.meets(tile) else tile for tile in tiles]
    return []


def alone(key: bytes) -> Range:
    """A range that holds this key and no other that there can be, but some that are longer than keys may be."""
    head, last = key[:-1], key[-1:]
    return Range(head + bytes([last[0] - 1]) + _BEYOND if last > b"\0" else head, key)


def _older(run: Run) -> sa.Select[Any]:
    """The last runs of the connection that may have written rows."""
    listed = sa.exists().where(table.c.run_id == runs.c.id)
    begun_in_part = sa.and_(runs.c.asked.is_not(None), runs.c.started_at.is_not(None))
    return (
        sa.select(runs.c.id, runs.c.sources, runs.c.job, runs.c.asked, runs.c.error_code)
        .where(
            runs.c.connection_id == run.connection_id,
            runs.c.number < run.number,
            sa.or_(listed, begun_in_part),
        )
        .order_by(runs.c.number.desc())
        .limit(_LOOKED_AT)
    )


class _Touched:
    """Ranges that may have been written since."""

    def __init__(self, parts: Iterable[Range]) -> None:
        self._lows: list[bytes] = []
        self._highs: list[bytes] = []
        for lo, hi in sorted((part.lo or b"", _BEYOND if part.hi is None else part.hi) for part in parts):
            if self._highs and lo <= self._highs[-1]:
                self._highs[-1] = max(hi, self._highs[-1])
            else:
                self._lows.append(lo)
                self._highs.append(hi)

    def meets(self, tile: Tile) -> bool:
        """Whether a key may lie in both."""
        place = bisect_right(self._highs, tile.lo or b"")
        return place < len(self._highs) and (tile.hi is None or self._lows[place] < tile.hi)


def _tiles(tx: sa.Connection, run_id: str, source: int, *, limit: int) -> list[Tile]:
    columns = table.c
    query = (
        sa.select(columns.lo, columns.hi, columns.listed, columns.digest)
        .where(columns.run_id == run_id, columns.source == source)
        .order_by(columns.lo.nulls_first())
        .limit(limit + 1)
    )
    found = [Tile(*row) for row in tx.execute(query)]
    return found if len(found) <= limit else []
