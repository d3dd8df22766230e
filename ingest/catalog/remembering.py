"""Finds the run whose spans still say what the catalog holds of a source. One piece of a transaction.

Rows are written by spans alone, and what ends a run touches only rows that are missing, which no span with a digest has. Whatever
else should ever write rows, or take them away, must take the digests of the spans around them away, too.
"""

from __future__ import annotations

import sqlalchemy as sa

from ingest.catalog import runs
from ingest.catalog.runs import Run
from ingest.catalog.tables import runs as table_of_runs
from ingest.catalog.tables import spans as table
from ingest.job import DEPTHS, PrefixSource
from ingest.remembered import Tile


def last_seen(tx: sa.Connection, run: Run, source: int, *, limit: int) -> list[Tile]:
    """The spans, in key order, of the last run before this one that has been at this source; none if it listed another one that
    meets this, or for a shallower depth, or if there are more than `limit`.
    """
    if run.job is None:
        return []
    wanted = run.sources[source]
    older = (
        sa.select(table_of_runs.c.id)
        .where(
            table_of_runs.c.connection_id == run.connection_id,
            sa.tuple_(table_of_runs.c.created_at, table_of_runs.c.id)
            < sa.tuple_(sa.literal(run.created_at), sa.literal(run.id)),
            sa.exists().where(table.c.run_id == table_of_runs.c.id),
        )
        .order_by(table_of_runs.c.created_at.desc(), table_of_runs.c.id.desc())
    )
    for run_id in tx.execute(older).scalars():
        last = runs.get(tx, run.workspace, run_id)
        meeting = [number for number, theirs in enumerate(last.sources) if _meet(theirs, wanted)]
        if meeting:
            alone = len(meeting) == 1 and last.sources[meeting[0]] == wanted
            deep = last.job is not None and DEPTHS.index(last.job.depth) >= DEPTHS.index(run.job.depth)
            return _tiles(tx, run_id, meeting[0], limit=limit) if alone and deep else []
    return []


def _meet(one: PrefixSource, other: PrefixSource) -> bool:
    """Whether they may have a key in common."""
    near = one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix)
    return one.bucket == other.bucket and near


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
