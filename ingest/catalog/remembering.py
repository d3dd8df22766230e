"""Finds the run whose spans still say what the catalog holds of a source. One piece of a transaction.

Rows are written by spans alone, and what ends a run touches only rows that are missing, which no span with a digest has. Whatever
else should ever write rows, or take them away, must take the digests of the spans around them away, too.
"""

from __future__ import annotations

import json

import sqlalchemy as sa

from ingest.catalog.runs import REFUTED, Run
from ingest.catalog.tables import runs
from ingest.catalog.tables import spans as table
from ingest.job import DEPTHS, PrefixSource
from ingest.remembered import Tile

_LOOKED_AT = 20
"""Older runs of the connection. If none of so many has been there, nothing is remembered."""


def last_seen(tx: sa.Connection, run: Run, source: int, *, limit: int) -> list[Tile]:
    """The spans, in key order, of the last run before this one that has been at this source; none if it listed another one that
    meets this, or for a shallower depth, or was refuted, or if there are more than `limit`.
    """
    if run.job is None:
        return []
    wanted = run.sources[source]
    older = (
        sa.select(runs.c.id, runs.c.sources, runs.c.job, runs.c.error_code)
        .where(
            runs.c.connection_id == run.connection_id,
            runs.c.number < run.number,
            sa.exists().where(table.c.run_id == runs.c.id),
        )
        .order_by(runs.c.number.desc())
        .limit(_LOOKED_AT)
    )
    for row in tx.execute(older):
        theirs = [PrefixSource(bucket, bytes.fromhex(prefix)) for bucket, prefix in json.loads(row.sources)]
        meeting = [number for number, one in enumerate(theirs) if one.meets(wanted)]
        if meeting:
            alone = len(meeting) == 1 and theirs[meeting[0]] == wanted
            depth = json.loads(row.job).get("depth")
            deep = depth in DEPTHS[DEPTHS.index(run.job.depth) :]
            trusted = alone and deep and row.error_code != REFUTED
            return _tiles(tx, row.id, meeting[0], limit=limit) if trusted else []
    return []


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
